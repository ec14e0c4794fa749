/* outline.c - finds which variables and buffers from outside a block of a kernel uses. */
#include "backend/consumer/outline.h"

#include "ir/base/ptrmap.h"
#include "ir/expr/visit.h"

typedef struct finder {
    fv_arena *arena;
    fv_ptrmap known; /* what is declared inside of the block, or was found before */
    fv_outline found;
} finder;

static bool is_new(finder *f, const void *what) {
    void **at = fv_ptrmap_at(&f->known, what);
    bool new_ = !*at;
    *at = (void *)1;
    return new_;
}

static void find_in_expr(finder *f, const fv_expr *x);

/* Adds a buffer, and the variables of its extents. The address of an element does not depend on the
 * first extent. */
static void find_buf(finder *f, fv_buf *b) {
    if (!is_new(f, b))
        return;
    FV_PUSH(f->arena, f->found.bufs, f->found.nbufs, f->found.cap_bufs, b);
    for (int i = 1; i < b->rank; i++)
        find_in_expr(f, b->extent[i]);
}

static void find_in_expr(finder *f, const fv_expr *root) {
    const fv_expr *x;
    if (!root)
        return;
    for (fv_x_visitor v = fv_x_visit(f->arena, root); (x = fv_x_next(&v));) {
        if (x->op == FV_X_VAR && is_new(f, x->u.var))
            FV_PUSH(f->arena, f->found.vars, f->found.nvars, f->found.cap_vars, x->u.var);
        if (x->op == FV_X_LOAD || x->op == FV_X_GUARD)
            find_buf(f, x->u.buf);
    }
    f->found.requires_ |= fv_x_has(root, FV_HAS_REQUIRE);
}

static void find_in_block(finder *f, const fv_block *block) {
    for (const fv_stmt *s = block->first; s; s = s->next) {
        const fv_expr *parts[] = {s->x, s->mask, s->loop.lo, s->loop.hi};
        for (int i = 0; i < 4; i++)
            find_in_expr(f, parts[i]);
        for (int i = 0; s->index && i < s->buf->rank; i++)
            find_in_expr(f, s->index[i]);
        if (s->kind == FV_S_TILE)
            is_new(f, s->buf);
        else if (s->buf)
            find_buf(f, s->buf);
        if (s->var)
            is_new(f, s->var);
        find_in_block(f, &s->body);
        find_in_block(f, &s->other);
    }
}

fv_outline fv_outline_of(fv_arena *a, const fv_stmt *outline) {
    finder f = {.arena = a, .known = fv_ptrmap_in(a)};
    find_in_block(&f, &outline->body);
    return f.found;
}
