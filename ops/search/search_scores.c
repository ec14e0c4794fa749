/* search_scores.c - how a search changes the scores of tokens: what occurs gets less, what must not
 * come gets the lowest. */
#include "ops/search/search.h"

#include <float.h>

#include "ops/attention/attend.h"
#include "ops/attention/tokens.h"
#include "ops/common/dims.h"

static bool is_one(const fv_value *v) {
    return v->kind == FV_VALUE_CONST && fv_tensor_float(v->tensor, 0) == 1.0;
}

bool fv_search_sees(const fv_search *s) {
    return s->scores.penalty && !is_one(s->scores.penalty);
}

static fv_value *forbid(fv_rewriter *w, fv_value *which, fv_value *scores) {
    return FV_W3(w, FV_OP_Where, which, fv_w_float(w, FV_F32, -FLT_MAX), scores);
}

/* Further from being chosen, on whichever side of 0 it is. */
static fv_value *penalise(fv_rewriter *w, const fv_search *s, fv_value *x, fv_value *seen) {
    fv_value *by = fv_w_cast(w, fv_w_reshape(w, s->scores.penalty, 0, NULL), FV_F32);
    fv_value *below = FV_W2(w, FV_OP_Less, x, fv_w_float(w, FV_F32, 0));
    fv_value *less =
        FV_W3(w, FV_OP_Where, below, FV_W2(w, FV_OP_Mul, x, by), FV_W2(w, FV_OP_Div, x, by));
    return FV_W3(w, FV_OP_Where, seen, less, x);
}

static fv_value *without_repeats(fv_rewriter *w, const fv_search *s, fv_value *x,
                                 const fv_sequences *q) {
    fv_value *known =
        fv_w_cast(w, fv_w_part(w, q->tokens, 1, fv_dim_const(s->t, 0), q->length), FV_I64);
    return fv_w_block_repeats(w, known, x, s->scores.ngram, -FLT_MAX);
}

/* Of a mask that has 0 where a token is not allowed. */
static fv_value *only_allowed(fv_rewriter *w, fv_value *mask, fv_value *x) {
    return forbid(w, FV_W2(w, FV_OP_Equal, mask, fv_w_int(w, FV_I32, 0)), x);
}

static fv_value *not_ended(fv_rewriter *w, const fv_search *s, fv_value *x, const fv_dim *length) {
    fv_value *is_end = FV_W2(w, FV_OP_Equal, fv_w_positions(w, s->graphs.vocabulary, 2, 1),
                             fv_w_int(w, FV_I64, s->end));
    fv_value *least = fv_w_cast(w, fv_w_reshape(w, s->scores.min_length, 0, NULL), FV_I64);
    fv_value *early = FV_W2(w, FV_OP_Less, fv_w_ints(w, FV_I64, 0, 1, &length), least);
    return forbid(w, FV_W2(w, FV_OP_And, is_end, early), x);
}

static fv_value *divide(fv_rewriter *w, const fv_search *s, fv_value *x) {
    fv_value *by = fv_w_cast(w, fv_w_reshape(w, s->scores.divisor, 0, NULL), FV_F32),
             *positive = FV_W2(w, FV_OP_Greater, by, fv_w_float(w, FV_F32, 0));
    return FV_W2(w, FV_OP_Div, x, FV_W3(w, FV_OP_Where, positive, by, fv_w_float(w, FV_F32, 1)));
}

/* The number of tokens after the prompt, and how many of these are forced. */
static fv_value *behind(fv_rewriter *w, const fv_search *s, const fv_sequences *q) {
    const fv_dim *n = fv_dim_sub(s->t, q->length, s->size.prompt);
    return fv_w_ints(w, FV_I64, 0, 1, &n);
}

/* Each of the first tokens from its column: one that is forced has score 0, and all others the
 * lowest. */
static fv_value *only_forced(fv_rewriter *w, const fv_search *s, fv_value *x,
                             const fv_sequences *q) {
    const fv_dim *n = s->scores.forced->type->dims[1];
    fv_value *here = FV_W2(w, FV_OP_Equal, fv_w_positions(w, n, 2, 1), behind(w, s, q));
    fv_value *column = FV_W3(w, FV_OP_Where, here, s->scores.forced, fv_w_int(w, FV_I32, -1));
    fv_value *token =
        FV_W2(w, FV_OP_ReduceMax, column, fv_const_ints(w->module, "axes", 1, (int64_t[]){1}));
    token = fv_w_for_rows(w, s, fv_w_cast(w, token, FV_I64));
    fv_value *known =
        FV_W2(w, FV_OP_And, FV_W2(w, FV_OP_GreaterOrEqual, token, fv_w_int(w, FV_I64, 0)),
              FV_W2(w, FV_OP_Less, token, fv_w_ints(w, FV_I64, 0, 1, &s->graphs.vocabulary)));
    fv_value *other = FV_W1(
        w, FV_OP_Not, FV_W2(w, FV_OP_Equal, fv_w_positions(w, s->graphs.vocabulary, 2, 1), token));
    return FV_W3(w, FV_OP_Where, known, forbid(w, other, fv_w_float(w, FV_F32, 0)), x);
}

/* The mask of first tokens, which applies to forced tokens and the one after them. */
static fv_value *first_allowed(fv_rewriter *w, const fv_search *s, fv_value *x,
                               const fv_sequences *q, bool first) {
    fv_value *mask = fv_w_for_rows(w, s, s->scores.allowed_first);
    if (!first && s->scores.forced) {
        const fv_dim *n = s->scores.forced->type->dims[1];
        mask = FV_W3(w, FV_OP_Where,
                     FV_W2(w, FV_OP_Greater, behind(w, s, q), fv_w_ints(w, FV_I64, 0, 1, &n)),
                     fv_w_int(w, FV_I32, 1), mask);
    }
    return first || s->scores.forced ? only_allowed(w, mask, x) : x;
}

fv_value *fv_w_search_scores(fv_rewriter *w, const fv_search *s, fv_value *scores,
                             const fv_sequences *q, bool first) {
    fv_value *x = scores;
    if (q->seen)
        x = penalise(w, s, x, q->seen);
    if (s->scores.ngram > 0)
        x = without_repeats(w, s, x, q);
    if (s->scores.allowed)
        x = only_allowed(w, s->scores.allowed, x);
    if (s->scores.allowed_first)
        x = first_allowed(w, s, x, q, first);
    if (s->scores.min_length)
        x = not_ended(w, s, x, q->length);
    if (s->scores.temperature > 0)
        x = FV_W2(w, FV_OP_Div, x, fv_w_float(w, FV_F32, (double)s->scores.temperature));
    if (s->scores.divisor)
        x = divide(w, s, x);
    if (s->scores.presence) {
        fv_value *by = fv_w_for_rows(w, s, fv_w_cast(w, s->scores.presence, FV_F32));
        x = FV_W2(
            w, FV_OP_Sub, x,
            FV_W2(w, FV_OP_Mul, by, fv_w_float(w, FV_F32, (double)s->scores.presence_penalty)));
    }
    x = s->scores.times ? fv_w_timestamp_scores(w, s->scores.times, q->tokens, q->length, x) : x;
    return s->scores.forced ? only_forced(w, s, x, q) : x;
}
