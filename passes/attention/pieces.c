/* pieces.c - the arithmetic of terms (pieces.h): computes the term of the result of an op from the
 * terms of its operands. */
#include "passes/attention/pieces.h"

#include <string.h>

#include "ir/base/limits.h"
#include "ir/catalogue/op.h"
#include "passes/attention/along.h"
#include "passes/attention/terms.h"

const fv_op *fv_made_by(const fv_value *v, fv_op_id id) {
    return v && v->kind == FV_VALUE_RESULT && fv_op_is(v->def, id) ? v->def : NULL;
}

/* ---- sets of pieces, and references ---- */

static bool has(const fv_term *t, const fv_piece *p) {
    for (int i = 0; i < t->n; i++)
        if (t->pieces[i].scores == p->scores && t->pieces[i].chunks == p->chunks)
            return true;
    return false;
}

static bool has_all(const fv_term *t, const fv_term *of) {
    for (int i = 0; i < of->n; i++)
        if (!has(t, &of->pieces[i]))
            return false;
    return true;
}

/* Do both terms consist of the same pieces? (No piece occurs twice in a term.) */
bool fv_same_pieces(const fv_term *a, const fv_term *b) {
    return a->n == b->n && has_all(a, b);
}

/* Do both terms have the same pieces with the same values? */
static bool same_results(const fv_term *a, const fv_term *b) {
    for (int i = 0; i < a->n; i++) {
        bool found = false;
        for (int k = 0; k < b->n && !found; k++)
            found = a->pieces[i].scores == b->pieces[k].scores &&
                    a->pieces[i].values == b->pieces[k].values &&
                    a->pieces[i].chunks == b->pieces[k].chunks;
        if (!found)
            return false;
    }
    return a->n == b->n;
}

static bool is_apart(const fv_term *a, const fv_term *b) {
    for (int i = 0; i < b->n; i++)
        for (int k = 0; k < a->n; k++)
            if (a->pieces[k].scores == b->pieces[i].scores)
                return false;
    return true;
}

bool fv_same_reference(fv_reference a, fv_reference b) {
    return a.value == b.value && a.common == b.common && !a.lse == !b.lse &&
           (!a.lse || fv_same_pieces(a.lse, b.lse));
}

bool fv_is_zero_reference(fv_reference r) {
    return !r.value && !r.lse;
}

static bool over_itself(const fv_term *t) {
    return t->r.lse && !t->r.common && fv_same_pieces(t->r.lse, t);
}

const fv_piece *fv_sink_of(const fv_term *t) {
    for (int i = 0; i < t->r.lse->n; i++)
        if (t->r.lse->pieces[i].sink)
            return &t->r.lse->pieces[i];
    return NULL;
}

/* Is the reference of t the lse of its pieces and at most one sink? */
static bool over_itself_and_a_sink(const fv_term *t) {
    return t->r.lse && !t->r.common && has_all(t->r.lse, t) &&
           t->r.lse->n == t->n + (fv_sink_of(t) != NULL);
}

bool fv_is_whole(const fv_term *t) {
    if (!t || !over_itself_and_a_sink(t))
        return false;
    return t->kind == FV_TERM_RESULT ? t->n > 1 || t->pieces->chunks || t->scaled
                                     : t->kind == FV_TERM_WEIGHTS && t->scaled;
}

const fv_term *fv_term_make(fv_pieces *p, fv_term t) {
    fv_term *made = FV_NEW(p->arena, fv_term, 1);
    *made = t;
    return made;
}

static const fv_term *of_one(fv_pieces *p, fv_term_kind kind, fv_value *scores, fv_reference r) {
    fv_piece *piece = FV_NEW(p->arena, fv_piece, 1);
    *piece = (fv_piece){.scores = scores};
    return fv_term_make(p, (fv_term){.kind = kind, .r = r, .pieces = piece, .n = 1});
}

const fv_term *fv_term_with(fv_pieces *p, const fv_term *t, fv_term_kind kind, fv_reference r) {
    return fv_term_make(p, (fv_term){.kind = kind, .r = r, .pieces = t->pieces, .n = t->n});
}

static fv_reference lse_of(fv_pieces *p, const fv_term *t) {
    return (fv_reference){.lse = fv_term_with(p, t, FV_TERM_LSE, (fv_reference){0})};
}

/* A term of the pieces of both a and b; NULL if they have a piece in common, or more than
 * FV_MAX_PIECES. */
const fv_term *fv_term_both(fv_pieces *p, const fv_term *a, const fv_term *b, fv_term_kind kind,
                            fv_reference r) {
    if (a->n + b->n > FV_MAX_PIECES || !is_apart(a, b))
        return NULL;
    fv_piece *list = FV_NEW(p->arena, fv_piece, a->n + b->n);
    memcpy(list, a->pieces, sizeof *list * (size_t)a->n);
    memcpy(list + a->n, b->pieces, sizeof *list * (size_t)b->n);
    return fv_term_make(p, (fv_term){.kind = kind, .r = r, .pieces = list, .n = a->n + b->n});
}

