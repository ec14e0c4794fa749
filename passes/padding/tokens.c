/* tokens.c - see tokens.h. */
#include "passes/padding/tokens.h"

#include <math.h>

#include "ir/base/limits.h"
#include "ir/expr/visit.h"
#include "passes/attention/evaluate.h"

enum {
    MOST_LOADS = 64,
    FEATURES = 3 /* rank of a value with features: [batch, length, features] */,
    MOST_PLACES = 48 /* largest number of positions of a sequence at which a mask is evaluated */
};
#define LOWEST (-1e30) /* a key with at most this score has weight 0 if another key is visible */

typedef enum {
    APART,  /* the value depends on no packed value */
    TOKENS, /* each element belongs to the token at (batch, token) */
    PAIRS,  /* each element belongs to the two tokens at (batch, token) and (batch, other) */
    WEIGHTS /* like PAIRS, and 0 if the token at `other` is padding */
} reach_kind;

typedef struct reach {
    reach_kind kind;
    /* numbers of the axes of batch, of the token, and for PAIRS and WEIGHTS of the other token */
    int batch, token, other;
    bool zero; /* TOKENS: whether the model itself makes the value 0 at padding */
} reach;

static bool declines(fv_padding *p, const fv_op *at, const char *why) {
    p->why = p->why ? p->why : why;
    p->at = p->at ? p->at : at;
    return false;
}

static const reach *reach_of(const fv_padding *p, const fv_value *v) {
    static const reach apart = {APART, 0, 0, 0, false};
    const reach *r = v ? fv_ptrmap_get(&p->reaches, v) : NULL;
    return r ? r : &apart;
}

static bool mentions(const fv_padding *p, const fv_dim *d) {
    return fv_dim_mentions(d, p->batch) || fv_dim_mentions(d, p->length);
}

bool fv_has_tokens(const fv_padding *p, const fv_value *v) {
    bool has = false;
    for (int i = 0; v->type->kind == FV_TENSOR && i < v->type->rank && !has; i++)
        has = mentions(p, v->type->dims[i]);
    return has;
}

/* ---- ops that compute each token by itself ---- */

/* Does the load read an element of the token at the first two indices of d? */
static bool is_of_token(const fv_padding *p, const fv_definition *d, const fv_expr *load) {
    const fv_value *v = fv_loaded(load);
    const fv_type *t = v->type;
    const reach *r = reach_of(p, v);
    const fv_dim *dims[2] = {p->batch, p->length};
    if (t->rank < 2 || (r->kind != APART && (r->kind != TOKENS || r->batch != 0 || r->token != 1)))
        return false;
    for (int i = 0; i < 2; i++) {
        bool along = t->dims[i] == dims[i];
        if (along ? load->arg[i]->op != FV_X_VAR || load->arg[i]->u.var != d->index[i]
                  : !fv_dim_is_one(t->dims[i]) || r->kind != APART)
            return false;
    }
    for (int i = 2; i < t->rank; i++)
        if (mentions(p, t->dims[i]))
            return false;
    return true;
}

/* Does the element that d defines depend on the position of its token only by the elements that it
 * loads? */
static bool element_is_by_token(const fv_padding *p, const fv_definition *d) {
    const fv_expr *x;
    for (fv_x_visitor v = fv_x_visit(p->arena, d->body); (x = fv_x_next(&v));) {
        bool of_token = fv_is_load(x) && fv_has_tokens(p, fv_loaded(x)),
             plain = x->op == FV_X_VAR   ? x->u.var != d->index[0] && x->u.var != d->index[1]
                     : x->op == FV_X_DIM ? !mentions(p, x->u.dim)
                                         : !of_token || is_of_token(p, d, x);
        for (int i = 0; x->op == FV_X_REDUCE && i < x->u.red.nvars; i++)
            plain &= !mentions(p, x->u.red.vars[i]->dim);
        if (!plain)
            return false;
        if (of_token)
            fv_x_skip_first(&v, 2);
    }
    return true;
}

/* ---- masks ---- */

