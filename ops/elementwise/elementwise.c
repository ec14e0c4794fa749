/* elementwise.c - operators with one formula per element: arithmetic, comparison, logic. */

#include <math.h>
#include <string.h>

#include "ir/base/limits.h"
#include "ir/definition/definition.h"
#include "ir/graph/infer.h"
#include "ir/graph/rewriter.h"
#include "ops/common/upgrade.h"
#include "ops/text/strings.h"

/* ---- operators whose arithmetic depends on types or attributes ---- */

static bool infer_mod(fv_op *op) {
    fv_elem e = fv_in_type(op, 0)->elem;
    if (fv_elem_is_float(e) && !fv_op_int(op, "fmod"))
        return fv_op_error(op, "fmod must be 1 for %s", fv_elem_name(e));
    return fv_infer_elementwise(op);
}

static bool define_mod(fv_definer *d, fv_op *op) {
    fv_definition *def = fv_definition_new(d, 0);
    fv_expr *a = fv_d_elementwise(d, 0, def), *b = fv_d_elementwise(d, 1, def);
    bool fmod = fv_op_int(op, "fmod") != 0;
    if (fv_elem_is_float((fv_elem)a->type.elem))
        def->body = fv_x_bin(d->arena, FV_X_FREM, a, b);
    else
        def->body = fv_x_bin(d->arena, fmod ? FV_X_REM : FV_X_FLOORMOD, a, b);
    return true;
}

/* The exponent if it is one constant number; else false. */
static bool constant_power(const fv_op *op, double *out) {
    const fv_value *c = op->in[1];
    if (c->kind != FV_VALUE_CONST || c->tensor->count != 1)
        return false;
    *out = fv_elem_is_float(c->tensor->elem) ? fv_tensor_float(c->tensor, 0)
                                             : (double)fv_tensor_int(c->tensor, 0);
    return true;
}

/* x to the power n by repeated squaring. */
static fv_expr *integer_power(fv_arena *a, fv_expr *x, int n) {
    fv_expr *r = NULL;
    for (; n; n >>= 1) {
        if (n & 1)
            r = r ? fv_x_bin(a, FV_X_MUL, r, x) : x;
        if (n > 1)
            x = fv_x_bin(a, FV_X_MUL, x, x);
    }
    return r;
}

/* Replaces a u64 exponent by one that fits i64 and gives the same power modulo 2^64: the power of
 * an even number to 64 or more is 0, and the order of an odd number divides 2^62. */
static fv_expr *below_sign(fv_arena *a, fv_expr *y) {
    const int64_t order = INT64_C(1) << 62;
    fv_expr *rest = fv_x_bin(a, FV_X_AND, y, fv_x_const_int(a, FV_U64, order - 1));
    return fv_x_select(a, fv_x_bin(a, FV_X_LT, y, fv_x_const_int(a, FV_U64, INT64_MIN)), y,
                       fv_x_bin(a, FV_X_OR, rest, fv_x_const_int(a, FV_U64, order)));
}

static const double most_spelled_out = 16;

/* Powers of integers with integer exponents wrap. In all other cases the power is computed with
 * floats, in f32 if the exponent is exact in it, and rounded or truncated to the type of x. */
static bool define_pow(fv_definer *d, fv_op *op) {
    fv_arena *a = d->arena;
    fv_definition *def = fv_definition_new(d, 0);
    fv_expr *x = fv_d_elementwise(d, 0, def), *y = fv_d_elementwise(d, 1, def);
    fv_elem t = (fv_elem)x->type.elem, e = (fv_elem)y->type.elem;
    double n = 0;
    bool known = constant_power(op, &n), ints = !fv_elem_is_float(t) && !fv_elem_is_float(e);
    bool squares = n == 2 && fv_elem_is_float(t);
    if (known && (squares || (ints && n > 0 && n <= most_spelled_out))) {
        def->body = integer_power(a, x, (int)n);
        return true;
    }
    bool exact =
        fv_elem_is_float(e) ? e != FV_F64 : fv_elem_bits(e) < 32 || (known && fabs(n) < 0x1p24);
    if (ints && e == FV_U64)
        y = below_sign(a, y);
    fv_elem work = ints ? FV_I64 : t == FV_F32 && exact ? FV_F32 : FV_F64;
    def->body = fv_x_convert(
        a, t, fv_x_bin(a, FV_X_POW, fv_x_convert(a, work, x), fv_x_convert(a, work, y)));
    return true;
}

