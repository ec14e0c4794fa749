/* reuse.c - stores an output of a kernel in the memory of an input.
 *
 * That is correct if no element of the input is read after it may have been written. For each store
 * to the output and each load of the input this is proved:
 *
 * - if the load is executed after the store in the same iteration of the loops around both, they
 *   never access the same element;
 * - in a loop around both, a load never accesses an element that an earlier iteration stored. In
 *   parallel and vector loops a load accesses no element that another iteration stores, which is
 *   also what the verifier requires of the resulting kernel.
 *
 * The input may be an intermediate buffer that the kernel itself writes and that has no later
 * readers: its stores are then subject to the same conditions as its loads. */
#include "ir/kernel/reuse.h"

#include "ir/expr/rewrite.h"
#include "ir/expr/visit.h"
#include "ir/kernel/build.h"
#include "ir/kernel/prove.h"

#include <string.h>

typedef struct access {
    fv_expr *const *index;
    bool is_store;
} access;

typedef struct accesses {
    access *at;
    int n, cap;
} accesses;

typedef struct reuse {
    fv_prover z;
    const fv_buf *from, *to;
} reuse;

/* ---- collecting reads and writes ---- */

static void collect_expr(reuse *r, accesses *list, const fv_expr *root) {
    const fv_expr *x;
    if (!root)
        return;
    for (fv_x_visitor v = fv_x_visit(r->z.a, root); (x = fv_x_next(&v));)
        if (!fv_x_has_load(x))
            fv_x_skip(&v);
        else if ((x->op == FV_X_LOAD || x->op == FV_X_GUARD) && x->u.buf == r->from)
            FV_PUSH(r->z.a, list->at, list->n, list->cap, ((access){x->arg, false}));
}

static void collect(reuse *r, accesses *list, const fv_stmt *s);

static void collect_block(reuse *r, accesses *list, const fv_block *block) {
    for (const fv_stmt *s = block->first; s; s = s->next)
        collect(r, list, s);
}

/* Collects the accesses of a statement and of those nested in it. Variables that it declares count
 * as inner from now on. */
static void collect(reuse *r, accesses *list, const fv_stmt *s) {
    const fv_expr *parts[] = {s->x, s->mask, s->loop.lo, s->loop.hi};
    for (int i = 0; i < 4; i++)
        collect_expr(r, list, parts[i]);
    if (s->kind == FV_S_STORE) {
        for (int i = 0; i < s->buf->rank; i++)
            collect_expr(r, list, s->index[i]);
        if (s->buf == r->to || s->buf == r->from)
            FV_PUSH(r->z.a, list->at, list->n, list->cap, ((access){s->index, s->buf == r->to}));
    }
    if (s->kind == FV_S_FOR || s->kind == FV_S_TILE)
        fv_prover_inner(&r->z, s->kind == FV_S_FOR ? (const void *)s->var : s->buf);
    if (s->kind == FV_S_LET)
        fv_prover_inner(&r->z, s->var);
    collect_block(r, list, &s->body);
    collect_block(r, list, &s->other);
}

static bool has_store(const reuse *r, const fv_stmt *s) {
    if (s->kind == FV_S_STORE)
        return s->buf == r->to;
    for (const fv_stmt *k = s->body.first; k; k = k->next)
        if (has_store(r, k))
            return true;
    for (const fv_stmt *k = s->other.first; k; k = k->next)
        if (has_store(r, k))
            return true;
    return false;
}

/* ---- the proof ---- */

static bool never_meet(reuse *r, const access *later, const access *earlier) {
    return fv_prove_apart(&r->z, r->to->rank, later->index, earlier->index);
}

/* Is it proved that `second`, which is executed after `first`, loads no element that `first`
 * stores? */
static bool check_order(reuse *r, const fv_stmt *first, const fv_stmt *second) {
    accesses list = {0};
    fv_prover_start(&r->z, NULL);
    collect(r, &list, first);
    int n = list.n;
    collect(r, &list, second);
    for (int i = 0; i < n; i++)
        for (int k = n; k < list.n && list.at[i].is_store; k++)
            if (!list.at[k].is_store && !never_meet(r, &list.at[k], &list.at[i]))
                return false;
    return true;
}

