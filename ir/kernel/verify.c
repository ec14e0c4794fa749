/* verify.c - verifies kernels: types, scopes, ranks, roles of buffers. disjoint.c proves that
 * parallel and vector loops store disjoint elements. */
#include "ir/kernel/verify.h"

#include <stdio.h>
#include <string.h>

#include "ir/base/diag.h"
#include "ir/base/limits.h"
#include "ir/expr/check.h"
#include "ir/kernel/disjoint.h"
#include "ir/kernel/matrix.h"
#include "ir/kernel/program_protocol.h"
#include "ir/kernel/verifier.h"
#include "ir/kernel/verify_parts.h"

enum { MAX_TILE_BYTES = 1 << 16 };

/* ---- scopes ---- */

static void close_scope(fv_kverifier *v, int mark) {
    while (v->ndeclared > mark)
        *fv_ptrmap_at(&v->scope, v->declared[--v->ndeclared]) = NULL;
}

static bool in_scope(const fv_kverifier *v, const void *what) {
    return fv_ptrmap_get(&v->scope, what) != NULL;
}

/* Is `what`, a variable or a tile, declared outside of the outline that is being checked? */
static bool is_outside(const fv_kverifier *v, const void *what) {
    for (int i = 0; i < v->outside; i++)
        if (v->declared[i] == what)
            return true;
    return false;
}

/* ---- expressions ---- */

static bool is_lanes(int n) {
    return n >= 1 && n <= 64 && (n & (n - 1)) == 0;
}

static bool check_access(fv_kverifier *v, const fv_buf *b, fv_expr *const *index, int lanes) {
    if (!in_scope(v, b))
        return fv_kv_illegal(v, "buffer '%s' is not in scope", b->name);
    if (b->role == FV_BUF_TILE && b->rank == 0 && is_outside(v, b))
        return fv_kv_illegal(v, "'%s' is a variable from outside of the outline", b->name);
    bool vectors = false;
    for (int i = 0; i < b->rank; i++) {
        int64_t at, extent;
        if (!index[i] || index[i]->type.elem != FV_I64)
            return fv_kv_illegal(v, "index %d of '%s' is no i64", i, b->name);
        if (index[i]->type.lanes != 1 && index[i]->type.lanes != lanes)
            return fv_kv_illegal(v, "index %d of '%s' has %d lanes, the value %d", i, b->name,
                                 index[i]->type.lanes, lanes);
        vectors |= index[i]->type.lanes > 1;
        bool known = b->role == FV_BUF_TILE && fv_x_is_int(index[i], &at) &&
                     fv_x_is_int(b->extent[i], &extent);
        if (!known)
            /* other indices are not checked: a statement that is never executed may exceed an
             * extent of 0 */
            continue;
        if (at < 0 || at >= extent)
            return fv_kv_illegal(v, "index %d of '%s' is %lld, the extent %lld", i, b->name,
                                 (long long)at, (long long)extent);
    }
    if (b->lanes > 1 && lanes != b->lanes)
        return fv_kv_illegal(v, "'%s' has elements of %d lanes, found %d", b->name, b->lanes,
                             lanes);
    if (lanes > 1 && b->lanes == 1 && !vectors && b->rank == 0)
        return fv_kv_illegal(v, "'%s' has one element, found %d lanes", b->name, lanes);
    return true;
}

static bool check_read(fv_kverifier *v, const fv_expr *x) {
    const fv_buf *b = x->u.buf;
    bool guard = x->op == FV_X_GUARD;
    if (x->n != b->rank + (guard ? 2 : 0))
        return fv_kv_illegal(v, "'%s' has %d axes, found %d indices", b->name, b->rank, x->n);
    if (x->type.elem != b->elem)
        return fv_kv_illegal(v, "an element of '%s' is loaded as %s", b->name,
                             fv_elem_name((fv_elem)x->type.elem));
    if (b->role == FV_BUF_OUT)
        return fv_kv_illegal(v, "'%s' is only written, it cannot be read", b->name);
    if (guard &&
        (x->arg[b->rank]->type.elem != FV_BOOL || x->arg[b->rank]->type.lanes != x->type.lanes ||
         x->arg[b->rank + 1]->type.elem != x->type.elem ||
         x->arg[b->rank + 1]->type.lanes != x->type.lanes))
        return fv_kv_illegal(v, "condition or value of a guarded load has the wrong type");
    return check_access(v, b, x->arg, x->type.lanes);
}

