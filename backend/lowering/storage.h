/* storage.h - what becomes of a value. */
#ifndef FV_BACKEND_LOWERING_STORAGE_H
#define FV_BACKEND_LOWERING_STORAGE_H

#include "backend/lowering/lowering.h"

fv_storage *fv_storage_of(fv_lowerer *l, const fv_value *v);
/* what x loads; NULL: it is no load */
fv_storage *fv_storage_loaded(fv_lowerer *l, const fv_expr *x);
fv_storage *fv_storage_root(fv_storage *s); /* The storage that owns the memory of s. */
fv_storage *fv_storage_home(fv_storage *s); /* the Concat in whose memory it is a part; itself */
/* Is the memory of s read by d, as it is or in another shape? */
bool fv_storage_is_read_by(fv_lowerer *l, const fv_storage *s, const fv_definition *d) FV_MUST_USE;
/* a kernel of its own makes it of its definition */
bool fv_storage_has_kernel(const fv_storage *s) FV_MUST_USE;
const fv_origin *fv_storage_origin(fv_lowerer *l, const fv_value *v);

#endif
