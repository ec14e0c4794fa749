/* mutate_message.c - changes of protobuf messages that keep them messages: replaces a field, an
 * element of a list, a name, or a whole message by another of its kind. */
#include <math.h>
#include <protobuf-c/protobuf-c.h>
#include <string.h>

#include "frontend/wire.h"
#include "ir/catalogue/op.h"
#include "tests/fuzz/fuzz.h"

enum { MAX_MESSAGES = 4096, MAX_CHANGES = 4 };

/* A message, and the fields of all of them that can change are picked through it. */
typedef struct changer {
    fv_arena *arena;
    uint64_t random;
    ProtobufCMessage **all;
    int n, cap;
} changer;

/* ---- memory: protobuf-c's lies in the arena ---- */

static void *take(void *arena, size_t bytes) {
    return fv_alloc(arena, bytes, 1);
}

static void leave(void *arena, void *p) {
    (void)arena;
    (void)p;
}

/* ---- fields ---- */

static void *place(const ProtobufCMessage *m, unsigned offset) {
    return (char *)(uintptr_t)m + offset;
}

static size_t *count_of(const ProtobufCMessage *m, const ProtobufCFieldDescriptor *f) {
    return place(m, f->quantifier_offset);
}

/* The elements of a repeated field, or the only one. */
static char *elements(const ProtobufCMessage *m, const ProtobufCFieldDescriptor *f) {
    return f->label == PROTOBUF_C_LABEL_REPEATED ? *(char **)place(m, f->offset)
                                                 : place(m, f->offset);
}

static size_t width_of(const ProtobufCFieldDescriptor *f) {
    switch (f->type) {
    case PROTOBUF_C_TYPE_INT64:
    case PROTOBUF_C_TYPE_SINT64:
    case PROTOBUF_C_TYPE_SFIXED64:
    case PROTOBUF_C_TYPE_UINT64:
    case PROTOBUF_C_TYPE_FIXED64:
    case PROTOBUF_C_TYPE_DOUBLE: return 8;
    case PROTOBUF_C_TYPE_INT32:
    case PROTOBUF_C_TYPE_SINT32:
    case PROTOBUF_C_TYPE_SFIXED32:
    case PROTOBUF_C_TYPE_UINT32:
    case PROTOBUF_C_TYPE_FIXED32:
    case PROTOBUF_C_TYPE_FLOAT:
    case PROTOBUF_C_TYPE_ENUM:
    case PROTOBUF_C_TYPE_BOOL: return 4;
    case PROTOBUF_C_TYPE_STRING: return sizeof(char *);
    case PROTOBUF_C_TYPE_BYTES: return sizeof(ProtobufCBinaryData);
    case PROTOBUF_C_TYPE_MESSAGE: return sizeof(ProtobufCMessage *);
    }
    return 0;
}

static size_t elements_of(const ProtobufCMessage *m, const ProtobufCFieldDescriptor *f) {
    if (f->label == PROTOBUF_C_LABEL_REPEATED)
        return *count_of(m, f);
    if ((f->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) &&
        *(uint32_t *)place(m, f->quantifier_offset) != f->id)
        return 0;
    if (f->type == PROTOBUF_C_TYPE_MESSAGE || f->type == PROTOBUF_C_TYPE_STRING)
        return *(void **)place(m, f->offset) && *(void **)place(m, f->offset) != f->default_value;
    if (f->label == PROTOBUF_C_LABEL_OPTIONAL && !(f->flags & PROTOBUF_C_FIELD_FLAG_ONEOF))
        return *(protobuf_c_boolean *)place(m, f->quantifier_offset) != 0;
    return 1;
}

