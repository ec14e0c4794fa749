/* walk.c - see walk.h. */
#include "backend/cost/walk.h"

#include "ir/expr/fold.h"
#include "ir/expr/visit.h"

enum { SAMPLES = 512, INNER_SAMPLES = 32 };

fv_walk fv_walk_new(fv_arena *a, const fv_walk_calls *calls, void *user) {
    return (fv_walk){.arena = a,
                     .calls = calls,
                     .user = user,
                     .samples = SAMPLES,
                     .inner_samples = INNER_SAMPLES,
                     .values = fv_ptrmap_in(a),
                     .tiles = fv_ptrmap_in(a),
                     .exact = true};
}

/* ---- integers ---- */

fv_walk_value *fv_walk_value_of(fv_walk *w, const fv_var *v) {
    void **at = fv_ptrmap_at(&w->values, v);
    if (!*at)
        *at = FV_NEW(w->arena, fv_walk_value, 1);
    return *at;
}

void fv_walk_set(fv_walk *w, const fv_var *v, int64_t value) {
    fv_walk_value *n = fv_walk_value_of(w, v);
    n->value = value;
    n->known = true;
}

static bool known(void *user, const fv_var *v, int64_t *value) {
    const fv_walk_value *n = fv_walk_value_of(user, v);
    *value = n->value;
    return n->known;
}

static bool is_number(const fv_buf *tile) {
    return tile->role == FV_BUF_TILE && tile->rank == 0 && tile->lanes <= 1 &&
           !fv_elem_is_float(tile->elem);
}

static bool evaluate_select(fv_walk *w, const fv_expr *x, int64_t *out) {
    int64_t condition;
    return fv_walk_evaluate(w, x->arg[0], &condition) &&
           fv_walk_evaluate(w, x->arg[condition ? 1 : 2], out);
}

/* One operand may decide an `and` or an `or`. */
static bool evaluate_logical(fv_walk *w, const fv_expr *x, int64_t *out) {
    int64_t a = 0, b = 0, decides = x->op == FV_X_OR;
    bool has_a = fv_walk_evaluate(w, x->arg[0], &a), has_b = fv_walk_evaluate(w, x->arg[1], &b);
    *out = decides ? a | b : a & b;
    return (has_a && has_b) || (has_a && a == decides) || (has_b && b == decides);
}

static bool evaluate_tile(fv_walk *w, const fv_buf *tile, int64_t *out) {
    const fv_walk_value *n = is_number(tile) ? fv_ptrmap_get(&w->tiles, tile) : NULL;
    *out = n ? n->value : 0;
    return n && n->known;
}

static bool evaluate_loads(fv_walk *w, const fv_expr *x, int64_t *out) {
    int64_t a = 0, b = 0;
    if (x->type.lanes > 1 || fv_elem_is_float((fv_elem)x->type.elem) || x->op == FV_X_GUARD)
        return false;
    if (x->op == FV_X_LOAD)
        return evaluate_tile(w, x->u.buf, out);
    if (x->op == FV_X_SELECT)
        return evaluate_select(w, x, out);
    if (x->type.elem == FV_BOOL && (x->op == FV_X_AND || x->op == FV_X_OR))
        return evaluate_logical(w, x, out);
    if (x->n < 1 || x->n > 2 || !fv_walk_evaluate(w, x->arg[0], &a) ||
        (x->n == 2 && !fv_walk_evaluate(w, x->arg[1], &b)))
        return false;
    if (x->op == FV_X_CONVERT) {
        *out = x->type.elem == FV_BOOL ? a != 0 : fv_fold_wrap((fv_elem)x->type.elem, a);
        return true;
    }
    return fv_fold_ints((fv_elem)x->arg[0]->type.elem, (fv_expr_op)x->op, a, b, out);
}

bool fv_walk_evaluate(fv_walk *w, const fv_expr *x, int64_t *out) {
    return w->usual && fv_x_has_load(x) ? evaluate_loads(w, x, out) : fv_x_value(x, known, w, out);
}

double fv_walk_elements(fv_walk *w, const fv_buf *b) {
    double n = 1;
    for (int i = 0; i < b->rank; i++) {
        int64_t extent;
        if (!b->extent || !b->extent[i] || !fv_walk_evaluate(w, b->extent[i], &extent))
            return -1;
        n *= (double)(extent > 0 ? extent : 0);
    }
    return n;
}

