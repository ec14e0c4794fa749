/* state.h - states of a model: an output whose value an input takes in the next run, as caches of
 * keys and values do. The signature of the first function declares them:
 *
 *   func @main(%x: f32[1, 8], %past: f32[p, 8]) -> (%y, %present state %past) { ... }
 *
 * An output is the state of at most one input, and an input takes at most one output. Both have the
 * same element type and rank; for each axis there must be a size that both can have (as p and p +
 * 1).
 *
 * `%present state %past capacity 1024` states that present is stored in the memory of past, which
 * has room for 1024 along the axis that grows: the elements of past stay where they are, and new
 * ones are written after them. The capacity is a number or a symbol. If present has the size of
 * past, because elements of past are replaced, the capacity is a dim of both. */
#ifndef FV_IR_GRAPH_STATE_H
#define FV_IR_GRAPH_STATE_H

#include "ir/graph/graph.h"

/* The input or the output of a state. */
typedef struct fv_state_side {
    const char *name;
    fv_elem elem;
    int rank;
    const fv_dim *const *dims;
} fv_state_side;
/* The reason for which `in` and `out` cannot form a state, a text in the arena; NULL: they can. */
const char *fv_state_mismatch(fv_arena *a, const fv_state_side *in, const fv_state_side *out);

/* The reason for which result i of f cannot be the state of parameter p, a text in the arena; NULL:
 * it can. */
const char *fv_state_problem(fv_arena *a, const fv_func *f, int i, const fv_value *p);

/* For result i, which has a capacity: the op that can write it into the memory of its parameter,
 * and the axis of the capacity. The op is a Concat of the parameter and new elements; or a scatter
 * into the parameter, which nothing else may read. NULL after a diagnostic. */
fv_op *fv_state_writer(const fv_func *f, int i, int *axis) FV_MUST_USE;
/* The reason why fv_state_writer finds no op, a text in the module's arena; NULL: it finds one. */
const char *fv_state_not_written(const fv_func *f, int i, int *axis) FV_MUST_USE;

/* Declares a state of the first function, whose block is complete: "INPUT=OUTPUT" or
 * "INPUT=OUTPUT:CAPACITY", as --state has it. '*' in both names stands for the same text; all
 * inputs that match are declared. False after a diagnostic. */
bool fv_state_declare(fv_module *m, const char *text) FV_MUST_USE;
/* Does the text, as --state has it, declare a state of the input of that name? */
bool fv_state_names_input(fv_arena *a, const char *text, const char *name) FV_MUST_USE;

#endif
