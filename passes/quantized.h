/* quantized.h - folding of constants that a model quantizes. */
#ifndef FV_PASSES_QUANTIZED_H
#define FV_PASSES_QUANTIZED_H

#include "passes/passes.h"

/* Replaces each fv.Quantize of constants of f32 by a constant of integers, of any size. */
void fv_fold_quantized(fv_pass_run *r);

#endif
