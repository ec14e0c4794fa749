/* parts.h - shared by the files of this folder: how an axis passes through an operator, and what
 * the search has found. */
#ifndef FV_PASSES_SHARD_PARTS_H
#define FV_PASSES_SHARD_PARTS_H

#include <string.h>

#include "ir/base/limits.h"
#include "ir/base/ptrmap.h"
#include "ir/graph/rewriter.h"
#include "passes/shard/shard.h"

/* What the functions below return as `axis` if there is no such axis. */
enum {
    FV_AXIS_WHOLE = -1,   /* each rank needs the whole operand */
    FV_AXIS_PARTIAL = -2, /* the result is a sum, maximum or minimum over the axis */
    FV_AXIS_NONE = -3     /* the operator cannot be computed from a share of the axis */
};

/* How ranks share an axis. Usually, its units are distributed among the ranks. If there are fewer
 * units than ranks, as heads of keys, these are *groups*: several ranks have a copy of a group, and
 * its *members*, as heads of queries that share a head of keys, are distributed among them. */
typedef enum {
    FV_SHARE_UNITS, /* the units of the axis are distributed; if there are groups, their members */
    FV_SHARE_GROUP, /* each rank has a copy of its group */
    FV_SHARE_BOTH   /* an axis of groups, and an axis of members: each rank has some members */
} fv_share_kind;

/* The axis of a value that is cut. It consists of `outer` blocks of the same size, of each of which
 * a rank has the same part: so that a rank has the same heads of each entry of a batch, the axis of
 * batch * 4 elements has `batch` blocks, which are cut into four heads. */
typedef struct fv_shard_at {
    int axis;
    int members; /* with FV_SHARE_BOTH: the axis of the members; otherwise -1 */
    fv_share_kind kind;
    int64_t groups; /* the number of groups in this cut; 0: there are none */
    const fv_dim *outer;
} fv_shard_at;

/* If only a share of result 0 is computed: the share of operand i that is enough; WHOLE or NONE. */
fv_shard_at fv_shard_operand_at(const fv_op *op, const fv_shard_at *at, int i);
/* If only a share of operand i is known: the share of result 0 that can be computed; PARTIAL or
 * NONE. */
fv_shard_at fv_shard_result_at(const fv_op *op, int i, const fv_shard_at *at);
/* If the result is a partial sum over the axis `at` of operand i: the share of operand j that this
 * sum needs; WHOLE. */
fv_shard_at fv_shard_sum_at(const fv_op *op, int i, const fv_shard_at *at, int j);
/* The axis of operand i from which a share of axis `axis` of the result can be computed, if both
 * have the same elements along it; WHOLE or NONE. */
int fv_shard_operand_axis(const fv_op *op, int axis, int i);
/* The number of elements of a block of the axis; 0: it is not known. */
int64_t fv_shard_extent(fv_dims *t, const fv_type *type, const fv_shard_at *at);

/* A constant operand of which a rank has a share. */
typedef struct fv_shard_operand {
    fv_op *op;
    int index;
    fv_shard_at at;
} fv_shard_operand;

/* Is the op an fv.Reduce of that kind, such as ReduceMax? */
static inline bool fv_shard_is_reduce(const fv_op *op, const char *kind) {
    fv_string k = fv_op_is(op, FV_OP_fv_Reduce) ? fv_op_string(op, "kind") : (fv_string){0};
    return k.n == strlen(kind) && !memcmp(k.s, kind, k.n);
}

/* How an operator that needs an axis of operand 0 as a whole is computed from shares of it: each
 * rank computes a small result from its share, and the ranks exchange these. */
typedef enum {
    FV_ACROSS_NONE, /* it cannot be */
    /* fv.Gather, GatherElements: each rank contributes the elements that it has */
    FV_ACROSS_LOOK_UP,
    FV_ACROSS_EXTREME, /* fv.ArgMax, fv.ArgMin: of the extremes of all ranks */
    FV_ACROSS_ORDER,   /* fv.Order: of the first elements of all ranks */
    /* fv.ExpertProduct: each rank contributes the products with the experts whose weights it has */
    FV_ACROSS_EXPERTS,
    /* Softmax, LogSoftmax: by a maximum and a sum over all ranks; a rank has the same share of the
     * result as of operand 0 */
    FV_ACROSS_SOFTMAX
} fv_shard_across_kind;

