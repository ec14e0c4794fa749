/* elements.h - the elements of a graph's values as expressions, in which the definitions of
 * elementwise values and views are substituted. Views only change indices. What remains as loads
 * are leaves: inputs, constants, results of recurrences and of operators with kernels of their own,
 * sums, and values whose expression would be large, such as a residual stream to which many layers
 * have added. */
#ifndef FV_PASSES_ATTENTION_ELEMENTS_H
#define FV_PASSES_ATTENTION_ELEMENTS_H

#include "ir/definition/definition.h"

typedef struct fv_elements {
    fv_arena *arena;      /* in which equal expressions are one node */
    fv_ptrmap defined;    /* op -> the definitions of its results */
    fv_ptrmap composed;   /* value -> its element over the indices of its definition */
    int depth;            /* how many substitutions are nested at the moment */
    const fv_value *stop; /* this value stays a load, whatever it is; set by fv_elements_stop */
} fv_elements;

fv_elements fv_elements_new(fv_session *s);
void fv_elements_free(fv_elements *e);
void fv_elements_stop(fv_elements *e, const fv_value *v); /* v NULL: no value stays a load */

/* The definition of v; NULL: it has none. */
const fv_definition *fv_element_definition(fv_elements *e, const fv_value *v);
/* An element of v, over new index variables that are stored in `index` (v->type->rank of them). */
fv_expr *fv_element(fv_elements *e, const fv_value *v, fv_var **index);
/* x with loads replaced by the elements of the loaded values. */
fv_expr *fv_elements_in(fv_elements *e, fv_expr *x);

/* A value that is a sum: of f * g, or of f if g is NULL. */
typedef struct fv_summed {
    const fv_definition *def;
    const fv_expr *reduce;
    fv_expr *f, *g; /* over the indices of def and the variables of the reduction */
} fv_summed;
/* Is the value a sum, possibly with arithmetic around it? */
bool fv_element_sum(fv_elements *e, const fv_value *v, fv_summed *out) FV_MUST_USE;
/* The same for the value that is loaded, with the indices of the load in place of those of its
 * definition. */
bool fv_loaded_sum(fv_elements *e, const fv_expr *load, fv_summed *out) FV_MUST_USE;

static inline bool fv_is_load(const fv_expr *x) {
    return (x->op == FV_X_LOAD || x->op == FV_X_GUARD) && x->u.buf->value;
}
static inline const fv_value *fv_loaded(const fv_expr *load) {
    return load->u.buf->value;
}
/* Collects the distinct loads of values in x. Returns their number; at most `max` are stored in
 * `out`. */
int fv_element_loads(fv_arena *a, fv_expr *x, fv_expr **out, int max);
/* The same for loads that contribute as numbers, not in conditions. */
int fv_element_terms(fv_arena *a, fv_expr *x, fv_expr **out, int max);
/* Does x depend on data of the run, not only on constants and positions? */
bool fv_is_computed(fv_arena *a, fv_expr *x) FV_MUST_USE;
/* Do the indices of the load use v? The condition of a guarded load does not count. */
bool fv_load_uses(const fv_expr *load, const fv_var *v) FV_MUST_USE;

#endif
