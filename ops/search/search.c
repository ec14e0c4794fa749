/* search.c - the graphs of operators that search for sequences of tokens: one scores the token
 * after a prompt, the other each later token. Such an operator is expanded to the first graph and a
 * Loop with the second one, whose states are the tokens so far and the pasts of the graph, so that
 * all optimizations of attention, weights and loops apply to it. */
#include "ops/search/search.h"

#include <string.h>

#include "ir/base/limits.h"
#include "ir/dim/text.h"
#include "ir/graph/infer.h"
#include "ir/graph/symbols.h"
#include "ir/rule/body.h"
#include "ops/attention/attend.h"
#include "ops/common/dims.h"

enum { TOKENS, POSITIONS, MASK, PASTS }; /* inputs of a decoder's graph */
enum { LOGITS, PRESENTS };               /* outputs of a decoder's graph */

static const char *str(const fv_search *s, const fv_type *t) {
    return t ? fv_type_str(fv_op_module(s->op)->arena, t) : "nothing";
}

static const fv_dim *num(const fv_search *s, int64_t v) {
    return fv_dim_const(s->t, v);
}

/* ---- inputs of a decoder ---- */

/* The type of a past: keys and values of all previous tokens in one layer. Only the graph knows the
 * number of heads and their size. */
static const fv_type *past_type(const fv_search *s, const char *region, int i,
                                const fv_type *declared, const fv_dim *rows, const fv_dim *past) {
    bool fits = declared && declared->kind == FV_TENSOR && declared->rank == 5 &&
                (FV_SET(F32) | FV_SET(F16)) >> declared->elem & 1;
    for (int k = 0; fits && k < 5; k += 2)
        fits =
            declared->dims[k] && fv_dim_is_const(declared->dims[k]) && declared->dims[k]->value > 0;
    if (!fits || declared->dims[0]->value != 2) {
        fv_op_error(s->op,
                    "its %s declares input %d as %s, expected floats [2, batch, heads, past, size] "
                    "of which heads and size are numbers",
                    region, i, str(s, declared));
        return NULL;
    }
    const fv_dim *dims[5] = {declared->dims[0], rows, declared->dims[2], past, declared->dims[4]};
    return fv_tensor_type(fv_op_module(s->op)->arena, declared->elem, 5, dims);
}

bool fv_search_declares(const fv_search *s, const char *region, int from, int n,
                        const fv_type *const *declared, fv_elem e, int rank) {
    for (int i = from; i < from + n; i++)
        if (declared[i] && (declared[i]->kind != FV_TENSOR || declared[i]->elem != e ||
                            (declared[i]->rank >= 0 && declared[i]->rank != rank)))
            return fv_op_error(s->op, "its %s declares input %d as %s, expected %s of rank %d",
                               region, i, str(s, declared[i]), fv_elem_name(e), rank);
    return true;
}

const fv_dim *fv_search_past(const fv_search *s, const fv_dim *declared) {
    if (declared && declared->kind == FV_DIM_SYMBOL && fv_unknown_above(s->op, declared))
        return declared;
    return fv_dim_fresh(s->t, "past", 0, s->size.most->hi, true);
}

/* The number of tokens in the pasts: a symbol that is known within an iteration only. */
static const fv_dim *past_of(const fv_search *s, const fv_type *const *declared) {
    return fv_search_past(
        s, declared[PASTS] && declared[PASTS]->rank == 5 ? declared[PASTS]->dims[3] : NULL);
}

static bool decoder_types(const fv_search *s, const char *region, int n,
                          const fv_type *const *declared, const fv_type **types) {
    fv_arena *a = fv_op_module(s->op)->arena;
    bool first = !strcmp(region, "init_decoder");
    if (n <= PASTS)
        return fv_op_error(s->op,
                           "its %s has %d inputs, expected input_ids, position_ids, "
                           "attention_mask, and a past of each layer",
                           region, n);
    if (!fv_search_declares(s, region, TOKENS, PASTS, declared, FV_I32, 2))
        return false;
    const fv_dim *rows = first ? s->size.batch : s->size.rows,
                 *count = first ? s->size.prompt : num(s, 1);
    const fv_dim *past = first ? num(s, 0) : past_of(s, declared);
    const fv_dim *ids[2] = {rows, count}, *all[2] = {rows, fv_dim_add(s->t, past, count)};
    types[TOKENS] = types[POSITIONS] = fv_tensor_type(a, FV_I32, 2, ids);
    types[MASK] = fv_tensor_type(a, FV_I32, 2, all);
    for (int i = PASTS; i < n; i++)
        if (!(types[i] = past_type(s, region, i, declared[i], rows, past)))
            return false;
    return true;
}

