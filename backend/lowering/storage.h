/* storage.h - records where each value is stored. */
#ifndef FV_BACKEND_LOWERING_STORAGE_H
#define FV_BACKEND_LOWERING_STORAGE_H

#include "backend/lowering/lowering.h"

fv_storage *fv_storage_of(fv_lowerer *l, const fv_value *v);
/* the storage of the value that x loads; NULL: x is not a load */
fv_storage *fv_storage_loaded(fv_lowerer *l, const fv_expr *x);
/* the storage that owns the memory of s, which may be a view */
fv_storage *fv_storage_root(fv_storage *s);
/* the value in whose memory s is stored as a part, or as a part of a part: a Concat, an image with
 * its border, the rows of a loop or an input; s itself if it is not a part */
fv_storage *fv_storage_home(fv_storage *s);
/* Does d read the memory of s, directly, through a view, or a value that is a part of it? */
bool fv_storage_is_read_by(fv_lowerer *l, const fv_storage *s, const fv_definition *d) FV_MUST_USE;
/* Does a kernel of its own compute the value from its definition? */
bool fv_storage_has_kernel(const fv_storage *s) FV_MUST_USE;
const fv_origin *fv_storage_origin(fv_lowerer *l, const fv_value *v);

#endif
