/* test_instruction.c - the table of instructions (ir/expr/instruction.def): its rows are
 * consistent, and an operation gives the same bits on all consumers, with an instruction and
 * without. */
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
#include "tests/consumers/storage.h"
#include "tests/session.h"

TestSuite(instruction, .init = open_session, .fini = close_session);

/* ---- the table ---- */

static bool some_target_has(const fv_instruction *r) {
    for (const char *const *name = fv_target_names(); *name; name++) {
        const fv_target *t = fv_target_find(*name);
        if (fv_instruction_find(t, r->op, (fv_elem)r->in.elem, (fv_elem)r->out.elem,
                                r->out.lanes) == r)
            return true;
    }
    return fv_feature_at(r->feature)->base != FV_LEVEL_none; /* it can be added to one */
}

Test(instruction, the_table_is_consistent) {
    for (int i = 0; i < fv_instructions(); i++) {
        const fv_instruction *r = fv_instruction_at(i);
        fv_elem in = (fv_elem)r->in.elem, out = (fv_elem)r->out.elem;
        cr_expect(r->feature < FV_NFEATURES && fv_feature_at(r->feature)->name, "%s", r->name);
        cr_expect(*fv_feature_words_at(r->feature)->macro, "%s: C cannot ask for its feature",
                  r->name);
        cr_expect(some_target_has(r), "%s: no target has it", r->name);
        cr_expect(r->lane && *r->meaning && strstr(r->c, "$a"), "%s", r->name);
        bool casts = r->op == FV_X_CONVERT;
        cr_expect(casts ? !strcmp(r->llvm, "fpext") || !strcmp(r->llvm, "fptrunc")
                        : r->op == FV_X_FMA || !strncmp(r->llvm, "llvm.", 5),
                  "%s: %s", r->name, r->llvm);
        bool third = !casts && fv_expr_op_info(r->op)->nargs == 3;
        cr_expect(casts || (strstr(r->c, "$b") && !strstr(r->c, "$c") == !third), "%s: %s", r->name,
                  r->c);
        cr_expect_eq(r->lane, fv_instruction_lane(r->op, in, out),
                     "%s: rows of an operation have one meaning", r->name);
        for (int j = 0; j < i; j++)
            cr_expect(strcmp(r->name, fv_instruction_at(j)->name), "%s twice", r->name);
        /* consumers make other numbers of lanes of the scalar conversion */
        for (const char *const *name = fv_target_names(); *name; name++) {
            const fv_target *t = fv_target_find(*name);
            if (casts && fv_instruction_find(t, r->op, in, out, r->out.lanes))
                cr_expect(fv_instruction_find(t, r->op, in, out, 1), "%s: no scalar for %s",
                          r->name, *name);
        }
    }
}

Test(instruction, wider_than_a_register_is_none) {
    const fv_target *v2 = fv_target_find("x86-64-v2"), *v3 = fv_target_find("x86-64-v3"),
                    *v4 = fv_target_find("x86-64-v4");
    cr_expect_null(fv_instruction_find(v2, FV_X_CONVERT, FV_F16, FV_F32, 1));
    cr_expect(fv_instruction_find(v3, FV_X_CONVERT, FV_F16, FV_F32, 8));
    cr_expect_null(fv_instruction_find(v3, FV_X_CONVERT, FV_F16, FV_F32, 16));
    cr_expect(fv_instruction_find(v4, FV_X_CONVERT, FV_F16, FV_F32, 16));
    const char *why;
    const fv_target *more = fv_target_read(arena, "x86-64-v2+f16c", &why);
    cr_assert(more, "%s", why);
    cr_expect(fv_instruction_find(more, FV_X_CONVERT, FV_F16, FV_F32, 4));
    cr_expect_null(fv_instruction_find(more, FV_X_CONVERT, FV_F16, FV_F32, 8));
    cr_expect_null(fv_instruction_find(v4, FV_X_CONVERT, FV_F32, FV_BF16, 1),
                   "it would flush denormals");
}

/* ---- bits ---- */

/* All values of f16; and for each of them f32 numbers that are rounded near it: the value itself,
 * the middle between it and the next one, and the neighbours of the middle. */
enum { HALVES = 1 << 16, MORE = 1 << 15, NARROWED = 5 * HALVES + MORE };

typedef struct io {
    uint16_t half[HALVES], narrowed[2][NARROWED];
    float single[NARROWED], widened[2][HALVES];
    uint16_t to_half[NARROWED]; /* what is expected */
    float to_single[HALVES];
} io;

static const char text_of_kernels[] =
    "kernel widen(A: f16[65536], out B: f32[65536], out C: f32[65536]) {\n"
    "  vector i < 65536 { B[i] = f32(A[i]) }\n"
    "  for i < 65536 { C[i] = f32(A[i]) }\n"
    "}\n"
    "kernel narrow(A: f32[n], out B: f16[n], out C: f16[n]; n in 0..1000000) {\n"
    "  vector i < n { B[i] = f16(A[i]) }\n"
    "  for i < n { C[i] = f16(A[i]) }\n"
    "}\n";

