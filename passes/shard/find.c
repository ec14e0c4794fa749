/* find.c - finds the cuts of a graph: from each product on whose right factor is constant, follows
 * an axis to all values that have a share of it, until only sums over the axis are left. */
#include "ir/base/text.h"
#include "ir/dim/poly.h"
#include "ir/dim/text.h"
#include "passes/shard/parts.h"

typedef struct search {
    fv_module *m;
    fv_arena *a;
    int ranks;
    fv_ptrmap constant; /* results that constants determine -> the bytes of these, as a pointer */
    fv_ptrmap taken;    /* values and products that belong to cuts that were found */
    /* of the cut that is followed now */
    fv_shard_axes axes;
    const char *why; /* why the axis cannot be cut; NULL: nothing is known against it */
} search;

/* ---- following an axis ---- */

/* The nodes of an op, or the name of its result where the model gives no names to nodes. */
static const char *node_of(const search *s, const fv_op *op) {
    return op->origin->n ? fv_origin_str(s->a, op->origin) : op->out[0]->name;
}

static const char *name_of(const search *s, const fv_op *op) {
    return fv_printf(s->a, "'%s' (%s)", node_of(s, op), fv_opdef_qualified(s->a, op->def));
}

static bool decline(search *s, const char *why) {
    s->why = why;
    return false;
}

/* Lowers the number of units into which the axis can be cut, so that it divides the extent of axis
 * `axis` of t. False, with s->why: there are fewer units than ranks, or the extent is not known. */
static bool take_extent(search *s, const fv_type *t, int axis, const fv_op *at) {
    const fv_dim *d = t->dims[axis];
    if (!fv_dim_is_const(d))
        return decline(s,
                       fv_printf(s->a, "axis %d of %s has no constant size", axis, name_of(s, at)));
    s->axes.units = fv_int_gcd(s->axes.units, d->value);
    return s->axes.units >= s->ranks ||
           decline(s, fv_printf(s->a, "%s has %lld units along the axis, fewer than ranks",
                                name_of(s, at), (long long)s->axes.units));
}

static bool take_constant(search *s, fv_op *op, int index, int axis) {
    const fv_value *v = op->in[index];
    if (fv_elem_bits(v->tensor->elem) < 8 || v->tensor->elem == FV_STRING)
        return decline(s,
                       fv_printf(s->a, "constant '%s' has elements of less than a byte", v->name));
    fv_shard_operand o = {op, index, axis};
    FV_PUSH(s->a, s->axes.operands, s->axes.noperands, s->axes.cap_operands, o);
    return take_extent(s, v->type, axis, op);
}

static bool is_partial(const search *s, const fv_op *op) {
    for (int i = 0; i < s->axes.npartial; i++)
        if (s->axes.partial[i] == op)
            return true;
    return false;
}

static bool decline_both(search *s, const fv_op *op) {
    return decline(s, fv_printf(s->a, "%s would be a partial sum, and cut", name_of(s, op)));
}

/* Adds v to the cut: each rank has a share of axis `axis` of v. `at`: the op that needs the share.
 * False, with s->why: v cannot be cut. */
static bool take(search *s, fv_value *v, int axis, const fv_op *at) {
    if (v->kind == FV_VALUE_PARAM)
        return decline(s, fv_printf(s->a, "input '%s', axis %d, would be cut", v->name, axis));
    int known = fv_shard_axis_of(&s->axes, v);
    if (known >= 0)
        return known == axis || decline(s, fv_printf(s->a, "%s would be cut along axes %d and %d",
                                                     name_of(s, v->def), known, axis));
    if (fv_ptrmap_get(&s->taken, v))
        return decline(s, fv_printf(s->a, "%s belongs to another cut", name_of(s, v->def)));
    if (v->def->block != s->m->funcs->body)
        return decline(s, fv_printf(s->a, "%s is in a branch or loop", name_of(s, v->def)));
    if (is_partial(s, v->def))
        return decline_both(s, v->def);
    *fv_ptrmap_at(&s->axes.axis, v) = (void *)(intptr_t)(axis + 1);
    FV_PUSH(s->a, s->axes.values, s->axes.nvalues, s->axes.cap_values, v);
    return take_extent(s, v->type, axis, at);
}

