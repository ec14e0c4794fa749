/* reading.h - how a definition reads a value. */
#ifndef FV_BACKEND_FUSE_READING_H
#define FV_BACKEND_FUSE_READING_H

#include "backend/lowering/lowering.h"
#include "ir/base/limits.h"

typedef struct fv_reading {
    int loads;     /* places where it is loaded */
    bool ordered;  /* each at the definition's indices, the last one last */
    bool identity; /* ... and all in their order */
    bool in_reduction;
    bool by_rows;   /* what it sums is computed once a row of the definition */
    bool injective; /* no two elements of the definition read the same one */
    bool variables; /* each index is a variable of its own: no element is read for two places */
} fv_reading;

/* Of a value with reductions: the axes that they depend on. */
typedef struct fv_row_axes {
    bool on[FV_MAX_RANK];
} fv_row_axes;

fv_row_axes fv_row_axes_of(const fv_definition *d);
/* How d reads v; `axes`: those of v's definition. */
fv_reading fv_reading_of(fv_lowerer *l, const fv_definition *d, const fv_value *v,
                         const fv_row_axes *axes);
/* Which index of d is x? d->rank: none. */
int fv_axis_read(const fv_expr *x, const fv_definition *d);
/* Is in x a sum of products that are not squares? */
bool fv_is_contraction(const fv_expr *x) FV_MUST_USE;

#endif
