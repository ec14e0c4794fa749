/* sizes.h - estimates of sizes, for decisions that change no result. */
#ifndef FV_BACKEND_LOWERING_SIZES_H
#define FV_BACKEND_LOWERING_SIZES_H

#include "ir/type/type.h"

enum { FV_TYPICAL = 128 }; /* value of a dim whose bounds allow it */
enum {
    /* elements of a row: a single row that is longer is divided into tasks, which keep no values of
     * it */
    FV_LONG_ROW = 2048
};

/* The value nearest to n within the bounds of a symbol. */
int64_t fv_nearest_size(const fv_dim *symbol, int64_t n);
/* The value of d where its symbols have typical values, for decisions that change no result. -1:
 * too large. */
int64_t fv_typical_dim(const fv_dim *d);
/* The number of elements of a tensor whose dims have their typical values; a very large number if a
 * dim is too large. */
double fv_typical_elements(const fv_type *t);
/* n as an integer, for printing; -1: too large. */
int64_t fv_whole_number(double n);

#endif
