/* stmt.c - statements of kernel IR and of host programs as C, and the analysis of which values are
 * read. */
#include <string.h>

#include "backend/c/helium.h"
#include "backend/c/layer.h"
#include "ir/expr/visit.h"

/* ---- which variables and buffers are used ---- */

void fv_c_mark(fv_cg *g, const void *p) {
    *fv_ptrmap_at(&g->fn.used, p) = (void *)1;
}

bool fv_c_is_used(const fv_cg *g, const void *p) {
    return fv_ptrmap_get(&g->fn.used, p) != NULL;
}

/* Marks the extents with which the indices are combined: those after the first index that is not
 * 0. */
static void mark_place(fv_cg *g, const fv_buf *b, fv_expr *const *index) {
    int64_t v;
    bool any = false;
    for (int i = 0; b->role != FV_BUF_TILE && i < b->rank; i++) {
        if (any)
            fv_c_mark_expr(g, b->extent[i]);
        any |= !(fv_x_is_int(index[i], &v) && v == 0);
    }
}

void fv_c_mark_expr(fv_cg *g, const fv_expr *root) {
    const fv_expr *x;
    if (!root)
        return;
    for (fv_x_visitor v = fv_x_visit(g->arena, root); (x = fv_x_next(&v));) {
        if (x->op == FV_X_VAR)
            fv_c_mark(g, x->u.var);
        if (x->op == FV_X_LOAD || x->op == FV_X_GUARD) {
            fv_c_mark(g, x->u.buf);
            mark_place(g, x->u.buf, x->arg);
        }
    }
}

/* Is s a let that nothing reads, or the declaration of, or a store to, a tile that nothing
 * loads? */
static bool is_idle(const fv_cg *g, const fv_stmt *s) {
    if (s->kind == FV_S_LET)
        return !fv_c_is_used(g, s->var);
    return (s->kind == FV_S_STORE || s->kind == FV_S_TILE) && s->buf->role == FV_BUF_TILE &&
           !fv_c_is_used(g, s->buf);
}

/* Can the statement be omitted? Not if it contains a REQUIRE, which must be evaluated. */
static bool is_dead(const fv_cg *g, const fv_stmt *s) {
    return is_idle(g, s) && !(s->x && fv_x_has(s->x, FV_HAS_REQUIRE));
}

static void mark_backwards(fv_cg *g, const fv_block *b);

static void mark_stmt(fv_cg *g, const fv_stmt *s) {
    mark_backwards(g, &s->other);
    mark_backwards(g, &s->body);
    if (is_dead(g, s))
        return;
    fv_c_mark_expr(g, s->x);
    fv_c_mark_expr(g, s->mask);
    fv_c_mark_expr(g, s->loop.lo);
    fv_c_mark_expr(g, s->loop.hi);
    if (is_idle(g, s))
        return;
    if (s->buf)
        fv_c_mark(g, s->buf);
    if (s->kind == FV_S_STORE || s->kind == FV_S_PREFETCH)
        mark_place(g, s->buf, s->index);
    for (int i = 0; s->index && i < s->buf->rank; i++)
        fv_c_mark_expr(g, s->index[i]);
    for (int i = 0; s->kind == FV_S_LAUNCH && i < s->call.kernel->nbufs; i++)
        fv_c_mark(g, s->call.args[i]);
    for (int i = 0; s->kind == FV_S_LAUNCH && i < s->call.kernel->ndims; i++)
        fv_c_mark_expr(g, s->call.dims[i]);
}

static void mark_backwards(fv_cg *g, const fv_block *b) {
    int n = 0, i = 0;
    for (const fv_stmt *s = b->first; s; s = s->next)
        n++;
    const fv_stmt **all = FV_NEW(g->arena, const fv_stmt *, n + 1);
    for (const fv_stmt *s = b->first; s; s = s->next)
        all[i++] = s;
    while (n > 0)
        mark_stmt(g, all[--n]);
}

/* Marks what is read, repeatedly until nothing is added: a loop may load at its beginning what it
 * stored at its end. */
void fv_c_mark_used(fv_cg *g, const fv_block *b) {
    for (size_t before = SIZE_MAX; before != g->fn.used.n;) {
        before = g->fn.used.n;
        mark_backwards(g, b);
    }
}

/* ---- properties of kernels ---- */

static bool block_polls(const fv_block *b) {
    for (const fv_stmt *s = b->first; s; s = s->next)
        if (s->kind == FV_S_WHILE || block_polls(&s->body) || block_polls(&s->other))
            return true;
    return false;
}

bool fv_c_kernel_polls(const fv_kernel *k) {
    return block_polls(&k->body);
}

