/* program_heap.c - checks that each buffer of the caller's allocator is allocated before it is
 * used, on every path through the run. */
#include "ir/kernel/program_heap.h"

#include "ir/expr/visit.h"

#include <string.h>

enum { NO, YES, MAYBE }; /* whether a buffer is allocated; MAYBE: on some paths */

typedef struct heap {
    fv_kverifier *v;
    fv_ptrmap number; /* buffer -> its index in the program, plus 1 */
    int n;
} heap;

static uint8_t *state_of(const heap *h, uint8_t *states, const fv_buf *b) {
    return &states[(intptr_t)fv_ptrmap_get(&h->number, b) - 1];
}

static bool check_use(const heap *h, uint8_t *states, const fv_buf *b) {
    if (b->role != FV_BUF_HEAP)
        return true;
    uint8_t is = *state_of(h, states, b);
    return is == YES || fv_kv_illegal(h->v, "'%s' is not allocated%s", b->name,
                                      is == MAYBE ? " on all ways" : "");
}

static bool check_loads(const heap *h, uint8_t *states, const fv_expr *root) {
    const fv_expr *x;
    if (!root)
        return true;
    for (fv_x_visitor v = fv_x_visit(h->v->a, root); (x = fv_x_next(&v));)
        if ((x->op == FV_X_LOAD || x->op == FV_X_GUARD) && !check_use(h, states, x->u.buf))
            return false;
    return true;
}

static bool check_parts(const heap *h, uint8_t *states, const fv_stmt *s) {
    bool ok = check_loads(h, states, s->x) && check_loads(h, states, s->loop.lo) &&
              check_loads(h, states, s->loop.hi);
    for (int i = 0; ok && s->kind == FV_S_LAUNCH && i < s->call.kernel->nbufs; i++)
        ok = check_use(h, states, s->call.args[i]);
    for (int i = 0; ok && s->kind == FV_S_LAUNCH && i < s->call.kernel->ndims; i++)
        ok = check_loads(h, states, s->call.dims[i]);
    return ok;
}

static bool check_block(const heap *h, uint8_t *states, const fv_block *b);

/* Checks both branches. A buffer that only one of them allocates is MAYBE allocated afterwards. */
static bool check_if(const heap *h, uint8_t *states, const fv_stmt *s) {
    uint8_t *other = FV_NEW(h->v->a, uint8_t, h->n + 1);
    memcpy(other, states, (size_t)h->n);
    if (!check_block(h, states, &s->body) || !check_block(h, other, &s->other))
        return false;
    for (int i = 0; i < h->n; i++)
        states[i] = states[i] == other[i] ? states[i] : MAYBE;
    return true;
}

static bool check_loop(const heap *h, uint8_t *states, const fv_stmt *s) {
    uint8_t *before = FV_NEW(h->v->a, uint8_t, h->n + 1);
    memcpy(before, states, (size_t)h->n);
    if (!check_block(h, states, &s->body))
        return false;
    h->v->stmt = s;
    for (int i = 0; i < h->n; i++)
        if (states[i] != before[i])
            return fv_kv_illegal(h->v, "'%s' is %s by one iteration, and not for the next",
                                 h->v->program->memory.buffers[i]->name,
                                 states[i] == NO ? "freed" : "allocated");
    return true;
}

static bool check_stmt(const heap *h, uint8_t *states, const fv_stmt *s) {
    if (!check_parts(h, states, s))
        return false;
    switch (s->kind) {
    case FV_S_ALLOC:
        if (*state_of(h, states, s->buf) != NO)
            return fv_kv_illegal(h->v, "'%s' is allocated already", s->buf->name);
        *state_of(h, states, s->buf) = YES;
        return true;
    case FV_S_FREE:
        if (!check_use(h, states, s->buf))
            return false;
        *state_of(h, states, s->buf) = NO;
        return true;
    case FV_S_IF: return check_if(h, states, s);
    default: return !s->body.first || check_loop(h, states, s);
    }
}

static bool check_block(const heap *h, uint8_t *states, const fv_block *b) {
    for (const fv_stmt *s = b->first; s; s = s->next) {
        h->v->stmt = s;
        if (!check_stmt(h, states, s))
            return false;
    }
    return true;
}

bool fv_kv_heap(fv_kverifier *v) {
    heap h = {.v = v, .number = fv_ptrmap_in(v->a), .n = v->program->memory.nbuffers};
    for (int i = 0; i < h.n; i++)
        *fv_ptrmap_at(&h.number, v->program->memory.buffers[i]) = (void *)(intptr_t)(i + 1);
    return check_block(&h, FV_NEW(v->a, uint8_t, h.n + 1), &v->program->host.body);
}
