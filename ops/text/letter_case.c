/* letter_case.c - see letter_case.h; case.def contains the ranges. */
#include "ops/text/letter_case.h"

const fv_case_range fv_lower_cases[] = {
#define LOWER(first, last, step, change) {first, last, step, change},
#define UPPER(first, last, step, change)
#include "ops/text/case.def"
#undef LOWER
#undef UPPER
};

const fv_case_range fv_upper_cases[] = {
#define LOWER(first, last, step, change)
#define UPPER(first, last, step, change) {first, last, step, change},
#include "ops/text/case.def"
#undef LOWER
#undef UPPER
};

const int fv_nlower_cases = sizeof fv_lower_cases / sizeof *fv_lower_cases,
          fv_nupper_cases = sizeof fv_upper_cases / sizeof *fv_upper_cases;

uint32_t fv_lower_of(uint32_t c) {
    for (int i = 0; i < fv_nlower_cases; i++) {
        const fv_case_range *r = &fv_lower_cases[i];
        if (c >= (uint32_t)r->first && c <= (uint32_t)r->last)
            return (c - (uint32_t)r->first) % (uint32_t)r->step ? c : c + (uint32_t)r->change;
    }
    return c;
}
