/* Dims: their simplification, their bounds, and their text. */
#include "ir/dim/dim.h"
#include "ir/base/diag.h"
#include "ir/base/text.h"
#include "ir/dim/text.h"
#include "tests/sample.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static fv_session *session;
static fv_arena *arena;
static fv_dims *dims;

/* pos >= 1, idx has any sign, kv is in 1..64; all other symbols are what shapes have. */
static void open_table(void) {
    session = fv_session_new();
    arena = fv_arena_new(session);
    dims = fv_dims_new(arena);
    cr_assert(fv_dim_bound(dims, fv_dim_symbol(dims, "pos"), 1, FV_DIM_MAX));
    cr_assert(fv_dim_bound(dims, fv_dim_symbol(dims, "kv"), 1, 64));
    fv_dim_fresh(dims, "idx", -1000, 1000, true);
    fv_dim_fresh(dims, "any", INT64_MIN, INT64_MAX, true);
}
static void close_table(void) {
    fv_session_free(session);
}
TestSuite(dim, .init = open_table, .fini = close_table);

static const fv_dim *parse(const char *text) {
    const char *s = text, *error = NULL;
    const fv_dim *d = fv_dim_parse(dims, &s, &error);
    cr_assert(d && !*s, "%s: %s at '%s'", text, error, s);
    return d;
}

static void is(const char *text, const char *expected) {
    const fv_dim *d = parse(text);
    const char *printed = fv_dim_str(arena, d);
    cr_expect(strcmp(printed, expected) == 0, "%s\n  is       %s\n  expected %s", text, printed,
              expected);
    cr_expect(parse(printed) == d, "%s does not read back", printed);
}

Test(dim, sums) {
    is("1 + 2", "3");
    is("seq", "seq");
    is("seq + 0", "seq");
    is("1 + seq", "seq + 1");
    is("seq + batch + seq", "batch + seq * 2");
    is("seq - seq", "0");
    is("total - past", "total - past");
    is("past - total", "past - total");
    is("-seq", "-seq");
    is("-seq - past", "-past - seq");
    is("3 - seq", "3 - seq");
    is("(past + seq) - past", "seq");
    is("seq * 2 - seq - seq", "0");
    is("seq - (seq - 1)", "1");
    is("--seq", "seq");
}

Test(dim, products) {
    is("seq * batch * 12", "batch * seq * 12");
    is("64 * seq", "seq * 64");
    is("seq * 0", "0");
    is("seq * 1", "seq");
    is("(seq + 1) * (seq - 1)", "seq * seq - 1");
    is("(batch + 1) * seq", "batch * seq + seq");
    is("2 * (seq + 3) * 4", "seq * 8 + 24");
    is("-3 * seq", "-seq * 3");
    is("batch * seq * 768 - 768 * seq * batch", "0");
}

Test(dim, floordiv) {
    is("(seq * 64) floordiv 64", "seq");
    is("(seq + 63) floordiv 64", "(seq + 63) floordiv 64"); /* stays */
    is("(4 * s + 2) floordiv 2", "s * 2 + 1");
    is("(4 * s + 3) floordiv 2", "s * 2 + 1");
    is("(seq + 64) floordiv 64", "(seq floordiv 64) + 1");
    is("(seq - 1) floordiv 64", "((seq + 63) floordiv 64) - 1");
    is("(5 * s) floordiv 4", "s + (s floordiv 4)");
    is("(6 * s + 3) floordiv 4", "s + ((s + 1) floordiv 2)");
    is("(2 * s + 1) floordiv 4", "s floordiv 2");
    is("(batch * 12 * seq * 64) floordiv 768", "batch * seq");
    is("seq floordiv 1", "seq");
    is("seq floordiv -2", "(-seq) floordiv 2");
    is("7 floordiv 2", "3");
    is("-7 floordiv 2", "-4");
    is("7 floordiv -2", "-4");
    is("seq floordiv 0", "0");
    is("0 floordiv seq", "0");
    is("kv floordiv 65", "0");
    is("(kv + 63) floordiv 128", "0");
    is("(kv - 1) floordiv 64", "0");
    is("(-kv) floordiv 64", "-1");
}

