/* training.c - one step of an optimizer: Adagrad, Adam, Momentum. Each takes any number of tensors,
 * followed by all gradients, then the state for each tensor; fv.Adagrad and similar ops take one
 * tensor. */
#include "ir/graph/infer.h"
#include "ir/graph/rewriter.h"
#include "ops/common/attribute.h"

enum { RATE, COUNT, FIRST };

/* Infers operands of each tensor: the tensor, its gradient, and `kept` states. Results: the tensor
 * and the states. */
static bool infer_step(fv_op *op, int kept) {
    int per = 2 + kept, n = (op->nin - FIRST) / per;
    if (op->nin == FIRST || (op->nin - FIRST) % per)
        return fv_op_error(op, "has %d inputs after 'T', expected %d for each tensor",
                           op->nin - FIRST, per);
    if (op->nout != n * (per - 1))
        return fv_op_error(op, "has %d outputs for %d tensors, expected %d", op->nout, n,
                           n * (per - 1));
    for (int i = FIRST; i < op->nin; i++) {
        const fv_type *x = fv_in_type(op, FIRST + (i - FIRST) % n), *t = fv_in_type(op, i);
        if (t->elem != x->elem || t->rank != x->rank)
            return fv_op_error(op, "input %d is %s, expected %s as its tensor", i,
                               fv_type_str(fv_op_module(op)->arena, t),
                               fv_type_str(fv_op_module(op)->arena, x));
        for (int k = 0; k < x->rank; k++)
            if (!fv_module_assume(fv_op_module(op), t->dims[k], x->dims[k],
                                  "dims of an optimizer's tensors"))
                return fv_op_error(op, "input %d is %s, expected %s as its tensor", i,
                                   fv_type_str(fv_op_module(op)->arena, t),
                                   fv_type_str(fv_op_module(op)->arena, x));
    }
    for (int i = 0; i < op->nout; i++)
        fv_infer_like(op, i, FIRST + i % n);
    return true;
}

static bool infer_one_kept(fv_op *op) {
    return infer_step(op, 1);
}

static bool infer_two_kept(fv_op *op) {
    return infer_step(op, 2);
}

static bool infer_momentum(fv_op *op) {
    fv_string mode = fv_op_string(op, "mode");
    if (!fv_attr_is(op, "mode", "standard") && !fv_attr_is(op, "mode", "nesterov"))
        return fv_op_error(op, "mode is '%.*s', expected standard or nesterov",
                           (int)(mode.n > 40 ? 40 : mode.n), mode.s);
    return infer_step(op, 1);
}

static bool decompose_step(fv_rewriter *w, fv_op *op, fv_op_id step, int kept) {
    int n = (op->nin - FIRST) / (2 + kept);
    for (int i = 0; i < n; i++) {
        fv_value *in[6] = {fv_w_cast(w, op->in[RATE], fv_in_type(op, FIRST + i)->elem),
                           op->in[COUNT]};
        for (int k = 0; k < 2 + kept; k++)
            in[FIRST + k] = op->in[FIRST + k * n + i];
        fv_op *one = fv_w_op_n(w, step, FIRST + 2 + kept, in, op->nattrs, op->attrs, 1 + kept);
        for (int k = 0; one && k < 1 + kept; k++)
            if (op->out[k * n + i])
                fv_w_result(w, k * n + i, one->out[k]);
    }
    return true;
}

static bool decompose_adagrad(fv_rewriter *w, fv_op *op) {
    return decompose_step(w, op, FV_OP_fv_Adagrad, 1);
}

static bool decompose_adam(fv_rewriter *w, fv_op *op) {
    return decompose_step(w, op, FV_OP_fv_Adam, 2);
}

static bool decompose_momentum(fv_rewriter *w, fv_op *op) {
    return decompose_step(w, op, FV_OP_fv_Momentum, 1);
}

static bool infer_one(fv_op *op) {
    for (int i = FIRST; i < op->nin; i++)
        if (!fv_infer_fits(op, i, fv_in_type(op, FIRST)->rank, fv_in_type(op, FIRST)->dims))
            return false;
    for (int i = 0; i < op->nout; i++)
        fv_infer_like(op, i, FIRST);
    return true;
}

#define TRAINING .domain = "ai.onnx.preview.training", .since = {1}
#define OURS     .domain = "fv", .since = {1}
#define MANY                                                                                       \
    .in = {{"R", "T1", .rank = FV_SCALAR},                                                         \
           {"T", "T2", .rank = FV_SCALAR},                                                         \
           {"inputs", "T3", FV_VARIADIC, -1}},                                                     \
    .out = {{"outputs", "T3", FV_VARIADIC, -1}},                                                   \
    .types = {{"T1", WIDE}, {"T2", FV_SET(I64)}, {"T3", WIDE}}
