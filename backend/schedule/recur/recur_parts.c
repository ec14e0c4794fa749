/* recur_parts.c - cuts a step of a recurrence into parts, which are computed one after the other.
 * An item that reads a state of this step at indices other than its own needs all of that state, so
 * it is in a later part than the state. */
#include "backend/schedule/recur/recur_parts.h"

#include <assert.h>
#include <string.h>

#include "backend/lowering/access.h"
#include "backend/lowering/sizes.h"
#include "backend/lowering/storage.h"
#include "ir/definition/print.h"
#include "ir/expr/rewrite.h"
#include "ir/expr/visit.h"

/* ---- reads of states ---- */

static fv_state *state_of(fv_recurrence *r, const fv_value *v) {
    for (int i = 0; i < r->nstates; i++)
        if (v && (r->states[i].now == v || r->states[i].before == v))
            return &r->states[i];
    return NULL;
}

static bool is_var(const fv_expr *x, const fv_var *v) {
    return x->op == FV_X_VAR && x->u.var == v;
}

static bool is_own(const fv_expr *load, const fv_state *s) {
    bool own = load->op == FV_X_LOAD;
    for (int i = 0; i < s->rank && own; i++)
        own = is_var(load->arg[i], s->index[i]);
    return own;
}

typedef struct reads {
    /* of each state of this step: whether it is read, and whether at indices other than its own */
    bool now[FV_MAX_STATES], across[FV_MAX_STATES];
    /* of each state of the previous step: whether it is read, and whether at other indices */
    bool before[FV_MAX_STATES], before_across[FV_MAX_STATES];
    bool strays; /* whether some state is read at indices other than the item's own */
} reads;

static void carry(fv_parts *p, const fv_expr *load, const fv_state *s) {
    for (int v = 0; v < p->r->nvars; v++)
        for (int i = 0; i < s->rank; i++)
            if (s->index[i] == p->r->vars[v])
                p->carried[v] &= is_var(load->arg[i], s->index[i]);
}

static void note_read(fv_parts *p, const fv_expr *x, reads *d) {
    bool load = x->op == FV_X_LOAD || x->op == FV_X_GUARD;
    const fv_state *s = load ? state_of(p->r, x->u.buf->value) : NULL;
    if (!s)
        return;
    bool own = is_own(x, s), now = x->u.buf->value == s->now;
    int i = (int)(s - p->r->states);
    d->now[i] |= now;
    d->across[i] |= now && !own;
    d->before[i] |= !now;
    d->before_across[i] |= !now && !own;
    d->strays |= !own;
    carry(p, x, s);
}

/* Finds how the item reads each state: whether that of this step or that of the step before, and
 * whether at its own indices or at others. */
static reads reads_of(fv_parts *p, const fv_item *m) {
    reads d = {0};
    const fv_expr *x;
    for (fv_x_visitor v = fv_x_visit(p->l->current.scratch, m->x); (x = fv_x_next(&v));)
        note_read(p, x, &d);
    return d;
}

/* ---- states in memory of the kernel ---- */

static int number_of(const fv_recurrence *r, const fv_var *v) {
    int i = 0;
    while (r->vars[i] != v)
        i++;
    return i;
}

int fv_memory_axes(const fv_parts *p, const fv_state *s, fv_var **index) {
    int n = 0;
    for (int i = 0; i < s->rank; i++)
        if (s->index[i] == p->column)
            index[n++] = p->local;
        else if (!p->around[number_of(p->r, s->index[i])])
            index[n++] = s->index[i];
    return n;
}

bool fv_has_places(const fv_parts *p, const fv_state *s) {
    return s->first && !p->once[s - p->r->states];
}

fv_expr *fv_memory_load(const fv_parts *p, const fv_state *s, fv_expr *place,
                        fv_expr *const *index) {
    fv_arena *a = p->l->exprs;
    fv_expr *at[FV_MAX_RANK + 1];
    int n = 0;
    if (fv_has_places(p, s))
        at[n++] = place;
    for (int i = 0; i < s->rank; i++)
        if (s->index[i] == p->column)
            at[n++] = fv_x_var(a, p->local);
        else if (!p->around[number_of(p->r, s->index[i])])
            at[n++] = index[i];
    return fv_x_load(a, fv_value_buf(a, p->memory[s - p->r->states]), at);
}

