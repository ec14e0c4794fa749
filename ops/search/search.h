/* search.h - the building blocks of operators that search for sequences of tokens: graphs that
 * score the next token of a sequence, and a Loop whose iterations append one. */
#ifndef FV_OPS_SEARCH_SEARCH_H
#define FV_OPS_SEARCH_SEARCH_H

#include "ir/graph/rewriter.h"
#include "ops/search/search_times.h"

/* What model_type says. */
typedef enum {
    /* 0: one graph scores the token after the prompt and all later ones, as in GPT */
    FV_SEARCH_DECODER,
    FV_SEARCH_TEXT, /* 1: an encoder reads the prompt, and a decoder answers it, as in T5 */
    /* 2: the same of features of sound, and the answer may begin with a prompt, as in Whisper */
    FV_SEARCH_AUDIO
} fv_search_model;

/* The sizes of a search. */
typedef struct fv_search_sizes {
    const fv_dim *batch, *beams, *rows; /* prompts; sequences of each; of all */
    const fv_dim *prompt, *most;        /* tokens of a prompt; the most tokens of a sequence */
} fv_search_sizes;

/* What changes scores; NULL: nothing. */
typedef struct fv_search_scores {
    fv_value *min_length, *penalty, *allowed, *allowed_first;
    int64_t ngram;              /* of so many tokens none twice; 0: any */
    float temperature;          /* scores are divided by that; 0: they are not */
    fv_value *divisor;          /* scores are divided by this number, too, if it is above 0 */
    const fv_timestamps *times; /* NULL: tokens of times are as any other */
    /* i32 [batch, n]: the first n tokens after a prompt; a negative number, or one outside of the
     * vocabulary: any token */
    fv_value *forced;
    /* i32 [batch, vocabulary]: how often `presence_penalty` is taken from them */
    fv_value *presence;
    float presence_penalty;
} fv_search_scores;

/* The graphs of a search. */
typedef struct fv_search_graphs {
    const fv_region *encoder; /* NULL: there is none */
    /* of prompts (NULL: the encoder scores what follows them), and of one token more */
    const fv_region *first, *next;
    /* past: number of tokens before that one, a symbol with another value in each iteration */
    const fv_dim *vocabulary, *past;
    int layers;     /* pasts */
    int first_past; /* which input of `next` the first of them is */
    int row_axis;   /* the axis of a past that sequences are along */
    /* `next` also gives, for each two pasts, the scores of what an encoder read */
    bool shows;
} fv_search_graphs;

/* What an operator says. */
typedef struct fv_search {
    fv_op *op;
    fv_dims *t;
    fv_search_model model;
    fv_search_sizes size;
    int64_t pad, end; /* the tokens that fill, and that end a sequence */
    /* the prompts, i32 [batch, prompt]; of a model with an encoder those of the answers */
    fv_value *ids;
    /* what an encoder reads: i32 [batch, tokens], or floats [batch, features, frames] */
    fv_value *source;
    /* 1 for tokens of ids, or of source, that count; NULL: all but padding */
    fv_value *mask;
    fv_search_scores scores;
    fv_search_graphs graphs;
} fv_search;

/* ---- search.c: graphs ---- */

/* The only element of operand `in`. NULL after a diagnostic. */
const fv_dim *fv_search_number(fv_op *op, int in) FV_MUST_USE;
/* Is operand `in`, if it is there, of these dims? What is not proved the run checks. False after a
 * diagnostic. */
bool fv_search_has_dims(fv_op *op, int in, int n, const fv_dim *const *dims) FV_MUST_USE;
/* Is what s says, but for graphs, a search? False after a diagnostic. */
bool fv_search_check(const fv_search *s) FV_MUST_USE;
/* .handed of an operator that says s. */
bool fv_search_hand(const fv_search *s, const char *region, int n, const fv_type *const *declared,
                    const fv_type **types) FV_MUST_USE;
/* Reads what the graphs say. False after a diagnostic. */
bool fv_search_read_graphs(fv_search *s) FV_MUST_USE;

/* A value with a row for each prompt, [batch, ..], with one for each sequence. */
fv_value *fv_w_for_rows(fv_rewriter *w, const fv_search *s, fv_value *v);

typedef struct fv_prompts {
    /* i32 [batch, prompt]; of a model with an encoder, [batch, tokens of source]; NULL */
    fv_value *mask, *positions;
    fv_value *row_mask, *row_count; /* i32 [rows, ..]; [rows, 1]: tokens that are no padding */
    /* Of a model with an encoder, for each sequence, where its decoder takes them. */
    fv_value *row_source; /* i32 [rows, tokens of source] */
    fv_value *hidden;     /* [rows, length, size]: what the encoder makes of it */
    /* [rows, heads, length, size]: keys and values of that, of each layer */
    fv_value **cross;
} fv_prompts;
fv_prompts fv_w_prompts(fv_rewriter *w, const fv_search *s);

