/* follow_experts.c - cuts mixtures of experts by experts: each rank has the weights of some. A rank
 * computes all products, with weights of its own in place of those of other ranks, and exchanges
 * those of its experts only, after the last product. */
#include "passes/shard/search.h"

/* Is row [b, k] of the result computed from rows [b, k] of operands alone? */
static bool keeps_rows(const fv_op *op) {
    for (int axis = 0; axis < 2; axis++)
        for (int i = 0; i < op->nin; i++) {
            int of = op->in[i] ? fv_shard_operand_axis(op, axis, i) : FV_AXIS_WHOLE;
            if (of != axis && of != FV_AXIS_WHOLE)
                return false;
        }
    return op->nout == 1 && op->out[0] && op->out[0]->type->rank == 3;
}

/* Products with the same experts as a last one. */
typedef struct chain {
    const fv_op *last;
    fv_ptrmap seen; /* values -> themselves, if products of the chain compute them; or the chain */
} chain;

/* Adds to the cut the products with the same experts from which v is computed. *found: there are
 * some. False, with s->why: something else needs their results. */
static bool take_chain(fv_shard_search *s, chain *c, fv_value *v, const fv_shard_at *at,
                       bool *found) {
    void **seen = v->def ? fv_ptrmap_at(&c->seen, v) : NULL;
    fv_op *op = v->def;
    *found = seen && *seen == v;
    if (!seen || *seen || op->block != s->m->funcs->body)
        return true;
    *seen = c;
    bool product = fv_op_is(op, FV_OP_fv_ExpertProduct) &&
                   op->in[FV_EXPERT_NUMBERS] == c->last->in[FV_EXPERT_NUMBERS];
    for (int i = 0; i < op->nin && !product; i++) {
        bool one = false;
        if (op->in[i] && !take_chain(s, c, op->in[i], at, &one))
            return false;
        *found |= one;
    }
    if (!product && !*found)
        return true;
    if (!product && !keeps_rows(op))
        return fv_shard_decline(
            s, fv_printf(s->a, "%s mixes rows of experts", fv_shard_op_name(s, op)));
    *found = true;
    *fv_ptrmap_at(&c->seen, v) = v;
    if (product)
        FV_PUSH(s->a, s->axes.how.inner.at, s->axes.how.inner.n, s->axes.how.inner.cap, op);
    return !product || fv_shard_take_sum(s, op, FV_EXPERT_WEIGHTS, at);
}

/* Does the chain alone use what it computes? */
static bool is_closed(fv_shard_search *s, const chain *c) {
    for (const fv_op *op = s->m->funcs->body->first; op != c->last; op = op->next) {
        const fv_value *v = op->nout == 1 ? op->out[0] : NULL;
        if (!v || fv_ptrmap_get(&c->seen, v) != v)
            continue;
        for (int k = 0; k < v->nuses; k++) {
            const fv_op *user = v->uses[k].op;
            const fv_value *y = user->nout == 1 ? user->out[0] : NULL;
            if (user != c->last && (!y || fv_ptrmap_get(&c->seen, y) != y))
                return fv_shard_decline(s, fv_printf(s->a, "%s needs the results of all experts",
                                                     user->def == &fv_return_def
                                                         ? "an output"
                                                         : fv_shard_op_name(s, user)));
        }
    }
    return true;
}

/* Gives each rank the weights of some experts, of a product and of those from which it is computed.
 * Ranks compute products for all chosen experts, and exchange those with their own. */
static bool follow_experts(fv_shard_search *s, fv_op *last) {
    const fv_shard_at at = {.axis = 0, .members = -1, .outer = fv_dim_const(s->m->dims, 1)};
    chain c = {last, fv_ptrmap_in(s->a)};
    bool found;
    s->axes = (fv_shard_axes){.at = fv_ptrmap_in(s->a)};
    s->exchanges = true;
    bool ok = fv_shard_take_sum(s, last, FV_EXPERT_WEIGHTS, &at) &&
              take_chain(s, &c, last->in[0], &at, &found) && is_closed(s, &c) &&
              fv_shard_follow_values(s, NULL);
    s->exchanges = false;
    return ok;
}

/* The last product with the experts of this one. */
static fv_op *last_of_experts(fv_op *op) {
    fv_op *last = op;
    for (fv_op *o = op->next; o; o = o->next)
        if (fv_op_is(o, FV_OP_fv_ExpertProduct) &&
            o->in[FV_EXPERT_NUMBERS] == op->in[FV_EXPERT_NUMBERS])
            last = o;
    return last;
}

/* Cuts the products with the experts of op by experts. */
bool fv_shard_follow_experts(fv_shard_search *s, fv_op *op) {
    return fv_op_is(op, FV_OP_fv_ExpertProduct) && follow_experts(s, last_of_experts(op)) &&
           fv_shard_has_op(&s->axes.partial, op);
}
