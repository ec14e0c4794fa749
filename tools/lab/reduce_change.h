/* reduce_change.h - changes that make a graph smaller. They need not preserve what the graph
 * computes. */
#ifndef FV_TOOLS_LAB_REDUCE_CHANGE_H
#define FV_TOOLS_LAB_REDUCE_CHANGE_H

#include "ir/graph/graph.h"

typedef enum {
    FV_KEEP_RESULT, /* keeps only result number `at` of main */
    FV_DROP_RESULT, /* removes result number `at` */
    /* removes `count` ops of main, beginning with op number `at`; their results that other ops read
     * become inputs of the model */
    FV_OPS_TO_INPUTS,
    FV_OPS_TO_ZEROS, /* removes ops, too, but zeros replace their results */
    FV_OPS_SKIPPED,  /* removes ops, too, but an operand of the same type replaces each result */
    /* replaces the number `from` by `to` as a dim, in lists of numbers that are attributes, and in
     * constants of a few i64, which may be shapes; cuts constants */
    FV_SMALLER_DIM,
    FV_ZERO_WEIGHTS,  /* replaces constant number `at` by zeros */
    FV_DROP_ATTRIBUTE /* removes an attribute: number `at` of all attributes of ops of main */
} fv_change_kind;

typedef struct fv_reduce_change {
    fv_change_kind kind;
    int at, count;
    int64_t from, to;
} fv_reduce_change;

/* Makes the change. False: it cannot be made, or would change nothing; the graph must not be used
 * then. */
bool fv_reduce_change_make(fv_module *m, const fv_reduce_change *change) FV_MUST_USE;

#endif
