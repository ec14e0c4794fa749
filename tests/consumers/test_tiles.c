/* test_tiles.c - products of matrices of bf16 have the bits of the order TILES on all consumers and
 * targets, with an instruction and as loops. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "backend/consumer/protocol.h"
#include "backend/expand/expand.h"
#include "ir/expr/dot.h"
#include "ir/kernel/matrix.h"
#include "ir/kernel/parse.h"
#include "ir/kernel/verify.h"
#include "tests/consumers/consumers.h"
#include "tests/consumers/gen.h"
#include "tests/session.h"

TestSuite(tiles, .init = open_session, .fini = close_session);

/* Rows of A have HALVES elements, which fill no whole number of words; the first word of a product
 * begins with element OFFSET. */
enum { ROWS = 40, WORDS = 64, HALVES = 2 * WORDS + 3, OFFSET = 1, COLUMNS = 32, KINDS = 4 };

/* The arguments: near 1, of any bits, near the smallest normal number with their products, and
 * special ones. */
typedef struct io {
    uint16_t a[ROWS * HALVES], b[WORDS * COLUMNS * 2];
    uint32_t c[ROWS * COLUMNS], result[ROWS * COLUMNS], expected[ROWS * COLUMNS];
} io;

/* A product of the test: a sum of `first` words in blocks of 16, to which those of `second` words,
 * at most 16, are added in another statement (0: there is none). unpacked: the words of the columns
 * are copied as i32. */
typedef struct product {
    int first, second, groups;
    bool adds, outlined, unpacked;
} product;

static const product products[] = {{32, 0, 2, false, false, false},
                                   {16, 5, 2, true, false, true},
                                   {48, 16, 2, false, true, false},
                                   {9, 1, 1, true, false, false},
                                   {1, 0, 1, false, true, true}};
enum { PRODUCTS = sizeof products / sizeof *products };

/* ---- kernels ---- */

/* One statement: n words from number `from` on. */
static const char *statement_of(const product *p, int from, int n) {
    const int size = n < FV_TILE_WORDS ? n : FV_TILE_WORDS;
    const char *row = fv_printf(arena, "bits_i32(A[first + r, %d + (%d * k + q) * 2:2])",
                                OFFSET + 2 * from, size),
               *column = p->unpacked
                             ? fv_printf(arena, "W[%d * k + q + %d, g * 16 + c]", size, from)
                             : fv_printf(arena, "bits_i32(B[%d * k + q + %d, (g * 16 + c) * 2:2])",
                                         size, from);
    return fv_printf(arena,
                     "      matrix {\n"
                     "        for r < rows { for g < %d { for c < 16 {\n"
                     "          tile acc: i32 = %s\n"
                     "          for k < %d {\n"
                     "            tile even: i32 = 0\n"
                     "            tile odd: i32 = 0\n"
                     "            for q < %d {\n"
                     "              even = dot_bf16_even(%s, %s, even)\n"
                     "              odd = dot_bf16_odd(%s, %s, odd)\n"
                     "            }\n"
                     "            acc = add_flushed(acc, add_flushed(even, odd))\n"
                     "          }\n"
                     "          sums[2 * r, g * 16 + c] = acc\n"
                     "        } } }\n"
                     "      }\n",
                     p->groups, from || p->adds ? "sums[2 * r, g * 16 + c]" : "0", n / size, size,
                     row, column, row, column);
}

/* A kernel that computes the product for n rows, in tiles of 32. */
static fv_kernel *kernel_of(const product *p) {
    const char *both = fv_printf(arena, "%s%s", statement_of(p, 0, p->first),
                                 p->second ? statement_of(p, p->first, p->second) : "");
    const char *text =
        fv_printf(arena,
                  "kernel product(A: bf16[n, %d], B: bf16[64, 64], C: i32[n, 32], "
                  "out D: i32[n, 32]; n in 0..40) {\n"
                  "  parallel part < (n + 31) floordiv 32 {\n"
                  "    let first = part * 32\n"
                  "    let rows = min(32, n - first)\n"
                  "    tile sums: i32[64, 32] = 7\n"
                  "    for r < rows { vector c < 32 { sums[2 * r, c] = C[first + r, c] } }\n"
                  "%s    %s\n%s    %s\n"
                  "    for r < rows { vector c < 32 { D[first + r, c] = sums[2 * r, c] } }\n"
                  "  }\n"
                  "}\n",
                  HALVES,
                  p->unpacked ? "    tile W: i32[64, 32]\n    for q < 64 { for c < 32 {\n"
                                "      W[q, c] = bits_i32(B[q, 2 * c:2]) } }\n"
                              : "",
                  p->outlined ? "outline {" : "", both, p->outlined ? "}" : "");
    fv_kernel *k = fv_kernel_parse(arena, text);
    cr_assert(k && fv_kernel_verify(session, k), "%s%s", text, fv_messages(session)->text);
    return k;
}

/* ---- arguments and expected sums ---- */

