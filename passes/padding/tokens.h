/* tokens.h - finds which elements of a graph's values belong to one token, and where padding has an
 * influence.
 *
 * A mask kept[batch, length] states which positions of the sequences are tokens; the others are
 * padding. The elements of a value at padding do not matter if no element of a token depends on
 * them. For each value that depends on tokens, the search determines which of its axes are batch
 * and length, from the elements that its definition loads. Tokens may be combined only by attention
 * whose mask hides padding, and by sums of values that are 0 at padding.
 *
 * The first position of each sequence counts as a token in any case, because models read it for the
 * whole sequence. */
#ifndef FV_PASSES_PADDING_TOKENS_H
#define FV_PASSES_PADDING_TOKENS_H

#include "passes/attention/attention.h"
#include "passes/attention/elements.h"

typedef struct fv_padding {
    fv_arena *arena;
    fv_module *module;
    fv_elements e;
    fv_attention_sites sites;
    fv_value *kept;               /* the mask of valid tokens, an input of the model */
    const fv_dim *batch, *length; /* the dims of the mask, two symbols */
    fv_ptrmap reaches;            /* value -> which tokens its elements belong to */
    /* the set of ops that compute each token by itself, on rows of features */
    fv_ptrmap by_token;
    int npacked;     /* the number of ops in by_token */
    const char *why; /* the reason why padding cannot be left out */
    const fv_op *at; /* the op at which the reason was found; NULL: no particular op */
} fv_padding;

/* Finds the ops that can be applied to tokens only. False: there are none, and p->why states the
 * reason. */
bool fv_find_tokens(fv_padding *p) FV_MUST_USE;
/* Does a dim of v contain one of the two dims of the mask? */
bool fv_has_tokens(const fv_padding *p, const fv_value *v) FV_MUST_USE;

#endif
