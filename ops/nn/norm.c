/* norm.c - softmax and the normalisations. */

#include "ir/base/limits.h"
#include "ir/dim/text.h"
#include "ir/graph/infer.h"
#include "ir/graph/rewriter.h"
#include "ops/common/upgrade.h"

/* Before opset 13 the softmax was over all axes from `axis` on. */
static bool upgrade_softmax(fv_op *op, int version) {
    const fv_type *t = fv_in_type(op, 0);
    if (version >= 13 || !t)
        return true;
    fv_module *m = fv_op_module(op);
    int axis;
    int64_t wanted = fv_op_int_of(op, "axis", version);
    if (wanted == t->rank) /* no axes remain: rows of one element */
        axis = t->rank;
    else if (!fv_infer_axis(op, wanted, t->rank, &axis))
        return false;
    fv_op_set_int(op, "axis", -1);
    if (axis == t->rank - 1)
        return true;
    const fv_dim *dims[2] = {fv_dim_product(m->dims, axis, t->dims),
                             fv_dim_product(m->dims, t->rank - axis, t->dims + axis)};
    fv_rewriter w = fv_rewriter_at(op);
    fv_attr a = fv_attr_int(m, "axis", -1);
    fv_value *x = fv_w_reshape(&w, op->in[0], 2, dims);
    fv_value *y = fv_w_def(&w, op->def, 1, &x, 1, &a);
    y = fv_w_reshape(&w, y, t->rank, t->dims);
    if (!y)
        return false;
    return fv_upgrade_replace(op, y);
}

static void stats_type(fv_op *op, int i, int axis) {
    fv_module *m = fv_op_module(op);
    const fv_type *t = fv_in_type(op, 0);
    const fv_dim *dims[FV_MAX_RANK];
    for (int k = 0; k < t->rank; k++)
        dims[k] = k < axis ? t->dims[k] : fv_dim_const(m->dims, 1);
    fv_infer_out(op, i, FV_F32, t->rank, dims);
}

static bool infer_layer_norm(fv_op *op) {
    int axis;
    const fv_type *t = fv_in_type(op, 0);
    if (!fv_infer_axis(op, fv_op_int(op, "axis"), t->rank, &axis))
        return false;
    fv_op_set_int(op, "axis", axis);
    fv_infer_like(op, 0, 0);
    stats_type(op, 1, axis);
    stats_type(op, 2, axis);
    return fv_infer_fits(op, 1, t->rank, t->dims) && fv_infer_fits(op, 2, t->rank, t->dims);
}

static bool infer_rms_norm(fv_op *op) {
    int axis;
    const fv_type *t = fv_in_type(op, 0);
    if (!fv_infer_axis(op, fv_op_int(op, "axis"), t->rank, &axis))
        return false;
    fv_op_set_int(op, "axis", axis);
    fv_infer_out(op, 0, fv_in_type(op, 1)->elem, t->rank, t->dims);
    return fv_infer_fits(op, 1, t->rank, t->dims);
}

/* Result 0 has the type of X; other operands have one element for each channel. */
static bool infer_per_channel(fv_op *op) {
    for (int i = 1; i < op->nin; i++)
        if (!fv_infer_per_channel(op, i, fv_in_type(op, 0)->dims[1]))
            return false;
    fv_infer_like(op, 0, 0);
    return true;
}

/* Before opset 14 two more results are the batch's own statistics, and since opset 7 no attribute
 * selects training: a model that requests the statistics is in training. Exporters list these
 * results for inference, too; so training is recognized by their uses, as in other runtimes. */
static bool is_old_batch_norm(const fv_op *op) {
    return fv_op_find_attr(op, "training_by_use") != NULL;
}

/* Whether a result with statistics of the batch is used. */
static bool gives_statistics(const fv_op *op) {
    for (int i = 1; i < op->nout; i++)
        if (fv_op_is_read(op, i))
            return true;
    return false;
}