Test(dim, floordiv_by_symbols) {
    is("(pos * seq) floordiv pos", "seq");
    is("(batch * seq) floordiv seq", "(batch * seq) floordiv seq"); /* seq may be 0 */
    is("pos floordiv pos", "1");
    is("seq floordiv seq", "seq floordiv seq");
    is("(pos * seq + pos) floordiv pos", "seq + 1");
    is("(pos * seq + 3 * pos + batch) floordiv pos", "seq + (batch floordiv pos) + 3");
    is("(pos * batch) floordiv (pos * seq)", "batch floordiv seq");
    is("(seq * 6) floordiv (batch * 4)", "(seq * 3) floordiv (batch * 2)");
    is("((seq + 1) * 64) floordiv (seq + 1)", "64");
    is("(batch * (past + pos) * 8) floordiv (past + pos)", "batch * 8");
    is("kv floordiv (seq + 65)", "0");
    is("seq floordiv (seq + 1)", "0");
    is("(-seq) floordiv -pos", "seq floordiv pos");
}

Test(dim, floordiv_nested) {
    is("(seq floordiv 2) floordiv 3", "seq floordiv 6");
    is("(seq floordiv pos) floordiv 3", "seq floordiv (pos * 3)");
    is("(seq floordiv 3) floordiv pos", "seq floordiv (pos * 3)");
    is("((seq + 1) floordiv 2 + 1) floordiv 2", "(seq + 3) floordiv 4");
    is("((seq - 1) floordiv 2 + 1) floordiv 2", "(seq + 1) floordiv 4");
    is("seq - (seq floordiv 2)", "seq - (seq floordiv 2)");
    is("(seq floordiv 2) * 2", "(seq floordiv 2) * 2");
    is("((seq floordiv 2) * 4) floordiv 4", "seq floordiv 2");
}

Test(dim, ceildiv) {
    is("seq ceildiv 64", "(seq + 63) floordiv 64");
    is("(seq * 64) ceildiv 64", "seq");
    is("(seq ceildiv 2) ceildiv 2", "(seq + 3) floordiv 4");
    is("7 ceildiv 2", "4");
    is("-7 ceildiv 2", "-3");
    is("7 ceildiv -2", "-3");
    is("seq ceildiv 1", "seq");
    is("seq ceildiv 0", "0");
    is("seq ceildiv -4", "(3 - seq) floordiv 4");
    is("(pos * seq) ceildiv pos", "seq");
    is("seq ceildiv idx", "seq ceildiv idx"); /* the sign is not known */
}

Test(dim, mod) {
    is("(seq * 64) mod 64", "0");
    is("(seq * 64 + 3) mod 64", "3");
    is("(seq + 64) mod 64", "seq mod 64");
    is("(seq - 1) mod 64", "(seq + 63) mod 64");
    is("(5 * s) mod 4", "s mod 4");
    is("(2 * s + 1) mod 4", "(s mod 2) * 2 + 1");
    is("(6 * s) mod 4", "(s mod 2) * 2");
    is("(seq mod 64) mod 8", "seq mod 8");
    is("((seq mod 64) * 3 + 1) mod 8", "(seq * 3 + 1) mod 8");
    is("(seq mod 8) mod 64", "seq mod 8");
    is("seq mod 1", "0");
    is("seq mod 0", "0");
    is("-7 mod 4", "1");
    is("7 mod -4", "-1");
    is("kv mod 65", "kv");
    is("(kv - 1) mod 64", "kv - 1");
    is("(kv + 64) mod 128", "(kv + 64) mod 128");
    is("(kv + 128) mod 128", "kv");
    is("(batch * seq) mod seq", "0");
    is("(batch * seq + 1) mod seq", "1 mod seq");
    is("((batch + 1) * seq * 2) mod (batch + 1)", "0");
    is("seq mod (seq + 1)", "seq");
    is("seq mod 64 + (seq floordiv 64) * 64", "seq");
    is("(seq floordiv 64) * 128 + (seq mod 64) * 2 + 1", "seq * 2 + 1");
}

