/* names.h - names of models in names of ours. */
#ifndef FV_BACKEND_LOWERING_NAMES_H
#define FV_BACKEND_LOWERING_NAMES_H

#include "ir/base/arena.h"

/* A name with letters, digits and underscores only. */
const char *fv_safe_name(fv_arena *a, const char *name);

#endif
