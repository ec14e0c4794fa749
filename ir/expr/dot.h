/* dot.h - sums of products of small integers that are one operation (DOT_U8_I8 to DOT_I16_I16);
 * machines have them for words of four bytes or two 16-bit halves. All are exact and wrap; none
 * saturates. */
#ifndef FV_IR_EXPR_DOT_H
#define FV_IR_EXPR_DOT_H

#include "ir/expr/expr.h"

/* Byte i of the word as a number; i is 0 to 3, and 0 is the lowest byte. */
static inline int64_t fv_byte_of(int32_t word, int i, bool is_signed) {
    uint32_t byte = (uint32_t)word >> 8 * i & 0xff;
    return is_signed && byte > 127 ? (int64_t)byte - 256 : (int64_t)byte;
}

/* The signed 16-bit half i of the word as a number; i is 0 for the low half, 1 for the high
 * half. */
static inline int64_t fv_half_of(int32_t word, int i) {
    uint32_t half = (uint32_t)word >> 16 * i & 0xffff;
    return half > 32767 ? (int64_t)half - 65536 : (int64_t)half;
}

/* The operation on one element. */
static inline int32_t fv_dot(fv_expr_op op, int32_t a, int32_t b, int32_t c) {
    int64_t sum = c;
    if (op == FV_X_DOT_I16_I16)
        sum += fv_half_of(a, 0) * fv_half_of(b, 0) + fv_half_of(a, 1) * fv_half_of(b, 1);
    for (int i = 0; op != FV_X_DOT_I16_I16 && i < 4; i++)
        sum += fv_byte_of(a, i, op == FV_X_DOT_I8_I8) * fv_byte_of(b, i, op != FV_X_DOT_U8_U8);
    return (int32_t)(uint32_t)(uint64_t)sum;
}

#endif
