/* tensor_proto.h - elements of TensorProto messages, stored in the file itself or in external
 * files. */
#ifndef FV_FRONTEND_TENSOR_PROTO_H
#define FV_FRONTEND_TENSOR_PROTO_H

#include "frontend/file.h"
#include "frontend/wire.h"
#include "ir/base/text.h"
#include "ir/type/tensor.h"

typedef struct fv_external_file {
    const char *location; /* as the model writes it */
    fv_file file;
    const char *sha1; /* SHA-1 in hex of the whole file; NULL: not computed yet */
    struct fv_external_file *next;
} fv_external_file;

/* Where tensors are read from: the bytes that were unpacked, and the folder of external data. */
typedef struct fv_tensor_reader {
    fv_session *session;
    fv_arena *arena; /* arena of the tensors and of mapped external files */
    const uint8_t *bytes;
    const char *folder; /* folder of external files; NULL: external files are refused */
    fv_external_file *files;
    /* whether external data is not read, and no checksum compared: the model is only inspected */
    bool without_weights;
    size_t sparse_bytes; /* bytes taken so far by sparse tensors made dense */
    /* called with external data that was read; may be NULL */
    void (*seen)(void *ctx, const void *bytes, size_t n);
    void *ctx;
} fv_tensor_reader;

/* The tensor with elements in host byte order; NULL after a diagnostic. If the bytes of the file
 * can be used unchanged, the tensor points to them. Its data may then be less aligned than its
 * elements require, but only if it is larger than FV_FOLD_BYTES: smaller tensors are copied to be
 * aligned. */
const fv_tensor *fv_tensor_decode(fv_tensor_reader *r, const Onnx__TensorProto *t);
const fv_tensor *fv_tensor_decode_sparse(fv_tensor_reader *r, const Onnx__SparseTensorProto *t);

/* A tensor of those dims from bytes, little-endian or big-endian, without a copy if possible. Its
 * only precondition, unchecked: `bytes` has the size that type and dims require. */
const fv_tensor *fv_tensor_of_bytes(fv_arena *a, fv_elem e, int rank, const int64_t *dims,
                                    const uint8_t *bytes, bool big_endian);
/* The number of elements of these dims; false if it is too large. */
bool fv_count_elements(int rank, const int64_t *dims, size_t *out) FV_MUST_USE;

/* Functions that write messages: an integer; a field of bytes. */
void fv_pb_put_varint(fv_text *out, uint64_t v);
void fv_pb_put_bytes(fv_text *out, unsigned field, const void *data, size_t size);

/* Finds external data (frontend/external.c): the `need` bytes of the tensor in another file; NULL
 * after a diagnostic. */
const uint8_t *fv_tensor_external(fv_tensor_reader *r, const Onnx__TensorProto *t, size_t need);

#endif
