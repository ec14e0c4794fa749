/* names.h - makes names of kernels and buffers from names in the model. */
#ifndef FV_BACKEND_LOWERING_NAMES_H
#define FV_BACKEND_LOWERING_NAMES_H

#include "ir/base/arena.h"

/* The name with each character that is no letter, digit or underscore replaced by an underscore. */
const char *fv_safe_name(fv_arena *a, const char *name);

#endif
