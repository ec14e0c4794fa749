/* rewrite.h - expressions made of others: the one walk that does it, and what replaces variables
 * and buffers. */
#ifndef FV_IR_EXPR_REWRITE_H
#define FV_IR_EXPR_REWRITE_H

#include "ir/expr/expr.h"

/* What becomes of nodes. Each is asked about once: the answer is that for all places where it
 * stands. */
typedef struct fv_x_rewriter fv_x_rewriter;
struct fv_x_rewriter {
    fv_arena *arena; /* of what is made, and of the memo */
    /* What x becomes, whatever becomes of its arguments; NULL: look at those. May be left out. */
    fv_expr *(*before)(fv_x_rewriter *r, fv_expr *x);
    /* What x becomes with these arguments; NULL: itself with them. May be left out. */
    fv_expr *(*after)(fv_x_rewriter *r, fv_expr *x, fv_expr **args);
    void *user;
    /* node -> what it became; those without arguments are asked about each time, but for loads */
    fv_ptrmap memo;
};
fv_expr *fv_x_rewrite(fv_x_rewriter *r, const fv_expr *x);
/* A load of another buffer, guarded if x is; args: of x, but for its indices. */
fv_expr *fv_x_load_like(fv_arena *a, const fv_expr *x, fv_buf *b, fv_expr *const *index,
                        fv_expr *const *args);

/* With variables replaced: `map` from fv_var to fv_expr, from fv_buf to fv_buf; `memo` keeps
 * sharing. Not below reductions. */
fv_expr *fv_x_subst(fv_arena *a, const fv_expr *x, const fv_ptrmap *map, fv_ptrmap *memo);
/* With variables replaced where they are free; what is put in their place is not captured: a
 * reduction around it that binds what is free in it gets other variables. */
fv_expr *fv_x_replace_vars(fv_arena *a, const fv_expr *x, int n, fv_var *const *from,
                           fv_expr *const *to);
/* An expression of another arena, as it is, in one where expressions are unique. `memo`: of several
 * that share parts. */
fv_expr *fv_x_import(fv_arena *a, const fv_expr *x, fv_ptrmap *memo);

#endif
