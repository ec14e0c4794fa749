/* pieces.c - the arithmetic of pieces.h: one op makes one term of those of its operands. */
#include "passes/attention/pieces.h"

#include <string.h>

#include "ir/catalogue/op.h"

static const fv_op *maker(const fv_value *v, fv_op_id id) {
    return v && v->kind == FV_VALUE_RESULT && fv_op_is(v->def, id) ? v->def : NULL;
}

/* ---- sets of pieces, and references ---- */

static bool has(const fv_term *t, const fv_piece *p) {
    for (int i = 0; i < t->n; i++)
        if (t->pieces[i].scores == p->scores)
            return true;
    return false;
}

static bool has_all(const fv_term *t, const fv_term *of) {
    for (int i = 0; i < of->n; i++)
        if (!has(t, &of->pieces[i]))
            return false;
    return true;
}

/* No piece stands twice in a term. */
static bool same_pieces(const fv_term *a, const fv_term *b) { return a->n == b->n && has_all(a, b); }

/* The same values with them, too? */
static bool same_results(const fv_term *a, const fv_term *b) {
    for (int i = 0; i < a->n; i++) {
        bool found = false;
        for (int k = 0; k < b->n && !found; k++)
            found = a->pieces[i].scores == b->pieces[k].scores && a->pieces[i].values == b->pieces[k].values;
        if (!found)
            return false;
    }
    return a->n == b->n;
}

static bool is_apart(const fv_term *a, const fv_term *b) {
    for (int i = 0; i < b->n; i++)
        if (has(a, &b->pieces[i]))
            return false;
    return true;
}

static bool same_reference(fv_reference a, fv_reference b) {
    return a.value == b.value && !a.lse == !b.lse && (!a.lse || same_pieces(a.lse, b.lse));
}

static bool is_zero(fv_reference r) { return !r.value && !r.lse; }

static bool over_itself(const fv_term *t) { return t->r.lse && same_pieces(t->r.lse, t); }

bool fv_is_whole(const fv_term *t) { return t && t->kind == FV_TERM_RESULT && t->n > 1 && over_itself(t); }

static const fv_term *make(fv_pieces *p, fv_term t) {
    fv_term *made = FV_NEW(p->arena, fv_term, 1);
    *made = t;
    return made;
}

static const fv_term *of_one(fv_pieces *p, fv_term_kind kind, fv_value *scores, fv_reference r) {
    fv_piece *piece = FV_NEW(p->arena, fv_piece, 1);
    *piece = (fv_piece){.scores = scores};
    return make(p, (fv_term){.kind = kind, .r = r, .pieces = piece, .n = 1});
}

static const fv_term *with(fv_pieces *p, const fv_term *t, fv_term_kind kind, fv_reference r) {
    return make(p, (fv_term){.kind = kind, .r = r, .pieces = t->pieces, .n = t->n});
}

static fv_reference lse_of(fv_pieces *p, const fv_term *t) {
    return (fv_reference){.lse = with(p, t, FV_TERM_LSE, (fv_reference){0})};
}

/* Those of both, none of which they share. */
static const fv_term *both(fv_pieces *p, const fv_term *a, const fv_term *b, fv_term_kind kind, fv_reference r) {
    if (a->n + b->n > FV_MAX_PIECES || !is_apart(a, b))
        return NULL;
    fv_piece *list = FV_NEW(p->arena, fv_piece, a->n + b->n);
    memcpy(list, a->pieces, sizeof *list * (size_t)a->n);
    memcpy(list + a->n, b->pieces, sizeof *list * (size_t)b->n);
    return make(p, (fv_term){.kind = kind, .r = r, .pieces = list, .n = a->n + b->n});
}

/* ---- shapes ---- */

static bool is_plain(fv_elem e) { return fv_elem_is_float(e) && fv_elem_bits(e) >= 16; }

static bool same_dims(const fv_pieces *p, const fv_type *a, const fv_type *b, int n) {
    for (int i = 0; i < n; i++)
        if (!fv_module_equal(p->module, a->dims[i], b->dims[i]))
            return false;
    return true;
}

