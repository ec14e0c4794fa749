/* search_encoder.c - the graphs of a search with an encoder. The encoder reads tokens (T5) or
 * features of audio (Whisper) and computes the keys and values that all tokens of the answer attend
 * to; the decoder scores the token after the answer so far. In most models the encoder's graph also
 * contains the decoder for the first tokens; otherwise there is a second decoder, init_decoder. */
#include "ops/search/search_encoder.h"
#include "ir/rule/body.h"

#include <string.h>

#include "ir/base/limits.h"
#include "ir/dim/text.h"
#include "ir/graph/infer.h"
#include "ops/attention/attend.h"
#include "ops/common/dims.h"

enum {
    /* inputs of an encoder, followed by the first tokens of the answer */
    SOURCE,
    SOURCE_MASK
};
enum {
    /* outputs of an encoder that scores the first tokens; keys and values for later tokens
     * follow */
    LOGITS,
    HIDDEN,
    FIRST_SELF
};
enum { PRESENTS = 1 }; /* outputs of a decoder: first the logits, then the keys and values */
enum {
    /* pasts: keys and values of previous tokens, and of the encoder's output */
    PER_LAYER = 4
};

static const char *str(const fv_search *s, const fv_type *t) {
    return t ? fv_type_str(fv_op_module(s->op)->arena, t) : "nothing";
}

static const fv_dim *num(const fv_search *s, int64_t v) {
    return fv_dim_const(s->t, v);
}

static bool is_tensor(const fv_type *t, int rank, fv_elem_set elems) {
    return t && t->kind == FV_TENSOR && t->rank == rank && elems >> t->elem & 1;
}

#define FLOATS (FV_SET(F32) | FV_SET(F16))

static const fv_type *tensor(const fv_search *s, fv_elem e, int rank, const fv_dim *const *dims) {
    return fv_tensor_type(fv_op_module(s->op)->arena, e, rank, dims);
}

/* Type t with another number of rows. */
static const fv_type *of_rows(const fv_search *s, const fv_type *t, const fv_dim *rows) {
    const fv_dim *dims[FV_MAX_RANK] = {rows};
    for (int i = 1; i < t->rank; i++)
        dims[i] = t->dims[i];
    return tensor(s, t->elem, t->rank, dims);
}

/* ---- the encoder ---- */

static const fv_region *encoder_of(const fv_op *op) {
    const fv_attr *a = fv_op_find_attr(op, "encoder");
    return a && a->kind == FV_ATTR_REGION ? a->u.region : NULL;
}

static int source_inputs(const fv_search *s) {
    return s->model == FV_SEARCH_TEXT ? SOURCE_MASK + 1 : SOURCE + 1;
}

/* Whether the encoder's graph scores the first tokens of answers. */
static bool scores_first(const fv_search *s, const fv_region *encoder) {
    return encoder->nparams > source_inputs(s);
}

bool fv_search_needs(const fv_op *op, const char *region) {
    const fv_region *e = encoder_of(op);
    int64_t model = fv_op_int(op, "model_type");
    return strcmp(region, "init_decoder") != 0 || model == FV_SEARCH_DECODER ||
           (model == FV_SEARCH_TEXT && e && e->nparams == SOURCE_MASK + 1);
}

static bool encoder_types(const fv_search *s, int n, const fv_type *const *declared,
                          const fv_type **types) {
    const fv_type *source = s->source->type;
    const fv_dim *first[2] = {s->size.batch, s->size.prompt};
    int k = source_inputs(s);
    bool text = s->model == FV_SEARCH_TEXT;
    if (text ? n != k && n != k + 1 : n != k + 1)
        return fv_op_error(
            s->op, "its encoder has %d inputs, expected %s", n,
            text ? "encoder_input_ids, encoder_attention_mask, and perhaps decoder_input_ids"
                 : "encoder_input_ids and decoder_input_ids");
    if (!fv_search_declares(s, "encoder", 0, 1, declared, source->elem, source->rank) ||
        !fv_search_declares(s, "encoder", 1, n - 1, declared, FV_I32, 2))
        return false;
    types[SOURCE] = source;
    if (text)
        types[SOURCE_MASK] = source;
    if (n > k)
        types[k] = tensor(s, FV_I32, 2, first);
    return true;
}

