/* attention.c - finds attention: a product whose one factor is made, row by row, from another
 * product. The three are one definition then, and one kernel (backend/schedule/attend/attention.c). How an
 * exporter wrote the softmax, the scale or the mask is no matter here: they are what stands around
 * the scores. */
#include "backend/fuse/attention.h"

#include <string.h>

#include "backend/axes/merge.h"
#include "backend/axes/split.h"
#include "backend/fuse/substitute.h"
#include "backend/fuse/work.h"
#include "backend/lowering/access.h"
#include "backend/lowering/sizes.h"
#include "backend/lowering/storage.h"
#include "backend/lowering/why.h"
#include "backend/steps/group.h"
#include "backend/steps/steps.h"
#include "ir/base/limits.h"
#include "ir/expr/rewrite.h"

enum {
    MAX_OUTER = 8,  /* axes of the definition */
    MAX_INNER = 16, /* sums within each other */
    FEW = 4,        /* rows or columns that are not worth tiles */
    FEW_KEYS = 2,   /* of one key the weight is 1 */
    LEVELS = 3,     /* of values between the two products */
    MAX_CANDIDATES = 4
};

/* ---- is it attention? ---- */

static bool is_product_sum(const fv_expr *x) {
    return x->op == FV_X_REDUCE && x->u.red.kind == FV_SUM && x->arg[0]->op == FV_X_MUL &&
           fv_elem_is_float((fv_elem)x->type.elem);
}

static bool has_reduction(fv_expr *x) {
    fv_expr *found;
    return fv_x_reductions(x, &found, 1) > 0;
}

typedef struct search {
    fv_lowerer *l;
    const fv_value *y; /* what is asked about */
    fv_arena *arena;
    fv_attention *at;
    fv_var *along[MAX_INNER]; /* the key, and variables of sums that are open */
    int n;
    bool rows; /* there are sums along rows */
} search;

/* x over the key, where it is over one of the variables along rows; NULL: over none of them, or
 * several. */
static fv_expr *over_key(search *s, fv_expr *x) {
    fv_expr *key = fv_x_var(s->arena, s->at->key);
    fv_var *v = NULL;
    for (int i = 0; i < s->n; i++)
        if (fv_x_uses(x, s->along[i])) {
            if (v)
                return NULL;
            v = s->along[i];
        }
    return !v ? NULL : v == s->at->key ? x : fv_x_replace_vars(s->arena, x, 1, &v, &key);
}

bool fv_has_products(const fv_expr *x) {
    bool found = is_product_sum(x);
    for (int i = 0; i < x->n && !found; i++)
        found = fv_has_products(x->arg[i]);
    return found;
}

/* Is it the same for the whole row, and made of no products? */
static bool is_apart(const search *s, const fv_expr *x) {
    for (int i = 0; i < s->n; i++)
        if (fv_x_uses(x, s->along[i]))
            return false;
    return !fv_has_products(x);
}

/* False: what is summed there is neither a score nor along a row. */
static bool find_scores(search *s, fv_expr *x) {
    bool ok = true;
    if (x->op == FV_X_REDUCE && x->u.red.kind == FV_REDUCE_MAX && is_apart(s, x))
        return true;
    if (is_product_sum(x) && !has_reduction(x->arg[0])) {
        fv_expr *score = over_key(s, x);
        if (score && s->at->score && !fv_x_equal(score, s->at->score))
            return fv_declines(s->l, s->y, FV_WHY_attend_two_scores);
        if (score) {
            s->at->score = s->at->score ? s->at->score : score;
            return true;
        }
    }
    if (x->op == FV_X_REDUCE) {
        fv_var *v = x->u.red.vars[0];
        if (x->u.red.nvars != 1 || v->dim != s->at->key->dim)
            return fv_declines(s->l, s->y, FV_WHY_attend_other_axis, fv_d(v->dim));
        if (s->n == MAX_INNER)
            return fv_declines(s->l, s->y, FV_WHY_attend_nested, fv_n(MAX_INNER));
        for (int i = 0; i < s->n; i++)
            if (fv_x_uses(x, s->along[i]))
                return fv_declines(s->l, s->y, FV_WHY_attend_each_key);
        s->along[s->n++] = v;
        s->rows = true;
    }
    for (int i = 0; i < x->n && ok; i++)
        ok = find_scores(s, x->arg[i]);
    s->n -= x->op == FV_X_REDUCE;
    return ok;
}

