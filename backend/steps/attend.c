/* attend.c - the step attend: turns scores, weights and the product of weights with values, which
 * are three or more values of the graph, into one definition, so that one kernel computes them
 * (backend/schedule/attend/attention.c). */
#include "backend/steps/attend.h"

#include <string.h>

#include "backend/axes/merge.h"
#include "backend/axes/split.h"
#include "backend/fuse/substitute.h"
#include "backend/fuse/work.h"
#include "backend/lowering/access.h"
#include "backend/lowering/sizes.h"
#include "backend/lowering/storage.h"
#include "backend/lowering/why.h"
#include "backend/steps/grouped.h"
#include "backend/steps/steps.h"
#include "ir/base/limits.h"
#include "ir/definition/bits.h"
#include "ir/expr/rewrite.h"

static bool has_reduction(fv_expr *x) {
    fv_expr *found;
    return fv_x_reductions(x, &found, 1) > 0;
}

/* ---- three definitions as one ---- */

typedef struct readers {
    int kernels;
    bool memory; /* whether something other than a kernel needs the value in memory */
} readers;

typedef struct fv_fuser {
    fv_lowerer *l;
    fv_ptrmap readers; /* storage -> its readers */
    /* storage -> 1 + the number of levels within which it is known to contain no score */
    fv_ptrmap scoreless;
    struct fused {
        fv_storage *y; /* the result of the attention */
        fv_attention at;
    } *fused;
    int nfused, cap_fused;
    struct within {
        fv_storage *s; /* a value that was substituted into an attention */
        fv_fate was;
    } *within;
    int nwithin, cap_within;
    bool rows; /* whether a factor of the product was found to be a softmax of scores */
} fuser;

static readers *readers_of(fuser *f, const fv_storage *s) {
    void **at = fv_ptrmap_at(&f->readers, s);
    if (!*at)
        *at = FV_NEW(f->l->exprs, readers, 1);
    return *at;
}

/* Counts the kernels that read each value. A view reads the value in whose memory it is, so the
 * readers of the view count as readers of that value. */
static void add_reads(fuser *f, const fv_expr *x, fv_ptrmap *seen) {
    fv_storage *s = fv_storage_loaded(f->l, x);
    void **at = fv_ptrmap_at(seen, s ? (const void *)s : x);
    bool known = *at != NULL;
    if (known && !s)
        return;
    *at = f;
    if (s && !known) {
        fv_ptrmap inner = fv_ptrmap_in(f->l->current.scratch);
        bool first = readers_of(f, s)->kernels++ == 0;
        if (first && s->fate == FV_FATE_VIEW && s->def)
            add_reads(f, s->def->body, &inner);
        /* in a program that was read from a text, views have no definition after this step */
        else if (first)
            for (fv_storage *of = s->fate == FV_FATE_VIEW ? s->of : NULL; of;
                 of = of->fate == FV_FATE_VIEW ? of->of : NULL)
                readers_of(f, of)->kernels++;
    }
    for (int i = 0; i < x->n; i++)
        add_reads(f, x->arg[i], seen);
}

/* Does something other than a definition need the value of s in memory? A reshape that is a view is
 * a definition here, if vectors of its elements do not cross the rows of s: they load an addend of
 * such a row at one place. With other rows, attention takes longer than separate kernels. */
static bool needs_memory(fv_lowerer *l, const fv_storage *s) {
    const fv_op *use;
    fv_why why = fv_memory_reason(l, s->value, &use);
    const fv_type *t = s->value->type;
    const fv_dim *row = t->rank ? t->dims[t->rank - 1] : NULL;
    bool view = why == FV_WHY_seen_reshaped && s->value->nuses == 1 &&
                fv_storage_of(l, use->out[0])->fate == FV_FATE_VIEW && fv_dim_is_const(row) &&
                row->value % FV_WHOLE_ROWS == 0;
    return why != FV_WHY_none && !view;
}

