/* heads.c - finds how queries, keys and values are computed: how many heads they have, from which
 * sequences they come, whether they include a cache, and whether one product computes them. */
#include "ir/expr/visit.h"
#include "passes/attention/parts.h"

#include <string.h>

enum {
    MOST = 1 << 14, /* largest number of positions that are enumerated */
    NEAR = 400,     /* largest number of values through which a query or key is traced back */
    DEEP = 4
};

/* ---- the projections of queries, keys and values ---- */

/* Does the load read a sum of products with constants? Then *computed is the factor that is not
 * constant, and `features` states which axes of the sum occur in the constant factor only. */
static bool is_projection(fv_finder *f, const fv_expr *load, bool *features, fv_expr **computed) {
    const fv_value *v = fv_loaded(load);
    fv_summed sum, here;
    if (!fv_element_sum(&f->e, v, &sum) || !sum.g || !fv_loaded_sum(&f->e, load, &here))
        return false;
    bool cf = fv_is_computed(f->e.arena, sum.f), cg = fv_is_computed(f->e.arena, sum.g);
    if (!cf && !cg && v->def->nin > 1 && v->def->in[0]->kind != FV_VALUE_CONST &&
        v->def->in[1]->kind == FV_VALUE_CONST)
        cf = true; /* the factor is a constant that the graph repeats for each entry of a batch */
    if (cf == cg)
        return false;
    *computed = cf ? here.f : here.g;
    for (int i = 0; i < sum.def->rank; i++)
        features[i] = fv_x_uses(cf ? sum.g : sum.f, sum.def->index[i]) &&
                      !fv_x_uses(cf ? sum.f : sum.g, sum.def->index[i]);
    return true;
}

static bool uses_any(const fv_expr *load, const bool *axes, const fv_expr *terms) {
    for (int i = 0; i < load->u.buf->rank; i++)
        for (int t = 0; axes[i] && t < terms->u.red.nvars; t++)
            if (fv_x_uses(load->arg[i], terms->u.red.vars[t]))
                return true;
    return false;
}

/* The projection (product with constants) in *x whose result supplies the terms of a score; *x
 * becomes the expression in which it was found. A product with constants that does not supply the
 * terms, such as one over the sequence, is skipped. terms NULL: any projection is accepted. NULL:
 * there is none. */
static const fv_expr *projection_in(fv_finder *f, fv_expr **x, const fv_expr *terms, bool *features,
                                    int deep) {
    fv_expr *loads[FV_SOME_LOADS], *computed;
    int n = *x ? fv_element_loads(f->e.arena, *x, loads, FV_SOME_LOADS) : 0;
    for (int i = 0; i < n; i++) {
        bool is = is_projection(f, loads[i], features, &computed);
        if (is && (!terms || uses_any(loads[i], features, terms)))
            return loads[i];
        const fv_expr *found =
            is && deep > 0 ? projection_in(f, &computed, terms, features, deep - 1) : NULL;
        if (found) {
            *x = computed;
            return found;
        }
    }
    return NULL;
}

/* ---- how many heads ---- */

typedef struct places {
    fv_sample sample;
    fv_ptrmap seen;
    fv_expr *x;
    bool axes[FV_MAX_RANK]; /* the axes of the watched load whose positions are counted */
    fv_var *vars[FV_MAX_RANK + 8];
    int nvars, n, looked;
} places;

static void note_place(void *user, const fv_expr *load) {
    places *p = user;
    uint64_t key = 1;
    for (int i = 0; i < load->u.buf->rank; i++)
        if (p->axes[i])
            key = key * 1000003 + (uint64_t)(int64_t)fv_sample_number(&p->sample, load->arg[i]) + 1;
    void **at = fv_ptrmap_at(&p->seen, (void *)(uintptr_t)(key ? key : 1));
    p->n += !*at;
    *at = p;
}

/* Enumerates positions; stops after MOST of them, which limits the time for large dims. */
static void count_places(places *p, int var) {
    if (var == p->nvars) {
        p->looked++;
        fv_sample_number(&p->sample, p->x);
        return;
    }
    int64_t n = fv_sample_dim(&p->sample, p->vars[var]->dim);
    for (int64_t i = 0; i < n && p->looked <= MOST; i++) {
        fv_sample_set(&p->sample, p->vars[var], i);
        count_places(p, var + 1);
    }
}

