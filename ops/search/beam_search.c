/* beam_search.c - BeamSearch and WhisperBeamSearch: for each prompt, find the sequences of tokens
 * with the highest scores of a graph, several of them at a time. */
#include "ir/base/limits.h"
#include "ir/dim/text.h"
#include "ir/graph/infer.h"
#include "ir/rule/body.h"
#include "ops/attention/attend.h"
#include "ops/common/dims.h"
#include "ops/search/search_cross.h"
#include "ops/search/search_encoder.h"

enum {
    IDS,
    MAX_LENGTH,
    MIN_LENGTH,
    BEAMS,
    RETURNED,
    LENGTH_PENALTY,
    PENALTY,
    ALLOWED,
    ALLOWED_FIRST,
    MASK,
    DECODER_IDS,
    PROCESSOR
};
enum {
    /* further operands of WhisperBeamSearch */
    CROSS_HEADS = PROCESSOR + 1,
    FORCED_IDS,
    TEMPERATURE
};
enum {
    /* the last two are results of WhisperBeamSearch only */
    OUT_SEQUENCES,
    OUT_SCORES,
    OUT_ALL_SCORES,
    OUT_CROSS,
    OUT_NO_SPEECH
};

typedef struct beam_search {
    fv_search s;
    /* for each prompt: number of tokens that an iteration considers; number of returned
     * sequences */
    const fv_dim *candidates, *returned;
    bool early; /* whether the search ends when as many sequences have ended as there are beams */
    fv_timestamps times;
} beam_search;

/* Checks that no more sequences are returned than there are beams. */
static bool check_counts(const beam_search *b) {
    const fv_search *s = &b->s;
    fv_module *m = fv_op_module(s->op);
    const char *says = fv_printf(m->arena, "%s <= %s", fv_dim_str(m->arena, b->returned),
                                 fv_dim_str(m->arena, s->size.beams));
    return fv_infer_at_least(s->op, s->size.beams, 1, "beams") &&
           fv_infer_at_least(s->op, b->returned, 1, "sequences to return") &&
           (fv_module_require(m, fv_dim_max(s->t, s->size.beams, b->returned), s->size.beams,
                              fv_op_why(s->op, "as many beams as sequences"), says) ||
            fv_op_error(s->op, "num_return_sequences is %s, num_beams %s",
                        fv_dim_str(m->arena, b->returned), fv_dim_str(m->arena, s->size.beams)));
}

/* Whether the scores of all iterations are returned. */
static bool gives_all(const fv_op *op) {
    return op->nout > OUT_ALL_SCORES && op->out[OUT_ALL_SCORES];
}

static bool is_whisper(const fv_op *op) {
    return fv_op_is(op, FV_OP_com_microsoft_WhisperBeamSearch);
}

static bool gives(const fv_op *op, int out) {
    return op->nout > out && op->out[out];
}

static bool check_left_out(const fv_op *op, const fv_dim *beams) {
    if (gives_all(op) && !fv_dim_is_const(beams))
        return fv_op_error(op, "output 'scores' is supported only where num_beams is a constant");
    return !is_whisper(op) || !gives(op, OUT_CROSS) || fv_op_int(op, "decoder_output_cross_qk") ||
           fv_op_error(op, "output 'cross_qk' needs decoder_output_cross_qk = 1, and a decoder "
                           "that gives such scores of each layer");
}

/* Whether cross-attention scores are requested. */
static bool shows(const fv_op *op) {
    return is_whisper(op) && gives(op, OUT_CROSS);
}

static fv_value *pairs_of(const fv_op *op) {
    return fv_op_in(op, CROSS_HEADS);
}

