/* others.c - writes reductions, running sums, positions, quantization, resizing and recurrent
 * layers as operators of the standard. */
#include <string.h>

#include "ir/base/limits.h"
#include "ir/graph/infer.h"
#include "passes/spell/spell.h"

static bool is_text(fv_string s, const char *text) {
    return s.n == strlen(text) && !memcmp(s.s, text, s.n);
}

static fv_value *rank_one(fv_speller *s, fv_value *v, const fv_dim *n) {
    int64_t all = -1;
    return v ? fv_spell_reshape(s, v, fv_spell_type(s, v->type->elem, 1, &n), &all) : NULL;
}

/* ---- fv.Reduce ---- */

/* Finds the axes over which the op reduces. If it reduces no axis, an axis of one element is taken
 * instead, if there is one: reducing that changes nothing. False after a diagnostic. */
static bool reduced_axes(const fv_op *op, int *n, int64_t *axes) {
    const fv_type *x = fv_in_type(op, 0);
    const fv_dim *const *dims = fv_spell_attr(op, "dims", NULL), *const *extent = fv_spell_attr(
                                                                     op, "extent", NULL);
    int single = -1;
    *n = 0;
    for (int i = 0; i < x->rank; i++) {
        if (fv_dim_is_one(dims[i]) && extent[i] == x->dims[i] && !fv_dim_is_one(extent[i]))
            axes[(*n)++] = i;
        else if (!fv_dim_is_one(extent[i]) || dims[i] != x->dims[i])
            return fv_spell_refuse(op, "data decides which axes it reduces");
        else if (fv_dim_is_one(dims[i]))
            single = i;
    }
    if (!*n && single >= 0)
        axes[(*n)++] = single;
    return true;
}

bool fv_spell_reduce(fv_speller *s, fv_op *op) {
    fv_module *m = s->w.module;
    fv_string kind = fv_op_string(op, "kind");
    const fv_opdef *def = fv_op_find("", fv_strndup(m->arena, kind.s, kind.n));
    int64_t axes[FV_MAX_RANK];
    int n;
    if (!reduced_axes(op, &n, axes))
        return false;
    /* no axis is reduced: the result has the shape of x */
    bool none = !n && fv_in_type(op, 0)->rank;
    fv_value *in[2] = {op->in[0], n ? fv_const_ints(m, "axes", n, axes) : NULL};
    fv_attr a[2] = {fv_attr_int(m, "keepdims", 1), fv_attr_int(m, "noop_with_empty_axes", 1)};
    if (none && !is_text(kind, "ReduceSum") && !is_text(kind, "ReduceMean") &&
        !is_text(kind, "ReduceMax") && !is_text(kind, "ReduceMin") && !is_text(kind, "ReduceProd"))
        /* an empty list of axes means all axes in some versions of the standard, and none in
         * others */
        return fv_spell_refuse(op, "its list of axes is empty");
    return fv_spell_result(s, 0,
                           fv_spell_def(s, def, op->out[0]->type, n ? 2 : 1, in, none ? 2 : 1, a));
}

/* ---- fv.Cumulate ---- */

bool fv_spell_cumulate(fv_speller *s, fv_op *op) {
    fv_module *m = s->w.module;
    fv_value *in[2] = {op->in[0], fv_const_int(m, "axis", fv_op_int(op, "axis"))};
    fv_attr a[2] = {fv_attr_int(m, "exclusive", fv_op_int(op, "exclusive")),
                    fv_attr_int(m, "reverse", fv_op_int(op, "reverse"))};
    fv_op_id id = fv_op_int(op, "product") ? FV_OP_CumProd : FV_OP_CumSum;
    return fv_spell_result(s, 0, fv_spell_op(s, id, op->out[0]->type, 2, in, 2, a));
}

/* ---- softmax with one number more ---- */

