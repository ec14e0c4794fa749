/* fold_mask.c - makes explicit which keys a mask hides from a query, so that they can be skipped:
 * in the weights, in the sums along the row, and in the product with values.
 *
 *     y[i, d] = sum j: w(x[i, j]) * v[j, d]            x[i, j]: the score with scale and mask
 *     hidden[i, j] = where[i, j] && most + T < (max of x over keys not in where) < inf
 *                                                      then exp(x - max) rounds to +0
 *     y[i, d] = sum j: w(-inf if hidden else x) * (0 if hidden else v[j, d])    w(-inf) is 0
 *
 * `where` comes from the mask: a condition that selects a constant far below the scores, or an
 * addend that is far below them. `most` is the largest value that x can have there: the selected
 * constant, or the addend plus a bound of the scores, |q| |k|, computed at run time. A weight is
 * thus left out only if it is proved to be zero, whatever number the mask uses; a row in which no
 * key is visible keeps the meaning that the model gives it. A mask of -infinity needs no bound: it
 * hides every score, whether it is selected or added.
 *
 * Hidden keys need not be computed: the schedule finds the keys that a block of queries sees, and
 * skips the others. */

#include <math.h>

#include "backend/fuse/attention.h"
#include "backend/fuse/softmax.h"
#include "backend/fuse/tables.h"
#include "backend/fuse/work.h"
#include "backend/lowering/storage.h"
#include "backend/lowering/why.h"
#include "ir/base/limits.h"
#include "ir/definition/bits.h"
#include "ir/expr/rewrite.h"
#include "ir/expr/visit.h"
#include "ir/type/float_bits.h"

/* Numbers up to FAR_BELOW are taken to hide keys: -10000, -1e9, the lowest of a type, -infinity. */
#define FAR_BELOW (-1000.0)
/* A score with more terms than this has no known bound. The rounding errors of so many terms stay
 * below 1% together: (1 + 2^-24)^65536 < 1.01. */
#define MOST_CHANNELS (65536.0)
enum { DEPTH = 12 };
/* A T such that exp(x) is +0 if x <= -T, in f32 or f64, whose least denormals are exp(-103.3) and
 * exp(-744.4). */
static double underflow(const fv_expr *x) {
    return x->type.elem == FV_F64 ? 760 : 110;
}

/* Where a mask hides x, and the largest value of x there. */
typedef struct hides {
    fv_expr *where; /* NULL: x is hidden nowhere */
    double most;
    /* an expression that replaces `most` if that is known only at run time; NULL: `most` counts */
    fv_expr *bound;
} hides;

static const hides nowhere = {NULL, -INFINITY, NULL};

/* ---- parts of expressions ---- */

/* Is y of the type of x, or of a narrow type whose numbers that type contains? */
static bool is_like(const fv_expr *x, const fv_expr *y) {
    return y->type.elem == x->type.elem || y->type.elem == FV_F16 || y->type.elem == FV_BF16;
}

static bool has_score(const fv_softmax *f, const fv_expr *x) {
    return fv_x_contains(f->a, x, f->at->score);
}

static fv_expr *float_of(const fv_softmax *f, double value) {
    return fv_x_const(f->a, (fv_elem)f->x->type.elem, value);
}

static fv_expr *bin(const fv_softmax *f, fv_expr_op op, fv_expr *x, fv_expr *y) {
    return fv_x_bin(f->a, op, x, y);
}

static fv_expr *and_(const fv_softmax *f, fv_expr *x, fv_expr *y) {
    return x && y ? bin(f, FV_X_AND, x, y) : NULL;
}

static fv_expr *or_(const fv_softmax *f, fv_expr *x, fv_expr *y) {
    return x && y ? bin(f, FV_X_OR, x, y) : x ? x : y;
}

static fv_expr *not_(const fv_softmax *f, fv_expr *x) {
    return fv_x_un(f->a, FV_X_NOT, x);
}

/* ---- how large a score can be ---- */

static fv_expr *largest(const fv_softmax *f, fv_expr *x, int n, fv_var *const *over) {
    return fv_x_reduce(f->a, FV_REDUCE_MAX, n, over, fv_x_un(f->a, FV_X_ABS, x));
}

