/* apply.c - makes a graph the part of one rank: constants and shapes along the cut axes become
 * those of the rank, and partial sums are exchanged and added. */
#include "ir/graph/infer.h"
#include "ir/graph/rewriter.h"
#include "passes/shard/parts.h"

/* A share of a constant that was made: several operands may use it. */
typedef struct made_share {
    const fv_value *of;
    fv_shard_at at;
    int64_t units;
    fv_value *share;
} made_share;

typedef struct part {
    fv_module *m;
    const fv_shard_axes *cut;
    int ranks, rank;
    made_share *made;
    int nmade, cap_made;
} part;

static bool is_same(const fv_shard_at *a, const fv_shard_at *b) {
    return a->axis == b->axis && a->members == b->members && a->kind == b->kind &&
           a->groups == b->groups && a->outer == b->outer;
}

/* The size of the share of each block of the axis of `at`, in a value of type t; *first: the index
 * of its first element. */
static int64_t share(const part *p, const fv_type *t, const fv_shard_at *at, int64_t *first) {
    fv_shard_units u = fv_shard_units_of(p->cut, p->ranks);
    return fv_shard_size(&u, p->rank, at->kind, fv_shard_extent(p->m->dims, t, at), first);
}

static int64_t members(const part *p, const fv_type *t, const fv_shard_at *at, int64_t *first) {
    fv_shard_units u = fv_shard_units_of(p->cut, p->ranks);
    return fv_shard_members(&u, p->rank, t->dims[at->members]->value, first);
}

static fv_value *share_of(part *p, const fv_value *v, const fv_shard_at *at) {
    for (int i = 0; i < p->nmade; i++)
        if (p->made[i].of == v && is_same(&p->made[i].at, at) &&
            p->made[i].units == p->cut->units.n)
            return p->made[i].share;
    int64_t first, n = share(p, v->type, at, &first);
    const fv_tensor *t =
        fv_shard_slice(p->m->arena, v->tensor, at->axis, at->outer->value, first, n);
    if (at->members >= 0) {
        n = members(p, v->type, at, &first);
        t = fv_shard_slice(p->m->arena, t, at->members, 1, first, n);
    }
    made_share made = {v, *at, p->cut->units.n, fv_const_new(p->m, v->name, t)};
    FV_PUSH(p->m->arena, p->made, p->nmade, p->cap_made, made);
    return made.share;
}

static void cut_constants(part *p) {
    for (int i = 0; i < p->cut->noperands; i++) {
        const fv_shard_operand *o = &p->cut->operands[i];
        fv_op_set_in(o->op, o->index, share_of(p, o->op->in[o->index], &o->at));
    }
}

/* A slice of the blocks with some numbers begins at another element of its operand, whose share has
 * smaller blocks. `y`: the result that was whole. */
static void move_slice(const part *p, fv_op *op, const fv_type *y, const fv_shard_at *at) {
    const fv_dim *start[FV_MAX_RANK];
    const fv_attr *a = fv_op_find_attr(op, "start");
    int64_t first, extent = fv_shard_extent(p->m->dims, y, at);
    for (int i = 0; i < y->rank; i++)
        start[i] = a->u.dims[i];
    if (fv_op_find_attr(op, "step")->u.dims[at->axis]->value != 1)
        return; /* the same of each s elements */
    start[at->axis] =
        fv_dim_const(p->m->dims, start[at->axis]->value / extent * share(p, y, at, &first));
    fv_op_set_dims(op, "start", y->rank, start);
}

/* The dims of a share. */
static void cut_dims(const part *p, const fv_type *t, const fv_shard_at *at, const fv_dim **dims) {
    fv_dims *d = p->m->dims;
    int64_t first;
    for (int i = 0; i < t->rank; i++)
        dims[i] = i == at->axis ? fv_dim_mul(d, at->outer, fv_dim_const(d, share(p, t, at, &first)))
                  : i == at->members ? fv_dim_const(d, members(p, t, at, &first))
                                     : t->dims[i];
}

/* Sets the type of a value, and the dims that its op states, to those of the rank. */
static void cut_value(const part *p, fv_value *v, const fv_shard_at *at) {
    const fv_type *t = v->type;
    const fv_dim *dims[FV_MAX_RANK];
    cut_dims(p, t, at, dims);
    if (v->def && fv_op_is(v->def, FV_OP_fv_Slice))
        move_slice(p, v->def, t, at);
    v->type = fv_tensor_type(p->m->arena, t->elem, t->rank, dims);
    v->elems = NULL;
    if (v->def && fv_op_find_attr(v->def, "dims"))
        fv_op_set_dims(v->def, "dims", t->rank, dims);
}

