/* prefetch.c - a tile's prefetches of weights that are read later. */
#include "backend/schedule/contract/prefetch.h"

#include <math.h>

#include "backend/lowering/access.h"
#include "backend/lowering/sizes.h"
#include "backend/lowering/weights.h"
#include "backend/schedule/common/blocks.h"
#include "backend/schedule/contract/element.h"
#include "backend/schedule/contract/steps.h"
#include "ir/base/divisor.h"
#include "ir/target/machine.h"

/* The number of steps of the sum over its variables from the i-th on, whose extents are
 * constant. */
static int64_t steps_from(const fv_contraction *c, int i) {
    const fv_expr *sum = fv_all_steps(c);
    int64_t n = 1;
    for (; i < sum->u.red.nvars; i++)
        n *= sum->u.red.vars[i]->dim->value;
    return n;
}

/* Panels of up to this fraction (1 / SMALL_PANELS) of the first-level cache are not prefetched; of
 * words of four bytes, whose products take a fourth of the time, 1 / SMALL_WORDS. With prefetches,
 * MiniLM in bytes with 128 tokens, whose panels have 12 kB, takes 0.94 of the time, a BERT of 256
 * columns, 8 kB, 0.93, and one of 128 columns, 4 kB, as long as without (Zen 5, 48 kB). */
enum { SMALL_PANELS = 4, SMALL_WORDS = 8, WORD = 4 };

/* Products of matrices prefetch panels of more than this fraction (1 / SHARED_PANELS) of the
 * first-level cache, if a block of rows has that many tiles. */
enum { SHARED_PANELS = 3, LEAST_TILES = 4 };

/* The least number of tiles of a block of rows whose products of matrices share the prefetches of
 * the next panel, of `bytes` bytes, among them; 0: nothing is prefetched. Few tiles become slower
 * if their weights come from the last cache: the lines that they prefetch delay those that they
 * read. */
static int least_sharing(const fv_lowerer *l, const fv_contraction *c, int64_t weights,
                         int64_t bytes) {
    const fv_caches *caches = &l->target->caches;
    bool shares = c->dot.matrix && !c->blocks.sum && bytes * SHARED_PANELS > caches->l1_bytes;
    return !shares ? 0 : weights > caches->l3_bytes ? 1 : LEAST_TILES;
}

/* Does the tile convert the weights from floats of fewer bits, one by one or in pairs of bf16? */
static bool converts(const fv_contraction *c) {
    bool narrow = fv_elem_is_float((fv_elem)fv_x_stored(c->b)->type.elem) && !c->panels.computed;
    return !c->blocks.sum && (c->panels.pairs ? !c->dot.group : narrow && fv_widens_panels(c));
}

/* The distance `bytes`, limited if weights stay in the last cache. */
static int distance(const fv_processor *p, int bytes, bool cached) {
    return cached && bytes > p->prefetch.bytes ? p->prefetch.bytes : bytes;
}

/* While a tile computes, it prefetches weights that are read later. Each tile of a block of rows
 * reads the whole panel once: the t-th of T complete tiles prefetches the t-th part of the next
 * panel, so that memory is busy all the time, and each tile prefetches the elements that are `near`
 * bytes later in this panel, which are in the second-level cache by then. If there is at most one
 * complete tile, it prefetches what is `far` bytes later, which near the end of a panel is in the
 * next panels. That distance suits main memory: data in the last cache arrive no earlier with it,
 * and may be evicted from a first-level cache before they are read, so for these `near` bytes are
 * used (Zen 5, 4 MiB with one row: 127 to 130 GB/s, with 128 KiB 101 to 113), unless the processor
 * reads the panel of a single tile faster without prefetches. Narrow floats have a distance of
 * their own in tiles of several rows: between the loads of two lines a core also converts, so that
 * fewer loads are in flight. With a single row it converts less than it waits: a token of LLaMA in
 * f16 takes 1.05 to 1.18 of the time with these prefetches (Zen 4). Weights that all stay in the
 * second-level cache become slower by any prefetch, since they would be loaded into the first level
 * twice. So do small panels, except in tiles of so few rows that memory is slower than their
 * products (the others multiply matrices): each of these would begin with waiting for its panel. A
 * processor that follows several streams of addresses faster than one prefetches the next panel
 * from several places in turn instead, in tiles with fewer rows than a whole one (`streams`), or in
 * all tiles, which share these prefetches (`shared_streams`). This is done only for weights that a
 * tile uses as they are stored, or converts from narrow floats: words and dequantized elements take
 * arithmetic that hides the latency. */
