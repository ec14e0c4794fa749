/* check_attrs.h - draws attributes whose values must be legal for the operands of an op: shapes,
 * permutations, windows. */
#ifndef FV_PASSES_CHECK_ATTRS_H
#define FV_PASSES_CHECK_ATTRS_H

#include "ir/graph/graph.h"
#include "passes/check_case.h"

/* What attributes are drawn from, and what draws a dim of a shape. */
typedef struct fv_attr_drawing {
    fv_module *m;
    fv_random *r;
    const fv_dim *(*dim)(void *user);
    void *user;
} fv_attr_drawing;

/* Draws the attributes of an op of the module whose operands are set.
 *   name    its operator, as the pattern spells it
 *   result  the element type of its result
 * False: the attributes of its operator are not drawn here, and none was set. */
bool fv_draw_attrs(const fv_attr_drawing *k, fv_op *op, const char *name,
                   fv_elem result) FV_MUST_USE;

#endif
