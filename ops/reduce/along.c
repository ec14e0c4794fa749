/* along.c - operators along one axis whose results are positions or cumulative sums. */
#include "ops/common/dims.h"

#include "ir/base/limits.h"
#include "ir/definition/recurrence.h"
#include "ir/graph/infer.h"

/* ---- ArgMax, ArgMin ---- */

static bool infer_arg(fv_op *op, bool keep) {
    const fv_type *x = fv_in_type(op, 0);
    const fv_dim *dims[FV_MAX_RANK];
    int axis, rank = 0;
    if (!fv_infer_axis(op, fv_op_int(op, "axis"), x->rank, &axis))
        return false;
    for (int i = 0; i < x->rank; i++)
        if (i != axis)
            dims[rank++] = x->dims[i];
        else if (keep)
            dims[rank++] = fv_dim_const(fv_op_module(op)->dims, 1);
    fv_infer_out(op, 0, FV_I64, rank, dims);
    return true;
}

static bool infer_arg_kept(fv_op *op) {
    return infer_arg(op, fv_op_int(op, "keepdims") != 0);
}

static bool infer_arg_dropped(fv_op *op) {
    return infer_arg(op, false);
}

static bool decompose_arg(fv_rewriter *w, fv_op *op) {
    const fv_type *y = op->out[0]->type;
    int axis;
    if (!fv_infer_axis(op, fv_op_int(op, "axis"), fv_in_type(op, 0)->rank, &axis))
        return false;
    fv_attr a[2] = {
        fv_attr_int(w->module, "axis", axis),
        fv_attr_int(w->module, "select_last_index", fv_op_int(op, "select_last_index"))};
    fv_value *v =
        fv_w_op(w, fv_op_is(op, FV_OP_ArgMax) ? FV_OP_fv_ArgMax : FV_OP_fv_ArgMin, 1, op->in, 2, a);
    fv_w_result(w, 0, v ? fv_w_reshape(w, v, y->rank, y->dims) : NULL);
    return true;
}

/* ---- Hardmax ---- */

/* Before opset 13 it was over all axes from `axis` on. */
static bool upgrade_hardmax(fv_op *op, int version) {
    if (version < 13) {
        fv_op_set_int(op, "axis", fv_op_int_of(op, "axis", version));
        fv_op_set_int(op, "flatten", 1);
    }
    return true;
}

static bool decompose_hardmax(fv_rewriter *w, fv_op *op) {
    const fv_type *x = fv_in_type(op, 0);
    fv_dims *t = w->module->dims;
    fv_value *v = op->in[0];
    int axis;
    if (!fv_infer_axis(op, fv_op_int(op, "axis"), x->rank, &axis))
        return false;
    if (fv_op_int(op, "flatten")) {
        const fv_dim *dims[2] = {fv_dim_product(t, axis, x->dims),
                                 fv_dim_product(t, x->rank - axis, x->dims + axis)};
        v = fv_w_reshape(w, v, 2, dims);
        axis = 1;
    }
    fv_attr a = fv_attr_int(w->module, "axis", axis);
    v = fv_w_op(w, FV_OP_fv_Hardmax, 1, &v, 1, &a);
    fv_w_result(w, 0, v ? fv_w_reshape(w, v, x->rank, x->dims) : NULL);
    return true;
}

/* ---- CumSum, CumProd ---- */

static bool infer_cumulate(fv_op *op) {
    const fv_type *x = fv_in_type(op, 0);
    const fv_dim *const *e;
    int n;
    if (!fv_int_operand(op, 1, &n, &e) || !fv_require_axis(op, e[0], x->rank))
        return false;
    fv_infer_like(op, 0, 0);
    return true;
}

/* Sets three dims: the product of the axes before an axis, which may be data, the dim of that axis,
 * and the product of the axes after it. Each is a sum of one term for each possible axis, of which
 * one is not 0, since products of choices would become too long. If the axis is out of range, all
 * are 0, and the run reports an error for the shape. */