static bool read_model(fv_op *op, fv_search *s) {
    int64_t model = fv_op_int(op, "model_type");
    const fv_type *ids = op->in[IDS]->type;
    if (is_whisper(op) ? model != FV_SEARCH_AUDIO
                       : model < FV_SEARCH_DECODER || model > FV_SEARCH_AUDIO)
        return fv_op_error(op, "model_type is %lld, expected %s", (long long)model,
                           is_whisper(op) ? "2" : "0, 1 or 2");
    s->model = (fv_search_model)model;
    if (model == FV_SEARCH_AUDIO ? ids->rank != 3 || ids->elem == FV_I32
                                 : ids->rank != 2 || ids->elem != FV_I32)
        return fv_op_error(op, "input 'input_ids' is %s, expected %s where model_type is %lld",
                           fv_type_str(fv_op_module(op)->arena, ids),
                           model == FV_SEARCH_AUDIO ? "floats [batch, features, frames]"
                                                    : "i32 [batch, tokens]",
                           (long long)model);
    return true;
}

/* Reads the tokens with which answers begin, for models with an encoder. */
static bool read_answers(fv_op *op, fv_search *s) {
    const fv_value *first = fv_op_in(op, DECODER_IDS);
    int64_t start = fv_op_int(op, "decoder_start_token_id");
    s->size.prompt =
        first && s->model == FV_SEARCH_AUDIO ? first->type->dims[1] : fv_dim_const(s->t, 1);
    if (first && s->model != FV_SEARCH_AUDIO)
        return fv_op_error(op, "decoder_input_ids is for model_type 2, and model_type is %d",
                           (int)s->model);
    if (s->mask && s->model == FV_SEARCH_AUDIO)
        return fv_op_error(op, "attention_mask is for tokens, and model_type is 2");
    if (!first && (start < 0 || start > INT32_MAX))
        return fv_op_error(
            op, "decoder_start_token_id is %lld, expected the token that answers begin with",
            (long long)start);
    return fv_search_has_dims(op, DECODER_IDS, 2,
                              (const fv_dim *[]){s->size.batch, s->size.prompt});
}

/* The token of silence, given by either of two attributes. */
static int64_t no_speech_token(const fv_op *op) {
    int64_t newer = fv_op_int(op, "no_speech_token_id");
    return newer >= 0 ? newer : fv_op_int(op, "no_speech_token");
}

static int64_t token(const fv_op *op, const char *name) {
    return is_whisper(op) ? fv_op_int(op, name) : -1;
}

/* Reads the rules for Whisper's tokens of times, which apply if logits_processor is 1; attributes
 * of WhisperBeamSearch state which tokens these are. */
static void read_times(fv_op *op, beam_search *b) {
    int64_t processor;
    b->times = (fv_timestamps){.processor = fv_op_in(op, PROCESSOR),
                               .first = token(op, "beginning_timestamp_token_id"),
                               .end = b->s.end,
                               .start = fv_op_int(op, "decoder_start_token_id"),
                               .none = token(op, "no_timestamps_token_id"),
                               .language_model = token(op, "start_of_lm_token_id"),
                               .translate = token(op, "translate_token_id"),
                               .transcribe = token(op, "transcribe_token_id")};
    bool off =
        !b->times.processor || (fv_known_int(b->times.processor, &processor) && processor != 1);
    b->s.scores.times = b->s.model == FV_SEARCH_AUDIO && !off ? &b->times : NULL;
}