/* ---- shapes ---- */

bool fv_is_plain_float(fv_elem e) {
    return fv_elem_is_float(e) && fv_elem_bits(e) >= 16;
}

bool fv_same_dims(const fv_pieces *p, const fv_type *a, const fv_type *b, int n) {
    for (int i = 0; i < n; i++)
        if (!fv_module_equal(p->module, a->dims[i], b->dims[i]))
            return false;
    return true;
}

bool fv_same_shape(const fv_pieces *p, const fv_type *a, const fv_type *b) {
    return a->rank == b->rank && fv_same_dims(p, a, b, a->rank);
}

bool fv_is_line(const fv_type *t) {
    return t->rank > 0 && fv_dim_is_one(t->dims[t->rank - 1]);
}

bool fv_is_single(const fv_type *t) {
    for (int i = 0; i < t->rank; i++)
        if (!fv_dim_is_one(t->dims[i]))
            return false;
    return true;
}

/* Does v have one number for each row of `rows`, with the same axes except the last? */
static bool is_of_rows(const fv_pieces *p, const fv_value *v, const fv_type *rows) {
    return fv_is_line(v->type) && v->type->rank == rows->rank &&
           fv_same_dims(p, v->type, rows, rows->rank - 1);
}

/* v, or, if v repeats one number of each row along the last axis, a value of these numbers. */
fv_value *fv_unrepeated(const fv_pieces *p, fv_value *v) {
    const fv_op *op = fv_made_by(v, FV_OP_fv_Expand);
    return op && is_of_rows(p, op->in[0], v->type) ? op->in[0] : v;
}

static bool is_same_elements(const fv_pieces *p, const fv_type *a, const fv_type *b) {
    int axis = -1;
    return fv_is_squeeze(p->module, a, b, &axis);
}

/* The value from which v is computed by Identity, casts between floats of at least 16 bits, and
 * reshapes that add or remove axes of dim 1; v itself if there is none. */
static fv_value *unviewed(const fv_pieces *p, fv_value *v) {
    for (;;) {
        const fv_op *op = fv_made_by(v, FV_OP_fv_Reshape);
        op = op && is_same_elements(p, op->in[0]->type, v->type) ? op
                                                                 : fv_made_by(v, FV_OP_Identity);
        if (!op && (op = fv_made_by(v, FV_OP_Cast)) &&
            (!fv_is_plain_float(v->type->elem) || !fv_is_plain_float(op->in[0]->type->elem)))
            op = NULL;
        if (!op)
            return v;
        v = op->in[0];
    }
}

const fv_term *fv_pieces_term(const fv_pieces *p, const fv_value *v) {
    return fv_ptrmap_get(&p->terms, v);
}

const fv_term *fv_term_of(const fv_pieces *p, const fv_value *v, fv_term_kind kind) {
    const fv_term *t = fv_pieces_term(p, v);
    return t && t->kind == kind ? t : NULL;
}

fv_reference fv_term_reference(const fv_pieces *p, fv_value *v) {
    fv_value *of = unviewed(p, v);
    const fv_term *t = fv_term_of(p, of, FV_TERM_LSE);
    return t ? (fv_reference){.lse = t} : (fv_reference){.value = of};
}

/* The reference r for a value that has one more axis, along which r is constant. */
static fv_reference lifted(fv_reference r, int axis) {
    if (axis >= 0 && !fv_is_zero_reference(r) && !(r.value && fv_is_single(r.value->type)))
        r.common = 1 + axis;
    return r;
}

static bool is_common(fv_reference r, int axis) {
    return fv_is_zero_reference(r) || (r.value && fv_is_single(r.value->type)) ||
           r.common == 1 + axis;
}

static fv_reference along(fv_reference r) {
    r.common = 0;
    return r;
}

/* Does y have the shape of x, or, if `rows`, one number for each row of x? y may be constant along
 * one axis, which becomes *axis; -1: it is not. */
bool fv_fits_shape(const fv_pieces *p, const fv_type *y, const fv_type *x, bool rows, int *axis) {
    int more = x->rank - y->rank, n = rows ? x->rank - 1 : x->rank;
    *axis = -1;
    if (more < 0 || more > 1 || !y->rank || (rows && !fv_is_line(y)))
        return false;
    for (int i = 0; i < n; i++) {
        const fv_dim *d = i < more ? NULL : y->dims[i - more];
        if (d && fv_module_equal(p->module, d, x->dims[i]))
            continue;
        if ((d && !fv_dim_is_one(d)) || *axis >= 0 || fv_dim_is_one(x->dims[i]))
            return false;
        *axis = i;
    }
    return true;
}

