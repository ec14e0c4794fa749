/* definition.h - definitions: a scalar expression for each element of a value, the representation
 * between ops and kernels.
 *
 * A definition is an expression over index variables, one per axis. Its LOADs refer to graph values
 * (fv_buf.value); its REDUCEs state which terms are summed, not in which loops. The step `group`
 * substitutes definitions into others; a schedule turns what is left into kernels.
 *
 *   Softmax over the last axis of x: f32[n, m]
 *     y[i, j] = exp(x[i, j] - M) * (1 / S)
 *     with  M = max k < m: x[i, k],  S = sum k < m: exp(x[i, k] - M)
 *
 * Expressions are DAGs in which equal nodes are the same node (ir/expr/unique.h), so what occurs
 * twice is computed once. */
#ifndef FV_IR_DEFINITION_DEFINITION_H
#define FV_IR_DEFINITION_DEFINITION_H

#include "ir/definition/form.h"
#include "ir/expr/expr.h"
#include "ir/expr/rewrite.h"
#include "ir/graph/graph.h"

typedef struct fv_definition {
    const fv_value *value;
    int rank;
    fv_var **index; /* `rank` index variables; their extents are in var->dim */
    /* the expression of an element, of the value's arithmetic type or its storage type; it is
     * rounded when it is stored */
    fv_expr *body;
    /* if the value is stored in a part of the memory of another value (FV_FATE_PART): the element
     * of that value, as a load over the indices; otherwise NULL */
    const fv_expr *place;
    fv_form form;     /* the kind of computation; NONE before the step `form` */
    const char *text; /* the operator's formula, for messages */
} fv_definition;

typedef struct fv_definer {
    fv_module *module;
    /* Arguments of .define functions. */
    fv_arena *arena;
    fv_op *op;
    fv_definition **out; /* the definitions that are made, one per result */
} fv_definer;

/* ---- for .define functions ---- */

/* a definition of result `out` with new index variables */
fv_definition *fv_definition_new(fv_definer *d, int out);
/* The element of operand `in` at these indices, converted to its arithmetic type. */
fv_expr *fv_d_load(fv_definer *d, int in, fv_expr *const *index);
/* The element of operand `in` at these indices in its storage type, without conversion; zero bits
 * if `cond` is given and false. */
fv_expr *fv_d_load_stored(fv_definer *d, int in, fv_expr *const *index, fv_expr *cond);
/* The element of operand `in` as fv_d_load gives it if all indices are within the operand;
 * `otherwise` if not. */
fv_expr *fv_d_load_else(fv_definer *d, int in, fv_expr *const *index, fv_expr *otherwise);
/* The element of operand `in` as fv_d_load gives it, for indices that come from data: outside of
 * the operand the value is 0, and the run returns FV_BAD_INDEX. */
fv_expr *fv_d_load_checked(fv_definer *d, int in, fv_expr *const *index);
/* The element of an operand that broadcasts to the result, aligned at the last axis. */
fv_expr *fv_d_elementwise(fv_definer *d, int in, const fv_definition *out);
/* The index on an axis of size `dim` of an operand that broadcasts: v, or 0 if dim is 1; if dim is
 * known only at run time, an expression that chooses between the two. */
fv_expr *fv_d_broadcast(fv_definer *d, fv_var *v, const fv_dim *dim);
/* a new variable for a reduction */
fv_var *fv_d_var(fv_definer *d, const char *name, const fv_dim *extent);

/* A new index variable for an axis of that extent. */
fv_var *fv_index_var(fv_arena *a, const char *name, const fv_dim *extent);
/* A copy of d whose body is rewritten by w; its indices, place and form are those of d. */
fv_definition *fv_definition_rewritten(fv_x_rewriter *w, const fv_definition *d);
/* The number of the axis of d that v indexes; d->rank: v is not an index of d. */
int fv_definition_axis(const fv_definition *d, const fv_var *v);
/* The last value of an index variable, extent - 1. An extent max(n, 0) counts as n, because the
 * value matters only if there is an element; so an index that is within bounds for all existing
 * elements is found to be. */
const fv_dim *fv_d_last(fv_dims *t, const fv_var *v);
/* The largest value (if `most`, otherwise the smallest) of a sum of index variables, dims and
 * constants, where variables may have constant factors that are not negative. Some element reaches
 * it if each variable occurs once. NULL: x is not such a sum. */
const fv_dim *fv_x_bound(fv_dims *t, const fv_expr *x, bool most);

/* The buffer that represents a graph value in definitions; one per value where expressions are
 * unique (ir/expr/unique.h). */
fv_buf *fv_value_buf(fv_arena *a, const fv_value *v);

#endif
