/* diff.h - the two sides of `fovea diff`. */
#ifndef FV_TOOLS_LAB_DIFF_H
#define FV_TOOLS_LAB_DIFF_H

#include "tools/command/command.h"

/* One way to run a model: its file, and the arguments that a command would have. */
typedef struct fv_side {
    const char *path;
    fv_args args;
    fv_backend_kind backend;
    const char *label; /* the side as it is printed */
} fv_side;

/* Prints the differences of the ops that the passes leave on both sides (diff_graph.c). Returns the
 * exit status. */
int fv_diff_graphs(fv_context *c, const fv_side *a, const fv_side *b);

#endif
