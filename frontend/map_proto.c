/* map_proto.c - reads and writes maps in files (MapProto, and SequenceProto of maps), and checks
 * them. A map's values are a SequenceProto of its own, of a tensor with one element for each
 * key. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "frontend/data.h"
#include "frontend/tensor_proto.h"

enum { TENSORS = 1, MAPS = 4 }; /* values of SequenceProto.elem_type */

size_t fv_maps_count(const fv_maps *m) {
    return m->ends ? m->ends->count : 1;
}

void fv_maps_entries(const fv_maps *m, size_t i, size_t *first, size_t *end) {
    *first = i && m->ends ? (size_t)fv_tensor_int(m->ends, i - 1) : 0;
    *end = m->ends ? (size_t)fv_tensor_int(m->ends, i) : m->keys->count;
}

bool fv_maps_are_whole(const fv_maps *m) {
    int64_t at = 0;
    for (size_t i = 0; m->ends && i < m->ends->count; at = fv_tensor_int(m->ends, i++))
        if (fv_tensor_int(m->ends, i) < at)
            return false;
    return m->keys->count == m->values->count && (!m->ends || at == (int64_t)m->keys->count);
}

/* ---- sorting ---- */

typedef struct entry {
    fv_string s;
    /* the key if it is a number, as an integer that orders as the key does; else the key is `s` */
    uint64_t i;
    size_t at;
} entry;

static int by_key(const void *p, const void *q) {
    const entry *x = p, *y = q;
    int order = fv_string_compare(x->s, y->s);
    if (order)
        return order;
    if (x->i != y->i)
        return x->i < y->i ? -1 : 1;
    return x->at < y->at ? -1 : x->at > y->at;
}

static bool same_key(const entry *x, const entry *y) {
    return x->i == y->i && fv_string_compare(x->s, y->s) == 0;
}

static entry *sorted_entries(fv_arena *a, const fv_maps *m) {
    entry *e = FV_NEW(a, entry, m->keys->count + 1);
    uint64_t sign = fv_elem_is_signed(m->keys->elem) ? UINT64_C(1) << 63 : 0;
    for (size_t i = 0; i < m->keys->count; i++)
        if (m->keys->elem == FV_STRING)
            e[i] = (entry){.s = ((const fv_string *)m->keys->data)[i], .at = i};
        else
            e[i] = (entry){.i = (uint64_t)fv_tensor_int(m->keys, i) ^ sign, .at = i};
    for (size_t k = 0, first, end; k < fv_maps_count(m); k++) {
        fv_maps_entries(m, k, &first, &end);
        qsort(e + first, end - first, sizeof *e, by_key);
    }
    return e;
}

static fv_tensor *vector(fv_arena *a, fv_elem e, size_t n) {
    return fv_tensor_new(a, e, 1, (int64_t[]){(int64_t)n});
}

/* Copies element i of `from` to position `at`; both have the same type, of whole bytes. */
static void copy_element(fv_tensor *to, size_t at, const fv_tensor *from, size_t i) {
    size_t unit =
        from->elem == FV_STRING ? sizeof(fv_string) : (size_t)fv_elem_bits(from->elem) / 8;
    /* the cast is legal: this tensor was allocated by this file */
    memcpy((char *)(uintptr_t)to->data + at * unit, (const char *)from->data + i * unit, unit);
}

fv_maps fv_maps_sorted(fv_arena *a, const fv_maps *m) {
    entry *e = sorted_entries(a, m);
    fv_tensor *keys = vector(a, m->keys->elem, m->keys->count),
              *values = vector(a, m->values->elem, m->keys->count);
    for (size_t i = 0; i < m->keys->count; i++) {
        copy_element(keys, i, m->keys, e[i].at);
        copy_element(values, i, m->values, e[i].at);
    }
    return (fv_maps){keys, values, m->ends};
}

static const char *key_str(fv_arena *a, const fv_tensor *keys, size_t i) {
    if (keys->elem == FV_STRING) {
        fv_string s = ((const fv_string *)keys->data)[i];
        return fv_printf(a, "'%.*s'", (int)(s.n > 40 ? 40 : s.n), s.s);
    }
    int64_t v = fv_tensor_int(keys, i);
    return fv_elem_is_signed(keys->elem) ? fv_printf(a, "%" PRId64, v)
                                         : fv_printf(a, "%" PRIu64, (uint64_t)v);
}