static bool is_training(const fv_op *op) {
    return fv_op_int(op, "training_mode") ||
           (fv_op_int_or(op, "training_by_use", 0) && gives_statistics(op));
}

static bool infer_batch_norm(fv_op *op) {
    if (op->nout > 3 && !is_old_batch_norm(op))
        return fv_op_error(op, "has %d outputs, takes at most 3 from opset 14 on", op->nout);
    for (int i = 1; i < op->nout && !is_training(op); i++)
        if (fv_op_is_read(op, i))
            return fv_op_error(op, "result '%s' needs training_mode = 1", op->out[i]->name);
    if (!infer_per_channel(op))
        return false;
    for (int i = 1; i < op->nout; i++)
        fv_infer_like(op, i, i < 3 ? i + 2 : 3);
    return true;
}

static fv_value *channel_mean(fv_rewriter *w, fv_value *x) {
    int64_t axes[FV_MAX_RANK] = {0};
    for (int i = 2; i < x->type->rank; i++)
        axes[i - 1] = i;
    fv_value *in[2] = {x, fv_const_ints(w->module, "axes", x->type->rank - 1, axes)};
    fv_attr a = fv_attr_int(w->module, "keepdims", 0);
    return fv_w_op(w, FV_OP_ReduceMean, 2, in, 1, &a);
}

/* x, which has one axis, with `extra` axes of one element after it; NULL if x is NULL. */
static fv_value *add_axes(fv_rewriter *w, fv_value *x, int extra) {
    const fv_dim *dims[FV_MAX_RANK] = {x ? x->type->dims[0] : NULL};
    for (int i = 0; i < extra; i++)
        dims[i + 1] = fv_dim_const(w->module->dims, 1);
    return x ? fv_w_reshape(w, x, extra + 1, dims) : NULL;
}

/* v, which has one element for each channel, in a shape that is broadcast to x: [c, 1, 1 ..] */
static fv_value *per_channel(fv_rewriter *w, fv_value *v, const fv_type *x) {
    return add_axes(w, v, x->rank - 2);
}

/* old * momentum + now * (1 - momentum) */
static fv_value *running(fv_rewriter *w, fv_value *old, fv_value *now, float momentum) {
    fv_elem t = old->type->elem;
    return FV_W2(w, FV_OP_Add, FV_W2(w, FV_OP_Mul, old, fv_w_float(w, t, (double)momentum)),
                 FV_W2(w, FV_OP_Mul, now, fv_w_float(w, t, 1 - (double)momentum)));
}

/* The statistics that the images are normalised with: operands, or in training those of the batch.
 * Sets the results after the first one. False: out of memory. */
static bool batch_statistics(fv_rewriter *w, fv_op *op, fv_value **mean, fv_value **variance) {
    *mean = op->in[3];
    *variance = op->in[4];
    if (!is_training(op))
        return true;
    const fv_type *x = fv_in_type(op, 0);
    float momentum = fv_op_float(op, "momentum");
    fv_value *wide = fv_w_cast(w, op->in[0], op->in[3]->type->elem);
    *mean = channel_mean(w, wide);
    fv_value *centred = FV_W2(w, FV_OP_Sub, wide, per_channel(w, *mean, x));
    *variance = channel_mean(w, FV_W2(w, FV_OP_Mul, centred, centred));
    if (!*variance)
        return false;
    if (op->nout > 1)
        fv_w_result(w, 1, running(w, op->in[3], *mean, momentum));
    if (op->nout > 2)
        fv_w_result(w, 2, running(w, op->in[4], *variance, momentum));
    if (op->nout > 3)
        fv_w_result(w, 3, *mean);
    if (op->nout > 4)
        fv_w_result(w, 4, *variance);
    return true;
}

/* The widest of the types of the operands, and at least f32. */
static fv_elem batch_norm_type(const fv_op *op) {
    for (int i = 0; i < op->nin; i++)
        if (fv_in_type(op, i)->elem == FV_F64)
            return FV_F64;
    return FV_F32;
}

