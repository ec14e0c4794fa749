/* shard.h - cuts a graph into parts, one for each rank (tensor parallelism).
 *
 * The graph is one after the pass legalise. A *cut* is a connected set of values that each rank
 * computes only in part: the same share of one axis of each of them, as the heads of an attention
 * or the inner columns of two products. It begins at a product whose right factor is constant, of
 * which a rank has some columns, and ends at products that sum over the cut axis: their results are
 * partial sums, which the ranks exchange and add. It may also end at an output, which all ranks
 * gather, if their shares have one size. Between these, the axis is followed through elementwise
 * operators, views, slices, concatenations, products, reductions and softmax. All other values are
 * whole on each rank, so all parts have the inputs and outputs of the model. */
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
} fv_shard_cut;

/* A product with a constant factor that each rank computes as a whole. */
typedef struct fv_shard_whole {
    const fv_op *op;
    const char *name; /* its nodes */
    const char *why;
    uint64_t bytes; /* of its constant factor */
} fv_shard_whole;

typedef struct fv_shard_plan {
    int ranks;
    int ncuts, cap_cuts, nwhole, cap_whole;
    fv_shard_cut *cuts;
    fv_shard_whole *whole;
    struct fv_shard_found *found;
} fv_shard_plan;

/* Finds the cuts. If there are several ranks, divides products of which slices are taken, such as
 * one for queries, keys and values, into a product for each slice; changes nothing else. The plan
 * is in the module's arena. False after a diagnostic: also if the graph has collectives, as a part
 * has. */
bool fv_shard_find(fv_module *m, int ranks, fv_shard_plan *out) FV_MUST_USE;
/* Makes the module the part of a rank, 0 <= rank < plan->ranks; the plan must have been found in
 * it. False after a diagnostic. */
bool fv_shard_apply(fv_module *m, const fv_shard_plan *plan, int rank) FV_MUST_USE;

/* The bytes of weights of a rank's part, before the plan is applied. */
uint64_t fv_shard_weights(const fv_module *m, const fv_shard_plan *plan, int rank);

#endif
