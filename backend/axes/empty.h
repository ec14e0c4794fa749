/* empty.h - removes the loads from definitions of values that may have no elements. */
#ifndef FV_BACKEND_AXES_EMPTY_H
#define FV_BACKEND_AXES_EMPTY_H

#include "backend/lowering/lowering.h"

/* d, or, if one of its axes is always empty, the definition of a value that reads nothing: what
 * does not run along the empty axis would be read before its loop, or packed. */
fv_definition *fv_spare_empty(fv_lowerer *l, fv_definition *d);

#endif