static bool take_operand(search *s, fv_op *op, int i, int axis) {
    return op->in[i]->kind == FV_VALUE_CONST ? take_constant(s, op, i, axis)
                                             : take(s, op->in[i], axis, op);
}

/* Adds to the cut the operands of which the op needs a share for a share of its result. */
static bool take_operands(search *s, fv_op *op, int axis) {
    if (op->nin == 0)
        return decline(s, fv_printf(s->a, "%s has no operand to cut", name_of(s, op)));
    for (int i = 0; i < op->nin; i++) {
        int a = fv_shard_operand_axis(op, axis, i);
        if (a == FV_AXIS_NONE)
            return decline(s, fv_printf(s->a, "%s needs axis %d as a whole", name_of(s, op), axis));
        if (a >= 0 && !take_operand(s, op, i, a))
            return false;
    }
    return true;
}

/* Adds to the cut a product that sums over the cut axis of its factor i: its result is a partial
 * sum, and the other factor is cut, too. */
static bool take_sum(search *s, fv_op *op, int i) {
    if (is_partial(s, op))
        return true;
    if (fv_shard_axis_of(&s->axes, op->out[0]) >= 0)
        return decline_both(s, op);
    if (fv_ptrmap_get(&s->taken, op->out[0]))
        return decline(s, fv_printf(s->a, "%s belongs to another cut", name_of(s, op)));
    if (!fv_elem_is_float(op->out[0]->type->elem) || op->out[0]->type->rank >= FV_MAX_RANK)
        return decline(s, fv_printf(s->a, "%s is no sum of floats", name_of(s, op)));
    FV_PUSH(s->a, s->axes.partial, s->axes.npartial, s->axes.cap_partial, op);
    const fv_type *other = op->in[!i]->type;
    if (other->rank < (i ? 1 : 2))
        return decline(s, fv_printf(s->a, "%s is no product of matrices", name_of(s, op)));
    return take_operand(s, op, !i, other->rank - (i ? 1 : 2));
}

/* Adds to the cut an output, whose shares the ranks gather. */
static bool take_output(search *s, fv_value *v, const char *name) {
    for (int i = 0; i < s->axes.noutputs; i++)
        if (s->axes.outputs[i] == v)
            return true;
    if (!(((fv_elem_set)1 << v->type->elem) & FV_SET_NUMBER) || v->type->rank >= FV_MAX_RANK)
        return decline(s, fv_printf(s->a, "output '%s' cannot be gathered", name));
    FV_PUSH(s->a, s->axes.outputs, s->axes.noutputs, s->axes.cap_outputs, v);
    return true;
}

/* Adds to the cut the ops that read v, of which each rank has a share along `axis`. */
static bool take_uses(search *s, fv_value *v, int axis) {
    for (int k = 0; k < v->nuses; k++) {
        fv_op *op = v->uses[k].op;
        int i = v->uses[k].index;
        if (op->def == &fv_return_def && op->block == s->m->funcs->body) {
            if (!take_output(s, v, s->m->funcs->result_names[i]))
                return false;
            continue;
        }
        int a = op->block == s->m->funcs->body ? fv_shard_result_axis(op, i, axis) : FV_AXIS_NONE;
        if (a == FV_AXIS_NONE)
            return decline(s, fv_printf(s->a, "%s needs axis %d of operand %d as a whole",
                                        name_of(s, op), axis, i));
        if (a == FV_AXIS_PARTIAL ? !take_sum(s, op, i) : !take(s, op->out[0], a, op))
            return false;
    }
    return true;
}