bool fv_spell_sink_softmax(fv_speller *s, fv_op *op) {
    fv_module *m = s->w.module;
    const fv_type *x = fv_in_type(op, 0);
    const fv_dim *dims[FV_MAX_RANK], *zero = fv_dim_const(m->dims, 0),
                                     *last = fv_dim_const(m->dims, x->rank - 1);
    memcpy(dims, x->dims, (size_t)x->rank * sizeof *dims);
    dims[x->rank - 1] = fv_dim_add(m->dims, x->dims[x->rank - 1], fv_dim_const(m->dims, 1));
    const fv_dim *sink[FV_MAX_RANK];
    memcpy(sink, x->dims, (size_t)x->rank * sizeof *sink);
    sink[x->rank - 1] = fv_dim_const(m->dims, 1);
    /* the sink is one number for all rows, or one number for each row */
    fv_value *to[2] = {op->in[1], fv_spell_dims(s, x->rank, sink)};
    fv_value *in[2] = {
        op->in[0],
        fv_spell_op(s, FV_OP_Expand, fv_spell_type(s, x->elem, x->rank, sink), 2, to, 0, NULL)};
    fv_attr axis = fv_attr_int(m, "axis", -1);
    const fv_type *wide = fv_spell_type(s, x->elem, x->rank, dims);
    fv_value *v = fv_spell_op(s, FV_OP_Concat, wide, 2, in, 1, &axis);
    v = fv_spell_op(s, FV_OP_Softmax, wide, 1, &v, 1, &axis);
    fv_value *cut[4] = {v, fv_spell_dims(s, 1, &zero), fv_spell_dims(s, 1, &x->dims[x->rank - 1]),
                        fv_spell_dims(s, 1, &last)};
    return fv_spell_result(s, 0, fv_spell_op(s, FV_OP_Slice, op->out[0]->type, 4, cut, 0, NULL));
}

/* ---- positions ---- */

bool fv_spell_non_zero(fv_speller *s, fv_op *op) {
    return fv_spell_result(s, 0,
                           fv_spell_op(s, FV_OP_NonZero, op->out[0]->type, 1, op->in, 0, NULL));
}

/* Counts the elements that are not 0. NaN counts as not 0, as in a cast to bool. */
bool fv_spell_count_non_zero(fv_speller *s, fv_op *op) {
    fv_attr keep = fv_attr_int(s->w.module, "keepdims", 0);
    fv_value *ones = fv_spell_cast(s, fv_spell_cast(s, op->in[0], FV_BOOL), FV_I64);
    fv_value *v =
        fv_spell_op(s, FV_OP_ReduceSum, fv_spell_type(s, FV_I64, 0, NULL), 1, &ones, 1, &keep);
    return fv_spell_result(
        s, 0, v && op->out[0]->type->rank ? rank_one(s, v, op->out[0]->type->dims[0]) : v);
}

bool fv_spell_one_hot(fv_speller *s, fv_op *op) {
    /* indices of an integer type become i64, because runtimes require the type of the depth */
    bool whole = fv_elem_is_int(fv_in_type(op, 0)->elem);
    fv_value *in[3] = {whole ? fv_spell_cast(s, op->in[0], FV_I64) : op->in[0],
                       fv_spell_dim(s, fv_spell_attr(op, "depth", NULL)[0]), op->in[1]};
    fv_attr axis = fv_attr_int(s->w.module, "axis", fv_op_int(op, "axis"));
    return fv_spell_result(s, 0, fv_spell_op(s, FV_OP_OneHot, op->out[0]->type, 3, in, 1, &axis));
}

/* The lines of an fv.Order, without the axis of the elements of an item, which has one. */
static fv_value *lines_of_order(fv_speller *s, const fv_op *op) {
    const fv_type *x = fv_in_type(op, 0);
    if (x->rank == 2)
        return op->in[0];
    const fv_dim *drop = fv_dim_const(s->w.module->dims, 3);
    fv_value *squeeze[2] = {op->in[0], fv_spell_dims(s, 1, &drop)};
    return fv_spell_op(s, FV_OP_Squeeze, fv_spell_type(s, x->elem, 3, x->dims), 2, squeeze, 0,
                       NULL);
}

/* Writes fv.Order as TopK. */
bool fv_spell_order(fv_speller *s, fv_op *op) {
    fv_module *m = s->w.module;
    const fv_type *x = fv_in_type(op, 0), *y = op->out[0]->type;
    if (x->rank > 2 && !fv_dim_is_one(x->dims[3]))
        return fv_spell_refuse(op, "it sorts items of several elements");
    fv_value *lines = lines_of_order(s, op);
    fv_value *in[2] = {lines, fv_spell_dims(s, 1, &y->dims[1])};
    fv_attr a[2] = {fv_attr_int(m, "axis", 1),
                    fv_attr_int(m, "largest", fv_op_int(op, "descending"))};
    const fv_type *types[2] = {fv_spell_type(s, x->elem, y->rank, y->dims), y};
    fv_op *top = fv_spell_ops(s, fv_op_def(FV_OP_TopK), 2, in, 2, a, 2, types);
    return fv_spell_result(s, 0, top ? top->out[1] : NULL);
}

