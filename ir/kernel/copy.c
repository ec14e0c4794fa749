/* copy.c - copies statements with other variables; used to inline functions and to unroll loops. */
#include "ir/kernel/copy.h"

#include "ir/base/ptrmap.h"
#include "ir/expr/rewrite.h"
#include "ir/kernel/kernel.h"

enum { UNROLL_LIMIT = 4096 }; /* an UNROLL loop with more iterations is copied as a serial loop */

static fv_expr *subst(fv_kbuilder *b, const fv_expr *x, const fv_ptrmap *map) {
    /* a new memo for each statement, since unrolling changes the replacements of variables */
    fv_ptrmap memo = fv_ptrmap_in(b->arena);
    return fv_x_subst(b->arena, x, map, &memo);
}

static int64_t trip_count(int64_t lo, int64_t hi, int64_t step) {
    uint64_t distance = (uint64_t)hi - (uint64_t)lo;
    return hi <= lo ? 0 : (int64_t)((distance - 1) / (uint64_t)step) + 1;
}

static void copy_loop(fv_kbuilder *b, const fv_stmt *s, fv_ptrmap *map) {
    fv_expr *lo = subst(b, s->loop.lo, map), *hi = subst(b, s->loop.hi, map);
    int64_t from, to;
    bool known = fv_x_is_int(lo, &from) && fv_x_is_int(hi, &to);
    int64_t n = known ? trip_count(from, to, s->loop.step) : -1;
    if (known && (n <= 1 || (s->loop.kind == FV_UNROLL && n <= UNROLL_LIMIT))) {
        for (int64_t i = 0; i < n; i++) {
            *fv_ptrmap_at(map, s->var) = fv_x_int(b->arena, from + i * s->loop.step);
            fv_kb_copy(b, &s->body, map);
        }
        return;
    }
    fv_expr *v = fv_kb_for(b, FV_SERIAL, s->var->name, lo, hi, s->loop.step);
    *fv_ptrmap_at(map, s->var) = v;
    fv_kb_copy(b, &s->body, map);
    fv_kb_end(b);
}

static void copy_if(fv_kbuilder *b, const fv_stmt *s, fv_ptrmap *map) {
    fv_expr *c = subst(b, s->x, map);
    if (c->op == FV_X_CONST) {
        fv_kb_copy(b, c->u.i ? &s->body : &s->other, map);
        return;
    }
    fv_kb_if(b, c);
    fv_kb_copy(b, &s->body, map);
    if (s->other.first) {
        fv_kb_else(b);
        fv_kb_copy(b, &s->other, map);
    }
    fv_kb_end(b);
}

/* Does a store write the element that it loads, unchanged? Folding `acc = acc + 0 * x` gives such
 * stores, which are dropped. */
static bool stores_itself(const fv_buf *buf, fv_expr *const *index, const fv_expr *x) {
    bool same = x->op == FV_X_LOAD && x->u.buf == buf;
    for (int i = 0; i < buf->rank && same; i++)
        same = fv_x_equal(x->arg[i], index[i]);
    return same;
}

static void copy_store(fv_kbuilder *b, const fv_stmt *s, const fv_ptrmap *map) {
    fv_expr *index[FV_STMT_EXPRS];
    /* one memo for all expressions of the statement, so that nodes that they share stay shared */
    fv_ptrmap memo = fv_ptrmap_in(b->arena);
    fv_buf *buf = fv_ptrmap_get(map, s->buf);
    for (int i = 0; i < s->buf->rank; i++)
        index[i] = fv_x_subst(b->arena, s->index[i], map, &memo);
    fv_expr *x = fv_x_subst(b->arena, s->x, map, &memo);
    fv_expr *mask = s->mask ? fv_x_subst(b->arena, s->mask, map, &memo) : NULL;
    buf = buf ? buf : s->buf;
    if (!stores_itself(buf, index, x))
        fv_kb_store(b, buf, index, x, mask);
}

static void copy_prefetch(fv_kbuilder *b, const fv_stmt *s, const fv_ptrmap *map) {
    fv_expr *index[FV_STMT_EXPRS];
    fv_ptrmap memo = fv_ptrmap_in(b->arena);
    fv_buf *buf = fv_ptrmap_get(map, s->buf);
    for (int i = 0; i < s->buf->rank; i++)
        index[i] = fv_x_subst(b->arena, s->index[i], map, &memo);
    fv_kb_prefetch(b, buf ? buf : s->buf, index, s->cache);
}

