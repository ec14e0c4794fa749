/* program_memory.c - checks that no buffer of the workspace is read after a kernel wrote to another
 * buffer that overlaps it, on any path through the run. */
#include "ir/kernel/program_memory.h"

#include <string.h>

#include "ir/expr/rewrite.h"
#include "ir/expr/visit.h"

/* ---- which buffers overlap? ---- */

/* Is the buffer empty, or of such a size or offset that no run can have it? Such sizes are sums
 * that saturated. */
static bool is_nowhere(const fv_buf *b) {
    const int64_t far = INT64_C(1) << 62;
    int64_t n;
    return (fv_x_is_int(b->bytes, &n) && (n <= 0 || n >= far)) ||
           (fv_x_is_int(b->offset, &n) && n >= far);
}

typedef struct span { /* the bytes of a buffer in the workspace */
    const fv_buf *buf;
    bool nowhere;     /* whether the buffer has no bytes in the workspace */
    int64_t from, to; /* the bytes from `from` to before `to`, if `at` is NULL */
    const fv_expr *at;
} span;

static span span_of(const fv_buf *b) {
    span s = {.buf = b, .nowhere = b->role != FV_BUF_WORK || is_nowhere(b)};
    if (s.nowhere)
        return s;
    s.at = fv_x_is_int(b->offset, &s.from) ? NULL : b->offset;
    s.to = fv_x_is_int(b->bytes, &s.to) ? s.from + s.to : s.from + 1;
    return s;
}

static bool overlap(const span *a, const span *b) {
    if (a->buf == b->buf || a->nowhere || b->nowhere || !a->at != !b->at)
        return false;
    return a->at ? fv_x_equal(a->at, b->at) : a->from < b->to && b->from < a->to;
}

bool fv_bufs_overlap(const fv_buf *a, const fv_buf *b) {
    span x = span_of(a), y = span_of(b);
    return overlap(&x, &y);
}

/* ---- the run ---- */

typedef struct content { /* what is in the memory of a buffer */
    bool written;        /* the run has written to the buffer */
    /* the buffer that was written later, and overlaps it; NULL: none */
    const fv_buf *lost_to;
} content;

typedef struct memory {
    fv_kverifier *v;
    int n; /* number of buffers in the workspace */
    span *all;
    fv_ptrmap number;     /* buffer -> its index in `all`, plus 1 */
    const fv_stmt *first; /* the FOR whose first iteration is checked; NULL: none */
} memory;

/* The index of the buffer; -1: it is not in the workspace. */
static int number_of(const memory *m, const fv_buf *b) {
    return (int)(intptr_t)fv_ptrmap_get(&m->number, b) - 1;
}

static memory workspace_of(fv_kverifier *v) {
    const fv_program *p = v->program;
    memory m = {.v = v, .number = fv_ptrmap_in(v->a)};
    m.all = FV_NEW(v->a, span, p->memory.nbuffers + 1);
    for (int i = 0; i < p->memory.nbuffers; i++) {
        const fv_buf *b = p->memory.buffers[i];
        if (b->role != FV_BUF_WORK)
            continue;
        m.all[m.n++] = span_of(b);
        *fv_ptrmap_at(&m.number, b) = (void *)(intptr_t)m.n;
    }
    return m;
}

static bool check_read(const memory *m, const content *is, const fv_buf *b) {
    int i = number_of(m, b);
    return i < 0 || !is[i].lost_to ||
           fv_kv_illegal(m->v, "'%s' is read after '%s', which overlaps it, was written", b->name,
                         is[i].lost_to->name);
}

static void note_write(const memory *m, content *is, const fv_buf *b) {
    int i = number_of(m, b);
    if (i < 0)
        return;
    is[i] = (content){.written = true};
    for (int k = 0; k < m->n; k++)
        if (is[k].written && overlap(&m->all[i], &m->all[k]))
            is[k].lost_to = b;
}

static bool check_loads(const memory *m, const content *is, const fv_expr *root) {
    const fv_expr *x;
    if (!root)
        return true;
    for (fv_x_visitor v = fv_x_visit(m->v->a, root); (x = fv_x_next(&v));)
        if ((x->op == FV_X_LOAD || x->op == FV_X_GUARD) && !check_read(m, is, x->u.buf))
            return false;
    return true;
}

/* A parameter that a kernel also writes is no read: kernels store values to it that they load
 * again. */
static bool check_launch(const memory *m, content *is, const fv_stmt *s) {
    const fv_kernel *k = s->call.kernel;
    for (int i = 0; i < k->ndims; i++)
        if (!check_loads(m, is, s->call.dims[i]))
            return false;
    for (int i = 0; i < k->nbufs; i++)
        if (k->bufs[i]->role == FV_BUF_IN && !check_read(m, is, s->call.args[i]))
            return false;
    for (int i = 0; i < k->nbufs; i++)
        if (k->bufs[i]->role != FV_BUF_IN)
            note_write(m, is, s->call.args[i]);
    return true;
}

