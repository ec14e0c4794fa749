/* support.h - functions that the tests of passes, rules and formulas share: a session, texts in and
 * out. */
#ifndef FV_TESTS_PASSES_SUPPORT_H
#define FV_TESTS_PASSES_SUPPORT_H

#include "ir/graph/graph.h"
#include "tests/session.h"

/* Parses a module from the text after its head; fails the test if that is not possible. */
fv_module *module_of(const char *text);
/* The op of that name, or NULL: the first in the body of main. */
fv_op *find_op(fv_module *m, const char *name);
/* The module without its head, and without the bounds that symbols have by default. */
const char *text_of(const fv_module *m);

#endif
