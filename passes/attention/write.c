/* write.c - the pass `write-attention`: recognised attention becomes the standard's Attention.
 *
 *     softmax(q * k^T * scale + mask) * v   =>   Attention(q, k, v, mask) {scale}
 *
 * Only exact matches are written: scores that are one product, times a number, with at most one
 * mask that is added and one that replaces scores. If all keys of a query are hidden, a softmax
 * gives NaN and the operator gives zeros; a mask that hides keys must therefore be proved to leave
 * each query a visible key. Rounding may differ, since the standard does not define where the scale
 * is applied.
 *
 * This is no rewrite rule: attention is found by expressions of elements through any views
 * (attention.h), and what a mask hides is proved of its elements.
 *
 * Needs legalise, after which attention can be found. Leaves an operator that lowering does not
 * know, for whoever writes the model to a file. */
#include <float.h>
#include <math.h>

#include "passes/attention/attention.h"
#include "passes/attention/write.h"
#include "passes/internal.h"

#include "ir/graph/rewriter.h"

typedef struct reading {
    fv_elements e;
    const fv_attention_site *s;
    fv_value *q, *kt, *v; /* the operands of the products q * kt and weights * v */
    double scale;
    fv_value *added; /* a mask of floats that is added to the scores; NULL: there is none */
    bool added_last; /* whether `added` is added after the mask of bools has replaced scores */
    /* a mask of bools that decides which scores are replaced; NULL: there is none */
    fv_value *decides;
    bool seen;       /* the value that the bool has for visible scores */
    double hidden;   /* the number that replaces the scores of hidden keys */
    const char *why; /* the reason why the attention cannot be written; NULL: it can */
} reading;

static bool declines(reading *r, const char *why) {
    r->why = r->why ? r->why : why;
    return false;
}

/* ---- from the softmax to the product ---- */

/* Skips casts to the type that the value already has, as exporters write them. */
static fv_value *behind_casts(fv_value *v) {
    while (v->kind == FV_VALUE_RESULT && fv_op_is(v->def, FV_OP_Cast) &&
           v->type->elem == v->def->in[0]->type->elem)
        v = v->def->in[0];
    return v;
}

static bool is_number(const fv_value *v, double *n) {
    if (v->kind != FV_VALUE_CONST || !v->tensor || v->tensor->count != 1 ||
        !fv_elem_is_float(v->type->elem))
        return false;
    *n = fv_tensor_float(v->tensor, 0);
    return true;
}

static bool scales(reading *r, double by) {
    if (r->added || r->decides)
        return declines(r, "its scores are scaled after the mask is applied");
    r->scale *= by;
    return isfinite(r->scale) || declines(r, "its scale is not finite");
}

static bool adds(reading *r, fv_value *mask) {
    if (r->added)
        return declines(r, "several masks are added to its scores");
    r->added = mask;
    r->added_last = r->decides != NULL;
    return true;
}

static bool hides(reading *r, fv_value *decides, bool seen, const fv_value *otherwise) {
    if (r->decides)
        return declines(r, "several masks replace its scores");
    if (!is_number(otherwise, &r->hidden))
        return declines(r, "its mask replaces scores by other values than one constant");
    r->decides = decides;
    r->seen = seen;
    return true;
}

/* Analyses the arithmetic between the product of scores and the softmax. */
static bool read_scores(reading *r, fv_value *x, int deep) {
    double n;
    x = behind_casts(x);
    const fv_op *op = x->kind == FV_VALUE_RESULT ? x->def : NULL;
    if (x == r->s->of.score)
        return true;
    if (!op || deep == 0)
        return false;
    if (fv_op_is(op, FV_OP_Add))
        for (int i = 0; i < 2; i++)
            if (read_scores(r, op->in[i], deep - 1))
                return adds(r, op->in[1 - i]);
    if (fv_op_is(op, FV_OP_Mul))
        for (int i = 0; i < 2; i++)
            if (is_number(op->in[1 - i], &n) && read_scores(r, op->in[i], deep - 1))
                return scales(r, n);
    if (fv_op_is(op, FV_OP_Div) && is_number(op->in[1], &n) && read_scores(r, op->in[0], deep - 1))
        return scales(r, 1 / n);
    if (fv_op_is(op, FV_OP_Where))
        for (int i = 1; i < 3; i++)
            if (read_scores(r, op->in[i], deep - 1))
                return hides(r, op->in[0], i == 1, op->in[3 - i]);
    return false;
}

