/* tables.c - replaces constants by comparisons. A constant whose rows have one of two values in a
 * run of columns, such as a mask of positions, equals the comparison from which it was made:
 *
 *     causal[i, k]      k < i + 1            banded[i, k]      i - 255 <= k && k < i + 1
 *
 * Then no constant is read, and other steps see that the mask depends on positions only. */
#include "backend/fuse/tables.h"

#include <string.h>

#include "ir/expr/rewrite.h"

/* One end of the columns that have the value `in` in row r: the first column, or the one after the
 * last. */
typedef struct side {
    /* FIXED: column `at`. MOVING: column r + at, limited to the table. ANY: no row has columns with
     * the value, so there is no end */
    enum { ANY, FIXED, MOVING } kind;
    int64_t at;
} side;

typedef struct table {
    int64_t rows, columns;
    side from, to;
    /* index of an element with the value that rows have in their run of columns, and index of one
     * with the value that they have in other columns */
    size_t in, out;
    bool none; /* whether comparisons cannot replace the constant */
} table;

static bool same_element(const fv_tensor *t, size_t i, size_t j) {
    size_t n = (size_t)fv_elem_storage_bytes(t->elem);
    return !memcmp((const char *)t->data + i * n, (const char *)t->data + j * n, n);
}

static int64_t clamp(int64_t x, int64_t most) {
    return x < 0 ? 0 : x > most ? most : x;
}

/* Finds the columns [from, to) of a row that have the value `in`, where all others must have the
 * value `out`. False: there are several runs, or other values. An empty run has from == to. */
static bool find_run(const fv_tensor *t, const table *b, int64_t row, int64_t *from, int64_t *to) {
    size_t first = (size_t)(row * b->columns);
    int64_t k = 0;
    while (k < b->columns && same_element(t, first + (size_t)k, b->out))
        k++;
    *from = k;
    while (k < b->columns && same_element(t, first + (size_t)k, b->in))
        k++;
    *to = k;
    while (k < b->columns && same_element(t, first + (size_t)k, b->out))
        k++;
    return k == b->columns;
}

/* Finds the side that gives ends[r] for all rows r < rows; -1 stands for an empty row, which fits
 * any. False: there is none. */
static bool find_side(const int64_t *ends, int64_t rows, int64_t columns, side *s) {
    bool fixed = true, moving = false;
    int64_t at = 0, known = -1;
    for (int64_t r = 0; r < rows; r++) {
        if (ends[r] < 0)
            continue;
        fixed &= known < 0 || ends[r] == known;
        known = known < 0 ? ends[r] : known;
        if (!moving && ends[r] > 0 && ends[r] < columns) {
            at = ends[r] - r;
            moving = true;
        }
    }
    *s = fixed ? (side){known < 0 ? ANY : FIXED, known} : (side){MOVING, at};
    for (int64_t r = 0; !fixed && r < rows; r++)
        if (!moving || (ends[r] >= 0 && ends[r] != clamp(r + at, columns)))
            return false;
    return true;
}

/* Are the rows without a run also empty according to the two sides? */
static bool fits_empty_rows(const table *b, const int64_t *from) {
    for (int64_t r = 0; r < b->rows; r++) {
        int64_t lo = b->from.kind == MOVING  ? clamp(r + b->from.at, b->columns)
                     : b->from.kind == FIXED ? b->from.at
                                             : 0;
        int64_t hi = b->to.kind == MOVING  ? clamp(r + b->to.at, b->columns)
                     : b->to.kind == FIXED ? b->to.at
                                           : b->columns;
        if (from[r] < 0 && lo < hi)
            return false;
    }
    return true;
}

static bool find_sides(fv_arena *a, const fv_tensor *t, table *b) {
    int64_t *from = FV_NEW(a, int64_t, b->rows), *to = FV_NEW(a, int64_t, b->rows);
    for (int64_t r = 0; r < b->rows; r++) {
        if (!find_run(t, b, r, &from[r], &to[r]))
            return false;
        if (from[r] == to[r])
            from[r] = to[r] = -1;
    }
    return find_side(from, b->rows, b->columns, &b->from) &&
           find_side(to, b->rows, b->columns, &b->to) && fits_empty_rows(b, from);
}

