/* bounds.h - bounds of symbols that follow from the assumptions of a module: `seq == min(seq, 48)`
 * allows values up to 48, `n * 3 == 48` allows 16.
 *
 * Values outside of the bounds are proved to be illegal; values inside may be illegal
 * nevertheless. */
#ifndef FV_IR_GRAPH_BOUNDS_H
#define FV_IR_GRAPH_BOUNDS_H

#include "ir/graph/graph.h"

typedef struct fv_bounds fv_bounds;

/* Bounds of all symbols of the module, not narrowed yet. The module must outlive the result. */
fv_bounds *fv_bounds_new(fv_arena *a, const fv_module *m);
/* Adds the assumption x == y. */
void fv_bounds_assume(fv_bounds *b, const fv_dim *x, const fv_dim *y);
/* Restricts a symbol to lo..hi, and then all symbols to values for which the assumptions may hold.
 * False if no value would be left; the bounds are unchanged then. */
bool fv_bounds_within(fv_bounds *b, const fv_dim *symbol, int64_t lo, int64_t hi) FV_MUST_USE;
/* Restricts all symbols to values for which the assumptions may hold. Returns NULL, or a relation
 * of the module that holds for none of the remaining values; a failure of an assumption that
 * fv_bounds_assume added is not reported. */
const struct fv_relation *fv_bounds_narrow(fv_bounds *b);
void fv_bounds_get(const fv_bounds *b, const fv_dim *symbol, int64_t *lo, int64_t *hi);
/* Fixes a symbol to the value nearest to `wish` for which all other symbols have values left.
 * False: none was found. */
bool fv_bounds_choose(fv_bounds *b, const fv_dim *symbol, int64_t wish, int64_t *out) FV_MUST_USE;

/* Sets `least` and `most` of the module's symbols, except those that data give a value. False after
 * a diagnostic if no values are legal. */
bool fv_module_bound(fv_module *m) FV_MUST_USE;

#endif
