/* products.c - see products.h. */
#include "backend/axes/products.h"

#include <string.h>

#include "backend/lowering/access.h"
#include "backend/lowering/why.h"
#include "ir/base/limits.h"
#include "ir/definition/bits.h"
#include "ir/expr/affine.h"
#include "ir/expr/rewrite.h"
#include "ir/expr/visit.h"

bool fv_x_sums_products(const fv_expr *x) {
    return x->op == FV_X_REDUCE && x->u.red.kind == FV_SUM && x->arg[0]->op == FV_X_MUL &&
           !fv_x_equal(x->arg[0]->arg[0], x->arg[0]->arg[1]);
}

/* ---- sums over blocks ---- */

static bool are_known(const fv_expr *sum) {
    bool known = true;
    for (int i = 0; i < sum->u.red.nvars; i++)
        known &= fv_dim_is_const(sum->u.red.vars[i]->dim) && sum->u.red.vars[i]->dim->value > 0;
    return known;
}

fv_expr *fv_x_sum_in_blocks(const fv_expr *sum) {
    fv_expr *inner[2], *none;
    bool is = sum->op == FV_X_REDUCE && sum->u.red.kind == FV_SUM && sum->arg[0]->op == FV_X_MUL &&
              fv_elem_is_float((fv_elem)sum->type.elem) &&
              fv_x_reductions(sum->arg[0], inner, 2) == 1;
    is = is && fv_x_sums_products(inner[0]) && !fv_x_reductions(inner[0]->arg[0], &none, 1) &&
         fv_elem_bits((fv_elem)inner[0]->type.elem) == fv_elem_bits((fv_elem)sum->type.elem);
    return is && are_known(sum) && are_known(inner[0]) ? inner[0] : NULL;
}

/* Does x use the column j only in `inner` and in loads of constants that do not depend on the row
 * (NULL: there are no rows)? Such constants can be stored in panels. */
static bool has_constant_scales(const fv_expr *x, const fv_expr *inner, const fv_var *j,
                                const fv_var *row) {
    if (x == inner || !fv_x_uses(x, j))
        return true;
    if (x->op == FV_X_VAR || x->op == FV_X_GUARD)
        return false;
    if (x->op == FV_X_LOAD)
        return fv_x_is_constant(x) && fv_x_is_plain(x) && !(row && fv_x_uses(x, row));
    bool is = true;
    for (int i = 0; i < x->n && is; i++)
        is = has_constant_scales(x->arg[i], inner, j, row);
    return is;
}

/* ---- the factors of one sum ---- */

/* Sets the factors a and b of a product, its row and its column: b is the factor that depends on
 * the column, or, if both do, the one that is a constant. False, with a reason: the product has no
 * such factors, or both depend on the column and a is not contiguous along it. */
static bool set_factors(fv_lowerer *l, const fv_definition *d, fv_products *p,
                        const fv_expr *product) {
    const fv_var *j = d->index[d->rank - 1];
    bool in[2] = {fv_x_uses(product->arg[0], j), fv_x_uses(product->arg[1], j)};
    p->each = in[0] && in[1];
    bool second = p->each ? fv_x_is_constant(product->arg[1]) : in[1];
    p->a = product->arg[!second];
    p->b[0] = product->arg[second];
    if (p->each && !fv_x_is_constant(p->b[0]))
        return fv_declines(l, d->value, FV_WHY_contract_both, fv_d(j->dim));
    if (p->each && !fv_x_runs_along(p->a, j))
        return fv_declines(l, d->value, FV_WHY_contract_each_strided, fv_d(j->dim));
    if (!in[second])
        return fv_declines(l, d->value, FV_WHY_contract_no_column, fv_d(j->dim));
    p->column = d->rank - 1;
    p->row = -1;
    for (int i = p->column; i-- > 0 && p->row < 0;)
        if (fv_x_uses(p->a, d->index[i]) && !fv_x_uses(p->b[0], d->index[i]))
            p->row = i;
    return true;
}

/* ---- several sums ---- */

/* The product that `sum` adds, rewritten to the variables of `first`; NULL: the variables of
 * the two sums have other extents, or their types differ. */
