/* greedy_search.c - GreedySearch and Sampling: after each prompt, repeatedly the token with the
 * highest score of a graph, or one that is drawn by the scores. */
#include <float.h>

#include "ir/graph/infer.h"
#include "ops/attention/attend.h"
#include "ops/common/dims.h"
#include "ops/elementwise/random.h"
#include "ops/search/search.h"
#include "ops/tensor/select.h"

enum { IDS, MAX_LENGTH, MIN_LENGTH, PENALTY, ALLOWED, ALLOWED_FIRST, MASK, PRESENCE, SEED };

static bool draws(const fv_op *op) {
    return fv_op_is(op, FV_OP_com_microsoft_Sampling);
}

/* What else is said of drawing. */
static bool read_sampling(fv_op *op, fv_search *s) {
    int64_t kept = fv_op_int(op, "min_tokens_to_keep");
    float top = fv_op_float(op, "top_p");
    s->scores.temperature = fv_op_float(op, "temperature");
    s->scores.presence = fv_op_in(op, PRESENCE);
    s->scores.presence_penalty = fv_op_float(op, "presence_penalty");
    if (!(top >= 0 && top <= 1))
        return fv_op_error(op, "top_p is %g, expected 0 to 1", (double)top);
    if (!(s->scores.temperature > 0 && s->scores.temperature <= FLT_MAX))
        return fv_op_error(op, "temperature is %g, expected more than 0",
                           (double)s->scores.temperature);
    if (kept < 0)
        return fv_op_error(op, "min_tokens_to_keep is %lld, expected at least 0", (long long)kept);
    return (op->nout < 2 || !op->out[1]) ||
           fv_op_error(op, "filtered_logits is not supported: each iteration has others, and the "
                           "operator does not say which are meant");
}

static bool read(fv_op *op, fv_search *s) {
    const fv_dim *const *ids = fv_in_type(op, IDS)->dims;
    *s = (fv_search){.op = op,
                     .t = fv_op_module(op)->dims,
                     .size.batch = ids[0],
                     .size.rows = ids[0],
                     .size.prompt = ids[1],
                     .size.most = fv_search_number(op, MAX_LENGTH),
                     .pad = fv_op_int(op, "pad_token_id"),
                     .end = fv_op_int(op, "eos_token_id"),
                     .ids = op->in[IDS],
                     .mask = fv_op_in(op, MASK),
                     .scores.min_length = fv_op_in(op, MIN_LENGTH),
                     .scores.penalty = fv_op_in(op, PENALTY),
                     .scores.allowed = fv_op_in(op, ALLOWED),
                     .scores.allowed_first = fv_op_in(op, ALLOWED_FIRST),
                     .scores.ngram = fv_op_int(op, "no_repeat_ngram_size")};
    s->size.beams = fv_dim_const(s->t, 1);
    if (fv_op_int(op, "model_type"))
        return fv_op_error(op, "model_type is %lld: only 0, a decoder alone, is supported",
                           (long long)fv_op_int(op, "model_type"));
    return s->size.most && fv_search_check(s) && (!draws(op) || read_sampling(op, s));
}

static bool hand(fv_op *op, const char *region, int n, const fv_type *const *declared,
                 const fv_type **types) {
    fv_search s;
    return read(op, &s) && fv_search_hand(&s, region, n, declared, types);
}

static bool infer(fv_op *op) {
    fv_search s;
    if (!read(op, &s) || !fv_search_read_graphs(&s) ||
        !fv_search_has_dims(op, ALLOWED, 1, &s.graphs.vocabulary) ||
        !fv_search_has_dims(op, ALLOWED_FIRST, 2,
                            (const fv_dim *[]){s.size.batch, s.graphs.vocabulary}) ||
        !fv_search_has_dims(op, MASK, 2, fv_in_type(op, IDS)->dims) ||
        !fv_search_has_dims(op, PRESENCE, 2, (const fv_dim *[]){s.size.batch, s.graphs.vocabulary}))
        return false;
    fv_infer_out(op, 0, FV_I32, 2, (const fv_dim *[]){s.size.batch, s.size.most});
    return true;
}