void fv_tile_defaults(const fv_lowerer *l, const fv_op *op, const fv_contraction *c,
                      fv_tile_plan *plan) {
    const fv_processor *p = fv_processor_of(l->target);
    const fv_caches *caches = &l->target->caches;
    int64_t weights = fv_weights_between(l, op);
    int width = fv_tile_plan_width(c, plan) * fv_elem_storage_bytes((fv_elem)c->sum->type.elem);
    const bool only_few = c->dot.matrix && !c->blocks.sum;
    const int small = caches->l1_bytes / (c->dot.group == WORD ? SMALL_WORDS : SMALL_PANELS);
    bool ahead = fv_can_prefetch(c) && weights > caches->l2_bytes &&
                 width >= p->prefetch.line_bytes && (only_few || steps_from(c, 0) * width > small);
    plan->prefetch.near = ahead ? p->prefetch.bytes : 0;
    const bool narrow = converts(c) && plan->mr > 1, cached = weights <= caches->l3_bytes;
    const int far = narrow ? p->prefetch.narrow_bytes : p->prefetch.single_bytes;
    plan->prefetch.far = ahead ? distance(p, far, cached) : 0;
    plan->prefetch.alone = ahead ? distance(p, p->prefetch.single_bytes, cached) : 0;
    plan->prefetch.sharing = ahead ? least_sharing(l, c, weights, steps_from(c, 0) * width) : 0;
    bool loaded = !c->panels.computed && !c->dot.group && !c->blocks.sum;
    plan->prefetch.streams =
        ahead && loaded && weights > caches->l3_bytes ? p->prefetch.streams : 0;
    /* shared prefetches need loops of their own */
    const bool shares = ahead && loaded && !(l->options->saves & FV_SAVES_CODE);
    double kept = fmax(caches->l3_bytes, fv_measure_of(l->target, FV_MEASURE_last_level));
    plan->prefetch.shared_streams =
        shares && (double)weights > kept ? p->prefetch.shared_streams : 0;
    int64_t steps = 1;
    const fv_expr *all = fv_all_steps(c);
    for (int i = 0; i < all->u.red.nvars && steps < p->loop.outline_steps; i++)
        steps *= all->u.red.vars[i]->dim->hi;
    plan->outlined = steps >= p->loop.outline_steps &&
                     !((l->options->saves & FV_SAVES_CODE) && l->target->kind == FV_TARGET_MICRO);
}

bool fv_tile_prefetches(const fv_tile *t) {
    return t->plan.prefetch.near || t->plan.prefetch.far;
}

/* The number of rows of a panel for that many steps of the sum. */
static int64_t rows_of(const fv_panels *p, int64_t steps) {
    return fv_div_up(steps, p->steps);
}

/* The number of rows with scales in n blocks of a panel: each block of words may end with one. */
static int64_t rows_of_scales(const fv_panels *p, int64_t n) {
    return p->words.scale ? n : 0;
}

/* The number of rows of a panel for n steps of the sum's first variable. */
static int64_t rows_of_first(const fv_contraction *c, int64_t n) {
    const fv_panels *p = &c->panels;
    return rows_of(p, n * steps_from(c, 1)) + rows_of_scales(p, n);
}

