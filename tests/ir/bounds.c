/* The bounds of symbols that equalities leave: text in, bounds out. */
#include "ir/graph/bounds.h"

#include <criterion/criterion.h>
#include <string.h>

#include "ir/base/text.h"
#include "ir/graph/parse.h"

static fv_session *session;
static fv_arena *arena;

static void setup(void) {
    session = fv_session_new();
    arena = fv_arena_new(session);
}
static void teardown(void) {
    fv_session_free(session);
}
TestSuite(bounds, .init = setup, .fini = teardown);

/* "symbol n 0..9 ...", "n * 2 == 6; a == b" */
static fv_module *module_of(const char *symbols, const char *equalities) {
    fv_text t = {.arena = arena};
    fv_text_printf(&t, "fovea-ir 1 %s\n", symbols);
    for (const char *at = equalities; *at; at += strcspn(at, ";"), at += *at == ';') {
        fv_text_put(&t, "assume ");
        fv_text_putn(&t, at, strcspn(at, ";"));
        fv_text_put(&t, " \"why\"\n");
    }
    fv_text_put(&t, "func @main() { return }");
    fv_module *m = fv_module_parse(session, t.s, NULL);
    cr_assert(m != NULL, "%s\n%s", t.s, fv_message_str(arena, fv_messages(session)));
    return m;
}

/* Of all symbols in the order of their declaration: "n 1..48, a 0..". */
static const char *bounds_of(const fv_module *m, const fv_bounds *b) {
    const fv_dim *const *symbols;
    fv_text t = {.arena = arena};
    for (int i = 0, n = fv_dim_symbols(m->dims, &symbols); i < n; i++) {
        int64_t lo, hi;
        fv_bounds_get(b, symbols[i], &lo, &hi);
        fv_text_printf(&t, "%s%s %lld..", i ? ", " : "", symbols[i]->name, (long long)lo);
        if (hi < FV_DIM_MAX)
            fv_text_printf(&t, "%lld", (long long)hi);
    }
    return t.s;
}

static void leaves(const char *symbols, const char *equalities, const char *expected) {
    const fv_module *m = module_of(symbols, equalities);
    fv_bounds *b = fv_bounds_new(arena, m);
    cr_expect_null(fv_bounds_narrow(b), "%s", equalities);
    cr_expect_str_eq(bounds_of(m, b), expected, "%s: %s, expected %s", equalities, bounds_of(m, b),
                     expected);
}

#define ANY(n) "symbol " n " 0..1099511627776 "

Test(bounds, of_one_symbol) {
    leaves(ANY("n"), "n == min(n, 48)", "n 0..48");
    leaves(ANY("n"), "n == max(n, 3)", "n 3..");
    leaves(ANY("n"), "n * 3 == 48", "n 16..16");
    leaves(ANY("n"), "(n + 1) floordiv 2 == min((n + 1) floordiv 2, 24)", "n 0..48");
    leaves("symbol n 0..100", "n mod 8 == 0", "n 0..96");
    leaves("symbol n 5..100", "(n floordiv 4) * 4 == n", "n 8..100");
    leaves(ANY("n"), "n == n * n", "n 0..1");
    leaves("symbol n 3..7", "n + 1 == max(n + 1, 2)", "n 3..7");
}

/* 1 or 48 are legal: the hull. */
Test(bounds, of_a_broadcast) {
    const char *wrong = "(n - 48) * max(min(n - 1, 1), 1 - n) == 0";
    leaves(ANY("n"), wrong, "n 1..48");
    leaves("symbol n 2..1000", wrong, "n 48..48");
    leaves("symbol n 0..10", wrong, "n 1..1");
}

Test(bounds, of_several) {
    leaves(ANY("past") ANY("seq") "symbol total 0..512", "past + seq == total",
           "past 0..512, seq 0..512, total 0..512");
    leaves(ANY("a") ANY("b") "symbol c 2..5", "a * 3 == b; b == c * 6",
           "a 4..10, b 12..30, c 2..5");
    leaves(ANY("past") ANY("seq"), "past + seq == min(past + seq, 32)", "past 0..32, seq 0..32");
    leaves(ANY("a") ANY("b"), "a * b == 12", "a 1..12, b 1..12");
}

Test(bounds, what_never_holds_is_named) {
    fv_module *m = module_of("symbol n 2..10 " ANY("k"), "k == n + 1; k == min(k, 2)");
    cr_expect(fv_bounds_narrow(fv_bounds_new(arena, m)) == &m->relations[1]);
    cr_expect_not(fv_module_bound(m));
    cr_expect_str_eq(fv_message_str(arena, fv_messages(session)),
                     "error: its dims have no values for which this holds: k == min(k, 2): why");
}

Test(bounds, of_a_module_are_beside_those_of_expressions) {
    fv_module *m = module_of(ANY("n"), "n == min(n, 48)");
    const fv_dim *n = fv_dim_find(m->dims, "n"),
                 *cut = fv_dim_min(m->dims, n, fv_dim_const(m->dims, 48));
    cr_assert(fv_module_bound(m));
    cr_expect(n->least == 0 && n->most == 48 && n->hi == FV_DIM_MAX);
    cr_expect(fv_dim_min(m->dims, n, fv_dim_const(m->dims, 48)) == cut,
              "equal dims are one pointer");
}

static int64_t chosen(fv_module *m, fv_bounds *b, const char *symbol, int64_t wish) {
    int64_t value = -1;
    cr_expect(fv_bounds_choose(b, fv_dim_find(m->dims, symbol), wish, &value), "%s", symbol);
    return value;
}

static void chooses(const char *equalities, int64_t wish, int64_t expected) {
    fv_module *m = module_of(ANY("n"), equalities);
    int64_t value = chosen(m, fv_bounds_new(arena, m), "n", wish);
    cr_expect_eq(value, expected, "%s: %lld", equalities, (long long)value);
}

Test(bounds, a_choice_is_legal_and_near) {
    chooses("n == min(n, 48)", 128, 48);
    chooses("n mod 8 == 0", 127, 128);
    chooses("n mod 8 == 0", 1, 0);
    chooses("((n + 1) floordiv 2) * 2 == n", 1, 2);
    chooses("(n - 48) * max(min(n - 1, 1), 1 - n) == 0", 20, 1);
    chooses("(n - 48) * max(min(n - 1, 1), 1 - n) == 0", 40, 48);
    chooses("(n - 7) * (n - 19) == 0", 128, 19);
}

Test(bounds, a_choice_binds_others) {
    fv_module *m = module_of(ANY("past") ANY("seq") ANY("total"),
                             "past + seq == total; total == min(total, 32)");
    fv_bounds *b = fv_bounds_new(arena, m);
    cr_expect_eq(chosen(m, b, "past", 20), 20);
    cr_expect_eq(chosen(m, b, "seq", 128), 12);
    cr_expect_str_eq(bounds_of(m, b), "past 20..20, seq 12..12, total 32..32");
}

Test(bounds, what_leaves_nothing_changes_nothing) {
    fv_module *m = module_of(ANY("a") ANY("b"), "a + b == 10");
    fv_bounds *b = fv_bounds_new(arena, m);
    cr_expect(fv_bounds_within(b, fv_dim_find(m->dims, "a"), 4, 100));
    cr_expect_not(fv_bounds_within(b, fv_dim_find(m->dims, "b"), 7, 8));
    cr_expect_str_eq(bounds_of(m, b), "a 4..10, b 0..6");
}
