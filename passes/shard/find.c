/* find.c - finds the cuts of a graph: from each product with a weight on, follows an axis to all
 * values that have a share of it, until only sums over the axis, inputs and outputs are left. */
#include "ir/base/text.h"
#include "ir/dim/poly.h"
#include "ir/dim/text.h"
#include "passes/shard/labels.h"

typedef struct search {
    fv_module *m;
    fv_arena *a;
    int ranks;
    const int *states;  /* for each result of the graph, the parameter that gets it next, or -1 */
    fv_ptrmap constant; /* results that constants determine -> the bytes of these, as a pointer */
    fv_ptrmap taken;    /* values and products that belong to cuts that were found */
    const fv_shard_request *request; /* NULL: none */
    fv_ptrmap choices; /* contractions -> their choices (fv_shard_choice) in the request */
    /* of the cut that is followed now */
    fv_shard_axes axes;
    bool shares_inputs; /* may the cut reach inputs that are no states? */
    bool gathers;       /* is the result of the product at which the cut begins gathered? */
    bool exchanges;  /* may ops that need the axis as a whole exchange small results (across.c)? */
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

/* With groups: lowers the number of units of the members of each group, so that it divides the
 * members of an axis, or an axis of members. */
static bool take_members(search *s, int64_t members, const fv_op *at) {
    int64_t groups = s->axes.units.groups, copies = (s->ranks + groups - 1) / groups;
    s->axes.units.n = fv_int_gcd(s->axes.units.n, members);
    return s->axes.units.n >= copies ||
           decline(s, fv_printf(s->a, "%s has %lld units for each of %lld groups, fewer than ranks",
                                name_of(s, at), (long long)s->axes.units.n, (long long)groups));
}

/* Lowers the number of units into which the axes can be cut, so that it divides the extent of an
 * axis of t. False, with s->why: there are fewer units than ranks, or the extent is not known. */
static bool take_extent(search *s, const fv_type *t, const fv_shard_at *share, const fv_op *at) {
    int64_t n = fv_shard_extent(s->m->dims, t, share), groups = s->axes.units.groups;
    if (!n)
        return decline(
            s, fv_printf(s->a, "axis %d of %s has no constant size", share->axis, name_of(s, at)));
    if (groups && n % groups)
        return decline(s, fv_printf(s->a, "axis %d of %s is not divided into %lld groups",
                                    share->axis, name_of(s, at), (long long)groups));
    if (groups) {
        const fv_dim *members = share->members < 0 ? NULL : t->dims[share->members];
        if (members && !fv_dim_is_const(members))
            return decline(s, fv_printf(s->a, "axis %d of %s has no constant size", share->members,
                                        name_of(s, at)));
        return share->kind == FV_SHARE_GROUP ||
               take_members(s, members ? members->value : n / groups, at);
    }
    s->axes.units.n = fv_int_gcd(s->axes.units.n, n);
    return s->axes.units.n >= s->ranks ||
           decline(s, fv_printf(s->a, "%s has %lld units along the axis, fewer than ranks",
                                name_of(s, at), (long long)s->axes.units.n));
}

static bool take_constant(search *s, fv_op *op, int index, const fv_shard_at *at) {
    const fv_value *v = op->in[index];
    if (v->tensor->elem == FV_STRING)
        return decline(s, fv_printf(s->a, "constant '%s' has strings", v->name));
    fv_shard_operand o = {op, index, *at};
    FV_PUSH(s->a, s->axes.operands, s->axes.noperands, s->axes.cap_operands, o);
    return take_extent(s, v->type, at, op);
}

static bool is_partial(const search *s, const fv_op *op) {
    return fv_shard_has_op(&s->axes.partial, op);
}

static bool decline_both(search *s, const fv_op *op) {
    return decline(s, fv_printf(s->a, "%s would be a partial sum, and cut", name_of(s, op)));
}

/* Is the parameter a state, whose next value is a result of the graph? */
static bool is_next_of(const search *s, const fv_value *v) {
    const fv_region *body = s->m->funcs->body;
    for (int i = 0; i < body->last->nin; i++)
        if (s->states[i] >= 0 && body->params[s->states[i]] == v)
            return true;
    return false;
}

/* Can each rank get a share of a parameter? It must be an input of the graph, whose elements are
 * neither dims nor strings; and the share must be one range of the axis. */
static bool can_share(const search *s, const fv_value *v, const fv_shard_at *at) {
    return v->block == s->m->funcs->body && !v->elems && v->type->elem != FV_STRING &&
           at->kind != FV_SHARE_BOTH && fv_dim_is_one(at->outer) &&
           (s->shares_inputs || is_next_of(s, v));
}

static bool can_take(search *s, const fv_value *v, const fv_shard_at *at) {
    if (v->kind == FV_VALUE_PARAM)
        return can_share(s, v, at) ||
               decline(s, fv_printf(s->a, "input '%s', axis %d, would be cut", v->name, at->axis));
    if (v->def->block != s->m->funcs->body)
        return decline(s, fv_printf(s->a, "%s is in a branch or loop", name_of(s, v->def)));
    return !is_partial(s, v->def) || decline_both(s, v->def);
}

static bool is_same_share(const fv_shard_at *a, const fv_shard_at *b) {
    return a->axis == b->axis && a->members == b->members && a->kind == b->kind &&
           a->outer == b->outer;
}

/* Adds v to the cut: each rank has that share of v. `op`: the op that needs it. False, with s->why:
 * v cannot be cut. */
static bool take(search *s, fv_value *v, const fv_shard_at *at, const fv_op *op) {
    const fv_shard_at *known = fv_shard_at_of(&s->axes, v);
    if (known)
        return is_same_share(known, at) ||
               decline(s, known->axis == at->axis
                              ? fv_printf(s->a, "%s would be cut along axis %d in two ways",
                                          value_name(s, v), at->axis)
                              : fv_printf(s->a, "%s would be cut along axes %d and %d",
                                          value_name(s, v), known->axis, at->axis));
    if (fv_ptrmap_get(&s->taken, v))
        return decline(s, fv_printf(s->a, "%s belongs to another cut", value_name(s, v)));
    if (!can_take(s, v, at) || (v->def && stays_whole_by_plan(s, v->def)))
        return false;
    fv_shard_at *own = FV_NEW(s->a, fv_shard_at, 1);
    *own = *at;
    *fv_ptrmap_at(&s->axes.at, v) = own;
    FV_PUSH(s->a, s->axes.values, s->axes.nvalues, s->axes.cap_values, v);
    return take_extent(s, v->type, at, op);
}

static bool take_operand(search *s, fv_op *op, int i, const fv_shard_at *at) {
    return op->in[i]->kind == FV_VALUE_CONST ? take_constant(s, op, i, at)
                                             : take(s, op->in[i], at, op);
}

/* Adds to the cut the operands of which the op needs a share for a share of its result. */
static bool take_operands(search *s, fv_op *op, const fv_shard_at *at) {
    if (fv_shard_has_op(&s->axes.softmaxes, op))
        return take_operand(s, op, 0, at);
    if (op->nin == 0)
        return decline(s, fv_printf(s->a, "%s has no operand to cut", name_of(s, op)));
    for (int i = 0; i < op->nin; i++) {
        fv_shard_at of = fv_shard_operand_at(op, at, i);
        if (of.axis == FV_AXIS_NONE)
            return decline(
                s, fv_printf(s->a, "%s needs axis %d as a whole", name_of(s, op), at->axis));
        if (of.axis >= 0 && !take_operand(s, op, i, &of))
            return false;
    }
    return true;
}

/* Can the partial results of all ranks be combined: by a sum of numbers of which each rank has
 * others, by a maximum or minimum, or as those of an op that is computed across ranks? `at`: the
 * share of operand i. */
static bool can_combine(search *s, const fv_op *op, int i, const fv_shard_at *at) {
    const fv_type *t = op->out[0]->type;
    if (fv_shard_across(op, i, at) != FV_ACROSS_NONE)
        return true;
    bool sums = !fv_op_is(op, FV_OP_fv_Reduce);
    if (t->rank >= FV_MAX_RANK || !(((fv_elem_set)1 << t->elem) & FV_SET_NUMBER) ||
        (sums && !fv_elem_is_float(t->elem) && fv_elem_bits(t->elem) < 32))
        return decline(s,
                       fv_printf(s->a, "%s is no sum of floats or wide integers", name_of(s, op)));
    return !sums || at->kind == FV_SHARE_UNITS ||
           decline(s, fv_printf(s->a, "%s would sum the copies of groups", name_of(s, op)));
}

/* Adds to the cut a product that sums over the cut axis of its factor i, or a maximum or minimum
 * over it: its result is a partial one, and the other factors are cut, too. */
static bool take_sum(search *s, fv_op *op, int i, const fv_shard_at *at) {
    if (is_partial(s, op))
        return true;
    if (fv_shard_at_of(&s->axes, op->out[0]))
        return decline_both(s, op);
    if (fv_ptrmap_get(&s->taken, op->out[0]))
        return decline(s, fv_printf(s->a, "%s belongs to another cut", name_of(s, op)));
    if (!can_combine(s, op, i, at) || stays_whole_by_plan(s, op))
        return false;
    FV_PUSH(s->a, s->axes.partial.at, s->axes.partial.n, s->axes.partial.cap, op);
    for (int j = 0; j < op->nin; j++) {
        fv_shard_at of = j == i ? *at : fv_shard_sum_at(op, i, at, j);
        if (of.axis == FV_AXIS_NONE)
            return decline(s, fv_printf(s->a, "%s needs the axis as a whole", name_of(s, op)));
        if (of.axis >= 0 && !take_operand(s, op, j, &of))
            return false;
    }
    return true;
}

/* The share of the result of an op of the graph for a share of operand i; PARTIAL or NONE. */
static fv_shard_at result_of(search *s, fv_op *op, int i, const fv_shard_at *at) {
    fv_shard_at of = fv_shard_result_at(op, i, at);
    fv_shard_across_kind across = FV_ACROSS_NONE;
    if (s->exchanges && of.axis == FV_AXIS_NONE)
        across = fv_shard_across(op, i, at);
    if (across == FV_ACROSS_SOFTMAX && !fv_shard_has_op(&s->axes.softmaxes, op))
        FV_PUSH(s->a, s->axes.softmaxes.at, s->axes.softmaxes.n, s->axes.softmaxes.cap, op);
    if (across == FV_ACROSS_SOFTMAX)
        return *at;
    of.axis = across == FV_ACROSS_NONE ? of.axis : FV_AXIS_PARTIAL;
    return of;
}

/* Adds to the cut the ops that read v, of which each rank has a share. */
static bool take_uses(search *s, fv_value *v, const fv_shard_at *at) {
    for (int k = 0; k < v->nuses; k++) {
        fv_op *op = v->uses[k].op;
        int i = v->uses[k].index;
        if (op->def == &fv_return_def && op->block == s->m->funcs->body)
            continue; /* end_at_outputs decides what becomes of outputs */
        fv_shard_at of = {.axis = FV_AXIS_NONE};
        if (op->block == s->m->funcs->body)
            of = result_of(s, op, i, at);
        if (of.axis == FV_AXIS_NONE)
            return decline(s, fv_printf(s->a, "%s needs axis %d of operand %d as a whole",
                                        name_of(s, op), at->axis, i));
        if (of.axis == FV_AXIS_PARTIAL ? !take_sum(s, op, i, at) : !take(s, op->out[0], &of, op))
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

/* Can all ranks gather their shares of v? The share must be one range of an axis. */
static bool can_gather(const search *s, const fv_value *v) {
    const fv_shard_at *at = fv_shard_at_of(&s->axes, v);
    return (((fv_elem_set)1 << v->type->elem) & FV_SET_NUMBER) && v->type->rank < FV_MAX_RANK &&
           at->kind != FV_SHARE_BOTH && fv_dim_is_one(at->outer);
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
        if (!can_gather(s, v))
            return decline(
                s, fv_printf(s->a, "output '%s' cannot be gathered", s->m->funcs->result_names[i]));
        FV_PUSH(s->a, s->axes.outputs, s->axes.noutputs, s->axes.cap_outputs, v);
    }
    return true;
}

/* Has each rank as many elements as an fv.Order takes of each line? */
static bool orders_enough(search *s) {
    for (int i = 0; i < s->axes.partial.n; i++) {
        const fv_op *op = s->axes.partial.at[i];
        if (!fv_op_is(op, FV_OP_fv_Order))
            continue;
        int64_t units = s->axes.units.n, n = op->in[0]->type->dims[1]->value;
        int64_t k = fv_op_find_attr(op, "dims")->u.dims[1]->value;
        if (units / s->ranks * (n / units) < k)
            return decline(s, fv_printf(s->a, "%s takes %lld elements, more than a rank has",
                                        name_of(s, op), (long long)k));
    }
    return true;
}

/* Follows the share from operand i of op, which is summed, or from the result (-1), which all ranks
 * gather if s->gathers is set. */
static bool follow_from(search *s, fv_op *op, int i, const fv_shard_at *at) {
    if (i < 0 ? !take(s, op->out[0], at, op) : !take_sum(s, op, i, at))
        return false;
    const fv_value *y = s->gathers ? op->out[0] : NULL;
    if (y && !can_gather(s, y))
        return decline(s, fv_printf(s->a, "%s cannot be gathered", name_of(s, op)));
    if (y)
        FV_PUSH(s->a, s->axes.outputs, s->axes.noutputs, s->axes.cap_outputs, op->out[0]);
    for (int k = 0; k < s->axes.nvalues; k++) {
        fv_value *v = s->axes.values[k];
        const fv_shard_at *share = fv_shard_at_of(&s->axes, v);
        if ((v->def && !take_operands(s, v->def, share)) || (v != y && !take_uses(s, v, share)))
            return false;
    }
    return orders_enough(s) && end_at_outputs(s);
}

/* Follows axis `axis` of operand i of op, or of its result (-1), as an axis of units, or, if there
 * are fewer of them than ranks, as one of groups with members. */
static bool follow(search *s, fv_op *op, int i, int axis) {
    fv_shard_at at = {.axis = axis, .members = -1, .outer = fv_dim_const(s->m->dims, 1)};
    s->axes = (fv_shard_axes){.at = fv_ptrmap_in(s->a)};
    if (follow_from(s, op, i, &at))
        return true;
    at.groups = s->axes.units.n;
    if (at.groups < 2 || at.groups >= s->ranks)
        return false;
    const char *why = s->why;
    s->axes = (fv_shard_axes){.at = fv_ptrmap_in(s->a), .units = {.groups = at.groups}};
    if (follow_from(s, op, i, &at))
        return true;
    s->why = why;
    return false;
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

/* The most elements that a rank has of each block of the axis. */
static int64_t largest_share(const search *s, const fv_type *t, const fv_shard_at *at) {
    fv_shard_units u = fv_shard_units_of(&s->axes, s->ranks);
    int64_t most = 0, extent = fv_shard_extent(s->m->dims, t, at), first;
    for (int r = 0; r < s->ranks; r++) {
        int64_t n = fv_shard_size(&u, r, at->kind, extent, &first);
        most = n > most ? n : most;
    }
    return most;
}

/* The bytes of a value that a rank sends to each other rank: its share, filled up to the largest
 * share. */
static const fv_dim *sent(const search *s, const fv_type *t, const fv_shard_at *at) {
    fv_dims *d = s->m->dims;
    const fv_dim *bytes = fv_dim_const(d, fv_elem_bits(t->elem) / 8);
    for (int i = 0; i < t->rank; i++)
        bytes = fv_dim_mul(d, bytes,
                           i == at->axis ? fv_dim_const(d, largest_share(s, t, at)) : t->dims[i]);
    return bytes;
}

/* Adds an input or output of which each rank has a share to the plan, and to the text of the
 * cut. */
static void add_port(search *s, const fv_value *v, const char *name, bool is_output, fv_text *text,
                     fv_shard_plan *plan) {
    const fv_shard_at *at = fv_shard_at_of(&s->axes, v);
    fv_shard_units u = fv_shard_units_of(&s->axes, s->ranks);
    int64_t *sizes = FV_NEW(s->a, int64_t, s->ranks), *firsts = FV_NEW(s->a, int64_t, s->ranks);
    for (int r = 0; r < s->ranks; r++)
        sizes[r] = fv_shard_size(&u, r, at->kind, v->type->dims[at->axis]->value, &firsts[r]);
    fv_shard_port port = {name, is_output, at->axis, sizes, firsts};
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

/* The bytes of a value of type t, if its elements had type e. */
static const fv_dim *bytes_as(const search *s, const fv_type *t, fv_elem e) {
    const fv_dim *bytes = fv_dim_const(s->m->dims, fv_elem_bits(e) / 8);
    for (int i = 0; i < t->rank; i++)
        bytes = fv_dim_mul(s->m->dims, bytes, t->dims[i]);
    return bytes;
}

/* The exchanges of an op whose result is partial: choices send numbers and their positions. */
static void add_partial(const search *s, const fv_op *op, fv_shard_cut *cut) {
    const char *node = fv_shard_node(s->a, op);
    const fv_type *y = op->out[0]->type;
    bool order = fv_op_is(op, FV_OP_fv_Order);
    if (order || fv_op_is(op, FV_OP_fv_ArgMax) || fv_op_is(op, FV_OP_fv_ArgMin)) {
        const fv_dim *numbers = bytes_as(s, y, op->in[0]->type->elem);
        cut->exchanges[cut->nexchanges++] = (fv_shard_exchange){node, FV_SHARD_ALL_GATHER, numbers};
        cut->exchanges[cut->nexchanges++] =
            (fv_shard_exchange){node, FV_SHARD_ALL_GATHER, bytes_as(s, y, FV_I64)};
    } else {
        cut->exchanges[cut->nexchanges++] =
            (fv_shard_exchange){node, FV_SHARD_ALL_REDUCE, bytes_as(s, y, y->elem)};
    }
}

/* The exchanges of a softmax over the axis: of a maximum, and of a sum. */
static void add_softmax(const search *s, const fv_op *op, fv_shard_cut *cut) {
    const fv_type *y = op->out[0]->type;
    const fv_dim *dims[FV_MAX_RANK];
    for (int i = 0; i < y->rank; i++)
        dims[i] =
            i == fv_shard_axis_of(&s->axes, op->out[0]) ? fv_dim_const(s->m->dims, 1) : y->dims[i];
    const fv_type *one = fv_tensor_type(s->a, y->elem, y->rank, dims);
    for (int k = 0; k < 2; k++)
        cut->exchanges[cut->nexchanges++] =
            (fv_shard_exchange){fv_shard_node(s->a, op), FV_SHARD_ALL_REDUCE,
                                bytes_as(s, one, y->elem == FV_F64 ? FV_F64 : FV_F32)};
}

/* Adds the exchanges of the cut, and the nodes after which they are. */
static void add_exchanges(search *s, fv_shard_cut *cut) {
    const fv_shard_axes *c = &s->axes;
    fv_text last = {.arena = s->a};
    cut->exchanges =
        FV_NEW(s->a, fv_shard_exchange, 2 * (c->partial.n + c->softmaxes.n) + c->noutputs + 1);
    for (int i = 0; i < c->softmaxes.n; i++) {
        fv_text_printf(&last, "%s%s", last.n ? ", " : "", fv_shard_node(s->a, c->softmaxes.at[i]));
        add_softmax(s, c->softmaxes.at[i], cut);
    }
    for (int i = 0; i < c->partial.n; i++) {
        fv_text_printf(&last, "%s%s", last.n ? ", " : "", fv_shard_node(s->a, c->partial.at[i]));
        add_partial(s, c->partial.at[i], cut);
    }
    for (int i = 0; i < c->noutputs; i++) {
        const fv_value *v = c->outputs[i];
        fv_text_printf(&last, "%s'%s'", last.n ? ", " : "", v->name);
        cut->exchanges[cut->nexchanges++] =
            (fv_shard_exchange){v->def ? fv_shard_node(s->a, v->def) : v->name, FV_SHARD_ALL_GATHER,
                                sent(s, v->type, fv_shard_at_of(c, v))};
    }
    cut->last = last.n ? last.s : "";
}

static void describe(search *s, const fv_op *first, fv_shard_plan *plan) {
    const fv_shard_axes *c = &s->axes;
    fv_shard_cut cut = {.first = fv_shard_node(s->a, first),
                        .units = c->units.groups ? c->units.groups * c->units.n : c->units.n,
                        .groups = c->units.groups,
                        .bytes = bytes_of(c)};
    add_exchanges(s, &cut);
    cut.shares = add_ports(s, plan);
    FV_PUSH(s->a, plan->cuts, plan->ncuts, plan->cap_cuts, cut);
}

static void keep(search *s, fv_shard_plan *plan) {
    for (int i = 0; i < s->axes.nvalues; i++)
        *fv_ptrmap_at(&s->taken, s->axes.values[i]) = s;
    for (int i = 0; i < s->axes.partial.n; i++)
        *fv_ptrmap_at(&s->taken, s->axes.partial.at[i]->out[0]) = s;
    FV_PUSH(s->a, plan->found->cuts, plan->found->n, plan->found->cap, s->axes);
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

/* The operand of a product that is a weight, which constants alone determine; -1: there is none, or
 * constants determine all operands. Its axes must not all have one element, but for one: tables of
 * angles and scales are no weights. */
static int weight_of(const search *s, const fv_op *op) {
    fv_shard_labels l;
    int weight = -1, long_axes = 0;
    bool other = false;
    if (fv_op_is(op, FV_OP_fv_Gather) || !fv_shard_labels_of(op, &l))
        return -1;
    for (int i = 0; i < op->nin; i++) {
        uint64_t bytes = op->in[i] ? constant_bytes(s, op->in[i]) : 0;
        other |= op->in[i] && !bytes;
        if (bytes && (weight < 0 || op->in[i]->type->rank > op->in[weight]->type->rank))
            weight = i;
    }
    for (int d = 0; weight >= 0 && d < op->in[weight]->type->rank; d++)
        long_axes += !fv_dim_is_one(op->in[weight]->type->dims[d]);
    return other && long_axes > 1 ? weight : -1;
}

/* The first product whose weight is cut along an axis of its result, of those that the cut has; op
 * if there is none. */
static const fv_op *first_of(const search *s, const fv_op *op) {
    for (const fv_op *p = s->m->funcs->body->first; p && p != op; p = p->next)
        if (p->nout == 1 && p->out[0] && fv_shard_at_of(&s->axes, p->out[0]) &&
            weight_of(s, p) >= 0)
            return p;
    return op;
}

static void stays_whole(search *s, const fv_op *op, uint64_t bytes, fv_shard_plan *plan) {
    fv_shard_whole whole = {op, fv_shard_node(s->a, op), s->why, bytes};
    FV_PUSH(s->a, plan->whole, plan->nwhole, plan->cap_whole, whole);
}

/* Tries to cut an axis of the result that only the weight has, such as the columns. `side`: that of
 * the axis; FV_SHARD_WHOLE: any. False, with s->why: none can be cut. */
static bool follow_columns(search *s, fv_op *op, int weight, fv_shard_side side) {
    fv_shard_labels l;
    const char *why = NULL;
    for (int d = 0; d < op->out[0]->type->rank && fv_shard_labels_of(op, &l); d++) {
        bool only = fv_shard_label_axis(op, &l, weight, l.out[d]) >= 0 &&
                    (side == FV_SHARD_WHOLE || side == fv_shard_side_of(op, d));
        for (int i = 0; i < op->nin && only; i++)
            only = i == weight || !op->in[i] || constant_bytes(s, op->in[i]) ||
                   fv_shard_label_axis(op, &l, i, l.out[d]) == FV_AXIS_WHOLE;
        if (only && follow(s, op, -1, d))
            return true;
        why = only && !why ? s->why : why;
    }
    s->why = why ? why : fv_printf(s->a, "%s has no columns to cut", name_of(s, op));
    return false;
}

/* Tries to cut an axis of the weight that is summed. Inputs are not cut for that, but states. */
static bool follow_rows(search *s, fv_op *op, int weight) {
    fv_shard_labels l;
    bool found = false;
    s->shares_inputs = false;
    for (int d = 0; d < op->in[weight]->type->rank && !found && fv_shard_labels_of(op, &l); d++)
        found = fv_shard_labelled_result(op, &l, weight, d) == FV_AXIS_PARTIAL &&
                follow(s, op, weight, d);
    s->shares_inputs = true;
    return found;
}

/* Tries the columns of the product; and its rows, where the columns cannot be cut, or are gathered
 * at once although the rows would divide more weights. */
static bool follow_product(search *s, fv_op *op, int weight) {
    bool columns = follow_columns(s, op, weight, FV_SHARD_WHOLE);
    const fv_shard_axes found = s->axes;
    const char *why = s->why;
    if (columns && found.noutputs == 0)
        return true;
    if (follow_rows(s, op, weight) && (!columns || bytes_of(&s->axes) > bytes_of(&found)))
        return true;
    s->axes = found;
    s->why = why;
    return columns;
}

static void keep_product(search *s, fv_op *op, fv_shard_plan *plan) {
    describe(s, first_of(s, op), plan);
    keep(s, plan);
}

/* Tries the columns of the product, with exchanges of small results, or gathered at once. */
static bool follow_exchanged(search *s, fv_op *op, int weight, fv_shard_side side) {
    const char *why = s->why;
    s->exchanges = true;
    bool found = follow_columns(s, op, weight, side);
    s->exchanges = false;
    if (!found) {
        s->gathers = true;
        found = follow_columns(s, op, weight, side);
        s->gathers = false;
    }
    s->why = found ? s->why : why;
    return found;
}

static void try_product(search *s, fv_op *op, fv_shard_plan *plan) {
    int weight = op->nout == 1 && op->out[0] ? weight_of(s, op) : -1;
    if (weight < 0 || fv_ptrmap_get(&s->taken, op->out[0]))
        return;
    uint64_t bytes = constant_bytes(s, op->in[weight]);
    s->why = NULL;
    if (follow_product(s, op, weight) ||
        (bytes >= FV_SHARD_LARGE && follow_exchanged(s, op, weight, FV_SHARD_WHOLE)))
        keep_product(s, op, plan);
    else
        stays_whole(s, op, bytes, plan);
}

/* ---- tables ---- */

/* Has a cut that was found a share of a constant that is the same as one of the present cut? Then
 * the rank has one copy of it. */
static bool shares_constant(const search *s, const fv_shard_plan *plan) {
    for (int i = 0; i < s->axes.noperands; i++)
        for (int c = 0; c < plan->found->n; c++) {
            const fv_shard_axes *other = &plan->found->cuts[c];
            const fv_shard_operand *own = &s->axes.operands[i];
            for (int k = 0; k < other->noperands && other->units.n == s->axes.units.n; k++) {
                const fv_shard_operand *o = &other->operands[k];
                if (o->op->in[o->index] == own->op->in[own->index] &&
                    is_same_share(&o->at, &own->at))
                    return true;
            }
        }
    return false;
}

static bool follow_table_rows(search *s, fv_op *op) {
    s->exchanges = true;
    bool found = follow(s, op, 0, (int)fv_op_int(op, "axis"));
    s->exchanges = false;
    return found;
}

/* Tries the columns of the table, of which all ranks gather what they look up. */
static bool follow_table_columns(search *s, fv_op *op) {
    fv_shard_labels l;
    bool found = false;
    s->gathers = true;
    s->why = fv_printf(s->a, "%s has no columns to cut", name_of(s, op));
    for (int d = op->out[0]->type->rank - 1; d >= 0 && !found && fv_shard_labels_of(op, &l); d--)
        found = fv_shard_label_axis(op, &l, 0, l.out[d]) >= 0 && follow(s, op, -1, d);
    s->gathers = false;
    return found;
}

/* Cuts a table along its rows if its constant is cut so already, as the weights of the last product
 * may be; otherwise along its columns, which exchanges less. */
static bool follow_table(search *s, fv_op *op, const fv_shard_plan *plan) {
    bool rows = follow_table_rows(s, op);
    const fv_shard_axes found = s->axes;
    if (rows && shares_constant(s, plan))
        return true;
    if (follow_table_columns(s, op))
        return true;
    s->axes = found;
    return rows;
}

static void try_table(search *s, fv_op *op, fv_shard_plan *plan) {
    uint64_t bytes = fv_shard_is_look_up(op) ? constant_bytes(s, op->in[0]) : 0;
    if (bytes < FV_SHARD_LARGE || fv_ptrmap_get(&s->taken, op->out[0]))
        return;
    s->why = NULL;
    if (follow_table(s, op, plan)) {
        describe(s, op, plan);
        keep(s, plan);
    } else {
        stays_whole(s, op, bytes, plan);
    }
}

/* Cuts the product as the choice says, along an axis of its result that only the weight has. False:
 * it may be reached from the rows of another one. */
static bool cut_by_choice(search *s, fv_op *op, int weight, const fv_shard_choice *c,
                          fv_shard_plan *plan) {
    bool ok = follow_columns(s, op, weight, c->side);
    if (!ok && c->collective != FV_SHARD_ALL_GATHER) {
        s->exchanges = true;
        ok = follow_columns(s, op, weight, c->side);
        s->exchanges = false;
    }
    if (c->collective == FV_SHARD_ALL_GATHER && !(ok && is_gathered(s, op->out[0]))) {
        s->gathers = true;
        ok = follow_columns(s, op, weight, c->side);
        s->gathers = false;
    }
    if (ok) {
        describe(s, first_of(s, op), plan);
        keep(s, plan);
    }
    return ok;
}

/* Begins the cuts that the plan asks for along that side of products with a weight. */
static void cut_side(search *s, fv_shard_side side, fv_shard_plan *plan) {
    for (fv_op *op = s->m->funcs->body->first; op; op = op->next) {
        const fv_shard_choice *c = fv_ptrmap_get(&s->choices, op);
        int weight = c && c->side == side ? weight_of(s, op) : -1;
        if (weight < 0 || fv_ptrmap_get(&s->taken, op->out[0]))
            continue;
        if (side != FV_SHARD_ROWS) {
            (void)cut_by_choice(s, op, weight, c, plan);
        } else if (follow_rows(s, op, weight)) {
            describe(s, first_of(s, op), plan);
            keep(s, plan);
        }
    }
}

/* Cuts the tables as the plan asks for. False after a diagnostic: one cannot be cut. */
static bool cut_tables(search *s, fv_shard_plan *plan) {
    for (fv_op *op = s->m->funcs->body->first; op; op = op->next) {
        const fv_shard_choice *c = fv_ptrmap_get(&s->choices, op);
        bool rows = c && c->side == FV_SHARD_TABLE_ROWS;
        if ((!rows && !(c && c->side == FV_SHARD_TABLE_COLUMNS)) ||
            fv_ptrmap_get(&s->taken, op->out[0]))
            continue;
        if (!(rows ? follow_table_rows(s, op) : follow_table_columns(s, op)))
            return fv_op_error(op, "the plan cuts its %s, and that cannot be done: %s",
                               fv_shard_side_names[c->side], s->why);
        describe(s, op, plan);
        keep(s, plan);
    }
    return true;
}

/* Begins the cuts that the plan asks for. False after a diagnostic: columns cannot be cut. */
static bool cut_by_request(search *s, fv_shard_plan *plan) {
    static const fv_shard_side sides[] = {FV_SHARD_COLUMNS, FV_SHARD_LEFT, FV_SHARD_BATCH,
                                          FV_SHARD_ROWS};
    for (size_t i = 0; i < sizeof sides / sizeof *sides; i++)
        cut_side(s, sides[i], plan);
    for (fv_op *op = s->m->funcs->body->first; op; op = op->next) {
        const fv_shard_choice *c = fv_ptrmap_get(&s->choices, op);
        int weight = c && c->side == FV_SHARD_COLUMNS ? weight_of(s, op) : -1;
        s->why = "it has no weight";
        if (c && c->side == FV_SHARD_COLUMNS && !fv_ptrmap_get(&s->taken, op->out[0]) &&
            (weight < 0 || !cut_by_choice(s, op, weight, c, plan)))
            return fv_op_error(op, "%s its columns, and that cannot be done: %s",
                               s->request->annotated ? "the annotations cut" : "the plan cuts",
                               s->why);
    }
    return cut_tables(s, plan);
}

/* Records a product with a weight that the plan does not cut. */
static void leave_product(search *s, const fv_op *op, fv_shard_plan *plan) {
    int weight = op->nout == 1 && op->out[0] ? weight_of(s, op) : -1;
    if (weight < 0 || fv_ptrmap_get(&s->taken, op->out[0]))
        return;
    s->why =
        s->request->annotated ? "no sharding of its factors was read" : "the plan does not cut it";
    stays_whole(s, op, constant_bytes(s, op->in[weight]), plan);
}

/* A product that was declined from its own columns may belong to a later cut. */
static void drop_found(fv_shard_plan *plan) {
    int n = 0;
    for (int i = 0; i < plan->nwhole; i++) {
        bool found = false;
        for (int c = 0; c < plan->found->n && !found; c++) {
            found = fv_shard_at_of(&plan->found->cuts[c], plan->whole[i].op->out[0]) != NULL;
            found |= fv_shard_has_op(&plan->found->cuts[c].partial, plan->whole[i].op);
        }
        if (!found)
            plan->whole[n++] = plan->whole[i];
    }
    plan->nwhole = n;
}

/* Refuses exchanges, also in branches and loops: they would be among other ranks than those of the
 * parts. */
static bool has_no_exchange(const fv_region *block) {
    for (const fv_op *op = block->first; op; op = op->next) {
        if (op->def->distinct == FV_COMMUNICATES)
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
    if (request && request->n < 0)
        request = NULL;
    search s = {.m = m,
                .a = m->arena,
                .ranks = ranks,
                .states = states,
                .request = request,
                .shares_inputs = true,
                .taken = fv_ptrmap_in(m->arena),
                .choices = fv_ptrmap_in(m->arena),
                .constant = fv_ptrmap_in(m->arena)};
    *out = (fv_shard_plan){.ranks = ranks, .found = FV_NEW(m->arena, struct fv_shard_found, 1)};
    if (!has_no_exchange(m->funcs->body) ||
        (ranks > 1 && (!fv_shard_separate(m) || !fv_shard_divide(m))))
        return false;
    for (const fv_op *op = m->funcs->body->first; ranks > 1 && op; op = op->next)
        find_constant(&s, op);
    if (request && ranks > 1 &&
        (!fv_shard_find_choices(m, request, &s.choices) || !cut_by_request(&s, out)))
        return false;
    for (fv_op *op = m->funcs->body->first; ranks > 1 && op; op = op->next) {
        if (request)
            leave_product(&s, op, out);
        else
            try_product(&s, op, out);
    }
    for (fv_op *op = m->funcs->body->first; ranks > 1 && !request && op; op = op->next)
        try_table(&s, op, out);
    drop_found(out);
    fv_shard_describe(m, out);
    return !request || fv_shard_meets(m, out, request, &s.choices);
}