static void three_axes(fv_op *op, const fv_dim *axis, const fv_dim **dims) {
    fv_dims *t = fv_op_module(op)->dims;
    const fv_type *x = fv_in_type(op, 0);
    const fv_dim *at = fv_name_dim(op, "axis", fv_dim_wrap(t, axis, fv_dim_const(t, x->rank)));
    dims[0] = dims[1] = dims[2] = fv_dim_const(t, 0);
    for (int i = 0; i < x->rank; i++) {
        const fv_dim *is = fv_dim_is(t, at, i);
        const fv_dim *parts[3] = {fv_dim_product(t, i, x->dims), x->dims[i],
                                  fv_dim_product(t, x->rank - i - 1, x->dims + i + 1)};
        for (int k = 0; k < 3; k++)
            dims[k] = fv_dim_add(t, dims[k], fv_dim_mul(t, is, parts[k]));
    }
    dims[0] = fv_name_dim(op, "before", dims[0]);
    dims[1] = fv_name_dim(op, "along", dims[1]);
    dims[2] = fv_name_dim(op, "behind", dims[2]);
}

/* Is the axis the last one but one? Then neither axes before it nor the one after it need be made
 * one axis, which may take a copy. */
static bool is_last_but_one(const fv_dim *axis, int rank) {
    return rank > 1 && fv_dim_is_const(axis) &&
           (axis->value == rank - 2 || axis->value == rank - 2 - rank);
}

static bool decompose_cumulate(fv_rewriter *w, fv_op *op) {
    const fv_type *x = fv_in_type(op, 0);
    const fv_dim *const *e, *dims[3];
    int n;
    if (!fv_elems(op, 1, &n, &e))
        return false;
    const bool as_is = is_last_but_one(e[0], x->rank);
    if (!as_is)
        three_axes(op, e[0], dims);
    fv_value *v = as_is ? op->in[0] : fv_w_reshape(w, op->in[0], 3, dims);
    fv_attr a[4] = {fv_attr_int(w->module, "product", fv_op_is(op, FV_OP_CumProd)),
                    fv_attr_int(w->module, "exclusive", fv_op_int(op, "exclusive")),
                    fv_attr_int(w->module, "reverse", fv_op_int(op, "reverse")),
                    fv_attr_int(w->module, "axis", -2)};
    v = fv_w_op(w, FV_OP_fv_Cumulate, 1, &v, 4, a);
    fv_w_result(w, 0, v && !as_is ? fv_w_reshape(w, v, x->rank, x->dims) : v);
    return true;
}

/* The type in which elements of a type are accumulated: f64 for f32, so that a running value is off
 * by its rounding only, however long it is. Models compare running sums of weights with random
 * numbers to draw from a distribution; there an error of the sum makes another choice. */
static fv_elem accumulator(fv_elem e) {
    return e == FV_F32 ? FV_F64 : fv_elem_arith(e);
}

