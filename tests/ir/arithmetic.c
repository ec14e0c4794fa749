/* Integer expressions: their values, and their form as sums. */
#include "ir/expr/affine.h"
#include "ir/expr/fold.h"

#include <criterion/criterion.h>

#include "ir/dim/dim.h"
#include "ir/dim/text.h"
#include "ir/expr/unique.h"

static fv_session *session;
static fv_arena *arena;
static fv_dims *dims;
static fv_var *i, *j;

static fv_var *variable(const char *name) {
    fv_var *v = FV_NEW(arena, fv_var, 1);
    *v = (fv_var){.name = name, .type = fv_kt(FV_I64, 1), .lo = INT64_MIN, .hi = INT64_MAX};
    return v;
}

static void begin(void) {
    session = fv_session_new();
    arena = fv_x_arena_new(session);
    dims = fv_dims_new(arena);
    i = variable("i");
    j = variable("j");
}

static void end(void) {
    fv_session_free(session);
}

TestSuite(arithmetic, .init = begin, .fini = end);

static fv_expr *bin(fv_expr_op op, fv_expr *x, fv_expr *y) {
    return fv_x_bin(arena, op, x, y);
}

static fv_expr *var(fv_var *v) {
    return fv_x_var(arena, v);
}

static fv_expr *number(int64_t n) {
    return fv_x_int(arena, n);
}

/* ---- values ---- */

static bool known(void *user, const fv_var *v, int64_t *value) {
    *value = *(const int64_t *)user;
    return v == i;
}

static void is_value(const fv_expr *x, int64_t at, int64_t expected) {
    int64_t value = 0;
    cr_assert(fv_x_value(x, known, &at, &value));
    cr_expect_eq(value, expected, "%lld, not %lld", (long long)value, (long long)expected);
}

static void has_no_value(const fv_expr *x) {
    int64_t at = 1, value;
    cr_expect_not(fv_x_value(x, known, &at, &value));
}

Test(arithmetic, values) {
    fv_expr *x = var(i);
    is_value(bin(FV_X_ADD, bin(FV_X_MUL, x, number(3)), number(4)), 5, 19);
    is_value(bin(FV_X_FLOORDIV, x, number(4)), -1, -1);
    is_value(fv_x_un(arena, FV_X_NEG, x), 7, -7);
    is_value(fv_x_un(arena, FV_X_NOT, bin(FV_X_LT, x, number(2))), 2, 1);
    is_value(fv_x_convert(arena, FV_I8, bin(FV_X_ADD, x, number(100))), 100, -56);
    is_value(fv_x_convert(arena, FV_BOOL, x), 2, 1);
    is_value(fv_x_dim(arena, fv_dim_const(dims, 12)), 0, 12);
}

Test(arithmetic, the_branch_not_taken_needs_no_value) {
    fv_expr *x = var(i), *y = var(j);
    fv_expr *chosen = fv_x_select(arena, bin(FV_X_LT, x, number(2)), number(8), y);
    is_value(chosen, 1, 8);
    int64_t at = 2, value;
    cr_expect_not(fv_x_value(chosen, known, &at, &value));
}

Test(arithmetic, what_has_no_value) {
    fv_expr *x = var(i);
    fv_buf *b = FV_NEW(arena, fv_buf, 1);
    *b = (fv_buf){.name = "b", .elem = FV_I64, .lanes = 1};
    has_no_value(var(j));
    has_no_value(bin(FV_X_ADD, x, var(j)));
    has_no_value(bin(FV_X_ADD, x, fv_x_load(arena, b, NULL)));
    has_no_value(fv_x_convert(arena, FV_F32, x));
    has_no_value(bin(FV_X_LT, fv_x_const(arena, FV_F32, 1), fv_x_convert(arena, FV_F32, x)));
    has_no_value(fv_x_dim(arena, fv_dim_symbol(dims, "n")));
    has_no_value(fv_x_ramp(arena, 4, x));
}