/* Does v influence which element is loaded, by a condition or by an index of one of these axes? */
static bool decides_in(const places *p, const fv_expr *x, const fv_var *v) {
    int rank = fv_is_load(x) ? x->u.buf->rank : 0;
    bool found = (x->op == FV_X_SELECT && fv_x_uses(x->arg[0], v)) ||
                 (x->op == FV_X_GUARD && fv_x_uses(x->arg[rank], v));
    for (int i = 0; i < rank && fv_loaded(x) == p->sample.watch.value; i++)
        found |= p->axes[i] && fv_x_uses(x->arg[i], v);
    return found;
}

static bool decides(const places *p, const fv_expr *root, const fv_var *v) {
    const fv_expr *x;
    for (fv_x_visitor nodes = fv_x_visit(p->sample.arena, root); (x = fv_x_next(&nodes));)
        if (!fv_x_uses(x, v))
            fv_x_skip(&nodes);
        else if (decides_in(p, x, v))
            return true;
    return false;
}

/* The number of distinct positions on these axes of v that x reads, when all variables except key
 * and query vary. */
static int64_t places_of(fv_finder *f, const fv_scores *s, fv_expr *x, const fv_value *v,
                         const bool *axes) {
    fv_arena *a = fv_arena_new(fv_arena_session(f->arena));
    places *p = FV_NEW(a, places, 1);
    p->sample = fv_sample_new(a, f->module, FV_SAMPLE);
    p->seen = fv_ptrmap_in(a);
    p->x = x;
    p->sample.watch.value = v;
    p->sample.watch.note = note_place;
    p->sample.watch.user = p;
    memcpy(p->axes, axes, sizeof p->axes);
    int nterms = s->terms->u.red.nvars;
    for (int k = 0; k < s->rank + nterms + s->nmixed; k++) {
        fv_var *var = k < s->rank            ? s->index[k]
                      : k < s->rank + nterms ? s->terms->u.red.vars[k - s->rank]
                                             : s->mixed[k - s->rank - nterms];
        fv_sample_fit(&p->sample, var->dim);
        if (var != s->key && var != s->query && p->nvars < FV_MAX_RANK && decides(p, x, var))
            p->vars[p->nvars++] = var;
    }
    /* positions are counted at the last key, since keys of a past precede those of the input */
    fv_sample_set(&p->sample, s->key, fv_sample_dim(&p->sample, s->key->dim) - 1);
    count_places(p, 0);
    int64_t n = p->n;
    fv_arena_free(a);
    return n;
}

/* The number of heads of the factor x of a score. */
static int64_t heads_of(fv_finder *f, const fv_scores *s, fv_expr *x, int64_t head_size) {
    bool axes[FV_MAX_RANK] = {false};
    fv_expr *in = x;
    const fv_expr *load = projection_in(f, &in, s->terms, axes, 2);
    if (load)
        return places_of(f, s, in, fv_loaded(load), axes) / (head_size ? head_size : 1);
    fv_expr *loads[FV_SOME_LOADS];
    int n = fv_element_loads(f->e.arena, x, loads, FV_SOME_LOADS);
    /* without a projection, the first axis is assumed to be that of the batch */
    for (int i = 0; i < n; i++) {
        if (fv_loaded(loads[i])->kind == FV_VALUE_CONST || loads[i]->u.buf->rank < 4)
            continue;
        for (int k = 0; k < loads[i]->u.buf->rank; k++) {
            const fv_expr *at = loads[i]->arg[k];
            axes[k] = at->op != FV_X_CONST && !fv_x_uses(at, s->key) &&
                      !(s->query && fv_x_uses(at, s->query)) && !fv_x_uses(at, s->index[0]);
            for (int t = 0; t < s->terms->u.red.nvars; t++)
                axes[k] &= !fv_x_uses(at, s->terms->u.red.vars[t]);
        }
        return places_of(f, s, x, fv_loaded(loads[i]), axes);
    }
    return fv_is_computed(f->e.arena, x) ? 1 : 0;
}

/* Does x depend on v by a value that depends on data? Looks through up to `deep` nested sums;
 * returns true if too many values were visited. */
