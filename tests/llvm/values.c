/* values.c - operations with edge cases that LLVM leaves undefined, in scalar and in vector code,
 * on each x86 level that this machine has: the expected values in this file are those that kernel
 * IR defines. */
#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

#include "ir/base/text.h"
#include "tests/llvm/programs.h"

enum { N = 16 };

/* C[i] = value of `text` over a = A[i], b = B[i]; lanes 1 or N. */
static const char *kernel_text(fv_arena *a, const char *from, const char *to, const char *text,
                               int lanes) {
    const char *at = lanes > 1 ? "0:16" : "i";
    return fv_printf(
        a,
        "fovea-program 1\nname v\ntarget \"%%s\"\nplan {\n}\nworkspace 0\n"
        "buffer a: %s[16] input 0\nbuffer b: %s[16] input 1\nbuffer c: %s[16] output 0\n"
        "input a = \"a\" as a: %s[16] extents [16]\ninput b = \"b\" as b: %s[16] extents [16]\n"
        "output c = \"c\" as c: %s[16] extents [16]\n"
        "kernel k(A: %s[16], B: %s[16], out C: %s[16]) task t < 1 {\n"
        "  %s {\n"
        "    let a = A[%s]\n    let b = B[%s]\n    C[%s] = %s\n"
        "  }\n}\n"
        "run {\n  launch k(a, b, c)\n}\n",
        from, from, to, from, from, to, from, from, to, lanes > 1 ? "for o < 1" : "for i < 16", at,
        at, at, text);
}

static bool same(fv_elem e, const void *x, const void *y) {
    if (e == FV_F32 && isnan(*(const float *)x) && isnan(*(const float *)y))
        return true;
    if (e == FV_F64 && isnan(*(const double *)x) && isnan(*(const double *)y))
        return true;
    return memcmp(x, y, (size_t)fv_elem_storage_bytes(e)) == 0;
}

typedef struct facts {
    const char *text, *from, *to;
    int n;                        /* how many of the N are given; the rest are zeros */
    const void *a, *b, *expected; /* b may be NULL */
} facts;

static void check_with(const facts *f, const char *target, int lanes, int level) {
    if (!fv_target_runs_here(fv_target_find(target)))
        return;
    fv_session *scratch = fv_session_new();
    bench b =
        bench_open(kernel_text(fv_arena_new(scratch), f->from, f->to, f->text, lanes), target);
    fv_llvm_options o = {.level = level};
    fv_jit *j = fv_jit_new(b.s, b.p, &o);
    cr_assert(j, "%s: %s", f->text, said(&b));
    fv_elem from = FV_NO_ELEM, to = FV_NO_ELEM;
    cr_assert(fv_elem_parse(f->from, strlen(f->from), &from) &&
              fv_elem_parse(f->to, strlen(f->to), &to));
    size_t in_size = (size_t)fv_elem_storage_bytes(from),
           out_size = (size_t)fv_elem_storage_bytes(to);
    _Alignas(8) unsigned char x[N * 8] = {0}, y[N * 8] = {0}, z[N * 8] = {0};
    memcpy(x, f->a, (size_t)f->n * in_size);
    if (f->b)
        memcpy(y, f->b, (size_t)f->n * in_size);
    const void *in[] = {x, y};
    void *out[] = {z};
    cr_assert_eq(fv_jit_model(j)->run(NULL, in, out, NULL, NULL, 0, NULL), FV_OK);
    for (int i = 0; i < f->n; i++)
        cr_expect(
            same(to, z + (size_t)i * out_size, (const char *)f->expected + (size_t)i * out_size),
            "%s of %s, element %d, %s, %d lanes, -O%d", f->text, f->from, i, target, lanes, level);
    fv_jit_free(j);
    bench_close(&b);
    fv_session_free(scratch);
}

static void check(facts f) {
    check_with(&f, "x86-64-v2", 1, 2);
    check_with(&f, "x86-64-v2", N, 2);
    check_with(&f, "x86-64-v3", N, 0);
    check_with(&f, "x86-64-v3", N, 2);
    check_with(&f, "x86-64-v4", N, 2);
    check_with(&f, "native", 1, 0);
}

/* ---- minimum and maximum ---- */

static const float fa[] = {1, 2, 0.0f, -0.0f, 0.0f, -0.0f, NAN, 1, NAN, INFINITY, -INFINITY, -3};
static const float fb[] = {2, 1, -0.0f, 0.0f, 0.0f, -0.0f, 1, NAN, NAN, NAN, 5, -3};
enum { FN = sizeof fa / sizeof *fa };

