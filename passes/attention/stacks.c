/* stacks.c - stacks of terms along an axis, and sums along that axis. A Concat of results for each
 * piece makes a stack; keys in chunks are treated like a stack if a transpose makes the axis of
 * chunks the one over which a product sums. An operation on a stack is an operation on each of its
 * terms. */
#include <string.h>

#include "ir/base/limits.h"
#include "ir/catalogue/op.h"
#include "passes/attention/along.h"
#include "passes/attention/terms.h"

static const fv_term *stack(fv_pieces *p, int axis, int n, const fv_term *const *lanes) {
    for (int i = 0; i < n; i++)
        if (!lanes[i])
            return NULL;
    return fv_term_make(p, (fv_term){.kind = FV_TERM_STACK, .stack = lanes, .n = n, .axis = axis});
}

static const fv_term *of_concat(fv_pieces *p, const fv_op *op) {
    int axis = fv_softmax_axis(op);
    if (op->nin < 2 || op->nin > FV_MAX_PIECES || !fv_is_plain_float(op->out[0]->type->elem))
        return NULL;
    const fv_term **lanes = FV_NEW(p->arena, const fv_term *, op->nin);
    for (int i = 0; i < op->nin; i++) {
        const fv_term *t = fv_pieces_term(p, op->in[i]);
        bool known =
            t && t->kind != FV_TERM_STACK && (fv_is_row_kind(t) || t->kind == FV_TERM_RESULT);
        if (!fv_dim_is_one(op->in[i]->type->dims[axis]) || (known && (t->r.common || t->to.common)))
            return NULL;
        lanes[i] = known ? t
                         : fv_term_make(p, (fv_term){.kind = FV_TERM_VALUE,
                                                     .r = fv_term_reference(p, op->in[i])});
    }
    return stack(p, axis, op->nin, lanes);
}

/* The second operand of an op whose first operand is a stack: a stack along the same axis, or a
 * value that is constant along that axis. */
typedef struct second_operand {
    const fv_term *stack; /* the stack; NULL: the operand is not a stack, but `value` */
    const fv_term *term;  /* the term of `value`; NULL if it has none */
    fv_value *value;
} second_operand;

static bool fits_stack(const fv_pieces *p, const fv_op *op, const fv_term *s, fv_value *x,
                       fv_value *v, second_operand *b) {
    int axis;
    bool rows = s->stack[0]->kind == FV_TERM_RESULT;
    v = fv_unrepeated(p, v);
    *b = (second_operand){fv_term_of(p, v, FV_TERM_STACK), fv_pieces_term(p, v), v};
    if (!fv_same_shape(p, x->type, op->out[0]->type))
        return false;
    if (!b->stack && fv_is_single(v->type))
        return true;
    if (!fv_fits_shape(p, v->type, x->type,
                       rows && (!b->stack || b->stack->stack[0]->kind != FV_TERM_RESULT), &axis))
        return false;
    return b->stack ? axis < 0 && b->stack->axis == s->axis && b->stack->n == s->n
                    : axis == s->axis;
}

static const fv_term *side_term(const second_operand *b, int i) {
    return b->stack ? b->stack->stack[i] : b->term;
}

/* Makes *r the reference that a member of a stack stands for; false: it is neither a reference nor
 * an lse. */
static bool refers(const fv_term *t, fv_reference *r) {
    *r = t->kind == FV_TERM_VALUE ? t->r : (fv_reference){.lse = t};
    return t->kind == FV_TERM_VALUE || t->kind == FV_TERM_LSE;
}

static bool side_refers(const fv_pieces *p, const second_operand *b, int i, fv_reference *r) {
    if (b->stack)
        return refers(b->stack->stack[i], r);
    *r = fv_term_reference(p, b->value);
    return true;
}