/* An upper bound of |sum c: q[c] * k[c]|, whatever the order of addition and its rounding; NULL:
 * none is known. */
static fv_expr *score_bound(const fv_softmax *f) {
    const fv_attention *at = f->at;
    const fv_expr *sum = at->score;
    fv_var *over[FV_MAX_RANK + 1] = {at->key};
    double n = 1.01;
    for (int i = 0; i < sum->u.red.nvars; i++) {
        const fv_dim *d = sum->u.red.vars[i]->dim;
        if (!fv_dim_is_const(d))
            return NULL;
        over[i + 1] = sum->u.red.vars[i];
        n *= (double)d->value;
    }
    if (n > MOST_CHANNELS || at->q->type.elem != f->x->type.elem ||
        at->k->type.elem != f->x->type.elem)
        return NULL;
    fv_expr *q = largest(f, at->q, sum->u.red.nvars, over + 1),
            *k = largest(f, at->k, sum->u.red.nvars + 1, over);
    return bin(f, FV_X_MUL, bin(f, FV_X_MUL, q, k), float_of(f, n));
}

/* A bound of x, a conversion to or from f16 or bf16, given the bound y of its operand. */
static fv_expr *rounded(const fv_softmax *f, const fv_expr *x, fv_expr *y) {
    fv_elem to = (fv_elem)x->type.elem, from = (fv_elem)x->arg[0]->type.elem;
    if (to == (fv_elem)f->x->type.elem)
        return from == FV_F16 || from == FV_BF16 ? y : NULL;
    if (to != FV_F16 && to != FV_BF16)
        return NULL;
    fv_expr *most = float_of(f, to == FV_F16 ? 65000 : 3.3e38),
            *more = bin(f, FV_X_ADD, bin(f, FV_X_MUL, y, float_of(f, 1.01)), float_of(f, 1e-7));
    return fv_x_select(f->a, bin(f, FV_X_LT, more, most), more, float_of(f, INFINITY));
}

/* An upper bound of |x|; NULL: none is known. */
static fv_expr *bound_of(const fv_softmax *f, fv_expr *x, int depth) {
    double c, d;
    if (x == f->at->score)
        return score_bound(f);
    if (fv_is_number(x, &c))
        return float_of(f, fabs(c));
    if (!depth)
        return NULL;
    fv_expr *y = x->n && x->op != FV_X_SELECT ? bound_of(f, x->arg[0], depth - 1) : NULL, *z;
    switch ((fv_expr_op)x->op) {
    case FV_X_NEG:
    case FV_X_GELU:
    case FV_X_GELU_TANH:
    case FV_X_ABS: return y;
    case FV_X_CONVERT: return y ? rounded(f, x, y) : NULL;
    case FV_X_TANH: return float_of(f, 1);
    case FV_X_MUL:
    case FV_X_ADD:
    case FV_X_SUB:
    case FV_X_MIN:
    case FV_X_MAX:
        z = y ? bound_of(f, x->arg[1], depth - 1) : NULL;
        return !z ? NULL
                  : bin(f,
                        x->op == FV_X_MUL                        ? FV_X_MUL
                        : x->op == FV_X_MIN || x->op == FV_X_MAX ? FV_X_MAX
                                                                 : FV_X_ADD,
                        y, z);
    case FV_X_DIV:
        return y && fv_is_number(x->arg[1], &c) && c != 0
                   ? bin(f, FV_X_DIV, y, float_of(f, fabs(c)))
                   : NULL;
    case FV_X_SELECT: /* of zeros and ones, by which scores are multiplied; no mask, which is far */
        return fv_is_number(x->arg[1], &c) && fabs(c) <= -FAR_BELOW &&
                       fv_is_number(x->arg[2], &d) && fabs(d) <= -FAR_BELOW
                   ? float_of(f, fmax(fabs(c), fabs(d)))
                   : NULL;
    default: return NULL;
    }
}

/* ---- which keys a mask hides ---- */

