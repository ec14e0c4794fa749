/* tensor.c - files of tensors: a tensor that was read can be written, and is the same when it is
 * read again. */
#include "frontend/data.h"
#include "ir/base/diag.h"
#include "tests/fuzz/fuzz.h"

/* The first byte is the element type that the reader expects. */
void fuzz_npy(fv_session *s, const uint8_t *data, size_t size) {
    fv_arena *a = fv_arena_new(s);
    fv_text out = {.arena = a};
    if (!size)
        return;
    fv_elem want = data[0] < FV_ELEM_END ? (fv_elem)data[0] : FV_NO_ELEM;
    const fv_tensor *t = fv_tensor_from_npy(s, a, data + 1, size - 1, want, "input"), *again;
    if (!t != (fv_error_count(s) > 0))
        fuzz_finding(s, "%s", t ? "read, with errors" : "refused without a word");
    if (!t || !fv_tensor_to_npy(&out, s, t))
        return;
    again = fv_tensor_from_npy(s, a, (const uint8_t *)out.s, out.n, t->elem, "what was written");
    if (!again || !fv_tensor_equal(t, again))
        fuzz_finding(s, "what was written as .npy reads differently");
}

static void sparse(fv_session *s, fv_arena *a, const uint8_t *data, size_t size) {
    const fv_tensor *parts[2];
    int before = fv_error_count(s);
    bool ok = fv_sparse_from_pb(s, a, data, size, "input", FV_F32, 2, parts);
    if (ok != (fv_error_count(s) == before))
        fuzz_finding(s, "%s",
                     ok ? "a sparse tensor is read, with errors"
                        : "a sparse tensor is refused without a word");
    if (ok && (parts[0]->rank != 1 || parts[1]->rank != 2 ||
               parts[1]->dims[0] != parts[0]->dims[0] || parts[1]->dims[1] != 2))
        fuzz_finding(s, "parts of a sparse tensor do not fit each other");
}

void fuzz_pb(fv_session *s, const uint8_t *data, size_t size) {
    fv_arena *a = fv_arena_new(s);
    fv_text out = {.arena = a};
    const fv_tensor *t = fv_tensor_from_pb(s, a, data, size, "input"), *again;
    if (!t != (fv_error_count(s) > 0))
        fuzz_finding(s, "%s", t ? "read, with errors" : "refused without a word");
    if (!t)
        sparse(s, a, data, size);
    if (!t)
        return;
    fv_tensor_to_pb(&out, t, "t");
    again = fv_tensor_from_pb(s, a, (const uint8_t *)out.s, out.n, "what was written");
    if (!again || !fv_tensor_equal(t, again))
        fuzz_finding(s, "what was written as TensorProto reads differently");
}
