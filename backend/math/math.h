/* math.h - functions written in the kernel notation, in backend/math. */
#ifndef FV_BACKEND_MATH_MATH_H
#define FV_BACKEND_MATH_MATH_H

#include "ir/kernel/func.h"

/* A function of exact.fvk, "rint_f32" or "f16_from_f32"; NULL: there is none of that name.
 * Elementary functions are found by fv_math_find. */
const fv_kfunc *fv_exact_find(fv_session *s, const char *name);

const fv_kfunc *fv_math_find(fv_session *s, const char *name, fv_elem e);

#endif
