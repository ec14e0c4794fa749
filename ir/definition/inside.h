/* inside.h - proves that loads of a definition are within their values. */
#ifndef FV_IR_DEFINITION_INSIDE_H
#define FV_IR_DEFINITION_INSIDE_H

#include "ir/definition/definition.h"

/* The facts that were proved about the nodes of one definition. */
typedef struct fv_inside fv_inside;
fv_inside *fv_inside_new(fv_module *m, fv_arena *a, const fv_definition *d);

/* Is 0 <= index[i] < extent[i] proved for all i < n and all legal values of the symbols? It is
 * assumed that all variables in the indices have values in their ranges, and that `cond` is true
 * (NULL: no condition). False: not proved; *at is the first such i. The amount of work is
 * limited. */
bool fv_inside_load(fv_inside *p, int n, fv_expr *const *index, const fv_dim *const *extent,
                    fv_expr *cond, int *at) FV_MUST_USE;
/* Does the index depend on loaded data that neither its type nor `cond` (may be NULL) bounds? */
bool fv_inside_from_data(fv_inside *p, fv_expr *index, fv_expr *cond) FV_MUST_USE;

#endif
