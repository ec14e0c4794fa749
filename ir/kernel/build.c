/* build.c - builds kernels and blocks of host programs, and numbers their variables and buffers. */
#include "ir/kernel/build.h"

#include <assert.h>
#include <string.h>

#include "ir/base/ptrmap.h"
#include "ir/expr/fold.h"
#include "ir/expr/rewrite.h"
#include "ir/expr/visit.h"
#include "ir/kernel/kernel.h"

fv_var *fv_var_new(fv_arena *a, const char *name, fv_ktype type) {
    fv_var *v = FV_NEW(a, fv_var, 1);
    v->name = fv_strdup(a, name);
    v->type = type;
    v->lo = INT64_MIN;
    v->hi = INT64_MAX;
    return v;
}

fv_kernel *fv_kernel_new(fv_arena *a, const char *name) {
    fv_kernel *k = FV_NEW(a, fv_kernel, 1);
    k->name = fv_strdup(a, name);
    k->arena = a;
    return k;
}

fv_expr **fv_x_copy_list(fv_arena *a, int n, fv_expr *const *list) {
    fv_expr **copy = FV_NEW(a, fv_expr *, n + 1);
    for (int i = 0; i < n; i++)
        copy[i] = list[i];
    return copy;
}

fv_buf *fv_buf_new(fv_arena *a, const char *name, fv_buf_role role, fv_elem e, int rank,
                   fv_expr *const *extent) {
    fv_buf *b = FV_NEW(a, fv_buf, 1);
    b->name = fv_strdup(a, name);
    b->elem = e;
    b->lanes = 1;
    b->role = (uint8_t)role;
    b->rank = rank;
    b->extent = fv_x_copy_list(a, rank, extent);
    return b;
}

/* Adds a parameter. The array of parameters is copied when it grows; a kernel has few. */
fv_buf *fv_kernel_buf(fv_kernel *k, const char *name, fv_buf_role role, fv_elem e, int rank,
                      fv_expr *const *extent) {
    FV_HOLDS(fv_arena_session(k->arena),
             role == FV_BUF_IN || role == FV_BUF_OUT || role == FV_BUF_INOUT);
    fv_buf **bufs = FV_NEW(k->arena, fv_buf *, k->nbufs + 1);
    for (int i = 0; i < k->nbufs; i++)
        bufs[i] = k->bufs[i];
    fv_buf *b = fv_buf_new(k->arena, name, role, e, rank, extent);
    b->id = k->nbufs;
    bufs[k->nbufs++] = b;
    k->bufs = bufs;
    return b;
}

fv_expr *fv_kernel_dim(fv_kernel *k, const char *name, int64_t lo, int64_t hi) {
    fv_var **dims = FV_NEW(k->arena, fv_var *, k->ndims + 1);
    for (int i = 0; i < k->ndims; i++)
        dims[i] = k->dims[i];
    fv_var *v = fv_var_new(k->arena, name, fv_kt(FV_I64, 1));
    v->lo = lo;
    v->hi = hi;
    dims[k->ndims++] = v;
    k->dims = dims;
    return fv_x_var(k->arena, v);
}

/* ---- statements ---- */

void fv_kb_init(fv_kbuilder *b, fv_arena *a, fv_kernel *k, fv_block *block) {
    memset(b, 0, sizeof *b);
    b->arena = a;
    b->kernel = k;
    b->block = block;
}

void fv_block_append(fv_block *block, fv_stmt *s) {
    if (block->last)
        block->last->next = s;
    else
        block->first = s;
    block->last = s;
}

fv_stmt *fv_kb_add(fv_kbuilder *b, fv_stmt_kind kind) {
    fv_stmt *s = FV_NEW(b->arena, fv_stmt, 1);
    s->kind = kind;
    fv_block_append(b->block, s);
    return s;
}

fv_expr *fv_kb_read(fv_kbuilder *b, const fv_read *r, const char *name) {
    fv_stmt *s = fv_kb_add(b, FV_S_READ);
    s->var = fv_var_new(b->arena, name, fv_read_ktype(r));
    fv_read_bounds(r, &s->var->lo, &s->var->hi);
    s->read = *r;
    return fv_x_var(b->arena, s->var);
}