static bool depends(fv_finder *f, fv_expr *x, const fv_var *v, int deep) {
    if (f->looked++ > FV_MOST_LOOKED)
        return true;
    fv_expr *loads[FV_SOME_LOADS];
    int n = fv_element_loads(f->e.arena, x, loads, FV_SOME_LOADS);
    bool found = false;
    for (int i = 0; i < n && !found; i++) {
        fv_summed sum;
        if (fv_loaded(loads[i])->kind == FV_VALUE_CONST || !fv_elem_is_float(loads[i]->u.buf->elem))
            continue;
        if (deep > 0 && fv_loaded_sum(&f->e, loads[i], &sum))
            found = depends(f, sum.f, v, deep - 1) || (sum.g && depends(f, sum.g, v, deep - 1));
        else
            found = fv_load_uses(loads[i], v);
    }
    return found;
}

/* Do the values, too, vary along axis number `axis` of the weights? */
static bool values_have(const fv_attention_site *s, const fv_scores *x, int axis) {
    const fv_expr *at =
        fv_loaded(x->product.weight_load) == s->weights ? x->product.weight_load->arg[axis] : NULL;
    return at && at->op == FV_X_VAR && fv_x_uses(x->product.values, at->u.var);
}

/* n * of; 0, which means unknown, if that exceeds 64 bits. */
static int64_t times(int64_t n, int64_t of) {
    int64_t all;
    return __builtin_mul_overflow(n, of, &all) ? 0 : all;
}

void fv_find_heads(fv_finder *f, fv_attention_site *s, const fv_scores *x) {
    fv_arena *a = fv_arena_new(fv_arena_session(f->arena));
    fv_sample sample = fv_sample_new(a, f->module, FV_SAMPLE);
    if (x->load) {
        s->heads.size = 1;
        for (int i = 0; i < x->terms->u.red.nvars; i++)
            s->heads.size =
                times(s->heads.size, fv_sample_dim(&sample, x->terms->u.red.vars[i]->dim));
        int64_t q = heads_of(f, x, x->q, s->heads.size), k = heads_of(f, x, x->k, s->heads.size);
        s->heads.kv = k > 0 ? k : 1;
        s->heads.query = q > 0 ? q : s->heads.kv;
        for (int i = 0; i < x->terms->u.red.nvars; i++)
            if (!fv_dim_is_const(x->terms->u.red.vars[i]->dim))
                s->heads.size = 0;
    } else {
        s->heads.query = 1;
        /* Along the axis of heads the values differ, and the scores differ only by constants: each
         * head has weights of its own. */
        for (int i = 0; i < x->rank; i++)
            if (x->index[i] != x->key && x->index[i] != x->query && values_have(s, x, i) &&
                !depends(f, x->x, x->index[i], DEEP))
                s->heads.query = times(s->heads.query, fv_sample_dim(&sample, x->index[i]->dim));
        s->heads.kv = s->heads.query;
    }
    fv_arena_free(a);
}

/* ---- sources ---- */

/* Values from which a value is computed, except constants, indices and conditions: the search ends
 * at products of two computed values, at values without a definition, such as inputs and results of
 * recurrences, and when there are NEAR. */
typedef struct sources {
    const fv_value *all[NEAR];
    int n;
    fv_ptrmap seen;
} sources;

static void add_source(sources *s, const fv_value *v) {
    bool index = v->type->elem == FV_I64 || v->type->elem == FV_BOOL;
    if (s->n == NEAR || v->kind == FV_VALUE_CONST || index || *fv_ptrmap_at(&s->seen, v))
        return;
    *fv_ptrmap_at(&s->seen, v) = (void *)v;
    s->all[s->n++] = v;
}

static bool ends_at(fv_finder *f, const fv_value *v) {
    fv_summed sum;
    return !fv_element_definition(&f->e, v) ||
           (fv_element_sum(&f->e, v, &sum) && sum.g && sum.f != sum.g &&
            fv_is_computed(f->e.arena, sum.f) && fv_is_computed(f->e.arena, sum.g));
}

static void find_sources(fv_finder *f, fv_expr *x, sources *s) {
    fv_expr *loads[FV_SOME_LOADS];
    int n = fv_element_loads(f->e.arena, x, loads, FV_SOME_LOADS);
    *s = (sources){.seen = fv_ptrmap_in(f->e.arena)};
    for (int i = 0; i < n; i++)
        add_source(s, fv_loaded(loads[i]));
    for (int i = 0; i < s->n; i++)
        if (!ends_at(f, s->all[i]))
            for (int k = 0; k < s->all[i]->def->nin; k++)
                if (s->all[i]->def->in[k])
                    add_source(s, s->all[i]->def->in[k]);
}

