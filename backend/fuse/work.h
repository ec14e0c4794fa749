/* work.h - what a definition is made of: what it takes to compute an element of it. */
#ifndef FV_BACKEND_FUSE_WORK_H
#define FV_BACKEND_FUSE_WORK_H

#include "backend/lowering/lowering.h"

/* Nodes of a definition that is written out as a tree, where shared ones count each time (what
 * looks at definitions walks them so). */
enum { FV_MAX_TREE = 4000 };

typedef struct fv_work {
    /* a load counts for each that wants it */
    int nodes, arithmetic, loads, reductions, math, guards;
} fv_work;
fv_work fv_work_of(fv_lowerer *l, const fv_definition *d);
/* Does it move elements, and compute nothing? */
bool fv_is_view(const fv_work *w) FV_MUST_USE;
/* Is d small enough to be walked as a tree? */
bool fv_is_small(fv_lowerer *l, const fv_definition *d) FV_MUST_USE;
/* Is an element of d computed again for no more than a few operations? */
bool fv_is_cheap(fv_lowerer *l, const fv_definition *d) FV_MUST_USE;
/* Does some index take a division? */
bool fv_divides_at_all(const fv_definition *d) FV_MUST_USE;
/* Does each element along the last axis take a division to find? Others cost one a row. */
bool fv_divides_along(const fv_definition *d) FV_MUST_USE;

#endif
