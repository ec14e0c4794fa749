/* microsoft_norm.c - norms of ONNX Runtime's domain com.microsoft: of sums, of groups of channels,
 * gated. */
#include "ops/common/dims.h"

#include "ir/base/limits.h"
#include "ir/dim/text.h"
#include "ir/graph/infer.h"
#include "ops/common/attribute.h"
#include "ops/nn/window.h"

/* ---- norms of vectors ---- */

static bool infer_rms(fv_op *op) {
    const fv_type *x = fv_in_type(op, 0);
    const fv_dim *dims[FV_MAX_RANK];
    int axis;
    if (!fv_infer_axis(op, fv_op_int(op, "axis"), x->rank, &axis))
        return false;
    for (int i = 0; i < x->rank; i++)
        dims[i] = i < axis ? x->dims[i] : fv_dim_const(fv_op_module(op)->dims, 1);
    fv_infer_out(op, 0, fv_in_type(op, 1)->elem, x->rank, x->dims);
    fv_infer_out(op, 1, FV_F32, x->rank, dims);
    return fv_infer_fits(op, 1, x->rank, x->dims);
}

/* 1 / sqrt(mean of squares + epsilon) over the axes from `axis` on. */
static fv_value *inverse_rms(fv_rewriter *w, fv_value *x, int axis, float epsilon) {
    int64_t axes[FV_MAX_RANK];
    int n = 0;
    for (int i = axis; i < x->type->rank; i++)
        axes[n++] = i;
    x = fv_w_cast(w, x, FV_F32);
    fv_value *mean = FV_W2(w, FV_OP_ReduceMean, FV_W2(w, FV_OP_Mul, x, x),
                           fv_const_ints(w->module, "axes", n, axes));
    mean = FV_W2(w, FV_OP_Add, mean, fv_w_float(w, FV_F32, (double)epsilon));
    return FV_W1(w, FV_OP_Reciprocal, FV_W1(w, FV_OP_Sqrt, mean));
}

static bool has_result(const fv_op *op, int i) {
    return i < op->nout && op->out[i];
}

static bool decompose_rms(fv_rewriter *w, fv_op *op) {
    int axis;
    float epsilon = fv_op_float(op, "epsilon");
    if (!fv_infer_axis(op, fv_op_int(op, "axis"), fv_in_type(op, 0)->rank, &axis))
        return false;
    fv_attr a[2] = {fv_attr_int(w->module, "axis", axis),
                    fv_attr_float(w->module, "epsilon", epsilon)};
    fv_value *y = fv_w_op(w, FV_OP_RMSNormalization, 2, op->in, 2, a);
    if (has_result(op, 1))
        fv_w_result(w, 1, inverse_rms(w, op->in[0], axis, epsilon));
    fv_w_result(w, 0, y);
    return true;
}

enum { INPUT, SKIP, GAMMA, BETA, BIAS }; /* BETA is the bias where the mean is not subtracted */
enum { OUTPUT, MEAN, INVERSE, SUM };

static bool is_simple(const fv_op *op) {
    return fv_op_is(op, FV_OP_com_microsoft_SkipSimplifiedLayerNormalization);
}

/* Exporters list the mean also where none is subtracted. */
static bool has_mean(const fv_op *op) {
    return !is_simple(op) || !fv_op_is_read(op, MEAN) ||
           fv_op_error(op, "result '%s' is read, but the operator has no mean",
                       op->out[MEAN]->name);
}

/* The skip may lack the batch, or have one of 1. */
static bool infer_skip_norm(fv_op *op) {
    const fv_type *x = fv_in_type(op, INPUT);
    const fv_dim *dims[FV_MAX_RANK];
    if (!has_mean(op) || !fv_infer_fits(op, SKIP, x->rank, x->dims))
        return false;
    for (int i = GAMMA; i < op->nin; i++)
        if (fv_op_in(op, i) && !fv_infer_per_channel(op, i, x->dims[x->rank - 1]))
            return false;
    for (int i = 0; i < x->rank; i++)
        dims[i] = i < x->rank - 1 ? x->dims[i] : fv_dim_const(fv_op_module(op)->dims, 1);
    fv_infer_like(op, OUTPUT, INPUT);
    fv_infer_out(op, MEAN, FV_F32, x->rank, dims);
    fv_infer_out(op, INVERSE, FV_F32, x->rank, dims);
    fv_infer_like(op, SUM, INPUT);
    return true;
}

