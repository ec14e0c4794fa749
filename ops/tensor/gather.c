/* gather.c - operators that read elements at positions that are data. A position out of range sets
 * the kernel's error word. */
#include "ops/common/dims.h"

#include <string.h>

#include "ir/base/limits.h"
#include "ir/base/whole.h"
#include "ir/dim/text.h"
#include "ir/graph/infer.h"

/* ---- Gather ---- */

static bool gather_dims(fv_op *op, int axis, int *rank, const fv_dim **dims) {
    const fv_type *x = fv_in_type(op, 0), *j = fv_in_type(op, 1);
    *rank = x->rank - 1 + j->rank;
    if (*rank > FV_MAX_RANK)
        return fv_op_error(op, "rank %d is more than %d", *rank, FV_MAX_RANK);
    for (int i = 0; i < axis; i++)
        dims[i] = x->dims[i];
    for (int i = 0; i < j->rank; i++)
        dims[axis + i] = j->dims[i];
    for (int i = axis + 1; i < x->rank; i++)
        dims[i - 1 + j->rank] = x->dims[i];
    return true;
}

/* Computes the elements of a small integer tensor at constant positions. */
static void gather_elems(fv_op *op) {
    int n, count;
    const fv_dim *const *from, *const *at, *to[FV_MAX_ELEMS];
    if (fv_in_type(op, 0)->rank != 1 || fv_in_type(op, 1)->rank > 1 ||
        !fv_known_elems(op, 0, &n, &from) || !fv_known_elems(op, 1, &count, &at) ||
        !fv_dims_are_const(count, at))
        return;
    for (int i = 0; i < count; i++) {
        int64_t k = at[i]->value < 0 ? at[i]->value + n : at[i]->value;
        if (k < 0 || k >= n)
            return;
        to[i] = from[k];
    }
    fv_set_elems(op->out[0], count, to);
}

static bool infer_gather(fv_op *op) {
    const fv_dim *dims[FV_MAX_RANK];
    int axis, rank;
    if (!fv_infer_axis(op, fv_op_int(op, "axis"), fv_in_type(op, 0)->rank, &axis) ||
        !gather_dims(op, axis, &rank, dims))
        return false;
    fv_infer_out(op, 0, fv_in_type(op, 0)->elem, rank, dims);
    gather_elems(op);
    return true;
}

/* Replaces a Gather at positions start, start + step, ... by a slice. What is not proved about
 * their range, the run checks. */
static bool as_slice(fv_op *op, int axis, const fv_dim **start, const fv_dim **step) {
    fv_module *m = fv_op_module(op);
    fv_dims *t = m->dims;
    int n;
    const fv_dim *const *at, *size = fv_in_type(op, 0)->dims[axis], *zero = fv_dim_const(t, 0);
    if (fv_in_type(op, 1)->rank > 1 || !fv_known_elems(op, 1, &n, &at) || n < 1 ||
        fv_dim_is_raw(at[0]))
        return false;
    *step = n > 1 ? fv_dim_sub(t, at[1], at[0]) : fv_dim_const(t, 1);
    if (!fv_dim_is_const(*step) || !(*step)->value)
        return false;
    for (int i = 0; i < n; i++)
        if ((at[i]->lo < 0) != (at[0]->lo < 0) || (at[i]->lo < 0 && at[i]->hi >= 0) ||
            (i && fv_dim_sub(t, at[i], at[i - 1]) != *step))
            return false;
    *start = fv_dim_wrap(t, at[0], size);
    const fv_dim *first = *start, *last = fv_dim_wrap(t, at[n - 1], size);
    if ((*step)->value < 0) {
        first = last;
        last = *start;
    }
    /* first >= 0 and last < size are checked in the run if they are not proved */
    const fv_dim *need = fv_dim_add(t, last, fv_dim_const(t, 1));
    return fv_module_require(m, fv_dim_max(t, first, zero), first, "index of a Gather",
                             fv_printf(m->arena, "0 <= %s", fv_dim_str(m->arena, first))) &&
           fv_module_require(m, fv_dim_max(t, need, size), size, "index of a Gather",
                             fv_printf(m->arena, "%s < %s", fv_dim_str(m->arena, last),
                                       fv_dim_str(m->arena, size)));
}