static bool is_longer(const fv_dim *a, const fv_dim *b) {
    int64_t n = fv_typical_dim(a), m = fv_typical_dim(b);
    return m >= 0 && (n < 0 || n > m);
}

/* The factor of the score that goes with the key, and the axes of queries and of features. Any
 * other axis is one of the score: along it nothing is computed again. */
static bool set_axes(fv_lowerer *l, const fv_definition *d, fv_attention *at) {
    fv_expr *const *f = at->score->arg[0]->arg;
    bool second = fv_x_uses(f[1], at->key);
    at->q = f[!second];
    at->k = f[second];
    if (fv_x_uses(at->q, at->key))
        return fv_declines(l, d->value, FV_WHY_attend_query);
    at->row = at->column = -1;
    for (int i = d->rank; i-- > 0;) {
        const fv_var *v = d->index[i];
        bool q = fv_x_uses(at->q, v), k = fv_x_uses(at->k, v), values = fv_x_uses(at->v, v);
        if (at->column < 0 && values && !fv_x_uses(at->weight, v) && v->dim->hi >= FEW)
            at->column = i;
        else if (q && !k && !values && v->dim->hi >= FEW)
            at->row = at->row < 0 || is_longer(v->dim, d->index[at->row]->dim) ? i : at->row;
        else if (!q && !k && !fv_dim_is_one(v->dim))
            return fv_declines(l, d->value, FV_WHY_attend_apart, fv_d(v->dim));
    }
    if (at->row < 0)
        return fv_declines(l, d->value, FV_WHY_attend_queries, fv_n(FEW));
    return at->column >= 0 || fv_declines(l, d->value, FV_WHY_attend_features, fv_n(FEW));
}

/* With these weights, and these values? */
static bool is_attention(fv_lowerer *l, const fv_definition *d, fv_attention *at) {
    const fv_value *y = d->value;
    search s = {.l = l, .y = y, .arena = l->exprs, .at = at, .along = {at->key}, .n = 1};
    /* where neither factor has any it is said below */
    if (!find_scores(&s, at->weight) || !at->score)
        return false;
    if (!s.rows)
        return fv_declines(l, y, FV_WHY_attend_no_rows);
    at->rows = true;
    fv_find_hidden(s.arena, at);
    if (has_reduction(at->v))
        return fv_declines(l, y, FV_WHY_attend_values);
    if (at->score->type.elem != at->weight->type.elem)
        return fv_declines(l, y, FV_WHY_attend_type,
                           fv_s(fv_elem_name((fv_elem)at->score->type.elem)),
                           fv_s(fv_elem_name((fv_elem)at->weight->type.elem)));
    if (!set_axes(l, d, at))
        return false;
    return (!fv_x_is_constant(at->k) && !fv_x_is_constant(at->v)) ||
           fv_declines(l, y, FV_WHY_attend_constant);
}

