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
    double width; /* width of the drawn node in pixels */
    /* TOP: the node is in the first layer, which has only nodes with TOP; BOTTOM: the same for the
     * last layer */
    fv_place place;
    int layer; /* result: number of the node's layer, from 0 */
    /* result: position of the middle of the node in pixels; the leftmost node begins at 0 */
    double x;
} fv_page_node;

typedef struct fv_page_net {
    int from;
    int nto, cap_to;
    /* the nodes to which the net leads, without duplicates after fv_page_find; there are no bends
     * on the way to nodes that are not below `from` (in a cycle) */
    int *to;
    /* result: number of bends, one in each layer between that of `from` and that of the lowest
     * node; 0 if the layout would have too many of them */
    int nbends;
    int *bends;
} fv_page_net;

typedef struct fv_page_layout {
    fv_arena *arena;
    int n, cap; /* the nodes, in an order in which most nets lead down; bends are appended */
    fv_page_node *nodes;
    int nnets, cap_nets;
    fv_page_net *nets;
    int nreal; /* result: number of nodes that are not bends */
    int nlayers;
    double width;
} fv_page_layout;

/* Computes the layout, in a time of about n log n for n nodes, bends and lines. Equal graphs get
 * equal layouts. */
void fv_page_find(fv_page_layout *l);

#endif
