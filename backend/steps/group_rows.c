/* group_rows.c - see group_rows.h. */
#include "backend/steps/group_rows.h"

#include "backend/fuse/reading.h"
#include "backend/lowering/access.h"
#include "backend/lowering/storage.h"
#include "ir/base/limits.h"
#include "ir/definition/bits.h"
#include "ir/expr/visit.h"

/* Do the loads of d run along the last axis of d in memory, and none along another axis? Then a sum
 * along that axis has the same order of terms with d substituted as with d in memory. */
static bool runs_along_rows(const fv_definition *d) {
    int last = d->rank - 1;
    fv_load_count along = {0};
    if (last < 0 || fv_is_contraction(d->body))
        return false;
    fv_x_count_loads(d->body, d->index[last], &along);
    for (int i = 0; i < last; i++)
        if (fv_x_runs_across(d->body, d->index[last], d->index[i]))
            return false;
    return along.contiguous > 0;
}

/* Are the rows of d tasks of their own? If there is only one row and it is long, it is divided
 * among tasks. */
static bool has_rows(const fv_definition *d) {
    int64_t rows = 1;
    for (int i = 0; i < d->rank - 1; i++)
        rows *= fv_dim_is_one(d->index[i]->dim) ? 1 : 2;
    return rows > 1 || d->index[d->rank - 1]->dim->hi <= FV_LONG_ROW;
}

/* Does d use each element of this load for one of its rows only? With `along`, the load must also
 * run along the row, at the row's own index or once along the sum. */
static bool is_of_row(const fv_expr *load, const fv_definition *d, const fv_expr *sum, bool along) {
    const fv_type *t = ((const fv_value *)load->u.buf->value)->type;
    const fv_var *row = d->rank ? d->index[d->rank - 1] : NULL,
                 *k = sum ? sum->u.red.vars[0] : NULL;
    bool indexed[FV_MAX_RANK + 1] = {0};
    if (sum && sum->u.red.nvars != 1)
        return false;
    for (int i = 0; i < t->rank; i++) {
        const fv_expr *x = load->arg[i];
        bool last = i == t->rank - 1, summed = last && x->op == FV_X_VAR && k && x->u.var == k;
        int a = fv_axis_read(x, d);
        if (summed ? k->dim != t->dims[i] : a < d->rank ? indexed[a] : !fv_dim_is_one(t->dims[i]))
            return false;
        if (last && along && !summed && (sum || !row || a != d->rank - 1 || row->dim != t->dims[i]))
            return false;
        indexed[a] = true;
    }
    for (int a = 0; a < d->rank; a++)
        if (!indexed[a] && !fv_dim_is_one(d->index[a]->dim) &&
            (d->index[a] != row || (sum && fv_x_uses(sum, row))))
            return false;
    return true;
}

typedef struct row_use {
    const fv_value *v;
    const fv_definition *d;
    /* along: see is_of_row; product: v is a product, so that a sum of it would be a contraction */
    bool along, product;
    fv_ptrmap seen;
} row_use;

static bool is_used_by_rows(row_use *u, const fv_expr *x, const fv_expr *sum) {
    if (x->op == FV_X_LOAD && x->u.buf->value == u->v)
        return is_of_row(x, u->d, sum, u->along) && !(sum && u->product && sum->arg[0] == x);
    if (x->op == FV_X_GUARD && x->u.buf->value == u->v)
        return false;
    if (!x->n || *fv_ptrmap_at(&u->seen, x))
        return true;
    *fv_ptrmap_at(&u->seen, x) = (void *)x;
    for (int i = 0; i < x->n; i++)
        if (!is_used_by_rows(u, x->arg[i], x->op == FV_X_REDUCE ? x : sum))
            return false;
    return true;
}

