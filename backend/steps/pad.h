/* pad.h - which loads can read an image that is stored with its border. */
#ifndef FV_BACKEND_STEPS_PAD_H
#define FV_BACKEND_STEPS_PAD_H

#include "backend/lowering/lowering.h"

/* Can the definition d read an image that is stored with its border, by the guarded load x? If not,
 * its kernel copies the image with the border before it starts. */
bool fv_pad_reads(fv_lowerer *l, const fv_definition *d, const fv_expr *x) FV_MUST_USE;

#endif