/* Y = (X - mean) * (scale / sqrt(variance + epsilon)) + B. The quotient has one element for each
 * channel and is usually a constant, so that an element of the image costs no division. */
static bool decompose_batch_norm(fv_rewriter *w, fv_op *op) {
    fv_value *mean, *variance;
    if (!batch_statistics(w, op, &mean, &variance))
        return false;
    const fv_type *x = fv_in_type(op, 0);
    fv_elem wide = batch_norm_type(op);
    fv_value *epsilon = fv_w_float(w, wide, (double)fv_op_float(op, "epsilon"));
    fv_value *deviation =
        FV_W1(w, FV_OP_Sqrt, FV_W2(w, FV_OP_Add, fv_w_cast(w, variance, wide), epsilon));
    fv_value *factor = FV_W2(w, FV_OP_Div, fv_w_cast(w, op->in[1], wide), deviation);
    fv_value *centred = FV_W2(w, FV_OP_Sub, fv_w_cast(w, op->in[0], wide),
                              per_channel(w, fv_w_cast(w, mean, wide), x));
    fv_value *scaled = FV_W2(w, FV_OP_Mul, centred, per_channel(w, factor, x));
    fv_value *y = FV_W2(w, FV_OP_Add, scaled, per_channel(w, fv_w_cast(w, op->in[2], wide), x));
    fv_w_result(w, 0, fv_w_cast(w, y, x->elem));
    return true;
}

static bool upgrade_batch_norm(fv_op *op, int version) {
    if (version < 9 && !fv_op_int_of(op, "spatial", version))
        return fv_op_error(op, "spatial = 0 is not supported");
    if (version < 14)
        fv_op_set_int(op, "training_by_use", version >= 7);
    if (version < 7 && !fv_op_int_of(op, "is_test", version))
        fv_op_set_int(op, "training_mode", 1);
    fv_op_drop_attr(op, "spatial");
    fv_op_drop_attr(op, "is_test");
    fv_op_drop_attr(op, "consumed_inputs");
    return true;
}

static bool check_groups(fv_op *op) {
    const fv_dim *channels = fv_in_type(op, 0)->dims[1];
    int64_t groups = fv_op_int(op, "num_groups");
    if (groups < 1 || groups > FV_DIM_MAX ||
        (fv_dim_is_const(channels) && channels->value % groups))
        return fv_op_error(op, "num_groups is %lld for %s channels", (long long)groups,
                           fv_dim_str(fv_op_module(op)->arena, channels));
    return true;
}

static bool infer_group_norm(fv_op *op) {
    return check_groups(op) && infer_per_channel(op);
}

/* Before opset 21 scale and bias had one number for each group, which is repeated for each of its
 * channels. */
static bool upgrade_group_norm(fv_op *op, int version) {
    const fv_type *x = fv_in_type(op, 0);
    if (version >= 21 || op->nin != 3)
        return true;
    if (!check_groups(op))
        return false;
    fv_module *m = fv_op_module(op);
    fv_rewriter w = fv_rewriter_at(op);
    const fv_dim *groups = fv_dim_const(m->dims, fv_op_int(op, "num_groups"));
    const fv_dim *wide[2] = {groups, fv_dim_floordiv(m->dims, x->dims[1], groups)};
    for (int i = 1; i < 3; i++) {
        if (!fv_module_assume(m, fv_in_type(op, i)->dims[0], groups, "one parameter a group"))
            return fv_op_error(op, "input '%s' has %s elements, expected one for each of %s groups",
                               op->def->in[i].name,
                               fv_dim_str(m->arena, fv_in_type(op, i)->dims[0]),
                               fv_dim_str(m->arena, groups));
        fv_value *v = add_axes(&w, op->in[i], 1);
        v = fv_w_reshape(&w, fv_w_expand(&w, v, 2, wide), 1, &x->dims[1]);
        if (!v)
            return false;
        fv_op_set_in(op, i, v);
    }
    return true;
}