/* Checks that the operators compute results of the types that the search has found. */
static bool infer_again(fv_op *op) {
    const fv_type *want = op->out[0]->type;
    if (!fv_op_infer(op))
        return false;
    return fv_type_equal(op->out[0]->type, want) ||
           fv_op_error(op, "has no share of its axis on each rank");
}

/* A maximum or minimum is one over the share. `x`: the operand, which is cut. */
static void cut_extent(const part *p, fv_op *op) {
    const fv_value *x = op->in[0];
    const fv_shard_at *at = fv_shard_at_of(p->cut, x);
    const fv_dim *extent[FV_MAX_RANK];
    for (int i = 0; at && i < x->type->rank; i++)
        extent[i] = i == at->axis ? x->type->dims[i] : fv_op_find_attr(op, "extent")->u.dims[i];
    if (at)
        fv_op_set_dims(op, "extent", x->type->rank, extent);
}

/* Makes the op compute the partial result of the rank. The first rank alone adds what is added once
 * to the sum of all: the bias of the chosen experts, whose products are partial `sums`. */
static bool cut_partial(const part *p, fv_op *op, bool sums) {
    if (fv_op_is(op, FV_OP_fv_Reduce))
        cut_extent(p, op);
    if (sums && fv_op_is(op, FV_OP_fv_ExpertProduct) && p->rank > 0 && op->nin > 3)
        fv_op_set_in(op, 3, NULL);
    return infer_again(op);
}

static fv_op_id combines(const fv_op *op) {
    return !fv_op_is(op, FV_OP_fv_Reduce)        ? FV_OP_ReduceSum
           : fv_shard_is_reduce(op, "ReduceMax") ? FV_OP_ReduceMax
                                                 : FV_OP_ReduceMin;
}

/* The ranks exchange the partial results and combine them. */
static bool add_up(const part *p, fv_op *op) {
    fv_value *y = op->out[0];
    fv_op *next = op->next;
    fv_rewriter w = fv_rewriter_at(next);
    fv_use *uses = FV_NEW(p->m->arena, fv_use, y->nuses + 1);
    int n = y->nuses;
    memcpy(uses, y->uses, (size_t)n * sizeof *uses);
    bool scattered = fv_shard_has_op(&p->cut->how.scattered, op);
    fv_value *sum =
        (scattered ? fv_shard_scatter : fv_shard_all_reduce)(&w, y, p->ranks, combines(op));
    for (int i = 0; sum && i < n; i++)
        fv_op_set_in(uses[i].op, uses[i].index, sum);
    for (fv_op *o = op->next; sum && o != next; o = o->next)
        o->origin = op->origin;
    return sum != NULL;
}

/* The dims of t with `n` elements along the axis. */
static const fv_dim *const *with_size(const part *p, const fv_type *t, int axis, int64_t n) {
    const fv_dim **dims = FV_NEW(p->m->arena, const fv_dim *, t->rank);
    for (int i = 0; i < t->rank; i++)
        dims[i] = i == axis ? fv_dim_const(p->m->dims, n) : t->dims[i];
    return dims;
}

/* The shares of all ranks, which have one size: the axis of the ranks moves before `axis`, and
 * joins it. */
static fv_value *join_equal(const part *p, fv_rewriter *w, fv_value *gathered, const fv_type *t,
                            int axis) {
    int perm[FV_MAX_RANK];
    for (int i = 0; i <= t->rank; i++)
        perm[i] = i < axis ? i + 1 : i == axis ? 0 : i;
    fv_value *y = gathered ? fv_w_transpose(w, gathered, perm) : NULL;
    return y ? fv_w_reshape(w, y, t->rank, with_size(p, t, axis, t->dims[axis]->value * p->ranks))
             : NULL;
}

/* The shares of all ranks, of which each was filled up to the largest size; of the ranks that have
 * a copy of the same elements, the first one's. */
static fv_value *join_filled(const part *p, fv_rewriter *w, fv_value *gathered, const fv_type *t,
                             const fv_shard_at *at, int64_t extent) {
    fv_shard_units u = fv_shard_units_of(p->cut, p->ranks);
    fv_value **shares = FV_NEW(p->m->arena, fv_value *, p->ranks);
    int count = 0;
    for (int r = 0; r < p->ranks && gathered; r++) {
        const fv_dim *start[FV_MAX_RANK], *step[FV_MAX_RANK], *dims[FV_MAX_RANK];
        int64_t first, n = fv_shard_size(&u, r, at->kind, extent, &first);
        if (at->kind == FV_SHARE_GROUP && !fv_shard_is_first(&u, r))
            continue;
        for (int i = 0; i <= t->rank; i++) {
            start[i] = fv_dim_const(p->m->dims, i ? 0 : r);
            step[i] = fv_dim_const(p->m->dims, 1);
            dims[i] = fv_dim_const(p->m->dims, i ? n : 1);
            if (i && i - 1 != at->axis)
                dims[i] = t->dims[i - 1];
        }
        fv_value *y = fv_w_slice(w, gathered, start, step, dims);
        shares[count] = y ? fv_w_reshape(w, y, t->rank, dims + 1) : NULL;
        if (!shares[count++])
            return NULL;
    }
    fv_attr along = fv_attr_int(p->m, "axis", at->axis);
    return gathered ? fv_w_op(w, FV_OP_Concat, count, shares, 1, &along) : NULL;
}