const char *fv_c_kernel_tasks(fv_cg *g, const fv_kernel *k) {
    int64_t n;
    if (!k->tasks)
        return "1";
    return fv_x_is_int(k->tasks, &n) ? fv_printf(g->arena, "%lld", (long long)n) : NULL;
}

/* ---- blocks ---- */

void fv_c_open(fv_cg *g, const char *format, ...) {
    va_list ap;
    va_start(ap, format);
    const char *s = fv_vprintf(g->arena, format, ap);
    va_end(ap);
    fv_c_line(g, "%s%s{", s, *s ? " " : "");
    g->indent++;
}

void fv_c_close(fv_cg *g) {
    g->indent--;
    fv_c_line(g, "}");
}

static void inner(fv_cg *g, const fv_block *b) {
    int mark_at = g->naming.scope.n;
    fv_c_block(g, b);
    fv_c_scope_leave(&g->naming.scope, mark_at);
}

const char *fv_c_var_type(fv_cg *g, const fv_var *v) {
    fv_expr *x = fv_x_var(g->arena, (fv_var *)(uintptr_t)v);
    return fv_c_is_narrow(g, x) ? "int32_t" : fv_c_type(g, v->type);
}

const char *fv_c_value_of(fv_cg *g, const fv_var *v, const fv_expr *x) {
    fv_c_piece p = fv_c_expr(g, x);
    bool narrows = !p.is_int && fv_c_is_narrow(g, fv_x_var(g->arena, (fv_var *)(uintptr_t)v));
    return narrows ? fv_printf(g->arena, "(int32_t)%s", fv_c_paren(g, p, FV_C_UNARY)) : p.s;
}

const char *fv_c_declare(fv_cg *g, const fv_var *v) {
    const char *name = fv_c_name(&g->naming.scope, v->name, "t");
    fv_c_set_name(g, v, name);
    return fv_printf(g->arena, "%s %s", fv_c_var_type(g, v), name);
}

/* ---- kernel statements ---- */

/* Declares a variable. Where the run may jump to its end, the value is assigned by a statement of
 * its own, since C++ allows no jump past an initialiser. */
static void put_declaration(fv_cg *g, const char *declared, const char *name, const char *value) {
    if (g->fn.has_heap && !g->fn.in_kernel && g->indent == 1) {
        fv_c_line(g, "%s;", declared);
        fv_c_line(g, "%s = %s;", name, value);
    } else {
        fv_c_line(g, "%s = %s;", declared, value);
    }
}

static void put_let(fv_cg *g, const fv_stmt *s) {
    /* the text of the value is made before the name of the let is declared */
    const char *value = fv_c_value_of(g, s->var, s->x);
    const char *declared = fv_c_declare(g, s->var);
    put_declaration(g, declared, fv_c_name_of(g, s->var), value);
}

/* Is s a store x = x + y of floats, which is written x += y? */
static bool is_accumulation(const fv_stmt *s) {
    const fv_expr *x = s->x, *a = x->n ? x->arg[0] : NULL;
    if (x->op != FV_X_ADD || !fv_elem_is_float(x->type.elem) || a->op != FV_X_LOAD ||
        a->u.buf != s->buf || a->type.lanes != s->buf->lanes)
        return false;
    for (int i = 0; i < s->buf->rank; i++)
        if (!fv_x_equal(a->arg[i], s->index[i]))
            return false;
    return true;
}

static void put_element(fv_cg *g, const fv_stmt *s) {
    const char *at = fv_c_element(g, s->buf, s->index).s;
    if (s->mask && s->mask->type.lanes > 1)
        fv_c_line(g, "%s = %s;", at,
                  fv_c_apply(g, fv_c_layer_select(g, s->buf->elem, s->x->type.lanes), "%s, %s, %s",
                             fv_c_str(g, s->mask), fv_c_str(g, s->x), at));
    else if (is_accumulation(s))
        fv_c_line(g, "%s += %s;", at, fv_c_str(g, s->x->arg[1]));
    else
        fv_c_line(g, "%s = %s;", at, fv_c_str(g, s->x));
}

static void put_run(fv_cg *g, const fv_stmt *s) {
    fv_elem e = s->buf->elem;
    int lanes = s->x->type.lanes;
    const bool narrows = !s->mask && s->x->op == FV_X_CONVERT;
    const fv_expr *wide = narrows ? s->x->arg[0] : s->x;
    const char *helium = narrows ? fv_c_helium_store(g, e, (fv_elem)wide->type.elem, lanes) : NULL;
    const char *at = fv_c_address(g, s->buf, s->index), *v = fv_c_str(g, helium ? wide : s->x);
    if (helium)
        fv_c_line(g, "%s(%s, %s);", helium, at, v);
    else if (s->mask && s->mask->type.lanes > 1)
        fv_c_line(g, "%s(%s, %s, %s);", fv_c_layer_store_if(g, e, lanes), fv_c_str(g, s->mask), at,
                  v);
    else
        fv_c_line(g, "%s(%s, %s);", fv_c_layer_store(g, e, lanes), at, v);
}

