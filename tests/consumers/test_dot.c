/* test_dot.c - sums of products of bytes and of i16 have the same bits on all consumers and
 * targets, with an instruction and without, in vectors and one by one; words are read from
 * bytes. */
#include <criterion/criterion.h>
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

TestSuite(dot, .init = open_session, .fini = close_session);

/* Words of each operand; no multiple of any number of lanes, so that single words remain. The first
 * 81 pairs have only the extremes of bytes and halves. */
enum { WORDS = 391, EXTREMES = 9, SUMS = 7, ORDERS = 2 };

typedef struct io {
    uint8_t a[4 * WORDS], b[4 * WORDS];
    int32_t c[WORDS], result[ORDERS * SUMS][WORDS], expected[SUMS][WORDS];
} io;

/* Results d: of words, in vectors and one by one. The first operands of dot_i16_i16 are halves of
 * which each was one byte. */
static const char kernel_text[] =
    "(A: u8[1564], B: i8[1564], C: i32[391], out D: i32[391], out E: i32[391],\n"
    "            out F: i32[391], out G: i32[391], out H: i32[391], out I: i32[391],\n"
    "            out J: i32[391]) {\n"
    "  LOOP i < 391 {\n"
    "    let a = bits_i32(A[i * 4:4])\n"
    "    let b = bits_i32(B[i * 4:4])\n"
    "    let h = bits_i32(i16(A[i * 2:2]))\n"
    "    D[i] = dot_u8_i8(a, b, C[i])\n"
    "    E[i] = dot_i8_i8(a, b, C[i])\n"
    "    F[i] = dot_u8_u8(a, b, C[i])\n"
    "    G[i] = dot_i16_i16(h, b, dot_i16_i16(a, b, C[i]))\n"
    "    H[i] = dot_u8_i8_sat(a, b, C[i])\n"
    "    I[i] = dot_i16_i8_even(a, b, C[i])\n"
    "    J[i] = dot_i16_i8_odd(a, b, C[i])\n"
    "  }\n"
    "}\n";

static int64_t part(const uint8_t *bytes, int i, int width, bool is_signed) {
    int64_t x = width == 1 ? bytes[i] : bytes[2 * i] | bytes[2 * i + 1] << 8;
    int64_t range = width == 1 ? 256 : 65536;
    return is_signed && x >= range / 2 ? x - range : x;
}

static int32_t wrapped(int64_t x) {
    return (int32_t)(uint32_t)(uint64_t)x;
}

static void expect_word(io *d, int i) {
    const uint8_t *a = d->a + (size_t)4 * i, *b = d->b + (size_t)4 * i;
    int64_t sum[SUMS];
    for (int s = 0; s < SUMS; s++)
        sum[s] = d->c[i];
    for (int k = 0; k < 4; k++) {
        sum[0] += part(a, k, 1, false) * part(b, k, 1, true);
        sum[1] += part(a, k, 1, true) * part(b, k, 1, true);
        sum[2] += part(a, k, 1, false) * part(b, k, 1, false);
    }
    for (int k = 0; k < 2; k++)
        sum[3] += part(a, k, 2, true) * part(b, k, 2, true) + d->a[2 * i + k] * part(b, k, 2, true);
    for (int k = 0; k < 4; k += 2) {
        int64_t two = part(a, k, 1, false) * part(b, k, 1, true) +
                      part(a, k + 1, 1, false) * part(b, k + 1, 1, true);
        sum[4] += two < INT16_MIN ? INT16_MIN : two > INT16_MAX ? INT16_MAX : two;
    }
    for (int k = 0; k < 2; k++)
        for (int odd = 0; odd < 2; odd++)
            sum[5 + odd] += part(a, k, 2, true) * part(b, 2 * k + odd, 1, true);
    for (int s = 0; s < SUMS; s++)
        d->expected[s][i] = wrapped(sum[s]);
}

static io *make_io(void) {
    static const uint32_t extremes[EXTREMES] = {0x80808080, 0x7f7f7f7f, 0xffffffff,
                                                0x00000000, 0x80008000, 0x7fff7fff,
                                                0x01010101, 0x80ff7f00, 0x8000ffff};
    io *d = calloc(1, sizeof *d);
    cr_assert(d);
    rng r = {17};
    for (int i = 0; i < WORDS; i++) {
        uint32_t a = (uint32_t)rng_next(&r), b = (uint32_t)rng_next(&r);
        bool is_extreme = i < EXTREMES * EXTREMES;
        a = is_extreme ? extremes[i / EXTREMES] : a;
        b = is_extreme ? extremes[i % EXTREMES] : b;
        memcpy(d->a + (size_t)4 * i, &a, sizeof a);
        memcpy(d->b + (size_t)4 * i, &b, sizeof b);
        d->c[i] = i % 3 ? (int32_t)(uint32_t)rng_next(&r) : i % 2 ? INT32_MAX : INT32_MIN;
    }
    for (int i = 0; i < WORDS; i++)
        expect_word(d, i);
    return d;
}