/* The number of elements in one row of all panels of the tile. */
static int row_elements(const fv_tile *t) {
    int group = t->c->dot.group;
    return fv_tile_width(t) * (group ? group : 1);
}

/* The number of elements of a panel in a line. */
static int line_elements(const fv_tile *t) {
    return fv_processor_of(t->e->l->target)->prefetch.line_bytes /
           fv_elem_storage_bytes(t->c->panels.value->type->elem);
}

/* The row of a panel with step `first` of the sum's first variable, and step 0 of its other
 * variables. */
static fv_expr *row_of_step(fv_tile *t, fv_expr *first) {
    fv_kemit *e = t->e;
    const fv_panels *p = &t->c->panels;
    fv_expr *step = binary(e, FV_X_MUL, first, integer(e, steps_from(t->c, 1))),
            *row = binary(e, FV_X_FLOORDIV, step, integer(e, p->steps));
    return binary(e, FV_X_ADD, row, binary(e, FV_X_MUL, first, integer(e, rows_of_scales(p, 1))));
}

/* The row of its panel that the tile reads in the current step of the sum. */
static fv_expr *row_now(fv_tile *t) {
    fv_kemit *e = t->e;
    const fv_panels *p = &t->c->panels;
    const fv_expr *sum = fv_all_steps(t->c);
    int last = sum->u.red.nvars - 1, first = p->value->type->rank - 2 - last;
    fv_expr *row = fv_kemit_expr(e, p->load->arg[first]);
    for (int i = 1; i <= last; i++) {
        int64_t extent = sum->u.red.vars[i]->dim->value;
        if (i == last)
            extent = rows_of(p, extent) + rows_of_scales(p, 1);
        row = binary(e, FV_X_MUL, row, integer(e, extent));
        row = binary(e, FV_X_ADD, row, fv_kemit_expr(e, p->load->arg[first + i]));
    }
    return row;
}

/* ---- images and results ---- */

/* the part of the second-level cache, as its denominator, that a value may fill without prefetches:
 * the rest is filled by what was computed since */
static const double NEAR = 4;

bool fv_may_be_far(const fv_lowerer *l, const fv_value *v) {
    if (!v || v->kind == FV_VALUE_CONST)
        return false;
    double bytes = fv_typical_elements(v->type) * fv_elem_storage_bytes(v->type->elem);
    return NEAR * bytes > (double)l->target->caches.l2_bytes;
}

/* ---- whether prefetches are shared ---- */

/* The binary logarithm of n, rounded down. */
static int log2_of(int n) {
    int log = 0;
    while (n >>= 1)
        log++;
    return log;
}

/* The largest number of complete tiles of a block of rows that share prefetches. */
static int64_t most_sharing(const fv_tile_plan *plan) {
    return log2_of(plan->prefetch.shared_streams) + 1;
}

void fv_tile_limit_shares(const fv_lowerer *l, const fv_contraction *c, const fv_dim *rows,
                          int64_t block, fv_tile_plan *plan) {
    if (!plan->prefetch.shared_streams)
        return;
    /* few tiles, which share prefetches, compute b themselves, all steps at once */
    const bool whole = !plan->depth || plan->unpacks;
    const int64_t steps = whole ? steps_from(c, 0) : plan->depth * steps_from(c, 1);
    const fv_elem stored = (fv_elem)fv_x_stored(c->b)->type.elem;
    const int64_t row = (int64_t)fv_tile_plan_width(c, plan) * fv_elem_storage_bytes(stored);
    const bool far = steps * row * 2 > l->target->caches.l2_bytes;
    /* if there are several blocks, none has less than half of the most tiles */
    const bool many = rows && rows->lo > block && block / plan->mr / 2 > most_sharing(plan);
    if (far || many)
        plan->prefetch.shared_streams = 0;
}

/* Sharing gains time if there are few complete tiles, but not with less than LEAST_ROWS rows, for
 * which caches read a panel as fast by themselves (Granite Rapids). Only the first block of rows
 * reads the weights from memory; later ones find them in the last cache. */