static bool holds(const fv_value *v, double x) {
    const fv_tensor *t =
        v->kind == FV_VALUE_CONST && fv_elem_is_float(v->type->elem) ? v->tensor : NULL;
    for (size_t i = 0; t && i < t->count; i++)
        if (fv_tensor_float(t, i) != x)
            return false;
    return t && t->count;
}

static const fv_term *zero(fv_pieces *p) {
    return fv_term_make(p, (fv_term){.kind = FV_TERM_ZERO});
}

static const fv_term *operand(fv_pieces *p, const fv_value *v) {
    const fv_term *t = fv_pieces_term(p, v);
    return !t && holds(v, 0) ? zero(p) : t;
}

/* ---- one op ---- */

/* A term for 1 - sum(P, lse(Q)), the share of the pieces of Q that are not in P. */
static const fv_term *others(fv_pieces *p, const fv_term *t) {
    fv_piece *rest = FV_NEW(p->arena, fv_piece, t->r.lse->n);
    int n = 0;
    for (int i = 0; i < t->r.lse->n; i++)
        if (!has(t, &t->r.lse->pieces[i]))
            rest[n++] = t->r.lse->pieces[i];
    return n ? fv_term_make(p, (fv_term){.kind = FV_TERM_SUM, .r = t->r, .pieces = rest, .n = n})
             : NULL;
}

/* The reference for v, which is combined with `with`. If v is broadcast to other dims, it stays as
 * it is: without its axes of dim 1 it might be broadcast otherwise. */
static fv_reference broadcast_reference(const fv_pieces *p, fv_value *v, const fv_value *with) {
    bool whole = v->type->rank >= with->type->rank;
    for (int i = 1; whole && i <= with->type->rank; i++)
        whole = !fv_dim_is_one(v->type->dims[v->type->rank - i]) ||
                fv_dim_is_one(with->type->dims[with->type->rank - i]);
    return whole ? fv_term_reference(p, v) : (fv_reference){.value = v};
}

/* ---- sinks ---- */

/* The term for lse of a sink alone, whose logit is r; NULL: r is no logit. `rows` is the type of
 * the value that was made with r. */
static const fv_term *sink_of(fv_pieces *p, fv_reference r, const fv_type *rows) {
    fv_piece *sink = FV_NEW(p->arena, fv_piece, 1);
    if (r.lse || r.common)
        return NULL;
    *sink = (fv_piece){.scores = (fv_value *)(uintptr_t)r.value, .sink = rows};
    return fv_term_make(p, (fv_term){.kind = FV_TERM_LSE, .pieces = sink, .n = 1});
}

/* The term for the sum of sum(P, r) and exp(c - r), or of sum(P, 0) and 1; NULL: `by`, the value
 * that is added, is neither. */
static const fv_term *with_sink(fv_pieces *p, const fv_term *sum, const fv_value *by,
                                const fv_type *rows) {
    const fv_term *f = fv_term_of(p, by, FV_TERM_FACTOR), *sink = NULL;
    if (!sum || sum->kind != FV_TERM_SUM || sum->r.common)
        return NULL;
    if (f && fv_same_reference(f->to, sum->r))
        sink = sink_of(p, f->r, rows);
    else if (fv_is_zero_reference(sum->r) && holds(by, 1))
        sink = sink_of(p, sum->r, rows);
    return sink ? fv_term_both(p, sum, sink, FV_TERM_SUM, sum->r) : NULL;
}

static const fv_term *of_neg(fv_pieces *p, const fv_op *op) {
    fv_value *x = op->in[0];
    if (!fv_is_plain_float(x->type->elem) || !fv_is_line(x->type))
        return NULL;
    return fv_term_make(p, (fv_term){.kind = FV_TERM_APART, .to = fv_term_reference(p, x)});
}