Test(dim, min_and_max) {
    is("min(3, 5)", "3");
    is("min(s, s + 3)", "s");
    is("max(s, s + 3)", "s + 3");
    is("max(0, s)", "s");
    is("min(0, s)", "0");
    is("max(1, s)", "max(s, 1)");
    is("max(1, pos)", "pos");
    is("min(kv, 64)", "kv");
    is("min(kv, 63)", "min(kv, 63)");
    is("min(b, a)", "min(a, b)");
    is("min(a, a)", "a");
    is("min(min(c, a), min(b, a))", "min(a, b, c)");
    is("min(a, min(b, a + 1))", "min(a, b)");
    is("max(a, max(b, a - 1), c)", "max(a, b, c)");
    is("min(a, max(a, b))", "a");
    is("max(a, min(a, b))", "a");
    is("min(a + b, a)", "a");
    is("max(a - b, a)", "a");
    is("min(a, b) + max(a, b)", "a + b");
    is("min(seq, max(0, idx))", "max(min(idx, seq), 0)");
    is("max(0, min(idx, seq))", "max(min(idx, seq), 0)");
    is("max(seq - (seq floordiv 2), 0)", "seq - (seq floordiv 2)");
    is("min(seq, seq floordiv 2)", "seq floordiv 2");
    is("max(seq - min(seq, 5), 0)", "seq - min(seq, 5)");
    is("min(seq, max(seq - 5, 0))", "max(seq - 5, 0)");
}

Test(dim, broadcast) {
    is("broadcast(1, seq)", "seq");
    is("broadcast(seq, 1)", "seq");
    is("broadcast(seq, seq)", "seq");
    is("broadcast(seq, 5)", "5");
    is("broadcast(0, seq)", "0");
    is("broadcast(b, a)", "broadcast(a, b)");
    is("broadcast(a, broadcast(b, a))", "broadcast(a, b)");
    is("broadcast(broadcast(c, b), a)", "broadcast(a, b, c)");
    is("broadcast(seq, pos + 1)", "pos + 1");
    is("broadcast(kv, 1)", "kv");
}

static void predicate(const fv_dim *d, const char *expected) {
    const char *s = fv_dim_str(arena, d);
    cr_expect(strcmp(s, expected) == 0, "is %s, expected %s", s, expected);
}

Test(dim, predicates) {
    const fv_dim *seq = parse("seq"), *pos = parse("pos"), *idx = parse("idx");
    predicate(fv_dim_is(dims, seq, -1), "0");
    predicate(fv_dim_is(dims, seq, 0), "1 - min(seq, 1)");
    predicate(fv_dim_is(dims, pos, 0), "0");
    predicate(fv_dim_is(dims, parse("7"), 7), "1");
    predicate(fv_dim_is_negative(dims, seq), "0");
    predicate(fv_dim_is_negative(dims, parse("-pos")), "1");
    predicate(fv_dim_is_negative(dims, idx), "max(min(-idx, 1), 0)");
    predicate(fv_dim_select(dims, parse("1"), seq, pos), "seq");
    predicate(fv_dim_select(dims, parse("0"), seq, pos), "pos");
    predicate(fv_dim_select(dims, fv_dim_is_negative(dims, idx), seq, seq), "seq");
    /* a choice is as bounded as what it chooses from */
    const fv_dim *either = fv_dim_select(dims, fv_dim_is_negative(dims, idx), parse("kv"), pos);
    cr_expect_eq(either->lo, 1);
    either = fv_dim_select(dims, fv_dim_is(dims, seq, 0), parse("kv"), parse("kv + 3"));
    cr_expect_eq(either->lo, 1);
    cr_expect_eq(either->hi, 67);
}

