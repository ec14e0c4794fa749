/* integers.h - which vector loops become vector code on targets with Helium, whose vectors compute
 * integers, and flush denormal floats to zero. */
#ifndef FV_BACKEND_EXPAND_INTEGERS_H
#define FV_BACKEND_EXPAND_INTEGERS_H

#include "ir/base/ptrmap.h"
#include "ir/kernel/program.h"

/* Bounds of all elements of a constant of f32: each is 0, or a multiple of 2^least with a magnitude
 * below 2^most. */
typedef struct fv_float_bounds {
    int least, most;
} fv_float_bounds;

/* The bounds of the constants that the program passes to its kernels: from a parameter (fv_buf) to
 * fv_float_bounds. A parameter is missing if some launch passes something else, or constants that
 * contain denormals, infinity or NaN. */
fv_ptrmap fv_constant_bounds(fv_arena *a, const fv_program *p);

/* Does vector code of Helium, for that many iterations at once, compute the bits of the loop? Each
 * operation on vectors must have an instruction (ir/expr/helium.def), each vector must fill a
 * register, and no flush of a denormal may change what is stored. bounds: those of parameters of
 * the kernel (fv_constant_bounds). */
bool fv_suits_helium(fv_arena *a, const fv_stmt *loop, int lanes,
                     const fv_ptrmap *bounds) FV_MUST_USE;

#endif