static bool check_loop(reuse *r, const fv_stmt *s) {
    accesses list = {0};
    bool any_order = s->loop.kind == FV_PARALLEL || s->loop.kind == FV_VECTOR;
    fv_prover_start(&r->z, s);
    collect_block(r, &list, &s->body);
    for (int i = 0; i < list.n; i++)
        for (int k = 0; k < list.n && list.at[i].is_store; k++) {
            const access *store = &list.at[i], *load = &list.at[k];
            if (!load->is_store &&
                (!never_meet(r, load, store) || (any_order && !never_meet(r, store, load))))
                return false;
        }
    /* bounds of the loop may be evaluated again after a store, so they must not load from the
     * input */
    accesses bounds = {0};
    collect_expr(r, &bounds, s->loop.lo);
    collect_expr(r, &bounds, s->loop.hi);
    return !bounds.n;
}

static bool check_block(reuse *r, const fv_block *block) {
    for (const fv_stmt *s = block->first; s; s = s->next) {
        bool stores = has_store(r, s);
        if (stores && (s->kind == FV_S_WHILE || (s->kind == FV_S_FOR && !check_loop(r, s))))
            return false;
        if (!check_block(r, &s->body) || !check_block(r, &s->other))
            return false;
        for (const fv_stmt *later = stores ? s->next : NULL; later; later = later->next)
            if (!check_order(r, s, later))
                return false;
    }
    return true;
}

static void learn(reuse *r, const fv_block *block) {
    for (const fv_stmt *s = block->first; s; s = s->next) {
        fv_prover_learn(&r->z, s);
        learn(r, &s->body);
        learn(r, &s->other);
    }
}

/* ---- the new kernel ---- */

static void replace_block(fv_arena *a, fv_block *block, const fv_ptrmap *map) {
    for (fv_stmt *s = block->first; s; s = s->next) {
        fv_ptrmap memo = fv_ptrmap_in(a);
        fv_expr **parts[] = {&s->x, &s->mask, &s->loop.lo, &s->loop.hi};
        for (int i = 0; i < 4; i++)
            if (*parts[i])
                *parts[i] = fv_x_subst(a, *parts[i], map, &memo);
        bool indexed = s->kind == FV_S_STORE || s->kind == FV_S_PREFETCH;
        for (int i = 0; indexed && i < s->buf->rank; i++)
            s->index[i] = fv_x_subst(a, s->index[i], map, &memo);
        fv_buf *buf = indexed ? fv_ptrmap_get(map, s->buf) : NULL;
        s->buf = buf ? buf : s->buf;
        replace_block(a, &s->body, map);
        replace_block(a, &s->other, map);
    }
}

static void drop_parameter(fv_kernel *k, int i) {
    memmove(k->bufs + i, k->bufs + i + 1, (size_t)(k->nbufs - i - 1) * sizeof *k->bufs);
    for (k->nbufs--; i < k->nbufs; i++)
        k->bufs[i]->id = i;
}

bool fv_kernel_alike(const fv_kernel *k, int from, int to) {
    const fv_buf *a = k->bufs[from], *b = k->bufs[to];
    bool alike = from != to && b->role != FV_BUF_IN && a->elem == b->elem && a->rank == b->rank;
    for (int i = 0; alike && i < a->rank; i++)
        alike = fv_x_equal(a->extent[i], b->extent[i]);
    return alike;
}

bool fv_kernel_reuse(fv_kernel *k, int from, int to) {
    fv_arena *a = k->arena;
    fv_buf *x = k->bufs[from], *y = k->bufs[to];
    uint8_t role = x->role;
    reuse r = {
        .z = {.a = a, .lets = fv_ptrmap_in(a), .loops = fv_ptrmap_in(a)}, .from = x, .to = y};
    /* the order in which a library function reads and writes is not known */
    if (k->task || fv_kernel_calls(k) || !fv_kernel_alike(k, from, to))
        return false;
    /* while proving, loads of the buffer count as changeable, since it will be written */
    x->role = FV_BUF_INOUT;
    learn(&r, &k->body);
    bool ok = check_block(&r, &k->body);
    x->role = role;
    if (!ok)
        return false;
    fv_ptrmap map = fv_ptrmap_in(a);
    *fv_ptrmap_at(&map, x) = y;
    replace_block(a, &k->body, &map);
    y->role = FV_BUF_INOUT;
    drop_parameter(k, from);
    return true;
}