bool fv_maps_check(fv_session *s, fv_arena *a, const fv_maps *m, const char *what) {
    entry *e = sorted_entries(a, m);
    for (size_t k = 0, first, end; k < fv_maps_count(m); k++) {
        fv_maps_entries(m, k, &first, &end);
        for (size_t i = first + 1; i < end; i++)
            if (same_key(&e[i - 1], &e[i]))
                return fv_error(s, "'%s' holds a map with the key %s twice", what,
                                key_str(a, m->keys, e[i].at));
    }
    return true;
}

/* ---- reading ---- */

typedef struct reader {
    fv_session *s;
    fv_tensor_reader tensors;
    const char *what;
    fv_tensor *keys, *values;
    size_t at;
} reader;

static size_t keys_in(const Onnx__MapProto *p) {
    return p->n_keys + p->n_string_keys;
}

static bool take_key(reader *r, const Onnx__MapProto *p, size_t i) {
    fv_elem e = r->keys->elem;
    int64_t lo, hi;
    if (e == FV_STRING) {
        /* the cast is legal: this tensor was allocated by this file */
        ((fv_string *)(uintptr_t)r->keys->data)[r->at] =
            (fv_string){(const char *)p->string_keys[i].data, p->string_keys[i].len};
        return true;
    }
    if (fv_elem_range(e, &lo, &hi) && (p->keys[i] < lo || p->keys[i] > hi))
        return fv_error(r->s, "'%s' holds the key %" PRId64 ", which is no %s", r->what, p->keys[i],
                        fv_elem_name(e));
    fv_tensor_set_int(r->keys, r->at, p->keys[i]);
    return true;
}

static bool take_value(reader *r, const Onnx__TensorProto *p) {
    const fv_tensor *t = fv_tensor_decode(&r->tensors, p);
    if (!t)
        return false;
    if (t->elem != r->values->elem || t->count != 1)
        return fv_error(r->s, "'%s' holds a map to %zu elements of %s, expected one of %s", r->what,
                        t->count, fv_elem_name(t->elem), fv_elem_name(r->values->elem));
    copy_element(r->values, r->at, t, 0);
    return true;
}

static bool take_map(reader *r, const Onnx__MapProto *p) {
    fv_elem e = r->keys->elem;
    size_t n = keys_in(p), nvalues = p->values ? p->values->n_tensor_values : 0;
    if (p->key_type != (int32_t)e && (n || p->key_type))
        return fv_error(r->s, "'%s' holds a map with keys of %s, expected %s", r->what,
                        p->key_type > 0 && p->key_type < FV_ELEM_END
                            ? fv_elem_name((fv_elem)p->key_type)
                            : "no type",
                        fv_elem_name(e));
    if (n != (e == FV_STRING ? p->n_string_keys : p->n_keys))
        return fv_error(r->s,
                        "'%s' holds a map with keys that are integers, and others that are strings",
                        r->what);
    if (n != nvalues)
        return fv_error(r->s, "'%s' holds a map with %zu keys and %zu values", r->what, n, nvalues);
    for (size_t i = 0; i < n; i++, r->at++)
        if (!take_key(r, p, i) || !take_value(r, p->values->tensor_values[i]))
            return false;
    return true;
}

static bool take_all(reader *r, fv_arena *a, size_t n, Onnx__MapProto *const *maps, bool sequence,
                     fv_maps *out) {
    size_t entries = 0; /* all entries are in one file, so the sum fits */
    fv_tensor *ends = sequence ? vector(a, FV_I64, n) : NULL;
    for (size_t i = 0; i < n; i++) {
        entries += keys_in(maps[i]);
        if (ends)
            fv_tensor_set_int(ends, i, (int64_t)entries);
    }
    r->keys = vector(a, out->keys->elem, entries);
    r->values = vector(a, out->values->elem, entries);
    for (size_t i = 0; i < n; i++)
        if (!take_map(r, maps[i]))
            return false;
    *out = (fv_maps){r->keys, r->values, ends};
    return fv_maps_check(r->s, a, out, r->what);
}

