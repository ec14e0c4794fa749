/* ports.h - inputs and outputs whose types in the program differ from those that callers see:
 * packed types, and states with spare capacity. */
#ifndef FV_BACKEND_LOWERING_PORTS_H
#define FV_BACKEND_LOWERING_PORTS_H

#include "backend/lowering/lowering.h"

/* Are all inputs and outputs of the model tensors of real numbers? False after a diagnostic. */
bool fv_check_ports(fv_lowerer *l) FV_MUST_USE;
/* Changes inputs and outputs to the types that the program uses; fv_close_ports restores the
 * module. */
bool fv_open_ports(fv_lowerer *l) FV_MUST_USE;
void fv_close_ports(fv_lowerer *l);

#endif
