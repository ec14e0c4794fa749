/* wire.h - protobuf bytes, checked before protobuf-c sees them, and kept out of its copies.
 *
 * protobuf-c copies what it unpacks. So wire.c walks the bytes first: it checks every length,
 * varint, string and nesting, and writes a skeleton of the message in which each TensorProto has
 * lost its elements; its raw_data says instead where in the bytes the tensor lies. The skeleton is
 * what protobuf-c unpacks; tensor_proto.c fetches elements from the bytes themselves. */
#ifndef FV_FRONTEND_WIRE_H
#define FV_FRONTEND_WIRE_H

#include <protobuf-c/protobuf-c.h>

#include "frontend/onnx.pb-c.h"
#include "ir/base/diag.h"

/* ---- fields of a message, one after the other ---- */

typedef struct fv_wire {
    const uint8_t *at, *end;
    const char *fault; /* what is wrong at `at`; NULL: nothing so far */
} fv_wire;

typedef struct fv_wire_field {
    uint32_t id;
    ProtobufCWireType type;
    uint64_t value;      /* VARINT, 32BIT, 64BIT */
    const uint8_t *data; /* LENGTH_PREFIXED: `size` bytes */
    size_t size;
} fv_wire_field;

/* The next field; false at the end, and where the bytes are at fault. */
bool fv_wire_next(fv_wire *w, fv_wire_field *out) FV_MUST_USE;
/* The next varint of a packed list; false at the end and at a fault. */
bool fv_wire_varint(fv_wire *w, uint64_t *out) FV_MUST_USE;
uint32_t fv_wire_u32(const uint8_t *p); /* little-endian, any alignment and host */
uint64_t fv_wire_u64(const uint8_t *p);

/* ---- messages ---- */

/* Unpacks a message into `a`. Every tensor's place counts from `bytes`, which must outlive what is
 * decoded from it. `what` names the kind of file in errors: "an ONNX model". NULL after a
 * diagnostic. Fields that are not in onnx.proto are left out with a warning. */
ProtobufCMessage *fv_wire_unpack(fv_session *s, fv_arena *a, const ProtobufCMessageDescriptor *type,
                                 const uint8_t *bytes, size_t size, const char *what);

/* Do the bytes have the structure of such a message? No diagnostic. */
bool fv_wire_matches(const ProtobufCMessageDescriptor *type, const uint8_t *bytes,
                     size_t size) FV_MUST_USE;

/* The position of an unpacked tensor in the bytes. */
typedef struct fv_wire_place {
    uint64_t offset, size;
} fv_wire_place;
fv_wire_place fv_wire_place_of(const Onnx__TensorProto *t);

#endif