static bool same_shape(const fv_pieces *p, const fv_type *a, const fv_type *b) {
    return a->rank == b->rank && same_dims(p, a, b, a->rank);
}

static bool is_line(const fv_type *t) { return t->rank > 0 && fv_dim_is_one(t->dims[t->rank - 1]); }

static bool is_single(const fv_type *t) {
    for (int i = 0; i < t->rank; i++)
        if (!fv_dim_is_one(t->dims[i]))
            return false;
    return true;
}

/* Does v have a number for each row of `rows`, next to which it stands in its last axis? */
static bool is_of_rows(const fv_pieces *p, const fv_value *v, const fv_type *rows) {
    return is_line(v->type) && v->type->rank == rows->rank && same_dims(p, v->type, rows, rows->rank - 1);
}

/* v, or what its one number for each row is repeated from along the last axis. */
static fv_value *unrepeated(const fv_pieces *p, fv_value *v) {
    const fv_op *op = maker(v, FV_OP_fv_Expand);
    return op && is_of_rows(p, op->in[0], v->type) ? op->in[0] : v;
}

/* Does a view of rows do no more than give them an axis of 1 at the end, or take that? */
static bool is_trailing(const fv_pieces *p, const fv_type *a, const fv_type *b) {
    const fv_type *more = a->rank > b->rank ? a : b, *fewer = a->rank > b->rank ? b : a;
    return same_shape(p, a, b) || (more->rank == fewer->rank + 1 && is_line(more) && same_dims(p, a, b, fewer->rank));
}

/* What v has the elements of, in their order: v itself, at the end. */
static fv_value *unviewed(const fv_pieces *p, fv_value *v) {
    for (;;) {
        const fv_op *op = maker(v, FV_OP_fv_Reshape);
        op = op && is_trailing(p, op->in[0]->type, v->type) ? op : maker(v, FV_OP_Identity);
        if (!op && (op = maker(v, FV_OP_Cast)) && (!is_plain(v->type->elem) || !is_plain(op->in[0]->type->elem)))
            op = NULL;
        if (!op)
            return v;
        v = op->in[0];
    }
}

const fv_term *fv_pieces_term(const fv_pieces *p, const fv_value *v) { return fv_ptrmap_get(&p->terms, v); }

static const fv_term *term_of(const fv_pieces *p, const fv_value *v, fv_term_kind kind) {
    const fv_term *t = fv_pieces_term(p, v);
    return t && t->kind == kind ? t : NULL;
}

static fv_reference reference(const fv_pieces *p, fv_value *v) {
    fv_value *of = unviewed(p, v);
    const fv_term *t = term_of(p, of, FV_TERM_LSE);
    return t ? (fv_reference){.lse = t} : (fv_reference){.value = of};
}

static bool holds(const fv_value *v, double x) {
    const fv_tensor *t = v->kind == FV_VALUE_CONST && fv_elem_is_float(v->type->elem) ? v->tensor : NULL;
    for (size_t i = 0; t && i < t->count; i++)
        if (fv_tensor_float(t, i) != x)
            return false;
    return t && t->count;
}

static const fv_term *zero(fv_pieces *p) { return make(p, (fv_term){.kind = FV_TERM_ZERO}); }

static const fv_term *operand(fv_pieces *p, const fv_value *v) {
    const fv_term *t = fv_pieces_term(p, v);
    return !t && holds(v, 0) ? zero(p) : t;
}

/* ---- one op ---- */

/* 1 - sum(P, lse(Q)): the share of those of Q that are not in P. */
static const fv_term *others(fv_pieces *p, const fv_term *t) {
    fv_piece *rest = FV_NEW(p->arena, fv_piece, t->r.lse->n);
    int n = 0;
    for (int i = 0; i < t->r.lse->n; i++)
        if (!has(t, &t->r.lse->pieces[i]))
            rest[n++] = t->r.lse->pieces[i];
    return n ? make(p, (fv_term){.kind = FV_TERM_SUM, .r = t->r, .pieces = rest, .n = n}) : NULL;
}