static bool decompose_gather(fv_rewriter *w, fv_op *op) {
    const fv_type *x = fv_in_type(op, 0), *y = op->out[0]->type;
    fv_dims *t = w->module->dims;
    const fv_dim *start[FV_MAX_RANK], *step[FV_MAX_RANK], *dims[FV_MAX_RANK];
    int axis;
    if (!fv_infer_axis(op, fv_op_int(op, "axis"), x->rank, &axis))
        return false;
    for (int i = 0; i < x->rank; i++) {
        start[i] = fv_dim_const(t, 0);
        step[i] = fv_dim_const(t, 1);
        dims[i] = x->dims[i];
    }
    if (as_slice(op, axis, &start[axis], &step[axis])) {
        dims[axis] = fv_in_type(op, 1)->rank ? fv_in_type(op, 1)->dims[0] : fv_dim_const(t, 1);
        fv_value *v = fv_w_slice(w, op->in[0], start, step, dims);
        fv_w_result(w, 0, v ? fv_w_reshape(w, v, y->rank, y->dims) : NULL);
        return true;
    }
    fv_attr a = fv_attr_int(w->module, "axis", axis);
    fv_w_result(w, 0, fv_w_op(w, FV_OP_fv_Gather, 2, op->in, 1, &a));
    return true;
}

/* ---- TorchEmbedding ---- */

static bool infer_rows(fv_op *op) {
    const fv_dim *dims[FV_MAX_RANK];
    int rank;
    if (!gather_dims(op, 0, &rank, dims))
        return false;
    fv_infer_out(op, 0, fv_in_type(op, 0)->elem, rank, dims);
    return true;
}

static bool decompose_rows(fv_rewriter *w, fv_op *op) {
    fv_w_result(w, 0, fv_w_rows(w, op->in[0], op->in[1]));
    return true;
}

/* ---- GatherElements, GatherND ---- */

static bool infer_gather_elements(fv_op *op) {
    const fv_type *x = fv_in_type(op, 0), *j = fv_in_type(op, 1);
    int axis;
    if (!fv_infer_axis(op, fv_op_int(op, "axis"), x->rank, &axis))
        return false;
    fv_infer_out(op, 0, x->elem, j->rank, j->dims);
    return true;
}

static bool nd_shape(fv_op *op, int *batch, int *depth) {
    const fv_type *x = fv_in_type(op, 0), *j = fv_in_type(op, 1);
    int64_t b = fv_opdef_attr(op->def, "batch_dims") ? fv_op_int(op, "batch_dims") : 0;
    const fv_dim *k = j->dims[j->rank - 1];
    if (!fv_dim_is_const(k))
        return fv_op_error(op, "the last dim of indices is %s, must be constant",
                           fv_dim_str(fv_op_module(op)->arena, k));
    if (b < 0 || b >= j->rank || b + k->value > x->rank)
        return fv_op_error(op, "batch_dims %lld and indices of %lld do not fit ranks %d and %d",
                           (long long)b, (long long)k->value, x->rank, j->rank);
    *batch = (int)b;
    *depth = (int)k->value;
    return true;
}

static bool infer_gather_nd(fv_op *op) {
    const fv_type *x = fv_in_type(op, 0), *j = fv_in_type(op, 1);
    const fv_dim *dims[2 * FV_MAX_RANK];
    int batch, depth, rank = 0;
    if (!nd_shape(op, &batch, &depth))
        return false;
    for (int i = 0; i < j->rank - 1; i++)
        dims[rank++] = j->dims[i];
    for (int i = batch + depth; i < x->rank; i++)
        dims[rank++] = x->dims[i];
    if (rank > FV_MAX_RANK)
        return fv_op_error(op, "rank %d is more than %d", rank, FV_MAX_RANK);
    for (int i = 0; i < batch; i++)
        if (!fv_module_assume(fv_op_module(op), x->dims[i], j->dims[i], "batch dims of GatherND"))
            return fv_op_error(op, "data and indices differ in batch axis %d", i);
    fv_infer_out(op, 0, x->elem, rank, dims);
    return true;
}

