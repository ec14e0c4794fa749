/* named.h - finds the ONNX nodes and values of a graph that a user names. */
#ifndef FV_TOOLS_COMMAND_NAMED_H
#define FV_TOOLS_COMMAND_NAMED_H

#include "ir/graph/graph.h"

/* Is v the value of that name, or a result of an op that was made from the node of that name? */
bool fv_value_is_called(const fv_value *v, const char *name) FV_MUST_USE;
/* Was the op made from the node of that name, or does one of its results have that name? */
bool fv_op_is_called(const fv_op *op, const char *name) FV_MUST_USE;
/* Is there a constant of that name that something reads? */
bool fv_module_has_constant(const fv_module *m, const char *name) FV_MUST_USE;
/* Is there a node or value of that name? */
bool fv_module_has_name(const fv_module *m, const char *name) FV_MUST_USE;

typedef struct fv_name_list {
    const char **at;
    int n, cap;
} fv_name_list;
/* Adds the names of all nodes and values of main to the list. */
void fv_list_names(fv_arena *a, fv_name_list *list, const fv_module *m);

/* The name that the value of an option contains, without its quotes or backquotes if it has any. */
const char *fv_name_given(fv_arena *a, const char *given);
/* describes an op for messages: "%y (Mul, node 'fc1')" */
const char *fv_op_place(fv_arena *a, const fv_op *op);

#endif
