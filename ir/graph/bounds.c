/* bounds.c - bounds of symbols from equalities between dims.
 *
 * An equality excludes a range of a symbol where interval arithmetic shows that its sides never
 * meet. What is excluded at either end is found by bisection and cut off, until nothing changes:
 * shaving, as constraint solvers call it (Martin and Shmoys, A new approach to computing optimal
 * schedules for the job-shop scheduling problem, 1996). It needs no case for any shape of an
 * equality. */
#include "ir/graph/bounds.h"

#include <string.h>

#include "ir/base/ptrmap.h"
#include "ir/dim/poly.h"

enum {
    /* largest number of rounds over all equalities; a round may exclude very few values, as for n
     * mod 7 == 0 */
    MOST_ROUNDS = 64,
    MOST_TRIES = 256, /* number of values that fv_bounds_choose tries for one symbol */
    LONGEST = 512     /* largest number of nodes of an equality; a longer one is ignored */
};

typedef struct cell { /* the range that is left for a symbol */
    const fv_dim *symbol;
    int64_t lo, hi;
    int64_t changed; /* time of the last change of the range */
} cell;

typedef struct equality {
    const fv_dim *a, *b;
    /* the relation from which the equality comes; NULL: it does not come from the module */
    const struct fv_relation *relation;
    int64_t seen; /* time at which the equality was last evaluated */
    int n;
    cell **of;
} equality;

struct fv_bounds {
    fv_arena *arena;
    fv_ptrmap cells;
    int n;
    cell *cell, *before; /* the ranges of all symbols, and a copy to undo a trial */
    equality *equalities;
    int nequalities, cap;
    int64_t time;
};

/* ---- symbols and equalities ---- */

static cell *cell_of(const fv_bounds *b, const fv_dim *symbol) {
    return fv_ptrmap_get(&b->cells, symbol);
}

/* Adds the symbols of d to the list of symbols of e, each once. */
static void collect(fv_bounds *b, const fv_dim *d, equality *e, int *cap) {
    for (int i = 0; i < d->n; i++)
        collect(b, d->arg[i], e, cap);
    if (d->kind != FV_DIM_SYMBOL)
        return;
    cell *c = cell_of(b, d);
    for (int i = 0; i < e->n; i++)
        if (e->of[i] == c)
            return;
    FV_PUSH(b->arena, e->of, e->n, *cap, c);
}

static void add(fv_bounds *b, const fv_dim *x, const fv_dim *y, const struct fv_relation *r) {
    equality e = {.a = x, .b = y, .relation = r, .seen = -1};
    int cap = 0;
    if (x->size + y->size > LONGEST)
        return;
    collect(b, x, &e, &cap);
    collect(b, y, &e, &cap);
    FV_PUSH(b->arena, b->equalities, b->nequalities, b->cap, e);
}

void fv_bounds_assume(fv_bounds *b, const fv_dim *x, const fv_dim *y) {
    add(b, x, y, NULL);
}

fv_bounds *fv_bounds_new(fv_arena *a, const fv_module *m) {
    fv_bounds *b = FV_NEW(a, fv_bounds, 1);
    const fv_dim *const *symbols;
    *b = (fv_bounds){.arena = a, .cells = fv_ptrmap_in(a), .n = fv_dim_symbols(m->dims, &symbols)};
    b->cell = FV_NEW(a, cell, b->n + 1);
    b->before = FV_NEW(a, cell, b->n + 1);
    for (int i = 0; i < b->n; i++) {
        b->cell[i] = (cell){symbols[i], symbols[i]->lo, symbols[i]->hi, 0};
        *fv_ptrmap_at(&b->cells, symbols[i]) = &b->cell[i];
    }
    for (int i = 0; i < m->nrelations; i++)
        add(b, m->relations[i].a, m->relations[i].b, &m->relations[i]);
    return b;
}

void fv_bounds_get(const fv_bounds *b, const fv_dim *symbol, int64_t *lo, int64_t *hi) {
    const cell *c = cell_of(b, symbol);
    *lo = c->lo;
    *hi = c->hi;
}

/* ---- narrowing ---- */

static fv_range range_of(const fv_bounds *b, const fv_dim *d) {
    if (d->kind == FV_DIM_CONST)
        return (fv_range){d->value, d->value};
    if (d->kind == FV_DIM_SYMBOL)
        return (fv_range){cell_of(b, d)->lo, cell_of(b, d)->hi};
    fv_range r = range_of(b, d->arg[0]);
    for (int i = 1; i < d->n; i++)
        r = fv_range_of(d->kind, r, range_of(b, d->arg[i]));
    return r;
}

static bool can_hold(const fv_bounds *b, const equality *e) {
    fv_range x = range_of(b, e->a), y = range_of(b, e->b);
    return x.lo <= y.hi && y.lo <= x.hi;
}

/* Is it proved that the equality holds for no value of the symbol in lo..hi? */
static bool is_excluded(const fv_bounds *b, const equality *e, cell *c, int64_t lo, int64_t hi) {
    const cell whole = *c;
    c->lo = lo;
    c->hi = hi;
    bool excluded = !can_hold(b, e);
    *c = whole;
    return excluded;
}

/* Sets *middle to the value halfway between x and y; false: there is none strictly between them. */
static bool between(int64_t x, int64_t y, int64_t *middle) {
    int64_t lo = x < y ? x : y, hi = x < y ? y : x;
    uint64_t apart = (uint64_t)hi - (uint64_t)lo;
    *middle = (int64_t)((uint64_t)lo + apart / 2);
    return apart > 1;
}