/* The number of keys and values that the encoder's graph returns, of tokens or of its output; -1:
 * its results do not fit. */
static int keys_and_values(const fv_search *s, const fv_region *encoder) {
    bool scores = scores_first(s, encoder);
    int n = encoder->last->nin - (scores ? FIRST_SELF : 0);
    return n > 0 && n % (scores ? PER_LAYER : 2) == 0 ? n / (scores ? 2 : 1) : -1;
}

/* The index of the result with keys or values i of the encoder's output. */
static int cross_at(const fv_search *s, const fv_region *encoder, int i) {
    return encoder->last->nin - keys_and_values(s, encoder) + i;
}

static bool is_whole(const fv_region *r) {
    return r && r->last && r->last->def == &fv_return_def;
}

/* ---- inputs of a decoder ---- */

/* Indices of a decoder's inputs; -1: it has no such input. */
typedef struct inputs {
    /* pasts, cross: index of the first one; layers: number of keys and values, of which each layer
     * has two */
    int source, mask, hidden, pasts, cross, layers;
} inputs;

static bool read_inputs(const fv_search *s, const char *region, int n,
                        const fv_type *const *declared, inputs *out) {
    bool text = s->model == FV_SEARCH_TEXT;
    int k = 1;
    *out = (inputs){.source = -1, .mask = -1, .hidden = -1};
    if (text && n > 3 && is_tensor(declared[2], 2, FV_SET(I32)))
        out->source = k++;
    if (text)
        out->mask = k++;
    if (k < n && is_tensor(declared[k], 3, FLOATS))
        out->hidden = k++;
    out->pasts = k;
    if (n > k && declared[n - 1] && declared[n - 1]->kind == FV_TENSOR &&
        declared[n - 1]->elem == FV_I32 && n > 2)
        return fv_op_error(s->op,
                           "its %s takes the number of past tokens: a past in one memory with its "
                           "present is not supported",
                           region);
    if (n - k < PER_LAYER || (n - k) % PER_LAYER)
        return fv_op_error(s->op,
                           "its %s has %d inputs, expected input_ids, %sperhaps "
                           "encoder_hidden_states, and four pasts of each layer",
                           region, n, text ? "encoder_attention_mask, " : "");
    out->layers = (n - k) / 2;
    out->cross = k + out->layers;
    return true;
}

/* The type of keys or values of all previous tokens. */
static const fv_type *past_type(const fv_search *s, const char *region, int i,
                                const fv_type *declared, const fv_dim *rows, const fv_dim *past) {
    bool fits = is_tensor(declared, 4, FLOATS);
    for (int k = 1; fits && k < 4; k += 2)
        fits =
            declared->dims[k] && fv_dim_is_const(declared->dims[k]) && declared->dims[k]->value > 0;
    if (!fits) {
        fv_op_error(s->op,
                    "its %s declares input %d as %s, expected floats [batch, heads, past, size] of "
                    "which heads and size are numbers",
                    region, i, str(s, declared));
        return NULL;
    }
    return tensor(s, declared->elem, 4,
                  (const fv_dim *[]){rows, declared->dims[1], past, declared->dims[3]});
}

/* The type of a decoder's input i that is result `from` of the encoder, of that rank, for these
 * rows. */
static const fv_type *given_type(const fv_search *s, const char *region, int i, int from, int rank,
                                 const fv_dim *rows) {
    const fv_type *t = encoder_of(s->op)->last->in[from]->type;
    if (is_tensor(t, rank, FLOATS))
        return of_rows(s, t, rows);
    fv_op_error(s->op,
                "its %s takes as input %d what its encoder gives as output %d, %s, expected floats "
                "of rank %d",
                region, i, from, str(s, t), rank);
    return NULL;
}

