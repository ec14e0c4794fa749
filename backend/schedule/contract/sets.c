/* sets.c - rows of a contraction that compete for sets of the first-level cache.
 *
 * Addresses whose distance is a multiple of the bytes of a way (4 kB in a cache of 32 kB with 8
 * ways) use the same set. In each step of the sum a tile reads one element of each of its rows,
 * and in the next steps their neighbours in the same lines. If these lines have few sets, the
 * panel, which is read along, evicts them before all of their elements were used. */
#include "backend/schedule/contract/sets.h"

#include "backend/lowering/access.h"

/* The number of sets that rows at a distance of `stride` bytes use. The bytes of a way are taken to
 * be a power of two. */
static int sets_of(const fv_target *t, int64_t stride) {
    int line = fv_processor_of(t)->prefetch.line_bytes, way = line, sets = 1;
    while (way <= t->caches.l1_bytes / t->caches.l1_ways / 2)
        way *= 2;
    while (sets < way / line && stride % way * sets % way)
        sets *= 2;
    return sets;
}

bool fv_distance_competes(const fv_target *t, int64_t distance, int mr, fv_competing *out) {
    if (t->caches.l1_ways < 1)
        return false;
    *out = (fv_competing){NULL, mr, sets_of(t, distance), t->caches.l1_ways};
    return out->sets * out->ways / 2 < mr;
}

bool fv_rows_compete(const fv_target *t, const fv_contraction *c, const fv_definition *d, int mr,
                     fv_competing *out) {
    const fv_expr *a = fv_x_stored(c->a), *sum = fv_all_steps(c);
    int last = a->op == FV_X_LOAD ? a->u.buf->rank - 1 : 0;
    int64_t extent;
    if (c->row < 0 || c->each || last < 1 || !fv_x_adds(a->arg[last - 1], d->index[c->row]) ||
        fv_x_stride(a, sum->u.red.vars[sum->u.red.nvars - 1]) != 1 ||
        !fv_x_is_int(a->u.buf->extent[last], &extent) || extent < 1)
        return false;
    bool compete =
        fv_distance_competes(t, extent * fv_elem_storage_bytes((fv_elem)a->type.elem), mr, out);
    out->load = a;
    return compete;
}
