/* find.c - finds the cuts of a graph: which products and tables they begin with. */
#include "ir/base/text.h"
#include "passes/shard/search.h"

static void keep(fv_shard_search *s, fv_shard_plan *plan) {
    for (int i = 0; i < s->axes.nvalues; i++)
        *fv_ptrmap_at(&s->taken, s->axes.values[i]) = s;
    for (int i = 0; i < s->axes.partial.n; i++)
        *fv_ptrmap_at(&s->taken, s->axes.partial.at[i]->out[0]) = s;
    FV_PUSH(s->a, plan->found->cuts, plan->found->n, plan->found->cap, s->axes);
}

/* The bytes of the constants from which alone v is computed; 0: it depends on something else. */
static uint64_t constant_bytes(const fv_shard_search *s, const fv_value *v) {
    return v->kind == FV_VALUE_CONST ? v->tensor->bytes
                                     : (uint64_t)(uintptr_t)fv_ptrmap_get(&s->constant, v);
}

/* Records whether the op computes its result from constants alone. */
static void find_constant(fv_shard_search *s, const fv_op *op) {
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
static int weight_of(const fv_shard_search *s, const fv_op *op) {
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
static const fv_op *first_of(const fv_shard_search *s, const fv_op *op) {
    for (const fv_op *p = s->m->funcs->body->first; p && p != op; p = p->next)
        if (p->nout == 1 && p->out[0] && fv_shard_at_of(&s->axes, p->out[0]) &&
            weight_of(s, p) >= 0)
            return p;
    return op;
}

static void stays_whole(fv_shard_search *s, const fv_op *op, uint64_t bytes, fv_shard_plan *plan) {
    fv_shard_whole whole = {op, fv_shard_node(s->a, op), s->why, bytes};
    FV_PUSH(s->a, plan->whole, plan->nwhole, plan->cap_whole, whole);
}

/* Tries to cut an axis of the result that only the weight has, such as the columns. `side`: that of
 * the axis; FV_SHARD_WHOLE: any. False, with s->why: none can be cut. */
static bool follow_columns(fv_shard_search *s, fv_op *op, int weight, fv_shard_side side) {
    fv_shard_labels l;
    const char *why = NULL;
    for (int d = 0; d < op->out[0]->type->rank && fv_shard_labels_of(op, &l); d++) {
        bool only = fv_shard_label_axis(op, &l, weight, l.out[d]) >= 0 &&
                    (side == FV_SHARD_WHOLE || side == fv_shard_side_of(op, d));
        for (int i = 0; i < op->nin && only; i++)
            only = i == weight || !op->in[i] || constant_bytes(s, op->in[i]) ||
                   fv_shard_label_axis(op, &l, i, l.out[d]) == FV_AXIS_WHOLE;
        if (only && fv_shard_follow(s, op, -1, d))
            return true;
        why = only && !why ? s->why : why;
    }
    s->why = why ? why : fv_printf(s->a, "%s has no columns to cut", fv_shard_op_name(s, op));
    return false;
}

/* Tries to cut an axis of the weight that is summed. Inputs are not cut for that, but states. */
static bool follow_rows(fv_shard_search *s, fv_op *op, int weight) {
    fv_shard_labels l;
    bool found = false;
    s->shares_inputs = false;
    for (int d = 0; d < op->in[weight]->type->rank && !found && fv_shard_labels_of(op, &l); d++)
        found = fv_shard_labelled_result(op, &l, weight, d) == FV_AXIS_PARTIAL &&
                fv_shard_follow(s, op, weight, d);
    s->shares_inputs = true;
    return found;
}

/* Tries the columns of the product; and its rows, where the columns cannot be cut, or are gathered
 * at once although the rows would divide more weights. */
static bool follow_product(fv_shard_search *s, fv_op *op, int weight) {
    bool columns = follow_columns(s, op, weight, FV_SHARD_WHOLE);
    const fv_shard_axes found = s->axes;
    const char *why = s->why;
    if (columns && found.noutputs == 0)
        return true;
    if (follow_rows(s, op, weight) &&
        (!columns || fv_shard_cut_bytes(&s->axes) > fv_shard_cut_bytes(&found)))
        return true;
    s->axes = found;
    s->why = why;
    return columns;
}

static void keep_product(fv_shard_search *s, fv_op *op, fv_shard_plan *plan) {
    fv_shard_describe_cut(s, first_of(s, op), plan);
    keep(s, plan);
}

/* Tries the columns of the product, with exchanges of small results, or gathered at once. */
static bool follow_exchanged(fv_shard_search *s, fv_op *op, int weight, fv_shard_side side) {
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

/* Follows the product in the way that divides most; false: it is not cut, or takes longer then. */
static bool follow_any(fv_shard_search *s, fv_op *op, int weight, uint64_t bytes) {
    bool found = follow_product(s, op, weight);
    const char *why = s->why;
    found = found || fv_shard_follow_experts(s, op);
    s->why = why;
    found = found || (bytes >= FV_SHARD_LARGE && follow_exchanged(s, op, weight, FV_SHARD_WHOLE));
    if (found)
        fv_shard_choose_sums(s);
    return found && fv_shard_is_worth(s);
}

static void try_product(fv_shard_search *s, fv_op *op, fv_shard_plan *plan) {
    int weight = op->nout == 1 && op->out[0] ? weight_of(s, op) : -1;
    if (weight < 0 || fv_ptrmap_get(&s->taken, op->out[0]))
        return;
    uint64_t bytes = constant_bytes(s, op->in[weight]);
    s->why = NULL;
    if (follow_any(s, op, weight, bytes))
        keep_product(s, op, plan);
    else
        stays_whole(s, op, bytes, plan);
}

/* ---- tables ---- */

/* Has a cut that was found a share of a constant that is the same as one of the present cut? Then
 * the rank has one copy of it. */
static bool shares_constant(const fv_shard_search *s, const fv_shard_plan *plan) {
    for (int i = 0; i < s->axes.noperands; i++)
        for (int c = 0; c < plan->found->n; c++) {
            const fv_shard_axes *other = &plan->found->cuts[c];
            const fv_shard_operand *own = &s->axes.operands[i];
            for (int k = 0; k < other->noperands && other->units.n == s->axes.units.n; k++) {
                const fv_shard_operand *o = &other->operands[k];
                if (o->op->in[o->index] == own->op->in[own->index] &&
                    fv_shard_is_same_share(&o->at, &own->at))
                    return true;
            }
        }
    return false;
}

static bool follow_table_rows(fv_shard_search *s, fv_op *op) {
    s->exchanges = true;
    bool found = fv_shard_follow(s, op, 0, (int)fv_op_int(op, "axis"));
    s->exchanges = false;
    return found;
}

/* Tries the columns of the table, of which all ranks gather what they look up. */
static bool follow_table_columns(fv_shard_search *s, fv_op *op) {
    fv_shard_labels l;
    bool found = false;
    s->gathers = true;
    s->why = fv_printf(s->a, "%s has no columns to cut", fv_shard_op_name(s, op));
    for (int d = op->out[0]->type->rank - 1; d >= 0 && !found && fv_shard_labels_of(op, &l); d--)
        found = fv_shard_label_axis(op, &l, 0, l.out[d]) >= 0 && fv_shard_follow(s, op, -1, d);
    s->gathers = false;
    return found;
}

/* Cuts a table along its rows if its constant is cut so already, as the weights of the last product
 * may be; otherwise along its columns, which exchanges less. */
static bool follow_table(fv_shard_search *s, fv_op *op, const fv_shard_plan *plan) {
    bool rows = follow_table_rows(s, op);
    const fv_shard_axes found = s->axes;
    if (rows && shares_constant(s, plan))
        return true;
    if (follow_table_columns(s, op))
        return true;
    s->axes = found;
    return rows;
}

static void try_table(fv_shard_search *s, fv_op *op, fv_shard_plan *plan) {
    uint64_t bytes = fv_shard_is_look_up(op) ? constant_bytes(s, op->in[0]) : 0;
    if (bytes < FV_SHARD_LARGE || fv_ptrmap_get(&s->taken, op->out[0]))
        return;
    s->why = NULL;
    if (follow_table(s, op, plan)) {
        fv_shard_describe_cut(s, op, plan);
        keep(s, plan);
    } else {
        stays_whole(s, op, bytes, plan);
    }
}

/* Adds the partial sums of the cut in two steps where the plan says so. */
static void scatter_sums(fv_shard_search *s) {
    for (int i = 0; i < s->axes.partial.n; i++) {
        fv_op *op = s->axes.partial.at[i];
        const fv_shard_choice *c = fv_ptrmap_get(&s->choices, op);
        if (c && c->side == FV_SHARD_ROWS && c->collective == FV_SHARD_REDUCE_SCATTER)
            FV_PUSH(s->a, s->axes.how.scattered.at, s->axes.how.scattered.n,
                    s->axes.how.scattered.cap, op);
    }
}

/* Cuts the product as the choice says, along an axis of its result that only the weight has. False:
 * it may be reached from the rows of another one. */
static bool cut_by_choice(fv_shard_search *s, fv_op *op, int weight, const fv_shard_choice *c,
                          fv_shard_plan *plan) {
    bool ok = follow_columns(s, op, weight, c->side);
    if (!ok && c->collective != FV_SHARD_ALL_GATHER) {
        s->exchanges = true;
        ok = follow_columns(s, op, weight, c->side);
        s->exchanges = false;
    }
    if (c->collective == FV_SHARD_ALL_GATHER && !(ok && fv_shard_is_gathered(s, op->out[0]))) {
        s->gathers = true;
        ok = follow_columns(s, op, weight, c->side);
        s->gathers = false;
    }
    if (ok) {
        scatter_sums(s);
        fv_shard_describe_cut(s, first_of(s, op), plan);
        keep(s, plan);
    }
    return ok;
}

/* Cuts by experts what the plan cuts so. False after a diagnostic. */
static bool cut_experts(fv_shard_search *s, fv_shard_plan *plan) {
    for (fv_op *op = s->m->funcs->body->first; op; op = op->next) {
        const fv_shard_choice *c = fv_ptrmap_get(&s->choices, op);
        if (!c || c->side != FV_SHARD_EXPERTS || fv_ptrmap_get(&s->taken, op->out[0]))
            continue;
        s->why = "it is no product with chosen experts";
        if (!fv_shard_follow_experts(s, op))
            return fv_op_error(op, "the plan cuts it by experts, and that cannot be done: %s",
                               s->why);
        fv_shard_describe_cut(s, first_of(s, op), plan);
        keep(s, plan);
    }
    return true;
}

/* Begins the cuts that the plan asks for along that side of products with a weight. */
static void cut_side(fv_shard_search *s, fv_shard_side side, fv_shard_plan *plan) {
    for (fv_op *op = s->m->funcs->body->first; op; op = op->next) {
        const fv_shard_choice *c = fv_ptrmap_get(&s->choices, op);
        int weight = c && c->side == side ? weight_of(s, op) : -1;
        if (weight < 0 || fv_ptrmap_get(&s->taken, op->out[0]))
            continue;
        if (side != FV_SHARD_ROWS) {
            (void)cut_by_choice(s, op, weight, c, plan);
        } else if (follow_rows(s, op, weight)) {
            scatter_sums(s);
            fv_shard_describe_cut(s, first_of(s, op), plan);
            keep(s, plan);
        }
    }
}

/* Cuts the tables as the plan asks for. False after a diagnostic: one cannot be cut. */
static bool cut_tables(fv_shard_search *s, fv_shard_plan *plan) {
    for (fv_op *op = s->m->funcs->body->first; op; op = op->next) {
        const fv_shard_choice *c = fv_ptrmap_get(&s->choices, op);
        bool rows = c && c->side == FV_SHARD_TABLE_ROWS;
        if ((!rows && !(c && c->side == FV_SHARD_TABLE_COLUMNS)) ||
            fv_ptrmap_get(&s->taken, op->out[0]))
            continue;
        if (!(rows ? follow_table_rows(s, op) : follow_table_columns(s, op)))
            return fv_op_error(op, "the plan cuts its %s, and that cannot be done: %s",
                               fv_shard_side_names[c->side], s->why);
        fv_shard_describe_cut(s, op, plan);
        keep(s, plan);
    }
    return true;
}

/* Begins the cuts that the plan asks for. False after a diagnostic: columns cannot be cut. */
static bool cut_by_request(fv_shard_search *s, fv_shard_plan *plan) {
    static const fv_shard_side sides[] = {FV_SHARD_COLUMNS, FV_SHARD_LEFT, FV_SHARD_BATCH,
                                          FV_SHARD_ROWS};
    if (!cut_experts(s, plan))
        return false;
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
static void leave_product(fv_shard_search *s, const fv_op *op, fv_shard_plan *plan) {
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
    const fv_shard_costs *costs = request ? request->costs : NULL;
    if (request && request->n < 0)
        request = NULL;
    fv_shard_search s = {.m = m,
                         .a = m->arena,
                         .ranks = ranks,
                         .states = states,
                         .request = request,
                         .costs = request ? NULL : costs,
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
