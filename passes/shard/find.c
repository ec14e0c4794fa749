/* find.c - finds the cuts of a graph: from each product on whose right factor is constant, follows
 * an axis to all values that have a share of it, until only sums over the axis, inputs and outputs
 * are left. */
#include "ir/base/text.h"
#include "ir/dim/poly.h"
#include "ir/dim/text.h"
#include "passes/shard/parts.h"

typedef struct search {
    fv_module *m;
    fv_arena *a;
    int ranks;
    const int *states;  /* for each result of the graph, the parameter that gets it next, or -1 */
    fv_ptrmap constant; /* results that constants determine -> the bytes of these, as a pointer */
    fv_ptrmap taken;    /* values and products that belong to cuts that were found */
    fv_ptrmap
        choices; /* contractions -> their choices (fv_shard_choice), if a plan was asked for */
    /* of the cut that is followed now */
    fv_shard_axes axes;
    const char *why; /* why the axis cannot be cut; NULL: nothing is known against it */
} search;

/* ---- following an axis ---- */

static const char *name_of(const search *s, const fv_op *op) {
    return fv_printf(s->a, "'%s' (%s)", fv_shard_node(s->a, op), fv_opdef_qualified(s->a, op->def));
}

static const char *value_name(const search *s, const fv_value *v) {
    return v->def ? name_of(s, v->def) : fv_printf(s->a, "input '%s'", v->name);
}

static bool decline(search *s, const char *why) {
    s->why = why;
    return false;
}

