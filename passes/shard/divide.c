/* divide.c - divides products whose results are read as slices of their columns only, such as one
 * for queries, keys and values, into a product for each slice. No product is computed twice, and no
 * sum changes. */
#include "ir/graph/infer.h"
#include "ir/graph/rewriter.h"
#include "passes/shard/labels.h"

/* A slice of consecutive elements along one axis. */
typedef struct range {
    int axis;
    int64_t first, n;
} range;

/* Is op a slice with constant bounds along the axis, and whole along all others? */
static bool is_range(const fv_op *op, int axis, range *out) {
    if (!fv_op_is(op, FV_OP_fv_Slice))
        return false;
    const fv_type *x = op->in[0]->type, *y = op->out[0]->type;
    const fv_dim *const *start = fv_op_find_attr(op, "start")->u.dims;
    const fv_dim *const *step = fv_op_find_attr(op, "step")->u.dims;
    for (int i = 0; i < x->rank; i++)
        if (i != axis && x->dims[i] != y->dims[i])
            return false;
    if (!fv_dim_is_const(start[axis]) || !fv_dim_is_one(step[axis]) ||
        !fv_dim_is_const(y->dims[axis]) || !fv_dim_is_const(x->dims[axis]))
        return false;
    *out = (range){axis, start[axis]->value, y->dims[axis]->value};
    return out->first >= 0 && out->first + out->n <= x->dims[axis]->value;
}

/* Has v at least two users, all of which are slices along `axis` in the block of v, which do not
 * overlap? */
static bool is_divided(const fv_value *v, int axis) {
    range a, b;
    for (int i = 0; i < v->nuses; i++) {
        if (v->uses[i].op->block != v->def->block || !is_range(v->uses[i].op, axis, &a))
            return false;
        for (int j = 0; j < i; j++)
            if (is_range(v->uses[j].op, axis, &b) && a.first < b.first + b.n &&
                b.first < a.first + a.n)
                return false;
    }
    return v->nuses > 1;
}

/* The range of operand i of op for a range of an axis of its result. False: there is none; *whole:
 * because the op needs the whole operand. */
static bool operand_range(const fv_op *op, const range *r, int i, range *out, bool *whole) {
    fv_dims *t = op->block->func->module->dims;
    const fv_shard_at at = {.axis = r->axis, .members = -1, .outer = fv_dim_const(t, 1)};
    fv_shard_at to = fv_shard_operand_at(op, &at, i);
    *whole = to.axis == FV_AXIS_WHOLE;
    if (to.axis < 0 || !fv_dim_is_one(to.outer))
        return false;
    int64_t have = fv_shard_extent(t, op->in[i]->type, &to),
            of = fv_shard_extent(t, op->out[0]->type, &at);
    if (!have || !of || r->first * have % of || r->n * have % of)
        return false;
    *out = (range){to.axis, r->first * have / of, r->n * have / of};
    return true;
}

/* Can v be computed for a range of the axis from ranges of axes of its operands, and so on up to
 * constants? At least one operand of each op must have such an axis. */
static bool can_restrict(const fv_value *v, const range *r) {
    const fv_op *op = v->kind == FV_VALUE_RESULT ? v->def : NULL;
    bool any = false;
    if (v->kind == FV_VALUE_CONST)
        return v->tensor->elem != FV_STRING;
    if (!op || op->nout != 1)
        return false;
    for (int i = 0; i < op->nin; i++) {
        range of;
        bool whole, found = operand_range(op, r, i, &of, &whole);
        const fv_value *x = found ? op->in[i] : NULL;
        if (whole)
            continue;
        if (!x || (x->kind == FV_VALUE_RESULT && x->nuses > 1) || !can_restrict(x, &of))
            return false;
        any = true;
    }
    return any;
}

