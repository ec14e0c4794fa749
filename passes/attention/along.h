/* along.h - values that stand one behind the other along an axis, as one value: Concat(f(a), f(b))
 * is f(Concat(a, b)), and slices that follow each other are what they were cut of. */
#ifndef FV_PASSES_ATTENTION_ALONG_H
#define FV_PASSES_ATTENTION_ALONG_H

#include "ir/graph/rewriter.h"

/* Are the n values [.., rows, columns] made alike of products, which have one left factor and
 * differ in the columns of the right one? */
bool fv_are_scores(fv_module *m, fv_arena *a, fv_value *const *v, int n) FV_MUST_USE;
/* Such values, along columns; NULL: the rewriter has failed. */
fv_value *fv_w_scores(fv_rewriter *w, fv_arena *a, fv_value *const *v, int n);
/* Is it an op whose results are made of elements of its operands one by one, and may be joined with
 * others? */
bool fv_is_elementwise(const fv_op *op) FV_MUST_USE;
/* The axis of an operand of an op that broadcasts which is `axis` of its result; -1: it is the same
 * all along. */
int fv_aligned_axis(const fv_value *operand, const fv_value *of, int axis);
/* The next axis from i on that is none of 1; t's rank: there is none. */
int fv_next_axis(const fv_type *t, int i);
/* Is b a with axes of 1 more or less? *axis, one of a, becomes the same of b; -1: it is one of
 * 1. */
bool fv_is_squeeze(const fv_module *m, const fv_type *a, const fv_type *b, int *axis) FV_MUST_USE;
/* Do the values differ in the length of that axis alone? */
bool fv_may_follow(const fv_module *m, fv_value *const *v, int n, int axis) FV_MUST_USE;
/* Values that may follow each other, along the axis: what they are cut of, or a Concat of what they
 * are transposed of. */
fv_value *fv_w_along(fv_rewriter *w, fv_arena *a, fv_value *const *v, int n, int axis);

#endif
