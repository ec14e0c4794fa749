/* units.c - which elements of an axis a rank has. */
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

const fv_tensor *fv_shard_slice(fv_arena *a, const fv_tensor *t, int axis, int64_t outer,
                                int64_t first, int64_t n) {
    int64_t dims[FV_MAX_RANK];
    size_t rows = (size_t)outer, inner = 1, bits = (size_t)fv_elem_bits(t->elem);
    if (t->elem == FV_STRING)
        return NULL;
    for (int i = 0; i < t->rank; i++) {
        dims[i] = i == axis ? n * outer : t->dims[i];
        rows *= i < axis ? (size_t)t->dims[i] : 1;
        inner *= i > axis ? (size_t)t->dims[i] : 1;
    }
    fv_tensor *part = fv_tensor_new(a, t->elem, t->rank, dims);
    size_t row = (size_t)(t->dims[axis] / outer) * inner, begin = (size_t)first * inner,
           count = (size_t)n * inner;
    for (size_t i = 0; part && i < rows; i++)
        fv_copy_elements((void *)(uintptr_t)part->data, i * count, t->data, i * row + begin, count,
                         bits);
    return part;
}
