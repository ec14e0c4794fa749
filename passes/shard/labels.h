/* labels.h - products as Einstein sums: axes of operands and result with the same label have the
 * same index, and a product is summed over the labels that its result lacks. */
#ifndef FV_PASSES_SHARD_LABELS_H
#define FV_PASSES_SHARD_LABELS_H

#include "passes/shard/parts.h"

enum { FV_LABEL_OPERANDS = 8 };

/* The labels of the axes. 0: the operator needs the axis as a whole. */
typedef struct fv_shard_labels {
    char in[FV_LABEL_OPERANDS][FV_MAX_RANK];
    char out[FV_MAX_RANK];
} fv_shard_labels;

/* Sets *out to the labels of a product: fv.MatMul, Einsum, fv.BlockMatMulInteger, fv.ExpertProduct;
 * or of fv.Gather. False: op is something else. */
bool fv_shard_labels_of(const fv_op *op, fv_shard_labels *out) FV_MUST_USE;
/* The axis of operand i with that label; WHOLE: it has none, or one of a single element that is
 * repeated; NONE: the label is 0, or of several axes. */
int fv_shard_label_axis(const fv_op *op, const fv_shard_labels *l, int i, char label);
/* The axis of operand i for axis `axis` of the result; WHOLE or NONE. */
int fv_shard_labelled_operand(const fv_op *op, const fv_shard_labels *l, int axis, int i);
/* The axis of the result for axis `axis` of operand i; PARTIAL: it is summed; NONE. */
int fv_shard_labelled_result(const fv_op *op, const fv_shard_labels *l, int i, int axis);

#endif
