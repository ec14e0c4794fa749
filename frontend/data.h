/* data.h - tensors in files: ONNX's TensorProto (.pb) and numpy's .npy.
 *
 * What is read belongs to the arena that is given; large contents stay in the mapped file. Sizes
 * are checked before anything is allocated. All functions return NULL or false after a
 * diagnostic. */
#ifndef FV_FRONTEND_DATA_H
#define FV_FRONTEND_DATA_H

#include "ir/base/text.h"
#include "ir/type/tensor.h"

/* Reads a .npy file, or a .pb file if it has any other suffix. `want` is the element type that the
 * caller expects, or FV_NO_ELEM: it distinguishes types that .npy cannot name. An .npy of raw bytes
 * (dtype V1, V2: what numpy writes for ml_dtypes) or of unsigned integers of the same width is read
 * as the bits of bf16, f16 and f8 elements. Integers, one for each element, are read as packed
 * types (u4, i4, u2, i2, f4e2m1), if each value fits. */
const fv_tensor *fv_tensor_read(fv_session *s, fv_arena *a, const char *path, fv_elem want);
const fv_tensor *fv_tensor_read_npy(fv_session *s, fv_arena *a, const char *path, fv_elem want);
/* Reads a TensorProto. A SequenceProto, OptionalProto or SparseTensorProto is recognized and
 * refused. */
const fv_tensor *fv_tensor_read_pb(fv_session *s, fv_arena *a, const char *path);
/* Reads the `nparts` tensors that represent a sequence or optional (ops/sequence/sequence.h) from a
 * file with a SequenceProto or OptionalProto of tensors of `e`; or with just the tensor, if the
 * value is an optional tensor or a sequence of one. */
bool fv_parts_read_pb(fv_session *s, fv_arena *a, const char *path, fv_elem e, int nparts,
                      const fv_tensor **parts) FV_MUST_USE;

/* A sparse tensor: its stored elements [n], and their positions: linear indices [n] or coordinates
 * [n, rank]. */
typedef struct fv_sparse_parts {
    const fv_tensor *values, *indices;
    int rank;
    const int64_t *dims;
} fv_sparse_parts;

/* The parts of an input that is a sparse tensor of type `e` and that rank: values [n] and
 * coordinates [n, rank]. False after a diagnostic: they do not fit each other or that input, or the
 * indices are out of range or not ascending. */
bool fv_sparse_fit(fv_session *s, fv_arena *a, const fv_sparse_parts *p, const char *what,
                   fv_elem e, int rank, const fv_tensor **parts) FV_MUST_USE;
/* The same for a SparseTensorProto. */
bool fv_sparse_read_pb(fv_session *s, fv_arena *a, const char *path, fv_elem e, int rank,
                       const fv_tensor **parts) FV_MUST_USE;
bool fv_sparse_from_pb(fv_session *s, fv_arena *a, const uint8_t *data, size_t size,
                       const char *what, fv_elem e, int rank, const fv_tensor **parts) FV_MUST_USE;
/* Whether it is a sparse tensor and no other message. Reports no diagnostic. */
bool fv_sparse_is_pb(const uint8_t *data, size_t size) FV_MUST_USE;

/* Maps: the entries of all maps one after the other, and the position at which each map ends
 * (ops/sequence/map.h). */
typedef struct fv_maps {
    const fv_tensor *keys, *values; /* vectors of the same length; strings are strings */
    const fv_tensor *ends;          /* NULL: one map, not a sequence of maps */
} fv_maps;

/* The number of maps, and the range of the entries of map i. */
size_t fv_maps_count(const fv_maps *m);
void fv_maps_entries(const fv_maps *m, size_t i, size_t *first, size_t *end);
/* Whether the ends are a valid division of the entries. A compiled library from elsewhere may
 * return others. */
bool fv_maps_are_whole(const fv_maps *m) FV_MUST_USE;
/* The same maps, each with its keys in ascending order. */
fv_maps fv_maps_sorted(fv_arena *a, const fv_maps *m);
/* False after a diagnostic: a map in `what` has the same key twice. */
bool fv_maps_check(fv_session *s, fv_arena *a, const fv_maps *m, const char *what) FV_MUST_USE;
/* Reads a MapProto, or a SequenceProto of maps, with keys and values of these types. */
bool fv_maps_read_pb(fv_session *s, fv_arena *a, const char *path, fv_elem key, fv_elem value,
                     bool sequence, fv_maps *out) FV_MUST_USE;
bool fv_maps_from_pb(fv_session *s, fv_arena *a, const uint8_t *data, size_t size, const char *what,
                     fv_elem key, fv_elem value, bool sequence, fv_maps *out) FV_MUST_USE;
void fv_maps_to_pb(fv_text *out, const fv_maps *m, const char *name);

/* The text and ends of these strings (ops/text/text.h); false if there are too many. And the
 * strings with that text and these ends, whose bytes stay in `text`; NULL: the ends do not fit the
 * text. */
bool fv_text_from_strings(fv_arena *a, const fv_tensor *strings,
                          const fv_tensor **parts) FV_MUST_USE;
const fv_tensor *fv_strings_from_text(fv_arena *a, const fv_tensor *text, const fv_tensor *ends);

/* Writes .npy or, with any other suffix, TensorProto; `name` is the tensor's name in the latter. In
 * .npy, bf16 and f8 are written as unsigned integers with their bits, packed types as one byte for
 * each element, strings as fixed-width unicode, or as bytes if one of them is not valid UTF-8. */
bool fv_tensor_write(fv_session *s, const char *path, const fv_tensor *t,
                     const char *name) FV_MUST_USE;
bool fv_tensor_write_npy(fv_session *s, const char *path, const fv_tensor *t) FV_MUST_USE;
bool fv_tensor_write_pb(fv_session *s, const char *path, const fv_tensor *t,
                        const char *name) FV_MUST_USE;

/* The same for bytes in memory, which must outlive the tensor. `what` names them in diagnostics. */
const fv_tensor *fv_tensor_from_npy(fv_session *s, fv_arena *a, const uint8_t *data, size_t size,
                                    fv_elem want, const char *what);
const fv_tensor *fv_tensor_from_pb(fv_session *s, fv_arena *a, const uint8_t *data, size_t size,
                                   const char *what);
bool fv_tensor_to_npy(fv_text *out, fv_session *s, const fv_tensor *t) FV_MUST_USE;
bool fv_parts_from_pb(fv_session *s, fv_arena *a, const uint8_t *data, size_t size,
                      const char *what, fv_elem e, int nparts, const fv_tensor **parts) FV_MUST_USE;
/* Whether it is a tensor. Reports no diagnostic. */
bool fv_tensor_is_pb(const uint8_t *data, size_t size) FV_MUST_USE;
void fv_tensor_to_pb(fv_text *out, const fv_tensor *t, const char *name);

#endif
