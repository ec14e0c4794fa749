/* write.h - what is asked of masks before an attention is written as one operator. */
#ifndef FV_PASSES_ATTENTION_WRITE_H
#define FV_PASSES_ATTENTION_WRITE_H

#include "passes/attention/elements.h"

/* Is each element of a mask that is added a finite number, where integers that a run gives are
 * masks of zeros and ones? */
bool fv_mask_is_finite(fv_elements *e, const fv_value *mask) FV_MUST_USE;
/* Has each row of the mask, whose last axis are keys, one that is not hidden: by -inf, or by bools
 * other than `seen`? */
bool fv_mask_keeps_a_key(fv_elements *e, const fv_value *mask, bool seen) FV_MUST_USE;
/* Is it `seen` where the key does not stand behind the query, and nowhere else, with as many of
 * both? */
bool fv_mask_is_causal(fv_elements *e, const fv_value *mask, bool seen) FV_MUST_USE;

#endif
