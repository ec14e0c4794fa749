/* generate.c - operators whose elements follow from their positions: ranges, unit matrices,
 * triangles; and Dropout, which generates nothing outside of training. */
#include "ir/ops/dims.h"

#include <math.h>

#include "ir/base/limits.h"
#include "ir/base/whole.h"
#include "ir/graph/infer.h"

/* ---- Range ---- */

static bool is_index_type(fv_elem e) {
    return e == FV_I64 || e == FV_I32;
}

/* max(0, ceil((limit - start) / delta)) */
static const fv_dim *count_ints(fv_dims *t, const fv_dim *start, const fv_dim *limit,
                                const fv_dim *delta) {
    const fv_dim *up = fv_dim_sub(t, limit, start), *down = fv_dim_sub(t, start, limit);
    const fv_dim *span = fv_dim_if(t, fv_dim_is_negative(t, delta), down, up);
    const fv_dim *size = fv_dim_max(t, delta, fv_dim_sub(t, fv_dim_const(t, 0), delta));
    return fv_dim_max(t, fv_dim_ceildiv(t, span, size), fv_dim_const(t, 0));
}

static bool are_constant_scalars(const fv_op *op) {
    for (int i = 0; i < 3; i++)
        if (op->in[i]->kind != FV_VALUE_CONST || op->in[i]->tensor->count != 1)
            return false;
    return true;
}

/* The difference is rounded as the type does, the quotient is not. */
static const fv_dim *count_constants(const fv_op *op) {
    const fv_tensor *a = op->in[0]->tensor, *b = op->in[1]->tensor, *c = op->in[2]->tensor;
    fv_dims *t = fv_op_module(op)->dims;
    if (!fv_elem_is_float(a->elem))
        return count_ints(t, fv_dim_const(t, fv_tensor_int(a, 0)), fv_dim_const(t, fv_tensor_int(b, 0)),
                          fv_dim_const(t, fv_tensor_int(c, 0)));
    double span = fv_tensor_float(b, 0) - fv_tensor_float(a, 0);
    if (fv_elem_arith(a->elem) == FV_F32)
        span = (float)span;
    double n = ceil(span / fv_tensor_float(c, 0));
    return fv_dim_const(t, !(n > 0) ? 0 : n < (double)FV_DIM_MAX ? fv_whole(n) : FV_DIM_MAX);
}

static void range_elems(fv_op *op, const fv_dim *const *start, const fv_dim *const *delta,
                        const fv_dim *n) {
    fv_dims *t = fv_op_module(op)->dims;
    const fv_dim *e[FV_MAX_ELEMS];
    if (!fv_dim_is_const(n) || n->value > FV_MAX_ELEMS)
        return;
    for (int i = 0; i < n->value; i++)
        e[i] = fv_dim_add(t, start[0], fv_dim_mul(t, fv_dim_const(t, i), delta[0]));
    fv_set_elems(op->out[0], (int)n->value, e);
}

static bool infer_range(fv_op *op) {
    fv_elem elem = fv_in_type(op, 0)->elem;
    const fv_dim *n = NULL, *const *e[3];
    int count;
    if (is_index_type(elem)) {
        for (int i = 0; i < 3; i++)
            if (!fv_int_operand(op, i, &count, &e[i]))
                return false;
        if (fv_dim_is_const(e[2][0]) && !e[2][0]->value)
            return fv_op_error(op, "delta is 0");
        n = count_ints(fv_op_module(op)->dims, e[0][0], e[1][0], e[2][0]);
    } else if (are_constant_scalars(op))
        n = count_constants(op);
    fv_infer_run_time(op, 0, elem, 1, &n);
    if (is_index_type(elem))
        range_elems(op, e[0], e[2], n);
    return true;
}

static bool decompose_range(fv_rewriter *w, fv_op *op) {
    const fv_type *y = op->out[0]->type;
    const fv_dim *known = are_constant_scalars(op) ? count_constants(op) : NULL;
    if (!is_index_type(y->elem) && known != y->dims[0]) /* it was data when types were inferred */
        fv_w_bind(w, FV_W3(w, FV_OP_fv_RangeCount, op->in[0], op->in[1], op->in[2]), 1, y->dims);
    fv_attr a = fv_attr_dims(w->module, "dims", 1, y->dims);
    fv_value *in[2] = {op->in[0], op->in[2]};
    fv_w_result(w, 0, fv_w_op(w, FV_OP_fv_Range, 2, in, 1, &a));
    return true;
}

