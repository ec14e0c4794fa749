/* gate.h - the callback that decides whether an optional change of a module is made: rewrites of
 * optimizing passes, and steps of lowering without which a program is slower but computes the
 * same. */
#ifndef FV_IR_GRAPH_GATE_H
#define FV_IR_GRAPH_GATE_H

#include "ir/graph/graph.h"

typedef struct fv_gate {
    void *user;
    /* May the change be made? `stage`: the pass or step of lowering; `what`: the kind of change,
     * NULL: the whole stage; `op`: the op that would change, NULL: no single one. Called in the
     * order in which the changes would be made. */
    bool (*may)(void *user, const char *stage, const char *what, const fv_op *op);
} fv_gate;

#endif
