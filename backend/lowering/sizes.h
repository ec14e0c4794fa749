/* sizes.h - the sizes of dims and tensors that decisions assume: a symbol is FV_ASSUMED_SIZE
 * (ir/definition/bits.h), or the value within its bounds that is nearest to it. */
#ifndef FV_BACKEND_LOWERING_SIZES_H
#define FV_BACKEND_LOWERING_SIZES_H

#include "ir/definition/bits.h"
#include "ir/expr/expr.h"
#include "ir/type/type.h"

/* The value nearest to n within the bounds of a symbol. */
int64_t fv_nearest_size(const fv_dim *symbol, int64_t n);
/* The value of d where its symbols have their assumed sizes. -1: too large. */
int64_t fv_typical_dim(const fv_dim *d);
/* fv_typical_dim as a float; a very large number if the dim is too large. */
double fv_typical_extent(const fv_dim *d);
/* The number of terms of a sum over its variables from `first` on with assumed sizes, at
 * least 1; a number of at least FV_MANY_TERMS means "at least FV_MANY_TERMS". */
enum { FV_MANY_TERMS = 1 << 20 };
int64_t fv_typical_terms(const fv_expr *sum, int first);
/* The number of elements of a tensor of type t with assumed sizes; very large if a dim is too
 * large. */
double fv_typical_elements(const fv_type *t);
/* n, truncated to an integer; -1: it is 10^18 or more. */
int64_t fv_whole_number(double n);
/* Sizes in bytes are limited to this, so that sums of many sizes do not overflow. */
#define FV_LARGEST_SIZE (INT64_C(1) << 50)
/* The size in bytes of a value with the largest dims, rounded up to a multiple of `unit` bytes; -1:
 * dims have no bounds, or bounds that no memory could hold. */
int64_t fv_largest_bytes(const fv_type *t, int64_t unit);

#endif
