/* layout.h - where the nodes of a directed graph are drawn: in layers, from top to bottom, with few
 * lines that cross. After Sugiyama, Tagawa, Toda: Methods for visual understanding of hierarchical
 * system structures, 1981.
 *
 * A net is what one node gives to others: a line down from it that branches, so that a value with
 * many users is one line beside them. In each layer that it passes it has a bend, which is a node
 * like others. */
#ifndef FV_TOOLS_VIEW_LAYOUT_H
#define FV_TOOLS_VIEW_LAYOUT_H

#include "ir/base/arena.h"

typedef enum { FV_PLACE_FREE, FV_PLACE_TOP, FV_PLACE_BOTTOM } fv_place;

typedef struct fv_layout_node {
    double width;   /* of what is drawn there */
    fv_place place; /* TOP: in the first layer, and nothing else is; BOTTOM: the same of the last */
    int layer;      /* found: from 0 */
    double x;       /* found: of its middle; the leftmost node begins at 0 */
} fv_layout_node;

typedef struct fv_layout_net {
    int from;
    int nto, cap_to;
    /* each once, when it is done; those that are not below `from` (it goes round) are reached
     * without bends */
    int *to;
    int nbends; /* found: in the layers behind that of `from`, one in each */
    int *bends;
} fv_layout_net;

typedef struct fv_layout {
    fv_arena *arena;
    int n, cap; /* nodes in an order in which most nets go down; bends come behind them */
    fv_layout_node *nodes;
    int nnets, cap_nets;
    fv_layout_net *nets;
    int nreal; /* found: nodes that are no bends */
    int nlayers;
    double width;
} fv_layout;

/* Finds it: time is some n log n of nodes, bends and lines. What is found depends on nothing
 * else. */
void fv_layout_find(fv_layout *l);

#endif
