/* build_stmt.c - translates statements and whole kernels to bytecode. */
#include "backend/interp/build.h"

static void let(build *b, const fv_stmt *s) {
    const fv_expr *x = s->x;
    *fv_ptrmap_at(&b->at.lets, s->var) = (void *)x;
    if (x->op == FV_X_VAR) { /* the variable shares the register, since values do not change */
        fv_i_set_var(b, s->var, fv_i_var(b, x->u.var));
        return;
    }
    uint32_t d = fv_i_reg(b, x->type), top = b->top;
    fv_i_value_into(b, x, d);
    fv_i_set_var(b, s->var, d);
    b->top = top;
}

static void store(build *b, const fv_stmt *s) {
    uint32_t top = b->top;
    if (s->buf->role == FV_BUF_IN)
        fv_i_fail(b, "a store to '%s', which is only read", s->buf->name);
    uint32_t a = fv_i_value(b, s->x);
    access *m = fv_i_access(b, s->buf, s->index, s->x->type.lanes);
    uint32_t c = s->mask ? fv_i_value(b, s->mask) : 0;
    m->masked = s->mask != NULL;
    m->mask_vector = s->mask && s->mask->type.lanes > 1;
    insn *i = fv_i_emit(b, fv_i_store(m, s->x->type.lanes));
    i->a = a;
    i->c = c;
    i->lanes = s->x->type.lanes;
    i->is_access = true;
    i->u.access = m;
    b->top = top;
}

/* The number of elements of a tile; 0 after a diagnostic. */
static uint32_t tile_elements(build *b, const fv_buf *t) {
    uint64_t n = 1;
    for (int k = 0; k < t->rank; k++) {
        int64_t extent;
        if (!fv_x_is_int(t->extent[k], &extent) || extent < 0 || extent > 1 << 24 ||
            (n *= (uint64_t)extent) > 1 << 24) {
            fv_i_fail(b, "the size of tile '%s' is not a small constant", t->name);
            return 0;
        }
    }
    return (uint32_t)n;
}

/* Allocates registers for a tile, which are freed at the end of the block. */
static void declare_tile(build *b, const fv_stmt *s) {
    const fv_buf *t = s->buf;
    uint32_t n = tile_elements(b, t), lanes = t->lanes > 1 ? t->lanes : 1;
    uint32_t size = (uint32_t)fv_elem_storage_bytes(t->elem) * lanes;
    if (n > (1u << 28) / size)
        fv_i_fail(b, "tile '%s' is too large", t->name);
    if (b->failed)
        return;
    uint32_t at = fv_i_reg_bytes(b, n * size, 64), top = b->top;
    tile t_at = {fv_i_new_slot(b, t), at, n * size};
    FV_PUSH(b->arena, b->tiles.all, b->tiles.n, b->tiles.cap, t_at);
    uint32_t init = s->x ? fv_i_value(b, s->x) : 0;
    if (s->x && s->x->type.lanes != lanes) /* a scalar is copied to all lanes */
        n *= lanes, size /= lanes;
    insn *i = fv_i_emit(b, s->x ? fv_i_fill : fv_i_poison);
    i->d = at;
    i->a = init;
    i->b = n;
    i->c = s->x ? size : n * size;
    b->top = top;
}

static void loop(build *b, const fv_stmt *s) {
    if (s->loop.kind != FV_SERIAL)
        fv_i_fail(b, "loop '%s' is not serial", s->var->name);
    uint32_t top = b->top, d = fv_i_reg(b, s->var->type);
    uint32_t lo = fv_i_value(b, s->loop.lo), hi = fv_i_value(b, s->loop.hi);
    fv_i_set_var(b, s->var, d);
    int enter = b->n;
    insn *i = fv_i_emit(b, fv_i_enter);
    i->d = d;
    i->a = lo;
    i->b = hi;
    fv_i_block(b, &s->body);
    uint32_t step = fv_i_const_int(b, s->loop.step);
    int next = b->n;
    i = fv_i_emit(b, fv_i_next);
    i->d = d;
    i->a = step;
    i->b = hi;
    fv_i_aim(b, next, enter + 1);
    fv_i_aim(b, enter, b->n);
    b->top = top;
}

/* Adds a jump that is taken if the condition is false. Returns its number, for fv_i_aim. */
static int jump_if_not(build *b, const fv_expr *cond) {
    uint32_t top = b->top, c = fv_i_value(b, cond);
    if (cond->type.lanes != 1)
        fv_i_fail(b, "a condition of %d lanes", cond->type.lanes);
    fv_i_emit(b, fv_i_jump_if_not)->a = c;
    b->top = top;
    return b->n - 1;
}

static void branch(build *b, const fv_stmt *s) {
    int otherwise = jump_if_not(b, s->x);
    fv_i_block(b, &s->body);
    if (s->other.first) {
        int end = b->n;
        fv_i_emit(b, fv_i_jump);
        fv_i_aim(b, otherwise, b->n);
        fv_i_block(b, &s->other);
        otherwise = end;
    }
    fv_i_aim(b, otherwise, b->n);
}

