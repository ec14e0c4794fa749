/* reduce_change.h - one change that makes a graph smaller, and may make it another graph. */
#ifndef FV_TOOLS_LAB_REDUCE_CHANGE_H
#define FV_TOOLS_LAB_REDUCE_CHANGE_H

#include "ir/graph/graph.h"

typedef enum {
    FV_KEEP_RESULT, /* of main: number `at` alone */
    FV_DROP_RESULT, /* number `at` */
    /* `count` ops of main from number `at` on: what others read of them is given to the model
     * instead, */
    FV_OPS_TO_INPUTS,
    FV_OPS_TO_ZEROS, /* or zero, */
    FV_OPS_SKIPPED,  /* or an operand of the same type */
    /* wherever the number `from` is a dim, or an element of a shape, it is `to`; constants are
     * cut */
    FV_SMALLER_DIM,
    FV_ZERO_WEIGHTS,  /* constant number `at` */
    FV_DROP_ATTRIBUTE /* number `at` of all attributes of ops of main */
} fv_change_kind;

typedef struct fv_change {
    fv_change_kind kind;
    int at, count;
    int64_t from, to;
} fv_change;

/* Makes the change. False: it cannot be made there, or would change nothing; the graph is of no use
 * then. */
bool fv_change_make(fv_module *m, const fv_change *change) FV_MUST_USE;

#endif
