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
    const char *sha1; /* hex, of the whole file; NULL: nobody has asked */
    struct fv_external_file *next;
} fv_external_file;

/* The origin of tensors: the bytes that were unpacked, and the folder of external data. */
typedef struct fv_tensor_reader {
    fv_session *session;
    fv_arena *arena; /* of the tensors; maps external files */
    const uint8_t *bytes;
    const char *folder; /* of external files; NULL: there can be none */
    fv_external_file *files;
    bool look;           /* nobody wants the content: no checksum is compared */
    size_t sparse_bytes; /* that sparse tensors took when made dense */
    void (*seen)(void *ctx, const void *bytes,
                 size_t n); /* called with external data; may be NULL */
    void *ctx;
} fv_tensor_reader;

/* Elements in host byte order; NULL after a diagnostic. Where the file's bytes can serve as they
 * are, the tensor points to them. Then its data may be less aligned than its elements -- but only
 * where it is larger than FV_FOLD_BYTES: smaller ones are copied to be aligned. */
const fv_tensor *fv_tensor_decode(fv_tensor_reader *r, const Onnx__TensorProto *t);
const fv_tensor *fv_tensor_decode_sparse(fv_tensor_reader *r, const Onnx__SparseTensorProto *t);

/* The bytes of `e` as a tensor of those dims, little-endian or not: in place where that will do.
 * Checks nothing but what `bytes` must be: as large as the type and dims say. */
const fv_tensor *fv_tensor_of_bytes(fv_arena *a, fv_elem e, int rank, const int64_t *dims,
                                    const uint8_t *bytes, bool big_endian);
/* Elements of these dims; false where they do not fit. */
bool fv_count_elements(int rank, const int64_t *dims, size_t *out) FV_MUST_USE;

/* What messages are written with: an integer; a field of bytes. */
void fv_pb_put_varint(fv_text *out, uint64_t v);
void fv_pb_put_bytes(fv_text *out, unsigned field, const void *data, size_t size);

/* External data, frontend/external.c: the bytes that a tensor of `need` bytes has in another file;
 * NULL after a diagnostic. */
const uint8_t *fv_tensor_external(fv_tensor_reader *r, const Onnx__TensorProto *t, size_t need);

#endif
