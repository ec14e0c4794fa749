/* tensor.h - contents of tensors. */
#ifndef FV_IR_TYPE_TENSOR_H
#define FV_IR_TYPE_TENSOR_H

#include "ir/type/type.h"

/* A tensor's content. Elements are in host byte order, packed types packed as in ONNX; strings are
 * an array of fv_string. The bytes belong to the module's arena or to a file mapped by it. */
typedef struct fv_string {
    const char *s;
    size_t n;
} fv_string;
typedef struct fv_tensor {
    fv_elem elem;
    int rank;
    const int64_t *dims;
    size_t count; /* elements */
    size_t bytes;
    const void *data;
} fv_tensor;
/* Elements and bytes of a tensor. False: a negative dim, too high a rank, or too large. */
bool fv_tensor_size(fv_elem e, int rank, const int64_t *dims, size_t *count,
                    size_t *bytes) FV_MUST_USE;
/* A tensor with zeroed data of its own. Out of range sizes: NULL. */
fv_tensor *fv_tensor_new(fv_arena *a, fv_elem e, int rank, const int64_t *dims);
/* Element i of an integer or bool tensor (packed too); of a float tensor as double. */
int64_t fv_tensor_int(const fv_tensor *t, size_t i);
double fv_tensor_float(const fv_tensor *t, size_t i);
/* Sets element i of a tensor from fv_tensor_new: wraps, or rounds, to the element type. */
void fv_tensor_set_int(fv_tensor *t, size_t i, int64_t v);
void fv_tensor_set_float(fv_tensor *t, size_t i, double v);
/* Copies n units of `unit` bytes; swap: each with its bytes reversed. */
void fv_copy_units(void *to, const void *from, size_t n, size_t unit, bool swap);
/* Does this host differ from the file formats, which are little-endian? */
bool fv_host_is_big_endian(void) FV_MUST_USE;
/* Bytes of what is swapped as one: half of a complex element; packed types: 1. */
size_t fv_elem_unit(fv_elem e);
/* Its bytes as files hold them, little-endian; in the arena where that is a copy. No strings. */
const void *fv_tensor_little_endian(fv_arena *a, const fv_tensor *t);
/* Same type, shape and bits (strings: same content). */
bool fv_tensor_equal(const fv_tensor *a, const fv_tensor *b) FV_MUST_USE;

#endif
