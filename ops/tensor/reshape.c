/* reshape.c - operators that rename the indices of elements, or repeat elements: all of them become
 * views. If the target shape is known in the run only, small integer kernels compute it. */
#include "ops/common/dims.h"

#include <string.h>

#include "ir/base/limits.h"
#include "ir/base/whole.h"
#include "ir/dim/text.h"
#include "ir/graph/infer.h"
#include "ops/common/upgrade.h"
#include "ops/tensor/moved.h"

static bool infer_elem_attr(fv_op *op, int rank, int n) {
    const fv_dim *dim = fv_dim_const(fv_op_module(op)->dims, n);
    const fv_attr *to = fv_op_find_attr(op, "to");
    fv_infer_out(op, 0, to && to->kind == FV_ATTR_TYPE ? to->u.type->elem : FV_I64, rank, &dim);
    return true;
}

static const fv_dim *const *dims_attr(const fv_op *op, const char *name, int *n) {
    const fv_attr *a = fv_op_find_attr(op, name);
    *n = a && a->kind == FV_ATTR_DIMS ? a->n : 0;
    return *n ? a->u.dims : NULL;
}

/* ---- fv.Ints: dims as a tensor ---- */

static bool infer_ints(fv_op *op) {
    int n;
    const fv_dim *const *values = dims_attr(op, "values", &n);
    int64_t rank = fv_op_int(op, "rank");
    if (rank < 0 || rank > 1 || (rank == 0 && n != 1) || n > FV_MAX_ELEMS)
        return fv_op_error(op, "has %d elements for rank %lld", n, (long long)rank);
    infer_elem_attr(op, (int)rank, n);
    if (op->out[0]->type->elem == FV_I64 || op->out[0]->type->elem == FV_I32)
        fv_set_elems(op->out[0], n, values);
    return true;
}

static bool define_ints(fv_definer *d, fv_op *op) {
    fv_definition *def = fv_definition_new(d, 0);
    int n;
    const fv_dim *const *values = dims_attr(op, "values", &n);
    fv_expr *i = def->rank ? fv_x_var(d->arena, def->index[0]) : fv_x_int(d->arena, 0);
    def->body = fv_x_convert(d->arena, fv_elem_arith(op->out[0]->type->elem),
                             fv_d_pick_dim(d, i, n, values));
    return true;
}

/* ---- Shape, Size ---- */

static void shape_range(const fv_op *op, int *lo, int *hi) {
    int rank = fv_in_type(op, 0)->rank;
    int64_t start = fv_op_int(op, "start"), end = fv_op_int_or(op, "end", rank);
    start = start < 0 ? start + rank : start;
    end = end < 0 ? end + rank : end;
    *lo = start < 0 ? 0 : start > rank ? rank : (int)start;
    *hi = end < *lo ? *lo : end > rank ? rank : (int)end;
}

static bool infer_shape(fv_op *op) {
    int lo, hi;
    shape_range(op, &lo, &hi);
    const fv_dim *n = fv_dim_const(fv_op_module(op)->dims, hi - lo);
    fv_infer_out(op, 0, FV_I64, 1, &n);
    fv_set_elems(op->out[0], hi - lo, fv_in_type(op, 0)->dims + lo);
    return true;
}

static bool infer_size(fv_op *op) {
    const fv_type *t = fv_in_type(op, 0);
    const fv_dim *n = fv_dim_product(fv_op_module(op)->dims, t->rank, t->dims);
    fv_infer_out(op, 0, FV_I64, 0, NULL);
    fv_set_elems(op->out[0], 1, &n);
    return true;
}

static bool decompose_to_ints(fv_rewriter *w, fv_op *op) {
    const fv_value *v = op->out[0];
    fv_w_result(w, 0, fv_w_ints(w, v->type->elem, v->type->rank, v->nelems, v->elems));
    return true;
}

/* ---- Reshape ---- */

static bool decided_by_data(int n, const fv_dim *const *e) {
    for (int i = 0; i < n; i++)
        if (fv_dim_is_raw(e[i]))
            return true;
    return false;
}

/* The dim for -1: the number of elements of x divided by the product of the other dims. If one of
 * these is 0, that dim of x is left out on both sides: [0, 4] reshaped to [0, -1] is [0, 4], as for
 * any other size of that dim. */
static const fv_dim *remaining(fv_dims *t, const fv_type *x, int n, const fv_dim *const *dims,
                               int inferred) {
    const fv_dim *total = fv_dim_const(t, 1), *rest = total;
    int zeros = 0;
    for (int i = 0; i < n; i++)
        if (i != inferred && fv_dim_is_const(dims[i]) && !dims[i]->value)
            zeros++;
        else if (i != inferred)
            rest = fv_dim_mul(t, rest, dims[i]);
    for (int i = 0; i < x->rank; i++)
        if (!fv_dim_is_const(x->dims[i]) || x->dims[i]->value || --zeros < 0)
            total = fv_dim_mul(t, total, x->dims[i]);
    const fv_dim *q = fv_dim_quotient(t, total, rest);
    return q ? q : fv_dim_floordiv(t, total, rest);
}