static const fv_term *of_sub(fv_pieces *p, const fv_op *op) {
    fv_value *x = op->in[0], *y = fv_unrepeated(p, op->in[1]);
    const fv_term *a = fv_pieces_term(p, x), *b = fv_pieces_term(p, y);
    if (!fv_is_plain_float(x->type->elem))
        return NULL;
    if (b && b->kind == FV_TERM_STEP && a && a->kind == FV_TERM_RESULT && same_results(a, b->a) &&
        over_itself(a) && has_all(b->b, b))
        /* a - (a - b) * (share of b) is the result of both */
        return fv_term_both(p, b->a, b->b, FV_TERM_RESULT, b->r);
    if (a && b && a->kind == FV_TERM_RESULT && b->kind == FV_TERM_RESULT && over_itself(a) &&
        over_itself(b) && fv_same_shape(p, x->type, y->type))
        return fv_term_make(p, (fv_term){.kind = FV_TERM_BETWEEN, .a = a, .b = b});
    if (b && b->kind == FV_TERM_SUM && b->r.lse && has_all(b->r.lse, b) && holds(x, 1) &&
        fv_same_shape(p, y->type, op->out[0]->type))
        return others(p, b);
    if (a && b && a->kind == FV_TERM_LSE && b->kind == FV_TERM_LOG && b->r.lse &&
        fv_same_pieces(a, b) && fv_same_shape(p, x->type, y->type))
        /* log(sum(P, lse(Q))) = lse(P) - lse(Q) */
        return fv_term_with(p, b->r.lse, FV_TERM_LSE, (fv_reference){0});
    if (fv_same_shape(p, x->type, y->type) || fv_is_single(x->type) ||
        (fv_is_line(x->type) && fv_is_single(y->type)))
        return fv_term_make(p, (fv_term){.kind = FV_TERM_APART,
                                         .r = fv_term_reference(p, x),
                                         .to = fv_term_reference(p, y)});
    int axis;
    bool same = x->type->rank && fv_same_shape(p, x->type, op->out[0]->type),
         lines = fv_is_line(x->type) || (a && a->kind == FV_TERM_LSE);
    if (same && !lines &&
        (fv_fits_shape(p, y->type, x->type, true, &axis) || fv_is_single(y->type)))
        return of_one(p, FV_TERM_SHIFTED, x, lifted(fv_term_reference(p, y), axis));
    if (same && fv_fits_shape(p, y->type, x->type, false, &axis))
        return fv_term_make(p, (fv_term){.kind = FV_TERM_APART,
                                         .r = fv_term_reference(p, x),
                                         .to = lifted(fv_term_reference(p, y), axis)});
    return fv_is_line(x->type) && fv_is_line(y->type) &&
                   (fv_broadcasts_to(p->module, x->type, y->type) ||
                    fv_broadcasts_to(p->module, y->type, x->type))
               ? fv_term_make(p, (fv_term){.kind = FV_TERM_APART,
                                           .r = broadcast_reference(p, x, y),
                                           .to = broadcast_reference(p, y, x)})
               : NULL;
}

const fv_term *fv_term_exp(fv_pieces *p, const fv_term *a) {
    if (a->kind == FV_TERM_SHIFTED) {
        fv_term weights = *a;
        weights.kind = FV_TERM_WEIGHTS;
        weights.scaled = true;
        return fv_term_make(p, weights);
    }
    if (a->kind == FV_TERM_APART && a->r.lse && !a->r.common)
        return fv_term_with(p, a->r.lse, FV_TERM_SUM, a->to);
    if (a->kind == FV_TERM_APART)
        return fv_term_make(p, (fv_term){.kind = FV_TERM_FACTOR, .r = a->r, .to = a->to});
    return a->kind == FV_TERM_LSE ? fv_term_with(p, a, FV_TERM_SUM, (fv_reference){0}) : NULL;
}

static const fv_term *of_exp(fv_pieces *p, const fv_op *op) {
    fv_value *x = op->in[0];
    const fv_term *a = fv_pieces_term(p, x),
                  *y = a && fv_is_plain_float(x->type->elem) ? fv_term_exp(p, a) : NULL;
    const fv_reference none = {0};
    if (y || !fv_is_plain_float(x->type->elem))
        return y;
    return (!a || a->kind == FV_TERM_STACK) && x->type->rank && !fv_is_line(x->type)
               ? of_one(p, FV_TERM_WEIGHTS, x, none)
               : NULL;
}

/* The axis of a softmax, log-softmax or Concat, not negative. */
int fv_softmax_axis(const fv_op *op) {
    int64_t axis = fv_op_int(op, "axis");
    return (int)(axis < 0 ? axis + op->out[0]->type->rank : axis);
}

/* The axis of the scores of the term's only piece that corresponds to `axis` of the term's value;
 * -1: there is none. The value must have the rows of the scores in their order. */
static int of_scores(const fv_pieces *p, const fv_term *t, const fv_type *value, int axis) {
    if (t->n != 1 || t->pieces->chunks || t->pieces->sink)
        return -1;
    const fv_type *s = t->pieces->scores->type;
    int rows =
            t->kind == FV_TERM_RESULT || t->kind == FV_TERM_WEIGHTS ? value->rank - 1 : value->rank,
        k = fv_next_axis(s, 0);
    if (axis >= rows || fv_dim_is_one(value->dims[axis]))
        return -1;
    for (int i = fv_next_axis(value, 0); i < axis; i = fv_next_axis(value, i + 1))
        k = fv_next_axis(s, k + 1);
    return k < s->rank - 1 && fv_module_equal(p->module, s->dims[k], value->dims[axis]) ? k : -1;
}