static fv_expr *product_over(fv_arena *a, const fv_expr *sum, const fv_expr *first) {
    fv_expr *to[FV_MAX_RANK];
    int n = sum->u.red.nvars;
    if (n != first->u.red.nvars || sum->type.elem != first->type.elem)
        return NULL;
    for (int i = 0; i < n; i++) {
        if (sum->u.red.vars[i]->dim != first->u.red.vars[i]->dim)
            return NULL;
        to[i] = fv_x_var(a, first->u.red.vars[i]);
    }
    return fv_x_replace_vars(a, sum->arg[0], n, sum->u.red.vars, to);
}

static bool is_product(fv_lowerer *l, const fv_definition *d, const fv_expr *sum) {
    fv_expr *body = sum->arg[0], *inner;
    if (sum->u.red.kind != FV_SUM || body->op != FV_X_MUL)
        return fv_declines(l, d->value, FV_WHY_contract_products);
    return fv_x_sum_in_blocks(sum) || !fv_x_reductions(body, &inner, 1) ||
           fv_declines(l, d->value, FV_WHY_contract_nested);
}

/* Adds a sum to p. False, with a reason: its factors cannot be found; or it is not the first sum,
 * and differs from that in the extents of its variables, its type or its factor with the rows, or a
 * factor with the rows depends on the column. */
static bool add_sum(fv_lowerer *l, const fv_definition *d, fv_products *p, fv_expr *sum) {
    const fv_expr *body = p->nsums ? product_over(l->exprs, sum, p->sums[0]) : sum->arg[0];
    fv_products own = {0};
    if (body && !set_factors(l, d, &own, body))
        return false;
    if (!body || (p->nsums && (own.a != p->a || own.row != p->row || own.each || p->each)))
        return fv_declines(l, d->value, FV_WHY_contract_sums, fv_s("several"));
    if (!p->nsums)
        *p = own;
    p->b[p->nsums] = own.b[0];
    p->sums[p->nsums++] = sum;
    return true;
}

/* Sets p to the products of `sum`, a sum over blocks. False, with a reason: the factors of the
 * products within a block cannot be found, both depend on the column, or the scales of the columns
 * are not constants. */
static bool set_blocks(fv_lowerer *l, const fv_definition *d, fv_products *p, fv_expr *sum) {
    fv_expr *inner = fv_x_sum_in_blocks(sum);
    if (!add_sum(l, d, p, inner))
        return false;
    p->blocks = sum;
    const fv_var *row = p->row < 0 ? NULL : d->index[p->row];
    bool is = !p->each && has_constant_scales(sum->arg[0], inner, d->index[p->column], row);
    return is || fv_declines(l, d->value, FV_WHY_contract_scales);
}

bool fv_find_products(fv_lowerer *l, const fv_definition *d, int nroots, fv_expr *const *roots,
                      fv_products *p) {
    fv_expr *sums[FV_MAX_SUMS + 1];
    memset(p, 0, sizeof *p);
    if (d->rank < 1)
        return fv_declines(l, d->value, FV_WHY_contract_one);
    int n = 0;
    for (int i = 0; i < nroots; i++)
        n = fv_x_add_reductions(roots[i], sums, n, FV_MAX_SUMS + 1);
    if (n < 1 || n > FV_MAX_SUMS)
        return fv_declines(l, d->value, FV_WHY_contract_sums, fv_s(n ? "many" : "no"));
    for (int i = 0; i < n; i++)
        if (!is_product(l, d, sums[i]))
            return false;
    if (fv_x_sum_in_blocks(sums[0]))
        return n == 1 ? set_blocks(l, d, p, sums[0])
                      : fv_declines(l, d->value, FV_WHY_contract_sums, fv_s("several"));
    for (int i = 0; i < n; i++)
        if (!add_sum(l, d, p, sums[i]))
            return false;
    return true;
}

/* ---- which sums are computed for several columns at once ---- */

static bool is_loaded(const fv_expr *x) {
    x = fv_x_stored(x);
    return x->op == FV_X_LOAD || x->op == FV_X_GUARD;
}

static bool is_byte(const fv_expr *factor) {
    const fv_elem e = (fv_elem)fv_x_stored(factor)->type.elem;
    return fv_elem_is_int(e) && fv_elem_bits(e) == 8;
}