/* Whether element i of a list is a number written in the model, rather than a dim of a value or
 * computed from one. Ops that only move elements are followed; other ops give written numbers if
 * all their operands are constants. */
static bool is_written(const fv_value *v, int64_t i) {
    while (v && v->kind == FV_VALUE_RESULT) {
        const fv_op *op = v->def;
        int part = 0;
        if (fv_op_is(op, FV_OP_Concat)) {
            for (; part < op->nin - 1 && fv_dim_is_const(op->in[part]->type->dims[0]) &&
                   i >= op->in[part]->type->dims[0]->value;
                 part++)
                i -= op->in[part]->type->dims[0]->value;
        } else if (!fv_op_is(op, FV_OP_Cast) && !fv_op_is(op, FV_OP_Identity) &&
                   !fv_op_is(op, FV_OP_Unsqueeze) && !fv_op_is(op, FV_OP_Squeeze) &&
                   !fv_op_is(op, FV_OP_Reshape)) {
            for (; part < op->nin; part++)
                if (op->in[part] && op->in[part]->kind != FV_VALUE_CONST)
                    return false;
            return !fv_op_is(op, FV_OP_Shape) && !fv_op_is(op, FV_OP_Size);
        }
        v = op->in[part];
    }
    return true;
}

static bool resolve_shape(fv_op *op, int n, const fv_dim *const *e, const fv_dim **dims) {
    fv_dims *t = fv_op_module(op)->dims;
    const fv_type *x = fv_in_type(op, 0);
    bool allow_zero = fv_op_int(op, "allowzero") != 0;
    int inferred = -1;
    for (int i = 0; i < n; i++) {
        dims[i] = e[i];
        if (fv_dim_is_const(e[i]) && e[i]->value == -1) {
            if (inferred >= 0)
                return fv_op_error(op, "shape has -1 at %d and at %d", inferred, i);
            inferred = i;
            continue;
        }
        if (fv_dim_is_const(e[i]) && e[i]->value < 0)
            return fv_op_error(op, "shape has %lld at %d", (long long)e[i]->value, i);
        if (fv_dim_is_const(e[i]) && !e[i]->value && !allow_zero && is_written(op->in[1], i)) {
            if (i >= x->rank)
                return fv_op_error(op, "shape has 0 at %d, but the input has rank %d", i, x->rank);
            dims[i] = x->dims[i];
        }
    }
    if (inferred >= 0)
        dims[inferred] = remaining(t, x, n, dims, inferred);
    return true;
}

/* Whether x has as many elements as these dims; if that is known in the run only, fv.Reshape checks
 * it there. */
static bool holds_all(fv_op *op, int n, const fv_dim *const *dims) {
    fv_module *m = fv_op_module(op);
    const fv_type *x = fv_in_type(op, 0);
    const fv_dim *have = fv_dim_product(m->dims, x->rank, x->dims);
    return fv_dim_compare(m->dims, have, fv_dim_product(m->dims, n, dims)) != FV_DIM_DIFFERENT ||
           fv_op_error(op, "cannot reshape %s to %s", fv_type_str(m->arena, x),
                       fv_type_str(m->arena, fv_tensor_type(m->arena, x->elem, n, dims)));
}

static bool infer_reshape(fv_op *op) {
    int n;
    const fv_dim *const *e, *dims[FV_MAX_RANK] = {0};
    if (!fv_int_operand(op, 1, &n, &e))
        return false;
    if (n > FV_MAX_RANK)
        return fv_op_error(op, "rank %d is more than %d", n, FV_MAX_RANK);
    if (!decided_by_data(n, e) && !resolve_shape(op, n, e, dims))
        return false;
    fv_infer_run_time(op, 0, fv_in_type(op, 0)->elem, n, dims);
    if (!holds_all(op, n, dims))
        return false;
    fv_infer_moved(op);
    return true;
}

static fv_value *run_time_dims(fv_rewriter *w, fv_op *op, fv_op_id kind, int nattrs, fv_attr *a) {
    const fv_type *x = fv_in_type(op, 0), *y = op->out[0]->type;
    a[nattrs] = fv_attr_dims(w->module, "dims", x->rank, x->dims);
    fv_value *v = fv_w_op(w, kind, 1, &op->in[1], nattrs + 1, a);
    fv_w_bind(w, v, y->rank, y->dims);
    return v;
}