/* The term of the same piece, in which `axis` of the value becomes an axis of chunks of keys, with
 * reference r; NULL: that is impossible. */
static const fv_term *chunked(fv_pieces *p, const fv_term *t, const fv_type *value, int axis,
                              fv_term_kind kind, fv_reference r) {
    int of = of_scores(p, t, value, axis);
    if (of < 0)
        return NULL;
    fv_piece *piece = FV_NEW(p->arena, fv_piece, 1);
    *piece = *t->pieces;
    piece->chunks = 1 + of;
    return fv_term_make(p, (fv_term){.kind = kind, .r = r, .pieces = piece, .n = 1});
}

static const fv_term *of_softmax(fv_pieces *p, const fv_op *op) {
    fv_value *x = op->in[0];
    const fv_term *parts = fv_term_of(p, x, FV_TERM_LSE);
    if (parts) {
        const fv_term *all =
            chunked(p, parts, x->type, fv_softmax_axis(op), FV_TERM_LSE, (fv_reference){0});
        return all ? fv_term_with(p, parts, FV_TERM_SUM,
                                  lifted((fv_reference){.lse = all}, fv_softmax_axis(op)))
                   : NULL;
    }
    if (fv_softmax_axis(op) != x->type->rank - 1 || fv_is_line(x->type) ||
        !fv_is_plain_float(x->type->elem))
        return NULL;
    const fv_term *t = of_one(p, FV_TERM_WEIGHTS, x, (fv_reference){0});
    return fv_term_with(p, t, FV_TERM_WEIGHTS, lse_of(p, t));
}

bool fv_is_reduction(const fv_op *reduce, const char *name) {
    fv_string kind = fv_op_string(reduce, "kind");
    return kind.n == strlen(name) && !memcmp(kind.s, name, kind.n);
}

/* Does an fv.Reduce run over the whole last axis, one other axis, or both? Axes of dim 1 do not
 * count. *r becomes these axes. */
bool fv_reduces(const fv_pieces *p, const fv_op *op, fv_reduced *r) {
    const fv_type *t = op->in[0]->type, *y = op->out[0]->type;
    const fv_attr *extent = fv_op_find_attr(op, "extent");
    const fv_dim *dims[FV_MAX_RANK];
    const fv_type left = {.rank = t->rank, .dims = dims};
    *r = (fv_reduced){false, -1};
    if (!t->rank || extent->n != t->rank)
        return false;
    for (int i = 0; i < t->rank; i++) {
        const fv_dim *d = extent->u.dims[i];
        dims[i] = t->dims[i];
        if (fv_dim_is_one(d))
            continue;
        if (!fv_module_equal(p->module, d, t->dims[i]) || (i < t->rank - 1 && r->axis >= 0))
            return false;
        dims[i] = fv_dim_const(p->module->dims, 1);
        if (i == t->rank - 1)
            r->row = true;
        else
            r->axis = i;
    }
    return is_same_elements(p, &left, y);
}

/* The term for the sum of a term's value along an axis that is an axis of chunks. */
const fv_term *fv_term_over_chunks(fv_pieces *p, const fv_term *t, const fv_type *value, int axis) {
    bool sum = t->kind == FV_TERM_SUM || t->kind == FV_TERM_RESULT;
    return sum && is_common(t->r, axis) ? chunked(p, t, value, axis, t->kind, along(t->r)) : NULL;
}

static const fv_term *of_reduce(fv_pieces *p, const fv_op *op) {
    const fv_type *x = op->in[0]->type;
    const fv_term *a = fv_pieces_term(p, op->in[0]), *t;
    bool lse = fv_is_reduction(op, "ReduceLogSumExp");
    fv_reduced over;
    if (!fv_reduces(p, op, &over) || !fv_is_plain_float(x->elem) ||
        (!lse && !fv_is_reduction(op, "ReduceSum")))
        return NULL;
    bool rows = a && (a->kind == FV_TERM_SUM || a->kind == FV_TERM_LSE),
         result = a && a->kind == FV_TERM_RESULT;
    if (rows || result) { /* the last axis has dim 1, or is the axis of queries or features */
        int axis = over.row ? x->rank - 1 : over.axis;
        if (axis < 0 || (over.row && (result || over.axis >= 0)) || lse != (a->kind == FV_TERM_LSE))
            return NULL;
        return lse ? chunked(p, a, x, axis, FV_TERM_LSE, a->r) : fv_term_over_chunks(p, a, x, axis);
    }
    if (!over.row || fv_is_line(x))
        return NULL;
    t = lse                               ? of_one(p, FV_TERM_LSE, op->in[0], (fv_reference){0})
        : a && a->kind == FV_TERM_WEIGHTS ? fv_term_with(p, a, FV_TERM_SUM, a->r)
                                          : NULL;
    if (!t || over.axis < 0)
        return t;
    return lse ? chunked(p, t, x, over.axis, FV_TERM_LSE, t->r)
               : fv_term_over_chunks(p, t, x, over.axis);
}

