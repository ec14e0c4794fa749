/* tensor_proto.c - decodes and encodes TensorProto: raw bytes, typed lists, strings, sparse
 * tensors. */
#include "frontend/tensor_proto.h"

#include <string.h>

#include "frontend/data.h"
#include "ir/base/limits.h"

/* ---- bytes ---- */

bool fv_count_elements(int rank, const int64_t *dims, size_t *out) {
    size_t count = 1;
    bool empty = false;
    for (int i = 0; i < rank; i++) {
        if (dims[i] < 0 || dims[i] > FV_DIM_MAX)
            return false;
        empty |= dims[i] == 0;
    }
    for (int i = 0; i < rank && !empty; i++)
        if (!fv_mul_size(count, (size_t)dims[i], &count))
            return false;
    *out = empty ? 0 : count;
    return true;
}

static fv_tensor *new_tensor(fv_arena *a, fv_elem e, int rank, const int64_t *dims, size_t count,
                             size_t bytes, const void *data) {
    fv_tensor *t = FV_NEW(a, fv_tensor, 1);
    int64_t *copy = FV_NEW(a, int64_t, rank + 1);
    if (rank)
        memcpy(copy, dims, (size_t)rank * sizeof *dims);
    *t = (fv_tensor){
        .elem = e, .rank = rank, .dims = copy, .count = count, .bytes = bytes, .data = data};
    return t;
}

static bool bools_are_clean(const uint8_t *bytes, size_t n) {
    uint8_t all = 0;
    for (size_t i = 0; i < n; i++)
        all |= bytes[i];
    return all < 2;
}

const fv_tensor *fv_tensor_of_bytes(fv_arena *a, fv_elem e, int rank, const int64_t *dims,
                                    const uint8_t *bytes, bool big_endian) {
    size_t count = 0, size = 0, unit = fv_elem_unit(e);
    if (!fv_count_elements(rank, dims, &count) || !fv_elem_bytes(e, count, &size))
        return NULL;
    bool swap = unit > 1 && big_endian != fv_host_is_big_endian();
    bool aligned = (uintptr_t)bytes % unit == 0;
    bool clean = e != FV_BOOL || bools_are_clean(bytes, size);
    if (clean && !swap && (aligned || size > FV_FOLD_BYTES))
        return new_tensor(a, e, rank, dims, count, size, bytes);
    uint8_t *own = fv_alloc_aligned(a, size, 64);
    fv_copy_units(own, bytes, size / unit, unit, swap);
    for (size_t i = 0; i < size && !clean; i++)
        own[i] = own[i] != 0;
    return new_tensor(a, e, rank, dims, count, size, own);
}

/* ---- the field that contains the elements ---- */

enum field {
    FLOAT_DATA = 4,
    INT32_DATA,
    STRING_DATA,
    INT64_DATA,
    RAW_DATA = 9,
    DOUBLE_DATA,
    UINT64_DATA
};

static const char *field_name(unsigned field) {
    switch (field) {
    case FLOAT_DATA: return "float_data";
    case INT32_DATA: return "int32_data";
    case STRING_DATA: return "string_data";
    case INT64_DATA: return "int64_data";
    case RAW_DATA: return "raw_data";
    case DOUBLE_DATA: return "double_data";
    case UINT64_DATA: return "uint64_data";
    default: return NULL;
    }
}

/* The field with the elements of a type if they are not in raw_data. */
static unsigned typed_field(fv_elem e) {
    switch ((int)e) {
    case FV_F32:
    case FV_C64: return FLOAT_DATA;
    case FV_F64:
    case FV_C128: return DOUBLE_DATA;
    case FV_I64: return INT64_DATA;
    case FV_U32:
    case FV_U64: return UINT64_DATA;
    case FV_STRING: return STRING_DATA;
    case FV_I32: return INT32_DATA;
    default: break;
    }
    int bits = fv_elem_bits(e);
    return bits > 0 && bits <= 16 ? INT32_DATA : 0;
}

typedef struct payload {
    unsigned field;      /* 0: the message has no elements */
    size_t pieces;       /* number of occurrences of the field that are not empty */
    size_t bytes;        /* total size of these occurrences, without tags */
    fv_wire_field first; /* the first such occurrence */
} payload;

