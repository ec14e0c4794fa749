/* elements.h - what the elements of a graph's values are, with what is computed element by element
 * substituted.
 *
 * Views and arithmetic vanish into indices and terms. What is left as loads are leaves: parameters,
 * constants, results of recurrences and of operators with kernels of their own, whatever sums, and
 * what would be large: a stream to which many layers have added. */
#ifndef FV_PASSES_ATTENTION_ELEMENTS_H
#define FV_PASSES_ATTENTION_ELEMENTS_H

#include "ir/definition/definition.h"

typedef struct fv_elements {
    fv_arena *arena;      /* in which expressions are unique */
    fv_ptrmap defined;    /* op -> the definitions of its results */
    fv_ptrmap composed;   /* value -> its element over the indices of its definition */
    int depth;            /* of values that are substituted into each other right now */
    const fv_value *stop; /* a leaf, whatever it is; fv_elements_stop sets it */
} fv_elements;

fv_elements fv_elements_new(fv_session *s);
void fv_elements_free(fv_elements *e);
void fv_elements_stop(fv_elements *e, const fv_value *v); /* NULL: at none */

/* NULL: v is no result that has one. */
const fv_definition *fv_element_definition(fv_elements *e, const fv_value *v);
/* An element of v, and its indices in `index` (v->type->rank of them). */
fv_expr *fv_element(fv_elements *e, const fv_value *v, fv_var **index);
/* x, with the elements of what it loads. */
fv_expr *fv_elements_in(fv_elements *e, fv_expr *x);

/* The sum that a value is, of f * g or (g is NULL) of f. */
typedef struct fv_summed {
    const fv_definition *def;
    const fv_expr *reduce;
    fv_expr *f, *g; /* over the indices of def and the variables of the reduction */
} fv_summed;
/* Is the value a sum, alone or with arithmetic around it? */
bool fv_element_sum(fv_elements *e, const fv_value *v, fv_summed *out) FV_MUST_USE;
/* The same with that load's indices in place of those of the definition. */
bool fv_loaded_sum(fv_elements *e, const fv_expr *load, fv_summed *out) FV_MUST_USE;

static inline bool fv_is_load(const fv_expr *x) {
    return (x->op == FV_X_LOAD || x->op == FV_X_GUARD) && x->u.buf->value;
}
static inline const fv_value *fv_loaded(const fv_expr *load) {
    return load->u.buf->value;
}
/* The different loads of values in x. Returns how many; at most `max` are in `out`. */
int fv_element_loads(fv_arena *a, fv_expr *x, fv_expr **out, int max);
/* The same of those that are numbers in it: not below conditions. */
int fv_element_terms(fv_arena *a, fv_expr *x, fv_expr **out, int max);
/* Does x depend on data of a run? Constants and positions do not. */
bool fv_is_computed(fv_arena *a, fv_expr *x) FV_MUST_USE;
/* Do the indices of the load use v? Its condition is none of them. */
bool fv_load_uses(const fv_expr *load, const fv_var *v) FV_MUST_USE;

#endif