/* Returns a load of the state at that index: from the kernel's own memory, or from the memory that
 * the launches share. */
static fv_expr *load_of(const fv_parts *p, const fv_state *s, bool before, fv_expr *const *index) {
    fv_arena *a = p->l->exprs;
    if (!p->memory[s - p->r->states])
        return fv_x_load(a, fv_value_buf(a, before ? s->before : s->now), index);
    fv_expr *place = fv_x_bin(a, FV_X_FLOORMOD, fv_x_var(a, p->r->t), fv_x_int(a, 2));
    return fv_memory_load(p, s, before ? place : fv_x_bin(a, FV_X_SUB, fv_x_int(a, 1), place),
                          index);
}

fv_expr *fv_own_load(const fv_parts *p, const fv_state *s, bool before) {
    fv_expr *at[FV_MAX_RANK];
    for (int i = 0; i < s->rank; i++)
        at[i] = fv_x_var(p->l->exprs, s->index[i]);
    return load_of(p, s, before, at);
}

static fv_expr *in_memory(fv_x_rewriter *w, fv_expr *x, fv_expr **args) {
    const fv_parts *p = w->user;
    const fv_state *s =
        x->op == FV_X_LOAD || x->op == FV_X_GUARD ? state_of(p->r, x->u.buf->value) : NULL;
    if (!s)
        return NULL;
    fv_expr *y = load_of(p, s, x->u.buf->value == s->before, args);
    return x->op == FV_X_LOAD
               ? y
               : fv_x_guard(w->arena, y->u.buf, y->arg, args[s->rank], args[s->rank + 1]);
}

void fv_parts_in_memory(fv_parts *p) {
    fv_x_rewriter w = {.arena = p->l->exprs,
                       .memo = fv_ptrmap_in(p->l->current.scratch),
                       .after = in_memory,
                       .user = p};
    for (int i = 0; i < p->nitems; i++)
        p->items[i].x = fv_x_rewrite(&w, p->items[i].x);
    for (int i = 0; i < p->n; i++)
        p->all[i].def->body = p->all[i].items[0]->x;
}

/* ---- parts ---- */

static bool is_variable(const fv_recurrence *r, const fv_expr *x) {
    for (int i = 0; i < r->nvars; i++)
        if (is_var(x, r->vars[i]))
            return true;
    return false;
}

static void add_items(fv_parts *p) {
    fv_recurrence *r = p->r;
    for (int i = 0; i < r->nstates; i++) {
        fv_item *m = &p->items[p->nitems++];
        *m = (fv_item){.state = &r->states[i], .x = r->states[i].step, .nvars = r->states[i].rank};
        memcpy(m->vars, r->states[i].index, (size_t)m->nvars * sizeof *m->vars);
    }
    for (int i = 0; i < r->nelements; i++) {
        fv_emission *e = &r->elements[i];
        if (e->last)
            continue;
        fv_item *m = &p->items[p->nitems++];
        *m = (fv_item){.element = e, .x = e->x};
        for (int k = 0; k < e->value->type->rank; k++)
            if (is_variable(r, e->at[k]))
                m->vars[m->nvars++] = e->at[k]->u.var;
    }
}

static bool same_vars(const fv_item *a, const fv_item *b) {
    bool same = a->nvars == b->nvars;
    for (int i = 0; i < a->nvars && same; i++) {
        same = false;
        for (int k = 0; k < b->nvars; k++)
            same |= a->vars[i] == b->vars[k];
    }
    return same;
}

static int part_of(const fv_parts *p, const fv_state *s) {
    for (int i = 0; i < p->n; i++)
        for (int k = 0; k < p->all[i].n; k++)
            if (p->all[i].items[k]->state == s)
                return i;
    return -1;
}