static bool follow(search *s, fv_op *op) {
    const fv_type *t = op->out[0]->type;
    s->axes = (fv_shard_axes){.axis = fv_ptrmap_in(s->a)};
    if (!take(s, op->out[0], t->rank - 1, op))
        return false;
    for (int i = 0; i < s->axes.nvalues; i++) {
        fv_value *v = s->axes.values[i];
        int axis = fv_shard_axis_of(&s->axes, v);
        if (!take_operands(s, v->def, axis) || !take_uses(s, v, axis))
            return false;
    }
    return s->axes.noutputs == 0 || s->axes.units % s->ranks == 0 ||
           decline(s, fv_printf(s->a,
                                "an output is gathered from shares of one size, and %lld units "
                                "are no multiple of the ranks",
                                (long long)s->axes.units));
}

/* ---- what was found ---- */

static uint64_t bytes_of(const fv_shard_axes *c) {
    uint64_t bytes = 0;
    for (int i = 0; i < c->noperands; i++) {
        const fv_value *v = c->operands[i].op->in[c->operands[i].index];
        bool again = false;
        for (int k = 0; k < i && !again; k++)
            again = c->operands[k].op->in[c->operands[k].index] == v;
        bytes += again ? 0 : v->tensor->bytes;
    }
    return bytes;
}

/* The bytes of a value that a rank sends to each other rank: all of them, or, if `parts` is more
 * than 1, one of so many equal shares. */
static const fv_dim *sent(const search *s, const fv_type *t, int parts) {
    const fv_dim *bytes = fv_dim_mul(s->m->dims, fv_dim_product(s->m->dims, t->rank, t->dims),
                                     fv_dim_const(s->m->dims, fv_elem_bits(t->elem) / 8));
    return fv_dim_floordiv(s->m->dims, bytes, fv_dim_const(s->m->dims, parts));
}

static void describe(search *s, const fv_op *first, fv_shard_plan *plan) {
    const fv_shard_axes *c = &s->axes;
    fv_shard_cut cut = {.first = node_of(s, first),
                        .units = c->units,
                        .bytes = bytes_of(c),
                        .nexchanges = c->npartial + c->noutputs,
                        .exchanged = FV_NEW(s->a, const fv_dim *, c->npartial + c->noutputs + 1)};
    fv_text last = {.arena = s->a};
    for (int i = 0; i < c->npartial; i++) {
        fv_text_printf(&last, "%s%s", i ? ", " : "", node_of(s, c->partial[i]));
        cut.exchanged[i] = sent(s, c->partial[i]->out[0]->type, 1);
    }
    for (int i = 0; i < c->noutputs; i++) {
        fv_text_printf(&last, "%s'%s'", last.n ? ", " : "", c->outputs[i]->name);
        cut.exchanged[c->npartial + i] = sent(s, c->outputs[i]->type, s->ranks);
    }
    cut.last = last.s;
    FV_PUSH(s->a, plan->cuts, plan->ncuts, plan->cap_cuts, cut);
}

static void keep(search *s, fv_shard_plan *plan) {
    for (int i = 0; i < s->axes.nvalues; i++)
        *fv_ptrmap_at(&s->taken, s->axes.values[i]) = s;
    for (int i = 0; i < s->axes.npartial; i++)
        *fv_ptrmap_at(&s->taken, s->axes.partial[i]->out[0]) = s;
    FV_PUSH(s->a, plan->found->cuts, plan->found->n, plan->found->cap, s->axes);
}

/* The constant of which the right factor is a view; NULL: it depends on something else. */
static const fv_value *weight_of(const fv_op *op) {
    const fv_value *v = op->in[1];
    while (v->kind == FV_VALUE_RESULT &&
           (fv_op_is(v->def, FV_OP_Transpose) || fv_op_is(v->def, FV_OP_fv_Reshape) ||
            fv_op_is(v->def, FV_OP_Cast)))
        v = v->def->in[0];
    return v->kind == FV_VALUE_CONST ? v : NULL;
}

