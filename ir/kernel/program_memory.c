/* program_memory.c - checks that no buffer of the workspace is read after a kernel wrote to another
 * buffer that overlaps it, on any path through the run.
 *
 * What a statement does to the content of a buffer depends on that content alone: it was never
 * written, it is intact, or it was overwritten. So a loop is visited once, with the three contents
 * that each buffer may have before it, and what becomes of these is its effect. The loops around it
 * apply the effect; otherwise the body of n nested loops would be visited 2^n times. */
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

/* What is in the memory of a buffer, or was there when it was read too late. */
typedef struct content {
    bool written; /* the run has written to the buffer */
    int error;    /* number of a read that is an error, from 1 on; 0: there was none */
    /* the buffer that was written later, and overlaps it; NULL: none; &of_before: the buffer that
     * overwrote it before the loop of which this is an effect */
    const fv_buf *lost_to;
} content;

static const fv_buf of_before;

/* The contents that a buffer may have before a loop. */
enum { UNWRITTEN, INTACT, LOST, BEFORES };

/* A read of a buffer whose content was lost. */
typedef struct late_read {
    const fv_stmt *at;
    const fv_buf *read, *lost_to;
    int order; /* reads are numbered in the order in which their statements are visited */
} late_read;

typedef struct memory {
    fv_kverifier *v;
    int n; /* number of buffers in the workspace */
    span *all;
    fv_ptrmap number; /* buffer -> its index in `all`, plus 1 */
    /* the contents of each buffer that are followed: 1 in the run, BEFORES in a loop */
    int followed;
    const fv_stmt *first; /* the FOR whose first iteration is checked; NULL: none */
    fv_ptrmap effects;    /* loop -> content [n][BEFORES] after it, for each content before it */
    late_read *errors;    /* from 1 on */
    int nerrors, cap_errors;
} memory;

/* The index of the buffer; -1: it is not in the workspace. */
static int number_of(const memory *m, const fv_buf *b) {
    return (int)(intptr_t)fv_ptrmap_get(&m->number, b) - 1;
}