bool fv_maps_from_pb(fv_session *s, fv_arena *a, const uint8_t *data, size_t size, const char *what,
                     fv_elem key, fv_elem value, bool sequence, fv_maps *out) {
    const ProtobufCMessageDescriptor *type =
        sequence ? &onnx__sequence_proto__descriptor : &onnx__map_proto__descriptor;
    reader r = {.s = s, .tensors = {.session = s, .arena = a, .bytes = data}, .what = what};
    if (value != FV_STRING && fv_elem_bits(value) < 8)
        return fv_error(s, "'%s' is for a map to %s, which cannot be read", what,
                        fv_elem_name(value));
    ProtobufCMessage *p =
        fv_wire_unpack(s, a, type, data, size,
                       fv_printf(a, "%s ('%s')", sequence ? "a sequence of maps" : "a map", what));
    if (!p)
        return false;
    *out = (fv_maps){vector(a, key, 0), vector(a, value, 0), NULL};
    if (!sequence)
        return take_all(&r, a, 1, (Onnx__MapProto *[]){(Onnx__MapProto *)p}, false, out);
    const Onnx__SequenceProto *list = (const Onnx__SequenceProto *)p;
    if (list->n_tensor_values || list->n_sparse_tensor_values || list->n_sequence_values ||
        list->n_optional_values)
        return fv_error(s, "'%s' holds something else than maps in a sequence", what);
    return take_all(&r, a, list->n_map_values, list->map_values, true, out);
}

bool fv_maps_read_pb(fv_session *s, fv_arena *a, const char *path, fv_elem key, fv_elem value,
                     bool sequence, fv_maps *out) {
    fv_file f;
    return fv_file_map(s, a, path, &f) &&
           fv_maps_from_pb(s, a, f.data, f.size, path, key, value, sequence, out);
}

/* ---- writing ---- */

static void put_int(fv_text *out, unsigned field, uint64_t v) {
    fv_pb_put_varint(out, (uint64_t)field << 3);
    fv_pb_put_varint(out, v);
}

static void put_values(fv_text *out, const fv_tensor *values, size_t first, size_t end) {
    fv_tensor *one = fv_tensor_new(out->arena, values->elem, 0, NULL);
    put_int(out, 2, TENSORS);
    for (size_t i = first; i < end; i++) {
        fv_text t = {.arena = out->arena};
        copy_element(one, 0, values, i);
        fv_tensor_to_pb(&t, one, NULL);
        fv_pb_put_bytes(out, 3, t.s, t.n);
    }
}

static void put_map(fv_text *out, const fv_maps *m, size_t first, size_t end) {
    fv_text keys = {.arena = out->arena}, values = {.arena = out->arena};
    put_int(out, 2, m->keys->elem);
    for (size_t i = first; i < end; i++)
        if (m->keys->elem == FV_STRING)
            fv_pb_put_bytes(out, 4, ((const fv_string *)m->keys->data)[i].s,
                            ((const fv_string *)m->keys->data)[i].n);
        else
            fv_pb_put_varint(&keys, (uint64_t)fv_tensor_int(m->keys, i));
    if (keys.n)
        fv_pb_put_bytes(out, 3, keys.s, keys.n);
    put_values(&values, m->values, first, end);
    fv_pb_put_bytes(out, 5, values.s, values.n);
}

void fv_maps_to_pb(fv_text *out, const fv_maps *m, const char *name) {
    if (name && *name)
        fv_pb_put_bytes(out, 1, name, strlen(name));
    if (!m->ends) {
        put_map(out, m, 0, m->keys->count);
        return;
    }
    put_int(out, 2, MAPS);
    for (size_t i = 0, first, end; i < m->ends->count; i++) {
        fv_text map = {.arena = out->arena};
        fv_maps_entries(m, i, &first, &end);
        put_map(&map, m, first, end);
        fv_pb_put_bytes(out, 6, map.s, map.n);
    }
}