/* Operands of fv.ExpertProduct: the numbers of the chosen experts, and the weights of all, along
 * axis 0, as their biases after them. */
enum { FV_EXPERT_NUMBERS = 1, FV_EXPERT_WEIGHTS = 2 };

/* The operand of which a rank has a share: the weights of experts, or operand 0. */
int fv_shard_across_operand(const fv_op *op);
/* How op is computed from the share `at` of operand i. */
fv_shard_across_kind fv_shard_across(const fv_op *op, int i, const fv_shard_at *at);
/* Is v a constant, or computed from constants alone? */
bool fv_shard_is_constant(const fv_value *v) FV_MUST_USE;
/* Is it a look-up of rows of a table of constants, such as an embedding? */
bool fv_shard_is_look_up(const fv_op *op) FV_MUST_USE;

/* Ops of the graph. */
typedef struct fv_shard_ops {
    int n, cap;
    fv_op **at;
} fv_shard_ops;

static inline bool fv_shard_has_op(const fv_shard_ops *ops, const fv_op *op) {
    for (int i = 0; i < ops->n; i++)
        if (ops->at[i] == op)
            return true;
    return false;
}

/* Results of the graph, by their numbers. */
typedef struct fv_shard_results {
    int n, cap;
    int *at;
} fv_shard_results;

/* How the axes of a cut are divided among ranks. */
typedef struct fv_shard_units {
    int ranks;      /* 0 in the axes of a cut */
    int64_t groups; /* 0: there are none */
    int64_t n;      /* the number of units; with groups, that of the members of each group */
} fv_shard_units;

/* The axes of a cut. */
typedef struct fv_shard_axes {
    int nvalues, cap_values, noperands, cap_operands, noutputs, cap_outputs;
    fv_value **values; /* the values that are cut: results of ops, and parameters of the graph */
    fv_ptrmap at;      /* value -> its fv_shard_at */
    fv_shard_operand *operands;
    /* ops whose results are of the share only, and become whole by an exchange: products whose
     * results are partial sums, other reductions, look-ups, choices */
    fv_shard_ops partial;
    struct { /* some of `partial` */
        /* products with experts whose results only products with the same experts use, so that they
         * are not exchanged */
        fv_shard_ops inner;
        fv_shard_ops scattered; /* added by a reduce-scatter and an all-gather */
    } how;
    fv_shard_ops softmaxes; /* over the axis: their results are among the values */
    /* the values of which all ranks gather the shares, for outputs and for ops that are not cut */
    fv_value **outputs;
    fv_shard_results kept; /* the results of the graph that stay shares */
    fv_shard_units units;
} fv_shard_axes;

/* The share of v that a rank has; NULL: v is whole. */
static inline const fv_shard_at *fv_shard_at_of(const fv_shard_axes *cut, const fv_value *v) {
    return fv_ptrmap_get(&cut->at, v);
}

/* The axis of v that is cut; -1: v is whole. */
static inline int fv_shard_axis_of(const fv_shard_axes *cut, const fv_value *v) {
    const fv_shard_at *at = fv_shard_at_of(cut, v);
    return at ? at->axis : -1;
}

/* Does result i of the graph stay a share? */
static inline bool fv_shard_is_kept(const fv_shard_axes *cut, int i) {
    for (int k = 0; k < cut->kept.n; k++)
        if (cut->kept.at[k] == i)
            return true;
    return false;
}

/* Is the op cut, so that it reads the shares of its operands? */
static inline bool fv_shard_is_cut(const fv_shard_axes *cut, const fv_op *op) {
    return fv_shard_has_op(&cut->partial, op) ||
           (op->nout == 1 && op->out[0] && fv_shard_axis_of(cut, op->out[0]) >= 0);
}

