/* whole.h - integers of floats: in C the cast is undefined where the integer cannot hold the
 * value. */
#ifndef FV_IR_BASE_WHOLE_H
#define FV_IR_BASE_WHOLE_H

#include <stdbool.h>
#include <stdint.h>

/* v without its fraction; the outermost integer where v lies beyond it, 0 for a NaN. */
static inline int64_t fv_whole(double v) {
    if (v != v)
        return 0;
    return v >= 0x1p63 ? INT64_MAX : v < -0x1p63 ? INT64_MIN : (int64_t)v;
}

/* Is v an integer of 64 bits? */
static inline bool fv_is_whole(double v) {
    return v >= -0x1p63 && v < 0x1p63 && v == (double)(int64_t)v;
}

#endif