static bool cross_types(const fv_search *s, const char *region, const inputs *in,
                        const fv_dim *rows, const fv_type **types) {
    const fv_region *e = encoder_of(s->op);
    if (keys_and_values(s, e) != in->layers)
        return fv_op_error(s->op, "its encoder has %d outputs, its %s %d pasts", e->last->nin,
                           region, 2 * in->layers);
    if (in->hidden >= 0 && !scores_first(s, e))
        return fv_op_error(
            s->op, "its %s takes encoder_hidden_states, which its encoder does not give", region);
    if (in->hidden >= 0 &&
        !(types[in->hidden] = given_type(s, region, in->hidden, HIDDEN, 3, rows)))
        return false;
    for (int i = 0; i < in->layers; i++)
        if (!(types[in->cross + i] =
                  given_type(s, region, in->cross + i, cross_at(s, e, i), 4, rows)))
            return false;
    return true;
}

/* Whether a decoder gets all tokens of the answer so far: if its model does not declare that it
 * gets one token. */
static bool takes_all(const fv_type *ids) {
    return !ids || ids->rank != 2 || !ids->dims[1] || !fv_dim_is_one(ids->dims[1]);
}

static bool decoder_types(const fv_search *s, const char *region, bool first, int n,
                          const fv_type *const *declared, const fv_type **types) {
    inputs in;
    if (!read_inputs(s, region, n, declared, &in) ||
        !fv_search_declares(s, region, 0, in.mask > 0 ? in.mask + 1 : 1, declared, FV_I32, 2))
        return false;
    const fv_dim *rows = first ? s->size.batch : s->size.rows,
                 *declared_past =
                     is_tensor(declared[in.pasts], 4, FLOATS) ? declared[in.pasts]->dims[2] : NULL;
    const fv_dim *past = first ? num(s, 0) : fv_search_past(s, declared_past);
    const fv_dim *ids[2] = {rows,
                            takes_all(declared[0]) ? fv_dim_add(s->t, past, num(s, 1)) : num(s, 1)};
    types[0] = tensor(s, FV_I32, 2, ids);
    if (in.source >= 0)
        types[in.source] = of_rows(s, s->source->type, rows);
    if (in.mask >= 0)
        types[in.mask] = of_rows(s, s->source->type, rows);
    for (int i = in.pasts; i < in.cross; i++)
        if (!(types[i] = past_type(s, region, i, declared[i], rows, past)))
            return false;
    return cross_types(s, region, &in, rows, types);
}

bool fv_search_hand_encoded(const fv_search *s, const char *region, int n,
                            const fv_type *const *declared, const fv_type **types) {
    const fv_region *e = encoder_of(s->op);
    if (!strcmp(region, "encoder"))
        return encoder_types(s, n, declared, types);
    if (!e)
        return fv_op_error(s->op, "attribute 'encoder' is missing");
    return is_whole(e) &&
           decoder_types(s, region, !strcmp(region, "init_decoder"), n, declared, types);
}

/* ---- types of the parameters and results of the encoder and the decoder ---- */

/* Checks that the types of the graph's parameters are those that it gets. */
static bool check_params(const fv_search *s, const char *region, const fv_region *r) {
    const fv_type **declared =
                      FV_NEW(fv_op_module(s->op)->arena, const fv_type *, 2 * r->nparams + 2),
                  **types = declared + r->nparams + 1;
    for (int i = 0; i < r->nparams; i++)
        declared[i] = r->params[i]->type;
    if (!fv_search_hand_encoded(s, region, r->nparams, declared, types))
        return false;
    for (int i = 0; i < r->nparams; i++)
        if (!fv_type_equal(declared[i], types[i]))
            return fv_op_error(s->op, "its %s takes input %d as %s, expected %s", region, i,
                               str(s, declared[i]), str(s, types[i]));
    return true;
}

/* Checks that the graph returns, from output `at` on, keys and values of that many tokens, with the
 * types of the inputs of `next`. */
