/* steps.h - the steps of lowering that ir/definition/steps.def lists. Each changes the definitions
 * of the module in place. */
#ifndef FV_BACKEND_STEPS_STEPS_H
#define FV_BACKEND_STEPS_STEPS_H

#include "backend/lowering/lowering.h"

/* Each returns false after a diagnostic. */
#define STEP(id, naive, leaves) bool fv_step_##id(fv_lowerer *l) FV_MUST_USE;
#define WHY(id, step, verdict, sentence, condition)
#include "ir/definition/steps.def"
#undef STEP
#undef WHY
#endif