static bool find_attention(fv_lowerer *l, const fv_definition *d, fv_attention *at) {
    fv_expr *sums[2];
    at->rows = false;
    int n = d->rank > MAX_OUTER ? 0 : fv_x_reductions(d->body, sums, 2);
    if (d->rank > MAX_OUTER)
        return fv_declines(l, d->value, FV_WHY_attend_rank, fv_n(d->rank), fv_n(MAX_OUTER));
    if (n != 1)
        return fv_declines(l, d->value, FV_WHY_attend_sums, fv_s(n ? "several" : "no"));
    if (!is_product_sum(sums[0]))
        return fv_declines(l, d->value, FV_WHY_attend_products);
    fv_var *key = sums[0]->u.red.vars[0];
    if (sums[0]->u.red.nvars != 1)
        return fv_declines(l, d->value, FV_WHY_attend_axes, fv_n(sums[0]->u.red.nvars));
    if (key->dim->hi < FEW_KEYS)
        return fv_declines(l, d->value, FV_WHY_attend_keys, fv_d(key->dim), fv_n(FEW_KEYS));
    fv_expr *const *f = sums[0]->arg[0]->arg;
    for (int i = 0; i < 2; i++) {
        *at = (fv_attention){
            .sum = sums[0], .key = key, .weight = f[i], .v = f[1 - i], .rows = i && at->rows};
        if (is_attention(l, d, at))
            return true;
    }
    return fv_why_told(l, d->value, "attend") ? false
                                              : fv_declines(l, d->value, FV_WHY_attend_no_scores);
}

bool fv_find_attention(fv_lowerer *l, const fv_definition *d, fv_attention *at) {
    int mark = fv_why_mark(l);
    return fv_why_settle(l, mark, find_attention(l, d, at));
}

typedef struct replacer {
    search s;
    fv_expr *with;
    fv_ptrmap memo;
} replacer;

static fv_expr *replace(replacer *r, fv_expr *x) {
    fv_expr *known = x->n ? fv_ptrmap_get(&r->memo, x) : x, *args[FV_MAX_RANK + 2], *y = NULL;
    if (known)
        return known;
    if (x->op == FV_X_REDUCE && !fv_has_products(x)) /* no score is in it */
        return x;
    fv_arena *a = r->s.arena;
    for (int i = 0; is_product_sum(x) && i < r->s.n && !y; i++) {
        fv_var *v = r->s.along[i], *key = r->s.at->key;
        fv_expr *here = fv_x_var(a, v), *score = fv_x_uses(x, v) ? over_key(&r->s, x) : NULL;
        if (score && fv_x_equal(score, r->s.at->score))
            y = fv_x_replace_vars(a, r->with, 1, &key, &here);
    }
    if (x->op == FV_X_REDUCE)
        r->s.along[r->s.n++] = x->u.red.vars[0];
    for (int i = 0; i < x->n && !y; i++)
        args[i] = replace(r, x->arg[i]);
    r->s.n -= x->op == FV_X_REDUCE;
    y = y ? y : fv_x_with_args(a, x, args);
    *fv_ptrmap_at(&r->memo, x) = y;
    return y;
}

fv_expr *fv_with_scores(fv_arena *a, const fv_attention *at, fv_expr *x, fv_expr *with) {
    replacer r = {.s = {.arena = a, .at = (fv_attention *)at, .along = {at->key}, .n = 1},
                  .with = with,
                  .memo = fv_ptrmap_in(a)};
    return replace(&r, x);
}

fv_expr *fv_weight_of(fv_arena *a, const fv_attention *at, fv_expr *with) {
    return fv_with_scores(a, at, at->weight, with);
}

fv_expr *fv_weights_along(fv_arena *a, const fv_attention *at, fv_var *key) {
    fv_var *from = at->key;
    fv_expr *to = fv_x_var(a, key);
    return fv_x_replace_vars(a, at->weight, 1, &from, &to);
}

/* ---- three definitions as one ---- */

typedef struct readers {
    int kernels;
    bool memory; /* something else needs it in memory */
} readers;

typedef struct fv_fuser {
    fv_lowerer *l;
    fv_ptrmap readers; /* of a storage */
    /* storage -> through how many values it is known to lead to no score, and 1 */
    fv_ptrmap scoreless;
    struct fused {
        fv_storage *y; /* what attention gives */
        fv_attention at;
    } *fused;
    int nfused, cap_fused;
    struct within {
        fv_storage *s; /* what is substituted in them */
        fv_fate was;
    } *within;
    int nwithin, cap_within;
    bool rows; /* a factor of what is looked at is a softmax of scores */
} fuser;

