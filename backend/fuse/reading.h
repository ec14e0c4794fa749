/* reading.h - describes how a definition reads a value. */
#ifndef FV_BACKEND_FUSE_READING_H
#define FV_BACKEND_FUSE_READING_H

#include "backend/lowering/lowering.h"
#include "ir/base/limits.h"

typedef struct fv_reading {
    int loads; /* number of loads of the value */
    /* the indices of each load are those of the definition, in any order but with the last one
     * last */
    bool ordered;
    bool identity; /* ... and in the same order */
    bool in_reduction;
    bool by_rows; /* the reductions of the value are computed once for each row of the definition */
    bool injective; /* no two elements of the definition read the same element */
    /* each index of a load is a different variable, so no element is read for two places */
    bool variables;
} fv_reading;

/* The axes on which the reductions of a value depend. */
typedef struct fv_row_axes {
    bool on[FV_MAX_RANK];
} fv_row_axes;

fv_row_axes fv_row_axes_of(const fv_definition *d);
/* How d reads v. `axes`: those of v's definition. */
fv_reading fv_reading_of(fv_lowerer *l, const fv_definition *d, const fv_value *v,
                         const fv_row_axes *axes);
/* The number of d's axis whose index variable x is; d->rank: none. */
int fv_axis_read(const fv_expr *x, const fv_definition *d);
/* Does x contain a sum of products of two different factors? */
bool fv_is_contraction(const fv_expr *x) FV_MUST_USE;

#endif
