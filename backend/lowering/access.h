/* access.h - how expressions reach memory: along which axes loads run, and what is loaded. */
#ifndef FV_BACKEND_LOWERING_ACCESS_H
#define FV_BACKEND_LOWERING_ACCESS_H

#include "ir/definition/definition.h"
#include "ir/expr/expr.h"

/* Is x of the form v + (something without v)? */
bool fv_x_adds(const fv_expr *x, const fv_var *v) FV_MUST_USE;
/* How a load runs along v: 1 contiguous (v is added to the last index and in no other), 0 not at
 * all, -1 otherwise. */
int fv_x_stride(const fv_expr *load, const fv_var *v);
typedef struct fv_load_count {
    int contiguous, invariant, strided;
} fv_load_count;
void fv_x_count_loads(const fv_expr *x, const fv_var *v, fv_load_count *n);
/* x, touching memory only where c holds; elsewhere its value is no matter. What c is made of is
 * computed anyway, and stays as it is. */
fv_expr *fv_x_guard_all(fv_arena *a, fv_expr *x, fv_expr *c);
/* The outermost reductions of x (each once). */
int fv_x_reductions(fv_expr *x, fv_expr **out, int max);
/* The same behind n of others, none of them twice; returns how many there are then. */
int fv_x_add_reductions(fv_expr *x, fv_expr **out, int n, int max);
/* Does a load of what runs along k run along v? */
bool fv_x_runs_across(const fv_expr *x, const fv_var *k, const fv_var *v) FV_MUST_USE;
/* Is this reduction one over contiguous elements, best done by chains along them, and not for
 * neighbours along `vector` at once? NULL: there is none. */
bool fv_x_is_row(const fv_expr *reduce, const fv_var *vector) FV_MUST_USE;
/* The axis along which the schedule map runs vectors: the last one of d that is not 1, unless a sum
 * runs across it; -1. */
int fv_map_vector(const fv_definition *d);

/* May it refuse the run: does it ask whether an index is legal? */
bool fv_x_is_checked(const fv_expr *x) FV_MUST_USE;
/* Is there only index arithmetic behind a load: no indices that are data, and none that are
 * checked? */
bool fv_x_is_plain(const fv_expr *load) FV_MUST_USE;
/* What is loaded, under conversions; x itself where it is computed. */
const fv_expr *fv_x_stored(const fv_expr *x);
/* Is it a load of a constant of the model, converted or not? */
bool fv_x_is_constant(const fv_expr *x) FV_MUST_USE;
/* x with the conversions that stand around `inner` in `outer`. */
fv_expr *fv_x_as_stored(fv_arena *a, const fv_expr *outer, const fv_expr *inner, fv_expr *x);

#endif