Test(values, minimum) {
    static const float e[FN] = {1, 1, -0.0f, -0.0f, 0.0f, -0.0f, NAN, NAN, NAN, NAN, -INFINITY, -3};
    check((facts){"min(a, b)", "f32", "f32", FN, fa, fb, e});
}

Test(values, maximum) {
    static const float e[FN] = {2, 2, 0.0f, 0.0f, 0.0f, -0.0f, NAN, NAN, NAN, NAN, 5, -3};
    check((facts){"max(a, b)", "f32", "f32", FN, fa, fb, e});
}

Test(values, minimum_and_maximum_of_f64) {
    static const double a[] = {0.0, -0.0, NAN, 1, 5}, b[] = {-0.0, 0.0, 1, NAN, 4};
    static const double lo[] = {-0.0, -0.0, NAN, NAN, 4}, hi[] = {0.0, 0.0, NAN, NAN, 5};
    check((facts){"min(a, b)", "f64", "f64", 5, a, b, lo});
    check((facts){"max(a, b)", "f64", "f64", 5, a, b, hi});
}

/* Beside a constant the code is another. */
static void beside(const char *op, const char *constant, const float *expected) {
    static const float a[] = {-0.0f, 0.0f, NAN, 1, -1};
    fv_session *s = fv_session_new();
    fv_arena *arena = fv_arena_new(s);
    const char *one = fv_printf(arena, "%s(a, %s)", op, constant);
    const char *all = fv_printf(arena, "%s(splat16(%s), a)", op, constant);
    facts scalar = {one, "f32", "f32", 5, a, NULL, expected};
    facts vector = {all, "f32", "f32", 5, a, NULL, expected};
    for (int level = 0; level <= 2; level += 2) {
        check_with(&scalar, "x86-64-v2", 1, level);
        check_with(&vector, "x86-64-v3", N, level);
    }
    fv_session_free(s);
}

Test(values, minimum_and_maximum_with_constants) {
    beside("max", "0.0", (const float[]){0.0f, 0.0f, NAN, 1, 0.0f});
    beside("max", "-0.0", (const float[]){-0.0f, 0.0f, NAN, 1, -0.0f});
    beside("min", "0.0", (const float[]){-0.0f, 0.0f, NAN, 0.0f, -1});
    beside("min", "-0.0", (const float[]){-0.0f, -0.0f, NAN, -0.0f, -1});
    beside("max", "1.0", (const float[]){1, 1, NAN, 1, 1});
    beside("min", "-1.0", (const float[]){-1, -1, NAN, -1, -1});
}

/* ---- floats to integers ---- */

static const float wild[] = {0,    -0.0f, 1.9f,     -1.9f,     127.5f, -128.9f, 300,     -300,
                             3e9f, -3e9f, INFINITY, -INFINITY, NAN,    0x1p31f, 0x1p63f, 0x1p64f};
enum { WN = sizeof wild / sizeof *wild };

Test(values, to_i8) {
    static const int8_t e[WN] = {0,   0,    1,   -1,   127, -128, 127, -128,
                                 127, -128, 127, -128, 0,   127,  127, 127};
    check((facts){"i8(a)", "f32", "i8", WN, wild, NULL, e});
}

Test(values, to_u8) {
    static const uint8_t e[WN] = {0, 0, 1, 0, 127, 0, 255, 0, 255, 0, 255, 0, 0, 255, 255, 255};
    check((facts){"u8(a)", "f32", "u8", WN, wild, NULL, e});
}

Test(values, to_i32) {
    enum { LO = INT32_MIN, HI = INT32_MAX };
    static const int32_t e[WN] = {0, 0, 1, -1, 127, -128, 300, -300, HI, LO, HI, LO, 0, HI, HI, HI};
    check((facts){"i32(a)", "f32", "i32", WN, wild, NULL, e});
}

