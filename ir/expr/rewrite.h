/* rewrite.h - rewriting of expressions: the general function, and substitution of variables and
 * buffers. */
#ifndef FV_IR_EXPR_REWRITE_H
#define FV_IR_EXPR_REWRITE_H

#include "ir/expr/expr.h"

/* Callbacks that determine the replacement of a node. A node that has arguments or is a load is
 * passed once, and the result applies to all its occurrences; others, at each occurrence. */
typedef struct fv_x_rewriter fv_x_rewriter;
struct fv_x_rewriter {
    fv_arena *arena; /* owns the new nodes and the memo */
    /* Returns the replacement of x that does not depend on its arguments; NULL: the arguments are
     * rewritten. The callback may be NULL. */
    fv_expr *(*before)(fv_x_rewriter *r, fv_expr *x);
    /* Returns the replacement of x, given its rewritten arguments; NULL: x with these arguments.
     * The callback may be NULL. */
    fv_expr *(*after)(fv_x_rewriter *r, fv_expr *x, fv_expr **args);
    void *user;
    /* node -> its replacement; nodes without arguments are not stored, except loads */
    fv_ptrmap memo;
};
fv_expr *fv_x_rewrite(fv_x_rewriter *r, const fv_expr *x);
/* A load of buffer b with these indices, guarded as x is; `args` are the rewritten arguments of x,
 * whose indices are ignored. */
fv_expr *fv_x_load_like(fv_arena *a, const fv_expr *x, fv_buf *b, fv_expr *const *index,
                        fv_expr *const *args);

/* Substitutes variables and buffers: `map` maps fv_var to fv_expr and fv_buf to fv_buf; `memo`
 * preserves sharing of nodes. Must not be used for expressions with reductions. */
fv_expr *fv_x_subst(fv_arena *a, const fv_expr *x, const fv_ptrmap *map, fv_ptrmap *memo);
/* Substitutes free variables without capture: a reduction that binds a variable which is free in
 * the substituted expression gets new variables. */
fv_expr *fv_x_replace_vars(fv_arena *a, const fv_expr *x, int n, fv_var *const *from,
                           fv_expr *const *to);
/* Copies an expression of another arena into an arena in which expressions are unique. `memo`:
 * shared by calls for expressions that share nodes. */
fv_expr *fv_x_import(fv_arena *a, const fv_expr *x, fv_ptrmap *memo);

#endif
