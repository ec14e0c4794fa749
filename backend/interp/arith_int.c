/* arith_int.c - integer and bool operations of the interpreter.
 * Everything is computed modulo 2^64 and cut to the type, so nothing overflows. */
#include "backend/interp/code.h"
#include "ir/base/saturate.h"
#include "ir/expr/dot.h"

/* ---- operations that need more than one expression of C ---- */

/* x / 0 = 0 and min / -1 = min. Operands are extended to 64 bits. */
static int64_t div_s(int64_t x, int64_t y) {
    if (y == 0)
        return 0;
    return y == -1 ? (int64_t)-(uint64_t)x : x / y;
}

static uint64_t div_u(uint64_t x, uint64_t y) {
    return y ? x / y : 0;
}

static int64_t rem_s(int64_t x, int64_t y) {
    return y == 0 || y == -1 ? 0 : x % y;
}

static uint64_t rem_u(uint64_t x, uint64_t y) {
    return y ? x % y : 0;
}

static int64_t floordiv_s(int64_t x, int64_t y) {
    return div_s(x, y) - (rem_s(x, y) != 0 && (x < 0) != (y < 0));
}

static int64_t floormod_s(int64_t x, int64_t y) {
    int64_t r = rem_s(x, y);
    return r != 0 && (r < 0) != (y < 0) ? r + y : r;
}

__extension__ typedef unsigned __int128 u128;

static uint64_t mulhi_64(uint64_t x, uint64_t y) {
    return (uint64_t)((u128)x * y >> 64);
}

/* ---- one function an operation and type, for one lane and for many ---- */

/* Defines an operation. Its body sees operands x and y of type T, and `bits`, the width of T. */
#define BINARY(name, T, R, body)                                                                   \
    static const insn *name##_##T##_1(frame *f, const insn *i) {                                   \
        enum { bits = 8 * sizeof(T) };                                                             \
        T x = *AS(T, f, i->a), y = *AS(T, f, i->b);                                                \
        *AS(R, f, i->d) = (R)(body);                                                               \
        (void)bits;                                                                                \
        return i + 1;                                                                              \
    }                                                                                              \
    static const insn *name##_##T##_n(frame *f, const insn *i) {                                   \
        enum { bits = 8 * sizeof(T) };                                                             \
        for (uint32_t l = 0; l < i->lanes; l++) {                                                  \
            T x = AS(T, f, i->a)[l], y = AS(T, f, i->b)[l];                                        \
            AS(R, f, i->d)[l] = (R)(body);                                                         \
        }                                                                                          \
        (void)bits;                                                                                \
        return i + 1;                                                                              \
    }

#define UNARY(name, T, body)                                                                       \
    static const insn *name##_##T##_1(frame *f, const insn *i) {                                   \
        T x = *AS(T, f, i->a);                                                                     \
        *AS(T, f, i->d) = (T)(body);                                                               \
        return i + 1;                                                                              \
    }                                                                                              \
    static const insn *name##_##T##_n(frame *f, const insn *i) {                                   \
        for (uint32_t l = 0; l < i->lanes; l++) {                                                  \
            T x = AS(T, f, i->a)[l];                                                               \
            AS(T, f, i->d)[l] = (T)(body);                                                         \
        }                                                                                          \
        return i + 1;                                                                              \
    }

#define U64(x) ((uint64_t)(x))

/* Operations that are the same for signed and unsigned types, modulo 2^64. */
#define COMMON(T)                                                                                  \
    BINARY(add, T, T, U64(x) + U64(y))                                                             \
    BINARY(sub, T, T, U64(x) - U64(y))                                                             \
    BINARY(mul, T, T, U64(x) * U64(y))                                                             \
    BINARY(min, T, T, x < y ? x : y)                                                               \
    BINARY(max, T, T, x < y ? y : x)                                                               \
    BINARY(and, T, T, x &y)                                                                        \
    BINARY(or, T, T, x | y)                                                                        \
    BINARY(xor, T, T, x ^ y)                                                                       \
    BINARY(shl, T, T, U64(x) << (U64(y) % bits))                                                   \
    BINARY(shr, T, T, x >> (U64(y) % bits))                                                        \
    BINARY(lt, T, reg_u8, x < y)                                                                   \
    BINARY(le, T, reg_u8, x <= y)                                                                  \
    BINARY(eq, T, reg_u8, x == y)                                                                  \
    BINARY(ne, T, reg_u8, x != y)                                                                  \
    UNARY(neg, T, -U64(x))                                                                         \
    UNARY(not, T, ~U64(x))