static fv_value *expanded_like(fv_rewriter *w, fv_value *x, const fv_type *t) {
    return fv_w_expand(w, x, t->rank, t->dims);
}

static bool decompose_skip_norm(fv_rewriter *w, fv_op *op) {
    bool simple = is_simple(op);
    const fv_type *x = fv_in_type(op, INPUT);
    float epsilon = fv_op_float(op, "epsilon");
    fv_value *bias = fv_op_in(op, simple ? BETA : BIAS);
    fv_value *sum = FV_W2(w, FV_OP_Add, op->in[INPUT], expanded_like(w, op->in[SKIP], x));
    if (!has_mean(op))
        return false;
    if (bias)
        sum = FV_W2(w, FV_OP_Add, sum, bias);
    fv_attr a[2] = {fv_attr_int(w->module, "axis", -1),
                    fv_attr_float(w->module, "epsilon", epsilon)};
    fv_value *in[3] = {sum, op->in[GAMMA], simple ? NULL : fv_op_in(op, BETA)};
    if (simple) {
        fv_w_result(w, OUTPUT, fv_w_op(w, FV_OP_RMSNormalization, 2, in, 2, a));
        if (has_result(op, INVERSE) && sum)
            fv_w_result(w, INVERSE, inverse_rms(w, sum, x->rank - 1, epsilon));
    } else {
        fv_op *norm = fv_w_op_n(w, FV_OP_LayerNormalization, 3, in, 2, a, 3);
        for (int i = OUTPUT; norm && i <= INVERSE; i++)
            if (has_result(op, i))
                fv_w_result(w, i, norm->out[i]);
    }
    if (has_result(op, SUM))
        fv_w_result(w, SUM, sum);
    return !w->failed;
}

/* ---- EmbedLayerNormalization ---- */

enum { IDS, SEGMENTS, WORDS, PLACES, SEGMENT_TABLE, E_GAMMA, E_BETA, E_MASK, POSITION_IDS };

/* Ids without places of their own take the first rows of the table, as many as there are ids. */
static bool enough_places(fv_op *op, const fv_dim *n, const fv_dim *places) {
    fv_module *m = fv_op_module(op);
    return fv_op_in(op, POSITION_IDS) ||
           fv_module_assume(m, n, fv_dim_min(m->dims, n, places),
                            "as many positions as position_embedding has") ||
           fv_op_error(op, "position_embedding has %s positions for %s ids",
                       fv_dim_str(m->arena, places), fv_dim_str(m->arena, n));
}

static bool has_dim_of_ids(fv_op *op, int in, int axis) {
    fv_module *m = fv_op_module(op);
    const fv_dim *d = fv_in_type(op, in)->dims[axis], *n = fv_in_type(op, IDS)->dims[axis];
    return fv_module_assume(m, d, n, "dims of input_ids") ||
           fv_op_error(op, "input '%s' has %s on axis %d, 'input_ids' %s", op->def->in[in].name,
                       fv_dim_str(m->arena, d), axis, fv_dim_str(m->arena, n));
}

static bool has_width_of_ids(fv_op *op, int in) {
    return has_dim_of_ids(op, in, 1);
}

/* One for each id, where it is there. */
static bool is_of_ids(fv_op *op, int in) {
    return !fv_op_in(op, in) || (has_dim_of_ids(op, in, 0) && has_width_of_ids(op, in));
}

