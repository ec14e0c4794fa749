/* follow.c - follows an axis from one value on to all values that have a share of it, until only
 * partial results, inputs and outputs are left. */
#include "ir/base/text.h"
#include "ir/dim/poly.h"
#include "ir/dim/text.h"
#include "passes/shard/search.h"

const char *fv_shard_op_name(const fv_shard_search *s, const fv_op *op) {
    return fv_printf(s->a, "'%s' (%s)", fv_shard_node(s->a, op), fv_opdef_qualified(s->a, op->def));
}

static const char *value_name(const fv_shard_search *s, const fv_value *v) {
    return v->def ? fv_shard_op_name(s, v->def) : fv_printf(s->a, "input '%s'", v->name);
}

bool fv_shard_decline(fv_shard_search *s, const char *why) {
    s->why = why;
    return false;
}

/* Does the plan that was asked for have that op whole? */
static bool stays_whole_by_plan(fv_shard_search *s, const fv_op *op) {
    const fv_shard_choice *c = fv_ptrmap_get(&s->choices, op);
    return c && c->side == FV_SHARD_WHOLE &&
           !fv_shard_decline(s, fv_printf(s->a, "the plan has %s whole", fv_shard_op_name(s, op)));
}

/* With groups: lowers the number of units of the members of each group, so that it divides the
 * members of an axis, or an axis of members. */
static bool take_members(fv_shard_search *s, int64_t members, const fv_op *at) {
    int64_t groups = s->axes.units.groups, copies = (s->ranks + groups - 1) / groups;
    s->axes.units.n = fv_int_gcd(s->axes.units.n, members);
    return s->axes.units.n >= copies ||
           fv_shard_decline(
               s,
               fv_printf(s->a, "%s has %lld units for each of %lld groups, fewer than ranks",
                         fv_shard_op_name(s, at), (long long)s->axes.units.n, (long long)groups));
}

/* Lowers the number of units into which the axes can be cut, so that it divides the extent of an
 * axis of t. False, with s->why: there are fewer units than ranks, or the extent is not known. */
static bool take_extent(fv_shard_search *s, const fv_type *t, const fv_shard_at *share,
                        const fv_op *at) {
    int64_t n = fv_shard_extent(s->m->dims, t, share), groups = s->axes.units.groups;
    if (!n)
        return fv_shard_decline(s, fv_printf(s->a, "axis %d of %s has no constant size",
                                             share->axis, fv_shard_op_name(s, at)));
    if (groups && n % groups)
        return fv_shard_decline(s,
                                fv_printf(s->a, "axis %d of %s is not divided into %lld groups",
                                          share->axis, fv_shard_op_name(s, at), (long long)groups));
    if (groups) {
        const fv_dim *members = share->members < 0 ? NULL : t->dims[share->members];
        if (members && !fv_dim_is_const(members))
            return fv_shard_decline(s, fv_printf(s->a, "axis %d of %s has no constant size",
                                                 share->members, fv_shard_op_name(s, at)));
        return share->kind == FV_SHARE_GROUP ||
               take_members(s, members ? members->value : n / groups, at);
    }
    s->axes.units.n = fv_int_gcd(s->axes.units.n, n);
    return s->axes.units.n >= s->ranks ||
           fv_shard_decline(s, fv_printf(s->a, "%s has %lld units along the axis, fewer than ranks",
                                         fv_shard_op_name(s, at), (long long)s->axes.units.n));
}

static bool take_constant(fv_shard_search *s, fv_op *op, int index, const fv_shard_at *at) {
    const fv_value *v = op->in[index];
    if (v->tensor->elem == FV_STRING)
        return fv_shard_decline(s, fv_printf(s->a, "constant '%s' has strings", v->name));
    fv_shard_operand o = {op, index, *at};
    FV_PUSH(s->a, s->axes.operands, s->axes.noperands, s->axes.cap_operands, o);
    return take_extent(s, v->type, at, op);
}

static bool is_partial(const fv_shard_search *s, const fv_op *op) {
    return fv_shard_has_op(&s->axes.partial, op);
}

static bool decline_both(fv_shard_search *s, const fv_op *op) {
    return fv_shard_decline(
        s, fv_printf(s->a, "%s would be a partial sum, and cut", fv_shard_op_name(s, op)));
}