typedef struct decoder {
    fv_tensor_reader *r;
    const Onnx__TensorProto *t;
    fv_elem elem;
    int rank;
    size_t count, size;      /* number of elements, and their size in bytes */
    const uint8_t *at, *end; /* the rest of the message, from the field to be read next */
} decoder;

static bool bad(const decoder *d, const char *what) {
    return fv_error(d->r->session, "tensor '%s': %s", d->t->name ? d->t->name : "", what);
}

static bool find_payload(const decoder *d, payload *out) {
    fv_wire w = {d->at, d->end, NULL};
    fv_wire_field f;
    *out = (payload){0};
    while (fv_wire_next(&w, &f)) {
        bool list = f.type == PROTOBUF_C_WIRE_TYPE_LENGTH_PREFIXED;
        if (!field_name(f.id) || (list && f.size == 0 && f.id != STRING_DATA))
            continue;
        if (out->field && out->field != f.id)
            return bad(d, fv_printf(d->r->arena, "has both %s and %s", field_name(out->field),
                                    field_name(f.id)));
        if (!out->pieces++)
            out->first = f;
        out->field = f.id;
        out->bytes += list                                   ? f.size
                      : f.type == PROTOBUF_C_WIRE_TYPE_32BIT ? 4
                      : f.type == PROTOBUF_C_WIRE_TYPE_64BIT ? 8
                                                             : 1;
    }
    return true;
}

/* ---- typed lists ---- */

/* The memory for decoded numbers: `n` units of `unit` bytes in host order. */
typedef struct sink {
    uint8_t *at;
    size_t n, unit;
    int64_t lo, hi; /* range of values that fit */
    bool overflow, misfit;
} sink;

static void put_number(sink *k, uint64_t v) {
    uint16_t v16 = (uint16_t)v;
    uint32_t v32 = (uint32_t)v;
    if (!k->n) {
        k->overflow = true;
        return;
    }
    if (k->unit < 8 && ((int64_t)v < k->lo || (int64_t)v > k->hi))
        k->misfit = true;
    switch (k->unit) {
    case 1: *k->at = (uint8_t)v; break;
    case 2: memcpy(k->at, &v16, 2); break;
    case 4: memcpy(k->at, &v32, 4); break;
    default: memcpy(k->at, &v, 8); break;
    }
    k->at += k->unit;
    k->n--;
}

static void put_list(sink *k, const fv_wire_field *f, unsigned field) {
    size_t width = field == FLOAT_DATA ? 4 : field == DOUBLE_DATA ? 8 : 0;
    if (f->type != PROTOBUF_C_WIRE_TYPE_LENGTH_PREFIXED) {
        put_number(k, field == INT32_DATA ? (uint64_t)(int32_t)f->value : f->value);
        return;
    }
    for (size_t i = 0; width && i + width <= f->size; i += width)
        put_number(k, width == 4 ? fv_wire_u32(f->data + i) : fv_wire_u64(f->data + i));
    fv_wire w = {f->data, f->data + f->size, NULL};
    for (uint64_t v; !width && fv_wire_varint(&w, &v);)
        put_number(k, field == INT32_DATA ? (uint64_t)(int32_t)v : v);
}

/* Sets the range of numbers in int32_data or uint64_data. Bits of floats and packed elements are
 * unsigned, but some writers extend their sign. */
static void set_range(sink *k, fv_elem e) {
    int bits = (int)k->unit * 8;
    bool bits_only = fv_elem_is_float(e) || fv_elem_is_packed(e);
    if (k->unit == 8)
        return;
    k->lo = fv_elem_is_signed(e) || bits_only ? -(INT64_C(1) << (bits - 1)) : 0;
    k->hi = fv_elem_is_signed(e) && !bits_only ? (INT64_C(1) << (bits - 1)) - 1
                                               : (INT64_C(1) << bits) - 1;
}

