/* arith_float.c - f32 and f64 operations of the interpreter: IEEE 754, round to nearest, without
 * contraction (the build disables it). Which NaN results is not specified. */
#include <float.h>
#include <math.h>

#include "backend/interp/code.h"
#include "ir/expr/scaleb.h"

#if FLT_EVAL_METHOD != 0
#error "f32 arithmetic must be done in f32"
#endif

/* IEEE 754-2019 minimum and maximum: NaN if either operand is NaN; -0 is less than +0 */
#define MINIMUM(x, y)                                                                              \
    ((x) != (x)   ? (x)                                                                            \
     : (y) != (y) ? (y)                                                                            \
     : (x) < (y)  ? (x)                                                                            \
     : (y) < (x)  ? (y)                                                                            \
     : signbit(x) ? (x)                                                                            \
                  : (y))
#define MAXIMUM(x, y)                                                                              \
    ((x) != (x)   ? (x)                                                                            \
     : (y) != (y) ? (y)                                                                            \
     : (x) < (y)  ? (y)                                                                            \
     : (y) < (x)  ? (x)                                                                            \
     : signbit(x) ? (y)                                                                            \
                  : (x))

#define BINARY(name, T, R, body)                                                                   \
    static const insn *name##_##T##_1(frame *f, const insn *i) {                                   \
        T x = *AS(T, f, i->a), y = *AS(T, f, i->b);                                                \
        *AS(R, f, i->d) = (R)(body);                                                               \
        return i + 1;                                                                              \
    }                                                                                              \
    static const insn *name##_##T##_n(frame *f, const insn *i) {                                   \
        for (uint32_t l = 0; l < i->lanes; l++) {                                                  \
            T x = AS(T, f, i->a)[l], y = AS(T, f, i->b)[l];                                        \
            AS(R, f, i->d)[l] = (R)(body);                                                         \
        }                                                                                          \
        return i + 1;                                                                              \
    }

#define UNARY(name, T, fn)                                                                         \
    static const insn *name##_##T##_1(frame *f, const insn *i) {                                   \
        *AS(T, f, i->d) = fn(*AS(T, f, i->a));                                                     \
        return i + 1;                                                                              \
    }                                                                                              \
    static const insn *name##_##T##_n(frame *f, const insn *i) {                                   \
        for (uint32_t l = 0; l < i->lanes; l++)                                                    \
            AS(T, f, i->d)[l] = fn(AS(T, f, i->a)[l]);                                             \
        return i + 1;                                                                              \
    }

#define FMA(T, fn)                                                                                 \
    static const insn *fma_##T##_1(frame *f, const insn *i) {                                      \
        *AS(T, f, i->d) = fn(*AS(T, f, i->a), *AS(T, f, i->b), *AS(T, f, i->c));                   \
        return i + 1;                                                                              \
    }                                                                                              \
    static const insn *fma_##T##_n(frame *f, const insn *i) {                                      \
        for (uint32_t l = 0; l < i->lanes; l++)                                                    \
            AS(T, f, i->d)[l] = fn(AS(T, f, i->a)[l], AS(T, f, i->b)[l], AS(T, f, i->c)[l]);       \
        return i + 1;                                                                              \
    }

#define FLOAT(T, suffix)                                                                           \
    BINARY(add, T, T, x + y)                                                                       \
    BINARY(sub, T, T, x - y)                                                                       \
    BINARY(mul, T, T, x *y)                                                                        \
    BINARY(div, T, T, x / y)                                                                       \
    BINARY(min, T, T, MINIMUM(x, y))                                                               \
    BINARY(max, T, T, MAXIMUM(x, y))                                                               \
    BINARY(lt, T, reg_u8, x < y)                                                                   \
    BINARY(le, T, reg_u8, x <= y)                                                                  \
    BINARY(eq, T, reg_u8, x == y)                                                                  \
    BINARY(ne, T, reg_u8, x != y)                                                                  \
    UNARY(neg, T, -)                                                                               \
    UNARY(abs, T, fabs##suffix)                                                                    \
    UNARY(sqrt, T, sqrt##suffix)                                                                   \
    UNARY(floor, T, floor##suffix)                                                                 \
    UNARY(ceil, T, ceil##suffix)                                                                   \
    UNARY(trunc, T, trunc##suffix)                                                                 \
    UNARY(rint, T, rint##suffix)                                                                   \
    FMA(T, fma##suffix)

FLOAT(reg_f32, f)
FLOAT(reg_f64, )
BINARY(scaleb, reg_f32, reg_f32, fv_scaleb(x, y))

#define PAIR(name, T) {name##_##T##_1, name##_##T##_n}
#define ROWS(E, T)                                                                                 \
    [FV_X_ADD][E] = PAIR(add, T), [FV_X_SUB][E] = PAIR(sub, T), [FV_X_MUL][E] = PAIR(mul, T),      \
    [FV_X_DIV][E] = PAIR(div, T), [FV_X_MIN][E] = PAIR(min, T), [FV_X_MAX][E] = PAIR(max, T),      \
    [FV_X_LT][E] = PAIR(lt, T), [FV_X_LE][E] = PAIR(le, T), [FV_X_EQ][E] = PAIR(eq, T),            \
    [FV_X_NE][E] = PAIR(ne, T), [FV_X_NEG][E] = PAIR(neg, T), [FV_X_ABS][E] = PAIR(abs, T),        \
    [FV_X_SQRT][E] = PAIR(sqrt, T), [FV_X_FLOOR][E] = PAIR(floor, T),                              \
    [FV_X_CEIL][E] = PAIR(ceil, T), [FV_X_TRUNC][E] = PAIR(trunc, T),                              \
    [FV_X_RINT][E] = PAIR(rint, T), [FV_X_FMA][E] = PAIR(fma, T)

static const insn_fn ops[FV_X_END][FV_ELEM_END][2] = {
    ROWS(FV_F32, reg_f32),
    ROWS(FV_F64, reg_f64),
    [FV_X_SCALEB][FV_F32] = PAIR(scaleb, reg_f32),
};

insn_fn fv_i_float_op(fv_expr_op op, fv_elem e, bool vector) {
    return ops[op][e][vector];
}
