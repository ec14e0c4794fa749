/* library_weights.h - the size of the weights of a compiled library. */
#ifndef FV_TOOLS_MODEL_LIBRARY_WEIGHTS_H
#define FV_TOOLS_MODEL_LIBRARY_WEIGHTS_H

#include "tools/model/model.h"

/* The path of the file of weights, in the folder of the library, which is not that of a link to
 * it. The table must name such a file. */
const char *fv_library_weights_path(fv_arena *a, const fv_subject *m);
/* Bytes of the weights of all targets; -1: not known, as without a table of symbols, which strip
 * removes, or without the file of weights. */
int64_t fv_library_weights(fv_arena *a, const fv_subject *m);

#endif
