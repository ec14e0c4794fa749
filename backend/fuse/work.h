/* work.h - counts the work that computing an element of a definition takes. */
#ifndef FV_BACKEND_FUSE_WORK_H
#define FV_BACKEND_FUSE_WORK_H

#include "backend/lowering/lowering.h"

/* A definition has fewer nodes than this, where a shared node counts for each use, because code
 * that examines definitions walks them as trees. */
enum { FV_MAX_TREE = 4000 };

typedef struct fv_work {
    /* numbers of nodes: all, and those of each kind. A node with operands counts once however often
     * it is used, except that `loads` counts each use. `arithmetic` leaves out indices, conversions
     * and reductions; `floats` are the operations on floats among them, without selections */
    int nodes, arithmetic, floats, loads, reductions, math, guards;
} fv_work;
fv_work fv_work_of(fv_lowerer *l, const fv_definition *d);
/* Does the definition only load and convert at most one element, without a guard? */
bool fv_is_view(const fv_work *w) FV_MUST_USE;
/* Is d small enough to be walked as a tree? */
bool fv_is_small(fv_lowerer *l, const fv_definition *d) FV_MUST_USE;
/* Does an element of d take so few operations that it may be computed again? */
bool fv_is_cheap(fv_lowerer *l, const fv_definition *d) FV_MUST_USE;
/* Does d load constants only? */
bool fv_is_of_constants(fv_lowerer *l, const fv_definition *d) FV_MUST_USE;
/* Does d contain an integer division or a remainder whose operands depend on an index variable of
 * d? */
bool fv_divides_at_all(const fv_definition *d) FV_MUST_USE;
/* Does d contain an integer division or a remainder whose operands change along the last axis with
 * more than one element? Other divisions are computed once for each row. */
bool fv_divides_along(const fv_definition *d) FV_MUST_USE;

#endif
