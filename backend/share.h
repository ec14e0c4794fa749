/* share.h - makes one kernel of several kernels of a program that are equal, or differ only in
 * literals. */
#ifndef FV_BACKEND_SHARE_H
#define FV_BACKEND_SHARE_H

#include "backend/lowering/lowering.h"

/* Sets the kernels of the program, once the memory of all launches is planned. Kernels that are
 * equal except for literals become one, which reads the literals that differ from a constant in
 * `literals` of the launch. */
void fv_share_kernels(fv_lowerer *l);

#endif
