/* order.c - the step order: decides in which order the terms of each sum are added.
 *
 *     y[i, j] = sum k: a[i, k] * b[k, j]
 *         one chain: a contraction computes many sums in parallel
 *     y[i] = sum k: x[i, k]
 *         16 chains along k: the terms are contiguous, so a vector loop adds them
 *     y[i, j] = sum k < 3, c: w[j, k, c] * x[i + k, c]
 *         one chain if it is a contraction: two columns j or more, and w is a constant or there are
 *         FV_FEW_ROWS rows i or more. Otherwise 16 chains along c, the contiguous terms, but one
 *         chain if c has a constant number of terms below 16
 *     y[i, d] = sum j: weight(i, j) * v[j, d]
 *         in parts of the keys: attention that may have a single query, and many keys
 *
 *     y[i, j] = sum k: x[i, k] * w[k, j]
 *         in pairs, or in tiles: products of bf16 with a constant, where the options allow it
 *
 * The order depends on the definition, after its axes are split and merged as schedules see it, and
 * on the layout of its operands, which the step layout chooses in the same way for all targets. It
 * does not depend on tiles, vectors, threads or the target. Sums of integers, minima and maxima
 * have the same value in any order. */
#include <assert.h>

#include "backend/axes/merge.h"
#include "backend/axes/products.h"
#include "backend/axes/split.h"
#include "backend/fuse/form.h"
#include "backend/lowering/access.h"
#include "backend/lowering/storage.h"
#include "backend/lowering/why.h"
#include "backend/steps/order.h"
#include "backend/steps/steps.h"
#include "ir/base/limits.h"
#include "ir/definition/recurrence.h"
#include "ir/expr/rewrite.h"
#include "ir/kernel/build.h"

typedef struct orders {
    fv_lowerer *l;
    fv_ptrmap along; /* sum -> along how many of its last variables it has chains; 0: one chain */
    const fv_expr *parts; /* the sum whose keys are summed in parts; NULL: none */
    const fv_expr *words; /* the sum whose products are added in words; NULL: none */
    fv_order in_words;    /* how: PAIRS or TILES */
    int met, rows;        /* the number of sums that were examined, and of those with chains */
} orders;

static int chains_of(const orders *o, const fv_expr *sum) {
    return (int)(intptr_t)fv_ptrmap_get(&o->along, sum);
}

static void set_chains(orders *o, const fv_expr *sum, int along) {
    *fv_ptrmap_at(&o->along, sum) = (void *)(intptr_t)along;
}

/* ---- decisions ---- */

/* Gives the sums in x whose terms are contiguous in memory chains along them, unless elements
 * along `vector` are contiguous instead. */
static void take_rows(orders *o, const fv_expr *x, const fv_var *vector, fv_ptrmap *seen) {
    if (!x->n || *fv_ptrmap_at(seen, x))
        return;
    *fv_ptrmap_at(seen, x) = (void *)(uintptr_t)x;
    if (fv_x_is_ordered(x)) {
        bool row = fv_x_is_row(x, vector);
        set_chains(o, x, row);
        o->rows += row;
        o->met++;
    }
    for (int i = 0; i < x->n; i++)
        take_rows(o, x->arg[i], vector, seen);
}

/* Gives the sums in x the chains of the corresponding sums in y, which is x with other scores. */
static void take_like(orders *o, const fv_expr *x, const fv_expr *y, fv_ptrmap *seen) {
    /* where the ops of x and y differ, x is a score, whose sums get no chains */
    if (x->op != y->op || !x->n || *fv_ptrmap_at(seen, x))
        return;
    *fv_ptrmap_at(seen, x) = (void *)(uintptr_t)x;
    if (fv_x_is_ordered(x))
        set_chains(o, x, chains_of(o, y));
    for (int i = 0; i < x->n; i++)
        take_like(o, x->arg[i], y->arg[i], seen);
}

/* Are the keys of this attention summed in parts? They are if there may be a single query, as in a
 * step of a decoder, and more than FV_PART keys, unless both have the same dim: only parts of the
 * keys make several tasks then, and the order must not depend on how many tasks there are. */