/* ---- does it have the form of the operator? ---- */

static bool same_batch(const fv_type *a, const fv_type *b) {
    bool same = a->rank == b->rank;
    for (int i = 0; same && i < a->rank - 2; i++)
        same = a->dims[i] == b->dims[i];
    return same;
}

static bool read_products(reading *r) {
    const fv_op *score = r->s->of.score ? r->s->of.score->def : NULL,
                *product = r->s->of.product->def;
    const fv_type *w = r->s->weights->type;
    if (!fv_op_is(r->s->softmax, FV_OP_Softmax) || r->s->softmax->block->parent)
        return declines(r, "its softmax is not a single Softmax, has a sink, or is in a branch");
    if (!score || !fv_op_is(score, FV_OP_fv_MatMul) || !fv_op_is(product, FV_OP_fv_MatMul) ||
        behind_casts(product->in[0]) != r->s->weights)
        return declines(r, "its scores or its result are not computed by a MatMul");
    if (r->s->weights->nuses != 1)
        return declines(r, "its weights are used by other operators, too");
    if (w->rank < 2 || w->rank > 4 || r->s->axis != w->rank - 1)
        return declines(r, "keys are not the last axis of its weights");
    r->q = score->in[0];
    r->kt = score->in[1];
    r->v = product->in[1];
    if (!same_batch(r->q->type, w) || !same_batch(r->kt->type, w) || !same_batch(r->v->type, w) ||
        r->q->type->elem != w->elem)
        return declines(
            r, "queries, keys and values differ in their axes of batch and heads, or in type");
    int rank = w->rank;
    return (r->q->type->dims[rank - 2] == w->dims[rank - 2] &&
            r->kt->type->dims[rank - 1] == w->dims[rank - 1]) ||
           declines(r, "a mask broadcasts its scores to more queries or keys");
}

/* Is the number that hides keys the lowest float? If it is added to a score, the sum is that
 * number, so the mask replaces scores as -inf would. */
static bool is_lowest(const reading *r) {
    return (r->q->type->elem == FV_F32 && r->hidden == -(double)FLT_MAX) ||
           (r->q->type->elem == FV_F64 && r->hidden == -DBL_MAX);
}

static bool read_mask(reading *r) {
    static const char *const all = "its mask may hide all keys of a query";
    bool infinite = r->added && !fv_mask_is_finite(&r->e, r->added);
    if (infinite && (r->decides || !fv_mask_keeps_a_key(&r->e, r->added, true)))
        return declines(r, all);
    if (r->decides && !isinf(r->hidden) && !is_lowest(r))
        return declines(r,
                        "its mask replaces scores by a number that is neither -inf nor the lowest");
    if (r->decides && (r->hidden > 0 || ((isinf(r->hidden) || r->added_last) &&
                                         !fv_mask_keeps_a_key(&r->e, r->decides, r->seen))))
        return declines(r, all);
    return true;
}

/* Can the operator represent the scale? Its attribute is an f32. */
static bool has_scale(const reading *r) {
    return r->q->type->elem != FV_F64 || (double)(float)r->scale == r->scale;
}

static bool read_site(reading *r) {
    if (r->s->kind == FV_ATTENTION_NONE || r->s->gate)
        return false;
    if (!read_products(r))
        return false;
    if (!read_scores(r, r->s->softmax->in[0], 8) || !read_mask(r))
        return declines(r, "its scores are changed by more than a scale and a mask");
    return has_scale(r) || declines(r, "its scale cannot be represented as an f32");
}

/* ---- writing ---- */

/* x with rank 4: axes of dim 1 for batch and heads are inserted before the last two axes. */
static fv_value *with_heads(fv_rewriter *w, fv_value *x) {
    const fv_dim *one = fv_dim_const(w->module->dims, 1), *dims[4] = {one, one, one, one};
    int n = x->type->rank;
    for (int i = 0; i < n; i++)
        dims[i < n - 2 ? i : i + 4 - n] = x->type->dims[i];
    return n < 4 ? fv_w_reshape(w, x, 4, dims) : x;
}

