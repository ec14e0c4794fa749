/* summed.h - finds the products that are rounded together with the sum that adds them.
 *
 *     p[i, k] = a[i, k] * b[k],  y[i] = sum k: p[i, k]         =>     y[i] = sum k: a[i, k] * b[k]
 *
 * A sum of products uses a fused multiply-add for each term, so whether a product is such a term
 * decides bits. It follows from the definitions of the operators, before any of them has been
 * substituted into another one: a product is a term of a sum if exactly one sum adds it, each
 * element once, and nothing else reads it, whatever its factors cost. Any other product is stored
 * in memory, and so rounded, before a sum adds it. */
#ifndef FV_BACKEND_FUSE_SUMMED_H
#define FV_BACKEND_FUSE_SUMMED_H

#include "backend/lowering/lowering.h"

/* Is the element of d a product of floats? */
bool fv_is_float_product(const fv_definition *d) FV_MUST_USE;
/* Does a sum of floats in d add elements of v, without other arithmetic on them? */
bool fv_adds_elements(fv_lowerer *l, const fv_definition *d, const fv_value *v) FV_MUST_USE;
/* Is v a product without sums, or a view of one, whose elements one sum adds, each once, and that
 * nothing else reads? No definition has been substituted yet. */
bool fv_is_term_of_sum(fv_lowerer *l, const fv_value *v) FV_MUST_USE;
/* Is the only user of v a sum of floats along its last axis? The caller knows that v is a
 * product. */
bool fv_is_term_of_row(fv_lowerer *l, const fv_value *v) FV_MUST_USE;

#endif
