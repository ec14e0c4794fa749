/* inside.h - does a load reach elements of its value only? */
#ifndef FV_IR_DEFINITION_INSIDE_H
#define FV_IR_DEFINITION_INSIDE_H

#include "ir/definition/definition.h"

/* What is known of the nodes of one definition. */
typedef struct fv_inside fv_inside;
fv_inside *fv_inside_new(fv_module *m, fv_arena *a, const fv_definition *d);

/* Is 0 <= index i < extent[i] proved, for all i of n, whatever legal values the symbols have? Where
 * a load runs, each variable in it has a value, and `cond` holds (NULL: it is not asked). False: it
 * is not proved; *at is the first such i. The work is bounded. */
bool fv_inside_load(fv_inside *p, int n, fv_expr *const *index, const fv_dim *const *extent,
                    fv_expr *cond, int *at) FV_MUST_USE;
/* Is the index anything that was loaded, of which neither its type nor `cond` (or NULL) says
 * anything? */
bool fv_inside_from_data(fv_inside *p, fv_expr *index, fv_expr *cond) FV_MUST_USE;

#endif
