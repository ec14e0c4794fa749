/* work.h - counts the work that computing an element of a definition takes. */
#ifndef FV_BACKEND_FUSE_WORK_H
#define FV_BACKEND_FUSE_WORK_H

#include "backend/lowering/lowering.h"

/* Largest number of nodes of a definition, counted as a tree with shared nodes counted for each
 * use; code that examines definitions walks them as trees. */
enum { FV_MAX_TREE = 4000 };

typedef struct fv_work {
    /* numbers of nodes of each kind; each use of a load counts, other nodes count once */
    int nodes, arithmetic, loads, reductions, math, guards;
} fv_work;
fv_work fv_work_of(fv_lowerer *l, const fv_definition *d);
/* Does the definition only load and convert an element, without a guard? */
bool fv_is_view(const fv_work *w) FV_MUST_USE;
/* Is d small enough to be walked as a tree? */
bool fv_is_small(fv_lowerer *l, const fv_definition *d) FV_MUST_USE;
/* Does an element of d take so few operations that it may be computed again? */
bool fv_is_cheap(fv_lowerer *l, const fv_definition *d) FV_MUST_USE;
/* Does any index of the definition contain a division? */
bool fv_divides_at_all(const fv_definition *d) FV_MUST_USE;
/* Does an index that changes along the last axis contain a division? Divisions in other indices are
 * computed once for each row. */
bool fv_divides_along(const fv_definition *d) FV_MUST_USE;

#endif