static bool has_parts(const fv_definition *d, const fv_attention *at) {
    const fv_dim *queries = d->index[at->row]->dim;
    return queries->lo <= 1 && queries != at->key->dim && at->key->dim->hi > FV_PART;
}

/* Gives the sums in the weights their chains. Sums along the keys are sums of rows, since the
 * kernel has the scores of a row in contiguous memory; the sums in the scores have one chain. */
static void take_weights(orders *o, const fv_attention *at) {
    fv_arena *a = o->l->exprs;
    fv_expr *key = fv_x_var(a, at->key), *extent = fv_x_dim(a, at->key->dim);
    fv_buf *scores = fv_buf_new(a, "scores", FV_BUF_IN, (fv_elem)at->score->type.elem, 1, &extent);
    fv_expr *weight = fv_weight_of(a, at, fv_x_load(a, scores, &key));
    fv_ptrmap seen = fv_ptrmap_in(a), again = fv_ptrmap_in(a);
    take_rows(o, weight, at->key, &seen);
    take_like(o, at->weight, weight, &again);
}

static bool is_bf16(const fv_expr *factor) {
    return factor->op == FV_X_CONVERT && factor->arg[0]->type.elem == FV_BF16;
}

/* The sum of the contraction d, if its products may be added in words of two; otherwise NULL. */
static const fv_expr *sum_of_words(fv_lowerer *l, const fv_definition *d) {
    fv_products p;
    if (!(l->options->relax & (FV_RELAX_BF16_PRODUCTS | FV_RELAX_BF16_TILES)) ||
        !fv_find_products(l, d, 1, (fv_expr *[]){d->body}, &p) || p.nsums > 1 || p.each ||
        p.row < 0)
        return NULL;
    const fv_expr *sum = p.sums[0];
    const fv_dim *n = sum->u.red.vars[0]->dim;
    bool is = sum->u.red.nvars == 1 && fv_dim_is_const(n) && n->value % 2 == 0 && is_bf16(p.a) &&
              is_bf16(p.b[0]) && fv_x_is_constant(p.b[0]);
    return is ? sum : NULL;
}

/* Decides the orders of the sums of d, and returns the reason. */
static fv_why decide(orders *o, const fv_definition *d) {
    fv_attention at;
    int vector = fv_map_vector(d);
    fv_ptrmap seen = fv_ptrmap_in(o->l->current.scratch);
    fv_form_kind form = fv_form_of(o->l, d);
    if (form == FV_FORM_ATTENTION && fv_find_attention(o->l, d, &at)) {
        take_weights(o, &at);
        o->parts = has_parts(d, &at) ? at.sum : NULL;
        return FV_WHY_order_attends;
    }
    if (form == FV_FORM_CONTRACT) {
        o->words = sum_of_words(o->l, d);
        o->in_words = o->l->options->relax & FV_RELAX_BF16_TILES ? FV_ORDER_TILES : FV_ORDER_PAIRS;
        return !o->words                       ? FV_WHY_order_contracts
               : o->in_words == FV_ORDER_TILES ? FV_WHY_order_tiles
                                               : FV_WHY_order_pairs;
    }
    take_rows(o, d->body, vector < 0 ? NULL : d->index[vector], &seen);
    return o->rows ? FV_WHY_order_rows : FV_WHY_order_serial;
}

static void tell(const orders *o, const fv_definition *d, fv_why why) {
    switch (why) {
    case FV_WHY_order_contracts:
        fv_takes(o->l, d->value, why, fv_d(d->index[d->rank - 1]->dim));
        break;
    case FV_WHY_order_pairs:
    case FV_WHY_order_tiles:
        fv_takes(o->l, d->value, why, fv_n(o->words->u.red.vars[0]->dim->value));
        break;
    case FV_WHY_order_attends: fv_takes(o->l, d->value, why, fv_n(o->rows)); break;
    case FV_WHY_order_rows: fv_takes(o->l, d->value, why, fv_n(o->rows), fv_n(o->met)); break;
    default: fv_takes(o->l, d->value, why, fv_n(o->met));
    }
}

/* ---- sums before and after axes were split and merged ---- */