static fv_expr *add_let(fv_kbuilder *b, const char *name, fv_expr *x) {
    fv_stmt *s = fv_kb_add(b, FV_S_LET);
    s->var = fv_var_new(b->arena, name, x->type);
    fv_x_range(x, &s->var->lo, &s->var->hi);
    s->x = x;
    return fv_x_var(b->arena, s->var);
}

/* ---- an expression that a statement uses twice becomes a let before it, so that statements hold
 * trees; so does one that is nested deeply, so that functions may visit it recursively ---- */

enum { MAX_NESTED = 48 };

typedef struct sharing {
    fv_kbuilder *builder;
    fv_ptrmap uses;   /* node -> number of parents */
    fv_ptrmap height; /* the expression that replaces a node -> its height */
} sharing;

/* Should the expression be computed once in a `let`? Short index arithmetic is repeated instead,
 * which is easier to read and costs nothing. */
static bool is_worth_a_let(const fv_expr *x) {
    if (x->n == 0 || x->op == FV_X_SPLAT)
        /* true for a load from a tile of rank 0, too, but `unshare` makes no let of a node without
         * arguments: such a load is a variable */
        return x->op == FV_X_LOAD;
    return x->type.elem != FV_I64 || x->size >= 8;
}

static fv_expr *unshare(fv_x_rewriter *w, fv_expr *x, fv_expr **args) {
    sharing *s = w->user;
    uintptr_t height = 1;
    for (int i = 0; i < x->n; i++) {
        uintptr_t below = (uintptr_t)fv_ptrmap_get(&s->height, args[i]);
        height = below >= height ? below + 1 : height;
    }
    fv_expr *r = fv_x_with_args(w->arena, x, args);
    bool twice = (uintptr_t)fv_ptrmap_get(&s->uses, x) > 1 && is_worth_a_let(x);
    if ((twice || height > MAX_NESTED) && r->n > 0)
        r = add_let(s->builder, "t", r);
    *fv_ptrmap_at(&s->height, r) = (void *)(r->n ? height : 1);
    return r;
}

void fv_kb_share(fv_kbuilder *b, int n, fv_expr **list) {
    fv_ptrmap empty = fv_ptrmap_in(b->arena);
    sharing s = {b, empty, empty};
    fv_x_visitor v = fv_x_visit(b->arena, NULL);
    fv_x_rewriter w = {.arena = b->arena, .after = unshare, .user = &s, .memo = empty};
    bool all_small = true;
    for (int i = 0; i < n; i++)
        all_small = all_small && (!list[i] || list[i]->n == 0);
    if (all_small)
        return;
    for (int i = 0; i < n; i++)
        if (list[i])
            fv_x_count_uses(&v, list[i], &s.uses);
    for (int i = 0; i < n; i++)
        if (list[i])
            list[i] = fv_x_rewrite(&w, list[i]);
    fv_ptrmap_free(&s.uses);
    fv_ptrmap_free(&s.height);
    fv_ptrmap_free(&w.memo);
    fv_ptrmap_free(&v.seen);
}

/* ---- functions that append statements ---- */

fv_expr *fv_kb_let(fv_kbuilder *b, const char *name, fv_expr *x) {
    if (x->op == FV_X_CONST || x->op == FV_X_VAR)
        return x;
    fv_kb_share(b, 1, &x);
    return add_let(b, name, x);
}

void fv_kb_store(fv_kbuilder *b, fv_buf *buf, fv_expr *const *index, fv_expr *x, fv_expr *mask) {
    FV_HOLDS(fv_arena_session(b->arena), x->type.elem == buf->elem);
    if (mask && mask->op == FV_X_CONST) {
        if (!mask->u.i)
            return;
        mask = NULL;
    }
    fv_expr *all[FV_STMT_EXPRS];
    FV_HOLDS(fv_arena_session(b->arena), buf->rank + 2 <= FV_STMT_EXPRS);
    for (int i = 0; i < buf->rank; i++)
        all[i] = index[i];
    all[buf->rank] = x;
    all[buf->rank + 1] = mask;
    fv_kb_share(b, buf->rank + 2, all);
    fv_stmt *s = fv_kb_add(b, FV_S_STORE);
    s->buf = buf;
    s->index = fv_x_copy_list(b->arena, buf->rank, all);
    s->x = all[buf->rank];
    s->mask = all[buf->rank + 1];
}

