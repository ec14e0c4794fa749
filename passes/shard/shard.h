/* shard.h - cuts a graph into parts, one for each rank (tensor parallelism).
 *
 * The graph is one after the pass legalise. A *cut* is a connected set of values that each rank
 * computes only in part: the same share of one axis of each of them, as the heads of an attention
 * or the inner columns of two products. It begins at a product whose right factor is constant, of
 * which a rank has some columns, and ends at products that sum over the cut axis: their results are
 * partial sums, which the ranks exchange and add. It may also reach inputs, such as the caches of a
 * decoder, of which each rank then gets its share only; and outputs: an output that is the next
 * value of such an input stays a share, any other is gathered by all ranks. Between these, the axis
 * is followed through elementwise operators, views, slices, concatenations, scatters into a cache,
 * products, reductions and softmax. All other values are whole on each rank. */
#ifndef FV_PASSES_SHARD_SHARD_H
#define FV_PASSES_SHARD_SHARD_H

#include "ir/graph/graph.h"

/* A cut, for people. */
typedef struct fv_shard_cut {
    const char *first; /* the nodes of the product at which it begins */
    const char *last;  /* the nodes of the products whose sums are exchanged, and outputs */
    /* into how many pieces the axis can be divided: heads, or columns; each rank has 1/ranks of
     * them, rounded down or up */
    int64_t units;
    uint64_t bytes;           /* of the weights that are divided */
    int nexchanges;           /* exchanges in a run */
    const fv_dim **exchanged; /* for each, the bytes that a rank sends to each other one */
    const char *shares;       /* the inputs and outputs of which a rank has a share; "": none */
} fv_shard_cut;

/* An input or output of which each part has a share only. */
typedef struct fv_shard_port {
    const char *name;
    bool is_output;
    int axis;             /* the axis that is cut */
    const int64_t *sizes; /* for each rank, the size of its share along the axis */
} fv_shard_port;

/* A product with a constant factor that each rank computes as a whole. */
typedef struct fv_shard_whole {
    const fv_op *op;
    const char *name; /* its nodes */
    const char *why;
    uint64_t bytes; /* of its constant factor */
} fv_shard_whole;

typedef struct fv_shard_plan {
    int ranks;
    int ncuts, cap_cuts, nwhole, cap_whole, nports, cap_ports;
    fv_shard_cut *cuts;
    fv_shard_port *ports;
    fv_shard_whole *whole;
    struct fv_shard_found *found;
} fv_shard_plan;

/* Finds the cuts.
 *  states  for each result of the graph, the number of the parameter whose value it is in the next
 *          run, or -1
 * If there are several ranks, divides products of which slices are taken, such as
 * one for queries, keys and values, into a product for each slice; changes nothing else. The plan
 * is in the module's arena. False after a diagnostic: also if the graph has collectives, as a part
 * has. */
bool fv_shard_find(fv_module *m, int ranks, const int *states, fv_shard_plan *out) FV_MUST_USE;
/* Makes the module the part of a rank, 0 <= rank < plan->ranks; the plan must have been found in
 * it. False after a diagnostic. */
bool fv_shard_apply(fv_module *m, const fv_shard_plan *plan, int rank) FV_MUST_USE;

/* The bytes of weights of a rank's part, before the plan is applied. */
uint64_t fv_shard_weights(const fv_module *m, const fv_shard_plan *plan, int rank);

#endif
