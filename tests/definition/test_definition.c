/* test_definition.c - the text of definitions, which texts are legal, and the steps of lowering as
 * text in and text out. */
#include <criterion/criterion.h>
#include <string.h>

#include "backend/lower.h"
#include "ir/definition/definitions_parse.h"
#include "ir/definition/definitions_print.h"
#include "ir/definition/definitions_verify.h"
#include "ir/definition/print.h"
#include "ir/graph/parse.h"
#include "ir/graph/verify.h"
#include "passes/passes.h"
#include "tests/kernel/support.h"

TestSuite(definition, .init = open_session, .fini = close_session);

/* ---- reading and verifying ---- */

/* Without the header, which is that of the input. */
static const char *printed(const fv_module *m, const fv_definitions *d) {
    fv_text t = {.arena = arena};
    fv_definitions_print(&t, m, d, NULL, NULL, true);
    return strstr(t.s, "func");
}

/* A text without its head: from `func`, or what is before it in graph IR. */
static const char *with_head(const char *input) {
    return strncmp(input, "fovea", 5)
               ? fv_printf(arena, "fovea-definitions 1 after \"layout\"\nmodule \"m\"\n%s", input)
               : input;
}

static fv_module *read(const char *input) {
    return fv_definitions_parse(session, with_head(input), ".", NULL);
}

/* What is printed reads back to the same. */
static const char *read_and_print(const char *options, const char *input) {
    (void)options;
    fv_module *m = read(input);
    if (!m || !fv_module_verify(m, NULL) || !fv_definitions_verify(m, m->definitions, NULL))
        return said();
    fv_text once = {.arena = arena}, twice = {.arena = arena};
    fv_definitions_print(&once, m, m->definitions, NULL, NULL, true);
    fv_module *again = fv_definitions_parse(session, once.s, ".", NULL);
    cr_assert(again, "%s\n%s", once.s, said());
    fv_definitions_print(&twice, again, again->definitions, NULL, NULL, true);
    cr_expect_str_eq(once.s, twice.s);
    return printed(m, m->definitions);
}

static const char *verdict(const char *options, const char *input) {
    (void)options;
    fv_module *m = read(input);
    bool legal = m && fv_module_verify(m, NULL) && fv_definitions_verify(m, m->definitions, NULL);
    return fv_printf(arena, "%s%s", said(), legal ? "legal\n" : "");
}

Test(definition, text) {
    check_golden("../definition/text.txt", read_and_print);
}
Test(definition, errors) {
    check_golden("../definition/errors.txt", verdict);
}
Test(definition, rules) {
    check_golden("../definition/illegal.txt", verdict);
}

/* ---- steps ---- */

typedef struct stop {
    const char *after, *text;
} stop;

static void look(void *user, const char *step, const fv_module *m, const fv_definitions *d) {
    stop *s = user;
    if (d && !strcmp(step, s->after))
        s->text = printed(m, d);
}

/* The name of a step: what values are then. The input is a graph, or definitions after a step. */
static const char *lowered(const char *options, const char *input) {
    bool graph = strncmp(input, "fovea-definitions", 17) != 0;
    stop s = {options + strspn(options, " "), NULL};
    fv_watch w = {&s, look};
    fv_lower_options o = {.target = fv_target_find("x86-64-v3"), .verify = true, .watch = &w};
    fv_module *m =
        graph
            ? fv_module_parse(session, fv_printf(arena, "fovea-ir 1\nmodule \"m\"\n%s", input), ".")
            : read(input);
    if (!m || (graph && !fv_run_passes(m, fv_pipeline('2'), NULL)) || !fv_lower(m, &o))
        return said();
    cr_assert(s.text, "no step '%s'", s.after);
    return s.text;
}

Test(definition, steps) {
    check_golden("../definition/steps.txt", lowered);
}

/* ---- formulas ---- */

static const char *formula_of(const char *body) {
    fv_text t = {.arena = arena};
    fv_module *m =
        read(fv_printf(arena,
                       "func @main(%%x: f32[200, 9]) -> (%%y) {\n  %%y = define(%%x) : f32[] {\n"
                       "    element %%y[] = %s\n  }\n  return %%y\n}\n",
                       body));
    cr_assert(m && m->definitions->n == 1, "%s", said());
    fv_definition_print(&t, m->definitions->all[0].def);
    return t.s;
}

/* Who writes a module may leave out what binds a symbol; of one that was imported it is our
 * mistake. */
Test(definition, a_symbol_that_nothing_binds) {
    for (int written = 0; written < 2; written++) {
        fv_module *m = fv_module_parse(
            session,
            "fovea-ir 1\nsymbol k 0..9 data\nfunc @main(%x: f32[9]) -> (%y) {\n"
            "  %y = fv.Slice(%x) {start = [k], step = [1], dims = [1]}\n  return %y\n}\n",
            NULL);
        cr_assert(m, "%s", said());
        m->source.is_written = written;
        fv_lower_options lo = {.target = fv_target_find("generic")};
        cr_expect(!fv_lower(m, &lo));
        const char *text = said();
        cr_expect(strstr(text, "nothing above gives 'k' a value"), "%s", text);
        cr_expect((strstr(text, "internal error") == NULL) == (written == 1), "%s", text);
    }
}

Test(definition, formulas_are_a_few_lines) {
    fv_text sums = {.arena = arena}, calls = {.arena = arena};
    fv_text_put(&sums, "%x[0, 0]");
    for (int i = 0; i < 120; i++) {
        fv_text_printf(&sums, " + (sum k%d < %d: %%x[k%d, 1])", i, i + 2, i);
        fv_text_put(&calls, "max(");
    }
    fv_text_put(&calls, "%x[0, 0]");
    for (int i = 0; i < 120; i++)
        fv_text_printf(&calls, ", %%x[%d, 1])", i);
    const char *long_sum = formula_of(sums.s), *long_call = formula_of(calls.s);
    cr_expect(strlen(long_sum) < 500 && strstr(long_sum, "...") == long_sum + strlen(long_sum) - 3,
              "%s", long_sum);
    cr_expect(strlen(long_call) < 600, "%s", long_call);
    cr_expect_str_eq(formula_of("%x[0, 0] + (%x[1, 0] - 1.0)"), "y[] = x[0, 0] + (x[1, 0] - 1.0)");
}