double fv_walk_bytes(fv_walk *w, const fv_buf *b) {
    return fv_walk_elements(w, b) * fv_elem_storage_bytes(b->elem);
}

/* ---- on which variables bounds and conditions depend ---- */

static void steer(fv_walk *w, const fv_expr *root) {
    const fv_expr *x;
    for (fv_x_visitor v = fv_x_visit(w->arena, root); (x = fv_x_next(&v));) {
        if (x->op == FV_X_VAR)
            fv_walk_value_of(w, x->u.var)->steers = true;
        if (x->op == FV_X_LOAD || x->op == FV_X_GUARD)
            fv_x_skip(
                &v); /* a loaded value is not known, so variables in its indices do not count */
    }
}

/* Marks the variables on which bounds and conditions depend. Goes backwards: if a let matters, so
 * do the variables in its value. */
static void find_steering(fv_walk *w, const fv_block *block) {
    int n = 0, cap = 0;
    const fv_stmt **list = NULL;
    for (const fv_stmt *s = block->first; s; s = s->next)
        FV_PUSH(w->arena, list, n, cap, s);
    while (n-- > 0) {
        const fv_stmt *s = list[n];
        find_steering(w, &s->body);
        find_steering(w, &s->other);
        if (s->kind == FV_S_FOR) {
            steer(w, s->loop.lo);
            steer(w, s->loop.hi);
        }
        if (s->kind == FV_S_IF || s->kind == FV_S_WHILE ||
            (s->kind == FV_S_LET && fv_walk_value_of(w, s->var)->steers))
            steer(w, s->x);
    }
}

/* ---- operations ---- */

int fv_walk_operations(fv_expr_op op) {
    if (fv_expr_op_is_math(op))
        return 1;
    switch ((int)op) {
    case FV_X_ADD:
    case FV_X_SUB:
    case FV_X_MUL:
    case FV_X_DIV:
    case FV_X_MIN:
    case FV_X_MAX:
    case FV_X_SQRT:
    case FV_X_FLOOR:
    case FV_X_CEIL:
    case FV_X_TRUNC:
    case FV_X_RINT: return 1;
    case FV_X_FMA: return 2;
    case FV_X_DOT_BF16: return 4;
    default: return 0;
    }
}

/* ---- statements ---- */

static void walk_block(fv_walk *w, const fv_block *block, double times);

static void walk_body(fv_walk *w, const fv_block *body, double trips, double times) {
    if (w->calls->begin)
        w->calls->begin(w, trips);
    walk_block(w, body, times * trips);
    if (w->calls->end)
        w->calls->end(w);
}

/* Walks over a loop for var = lo, lo + step, ..., which has `trips` iterations. */
static void walk_iterations(fv_walk *w, const fv_var *var, int64_t lo, int64_t step, int64_t trips,
                            const fv_block *body, double times) {
    fv_walk_value *n = fv_walk_value_of(w, var);
    int64_t samples = w->depth ? w->inner_samples : w->samples;
    if (!n->steers || trips == 1) {
        *n = (fv_walk_value){lo, trips == 1, n->steers};
        walk_body(w, body, (double)trips, times);
        return;
    }
    if (trips <= samples)
        samples = trips;
    else
        w->exact = false;
    w->depth++;
    for (int64_t i = 0; i < samples; i++) {
        int64_t at = samples == trips
                         ? i
                         : (int64_t)((double)i / (double)(samples - 1) * (double)(trips - 1));
        fv_walk_set(w, var, lo + at * step);
        walk_body(w, body, (double)trips / (double)samples, times);
    }
    w->depth--;
}

/* `loop` is NULL for tasks. */
static void walk_loop(fv_walk *w, const fv_stmt *loop, const fv_var *var, int64_t lo, int64_t step,
                      int64_t trips, const fv_block *body, double times) {
    if (trips <= 0)
        return;
    if (w->calls->enter)
        w->calls->enter(w, loop);
    walk_iterations(w, var, lo, step, trips, body, times);
    if (w->calls->leave)
        w->calls->leave(w);
}

static void walk_for(fv_walk *w, const fv_stmt *s, double times) {
    int64_t lo, hi;
    w->calls->statement(w, s, times);
    if (fv_walk_evaluate(w, s->loop.lo, &lo) && fv_walk_evaluate(w, s->loop.hi, &hi)) {
        walk_loop(w, s, s->var, lo, s->loop.step, hi > lo ? (hi - lo - 1) / s->loop.step + 1 : 0,
                  &s->body, times);
        return;
    }
    w->exact = false;
    fv_walk_value_of(w, s->var)->known = false;
    walk_block(w, &s->body, times);
}

