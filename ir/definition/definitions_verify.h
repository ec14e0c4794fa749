/* definitions_verify.h - the verifier of definitions. */
#ifndef FV_IR_DEFINITION_DEFINITIONS_VERIFY_H
#define FV_IR_DEFINITION_DEFINITIONS_VERIFY_H

#include "ir/definition/definitions.h"

/* Checks that every load is of a value that was computed before, has an index for each axis, and is
 * within the value; that types agree, variables are bound where they are used, and operations that
 * only kernels may contain do not occur; that the parts of an assembled value are disjoint blocks
 * that cover it (but for space between rows), and in a text that each is written before its
 * elements are read; that after the step "results" each result has its own memory. `after`: the
 * step of lowering that is named in errors; its loads may rely on facts about sizes that only
 * operators know. NULL: the definitions were read from a text; a load that is not proved to be
 * within its value (inside.h) gives a warning, or an error if data decide the index. */
bool fv_definitions_verify(fv_module *m, const fv_definitions *d, const char *after) FV_MUST_USE;

#endif
