/* letter_case.h - other cases of characters: those that are one character, by Unicode. */
#ifndef FV_OPS_TEXT_LETTER_CASE_H
#define FV_OPS_TEXT_LETTER_CASE_H

#include <stdint.h>

/* Characters first, first + step, ... last, and how far from each its other case is. In order. */
typedef struct fv_case_range {
    int32_t first, last, step, change;
} fv_case_range;

extern const fv_case_range fv_lower_cases[], fv_upper_cases[];
extern const int fv_nlower_cases, fv_nupper_cases;

uint32_t fv_lower_of(uint32_t c); /* itself where it has none */

#endif