static fv_kernel *kernel_with(const char *loop) {
    const char *at = strstr(kernel_text, "  LOOP");
    const char *text = fv_printf(arena, "kernel of_%s%.*s  %s%s", loop, (int)(at - kernel_text),
                                 kernel_text, loop, at + strlen("  LOOP"));
    fv_kernel *k = fv_kernel_parse(arena, text);
    cr_assert(k && fv_kernel_verify(session, k));
    return k;
}

static fv_program *program_for(const fv_target *t) {
    static const char *const loops[ORDERS] = {"vector", "for"};
    fv_kernel *kernels[ORDERS];
    for (int i = 0; i < ORDERS; i++)
        cr_assert(kernels[i] = fv_kernel_expand(arena, kernel_with(loops[i]), t));
    fv_program *p = program_of(arena, t, ORDERS, kernels);
    fv_program_protocol(p);
    cr_assert(fv_program_verify(session, p), "%s", fv_messages(session)->text);
    return p;
}

static void check_consumer(const consumer *c, const fv_program *p, io *d) {
    opened *o = c->open(arena, p);
    cr_assert(o, "%s for %s", c->name, p->target->name);
    const void *in[] = {d->a, d->b, d->c, d->a, d->b, d->c};
    void *out[ORDERS * SUMS];
    for (int i = 0; i < ORDERS * SUMS; i++)
        out[i] = d->result[i];
    memset(d->result, 0x55, sizeof d->result);
    cr_assert_eq(o->run(o, NULL, in, out, NULL, NULL, 0, NULL), 0, "%s for %s", c->name,
                 p->target->name);
    for (int i = 0; i < ORDERS * SUMS; i++)
        for (int w = 0; w < WORDS; w++)
            cr_assert_eq(d->result[i][w], d->expected[i % SUMS][w], "%s for %s: sum %d of word %d",
                         c->name, p->target->name, i, w);
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

Test(dot, same_bits_everywhere) {
    static const char *const targets[] = {"generic",
                                          "x86-64",
                                          "x86-64-v2",
                                          "x86-64-v3",
                                          "x86-64-v3+avxvnni",
                                          "x86-64-v3+avxvnniint8",
                                          "x86-64-v4",
                                          "x86-64-v4+vnni",
                                          "aarch64",
                                          "aarch64+dotprod",
                                          "aarch64+dotprod+i8mm",
                                          "cortex-m4"};
    io *d = make_io();
    for (size_t i = 0; i < sizeof targets / sizeof *targets; i++)
        check_target(targets[i], d);
    free(d);
}

/* ---- 16 bytes ---- */

enum { SIXTEENS = 97 };

typedef struct sixteens {
    uint8_t a[16 * SIXTEENS], b[16 * SIXTEENS];
    int32_t c[SIXTEENS], result[2][SIXTEENS];
} sixteens;

static fv_program *program_of_sixteens(const fv_target *t, const char *loop) {
    fv_kernel *k = fv_kernel_parse(
        arena, fv_printf(arena,
                         "kernel sixteen(A: u8[1552], B: u8[1552], X: i8[1552], Y: i8[1552],\n"
                         "    C: i32[97], out D: i32[97], out E: i32[97]) {\n"
                         "  %s i < 97 {\n"
                         "    D[i] = dot16_u8_u8(A[i * 16:16], B[i * 16:16], C[i])\n"
                         "    E[i] = dot16_i8_i8(X[i * 16:16], Y[i * 16:16], C[i])\n"
                         "  }\n"
                         "}\n",
                         loop));
    cr_assert(k && fv_kernel_verify(session, k));
    fv_kernel *kernels[] = {fv_kernel_expand(arena, k, t)};
    fv_program *p = program_of(arena, t, 1, kernels);
    fv_program_protocol(p);
    cr_assert(fv_program_verify(session, p), "%s", fv_messages(session)->text);
    return p;
}

static void check_sixteens(const consumer *c, const fv_program *p, sixteens *d) {
    opened *o = c->open(arena, p);
    cr_assert(o, "%s for %s", c->name, p->target->name);
    const void *in[] = {d->a, d->b, d->a, d->b, d->c};
    void *out[] = {d->result[0], d->result[1]};
    memset(d->result, 0x55, sizeof d->result);
    cr_assert_eq(o->run(o, NULL, in, out, NULL, NULL, 0, NULL), 0, "%s for %s", c->name,
                 p->target->name);
    for (int i = 0; i < SIXTEENS; i++)
        for (int is_signed = 0; is_signed < 2; is_signed++) {
            int64_t sum = d->c[i];
            for (int k = 0; k < 16; k++)
                sum += part(d->a + (size_t)16 * i, k, 1, is_signed) *
                       part(d->b + (size_t)16 * i, k, 1, is_signed);
            cr_assert_eq(d->result[is_signed][i], wrapped(sum), "%s for %s: %s sum %d", c->name,
                         p->target->name, is_signed ? "signed" : "unsigned", i);
        }
    o->close(o);
}

/* With the instruction (cortex-m55), with dot products of words, and without any. */
Test(dot, sixteen_bytes_have_the_same_bits_everywhere) {
    static const char *const targets[] = {"cortex-m55", "cortex-m4",         "generic",
                                          "x86-64-v3",  "x86-64-v4+vnni",    "aarch64+dotprod",
                                          "generic32",  "x86-64-v3+avxvnni", "riscv64"};
    sixteens *d = calloc(1, sizeof *d);
    cr_assert(d);
    rng r = {23};
    for (int i = 0; i < 16 * SIXTEENS; i++) {
        bool extreme = i < 16 * 8;
        d->a[i] = extreme ? (i / 16 & 1 ? 0x80 : 0xff) : (uint8_t)rng_next(&r);
        d->b[i] = extreme ? (i / 16 & 2 ? 0x80 : 0x7f) : (uint8_t)rng_next(&r);
    }
    for (int i = 0; i < SIXTEENS; i++)
        d->c[i] = i % 3 ? (int32_t)(uint32_t)rng_next(&r) : i % 2 ? INT32_MAX : INT32_MIN;
    for (size_t i = 0; i < 2 * (sizeof targets / sizeof *targets); i++) {
        const char *why = "";
        const fv_target *t = fv_target_read(arena, targets[i / 2], &why);
        cr_assert(t, "%s", why);
        const fv_program *p = program_of_sixteens(t, i % 2 ? "vector" : "for");
        for (int n = 0; consumer_for(t, n); n++)
            check_sixteens(consumer_for(t, n), p, d);
    }
    free(d);
}

/* ---- who has an instruction ---- */

static bool has(const char *text, fv_expr_op op) {
    const char *why = "";
    const fv_target *t = fv_target_read(arena, text, &why);
    cr_assert(t, "%s", why);
    return fv_instruction_has(t, op, FV_I32, FV_I32);
}

Test(dot, targets) {
    cr_expect(has("x86-64-v4+vnni", FV_X_DOT_U8_I8) && !has("x86-64-v4+vnni", FV_X_DOT_I8_I8));
    cr_expect(has("x86-64-v3+avxvnni", FV_X_DOT_U8_I8) && !has("x86-64-v4", FV_X_DOT_U8_I8));
    cr_expect(has("x86-64-v3+avxvnniint8", FV_X_DOT_U8_U8));
    cr_expect(has("x86-64-v3", FV_X_DOT_U8_I8_SAT) && !has("x86-64-v2", FV_X_DOT_U8_I8_SAT));
    cr_expect(has("x86-64", FV_X_DOT_I16_I16) && !has("generic", FV_X_DOT_I16_I16));
    cr_expect(has("aarch64+dotprod", FV_X_DOT_I8_I8) && !has("aarch64+dotprod", FV_X_DOT_U8_I8));
    cr_expect(has("cortex-m4", FV_X_DOT_I16_I16) && !has("cortex-m3", FV_X_DOT_I16_I16));
    cr_expect(has("cortex-m4", FV_X_DOT_I16_I8_ODD) && !has("x86-64-v4", FV_X_DOT_I16_I8_EVEN));
    cr_expect(has("cortex-m33", FV_X_DOT_U8_I8) && has("cortex-m55", FV_X_DOT_U8_U8));
    cr_expect(has("aarch64+i8mm", FV_X_DOT_U8_I8) && !has("aarch64", FV_X_DOT_I8_I8));
    const fv_target *m55 = fv_target_find("cortex-m55"), *m33 = fv_target_find("cortex-m33");
    cr_expect(fv_instruction_has(m55, FV_X_DOT16_I8_I8, FV_I8, FV_I32));
    cr_expect(fv_instruction_has(m55, FV_X_DOT16_U8_U8, FV_U8, FV_I32));
    cr_expect_not(fv_instruction_has(m33, FV_X_DOT16_I8_I8, FV_I8, FV_I32));
    cr_expect(fv_instruction_has(m33, FV_X_FMA, FV_I32, FV_I32));
    cr_expect_not(fv_instruction_has(fv_target_find("cortex-m3"), FV_X_FMA, FV_I32, FV_I32));
}

/* Do loads of that many bytes together occur? */
static bool loads(const fv_block *b, int bytes) {
    for (const fv_stmt *s = b->first; s; s = s->next) {
        const fv_expr *x = s->kind == FV_S_LET && s->x->op == FV_X_BITCAST ? s->x->arg[0] : NULL;
        if ((x && x->op == FV_X_LOAD && x->type.lanes == bytes) || loads(&s->body, bytes))
            return true;
    }
    return false;
}

/* The words of neighbouring lanes are one load. */
Test(dot, words_of_lanes_are_loaded_together) {
    const fv_target *t = fv_target_find("x86-64-v4");
    cr_expect(loads(&fv_kernel_expand(arena, kernel_with("vector"), t)->body, 64));
    cr_expect_not(loads(&fv_kernel_expand(arena, kernel_with("for"), t)->body, 64));
}