/* What a graph gives. */
typedef struct fv_decoded {
    /* f32, for each token of the vocabulary as the next one: [batch or rows, vocabulary] */
    fv_value *scores;
    /* [2, batch or rows, heads, tokens, size] of each layer; [batch or rows, heads, tokens, size],
     * twice */
    fv_value **presents;
    fv_value **shown; /* f32 [rows, heads, 1, length] of each layer, where s->shows */
} fv_decoded;
/* The graph for prompts; the graph for tokens, i32 [rows], that follow others whose pasts are
 * given. Each graph can be used once. */
fv_decoded fv_w_decode_prompts(fv_rewriter *w, const fv_search *s, const fv_prompts *p);
fv_decoded fv_w_decode_tokens(fv_rewriter *w, const fv_search *s, const fv_prompts *p,
                              fv_value *tokens, fv_value *const *pasts);
/* The type of past i within an iteration. */
const fv_type *fv_search_past_type(const fv_search *s, int i);

/* What search_encoder.c needs, too. Are the dims of t, which a graph that ends so gives, these?
 * What is not proved the run checks, where the graph has run. */
bool fv_search_assume(const fv_search *s, const fv_op *end, const fv_type *t,
                      const fv_type *expected, const char *why) FV_MUST_USE;
/* Are these floats [rows, count or 1, vocabulary], scores of the tokens after those whose type is
 * that of `ids`? False after a diagnostic. */
bool fv_search_gives_logits(const fv_search *s, const char *region, const fv_region *r,
                            const fv_type *ids) FV_MUST_USE;
/* Sets the vocabulary from the logits of both graphs. False after a diagnostic. */
bool fv_search_read_vocabulary(fv_search *s, const fv_type *first, const fv_type *next) FV_MUST_USE;
/* The symbol of this declared dim, if it is known within an iteration only; otherwise a new one. */
const fv_dim *fv_search_past(const fv_search *s, const fv_dim *declared);
/* Does the model declare n inputs as e of that rank, from that one on? False after a diagnostic. */
bool fv_search_declares(const fv_search *s, const char *region, int from, int n,
                        const fv_type *const *declared, fv_elem e, int rank) FV_MUST_USE;
/* What r gives for these values; NULL: one is missing. */
fv_value *const *fv_w_search_graph(fv_rewriter *w, const fv_region *r, fv_value *const *in);
/* f32 [rows, vocabulary] of logits [rows, count, more]: those of the last token. */
fv_value *fv_w_last_scores(fv_rewriter *w, const fv_search *s, fv_value *logits,
                           const fv_dim *rows);

/* ---- search_loop.c ---- */

/* A Loop while its body is built. */
typedef struct fv_search_loop {
    fv_op *loop;
    fv_region *body;
    fv_rewriter w;    /* puts ops at the end of the body */
    fv_value **state; /* their values within an iteration */
} fv_search_loop;
/* A Loop that runs at most `times` iterations while the condition holds, with n states and `rows`
 * results that have a row for each iteration. state[i]: its initial value; seen[i]: its type within
 * an iteration, NULL: the same. */
fv_search_loop fv_w_search_loop(fv_rewriter *w, const fv_search *s, const fv_dim *times,
                                fv_value *condition, int n, int rows, fv_value *const *state,
                                const fv_type *const *seen);
/* Ends the body: whether there is another iteration, and `all` results: the states of the next
 * iteration and the rows. */
void fv_w_search_loop_end(fv_rewriter *w, fv_search_loop *k, fv_value *goes_on, int all,
                          fv_value *const *next);

/* Sequences so far. */
typedef struct fv_sequences {
    fv_value *tokens; /* i32 [rows, most], padding after the length */
    fv_value *seen;   /* bool [rows, vocabulary]: which occur; NULL: nobody asks */
    const fv_dim *length;
} fv_sequences;
fv_sequences fv_w_sequences(fv_rewriter *w, const fv_search *s); /* the prompts */
/* Appends a token, i32 [rows], to each. */
fv_sequences fv_w_append(fv_rewriter *w, const fv_search *s, const fv_sequences *q,
                         fv_value *tokens);
/* Appends what was seen, its position, and the pasts to the first n states; returns the total. */
int fv_search_pack(const fv_search *s, fv_value *seen, fv_value *const *pasts, int n,
                   fv_value **states);
/* bool []: is there an element that does not hold? */
fv_value *fv_w_any_not(fv_rewriter *w, fv_value *v);

/* ---- search_scores.c ---- */

/* Scores of the token after these sequences as the operator changes them; `first`: the one after
 * the prompt. */
fv_value *fv_w_search_scores(fv_rewriter *w, const fv_search *s, fv_value *scores,
                             const fv_sequences *q, bool first);
/* Does it ask which tokens occur? */
bool fv_search_sees(const fv_search *s) FV_MUST_USE;

#endif
