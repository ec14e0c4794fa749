/* disjoint.c - proves that no two iterations of a parallel or vector loop access the same element
 * if one of them stores it. Each pair of a store and another access to the same buffer in the loop
 * is proved. */
#include "ir/kernel/disjoint.h"
#include "ir/expr/visit.h"
#include "ir/kernel/prove.h"
#include "ir/kernel/verifier.h"

typedef struct checker {
    fv_kverifier *v;
    fv_prover z;
} checker;

/* ---- accesses ---- */

typedef struct access {
    const fv_buf *buf;
    fv_expr *const *index;
    const fv_stmt *stmt;
    bool is_store;
    /* whether the access is to several consecutive elements of the last axis; then that axis cannot
     * prove that two accesses differ */
    bool is_run;
} access;

typedef struct accesses {
    access *at;
    int n, cap;
} accesses;

static void collect_expr(fv_prover *z, accesses *list, const fv_expr *root, const fv_stmt *s) {
    const fv_expr *x;
    for (fv_x_visitor v = fv_x_visit(z->a, root); (x = fv_x_next(&v));)
        if (x->op == FV_X_LOAD || x->op == FV_X_GUARD)
            FV_PUSH(z->a, list->at, list->n, list->cap,
                    ((access){x->u.buf, x->arg, s, false, x->type.lanes > x->u.buf->lanes}));
        else if (!fv_x_has_load(x))
            fv_x_skip(&v);
}

static void collect_block(fv_prover *z, accesses *list, const fv_block *block) {
    for (const fv_stmt *s = block->first; s; s = s->next) {
        const fv_expr *parts[] = {s->x, s->mask, s->loop.lo, s->loop.hi};
        for (int i = 0; i < 4; i++)
            if (parts[i])
                collect_expr(z, list, parts[i], s);
        if (s->kind == FV_S_STORE) {
            for (int i = 0; i < s->buf->rank; i++)
                collect_expr(z, list, s->index[i], s);
            FV_PUSH(z->a, list->at, list->n, list->cap,
                    ((access){s->buf, s->index, s, true, s->x->type.lanes > s->buf->lanes}));
        }
        if (s->kind == FV_S_TRANSPOSE) /* a transpose may access any element of the buffer */
            FV_PUSH(z->a, list->at, list->n, list->cap,
                    ((access){s->buf, s->buf->extent, s, true, false}));
        if (s->kind == FV_S_TILE)
            fv_prover_inner(z, s->buf);
        if (s->var)
            fv_prover_inner(z, s->var);
        fv_prover_learn(z, s);
        collect_block(z, list, &s->body);
        collect_block(z, list, &s->other);
    }
}

static bool never_meet(fv_prover *z, const access *later, const access *earlier) {
    int rank = later->buf->rank - (later->is_run || earlier->is_run);
    return fv_prove_apart(z, rank, later->index, earlier->index);
}

static bool check_pair(checker *c, const access *a, const access *b) {
    const fv_stmt *loop = c->z.loop;
    if (a->buf != b->buf || !(a->is_store || b->is_store))
        return true;
    c->v->stmt = a->is_store ? a->stmt : b->stmt;
    bool parallel = loop->loop.kind == FV_PARALLEL;
    if (parallel && a->buf->role == FV_BUF_TILE)
        return fv_kv_illegal(c->v, "tile '%s' is declared outside of the parallel loop over '%s'",
                             a->buf->name, loop->var->name);
    if (never_meet(&c->z, a, b) && (a == b || never_meet(&c->z, b, a)))
        return true;
    return fv_kv_illegal(c->v, "cannot prove that iterations of the %s loop over '%s' %s '%s'",
                         parallel ? "parallel" : "vector", loop->var->name,
                         a->is_store && b->is_store ? "store different elements of"
                                                    : "read no element that another stores in",
                         a->buf->name);
}

static bool check_loop(checker *c, const fv_stmt *s) {
    accesses list = {0};
    fv_prover_start(&c->z, s);
    collect_block(&c->z, &list, &s->body);
    for (int i = 0; i < list.n; i++) {
        if (fv_ptrmap_get(&c->z.inner, list.at[i].buf))
            continue; /* the tile is declared in the loop, so each iteration has its own */
        for (int j = i; j < list.n; j++)
            if (!check_pair(c, &list.at[i], &list.at[j]))
                return false;
    }
    return true;
}

static bool check_block(checker *c, const fv_block *block) {
    for (const fv_stmt *s = block->first; s; s = s->next) {
        fv_prover_learn(&c->z, s);
        if (s->kind == FV_S_FOR && (s->loop.kind == FV_PARALLEL || s->loop.kind == FV_VECTOR) &&
            !check_loop(c, s))
            return false;
        if (!check_block(c, &s->body) || !check_block(c, &s->other))
            return false;
    }
    return true;
}

bool fv_kv_disjoint(fv_kverifier *v, const fv_block *body) {
    checker c = {
        .v = v,
        .z = {
            .a = v->a, .lets = fv_ptrmap_in(v->a), .loops = fv_ptrmap_in(v->a), .exact = v->exact}};
    return check_block(&c, body);
}
