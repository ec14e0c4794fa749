/* wire.h - checks protobuf bytes before protobuf-c reads them, and keeps tensors out of its copies.
 *
 * protobuf-c copies what it unpacks. So wire.c visits the bytes first: it checks every length,
 * varint, string and nesting, and writes a skeleton of the message in which the elements of each
 * TensorProto are left out; its raw_data has the position of the tensor in the bytes instead.
 * protobuf-c unpacks the skeleton; tensor_proto.c reads elements from the bytes themselves. */
#ifndef FV_FRONTEND_WIRE_H
#define FV_FRONTEND_WIRE_H

#include <protobuf-c/protobuf-c.h>

#include "frontend/onnx.pb-c.h"
#include "ir/base/diag.h"

/* ---- the fields of a message ---- */

typedef struct fv_wire {
    const uint8_t *at, *end;
    const char *fault; /* the fault found at `at`; NULL: none so far */
} fv_wire;

typedef struct fv_wire_field {
    uint32_t id;
    ProtobufCWireType type;
    uint64_t value;      /* VARINT, 32BIT, 64BIT */
    const uint8_t *data; /* LENGTH_PREFIXED: `size` bytes */
    size_t size;
} fv_wire_field;

/* Reads the next field; false at the end, and if the bytes are invalid. */
bool fv_wire_next(fv_wire *w, fv_wire_field *out) FV_MUST_USE;
/* Reads the next varint of a packed list; false at the end, and if the bytes are invalid. */
bool fv_wire_varint(fv_wire *w, uint64_t *out) FV_MUST_USE;
uint32_t fv_wire_u32(const uint8_t *p); /* reads little-endian, at any alignment, on any host */
uint64_t fv_wire_u64(const uint8_t *p);

/* ---- messages ---- */

/* Unpacks a message into `a`. The positions of tensors are relative to `bytes`, which must outlive
 * what is decoded from it. `what` names the kind of file in errors: "an ONNX model". NULL after a
 * diagnostic. Fields that are not in onnx.proto are left out with a warning. */
ProtobufCMessage *fv_wire_unpack(fv_session *s, fv_arena *a, const ProtobufCMessageDescriptor *type,
                                 const uint8_t *bytes, size_t size, const char *what);

/* Whether the bytes have the structure of such a message. Reports no diagnostic. */
bool fv_wire_matches(const ProtobufCMessageDescriptor *type, const uint8_t *bytes,
                     size_t size) FV_MUST_USE;

/* The position of an unpacked tensor in the bytes. */
typedef struct fv_wire_place {
    uint64_t offset, size;
} fv_wire_place;
fv_wire_place fv_wire_place_of(const Onnx__TensorProto *t);

#endif
