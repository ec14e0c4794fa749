/* describe.c - describes a cut that was followed, for people. */
#include "ir/base/text.h"
#include "ir/dim/text.h"
#include "passes/shard/search.h"

uint64_t fv_shard_cut_bytes(const fv_shard_axes *c) {
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
static int64_t largest_share(const fv_shard_search *s, const fv_type *t, const fv_shard_at *at) {
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
static const fv_dim *sent(const fv_shard_search *s, const fv_type *t, const fv_shard_at *at) {
    fv_dims *d = s->m->dims;
    const fv_dim *bytes = fv_dim_const(d, fv_elem_bits(t->elem) / 8);
    for (int i = 0; i < t->rank; i++)
        bytes = fv_dim_mul(d, bytes,
                           i == at->axis ? fv_dim_const(d, largest_share(s, t, at)) : t->dims[i]);
    return bytes;
}

/* Adds an input or output of which each rank has a share to the plan, and to the text of the
 * cut. */
static void add_port(fv_shard_search *s, const fv_value *v, const char *name, bool is_output,
                     fv_text *text, fv_shard_plan *plan) {
    const fv_shard_at *at = fv_shard_at_of(&s->axes, v);
    fv_shard_units u = fv_shard_units_of(&s->axes, s->ranks);
    int64_t *sizes = FV_NEW(s->a, int64_t, s->ranks), *firsts = FV_NEW(s->a, int64_t, s->ranks);
    for (int r = 0; r < s->ranks; r++)
        sizes[r] = fv_shard_size(&u, r, at->kind, v->type->dims[at->axis]->value, &firsts[r]);
    fv_shard_port port = {name, is_output, at->axis, sizes, firsts};
    FV_PUSH(s->a, plan->ports, plan->nports, plan->cap_ports, port);
    fv_text_printf(text, "%s'%s'", text->n ? ", " : "", name);
}

static const char *add_ports(fv_shard_search *s, fv_shard_plan *plan) {
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
static const fv_dim *bytes_as(const fv_shard_search *s, const fv_type *t, fv_elem e) {
    const fv_dim *bytes = fv_dim_const(s->m->dims, fv_elem_bits(e) / 8);
    for (int i = 0; i < t->rank; i++)
        bytes = fv_dim_mul(s->m->dims, bytes, t->dims[i]);
    return bytes;
}

const fv_dim *fv_shard_scattered_bytes(const fv_shard_search *s, const fv_type *t) {
    fv_dims *d = s->m->dims;
    const fv_dim *n = fv_dim_product(d, t->rank, t->dims);
    return fv_dim_mul(d, fv_dim_ceildiv(d, n, fv_dim_const(d, s->ranks)),
                      fv_dim_const(d, fv_elem_bits(t->elem) / 8));
}

/* The exchanges of an op whose result is partial: choices send numbers and their positions. */
static void add_partial(const fv_shard_search *s, const fv_op *op, fv_shard_cut *cut) {
    const char *node = fv_shard_node(s->a, op);
    const fv_type *y = op->out[0]->type;
    bool order = fv_op_is(op, FV_OP_fv_Order);
    if (order || fv_op_is(op, FV_OP_fv_ArgMax) || fv_op_is(op, FV_OP_fv_ArgMin)) {
        const fv_dim *numbers = bytes_as(s, y, op->in[0]->type->elem);
        cut->exchanges[cut->nexchanges++] = (fv_shard_exchange){node, FV_SHARD_ALL_GATHER, numbers};
        cut->exchanges[cut->nexchanges++] =
            (fv_shard_exchange){node, FV_SHARD_ALL_GATHER, bytes_as(s, y, FV_I64)};
    } else if (fv_shard_has_op(&s->axes.how.scattered, op)) {
        const fv_dim *share = fv_shard_scattered_bytes(s, y);
        cut->exchanges[cut->nexchanges++] =
            (fv_shard_exchange){node, FV_SHARD_REDUCE_SCATTER, share};
        cut->exchanges[cut->nexchanges++] = (fv_shard_exchange){node, FV_SHARD_ALL_GATHER, share};
    } else {
        cut->exchanges[cut->nexchanges++] =
            (fv_shard_exchange){node, FV_SHARD_ALL_REDUCE, bytes_as(s, y, y->elem)};
    }
}

/* The exchanges of a softmax over the axis: of a maximum, and of a sum. */
static void add_softmax(const fv_shard_search *s, const fv_op *op, fv_shard_cut *cut) {
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

void fv_shard_add_exchanges(const fv_shard_search *s, fv_shard_cut *cut) {
    const fv_shard_axes *c = &s->axes;
    fv_text last = {.arena = s->a};
    cut->exchanges =
        FV_NEW(s->a, fv_shard_exchange, 2 * (c->partial.n + c->softmaxes.n) + c->noutputs + 1);
    for (int i = 0; i < c->softmaxes.n; i++) {
        fv_text_printf(&last, "%s%s", last.n ? ", " : "", fv_shard_node(s->a, c->softmaxes.at[i]));
        add_softmax(s, c->softmaxes.at[i], cut);
    }
    for (int i = 0; i < c->partial.n; i++) {
        if (fv_shard_has_op(&c->how.inner, c->partial.at[i]))
            continue;
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

void fv_shard_describe_cut(fv_shard_search *s, const fv_op *first, fv_shard_plan *plan) {
    const fv_shard_axes *c = &s->axes;
    fv_shard_cut cut = {.first = fv_shard_node(s->a, first),
                        .units = c->units.groups ? c->units.groups * c->units.n : c->units.n,
                        .groups = c->units.groups,
                        .bytes = fv_shard_cut_bytes(c)};
    fv_shard_add_exchanges(s, &cut);
    cut.shares = add_ports(s, plan);
    FV_PUSH(s->a, plan->cuts, plan->ncuts, plan->cap_cuts, cut);
}
