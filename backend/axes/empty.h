/* empty.h - removes the loads from definitions of values that have no elements in any run. */
#ifndef FV_BACKEND_AXES_EMPTY_H
#define FV_BACKEND_AXES_EMPTY_H

#include "backend/lowering/lowering.h"

/* d itself; or, if one of its axes is always empty, a definition of the same value that loads
 * nothing. Without this, loads that do not depend on the empty axis would be computed before its
 * loop, or packed. */
fv_definition *fv_spare_empty(fv_lowerer *l, fv_definition *d);

#endif