/* Numbers that are limited first, as quantized ones are. */
Test(values, limited_to_i32) {
    static const int32_t u[WN] = {0, 0, 1, 0, 127, 0, 255, 0, 255, 0, 255, 0, 0, 255, 255, 255};
    static const int32_t s[WN] = {0,   0,    1,   -1,   127, -128, 127, -128,
                                  127, -128, 127, -128, 0,   127,  127, 127};
    check((facts){"i32(max(min(a, 255.0), 0.0))", "f32", "i32", WN, wild, NULL, u});
    check((facts){"i32(max(min(a, 255.0), -0.0))", "f32", "i32", WN, wild, NULL, u});
    check((facts){"i32(max(min(a, 127.0), -128.0))", "f32", "i32", WN, wild, NULL, s});
    check((facts){"i32(i8(i32(max(min(a, 120.0), -135.0)) + 7)) - 7", "f32", "i32", WN, wild, NULL,
                  (const int32_t[WN]){0, 0, 1, -1, 120, -128, 120, -135, 120, -135, 120, -135, 0,
                                      120, 120, 120}});
}

/* Numbers that are rounded first, and limited by whole numbers, by others, or by select. */
Test(values, rounded_to_i32) {
    static const float a[] = {0.5f,    1.5f,   -0.5f,  2.5f, 254.5f, 255.5f,   -1.5f,     -120.5f,
                              -121.6f, 134.4f, 134.5f, 3e9f, -3e9f,  INFINITY, -INFINITY, NAN};
    static const int32_t u[N] = {0, 2, 0, 2, 254, 255, 0, 0, 0, 134, 134, 255, 0, 255, 0, 0};
    static const int32_t s[N] = {0,    2,   0,   2,   134,  134, -2,   -120,
                                 -121, 134, 134, 134, -121, 134, -121, 0};
    static const int32_t part[N] = {0, 2, 0, 2, 134, 134, 0, 0, 0, 134, 134, 134, 0, 134, 0, 0};
    static const uint8_t byte[N] = {0, 2, 0, 2, 254, 255, 0, 0, 0, 134, 134, 255, 0, 255, 0, 0};
    check((facts){"u8(i32(max(min(rint(a), 255.0), 0.0)))", "f32", "u8", N, a, NULL, byte});
    check((facts){"i32(max(min(rint(a), 255.0), 0.0))", "f32", "i32", N, a, NULL, u});
    check((facts){"i32(max(min(rint(a), 134.0), -121.0))", "f32", "i32", N, a, NULL, s});
    check((facts){"i32(max(min(rint(a), 134.75), -0.25))", "f32", "i32", N, a, NULL, part});
    check((facts){"i32(f32(u8(i32(max(min(rint(a), 134.0), -121.0)) + 121))) - 121", "f32", "i32",
                  N, a, NULL, s});
    check((facts){"i32(u8(i32(max(min(rint(a), 255.0), 0.0))))", "f32", "i32", N, a, NULL, u});
}

/* Integers as floats, whose range follows from the operations; some exceed i32, or a byte. */
Test(values, integers_through_floats) {
    static const int32_t a[] = {0,    1,          -1,          5,         300,
                                -300, 1000000000, -1000000000, INT32_MAX, INT32_MIN};
    enum { IN = sizeof a / sizeof *a, LO = INT32_MIN, HI = INT32_MAX };
    static const int32_t half[IN] = {0,    0,         0,          2,          150,
                                     -150, 500000000, -500000000, 1073741824, -1073741824};
    static const int32_t four[IN] = {0, 4, -4, 20, 1200, -1200, HI, LO, HI, LO};
    static const float byte[IN] = {3, 4, 2, 8, 47, 215, 3, 3, 2, 3};
    static const float limited[IN] = {1, 2, 0, 6, 255, 0, 255, 0, 255, 0};
    check((facts){"i32(rint(f32(a) * 0.5))", "i32", "i32", IN, a, NULL, half});
    check((facts){"i32(rint(f32(a) * 4.0))", "i32", "i32", IN, a, NULL, four});
    check((facts){"f32(u8(a + 3))", "i32", "f32", IN, a, NULL, byte});
    check((facts){"f32(u8(i32(max(min(rint(f32(a)), 254.0), -1.0)) + 1))", "i32", "f32", IN, a,
                  NULL, limited});
    /* 3 * 2^-150 is rounded to 2^-148, so that 3 becomes 2^31 and not 3 * 2^29 */
    static const int32_t denormal[IN] = {0, 0, 0, HI, HI, 0, HI, 0, HI, 0};
    check((facts){"i32(f32(min(max(a, 0), 3)) * 2.6469779601696886e-23 * 2.6469779601696886e-23 * "
                  "1.7014118346046923e38 * 4503599627370496.0)",
                  "i32", "i32", IN, a, NULL, denormal});
}