/* Does the constant have two values, one of which forms at most one run in each row, whose ends are
 * fixed or move with the row? Either value may be the one. */
static bool find_table(fv_arena *a, const fv_tensor *t, table *b) {
    size_t n = (size_t)(b->rows * b->columns), other = 1;
    while (other < n && same_element(t, 0, other))
        other++;
    if (other == n)
        return false; /* all elements are equal: a comparison gains nothing */
    b->in = 0;
    b->out = other;
    if (find_sides(a, t, b))
        return true;
    b->in = other;
    b->out = 0;
    return find_sides(a, t, b);
}

/* ---- in an expression ---- */

static fv_expr *element(fv_arena *a, const fv_tensor *t, size_t i) {
    if (fv_elem_is_float(t->elem))
        return fv_x_const(a, t->elem, fv_tensor_float(t, i));
    return fv_x_const_int(a, t->elem, fv_tensor_int(t, i));
}

static fv_expr *bound(fv_arena *a, const side *s, fv_expr *row) {
    fv_expr *at = fv_x_int(a, s->at);
    return s->kind == MOVING ? fv_x_bin(a, FV_X_ADD, row, at) : at;
}

static bool is_number(fv_elem e) {
    return e == FV_BOOL || ((fv_elem_is_float(e) || fv_elem_is_int(e)) && !fv_elem_is_storage(e));
}

static fv_expr *without(fv_x_rewriter *r, fv_expr *x, fv_expr **args) {
    const fv_value *v = x->op == FV_X_LOAD ? x->u.buf->value : NULL;
    int n = x->op == FV_X_LOAD ? x->u.buf->rank : 0;
    if (!v || v->kind != FV_VALUE_CONST || n < 2 || n != v->type->rank ||
        !is_number(v->type->elem) || x->type.lanes != 1)
        return NULL;
    const fv_dim *const *d = v->type->dims;
    for (int i = 0; i < n - 2; i++)
        if (!fv_dim_is_one(d[i]))
            return NULL;
    if (!fv_dim_is_const(d[n - 2]) || !fv_dim_is_const(d[n - 1]))
        return NULL;
    fv_ptrmap *known = r->user;
    void **at = fv_ptrmap_at(known, v);
    table *b = *at;
    if (!b) {
        *at = b = FV_NEW(r->arena, table, 1);
        b->rows = d[n - 2]->value;
        b->columns = d[n - 1]->value;
        b->none = b->rows < 2 || b->columns < 2 || !find_table(r->arena, v->tensor, b);
    }
    if (b->none)
        return NULL;
    fv_arena *a = r->arena;
    fv_expr *row = args[n - 2], *column = args[n - 1], *c = NULL;
    if (b->from.kind != ANY && !(b->from.kind == FIXED && b->from.at == 0))
        c = fv_x_bin(a, FV_X_LE, bound(a, &b->from, row), column);
    if (b->to.kind != ANY && !(b->to.kind == FIXED && b->to.at == b->columns)) {
        fv_expr *below = fv_x_bin(a, FV_X_LT, column, bound(a, &b->to, row));
        c = c ? fv_x_bin(a, FV_X_AND, c, below) : below;
    }
    if (!c)
        return NULL;
    if (v->type->elem == FV_BOOL)
        return fv_tensor_int(v->tensor, b->in) ? c : fv_x_un(a, FV_X_NOT, c);
    return fv_x_select(a, c, element(a, v->tensor, b->in), element(a, v->tensor, b->out));
}

fv_expr *fv_without_tables(fv_arena *a, fv_ptrmap *known, const fv_expr *x) {
    fv_x_rewriter r = {.arena = a, .after = without, .user = known};
    return fv_x_rewrite(&r, x);
}