static bool infer_embed(fv_op *op) {
    const fv_type *ids = fv_in_type(op, IDS), *words = fv_in_type(op, WORDS);
    if (!fv_op_in(op, SEGMENTS) != !fv_op_in(op, SEGMENT_TABLE))
        return fv_op_error(op, "segment_ids and segment_embedding come together");
    const fv_dim *dims[3] = {ids->dims[0], ids->dims[1], words->dims[1]};
    for (int i = PLACES; i <= SEGMENT_TABLE; i++)
        if (fv_op_in(op, i) && !fv_module_assume(fv_op_module(op), fv_in_type(op, i)->dims[1],
                                                 dims[2], "widths of embeddings"))
            return fv_op_error(op, "input '%s' and 'word_embedding' differ in width",
                               op->def->in[i].name);
    if (!fv_infer_per_channel(op, E_GAMMA, dims[2]) || !fv_infer_per_channel(op, E_BETA, dims[2]) ||
        !is_of_ids(op, SEGMENTS) || !is_of_ids(op, E_MASK) ||
        !fv_infer_fits(op, POSITION_IDS, 2, dims) ||
        (fv_op_in(op, POSITION_IDS) && !has_width_of_ids(op, POSITION_IDS)))
        return false;
    fv_infer_out(op, 0, words->elem, 3, dims);
    fv_infer_out(op, 1, FV_I32, 1, dims);
    fv_infer_out(op, 2, words->elem, 3, dims);
    return enough_places(op, ids->dims[1], fv_in_type(op, PLACES)->dims[0]);
}

static fv_value *first_places(fv_rewriter *w, const fv_op *op) {
    fv_dims *t = w->module->dims;
    const fv_dim *const *table = fv_in_type(op, PLACES)->dims, *n = fv_in_type(op, IDS)->dims[1];
    const fv_dim *zero = fv_dim_const(t, 0), *one = fv_dim_const(t, 1);
    const fv_dim *start[2] = {zero, zero}, *step[2] = {one, one}, *dims[2] = {n, table[1]};
    return fv_w_slice(w, op->in[PLACES], start, step, dims);
}

/* How many ones are in each row. */
static fv_value *ones_of(fv_rewriter *w, fv_value *mask) {
    fv_value *axes = fv_const_ints(w->module, "axes", 1, (int64_t[]){1});
    fv_value *ones = fv_w_cast(w, FV_W2(w, FV_OP_Equal, mask, fv_w_int(w, FV_I32, 1)), FV_I32);
    fv_attr drop = fv_attr_int(w->module, "keepdims", 0);
    return fv_w_op(w, FV_OP_ReduceSum, 2, (fv_value *[]){ones, axes}, 1, &drop);
}

static bool decompose_embed(fv_rewriter *w, fv_op *op) {
    const fv_type *ids = fv_in_type(op, IDS);
    fv_value *places = fv_op_in(op, POSITION_IDS), *mask = fv_op_in(op, E_MASK);
    places = places ? fv_w_rows(w, op->in[PLACES], places) : first_places(w, op);
    fv_value *sum = FV_W2(w, FV_OP_Add, fv_w_rows(w, op->in[WORDS], op->in[IDS]), places);
    if (fv_op_in(op, SEGMENTS))
        sum = FV_W2(w, FV_OP_Add, sum, fv_w_rows(w, op->in[SEGMENT_TABLE], op->in[SEGMENTS]));
    fv_attr a[2] = {fv_attr_int(w->module, "axis", -1),
                    fv_attr_float(w->module, "epsilon", fv_op_float(op, "epsilon"))};
    fv_value *in[3] = {sum, op->in[E_GAMMA], op->in[E_BETA]};
    fv_value *y = fv_w_op(w, FV_OP_LayerNormalization, 3, in, 2, a);
    if (has_result(op, 1))
        fv_w_result(w, 1,
                    mask ? ones_of(w, mask) : fv_w_expand(w, fv_w_int(w, FV_I32, 0), 1, ids->dims));
    if (has_result(op, 2))
        fv_w_result(w, 2, sum);
    fv_w_result(w, 0, y);
    return true;
}

/* ---- GroupNorm, SkipGroupNorm ---- */

enum { G_X, G_GAMMA, G_BETA, G_SKIP, G_BIAS };

static bool is_channels_last(const fv_op *op) {
    return fv_op_int(op, "channels_last") != 0;
}

