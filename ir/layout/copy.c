/* copy.c - copies a tensor into a layout: a loop for each level, and two innermost loops for each
 * size of element. Weights of a language model are hundreds of megabytes, so it is not decided for
 * each element whether the tensor has it: where the tensor has all elements of the inner levels,
 * such as those of 32 columns and 4 rows, they are copied in the order that has the longest loop
 * inside. */
#include <string.h>

#include "ir/layout/layout.h"

typedef struct copying {
    const fv_layout *l;
    const fv_layout_source *s;
    uint8_t *to;
    int64_t count[FV_LAYOUT_LEVELS]; /* the number of values of each level */
    int64_t base[FV_MAX_RANK]; /* the parts of each axis's index that outer levels have decided */
    /* the levels from number `inner` on, in the order of the loops over them, and how many indices
     * of each axis they distinguish */
    int inner, order[FV_LAYOUT_LEVELS];
    int64_t span[FV_MAX_RANK];
} copying;

/* n x m elements: element (q, r) is number at + q * step[0] + r * step[1] of the source, and number
 * to + q * stride[0] + r * stride[1] of the layout. */
typedef struct grid {
    int64_t n, m;
    int64_t at, step[2];
    int64_t to, stride[2];
} grid;

/* ---- ranges ---- */

/* The range of a level's values for which the tensor may have the element, given the outer levels.
 * Inner levels add less than the divisor of this level to the index. */
typedef struct values {
    int64_t first, end;
} values;

static int64_t ceil_div(int64_t a, int64_t b) {
    return a <= 0 ? 0 : b == 1 ? a : (a - 1) / b + 1;
}

static values range_of(const copying *c, int i) {
    const fv_layout_level *v = &c->l->level[i];
    int64_t from = c->s->from[v->axis] - c->base[v->axis],
            to = c->s->to[v->axis] - c->base[v->axis], count = c->count[i];
    values r = {ceil_div(from - v->divisor + 1, v->divisor), ceil_div(to, v->divisor)};
    r.end = r.end < count ? r.end : count;
    /* with a stride of 0 all values are the same element, so one copy is enough */
    if (!v->stride && r.first < r.end)
        r.end = r.first + 1;
    return r;
}

/* ---- elements ---- */

/* Copies n elements, which begin at bit `bit` of a byte, and at bit `at` of a byte of the layout.
 * The bytes of successive elements are `by` apart, and `stride` apart in the layout. */
static void put_bits(uint8_t *restrict to, int64_t at, int64_t stride, const uint8_t *restrict from,
                     int64_t bit, int64_t by, int mask, int64_t n) {
    for (int64_t r = 0; r < n; r++)
        to[r * stride] = (uint8_t)(to[r * stride] | (from[r * by] >> bit & mask) << at);
}

/* Copies elements of which the tensor or the layout packs several into a byte; an element takes at
 * most one byte in the layout. */
static void copy_bits(const copying *c, const grid *g) {
    const uint8_t *from = c->s->data;
    const int bits = c->s->packed ? c->s->packed : 8,
              narrow = bits < c->l->bits ? bits : c->l->bits, mask = (1 << narrow) - 1;
    const int64_t by = g->step[1] * bits, stride = g->stride[1] * c->l->bits;
    const bool same_place = by % 8 == 0 && stride % 8 == 0; /* within the byte, for all r */
    for (int64_t q = 0; q < g->n; q++) {
        const int64_t first = (g->at + q * g->step[0]) * bits,
                      at = (g->to + q * g->stride[0]) * c->l->bits;
        if (same_place)
            put_bits(c->to + at / 8, at % 8, stride / 8, from + first / 8, first % 8, by / 8, mask,
                     g->m);
        else
            for (int64_t r = 0; r < g->m; r++)
                put_bits(c->to + (at + r * stride) / 8, (at + r * stride) % 8, 0,
                         from + (first + r * by) / 8, (first + r * by) % 8, 0, mask, 1);
    }
}

/* Groups of four bytes, one from each of four rows, as dot products of bytes read them. */
static void interleave(uint8_t *restrict to, const uint8_t *restrict from, int64_t row, int64_t n) {
    const uint8_t *a = from, *b = a + row, *c = b + row, *d = c + row;
    for (int64_t q = 0; q < n; q++) {
        to[4 * q] = a[q];
        to[4 * q + 1] = b[q];
        to[4 * q + 2] = c[q];
        to[4 * q + 3] = d[q];
    }
}

#define COPY(type)                                                                                 \
    for (int64_t q = 0; q < g->n; q++)                                                             \
        for (int64_t r = 0; r < g->m; r++)                                                         \
    memcpy(to + (q * g->stride[0] + r * g->stride[1]) * (int64_t)sizeof(type),                     \
           from + (q * g->step[0] + r * g->step[1]) * (int64_t)sizeof(type), sizeof(type))