bool fv_keeps_to_rows(fv_lowerer *l, const fv_value *v, const fv_op *use, bool along) {
    const fv_definition *own = fv_storage_of(l, v)->def, *d = NULL;
    for (int i = 0; i < use->nout; i++) {
        if (d && use->out[i])
            return false;
        d = use->out[i] ? fv_storage_of(l, use->out[i])->def : d;
    }
    if (!d || fv_is_contraction(d->body))
        return false;
    bool product = own->body->op == FV_X_MUL && !fv_x_equal(own->body->arg[0], own->body->arg[1]);
    row_use u = {.v = v,
                 .d = d,
                 .along = along,
                 .product = product,
                 .seen = fv_ptrmap_in(l->current.scratch)};
    return is_used_by_rows(&u, d->body, NULL);
}

/* Has the final result of the kernel the type of v, so that its row can hold v? */
static bool keeps_type(fv_lowerer *l, const fv_value *v, const fv_op *use) {
    int i = 0;
    while (!use->out[i])
        i++;
    const fv_value *end = use->out[i];
    for (int steps = 0; steps < 10; steps++) {
        if (fv_must_have_memory(l, end) || fv_distinct_users(end) != 1 ||
            !fv_is_elementwise_use(l, end->uses[0].op, end))
            break;
        end = end->uses[0].op->out[0];
    }
    return end->type->elem == v->type->elem;
}

fv_why fv_rows_reason(fv_lowerer *l, const fv_value *v, const fv_work *w, const fv_op *use) {
    const fv_definition *own = fv_storage_of(l, v)->def;
    if (!runs_along_rows(own))
        return FV_WHY_rows_across;
    if (!has_rows(own))
        return FV_WHY_rows_long;
    if (!fv_keeps_to_rows(l, v, use, true))
        return FV_WHY_rows_apart;
    return fv_is_costly_work(w) && !keeps_type(l, v, use) ? FV_WHY_rows_type : FV_WHY_none;
}

static bool reads_outside_sums(const fv_expr *x, const fv_value *v, fv_ptrmap *seen) {
    if ((x->op == FV_X_LOAD || x->op == FV_X_GUARD) && x->u.buf->value == v)
        return true;
    if (!x->n || x->op == FV_X_REDUCE || *fv_ptrmap_at(seen, x))
        return false;
    *fv_ptrmap_at(seen, x) = (void *)x;
    for (int i = 0; i < x->n; i++)
        if (reads_outside_sums(x->arg[i], v, seen))
            return true;
    return false;
}

bool fv_has_other_passes(fv_lowerer *l, const fv_expr *x, const fv_value *own, fv_ptrmap *seen) {
    if (!x->n || *fv_ptrmap_at(seen, x))
        return false;
    *fv_ptrmap_at(seen, x) = (void *)x;
    fv_storage *s = fv_storage_loaded(l, x);
    if (s && s->fate == FV_FATE_SUBSTITUTED && fv_grouped_of(l, s)->passes &&
        fv_grouped_of(l, s)->rows != own)
        return true;
    for (int i = 0; i < x->n; i++)
        if (fv_has_other_passes(l, x->arg[i], own, seen))
            return true;
    return false;
}

static bool is_row_of(const fv_type *t, const fv_type *v) {
    const fv_dim *n = t->rank ? t->dims[t->rank - 1] : NULL;
    return n && !fv_dim_is_one(n) && v->rank && n == v->dims[v->rank - 1];
}

static bool is_term(fv_lowerer *l, const fv_value *v) {
    return fv_grouped_of(l, fv_storage_of(l, v))->term;
}

bool fv_loses_row(fv_lowerer *l, const fv_value *v, const fv_op *use) {
    fv_ptrmap seen = fv_ptrmap_in(l->current.scratch);
    const fv_value *y = use->nout == 1 ? use->out[0] : NULL;
    if (!y || !fv_storage_of(l, y)->def ||
        (!is_term(l, y) && reads_outside_sums(fv_storage_of(l, y)->def->body, v, &seen)))
        return false;
    for (int steps = 0; steps < 10 && y && (is_term(l, y) || !is_row_of(y->type, v->type));
         steps++) {
        if (fv_must_have_memory(l, y) || fv_distinct_users(y) != 1)
            return true;
        y = y->uses[0].op->nout == 1 ? y->uses[0].op->out[0] : NULL;
    }
    return false;
}
