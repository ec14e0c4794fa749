/* unique.h - how nodes are made, and expressions that are hash-consed: in an arena that keeps a
 * table, equal ones are one node.
 *
 * Equal are nodes of one operation, type and payload (floats by their bits, buffers and variables
 * by identity) with the same arguments; and reductions that are alike but for which variables they
 * bind:
 *
 *     sum k < 4: x[i, k]  is  sum r < 4: x[i, r]
 *
 * The first one that was made stands for all, with its variables. No reduction binds a variable
 * that one in it binds: where one would, its own become others of the same names. So whoever walks
 * into a reduction finds its variables free there, and only those.
 *
 * Definitions are made in such arenas. Kernels are not: equal loads of a tile in two statements
 * need not be one value, and what a statement has twice is a let before it (fv_kb_share). */
#ifndef FV_IR_EXPR_UNIQUE_H
#define FV_IR_EXPR_UNIQUE_H

#include "ir/expr/expr.h"

/* An arena in which expressions are unique. */
fv_arena *fv_x_arena_new(fv_session *s);

/* A node with that operation, type, payload and number of arguments, as it stands: nothing is
 * folded. */
fv_expr *fv_x_node(fv_arena *a, const fv_expr *head, fv_expr *const *args);
bool fv_x_same_payload(const fv_expr *a, const fv_expr *b) FV_MUST_USE;
/* x with new variables of the same names where vars are free, which vars are then. */
fv_expr *fv_x_rename(fv_arena *a, int n, fv_var **vars, fv_expr *x);

/* The buffer b, seen with those axes: one for each value and axes, where expressions are unique. */
fv_buf *fv_buf_seen(fv_arena *a, const fv_buf *b, int rank, fv_expr *const *extent);

/* Is x a reduction that binds v? */
static inline bool fv_x_binds(const fv_expr *x, const fv_var *v) {
    for (int i = 0; x->op == FV_X_REDUCE && i < x->u.red.nvars; i++)
        if (x->u.red.vars[i] == v)
            return true;
    return false;
}

/* One of 32 bits: where it is not set in x->vars, v does not occur in x. */
static inline uint32_t fv_var_bit(const fv_var *v) {
    return UINT32_C(1) << ((uint64_t)(uintptr_t)v * UINT64_C(0x9E3779B97F4A7C15) >> 59);
}

#endif