static bool define_gather_nd(fv_definer *d, fv_op *op) {
    fv_definition *def = fv_definition_new(d, 0);
    const fv_type *x = fv_in_type(op, 0), *j = fv_in_type(op, 1);
    int batch, depth, at = 0;
    if (!nd_shape(op, &batch, &depth))
        return false;
    fv_expr *index[FV_MAX_RANK], *where[FV_MAX_RANK];
    for (int i = 0; i < j->rank - 1; i++)
        where[i] = fv_x_var(d->arena, def->index[i]);
    for (int i = 0; i < batch; i++)
        index[at++] = where[i];
    for (int k = 0; k < depth; k++, at++) {
        where[j->rank - 1] = fv_x_int(d->arena, k);
        index[at] = fv_d_wrap(d, fv_x_convert(d->arena, FV_I64, fv_d_load(d, 1, where)),
                              fv_x_dim(d->arena, x->dims[at]));
    }
    for (int i = j->rank - 1; i < def->rank; i++)
        index[at++] = fv_x_var(d->arena, def->index[i]);
    def->body = depth ? fv_d_load_checked(d, 0, index) : fv_d_load(d, 0, index);
    return true;
}

/* ---- ReverseSequence ---- */

static bool sequence_axes(fv_op *op, int *batch, int *time) {
    int64_t b = fv_op_int(op, "batch_axis"), t = fv_op_int(op, "time_axis");
    if (b < 0 || b > 1 || t != 1 - b)
        return fv_op_error(op, "batch_axis %lld and time_axis %lld: one must be 0, the other 1",
                           (long long)b, (long long)t);
    *batch = (int)b;
    *time = (int)t;
    return true;
}

static bool infer_reverse(fv_op *op) {
    const fv_type *x = fv_in_type(op, 0), *n = fv_in_type(op, 1);
    int batch = 0, time = 0;
    if (!sequence_axes(op, &batch, &time))
        return false;
    if (!fv_module_assume(fv_op_module(op), n->dims[0], x->dims[batch],
                          "lengths of ReverseSequence"))
        return fv_op_error(op, "sequence_lens does not have one length for each of the batch");
    fv_infer_like(op, 0, 0);
    return true;
}

static bool define_reverse(fv_definer *d, fv_op *op) {
    fv_arena *a = d->arena;
    fv_definition *def = fv_definition_new(d, 0);
    fv_expr *index[FV_MAX_RANK];
    int batch = 0, time = 0;
    if (!sequence_axes(op, &batch, &time))
        return false;
    for (int i = 0; i < def->rank; i++)
        index[i] = fv_x_var(a, def->index[i]);
    fv_expr *t = index[time], *n = fv_d_int(d, 1, index[batch]);
    fv_expr *mirror = fv_x_bin(a, FV_X_SUB, fv_x_bin(a, FV_X_SUB, n, fv_x_int(a, 1)), t);
    index[time] = fv_x_select(a, fv_x_bin(a, FV_X_LT, t, n), mirror, t);
    def->body = fv_d_load_checked(d, 0, index);
    return true;
}

/* ---- OneHot ---- */

/* The depth if it is known, else NULL. */
static const fv_dim *known_depth(fv_op *op) {
    int n;
    const fv_dim *const *e;
    const fv_value *v = op->in[1];
    if (fv_known_elems(op, 1, &n, &e) && n == 1)
        return e[0];
    if (v->kind != FV_VALUE_CONST || v->tensor->count != 1)
        return NULL;
    return fv_dim_const(fv_op_module(op)->dims, fv_elem_is_float(v->type->elem)
                                                    ? fv_whole(fv_tensor_float(v->tensor, 0))
                                                    : fv_tensor_int(v->tensor, 0));
}

static bool one_hot_dims(fv_op *op, int axis, const fv_dim *depth, const fv_dim **dims) {
    const fv_type *x = fv_in_type(op, 0);
    if (x->rank + 1 > FV_MAX_RANK)
        return fv_op_error(op, "rank %d is more than %d", x->rank + 1, FV_MAX_RANK);
    for (int i = 0; i <= x->rank; i++)
        dims[i] = i < axis ? x->dims[i] : i == axis ? depth : x->dims[i - 1];
    return true;
}