static void repeat(build *b, const fv_stmt *s) {
    int start = b->n;
    fv_i_emit(b, fv_i_poll);
    int end = jump_if_not(b, s->x);
    fv_i_block(b, &s->body);
    int back = b->n;
    fv_i_emit(b, fv_i_jump);
    fv_i_aim(b, back, start);
    fv_i_aim(b, end, b->n);
}

/* Adds a CALL of a library function. Extents are copied into registers of their own, because the
 * registers of constants are not numbered yet. */
static void call_(build *b, const fv_stmt *s) {
    call *c = FV_NEW(b->arena, call, 1);
    c->function = fv_library_find(fv_arena_session(b->arena), s->call.library);
    c->name = s->call.library->name;
    c->nargs = s->call.library->nparams;
    b->failed |= !c->function;
    uint32_t top = b->top;
    for (int i = 0; i < c->nargs; i++) {
        const fv_buf *buf = s->call.args[i];
        c->slots[i] = fv_i_slot(b, buf);
        if (!c->from && !s->call.library->params[i].written)
            c->from = buf;
        for (int k = 0; k < buf->rank; k++)
            c->extents[c->nextents++] = fv_i_held(b, buf->extent[k]);
    }
    fv_i_emit(b, fv_i_call)->u.data = c;
    b->top = top;
}

static void statement(build *b, const fv_stmt *s) {
    switch (s->kind) {
    case FV_S_LET: let(b, s); break;
    case FV_S_STORE: store(b, s); break;
    case FV_S_TILE: declare_tile(b, s); break;
    case FV_S_FOR: loop(b, s); break;
    case FV_S_IF: branch(b, s); break;
    case FV_S_WHILE: repeat(b, s); break;
    case FV_S_OUTLINE:
    case FV_S_MATRIX: fv_i_block(b, &s->body); break;
    case FV_S_CALL: call_(b, s); break;
    case FV_S_PREFETCH:
    case FV_S_COMMENT: break;
    case FV_S_TRANSPOSE: fv_i_fail(b, "a transpose was not expanded"); break;
    case FV_S_READ:
    case FV_S_PLAN:
    case FV_S_MEMORY:
    case FV_S_CHECK:
    case FV_S_LAUNCH:
    case FV_S_ALLOC:
    case FV_S_FREE:
    case FV_S_SETDIM:
        if (b->host_stmt)
            b->host_stmt(b, s);
        else
            fv_i_fail(b, "a statement of host programs in a kernel");
        break;
    }
}

void fv_i_statements(build *b, const fv_block *block) {
    for (const fv_stmt *s = block->first; s && !b->failed; s = s->next)
        statement(b, s);
}

void fv_i_block(build *b, const fv_block *block) {
    uint32_t top = b->top;
    fv_i_statements(b, block);
    b->top = top;
}

/* ---- kernels ---- */

/* Builds the part of a kernel that is executed once per launch: extents of parameters and the
 * number of tasks. */
static void launch_part(build *b, bytecode *c, const fv_kernel *k) {
    c->dim_at = FV_NEW(b->arena, uint32_t, k->ndims);
    c->params = FV_NEW(b->arena, param, k->nbufs);
    c->ndims = k->ndims;
    c->nparams = k->nbufs;
    for (int i = 0; i < k->ndims; i++)
        fv_i_set_var(b, k->dims[i], c->dim_at[i] = fv_i_reg(b, k->dims[i]->type));
    c->task_at = fv_i_reg(b, fv_kt(FV_I64, 1));
    if (k->task)
        fv_i_set_var(b, k->task, c->task_at);
    for (int i = 0; i < k->nbufs; i++) {
        const fv_buf *buf = k->bufs[i];
        fv_i_new_slot(b, buf);
        uint32_t *extent = FV_NEW(b->arena, uint32_t, buf->rank);
        for (int j = 0; j < buf->rank; j++)
            extent[j] = fv_i_value(b, buf->extent[j]);
        c->params[i] = (param){buf, buf->rank, (uint32_t)fv_elem_storage_bytes(buf->elem), extent};
        *fv_ptrmap_at(&b->at.extents, buf) = extent;
    }
    c->tasks_at = k->tasks ? fv_i_value(b, k->tasks) : fv_i_const_int(b, 1);
    c->file.kept = b->top;
    fv_i_emit(b, fv_i_end);
}

const bytecode *fv_i_compile_kernel(fv_arena *a, const fv_kernel *k) {
    build b;
    bytecode *c = FV_NEW(a, bytecode, 1);
    fv_i_build_init(&b, a, k->name);
    b.by_hand = !k->schedule;
    launch_part(&b, c, k);
    int task = b.n;
    fv_i_block(&b, &k->body);
    fv_i_emit(&b, fv_i_end);
    fv_i_finish(&b, c, task);
    return b.failed ? NULL : c;
}
