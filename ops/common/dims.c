/* dims.c - axes, dims, and the elements of small integer operands. */
#include "ops/common/dims.h"

#include <string.h>

#include "ir/base/limits.h"
#include "ir/dim/text.h"
#include "ir/graph/infer.h"

const fv_dim *fv_dim_if(fv_dims *t, const fv_dim *p, const fv_dim *a, const fv_dim *b) {
    if (fv_dim_is_const(p))
        return p->value ? a : b;
    return fv_dim_select(t, p, a, b);
}

const fv_dim *fv_dim_wrap(fv_dims *t, const fv_dim *i, const fv_dim *n) {
    if (i->lo >= 0)
        return i;
    if (i->hi < 0)
        return fv_dim_add(t, i, n);
    return fv_dim_add(t, i, fv_dim_mul(t, fv_dim_is_negative(t, i), n));
}

bool fv_dim_is_raw(const fv_dim *e) {
    return e->from_data && e->lo < 0;
}

bool fv_dims_are_const(int n, const fv_dim *const *dims) {
    for (int i = 0; i < n; i++)
        if (!fv_dim_is_const(dims[i]))
            return false;
    return true;
}

/* ---- operands ---- */

/* The length of a list operand if it is not a constant, else NULL. */
static const fv_dim *open_length(const fv_op *op, int in) {
    const fv_type *t = fv_in_type(op, in);
    bool open = t && t->kind == FV_TENSOR && t->rank == 1 && !fv_dim_is_const(t->dims[0]);
    return open ? t->dims[0] : NULL;
}

int fv_shape_operand(const fv_op *op) {
    return fv_op_is(op, FV_OP_ConstantOfShape)                         ? 0
           : fv_op_is(op, FV_OP_Reshape) || fv_op_is(op, FV_OP_Expand) ? 1
                                                                       : -1;
}

bool fv_fix_length(fv_op *op, int in, int length) {
    return !open_length(op, in) || fv_op_set_length(op, in, length);
}

/* A hint for the user if the length of a list operand is not a constant. */
static const char *length_hint(const fv_op *op, int in) {
    fv_arena *a = fv_op_module(op)->arena;
    const fv_dim *d = open_length(op, in);
    if (!d)
        return "";
    bool shape = in == fv_shape_operand(op);
    if (d->kind != FV_DIM_SYMBOL || d->from_data)
        return shape ? "; a declared shape of the result determines it" : "";
    return fv_printf(a, "; --dim %s=N fixes it%s", fv_dim_str(a, d),
                     shape ? ", as does a declared shape of the result" : "");
}

bool fv_int_operand(fv_op *op, int in, int *n, const fv_dim *const **elems) {
    if (fv_elems(op, in, n, elems))
        return true;
    const fv_type *t = fv_in_type(op, in);
    return fv_op_error(
        op, "input '%s' is %s, expected a vector of at most %d integers whose length is known%s",
        op->def->in[in].name, fv_type_str(fv_op_module(op)->arena, t), FV_MAX_ELEMS,
        length_hint(op, in));
}

bool fv_known_elems(fv_op *op, int in, int *n, const fv_dim *const **elems) {
    const fv_value *v = fv_op_in(op, in);
    if (!v || (!v->elems && v->kind != FV_VALUE_CONST))
        return false;
    return fv_elems(op, in, n, elems);
}

static bool normalise_axes(fv_op *op, int rank, int n, const fv_dim *const *e, int *axes) {
    for (int i = 0; i < n; i++) {
        if (!fv_infer_axis(op, e[i]->value, rank, &axes[i]))
            return false;
        for (int k = 0; k < i; k++)
            if (axes[k] == axes[i])
                return fv_op_error(op, "axis %d is there twice", axes[i]);
    }
    return true;
}

bool fv_require_axis(fv_op *op, const fv_dim *axis, int rank) {
    fv_module *m = fv_op_module(op);
    fv_dims *t = m->dims;
    const fv_dim *least = fv_dim_const(t, -rank), *most = fv_dim_const(t, rank - 1);
    return fv_module_require(m, fv_dim_max(t, least, fv_dim_min(t, axis, most)), axis,
                             fv_printf(m->arena, "axis of a tensor of rank %d", rank),
                             fv_printf(m->arena, "%d <= %s <= %d", -rank,
                                       fv_dim_str(m->arena, axis), rank - 1)) ||
           fv_op_error(op, "axis %s is outside a tensor of rank %d", fv_dim_str(m->arena, axis),
                       rank);
}

