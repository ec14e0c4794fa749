/* loop.c - see loop.h. */
#include "ir/graph/loop.h"

#include "ir/base/limits.h"
#include "ir/graph/infer.h"

const fv_region *fv_loop_body(const fv_op *op) {
    const fv_attr *a = fv_op_find_attr(op, "body");
    return a ? a->u.region : NULL;
}

int fv_loop_states(const fv_op *op) { return op->nin > FV_LOOP_FIRST ? op->nin - FV_LOOP_FIRST : 0; }

const fv_dim *fv_loop_times(const fv_op *op) {
    const fv_dim *const *times;
    int n;
    if (!fv_op_in(op, FV_LOOP_TIMES) || !fv_elems(op, FV_LOOP_TIMES, &n, &times) || n != 1)
        return NULL;
    if (!fv_dim_is_const(times[0]))
        return times[0];
    int64_t known = times[0]->value;
    return known >= FV_DIM_MAX ? NULL : known < 0 ? fv_dim_const(fv_op_module(op)->dims, 0) : times[0];
}

static bool holds(const fv_value *cond) {
    int64_t known;
    return fv_known_int(cond, &known) && known;
}

/* Without a condition at first what the body says of it does not count. */
bool fv_loop_may_end_early(const fv_op *op) {
    const fv_value *cond = fv_op_in(op, FV_LOOP_COND);
    return cond && !(holds(cond) && holds(fv_loop_body(op)->last->in[FV_BODY_GOES_ON]));
}

/* ---- symbols ---- */

static bool any_mentions(int n, const fv_dim *const *dims, const fv_dim *symbol) {
    for (int i = 0; i < n; i++)
        if (fv_dim_mentions(dims[i], symbol))
            return true;
    return false;
}

static bool value_mentions(const fv_value *v, const fv_dim *symbol) {
    return v && ((v->type && v->type->kind == FV_TENSOR && any_mentions(v->type->rank, v->type->dims, symbol)) ||
                 (v->elems && any_mentions(v->nelems, v->elems, symbol)));
}

static bool op_gives(const fv_op *op, const fv_dim *symbol) {
    const fv_attr *symbols = fv_op_find_attr(op, "symbols");
    for (int i = 0; i < op->nout; i++)
        if (value_mentions(op->out[i], symbol))
            return true;
    return symbols && symbols->kind == FV_ATTR_DIMS && any_mentions(symbols->n, symbols->u.dims, symbol);
}

static bool is_given_above(const fv_op *op, const fv_dim *symbol) {
    for (const fv_op *at = op; at; at = at->block->parent) {
        for (const fv_op *before = at->prev; before; before = before->prev)
            if (op_gives(before, symbol))
                return true;
        for (int i = 0; i < at->block->nparams; i++)
            if (value_mentions(at->block->params[i], symbol))
                return true;
    }
    return false;
}

const fv_dim *fv_unknown_above(const fv_op *op, const fv_dim *d) {
    const fv_dim *unknown = d->kind == FV_DIM_SYMBOL && d->from_data && !is_given_above(op, d) ? d : NULL;
    for (int i = 0; i < d->n && !unknown; i++)
        unknown = fv_unknown_above(op, d->arg[i]);
    return unknown;
}

bool fv_loop_changes(const fv_op *op, int k, int axis) {
    const fv_dim *d = fv_loop_body(op)->params[FV_BODY_STATE + k]->type->dims[axis];
    return d->kind == FV_DIM_SYMBOL && fv_unknown_above(op, d);
}

/* ---- Scan ---- */

int fv_scan_inputs(const fv_op *op) {
    int64_t n = fv_op_int(op, "num_scan_inputs");
    return n < 1 || n > op->nin ? -1 : (int)n;
}

bool fv_scan_axis(const fv_op *op, int k, int *axis) {
    int n, inputs = fv_scan_inputs(op);
    const int64_t *axes = fv_op_ints(op, "scan_input_axes", &n);
    const fv_type *t = op->in[op->nin - inputs + k]->type;
    if (axes && n != inputs)
        return fv_op_error(op, "scan_input_axes has %d axes for %d scan inputs", n, inputs);
    return t->kind == FV_TENSOR ? fv_infer_axis((fv_op *)(uintptr_t)op, axes ? axes[k] : 0, t->rank, axis)
                                : fv_op_error(op, "scan input %d is no tensor", k);
}

const fv_type *fv_without_axis(fv_arena *a, const fv_type *t, int axis) {
    const fv_dim *dims[FV_MAX_RANK];
    for (int i = 0, n = 0; i < t->rank; i++)
        if (i != axis)
            dims[n++] = t->dims[i];
    return fv_tensor_type(a, t->elem, t->rank - 1, dims);
}
