/* along.h - joins values that follow each other along an axis into one value: Concat(f(a), f(b)) is
 * f(Concat(a, b)), and consecutive slices are the tensor of which they were cut. */
#ifndef FV_PASSES_ATTENTION_ALONG_H
#define FV_PASSES_ATTENTION_ALONG_H

#include "ir/graph/rewriter.h"

/* Are the n values [.., rows, columns] computed in the same way from products with a common left
 * factor, so that they differ only in the columns of the right factor and of elementwise operands,
 * such as masks? */
bool fv_are_scores(fv_module *m, fv_arena *a, fv_value *const *v, int n) FV_MUST_USE;
/* Joins values for which fv_are_scores holds along their columns; NULL: the rewriter has failed. */
fv_value *fv_w_scores(fv_rewriter *w, fv_arena *a, fv_value *const *v, int n);
/* Is the op one of the elementwise operators that this search goes through? They can be applied to
 * joined operands. */
bool fv_is_elementwise(const fv_op *op) FV_MUST_USE;
/* The axis of an operand of an elementwise op that corresponds to `axis` of the op's result `of`;
 * -1: the operand lacks it, or has dim 1 there. */
int fv_aligned_axis(const fv_value *operand, const fv_value *of, int axis);
/* The first axis from i on whose dim is not 1; the rank of t if there is none. */
int fv_next_axis(const fv_type *t, int i);
/* Does b differ from a only in axes of dim 1? *axis, an axis of a, becomes the corresponding axis
 * of b; -1: it has dim 1. */
bool fv_is_squeeze(const fv_module *m, const fv_type *a, const fv_type *b, int *axis) FV_MUST_USE;
/* Does a have the dims of b, or 1 in their place? */
bool fv_broadcasts_to(const fv_module *m, const fv_type *a, const fv_type *b) FV_MUST_USE;
/* Do the types of the values differ in the dim of that axis only? */
bool fv_may_follow(const fv_module *m, fv_value *const *v, int n, int axis) FV_MUST_USE;
/* Joins values for which fv_may_follow holds along the axis. If only constants have to be copied,
 * this is the tensor of which the values are slices, a slice of it, or the same ops applied to one
 * of these; otherwise a Concat of the values, or, if all are transposes, the transpose of the
 * joined operands. */
fv_value *fv_w_along(fv_rewriter *w, fv_arena *a, fv_value *const *v, int n, int axis);

#endif