static const fv_term *difference(fv_pieces *p, const fv_term *a, const second_operand *b, int i) {
    const fv_term *t = side_term(b, i);
    fv_reference r, to;
    if (t && a->kind == FV_TERM_LSE && t->kind == FV_TERM_LOG && t->r.lse && fv_same_pieces(a, t))
        return fv_term_with(p, t->r.lse, FV_TERM_LSE, (fv_reference){0});
    return refers(a, &r) && side_refers(p, b, i, &to)
               ? fv_term_make(p, (fv_term){.kind = FV_TERM_APART, .r = r, .to = to})
               : NULL;
}

static const fv_term *total(fv_pieces *p, const fv_term *a, const second_operand *b, int i) {
    const fv_term *t = b->stack ? b->stack->stack[i] : NULL;
    if (!t)
        return NULL;
    for (int k = 0; k < 2; k++) {
        const fv_term *log = k ? a : t;
        fv_reference r;
        if (log->kind == FV_TERM_LOG && refers(k ? t : a, &r) && fv_same_reference(log->r, r))
            return fv_term_with(p, log, FV_TERM_LSE, (fv_reference){0});
    }
    return fv_term_sum(p, a, t);
}

static const fv_term *of_two_lanes(fv_pieces *p, const fv_op *op, const fv_term *a,
                                   const second_operand *b, int i) {
    const fv_term *t = side_term(b, i);
    if (fv_op_is(op, FV_OP_Sub))
        return difference(p, a, b, i);
    if (fv_op_is(op, FV_OP_Add) || fv_op_is(op, FV_OP_Sum))
        return total(p, a, b, i);
    if (fv_op_is(op, FV_OP_Div))
        return t && t->kind == FV_TERM_SUM ? fv_term_scaled(p, a, fv_term_inverse(p, t), -1) : NULL;
    return t && t->kind != FV_TERM_ZERO ? fv_term_scaled(p, a, t, -1) : NULL;
}

/* The term for a binary op whose first operand is a stack; that of a Mul may be either operand. */
static const fv_term *of_stacks(fv_pieces *p, const fv_op *op) {
    int orders = fv_op_is(op, FV_OP_Mul) ? 2 : 1;
    const fv_term *made = NULL;
    for (int k = 0; k < orders && op->nin == 2 && !made; k++) {
        const fv_term *s = fv_term_of(p, op->in[k], FV_TERM_STACK),
                      **lanes = s ? FV_NEW(p->arena, const fv_term *, s->n) : NULL;
        second_operand b;
        if (!s || !fits_stack(p, op, s, op->in[k], op->in[1 - k], &b))
            continue;
        for (int i = 0; i < s->n; i++)
            lanes[i] = of_two_lanes(p, op, s->stack[i], &b, i);
        made = stack(p, s->axis, s->n, lanes);
    }
    return made;
}

static const fv_term *of_one_lane(fv_pieces *p, const fv_op *op, const fv_term *a) {
    if (fv_op_is(op, FV_OP_Exp))
        return fv_term_exp(p, a);
    if (a->kind != FV_TERM_SUM)
        return NULL;
    return fv_op_is(op, FV_OP_Log) ? fv_term_log(p, a) : fv_term_inverse(p, a);
}

static const fv_term *of_each(fv_pieces *p, const fv_op *op, const fv_term *s) {
    const fv_term **lanes = FV_NEW(p->arena, const fv_term *, s->n);
    for (int i = 0; i < s->n; i++)
        lanes[i] = of_one_lane(p, op, s->stack[i]);
    return stack(p, s->axis, s->n, lanes);
}

static const fv_term *all_lse(fv_pieces *p, const fv_term *s) {
    const fv_term *all = s->stack[0]->kind == FV_TERM_LSE ? s->stack[0] : NULL;
    for (int i = 1; i < s->n && all; i++)
        all = s->stack[i]->kind == FV_TERM_LSE
                  ? fv_term_both(p, all, s->stack[i], FV_TERM_LSE, (fv_reference){0})
                  : NULL;
    return all;
}

/* The term for the softmax of a stack along its axis: the share of each member in the sum of
 * all. */