static readers *readers_of(fuser *f, const fv_storage *s) {
    void **at = fv_ptrmap_at(&f->readers, s);
    if (!*at)
        *at = FV_NEW(f->l->exprs, readers, 1);
    return *at;
}

/* A value in the memory of another reads that for those who read it. */
static void add_reads(fuser *f, const fv_expr *x, fv_ptrmap *seen) {
    fv_storage *s = fv_storage_loaded(f->l, x);
    void **at = fv_ptrmap_at(seen, s ? (const void *)s : x);
    bool known = *at != NULL;
    if (known && !s)
        return;
    *at = f;
    if (s && !known) {
        fv_ptrmap inner = fv_ptrmap_in(f->l->exprs);
        bool first = readers_of(f, s)->kernels++ == 0;
        if (first && s->fate == FV_FATE_VIEW && s->def)
            add_reads(f, s->def->body, &inner);
        else if (first) /* a text behind a step has views without what they are */
            for (fv_storage *of = s->fate == FV_FATE_VIEW ? s->of : NULL; of;
                 of = of->fate == FV_FATE_VIEW ? of->of : NULL)
                readers_of(f, of)->kernels++;
    }
    for (int i = 0; i < x->n; i++)
        add_reads(f, x->arg[i], seen);
}

static void count_readers(fuser *f) {
    fv_lowerer *l = f->l;
    for (fv_op *op = l->func->body->first; op; op = op->next)
        for (int i = 0; i < op->nout; i++) {
            fv_storage *s = op->out[i] ? fv_storage_of(l, op->out[i]) : NULL;
            fv_ptrmap seen = fv_ptrmap_in(l->exprs);
            if (s && fv_must_have_memory(l, s->value))
                for (fv_storage *x = s; x; x = x->fate == FV_FATE_VIEW ? x->of : NULL)
                    readers_of(f, x)->memory = true;
            if (s && fv_storage_has_kernel(s))
                add_reads(f, s->def->body, &seen);
        }
}

static bool is_own(fuser *f, const fv_storage *s) {
    return s && s->def && s->fate != FV_FATE_SUBSTITUTED && readers_of(f, s)->kernels == 1 &&
           !readers_of(f, s)->memory;
}

/* Is x made of a product of things computed in the run, through values that nobody else reads? */
static bool has_score(fuser *f, const fv_expr *x, int levels, fv_ptrmap *seen) {
    if (is_product_sum(x) &&
        !(fv_x_is_constant(x->arg[0]->arg[0]) && fv_x_is_constant(x->arg[0]->arg[1])))
        return true;
    if (*fv_ptrmap_at(seen, x))
        return false;
    *fv_ptrmap_at(seen, x) = (void *)x;
    fv_storage *s = fv_storage_loaded(f->l, x);
    if (levels > 0 && is_own(f, s) && (intptr_t)fv_ptrmap_get(&f->scoreless, s) <= levels) {
        fv_ptrmap inner = fv_ptrmap_in(f->l->exprs);
        if (has_score(f, s->def->body, levels - 1, &inner))
            return true;
        *fv_ptrmap_at(&f->scoreless, s) = (void *)(intptr_t)(levels + 1);
    }
    for (int i = 0; i < x->n; i++)
        if (has_score(f, x->arg[i], levels, seen))
            return true;
    return false;
}

static bool is_score(const fv_expr *x) {
    fv_expr *const *f = is_product_sum(x) ? x->arg[0]->arg : NULL;
    bool found = f && !fv_x_is_constant(f[0]) && !fv_x_is_constant(f[1]) && !fv_x_equal(f[0], f[1]);
    for (int i = 0; i < x->n && !found; i++)
        found = is_score(x->arg[i]);
    return found;
}