static bool share_a_source(fv_finder *f, const fv_scores *x) {
    sources *q = FV_NEW(f->e.arena, sources, 1), *k = FV_NEW(f->e.arena, sources, 1);
    find_sources(f, x->q, q);
    find_sources(f, x->k, k);
    for (int i = 0; i < q->n; i++)
        if (fv_ptrmap_get(&k->seen, q->all[i]))
            return true;
    return false;
}

/* The number of indices in which v occurs, for that load of a feature map (a computed value of at
 * least 4 axes) in x for which it is largest. */
static int axes_with(fv_finder *f, fv_expr *x, const fv_var *v) {
    fv_expr *loads[FV_SOME_LOADS];
    int n = fv_element_loads(f->e.arena, x, loads, FV_SOME_LOADS), most = 0;
    for (int i = 0; i < n; i++) {
        int found = 0;
        for (int k = 0; k < loads[i]->u.buf->rank && loads[i]->u.buf->rank >= 4; k++)
            found += fv_loaded(loads[i])->kind != FV_VALUE_CONST && fv_x_uses(loads[i]->arg[k], v);
        most = found > most ? found : most;
    }
    return most;
}

static bool has_past(fv_finder *f, const fv_scores *x) {
    fv_expr *loads[FV_SOME_LOADS];
    int n = fv_element_loads(f->e.arena, x->k, loads, FV_SOME_LOADS);
    bool given = false, made = false;
    for (int i = 0; i < n; i++)
        if (fv_load_uses(loads[i], x->key) && fv_elem_is_float(loads[i]->u.buf->elem))
            *(fv_loaded(loads[i])->kind == FV_VALUE_PARAM ? &given : &made) = true;
    return given && made;
}

static const fv_value *through_views(const fv_value *v) {
    while (v->def && (fv_op_is(v->def, FV_OP_fv_Reshape) || fv_op_is(v->def, FV_OP_Transpose) ||
                      fv_op_is(v->def, FV_OP_Cast)))
        v = v->def->in[0];
    return v;
}

/* The operand of a projection that is not its weights. */
static const fv_value *projected(const fv_value *v) {
    for (int i = 0; i < v->def->nin; i++)
        if (v->def->in[i] && v->def->in[i]->kind != FV_VALUE_CONST)
            return through_views(v->def->in[i]);
    return NULL;
}

/* Do both expressions read the same part of the projection's result? Then one value is used twice,
 * and nothing is merged. */
static bool same_part(const fv_expr *a, const fv_expr *b, const bool *features, fv_sample *s) {
    for (int i = 0; i < a->u.buf->rank; i++)
        if (features[i] && fv_sample_number(s, a->arg[i]) != fv_sample_number(s, b->arg[i]))
            return false;
    return true;
}

static bool is_merged(fv_finder *f, const fv_scores *x) {
    fv_expr *of[3] = {x->q, x->k, x->product.values};
    const fv_expr *made[3] = {0};
    const fv_value *from[3] = {0};
    bool merged = false, features[FV_MAX_RANK];
    /* a sample in which all index variables are 0 */
    fv_sample sample = fv_sample_new(f->e.arena, f->module, FV_SAMPLE);
    for (int i = 0; i < 3; i++) {
        made[i] = projection_in(f, &of[i], NULL, features, 0);
        from[i] = made[i] ? projected(fv_loaded(made[i])) : NULL;
    }
    for (int i = 0; i < 3; i++)
        for (int k = 0; k < i; k++)
            if (from[i] && from[i] == from[k]) {
                if (fv_loaded(made[i]) != fv_loaded(made[k]))
                    return false;
                merged |= !same_part(made[i], made[k], features, &sample);
            }
    return merged;
}

void fv_find_origin(fv_finder *f, fv_attention_site *s, const fv_scores *x) {
    if (!x->load)
        return;
    s->traits.past = has_past(f, x);
    s->traits.merged = is_merged(f, x);
    if (s->kind != FV_ATTENTION_CROSS)
        return;
    bool spatial = x->query && axes_with(f, x->q, x->query) > 1, channel = false;
    for (int i = 0; i < x->terms->u.red.nvars; i++)
        channel |= axes_with(f, x->q, x->terms->u.red.vars[i]) > 1;
    s->kind = spatial                                ? FV_ATTENTION_SPATIAL
              : channel || x->terms->u.red.nvars > 1 ? FV_ATTENTION_CHANNEL
              : share_a_source(f, x)                 ? FV_ATTENTION_SELF
                                                     : FV_ATTENTION_CROSS;
}
