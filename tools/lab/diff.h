/* diff.h - the two sides of `fovea diff`. */
#ifndef FV_TOOLS_LAB_DIFF_H
#define FV_TOOLS_LAB_DIFF_H

#include "tools/command/command.h"

/* One side of the comparison: the file of its model, and the arguments of a command that would run
 * it. */
typedef struct fv_diff_side {
    const char *path;
    fv_args args;
    fv_backend_kind backend;
    const char *label; /* the label of this side in messages */
} fv_diff_side;

/* Compares the ops that are left after the passes on both sides, and prints the differences
 * (diff_graph.c). Returns the exit status. */
int fv_diff_graphs(fv_context *c, const fv_diff_side *a, const fv_diff_side *b);

#endif
