/* ports.h - packed types at the border of a model. */
#ifndef FV_BACKEND_LOWERING_PORTS_H
#define FV_BACKEND_LOWERING_PORTS_H

#include "backend/lowering/lowering.h"

/* Is all that is passed to a program and from it a tensor of real numbers? */
bool fv_check_ports(fv_lowerer *l) FV_MUST_USE;
/* Packed types at the border; close undoes what lowering did to the module. */
bool fv_open_ports(fv_lowerer *l) FV_MUST_USE;
void fv_close_ports(fv_lowerer *l);

#endif
