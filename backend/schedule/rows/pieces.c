/* pieces.c - see pieces.h. */
#include "backend/schedule/rows/pieces.h"

#include "ir/definition/bits.h"
#include "ir/dim/poly.h"
#include "ir/expr/affine.h"
#include "ir/expr/fold.h"
#include "ir/expr/visit.h"

/* CONDITIONS: the most that are examined. LONG: longer rows are not divided, since conditions of a
 * border take little of their time. LEAST: the least average length of a piece; of shorter ones,
 * vectors that end within them cost more than conditions, unless a piece replaces more than FEW
 * conditions of a vector. */
enum { CONDITIONS = 64, LONG = FV_DIVIDED_ROW, LEAST = FV_CHAINS, FEW = 4 };

static bool is_condition(const fv_expr *x, const fv_var *v) {
    int64_t value;
    bool compares = x->op == FV_X_LT || x->op == FV_X_LE || x->op == FV_X_EQ || x->op == FV_X_NE;
    return compares && x->type.lanes == 1 && fv_x_value_at(x, v, 0, &value);
}

/* Collects conditions on v alone; returns their number, at most CONDITIONS. */
static int conditions_of(fv_arena *a, const fv_expr *body, const fv_var *v, const fv_expr **list) {
    int n = 0;
    const fv_expr *x;
    for (fv_x_visitor w = fv_x_visit(a, body); n < CONDITIONS && (x = fv_x_next(&w));)
        if (is_condition(x, v))
            list[n++] = x;
    return n;
}

/* The conditions that hold where v is at, as bits. */
static uint64_t which_hold(int n, const fv_expr *const *list, const fv_var *v, int64_t at) {
    uint64_t bits = 0;
    int64_t value = 0;
    for (int i = 0; i < n; i++)
        if (fv_x_value_at(list[i], v, at, &value) && value)
            bits |= UINT64_C(1) << i;
    return bits;
}

/* Do loops over n pieces of the row take less time than one loop with the conditions? */
static bool pays(int64_t length, int n, int conditions) {
    return length >= (int64_t)LEAST * n ||
           (length + LEAST - 1) / LEAST * conditions > (int64_t)FEW * n;
}

fv_row_pieces fv_row_pieces_of(fv_arena *a, const fv_expr *body, const fv_var *v) {
    const fv_row_pieces none = {0};
    fv_row_pieces pieces = {.n = 1};
    const fv_expr *list[CONDITIONS];
    int64_t length = fv_dim_is_const(v->dim) ? v->dim->value : 0;
    if (length < 2 * LEAST || length > LONG)
        return none;
    int n = conditions_of(a, body, v, list);
    uint64_t before = which_hold(n, list, v, 0);
    for (int64_t i = 1; n && i < length; i++) {
        uint64_t now = which_hold(n, list, v, i);
        if (now == before)
            continue;
        if (pieces.n == FV_MOST_PIECES)
            return none;
        pieces.start[pieces.n++] = i;
        before = now;
    }
    pieces.start[pieces.n] = length;
    return pieces.n > 1 && pays(length, pieces.n, n) ? pieces : none;
}

/* ---- the inside of a row ---- */

/* The difference of two operands that are compared: by * v, plus a number from lo to hi, which
 * depends on the term of a reduction. */
typedef struct difference {
    int64_t by, lo, hi;
} difference;

/* Finds the difference a - b, if it depends on v, and otherwise only on variables of known
 * extent. */
static bool difference_of(fv_arena *arena, fv_dims *dims, const fv_expr *a, const fv_expr *b,
                          const fv_var *v, difference *d) {
    const fv_affines s = {.dims = dims};
    fv_affine f = fv_affine_of(
        &s, fv_x_bin(arena, FV_X_SUB, (fv_expr *)(uintptr_t)a, (fv_expr *)(uintptr_t)b));
    if (!fv_affine_is_of_vars(&f) || !fv_dim_is_const(f.rest))
        return false;
    *d = (difference){.lo = f.rest->value, .hi = f.rest->value};
    for (int i = 0; i < f.n; i++) {
        const fv_var *k = f.term[i].x->u.var;
        const int64_t by = f.term[i].by->value;
        if (by != (int32_t)by || d->lo != (int32_t)d->lo || d->hi != (int32_t)d->hi)
            return false;
        if (k == v) {
            d->by = by;
            continue;
        }
        if (!k->dim || !fv_dim_is_const(k->dim) || k->dim->value > INT32_MAX)
            return false;
        const int64_t last = (k->dim->value - 1) * by;
        d->lo += last < 0 ? last : 0;
        d->hi += last > 0 ? last : 0;
    }
    return d->by != 0;
}

/* Limits the inside to elements where by * v + c >= 0. */
static void limit(fv_row_inside *in, int64_t by, int64_t c) {
    const int64_t n = by > 0 ? fv_int_floordiv(-c + by - 1, by) : fv_int_floordiv(c, -by) + 1;
    if (by > 0)
        in->lo = n > in->lo ? n : in->lo;
    else
        in->hi = n < in->hi ? n : in->hi;
}

/* Limits the inside by whether the difference is at least `least`, if that is decided in the middle
 * of the row. */
static void decide(fv_row_inside *in, const difference *d, int64_t least, int64_t middle) {
    if (d->by * middle + d->lo >= least)
        limit(in, d->by, d->lo - least);
    else if (d->by * middle + d->hi < least)
        limit(in, -d->by, least - 1 - d->hi);
}

/* Sets *value to whether the comparison, minimum or maximum x chooses its first operand where v is
 * at; false: it depends on other variables. */
static bool choice_at(const fv_expr *x, const fv_var *v, int64_t at, bool *value) {
    int64_t a, b;
    if (!fv_x_value_at(x->arg[0], v, at, &a) || !fv_x_value_at(x->arg[1], v, at, &b))
        return false;
    *value = x->op == FV_X_LT ? a < b : a <= b;
    return true;
}

/* Limits the inside to elements for which x, which depends on v alone, chooses as in the middle. */
static void limit_by_values(fv_row_inside *in, const fv_expr *x, const fv_var *v, int64_t middle) {
    bool wanted, is;
    int64_t lo = middle, hi = middle + 1;
    if (!choice_at(x, v, middle, &wanted))
        return;
    while (lo > in->lo && choice_at(x, v, lo - 1, &is) && is == wanted)
        lo--;
    while (hi < in->hi && choice_at(x, v, hi, &is) && is == wanted)
        hi++;
    in->lo = lo > in->lo ? lo : in->lo;
    in->hi = hi < in->hi ? hi : in->hi;
}

fv_row_inside fv_row_inside_of(fv_arena *a, fv_dims *dims, const fv_expr *body, const fv_var *v) {
    const int64_t n = v->dim->value;
    fv_row_inside in = {0, n};
    difference d;
    const fv_expr *x;
    for (fv_x_visitor w = fv_x_visit(a, body); (x = fv_x_next(&w));) {
        const bool chooses =
            x->op == FV_X_LT || x->op == FV_X_LE || x->op == FV_X_MIN || x->op == FV_X_MAX;
        if (!chooses || x->arg[0]->type.elem != FV_I64 || !fv_x_uses(x, v))
            continue;
        if (difference_of(a, dims, x->arg[1], x->arg[0], v, &d))
            decide(&in, &d, x->op == FV_X_LT, n / 2);
        else if (n <= LONG)
            limit_by_values(&in, x, v, n / 2);
    }
    return in;
}
