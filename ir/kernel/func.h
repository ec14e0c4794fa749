/* func.h - functions of kernel expressions, which are inlined where they are used. */
#ifndef FV_IR_KERNEL_FUNC_H
#define FV_IR_KERNEL_FUNC_H

#include "ir/kernel/build.h"

/* Lines of `func name(x: f32) -> f32 { let ...; return ... }` (backend/math/f32.fvk, f64.fvk):
 * what MATH expressions are expanded to. Parsed once per session. */
typedef struct fv_kfunc {
    const char *name;
    int nparams;
    fv_var **params;
    fv_block body; /* LETs mostly; loops and tiles where it cannot be said without */
    fv_expr *result;
} fv_kfunc;
/* The body of a function in the builder's block; returns its result. */
fv_expr *fv_kfunc_inline(fv_kbuilder *b, const fv_kfunc *f, fv_expr *const *args);

#endif
