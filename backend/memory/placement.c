/* placement.c - computes the offsets of buffers in the workspace.
 *
 * Buffers that are alive at the same time must not overlap, whatever values the dims have. If
 * bounds of the dims limit all sizes, and the workspace for the largest sizes is not too large,
 * offsets are computed at compile time for these sizes, and are constants. Otherwise buffers are
 * placed for typical dims, of which only the order is kept: which buffer is below which. The run
 * then computes offsets from the actual dims,
 *
 *     at(x) = max over y below x that are alive together with x: at(y) + size(y)
 *
 * so buffers that are alive at the same time are disjoint for all dims.
 *
 * Buffers are placed one after the other, each as low as the placed buffers that are alive with it
 * permit. The result depends on the order of placing: several orders are tried, and the one is
 * taken whose worst result over some choices of dims is best. For these dims the workspace is
 * hardly larger than the buffers that are alive at once. If offsets are constants, and no order
 * reaches this bound, search.c looks for a smaller workspace. */
#include "backend/memory/placement.h"

#include <stdlib.h>
#include <string.h>

#include "backend/consumer/consumer.h"
#include "backend/lowering/host_dims.h"
#include "backend/lowering/sizes.h"
#include "backend/memory/search.h"
#include "ir/base/limits.h"
#include "ir/definition/bits.h"

enum {
    /* number of symbols that are also tried with the value 1, as a batch, or a step of a
     * sequence */
    VARIED = 3,
    POINTS = 1 << VARIED,
    MANY = 1000 /* number of buffers above which only one order is tried */
};

typedef struct item {
    fv_storage *s;
    int number;       /* index of the buffer in the order of first use */
    int64_t size, at; /* size and offset in bytes for the dims for which buffers are placed */
    fv_expr *above;   /* the highest end of the buffers below it */
    fv_expr *end;
} item;

typedef struct layout {
    fv_lowerer *l;
    item *items;
    int n;
    item **order;  /* the buffers in the order in which they are placed */
    item **sorted; /* the buffers sorted by their offsets */
    const fv_dim *varied[VARIED];
    int nvaried;
    int64_t *sizes[POINTS], bound[POINTS];
} layout;

/* ---- sizes ---- */

typedef struct point {
    const layout *w;
    int number;
} point;

static bool at_point(void *ctx, const fv_dim *symbol, int64_t *out) {
    const point *p = ctx;
    int i = 0;
    while (i < p->w->nvaried && p->w->varied[i] != symbol)
        i++;
    *out = fv_nearest_size(symbol, i < p->w->nvaried && p->number >> i & 1 ? 1 : FV_ASSUMED_SIZE);
    return true;
}

static int64_t aligned(int64_t bytes, int64_t unit) {
    bytes = bytes < 0 ? 0 : bytes < FV_LARGEST_SIZE ? bytes : FV_LARGEST_SIZE;
    return (bytes + unit - 1) / unit * unit;
}

/* The offsets are multiples of this number of bytes. Microcontrollers have neither vectors nor
 * lines of a cache that tasks could share, so there the alignment of the largest element is
 * enough. */
static int64_t unit_of(const fv_lowerer *l) {
    return l->target->kind != FV_TARGET_SERVER ? 8 : FV_BUFFER_ALIGN;
}

static int64_t size_at(const fv_type *t, point *p) {
    int64_t n = fv_elem_storage_bytes(t->elem), d;
    for (int i = 0; i < t->rank; i++)
        if (!fv_dim_eval(t->dims[i], at_point, p, &d) || __builtin_mul_overflow(n, d, &n))
            return aligned(INT64_MAX, FV_BUFFER_ALIGN);
    return aligned(n, FV_BUFFER_ALIGN);
}

/* ---- offsets ---- */

static bool live_together(const item *a, const item *b) {
    return a->s->first <= b->s->last && b->s->first <= a->s->last;
}

/* The largest sum of the sizes of buffers that are alive at once. */
static int64_t bound_of(const layout *w, const int64_t *sizes) {
    int64_t most = 0;
    for (int i = 0; i < w->n; i++) { /* the maximum is reached where some buffer begins */
        int64_t sum = 0;
        for (int k = 0; k < w->n; k++)
            if (w->items[k].s->first <= w->items[i].s->first &&
                w->items[i].s->first <= w->items[k].s->last)
                sum += sizes[k];
        most = sum > most ? sum : most;
    }
    return most;
}