static bool check_operator(fv_kverifier *v, const fv_expr *x) {
    const fv_expr_info *info = fv_expr_op_info((fv_expr_op)x->op);
    bool expanded = v->kernel && v->kernel->task;
    if (info->flags & FV_XF_DEF)
        return fv_kv_illegal(v, "%s has no meaning in a kernel", info->id);
    if (expanded && (info->flags & FV_XF_MATH))
        return fv_kv_illegal(v, "%s is left in an expanded kernel", info->text);
    if (!v->kernel && (info->flags & FV_XF_MATH))
        return fv_kv_illegal(
            v, "%s is an operation of kernels: the host program computes no such functions",
            info->text);
    const char *problem = fv_x_problem(v->a, x);
    return !problem || fv_kv_illegal(v, "%s", problem);
}

static bool check_node(fv_kverifier *v, const fv_expr *x) {
    if (x->op == FV_X_VAR && !in_scope(v, x->u.var))
        return fv_kv_illegal(v, "'%s' is not in scope", x->u.var->name);
    return check_operator(v, x) &&
           ((x->op != FV_X_LOAD && x->op != FV_X_GUARD) || check_read(v, x));
}

bool fv_kv_expr(fv_kverifier *v, const fv_expr *x) {
    for (int i = 0; i < x->n; i++)
        if (!fv_kv_expr(v, x->arg[i]))
            return false;
    return check_node(v, x);
}

bool fv_kv_later(fv_kverifier *v, const fv_expr *x) {
    for (int i = 0; i < x->n; i++)
        if (!fv_kv_later(v, x->arg[i]))
            return false;
    if (x->op == FV_X_LOAD || x->op == FV_X_GUARD)
        return fv_kv_illegal(v, "a size loads '%s'", x->u.buf->name);
    return check_operator(v, x);
}

static bool check_scalar(fv_kverifier *v, const fv_expr *x, fv_elem e, const char *what) {
    if (!x)
        return fv_kv_illegal(v, "%s is missing", what);
    if (x->type.elem != e || x->type.lanes != 1)
        return fv_kv_illegal(v, "%s is no %s", what, fv_elem_name(e));
    return fv_kv_expr(v, x);
}

/* ---- statements ---- */

static bool check_let(fv_kverifier *v, const fv_stmt *s) {
    if (!s->var || !s->x || s->var->type.elem != s->x->type.elem ||
        s->var->type.lanes != s->x->type.lanes)
        return fv_kv_illegal(v, "variable and value differ in type");
    if (!fv_kv_expr(v, s->x) || (v->program && !fv_kv_bind(v, s)))
        return false;
    fv_kv_declare(v, s->var);
    return true;
}

static bool may_store(const fv_buf *b) {
    return b->role != FV_BUF_IN && b->role != FV_BUF_INPUT && b->role != FV_BUF_CONST;
}

static bool check_store(fv_kverifier *v, const fv_stmt *s) {
    const fv_buf *b = s->buf;
    for (int i = 0; i < b->rank; i++)
        if (!s->index[i] || !fv_kv_expr(v, s->index[i]))
            return s->index[i] ? false : fv_kv_illegal(v, "index %d is missing", i);
    if (!s->x || !fv_kv_expr(v, s->x) || (s->mask && !fv_kv_expr(v, s->mask)))
        return false;
    if (!may_store(b))
        return fv_kv_illegal(v, "'%s' is only read, it cannot be stored to", b->name);
    if (s->x->type.elem != b->elem)
        return fv_kv_illegal(v, "a %s is stored to '%s' of %s",
                             fv_elem_name((fv_elem)s->x->type.elem), b->name,
                             fv_elem_name(b->elem));
    if (s->mask && (s->mask->type.elem != FV_BOOL || s->mask->type.lanes != s->x->type.lanes))
        return fv_kv_illegal(v, "the mask is no bool of as many lanes as the value");
    return check_access(v, b, s->index, s->x->type.lanes);
}

static bool check_prefetch(fv_kverifier *v, const fv_stmt *s) {
    const fv_buf *b = s->buf;
    if (!v->kernel || b->role == FV_BUF_TILE)
        return fv_kv_illegal(v,
                             v->kernel ? "'%s' is a tile, it needs no prefetch"
                                       : "only kernels prefetch, not '%s'",
                             b->name);
    for (int i = 0; i < b->rank; i++)
        if (!s->index[i] || !fv_kv_expr(v, s->index[i]) || s->index[i]->type.lanes != 1)
            return fv_kv_illegal(v, "index %d is no scalar", i);
    return check_access(v, b, s->index, 1);
}

