/* rewrite.c - see rewrite.h. */
#include "ir/expr/rewrite.h"

#include <assert.h>

#include "ir/base/limits.h"
#include "ir/expr/unique.h"

fv_expr *fv_x_rewrite(fv_x_rewriter *r, const fv_expr *given) {
    fv_expr *x = (fv_expr *)(uintptr_t)given, *args[FV_MAX_RANK + 2], *y;
    bool kept = x->n || x->op == FV_X_LOAD;
    y = kept ? fv_ptrmap_get(&r->memo, x) : NULL;
    if (y)
        return y;
    y = r->before ? r->before(r, x) : NULL;
    FV_HOLDS(fv_arena_session(r->arena), x->n <= FV_MAX_RANK + 2);
    if (!y) {
        for (int i = 0; i < x->n; i++)
            args[i] = fv_x_rewrite(r, x->arg[i]);
        y = r->after ? r->after(r, x, args) : NULL;
    }
    if (!y)
        y = fv_x_with_args(r->arena, x, args);
    if (!r->memo.arena)
        r->memo.arena = r->arena;
    if (kept)
        *fv_ptrmap_at(&r->memo, x) = y;
    return y;
}

fv_expr *fv_x_load_like(fv_arena *a, const fv_expr *x, fv_buf *b, fv_expr *const *index,
                        fv_expr *const *args) {
    int rank = x->u.buf->rank;
    return x->op == FV_X_LOAD ? fv_x_load(a, b, index)
                              : fv_x_guard(a, b, index, args[rank], args[rank + 1]);
}

/* ---- variables and buffers ---- */

static fv_expr *mapped_var(fv_x_rewriter *r, fv_expr *x) {
    FV_HOLDS(fv_arena_session(r->arena), x->op != FV_X_REDUCE);
    return x->op == FV_X_VAR ? fv_ptrmap_get(r->user, x->u.var) : NULL;
}

static fv_expr *mapped_buf(fv_x_rewriter *r, fv_expr *x, fv_expr **args) {
    bool reads = x->op == FV_X_LOAD || x->op == FV_X_GUARD;
    fv_buf *b = reads ? fv_ptrmap_get(r->user, x->u.buf) : NULL;
    if (!b || b == x->u.buf)
        return NULL;
    fv_expr head = *x;
    head.u.buf = b;
    return fv_x_with_args(r->arena, fv_x_node(r->arena, &head, x->arg), args);
}

fv_expr *fv_x_subst(fv_arena *a, const fv_expr *x, const fv_ptrmap *map, fv_ptrmap *memo) {
    fv_x_rewriter r = {.arena = a,
                       .before = mapped_var,
                       .after = mapped_buf,
                       .user = (void *)(uintptr_t)map,
                       .memo = *memo};
    fv_expr *y = fv_x_rewrite(&r, x);
    *memo = r.memo;
    return y;
}

/* ---- free variables ---- */

typedef struct replacement {
    int n;
    fv_var *const *from;
    fv_expr *const *to;
    uint32_t from_bits, to_bits;
} replacement;

static bool binds_one(const replacement *p, const fv_expr *x) {
    for (int i = 0; i < p->n; i++)
        if (fv_x_binds(x, p->from[i]))
            return true;
    return false;
}

static bool would_capture(const replacement *p, const fv_expr *x) {
    for (int i = 0; i < x->u.red.nvars; i++)
        for (int k = 0; k < p->n; k++)
            if (fv_x_uses(p->to[k], x->u.red.vars[i]))
                return true;
    return false;
}

/* Rewrites the body of reduction x. Variables that it binds are not replaced; those that occur in a
 * replacement are renamed first, so that the reduction does not capture them. */
static fv_expr *replaced_below(fv_x_rewriter *r, const replacement *p, fv_expr *x) {
    fv_arena *a = r->arena;
    int n = x->u.red.nvars, k = 0;
    fv_var **vars = FV_NEW(a, fv_var *, n), **from = FV_NEW(a, fv_var *, p->n);
    fv_expr **to = FV_NEW(a, fv_expr *, p->n), *body = x->arg[0];
    for (int i = 0; i < p->n; i++)
        if (!fv_x_binds(x, p->from[i])) {
            from[k] = p->from[i];
            to[k++] = p->to[i];
        }
    for (int i = 0; i < n; i++)
        vars[i] = x->u.red.vars[i];
    if (would_capture(p, x))
        body = fv_x_rename(a, n, vars, body);
    return fv_x_reduce_like(a, x, n, vars, fv_x_replace_vars(a, body, k, from, to));
}

static fv_expr *replaced(fv_x_rewriter *r, fv_expr *x) {
    const replacement *p = r->user;
    if (!(x->vars & p->from_bits))
        return x;
    for (int i = 0; i < p->n && x->op == FV_X_VAR; i++)
        if (x->u.var == p->from[i])
            return p->to[i];
    bool reduces = x->op == FV_X_REDUCE && (x->binds & (p->from_bits | p->to_bits));
    return reduces && (binds_one(p, x) || would_capture(p, x)) ? replaced_below(r, p, x) : NULL;
}

fv_expr *fv_x_replace_vars(fv_arena *a, const fv_expr *x, int n, fv_var *const *from,
                           fv_expr *const *to) {
    replacement p = {.n = n, .from = from, .to = to};
    for (int i = 0; i < n; i++) {
        p.from_bits |= fv_var_bit(from[i]);
        p.to_bits |= to[i]->vars;
    }
    fv_x_rewriter r = {.arena = a, .before = replaced, .user = &p, .memo = fv_ptrmap_in(a)};
    fv_expr *y = fv_x_rewrite(&r, x);
    fv_ptrmap_free(&r.memo);
    return y;
}

/* ---- from another arena ---- */

static fv_expr *imported(fv_x_rewriter *r, fv_expr *x, fv_expr **args) {
    fv_expr head = *x, *extent[FV_MAX_RANK];
    if (x->op == FV_X_LOAD || x->op == FV_X_GUARD) {
        const fv_buf *b = x->u.buf;
        for (int i = 0; i < b->rank; i++)
            extent[i] = fv_x_rewrite(r, b->extent[i]);
        head.u.buf = fv_buf_seen(r->arena, b, b->rank, extent);
    }
    return fv_x_node(r->arena, &head, args);
}

fv_expr *fv_x_import(fv_arena *a, const fv_expr *x, fv_ptrmap *memo) {
    fv_x_rewriter r = {.arena = a, .after = imported, .memo = *memo};
    fv_expr *y = fv_x_rewrite(&r, x);
    *memo = r.memo;
    return y;
}
