/* unique.h - creation of nodes, and hash-consed expressions: in an arena with a table of nodes,
 * equal expressions are the same node.
 *
 * Two nodes are equal if they have the same operation, type, payload (floats by their bits, buffers
 * and variables by identity) and arguments, or if they are reductions that differ in their bound
 * variables only:
 *
 *     sum k < 4: x[i, k]  is  sum r < 4: x[i, r]
 *
 * The node that was made first represents all equal ones, with its variables. No reduction binds a
 * variable that a reduction within it binds: the variables of the outer one are renamed. So the
 * variables of a reduction are free in all of its body.
 *
 * Definitions use such arenas. Kernels do not: equal loads of a tile in two statements may have
 * different values, and an expression that occurs twice in a statement becomes a let before it
 * (fv_kb_share). */
#ifndef FV_IR_EXPR_UNIQUE_H
#define FV_IR_EXPR_UNIQUE_H

#include "ir/expr/expr.h"

/* A new arena in which equal expressions are the same node. */
fv_arena *fv_x_arena_new(fv_session *s);

/* A node with the operation, type, payload and number of arguments of `head`, without
 * simplification. */
fv_expr *fv_x_node(fv_arena *a, const fv_expr *head, fv_expr *const *args);
/* Sets the hashes of variables of a node whose arguments and variables were replaced: they depend
 * on the addresses of variables. */
void fv_x_hash_vars(fv_expr *x);
bool fv_x_same_payload(const fv_expr *a, const fv_expr *b) FV_MUST_USE;
/* x with new variables of the same names in place of vars[0..n); vars[] is set to the new ones. */
fv_expr *fv_x_rename(fv_arena *a, int n, fv_var **vars, fv_expr *x);

/* A buffer for the same value as b, with other axes; where expressions are unique, there is one for
 * each value, element type and list of extents. */
fv_buf *fv_buf_seen(fv_arena *a, const fv_buf *b, int rank, fv_expr *const *extent);

/* Is x a reduction that binds v? */
static inline bool fv_x_binds(const fv_expr *x, const fv_var *v) {
    for (int i = 0; x->op == FV_X_REDUCE && i < x->u.red.nvars; i++)
        if (x->u.red.vars[i] == v)
            return true;
    return false;
}

/* A set of 32 bits that contains the bit for v, by a hash: if that bit is not set in x->vars, v
 * does not occur in x. */
static inline uint32_t fv_var_bit(const fv_var *v) {
    return UINT32_C(1) << ((uint64_t)(uintptr_t)v * UINT64_C(0x9E3779B97F4A7C15) >> 59);
}

#endif
