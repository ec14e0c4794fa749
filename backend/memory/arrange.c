/* arrange.c - puts launches into an order that needs less memory.
 *
 * The launches between two steps of another kind are a partial order: two launches keep their
 * order if both use a value and one of them writes it, or if both are collectives: all ranks must
 * exchange in the same order, and their parts differ in sizes. A beam search builds orders from
 * the first launch on, and keeps those of each length whose largest sum of live bytes so far is
 * least. A result that may be stored over an operand which is not used later takes no bytes;
 * whether the kernel permits that is proved later only (reuse.c), so the sum is an estimate. A new
 * order is taken only if the old one takes more, by the same estimate, than the most that any such
 * launches of the program will then take. */
#include "backend/memory/arrange.h"

#include <stdlib.h>
#include <string.h>

#include "backend/lowering/storage.h"
#include "backend/memory/placement.h"
#include "ir/graph/graph.h"
#include "ir/kernel/build.h"
#include "ir/kernel/reuse.h"

enum {
    /* number of partial orders that are kept. Of the models of docs/workspace.md, one takes 3 %
     * more bytes with half as many, and 1 % less with four times as many; the others take the
     * same */
    WIDTH = 48,
    /* number of launches above which the order is kept, because the search takes time in proportion
     * to the square of the number, and to the size of the sets of launches */
    MOST = 768,
    WORDS = MOST / 64
};

typedef struct value {
    const fv_storage *home;
    int64_t bytes;
    bool before, after; /* whether the value is alive before the first launch, after the last */
    uint64_t users[WORDS];
} value;

typedef struct span { /* a range of steps of the host program */
    int first, last;
} span;

typedef struct use {
    int value;
    bool writes;
} use;

/* A result that may take the memory of an operand, both as indices of values. */
typedef struct pair {
    int operand, result;
} pair;

typedef struct launch {
    int nuses, npairs;
    bool collective;
    use *uses;
    pair *pairs;
    uint64_t needs[WORDS]; /* the launches that must precede it */
    uint64_t hash;
} launch;

typedef struct order { /* the first n launches of an order */
    const struct order *from;
    int last, n; /* the last launch, and the number of launches */
    uint64_t done[WORDS], hash;
    int64_t live, peak;
} order;

typedef struct run {
    fv_lowerer *l;
    fv_arena *arena;
    /* the first step of the launches in the host program, and the number of launches */
    int first, n;
    launch *launches;
    value *values;
    int nvalues, cap_values;
    int64_t peak;      /* the bytes that the present order needs */
    const order *best; /* an order that needs fewer bytes; NULL: none was found */
} run;

/* ---- what launches use ---- */

static const fv_storage *home_of(fv_lowerer *l, const fv_value *v) {
    return fv_storage_home(fv_storage_root(fv_storage_of(l, v)));
}

/* Is the value in memory of the caller, or in that of the weights? */
static bool is_outside(fv_lowerer *l, const fv_storage *home) {
    const fv_op *ret = l->func->body->last;
    for (int i = 0; i < ret->nin; i++)
        if (home_of(l, ret->in[i]) == home)
            return true;
    return home->value->kind != FV_VALUE_RESULT;
}

static int value_of(run *r, const fv_value *v) {
    const fv_storage *home = home_of(r->l, v);
    for (int i = 0; i < r->nvalues; i++)
        if (r->values[i].home == home)
            return i;
    int64_t bytes = is_outside(r->l, home) ? 0 : fv_largest_bytes(home->value->type, 1);
    FV_PUSH(r->arena, r->values, r->nvalues, r->cap_values,
            ((value){.home = home, .bytes = bytes}));
    return r->nvalues - 1;
}

static bool has(const uint64_t *set, int i) {
    return set[i / 64] >> (i % 64) & 1;
}

static void insert(uint64_t *set, int i) {
    set[i / 64] |= UINT64_C(1) << (i % 64);
}

static bool is_within(const uint64_t *set, const uint64_t *other) {
    for (int i = 0; i < WORDS; i++)
        if (set[i] & ~other[i])
            return false;
    return true;
}

static bool meet(const uint64_t *set, const uint64_t *other) {
    for (int i = 0; i < WORDS; i++)
        if (set[i] & other[i])
            return true;
    return false;
}