static bool infer_mvn(fv_op *op) {
    static const int64_t usual[] = {0, 2, 3};
    int n = 3, axis;
    const int64_t *axes = fv_op_ints(op, "axes", &n);
    if (axes && n > fv_in_type(op, 0)->rank)
        return fv_op_error(op, "has %d axes for a tensor of rank %d", n, fv_in_type(op, 0)->rank);
    for (int i = 0; i < (axes ? n : 3); i++)
        if (!fv_infer_axis(op, axes ? axes[i] : usual[i], fv_in_type(op, 0)->rank, &axis))
            return false;
    fv_infer_like(op, 0, 0);
    return true;
}

/* Opset 1, where it was experimental, defined the axes differently, and could leave the variance
 * unchanged. */
static bool upgrade_mvn(fv_op *op, int version) {
    static const int64_t axes[] = {0, 1, 2, 3};
    const fv_type *x = fv_in_type(op, 0);
    if (version > 1 || !x)
        return true;
    if (x->rank != 4)
        return fv_op_error(op, "input has rank %d, expected 4", x->rank);
    bool across = fv_op_int_of(op, "across_channels", version) != 0;
    if (across)
        fv_op_set_ints(op, "axes", 4, axes);
    if (fv_op_int_of(op, "normalize_variance", version))
        return true;
    static const int64_t usual[] = {0, 2, 3};
    fv_rewriter w = fv_rewriter_at(op);
    fv_value *c = fv_const_ints(w.module, "axes", across ? 4 : 3, across ? axes : usual);
    fv_value *y = FV_W2(&w, FV_OP_Sub, op->in[0], FV_W2(&w, FV_OP_ReduceMean, op->in[0], c));
    return y && fv_upgrade_replace(op, y);
}

/* The sink has the shape of the input, with one element along the last axis. */
static bool infer_sink_softmax(fv_op *op) {
    const fv_type *x = fv_in_type(op, 0), *sink = fv_in_type(op, 1);
    fv_module *m = fv_op_module(op);
    for (int i = 0; i < x->rank; i++)
        if (!fv_module_assume(m, sink->dims[i],
                              i < x->rank - 1 ? x->dims[i] : fv_dim_const(m->dims, 1),
                              "sink of a Softmax"))
            return fv_op_error(op, "axis %d of the sink does not fit", i);
    fv_infer_like(op, 0, 0);
    return true;
}

