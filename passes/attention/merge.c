/* merge.c - the pass `merge-softmax`: attention that is computed piece by piece becomes one softmax
 * over all keys. The pieces are those of an unrolled online softmax, or attentions over parts of
 * the keys that are combined by the logarithms of their sums.
 *
 *     m' = max(m, max s),  a = exp(m - m'),  p = exp(s - m')       for each piece s = q * k^T, v
 *     l' = a * l + sum p,  o' = a * o + p * v                  =>    Softmax(q * Concat(k..)^T) *
 *                                                              Concat(v..)
 *     o / l, at the end
 *
 * So does one piece that the model computes by Exp, a sum and a Div, also without values, and a
 * sink, a number whose exponential is added to the sum, becomes that of fv.SinkSoftmax.
 *
 * pieces.h represents a value as sums over pieces; along.h joins pieces, and chunks.h chunks. The
 * scores of all pieces must become one product, including the arithmetic around them. No other
 * value that depends on parts of the sums may have a reader, since scores would then be computed
 * twice.
 *
 * Results are rounded elsewhere, so nothing is merged on whose value the model decides
 * (passes/decides.h). A row is NaN in fewer cases: if a piece is hidden as a whole, its
 * maximum is -infinity, and exp(-infinity - -infinity) is NaN before the pass; if all keys of a row
 * are hidden, the row is NaN before and after it.
 *
 * This is no rewrite rule, because there are any number of pieces. Needs the form that legalise
 * gives, and equal values made one by `share`; leaves the replaced ops to remove-dead, and
 * concatenations of constants to fold-constants. */
#include "ir/catalogue/op.h"
#include "ir/graph/rewriter.h"
#include "passes/attention/along.h"
#include "passes/attention/chunks.h"
#include "passes/attention/terms.h"
#include "passes/decides.h"
#include "passes/internal.h"

typedef struct merger {
    fv_pass_run *r;
    fv_region *block;
    fv_pieces pieces;
    int decided; /* number of softmaxes that stay since the module decides on their results */
    bool *live;  /* for the op at each position of the block: whether its result is needed */
} merger;

/* Does an op that is needed read a result of op? `root` is regarded as an op without readers; NULL:
 * there is no such op. */
static bool is_read(const merger *k, const fv_op *op, const fv_op *root) {
    for (int o = 0; o < op->nout; o++)
        for (int i = 0; op->out[o] && i < op->out[o]->nuses; i++) {
            const fv_op *user = op->out[o]->uses[i].op;
            if (user != root && (user->block != k->block || k->live[user->mark]))
                return true;
        }
    return false;
}

static bool has_region(const fv_op *op) {
    for (int i = 0; i < op->nattrs; i++)
        if (op->attrs[i].kind == FV_ATTR_REGION)
            return true;
    return false;
}

/* Marks the ops from `last` backwards to `first` that are needed; the ops after `last` have been
 * marked before. */
static void find_live(merger *k, const fv_op *last, const fv_op *first, const fv_op *root) {
    for (const fv_op *op = last; op; op = op == first ? NULL : op->prev)
        k->live[op->mark] = op->def == &fv_return_def || op->def->has_effect || has_region(op) ||
                            is_read(k, op, root);
}

static void look(merger *k) {
    int n = 0;
    for (fv_op *op = k->block->first; op; op = op->next)
        op->mark = n++;
    k->live = FV_NEW(k->r->arena, bool, n);
    find_live(k, k->block->last, k->block->first, NULL);
}

/* Sorts pieces by the position of their scores in the block, which is the order of the keys if
 * these were cut from one tensor. */
static void sort(fv_piece *p, int n) {
    for (int i = 1; i < n; i++)
        for (int k = i; k > 0 && p[k].scores->def->mark < p[k - 1].scores->def->mark; k--) {
            fv_piece t = p[k];
            p[k] = p[k - 1];
            p[k - 1] = t;
        }
}

typedef struct joined {
    fv_value **scores, **values;
    int n;
    fv_elem elem; /* element type of the product with the values */
    /* the axis of chunks of the scores if there is a single piece that consists of chunks; -1:
     * there are several pieces */
    int chunks;
    bool weights;         /* whether the softmax itself is computed, without values */
    const fv_piece *sink; /* NULL: there is none */
    const fv_type *rows;  /* the type of a value with one number for each row of the scores */
} joined;

/* Do a and b have the same dims, apart from those that are 1? */
static bool have_same_dims(const fv_module *m, const fv_type *a, const fv_type *b) {
    int none = -1;
    return fv_is_squeeze(m, a, b, &none);
}