static void copy_call(fv_kbuilder *b, const fv_stmt *s, const fv_ptrmap *map) {
    fv_buf *args[FV_LIBRARY_PARAMS];
    for (int i = 0; i < s->call.library->nparams; i++) {
        fv_buf *buf = fv_ptrmap_get(map, s->call.args[i]);
        args[i] = buf ? buf : s->call.args[i];
    }
    fv_kb_call_rank(b, s->call.library, args, s->call.rank, s->call.ranks);
    b->block->last->call.mode = s->call.mode;
}

static void copy_tile(fv_kbuilder *b, const fv_stmt *s, fv_ptrmap *map) {
    fv_expr *init = s->x ? subst(b, s->x, map) : NULL;
    if (init)
        fv_kb_share(b, 1, &init);
    fv_stmt *copy = fv_kb_add(b, FV_S_TILE);
    copy->buf =
        fv_buf_new(b->arena, s->buf->name, FV_BUF_TILE, s->buf->elem, s->buf->rank, s->buf->extent);
    copy->buf->lanes = s->buf->lanes;
    copy->x = init;
    *fv_ptrmap_at(map, s->buf) = copy->buf;
}

/* Copies the statements of a matrix, whose form must stay: loops with few iterations stay loops,
 * and no let is added. */
static void copy_matrix(fv_kbuilder *b, const fv_block *block, fv_ptrmap *map) {
    for (const fv_stmt *s = block->first; s; s = s->next) {
        if (s->kind == FV_S_FOR) {
            fv_expr *lo = subst(b, s->loop.lo, map), *hi = subst(b, s->loop.hi, map);
            *fv_ptrmap_at(map, s->var) =
                fv_kb_for(b, s->loop.kind, s->var->name, lo, hi, s->loop.step);
            copy_matrix(b, &s->body, map);
            fv_kb_end(b);
        } else if (s->kind == FV_S_STORE || s->kind == FV_S_PREFETCH) {
            fv_stmt *copy = fv_kb_add(b, s->kind);
            fv_buf *buf = fv_ptrmap_get(map, s->buf);
            copy->buf = buf ? buf : s->buf;
            copy->cache = s->cache;
            copy->index = FV_NEW(b->arena, fv_expr *, s->buf->rank + 1);
            for (int i = 0; i < s->buf->rank; i++)
                copy->index[i] = subst(b, s->index[i], map);
            copy->x = s->x ? subst(b, s->x, map) : NULL;
        } else {
            copy_tile(b, s, map);
        }
    }
}

void fv_kb_copy_stmt(fv_kbuilder *b, const fv_stmt *s, fv_ptrmap *map) {
    switch (s->kind) {
    case FV_S_LET:
        /* the new variable, or the value if it is a constant or variable, replaces s->var in what
         * follows */
        *fv_ptrmap_at(map, s->var) = fv_kb_let(b, s->var->name, subst(b, s->x, map));
        break;
    case FV_S_STORE: copy_store(b, s, map); break;
    case FV_S_PREFETCH: copy_prefetch(b, s, map); break;
    case FV_S_TILE: copy_tile(b, s, map); break;
    case FV_S_TRANSPOSE: {
        fv_buf *buf = fv_ptrmap_get(map, s->buf);
        fv_kb_transpose(b, buf ? buf : s->buf);
        break;
    }
    case FV_S_FOR: copy_loop(b, s, map); break;
    case FV_S_IF: copy_if(b, s, map); break;
    case FV_S_WHILE:
        fv_kb_while(b, subst(b, s->x, map));
        fv_kb_copy(b, &s->body, map);
        fv_kb_end(b);
        break;
    case FV_S_OUTLINE:
        fv_kb_outline(b);
        fv_kb_copy(b, &s->body, map);
        fv_kb_end(b);
        break;
    case FV_S_MATRIX:
        fv_kb_matrix(b);
        copy_matrix(b, &s->body, map);
        fv_kb_end(b);
        break;
    case FV_S_CALL: copy_call(b, s, map); break;
    case FV_S_COMMENT: fv_kb_comment(b, s->note.text); break;
    case FV_S_READ:
    case FV_S_PLAN:
    case FV_S_MEMORY:
    case FV_S_CHECK:
    case FV_S_LAUNCH:
    case FV_S_ALLOC:
    case FV_S_FREE:
    case FV_S_SETDIM: break; /* these are statements of host programs */
    }
}

void fv_kb_copy(fv_kbuilder *b, const fv_block *block, fv_ptrmap *map) {
    for (const fv_stmt *s = block->first; s; s = s->next)
        fv_kb_copy_stmt(b, s, map);
}
