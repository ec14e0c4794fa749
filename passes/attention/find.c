/* find.c - finds each softmax and each gate of a graph. */
#include "passes/attention/parts.h"

#include <string.h>

const char *fv_attention_kind_name(fv_attention_kind kind) {
    static const char *const names[] = {"none",    "self",    "cross",  "additive",
                                        "pooling", "spatial", "channel"};
    return names[kind];
}

const char *fv_mask_name(int bit) {
    static const char *const names[FV_NMASKS] = {"causal", "window", "padding", "bias", "formula"};
    return names[bit];
}

/* ---- softmaxes that are written out ---- */

static bool is_reduce(const fv_op *op, const char *kind) {
    if (!op || !fv_op_is(op, FV_OP_fv_Reduce))
        return false;
    fv_string s = fv_op_string(op, "kind");
    return s.n == strlen(kind) && !memcmp(s.s, kind, s.n);
}

/* The axis of its operand over which r reduces, the last one of several; -1: r reduces none. */
static int reduced_axis(fv_finder *f, const fv_value *r) {
    const fv_definition *d = fv_element_definition(&f->e, r);
    fv_expr *loads[FV_SOME_LOADS];
    int axis = -1, n = d ? fv_element_loads(f->e.arena, d->body, loads, FV_SOME_LOADS) : 0;
    for (int i = 0; i < n && axis < 0; i++)
        for (int k = 0; k < loads[i]->u.buf->rank; k++) {
            const fv_expr *at = loads[i]->arg[k];
            if (at->op == FV_X_VAR && fv_definition_axis(d, at->u.var) == d->rank)
                axis = k;
        }
    return axis;
}

static bool loads_value(fv_finder *f, fv_expr *x, const fv_value *v) {
    fv_expr *loads[FV_SOME_LOADS];
    int n = fv_element_loads(f->e.arena, x, loads, FV_SOME_LOADS);
    for (int i = 0; i < n; i++)
        if (fv_loaded(loads[i]) == v)
            return true;
    return false;
}

static bool is_made_of(fv_finder *f, const fv_value *v, const fv_value *of) {
    fv_var *index[FV_MAX_RANK];
    return v == of || loads_value(f, fv_element(&f->e, v, index), of);
}

/* The op that divides by n, or that computes the reciprocal of n, at most `deep` ops after n; NULL:
 * there is none. */
static const fv_op *division_by(fv_finder *f, const fv_value *n, int deep) {
    for (int i = 0; i < n->nuses && deep > 0 && f->looked++ < FV_MOST_LOOKED; i++) {
        const fv_op *op = n->uses[i].op;
        if ((fv_op_is(op, FV_OP_Div) && n->uses[i].index == 1) || fv_op_is(op, FV_OP_Reciprocal))
            return op;
        const fv_definition *d =
            op->nout == 1 && op->out[0] ? fv_element_definition(&f->e, op->out[0]) : NULL;
        const fv_op *found = d && !d->body->binds ? division_by(f, op->out[0], deep - 1) : NULL;
        if (found)
            return found;
    }
    return NULL;
}

/* The sum of the exponentials e, at most `deep` ops after e, by which something is divided; *axis
 * becomes the axis over which it runs. NULL: there is none. */
static const fv_value *sum_of(fv_finder *f, const fv_value *e, int *axis, int deep) {
    for (int i = 0; i < e->nuses && deep > 0 && f->looked++ < FV_MOST_LOOKED; i++) {
        const fv_op *op = e->uses[i].op;
        const fv_value *y = op->nout == 1 ? op->out[0] : NULL;
        fv_summed sum;
        if (!y || !fv_element_definition(&f->e, y))
            continue;
        if (is_reduce(op, "ReduceSum") && fv_element_sum(&f->e, y, &sum) && division_by(f, y, 4)) {
            *axis = reduced_axis(f, y);
            return *axis < 0 ? NULL : y;
        }
        const fv_value *found =
            fv_element_definition(&f->e, y)->body->binds ? NULL : sum_of(f, y, axis, deep - 1);
        if (found)
            return found;
    }
    return NULL;
}