static bool infer_one_hot(fv_op *op) {
    fv_module *m = fv_op_module(op);
    const fv_type *x = fv_in_type(op, 0), *v = fv_in_type(op, 2);
    const fv_dim *dims[FV_MAX_RANK + 1], *depth = known_depth(op);
    int axis;
    if (depth && depth->hi < 0)
        return fv_op_error(op, "depth is %s", fv_dim_str(m->arena, depth));
    if (!fv_infer_axis(op, fv_op_int(op, "axis"), x->rank + 1, &axis) ||
        !one_hot_dims(op, axis, depth, dims))
        return false;
    fv_infer_run_time(op, 0, v->elem, x->rank + 1, dims);
    return true;
}

static bool decompose_one_hot(fv_rewriter *w, fv_op *op) {
    const fv_type *y = op->out[0]->type;
    int axis;
    if (!fv_infer_axis(op, fv_op_int(op, "axis"), y->rank, &axis))
        return false;
    if (known_depth(op) != y->dims[axis]) { /* it was not known when types were inferred */
        fv_value *n = fv_w_cast(w, fv_w_reshape(w, op->in[1], 0, NULL), FV_I64);
        fv_w_bind(w, n, 1, &y->dims[axis]);
    }
    fv_attr a[2] = {fv_attr_int(w->module, "axis", axis),
                    fv_attr_dims(w->module, "depth", 1, &y->dims[axis])};
    fv_value *in[2] = {op->in[0], op->in[2]};
    fv_w_result(w, 0, fv_w_op(w, FV_OP_fv_OneHot, 2, in, 2, a));
    return true;
}

static bool infer_fv_one_hot(fv_op *op) {
    const fv_attr *depth = fv_op_find_attr(op, "depth");
    const fv_dim *dims[FV_MAX_RANK + 1];
    int axis;
    if (depth->n != 1)
        return fv_op_error(op, "has %d depths, expected 1", depth->n);
    if (!fv_infer_axis(op, fv_op_int(op, "axis"), fv_in_type(op, 0)->rank + 1, &axis) ||
        !one_hot_dims(op, axis, depth->u.dims[0], dims))
        return false;
    fv_infer_out(op, 0, fv_in_type(op, 1)->elem, fv_in_type(op, 0)->rank + 1, dims);
    return true;
}

#define DATA  FV_SET_DATA
#define INDEX (FV_SET(I32) | FV_SET(I64))

