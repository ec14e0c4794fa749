/* merge.h - merges axes that are always indexed together. */
#ifndef FV_BACKEND_AXES_MERGE_H
#define FV_BACKEND_AXES_MERGE_H

#include "backend/lowering/lowering.h"

/* A copy of the definition without axes of one element, in which neighbouring axes that are always
 * indexed together are one axis. Variables of reductions are merged and removed in the same way. */
fv_definition *fv_merge_axes(fv_lowerer *l, const fv_definition *d);
/* A copy of the definition in which the axes `axis` and `axis` + 1 are one axis i, even if some
 * load does not index them together: that load then uses the indices i floordiv n and i mod n,
 * where n is the extent of axis `axis` + 1. */
fv_definition *fv_merge_rows(fv_lowerer *l, const fv_definition *d, int axis);
/* fv_merge_axes for the n definitions of a group. The axes that they share are merged as one list,
 * and are the first axes of each. Returns the number of shared axes; -1: the shared axes are not
 * the first of each definition in the same order, so no axes are merged. */
int fv_merge_group(fv_lowerer *l, int n, fv_definition *const *all, fv_definition **merged);
/* The number of axes that n definitions, as fv_merge_group returns them, share; -1: the shared axes
 * are not the first axes of each definition in the same order. */
int fv_merged_shared(int n, fv_definition *const *all);

#endif