#define SIGNED(T)                                                                                  \
    COMMON(T)                                                                                      \
    BINARY(div, T, T, div_s(x, y))                                                                 \
    BINARY(rem, T, T, rem_s(x, y))                                                                 \
    BINARY(floordiv, T, T, floordiv_s(x, y))                                                       \
    BINARY(floormod, T, T, floormod_s(x, y))                                                       \
    UNARY(abs, T, x < 0 ? -U64(x) : U64(x))

#define UNSIGNED(T)                                                                                \
    COMMON(T)                                                                                      \
    BINARY(div, T, T, div_u(x, y))                                                                 \
    BINARY(rem, T, T, rem_u(x, y))                                                                 \
    UNARY(abs, T, x)

SIGNED(reg_i8)
SIGNED(reg_i16)
SIGNED(reg_i32)
SIGNED(reg_i64)
UNSIGNED(reg_u8)
UNSIGNED(reg_u16)
UNSIGNED(reg_u32)
UNSIGNED(reg_u64)
BINARY(addsat, reg_i64, reg_i64, fv_addsat(x, y))
BINARY(mulsat, reg_i64, reg_i64, fv_mulsat(x, y))
BINARY(mulhi, reg_u32, reg_u32, U64(x) * y >> 32)
BINARY(mulhi, reg_u64, reg_u64, mulhi_64(x, y))

/* Defines a sum of products. */
#define DOT(name, op)                                                                              \
    static const insn *name##_reg_i32_1(frame *f, const insn *i) {                                 \
        *AS(reg_i32, f, i->d) =                                                                    \
            fv_dot(op, *AS(reg_i32, f, i->a), *AS(reg_i32, f, i->b), *AS(reg_i32, f, i->c));       \
        return i + 1;                                                                              \
    }                                                                                              \
    static const insn *name##_reg_i32_n(frame *f, const insn *i) {                                 \
        for (uint32_t l = 0; l < i->lanes; l++)                                                    \
            AS(reg_i32, f, i->d)                                                                   \
        [l] =                                                                                      \
            fv_dot(op, AS(reg_i32, f, i->a)[l], AS(reg_i32, f, i->b)[l], AS(reg_i32, f, i->c)[l]); \
        return i + 1;                                                                              \
    }
DOT(dot_u8_i8, FV_X_DOT_U8_I8)
DOT(dot_i8_i8, FV_X_DOT_I8_I8)
DOT(dot_u8_u8, FV_X_DOT_U8_U8)
DOT(dot_u8_i8_sat, FV_X_DOT_U8_I8_SAT)
DOT(dot_i16_i16, FV_X_DOT_I16_I16)
DOT(dot_i16_i8_even, FV_X_DOT_I16_I8_EVEN)
DOT(dot_i16_i8_odd, FV_X_DOT_I16_I8_ODD)
DOT(dot_bf16, FV_X_DOT_BF16)
DOT(dot_bf16_even, FV_X_DOT_BF16_EVEN)
DOT(dot_bf16_odd, FV_X_DOT_BF16_ODD)
BINARY(add_flushed, reg_i32, reg_i32, fv_add_flushed(x, y))

/* Defines a sum of products of 16 bytes. */
#define DOT16(name, op)                                                                            \
    static const insn *name(frame *f, const insn *i) {                                             \
        *AS(reg_i32, f, i->d) =                                                                    \
            fv_dot16(op, AS(reg_u8, f, i->a), AS(reg_u8, f, i->b), *AS(reg_i32, f, i->c));         \
        return i + 1;                                                                              \
    }
DOT16(dot16_i8_i8, FV_X_DOT16_I8_I8)
DOT16(dot16_u8_u8, FV_X_DOT16_U8_U8)

insn_fn fv_i_dot16(fv_expr_op op) {
    return op == FV_X_DOT16_I8_I8 ? dot16_i8_i8 : dot16_u8_u8;
}

/* bools are 0 or 1 in a byte, so the binary operations on bytes are used for them */
typedef reg_u8 reg_bool;
UNARY(not, reg_bool, !x)

/* ---- tables ---- */

