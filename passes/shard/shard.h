/* shard.h - cuts a graph into parts, one for each rank (tensor parallelism).
 *
 * The graph is one after the pass legalise. A *cut* is a connected set of values that each rank
 * computes only in part: the same share of one axis of each of them, as the heads of an attention
 * or the inner columns of two products. It begins at a product with a weight, a factor that
 * constants alone determine, of which a rank has some columns or rows, and ends at products that
 * sum over the cut axis: their results are partial sums, which the ranks exchange and add. It may
 * also reach inputs, such as the caches of a decoder, of which each rank then gets its share only;
 * and outputs: an output that is the next value of such an input stays a share, any other is
 * gathered by all ranks. Between these, the axis is followed through elementwise operators, views,
 * slices, concatenations, scatters into a cache, products, reductions and softmax. If the weight is
 * large, operators that need the cut axis as a whole exchange small results, as the maximum and the
 * sum of a softmax, or the result of the product is gathered at once; and large tables, of which
 * rows are looked up, are cut as well. All other values are whole on each rank. */
#ifndef FV_PASSES_SHARD_SHARD_H
#define FV_PASSES_SHARD_SHARD_H

#include "ir/graph/graph.h"

/* Along which axis a contraction is cut. Its result is a product of a left factor, with rows, and a
 * right one, with columns; both may have the axes of a batch. */
typedef enum fv_shard_side {
    FV_SHARD_WHOLE,   /* it is not cut */
    FV_SHARD_COLUMNS, /* each rank has some columns of the right factor and of the result */
    FV_SHARD_ROWS,  /* each rank has some rows of the right factor, and so some terms of the sum */
    FV_SHARD_LEFT,  /* each rank has some rows of the left factor and of the result */
    FV_SHARD_BATCH, /* each rank has some products of the batch, such as the heads of attention */
    FV_SHARD_EXPERTS, /* of a product with chosen experts: each rank has the weights of some */
    /* of a look-up in a table, such as an embedding: of the table */
    FV_SHARD_TABLE_WHOLE,
    FV_SHARD_TABLE_ROWS, /* each rank has some rows: the axis along which elements are looked up */
    FV_SHARD_TABLE_COLUMNS, /* each rank has some elements of each row */
    FV_SHARD_UNSTATED       /* in a request: as if the contraction had no choice */
} fv_shard_side;

/* The bytes from which on a cut is made that needs exchanges besides those of partial sums and
 * outputs: of a table, or of a product some of whose readers need the cut axis as a whole. What a
 * smaller weight saves is not worth an exchange. */
#define FV_SHARD_LARGE ((uint64_t)1 << 20)

/* What the ranks exchange right after a contraction. */
typedef enum fv_shard_collective {
    FV_SHARD_NONE,
    FV_SHARD_ALL_REDUCE, /* each rank gets the sum of the partial sums of all ranks */
    FV_SHARD_ALL_GATHER, /* each rank gets the shares of all ranks */
    /* of a plan: an all-reduce in two steps, in which each rank adds a share of the elements, and
     * all ranks gather the sums; of an exchange: the first step */
    FV_SHARD_REDUCE_SCATTER,
    FV_SHARD_ANY /* in a request: whichever the axis needs */
} fv_shard_collective;

/* An exchange of a cut. */
typedef struct fv_shard_exchange {
    const char *node; /* the nodes of the op whose partial result or shares are exchanged */
    fv_shard_collective collective;
    const fv_dim *bytes; /* that a rank sends to each other one */
} fv_shard_exchange;

/* A cut, for people. */
typedef struct fv_shard_cut {
    const char *first; /* the nodes of the product at which it begins */
    const char *last;  /* the nodes of the products whose sums are exchanged, and outputs */
    /* into how many pieces the axis can be divided: heads, or columns; each rank has 1/ranks of
     * them, rounded down or up */
    int64_t units;
    /* fewer than ranks: of how many groups a rank has one; the units are their members. 0: none */
    int64_t groups;
    uint64_t bytes; /* of the weights that are divided */
    int nexchanges; /* exchanges in a run */
    fv_shard_exchange *exchanges;
    const char *shares; /* the inputs and outputs of which a rank has a share; "": none */
} fv_shard_cut;

/* An input or output of which each part has a share only. */
typedef struct fv_shard_port {
    const char *name;
    bool is_output;
    int axis;              /* the axis that is cut */
    const int64_t *sizes;  /* for each rank, the size of its share along the axis */
    const int64_t *firsts; /* the index of its first element: ranks of a group have the same ones */
} fv_shard_port;