/* ---- quantized ---- */

/* Finds the axis of x along which v varies when it is broadcast; -1: v is constant. False: v varies
 * along several axes. */
static bool along(const fv_type *x, const fv_value *v, int *axis) {
    *axis = -1;
    for (int i = 0; v && i < v->type->rank; i++) {
        if (fv_dim_is_one(v->type->dims[i]))
            continue;
        if (*axis >= 0)
            return false;
        *axis = i + x->rank - v->type->rank;
    }
    return true;
}

/* v in the form that the standard requires: a scalar, or a vector with one element for each
 * position on `axis`. */
static fv_value *flat(fv_speller *s, fv_value *v, const fv_type *x, int axis) {
    if (!v)
        return NULL;
    if (axis >= 0)
        return v->type->rank == 1 ? v
                                  : rank_one(s, v, v->type->dims[axis - (x->rank - v->type->rank)]);
    return v->type->rank ? fv_spell_reshape(s, v, fv_spell_type(s, v->type->elem, 0, NULL), NULL)
                         : v;
}

bool fv_spell_quantize(fv_speller *s, fv_op *op) {
    const fv_type *x = fv_in_type(op, 0), *y = op->out[0]->type;
    bool to = fv_op_is(op, FV_OP_fv_Quantize);
    fv_value *zero = fv_op_in(op, 2);
    int axis, same;
    if (!along(x, op->in[1], &axis) || !along(x, zero, &same) || (zero && same != axis))
        return fv_spell_refuse(
            op, "its scales go along more than one axis, or not where its zero points do");
    fv_value *in[3] = {op->in[0], flat(s, op->in[1], x, axis), flat(s, zero, x, axis)};
    fv_attr a[2] = {{0}, {0}};
    if (axis >= 0)
        a[0] = fv_attr_int(s->w.module, "axis", axis);
    if (to && !zero && y->elem != FV_U8)
        a[1] = fv_attr_int(s->w.module, "output_dtype", y->elem);
    return fv_spell_result(s, 0,
                           fv_spell_op(s, to ? FV_OP_QuantizeLinear : FV_OP_DequantizeLinear, y,
                                       zero ? 3 : 2, in, 2, a));
}

/* ---- fv.Resample: one axis of a Resize ---- */

/* The scale as f32, the type of the standard's scales; false: f32 cannot represent it exactly. */
static bool exact_scale(const fv_dim *const *fraction, float *scale) {
    if (!fv_dim_is_const(fraction[0]) || !fv_dim_is_const(fraction[1]) || fraction[1]->value <= 0)
        return false;
    double v = (double)fraction[0]->value / (double)fraction[1]->value;
    *scale = (float)v;
    return (double)*scale == v && v * (double)fraction[1]->value == (double)fraction[0]->value;
}

static fv_value *scales_of(fv_speller *s, float v) {
    int64_t one = 1;
    fv_tensor *t = fv_tensor_new(s->w.module->arena, FV_F32, 1, &one);
    fv_tensor_set_float(t, 0, (double)v);
    return fv_const_new(s->w.module, "scales", t);
}

/* Sets operand 2 or 3 of the Resize: the scale, or the size if the scale was computed as output
 * size / input size. */
static bool scale_or_size(fv_speller *s, const fv_op *op, int axis, fv_value **in) {
    fv_dims *t = s->w.module->dims;
    const fv_dim *x = fv_in_type(op, 0)->dims[axis], *y = op->out[0]->type->dims[axis];
    const fv_attr *scale = fv_op_find_attr(op, "scale");
    float by;
    if (!scale) {
        const fv_dim *one = fv_dim_const(t, 1);
        in[2] = rank_one(s, fv_spell_cast(s, op->in[1], FV_F32), one);
        return true;
    }
    const fv_dim *const *f = scale->u.dims;
    if (fv_dim_mul(t, f[0], x) == fv_dim_mul(t, f[1], y))
        in[3] = fv_spell_dims(s, 1, &y);
    else if (exact_scale(f, &by) && fv_dim_floordiv(t, fv_dim_mul(t, x, f[0]), f[1]) == y)
        in[2] = scales_of(s, by);
    else
        return fv_spell_refuse(op, "its scale is neither an f32 nor the ratio of its sizes");
    return true;
}

