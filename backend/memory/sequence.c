/* sequence.c - orders of launches: the bytes alive at once, and an exact search for the order
 * that needs the fewest.
 *
 * The bytes that are alive after some launches depend on their set only, not on their order. So the
 * search has one state for each set, with the least peak by which it can be reached, and always
 * continues with the state whose peak is least: when it reaches the set of all launches, that peak
 * is the least of all. When its work is used up, no order has a peak below that of the next state.
 *
 * A launch that neither needs more than the peak so far nor leaves more bytes alive than there were
 * is the only continuation that is tried. Nothing is lost by that: if such a launch is moved to the
 * front of any order, the sets that follow contain one launch more. In each of them it has ended at
 * least the values that it would end now, and begun no others, so no more bytes are alive. */
#include "backend/memory/sequence.h"

#include <string.h>

enum {
    /* units of work, each of which is one launch that is looked at as a continuation: about half a
     * second */
    WORK = 1 << 22,
    STATES = 1 << 15 /* number of states that are kept, of some 200 bytes each */
};

static bool is_within(const uint64_t *set, const uint64_t *other) {
    for (int i = 0; i < FV_SEQUENCE_WORDS; i++)
        if (set[i] & ~other[i])
            return false;
    return true;
}

static bool meet(const uint64_t *set, const uint64_t *other) {
    for (int i = 0; i < FV_SEQUENCE_WORDS; i++)
        if (set[i] & other[i])
            return true;
    return false;
}

static bool begins(const fv_sequence_problem *p, const fv_sequence *o, int v) {
    return !p->values[v].before && !meet(p->values[v].users, o->done);
}

/* Is v not used by launches other than those in `done`, nor after all launches? */
static bool ends(const fv_sequence_problem *p, const uint64_t *done, int v) {
    return !p->values[v].after && is_within(p->values[v].users, done);
}

/* Has a use of the launch x before use number u the same value? */
static bool is_again(const fv_sequence_launch *x, int u) {
    for (int i = 0; i < u; i++)
        if (x->uses[i].value == x->uses[u].value)
            return true;
    return false;
}

/* Does the result of the pair begin, and its operand end, with the launch after o? o NULL: in some
 * order they may. */
static bool can_share(const fv_sequence_problem *p, const fv_sequence *o, const uint64_t *done,
                      fv_sequence_pair q) {
    if (!o)
        return true;
    return begins(p, o, q.result) && begins(p, o, q.operand) == q.own && ends(p, done, q.operand);
}

/* At least the bytes of those results of the launch x that can be stored over its operands: those
 * that have such an operand, but not more bytes than these operands have. x follows the order o;
 * `done` are the launches of o and x. */
static int64_t shared_bytes(const fv_sequence_problem *p, const fv_sequence *o,
                            const uint64_t *done, const fv_sequence_launch *x) {
    int64_t results = 0, operands = 0;
    for (int i = 0; i < x->npairs; i++) {
        fv_sequence_pair q = x->pairs[i];
        bool again[2] = {false, false};
        if (!can_share(p, o, done, q))
            continue;
        for (int k = 0; k < i; k++)
            if (can_share(p, o, done, x->pairs[k])) {
                again[0] |= x->pairs[k].result == q.result;
                again[1] |= x->pairs[k].operand == q.operand;
            }
        results += again[0] ? 0 : p->values[q.result].bytes;
        operands += again[1] ? 0 : p->values[q.operand].bytes;
    }
    return results < operands ? results : operands;
}

bool fv_sequence_may_follow(const fv_sequence_problem *p, const fv_sequence *o, int i) {
    return !fv_set_has(o->done, i) && is_within(p->launches[i].needs, o->done);
}

fv_sequence fv_sequence_extend(const fv_sequence_problem *p, const fv_sequence *o, int i) {
    const fv_sequence_launch *x = &p->launches[i];
    fv_sequence next = *o;
    next.from = o;
    next.last = i;
    next.n = o->n + 1;
    next.hash ^= x->hash;
    fv_set_insert(next.done, i);
    int64_t begun = 0, ended = 0;
    for (int u = 0; u < x->nuses; u++) {
        int v = x->uses[u].value;
        if (is_again(x, u))
            continue;
        begun += begins(p, o, v) ? p->values[v].bytes : 0;
        ended += ends(p, next.done, v) ? p->values[v].bytes : 0;
    }
    int64_t now = o->live + begun - shared_bytes(p, o, next.done, x);
    next.peak = now > o->peak ? now : o->peak;
    next.live = o->live + begun - ended;
    return next;
}