/* The skip is like x, or one number a channel of each sample: of rank 2, or with dims of 1. */
static bool check_skip(fv_op *op, const fv_type *x, const fv_dim *channels) {
    const fv_type *skip = fv_in_type(op, G_SKIP);
    if (!skip || skip->rank == x->rank)
        return fv_infer_fits(op, G_SKIP, x->rank, x->dims);
    const fv_dim *dims[2] = {x->dims[0], channels};
    if (skip->rank != 2)
        return fv_op_error(op, "input 'skip' has rank %d, expected 2 or %d", skip->rank, x->rank);
    return fv_infer_fits(op, G_SKIP, 2, dims);
}

static bool infer_groups(fv_op *op) {
    fv_module *m = fv_op_module(op);
    const fv_type *x = fv_in_type(op, G_X);
    const fv_dim *channels = x->dims[is_channels_last(op) ? x->rank - 1 : 1];
    int64_t groups = fv_op_int(op, "groups"), activation = fv_op_int(op, "activation");
    if (groups < 1 || groups > FV_DIM_MAX ||
        (fv_dim_is_const(channels) && channels->value % groups))
        return fv_op_error(op, "groups is %lld for %s channels", (long long)groups,
                           fv_dim_str(m->arena, channels));
    if (activation != 0 && activation != 1)
        return fv_op_error(op, "activation is %lld, expected 0 (none) or 1 (SiLU)",
                           (long long)activation);
    if (!fv_infer_per_channel(op, G_GAMMA, channels) ||
        !fv_infer_per_channel(op, G_BETA, channels) ||
        (fv_op_in(op, G_BIAS) && !fv_infer_per_channel(op, G_BIAS, channels)) ||
        !check_skip(op, x, channels))
        return false;
    fv_infer_like(op, 0, G_X);
    fv_infer_like(op, 1, G_X);
    return true;
}

/* One number a channel, perhaps for each sample, as it goes with x. */
static fv_value *per_channel(fv_rewriter *w, const fv_op *op, fv_value *v) {
    const fv_type *x = fv_in_type(op, G_X);
    const fv_dim *dims[FV_MAX_RANK];
    int own = v->type->rank, at = is_channels_last(op) ? x->rank - 1 : 1;
    if (own == x->rank)
        return v;
    for (int i = 0; i < x->rank; i++)
        dims[i] = i == at              ? v->type->dims[own - 1]
                  : i == 0 && own == 2 ? v->type->dims[0]
                                       : fv_dim_const(w->module->dims, 1);
    return fv_w_reshape(w, v, x->rank, dims);
}

/* In f32, whatever is stored: so it is where half floats are normalised. */
static bool decompose_groups(fv_rewriter *w, fv_op *op) {
    fv_value *x = op->in[G_X], *in[3];
    fv_elem e = fv_elem_arith(x->type->elem);
    fv_attr a[2] = {fv_attr_int(w->module, "num_groups", fv_op_int(op, "groups")),
                    fv_attr_float(w->module, "epsilon", fv_op_float(op, "epsilon"))};
    for (int i = G_SKIP; i <= G_BIAS; i++)
        if (fv_op_in(op, i))
            x = FV_W2(w, FV_OP_Add, x, per_channel(w, op, op->in[i]));
    if (op->nout > 1 && op->out[1])
        fv_w_result(w, 1, x);
    in[0] = fv_w_cast(w, is_channels_last(op) ? fv_w_channels_first(w, x) : x, e);
    for (int i = G_GAMMA; i <= G_BETA; i++)
        in[i] = fv_w_cast(w, op->in[i], e);
    fv_value *y = fv_w_op(w, FV_OP_GroupNormalization, 3, in, 2, a);
    if (fv_op_int(op, "activation"))
        y = FV_W1(w, FV_OP_Swish, y);
    y = is_channels_last(op) ? fv_w_channels_last(w, y) : y;
    fv_w_result(w, 0, fv_w_cast(w, y, op->in[G_X]->type->elem));
    return true;
}

/* ---- GatedRMSNorm ---- */

