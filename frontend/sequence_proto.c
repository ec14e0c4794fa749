/* sequence_proto.c - reads and writes files of sequences and optionals, as the tensors that
 * represent them (ops/sequence/sequence.h).
 *
 * An OptionalProto has the same encoding as a SequenceProto of at most one value, so one message
 * serves both. */
#include <string.h>

#include "frontend/data.h"
#include "frontend/tensor_proto.h"
#include "ops/sequence/sequence.h"
#include "ops/text/text.h"

enum { TENSORS = 1, SEQUENCES = 3 }; /* values of SequenceProto.elem_type */

/* The sequence in a file, or in the optional in it; NULL after a diagnostic. *there: out, false if
 * the file is an empty optional. */
static const Onnx__SequenceProto *unpack(fv_session *s, fv_arena *a, const uint8_t *data,
                                         size_t size, const char *path, bool *there) {
    const char *kind = fv_printf(a, "a sequence or an optional ('%s')", path);
    const Onnx__SequenceProto *p = (const Onnx__SequenceProto *)fv_wire_unpack(
        s, a, &onnx__sequence_proto__descriptor, data, size, kind);
    if (!p)
        return NULL;
    *there = p->n_sequence_values || p->elem_type == TENSORS;
    if (p->n_sequence_values == 1 && p->elem_type == SEQUENCES && !p->n_tensor_values)
        p = p->sequence_values[0];
    if (p->n_sequence_values || p->n_sparse_tensor_values || p->n_map_values ||
        p->n_optional_values) {
        fv_error(s, "'%s' holds something else than tensors in a sequence or an optional", path);
        return NULL;
    }
    return p;
}

/* ---- parts ---- */

static bool is_element(fv_session *s, const fv_tensor *t, fv_elem e, const char *path) {
    if (t->elem != e)
        return fv_error(s, "'%s' holds a tensor of %s, expected %s", path, fv_elem_name(t->elem),
                        fv_elem_name(e));
    if (fv_elem_bits(e) < 8)
        return fv_error(s, "'%s' holds tensors of %s, which cannot be read from a sequence", path,
                        fv_elem_name(e));
    return t->rank <= FV_MAX_ELEMENT_RANK ||
           fv_error(s, "'%s' holds a tensor of rank %d, at most %d is supported there", path,
                    t->rank, FV_MAX_ELEMENT_RANK);
}

static const fv_tensor *elements(fv_arena *a, fv_elem e, size_t n, const fv_tensor *const *all) {
    size_t count = 0, at = 0;
    for (size_t i = 0; i < n; i++) /* all are in one file, so the sum fits */
        count += all[i]->count;
    fv_tensor *data = fv_tensor_new(a, e, 1, (int64_t[]){(int64_t)count});
    for (size_t i = 0; i < n; at += all[i]->bytes, i++)
        if (all[i]->bytes)
            memcpy((char *)(uintptr_t)data->data + at, all[i]->data, all[i]->bytes);
    return data;
}

static const fv_tensor *shapes(fv_arena *a, size_t n, const fv_tensor *const *all) {
    fv_tensor *t = fv_tensor_new(a, FV_I64, 2, (int64_t[]){(int64_t)n, FV_SHAPE_COLUMNS});
    for (size_t i = 0; i < n; i++)
        for (int k = 0; k < FV_SHAPE_COLUMNS; k++)
            fv_tensor_set_int(t, i * FV_SHAPE_COLUMNS + (size_t)k,
                              k == 0              ? all[i]->rank
                              : k <= all[i]->rank ? all[i]->dims[k - 1]
                                                  : 1);
    return t;
}

static const fv_tensor *flag(fv_arena *a, bool there) {
    fv_tensor *t = fv_tensor_new(a, FV_BOOL, 0, NULL);
    fv_tensor_set_int(t, 0, there);
    return t;
}

bool fv_parts_read_pb(fv_session *s, fv_arena *a, const char *path, fv_elem e, int nparts,
                      const fv_tensor **parts) {
    fv_file f;
    return fv_file_map(s, a, path, &f) &&
           fv_parts_from_pb(s, a, f.data, f.size, path, e, nparts, parts);
}

bool fv_parts_from_pb(fv_session *s, fv_arena *a, const uint8_t *data, size_t size,
                      const char *what, fv_elem e, int nparts, const fv_tensor **parts) {
    bool there = true, alone = fv_tensor_is_pb(data, size);
    const Onnx__SequenceProto *p = alone ? NULL : unpack(s, a, data, size, what, &there);
    if (!alone && !p)
        return false;
    size_t n = alone ? 1 : p->n_tensor_values;
    const fv_tensor **all = FV_NEW(a, const fv_tensor *, n + 1);
    fv_tensor_reader r = {.session = s, .arena = a, .bytes = data};
    for (size_t i = 0; i < n; i++) {
        all[i] = alone ? fv_tensor_from_pb(s, a, data, size, what)
                       : fv_tensor_decode(&r, p->tensor_values[i]);
        if (!all[i] || !is_element(s, all[i], e, what))
            return false;
    }
    const fv_tensor *whole = elements(a, e, n, all);
    int text = e == FV_STRING ? FV_TEXT_PARTS - 1 : 0;
    parts[FV_PART_DATA] = whole;
    if (text && !fv_text_from_strings(a, whole, parts))
        return fv_error(s, "'%s' is too large", what);
    parts[FV_PART_SHAPES + text] = shapes(a, n, all);
    if (nparts > FV_PART_THERE + text)
        parts[FV_PART_THERE + text] = flag(a, there);
    return true;
}