static bool loads_scores(fuser *f, const fv_expr *x) {
    const fv_storage *s = fv_storage_loaded(f->l, x);
    bool found = s && s->def && fv_is_small(f->l, s->def) && is_score(s->def->body);
    for (int i = 0; i < x->n && !found; i++)
        found = loads_scores(f, x->arg[i]);
    return found;
}

/* For who asks: does somebody expect attention where s is? Rows that are made of products of what
 * is computed. */
static bool looks_like_weights(fuser *f, const fv_storage *s) {
    return fv_is_small(f->l, s->def) && has_reduction(s->def->body) &&
           (is_score(s->def->body) || loads_scores(f, s->def->body));
}

typedef struct candidates {
    const fv_value *y; /* of what */
    fv_storage *list[MAX_CANDIDATES];
    int n;
    fv_ptrmap seen; /* nodes, and storages that were asked about */
} candidates;

/* What x loads along a row and leads to scores. A node below two sums is over the variable of one
 * at most. */
static void find_candidates(fuser *f, const fv_expr *x, const fv_var *along, candidates *c) {
    fv_storage *s = fv_storage_loaded(f->l, x);
    if (*fv_ptrmap_at(&c->seen, x))
        return;
    if (s && fv_x_uses(x, along) && !*fv_ptrmap_at(&c->seen, s)) {
        fv_ptrmap seen = fv_ptrmap_in(f->l->exprs);
        *fv_ptrmap_at(&c->seen, s) = s;
        if (is_own(f, s) && c->n < MAX_CANDIDATES && has_score(f, s->def->body, LEVELS, &seen))
            c->list[c->n++] = s;
        else if (f->l->reasons && s->def && s->fate != FV_FATE_SUBSTITUTED && !is_own(f, s) &&
                 looks_like_weights(f, s))
            fv_declines(f->l, c->y, FV_WHY_attend_read_besides, fv_v(s->value));
    }
    if (x->op == FV_X_REDUCE)
        along = x->u.red.vars[0];
    else if (fv_x_uses(x, along))
        *fv_ptrmap_at(&c->seen, x) = (void *)x;
    for (int i = 0; i < x->n; i++)
        find_candidates(f, x->arg[i], along, c);
}

/* Now, and as it will be when it is scheduled. */
static bool is_found(fuser *f, const fv_definition *d, fv_attention *at) {
    fv_attention then;
    int mark = fv_why_mark(f->l);
    bool found = fv_find_attention(f->l, d, at) &&
                 fv_find_attention(f->l, fv_merge_axes(f->l, fv_split_axes(f->l, d)), &then);
    f->rows |= at->rows;
    fv_why_drop(f->l, mark, FV_WHY_attend_no_scores); /* what is substituted next may have them */
    return found;
}

static bool fuse(fuser *f, fv_storage *y, fv_definition d, const fv_origin *origin, int factor,
                 int levels);

/* With these substituted. */
static bool fuse_with(fuser *f, fv_storage *y, const fv_definition *d, const fv_origin *origin,
                      int factor, int levels, fv_storage *const *list, int n) {
    fv_definition now = *d;
    fv_fate was[MAX_CANDIDATES]; /* a view may be looked through, too */
    for (int i = 0; i < n; i++) {
        was[i] = list[i]->fate;
        list[i]->fate = FV_FATE_SUBSTITUTED;
    }
    now.body = fv_substitute(f->l, now.body, &origin);
    if (levels == LEVELS) /* what it is known by: the softmax */
        origin = fv_origin_join(f->l->module, fv_storage_origin(f->l, list[0]->value), origin);
    if (fuse(f, y, now, origin, factor, levels - 1)) {
        for (int i = 0; i < n; i++) {
            FV_PUSH(f->l->exprs, f->within, f->nwithin, f->cap_within,
                    ((struct within){list[i], was[i]}));
            fv_takes(f->l, list[i]->value, FV_WHY_in_attention, fv_v(y->value));
        }
        return true;
    }
    for (int i = 0; i < n; i++)
        list[i]->fate = was[i];
    return false;
}

