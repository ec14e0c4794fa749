/* tokens.h - which elements of a graph's values are of one token: what padding reaches, and what it
 * does not.
 *
 * A mask of a batch's sequences, kept[batch, length], says which places are tokens; the others are
 * padding. What a value holds of padding is nobody's affair if no element of a token is made of it.
 * So of each value that has something of tokens it is known which of its axes they are, from what
 * its elements load; attention is where tokens meet, and the mask has to hide the others there.
 *
 * The first place of each sequence counts as a token in any case: models read it for the whole
 * sequence. */
#ifndef FV_PASSES_PADDING_TOKENS_H
#define FV_PASSES_PADDING_TOKENS_H

#include "passes/attention/attention.h"
#include "passes/attention/elements.h"

typedef struct fv_padding {
    fv_arena *arena;
    fv_module *module;
    fv_elements e;
    fv_attention_sites sites;
    fv_value *kept;               /* the mask, a parameter; */
    const fv_dim *batch, *length; /* its dims, two symbols */
    fv_ptrmap reaches;            /* of values that are computed of packed ones */
    /* ops that compute each token by itself, of rows of features -> themselves */
    fv_ptrmap by_token;
    int npacked;     /* of those */
    const char *why; /* padding cannot be left out */
    const fv_op *at; /* where that showed; NULL: nowhere in particular */
} fv_padding;

/* Finds out what can be computed for tokens alone. False: p->why. */
bool fv_find_tokens(fv_padding *p) FV_MUST_USE;
/* Has it one of the dims of the mask? */
bool fv_has_tokens(const fv_padding *p, const fv_value *v) FV_MUST_USE;

#endif
