/* sinks.c - the pass `sink-softmax`: a softmax over rows with one more element, whose weight is
 * dropped, becomes fv.SinkSoftmax. Exporters write attention sinks in this way.
 *
 *     c = Concat(scores, sink)
 *     w = Softmax(c)  or  Softmax(c - max c)        =>    w = fv.SinkSoftmax(scores, sink)
 *     Slice(w): the columns of the scores
 *
 * The column may be the first, too, and a Pad may make it instead of the Concat. Axes other than
 * that of the columns may be reshaped in between, as when exporters merge batch and heads.
 *
 * Afterwards the rows of scores and weights have the length of the keys, so the ops around them are
 * attention like any other. The sum has the same terms in another order. Subtracting the maximum
 * before the softmax changes nothing, because the softmax does so itself.
 *
 * This is no rewrite rule: the types of the result depend on the position of casts, the slice
 * begins after the sink if that is the first column, and readers without readers have to be
 * ignored. The notation of rules can express none of these.
 *
 * Needs the form that legalise gives; leaves the replaced ops to remove-dead. */
#include <string.h>

#include "ir/base/limits.h"
#include "ir/catalogue/op.h"
#include "ir/graph/rewriter.h"
#include "passes/internal.h"

typedef struct sunk {
    const fv_op *softmax, *slice;
    fv_value *scores;
    /* the additional column, or a single number that it repeats; NULL: that number is 0 */
    fv_value *sink;
    /* rounded: the type to which scores are cast before the maximum is subtracted; elem: the type
     * of the softmax */
    fv_elem rounded, elem;
} sunk;

static fv_op *maker(const fv_value *v, fv_op_id id) {
    return v->kind == FV_VALUE_RESULT && fv_op_is(v->def, id) ? v->def : NULL;
}

/* Is it a float type with only one way of rounding? Types of 8 bits have several. */
static bool is_plain(fv_elem e) {
    return fv_elem_is_float(e) && fv_elem_bits(e) >= 16;
}

static fv_value *before_cast(fv_value *v) {
    const fv_op *cast = maker(v, FV_OP_Cast);
    return cast && is_plain(v->type->elem) && is_plain(cast->in[0]->type->elem) ? cast->in[0] : v;
}

static bool is_last_axis(const fv_op *op) {
    int rank = op->out[0]->type->rank;
    int64_t axis = fv_op_int(op, "axis");
    return rank && (axis == -1 || axis == rank - 1);
}

static bool is_maximum(const fv_op *op) {
    static const char name[] = "ReduceMax";
    fv_string kind = fv_op_string(op, "kind");
    return kind.n == sizeof name - 1 && !memcmp(kind.s, name, kind.n);
}

/* Is m the maximum of each row of x? */
static bool is_row_maximum(const fv_value *m, const fv_value *x) {
    const fv_op *op = maker(m, FV_OP_fv_Reduce);
    if (!op || op->in[0] != x || !is_maximum(op))
        return false;
    const fv_attr *extent = fv_op_find_attr(op, "extent");
    for (int i = 0; i < extent->n - 1; i++)
        if (!fv_dim_is_one(extent->u.dims[i]))
            return false;
    return extent->n == x->type->rank && m->type->rank == x->type->rank &&
           extent->u.dims[extent->n - 1] == x->type->dims[extent->n - 1];
}

static fv_value *before_shift(fv_value *v) {
    const fv_op *sub = maker(v, FV_OP_Sub);
    return sub && is_row_maximum(sub->in[1], sub->in[0]) ? sub->in[0] : v;
}

static const fv_dim *columns_of(const fv_value *v) {
    return v->type->dims[v->type->rank - 1];
}

/* The value of which v is a Reshape that keeps the rows, so that the columns are the last axis of
 * both; v itself if there is none. */
static fv_value *before_reshape(fv_value *v) {
    const fv_op *op = maker(v, FV_OP_fv_Reshape);
    return op && op->in[0]->type->rank && v->type->rank &&
                   fv_module_equal(fv_region_module(op->block), columns_of(op->in[0]),
                                   columns_of(v))
               ? op->in[0]
               : v;
}

/* Does the slice take the columns from `first` on, exactly as many as the scores have? */
static bool takes(const fv_op *slice, const fv_value *scores, int64_t first) {
    const fv_attr *start = fv_op_find_attr(slice, "start"), *step = fv_op_find_attr(slice, "step");
    const fv_type *t = slice->out[0]->type, *whole = slice->in[0]->type;
    fv_module *m = fv_region_module(slice->block);
    for (int i = 0; i < t->rank; i++) {
        bool last = i == t->rank - 1;
        if (!fv_dim_is_one(step->u.dims[i]) || !fv_dim_is_const(start->u.dims[i]) ||
            start->u.dims[i]->value != (last ? first : 0) ||
            !fv_module_equal(m, t->dims[i], last ? columns_of(scores) : whole->dims[i]))
            return false;
    }
    return true;
}

/* Does the Pad add nothing but one column, of a constant? *first becomes the index of the first
 * column of its operand. */
