/* diff.h - `fovea diff`: the two sides. */
#ifndef FV_TOOLS_LAB_DIFF_H
#define FV_TOOLS_LAB_DIFF_H

#include "tools/command/command.h"

/* A way to run a model: its file, and the arguments as a command would have them. */
typedef struct fv_side {
    const char *path;
    fv_args args;
    fv_backend_kind backend;
    const char *label; /* for people */
} fv_side;

/* diff_graph.c: the ops after the passes of both; the exit status. */
int fv_diff_graphs(fv_context *c, const fv_side *a, const fv_side *b);

#endif
