/* Kernels and programs as text: what is printed parses and prints the same. */
#include <criterion/criterion.h>
#include <string.h>
#include <unistd.h>

#include "backend/expand/expand.h"
#include "ir/kernel/parse.h"
#include "ir/kernel/print.h"
#include "ir/kernel/program_print.h"
#include "ir/kernel/verify.h"
#include "tests/kernel/support.h"

TestSuite(text, .init = open_session, .fini = close_session);

static const char *kernel_again(const char *options, const char *input) {
    (void)options;
    fv_kernel *k = fv_kernel_parse(arena, input);
    if (!k)
        return said();
    const char *once = kernel_text(k);
    k = fv_kernel_parse(arena, once);
    cr_assert(k, "%s\n%s", said(), once);
    cr_expect_str_eq(kernel_text(k), once, "prints differently the second time");
    return once;
}

static const char *program_again(const char *options, const char *input) {
    (void)options;
    fv_program *p = fv_program_parse(arena, input, NULL);
    if (!p)
        return said();
    const char *once = program_text(p);
    p = fv_program_parse(arena, once, NULL);
    cr_assert(p, "%s\n%s", said(), once);
    cr_expect_str_eq(program_text(p), once, "prints differently the second time");
    return once;
}

Test(text, kernels) {
    check_golden("text/kernels.txt", kernel_again);
}
Test(text, errors) {
    check_golden("text/errors.txt", kernel_again);
}
Test(text, programs) {
    check_golden("text/programs.txt", program_again);
}

static const char *key_of(const char *text) {
    fv_kernel *k = fv_kernel_parse(arena, text);
    cr_assert(k, "%s", said());
    return fv_kernel_key(arena, k);
}

Test(text, keys_forget_names) {
    const char *a = key_of("kernel a(x: f32[n], out y: f32[n]; n) origin \"one\" {\n"
                           "  comment \"hello\"\n  for i < n { let t = x[i]  y[i] = t } }");
    const char *b = key_of("kernel b(A: f32[m], out B: f32[m]; m) {\n"
                           "  for j < m { let s = A[j]  B[j] = s } }");
    const char *c = key_of("kernel b(A: f32[m], out B: f32[m]; m in 0..5) {\n"
                           "  for j < m { let s = A[j]  B[j] = s } }");
    cr_expect_str_eq(a, b);
    cr_expect_str_neq(a, c, "bounds are part of a kernel: they decide what is folded");
}

Test(text, side_file) {
    char path[] = "/tmp/fovea-side-XXXXXX";
    int fd = mkstemp(path);
    cr_assert(fd >= 0);
    static unsigned char large[1000];
    for (size_t i = 0; i < sizeof large; i++)
        large[i] = (unsigned char)(i * 7);
    fv_constant constants[2] = {{"small", fv_contents_at(arena, "abc"), 3, NULL},
                                {"large", fv_contents_at(arena, large), sizeof large, NULL}};
    fv_program p = {
        .arena = arena, .name = "p", .memory.nconstants = 2, .memory.constants = constants};
    p.symbols.table = fv_dims_new(arena);
    FILE *f = fdopen(fd, "wb");
    cr_assert(fv_program_write_side(&p, f) && fclose(f) == 0);
    fv_program *again = fv_program_parse(arena, program_text(&p), path);
    cr_assert(again && again->memory.nconstants == 2, "%s", said());
    cr_expect(again->memory.constants[0].bytes == 3 &&
              memcmp(fv_constant_data(&again->memory.constants[0]), "abc", 3) == 0);
    cr_expect(again->memory.constants[1].bytes == 1000 &&
              memcmp(fv_constant_data(&again->memory.constants[1]), large, 1000) == 0);
    cr_expect_str_eq(program_text(again), program_text(&p));
    cr_expect_null(fv_program_parse(arena, program_text(&p), NULL));
    cr_expect_str_eq(said(), "8:10: constant 'large' is in a side file; none is given\n");
    cr_assert(truncate(path, 500) == 0);
    cr_expect_null(fv_program_parse(arena, program_text(&p), path));
    remove(path);
}

/* Parses, verifies and expands while the nth allocation fails; true: there were fewer
 * allocations. */
static bool survives(int64_t nth) {
    const char *text =
        "kernel k(A: f32[n, 4], out B: f32[n, 4]; n) { parallel i < n { vector j < 4 "
        "{ B[i, j] = exp(A[i, j]) } } }";
    fv_session *s = fv_session_new();
    fv_door door;
    fv_session_fail_at(s, nth);
    if (FV_DOOR_OPEN(s, &door)) {
        fv_session_free(s);
        return false;
    }
    fv_arena *a = fv_arena_new(s);
    fv_kernel *k = fv_kernel_parse(a, text);
    cr_assert(k && fv_kernel_verify(s, k));
    cr_assert(fv_kernel_expand(a, k, fv_target_find("x86-64-v3")));
    fv_door_close(s, &door);
    fv_session_free(s);
    return true;
}

Test(text, running_out_of_memory) {
    int64_t nth = 1;
    while (!survives(nth))
        nth += 1 + nth / 16;
    cr_expect(nth > 100);
}