fv_expr *fv_tile_shares_pay(fv_tile *t) {
    enum { LEAST_ROWS = 3 };
    fv_kemit *e = t->e;
    const fv_tile_shares *s = &t->prefetch.shared;
    fv_expr *few = binary(e, FV_X_LE, t->prefetch.whole, integer(e, most_sharing(&t->plan))),
            *enough = binary(e, FV_X_LE, integer(e, LEAST_ROWS), s->rows),
            *from_memory = binary(e, FV_X_EQ, s->first, integer(e, 0));
    return binary(e, FV_X_AND, binary(e, FV_X_AND, few, enough), from_memory);
}

/* ---- shares of the tiles ---- */

/* Returns the offset of what a tile prefetches: the share with that number, or the last one. It is
 * such that the elements prefetched in row k of the panel are at the offset + k * stride. */
static fv_expr *offset_of_share(fv_tile *t, fv_expr *number) {
    fv_kemit *e = t->e;
    const fv_tile_shares *s = &t->prefetch.shared;
    /* shares are rounded up, so the last one ends with the block */
    fv_expr *last = binary(e, FV_X_SUB, integer(e, s->whole), s->size);
    fv_expr *at = binary(e, FV_X_MIN, binary(e, FV_X_MUL, number, s->size), last);
    if (!t->plan.depth)
        return at;
    at = s->rest ? at : binary(e, FV_X_ADD, s->from, at);
    return binary(e, FV_X_SUB, at,
                  binary(e, FV_X_MUL, row_of_step(t, t->from), t->prefetch.stride));
}

/* The number of tiles that share the prefetches: all complete ones, if there are several; otherwise
 * the first two of the complete one and of those that take the remaining rows, or the only one. */
static fv_expr *sharing_tiles(const fv_tile *t) {
    fv_kemit *e = t->e;
    fv_expr *rest = t->prefetch.shared.rest, *one = integer(e, 1), *whole = t->prefetch.whole;
    if (!rest)
        return binary(e, FV_X_MAX, whole, one);
    /* the remaining rows are in as many tiles as their number has bits that are 1 */
    fv_expr *second = binary(e, FV_X_AND, rest, binary(e, FV_X_SUB, rest, one));
    second = fv_x_select(e->arena, binary(e, FV_X_EQ, whole, one), rest, second);
    second = binary(e, FV_X_MIN, second, one);
    return binary(e, FV_X_MAX, whole, binary(e, FV_X_ADD, second, one));
}

/* Chooses the places at which lines are prefetched in turn. With up to two complete tiles there are
 * as many as the processor has streams, with each further tile half as many: the longer the tiles
 * compute, the slower the streams are, and caches follow slow streams only if there are few. */
static void choose_places(fv_tile *t) {
    fv_kemit *e = t->e;
    fv_tile_shares *s = &t->prefetch.shared;
    const int log = log2_of(t->plan.prefetch.shared_streams);
    fv_expr *less = binary(e, FV_X_SUB, integer(e, log + 2), t->prefetch.whole);
    fv_expr *shift = binary(e, FV_X_MIN, integer(e, log), binary(e, FV_X_MAX, less, integer(e, 0)));
    s->shift = fv_kb_let(&e->b, "shift", shift);
    fv_expr *lines = integer(e, s->whole / line_elements(t));
    s->lines = fv_kb_let(&e->b, "lines", binary(e, FV_X_SHR, lines, s->shift));
}

/* Divides the prefetches of `block` elements among the tiles of a block of rows. `left`: number of
 * elements of the panels after this one; panel: those of a panel. */
