/* sparse_proto.c - reads files of sparse tensors (SparseTensorProto) as the two tensors that an
 * input of a model takes: the stored elements, and a row of coordinates for each (import_sparse.c).
 * No dense tensor is made, so its dims may be large. */
#include <inttypes.h>

#include "frontend/data.h"
#include "frontend/tensor_proto.h"
#include "ir/base/limits.h"

static const char *dims_str(fv_arena *a, int rank, const int64_t *dims) {
    fv_text t = {.arena = a};
    for (int i = 0; i < rank; i++)
        fv_text_printf(&t, "%s%" PRId64, i ? ", " : "", dims[i]);
    return fv_printf(a, "[%s]", t.n ? t.s : "");
}

static const char *type_str(fv_arena *a, const fv_tensor *t) {
    return fv_printf(a, "%s%s", fv_elem_name(t->elem), dims_str(a, t->rank, t->dims));
}

/* The coordinate of element i along `axis`. If the file has linear indices, it is computed from
 * them; the product of dims fits. */
static int64_t coordinate(const fv_sparse_parts *p, size_t i, int axis) {
    if (p->indices->rank == 2)
        return fv_tensor_int(p->indices, i * (size_t)p->rank + (size_t)axis);
    int64_t at = fv_tensor_int(p->indices, i);
    for (int k = p->rank - 1; k > axis; k--)
        at /= p->dims[k];
    return axis ? at % p->dims[axis] : at;
}

static const char *index_str(fv_arena *a, const fv_sparse_parts *p, size_t i) {
    if (p->indices->rank == 1)
        return fv_printf(a, "%" PRId64, fv_tensor_int(p->indices, i));
    int64_t at[FV_MAX_RANK];
    for (int k = 0; k < p->rank; k++)
        at[k] = coordinate(p, i, k);
    return dims_str(a, p->rank, at);
}

static bool is_inside(const fv_sparse_parts *p, size_t i, size_t count) {
    int64_t at = p->indices->rank == 1 ? fv_tensor_int(p->indices, i) : 0;
    bool inside = at >= 0 && (uint64_t)at < count;
    for (int k = 0; k < p->rank && p->indices->rank == 2; k++) {
        at = coordinate(p, i, k);
        inside &= at >= 0 && at < p->dims[k];
    }
    return inside;
}

/* Whether element i comes after element i - 1 in the order of coordinates; both are within the
 * dims. */
static bool is_behind(const fv_sparse_parts *p, size_t i) {
    for (int k = 0; k < p->rank; k++) {
        int64_t before = coordinate(p, i - 1, k), at = coordinate(p, i, k);
        if (before != at)
            return at > before;
    }
    return false;
}

static bool check_indices(fv_session *s, fv_arena *a, const fv_sparse_parts *p, const char *what,
                          size_t count) {
    for (size_t i = 0; i < p->values->count; i++) {
        if (!is_inside(p, i, count))
            return fv_error(s, "'%s': index %zu is %s, outside of dims %s", what, i,
                            index_str(a, p, i), dims_str(a, p->rank, p->dims));
        if (i && !is_behind(p, i))
            return fv_error(
                s,
                "'%s': index %zu is %s, not greater than the previous one, %s: they must ascend, "
                "and none is there twice",
                what, i, index_str(a, p, i), index_str(a, p, i - 1));
    }
    return true;
}

static const fv_tensor *coordinates(fv_arena *a, const fv_sparse_parts *p) {
    if (p->indices->rank == 2)
        return p->indices;
    fv_tensor *t = fv_tensor_new(a, FV_I64, 2, (int64_t[]){p->values->dims[0], p->rank});
    for (size_t i = 0; t && i < p->values->count; i++)
        for (int k = 0; k < p->rank; k++)
            fv_tensor_set_int(t, i * (size_t)p->rank + (size_t)k, coordinate(p, i, k));
    return t;
}

bool fv_sparse_fit(fv_session *s, fv_arena *a, const fv_sparse_parts *p, const char *what,
                   fv_elem e, int rank, const fv_tensor **parts) {
    size_t count;
    if (p->rank != rank)
        return fv_error(s, "'%s' holds a sparse tensor of rank %d, expected %d", what, p->rank,
                        rank);
    if (p->values->elem != e)
        return fv_error(s, "'%s' holds a sparse tensor of %s, expected %s", what,
                        fv_elem_name(p->values->elem), fv_elem_name(e));
    if (p->values->rank != 1 || p->indices->elem != FV_I64 || p->indices->rank < 1 ||
        p->indices->rank > 2 || p->indices->dims[0] != p->values->dims[0] ||
        (p->indices->rank == 2 && p->indices->dims[1] != rank))
        return fv_error(s,
                        "'%s': values %s and indices %s do not fit each other: %s[n] and i64[n] or "
                        "i64[n, %d] do",
                        what, type_str(a, p->values), type_str(a, p->indices), fv_elem_name(e),
                        rank);
    if (!fv_count_elements(rank, p->dims, &count) || count > INT64_MAX)
        return fv_error(s, "'%s': dims %s are negative or too large", what,
                        dims_str(a, rank, p->dims));
    if (!check_indices(s, a, p, what, count))
        return false;
    parts[0] = p->values;
    parts[1] = coordinates(a, p);
    return parts[1] || fv_error(s, "'%s' is too large", what);
}

/* ---- files ---- */

bool fv_sparse_from_pb(fv_session *s, fv_arena *a, const uint8_t *data, size_t size,
                       const char *what, fv_elem e, int rank, const fv_tensor **parts) {
    const char *kind = fv_printf(a, "a sparse tensor ('%s')", what);
    fv_tensor_reader r = {.session = s, .arena = a, .bytes = data};
    if (fv_tensor_is_pb(data, size))
        return fv_error(s, "'%s' holds a tensor, expected a sparse tensor", what);
    const Onnx__SparseTensorProto *p = (const Onnx__SparseTensorProto *)fv_wire_unpack(
        s, a, &onnx__sparse_tensor_proto__descriptor, data, size, kind);
    if (!p)
        return false;
    if (!p->values || !p->indices)
        return fv_error(s, "'%s' holds a sparse tensor without %s", what,
                        p->values ? "indices" : "values");
    if (p->n_dims > FV_MAX_RANK)
        return fv_error(s, "'%s' holds a sparse tensor of rank %zu, at most %d is supported", what,
                        p->n_dims, FV_MAX_RANK);
    fv_sparse_parts t = {fv_tensor_decode(&r, p->values), fv_tensor_decode(&r, p->indices),
                         (int)p->n_dims, p->dims};
    return t.values && t.indices && fv_sparse_fit(s, a, &t, what, e, rank, parts);
}

bool fv_sparse_read_pb(fv_session *s, fv_arena *a, const char *path, fv_elem e, int rank,
                       const fv_tensor **parts) {
    fv_file f;
    return fv_file_map(s, a, path, &f) &&
           fv_sparse_from_pb(s, a, f.data, f.size, path, e, rank, parts);
}
