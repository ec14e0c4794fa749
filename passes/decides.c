/* decides.c - see decides.h. Both what is not dead and what a decision depends on are found by
 * walks from values to what they are computed from. */
#include "passes/decides.h"

#include "ir/catalogue/op.h"

/* ---- ops that decide ---- */

static bool is_float(const fv_value *v) {
    return v && v->type->kind == FV_TENSOR && fv_elem_is_float(v->type->elem);
}

static bool reads_floats(const fv_op *op) {
    for (int i = 0; i < op->nin; i++)
        if (is_float(op->in[i]))
            return true;
    return false;
}

static bool gives_other_than_floats(const fv_op *op) {
    for (int i = 0; i < op->nout; i++)
        if (op->out[i] && !is_float(op->out[i]))
            return true;
    return false;
}

static bool has_regions(const fv_op *op) {
    for (int i = 0; i < op->nattrs; i++)
        if (op->attrs[i].kind == FV_ATTR_REGION)
            return true;
    return false;
}

/* A float of 8 bits or less is a code, as an integer is. */
static bool makes_codes(const fv_op *op) {
    return fv_op_is(op, FV_OP_Cast) && fv_elem_bits(op->out[0]->type->elem) <= 8;
}

bool fv_op_decides(const fv_op *op) {
    if (!reads_floats(op) || has_regions(op) || fv_op_is(op, FV_OP_Shape) ||
        fv_op_is(op, FV_OP_Size))
        return false;
    return op->def->decides || gives_other_than_floats(op) || makes_codes(op);
}

/* ---- what values are computed from ---- */

typedef struct walk {
    fv_ptrmap seen;
    const fv_value **left; /* values whose operands have not been visited */
    int n, cap;
} walk;

static void add(walk *w, int n, fv_value *const *values) {
    for (int i = 0; i < n; i++) {
        void **at = values[i] ? fv_ptrmap_at(&w->seen, values[i]) : NULL;
        if (!at || *at)
            continue;
        *at = values[i];
        FV_PUSH(w->seen.arena, w->left, w->n, w->cap, values[i]);
    }
}

/* The operands of an op, and the results of its blocks, which are results of the op or, of a loop,
 * parameters of the next iteration. */
static void add_op(walk *w, const fv_op *op) {
    add(w, op->nin, op->in);
    for (int i = 0; i < op->nattrs; i++)
        if (op->attrs[i].kind == FV_ATTR_REGION && op->attrs[i].u.region->last)
            add(w, op->attrs[i].u.region->last->nin, op->attrs[i].u.region->last->in);
}

static void finish(walk *w) {
    while (w->n) {
        const fv_value *v = w->left[--w->n];
        const fv_op *op = v->kind == FV_VALUE_RESULT  ? v->def
                          : v->kind == FV_VALUE_PARAM ? v->block->parent
                                                      : NULL;
        if (op)
            add_op(w, op);
    }
}

static bool is_seen(const walk *w, const fv_op *op) {
    for (int i = 0; i < op->nout; i++)
        if (op->out[i] && fv_ptrmap_get(&w->seen, op->out[i]))
            return true;
    return false;
}

typedef void visitor(walk *of, const walk *live, const fv_op *op);

static void each(const fv_region *block, visitor *visit, walk *of, const walk *live) {
    for (const fv_op *op = block->first; op; op = op->next) {
        visit(of, live, op);
        for (int i = 0; i < op->nattrs; i++)
            if (op->attrs[i].kind == FV_ATTR_REGION)
                each(op->attrs[i].u.region, visit, of, live);
    }
}

static void add_effect(walk *of, const walk *live, const fv_op *op) {
    (void)live;
    if (op->def->has_effect)
        add_op(of, op);
}

static void add_decision(walk *of, const walk *live, const fv_op *op) {
    if (fv_op_decides(op) && (op->def->has_effect || is_seen(live, op)))
        add_op(of, op);
}

fv_deciding fv_deciding_of(const fv_module *m, fv_arena *a) {
    walk live = {.seen = fv_ptrmap_in(a)}, of = {.seen = fv_ptrmap_in(a)};
    for (const fv_func *f = m->funcs; f; f = f->next) {
        add(&live, f->body->last->nin, f->body->last->in);
        each(f->body, add_effect, &live, NULL);
    }
    finish(&live);
    for (const fv_func *f = m->funcs; f; f = f->next)
        each(f->body, add_decision, &of, &live);
    finish(&of);
    return (fv_deciding){of.seen};
}

bool fv_decides_by(const fv_deciding *d, const fv_op *op) {
    for (int i = 0; i < op->nout; i++)
        if (op->out[i] && fv_ptrmap_get(&d->values, op->out[i]))
            return true;
    return false;
}