bool fv_axes_operand(fv_op *op, int in, int rank, int *n, int *axes, bool *constant) {
    const fv_dim *const *e;
    if (!fv_int_operand(op, in, n, &e))
        return false;
    if (*n > rank)
        return fv_op_error(op, "has %d axes for a tensor of rank %d", *n, rank);
    *constant = fv_dims_are_const(*n, e);
    for (int i = 0; i < *n && !*constant; i++)
        if (!fv_require_axis(op, e[i], rank))
            return false;
    return !*constant || normalise_axes(op, rank, *n, e, axes);
}

/* ---- dims that depend on data ---- */

const fv_dim *fv_run_time_dim(const fv_op *op, int out, int rank, int axis, int64_t lo,
                              int64_t hi) {
    fv_module *m = fv_op_module(op);
    const fv_type *said = op->out[out]->type;
    if (said && said->kind == FV_TENSOR && said->rank == rank)
        return said->dims[axis];
    return fv_dim_fresh(m->dims, fv_printf(m->arena, "%s_%d", op->out[out]->name, axis), lo, hi,
                        true);
}

void fv_infer_run_time(fv_op *op, int out, fv_elem e, int rank, const fv_dim **dims) {
    if (!op->out[out])
        return;
    for (int i = 0; i < rank; i++)
        if (!dims[i])
            dims[i] = fv_run_time_dim(op, out, rank, i, 0, FV_DIM_MAX);
    fv_infer_out(op, out, e, rank, dims);
}

bool fv_has_dim(fv_op *op, int in, int axis, const fv_dim *dim) {
    fv_module *m = fv_op_module(op);
    const fv_type *t = fv_in_type(op, in);
    const char *name = op->def->in[in].name;
    return !t ||
           fv_module_assume(
               m, t->dims[axis], dim,
               fv_printf(m->arena, "axis %d of input '%s' of %s", axis, name, op->def->name)) ||
           fv_op_error(op, "input '%s' has %s on axis %d, expected %s", name,
                       fv_dim_str(m->arena, t->dims[axis]), axis, fv_dim_str(m->arena, dim));
}

bool fv_has_dims(fv_op *op, int in, int rank, const fv_dim *const *dims) {
    const fv_type *t = fv_in_type(op, in);
    if (t && t->rank != rank)
        return fv_op_error(op, "input '%s' has rank %d, expected %d", op->def->in[in].name, t->rank,
                           rank);
    bool fit = true;
    for (int i = 0; t && i < rank && fit; i++)
        fit = fv_has_dim(op, in, i, dims[i]);
    return fit;
}

static bool has_negative(const fv_value *v) {
    for (size_t i = 0; v->kind == FV_VALUE_CONST && i < v->tensor->count; i++)
        if (fv_tensor_int(v->tensor, i) < 0)
            return true;
    return v->kind != FV_VALUE_CONST;
}

fv_value *fv_w_rows(fv_rewriter *w, fv_value *table, fv_value *at) {
    fv_attr axis = fv_attr_int(w->module, "axis", 0);
    if (!table || !at)
        return NULL;
    if (has_negative(at)) {
        fv_value *end = fv_w_ints(w, at->type->elem, 0, 1, table->type->dims);
        at = FV_W3(w, FV_OP_Where, FV_W2(w, FV_OP_Less, at, fv_w_int(w, at->type->elem, 0)), end,
                   at);
    }
    return fv_w_op(w, FV_OP_Gather, 2, (fv_value *[]){table, at}, 1, &axis);
}

/* ---- in definitions ---- */

fv_expr *fv_d_pick(fv_definer *d, fv_expr *i, int n, fv_expr *const *choices) {
    fv_expr *x = n ? choices[n - 1] : fv_x_int(d->arena, 0);
    for (int k = n - 1; k-- > 0;)
        x = fv_x_select(d->arena, fv_x_bin(d->arena, FV_X_EQ, i, fv_x_int(d->arena, k)), choices[k],
                        x);
    return x;
}

fv_expr *fv_d_pick_dim(fv_definer *d, fv_expr *i, int n, const fv_dim *const *choices) {
    fv_expr *x[FV_MAX_ELEMS];
    for (int k = 0; k < n; k++)
        x[k] = fv_x_dim(d->arena, choices[k]);
    return fv_d_pick(d, i, n, x);
}

fv_expr *fv_d_int(fv_definer *d, int in, fv_expr *i) {
    return fv_x_convert(d->arena, FV_I64, fv_d_load(d, in, &i));
}

fv_expr *fv_d_wrap(fv_definer *d, fv_expr *i, fv_expr *n) {
    fv_arena *a = d->arena;
    return fv_x_select(a, fv_x_bin(a, FV_X_LT, i, fv_x_int(a, 0)), fv_x_bin(a, FV_X_ADD, i, n), i);
}