static const fv_term *of_sub(fv_pieces *p, const fv_op *op) {
    fv_value *x = op->in[0], *y = unrepeated(p, op->in[1]);
    const fv_term *a = fv_pieces_term(p, x), *b = fv_pieces_term(p, y);
    if (!is_plain(x->type->elem))
        return NULL;
    if (b && b->kind == FV_TERM_STEP && a && a->kind == FV_TERM_RESULT && same_results(a, b->a) && over_itself(a) && has_all(b->b, b))
        return both(p, b->a, b->b, FV_TERM_RESULT, b->r); /* a - (a - b) * share of b */
    if (a && b && a->kind == FV_TERM_RESULT && b->kind == FV_TERM_RESULT && over_itself(a) && over_itself(b) && same_shape(p, x->type, y->type))
        return make(p, (fv_term){.kind = FV_TERM_BETWEEN, .a = a, .b = b});
    if (b && b->kind == FV_TERM_SUM && b->r.lse && has_all(b->r.lse, b) && holds(x, 1) && same_shape(p, y->type, op->out[0]->type))
        return others(p, b);
    if (a && b && a->kind == FV_TERM_LSE && b->kind == FV_TERM_LOG && b->r.lse && same_pieces(a, b) && same_shape(p, x->type, y->type))
        return with(p, b->r.lse, FV_TERM_LSE, (fv_reference){0}); /* log(sum(P, lse(Q))) = lse(P) - lse(Q) */
    if (same_shape(p, x->type, y->type) || is_single(x->type) || (is_line(x->type) && is_single(y->type)))
        return make(p, (fv_term){.kind = FV_TERM_APART, .r = reference(p, x), .to = reference(p, y)});
    if (is_line(x->type) || !x->type->rank || !(is_of_rows(p, y, x->type) || is_single(y->type)) || !same_shape(p, x->type, op->out[0]->type))
        return NULL;
    return of_one(p, FV_TERM_SHIFTED, x, reference(p, y));
}

static const fv_term *of_exp(fv_pieces *p, const fv_op *op) {
    fv_value *x = op->in[0];
    const fv_term *a = fv_pieces_term(p, x);
    const fv_reference none = {0};
    if (!is_plain(x->type->elem))
        return NULL;
    if (a && a->kind == FV_TERM_SHIFTED)
        return with(p, a, FV_TERM_WEIGHTS, a->r);
    if (a && a->kind == FV_TERM_APART)
        return a->r.lse ? with(p, a->r.lse, FV_TERM_SUM, a->to) : make(p, (fv_term){.kind = FV_TERM_FACTOR, .r = a->r, .to = a->to});
    if (a && a->kind == FV_TERM_LSE)
        return with(p, a, FV_TERM_SUM, none);
    return !a && x->type->rank && !is_line(x->type) ? of_one(p, FV_TERM_WEIGHTS, x, none) : NULL;
}

static bool is_last_axis(const fv_op *op) {
    int rank = op->out[0]->type->rank;
    int64_t axis = fv_op_int(op, "axis");
    return rank && (axis == -1 || axis == rank - 1);
}

static const fv_term *of_softmax(fv_pieces *p, const fv_op *op) {
    fv_value *x = op->in[0];
    if (!is_last_axis(op) || is_line(x->type) || !is_plain(x->type->elem))
        return NULL;
    const fv_term *t = of_one(p, FV_TERM_WEIGHTS, x, (fv_reference){0});
    return with(p, t, FV_TERM_WEIGHTS, lse_of(p, t));
}

static bool is_kind(const fv_op *reduce, const char *name) {
    fv_string kind = fv_op_string(reduce, "kind");
    return kind.n == strlen(name) && !memcmp(kind.s, name, kind.n);
}