/* x over the last axis, in rows of as many elements as scale has. */
static bool infer_gated_rms(fv_op *op) {
    fv_module *m = fv_op_module(op);
    const fv_type *x = fv_in_type(op, 0), *scale = fv_in_type(op, 1), *gate = fv_in_type(op, 2);
    const fv_dim *last = x->dims[x->rank - 1], *c = scale->dims[0];
    if (!fv_module_assume(m, last, fv_dim_mul(m->dims, fv_dim_floordiv(m->dims, last, c), c),
                          "rows of GatedRMSNorm"))
        return fv_op_error(
            op, "the last axis of X has %s elements, which scale with %s does not divide",
            fv_dim_str(m->arena, last), fv_dim_str(m->arena, c));
    for (int i = 0; i < x->rank; i++)
        if (!fv_module_assume(m, gate->dims[i], x->dims[i], "a gate for each element"))
            return fv_op_error(op, "axis %d has %s in X, %s in gate", i,
                               fv_dim_str(m->arena, x->dims[i]),
                               fv_dim_str(m->arena, gate->dims[i]));
    if (x->rank == FV_MAX_RANK)
        return fv_op_error(op, "rank %d is more than %d", x->rank, FV_MAX_RANK - 1);
    if (!fv_attr_is(op, "activation", "silu") && !fv_attr_is(op, "activation", "swish") &&
        !fv_attr_is(op, "activation", "sigmoid"))
        return fv_op_error(op, "activation is neither silu, swish nor sigmoid");
    fv_infer_like(op, 0, 0);
    return true;
}

static bool decompose_gated_rms(fv_rewriter *w, fv_op *op) {
    fv_dims *t = w->module->dims;
    const fv_type *x = fv_in_type(op, 0);
    const fv_dim *dims[FV_MAX_RANK], *c = fv_in_type(op, 1)->dims[0];
    fv_value *in[3];
    fv_attr a[2] = {fv_attr_int(w->module, "axis", -1),
                    fv_attr_float(w->module, "epsilon", fv_op_float(op, "epsilon"))};
    for (int i = 0; i < x->rank - 1; i++)
        dims[i] = x->dims[i];
    dims[x->rank - 1] = fv_dim_floordiv(t, x->dims[x->rank - 1], c);
    dims[x->rank] = c;
    for (int i = 0; i < 3; i++) {
        in[i] = fv_w_cast(w, op->in[i], FV_F32);
        if (i != 1)
            in[i] = fv_w_reshape(w, in[i], x->rank + 1, dims);
    }
    fv_value *y = fv_w_op(w, FV_OP_RMSNormalization, 2, in, 2, a);
    y = FV_W2(w, FV_OP_Mul, y,
              FV_W1(w, fv_attr_is(op, "activation", "silu") ? FV_OP_Swish : FV_OP_Sigmoid, in[2]));
    fv_w_result(w, 0, fv_w_reshape(w, fv_w_cast(w, y, x->elem), x->rank, x->dims));
    return true;
}

/* ---- EngramGate: sigmoid(+-sqrt|d|) * value, d the product of a normalised key and query ---- */

enum { KEY, QUERY, VALUE, KEY_SCALE, QUERY_SCALE, CONV_SCALE };

static bool infer_engram(fv_op *op) {
    fv_module *m = fv_op_module(op);
    const fv_type *q = fv_in_type(op, QUERY);
    const fv_dim *const *d = q->dims, *value[3] = {d[0], d[1], d[3]};
    for (int i = KEY; i <= CONV_SCALE; i++) {
        const fv_type *t = fv_in_type(op, i);
        const fv_dim *const *want = i < VALUE ? d : i == VALUE ? value : d + 2;
        for (int k = 0; t && k < t->rank; k++)
            if (!fv_module_assume(m, t->dims[k], want[k], "dims of EngramGate"))
                return fv_op_error(op, "input '%s' has %s on axis %d, expected %s",
                                   op->def->in[i].name, fv_dim_str(m->arena, t->dims[k]), k,
                                   fv_dim_str(m->arena, want[k]));
    }
    if (fv_op_is_read(op, 1) && !fv_op_in(op, CONV_SCALE))
        return fv_op_error(op, "gated_value_normed needs conv_norm_scale");
    fv_infer_like(op, 0, QUERY);
    fv_infer_like(op, 1, QUERY);
    return true;
}

