/* gate.c - finds gates: a feature map times a sigmoid of pooled values of that map, as in
 * squeeze-and-excitation blocks and their successors. */
#include "passes/attention/parts.h"

enum { NEAR = 120 }; /* largest number of values between map and sigmoid */

static bool is_view(const fv_op *op) {
    return fv_op_is(op, FV_OP_fv_Reshape) || fv_op_is(op, FV_OP_fv_Expand) ||
           fv_op_is(op, FV_OP_Transpose) || fv_op_is(op, FV_OP_Cast) || fv_op_is(op, FV_OP_fv_Pad);
}

static const fv_value *through_views(const fv_value *v) {
    while (v->def && is_view(v->def))
        v = v->def->in[0];
    return v;
}

/* The product of v, possibly after views, with another value, which becomes *map; *gate becomes the
 * other factor. */
static const fv_op *product_of(fv_finder *f, const fv_value *v, const fv_value **map,
                               const fv_value **gate, int deep) {
    for (int i = 0; i < v->nuses && deep > 0 && f->looked++ < FV_MOST_LOOKED; i++) {
        const fv_op *op = v->uses[i].op;
        if (fv_op_is(op, FV_OP_Mul)) {
            *map = op->in[1 - v->uses[i].index];
            *gate = v;
            return op;
        }
        const fv_op *found = is_view(op) ? product_of(f, op->out[0], map, gate, deep - 1) : NULL;
        if (found)
            return found;
    }
    return NULL;
}

/* Is v computed from the map? The caller has checked that the gate lacks an axis of the map, so the
 * values of the map were pooled in between. */
static bool is_pooled_of(const fv_value *v, const fv_value *map, fv_arena *a) {
    fv_ptrmap seen = fv_ptrmap_in(a);
    const fv_value *all[NEAR];
    int n = 0;
    all[n++] = v;
    for (int i = 0; i < n; i++) {
        const fv_op *op = all[i] == map ? NULL : all[i]->def;
        if (all[i] == map)
            return true;
        for (int k = 0; op && k < op->nin && n < NEAR; k++)
            if (op->in[k] && op->in[k]->kind != FV_VALUE_CONST &&
                fv_elem_is_float(op->in[k]->type->elem) && !*fv_ptrmap_at(&seen, op->in[k])) {
                *fv_ptrmap_at(&seen, op->in[k]) = (void *)op;
                all[n++] = op->in[k];
            }
    }
    return false;
}

/* The type of v before an Expand broadcasts it. */
static const fv_type *own_type(const fv_value *v) {
    while (v->def && fv_op_is(v->def, FV_OP_fv_Expand))
        v = v->def->in[0];
    return v->type;
}

bool fv_find_gate(fv_finder *f, fv_op *op, fv_attention_site *s) {
    const fv_value *map, *gate, *y = op->out[0];
    const fv_op *product = y ? product_of(f, y, &map, &gate, 6) : NULL;
    if (!product || !map || map->type->rank < 3)
        return false;
    const fv_type *t = own_type(gate);
    int rank = map->type->rank, broadcast = 0;
    bool channel = false;
    for (int i = 0; i < rank; i++) { /* the types are aligned at their last axes */
        int at = i - (rank - t->rank);
        bool one = at < 0 || fv_dim_is_one(t->dims[at]);
        broadcast += one && !fv_dim_is_one(map->type->dims[i]) && i > 0;
        channel |= i == 1 && !one;
    }
    int places = 0;
    for (int i = 2; i < rank; i++)
        places += t->rank < rank || fv_dim_is_one(t->dims[i - (rank - t->rank)]);
    bool pooled =
        broadcast && is_pooled_of(through_views(y->def->in[0]), through_views(map), f->e.arena);
    /* the map may itself be the product of another gate */
    for (int i = 0; broadcast && !pooled && map->def && fv_op_is(map->def, FV_OP_Mul) && i < 2; i++)
        pooled =
            is_pooled_of(through_views(y->def->in[0]), through_views(map->def->in[i]), f->e.arena);
    if (!pooled)
        return false;
    *s = (fv_attention_site){.kind = channel && places == rank - 2 ? FV_ATTENTION_CHANNEL
                                                                   : FV_ATTENTION_SPATIAL,
                             .gate = true,
                             .softmax = op,
                             .weighted = map,
                             .weights = y,
                             .of.product = product->out[0],
                             .axis = -1};
    s->nodes = fv_origin_join(f->module, op->origin, product->origin);
    return true;
}