static bool decompose_reshape(fv_rewriter *w, fv_op *op) {
    int n;
    const fv_dim *const *e;
    const fv_type *y = op->out[0]->type;
    if (!fv_elems(op, 1, &n, &e))
        return false;
    if (decided_by_data(n, e)) {
        fv_attr a[2] = {fv_attr_int(w->module, "allowzero", fv_op_int(op, "allowzero"))};
        run_time_dims(w, op, FV_OP_fv_ReshapeDims, 1, a);
    }
    fv_w_result(w, 0, fv_w_reshape(w, op->in[0], y->rank, y->dims));
    return true;
}

/* Before opset 5 the shape was an attribute. */
static bool upgrade_reshape(fv_op *op, int version) {
    return version >= 5 || fv_upgrade_attr_to_ints(op, "shape", 1);
}

static bool infer_reshape_dims(fv_op *op) {
    const fv_dim *n = fv_in_type(op, 0)->dims[0];
    fv_infer_out(op, 0, FV_I64, 1, &n);
    return true;
}

/* No dim: what binds it refuses it. */
enum { NO_DIM = -2 };

/* shape[i], or the dim of the input if shape[i] is 0; NO_DIM if the input has none. */
static fv_expr *wanted_dim(fv_definer *d, fv_op *op, fv_expr *i) {
    int rank;
    fv_arena *a = d->arena;
    const fv_dim *const *dims = dims_attr(op, "dims", &rank);
    fv_expr *e = fv_d_int(d, 0, i), *own = fv_x_int(a, NO_DIM);
    if (fv_op_int(op, "allowzero"))
        return e;
    if (rank > 0)
        own = fv_x_select(a, fv_x_bin(a, FV_X_LT, i, fv_x_int(a, rank)),
                          fv_d_pick_dim(d, i, rank, dims), own);
    return fv_x_select(a, fv_x_bin(a, FV_X_EQ, e, fv_x_int(a, 0)), own, e);
}

/* 1 if x == 0, else 0, as i64 */
static fv_expr *is_zero(fv_arena *a, fv_expr *x) {
    return fv_x_convert(a, FV_I64, fv_x_bin(a, FV_X_EQ, x, fv_x_int(a, 0)));
}

/* 1 if x == 0, else x */
static fv_expr *but_zero(fv_arena *a, fv_expr *x) {
    return fv_x_select(a, fv_x_bin(a, FV_X_EQ, x, fv_x_int(a, 0)), fv_x_int(a, 1), x);
}

static fv_expr *each_wanted(fv_definer *d, fv_op *op, fv_var **k) {
    *k = fv_d_var(d, "k", d->op->out[0]->type->dims[0]);
    return wanted_dim(d, op, fv_x_var(d->arena, *k));
}

/* The same as `remaining`, for a shape that is data. */
static fv_expr *remaining_at_run_time(fv_definer *d, fv_op *op, int rank,
                                      const fv_dim *const *dims) {
    fv_arena *a = d->arena;
    fv_var *k;
    fv_expr *total = fv_x_int(a, 1), *zeros = fv_x_int(a, 0), *e = each_wanted(d, op, &k);
    e = fv_x_select(a, fv_x_bin(a, FV_X_EQ, e, fv_x_int(a, -1)), fv_x_int(a, 1), e);
    fv_expr *rest = fv_x_reduce(a, FV_PROD, 1, &k, but_zero(a, e));
    e = each_wanted(d, op, &k);
    fv_expr *taken = fv_x_reduce(a, FV_SUM, 1, &k, is_zero(a, e));
    for (int i = 0; i < rank; i++) {
        fv_expr *x = fv_x_dim(a, dims[i]);
        bool known = fv_dim_is_const(dims[i]);
        total = fv_x_bin(a, FV_X_MUL, total,
                         !known           ? but_zero(a, x)
                         : dims[i]->value ? x
                                          : fv_x_int(a, 1));
        if (!known || !dims[i]->value)
            zeros = fv_x_bin(a, FV_X_ADD, zeros, is_zero(a, x));
    }
    return fv_x_select(a, fv_x_bin(a, FV_X_LT, taken, zeros), fv_x_int(a, 0),
                       fv_x_bin(a, FV_X_FLOORDIV, total, rest));
}

static bool define_reshape_dims(fv_definer *d, fv_op *op) {
    fv_arena *a = d->arena;
    fv_definition *def = fv_definition_new(d, 0);
    int rank;
    const fv_dim *const *dims = dims_attr(op, "dims", &rank);
    fv_expr *own = wanted_dim(d, op, fv_x_var(a, def->index[0]));
    def->body = fv_x_select(a, fv_x_bin(a, FV_X_EQ, own, fv_x_int(a, -1)),
                            remaining_at_run_time(d, op, rank, dims), own);
    return true;
}

/* ---- Flatten ---- */

