/* Imports models in text form: graph IR as text, or diagnostics, must be as expected
 * (tests/frontend/import/\*.txt).
 *
 * A file contains cases: a line `=== name`, a model (model_text.h) in which lines `--dim ...` and
 * `--strict` are options, a line `---`, and the expected text. With FOVEA_UPDATE_GOLDENS set, the
 * files are rewritten with the actual text. */
#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "frontend/frontend.h"
#include "ir/graph/parse.h"
#include "ir/graph/print.h"
#include "model_text.h"

static char *read_file(const char *path) {
    FILE *f = fopen(path, "rb");
    cr_assert(f, "cannot open %s", path);
    char *text = calloc(1, 1 << 20);
    size_t n = fread(text, 1, (1 << 20) - 1, f);
    text[n] = 0;
    fclose(f);
    return text;
}

/* Takes `--dim X` lines out of the model. */
static int take_options(char *model, const char **dims, fv_arena *a) {
    int n = 0;
    for (char *line; (line = strstr(model, "--dim "));) {
        size_t length = strcspn(line, "\n");
        dims[n++] = fv_strndup(a, line + 6, length - 6);
        memset(line, ' ', length);
    }
    return n;
}

static bool take_strict(char *model) {
    char *line = strstr(model, "--strict\n");
    if (line)
        memset(line, ' ', strcspn(line, "\n"));
    return line != NULL;
}

/* What is printed reads back, and prints the same; unless a large constant is left out of it. */
static void reads_back(fv_session *s, fv_arena *a, const char *once) {
    fv_text twice = {.arena = a};
    if (strstr(once, "..."))
        return;
    fv_module *again = fv_module_parse(s, once, NULL);
    cr_expect(again, "does not read back:\n%s", once);
    if (!again)
        return;
    fv_module_print(&twice, again, NULL, NULL);
    cr_expect_str_eq(once, twice.s, "read again, this:\n%sis:\n%s", once, twice.s);
    fv_module_free(again);
}

static void put_outcome(fv_text *out, fv_session *s, fv_module *m, fv_arena *a) {
    for (const fv_message *x = fv_messages(s); x; x = x->next)
        fv_text_printf(out, "%s\n", fv_message_str(a, x));
    if (!m)
        return;
    m->source.hash = "";
    fv_text printed = {.arena = a};
    fv_module_print(&printed, m, NULL, NULL);
    reads_back(s, a, printed.s);
    const char *text = strstr(printed.s, "module");
    fv_text_put(out, text + strcspn(text, "\n") + 1);
}

static const char *outcome(fv_session *s, fv_arena *a, const char *text) {
    const char *dims[16];
    char *model = fv_strdup(a, text);
    fv_import_options o = {
        .dims = dims, .ndims = take_options(model, dims, a), .strict = take_strict(model)};
    fv_text bytes = model_of_text(a, model), out = {.arena = a};
    fv_text_put(&out, "");
    fv_module *m = fv_onnx_import_bytes(s, bytes.s, bytes.n, NULL, "test", &o);
    put_outcome(&out, s, m, a);
    fv_module_free(m);
    return out.s;
}

/* Runs the case that begins at `at`; returns the position after it. Appends the case with the
 * actual result to `now`. */
static const char *run_case(const char *file, const char *at, fv_text *now) {
    fv_session *s = fv_session_new();
    fv_arena *a = fv_arena_new(s);
    size_t name = strcspn(at, "\n");
    const char *model = at + name + 1, *bar = strstr(model, "---\n");
    cr_assert(bar, "%s: a case without ---", file);
    const char *expected = bar + 4, *end = strstr(expected, "\n=== ");
    size_t length = end ? (size_t)(end - expected) : strlen(expected);
    while (length && expected[length - 1] == '\n')
        length--;
    const char *is = outcome(s, a, fv_strndup(a, model, (size_t)(bar - model)));
    size_t n = strlen(is);
    while (n && is[n - 1] == '\n')
        n--;
    if (!getenv("FOVEA_UPDATE_GOLDENS"))
        cr_expect(n == length && memcmp(is, expected, n) == 0,
                  "%s: %.*s\n--- is\n%.*s\n--- expected\n%.*s", file, (int)name, at, (int)n, is,
                  (int)length, expected);
    fv_text_putn(now, at, (size_t)(expected - at));
    fv_text_putn(now, is, n);
    fv_text_put(now, end ? "\n\n" : "\n");
    fv_session_free(s);
    return end ? end + 1 : expected + strlen(expected);
}

ParameterizedTestParameters(import, cases) {
    static char paths[64][256];
    glob_t found;
    size_t n = 0;
    glob(FV_SOURCE_ROOT "/tests/frontend/import/*.txt", 0, NULL, &found);
    for (; n < found.gl_pathc && n < 64; n++)
        snprintf(paths[n], sizeof paths[n], "%s", found.gl_pathv[n]);
    globfree(&found);
    return cr_make_param_array(char[256], paths, n);
}

ParameterizedTest(char (*path)[256], import, cases) {
    char *text = read_file(*path);
    fv_session *s = fv_session_new();
    fv_text now = {.arena = fv_arena_new(s)};
    const char *at = strstr(text, "=== ");
    cr_assert(at, "%s holds no cases", *path);
    fv_text_putn(&now, text, (size_t)(at - text));
    while (*at)
        at = run_case(strrchr(*path, '/') + 1, at, &now);
    if (getenv("FOVEA_UPDATE_GOLDENS")) {
        FILE *f = fopen(*path, "wb");
        fwrite(now.s, 1, now.n, f);
        fclose(f);
    }
    fv_session_free(s);
    free(text);
}