/* ---- outputs of a decoder ---- */

bool fv_search_assume(const fv_search *s, const fv_op *end, const fv_type *t,
                      const fv_type *expected, const char *why) {
    fv_module *m = fv_op_module(s->op);
    bool same = t && t->kind == FV_TENSOR && t->elem == expected->elem && t->rank == expected->rank;
    const struct fv_within around = fv_module_enter(end);
    for (int i = 0; same && i < t->rank; i++)
        same = fv_module_assume(m, t->dims[i], expected->dims[i], fv_op_why(s->op, why));
    m->within = around;
    return same;
}

static const fv_type *longer(const fv_search *s, const fv_type *past, const fv_dim *by) {
    const fv_dim *dims[5];
    memcpy(dims, past->dims, sizeof dims);
    dims[3] = fv_dim_add(s->t, dims[3], by);
    return fv_tensor_type(fv_op_module(s->op)->arena, past->elem, 5, dims);
}

bool fv_search_gives_logits(const fv_search *s, const char *region, const fv_region *r,
                            const fv_type *ids) {
    fv_arena *a = fv_op_module(s->op)->arena;
    const fv_type *t = r->last->in[LOGITS]->type;
    bool fits =
        t && t->kind == FV_TENSOR && t->rank == 3 && (FV_SET(F32) | FV_SET(F16)) >> t->elem & 1;
    bool last = fits && s->graphs.encoder && fv_dim_is_one(t->dims[1]); /* the last token only */
    const fv_dim *dims[3] = {ids->dims[0], last ? t->dims[1] : ids->dims[1],
                             fits ? t->dims[2] : NULL};
    fits = fits &&
           fv_search_assume(s, r->last, t, fv_tensor_type(a, t->elem, 3, dims), "shape of logits");
    return fits ||
           fv_op_error(s->op, "its %s gives logits as %s, expected floats [%s, %s, vocabulary]",
                       region, str(s, t), fv_dim_str(a, dims[0]), fv_dim_str(a, dims[1]));
}

static bool check_decoder(const fv_search *s, const char *region, const fv_region *r) {
    const fv_type **declared =
                      FV_NEW(fv_op_module(s->op)->arena, const fv_type *, 2 * r->nparams + 2),
                  **types = declared + r->nparams + 1;
    for (int i = 0; i < r->nparams; i++)
        declared[i] = r->params[i]->type;
    if (!decoder_types(s, region, r->nparams, declared, types))
        return false;
    if (r->last->nin != r->nparams - PASTS + PRESENTS)
        return fv_op_error(
            s->op,
            "its %s has %d inputs and %d outputs, expected logits and a present for each past",
            region, r->nparams, r->last->nin);
    for (int i = 0; i < r->nparams; i++)
        if (!fv_type_equal(declared[i], types[i]))
            return fv_op_error(s->op, "its %s takes input %d as %s, expected %s", region, i,
                               str(s, declared[i]), str(s, types[i]));
    for (int i = PASTS; i < r->nparams; i++) {
        const fv_type *given = r->last->in[i - PASTS + PRESENTS]->type,
                      *expected = longer(s, types[i], types[TOKENS]->dims[1]);
        if (!fv_search_assume(s, r->last, given, expected, "shape of a present"))
            return fv_op_error(s->op, "its %s gives output %d as %s, expected %s", region,
                               i - PASTS + PRESENTS, str(s, given), str(s, expected));
    }
    return fv_search_gives_logits(s, region, r, r->params[TOKENS]->type);
}

