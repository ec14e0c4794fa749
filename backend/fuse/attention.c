/* attention.c - recognizes attention in a definition: a sum of products in which one factor is
 * computed, row by row, from another sum of products. How an exporter wrote the softmax, scale or
 * mask does not matter: all operations around the scores are accepted. */
#include "backend/fuse/attention.h"

#include <string.h>

#include "backend/axes/merge.h"
#include "backend/axes/split.h"
#include "backend/lowering/access.h"
#include "backend/lowering/sizes.h"
#include "backend/lowering/storage.h"
#include "backend/lowering/why.h"
#include "ir/base/limits.h"
#include "ir/definition/bits.h"
#include "ir/expr/rewrite.h"

enum {
    MAX_OUTER = 8,  /* largest rank of the definition */
    MAX_INNER = 16, /* largest nesting of sums */
    FEW_KEYS = 2    /* fewest keys: with one key there is no row of scores to keep */
};

/* ---- is it attention? ---- */

static bool has_reduction(fv_expr *x) {
    fv_expr *found;
    return fv_x_reductions(x, &found, 1) > 0;
}

typedef struct search {
    fv_lowerer *l;
    const fv_value *y; /* the value whose definition is examined, for reasons */
    fv_arena *arena;
    fv_attention *at;
    /* the key, and the variables of the sums around the current expression */
    fv_var *along[MAX_INNER];
    int n;
    bool rows; /* whether a sum or maximum along a row of scores was found */
} search;

/* x as a function of the key: s->along holds the key and the variables of sums along rows, and if x
 * depends on one of these, the key takes its place. NULL: x depends on none of them, or on
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

/* Is x the same for the whole row, and contains no scores? */
static bool is_apart(const search *s, const fv_expr *x) {
    for (int i = 0; i < s->n; i++)
        if (fv_x_uses(x, s->along[i]))
            return false;
    return !fv_has_products(x);
}

/* Sets s->at->score to the scores in x, if there are any, and checks all sums in x. False, with a
 * reason: two scores differ; or a sum is neither a score, nor along a row, nor a maximum that is
 * the same for the whole row; or sums along rows are nested in such a way that each key would need
 * a sum of its own, or too deeply. */
static bool find_scores(search *s, fv_expr *x) {
    bool ok = true;
    if (x->op == FV_X_REDUCE && x->u.red.kind == FV_REDUCE_MAX && is_apart(s, x))
        return true;
    if (fv_is_product_sum(x) && !has_reduction(x->arg[0])) {
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

/* Sets at->k, the factor of the score that depends on the key, at->q, the other one, and the axes
 * of queries and of features. Other axes must be axes of the score, so that no score is computed
 * twice. False, with a reason: q depends on the key, too, or there are no such axes. */
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
        if (at->column < 0 && values && !fv_x_uses(at->weight, v) && v->dim->hi >= FV_FEW_QUERIES)
            at->column = i;
        else if (q && !k && !values && v->dim->hi >= FV_FEW_QUERIES)
            at->row = at->row < 0 || is_longer(v->dim, d->index[at->row]->dim) ? i : at->row;
        else if (!q && !k && !fv_dim_is_one(v->dim))
            return fv_declines(l, d->value, FV_WHY_attend_apart, fv_d(v->dim));
    }
    if (at->row < 0)
        return fv_declines(l, d->value, FV_WHY_attend_queries, fv_n(FV_FEW_QUERIES));
    return at->column >= 0 ||
           fv_declines(l, d->value, FV_WHY_attend_features, fv_n(FV_FEW_QUERIES));
}

/* Is the definition attention with the weights at->weight and the values at->v? */
static bool is_attention(fv_lowerer *l, const fv_definition *d, fv_attention *at) {
    const fv_value *y = d->value;
    search s = {.l = l, .y = y, .arena = l->exprs, .at = at, .along = {at->key}, .n = 1};
    /* if neither factor contains scores, the caller records the reason */
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
    if (!fv_is_product_sum(sums[0]))
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
    return fv_why_has(l, d->value, "attend") ? false
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
    if (x->op == FV_X_REDUCE && !fv_has_products(x)) /* contains no scores */
        return x;
    fv_arena *a = r->s.arena;
    for (int i = 0; fv_is_product_sum(x) && i < r->s.n && !y; i++) {
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