static uint16_t half(rng *r, int kind) {
    static const uint16_t special[] = {0,      0x8000, 1,      0x807f, 0x0080, 0x8080, 0x7f7f,
                                       0xff7f, 0x7f80, 0xff80, 0x7fc0, 0x3f80, 0xbf80};
    uint32_t bits = (uint32_t)rng_next(r) & 0xffff;
    if (kind == 1)
        return (uint16_t)bits;
    if (kind == 2)
        return (uint16_t)((bits & 0x807f) | (60 + bits % 8) << 7);
    if (kind == 3 && bits % 8 == 0)
        return special[bits / 8 % (sizeof special / sizeof *special)];
    return (uint16_t)((bits & 0x807f) | (123 + bits % 8) << 7);
}

static int32_t word_at(const uint16_t *first) {
    return (int32_t)(first[0] | (uint32_t)first[1] << 16);
}

static uint32_t expected(const io *d, const product *p, int row, int column) {
    const bool computed = column < 16 * p->groups;
    int32_t sum = p->adds || !computed ? (int32_t)d->c[row * COLUMNS + column] : 0;
    for (int q = 0; computed && q < p->first + p->second;) {
        const int end = q < p->first ? p->first : p->first + p->second;
        int32_t even = 0, odd = 0;
        for (int i = 0; i < FV_TILE_WORDS && q < end; i++, q++) {
            int32_t a = word_at(&d->a[row * HALVES + OFFSET + 2 * q]),
                    b = word_at(&d->b[(q * COLUMNS + column) * 2]);
            even = fv_dot_bf16_even(a, b, even);
            odd = fv_dot_bf16_odd(a, b, odd);
        }
        sum = fv_add_flushed(sum, fv_add_flushed(even, odd));
    }
    return (uint32_t)sum;
}

static void fill(io *d, int kind) {
    rng r = {(uint64_t)kind + 41};
    for (size_t i = 0; i < sizeof d->a / sizeof *d->a; i++)
        d->a[i] = half(&r, kind);
    for (size_t i = 0; i < sizeof d->b / sizeof *d->b; i++)
        d->b[i] = half(&r, kind);
    for (int i = 0; i < ROWS * COLUMNS; i++)
        d->c[i] = kind == 2 ? ((uint32_t)rng_next(&r) & 0x807fffff) | (uint32_t)(i % 12) << 23
                            : (uint32_t)half(&r, kind) << 16;
}

/* ---- consumers ---- */

static bool is_nan(uint32_t bits) {
    return (bits & 0x7fffffff) > 0x7f800000;
}

static void check_rows(const consumer *c, opened *o, const fv_target *t, io *d, int64_t n) {
    const void *in[] = {d->a, d->b, d->c};
    void *out[] = {d->result};
    memset(d->result, 0x55, sizeof d->result);
    cr_assert_eq(o->run(o, &n, in, out, NULL, NULL, 0, NULL), 0, "%s for %s", c->name, t->name);
    for (int i = 0; i < ROWS * COLUMNS; i++) {
        uint32_t is = d->result[i], want = i < n * COLUMNS ? d->expected[i] : 0x55555555;
        cr_assert(is == want || (is_nan(is) && is_nan(want)),
                  "%s for %s: sum %d, %d of %d rows is %08x, not %08x", c->name, t->name,
                  i / COLUMNS, i % COLUMNS, (int)n, is, want);
    }
}

static void check_target(const char *text, const product *p, io *d) {
    static const int64_t rows[] = {0, 1, 15, 16, 17, 31, 32, 33, 40};
    const char *why = "";
    const fv_target *t = fv_target_read(arena, text, &why);
    cr_assert(t, "%s", why);
    fv_kernel *k = fv_kernel_expand(arena, kernel_of(p), t);
    cr_assert(k);
    cr_assert_eq(fv_matrix_first(&k->body) != NULL, fv_target_has(t, FV_FEATURE_amx_bf16), "%s",
                 text);
    fv_program *program = program_of(arena, t, 1, &k);
    fv_program_protocol(program);
    cr_assert(fv_program_verify(session, program), "%s", fv_messages(session)->text);
    for (int i = 0; consumer_for(t, i); i++) {
        const consumer *c = consumer_for(t, i);
        opened *o = c->open(arena, program);
        cr_assert(o, "%s for %s: %s", c->name, text, fv_messages(session)->text);
        for (size_t k2 = 0; k2 < sizeof rows / sizeof *rows; k2++)
            check_rows(c, o, t, d, rows[k2]);
        o->close(o);
    }
}

/* Targets without fused multiply-add are left out, because they round denormal products and may
 * give other bits. */
Test(tiles, same_bits_everywhere) {
    static const char *const targets[] = {"x86-64-v4+amx-bf16", "x86-64-v4", "x86-64-v3", "aarch64",
                                          "riscv64"};
    io *d = calloc(1, sizeof *d);
    cr_assert(d);
    for (int i = 0; i < PRODUCTS; i++)
        for (int kind = 0; kind < KINDS; kind++) {
            fill(d, kind);
            for (int k = 0; k < ROWS * COLUMNS; k++)
                d->expected[k] = expected(d, &products[i], k / COLUMNS, k % COLUMNS);
            for (size_t k = 0; k < sizeof targets / sizeof *targets; k++)
                if (kind == i % KINDS || k == 0)
                    check_target(targets[k], &products[i], d);
        }
    free(d);
}