Test(arithmetic, digits_of_a_number) {
    fv_expr *x = var(i), *y = var(j), *row = bin(FV_X_FLOORDIV, x, number(16)),
            *first = bin(FV_X_MUL, row, number(16));
    cr_expect_eq(bin(FV_X_ADD, first, bin(FV_X_FLOORMOD, x, number(16))), x);
    cr_expect_eq(bin(FV_X_ADD, bin(FV_X_FLOORMOD, x, number(16)), first), x);
    cr_expect_eq(bin(FV_X_ADD, first, bin(FV_X_FLOORMOD, y, number(16)))->op, FV_X_ADD);
    cr_expect_eq(bin(FV_X_ADD, first, bin(FV_X_FLOORMOD, x, number(8)))->op, FV_X_ADD);
    cr_expect_eq(
        bin(FV_X_ADD, bin(FV_X_MUL, row, number(8)), bin(FV_X_FLOORMOD, x, number(16)))->op,
        FV_X_ADD);
}

/* ---- sums ---- */

static fv_affines plain(void) {
    return (fv_affines){.dims = dims};
}

static void is_affine(const fv_expr *x, const char *expected) {
    fv_affines s = plain();
    fv_affine f = fv_affine_of(&s, x);
    const char *text = f.rest ? fv_dim_str(arena, f.rest) : "too many";
    for (int k = 0; k < f.n; k++)
        text = fv_printf(arena, "%s, %s * %s", text, fv_dim_str(arena, f.term[k].by),
                         f.term[k].x->op == FV_X_VAR ? f.term[k].x->u.var->name : "atom");
    cr_expect_str_eq(text, expected);
}

Test(arithmetic, sums) {
    fv_expr *x = var(i), *y = var(j), *n = fv_x_dim(arena, fv_dim_symbol(dims, "n"));
    is_affine(x, "0, 1 * i");
    is_affine(number(4), "4");
    is_affine(bin(FV_X_MUL, bin(FV_X_ADD, x, n), number(4)), "n * 4, 4 * i");
    is_affine(bin(FV_X_SUB, bin(FV_X_MUL, n, y), bin(FV_X_MUL, x, number(2))), "0, n * j, -2 * i");
    is_affine(bin(FV_X_ADD, bin(FV_X_SUB, x, y), bin(FV_X_ADD, y, n)), "n, 1 * i");
    is_affine(fv_x_un(arena, FV_X_NEG, bin(FV_X_SUB, x, number(1))), "1, -1 * i");
    is_affine(bin(FV_X_ADD, bin(FV_X_MUL, x, y), x), "0, 1 * atom, 1 * i");
    is_affine(bin(FV_X_MUL, bin(FV_X_FLOORDIV, x, number(3)), number(3)), "0, 3 * atom");
}

Test(arithmetic, too_many_terms_are_no_sum) {
    fv_expr *x = var(variable("v"));
    for (int k = 1; k < FV_AFFINE_TERMS; k++)
        x = bin(FV_X_ADD, x, var(variable("v")));
    fv_affines s = plain();
    fv_affine f = fv_affine_of(&s, x);
    cr_expect(fv_affine_is_of_vars(&f));
    cr_expect_eq(f.n, FV_AFFINE_TERMS);
    f = fv_affine_of(&s, bin(FV_X_ADD, x, var(i)));
    cr_expect_null(f.rest);
    cr_expect_not(fv_affine_is_of_vars(&f));
    f = fv_affine_of(&s, bin(FV_X_MUL, bin(FV_X_ADD, x, var(i)), number(2)));
    cr_expect_not(fv_affine_is_of_vars(&f));
}

static bool is_no_product(void *user, const fv_expr *x) {
    (void)user;
    return x->op != FV_X_MUL;
}

Test(arithmetic, what_does_not_come_apart_is_an_atom) {
    fv_affines s = {.dims = dims, .apart = is_no_product};
    fv_expr *product = bin(FV_X_MUL, var(i), number(2));
    fv_affine f = fv_affine_of(&s, bin(FV_X_ADD, product, var(j)));
    cr_expect_eq(f.n, 2);
    cr_expect_eq(f.term[0].x, product);
    cr_expect_not(fv_affine_is_of_vars(&f));
}
