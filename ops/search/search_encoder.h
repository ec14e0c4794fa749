/* search_encoder.h - the graphs of a search in which an encoder reads the prompt and a decoder
 * answers it. */
#ifndef FV_OPS_SEARCH_SEARCH_ENCODER_H
#define FV_OPS_SEARCH_SEARCH_ENCODER_H

#include "ops/search/search.h"

/* The versions for models with an encoder of functions that search.h declares. */
bool fv_search_hand_encoded(const fv_search *s, const char *region, int n,
                            const fv_type *const *declared, const fv_type **types) FV_MUST_USE;
bool fv_search_read_encoded(fv_search *s) FV_MUST_USE;
/* Whether an operator with these attributes and graphs requires that graph. */
bool fv_search_needs(const fv_op *op, const char *region) FV_MUST_USE;
fv_prompts fv_w_encoder_prompts(fv_rewriter *w, const fv_search *s);
/* Runs the encoder, and sets in p the results that later tokens need. */
fv_decoded fv_w_encode(fv_rewriter *w, const fv_search *s, fv_prompts *p);
/* Scores the tokens after sequences q whose last tokens, i32 [rows], and pasts are given. */
fv_decoded fv_w_decode_encoded(fv_rewriter *w, const fv_search *s, const fv_prompts *p,
                               const fv_sequences *q, fv_value *tokens, fv_value *const *pasts);

#endif
