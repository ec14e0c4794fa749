/* activation.c - activation functions. */
#include "ir/definition/definition.h"
#include "ir/graph/infer.h"

/* Integers go through f64: bias and lambd need not be whole. */
static bool define_shrink(fv_definer *d, fv_op *op) {
    fv_arena *a = d->arena;
    fv_definition *def = fv_definition_new(d, 0);
    fv_expr *x = fv_d_elementwise(d, 0, def);
    fv_elem t = (fv_elem)x->type.elem, work = fv_elem_is_float(t) ? t : FV_F64;
    fv_expr *bias = fv_x_const(a, work, (double)fv_op_float(op, "bias"));
    float lambd = fv_op_float(op, "lambd");
    x = fv_x_convert(a, work, x);
    fv_expr *below = fv_x_bin(a, FV_X_LT, x, fv_x_const(a, work, -(double)lambd));
    fv_expr *above = fv_x_bin(a, FV_X_LT, fv_x_const(a, work, (double)lambd), x);
    fv_expr *y = fv_x_select(a, above, fv_x_bin(a, FV_X_SUB, x, bias), fv_x_const(a, work, 0));
    y = fv_x_select(a, below, fv_x_bin(a, FV_X_ADD, x, bias), y);
    def->body = fv_x_convert(a, t, y);
    return true;
}

static bool infer_equal_dims(fv_op *op) {
    fv_module *m = fv_op_module(op);
    const fv_type *a = fv_in_type(op, 0), *b = fv_in_type(op, 1);
    bool equal = a->rank == b->rank;
    for (int i = 0; i < a->rank && equal; i++)
        equal = fv_module_assume(m, a->dims[i], b->dims[i], "operands have one shape");
    if (!equal)
        return fv_op_error(op, "operands are %s and %s, expected one shape", fv_type_str(m->arena, a),
                           fv_type_str(m->arena, b));
    fv_infer_like(op, 0, 0);
    return true;
}

