/* generate.c - operators whose elements are functions of their indices: ranges, identity matrices,
 * triangles; and Dropout. */
#include "ops/common/dims.h"

#include <math.h>

#include "ir/base/limits.h"
#include "ir/base/whole.h"
#include "ir/graph/infer.h"
#include "ops/elementwise/random.h"

/* ---- Range ---- */

static bool is_index_type(fv_elem e) {
    return e == FV_I64 || e == FV_I32;
}

/* How many elements there are of start, start + delta, ... before limit. Differences are unsigned,
 * which they fit. */
static int64_t count_between(int64_t start, int64_t limit, int64_t delta) {
    bool any = delta < 0 ? limit < start : delta && start < limit;
    uint64_t span =
        delta < 0 ? (uint64_t)start - (uint64_t)limit : (uint64_t)limit - (uint64_t)start;
    uint64_t size = delta < 0 ? 0 - (uint64_t)delta : (uint64_t)delta;
    uint64_t n = any ? (span - 1) / size : 0;
    return !any ? 0 : n < FV_DIM_MAX ? (int64_t)n + 1 : FV_DIM_MAX;
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

/* The number of elements of a Range of constants. The difference is rounded to the type, the
 * quotient is not. */
static const fv_dim *count_constants(const fv_op *op) {
    const fv_tensor *a = op->in[0]->tensor, *b = op->in[1]->tensor, *c = op->in[2]->tensor;
    fv_dims *t = fv_op_module(op)->dims;
    if (!fv_elem_is_float(a->elem))
        return fv_dim_const(
            t, count_between(fv_tensor_int(a, 0), fv_tensor_int(b, 0), fv_tensor_int(c, 0)));
    double span = fv_tensor_float(b, 0) - fv_tensor_float(a, 0);
    if (fv_elem_arith(a->elem) == FV_F32)
        span = (float)span;
    double n = ceil(span / fv_tensor_float(c, 0));
    return fv_dim_const(t, !(n > 0) ? 0 : n < (double)FV_DIM_MAX ? fv_whole(n) : FV_DIM_MAX);
}

/* Is the number of elements an expression over dims that has the value of the integers themselves?
 * A symbol that stands for an integer of the data has at most FV_DIM_MAX, whatever the integer is
 * (fv.Bind). That does not matter if it cancels out; nor if it is only the limit and the delta is 1
 * or -1, since then a limit beyond FV_DIM_MAX means more elements than an axis may have. */
static bool is_counted_by_dims(fv_dims *t, const fv_dim *start, const fv_dim *limit,
                               const fv_dim *delta) {
    bool whole = fv_dim_is_const(delta);
    if (!whole)
        return !fv_dim_is_raw(start) && !fv_dim_is_raw(limit) && !fv_dim_is_raw(delta);
    if (!fv_dim_is_raw(fv_dim_sub(t, limit, start)) && !fv_dim_is_raw(fv_dim_sub(t, start, limit)))
        return true;
    return (delta->value == 1 || delta->value == -1) && !fv_dim_is_raw(start);
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

/* The number of elements, if it is known before the run computes it; else NULL. */
static const fv_dim *known_count(fv_op *op) {
    const fv_dim *const *e[3];
    fv_dims *t = fv_op_module(op)->dims;
    int n;
    if (are_constant_scalars(op))
        return count_constants(op);
    if (!is_index_type(fv_in_type(op, 0)->elem))
        return NULL;
    for (int i = 0; i < 3; i++)
        if (!fv_known_elems(op, i, &n, &e[i]) || n != 1)
            return NULL;
    return is_counted_by_dims(t, *e[0], *e[1], *e[2]) ? count_ints(t, *e[0], *e[1], *e[2]) : NULL;
}

static bool infer_range(fv_op *op) {
    fv_elem elem = fv_in_type(op, 0)->elem;
    const fv_dim *n = NULL, *const * e[3];
    int count;
    if (is_index_type(elem)) {
        for (int i = 0; i < 3; i++)
            if (!fv_int_operand(op, i, &count, &e[i]))
                return false;
        if (fv_dim_is_const(e[2][0]) && !e[2][0]->value)
            return fv_op_error(op, "delta is 0");
    }
    n = known_count(op);
    fv_infer_run_time(op, 0, elem, 1, &n);
    if (is_index_type(elem))
        range_elems(op, e[0], e[2], n);
    return true;
}

/* The delta is 1 if it is left out. */
static bool infer_range_by_one(fv_op *op) {
    fv_rewriter w = fv_rewriter_at(op);
    fv_elem e = fv_in_type(op, 0)->elem;
    if (!fv_op_in(op, 2))
        fv_op_set_in(op, 2, fv_elem_is_float(e) ? fv_w_float(&w, e, 1) : fv_w_int(&w, e, 1));
    return infer_range(op);
}

static bool decompose_range(fv_rewriter *w, fv_op *op) {
    const fv_type *y = op->out[0]->type;
    const fv_dim *known = known_count(op);
    /* its operands may have become constant after types were inferred */
    if (!known || (are_constant_scalars(op) && known != y->dims[0]))
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

/* The number of elements for integers start, limit and delta. Differences are unsigned, which they
 * fit; 0 for a delta of 0; a number that no axis can have becomes INT64_MAX. */
static fv_expr *count_expr(fv_arena *a, fv_expr *const *x) {
    fv_expr *zero = fv_x_int(a, 0), *s[3], *u[3], *none = fv_x_const(a, FV_U64, 0);
    for (int i = 0; i < 3; i++) {
        s[i] = fv_x_convert(a, FV_I64, x[i]);
        u[i] = fv_x_convert(a, FV_U64, s[i]);
    }
    fv_expr *down = fv_x_bin(a, FV_X_LT, s[2], zero), *one = fv_x_const(a, FV_U64, 1);
    fv_expr *span =
        fv_x_select(a, down, fv_x_bin(a, FV_X_SUB, u[0], u[1]), fv_x_bin(a, FV_X_SUB, u[1], u[0]));
    fv_expr *size = fv_x_select(a, down, fv_x_bin(a, FV_X_SUB, none, u[2]), u[2]);
    fv_expr *any =
        fv_x_select(a, down, fv_x_bin(a, FV_X_LT, s[1], s[0]), fv_x_bin(a, FV_X_LT, s[0], s[1]));
    any = fv_x_bin(a, FV_X_AND, any, fv_x_bin(a, FV_X_NE, s[2], zero));
    fv_expr *n = fv_x_bin(a, FV_X_FLOORDIV, fv_x_bin(a, FV_X_SUB, span, one), size);
    n = fv_x_bin(a, FV_X_MIN, n, fv_x_const(a, FV_U64, (double)FV_DIM_MAX));
    n = fv_x_bin(a, FV_X_ADD, fv_x_convert(a, FV_I64, n), fv_x_int(a, 1));
    return fv_x_select(a, any, n, zero);
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
    def->body = count_expr(a, x);
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

/* Whether no element is dropped, whatever the values of the operands are. */
static bool drops_nothing(const fv_op *op, int ratio, int training) {
    return !fv_op_in(op, training) || is_constant(op->in[training], 0) ||
           is_constant(fv_op_in(op, ratio), 0);
}

/* The mask of elements that are kept: those whose random number is at least the ratio; all if not
 * in training. In training, *x is multiplied by 1 / (1 - ratio), and dropped elements are set to
 * 0. */
static fv_value *dropped(fv_rewriter *w, fv_op *op, int ratio, int training, fv_value **x) {
    if (!*x)
        return NULL;
    const fv_type *t = (*x)->type;
    const fv_dim *one = fv_dim_const(w->module->dims, 1);
    fv_elem e = fv_elem_arith(t->elem);
    fv_value *share = fv_op_in(op, ratio) ? fv_w_cast(w, op->in[ratio], e) : fv_w_float(w, e, 0.5),
             *train = op->in[training];
    share = fv_w_reshape(w, share, 0, &one);
    train = fv_w_reshape(w, train, 0, &one);
    fv_value *keep = FV_W2(w, FV_OP_LessOrEqual, share, fv_w_random(w, op, e, t->rank, t->dims)),
             *unit = fv_w_float(w, e, 1);
    keep = FV_W2(w, FV_OP_Or, keep, FV_W1(w, FV_OP_Not, train));
    fv_value *scale = FV_W3(w, FV_OP_Where, train,
                            FV_W2(w, FV_OP_Div, unit, FV_W2(w, FV_OP_Sub, unit, share)), unit);
    *x = FV_W3(w, FV_OP_Where, keep, FV_W2(w, FV_OP_Mul, fv_w_cast(w, *x, e), scale),
               fv_w_float(w, e, 0));
    *x = fv_w_cast(w, *x, t->elem);
    return keep;
}

static bool infer_dropout(fv_op *op) {
    const fv_type *x = fv_in_type(op, 0);
    int64_t mask = fv_op_int_or(op, "mask_type", FV_BOOL);
    if (mask != FV_BOOL && mask != x->elem)
        return fv_op_error(op, "mask_type is %lld, expected that of bool or of the data",
                           (long long)mask);
    fv_infer_like(op, 0, 0);
    fv_infer_out(op, 1, (fv_elem)mask, x->rank, x->dims);
    return true;
}

static bool decompose_dropout(fv_rewriter *w, fv_op *op) {
    fv_value *x = op->in[0], *keep = drops_nothing(op, 1, 2) ? NULL : dropped(w, op, 1, 2, &x);
    if (op->nout > 1 && op->out[1]) {
        const fv_type *y = op->out[1]->type;
        fv_w_result(w, 1,
                    keep ? fv_w_cast(w, keep, y->elem)
                         : fv_w_expand(w, fv_w_int(w, y->elem, 1), y->rank, y->dims));
    }
    if (op->out[0])
        fv_w_result(w, 0, x);
    return true;
}

/* Before opset 7 the attribute is_test turned training off, before 10 the mask had the type of the
 * data, before 12 the ratio was an attribute. */
static bool upgrade_dropout(fv_op *op, int version) {
    const fv_type *x = fv_in_type(op, 0);
    if (version < 7 && !fv_op_int_of(op, "is_test", version) &&
        fv_op_float_of(op, "ratio", version) != 0) {
        fv_module *m = fv_op_module(op);
        const int64_t scalar = 1;
        fv_tensor *training = fv_tensor_new(m->arena, FV_BOOL, 0, &scalar);
        fv_tensor_set_int(training, 0, 1);
        fv_op_set_in(
            op, 1,
            fv_const_float(m, "ratio", FV_F32, (double)fv_op_float_of(op, "ratio", version)));
        fv_op_set_in(op, 2, fv_const_new(m, "training_mode", training));
    }
    if (version < 10 && x)
        fv_op_set_int(op, "mask_type", x->elem);
    return true;
}

/* ONNX Runtime's operator: dropout of a sum with a bias, plus a residual; the mask may be packed as
 * bits. */
enum { D_DATA, D_BIAS, D_RESIDUAL, D_RATIO, D_TRAINING };

static bool infer_fused_dropout(fv_op *op) {
    const fv_type *x = fv_in_type(op, D_DATA);
    bool sums = fv_opdef_operand(op->def->in, FV_MAX_IN, D_TRAINING) != NULL;
    fv_dims *t = fv_op_module(op)->dims;
    const fv_dim *words =
        fv_dim_ceildiv(t, fv_dim_product(t, x->rank, x->dims), fv_dim_const(t, 32));
    fv_infer_like(op, 0, D_DATA);
    if (fv_op_is(op, FV_OP_com_microsoft_BiasDropout))
        fv_infer_out(op, 1, FV_BOOL, x->rank, x->dims);
    else
        fv_infer_out(op, 1, FV_U32, 1, &words);
    return !sums || (fv_infer_fits(op, D_BIAS, x->rank, x->dims) &&
                     fv_infer_fits(op, D_RESIDUAL, x->rank, x->dims));
}

/* Packs the mask: element i is bit i mod 32 of word i floordiv 32; bits after the last element are
 * 0. */
static fv_value *as_bits(fv_rewriter *w, fv_value *keep, const fv_dim *words) {
    fv_module *m = w->module;
    if (!keep)
        return NULL;
    const fv_dim *all = fv_dim_product(m->dims, keep->type->rank, keep->type->dims),
                 *zero = fv_dim_const(m->dims, 0);
    const fv_dim *width = fv_dim_const(m->dims, 32), *whole = fv_dim_mul(m->dims, words, width),
                 *rows[2] = {words, width};
    fv_attr a[2] = {fv_attr_dims(m, "begin", 1, &zero), fv_attr_dims(m, "dims", 1, &whole)},
            drop = fv_attr_int(m, "keepdims", 0);
    int64_t n = 32;
    fv_tensor *bit = fv_tensor_new(m->arena, FV_U32, 1, &n);
    for (int i = 0; i < 32; i++)
        fv_tensor_set_int(bit, (size_t)i, (int64_t)1 << i);
    keep = fv_w_reshape(w, keep, 1, &all);
    keep = fv_w_reshape(w, fv_w_op(w, FV_OP_fv_Pad, 1, &keep, 2, a), 2, rows);
    fv_value *bits =
        FV_W3(w, FV_OP_Where, keep, fv_const_new(m, "bits", bit), fv_w_int(w, FV_U32, 0));
    return fv_w_op(w, FV_OP_ReduceSum, 2,
                   (fv_value *[]){bits, fv_const_ints(m, "axes", 1, (int64_t[]){1})}, 1, &drop);
}

static bool decompose_fused_dropout(fv_rewriter *w, fv_op *op) {
    bool sums = fv_opdef_operand(op->def->in, FV_MAX_IN, D_TRAINING) != NULL;
    int ratio = sums ? D_RATIO : 1, training = sums ? D_TRAINING : 2;
    const fv_type *x = fv_in_type(op, D_DATA);
    fv_value *y = op->in[D_DATA], *keep = NULL;
    if (sums && fv_op_in(op, D_BIAS))
        y = FV_W2(w, FV_OP_Add, y, op->in[D_BIAS]);
    if (!drops_nothing(op, ratio, training))
        keep = dropped(w, op, ratio, training, &y);
    if (sums && fv_op_in(op, D_RESIDUAL))
        y = FV_W2(w, FV_OP_Add, y, op->in[D_RESIDUAL]);
    if (op->nout > 1 && op->out[1]) {
        if (!keep)
            keep = fv_w_expand(w, fv_w_int(w, FV_BOOL, 1), x->rank, x->dims);
        fv_w_result(w, 1,
                    op->out[1]->type->elem == FV_U32 ? as_bits(w, keep, op->out[1]->type->dims[0])
                                                     : keep);
    }
    if (op->out[0])
        fv_w_result(w, 0, y);
    return true;
}

#define DROPPED                                                                                    \
    {"ratio", "T1", FV_OPTIONAL_OPERAND, .rank = FV_SCALAR}, {                                     \
        "training_mode", "T2", FV_OPTIONAL_OPERAND, .rank = FV_SCALAR                              \
    }
#define DROPOUT_TYPES                                                                              \
    {"T", FV_SET_FLOAT}, {"T1", FV_SET_FLOAT}, {                                                   \
        "T2", FV_SET(BOOL)                                                                         \
    }
#define FLOATS                                                                                     \
    (FV_SET_FLOAT | FV_SET(F8E4M3FN) | FV_SET(F8E4M3FNUZ) | FV_SET(F8E5M2) | FV_SET(F8E5M2FNUZ))

const fv_opdef fv_ops_generate[] = {
    {.domain = "",
     .name = "Range",
     .id = FV_OP_Range,
     .since = {11, 27},
     .doc = "start, start + delta, ... before limit",
     .in = {{"start", "T", .rank = FV_SCALAR},
            {"limit", "T", .rank = FV_SCALAR},
            {"delta", "T", .rank = FV_SCALAR}},
     .out = {{"output", "T"}},
     .attrs = {FV_A_INT("stash_type", 1)},
     .types = {{"T", FV_SET_FLOAT | FV_SET(I16) | FV_SET(I32) | FV_SET(I64)}},
     .infer = infer_range,
     .decompose = decompose_range},
    {.domain = "com.microsoft",
     .name = "Range",
     .since = {1},
     .doc = "Range, with a default delta of 1",
     .in = {{"start", "T", .rank = FV_SCALAR},
            {"limit", "T", .rank = FV_SCALAR},
            {"delta", "T", FV_OPTIONAL_OPERAND, .rank = FV_SCALAR}},
     .out = {{"Y", "T"}},
     .types = {{"T", FV_SET_FLOAT | FV_SET(I16) | FV_SET(I32) | FV_SET(I64)}},
     .infer = infer_range_by_one,
     .decompose = decompose_range},
    {.domain = "fv",
     .name = "Range",
     .id = FV_OP_fv_Range,
     .since = {1},
     .doc = "start + i * delta, for i < dims",
     .in = {{"start", "T", .rank = FV_SCALAR}, {"delta", "T", .rank = FV_SCALAR}},
     .out = {{"Y", "T"}},
     .attrs = {FV_A_REQUIRED("dims", DIMS)},
     .types = {{"T", FV_SET_NUMBER}},
     .infer = infer_range_dims,
     .formula = "Y[i] = start + T(i) * delta"},
    {.domain = "fv",
     .name = "RangeCount",
     .id = FV_OP_fv_RangeCount,
     .since = {1},
     .doc = "the number of elements of a Range",
     .in = {{"start", "T", .rank = FV_SCALAR},
            {"limit", "T", .rank = FV_SCALAR},
            {"delta", "T", .rank = FV_SCALAR}},
     .out = {{"Y", "T1"}},
     .types = {{"T", FV_SET_NUMBER}, {"T1", FV_SET(I64)}},
     .infer = infer_range_count,
     .define = define_range_count},
    {.domain = "",
     .name = "EyeLike",
     .since = {9, 22},
     .doc = "ones on diagonal k, elsewhere zeros, in the shape of the input",
     .in = {{"input", "T1", .rank = FV_RANK(2)}},
     .out = {{"output", "T2"}},
     .attrs = {FV_A_OPTIONAL("dtype", INT), FV_A_INT("k", 0)},
     .types = {{"T1", FV_SET_DATA}, {"T2", FV_SET_NUMBER | FV_SET(BOOL)}},
     .infer = infer_eye,
     .formula = "output[i, j] = T2(select(j == i + k, 1, 0))"},
#define TRILU(in, out)                                                                             \
    "d = select(has(k), k, 0); keep = select(upper != 0, j - i >= d, j - i <= d); " out            \
    "[b.., i, j] = select(keep, " in "[b.., i, j], 0)"
    {.domain = "com.microsoft",
     .name = "Trilu",
     .since = {1},
     .doc = "Trilu, before it became part of the standard",
     .in = {{"X", "T", .rank = FV_RANK_FROM(2)},
            {"k", "S", FV_OPTIONAL_OPERAND, .rank = FV_SCALAR}},
     .out = {{"Y", "T"}},
     .attrs = {FV_A_INT("upper", 1)},
     .types = {{"T", FV_SET_DATA}, {"S", FV_SET(I64)}},
     .formula = TRILU("X", "Y")},
    {.domain = "",
     .name = "Trilu",
     .since = {14},
     .doc = "the part of each matrix on and above diagonal k, or on and below; elsewhere 0",
     .in = {{"input", "T", .rank = FV_RANK_FROM(2)},
            {"k", "S", FV_OPTIONAL_OPERAND, .rank = FV_SCALAR}},
     .out = {{"output", "T"}},
     .attrs = {FV_A_INT("upper", 1)},
     .types = {{"T", FV_SET_DATA}, {"S", FV_SET(I64)}},
     .formula = TRILU("input", "output")},
    {.domain = "",
     .name = "Dropout",
     .id = FV_OP_Dropout,
     .since = {1, 6, 7, 10, 12, 13, 22},
     .distinct = FV_DRAWS,
     .doc = "the input itself; in training random elements of it become 0, and the others make up "
            "for them",
     .in = {{"data", "T"},
            {"ratio", "T1", FV_OPTIONAL_OPERAND, .rank = FV_SCALAR},
            {"training_mode", "T2", FV_OPTIONAL_OPERAND, .rank = FV_SCALAR}},
     .out = {{"output", "T"}, {"mask", "T2", FV_OPTIONAL_OPERAND}},
     .attrs = {FV_A_OPTIONAL("seed", INT),
               /* an attribute of Fovea: the element type of the mask if it is not bool */
               FV_A_OPTIONAL("mask_type", INT),
               {.name = "consumed_inputs", .kind = FV_ATTR_INTS, .until = 1},
               FV_A_INT_UNTIL(6, "is_test", 0),
               FV_A_FLOAT_UNTIL(10, "ratio", 0.5f)},
     .types = {{"T", FLOATS}, {"T1", FLOATS}, {"T2", FV_SET(BOOL)}},
     .infer = infer_dropout,
     .decompose = decompose_dropout,
     .upgrade = upgrade_dropout},
    {.domain = "com.microsoft",
     .name = "BiasDropout",
     .id = FV_OP_com_microsoft_BiasDropout,
     .since = {1},
     .distinct = FV_DRAWS,
     .doc = "Dropout of a sum, plus a residual",
     .in = {{"data", "T"}, {"bias", "T"}, {"residual", "T", FV_OPTIONAL_OPERAND}, DROPPED},
     .out = {{"output", "T"}, {"mask", "T2", FV_OPTIONAL_OPERAND}},
     .attrs = {FV_A_OPTIONAL("seed", INT)},
     .types = {DROPOUT_TYPES},
     .infer = infer_fused_dropout,
     .decompose = decompose_fused_dropout},
    {.domain = "com.microsoft",
     .name = "BitmaskBiasDropout",
     .since = {1},
     .distinct = FV_DRAWS,
     .doc = "BiasDropout with a mask of bits, 32 in a word",
     .in = {{"data", "T"}, {"bias", "T"}, {"residual", "T", FV_OPTIONAL_OPERAND}, DROPPED},
     .out = {{"output", "T"}, {"mask", "T3", FV_OPTIONAL_OPERAND}},
     .attrs = {FV_A_OPTIONAL("seed", INT)},
     .types = {DROPOUT_TYPES, {"T3", FV_SET(U32)}},
     .infer = infer_fused_dropout,
     .decompose = decompose_fused_dropout},
    {.domain = "com.microsoft",
     .name = "BitmaskDropout",
     .since = {1},
     .distinct = FV_DRAWS,
     .doc = "Dropout with a mask of bits, 32 in a word",
     .in = {{"data", "T"}, DROPPED},
     .out = {{"output", "T"}, {"mask", "T3", FV_OPTIONAL_OPERAND}},
     .attrs = {FV_A_OPTIONAL("seed", INT)},
     .types = {DROPOUT_TYPES, {"T3", FV_SET(U32)}},
     .infer = infer_fused_dropout,
     .decompose = decompose_fused_dropout},

    {0}};
