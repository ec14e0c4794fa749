/* support.c - see support.h. */
#include "tests/kernel/support.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ir/kernel/print.h"
#include "ir/kernel/program_print.h"
#include "tests/text_file.h"

const char *kernel_text(const fv_kernel *k) {
    fv_text t = {.arena = arena};
    fv_kernel_print(&t, k);
    return t.s;
}

const char *program_text(const fv_program *p) {
    fv_text t = {.arena = arena};
    fv_program_print(&t, p);
    return t.s;
}

/* ---- golden files ---- */

/* The position after the newline of the line at s. */
static const char *line_end(const char *s) {
    const char *end = strchr(s, '\n');
    return end ? end + 1 : s + strlen(s);
}

static const char *find_line(const char *s, const char *start) {
    while (*s && strncmp(s, start, strlen(start)) != 0)
        s = line_end(s);
    return s;
}

static const char *without_blank_end(const char *s) {
    size_t n = strlen(s);
    while (n > 0 && s[n - 1] == '\n')
        n--;
    return fv_printf(arena, "%.*s\n", (int)n, s);
}

static void check_case(const char *file, const char *title, const char *options, const char *input,
                       const char *expected, golden_fn run, fv_text *now) {
    const char *got = without_blank_end(run(options, input));
    bool update = getenv("FOVEA_UPDATE_GOLDENS") != NULL;
    if (!update)
        cr_expect_str_eq(got, without_blank_end(expected), "%s: %s:\n%s", file, title, got);
    fv_text_printf(now, "=== %s\n%s---%s\n%s\n", title, input, options, got);
}

void check_golden(const char *file, golden_fn run) {
    const char *path = fv_printf(arena, "%s/tests/kernel/%s", FV_SOURCE_ROOT, file);
    const char *at = read_text_file(arena, path), *first = find_line(at, "===");
    fv_text now = {.arena = arena};
    fv_text_putn(&now, at, (size_t)(first - at));
    for (at = first; *at;) {
        const char *body = line_end(at), *rule = find_line(body, "---"), *text = line_end(rule);
        const char *next = find_line(text, "===");
        const char *title = fv_strndup(arena, at + 4, (size_t)(body - at) - 5);
        cr_assert(*rule, "%s: %s: no line ---", file, title);
        check_case(file, title, fv_strndup(arena, rule + 3, strcspn(rule + 3, "\n")),
                   fv_strndup(arena, body, (size_t)(rule - body)),
                   fv_strndup(arena, text, (size_t)(next - text)), run, &now);
        at = next;
    }
    if (!getenv("FOVEA_UPDATE_GOLDENS"))
        return;
    FILE *f = fopen(path, "wb");
    cr_assert(f && fputs(now.s, f) >= 0 && fclose(f) == 0, "cannot write %s", path);
}