static bool gives_presents(const fv_search *s, const char *region, const fv_region *r, int at,
                           const fv_dim *rows, const fv_dim *tokens) {
    for (int i = 0; i < s->graphs.layers; i++) {
        const fv_type *past = fv_search_past_type(s, i), *given = r->last->in[at + i]->type;
        const fv_dim *dims[4] = {rows, past->dims[1], tokens, past->dims[3]};
        const fv_type *expected = tensor(s, past->elem, 4, dims);
        if (!fv_search_assume(s, r->last, given, expected, "shape of a present"))
            return fv_op_error(s->op, "its %s gives output %d as %s, expected %s", region, at + i,
                               str(s, given), str(s, expected));
    }
    return true;
}

/* The type of the keys of the encoder's output in layer i. */
static const fv_type *cross_keys(const fv_search *s, int i) {
    return s->graphs.next->params[s->graphs.first_past + s->graphs.layers + 2 * i]->type;
}

/* Checks that the graph returns cross-attention scores for each head of each layer. */
static bool gives_shown(const fv_search *s, const fv_region *r) {
    for (int i = 0; i < s->graphs.layers / 2; i++) {
        int at = PRESENTS + s->graphs.layers + i;
        const fv_type *keys = cross_keys(s, i), *given = r->last->in[at]->type;
        const fv_type *expected = tensor(s, FV_F32, 4,
                                         (const fv_dim *[]){s->size.rows, cross_keys(s, 0)->dims[1],
                                                            num(s, 1), cross_keys(s, 0)->dims[2]});
        if (keys->dims[1] != expected->dims[1] ||
            !fv_search_assume(s, r->last, given, expected,
                              "shape of scores of the encoder's frames"))
            return fv_op_error(s->op, "its decoder gives output %d as %s, expected %s", at,
                               str(s, given), str(s, expected));
    }
    return true;
}

static bool check_decoder(const fv_search *s, const char *region, const fv_region *r,
                          const fv_dim *rows, const fv_dim *tokens) {
    bool shows = s->graphs.shows && r == s->graphs.next;
    if (r->last->nin != PRESENTS + s->graphs.layers + (shows ? s->graphs.layers / 2 : 0))
        return fv_op_error(s->op, "its %s has %d outputs, expected logits and %d presents%s",
                           region, r->last->nin, s->graphs.layers,
                           shows ? fv_printf(fv_op_module(s->op)->arena,
                                             ", and scores of %d layers", s->graphs.layers / 2)
                                 : "");
    if (shows && !gives_shown(s, r))
        return false;
    return fv_search_gives_logits(s, region, r, r->params[0]->type) &&
           gives_presents(s, region, r, PRESENTS, rows, tokens);
}

static bool check_encoder(const fv_search *s) {
    const fv_region *e = s->graphs.encoder;
    for (int i = 0; i < s->graphs.layers; i++) {
        int at = cross_at(s, e, i);
        const fv_type *given = e->last->in[at]->type, *expected = of_rows(s, given, s->size.batch);
        if (!fv_search_assume(s, e->last, given, expected, "shape of a present"))
            return fv_op_error(s->op, "its encoder gives output %d as %s, expected %s", at,
                               str(s, given), str(s, expected));
    }
    if (!scores_first(s, e))
        return true;
    const fv_type *hidden = e->last->in[HIDDEN]->type;
    if (hidden && hidden->kind == FV_TENSOR && hidden->rank == 3 &&
        !fv_search_assume(s, e->last, hidden, of_rows(s, hidden, s->size.batch),
                          "shape of hidden states"))
        return fv_op_error(s->op, "its encoder gives output %d as %s, expected %s of them", HIDDEN,
                           str(s, hidden), fv_dim_str(fv_op_module(s->op)->arena, s->size.batch));
    return fv_search_gives_logits(s, "encoder", e, e->params[e->nparams - 1]->type) &&
           gives_presents(s, "encoder", e, FIRST_SELF, s->size.batch, s->size.prompt);
}

/* The graph that scores the first token. */
static const fv_region *first_scores(const fv_search *s) {
    return s->graphs.first ? s->graphs.first : s->graphs.encoder;
}