static const fv_tensor *decode_typed(const decoder *d, const payload *p) {
    size_t unit = fv_elem_unit(d->elem), units = d->size / unit;
    bool floats = p->field == FLOAT_DATA || p->field == DOUBLE_DATA;
    if (p->bytes < units * (floats ? unit : 1)) { /* checked before anything is allocated */
        bad(d, fv_printf(d->r->arena, "%s is too short for its dims", field_name(p->field)));
        return NULL;
    }
    if (floats && p->pieces == 1 && p->bytes == d->size && p->first.data)
        return fv_tensor_of_bytes(d->r->arena, d->elem, d->rank, d->t->dims, p->first.data, false);
    uint8_t *own = fv_alloc_aligned(d->r->arena, d->size, 64);
    sink k = {.at = own, .n = units, .unit = unit};
    fv_wire w = {d->at, d->end, NULL};
    fv_wire_field f;
    set_range(&k, d->elem);
    while (fv_wire_next(&w, &f))
        if (f.id == p->field)
            put_list(&k, &f, p->field);
    if (k.overflow || k.n) {
        bad(d, fv_printf(d->r->arena, "%s has %s elements than its dims say", field_name(p->field),
                         k.n ? "fewer" : "more"));
        return NULL;
    }
    if (k.misfit) {
        bad(d, fv_printf(d->r->arena, "%s holds a number that does not fit %s",
                         field_name(p->field), fv_elem_name(d->elem)));
        return NULL;
    }
    for (size_t i = 0; d->elem == FV_BOOL && i < d->size; i++)
        own[i] = own[i] != 0;
    return new_tensor(d->r->arena, d->elem, d->rank, d->t->dims, d->count, d->size, own);
}

static const fv_tensor *decode_strings(const decoder *d, const payload *p) {
    size_t bytes;
    if (p->pieces != d->count || !fv_mul_size(d->count, sizeof(fv_string), &bytes)) {
        bad(d, fv_printf(d->r->arena, "string_data has %zu elements, its dims say %zu", p->pieces,
                         d->count));
        return NULL;
    }
    fv_string *strings = FV_NEW(d->r->arena, fv_string, d->count);
    fv_wire w = {d->at, d->end, NULL};
    fv_wire_field f;
    for (size_t n = 0; fv_wire_next(&w, &f);)
        if (f.id == STRING_DATA)
            strings[n++] = (fv_string){(const char *)f.data, f.size};
    return new_tensor(d->r->arena, FV_STRING, d->rank, d->t->dims, d->count, bytes, strings);
}

/* ---- tensors ---- */

static const fv_tensor *decode_external(const decoder *d) {
    const uint8_t *bytes;
    if (d->elem == FV_STRING) {
        bad(d, "strings cannot be external data");
        return NULL;
    }
    bytes = fv_tensor_external(d->r, d->t, d->size);
    return bytes ? fv_tensor_of_bytes(d->r->arena, d->elem, d->rank, d->t->dims, bytes, false)
                 : NULL;
}

static const fv_tensor *decode_internal(const decoder *d) {
    payload p;
    if (!find_payload(d, &p))
        return NULL;
    if (p.field == RAW_DATA && d->elem != FV_STRING) {
        if (p.pieces == 1 && p.bytes == d->size)
            return fv_tensor_of_bytes(d->r->arena, d->elem, d->rank, d->t->dims, p.first.data,
                                      false);
        bad(d, fv_printf(d->r->arena, "raw_data has %zu bytes, its type and dims need %zu", p.bytes,
                         d->size));
        return NULL;
    }
    if (!p.field && d->count) {
        bad(d, "holds no data");
        return NULL;
    }
    if (p.field && p.field != typed_field(d->elem)) {
        bad(d, fv_printf(d->r->arena, "elements of type %s cannot be in %s", fv_elem_name(d->elem),
                         field_name(p.field)));
        return NULL;
    }
    return d->elem == FV_STRING ? decode_strings(d, &p) : decode_typed(d, &p);
}

