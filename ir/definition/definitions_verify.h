/* definitions_verify.h - what is legal between two steps of lowering. */
#ifndef FV_IR_DEFINITION_DEFINITIONS_VERIFY_H
#define FV_IR_DEFINITION_DEFINITIONS_VERIFY_H

#include "ir/definition/definitions.h"

/* Legal? Each load is of a value that is made before, has as many indices as that has axes, and
 * lies inside it; types fit; variables are bound where they are used; nothing stands in it that
 * only kernels have; parts are blocks of their whole, apart, all of it, and made above what reads
 * there; after the step "results" each result has memory of its own. `after`: the step to blame,
 * whose loads may rest on what operators know of sizes and nothing states. NULL: it was read: a
 * load that is not proved to be inside (inside.h) is warned of. */
bool fv_definitions_verify(fv_module *m, const fv_definitions *d, const char *after) FV_MUST_USE;

#endif