bool fv_search_read_vocabulary(fv_search *s, const fv_type *first, const fv_type *next) {
    int64_t given = fv_op_int(s->op, "vocab_size");
    if (!fv_dim_is_const(first->dims[2]) || first->dims[2] != next->dims[2] ||
        first->dims[2]->value < 1)
        return fv_op_error(
            s->op, "its graphs give logits as %s and %s, expected the same number of tokens",
            str(s, first), str(s, next));
    if (given < -1 || given == 0 || given > first->dims[2]->value)
        return fv_op_error(s->op, "vocab_size is %lld, its graphs know %lld tokens",
                           (long long)given, (long long)first->dims[2]->value);
    s->graphs.vocabulary = given > 0 ? num(s, given) : first->dims[2];
    return true;
}

/* Checks that both graphs belong to the same model. */
static bool check_both(fv_search *s) {
    if (s->graphs.first->nparams != s->graphs.next->nparams)
        return fv_op_error(s->op, "its init_decoder has %d inputs, its decoder %d",
                           s->graphs.first->nparams, s->graphs.next->nparams);
    for (int i = PASTS; i < s->graphs.next->nparams; i++) {
        const fv_type *t = s->graphs.first->params[i]->type, *u = s->graphs.next->params[i]->type;
        if (t->elem != u->elem || t->dims[2] != u->dims[2] || t->dims[4] != u->dims[4])
            return fv_op_error(s->op, "its init_decoder takes input %d as %s, its decoder as %s", i,
                               str(s, t), str(s, u));
    }
    s->graphs.layers = s->graphs.next->nparams - PASTS;
    s->graphs.first_past = PASTS;
    s->graphs.row_axis = 1;
    s->graphs.past = s->graphs.next->params[PASTS]->type->dims[3];
    return fv_search_read_vocabulary(s, s->graphs.first->last->in[LOGITS]->type,
                                     s->graphs.next->last->in[LOGITS]->type);
}

bool fv_search_hand(const fv_search *s, const char *region, int n, const fv_type *const *declared,
                    const fv_type **types) {
    if (!strcmp(region, "encoder"))
        return fv_op_error(s->op, "model_type is 0, a decoder alone, and there is an encoder");
    return decoder_types(s, region, n, declared, types);
}

bool fv_search_read_graphs(fv_search *s) {
    s->graphs.first = fv_op_find_attr(s->op, "init_decoder")->u.region;
    s->graphs.next = fv_op_find_attr(s->op, "decoder")->u.region;
    return check_decoder(s, "decoder", s->graphs.next) &&
           check_decoder(s, "init_decoder", s->graphs.first) && check_both(s);
}

/* ---- operands ---- */

const fv_dim *fv_search_number(fv_op *op, int in) {
    const fv_dim *const *e;
    int n;
    return fv_int_operand(op, in, &n, &e) ? e[0] : NULL;
}

bool fv_search_has_dims(fv_op *op, int in, int n, const fv_dim *const *dims) {
    const fv_type *t = fv_in_type(op, in);
    for (int i = 0; t && i < n; i++)
        if (!fv_same_dim(op, t->dims[i], dims[i], op->def->in[in].name))
            return false;
    return true;
}

static bool check_lengths(const fv_search *s) {
    fv_module *m = fv_op_module(s->op);
    const char *says = fv_printf(m->arena, "%s < %s", fv_dim_str(m->arena, s->size.prompt),
                                 fv_dim_str(m->arena, s->size.most));
    const fv_dim *least =
        fv_dim_max(s->t, s->size.most, fv_dim_add(s->t, s->size.prompt, num(s, 1)));
    return fv_infer_at_least(s->op, s->size.prompt, 1, "tokens in a prompt") &&
           fv_infer_at_least(s->op, s->size.most, 2, "tokens in a sequence") &&
           (fv_module_require(m, least, s->size.most,
                              fv_op_why(s->op, "a sequence is longer than its prompt"), says) ||
            fv_op_error(s->op, "max_length is %s, prompts have %s tokens",
                        fv_dim_str(m->arena, s->size.most), fv_dim_str(m->arena, s->size.prompt)));
}

bool fv_search_check(const fv_search *s) {
    if (s->scores.ngram < 0 || s->scores.ngram > INT32_MAX)
        return fv_op_error(s->op, "no_repeat_ngram_size is %lld, expected 0, or how many tokens",
                           (long long)s->scores.ngram);
    return check_lengths(s);
}

