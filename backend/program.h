/* program.h - writes the host program, after scheduling and planning. */
#ifndef FV_BACKEND_PROGRAM_H
#define FV_BACKEND_PROGRAM_H

#include "backend/lowering/lowering.h"

/* Writes the plan and the body of l->program from the steps in l->host. False after a
 * diagnostic. */
bool fv_write_program(fv_lowerer *l) FV_MUST_USE;

#endif