static bool infer_flatten(fv_op *op) {
    fv_dims *t = fv_op_module(op)->dims;
    const fv_type *x = fv_in_type(op, 0);
    int64_t axis = fv_op_int(op, "axis");
    if (axis < -x->rank || axis > x->rank)
        return fv_op_error(op, "axis %lld is outside a tensor of rank %d", (long long)axis,
                           x->rank);
    int at = (int)(axis < 0 ? axis + x->rank : axis);
    const fv_dim *dims[2] = {fv_dim_product(t, at, x->dims),
                             fv_dim_product(t, x->rank - at, x->dims + at)};
    fv_infer_out(op, 0, x->elem, 2, dims);
    return true;
}

static bool decompose_to_reshape(fv_rewriter *w, fv_op *op) {
    const fv_type *y = op->out[0]->type;
    fv_w_result(w, 0, fv_w_reshape(w, op->in[0], y->rank, y->dims));
    return true;
}

/* ---- Squeeze, Unsqueeze ---- */

/* Marks the axes whose dim is 1 in all runs, and returns how many there are. */
static int mark_ones(const fv_op *op, bool *drop) {
    const fv_module *m = fv_op_module(op);
    const fv_type *x = fv_in_type(op, 0);
    const fv_dim *one = fv_dim_const(m->dims, 1);
    int n = 0;
    for (int i = 0; i < x->rank; i++)
        n += drop[i] = fv_module_equal(m, x->dims[i], one);
    return n;
}

/* Marks the axes that y, the type which the result has already, does not have. False: y does not
 * have the dims of the operand without axes of dim 1. */
static bool mark_missing(const fv_op *op, const fv_type *y, bool *drop) {
    const fv_module *m = fv_op_module(op);
    const fv_type *x = fv_in_type(op, 0);
    const fv_dim *one = fv_dim_const(m->dims, 1);
    int next = 0;
    for (int i = 0; i < x->rank; i++) {
        drop[i] = next == y->rank || !fv_module_equal(m, x->dims[i], y->dims[next]);
        next += !drop[i];
        if (drop[i] && !fv_module_equal(m, x->dims[i], one))
            return false;
    }
    return next == y->rank;
}

/* Marks the axes to be removed if none are given, and returns their number. An axis that is 1 only
 * in some runs stays, because the rank of a result is the same in all runs. An op that follows may
 * require a symbol to be 1 when the result has its type already, so that type then decides. */
static int default_axes(const fv_op *op, bool *drop) {
    const fv_type *y = op->out[0] ? op->out[0]->type : NULL;
    if (y && y->kind == FV_TENSOR && mark_missing(op, y, drop))
        return fv_in_type(op, 0)->rank - y->rank;
    return mark_ones(op, drop);
}

static bool squeezed(fv_op *op, bool *drop, int *count, bool *constant) {
    const fv_type *x = fv_in_type(op, 0);
    int axes[FV_MAX_RANK];
    *constant = true;
    if (!fv_op_in(op, 1)) {
        *count = default_axes(op, drop);
        return true;
    }
    *count = 0;
    if (!fv_axes_operand(op, 1, x->rank, count, axes, constant))
        return false;
    for (int i = 0; i < *count && *constant; i++)
        drop[axes[i]] = true;
    return true;
}

static bool infer_squeeze(fv_op *op) {
    fv_module *m = fv_op_module(op);
    const fv_type *x = fv_in_type(op, 0);
    const fv_dim *dims[FV_MAX_RANK] = {0};
    bool drop[FV_MAX_RANK] = {0}, constant;
    int count, rank = 0;
    if (!squeezed(op, drop, &count, &constant))
        return false;
    for (int i = 0; i < x->rank && constant; i++) {
        if (!drop[i])
            dims[rank++] = x->dims[i];
        else if (!fv_module_assume(m, x->dims[i], fv_dim_const(m->dims, 1), "squeezed axis"))
            return fv_op_error(op, "axis %d has dim %s, expected 1", i,
                               fv_dim_str(m->arena, x->dims[i]));
    }
    fv_infer_run_time(op, 0, x->elem, x->rank - count, dims);
    return true;
}

static bool infer_unsqueeze(fv_op *op) {
    const fv_type *x = fv_in_type(op, 0);
    const fv_dim *const *e, *dims[FV_MAX_RANK] = {0},
                            *one = fv_dim_const(fv_op_module(op)->dims, 1);
    int n, axes[FV_MAX_RANK];
    bool constant;
    if (!fv_int_operand(op, 1, &n, &e))
        return false;
    if (n + x->rank > FV_MAX_RANK)
        return fv_op_error(op, "rank %d is more than %d", n + x->rank, FV_MAX_RANK);
    if (!fv_axes_operand(op, 1, n + x->rank, &n, axes, &constant))
        return false;
    for (int i = 0; i < n && constant; i++)
        dims[axes[i]] = one;
    for (int i = 0, at = 0; i < n + x->rank && constant; i++)
        if (!dims[i])
            dims[i] = x->dims[at++];
    fv_infer_run_time(op, 0, x->elem, n + x->rank, dims);
    return true;
}

