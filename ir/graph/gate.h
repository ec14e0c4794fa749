/* gate.h - who is asked before each change of a module that could as well not be made: the rewrites
 * of optimizing passes, and steps of lowering without which a program is slower, and no other. */
#ifndef FV_IR_GRAPH_GATE_H
#define FV_IR_GRAPH_GATE_H

#include "ir/graph/graph.h"

typedef struct fv_gate {
    void *user;
    /* May it be? `stage`: the pass or step of lowering; `what`: which of its changes, NULL: the
     * whole of it; `op`: that is changed, NULL: no single one is. They are asked of in the order in
     * which they would be made. */
    bool (*may)(void *user, const char *stage, const char *what, const fv_op *op);
} fv_gate;

#endif