static bool read(fv_op *op, beam_search *b) {
    const fv_dim *const *ids = fv_in_type(op, IDS)->dims;
    fv_search *s = &b->s;
    *b = (beam_search){.returned = fv_search_number(op, RETURNED),
                       .early = fv_op_int(op, "early_stopping") != 0};
    *s = (fv_search){.op = op,
                     .t = fv_op_module(op)->dims,
                     .size.batch = ids[0],
                     .size.beams = fv_search_number(op, BEAMS),
                     .size.prompt = ids[1],
                     .size.most = fv_search_number(op, MAX_LENGTH),
                     .pad = fv_op_int(op, "pad_token_id"),
                     .end = fv_op_int(op, "eos_token_id"),
                     .ids = op->in[IDS],
                     .source = op->in[IDS],
                     .mask = fv_op_in(op, MASK),
                     .scores.min_length = fv_op_in(op, MIN_LENGTH),
                     .scores.penalty = fv_op_in(op, PENALTY),
                     .scores.allowed = fv_op_in(op, ALLOWED),
                     .scores.allowed_first = fv_op_in(op, ALLOWED_FIRST),
                     .scores.divisor = is_whisper(op) ? fv_op_in(op, TEMPERATURE) : NULL,
                     .scores.forced = is_whisper(op) ? fv_op_in(op, FORCED_IDS) : NULL,
                     .graphs.shows = is_whisper(op) && fv_op_int(op, "decoder_output_cross_qk"),
                     .scores.ngram = fv_op_int(op, "no_repeat_ngram_size")};
    if (!b->returned || !s->size.beams || !s->size.most || !read_model(op, s) ||
        (s->model && !read_answers(op, s)))
        return false;
    read_times(op, b);
    s->size.rows = fv_dim_mul(s->t, s->size.batch, s->size.beams);
    b->candidates = fv_dim_mul(s->t, s->size.beams, fv_dim_const(s->t, 2));
    return fv_search_check(s) && check_left_out(op, s->size.beams) && check_counts(b);
}

static bool read_graphs(fv_search *s) {
    return s->model ? fv_search_read_encoded(s) : fv_search_read_graphs(s);
}

static bool hand(fv_op *op, const char *region, int n, const fv_type *const *declared,
                 const fv_type **types) {
    beam_search b;
    return read(op, &b) &&
           (b.s.model ? fv_search_hand_encoded : fv_search_hand)(&b.s, region, n, declared, types);
}

static bool is_of(const fv_search *s, int64_t token) {
    return token >= 0 && token < s->graphs.vocabulary->value;
}

/* Checks that tokens that only some results need are in the vocabulary. */
static bool check_tokens(const fv_search *s) {
    int64_t silence = gives(s->op, OUT_NO_SPEECH) ? no_speech_token(s->op) : 0;
    if (s->scores.times && (s->scores.times->first == 0 || !is_of(s, s->scores.times->first)))
        return fv_op_error(s->op,
                           "logits_processor 1 needs %sbeginning_timestamp_token_id, a token of "
                           "the vocabulary above 0; it is %lld",
                           is_whisper(s->op) ? "" : "WhisperBeamSearch's ",
                           (long long)s->scores.times->first);
    return is_of(s, silence) ||
           fv_op_error(s->op, "no_speech_token_id is %lld, which is no token of the vocabulary",
                       (long long)silence);
}

/* Infers the cross-attention scores; the number of iterations is known in the run only. */
static void infer_shown(const beam_search *b) {
    const fv_search *s = &b->s;
    const fv_dim *all =
        fv_dim_mul(s->t, fv_dim_const(s->t, fv_search_shown_layers(s)), fv_search_shown_heads(s));
    const fv_dim *dims[5] = {s->size.batch, b->returned,
                             pairs_of(s->op) ? pairs_of(s->op)->type->dims[0] : all, NULL,
                             fv_search_frames(s)};
    fv_infer_run_time(s->op, OUT_CROSS, FV_F32, 5, dims);
}