static bool is_mask(const fv_value *v) {
    const fv_type *t = v->type;
    return v->kind == FV_VALUE_PARAM && !v->block->parent && t->rank == 2 &&
           t->dims[0]->kind == FV_DIM_SYMBOL && t->dims[1]->kind == FV_DIM_SYMBOL &&
           t->dims[0] != t->dims[1];
}

/* The mask that the operand of the softmax loads at (batch, key), besides the score and constants;
 * NULL: there is none, or it loads another value. */
static fv_value *mask_of(fv_padding *p, const fv_attention_site *s, fv_expr *x,
                         fv_var *const *index) {
    fv_expr *loads[MOST_LOADS];
    fv_value *found = NULL;
    int n = fv_element_loads(p->e.arena, x, loads, MOST_LOADS);
    if (n == MOST_LOADS || !s->of.score)
        return NULL;
    for (int i = 0; i < n; i++) {
        fv_value *v = (fv_value *)(uintptr_t)fv_loaded(loads[i]);
        const fv_expr *const *at = (const fv_expr *const *)loads[i]->arg;
        if (v == s->of.score || v->kind == FV_VALUE_CONST)
            continue;
        if ((found && found != v) || !is_mask(v) || at[0]->op != FV_X_VAR ||
            at[0]->u.var != index[0] || at[1]->op != FV_X_VAR || at[1]->u.var != index[s->axis])
            return NULL;
        found = v;
    }
    return found;
}

static double number_at(fv_sample *s, const fv_expr *x, double score, double data) {
    s->of_score = score;
    s->of_data = data;
    fv_sample_forget(s);
    return fv_sample_number(s, x);
}

/* The i-th of `looked` positions in a sequence of n at which a mask is evaluated: all positions of
 * a short sequence; for a long one, positions from the first to the last. */
static int64_t place_in(int64_t n, int64_t looked, int64_t i) {
    return i == looked - 1 ? n - 1 : i * (n / looked);
}

/* Does a key that the mask excludes have weight 0 if the query sees another key, and does each
 * query see its own position? This is evaluated on a small instance of the model; if dims have
 * large lower bounds, at some positions only. */
static bool hides(fv_padding *p, const fv_attention_site *s, const fv_expr *x,
                  fv_var *const *index) {
    static const double scores[] = {0, 1000, -1000};
    fv_sample sample = fv_sample_new(p->arena, p->module, FV_SAMPLE);
    bool hidden = true, seen = true;
    for (int i = 0; i < s->weighted->type->rank; i++)
        fv_sample_fit(&sample, index[i]->dim);
    sample.score = s->of.score;
    int64_t n = fv_sample_dim(&sample, index[s->axis]->dim),
            looked = n < MOST_PLACES ? n : MOST_PLACES;
    for (int64_t q = 0; q < looked; q++)
        for (int64_t k = 0; k < looked; k++) {
            fv_sample_set(&sample, index[s->query_axis], place_in(n, looked, q));
            fv_sample_set(&sample, index[s->axis], place_in(n, looked, k));
            for (size_t i = 0; i < sizeof scores / sizeof *scores; i++)
                hidden &= number_at(&sample, x, scores[i], 0) <= LOWEST;
            seen &= q != k || number_at(&sample, x, 0, 1) > -1;
        }
    return hidden && seen;
}

/* Does this attention hide padding from the tokens of the same sequence? It must do so by the mask
 * of `p`, or, if that is not known yet, by the first mask that is found. */
static bool hides_padding(fv_padding *p, const fv_attention_site *s) {
    fv_var *index[FV_MAX_RANK];
    if (s->kind == FV_ATTENTION_NONE || s->gate || s->query_axis < 0 ||
        !fv_op_is(s->softmax, FV_OP_Softmax))
        return false;
    fv_expr *x = fv_element(&p->e, s->weighted, index);
    fv_value *mask = mask_of(p, s, x, index);
    if (!mask || (p->kept && p->kept != mask) || index[s->axis]->dim != mask->type->dims[1] ||
        index[s->query_axis]->dim != mask->type->dims[1] || !hides(p, s, x, index))
        return false;
    p->kept = mask;
    return true;
}