static void plan_shares(fv_tile *t, int64_t block, int64_t panel, fv_expr *left) {
    fv_kemit *e = t->e;
    fv_tile_shares *s = &t->prefetch.shared;
    int64_t width = row_elements(t);
    fv_expr *tiles = sharing_tiles(t);
    s->whole = block;
    fv_expr *one = binary(e, FV_X_LE, tiles, integer(e, 1));
    t->prefetch.stride = fv_kb_let(&e->b, "stride", fv_ceildiv(e, integer(e, width), tiles));
    s->size = fv_kb_let(&e->b, "share",
                        binary(e, FV_X_MUL, t->prefetch.stride, integer(e, block / width)));
    s->from = integer(e, 0);
    if (t->plan.depth) {
        fv_expr *end = binary(e, FV_X_ADD, t->from, integer(e, t->plan.depth));
        fv_expr *next = binary(e, FV_X_MUL, row_of_step(t, end), integer(e, width));
        s->from = binary(e, FV_X_MIN, next, binary(e, FV_X_ADD, left, integer(e, panel - block)));
    }
    if (s->rest) {
        choose_places(t);
        s->from = fv_kb_let(&e->b, "from", s->from);
        fv_expr *apart = fv_x_select(e->arena, one, integer(e, line_elements(t)), integer(e, 0));
        s->apart = fv_kb_let(&e->b, "apart", apart);
    }
    fv_expr *number = binary(e, FV_X_FLOORDIV, t->rows.done, integer(e, t->plan.mr));
    t->prefetch.part = fv_kb_let(&e->b, "part", offset_of_share(t, number));
}

/* ---- distances ---- */

/* The number of elements of a panel. */
static int64_t panel_elements(const fv_tile *t) {
    const int64_t steps = fv_all_steps(t->c)->u.red.vars[0]->dim->value;
    return rows_of_first(t->c, steps) * row_elements(t);
}

/* The number of elements of the `several` panels of each tile after this one, divided by
 * `several`. */
static fv_expr *left_of(fv_tile *t, int64_t several) {
    fv_expr *panels = binary(t->e, FV_X_SUB, t->prefetch.last, t->panel);
    return binary(t->e, FV_X_MUL, panels, integer(t->e, panel_elements(t) / several));
}

/* Is there at most one complete tile in the block of rows? */
static fv_expr *is_one(fv_tile *t) {
    return binary(t->e, FV_X_LE, t->prefetch.whole, integer(t->e, 1));
}

/* Sets the distance of prefetches in the tile's panels: that for several tiles of rows, or `far`
 * bytes if there is at most one complete tile. Without a distance there are no such prefetches. */
static void set_distance(fv_tile *t, int64_t far) {
    fv_kemit *e = t->e;
    t->prefetch.ahead = NULL;
    if (!far && !t->prefetch.whole)
        return;
    const int64_t several = fv_panels_of_tile(t),
                  bytes = fv_elem_storage_bytes(t->c->panels.value->type->elem) * several;
    fv_expr *ahead = integer(e, far / bytes);
    if (t->prefetch.whole)
        ahead = fv_x_select(e->arena, is_one(t), ahead, integer(e, t->plan.prefetch.near / bytes));
    t->prefetch.ahead = fv_kb_let(&e->b, "ahead", binary(e, FV_X_MIN, ahead, left_of(t, several)));
}

void fv_tile_plan_prefetch(fv_tile *t) {
    fv_kemit *e = t->e;
    if (t->prefetch.whole) {
        const int64_t panel = panel_elements(t),
                      block = t->plan.depth ? rows_of_first(t->c, t->plan.depth) * row_elements(t)
                                            : panel;
        /* with at most one complete tile whose prefetches are not shared, this aims at the element
         * that is read now, so that nothing of the next panel is prefetched; with blocks of steps,
         * `from` counts from the tile's own panel */
        bool shared = t->prefetch.shared.rest;
        t->prefetch.aim = t->plan.depth ? t->panel
                          : shared      ? t->prefetch.next
                                   : fv_x_select(e->arena, is_one(t), t->panel, t->prefetch.next);
        plan_shares(t, block, panel, left_of(t, 1));
    }
    if (!t->made.unpacked)
        set_distance(t, t->plan.prefetch.far);
}