static void put_store(fv_cg *g, const fv_stmt *s) {
    const fv_expr *c = s->mask;
    if (c && c->op == FV_X_SPLAT)
        c = c->arg[0];
    bool when = c && c->type.lanes == 1;
    if (when)
        fv_c_open(g, "if (%s)", fv_c_str(g, c));
    switch (fv_access_kind(s->buf, s->index, s->x->type.lanes)) {
    case FV_ACCESS_ELEMENT: put_element(g, s); break;
    case FV_ACCESS_RUN: put_run(g, s); break;
    case FV_ACCESS_GATHER:
        fv_c_line(g, "%s;", fv_c_scatter(g, s->buf, s->index, s->x, when ? NULL : c));
        break;
    }
    if (when)
        fv_c_close(g);
}

enum {
    /* largest tile that is initialised element by element, so that compilers keep it in
     * registers */
    CHAIN = 64
};

static void put_tile_loops(fv_cg *g, const fv_buf *b, const char *init) {
    fv_text at = {.arena = g->arena};
    for (int i = 0; i < b->rank; i++) {
        fv_c_open(g, "for (int fv_%d = 0; fv_%d < %s; fv_%d++)", i, i, fv_c_str(g, b->extent[i]),
                  i);
        fv_text_printf(&at, "[fv_%d]", i);
    }
    fv_c_line(g, "%s%s = %s;", fv_c_name_of(g, b), at.s, init);
    for (int i = 0; i < b->rank; i++)
        fv_c_close(g);
}

static void put_tile_chain(fv_cg *g, const fv_buf *b, const char *init, int64_t count) {
    fv_text t = {.arena = g->arena};
    for (int64_t n = 0; n < count; n++) {
        int64_t rest = n, inside = count;
        fv_text_put(&t, fv_c_name_of(g, b));
        for (int i = 0; i < b->rank; i++) {
            inside /= fv_x_int_value(b->extent[i]);
            fv_text_printf(&t, "[%lld]", (long long)(rest / inside));
            rest %= inside;
        }
        fv_text_put(&t, " = ");
    }
    fv_c_line(g, "%s%s;", t.s, init);
}

const char *fv_c_tile(fv_cg *g, const fv_buf *b) {
    fv_text t = {.arena = g->arena};
    fv_text_printf(&t, "%s %s",
                   b->lanes > 1 ? fv_c_type(g, fv_kt(b->elem, b->lanes)) : fv_c_elem(b->elem),
                   fv_c_name_of(g, b));
    for (int i = 0; i < b->rank; i++)
        fv_text_printf(&t, "[%lld]", (long long)fv_x_int_value(b->extent[i]));
    return t.s;
}

/* The declaration of a parameter, "const float *restrict x". A buffer that is written overlaps no
 * other one, so `restrict` is true of buffers that are only read or only written. */
const char *fv_c_parameter(fv_cg *g, const fv_buf *b, bool with_restrict) {
    const char *name = fv_c_name_of(g, b);
    return fv_printf(g->arena, "%s%s *%s%s", b->role == FV_BUF_IN ? "const " : "",
                     fv_c_elem(b->elem),
                     with_restrict && b->role != FV_BUF_INOUT ? "restrict " : "", name);
}

static void put_tile(fv_cg *g, const fv_stmt *s) {
    const fv_buf *b = s->buf;
    const char *init = s->x ? fv_c_str(g, s->x) : NULL;
    const char *name = fv_c_name(&g->naming.scope, b->name, "acc");
    fv_c_set_name(g, b, name);
    fv_ktype type = fv_kt(b->elem, b->lanes);
    if (b->rank == 0) {
        const char *declared = fv_printf(g->arena, "%s %s", fv_c_type(g, type), name);
        if (init)
            put_declaration(g, declared, name, init);
        else
            fv_c_line(g, "%s;", declared);
        return;
    }
    int64_t count = 1;
    for (int i = 0; i < b->rank; i++)
        count *= fv_x_int_value(b->extent[i]);
    fv_c_line(g, "%s;", fv_c_tile(g, b));
    if (init && count > 0 && count <= CHAIN)
        put_tile_chain(g, b, init, count);
    else if (init && count > 0)
        put_tile_loops(g, b, init);
}

/* Is s a loop of a few iterations over loops or over several sums, as over a window? Targets of 32
 * bits have no vectors that would hide what the loop itself takes, and compilers do not unroll it
 * of their own. */