static const fv_term *of_product(fv_pieces *p, const fv_op *op) {
    const fv_term *a = fv_term_of(p, op->in[0], FV_TERM_WEIGHTS);
    fv_value *v = op->in[1];
    if (!a || v->type->rank < 2 || op->out[0]->type->rank != op->in[0]->type->rank ||
        !fv_same_dims(p, op->out[0]->type, op->in[0]->type, op->in[0]->type->rank - 1))
        return NULL;
    fv_piece *piece = FV_NEW(p->arena, fv_piece, 1);
    *piece = (fv_piece){a->pieces->scores, v, v->type->elem};
    return fv_term_make(p, (fv_term){.kind = FV_TERM_RESULT, .r = a->r, .pieces = piece, .n = 1});
}

/* Can x, whose term is a, be scaled by y? y must be a single number, or have one number for each
 * row of the scores, and may be constant along one axis, *axis; -1: it is not. */
static bool scales(const fv_pieces *p, const fv_term *a, const fv_value *x, const fv_value *y,
                   int *axis) {
    bool rows =
        a->kind == FV_TERM_WEIGHTS || a->kind == FV_TERM_RESULT || a->kind == FV_TERM_BETWEEN;
    return fv_fits_shape(p, y->type, x->type, rows, axis) || (*axis = -1, fv_is_single(y->type));
}

/* The lse of a term as a reference that is constant along an axis. */
static fv_reference lse_along(fv_pieces *p, const fv_term *t, int axis) {
    return lifted(lse_of(p, t), axis);
}

static const fv_term *rescaled(fv_pieces *p, const fv_term *t, fv_reference r) {
    fv_term there = *t;
    there.r = r;
    there.scaled = true;
    return fv_term_make(p, there);
}

/* The term for a times a factor with one number for each row, or with the same number along an
 * axis; -1: there is no such axis. */
const fv_term *fv_term_scaled(fv_pieces *p, const fv_term *a, const fv_term *factor, int axis) {
    bool pieces = a->kind == FV_TERM_WEIGHTS || a->kind == FV_TERM_SUM || a->kind == FV_TERM_RESULT;
    fv_term there = *factor, *by = &there;
    if (axis >= 0 && (by->r.common || by->to.common))
        return NULL;
    by->r = lifted(by->r, axis);
    by->to = lifted(by->to, axis);
    /* the factor replaces the reference by->r by another one */
    if (by->kind == FV_TERM_FACTOR || by->kind == FV_TERM_INVERSE) {
        fv_reference to = by->kind == FV_TERM_FACTOR ? by->to : lse_along(p, by, axis);
        if (pieces && fv_same_reference(a->r, by->r))
            return rescaled(p, a, to);
        return a->kind == FV_TERM_FACTOR && fv_same_reference(a->to, by->r)
                   ? fv_term_make(p, (fv_term){.kind = FV_TERM_FACTOR, .r = a->r, .to = to})
                   : NULL;
    }
    /* exp(lse(P) - r) is sum(P, r) */
    if (by->kind == FV_TERM_SUM && pieces && a->r.lse && a->r.common == lifted(a->r, axis).common &&
        fv_same_pieces(a->r.lse, by))
        return rescaled(p, a, by->r);
    if (by->kind == FV_TERM_SUM && axis < 0 && a->kind == FV_TERM_BETWEEN && by->r.lse &&
        by->r.lse->n == a->a->n + a->b->n && has_all(by->r.lse, a->a) && has_all(by->r.lse, a->b) &&
        is_apart(a->a, a->b) && (fv_same_pieces(by, a->a) || fv_same_pieces(by, a->b)))
        return fv_term_make(p, (fv_term){.kind = FV_TERM_STEP,
                                         .r = by->r,
                                         .pieces = by->pieces,
                                         .n = by->n,
                                         .a = a->a,
                                         .b = a->b});
    return NULL;
}

static const fv_term *of_mul(fv_pieces *p, const fv_op *op) {
    const fv_term *t = NULL;
    int axis;
    for (int i = 0; i < 2 && !t; i++) {
        fv_value *x = op->in[i], *y = fv_unrepeated(p, op->in[1 - i]);
        const fv_term *a = operand(p, x), *b = operand(p, y);
        if (a && a->kind == FV_TERM_ZERO)
            return a;
        t = a && b && b->kind != FV_TERM_ZERO && scales(p, a, x, y, &axis) &&
                    fv_same_shape(p, x->type, op->out[0]->type)
                ? fv_term_scaled(p, a, b, axis)
                : NULL;
    }
    return t;
}

