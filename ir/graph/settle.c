#include "ir/graph/settle.h"

#include <assert.h>

#include "ir/base/ptrmap.h"

typedef struct settler {
    fv_module *m;
    fv_ptrmap dims;
    fv_ptrmap types;
} settler;

/* Returns d with its subexpressions replaced by the dims that are known to equal them
 * (fv_dim_rebuild). NULL, an unknown axis of a tensor in a sequence, stays NULL. */
static const fv_dim *again(settler *s, const fv_dim *d) {
    return d ? fv_dim_rebuild(s->m->dims, d, &s->dims) : NULL;
}

/* Returns a list of n dims, on each of which `again` was called; NULL: it changed none of them. */
static const fv_dim *const *all_again(settler *s, int n, const fv_dim *const *dims) {
    int i = 0;
    while (i < n && again(s, dims[i]) == dims[i])
        i++;
    if (i >= n)
        return NULL;
    const fv_dim **out = FV_NEW(s->m->arena, const fv_dim *, n);
    for (i = 0; i < n; i++)
        out[i] = again(s, dims[i]);
    return out;
}

static const fv_type *made_anew(settler *s, const fv_type *t);

static const fv_type *type_again(settler *s, const fv_type *t) {
    if (!t)
        return NULL;
    const fv_type *there = fv_ptrmap_get(&s->types, t);
    if (there)
        return there;
    there = made_anew(s, t); /* look the slot up again, since the map may have grown */
    *fv_ptrmap_at(&s->types, t) = (void *)(uintptr_t)there;
    return there;
}

static const fv_type *made_anew(settler *s, const fv_type *t) {
    fv_type *out = FV_NEW(s->m->arena, fv_type, 1);
    *out = *t;
    out->of = type_again(s, t->of);
    const fv_dim *const *dims = t->kind == FV_TENSOR ? all_again(s, t->rank, t->dims) : NULL;
    out->dims = dims ? dims : t->dims;
    return dims || out->of != t->of ? out : t;
}

/* ---- values and operators, whose dims are replaced ---- */

static void settle_value(settler *s, fv_value *v) {
    v->type = type_again(s, v->type);
    const fv_dim *const *elems = v->elems ? all_again(s, v->nelems, v->elems) : NULL;
    v->elems = elems ? elems : v->elems;
}

static void settle_region(settler *s, fv_region *block);

static void settle_attr(settler *s, fv_attr *a) {
    const fv_dim *const *dims;
    switch (a->kind) {
    case FV_ATTR_DIMS:
        if ((dims = all_again(s, a->n, a->u.dims)))
            a->u.dims = dims;
        break;
    case FV_ATTR_TYPE: a->u.type = type_again(s, a->u.type); break;
    case FV_ATTR_REGION: settle_region(s, a->u.region); break;
    default: break;
    }
}

static void settle_region(settler *s, fv_region *block) {
    for (int i = 0; i < block->nparams; i++)
        settle_value(s, block->params[i]);
    for (fv_op *op = block->first; op; op = op->next) {
        for (int i = 0; i < op->nout; i++)
            if (op->out[i])
                settle_value(s, op->out[i]);
        for (int i = 0; i < op->nattrs; i++)
            settle_attr(s, &op->attrs[i]);
    }
}

static int number_of_results(const fv_func *f) {
    return f->body->last ? f->body->last->nin : 0;
}

static void settle_func(settler *s, fv_func *f) {
    settle_region(s, f->body);
    for (int i = 0; f->capacity && i < number_of_results(f); i++)
        f->capacity[i] = f->capacity[i] ? again(s, f->capacity[i]) : NULL;
}

/* ---- relations ---- */

/* Is the relation the one by which its larger side is replaced by the other? Such relations are
 * kept, since others may be implied by them, and are checked at run time. */
static bool is_rule(settler *s, const struct fv_relation *r) {
    const fv_dim *sides[2] = {r->a, r->b};
    for (int side = 0; side < 2; side++)
        if (sides[side]->settled == sides[1 - side] &&
            !all_again(s, sides[side]->n, sides[side]->arg))
            return true;
    return false;
}

/* Applies relations that have not been applied yet; false: there was none. */
static bool equate(settler *s) {
    bool news = false;
    s->dims = fv_ptrmap_in(s->dims.arena);
    for (int i = 0; i < s->m->nrelations; i++) {
        struct fv_relation *r = &s->m->relations[i];
        if (is_rule(s, r))
            continue;
        const fv_dim *a = again(s, r->a), *b = again(s, r->b);
        if (a == b)
            continue;
        r->a = a;
        r->b = b;
        news |= fv_dim_equate(a, b) || fv_dim_equate(b, a);
    }
    return news;
}

static bool is_said(const fv_module *m, int n, const fv_dim *a, const fv_dim *b) {
    for (int i = 0; i < n; i++) {
        const struct fv_relation *r = &m->relations[i];
        if ((r->a == a && r->b == b) || (r->a == b && r->b == a))
            return true;
    }
    return false;
}

static void drop_implied(settler *s) {
    fv_module *m = s->m;
    int n = 0;
    for (int i = 0; i < m->nrelations; i++) {
        struct fv_relation *r = &m->relations[i];
        if ((is_rule(s, r) || again(s, r->a) != again(s, r->b)) && !is_said(m, n, r->a, r->b))
            m->relations[n++] = *r;
    }
    m->nrelations = n;
}

/* ---- all ---- */

static void settle_module(settler *s) {
    for (fv_func *f = s->m->funcs; f; f = f->next)
        settle_func(s, f);
    for (int i = 0; i < s->m->nconsts; i++)
        settle_value(s, s->m->consts[i]);
}

void fv_module_settle(fv_module *m) {
    fv_arena *a = fv_arena_new(m->session);
    settler s = {.m = m, .dims = fv_ptrmap_in(a), .types = fv_ptrmap_in(a)};
    while (equate(&s))
        continue;
    drop_implied(&s);
    settle_module(&s);
    fv_arena_free(a);
}

bool fv_module_dim_may_be(fv_module *m, const fv_dim *symbol, const fv_dim *dim) {
    fv_arena *a = fv_arena_new(m->session);
    settler s = {.m = m, .dims = fv_ptrmap_in(a), .types = fv_ptrmap_in(a)};
    bool may = true;
    *fv_ptrmap_at(&s.dims, symbol) = (void *)(uintptr_t)dim;
    for (int i = 0; may && i < m->nrelations; i++)
        may = fv_dim_compare(m->dims, again(&s, m->relations[i].a), again(&s, m->relations[i].b)) !=
              FV_DIM_DIFFERENT;
    fv_arena_free(a);
    return may;
}

void fv_module_replace_dim(fv_module *m, const fv_dim *symbol, const fv_dim *dim) {
    fv_arena *a = fv_arena_new(m->session);
    settler s = {.m = m, .dims = fv_ptrmap_in(a), .types = fv_ptrmap_in(a)};
    FV_HOLDS(m->session, symbol->kind == FV_DIM_SYMBOL);
    *fv_ptrmap_at(&s.dims, symbol) = (void *)(uintptr_t)dim;
    int n = 0;
    for (int i = 0; i < m->nrelations; i++) {
        struct fv_relation r = m->relations[i];
        r.a = again(&s, r.a);
        r.b = again(&s, r.b);
        /* whether the relation is proved once the symbol is replaced */
        bool holds = fv_dim_compare(m->dims, r.a, r.b) == FV_DIM_EQUAL;
        if (!holds && !is_said(m, n, r.a, r.b))
            m->relations[n++] = r;
    }
    m->nrelations = n;
    settle_module(&s);
    fv_arena_free(a);
}
