/* search_times.c - the rules of Whisper's tokens of times: they come in pairs, before and behind
 * what was said, never go back, and come where they are together likelier than any token of text.
 * The rules are those of ApplyTimestampRules in the module whisper.decoding of OpenAI's Whisper. */
#include "ops/search/search_times.h"

#include <float.h>

#include "ir/graph/infer.h"
#include "ops/attention/attend.h"
#include "ops/common/dims.h"

enum { LATEST_FIRST = 50 }; /* the first time is no later than so many tokens from the first one */

/* What the rules ask of the sequences, bool [rows, 1]. */
typedef struct history {
    fv_value *before; /* is there a time among the tokens but the last? */
    fv_value *last;   /* is the last token one? */
    fv_value *closes; /* it is, and the one before, or it is the first time: text follows */
    fv_value *opens;  /* it is, and neither holds: its other half follows */
    fv_value *next;   /* i64: the first time that may follow; 0: there was none, and any may */
} history;

static fv_value *any(fv_rewriter *w, fv_value *v) {
    return FV_W2(w, FV_OP_ReduceMax, v, fv_const_ints(w->module, "axes", 1, (int64_t[]){1}));
}

static fv_value *whole(fv_rewriter *w, const fv_dim *d) {
    return fv_w_ints(w, FV_I64, 0, 1, &d);
}

static history look_back(fv_rewriter *w, const fv_timestamps *t, fv_value *tokens,
                         const fv_dim *length) {
    fv_dims *dims = w->module->dims;
    const fv_dim *one = fv_dim_const(dims, 1), *last = fv_dim_sub(dims, length, one);
    fv_value *at = fv_w_positions(w, tokens->type->dims[1], 2, 1), *none = fv_w_int(w, FV_I64, -1);
    fv_value *is_time = FV_W2(w, FV_OP_GreaterOrEqual, tokens, fv_w_int(w, FV_I32, t->first));
    fv_value *is_known = FV_W2(w, FV_OP_Less, at, whole(w, length)),
             *is_last = FV_W2(w, FV_OP_Equal, at, whole(w, last));
    fv_value *is_time_before =
        FV_W2(w, FV_OP_And, is_time, FV_W2(w, FV_OP_Less, at, whole(w, last)));
    fv_value *is_previous = FV_W2(w, FV_OP_Equal, at, whole(w, fv_dim_sub(dims, last, one)));
    history h = {.before = any(w, is_time_before),
                 .last = any(w, FV_W2(w, FV_OP_And, is_time, is_last))};
    fv_value *previous = any(w, FV_W2(w, FV_OP_And, is_time, is_previous));
    fv_value *pair = FV_W2(w, FV_OP_Or, previous, FV_W1(w, FV_OP_Not, h.before));
    h.closes = FV_W2(w, FV_OP_And, h.last, pair);
    h.opens = FV_W2(w, FV_OP_And, h.last, FV_W1(w, FV_OP_Not, pair));
    fv_value *latest =
        any(w, FV_W3(w, FV_OP_Where, FV_W2(w, FV_OP_And, is_time, is_known), at, none));
    fv_attr axis = fv_attr_int(w->module, "axis", 1);
    fv_value *place[2] = {tokens, FV_W2(w, FV_OP_Max, latest, fv_w_int(w, FV_I64, 0))};
    fv_value *time = fv_w_cast(w, fv_w_op(w, FV_OP_GatherElements, 2, place, 1, &axis), FV_I64);
    fv_value *after = FV_W2(w, FV_OP_Add, time, fv_w_cast(w, FV_W1(w, FV_OP_Not, h.opens), FV_I64));
    h.next = FV_W3(w, FV_OP_Where, FV_W2(w, FV_OP_Less, latest, fv_w_int(w, FV_I64, 0)),
                   fv_w_int(w, FV_I64, 0), after);
    return h;
}

/* bool [1, vocabulary] */
static fv_value *is_token(fv_rewriter *w, fv_value *tokens, int64_t token) {
    return FV_W2(w, FV_OP_Equal, tokens, fv_w_int(w, FV_I64, token));
}