bool fv_spell_resample(fv_speller *s, fv_op *op) {
    static const char *const words[] = {"mode", "nearest_mode", "coordinate_transformation_mode"};
    fv_module *m = s->w.module;
    int axis = (int)fv_op_int(op, "axis"), n = 0;
    int64_t axes = axis;
    fv_value *in[4] = {op->in[0]};
    fv_attr a[10];
    if (!scale_or_size(s, op, axis, in))
        return false;
    for (int i = 0; i < 3; i++) {
        fv_string text = fv_op_string(op, words[i]);
        a[n++] = fv_attr_string(m, words[i], fv_strndup(m->arena, text.s, text.n));
    }
    if (fv_op_in(op, 2)) {
        in[1] = fv_spell_cast(s, op->in[2], FV_F32);
        a[n++] = fv_attr_float(m, "extrapolation_value", fv_op_float(op, "extrapolation_value"));
    }
    if (fv_op_int(op, "antialias"))
        a[n++] = fv_attr_int(m, "antialias", 1);
    a[n++] = fv_attr_int(m, "exclude_outside", fv_op_int(op, "exclude_outside"));
    a[n++] = fv_attr_float(m, "cubic_coeff_a", fv_op_float(op, "cubic_coeff_a"));
    a[n++] = fv_attr_ints(m, "axes", 1, &axes);
    return fv_spell_result(s, 0,
                           fv_spell_op(s, FV_OP_Resize, op->out[0]->type, in[3] ? 4 : 3, in, n, a));
}

/* ---- RNN, GRU, LSTM: the inputs' part of the gates is a product plus a bias ---- */

/* numbers of the operands of fv.RNN, fv.GRU and fv.LSTM; C and P are operands of fv.LSTM only, BH
 * of fv.GRU only */
enum { X, R, LENS, H, C, P, BH = 4 };

typedef struct layer {
    /* input, weights and bias of the layer; b has the shape [directions * gates * hidden], or is
     * NULL */
    fv_value *x, *w, *b;
} layer;

static bool is_vector(const fv_value *v) {
    return v->type->kind == FV_TENSOR && v->type->rank == 1;
}

static bool product_of(const fv_value *v, fv_value **x, fv_value **w) {
    const fv_op *p = v->def;
    if (!p || !(fv_op_is(p, FV_OP_MatMul) || fv_op_is(p, FV_OP_fv_MatMul)) ||
        p->in[0]->type->rank != 3 || p->in[1]->type->rank != 2)
        return false;
    *x = p->in[0];
    *w = p->in[1];
    return true;
}

/* Finds v = x * w + b or x * w, where b is a vector along the last axis. False: v is computed in
 * another way. */
static bool find_layer(const fv_value *v, layer *l) {
    const fv_op *add = v->def;
    *l = (layer){0};
    if (product_of(v, &l->x, &l->w))
        return true;
    for (int i = 0; add && fv_op_is(add, FV_OP_Add) && i < 2; i++)
        if (is_vector(add->in[1 - i]) && add->in[1 - i]->type->dims[0] == v->type->dims[2] &&
            product_of(add->in[i], &l->x, &l->w)) {
            l->b = add->in[1 - i];
            return true;
        }
    return false;
}

/* largest number of columns for which the unit matrix is written; it takes n^2 elements */
enum { MOST_UNITS = 8192 };

/* The unit matrix of n rows, as weights that pass the n columns of the input on unchanged (exactly,
 * if all inputs are finite). NULL: n is too large. */
static fv_value *unit(fv_speller *s, fv_elem e, int64_t n) {
    int64_t dims[2] = {n, n};
    fv_tensor *t = n > MOST_UNITS ? NULL : fv_tensor_new(s->w.module->arena, e, 2, dims);
    if (!t)
        return NULL;
    for (int64_t i = 0; i < n; i++)
        fv_tensor_set_float(t, (size_t)(i * n + i), 1);
    return fv_const_new(s->w.module, "unit", t);
}