static bool decompose_squeeze(fv_rewriter *w, fv_op *op) {
    int n, rank = fv_in_type(op, 0)->rank;
    const fv_dim *const *e;
    if (fv_op_in(op, 1) && fv_elems(op, 1, &n, &e) && !fv_dims_are_const(n, e)) {
        bool insert = !fv_op_is(op, FV_OP_Squeeze);
        fv_attr a[3] = {fv_attr_int(w->module, "insert", insert),
                        fv_attr_int(w->module, "rank", insert ? rank + n : rank - n)};
        run_time_dims(w, op, FV_OP_fv_AxesDims, 2, a);
    }
    return decompose_to_reshape(w, op);
}

/* Before opset 13 the axes were an attribute. */
static bool upgrade_axes(fv_op *op, int version) {
    return version >= 13 || fv_upgrade_attr_to_ints(op, "axes", 1);
}

/* As an attribute, an empty list meant that all dims of 1 are removed; as an operand, it means no
 * axis. */
static bool upgrade_squeeze(fv_op *op, int version) {
    const fv_attr *axes = fv_op_find_attr(op, "axes");
    if (version < 13 && axes && !axes->n)
        fv_op_drop_attr(op, "axes");
    return upgrade_axes(op, version);
}

static bool infer_axes_dims(fv_op *op) {
    return infer_elem_attr(op, 1, (int)fv_op_int(op, "rank"));
}

/* The number of the axes that are less than `at`, as i64. */
static fv_expr *axes_before(fv_definer *d, fv_expr *at, int rank) {
    fv_arena *a = d->arena;
    fv_var *k = fv_d_var(d, "k", fv_in_type(d->op, 0)->dims[0]);
    fv_expr *axis = fv_d_wrap(d, fv_d_int(d, 0, fv_x_var(a, k)), fv_x_int(a, rank));
    return fv_x_reduce(a, FV_SUM, 1, &k, fv_x_convert(a, FV_I64, fv_x_bin(a, FV_X_LT, axis, at)));
}

static fv_expr *is_axis(fv_definer *d, fv_expr *at, int rank) {
    fv_arena *a = d->arena;
    fv_var *k = fv_d_var(d, "k", fv_in_type(d->op, 0)->dims[0]);
    fv_expr *axis = fv_d_wrap(d, fv_d_int(d, 0, fv_x_var(a, k)), fv_x_int(a, rank));
    return fv_x_reduce(a, FV_ANY, 1, &k, fv_x_bin(a, FV_X_EQ, axis, at));
}

/* Computes the dims of a Squeeze or Unsqueeze by axes that are data. */
static bool define_axes_dims(fv_definer *d, fv_op *op) {
    fv_arena *a = d->arena;
    fv_definition *def = fv_definition_new(d, 0);
    int n, rank = (int)fv_op_int(op, "rank");
    const fv_dim *const *dims = dims_attr(op, "dims", &n);
    fv_expr *i = fv_x_var(a, def->index[0]), *x = fv_x_int(a, 1);
    if (fv_op_int(op, "insert")) {
        fv_expr *from = fv_x_bin(a, FV_X_SUB, i, axes_before(d, i, rank));
        def->body = fv_x_select(a, is_axis(d, i, rank), x, fv_d_pick_dim(d, from, n, dims));
        return true;
    }
    for (int k = 0; k < n; k++) { /* axis k is kept, and i other kept axes precede it */
        fv_expr *at = fv_x_int(a, k);
        fv_expr *to = fv_x_bin(a, FV_X_SUB, at, axes_before(d, at, n));
        fv_expr *stays = fv_x_un(a, FV_X_NOT, is_axis(d, at, n));
        x = fv_x_select(a, fv_x_bin(a, FV_X_AND, stays, fv_x_bin(a, FV_X_EQ, to, i)),
                        fv_x_dim(a, dims[k]), x);
    }
    def->body = x;
    return true;
}

/* ---- Expand, Tile ---- */

static bool infer_expand(fv_op *op) {
    fv_module *m = fv_op_module(op);
    const fv_type *x = fv_in_type(op, 0);
    int n, rank;
    const fv_dim *const *e, *dims[FV_MAX_RANK];
    if (!fv_int_operand(op, 1, &n, &e))
        return false;
    if (n > FV_MAX_RANK)
        return fv_op_error(op, "rank %d is more than %d", n, FV_MAX_RANK);
    const fv_type *both[2] = {x, fv_tensor_type(m->arena, x->elem, n, e)};
    if (!fv_infer_broadcast(op, 2, both, &rank, dims))
        return false;
    fv_infer_out(op, 0, x->elem, rank, dims);
    const fv_dim *const *v;
    if (rank == 1 && fv_dim_is_const(dims[0]) && dims[0]->value <= FV_MAX_ELEMS &&
        fv_known_elems(op, 0, &n, &v) && n == 1) {
        const fv_dim *copies[FV_MAX_ELEMS];
        for (int i = 0; i < dims[0]->value; i++)
            copies[i] = v[0];
        fv_set_elems(op->out[0], (int)dims[0]->value, copies);
    }
    return true;
}