/* The greatest value of the symbol that the equality does not exclude. If a range is excluded so is
 * each range within it, so bisection finds how much of the upper end is excluded. */
static int64_t shaved_top(const fv_bounds *b, const equality *e, cell *c) {
    int64_t left = c->lo, gone = c->hi, middle;
    if (!is_excluded(b, e, c, c->hi, c->hi))
        return c->hi;
    while (between(left, gone, &middle))
        *(is_excluded(b, e, c, middle, c->hi) ? &gone : &left) = middle;
    return left;
}

static int64_t shaved_bottom(const fv_bounds *b, const equality *e, cell *c) {
    int64_t left = c->hi, gone = c->lo, middle;
    if (!is_excluded(b, e, c, c->lo, c->lo))
        return c->lo;
    while (between(left, gone, &middle))
        *(is_excluded(b, e, c, c->lo, middle) ? &gone : &left) = middle;
    return left;
}

static void shave(fv_bounds *b, const equality *e, cell *c) {
    const int64_t lo = c->lo, hi = c->hi;
    c->hi = shaved_top(b, e, c);
    c->lo = c->lo < c->hi ? shaved_bottom(b, e, c) : c->lo;
    if (c->lo != lo || c->hi != hi)
        c->changed = ++b->time;
}

static bool is_news(const equality *e) {
    for (int i = 0; i < e->n; i++)
        if (e->of[i]->changed > e->seen)
            return true;
    return e->seen < 0;
}

static bool narrow_by(fv_bounds *b, equality *e) {
    e->seen = b->time;
    if (!can_hold(b, e))
        return false;
    for (int i = 0; i < e->n; i++)
        if (e->of[i]->lo < e->of[i]->hi)
            shave(b, e, e->of[i]);
    return true;
}

/* Narrows the ranges of symbols by all equalities until nothing changes, but at most MOST_ROUNDS
 * times. Returns an equality that cannot hold, or NULL. */
static equality *narrow(fv_bounds *b) {
    for (int round = 0; round < MOST_ROUNDS; round++) {
        bool news = false;
        for (int i = 0; i < b->nequalities; i++) {
            if (!is_news(&b->equalities[i]))
                continue;
            news = true;
            if (!narrow_by(b, &b->equalities[i]))
                return &b->equalities[i];
        }
        if (!news)
            break;
    }
    return NULL;
}

const struct fv_relation *fv_bounds_narrow(fv_bounds *b) {
    const equality *e = narrow(b);
    return e ? e->relation : NULL;
}

/* ---- choosing ---- */

static void keep(fv_bounds *b, cell *copy) {
    memcpy(copy, b->cell, (size_t)b->n * sizeof *copy);
}

/* Restores the ranges of all symbols from a copy. All count as changed now, since equalities may
 * have been evaluated with other ranges. */
static void restore(fv_bounds *b, const cell *copy) {
    memcpy(b->cell, copy, (size_t)b->n * sizeof *copy);
    b->time++;
    for (int i = 0; i < b->n; i++)
        b->cell[i].changed = b->time;
}

static bool cut(fv_bounds *b, cell *c, int64_t lo, int64_t hi) {
    c->lo = lo > c->lo ? lo : c->lo;
    c->hi = hi < c->hi ? hi : c->hi;
    c->changed = ++b->time;
    return c->lo <= c->hi && !narrow(b);
}

bool fv_bounds_within(fv_bounds *b, const fv_dim *symbol, int64_t lo, int64_t hi) {
    cell *c = cell_of(b, symbol);
    keep(b, b->before);
    if (cut(b, c, lo, hi))
        return true;
    restore(b, b->before);
    return false;
}

/* Finds the highest (or lowest) value of the symbol in lo..hi that no equality excludes; false:
 * there is none. */
static bool find_end(fv_bounds *b, cell *c, int64_t lo, int64_t hi, bool highest, int64_t *out) {
    if (lo > hi)
        return false;
    keep(b, b->before);
    bool found = cut(b, c, lo, hi);
    *out = highest ? c->hi : c->lo;
    restore(b, b->before);
    return found;
}

bool fv_bounds_choose(fv_bounds *b, const fv_dim *symbol, int64_t wish, int64_t *out) {
    cell *c = cell_of(b, symbol);
    int64_t at = wish < c->lo ? c->lo : wish > c->hi ? c->hi : wish, below = at, above = at;
    for (int i = 0; i < MOST_TRIES; i++) {
        if (fv_bounds_within(b, symbol, at, at)) {
            *out = at;
            return true;
        }
        int64_t low = at, high = at;
        below -= below == at;
        above += above == at;
        bool lower = find_end(b, c, c->lo, below, true, &low),
             upper = find_end(b, c, above, c->hi, false, &high);
        if (!lower && !upper)
            return false;
        bool up = upper && (!lower || high - wish <= wish - low);
        at = up ? high : low;
        *(up ? &above : &below) = at;
    }
    return false;
}

/* ---- the bounds of a module ---- */

bool fv_module_bound(fv_module *m) {
    fv_arena *a = fv_arena_new(m->session);
    fv_bounds *b = fv_bounds_new(a, m);
    const struct fv_relation *never = fv_bounds_narrow(b);
    if (never)
        fv_error(m->session, "its dims have no values for which this holds: %s",
                 fv_relation_str(a, never));
    for (int i = 0; i < b->n && !never; i++)
        if (!b->cell[i].symbol->from_data)
            fv_dim_set_range(b->cell[i].symbol, b->cell[i].lo, b->cell[i].hi);
    fv_arena_free(a);
    return !never;
}