static bool infer_shift(fv_op *op) {
    fv_string dir = fv_op_string(op, "direction");
    if (!(dir.n == 4 && !memcmp(dir.s, "LEFT", 4)) && !(dir.n == 5 && !memcmp(dir.s, "RIGHT", 5)))
        return fv_op_error(op, "direction is '%.*s', expected LEFT or RIGHT", (int)dir.n, dir.s);
    return fv_infer_elementwise(op);
}

static bool define_shift(fv_definer *d, fv_op *op) {
    fv_definition *def = fv_definition_new(d, 0);
    fv_expr *x = fv_d_elementwise(d, 0, def), *y = fv_d_elementwise(d, 1, def);
    bool left = fv_op_string(op, "direction").n == strlen("LEFT");
    fv_elem t = (fv_elem)x->type.elem;
    def->body = fv_x_select(
        d->arena, fv_x_bin(d->arena, FV_X_LT, y, fv_x_const_int(d->arena, t, fv_elem_bits(t))),
        fv_x_bin(d->arena, left ? FV_X_SHL : FV_X_SHR, x, y), fv_x_const_int(d->arena, t, 0));
    return true;
}

/* Max, Min, Sum and Mean of any number of operands, from left to right. */
static bool define_variadic(fv_definer *d, fv_op *op) {
    if (op->nin > FV_MAX_EXPR_HEIGHT)
        return fv_op_error(op, "has %d inputs, at most %d can be compiled", op->nin,
                           FV_MAX_EXPR_HEIGHT);
    fv_definition *def = fv_definition_new(d, 0);
    fv_expr_op f = fv_op_is(op, FV_OP_Max)   ? FV_X_MAX
                   : fv_op_is(op, FV_OP_Min) ? FV_X_MIN
                                             : FV_X_ADD;
    fv_expr *x = fv_d_elementwise(d, 0, def);
    for (int i = 1; i < op->nin; i++)
        x = fv_x_bin(d->arena, f, x, fv_d_elementwise(d, i, def));
    if (fv_op_is(op, FV_OP_Mean))
        x = fv_x_bin(d->arena, FV_X_DIV, x, fv_x_const(d->arena, (fv_elem)x->type.elem, op->nin));
    def->body = x;
    return true;
}

static bool infer_broadcast_like(fv_op *op, int typed) {
    const fv_type *t[3];
    const fv_dim *dims[FV_MAX_RANK];
    int rank;
    for (int i = 0; i < op->nin && i < 3; i++)
        t[i] = fv_in_type(op, i);
    if (!fv_infer_broadcast(op, op->nin, t, &rank, dims))
        return false;
    fv_infer_out(op, 0, t[typed]->elem, rank, dims);
    return true;
}

static bool infer_where(fv_op *op) {
    return infer_broadcast_like(op, 1);
}

/* The slope broadcasts to x, but x does not broadcast to the slope. */
static bool infer_prelu(fv_op *op) {
    const fv_type *x = fv_in_type(op, 0);
    fv_infer_like(op, 0, 0);
    return fv_infer_fits(op, 1, x->rank, x->dims);
}

/* Before opset 7 a slope of rank 1 was along axis 1. */
static bool upgrade_prelu(fv_op *op, int version) {
    const fv_type *x = fv_in_type(op, 0), *s = fv_in_type(op, 1);
    fv_op_drop_attr(op, "consumed_inputs");
    if (version >= 7 || !x || !s || s->rank != 1 || x->rank < 2)
        return true;
    fv_module *m = fv_op_module(op);
    const fv_dim *dims[FV_MAX_RANK];
    for (int i = 0; i < x->rank - 1; i++)
        dims[i] = i ? fv_dim_const(m->dims, 1) : s->dims[0];
    fv_rewriter w = fv_rewriter_at(op);
    fv_value *r = fv_w_reshape(&w, op->in[1], x->rank - 1, dims);
    if (r)
        fv_op_set_in(op, 1, r);
    return r != NULL;
}

/* Before opset 7 operands broadcast only if an attribute requested it. */
#define AXIS_BROADCAST(last)                                                                       \
    {.name = "axis", .kind = FV_ATTR_INT, .until = (last)}, FV_A_INT_UNTIL(last, "broadcast", 0)