static bool recur_cumulate(fv_definer *d, fv_recurrence *r) {
    fv_arena *a = d->arena;
    const fv_op *op = d->op;
    const fv_type *x = fv_in_type(op, 0);
    bool product = fv_op_int(op, "product"), exclusive = fv_op_int(op, "exclusive");
    int axis = (int)fv_op_int(op, "axis"), n = 0;
    axis += axis < 0 ? x->rank : 0;
    r->t = fv_d_var(d, "t", x->dims[axis]);
    fv_var *index[FV_MAX_RANK];
    fv_expr *at[FV_MAX_RANK], *own[FV_MAX_RANK];
    for (int i = 0; i < x->rank; i++) {
        at[i] = fv_x_var(a, r->t);
        if (i == axis)
            continue;
        const char *name = n < 2 ? (n ? "j" : "i") : fv_printf(a, "i%d", n);
        index[n] = fv_recurrence_index(d, r, name, x->dims[i]);
        own[n] = at[i] = fv_x_var(a, index[n]);
        n++;
    }
    if (fv_op_int(op, "reverse"))
        at[axis] =
            fv_x_bin(a, FV_X_SUB, fv_x_bin(a, FV_X_SUB, fv_x_dim(a, x->dims[axis]), fv_x_int(a, 1)),
                     at[axis]);
    const fv_elem e = accumulator(x->elem);
    fv_state *s =
        fv_recurrence_state(d, r, product ? "p" : "s", e, n, index, fv_x_const(a, e, product));
    fv_expr *before = fv_state_load(d, s->before, own);
    s->step =
        fv_x_bin(a, product ? FV_X_MUL : FV_X_ADD, before, fv_x_convert(a, e, fv_d_load(d, 0, at)));
    fv_expr *y = exclusive ? before : fv_state_load(d, s->now, own);
    fv_recurrence_element(d, r, 0, at, fv_x_convert(a, fv_elem_arith(x->elem), y));
    return true;
}

#define SUMS  (FV_SET_FLOAT | FV_SET(I32) | FV_SET(I64) | FV_SET(U32) | FV_SET(U64))
#define INDEX (FV_SET(I32) | FV_SET(I64))

