/* test_passes.c - what passes do to graphs: every *.fvt of this folder.
 *
 * A case is a line `# what it shows`, a function in graph IR, a line `--- opt PASSES` and what the
 * passes leave; blank lines separate cases. FOVEA_UPDATE_GOLDENS=1 rewrites what is expected. */
#include <criterion/criterion.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "passes/passes.h"
#include "tests/passes/support.h"
#include "tests/text_file.h"

enum { MAX_PASSES = 16, MAX_FILES = 64 };

static const char folder[] = FV_SOURCE_ROOT "/tests/passes";

/* `opt NAME NAME ...` or `opt -O1` */
static const char *const *passes_of(const char *options) {
    const char **names = FV_NEW(arena, const char *, MAX_PASSES + 1);
    char *words = fv_strdup(arena, options);
    int n = 0;
    for (char *w = strtok(words, " "); w; w = strtok(NULL, " "))
        if (strcmp(w, "opt") && n < MAX_PASSES)
            names[n++] = w;
    if (n == 1 && !strncmp(names[0], "-O", 2))
        return fv_pipeline(names[0][2]);
    return names;
}

static const char *outcome(const char *options, const char *input) {
    fv_pipeline_options o = {.verify = true};
    fv_module *m = module_of(input);
    if (!fv_run_passes(m, passes_of(options), &o))
        return said();
    return text_of(m);
}

static const char *without_blank_end(const char *s, size_t n) {
    while (n > 0 && s[n - 1] == '\n')
        n--;
    return fv_printf(arena, "%.*s\n", (int)n, s);
}

/* One case from `at`; returns where the next one begins. */
static const char *check_case(const char *file, const char *at, fv_text *now) {
    const char *title = fv_strndup(arena, at, strcspn(at, "\n")), *body = strchr(at, '\n');
    const char *rule = strstr(at, "\n--- ");
    cr_assert(body && rule, "%s: %s: no line ---", file, title);
    const char *options = fv_strndup(arena, rule + 5, strcspn(rule + 5, "\n"));
    const char *expected = rule + 5 + strlen(options), *next = strstr(expected, "\n# ");
    size_t n = next ? (size_t)(next + 1 - expected) : strlen(expected);
    const char *input = fv_strndup(arena, body + 1, (size_t)(rule - body));
    const char *got = without_blank_end(outcome(options, input), strlen(outcome(options, input)));
    expected += *expected == '\n';
    if (!getenv("FOVEA_UPDATE_GOLDENS"))
        cr_expect_str_eq(got, without_blank_end(expected, n ? n - 1 : 0), "%s: %s:\n%s", file,
                         title, got);
    fv_text_printf(now, "%s%s\n%s--- %s\n%s", now->s ? "\n" : "", title, input, options, got);
    return next ? next + 1 : expected + strlen(expected);
}

static void check_file(const char *name) {
    const char *path = fv_printf(arena, "%s/%s", folder, name), *at = read_text_file(arena, path);
    fv_text now = {.arena = arena};
    cr_assert(*at == '#', "%s does not begin with a line #", name);
    while (*at)
        at = check_case(name, at, &now);
    if (!getenv("FOVEA_UPDATE_GOLDENS"))
        return;
    FILE *f = fopen(path, "wb");
    cr_assert(f && fputs(now.s, f) >= 0 && fclose(f) == 0, "cannot write %s", path);
}

Test(passes, fixtures, .init = open_session, .fini = close_session) {
    DIR *d = opendir(folder);
    int n = 0;
    cr_assert(d);
    for (struct dirent *e; (e = readdir(d));)
        if (strlen(e->d_name) > 4 && !strcmp(e->d_name + strlen(e->d_name) - 4, ".fvt")) {
            check_file(e->d_name);
            n++;
        }
    closedir(d);
    cr_assert_gt(n, 0);
}

Test(passes, unknown_names_are_told, .init = open_session, .fini = close_session) {
    fv_module *m = module_of("func @main(%x: f32[n]) { return %x }");
    cr_assert_not(fv_run_passes(m, (const char *[]){"simplfy", NULL}, NULL));
    cr_assert_str_eq(said(), "no pass 'simplfy'; did you mean 'simplify'?\n");
}

/* What passes.def says of their order holds for the lists that are shipped. */
Test(passes, shipped_order, .init = open_session, .fini = close_session) {
    for (const char *level = "0123s"; *level; level++) {
        fv_warn_of_order(session, fv_pipeline(*level));
        cr_expect_str_eq(said(), "", "-O%c", *level);
    }
}

/* The Concats that reorder the gates of a GRU are folded, whatever their size; other large computed
 * values are not. */
Test(passes, parts_of_large_constants, .init = open_session, .fini = close_session) {
    fv_text t = {.arena = arena};
    fv_text_put(&t, "const @w: f32[300, 100] = [");
    for (int i = 0; i < 300 * 100; i++)
        fv_text_printf(&t, "%s%d.0", i ? ", " : "", i);
    fv_text_put(&t, "]\n"
                    "func @main(%x: f32[300, 100]) -> (%y, %z) {\n"
                    "  %a = fv.Slice(@w) {start = [100, 0], step = [1, 1], dims = [200, 100]}\n"
                    "  %b = fv.Slice(@w) {start = [0, 0], step = [1, 1], dims = [100, 100]}\n"
                    "  %c = Concat(%a, %b) {axis = 0}\n"
                    "  %y = Mul(%x, %c)\n"
                    "  %d = Neg(@w)\n"
                    "  %e = Add(%x, %d)\n"
                    "  %z = Sub(%e, %d)\n"
                    "  return %y, %z\n"
                    "}\n");
    fv_module *m = module_of(t.s);
    cr_assert(fv_run_passes(m, (const char *[]){"fold-constants", "remove-dead", NULL},
                            &(fv_pipeline_options){.verify = true}));
    const fv_op *op = m->funcs->body->first;
    cr_assert(fv_op_is(op, FV_OP_Mul) && op->in[1]->kind == FV_VALUE_CONST);
    const float *c = op->in[1]->tensor->data;
    cr_expect_eq(c[0], 10000.0f);
    cr_expect_eq(c[29999], 9999.0f);
    cr_expect(fv_op_is(op->next, FV_OP_Neg));
}

static void warns(const char *passes, const char *expected) {
    fv_warn_of_order(session, passes_of(passes));
    cr_expect_str_eq(said(), expected, "%s", passes);
}

Test(passes, order, .init = open_session, .fini = close_session) {
    static const char simplify_late[] = "pass 'reduce-strength' should run after 'simplify': "
                                        "simplify has rules for the form that exporters write\n";
    static const char fold_again[] =
        "pass 'fold-constants' should run again after "
        "'reduce-strength': reciprocals of constants can be computed\n";
    warns("simplify reduce-strength", "");
    warns("reduce-strength", "");
    warns("reduce-strength simplify", simplify_late);
    warns("simplify reduce-strength simplify", "");
    warns("fold-constants reduce-strength", fold_again);
    warns("fold-constants reduce-strength fold-constants", "");
    warns("fold-constants reduce-strength simplify",
          fv_printf(arena, "%s%s", fold_again, simplify_late));
    warns("nothing-known reduce-strength", "");
}