const fv_term *fv_term_inverse(fv_pieces *p, const fv_term *sum) {
    return fv_term_with(p, sum, FV_TERM_INVERSE, sum->r);
}

static const fv_term *of_div(fv_pieces *p, const fv_op *op) {
    fv_value *x = op->in[0], *y = fv_unrepeated(p, op->in[1]);
    const fv_term *a = operand(p, x), *b = fv_term_of(p, y, FV_TERM_SUM);
    if (b && holds(x, 1) && fv_same_shape(p, y->type, op->out[0]->type))
        return fv_term_inverse(p, b);
    int axis;
    return a && b && scales(p, a, x, y, &axis) && fv_same_shape(p, x->type, op->out[0]->type)
               ? fv_term_scaled(p, a, fv_term_inverse(p, b), axis)
               : NULL;
}

/* The term for r + log(sum(P, r)), which is lse(P). */
static const fv_term *shifted_back(fv_pieces *p, fv_value *r, fv_value *log) {
    const fv_term *t = fv_term_of(p, log, FV_TERM_LOG);
    return t && fv_same_reference(t->r, fv_term_reference(p, r))
               ? fv_term_with(p, t, FV_TERM_LSE, (fv_reference){0})
               : NULL;
}

/* The term for a + b, which must have the same shape. */
const fv_term *fv_term_sum(fv_pieces *p, const fv_term *a, const fv_term *b) {
    if (!a || !b)
        return NULL;
    if (a->kind == FV_TERM_ZERO || b->kind == FV_TERM_ZERO)
        return a->kind == FV_TERM_ZERO ? b : a;
    for (int i = 0; i < 2; i++) {
        const fv_term *t = i ? a : b, *step = i ? b : a;
        if (step->kind == FV_TERM_STEP && t->kind == FV_TERM_RESULT && over_itself(t) &&
            same_results(t, step->b) && has_all(step->a, step))
            /* b + (a - b) * (share of a) is the result of both */
            return fv_term_both(p, step->b, step->a, FV_TERM_RESULT, step->r);
    }
    bool alike = a->kind == b->kind && (a->kind == FV_TERM_SUM || a->kind == FV_TERM_RESULT) &&
                 fv_same_reference(a->r, b->r);
    return alike ? fv_term_both(p, a, b, a->kind, a->r) : NULL;
}

static const fv_term *of_sum(fv_pieces *p, const fv_op *op) {
    const fv_term *t = operand(p, op->in[0]);
    for (int i = 0; op->nin == 2 && i < 2; i++) {
        const fv_type *rows = op->out[0]->type;
        const fv_term *sunk =
            fv_same_shape(p, op->in[i]->type, rows) && fv_is_plain_float(rows->elem)
                ? with_sink(p, fv_pieces_term(p, op->in[i]), op->in[1 - i], rows)
                : NULL;
        if (sunk)
            return sunk;
    }
    for (int i = 0; i < op->nin; i++)
        if (!fv_same_shape(p, op->in[i]->type, op->out[0]->type) ||
            !fv_is_plain_float(op->in[i]->type->elem))
            return NULL;
    if (op->nin == 2) {
        const fv_term *lse = shifted_back(p, op->in[0], op->in[1]);
        lse = lse ? lse : shifted_back(p, op->in[1], op->in[0]);
        if (lse)
            return lse;
    }
    for (int i = 1; i < op->nin && t; i++)
        t = fv_term_sum(p, t, operand(p, op->in[i]));
    return t;
}

const fv_term *fv_term_log(fv_pieces *p, const fv_term *a) {
    return fv_term_with(p, a, fv_is_zero_reference(a->r) ? FV_TERM_LSE : FV_TERM_LOG, a->r);
}

static const fv_term *of_log(fv_pieces *p, const fv_op *op) {
    const fv_term *a = fv_term_of(p, op->in[0], FV_TERM_SUM);
    return a ? fv_term_log(p, a) : NULL;
}

/* sigmoid(lse(P) - lse(Q)) is the share of P in both; softplus of the difference is lse of both
 * minus lse(Q). P or Q may be a sink, whose lse is its logit. */
static const fv_term *of_two(fv_pieces *p, const fv_op *op) {
    const fv_term *a = fv_term_of(p, op->in[0], FV_TERM_APART);
    if (!a || (!a->r.lse && !a->to.lse))
        return NULL;
    const fv_type *rows = op->out[0]->type;
    const fv_term *one = a->r.lse ? a->r.lse : sink_of(p, a->r, rows),
                  *other = a->to.lse ? a->to.lse : sink_of(p, a->to, rows);
    const fv_term *all =
        one && other ? fv_term_both(p, one, other, FV_TERM_LSE, (fv_reference){0}) : NULL;
    if (!all)
        return NULL;
    if (fv_op_is(op, FV_OP_Sigmoid))
        return fv_term_with(p, one, FV_TERM_SUM, (fv_reference){.lse = all});
    return fv_term_with(p, all, FV_TERM_LOG, a->to);
}