static const fv_term *shares(fv_pieces *p, const fv_term *s, int axis) {
    const fv_term *all = axis == s->axis ? all_lse(p, s) : NULL,
                  **lanes = FV_NEW(p->arena, const fv_term *, s->n);
    for (int i = 0; i < s->n && all; i++)
        lanes[i] = fv_term_with(p, s->stack[i], FV_TERM_SUM, (fv_reference){.lse = all});
    return all ? stack(p, s->axis, s->n, lanes) : NULL;
}

static const fv_term *sum_of_stack(fv_pieces *p, const fv_op *op, const fv_term *s) {
    int last = op->in[0]->type->rank - 1;
    fv_reduced over;
    if (!fv_reduces(p, op, &over) ||
        (over.row ? last != s->axis || over.axis >= 0 : over.axis != s->axis))
        return NULL;
    if (fv_is_reduction(op, "ReduceLogSumExp"))
        return all_lse(p, s);
    const fv_term *t = fv_is_reduction(op, "ReduceSum") ? s->stack[0] : NULL;
    for (int i = 1; i < s->n && t; i++)
        t = fv_term_sum(p, t, s->stack[i]);
    return t;
}

/* The term for a slice of a stack that consists of one member. */
static const fv_term *of_slice(fv_pieces *p, const fv_op *op) {
    const fv_term *s = fv_term_of(p, op->in[0], FV_TERM_STACK);
    const fv_type *t = op->out[0]->type, *x = op->in[0]->type;
    const fv_dim *const *start = fv_op_find_attr(op, "start")->u.dims,
                        *const *step = fv_op_find_attr(op, "step")->u.dims;
    for (int i = 0; s && i < t->rank; i++)
        if (!fv_dim_is_one(step[i]) ||
            (i != s->axis && !fv_module_equal(p->module, t->dims[i], x->dims[i])))
            return NULL;
    if (!s || !fv_dim_is_one(t->dims[s->axis]))
        return NULL;
    const fv_dim *at = start[s->axis];
    return fv_dim_is_const(at) && at->value >= 0 && at->value < s->n &&
                   s->stack[at->value]->kind != FV_TERM_VALUE
               ? s->stack[at->value]
               : NULL;
}

/* Does the op move axis `from` of x to position *to, and keep the order of the other axes? */
static bool moves_one(const fv_op *op, int from, int *to) {
    int n, k = 0;
    const int64_t *perm = fv_op_ints(op, "perm", &n);
    *to = -1;
    for (int i = 0; perm && i < n; i++) {
        if (perm[i] == from) {
            *to = i;
            continue;
        }
        k += k == from;
        if (perm[i] != k++)
            return false;
    }
    return *to >= 0;
}

/* The term for a transpose of a stack, which moves its axis; the axis of features must stay the
 * last. */
static const fv_term *moved_stack(fv_pieces *p, const fv_op *op, const fv_term *s) {
    int to, last = op->out[0]->type->rank - 1;
    if (!moves_one(op, s->axis, &to))
        return NULL;
    return s->stack[0]->kind == FV_TERM_RESULT && to == last ? NULL : stack(p, to, s->n, s->stack);
}

/* The term for a transpose that moves an axis to a position where a product sums over it: the last
 * axis, or the axis before the features. */
static const fv_term *of_transpose(fv_pieces *p, const fv_op *op) {
    const fv_term *t = fv_pieces_term(p, op->in[0]);
    int n, to, last = op->out[0]->type->rank - 1;
    const int64_t *perm = fv_op_ints(op, "perm", &n);
    if (t && t->kind == FV_TERM_STACK)
        return moved_stack(p, op, t);
    if (!t || !perm || last < 1 || !(t->kind == FV_TERM_RESULT || t->kind == FV_TERM_SUM) ||
        t->r.lse == NULL)
        return NULL;
    int at = t->kind == FV_TERM_RESULT ? last - 1 : last, from = (int)perm[at];
    return moves_one(op, from, &to) && to == at
               ? fv_term_make(
                     p,
                     (fv_term){
                         .kind = FV_TERM_MOVED, .a = t, .of = op->in[0], .from = from, .axis = at})
               : NULL;
}

