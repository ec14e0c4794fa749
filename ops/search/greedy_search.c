/* greedy_search.c - GreedySearch and Sampling: after each prompt, repeatedly append the token with
 * the highest score of a graph, or one that is drawn according to the scores. */
#include <float.h>

#include "ir/graph/infer.h"
#include "ir/rule/body.h"
#include "ops/attention/attend.h"
#include "ops/elementwise/random.h"
#include "ops/search/search.h"

enum { IDS, MAX_LENGTH, MIN_LENGTH, PENALTY, ALLOWED, ALLOWED_FIRST, MASK, PRESENCE, SEED };

static bool draws(const fv_op *op) {
    return fv_op_is(op, FV_OP_com_microsoft_Sampling);
}

/* Reads the further attributes of Sampling. */
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

/* Scores in which those of excluded tokens have the value of the attribute filter_value. */
static fv_value *filter(fv_rewriter *w, const fv_search *s, fv_value *scores) {
    float top = fv_op_float(s->op, "top_p");
    return FV_CALL(w, "filtered", {scores}, FV_FLOAT((double)top), FV_FLOAT((double)(1 - top)),
                   FV_INT(fv_op_int(s->op, "min_tokens_to_keep")),
                   FV_FLOAT((double)fv_op_float(s->op, "filter_value")),
                   FV_INT(fv_op_int(s->op, "custom") != 0));
}

/* Draws a token for each sequence, by random numbers f64 [1, batch]. */
static fv_value *drawn(fv_rewriter *w, const fv_search *s, fv_value *scores, fv_value *numbers) {
    const fv_dim *column[2] = {s->size.batch, fv_dim_const(s->t, 1)};
    fv_value *at =
        FV_CALL(w, "picked_classes", {filter(w, s, scores)}, {fv_w_reshape(w, numbers, 2, column)});
    return FV_CALL(w, "at_most_last", {at}, FV_DIM(s->graphs.vocabulary));
}

/* ---- iterations ---- */

/* The values that are passed from one iteration to the next. */
typedef struct carried {
    fv_value *tokens; /* i32 [rows]: the last tokens */
    fv_value *ended;  /* bool [rows] */
    fv_sequences q;
    fv_value **pasts;
} carried;

/* Chooses the next token; padding if the sequence has ended. `ended` NULL: it is the first token.
 * numbers: random numbers for drawing tokens, f64 [iterations, batch], or NULL. */
static carried choose(fv_rewriter *w, const fv_search *s, const fv_sequences *q, fv_value *ended,
                      const fv_decoded *d, fv_value *numbers) {
    fv_value *scores = fv_w_search_scores(w, s, d->scores, q, !ended), *v[2];
    const fv_dim *turn = fv_dim_sub(s->t, q->length, s->size.prompt);
    fv_value *next =
        numbers ? drawn(w, s, scores, fv_w_part(w, numbers, 0, turn, fv_dim_const(s->t, 1)))
                : FV_CALL(w, "best_token", {scores});
    FV_CALL_N(w, 2, v, "next_token", {next}, {ended}, FV_INT(s->end), FV_INT(s->pad));
    return (carried){
        .tokens = v[0], .ended = v[1], .pasts = d->presents, .q = fv_w_append(w, s, q, v[0])};
}

/* States of the Loop; pack lists them and returns their number. */
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
     .doc = "continues each prompt by the token with the highest score of a "
            "graph, until all sequences have ended or have the maximum "
            "length",
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
     .distinct = FV_DRAWS,
     .doc = "continues each prompt by a token drawn by the scores of a "
            "graph, until all sequences have ended or have the maximum "
            "length",
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