static hides both(const fv_softmax *f, hides x, hides y) {
    if (!x.where || !y.where)
        return x.where ? x : y;
    hides r = {or_(f, x.where, y.where), x.most > y.most ? x.most : y.most, x.bound};
    if (x.bound && y.bound)
        r.bound = bin(f, FV_X_MAX, x.bound, y.bound);
    else if (x.bound || y.bound) { /* at least one of the two maxima is an expression */
        double n = x.bound ? y.most : x.most;
        r.bound = bin(f, FV_X_MAX, x.bound ? x.bound : y.bound, float_of(f, n));
    }
    return r;
}

/* Where x, a conversion to another float type, is hidden; h: where its operand is. Rounding keeps
 * the order of numbers, so only the bounds change: they are rounded. */
static hides converted(const fv_softmax *f, const fv_expr *x, hides h) {
    fv_elem to = (fv_elem)x->type.elem;
    h.most = fv_float_decode(to, fv_float_encode(to, h.most));
    h.bound = h.bound
                  ? fv_x_convert(f->a, (fv_elem)f->x->type.elem, fv_x_convert(f->a, to, h.bound))
                  : NULL;
    return h;
}

/* Is every element of x a sum of products, a number that hides no key, a bool as a number, or one
 * of these times a number? Such values are biases, not masks: scores of relative positions, for
 * instance. The values that x loads are read through at most `depth` definitions. */
static bool is_bias(const fv_softmax *f, const fv_expr *x, int depth) {
    double c;
    if (fv_is_number(x, &c))
        return fabs(c) < -FAR_BELOW;
    if (fv_is_product_sum(x))
        return true;
    const fv_storage *s = f->l && depth ? fv_storage_loaded(f->l, x) : NULL;
    switch ((fv_expr_op)x->op) {
    case FV_X_LOAD: return s && s->def && is_bias(f, s->def->body, depth - 1);
    case FV_X_SELECT: return is_bias(f, x->arg[1], depth) && is_bias(f, x->arg[2], depth);
    case FV_X_NEG: return is_bias(f, x->arg[0], depth);
    case FV_X_CONVERT: return x->arg[0]->type.elem == FV_BOOL || is_bias(f, x->arg[0], depth);
    case FV_X_MUL:
        return (is_bias(f, x->arg[0], depth) && fv_is_number(x->arg[1], &c)) ||
               (is_bias(f, x->arg[1], depth) && fv_is_number(x->arg[0], &c));
    case FV_X_DIV: return is_bias(f, x->arg[0], depth) && fv_is_number(x->arg[1], &c);
    default: return false;
    }
}

/* Where the value m, which contains no scores, is so low that it hides a key. */
static hides by_value(const fv_softmax *f, fv_expr *m, int depth) {
    double c;
    if (!is_like(f->x, m))
        return nowhere;
    if (fv_is_number(m, &c))
        return c <= FAR_BELOW ? (hides){fv_x_const_int(f->a, FV_BOOL, 1), c, NULL} : nowhere;
    if (m->op == FV_X_CONVERT && depth && is_like(f->x, m->arg[0]))
        return converted(f, m, by_value(f, m->arg[0], depth - 1));
    if (m->op == FV_X_SELECT && depth) {
        hides x = by_value(f, m->arg[1], depth - 1), y = by_value(f, m->arg[2], depth - 1);
        x.where = and_(f, m->arg[0], x.where);
        y.where = and_(f, not_(f, m->arg[0]), y.where);
        return both(f, x, y);
    }
    if (!fv_x_uses(m, f->at->key) || is_bias(f, m, DEPTH))
        return nowhere;
    m = fv_x_convert(f->a, (fv_elem)f->x->type.elem, m);
    /* m hides a key where m <= FAR_BELOW, so m is at most FAR_BELOW there */
    return (hides){bin(f, FV_X_LE, m, float_of(f, FAR_BELOW)), FAR_BELOW, NULL};
}

static hides hide(fv_softmax *f, fv_expr *x, int depth);

/* -m; of a choice between two values, the choice between their negatives. */
static fv_expr *negative(const fv_softmax *f, fv_expr *m) {
    return m->op == FV_X_SELECT
               ? fv_x_select(f->a, m->arg[0], negative(f, m->arg[1]), negative(f, m->arg[2]))
               : fv_x_un(f->a, FV_X_NEG, m);
}