/* Over the last axis, all of it, and no other? */
static bool reduces_rows(const fv_pieces *p, const fv_op *op) {
    const fv_type *t = op->in[0]->type, *y = op->out[0]->type;
    const fv_attr *extent = fv_op_find_attr(op, "extent");
    if (!t->rank || extent->n != t->rank || !fv_module_equal(p->module, extent->u.dims[t->rank - 1], t->dims[t->rank - 1]))
        return false;
    for (int i = 0; i < t->rank - 1; i++)
        if (!fv_dim_is_one(extent->u.dims[i]))
            return false;
    return (y->rank == t->rank - 1 || (y->rank == t->rank && is_line(y))) && same_dims(p, t, y, t->rank - 1);
}

static const fv_term *of_reduce(fv_pieces *p, const fv_op *op) {
    const fv_term *a = term_of(p, op->in[0], FV_TERM_WEIGHTS);
    if (!reduces_rows(p, op) || is_line(op->in[0]->type) || !is_plain(op->in[0]->type->elem))
        return NULL;
    if (is_kind(op, "ReduceLogSumExp"))
        return of_one(p, FV_TERM_LSE, op->in[0], (fv_reference){0});
    return a && is_kind(op, "ReduceSum") ? with(p, a, FV_TERM_SUM, a->r) : NULL;
}

static const fv_term *of_product(fv_pieces *p, const fv_op *op) {
    const fv_term *a = term_of(p, op->in[0], FV_TERM_WEIGHTS);
    fv_value *v = op->in[1];
    if (!a || v->type->rank < 2 || op->out[0]->type->rank != op->in[0]->type->rank ||
        !same_dims(p, op->out[0]->type, op->in[0]->type, op->in[0]->type->rank - 1))
        return NULL;
    fv_piece *piece = FV_NEW(p->arena, fv_piece, 1);
    *piece = (fv_piece){a->pieces->scores, v, v->type->elem};
    return make(p, (fv_term){.kind = FV_TERM_RESULT, .r = a->r, .pieces = piece, .n = 1});
}

/* Is y a number for each row of x, or of the same rows? */
static bool scales(const fv_pieces *p, const fv_term *a, const fv_value *x, const fv_value *y) {
    bool rows = a->kind == FV_TERM_WEIGHTS || a->kind == FV_TERM_RESULT || a->kind == FV_TERM_BETWEEN;
    return is_single(y->type) || (rows ? is_of_rows(p, y, x->type) : same_shape(p, x->type, y->type));
}

/* a, times what has a number for each row. */
static const fv_term *scaled(fv_pieces *p, const fv_term *a, const fv_term *by) {
    bool pieces = a->kind == FV_TERM_WEIGHTS || a->kind == FV_TERM_SUM || a->kind == FV_TERM_RESULT;
    if (by->kind == FV_TERM_FACTOR && pieces && same_reference(a->r, by->r))
        return with(p, a, a->kind, by->to);
    if (by->kind == FV_TERM_FACTOR && a->kind == FV_TERM_FACTOR && same_reference(a->to, by->r))
        return make(p, (fv_term){.kind = FV_TERM_FACTOR, .r = a->r, .to = by->to});
    if (by->kind == FV_TERM_INVERSE && pieces && same_reference(a->r, by->r))
        return with(p, a, a->kind, lse_of(p, by));
    if (by->kind == FV_TERM_INVERSE && a->kind == FV_TERM_FACTOR && same_reference(a->to, by->r))
        return make(p, (fv_term){.kind = FV_TERM_FACTOR, .r = a->r, .to = lse_of(p, by)});
    if (by->kind == FV_TERM_SUM && pieces && a->r.lse && same_pieces(a->r.lse, by)) /* exp(lse(P) - r) */
        return with(p, a, a->kind, by->r);
    if (by->kind == FV_TERM_SUM && a->kind == FV_TERM_BETWEEN && by->r.lse && by->r.lse->n == a->a->n + a->b->n &&
        has_all(by->r.lse, a->a) && has_all(by->r.lse, a->b) && is_apart(a->a, a->b) && (same_pieces(by, a->a) || same_pieces(by, a->b)))
        return make(p, (fv_term){.kind = FV_TERM_STEP, .r = by->r, .pieces = by->pieces, .n = by->n, .a = a->a, .b = a->b});
    return NULL;
}

