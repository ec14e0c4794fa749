/* visit.h - all nodes of an expression, each once; only nodes without arguments may be returned
 * again.
 *
 *     const fv_expr *x;
 *     for (fv_x_visitor v = fv_x_visit(arena, root); (x = fv_x_next(&v));)
 *         if (x->op == FV_X_REDUCE)
 *             fv_x_skip(&v);
 *
 * Expressions share nodes: a walk along all paths from the root may take exponential time, this one
 * takes time and memory proportional to the number of nodes. A node comes before its arguments (but
 * for those that came already), the first argument first. */
#ifndef FV_IR_EXPR_VISIT_H
#define FV_IR_EXPR_VISIT_H

#include "ir/expr/expr.h"

enum { FV_VISIT_FEW = 16 }; /* number of nodes that a walk can remember without allocating memory */

typedef struct fv_x_visitor {
    /* the nodes with arguments that were returned: the first few here, the others in the map */
    const fv_expr *few[FV_VISIT_FEW];
    int nfew;
    fv_ptrmap seen;
    /* the nodes that are still to be returned, the next one last; `first` is used until there are
     * more */
    fv_expr *first[2 * FV_VISIT_FEW], **stack;
    int n, cap;
    /* the node that was returned last, whose arguments are visited next; NULL: they are not
     * visited */
    fv_expr *current;
    int from; /* number of the first argument of `current` that is visited */
} fv_x_visitor;

/* Starts a walk; its memory, if there are more than a few nodes, is in the arena. root: may be
 * NULL. */
fv_x_visitor fv_x_visit(fv_arena *a, const fv_expr *root);
/* Adds the nodes of another expression to the walk, apart from those that were returned already. */
void fv_x_visit_also(fv_x_visitor *v, const fv_expr *root);
/* The next node; NULL: there are no more. Nodes without arguments may be returned several times. */
fv_expr *fv_x_next(fv_x_visitor *v);
/* Leaves out the arguments of the node that was returned last, unless other nodes lead to them. */
void fv_x_skip(fv_x_visitor *v);
/* Leaves out only the first n arguments of the node that was returned last, such as the indices of
 * a load. */
void fv_x_skip_first(fv_x_visitor *v, int n);
/* Counts in `uses` how often each node is an argument of another; root counts one use more. The
 * value in the map is the number, cast to a pointer. One visitor v can count several roots. */
void fv_x_count_uses(fv_x_visitor *v, const fv_expr *root, fv_ptrmap *uses);
/* Is `part` a node of x? */
bool fv_x_contains(fv_arena *a, const fv_expr *x, const fv_expr *part) FV_MUST_USE;

#endif