static io *make_io(void) {
    io *d = calloc(1, sizeof *d);
    cr_assert(d);
    rng r = {11};
    for (uint32_t h = 0; h < HALVES; h++) {
        double x = widen(FV_F16, h), next = widen(FV_F16, (h + 1) & 0xffff);
        float middle = (float)((x + next) / 2), *at = d->single + 5 * h;
        if ((h & 0x7fff) == 0x7bff) /* from here on it is infinity */
            middle = copysignf(65520.0f, (float)x);
        d->half[h] = (uint16_t)h;
        d->to_single[h] = (float)x;
        at[0] = (float)x;
        at[1] = middle;
        at[2] = nextafterf(middle, -INFINITY);
        at[3] = nextafterf(middle, INFINITY);
        at[4] = nextafterf((float)x, 0);
    }
    for (int i = 0; i < MORE; i++) {
        uint32_t bits = (uint32_t)rng_next(&r);
        memcpy(&d->single[5 * HALVES + i], &bits, sizeof bits);
    }
    for (int i = 0; i < NARROWED; i++)
        d->to_half[i] = (uint16_t)narrow(FV_F16, (double)d->single[i], false);
    return d;
}

static fv_program *program_of_two(const fv_target *t, const char *first, const char *second) {
    fv_kernel *kernels[2];
    const char *texts[] = {first, second};
    for (int i = 0; i < 2; i++) {
        fv_kernel *k = fv_kernel_parse(arena, texts[i]);
        cr_assert(k && fv_kernel_verify(session, k));
        cr_assert(kernels[i] = fv_kernel_expand(arena, k, t));
    }
    fv_program *p = program_of(arena, t, 2, kernels);
    fv_program_protocol(p);
    cr_assert(fv_program_verify(session, p));
    return p;
}

static fv_program *program_for(const fv_target *t) {
    const char *half = strstr(text_of_kernels, "kernel narrow");
    return program_of_two(t, fv_strndup(arena, text_of_kernels, (size_t)(half - text_of_kernels)),
                          half);
}

static void same(fv_elem e, const void *got, const void *expected, size_t bytes,
                 const char *where) {
    size_t at;
    cr_expect(same_elements(e, got, expected, bytes, &at), "%s: element %zu", where, at);
}

