/* state.h - results of a model that carry state: what an output gives is what an input takes at the
 * next run, as a cache of keys and values does. It is declared in the signature of the first function:
 *
 *   func @main(%x: f32[1, 8], %past: f32[p, 8]) -> (%y, %present state %past) { ... }
 *
 * An output is the state of at most one input, and no two of the same. Both have the same element
 * type and rank; on each axis some size must be possible for both (p and p + 1 are). */
#ifndef FV_IR_GRAPH_STATE_H
#define FV_IR_GRAPH_STATE_H

#include "ir/graph/graph.h"

/* One side of a pair. */
typedef struct fv_state_side {
    const char *name;
    fv_elem elem;
    int rank;
    const fv_dim *const *dims;
} fv_state_side;
/* Why they cannot be a pair; NULL: they can. In the arena. */
const char *fv_state_mismatch(fv_arena *a, const fv_state_side *in, const fv_state_side *out);

/* What speaks against result `i` of f being the state of parameter p; NULL: nothing. In the arena. */
const char *fv_state_problem(fv_arena *a, const fv_func *f, int i, const fv_value *p);

/* "INPUT=OUTPUT", as --state says it, of the first function, whose block is complete. False after a
 * diagnostic. */
bool fv_state_declare(fv_module *m, const char *text) FV_MUST_USE;

#endif