/* Where the sum p + m hides a key; p contains scores, m does not. */
static hides by_addend(fv_softmax *f, fv_expr *p, fv_expr *m, int depth) {
    hides inner = hide(f, p, depth), own = by_value(f, m, depth);
    inner.where = and_(f, inner.where, bin(f, FV_X_LE, m, float_of(f, 0)));
    if (own.where && own.most > -INFINITY) {
        fv_expr *bound = bound_of(f, p, DEPTH);
        own.bound = bound ? bin(f, FV_X_ADD, bound, float_of(f, own.most)) : NULL;
        own.where = bound ? own.where : NULL;
    }
    return both(f, inner, own);
}

/* What h becomes if its expression is multiplied or divided by `by`, which must be positive, finite
 * and the same for all keys. */
static hides scaled(const fv_softmax *f, hides h, fv_expr_op op, fv_expr *by) {
    double c;
    bool known = fv_is_number(by, &c);
    if (!h.where || (known && (!(c > 0) || isinf(c))) || fv_has_products(by) ||
        fv_x_uses(by, f->at->key))
        return nowhere;
    if (!known) {
        fv_expr *zero = float_of(f, 0), *far = float_of(f, INFINITY);
        h.where = bin(f, FV_X_AND, h.where,
                      bin(f, FV_X_AND, bin(f, FV_X_LT, zero, by), bin(f, FV_X_LT, by, far)));
        h.bound = h.bound ? h.bound : isinf(h.most) ? NULL : float_of(f, h.most);
    } else {
        h.most = op == FV_X_MUL ? h.most * c : h.most / c;
        /* `most` is increased, because the run rounds the product or quotient */
        h.most += isinf(h.most) ? 0 : fabs(h.most) * 1e-6;
    }
    h.bound = h.bound ? bin(f, op, h.bound, by) : NULL;
    return h;
}

/* Finds under which condition x, an expression that contains scores, is hidden. */
static hides hide(fv_softmax *f, fv_expr *x, int depth) {
    double c;
    if (!depth || x->n < 1 || !is_like(f->x, x))
        return nowhere;
    if (x->op == FV_X_CONVERT)
        return is_like(f->x, x->arg[0]) ? converted(f, x, hide(f, x->arg[0], depth - 1)) : nowhere;
    if (x->n < 2)
        return nowhere;
    fv_expr *y = x->arg[0], *z = x->arg[1];
    bool first = has_score(f, y), second = has_score(f, z);
    switch ((fv_expr_op)x->op) {
    case FV_X_SELECT: {
        fv_expr *w = x->arg[2];
        if (first)
            return nowhere;
        hides h = second ? hide(f, z, depth - 1) : by_value(f, z, depth - 1);
        hides g = has_score(f, w) ? hide(f, w, depth - 1) : by_value(f, w, depth - 1);
        h.where = and_(f, y, h.where);
        g.where = and_(f, not_(f, y), g.where);
        return both(f, h, g);
    }
    case FV_X_ADD:
        return first == second ? nowhere : by_addend(f, first ? y : z, first ? z : y, depth - 1);
    case FV_X_SUB: /* y - z is y + -z, to the bit */
        return first && !second ? by_addend(f, y, negative(f, z), depth - 1) : nowhere;
    case FV_X_MUL:
        return first != second
                   ? scaled(f, hide(f, first ? y : z, depth - 1), FV_X_MUL, first ? z : y)
                   : nowhere;
    case FV_X_DIV:
        return first && !second ? scaled(f, hide(f, y, depth - 1), FV_X_DIV, z) : nowhere;
    /* clamping to the lowest number of a type, as exporters do, keeps hidden scores low */
    case FV_X_MAX:
        if (first != second && fv_is_number(first ? z : y, &c) && c <= FAR_BELOW)
            return both(f, hide(f, first ? y : z, depth - 1),
                        (hides){fv_x_const_int(f->a, FV_BOOL, 0), c, NULL});
        return nowhere;
    default: return nowhere;
    }
}

/* ---- the definition without hidden keys ---- */

typedef struct swap {
    const fv_expr *from[3];
    fv_expr *to[3];
} swap;

