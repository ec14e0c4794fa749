/* write.h - properties of masks that must be proved before attention can be written as one
 * operator. */
#ifndef FV_PASSES_ATTENTION_WRITE_H
#define FV_PASSES_ATTENTION_WRITE_H

#include "passes/attention/elements.h"

/* Is each element of an added mask finite in all runs? Integers that are computed at run time are
 * assumed to be masks of zeros and ones. */
bool fv_mask_is_finite(fv_elements *e, const fv_value *mask) FV_MUST_USE;
/* Does each row of the mask, whose last axis is that of the keys, contain a visible key? Keys are
 * hidden by -inf, or by bools other than `seen`. */
bool fv_mask_keeps_a_key(fv_elements *e, const fv_value *mask, bool seen) FV_MUST_USE;
/* Is the mask equal to `seen` exactly for the keys up to the position of the query, with as many
 * queries as keys? */
bool fv_mask_is_causal(fv_elements *e, const fv_value *mask, bool seen) FV_MUST_USE;

#endif