static bool decompose_expand(fv_rewriter *w, fv_op *op) {
    const fv_type *y = op->out[0]->type;
    fv_w_result(w, 0, fv_w_expand(w, op->in[0], y->rank, y->dims));
    return true;
}

static bool is_one(const fv_dim *d) {
    return fv_dim_is_const(d) && d->value == 1;
}

static bool infer_tile(fv_op *op) {
    fv_dims *t = fv_op_module(op)->dims;
    const fv_type *x = fv_in_type(op, 0);
    int n;
    const fv_dim *const *e, *dims[FV_MAX_RANK];
    if (!fv_int_operand(op, 1, &n, &e))
        return false;
    for (int i = 0; i < n; i++)
        dims[i] = fv_dim_mul(t, x->dims[i], e[i]);
    fv_infer_out(op, 0, x->elem, n, dims);
    return true;
}

/* [n] repeated r times is [1, n] expanded to [r, n]; an axis of size 1 is just expanded. */
static bool decompose_tile(fv_rewriter *w, fv_op *op) {
    const fv_type *x = fv_in_type(op, 0), *y = op->out[0]->type;
    const fv_dim *split[2 * FV_MAX_RANK], *wide[2 * FV_MAX_RANK];
    const fv_dim *const *repeats, *one = fv_dim_const(w->module->dims, 1);
    int n, rank = 0;
    if (!fv_elems(op, 1, &n, &repeats))
        return false;
    for (int i = 0; i < n; i++) {
        if (!is_one(x->dims[i]) && !is_one(repeats[i])) {
            split[rank] = one;
            wide[rank++] = repeats[i];
        }
        split[rank] = x->dims[i];
        wide[rank++] = is_one(x->dims[i]) ? repeats[i] : x->dims[i];
    }
    if (rank > FV_MAX_RANK)
        return fv_op_error(op, "repeats %d axes, at most %d of rank %d can be compiled", rank - n,
                           FV_MAX_RANK - n, n);
    fv_value *v = fv_w_reshape(w, op->in[0], rank, split);
    v = fv_w_expand(w, v, rank, wide);
    fv_w_result(w, 0, v ? fv_w_reshape(w, v, n, y->dims) : NULL);
    return true;
}

/* In opset 1 one axis was repeated: `tiles` times along `axis`, both numbers of the input's
 * type. */
static bool upgrade_tile(fv_op *op, int version) {
    if (version >= 6)
        return true;
    if (!fv_op_in(op, 1) || !fv_op_in(op, 2) || !fv_in_type(op, 0))
        return fv_op_error(op, "needs inputs 'tiles' and 'axis'");
    fv_module *m = fv_op_module(op);
    fv_rewriter w = fv_rewriter_at(op);
    const fv_dim *const *tiles, *const *axis, *repeats[FV_MAX_RANK];
    int rank = fv_in_type(op, 0)->rank, n1, n2;
    for (int i = 1; i <= 2; i++) {
        fv_value *v = op->in[i];
        if (v->kind == FV_VALUE_CONST && fv_elem_is_float(v->type->elem) && v->tensor->count == 1)
            v = fv_const_int(m, v->name, fv_whole(fv_tensor_float(v->tensor, 0)));
        fv_op_set_in(op, i, fv_w_cast(&w, v, FV_I64));
    }
    if (w.failed || !fv_elems(op, 1, &n1, &tiles) || !fv_elems(op, 2, &n2, &axis) || n1 != 1 ||
        n2 != 1)
        return fv_op_error(op, "'tiles' and 'axis' must be scalars");
    const fv_dim *at = fv_dim_wrap(m->dims, axis[0], fv_dim_const(m->dims, rank));
    at = fv_name_dim(op, "axis", at);
    for (int i = 0; i < rank; i++)
        repeats[i] = fv_name_dim(
            op, "repeats",
            fv_dim_if(m->dims, fv_dim_is(m->dims, at, i), tiles[0], fv_dim_const(m->dims, 1)));
    fv_op_set_in(op, 1, fv_w_ints(&w, FV_I64, 1, rank, repeats));
    fv_op_set_in(op, 2, NULL);
    op->nin = 2;
    return !w.failed;
}

/* ---- ConstantOfShape ---- */

static fv_elem fill_elem(const fv_op *op) {
    const fv_attr *v = fv_op_find_attr(op, "value");
    return v && v->kind == FV_ATTR_TENSOR ? v->u.tensor->elem : FV_F32;
}