static const fv_term *of_mul(fv_pieces *p, const fv_op *op) {
    const fv_term *t = NULL;
    for (int i = 0; i < 2 && !t; i++) {
        fv_value *x = op->in[i], *y = unrepeated(p, op->in[1 - i]);
        const fv_term *a = operand(p, x), *b = operand(p, y);
        if (a && a->kind == FV_TERM_ZERO)
            return a;
        t = a && b && b->kind != FV_TERM_ZERO && scales(p, a, x, y) && same_shape(p, x->type, op->out[0]->type) ? scaled(p, a, b) : NULL;
    }
    return t;
}

static const fv_term *inverse(fv_pieces *p, const fv_term *sum) { return with(p, sum, FV_TERM_INVERSE, sum->r); }

static const fv_term *of_div(fv_pieces *p, const fv_op *op) {
    fv_value *x = op->in[0], *y = unrepeated(p, op->in[1]);
    const fv_term *a = operand(p, x), *b = term_of(p, y, FV_TERM_SUM);
    if (b && holds(x, 1) && same_shape(p, y->type, op->out[0]->type))
        return inverse(p, b);
    return a && b && scales(p, a, x, y) && same_shape(p, x->type, op->out[0]->type) ? scaled(p, a, inverse(p, b)) : NULL;
}

/* r + log(sum(P, r)) */
static const fv_term *shifted_back(fv_pieces *p, fv_value *r, fv_value *log) {
    const fv_term *t = term_of(p, log, FV_TERM_LOG);
    return t && same_reference(t->r, reference(p, r)) ? with(p, t, FV_TERM_LSE, (fv_reference){0}) : NULL;
}

/* a + b, of the same shape. */
static const fv_term *sum_of(fv_pieces *p, const fv_term *a, const fv_term *b) {
    if (!a || !b)
        return NULL;
    if (a->kind == FV_TERM_ZERO || b->kind == FV_TERM_ZERO)
        return a->kind == FV_TERM_ZERO ? b : a;
    for (int i = 0; i < 2; i++) {
        const fv_term *t = i ? a : b, *step = i ? b : a;
        if (step->kind == FV_TERM_STEP && t->kind == FV_TERM_RESULT && over_itself(t) && same_results(t, step->b) && has_all(step->a, step))
            return both(p, step->b, step->a, FV_TERM_RESULT, step->r); /* b + (a - b) * share of a */
    }
    bool alike = a->kind == b->kind && (a->kind == FV_TERM_SUM || a->kind == FV_TERM_RESULT) && same_reference(a->r, b->r);
    return alike ? both(p, a, b, a->kind, a->r) : NULL;
}

static const fv_term *of_sum(fv_pieces *p, const fv_op *op) {
    const fv_term *t = operand(p, op->in[0]);
    for (int i = 0; i < op->nin; i++)
        if (!same_shape(p, op->in[i]->type, op->out[0]->type) || !is_plain(op->in[i]->type->elem))
            return NULL;
    if (op->nin == 2) {
        const fv_term *lse = shifted_back(p, op->in[0], op->in[1]);
        lse = lse ? lse : shifted_back(p, op->in[1], op->in[0]);
        if (lse)
            return lse;
    }
    for (int i = 1; i < op->nin && t; i++)
        t = sum_of(p, t, operand(p, op->in[i]));
    return t;
}

static const fv_term *of_log(fv_pieces *p, const fv_op *op) {
    const fv_term *a = term_of(p, op->in[0], FV_TERM_SUM);
    return !a ? NULL : is_zero(a->r) ? with(p, a, FV_TERM_LSE, a->r) : with(p, a, FV_TERM_LOG, a->r);
}

/* sigmoid(lse(P) - lse(Q)) is the share of P in both; softplus of that is lse of both, less lse(Q). */
static const fv_term *of_two(fv_pieces *p, const fv_op *op) {
    const fv_term *a = term_of(p, op->in[0], FV_TERM_APART);
    const fv_term *all = a && a->r.lse && a->to.lse ? both(p, a->r.lse, a->to.lse, FV_TERM_LSE, (fv_reference){0}) : NULL;
    if (!all)
        return NULL;
    if (fv_op_is(op, FV_OP_Sigmoid))
        return with(p, a->r.lse, FV_TERM_SUM, (fv_reference){.lse = all});
    return with(p, all, FV_TERM_LOG, a->to);
}

