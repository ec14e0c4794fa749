/* test_narrow.c - vectors of integers are converted to fewer bits alike by all consumers, for
 * targets with each width of vectors. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "backend/consumer/protocol.h"
#include "backend/expand/expand.h"
#include "ir/kernel/parse.h"
#include "ir/kernel/verify.h"
#include "tests/consumers/consumers.h"
#include "tests/consumers/gen.h"
#include "tests/session.h"

TestSuite(narrow, .init = open_session, .fini = close_session);

enum { N = 112 }; /* vectors of 16, 8 and 4 lanes divide it */

typedef struct io {
    int32_t words[N];
    int16_t halves[N];
    int8_t i8[N];
    uint8_t u8[N], u8_of_halves[N];
    int16_t i16[N];
    uint16_t u16[N];
} io;

/* The loop of each result has elements of at most the bits of its operand. */
static const char text[] = "kernel k(A: i32[112], H: i16[112], out B: i8[112], out C: u8[112],\n"
                           "    out D: u8[112], out E: i16[112], out F: u16[112]) {\n"
                           "  vector i < 112 { B[i] = i8(A[i]) }\n"
                           "  vector i < 112 { C[i] = u8(A[i]) }\n"
                           "  vector i < 112 { D[i] = u8(H[i]) }\n"
                           "  vector i < 112 { E[i] = i16(A[i]) }\n"
                           "  vector i < 112 { F[i] = u16(A[i]) }\n"
                           "}\n";

static const fv_program *program_for(const fv_target *t) {
    fv_kernel *k = fv_kernel_parse(arena, text);
    cr_assert(k && fv_kernel_verify(session, k));
    k = fv_kernel_expand(arena, k, t);
    cr_assert(k);
    fv_program *p = program_of(arena, t, 1, &k);
    fv_program_protocol(p);
    cr_assert(fv_program_verify(session, p));
    return p;
}

static void check(const consumer *c, const fv_program *p, io *d) {
    opened *o = c->open(arena, p);
    cr_assert(o, "%s for %s", c->name, p->target->name);
    const void *in[] = {d->words, d->halves};
    void *out[] = {d->i8, d->u8, d->u8_of_halves, d->i16, d->u16};
    cr_assert_eq(o->run(o, NULL, in, out, NULL, NULL, 0, NULL), 0);
    for (int i = 0; i < N; i++) {
        const uint32_t word = (uint32_t)d->words[i];
        cr_expect((uint8_t)d->i8[i] == (uint8_t)word && d->u8[i] == (uint8_t)word &&
                      d->u8_of_halves[i] == (uint8_t)d->halves[i] &&
                      (uint16_t)d->i16[i] == (uint16_t)word && d->u16[i] == (uint16_t)word,
                  "%s for %s: element %d, %d", c->name, p->target->name, i, d->words[i]);
    }
    o->close(o);
}

Test(narrow, all_consumers_keep_the_low_bits) {
    static const char *const targets[] = {"x86-64", "x86-64-v2", "x86-64-v3", "x86-64-v4",
                                          "aarch64"};
    io *d = calloc(1, sizeof *d);
    rng r = {7};
    cr_assert(d);
    for (int i = 0; i < N; i++) {
        d->words[i] = (int32_t)rng_next(&r);
        d->halves[i] = (int16_t)rng_next(&r);
    }
    for (size_t i = 0; i < sizeof targets / sizeof *targets; i++) {
        const fv_target *t = fv_target_find(targets[i]);
        const fv_program *p = program_for(t);
        for (int k = 0; consumer_for(t, k); k++)
            check(consumer_for(t, k), p, d);
    }
    free(d);
}
