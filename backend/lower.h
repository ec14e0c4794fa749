/* lower.h - from graph IR to a program: the interface of backend/.
 *
 *   graph IR -> definitions -> groups -> kernels + host program + memory plan -> consumers
 *
 * fv_lower makes the program, fv_program_expand (backend/expand/expand.h) expands it for the
 * consumers, and backend/interp, backend/llvm or backend/c execute it or write code. */
#ifndef FV_BACKEND_LOWER_H
#define FV_BACKEND_LOWER_H

#include "backend/lowering/options.h"
#include "ir/definition/definitions.h"
#include "ir/kernel/kernel.h"
#include "ir/kernel/program.h"

/* Is the step `step` also performed if each op is lowered alone (options->naive)? */
bool fv_step_is_naive(const char *step) FV_MUST_USE;
/* Performs the steps of lowering that work on definitions (fv_lower_steps), and calls `put` with
 * the resulting definitions. False after diagnostics. */
bool fv_lower_definitions(fv_module *m, const fv_lower_options *o,
                          bool (*put)(void *user, const fv_module *m, const fv_definitions *d),
                          void *user) FV_MUST_USE;

/* Lowers a module in which each op has a definition or kernels of its own, as after the pass
 * `legalise`. The program has its own arena, but refers to constants of the module, which must
 * outlive it. NULL after diagnostics. */
fv_program *fv_lower(fv_module *m, const fv_lower_options *o);

#endif