static void collect(changer *c, ProtobufCMessage *m) {
    if (c->n == MAX_MESSAGES)
        return;
    FV_PUSH(c->arena, c->all, c->n, c->cap, m);
    for (unsigned i = 0; i < m->descriptor->n_fields; i++) {
        const ProtobufCFieldDescriptor *f = &m->descriptor->fields[i];
        ProtobufCMessage **sub = (ProtobufCMessage **)(void *)elements(m, f);
        size_t n = f->type == PROTOBUF_C_TYPE_MESSAGE ? elements_of(m, f) : 0;
        for (size_t k = 0; k < n; k++)
            collect(c, sub[k]);
    }
}

/* ---- values ---- */

static uint64_t below(changer *c, uint64_t n) {
    return fuzz_below(&c->random, n);
}

static int64_t another_int(changer *c, int64_t old) {
    static const int64_t odd[] = {0,
                                  1,
                                  -1,
                                  2,
                                  3,
                                  4,
                                  7,
                                  8,
                                  16,
                                  17,
                                  64,
                                  255,
                                  1000,
                                  100000,
                                  INT32_MAX,
                                  INT32_MIN,
                                  INT64_C(1) << 32,
                                  INT64_C(1) << 40,
                                  INT64_C(1) << 62,
                                  INT64_MAX,
                                  INT64_MIN};
    switch (below(c, 4)) {
    case 0: return (int64_t)((uint64_t)old + 1);
    case 1: return (int64_t)((uint64_t)old - 1);
    case 2: return (int64_t)below(c, 8) - 3;
    default: return odd[below(c, sizeof odd / sizeof *odd)];
    }
}

static double another_float(changer *c, double old) {
    static const double odd[] = {0, -0.0, 1, -1, 0.5, 2, 1e-30, 1e30, INFINITY, -INFINITY, NAN};
    return below(c, 3) ? odd[below(c, sizeof odd / sizeof *odd)] : -old;
}

/* A name that the same field has in another message; of operators and attributes also one of the
 * catalogue. */
static char *another_string(changer *c, const ProtobufCFieldDescriptor *f, char *old) {
    const fv_opdef *op = fv_op_at((int)below(c, (uint64_t)fv_op_count()));
    const char *attr = op->attrs[below(c, FV_MAX_ATTRS)].name;
    if (!strcmp(f->name, "op_type") && below(c, 2))
        return fv_strdup(c->arena, op->name);
    if (!strcmp(f->name, "name") && attr && below(c, 4) == 0)
        return fv_strdup(c->arena, attr);
    for (int i = 0; i < 16; i++) {
        const ProtobufCMessage *m = c->all[below(c, (uint64_t)c->n)];
        const ProtobufCFieldDescriptor *g =
            &m->descriptor->fields[below(c, m->descriptor->n_fields)];
        size_t n = g->type == PROTOBUF_C_TYPE_STRING ? elements_of(m, g) : 0;
        if (n)
            return ((char **)(void *)elements(m, g))[below(c, n)];
    }
    return below(c, 2) ? fv_strdup(c->arena, "") : fv_printf(c->arena, "%s_", old ? old : "");
}

static ProtobufCBinaryData another_bytes(changer *c, ProtobufCBinaryData old) {
    size_t n = below(c, 3) ? old.len : below(c, 2) ? old.len / 2 : old.len + 4;
    ProtobufCBinaryData b = {n, (uint8_t *)fv_alloc(c->arena, n, 1)};
    if (old.len && n)
        memcpy(b.data, old.data, n < old.len ? n : old.len);
    if (n)
        b.data[below(c, n)] = (uint8_t)fuzz_random(&c->random);
    return b;
}

static ProtobufCMessage *another_message(changer *c, const ProtobufCMessageDescriptor *d) {
    for (int i = 0; i < 64; i++) {
        ProtobufCMessage *m = c->all[below(c, (uint64_t)c->n)];
        if (m->descriptor == d)
            return m;
    }
    ProtobufCMessage *m = (ProtobufCMessage *)fv_alloc(c->arena, d->sizeof_message, 1);
    d->message_init(m);
    return m;
}

