/* scores.c - searches from the operand of the softmax towards the inputs for the product or
 * distance of query and key. */
#include "passes/attention/parts.h"

#include "ir/expr/rewrite.h"

enum { DEEP = 4 }; /* greatest nesting of products with constants through which the search passes */

bool fv_stops(fv_attention_site *s, const fv_op *op, const char *why) {
    if (!s->why) {
        s->why = why;
        s->stopped = op;
    }
    return false;
}

bool fv_is_product(fv_finder *f, const fv_expr *load, fv_summed *out) {
    fv_arena *a = f->e.arena;
    return fv_loaded_sum(&f->e, load, out) && out->g && fv_is_computed(a, out->f) &&
           fv_is_computed(a, out->g) && out->f != out->g;
}

/* ---- a product of queries and keys ---- */

static bool has_sum(fv_finder *f, fv_expr *x) {
    fv_expr *loads[FV_SOME_LOADS];
    fv_summed sum;
    int n = fv_element_loads(f->e.arena, x, loads, FV_SOME_LOADS);
    for (int i = 0; i < n; i++)
        if (fv_element_sum(&f->e, fv_loaded(loads[i]), &sum) && sum.g)
            return true;
    return false;
}

/* Does the query have an axis of its own? If heads are mixed, a factor without such an axis is not
 * a query. */
static bool has_own_axis(const fv_scores *x, const fv_expr *q, const fv_expr *k) {
    for (int i = 0; i < x->rank; i++)
        if (x->index[i] != x->key && fv_x_uses(q, x->index[i]) && !fv_x_uses(k, x->index[i]))
            return true;
    return false;
}

/* Searches the product of query and key in `in`: the operand of the softmax, or, if constant
 * factors mix the scores of several heads, the factor of that mixture that is not constant. */
static bool find_product(fv_finder *f, fv_scores *x, fv_expr *in, int deep) {
    if (f->looked > FV_MOST_LOOKED)
        return false;
    fv_expr *loads[FV_SOME_LOADS];
    int n = fv_element_terms(f->e.arena, in, loads, FV_SOME_LOADS);
    /* loads at the index of the key are tried before loads at an index that is computed from it */
    for (int plain = 1; plain >= 0; plain--)
        for (int i = 0; i < n; i++) {
            fv_summed sum;
            bool direct = false;
            f->looked++;
            for (int k = 0; k < loads[i]->u.buf->rank; k++)
                direct |= loads[i]->arg[k]->op == FV_X_VAR && loads[i]->arg[k]->u.var == x->key;
            if (direct != (plain == 1) || !fv_load_uses(loads[i], x->key) ||
                !fv_loaded_sum(&f->e, loads[i], &sum) || !sum.g)
                continue;
            bool cf = fv_is_computed(f->e.arena, sum.f), cg = fv_is_computed(f->e.arena, sum.g);
            bool kf = fv_x_uses(sum.f, x->key), kg = fv_x_uses(sum.g, x->key);
            /* constants may be the queries, if there are several queries */
            bool learned = cf != cg && kf != kg && (cf ? kf : kg) && x->query &&
                           fv_x_uses(kf ? sum.g : sum.f, x->query) &&
                           (!fv_x_uses(kf ? sum.f : sum.g, x->query) || n == 1) &&
                           has_sum(f, kf ? sum.f : sum.g);
            if (kf != kg && ((cf && cg) || learned) &&
                (deep == DEEP || has_own_axis(x, kf ? sum.g : sum.f, kf ? sum.f : sum.g))) {
                x->load = loads[i];
                x->top = deep == DEEP ? loads[i] : x->top;
                x->terms = (fv_expr *)sum.reduce;
                x->k = kf ? sum.f : sum.g;
                x->q = kf ? sum.g : sum.f;
                return true;
            }
            if (cf != cg && deep > 0 && find_product(f, x, cf ? sum.f : sum.g, deep - 1)) {
                for (int k = 0; k < sum.reduce->u.red.nvars && x->nmixed < FV_MAX_RANK; k++)
                    x->mixed[x->nmixed++] = sum.reduce->u.red.vars[k];
                x->top = loads[i];
                return true;
            }
        }
    return false;
}

/* ---- other scores ---- */

typedef struct sources {
    bool learned; /* whether a source is multiplied with constants */
    bool keys;    /* whether a source that is multiplied with constants depends on the key */
    bool others;  /* whether a source multiplied with constants does not depend on the key */
} sources;

static void find_sources(fv_finder *f, const fv_var *key, fv_expr *in, int deep, bool learned,
                         sources *s) {
    if (f->looked > FV_MOST_LOOKED)
        return;
    fv_expr *loads[FV_SOME_LOADS];
    int n = fv_element_loads(f->e.arena, in, loads, FV_SOME_LOADS);
    for (int i = 0; i < n; i++) {
        const fv_value *v = fv_loaded(loads[i]);
        fv_summed sum;
        f->looked++;
        if (v->kind == FV_VALUE_CONST || !fv_elem_is_float(v->type->elem))
            continue;
        bool is_sum = fv_loaded_sum(&f->e, loads[i], &sum);
        bool cf = is_sum && fv_is_computed(f->e.arena, sum.f),
             cg = is_sum && sum.g && fv_is_computed(f->e.arena, sum.g);
        if (deep > 0 && is_sum && cf != cg) {
            bool constant = sum.g != NULL;
            fv_expr *computed = cf ? sum.f : sum.g;
            /* a sum without a second factor multiplies with no constants */
            find_sources(f, key, computed, deep - 1, learned || constant, s);
            continue;
        }
        s->learned |= learned;
        *(fv_load_uses(loads[i], key) ? &s->keys : &s->others) |= learned;
    }
}