/* ---- values that depend on the mask only ---- */

/* Does x load the mask at (batch, token)? *all: whether it loads nothing else but constants and v
 * (NULL: no value). */
static bool loads_mask(const fv_padding *p, fv_expr *x, const fv_value *v, fv_var *const *index,
                       bool *all) {
    fv_expr *loads[MOST_LOADS];
    int n = fv_element_loads(p->e.arena, x, loads, MOST_LOADS);
    bool mask = false;
    *all = n < MOST_LOADS;
    for (int i = 0; i < n; i++) {
        const fv_expr *at = loads[i];
        bool here = fv_loaded(at) == p->kept && at->arg[0]->op == FV_X_VAR &&
                    at->arg[0]->u.var == index[0] && at->arg[1]->op == FV_X_VAR &&
                    at->arg[1]->u.var == index[1];
        mask |= here;
        *all &= here || fv_loaded(at)->kind == FV_VALUE_CONST || fv_loaded(at) == v;
    }
    return mask;
}

/* Does v depend on no data but the mask? Then it stays unpacked, since its readers read the
 * mask. */
static bool is_of_mask(fv_padding *p, const fv_value *v) {
    fv_var *index[FV_MAX_RANK];
    bool all;
    return loads_mask(p, fv_element(&p->e, v, index), NULL, index, &all) && all;
}

/* Is y the product of v and the mask for each token, or v selected by the mask, so that y is 0 at
 * padding whatever v is? */
static bool vanishes_of(fv_padding *p, const fv_value *y, const fv_value *v) {
    fv_var *index[FV_MAX_RANK];
    bool all;
    fv_expr *x = fv_element(&p->e, y, index);
    fv_sample sample = fv_sample_new(p->arena, p->module, FV_SAMPLE);
    sample.score = v;
    return loads_mask(p, x, v, index, &all) && all && number_at(&sample, x, 3, 0) == 0 &&
           number_at(&sample, x, -7, 0) == 0;
}

static bool vanishes(fv_padding *p, const fv_op *op) {
    const fv_value *v = NULL;
    if (!fv_op_is(op, FV_OP_Mul) && !fv_op_is(op, FV_OP_Where))
        return false;
    for (int i = 0; i < op->nin; i++)
        if (reach_of(p, op->in[i])->kind != APART) {
            if (v && v != op->in[i])
                return false;
            v = op->in[i];
        }
    fv_elements_stop(&p->e, v);
    bool is = v && vanishes_of(p, op->out[0], v);
    fv_elements_stop(&p->e, NULL);
    return is;
}

static bool is_by_token(fv_padding *p, const fv_op *op) {
    for (int i = 0; i < op->nout; i++) {
        const fv_definition *d = op->out[i] ? fv_element_definition(&p->e, op->out[i]) : NULL;
        const fv_type *t = d ? op->out[i]->type : NULL;
        if (!d || t->rank < FEATURES || t->dims[0] != p->batch || t->dims[1] != p->length ||
            !fv_elem_is_float(t->elem) || is_of_mask(p, op->out[i]) || !element_is_by_token(p, d))
            return false;
        for (int k = 2; k < t->rank; k++)
            if (mentions(p, t->dims[k]))
                return false;
    }
    return op->nout > 0;
}

/* ---- where tokens meet ---- */

static const fv_attention_site *site_at(const fv_padding *p, const fv_op *softmax,
                                        const fv_value *product) {
    for (int i = 0; i < p->sites.n; i++)
        if ((softmax && p->sites.all[i].softmax == softmax) ||
            (product && p->sites.all[i].of.product == product))
            return &p->sites.all[i];
    return NULL;
}

/* The loads in the definition of a value that read values of tokens. */
typedef struct meeting {
    const fv_var *batch;
    const fv_var *token[2]; /* the distinct index variables at which TOKENS are loaded */
    int ntokens;
    bool others;           /* whether some loaded TOKENS are not 0 at padding */
    const fv_var *pair[2]; /* the index variables at which PAIRS or WEIGHTS are loaded */
    reach_kind kind;       /* the kind of pairs that are loaded, PAIRS or WEIGHTS; APART: none */
} meeting;

