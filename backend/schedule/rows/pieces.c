/* pieces.c - see pieces.h. */
#include "backend/schedule/rows/pieces.h"

#include "ir/expr/fold.h"
#include "ir/expr/visit.h"

/* CONDITIONS: the most that are examined. LONG: longer rows are not divided, since conditions of a
 * border take little of their time. LEAST: the least average length of a piece; of shorter ones,
 * vectors that end within them cost more than conditions. */
enum { CONDITIONS = 64, LONG = 4096, LEAST = 16 };

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
    return pieces.n > 1 && length >= LEAST * pieces.n ? pieces : none;
}
