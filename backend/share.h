/* share.h - makes one kernel of several equal kernels of a program. */
#ifndef FV_BACKEND_SHARE_H
#define FV_BACKEND_SHARE_H

#include "backend/lowering/lowering.h"

/* The program's kernels, of launches whose memory is planned; those that are equal but for literals
 * are one, which reads `literals` of the launches. */
void fv_share_kernels(fv_lowerer *l);

#endif