/* Sets what a tile of the remaining rows prefetches, where all tiles share the prefetches. */
static void share_with_rest(fv_tile *t, fv_expr *first) {
    fv_kemit *e = t->e;
    fv_expr *zero = integer(e, 0), *one = integer(e, 1), *whole = t->prefetch.whole;
    fv_expr *number = binary(e, FV_X_ADD, whole, binary(e, FV_X_MIN, first, one));
    fv_expr *few = binary(e, FV_X_LE, whole, one), *at = offset_of_share(t, number);
    t->prefetch.part = fv_kb_let(&e->b, "part", fv_x_select(e->arena, few, at, zero));
    t->prefetch.stride =
        fv_kb_let(&e->b, "stride", fv_x_select(e->arena, few, t->prefetch.stride, zero));
    t->prefetch.aim = fv_x_select(e->arena, few, t->prefetch.aim, t->panel);
}

void fv_tile_prefetch_rest(fv_tile *t, fv_expr *first, int rows) {
    if (t->prefetch.part && t->prefetch.shared.rest)
        share_with_rest(t, first);
    const int64_t alone = t->plan.prefetch.alone;
    if (rows != 1 || t->made.unpacked || alone == t->plan.prefetch.far)
        return;
    if (alone)
        set_distance(t, alone);
    else /* also after complete tiles, which have brought the panel into a cache */
        t->prefetch.ahead = NULL;
}

void fv_tile_prefetch_from(fv_tile *t, fv_expr *tile, fv_expr *i_th, fv_expr *row, fv_expr *at,
                           int cache) {
    fv_kemit *e = t->e;
    fv_expr *panel = fv_panel_of_tile(t, tile, i_th);
    const fv_panels *p = &t->c->panels;
    int last = p->value->type->rank - 1;
    fv_expr *index[FV_MAX_RANK];
    for (int i = 0; i < p->panel; i++)
        index[i] = fv_kemit_expr(e, p->load->arg[i]);
    index[p->panel] = panel;
    for (int i = p->panel + 1; i < last - 1; i++)
        index[i] = integer(e, 0);
    index[last - 1] = row;
    index[last] = at;
    fv_kb_prefetch(&e->b, fv_kemit_in(e, p->load->u.buf), index, cache);
}

/* Emits prefetches of a row of the tile's panels, `ahead` elements after it (NULL: 0). */
static void prefetch_row(fv_tile *t, fv_expr *tile, fv_expr *row, fv_expr *ahead, int cache) {
    fv_kemit *e = t->e;
    const int n = fv_panels_of_tile(t), width = row_elements(t) / n;
    const int line = line_elements(t);
    for (int i = 0; i < n; i++)
        for (int c = 0; c < width; c += line) {
            fv_expr *at = integer(e, c);
            at = ahead ? binary(e, FV_X_ADD, ahead, at) : at;
            fv_tile_prefetch_from(t, tile, integer(e, i), row, at, cache);
        }
}

/* Emits the prefetch of the element at that offset of what the tiles share: of the next tile, whose
 * panels follow each other in memory, or of later rows of this one, which are a part of each
 * panel. */
static void prefetch_at(fv_tile *t, fv_expr *at) {
    fv_kemit *e = t->e;
    const int n = fv_panels_of_tile(t), width = row_elements(t) / n;
    fv_expr *none = integer(e, 0);
    if (n == 1 || !t->plan.depth) {
        fv_tile_prefetch_from(t, t->prefetch.aim, none, none, at, 2);
        return;
    }
    fv_expr *all = integer(e, row_elements(t)), *one = integer(e, width);
    fv_expr *column = binary(e, FV_X_FLOORMOD, at, all);
    fv_tile_prefetch_from(t, t->prefetch.aim, binary(e, FV_X_FLOORDIV, column, one),
                          binary(e, FV_X_FLOORDIV, at, all), binary(e, FV_X_FLOORMOD, column, one),
                          2);
}