/* Makes attention of d, which is what y is by now, with that factor as the weight. */
static bool fuse(fuser *f, fv_storage *y, fv_definition d, const fv_origin *origin, int factor,
                 int levels) {
    fv_lowerer *l = f->l;
    fv_attention at;
    fv_expr *sums[2];
    /* the schedule says so */
    if (fv_x_reductions(d.body, sums, 2) != 1 || !is_product_sum(sums[0]))
        return false;
    if (!fv_is_small(l, &d))
        return fv_declines(l, y->value, FV_WHY_attend_tree);
    if (levels < LEVELS && is_found(f, &d, &at)) {
        y->def->body = d.body;
        *fv_ptrmap_at(&l->origins, y->value) = (void *)origin;
        FV_PUSH(l->exprs, f->fused, f->nfused, f->cap_fused, ((struct fused){y, at}));
        return true;
    }
    candidates c = {.y = y->value, .seen = fv_ptrmap_in(l->exprs)};
    if (levels > 0)
        find_candidates(f, sums[0]->arg[0]->arg[factor], sums[0]->u.red.vars[0], &c);
    for (int i = 0; i < c.n; i++)
        if (fuse_with(f, y, &d, origin, factor, levels, &c.list[i], 1))
            return true;
    return c.n > 1 && fuse_with(f, y, &d, origin, factor, levels, c.list, c.n);
}

/* ---- weights that are kept ---- */

/* The weights that this factor of the sum of d loads, each at a place of its own in memory; NULL:
 * it loads none so. */
static fv_storage *loaded_weights(fuser *f, const fv_definition *d, int factor,
                                  const fv_expr **load) {
    fv_expr *sum;
    if (fv_x_reductions(d->body, &sum, 1) != 1 || !is_product_sum(sum) || sum->u.red.nvars != 1)
        return NULL;
    const fv_expr *x = *load = fv_x_stored(sum->arg[0]->arg[factor]);
    fv_storage *s = x->op == FV_X_LOAD ? fv_storage_loaded(f->l, x) : NULL;
    if (!s || !s->def || s->fate != FV_FATE_MEMORY || is_own(f, s) || !has_reduction(s->def->body))
        return NULL;
    int keys = 0;
    for (int i = 0; i < x->n; i++) {
        const fv_expr *at = x->arg[i];
        bool one = fv_dim_is_one(s->def->index[i]->dim),
             key = at->op == FV_X_VAR && at->u.var == sum->u.red.vars[0];
        for (int k = 0; k < i; k++)
            if (at->op == FV_X_VAR && x->arg[k] == at)
                return NULL;
        if (!one && !key && (at->op != FV_X_VAR || fv_definition_axis(d, at->u.var) == d->rank))
            return NULL;
        keys += key;
    }
    return keys == 1 ? s : NULL;
}

/* w over variables of d, but for a key of its own; NULL: d has an axis that is neither among them
 * nor of features. */
static fv_definition *weights_of(fv_lowerer *l, const fv_definition *d, const fv_attention *at,
                                 const fv_definition *w, const fv_expr *load, fv_var **key) {
    fv_definition *r = FV_NEW(l->exprs, fv_definition, 1);
    *r = *w;
    r->index = FV_NEW(l->exprs, fv_var *, w->rank + 1);
    for (int i = 0; i < w->rank; i++) {
        const fv_var *v = load->arg[i]->op == FV_X_VAR ? load->arg[i]->u.var : NULL;
        bool shared = v && v != at->key;
        r->index[i] = shared ? d->index[fv_definition_axis(d, v)]
                             : fv_index_var(l->exprs, w->index[i]->name, w->index[i]->dim);
        *key = v == at->key ? r->index[i] : *key;
    }
    for (int i = 0; i < d->rank; i++)
        if (i != at->column && !fv_dim_is_one(d->index[i]->dim) &&
            fv_definition_axis(r, d->index[i]) == r->rank)
            return NULL;
    r->body = fv_weights_along(l->exprs, at, *key);
    return fv_is_small(l, r) ? r : NULL;
}

