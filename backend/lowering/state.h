/* state.h - what values are between two steps of lowering, given away and taken over. */
#ifndef FV_BACKEND_LOWERING_STATE_H
#define FV_BACKEND_LOWERING_STATE_H

#include "backend/lowering/lowering.h"
#include "ir/definition/definitions.h"

/* Steps that ask more of a value than its definition, and are to come. */
typedef struct fv_to_come {
    bool group, attend, concat;
} fv_to_come;

/* What values are after the step of that name, as the text of definitions has it. */
fv_definitions *fv_lowerer_state(fv_lowerer *l, const char *after, fv_to_come next);
/* Goes on from a state: the module's. */
void fv_lowerer_resume(fv_lowerer *l, const fv_definitions *d);

#endif
