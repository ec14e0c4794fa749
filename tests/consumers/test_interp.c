/* test_interp.c - the meaning of kernel IR: values of expressions, memory, control, faults. */
#include <criterion/criterion.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "backend/expand/strength.h"
#include "backend/interp/interp.h"
#include "ir/base/diag.h"
#include "ir/kernel/build.h"
#include "ir/kernel/parse.h"

static fv_session *session;
static fv_arena *arena;

static void set_up(void) {
    session = fv_session_new();
    arena = fv_arena_new(session);
}

static void tear_down(void) {
    fv_session_free(session);
}

TestSuite(interp, .init = set_up, .fini = tear_down);

static fv_kernel *kernel(const char *text) {
    fv_kernel *k = fv_kernel_parse(arena, text);
    for (const fv_message *m = fv_messages(session); m; m = m->next)
        fprintf(stderr, "%s\n", fv_message_str(arena, m));
    cr_assert(k, "%s", text);
    return k;
}

#define SPAN(array) ((fv_span){(array), sizeof(array)})

/* Runs the kernel; the fault, or "" and the status. */
static const char *run(const char *text, const int64_t *dims, const fv_span *bufs, int status) {
    const char *fault = NULL;
    int s = fv_interp_kernel(arena, kernel(text), dims, bufs, NULL, &fault);
    cr_expect_eq(s, status, "status %d, expected %d: %s", s, status, fault ? fault : "");
    return fault ? fault : "";
}

/* ---- expressions ---- */

static uint64_t f32_bits(double value) {
    float f = (float)value;
    uint32_t bits;
    memcpy(&bits, &f, sizeof bits);
    return bits;
}