static void change_value(changer *c, const ProtobufCFieldDescriptor *f, char *at) {
    int32_t i32 = 0;
    int64_t i64 = 0;
    switch (f->type) {
    case PROTOBUF_C_TYPE_INT64:
    case PROTOBUF_C_TYPE_SINT64:
    case PROTOBUF_C_TYPE_SFIXED64:
    case PROTOBUF_C_TYPE_UINT64:
    case PROTOBUF_C_TYPE_FIXED64:
        memcpy(&i64, at, sizeof i64);
        i64 = another_int(c, i64);
        memcpy(at, &i64, sizeof i64);
        return;
    case PROTOBUF_C_TYPE_INT32:
    case PROTOBUF_C_TYPE_SINT32:
    case PROTOBUF_C_TYPE_SFIXED32:
    case PROTOBUF_C_TYPE_UINT32:
    case PROTOBUF_C_TYPE_FIXED32:
    case PROTOBUF_C_TYPE_ENUM:
    case PROTOBUF_C_TYPE_BOOL:
        memcpy(&i32, at, sizeof i32);
        i32 = below(c, 2) ? (int32_t)below(c, 28) : (int32_t)another_int(c, i32);
        memcpy(at, &i32, sizeof i32);
        return;
    case PROTOBUF_C_TYPE_FLOAT:
        *(float *)(void *)at = (float)another_float(c, *(float *)(void *)at);
        return;
    case PROTOBUF_C_TYPE_DOUBLE:
        *(double *)(void *)at = another_float(c, *(double *)(void *)at);
        return;
    case PROTOBUF_C_TYPE_STRING:
        *(char **)(void *)at = another_string(c, f, *(char **)(void *)at);
        return;
    case PROTOBUF_C_TYPE_BYTES:
        *(ProtobufCBinaryData *)(void *)at = another_bytes(c, *(ProtobufCBinaryData *)(void *)at);
        return;
    case PROTOBUF_C_TYPE_MESSAGE:
        *(ProtobufCMessage **)(void *)at = another_message(c, f->descriptor);
        return;
    }
}

/* ---- lists ---- */

static void insert(changer *c, ProtobufCMessage *m, const ProtobufCFieldDescriptor *f) {
    size_t n = *count_of(m, f), width = width_of(f), at = below(c, n + 1);
    char *old = elements(m, f), *wider = (char *)fv_alloc(c->arena, n + 1, width);
    if (at)
        memcpy(wider, old, at * width);
    if (n > at)
        memcpy(wider + (at + 1) * width, old + at * width, (n - at) * width);
    if (n && below(c, 2))
        memcpy(wider + at * width, old + below(c, n) * width, width);
    else
        change_value(c, f, wider + at * width);
    *(char **)place(m, f->offset) = wider;
    *count_of(m, f) = n + 1;
}

static void drop(changer *c, ProtobufCMessage *m, const ProtobufCFieldDescriptor *f) {
    size_t n = *count_of(m, f), width = width_of(f), at = below(c, n);
    memmove(elements(m, f) + at * width, elements(m, f) + (at + 1) * width, (n - at - 1) * width);
    *count_of(m, f) = n - 1;
}

static void exchange(changer *c, ProtobufCMessage *m, const ProtobufCFieldDescriptor *f) {
    char other[sizeof(ProtobufCBinaryData)];
    size_t n = *count_of(m, f), width = width_of(f);
    char *x = elements(m, f) + below(c, n) * width, *y = elements(m, f) + below(c, n) * width;
    memcpy(other, x, width);
    memmove(x, y, width);
    memcpy(y, other, width);
}

static void change_list(changer *c, ProtobufCMessage *m, const ProtobufCFieldDescriptor *f) {
    size_t n = *count_of(m, f);
    uint64_t how = n ? below(c, 6) : 5;
    if (how < 2)
        change_value(c, f, elements(m, f) + below(c, n) * width_of(f));
    else if (how == 2)
        drop(c, m, f);
    else if (how == 3)
        exchange(c, m, f);
    else if (how == 4)
        *count_of(m, f) = below(c, n);
    else
        insert(c, m, f);
}

