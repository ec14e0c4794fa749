/* loss.c - losses over classes, in terms of gathering and sums. */

#include <string.h>

#include "ir/base/limits.h"
#include "ir/dim/text.h"
#include "ir/graph/infer.h"
#include "ir/graph/rewriter.h"

enum { SCORES, LABELS, WEIGHTS };

static bool is_reduction(const fv_op *op, const char *name) {
    fv_string s = fv_op_string(op, "reduction");
    return s.n == strlen(name) && !memcmp(s.s, name, s.n);
}

/* Labels have the dims of the scores without the axis of classes, the second. */
static bool infer_loss(fv_op *op) {
    fv_module *m = fv_op_module(op);
    const fv_type *x = fv_in_type(op, SCORES), *t = fv_in_type(op, LABELS),
                  *w = fv_in_type(op, WEIGHTS);
    if (t->rank != x->rank - 1)
        return fv_op_error(op, "scores and labels have rank %d and %d, expected n + 1 and n",
                           x->rank, t->rank);
    for (int i = 0; i < t->rank; i++)
        if (!fv_module_assume(m, t->dims[i], x->dims[i ? i + 1 : 0], "dims of scores and labels"))
            return fv_op_error(op, "labels have %s on axis %d, scores %s",
                               fv_dim_str(m->arena, t->dims[i]), i,
                               fv_dim_str(m->arena, x->dims[i ? i + 1 : 0]));
    if (w && !fv_module_assume(m, w->dims[0], x->dims[1], "one weight a class"))
        return fv_op_error(op, "weights are %s, expected one for each of %s classes",
                           fv_type_str(m->arena, w), fv_dim_str(m->arena, x->dims[1]));
    if (!is_reduction(op, "none") && !is_reduction(op, "sum") && !is_reduction(op, "mean"))
        return fv_op_error(op, "reduction is none of none, sum, mean");
    fv_infer_out(op, 0, x->elem, is_reduction(op, "none") ? t->rank : 0, t->dims);
    fv_infer_like(op, 1, SCORES);
    return true;
}

static fv_value *total(fv_rewriter *w, fv_value *x) {
    fv_attr drop = fv_attr_int(w->module, "keepdims", 0);
    return fv_w_op(w, FV_OP_ReduceSum, 1, &x, 1, &drop);
}

/* The score of the label at each place. */
static fv_value *picked(fv_rewriter *w, fv_value *scores, fv_value *labels, const fv_type *t) {
    const fv_dim *dims[FV_MAX_RANK];
    fv_attr axis = fv_attr_int(w->module, "axis", 1);
    for (int i = 0; i <= t->rank; i++)
        dims[i] = i == 1 ? fv_dim_const(w->module->dims, 1) : t->dims[i ? i - 1 : 0];
    fv_value *in[2] = {scores, fv_w_reshape(w, labels, t->rank + 1, dims)};
    return fv_w_reshape(w, fv_w_op(w, FV_OP_GatherElements, 2, in, 1, &axis), t->rank, t->dims);
}

/* Ignored labels count as class 0, of weight 0. */
static fv_value *loss(fv_rewriter *w, const fv_op *op, fv_value *scores) {
    const fv_type *t = fv_in_type(op, LABELS);
    const fv_attr *ignore = fv_op_find_attr(op, "ignore_index");
    fv_elem e = fv_in_type(op, SCORES)->elem;
    fv_value *labels = op->in[LABELS], *weights = fv_op_in(op, WEIGHTS), *ignored = NULL;
    fv_value *zero = fv_w_float(w, e, 0);
    if (ignore) {
        ignored = FV_W2(w, FV_OP_Equal, labels, fv_w_int(w, t->elem, ignore->u.i));
        labels = FV_W3(w, FV_OP_Where, ignored, fv_w_int(w, t->elem, 0), labels);
    }
    fv_value *y = FV_W1(w, FV_OP_Neg, picked(w, scores, labels, t));
    if (weights) {
        fv_attr axis = fv_attr_int(w->module, "axis", 0);
        weights = fv_w_op(w, FV_OP_Gather, 2, (fv_value *[]){weights, labels}, 1, &axis);
        y = FV_W2(w, FV_OP_Mul, y, weights);
    } else if (ignored) {
        weights = fv_w_float(w, e, 1);
    }
    if (ignored) {
        y = FV_W3(w, FV_OP_Where, ignored, zero, y);
        weights = FV_W3(w, FV_OP_Where, ignored, zero, weights);
    }
    if (is_reduction(op, "none"))
        return y;
    if (is_reduction(op, "sum"))
        return total(w, y);
    fv_attr drop = fv_attr_int(w->module, "keepdims", 0);
    return weights ? FV_W2(w, FV_OP_Div, total(w, y), total(w, weights))
                   : fv_w_op(w, FV_OP_ReduceMean, 1, &y, 1, &drop);
}

static bool decompose_likelihood(fv_rewriter *w, fv_op *op) {
    fv_w_result(w, 0, loss(w, op, op->in[SCORES]));
    return true;
}

static bool decompose_cross_entropy(fv_rewriter *w, fv_op *op) {
    fv_attr axis = fv_attr_int(w->module, "axis", 1);
    fv_value *p = fv_w_op(w, FV_OP_LogSoftmax, 1, op->in, 1, &axis);
    fv_value *y = loss(w, op, p);
    if (op->nout > 1 && op->out[1])
        fv_w_result(w, 1, p);
    fv_w_result(w, 0, y);
    return true;
}

#define COMMON                                                                                     \
    .attrs = {FV_A_OPTIONAL("ignore_index", INT), FV_A_STRING("reduction", "mean")},               \
    .types = {{"T", FV_SET_FLOAT}, {"Tind", FV_SET(I32) | FV_SET(I64)}}, .infer = infer_loss

const fv_opdef fv_ops_loss[] = {{.domain = "",
                                 .name = "NegativeLogLikelihoodLoss",
                                 .id = FV_OP_NegativeLogLikelihoodLoss,
                                 .since = {12, 13, 22},
                                 .doc = "minus the score of the label at each place, weighted by "
                                        "class; all of them, their sum or mean",
                                 .in = {{"input", "T", .rank = FV_RANK_FROM(2)},
                                        {"target", "Tind", .rank = FV_RANK_FROM(1)},
                                        {"weight", "T", FV_OPTIONAL_OPERAND, .rank = FV_RANK(1)}},
                                 .out = {{"loss", "T"}},
                                 COMMON,
                                 .decompose = decompose_likelihood},
                                {.domain = "",
                                 .name = "SoftmaxCrossEntropyLoss",
                                 .id = FV_OP_SoftmaxCrossEntropyLoss,
                                 .since = {12, 13},
                                 .doc = "NegativeLogLikelihoodLoss of LogSoftmax",
                                 .in = {{"scores", "T", .rank = FV_RANK_FROM(2)},
                                        {"labels", "Tind", .rank = FV_RANK_FROM(1)},
                                        {"weights", "T", FV_OPTIONAL_OPERAND, .rank = FV_RANK(1)}},
                                 .out = {{"output", "T"}, {"log_prob", "T", FV_OPTIONAL_OPERAND}},
                                 COMMON,
                                 .decompose = decompose_cross_entropy},

                                {0}};