static uint64_t f64_bits(double value) {
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

/* expr of x and y, elements of `type`, as type `result`, has the bits z; tried alone and in 8
 * lanes. */
static void gives(const char *type, const char *result, const char *expr, uint64_t x, uint64_t y,
                  uint64_t z) {
    fv_elem te, re;
    cr_assert(fv_elem_parse(type, strlen(type), &te) && fv_elem_parse(result, strlen(result), &re));
    size_t ts = (size_t)fv_elem_storage_bytes(te), rs = (size_t)fv_elem_storage_bytes(re);
    for (int vector = 0; vector < 2; vector++) {
        unsigned char X[64], Y[64], Z[64] = {0};
        for (size_t i = 0; i < 8; i++) {
            memcpy(X + i * ts, &x, ts);
            memcpy(Y + i * ts, &y, ts);
        }
        const char *at = vector ? "0:8" : "7";
        fv_span bufs[] = {{X, 8 * ts}, {Y, 8 * ts}, {Z, 8 * rs}};
        run(fv_printf(arena,
                      "kernel f(X: %s[8], Y: %s[8], out Z: %s[8]) {\n"
                      "  let x = X[%s]\n  let y = Y[%s]\n  Z[%s] = %s\n}",
                      type, type, result, at, at, at, expr),
            NULL, bufs, FV_OK);
        uint64_t actual = 0, mask = rs == 8 ? UINT64_MAX : (UINT64_C(1) << 8 * rs) - 1;
        memcpy(&actual, Z + 7 * rs, rs);
        cr_expect_eq(actual, z & mask,
                     "%s of %s %" PRIx64 ", %" PRIx64 " is %" PRIx64 ", expected %" PRIx64, expr,
                     type, x, y, actual, z & mask);
    }
}

static void f32(const char *expr, double x, double y, double z) {
    gives("f32", "f32", expr, f32_bits(x), f32_bits(y), f32_bits(z));
}

static void f64(const char *expr, double x, double y, double z) {
    gives("f64", "f64", expr, f64_bits(x), f64_bits(y), f64_bits(z));
}

static void f32_to(const char *result, double x, int64_t z) {
    gives("f32", result, fv_printf(arena, "%s(x)", result), f32_bits(x), 0, (uint64_t)z);
}

static void f64_to(const char *result, double x, int64_t z) {
    gives("f64", result, fv_printf(arena, "%s(x)", result), f64_bits(x), 0, (uint64_t)z);
}

static void ints(const char *type, const char *expr, int64_t x, int64_t y, int64_t z) {
    gives(type, type, expr, (uint64_t)x, (uint64_t)y, (uint64_t)z);
}

static void compares(const char *type, const char *expr, uint64_t x, uint64_t y, bool z) {
    gives(type, "bool", expr, x, y, z);
}

Test(interp, minimum_and_maximum) {
    f32("min(x, y)", 1, 2, 1);
    f32("min(x, y)", 0.0, -0.0, -0.0);
    f32("min(x, y)", -0.0, 0.0, -0.0);
    f32("max(x, y)", 0.0, -0.0, 0.0);
    f32("max(x, y)", -0.0, 0.0, 0.0);
    f32("max(x, y)", -INFINITY, 3, 3);
    f64("min(x, y)", 0.0, -0.0, -0.0);
    f64("max(x, y)", -0.0, 0.0, 0.0);
    compares("f32", "min(x, y) != min(x, y)", f32_bits(NAN), f32_bits(1), true);
    compares("f32", "max(x, y) != max(x, y)", f32_bits(1), f32_bits(NAN), true);
}

Test(interp, floats) {
    f32("x + y", 1, 0x1p-24, 1);
    f32("x * y + 0.0", 0x1.000002p0, 0x1.000002p0, 0x1.000004p0);
    f32("fma(x, x, -y)", 0x1.000002p0, 0x1.000004p0, 0x1p-46);
    f64("fma(x, x, -y)", 1 + 0x1p-52, 1 + 0x1p-51, 0x1p-104);
    f32("x / y", 1, 0, INFINITY);
    f32("x / y", 1, 3, 1.0f / 3.0f);
    f32("-x", 0, 0, -0.0);
    f32("abs(x)", -0.0, 0, 0);
    f32("sqrt(x)", 2, 0, sqrtf(2));
    f32("sqrt(x)", -0.0, 0, -0.0);
    f32("floor(x)", -0.5, 0, -1);
    f32("ceil(x)", -0.5, 0, -0.0);
    f32("trunc(x)", -1.5, 0, -1);
    f32("rint(x)", 2.5, 0, 2);
    f32("rint(x)", -0.25, 0, -0.0);
    f64("rint(x)", 3.5, 0, 4);
    f32("x * y", 0x1p-126, 0x1p-1, 0x1p-127); /* denormals stay */
}

Test(interp, comparisons) {
    uint64_t nan = f32_bits(NAN), one = f32_bits(1);
    compares("f32", "x < y", nan, one, false);
    compares("f32", "x <= x", nan, one, false);
    compares("f32", "x == x", nan, one, false);
    compares("f32", "x != x", nan, one, true);
    compares("f32", "x == y", f32_bits(-0.0), f32_bits(0), true);
    compares("u8", "x < y", 1, 255, true);
    compares("i8", "x < y", 1, 255, false);
    compares("u64", "x < y", 1, UINT64_MAX, true);
    compares("i64", "x <= y", 1, UINT64_MAX, false);
}

Test(interp, integer_division_is_total) {
    ints("i32", "x / y", -7, 2, -3);
    ints("i32", "x % y", -7, 2, -1);
    ints("i32", "x floordiv y", -7, 2, -4);
    ints("i32", "x mod y", -7, 2, 1);
    ints("i32", "x mod y", 7, -2, -1);
    ints("u8", "x floordiv y", 255, 2, 127);
    static const char *const types[] = {"i8", "u8", "i16", "u16", "i32", "u32", "i64", "u64"};
    for (int i = 0; i < 8; i++) {
        ints(types[i], "x / y", 5, 0, 0);
        ints(types[i], "x % y", 5, 0, 0);
        ints(types[i], "x floordiv y", 5, 0, 0);
        ints(types[i], "x mod y", 5, 0, 0);
    }
    ints("i64", "x / y", INT64_MIN, -1, INT64_MIN);
    ints("i64", "x % y", INT64_MIN, -1, 0);
    ints("i64", "x floordiv y", INT64_MIN, -1, INT64_MIN);
    ints("i64", "x mod y", INT64_MIN, -1, 0);
    ints("i8", "x / y", -128, -1, -128);
}

Test(interp, integers_wrap) {
    ints("i8", "x + y", 127, 1, -128);
    ints("i32", "x * y", INT32_MAX, 2, -2);
    ints("u16", "x * y", 65535, 65535, 1);
    ints("i64", "x - y", INT64_MIN, 1, INT64_MAX);
    ints("i32", "-x", INT32_MIN, 0, INT32_MIN);
    ints("i16", "abs(x)", -32768, 0, -32768);
    ints("u8", "-x", 1, 0, 255);
    ints("u32", "mulhi(x, y)", UINT32_MAX, UINT32_MAX, UINT32_MAX - 1);
    ints("u64", "mulhi(x, y)", -1, 16, 15);
    ints("i64", "addsat(x, y)", INT64_MAX, 1, INT64_MAX);
    ints("i64", "mulsat(x, y)", INT64_C(1) << 40, INT64_C(1) << 40, INT64_MAX);
    ints("i64", "mulsat(x, y)", INT64_C(1) << 40, 3, INT64_C(3) << 40);
}

Test(interp, shifts_are_masked) {
    ints("i32", "x << y", 1, 33, 2);
    ints("i8", "x >> y", -128, 9, -64);
    ints("u8", "x >> y", 128, 9, 64);
    ints("i64", "x << y", 1, -1, INT64_MIN);
    ints("u16", "x << y", 3, 15, 0x8000);
}

Test(interp, conversions) {
    f32_to("i8", 127.9, 127);
    f32_to("i8", 1e9, 127);
    f32_to("i8", -1e9, -128);
    f32_to("i8", NAN, 0);
    f32_to("u8", -0.9, 0);
    f32_to("u8", 255.9, 255);
    f32_to("u8", 256, 255);
    f32_to("i32", 0x1p31, INT32_MAX);
    f32_to("i32", -0x1p31, INT32_MIN);
    f32_to("u32", 0x1p32, UINT32_MAX);
    f32_to("i64", INFINITY, INT64_MAX);
    f32_to("i64", -INFINITY, INT64_MIN);
    f32_to("u64", 0x1p63, INT64_MIN);
    f32_to("u64", 0x1p64, -1);
    f64_to("i32", 2147483647.5, INT32_MAX);
    f64_to("i32", -2147483648.5, INT32_MIN);
    f64_to("i64", 9007199254740993.0, 9007199254740992);
    f32_to("bool", NAN, 1);
    f32_to("bool", -0.0, 0);
    f64_to("f32", 1 + 0x1p-24, (int64_t)f32_bits(1)); /* ties to even */
    gives("i64", "f32", "f32(x)", (1 << 24) + 1, 0, f32_bits(1 << 24));
    gives("i64", "f32", "f32(x)", INT64_C(0x4000004000000001), 0,
          f32_bits(0x1.000002p62)); /* once */
    gives("u64", "f32", "f32(x)", UINT64_MAX, 0, f32_bits(0x1p64));
    gives("u64", "f64", "f64(x)", UINT64_MAX, 0, f64_bits(0x1p64));
    gives("i32", "i8", "i8(x)", 0x180, 0, 0x80);
    gives("i8", "u32", "u32(x)", 0xff, 0, UINT32_MAX);
    gives("u8", "i64", "i64(x)", 0xff, 0, 255);
    gives("i32", "bool", "bool(x)", 256, 0, 1);
    gives("bool", "f32", "f32(x)", 1, 0, f32_bits(1));
    gives("f32", "u32", "bits_u32(x)", f32_bits(1), 0, 0x3f800000);
    gives("i16", "u16", "bits_u16(x)", 0xffff, 0, 0xffff);
}

Test(interp, bools) {
    gives("bool", "bool", "x & !y", 1, 0, 1);
    gives("bool", "bool", "x ^ y", 1, 1, 0);
    gives("bool", "u8", "u8(x)", 0x40, 0, 1); /* memory of the caller may hold any byte */
    gives("bool", "bool", "select(x, y, x)", 1, 0, 0);
    gives("f32", "f32", "select(x < y, x, y)", f32_bits(2), f32_bits(1), f32_bits(1));
}

/* ---- memory ---- */

Test(interp, vectors_in_memory) {
    float A[8] = {0, 1, 2, 3, 4, 5, 6, 7}, C[8] = {0};
    fv_span bufs[] = {SPAN(A), SPAN(C)};
    run("kernel f(A: f32[8], out C: f32[8]) {\n"
        "  let v = A[ramp4(0) * 2]\n" /* gathers */
        "  C[0:4] = v + A[0:4]\n"
        "  C[4:4] = A[4:4] if ramp4(4) < 6 else -1.0\n"
        "  C[2:4] = splat4(8.5) if ramp4(0) == 1\n"
        "}",
        NULL, bufs, FV_OK);
    float expected[8] = {0, 3, 6, 8.5f, 4, 5, -1, -1};
    cr_expect_arr_eq(C, expected, sizeof C);
}

Test(interp, masked_lanes_are_not_touched) {
    float A[4] = {1, 2, 3, 4}, C[4] = {0};
    fv_span bufs[] = {SPAN(A), SPAN(C)};
    run("kernel f(A: f32[n], out C: f32[4]; n) {\n"
        "  let i = ramp8(-2)\n"
        "  let v = A[-2:8] if 0 <= i & i < n else 0.5\n"
        "  tile t: f32x8\n"
        "  t = v\n"
        "  C[-2:8] = t * 2.0 if 0 <= i & i < n\n"
        "}",
        (int64_t[]){4}, bufs, FV_OK);
    float expected[4] = {2, 4, 6, 8};
    cr_expect_arr_eq(C, expected, sizeof C);
}

Test(interp, tiles) {
    int32_t A[6] = {1, 2, 3, 4, 5, 6}, C[2] = {0};
    fv_span bufs[] = {SPAN(A), SPAN(C)};
    run("kernel f(A: i32[2, 3], out C: i32[2]) {\n"
        "  tile acc: i32[2] = 10\n"
        "  for i < 2 {\n"
        "    tile fresh: i32 = 0\n" /* new in every iteration */
        "    for j < 3 {\n"
        "      fresh = fresh + A[i, j]\n"
        "      acc[i] = acc[i] + fresh\n"
        "    }\n"
        "    C[i] = acc[i]\n"
        "  }\n"
        "}",
        NULL, bufs, FV_OK);
    cr_expect_eq(C[0], 10 + 1 + 3 + 6);
    cr_expect_eq(C[1], 10 + 4 + 9 + 15);
}

Test(interp, tiles_of_lanes) {
    float C[8] = {0};
    fv_span bufs[] = {SPAN(C)};
    run("kernel f(out C: f32[2, 4]) {\n"
        "  tile acc: f32x4[2] = 1.0\n"
        "  acc[1] = splat4(3.0) + acc[0]\n"
        "  acc[1] = splat4(7.0) if ramp4(0) < 2\n"
        "  C[0, 0:4] = acc[0]\n"
        "  C[1, 0:4] = acc[1]\n"
        "}",
        NULL, bufs, FV_OK);
    float expected[8] = {1, 1, 1, 1, 7, 7, 4, 4};
    cr_expect_arr_eq(C, expected, sizeof C);
}

Test(interp, storage_types_are_moved) {
    uint16_t A[4] = {0x3c00, 0x7e01, 0xfc00, 1}, C[4] = {0}; /* f16, bits kept */
    fv_span bufs[] = {SPAN(A), SPAN(C)};
    run("kernel f(A: f16[4], out C: f16[4]) {\n"
        "  for i < 4 {\n"
        "    let x = A[i]\n"
        "    C[3 - i] = select(i < 2, x, A[0])\n"
        "  }\n"
        "  C[1] = bits_f16(bits_u16(A[3]) + u16(1))\n"
        "}",
        NULL, bufs, FV_OK);
    uint16_t expected[4] = {0x3c00, 2, 0x7e01, 0x3c00};
    cr_expect_arr_eq(C, expected, sizeof C);
}

/* ---- control ---- */

Test(interp, loops) {
    int64_t C[3] = {0};
    fv_span bufs[] = {SPAN(C)};
    run("kernel f(out C: i64[3]; n) {\n"
        "  tile sum: i64 = 0\n"
        "  for i = 3 to n step 4 {\n"
        "    sum = sum * 100 + i\n"
        "  }\n"
        "  C[0] = sum\n"
        "  sum = 0\n"
        "  for i = 9223372036854775800 to 9223372036854775807 step 5 {\n" /* i + step overflows */
        "    sum = sum + 1\n"
        "  }\n"
        "  C[1] = sum\n"
        "  tile x: i64 = 27\n"
        "  sum = 0\n"
        "  while x != 1 {\n"
        "    if x % 2 == 0 { x = x / 2 } else { x = 3 * x + 1 }\n"
        "    sum = sum + 1\n"
        "  }\n"
        "  C[2] = sum\n"
        "}",
        (int64_t[]){12}, bufs, FV_OK);
    int64_t expected[3] = {30711, 2, 111};
    cr_expect_arr_eq(C, expected, sizeof C);
}

Test(interp, loops_that_do_not_run) {
    int64_t C[1] = {5};
    fv_span bufs[] = {SPAN(C)};
    run("kernel f(out C: i64[1]; n) {\n  for i = 4 to n { C[0] = i }\n}", (int64_t[]){4}, bufs,
        FV_OK);
    run("kernel f(out C: i64[1]; n) {\n  for i = 4 to n { C[0] = i }\n}", (int64_t[]){-4}, bufs,
        FV_OK);
    cr_expect_eq(C[0], 5);
}

/* Runs the kernel as it is, and with additions for the quotients of its loops. */
static void runs_equally(const char *text, int64_t n) {
    enum { MOST = 60 };
    int64_t A[MOST] = {0}, B[MOST] = {0};
    const char *fault = "";
    fv_kernel *k = kernel(text);
    fv_reduce_strength(k);
    fv_kernel_number(k);
    run(text, &n, (fv_span[]){SPAN(A)}, FV_OK);
    cr_expect_eq(fv_interp_kernel(arena, k, &n, (fv_span[]){SPAN(B)}, NULL, &fault), FV_OK,
                 "%s: %s", text, fault);
    cr_expect_arr_eq(A, B, sizeof A, "%s", text);
}

Test(interp, strength_reduction) {
    const int divisors[] = {3, 7, 10, 43};
    for (int step = 1; step <= 9; step += 4)
        for (int by = 1; by <= 40; by += 13)
            for (int d = 0; d < 4; d++)
                for (int first = -50; first <= 20; first += 23)
                    runs_equally(fv_printf(arena,
                                           "kernel f(inout C: i64[60]; n in 0..60)\n"
                                           "    task t < 1 {\n"
                                           "  for i = 1 to n step %d {\n"
                                           "    let at = i * %d + %d\n"
                                           "    C[i] = at floordiv %d * 100\n"
                                           "    for j < 3 {\n"
                                           "      C[i] = C[i] * 50 + (at + j) mod %d\n"
                                           "    }\n"
                                           "  }\n"
                                           "}",
                                           step, by, first, divisors[d], divisors[d]),
                                 60 - (first + 50) % 3);
}

static const char *const tasks = "kernel f(out C: i64[n]; n)\n    task t < (n + 3) floordiv 4 {\n"
                                 "  for i = t * 4 to min(t * 4 + 4, n) { C[i] = i * i }\n}";

static void backwards(void *user, void (*task)(void *, int64_t), void *arg, int64_t n) {
    ++*(int *)user;
    while (n > 0)
        task(arg, --n);
}

Test(interp, tasks) {
    int64_t A[10], B[10], n = 10;
    int calls = 0;
    fv_env env = {.size = sizeof env, .user = &calls, .parallel_for = backwards};
    run(tasks, &n, (fv_span[]){SPAN(A)}, FV_OK);
    cr_expect_eq(fv_interp_kernel(arena, kernel(tasks), &n, (fv_span[]){SPAN(B)}, &env, NULL),
                 FV_OK);
    cr_expect_eq(A[9], 81);
    cr_expect_arr_eq(A, B, sizeof A);
    cr_expect_eq(calls, 1);
}

Test(interp, require) {
    int64_t A[4] = {0, 3, 1, 2}, C[4] = {0};
    const char *text = "kernel f(A: i64[4], out C: i64[4]; n) {\n  for i < 4 {\n"
                       "    let ok = require(0 <= A[i] & A[i] < n)\n    C[i] = A[i]\n  }\n}";
    run(text, (int64_t[]){4}, (fv_span[]){SPAN(A), SPAN(C)}, FV_OK);
    run(text, (int64_t[]){3}, (fv_span[]){SPAN(A), SPAN(C)}, FV_BAD_INDEX);
    cr_expect_eq(C[3], 2); /* it goes on all the same */
}

Test(interp, cancel) {
    int32_t flag = 1;
    int64_t C[1] = {0};
    fv_env env = {.size = sizeof env, .cancel = &flag};
    fv_kernel *k =
        kernel("kernel f(out C: i64[1]) {\n  tile x: i64 = 0\n  while x == 0 { x = 0 }\n}");
    cr_expect_eq(fv_interp_kernel(arena, k, NULL, (fv_span[]){SPAN(C)}, &env, NULL), FV_CANCELLED);
}

/* ---- faults ---- */

static void faults(const char *text, int64_t n, const char *expected) {
    float A[12] = {0}, C[12] = {0};
    const char *fault = run(text, &n, (fv_span[]){SPAN(A), SPAN(C)}, FV_INTERNAL);
    cr_expect_str_eq(fault, expected);
}

Test(interp, faults_name_kernel_buffer_and_index) {
    faults("kernel f(A: f32[3, 4], out C: f32[12]; n) {\n  C[0] = A[1, n]\n}", 4,
           "f: load: A[1, 4] is outside f32[3, 4], 48 bytes of memory");
    faults("kernel f(A: f32[3, 4], out C: f32[12]; n) {\n  C[0] = A[n, 3]\n}", -1,
           "f: load: A[-1, 3] is outside f32[3, 4], 48 bytes of memory");
    faults("kernel f(A: f32[3, 4], out C: f32[n]; n) {\n  C[n - 4:8] = splat8(A[0, 0])\n}", 10,
           "f: store: C[13] is outside f32[10], 48 bytes of memory");
    faults("kernel f(A: f32[3, 4], out C: f32[12]; n) {\n  C[0:2] = A[ramp2(n), 0]\n}", 2,
           "f: load: A[3, 0] is outside f32[3, 4], 48 bytes of memory");
    faults("kernel f(A: f32[3, 4], out C: f32[12]; n) {\n  C[n:4] = splat4(1.0) if ramp4(0) < 3\n}",
           10, "f: store: C[12] is outside f32[12], 48 bytes of memory");
    faults("kernel f(A: f32[n], out C: f32[12]; n) {\n  C[0] = A[0]\n}", 13,
           "f: buffer A needs 52 bytes, is given 48");
    faults("kernel f(A: f32[n], out C: f32[12]; n) {\n  C[0] = A[0]\n}", -2,
           "f: buffer A needs 9223372036854775807 bytes, is given 48");
    faults("kernel f(A: f32[12], out C: f32[12]; n) {\n  tile t: f32[2] = 0.0\n  C[0] = t[n]\n}", 2,
           "f: load: t[2] is outside f32[2], 8 bytes of memory");
}

Test(interp, what_is_not_expanded_is_refused) {
    fv_kernel *k =
        kernel("kernel f(A: f32[4], out C: f32[4]) {\n  vector i < 4 { C[i] = A[i] }\n}");
    float A[4] = {0}, C[4] = {0};
    cr_expect_eq(fv_interp_kernel(arena, k, NULL, (fv_span[]){SPAN(A), SPAN(C)}, NULL, NULL),
                 FV_INTERNAL);
    cr_expect(strstr(fv_messages(session)->text, "loop 'i' is not serial"));
    fv_messages_clear(session);
    k = kernel("kernel f(A: bf16[4], out C: f32[4]) {\n  C[0] = f32(A[0])\n}");
    cr_expect_eq(fv_interp_kernel(arena, k, NULL, (fv_span[]){SPAN(A), SPAN(C)}, NULL, NULL),
                 FV_INTERNAL);
    cr_expect(strstr(fv_messages(session)->text, "a conversion of bf16 to f32 was not expanded"));
}

Test(interp, exact_arithmetic_is_kept_in_long_kernels) {
    enum { N = 1000000 };
    static float A[N], C[N];
    for (int i = 0; i < N; i++)
        A[i] = (float)i / (float)N;
    int64_t n = N;
    run("kernel f(A: f32[n], out C: f32[n]; n) {\n  for i < n {\n    let a = A[i]\n"
        "    let b = fma(a, a, 0.5)\n    let c = b * b - a\n    let d = max(c, a)\n"
        "    C[i] = sqrt(d) / b\n  }\n}",
        &n, (fv_span[]){SPAN(A), SPAN(C)}, FV_OK);
    for (int i = 0; i < N; i += 997) {
        float a = A[i], b = fmaf(a, a, 0.5f), square = b * b, c = square - a, d = c > a ? c : a;
        cr_expect_eq(C[i], sqrtf(d) / b);
    }
}
