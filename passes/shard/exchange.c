/* exchange.c - makes whole results of operators that need a cut axis as a whole (across.c), from
 * what each rank computes of its share. All numbers of the results are those that one rank has
 * computed, so exchanges round nothing. */
#include "ir/expr/expr.h"
#include "ir/graph/infer.h"
#include "passes/shard/parts.h"

static fv_value *all_gather(fv_rewriter *w, fv_value *v, int ranks) {
    fv_attr a = fv_attr_int(w->module, "ranks", ranks);
    return fv_w_op(w, FV_OP_fv_AllGather, 1, &v, 1, &a);
}

/* The values of all ranks, along axis 0, combined. */
static fv_value *reduced(fv_rewriter *w, fv_value *gathered, fv_op_id reduce) {
    fv_attr keep = fv_attr_int(w->module, "keepdims", 0);
    fv_value *in[] = {gathered, fv_const_ints(w->module, "axis_of_ranks", 1, (const int64_t[]){0})};
    return gathered ? fv_w_op(w, reduce, 2, in, 1, &keep) : NULL;
}

fv_value *fv_shard_all_reduce(fv_rewriter *w, fv_value *v, int ranks, fv_op_id reduce) {
    return reduced(w, all_gather(w, v, ranks), reduce);
}

fv_value *fv_shard_scatter(fv_rewriter *w, fv_value *v, int ranks, fv_op_id reduce) {
    fv_dims *t = w->module->dims;
    const fv_dim *n = fv_dim_product(t, v->type->rank, v->type->dims), *zero = fv_dim_const(t, 0),
                 *one = fv_dim_const(t, 1), *r = fv_dim_const(t, ranks);
    const fv_dim *shares[2] = {r, fv_dim_ceildiv(t, n, r)}, *all = fv_dim_mul(t, r, shares[1]);
    fv_attr fill[] = {fv_attr_dims(w->module, "begin", 1, &zero),
                      fv_attr_dims(w->module, "dims", 1, &all)};
    fv_value *flat = fv_w_reshape(w, v, 1, &n);
    flat = all == n || !flat ? flat : fv_w_op(w, FV_OP_fv_Pad, 1, &flat, 2, fill);
    fv_value *got = flat ? FV_W1(w, FV_OP_fv_AllToAll, fv_w_reshape(w, flat, 2, shares)) : NULL;
    fv_value *own = reduced(w, got, reduce);
    fv_value *joined = own ? fv_w_reshape(w, all_gather(w, own, ranks), 1, &all) : NULL;
    joined = all == n || !joined ? joined : fv_w_slice(w, joined, &zero, &one, &n);
    return joined ? fv_w_reshape(w, joined, v->type->rank, v->type->dims) : NULL;
}

/* x, with an axis of one element before `axis`. */
static fv_value *with_axis(fv_rewriter *w, fv_value *x, int axis) {
    const fv_dim *dims[FV_MAX_RANK];
    for (int i = 0; x && i <= x->type->rank; i++)
        dims[i] = i == axis ? fv_dim_const(w->module->dims, 1) : x->type->dims[i - (i > axis)];
    return x ? fv_w_reshape(w, x, x->type->rank + 1, dims) : NULL;
}

/* x, without its axis `axis`, which has one element. */
static fv_value *without_axis(fv_rewriter *w, fv_value *x, int axis) {
    const fv_dim *dims[FV_MAX_RANK];
    for (int i = 0; x && i + 1 < x->type->rank; i++)
        dims[i] = x->type->dims[i + (i >= axis)];
    return x ? fv_w_reshape(w, x, x->type->rank - 1, dims) : NULL;
}

static fv_value *elements(fv_rewriter *w, fv_value *x, fv_value *at, int axis) {
    fv_attr a = fv_attr_int(w->module, "axis", axis);
    return fv_w_op(w, FV_OP_GatherElements, 2, (fv_value *[]){x, at}, 1, &a);
}

/* The present uses of a value. */
typedef struct uses {
    int n;
    fv_use *at;
} uses;

static uses uses_of(fv_module *m, const fv_value *v) {
    uses u = {v->nuses, FV_NEW(m->arena, fv_use, v->nuses + 1)};
    memcpy(u.at, v->uses, (size_t)u.n * sizeof *u.at);
    return u;
}

/* Makes these uses read `now`. False: it is NULL. */
static bool replace(const uses *u, fv_value *now) {
    for (int i = 0; now && i < u->n; i++)
        fv_op_set_in(u->at[i].op, u->at[i].index, now);
    return now != NULL;
}

/* ---- look-ups ---- */

/* The index within the share, of an index of the whole axis; *in: whether the share has it. Where
 * the whole axis lacks the index, the result is one that the share lacks, too, so that the run
 * reports it on each rank. */
