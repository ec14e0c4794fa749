/* search_scores.c - modifications of the scores of tokens in a search: lower scores for tokens that
 * occurred, and the lowest score for tokens that are not allowed. */
#include "ops/search/search.h"

#include <float.h>

#include "ir/rule/body.h"
#include "ops/attention/attend.h"
#include "ops/attention/tokens.h"

static bool is_one(const fv_value *v) {
    return v->kind == FV_VALUE_CONST && fv_tensor_float(v->tensor, 0) == 1.0;
}

bool fv_search_sees(const fv_search *s) {
    return s->scores.penalty && !is_one(s->scores.penalty);
}

static fv_value *without_repeats(fv_rewriter *w, const fv_search *s, fv_value *x,
                                 const fv_sequences *q) {
    fv_value *known =
        fv_w_cast(w, fv_w_part(w, q->tokens, 1, fv_dim_const(s->t, 0), q->length), FV_I64);
    return FV_CALL(w, "block_repeats", {known}, {x}, FV_INT(s->scores.ngram), FV_FLOAT(-FLT_MAX));
}

fv_value *fv_w_search_scores(fv_rewriter *w, const fv_search *s, fv_value *scores,
                             const fv_sequences *q, bool first) {
    fv_value *x = scores;
    const fv_dim *after = fv_dim_sub(s->t, q->length, s->size.prompt);
    if (q->seen)
        x = FV_CALL(w, "penalised", {x}, {q->seen}, {s->scores.penalty});
    if (s->scores.ngram > 0)
        x = without_repeats(w, s, x, q);
    if (s->scores.allowed)
        x = FV_CALL(w, "only_allowed", {x}, {s->scores.allowed});
    if (s->scores.allowed_first)
        x = FV_CALL(w, "first_allowed", {x}, {s->scores.allowed_first}, {s->scores.forced},
                    FV_DIM(after), FV_INT(first), FV_DIM(s->size.beams));
    if (s->scores.min_length)
        x = FV_CALL(w, "not_ended", {x}, FV_INT(s->end), {s->scores.min_length}, FV_DIM(q->length));
    if (s->scores.temperature > 0 && x)
        x = FV_W2(w, FV_OP_Div, x, fv_w_float(w, FV_F32, (double)s->scores.temperature));
    if (s->scores.divisor)
        x = FV_CALL(w, "divided", {x}, {s->scores.divisor});
    if (s->scores.presence)
        x = FV_CALL(w, "without_presence", {x}, {s->scores.presence},
                    FV_FLOAT((double)s->scores.presence_penalty), FV_DIM(s->size.beams));
    x = s->scores.times ? fv_w_timestamp_scores(w, s->scores.times, q->tokens, q->length, x) : x;
    return s->scores.forced ? FV_CALL(w, "only_forced", {x}, {s->scores.forced}, FV_DIM(after),
                                      FV_DIM(s->size.beams))
                            : x;
}