/* Returns a definition made from the first item of a part, which schedules take for that of the
 * part. */
static fv_definition *definition_of(const fv_parts *p, const fv_item *m) {
    fv_definition *d = FV_NEW(p->l->exprs, fv_definition, 1);
    int out = 0;
    while (!p->r->op->out[out])
        out++;
    d->value = p->r->op->out[out]; /* reasons need a value, and states are no values of the graph */
    d->rank = m->nvars;
    d->index = FV_NEW(p->l->exprs, fv_var *, m->nvars + 1);
    memcpy(d->index, m->vars, (size_t)m->nvars * sizeof *m->vars);
    d->body = m->x;
    return d;
}

/* Adds the item to the last part, if that has the same variables and does not compute a state that
 * the item reads at other indices; else to a new part. */
static void add(fv_parts *p, fv_item *m) {
    reads d = reads_of(p, m);
    p->own &= !d.strays;
    fv_part *last = p->n ? &p->all[p->n - 1] : NULL;
    bool joins = last && same_vars(last->items[0], m);
    for (int i = 0; i < p->r->nstates && joins; i++)
        joins = !(d.across[i] && part_of(p, &p->r->states[i]) == p->n - 1);
    if (!joins) {
        last = &p->all[p->n++];
        last->def = definition_of(p, m);
    }
    last->items[last->n++] = m;
}

static int64_t products_of(const fv_parts *p, const fv_item *m) {
    fv_expr *sums[FV_MAX_SUMS];
    int n = fv_x_reductions(m->x, sums, FV_MAX_SUMS);
    int64_t all = 0;
    for (int i = 0; i < n; i++) {
        double terms = 1;
        for (int k = 0; k < sums[i]->u.red.nvars; k++)
            terms *= (double)fv_typical_dim(sums[i]->u.red.vars[k]->dim);
        for (int v = 0; v < p->r->nvars; v++)
            if (!p->carried[v] && fv_x_uses(sums[i], p->r->vars[v]))
                terms *= (double)fv_typical_dim(p->r->vars[v]->dim);
        int64_t whole = fv_whole_number(terms);
        all = whole < 0 || all > INT32_MAX ? INT32_MAX : all + whole;
    }
    return all;
}

void fv_parts_of(fv_lowerer *l, fv_recurrence *r, fv_parts *p) {
    *p = (fv_parts){.l = l, .r = r, .own = true, .taken = fv_x_dim(l->exprs, r->t->dim)};
    FV_HOLDS(fv_arena_session(l->arena), r->nvars <= FV_MAX_RANK);
    for (int i = 0; i < r->nvars; i++)
        p->carried[i] = true;
    add_items(p);
    for (int i = 0; i < p->nitems; i++) {
        /* if an item has no index along a variable, it is not true that all states depend only on
         * states with the same index along that variable */
        for (int v = 0; v < r->nvars; v++) {
            bool over = false;
            for (int k = 0; k < p->items[i].nvars; k++)
                over |= p->items[i].vars[k] == r->vars[v];
            p->carried[v] &= over;
        }
        add(p, &p->items[i]);
    }
    p->own &= p->n == 1;
    for (int i = 0; i < p->nitems; i++)
        p->products += products_of(p, &p->items[i]);
}

void fv_parts_choose(fv_parts *p) {
    for (int i = 0; i < p->n; i++) {
        fv_part *part = &p->all[i];
        fv_expr *roots[FV_MAX_ITEMS];
        for (int k = 0; k < part->n; k++)
            roots[k] = part->items[k]->x;
        part->plan = fv_contract_plan_new(p->l, part->def, part->n, roots, true);
    }
}

/* ---- states with one buffer ---- */

/* Can the state have a single buffer? It can if it has a value before the first step, if nothing
 * after the item that computes it reads its old value, if that item reads the old value at its own
 * index only, and if no other item of that part reads the state: with one buffer the old and the
 * new value would be equal nodes there. */