static bool infer_constant_of_shape(fv_op *op) {
    const fv_attr *v = fv_op_find_attr(op, "value");
    int n;
    const fv_dim *const *e;
    if (!fv_int_operand(op, 0, &n, &e))
        return false;
    if (n > FV_MAX_RANK)
        return fv_op_error(op, "rank %d is more than %d", n, FV_MAX_RANK);
    if (v && v->u.tensor->count != 1)
        return fv_op_error(op, "attribute 'value' has %zu elements, expected 1",
                           v->u.tensor->count);
    if (!(FV_SET_DATA >> fill_elem(op) & 1))
        return fv_op_error(op, "type %s is not supported", fv_elem_name(fill_elem(op)));
    for (int i = 0; i < n; i++)
        if (fv_dim_is_const(e[i]) && e[i]->value < 0)
            return fv_op_error(op, "shape has %lld at %d", (long long)e[i]->value, i);
    fv_infer_out(op, 0, fill_elem(op), n, e);
    bool small = n == 0 || (n == 1 && fv_dim_is_const(e[0]) && e[0]->value <= FV_MAX_ELEMS);
    if (!small || (fill_elem(op) != FV_I64 && fill_elem(op) != FV_I32 && fill_elem(op) != FV_BOOL))
        return true;
    const fv_dim *fill[FV_MAX_ELEMS];
    int count = n ? (int)e[0]->value : 1;
    for (int i = 0; i < count; i++)
        fill[i] = fv_dim_const(fv_op_module(op)->dims, v ? fv_tensor_int(v->u.tensor, 0) : 0);
    fv_set_elems(op->out[0], count, fill);
    return true;
}

static bool decompose_constant_of_shape(fv_rewriter *w, fv_op *op) {
    const fv_attr *v = fv_op_find_attr(op, "value");
    const fv_type *y = op->out[0]->type;
    fv_tensor *t = fv_tensor_new(w->module->arena, y->elem, 0, NULL);
    if (v)
        memcpy((void *)(uintptr_t)t->data, v->u.tensor->data, t->bytes);
    fv_value *x = fv_const_new(w->module, "fill", t);
    fv_w_result(w, 0, fv_w_expand(w, x, y->rank, y->dims));
    return true;
}