static void bounds(const char *text, int64_t lo, int64_t hi) {
    const fv_dim *d = parse(text);
    cr_expect(d->lo == lo && d->hi == hi, "%s is in %lld..%lld, expected %lld..%lld", text,
              (long long)d->lo, (long long)d->hi, (long long)lo, (long long)hi);
}

Test(dim, bounds) {
    const int64_t M = FV_DIM_MAX;
    bounds("seq", 0, M);
    bounds("seq + 1", 1, M + 1);
    bounds("-seq", -M, 0);
    bounds("seq * 4", 0, 4 * M);
    bounds("seq * batch", 0, INT64_MAX);
    bounds("kv * kv - 1", 0, 4095);
    bounds("kv floordiv 5", 0, 12);
    bounds("idx floordiv 3", -334, 333);
    bounds("idx mod 7", 0, 6);
    bounds("seq mod pos", 0, M - 1);
    bounds("kv mod seq", 0, 64);
    bounds("min(idx, 5)", -1000, 5);
    bounds("max(idx, 5)", 5, 1000);
    bounds("broadcast(kv, seq)", 0, M);
    bounds("seq - (seq floordiv 2)", 0, M / 2);
    bounds("seq - min(seq, pos)", 0, M - 1);
    bounds("100 floordiv seq", 0, 100);
    bounds("100 floordiv idx", -100, 100);
    bounds("any + 1", INT64_MIN, INT64_MAX);
    bounds("any * any", INT64_MIN, INT64_MAX);
}

static void order(const char *a, const char *b, fv_dim_order expected) {
    fv_dim_order got = fv_dim_compare(dims, parse(a), parse(b));
    cr_expect(got == expected, "%s against %s: %d, expected %d", a, b, got, expected);
}

Test(dim, compare) {
    order("a + b", "b + a", FV_DIM_EQUAL);
    order("a", "b", FV_DIM_UNKNOWN);
    order("a", "a + 1", FV_DIM_DIFFERENT);
    order("3", "4", FV_DIM_DIFFERENT);
    order("pos", "0", FV_DIM_DIFFERENT);
    order("seq", "0", FV_DIM_UNKNOWN);
    order("kv", "65", FV_DIM_DIFFERENT);
    order("seq + pos", "seq", FV_DIM_DIFFERENT);
    order("2 * a", "2 * b + 1", FV_DIM_DIFFERENT);
    order("2 * a", "4 * b + 2", FV_DIM_UNKNOWN);
    order("seq", "seq floordiv 2", FV_DIM_UNKNOWN);            /* 0 is its own half */
    order("-9223372036854775807 - 1", "-2", FV_DIM_DIFFERENT); /* further apart than 64 bits */
    order("min(any, -4)", "9223372036854775807", FV_DIM_DIFFERENT);
    order("pos", "pos floordiv 2", FV_DIM_DIFFERENT);
    cr_expect(fv_dim_at_most(dims, parse("seq floordiv 3"), parse("seq")));
    cr_expect(fv_dim_at_most(dims, parse("min(a, b)"), parse("b")));
    cr_expect(!fv_dim_at_most(dims, parse("a"), parse("b")));
}

Test(dim, quotient_as_of_reshape) {
    const fv_dim *q =
        fv_dim_quotient(dims, parse("batch * (past + seq) * 768"), parse("12 * (past + seq)"));
    predicate(q, "batch * 64");
    cr_expect_null(fv_dim_quotient(dims, parse("seq"), parse("batch")));
    cr_expect_null(fv_dim_quotient(dims, parse("seq * 3"), parse("2")));
    cr_expect_null(fv_dim_quotient(dims, parse("seq"), parse("0")));
    predicate(fv_dim_quotient(dims, parse("batch * seq"), parse("seq")), "batch");
}

static const fv_dim *again(const fv_dim *d) {
    fv_ptrmap memo = fv_ptrmap_in(fv_dims_arena(dims));
    return fv_dim_rebuild(dims, d, &memo);
}