/* v, filled up with zeros to n elements along the axis. */
static fv_value *fill(const part *p, fv_rewriter *w, fv_value *v, int axis, int64_t n) {
    const fv_type *t = v->type;
    if (t->dims[axis]->value == n)
        return v;
    const fv_dim *begin[FV_MAX_RANK];
    for (int i = 0; i < t->rank; i++)
        begin[i] = fv_dim_const(p->m->dims, 0);
    fv_attr attrs[] = {fv_attr_dims(p->m, "begin", t->rank, begin),
                       fv_attr_dims(p->m, "dims", t->rank, with_size(p, t, axis, n))};
    return fv_w_op(w, FV_OP_fv_Pad, 1, &v, 2, attrs);
}

/* The most elements that a rank has of an axis; *equal: all ranks have as many, and no copies. */
static int64_t most_of(const part *p, const fv_shard_at *at, int64_t extent, bool *equal) {
    fv_shard_units u = fv_shard_units_of(p->cut, p->ranks);
    int64_t most = 0, first;
    *equal = at->kind == FV_SHARE_UNITS;
    for (int r = 0; r < p->ranks; r++) {
        int64_t n = fv_shard_size(&u, r, at->kind, extent, &first);
        *equal &= r == 0 || n == most;
        most = n > most ? n : most;
    }
    return most;
}

/* Does a use of v read its share? `end`: the op that returns the results of the graph. */
static bool reads_share(const part *p, const fv_use *use, const fv_op *end) {
    return use->op == end ? fv_shard_is_kept(p->cut, use->index) : fv_shard_is_cut(p->cut, use->op);
}

/* Gathers the shares of v for the ops that are not cut, and for outputs. `extent`: the size of the
 * axis on all ranks together. */
static bool gather(const part *p, fv_value *v, const fv_shard_at *at, int64_t extent) {
    const fv_type *t = v->type;
    fv_op *end = p->m->funcs->body->last;
    fv_rewriter w = fv_rewriter_at(v->def ? v->def->next : p->m->funcs->body->first);
    int n = 0;
    fv_use *whole = FV_NEW(p->m->arena, fv_use, v->nuses + 1);
    for (int i = 0; i < v->nuses; i++)
        if (!reads_share(p, &v->uses[i], end))
            whole[n++] = v->uses[i];
    fv_attr ranks = fv_attr_int(p->m, "ranks", p->ranks);
    bool equal;
    int64_t most = most_of(p, at, extent, &equal);
    fv_value *y = fill(p, &w, v, at->axis, most);
    y = y ? fv_w_op(&w, FV_OP_fv_AllGather, 1, &y, 1, &ranks) : NULL;
    y = equal ? join_equal(p, &w, y, t, at->axis) : join_filled(p, &w, y, t, at, extent);
    for (int i = 0; y && i < n; i++)
        fv_op_set_in(whole[i].op, whole[i].index, y);
    return y != NULL;
}

/* The share of operand i of op; NULL: it is whole. */
static const fv_shard_at *share_of_operand(const part *p, const fv_op *op, int i) {
    for (int k = 0; k < p->cut->noperands; k++)
        if (p->cut->operands[k].op == op && p->cut->operands[k].index == i)
            return &p->cut->operands[k].at;
    return fv_shard_at_of(p->cut, op->in[i]);
}

/* For each op, what the rank has of the axis of its operand, which has not been cut yet. */
static fv_shard_part *parts_of(const part *p, const fv_shard_ops *ops) {
    fv_shard_part *list = FV_NEW(p->m->arena, fv_shard_part, ops->n + 1);
    for (int i = 0; i < ops->n; i++) {
        const fv_op *op = ops->at[i];
        int operand = fv_shard_across_operand(op);
        const fv_shard_at *at = share_of_operand(p, op, operand);
        if (!at || fv_shard_across(op, operand, at) == FV_ACROSS_NONE)
            continue;
        list[i] = (fv_shard_part){.ranks = p->ranks,
                                  .axis = at->axis,
                                  .inner = fv_shard_has_op(&p->cut->how.inner, op),
                                  .whole = op->in[operand]->type->dims[at->axis]->value};
        list[i].n = share(p, op->in[operand]->type, at, &list[i].first);
    }
    return list;
}

