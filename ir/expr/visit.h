/* visit.h - all nodes of an expression, each once.
 *
 *     const fv_expr *x;
 *     for (fv_x_visitor v = fv_x_visit(arena, root); (x = fv_x_next(&v));)
 *         if (x->op == FV_X_REDUCE)
 *             fv_x_skip(&v);
 *
 * Expressions share nodes: a walk along all paths from the root may take exponential time, this one
 * takes time and memory in the number of nodes. A node comes before its arguments (but for those
 * that came already), the first argument first. */
#ifndef FV_IR_EXPR_VISIT_H
#define FV_IR_EXPR_VISIT_H

#include "ir/expr/expr.h"

enum { FV_VISIT_FEW = 16 }; /* nodes that a walk remembers without memory of the arena */

typedef struct fv_x_visitor {
    /* nodes with arguments that were returned: the first few, and the others */
    const fv_expr *few[FV_VISIT_FEW];
    int nfew;
    fv_ptrmap seen;
    /* nodes that are to come, the next one last; the first few until there are more */
    fv_expr *first[2 * FV_VISIT_FEW], **stack;
    int n, cap;
    fv_expr *current; /* what was returned last, whose arguments follow; NULL: they do not */
    int from;         /* the first of them that does */
} fv_x_visitor;

/* Starts a walk; the arena holds what it remembers of more than a few nodes. root: may be NULL. */
fv_x_visitor fv_x_visit(fv_arena *a, const fv_expr *root);
/* Adds the nodes of another expression to the walk, apart from those that were returned already. */
void fv_x_visit_also(fv_x_visitor *v, const fv_expr *root);
/* The next node; NULL: there are no more. Nodes without arguments may be returned several times. */
fv_expr *fv_x_next(fv_x_visitor *v);
/* Leaves out the arguments of the node that was returned last, unless other nodes lead to them. */
void fv_x_skip(fv_x_visitor *v);
/* Leaves out only the first n of them, as the indices of a load are. */
void fv_x_skip_first(fv_x_visitor *v, int n);
/* Counts in `uses` how often each node is an argument, and root once more; v: of several roots. */
void fv_x_count_uses(fv_x_visitor *v, const fv_expr *root, fv_ptrmap *uses);
/* Is part a node of x? */
bool fv_x_contains(fv_arena *a, const fv_expr *x, const fv_expr *part) FV_MUST_USE;

#endif
