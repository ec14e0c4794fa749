/* blocks.h - constant weights of few bits, rearranged when a model is compiled. */
#ifndef FV_OPS_QUANTIZE_BLOCKS_H
#define FV_OPS_QUANTIZE_BLOCKS_H

#include "ir/graph/graph.h"

/* The constants of v, if they are known when the model is compiled; otherwise NULL. */
const fv_tensor *fv_known_constant(const fv_value *v);
/* The columns 0 to n - 1 ordered by the numbers of their blocks, those of a block in their order;
 * NULL: some block has another number of columns than `block`, or, of the last one, than are left.
 * index: the number of each column's block. */
const int64_t *fv_order_by_blocks(fv_arena *a, const fv_tensor *index, int64_t n, int64_t block);
/* The blobs [rows, blocks, bytes] of weights of that many bits with their columns in this order. */
fv_value *fv_blobs_in_order(fv_module *m, const fv_value *blobs, int bits, const int64_t *order,
                            int64_t n);
/* Codes of 4 bits [rows, n] from bytes, each of which has the first of its two codes in its high
 * bits. */
fv_value *fv_codes_of_high_bits(fv_module *m, const fv_value *bytes, int64_t rows, int64_t n);

#endif
