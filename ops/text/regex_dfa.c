/* regex_dfa.c - makes the deterministic automaton. A state of it is a set of nodes of the automaton
 * with empty transitions, and the kind of the previous byte: places such as the edge of a word
 * depend on the bytes on both sides, so empty transitions are followed when the next byte is
 * known. */
#include "ops/text/regex.h"

#include <stdlib.h>
#include <string.h>

typedef enum { NO_BYTE, LINE_END, WORD, OTHER } byte_kind;

typedef struct state {
    int n;
    const int *nodes; /* ascending */
    byte_kind before;
} state;

typedef struct maker {
    fv_arena *arena;
    const fv_nfa *nfa;
    bool looks; /* whether the pattern contains a place */
    fv_dfa *dfa;
    uint8_t byte_of[257]; /* one byte of each class */
    state states[FV_MAX_DFA];
    int buckets[2 * FV_MAX_DFA]; /* state + 1; 0: free */
    /* for nodes: a stack, and the number of the step in which each was visited last */
    int *stack, *mark, turn;
    int *found, nfound; /* the BYTES nodes that the last walk reached */
    bool matches;       /* and whether it reached a match */
    long work;
} maker;

static byte_kind kind_of(int byte) {
    bool word = (byte >= '0' && byte <= '9') || (byte >= 'a' && byte <= 'z') ||
                (byte >= 'A' && byte <= 'Z') || byte == '_';
    return byte == '\n' ? LINE_END : word ? WORD : OTHER;
}

/* ---- classes of bytes ---- */

static void find_classes(maker *m) {
    bool begins[257] = {[0] = true};
    for (int i = 0; i < m->nfa->n; i++)
        if (m->nfa->nodes[i].kind == FV_NFA_BYTES)
            begins[m->nfa->nodes[i].lo] = begins[m->nfa->nodes[i].hi + 1] = true;
    for (int b = 1; b < 256 && m->looks; b++)
        begins[b] |= kind_of(b) != kind_of(b - 1);
    for (int b = 0; b < 256; b++) {
        if (begins[b])
            m->byte_of[m->dfa->nclasses++] = (uint8_t)b;
        m->dfa->class_of[b] = (uint8_t)(m->dfa->nclasses - 1);
    }
}

/* ---- walks ---- */

static bool holds(fv_regex_place place, byte_kind before, byte_kind after) {
    switch (place) {
    case FV_AT_BEGIN: return before == NO_BYTE;
    case FV_AT_END: return after == NO_BYTE;
    case FV_AT_LINE_BEGIN: return before == NO_BYTE || before == LINE_END;
    case FV_AT_LINE_END: return after == NO_BYTE || after == LINE_END;
    case FV_AT_WORD_EDGE: return (before == WORD) != (after == WORD);
    case FV_NOT_AT_WORD_EDGE: return (before == WORD) == (after == WORD);
    }
    return false;
}

static void push(maker *m, int *depth, int node) {
    if (m->mark[node] == m->turn)
        return;
    m->mark[node] = m->turn;
    m->stack[(*depth)++] = node;
}

/* Finds all nodes that empty transitions from a state lead to, given the next byte. */
static void walk(maker *m, const state *s, byte_kind after) {
    int depth = 0;
    m->turn++;
    m->nfound = 0;
    m->matches = false;
    for (int i = 0; i < s->n; i++)
        push(m, &depth, s->nodes[i]);
    while (depth) {
        int at = m->stack[--depth];
        const fv_nfa_node *node = &m->nfa->nodes[at];
        m->work++;
        switch (node->kind) {
        case FV_NFA_BYTES: m->found[m->nfound++] = at; break;
        case FV_NFA_MATCH: m->matches = true; break;
        case FV_NFA_FAIL: break;
        case FV_NFA_EITHER:
            push(m, &depth, node->other);
            push(m, &depth, node->next);
            break;
        case FV_NFA_PLACE:
            if (holds(node->place, s->before, after))
                push(m, &depth, node->next);
            break;
        }
    }
}

/* ---- states ---- */

static int ascending(const void *a, const void *b) {
    return *(const int *)a - *(const int *)b;
}

static bool same(const state *x, const state *y) {
    return x->n == y->n && x->before == y->before &&
           !memcmp(x->nodes, y->nodes, (size_t)x->n * sizeof(int));
}

/* The state with these nodes; -1: there are too many states. */
static int state_of(maker *m, int n, int *nodes, byte_kind before) {
    qsort(nodes, (size_t)n, sizeof *nodes, ascending);
    state s = {n, nodes, m->looks ? before : OTHER};
    uint32_t hash = (uint32_t)s.before + 2166136261u;
    for (int i = 0; i < n; i++)
        hash = (hash ^ (uint32_t)nodes[i]) * 16777619u;
    uint32_t at = hash % (2 * FV_MAX_DFA);
    for (; m->buckets[at]; at = (at + 1) % (2 * FV_MAX_DFA))
        if (same(&m->states[m->buckets[at] - 1], &s))
            return m->buckets[at] - 1;
    if (m->dfa->nstates == FV_MAX_DFA)
        return -1;
    int *own = FV_NEW(m->arena, int, n + 1);
    memcpy(own, nodes, (size_t)n * sizeof *own);
    s.nodes = own;
    m->states[m->dfa->nstates] = s;
    m->buckets[at] = ++m->dfa->nstates;
    return m->dfa->nstates - 1;
}

/* The next state for byte b, from the nodes that the last walk found. */
static int step(maker *m, int b) {
    int n = 0, *to = m->stack;
    m->turn++;
    for (int i = 0; i < m->nfound; i++) {
        const fv_nfa_node *node = &m->nfa->nodes[m->found[i]];
        m->work++;
        if (b < node->lo || b > node->hi || m->mark[node->next] == m->turn)
            continue;
        m->mark[node->next] = m->turn;
        to[n++] = node->next;
    }
    return state_of(m, n, to, kind_of(b));
}

static bool make_state(maker *m, int i) {
    fv_dfa *d = m->dfa;
    const state s = m->states[i];
    walk(m, &s, NO_BYTE);
    d->accepts[i] = m->matches;
    for (int c = 0; c < d->nclasses; c++) {
        if (m->looks)
            walk(m, &s, kind_of(m->byte_of[c]));
        int to = step(m, m->byte_of[c]);
        if (to < 0 || m->work > FV_MAX_DFA_WORK)
            return false;
        d->next[i * d->nclasses + c] = to;
    }
    return true;
}

const fv_dfa *fv_dfa_of(fv_arena *a, const fv_nfa *nfa, const char **why) {
    maker *m = FV_NEW(a, maker, 1);
    m->arena = a;
    m->nfa = nfa;
    m->dfa = FV_NEW(a, fv_dfa, 1);
    m->stack = FV_NEW(a, int, nfa->n + 1);
    m->mark = FV_NEW(a, int, nfa->n + 1);
    m->found = FV_NEW(a, int, nfa->n + 1);
    for (int i = 0; i < nfa->n; i++)
        m->looks |= nfa->nodes[i].kind == FV_NFA_PLACE;
    find_classes(m);
    m->dfa->next = FV_NEW(a, int32_t, FV_MAX_DFA * m->dfa->nclasses);
    m->dfa->accepts = FV_NEW(a, bool, FV_MAX_DFA);
    (void)state_of(m, 1, (int[]){nfa->start}, NO_BYTE);
    for (int i = 0; i < m->dfa->nstates; i++)
        if (!make_state(m, i)) {
            *why =
                fv_printf(a, "it needs more than %d states, or too long to find them", FV_MAX_DFA);
            return NULL;
        }
    return m->dfa;
}
