/* search.h - building blocks of operators that search for sequences of tokens: graphs that score
 * the next token of a sequence, and a Loop whose iterations append one. */
#ifndef FV_OPS_SEARCH_SEARCH_H
#define FV_OPS_SEARCH_SEARCH_H

#include "ir/graph/rewriter.h"
#include "ops/search/search_times.h"

/* Values of the attribute model_type. */
typedef enum {
    /* 0: one graph scores the token after the prompt and all later ones, as in GPT */
    FV_SEARCH_DECODER,
    FV_SEARCH_TEXT, /* 1: an encoder reads the prompt, and a decoder answers it, as in T5 */
    /* 2: the same for features of audio, and the answer may begin with a prompt, as in Whisper */
    FV_SEARCH_AUDIO
} fv_search_model;

/* The sizes of a search. */
typedef struct fv_search_sizes {
    /* numbers of prompts, of sequences for each prompt, and of all sequences */
    const fv_dim *batch, *beams, *rows;
    /* number of tokens of a prompt; maximum number of tokens of a sequence */
    const fv_dim *prompt, *most;
} fv_search_sizes;

/* Modifications of scores; NULL: none. */
typedef struct fv_search_scores {
    fv_value *min_length, *penalty, *allowed, *allowed_first;
    int64_t ngram;              /* no sequence of that many tokens may occur twice; 0: no limit */
    float temperature;          /* scores are divided by it; 0: they are not */
    fv_value *divisor;          /* scores are also divided by this number if it is above 0 */
    const fv_timestamps *times; /* rules for tokens of times; NULL: none */
    /* i32 [batch, n]: the first n tokens after a prompt; if an element is negative or not in the
     * vocabulary, any token */
    fv_value *forced;
    /* i32 [batch, vocabulary]: for each token, the factor of presence_penalty that is subtracted
     * from its score */
    fv_value *presence;
    float presence_penalty;
} fv_search_scores;

/* The graphs of a search. */
typedef struct fv_search_graphs {
    const fv_region *encoder; /* NULL: there is none */
    /* graphs for prompts (NULL: the encoder's graph scores the first token), and for one more
     * token */
    const fv_region *first, *next;
    /* past: number of tokens before the current one, a symbol with another value in each
     * iteration */
    const fv_dim *vocabulary, *past;
    int layers;     /* number of pasts */
    int first_past; /* index of the first past among the inputs of `next` */
    int row_axis;   /* the axis of a past that corresponds to sequences */
    /* whether `next` also returns cross-attention scores, one result for two pasts */
    bool shows;
} fv_search_graphs;

/* The operands and attributes of such an operator. */
typedef struct fv_search {
    fv_op *op;
    fv_dims *t;
    fv_search_model model;
    fv_search_sizes size;
    int64_t pad, end; /* the tokens for padding and for the end of a sequence */
    /* the prompts, i32 [batch, prompt]; of a model with an encoder, the beginnings of the
     * answers */
    fv_value *ids;
    /* the input of an encoder: i32 [batch, tokens], or floats [batch, features, frames] */
    fv_value *source;
    /* 1 for tokens of ids, or of source, that count; NULL: all but padding count */
    fv_value *mask;
    fv_search_scores scores;
    fv_search_graphs graphs;
} fv_search;

/* ---- search.c: graphs ---- */

/* The only element of operand `in`, as a dim. NULL after a diagnostic. */
const fv_dim *fv_search_number(fv_op *op, int in) FV_MUST_USE;
/* Checks that operand `in`, if present, has these dims; what is not proved, the run checks. False
 * after a diagnostic. */
bool fv_search_has_dims(fv_op *op, int in, int n, const fv_dim *const *dims) FV_MUST_USE;
/* Checks s, without its graphs. False after a diagnostic. */
bool fv_search_check(const fv_search *s) FV_MUST_USE;
/* .handed of an operator that s describes: the types of a graph's inputs. */
bool fv_search_hand(const fv_search *s, const char *region, int n, const fv_type *const *declared,
                    const fv_type **types) FV_MUST_USE;
/* Reads the graphs of the operator into s. False after a diagnostic. */
bool fv_search_read_graphs(fv_search *s) FV_MUST_USE;

/* Repeats a value with a row for each prompt, [batch, ..], so that it has a row for each
 * sequence. */
fv_value *fv_w_for_rows(fv_rewriter *w, const fv_search *s, fv_value *v);

typedef struct fv_prompts {
    /* mask: i32 [batch, prompt]; of a model with an encoder, [batch, tokens of source], or NULL */
    fv_value *mask, *positions;
    /* row_mask: i32 [rows, ..]; row_count: i32 [rows, 1], number of tokens without padding */
    fv_value *row_mask, *row_count;
    /* For a model with an encoder: values for each sequence, if its decoder uses them. */
    fv_value *row_source; /* i32 [rows, tokens of source] */
    fv_value *hidden;     /* [rows, length, size]: output of the encoder */
    /* [rows, heads, length, size]: keys and values of that output, for each layer */
    fv_value **cross;
} fv_prompts;
fv_prompts fv_w_prompts(fv_rewriter *w, const fv_search *s);