/* ---- the next tokens ---- */

static fv_value *best(fv_rewriter *w, fv_value *scores) {
    fv_attr a[2] = {fv_attr_int(w->module, "axis", 1), fv_attr_int(w->module, "keepdims", 0)};
    return fv_w_op(w, FV_OP_ArgMax, 1, &scores, 2, a);
}

/* The sums of weights along tokens, without the last one if `exclusive`. */
static fv_value *sums_of(fv_rewriter *w, fv_value *sorted, bool exclusive) {
    fv_attr axis = fv_attr_int(w->module, "axis", 1),
            before = fv_attr_int(w->module, "exclusive", exclusive);
    fv_value *in[2] = {fv_w_op(w, FV_OP_Softmax, 1, &sorted, 1, &axis), fv_w_int(w, FV_I64, 1)};
    return fv_w_op(w, FV_OP_CumSum, 2, in, 1, &before);
}

/* bool [batch, vocabulary], of tokens in order: which are not among those whose weights are top_p
 * together? `custom`: the best come first; else they come last, and some are kept anyway. */
static fv_value *left_out(fv_rewriter *w, const fv_search *s, fv_value *sorted, bool custom) {
    double top = (double)fv_op_float(s->op, "top_p");
    const fv_dim *kept = fv_dim_const(s->t, fv_op_int(s->op, "min_tokens_to_keep"));
    const fv_dim *others =
        fv_dim_max(s->t, fv_dim_sub(s->t, s->graphs.vocabulary, kept), fv_dim_const(s->t, 1));
    fv_value *sums = sums_of(w, sorted, custom);
    if (custom)
        return FV_W2(w, FV_OP_Greater, sums, fv_w_float(w, FV_F32, top));
    fv_value *few =
        FV_W2(w, FV_OP_LessOrEqual, sums, fv_w_float(w, FV_F32, (double)(1 - (float)top)));
    fv_value *may = FV_W2(w, FV_OP_Less, fv_w_positions(w, s->graphs.vocabulary, 2, 1),
                          fv_w_ints(w, FV_I64, 0, 1, &others));
    return FV_W2(w, FV_OP_And, few, may);
}

/* Scores of which those that are left out have another value. */
static fv_value *filter(fv_rewriter *w, const fv_search *s, fv_value *scores) {
    const fv_dim *one = fv_dim_const(s->t, 1),
                 *lines[4] = {s->size.rows, s->graphs.vocabulary, one, one},
                 *dims[2] = {s->size.rows, s->graphs.vocabulary};
    bool custom = fv_op_int(s->op, "custom") != 0;
    fv_attr axis = fv_attr_int(w->module, "axis", 1);
    fv_value *order = fv_w_reshape(
        w, fv_w_order(w, fv_w_reshape(w, scores, 4, lines), s->graphs.vocabulary, custom), 2, dims);
    fv_value *sorted = fv_w_op(w, FV_OP_GatherElements, 2, (fv_value *[]){scores, order}, 1, &axis);
    fv_value *none = fv_w_zeros(w, fv_tensor_type(w->module->arena, FV_BOOL, 2, dims));
    fv_value *which =
        fv_w_op(w, FV_OP_ScatterElements, 3,
                (fv_value *[]){none, order, left_out(w, s, sorted, custom)}, 1, &axis);
    return FV_W3(w, FV_OP_Where, which,
                 fv_w_float(w, FV_F32, (double)fv_op_float(s->op, "filter_value")), scores);
}