/* ---- a message ---- */

static void change_single(changer *c, ProtobufCMessage *m, const ProtobufCFieldDescriptor *f) {
    bool is_pointer = f->type == PROTOBUF_C_TYPE_MESSAGE || f->type == PROTOBUF_C_TYPE_STRING;
    bool clear = elements_of(m, f) && below(c, 6) == 0;
    if ((f->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) && !elements_of(m, f))
        /* what another of them left there is no pointer */
        memset(place(m, f->offset), 0, width_of(f));
    if (f->flags & PROTOBUF_C_FIELD_FLAG_ONEOF)
        *(uint32_t *)place(m, f->quantifier_offset) = clear ? 0 : f->id;
    else if (!is_pointer && f->label == PROTOBUF_C_LABEL_OPTIONAL)
        *(protobuf_c_boolean *)place(m, f->quantifier_offset) = !clear;
    if (is_pointer && clear)
        *(void **)place(m, f->offset) = NULL;
    else if (!clear)
        change_value(c, f, place(m, f->offset));
}

/* Changes a field, mostly one that is present: absent fields are chosen less often. */
static void change(changer *c) {
    ProtobufCMessage *m = c->all[below(c, (uint64_t)c->n)];
    if (!m->descriptor->n_fields)
        return;
    const ProtobufCFieldDescriptor *f = NULL;
    for (int i = 0; i < 4; i++) {
        f = &m->descriptor->fields[below(c, m->descriptor->n_fields)];
        if (elements_of(m, f))
            break;
    }
    if (f->label == PROTOBUF_C_LABEL_REPEATED)
        change_list(c, m, f);
    else
        change_single(c, m, f);
}

/* A message that has been put into itself has no end. */
static bool is_finite(const ProtobufCMessage *m, int depth, int *budget) {
    if (depth > 100 || --*budget < 0)
        return false;
    for (unsigned i = 0; i < m->descriptor->n_fields; i++) {
        const ProtobufCFieldDescriptor *f = &m->descriptor->fields[i];
        ProtobufCMessage **sub = (ProtobufCMessage **)(void *)elements(m, f);
        size_t n = f->type == PROTOBUF_C_TYPE_MESSAGE ? elements_of(m, f) : 0;
        for (size_t k = 0; k < n; k++)
            if (!is_finite(sub[k], depth + 1, budget))
                return false;
    }
    return true;
}

static size_t mutate(fv_session *s, const ProtobufCMessageDescriptor *d, uint8_t *data, size_t size,
                     size_t max, uint64_t seed) {
    changer c = {.arena = fv_arena_new(s), .random = seed};
    ProtobufCAllocator allocator = {take, leave, c.arena};
    if (!fv_wire_matches(d, data, size))
        return 0;
    ProtobufCMessage *m = protobuf_c_message_unpack(d, &allocator, size, data);
    if (!m)
        return 0;
    collect(&c, m);
    for (uint64_t i = 0, n = 1 + below(&c, MAX_CHANGES); i < n; i++)
        change(&c);
    int budget = 4 * MAX_MESSAGES;
    if (!is_finite(m, 0, &budget) || protobuf_c_message_get_packed_size(m) > max)
        return 0;
    return protobuf_c_message_pack(m, data);
}

size_t fuzz_mutate_model(fv_session *s, uint8_t *data, size_t size, size_t max, uint64_t seed) {
    return mutate(s, &onnx__model_proto__descriptor, data, size, max, seed);
}

size_t fuzz_mutate_tensor(fv_session *s, uint8_t *data, size_t size, size_t max, uint64_t seed) {
    return mutate(s, &onnx__tensor_proto__descriptor, data, size, max, seed);
}
