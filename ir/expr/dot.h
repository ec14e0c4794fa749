/* dot.h - sums of products of small integers that are one operation (DOT_U8_I8 to DOT16_U8_U8);
 * machines have them for words of four bytes or two 16-bit integers, or for 16 bytes. All are exact
 * and wrap, but DOT_U8_I8_SAT, whose sums of two products saturate. DOT_BF16 and its halves
 * DOT_BF16_EVEN and DOT_BF16_ODD are sums of products of floats, which round. */
#ifndef FV_IR_EXPR_DOT_H
#define FV_IR_EXPR_DOT_H

#include <math.h>
#include <string.h>

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

/* The f32 with these bits; a denormal is taken for 0 of its sign. */
static inline float fv_flushed(uint32_t bits) {
    float x;
    bits &= bits & 0x7f800000 ? UINT32_MAX : 0x80000000;
    memcpy(&x, &bits, sizeof x);
    return x;
}

/* The bits of x * y + z, rounded once; 0 with its sign if its magnitude is less than 2^-126 when it
 * is rounded to 24 binary digits with an unbounded exponent. The second sum is 2^64 times as large,
 * so it keeps these digits. */
static inline uint32_t fv_fma_flushed(float x, float y, float z) {
    float sum = fmaf(x, y, z), scaled = fmaf(x * 0x1p64F, y, z * 0x1p64F);
    uint32_t bits;
    memcpy(&bits, &sum, sizeof bits);
    return fabsf(scaled) < 0x1p-62F ? bits & 0x80000000 : bits;
}

/* DOT_BF16_ODD: c plus the product of the high bf16 of a and b. */
static inline int32_t fv_dot_bf16_odd(int32_t a, int32_t b, int32_t c) {
    float x = fv_flushed((uint32_t)a & 0xffff0000), y = fv_flushed((uint32_t)b & 0xffff0000);
    return (int32_t)fv_fma_flushed(x, y, fv_flushed((uint32_t)c));
}

/* DOT_BF16_EVEN: c plus the product of the low bf16 of a and b. */
static inline int32_t fv_dot_bf16_even(int32_t a, int32_t b, int32_t c) {
    float x = fv_flushed((uint32_t)a << 16), y = fv_flushed((uint32_t)b << 16);
    return (int32_t)fv_fma_flushed(x, y, fv_flushed((uint32_t)c));
}

/* DOT_BF16 as VDPBF16PS computes it (Intel SDM volume 2C). The instruction rounds to the nearest,
 * whatever the rounding mode is; this function does so in the default rounding mode. The manual
 * states neither which product is added first nor when a result is denormal; both were compared
 * with a processor (AMD Zen 5) on random and special arguments. */
static inline int32_t fv_dot_bf16(int32_t a, int32_t b, int32_t c) {
    return fv_dot_bf16_even(a, b, fv_dot_bf16_odd(a, b, c));
}

/* ADD_FLUSHED: the bits of the sum of two f32, whose bits are a and b. */
static inline int32_t fv_add_flushed(int32_t a, int32_t b) {
    return (int32_t)fv_fma_flushed(fv_flushed((uint32_t)a), 1, fv_flushed((uint32_t)b));
}

/* The sum of the products of the bytes i and i + 1 of a, unsigned, with those of b, signed,
 * saturated to i16. */
static inline int64_t fv_pair_saturated(int32_t a, int32_t b, int i) {
    int64_t sum = fv_byte_of(a, i, false) * fv_byte_of(b, i, true) +
                  fv_byte_of(a, i + 1, false) * fv_byte_of(b, i + 1, true);
    return sum < INT16_MIN ? INT16_MIN : sum > INT16_MAX ? INT16_MAX : sum;
}

/* The sum of the products of the halves of a with the bytes first and first + 2 of b, signed. */
static inline int64_t fv_halves_by_bytes(int32_t a, int32_t b, int first) {
    return fv_half_of(a, 0) * fv_byte_of(b, first, true) +
           fv_half_of(a, 1) * fv_byte_of(b, first + 2, true);
}

/* The sum of the products of the four bytes of a with those of b, which are signed as the operation
 * `op` states. */
static inline int64_t fv_bytes_by_bytes(fv_expr_op op, int32_t a, int32_t b) {
    int64_t sum = 0;
    for (int i = 0; i < 4; i++)
        sum += fv_byte_of(a, i, op == FV_X_DOT_I8_I8) * fv_byte_of(b, i, op != FV_X_DOT_U8_U8);
    return sum;
}

/* The sum of products `op`, a DOT16_ operation, of 16 bytes each. */
static inline int32_t fv_dot16(fv_expr_op op, const void *a, const void *b, int32_t c) {
    int64_t sum = c;
    const uint8_t *u = a, *v = b;
    const int8_t *x = a, *y = b;
    for (int i = 0; i < FV_DOT16; i++)
        sum += op == FV_X_DOT16_I8_I8 ? x[i] * y[i] : u[i] * v[i];
    return (int32_t)(uint32_t)(uint64_t)sum;
}

/* The sum of products `op` for one element. */
static inline int32_t fv_dot(fv_expr_op op, int32_t a, int32_t b, int32_t c) {
    int64_t sum = c;
    if (op == FV_X_DOT_BF16)
        return fv_dot_bf16(a, b, c);
    if (op == FV_X_DOT_BF16_EVEN || op == FV_X_DOT_BF16_ODD)
        return op == FV_X_DOT_BF16_EVEN ? fv_dot_bf16_even(a, b, c) : fv_dot_bf16_odd(a, b, c);
    if (op == FV_X_DOT_U8_I8_SAT)
        return (int32_t)(uint32_t)(uint64_t)(sum + fv_pair_saturated(a, b, 0) +
                                             fv_pair_saturated(a, b, 2));
    if (op == FV_X_DOT_I16_I16)
        sum += fv_half_of(a, 0) * fv_half_of(b, 0) + fv_half_of(a, 1) * fv_half_of(b, 1);
    else if (op == FV_X_DOT_I16_I8_EVEN || op == FV_X_DOT_I16_I8_ODD)
        sum += fv_halves_by_bytes(a, b, op == FV_X_DOT_I16_I8_ODD);
    else
        sum += fv_bytes_by_bytes(op, a, b);
    return (int32_t)(uint32_t)(uint64_t)sum;
}

#endif
