/* later_steps.c - see later_steps.h.
 *
 *     sum over k of a[r, k] * v[k, c]       prefetches v[k + n, c] in step k
 *
 * The values of a decoder's attention are such a factor: a cache that was last read in the run
 * before, so that the weights of the model have displaced it. Few queries multiply a row of it in
 * less time than memory takes to deliver the row, and caches alone do not load enough lines ahead
 * (Granite Rapids: 9.9 GB/s of 14.3, with prefetches 2 kB ahead 12.6). */
#include "backend/schedule/contract/later_steps.h"

#include "backend/lowering/access.h"
#include "backend/schedule/common/blocks.h"
#include "backend/schedule/contract/element.h"
#include "ir/target/processor.h"

/* The distance in memory, in elements, of what neighbouring steps of v load; 0: it is not known. */
static int64_t distance_of_steps(const fv_expr *load, const fv_var *v) {
    const int rank = load->u.buf->rank;
    int axis = 0;
    while (axis < rank && !fv_x_uses(load->arg[axis], v))
        axis++;
    int64_t distance = axis < rank && fv_x_adds(load->arg[axis], v), extent;
    for (int i = axis + 1; i < rank; i++) {
        bool known = fv_x_is_int(load->u.buf->extent[i], &extent);
        distance *= known && !fv_x_uses(load->arg[i], v) ? extent : 0;
    }
    return distance;
}

void fv_tile_plan_later_steps(fv_tile *t, const fv_expr *load, int64_t columns, int64_t weights) {
    const fv_lowerer *l = t->e->l;
    const fv_prefetches *p = &fv_processor_of(l->target)->prefetch;
    const fv_value *v = load->u.buf->value;
    const int64_t bytes = p->bytes < p->single_bytes ? p->bytes : p->single_bytes,
                  steps = bytes / (columns * fv_elem_storage_bytes(load->u.buf->elem)),
                  ahead = steps * distance_of_steps(load, t->c->sum->u.red.vars[0]);
    const bool far = v && v->kind == FV_VALUE_PARAM && weights > l->target->caches.l2_bytes;
    if (!far || !ahead || !fv_is_vector_processor(l->target) || (l->options->saves & FV_SAVES_CODE))
        return;
    t->plan.prefetch.later = load;
    t->plan.prefetch.ahead = ahead;
}

void fv_tile_prefetch_later_steps(fv_tile *t) {
    fv_kemit *e = t->e;
    const fv_expr *load = t->plan.prefetch.later;
    if (!load)
        return;
    const fv_buf *b = load->u.buf;
    const int line =
        fv_processor_of(e->l->target)->prefetch.line_bytes / fv_elem_storage_bytes(b->elem);
    fv_expr *index[FV_MAX_RANK], *ahead = integer(e, t->plan.prefetch.ahead);
    fv_kmark m = fv_kemit_mark(e);
    for (int c = 0; c < t->plan.nr; c += line) {
        fv_tile_bind_column(t, integer(e, c));
        for (int i = 0; i < b->rank; i++)
            index[i] = fv_kemit_expr(e, load->arg[i]);
        index[b->rank - 1] = binary(e, FV_X_ADD, index[b->rank - 1], ahead);
        fv_kb_prefetch(&e->b, fv_kemit_in(e, b), index, 1);
    }
    fv_kemit_release(e, m);
}