const fv_tensor *fv_tensor_decode(fv_tensor_reader *r, const Onnx__TensorProto *t) {
    fv_wire_place place = fv_wire_place_of(t);
    decoder d = {.r = r, .t = t, .elem = (fv_elem)t->data_type};
    d.at = r->bytes + place.offset;
    d.end = d.at + place.size;
    if (t->data_type <= FV_NO_ELEM || t->data_type >= FV_ELEM_END)
        return bad(&d, fv_printf(r->arena, "element type %d is not known", t->data_type)), NULL;
    if (t->segment)
        return bad(&d, "is a segment of a tensor: that is not supported"), NULL;
    if (t->n_dims > FV_MAX_RANK)
        return bad(&d, fv_printf(r->arena, "has rank %zu, at most %d is supported", t->n_dims,
                                 FV_MAX_RANK)),
               NULL;
    d.rank = (int)t->n_dims;
    if (!fv_count_elements(d.rank, t->dims, &d.count) || !fv_elem_bytes(d.elem, d.count, &d.size) ||
        d.size > SIZE_MAX / 4)
        return bad(&d, "its dims are negative or too large"), NULL;
    if (t->data_location == ONNX__TENSOR_PROTO__DATA_LOCATION__EXTERNAL)
        return decode_external(&d);
    return decode_internal(&d);
}

/* ---- sparse tensors, converted to dense ones ---- */

static bool sparse_error(fv_tensor_reader *r, const Onnx__SparseTensorProto *t, const char *what) {
    const char *name = t->values && t->values->name ? t->values->name : "";
    return fv_error(r->session, "sparse tensor '%s': %s", name, what);
}

/* The linear index of element i; false if it is out of range. */
static bool linear_index(const fv_tensor *indices, const fv_tensor *dense, size_t i, size_t *out) {
    if (indices->rank == 1) {
        int64_t at = fv_tensor_int(indices, i);
        *out = (size_t)at;
        return at >= 0 && (uint64_t)at < dense->count;
    }
    size_t index = 0;
    for (int k = 0; k < dense->rank; k++) {
        int64_t at = fv_tensor_int(indices, i * (size_t)dense->rank + (size_t)k);
        if (at < 0 || at >= dense->dims[k])
            return false;
        index = index * (size_t)dense->dims[k] + (size_t)at;
    }
    *out = index;
    return true;
}

static bool check_sparse(fv_tensor_reader *r, const Onnx__SparseTensorProto *t,
                         const fv_tensor *values, const fv_tensor *indices) {
    size_t count, bytes;
    if (values->rank != 1 || indices->elem != FV_I64 || indices->rank < 1 || indices->rank > 2 ||
        indices->dims[0] != values->dims[0] ||
        (indices->rank == 2 && (uint64_t)indices->dims[1] != t->n_dims))
        return sparse_error(r, t, "values and indices do not fit each other");
    if (values->elem == FV_STRING || fv_elem_is_packed(values->elem))
        return sparse_error(r, t,
                            fv_printf(r->arena, "elements of type %s are not supported",
                                      fv_elem_name(values->elem)));
    if (t->n_dims > FV_MAX_RANK || !fv_count_elements((int)t->n_dims, t->dims, &count) ||
        !fv_elem_bytes(values->elem, count, &bytes) ||
        bytes > FV_MAX_SPARSE_BYTES - r->sparse_bytes)
        return sparse_error(r, t, "its dims are negative or too large");
    r->sparse_bytes += bytes;
    return true;
}

const fv_tensor *fv_tensor_decode_sparse(fv_tensor_reader *r, const Onnx__SparseTensorProto *t) {
    if (!t->values || !t->indices)
        return sparse_error(r, t, "has no values or no indices"), NULL;
    const fv_tensor *values = fv_tensor_decode(r, t->values);
    const fv_tensor *indices = fv_tensor_decode(r, t->indices);
    if (!values || !indices || !check_sparse(r, t, values, indices))
        return NULL;
    fv_tensor *dense = fv_tensor_new(r->arena, values->elem, (int)t->n_dims, t->dims);
    size_t width = (size_t)fv_elem_bits(values->elem) / 8, at;
    for (size_t i = 0; i < values->count; i++) {
        if (!linear_index(indices, dense, i, &at))
            return sparse_error(r, t, "an index is out of range"), NULL;
        memcpy((char *)(uintptr_t)dense->data + at * width, (const char *)values->data + i * width,
               width);
    }
    return dense;
}

/* ---- files of one tensor ---- */

