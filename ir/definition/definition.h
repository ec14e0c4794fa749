/* definition.h - what each element of a value is: the form between ops and kernels.
 *
 * A definition is a scalar expression over index variables, one an axis, whose LOADs name graph
 * values (fv_buf.value) and whose REDUCEs say what is summed, not how. Grouping substitutes one
 * definition into another; a schedule turns the result into a kernel.
 *
 *   Softmax over the last axis of x: f32[n, m]
 *     y[i, j] = exp(x[i, j] - M) * (1 / S)
 *     with  M = max k < m: x[i, k],  S = sum k < m: exp(x[i, k] - M)
 *
 * Expressions are DAGs in which equal nodes are one (ir/expr/unique.h): what occurs twice is
 * computed once. */
#ifndef FV_IR_DEFINITION_DEFINITION_H
#define FV_IR_DEFINITION_DEFINITION_H

#include "ir/definition/form.h"
#include "ir/expr/expr.h"
#include "ir/graph/graph.h"

typedef struct fv_definition {
    const fv_value *value;
    int rank;
    fv_var **index; /* rank of them; extent in var->dim */
    fv_expr *body;  /* of the value's arithmetic type or its storage type; rounded where stored */
    /* where in the memory of another value its element lies, as a load over the indices; NULL: it
     * has its own */
    const fv_expr *place;
    fv_form form;     /* what kind of computation it is; NONE before the step `form` */
    const char *text; /* the formula, for people */
} fv_definition;

typedef struct fv_definer {
    fv_module *module;
    fv_arena *arena;
    fv_op *op;
    fv_definition **out; /* one per result */
} fv_definer;

/* ---- for .define functions ---- */

fv_definition *fv_definition_new(fv_definer *d, int out); /* with index variables made */
/* The element of an operand at these indices, converted to its arithmetic type. */
fv_expr *fv_d_load(fv_definer *d, int in, fv_expr *const *index);
/* The element as it is stored, of its storage type; where `cond` is given and false: zero bits. */
fv_expr *fv_d_load_stored(fv_definer *d, int in, fv_expr *const *index, fv_expr *cond);
/* The converted element where all of `index` lies inside, else `otherwise`. */
fv_expr *fv_d_load_else(fv_definer *d, int in, fv_expr *const *index, fv_expr *otherwise);
/* The same for indices that come from data: outside, the error word is set and the value is 0. */
fv_expr *fv_d_load_checked(fv_definer *d, int in, fv_expr *const *index);
/* The operand broadcast against the indices of the output (aligned at the last axis). */
fv_expr *fv_d_elementwise(fv_definer *d, int in, const fv_definition *out);
/* The index for variable `v` on an axis of dim `d`: v; 0 where d is 1; decided at run time where it
 * may be. */
fv_expr *fv_d_broadcast(fv_definer *d, fv_var *v, const fv_dim *dim);
fv_var *fv_d_var(fv_definer *d, const char *name, const fv_dim *extent); /* to reduce over */

/* An index variable for an axis. */
fv_var *fv_index_var(fv_arena *a, const char *name, const fv_dim *extent);
/* Which index of d is v? d->rank: none. */
int fv_definition_axis(const fv_definition *d, const fv_var *v);
/* The last value of an index variable. It is right where there is one: the extent max(n, 0) counts
 * as n, and so an index that stays inside whenever there is something to compute is known to. */
const fv_dim *fv_d_last(fv_dims *t, const fv_var *v);
/* The largest value of a sum of index variables with factors, the smallest if not `most`; it is
 * reached. NULL: it is none. */
const fv_dim *fv_x_bound(fv_dims *t, const fv_expr *x, bool most);

/* The buffer that stands for a graph value in definitions: one a value where expressions are unique
 * (ir/expr/unique.h). */
fv_buf *fv_value_buf(fv_arena *a, const fv_value *v);

#endif
