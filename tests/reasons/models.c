/* models.c - checks that the reasons that lowering records for models are complete (whole.h).
 * Models that are refused do not count. Usage: models TARGET MODEL... */
#include "tests/models.h"
#include "tests/reasons/whole.h"
#include "tools/driver/driver.h"

static models_outcome look_at(fv_session *s, const char *path, const fv_target *t) {
    fv_reasons r;
    fv_driver_options o = {.target.of = t,
                           .target.given = true,
                           .level = '2',
                           .without_weights = true,
                           .name = "m",
                           .answers.reasons = &r};
    fv_source source;
    if (!fv_driver_read(s, path, &o, &source) || !fv_driver_lower(s, &source, &o))
        return models_is_refused(s) ? MODELS_REFUSED : models_failed(path, "it cannot be compiled");
    const char *fault = reasons_fault(fv_arena_new(s), &r);
    return fault ? models_failed(path, fault) : MODELS_GOOD;
}

int main(int argc, char **argv) {
    return models_main(argc, argv, look_at);
}
