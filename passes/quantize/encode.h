/* encode.h - the numbers of a weight as small integers and scales. */
#ifndef FV_PASSES_QUANTIZE_ENCODE_H
#define FV_PASSES_QUANTIZE_ENCODE_H

#include "ir/type/tensor.h"

/* A weight as integers: w is about code * scale. */
typedef struct fv_quant_codes {
    const fv_tensor *w;
    int8_t *codes; /* in the order of the weight's elements */
    /* scales of channels: one for each index of the axis `axis`. Scales of blocks: of the shape of
     * the weight, but one for each block along the axis */
    int axis, block; /* block 0: scales of channels */
    float *scales;
    size_t nscales;
} fv_quant_codes;

/* The first element that is a NaN or an infinity, or beyond `most` in magnitude; w->count: none. */
size_t fv_quant_bad_element(const fv_tensor *w, double most);

/* A code for each element, in [-127, 127] for 8 bits and [-7, 7] for 4, and a scale for each index
 * of the axis: the largest magnitude becomes the largest code. */
fv_quant_codes fv_quant_channels(fv_arena *a, const fv_tensor *w, int axis, int bits);
/* Codes in [-128, 127] or [-8, 7], and a scale for each block of `block` elements along the axis,
 * the last of which may be shorter. For 4 bits, several scales are tried for a block, and the one
 * with the least squared error is taken. */
fv_quant_codes fv_quant_blocks(fv_arena *a, const fv_tensor *w, int axis, int block, int bits);

#endif