/* Of what is fused by now, with w in it; false: it is no such attention. */
static bool set_kept(fuser *f, const fv_definition *d, fv_storage *y, fv_storage *w,
                     const fv_expr *load, fv_kept_weights *out) {
    *out = (fv_kept_weights){
        .weights = w, .of_result = y->def, .within = FV_NEW(f->l->exprs, fv_storage *, f->nwithin)};
    for (int i = 0; i < f->nwithin; i++)
        if (f->within[i].s != w)
            out->within[out->nwithin++] = f->within[i].s;
    out->of_weights = weights_of(f->l, d, &f->fused[f->nfused - 1].at, w->def, load, &out->key);
    return out->of_weights != NULL;
}

static bool try_kept(fuser *f, const fv_storage *of, int factor, fv_kept_weights *out) {
    const fv_definition *d = of->def;
    const fv_expr *load;
    fv_storage y = *of, *w = loaded_weights(f, d, factor, &load);
    if (!w)
        return false;
    y.def = FV_NEW(f->l->exprs, fv_definition, 1);
    *y.def = *d;
    f->nwithin = f->nfused = 0;
    bool found = fuse_with(f, &y, d, fv_storage_origin(f->l, of->value), factor, LEVELS, &w, 1) &&
                 set_kept(f, d, &y, w, load, out);
    for (int i = 0; i < f->nwithin; i++)
        f->within[i].s->fate = f->within[i].was;
    return found;
}

bool fv_find_kept(fv_fuser *f, const fv_storage *y, fv_kept_weights *out) {
    struct fv_reasons *reasons = f->l->reasons;
    const fv_origin *origin = fv_storage_origin(f->l, y->value);
    f->l->reasons = NULL; /* who asks says what is done */
    bool found = try_kept(f, y, 0, out) || try_kept(f, y, 1, out);
    *fv_ptrmap_at(&f->l->origins, y->value) = (void *)(uintptr_t)origin;
    f->l->reasons = reasons;
    return found;
}

bool fv_fold_kept(fv_lowerer *l, fv_storage *y, fv_kept_weights *k) {
    fv_ptrmap tables = fv_ptrmap_in(l->exprs);
    fv_attention at;
    fv_storage folded = *y;
    fv_definition result = *k->of_result, weights = *k->of_weights;
    folded.def = &result;
    if (!fv_fold_mask(l, &folded, &tables, true) || !fv_find_attention(l, &result, &at))
        return false;
    weights.body = fv_weights_along(l->exprs, &at, k->key);
    if (!fv_is_small(l, &weights))
        return fv_declines(l, y->value, FV_WHY_fold_tree);
    *k->of_result = result;
    *k->of_weights = weights;
    return true;
}

/* ---- masks ---- */

typedef struct mask_use {
    const fv_var *query;
    /* of a storage: how many attentions have it in their weights; `memory`: with the query, too */
    fv_ptrmap *uses;
    fv_ptrmap seen, *scored; /* storages that scores load: they are no masks */
} mask_use;

static void note_scored(fuser *f, mask_use *u, const fv_expr *x) {
    fv_storage *s = fv_storage_loaded(f->l, x);
    if (s)
        *fv_ptrmap_at(u->scored, s) = s;
    for (int i = 0; i < x->n; i++)
        note_scored(f, u, x->arg[i]);
}

static void count_masks(fuser *f, mask_use *u, const fv_expr *x) {
    fv_storage *s = fv_storage_loaded(f->l, x);
    if (x->n && *fv_ptrmap_at(&u->seen, x))
        return;
    *fv_ptrmap_at(&u->seen, x) = (void *)x;
    if (s) {
        void **at = fv_ptrmap_at(u->uses, s);
        readers *r = *at ? *at : (*at = FV_NEW(f->l->exprs, readers, 1));
        r->kernels += !*fv_ptrmap_at(&u->seen, s);
        r->memory |= fv_x_uses(x, u->query);
        *fv_ptrmap_at(&u->seen, s) = s;
    }
    for (int i = 0; i < x->n; i++)
        count_masks(f, u, x->arg[i]);
}