/* The bytes of the constants from which alone v is computed; 0: it depends on something else. */
static uint64_t constant_bytes(const search *s, const fv_value *v) {
    return v->kind == FV_VALUE_CONST ? v->tensor->bytes
                                     : (uint64_t)(uintptr_t)fv_ptrmap_get(&s->constant, v);
}

/* Records whether the op computes its result from constants alone. */
static void find_constant(search *s, const fv_op *op) {
    uint64_t bytes = 0;
    for (int i = 0; i < op->nin; i++) {
        uint64_t of_operand = op->in[i] ? constant_bytes(s, op->in[i]) : 0;
        if (op->in[i] && !of_operand)
            return;
        bytes += of_operand;
    }
    if (bytes && op->nout == 1 && op->out[0] && !op->def->has_effect)
        *fv_ptrmap_at(&s->constant, op->out[0]) = (void *)(uintptr_t)bytes;
}

static void stays_whole(search *s, const fv_op *op, uint64_t bytes, fv_shard_plan *plan) {
    fv_shard_whole whole = {op, node_of(s, op), s->why, bytes};
    FV_PUSH(s->a, plan->whole, plan->nwhole, plan->cap_whole, whole);
}

static void try_product(search *s, fv_op *op, fv_shard_plan *plan) {
    if (!fv_op_is(op, FV_OP_fv_MatMul) || fv_ptrmap_get(&s->taken, op->out[0]))
        return;
    const fv_value *w = weight_of(op);
    s->why = NULL;
    if (!w && constant_bytes(s, op->in[1])) {
        s->why =
            fv_printf(s->a, "%s computes its weight from constants", name_of(s, op->in[1]->def));
        stays_whole(s, op, constant_bytes(s, op->in[1]), plan);
    } else if (w && follow(s, op)) {
        describe(s, op, plan);
        keep(s, plan);
    } else if (w)
        stays_whole(s, op, w->tensor->bytes, plan);
}

/* A product that was declined from its own columns may be the end of a later cut. */
static void drop_found(fv_shard_plan *plan) {
    int n = 0;
    for (int i = 0; i < plan->nwhole; i++) {
        bool found = false;
        for (int c = 0; c < plan->found->n && !found; c++)
            for (int k = 0; k < plan->found->cuts[c].npartial && !found; k++)
                found = plan->found->cuts[c].partial[k] == plan->whole[i].op;
        if (!found)
            plan->whole[n++] = plan->whole[i];
    }
    plan->nwhole = n;
}

/* Refuses exchanges, also in branches and loops: they would be among other ranks than those of the
 * parts. */
static bool has_no_exchange(const fv_region *block) {
    for (const fv_op *op = block->first; op; op = op->next) {
        if (fv_op_is(op, FV_OP_fv_AllGather) || fv_op_is(op, FV_OP_fv_AllToAll))
            return fv_op_error(op, "exchanges data among ranks already, so the model is a part "
                                   "itself, and cannot be cut");
        for (int i = 0; i < op->nattrs; i++)
            if (op->attrs[i].kind == FV_ATTR_REGION && !has_no_exchange(op->attrs[i].u.region))
                return false;
    }
    return true;
}

bool fv_shard_find(fv_module *m, int ranks, fv_shard_plan *out) {
    search s = {.m = m,
                .a = m->arena,
                .ranks = ranks,
                .taken = fv_ptrmap_in(m->arena),
                .constant = fv_ptrmap_in(m->arena)};
    *out = (fv_shard_plan){.ranks = ranks, .found = FV_NEW(m->arena, struct fv_shard_found, 1)};
    if (!has_no_exchange(m->funcs->body) || (ranks > 1 && !fv_shard_divide(m)))
        return false;
    for (fv_op *op = m->funcs->body->first; ranks > 1 && op; op = op->next) {
        find_constant(&s, op);
        try_product(&s, op, out);
    }
    drop_found(out);
    return true;
}