Test(dim, again) {
    fv_ptrmap memo = fv_ptrmap_in(fv_dims_arena(dims));
    *fv_ptrmap_at(&memo, parse("seq")) = (void *)parse("128");
    *fv_ptrmap_at(&memo, parse("past")) = (void *)parse("seq");
    predicate(fv_dim_rebuild(dims, parse("(seq + 63) floordiv 64 + past"), &memo), "seq + 2");
    predicate(fv_dim_rebuild(dims, parse("min(batch, seq)"), &memo), "min(batch, 128)");
    predicate(fv_dim_rebuild(dims, parse("batch"), &memo), "batch");
    /* dims without a normal form */
    const fv_dim *product = parse("seq * 4611686018427387904 * 2"),
                 *other = parse("batch * 4611686018427387904 * 2");
    cr_assert(product->opaque && other->opaque);
    predicate(fv_dim_rebuild(dims, product, &memo),
              fv_dim_str(arena, parse("128 * 4611686018427387904 * 2")));
    cr_expect_eq(fv_dim_rebuild(dims, other, &memo), other);
}

Test(dim, equalities) {
    const fv_dim *before = parse("max(min(past + seq, 2048) - past, 0)"),
                 *min = parse("min(past + seq, 2048)");
    cr_assert(fv_dim_equate(min, parse("past + seq")));
    predicate(parse("min(past + seq, 2048)"), "past + seq");
    predicate(parse("max(min(2048, seq + past) - past, 0)"), "seq");
    predicate(again(before), "seq");
    predicate(again(min), "past + seq");
    cr_assert(fv_dim_equate(parse("broadcast(total, past + seq)"), parse("past + seq")));
    predicate(parse("broadcast(min(past + seq, 2048), total)"), "past + seq");
    cr_expect_not(fv_dim_equate(min, parse("seq")), "it is equated already");
    cr_expect_not(fv_dim_equate(parse("min(seq, past)"), parse("min(seq, batch)")),
                  "no side is shorter");
    cr_expect_not(fv_dim_equate(parse("seq + past + batch"), parse("seq")), "a sum");
    cr_expect_not(fv_dim_equate(parse("seq"), parse("4")), "a symbol");
    predicate(again(parse("batch * 3 + min(seq, past) floordiv 7")),
              "batch * 3 + (min(past, seq) floordiv 7)");
    /* what one is equated with may be equated with less */
    cr_assert(fv_dim_equate(parse("max(batch, min(seq, past) mod 7)"), parse("min(seq, past)")));
    cr_assert(fv_dim_equate(parse("min(seq, past)"), parse("seq")));
    predicate(parse("max(batch, min(seq, past) mod 7)"), "max(batch, seq mod 7)");
}

Test(dim, symbols) {
    predicate(fv_dim_fresh(dims, "seq", 0, 5, true), "seq");
    predicate(fv_dim_fresh(dims, "seq", 0, 5, true), "seq_1");
    predicate(fv_dim_fresh(dims, "seq", 0, 5, true), "seq_2");
    cr_expect(fv_dim_symbol(dims, "seq_1")->from_data);
    cr_expect(parse("seq_1 * 2 + 1")->from_data);
    cr_expect(!parse("batch * 2")->from_data);
    const fv_dim *n = fv_dim_symbol(dims, "n");
    cr_expect(fv_dim_bound(dims, n, 3, 9));
    cr_expect(!fv_dim_bound(dims, n, 10, 20));
    cr_expect(fv_dim_bound(dims, n, 9, 20));
    is("n + seq", "seq + 9"); /* one value is left */
    is("`a.b` + `min` + `odd \\` name`", "`a.b` + `min` + `odd \\` name`");
}

Test(dim, overflow_stays_unfolded) {
    is("9223372036854775807 + 1", "1 + 9223372036854775807");
    is("9223372036854775807 * 2", "2 * 9223372036854775807");
    is("-9223372036854775808", "-9223372036854775808");
    is("-9223372036854775808 + seq", "seq + (-9223372036854775808)");
    is("seq * 4611686018427387904 * 2", "(seq * 4611686018427387904) * 2");
    is("9223372036854775807 + 1 - 1", "(1 + 9223372036854775807) - 1");
}

