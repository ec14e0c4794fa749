/* exchanges.h - what the ranks of a model in parts exchange in a run, from the graph of a part. */
#ifndef FV_TOOLS_MODEL_EXCHANGES_H
#define FV_TOOLS_MODEL_EXCHANGES_H

#include "tools/model/model.h"

/* A collective operator of the graph. */
typedef struct fv_exchange {
    const char *node; /* its nodes, or the name of its result */
    const char *kind; /* the name of the operator, such as "AllGather" */
    /* to how many ranks it sends, the own one counted if it is one of them, and the first of
     * them */
    int64_t ranks, first;
    const fv_dim *bytes; /* how many a rank sends to each other of these ranks */
    bool once; /* false: it is in a branch or loop, so the graph does not say how often it runs */
} fv_exchange;

/* The collective operators of a graph as it was read, in their order, those of branches and loops
 * included. Returns how many. */
int fv_exchanges_find(fv_arena *a, const fv_module *m, fv_exchange **out);
/* The bytes that a rank sends to each other rank in a run with these dims of the table, if all
 * exchanges are among all ranks; -1: the graph does not say how many. */
int64_t fv_exchanges_bytes(const fv_model *table, const int64_t *dims, int n,
                           const fv_exchange *list);
/* The bytes that it sends to that other rank. */
int64_t fv_exchanges_bytes_to(const fv_model *table, const int64_t *dims, int n,
                              const fv_exchange *list, int rank);

#endif