static const fv_var *var_at(const fv_expr *load, int axis) {
    return load->arg[axis]->op == FV_X_VAR ? load->arg[axis]->u.var : NULL;
}

static bool meets(meeting *m, const fv_expr *load, const reach *r) {
    const fv_var *batch = var_at(load, r->batch), *t = var_at(load, r->token),
                 *o = r->kind == TOKENS ? t : var_at(load, r->other);
    int64_t first;
    if (r->kind == TOKENS && fv_x_is_int(load->arg[r->token], &first) && first == 0)
        /* the first position of each sequence is always a token, so any op may read it */
        return true;
    if (!batch || !t || !o || (m->batch && m->batch != batch))
        return false;
    m->batch = batch;
    if (r->kind == TOKENS) {
        m->others |= !r->zero;
        bool known = (m->ntokens > 0 && m->token[0] == t) || (m->ntokens > 1 && m->token[1] == t);
        if (!known && m->ntokens == 2)
            return false;
        if (!known)
            m->token[m->ntokens++] = t;
        return true;
    }
    if (m->kind != APART && (m->kind != r->kind || m->pair[0] != t || m->pair[1] != o))
        return false;
    m->kind = r->kind;
    m->pair[0] = t;
    m->pair[1] = o;
    return true;
}

static bool is_copy(const fv_expr *x) {
    return fv_is_load(x) || (x->op == FV_X_CONVERT && is_copy(x->arg[0]));
}

/* Are all reductions in x sums of unchanged elements? */
static bool sums_elements(fv_arena *a, const fv_expr *root) {
    const fv_expr *x;
    for (fv_x_visitor v = fv_x_visit(a, root); (x = fv_x_next(&v));) {
        if (x->op != FV_X_REDUCE)
            continue;
        if (x->u.red.kind != FV_SUM || !is_copy(x->arg[0]))
            return false;
        fv_x_skip(&v);
    }
    return true;
}

/* The kind of value that d computes; false: an element of a token depends on other tokens. */
static bool result_of(fv_padding *p, const fv_definition *d, const meeting *m, reach *out) {
    if (!m->batch)
        return true;
    int batch = fv_definition_axis(d, m->batch), t[2] = {d->rank, d->rank},
        pair[2] = {d->rank, d->rank};
    for (int i = 0; i < 2; i++) {
        t[i] = i < m->ntokens ? fv_definition_axis(d, m->token[i]) : d->rank;
        pair[i] = m->kind != APART ? fv_definition_axis(d, m->pair[i]) : d->rank;
    }
    if (batch == d->rank)
        return false;
    if (m->kind == APART && m->ntokens == 1 && t[0] < d->rank) {
        *out = (reach){TOKENS, batch, t[0], 0, !m->others && is_copy(d->body)};
        return true;
    }
    if (m->kind == APART && m->ntokens == 1 && !m->others && sums_elements(p->arena, d->body))
        return true; /* sums over tokens are allowed, since values at padding are 0 */
    if (m->kind == APART && m->ntokens == 2 && t[0] < d->rank && t[1] < d->rank) {
        *out = (reach){PAIRS, batch, t[0], t[1], false};
        return true;
    }
    if (m->ntokens == 0 && pair[0] < d->rank && pair[1] < d->rank &&
        (m->kind == PAIRS || is_copy(d->body))) {
        *out = (reach){m->kind, batch, pair[0], pair[1], false};
        return true;
    }
    if (m->kind == WEIGHTS && m->ntokens == 1 && m->token[0] == m->pair[1] && t[0] == d->rank &&
        pair[0] < d->rank && site_at(p, NULL, d->value)) {
        *out = (reach){TOKENS, batch, pair[0], 0, false};
        return true;
    }
    return false;
}

