/* test_text.c - the form of the generated text, and C names made from arbitrary names. */
#include <criterion/criterion.h>
#include <string.h>

#include "backend/c/names.h"
#include "tests/cemit/bench.h"

static void is_in(const char *text, const char *part) {
    cr_assert(text && strstr(text, part), "expected\n%s\nin\n%s", part, text);
}

Test(text, kernels_read_as_written_by_hand) {
    bench b = bench_open();
    fv_program *p = program_from(&b, "generic", fixed_text);
    p->kernels[0]->origin = "/dense/MatMul";
    p->kernels[0]->formula = "C[i] = sum j: A[i, j] * B[j]";
    cr_assert(fv_c_write(b.s, p, NULL, fv_printf(b.a, "%skws.c", b.folder)), "%s", said(&b));
    const char *text = contents(&b, "kws.c");
    is_in(text, "/* /dense/MatMul\n"
                " * C[i] = sum j: A[i, j] * B[j]\n"
                " * A[5][3], B[3], C[5]\n"
                " */\n"
                "static KWS_KERNEL void dense_1(const float *restrict A, const float *restrict B,\n"
                "        float *restrict C) {\n"
                "    for (int64_t i = 0; i < 5; i++) {\n"
                "        float acc = 0.0f;\n"
                "        for (int64_t j = 0; j < 3; j++) {\n"
                "            acc += A[i * 3 + j] * B[j];\n"
                "        }\n"
                "        C[i] = acc;\n"
                "    }\n"
                "}\n");
    is_in(text, "/* w/0 */\nstatic KWS_CONST const float w_0[3] = {\n    -0.5f, 1.0f, 2.0f,\n};\n");
    is_in(contents(&b, "kws.h"), "int kws_run(const float x[1][5][3], float y[5], void *work);\n");
    is_in(contents(&b, "kws.h"), "#define KWS_WORKSPACE_BYTES 64\n");
    bench_close(&b);
}

Test(text, dims_are_named) {
    bench b = bench_open();
    fv_program *p = program_from(&b, "generic", dynamic_text);
    cr_assert(fv_c_write(b.s, p, NULL, fv_printf(b.a, "%skws.c", b.folder)), "%s", said(&b));
    const char *header = contents(&b, "kws.h"), *text = contents(&b, "kws.c");
    is_in(header, "typedef struct kws_dims {\n"
                  "    int64_t n; /* n: 0 to 100 */\n"
                  "    int64_t k; /* k: 1 to 9 */\n"
                  "} kws_dims;\n");
    is_in(header, "    struct {\n        int64_t capacity, dim[1];\n    } y;\n");
    is_in(text, "    /* k is 7 */\n    if (k == 7)\n        return FV_BAD_DIM;\n");
    cr_assert(!strstr(text, "restrict C, int64_t n, int64_t k, int64_t n"));
    bench_close(&b);
}

Test(text, the_same_program_gives_the_same_bytes) {
    bench b = bench_open();
    fv_program *p = program_from(&b, "x86-64-v3", dynamic_text);
    fv_program *q = program_from(&b, "x86-64-v3", dynamic_text);
    cr_assert(fv_c_write(b.s, p, NULL, fv_printf(b.a, "%skws.c", b.folder)));
    const char *first = contents(&b, "kws.c"), *header = contents(&b, "kws.h");
    cr_assert(fv_c_write(b.s, q, NULL, fv_printf(b.a, "%skws.c", b.folder)));
    cr_assert_str_eq(first, contents(&b, "kws.c"));
    cr_assert_str_eq(header, contents(&b, "kws.h"));
    bench_close(&b);
}

static void named(fv_c_scope *s, const char *want, const char *expected) {
    const char *name = fv_c_name(s, want, "x");
    cr_assert_str_eq(name, expected, "'%s' became '%s', expected '%s'", want, name, expected);
}

Test(text, names) {
    bench b = bench_open();
    fv_c_scope s;
    fv_c_scope_init(&s, b.a);
    named(&s, "hidden", "hidden");
    named(&s, "hidden", "hidden_2");
    named(&s, "/layer.0/Conv_1", "layer_0_Conv_1");
    named(&s, "float", "float_v");
    named(&s, "linux", "linux_v");
    named(&s, "f32x8", "f32x8_v");
    named(&s, "min_f32", "min_f32_v");
    named(&s, "i1", "i1");
    named(&s, "i8", "i8");
    named(&s, "fv_env", "m_x_v");
    named(&s, "size_t", "size_t_v");
    named(&s, "INT64_MAX", "INT64_MAX_v");
    named(&s, "7", "x_7");
    named(&s, "\xe9\xa9\xac", "x");
    named(&s, "", "x_2");
    int mark = s.n;
    named(&s, "i", "i");
    fv_c_scope_leave(&s, mark);
    named(&s, "i", "i");
    bench_close(&b);
}

Test(text, comments_and_strings_stay_inside) {
    bench b = bench_open();
    cr_assert_str_eq(fv_c_comment(b.a, "a */ b /* c\nd\\"), "a * / b / * c d?");
    cr_assert_str_eq(fv_c_comment(b.a, "\033[0m*\n/ ?\001?/ \342\200\256\377 \303\244**/"),
                     "?[0m* / ? ? ?/ ? ? \303\244** /");
    cr_assert_str_eq(fv_c_string(b.a, "a\"b\\c?\n\xc3"), "\"a\\\"b\\\\c\\?\\012\\303\"");
    bench_close(&b);
}