static const fv_tensor *decode_file(fv_session *s, fv_arena *a, const uint8_t *data, size_t size,
                                    const char *what) {
    const char *kind = fv_printf(a, "a tensor ('%s')", what);
    ProtobufCMessage *m = fv_wire_unpack(s, a, &onnx__tensor_proto__descriptor, data, size, kind);
    fv_tensor_reader r = {.session = s, .arena = a, .bytes = data};
    return m ? fv_tensor_decode(&r, (const Onnx__TensorProto *)m) : NULL;
}

/* Decodes it in a session of its own, whose diagnostics are dropped. */
bool fv_tensor_is_pb(const uint8_t *data, size_t size) {
    fv_session *s = fv_session_new();
    fv_door door;
    bool is = false;
    if (!s)
        return true;
    if (!FV_DOOR_OPEN(s, &door)) {
        is = decode_file(s, fv_arena_new(s), data, size, "") != NULL;
        fv_door_close(s, &door);
    }
    fv_session_free(s);
    return is;
}

/* Whether it is a sequence or an optional and not a tensor: the bytes do not name their message,
 * and the field numbers of the three messages overlap. */
static bool is_sequence(const uint8_t *data, size_t size) {
    return size &&
           (fv_wire_matches(&onnx__sequence_proto__descriptor, data, size) ||
            fv_wire_matches(&onnx__optional_proto__descriptor, data, size)) &&
           !fv_tensor_is_pb(data, size);
}

bool fv_sparse_is_pb(const uint8_t *data, size_t size) {
    return size && fv_wire_matches(&onnx__sparse_tensor_proto__descriptor, data, size) &&
           !fv_tensor_is_pb(data, size);
}

const fv_tensor *fv_tensor_from_pb(fv_session *s, fv_arena *a, const uint8_t *data, size_t size,
                                   const char *what) {
    bool sparse = fv_sparse_is_pb(data, size);
    if (!sparse && !is_sequence(data, size))
        return decode_file(s, a, data, size, what);
    fv_error(s, "'%s' holds %s, expected a tensor", what,
             sparse ? "a sparse tensor" : "a sequence or an optional");
    return NULL;
}

const fv_tensor *fv_tensor_read_pb(fv_session *s, fv_arena *a, const char *path) {
    fv_file f;
    return fv_file_map(s, a, path, &f) ? fv_tensor_from_pb(s, a, f.data, f.size, path) : NULL;
}

void fv_pb_put_varint(fv_text *out, uint64_t v) {
    for (; v > 127; v >>= 7)
        fv_text_putn(out, &(char){(char)(v | 128)}, 1);
    fv_text_putn(out, &(char){(char)v}, 1);
}

void fv_pb_put_bytes(fv_text *out, unsigned field, const void *data, size_t size) {
    fv_pb_put_varint(out, (uint64_t)field << 3 | PROTOBUF_C_WIRE_TYPE_LENGTH_PREFIXED);
    fv_pb_put_varint(out, size);
    fv_text_putn(out, data, size);
}

void fv_tensor_to_pb(fv_text *out, const fv_tensor *t, const char *name) {
    fv_text dims = {.arena = out->arena};
    for (int i = 0; i < t->rank; i++)
        fv_pb_put_varint(&dims, (uint64_t)t->dims[i]);
    if (t->rank)
        fv_pb_put_bytes(out, 1, dims.s, dims.n);
    fv_pb_put_varint(out, 2 << 3);
    fv_pb_put_varint(out, t->elem);
    if (t->elem == FV_STRING) {
        const fv_string *strings = t->data;
        for (size_t i = 0; i < t->count; i++)
            fv_pb_put_bytes(out, STRING_DATA, strings[i].s, strings[i].n);
    }
    if (name && *name)
        fv_pb_put_bytes(out, 8, name, strlen(name));
    if (t->elem == FV_STRING)
        return;
    fv_pb_put_bytes(out, RAW_DATA, fv_tensor_little_endian(out->arena, t), t->bytes);
}

bool fv_tensor_write_pb(fv_session *s, const char *path, const fv_tensor *t, const char *name) {
    fv_arena *a = fv_arena_new(s);
    fv_text out = {.arena = a};
    fv_tensor_to_pb(&out, t, name);
    bool ok = fv_file_write(s, path, out.s, out.n);
    fv_arena_free(a);
    return ok;
}
