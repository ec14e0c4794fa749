/* work.h - the work that computing an element of a definition takes. */
#ifndef FV_BACKEND_FUSE_WORK_H
#define FV_BACKEND_FUSE_WORK_H

#include "backend/lowering/lowering.h"

/* Nodes of a definition that is written out as a tree, where shared ones count each time (what
 * looks at definitions walks them so). */
enum { FV_MAX_TREE = 4000 };

typedef struct fv_work {
    /* loads: each use of a load counts */
    int nodes, arithmetic, loads, reductions, math, guards;
} fv_work;
fv_work fv_work_of(fv_lowerer *l, const fv_definition *d);
/* Does it only move elements, without computing anything? */
bool fv_is_view(const fv_work *w) FV_MUST_USE;
/* Is d small enough to be walked as a tree? */
bool fv_is_small(fv_lowerer *l, const fv_definition *d) FV_MUST_USE;
/* Does an element of d take so few operations that it may be computed again? */
bool fv_is_cheap(fv_lowerer *l, const fv_definition *d) FV_MUST_USE;
/* Does any index need a division? */
bool fv_divides_at_all(const fv_definition *d) FV_MUST_USE;
/* Does the index of each element along the last axis need a division? Divisions of other indices
 * cost one for each row. */
bool fv_divides_along(const fv_definition *d) FV_MUST_USE;

#endif
