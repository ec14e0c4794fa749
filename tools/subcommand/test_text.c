/* test_text.c - `fovea test` for texts: tests rules on random instances, and runs the tests that a
 * script declares. */
#include <string.h>

#include "frontend/file.h"
#include "ir/base/diag.h"
#include "passes/check.h"
#include "tools/script/script.h"
#include "tools/subcommand/test.h"

enum { INSTANCES = 100 }; /* number of instances on which each rule is compared */

typedef struct text_test {
    fv_tests *t;
    const char *path;
} text_test;

/* ---- rules ---- */

static void try_rule(fv_context *c, const text_test *x, const fv_rule *r) {
    fv_rule_report report;
    fv_test_progress(x->t, x->path, r->name);
    if (fv_rule_check(c->arena, r, (uint64_t)c->args->data.seed, INSTANCES, &report)) {
        x->t->passed++;
        return;
    }
    const char *why =
        report.counterexample
            ? "it does not hold"
            : fv_printf(c->arena, "of %d random instances of its pattern it rewrites %d: %s",
                        report.tried, report.compared,
                        report.declined ? report.declined : "no others could be made");
    fv_test_fail(x->t, fv_printf(c->arena, "%s:%d", x->path, r->line), "rule", r->name, why,
                 report.counterexample);
}

static void try_rules(fv_context *c, void *arg) {
    const text_test *x = arg;
    fv_diag_file(c->session, x->path);
    const char *text = fv_file_text(c->session, c->arena, x->path);
    fv_rule *rules;
    int n;
    if (!text || !fv_rules_parse(c->arena, text, &rules, &n) || fv_error_count(c->session)) {
        fv_print_messages(c);
        fv_test_fail(x->t, x->path, "rule", "-", "it cannot be read", NULL);
        return;
    }
    for (int i = 0; i < n; i++)
        try_rule(c, x, &rules[i]);
    if (!n)
        fv_test_fail(x->t, x->path, "rule", "-", "it holds no rules", NULL);
}

void fv_test_rules(fv_tests *t, const char *path) {
    text_test x = {t, path};
    fv_test_alone(t, path, "rules", t->args, try_rules, &x);
}

/* ---- scripts ---- */

/* Counts a test; if it failed, reports the error that ended it, followed by the traceback. */
static void tell_test(fv_context *c, void *user, const char *name, bool passed) {
    const text_test *x = user;
    const char *why = NULL;
    fv_text more = {.arena = c->arena};
    x->t->passed += passed;
    for (const fv_message *m = fv_messages(c->session); m && !passed; m = m->next) {
        if (!why && m->severity == FV_ERROR)
            why = m->text;
        fv_text_printf(&more, "%s\n", fv_message_str(c->arena, m));
    }
    if (!passed)
        fv_test_fail(x->t, x->path, "test", name, why ? why : "it failed", more.s);
    fv_messages_clear(c->session);
}

static void run_script(fv_context *c, void *arg) {
    const text_test *x = arg;
    int n = fv_script_test(c, x->path, tell_test, arg);
    if (n < 0)
        tell_test(c, arg, "-", false);
    else if (!n)
        fv_test_fail(x->t, x->path, "test", "-",
                     "it declares no tests: fv.test(name, function() .. end)", NULL);
}

void fv_test_script(fv_tests *t, const char *path) {
    text_test x = {t, path};
    fv_test_alone(t, path, "script", t->args, run_script, &x);
}