static fv_value *zeros(fv_speller *s, fv_elem e, int64_t rows, int64_t columns) {
    int64_t dims[2] = {rows, columns};
    return fv_const_new(s->w.module, "zeros", fv_tensor_new(s->w.module->arena, e, 2, dims));
}

static fv_value *join(fv_speller *s, fv_elem e, int64_t rows, int n, fv_value *const *parts) {
    fv_dims *t = s->w.module->dims;
    const fv_dim *dims[2] = {fv_dim_const(t, rows), fv_dim_const(t, 0)};
    fv_attr axis = fv_attr_int(s->w.module, "axis", 1);
    for (int i = 0; i < n && parts[i]; i++)
        dims[1] = fv_dim_add(t, dims[1], parts[i]->type->dims[1]);
    return fv_spell_op(s, FV_OP_Concat, fv_spell_type(s, e, 2, dims), n, parts, 1, &axis);
}

/* The standard's operand B, [directions, 2 * gates * hidden]: biases of the inputs, then of the
 * states. The latter are 0, except for the bias that a GRU adds to its last gate within the
 * step. */
static fv_value *biases(fv_speller *s, const fv_op *op, const layer *l, int64_t directions,
                        int64_t gates, int64_t hidden) {
    fv_dims *t = s->w.module->dims;
    fv_elem e = fv_in_type(op, X)->elem;
    fv_value *steps = fv_op_is(op, FV_OP_fv_GRU) ? fv_op_in(op, BH) : NULL, *parts[3];
    int n = 0;
    if (!l->b && !steps)
        return NULL;
    const fv_dim *rows[2] = {fv_dim_const(t, directions), fv_dim_const(t, gates * hidden)};
    int64_t shape[2] = {directions, gates * hidden};
    parts[n++] = l->b ? fv_spell_reshape(s, l->b, fv_spell_type(s, e, 2, rows), shape)
                      : zeros(s, e, directions, gates * hidden);
    parts[n++] = zeros(s, e, directions, (gates - (steps != NULL)) * hidden);
    if (steps)
        parts[n++] = steps;
    return join(s, e, directions, n, parts);
}

/* Transposes weights [inputs, directions * gates * hidden] to [directions, gates * hidden,
 * inputs]. */
static fv_value *weights(fv_speller *s, fv_value *w, int64_t directions, int64_t rows) {
    fv_dims *t = s->w.module->dims;
    static const int64_t swap[2] = {1, 0};
    if (!w)
        return NULL;
    const fv_dim *turned[2] = {w->type->dims[1], w->type->dims[0]};
    const fv_dim *dims[3] = {fv_dim_const(t, directions), fv_dim_const(t, rows), w->type->dims[0]};
    fv_attr perm = fv_attr_ints(s->w.module, "perm", 2, swap);
    w = fv_spell_op(s, FV_OP_Transpose, fv_spell_type(s, w->type->elem, 2, turned), 1, &w, 1,
                    &perm);
    if (!fv_dim_is_const(dims[2]))
        return NULL;
    int64_t shape[3] = {directions, rows, dims[2]->value};
    return w ? fv_spell_reshape(s, w, fv_spell_type(s, w->type->elem, 3, dims), shape) : NULL;
}

bool fv_spell_lengths(fv_speller *s, fv_op *op) {
    return fv_spell_result(s, 0, fv_spell_cast(s, op->in[0], FV_I64));
}