/* Is the parameter a state, whose next value is a result of the graph? */
static bool is_next_of(const fv_shard_search *s, const fv_value *v) {
    const fv_region *body = s->m->funcs->body;
    for (int i = 0; i < body->last->nin; i++)
        if (s->states[i] >= 0 && body->params[s->states[i]] == v)
            return true;
    return false;
}

/* Can each rank get a share of a parameter? It must be an input of the graph, whose elements are
 * neither dims nor strings; and the share must be one range of the axis. */
static bool can_share(const fv_shard_search *s, const fv_value *v, const fv_shard_at *at) {
    return v->block == s->m->funcs->body && !v->elems && v->type->elem != FV_STRING &&
           at->kind != FV_SHARE_BOTH && fv_dim_is_one(at->outer) &&
           (s->shares_inputs || is_next_of(s, v));
}

static bool can_take(fv_shard_search *s, const fv_value *v, const fv_shard_at *at) {
    if (v->kind == FV_VALUE_PARAM)
        return can_share(s, v, at) ||
               fv_shard_decline(
                   s, fv_printf(s->a, "input '%s', axis %d, would be cut", v->name, at->axis));
    if (v->def->block != s->m->funcs->body)
        return fv_shard_decline(
            s, fv_printf(s->a, "%s is in a branch or loop", fv_shard_op_name(s, v->def)));
    return !is_partial(s, v->def) || decline_both(s, v->def);
}

bool fv_shard_is_same_share(const fv_shard_at *a, const fv_shard_at *b) {
    return a->axis == b->axis && a->members == b->members && a->kind == b->kind &&
           a->outer == b->outer;
}

/* Adds v to the cut: each rank has that share of v. `op`: the op that needs it. False, with s->why:
 * v cannot be cut. */
static bool take(fv_shard_search *s, fv_value *v, const fv_shard_at *at, const fv_op *op) {
    const fv_shard_at *known = fv_shard_at_of(&s->axes, v);
    if (known)
        return fv_shard_is_same_share(known, at) ||
               fv_shard_decline(s,
                                known->axis == at->axis
                                    ? fv_printf(s->a, "%s would be cut along axis %d in two ways",
                                                value_name(s, v), at->axis)
                                    : fv_printf(s->a, "%s would be cut along axes %d and %d",
                                                value_name(s, v), known->axis, at->axis));
    if (fv_ptrmap_get(&s->taken, v))
        return fv_shard_decline(s, fv_printf(s->a, "%s belongs to another cut", value_name(s, v)));
    if (!can_take(s, v, at) || (v->def && stays_whole_by_plan(s, v->def)))
        return false;
    fv_shard_at *own = FV_NEW(s->a, fv_shard_at, 1);
    *own = *at;
    *fv_ptrmap_at(&s->axes.at, v) = own;
    FV_PUSH(s->a, s->axes.values, s->axes.nvalues, s->axes.cap_values, v);
    return take_extent(s, v->type, at, op);
}

static bool take_operand(fv_shard_search *s, fv_op *op, int i, const fv_shard_at *at) {
    return op->in[i]->kind == FV_VALUE_CONST ? take_constant(s, op, i, at)
                                             : take(s, op->in[i], at, op);
}

/* Adds to the cut the operands of which the op needs a share for a share of its result. */
static bool take_operands(fv_shard_search *s, fv_op *op, const fv_shard_at *at) {
    if (fv_shard_has_op(&s->axes.softmaxes, op))
        return take_operand(s, op, 0, at);
    if (op->nin == 0)
        return fv_shard_decline(
            s, fv_printf(s->a, "%s has no operand to cut", fv_shard_op_name(s, op)));
    for (int i = 0; i < op->nin; i++) {
        fv_shard_at of = fv_shard_operand_at(op, at, i);
        if (of.axis == FV_AXIS_NONE)
            return fv_shard_decline(s, fv_printf(s->a, "%s needs axis %d as a whole",
                                                 fv_shard_op_name(s, op), at->axis));
        if (of.axis >= 0 && !take_operand(s, op, i, &of))
            return false;
    }
    return true;
}