#define WIDE      (FV_SET(F32) | FV_SET(F64))
#define ONE_TYPES .types = {{"F", WIDE}, {"I", FV_SET(I64)}}
#define ADAGRAD                                                                                    \
    FV_A_FLOAT("decay_factor", 0.0f), FV_A_FLOAT("epsilon", 0.0f),                                 \
        FV_A_FLOAT("norm_coefficient", 0.0f)
#define ADAM                                                                                       \
    FV_A_FLOAT("alpha", 0.9f), FV_A_FLOAT("beta", 0.999f), FV_A_FLOAT("epsilon", 0.0f),            \
        FV_A_FLOAT("norm_coefficient", 0.0f), FV_A_FLOAT("norm_coefficient_post", 0.0f)
#define MOMENTUM                                                                                   \
    FV_A_REQUIRED("alpha", FLOAT), FV_A_REQUIRED("beta", FLOAT), FV_A_REQUIRED("mode", STRING),    \
        FV_A_REQUIRED("norm_coefficient", FLOAT)
#define GRADIENT "g = norm_coefficient * X + G; "

const fv_opdef fv_ops_training[] = {
    {OURS, .name = "Adagrad", .id = FV_OP_fv_Adagrad, .doc = "one step of Adagrad, of one tensor",
     .in = {{"R", "F", .rank = FV_SCALAR},
            {"T", "I", .rank = FV_SCALAR},
            {"X", "F"},
            {"G", "F"},
            {"H", "F"}},
     .out = {{"X_new", "F"}, {"H_new", "F", FV_OPTIONAL_OPERAND}}, .attrs = {ADAGRAD}, ONE_TYPES,
     .infer = infer_one,
     .formula = GRADIENT "h = H + g * g; r = R / (1.0 + F(T) * decay_factor); "
                         "X_new = X - r * g / (sqrt(h) + epsilon); H_new = h"},
    {TRAINING, .name = "Adagrad",
     .doc = "one step of Adagrad, of several tensors with their gradients and sums of squares",
     MANY, .attrs = {ADAGRAD}, .infer = infer_one_kept, .decompose = decompose_adagrad},
    {OURS, .name = "Adam", .id = FV_OP_fv_Adam, .doc = "one step of Adam, of one tensor",
     .in = {{"R", "F", .rank = FV_SCALAR},
            {"T", "I", .rank = FV_SCALAR},
            {"X", "F"},
            {"G", "F"},
            {"V", "F"},
            {"H", "F"}},
     .out = {{"X_new", "F"},
             {"V_new", "F", FV_OPTIONAL_OPERAND},
             {"H_new", "F", FV_OPTIONAL_OPERAND}},
     .attrs = {ADAM}, ONE_TYPES, .infer = infer_one,
     .formula = GRADIENT
     "v = alpha * V + (1.0 - alpha) * g; h = beta * H + (1.0 - beta) * (g * g); t = f64(T); "
     "corrected = F(f64(R) * sqrt(1.0 - pow(f64(beta), t)) / (1.0 - pow(f64(alpha), t))); "
     "X_new = (1.0 - norm_coefficient_post) * (X - select(T > 0, corrected, R) * v / (sqrt(h) + "
     "epsilon)); "
     "V_new = v; H_new = h"},
    {TRAINING, .name = "Adam",
     .doc = "one step of Adam, of several tensors with their gradients and means of these and of "
            "their squares",
     MANY, .attrs = {ADAM}, .infer = infer_two_kept, .decompose = decompose_adam},
    {OURS, .name = "Momentum", .id = FV_OP_fv_Momentum,
     .doc = "one step of gradient descent with momentum, of one tensor",
     .in = {{"R", "F", .rank = FV_SCALAR},
            {"T", "I", .rank = FV_SCALAR},
            {"X", "F"},
            {"G", "F"},
            {"V", "F"}},
     .out = {{"X_new", "F"}, {"V_new", "F", FV_OPTIONAL_OPERAND}}, .attrs = {MOMENTUM}, ONE_TYPES,
     .infer = infer_one,
     .formula =
         GRADIENT "v = alpha * V + select(T > 0, F(beta), 1.0) * g; "
                  "X_new = X - R * select(mode == \"nesterov\", g + alpha * v, v); V_new = v"},
    {TRAINING, .name = "Momentum",
     .doc = "one step of gradient descent with momentum, of several tensors with their gradients "
            "and momenta",
     MANY, .attrs = {MOMENTUM}, .infer = infer_momentum, .decompose = decompose_momentum},

    {0}};