static void check_consumer(const consumer *c, const fv_program *p, io *d) {
    opened *o = c->open(arena, p);
    cr_assert(o, "%s for %s", c->name, p->target->name);
    int64_t dims[] = {NARROWED};
    const void *in[] = {d->half, d->single};
    void *out[] = {d->widened[0], d->widened[1], d->narrowed[0], d->narrowed[1]};
    memset(d->widened, 0x55, sizeof d->widened);
    memset(d->narrowed, 0x55, sizeof d->narrowed);
    cr_assert_eq(o->run(o, dims, in, out, NULL, NULL, 0, NULL), 0, "%s for %s", c->name,
                 p->target->name);
    for (int i = 0; i < 2; i++) {
        const char *where = fv_printf(arena, "%s for %s, %s", c->name, p->target->name,
                                      i ? "one by one" : "in lanes");
        same(FV_F32, d->widened[i], d->to_single, sizeof d->to_single, where);
        same(FV_F16, d->narrowed[i], d->to_half, sizeof d->to_half, where);
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

/* Without the instruction: generic and x86-64. With it: the others, 1 to 16 lanes at a time. */
Test(instruction, halves_have_the_same_bits_everywhere) {
    static const char *const targets[] = {"generic",   "x86-64",    "x86-64-v2+f16c",
                                          "x86-64-v3", "x86-64-v4", "aarch64"};
    io *d = make_io();
    for (size_t i = 0; i < sizeof targets / sizeof *targets; i++)
        check_target(targets[i], d);
    free(d);
}

/* ---- products with powers of two ---- */

/* Exponentials of f32 numbers of all exponents, and products of all pairs of some numbers with
 * powers of two, in vectors and one by one. */
enum { EXPONENTIALS = 3 << 15, SOME = 64, PAIRS = SOME * SOME, FUNCTIONS = 3 };

typedef struct powers {
    float x[EXPONENTIALS], y[FUNCTIONS][EXPONENTIALS], before[FUNCTIONS][EXPONENTIALS];
    float a[PAIRS], b[PAIRS], product[2][PAIRS], exact[PAIRS];
} powers;

static const char text_of_exponentials[] = "kernel exponentials(X: f32[98304], out A: f32[98304], "
                                           "out B: f32[98304], out C: f32[98304]) {\n"
                                           "  vector i < 98304 { A[i] = exp(X[i]) }\n"
                                           "  vector i < 98304 { B[i] = exp2(X[i]) }\n"
                                           "  vector i < 98304 { C[i] = exp_flush(X[i]) }\n"
                                           "}\n";
static const char text_of_powers[] =
    "kernel powers(A: f32[4096], B: f32[4096], out C: f32[4096], out D: f32[4096]) {\n"
    "  vector i < 4096 { C[i] = scaleb(A[i], B[i]) }\n"
    "  for i < 4096 { D[i] = scaleb(A[i], B[i]) }\n"
    "}\n";

/* The product in long double, which holds it exactly, or is far beyond f32. */
static float power_of_two(float a, float b) {
    if (b != b || !isinf(b))
        return b != b ? b : (float)ldexpl(a, (int)fmaxf(fminf(floorf(b), 1000), -1000));
    return a != a ? (b > 0 ? b : 0) : b > 0 ? a * b : a * 0.0F;
}

static powers *make_powers(void) {
    static const float special[] = {
        0,           1,  0.5F, 1.4142135F, 0x1p-126F, 0x1.fffffep127F, 0x1p-149F, INFINITY, NAN,
        0x1.8p-149F, 23, 126,  127.5F,     150,       -149.25F,        252,       400.5F,   1e30F};
    enum { SPECIAL = sizeof special / sizeof *special };
    powers *d = calloc(1, sizeof *d);
    cr_assert(d);
    rng r = {31};
    for (int i = 0; i < EXPONENTIALS; i++) {
        uint32_t bits = (uint32_t)i << 16 | (uint32_t)rng_next(&r) >> 16;
        if (i >= 2 << 15) /* most of them where neither 0 nor infinity is the result */
            d->x[i] = (float)((double)rng_next(&r) * 0x1p-64 * 320 - 160);
        else
            memcpy(&d->x[i], &bits, sizeof bits);
    }
    float some[SOME];
    for (int i = 0; i < SOME; i++)
        some[i] = i < 2 * SPECIAL ? (i % 2 ? -1 : 1) * special[i / 2]
                                  : (float)((double)rng_next(&r) * 0x1p-64 * 300 - 150);
    for (int i = 0; i < PAIRS; i++) {
        d->a[i] = some[i / SOME];
        d->b[i] = some[i % SOME];
        d->exact[i] = power_of_two(d->a[i], d->b[i]);
    }
    return d;
}

static const fv_program *program_of_powers(const fv_target *t) {
    return program_of_two(t, text_of_exponentials, text_of_powers);
}

/* Runs the kernels; the exponentials must have the bits of those before, if there are any. */
static void check_powers(const consumer *c, const fv_program *p, powers *d, bool first) {
    opened *o = c->open(arena, p);
    cr_assert(o, "%s for %s", c->name, p->target->name);
    const void *in[] = {d->x, d->a, d->b};
    void *out[] = {d->y[0], d->y[1], d->y[2], d->product[0], d->product[1]};
    cr_assert_eq(o->run(o, NULL, in, out, NULL, NULL, 0, NULL), 0, "%s for %s", c->name,
                 p->target->name);
    const char *where = fv_printf(arena, "%s for %s", c->name, p->target->name);
    for (int i = 0; i < 2; i++)
        same(FV_F32, d->product[i], d->exact, sizeof d->exact, where);
    for (int i = 0; i < FUNCTIONS && !first; i++)
        same(FV_F32, d->y[i], d->before[i], sizeof d->y[i], where);
    memcpy(d->before, d->y, sizeof d->y);
    o->close(o);
}

/* The interpreter computes without the instruction, for x86-64-v3; then all consumers with it. */
Test(instruction, powers_of_two_have_the_same_bits_everywhere) {
    const fv_target *v3 = fv_target_find("x86-64-v3"), *v4 = fv_target_find("x86-64-v4");
    powers *d = make_powers();
    check_powers(consumer_for(v3, 0), program_of_powers(v3), d, true);
    const fv_program *p = program_of_powers(v4);
    for (int n = 0; consumer_for(v4, n); n++)
        check_powers(consumer_for(v4, n), p, d, false);
    cr_expect(fv_instruction_has(v4, FV_X_SCALEB, FV_F32, FV_F32));
    cr_expect_not(fv_instruction_has(v3, FV_X_SCALEB, FV_F32, FV_F32));
    free(d);
}

/* ---- who asks the table ---- */

static bool converts(const fv_expr *x, fv_elem from) {
    if (x->op == FV_X_CONVERT && x->arg[0]->type.elem == from)
        return true;
    for (int i = 0; i < x->n; i++)
        if (converts(x->arg[i], from))
            return true;
    return false;
}

static bool block_converts(const fv_block *b, fv_elem from) {
    for (const fv_stmt *s = b->first; s; s = s->next)
        if ((s->x && converts(s->x, from)) || block_converts(&s->body, from) ||
            block_converts(&s->other, from))
            return true;
    return false;
}

Test(instruction, expansion_keeps_what_the_target_has) {
    for (const char *const *name = fv_target_names(); *name; name++) {
        const fv_target *t = fv_target_find(*name);
        const fv_program *p = program_for(t);
        cr_expect_eq(block_converts(&p->kernels[0]->body, FV_F16),
                     fv_instruction_has(t, FV_X_CONVERT, FV_F16, FV_F32), "%s", *name);
    }
}