static bool infer(fv_op *op) {
    beam_search b;
    const fv_search *s = &b.s;
    if (!read(op, &b) || !read_graphs(&b.s) || !check_tokens(s) ||
        !fv_infer_at_least(op, s->graphs.vocabulary, 2, "tokens in the vocabulary") ||
        !fv_search_has_dims(op, ALLOWED, 1, &s->graphs.vocabulary) ||
        !fv_search_has_dims(op, ALLOWED_FIRST, 2,
                            (const fv_dim *[]){s->size.batch, s->graphs.vocabulary}) ||
        (s->scores.forced && !fv_search_has_dims(op, FORCED_IDS, 1, &s->size.batch)) ||
        (shows(op) &&
         !fv_search_has_dims(op, CROSS_HEADS, 2,
                             (const fv_dim *[]){pairs_of(op) ? pairs_of(op)->type->dims[0] : NULL,
                                                fv_dim_const(s->t, 2)})) ||
        (s->mask && !fv_search_has_dims(op, MASK, 2, fv_in_type(op, IDS)->dims)))
        return false;
    const fv_type *penalty =
        fv_in_type(op, LENGTH_PENALTY) ? fv_in_type(op, LENGTH_PENALTY) : fv_in_type(op, PENALTY);
    fv_elem e = penalty ? penalty->elem : FV_F32;
    fv_infer_out(op, OUT_SEQUENCES, FV_I32, 3,
                 (const fv_dim *[]){s->size.batch, b.returned, s->size.most});
    fv_infer_out(op, OUT_SCORES, e, 2, (const fv_dim *[]){s->size.batch, b.returned});
    fv_infer_out(op, OUT_ALL_SCORES, e, 4,
                 (const fv_dim *[]){fv_dim_sub(s->t, s->size.most, s->size.prompt), s->size.batch,
                                    s->size.beams, s->graphs.vocabulary});
    fv_infer_out(op, OUT_NO_SPEECH, e, 1, &s->size.batch);
    if (shows(op))
        infer_shown(&b);
    return true;
}

/* ---- sequences that have ended ---- */

/* The sequences found for each prompt, as many as there are beams, the best first. */
typedef struct found {
    fv_value *scores; /* f32 [batch, beams]; -infinity: no sequence */
    /* i32 [batch, beams, most]; if cross-attention scores are requested, followed by as many
     * elements for paths */
    fv_value *tokens;
} found;

static const fv_dim *width(const fv_search *s) {
    return shows(s->op) ? fv_dim_mul(s->t, s->size.most, fv_dim_const(s->t, 2)) : s->size.most;
}

/* Tokens [.., most], followed by the paths of the same sequences if these are needed. */
static fv_value *with_paths(fv_rewriter *w, const fv_search *s, fv_value *tokens, fv_value *paths) {
    fv_attr axis = fv_attr_int(w->module, "axis", -1);
    return shows(s->op) ? fv_w_op(w, FV_OP_Concat, 2, (fv_value *[]){tokens, paths}, 1, &axis)
                        : tokens;
}

static found none_found(fv_rewriter *w, const fv_search *s) {
    return (found){FV_CALL(w, "no_scores", FV_DIM(s->size.batch), FV_DIM(s->size.beams)),
                   FV_CALL(w, "only_padding", FV_DIM(s->size.batch), FV_DIM(s->size.beams),
                           FV_DIM(width(s)), FV_INT(s->pad))};
}

/* The n best of both; of equal ones those that were found earlier. */
static found best_of(fv_rewriter *w, const found *f, const found *more, const fv_dim *n) {
    fv_value *v[2];
    FV_CALL_N(w, 2, v, "best_of", {f->scores}, {f->tokens}, {more->scores}, {more->tokens},
              FV_DIM(n));
    return (found){v[0], v[1]};
}

/* Those for which `which` is true, with these sums of scores. */
static found candidates(fv_rewriter *w, const fv_search *s, fv_value *which, fv_value *sums,
                        fv_value *tokens, const fv_dim *length) {
    return (found){FV_CALL(w, "candidate_scores", {which}, {sums}, FV_DIM(length),
                           {fv_op_in(s->op, LENGTH_PENALTY)}),
                   tokens};
}

/* ---- iterations ---- */

/* The values that are passed from one iteration to the next. */
typedef struct carried {
    fv_value *tokens; /* i32 [rows]: the last tokens */
    fv_value *sums;   /* f32 [batch, beams]: sums of the scores of all chosen tokens */
    fv_value *done;   /* bool [batch, 1] */
    found found;
    fv_sequences q;
    fv_value **pasts;
    /* f32 [batch, beams, vocabulary]: the sums with each possible token; set after an iteration
     * only */
    fv_value *scores;
    fv_value *paths; /* i32 [rows, most]; NULL: not needed (search_cross.h) */
} carried;