/* The range of a conversion's operand is looked for in a limited number of the lets before it. */
Test(values, long_chain_of_lets, .timeout = 900) {
    enum { LETS = 30000 };
    fv_session *scratch = fv_session_new();
    fv_text t = {.arena = fv_arena_new(scratch)};
    fv_text_put(&t, "fovea-program 1\nname v\ntarget \"%s\"\nplan {\n}\nworkspace 0\n"
                    "buffer a: i32[1] input 0\nbuffer c: i32[1] output 0\n"
                    "input a = \"a\" as a: i32[1] extents [1]\n"
                    "output c = \"c\" as c: i32[1] extents [1]\n"
                    "kernel k(A: i32[1], out C: i32[1]) task t < 1 {\n"
                    "  let v0 = f32(A[0])\n");
    for (int i = 1; i <= LETS; i++)
        fv_text_printf(&t, "  let v%d = v%d * 0.5 + 1.0\n", i, i - 1);
    fv_text_printf(&t, "  C[0] = i32(v%d)\n}\nrun {\n  launch k(a, c)\n}\n", LETS);
    bench b = bench_open(t.s, "native");
    fv_jit *j = fv_jit_new(b.s, b.p, &(fv_llvm_options){.level = 0});
    cr_assert(j, "%s", said(&b));
    int32_t a = 100, c = 0;
    const void *in[] = {&a};
    void *out[] = {&c};
    cr_assert_eq(fv_jit_model(j)->run(NULL, in, out, NULL, NULL, 0, NULL), FV_OK);
    cr_assert_eq(c, 2);
    fv_jit_free(j);
    bench_close(&b);
    fv_session_free(scratch);
}

Test(values, to_u32) {
#define HI UINT32_MAX
    static const uint32_t e[WN] = {0,           0, 1,  0, 127, 0,           300, 0,
                                   3000000000u, 0, HI, 0, 0,   2147483648u, HI,  HI};
    check((facts){"u32(a)", "f32", "u32", WN, wild, NULL, e});
#undef HI
}

Test(values, to_i64) {
#define LO INT64_MIN
#define HI INT64_MAX
    static const int64_t e[WN] = {0,          0,           1,  -1, 127, -128,       300, -300,
                                  3000000000, -3000000000, HI, LO, 0,   2147483648, HI,  HI};
    check((facts){"i64(a)", "f32", "i64", WN, wild, NULL, e});
#undef LO
#undef HI
}

Test(values, to_u64) {
#define HI UINT64_MAX
    static const uint64_t e[WN] = {
        0, 0, 1, 0, 127, 0, 300, 0, 3000000000, 0, HI, 0, 0, 2147483648, UINT64_C(1) << 63, HI};
    check((facts){"u64(a)", "f32", "u64", WN, wild, NULL, e});
#undef HI
}

Test(values, to_bool) {
    static const uint8_t e[WN] = {0, 0, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1};
    check((facts){"bool(a)", "f32", "bool", WN, wild, NULL, e});
}

/* ---- integers to floats: rounded once ---- */

Test(values, from_u64) {
    static const uint64_t a[] = {
        0, 1, UINT64_MAX, UINT64_C(1) << 63, 0x8000008000000001u, 0x8000018000000000u};
    static const float e[] = {0, 1, 0x1p64f, 0x1p63f, 0x1.000002p63f, 0x1.000004p63f};
    check((facts){"f32(a)", "u64", "f32", 6, a, NULL, e});
}

Test(values, from_i64) {
    static const int64_t a[] = {-1, INT64_MIN, INT64_MAX, 0x0080000080000001, -16777217, 16777219};
    static const float e[] = {-1, -0x1p63f, 0x1p63f, 0x1.000002p55f, -16777216, 16777220};
    check((facts){"f32(a)", "i64", "f32", 6, a, NULL, e});
}

/* ---- division ---- */

static const int32_t ia[] = {7, -7, 7, -7, 5, INT32_MIN, INT32_MIN, 0, 6};
static const int32_t ib[] = {2, 2, -2, -2, 0, -1, 0, 3, -3};
enum { IN = sizeof ia / sizeof *ia };

Test(values, division) {
    static const int32_t div[IN] = {3, -3, -3, 3, 0, INT32_MIN, 0, 0, -2};
    static const int32_t rem[IN] = {1, -1, 1, -1, 0, 0, 0, 0, 0};
    static const int32_t fdiv[IN] = {3, -4, -4, 3, 0, INT32_MIN, 0, 0, -2};
    static const int32_t mod[IN] = {1, 1, -1, -1, 0, 0, 0, 0, 0};
    check((facts){"a / b", "i32", "i32", IN, ia, ib, div});
    check((facts){"a % b", "i32", "i32", IN, ia, ib, rem});
    check((facts){"a floordiv b", "i32", "i32", IN, ia, ib, fdiv});
    check((facts){"a mod b", "i32", "i32", IN, ia, ib, mod});
}