/* May attention, whose weights read it so, compute it? Of queries and keys nobody wonders. */
static bool is_mask_of_keys(fuser *f, const fv_storage *s, const readers *weights, bool scored) {
    const readers *all = readers_of(f, s);
    bool cheap = fv_is_cheap(f->l, s->def);
    if (scored && (weights->memory || all->memory || weights->kernels != all->kernels || !cheap))
        return false;
    if (weights->memory)
        return fv_declines(f->l, s->value, FV_WHY_attended_by_query);
    if (all->memory || weights->kernels != all->kernels)
        return fv_declines(f->l, s->value, FV_WHY_attended_besides, fv_n(weights->kernels));
    if (!cheap)
        return fv_declines(f->l, s->value, FV_WHY_attended_costly);
    return fv_takes(f->l, s->value, FV_WHY_attended_in_place);
}

/* A mask of keys that only attention reads, made cheaply, is computed there: once a head, and needs
 * no kernel. */
static void take_masks(fuser *f) {
    fv_lowerer *l = f->l;
    fv_ptrmap uses = fv_ptrmap_in(l->exprs), scored = fv_ptrmap_in(l->exprs);
    for (int i = 0; i < f->nfused; i++) {
        const struct fused *x = &f->fused[i];
        mask_use u = {.query = x->y->def->index[x->at.row],
                      .uses = &uses,
                      .seen = fv_ptrmap_in(l->exprs),
                      .scored = &scored};
        note_scored(f, &u, x->at.score);
        count_masks(f, &u, x->at.weight);
    }
    for (fv_op *op = l->func->body->first; op; op = op->next)
        for (int i = 0; i < op->nout; i++) {
            fv_storage *s = op->out[i] ? fv_storage_of(l, op->out[i]) : NULL;
            const readers *r = s ? fv_ptrmap_get(&uses, s) : NULL;
            if (r && fv_storage_has_kernel(s) &&
                is_mask_of_keys(f, s, r, fv_ptrmap_get(&scored, s)))
                s->fate = FV_FATE_SUBSTITUTED;
        }
    for (int i = 0; i < f->nfused; i++) {
        fv_storage *y = f->fused[i].y;
        const fv_origin *origin = fv_storage_origin(l, y->value);
        y->def->body = fv_substitute(l, y->def->body, &origin);
        *fv_ptrmap_at(&l->origins, y->value) = (void *)origin;
    }
}

fv_fuser *fv_fuser_new(fv_lowerer *l) {
    fuser *f = FV_NEW(l->exprs, fuser, 1);
    *f = (fuser){.l = l, .readers = fv_ptrmap_in(l->exprs), .scoreless = fv_ptrmap_in(l->exprs)};
    count_readers(f);
    return f;
}

/* Attention becomes one definition; what it is made of is substituted. */
bool fv_step_attend(fv_lowerer *l) {
    fuser *f = fv_fuser_new(l);
    for (fv_op *op = l->func->body->first; op; op = op->next)
        for (int i = 0; i < op->nout; i++) {
            fv_storage *s = op->out[i] ? fv_storage_of(l, op->out[i]) : NULL;
            if (!s || !fv_storage_has_kernel(s))
                continue;
            const fv_origin *origin = fv_storage_origin(l, s->value);
            int mark = fv_why_mark(l);
            f->rows = false;
            bool fused =
                fuse(f, s, *s->def, origin, 0, LEVELS) || fuse(f, s, *s->def, origin, 1, LEVELS);
            if (f->rows) /* values that are a product were tried as weights, too */
                fv_why_drop(l, mark, FV_WHY_attend_no_rows);
            if (fv_why_settle(l, mark, fused))
                fv_takes(l, s->value, FV_WHY_attends);
        }
    take_masks(f);
    return true;
}