/* Can the logits of the sink be given for each row? Their type must not have more bits than the
 * scores, since a larger number would become infinite. Axes of dim 1 may have been taken away from
 * them (fv_term_reference), so they have all dims of the rows, or broadcast as they are. */
static bool is_sink_of_rows(const merger *k, const joined *j) {
    const fv_module *m = k->r->module;
    const fv_value *c = j->sink->scores, *s = j->scores[0];
    if (!have_same_dims(m, j->sink->sink, j->rows))
        return false;
    return !c || (fv_elem_bits(c->type->elem) <= fv_elem_bits(s->type->elem) &&
                  (have_same_dims(m, c->type, j->sink->sink) ||
                   fv_broadcasts_to(m, c->type, j->sink->sink)));
}

static bool are_joinable(merger *k, const joined *j) {
    fv_module *m = k->r->module;
    if (j->sink && !is_sink_of_rows(k, j))
        return false;
    if (j->chunks < 0 && j->n == 1)
        return true;
    if (j->chunks >= 0)
        return fv_are_chunks(m, j->scores[0], j->values[0], j->chunks);
    return fv_are_scores(m, k->r->arena, j->scores, j->n) &&
           fv_may_follow(m, j->values, j->n, j->values[0]->type->rank - 2);
}

static bool may_join(merger *k, const fv_op *root, const fv_term *t, joined *j) {
    fv_arena *a = k->r->arena;
    fv_piece *list = FV_NEW(a, fv_piece, t->n);
    bool dead = true;
    *j = (joined){FV_NEW(a, fv_value *, t->n),
                  FV_NEW(a, fv_value *, t->n),
                  t->n,
                  t->pieces->elem,
                  t->n == 1 ? t->pieces->chunks - 1 : -1,
                  t->kind == FV_TERM_WEIGHTS,
                  fv_sink_of(t),
                  NULL};
    for (int i = 0; i < t->n; i++) {
        list[i] = t->pieces[i];
        if (list[i].scores->kind != FV_VALUE_RESULT || list[i].scores->def->block != k->block ||
            (list[i].chunks && t->n > 1))
            return false;
    }
    sort(list, t->n);
    j->rows = fv_rows_of(&k->pieces, t);
    for (int i = 0; i < t->n; i++) {
        j->scores[i] = list[i].scores;
        j->values[i] = list[i].values;
    }
    if (!are_joinable(k, j))
        return false;
    /* marks the ops that are needed if root is not: the scores must not be among them */
    find_live(k, root->prev, j->scores[0]->def, root);
    for (int i = 0; i < t->n; i++)
        dead &= !k->live[j->scores[i]->def->mark];
    find_live(k, root->prev, j->scores[0]->def, NULL);
    return dead;
}

static fv_value *all_scores(merger *k, fv_rewriter *w, const joined *j) {
    if (j->chunks < 0 && j->n == 1)
        return j->scores[0];
    return j->chunks >= 0 ? fv_w_chunk_scores(w, j->scores[0], j->chunks)
                          : fv_w_scores(w, k->r->arena, j->scores, j->n);
}

static fv_value *all_values(merger *k, fv_rewriter *w, const joined *j) {
    fv_value *v = j->values[0];
    if (j->weights || (j->chunks < 0 && j->n == 1))
        return v;
    int rank = v->type->rank;
    return j->chunks >= 0 ? fv_w_chunk_values(w, v, j->chunks - (j->scores[0]->type->rank - rank))
                          : fv_w_along(w, k->r->arena, j->values, j->n, rank - 2);
}

/* The logits of the sink, one for each row of the scores s. */
static fv_value *sink_value(fv_rewriter *w, const joined *j, const fv_value *s) {
    const fv_type *t = j->sink->sink, *rows = j->rows;
    fv_value *c = j->sink->scores ? j->sink->scores : fv_w_float(w, s->type->elem, 0);
    c = c ? fv_w_cast(w, c, s->type->elem) : NULL;
    if (c && !have_same_dims(w->module, c->type, t))
        c = fv_w_expand(w, c, t->rank, t->dims);
    return c ? fv_w_reshape(w, c, rows->rank, rows->dims) : NULL;
}