static bool is_once(fv_parts *p, const fv_state *s) {
    int i = (int)(s - p->r->states), own = part_of(p, s);
    bool made = false, once = s->first != NULL;
    for (int k = 0; k < p->n; k++)
        for (int m = 0; m < p->all[k].n && once; m++) {
            reads d = reads_of(p, p->all[k].items[m]);
            bool its = p->all[k].items[m]->state == s;
            made |= its;
            if (its)
                once = !d.before_across[i];
            else if (k == own)
                once = !d.before[i] && !d.now[i];
            else if (made)
                once = !d.before[i];
        }
    return once;
}

void fv_parts_find_once(fv_parts *p) {
    for (int i = 0; i < p->r->nstates; i++)
        p->once[i] = is_once(p, &p->r->states[i]);
}

/* ---- kernels ---- */

fv_buf *fv_recur_param(fv_kemit *e, const fv_value *v, fv_buf_role role) {
    int n = e->params.nvalues;
    fv_buf *b = fv_kemit_in(e, fv_value_buf(e->l->exprs, v));
    if (b->role == FV_BUF_TILE)
        return b;
    if (e->params.nvalues > n)
        b->role = (uint8_t)role;
    else if (b->role != (uint8_t)role)
        b->role = FV_BUF_INOUT;
    return b;
}

void fv_part_use(fv_kemit *e, const fv_part *part) {
    for (int i = 0; i < part->n; i++) {
        fv_definition *d = FV_NEW(e->l->exprs, fv_definition, 1);
        *d = *part->def;
        d->body = part->items[i]->x;
        fv_kemit_use(e, d);
    }
    e->def = part->def;
}

/* Stores x as the new value of the state. */
static void put_state(fv_kemit *e, const fv_parts *p, const fv_state *s, fv_expr *x) {
    fv_expr *load = fv_own_load(p, s, false), *at[FV_MAX_RANK];
    const fv_buf *b = load->u.buf;
    x = fv_kb_let(&e->b, s->now->name, x);
    for (int k = 0; k < b->rank; k++)
        at[k] = fv_kemit_expr(e, load->arg[k]);
    fv_kemit_store(e, fv_recur_param(e, b->value, b->value == s->now ? FV_BUF_OUT : FV_BUF_INOUT),
                   at, x);
    fv_kemit_memo(e, load, x);
}

void fv_part_put(fv_kemit *e, const fv_parts *p, const fv_part *part) {
    for (int i = 0; i < part->n; i++) {
        const fv_item *m = part->items[i];
        fv_expr *x = fv_kemit_expr(e, m->x);
        if (m->element)
            fv_put_element(e, m->element, x);
        else
            put_state(e, p, m->state, x);
    }
}

void fv_put_element(fv_kemit *e, const fv_emission *m, fv_expr *x) {
    fv_expr *at[FV_MAX_RANK];
    for (int k = 0; k < m->value->type->rank; k++)
        at[k] = fv_kemit_expr(e, m->at[k]);
    fv_kemit_store(e, fv_recur_param(e, m->value, FV_BUF_OUT), at, x);
}

static void put_formula(fv_text *t, const fv_part *part) {
    for (int i = 0; i < part->n; i++) {
        const fv_item *m = part->items[i];
        fv_definition d = *part->def;
        if (m->element)
            continue;
        d.value = m->state->now;
        d.body = m->x;
        fv_text_put(t, t->n ? "; " : "");
        fv_definition_print(t, &d);
    }
}

void fv_recur_finish(fv_kemit *e, const fv_parts *p, const fv_part *part, const fv_schedule *how) {
    fv_lowerer *l = p->l;
    fv_text t = {.arena = e->arena};
    e->def = part ? part->def : p->all[0].def;
    fv_kemit_finish(e, p->r->op, how);
    fv_launch *n = &l->host.steps[l->host.nsteps - 1].launch;
    for (int i = 0; i < p->n; i++)
        if (!part || part == &p->all[i])
            put_formula(&t, &p->all[i]);
    n->kernel->formula = t.n ? t.s : p->r->op->def->doc;
    n->origin = p->r->op->origin;
    n->kernel->origin = fv_origin_str(l->arena, n->origin);
}
