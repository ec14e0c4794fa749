/* expr.c - expressions: the table of operators, constructors, structural equality. Integers are
 * folded in fold.c; nodes are created in unique.c. */
#include <assert.h>
#include <math.h>

#include "ir/base/limits.h"
#include "ir/expr/fold.h"
#include "ir/expr/unique.h"

enum { FV_XF_0 = 0 }; /* stands for "no flags" in the table */

static const fv_expr_info infos[] = {
#define EXPR(id, nargs, result, flags, text, doc)                                                  \
    [FV_X_##id] = {#id, nargs, FV_XR_##result, FV_XF_##flags, text, doc},
#include "ir/expr/expr.def"
#undef EXPR
};

const fv_expr_info *fv_expr_op_info(fv_expr_op op) {
    assert(op < FV_X_END);
    return &infos[op];
}

const char *fv_expr_op_text(fv_expr_op op) {
    return fv_expr_op_info(op)->text;
}

bool fv_expr_op_is_math(fv_expr_op op) {
    return (fv_expr_op_info(op)->flags & FV_XF_MATH) != 0;
}

int fv_elem_storage_bytes(fv_elem e) {
    int bits = fv_elem_bits(e);
    return bits < 8 ? 1 : bits / 8;
}

bool fv_elem_is_storage(fv_elem e) {
    return e != FV_BOOL && fv_elem_arith(e) != e;
}

fv_elem fv_elem_bits_elem(fv_elem e) {
    switch (fv_elem_storage_bytes(e)) {
    case 1: return FV_U8;
    case 2: return FV_U16;
    case 4: return FV_U32;
    default: return FV_U64;
    }
}

/* ---- making nodes ---- */

/* The head of a node: its operation, type, number of arguments, and payload (its data other than
 * these and the arguments). */
#define HEAD(o, t, ...) (&(fv_expr){.op = (uint16_t)(o), .type = (t), .n = __VA_ARGS__})

static bool is_arith_float(fv_elem e) {
    return e == FV_F32 || e == FV_F64;
}

static bool is_arith_int(fv_elem e) {
    return fv_elem_is_int(e) && fv_elem_arith(e) == e;
}

bool fv_x_allows(fv_expr_op op, fv_elem e) {
    const fv_expr_info *info = fv_expr_op_info(op);
    if (op == FV_X_POW && e == FV_I64)
        return true;
    if (info->flags & (FV_XF_FLOATS | FV_XF_MATH))
        return is_arith_float(e) && (op != FV_X_SCALEB || e == FV_F32);
    if (info->flags & FV_XF_INTS) {
        if (op == FV_X_MULHI)
            return e == FV_U32 || e == FV_U64;
        if (fv_expr_op_is_dot(op))
            return e == FV_I32;
        return op == FV_X_ADDSAT || op == FV_X_MULSAT ? e == FV_I64 : is_arith_int(e);
    }
    switch (op) {
    case FV_X_REQUIRE: return e == FV_BOOL;
    case FV_X_AND:
    case FV_X_OR:
    case FV_X_XOR:
    case FV_X_NOT: return e == FV_BOOL || is_arith_int(e);
    case FV_X_EQ:
    case FV_X_NE: return e == FV_BOOL || is_arith_int(e) || is_arith_float(e);
    default: return is_arith_int(e) || is_arith_float(e);
    }
}

fv_expr *fv_x_const_int(fv_arena *a, fv_elem e, int64_t v) {
    FV_HOLDS(fv_arena_session(a), e == FV_BOOL || is_arith_int(e));
    return fv_x_node(
        a, HEAD(FV_X_CONST, fv_kt(e, 1), 0, .u.i = e == FV_BOOL ? v != 0 : fv_fold_wrap(e, v)),
        NULL);
}

fv_expr *fv_x_int(fv_arena *a, int64_t value) {
    return fv_x_const_int(a, FV_I64, value);
}

/* The largest or smallest value of an integer type or bool. */
static int64_t int_limit(fv_elem e, bool largest) {
    int bits = fv_elem_bits(e);
    if (e == FV_BOOL)
        return largest;
    if (!fv_elem_is_signed(e))
        return largest ? (int64_t)(~(uint64_t)0 >> (64 - bits)) : 0;
    int64_t max = (int64_t)(((uint64_t)1 << (bits - 1)) - 1);
    return largest ? max : -max - 1;
}

fv_expr *fv_x_const(fv_arena *a, fv_elem e, double value) {
    if (!is_arith_float(e)) {
        if (isinf(value))
            return fv_x_const_int(a, e, int_limit(e, value > 0));
        FV_HOLDS(fv_arena_session(a), value >= -0x1p63 && value < 0x1p63);
        return fv_x_const_int(a, e, (int64_t)value);
    }
    return fv_x_node(
        a, HEAD(FV_X_CONST, fv_kt(e, 1), 0, .u.f = e == FV_F32 ? (double)(float)value : value),
        NULL);
}

fv_expr *fv_x_var(fv_arena *a, fv_var *v) {
    return fv_x_node(a, HEAD(FV_X_VAR, v->type, 0, .u.var = v), NULL);
}

fv_expr *fv_x_dim(fv_arena *a, const fv_dim *d) {
    if (fv_dim_is_const(d))
        return fv_x_int(a, d->value);
    return fv_x_node(a, HEAD(FV_X_DIM, fv_kt(FV_I64, 1), 0, .u.dim = d), NULL);
}

bool fv_x_is_int(const fv_expr *x, int64_t *value) {
    if (x->op != FV_X_CONST || x->type.elem != FV_I64)
        return false;
    *value = x->u.i;
    return true;
}

int64_t fv_x_int_value(const fv_expr *x) {
    assert(x->op == FV_X_CONST && x->type.elem == FV_I64);
    return x->u.i;
}

fv_expr *fv_x_splat(fv_arena *a, int lanes, fv_expr *x) {
    if (lanes == x->type.lanes)
        return x;
    FV_HOLDS(fv_arena_session(a), x->type.lanes == 1);
    return fv_x_node(a, HEAD(FV_X_SPLAT, fv_kt((fv_elem)x->type.elem, lanes), 1), &x);
}

fv_expr *fv_x_ramp(fv_arena *a, int lanes, fv_expr *x) {
    FV_HOLDS(fv_arena_session(a), x->type.lanes == 1 && is_arith_int((fv_elem)x->type.elem));
    if (lanes == 1)
        return x;
    return fv_x_node(a, HEAD(FV_X_RAMP, fv_kt((fv_elem)x->type.elem, lanes), 1), &x);
}

fv_expr *fv_x_blocks(fv_arena *a, fv_expr_op op, int64_t block, fv_expr *x, fv_expr *y) {
    FV_HOLDS(fv_arena_session(a),
             (op == FV_X_EVEN || op == FV_X_ODD) && x->type.elem == y->type.elem);
    FV_HOLDS(fv_arena_session(a),
             x->type.lanes == y->type.lanes && block >= 1 && x->type.lanes % (2 * block) == 0);
    return fv_x_node(a, HEAD(op, x->type, 2, .u.i = block), (fv_expr *[]){x, y});
}

fv_expr *fv_x_un(fv_arena *a, fv_expr_op op, fv_expr *x) {
    FV_HOLDS(fv_arena_session(a),
             fv_expr_op_info(op)->nargs == 1 && fv_expr_op_info(op)->result == FV_XR_SAME);
    FV_HOLDS(fv_arena_session(a), fv_x_allows(op, (fv_elem)x->type.elem));
    fv_expr *folded = fv_fold_un(a, op, x);
    if (folded)
        return folded;
    return fv_x_node(a, HEAD(op, x->type, 1), &x);
}

/* The number of lanes of the result: a scalar operand is copied to all lanes of a vector
 * operand. */
static int common_lanes(const fv_expr *x, const fv_expr *y) {
    return x->type.lanes > y->type.lanes ? x->type.lanes : y->type.lanes;
}

fv_expr *fv_x_bin(fv_arena *a, fv_expr_op op, fv_expr *x, fv_expr *y) {
    const fv_expr_info *info = fv_expr_op_info(op);
    FV_HOLDS(fv_arena_session(a), info->nargs == 2 && info->result != FV_XR_GIVEN);
    FV_HOLDS(fv_arena_session(a),
             x->type.elem == y->type.elem && fv_x_allows(op, (fv_elem)x->type.elem));
    if (x->type.elem == FV_BOOL && (op == FV_X_EQ || op == FV_X_NE)) {
        fv_expr *differ = fv_x_bin(a, FV_X_XOR, x, y);
        return op == FV_X_NE ? differ : fv_x_un(a, FV_X_NOT, differ);
    }
    fv_expr *folded = fv_fold_bin(a, op, x, y);
    if (folded)
        return folded;
    int lanes = common_lanes(x, y);
    fv_elem e = info->result == FV_XR_BOOL ? FV_BOOL : (fv_elem)x->type.elem;
    return fv_x_node(a, HEAD(op, fv_kt(e, lanes), 2),
                     (fv_expr *[]){fv_x_splat(a, lanes, x), fv_x_splat(a, lanes, y)});
}

static fv_expr *product_and_sum(fv_arena *a, fv_expr_op op, fv_expr *x, fv_expr *y, fv_expr *z) {
    FV_HOLDS(fv_arena_session(a), x->type.elem == y->type.elem && y->type.elem == z->type.elem);
    FV_HOLDS(fv_arena_session(a), fv_x_allows(op, (fv_elem)x->type.elem));
    int lanes = common_lanes(x, y);
    lanes = z->type.lanes > lanes ? z->type.lanes : lanes;
    fv_expr *args[] = {fv_x_splat(a, lanes, x), fv_x_splat(a, lanes, y), fv_x_splat(a, lanes, z)};
    return fv_x_node(a, HEAD(op, fv_kt((fv_elem)x->type.elem, lanes), 3), args);
}

fv_expr *fv_x_fma(fv_arena *a, fv_expr *x, fv_expr *y, fv_expr *z) {
    return product_and_sum(a, FV_X_FMA, x, y, z);
}

fv_expr *fv_x_dot(fv_arena *a, fv_expr_op op, fv_expr *x, fv_expr *y, fv_expr *z) {
    FV_HOLDS(fv_arena_session(a), fv_expr_op_is_dot(op));
    return product_and_sum(a, op, x, y, z);
}

static bool is_sixteen(const fv_expr *x, fv_expr_op op) {
    return x->op == FV_X_LOAD && x->type.elem == fv_dot16_elem(op) && x->type.lanes == FV_DOT16;
}

fv_expr *fv_x_dot16(fv_arena *a, fv_expr_op op, fv_expr *x, fv_expr *y, fv_expr *z) {
    FV_HOLDS(fv_arena_session(a), fv_expr_op_is_dot16(op) && is_sixteen(x, op) &&
                                      is_sixteen(y, op) && z->type.elem == FV_I32 &&
                                      z->type.lanes == 1);
    return fv_x_node(a, HEAD(op, z->type, 3), (fv_expr *[]){x, y, z});
}

fv_expr *fv_x_select(fv_arena *a, fv_expr *c, fv_expr *x, fv_expr *y) {
    FV_HOLDS(fv_arena_session(a), c->type.elem == FV_BOOL && x->type.elem == y->type.elem);
    int lanes = common_lanes(x, y);
    if (c->op == FV_X_CONST)
        return fv_x_splat(a, lanes, c->u.i ? x : y);
    if (fv_x_equal(x, y) && x->type.lanes >= c->type.lanes)
        return x;
    lanes = c->type.lanes > lanes ? c->type.lanes : lanes;
    fv_expr *args[] = {fv_x_splat(a, lanes, c), fv_x_splat(a, lanes, x), fv_x_splat(a, lanes, y)};
    return fv_x_node(a, HEAD(FV_X_SELECT, fv_kt((fv_elem)x->type.elem, lanes), 3), args);
}

/* The number of lanes of a value that is reinterpreted as elements of type `to`; 0: it is not a
 * power of two from 1 to 64. */
static int lanes_as(fv_ktype from, fv_elem to) {
    int bytes = from.lanes * fv_elem_storage_bytes((fv_elem)from.elem);
    int lanes = bytes / fv_elem_storage_bytes(to);
    return lanes > 64 ? 0 : lanes;
}

bool fv_x_can_cast(fv_expr_op op, fv_ktype type, fv_elem to) {
    fv_elem from = (fv_elem)type.elem;
    switch (op) {
    case FV_X_CONVERT: return true;
    case FV_X_CONVSAT: return is_arith_float(from) && fv_elem_is_float(to) && fv_elem_bits(to) <= 8;
    default: /* a bit cast; also of packed types, since a register holds each element in a byte */
        return from != FV_BOOL && to != FV_BOOL && lanes_as(type, to) > 0;
    }
}

fv_expr *fv_x_cast(fv_arena *a, fv_expr_op op, fv_elem e, fv_expr *x) {
    FV_HOLDS(fv_arena_session(a), op == FV_X_CONVERT || op == FV_X_CONVSAT || op == FV_X_BITCAST);
    if (x->type.elem == e)
        return x;
    FV_HOLDS(fv_arena_session(a), fv_x_can_cast(op, x->type, e));
    int lanes = op == FV_X_BITCAST ? lanes_as(x->type, e) : x->type.lanes;
    fv_expr *folded = lanes == x->type.lanes ? fv_fold_cast(a, op, e, x) : NULL;
    if (folded)
        return folded;
    return fv_x_node(a, HEAD(op, fv_kt(e, lanes), 1), &x);
}

fv_expr *fv_x_convert(fv_arena *a, fv_elem e, fv_expr *x) {
    return fv_x_cast(a, FV_X_CONVERT, e, x);
}

/* The number of lanes of a load: that of the widest index, or that of a tile's elements. */
static int load_lanes(const fv_buf *b, fv_expr *const *index) {
    int lanes = b->lanes > 1 ? b->lanes : 1;
    for (int i = 0; i < b->rank; i++)
        if (index[i]->type.lanes > lanes)
            lanes = index[i]->type.lanes;
    return lanes;
}

fv_expr *fv_x_load_n(fv_arena *a, fv_buf *b, fv_expr *const *index, int lanes) {
    for (int i = 0; i < b->rank; i++)
        FV_HOLDS(fv_arena_session(a), index[i]->type.elem == FV_I64);
    return fv_x_node(a, HEAD(FV_X_LOAD, fv_kt(b->elem, lanes), (uint8_t)b->rank, .u.buf = b),
                     index);
}

fv_expr *fv_x_load(fv_arena *a, fv_buf *b, fv_expr *const *index) {
    return fv_x_load_n(a, b, index, load_lanes(b, index));
}

fv_expr *fv_x_guard_n(fv_arena *a, fv_buf *b, fv_expr *const *index, fv_expr *c, fv_expr *otherwise,
                      int lanes) {
    FV_HOLDS(fv_arena_session(a), c->type.elem == FV_BOOL && otherwise->type.elem == b->elem);
    fv_expr *args[FV_MAX_RANK + 2];
    FV_HOLDS(fv_arena_session(a), b->rank <= FV_MAX_RANK);
    for (int i = 0; i < b->rank; i++)
        args[i] = index[i];
    args[b->rank] = fv_x_splat(a, lanes, c);
    args[b->rank + 1] = fv_x_splat(a, lanes, otherwise);
    return fv_x_node(a, HEAD(FV_X_GUARD, fv_kt(b->elem, lanes), (uint8_t)(b->rank + 2), .u.buf = b),
                     args);
}

fv_expr *fv_x_guard(fv_arena *a, fv_buf *b, fv_expr *const *index, fv_expr *c, fv_expr *otherwise) {
    if (c->op == FV_X_CONST)
        return c->u.i ? fv_x_load(a, b, index) : otherwise;
    int lanes = load_lanes(b, index);
    lanes = c->type.lanes > lanes ? c->type.lanes : lanes;
    lanes = otherwise->type.lanes > lanes ? otherwise->type.lanes : lanes;
    return fv_x_guard_n(a, b, index, c, otherwise, lanes);
}

/* ---- nodes with other arguments ---- */

static fv_expr *rebuild(fv_arena *a, const fv_expr *x, fv_expr *const *args) {
    fv_expr_op op = (fv_expr_op)x->op;
    switch (op) {
    case FV_X_LOAD: return fv_x_load(a, x->u.buf, args);
    case FV_X_GUARD:
        return fv_x_guard(a, x->u.buf, args, args[x->u.buf->rank], args[x->u.buf->rank + 1]);
    case FV_X_FMA: return fv_x_fma(a, args[0], args[1], args[2]);
    case FV_X_DOT_U8_I8:
    case FV_X_DOT_I8_I8:
    case FV_X_DOT_U8_U8:
    case FV_X_DOT_U8_I8_SAT:
    case FV_X_DOT_I16_I16:
    case FV_X_DOT_I16_I8_EVEN:
    case FV_X_DOT_I16_I8_ODD:
    case FV_X_DOT_BF16:
    case FV_X_DOT_BF16_EVEN:
    case FV_X_DOT_BF16_ODD: return fv_x_dot(a, op, args[0], args[1], args[2]);
    case FV_X_DOT16_I8_I8:
    case FV_X_DOT16_U8_U8: return fv_x_dot16(a, op, args[0], args[1], args[2]);
    case FV_X_SELECT: return fv_x_select(a, args[0], args[1], args[2]);
    case FV_X_CONVERT:
    case FV_X_CONVSAT:
    case FV_X_BITCAST: return fv_x_cast(a, op, (fv_elem)x->type.elem, args[0]);
    case FV_X_SPLAT: return fv_x_splat(a, x->type.lanes, args[0]);
    case FV_X_RAMP: return fv_x_ramp(a, x->type.lanes, args[0]);
    case FV_X_EVEN:
    case FV_X_ODD: return fv_x_blocks(a, op, x->u.i, args[0], args[1]);
    case FV_X_REDUCE: return fv_x_reduce_like(a, x, x->u.red.nvars, x->u.red.vars, args[0]);
    default: return x->n == 1 ? fv_x_un(a, op, args[0]) : fv_x_bin(a, op, args[0], args[1]);
    }
}

bool fv_x_is_ordered(const fv_expr *x) {
    return x->op == FV_X_REDUCE && (x->u.red.kind == FV_SUM || x->u.red.kind == FV_PROD) &&
           fv_elem_is_float((fv_elem)x->type.elem);
}

bool fv_x_is_one_chain(const fv_expr *x) {
    return x->u.red.order == FV_ORDER_OPEN || x->u.red.order == FV_ORDER_CHAIN;
}

fv_expr *fv_x_with_args(fv_arena *a, const fv_expr *x, fv_expr *const *args) {
    bool same = true;
    for (int i = 0; i < x->n; i++)
        same = same && args[i] == x->arg[i];
    if (same)
        return (fv_expr *)x;
    bool contiguous = (x->op == FV_X_LOAD || x->op == FV_X_GUARD) && x->u.buf->lanes <= 1 &&
                      x->type.lanes > 1 && load_lanes(x->u.buf, args) == 1;
    if (contiguous && x->op == FV_X_LOAD)
        return fv_x_load_n(a, x->u.buf, args, x->type.lanes);
    if (contiguous)
        return fv_x_guard_n(a, x->u.buf, args, args[x->u.buf->rank], args[x->u.buf->rank + 1],
                            x->type.lanes);
    return rebuild(a, x, args);
}

/* ---- equality ---- */

bool fv_x_equal(const fv_expr *a, const fv_expr *b) {
    if (a == b)
        return true;
    if (a->op != b->op || a->type.elem != b->type.elem || a->type.lanes != b->type.lanes ||
        a->n != b->n || !fv_x_same_payload(a, b))
        return false;
    for (int i = 0; i < a->n; i++)
        if (!fv_x_equal(a->arg[i], b->arg[i]))
            return false;
    return true;
}

fv_expr *fv_x_zero(fv_arena *a, fv_elem e) {
    if (fv_elem_arith(e) != e) {
        fv_elem bits = fv_elem_storage_bytes(e) == 2 ? FV_U16 : FV_U8;
        return fv_x_cast(a, FV_X_BITCAST, e, fv_x_const_int(a, bits, 0));
    }
    return fv_elem_is_float(e) ? fv_x_const(a, e, 0) : fv_x_const_int(a, e, 0);
}

bool fv_x_uses(const fv_expr *x, const fv_var *v) {
    if (!(x->vars & fv_var_bit(v)) || fv_x_binds(x, v))
        return false;
    if (x->op == FV_X_VAR)
        return x->u.var == v;
    for (int i = 0; i < x->n; i++)
        if (fv_x_uses(x->arg[i], v))
            return true;
    return false;
}