static carried begin(fv_rewriter *w, const fv_search *s) {
    return (carried){.sums = FV_CALL(w, "first_sums", FV_DIM(s->size.batch), FV_DIM(s->size.beams)),
                     .done = FV_CALL(w, "not_done", FV_DIM(s->size.batch)),
                     .found = none_found(w, s),
                     .q = fv_w_sequences(w, s),
                     .paths = shows(s->op) ? fv_w_no_path(w, s) : NULL};
}

static fv_sequences of_parents(fv_rewriter *w, const fv_sequences *q, fv_value *parents) {
    return (fv_sequences){.tokens = FV_CALL(w, "taken_rows", {q->tokens}, {parents}),
                          .seen = q->seen ? FV_CALL(w, "taken_rows", {q->seen}, {parents}) : NULL,
                          .length = q->length};
}

/* Chooses the best tokens after all beams of a prompt: sequences that end are recorded as found,
 * the others continue. */
static carried advance(fv_rewriter *w, const beam_search *b, const carried *r, const fv_decoded *d,
                       bool first) {
    const fv_search *s = &b->s;
    enum { SUM, TOKEN, PARENT, ENDS, COUNT };
    const fv_dim *zero = fv_dim_const(s->t, 0), *length = r->q.length,
                 *each[3] = {s->size.batch, s->size.beams, s->graphs.vocabulary};
    fv_value *likely = FV_CALL(w, "likely", {d->scores}), *best[5], *open[3];
    fv_value *scores =
        fv_w_search_scores(w, s, first ? fv_w_for_rows(w, s, likely) : likely, &r->q, first);
    scores = FV_CALL(w, "sums_with", {scores}, {r->sums});
    FV_CALL_N(w, 5, best, "best_tokens", {scores}, FV_DIM(b->candidates), FV_DIM(s->size.beams),
              FV_DIM(s->graphs.vocabulary), FV_INT(s->end), {r->done});
    fv_value *path = !r->paths || first ? r->paths : fv_w_path(w, s, r->paths, length);
    fv_value *ended = FV_CALL(w, "taken_rows", {with_paths(w, s, r->q.tokens, path)},
                              {fv_w_part(w, best[PARENT], 1, zero, s->size.beams)});
    found more = candidates(w, s, best[COUNT], fv_w_part(w, best[SUM], 1, zero, s->size.beams),
                            ended, length);
    carried next = {.scores = fv_w_reshape(w, scores, 3, each),
                    .found = best_of(w, &r->found, &more, s->size.beams),
                    .pasts = FV_NEW(w->module->arena, fv_value *, s->graphs.layers)};
    fv_value *enough = FV_CALL(w, "enough", {next.found.scores}, {best[SUM]}, FV_DIM(length),
                               {fv_op_in(s->op, LENGTH_PENALTY)}, FV_INT(b->early));
    next.done = FV_W2(w, FV_OP_Or, r->done, enough);
    FV_CALL_N(w, 3, open, "open_tokens", {best[SUM]}, {best[TOKEN]}, {best[PARENT]}, {best[ENDS]},
              FV_DIM(s->size.beams));
    next.sums = open[SUM];
    next.tokens = open[TOKEN];
    fv_sequences before = of_parents(w, &r->q, open[PARENT]);
    next.paths = path ? FV_CALL(w, "taken_rows", {path}, {open[PARENT]}) : NULL;
    next.q = fv_w_append(w, s, &before, next.tokens);
    for (int i = 0; i < s->graphs.layers; i++)
        next.pasts[i] = FV_CALL(w, "taken_pasts", {d->presents[i]}, {open[PARENT]},
                                FV_DIM(first ? s->size.beams : fv_dim_const(s->t, 1)),
                                FV_INT(s->graphs.row_axis));
    return next;
}