static void read_launch(run *r, int i) {
    const fv_launch *n = &r->l->host.steps[r->first + i].launch;
    launch *x = &r->launches[i];
    x->collective = fv_kernel_collective(n->kernel) != NULL;
    x->uses = FV_NEW(r->arena, use, n->nargs + 1);
    x->pairs = FV_NEW(r->arena, pair, n->nargs * n->nargs + 1);
    x->hash = (uint64_t)(i + 1) * UINT64_C(0x9e3779b97f4a7c15);
    x->hash ^= x->hash >> 29;
    for (int k = 0; k < n->nargs; k++) {
        use u = {value_of(r, n->args[k]), n->kernel->bufs[k]->role != FV_BUF_IN};
        x->uses[x->nuses++] = u;
        insert(r->values[u.value].users, i);
    }
    for (int to = 0; to < n->nargs; to++)
        for (int from = 0; from < n->nargs; from++)
            if (x->uses[to].writes && n->kernel->bufs[from]->role == FV_BUF_IN &&
                fv_kernel_alike(n->kernel, from, to))
                x->pairs[x->npairs++] = (pair){x->uses[from].value, x->uses[to].value};
}

static bool writes(const launch *x, int v) {
    for (int i = 0; i < x->nuses; i++)
        if (x->uses[i].value == v && x->uses[i].writes)
            return true;
    return false;
}

/* Records which earlier launches must precede launch i. */
static void find_needs(run *r, int i) {
    launch *x = &r->launches[i];
    for (int k = 0; k < i; k++)
        if (x->collective && r->launches[k].collective)
            insert(x->needs, k);
    for (int u = 0; u < x->nuses; u++) {
        int v = x->uses[u].value;
        for (int k = 0; k < i; k++)
            if (has(r->values[v].users, k) && (x->uses[u].writes || writes(&r->launches[k], v)))
                insert(x->needs, k);
    }
}

/* Finds the values that are alive before and after the launches of r. */
static void find_ends(run *r, const fv_ptrmap *spans) {
    for (int v = 0; v < r->nvalues; v++) {
        const span *s = fv_ptrmap_get(spans, r->values[v].home);
        r->values[v].before = s->first < r->first;
        r->values[v].after = s->last >= r->first + r->n;
    }
}

/* The first and last step that uses each storage: storage -> span. */
static fv_ptrmap find_spans(fv_lowerer *l) {
    fv_ptrmap spans = fv_ptrmap_in(l->exprs);
    for (int i = 0, n; i < l->host.nsteps; i++) {
        fv_value *const *values = fv_step_values(&l->host.steps[i], &n);
        for (int k = 0; k < n; k++) {
            span **at = (span **)fv_ptrmap_at(&spans, home_of(l, values[k]));
            if (!*at) {
                *at = FV_NEW(l->exprs, span, 1);
                (*at)->first = i;
            }
            (*at)->last = i;
        }
    }
    return spans;
}

/* ---- orders ---- */

static bool begins(const run *r, const order *o, int v) {
    return !r->values[v].before && !meet(r->values[v].users, o->done);
}

/* Is v not used by launches other than those in `done`, nor after the launches of r? */
static bool ends(const run *r, const uint64_t *done, int v) {
    return !r->values[v].after && is_within(r->values[v].users, done);
}

/* Has a use of the launch x before use number u the same value? */
static bool is_again(const launch *x, int u) {
    for (int i = 0; i < u; i++)
        if (x->uses[i].value == x->uses[u].value)
            return true;
    return false;
}

/* The bytes of those results of the launch x that can be stored over its operands. x follows the
 * order o; `done` are the launches of o and x. */
static int64_t shared_bytes(const run *r, const order *o, const uint64_t *done, const launch *x) {
    int64_t bytes = 0;
    for (int i = 0; i < x->npairs; i++) {
        pair p = x->pairs[i];
        bool taken =
            !begins(r, o, p.result) || begins(r, o, p.operand) || !ends(r, done, p.operand);
        for (int k = 0; k < i && !taken; k++)
            taken = x->pairs[k].operand == p.operand || x->pairs[k].result == p.result;
        bytes += taken ? 0 : r->values[p.result].bytes;
    }
    return bytes;
}

/* The order o followed by launch i. */
static order extended(const run *r, const order *o, int i) {
    const launch *x = &r->launches[i];
    order next = *o;
    next.from = o;
    next.last = i;
    next.n = o->n + 1;
    next.hash ^= x->hash;
    insert(next.done, i);
    int64_t begun = 0, ended = 0;
    for (int u = 0; u < x->nuses; u++) {
        int v = x->uses[u].value;
        if (is_again(x, u))
            continue;
        begun += begins(r, o, v) ? r->values[v].bytes : 0;
        ended += ends(r, next.done, v) ? r->values[v].bytes : 0;
    }
    int64_t now = o->live + begun - shared_bytes(r, o, next.done, x);
    next.peak = now > o->peak ? now : o->peak;
    next.live = o->live + begun - ended;
    return next;
}

static order beginning(const run *r) {
    order o = {.last = -1};
    for (int v = 0; v < r->nvalues; v++)
        o.live += r->values[v].before ? r->values[v].bytes : 0;
    o.peak = o.live;
    return o;
}

