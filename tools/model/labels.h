/* labels.h - short names of launches and kernels: what the paths in the names of their nodes have
 * in common. */
#ifndef FV_TOOLS_MODEL_LABELS_H
#define FV_TOOLS_MODEL_LABELS_H

#include "ir/base/arena.h"
#include "runtime/fovea_model.h"

/* A short name of what computes a list of nodes, as in "/m/up/Add, /m/up/MatMul": the path that all
 * of them have in common, or, if that has no two parts, the first node and `...`. NULL: the list is
 * empty. */
const char *fv_node_label(fv_arena *a, const char *nodes);
/* A name for n >= 1 launches with these labels, with `*` where they differ: "layer.*" of "layer.0"
 * and "layer.1". If they have nothing in common, the first label and `...`. */
const char *fv_node_label_of_all(fv_arena *a, int n, const char *const *labels);

/* The label of all launches of a kernel of the model; NULL: none of them has the name of a node. */
const char *fv_kernel_label(fv_arena *a, const fv_model *t, const char *kernel);
/* The label and the kernel, "layer.0/up (Add_9)"; the name of the kernel if it has no label. */
const char *fv_kernel_title(fv_arena *a, const fv_model *t, const char *kernel);

#endif
