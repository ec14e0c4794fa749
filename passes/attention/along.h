/* along.h - values that stand one behind the other along an axis, as one value: Concat(f(a), f(b)) is f(Concat(a, b)), and slices
 * that follow each other are what they were cut of. */
#ifndef FV_PASSES_ATTENTION_ALONG_H
#define FV_PASSES_ATTENTION_ALONG_H

#include "ir/graph/rewriter.h"

/* Are the n values [.., rows, columns] made alike of products, which have one left factor and differ in the columns of the
 * right one? */
bool fv_are_scores(fv_module *m, fv_arena *a, fv_value *const *v, int n) FV_MUST_USE;
/* Such values, along columns; NULL: the rewriter has failed. */
fv_value *fv_w_scores(fv_rewriter *w, fv_arena *a, fv_value *const *v, int n);
/* Do the values differ in the length of that axis alone? */
bool fv_may_follow(const fv_module *m, fv_value *const *v, int n, int axis) FV_MUST_USE;
/* Values that may follow each other, along the axis: what they are cut of, or a Concat of what they are transposed of. */
fv_value *fv_w_along(fv_rewriter *w, fv_arena *a, fv_value *const *v, int n, int axis);

#endif