static bool is_spelled(fv_finder *f, const fv_op *op, fv_attention_site *s) {
    const fv_value *x = op->in[0], *e = op->out[0];
    const fv_op *sub = x->def;
    if (!e || x->kind != FV_VALUE_RESULT)
        return false;
    *s = (fv_attention_site){.softmax = op, .weighted = x, .weights = e, .nodes = op->origin};
    if (fv_op_is(sub, FV_OP_LogSoftmax)) {
        s->weighted = sub->in[0];
        s->axis = (int)fv_op_int(sub, "axis");
        return true;
    }
    const fv_op *log =
        fv_op_is(sub, FV_OP_Sub) && sub->in[1]->kind == FV_VALUE_RESULT ? sub->in[1]->def : NULL;
    if (is_reduce(log, "ReduceLogSumExp") && log->in[0] == sub->in[0]) {
        s->weighted = sub->in[0];
        s->axis = reduced_axis(f, log->out[0]);
        return s->axis >= 0;
    }
    fv_elements_stop(&f->e, e);
    const fv_value *n = sum_of(f, e, &s->axis, 4);
    const fv_op *division = n ? division_by(f, n, 4) : NULL;
    bool direct = division && fv_op_is(division, FV_OP_Div) && is_made_of(f, division->in[0], e);
    fv_elements_stop(&f->e, NULL);
    if (direct)
        s->weights = division->out[0];
    return division != NULL;
}

/* ---- all of them ---- */

static const fv_origin *add_origin(fv_finder *f, const fv_origin *o, const fv_value *v) {
    return v && v->def ? fv_origin_join(f->module, o, v->def->origin) : o;
}

static int axis_of(const fv_scores *x, const fv_var *v) {
    for (int i = 0; v && i < x->rank; i++)
        if (x->index[i] == v)
            return i;
    return -1;
}

static void look_at(fv_finder *f, fv_attention_site *s) {
    fv_scores *x = FV_NEW(f->e.arena, fv_scores, 1);
    s->scale = (double)0;
    s->query_axis = -1;
    f->looked = 0;
    if (fv_find_product(f, s, x) && fv_find_scores(f, s, x)) {
        fv_find_heads(f, s, x);
        fv_find_origin(f, s, x);
        fv_find_mask(f, s, x);
        s->traits.mixed |= x->nmixed > 0;
        s->query_axis = axis_of(x, x->query);
        for (int i = 0; s->of.product->def && i < s->of.product->def->nin && !s->of.v; i++)
            s->of.v = s->of.product->def->in[i] != s->weights && s->of.product->def->nin == 2
                          ? s->of.product->def->in[i]
                          : NULL;
        const fv_origin *o = s->of.score && s->of.score->def ? s->of.score->def->origin : NULL;
        o = o ? fv_origin_join(f->module, o, s->softmax->origin) : s->softmax->origin;
        s->nodes = add_origin(f, add_origin(f, o, s->weights), s->of.product);
    }
    FV_PUSH(f->arena, f->out->all, f->out->n, f->out->cap, *s);
}

static void look_at_op(fv_finder *f, fv_op *op) {
    fv_attention_site s = {0};
    f->looked = 0;
    if ((fv_op_is(op, FV_OP_Softmax) || fv_op_is(op, FV_OP_fv_SinkSoftmax)) && op->out[0]) {
        int rank = op->in[0]->type->rank;
        int64_t axis = fv_op_is(op, FV_OP_Softmax) ? fv_op_int(op, "axis") : -1;
        s = (fv_attention_site){.softmax = op,
                                .weighted = op->in[0],
                                .weights = op->out[0],
                                .nodes = op->origin,
                                .axis = (int)(axis < 0 ? axis + rank : axis),
                                .traits.sink = fv_op_is(op, FV_OP_fv_SinkSoftmax)};
        if (rank)
            look_at(f, &s);
    } else if (fv_op_is(op, FV_OP_Exp) && is_spelled(f, op, &s)) {
        s.axis += s.axis < 0 ? s.weighted->type->rank : 0;
        look_at(f, &s);
    } else if ((fv_op_is(op, FV_OP_Sigmoid) || fv_op_is(op, FV_OP_HardSigmoid)) &&
               fv_find_gate(f, op, &s))
        FV_PUSH(f->arena, f->out->all, f->out->n, f->out->cap, s);
}

static void look_at_region(fv_finder *f, fv_region *r) {
    for (fv_op *op = r->first; op; op = op->next) {
        look_at_op(f, op);
        for (int i = 0; i < op->nattrs; i++)
            if (op->attrs[i].kind == FV_ATTR_REGION)
                look_at_region(f, op->attrs[i].u.region);
    }
}

void fv_attention_find(fv_arena *a, fv_module *m, fv_attention_sites *out) {
    *out = (fv_attention_sites){0};
    if (m->definitions)
        return;
    fv_finder f = {.arena = a, .module = m, .e = fv_elements_new(m->session), .out = out};
    look_at_region(&f, m->funcs->body);
    fv_elements_free(&f.e);
}