static fv_value *local_index(fv_rewriter *w, fv_value *index, const fv_shard_part *p,
                             fv_value **in) {
    fv_elem e = index->type->elem;
    fv_value *zero = fv_w_int(w, e, 0), *size = fv_w_int(w, e, p->n),
             *whole = fv_w_int(w, e, p->whole);
    fv_value *at = FV_W3(w, FV_OP_Where, FV_W2(w, FV_OP_Less, index, zero),
                         FV_W2(w, FV_OP_Add, index, whole), index);
    fv_value *known = FV_W2(w, FV_OP_And, FV_W2(w, FV_OP_GreaterOrEqual, at, zero),
                            FV_W2(w, FV_OP_Less, at, whole));
    fv_value *within = FV_W2(w, FV_OP_Sub, at, fv_w_int(w, e, p->first));
    *in = FV_W2(w, FV_OP_And, FV_W2(w, FV_OP_GreaterOrEqual, within, zero),
                FV_W2(w, FV_OP_Less, within, size));
    return FV_W3(w, FV_OP_Where, *in, within, FV_W3(w, FV_OP_Where, known, zero, size));
}

static fv_value *bit_cast(fv_rewriter *w, fv_value *x, fv_elem to) {
    fv_attr a = fv_attr_int(w->module, "to", to);
    return !x || x->type->elem == to ? x : fv_w_op(w, FV_OP_BitCast, 1, &x, 1, &a);
}

/* Makes the uses of y read, where `in` holds on some rank, the element of y of that rank. It is the
 * maximum of bits, as unsigned integers, where the other ranks have 0: a sum would make 0.0 of
 * -0.0. `in` is aligned with y. */
static bool combine(fv_rewriter *w, fv_value *y, fv_value *in, const uses *old,
                    const fv_shard_part *p) {
    fv_elem bits = fv_elem_bits_elem(y->type->elem);
    fv_elem wide = fv_elem_bits(bits) == 16 ? FV_U32 : bits; /* a type that ReduceMax has */
    fv_value *own = FV_W3(w, FV_OP_Where, in, bit_cast(w, y, bits), fv_w_int(w, bits, 0));
    fv_value *all = reduced(w, fv_w_cast(w, all_gather(w, own, p->ranks), wide), FV_OP_ReduceMax);
    return replace(old, bit_cast(w, fv_w_cast(w, all, bits), y->type->elem));
}

/* in, with axes of one element after its own, so that it has that rank. */
static fv_value *with_rank(fv_rewriter *w, fv_value *in, int rank) {
    const fv_dim *dims[FV_MAX_RANK];
    for (int i = 0; in && i < rank; i++)
        dims[i] = i < in->type->rank ? in->type->dims[i] : fv_dim_const(w->module->dims, 1);
    return in ? fv_w_reshape(w, in, rank, dims) : NULL;
}

/* Each rank has the elements at indices in its share. */
static bool exchange_look_up(fv_op *op, const fv_shard_part *p) {
    fv_rewriter w = fv_rewriter_at(op);
    fv_value *y = op->out[0], *in, *index = local_index(&w, op->in[1], p, &in);
    if (fv_op_is(op, FV_OP_fv_Gather))
        in = with_rank(&w, in, y->type->rank - p->axis);
    if (!index || !in)
        return false;
    fv_op_set_in(op, 1, index);
    const uses old = uses_of(w.module, y);
    w = fv_rewriter_at(op->next);
    return combine(&w, y, in, &old, p);
}

/* Each rank has the products with its experts. */
static bool exchange_experts(fv_op *op, const fv_shard_part *p) {
    fv_rewriter w = fv_rewriter_at(op);
    fv_value *y = op->out[0], *in, *index = local_index(&w, op->in[FV_EXPERT_NUMBERS], p, &in);
    in = with_rank(&w, in, y->type->rank);
    if (!index || !in)
        return false;
    fv_op_set_in(op, FV_EXPERT_NUMBERS, index);
    const uses old = uses_of(w.module, y);
    w = fv_rewriter_at(op->next);
    return p->inner || combine(&w, y, in, &old, p);
}

/* ---- choices ---- */

/* The positions in the whole axis of positions in the share. */
static fv_value *positions(fv_rewriter *w, fv_value *local, const fv_shard_part *p) {
    return FV_W2(w, FV_OP_Add, local, fv_w_int(w, FV_I64, p->first));
}

/* The rank whose extreme is the extreme of all knows its position. Of equal ones, and of NaNs, the
 * first or last rank is chosen as the operator chooses elements. */
static bool exchange_extreme(fv_op *op, const fv_shard_part *p) {
    fv_value *y = op->out[0];
    fv_rewriter w = fv_rewriter_at(op->next);
    fv_attr a[2] = {fv_attr_int(w.module, "axis", 0),
                    fv_attr_int(w.module, "select_last_index", fv_op_int(op, "select_last_index"))};
    const uses old = uses_of(w.module, y);
    fv_value *index = with_axis(&w, y, p->axis);
    fv_value *values = without_axis(&w, elements(&w, op->in[0], index, p->axis), p->axis);
    fv_value *at = all_gather(&w, positions(&w, y, p), p->ranks);
    fv_value *all = all_gather(&w, values, p->ranks);
    fv_value *rank = all ? fv_w_def(&w, op->def, 1, &all, 2, a) : NULL;
    fv_value *chosen = without_axis(&w, elements(&w, at, with_axis(&w, rank, 0), 0), 0);
    return replace(&old, chosen);
}

