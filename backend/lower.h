/* lower.h - graph IR to code: the public face of backend/.
 *
 *   graph IR -> definitions -> groups -> kernels + host program + memory plan -> consumers
 *
 * fv_lower does all up to the program; fv_program_expand (backend/expand/expand.h) makes it what
 * consumers implement; then backend/interp, backend/llvm or backend/c take it. */
#ifndef FV_BACKEND_LOWER_H
#define FV_BACKEND_LOWER_H

#include "backend/lowering/options.h"
#include "ir/definition/definitions.h"
#include "ir/kernel/kernel.h"
#include "ir/kernel/program.h"

/* Is that step of lowering also done where each op is alone (options->naive)? */
bool fv_step_is_naive(const char *step) FV_MUST_USE;
/* Does the steps that lower a graph to what kernels are made of (fv_lower_steps), and gives away
 * what values are then; false after diagnostics. */
bool fv_lower_definitions(fv_module *m, const fv_lower_options *o,
                          bool (*put)(void *user, const fv_module *m, const fv_definitions *d),
                          void *user) FV_MUST_USE;

/* The module must consist of ops with a definition or a kernel (the pass "legalise" sees to it).
 * The program lives in its own arena; it refers to constants of the module, which must outlive it.
 * NULL after diagnostics. */
fv_program *fv_lower(fv_module *m, const fv_lower_options *o);

#endif
