/* The cost of launches: operations and bytes of small kernels, computed by hand and by the
 * counter. */
#include <criterion/criterion.h>

#include "backend/cost/cost.h"
#include "backend/cost/predict.h"
#include "backend/expand/expand.h"
#include "ir/kernel/parse.h"
#include "tests/kernel/support.h"

TestSuite(cost, .init = open_session, .fini = close_session);

static fv_cost cost_of(const char *text, int64_t n) {
    fv_kernel *k = fv_kernel_parse(arena, text);
    cr_assert(k, "%s", said());
    int64_t dims[] = {n, n};
    return fv_cost_kernel(arena, k, dims);
}

static void costs(const char *text, int64_t n, double flops, double read, double written) {
    fv_cost c = cost_of(text, n);
    cr_expect_eq(c.flops, flops, "%g operations, expected %g: %s", c.flops, flops, text);
    cr_expect_eq(c.read, read, "%g bytes read, expected %g: %s", c.read, read, text);
    cr_expect_eq(c.written, written, "%g bytes written, expected %g: %s", c.written, written, text);
    cr_expect(c.exact);
}

Test(cost, loops_multiply) {
    costs(
        "kernel f(A: f32[n, 64], out C: f32[n, 64]; n) {\n  parallel i < n {\n    vector j < 64 {\n"
        "      C[i, j] = A[i, j] + exp(A[i, j])\n    }\n  }\n}",
        10, 2 * 640, 4 * 640, 4 * 640);
    costs("kernel f(A: f32[n], out C: f32[n]; n) {\n  for i = 2 to n step 3 {\n    C[i] = "
          "fma(A[i], 2.0, 1.0)\n"
          "  }\n}",
          9, 2 * 3, 4 * 3, 4 * 3);
}

/* The integers of dot_bf16, its halves and add_flushed are the bits of floats; other dot products
 * of words are of integers. */
Test(cost, dot_products_of_words) {
    costs("kernel f(A: i32[n], out C: i32[n]; n) {\n  for i < n {\n    C[i] = dot_bf16(A[i], A[i], "
          "0)\n  }\n}",
          10, 4 * 10, 4 * 10, 4 * 10);
    costs("kernel f(A: i32[n], out C: i32[n]; n) {\n  for i < n {\n    C[i] = "
          "add_flushed(dot_bf16_even(A[i], A[i], 0), dot_bf16_odd(A[i], A[i], 0))\n  }\n}",
          10, 5 * 10, 4 * 10, 4 * 10);
    costs(
        "kernel f(A: i32[n], out C: i32[n]; n) {\n  for i < n {\n    C[i] = dot_u8_i8(A[i], A[i], "
        "0)\n  }\n}",
        10, 0, 4 * 10, 4 * 10);
}

Test(cost, nothing_runs) {
    costs("kernel f(A: f32[n], out C: f32[n]; n) {\n  for i < n {\n    C[i] = A[i] * 2.0\n  }\n}",
          0, 0, 0, 0);
}

Test(cost, a_shorter_last_block) {
    static const char text[] =
        "kernel f(A: f32[n, 8], out C: f32[n, 8]; n) {\n  parallel block < (n + 11) floordiv 12 {\n"
        "    let rows = min(n - block * 12, 12)\n    if rows == 12 {\n      unroll r < 12 {\n"
        "        vector j < 8 {\n          C[block * 12 + r, j] = A[block * 12 + r, j] * 3.0\n     "
        "   }\n      }\n"
        "    } else {\n      for r < rows {\n        vector j < 8 {\n"
        "          C[block * 12 + r, j] = A[block * 12 + r, j] * 3.0\n        }\n      }\n    }\n  "
        "}\n}";
    costs(text, 24, 8 * 24, 32 * 24, 32 * 24);
    costs(text, 29, 8 * 29, 32 * 29, 32 * 29);
    costs(text, 1, 8, 32, 32);
}

Test(cost, a_buffer_is_read_once) { /* 16 times through the cache */
    costs("kernel f(A: f32[n], out C: f32[16]; n) {\n  for i < 16 {\n    tile s: f32 = 0.0\n    "
          "for k < n {\n"
          "      s = s + A[k]\n    }\n    C[i] = s\n  }\n}",
          100, 1600, 400, 64);
}

Test(cost, a_gather_reads_what_it_takes) {
    costs("kernel f(T: f32[30000, 8], I: i64[n], out C: f32[n, 8]; n) {\n  for i < n {\n    for j "
          "< 8 {\n"
          "      C[i, j] = T[I[i], j]\n    }\n  }\n}",
          4, 0, 4 * 8 * 4 + 8 * 4, 4 * 8 * 4);
}