/* x * 1 / sqrt(mean of squares + epsilon) * scale, over the last axis, in f32 */
static fv_value *rms_scaled(fv_rewriter *w, fv_op *op, fv_value *x, fv_value *of, int scale) {
    fv_value *s = inverse_rms(w, of, of->type->rank - 1, fv_op_float(op, "epsilon"));
    return FV_W2(w, FV_OP_Mul, FV_W2(w, FV_OP_Mul, x, s), fv_w_cast(w, op->in[scale], FV_F32));
}

static bool decompose_engram(fv_rewriter *w, fv_op *op) {
    fv_dims *t = w->module->dims;
    const fv_type *q = fv_in_type(op, QUERY);
    const fv_dim *one = fv_dim_const(t, 1), *column[4] = {q->dims[0], q->dims[1], one, q->dims[3]};
    fv_value *in[3], *last = fv_const_ints(w->module, "axes", 1, (int64_t[]){-1});
    for (int i = KEY; i <= VALUE; i++)
        in[i] = fv_w_cast(w, op->in[i], FV_F32);
    fv_value *products = FV_W2(w, FV_OP_Mul, rms_scaled(w, op, in[KEY], in[KEY], KEY_SCALE),
                               rms_scaled(w, op, in[QUERY], in[QUERY], QUERY_SCALE));
    fv_value *size =
        FV_W1(w, FV_OP_Sqrt, fv_w_cast(w, fv_w_ints(w, FV_I64, 0, 1, &q->dims[3]), FV_F32));
    fv_value *dot = FV_W2(w, FV_OP_Div, FV_W2(w, FV_OP_ReduceSum, products, last), size);
    fv_value *root = FV_W1(
        w, FV_OP_Sqrt, FV_W2(w, FV_OP_Max, FV_W1(w, FV_OP_Abs, dot), fv_w_float(w, FV_F32, 1e-6)));
    fv_value *gate = FV_W1(w, FV_OP_Sigmoid, FV_W2(w, FV_OP_Mul, FV_W1(w, FV_OP_Sign, dot), root));
    fv_value *gated = FV_W2(w, FV_OP_Mul, gate, fv_w_reshape(w, in[VALUE], 4, column));
    fv_value *y = fv_w_cast(w, gated, q->elem);
    if (fv_op_is_read(op, 1) && gated && y)
        fv_w_result(
            w, 1,
            fv_w_cast(w, rms_scaled(w, op, fv_w_cast(w, y, FV_F32), gated, CONV_SCALE), q->elem));
    fv_w_result(w, 0, y);
    return true;
}

/* ---- BiasSoftmax ---- */

/* Scores as rows, of the axes from `axis` on; a bias has fewer rows, each of which goes to `each`
 * rows next to each other, or to every rows-th. */
typedef struct bias_rows {
    const fv_dim *row, *rows, *each;
} bias_rows;

static bool read_bias(fv_op *op, bias_rows *r) {
    fv_module *m = fv_op_module(op);
    fv_dims *t = m->dims;
    const fv_type *x = fv_in_type(op, 0), *b = fv_in_type(op, 1);
    int axis;
    if (!fv_infer_axis(op, fv_op_int(op, "axis"), x->rank, &axis))
        return false;
    const fv_dim *all = fv_dim_product(t, axis, x->dims),
                 *size = fv_dim_product(t, b->rank, b->dims);
    r->row = fv_dim_product(t, x->rank - axis, x->dims + axis);
    r->rows = fv_dim_floordiv(t, size, r->row);
    r->each = fv_dim_floordiv(t, all, r->rows);
    if (!fv_module_assume(m, size, fv_dim_mul(t, r->rows, r->row), "rows of a bias") ||
        !fv_module_assume(m, all, fv_dim_mul(t, r->rows, r->each), "rows of a bias"))
        return fv_op_error(op, "a bias of %s does not broadcast to %s", fv_type_str(m->arena, b),
                           fv_type_str(m->arena, x));
    return true;
}

static bool infer_bias_softmax(fv_op *op) {
    bias_rows r;
    fv_infer_like(op, 0, 0);
    return read_bias(op, &r);
}

