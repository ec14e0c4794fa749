/* packed.h - constants that contractions read in the form in which they are stored.
 *
 *     f32(i32(q[k, j]) - i32(z[j])) * s[j]      a dequantized weight: four bytes for each byte of q
 *
 * Computing such a value once, when the model is compiled, would make every run read more bytes. A
 * kernel computes the elements in registers as it reads the packed constants
 * (backend/schedule/contract/panels.c), and gets the same bits. */
#ifndef FV_PASSES_PACKED_H
#define FV_PASSES_PACKED_H

#include "passes/attention/elements.h"

/* Bytes of the constants from which a contraction can compute v while it reads them: element by
 * element, with a few cheap operations (conversions, sums, products, bit masks, selections among a
 * few numbers), at indices for which lowering can lay the constants out. Several constants may be
 * side by side. 0: this is not possible, or v takes no more bytes than these constants. v is a
 * tensor whose dims are constants. `whole`: one of the constants has as many elements as v, or
 * those that are side by side have; else all are repeated, as scales for blocks of a weight are. */
size_t fv_packed_bytes(fv_elements *e, const fv_value *v, bool *whole);
/* Is v a factor that the contraction `user` reads in the form in which it is stored? Of floats,
 * that is the factor that depends on the columns of the result: the other one is computed before
 * the contraction reads it, so there is nothing to gain. Of integers, both are. */
bool fv_is_stored_factor(fv_elements *e, const fv_op *user, const fv_value *v) FV_MUST_USE;

#endif
