/* merge.h - axes that are always indexed together become one. */
#ifndef FV_BACKEND_AXES_MERGE_H
#define FV_BACKEND_AXES_MERGE_H

#include "backend/lowering/lowering.h"

/* The same definition with neighbouring axes as one where they are always indexed together. */
fv_definition *fv_merge_axes(fv_lowerer *l, const fv_definition *d);
/* The same definition with the axes `axis` and `axis` + 1 as one, though some load does not index
 * them together: such a load reads i floordiv n and i mod n of the one axis i, n being the extent
 * of the second. */
fv_definition *fv_merge_rows(fv_lowerer *l, const fv_definition *d, int axis);
/* The same of n that are a group: what they share stays shared, and is the first axes of each;
 * there are no others of one element. Returns how many axes are shared; -1: they are not the first
 * of each, in one order, and none are merged. */
int fv_merge_group(fv_lowerer *l, int n, fv_definition *const *all, fv_definition **merged);
/* How many axes n definitions of a group, merged by fv_merge_group, share; -1: they are not the
 * first of each, in one order. */
int fv_merged_shared(int n, fv_definition *const *all);

#endif