bool fv_is_row_kind(const fv_term *t) {
    return t->kind == FV_TERM_SUM || t->kind == FV_TERM_INVERSE || t->kind == FV_TERM_LOG ||
           t->kind == FV_TERM_LSE || t->kind == FV_TERM_APART || t->kind == FV_TERM_FACTOR ||
           t->kind == FV_TERM_VALUE;
}

bool fv_is_last_kept(const fv_pieces *p, const fv_type *x, const fv_type *y) {
    return x->rank && y->rank &&
           fv_module_equal(p->module, x->dims[x->rank - 1], y->dims[y->rank - 1]);
}

/* The term t after a view that adds or removes axes of dim 1. */
static const fv_term *squeezed(fv_pieces *p, const fv_term *t, const fv_type *x, const fv_type *y) {
    int common = t->r.common ? t->r.common : t->to.common, axis = common - 1;
    if (!fv_is_row_kind(t) && !(t->kind == FV_TERM_RESULT && fv_is_last_kept(p, x, y)))
        return NULL;
    if (!fv_is_squeeze(p->module, x, y, &axis) ||
        (common && (axis < 0 || (t->r.common && t->to.common && t->r.common != t->to.common))))
        return NULL;
    fv_term there = *t;
    there.r.common = t->r.common ? 1 + axis : 0;
    there.to.common = t->to.common ? 1 + axis : 0;
    return common ? fv_term_make(p, there) : t;
}

static const fv_term *of_view(fv_pieces *p, const fv_op *op) {
    fv_value *x = op->in[0], *y = op->out[0];
    const fv_term *a = operand(p, x);
    if (!a)
        return NULL;
    if (fv_op_is(op, FV_OP_Cast))
        return fv_is_plain_float(x->type->elem) && fv_is_plain_float(y->type->elem) ? a : NULL;
    if (a->kind == FV_TERM_ZERO || fv_op_is(op, FV_OP_Identity) ||
        fv_same_shape(p, x->type, y->type))
        return a;
    return fv_op_is(op, FV_OP_fv_Reshape) ? squeezed(p, a, x->type, y->type) : NULL;
}

const fv_term *fv_term_of_op(fv_pieces *p, const fv_op *op) {
    if (fv_op_is(op, FV_OP_Sub))
        return of_sub(p, op);
    if (fv_op_is(op, FV_OP_Neg))
        return of_neg(p, op);
    if (fv_op_is(op, FV_OP_Exp))
        return of_exp(p, op);
    if (fv_op_is(op, FV_OP_Softmax))
        return of_softmax(p, op);
    if (fv_op_is(op, FV_OP_fv_Reduce))
        return of_reduce(p, op);
    if (fv_op_is(op, FV_OP_fv_MatMul))
        return of_product(p, op);
    if (fv_op_is(op, FV_OP_Mul))
        return of_mul(p, op);
    if (fv_op_is(op, FV_OP_Div))
        return of_div(p, op);
    if (fv_op_is(op, FV_OP_Reciprocal))
        return fv_term_of(p, op->in[0], FV_TERM_SUM)
                   ? fv_term_inverse(p, fv_pieces_term(p, op->in[0]))
                   : NULL;
    if (fv_op_is(op, FV_OP_Add) || fv_op_is(op, FV_OP_Sum))
        return of_sum(p, op);
    if (fv_op_is(op, FV_OP_Log))
        return of_log(p, op);
    if (fv_op_is(op, FV_OP_Sigmoid) || fv_op_is(op, FV_OP_Softplus))
        return of_two(p, op);
    if (fv_op_is(op, FV_OP_Cast) || fv_op_is(op, FV_OP_Identity) ||
        fv_op_is(op, FV_OP_fv_Reshape) || fv_op_is(op, FV_OP_fv_Expand))
        return of_view(p, op);
    return NULL;
}

const fv_type *fv_rows_of(const fv_pieces *p, const fv_term *t) {
    const fv_type *s = t->pieces->scores->type;
    const fv_dim *dims[FV_MAX_RANK], *one = fv_dim_const(p->module->dims, 1);
    for (int i = 0; i < s->rank; i++)
        dims[i] = i == s->rank - 1 || i == t->pieces->chunks - 1 ? one : s->dims[i];
    return fv_tensor_type(p->arena, s->elem, s->rank, dims);
}
