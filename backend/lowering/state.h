/* state.h - the definitions between two steps of lowering: copied from, and restored to, the state
 * of lowering. */
#ifndef FV_BACKEND_LOWERING_STATE_H
#define FV_BACKEND_LOWERING_STATE_H

#include "backend/lowering/lowering.h"
#include "ir/definition/definitions.h"

/* Which of these steps, which need more than the definitions of values, have not run yet? */
typedef struct fv_to_come {
    bool group, attend, concat;
} fv_to_come;

/* The definitions after step `after`, in the form of the text, in arena a. */
fv_definitions *fv_lowerer_state(fv_lowerer *l, fv_arena *a, const char *after, fv_to_come next);
/* Restores the state of lowering from the definitions of the module. */
void fv_lowerer_resume(fv_lowerer *l, const fv_definitions *d);

#endif
