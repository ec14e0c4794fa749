/* saturate.h - 64-bit sums and products that become INT64_MAX on overflow. They define the
 * operations addsat and mulsat of kernel IR, and count iterations. */
#ifndef FV_IR_BASE_SATURATE_H
#define FV_IR_BASE_SATURATE_H

#include <stdint.h>

static inline int64_t fv_addsat(int64_t x, int64_t y) {
    int64_t r;
    return __builtin_add_overflow(x, y, &r) ? INT64_MAX : r;
}

static inline int64_t fv_mulsat(int64_t x, int64_t y) {
    int64_t r;
    return __builtin_mul_overflow(x, y, &r) ? INT64_MAX : r;
}

#endif