static void count_readers(fuser *f) {
    fv_lowerer *l = f->l;
    for (fv_op *op = l->func->body->first; op; op = op->next)
        for (int i = 0; i < op->nout; i++) {
            fv_storage *s = op->out[i] ? fv_storage_of(l, op->out[i]) : NULL;
            fv_ptrmap seen = fv_ptrmap_in(l->current.scratch);
            if (s && needs_memory(l, s))
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

/* The levels of values that are left after s: a view only changes indices, and counts for none. */
static int levels_after(const fv_storage *s, int levels) {
    return levels - (s->fate != FV_FATE_VIEW);
}

/* Does x contain a sum of products that is computed at run time, itself or through up to `levels`
 * levels of values that each have a single reader? */
static bool has_score(fuser *f, const fv_expr *x, int levels, fv_ptrmap *seen) {
    if (fv_is_product_sum(x) &&
        !(fv_x_is_constant(x->arg[0]->arg[0]) && fv_x_is_constant(x->arg[0]->arg[1])))
        return true;
    if (*fv_ptrmap_at(seen, x))
        return false;
    *fv_ptrmap_at(seen, x) = (void *)x;
    fv_storage *s = fv_storage_loaded(f->l, x);
    if (levels > 0 && is_own(f, s) && (intptr_t)fv_ptrmap_get(&f->scoreless, s) <= levels) {
        fv_ptrmap inner = fv_ptrmap_in(f->l->current.scratch);
        if (has_score(f, s->def->body, levels_after(s, levels), &inner))
            return true;
        *fv_ptrmap_at(&f->scoreless, s) = (void *)(intptr_t)(levels + 1);
    }
    for (int i = 0; i < x->n; i++)
        if (has_score(f, x->arg[i], levels, seen))
            return true;
    return false;
}

static bool is_score(const fv_expr *x) {
    fv_expr *const *f = fv_is_product_sum(x) ? x->arg[0]->arg : NULL;
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

/* Would a user expect attention here, so that a reason why there is none is worth recording? True
 * if s has a reduction over products of values that are computed at run time. */
static bool looks_like_weights(fuser *f, const fv_storage *s) {
    return fv_is_small(f->l, s->def) && has_reduction(s->def->body) &&
           (is_score(s->def->body) || loads_scores(f, s->def->body));
}

typedef struct candidates {
    const fv_value *y; /* the value whose definition is searched */
    fv_storage *list[FV_ATTEND_CANDIDATES];
    int n;
    fv_ptrmap seen; /* nodes and storages that have been examined */
} candidates;

/* Lists the values that x loads along the variable `along` and that lead to scores. Within a
 * reduction, `along` is the variable of that reduction. */
static void find_candidates(fuser *f, const fv_expr *x, const fv_var *along, candidates *c) {
    fv_storage *s = fv_storage_loaded(f->l, x);
    if (*fv_ptrmap_at(&c->seen, x))
        return;
    if (s && fv_x_uses(x, along) && !*fv_ptrmap_at(&c->seen, s)) {
        fv_ptrmap seen = fv_ptrmap_in(f->l->current.scratch);
        *fv_ptrmap_at(&c->seen, s) = s;
        if (is_own(f, s) && c->n < FV_ATTEND_CANDIDATES &&
            has_score(f, s->def->body, FV_ATTEND_LEVELS, &seen))
            c->list[c->n++] = s;
        else if (f->l->reasons && s->def && s->fate != FV_FATE_SUBSTITUTED && !is_own(f, s) &&
                 looks_like_weights(f, s))
            fv_declines(f->l, c->y, FV_WHY_attend_weights_read, fv_v(s->value));
    }
    if (x->op == FV_X_REDUCE)
        along = x->u.red.vars[0];
    else if (fv_x_uses(x, along))
        *fv_ptrmap_at(&c->seen, x) = (void *)x;
    for (int i = 0; i < x->n; i++)
        find_candidates(f, x->arg[i], along, c);
}

/* Is d attention as it is now, and also after its axes are split and merged, as the schedule will
 * see it? Sets *at, and updates f->rows. */
static bool is_found(fuser *f, const fv_definition *d, fv_attention *at) {
    fv_attention then;
    int mark = fv_why_mark(f->l);
    bool found = fv_find_attention(f->l, d, at) &&
                 fv_find_attention(f->l, fv_merge_axes(f->l, fv_split_axes(f->l, d)), &then);
    f->rows |= at->rows;
    /* a later substitution may still find scores */
    fv_why_drop(f->l, mark, FV_WHY_attend_no_scores);
    return found;
}

static bool fuse(fuser *f, fv_storage *y, fv_definition d, const fv_origin *origin, int factor,
                 int levels);

/* Tries to make attention of d with the definitions of the n values `list` substituted into it.
 * Returns false and undoes the substitution if that fails. */
static bool fuse_with(fuser *f, fv_storage *y, const fv_definition *d, const fv_origin *origin,
                      int factor, int levels, fv_storage *const *list, int n) {
    fv_definition now = *d;
    /* the fate of each value before the substitution; it may have been a view */
    fv_fate was[FV_ATTEND_CANDIDATES];
    int left = n > 1 ? levels - 1 : levels_after(list[0], levels);
    for (int i = 0; i < n; i++) {
        was[i] = list[i]->fate;
        list[i]->fate = FV_FATE_SUBSTITUTED;
    }
    now.body = fv_substitute(f->l, now.body, &origin);
    /* the nodes of the outermost level, the softmax, come first in the origin, since users know the
     * attention by them */
    if (levels == FV_ATTEND_LEVELS)
        origin = fv_origin_join(f->l->module, fv_storage_origin(f->l, list[0]->value), origin);
    if (fuse(f, y, now, origin, factor, left)) {
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

/* Tries to make attention of d, the present definition of y, with factor number `factor` of its sum
 * as the weights, by substituting values of at most `levels` levels. Returns whether it is
 * attention. */
static bool fuse(fuser *f, fv_storage *y, fv_definition d, const fv_origin *origin, int factor,
                 int levels) {
    fv_lowerer *l = f->l;
    fv_attention at;
    fv_expr *sums[2];
    /* the schedule gives the reason */
    if (fv_x_reductions(d.body, sums, 2) != 1 || !fv_is_product_sum(sums[0]))
        return false;
    if (!fv_is_small(l, &d))
        return fv_declines(l, y->value, FV_WHY_attend_tree);
    if (levels < FV_ATTEND_LEVELS && is_found(f, &d, &at)) {
        y->def->body = d.body;
        *fv_ptrmap_at(&l->known.origins, y->value) = (void *)origin;
        FV_PUSH(l->exprs, f->fused, f->nfused, f->cap_fused, ((struct fused){y, at}));
        return true;
    }
    candidates c = {.y = y->value, .seen = fv_ptrmap_in(l->current.scratch)};
    if (levels > 0)
        find_candidates(f, sums[0]->arg[0]->arg[factor], sums[0]->u.red.vars[0], &c);
    for (int i = 0; i < c.n; i++)
        if (fuse_with(f, y, &d, origin, factor, levels, &c.list[i], 1))
            return true;
    return c.n > 1 && fuse_with(f, y, &d, origin, factor, levels, c.list, c.n);
}

/* ---- weights that are kept ---- */

/* The index variables of the result that index one axis of the weights, the outermost first: one
 * variable, or several whose axes a Reshape made one. */
typedef struct axis_vars {
    fv_var *all[FV_MAX_RANK];
    int n;
} axis_vars;

/* Lists in *out the terms of x, an index variable each with a constant factor; false: x is no such
 * sum of at most FV_MAX_RANK terms. */
static bool find_terms(fv_expr *x, axis_vars *out, int64_t *factors) {
    int64_t c = 1;
    if (x->op == FV_X_ADD)
        return find_terms(x->arg[0], out, factors) && find_terms(x->arg[1], out, factors);
    if (x->op == FV_X_MUL && fv_x_is_int(x->arg[1], &c))
        x = x->arg[0];
    if (x->op != FV_X_VAR || out->n == FV_MAX_RANK)
        return false;
    factors[out->n] = c;
    out->all[out->n++] = x->u.var;
    return true;
}

/* Sorts the variables by their factors, the largest first. */
static void sort_terms(axis_vars *p, int64_t *factors) {
    for (int i = 1; i < p->n; i++)
        for (int k = i; k > 0 && factors[k] > factors[k - 1]; k--) {
            fv_var *v = p->all[k];
            int64_t c = factors[k];
            p->all[k] = p->all[k - 1];
            factors[k] = factors[k - 1];
            p->all[k - 1] = v;
            factors[k - 1] = c;
        }
}

/* Is `at` an index into an axis of that extent which has another value for each combination of its
 * variables, in their order, and reaches each element, as i * 3 + j does in an axis of 3 * n if i
 * is below n and j below 3? *out becomes these variables. */
static bool find_axis_vars(const fv_module *m, fv_expr *at, const fv_dim *extent, axis_vars *out) {
    int64_t factors[FV_MAX_RANK];
    const fv_dim *all = fv_dim_const(m->dims, 1);
    *out = (axis_vars){.n = 0};
    if (!find_terms(at, out, factors))
        return false;
    sort_terms(out, factors);
    for (int i = out->n; i-- > 0;) {
        if (!fv_dim_is_const(all) || all->value != factors[i])
            return false;
        all = fv_dim_mul(m->dims, out->all[i]->dim, all);
    }
    return fv_module_equal(m, all, extent);
}

/* Returns the value that this factor of the sum of d loads, if it is stored weights, of which each
 * element is loaded for one combination of indices; else NULL. Sets in[i] to the variables that
 * index axis i of the weights. */
static fv_storage *loaded_weights(fuser *f, const fv_definition *d, int factor, axis_vars *in) {
    fv_expr *sum;
    if (fv_x_reductions(d->body, &sum, 1) != 1 || !fv_is_product_sum(sum) || sum->u.red.nvars != 1)
        return NULL;
    const fv_expr *x = fv_x_stored(sum->arg[0]->arg[factor]);
    fv_storage *s = x->op == FV_X_LOAD ? fv_storage_loaded(f->l, x) : NULL;
    if (!s || !s->def || s->fate != FV_FATE_MEMORY || is_own(f, s) || !has_reduction(s->def->body))
        return NULL;
    fv_ptrmap seen = fv_ptrmap_in(f->l->current.scratch);
    int keys = 0;
    for (int i = 0; i < x->n; i++) {
        const fv_dim *extent = s->def->index[i]->dim;
        bool found = find_axis_vars(f->l->module, x->arg[i], extent, &in[i]);
        if (!found && !fv_dim_is_one(extent))
            return NULL;
        in[i].n = found ? in[i].n : 0;
        for (int k = 0; k < in[i].n; k++) {
            fv_var *v = in[i].all[k];
            bool key = v == sum->u.red.vars[0];
            if (fv_ptrmap_get(&seen, v) || (key && in[i].n > 1) ||
                (!key && fv_definition_axis(d, v) == d->rank))
                return NULL;
            *fv_ptrmap_at(&seen, v) = v;
            keys += key;
        }
    }
    return keys == 1 ? s : NULL;
}

/* Returns the definition w with the variables of d, and a key variable of its own. An axis of w
 * that several variables of d index becomes as many axes, in the same memory. NULL: d has an axis
 * that is neither an axis of the weights nor that of features, or the weights have too many axes or
 * are too large an expression. */
static fv_definition *weights_of(fv_lowerer *l, const fv_definition *d, const fv_attention *at,
                                 const fv_definition *w, const axis_vars *in, fv_var **key) {
    fv_definition *r = FV_NEW(l->exprs, fv_definition, 1);
    *r = *w;
    r->index = FV_NEW(l->exprs, fv_var *, FV_MAX_RANK);
    r->rank = 0;
    for (int i = 0; i < w->rank; i++) {
        int n = in[i].n ? in[i].n : 1;
        if (r->rank + n > FV_MAX_RANK)
            return NULL;
        for (int k = 0; k < n; k++) {
            fv_var *v = in[i].n ? in[i].all[k] : NULL;
            bool shared = v && v != at->key;
            r->index[r->rank] =
                shared ? v : fv_index_var(l->exprs, w->index[i]->name, w->index[i]->dim);
            *key = v == at->key ? r->index[r->rank] : *key;
            r->rank++;
        }
    }
    for (int i = 0; i < d->rank; i++)
        if (i != at->column && !fv_dim_is_one(d->index[i]->dim) &&
            fv_definition_axis(r, d->index[i]) == r->rank)
            return NULL;
    r->body = fv_weights_along(l->exprs, at, *key);
    return fv_is_small(l, r) ? r : NULL;
}

/* Fills `out` for the attention that was just fused, whose weights w are kept. Returns false if w
 * cannot be computed by its kernel. */
static bool set_kept(fuser *f, const fv_definition *d, fv_storage *y, fv_storage *w,
                     const axis_vars *in, fv_kept_weights *out) {
    *out = (fv_kept_weights){
        .weights = w, .of_result = y->def, .within = FV_NEW(f->l->exprs, fv_storage *, f->nwithin)};
    for (int i = 0; i < f->nwithin; i++)
        if (f->within[i].s != w)
            out->within[out->nwithin++] = f->within[i].s;
    out->of_weights = weights_of(f->l, d, &f->fused[f->nfused - 1].at, w->def, in, &out->key);
    return out->of_weights != NULL;
}

static bool try_kept(fuser *f, const fv_storage *of, int factor, fv_kept_weights *out) {
    const fv_definition *d = of->def;
    axis_vars in[FV_MAX_RANK];
    fv_storage y = *of, *w = loaded_weights(f, d, factor, in);
    if (!w)
        return false;
    y.def = FV_NEW(f->l->exprs, fv_definition, 1);
    *y.def = *d;
    f->nwithin = f->nfused = 0;
    bool found =
        fuse_with(f, &y, d, fv_storage_origin(f->l, of->value), factor, FV_ATTEND_LEVELS, &w, 1) &&
        set_kept(f, d, &y, w, in, out);
    for (int i = 0; i < f->nwithin; i++)
        f->within[i].s->fate = f->within[i].was;
    return found;
}

bool fv_find_kept(fv_fuser *f, const fv_storage *y, fv_kept_weights *out) {
    struct fv_reasons *reasons = f->l->reasons;
    const fv_origin *origin = fv_storage_origin(f->l, y->value);
    f->l->reasons = NULL; /* the caller records the reasons */
    bool found = try_kept(f, y, 0, out) || try_kept(f, y, 1, out);
    *fv_ptrmap_at(&f->l->known.origins, y->value) = (void *)(uintptr_t)origin;
    f->l->reasons = reasons;
    return found;
}

bool fv_fold_kept(fv_lowerer *l, fv_storage *y, fv_kept_weights *k) {
    fv_ptrmap tables = fv_ptrmap_in(l->current.scratch);
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
    /* storage -> readers: `kernels` is the number of attentions that have it in their weights,
     * `memory` whether some load of it there depends on the query */
    fv_ptrmap *uses;
    /* seen: what was counted for the present attention; scored: storages that scores load, which
     * are no masks */
    fv_ptrmap seen, *scored;
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

/* May attention compute the mask s itself instead of loading it? Records the decision, unless it is
 * to load a value that scores load: those are queries and keys, for which a user would not expect
 * it. */
static bool is_mask_of_keys(fuser *f, const fv_storage *s, const readers *weights, bool scored) {
    const readers *all = readers_of(f, s);
    bool cheap = fv_is_cheap(f->l, s->def);
    if (scored && (weights->memory || all->memory || weights->kernels != all->kernels || !cheap))
        return false;
    if (weights->memory)
        return fv_declines(f->l, s->value, FV_WHY_attended_by_query);
    if (all->memory || weights->kernels != all->kernels)
        return fv_declines(f->l, s->value, FV_WHY_attended_read, fv_n(weights->kernels));
    if (!cheap)
        return fv_declines(f->l, s->value, FV_WHY_attended_costly);
    return fv_takes(f->l, s->value, FV_WHY_attended_in_place);
}

/* Substitutes masks over keys that only attention reads and that are cheap to compute: attention
 * then computes them once per head, and they need no kernel. */
static void take_masks(fuser *f) {
    fv_lowerer *l = f->l;
    fv_ptrmap uses = fv_ptrmap_in(l->current.scratch), scored = fv_ptrmap_in(l->current.scratch);
    for (int i = 0; i < f->nfused; i++) {
        const struct fused *x = &f->fused[i];
        mask_use u = {.query = x->y->def->index[x->at.row],
                      .uses = &uses,
                      .seen = fv_ptrmap_in(l->current.scratch),
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
        *fv_ptrmap_at(&l->known.origins, y->value) = (void *)origin;
    }
}

fv_fuser *fv_fuser_new(fv_lowerer *l) {
    fuser *f = FV_NEW(l->exprs, fuser, 1);
    *f = (fuser){.l = l,
                 .readers = fv_ptrmap_in(l->current.scratch),
                 .scoreless = fv_ptrmap_in(l->current.scratch)};
    count_readers(f);
    return f;
}

/* Makes one definition of each attention, into which the scores and weights are substituted. */
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
            bool fused = fuse(f, s, *s->def, origin, 0, FV_ATTEND_LEVELS) ||
                         fuse(f, s, *s->def, origin, 1, FV_ATTEND_LEVELS);
            if (f->rows) /* products whose factors are values were examined as weights, too */
                fv_why_drop(l, mark, FV_WHY_attend_no_rows);
            if (fv_why_settle(l, mark, fused))
                fv_takes(l, s->value, FV_WHY_attends);
        }
    take_masks(f);
    return true;
}