/* States of the Loop; pack lists them and returns their number. */
enum { TOKENS, SUMS, DONE, FOUND_SCORES, FOUND_TOKENS, SEQUENCES, STATES };

static int pack(const fv_search *s, const carried *r, fv_value **states) {
    states[TOKENS] = r->tokens;
    states[SUMS] = r->sums;
    states[DONE] = r->done;
    states[FOUND_SCORES] = r->found.scores;
    states[FOUND_TOKENS] = r->found.tokens;
    states[SEQUENCES] = r->q.tokens;
    states[STATES] = r->paths;
    return fv_search_pack(s, r->q.seen, r->pasts, STATES + shows(s->op), states);
}

static carried unpack(const fv_search *s, int n, fv_value **states, const fv_dim *length) {
    fv_sequences q = {.tokens = states[SEQUENCES],
                      .seen = fv_search_sees(s) ? states[STATES + shows(s->op)] : NULL,
                      .length = length};
    return (carried){.tokens = states[TOKENS],
                     .sums = states[SUMS],
                     .done = states[DONE],
                     .q = q,
                     .pasts = states + n - s->graphs.layers,
                     .found = {states[FOUND_SCORES], states[FOUND_TOKENS]},
                     .paths = shows(s->op) ? states[STATES] : NULL};
}

static fv_value *goes_on(fv_rewriter *w, const fv_search *s, const carried *r) {
    return fv_w_any_not(w, fv_w_reshape(w, r->done, 1, &s->size.batch));
}

/* Returns, for the returned sequences, whose paths follow their tokens, the scores of all
 * iterations, f32 [iterations, rows, pairs, frames]. */
static void give_shown(fv_rewriter *w, const beam_search *b, fv_value *sequences, fv_value *turns) {
    const fv_search *s = &b->s;
    const fv_type *t = s->op->out[OUT_CROSS]->type;
    fv_value *v =
        fv_w_shown_along(w, s, turns, fv_w_part(w, sequences, 2, s->size.most, s->size.most));
    if (!v)
        return;
    fv_w_bind(w, fv_w_ints(w, FV_I64, 1, 1, &turns->type->dims[0]), 1, &t->dims[3]);
    fv_w_result(w, OUT_CROSS, fv_w_reshape(w, v, 5, t->dims));
}

/* Sets the results, from the sequences that were found and those of maximum length. shown: NULL, or
 * the cross-attention scores of all iterations. */
static void give(fv_rewriter *w, const beam_search *b, const carried *r, fv_value *shown) {
    const fv_search *s = &b->s;
    const fv_op *op = s->op;
    const fv_dim *dims[3] = {s->size.batch, s->size.beams, width(s)},
                 *given[3] = {s->size.batch, b->returned, dims[2]};
    fv_value *open = fv_w_expand(w, FV_W1(w, FV_OP_Not, r->done), 2, dims);
    found more =
        candidates(w, s, open, r->sums,
                   fv_w_reshape(w, with_paths(w, s, r->q.tokens, r->paths), 3, dims), s->size.most);
    found all = best_of(w, &r->found, &more, b->returned);
    all.tokens = shown ? fv_w_reshape(w, all.tokens, 3, given) : all.tokens;
    if (shown)
        give_shown(w, b, all.tokens, shown);
    if (op->out[OUT_SEQUENCES])
        fv_w_result(w, OUT_SEQUENCES,
                    shown ? fv_w_part(w, all.tokens, 2, fv_dim_const(s->t, 0), s->size.most)
                          : all.tokens);
    if (op->nout > OUT_SCORES && op->out[OUT_SCORES])
        fv_w_result(w, OUT_SCORES, fv_w_cast(w, all.scores, op->out[OUT_SCORES]->type->elem));
}

/* Returns the scores of all iterations, of which the first one is separate; zeros for iterations
 * that do not run. */
