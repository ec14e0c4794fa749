/* test_products.c - dot_bf16, its halves and add_flushed have the same bits on all consumers and
 * targets, with an instruction and without, in vectors and one by one. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "backend/consumer/protocol.h"
#include "backend/expand/expand.h"
#include "ir/expr/instruction.h"
#include "ir/kernel/parse.h"
#include "ir/kernel/verify.h"
#include "tests/consumers/consumers.h"
#include "tests/consumers/gen.h"
#include "tests/session.h"

TestSuite(products, .init = open_session, .fini = close_session);

/* No multiple of any number of lanes, so that single words remain. */
enum { WORDS = 4001, ORDERS = 2, OPS = 4 };

typedef struct io {
    uint32_t a[WORDS], b[WORDS], c[WORDS], expected[OPS][WORDS], result[ORDERS][OPS][WORDS];
} io;

static const char *const op_names[OPS] = {"dot_bf16", "dot_bf16_even", "dot_bf16_odd",
                                          "add_flushed"};

/* the name of the kernel, and the kind of its loop */
static const char kernel_text[] =
    "kernel %s(A: i32[4001], B: i32[4001], C: f32[4001], out D: f32[4001], out E: f32[4001],\n"
    "    out F: f32[4001], out G: f32[4001]) {\n"
    "  %s i < 4001 {\n"
    "    D[i] = bits_f32(dot_bf16(A[i], B[i], bits_i32(C[i])))\n"
    "    E[i] = bits_f32(dot_bf16_even(A[i], B[i], bits_i32(C[i])))\n"
    "    F[i] = bits_f32(dot_bf16_odd(A[i], B[i], bits_i32(C[i])))\n"
    "    G[i] = bits_f32(add_flushed(A[i], bits_i32(C[i])))\n"
    "  }\n"
    "}\n";
static const char *const kernel_names[ORDERS] = {"of_vectors", "of_words"}, *const loops[ORDERS] = {
                                                                                "vector", "for"};

/* ---- the expected bits, by sums in f64 ---- */

static double number(uint32_t bits) {
    float x;
    memcpy(&x, &bits, sizeof x);
    return x != 0 && fabsf(x) < 0x1p-126F ? copysign(0, (double)x) : (double)x;
}

/* x * y is exact in f64. If its sum with z is not, fmaf rounds to f32; if the sum is so small that
 * denormals matter, f64 represents it exactly. */
static double step(double x, double y, double z) {
    double small = x * y + z;
    if (fabs(small) < 0x1p-126 * (1 - 0x1p-25))
        return copysign(0, small);
    return (double)fmaf((float)x, (float)y, (float)z);
}

static double high_added(uint32_t a, uint32_t b, double c) {
    return step(number(a & 0xffff0000), number(b & 0xffff0000), c);
}

static double low_added(uint32_t a, uint32_t b, double c) {
    return step(number(a << 16), number(b << 16), c);
}

static uint32_t expected_bits(int op, uint32_t a, uint32_t b, uint32_t c) {
    const double sums[OPS] = {low_added(a, b, high_added(a, b, number(c))),
                              low_added(a, b, number(c)), high_added(a, b, number(c)),
                              step(number(a), 1, number(c))};
    float sum = (float)sums[op];
    uint32_t bits;
    memcpy(&bits, &sum, sizeof bits);
    return bits;
}

/* ---- arguments ---- */

/* A bf16: special ones, some whose products are near the smallest normal number, any bits, or
 * numbers near 1. */
static uint32_t half(rng *r, int kind) {
    static const uint16_t special[] = {0,      0x8000, 1,      0x807f, 0x0080, 0x8080, 0x7f7f,
                                       0xff7f, 0x7f80, 0xff80, 0x7fc0, 0x3f80, 0xbf80};
    uint32_t bits = (uint32_t)rng_next(r) & 0xffff;
    if (kind == 0)
        return special[bits % (sizeof special / sizeof *special)];
    if (kind == 1)
        return (bits & 0x807f) | (60 + bits % 8) << 7;
    return kind == 2 ? bits : (bits & 0x807f) | (123 + bits % 8) << 7;
}

static uint32_t word(rng *r, int kind) {
    uint32_t high = half(r, kind);
    return high << 16 | half(r, kind);
}