static bool adds_column(const fv_op *pad, int64_t *first) {
    static const char constant[] = "constant";
    const fv_attr *begin = fv_op_find_attr(pad, "begin");
    const fv_type *x = pad->in[0]->type, *y = pad->out[0]->type;
    fv_dims *t = fv_region_module(pad->block)->dims;
    fv_string mode = fv_op_string(pad, "mode");
    if (mode.n != sizeof constant - 1 || memcmp(mode.s, constant, mode.n))
        return false;
    for (int i = 0; i < x->rank; i++) {
        bool last = i == x->rank - 1;
        if (!fv_dim_is_const(begin->u.dims[i]) ||
            y->dims[i] != (last ? fv_dim_add(t, x->dims[i], fv_dim_const(t, 1)) : x->dims[i]))
            return false;
        *first = begin->u.dims[i]->value;
        if (*first && (!last || *first != 1))
            return false;
    }
    return x->rank > 0;
}

/* Does v have exactly one reader? Readers whose results are not used do not count; a Split leaves
 * such a slice for each unused result. */
static bool is_read_once(const fv_value *v) {
    int n = 0;
    for (int i = 0; i < v->nuses; i++) {
        const fv_op *op = v->uses[i].op;
        bool read = op->def == &fv_return_def || op->def->has_effect;
        for (int k = 0; k < op->nout && !read; k++)
            read = op->out[k] && op->out[k]->nuses;
        n += read;
    }
    return n == 1;
}

/* Finds scores and sink in c, the rows with one more column, of which `slice` takes the weights. */
static bool find_column(fv_value *c, const fv_op *slice, sunk *s) {
    const fv_op *concat = maker(c, FV_OP_Concat), *pad = maker(c, FV_OP_fv_Pad);
    int64_t first;
    if (pad && adds_column(pad, &first)) {
        s->scores = pad->in[0];
        s->sink = pad->nin > 1 ? pad->in[1] : NULL;
        return takes(slice, s->scores, first);
    }
    if (!concat || concat->nin != 2 || !is_last_axis(concat))
        return false;
    for (int i = 0; i < 2; i++) {
        s->sink = concat->in[i];
        s->scores = concat->in[1 - i];
        if (fv_dim_is_one(columns_of(s->sink)) && takes(slice, s->scores, i == 0))
            return true;
    }
    return false;
}

static bool find_sink(const fv_op *slice, sunk *s) {
    fv_value *w = slice->in[0], *same = before_reshape(w), *weights = before_cast(same);
    const fv_op *softmax = maker(weights, FV_OP_Softmax);
    if (!softmax || softmax->block != slice->block || !is_last_axis(softmax) || !is_read_once(w) ||
        !is_read_once(same) || !is_read_once(weights))
        return false;
    fv_value *x = softmax->in[0], *shifted = before_cast(x), *given = before_shift(shifted);
    if (given != shifted && shifted != x &&
        fv_elem_bits(shifted->type->elem) >= fv_elem_bits(x->type->elem))
        /* if the difference to the maximum is rounded to a narrower type, the result differs from a
         * softmax of rounded scores */
        return false;
    *s = (sunk){softmax, slice, NULL, NULL, given->type->elem, weights->type->elem};
    return find_column(before_reshape(before_cast(given)), slice, s);
}

/* The scores, or with `sink` that column, with the axes of the result. */
static fv_value *with_axes(fv_rewriter *w, const sunk *s, bool sink) {
    const fv_type *y = s->slice->out[0]->type, *x = s->scores->type;
    fv_module *m = w->module;
    const fv_dim *dims[FV_MAX_RANK], *given[FV_MAX_RANK], *one = fv_dim_const(m->dims, 1);
    bool same = x->rank == y->rank;
    for (int i = 0; i < y->rank; i++) {
        dims[i] = sink && i == y->rank - 1 ? one : y->dims[i];
        same = same && fv_module_equal(m, x->dims[i], y->dims[i]);
    }
    fv_value *v = sink ? s->sink : s->scores;
    v = v ? v : fv_w_float(w, x->elem, 0);
    if (sink && v && v->type->rank != x->rank) {
        for (int i = 0; i < x->rank; i++)
            given[i] = i == x->rank - 1 ? one : x->dims[i];
        v = fv_w_expand(w, v, x->rank, given);
    }
    return same || !v ? v : fv_w_reshape(w, v, y->rank, dims);
}

static fv_value *as_given(fv_rewriter *w, const sunk *s, fv_value *x) {
    return x ? fv_w_cast(w, fv_w_cast(w, x, s->rounded), s->elem) : NULL;
}

static bool sink(fv_pass_run *r, fv_op *slice, const sunk *s) {
    static const char what[] = "column that is cut off";
    if (!fv_pass_may(r, what, slice))
        return true;
    fv_rewriter w = fv_rewriter_at(slice);
    const fv_op *before = slice->prev;
    fv_value *x = as_given(&w, s, with_axes(&w, s, false)),
             *c = as_given(&w, s, with_axes(&w, s, true));
    fv_value *y = x && c ? FV_W2(&w, FV_OP_fv_SinkSoftmax, x, c) : NULL;
    y = y ? fv_w_cast(&w, y, slice->out[0]->type->elem) : NULL;
    fv_w_result(&w, 0, y);
    if (w.failed)
        return false;
    const fv_origin *origin = fv_origin_join(r->module, s->softmax->origin, slice->origin);
    for (fv_op *op = slice->prev; op != before; op = op->prev)
        op->origin = origin;
    fv_op_erase(slice);
    fv_pass_count_one(r, what);
    return true;
}

static bool look(fv_pass_run *r, fv_op *op) {
    sunk s;
    return !fv_op_is(op, FV_OP_fv_Slice) || !find_sink(op, &s) || sink(r, op, &s);
}

bool fv_pass_sink_softmax(fv_pass_run *r) {
    return fv_pass_each(r, look);
}