Test(dim, long_sums) {
    fv_text t = {.arena = arena};
    for (int i = 0; i < 100; i++)
        fv_text_printf(&t, "%ss%d", i ? " + " : "", i);
    const fv_dim *d = parse(t.s);
    cr_expect_eq(d->lo, 0);
    cr_expect_eq(d->hi, 100 * FV_DIM_MAX);
    cr_expect_eq(parse(fv_dim_str(arena, d)), d);
}

/* A product of sums that would be too long multiplied out stays as it is. */
Test(dim, long_products) {
    fv_text t = {.arena = arena};
    for (int k = 0; k < 2; k++) {
        fv_text_put(&t, k ? " * (" : "(");
        for (int i = 0; i < 6; i++) {
            fv_text_printf(&t, "%s%s", i ? " + " : "", "(a");
            for (int n = 0; n < 8; n++)
                fv_text_printf(&t, " floordiv (x%d_%d_%d", k, i, n);
            fv_text_put(&t, ")))))))))");
        }
        fv_text_put(&t, ")");
    }
    const fv_dim *d = parse(t.s);
    cr_expect(d->opaque);
    cr_expect_lt(d->size, 12 * 18 + 3);
    cr_expect_eq(parse(fv_dim_str(arena, d)), d);
    cr_expect_eq(fv_error_count(session), 0);
}

static void fault(const char *text, const char *message, int at) {
    const char *s = text, *error = NULL;
    const fv_dim *d = fv_dim_parse(dims, &s, &error);
    cr_expect(!d && error && strcmp(error, message) == 0 && s - text == at, "%s: %s at %d", text,
              error, (int)(s - text));
}

Test(dim, faults) {
    fault("", "expected a dim", 0);
    fault("seq +", "expected a dim", 5);
    fault("(seq", "expected ')'", 4);
    fault("min(seq)", "expected ','", 7);
    fault("min seq", "expected '('", 4);
    fault("9223372036854775808", "integer does not fit 64 bits", 0);
    fault("mod 3", "an operator where a dim is expected", 0);
    fault("`seq", "missing closing `", 0);
    fault("a + *", "expected a dim", 4);
}

Test(dim, too_large_is_out_of_memory) {
    fv_door door;
    bool left = FV_DOOR_OPEN(session, &door);
    if (!left) {
        const fv_dim *d = parse("seq");
        for (int i = 0; i < 2000; i++)
            d = fv_dim_floordiv(dims, fv_dim_add(dims, fv_dim_mul(dims, d, d), parse("a")),
                                parse("b"));
        fv_door_close(session, &door);
    }
    cr_expect(left);
    cr_expect_eq(fv_error_count(session), 1);
}

/* ---- simplified and naive expressions have the same values ---- */

enum { SYMBOLS = 4, POINTS = 24 };
static const char *const symbol_names[SYMBOLS] = {"seq", "pos", "kv", "idx"};

typedef struct random_dim {
    const fv_dim *dim;
    bool ok[POINTS]; /* the naive value is defined */
    int64_t value[POINTS];
} random_dim;

static uint64_t state;
static int64_t pick(int64_t lo, int64_t hi) { /* xorshift */
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return lo + (int64_t)(state % (uint64_t)(hi - lo + 1));
}

static int64_t points[POINTS][SYMBOLS];

static int64_t floored(int64_t a, int64_t b) {
    int64_t q = a / b;
    return q * b != a && (a < 0) != (b < 0) ? q - 1 : q;
}

/* Values stay far from the limits, so that nothing overflows on either side. */
static bool naive(fv_dim_kind kind, int64_t a, int64_t b, int64_t *out) {
    switch ((int)kind) {
    case FV_DIM_ADD: *out = a + b; break;
    case FV_DIM_MUL: *out = a * b; break;
    case FV_DIM_FLOORDIV: *out = b ? floored(a, b) : 0; break;
    case FV_DIM_CEILDIV: *out = b ? -floored(-a, b) : 0; break;
    case FV_DIM_MOD: *out = b ? a - b * floored(a, b) : 0; break;
    case FV_DIM_MIN: *out = a < b ? a : b; break;
    default: *out = a > b ? a : b; break;
    }
    return *out > -1000000 && *out < 1000000;
}