static int by_number(const item *a, const item *b) {
    return a->number - b->number;
}

static int by_size(const void *x, const void *y) {
    const item *a = *(item *const *)x, *b = *(item *const *)y;
    return a->size != b->size ? (a->size < b->size ? 1 : -1) : by_number(a, b);
}

/* Orders by lifetime, the longest first, since such buffers are in the way of more others. */
static int by_span(const void *x, const void *y) {
    const item *a = *(item *const *)x, *b = *(item *const *)y;
    int p = a->s->last - a->s->first, q = b->s->last - b->s->first;
    return p != q ? (p < q ? 1 : -1) : by_size(x, y);
}

static int by_size_and_span(const void *x, const void *y) {
    const item *a = *(item *const *)x, *b = *(item *const *)y;
    double p = (double)a->size * (a->s->last - a->s->first + 1),
           q = (double)b->size * (b->s->last - b->s->first + 1);
    return p != q ? (p < q ? 1 : -1) : by_number(a, b);
}

static int by_place(const void *x, const void *y) {
    const item *a = *(item *const *)x, *b = *(item *const *)y;
    return a->at != b->at ? (a->at < b->at ? -1 : 1) : by_number(a, b);
}

typedef int compare(const void *, const void *);
static compare *const ways[] = {by_size, by_size_and_span, by_span};
enum { WAYS = sizeof ways / sizeof *ways };

/* Places x at the lowest offset that is free, among the n placed buffers, which are sorted by their
 * offsets; adds it to them. */
static void place(item *x, item **placed, int n) {
    int64_t at = 0;
    for (int i = 0; i < n; i++) {
        const item *y = placed[i];
        if (!live_together(x, y))
            continue;
        if (at + x->size <= y->at)
            break;
        if (y->at + y->size > at)
            at = y->at + y->size;
    }
    x->at = at;
    int i = n;
    for (; i > 0 && by_place(&placed[i - 1], &x) > 0; i--)
        placed[i] = placed[i - 1];
    placed[i] = x;
}

/* Places all buffers in the given order; returns the end of the highest one. */
static int64_t place_all(layout *w, const int64_t *sizes, compare *way) {
    int64_t end = 0;
    for (int i = 0; i < w->n; i++) {
        w->items[i].size = sizes[i];
        w->order[i] = &w->items[i];
    }
    qsort(w->order, (size_t)w->n, sizeof *w->order, way);
    for (int i = 0; i < w->n; i++) {
        place(w->order[i], w->sorted, i);
        int64_t own = w->order[i]->at + w->order[i]->size;
        end = own > end ? own : end;
    }
    return end;
}

/* The size of the workspace if the order is kept and the buffers have the sizes `sizes`. Sets `at`
 * to the offsets of the buffers. */
static int64_t end_with(const layout *w, const int64_t *sizes, int64_t *at) {
    int64_t end = 0;
    for (int x = 0; x < w->n; x++) {
        at[x] = 0;
        for (int y = 0; y < x; y++) {
            int64_t own = at[y] + sizes[w->sorted[y]->number];
            if (own > at[x] && live_together(w->sorted[x], w->sorted[y]))
                at[x] = own;
        }
        int64_t own = at[x] + sizes[w->sorted[x]->number];
        end = own > end ? own : end;
    }
    return end;
}

/* The largest ratio, over the choices of dims, of the workspace to the lower bound for it. Stops at
 * ratios above `enough`. */
static double excess(const layout *w, int64_t *at, double enough) {
    double worst = 0;
    for (int p = 0; p < 1 << w->nvaried && worst < enough; p++) {
        double over =
            (double)end_with(w, w->sizes[p], at) / (double)(w->bound[p] ? w->bound[p] : 1);
        worst = over > worst ? over : worst;
    }
    return worst;
}