/* Emits the prefetches of lines of the tile's share in step `row`. The g-th line that is prefetched
 * is line g / n of the g mod n-th of n places, where n is a power of two. If one tile prefetches
 * all lines, these are as many as a row has; otherwise at most half of them differ, and the rest
 * repeat the first one, which a cache answers at once. */
static void prefetch_lines(fv_tile *t, fv_expr *row) {
    fv_kemit *e = t->e;
    const fv_tile_shares *s = &t->prefetch.shared;
    const int line = line_elements(t);
    const int64_t lines = fv_div_up(row_elements(t), line);
    fv_expr *one = integer(e, 1),
            *last = binary(e, FV_X_SUB, binary(e, FV_X_SHL, one, s->shift), one),
            *at =
                binary(e, FV_X_ADD, t->prefetch.part, binary(e, FV_X_MUL, row, t->prefetch.stride));
    for (int64_t i = 0; i < lines; i++) {
        fv_expr *skip =
            2 * i < lines ? integer(e, i * line) : binary(e, FV_X_MUL, integer(e, i), s->apart);
        fv_expr *g = binary(e, FV_X_FLOORDIV, binary(e, FV_X_ADD, at, skip), integer(e, line));
        g = fv_kb_let(&e->b, "line", g);
        fv_expr *place = binary(e, FV_X_MUL, binary(e, FV_X_AND, g, last), s->lines);
        place = binary(e, FV_X_ADD, place, binary(e, FV_X_SHR, g, s->shift));
        place = binary(e, FV_X_MUL, place, integer(e, line));
        prefetch_at(t, binary(e, FV_X_ADD, s->from, place));
    }
}

/* The row of the next panel that is prefetched while this row of its panel is read: the panel is
 * divided into as many parts as there are streams, which are prefetched in turn. */
static fv_expr *row_of_stream(fv_tile *t, fv_expr *row) {
    fv_kemit *e = t->e;
    const int n = t->plan.prefetch.streams;
    const int64_t part = rows_of(&t->c->panels, steps_from(t->c, 0)) / n;
    fv_expr *stream = binary(e, FV_X_FLOORMOD, row, integer(e, n)),
            *at = binary(e, FV_X_FLOORDIV, row, integer(e, n));
    return binary(e, FV_X_ADD, binary(e, FV_X_MUL, stream, integer(e, part)), at);
}

/* Emits the prefetches for that row of the panel. */
static void prefetch_for(fv_tile *t, fv_expr *row, bool whole) {
    const bool shared = t->prefetch.part && t->prefetch.shared.rest;
    if (t->prefetch.ahead && !whole && t->prefetch.part && t->plan.prefetch.streams)
        prefetch_row(t, t->prefetch.next, row_of_stream(t, row), NULL, 2);
    else if (t->prefetch.ahead)
        prefetch_row(t, t->panel, row, t->prefetch.ahead, 1);
    if (shared)
        prefetch_lines(t, row);
    else if (whole && t->prefetch.part)
        prefetch_at(t, binary(t->e, FV_X_ADD, t->prefetch.part,
                              binary(t->e, FV_X_MUL, row, t->prefetch.stride)));
}

void fv_tile_emit_prefetch(fv_tile *t, bool whole) {
    prefetch_for(t, row_now(t), whole);
}

void fv_tile_prefetch_scales(fv_tile *t, bool whole) {
    fv_kemit *e = t->e;
    const fv_panel_words *w = &t->c->panels.words;
    if (!t->prefetch.ahead || !w->scale)
        return;
    fv_kmark m = fv_kemit_mark(e);
    fv_kemit_bind(e, w->number, integer(e, w->number->dim->value));
    prefetch_for(t, row_now(t), whole);
    fv_kemit_release(e, m);
}
