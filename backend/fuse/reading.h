/* reading.h - describes how a definition reads a value. */
#ifndef FV_BACKEND_FUSE_READING_H
#define FV_BACKEND_FUSE_READING_H

#include "backend/lowering/lowering.h"
#include "ir/base/limits.h"

typedef struct fv_reading {
    int loads; /* number of loads of the value */
    /* whether the indices of each load are those of the definition, in any order but with the last
     * one last */
    bool ordered;
    /* whether the indices of each load are those of the definition, in the same order */
    bool identity;
    bool in_reduction; /* whether a load is within a reduction */
    /* whether a load is within a sum whose terms contain sums of integers, but outside of these
     * inner sums, as the scale of a block is */
    bool in_term;
    /* whether the reductions of the value are computed once for each row of the definition */
    bool by_rows;
    /* whether each index of a load is a constant or linear in one variable of the definition, a
     * different one for each, so that different values of these variables read different
     * elements */
    bool injective;
    /* whether the indices of each load are variables, each used once */
    bool variables;
    /* whether an index of a load is computed of variables of both the definition and a reduction,
     * as where a window slides over an image */
    bool windows;
    bool guarded; /* whether a load has a condition that varies with the index of the definition */
    double reads; /* number of elements that all loads read, for typical dims */
} fv_reading;

/* The axes on which the reductions of a value depend. */
typedef struct fv_row_axes {
    bool on[FV_MAX_RANK];
} fv_row_axes;

fv_row_axes fv_row_axes_of(const fv_definition *d);
/* Describes how d reads v. `axes`: the axes of v's definition on which its reductions depend. */
fv_reading fv_reading_of(fv_lowerer *l, const fv_definition *d, const fv_value *v,
                         const fv_row_axes *axes);
/* The number of the axis of d whose index variable x is; d->rank: x is not an index variable of
 * d. */
int fv_axis_read(const fv_expr *x, const fv_definition *d);
/* Does x contain a sum of products of two different factors? */
bool fv_is_contraction(const fv_expr *x) FV_MUST_USE;

#endif
