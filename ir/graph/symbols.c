/* symbols.c - see symbols.h. */
#include "ir/graph/symbols.h"

bool fv_dims_mention(int n, const fv_dim *const *dims, const fv_dim *symbol) {
    for (int i = 0; i < n; i++)
        if (fv_dim_mentions(dims[i], symbol))
            return true;
    return false;
}

bool fv_value_mentions(const fv_value *v, const fv_dim *symbol) {
    return v && ((v->type && v->type->kind == FV_TENSOR &&
                  fv_dims_mention(v->type->rank, v->type->dims, symbol)) ||
                 (v->elems && fv_dims_mention(v->nelems, v->elems, symbol)));
}

static bool op_gives(const fv_op *op, const fv_dim *symbol) {
    const fv_attr *symbols = fv_op_find_attr(op, "symbols");
    for (int i = 0; i < op->nout; i++)
        if (fv_value_mentions(op->out[i], symbol))
            return true;
    return symbols && symbols->kind == FV_ATTR_DIMS &&
           fv_dims_mention(symbols->n, symbols->u.dims, symbol);
}

static bool is_given_above(const fv_op *op, const fv_dim *symbol) {
    for (const fv_op *at = op; at; at = at->block->parent) {
        for (const fv_op *before = at->prev; before; before = before->prev)
            if (op_gives(before, symbol))
                return true;
        for (int i = 0; i < at->block->nparams; i++)
            if (fv_value_mentions(at->block->params[i], symbol))
                return true;
    }
    return false;
}

const fv_dim *fv_unknown_above(const fv_op *op, const fv_dim *d) {
    const fv_dim *unknown =
        d->kind == FV_DIM_SYMBOL && d->from_data && !is_given_above(op, d) ? d : NULL;
    for (int i = 0; i < d->n && !unknown; i++)
        unknown = fv_unknown_above(op, d->arg[i]);
    return unknown;
}
