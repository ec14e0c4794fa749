/* picks.h - gathers whose lanes are at constant distances along the last axis of a buffer. */
#ifndef FV_IR_EXPR_PICKS_H
#define FV_IR_EXPR_PICKS_H

#include "ir/base/limits.h"
#include "ir/expr/expr.h"

/* Elements of a gather whose distances along the last axis are constants, such as every second
 * element, or each element twice. All of them are in `parts` vectors of `length` consecutive
 * elements. The last vector ends with the last element, so no element after that is read. */
enum { FV_MOST_PICKED = 64, FV_MOST_PARTS = 4 };
typedef struct fv_picked {
    fv_expr *index[FV_MAX_RANK]; /* the indices of the first element in memory, scalars */
    int lanes, length, parts;
    int at[FV_MOST_PICKED];   /* the element of each lane, counted from the first one in memory */
    int from[FV_MOST_PARTS];  /* the first element of each vector, counted in the same way */
    int part[FV_MOST_PICKED]; /* the vector that the element of each lane is in */
    bool ascends; /* whether the element of each lane follows that of the lane before it */
} fv_picked;
/* Does the load x gather such elements? */
bool fv_x_picks(fv_arena *a, const fv_expr *x, fv_picked *p) FV_MUST_USE;

#endif
