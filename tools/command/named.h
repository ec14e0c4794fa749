/* named.h - what of a graph a user means by a name: of an ONNX node, or of a value. */
#ifndef FV_TOOLS_COMMAND_NAMED_H
#define FV_TOOLS_COMMAND_NAMED_H

#include "ir/graph/graph.h"

/* The value of that name, or a result of an op that comes from that node. */
bool fv_value_is_called(const fv_value *v, const char *name) FV_MUST_USE;
/* It comes from that node, or a result of it has that name. */
bool fv_op_is_called(const fv_op *op, const char *name) FV_MUST_USE;
/* Is there such a constant? Those that nothing reads any more stay in the module, and are none. */
bool fv_module_has_constant(const fv_module *m, const char *name) FV_MUST_USE;
/* Is there anything of that name? */
bool fv_module_has_name(const fv_module *m, const char *name) FV_MUST_USE;

typedef struct fv_name_list {
    const char **at;
    int n, cap;
} fv_name_list;
/* Adds all names of nodes and values of main. */
void fv_list_names(fv_arena *a, fv_name_list *list, const fv_module *m);

/* The name that an option gives, which may be quoted as texts quote it. */
const char *fv_name_given(fv_arena *a, const char *given);
/* "%y (Mul, node 'fc1')" */
const char *fv_op_place(fv_arena *a, const fv_op *op);

#endif