static bool apply(part *p) {
    bool ok = true;
    const fv_shard_ops *partial = &p->cut->partial, *softmaxes = &p->cut->softmaxes;
    const fv_shard_part *of_partial = parts_of(p, partial), *of_softmax = parts_of(p, softmaxes);
    int64_t *extents = FV_NEW(p->m->arena, int64_t, p->cut->noutputs + 1);
    for (int i = 0; i < p->cut->noutputs; i++) {
        const fv_value *v = p->cut->outputs[i];
        extents[i] = v->type->dims[fv_shard_axis_of(p->cut, v)]->value;
    }
    cut_constants(p);
    for (int i = 0; i < p->cut->nvalues; i++) {
        fv_value *v = p->cut->values[i];
        cut_value(p, v, fv_shard_at_of(p->cut, v));
    }
    for (int i = 0; i < p->cut->nvalues && ok; i++)
        ok = !p->cut->values[i]->def || infer_again(p->cut->values[i]->def);
    for (int i = 0; i < partial->n && ok; i++)
        ok = cut_partial(p, partial->at[i], !of_partial[i].ranks) &&
             (of_partial[i].ranks ? fv_shard_exchange_across(partial->at[i], &of_partial[i])
                                  : add_up(p, partial->at[i]));
    for (int i = 0; i < p->cut->noutputs && ok; i++)
        ok = gather(p, p->cut->outputs[i], fv_shard_at_of(p->cut, p->cut->outputs[i]), extents[i]);
    for (int i = 0; i < softmaxes->n && ok; i++)
        ok = fv_shard_exchange_across(softmaxes->at[i], &of_softmax[i]);
    return ok;
}

bool fv_shard_apply(fv_module *m, const fv_shard_plan *plan, int rank) {
    part p = {.m = m, .ranks = plan->ranks, .rank = rank};
    bool ok = true;
    for (int i = 0; i < plan->found->n && ok; i++) {
        p.cut = &plan->found->cuts[i];
        ok = apply(&p);
    }
    return ok;
}

/* A share of a constant that was counted, and the next one of the same constant. */
typedef struct counted {
    fv_shard_at at;
    int64_t units;
    struct counted *next;
} counted;

/* Is this the first operand that needs this share of the constant? */
static bool is_first(fv_arena *a, fv_ptrmap *all, const fv_value *v, const fv_shard_at *at,
                     int64_t units) {
    void **list = fv_ptrmap_at(all, v);
    for (const counted *c = *list; c; c = c->next)
        if (is_same(&c->at, at) && c->units == units)
            return false;
    counted *c = FV_NEW(a, counted, 1);
    *c = (counted){*at, units, *list};
    *list = c;
    return true;
}

/* The bytes of a rank's share of a constant. */
static uint64_t share_bytes(const part *p, const fv_value *v, const fv_shard_at *at) {
    const fv_dim *dims[FV_MAX_RANK];
    uint64_t bits = (uint64_t)fv_elem_bits(v->tensor->elem);
    cut_dims(p, v->type, at, dims);
    for (int i = 0; i < v->type->rank; i++)
        bits *= (uint64_t)dims[i]->value;
    return (bits + 7) / 8;
}

uint64_t fv_shard_weights(const fv_module *m, const fv_shard_plan *plan, int rank) {
    fv_ptrmap shared = fv_ptrmap_in(m->arena); /* constant -> the number of uses that are cut */
    fv_ptrmap shares = fv_ptrmap_in(m->arena); /* constant -> the list of counted */
    uint64_t bytes = 0;
    part p = {.m = (fv_module *)(uintptr_t)m, .ranks = plan->ranks, .rank = rank};
    for (int c = 0; c < plan->found->n; c++) {
        p.cut = &plan->found->cuts[c];
        for (int i = 0; i < p.cut->noperands; i++) {
            const fv_shard_operand *o = &p.cut->operands[i];
            const fv_value *v = o->op->in[o->index];
            void **uses = fv_ptrmap_at(&shared, v);
            *uses = (void *)((intptr_t)*uses + 1);
            if (is_first(m->arena, &shares, v, &o->at, p.cut->units.n))
                bytes += share_bytes(&p, v, &o->at);
        }
    }
    for (int i = 0; i < m->nconsts; i++)
        if (m->consts[i]->nuses > (intptr_t)fv_ptrmap_get(&shared, m->consts[i]))
            bytes += m->consts[i]->tensor->bytes;
    return bytes;
}
