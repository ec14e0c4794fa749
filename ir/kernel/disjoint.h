/* disjoint.h - verification of loops whose iterations must store different elements. */
#ifndef FV_IR_KERNEL_DISJOINT_H
#define FV_IR_KERNEL_DISJOINT_H

#include "ir/kernel/verifier.h"

/* Do different iterations of a parallel or vector loop store different elements? */
bool fv_kv_disjoint(fv_kverifier *v, const fv_block *body) FV_MUST_USE;

#endif
