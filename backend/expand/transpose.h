/* transpose.h - transposes square tiles in place. */
#ifndef FV_BACKEND_EXPAND_TRANSPOSE_H
#define FV_BACKEND_EXPAND_TRANSPOSE_H

#include "ir/kernel/build.h"

/* Transposes a square tile in place. Its elements are scalars, or vectors whose number of lanes
 * divides the number of rows. */
void fv_expand_transpose(fv_kbuilder *b, fv_buf *tile);

#endif