static bool set_reach(fv_padding *p, const fv_value *v, const reach *r) {
    if (r->kind == APART)
        return true;
    for (int i = 0; i < v->nuses; i++)
        if (v->uses[i].op->block->parent)
            return declines(p, v->uses[i].op, "tokens are read in a branch or a loop");
    reach *own = FV_NEW(p->arena, reach, 1);
    *own = *r;
    *fv_ptrmap_at(&p->reaches, v) = own;
    return true;
}

/* Handles the softmax over keys whose mask hides padding; its results are WEIGHTS. */
static bool follow_softmax(fv_padding *p, const fv_op *op, const fv_attention_site *s) {
    const reach *r = reach_of(p, op->in[0]);
    if (r->kind != PAIRS || (r->token != s->axis && r->other != s->axis) || r->batch != 0)
        return declines(p, op, "its scores are not of pairs of tokens");
    if (!hides_padding(p, s))
        return declines(p, op,
                        "no mask that depends on its keys alone is known to hide padding here");
    return set_reach(
        p, op->out[0],
        &(reach){WEIGHTS, r->batch, r->token == s->axis ? r->other : r->token, s->axis, false});
}

static bool follow_value(fv_padding *p, const fv_op *op, const fv_value *v) {
    const fv_definition *d = fv_element_definition(&p->e, v);
    fv_expr *loads[MOST_LOADS];
    int n = d ? fv_element_loads(p->e.arena, d->body, loads, MOST_LOADS) : MOST_LOADS;
    meeting m = {0};
    reach r = {0};
    if (n == MOST_LOADS)
        return declines(p, op, "its results are not defined element by element");
    for (int i = 0; i < n; i++) {
        const reach *of = reach_of(p, fv_loaded(loads[i]));
        if (of->kind != APART && !meets(&m, loads[i], of))
            return declines(p, op, "it reads elements of other tokens");
    }
    return result_of(p, d, &m, &r) ? set_reach(p, v, &r)
                                   : declines(p, op, "it combines several tokens into one");
}

static bool reads_tokens(const fv_padding *p, const fv_op *op) {
    bool reads = false;
    for (int i = 0; i < op->nin && !reads; i++)
        reads = reach_of(p, op->in[i])->kind != APART;
    return reads;
}

static bool follow(fv_padding *p, const fv_op *op) {
    if (!reads_tokens(p, op))
        return true;
    if (op->def == &fv_return_def) {
        for (int i = 0; i < op->nin; i++)
            if (reach_of(p, op->in[i])->kind > TOKENS)
                return declines(p, op, "scores or weights are returned");
        return true;
    }
    const fv_attention_site *s = site_at(p, op, NULL);
    if (s && fv_op_is(op, FV_OP_Softmax))
        return follow_softmax(p, op, s);
    for (int i = 0; i < op->nout; i++)
        if (op->out[i] && !follow_value(p, op, op->out[i]))
            return false;
    return true;
}

bool fv_find_tokens(fv_padding *p) {
    fv_attention_find(p->arena, p->module, &p->sites);
    for (int i = 0; i < p->sites.n && !p->kept; i++)
        (void)!hides_padding(p, &p->sites.all[i]);
    if (!p->kept)
        return declines(p, NULL,
                        "no attention has a mask of keys alone, an input of two symbolic dims, "
                        "that is known to hide padding");
    p->batch = p->kept->type->dims[0];
    p->length = p->kept->type->dims[1];
    p->reaches = fv_ptrmap_in(p->arena);
    p->by_token = fv_ptrmap_in(p->arena);
    for (fv_op *op = p->module->funcs->body->first; op; op = op->next) {
        if (!is_by_token(p, op)) {
            if (!follow(p, op))
                return false;
            continue;
        }
        *fv_ptrmap_at(&p->by_token, op) = op;
        p->npacked++;
        for (int i = 0; i < op->nout; i++)
            if (op->out[i] && !set_reach(p, op->out[i], &(reach){TOKENS, 0, 1, 0, vanishes(p, op)}))
                return false;
    }
    return p->npacked > 0 || declines(p, NULL, "nothing is computed token by token");
}