static void give_scores(fv_rewriter *w, fv_value *first, fv_value *rows) {
    fv_w_result(w, OUT_ALL_SCORES, FV_CALL(w, "all_scores", {first}, {rows}));
}

/* Returns the probability that the first token is that of silence. */
static void give_no_speech(fv_rewriter *w, const fv_search *s, fv_value *scores) {
    fv_w_result(w, OUT_NO_SPEECH, FV_CALL(w, "silence", {scores}, FV_INT(no_speech_token(s->op))));
}

/* i32 [batch, prompt]: the tokens with which the answers of a model with an encoder begin. */
static fv_value *answers(fv_rewriter *w, const fv_search *s) {
    fv_value *first = fv_op_in(s->op, DECODER_IDS);
    return first ? first
                 : fv_w_expand(w, fv_w_int(w, FV_I32, fv_op_int(s->op, "decoder_start_token_id")),
                               2, (const fv_dim *[]){s->size.batch, s->size.prompt});
}

static bool decompose(fv_rewriter *w, fv_op *op) {
    fv_arena *a = w->module->arena;
    beam_search b;
    const fv_search *s = &b.s;
    if (!read(op, &b) || !read_graphs(&b.s))
        return false;
    int rows = gives_all(op) + shows(op);
    fv_value **states = FV_NEW(a, fv_value *, STATES + 2 + s->graphs.layers + rows);
    const fv_type **seen = FV_NEW(a, const fv_type *, STATES + 2 + s->graphs.layers);
    const fv_dim *one = fv_dim_const(s->t, 1),
                 *times = fv_dim_sub(s->t, fv_dim_sub(s->t, s->size.most, s->size.prompt), one);
    if (s->model)
        b.s.ids = answers(w, s);
    fv_prompts p = s->model ? fv_w_encoder_prompts(w, s) : fv_w_prompts(w, s);
    fv_decoded d = s->model ? fv_w_encode(w, s, &p) : fv_w_decode_prompts(w, s, &p);
    if (gives(op, OUT_NO_SPEECH))
        give_no_speech(w, s, d.scores);
    carried r = begin(w, s);
    r = advance(w, &b, &r, &d, true);
    fv_value *first = r.scores;
    int n = pack(s, &r, states);
    for (int i = 0; i < s->graphs.layers; i++)
        seen[n - s->graphs.layers + i] = fv_search_past_type(s, i);
    fv_search_loop k = fv_w_search_loop(w, s, times, goes_on(w, s, &r), n, rows, states, seen);
    if (w->failed)
        return false;
    r = unpack(s, n, k.state, fv_dim_add(s->t, s->graphs.past, one));
    d = s->model ? fv_w_decode_encoded(&k.w, s, &p, &r.q, r.tokens, r.pasts)
                 : fv_w_decode_tokens(&k.w, s, &p, r.tokens, r.pasts);
    r = advance(&k.w, &b, &r, &d, false);
    pack(s, &r, states);
    if (gives_all(op))
        states[n] = r.scores;
    if (shows(op))
        states[n + gives_all(op)] = fv_w_shown(&k.w, s, &d, pairs_of(op));
    fv_w_search_loop_end(w, &k, goes_on(&k.w, s, &r), n + rows, states);
    if (w->failed)
        return false;
    if (gives_all(op))
        give_scores(w, first, k.loop->out[n]);
    r = unpack(s, n, k.loop->out, s->size.most);
    give(w, &b, &r, shows(op) ? k.loop->out[n + gives_all(op)] : NULL);
    return !w->failed;
}