/* A column of softmax(Concat(lse(P), lse(Q), ..)) is the share of one of them in all. */
static const fv_term *of_slice(fv_pieces *p, const fv_op *op) {
    const fv_op *softmax = maker(op->in[0], FV_OP_Softmax), *list = softmax ? maker(softmax->in[0], FV_OP_Concat) : NULL;
    const fv_type *t = op->out[0]->type;
    if (!list || !is_last_axis(softmax) || !is_last_axis(list) || !is_of_rows(p, op->out[0], op->in[0]->type))
        return NULL;
    const fv_dim *start = fv_op_find_attr(op, "start")->u.dims[t->rank - 1], *const *step = fv_op_find_attr(op, "step")->u.dims;
    for (int i = 0; i < t->rank; i++)
        if (!fv_dim_is_one(step[i]))
            return NULL;
    const fv_term *all = NULL;
    for (int i = 0; i < list->nin; i++) {
        const fv_term *one = term_of(p, list->in[i], FV_TERM_LSE);
        if (!one || !is_line(list->in[i]->type))
            return NULL;
        all = i ? both(p, all, one, FV_TERM_LSE, (fv_reference){0}) : one;
        if (!all)
            return NULL;
    }
    if (!fv_dim_is_const(start) || start->value < 0 || start->value >= list->nin)
        return NULL;
    return with(p, fv_pieces_term(p, list->in[start->value]), FV_TERM_SUM, (fv_reference){.lse = all});
}

static const fv_term *of_view(fv_pieces *p, const fv_op *op) {
    fv_value *x = op->in[0], *y = op->out[0];
    const fv_term *a = operand(p, x);
    if (!a)
        return NULL;
    if (fv_op_is(op, FV_OP_Cast))
        return is_plain(x->type->elem) && is_plain(y->type->elem) ? a : NULL;
    if (a->kind == FV_TERM_ZERO || fv_op_is(op, FV_OP_Identity) || same_shape(p, x->type, y->type))
        return a;
    bool rows = a->kind == FV_TERM_SUM || a->kind == FV_TERM_INVERSE || a->kind == FV_TERM_LOG || a->kind == FV_TERM_LSE ||
                a->kind == FV_TERM_APART || a->kind == FV_TERM_FACTOR;
    return rows && fv_op_is(op, FV_OP_fv_Reshape) && is_trailing(p, x->type, y->type) ? a : NULL;
}

static const fv_term *of_op(fv_pieces *p, const fv_op *op) {
    if (fv_op_is(op, FV_OP_Sub))
        return of_sub(p, op);
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
        return term_of(p, op->in[0], FV_TERM_SUM) ? inverse(p, fv_pieces_term(p, op->in[0])) : NULL;
    if (fv_op_is(op, FV_OP_Add) || fv_op_is(op, FV_OP_Sum))
        return of_sum(p, op);
    if (fv_op_is(op, FV_OP_Log))
        return of_log(p, op);
    if (fv_op_is(op, FV_OP_Sigmoid) || fv_op_is(op, FV_OP_Softplus))
        return of_two(p, op);
    if (fv_op_is(op, FV_OP_fv_Slice))
        return of_slice(p, op);
    if (fv_op_is(op, FV_OP_Cast) || fv_op_is(op, FV_OP_Identity) || fv_op_is(op, FV_OP_fv_Reshape) || fv_op_is(op, FV_OP_fv_Expand))
        return of_view(p, op);
    return NULL;
}

void fv_pieces_find(fv_pieces *p, const fv_region *block) {
    p->terms = fv_ptrmap_in(p->arena);
    for (const fv_op *op = block->first; op; op = op->next) {
        const fv_term *t = op->nout == 1 && op->out[0] ? of_op(p, op) : NULL;
        if (t)
            *fv_ptrmap_at(&p->terms, op->out[0]) = (void *)t;
    }
}
