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
    is_in(text,
          "/* /dense/MatMul\n"
          " * C[i] = sum j: A[i, j] * B[j]\n"
          " * A[5][3], B[3], C[5]\n"
          " */\n"
          "static KWS_KERNEL void kws_dense_1(const float *restrict A, const float *restrict B,\n"
          "        float *restrict C) {\n"
          "    for (int64_t i = 0; i < 5; i++) {\n"
          "        float acc = 0.0f;\n"
          "        for (int64_t j = 0; j < 3; j++) {\n"
          "            acc += A[i * 3 + j] * B[j];\n"
          "        }\n"
          "        C[i] = acc;\n"
          "    }\n"
          "}\n");
    is_in(text,
          "/* w/0 */\nstatic KWS_CONST const float kws_w_0[3] = {\n    -0.5f, 1.0f, 2.0f,\n};\n");
    is_in(contents(&b, "kws.h"), "int kws_run(const float x[1][5][3], float y[5], void *work);\n");
    is_in(contents(&b, "kws.h"), "#define KWS_WORKSPACE_BYTES 64\n");
    bench_close(&b);
}

/* A row of y is a sum of products of 16 bytes, and z adds products of single ones. */
static const char sums_text[] =
    "fovea-program 1\nname kws\ntarget \"generic\"\nworkspace 0\n"
    "buffer a: i8[3, 32] input 0\nbuffer b: i8[3, 32] input 1\nbuffer y: i32[3] output 0\n"
    "buffer z: i32[3] output 1\n"
    "input a = \"a\" as a: i8[3, 32] extents [3, 32]\n"
    "input b = \"b\" as b: i8[3, 32] extents [3, 32]\n"
    "output y = \"y\" as y: i32[3] extents [3]\noutput z = \"z\" as z: i32[3] extents [3]\n"
    "kernel sums(A: i8[3, 32], B: i8[3, 32], out Y: i32[3], out Z: i32[3]) {\n"
    "  for i < 3 {\n"
    "    tile acc: i32 = 0\n"
    "    for k < 2 { acc = dot16_i8_i8(A[i, k * 16:16], B[i, k * 16:16], acc) }\n"
    "    Y[i] = acc\n"
    "    tile one: i32 = 0\n"
    "    for k < 32 { one = one + i32(A[i, k]) * i32(B[i, k]) }\n"
    "    Z[i] = one\n"
    "  }\n"
    "}\n"
    "run { launch sums(a, b, y, z) }\n";

/* The C of sums_text for that target. */
static const char *sums_for(bench *b, const char *target) {
    fv_program *p = program_from(b, target, sums_text);
    cr_assert(fv_c_write(b->s, p, NULL, fv_printf(b->a, "%skws.c", b->folder)), "%s", said(b));
    return contents(b, "kws.c");
}

Test(text, sums_of_products_are_instructions_of_the_table) {
    bench b = bench_open();
    const char *text = sums_for(&b, "cortex-m55");
    is_in(text, "#ifndef __ARM_FEATURE_MVE\n"
                "#error \"compile with -mcpu=cortex-m55+nomve.fp -mthumb -mfloat-abi=hard\"\n");
    is_in(text, "#pragma GCC optimize(\"fp-contract=off\", \"no-tree-loop-distribute-patterns\", "
                "\"no-schedule-insns\", \"no-tree-slp-vectorize\")\n");
    is_in(text,
          "static KWS_INLINE int32_t dot16_i8_i8(i8x16 a, i8x16 b, int32_t c) {\n"
          "    return __extension__({ int32_t dot = c; __asm__(\"vmladava.s8 %0, %q1, %q2\" : "
          "\"+Te\"(dot) : \"w\"(a), \"w\"(b)); dot; });\n"
          "}\n");
    is_in(text,
          "            acc = dot16_i8_i8(load_i8x16(&A[i * 32 + k * 16]), load_i8x16(&B[i * 32 + "
          "k * 16]),\n"
          "                acc);\n");
    is_in(text,
          "            one = multiply_add_i32((int32_t)A[i * 32 + k], (int32_t)B[i * 32 + k], "
          "one);\n");
    text = sums_for(&b, "cortex-m4"); /* words of four bytes */
    is_in(text, "dot_i8_i8_i32(");
    is_in(text, "mla %0, %1, %2, %0");
    cr_expect_not(strstr(text, "dot16") || strstr(text, "\"no-schedule-insns\""));
    is_in(text, "#if defined(__OPTIMIZE_SIZE__) && defined(__GNUC__) && !defined(__clang__)\n"
                "#pragma GCC optimize(\"no-schedule-insns2\", ");
    text = sums_for(&b, "cortex-m3"); /* arithmetic of C */
    cr_expect_not(strstr(text, "dot16") || strstr(text, "__asm__"));
    text = sums_for(&b, "x86-64-v3"); /* only 32-bit targets leave out passes with -Os */
    cr_expect_not(strstr(text, "__OPTIMIZE_SIZE__) && defined(__GNUC__)"));
    bench_close(&b);
}

/* The bytes of 16 words, and the low halves. */
static const char narrowing_text[] =
    "fovea-program 1\nname low\ntarget \"generic\"\nworkspace 0\n"
    "buffer a: i32[16] input 0\nbuffer y: u8[16] output 0\nbuffer z: i16[16] output 1\n"
    "input a = \"a\" as a: i32[16] extents [16]\n"
    "output y = \"y\" as y: u8[16] extents [16]\noutput z = \"z\" as z: i16[16] extents [16]\n"
    "kernel low(A: i32[16], out Y: u8[16], out Z: i16[16]) {\n"
    "  vector i < 16 { Y[i] = u8(A[i]) }\n"
    "  vector i < 16 { Z[i] = i16(A[i]) }\n"
    "}\n"
    "run { launch low(a, y, z) }\n";

/* gcc converts vectors to fewer bits lane by lane. */
Test(text, integers_are_narrowed_by_instructions) {
    static const char *const expected[][3] = {
        {"x86-64-v2", "(u8x4)_mm_cvtsi128_si32(_mm_shuffle_epi8(",
         "(i16x4)_mm_shuffle_epi8((__m128i)a, _mm_set1_epi64x(0x0d0c090805040100))[0]"},
        {"x86-64-v3", "(u8x8)_mm256_permutevar8x32_epi32(_mm256_shuffle_epi8(",
         "(i16x8)_mm256_castsi256_si128(_mm256_permute4x64_epi64("},
        {"x86-64-v4", "(u8x16)_mm512_cvtepi32_epi8((__m512i)a)",
         "(i16x16)_mm512_cvtepi32_epi16((__m512i)a)"}};
    for (int i = 0; i < 3; i++) {
        bench b = bench_open();
        fv_program *p = program_from(&b, expected[i][0], narrowing_text);
        cr_assert(fv_c_write(b.s, p, NULL, fv_printf(b.a, "%slow.c", b.folder)), "%s", said(&b));
        const char *text = contents(&b, "low.c");
        is_in(text, expected[i][1]);
        is_in(text, expected[i][2]);
        cr_expect_not(strstr(text, "__builtin_convertvector"));
        bench_close(&b);
    }
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
