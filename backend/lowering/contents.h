/* contents.h - the contents of the program's constants, which are made after lowering
 * (ir/kernel/constant.h). */
#ifndef FV_BACKEND_LOWERING_CONTENTS_H
#define FV_BACKEND_LOWERING_CONTENTS_H

#include "backend/lowering/lowering.h"

/* The contents for a constant of the program with this tensor, and their bytes. They are those that
 * l->added.contents has for the tensor; or the tensor's own data, if the consumer can read them
 * where they are; otherwise a copy, which is made later. NULL: contents are left out. */
fv_contents *fv_contents_of(fv_lowerer *l, const fv_tensor *t, size_t *bytes);
/* New contents of `bytes` bytes that make(user, room) writes to zeroed memory, at an address that
 * is a multiple of 64. What `make` reads must be in the arena `kept` of the lowerer, in that of the
 * module, in memory of the caller or in a mapped file. now: they are made at once, because it is
 * not. */
fv_contents *fv_contents_new(fv_lowerer *l, size_t bytes, fv_contents_maker *make, void *user,
                             bool now);
/* Are the data in the memory of lowering, which may be freed before contents are made? */
bool fv_lowering_has(const fv_lowerer *l, const void *data) FV_MUST_USE;

#endif