static bool check_tile(fv_kverifier *v, const fv_stmt *s) {
    const fv_buf *b = s->buf;
    int64_t bytes = (int64_t)fv_elem_storage_bytes(b->elem) * b->lanes;
    if (b->role != FV_BUF_TILE || !is_lanes(b->lanes))
        return fv_kv_illegal(v, "'%s' is declared as a tile, but is none", b->name);
    for (int i = 0; i < b->rank; i++) {
        int64_t extent;
        if (!fv_x_is_int(b->extent[i], &extent) || extent < 1 || extent > MAX_TILE_BYTES)
            return fv_kv_illegal(v, "extent %d of a tile is no constant from 1 to %d", i,
                                 MAX_TILE_BYTES);
        bytes *= extent;
        if (bytes > MAX_TILE_BYTES)
            return fv_kv_illegal(v, "the tile is larger than %d bytes", MAX_TILE_BYTES);
    }
    if (s->x && (s->x->type.elem != b->elem || s->x->type.lanes != b->lanes))
        return fv_kv_illegal(v, "the initial value is of another type than the elements");
    if (s->x && !fv_kv_expr(v, s->x))
        return false;
    fv_kv_declare(v, b);
    return true;
}

static bool check_transpose(fv_kverifier *v, const fv_stmt *s) {
    const fv_buf *b = s->buf;
    int64_t n, m;
    if (!v->kernel || v->kernel->task)
        return fv_kv_illegal(v, "only kernels that are not expanded transpose");
    if (!in_scope(v, b))
        return fv_kv_illegal(v, "buffer '%s' is not in scope", b->name);
    return (b->role == FV_BUF_TILE && b->rank == 2 && b->lanes == 1 &&
            fv_x_is_int(b->extent[0], &n) && fv_x_is_int(b->extent[1], &m) && n == m) ||
           fv_kv_illegal(v, "'%s' is no square tile", b->name);
}

static bool is_on_top(const fv_kverifier *v, const fv_stmt *s) {
    for (const fv_stmt *t = v->kernel->body.first; t; t = t->next)
        if (t == s)
            return true;
    return false;
}

/* Checks an argument of a library call: it must be a parameter of the kernel, with the type and
 * rank that the function declares. The function gets the extents. */
static bool check_call_argument(fv_kverifier *v, const fv_stmt *s, int i) {
    const fv_library_param *p = &s->call.library->params[i];
    const fv_buf *b = s->call.args[i];
    if (b->role != FV_BUF_IN && b->role != FV_BUF_OUT && b->role != FV_BUF_INOUT)
        return fv_kv_illegal(v, "'%s' is no parameter of the kernel", b->name);
    if (!in_scope(v, b))
        return fv_kv_illegal(v, "buffer '%s' is not in scope", b->name);
    if (p->rank != FV_LIBRARY_ANY && (b->elem != p->elem || b->rank != p->rank))
        return fv_kv_illegal(v, "argument %d is %s of rank %d, expected %s of rank %d", i,
                             fv_elem_name(b->elem), b->rank, fv_elem_name(p->elem), p->rank);
    bool written = p->written && s->call.mode != FV_CALL_WAIT;
    if (written ? b->role == FV_BUF_IN : b->role == FV_BUF_OUT)
        return fv_kv_illegal(v,
                             written ? "'%s' is only read, it cannot be given to be written"
                                     : "'%s' is only written, it cannot be given to be read",
                             b->name);
    for (int j = 0; j < i; j++)
        if (s->call.args[j] == b && (p->written || s->call.library->params[j].written))
            return fv_kv_illegal(v, "'%s' is given twice and written", b->name);
    return true;
}

static bool is_alone(const fv_kverifier *v, const fv_stmt *s) {
    for (const fv_stmt *t = v->kernel->body.first; t; t = t->next)
        if (t != s && t->kind != FV_S_COMMENT)
            return false;
    return true;
}

/* Checks the call of a collective that has what is sent and what is received: the axes of the
 * former follow the axis of the ranks in the latter, or are the same. */
