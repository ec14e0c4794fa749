/* summed.c - see summed.h. */
#include "backend/fuse/summed.h"

#include "backend/fuse/reading.h"
#include "backend/lowering/access.h"
#include "backend/lowering/storage.h"
#include "ir/expr/visit.h"

/* largest number of views between the product and the value in question, and between that and the
 * sum */
enum { MAX_VIEWS = 16 };

bool fv_is_float_product(const fv_definition *d) {
    return d->body->op == FV_X_MUL && fv_elem_is_float((fv_elem)d->body->type.elem);
}

/* The sum of floats in d that adds elements of v; NULL: there is none. */
static const fv_expr *sum_of(fv_lowerer *l, const fv_definition *d, const fv_value *v) {
    fv_x_visitor all = fv_x_visit(l->current.scratch, d->body);
    for (const fv_expr *x; (x = fv_x_next(&all));)
        if (fv_x_is_ordered(x) && x->u.red.kind == FV_SUM && x->arg[0]->op == FV_X_LOAD &&
            x->arg[0]->u.buf->value == v)
            return x;
    return NULL;
}

bool fv_adds_elements(fv_lowerer *l, const fv_definition *d, const fv_value *v) {
    return sum_of(l, d, v) != NULL;
}

/* Does the load have an index of its own for each axis of d and each variable of the sum (NULL:
 * none)? Then each element is read at most once. */
static bool reads_once(const fv_expr *load, const fv_definition *d, const fv_expr *sum) {
    for (int i = 0; i < load->u.buf->rank; i++) {
        if (load->arg[i]->op == FV_X_CONST)
            continue;
        if (load->arg[i]->op != FV_X_VAR)
            return false;
        for (int k = 0; k < i; k++)
            if (load->arg[k] == load->arg[i])
                return false;
    }
    for (int i = 0; i < d->rank; i++)
        if (!fv_dim_is_one(d->index[i]->dim) && !fv_x_uses(load, d->index[i]))
            return false;
    for (int i = 0; sum && i < sum->u.red.nvars; i++)
        if (!fv_dim_is_one(sum->u.red.vars[i]->dim) && !fv_x_uses(load, sum->u.red.vars[i]))
            return false;
    return true;
}

/* The definition of the only user of v, which has one result and loads v in one place; NULL: there
 * is none. */
static const fv_definition *only_user(fv_lowerer *l, const fv_value *v) {
    const fv_op *use = v->nuses == 1 ? v->uses[0].op : NULL;
    const fv_storage *s = use && use->nout == 1 ? fv_storage_of(l, use->out[0]) : NULL;
    const fv_row_axes none = {0};
    return s && s->def && fv_reading_of(l, s->def, v, &none).loads == 1 ? s->def : NULL;
}

/* The value that d loads at its own index variables, in any order, and at constants; NULL: d
 * computes something, has other indices, or repeats elements. */
static const fv_value *viewed(const fv_definition *d) {
    const fv_expr *x = d->body;
    return x->op == FV_X_LOAD && reads_once(x, d, NULL) ? x->u.buf->value : NULL;
}

bool fv_is_term_of_row(fv_lowerer *l, const fv_value *v) {
    const fv_definition *d = only_user(l, v);
    const fv_expr *sum = d && v->type->rank ? sum_of(l, d, v) : NULL;
    return sum && sum->u.red.nvars == 1 && sum->arg[0]->arg[v->type->rank - 1]->op == FV_X_VAR &&
           sum->arg[0]->arg[v->type->rank - 1]->u.var == sum->u.red.vars[0];
}

bool fv_is_term_of_sum(fv_lowerer *l, const fv_value *v) {
    const fv_definition *d = fv_storage_of(l, v)->def;
    fv_expr *sums;
    for (int i = 0; d && !fv_is_float_product(d) && i < MAX_VIEWS; i++) {
        const fv_value *of = viewed(d);
        const fv_storage *s = of ? fv_storage_of(l, of) : NULL;
        d = s ? s->def : NULL;
        if (d && only_user(l, of) == NULL)
            return false;
    }
    if (!d || !fv_is_float_product(d) || fv_x_reductions(d->body, &sums, 1))
        return false;
    for (int i = 0; i < MAX_VIEWS && (d = only_user(l, v)); i++) {
        const fv_expr *sum = sum_of(l, d, v);
        if (sum)
            return reads_once(sum->arg[0], d, sum);
        if (viewed(d) != v)
            return false;
        v = d->value;
    }
    return false;
}