static fv_value *softmax_of(merger *k, fv_rewriter *w, const joined *j, fv_value *s) {
    fv_attr axis = fv_attr_int(k->r->module, "axis", -1);
    fv_value *sink = s && j->sink ? sink_value(w, j, s) : NULL;
    if (!s || (j->sink && !sink))
        return NULL;
    return sink ? FV_W2(w, FV_OP_fv_SinkSoftmax, s, sink)
                : fv_w_op(w, FV_OP_Softmax, 1, &s, 1, &axis);
}

/* y reshaped to the type of the result that it replaces, which may differ in axes of dim 1. */
static fv_value *formed(merger *k, fv_rewriter *w, fv_value *y, const fv_type *t) {
    bool same = y && y->type->rank == t->rank;
    for (int i = 0; same && i < t->rank; i++)
        same = fv_module_equal(k->r->module, y->type->dims[i], t->dims[i]);
    return same ? y : fv_w_reshape(w, y, t->rank, t->dims);
}

static bool merge(merger *k, fv_op *root, const joined *j) {
    const char *what = j->n > 1 || j->chunks >= 0 ? "softmax in pieces"
                       : j->sink                  ? "softmax with a sink"
                                                  : "softmax in several ops";
    fv_deciding d = fv_deciding_of(k->r->module, k->r->arena);
    k->decided += fv_decides_by(&d, root);
    if (fv_decides_by(&d, root) || !fv_pass_may(k->r, what, root))
        return true;
    fv_rewriter w = fv_rewriter_at(root);
    const fv_op *before = root->prev;
    fv_value *s = all_scores(k, &w, j), *v = all_values(k, &w, j);
    fv_value *p = softmax_of(k, &w, j, s);
    fv_value *y = j->weights ? p
                  : p && v   ? FV_W2(&w, FV_OP_fv_MatMul, fv_w_cast(&w, p, j->elem), v)
                             : NULL;
    y = y ? formed(k, &w, fv_w_cast(&w, y, root->out[0]->type->elem), root->out[0]->type) : NULL;
    fv_w_result(&w, 0, y);
    if (w.failed)
        return false;
    const fv_origin *origin = fv_origin_join(k->r->module, j->scores[0]->def->origin, root->origin);
    for (fv_op *op = root->prev; op != before; op = op->prev)
        op->origin = origin;
    fv_op_erase(root);
    fv_pass_count_one(k->r, what);
    return true;
}

static bool merge_regions(fv_pass_run *r, const fv_op *op);

/* Finds the terms of the results of a block's ops that have one result. */
static void find_terms(fv_pieces *p, const fv_region *block) {
    p->terms = fv_ptrmap_in(p->arena);
    for (const fv_op *op = block->first; op; op = op->next) {
        if (op->nout != 1 || !op->out[0])
            continue;
        const fv_term *t = fv_term_of_stacks(p, op);
        if (!t && fv_op_is(op, FV_OP_fv_Slice))
            t = fv_term_of_slice(p, op);
        if (!t)
            t = fv_term_of_op(p, op);
        if (t)
            *fv_ptrmap_at(&p->terms, op->out[0]) = (void *)t;
    }
}

/* Merges the attentions of a block, the last one first. The ops that computed a merged attention
 * are dead afterwards. */
static bool merge_block(fv_pass_run *r, fv_region *block) {
    merger k = {.r = r, .block = block, .pieces = {.arena = r->arena, .module = r->module}};
    bool any = false;
    for (fv_op *op = block->first; op; op = op->next)
        if (!merge_regions(r, op))
            return false;
    find_terms(&k.pieces, block);
    for (fv_op *op = block->last, *before; op; op = before) {
        joined j;
        before = op->prev;
        const fv_term *t =
            op->nout == 1 && op->out[0] ? fv_pieces_term(&k.pieces, op->out[0]) : NULL;
        if (!fv_is_whole(t))
            continue;
        if (!any)
            look(&k);
        any = true;
        if (!k.live[op->mark] || !may_join(&k, op, t, &j))
            continue;
        if (!merge(&k, op, &j))
            return false;
        look(&k);
    }
    if (k.decided)
        fv_pass_declined(r, k.decided, "left as stated, since the model decides on it");
    return true;
}

static bool merge_regions(fv_pass_run *r, const fv_op *op) {
    for (int i = 0; i < op->nattrs; i++)
        if (op->attrs[i].kind == FV_ATTR_REGION && !merge_block(r, op->attrs[i].u.region))
            return false;
    return true;
}

bool fv_pass_merge_softmax(fv_pass_run *r) {
    for (const fv_func *f = r->module->funcs; f; f = f->next)
        if (!merge_block(r, f->body))
            return false;
    return true;
}
