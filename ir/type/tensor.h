/* tensor.h - tensors with their data. */
#ifndef FV_IR_TYPE_TENSOR_H
#define FV_IR_TYPE_TENSOR_H

#include <stdio.h>

#include "ir/type/type.h"

/* A tensor with its data. Elements are in host byte order; types of less than 8 bits are packed as
 * in ONNX; strings are an array of fv_string. The data belong to the module's arena or to a file
 * that it has mapped. */
typedef struct fv_string {
    const char *s;
    size_t n;
} fv_string;

/* Compares two strings byte by byte; the shorter one is less if the longer one begins with it.
 * Returns a number below, of or above 0, as memcmp. */
int fv_string_compare(fv_string a, fv_string b);

/* Bytes that are stored in n pieces of `bytes` bytes each, each of which begins `stride` bytes
 * after the one before: a share of a larger tensor, which is not copied before it is written. */
typedef struct fv_tensor_rows {
    const void *first;
    size_t n, bytes, stride;
} fv_tensor_rows;

typedef struct fv_tensor {
    fv_elem elem;
    int rank;
    const int64_t *dims;
    size_t count; /* number of elements */
    size_t bytes;
    /* NULL: left out, rows, or the elements of a weight that lowering has laid out, which are made
     * when they are read (backend/lowering/contents.h) */
    const void *data;
    /* the data as rows of a larger tensor, with `data` NULL; NULL: `data` has them. Only passes
     * that cut a graph make rows (passes/shard), and only code that writes graphs to files reads
     * them */
    const fv_tensor_rows *rows;
} fv_tensor;
/* Computes the numbers of elements and bytes of a tensor. False: the rank or a dim is negative, the
 * rank is above FV_MAX_RANK, or there are more than SIZE_MAX / 4 bytes. */
bool fv_tensor_size(fv_elem e, int rank, const int64_t *dims, size_t *count,
                    size_t *bytes) FV_MUST_USE;
/* A new tensor with zeroed data in the arena; NULL if fv_tensor_size fails. */
fv_tensor *fv_tensor_new(fv_arena *a, fv_elem e, int rank, const int64_t *dims);
/* Element i in row-major order: of a tensor of integers or bools (packed types included), where a
 * u64 from 2^63 on is negative; of a tensor of floats, integers or bools as a double. */
int64_t fv_tensor_int(const fv_tensor *t, size_t i);
double fv_tensor_float(const fv_tensor *t, size_t i);
/* Set element i of a tensor made by fv_tensor_new. An integer wraps to the element type, and of a
 * bool tensor it says whether it is not 0; a float is rounded as by fv_float_encode. */
void fv_tensor_set_int(fv_tensor *t, size_t i, int64_t v);
void fv_tensor_set_float(fv_tensor *t, size_t i, double v);
/* Copies n units of `unit` bytes each; swap: reverses the bytes of each unit. */
void fv_copy_units(void *to, const void *from, size_t n, size_t unit, bool swap);
/* Copies n elements of `bits` bits, which divide 8 or are a multiple of it, between positions in
 * arrays that do not overlap. Elements of less than a byte are packed as in ONNX. */
void fv_copy_elements(void *to, size_t at, const void *from, size_t first, size_t n, size_t bits);
/* Is this host big-endian? Files are little-endian. */
bool fv_host_is_big_endian(void) FV_MUST_USE;
/* The number of bytes that are swapped as one unit: of a complex type half an element, of a packed
 * type 1. */
size_t fv_elem_unit(fv_elem e);
/* The bytes of t in little-endian order, as files store them; a copy in the arena on a big-endian
 * host, or if t has rows, else t->data. Not for strings. */
const void *fv_tensor_little_endian(fv_arena *a, const fv_tensor *t);

/* ---- large tensors, without copies in memory ---- */

/* Writes the bytes of t in little-endian order to f. Large data of a file that s has mapped leave
 * the memory after they were written; s may be NULL. Not for strings. False, with errno: f cannot
 * be written. */
bool fv_tensor_write_bytes(fv_session *s, const fv_tensor *t, FILE *f) FV_MUST_USE;
/* t, or if it has rows, a tensor with a copy of its data in the arena. */
const fv_tensor *fv_tensor_whole(fv_arena *a, const fv_tensor *t);
/* Sets *out to the rows of a part of t: of each of its n blocks of `block` bytes, the `bytes` bytes
 * from byte `begin` on. False: t has rows itself, and the part is neither a piece of each row nor
 * consecutive whole rows. */
bool fv_tensor_part_rows(const fv_tensor *t, size_t n, size_t block, size_t begin, size_t bytes,
                         fv_tensor_rows *out) FV_MUST_USE;
/* Have both the same type, shape and bits (strings: the same content)? */
bool fv_tensor_equal(const fv_tensor *a, const fv_tensor *b) FV_MUST_USE;

#endif