static memory workspace_of(fv_kverifier *v) {
    const fv_program *p = v->program;
    memory m = {.v = v, .number = fv_ptrmap_in(v->a), .effects = fv_ptrmap_in(v->a), .followed = 1};
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

static int add_error(memory *m, late_read e) {
    FV_PUSH(m->v->a, m->errors, m->nerrors, m->cap_errors, e);
    return m->nerrors;
}

static void check_read(memory *m, content *is, const fv_buf *b) {
    const int i = number_of(m, b);
    for (int k = 0; i >= 0 && k < m->followed; k++) {
        content *c = &is[i * m->followed + k];
        if (c->lost_to && !c->error)
            c->error = add_error(m, (late_read){m->v->stmt, b, c->lost_to, m->nerrors});
    }
}

static void note_write(const memory *m, content *is, const fv_buf *b) {
    const int w = m->followed, i = number_of(m, b);
    if (i < 0)
        return;
    for (int k = i * w; k < (i + 1) * w; k++)
        is[k] = (content){.written = true, .error = is[k].error};
    for (int j = 0; j < m->n; j++)
        for (int k = j * w; k < (j + 1) * w && overlap(&m->all[i], &m->all[j]); k++)
            if (is[k].written)
                is[k].lost_to = b;
}

static void check_loads(memory *m, content *is, const fv_expr *root) {
    const fv_expr *x;
    if (!root)
        return;
    for (fv_x_visitor v = fv_x_visit(m->v->a, root); (x = fv_x_next(&v));)
        if (x->op == FV_X_LOAD || x->op == FV_X_GUARD)
            check_read(m, is, x->u.buf);
}

/* A parameter that a kernel also writes is no read: kernels store values to it that they load
 * again. */
static void check_launch(memory *m, content *is, const fv_stmt *s) {
    const fv_kernel *k = s->call.kernel;
    for (int i = 0; i < k->ndims; i++)
        check_loads(m, is, s->call.dims[i]);
    for (int i = 0; i < k->nbufs; i++)
        if (k->bufs[i]->role == FV_BUF_IN)
            check_read(m, is, s->call.args[i]);
    for (int i = 0; i < k->nbufs; i++)
        if (k->bufs[i]->role != FV_BUF_IN)
            note_write(m, is, s->call.args[i]);
}

static void check_block(memory *m, content *is, const fv_block *b);

static content *copy_of(const memory *m, const content *is) {
    content *copy = FV_NEW(m->v->a, content, m->n * m->followed + 1);
    memcpy(copy, is, (size_t)m->n * (size_t)m->followed * sizeof *copy);
    return copy;
}

/* Joins the states after two paths. A buffer whose content was lost before both paths counts as
 * intact if one of them has written it: when the other path is taken, the buffer is not read or is
 * empty, as after a loop without iterations. */
static void join(const memory *m, content *is, const content *other, const content *before) {
    for (int i = 0; i < m->n * m->followed; i++) {
        is[i].written |= other[i].written;
        is[i].error = is[i].error ? is[i].error : other[i].error;
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

static void check_if(memory *m, content *is, const fv_stmt *s) {
    bool taken;
    if (is_decided(m, s->x, &taken)) {
        check_block(m, is, taken ? &s->body : &s->other);
        return;
    }
    const content *before = copy_of(m, is);
    content *other = copy_of(m, is);
    check_block(m, is, &s->body);
    check_block(m, other, &s->other);
    join(m, is, other, before);
}

/* ---- loops ---- */

/* The content after a loop, or after an iteration, of a buffer whose content before it is c. */
static content after(memory *m, const content *effect, content c) {
    content then = effect[c.lost_to ? LOST : c.written ? INTACT : UNWRITTEN];
    if (then.lost_to == &of_before)
        then.lost_to = c.lost_to;
    if (c.error || !then.error)
        then.error = c.error;
    else if (m->errors[then.error - 1].lost_to == &of_before) {
        late_read e = m->errors[then.error - 1];
        e.lost_to = c.lost_to;
        then.error = c.lost_to == &of_before ? then.error : add_error(m, e);
    }
    return then;
}

static void apply(memory *m, content *is, const content *effect) {
    for (int i = 0; i < m->n; i++)
        for (int k = i * m->followed; k < (i + 1) * m->followed; k++)
            is[k] = after(m, &effect[i * BEFORES], is[k]);
}

/* The contents that every buffer may have before a loop. */
static content *contents_before(const memory *m) {
    content *is = FV_NEW(m->v->a, content, m->n * BEFORES + 1);
    for (int i = 0; i < m->n; i++) {
        is[i * BEFORES + INTACT] = (content){.written = true};
        is[i * BEFORES + LOST] = (content){.written = true, .lost_to = &of_before};
    }
    return is;
}

/* The effect of an iteration: of the first one, in which a kernel that alternates between two
 * buffers has written to one of them only, or of any. */
static content *effect_of_body(memory *m, const fv_stmt *s, bool first) {
    content *is = contents_before(m);
    m->first = first && s->kind == FV_S_FOR ? s : NULL;
    check_block(m, is, &s->body);
    return is;
}

/* Adds what an iteration has written and lost to the state in which the next one begins. Returns
 * whether that was anything new. */
static bool begin_again(const memory *m, content *is, const content *after) {
    bool more = false;
    for (int i = 0; i < m->n * m->followed; i++) {
        more |= (after[i].written && !is[i].written) || (after[i].lost_to && !is[i].lost_to);
        is[i].written |= after[i].written;
        is[i].error = after[i].error;
        if (!is[i].lost_to)
            is[i].lost_to = after[i].lost_to;
    }
    return more;
}

/* The number of iterations, if it is known to be at most 1; 2: it may be greater. */
static int iterations(const fv_stmt *s) {
    int64_t lo, hi;
    if (s->kind != FV_S_FOR || !fv_x_is_int(s->loop.lo, &lo) || !fv_x_is_int(s->loop.hi, &hi))
        return 2;
    return lo >= hi ? 0 : lo + s->loop.step >= hi ? 1 : 2;
}

/* The effect of the first iteration, and of others until the state in which an iteration begins no
 * longer changes. */
static content *effect_of_loop(memory *m, const fv_stmt *s) {
    const int n = iterations(s);
    content *is = contents_before(m), *before = contents_before(m);
    if (n)
        apply(m, is, effect_of_body(m, s, true));
    const content *again = n > 1 ? effect_of_body(m, s, false) : NULL;
    for (bool more = n > 1; more;) {
        content *after = copy_of(m, is);
        apply(m, after, again);
        more = begin_again(m, is, after);
    }
    join(m, is, before, before);
    return is;
}

/* The effect does not depend on the loops around this one, so it is found once. */
static const content *loop_effect(memory *m, const fv_stmt *s) {
    const content *known = fv_ptrmap_get(&m->effects, s);
    if (known)
        return known;
    const memory outside = *m;
    m->followed = BEFORES;
    content *effect = effect_of_loop(m, s);
    m->followed = outside.followed;
    m->first = outside.first;
    *fv_ptrmap_at(&m->effects, s) = effect;
    return effect;
}

static void check_stmt(memory *m, content *is, const fv_stmt *s) {
    check_loads(m, is, s->x);
    check_loads(m, is, s->loop.lo);
    check_loads(m, is, s->loop.hi);
    if (s->kind == FV_S_LAUNCH)
        check_launch(m, is, s);
    else if (s->kind == FV_S_IF)
        check_if(m, is, s);
    else if (s->body.first)
        apply(m, is, loop_effect(m, s));
}

static void check_block(memory *m, content *is, const fv_block *b) {
    for (const fv_stmt *s = b->first; s; s = s->next) {
        m->v->stmt = s;
        check_stmt(m, is, s);
    }
}

/* Reports the first read of a content that was lost. */
static bool report(const memory *m, const content *is) {
    const late_read *first = NULL;
    for (int i = 0; i < m->n; i++) {
        const late_read *e = is[i].error ? &m->errors[is[i].error - 1] : NULL;
        first = e && (!first || e->order < first->order) ? e : first;
    }
    if (!first)
        return true;
    m->v->stmt = first->at;
    return fv_kv_illegal(m->v, "'%s' is read after '%s', which overlaps it, was written",
                         first->read->name, first->lost_to->name);
}

bool fv_kv_memory_lasts(fv_kverifier *v) {
    memory m = workspace_of(v);
    content *is = FV_NEW(v->a, content, m.n + 1);
    check_block(&m, is, &v->program->host.body);
    return report(&m, is);
}
