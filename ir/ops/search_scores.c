/* search_scores.c - how a search changes the scores of tokens: what occurs gets less, what must not come gets the lowest. */
#include "ir/ops/search.h"

#include <float.h>

#include "ir/ops/attend.h"
#include "ir/ops/dims.h"
#include "ir/ops/tokens.h"

static bool is_one(const fv_value *v) {
    return v->kind == FV_VALUE_CONST && fv_tensor_float(v->tensor, 0) == 1.0;
}

bool fv_search_sees(const fv_search *s) { return s->penalty && !is_one(s->penalty); }

static fv_value *forbid(fv_rewriter *w, fv_value *which, fv_value *scores) {
    return FV_W3(w, FV_OP_Where, which, fv_w_float(w, FV_F32, -FLT_MAX), scores);
}

/* Further from being chosen, on whichever side of 0 it is. */
static fv_value *penalise(fv_rewriter *w, const fv_search *s, fv_value *x, fv_value *seen) {
    fv_value *by = fv_w_cast(w, fv_w_reshape(w, s->penalty, 0, NULL), FV_F32);
    fv_value *below = FV_W2(w, FV_OP_Less, x, fv_w_float(w, FV_F32, 0));
    fv_value *less = FV_W3(w, FV_OP_Where, below, FV_W2(w, FV_OP_Mul, x, by), FV_W2(w, FV_OP_Div, x, by));
    return FV_W3(w, FV_OP_Where, seen, less, x);
}

static fv_value *without_repeats(fv_rewriter *w, const fv_search *s, fv_value *x, const fv_sequences *q) {
    fv_value *known = fv_w_cast(w, fv_w_part(w, q->tokens, 1, fv_dim_const(s->t, 0), q->length), FV_I64);
    return fv_w_block_repeats(w, known, x, s->ngram, -FLT_MAX);
}

/* Of a mask that has 0 where a token is not allowed. */
static fv_value *only_allowed(fv_rewriter *w, fv_value *mask, fv_value *x) {
    return forbid(w, FV_W2(w, FV_OP_Equal, mask, fv_w_int(w, FV_I32, 0)), x);
}

static fv_value *not_ended(fv_rewriter *w, const fv_search *s, fv_value *x, const fv_dim *length) {
    fv_value *is_end = FV_W2(w, FV_OP_Equal, fv_w_positions(w, s->vocabulary, 2, 1), fv_w_int(w, FV_I64, s->end));
    fv_value *least = fv_w_cast(w, fv_w_reshape(w, s->min_length, 0, NULL), FV_I64);
    fv_value *early = FV_W2(w, FV_OP_Less, fv_w_ints(w, FV_I64, 0, 1, &length), least);
    return forbid(w, FV_W2(w, FV_OP_And, is_end, early), x);
}

static fv_value *divide(fv_rewriter *w, const fv_search *s, fv_value *x) {
    fv_value *by = fv_w_cast(w, fv_w_reshape(w, s->divisor, 0, NULL), FV_F32), *positive = FV_W2(w, FV_OP_Greater, by, fv_w_float(w, FV_F32, 0));
    return FV_W2(w, FV_OP_Div, x, FV_W3(w, FV_OP_Where, positive, by, fv_w_float(w, FV_F32, 1)));
}

fv_value *fv_w_search_scores(fv_rewriter *w, const fv_search *s, fv_value *scores, const fv_sequences *q, bool first) {
    fv_value *x = scores;
    if (q->seen)
        x = penalise(w, s, x, q->seen);
    if (s->ngram > 0)
        x = without_repeats(w, s, x, q);
    if (s->allowed)
        x = only_allowed(w, s->allowed, x);
    if (first && s->allowed_first)
        x = only_allowed(w, fv_w_for_rows(w, s, s->allowed_first), x);
    if (s->min_length)
        x = not_ended(w, s, x, q->length);
    if (s->temperature > 0)
        x = FV_W2(w, FV_OP_Div, x, fv_w_float(w, FV_F32, (double)s->temperature));
    if (s->divisor)
        x = divide(w, s, x);
    if (s->presence) {
        fv_value *by = fv_w_for_rows(w, s, fv_w_cast(w, s->presence, FV_F32));
        x = FV_W2(w, FV_OP_Sub, x, FV_W2(w, FV_OP_Mul, by, fv_w_float(w, FV_F32, (double)s->presence_penalty)));
    }
    return s->times ? fv_w_timestamp_scores(w, s->times, q->tokens, q->length, x) : x;
}
