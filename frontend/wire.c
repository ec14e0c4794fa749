/* wire.c - checks the structure of protobuf bytes and makes the skeleton that protobuf-c unpacks.
 *
 * The same code visits all fields twice: first to check and to count, then to write. Lengths in the
 * skeleton take five bytes each, so that they can be filled in when a message is done. */
#include "frontend/wire.h"

#include <assert.h>
#include <string.h>

#include "ir/base/limits.h"

/* ---- fields ---- */

static bool fault(fv_wire *w, const char *what) {
    w->fault = what;
    return false;
}

bool fv_wire_varint(fv_wire *w, uint64_t *out) {
    const uint8_t *p = w->at;
    uint64_t v = 0;
    if (w->fault || p == w->end)
        return false;
    for (int shift = 0; shift < 70; shift += 7) {
        if (p == w->end)
            return fault(w, "a number is cut off");
        uint8_t b = *p++;
        if (shift == 63 && b > 1)
            return fault(w, "a number has more than 64 bits");
        v |= (uint64_t)(b & 127) << shift;
        if (b < 128) {
            w->at = p;
            *out = v;
            return true;
        }
    }
    return fault(w, "a number has more than 64 bits");
}

uint32_t fv_wire_u32(const uint8_t *p) {
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

uint64_t fv_wire_u64(const uint8_t *p) {
    return fv_wire_u32(p) | (uint64_t)fv_wire_u32(p + 4) << 32;
}

static bool take(fv_wire *w, size_t n, const uint8_t **out) {
    if ((size_t)(w->end - w->at) < n)
        return fault(w, "a field is cut off");
    *out = w->at;
    w->at += n;
    return true;
}

static bool varint_value(fv_wire *w, uint64_t *out) {
    return fv_wire_varint(w, out) || (!w->fault && fault(w, "a field is cut off"));
}

bool fv_wire_next(fv_wire *w, fv_wire_field *out) {
    uint64_t tag;
    const uint8_t *p;
    if (!fv_wire_varint(w, &tag))
        return false;
    *out = (fv_wire_field){.id = (uint32_t)(tag >> 3), .type = (ProtobufCWireType)(tag & 7)};
    if (tag >> 32 || out->id == 0)
        return fault(w, "a field has no legal number");
    switch (tag & 7) {
    case PROTOBUF_C_WIRE_TYPE_VARINT: return varint_value(w, &out->value);
    case PROTOBUF_C_WIRE_TYPE_32BIT:
        if (!take(w, 4, &p))
            return false;
        out->value = fv_wire_u32(p);
        return true;
    case PROTOBUF_C_WIRE_TYPE_64BIT:
        if (!take(w, 8, &p))
            return false;
        out->value = fv_wire_u64(p);
        return true;
    case PROTOBUF_C_WIRE_TYPE_LENGTH_PREFIXED:
        if (!varint_value(w, &out->value))
            return false;
        if (out->value > (uint64_t)(w->end - w->at))
            return fault(w, "a field is longer than what holds it");
        out->size = (size_t)out->value;
        return take(w, out->size, &out->data);
    default: return fault(w, "a field has no legal wire type");
    }
}

/* ---- visiting the fields ---- */

enum { LENGTH_BYTES = 5, TENSOR_RAW_DATA = 9 };

typedef struct walk {
    const uint8_t *base; /* beginning of all bytes */
    uint8_t *out;        /* the skeleton; NULL in the first pass */
    size_t n;            /* bytes of the skeleton so far */
    size_t decoded;      /* memory that protobuf-c will need */
    int depth;
    /* the first fault */
    const char *fault;
    const uint8_t *fault_at;
    const char *message, *field;
    /* the first field that is not known */
    const char *unknown_message;
    uint32_t unknown_id;
} walk;

static bool refuse(walk *k, const uint8_t *at, const ProtobufCMessageDescriptor *type,
                   const ProtobufCFieldDescriptor *f, const char *what) {
    if (!k->fault) {
        k->fault = what;
        k->fault_at = at;
        k->message = type->short_name;
        k->field = f ? f->name : NULL;
    }
    return false;
}

static void put(walk *k, const void *bytes, size_t n) {
    if (k->out && n)
        memcpy(k->out + k->n, bytes, n);
    k->n += n;
}

static void put_varint(walk *k, uint64_t v) {
    uint8_t b[10];
    size_t n = 0;
    for (; v > 127; v >>= 7)
        b[n++] = (uint8_t)(v | 128);
    b[n++] = (uint8_t)v;
    put(k, b, n);
}

static void put_tag(walk *k, const fv_wire_field *f) {
    put_varint(k, (uint64_t)f->id << 3 | (uint64_t)f->type);
}

static void put_scalar(walk *k, const fv_wire_field *f) {
    uint8_t b[8];
    put_tag(k, f);
    if (f->type == PROTOBUF_C_WIRE_TYPE_VARINT) {
        put_varint(k, f->value);
        return;
    }
    for (int i = 0; i < 8; i++)
        b[i] = (uint8_t)(f->value >> 8 * i);
    put(k, b, f->type == PROTOBUF_C_WIRE_TYPE_32BIT ? 4 : 8);
}

/* Writes a length of fixed width at the position `at` that was reserved for it. */
static void fill_length(walk *k, size_t at, size_t length) {
    if (!k->out)
        return;
    for (int i = 0; i < LENGTH_BYTES; i++)
        k->out[at + i] = (uint8_t)((length >> 7 * i & 127) | (i < LENGTH_BYTES - 1 ? 128 : 0));
}

/* Whether a field is left out because nothing reads it: remarks (exporters store stack traces
 * there) and training. */
static bool is_left_out(const ProtobufCMessageDescriptor *type, const ProtobufCFieldDescriptor *f) {
    return !strcmp(f->name, "doc_string") || !strcmp(f->name, "training_info") ||
           (type != &onnx__model_proto__descriptor && !strcmp(f->name, "metadata_props"));
}

/* Whether a field contains elements of a tensor, which are not copied. */
static bool is_payload(const ProtobufCMessageDescriptor *type, const ProtobufCFieldDescriptor *f) {
    const char *n = f->name;
    return type == &onnx__tensor_proto__descriptor &&
           (!strcmp(n, "raw_data") || !strcmp(n, "float_data") || !strcmp(n, "int32_data") ||
            !strcmp(n, "int64_data") || !strcmp(n, "double_data") || !strcmp(n, "uint64_data") ||
            !strcmp(n, "string_data"));
}

static ProtobufCWireType wire_type_of(ProtobufCType t) {
    switch (t) {
    case PROTOBUF_C_TYPE_INT32:
    case PROTOBUF_C_TYPE_SINT32:
    case PROTOBUF_C_TYPE_INT64:
    case PROTOBUF_C_TYPE_SINT64:
    case PROTOBUF_C_TYPE_UINT32:
    case PROTOBUF_C_TYPE_UINT64:
    case PROTOBUF_C_TYPE_BOOL:
    case PROTOBUF_C_TYPE_ENUM: return PROTOBUF_C_WIRE_TYPE_VARINT;
    case PROTOBUF_C_TYPE_SFIXED32:
    case PROTOBUF_C_TYPE_FIXED32:
    case PROTOBUF_C_TYPE_FLOAT: return PROTOBUF_C_WIRE_TYPE_32BIT;
    case PROTOBUF_C_TYPE_SFIXED64:
    case PROTOBUF_C_TYPE_FIXED64:
    case PROTOBUF_C_TYPE_DOUBLE: return PROTOBUF_C_WIRE_TYPE_64BIT;
    case PROTOBUF_C_TYPE_STRING:
    case PROTOBUF_C_TYPE_BYTES:
    case PROTOBUF_C_TYPE_MESSAGE: break;
    }
    return PROTOBUF_C_WIRE_TYPE_LENGTH_PREFIXED;
}

/* Length of the UTF-8 sequence at p, refusing overlong forms and surrogates; 0 if it is invalid. */
static size_t utf8_length(const uint8_t *p, size_t n) {
    if (p[0] < 0x80)
        return 1;
    size_t length = p[0] < 0xC2 ? 0 : p[0] < 0xE0 ? 2 : p[0] < 0xF0 ? 3 : p[0] < 0xF5 ? 4 : 0;
    if (length == 0 || length > n)
        return 0;
    for (size_t i = 1; i < length; i++)
        if ((p[i] & 0xC0) != 0x80)
            return 0;
    bool low = (p[0] == 0xE0 && p[1] < 0xA0) || (p[0] == 0xF0 && p[1] < 0x90);
    bool high = (p[0] == 0xED && p[1] > 0x9F) || (p[0] == 0xF4 && p[1] > 0x8F);
    return low || high ? 0 : length;
}

static const char *string_fault(const uint8_t *p, size_t n) {
    for (size_t i = 0, length; i < n; i += length) {
        if (p[i] == 0)
            return "a name holds a NUL byte";
        length = utf8_length(p + i, n - i);
        if (!length)
            return "a name is not UTF-8";
    }
    return NULL;
}

/* Checks a repeated number that is written as one packed list, and counts its elements. */
static const char *packed_fault(const fv_wire_field *in, ProtobufCWireType type, size_t *count) {
    if (type == PROTOBUF_C_WIRE_TYPE_VARINT) {
        fv_wire w = {in->data, in->data + in->size, NULL};
        for (uint64_t v; fv_wire_varint(&w, &v);)
            ++*count;
        return w.fault;
    }
    size_t width = type == PROTOBUF_C_WIRE_TYPE_32BIT ? 4 : 8;
    *count = in->size / width;
    return in->size % width ? "a list of numbers is cut off" : NULL;
}

static bool walk_message(walk *k, const ProtobufCMessageDescriptor *type, const uint8_t *bytes,
                         size_t size);

static bool walk_submessage(walk *k, const ProtobufCMessageDescriptor *type,
                            const ProtobufCFieldDescriptor *f, const fv_wire_field *in) {
    static const uint8_t nothing[LENGTH_BYTES];
    const ProtobufCMessageDescriptor *sub = f->descriptor;
    if (k->depth >= FV_MAX_MESSAGE_DEPTH)
        return refuse(k, in->data, type, f, "messages are nested too deeply");
    size_t before = k->n;
    if (k->out && is_left_out(type, f))
        return true;
    put_tag(k, in);
    size_t length_at = k->n;
    put(k, nothing, LENGTH_BYTES);
    k->depth++;
    if (!walk_message(k, sub, in->data, in->size))
        return false;
    k->depth--;
    if (is_left_out(type, f))
        k->n = before;
    else
        fill_length(k, length_at, k->n - length_at - LENGTH_BYTES);
    return true;
}

static bool walk_field(walk *k, const ProtobufCMessageDescriptor *type,
                       const ProtobufCFieldDescriptor *f, const fv_wire_field *in,
                       const uint8_t *at) {
    bool repeated = f->label == PROTOBUF_C_LABEL_REPEATED;
    ProtobufCWireType expected = wire_type_of(f->type);
    size_t count = 1;
    const char *what = NULL;
    if (f->type == PROTOBUF_C_TYPE_MESSAGE && in->type == expected)
        return walk_submessage(k, type, f, in);
    if (in->type != expected && !(repeated && in->type == PROTOBUF_C_WIRE_TYPE_LENGTH_PREFIXED))
        return refuse(k, at, type, f, "a field has the wrong wire type");
    if (in->type != expected)
        what = packed_fault(in, expected, &count);
    if (is_payload(type, f) || is_left_out(type, f))
        return !what || refuse(k, at, type, f, what);
    if (f->type == PROTOBUF_C_TYPE_STRING)
        what = string_fault(in->data, in->size);
    if (what)
        return refuse(k, at, type, f, what);
    if (in->type == PROTOBUF_C_WIRE_TYPE_LENGTH_PREFIXED) {
        put_tag(k, in);
        put_varint(k, in->size);
        put(k, in->data, in->size);
        count += in->size;
    } else {
        put_scalar(k, in);
    }
    k->decoded += 64 + (repeated ? 8 * count : 0) + in->size;
    return true;
}

/* A tensor in the skeleton has, in place of its elements, the position of its message in the
 * bytes. */
static void put_place(walk *k, const uint8_t *bytes, size_t size) {
    fv_wire_place place = {(uint64_t)(bytes - k->base), size};
    put_tag(k,
            &(fv_wire_field){.id = TENSOR_RAW_DATA, .type = PROTOBUF_C_WIRE_TYPE_LENGTH_PREFIXED});
    put_varint(k, sizeof place);
    put(k, &place, sizeof place);
}

static bool walk_message(walk *k, const ProtobufCMessageDescriptor *type, const uint8_t *bytes,
                         size_t size) {
    fv_wire w = {bytes, bytes + size, NULL};
    fv_wire_field in;
    uint64_t seen = 0;
    const uint8_t *at = w.at;
    assert(type->n_fields <= 64);
    k->decoded += type->sizeof_message + 64;
    for (; fv_wire_next(&w, &in); at = w.at) {
        const ProtobufCFieldDescriptor *f = protobuf_c_message_descriptor_get_field(type, in.id);
        if (!f) {
            if (!k->unknown_message) {
                k->unknown_message = type->short_name;
                k->unknown_id = in.id;
            }
            continue;
        }
        /* protobuf would merge the two messages, which no writer intends */
        uint64_t bit = UINT64_C(1) << (f - type->fields);
        if (f->type == PROTOBUF_C_TYPE_MESSAGE && f->label != PROTOBUF_C_LABEL_REPEATED &&
            (seen & bit))
            return refuse(k, at, type, f, "a field is there twice");
        seen |= bit;
        if (!walk_field(k, type, f, &in, at))
            return false;
    }
    if (w.fault)
        return refuse(k, at, type, NULL, w.fault);
    if (k->decoded > FV_MAX_STRUCTURE)
        return refuse(k, at, type, NULL, "the structure takes too much memory");
    if (type == &onnx__tensor_proto__descriptor)
        put_place(k, bytes, size);
    return true;
}

/* ---- messages ---- */

/* protobuf-c allocates from the arena; freeing does nothing, since the arena is freed as a
 * whole. */
static void *arena_alloc(void *arena, size_t size) {
    return fv_alloc(arena, size, 1);
}

static void arena_keep(void *arena, void *p) {
    (void)arena;
    (void)p;
}

static const char *no_message_text(fv_arena *a, const walk *k, const char *what) {
    return fv_printf(a, "not %s: %s at offset %zu, in %s%s%s", what, k->fault,
                     (size_t)(k->fault_at - k->base), k->message, k->field ? "." : "",
                     k->field ? k->field : "");
}

ProtobufCMessage *fv_wire_unpack(fv_session *s, fv_arena *a, const ProtobufCMessageDescriptor *type,
                                 const uint8_t *bytes, size_t size, const char *what) {
    walk k = {.base = bytes};
    if (!walk_message(&k, type, bytes, size)) {
        fv_error(s, "%s", no_message_text(a, &k, what));
        return NULL;
    }
    if (k.unknown_message)
        fv_warning(s, "field %u of %s is not known, and ignored", (unsigned)k.unknown_id,
                   k.unknown_message);
    walk copy = {.base = bytes, .out = fv_alloc(a, k.n + 1, 1)};
    bool same = walk_message(&copy, type, bytes, size);
    FV_HOLDS(s, same && copy.n == k.n);
    ProtobufCAllocator allocator = {arena_alloc, arena_keep, a};
    ProtobufCMessage *m = protobuf_c_message_unpack(type, &allocator, k.n, copy.out);
    if (!m)
        fv_error(s, "not %s: its structure cannot be read", what);
    return m;
}

bool fv_wire_matches(const ProtobufCMessageDescriptor *type, const uint8_t *bytes, size_t size) {
    walk k = {.base = bytes};
    return walk_message(&k, type, bytes, size) && !k.unknown_message;
}

fv_wire_place fv_wire_place_of(const Onnx__TensorProto *t) {
    fv_wire_place place = {0};
    if (t->has_raw_data && t->raw_data.len == sizeof place)
        memcpy(&place, t->raw_data.data, sizeof place);
    return place;
}