/* The constant operands of a product are restricted, or an op that makes one of them. */
static fv_value *restricted(fv_rewriter *w, fv_value *v, const range *r) {
    fv_arena *a = w->module->arena;
    if (v->kind == FV_VALUE_CONST)
        return fv_const_new(w->module, v->name,
                            fv_shard_slice(a, v->tensor, r->axis, 1, r->first, r->n));
    fv_op *op = v->def;
    fv_value **in = FV_NEW(a, fv_value *, op->nin);
    fv_attr *attrs = FV_NEW(a, fv_attr, op->nattrs);
    for (int i = 0; i < op->nin; i++) {
        range of;
        bool whole;
        in[i] = operand_range(op, r, i, &of, &whole) ? restricted(w, op->in[i], &of) : op->in[i];
    }
    const fv_dim **dims = FV_NEW(a, const fv_dim *, v->type->rank + 1);
    for (int i = 0; i < v->type->rank; i++)
        dims[i] = i == r->axis ? fv_dim_const(w->module->dims, r->n) : v->type->dims[i];
    for (int i = 0; i < op->nattrs; i++)
        attrs[i] = op->attrs[i];
    if (fv_op_find_attr(op, "dims"))
        attrs[fv_op_find_attr(op, "dims") - op->attrs] =
            fv_attr_dims(w->module, "dims", v->type->rank, dims);
    fv_value *y = fv_w_def(w, op->def, op->nin, in, op->nattrs, attrs);
    if (y)
        y->def->origin = op->origin;
    return y;
}

/* The operand that an elementwise op has along the axis of its result, at index *axis; NULL. */
static const fv_value *along(const fv_op *op, int *axis) {
    for (int i = 0; i < op->nin; i++) {
        int a = op->nout == 1 && op->in[i] && op->in[i]->kind == FV_VALUE_RESULT
                    ? fv_shard_operand_axis(op, *axis, i)
                    : FV_AXIS_NONE;
        if (a >= 0) {
            *axis = a;
            return op->in[i];
        }
    }
    return NULL;
}

/* Does a product compute v, apart from what follows it elementwise? */
static bool is_of_product(const fv_value *v, int axis) {
    fv_shard_labels l;
    while (v && v->kind == FV_VALUE_RESULT && !fv_shard_labels_of(v->def, &l))
        v = along(v->def, &axis);
    return v && v->kind == FV_VALUE_RESULT && !fv_op_is(v->def, FV_OP_fv_Gather);
}

/* Can v be computed for each of the slices that read it? */
static bool can_divide(const fv_value *v, int axis) {
    range r;
    for (int i = 0; i < v->nuses; i++)
        if (!is_range(v->uses[i].op, axis, &r) || !can_restrict(v, &r))
            return false;
    return true;
}

static bool divide(fv_op *op, int axis) {
    fv_value *v = op->out[0];
    bool ok = true;
    while (v->nuses && ok) {
        fv_op *slice = v->uses[0].op;
        range r;
        if (!is_range(slice, axis, &r))
            return false;
        fv_rewriter w = fv_rewriter_at(slice);
        fv_value *y = restricted(&w, v, &r);
        ok = y != NULL;
        if (ok) {
            fv_replace_uses(slice->out[0], y);
            fv_op_erase(slice);
        }
    }
    return ok;
}

/* Erases `op` and ops before it, if nothing uses their results any more. */
static void drop_unused(fv_op *op) {
    for (fv_op *before; op; op = before) {
        bool used = op->nout != 1 || op->def->has_effect || !op->out[0] || op->out[0]->nuses;
        before = op->prev;
        if (!used)
            fv_op_erase(op);
    }
}

bool fv_shard_divide(fv_module *m) {
    fv_op *last = NULL;
    for (fv_op *op = m->funcs->body->first; op; op = op->next) {
        int axis = op->nout == 1 && op->out[0] && op->out[0]->type->kind == FV_TENSOR
                       ? op->out[0]->type->rank - 1
                       : -1;
        if (axis < 0 || !is_divided(op->out[0], axis) || !is_of_product(op->out[0], axis) ||
            !can_divide(op->out[0], axis))
            continue;
        if (!divide(op, axis))
            return false;
        last = op;
    }
    drop_unused(last);
    return true;
}
