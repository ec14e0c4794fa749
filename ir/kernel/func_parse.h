/* func_parse.h - parses functions of the kernel language: `func name(x: f32) -> f32 { let ...
 * return ... }`. */
#ifndef FV_IR_KERNEL_FUNC_PARSE_H
#define FV_IR_KERNEL_FUNC_PARSE_H

#include "ir/kernel/func.h"

/* A file of functions, each of which begins a line and may call those above it. */
typedef struct fv_kfuncs fv_kfuncs;

/* name: that of the file, for diagnostics. */
fv_kfuncs *fv_kfuncs_new(fv_arena *a, const char *name, const char *text);

/* The function of that name, which is parsed the first time; NULL: there is none, or after a
 * diagnostic. */
const fv_kfunc *fv_kfuncs_find(fv_kfuncs *file, const char *name);

#endif
