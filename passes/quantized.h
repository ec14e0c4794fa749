/* quantized.h - folding of constants that a model quantizes. */
#ifndef FV_PASSES_QUANTIZED_H
#define FV_PASSES_QUANTIZED_H

#include "passes/passes.h"

/* Replaces each fv.Quantize of constants of f32, of any size, to integers of at least 8 bits by a
 * constant, unless a quotient is not finite. */
void fv_fold_quantized(fv_pass_run *r);

#endif