typedef struct labels {
    orders *o;
    fv_ptrmap label;        /* sum of the definition -> its label */
    const fv_expr **became; /* the sum with label i after axes were split and merged, at i - 1 */
    int n;
} labels;

static fv_expr *label(fv_x_rewriter *r, fv_expr *x, fv_expr **args) {
    labels *s = r->user;
    if (!fv_x_is_ordered(x))
        return NULL;
    static_assert(FV_MAX_DEFINITION_TREE <= UINT16_MAX + 1, "each sum has a label");
    *fv_ptrmap_at(&s->label, x) = (void *)(intptr_t)++s->n;
    return fv_x_reduce_labelled(r->arena, fv_x_with_args(r->arena, x, args), s->n);
}

static fv_expr *unlabel(fv_x_rewriter *r, fv_expr *x, fv_expr **args) {
    labels *s = r->user;
    if (!fv_x_is_ordered(x))
        return NULL;
    FV_HOLDS(fv_arena_session(r->arena), x->u.red.label);
    fv_expr *y = fv_x_reduce_labelled(r->arena, fv_x_with_args(r->arena, x, args), 0);
    s->became[x->u.red.label - 1] = y;
    return y;
}

/* Returns how many of the last variables of `sum` were merged into the last variable of by_now,
 * which `sum` has become; 1: none were merged. */
static int along(const orders *o, const fv_expr *sum, const fv_expr *by_now) {
    const fv_dim *dims[FV_MAX_RANK], *length = by_now->u.red.vars[by_now->u.red.nvars - 1]->dim;
    int n = sum->u.red.nvars;
    for (int m = 1; m <= n && sum->u.red.vars[n - 1]->dim != length; m++) {
        dims[m - 1] = sum->u.red.vars[n - m]->dim;
        if (fv_dim_product(o->l->module->dims, m, dims) == length)
            return m;
    }
    return 1;
}

static fv_expr *order(fv_x_rewriter *r, fv_expr *x, fv_expr **args) {
    const labels *s = r->user;
    if (!fv_x_is_ordered(x))
        return NULL;
    /* NULL: the sum was simplified away */
    const fv_expr *by_now = s->became[(intptr_t)fv_ptrmap_get(&s->label, x) - 1];
    int n = by_now && chains_of(s->o, by_now) ? along(s->o, x, by_now) : 0;
    if (by_now && by_now == s->o->parts)
        return fv_x_reduce_in(r->arena, fv_x_with_args(r->arena, x, args), FV_ORDER_PARTS, 0);
    if (by_now && by_now == s->o->words)
        return fv_x_reduce_in(r->arena, fv_x_with_args(r->arena, x, args), s->o->in_words, 0);
    return fv_x_reduce_in(r->arena, fv_x_with_args(r->arena, x, args),
                          n ? FV_ORDER_CHAINS : FV_ORDER_CHAIN, n);
}

static fv_expr *rewritten(labels *s, const fv_expr *x,
                          fv_expr *(*after)(fv_x_rewriter *r, fv_expr *x, fv_expr **args)) {
    fv_x_rewriter r = {.arena = s->o->l->exprs,
                       .memo = fv_ptrmap_in(s->o->l->current.scratch),
                       .after = after,
                       .user = s};
    return fv_x_rewrite(&r, x);
}

/* The body of d with the orders of its sums; `say`: whether the reason is recorded. */
static fv_expr *decided(fv_lowerer *l, const fv_definition *d, bool say) {
    orders o = {.l = l, .along = fv_ptrmap_in(l->current.scratch)};
    labels by = {.o = &o, .label = fv_ptrmap_in(l->current.scratch)};
    fv_definition labelled = *d;
    labelled.body = rewritten(&by, d->body, label);
    by.became = FV_NEW(l->exprs, const fv_expr *, by.n);
    fv_definition *seen = fv_merge_axes(l, fv_split_axes(l, &labelled));
    seen->body = rewritten(&by, seen->body, unlabel);
    struct fv_reasons *reasons = l->reasons;
    l->reasons = NULL; /* the schedules record their reasons later */
    fv_why why = decide(&o, seen);
    l->reasons = reasons;
    if (say)
        tell(&o, seen, why);
    return rewritten(&by, d->body, order);
}