/* bool [rows, vocabulary]: which must not follow? */
static fv_value *forbidden(fv_rewriter *w, const fv_timestamps *t, const fv_dim *vocabulary,
                           const history *h) {
    fv_value *v = fv_w_positions(w, vocabulary, 2, 1), *first = fv_w_int(w, FV_I64, t->first);
    fv_value *is_time = FV_W2(w, FV_OP_GreaterOrEqual, v, first),
             *is_text = FV_W2(w, FV_OP_Less, v, fv_w_int(w, FV_I64, t->end));
    fv_value *never =
        FV_W2(w, FV_OP_Or, is_token(w, v, t->none), is_token(w, v, t->language_model));
    fv_value *task =
        FV_W2(w, FV_OP_Or, is_token(w, v, t->start),
              FV_W2(w, FV_OP_Or, is_token(w, v, t->translate), is_token(w, v, t->transcribe)));
    fv_value *early = FV_W2(w, FV_OP_And, is_time, FV_W2(w, FV_OP_Less, v, h->next));
    fv_value *late = FV_W2(w, FV_OP_Greater, v, fv_w_int(w, FV_I64, t->first + LATEST_FIRST));
    fv_value *all[6] = {never,
                        FV_W2(w, FV_OP_And, h->before, task),
                        FV_W2(w, FV_OP_And, h->closes, is_time),
                        FV_W2(w, FV_OP_And, h->opens, is_text),
                        early,
                        FV_W2(w, FV_OP_And, FV_W1(w, FV_OP_Not, h->before), late)};
    fv_value *which = all[0];
    for (int i = 1; i < 6; i++)
        which = FV_W2(w, FV_OP_Or, which, all[i]);
    return which;
}

static fv_value *lowest(fv_rewriter *w) {
    return fv_w_float(w, FV_F32, -FLT_MAX);
}

/* f32 [rows, 1]: the logarithm of what the weights of times are together. */
static fv_value *weight_of_times(fv_rewriter *w, fv_value *times) {
    fv_value *most = any(w, times), *axes = fv_const_ints(w->module, "axes", 1, (int64_t[]){1});
    fv_value *weights = FV_W1(w, FV_OP_Exp, FV_W2(w, FV_OP_Sub, times, most));
    fv_value *counted = FV_W3(w, FV_OP_Where, FV_W2(w, FV_OP_Greater, times, lowest(w)), weights,
                              fv_w_float(w, FV_F32, 0));
    fv_value *sum = FV_W2(w, FV_OP_ReduceSum, counted, axes),
             *is_some = FV_W2(w, FV_OP_Greater, sum, fv_w_float(w, FV_F32, 0));
    return FV_W3(w, FV_OP_Where, is_some, FV_W2(w, FV_OP_Add, FV_W1(w, FV_OP_Log, sum), most),
                 lowest(w));
}

fv_value *fv_w_timestamp_scores(fv_rewriter *w, const fv_timestamps *t, fv_value *tokens,
                                const fv_dim *length, fv_value *scores) {
    if (!tokens || !scores)
        return NULL;
    fv_dims *dims = w->module->dims;
    const fv_dim *zero = fv_dim_const(dims, 0), *first = fv_dim_const(dims, t->first),
                 *vocabulary = scores->type->dims[1];
    const history h = look_back(w, t, tokens, length);
    fv_value *x = FV_W3(w, FV_OP_Where, forbidden(w, t, vocabulary, &h), lowest(w), scores);
    fv_value *times = fv_w_part(w, x, 1, first, fv_dim_sub(dims, vocabulary, first)),
             *text = fv_w_part(w, x, 1, zero, first);
    fv_value *likelier = FV_W2(w, FV_OP_Greater, weight_of_times(w, times), any(w, text));
    fv_value *is_text =
        FV_W2(w, FV_OP_Less, fv_w_positions(w, vocabulary, 2, 1), fv_w_int(w, FV_I64, t->first));
    x = FV_W3(w, FV_OP_Where, FV_W2(w, FV_OP_And, likelier, is_text), lowest(w), x);
    int64_t processor;
    if (fv_known_int(t->processor, &processor))
        return x;
    fv_value *on =
        FV_W2(w, FV_OP_Equal, fv_w_reshape(w, t->processor, 0, NULL), fv_w_int(w, FV_I32, 1));
    return FV_W3(w, FV_OP_Where, on, x, scores);
}