#define OPTIONAL FV_OPTIONAL_OPERAND
#define OPERANDS                                                                                   \
    {"input_ids", "F", .rank = FV_RANKS(2, 3)}, {"max_length", "I", .rank = FV_SCALAR},            \
        {"min_length", "I", OPTIONAL, .rank = FV_SCALAR}, {"num_beams", "I", .rank = FV_SCALAR},   \
        {"num_return_sequences", "I", .rank = FV_SCALAR},                                          \
        {"length_penalty", "T", OPTIONAL, .rank = FV_SCALAR},                                      \
        {"repetition_penalty", "T", OPTIONAL, .rank = FV_SCALAR},                                  \
        {"vocab_mask", "I", OPTIONAL, .rank = FV_RANK(1)},                                         \
        {"prefix_vocab_mask", "I", OPTIONAL, .rank = FV_RANK(2)},                                  \
        {"attention_mask", "I", OPTIONAL, .rank = FV_RANK(2)},                                     \
        {"decoder_input_ids", "I", OPTIONAL, .rank = FV_RANK(2)}, {                                \
        "logits_processor", "I", OPTIONAL, .rank = FV_SCALAR                                       \
    }
#define RESULTS                                                                                    \
    {"sequences", "I"}, {"sequences_scores", "T", OPTIONAL}, {                                     \
        "scores", "T", OPTIONAL                                                                    \
    }
#define ATTRS(model)                                                                               \
    FV_A_OPTIONAL("encoder", REGION), FV_A_REQUIRED("decoder", REGION),                            \
        FV_A_REGION_LIKE("init_decoder", "decoder"), FV_A_REQUIRED("eos_token_id", INT),           \
        FV_A_REQUIRED("pad_token_id", INT), FV_A_INT("decoder_start_token_id", -1),                \
        FV_A_INT("no_repeat_ngram_size", 0), FV_A_INT("early_stopping", 0),                        \
        FV_A_INT("model_type", (model)), FV_A_INT("vocab_size", -1)
#define TYPES                                                                                      \
    {"F", FV_SET(I32) | FV_SET(F32) | FV_SET(F16)}, {"I", FV_SET(I32)}, {                          \
        "T", FV_SET(F32) | FV_SET(F16)                                                             \
    }

const fv_opdef fv_ops_beam_search[] = {
    {.domain = "com.microsoft",
     .name = "BeamSearch",
     .since = {1},
     .doc = "continues each prompt by beam search with the scores of a "
            "graph, up to a maximum length or an end token; the best "
            "sequences",
     .in = {OPERANDS},
     .out = {RESULTS},
     .attrs = {ATTRS(FV_SEARCH_DECODER)},
     .types = {TYPES},
     .infer = infer,
     .handed = hand,
     .needs = fv_search_needs,
     .decompose = decompose},
    {.domain = "com.microsoft",
     .name = "WhisperBeamSearch",
     .id = FV_OP_com_microsoft_WhisperBeamSearch,
     .since = {1},
     .doc = "the same of features of sound, which an encoder reads, with rules for timestamp "
            "tokens; how likely the sound is silence, and which frames tokens are of",
     .in = {OPERANDS,
            {"cross_qk_layer_head", "I", OPTIONAL, .rank = FV_RANK(2)},
            {"extra_decoding_ids", "I", OPTIONAL, .rank = FV_RANK(2)},
            {"temperature", "T", OPTIONAL, .rank = FV_SCALAR}},
     .out = {RESULTS, {"cross_qk", "V", OPTIONAL}, {"non_speech_probs", "T", OPTIONAL}},
     .attrs = {ATTRS(FV_SEARCH_AUDIO), FV_A_INT("decoder_output_cross_qk", 0),
               FV_A_INT("no_speech_token", -1), FV_A_INT("no_speech_token_id", -1),
               FV_A_INT("translate_token_id", -1), FV_A_INT("transcribe_token_id", -1),
               FV_A_INT("start_of_lm_token_id", -1), FV_A_INT("no_timestamps_token_id", -1),
               FV_A_INT("beginning_timestamp_token_id", -1)},
     .types = {TYPES, {"V", FV_SET(F32)}},
     .infer = infer,
     .handed = hand,
     .needs = fv_search_needs,
     .decompose = decompose},

    {0}};
