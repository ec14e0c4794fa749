/* larger.h - stores a value within a larger one, which a step adds: an image with its border, or
 * rows with space between them. The larger value has no kernel; it is assembled of parts. */
#ifndef FV_BACKEND_STEPS_LARGER_H
#define FV_BACKEND_STEPS_LARGER_H

#include "backend/lowering/lowering.h"

/* Is v read through its definition only, never as memory by an op with a kernel of its own or
 * through a view? Then each load of it can be replaced by one of the larger value. */
bool fv_is_private(fv_lowerer *l, const fv_value *v) FV_MUST_USE;
/* Adds an op `define` before `next`, with the nin operands `in`, a result called `name`, and a
 * kernel called `kernel`. The result has the axes of s, with the extents `extent` in the order of
 * memory. */
fv_op *fv_add_like(fv_lowerer *l, const fv_storage *s, fv_op *next, const char *name,
                   const char *kernel, int nin, fv_value **in, const fv_dim *const *extent);
/* The buffer of the value of s with its axes in the order of memory. */
fv_buf *fv_buf_in_memory(fv_lowerer *l, const fv_storage *s);
/* Stores s in `whole`, whose buffer in the order of memory is given, at its own indices plus
 * `at`. */
void fv_store_within(fv_lowerer *l, fv_storage *s, fv_storage *whole, fv_buf *buf,
                     const int64_t *at);
/* Calls `with` for each value that a kernel of its own computes, in their order. */
void fv_each_kernel(fv_lowerer *l, void (*with)(void *user, fv_storage *s), void *user);

#endif