/* Are elements of b multiplied in words of bytes, if such words can be formed? Then consecutive
 * columns may be apart in memory, since their words are copied. */
static bool may_have_words(const fv_lowerer *l, const fv_products *p) {
    return l->target->vector_bits > 0 && p->sums[0]->type.elem == FV_I32 && is_byte(p->a) &&
           is_byte(p->b[0]);
}

/* Does the index x grow by a constant with j? */
static bool grows_with(fv_lowerer *l, const fv_expr *x, const fv_var *j) {
    const fv_affine f = fv_affine_of(&(fv_affines){.dims = l->module->dims}, x);
    int64_t by = 0;
    for (int i = 0; i < f.n && f.rest; i++)
        if (f.term[i].x->op == FV_X_VAR && f.term[i].x->u.var == j)
            by = fv_dim_is_const(f.term[i].by) ? f.term[i].by->value : 0;
        else if (fv_x_uses(f.term[i].x, j))
            return false;
    return by > 0;
}

/* Is x a load with a condition, as of an image with a border, along whose columns a window of the
 * sum slides, so that its elements are read several times? Then a copy in which columns, or words
 * of them, are contiguous pays. */
static bool slides_along(fv_lowerer *l, const fv_expr *x, const fv_var *j, const fv_expr *sum,
                         bool words) {
    const fv_expr *at = NULL;
    x = fv_x_stored(x);
    for (int i = 0; i < x->u.buf->rank; i++)
        if (fv_x_uses(x->arg[i], j)) {
            if (at || !(words ? grows_with(l, x->arg[i], j) : fv_x_adds(x->arg[i], j)))
                return false;
            at = x->arg[i];
        }
    bool slides = false;
    for (int i = 0; at && i < sum->u.red.nvars; i++)
        slides |= fv_x_uses(at, sum->u.red.vars[i]);
    return slides && x->op == FV_X_GUARD;
}

/* Does x load elements that are contiguous along the terms of the sum, and none that are along
 * j? */
static bool runs_along_terms(const fv_expr *x, const fv_expr *sum, const fv_var *j) {
    fv_load_count terms = {0}, columns = {0};
    fv_x_count_loads(x, sum->u.red.vars[sum->u.red.nvars - 1], &terms);
    fv_x_count_loads(x, j, &columns);
    return terms.contiguous && !columns.contiguous;
}

/* Are the columns of b contiguous, or does a copy of b pay in which they are? Where b is computed
 * and there are no rows, each element of a copy would be used once. */
static bool has_columns(fv_lowerer *l, const fv_products *p, const fv_var *j, bool rows) {
    const fv_expr *b = p->b[0], *sum = p->sums[0];
    if (is_loaded(b))
        return fv_x_runs_along(b, j) || slides_along(l, b, j, sum, may_have_words(l, p));
    return rows || !runs_along_terms(b, sum, j);
}

/* Does the factor load constants only, so that it can be computed when the model is compiled? */
static bool is_made_of_constants(fv_arena *a, const fv_expr *factor) {
    fv_x_visitor v = fv_x_visit(a, factor);
    bool loads = false;
    for (const fv_expr *x; (x = fv_x_next(&v));)
        if (x->op == FV_X_LOAD || x->op == FV_X_GUARD) {
            if (((const fv_value *)x->u.buf->value)->kind != FV_VALUE_CONST)
                return false;
            loads = true;
        }
    return loads;
}

bool fv_products_are_columns(fv_lowerer *l, const fv_definition *d, const fv_products *p) {
    const fv_var *j = d->index[p->column], *rows = p->row < 0 ? NULL : d->index[p->row];
    bool few = !rows || (fv_dim_is_const(rows->dim) && rows->dim->value < FV_FEW_ROWS);
    if ((rows && rows->dim->hi <= 0) || j->dim->hi < 2)
        return fv_declines(l, d->value, FV_WHY_contract_no_tile, fv_d(j->dim));
    for (int i = 0; i < p->nsums && few; i++) {
        const fv_expr *b = p->b[i];
        bool one_product = p->nsums == 1 && has_columns(l, p, j, rows);
        if (!one_product && !is_made_of_constants(l->exprs, b))
            return fv_declines(l, d->value, FV_WHY_contract_few_rows, fv_n(FV_FEW_ROWS));
    }
    return true;
}
