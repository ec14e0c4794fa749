/* units.c - which elements of an axis a rank has. */
#include "ir/base/mapping.h"
#include "passes/shard/parts.h"

/* The first of the units of a rank: it has those from first(r) to below first(r + 1). */
static int64_t first_of(int64_t units, int64_t ranks, int64_t rank) {
    return units / ranks * rank + units % ranks * rank / ranks;
}

/* The group of a rank, and the first of the ranks that have it. */
static int64_t group_of(const fv_shard_units *u, int rank, int *first) {
    int64_t group = u->groups * rank / u->ranks;
    *first = (int)((group * u->ranks + u->groups - 1) / u->groups);
    return group;
}

/* The number of ranks that have a copy of the group. */
static int copies_of(const fv_shard_units *u, int64_t group) {
    int64_t from = (group * u->ranks + u->groups - 1) / u->groups,
            to = ((group + 1) * u->ranks + u->groups - 1) / u->groups;
    return (int)(to - from);
}

bool fv_shard_is_first(const fv_shard_units *u, int rank) {
    int first = rank;
    if (u->groups)
        (void)group_of(u, rank, &first);
    return first == rank;
}

int64_t fv_shard_members(const fv_shard_units *u, int rank, int64_t extent, int64_t *first) {
    int begin;
    int64_t group = group_of(u, rank, &begin), unit = extent / u->n;
    int copies = copies_of(u, group);
    *first = first_of(u->n, copies, rank - begin) * unit;
    return first_of(u->n, copies, rank - begin + 1) * unit - *first;
}

int64_t fv_shard_size(const fv_shard_units *u, int rank, fv_share_kind kind, int64_t extent,
                      int64_t *first) {
    if (!u->groups) {
        int64_t unit = extent / u->n;
        *first = first_of(u->n, u->ranks, rank) * unit;
        return first_of(u->n, u->ranks, rank + 1) * unit - *first;
    }
    int begin;
    int64_t size = extent / u->groups, group = group_of(u, rank, &begin), n = size, within = 0;
    if (kind == FV_SHARE_UNITS)
        n = fv_shard_members(u, rank, size, &within);
    *first = group * size + within;
    return n;
}

/* ---- constants ---- */

/* Blocks of a constant, of each of which a part has `count` elements from element `begin` on. */
typedef struct blocks {
    size_t n, size, begin, count; /* of elements, but n */
} blocks;

/* Can the part be large data that are not copied? *out: where they are. */
static bool has_rows(const fv_tensor *t, const blocks *b, fv_tensor_rows *out) {
    size_t bits = (size_t)fv_elem_bits(t->elem);
    bool bytes = b->size * bits % 8 == 0 && b->begin * bits % 8 == 0 && b->count * bits % 8 == 0;
    return bytes && b->n * b->count * bits / 8 > FV_FOLD_BYTES &&
           fv_tensor_part_rows(t, b->n, b->size * bits / 8, b->begin * bits / 8,
                               b->count * bits / 8, out);
}

static const fv_tensor *copied(fv_arena *a, const fv_tensor *t, const int64_t *dims,
                               const blocks *b) {
    fv_tensor *part = fv_tensor_new(a, t->elem, t->rank, dims);
    const fv_tensor *whole = fv_tensor_whole(a, t);
    for (size_t i = 0; part && i < b->n; i++)
        fv_copy_elements((void *)(uintptr_t)part->data, i * b->count, whole->data,
                         i * b->size + b->begin, b->count, (size_t)fv_elem_bits(t->elem));
    return part;
}

/* A tensor whose data are those rows; if they follow each other, it has them as one piece. */
static const fv_tensor *with_rows(fv_arena *a, fv_elem elem, int rank, const int64_t *dims,
                                  const fv_tensor_rows *rows) {
    fv_tensor *t = FV_NEW(a, fv_tensor, 1);
    int64_t *own = FV_NEW(a, int64_t, rank);
    memcpy(own, dims, (size_t)rank * sizeof *own);
    *t = (fv_tensor){.elem = elem, .rank = rank, .dims = own};
    if (!fv_tensor_size(elem, rank, own, &t->count, &t->bytes))
        return NULL;
    if (rows->n == 1 || rows->bytes == rows->stride) {
        t->data = rows->first;
    } else {
        fv_tensor_rows *kept = FV_NEW(a, fv_tensor_rows, 1);
        *kept = *rows;
        t->rows = kept;
    }
    return t;
}

const fv_tensor *fv_shard_slice(fv_arena *a, const fv_tensor *t, int axis, int64_t outer,
                                int64_t first, int64_t n) {
    int64_t dims[FV_MAX_RANK];
    size_t inner = 1;
    blocks b = {.n = (size_t)outer};
    fv_tensor_rows rows;
    if (t->elem == FV_STRING)
        return NULL;
    for (int i = 0; i < t->rank; i++) {
        dims[i] = i == axis ? n * outer : t->dims[i];
        b.n *= i < axis ? (size_t)t->dims[i] : 1;
        inner *= i > axis ? (size_t)t->dims[i] : 1;
    }
    b.size = (size_t)(t->dims[axis] / outer) * inner;
    b.begin = (size_t)first * inner;
    b.count = (size_t)n * inner;
    return has_rows(t, &b, &rows) ? with_rows(a, t->elem, t->rank, dims, &rows)
                                  : copied(a, t, dims, &b);
}

void fv_shard_copy_constants(fv_module *m) {
    for (int i = 0; i < m->nconsts; i++) {
        const fv_tensor_rows *r = m->consts[i]->tensor->rows;
        m->consts[i]->tensor = fv_tensor_whole(m->arena, m->consts[i]->tensor);
        if (r)
            fv_mapping_drop(m->session, r->first, (r->n - 1) * r->stride + r->bytes);
    }
}
