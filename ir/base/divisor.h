/* divisor.h - the greatest common divisor of two integers, and divisions that round up. */
#ifndef FV_IR_BASE_DIVISOR_H
#define FV_IR_BASE_DIVISOR_H

#include <stdint.h>

/* The greatest common divisor, which is not negative; 0 if both are 0. None may be INT64_MIN. */
static inline int64_t fv_common_divisor(int64_t a, int64_t b) {
    while (b) {
        int64_t rest = a % b;
        a = b;
        b = rest;
    }
    return a < 0 ? -a : a;
}

/* a / b rounded up, where b is positive. Defined for all a, as (a + b - 1) / b is not. */
static inline int64_t fv_div_up(int64_t a, int64_t b) {
    return a / b + (a % b > 0);
}

/* The least multiple of b, which is positive, that is not less than a; INT64_MAX on overflow. */
static inline int64_t fv_round_up(int64_t a, int64_t b) {
    int64_t multiple;
    return __builtin_mul_overflow(fv_div_up(a, b), b, &multiple) ? INT64_MAX : multiple;
}

#endif
