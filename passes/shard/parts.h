/* parts.h - shared by the files of this folder: how an axis passes through an operator, and what
 * the search has found. */
#ifndef FV_PASSES_SHARD_PARTS_H
#define FV_PASSES_SHARD_PARTS_H

#include "ir/base/limits.h"
#include "ir/base/ptrmap.h"
#include "passes/shard/shard.h"

/* What fv_shard_operand_axis and fv_shard_result_axis return if there is no such axis. */
enum {
    FV_AXIS_WHOLE = -1,   /* each rank needs the whole operand */
    FV_AXIS_PARTIAL = -2, /* the result is a sum over the axis */
    FV_AXIS_NONE = -3     /* the operator cannot be computed from a share of the axis */
};

/* If only a share of axis `axis` of result 0 is computed: the axis of operand i of which the same
 * share is enough; WHOLE or NONE. */
int fv_shard_operand_axis(const fv_op *op, int axis, int i);
/* If only a share of axis `axis` of operand i is known: the axis of result 0 of which the same
 * share can be computed; PARTIAL or NONE. */
int fv_shard_result_axis(const fv_op *op, int i, int axis);

/* A constant operand of which a rank has a share of an axis. */
typedef struct fv_shard_operand {
    fv_op *op;
    int index, axis;
} fv_shard_operand;

/* Results of the graph, by their numbers. */
typedef struct fv_shard_results {
    int n, cap;
    int *at;
} fv_shard_results;

/* The axes of a cut. */
typedef struct fv_shard_axes {
    int nvalues, cap_values, noperands, cap_operands, npartial, cap_partial, noutputs, cap_outputs;
    fv_value **values; /* the values that are cut: results of ops, and parameters of the graph */
    fv_ptrmap axis;    /* value -> 1 + its axis, as a pointer */
    fv_shard_operand *operands;
    fv_op **partial; /* the products whose results are partial sums */
    /* the values of which all ranks gather the shares, for outputs and for ops that are not cut */
    fv_value **outputs;
    fv_shard_results kept; /* the results of the graph that stay shares */
    int64_t units;
} fv_shard_axes;

/* The axis of v that is cut; -1: v is whole. */
static inline int fv_shard_axis_of(const fv_shard_axes *cut, const fv_value *v) {
    return (int)(intptr_t)fv_ptrmap_get(&cut->axis, v) - 1;
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
    for (int i = 0; i < cut->npartial; i++)
        if (cut->partial[i] == op)
            return true;
    return op->nout == 1 && op->out[0] && fv_shard_axis_of(cut, op->out[0]) >= 0;
}

struct fv_shard_found {
    int n, cap;
    fv_shard_axes *cuts;
};

/* The elements of t from `first` on along the axis, n of them; the result is in the arena. NULL:
 * its elements are strings, or of less than a byte. */
const fv_tensor *fv_shard_slice(fv_arena *a, const fv_tensor *t, int axis, int64_t first,
                                int64_t n);
/* Divides products whose results are read as slices only. False after a diagnostic. */
bool fv_shard_divide(fv_module *m) FV_MUST_USE;
/* ---- contractions: choose.c ---- */

static inline bool fv_shard_is_contraction(const fv_op *op) {
    return fv_op_is(op, FV_OP_fv_MatMul);
}

/* The nodes of an op, or the name of its result where the model gives no names to nodes. */
const char *fv_shard_node(fv_arena *a, const fv_op *op);
/* Sets out->choices to how the cuts that were found cut each contraction of the graph. */
void fv_shard_describe(const fv_module *m, fv_shard_plan *out);
/* contraction -> its choice in the request, of those that have one. False after a diagnostic: a
 * choice is for no contraction. */
bool fv_shard_find_choices(fv_module *m, const fv_shard_request *r, fv_ptrmap *out) FV_MUST_USE;
/* Is each contraction that has a choice cut in that way? False after a diagnostic. */
bool fv_shard_meets(const fv_module *m, const fv_shard_plan *plan,
                    const fv_ptrmap *choices) FV_MUST_USE;

/* The first unit of a rank. The units of rank r are those from first(r) to below first(r + 1). */
static inline int64_t fv_shard_first(int64_t units, int ranks, int rank) {
    return units / ranks * rank + units % ranks * rank / ranks;
}
/* The number of elements that a rank has of an axis with `extent` elements, a multiple of the
 * units; *first: the index of the first of them. */
static inline int64_t fv_shard_size(int64_t units, int ranks, int rank, int64_t extent,
                                    int64_t *first) {
    int64_t unit = extent / units;
    *first = fv_shard_first(units, ranks, rank) * unit;
    return fv_shard_first(units, ranks, rank + 1) * unit - *first;
}

#endif
