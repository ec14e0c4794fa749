/* elements.h - the elements of a graph's values as expressions, in which the definitions of
 * elementwise values and views are substituted. Views only change indices. The loads that remain
 * are leaves, for instance inputs, constants of several elements, results of recurrences and of
 * operators with kernels of their own, sums, and values whose expression would be large, such as a
 * residual stream to which many layers have added. */
#ifndef FV_PASSES_ATTENTION_ELEMENTS_H
#define FV_PASSES_ATTENTION_ELEMENTS_H

#include "ir/definition/definition.h"

typedef struct fv_elements {
    fv_arena *arena;   /* an arena in which equal expressions are one node */
    fv_ptrmap defined; /* op -> the definitions of its results */
    /* value -> its element as an expression over the indices of its definition */
    fv_ptrmap composed;
    int depth;            /* current nesting of substitutions */
    const fv_value *stop; /* the value whose loads are never replaced; set by fv_elements_stop */
} fv_elements;

fv_elements fv_elements_new(fv_session *s);
void fv_elements_free(fv_elements *e);
/* loads of v are not replaced from now on; v NULL: there is no such value */
void fv_elements_stop(fv_elements *e, const fv_value *v);

/* The definition of v; NULL: it has none. */
const fv_definition *fv_element_definition(fv_elements *e, const fv_value *v);
/* An element of v. `index` gets the v->type->rank index variables of the expression: those of v's
 * definition, or new ones if v is a leaf. */
fv_expr *fv_element(fv_elements *e, const fv_value *v, fv_var **index);
/* x with loads replaced by the elements of the loaded values. */
fv_expr *fv_elements_in(fv_elements *e, fv_expr *x);

/* A value that is a sum: of f * g, or of f if g is NULL. */
typedef struct fv_summed {
    const fv_definition *def;
    const fv_expr *reduce;
    /* the factors, as expressions over the indices of def and the variables of the reduction */
    fv_expr *f, *g;
} fv_summed;
/* Is the value a sum, possibly with other arithmetic around the sum? *out becomes the first sum of
 * its definition. */
bool fv_element_sum(fv_elements *e, const fv_value *v, fv_summed *out) FV_MUST_USE;
/* fv_element_sum for the value that is loaded, with the indices of the load in place of those of
 * its definition. */
bool fv_loaded_sum(fv_elements *e, const fv_expr *load, fv_summed *out) FV_MUST_USE;

static inline bool fv_is_load(const fv_expr *x) {
    return (x->op == FV_X_LOAD || x->op == FV_X_GUARD) && x->u.buf->value;
}
static inline const fv_value *fv_loaded(const fv_expr *load) {
    return load->u.buf->value;
}
/* Stores the distinct loads of values in x in `out`, and returns their number; stops when there are
 * `max`. */
int fv_element_loads(fv_arena *a, fv_expr *x, fv_expr **out, int max);
/* fv_element_loads without loads that occur only in expressions of type bool, such as
 * conditions. */
int fv_element_terms(fv_arena *a, fv_expr *x, fv_expr **out, int max);
/* Does x depend on data that are not known before run time, not only on constants and positions? */
bool fv_is_computed(fv_arena *a, fv_expr *x) FV_MUST_USE;
/* Do the indices of the load use v? The condition of a guarded load does not count. */
bool fv_load_uses(const fv_expr *load, const fv_var *v) FV_MUST_USE;

#endif