static random_dim random_leaf(void) {
    random_dim r;
    int which = (int)pick(0, SYMBOLS * 2);
    int64_t value = pick(-9, 20);
    r.dim = which < SYMBOLS ? fv_dim_symbol(dims, symbol_names[which]) : fv_dim_const(dims, value);
    for (int p = 0; p < POINTS; p++) {
        r.ok[p] = true;
        r.value[p] = which < SYMBOLS ? points[p][which] : value;
    }
    return r;
}

static random_dim random_dim_of(int depth) {
    static const fv_dim_kind kinds[] = {FV_DIM_ADD,     FV_DIM_ADD, FV_DIM_MUL, FV_DIM_FLOORDIV,
                                        FV_DIM_CEILDIV, FV_DIM_MOD, FV_DIM_MIN, FV_DIM_MAX_};
    static const fv_dim *(*const make[])(fv_dims *, const fv_dim *, const fv_dim *) = {
        fv_dim_add,     fv_dim_add, fv_dim_mul, fv_dim_floordiv,
        fv_dim_ceildiv, fv_dim_mod, fv_dim_min, fv_dim_max};
    if (depth == 0 || pick(0, 5) == 0)
        return random_leaf();
    random_dim a = random_dim_of(depth - 1), b = random_dim_of(depth - 1), r;
    int k = (int)pick(0, 7);
    r.dim = make[k](dims, a.dim, b.dim);
    for (int p = 0; p < POINTS; p++)
        r.ok[p] = a.ok[p] && b.ok[p] && naive(kinds[k], a.value[p], b.value[p], &r.value[p]);
    return r;
}

static bool at_point(void *ctx, const fv_dim *symbol, int64_t *out) {
    for (int i = 0; i < SYMBOLS; i++)
        if (strcmp(symbol->name, symbol_names[i]) == 0) {
            *out = points[*(int *)ctx][i];
            return true;
        }
    return false;
}

static void check_random(const random_dim *r, uint64_t seed) {
    const char *text = fv_dim_str(arena, r->dim);
    for (int p = 0; p < POINTS; p++) {
        int64_t v = 0;
        if (!r->ok[p])
            continue;
        bool there = fv_dim_eval(r->dim, at_point, &p, &v);
        cr_assert(there && v == r->value[p] && v >= r->dim->lo && v <= r->dim->hi,
                  "seed %llu: %s at seq=%lld pos=%lld kv=%lld idx=%lld is %lld, expected %lld in "
                  "%lld..%lld",
                  (unsigned long long)seed, text, (long long)points[p][0], (long long)points[p][1],
                  (long long)points[p][2], (long long)points[p][3], (long long)v,
                  (long long)r->value[p], (long long)r->dim->lo, (long long)r->dim->hi);
    }
    const fv_dim *again = parse(text);
    cr_assert(strcmp(fv_dim_str(arena, again), text) == 0, "seed %llu: %s reads back as %s",
              (unsigned long long)seed, text, fv_dim_str(arena, again));
}

Test(dim, random_expressions) {
    uint64_t seed = sample_seed(1);
    cr_log_info("seed %llu", (unsigned long long)seed);
    state = seed * 2654435761u + 88172645463325252u;
    for (int p = 0; p < POINTS; p++) {
        points[p][0] = pick(0, 1) ? pick(0, 3) : pick(0, 300);
        points[p][1] = pick(0, 1) ? pick(1, 3) : pick(1, 300);
        points[p][2] = pick(0, 3) ? pick(1, 64) : 64;
        points[p][3] = pick(0, 1) ? pick(-3, 3) : pick(-1000, 1000);
    }
    for (int i = 0; i < 4000; i++) {
        random_dim r = random_dim_of((int)pick(1, 5));
        check_random(&r, seed);
    }
}