extern const char *const fv_shard_side_names[];       /* up to TABLE_COLUMNS, ended by NULL */
extern const char *const fv_shard_collective_names[]; /* up to REDUCE_SCATTER, ended by NULL */

/* How a contraction, or a look-up in a table, is cut. */
typedef struct fv_shard_choice {
    const char *node; /* the nodes of the contraction, or the name of its result */
    fv_shard_side side;
    fv_shard_collective collective;
    int cut; /* in a plan: the number of the cut, from 0 on; -1: none. Not used in a request */
} fv_shard_choice;

/* How long a part of a run takes, in seconds, by which cuts are chosen. */
typedef struct fv_shard_costs {
    void *user;
    /* a product of so many multiply-adds, of which one rank does the part `share`, and which reads
     * `bytes` of weights */
    double (*computing)(void *user, const fv_dim *multiplies, double bytes, double share);
    /* an exchange in which each rank sends that to each other one */
    double (*exchanging)(void *user, const fv_dim *bytes);
} fv_shard_costs;

/* A plan that was asked for. Choice i for a node is for its i-th contraction. A contraction without
 * a choice is cut if a cut reaches it, but none begins there. For one rank nothing is cut, and the
 * choices do not matter. */
typedef struct fv_shard_request {
    int ranks; /* 0: not stated */
    int n;     /* choices; -1: none are stated, so all cuts that are possible are made */
    const fv_shard_choice *choices;
    int nbegins;               /* the stages after the first one; -1: not stated */
    const char *const *begins; /* the nodes with which they begin (passes/shard/stages.h) */
    bool annotated;            /* do annotations of the model ask for it? Messages say so */
    /* If no choices are stated, products are cut only where that takes less time, and partial sums
     * are added in the quickest way. NULL: all cuts are made, and sums are added in one step */
    const fv_shard_costs *costs;
} fv_shard_request;

/* A product with a weight that each rank computes as a whole. */
typedef struct fv_shard_whole {
    const fv_op *op;
    const char *name; /* its nodes */
    const char *why;
    uint64_t bytes; /* of the constants that determine its weight */
} fv_shard_whole;

typedef struct fv_shard_plan {
    int ranks;
    int ncuts, cap_cuts, nwhole, cap_whole, nports, cap_ports;
    fv_shard_cut *cuts;
    fv_shard_port *ports;
    fv_shard_whole *whole;
    struct fv_shard_found *found;
    const fv_shard_choice *choices; /* how each contraction is cut, in the order of the graph */
    int nchoices;
} fv_shard_plan;

/* Finds the cuts.
 *  states   for each result of the graph, the number of the parameter whose value it is in the next
 *           run, or -1
 *  request  the cuts that are to be made, or NULL: all that are possible
 * If there are several ranks, divides products of which slices are taken, such as one for queries,
 * keys and values, into a product for each slice, and gives each reader of a weight that is
 * computed from constants its own copy of these ops; changes nothing else. The plan is in the
 * module's arena. False after a diagnostic: the request cannot be met, or the graph has
 * collectives, as a part has. */
bool fv_shard_find(fv_module *m, int ranks, const int *states, const fv_shard_request *request,
                   fv_shard_plan *out) FV_MUST_USE;
/* Makes the module the part of a rank, 0 <= rank < plan->ranks; the plan must have been found in
 * it. Shares of large constants are not copied: the module can be written (fv_tensor_rows), and
 * before it is lowered, fv_shard_copy_constants copies them. False after a diagnostic. */
bool fv_shard_apply(fv_module *m, const fv_shard_plan *plan, int rank) FV_MUST_USE;
void fv_shard_copy_constants(fv_module *m);

/* A tensor of which each rank has a share of one axis, or of each of its `outer` blocks of `extent`
 * elements. */
typedef struct fv_shard_tensor {
    const char *name; /* of a value or constant of the graph */
    int axis;
    const fv_dim *outer;
    int64_t extent;
} fv_shard_tensor;
/* The tensors of which each rank has another share, before the plan is applied, in the module's
 * arena; those of which ranks have copies are left out, as are constants that are cut in two ways.
 * Returns how many there are. */
int fv_shard_tensors(const fv_module *m, const fv_shard_plan *plan, fv_shard_tensor **out);

/* The bytes of weights of a rank's part, before the plan is applied. */
uint64_t fv_shard_weights(const fv_module *m, const fv_shard_plan *plan, int rank);

#endif
