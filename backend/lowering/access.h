/* access.h - describes how expressions access memory: along which axes loads are contiguous, and
 * what is loaded. */
#ifndef FV_BACKEND_LOWERING_ACCESS_H
#define FV_BACKEND_LOWERING_ACCESS_H

#include "ir/definition/definition.h"
#include "ir/expr/expr.h"

/* Is x a sum of v and a term that does not depend on v? */
bool fv_x_adds(const fv_expr *x, const fv_var *v) FV_MUST_USE;
/* How the address of a load changes with v: 1 contiguous (v is added to the last index and does not
 * occur in others; of a load of n elements, n * v is added), 0 not at all, -1 in another way. */
int fv_x_stride(const fv_expr *load, const fv_var *v);
typedef struct fv_load_count {
    int contiguous, invariant, strided;
} fv_load_count;
/* Adds the numbers of loads in x with each kind of stride along v (fv_x_stride) to those in *n. A
 * node counts as often as it occurs. */
void fv_x_count_loads(const fv_expr *x, const fv_var *v, fv_load_count *n);
/* Are elements of x for consecutive values of v contiguous in memory? Then x has a load that is
 * contiguous along v, and none with another stride. */
bool fv_x_runs_along(const fv_expr *x, const fv_var *v) FV_MUST_USE;
/* x with every load and REQUIRE guarded by c; where c is false the value does not matter. Nodes
 * that c contains are not guarded. */
fv_expr *fv_x_guard_all(fv_arena *a, fv_expr *x, fv_expr *c);
/* Collects outermost reductions of x in `out`, each once; returns the number of those collected. It
 * stops when there are `max`, so x may have more. */
int fv_x_reductions(fv_expr *x, fv_expr **out, int max);
/* Appends outermost reductions of x to the n others in `out`, without duplicates, until there are
 * `max`; returns how many there are then, with the others. */
int fv_x_add_reductions(fv_expr *x, fv_expr **out, int n, int max);
/* Does x contain a load whose address depends on k and which is contiguous along v? */
bool fv_x_runs_across(const fv_expr *x, const fv_var *k, const fv_var *v) FV_MUST_USE;
/* Does the reduction run over contiguous elements, so that chains along them are faster than one
 * chain for each of several neighbours along `vector`? vector NULL: there are no neighbours. */
bool fv_x_is_row(const fv_expr *reduce, const fv_var *vector) FV_MUST_USE;
/* The axis along which the schedule `map` uses vectors: the last axis of d whose dim is not 1. -1:
 * there is none, or a reduction that depends on it is better computed in chains along contiguous
 * elements (fv_x_is_row). */
int fv_map_vector(const fv_definition *d);

/* Does x check an index, so that it may make the run fail? */
bool fv_x_is_checked(const fv_expr *x) FV_MUST_USE;
/* Are the indices of the load computed without loads and without checks? */
bool fv_x_is_plain(const fv_expr *load) FV_MUST_USE;
/* The load within x, which may be converted; x itself if it is not a converted load. */
const fv_expr *fv_x_stored(const fv_expr *x);
/* Is x a load of a constant of the model, possibly converted? */
bool fv_x_is_constant(const fv_expr *x) FV_MUST_USE;
/* x with the conversions that `outer` applies to `inner`. */
fv_expr *fv_x_as_stored(fv_arena *a, const fv_expr *outer, const fv_expr *inner, fv_expr *x);

#endif