Test(values, division_of_i64_and_u8) {
    static const int64_t a[] = {INT64_MIN, INT64_MIN, -9, 9}, b[] = {-1, 0, 4, -4};
    static const int64_t q[] = {INT64_MIN, 0, -3, -3}, r[] = {0, 0, 3, -3};
    static const uint8_t ua[] = {255, 7, 9}, ub[] = {2, 0, 10}, uq[] = {127, 0, 0},
                         ur[] = {1, 0, 9};
    check((facts){"a floordiv b", "i64", "i64", 4, a, b, q});
    check((facts){"a mod b", "i64", "i64", 4, a, b, r});
    check((facts){"a floordiv b", "u8", "u8", 3, ua, ub, uq});
    check((facts){"a mod b", "u8", "u8", 3, ua, ub, ur});
}

static void by_constant(const char *text, const int64_t *expected) {
    static const int64_t a[] = {-9, -8, -1, 0, 7, 8, INT64_MIN, INT64_MAX};
    facts f = {text, "i64", "i64", 8, a, NULL, expected};
    check_with(&f, "x86-64-v2", 1, 0);
    check_with(&f, "x86-64-v2", 1, 2);
}

Test(values, division_by_constants) {
    by_constant("a floordiv 8",
                (const int64_t[]){-2, -1, -1, 0, 0, 1, INT64_MIN / 8, INT64_MAX / 8});
    by_constant("a mod 8", (const int64_t[]){7, 0, 7, 0, 7, 0, 0, 7});
    by_constant("a / 8", (const int64_t[]){-1, -1, 0, 0, 0, 1, INT64_MIN / 8, INT64_MAX / 8});
    by_constant("a % 8", (const int64_t[]){-1, 0, -1, 0, 7, 0, 0, 7});
    by_constant("a floordiv -3",
                (const int64_t[]){3, 2, 0, 0, -3, -3, INT64_MAX / 3, -INT64_MAX / 3 - 1});
    by_constant("a mod 3", (const int64_t[]){0, 1, 2, 0, 1, 2, 1, 1});
    by_constant("a / -1", (const int64_t[]){9, 8, 1, 0, -7, -8, INT64_MIN, -INT64_MAX});
    by_constant("a floordiv 0", (const int64_t[]){0, 0, 0, 0, 0, 0, 0, 0});
}

/* ---- shifts, high products, saturation ---- */

Test(values, shifts) {
    static const int32_t a[] = {1, -8, 1, -8, 5}, b[] = {33, 1, 31, 35, -1};
    static const int32_t left[] = {2, -16, INT32_MIN, -64, INT32_MIN}, right[] = {0, -4, 0, -1, 0};
    static const uint8_t ua[] = {0x81, 0x81}, ub[] = {1, 9}, ul[] = {2, 2}, ur[] = {0x40, 0x40};
    check((facts){"a << b", "i32", "i32", 5, a, b, left});
    check((facts){"a >> b", "i32", "i32", 5, a, b, right});
    check((facts){"a << b", "u8", "u8", 2, ua, ub, ul});
    check((facts){"a >> b", "u8", "u8", 2, ua, ub, ur});
}

Test(values, high_products) {
    static const uint64_t a[] = {UINT64_MAX, UINT64_C(1) << 32, 3},
                          b[] = {UINT64_MAX, UINT64_C(1) << 32, 5};
    static const uint64_t e[] = {UINT64_MAX - 1, 1, 0};
    static const uint32_t c[] = {UINT32_MAX, 65536}, d[] = {UINT32_MAX, 65536},
                          h[] = {UINT32_MAX - 1, 1};
    check((facts){"mulhi(a, b)", "u64", "u64", 3, a, b, e});
    check((facts){"mulhi(a, b)", "u32", "u32", 2, c, d, h});
}

Test(values, saturating_sizes) {
    static const int64_t a[] = {INT64_MAX, 1, INT64_C(1) << 32, INT64_C(1) << 31, 0};
    static const int64_t b[] = {1, 2, INT64_C(1) << 31, INT64_C(1) << 31, INT64_MAX};
    static const int64_t sum[] = {INT64_MAX, 3, (INT64_C(1) << 32) + (INT64_C(1) << 31),
                                  INT64_C(1) << 32, INT64_MAX};
    static const int64_t product[] = {INT64_MAX, 2, INT64_MAX, INT64_C(1) << 62, 0};
    check((facts){"addsat(a, b)", "i64", "i64", 5, a, b, sum});
    check((facts){"mulsat(a, b)", "i64", "i64", 5, a, b, product});
}

