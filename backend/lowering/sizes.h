/* sizes.h - sizes that choices go by; they change no result. */
#ifndef FV_BACKEND_LOWERING_SIZES_H
#define FV_BACKEND_LOWERING_SIZES_H

#include "ir/type/type.h"

enum { FV_TYPICAL = 128 }; /* of a dim whose bounds do not say otherwise */
enum {
    /* elements: a longer one that is alone is cut into tasks, which keep nothing of it */
    FV_LONG_ROW = 2048
};

/* What is nearest to n among the values of a symbol. */
int64_t fv_nearest_size(const fv_dim *symbol, int64_t n);
/* What a dim is where its symbols have typical values: for choices that change no result. -1: too
 * large. */
int64_t fv_typical_dim(const fv_dim *d);
/* Of a tensor, where its dims have those; very large where one is too large. */
double fv_typical_elements(const fv_type *t);
/* n for people; -1: too large. */
int64_t fv_whole_number(double n);

#endif