static void choose_order(layout *w) {
    fv_arena *a = w->l->arena;
    int64_t *at = FV_NEW(a, int64_t, w->n + 1);
    int best = 0, tried = w->n > MANY ? 1 : WAYS << w->nvaried;
    double least = 1e30;
    for (int t = 0; t < tried && least > 1; t++) {
        place_all(w, w->sizes[t / WAYS], ways[t % WAYS]);
        double over = excess(w, at, least);
        if (over < least) {
            least = over;
            best = t;
        }
    }
    place_all(w, w->sizes[best / WAYS], ways[best % WAYS]);
}

static void vary(layout *w) {
    const fv_program *p = w->l->program;
    for (int i = 0; i < p->symbols.n && w->nvaried < VARIED; i++)
        w->varied[w->nvaried++] = p->symbols.all[i];
    for (int i = 0; i < 1 << w->nvaried; i++) {
        point at = {w, i};
        w->sizes[i] = FV_NEW(w->l->arena, int64_t, w->n + 1);
        for (int k = 0; k < w->n; k++)
            w->sizes[i][k] = size_at(w->items[k].s->value->type, &at);
        w->bound[i] = bound_of(w, w->sizes[i]);
    }
}

/* ---- constant offsets ---- */

/* Looks for a placement that ends below `end`, the best one that an order gave, unless that is
 * already the lower bound. Returns the end; *proved: there is none lower. */
static int64_t search_lower(layout *w, const int64_t *sizes, int64_t end, bool *proved) {
    fv_interval *items = FV_NEW(w->l->arena, fv_interval, w->n + 1);
    item **from = FV_NEW(w->l->arena, item *, w->n + 1);
    int64_t bound = bound_of(w, sizes), found = end;
    int n = 0;
    for (int i = 0; i < w->n; i++)
        if (sizes[i] > 0) {
            const fv_storage *s = w->items[i].s;
            items[n] = (fv_interval){.first = s->first, .last = s->last, .size = sizes[i]};
            from[n++] = &w->items[i];
        }
    *proved = true;
    if (end > bound)
        found = fv_pack(w->l->arena, n, items, bound, end, proved);
    for (int i = 0; found < end && i < n; i++)
        from[i]->at = items[i].at;
    return found;
}

/* The sizes with the largest dims; NULL: dims have no bounds. */
static int64_t *largest_sizes(const layout *w) {
    int64_t *sizes = FV_NEW(w->l->arena, int64_t, w->n + 1), unit = unit_of(w->l);
    for (int i = 0; i < w->n; i++)
        if ((sizes[i] = fv_largest_bytes(w->items[i].s->value->type, unit)) < 0)
            return NULL;
    return sizes;
}

/* Places the buffers in the order whose end is lowest; returns that end. */
static int64_t place_in_best_order(layout *w, const int64_t *sizes) {
    int64_t least = INT64_MAX;
    int best = 0;
    for (int t = 0; t < (w->n > MANY ? 1 : WAYS); t++) {
        int64_t end = place_all(w, sizes, ways[t]);
        if (end < least) {
            least = end;
            best = t;
        }
    }
    return place_all(w, sizes, ways[best]);
}

/* Places the buffers for the largest dims, with constant offsets. False: dims have no bounds, or
 * the workspace would be too large. */
static bool fix_places(layout *w) {
    fv_arena *a = w->l->arena;
    const int64_t *sizes = largest_sizes(w);
    bool fixed = true, proved = false;
    if (!sizes)
        return false;
    for (int i = 0; i < w->n; i++) {
        const fv_type *t = w->items[i].s->value->type;
        for (int k = 0; k < t->rank; k++)
            fixed &= fv_dim_is_const(t->dims[k]);
    }
    int64_t least = place_in_best_order(w, sizes);
    if (!fixed && least > FV_FIXED_WORKSPACE)
        return false;
    if (w->n <= MANY)
        least = search_lower(w, sizes, least, &proved);
    for (int i = 0; i < w->n; i++)
        w->items[i].s->buf->offset = fv_x_int(a, w->items[i].at);
    w->l->program->memory.is_least = proved;
    w->l->program->memory.workspace = fv_x_int(a, w->n ? least : 0);
    return true;
}

/* ---- offsets that depend on dims ---- */

/* Is there a buffer between y and x that is alive together with y? It then ends above y, so y need
 * not be considered for x. */