static fv_expr *swapped(fv_x_rewriter *r, fv_expr *x) {
    const swap *s = r->user;
    for (int i = 0; i < 3; i++)
        if (x == s->from[i])
            return s->to[i];
    return NULL;
}

static fv_expr *with(fv_arena *a, const fv_expr *x, swap s) {
    fv_x_rewriter r = {.arena = a, .before = swapped, .user = &s};
    return fv_x_rewrite(&r, x);
}

/* A reduction like `like` of a body that is given as a function of the key. */
static fv_expr *along(const fv_softmax *f, const fv_expr *like, fv_expr *body) {
    fv_var *v = like->u.red.vars[0], *key = f->at->key;
    fv_expr *at = fv_x_var(f->a, v);
    return fv_x_reduce_like(f->a, like, 1, &v, fv_x_replace_vars(f->a, body, 1, &key, &at));
}

static fv_expr *without(const fv_softmax *f, const hides *h) {
    fv_expr *low = float_of(f, -INFINITY),
            *max = along(f, f->max, fv_x_select(f->a, h->where, low, f->x));
    fv_expr *t = float_of(f, underflow(f->x)),
            *least = h->bound ? bin(f, FV_X_ADD, h->bound, t) : float_of(f, h->most + t->u.f);
    fv_expr *hidden = bin(f, FV_X_AND, h->where, fv_softmax_seen(f, least, max));
    fv_expr *x = fv_x_select(f->a, hidden, low, f->x), *m = along(f, f->max, x);
    fv_expr *shift = with(f->a, f->shift, (swap){{f->max}, {m}}),
            *e = fv_x_un(f->a, (fv_expr_op)f->exp->op, bin(f, FV_X_SUB, x, shift));
    fv_expr *weight =
        with(f->a, f->at->weight, (swap){{f->exp, f->sum, f->max}, {e, along(f, f->sum, e), m}});
    fv_expr *v = fv_x_select(f->a, hidden, fv_x_zero(f->a, (fv_elem)f->at->v->type.elem), f->at->v);
    const fv_expr *product = f->at->sum->arg[0];
    bool first = product->arg[0] == f->at->weight;
    fv_expr *args[2] = {first ? weight : v, first ? v : weight};
    return fv_x_reduce_like(f->a, f->at->sum, 1, f->at->sum->u.red.vars,
                            fv_x_with_args(f->a, product, args));
}

bool fv_fold_mask(fv_lowerer *l, fv_storage *s, fv_ptrmap *tables, bool kept) {
    fv_attention at;
    fv_definition d = *s->def;
    struct fv_reasons *reasons = l->reasons;
    l->reasons = NULL; /* the reasons about attention were recorded before */
    bool found = fv_find_attention(l, &d, &at);
    if (found) {
        d.body = fv_without_tables(l->exprs, tables, d.body);
        found = d.body == s->def->body || fv_find_attention(l, &d, &at);
    }
    l->reasons = reasons;
    if (!found || at.hidden)
        return false;
    if (at.key->dim->hi <= FV_KEYS_TOGETHER)
        return fv_declines(l, s->value, FV_WHY_fold_few, fv_d(at.key->dim));
    fv_softmax f = {.a = l->exprs, .at = &at, .l = l, .kept = kept};
    if (!fv_find_softmax(&f))
        return fv_declines(l, s->value, FV_WHY_fold_weights);
    hides h = hide(&f, f.x, DEPTH);
    /* if keys or values are loaded with indices that are checked, skipping a hidden key would skip
     * the check */
    if (!h.where || !fv_x_uses(h.where, at.key) || fv_has_products(h.where) ||
        fv_x_has(at.k, FV_HAS_REQUIRE) || fv_x_has(at.v, FV_HAS_REQUIRE))
        return fv_declines(l, s->value, FV_WHY_fold_nothing);
    d.body = with(f.a, d.body, (swap){{at.sum}, {without(&f, &h)}});
    if (!fv_is_small(l, &d))
        return fv_declines(l, s->value, FV_WHY_fold_tree);
    s->def->body = d.body;
    return fv_takes(l, s->value, h.bound ? FV_WHY_folds_bound : FV_WHY_folds);
}
