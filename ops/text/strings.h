/* strings.h - versions for strings (.strings in the catalogue) of operators that also exist for
 * numbers. */
#ifndef FV_OPS_TEXT_STRINGS_H
#define FV_OPS_TEXT_STRINGS_H

#include "ops/text/text.h"

bool fv_equal_strings(fv_rewriter *w, fv_op *op) FV_MUST_USE;

/* The number of each of these strings among n keys, the first one of equal keys; numbers NULL: 0,
 * 1, ...; strings that are no key get `none`. The result has the dims of the strings. */
fv_value *fv_w_find_strings(fv_rewriter *w, fv_strings s, int n, const fv_string *keys,
                            const int64_t *numbers, int64_t none);

/* For each of n strings, the index of the first that is equal to it. */
void fv_first_of_strings(fv_arena *a, int n, const fv_string *strings, int64_t *first);

#endif
