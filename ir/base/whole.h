/* whole.h - conversion of floats to integers, defined for all values; the cast of C is undefined
 * where the integer cannot hold the value. */
#ifndef FV_IR_BASE_WHOLE_H
#define FV_IR_BASE_WHOLE_H

#include <stdbool.h>
#include <stdint.h>

/* v rounded towards zero; INT64_MIN or INT64_MAX if it is out of range, 0 for NaN. */
static inline int64_t fv_whole(double v) {
    if (v != v)
        return 0;
    return v >= 0x1p63 ? INT64_MAX : v < -0x1p63 ? INT64_MIN : (int64_t)v;
}

/* Is v an integer that an int64_t can hold? */
static inline bool fv_is_whole(double v) {
    return v >= -0x1p63 && v < 0x1p63 && v == (double)(int64_t)v;
}

#endif
