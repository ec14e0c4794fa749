/* arrange.c - puts launches into an order that needs less memory.
 *
 * The launches between two steps of another kind are a partial order: two launches keep their
 * order if both use a value and one of them writes it, or if both are collectives: all ranks must
 * exchange in the same order, and their parts differ in sizes. A beam search builds orders from
 * the first launch on, and keeps those of each length whose largest sum of live bytes so far is
 * least. A result that may be stored over an operand which is not used later takes no bytes, and
 * neither does a value over which a result of the model is stored, since both then have the
 * caller's memory. A new order is taken only if the old one takes more, by the same sums, than the
 * most that any such launches of the program will then take.
 *
 * An output has room for one value at a time, and decides the order, since all other users of that
 * value must precede the launch that stores the output over it. Such values are picked first as in
 * the present order. Then other picks are tried, one at a time, until none gives a better order.
 *
 * An exact search (sequence.c) finds an order with the least sum of all for these picks, if that
 * does not take too long. Another one, with all values out of the workspace that can be picked in
 * some order, finds bytes that every order needs. */
#include "backend/memory/arrange.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "backend/lowering/sizes.h"
#include "backend/lowering/storage.h"
#include "backend/memory/placement.h"
#include "backend/memory/sequence.h"
#include "backend/memory/trial.h"
#include "ir/graph/graph.h"
#include "ir/kernel/build.h"
#include "ir/kernel/reuse.h"

enum {
    /* number of partial orders that are kept. Of the models of docs/workspace.md, one takes 3 %
     * more bytes with half as many, and 1 % less with four times as many; the others take the
     * same */
    WIDTH = 48,
    TRIES = 64,     /* number of choices of operands in outputs that are tried, for few launches */
    TRIED = 1 << 13 /* number of launches in all orders that are tried with other choices */
};

/* A pair of a launch by which its operand has the memory of a result of the model. */
typedef struct pick {
    int launch, pair;
} pick;

/* Such pairs, and the bytes of their operands, which the workspace does not have. */
typedef struct picks {
    int n;
    pick *all;
    int64_t bytes;
} picks;

typedef struct span { /* a range of steps of the host program */
    int first, last;
} span;