const fv_opdef fv_ops_gather[] = {
    {.domain = "fv",
     .name = "Gather",
     .id = FV_OP_fv_Gather,
     .since = {1},
     .doc = "slices along an axis at indices that are data; the axis is not counted from the end",
     .in = {{"data", "T", .rank = FV_RANK_FROM(1)}, {"indices", "Tind"}},
     .out = {{"Y", "T"}},
     .attrs = {FV_A_INT("axis", 0)},
     .types = {{"T", FV_SET_MOVED}, {"Tind", INDEX}},
     .infer = infer_gather,
     .formula = "a.. = axis; j.. = rank(indices); i = wrap(indices[j..], dim(data, axis)); Y[a.., "
                "j.., c..] = data[a.., i, c..]"},
    {.domain = "",
     .name = "Gather",
     .id = FV_OP_Gather,
     .since = {1, 11, 13},
     .doc = "slices along an axis at the positions in indices",
     .in = {{"data", "T", .rank = FV_RANK_FROM(1)}, {"indices", "Tind"}},
     .out = {{"output", "T"}},
     .attrs = {FV_A_INT("axis", 0)},
     .types = {{"T", FV_SET_MOVED}, {"Tind", INDEX}},
     .infer = infer_gather,
     .decompose = decompose_gather},
    {.domain = "",
     .name = "GatherElements",
     .id = FV_OP_GatherElements,
     .since = {11, 13},
     .doc = "element by element: the position on one axis comes from indices",
     .in = {{"data", "T", .rank = FV_RANK_FROM(1)},
            {"indices", "Tind", .rank = FV_RANK_AS("data")}},
     .out = {{"output", "T"}},
     .attrs = {FV_A_INT("axis", 0)},
     .types = {{"T", FV_SET_MOVED}, {"Tind", INDEX}},
     .infer = infer_gather_elements,
     .formula = "a.. = axis; i = wrap(indices[a.., j, c..], dim(data, axis)); output[a.., j, c..] "
                "= data[a.., i, c..]"},
    {.domain = "com.microsoft",
     .name = "GatherND",
     .since = {1},
     .doc = "GatherND, before it became part of the standard",
     .in = {{"data", "T", .rank = FV_RANK_FROM(1)}, {"indices", "Tind", .rank = FV_RANK_FROM(1)}},
     .out = {{"output", "T"}},
     .types = {{"T", FV_SET_MOVED}, {"Tind", INDEX}},
     .infer = infer_gather_nd,
     .define = define_gather_nd},
    {.domain = "com.microsoft",
     .name = "TorchEmbedding",
     .since = {1},
     .doc = "rows of a matrix at the positions in indices; the other "
            "operands are for training only",
     .in = {{"weight", "T", .rank = FV_RANK(2)},
            {"indices", "Tind"},
            {"padding_idx", "Tind", FV_OPTIONAL_OPERAND, .rank = FV_SCALAR},
            {"scale_grad_by_freq", "B", FV_OPTIONAL_OPERAND, .rank = FV_SCALAR}},
     .out = {{"Y", "T"}},
     .types = {{"T", FV_SET_NUMBER}, {"Tind", FV_SET(I64)}, {"B", FV_SET(BOOL)}},
     .infer = infer_rows,
     .decompose = decompose_rows},
    {.domain = "",
     .name = "GatherND",
     .id = FV_OP_GatherND,
     .since = {11, 12, 13},
     .doc = "slices at positions that are rows of indices",
     .in = {{"data", "T", .rank = FV_RANK_FROM(1)}, {"indices", "Tind", .rank = FV_RANK_FROM(1)}},
     .out = {{"output", "T"}},
     .attrs = {FV_A_INT("batch_dims", 0)},
     .types = {{"T", FV_SET_MOVED}, {"Tind", FV_SET(I64)}},
     .infer = infer_gather_nd,
     .define = define_gather_nd},
    {.domain = "",
     .name = "ReverseSequence",
     .since = {10},
     .doc = "the first sequence_lens[b] elements of each sequence reversed",
     .in = {{"input", "T", .rank = FV_RANK_FROM(2)}, {"sequence_lens", "S", .rank = FV_RANK(1)}},
     .out = {{"Y", "T"}},
     .attrs = {FV_A_INT("batch_axis", 1), FV_A_INT("time_axis", 0)},
     .types = {{"T", FV_SET_MOVED}, {"S", FV_SET(I64)}},
     .infer = infer_reverse,
     .define = define_reverse},
    {.domain = "fv",
     .name = "OneHot",
     .id = FV_OP_fv_OneHot,
     .since = {1},
     .doc = "values[1] at the index that an element of indices gives along a new axis of that "
            "depth, values[0] elsewhere",
     .in = {{"indices", "T1"}, {"values", "T3", .rank = FV_LIST_OF(FV_FIXED_LENGTH, 2)}},
     .out = {{"output", "T3"}},
     .attrs = {FV_A_INT("axis", 0), FV_A_REQUIRED("depth", DIMS)},
     .types = {{"T1", FV_SET_NUMBER}, {"T3", FV_SET_MOVED}},
     .infer = infer_fv_one_hot,
     .formula = "a.. = axis; i = wrap(indices[a.., c..], dim(output, axis)); output[a.., j, c..] = "
                "select(i == j, values[1], values[0])"},
    {.domain = "",
     .name = "OneHot",
     .id = FV_OP_OneHot,
     .since = {9, 11},
     .doc = "values[1] at the position in indices along a new axis, elsewhere values[0]",
     .in = {{"indices", "T1"},
            {"depth", "T2", .rank = FV_SCALAR},
            {"values", "T3", .rank = FV_LIST_OF(FV_FIXED_LENGTH, 2)}},
     .out = {{"output", "T3"}},
     .attrs = {FV_A_INT("axis", -1)},
     .types = {{"T1", FV_SET_NUMBER},
               {"T2", FV_SET_NUMBER},
               {"T3", FV_SET_NUMBER | FV_SET(BOOL) | FV_SET(STRING)}},
     .infer = infer_one_hot,
     .decompose = decompose_one_hot},

    {0}};
