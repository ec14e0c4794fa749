/* func.h - functions of the kernel language, which are inlined at each use. */
#ifndef FV_IR_KERNEL_FUNC_H
#define FV_IR_KERNEL_FUNC_H

#include "ir/kernel/build.h"

/* A function `func name(x: f32) -> f32 { let ...; return ... }`; elementary functions, and
 * operations for which a target has no instruction, are expanded to such functions
 * (backend/math/f32.fvk, f64.fvk, exact.fvk). Parsed once per session. */
typedef struct fv_kfunc {
    const char *name;
    int nparams;
    fv_var **params;
    fv_block body; /* the body: mostly LETs, with loops and tiles where needed */
    fv_expr *result;
} fv_kfunc;
/* Copies the body of f into the builder's block with `args` in place of its parameters; returns the
 * result. */
fv_expr *fv_kfunc_inline(fv_kbuilder *b, const fv_kfunc *f, fv_expr *const *args);

#endif