static bool decompose_bias_softmax(fv_rewriter *w, fv_op *op) {
    const fv_type *x = fv_in_type(op, 0);
    const fv_dim *one = fv_dim_const(w->module->dims, 1);
    bool inner = fv_op_int(op, "is_inner_broadcast") != 0;
    bias_rows r;
    if (!read_bias(op, &r))
        return false;
    const fv_dim *dims[3] = {inner ? r.rows : r.each, inner ? r.each : r.rows, r.row};
    const fv_dim *own[3] = {inner ? r.rows : one, inner ? one : r.rows, r.row};
    fv_attr axis = fv_attr_int(w->module, "axis", -1);
    fv_value *sum = FV_W2(w, FV_OP_Add, fv_w_reshape(w, op->in[0], 3, dims),
                          fv_w_reshape(w, op->in[1], 3, own));
    fv_w_result(w, 0,
                fv_w_reshape(w, fv_w_op(w, FV_OP_Softmax, 1, &sum, 1, &axis), x->rank, x->dims));
    return true;
}

#define MS       .domain = "com.microsoft", .since = {1}
#define OPTIONAL FV_OPTIONAL_OPERAND
#define NORM_OUT                                                                                   \
    {"output", "T"}, {"mean", "U", OPTIONAL}, {"inv_std_var", "U", OPTIONAL}, {                    \
        "input_skip_bias_sum", "T", OPTIONAL                                                       \
    }
#define GROUP_ATTRS                                                                                \
    FV_A_REQUIRED("activation", INT), FV_A_INT("channels_last", 1), FV_A_FLOAT("epsilon", 1e-05f), \
        FV_A_REQUIRED("groups", INT)