const fv_opdef fv_ops_along[] = {
    {.domain = "fv",
     .name = "ArgMax",
     .id = FV_OP_fv_ArgMax,
     .since = {1},
     .doc = "the index of the largest element, or of a NaN, along an axis, which is removed; the "
            "axis is not counted from the end",
     .in = {{"data", "T", .rank = FV_RANK_FROM(1)}},
     .out = {{"Y", "T1"}},
     .attrs = {FV_A_INT("axis", 0), FV_A_INT("select_last_index", 0)},
     .types = {{"T", FV_SET_NUMBER}, {"T1", FV_SET(I64)}},
     .infer = infer_arg_dropped,
     .formula = "a.. = axis; m = max k: data[a.., k, c..]; first = min k: select(data[a.., k, c..] "
                "== m | data[a.., k, c..] != data[a.., k, c..], k, dim(data, axis)); last = max k: "
                "select(data[a.., k, c..] == m | data[a.., k, c..] != data[a.., k, c..], k, 0); "
                "Y[a.., c..] = select(select_last_index != 0, last, first)"},
    {.domain = "fv",
     .name = "ArgMin",
     .id = FV_OP_fv_ArgMin,
     .since = {1},
     .doc = "the index of the smallest element, or of a NaN, along an axis, which is removed; the "
            "axis is not counted from the end",
     .in = {{"data", "T", .rank = FV_RANK_FROM(1)}},
     .out = {{"Y", "T1"}},
     .attrs = {FV_A_INT("axis", 0), FV_A_INT("select_last_index", 0)},
     .types = {{"T", FV_SET_NUMBER}, {"T1", FV_SET(I64)}},
     .infer = infer_arg_dropped,
     .formula = "a.. = axis; m = min k: data[a.., k, c..]; first = min k: select(data[a.., k, c..] "
                "== m | data[a.., k, c..] != data[a.., k, c..], k, dim(data, axis)); last = max k: "
                "select(data[a.., k, c..] == m | data[a.., k, c..] != data[a.., k, c..], k, 0); "
                "Y[a.., c..] = select(select_last_index != 0, last, first)"},
    {.domain = "",
     .name = "ArgMax",
     .id = FV_OP_ArgMax,
     .since = {1, 11, 12, 13},
     .doc = "position of the largest element along an axis",
     .in = {{"data", "T", .rank = FV_RANK_FROM(1)}},
     .out = {{"reduced", "T1"}},
     .attrs = {FV_A_INT("axis", 0), FV_A_INT("keepdims", 1), FV_A_INT("select_last_index", 0)},
     .types = {{"T", FV_SET_NUMBER}, {"T1", FV_SET(I64)}},
     .infer = infer_arg_kept,
     .decompose = decompose_arg},
    {.domain = "",
     .name = "ArgMin",
     .since = {1, 11, 12, 13},
     .doc = "position of the smallest element along an axis",
     .in = {{"data", "T", .rank = FV_RANK_FROM(1)}},
     .out = {{"reduced", "T1"}},
     .attrs = {FV_A_INT("axis", 0), FV_A_INT("keepdims", 1), FV_A_INT("select_last_index", 0)},
     .types = {{"T", FV_SET_NUMBER}, {"T1", FV_SET(I64)}},
     .infer = infer_arg_kept,
     .decompose = decompose_arg},
    {.domain = "fv",
     .name = "Hardmax",
     .id = FV_OP_fv_Hardmax,
     .since = {1},
     .decides = true,
     .doc = "1 for the first of the largest elements along an axis, 0 for all others",
     .in = {{"X", "T", .rank = FV_RANK_FROM(1)}},
     .out = {{"Y", "T"}},
     .attrs = {FV_A_INT("axis", -1)},
     .types = {{"T", FV_SET_FLOAT}},
     .infer = fv_infer_along,
     .formula = "a.. = axis; m = max k: X[a.., k, c..]; first = min k: select(X[a.., k, c..] == m, "
                "k, dim(X, axis)); Y[a.., j, c..] = select(j == first, 1.0, 0.0)"},
    {.domain = "",
     .name = "Hardmax",
     .since = {1, 11, 13},
     .decides = true,
     .doc = "1 at the first largest element along an axis, elsewhere 0",
     .in = {{"input", "T", .rank = FV_RANK_FROM(1)}},
     .out = {{"output", "T"}},
     .attrs = {FV_A_INT("axis", -1), FV_A_INT_UNTIL(11, "axis", 1),
               /* an attribute of Fovea: over all axes from `axis` on, as before opset 13 */
               FV_A_INT("flatten", 0)},
     .types = {{"T", FV_SET_FLOAT}},
     .infer = fv_infer_along,
     .decompose = decompose_hardmax,
     .upgrade = upgrade_hardmax},
    {.domain = "",
     .name = "CumSum",
     .id = FV_OP_CumSum,
     .since = {11, 14},
     .doc = "running sums along an axis",
     .in = {{"x", "T", .rank = FV_RANK_FROM(1)}, {"axis", "T2", .rank = FV_SCALAR}},
     .out = {{"y", "T"}},
     .attrs = {FV_A_INT("exclusive", 0), FV_A_INT("reverse", 0)},
     .types = {{"T", SUMS}, {"T2", INDEX}},
     .infer = infer_cumulate,
     .decompose = decompose_cumulate},
    {.domain = "",
     .name = "CumProd",
     .id = FV_OP_CumProd,
     .since = {26},
     .doc = "running products along an axis",
     .in = {{"x", "T", .rank = FV_RANK_FROM(1)}, {"axis", "T2", .rank = FV_SCALAR}},
     .out = {{"y", "T"}},
     .attrs = {FV_A_INT("exclusive", 0), FV_A_INT("reverse", 0)},
     .types = {{"T", SUMS}, {"T2", INDEX}},
     .infer = infer_cumulate,
     .decompose = decompose_cumulate},
    {.domain = "fv",
     .name = "Cumulate",
     .id = FV_OP_fv_Cumulate,
     .since = {1},
     .doc = "cumulative sums or products along an axis",
     .in = {{"X", "T", .rank = FV_RANK_FROM(2)}},
     .out = {{"Y", "T"}},
     .attrs = {FV_A_INT("product", 0), FV_A_INT("exclusive", 0), FV_A_INT("reverse", 0),
               FV_A_INT("axis", -2)},
     .types = {{"T", SUMS}},
     .infer = fv_infer_along,
     .recur = recur_cumulate},

    {0}};