/* Copies whole bytes. */
static void copy_bytes(const copying *c, const grid *g) {
    const int64_t bytes = c->l->bits / 8;
    const uint8_t *from = (const uint8_t *)c->s->data + g->at * bytes;
    uint8_t *to = c->to + g->to * bytes;
    if (g->step[1] == 1 && g->stride[1] == 1) {
        for (int64_t q = 0; q < g->n; q++)
            memcpy(to + q * g->stride[0] * bytes, from + q * g->step[0] * bytes,
                   (size_t)(g->m * bytes));
        return;
    }
    switch (bytes) {
    case 1:
        if (g->n == 4 && g->stride[0] == 1 && g->step[1] == 1 && g->stride[1] == 4)
            interleave(to, from, g->step[0], g->m);
        else
            COPY(uint8_t);
        return;
    case 2: COPY(uint16_t); return;
    case 4: COPY(uint32_t); return;
    default: COPY(uint64_t); return;
    }
}

static void copy_grid(const copying *c, const grid *g) {
    if (g->n <= 0 || g->m <= 0)
        return;
    if (c->l->bits < 8 || c->s->packed)
        copy_bits(c, g);
    else
        copy_bytes(c, g);
}

/* ---- levels ---- */

/* Chooses the inner levels: at least two, and as many as distinguish MANY elements. The innermost
 * loop is over the last level, or, if that has few values, over the one of them that has most. */
static void choose_inner(copying *c) {
    enum { MANY = 64, FEW = 16 };
    const fv_layout *l = c->l;
    int64_t elements = 1;
    int n = 0, most;
    for (c->inner = l->nlevels; c->inner && (n < 2 || elements < MANY); n++)
        elements *= c->count[--c->inner] < MANY ? c->count[c->inner] : MANY;
    for (int i = 0; i < n; i++) {
        const fv_layout_level *v = &l->level[c->inner + i];
        const int64_t span = c->count[c->inner + i] * v->divisor;
        c->order[i] = c->inner + i;
        c->span[v->axis] = c->span[v->axis] > span ? c->span[v->axis] : span;
    }
    most = n - 1;
    for (int i = 0; i < n && c->count[l->nlevels - 1] < FEW; i++)
        if (c->count[c->inner + i] > c->count[c->inner + most])
            most = i;
    for (int i = most; i < n - 1; i++)
        c->order[i] = c->order[i + 1];
    if (n)
        c->order[n - 1] = c->inner + most;
}

/* Has the tensor all elements of the inner levels, given the outer levels? */
static bool has_all(const copying *c) {
    bool all = true;
    for (int i = 0; i < c->l->rank; i++)
        all &= c->base[i] >= c->s->from[i] &&
               c->base[i] + (c->span[i] ? c->span[i] : 1) <= c->s->to[i];
    return all;
}

/* The number of values of level i that are different elements; with a stride of 0 all are the same
 * one. */
static int64_t different(const copying *c, int i) {
    return c->l->level[i].stride ? c->count[i] : 1;
}

/* Copies all elements of the inner levels, from the k-th loop on. */
static void copy_all(const copying *c, int k, int64_t source, int64_t at) {
    const int n = c->l->nlevels - c->inner, i = c->order[k];
    const int64_t by = c->s->by[i], stride = c->l->level[i].stride, count = different(c, i);
    if (k == n - 2) {
        const int j = c->order[k + 1];
        copy_grid(c, &(grid){.n = count,
                             .m = different(c, j),
                             .at = source,
                             .step = {by, c->s->by[j]},
                             .to = at,
                             .stride = {stride, c->l->level[j].stride}});
        return;
    }
    for (int64_t q = 0; q < count; q++)
        copy_all(c, k + 1, source + q * by, at + q * stride);
}

static void copy_from(copying *c, int i, int64_t source, int64_t at) {
    const fv_layout_level *v = &c->l->level[i];
    const int64_t by = c->s->by[i], base = c->base[v->axis];
    if (i == c->inner && i < c->l->nlevels - 1 && has_all(c)) {
        copy_all(c, 0, source, at);
        return;
    }
    values r = range_of(c, i);
    if (i == c->l->nlevels - 1) {
        copy_grid(c, &(grid){.n = 1,
                             .m = r.end - r.first,
                             .at = source + r.first * by,
                             .step = {0, by},
                             .to = at + r.first * v->stride,
                             .stride = {0, v->stride}});
        return;
    }
    for (int64_t q = r.first; q < r.end; q++) {
        c->base[v->axis] = base + q * v->divisor;
        copy_from(c, i + 1, source + q * by, at + q * v->stride);
    }
    c->base[v->axis] = base;
}

void fv_layout_copy(const fv_layout *l, const fv_layout_source *from, void *to) {
    copying c = {.l = l, .s = from, .to = to};
    for (int i = 0; i < l->nlevels; i++)
        c.count[i] = fv_layout_count(l, i);
    choose_inner(&c);
    if (l->nlevels)
        copy_from(&c, 0, from->at, 0);
    else
        copy_grid(&c, &(grid){.n = 1, .m = 1, .at = from->at});
}