static bool infer_range_dims(fv_op *op) {
    const fv_attr *dims = fv_op_find_attr(op, "dims");
    if (dims->n != 1)
        return fv_op_error(op, "has %d dims, expected 1", dims->n);
    fv_infer_out(op, 0, fv_in_type(op, 0)->elem, 1, dims->u.dims);
    return true;
}

static bool infer_range_count(fv_op *op) {
    fv_infer_out(op, 0, FV_I64, 0, NULL);
    return true;
}

static bool define_range_count(fv_definer *d, fv_op *op) {
    fv_arena *a = d->arena;
    fv_definition *def = fv_definition_new(d, 0);
    fv_expr *zero = fv_x_int(a, 0), *x[3];
    for (int i = 0; i < 3; i++)
        x[i] = fv_d_load(d, i, &zero);
    if (fv_elem_is_float((fv_elem)x[0]->type.elem)) {
        fv_expr *span = fv_x_convert(a, FV_F64, fv_x_bin(a, FV_X_SUB, x[1], x[0]));
        fv_expr *n = fv_x_bin(a, FV_X_DIV, span, fv_x_convert(a, FV_F64, x[2]));
        n = fv_x_convert(a, FV_I64, fv_x_un(a, FV_X_CEIL, n));
        def->body = fv_x_bin(a, FV_X_MAX, n, zero);
        return true;
    }
    for (int i = 0; i < 3; i++)
        x[i] = fv_x_convert(a, FV_I64, x[i]);
    fv_expr *down = fv_x_un(a, FV_X_NEG, fv_x_bin(a, FV_X_SUB, x[1], x[0])); /* -ceil = floor of - */
    fv_expr *n = fv_x_un(a, FV_X_NEG, fv_x_bin(a, FV_X_FLOORDIV, down, x[2]));
    def->body = fv_x_bin(a, FV_X_MAX, n, zero);
    (void)op;
    return true;
}

/* ---- EyeLike ---- */

static bool infer_eye(fv_op *op) {
    const fv_type *x = fv_in_type(op, 0);
    int64_t e = fv_op_int_or(op, "dtype", x->elem);
    if (e <= FV_NO_ELEM || e >= FV_ELEM_END || !(FV_SET_DATA >> e & 1))
        return fv_op_error(op, "attribute 'dtype' is %lld, which is not supported", (long long)e);
    fv_infer_out(op, 0, (fv_elem)e, 2, x->dims);
    return true;
}

/* ---- Dropout ---- */

static bool is_constant(const fv_value *v, double x) {
    if (!v || v->kind != FV_VALUE_CONST || v->tensor->count != 1)
        return false;
    return v->type->elem == FV_BOOL ? (double)fv_tensor_int(v->tensor, 0) == x
                                    : fv_tensor_float(v->tensor, 0) == x;
}

static bool drops_at_random(const fv_op *op, const char *why) {
    return fv_op_error(op, "operator not in the catalogue for training that drops at random: %s",
                       why);
}

static bool infer_dropout(fv_op *op) {
    const fv_type *x = fv_in_type(op, 0);
    const fv_value *training = fv_op_in(op, 2), *ratio = fv_op_in(op, 1);
    if (training && !is_constant(training, 0) && !is_constant(ratio, 0))
        return drops_at_random(op, "training_mode is not constantly false, nor ratio 0");
    int64_t mask = fv_op_int_or(op, "mask_type", FV_BOOL);
    if (mask != FV_BOOL && mask != x->elem)
        return fv_op_error(op, "mask_type is %lld, expected that of bool or of the data", (long long)mask);
    fv_infer_like(op, 0, 0);
    fv_infer_out(op, 1, (fv_elem)mask, x->rank, x->dims);
    return true;
}

static bool decompose_dropout(fv_rewriter *w, fv_op *op) {
    fv_w_result(w, 0, op->in[0]);
    if (op->nout > 1 && op->out[1]) {
        const fv_type *y = op->out[1]->type;
        fv_w_result(w, 1, fv_w_expand(w, fv_w_int(w, y->elem, 1), y->rank, y->dims));
    }
    return true;
}

/* Before opset 7 one said that it is no training, before 10 the mask was of the data's type, before
 * 12 the ratio was an attribute. */
static bool upgrade_dropout(fv_op *op, int version) {
    const fv_type *x = fv_in_type(op, 0);
    if (version < 7 && !fv_op_int_of(op, "is_test", version) && fv_op_float_of(op, "ratio", version) != 0)
        return drops_at_random(op, "neither is_test is set, nor ratio 0");
    if (version < 10 && x)
        fv_op_set_int(op, "mask_type", x->elem);
    return true;
}