/* Can the partial results of all ranks be combined: by a sum of numbers of which each rank has
 * others, by a maximum or minimum, or as those of an op that is computed across ranks? `at`: the
 * share of operand i. */
static bool can_combine(fv_shard_search *s, const fv_op *op, int i, const fv_shard_at *at) {
    const fv_type *t = op->out[0]->type;
    if (fv_shard_across(op, i, at) != FV_ACROSS_NONE)
        return true;
    bool sums = !fv_op_is(op, FV_OP_fv_Reduce);
    if (t->rank >= FV_MAX_RANK || !(((fv_elem_set)1 << t->elem) & FV_SET_NUMBER) ||
        (sums && !fv_elem_is_float(t->elem) && fv_elem_bits(t->elem) < 32))
        return fv_shard_decline(
            s, fv_printf(s->a, "%s is no sum of floats or wide integers", fv_shard_op_name(s, op)));
    return !sums || at->kind == FV_SHARE_UNITS ||
           fv_shard_decline(
               s, fv_printf(s->a, "%s would sum the copies of groups", fv_shard_op_name(s, op)));
}

/* Adds to the cut a product that sums over the cut axis of its factor i, or a maximum or minimum
 * over it: its result is a partial one, and the other factors are cut, too. */
bool fv_shard_take_sum(fv_shard_search *s, fv_op *op, int i, const fv_shard_at *at) {
    if (is_partial(s, op))
        return true;
    if (fv_shard_at_of(&s->axes, op->out[0]))
        return decline_both(s, op);
    if (fv_ptrmap_get(&s->taken, op->out[0]))
        return fv_shard_decline(
            s, fv_printf(s->a, "%s belongs to another cut", fv_shard_op_name(s, op)));
    if (!can_combine(s, op, i, at) || stays_whole_by_plan(s, op))
        return false;
    FV_PUSH(s->a, s->axes.partial.at, s->axes.partial.n, s->axes.partial.cap, op);
    for (int j = 0; j < op->nin; j++) {
        fv_shard_at of = j == i ? *at : fv_shard_sum_at(op, i, at, j);
        if (of.axis == FV_AXIS_NONE)
            return fv_shard_decline(
                s, fv_printf(s->a, "%s needs the axis as a whole", fv_shard_op_name(s, op)));
        if (of.axis >= 0 && !take_operand(s, op, j, &of))
            return false;
    }
    return true;
}

