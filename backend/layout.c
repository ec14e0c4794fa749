/* layout.c - where the workspace has its buffers.
 *
 * Buffers that live at the same time must not overlap, whatever the dims are. At compile time they are
 * placed for typical dims, the largest first, each as low as those that live with it let it. What is
 * kept of that is the order only: which buffer lies below which. An offset is then the highest end of
 * those below, computed from the actual dims,
 *     at(x) = max over y below x, alive with x: at(y) + size(y)
 * so any two that live at the same time are apart for all dims, and for typical ones the workspace is
 * about as large as what lives at once. */
#include <stdlib.h>

#include "backend/consumer.h"
#include "backend/lower.h"
#include "backend/program.h"

enum { TYPICAL = 128 }; /* of a dim whose bounds do not say otherwise */

typedef struct item {
    fv_storage *s;
    int number;       /* in the order of first use */
    int64_t size, at; /* for typical dims */
    fv_expr *above;   /* the highest end below it */
    fv_expr *end;
} item;

static bool typical(void *ctx, const fv_dim *symbol, int64_t *out) {
    (void)ctx;
    *out = symbol->lo > TYPICAL ? symbol->lo : symbol->hi < TYPICAL ? symbol->hi : TYPICAL;
    return true;
}

int64_t fv_typical_dim(const fv_dim *d) {
    int64_t n;
    return fv_dim_eval(d, typical, NULL, &n) ? n : -1;
}

static int64_t typical_size(const fv_type *t) {
    int64_t n = fv_elem_storage_bytes(t->elem), d;
    for (int i = 0; i < t->rank; i++)
        if ((d = fv_typical_dim(t->dims[i])) < 0 || __builtin_mul_overflow(n, d, &n))
            return INT64_MAX / 1024;
    n = n < INT64_MAX / 1024 ? n : INT64_MAX / 1024;
    return (n + FV_BUFFER_ALIGN - 1) / FV_BUFFER_ALIGN * FV_BUFFER_ALIGN;
}

static bool live_together(const item *a, const item *b) {
    return a->s->first <= b->s->last && b->s->first <= a->s->last;
}

static int by_size(const void *x, const void *y) {
    const item *a = *(item *const *)x, *b = *(item *const *)y;
    return a->size != b->size ? (a->size < b->size ? 1 : -1) : a->number - b->number;
}

static int by_place(const void *x, const void *y) {
    const item *a = *(item *const *)x, *b = *(item *const *)y;
    return a->at != b->at ? (a->at < b->at ? -1 : 1) : a->number - b->number;
}

/* As low as it fits among the n that have been placed, which are sorted by their places; joins them. */
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

/* Does another one below x, alive with y, lie upon y? Then its end is higher. */
static bool is_hidden(item *const *below, int n, int y) {
    for (int k = y + 1; k < n; k++)
        if (live_together(below[k], below[y]))
            return true;
    return false;
}

/* What lies below x leaves it its place, which may be that of another one. */
static fv_expr *place_of(fv_lowerer *l, item *const *sorted, int x) {
    if (!sorted[x]->above)
        return fv_x_int(l->arena, 0);
    for (int y = x; y-- > 0;)
        if (sorted[y]->above && fv_x_equal(sorted[y]->above, sorted[x]->above))
            return sorted[y]->s->buf->offset;
    return fv_p_plan_let(l, fv_printf(l->arena, "at%d", sorted[x]->number), sorted[x]->above);
}

/* The end of x, which is that of another one where it begins there and is as large. */
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

void fv_layout(fv_lowerer *l, fv_storage **list, int n) {
    fv_arena *a = l->arena;
    item *items = FV_NEW(a, item, n + 1), **order = FV_NEW(a, item *, n + 1),
         **sorted = FV_NEW(a, item *, n + 1);
    for (int i = 0; i < n; i++) {
        items[i] = (item){.s = list[i], .number = i, .size = typical_size(list[i]->value->type)};
        order[i] = &items[i];
    }
    qsort(order, (size_t)n, sizeof *order, by_size);
    for (int i = 0; i < n; i++)
        place(order[i], sorted, i);
    fv_expr *all = NULL;
    item **below = FV_NEW(a, item *, n + 1);
    for (int x = 0; x < n; x++) {
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
        for (int y = x + 1; y < n && top; y++)
            top = !live_together(sorted[x], sorted[y]);
        if (top)
            all = highest(l, all, sorted[x]->end);
    }
    l->program->workspace = all ? fv_p_plan_let(l, "bytes", all) : fv_x_int(a, 0);
}
