/* footprint.c - computes sizes, offsets and lifetimes of buffers for given dims. */
#include "tools/model/footprint.h"

#include "ir/expr/rewrite.h"

/* ---- numbers ---- */

static void set_value(fv_footprint *f, const fv_var *var, fv_expr *x) {
    *fv_ptrmap_at(&f->values, var) = x;
}

static fv_expr *value(const fv_footprint *f, const fv_expr *x) {
    fv_ptrmap memo = fv_ptrmap_in(f->arena);
    return fv_x_subst(f->arena, x, &f->values, &memo);
}

int64_t fv_footprint_number(const fv_footprint *f, const fv_expr *x) {
    int64_t n;
    return x && fv_x_is_int(value(f, x), &n) ? n : -1;
}

static void evaluate_plan(fv_footprint *f, const fv_program *p, const int64_t *dims) {
    for (int i = 0; i < p->symbols.n; i++)
        set_value(f, p->symbols.vars[i], fv_x_int(f->arena, dims[i]));
    for (const fv_stmt *s = p->host.plan.first; s; s = s->next)
        if (s->kind == FV_S_LET && !fv_ptrmap_get(&f->values, s->var))
            set_value(f, s->var, value(f, s->x));
}

static int64_t buffer_bytes(const fv_footprint *f, const fv_buf *b) {
    if (b->bytes)
        return fv_footprint_number(f, b->bytes);
    int64_t n = fv_elem_storage_bytes(b->elem);
    for (int i = 0; i < b->rank && n >= 0; i++) {
        int64_t e = b->extent ? fv_footprint_number(f, b->extent[i]) : -1;
        n = e < 0 || __builtin_mul_overflow(n, e, &n) ? -1 : n;
    }
    return n;
}

const char *fv_buffer_role(const fv_buf *b) {
    return b->role == FV_BUF_INPUT    ? "input"
           : b->role == FV_BUF_OUTPUT ? "output"
           : b->role == FV_BUF_CONST  ? "weight"
           : b->role == FV_BUF_WORK   ? "workspace"
                                      : "allocated";
}

/* ---- lifetimes ---- */

static bool is_loop(const fv_stmt *s) {
    return s->kind == FV_S_FOR || s->kind == FV_S_WHILE;
}

/* A buffer that was written before a loop and is read in the loop is needed until the last
 * iteration. */
static void keep_through(fv_footprint *f, int before) {
    for (int b = 0; b < f->nbuffers; b++) {
        fv_footprint_buffer *x = &f->buffers[b];
        if (x->first && x->first <= before && x->last > before)
            x->last = f->nlaunches;
    }
}

static void find_lifetimes(fv_footprint *f, const fv_block *block) {
    for (const fv_stmt *s = block->first; s; s = s->next) {
        int before = f->nlaunches;
        f->nlaunches += s->kind == FV_S_LAUNCH;
        for (int i = 0; s->kind == FV_S_LAUNCH && i < s->call.kernel->nbufs; i++) {
            fv_footprint_buffer *b = &f->buffers[s->call.args[i]->id];
            b->first = b->first ? b->first : f->nlaunches;
            b->last = f->nlaunches;
        }
        find_lifetimes(f, &s->body);
        find_lifetimes(f, &s->other);
        if (is_loop(s))
            keep_through(f, before);
    }
}

static void find_live(fv_footprint *f) {
    f->live = FV_NEW(f->arena, int64_t, f->nlaunches + 1);
    for (int b = 0; b < f->nbuffers; b++) {
        const fv_footprint_buffer *x = &f->buffers[b];
        for (int k = x->first; x->buf->role == FV_BUF_WORK && x->bytes > 0 && k && k <= x->last;
             k++)
            f->live[k] += x->bytes;
    }
    for (int k = 1; k <= f->nlaunches; k++)
        f->bound = f->live[k] > f->bound ? f->live[k] : f->bound;
}

fv_footprint fv_footprint_of(fv_arena *a, const fv_program *p, const int64_t *dims) {
    fv_footprint f = {.arena = a, .values = fv_ptrmap_in(a), .nbuffers = p->memory.nbuffers};
    evaluate_plan(&f, p, dims);
    f.workspace = p->memory.workspace ? fv_footprint_number(&f, p->memory.workspace) : 0;
    f.buffers = FV_NEW(a, fv_footprint_buffer, p->memory.nbuffers + 1);
    for (int i = 0; i < p->memory.nbuffers; i++) {
        const fv_buf *b = p->memory.buffers[i];
        f.buffers[i] = (fv_footprint_buffer){.buf = b, .bytes = buffer_bytes(&f, b), .offset = -1};
        if (b->role == FV_BUF_WORK)
            f.buffers[i].offset = fv_footprint_number(&f, b->offset);
    }
    find_lifetimes(&f, &p->host.body);
    find_live(&f);
    return f;
}