/* The share of the result of an op of the graph for a share of operand i; PARTIAL or NONE. */
static fv_shard_at result_of(fv_shard_search *s, fv_op *op, int i, const fv_shard_at *at) {
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
static bool take_uses(fv_shard_search *s, fv_value *v, const fv_shard_at *at) {
    for (int k = 0; k < v->nuses; k++) {
        fv_op *op = v->uses[k].op;
        int i = v->uses[k].index;
        if (op->def == &fv_return_def && op->block == s->m->funcs->body)
            continue; /* end_at_outputs decides what becomes of outputs */
        fv_shard_at of = {.axis = FV_AXIS_NONE};
        if (op->block == s->m->funcs->body)
            of = result_of(s, op, i, at);
        if (of.axis == FV_AXIS_NONE)
            return fv_shard_decline(s, fv_printf(s->a, "%s needs axis %d of operand %d as a whole",
                                                 fv_shard_op_name(s, op), at->axis, i));
        if (of.axis == FV_AXIS_PARTIAL ? !fv_shard_take_sum(s, op, i, at)
                                       : !take(s, op->out[0], &of, op))
            return false;
    }
    return true;
}

/* Is result i of the graph the next value of an input that is cut along the axis? */
static bool is_state(const fv_shard_search *s, int i, int axis) {
    const fv_region *body = s->m->funcs->body;
    return s->states[i] >= 0 && fv_shard_axis_of(&s->axes, body->params[s->states[i]]) == axis;
}

bool fv_shard_is_gathered(const fv_shard_search *s, const fv_value *v) {
    for (int i = 0; i < s->axes.noutputs; i++)
        if (s->axes.outputs[i] == v)
            return true;
    return false;
}

/* If result i is the next value of an input that is cut, it must be cut along the same axis. */
static bool fits_state(fv_shard_search *s, int i, int axis) {
    const fv_value *next = s->states[i] < 0 ? NULL : s->m->funcs->body->params[s->states[i]];
    int known = next ? fv_shard_axis_of(&s->axes, next) : -1;
    return known < 0 || known == axis ||
           fv_shard_decline(s, fv_printf(s->a,
                                         "input '%s', axis %d, would be cut, but not output '%s'",
                                         next->name, known, s->m->funcs->result_names[i]));
}

/* Can all ranks gather their shares of v? The share must be one range of an axis. */
static bool can_gather(const fv_shard_search *s, const fv_value *v) {
    const fv_shard_at *at = fv_shard_at_of(&s->axes, v);
    return (((fv_elem_set)1 << v->type->elem) & FV_SET_NUMBER) && v->type->rank < FV_MAX_RANK &&
           at->kind != FV_SHARE_BOTH && fv_dim_is_one(at->outer);
}

/* The outputs of the graph that are cut: states stay shares, as their inputs are, and the ranks
 * gather the others. */
static bool end_at_outputs(fv_shard_search *s) {
    const fv_op *end = s->m->funcs->body->last;
    for (int i = 0; i < end->nin; i++) {
        fv_value *v = end->in[i];
        int axis = fv_shard_axis_of(&s->axes, v);
        if (!fits_state(s, i, axis))
            return false;
        if (axis >= 0 && is_state(s, i, axis))
            FV_PUSH(s->a, s->axes.kept.at, s->axes.kept.n, s->axes.kept.cap, i);
        if (axis < 0 || is_state(s, i, axis) || fv_shard_is_gathered(s, v))
            continue;
        if (!can_gather(s, v))
            return fv_shard_decline(
                s, fv_printf(s->a, "output '%s' cannot be gathered", s->m->funcs->result_names[i]));
        FV_PUSH(s->a, s->axes.outputs, s->axes.noutputs, s->axes.cap_outputs, v);
    }
    return true;
}

/* Has each rank as many elements as an fv.Order takes of each line? */
static bool orders_enough(fv_shard_search *s) {
    for (int i = 0; i < s->axes.partial.n; i++) {
        const fv_op *op = s->axes.partial.at[i];
        if (!fv_op_is(op, FV_OP_fv_Order))
            continue;
        int64_t units = s->axes.units.n, n = op->in[0]->type->dims[1]->value;
        int64_t k = fv_op_find_attr(op, "dims")->u.dims[1]->value;
        if (units / s->ranks * (n / units) < k)
            return fv_shard_decline(s,
                                    fv_printf(s->a, "%s takes %lld elements, more than a rank has",
                                              fv_shard_op_name(s, op), (long long)k));
    }
    return true;
}

/* Follows the shares of all values of the cut; all ranks gather y, if it is not NULL, so that its
 * users are not cut. */
bool fv_shard_follow_values(fv_shard_search *s, const fv_value *y) {
    for (int k = 0; k < s->axes.nvalues; k++) {
        fv_value *v = s->axes.values[k];
        const fv_shard_at *share = fv_shard_at_of(&s->axes, v);
        if ((v->def && !take_operands(s, v->def, share)) || (v != y && !take_uses(s, v, share)))
            return false;
    }
    return orders_enough(s) && end_at_outputs(s);
}

/* Follows the share from operand i of op, which is summed, or from the result (-1), which all ranks
 * gather if s->gathers is set. */
static bool follow_from(fv_shard_search *s, fv_op *op, int i, const fv_shard_at *at) {
    if (i < 0 ? !take(s, op->out[0], at, op) : !fv_shard_take_sum(s, op, i, at))
        return false;
    const fv_value *y = s->gathers ? op->out[0] : NULL;
    if (y && !can_gather(s, y))
        return fv_shard_decline(s,
                                fv_printf(s->a, "%s cannot be gathered", fv_shard_op_name(s, op)));
    if (y)
        FV_PUSH(s->a, s->axes.outputs, s->axes.noutputs, s->axes.cap_outputs, op->out[0]);
    return fv_shard_follow_values(s, y);
}

/* Follows axis `axis` of operand i of op, or of its result (-1), as an axis of units, or, if there
 * are fewer of them than ranks, as one of groups with members. */
bool fv_shard_follow(fv_shard_search *s, fv_op *op, int i, int axis) {
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
