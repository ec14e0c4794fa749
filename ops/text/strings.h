/* strings.h - operators that take numbers, too, where their operands are strings: .strings of their
 * entries. */
#ifndef FV_OPS_TEXT_STRINGS_H
#define FV_OPS_TEXT_STRINGS_H

#include "ops/text/text.h"

bool fv_equal_strings(fv_rewriter *w, fv_op *op) FV_MUST_USE;

/* The number of each of these strings among n keys, of equal ones the first; numbers NULL: 0, 1,
 * ...; what is none of them gets `none`. A tensor of the dims of the strings. */
fv_value *fv_w_find_strings(fv_rewriter *w, fv_strings s, int n, const fv_string *keys,
                            const int64_t *numbers, int64_t none);

/* Of each of n strings the place of the first that is like it. */
void fv_first_of_strings(fv_arena *a, int n, const fv_string *strings, int64_t *first);

#endif
