/* search.h - shared by the files that find cuts: the state of the search, and following an axis. */
#ifndef FV_PASSES_SHARD_SEARCH_H
#define FV_PASSES_SHARD_SEARCH_H

#include "passes/shard/labels.h"

typedef struct fv_shard_search {
    fv_module *m;
    fv_arena *a;
    int ranks;
    const int *states;  /* for each result of the graph, the parameter that gets it next, or -1 */
    fv_ptrmap constant; /* results that constants determine -> the bytes of these, as a pointer */
    fv_ptrmap taken;    /* values and products that belong to cuts that were found */
    const fv_shard_request *request; /* NULL: none */
    const fv_shard_costs *costs;     /* NULL: none */
    fv_ptrmap choices; /* contractions -> their choices (fv_shard_choice) in the request */
    /* of the cut that is followed now */
    fv_shard_axes axes;
    bool shares_inputs; /* may the cut reach inputs that are no states? */
    bool gathers;       /* is the result of the product at which the cut begins gathered? */
    bool exchanges;  /* may ops that need the axis as a whole exchange small results (across.c)? */
    const char *why; /* why the axis cannot be cut; NULL: nothing is known against it */
} fv_shard_search;

/* "'NODE' (OPERATOR)", for messages. */
const char *fv_shard_op_name(const fv_shard_search *s, const fv_op *op);
/* Sets s->why; false. */
bool fv_shard_decline(fv_shard_search *s, const char *why) FV_MUST_USE;

/* ---- following an axis: follow.c. False, with s->why: it cannot be cut ---- */

/* Begins a cut of axis `axis` of operand i of op, or of its result (-1), and follows it: as an axis
 * of units, or, if there are fewer of them than ranks, as one of groups with members. */
bool fv_shard_follow(fv_shard_search *s, fv_op *op, int i, int axis) FV_MUST_USE;
/* Adds to the cut an op whose result is partial for the share `at` of operand i: a product that
 * sums over the axis, a maximum or minimum over it, or what is computed across ranks. */
bool fv_shard_take_sum(fv_shard_search *s, fv_op *op, int i, const fv_shard_at *at) FV_MUST_USE;
/* Follows the shares of all values of the cut. y: NULL, or a value that all ranks gather, so that
 * its users are not cut. */
bool fv_shard_follow_values(fv_shard_search *s, const fv_value *y) FV_MUST_USE;
/* Cuts products with chosen experts by experts: op, and those with the same experts. */
bool fv_shard_follow_experts(fv_shard_search *s, fv_op *op) FV_MUST_USE;
/* Do all ranks gather v in this cut? */
bool fv_shard_is_gathered(const fv_shard_search *s, const fv_value *v) FV_MUST_USE;
bool fv_shard_is_same_share(const fv_shard_at *a, const fv_shard_at *b) FV_MUST_USE;

/* ---- the cut that was followed: describe.c ---- */

/* The bytes of the weights that it divides. */
uint64_t fv_shard_cut_bytes(const fv_shard_axes *c);
/* Sets cut->exchanges and cut->last, which are empty. */
void fv_shard_add_exchanges(const fv_shard_search *s, fv_shard_cut *cut);
/* The bytes of a tensor of type t that a rank sends to each other one in each step of a
 * reduce-scatter and an all-gather. */
const fv_dim *fv_shard_scattered_bytes(const fv_shard_search *s, const fv_type *t);
/* Chooses how the partial sums of the cut are added, by the costs of the request. */
void fv_shard_choose_sums(fv_shard_search *s);
/* Does the cut, by these costs, save as much time as its exchanges take? False, with s->why. */
bool fv_shard_is_worth(fv_shard_search *s) FV_MUST_USE;
/* Adds its description to the plan. first: the op at which it begins. */
void fv_shard_describe_cut(fv_shard_search *s, const fv_op *first, fv_shard_plan *plan);

#endif