/* ---- prompts ---- */

fv_value *fv_w_for_rows(fv_rewriter *w, const fv_search *s, fv_value *v) {
    return FV_CALL(w, "for_rows", {v}, FV_DIM(s->size.beams));
}

/* The position of a token is the number of tokens before it, without padding; that of padding is
 * 0. */
fv_prompts fv_w_prompts(fv_rewriter *w, const fv_search *s) {
    fv_value *v[3];
    FV_CALL_N(w, 3, v, "prompts", {s->ids}, FV_INT(s->pad));
    fv_prompts p = {.mask = s->mask ? s->mask : v[0],
                    .positions = v[1],
                    .row_count = fv_w_for_rows(w, s, v[2])};
    p.row_mask = fv_w_for_rows(w, s, p.mask);
    return p;
}

/* ---- the graphs, where they are used ---- */

fv_value *fv_w_last_scores(fv_rewriter *w, const fv_search *s, fv_value *logits,
                           const fv_dim *rows) {
    return FV_CALL(w, "last_scores", {logits}, FV_DIM(rows), FV_DIM(s->graphs.vocabulary));
}

fv_value *const *fv_w_search_graph(fv_rewriter *w, const fv_region *r, fv_value *const *in) {
    for (int i = 0; i < r->nparams; i++)
        if (!in[i])
            return NULL;
    for (int i = 0; i < r->nparams; i++)
        fv_replace_uses(r->params[i], in[i]);
    return fv_w_inline(w, r);
}

/* The results of the graph for these inputs, with the types that are assumed of them. */
static fv_decoded run(fv_rewriter *w, const fv_search *s, const fv_region *r, fv_value *const *in) {
    fv_decoded d = {.presents = FV_NEW(w->module->arena, fv_value *, s->graphs.layers)};
    const fv_type *ids = r->params[TOKENS]->type;
    fv_value *const *out = fv_w_search_graph(w, r, in);
    if (!out)
        return d;
    const fv_dim *dims[3] = {ids->dims[0], ids->dims[1], out[LOGITS]->type->dims[2]};
    d.scores = fv_w_last_scores(w, s, fv_w_reshape(w, out[LOGITS], 3, dims), dims[0]);
    for (int i = 0; i < s->graphs.layers; i++)
        d.presents[i] = fv_w_reshape(w, out[PRESENTS + i], 5,
                                     longer(s, r->params[PASTS + i]->type, ids->dims[1])->dims);
    return d;
}

fv_decoded fv_w_decode_prompts(fv_rewriter *w, const fv_search *s, const fv_prompts *p) {
    fv_value **in = FV_NEW(w->module->arena, fv_value *, s->graphs.first->nparams);
    in[TOKENS] = s->ids;
    in[POSITIONS] = p->positions;
    in[MASK] = p->mask;
    for (int i = 0; i < s->graphs.layers; i++)
        in[PASTS + i] = fv_w_zeros(w, s->graphs.first->params[PASTS + i]->type);
    return run(w, s, s->graphs.first, in);
}

fv_decoded fv_w_decode_tokens(fv_rewriter *w, const fv_search *s, const fv_prompts *p,
                              fv_value *tokens, fv_value *const *pasts) {
    fv_value **in = FV_NEW(w->module->arena, fv_value *, s->graphs.next->nparams);
    const fv_dim *behind = fv_dim_sub(s->t, s->graphs.past, s->size.prompt);
    in[TOKENS] = FV_CALL(w, "as_column", {tokens});
    in[POSITIONS] = FV_W2(w, FV_OP_Add, p->row_count, fv_w_ints(w, FV_I32, 0, 1, &behind));
    in[MASK] = FV_CALL(w, "followed", {p->row_mask}, FV_INT(1),
                       FV_DIMS(2, s->graphs.next->params[MASK]->type->dims));
    for (int i = 0; i < s->graphs.layers; i++)
        in[PASTS + i] = pasts[i];
    return run(w, s, s->graphs.next, in);
}

const fv_type *fv_search_past_type(const fv_search *s, int i) {
    return s->graphs.next->params[s->graphs.first_past + i]->type;
}
