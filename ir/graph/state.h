/* state.h - results of a model that carry state: what an output gives is what an input takes at the
 * next run, as a cache of keys and values does. It is declared in the signature of the first
 * function:
 *
 *   func @main(%x: f32[1, 8], %past: f32[p, 8]) -> (%y, %present state %past) { ... }
 *
 * An output is the state of at most one input, and no two of the same. Both have the same element
 * type and rank; on each axis some size must be possible for both (p and p + 1 are).
 *
 * `%present state %past capacity 1024` says that present lies in the memory of past, which holds
 * 1024 along the axis that grows: what past has is there already, and what is behind it is written.
 * The capacity is a number or a symbol. Where present is as large as past, which elements of it
 * replace, 1024 is a dim of both. */
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

/* What speaks against result `i` of f being the state of parameter p; NULL: nothing. In the
 * arena. */
const char *fv_state_problem(fv_arena *a, const fv_func *f, int i, const fv_value *p);

/* Of result i, which has a capacity: the op that can make it in the memory of its parameter, and
 * the axis of the capacity. A Concat of the parameter and what is new, or a scatter into the
 * parameter, which nothing else reads. NULL after a diagnostic: it is none. */
fv_op *fv_state_writer(const fv_func *f, int i, int *axis) FV_MUST_USE;
/* What speaks against that; NULL: nothing. In the arena of the module. */
const char *fv_state_not_written(const fv_func *f, int i, int *axis) FV_MUST_USE;

/* "INPUT=OUTPUT" or "INPUT=OUTPUT:CAPACITY", as --state says it, of the first function, whose block
 * is complete; a '*' in both names stands for the same text, of all inputs that there are so. False
 * after a diagnostic. */
bool fv_state_declare(fv_module *m, const char *text) FV_MUST_USE;

#endif
