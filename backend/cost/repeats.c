/* repeats.c - see repeats.h.
 *
 * Value numbering: nodes with the same operation and operands of the same numbers have the same
 * number, and so has a variable whose value is such a node. */
#include "backend/cost/repeats.h"

#include "ir/expr/unique.h"

enum { SLOTS = 256, MOST_ARGS = 4 };

/* A node, as the first one of its block with this number. */
typedef struct value {
    const fv_expr *x;
    int64_t number, args[MOST_ARGS];
    struct value *next; /* in the same slot */
} value;

typedef struct finder {
    fv_arena *arena;
    fv_ptrmap repeats;
    fv_ptrmap of_variables; /* fv_var -> int64_t, its number */
    value *slots[SLOTS];    /* of the current block */
    int64_t last;           /* number */
    const fv_stmt *in;      /* the statement whose nodes are numbered */
} finder;

static int64_t of_variable(finder *f, const fv_var *v) {
    int64_t **at = (int64_t **)fv_ptrmap_at(&f->of_variables, v);
    if (!*at) {
        *at = FV_NEW(f->arena, int64_t, 1);
        **at = ++f->last;
    }
    return **at;
}

static bool can_repeat(const fv_expr *x) {
    bool loads = x->op == FV_X_LOAD || x->op == FV_X_GUARD;
    return x->n <= MOST_ARGS && (!loads || x->u.buf->role == FV_BUF_IN);
}

static bool equal(const value *v, const fv_expr *x, const int64_t *args) {
    bool same = v->x->op == x->op && v->x->n == x->n && v->x->type.elem == x->type.elem &&
                v->x->type.lanes == x->type.lanes && fv_x_same_payload(v->x, x);
    if (!same)
        return false;
    for (int i = 0; i < x->n; i++)
        if (v->args[i] != args[i])
            return false;
    return true;
}

/* Returns the number of x, and records whether it repeats another node. */
static int64_t number_of(finder *f, const fv_expr *x) {
    int64_t args[MOST_ARGS] = {0};
    uint64_t hash = (uint64_t)x->op;
    if (x->op == FV_X_VAR)
        return of_variable(f, x->u.var);
    for (int i = 0; i < x->n; i++) {
        int64_t number = number_of(f, x->arg[i]);
        if (i < MOST_ARGS)
            args[i] = number;
        hash = hash * 31 + (uint64_t)number;
    }
    if (!can_repeat(x))
        return ++f->last;
    value **slot = &f->slots[hash % SLOTS];
    for (value *v = *slot; v; v = v->next)
        if (equal(v, x, args)) {
            if (v->x != x)
                *fv_ptrmap_at(&f->repeats, x) = (void *)(uintptr_t)f->in;
            return v->number;
        }
    value *new = FV_NEW(f->arena, value, 1);
    *new = (value){.x = x, .number = ++f->last, .next = *slot};
    for (int i = 0; i < MOST_ARGS; i++)
        new->args[i] = args[i];
    *slot = new;
    return new->number;
}

static void find(finder *f, const fv_block *block) {
    for (int i = 0; i < SLOTS; i++)
        f->slots[i] = NULL;
    for (const fv_stmt *s = block->first; s; s = s->next) {
        f->in = s;
        int64_t number = s->x ? number_of(f, s->x) : 0;
        if (s->kind != FV_S_LET)
            continue;
        of_variable(f, s->var);
        *(int64_t *)fv_ptrmap_get(&f->of_variables, s->var) = number;
    }
    for (const fv_stmt *s = block->first; s; s = s->next) {
        if (s->body.first)
            find(f, &s->body);
        if (s->other.first)
            find(f, &s->other);
    }
}

fv_ptrmap fv_find_repeats(fv_arena *a, const fv_kernel *k) {
    finder f = {.arena = a, .repeats = fv_ptrmap_in(a), .of_variables = fv_ptrmap_in(a)};
    find(&f, &k->body);
    return f.repeats;
}