static bool check_both(fv_kverifier *v, const fv_stmt *s) {
    const fv_buf *x = s->call.args[0], *y = s->call.args[1];
    int added = s->call.library != fv_library_fn_of(FV_LIBRARY_all_to_all);
    int64_t ranks = 0;
    if (y->rank < 1 || !fv_x_is_int(y->extent[0], &ranks) || ranks < 1)
        return fv_kv_illegal(v, "axis 0 of '%s' is no constant number of ranks", y->name);
    bool equal = x->elem == y->elem && x->rank + added == y->rank;
    for (int i = 0; i < x->rank && equal; i++)
        equal = fv_x_equal(x->extent[i], y->extent[i + added]);
    return equal || fv_kv_illegal(v, "'%s' does not have what '%s' has for each of %lld ranks",
                                  x->name, y->name, (long long)ranks);
}

/* Checks the call of a collective. If it is addressed, its rank must be one of the run, and so must
 * the other ones of a group. */
static bool check_collective(fv_kverifier *v, const fv_stmt *s) {
    bool both = s->call.library->nparams > 1;
    int64_t group = 1;
    if (!is_alone(v, s))
        return fv_kv_illegal(v, "a kernel that calls a collective has other statements");
    if (both && !check_both(v, s))
        return false;
    if (both)
        group = fv_exchange_group(s);
    return !s->call.library->addressed ||
           (s->call.rank >= 0 && s->call.ranks <= FV_MAX_CALL_RANKS &&
            s->call.rank <= s->call.ranks - group) ||
           fv_kv_illegal(v, "there are no ranks %lld to %lld of %lld", (long long)s->call.rank,
                         (long long)(s->call.rank + group - 1), (long long)s->call.ranks);
}

static bool check_call(fv_kverifier *v, const fv_stmt *s) {
    if (!v->kernel || !is_on_top(v, s))
        return fv_kv_illegal(v, !v->kernel ? "only kernels call functions"
                                           : "a call must not be in a loop, condition or outline");
    int64_t tasks = 1;
    if (v->kernel->task && (!fv_x_is_int(v->kernel->tasks, &tasks) || tasks != 1))
        return fv_kv_illegal(v, "the kernel is several tasks, and each would call");
    if (v->kernel->task && !v->kernel->requires_)
        return fv_kv_illegal(
            v, "the kernel does not say that it `requires` something, and the call may fail");
    for (int i = 0; i < s->call.library->nparams; i++)
        if (!check_call_argument(v, s, i))
            return false;
    if (!s->call.library->collective && s->call.mode != FV_CALL)
        return fv_kv_illegal(v, "only collectives are started or waited for, not %s",
                             s->call.library->name);
    return !s->call.library->collective || check_collective(v, s);
}

static bool check_for(fv_kverifier *v, const fv_stmt *s) {
    if (!check_scalar(v, s->loop.lo, FV_I64, "the first value") ||
        !check_scalar(v, s->loop.hi, FV_I64, "the end"))
        return false;
    if (s->loop.step < 1)
        return fv_kv_illegal(v, "the step is %lld, it must be positive", (long long)s->loop.step);
    if (v->kernel && v->kernel->task && s->loop.kind != FV_SERIAL)
        return fv_kv_illegal(v, "the loop is not serial in an expanded kernel");
    if (!v->kernel && s->loop.kind != FV_SERIAL)
        return fv_kv_illegal(v, "loops of host programs are serial");
    int mark = v->ndeclared, facts = v->facts.n;
    fv_kv_declare(v, s->var);
    bool ok = fv_kv_block(v, &s->body);
    close_scope(v, mark);
    v->facts.n = facts;
    return ok;
}

/* Checks an `if` or `while`. Its condition is known to hold in the block that it guards. */
static bool check_if(fv_kverifier *v, const fv_stmt *s) {
    if (!check_scalar(v, s->x, FV_BOOL, "the condition"))
        return false;
    int mark = v->facts.n;
    if (v->protocol.used)
        fv_kv_learn(v, s->x);
    bool ok = fv_kv_block(v, &s->body);
    v->facts.n = mark;
    ok = ok && fv_kv_block(v, &s->other);
    v->facts.n = mark;
    return ok;
}

static bool has_while(const fv_block *b) {
    for (const fv_stmt *s = b->first; s; s = s->next)
        if (s->kind == FV_S_WHILE || has_while(&s->body) || has_while(&s->other))
            return true;
    return false;
}