static bool is_hidden(item *const *below, int n, int y) {
    for (int k = y + 1; k < n; k++)
        if (live_together(below[k], below[y]))
            return true;
    return false;
}

/* The offset of x: the highest end below it. Uses the variable of a buffer that has the same
 * offset. */
static fv_expr *place_of(fv_lowerer *l, item *const *sorted, int x) {
    if (!sorted[x]->above)
        return fv_x_int(l->arena, 0);
    for (int y = x; y-- > 0;)
        if (sorted[y]->above && fv_x_equal(sorted[y]->above, sorted[x]->above))
            return sorted[y]->s->buf->offset;
    return fv_p_plan_let(l, fv_printf(l->arena, "at%d", sorted[x]->number), sorted[x]->above);
}

/* The end of x. Uses the variable of a buffer that has the same offset and size. */
static fv_expr *end_of(fv_lowerer *l, item *const *sorted, int x) {
    fv_arena *a = l->arena;
    const fv_buf *b = sorted[x]->s->buf;
    for (int y = x; y-- > 0;)
        if (fv_x_equal(sorted[y]->s->buf->offset, b->offset) &&
            fv_x_equal(sorted[y]->s->buf->bytes, b->bytes))
            return sorted[y]->end;
    fv_expr *size = fv_x_bin(a, FV_X_ADDSAT, b->bytes, fv_x_int(a, FV_BUFFER_ALIGN - 1));
    size = fv_x_bin(a, FV_X_AND, size, fv_x_int(a, ~(int64_t)(FV_BUFFER_ALIGN - 1)));
    return fv_p_plan_let(l, fv_printf(a, "end%d", sorted[x]->number),
                         fv_x_bin(a, FV_X_ADDSAT, b->offset, size));
}

static fv_expr *highest(fv_lowerer *l, fv_expr *a, fv_expr *b) {
    return a ? fv_x_bin(l->arena, FV_X_MAX, a, b) : b;
}

static void compute_places(layout *w) {
    fv_lowerer *l = w->l;
    fv_expr *all = NULL;
    item **below = FV_NEW(l->arena, item *, w->n + 1), **sorted = w->sorted;
    for (int x = 0; x < w->n; x++) {
        int nbelow = 0;
        for (int y = 0; y < x; y++)
            if (live_together(sorted[y], sorted[x]))
                below[nbelow++] = sorted[y];
        for (int y = 0; y < nbelow; y++)
            if (!is_hidden(below, nbelow, y))
                sorted[x]->above = highest(l, sorted[x]->above, below[y]->end);
        sorted[x]->s->buf->offset = place_of(l, sorted, x);
        sorted[x]->end = end_of(l, sorted, x);
        bool top = true;
        for (int y = x + 1; y < w->n && top; y++)
            top = !live_together(sorted[x], sorted[y]);
        if (top)
            all = highest(l, all, sorted[x]->end);
    }
    l->program->memory.workspace = all ? fv_p_plan_let(l, "bytes", all) : fv_x_int(l->arena, 0);
}

/* ---- all buffers ---- */

static layout layout_of(fv_lowerer *l, fv_storage **list, int n) {
    fv_arena *a = l->arena;
    layout w = {.l = l,
                .items = FV_NEW(a, item, n + 1),
                .n = n,
                .order = FV_NEW(a, item *, n + 1),
                .sorted = FV_NEW(a, item *, n + 1)};
    for (int i = 0; i < n; i++)
        w.items[i] = (item){.s = list[i], .number = i};
    return w;
}

int64_t fv_placed_bytes(fv_lowerer *l, fv_storage **list, int n, int64_t enough) {
    layout w = layout_of(l, list, n);
    const int64_t *sizes = largest_sizes(&w);
    if (!sizes)
        return -1;
    int64_t bound = bound_of(&w, sizes);
    if (bound > enough)
        return bound;
    bool proved;
    int64_t end = place_in_best_order(&w, sizes);
    return n <= MANY ? search_lower(&w, sizes, end, &proved) : end;
}

void fv_place_buffers(fv_lowerer *l, fv_storage **list, int n) {
    layout w = layout_of(l, list, n);
    if (fix_places(&w))
        return;
    vary(&w);
    choose_order(&w);
    compute_places(&w);
}
