/* transposed.h - definitions whose result is contiguous along another axis than what they read.
 *
 *     y[i, j] = x[j, i] + b[i] * z[i, j]     x is contiguous along i, y along j
 */
#ifndef FV_BACKEND_AXES_TRANSPOSED_H
#define FV_BACKEND_AXES_TRANSPOSED_H

#include "backend/lowering/lowering.h"

typedef struct fv_transposed {
    int row;    /* the axis of the definition along which `load` is contiguous */
    int column; /* the last axis with more than one element */
    /* the only strided load along the column, apart from equal ones; or the first one of several of
     * narrow integers, which become one wider element, such as the bytes of a word */
    const fv_expr *load;
    bool several; /* whether there are several, all contiguous along `row` */
} fv_transposed;

/* Does d load one operand along another axis than the one along which its result is contiguous? If
 * so, sets *out; if not, records the reason. Requires that d has no sums and that its axes were
 * merged (merge.h). */
bool fv_find_transposed(fv_lowerer *l, const fv_definition *d, fv_transposed *out) FV_MUST_USE;

#endif