const fv_opdef fv_ops_elementwise[] = {
    {.domain = "",
     .name = "Add",
     .id = FV_OP_Add,
     .since = {1, 6, 7, 13, 14},
     .doc = "a + b",
     .in = {{"A", "T"}, {"B", "T"}},
     .out = {{"C", "T"}},
     .attrs = {AXIS_BROADCAST(6), {.name = "consumed_inputs", .kind = FV_ATTR_INTS, .until = 1}},
     .types = {{"T", FV_SET_NUMBER}},
     .commutes = true,
     .infer = fv_infer_elementwise,
     .formula = "C = A + B",
     .upgrade = fv_upgrade_broadcast},
    {.domain = "",
     .name = "Sub",
     .id = FV_OP_Sub,
     .since = {1, 6, 7, 13, 14},
     .doc = "a - b",
     .in = {{"A", "T"}, {"B", "T"}},
     .out = {{"C", "T"}},
     .attrs = {AXIS_BROADCAST(6), {.name = "consumed_inputs", .kind = FV_ATTR_INTS, .until = 1}},
     .types = {{"T", FV_SET_NUMBER}},
     .infer = fv_infer_elementwise,
     .formula = "C = A - B",
     .upgrade = fv_upgrade_broadcast},
    {.domain = "",
     .name = "Mul",
     .id = FV_OP_Mul,
     .since = {1, 6, 7, 13, 14},
     .doc = "a * b",
     .in = {{"A", "T"}, {"B", "T"}},
     .out = {{"C", "T"}},
     .attrs = {AXIS_BROADCAST(6), {.name = "consumed_inputs", .kind = FV_ATTR_INTS, .until = 1}},
     .types = {{"T", FV_SET_NUMBER}},
     .commutes = true,
     .infer = fv_infer_elementwise,
     .formula = "C = A * B",
     .upgrade = fv_upgrade_broadcast},
    {.domain = "",
     .name = "Div",
     .id = FV_OP_Div,
     .since = {1, 6, 7, 13, 14},
     .doc = "a / b; integers towards zero",
     .in = {{"A", "T"}, {"B", "T"}},
     .out = {{"C", "T"}},
     .attrs = {AXIS_BROADCAST(6), {.name = "consumed_inputs", .kind = FV_ATTR_INTS, .until = 1}},
     .types = {{"T", FV_SET_NUMBER}},
     .infer = fv_infer_elementwise,
     .formula = "C = A / B",
     .upgrade = fv_upgrade_broadcast},
    {.domain = "",
     .name = "Mod",
     .id = FV_OP_Mod,
     .since = {10, 13},
     .decides = true,
     .doc = "the remainder of a / b, with the sign of b, or of a if fmod = "
            "1",
     .in = {{"A", "T"}, {"B", "T"}},
     .out = {{"C", "T"}},
     .attrs = {FV_A_INT("fmod", 0)},
     .types = {{"T", FV_SET_NUMBER}},
     .infer = infer_mod,
     .define = define_mod},
    {.domain = "",
     .name = "Pow",
     .id = FV_OP_Pow,
     .since = {1, 7, 12, 13, 15},
     .doc = "x to the power y, in the type of x",
     .in = {{"X", "T"}, {"Y", "T1"}},
     .out = {{"Z", "T"}},
     .attrs = {AXIS_BROADCAST(1)},
     .types = {{"T", FV_SET_FLOAT | FV_SET(I32) | FV_SET(I64)}, {"T1", FV_SET_NUMBER}},
     .infer = fv_infer_elementwise,
     .define = define_pow,
     .upgrade = fv_upgrade_broadcast},
    {.domain = "",
     .name = "And",
     .id = FV_OP_And,
     .since = {1, 7},
     .doc = "logical and",
     .in = {{"A", "T"}, {"B", "T"}},
     .out = {{"C", "T1"}},
     .attrs = {AXIS_BROADCAST(1)},
     .types = {{"T", FV_SET(BOOL)}, {"T1", FV_SET(BOOL)}},
     .commutes = true,
     .infer = fv_infer_compare,
     .formula = "C = A & B",
     .upgrade = fv_upgrade_broadcast},
    {.domain = "",
     .name = "Or",
     .id = FV_OP_Or,
     .since = {1, 7},
     .doc = "logical or",
     .in = {{"A", "T"}, {"B", "T"}},
     .out = {{"C", "T1"}},
     .attrs = {AXIS_BROADCAST(1)},
     .types = {{"T", FV_SET(BOOL)}, {"T1", FV_SET(BOOL)}},
     .commutes = true,
     .infer = fv_infer_compare,
     .formula = "C = A | B",
     .upgrade = fv_upgrade_broadcast},
    {.domain = "",
     .name = "Xor",
     .since = {1, 7},
     .doc = "logical exclusive or",
     .in = {{"A", "T"}, {"B", "T"}},
     .out = {{"C", "T1"}},
     .attrs = {AXIS_BROADCAST(1)},
     .types = {{"T", FV_SET(BOOL)}, {"T1", FV_SET(BOOL)}},
     .commutes = true,
     .infer = fv_infer_compare,
     .formula = "C = A ^ B",
     .upgrade = fv_upgrade_broadcast},
    {.domain = "",
     .name = "BitwiseAnd",
     .since = {18},
     .doc = "and of bits",
     .in = {{"A", "T"}, {"B", "T"}},
     .out = {{"C", "T"}},
     .types = {{"T", FV_SET_INT}},
     .commutes = true,
     .infer = fv_infer_elementwise,
     .formula = "C = A & B"},
    {.domain = "",
     .name = "BitwiseOr",
     .since = {18},
     .doc = "or of bits",
     .in = {{"A", "T"}, {"B", "T"}},
     .out = {{"C", "T"}},
     .types = {{"T", FV_SET_INT}},
     .commutes = true,
     .infer = fv_infer_elementwise,
     .formula = "C = A | B"},
    {.domain = "",
     .name = "BitwiseXor",
     .since = {18},
     .doc = "exclusive or of bits",
     .in = {{"A", "T"}, {"B", "T"}},
     .out = {{"C", "T"}},
     .types = {{"T", FV_SET_INT}},
     .commutes = true,
     .infer = fv_infer_elementwise,
     .formula = "C = A ^ B"},
    {.domain = "",
     .name = "BitShift",
     .since = {11},
     .doc = "shift of bits; 0 if the count is at least the width",
     .in = {{"X", "T"}, {"Y", "T"}},
     .out = {{"Z", "T"}},
     .attrs = {FV_A_REQUIRED("direction", STRING)},
     .types = {{"T", FV_SET_UNSIGNED}},
     .infer = infer_shift,
     .define = define_shift},
    {.domain = "",
     .name = "Equal",
     .id = FV_OP_Equal,
     .since = {1, 7, 11, 13, 19},
     .doc = "a == b",
     .in = {{"A", "T"}, {"B", "T"}},
     .out = {{"C", "T1"}},
     .attrs = {AXIS_BROADCAST(1)},
     .types = {{"T", FV_SET_NUMBER | FV_SET(BOOL) | FV_SET(STRING)}, {"T1", FV_SET(BOOL)}},
     .commutes = true,
     .strings = fv_equal_strings,
     .infer = fv_infer_compare,
     .formula = "C = A == B",
     .upgrade = fv_upgrade_broadcast},
    {.domain = "",
     .name = "Less",
     .id = FV_OP_Less,
     .since = {1, 7, 9, 13},
     .doc = "a < b",
     .in = {{"A", "T"}, {"B", "T"}},
     .out = {{"C", "T1"}},
     .attrs = {AXIS_BROADCAST(1)},
     .types = {{"T", FV_SET_NUMBER}, {"T1", FV_SET(BOOL)}},
     .infer = fv_infer_compare,
     .formula = "C = A < B",
     .upgrade = fv_upgrade_broadcast},
    {.domain = "",
     .name = "Greater",
     .id = FV_OP_Greater,
     .since = {1, 7, 9, 13},
     .doc = "a > b",
     .in = {{"A", "T"}, {"B", "T"}},
     .out = {{"C", "T1"}},
     .attrs = {AXIS_BROADCAST(1)},
     .types = {{"T", FV_SET_NUMBER}, {"T1", FV_SET(BOOL)}},
     .infer = fv_infer_compare,
     .formula = "C = A > B",
     .upgrade = fv_upgrade_broadcast},
    {.domain = "",
     .name = "LessOrEqual",
     .id = FV_OP_LessOrEqual,
     .since = {12, 16},
     .doc = "a <= b",
     .in = {{"A", "T"}, {"B", "T"}},
     .out = {{"C", "T1"}},
     .types = {{"T", FV_SET_NUMBER}, {"T1", FV_SET(BOOL)}},
     .infer = fv_infer_compare,
     .formula = "C = A <= B"},
    {.domain = "",
     .name = "GreaterOrEqual",
     .id = FV_OP_GreaterOrEqual,
     .since = {12, 16},
     .doc = "a >= b",
     .in = {{"A", "T"}, {"B", "T"}},
     .out = {{"C", "T1"}},
     .types = {{"T", FV_SET_NUMBER}, {"T1", FV_SET(BOOL)}},
     .infer = fv_infer_compare,
     .formula = "C = A >= B"},
    {.domain = "",
     .name = "Where",
     .id = FV_OP_Where,
     .since = {9, 16},
     .doc = "condition ? x : y",
     .in = {{"condition", "B"}, {"X", "T"}, {"Y", "T"}},
     .out = {{"output", "T"}},
     .types = {{"B", FV_SET(BOOL)}, {"T", FV_SET_NUMBER | FV_SET(BOOL) | FV_SET(STRING)}},
     .infer = infer_where,
     .formula = "output = select(condition, X, Y)"},
    {.domain = "",
     .name = "PRelu",
     .since = {1, 6, 7, 9, 16},
     .doc = "x where x >= 0, else slope * x",
     .in = {{"X", "T"}, {"slope", "T"}},
     .out = {{"Y", "T"}},
     .attrs = {{.name = "consumed_inputs", .kind = FV_ATTR_INTS, .until = 1}},
     .types = {{"T", FV_SET_FLOAT | FV_SET(I32) | FV_SET(I64) | FV_SET(U32) | FV_SET(U64)}},
     .infer = infer_prelu,
     .formula = "Y = select(X < 0, slope * X, X)",
     .upgrade = upgrade_prelu},
    {.domain = "",
     .name = "Max",
     .id = FV_OP_Max,
     .since = {1, 6, 8, 12, 13},
     .doc = "largest of all inputs",
     .in = {{"data_0", "T", FV_VARIADIC, 1}},
     .out = {{"max", "T"}},
     .attrs = {{.name = "consumed_inputs", .kind = FV_ATTR_INTS, .until = 1}},
     .types = {{"T", FV_SET_NUMBER}},
     .commutes = true,
     .infer = fv_infer_elementwise,
     .associates = true,
     .define = define_variadic},
    {.domain = "",
     .name = "Min",
     .id = FV_OP_Min,
     .since = {1, 6, 8, 12, 13},
     .doc = "smallest of all inputs",
     .in = {{"data_0", "T", FV_VARIADIC, 1}},
     .out = {{"min", "T"}},
     .attrs = {{.name = "consumed_inputs", .kind = FV_ATTR_INTS, .until = 1}},
     .types = {{"T", FV_SET_NUMBER}},
     .commutes = true,
     .infer = fv_infer_elementwise,
     .associates = true,
     .define = define_variadic},
    {.domain = "",
     .name = "Sum",
     .id = FV_OP_Sum,
     .since = {1, 6, 8, 13},
     .doc = "sum of all inputs",
     .in = {{"data_0", "T", FV_VARIADIC, 1}},
     .out = {{"sum", "T"}},
     .attrs = {{.name = "consumed_inputs", .kind = FV_ATTR_INTS, .until = 1}},
     .types = {{"T", FV_SET_FLOAT}},
     .commutes = true,
     .infer = fv_infer_elementwise,
     .associates = true,
     .define = define_variadic},
    {.domain = "",
     .name = "Mean",
     .id = FV_OP_Mean,
     .since = {1, 6, 8, 13},
     .doc = "mean of all inputs",
     .in = {{"data_0", "T", FV_VARIADIC, 1}},
     .out = {{"mean", "T"}},
     .attrs = {{.name = "consumed_inputs", .kind = FV_ATTR_INTS, .until = 1}},
     .types = {{"T", FV_SET_FLOAT}},
     .commutes = true,
     .infer = fv_infer_elementwise,
     .define = define_variadic},

    {0}};
