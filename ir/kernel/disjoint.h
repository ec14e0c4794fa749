/* disjoint.h - verification of loops whose iterations must store different elements. */
#ifndef FV_IR_KERNEL_DISJOINT_H
#define FV_IR_KERNEL_DISJOINT_H

#include "ir/kernel/verifier.h"

/* Is it proved that different iterations of each parallel and vector loop store different elements,
 * and that none of them loads an element that another one stores? False after a diagnostic. */
bool fv_kv_disjoint(fv_kverifier *v, const fv_block *body) FV_MUST_USE;

#endif