/* The results of a graph. */
typedef struct fv_decoded {
    /* f32 [batch or rows, vocabulary]: the score of each token as the next one */
    fv_value *scores;
    /* for each layer [2, batch or rows, heads, tokens, size], or twice [batch or rows, heads,
     * tokens, size] */
    fv_value **presents;
    fv_value **shown; /* f32 [rows, heads, 1, length] for each layer, if s->shows */
} fv_decoded;
/* Runs the graph for prompts; or the graph for one more token of each sequence, i32 [rows], given
 * the pasts of the earlier tokens. Each graph can be used once. */
fv_decoded fv_w_decode_prompts(fv_rewriter *w, const fv_search *s, const fv_prompts *p);
fv_decoded fv_w_decode_tokens(fv_rewriter *w, const fv_search *s, const fv_prompts *p,
                              fv_value *tokens, fv_value *const *pasts);
/* The type of past i within an iteration. */
const fv_type *fv_search_past_type(const fv_search *s, int i);

/* Used by search_encoder.c as well. Checks that type t of a result of the graph that ends with
 * `end` has the expected dims; what is not proved, the run checks after the graph. False if it
 * cannot hold. */
bool fv_search_assume(const fv_search *s, const fv_op *end, const fv_type *t,
                      const fv_type *expected, const char *why) FV_MUST_USE;
/* Checks that the graph returns floats [rows, count or 1, vocabulary], scores of the token after
 * each of `ids`. False after a diagnostic. */
bool fv_search_gives_logits(const fv_search *s, const char *region, const fv_region *r,
                            const fv_type *ids) FV_MUST_USE;
/* Sets the vocabulary from the logits of both graphs. False after a diagnostic. */
bool fv_search_read_vocabulary(fv_search *s, const fv_type *first, const fv_type *next) FV_MUST_USE;
/* The declared dim, if it is a symbol that is known within an iteration only; otherwise a new
 * symbol. */
const fv_dim *fv_search_past(const fv_search *s, const fv_dim *declared);
/* Checks that the model declares n inputs, from index `from` on, with element type e and that rank.
 * False after a diagnostic. */
bool fv_search_declares(const fv_search *s, const char *region, int from, int n,
                        const fv_type *const *declared, fv_elem e, int rank) FV_MUST_USE;
/* The results of graph r for these inputs; NULL if one is missing. */
fv_value *const *fv_w_search_graph(fv_rewriter *w, const fv_region *r, fv_value *const *in);
/* The scores after the last token, f32 [rows, vocabulary], from logits [rows, count, more]. */
fv_value *fv_w_last_scores(fv_rewriter *w, const fv_search *s, fv_value *logits,
                           const fv_dim *rows);

/* ---- search_loop.c ---- */

/* A Loop whose body is being built. */
typedef struct fv_search_loop {
    fv_op *loop;
    fv_region *body;
    fv_rewriter w;    /* adds ops at the end of the body */
    fv_value **state; /* values of the states within an iteration */
} fv_search_loop;
/* A Loop that runs at most `times` iterations while the condition holds, with n states and `rows`
 * results that have a row for each iteration. state[i]: its initial value; seen[i]: its type within
 * an iteration, NULL: the same. */
fv_search_loop fv_w_search_loop(fv_rewriter *w, const fv_search *s, const fv_dim *times,
                                fv_value *condition, int n, int rows, fv_value *const *state,
                                const fv_type *const *seen);
/* Ends the body. goes_on: whether there is another iteration; next: `all` values, the next states
 * and then the rows. */
void fv_w_search_loop_end(fv_rewriter *w, fv_search_loop *k, fv_value *goes_on, int all,
                          fv_value *const *next);

/* The sequences so far. */
typedef struct fv_sequences {
    fv_value *tokens; /* i32 [rows, most], padding after the length */
    fv_value *seen;   /* bool [rows, vocabulary]: which tokens occur; NULL: not needed */
    const fv_dim *length;
} fv_sequences;
fv_sequences fv_w_sequences(fv_rewriter *w, const fv_search *s); /* the prompts */
/* Appends a token, i32 [rows], to each. */
fv_sequences fv_w_append(fv_rewriter *w, const fv_search *s, const fv_sequences *q,
                         fv_value *tokens);
/* Appends `seen`, a dim for its position, and the pasts to the first n states; returns their total
 * number. */
int fv_search_pack(const fv_search *s, fv_value *seen, fv_value *const *pasts, int n,
                   fv_value **states);
/* bool []: whether any element is false. */
fv_value *fv_w_any_not(fv_rewriter *w, fv_value *v);

/* ---- search_scores.c ---- */

/* The scores of the token after these sequences, modified as the operator requires; `first`: it is
 * the first token after the prompt. */
fv_value *fv_w_search_scores(fv_rewriter *w, const fv_search *s, fv_value *scores,
                             const fv_sequences *q, bool first);
/* Whether the modifications need to know which tokens occur. */
bool fv_search_sees(const fv_search *s) FV_MUST_USE;

#endif