/* The launches of the steps from `first` on, and how they are put into another order. */
typedef struct run {
    fv_lowerer *l;
    fv_arena *arena;
    int first;
    int cap_values;
    fv_sequence_problem o;
    fv_sequence_problem read; /* o as the steps state it, without picks */
    picks chosen;
    bool fixed;              /* whether no dims decide the bytes of the values */
    int64_t peak;            /* the bytes that the present order needs */
    const fv_sequence *best; /* an order that needs fewer bytes; NULL: none was found */
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

static bool has_one_size(const fv_type *t) {
    for (int i = 0; i < t->rank; i++)
        if (t->dims[i]->lo != t->dims[i]->hi)
            return false;
    return true;
}

static int value_of(run *r, const fv_value *v) {
    const fv_storage *home = home_of(r->l, v);
    for (int i = 0; i < r->o.nvalues; i++)
        if (r->o.values[i].home == home)
            return i;
    bool outside = is_outside(r->l, home);
    r->fixed &= outside || has_one_size(home->value->type);
    int64_t bytes = outside ? 0 : fv_largest_bytes(home->value->type, 1);
    FV_PUSH(r->arena, r->o.values, r->o.nvalues, r->cap_values,
            ((fv_sequence_value){.home = home, .bytes = bytes, .outside = outside}));
    return r->o.nvalues - 1;
}

/* Records the results of the launch that can be stored over other parameters of its kernel. */
static void find_pairs(run *r, fv_sequence_launch *x, const fv_launch *n) {
    for (int to = 0; to < n->nargs; to++)
        for (int from = 0; from < n->nargs; from++)
            if (x->uses[to].writes && x->uses[from].value != x->uses[to].value &&
                fv_kernel_alike(n->kernel, from, to) && fv_trial_reuse(r->l, n->kernel, from, to))
                x->pairs[x->npairs++] = (fv_sequence_pair){x->uses[from].value, x->uses[to].value,
                                                           x->uses[from].writes};
}

static void read_launch(run *r, int i, bool reuses) {
    const fv_launch *n = &r->l->host.steps[r->first + i].launch;
    fv_sequence_launch *x = &r->o.launches[i];
    x->collective = fv_kernel_collective(n->kernel) != NULL;
    x->uses = FV_NEW(r->arena, fv_sequence_use, n->nargs + 1);
    x->pairs = FV_NEW(r->arena, fv_sequence_pair, n->nargs * n->nargs + 1);
    x->hash = (uint64_t)(i + 1) * UINT64_C(0x9e3779b97f4a7c15);
    x->hash ^= x->hash >> 29;
    for (int k = 0; k < n->nargs; k++) {
        fv_sequence_use u = {value_of(r, n->args[k]), n->kernel->bufs[k]->role != FV_BUF_IN};
        x->uses[x->nuses++] = u;
        fv_set_insert(r->o.values[u.value].users, i);
    }
    if (reuses)
        find_pairs(r, x, n);
}

static bool writes(const fv_sequence_launch *x, int v) {
    for (int i = 0; i < x->nuses; i++)
        if (x->uses[i].value == v && x->uses[i].writes)
            return true;
    return false;
}

/* Records which earlier launches must precede launch i, also by way of others. */
static void find_needs(run *r, int i) {
    fv_sequence_launch *x = &r->o.launches[i];
    for (int k = 0; k < i; k++)
        if (x->collective && r->o.launches[k].collective)
            fv_set_insert(x->needs, k);
    for (int u = 0; u < x->nuses; u++) {
        int v = x->uses[u].value;
        for (int k = 0; k < i; k++)
            if (fv_set_has(r->o.values[v].users, k) &&
                (x->uses[u].writes || writes(&r->o.launches[k], v)))
                fv_set_insert(x->needs, k);
    }
    for (int k = i - 1; k >= 0; k--)
        for (int w = 0; w < FV_SEQUENCE_WORDS && fv_set_has(x->needs, k); w++)
            x->needs[w] |= r->o.launches[k].needs[w];
}

/* Finds the values that are alive before and after the launches of r. */
static void find_ends(run *r, const fv_ptrmap *spans) {
    for (int v = 0; v < r->o.nvalues; v++) {
        const span *s = fv_ptrmap_get(spans, r->o.values[v].home);
        r->o.values[v].before = s->first < r->first;
        r->o.values[v].after = s->last >= r->first + r->o.n;
    }
}

/* Is launch i the only one that uses v after launch i - 1, and, if `first`, the first of all? */
static bool is_at_end(const run *r, int v, int i, bool first) {
    const fv_sequence_value *x = &r->o.values[v];
    for (int k = first ? 0 : i + 1; k < r->o.n; k++)
        if (first ? k < i && fv_set_has(x->users, k) : fv_set_has(x->users, k))
            return false;
    return first ? !x->before : !x->after;
}

/* Is there an order in which launch i is the last one that uses the operand of the pair, and the
 * first one that uses the result? */
static bool can_be_at_ends(const run *r, fv_sequence_pair q, int i) {
    if (q.own && !(is_at_end(r, q.operand, i, true) && is_at_end(r, q.operand, i, false)))
        return false;
    for (int k = 0; k < r->o.n; k++)
        if ((fv_set_has(r->o.values[q.operand].users, k) &&
             fv_set_has(r->o.launches[k].needs, i)) ||
            (fv_set_has(r->o.values[q.result].users, k) && fv_set_has(r->o.launches[i].needs, k)))
            return false;
    return !r->o.values[q.operand].after && !r->o.values[q.result].before;
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

static int better(const void *x, const void *y) {
    const fv_sequence *a = x, *b = y;
    if (a->peak != b->peak)
        return a->peak < b->peak ? -1 : 1;
    if (a->live != b->live)
        return a->live < b->live ? -1 : 1;
    return a->last != b->last ? a->last - b->last : a->from < b->from ? -1 : a->from > b->from;
}

/* Keeps the best orders, at most WIDTH, one for each set of launches; returns their number. */
static int keep_best(fv_sequence *all, int n) {
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

static const fv_sequence *search(run *r) {
    fv_sequence *beam = FV_NEW(r->arena, fv_sequence, 1),
                *next = FV_NEW(r->arena, fv_sequence, WIDTH * r->o.n);
    int nbeam = 1;
    beam[0] = fv_sequence_begin(&r->o);
    for (int length = 0; length < r->o.n; length++) {
        int n = 0;
        for (int b = 0; b < nbeam; b++)
            for (int i = 0; i < r->o.n; i++)
                if (fv_sequence_may_follow(&r->o, &beam[b], i))
                    next[n++] = fv_sequence_extend(&r->o, &beam[b], i);
        nbeam = keep_best(next, n);
        beam = FV_NEW(r->arena, fv_sequence, nbeam);
        memcpy(beam, next, (size_t)nbeam * sizeof *beam);
    }
    return &beam[0];
}

static int64_t present_peak(run *r) {
    fv_sequence *o = FV_NEW(r->arena, fv_sequence, r->o.n + 1);
    o[0] = fv_sequence_begin(&r->o);
    for (int i = 0; i < r->o.n; i++)
        o[i + 1] = fv_sequence_extend(&r->o, &o[i], i);
    return o[r->o.n].peak;
}

/* ---- which values have the memory of results of the model ---- */

static fv_sequence_pair pair_of(const run *r, pick c) {
    return r->o.launches[c.launch].pairs[c.pair];
}

static void keep_problem(run *r) {
    r->read = r->o;
    r->read.values = FV_NEW(r->arena, fv_sequence_value, r->o.nvalues + 1);
    r->read.launches = FV_NEW(r->arena, fv_sequence_launch, r->o.n + 1);
    memcpy(r->read.values, r->o.values, (size_t)r->o.nvalues * sizeof *r->o.values);
    memcpy(r->read.launches, r->o.launches, (size_t)r->o.n * sizeof *r->o.launches);
}

static void reset_problem(run *r) {
    memcpy(r->o.values, r->read.values, (size_t)r->o.nvalues * sizeof *r->o.values);
    memcpy(r->o.launches, r->read.launches, (size_t)r->o.n * sizeof *r->o.launches);
}

/* May the operand have the memory of the result in some order that r->o permits? The result has
 * the memory of a result of the model, in which no other value is stored so far. */
static bool can_pick(const run *r, pick c) {
    const fv_sequence_pair q = pair_of(r, c);
    const fv_sequence_value *from = &r->o.values[q.operand], *to = &r->o.values[q.result];
    return to->outside && !to->taken && !from->outside && !from->before &&
           can_be_at_ends(r, q, c.launch);
}

/* Lets launch k precede launch i, and so those that need launch i. Launch k must not need it. */
static void let_precede(run *r, int k, int i) {
    for (int j = 0; j < r->o.n; j++) {
        uint64_t *needs = r->o.launches[j].needs;
        if ((j != i && !fv_set_has(needs, i)) || fv_set_has(needs, k))
            continue;
        fv_set_insert(needs, k);
        for (int w = 0; w < FV_SEQUENCE_WORDS; w++)
            needs[w] |= r->o.launches[k].needs[w];
    }
}

/* Takes the operand out of the workspace, and permits only orders in which that is possible. */
static void add_pick(run *r, picks *to, pick c) {
    const fv_sequence_pair q = pair_of(r, c);
    fv_sequence_value *from = &r->o.values[q.operand];
    for (int k = 0; k < r->o.n; k++)
        if (k != c.launch && fv_set_has(from->users, k))
            let_precede(r, k, c.launch);
    r->o.values[q.result].taken = from->outside = true;
    to->bytes += from->bytes;
    from->bytes = 0;
    to->all[to->n++] = c;
}

static picks no_picks(run *r) {
    return (picks){.all = FV_NEW(r->arena, pick, r->o.nvalues + 1)};
}

/* The picks that planning the present order takes. */
static picks present_picks(run *r) {
    picks found = no_picks(r);
    for (int i = r->o.n - 1; i >= 0; i--)
        for (int k = 0; k < r->o.launches[i].npairs; k++) {
            const fv_sequence_pair q = r->o.launches[i].pairs[k];
            if (can_pick(r, (pick){i, k}) && is_at_end(r, q.operand, i, false) &&
                is_at_end(r, q.result, i, true))
                add_pick(r, &found, (pick){i, k});
        }
    return found;
}

/* Takes those of the n picks that are possible together, and as r->o permits; the earlier ones have
 * precedence. */
static picks possible_picks(run *r, const pick *all, int n) {
    picks found = no_picks(r);
    reset_problem(r);
    for (int was = -1; was != found.n;) {
        was = found.n;
        for (int i = 0; i < n; i++) /* one of a pick's own operand follows that pick */
            if (can_pick(r, all[i]))
                add_pick(r, &found, all[i]);
    }
    return found;
}

/* Takes each operand out of the workspace that can be picked in some order, although a result of
 * the model has room for one of them. Returns these picks, those of the largest operands first. */
static picks leave_all(run *r) {
    picks found = {0};
    int cap = 0;
    reset_problem(r);
    for (int i = r->o.n - 1; i >= 0; i--)
        for (int k = 0; k < r->o.launches[i].npairs; k++) {
            const fv_sequence_pair q = r->o.launches[i].pairs[k];
            fv_sequence_value *from = &r->o.values[q.operand];
            if (!r->o.values[q.result].outside || r->read.values[q.operand].outside ||
                from->before || !can_be_at_ends(r, q, i))
                continue;
            from->outside = true;
            from->bytes = 0;
            FV_PUSH(r->arena, found.all, found.n, cap, ((pick){i, k}));
            for (int at = found.n - 1; at > 0; at--) {
                pick *p = &found.all[at - 1], larger = found.all[at];
                if (r->read.values[pair_of(r, p[0]).operand].bytes >=
                    r->read.values[pair_of(r, larger).operand].bytes)
                    break;
                found.all[at] = p[0];
                p[0] = larger;
            }
        }
    return found;
}

static int larger_first(const void *x, const void *y) {
    const int64_t a = *(const int64_t *)x, b = *(const int64_t *)y;
    return (a < b) - (a > b);
}

/* Bytes that launch i needs in every order: its values less the largest that can be picked, one for
 * each result of the model. r->o is as leave_all leaves it. */
static int64_t bytes_at_launch(run *r, int i, int noutputs) {
    const fv_sequence_launch *x = &r->o.launches[i];
    int64_t *sizes = FV_NEW(r->arena, int64_t, x->nuses + 1);
    int64_t bytes = fv_sequence_bytes_at(&r->read, i);
    int n = 0;
    for (int u = 0; u < x->nuses; u++) {
        int v = x->uses[u].value;
        bool again = false;
        for (int k = 0; k < u; k++)
            again |= x->uses[k].value == v;
        if (!again && r->o.values[v].outside && !r->read.values[v].outside)
            sizes[n++] = r->read.values[v].bytes;
    }
    qsort(sizes, (size_t)n, sizeof *sizes, larger_first);
    for (int k = 0; k < n && k < noutputs; k++)
        bytes -= sizes[k];
    return bytes;
}

/* The largest bytes_at_launch; `all`: the picks that leave_all found. */
static int64_t most_at_launches(run *r, picks all) {
    int64_t most = 0;
    int noutputs = 0;
    bool *seen = FV_NEW(r->arena, bool, r->o.nvalues + 1);
    for (int i = 0; i < all.n; i++) {
        int v = pair_of(r, all.all[i]).result;
        noutputs += r->read.values[v].outside && !seen[v];
        seen[v] = true;
    }
    for (int i = 0; i < r->o.n; i++) {
        int64_t bytes = bytes_at_launch(r, i, noutputs);
        most = bytes > most ? bytes : most;
    }
    return most;
}

/* Searches for an order with other picks: those that are chosen without those that have a value in
 * common with c, and c if `adds`. Chooses them if the order needs less, or as much with more bytes
 * picked. */
static bool try_picks(run *r, pick c, bool adds) {
    const fv_sequence_pair q = pair_of(r, c);
    pick *all = FV_NEW(r->arena, pick, r->chosen.n + 1);
    int n = 0;
    if (adds)
        all[n++] = c;
    for (int i = 0; i < r->chosen.n; i++) {
        const fv_sequence_pair other = pair_of(r, r->chosen.all[i]);
        bool same = r->chosen.all[i].launch == c.launch && r->chosen.all[i].pair == c.pair;
        if (same && adds)
            return false;
        if (!same && other.result != q.result && other.operand != q.operand)
            all[n++] = r->chosen.all[i];
    }
    picks found = possible_picks(r, all, n);
    const fv_sequence *o = search(r);
    if (o->peak > r->best->peak || (o->peak == r->best->peak && found.bytes <= r->chosen.bytes))
        return false;
    r->chosen = found;
    r->best = o;
    return true;
}

/* Tries other picks, of `all`, until none is better, or as long as r->best needs more than `least`
 * bytes. */
static void choose_picks(run *r, picks all, int64_t least) {
    int tries = TRIED / r->o.n < TRIES ? TRIED / r->o.n : TRIES;
    for (bool any = true; any;) {
        any = false;
        for (int i = 0; i < all.n && !any && r->best->peak > least && tries-- > 0; i++)
            any = try_picks(r, all.all[i], true);
        for (int i = 0; i < r->chosen.n && !any && r->best->peak > least && tries-- > 0; i++)
            any = try_picks(r, r->chosen.all[i], false);
    }
}

/* ---- the host program ---- */

static void apply(run *r, const fv_sequence *o) {
    fv_step *steps = r->l->host.steps + r->first, *old = FV_NEW(r->arena, fv_step, r->o.n);
    memcpy(old, steps, (size_t)r->o.n * sizeof *old);
    for (; o->last >= 0; o = o->from)
        steps[o->n - 1] = old[o->last];
}

/* Searches for an order that needs fewer bytes than the present one: sets r->best. Returns bytes
 * that every order needs. */
static int64_t find_best(run *r) {
    const fv_sequence *exact;
    keep_problem(r);
    r->chosen = present_picks(r);
    r->peak = present_peak(r);
    r->best = search(r);
    int64_t most = r->best->peak < r->peak ? r->best->peak : r->peak;
    const picks all = leave_all(r);
    int64_t least = fv_sequence_least(&r->o, r->arena, most, &exact);
    if (all.n == 0) {
        r->best = exact ? exact : r->best;
        return least;
    }
    int64_t bytes = most_at_launches(r, all);
    least = bytes > least ? bytes : least;
    choose_picks(r, all, least);
    most = r->best->peak < r->peak ? r->best->peak : r->peak;
    possible_picks(r, r->chosen.all, r->chosen.n);
    if (most > least) {
        (void)fv_sequence_least(&r->o, r->arena, most, &exact);
        r->best = exact ? exact : r->best;
    }
    return least;
}

/* Searches for an order of the n launches from step `first` on that needs fewer bytes than the
 * present one. Sets r->best; NULL: none was found, or sizes have no bounds. *least: bytes that
 * every order needs, -1 if sizes have no bounds. */
static run *found_run(fv_lowerer *l, int first, int n, const fv_ptrmap *spans, bool reuses,
                      int64_t *least) {
    fv_arena *a = fv_arena_new(l->session);
    run *r = FV_NEW(l->exprs, run, 1);
    *r = (run){.l = l, .arena = a, .first = first, .fixed = true};
    r->o = (fv_sequence_problem){.n = n, .launches = FV_NEW(a, fv_sequence_launch, n)};
    *least = -1;
    for (int i = 0; i < n; i++)
        read_launch(r, i, reuses);
    bool sized = true;
    for (int v = 0; v < r->o.nvalues; v++)
        sized &= r->o.values[v].bytes >= 0;
    for (int i = 0; i < n && sized; i++)
        find_needs(r, i);
    find_ends(r, spans);
    if (sized)
        *least = find_best(r);
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

/* Are all steps that use values outside of loops and branches these n launches? */
static bool is_whole(const fv_lowerer *l, int first, int n) {
    for (int i = 0, k; i < l->host.nsteps; i++) {
        (void)fv_step_values(&l->host.steps[i], &k);
        if ((i < first || i >= first + n) &&
            (k || l->host.steps[i].kind == FV_STEP_LOOP || l->host.steps[i].kind == FV_STEP_END))
            return false;
    }
    return true;
}

/* Reads the launches and searches for their best orders. *n: number of runs. */
static run **found_runs(fv_lowerer *l, bool reuses, fv_program_memory *m, int *n) {
    static_assert(FV_SEQUENCE_MOST == 768, "a reason below states it");
    run **runs = FV_NEW(l->exprs, run *, l->host.nsteps + 1);
    const fv_ptrmap spans = find_spans(l);
    *n = 0;
    for (int i = 0, many; i < l->host.nsteps; i += many + 1) {
        int64_t needed;
        for (many = 0; i + many < l->host.nsteps && l->host.steps[i + many].kind == FV_STEP_LAUNCH;)
            many++;
        if (many > FV_SEQUENCE_MOST)
            m->order_kept = "more than 768 launches follow one another";
        if (many == 0 || many > FV_SEQUENCE_MOST)
            continue;
        run *r = runs[(*n)++] = found_run(l, i, many, &spans, reuses, &needed);
        if (needed < 0 && many > 1)
            m->order_kept = "the sizes of values have no bounds";
        if (r->fixed && is_whole(l, i, many))
            m->least_alive = needed;
    }
    return runs;
}

bool fv_arrange_steps(fv_lowerer *l, bool reuses, fv_program_memory *m) {
    int nruns = 0;
    if (has_capacity(l)) {
        m->order_kept = "an output grows in the memory of an input";
        return false;
    }
    run **runs = found_runs(l, reuses, m, &nruns);
    bool any = arrange_greatest(runs, nruns);
    for (int i = 0; i < nruns; i++)
        if (runs[i]->best)
            fv_arena_free(runs[i]->arena);
    return any;
}
