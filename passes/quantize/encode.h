/* encode.h - the numbers of a weight as small integers and scales. */
#ifndef FV_PASSES_QUANTIZE_ENCODE_H
#define FV_PASSES_QUANTIZE_ENCODE_H

#include "ir/type/tensor.h"

/* A weight as integers: w is about (code - zero point) * scale. */
typedef struct fv_quant_codes {
    const fv_tensor *w;
    int8_t *codes; /* in the order of the weight's elements */
    /* scales of channels: one for each index of the axis `axis`. Scales of blocks: of the shape of
     * the weight, but one for each block along the axis */
    int axis, block; /* block 0: scales of channels */
    float *scales;
    int8_t *zeros; /* a zero point for each scale; NULL: all are 0 */
    size_t nscales;
} fv_quant_codes;

/* The number of the first element that is a NaN or an infinity, or beyond `most` in magnitude;
 * w->count: there is none. */
size_t fv_quant_bad_element(const fv_tensor *w, double most);

/* The codes of a weight with channels. */
typedef struct fv_quant_form {
    int bits; /* 8, 7 or 4 */
    bool zero_points;
    bool product; /* whether codes are multiplied with integers, and then scales with scales */
} fv_quant_form;

/* A code for each element, in [-127, 127] for 8 bits, [-63, 63] for 7 and [-7, 7] for 4, and a
 * scale for each index of the axis: the largest magnitude becomes the largest code, unless form is
 * that of a product and it is less than 1e-7 of the largest magnitude of the whole weight. With
 * zero points, codes are in [-128, 127], [-64, 63] or [-8, 7]; their ends are the smallest and the
 * largest element, or 0. */
fv_quant_codes fv_quant_channels(fv_arena *a, const fv_tensor *w, int axis, fv_quant_form form);
/* Codes in [-128, 127] or [-8, 7], and a scale for each block of `block` elements along the axis,
 * the last of which may be shorter, and on request a zero point. For 4 bits, several scales are
 * tried for a block, and the one with the least squared error is taken. */
fv_quant_codes fv_quant_blocks(fv_arena *a, const fv_tensor *w, int axis, int block, int bits,
                               bool zero_points);

#endif