Test(cost, triangles) {
    costs("kernel f(out C: f32[n]; n) {\n  for i < n {\n    tile s: f32 = 1.0\n    for j < i {\n"
          "      s = s * 2.0\n    }\n    C[i] = s\n  }\n}",
          20, 190, 0, 80);
    fv_cost c = cost_of(
        "kernel f(out C: f32[n]; n) {\n  for i < n {\n    tile s: f32 = 1.0\n    for j < i {\n"
        "      s = s * 2.0\n    }\n    C[i] = s\n  }\n}",
        100000);
    cr_expect_float_eq(c.flops / (0.5 * 1e5 * 1e5), 1.0, 1e-2);
    cr_expect_not(c.exact); /* not every iteration was walked */
}

Test(cost, data_decides) {
    fv_cost c = cost_of(
        "kernel f(A: f32[n], out C: f32[n]; n) {\n  for i < n {\n    if A[i] < 0.0 {\n"
        "      C[i] = A[i] * A[i] + 1.0\n    } else {\n      C[i] = A[i] + 1.0\n    }\n  }\n}",
        7);
    cr_expect_eq(c.flops, 7); /* the usual value of a float is 0 */
    cr_expect_not(c.exact);
}

/* A condition of one kernel and its opposite in another one: one of them works. */
Test(cost, data_share_the_work) {
    fv_cost all = cost_of("kernel f(S: i64[], A: f32[n], out C: f32[n]; n) {\n  if S[] != 0 {\n"
                          "    for i < n {\n      C[i] = A[i] * 2.0\n    }\n  }\n}",
                          10),
            none = cost_of("kernel f(S: i64[], A: f32[n], out C: f32[n]; n) {\n  if S[] == 0 {\n"
                           "    for i < n {\n      C[i] = A[i] * 2.0\n    }\n  } else {\n"
                           "    C[0] = 0.0 if 0 < n\n  }\n}",
                           10);
    cr_expect(all.flops == 10 && all.read == 48 && all.written == 40);
    cr_expect(none.flops == 0 && none.read == 8 && none.written == 4);
    cr_expect_not(all.exact || none.exact);
}

/* The program, and in *s the speeds of its target with caches of these sizes. */
static fv_program *with_caches(const char *text, double l2, double l3, fv_speeds *s) {
    const char *why = "";
    fv_program *p = fv_program_parse(arena, text, NULL);
    cr_assert(p, "%s", said());
    p->target = fv_target_read(arena, "x86-64-v3", &why);
    *s = fv_speeds_of(p->target);
    s->capacity[1] = l2;
    s->capacity[2] = l3;
    return p;
}

/* A launch that writes a row of a buffer brings no more of it into a cache: a later one reads the
 * rest from where it was before. */
static const char cache[] =
    "fovea-program 1\nname cache\nworkspace 0\n"
    "buffer c: f32[4096, 64] input 0\nbuffer x: f32[4194304] input 1\n"
    "buffer y: f32[4194304] output 0\nbuffer z: f32[64] output 1\n"
    "input c = \"c\" as c: f32[4096, 64] extents [4096, 64]\n"
    "input x = \"x\" as x: f32[4194304] extents [4194304]\n"
    "output y = \"y\" as y: f32[4194304] extents [4194304]\n"
    "output z = \"z\" as z: f32[64] extents [64]\n"
    "kernel large(A: f32[4194304], out C: f32[4194304]) {\n  for i < 4194304 {\n"
    "    C[i] = A[i] * 2.0\n  }\n}\n"
    "kernel touch(A: f32[4096, 64], out C: f32[64]; m) {\n  for k < m {\n    for i < 64 {\n"
    "      C[i] = A[k, i]\n    }\n  }\n}\n"
    "kernel sum(A: f32[4096, 64], out C: f32[64]) {\n  for i < 64 {\n    tile s: f32 = 0.0\n"
    "    for k < 4096 {\n      s = s + A[k, i]\n    }\n    C[i] = s\n  }\n}\n"
    "run {\n  launch large(x, y)\n  launch touch(c, z; %d)\n  launch sum(c, z)\n}\n";

static double waits_after(int rows) {
    fv_speeds s;
    fv_program *p = with_caches(fv_printf(arena, cache, rows), 2 << 20, 4 << 20, &s);
    fv_launch_cost *list;
    fv_prediction is[3];
    int n = fv_cost_launches(arena, p, &list);
    fv_cost_evaluate(arena, p, NULL, n, list);
    fv_predict_launches(arena, p, NULL, &s, 1, n, list, is);
    cr_assert(n == 3 && is[2].known);
    return is[2].waiting;
}

Test(cost, a_part_leaves_the_rest_far) {
    const double all = waits_after(4096), row = waits_after(1), none = waits_after(0);
    cr_expect(row > 2 * all, "%g and %g", row, all);
    cr_expect_float_eq(row / none, 1, 0.02, "%g and %g", row, none);
}

