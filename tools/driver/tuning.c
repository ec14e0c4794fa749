/* tuning.c - reads tuning files, and checks that they were made for the model and target that are
 * compiled. */
#include "tuning.h"

#include <string.h>

#include "frontend/file.h"
#include "ir/base/diag.h"

const char *fv_tuning_target(fv_arena *a, const fv_target *t) {
    const fv_target *own = fv_target_choose(a, t->name);
    const char *processor = fv_processor_of(t)->name;
    return own && !strcmp(fv_processor_of(own)->name, processor)
               ? fv_target_str(a, t)
               : fv_printf(a, "%s for %s", fv_target_str(a, t), processor);
}

static bool is_the_same(fv_session *s, const char *what, int line, int column, const char *theirs,
                        const char *ours) {
    return !strcmp(theirs, ours) ||
           fv_error_at(s, line, column,
                       "was made for another %s: \"%.200s\", here it is \"%.200s\"", what, theirs,
                       ours);
}

static bool fits(fv_session *s, fv_arena *a, const fv_tuning *u, const char *model,
                 const fv_target *t) {
    /* for another target than native the CPU of this machine does not count, only the properties of
     * the target */
    bool here = !strcmp(t->name, "native");
    return is_the_same(s, "model", u->at_model.line, u->at_model.column, u->model, model) &&
           is_the_same(s, "version", u->at_producer.line, u->at_producer.column, u->producer,
                       FV_PRODUCER) &&
           is_the_same(s, "target", u->at_target.line, u->at_target.column, u->target,
                       fv_tuning_target(a, t)) &&
           (!here ||
            is_the_same(s, "CPU", u->at_cpu.line, u->at_cpu.column, u->cpu, fv_cpu_str(a)));
}

static const fv_tuning *read(fv_session *s, fv_arena *a, const fv_driver_options *o,
                             const char *model) {
    const char *text = fv_file_text(s, a, o->tuning.path);
    const fv_tuning *u = text ? fv_tuning_parse(s, a, text) : NULL;
    return u && fits(s, a, u, model, o->target.of) ? u : NULL;
}

const fv_tuning *fv_driver_tuning(fv_session *s, fv_arena *a, const fv_driver_options *o,
                                  const char *model) {
    const char *file = fv_diag_file_get(s);
    fv_diag_file(s, o->tuning.path);
    const fv_tuning *u = read(s, a, o, model);
    fv_diag_file(s, file);
    return u;
}
