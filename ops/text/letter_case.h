/* letter_case.h - upper and lower cases of characters, as far as Unicode maps a character to a
 * single one. */
#ifndef FV_OPS_TEXT_LETTER_CASE_H
#define FV_OPS_TEXT_LETTER_CASE_H

#include <stdint.h>

/* The characters first, first + step, ... last, and the difference to their other case. In
 * ascending order. */
typedef struct fv_case_range {
    int32_t first, last, step, change;
} fv_case_range;

extern const fv_case_range fv_lower_cases[], fv_upper_cases[];
extern const int fv_nlower_cases, fv_nupper_cases;

uint32_t fv_lower_of(uint32_t c); /* c itself if it has no lower case */

#endif