/* The term for the sum of the results of a stack, each scaled by the corresponding member of
 * another stack. */
static const fv_term *weighted_stack(fv_pieces *p, const fv_term *results, const fv_term *by) {
    const fv_term *t = NULL;
    for (int i = 0; i < results->n; i++) {
        bool fit = results->stack[i]->kind == FV_TERM_RESULT && fv_is_row_kind(by->stack[i]);
        const fv_term *one = fit ? fv_term_scaled(p, results->stack[i], by->stack[i], -1) : NULL;
        t = i ? fv_term_sum(p, t, one) : one;
        if (!t)
            return NULL;
    }
    return t;
}

/* As weighted_stack, for results x [.., features] that consist of chunks along `axis`: sums them,
 * each multiplied by one number per row. */
static const fv_term *weighted_chunks(fv_pieces *p, const fv_value *x, const fv_term *result,
                                      int axis, const fv_value *w, const fv_term *by, int of) {
    fv_type rows = *x->type;
    int to = axis;
    rows.rank--;
    if (result->kind != FV_TERM_RESULT || !fv_is_row_kind(by) ||
        !fv_is_squeeze(p->module, &rows, w->type, &to) || to != of)
        return NULL;
    const fv_term *t = fv_term_scaled(p, result, by, -1);
    return t ? fv_term_over_chunks(p, t, x->type, axis) : NULL;
}

/* The term for a product of shares [.., 1, n] and results [.., n, features]; each share is one
 * number for a row. */
static const fv_term *of_products(fv_pieces *p, const fv_op *op) {
    const fv_type *w = op->in[0]->type, *v = op->in[1]->type;
    const fv_term *a = fv_pieces_term(p, op->in[0]), *b = fv_pieces_term(p, op->in[1]);
    if (!a || !b || a->kind != b->kind || w->rank != v->rank || w->rank < 2 ||
        a->axis != w->rank - 1 || b->axis != v->rank - 2)
        return NULL;
    if (!fv_dim_is_one(w->dims[w->rank - 2]) || !fv_same_dims(p, w, v, w->rank - 2))
        return NULL;
    if (a->kind == FV_TERM_STACK)
        return a->n == b->n ? weighted_stack(p, b, a) : NULL;
    return a->kind == FV_TERM_MOVED ? weighted_chunks(p, b->of, b->a, b->from, a->of, a->a, a->from)
                                    : NULL;
}

enum { LETTERS = 3 * FV_MAX_RANK + 3 };

/* For an Einsum "shares,results->y", or with exchanged operands: the shares must have the letters
 * of rows, the results those of rows and one of features, and y those of the results without one
 * row letter. Returns the position of that letter, or -1. */
static int summed_letter(const char *w, const char *x, const char *y) {
    size_t rows = strlen(w), i = 0;
    if (!rows || strlen(x) != rows + 1 || strlen(y) != rows || strncmp(w, x, rows) != 0)
        return -1;
    while (i < rows && x[i] == y[i])
        i++;
    return i < rows && !strcmp(x + i + 1, y + i) ? (int)i : -1;
}

static bool is_split(fv_string equation, char part[3][LETTERS]) {
    size_t k = 0, n = 0;
    for (size_t i = 0; i < equation.n; i++) {
        char c = equation.s[i];
        bool arrow = c == '-' && i + 1 < equation.n && equation.s[i + 1] == '>';
        if (c == ' ')
            continue;
        if (c == '.' || n + 1 >= LETTERS || ((c == ',' || arrow) && k == 2))
            return false;
        if (c == ',' || arrow) {
            part[k++][n] = 0;
            n = 0;
            i += arrow;
        } else {
            part[k][n++] = c;
        }
    }
    part[k][n] = 0;
    return k == 2;
}

