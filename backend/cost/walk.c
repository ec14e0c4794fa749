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
                     .values = fv_values_new(a),
                     .exact = true};
}

/* ---- integers ---- */

void fv_walk_set(fv_walk *w, const fv_var *v, int64_t value) {
    fv_variable_value *n = fv_values_of_variable(&w->values, v);
    n->value = value;
    n->known = true;
}

bool fv_walk_evaluate(fv_walk *w, const fv_expr *x, int64_t *out) {
    return fv_values_evaluate(&w->values, x, out);
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

/* Marks the variables and tiles on which the value of s and the indices of its store depend. */
static void steer_by(fv_walk *w, const fv_stmt *s) {
    for (int i = 0; s->kind == FV_S_STORE && i < s->buf->rank; i++)
        fv_values_steer(&w->values, s->index[i]);
    if (s->x)
        fv_values_steer(&w->values, s->x);
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
            fv_values_steer(&w->values, s->loop.lo);
            fv_values_steer(&w->values, s->loop.hi);
        }
        if (s->kind == FV_S_IF || s->kind == FV_S_WHILE)
            fv_values_steer(&w->values, s->x);
        if (fv_values_concern(&w->values, s))
            steer_by(w, s);
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
    case FV_X_RINT:
    case FV_X_SCALEB:
    case FV_X_ADD_FLUSHED: return 1;
    case FV_X_DOT_BF16_EVEN:
    case FV_X_DOT_BF16_ODD:
    case FV_X_FMA: return 2;
    case FV_X_DOT_BF16: return 4;
    default: return 0;
    }
}

int fv_walk_operations_of(const fv_expr *x) {
    bool of_bits = x->op == FV_X_DOT_BF16 || x->op == FV_X_DOT_BF16_EVEN ||
                   x->op == FV_X_DOT_BF16_ODD || x->op == FV_X_ADD_FLUSHED,
         of_floats = of_bits || fv_elem_is_float((fv_elem)x->type.elem);
    return of_floats ? x->type.lanes * fv_walk_operations((fv_expr_op)x->op) : 0;
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
    fv_variable_value *n = fv_values_of_variable(&w->values, var);
    int64_t samples = w->depth ? w->inner_samples : w->samples;
    if (!n->steers || trips == 1) {
        *n = (fv_variable_value){lo, trips == 1, n->steers};
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

/* Walks over a loop; `loop` NULL: over the tasks of the kernel. */
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
    fv_values_of_variable(&w->values, s->var)->known = false;
    walk_block(w, &s->body, times);
}

static double operations_of(const fv_expr *x) {
    if (!x)
        return 0;
    double sum = fv_walk_operations_of(x);
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
static double operations(fv_walk *w, const fv_block *block) {
    static const fv_walk_calls calls = {.statement = add_operations};
    const fv_walk_calls *kept = w->calls;
    void *user = w->user;
    double sum = 0;
    w->calls = &calls;
    w->user = &sum;
    walk_block(w, block, 1);
    w->calls = kept;
    w->user = user;
    return sum;
}

static void walk_if(fv_walk *w, const fv_stmt *s, double times) {
    int64_t condition;
    w->calls->statement(w, s, times);
    if (!fv_walk_evaluate(w, s->x, &condition)) {
        w->exact = false;
        condition =
            s->other.first ? operations(w, &s->other) <= operations(w, &s->body) : !w->values.usual;
    }
    const fv_block *taken = condition ? &s->body : &s->other;
    if (w->calls->branch)
        w->calls->branch(w, taken);
    walk_block(w, taken, times);
}

static void walk_block(fv_walk *w, const fv_block *block, double times) {
    for (const fv_stmt *s = block->first; s; s = s->next)
        switch (s->kind) {
        case FV_S_LET:
        case FV_S_STORE:
        case FV_S_TILE:
            w->calls->statement(w, s, times);
            fv_values_follow(&w->values, s);
            break;
        case FV_S_FOR: walk_for(w, s, times); break;
        case FV_S_IF: walk_if(w, s, times); break;
        case FV_S_WHILE:
            w->exact = false;
            w->calls->statement(w, s, times);
            walk_block(w, &s->body, times);
            break;
        case FV_S_OUTLINE: walk_block(w, &s->body, times); break;
        case FV_S_MATRIX:
            if (w->calls->matrix)
                w->calls->matrix(w, s, times);
            else
                walk_block(w, &s->body, times);
            break;
        case FV_S_CALL:
            w->exact = false;
            w->calls->statement(w, s, times);
            break;
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
    if (w->values.usual) /* again: in a loop, tiles are loaded before they are stored */
        find_steering(w, &k->body);
    if (!k->task)
        walk_block(w, &k->body, 1);
    else if (fv_walk_evaluate(w, k->tasks, &tasks))
        walk_loop(w, NULL, k->task, 0, 1, tasks, &k->body, 1);
}
