/* test_report.c - the counts and failures of `fovea test`, and sessions: one for each model and
 * backend, one for each file of rules, and one for each script. */
#include <string.h>

#include "tools/command/progress.h"
#include "tools/subcommand/test.h"

void fv_test_progress(const fv_tests *t, const char *path, const char *name) {
    fv_progress(t->args, "%d passed, %d failed: %.60s (%s)", t->passed, t->failed, path, name);
}

void fv_test_fail(fv_tests *t, const char *path, const char *kind, const char *name,
                  const char *why, const char *more) {
    t->failed++;
    fv_progress_end();
    if (!t->failures) {
        fv_out("FAILED %s (%s): %s\n", path, name, why);
        for (const char *line = more; line && *line;
             line += strcspn(line, "\n"), line += *line == '\n')
            fv_out("  %.*s\n", (int)strcspn(line, "\n"), line);
        return;
    }
    json_t *o = json_object();
    fv_json_set_text(o, "folder", path);
    fv_json_set_text(o, kind, name);
    fv_json_set_text(o, "reason", why);
    if (more)
        fv_json_set_text(o, "more", more);
    fv_json_append(t->failures, o);
}

void fv_test_alone(fv_tests *t, const char *path, const char *name, const fv_args *args,
                   void (*work)(fv_context *c, void *arg), void *arg) {
    fv_context c = {.session = fv_session_new(), .args = args};
    fv_door door;
    if (!c.session || FV_DOOR_OPEN(c.session, &door)) {
        fv_test_fail(t, path, "backend", name, fv_session_left(c.session, &(fv_left){0}), NULL);
        fv_session_free(c.session);
        return;
    }
    c.arena = fv_arena_new(c.session);
    fv_test_progress(t, path, name);
    work(&c, arg);
    fv_door_close(c.session, &door);
    fv_session_free(c.session);
}
