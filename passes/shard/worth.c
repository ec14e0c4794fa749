/* worth.c - the time that a cut saves, and that its exchanges take. */
#include "passes/shard/search.h"

#include "ir/base/divisor.h"

/* The part of an axis that the rank with the most of it has. */
static double largest_part(const fv_shard_search *s) {
    int64_t units = s->axes.units.n, groups = s->axes.units.groups;
    if (groups) { /* each group is divided among the ranks that have a copy of it */
        int64_t copies = s->ranks / groups;
        return 1.0 / (double)groups * (double)fv_div_up(units, copies) / (double)units;
    }
    return (double)fv_div_up(units, s->ranks) / (double)units;
}

/* The bytes of constants from which the operands of a product are computed. */
static double weights_of(const fv_op *op) {
    double bytes = 0;
    for (int i = 0; i < op->nin; i++) {
        const fv_value *v = op->in[i];
        while (v && v->kind == FV_VALUE_RESULT && fv_shard_is_constant(v))
            v = v->def->in[0];
        bytes += v && v->kind == FV_VALUE_CONST ? (double)v->tensor->bytes : 0;
    }
    return bytes;
}

static double seconds(const fv_shard_search *s, const fv_op *op, double share) {
    return s->costs->computing(s->costs->user, fv_shard_multiplies(op), weights_of(op), share);
}

/* The seconds that a rank saves of the products of the cut. By experts it saves none: it computes
 * as many products. */
static double saved(const fv_shard_search *s) {
    double sum = 0, part = largest_part(s);
    for (const fv_op *op = s->m->funcs->body->first; op; op = op->next) {
        bool partial = fv_shard_has_op(&s->axes.partial, op);
        if (!fv_shard_is_contraction(op) || !fv_shard_is_cut(&s->axes, op) ||
            (partial && fv_op_is(op, FV_OP_fv_ExpertProduct) &&
             fv_shard_axis_of(&s->axes, op->in[0]) < 0))
            continue;
        sum += seconds(s, op, 1) - seconds(s, op, part);
    }
    return sum;
}

void fv_shard_choose_sums(fv_shard_search *s) {
    for (int i = 0; s->costs && i < s->axes.partial.n; i++) {
        fv_op *op = s->axes.partial.at[i];
        const fv_type *y = op->out[0]->type;
        fv_dims *d = s->m->dims;
        const fv_dim *all = fv_dim_mul(d, fv_dim_product(d, y->rank, y->dims),
                                       fv_dim_const(d, fv_elem_bits(y->elem) / 8));
        if (!fv_shard_is_contraction(op) || fv_op_is(op, FV_OP_fv_ExpertProduct))
            continue;
        double one = s->costs->exchanging(s->costs->user, all);
        double two = 2 * s->costs->exchanging(s->costs->user, fv_shard_scattered_bytes(s, y));
        if (two < one)
            FV_PUSH(s->a, s->axes.how.scattered.at, s->axes.how.scattered.n,
                    s->axes.how.scattered.cap, op);
    }
}

bool fv_shard_is_worth(fv_shard_search *s) {
    fv_shard_cut cut = {0};
    if (!s->costs)
        return true;
    double take = 0, save = saved(s);
    fv_shard_add_exchanges(s, &cut);
    for (int i = 0; i < cut.nexchanges; i++)
        take += s->costs->exchanging(s->costs->user, cut.exchanges[i].bytes);
    return take < save ||
           fv_shard_decline(s, fv_printf(s->a,
                                         "its exchanges would take %.3g us, and the cut would save "
                                         "%.3g us",
                                         1e6 * take, 1e6 * save));
}
