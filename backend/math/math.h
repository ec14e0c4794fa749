/* math.h - functions written in the kernel notation, in backend/math. */
#ifndef FV_BACKEND_MATH_MATH_H
#define FV_BACKEND_MATH_MATH_H

#include "ir/kernel/func.h"

/* The function of exact.fvk with that name, such as "rint_f32"; NULL: there is none. fv_math_find:
 * the function that computes the elementary function `name`, such as "exp", for elements of type
 * e. */
const fv_kfunc *fv_exact_find(fv_session *s, const char *name);

const fv_kfunc *fv_math_find(fv_session *s, const char *name, fv_elem e);

#endif