/* Does the plan that was asked for have that op whole? */
static bool stays_whole_by_plan(search *s, const fv_op *op) {
    const fv_shard_choice *c = fv_ptrmap_get(&s->choices, op);
    return c && c->side == FV_SHARD_WHOLE &&
           !decline(s, fv_printf(s->a, "the plan has %s whole", name_of(s, op)));
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

/* Can each rank get a share of a parameter? It must be an input of the graph, whose elements are
 * not dims, and are stored in whole bytes. */
static bool can_share(const search *s, const fv_value *v) {
    return v->block == s->m->funcs->body && !v->elems && v->type->elem != FV_STRING &&
           fv_elem_bits(v->type->elem) >= 8;
}

static bool can_take(search *s, const fv_value *v, int axis) {
    if (v->kind == FV_VALUE_PARAM)
        return can_share(s, v) ||
               decline(s, fv_printf(s->a, "input '%s', axis %d, would be cut", v->name, axis));
    if (v->def->block != s->m->funcs->body)
        return decline(s, fv_printf(s->a, "%s is in a branch or loop", name_of(s, v->def)));
    return !is_partial(s, v->def) || decline_both(s, v->def);
}

/* Adds v to the cut: each rank has a share of axis `axis` of v. `at`: the op that needs the share.
 * False, with s->why: v cannot be cut. */
static bool take(search *s, fv_value *v, int axis, const fv_op *at) {
    int known = fv_shard_axis_of(&s->axes, v);
    if (known >= 0)
        return known == axis || decline(s, fv_printf(s->a, "%s would be cut along axes %d and %d",
                                                     value_name(s, v), known, axis));
    if (fv_ptrmap_get(&s->taken, v))
        return decline(s, fv_printf(s->a, "%s belongs to another cut", value_name(s, v)));
    if (!can_take(s, v, axis) || (v->def && stays_whole_by_plan(s, v->def)))
        return false;
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
    if (stays_whole_by_plan(s, op))
        return false;
    FV_PUSH(s->a, s->axes.partial, s->axes.npartial, s->axes.cap_partial, op);
    const fv_type *other = op->in[!i]->type;
    if (other->rank < (i ? 1 : 2))
        return decline(s, fv_printf(s->a, "%s is no product of matrices", name_of(s, op)));
    return take_operand(s, op, !i, other->rank - (i ? 1 : 2));
}

/* Adds to the cut the ops that read v, of which each rank has a share along `axis`. */
static bool take_uses(search *s, fv_value *v, int axis) {
    for (int k = 0; k < v->nuses; k++) {
        fv_op *op = v->uses[k].op;
        int i = v->uses[k].index;
        if (op->def == &fv_return_def && op->block == s->m->funcs->body)
            continue; /* end_at_outputs decides what becomes of outputs */
        int a = op->block == s->m->funcs->body ? fv_shard_result_axis(op, i, axis) : FV_AXIS_NONE;
        if (a == FV_AXIS_NONE)
            return decline(s, fv_printf(s->a, "%s needs axis %d of operand %d as a whole",
                                        name_of(s, op), axis, i));
        if (a == FV_AXIS_PARTIAL ? !take_sum(s, op, i) : !take(s, op->out[0], a, op))
            return false;
    }
    return true;
}

/* Is result i of the graph the next value of an input that is cut along the axis? */
static bool is_state(const search *s, int i, int axis) {
    const fv_region *body = s->m->funcs->body;
    return s->states[i] >= 0 && fv_shard_axis_of(&s->axes, body->params[s->states[i]]) == axis;
}

static bool is_gathered(const search *s, const fv_value *v) {
    for (int i = 0; i < s->axes.noutputs; i++)
        if (s->axes.outputs[i] == v)
            return true;
    return false;
}

/* If result i is the next value of an input that is cut, it must be cut along the same axis. */
static bool fits_state(search *s, int i, int axis) {
    const fv_value *next = s->states[i] < 0 ? NULL : s->m->funcs->body->params[s->states[i]];
    int known = next ? fv_shard_axis_of(&s->axes, next) : -1;
    return known < 0 || known == axis ||
           decline(s, fv_printf(s->a, "input '%s', axis %d, would be cut, but not output '%s'",
                                next->name, known, s->m->funcs->result_names[i]));
}

static bool can_gather(const fv_value *v) {
    return (((fv_elem_set)1 << v->type->elem) & FV_SET_NUMBER) && v->type->rank < FV_MAX_RANK;
}

/* The outputs of the graph that are cut: states stay shares, as their inputs are, and the ranks
 * gather the others. */
static bool end_at_outputs(search *s) {
    const fv_op *end = s->m->funcs->body->last;
    for (int i = 0; i < end->nin; i++) {
        fv_value *v = end->in[i];
        int axis = fv_shard_axis_of(&s->axes, v);
        if (!fits_state(s, i, axis))
            return false;
        if (axis >= 0 && is_state(s, i, axis))
            FV_PUSH(s->a, s->axes.kept.at, s->axes.kept.n, s->axes.kept.cap, i);
        if (axis < 0 || is_state(s, i, axis) || is_gathered(s, v))
            continue;
        if (!can_gather(v))
            return decline(
                s, fv_printf(s->a, "output '%s' cannot be gathered", s->m->funcs->result_names[i]));
        FV_PUSH(s->a, s->axes.outputs, s->axes.noutputs, s->axes.cap_outputs, v);
    }
    return true;
}

/* Follows the columns of the product. `gathers`: all ranks gather its result. */
static bool follow(search *s, fv_op *op, bool gathers) {
    fv_value *y = op->out[0];
    s->axes = (fv_shard_axes){.axis = fv_ptrmap_in(s->a)};
    if (!take(s, y, y->type->rank - 1, op))
        return false;
    if (gathers) {
        if (!can_gather(y))
            return decline(s, fv_printf(s->a, "%s cannot be gathered", name_of(s, op)));
        FV_PUSH(s->a, s->axes.outputs, s->axes.noutputs, s->axes.cap_outputs, y);
    }
    for (int i = 0; i < s->axes.nvalues; i++) {
        fv_value *v = s->axes.values[i];
        int axis = fv_shard_axis_of(&s->axes, v);
        if (v->def && !take_operands(s, v->def, axis))
            return false;
        if (!(gathers && v == y) && !take_uses(s, v, axis))
            return false;
    }
    return end_at_outputs(s);
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

/* The bytes of a value that a rank sends to each other rank. axis: of which it sends its share, or
 * what is filled up to the largest share; -1: it sends the whole value. */
static const fv_dim *sent(const search *s, const fv_type *t, int axis) {
    fv_dims *d = s->m->dims;
    const fv_dim *bytes = fv_dim_const(d, fv_elem_bits(t->elem) / 8);
    int64_t units = s->axes.units, most = (units + s->ranks - 1) / s->ranks;
    for (int i = 0; i < t->rank; i++)
        bytes = fv_dim_mul(
            d, bytes, i == axis ? fv_dim_const(d, t->dims[i]->value / units * most) : t->dims[i]);
    return bytes;
}

/* Adds an input or output of which each rank has a share to the plan, and to the text of the
 * cut. */
static void add_port(search *s, const fv_value *v, const char *name, bool is_output, fv_text *text,
                     fv_shard_plan *plan) {
    int axis = fv_shard_axis_of(&s->axes, v);
    int64_t *sizes = FV_NEW(s->a, int64_t, s->ranks), first;
    for (int r = 0; r < s->ranks; r++)
        sizes[r] = fv_shard_size(s->axes.units, s->ranks, r, v->type->dims[axis]->value, &first);
    fv_shard_port port = {name, is_output, axis, sizes};
    FV_PUSH(s->a, plan->ports, plan->nports, plan->cap_ports, port);
    fv_text_printf(text, "%s'%s'", text->n ? ", " : "", name);
}

static const char *add_ports(search *s, fv_shard_plan *plan) {
    const fv_func *f = s->m->funcs;
    fv_text text = {.arena = s->a};
    for (int i = 0; i < f->body->nparams; i++)
        if (fv_shard_axis_of(&s->axes, f->body->params[i]) >= 0)
            add_port(s, f->body->params[i], f->body->params[i]->name, false, &text, plan);
    for (int k = 0; k < s->axes.kept.n; k++)
        add_port(s, f->body->last->in[s->axes.kept.at[k]], f->result_names[s->axes.kept.at[k]],
                 true, &text, plan);
    return text.n ? text.s : "";
}

static void describe(search *s, const fv_op *first, fv_shard_plan *plan) {
    const fv_shard_axes *c = &s->axes;
    fv_shard_cut cut = {.first = fv_shard_node(s->a, first),
                        .units = c->units,
                        .bytes = bytes_of(c),
                        .nexchanges = c->npartial + c->noutputs,
                        .exchanged = FV_NEW(s->a, const fv_dim *, c->npartial + c->noutputs + 1)};
    fv_text last = {.arena = s->a};
    for (int i = 0; i < c->npartial; i++) {
        fv_text_printf(&last, "%s%s", i ? ", " : "", fv_shard_node(s->a, c->partial[i]));
        cut.exchanged[i] = sent(s, c->partial[i]->out[0]->type, -1);
    }
    for (int i = 0; i < c->noutputs; i++) {
        fv_text_printf(&last, "%s'%s'", last.n ? ", " : "", c->outputs[i]->name);
        cut.exchanged[c->npartial + i] =
            sent(s, c->outputs[i]->type, fv_shard_axis_of(c, c->outputs[i]));
    }
    cut.last = last.n ? last.s : "";
    cut.shares = add_ports(s, plan);
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
    fv_shard_whole whole = {op, fv_shard_node(s->a, op), s->why, bytes};
    FV_PUSH(s->a, plan->whole, plan->nwhole, plan->cap_whole, whole);
}

/* Cuts the product as the choice says, along its columns. */
static bool cut_by_choice(search *s, fv_op *op, const fv_shard_choice *c, fv_shard_plan *plan) {
    bool ok = follow(s, op, false);
    if (c->collective == FV_SHARD_ALL_GATHER && !(ok && is_gathered(s, op->out[0])))
        ok = follow(s, op, true);
    if (!ok)
        return fv_op_error(op, "the plan cuts its columns, and that cannot be done: %s", s->why);
    describe(s, op, plan);
    keep(s, plan);
    return true;
}

/* Begins the cuts that the plan asks for. */
static bool cut_by_request(search *s, fv_shard_plan *plan) {
    for (fv_op *op = s->m->funcs->body->first; s->ranks > 1 && op; op = op->next) {
        const fv_shard_choice *c = fv_ptrmap_get(&s->choices, op);
        if (c && c->side == FV_SHARD_COLUMNS && !fv_ptrmap_get(&s->taken, op->out[0]) &&
            !cut_by_choice(s, op, c, plan))
            return false;
    }
    return true;
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
    } else if (w && follow(s, op, false)) {
        describe(s, op, plan);
        keep(s, plan);
    } else if (w)
        stays_whole(s, op, w->tensor->bytes, plan);
}

/* Records a product with a constant factor that the plan does not cut. */
static void leave_product(search *s, const fv_op *op, fv_shard_plan *plan) {
    if (!fv_op_is(op, FV_OP_fv_MatMul) || fv_ptrmap_get(&s->taken, op->out[0]) ||
        !constant_bytes(s, op->in[1]))
        return;
    s->why = "the plan does not cut it";
    stays_whole(s, op, constant_bytes(s, op->in[1]), plan);
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

bool fv_shard_find(fv_module *m, int ranks, const int *states, const fv_shard_request *request,
                   fv_shard_plan *out) {
    search s = {.m = m,
                .a = m->arena,
                .ranks = ranks,
                .states = states,
                .taken = fv_ptrmap_in(m->arena),
                .choices = fv_ptrmap_in(m->arena),
                .constant = fv_ptrmap_in(m->arena)};
    *out = (fv_shard_plan){.ranks = ranks, .found = FV_NEW(m->arena, struct fv_shard_found, 1)};
    if (!has_no_exchange(m->funcs->body) || (ranks > 1 && !fv_shard_divide(m)))
        return false;
    if (request && (!fv_shard_find_choices(m, request, &s.choices) || !cut_by_request(&s, out)))
        return false;
    for (fv_op *op = m->funcs->body->first; ranks > 1 && op; op = op->next) {
        find_constant(&s, op);
        if (request)
            leave_product(&s, op, out);
        else
            try_product(&s, op, out);
    }
    drop_found(out);
    fv_shard_describe(m, out);
    return !request || fv_shard_meets(m, out, &s.choices);
}