static double operations_of(const fv_expr *x) {
    double sum = 0;
    if (!x)
        return 0;
    if (fv_elem_is_float((fv_elem)x->type.elem))
        sum = x->type.lanes * fv_walk_operations((fv_expr_op)x->op);
    for (int i = 0; i < x->n; i++)
        sum += operations_of(x->arg[i]);
    return sum;
}

static void add_operations(fv_walk *w, const fv_stmt *s, double times) {
    double *sum = w->user;
    if (s->kind == FV_S_STORE)
        for (int i = 0; i < s->buf->rank; i++)
            *sum += times * operations_of(s->index[i]);
    if (s->kind == FV_S_FOR)
        *sum += times * (operations_of(s->loop.lo) + operations_of(s->loop.hi));
    *sum += times * (operations_of(s->x) + operations_of(s->mask));
}

/* The operations on floats of a block that runs once. */
static double operations(const fv_walk *w, const fv_block *block) {
    static const fv_walk_calls calls = {.statement = add_operations};
    double sum = 0;
    fv_walk of = *w;
    of.calls = &calls;
    of.user = &sum;
    walk_block(&of, block, 1);
    return sum;
}

/* The value of a tile of one integer changes. */
static void walk_tile(fv_walk *w, const fv_stmt *s, double times) {
    w->calls->statement(w, s, times);
    if (!w->usual || !is_number(s->buf))
        return;
    void **at = fv_ptrmap_at(&w->tiles, s->buf);
    fv_walk_value *n = *at ? *at : (*at = FV_NEW(w->arena, fv_walk_value, 1));
    n->known = s->x && fv_walk_evaluate(w, s->x, &n->value);
}

static void walk_if(fv_walk *w, const fv_stmt *s, double times) {
    int64_t condition;
    w->calls->statement(w, s, times);
    if (!fv_walk_evaluate(w, s->x, &condition)) {
        w->exact = false;
        condition =
            s->other.first ? operations(w, &s->other) <= operations(w, &s->body) : !w->usual;
    }
    walk_block(w, condition ? &s->body : &s->other, times);
}

static void walk_let(fv_walk *w, const fv_stmt *s, double times) {
    fv_walk_value *n = fv_walk_value_of(w, s->var);
    w->calls->statement(w, s, times);
    n->known = fv_walk_evaluate(w, s->x, &n->value);
}

static void walk_block(fv_walk *w, const fv_block *block, double times) {
    for (const fv_stmt *s = block->first; s; s = s->next)
        switch (s->kind) {
        case FV_S_LET: walk_let(w, s, times); break;
        case FV_S_FOR: walk_for(w, s, times); break;
        case FV_S_IF: walk_if(w, s, times); break;
        case FV_S_WHILE:
            w->exact = false;
            w->calls->statement(w, s, times);
            walk_block(w, &s->body, times);
            break;
        case FV_S_OUTLINE: walk_block(w, &s->body, times); break;
        case FV_S_CALL:
            w->exact = false;
            w->calls->statement(w, s, times);
            break;
        case FV_S_STORE:
        case FV_S_TILE: walk_tile(w, s, times); break;
        case FV_S_PREFETCH:
        case FV_S_TRANSPOSE: w->calls->statement(w, s, times); break;
        case FV_S_COMMENT:
        case FV_S_READ:
        case FV_S_PLAN:
        case FV_S_MEMORY:
        case FV_S_CHECK:
        case FV_S_LAUNCH:
        case FV_S_ALLOC:
        case FV_S_FREE:
        case FV_S_SETDIM: break;
        }
}

void fv_walk_kernel(fv_walk *w, const fv_kernel *k, const int64_t *dims) {
    int64_t tasks;
    for (int i = 0; i < k->ndims; i++)
        fv_walk_set(w, k->dims[i], dims[i]);
    find_steering(w, &k->body);
    if (!k->task)
        walk_block(w, &k->body, 1);
    else if (fv_walk_evaluate(w, k->tasks, &tasks))
        walk_loop(w, NULL, k->task, 0, 1, tasks, &k->body, 1);
}