/* A token of each, by numbers f64 [1, batch]. */
static fv_value *drawn(fv_rewriter *w, const fv_search *s, fv_value *scores, fv_value *numbers) {
    const fv_dim *column[2] = {s->size.batch, fv_dim_const(s->t, 1)},
                 *last = fv_dim_sub(s->t, s->graphs.vocabulary, column[1]);
    fv_value *at = fv_w_pick(w, filter(w, s, scores), fv_w_reshape(w, numbers, 2, column));
    return fv_w_reshape(w, FV_W2(w, FV_OP_Min, at, fv_w_ints(w, FV_I64, 0, 1, &last)), 1,
                        &s->size.batch);
}

/* ---- iterations ---- */

/* What is passed from one iteration to the next. */
typedef struct carried {
    fv_value *tokens; /* i32 [rows]: the last ones */
    fv_value *ended;  /* bool [rows] */
    fv_sequences q;
    fv_value **pasts;
} carried;

/* The next token; padding where the sequence has ended, or ends with that token. `ended` NULL: it
 * is the first one. The numbers by which tokens are drawn, f64 [iterations, batch], or NULL. */
static carried choose(fv_rewriter *w, const fv_search *s, const fv_sequences *q, fv_value *ended,
                      const fv_decoded *d, fv_value *numbers) {
    fv_value *scores = fv_w_search_scores(w, s, d->scores, q, !ended);
    const fv_dim *turn = fv_dim_sub(s->t, q->length, s->size.prompt);
    fv_value *next =
        numbers ? drawn(w, s, scores, fv_w_part(w, numbers, 0, turn, fv_dim_const(s->t, 1)))
                : best(w, scores);
    next = fv_w_cast(w, next, FV_I32);
    fv_value *ends = FV_W2(w, FV_OP_Equal, next, fv_w_int(w, FV_I32, s->end));
    carried r = {.ended = ended ? FV_W2(w, FV_OP_Or, ended, ends) : ends, .pasts = d->presents};
    r.tokens = FV_W3(w, FV_OP_Where, r.ended, fv_w_int(w, FV_I32, s->pad), next);
    r.q = fv_w_append(w, s, q, r.tokens);
    return r;
}

/* As states of a Loop; how many. */
enum { TOKENS, ENDED, SEQUENCES, SEEN };

static int pack(const fv_search *s, const carried *r, fv_value **states) {
    states[TOKENS] = r->tokens;
    states[ENDED] = r->ended;
    states[SEQUENCES] = r->q.tokens;
    return fv_search_pack(s, r->q.seen, r->pasts, SEEN, states);
}

static carried unpack(const fv_search *s, int n, fv_value **states) {
    bool sees = fv_search_sees(s);
    fv_sequences q = {.tokens = states[SEQUENCES],
                      .seen = sees ? states[SEEN] : NULL,
                      .length = fv_dim_add(s->t, s->graphs.past, fv_dim_const(s->t, 1))};
    return (carried){.tokens = states[TOKENS],
                     .ended = states[ENDED],
                     .q = q,
                     .pasts = states + n - s->graphs.layers};
}

static bool decompose(fv_rewriter *w, fv_op *op) {
    fv_arena *a = w->module->arena;
    fv_search s;
    if (!read(op, &s) || !fv_search_read_graphs(&s))
        return false;
    fv_value **states = FV_NEW(a, fv_value *, SEEN + 1 + s.graphs.layers);
    const fv_type **seen = FV_NEW(a, const fv_type *, SEEN + 1 + s.graphs.layers);
    fv_prompts p = fv_w_prompts(w, &s);
    fv_decoded d = fv_w_decode_prompts(w, &s, &p);
    fv_sequences q = fv_w_sequences(w, &s);
    const fv_dim *draw[2] = {fv_dim_sub(s.t, s.size.most, s.size.prompt), s.size.batch};
    fv_value *numbers =
        draws(op) ? fv_w_random_seeded(w, op, fv_op_in(op, SEED), FV_F64, 2, draw) : NULL;
    carried r = choose(w, &s, &q, NULL, &d, numbers);
    int n = pack(&s, &r, states);
    for (int i = 0; i < s.graphs.layers; i++)
        seen[n - s.graphs.layers + i] = fv_search_past_type(&s, i);
    const fv_dim *times = fv_dim_sub(s.t, draw[0], fv_dim_const(s.t, 1));
    fv_search_loop k = fv_w_search_loop(w, &s, times, fv_w_any_not(w, r.ended), n, 0, states, seen);
    if (w->failed)
        return false;
    r = unpack(&s, n, k.state);
    d = fv_w_decode_tokens(&k.w, &s, &p, r.tokens, r.pasts);
    r = choose(&k.w, &s, &r.q, r.ended, &d, numbers);
    pack(&s, &r, states);
    fv_w_search_loop_end(w, &k, fv_w_any_not(&k.w, r.ended), n, states);
    if (w->failed)
        return false;
    fv_w_result(w, 0, k.loop->out[SEQUENCES]);
    return true;
}

