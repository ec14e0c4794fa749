/* columns.c - vector loops whose iterations each reduce a column of a matrix:
 *
 *     vector c: tile acc = 0; for k: acc = acc + x[k, c]; y[c] = acc
 *
 * Such a loop reads all rows of x once for each vector of columns. A line of the cache holds the
 * columns of several vectors, two of 8 floats, and would be used by each, but if the rows are many
 * and far apart it is evicted in between: rows that are 6 kB apart share two sets of a first-level
 * cache that has 4 kB for each way. With several vectors at a time each line is read once, and the
 * additions of different columns, which do not wait for each other, overlap. The vectors that are
 * computed at a time are of one group of columns, such as a panel, since the columns of different
 * groups are not consecutive in memory. */
#include "backend/expand/columns.h"

#include "ir/base/ptrmap.h"
#include "ir/expr/visit.h"

/* MOST: vectors at a time. MOST_NODES: size of the expressions in serial loops; longer ones need
 * registers for intermediate results. MANY: more accumulators than registers. */
enum { MOST = 4, MOST_NODES = 16, MANY = 64 };

/* What the body of a vector loop contains. */
typedef struct column {
    fv_arena *arena;
    const fv_var *var; /* the variable of the vector loop */
    fv_ptrmap tiles;   /* the tiles that the body declares */
    int accumulators;  /* number of elements of `tiles`, at most MANY */
    int nodes;         /* size of the expressions in serial loops */
    int64_t group;     /* divides n of each `variable floordiv n` and `mod n`; 0: there is none */
    bool reads;        /* whether serial loops read arrays at the variable */
    bool other;        /* whether the body has other statements than lets, stores, tiles, loops and
                        * comments, or accesses tiles from outside of it */
} column;

static void note_tile(column *c, const fv_buf *b) {
    int64_t n = 1, extent;
    for (int i = 0; i < b->rank && n < MANY; i++)
        n = fv_x_is_int(b->extent[i], &extent) && extent < MANY ? n * extent : MANY;
    *fv_ptrmap_at(&c->tiles, b) = (void *)(uintptr_t)b;
    c->accumulators = n + c->accumulators < MANY ? (int)n + c->accumulators : MANY;
}

static void note_access(column *c, const fv_buf *b, fv_expr *const *index, bool in_loop) {
    if (b->role == FV_BUF_TILE)
        c->other |= !fv_ptrmap_get(&c->tiles, b);
    else
        for (int i = 0; i < b->rank; i++)
            c->reads |= in_loop && fv_x_uses(index[i], c->var);
}

/* Notes that n neighbouring columns form a group, as those of a panel do. */
static void note_group(column *c, const fv_expr *x) {
    int64_t n, rest;
    if (x->arg[0]->op != FV_X_VAR || x->arg[0]->u.var != c->var || !fv_x_is_int(x->arg[1], &n))
        return;
    for (n = n > 0 ? n : 1; n; n = rest) { /* Euclid's algorithm */
        rest = c->group % n;
        c->group = n;
    }
}

static void note_value(column *c, const fv_expr *root, bool in_loop) {
    if (!root)
        return;
    c->nodes += in_loop ? root->size : 0;
    const fv_expr *x;
    for (fv_x_visitor v = fv_x_visit(c->arena, root); (x = fv_x_next(&v));)
        if (x->op == FV_X_LOAD || x->op == FV_X_GUARD)
            note_access(c, x->u.buf, x->arg, in_loop);
        else if (x->op == FV_X_FLOORDIV || x->op == FV_X_FLOORMOD)
            note_group(c, x);
}

static void note_block(column *c, const fv_block *block, bool in_loop) {
    for (const fv_stmt *s = block->first; s && !c->other; s = s->next) {
        note_value(c, s->x, in_loop);
        if (s->kind == FV_S_TILE)
            note_tile(c, s->buf);
        else if (s->kind == FV_S_STORE)
            note_access(c, s->buf, s->index, false);
        else if (s->kind == FV_S_FOR)
            note_block(c, &s->body, in_loop || s->loop.kind == FV_SERIAL);
        else
            c->other |= s->kind != FV_S_LET && s->kind != FV_S_COMMENT;
    }
}

int fv_vectors_at_once(fv_arena *a, const fv_target *t, const fv_stmt *loop, int lanes) {
    column c = {.arena = a, .var = loop->var, .tiles = fv_ptrmap_in(a)};
    note_block(&c, &loop->body, false);
    if (!c.reads || c.other || c.nodes > MOST_NODES)
        return 1;
    int n = MOST;
    while (n > 1 && (n * c.accumulators >= t->vector_registers || c.group % (n * lanes)))
        n /= 2;
    return n;
}