void fv_kb_prefetch(fv_kbuilder *b, fv_buf *buf, fv_expr *const *index, int cache) {
    fv_expr *all[FV_STMT_EXPRS];
    for (int i = 0; i < buf->rank; i++)
        all[i] = index[i];
    fv_kb_share(b, buf->rank, all);
    fv_stmt *s = fv_kb_add(b, FV_S_PREFETCH);
    s->buf = buf;
    s->cache = cache;
    s->index = fv_x_copy_list(b->arena, buf->rank, all);
}

void fv_kb_transpose(fv_kbuilder *b, fv_buf *tile) {
    FV_HOLDS(fv_arena_session(b->arena), tile->role == FV_BUF_TILE && tile->rank == 2);
    fv_kb_add(b, FV_S_TRANSPOSE)->buf = tile;
}

void fv_kb_call(fv_kbuilder *b, const fv_library_fn *fn, fv_buf *const *args) {
    fv_stmt *s = fv_kb_add(b, FV_S_CALL);
    s->call.library = fn;
    s->call.args = FV_NEW(b->arena, fv_buf *, fn->nparams);
    for (int i = 0; i < fn->nparams; i++)
        s->call.args[i] = args[i];
}

void fv_kb_call_rank(fv_kbuilder *b, const fv_library_fn *fn, fv_buf *const *args, int64_t rank,
                     int64_t ranks) {
    fv_kb_call(b, fn, args);
    b->block->last->call.rank = rank;
    b->block->last->call.ranks = ranks;
}

fv_buf *fv_kb_tile(fv_kbuilder *b, const char *name, fv_elem e, int rank, const int64_t *extent,
                   fv_expr *init) {
    fv_expr **extents = FV_NEW(b->arena, fv_expr *, rank + 1);
    for (int i = 0; i < rank; i++)
        extents[i] = fv_x_int(b->arena, extent[i]);
    FV_HOLDS(fv_arena_session(b->arena), !init || init->type.elem == e);
    if (init)
        fv_kb_share(b, 1, &init);
    fv_stmt *s = fv_kb_add(b, FV_S_TILE);
    s->buf = fv_buf_new(b->arena, name, FV_BUF_TILE, e, rank, extents);
    s->x = init;
    return s->buf;
}

static void open_block(fv_kbuilder *b, fv_stmt *s, fv_block *block) {
    FV_HOLDS(fv_arena_session(b->arena), b->depth < (int)(sizeof b->stack / sizeof *b->stack));
    b->stack[b->depth] = b->block;
    b->open[b->depth++] = s;
    b->block = block;
}

fv_expr *fv_kb_for(fv_kbuilder *b, fv_loop_kind kind, const char *name, fv_expr *lo, fv_expr *hi,
                   int64_t step) {
    FV_HOLDS(fv_arena_session(b->arena), step > 0);
    fv_expr *bounds[2] = {lo, hi};
    fv_kb_share(b, 2, bounds);
    fv_stmt *s = fv_kb_add(b, FV_S_FOR);
    s->loop.kind = kind;
    s->loop.lo = bounds[0];
    s->loop.hi = bounds[1];
    s->loop.step = step;
    s->var = fv_var_new(b->arena, name, fv_kt(FV_I64, 1));
    fv_loop_bounds(s);
    open_block(b, s, &s->body);
    return fv_x_var(b->arena, s->var);
}

void fv_loop_bounds(fv_stmt *s) {
    int64_t unused;
    fv_x_range(s->loop.lo, &s->var->lo, &unused);
    fv_x_range(s->loop.hi, &unused, &s->var->hi);
    if (s->var->hi != INT64_MAX && s->var->hi != INT64_MIN)
        s->var->hi--;
    if (s->var->hi < s->var->lo) /* the loop is never executed */
        s->var->hi = s->var->lo;
}

