/* bounds.h - which values of symbols what a module assumes can hold for: `seq == min(seq, 48)`
 * leaves 48 and less, `n * 3 == 48` leaves 16.
 *
 * Bounds are proved: no value outside of them is legal; one inside may be illegal nevertheless. */
#ifndef FV_IR_GRAPH_BOUNDS_H
#define FV_IR_GRAPH_BOUNDS_H

#include "ir/graph/graph.h"

typedef struct fv_bounds fv_bounds;

/* Of all symbols of the module, not narrowed yet. The module must outlive it. */
fv_bounds *fv_bounds_new(fv_arena *a, const fv_module *m);
/* Another assumption: a == b. */
void fv_bounds_assume(fv_bounds *b, const fv_dim *x, const fv_dim *y);
/* Takes the values outside lo..hi from a symbol, then from all what no assumption can hold for.
 * False: nothing would be left, and all is as before. */
bool fv_bounds_within(fv_bounds *b, const fv_dim *symbol, int64_t lo, int64_t hi) FV_MUST_USE;
/* Takes from all symbols what no assumption can hold for. NULL; or a relation of the module that
 * holds for nothing that is left. */
const struct fv_relation *fv_bounds_narrow(fv_bounds *b);
void fv_bounds_get(const fv_bounds *b, const fv_dim *symbol, int64_t *lo, int64_t *hi);
/* Fixes a symbol to the value nearest to `wish` for which others have values left. False: none was
 * found. */
bool fv_bounds_choose(fv_bounds *b, const fv_dim *symbol, int64_t wish, int64_t *out) FV_MUST_USE;

/* Writes `least` and `most` of the module's symbols. False after a diagnostic: no values are
 * legal. */
bool fv_module_bound(fv_module *m) FV_MUST_USE;

#endif
