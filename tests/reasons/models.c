/* models.c - reasons that lowering has for models are whole; one that is refused counts for nothing. Usage: models TARGET MODEL... */
#include <stdio.h>
#include <string.h>

#include "tests/reasons/whole.h"
#include "tools/driver/driver.h"

/* Is it refused, for an operator that there is not? */
static bool is_refused(const fv_session *s) {
    for (const fv_message *m = fv_messages(s); m; m = m->next)
        if (m->severity == FV_ERROR && strstr(m->text, "not in the catalogue"))
            return true;
    return false;
}

typedef enum { WHOLE, FAULTY, REFUSED } outcome;

static outcome failed(const char *path, const char *fault) {
    printf("FAILED %s: %s\n", path, fault);
    return FAULTY;
}

static outcome look_at(fv_session *s, const char *path, const fv_target *t) {
    fv_reasons r;
    fv_driver_options o = {.target = t, .target_given = true, .level = '2', .look = true, .name = "m", .reasons = &r};
    fv_source source;
    if (!fv_driver_read(s, path, &o, &source) || !fv_driver_lower(s, &source, &o))
        return is_refused(s) ? REFUSED : failed(path, "it cannot be compiled");
    const char *fault = reasons_fault(fv_arena_new(s), &r);
    return fault ? failed(path, fault) : WHOLE;
}

static outcome look_alone(const char *path, const fv_target *t) {
    fv_session *s = fv_session_new();
    fv_door door;
    if (!s)
        return failed(path, "out of memory");
    if (FV_DOOR_OPEN(s, &door)) {
        fv_session_free(s);
        return failed(path, "out of memory");
    }
    outcome o = look_at(s, path, t);
    fv_door_close(s, &door);
    fv_session_free(s);
    return o;
}

int main(int argc, char **argv) {
    int n[3] = {0};
    const fv_target *t = argc > 1 ? fv_target_find(argv[1]) : NULL;
    if (!t) {
        fprintf(stderr, "usage: models TARGET MODEL...\n");
        return 2;
    }
    for (int i = 2; i < argc; i++)
        n[look_alone(argv[i], t)]++;
    printf("%d passed, %d failed\n", n[WHOLE], n[FAULTY]);
    return n[FAULTY] > 0;
}