bool fv_spell_recurrent(fv_speller *s, fv_op *op) {
    const fv_type *x = fv_in_type(op, X), *r = fv_in_type(op, R), *types[3] = {0};
    bool lstm = fv_op_is(op, FV_OP_fv_LSTM), gru = fv_op_is(op, FV_OP_fv_GRU);
    int64_t gates = lstm  ? 4
                    : gru ? 3
                          : 1,
            directions = is_text(fv_op_string(op, "direction"), "bidirectional") ? 2 : 1;
    layer l;
    if (!fv_dim_is_const(r->dims[2]) || !fv_dim_is_const(x->dims[2]))
        return fv_spell_refuse(op,
                               "the number of its units or of its input columns is not constant");
    int64_t hidden = r->dims[2]->value, columns = x->dims[2]->value;
    if (!find_layer(op->in[X], &l) || !fv_dim_is_const(l.w->type->dims[0]))
        l = (layer){.x = op->in[X], .w = unit(s, x->elem, columns)};
    if (!l.w)
        return fv_spell_refuse(
            op, "the identity matrix that its gates need as input weights is too large");
    fv_value *in[8] = {l.x,
                       weights(s, l.w, directions, gates * hidden),
                       op->in[R],
                       biases(s, op, &l, directions, gates, hidden),
                       fv_spell_cast(s, fv_op_in(op, LENS), FV_I32),
                       fv_op_in(op, H)};
    if (lstm) {
        in[6] = fv_op_in(op, C);
        in[7] = fv_op_in(op, P);
    }
    int n = 8;
    while (n > 3 && !in[n - 1])
        n--;
    for (int i = 0; i < op->nout; i++)
        types[i] = op->out[i] ? op->out[i]->type : NULL;
    fv_op *y = fv_spell_ops(s,
                            fv_op_def(lstm  ? FV_OP_LSTM
                                      : gru ? FV_OP_GRU
                                            : FV_OP_RNN),
                            n, in, op->nattrs, op->attrs, op->nout, types);
    if (!y)
        return false;
    fv_op_set_int(y, "hidden_size", hidden);
    for (int i = 0; i < op->nout; i++)
        if (op->out[i] && !fv_spell_result(s, i, y->out[i]))
            return false;
    return true;
}

/* ---- exchange among ranks ---- */

bool fv_spell_all_gather(fv_speller *s, fv_op *op) {
    fv_module *m = s->w.module;
    const fv_type *x = op->in[0]->type;
    const fv_dim *dims[FV_MAX_RANK];
    if (fv_op_find_attr(op, "of"))
        return fv_spell_refuse(op, "no operator gathers what some of the ranks have");
    dims[0] = fv_dim_const(m->dims, 1);
    for (int i = 0; i < x->rank; i++)
        dims[i + 1] = x->dims[i];
    fv_value *first[] = {op->in[0],
                         fv_spell_dims(s, 1, (const fv_dim *[]){fv_dim_const(m->dims, 0)})};
    fv_value *one = fv_spell_op(s, FV_OP_Unsqueeze, fv_spell_type(s, x->elem, x->rank + 1, dims), 2,
                                first, 0, NULL);
    fv_attr a = fv_attr_int(m, "group_size", fv_op_int(op, "ranks"));
    fv_value *y =
        one ? fv_spell_op(s, FV_OP_com_microsoft_AllGather, op->out[0]->type, 1, &one, 1, &a)
            : NULL;
    return y && fv_spell_result(s, 0, y);
}

bool fv_spell_all_to_all(fv_speller *s, fv_op *op) {
    const fv_type *t = op->in[0]->type;
    fv_attr a = fv_attr_int(s->w.module, "group_size", t->dims[0]->value);
    fv_value *y = fv_spell_op(s, FV_OP_com_microsoft_AllToAll, t, 1, op->in, 1, &a);
    return y && fv_spell_result(s, 0, y);
}

/* ---- images ---- */

static fv_value *decoded(fv_speller *s, const fv_op *op, const char *format,
                         const fv_dim *const *dims) {
    fv_attr a = fv_attr_string(s->w.module, "pixel_format", format);
    return fv_spell_op(s, FV_OP_ImageDecoder, fv_spell_type(s, FV_U8, 3, dims), 1, op->in, 1, &a);
}

/* The first two dims of an image decoded to gray pixels: its height and width. */
bool fv_spell_image_size(fv_speller *s, fv_op *op) {
    fv_module *m = s->w.module;
    const fv_dim *dims[3] = {NULL, NULL, fv_dim_const(m->dims, 1)};
    for (int i = 0; i < 2; i++)
        dims[i] = fv_dim_fresh(m->dims, i ? "width" : "height", 0, FV_DIM_MAX, true);
    fv_attr two = fv_attr_int(m, "end", 2);
    fv_value *pixels = decoded(s, op, "Grayscale", dims);
    return fv_spell_result(s, 0,
                           fv_spell_op(s, FV_OP_Shape, op->out[0]->type, 1, &pixels, 1, &two));
}

bool fv_spell_image_pixels(fv_speller *s, fv_op *op) {
    const fv_dim *const *dims = op->out[0]->type->dims;
    return fv_spell_result(s, 0,
                           decoded(s, op, fv_dim_is_one(dims[2]) ? "Grayscale" : "RGB", dims));
}