/* ---- signs and comparisons ---- */

Test(values, signs) {
    static const float a[] = {0.0f, -0.0f, NAN, -2}, neg[] = {-0.0f, 0.0f, NAN, 2},
                       abs[] = {0, 0, NAN, 2};
    static const int32_t i[] = {INT32_MIN, -1, 1}, iabs[] = {INT32_MIN, 1, 1};
    check((facts){"-a", "f32", "f32", 4, a, NULL, neg});
    check((facts){"abs(a)", "f32", "f32", 4, a, NULL, abs});
    check((facts){"abs(a)", "i32", "i32", 3, i, NULL, iabs});
    check((facts){"a + 0.0", "f32", "f32", 4, a, NULL, (const float[]){0.0f, 0.0f, NAN, -2}});
    check((facts){"a - a", "f32", "f32", 4, (const float[]){INFINITY, NAN, 1, 0}, NULL,
                  (const float[]){NAN, NAN, 0, 0}});
}

Test(values, rounding) {
    static const float a[] = {0.5f, 1.5f, -0.5f, -0.2f, 2.5f, 1e30f, -1.5f};
    check((facts){"rint(a)", "f32", "f32", 7, a, NULL,
                  (const float[]){0, 2, -0.0f, -0.0f, 2, 1e30f, -2}});
    check(
        (facts){"floor(a)", "f32", "f32", 7, a, NULL, (const float[]){0, 1, -1, -1, 2, 1e30f, -2}});
    check((facts){"ceil(a)", "f32", "f32", 7, a, NULL,
                  (const float[]){1, 2, -0.0f, -0.0f, 3, 1e30f, -1}});
    check((facts){"trunc(a)", "f32", "f32", 7, a, NULL,
                  (const float[]){0, 1, -0.0f, -0.0f, 2, 1e30f, -1}});
}

Test(values, comparisons) {
    static const float a[] = {1, NAN, 0.0f, 2}, b[] = {2, NAN, -0.0f, 1};
    check((facts){"a < b", "f32", "bool", 4, a, b, (const uint8_t[]){1, 0, 0, 0}});
    check((facts){"a <= b", "f32", "bool", 4, a, b, (const uint8_t[]){1, 0, 1, 0}});
    check((facts){"a == b", "f32", "bool", 4, a, b, (const uint8_t[]){0, 0, 1, 0}});
    check((facts){"a != b", "f32", "bool", 4, a, b, (const uint8_t[]){1, 1, 0, 1}});
    static const uint8_t ua[] = {200, 1}, ub[] = {100, 255};
    check((facts){"a < b", "u8", "bool", 2, ua, ub, (const uint8_t[]){0, 1}});
}

/* ---- guarded and gathered memory ---- */

Test(values, guards_do_not_touch) {
    static const int32_t a[N] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
    static const int32_t e[N] = {-1, 1, -1, 3, -1, 5, -1, 7, -1, 9, -1, 11, -1, 13, -1, 15};
    static const int32_t reversed[N] = {15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0};
    facts scalar = {"A[select((a & 1) == 1, i, i - 1000000000000)] if (a & 1) == 1 else -1",
                    "i32",
                    "i32",
                    N,
                    a,
                    NULL,
                    e};
    facts vector = {"A[0:16] if (a & 1) == 1 else -1", "i32", "i32", N, a, NULL, e};
    facts gather = {"A[splat16(15) - i64(a)]", "i32", "i32", N, a, NULL, reversed};
    facts guarded = {
        "A[select((a & 1) == 1, i64(a), splat16(-1000000000000))] if (a & 1) == 1 else -1",
        "i32",
        "i32",
        N,
        a,
        NULL,
        e};
    static const char *const targets[] = {"x86-64-v2", "x86-64-v3", "x86-64-v4"};
    for (int level = 0; level <= 2; level += 2) {
        check_with(&scalar, "x86-64-v2", 1, level);
        for (int i = 0; i < 3; i++) {
            check_with(&vector, targets[i], N, level);
            check_with(&gather, targets[i], N, level);
            check_with(&guarded, targets[i], N, level);
        }
    }
}
