/* visit.h - all nodes of an expression, each once.
 *
 *     fv_x_visitor v = fv_x_visit(arena, root);
 *     for (const fv_expr *x; (x = fv_x_next(&v));)
 *         if (x->op == FV_X_REDUCE)
 *             fv_x_skip(&v);
 *
 * Expressions share nodes: a walk along all paths from the root may take exponential time, this one
 * takes time and memory in the number of nodes. A node comes before its arguments (but for those
 * that came already), the first argument first. */
#ifndef FV_IR_EXPR_VISIT_H
#define FV_IR_EXPR_VISIT_H

#include "ir/expr/expr.h"

typedef struct fv_x_visitor {
    fv_ptrmap seen;        /* nodes with arguments that were returned */
    const fv_expr **stack; /* nodes that are to come, the next one last */
    int n, cap;
    const fv_expr *current; /* what was returned last, whose arguments follow; NULL: they do not */
} fv_x_visitor;

/* Starts a walk; the arena holds what it remembers. */
fv_x_visitor fv_x_visit(fv_arena *a, const fv_expr *root);
/* Adds the nodes of another expression to the walk, apart from those that were returned already. */
void fv_x_visit_also(fv_x_visitor *v, const fv_expr *root);
/* The next node; NULL: there are no more. Nodes without arguments may be returned several times. */
const fv_expr *fv_x_next(fv_x_visitor *v);
/* Leaves out the arguments of the node that was returned last, unless other nodes lead to them. */
void fv_x_skip(fv_x_visitor *v);

#endif