const fv_opdef fv_ops_reshape[] = {
    {.domain = "fv",
     .name = "Ints",
     .id = FV_OP_fv_Ints,
     .since = {1},
     .doc = "an integer tensor whose elements are dims",
     .out = {{"Y", "T"}},
     .attrs = {FV_A_REQUIRED("values", DIMS), FV_A_REQUIRED("to", TYPE), FV_A_INT("rank", 1)},
     .types = {{"T", FV_SET_INT | FV_SET(BOOL)}},
     .infer = infer_ints,
     .define = define_ints},
    {.domain = "fv",
     .name = "ReshapeDims",
     .id = FV_OP_fv_ReshapeDims,
     .since = {1},
     .doc = "the dims of a Reshape of a tensor of `dims` to a shape that is data",
     .in = {{"shape", "T", .rank = FV_RANK(1)}},
     .out = {{"Y", "T"}},
     .attrs = {FV_A_REQUIRED("dims", DIMS), FV_A_INT("allowzero", 0)},
     .types = {{"T", FV_SET(I64)}},
     .infer = infer_reshape_dims,
     .define = define_reshape_dims},
    {.domain = "fv",
     .name = "AxesDims",
     .id = FV_OP_fv_AxesDims,
     .since = {1},
     .doc = "`dims` without some axes, or with additional axes of size 1; the axes are data",
     .in = {{"axes", "T", .rank = FV_RANK(1)}},
     .out = {{"Y", "T"}},
     .attrs = {FV_A_REQUIRED("dims", DIMS), FV_A_REQUIRED("rank", INT), FV_A_INT("insert", 0)},
     .types = {{"T", FV_SET(I32) | FV_SET(I64)}},
     .infer = infer_axes_dims,
     .define = define_axes_dims},
    {.domain = "",
     .name = "Shape",
     .id = FV_OP_Shape,
     .since = {1, 13, 15, 19, 21, 23, 24, 25},
     .doc = "the dims of axes start to end, as a tensor",
     .in = {{"data", "T"}},
     .out = {{"shape", "T1"}},
     .attrs = {FV_A_OPTIONAL("end", INT), FV_A_INT("start", 0)},
     .types = {{"T", FV_SET_MOVED}, {"T1", FV_SET(I64)}},
     .infer = infer_shape,
     .decompose = decompose_to_ints},
    {.domain = "",
     .name = "Size",
     .id = FV_OP_Size,
     .since = {1, 13, 19, 21, 23, 24, 25},
     .doc = "the number of elements",
     .in = {{"data", "T"}},
     .out = {{"size", "T1"}},
     .types = {{"T", FV_SET_MOVED}, {"T1", FV_SET(I64)}},
     .infer = infer_size,
     .decompose = decompose_to_ints},
    {.domain = "",
     .name = "Reshape",
     .id = FV_OP_Reshape,
     .since = {1, 5, 13, 14, 19, 21, 23, 24, 25},
     .doc = "the same elements in row-major order; a 0 written in the model keeps a dim (a 0 that "
            "is a dim of a value is a dim of 0), -1 is the remaining dim",
     .in = {{"data", "T"}, {"shape", "S", .rank = FV_LIST}},
     .out = {{"reshaped", "T"}},
     .attrs = {FV_A_INT("allowzero", 0),
               {.name = "consumed_inputs", .kind = FV_ATTR_INTS, .until = 1},
               {.name = "shape", .kind = FV_ATTR_INTS, .until = 1}},
     .types = {{"T", FV_SET_MOVED}, {"S", FV_SET(I64)}},
     .infer = infer_reshape,
     .decompose = decompose_reshape,
     .upgrade = upgrade_reshape},
    {.domain = "",
     .name = "Flatten",
     .id = FV_OP_Flatten,
     .since = {1, 9, 11, 13, 21, 23, 24, 25},
     .doc = "a matrix: one axis for the axes before `axis`, one for the others",
     .in = {{"input", "T"}},
     .out = {{"output", "T"}},
     .attrs = {FV_A_INT("axis", 1)},
     .types = {{"T", FV_SET_MOVED}},
     .infer = infer_flatten,
     .decompose = decompose_to_reshape},
    {.domain = "",
     .name = "Squeeze",
     .id = FV_OP_Squeeze,
     .since = {1, 11, 13, 21, 23, 24, 25},
     .doc = "removes the given axes of dim 1, by default all axes of dim 1",
     .in = {{"data", "T"}, {"axes", "S", FV_OPTIONAL_OPERAND, .rank = FV_LIST}},
     .out = {{"squeezed", "T"}},
     .attrs = {{.name = "axes", .kind = FV_ATTR_INTS, .until = 11}},
     .types = {{"T", FV_SET_MOVED}, {"S", FV_SET(I64)}},
     .infer = infer_squeeze,
     .decompose = decompose_squeeze,
     .upgrade = upgrade_squeeze},
    {.domain = "",
     .name = "Unsqueeze",
     .id = FV_OP_Unsqueeze,
     .since = {1, 11, 13, 21, 23, 24, 25},
     .doc = "inserts axes of dim 1",
     .in = {{"data", "T"}, {"axes", "S", .rank = FV_LIST}},
     .out = {{"expanded", "T"}},
     .attrs = {{.name = "axes", .kind = FV_ATTR_INTS, .until = 11}},
     .types = {{"T", FV_SET_MOVED}, {"S", FV_SET(I64)}},
     .infer = infer_unsqueeze,
     .decompose = decompose_squeeze,
     .upgrade = upgrade_axes},
    {.domain = "com.microsoft",
     .name = "ExpandDims",
     .since = {1},
     .doc = "Unsqueeze by one axis",
     .in = {{"X", "T"}, {"axis", "S", .rank = FV_ONE}},
     .out = {{"Y", "T"}},
     .types = {{"T", FV_SET_MOVED}, {"S", FV_SET(I32)}},
     .infer = infer_unsqueeze,
     .decompose = decompose_squeeze},
    {.domain = "",
     .name = "Expand",
     .id = FV_OP_Expand,
     .since = {8, 13},
     .doc = "broadcast to a shape",
     .in = {{"input", "T"}, {"shape", "S", .rank = FV_LIST}},
     .out = {{"output", "T"}},
     .types = {{"T", FV_SET_MOVED}, {"S", FV_SET(I64)}},
     .infer = infer_expand,
     .decompose = decompose_expand},
    {.domain = "",
     .name = "Tile",
     .id = FV_OP_Tile,
     .since = {1, 6, 13},
     .doc = "repeated along each axis",
     .in = {{"input", "T"}, {"repeats", "S", .rank = FV_PER_AXIS(1, "input")}},
     .out = {{"output", "T"}},
     .types = {{"T", FV_SET_MOVED}, {"S", FV_SET(I64)}},
     .infer = infer_tile,
     .decompose = decompose_tile,
     .upgrade = upgrade_tile,
     .moved = 1},
    {.domain = "",
     .name = "ConstantOfShape",
     .id = FV_OP_ConstantOfShape,
     .since = {9, 20, 21, 23, 24, 25},
     .doc = "a tensor of that shape filled with one value",
     .in = {{"input", "S", .rank = FV_LIST}},
     .out = {{"output", "T"}},
     .attrs = {FV_A_OPTIONAL("value", TENSOR)},
     .types = {{"S", FV_SET(I64)}, {"T", FV_SET_DATA}},
     .infer = infer_constant_of_shape,
     .decompose = decompose_constant_of_shape},

    {0}};