/* Does the load read a sum of an expression of both key and query, such as a distance, over an axis
 * that both have? */
static bool is_comparison(fv_finder *f, const fv_scores *x, const fv_expr *load) {
    fv_expr *of[FV_SOME_LOADS];
    fv_summed sum;
    if (!fv_loaded_sum(&f->e, load, &sum) || (sum.g && sum.g != sum.f))
        return false;
    bool keys = false, others = false;
    int n = fv_element_loads(f->e.arena, sum.f, of, FV_SOME_LOADS);
    for (int i = 0; i < n; i++) {
        bool term = false;
        for (int t = 0; t < sum.reduce->u.red.nvars; t++)
            term |= fv_load_uses(of[i], sum.reduce->u.red.vars[t]);
        if (term && fv_loaded(of[i])->kind != FV_VALUE_CONST &&
            fv_elem_is_float(of[i]->u.buf->elem))
            *(fv_load_uses(of[i], x->key) ? &keys : &others) = true;
    }
    return keys && others;
}

static bool has_comparison(fv_finder *f, const fv_scores *x) {
    fv_expr *loads[FV_SOME_LOADS];
    int n = fv_element_loads(f->e.arena, x->x, loads, FV_SOME_LOADS);
    for (int i = 0; i < n; i++)
        if (is_comparison(f, x, loads[i]))
            return true;
    return false;
}

/* The last (n = 0) or second to last (n = 1) of the axes whose dim is not 1, without the axis of
 * the keys; NULL: there is none. (If the scores are a product, the axis of queries follows from its
 * factors instead.) */
static fv_var *last_other(const fv_scores *x, int n) {
    for (int i = x->rank; i-- > 0;)
        if (x->index[i] != x->key && !fv_dim_is_one(x->index[i]->dim) && n-- == 0)
            return x->index[i];
    return NULL;
}

/* Sets the axis of the queries: an axis that occurs in the factor of the query, but not in the
 * factor of the key. */
static void set_query(fv_scores *x) {
    x->query = NULL;
    for (int i = 0; i < x->rank; i++) {
        fv_var *v = x->index[i];
        if (v != x->key && !fv_dim_is_one(v->dim) && fv_x_uses(x->q, v) && !fv_x_uses(x->k, v))
            x->query = v;
    }
}

/* Sets the axis of the queries if the scores are not a product: an axis on which a sum without the
 * key depends, and no sum with the key. */
static void set_query_of_sum(fv_finder *f, fv_scores *x) {
    fv_expr *loads[FV_SOME_LOADS];
    int n = fv_element_loads(f->e.arena, x->x, loads, FV_SOME_LOADS);
    x->query = NULL;
    for (int i = x->rank; i-- > 0 && !x->query;) {
        fv_var *v = x->index[i];
        bool alone = false, keyed = false;
        for (int l = 0; l < n; l++) {
            fv_summed sum;
            fv_expr *more[FV_SOME_LOADS];
            if (!fv_loaded_sum(&f->e, loads[l], &sum)) /* the load may be that of a mask */
                continue;
            int m = fv_element_loads(f->e.arena, sum.f, more, FV_SOME_LOADS);
            if (sum.g)
                m += fv_element_loads(f->e.arena, sum.g, more + m, FV_SOME_LOADS - m);
            for (int j = 0; j < m; j++) {
                bool key = fv_load_uses(more[j], x->key), var = fv_load_uses(more[j], v);
                alone |= var && !key && fv_elem_is_float(more[j]->u.buf->elem);
                keyed |= var && key && fv_elem_is_float(more[j]->u.buf->elem);
            }
        }
        if (v != x->key && !fv_dim_is_one(v->dim) && alone && !keyed)
            x->query = v;
    }
}

static const char *formula_of(fv_finder *f, const fv_attention_site *s, const fv_scores *x) {
    fv_text t = {.arena = f->arena};
    fv_definition d = {
        .value = s->weighted, .rank = x->rank, .index = (fv_var **)x->index, .body = x->x};
    fv_definition_print(&t, &d);
    return t.s;
}

bool fv_find_scores(fv_finder *f, fv_attention_site *s, fv_scores *x) {
    x->rank = s->weighted->type->rank;
    x->x = fv_element(&f->e, s->weighted, x->index);
    x->key = x->index[s->axis];
    for (int i = 0; i < 2 && !x->load; i++) {
        x->query = last_other(x, i);
        if (find_product(f, x, x->x, DEEP))
            break;
    }
    s->formula = formula_of(f, s, x);
    if (x->load) {
        set_query(x);
        s->of.score = fv_loaded(x->load);
        const fv_op *op = s->of.score->def;
        if (op && op->nin == 2 && op->in[0] && op->in[1]) {
            /* whether the first operand of the product has the keys; factors are in the order of
             * operands */
            bool swapped = false;
            fv_summed sum;
            if (fv_loaded_sum(&f->e, x->load, &sum))
                swapped = sum.f == x->k;
            s->of.q = op->in[swapped];
            s->of.k = op->in[!swapped];
        }
        s->kind = x->query || fv_is_computed(f->e.arena, x->q) ? FV_ATTENTION_CROSS
                                                               : FV_ATTENTION_POOLING;
        return true;
    }
    const fv_op *at = s->weighted->def ? s->weighted->def : s->softmax;
    sources from = {0};
    bool compares = has_comparison(f, x);
    find_sources(f, x->key, x->x, DEEP, false, &from);
    if (!compares && !from.learned)
        return fv_stops(s, at, "the argument of the softmax contains no product");
    if (!compares && !from.keys)
        return fv_stops(s, at, "its scores do not depend on keys");
    set_query_of_sum(f, x);
    s->kind = compares || from.others ? FV_ATTENTION_ADDITIVE : FV_ATTENTION_POOLING;
    return true;
}
