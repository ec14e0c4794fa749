/* loss.c - losses over classes, expanded to Gather and sums. */

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

/* Checks that labels have the dims of the scores without axis 1, the axis of classes. */
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

#define COMMON                                                                                     \
    .attrs = {FV_A_OPTIONAL("ignore_index", INT), FV_A_STRING("reduction", "mean")},               \
    .types = {{"T", FV_SET_FLOAT}, {"Tind", FV_SET(I32) | FV_SET(I64)}}, .infer = infer_loss

const fv_opdef fv_ops_loss[] = {{.domain = "",
                                 .name = "NegativeLogLikelihoodLoss",
                                 .id = FV_OP_NegativeLogLikelihoodLoss,
                                 .since = {12, 13, 22},
                                 .doc =
                                     "the negated score of the label at each position, weighted by "
                                     "class; all of them, their sum or mean",
                                 .in = {{"input", "T", .rank = FV_RANK_FROM(2)},
                                        {"target", "Tind", .rank = FV_RANK_FROM(1)},
                                        {"weight", "T", FV_OPTIONAL_OPERAND, .rank = FV_RANK(1)}},
                                 .out = {{"loss", "T"}},
                                 COMMON,
                                 .body = "NegativeLogLikelihoodLoss"},
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
                                 .body = "SoftmaxCrossEntropyLoss"},

                                {0}};