static void choose(fv_lowerer *l, fv_storage *s) {
    fv_definition *d = FV_NEW(l->exprs, fv_definition, 1);
    *d = *s->def;
    d->body = decided(l, s->def, true);
    s->def = d;
}

static bool has_sums(const fv_expr *x, fv_ptrmap *seen) {
    if (!x->n || *fv_ptrmap_at(seen, x))
        return false;
    *fv_ptrmap_at(seen, x) = (void *)(uintptr_t)x;
    bool found = fv_x_is_ordered(x);
    for (int i = 0; i < x->n && !found; i++)
        found = has_sums(x->arg[i], seen);
    return found;
}

static fv_expr *one_chain(fv_x_rewriter *r, fv_expr *x, fv_expr **args) {
    return fv_x_is_ordered(x)
               ? fv_x_reduce_in(r->arena, fv_x_with_args(r->arena, x, args), FV_ORDER_CHAIN, 0)
               : NULL;
}

static fv_expr *open(fv_x_rewriter *r, fv_expr *x, fv_expr **args) {
    return fv_x_is_ordered(x)
               ? fv_x_reduce_in(r->arena, fv_x_with_args(r->arena, x, args), FV_ORDER_OPEN, 0)
               : NULL;
}

/* Replaces pairs and tiles by one chain: a text may have them, which an option has chosen, wherever
 * one chain is decided. */
static fv_expr *without_word(fv_x_rewriter *r, fv_expr *x, fv_expr **args) {
    return fv_x_adds_words(x)
               ? fv_x_reduce_in(r->arena, fv_x_with_args(r->arena, x, args), FV_ORDER_CHAIN, 0)
               : NULL;
}

static fv_expr *without_words(fv_arena *a, const fv_expr *x) {
    return fv_x_rewrite(&(fv_x_rewriter){.arena = a, .after = without_word}, x);
}

static fv_expr *in_one_chain(void *user, fv_expr *x) {
    const fv_lowerer *l = user;
    return fv_x_rewrite(&(fv_x_rewriter){.arena = l->exprs, .after = one_chain}, x);
}

bool fv_step_order(fv_lowerer *l) {
    for (const fv_op *op = l->func->body->first; op; op = op->next) {
        fv_recurrence *r = fv_ptrmap_get(&l->known.recurrences, op);
        if (r) /* in a step of a recurrence, neighbouring elements are computed in parallel */
            fv_recurrence_rewrite(r, in_one_chain, l);
        for (int i = 0; i < op->nout; i++) {
            fv_storage *s = op->out[i] ? fv_storage_of(l, op->out[i]) : NULL;
            fv_ptrmap seen = fv_ptrmap_in(l->current.scratch);
            if (s && s->def && fv_storage_has_kernel(s) && has_sums(s->def->body, &seen))
                choose(l, s);
        }
    }
    return true;
}

/* ---- the verifier ---- */

static bool is_as_decided(fv_lowerer *l, const fv_storage *s) {
    struct fv_reasons *reasons = l->reasons;
    fv_definition d = *s->def;
    l->reasons = NULL;
    d.body = fv_x_rewrite(&(fv_x_rewriter){.arena = l->exprs, .after = open}, d.body);
    bool same = fv_x_equal(without_words(l->exprs, decided(l, &d, false)),
                           without_words(l->exprs, s->def->body));
    l->reasons = reasons;
    return same || fv_error(l->session,
                            "illegal definition of %%%s: a sum is in another order than the one "
                            "that follows from its form",
                            s->value->name);
}

bool fv_orders_verify(fv_lowerer *l) {
    bool ok = true;
    for (const fv_op *op = l->func->body->first; op; op = op->next)
        for (int i = 0; i < op->nout; i++) {
            const fv_storage *s = op->out[i] ? fv_storage_of(l, op->out[i]) : NULL;
            fv_ptrmap seen = fv_ptrmap_in(l->current.scratch);
            if (s && s->def && fv_storage_has_kernel(s) && has_sums(s->def->body, &seen))
                ok &= is_as_decided(l, s);
        }
    return ok;
}