fv_sequence fv_sequence_begin(const fv_sequence_problem *p) {
    fv_sequence o = {.last = -1};
    for (int v = 0; v < p->nvalues; v++)
        o.live += p->values[v].before ? p->values[v].bytes : 0;
    o.peak = o.live;
    return o;
}

/* ---- the exact search ---- */

typedef struct search {
    const fv_sequence_problem *p;
    /* the states that are to be continued; state i precedes states 2i + 1 and 2i + 2 */
    fv_sequence **heap;
    int n;
    fv_sequence **seen; /* the states by the hash of their sets, 2 * STATES places */
    int nseen;
    int64_t most;
    fv_sequence *next; /* the states that follow the one that is continued */
} search;

/* Is state a continued before b? The one with more launches is, if their peaks are equal, so that
 * the search goes deep. */
static bool precedes(const fv_sequence *a, const fv_sequence *b) {
    if (a->peak != b->peak)
        return a->peak < b->peak;
    return a->n != b->n ? a->n > b->n : a->live < b->live;
}

static void swap(search *s, int i, int k) {
    fv_sequence *o = s->heap[i];
    s->heap[i] = s->heap[k];
    s->heap[k] = o;
}

static void put(search *s, fv_sequence *o) {
    int i = s->n++;
    s->heap[i] = o;
    for (; i > 0 && precedes(s->heap[i], s->heap[(i - 1) / 2]); i = (i - 1) / 2)
        swap(s, i, (i - 1) / 2);
}

static fv_sequence *take(search *s) {
    fv_sequence *first = s->heap[0];
    s->heap[0] = s->heap[--s->n];
    for (int i = 0, k; (k = 2 * i + 1) < s->n; i = k) {
        k += k + 1 < s->n && precedes(s->heap[k + 1], s->heap[k]);
        if (!precedes(s->heap[k], s->heap[i]))
            break;
        swap(s, i, k);
    }
    return first;
}

/* Adds a state, unless its set has been reached with as small a peak, or the peak is no gain. */
static void offer(search *s, fv_arena *a, const fv_sequence *o) {
    size_t mask = 2 * STATES - 1, at = (size_t)(o->hash ^ o->hash >> 32) & mask;
    if (o->peak >= s->most || s->nseen == STATES)
        return;
    for (; s->seen[at]; at = (at + 1) & mask)
        if (!memcmp(s->seen[at]->done, o->done, sizeof o->done) && s->seen[at]->peak <= o->peak)
            return;
    fv_sequence *copy = FV_NEW(a, fv_sequence, 1);
    *copy = *o;
    s->seen[at] = copy;
    s->nseen++;
    put(s, copy);
}

/* Adds the states that follow o: one, if a launch can follow at no cost. */
static void expand(search *s, fv_arena *a, const fv_sequence *o) {
    fv_sequence *next = s->next;
    int n = 0;
    for (int i = 0; i < s->p->n; i++) {
        if (!fv_sequence_may_follow(s->p, o, i))
            continue;
        next[n] = fv_sequence_extend(s->p, o, i);
        if (next[n].peak <= o->peak && next[n].live <= o->live) {
            offer(s, a, &next[n]);
            return;
        }
        n++;
    }
    for (int i = 0; i < n; i++)
        offer(s, a, &next[i]);
}

int64_t fv_sequence_bytes_at(const fv_sequence_problem *p, int i) {
    const fv_sequence_launch *x = &p->launches[i];
    int64_t bytes = -shared_bytes(p, NULL, NULL, x);
    for (int u = 0; u < x->nuses; u++)
        bytes += is_again(x, u) ? 0 : p->values[x->uses[u].value].bytes;
    return bytes;
}

int64_t fv_sequence_least(const fv_sequence_problem *p, fv_arena *a, int64_t most,
                          const fv_sequence **best) {
    search s = {.p = p,
                .heap = FV_NEW(a, fv_sequence *, STATES + 1),
                .seen = FV_NEW(a, fv_sequence *, 2 * STATES),
                .next = FV_NEW(a, fv_sequence, p->n + 1),
                .most = most};
    fv_sequence begin = fv_sequence_begin(p);
    int64_t work = WORK;
    *best = NULL;
    for (int i = 0; i < p->n; i++) {
        int64_t own = fv_sequence_bytes_at(p, i);
        begin.peak = own > begin.peak ? own : begin.peak;
    }
    if (begin.peak >= most)
        return most;
    offer(&s, a, &begin);
    while (s.n) {
        const fv_sequence *o = take(&s);
        work -= p->n;
        if (o->n == p->n)
            *best = o;
        if (o->n == p->n || work <= 0)
            return o->peak;
        expand(&s, a, o);
        if (s.nseen == STATES) /* some of the states that follow may be missing */
            return o->peak;
    }
    return most;
}