/* The shares [a, n] or [a, n, c] of all ranks, joined along axis 1 in the order of ranks. */
static fv_value *joined(fv_rewriter *w, fv_value *x, int ranks) {
    fv_value *all = all_gather(w, x, ranks);
    const fv_type *t = x ? x->type : NULL;
    if (!all)
        return NULL;
    const fv_dim *n = fv_dim_mul(w->module->dims, t->dims[1], fv_dim_const(w->module->dims, ranks));
    const fv_dim *dims[3] = {t->dims[0], n, t->rank > 2 ? t->dims[2] : NULL};
    return fv_w_reshape(w, fv_w_transpose(w, all, (int[]){1, 0, 2, 3}), t->rank, dims);
}

/* The first elements of all are among the first elements of each rank. Equal elements stay in the
 * order of their positions, since ranks have these in order. */
static bool exchange_order(fv_op *op, const fv_shard_part *p) {
    fv_value *y = op->out[0];
    fv_rewriter w = fv_rewriter_at(op->next);
    const int rank = y->type->rank;
    const fv_attr *of = fv_op_find_attr(op, "dims");
    fv_attr a[2] = {fv_attr_dims(w.module, "dims", rank, of->u.dims),
                    fv_attr_int(w.module, "descending", fv_op_int(op, "descending"))};
    const uses old = uses_of(w.module, y);
    fv_value *x = rank == 2 ? op->in[0] : fv_w_reshape(&w, op->in[0], 3, op->in[0]->type->dims);
    fv_value *own = elements(&w, x, y, 1), *at = positions(&w, y, p);
    fv_value *values = joined(&w, own, p->ranks), *all = joined(&w, at, p->ranks);
    if (!values || !all)
        return false;
    fv_value *line = values;
    if (rank == 3) { /* items of one element */
        const fv_dim *dims[4] = {values->type->dims[0], values->type->dims[1],
                                 values->type->dims[2], fv_dim_const(w.module->dims, 1)};
        line = fv_w_reshape(&w, values, 4, dims);
    }
    fv_value *first = line ? fv_w_op(&w, FV_OP_fv_Order, 1, &line, 2, a) : NULL;
    return replace(&old, elements(&w, all, first, 1));
}

/* ---- softmax ---- */

/* The maximum over the axis, and the sum of exponentials, are those of all ranks. */
static bool exchange_softmax(fv_op *op, const fv_shard_part *p) {
    fv_rewriter w = fv_rewriter_at(op);
    fv_elem e = op->out[0]->type->elem, arith = e == FV_F64 ? FV_F64 : FV_F32;
    fv_value *x = e == arith ? op->in[0] : fv_w_cast(&w, op->in[0], arith);
    fv_value *axes = fv_const_ints(w.module, "axes", 1, (const int64_t[]){p->axis});
    fv_value *most =
        fv_shard_all_reduce(&w, FV_W2(&w, FV_OP_ReduceMax, x, axes), p->ranks, FV_OP_ReduceMax);
    fv_value *less = FV_W2(&w, FV_OP_Sub, x, most), *exp = FV_W1(&w, FV_OP_Exp, less);
    fv_value *sum =
        fv_shard_all_reduce(&w, FV_W2(&w, FV_OP_ReduceSum, exp, axes), p->ranks, FV_OP_ReduceSum);
    fv_value *y = fv_op_is(op, FV_OP_Softmax)
                      ? FV_W2(&w, FV_OP_Mul, exp, FV_W1(&w, FV_OP_Reciprocal, sum))
                      : FV_W2(&w, FV_OP_Sub, less, FV_W1(&w, FV_OP_Log, sum));
    y = y && e != arith ? fv_w_cast(&w, y, e) : y;
    if (y)
        fv_replace_uses(op->out[0], y);
    return y != NULL;
}

static bool exchange(fv_op *op, const fv_shard_part *p) {
    if (fv_op_is(op, FV_OP_fv_Order))
        return exchange_order(op, p);
    if (fv_op_is(op, FV_OP_fv_ExpertProduct))
        return exchange_experts(op, p);
    if (fv_op_is(op, FV_OP_fv_ArgMax) || fv_op_is(op, FV_OP_fv_ArgMin))
        return exchange_extreme(op, p);
    return fv_op_is(op, FV_OP_fv_Gather) || fv_op_is(op, FV_OP_GatherElements)
               ? exchange_look_up(op, p)
               : exchange_softmax(op, p);
}

bool fv_shard_exchange_across(fv_op *op, const fv_shard_part *part) {
    fv_op *before = op->prev, *after = op->next;
    if (!exchange(op, part))
        return false;
    for (fv_op *o = before ? before->next : op->block->first; o != after; o = o->next)
        o->origin = op->origin;
    return true;
}
