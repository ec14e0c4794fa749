/* data.h - tensors in files: ONNX's TensorProto (.pb) and numpy's .npy.
 *
 * What is read lives in the arena that is given; large contents stay in the mapped file. Sizes are
 * checked before anything is allocated. All functions return NULL or false after a diagnostic. */
#ifndef FV_FRONTEND_DATA_H
#define FV_FRONTEND_DATA_H

#include "ir/base/text.h"
#include "ir/type/tensor.h"

/* Reads a .npy file, or a .pb file by any other suffix.
 * `want` is the element type that the reader expects, or FV_NO_ELEM: it tells types apart that .npy
 * cannot spell. An .npy of raw bytes (dtype V1, V2: what numpy writes for ml_dtypes) or of unsigned
 * integers of the same width is taken as the bits of bf16, f16 and f8 elements; integers, one an
 * element, as packed types (u4, i4, u2, i2, f4e2m1), where each must fit. */
const fv_tensor *fv_tensor_read(fv_session *s, fv_arena *a, const char *path, fv_elem want);
const fv_tensor *fv_tensor_read_npy(fv_session *s, fv_arena *a, const char *path, fv_elem want);
/* A TensorProto. A SequenceProto, OptionalProto or SparseTensorProto is recognised, and refused: it
 * is no tensor. */
const fv_tensor *fv_tensor_read_pb(fv_session *s, fv_arena *a, const char *path);
/* The `nparts` tensors that a value is made of (ops/sequence/sequence.h) which a file holds as a
 * SequenceProto or OptionalProto of tensors of `e`, or, where it is an optional tensor or a
 * sequence of one, as that tensor. */
bool fv_parts_read_pb(fv_session *s, fv_arena *a, const char *path, fv_elem e, int nparts,
                      const fv_tensor **parts) FV_MUST_USE;

/* A sparse tensor: its elements [n], and their places, [n] counted through all elements of its
 * dims, or [n, rank] along each axis. */
typedef struct fv_sparse_parts {
    const fv_tensor *values, *indices;
    int rank;
    const int64_t *dims;
} fv_sparse_parts;

/* The parts of an input that is a sparse tensor of `e` and that rank, values [n] and coordinates
 * [n, rank]. False after a diagnostic: they do not fit each other or that input, or indices are
 * outside of the dims, or do not ascend. */
bool fv_sparse_fit(fv_session *s, fv_arena *a, const fv_sparse_parts *p, const char *what,
                   fv_elem e, int rank, const fv_tensor **parts) FV_MUST_USE;
/* The same of a SparseTensorProto. */
bool fv_sparse_read_pb(fv_session *s, fv_arena *a, const char *path, fv_elem e, int rank,
                       const fv_tensor **parts) FV_MUST_USE;
bool fv_sparse_from_pb(fv_session *s, fv_arena *a, const uint8_t *data, size_t size,
                       const char *what, fv_elem e, int rank, const fv_tensor **parts) FV_MUST_USE;
/* Is it a sparse tensor, and no other? Nobody hears why not. */
bool fv_sparse_is_pb(const uint8_t *data, size_t size) FV_MUST_USE;

/* Maps: the entries of all maps in sequence, and the position at which each map ends
 * (ops/sequence/map.h). */
typedef struct fv_maps {
    const fv_tensor *keys, *values; /* vectors of one length; strings are strings */
    const fv_tensor *ends;          /* NULL: it is one map, and no sequence */
} fv_maps;

/* How many there are, and the entries of map i. */
size_t fv_maps_count(const fv_maps *m);
void fv_maps_entries(const fv_maps *m, size_t i, size_t *first, size_t *end);
/* Do the ends say which entries a map has? What a library of another maker gives may not. */
bool fv_maps_are_whole(const fv_maps *m) FV_MUST_USE;
/* The same maps, each with its keys in ascending order. */
fv_maps fv_maps_sorted(fv_arena *a, const fv_maps *m);
/* False after a diagnostic: a map in `what` has a key twice. */
bool fv_maps_check(fv_session *s, fv_arena *a, const fv_maps *m, const char *what) FV_MUST_USE;
/* A MapProto, or a SequenceProto of such, with keys and values of these types. */
bool fv_maps_read_pb(fv_session *s, fv_arena *a, const char *path, fv_elem key, fv_elem value,
                     bool sequence, fv_maps *out) FV_MUST_USE;
bool fv_maps_from_pb(fv_session *s, fv_arena *a, const uint8_t *data, size_t size, const char *what,
                     fv_elem key, fv_elem value, bool sequence, fv_maps *out) FV_MUST_USE;
void fv_maps_to_pb(fv_text *out, const fv_maps *m, const char *name);

/* The text and ends of these strings (ops/text/text.h); false: they are too many. And strings,
 * whose bytes stay in `text`; NULL: the ends are none of that text. */
bool fv_text_from_strings(fv_arena *a, const fv_tensor *strings,
                          const fv_tensor **parts) FV_MUST_USE;
const fv_tensor *fv_strings_from_text(fv_arena *a, const fv_tensor *text, const fv_tensor *ends);

/* Writes .npy or, by any other suffix, TensorProto; `name` is the tensor's name in the latter.
 * bf16 and f8 go to .npy as unsigned integers of their bits, packed types as one byte an element;
 * strings as fixed-width unicode, or, where one of them is no UTF-8, as bytes. */
bool fv_tensor_write(fv_session *s, const char *path, const fv_tensor *t,
                     const char *name) FV_MUST_USE;
bool fv_tensor_write_npy(fv_session *s, const char *path, const fv_tensor *t) FV_MUST_USE;
bool fv_tensor_write_pb(fv_session *s, const char *path, const fv_tensor *t,
                        const char *name) FV_MUST_USE;

/* The same on bytes in memory, which must outlive the tensor. `what` names them in diagnostics. */
const fv_tensor *fv_tensor_from_npy(fv_session *s, fv_arena *a, const uint8_t *data, size_t size,
                                    fv_elem want, const char *what);
const fv_tensor *fv_tensor_from_pb(fv_session *s, fv_arena *a, const uint8_t *data, size_t size,
                                   const char *what);
bool fv_tensor_to_npy(fv_text *out, fv_session *s, const fv_tensor *t) FV_MUST_USE;
bool fv_parts_from_pb(fv_session *s, fv_arena *a, const uint8_t *data, size_t size,
                      const char *what, fv_elem e, int nparts, const fv_tensor **parts) FV_MUST_USE;
/* Is it a tensor? Nobody hears why not. */
bool fv_tensor_is_pb(const uint8_t *data, size_t size) FV_MUST_USE;
void fv_tensor_to_pb(fv_text *out, const fv_tensor *t, const char *name);

#endif