static int better(const void *x, const void *y) {
    const order *a = x, *b = y;
    if (a->peak != b->peak)
        return a->peak < b->peak ? -1 : 1;
    if (a->live != b->live)
        return a->live < b->live ? -1 : 1;
    return a->last != b->last ? a->last - b->last : a->from < b->from ? -1 : a->from > b->from;
}

/* Keeps the best orders, at most WIDTH, one for each set of launches; returns their number. */
static int keep_best(order *all, int n) {
    int kept = 0;
    qsort(all, (size_t)n, sizeof *all, better);
    for (int i = 0; i < n && kept < WIDTH; i++) {
        bool again = false;
        for (int k = 0; k < kept && !again; k++)
            again = all[k].hash == all[i].hash;
        if (!again)
            all[kept++] = all[i];
    }
    return kept;
}

static const order *search(run *r) {
    order *beam = FV_NEW(r->arena, order, 1), *next = FV_NEW(r->arena, order, WIDTH * r->n);
    int nbeam = 1;
    beam[0] = beginning(r);
    for (int length = 0; length < r->n; length++) {
        int n = 0;
        for (int b = 0; b < nbeam; b++)
            for (int i = 0; i < r->n; i++)
                if (!has(beam[b].done, i) && is_within(r->launches[i].needs, beam[b].done))
                    next[n++] = extended(r, &beam[b], i);
        nbeam = keep_best(next, n);
        beam = FV_NEW(r->arena, order, nbeam);
        memcpy(beam, next, (size_t)nbeam * sizeof *beam);
    }
    return &beam[0];
}

static int64_t present_peak(run *r) {
    order *o = FV_NEW(r->arena, order, r->n + 1);
    o[0] = beginning(r);
    for (int i = 0; i < r->n; i++)
        o[i + 1] = extended(r, &o[i], i);
    return o[r->n].peak;
}

/* ---- the host program ---- */

static void apply(run *r, const order *o) {
    fv_step *steps = r->l->host.steps + r->first, *old = FV_NEW(r->arena, fv_step, r->n);
    memcpy(old, steps, (size_t)r->n * sizeof *old);
    for (; o->last >= 0; o = o->from)
        steps[o->n - 1] = old[o->last];
}

/* Searches for an order of the n launches from step `first` on that needs fewer bytes than the
 * present one. Sets r->best; NULL: none was found, or sizes have no bounds. */
static run *found_run(fv_lowerer *l, int first, int n, const fv_ptrmap *spans) {
    fv_arena *a = fv_arena_new(l->session);
    run *r = FV_NEW(l->exprs, run, 1);
    *r = (run){.l = l, .arena = a, .first = first, .n = n, .launches = FV_NEW(a, launch, n)};
    for (int i = 0; i < n; i++)
        read_launch(r, i);
    bool sized = true;
    for (int v = 0; v < r->nvalues; v++)
        sized &= r->values[v].bytes >= 0;
    for (int i = 0; i < n && sized; i++)
        find_needs(r, i);
    find_ends(r, spans);
    r->peak = present_peak(r);
    r->best = sized ? search(r) : NULL;
    if (r->best && r->best->peak < r->peak)
        return r;
    r->best = NULL;
    fv_arena_free(a);
    return r;
}

/* Does an output grow in the memory of an input? Its launches must keep their order, which the
 * caller's memory decides. */
static bool has_capacity(const fv_lowerer *l) {
    bool any = false;
    for (int i = 0; l->func->capacity && i < l->func->body->last->nin; i++)
        any |= l->func->capacity[i] != NULL;
    return any;
}

/* Gives the runs of launches their best orders, except those whose present order needs no more
 * bytes than the greatest of all runs will need. Returns whether a run has a new order. */
static bool arrange_greatest(run *const *runs, int n) {
    int64_t most = 0;
    bool any = false;
    for (int i = 0; i < n; i++) {
        int64_t peak = runs[i]->best ? runs[i]->best->peak : runs[i]->peak;
        most = peak > most ? peak : most;
    }
    for (int i = 0; i < n; i++)
        if (runs[i]->best && runs[i]->peak > most) {
            apply(runs[i], runs[i]->best);
            any = true;
        }
    return any;
}

bool fv_arrange_steps(fv_lowerer *l) {
    run **runs = FV_NEW(l->exprs, run *, l->host.nsteps + 1);
    const fv_ptrmap spans = find_spans(l);
    int nruns = 0;
    for (int i = 0, n; i < l->host.nsteps && !has_capacity(l); i += n + 1) {
        for (n = 0; i + n < l->host.nsteps && l->host.steps[i + n].kind == FV_STEP_LAUNCH;)
            n++;
        if (n > 0 && n <= MOST)
            runs[nruns++] = found_run(l, i, n, &spans);
    }
    bool any = arrange_greatest(runs, nruns);
    for (int i = 0; i < nruns; i++)
        if (runs[i]->best)
            fv_arena_free(runs[i]->arena);
    return any;
}