/* How the axes of the cut are divided among that many ranks. */
static inline fv_shard_units fv_shard_units_of(const fv_shard_axes *cut, int ranks) {
    return (fv_shard_units){ranks, cut->units.groups, cut->units.n};
}

struct fv_shard_found {
    int n, cap;
    fv_shard_axes *cuts;
};

/* In each of the `outer` blocks of the axis of t, the elements from `first` on, n of them; the
 * result is in the arena. Data of more than FV_FOLD_BYTES bytes are not copied but where elements
 * of less than a byte begin within one: the result may have rows (fv_tensor_rows). NULL: its
 * elements are strings. */
const fv_tensor *fv_shard_slice(fv_arena *a, const fv_tensor *t, int axis, int64_t outer,
                                int64_t first, int64_t n);
/* Gives each reader of a weight that is computed from constants a copy of the ops that compute it.
 * False after a diagnostic. */
bool fv_shard_separate(fv_module *m) FV_MUST_USE;
/* Divides products whose results are read as slices only. False after a diagnostic. */
bool fv_shard_divide(fv_module *m) FV_MUST_USE;
/* ---- exchanges: exchange.c ---- */

/* What a rank has of an operand of an op that is computed across ranks. */
typedef struct fv_shard_part {
    int ranks, axis;
    bool inner;              /* the result is not exchanged */
    int64_t whole, first, n; /* elements of the axis; the share has n of them from `first` on */
} fv_shard_part;

/* Makes a whole result of the result of op, which is not FV_ACROSS_NONE, and whose operand has
 * become the share. False after a diagnostic. */
bool fv_shard_exchange_across(fv_op *op, const fv_shard_part *part) FV_MUST_USE;
/* The values v of all ranks, combined by ReduceSum, ReduceMax or ReduceMin. NULL after a
 * diagnostic. */
fv_value *fv_shard_all_reduce(fv_rewriter *w, fv_value *v, int ranks, fv_op_id reduce);
/* The same in two steps: each rank combines a share of the elements, and all gather these. */
fv_value *fv_shard_scatter(fv_rewriter *w, fv_value *v, int ranks, fv_op_id reduce);

/* ---- contractions: choose.c ---- */

/* The number of multiply-adds of a product; NULL: op is none. */
const fv_dim *fv_shard_multiplies(const fv_op *op);

/* Is it a product, with factors of which axes are summed? */
bool fv_shard_is_contraction(const fv_op *op) FV_MUST_USE;
/* The nodes of an op, or the name of its result where the model gives no names to nodes. */
const char *fv_shard_node(fv_arena *a, const fv_op *op);
/* The side of an axis of the result of a contraction: an axis of the left factor alone is one of
 * rows, an axis of other factors alone one of columns. */
fv_shard_side fv_shard_side_of(const fv_op *op, int axis) FV_MUST_USE;
/* Sets out->choices to how the cuts that were found cut each contraction of the graph. */
void fv_shard_describe(const fv_module *m, fv_shard_plan *out);
/* contraction -> its choice in the request, of those that have one. False after a diagnostic: a
 * choice is for no contraction. */
bool fv_shard_find_choices(fv_module *m, const fv_shard_request *r, fv_ptrmap *out) FV_MUST_USE;
/* Is each contraction that has a choice cut in that way? False after a diagnostic. */
bool fv_shard_meets(const fv_module *m, const fv_shard_plan *plan, const fv_shard_request *r,
                    const fv_ptrmap *choices) FV_MUST_USE;

/* The number of elements that a rank has of each block of an axis with blocks of `extent` elements.
 * *first: the index of the first of them in the block. */
int64_t fv_shard_size(const fv_shard_units *u, int rank, fv_share_kind kind, int64_t extent,
                      int64_t *first);
/* The same for the axis of the members, with FV_SHARE_BOTH. */
int64_t fv_shard_members(const fv_shard_units *u, int rank, int64_t extent, int64_t *first);
/* Is rank the first one with its group? Without groups, every rank is. */
bool fv_shard_is_first(const fv_shard_units *u, int rank) FV_MUST_USE;

#endif
