/* stages.h - cuts a graph into stages, one after the other, each of which other ranks run (pipeline
 * parallelism).
 *
 * The graph is one after the pass legalise. Its ops, in their order, are divided into runs of
 * neighbours. What one stage computes and a later one needs is sent from rank to rank. A stage
 * repeats ops that cost little, as those that make a mask of an input, instead of receiving their
 * results; and each stage has all inputs. All stages get all outputs, but a state, such as a cache,
 * whose input and output belong to one stage is an input and an output of this stage only.
 *
 * Each stage may be cut among several ranks as well (shard.h): there are stages * ranks ranks, and
 * rank `lane` of stage s is rank s * ranks + lane of the run. It sends to the ranks with the same
 * lane. */
#ifndef FV_PASSES_SHARD_STAGES_H
#define FV_PASSES_SHARD_STAGES_H

#include "ir/graph/graph.h"

/* A value that is sent from one stage to another one. */
typedef struct fv_stage_transfer {
    const char *name; /* the nodes that compute it, or its own name */
    int from, to;
    bool is_output;      /* it is sent because each stage has the outputs */
    const fv_dim *bytes; /* how many each rank of the stage sends; the whole value, if it is cut */
} fv_stage_transfer;

/* An input and the output with its next value, which one stage has. */
typedef struct fv_stage_state {
    int stage, input, output; /* numbers of a parameter and of a result of the graph */
} fv_stage_state;

typedef struct fv_stage_plan {
    int stages;
    const char *
        *begins; /* for each stage but the first, the nodes of the op with which it begins */
    int ntransfers, cap_transfers, nstates, cap_states;
    fv_stage_transfer *transfers; /* in the order in which they are sent */
    fv_stage_state *states;
    uint64_t *weights; /* for each stage, the bytes of its weights, before they are cut */
    struct fv_stage_marks *marks;
} fv_stage_plan;

/* Finds `stages` stages of a graph that has not been cut yet.
 *  states  for each result of the graph, the number of the parameter whose value it is in the next
 *          run, or -1
 *  begins  if not NULL, the nodes with which the stages but the first begin: stages - 1 names
 * If begins is NULL, the weights are divided as evenly as possible, and of all divisions in which
 * the largest stage has at most a quarter more than it would then have, that with the fewest bytes
 * to send is chosen, where symbols are 64. The plan is in the module's arena. False after a
 * diagnostic: there are too few ops, or states, for so many stages, or no input of a stage has a
 * symbol of the dims of a state. */
bool fv_stages_find(fv_module *m, int stages, const int *states, const char *const *begins,
                    fv_stage_plan *out) FV_MUST_USE;
/* Makes the module the part of rank `lane` of a stage, of `ranks` ranks that each stage has. The
 * plan must have been found in it; after that, the module may have been cut for that lane. False
 * after a diagnostic. */
bool fv_stages_apply(fv_module *m, const fv_stage_plan *plan, int stage, int lane,
                     int ranks) FV_MUST_USE;

#endif
