/* copy.c - copies a tensor into a layout: a loop for each level, and an innermost loop for each
 * size of element. */
#include <string.h>

#include "ir/layout/layout.h"

typedef struct copying {
    const fv_layout *l;
    const fv_layout_source *s;
    uint8_t *to;
    int64_t base[FV_MAX_RANK]; /* the parts of each axis's index that outer levels have decided */
} copying;

/* The range of a level's values for which the tensor may have the element, given the outer levels.
 * Inner levels add less than the divisor of this level to the index. */
typedef struct values {
    int64_t first, end;
} values;

static int64_t ceil_div(int64_t a, int64_t b) {
    return a <= 0 ? 0 : (a - 1) / b + 1;
}

static values range_of(const copying *c, int i) {
    const fv_layout_level *v = &c->l->level[i];
    int64_t from = c->s->from[v->axis] - c->base[v->axis],
            to = c->s->to[v->axis] - c->base[v->axis], count = fv_layout_count(c->l, i);
    values r = {ceil_div(from - v->divisor + 1, v->divisor), ceil_div(to, v->divisor)};
    r.end = r.end < count ? r.end : count;
    /* with a stride of 0 all values are the same element, so one copy is enough */
    if (!v->stride && r.first < r.end)
        r.end = r.first + 1;
    return r;
}

#define COPY(type)                                                                                 \
    for (int64_t q = 0; q < n; q++)                                                                \
    memcpy(to + (at + q * stride) * (int64_t)sizeof(type),                                         \
           from + (source + q * by) * (int64_t)sizeof(type), sizeof(type))

/* Copies elements of which the tensor or the layout packs several into a byte; an element takes at
 * most one byte in the layout. */
static void copy_bits(const copying *c, int64_t source, int64_t by, int64_t at, int64_t stride,
                      int64_t n) {
    const uint8_t *from = c->s->data;
    const int bits = c->s->packed ? c->s->packed : 8,
              narrow = bits < c->l->bits ? bits : c->l->bits, mask = (1 << narrow) - 1;
    for (int64_t q = 0; q < n; q++) {
        int64_t to = (at + q * stride) * c->l->bits, first = (source + q * by) * bits;
        int element = from[first / 8] >> first % 8 & mask;
        c->to[to / 8] = (uint8_t)(c->to[to / 8] | element << to % 8);
    }
}

static void copy_level(const copying *c, int64_t source, int64_t by, int64_t at, int64_t stride,
                       int64_t n) {
    const uint8_t *from = c->s->data;
    uint8_t *to = c->to;
    if (c->l->bits < 8 || c->s->packed) {
        copy_bits(c, source, by, at, stride, n);
        return;
    }
    switch (c->l->bits) {
    case 8: COPY(uint8_t); return;
    case 16: COPY(uint16_t); return;
    case 32: COPY(uint32_t); return;
    default: COPY(uint64_t); return;
    }
}

static void copy_from(copying *c, int i, int64_t source, int64_t at) {
    const fv_layout_level *v = &c->l->level[i];
    const int64_t by = c->s->by[i], base = c->base[v->axis];
    values r = range_of(c, i);
    if (i == c->l->nlevels - 1) {
        copy_level(c, source + r.first * by, by, at + r.first * v->stride, v->stride,
                   r.end - r.first);
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
    if (l->nlevels)
        copy_from(&c, 0, from->at, 0);
    else
        copy_level(&c, from->at, 0, 0, 0, 1);
}