bool fv_search_read_encoded(fv_search *s) {
    inputs in;
    s->graphs.encoder = encoder_of(s->op);
    s->graphs.next = fv_op_find_attr(s->op, "decoder")->u.region;
    s->graphs.first = fv_search_needs(s->op, "init_decoder")
                          ? fv_op_find_attr(s->op, "init_decoder")->u.region
                          : NULL;
    if (!s->graphs.encoder)
        return fv_op_error(s->op, "attribute 'encoder' is missing");
    if (!check_params(s, "encoder", s->graphs.encoder) ||
        !check_params(s, "decoder", s->graphs.next) ||
        (s->graphs.first && !check_params(s, "init_decoder", s->graphs.first)))
        return false;
    const fv_type **types =
        FV_NEW(fv_op_module(s->op)->arena, const fv_type *, s->graphs.next->nparams);
    for (int i = 0; i < s->graphs.next->nparams; i++)
        types[i] = s->graphs.next->params[i]->type;
    if (!read_inputs(s, "decoder", s->graphs.next->nparams, types, &in))
        return false;
    s->graphs.layers = in.layers;
    s->graphs.first_past = in.pasts;
    s->graphs.row_axis = 0;
    s->graphs.past = types[in.pasts]->dims[2];
    if (s->graphs.first && s->graphs.first->nparams != s->graphs.next->nparams)
        return fv_op_error(s->op, "its init_decoder has %d inputs, its decoder %d",
                           s->graphs.first->nparams, s->graphs.next->nparams);
    return check_encoder(s) &&
           check_decoder(s, "decoder", s->graphs.next, s->size.rows,
                         fv_dim_add(s->t, s->graphs.past, num(s, 1))) &&
           (!s->graphs.first ||
            check_decoder(s, "init_decoder", s->graphs.first, s->size.batch, num(s, 1))) &&
           fv_search_read_vocabulary(s, first_scores(s)->last->in[LOGITS]->type,
                                     s->graphs.next->last->in[LOGITS]->type);
}

/* ---- where they are used ---- */

fv_prompts fv_w_encoder_prompts(fv_rewriter *w, const fv_search *s) {
    fv_prompts p = {0};
    if (s->model == FV_SEARCH_TEXT) {
        p.mask = s->mask ? s->mask : FV_CALL(w, "counted", {s->source}, FV_INT(s->pad));
        p.row_mask = fv_w_for_rows(w, s, p.mask);
        p.row_source = fv_w_for_rows(w, s, s->source);
    }
    return p;
}

static inputs inputs_of(const fv_search *s, const fv_region *decoder) {
    const fv_type **types = FV_NEW(fv_op_module(s->op)->arena, const fv_type *, decoder->nparams);
    inputs in;
    for (int i = 0; i < decoder->nparams; i++)
        types[i] = decoder->params[i]->type;
    return read_inputs(s, "decoder", decoder->nparams, types, &in) ? in : (inputs){0};
}

/* Takes keys and values of that many rows and tokens from the outputs of a graph, from output `at`
 * on. */
static void take_presents(fv_rewriter *w, const fv_search *s, fv_value *const *out, int at,
                          const fv_dim *rows, const fv_dim *tokens, fv_decoded *d) {
    for (int i = 0; i < s->graphs.layers; i++) {
        const fv_type *past = fv_search_past_type(s, i);
        d->presents[i] = fv_w_reshape(
            w, out[at + i], 4, (const fv_dim *[]){rows, past->dims[1], tokens, past->dims[3]});
    }
}

/* The results of a decoder for these tokens; `source`, `mask`, `hidden` and `cross` have its
 * rows. */