#define PAIR(name, T) {name##_##T##_1, name##_##T##_n}
#define COMMON_ROWS(E, T)                                                                          \
    [FV_X_ADD][E] = PAIR(add, T), [FV_X_SUB][E] = PAIR(sub, T), [FV_X_MUL][E] = PAIR(mul, T),      \
    [FV_X_MIN][E] = PAIR(min, T), [FV_X_MAX][E] = PAIR(max, T), [FV_X_AND][E] = PAIR(and, T),      \
    [FV_X_OR][E] = PAIR(or, T), [FV_X_XOR][E] = PAIR(xor, T), [FV_X_SHL][E] = PAIR(shl, T),        \
    [FV_X_SHR][E] = PAIR(shr, T), [FV_X_LT][E] = PAIR(lt, T), [FV_X_LE][E] = PAIR(le, T),          \
    [FV_X_EQ][E] = PAIR(eq, T), [FV_X_NE][E] = PAIR(ne, T), [FV_X_NEG][E] = PAIR(neg, T),          \
    [FV_X_NOT][E] = PAIR(not, T), [FV_X_DIV][E] = PAIR(div, T), [FV_X_REM][E] = PAIR(rem, T),      \
    [FV_X_ABS][E] = PAIR(abs, T)
#define SIGNED_ROWS(E, T)                                                                          \
    COMMON_ROWS(E, T), [FV_X_FLOORDIV][E] = PAIR(floordiv, T),                                     \
                       [FV_X_FLOORMOD][E] = PAIR(floormod, T)
#define UNSIGNED_ROWS(E, T)                                                                        \
    COMMON_ROWS(E, T), [FV_X_FLOORDIV][E] = PAIR(div, T), [FV_X_FLOORMOD][E] = PAIR(rem, T)

static const insn_fn ops[FV_X_END][FV_ELEM_END][2] = {
    SIGNED_ROWS(FV_I8, reg_i8),
    SIGNED_ROWS(FV_I16, reg_i16),
    SIGNED_ROWS(FV_I32, reg_i32),
    SIGNED_ROWS(FV_I64, reg_i64),
    UNSIGNED_ROWS(FV_U8, reg_u8),
    UNSIGNED_ROWS(FV_U16, reg_u16),
    UNSIGNED_ROWS(FV_U32, reg_u32),
    UNSIGNED_ROWS(FV_U64, reg_u64),
    [FV_X_ADDSAT][FV_I64] = PAIR(addsat, reg_i64),
    [FV_X_MULSAT][FV_I64] = PAIR(mulsat, reg_i64),
    [FV_X_MULHI][FV_U32] = PAIR(mulhi, reg_u32),
    [FV_X_MULHI][FV_U64] = PAIR(mulhi, reg_u64),
    [FV_X_DOT_U8_I8][FV_I32] = PAIR(dot_u8_i8, reg_i32),
    [FV_X_DOT_I8_I8][FV_I32] = PAIR(dot_i8_i8, reg_i32),
    [FV_X_DOT_U8_U8][FV_I32] = PAIR(dot_u8_u8, reg_i32),
    [FV_X_DOT_U8_I8_SAT][FV_I32] = PAIR(dot_u8_i8_sat, reg_i32),
    [FV_X_DOT_I16_I16][FV_I32] = PAIR(dot_i16_i16, reg_i32),
    [FV_X_DOT_I16_I8_EVEN][FV_I32] = PAIR(dot_i16_i8_even, reg_i32),
    [FV_X_DOT_I16_I8_ODD][FV_I32] = PAIR(dot_i16_i8_odd, reg_i32),
    [FV_X_DOT_BF16][FV_I32] = PAIR(dot_bf16, reg_i32),
    [FV_X_DOT_BF16_EVEN][FV_I32] = PAIR(dot_bf16_even, reg_i32),
    [FV_X_DOT_BF16_ODD][FV_I32] = PAIR(dot_bf16_odd, reg_i32),
    [FV_X_ADD_FLUSHED][FV_I32] = PAIR(add_flushed, reg_i32),
    [FV_X_AND][FV_BOOL] = PAIR(and, reg_u8),
    [FV_X_OR][FV_BOOL] = PAIR(or, reg_u8),
    [FV_X_XOR][FV_BOOL] = PAIR(xor, reg_u8),
    [FV_X_EQ][FV_BOOL] = PAIR(eq, reg_u8),
    [FV_X_NE][FV_BOOL] = PAIR(ne, reg_u8),
    [FV_X_NOT][FV_BOOL] = PAIR(not, reg_bool),
};

insn_fn fv_i_int_op(fv_expr_op op, fv_elem e, bool vector) {
    return ops[op][e][vector];
}
