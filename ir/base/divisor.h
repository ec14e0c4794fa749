/* divisor.h - the greatest common divisor of two integers. */
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

#endif