static fv_decoded decode(fv_rewriter *w, const fv_search *s, const fv_region *r, fv_value *ids,
                         fv_value *source, fv_value *mask, fv_value *hidden, fv_value *const *cross,
                         fv_value *const *pasts) {
    const inputs k = inputs_of(s, r);
    fv_decoded d = {.presents = FV_NEW(w->module->arena, fv_value *, s->graphs.layers)};
    fv_value **in = FV_NEW(w->module->arena, fv_value *, r->nparams);
    const fv_type *past = r->params[k.pasts]->type;
    in[0] = ids;
    if (k.source >= 0)
        in[k.source] = source;
    if (k.mask >= 0)
        in[k.mask] = mask;
    if (k.hidden >= 0)
        in[k.hidden] = hidden;
    for (int i = 0; i < s->graphs.layers; i++) {
        in[k.pasts + i] = pasts[i];
        in[k.cross + i] = cross[i];
    }
    fv_value *const *out = fv_w_search_graph(w, r, in);
    if (!out)
        return d;
    d.scores = fv_w_last_scores(w, s, out[LOGITS], past->dims[0]);
    take_presents(w, s, out, PRESENTS, past->dims[0], fv_dim_add(s->t, past->dims[2], num(s, 1)),
                  &d);
    d.shown = s->graphs.shows && r == s->graphs.next
                  ? FV_NEW(w->module->arena, fv_value *, s->graphs.layers)
                  : NULL;
    for (int i = 0; d.shown && i < s->graphs.layers / 2; i++)
        d.shown[i] = out[PRESENTS + s->graphs.layers + i];
    return d;
}

fv_decoded fv_w_encode(fv_rewriter *w, const fv_search *s, fv_prompts *p) {
    fv_arena *a = w->module->arena;
    const fv_region *e = s->graphs.encoder;
    fv_decoded d = {.presents = FV_NEW(a, fv_value *, s->graphs.layers)};
    fv_value **in = FV_NEW(a, fv_value *, e->nparams),
             **cross = FV_NEW(a, fv_value *, s->graphs.layers),
             **pasts = FV_NEW(a, fv_value *, s->graphs.layers);
    in[SOURCE] = s->source;
    if (s->model == FV_SEARCH_TEXT)
        in[SOURCE_MASK] = p->mask;
    if (scores_first(s, e))
        in[e->nparams - 1] = s->ids;
    bool scores = scores_first(s, e);
    int first_cross = cross_at(s, e, 0);
    fv_value *const *out = fv_w_search_graph(w, e, in);
    if (!out)
        return d;
    p->cross = FV_NEW(a, fv_value *, s->graphs.layers);
    for (int i = 0; i < s->graphs.layers; i++) {
        const fv_type *t = of_rows(s, out[first_cross + i]->type, s->size.batch);
        cross[i] = fv_w_reshape(w, out[first_cross + i], t->rank, t->dims);
        p->cross[i] = fv_w_for_rows(w, s, cross[i]);
    }
    if (!scores) {
        for (int i = 0; i < s->graphs.layers; i++)
            pasts[i] = fv_w_zeros(w, s->graphs.first->params[s->graphs.first_past + i]->type);
        return decode(w, s, s->graphs.first, s->ids, s->source, p->mask, NULL, cross, pasts);
    }
    if (inputs_of(s, s->graphs.next).hidden >= 0)
        p->hidden = fv_w_for_rows(
            w, s,
            fv_w_reshape(w, out[HIDDEN], 3, of_rows(s, out[HIDDEN]->type, s->size.batch)->dims));
    d.scores = fv_w_last_scores(w, s, out[LOGITS], s->size.batch);
    take_presents(w, s, out, FIRST_SELF, s->size.batch, s->size.prompt, &d);
    return d;
}

fv_decoded fv_w_decode_encoded(fv_rewriter *w, const fv_search *s, const fv_prompts *p,
                               const fv_sequences *q, fv_value *tokens, fv_value *const *pasts) {
    bool all = takes_all(s->graphs.next->params[0]->type);
    fv_value *ids =
        all ? fv_w_part(w, q->tokens, 1, num(s, 0), q->length) : FV_CALL(w, "as_column", {tokens});
    return decode(w, s, s->graphs.next, ids, p->row_source, p->row_mask, p->hidden, p->cross,
                  pasts);
}