#define FLOATS                                                                                     \
    (FV_SET_FLOAT | FV_SET(F8E4M3FN) | FV_SET(F8E4M3FNUZ) | FV_SET(F8E5M2) | FV_SET(F8E5M2FNUZ))

const fv_opdef fv_ops_generate[] = {
    {.domain = "", .name = "Range", .id = FV_OP_Range, .since = {11, 27},
     .doc = "start, start + delta, ... before limit",
     .in = {{"start", "T", .rank = FV_SCALAR}, {"limit", "T", .rank = FV_SCALAR}, {"delta", "T", .rank = FV_SCALAR}}, .out = {{"output", "T"}},
     .attrs = {FV_A_INT("stash_type", 1)},
     .types = {{"T", FV_SET_FLOAT | FV_SET(I16) | FV_SET(I32) | FV_SET(I64)}},
     .infer = infer_range,
     .decompose = decompose_range},
    {.domain = "fv", .name = "Range", .id = FV_OP_fv_Range, .since = {1},
     .doc = "start + i * delta, i < dims",
     .in = {{"start", "T", .rank = FV_SCALAR}, {"delta", "T", .rank = FV_SCALAR}}, .out = {{"Y", "T"}},
     .attrs = {FV_A_REQUIRED("dims", DIMS)},
     .types = {{"T", FV_SET_NUMBER}},
     .infer = infer_range_dims,
     .formula = "Y[i] = start + T(i) * delta"},
    {.domain = "fv", .name = "RangeCount", .id = FV_OP_fv_RangeCount, .since = {1},
     .doc = "how many elements a Range has",
     .in = {{"start", "T", .rank = FV_SCALAR}, {"limit", "T", .rank = FV_SCALAR}, {"delta", "T", .rank = FV_SCALAR}}, .out = {{"Y", "T1"}},
     .types = {{"T", FV_SET_NUMBER}, {"T1", FV_SET(I64)}},
     .infer = infer_range_count,
     .define = define_range_count},
    {.domain = "", .name = "EyeLike", .since = {9, 22},
     .doc = "ones on diagonal k, elsewhere zeros, in the shape of the input",
     .in = {{"input", "T1", .rank = FV_RANK(2)}}, .out = {{"output", "T2"}},
     .attrs = {FV_A_OPTIONAL("dtype", INT), FV_A_INT("k", 0)},
     .types = {{"T1", FV_SET_DATA}, {"T2", FV_SET_NUMBER | FV_SET(BOOL)}},
     .infer = infer_eye,
     .formula = "output[i, j] = T2(select(j == i + k, 1, 0))"},
    {.domain = "", .name = "Trilu", .since = {14},
     .doc = "the part of each matrix on and above diagonal k, or on and below; elsewhere 0",
     .in = {{"input", "T", .rank = FV_RANK_FROM(2)}, {"k", "S", FV_OPTIONAL_OPERAND, .rank = FV_SCALAR}}, .out = {{"output", "T"}},
     .attrs = {FV_A_INT("upper", 1)},
     .types = {{"T", FV_SET_DATA}, {"S", FV_SET(I64)}},
     .formula = "d = select(has(k), k, 0); keep = select(upper != 0, j - i >= d, j - i <= d); output[b.., i, j] = select(keep, input[b.., i, j], 0)"},
    {.domain = "", .name = "Dropout", .id = FV_OP_Dropout, .since = {1, 6, 7, 10, 12, 13, 22},
     .doc = "the input itself: dropping is for training, where the ratio must be 0",
     .in = {{"data", "T"}, {"ratio", "T1", FV_OPTIONAL_OPERAND, .rank = FV_SCALAR}, {"training_mode", "T2", FV_OPTIONAL_OPERAND, .rank = FV_SCALAR}},
     .out = {{"output", "T"}, {"mask", "T2", FV_OPTIONAL_OPERAND}},
     .attrs = {FV_A_OPTIONAL("seed", INT),
               FV_A_OPTIONAL("mask_type", INT), /* ours: the element type, where it is not bool */
               {.name = "consumed_inputs", .kind = FV_ATTR_INTS, .until = 1},
               FV_A_INT_UNTIL(6, "is_test", 0),
               FV_A_FLOAT_UNTIL(10, "ratio", 0.5f)},
     .types = {{"T", FLOATS}, {"T1", FLOATS}, {"T2", FV_SET(BOOL)}},
     .infer = infer_dropout,
     .decompose = decompose_dropout, .upgrade = upgrade_dropout},

    {0}};