static bool check_outline(fv_kverifier *v, const fv_stmt *s) {
    if (!v->kernel || v->outside >= 0 || has_while(&s->body))
        return fv_kv_illegal(v, !v->kernel        ? "only kernels have this statement"
                                : v->outside >= 0 ? "it is within another one"
                                                  : "there is a while in it");
    v->outside = v->ndeclared;
    bool ok = fv_kv_block(v, &s->body);
    v->outside = -1;
    return ok;
}

static bool check_matrix(fv_kverifier *v, const fv_stmt *s) {
    fv_matrix m;
    if (!v->kernel)
        return fv_kv_illegal(v, "only kernels have this statement");
    if (!fv_kv_block(v, &s->body))
        return false;
    v->stmt = s;
    const char *why = fv_matrix_read(s, &m);
    return !why || fv_kv_illegal(v, "%s", why);
}

static bool check_stmt(fv_kverifier *v, const fv_stmt *s) {
    v->stmt = s;
    switch (s->kind) {
    case FV_S_LET: return check_let(v, s);
    case FV_S_STORE: return check_store(v, s);
    case FV_S_PREFETCH: return check_prefetch(v, s);
    case FV_S_TILE: return check_tile(v, s);
    case FV_S_TRANSPOSE: return check_transpose(v, s);
    case FV_S_FOR: return check_for(v, s);
    case FV_S_IF:
    case FV_S_WHILE: return check_if(v, s);
    case FV_S_OUTLINE: return check_outline(v, s);
    case FV_S_MATRIX: return check_matrix(v, s);
    case FV_S_CALL: return check_call(v, s);
    case FV_S_COMMENT: return true;
    case FV_S_READ:
    case FV_S_PLAN:
    case FV_S_MEMORY:
    case FV_S_CHECK:
    case FV_S_LAUNCH:
    case FV_S_ALLOC:
    case FV_S_FREE:
    case FV_S_SETDIM:
        if (v->kernel)
            return fv_kv_illegal(v, "only host programs have this statement");
        return fv_kv_host_stmt(v, s);
    }
    return fv_kv_illegal(v, "unknown statement");
}

bool fv_kv_block(fv_kverifier *v, const fv_block *block) {
    int mark = v->ndeclared;
    for (const fv_stmt *s = block->first; s; s = s->next)
        if (!check_stmt(v, s))
            return false;
    close_scope(v, mark);
    return true;
}

/* ---- kernels ---- */

static bool check_param(fv_kverifier *v, const fv_buf *b, int position) {
    if (b->role != FV_BUF_IN && b->role != FV_BUF_OUT && b->role != FV_BUF_INOUT)
        return fv_kv_illegal(v, "parameter '%s' has the role of something else", b->name);
    if (b->rank < 0 || b->rank > FV_MAX_RANK || b->lanes != 1 || b->id != position)
        return fv_kv_illegal(v, "parameter '%s' is malformed", b->name);
    for (int i = 0; i < b->rank; i++)
        if (!check_scalar(v, b->extent[i], FV_I64, "an extent"))
            return false;
    return true;
}

static bool check_kernel(fv_kverifier *v) {
    const fv_kernel *k = v->kernel;
    for (int i = 0; i < k->ndims; i++)
        fv_kv_declare(v, k->dims[i]);
    for (int i = 0; i < k->nbufs; i++)
        if (!check_param(v, k->bufs[i], i))
            return false;
    if (k->task && !check_scalar(v, k->tasks, FV_I64, "the number of tasks"))
        return false;
    for (int i = 0; i < k->nbufs; i++)
        fv_kv_declare(v, k->bufs[i]);
    if (k->task)
        fv_kv_declare(v, k->task);
    if (!fv_kv_block(v, &k->body))
        return false;
    v->stmt = NULL;
    return fv_kv_disjoint(v, &k->body);
}

static bool verify(fv_session *s, const fv_kernel *k, bool exact) {
    fv_arena *a = fv_arena_new(s);
    fv_kverifier v = {
        .session = s, .a = a, .kernel = k, .scope = fv_ptrmap_in(a), .exact = exact, .outside = -1};
    bool ok = check_kernel(&v);
    fv_arena_free(a);
    return ok;
}

bool fv_kernel_verify(fv_session *s, const fv_kernel *k) {
    return verify(s, k, false);
}
bool fv_kernel_verify_exact(fv_session *s, const fv_kernel *k) {
    return verify(s, k, true);
}
