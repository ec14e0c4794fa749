/* storage.h - reference conversions of the floats that are only stored (f16, bf16, f8, f4, e8m0),
 * with which the integer arithmetic of expanded kernels is compared. */
#ifndef FV_TESTS_STORAGE_H
#define FV_TESTS_STORAGE_H

#include "ir/type/type.h"

bool is_narrow(fv_elem e);
double widen(fv_elem e, uint32_t bits);
/* Rounds to nearest even, once; saturate: as CONVSAT, else as CONVERT. */
uint32_t narrow(fv_elem e, double value, bool saturate);

#endif