bool fv_kernel_calls(const fv_kernel *k) {
    for (const fv_stmt *s = k->body.first; s; s = s->next)
        if (s->kind == FV_S_CALL)
            return true;
    return false;
}

const fv_stmt *fv_kernel_exchange(const fv_kernel *k) {
    for (const fv_stmt *s = k->body.first; s; s = s->next)
        if (s->kind == FV_S_CALL && s->call.library->collective)
            return s;
    return NULL;
}

const fv_library_fn *fv_kernel_collective(const fv_kernel *k) {
    const fv_stmt *s = fv_kernel_exchange(k);
    return s ? s->call.library : NULL;
}

void fv_task_bounds(fv_kernel *k) {
    int64_t unused;
    fv_x_range(k->tasks, &unused, &k->task->hi);
    k->task->lo = 0;
    if (k->task->hi != INT64_MAX)
        k->task->hi = k->task->hi > 0 ? k->task->hi - 1 : 0;
}

void fv_kb_if(fv_kbuilder *b, fv_expr *cond) {
    fv_kb_share(b, 1, &cond);
    fv_stmt *s = fv_kb_add(b, FV_S_IF);
    s->x = cond;
    open_block(b, s, &s->body);
}

void fv_kb_else(fv_kbuilder *b) {
    FV_HOLDS(fv_arena_session(b->arena), b->depth > 0 && b->open[b->depth - 1]->kind == FV_S_IF);
    b->block = &b->open[b->depth - 1]->other;
}

void fv_kb_while(fv_kbuilder *b, fv_expr *cond) {
    fv_stmt *s = fv_kb_add(b, FV_S_WHILE);
    s->x = cond;
    open_block(b, s, &s->body);
}

void fv_kb_outline(fv_kbuilder *b) {
    fv_stmt *s = fv_kb_add(b, FV_S_OUTLINE);
    open_block(b, s, &s->body);
}

void fv_kb_matrix(fv_kbuilder *b) {
    fv_stmt *s = fv_kb_add(b, FV_S_MATRIX);
    open_block(b, s, &s->body);
}

void fv_kb_end(fv_kbuilder *b) {
    FV_HOLDS(fv_arena_session(b->arena), b->depth > 0);
    b->block = b->stack[--b->depth];
}

void fv_kb_end_to(fv_kbuilder *b, int depth) {
    while (b->depth > depth)
        fv_kb_end(b);
}

void fv_kb_comment(fv_kbuilder *b, const char *text) {
    fv_kb_add(b, FV_S_COMMENT)->note.text = fv_strdup(b->arena, text);
}

/* ---- numbering ---- */

typedef struct numbering {
    int vars, tiles, launches;
} numbering;

static void number_block(numbering *n, const fv_block *block) {
    for (fv_stmt *s = block->first; s; s = s->next) {
        if (s->var)
            s->var->id = n->vars++;
        if (s->kind == FV_S_TILE)
            s->buf->id = n->tiles++;
        if (s->kind == FV_S_LAUNCH)
            s->call.number = n->launches++;
        number_block(n, &s->body);
        number_block(n, &s->other);
    }
}

int fv_kernel_number(fv_kernel *k) {
    numbering n = {.tiles = k->nbufs};
    for (int i = 0; i < k->ndims; i++)
        k->dims[i]->id = n.vars++;
    if (k->task)
        k->task->id = n.vars++;
    number_block(&n, &k->body);
    k->nvars = n.vars;
    k->ntiles = n.tiles - k->nbufs;
    return n.vars;
}

int fv_program_number(fv_program *p) {
    numbering n = {0};
    for (int i = 0; i < p->symbols.n; i++)
        p->symbols.vars[i]->id = n.vars++;
    for (int i = 0; i < p->noutputs; i++)
        if (p->capacity && p->capacity[i])
            p->capacity[i]->id = n.vars++;
    number_block(&n, &p->host.plan);
    number_block(&n, &p->host.query);
    number_block(&n, &p->host.body);
    for (int i = 0; i < p->memory.nbuffers; i++)
        p->memory.buffers[i]->id = i;
    for (int i = 0; i < p->nkernels; i++)
        fv_kernel_number(p->kernels[i]);
    p->host.nvars = n.vars;
    return n.vars;
}