Test(cost, expanded) { /* math is counted as what it became, lanes count */
    const char *text = "kernel f(A: f32[n, 64], out C: f32[n, 64]; n) {\n  parallel i < n {\n"
                       "    vector j < 64 {\n      C[i, j] = A[i, j] + 2.0\n    }\n  }\n}";
    fv_kernel *k = fv_kernel_parse(arena, text);
    fv_kernel *e = fv_kernel_expand(arena, k, fv_target_find("x86-64-v3"));
    int64_t n = 10;
    fv_cost c = fv_cost_kernel(arena, e, &n);
    cr_expect_eq(c.flops, 640);
    cr_expect_eq(c.read, 2560);
    cr_expect_eq(c.written, 2560);
}

Test(cost, launches_of_a_program) {
    fv_program *p = fv_program_parse(
        arena,
        "fovea-program 1\nname two\nsymbol n as n in 0..100\nplan {\n  let twice = n * "
        "2\n}\nworkspace 0\n"
        "buffer x: f32[n] input 0\nbuffer y: f32[n] output 0\n"
        "input x = \"x\" as x: f32[n] extents [n]\noutput y = \"y\" as y: f32[n] extents [n]\n"
        "kernel f(A: f32[m], out C: f32[m]; m) {\n  for i < m {\n    C[i] = A[i] * 2.0\n  }\n}\n"
        "run {\n  launch f(x, y; twice floordiv 2)\n}\n",
        NULL);
    fv_launch_cost *list;
    if (!p)
        cr_assert_fail("%s", said());
    int n = fv_cost_launches(arena, p, &list);
    cr_assert_eq(n, 1);
    fv_cost_evaluate(arena, p, (int64_t[]){50}, n, list);
    cr_expect(list[0].known);
    cr_expect_eq(list[0].cost.flops, 50);
    cr_expect_eq(list[0].cost.read, 200);
    cr_expect_eq(fv_cost_memory(arena, n, list), 400);
}

/* A launch in a loop is counted for the iteration in the middle; its prediction finds what the
 * iteration before it left in the caches, if there is one. */
static const char repeated[] =
    "fovea-program 1\nname loops\nsymbol n as n in 0..100\nworkspace 0\n"
    "buffer x: f32[262144] input 0\nbuffer y: f32[262144] output 0\n"
    "buffer z: f32[2097152] input 1\nbuffer w: f32[2097152] output 1\n"
    "input x = \"x\" as x: f32[262144] extents [262144]\n"
    "input z = \"z\" as z: f32[2097152] extents [2097152]\n"
    "output y = \"y\" as y: f32[262144] extents [262144]\n"
    "output w = \"w\" as w: f32[2097152] extents [2097152]\n"
    "kernel f(A: f32[262144], out C: f32[262144]; m) {\n  for i < 65536 + m {\n"
    "    C[i] = A[i] * 2.0\n  }\n}\n"
    "kernel g(A: f32[2097152], out C: f32[2097152]) {\n  for i < 2097152 {\n"
    "    C[i] = A[i] * 2.0\n  }\n}\n"
    "run {\n  for t < n {\n    launch f(x, y; t)\n  }\n  launch g(z, w)\n}\n";

Test(cost, launches_in_a_loop) {
    fv_speeds s;
    fv_program *p = with_caches(repeated, 1 << 20, 4 << 20, &s);
    fv_launch_cost *list;
    fv_prediction once[2], often[2];
    int n = fv_cost_launches(arena, p, &list);
    cr_assert_eq(n, 2);
    cr_expect(list[0].loop && !list[1].loop);
    fv_cost_evaluate(arena, p, (int64_t[]){99}, n, list);
    cr_expect_eq(list[0].cost.flops, 65536 + 49);
    fv_predict_launches(arena, p, (int64_t[]){99}, &s, 1, n, list, often);
    fv_cost_evaluate(arena, p, (int64_t[]){1}, n, list);
    fv_predict_launches(arena, p, (int64_t[]){1}, &s, 1, n, list, once);
    cr_assert(once[0].known && often[0].known);
    cr_expect(once[0].waiting > 2 * often[0].waiting, "%g of %g", often[0].waiting,
              once[0].waiting);
    cr_expect_eq(once[1].ms, often[1].ms);
}

Test(cost, a_call_passes_over_its_buffers) {
    fv_cost c = cost_of(
        "kernel f(file: u8[n], out y: u8[n, m, 3]; n, m) { call image_pixels(file, y) }", 10);
    cr_expect(c.read == 10 && c.written == 300 && c.flops == 0 && !c.exact);
}