static io *make_io(void) {
    io *d = calloc(1, sizeof *d);
    cr_assert(d);
    rng r = {23};
    for (int i = 0; i < WORDS; i++) {
        int kind = i % 4;
        uint32_t low = (uint32_t)rng_next(&r);
        d->a[i] = word(&r, kind);
        d->b[i] = word(&r, kind);
        d->c[i] = kind == 0   ? half(&r, 0) << 16 | (low % 3 ? 0 : low & 0xffff)
                  : kind == 1 ? (low & 0x807fffff) | low % 12 << 23
                  : kind == 2 ? low
                              : (low & 0x807fffff) | (118 + low % 16) << 23;
    }
    /* 2^-126 (1 - 2^-24), which is 0 though it rounds to 2^-126 as a denormal; (1 - 2^-25) is
     * not */
    d->a[0] = 0x1a000000;
    d->b[0] = 0x9a000000;
    d->a[1] = 0x1a00;
    d->b[1] = 0x9980;
    d->c[0] = d->c[1] = 0x00800000;
    /* 2^-126 and -2^-126 (1 + 2^-23), whose difference is a denormal */
    d->a[2] = 0x00800000;
    d->c[2] = 0x80800001;
    for (int op = 0; op < OPS; op++)
        for (int i = 0; i < WORDS; i++)
            d->expected[op][i] = expected_bits(op, d->a[i], d->b[i], d->c[i]);
    return d;
}

static bool is_nan(uint32_t bits) {
    return (bits & 0x7fffffff) > 0x7f800000;
}

/* ---- consumers ---- */

static fv_program *program_for(const fv_target *t) {
    fv_kernel *kernels[ORDERS];
    for (int i = 0; i < ORDERS; i++) {
        fv_kernel *k =
            fv_kernel_parse(arena, fv_printf(arena, kernel_text, kernel_names[i], loops[i]));
        cr_assert(k && fv_kernel_verify(session, k), "%s", fv_messages(session)->text);
        cr_assert(kernels[i] = fv_kernel_expand(arena, k, t));
    }
    fv_program *p = program_of(arena, t, ORDERS, kernels);
    fv_program_protocol(p);
    cr_assert(fv_program_verify(session, p), "%s", fv_messages(session)->text);
    return p;
}

static void check_consumer(const consumer *c, const fv_program *p, io *d) {
    opened *o = c->open(arena, p);
    cr_assert(o, "%s for %s", c->name, p->target->name);
    const void *in[] = {d->a, d->b, d->c, d->a, d->b, d->c};
    void *out[ORDERS * OPS];
    for (int i = 0; i < ORDERS * OPS; i++)
        out[i] = d->result[i / OPS][i % OPS];
    memset(d->result, 0x55, sizeof d->result);
    cr_assert_eq(o->run(o, NULL, in, out, NULL, NULL, 0, NULL), 0, "%s for %s", c->name,
                 p->target->name);
    for (int i = 0; i < ORDERS * OPS; i++)
        for (int w = 0; w < WORDS; w++) {
            uint32_t is = d->result[i / OPS][i % OPS][w], want = d->expected[i % OPS][w];
            cr_assert(is == want || (is_nan(is) && is_nan(want)),
                      "%s for %s: %s of %08x %08x %08x gives %08x, not %08x", c->name,
                      p->target->entry, op_names[i % OPS], d->a[w], d->b[w], d->c[w], is, want);
        }
    o->close(o);
}

static void check_target(const char *text, io *d) {
    const char *why = "";
    const fv_target *t = fv_target_read(arena, text, &why);
    cr_assert(t, "%s", why);
    const fv_program *p = program_for(t);
    for (int i = 0; consumer_for(t, i); i++)
        check_consumer(consumer_for(t, i), p, d);
}

/* Targets without fused multiply-add are left out, because they round denormal products and may
 * give other bits. */
Test(products, same_bits_everywhere) {
    static const char *const targets[] = {"x86-64-v3", "x86-64-v4", "x86-64-v4+avx512bf16",
                                          "aarch64",   "riscv64",   "cortex-m4"};
    io *d = make_io();
    for (size_t i = 0; i < sizeof targets / sizeof *targets; i++)
        check_target(targets[i], d);
    free(d);
}
