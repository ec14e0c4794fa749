/* winograd.h - convolutions by Winograd's algorithm, which --relax=winograd allows. */
#ifndef FV_BACKEND_STEPS_WINOGRAD_H
#define FV_BACKEND_STEPS_WINOGRAD_H

#include "backend/lowering/lowering.h"

/* Must be called before any op is defined: replaces each fv.Conv for which this is estimated to
 * pay, together with a Relu that is its only reader, by ops that compute it by Winograd's
 * algorithm. Does nothing unless the options allow FV_RELAX_WINOGRAD. False after a diagnostic. */
bool fv_choose_winograd(fv_lowerer *l) FV_MUST_USE;

#endif
