/* func_parse.h - parses functions of the kernel language: `func name(x: f32) -> f32 { let ...
 * return ... }`. */
#ifndef FV_IR_KERNEL_FUNC_PARSE_H
#define FV_IR_KERNEL_FUNC_PARSE_H

#include "ir/kernel/func.h"

/* Parses a file of functions, each of which may call earlier ones. False after a diagnostic. */
bool fv_kfuncs_parse(fv_arena *a, const char *text, int *n,
                     const fv_kfunc *const **out) FV_MUST_USE;

#endif
