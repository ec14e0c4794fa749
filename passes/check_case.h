/* check_case.h - random instances of a rule's pattern, for check.c. */
#ifndef FV_PASSES_CHECK_CASE_H
#define FV_PASSES_CHECK_CASE_H

#include "ir/base/random.h"
#include "ir/graph/graph.h"
#include "ir/rule/rule.h"

enum { FV_CASE_SYMBOLS = 2 };
/* names of the symbols that are dims of an instance's inputs */
extern const char *const fv_case_symbols[FV_CASE_SYMBOLS];

/* A module whose main function takes the values that the pattern captures and returns the pattern's
 * result. size 0 to 3: rank and dims grow with it. NULL: this attempt gave no legal module; the
 * session's messages say why. */
fv_module *fv_rule_instance(fv_session *s, const fv_rule *r, fv_random *random, int size);

/* Fills a tensor with random elements, special ones among them. */
void fv_random_fill(fv_random *r, fv_tensor *t);

#endif