/* The keys, of which kt is usually a transpose. */
static fv_value *keys_of(fv_rewriter *w, fv_value *kt) {
    int perm[4] = {0, 1, 2, 3}, n = kt->type->rank;
    const fv_op *op =
        kt->kind == FV_VALUE_RESULT && fv_op_is(kt->def, FV_OP_Transpose) ? kt->def : NULL;
    const int64_t *given = op ? fv_op_ints(op, "perm", &(int){0}) : NULL;
    bool same = true;
    perm[n - 2] = n - 1;
    perm[n - 1] = n - 2;
    for (int i = 0; given && i < n; i++)
        perm[i] = (int)given[perm[i]];
    for (int i = 0; i < n; i++)
        same &= perm[i] == i;
    fv_value *x = given ? op->in[0] : kt;
    return same ? x : fv_w_transpose(w, x, perm);
}

/* The mask, expanded to all queries and keys, because runtimes do not broadcast a mask along these
 * axes. */
static fv_value *whole_mask(fv_rewriter *w, const fv_type *scores, fv_value *mask) {
    const fv_dim *dims[4];
    int n = mask->type->rank > 2 ? mask->type->rank : 2, r = scores->rank;
    bool whole = mask->type->rank >= 2;
    for (int i = 0; i < n; i++) {
        int k = i - (n - mask->type->rank);
        dims[i] = i < n - 2 ? mask->type->dims[k] : scores->dims[r - n + i];
        whole &= k >= 0 && dims[i] == mask->type->dims[k];
    }
    mask = whole ? mask : fv_w_expand(w, mask, n, dims);
    return mask && n == 3 && r == 3 ? with_heads(w, mask) : mask;
}

/* The mask operand; NULL: none is needed, or *causal expresses it completely. */
static fv_value *mask_of(reading *r, fv_rewriter *w, bool *causal) {
    bool plain = r->decides && isinf(r->hidden) && !r->added;
    *causal = plain && fv_mask_is_causal(&r->e, r->decides, r->seen);
    if (*causal || !r->decides)
        return r->added;
    if (plain)
        return r->seen ? r->decides : FV_W1(w, FV_OP_Not, r->decides);
    fv_elem e = r->q->type->elem;
    fv_value *shown = r->added ? r->added : fv_w_float(w, e, 0),
             *hidden = fv_w_float(w, e, r->hidden);
    if (r->added_last && !isinf(r->hidden))
        hidden = FV_W2(w, FV_OP_Add, hidden, r->added);
    return FV_W3(w, FV_OP_Where, r->decides, r->seen ? shown : hidden, r->seen ? hidden : shown);
}

static void write_site(reading *r) {
    fv_op *op = r->s->of.product->def;
    fv_rewriter w = fv_rewriter_at(op);
    const fv_type *scores = r->s->weights->type;
    fv_attr attrs[2] = {fv_attr_float(w.module, "scale", (float)r->scale),
                        fv_attr_int(w.module, "is_causal", 1)};
    bool causal;
    fv_value *mask = mask_of(r, &w, &causal);
    fv_value *in[4] = {with_heads(&w, r->q), with_heads(&w, keys_of(&w, r->kt)),
                       with_heads(&w, r->v), mask ? whole_mask(&w, scores, mask) : NULL};
    fv_value *y = fv_w_op(&w, FV_OP_Attention, mask ? 4 : 3, in, causal ? 2 : 1, attrs);
    if (y && scores->rank < 4)
        y = fv_w_reshape(&w, y, scores->rank, op->out[0]->type->dims);
    fv_w_result(&w, 0, y);
    if (!w.failed)
        fv_op_erase(op);
}

bool fv_pass_write_attention(fv_pass_run *run) {
    fv_attention_sites sites;
    fv_attention_find(run->arena, run->module, &sites);
    for (int i = 0; i < sites.n; i++) {
        reading r = {.e = fv_elements_new(run->module->session), .s = &sites.all[i], .scale = 1};
        if (read_site(&r)) {
            write_site(&r);
            fv_pass_count_one(run, "Attention");
        } else if (r.why) {
            fv_pass_count_one(run, fv_printf(run->arena, "left alone, %s", r.why));
        }
        fv_elements_free(&r.e);
    }
    return true;
}