static bool check_block(memory *m, content *is, const fv_block *b);

static content *copy_of(const memory *m, const content *is) {
    content *copy = FV_NEW(m->v->a, content, m->n + 1);
    memcpy(copy, is, (size_t)m->n * sizeof *copy);
    return copy;
}

/* Joins the states after two paths. A buffer whose content was lost before both paths counts as
 * intact if one of them has written it: when the other path is taken, the buffer is not read or is
 * empty, as after a loop without iterations. */
static void join(const memory *m, content *is, const content *other, const content *before) {
    for (int i = 0; i < m->n; i++) {
        is[i].written |= other[i].written;
        if (before[i].lost_to && !other[i].lost_to)
            is[i].lost_to = NULL;
        else if (!before[i].lost_to && !is[i].lost_to)
            is[i].lost_to = other[i].lost_to;
    }
}

/* Is the condition constant here? Then *is is its value. In the first iteration of a loop, the
 * variable has its first value. */
static bool is_decided(const memory *m, fv_expr *x, bool *is) {
    fv_var *var = m->first ? m->first->var : NULL;
    if (var)
        x = fv_x_replace_vars(m->v->a, x, 1, &var, &m->first->loop.lo);
    *is = x->op == FV_X_CONST && x->u.i;
    return x->op == FV_X_CONST;
}

static bool check_if(memory *m, content *is, const fv_stmt *s) {
    bool taken;
    if (is_decided(m, s->x, &taken))
        return check_block(m, is, taken ? &s->body : &s->other);
    content *before = copy_of(m, is), *other = copy_of(m, is);
    if (!check_block(m, is, &s->body) || !check_block(m, other, &s->other))
        return false;
    join(m, is, other, before);
    return true;
}

/* Adds what an iteration has written and lost to the state in which the next one begins. Returns
 * whether that was anything new. */
static bool begin_again(const memory *m, content *is, const content *after) {
    bool more = false;
    for (int i = 0; i < m->n; i++) {
        more |= (after[i].written && !is[i].written) || (after[i].lost_to && !is[i].lost_to);
        is[i].written |= after[i].written;
        if (!is[i].lost_to)
            is[i].lost_to = after[i].lost_to;
    }
    return more;
}

/* Checks the first iteration, in which a kernel that alternates between two buffers has written to
 * one of them only. */
static bool check_first(memory *m, content *is, const fv_stmt *s) {
    const fv_stmt *outside = m->first;
    m->first = s->kind == FV_S_FOR ? s : NULL;
    bool ok = check_block(m, is, &s->body);
    m->first = outside;
    return ok;
}

/* The number of iterations, if it is known to be at most 1; 2: it may be greater. */
static int iterations(const fv_stmt *s) {
    int64_t lo, hi;
    if (s->kind != FV_S_FOR || !fv_x_is_int(s->loop.lo, &lo) || !fv_x_is_int(s->loop.hi, &hi))
        return 2;
    return lo >= hi ? 0 : lo + s->loop.step >= hi ? 1 : 2;
}

/* Checks the first iteration, and then the body again until the state in which an iteration begins
 * no longer changes. */
static bool check_loop(memory *m, content *is, const fv_stmt *s) {
    content *before = copy_of(m, is);
    const fv_stmt *outside = m->first;
    int n = iterations(s);
    if (n && !check_first(m, is, s))
        return false;
    m->first = NULL;
    for (bool more = n > 1; more;) {
        content *after = copy_of(m, is);
        if (!check_block(m, after, &s->body))
            return false;
        more = begin_again(m, is, after);
    }
    m->first = outside;
    join(m, is, before, before);
    return true;
}

static bool check_stmt(memory *m, content *is, const fv_stmt *s) {
    if (!check_loads(m, is, s->x) || !check_loads(m, is, s->loop.lo) ||
        !check_loads(m, is, s->loop.hi))
        return false;
    if (s->kind == FV_S_LAUNCH)
        return check_launch(m, is, s);
    if (s->kind == FV_S_IF)
        return check_if(m, is, s);
    return !s->body.first || check_loop(m, is, s);
}

static bool check_block(memory *m, content *is, const fv_block *b) {
    for (const fv_stmt *s = b->first; s; s = s->next) {
        m->v->stmt = s;
        if (!check_stmt(m, is, s))
            return false;
    }
    return true;
}

bool fv_kv_memory_lasts(fv_kverifier *v) {
    memory m = workspace_of(v);
    return check_block(&m, FV_NEW(v->a, content, m.n + 1), &v->program->host.body);
}