const fv_opdef fv_ops_microsoft_norm[] = {
    {MS, .name = "SimplifiedLayerNormalization",
     .doc = "RMSNormalization; also where a model has it in the standard's domain",
     .in = {{"X", "T", .rank = FV_RANK_FROM(1)}, {"scale", "V"}},
     .out = {{"Y", "V"}, {"inv_std_var", "U", OPTIONAL}},
     .attrs = {FV_A_INT("axis", -1), FV_A_FLOAT("epsilon", 1e-05f), FV_A_INT("stash_type", 1)},
     .types = {{"T", FV_SET_FLOAT}, {"V", FV_SET_FLOAT}, {"U", FV_SET(F32)}}, .infer = infer_rms,
     .decompose = decompose_rms},
    {MS, .name = "SkipLayerNormalization", .doc = "LayerNormalization of a sum",
     .in = {{"input", "T", .rank = FV_RANK_FROM(1)},
            {"skip", "T"},
            {"gamma", "T", .rank = FV_RANK(1)},
            {"beta", "T", OPTIONAL, .rank = FV_RANK(1)},
            {"bias", "T", OPTIONAL, .rank = FV_RANK(1)}},
     .out = {NORM_OUT}, .attrs = {FV_A_FLOAT("epsilon", 1e-12f)},
     .types = {{"T", FV_SET_FLOAT}, {"U", FV_SET(F32)}}, .infer = infer_skip_norm,
     .decompose = decompose_skip_norm},
    {MS, .name = "SkipSimplifiedLayerNormalization",
     .id = FV_OP_com_microsoft_SkipSimplifiedLayerNormalization, .doc = "RMSNormalization of a sum",
     .in = {{"input", "T", .rank = FV_RANK_FROM(1)},
            {"skip", "T"},
            {"gamma", "T", .rank = FV_RANK(1)},
            {"bias", "T", OPTIONAL, .rank = FV_RANK(1)}},
     .out = {NORM_OUT}, .attrs = {FV_A_FLOAT("epsilon", 1e-12f)},
     .types = {{"T", FV_SET_FLOAT}, {"U", FV_SET(F32)}}, .infer = infer_skip_norm,
     .decompose = decompose_skip_norm},
    {MS, .name = "EmbedLayerNormalization",
     .doc =
         "LayerNormalization of the sum of word, position and segment embeddings; the mask's sums",
     .in = {{"input_ids", "I", .rank = FV_RANK(2)},
            {"segment_ids", "I", OPTIONAL, .rank = FV_RANK(2)},
            {"word_embedding", "T", .rank = FV_RANK(2)},
            {"position_embedding", "T", .rank = FV_RANK(2)},
            {"segment_embedding", "T", OPTIONAL, .rank = FV_RANK(2)},
            {"gamma", "T", .rank = FV_RANK(1)},
            {"beta", "T", .rank = FV_RANK(1)},
            {"mask", "I", OPTIONAL, .rank = FV_RANK(2)},
            {"position_ids", "I", OPTIONAL, .rank = FV_RANK(2)}},
     .out = {{"output", "T"}, {"mask_index", "I", OPTIONAL}, {"embedding_sum", "T", OPTIONAL}},
     .attrs = {FV_A_FLOAT("epsilon", 1e-12f), FV_A_INT("mask_index_type", 0)},
     .types = {{"T", FV_SET_FLOAT}, {"I", FV_SET(I32)}}, .infer = infer_embed,
     .decompose = decompose_embed},
    {MS, .name = "GroupNorm",
     .doc = "GroupNormalization, of channels in the last axis or in axis 1, and SiLU on request",
     .in = {{"X", "T", .rank = FV_RANK_FROM(3)},
            {"gamma", "M", .rank = FV_RANK(1)},
            {"beta", "M", .rank = FV_RANK(1)}},
     .out = {{"Y", "T"}}, .attrs = {GROUP_ATTRS},
     .types = {{"T", FV_SET_FLOAT}, {"M", FV_SET_FLOAT}}, .infer = infer_groups,
     .decompose = decompose_groups},
    {MS, .name = "SkipGroupNorm", .doc = "GroupNorm of a sum",
     .in = {{"X", "T", .rank = FV_RANK_FROM(3)},
            {"gamma", "M", .rank = FV_RANK(1)},
            {"beta", "M", .rank = FV_RANK(1)},
            {"skip", "T", .rank = FV_RANK_FROM(2)},
            {"bias", "T", OPTIONAL, .rank = FV_RANK(1)}},
     .out = {{"Y", "T"}, {"S", "T", OPTIONAL}}, .attrs = {GROUP_ATTRS},
     .types = {{"T", FV_SET_FLOAT}, {"M", FV_SET_FLOAT}}, .infer = infer_groups,
     .decompose = decompose_groups},
    {MS, .name = "GatedRMSNorm",
     .doc = "RMSNormalization of rows as long as scale, times SiLU or the sigmoid of a gate",
     .in = {{"X", "T", .rank = FV_RANK_FROM(1)},
            {"scale", "T", .rank = FV_RANK(1)},
            {"gate", "T", .rank = FV_RANK_AS("X")}},
     .out = {{"Y", "T"}},
     .attrs = {FV_A_STRING("activation", "silu"), FV_A_FLOAT("epsilon", 1e-05f)},
     .types = {{"T", FV_SET_FLOAT}}, .infer = infer_gated_rms, .decompose = decompose_gated_rms},
    {MS, .name = "EngramGate",
     .doc = "value times the sigmoid of the signed root of a product of normalised keys and "
            "queries; normalised, too",
     .in = {{"key", "T", .rank = FV_RANK(4)},
            {"query", "T", .rank = FV_RANK(4)},
            {"value", "T", .rank = FV_RANK(3)},
            {"key_norm_scale", "T", .rank = FV_RANK(2)},
            {"query_norm_scale", "T", .rank = FV_RANK(2)},
            {"conv_norm_scale", "T", OPTIONAL, .rank = FV_RANK(2)}},
     .out = {{"output", "T"}, {"gated_value_normed", "T", OPTIONAL}},
     .attrs = {FV_A_FLOAT("epsilon", 1e-05f)}, .types = {{"T", FV_SET_FLOAT}},
     .infer = infer_engram, .decompose = decompose_engram},
    {MS, .name = "BiasSoftmax",
     .doc = "Softmax of a sum over the axes from `axis` on; the bias has fewer rows, each for some "
            "next to each other, or apart",
     .in = {{"data", "T", .rank = FV_RANK_FROM(1)}, {"bias", "T"}}, .out = {{"output", "T"}},
     .attrs = {FV_A_INT("axis", 1), FV_A_REQUIRED("is_inner_broadcast", INT)},
     .types = {{"T", FV_SET_FLOAT}}, .infer = infer_bias_softmax,
     .decompose = decompose_bias_softmax},

    {0}};
