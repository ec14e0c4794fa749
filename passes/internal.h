/* internal.h - the functions of the passes in passes.def. */
#ifndef FV_PASSES_INTERNAL_H
#define FV_PASSES_INTERNAL_H

#include "passes/passes.h"

#define PASS(id, name, doc) bool fv_pass_##id(fv_pass_run *r);
#define AFTER(id, other, why)
#define AGAIN(id, other, why)
#define NEEDED(id, why)
#define ASKED(id, why)
#include "passes/passes.def"
#undef PASS
#undef AFTER
#undef AGAIN
#undef NEEDED
#undef ASKED

#endif