static bool is_short_window(const fv_cg *g, const fv_stmt *s) {
    enum { FEW = 4, MANY = 3 };
    int64_t lo, hi;
    bool is = g->machine.narrow && g->fn.in_kernel && fv_x_is_int(s->loop.lo, &lo) &&
              fv_x_is_int(s->loop.hi, &hi) && hi - lo > 1 && hi - lo <= FEW * s->loop.step;
    int sums = 0;
    for (const fv_stmt *in = s->body.first; in && is; in = in->next) {
        sums += in->kind == FV_S_FOR ? MANY : in->kind == FV_S_STORE;
        is = in->kind != FV_S_IF && in->kind != FV_S_WHILE && in->kind != FV_S_OUTLINE;
        for (const fv_stmt *deep = in->body.first; deep && is; deep = deep->next)
            is = deep->kind == FV_S_STORE || deep->kind == FV_S_LET;
    }
    return is && sums >= MANY;
}

static void put_for(fv_cg *g, const fv_stmt *s) {
    int mark_at = g->naming.scope.n;
    const char *lo = fv_c_value_of(g, s->var, s->loop.lo), *hi = fv_c_at(g, s->loop.hi, FV_C_ADD);
    if (fv_x_has_load(s->loop.hi)) { /* the bound is evaluated once, before the loop */
        const char *end =
            fv_c_name(&g->naming.scope, fv_printf(g->arena, "%s_end", s->var->name), "end");
        put_declaration(g, fv_printf(g->arena, "int64_t %s", end), end, hi);
        hi = end;
    }
    const char *declared = fv_c_declare(g, s->var), *name = fv_c_name_of(g, s->var);
    const char *step = s->loop.step == 1
                           ? fv_printf(g->arena, "%s++", name)
                           : fv_printf(g->arena, "%s += %lld", name, (long long)s->loop.step);
    if (is_short_window(g, s))
        fv_c_line(g, "%s_UNROLL", g->NAME);
    fv_c_open(g, "for (%s = %s; %s < %s; %s)", declared, lo, name, hi, step);
    fv_c_block(g, &s->body);
    fv_c_close(g);
    fv_c_scope_leave(&g->naming.scope, mark_at);
}

static void put_if(fv_cg *g, const fv_stmt *s) {
    fv_c_open(g, "if (%s)", g->fn.in_kernel ? fv_c_str(g, s->x) : fv_c_test(g, s->x));
    inner(g, &s->body);
    if (s->other.first) {
        g->indent--;
        fv_c_line(g, "} else {");
        g->indent++;
        inner(g, &s->other);
    }
    fv_c_close(g);
}

static void put_while(fv_cg *g, const fv_stmt *s) {
    fv_c_open(g, "while (%s)", fv_c_str(g, s->x));
    if (g->fn.in_kernel) {
        fv_c_open(g, "if (cancel && *cancel)");
        fv_c_matrix_end(g);
        fv_c_line(g, "return;");
        fv_c_close(g);
    } else {
        fv_c_host_stmt(g, s);
    }
    inner(g, &s->body);
    fv_c_close(g);
}

void fv_c_block(fv_cg *g, const fv_block *b) {
    for (const fv_stmt *s = b->first; s; s = s->next) {
        if (is_dead(g, s))
            continue;
        if (is_idle(g, s)) {
            fv_c_line(g, "(void)(%s);", fv_c_str(g, s->x));
            continue;
        }
        switch (s->kind) {
        case FV_S_LET: put_let(g, s); break;
        case FV_S_STORE: put_store(g, s); break;
        case FV_S_PREFETCH:
            fv_c_line(g, "%s_PREFETCH(%s, %d);", g->NAME, fv_c_address(g, s->buf, s->index),
                      s->cache);
            break;
        case FV_S_TRANSPOSE:
            break; /* removed by expansion */
        /* not reached: emit.c refuses kernels with calls */
        case FV_S_CALL: fv_c_line(g, "/* calls %s of a library */", s->call.library->name); break;
        case FV_S_TILE: put_tile(g, s); break;
        case FV_S_FOR: put_for(g, s); break;
        case FV_S_IF: put_if(g, s); break;
        case FV_S_WHILE: put_while(g, s); break;
        case FV_S_OUTLINE: fv_c_outline(g, s); break;
        case FV_S_MATRIX:
            if (!fv_c_matrix(g, s))
                fv_c_block(g, &s->body);
            break;
        case FV_S_COMMENT: fv_c_line(g, "/* %s */", fv_c_comment(g->arena, s->note.text)); break;
        case FV_S_READ:
        case FV_S_PLAN:
        case FV_S_MEMORY:
        case FV_S_CHECK:
        case FV_S_LAUNCH:
        case FV_S_ALLOC:
        case FV_S_FREE:
        case FV_S_SETDIM: fv_c_host_stmt(g, s); break;
        }
    }
}