const fv_opdef fv_ops_activation[] = {
    {.domain = "", .name = "Relu", .id = FV_OP_Relu, .since = {1, 6, 13, 14},
     .doc = "max(x, 0)",
     .in = {{"X", "T"}}, .out = {{"Y", "T"}},
     .attrs = {{.name = "consumed_inputs", .kind = FV_ATTR_INTS, .until = 1}},
     .types = {{"T", FV_SET_FLOAT | FV_SET_SIGNED}},
     .formula = "Y = max(X, 0)"},
    {.domain = "", .name = "LeakyRelu", .id = FV_OP_LeakyRelu, .since = {1, 6, 16},
     .doc = "x where x >= 0, else alpha * x",
     .in = {{"X", "T"}}, .out = {{"Y", "T"}},
     .attrs = {FV_A_FLOAT("alpha", 0.01f),
               {.name = "consumed_inputs", .kind = FV_ATTR_INTS, .until = 1}},
     .types = {{"T", FV_SET_FLOAT}},
     .formula = "Y = select(X < 0, alpha * X, X)"},
    {.domain = "", .name = "ThresholdedRelu", .id = FV_OP_ThresholdedRelu, .since = {1, 10, 22},
     .doc = "x where x > alpha, else 0",
     .in = {{"X", "T"}}, .out = {{"Y", "T"}},
     .attrs = {FV_A_FLOAT("alpha", 1.0f)},
     .types = {{"T", FV_SET_FLOAT}},
     .formula = "Y = select(X > alpha, X, 0)"},
    {.domain = "", .name = "Elu", .id = FV_OP_Elu, .since = {1, 6, 22},
     .doc = "x where x >= 0, else alpha * (exp(x) - 1)",
     .in = {{"X", "T"}}, .out = {{"Y", "T"}},
     .attrs = {FV_A_FLOAT("alpha", 1.0f),
               {.name = "consumed_inputs", .kind = FV_ATTR_INTS, .until = 1}},
     .types = {{"T", FV_SET_FLOAT}},
     .formula = "Y = select(X < 0, alpha * expm1(X), X)"},
    {.domain = "", .name = "Selu", .id = FV_OP_Selu, .since = {1, 6, 22},
     .doc = "gamma * (x > 0 ? x : alpha * (exp(x) - 1))",
     .in = {{"X", "T"}}, .out = {{"Y", "T"}},
     .attrs = {FV_A_FLOAT("alpha", 1.67326f),
               FV_A_FLOAT("gamma", 1.0507f),
               {.name = "consumed_inputs", .kind = FV_ATTR_INTS, .until = 1}},
     .types = {{"T", FV_SET_FLOAT}},
     .formula = "Y = gamma * select(X > 0, X, alpha * expm1(X))"},
    {.domain = "", .name = "Celu", .since = {12, 28},
     .doc = "max(0, x) + min(0, alpha * (exp(x / alpha) - 1))",
     .in = {{"X", "T"}}, .out = {{"Y", "T"}},
     .attrs = {FV_A_FLOAT("alpha", 1.0f)},
     .types = {{"T", FV_SET_FLOAT}},
     .formula = "Y = max(X, 0) + min(alpha * expm1(X / alpha), 0)"},
    {.domain = "", .name = "Sigmoid", .id = FV_OP_Sigmoid, .since = {1, 6, 13},
     .doc = "1 / (1 + exp(-x))",
     .in = {{"X", "T"}}, .out = {{"Y", "T"}},
     .attrs = {{.name = "consumed_inputs", .kind = FV_ATTR_INTS, .until = 1}},
     .types = {{"T", FV_SET_FLOAT}},
     .formula = "Y = sigmoid(X)"},
    {.domain = "", .name = "HardSigmoid", .id = FV_OP_HardSigmoid, .since = {1, 6, 22},
     .doc = "max(0, min(1, alpha * x + beta))",
     .in = {{"X", "T"}}, .out = {{"Y", "T"}},
     .attrs = {FV_A_FLOAT("alpha", 0.2f),
               FV_A_FLOAT("beta", 0.5f),
               {.name = "consumed_inputs", .kind = FV_ATTR_INTS, .until = 1}},
     .types = {{"T", FV_SET_FLOAT}},
     .formula = "Y = max(min(alpha * X + beta, 1), 0)"},
    {.domain = "", .name = "HardSwish", .since = {14, 22},
     .doc = "x * max(0, min(1, x / 6 + 0.5))",
     .in = {{"X", "T"}}, .out = {{"Y", "T"}},
     .types = {{"T", FV_SET_FLOAT}},
     .formula = "Y = X * max(min(X * 0.16666666666666666 + 0.5, 1), 0)"},
    {.domain = "", .name = "Softplus", .id = FV_OP_Softplus, .since = {1, 22},
     .doc = "log(1 + exp(x))",
     .in = {{"X", "T"}}, .out = {{"Y", "T"}},
     .types = {{"T", FV_SET_FLOAT}},
     .formula = "Y = log1p(exp(-abs(X))) + max(X, 0)"},
    {.domain = "", .name = "Softsign", .id = FV_OP_Softsign, .since = {1, 22},
     .doc = "x / (1 + |x|)",
     .in = {{"input", "T"}}, .out = {{"output", "T"}},
     .types = {{"T", FV_SET_FLOAT}},
     .formula = "output = input / (1 + abs(input))"},
    {.domain = "", .name = "Mish", .since = {18, 22},
     .doc = "x * tanh(softplus(x))",
     .in = {{"X", "T"}}, .out = {{"Y", "T"}},
     .types = {{"T", FV_SET_FLOAT}},
     .formula = "Y = X * tanh(log1p(exp(-abs(X))) + max(X, 0))"},
    {.domain = "", .name = "Swish", .id = FV_OP_Swish, .since = {24},
     .doc = "x * sigmoid(alpha * x)",
     .in = {{"X", "T"}}, .out = {{"Y", "T"}},
     .attrs = {FV_A_FLOAT("alpha", 1.0f)},
     .types = {{"T", FV_SET_FLOAT}},
     .formula = "Y = X * sigmoid(alpha * X)"},
    {.domain = "", .name = "Gelu", .id = FV_OP_Gelu, .since = {20},
     .doc = "x * Phi(x), or its tanh approximation",
     .in = {{"X", "T"}}, .out = {{"Y", "T"}},
     .attrs = {FV_A_STRING("approximate", "none")},
     .types = {{"T", FV_SET_FLOAT}},
     .formula = "Y = select(approximate == \"tanh\", 0.5 * X * (1 + tanh(0.7978845608028654 * (X + 0.044715 * X * X * X))), 0.5 * X * (1 + erf(X * 0.7071067811865476)))"},
    {.domain = "", .name = "SwiGLU", .since = {28},
     .doc = "a * sigmoid(alpha * a) * b",
     .in = {{"A", "T"}, {"B", "T"}}, .out = {{"Y", "T"}},
     .attrs = {FV_A_FLOAT("alpha", 1.0f)},
     .types = {{"T", FV_SET_FLOAT}},
     .infer = infer_equal_dims,
     .formula = "Y = A * sigmoid(alpha * A) * B"},
    {.domain = "", .name = "Shrink", .since = {9},
     .doc = "x - bias above lambd, x + bias below -lambd, else 0",
     .in = {{"input", "T"}}, .out = {{"output", "T"}},
     .attrs = {FV_A_FLOAT("bias", 0.0f),
               FV_A_FLOAT("lambd", 0.5f)},
     .types = {{"T", FV_SET_INT | FV_SET(F16) | FV_SET(F32) | FV_SET(F64)}},
     .define = define_shrink},

    {0}};