/* Does no letter occur twice in an operand? */
static bool is_distinct(const char *x) {
    for (; *x; x++)
        if (strchr(x + 1, *x))
            return false;
    return true;
}

static const fv_term *of_einsum(fv_pieces *p, const fv_op *op) {
    char part[3][LETTERS];
    if (op->nin != 2 || !is_split(fv_op_string(op, "equation"), part))
        return NULL;
    for (int k = 0; k < 2; k++) {
        const fv_value *w = op->in[k], *x = op->in[1 - k];
        const fv_term *by = fv_pieces_term(p, w), *t = fv_pieces_term(p, x);
        int axis = summed_letter(part[k], part[1 - k], part[2]);
        if (axis < 0 || !by || !t || !is_distinct(part[1 - k]) ||
            !fv_same_dims(p, w->type, x->type, w->type->rank))
            continue;
        if (t->kind == FV_TERM_STACK && by->kind == FV_TERM_STACK && t->n == by->n &&
            t->axis == axis && by->axis == axis)
            return weighted_stack(p, t, by);
        if (t->kind == FV_TERM_RESULT)
            return weighted_chunks(p, x, t, axis, w, by, axis);
    }
    return NULL;
}

/* The term for a view, which adds or removes axes of dim 1, of a stack or of a term with a moved
 * axis. */
static const fv_term *of_view(fv_pieces *p, const fv_op *op) {
    const fv_type *x = op->in[0]->type, *y = op->out[0]->type;
    const fv_term *s = fv_pieces_term(p, op->in[0]);
    if (!s || (s->kind == FV_TERM_MOVED ? !fv_is_row_kind(s->a) : s->kind != FV_TERM_STACK))
        return NULL;
    int axis = s->axis;
    if (!fv_is_squeeze(p->module, x, y, &axis) || axis < 0)
        return NULL;
    if (s->kind == FV_TERM_MOVED) {
        fv_term there = *s;
        there.axis = axis;
        return fv_term_make(p, there);
    }
    for (int i = 0; i < s->n; i++)
        if (!fv_is_row_kind(s->stack[i]) && !(s->stack[i]->kind == FV_TERM_RESULT &&
                                              axis < y->rank - 1 && fv_is_last_kept(p, x, y)))
            return NULL;
    return stack(p, axis, s->n, s->stack);
}

/* The term for the result of an op that makes a stack, or whose operands are stacks, or that moves
 * or sums the axis of chunks of a term. */
const fv_term *fv_term_of_stacks(fv_pieces *p, const fv_op *op) {
    const fv_term *s = op->nin ? fv_term_of(p, op->in[0], FV_TERM_STACK) : NULL;
    if (fv_op_is(op, FV_OP_Concat))
        return of_concat(p, op);
    if (fv_op_is(op, FV_OP_fv_Slice))
        return of_slice(p, op);
    if (fv_op_is(op, FV_OP_Transpose))
        return of_transpose(p, op);
    if (fv_op_is(op, FV_OP_fv_MatMul))
        return of_products(p, op);
    if (fv_op_is(op, FV_OP_Einsum))
        return of_einsum(p, op);
    if (fv_op_is(op, FV_OP_fv_Reshape))
        return fv_same_shape(p, op->in[0]->type, op->out[0]->type) ? NULL : of_view(p, op);
    if (fv_op_is(op, FV_OP_Sub) || fv_op_is(op, FV_OP_Mul) || fv_op_is(op, FV_OP_Div) ||
        fv_op_is(op, FV_OP_Add) || fv_op_is(op, FV_OP_Sum))
        return of_stacks(p, op);
    if (!s)
        return NULL;
    if (fv_op_is(op, FV_OP_Exp) || fv_op_is(op, FV_OP_Log) || fv_op_is(op, FV_OP_Reciprocal))
        return of_each(p, op, s);
    if (fv_op_is(op, FV_OP_Softmax))
        return shares(p, s, fv_softmax_axis(op));
    return fv_op_is(op, FV_OP_fv_Reduce) ? sum_of_stack(p, op, s) : NULL;
}
