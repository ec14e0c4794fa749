/* layout.h - places the nodes of a directed graph for drawing: in layers, from top to bottom, with
 * few crossing lines. After Sugiyama, Tagawa, Toda: Methods for visual understanding of
 * hierarchical system structures, 1981.
 *
 * A net is a line from one node down to several others: a value with many users is one line that
 * branches. In each layer that it passes a net has a bend, which is a node like the others. */
#ifndef FV_TOOLS_VIEW_LAYOUT_H
#define FV_TOOLS_VIEW_LAYOUT_H

#include "ir/base/arena.h"

typedef enum { FV_PLACE_FREE, FV_PLACE_TOP, FV_PLACE_BOTTOM } fv_place;

typedef struct fv_page_node {
    double width; /* width of the drawn node */
    /* TOP: in the first layer, which has no other nodes; BOTTOM: the same for the last layer */
    fv_place place;
    int layer; /* out: number of its layer, from 0 */
    double x;  /* out: position of its middle; the leftmost node begins at 0 */
} fv_page_node;

typedef struct fv_page_net {
    int from;
    int nto, cap_to;
    /* the target nodes, without duplicates after fv_page_find; targets that are not below `from`
     * (in a cycle) have no bends */
    int *to;
    int nbends; /* out: number of bends, one in each layer after that of `from` */
    int *bends;
} fv_page_net;

typedef struct fv_page_layout {
    fv_arena *arena;
    int n, cap; /* nodes, in an order in which most nets go down; bends are appended */
    fv_page_node *nodes;
    int nnets, cap_nets;
    fv_page_net *nets;
    int nreal; /* out: number of nodes that are no bends */
    int nlayers;
    double width;
} fv_page_layout;

/* Computes the layout, in about n log n time for n nodes, bends and lines. The result depends on
 * nothing else. */
void fv_page_find(fv_page_layout *l);

#endif