const fv_opdef fv_ops_norm[] = {
    {.domain = "",
     .name = "Softmax",
     .id = FV_OP_Softmax,
     .since = {1, 11, 13},
     .doc = "exponentials times the reciprocal of their sum along an axis",
     .in = {{"input", "T"}},
     .out = {{"output", "T"}},
     .attrs = {FV_A_INT("axis", -1), FV_A_INT_UNTIL(11, "axis", 1)},
     .types = {{"T", FV_SET_FLOAT}},
     .infer = fv_infer_along,
     .formula = "a.. = axis; m = max k: input[a.., k, c..]; s = sum k: "
                "exp_flush(input[a.., k, c..] - m); output[a.., j, c..] = exp_flush(input[a.., j, "
                "c..] - m) * (1 / s)",
     .upgrade = upgrade_softmax},
    {.domain = "fv",
     .name = "SinkSoftmax",
     .id = FV_OP_fv_SinkSoftmax,
     .since = {1},
     .doc = "softmax of each row along the last axis together with one more number, whose weight "
            "is dropped",
     .in = {{"X", "T", .rank = FV_RANK_FROM(1)}, {"sink", "T", .rank = FV_RANK_AS("X")}},
     .out = {{"Y", "T"}},
     .types = {{"T", FV_SET_FLOAT}},
     .infer = infer_sink_softmax,
     .formula = "m = max(max k: X[a.., k], sink[a.., 0]); s = (sum k: exp_flush(X[a.., k] - m)) + "
                "exp_flush(sink[a.., 0] - m); Y[a.., j] = exp_flush(X[a.., j] - m) * (1 / s)"},
    {.domain = "",
     .name = "LogSoftmax",
     .id = FV_OP_LogSoftmax,
     .since = {1, 11, 13},
     .doc = "logarithm of Softmax",
     .in = {{"input", "T"}},
     .out = {{"output", "T"}},
     .attrs = {FV_A_INT("axis", -1), FV_A_INT_UNTIL(11, "axis", 1)},
     .types = {{"T", FV_SET_FLOAT}},
     .infer = fv_infer_along,
     .formula =
         "a.. = axis; m = max k: input[a.., k, c..]; s = sum k: "
         "exp_flush(input[a.., k, c..] - m); output[a.., j, c..] = input[a.., j, c..] - m - log(s)",
     .upgrade = upgrade_softmax},
    {.domain = "",
     .name = "LayerNormalization",
     .id = FV_OP_LayerNormalization,
     .since = {17},
     .doc = "(x - mean) / sqrt(variance + epsilon) * scale + b over the axes from axis on",
     .in = {{"X", "T", .rank = FV_RANK_FROM(1)}, {"Scale", "T"}, {"B", "T", FV_OPTIONAL_OPERAND}},
     .out = {{"Y", "T"},
             {"Mean", "U", FV_OPTIONAL_OPERAND},
             {"InvStdDev", "U", FV_OPTIONAL_OPERAND}},
     .attrs = {FV_A_INT("axis", -1), FV_A_FLOAT("epsilon", 1e-05f), FV_A_INT("stash_type", 1)},
     .types = {{"T", FV_SET_FLOAT}, {"U", FV_SET(BF16) | FV_SET(F32)}},
     .infer = infer_layer_norm,
     .formula = "a.. = axis; m = (sum r..: X[a.., r..]) / T(size(X, axis)); v = (sum r..: (X[a.., "
                "r..] - m) * (X[a.., r..] - m)) / T(size(X, axis)); s = 1 / sqrt(v + epsilon); n = "
                "(X[a.., j..] - m) * s * Scale; Y[a.., j..] = select(has(B), n + B, n); Mean[a.., "
                "j..] = U(m); InvStdDev[a.., j..] = U(s)"},
    {.domain = "",
     .name = "RMSNormalization",
     .id = FV_OP_RMSNormalization,
     .since = {23},
     .doc = "x / sqrt(mean of squares + epsilon) * scale over the axes from axis on",
     .in = {{"X", "T", .rank = FV_RANK_FROM(1)}, {"scale", "V"}},
     .out = {{"Y", "V"}},
     .attrs = {FV_A_INT("axis", -1), FV_A_FLOAT("epsilon", 1e-05f), FV_A_INT("stash_type", 1)},
     .types = {{"T", FV_SET_FLOAT}, {"V", FV_SET_FLOAT}},
     .infer = infer_rms_norm,
     .formula = "a.. = axis; v = (sum r..: X[a.., r..] * X[a.., r..]) / T(size(X, axis)); n = "
                "V(X[a.., j..] / sqrt(v + epsilon)); Y[a.., j..] = n * scale"},
    {.domain = "",
     .name = "InstanceNormalization",
     .since = {1, 6, 22},
     .doc = "each channel of each sample normalised over its positions",
     .in = {{"input", "T", .rank = FV_RANK_FROM(2)},
            {"scale", "T", .rank = FV_RANK(1)},
            {"B", "T", .rank = FV_RANK(1)}},
     .out = {{"output", "T"}},
     .attrs = {FV_A_FLOAT("epsilon", 1e-05f),
               {.name = "consumed_inputs", .kind = FV_ATTR_INTS, .until = 1}},
     .types = {{"T", FV_SET_FLOAT}},
     .infer = infer_per_channel,
     .formula = "m = (sum r..: input[n, c, r..]) / T(size(input, 2)); v = (sum r..: (input[n, c, "
                "r..] - m) * (input[n, c, r..] - m)) / T(size(input, 2)); output[n, c, j..] = "
                "(input[n, c, j..] - m) / sqrt(v + epsilon) * scale[c] + B[c]"},
    {.domain = "",
     .name = "BatchNormalization",
     .since = {1, 6, 7, 9, 14, 15},
     .doc = "channels normalised by given mean and variance",
     .in = {{"X", "T", .rank = FV_RANK_FROM(2)},
            {"scale", "T1", .rank = FV_RANK(1)},
            {"B", "T1", .rank = FV_RANK(1)},
            {"input_mean", "T2", .rank = FV_RANK(1)},
            {"input_var", "T2", .rank = FV_RANK(1)}},
     .out = {{"Y", "T"},
             {"running_mean", "T2", FV_OPTIONAL_OPERAND},
             {"running_var", "T2", FV_OPTIONAL_OPERAND},
             /* until opset 13 */
             {"saved_mean", "T2", FV_OPTIONAL_OPERAND},
             {"saved_var", "T2", FV_OPTIONAL_OPERAND}},
     .attrs = {FV_A_FLOAT("epsilon", 1e-05f),
               FV_A_FLOAT("momentum", 0.9f),
               FV_A_INT("training_mode", 0),
               /* an attribute of Fovea, for models below opset 14 */
               FV_A_OPTIONAL("training_by_use", INT),
               {.name = "consumed_inputs", .kind = FV_ATTR_INTS, .until = 1},
               FV_A_INT_UNTIL(6, "is_test", 0),
               FV_A_INT_UNTIL(7, "spatial", 1)},
     .types = {{"T", FV_SET_FLOAT}, {"T1", FV_SET_FLOAT}, {"T2", FV_SET_FLOAT}},
     .infer = infer_batch_norm,
     .decompose = decompose_batch_norm,
     .upgrade = upgrade_batch_norm},
    {.domain = "",
     .name = "GroupNormalization",
     .id = FV_OP_GroupNormalization,
     .since = {18, 21},
     .doc = "groups of channels normalised over their positions",
     .in = {{"X", "T", .rank = FV_RANK_FROM(2)},
            {"scale", "T", .rank = FV_RANK(1)},
            {"bias", "T", .rank = FV_RANK(1)}},
     .out = {{"Y", "T"}},
     .attrs = {FV_A_FLOAT("epsilon", 1e-05f), FV_A_REQUIRED("num_groups", INT),
               FV_A_INT("stash_type", 1)},
     .types = {{"T", FV_SET_FLOAT}},
     .infer = infer_group_norm,
     .upgrade = upgrade_group_norm,
     .body = "GroupNormalization"},
    {.domain = "",
     .name = "LpNormalization",
     .since = {1, 22},
     .doc = "x divided by its norm along an axis",
     .in = {{"input", "T", .rank = FV_RANK_FROM(1)}},
     .out = {{"output", "T"}},
     .attrs = {FV_A_INT("axis", -1), FV_A_INT("p", 2)},
     .types = {{"T", FV_SET_FLOAT}},
     .infer = fv_infer_along,
     .formula = "a.. = axis; v = sum k: input[a.., k, c..] * input[a.., k, c..]; w = sum k: "
                "abs(input[a.., k, c..]); d = select(p == 1, w, sqrt(v)); output[a.., j, c..] = "
                "select(d == 0, 0, input[a.., j, c..] / d)"},
    {.domain = "",
     .name = "MeanVarianceNormalization",
     .since = {1, 9, 13},
     .doc = "(x - mean) / sqrt(variance) over axes",
     .in = {{"X", "T"}},
     .out = {{"Y", "T"}},
     .attrs = {FV_A_OPTIONAL("axes", INTS), FV_A_INT_UNTIL(1, "across_channels", 0),
               FV_A_INT_UNTIL(1, "normalize_variance", 1)},
     .types = {{"T", FV_SET_FLOAT}},
     .infer = infer_mvn,
     .body = "MeanVarianceNormalization",
     .upgrade = upgrade_mvn},

    {0}};