#define OPTIONAL FV_OPTIONAL_OPERAND
#define OPERANDS                                                                                   \
    {"input_ids", "I", .rank = FV_RANK(2)}, {"max_length", "I", .rank = FV_SCALAR},                \
        {"min_length", "I", OPTIONAL, .rank = FV_SCALAR},                                          \
        {"repetition_penalty", "T", OPTIONAL, .rank = FV_SCALAR},                                  \
        {"vocab_mask", "I", OPTIONAL, .rank = FV_RANK(1)},                                         \
        {"prefix_vocab_mask", "I", OPTIONAL, .rank = FV_RANK(2)}, {                                \
        "attention_mask", "I", OPTIONAL, .rank = FV_RANK(2)                                        \
    }
#define ATTRS                                                                                      \
    FV_A_REQUIRED("decoder", REGION), FV_A_REGION_LIKE("init_decoder", "decoder"),                 \
        FV_A_REQUIRED("eos_token_id", INT), FV_A_REQUIRED("pad_token_id", INT),                    \
        FV_A_INT("decoder_start_token_id", -1), FV_A_INT("no_repeat_ngram_size", 0),               \
        FV_A_INT("model_type", 0), FV_A_INT("vocab_size", -1)

const fv_opdef fv_ops_greedy_search[] = {
    {.domain = "com.microsoft",
     .name = "GreedySearch",
     .since = {1},
     .doc = "prompts, and after each, repeatedly, the token that a graph scores highest, "
            "until all have ended or are as long as may be",
     .in = {OPERANDS},
     .out = {{"sequences", "I"}},
     .attrs = {ATTRS},
     .types = {{"I", FV_SET(I32)}, {"T", FV_SET(F32)}},
     .infer = infer,
     .handed = hand,
     .decompose = decompose},
    {.domain = "com.microsoft",
     .name = "Sampling",
     .id = FV_OP_com_microsoft_Sampling,
     .since = {1},
     .draws = true,
     .doc =
         "prompts, and after each, repeatedly, a token that is drawn by the scores of a graph and "
         "again, until all have ended or are as long as may be",
     .in = {OPERANDS,
            {"presence_mask", "I", OPTIONAL, .rank = FV_RANK(2)},
            {"seed", "I", OPTIONAL, .rank = FV_SCALAR}},
     .out = {{"sequences", "I"}, {"filtered_logits", "T", OPTIONAL}},
     .attrs = {ATTRS, FV_A_FLOAT("temperature", 1.0f), FV_A_FLOAT("top_p", 0.0f),
               FV_A_FLOAT("filter_value", -1e20f), FV_A_INT("min_tokens_to_keep", 0),
               FV_A_FLOAT("presence_penalty", 0.0f), FV_A_INT("custom", 0)},
     .types = {{"I", FV_SET(I32)}, {"T", FV_SET(F32)}},
     .infer = infer,
     .handed = hand,
     .decompose = decompose},

    {0}};
