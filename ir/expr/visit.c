/* visit.c - see visit.h. */
#include "ir/expr/visit.h"

static void push(fv_x_visitor *v, const fv_expr *x) {
    fv_expr **stack = v->stack ? v->stack : v->first;
    if (v->n == v->cap)
        v->stack = stack = fv_grow(v->seen.arena, stack, sizeof(fv_expr *), (size_t)v->n, &v->cap);
    stack[v->n++] = (fv_expr *)(uintptr_t)x;
}

fv_x_visitor fv_x_visit(fv_arena *a, const fv_expr *root) {
    fv_x_visitor v = {.seen = fv_ptrmap_in(a), .cap = 2 * FV_VISIT_FEW};
    if (root)
        push(&v, root);
    return v;
}

void fv_x_visit_also(fv_x_visitor *v, const fv_expr *root) {
    push(v, root);
}

/* Was x visited before? Marks it as visited. */
static bool came(fv_x_visitor *v, const fv_expr *x) {
    for (int i = 0; i < v->nfew; i++)
        if (v->few[i] == x)
            return true;
    if (v->nfew < FV_VISIT_FEW) {
        v->few[v->nfew++] = x;
        return false;
    }
    void **at = fv_ptrmap_at(&v->seen, x);
    bool before = *at != NULL;
    *at = (void *)(uintptr_t)x;
    return before;
}

fv_expr *fv_x_next(fv_x_visitor *v) {
    for (int i = v->current ? v->current->n : 0; i-- > v->from;)
        push(v, v->current->arg[i]);
    v->current = NULL;
    v->from = 0;
    while (v->n > 0) {
        fv_expr *x = (v->stack ? v->stack : v->first)[--v->n];
        if (!x->n || !came(v, x))
            return v->current = x;
    }
    return NULL;
}

void fv_x_skip(fv_x_visitor *v) {
    v->current = NULL;
}

void fv_x_skip_first(fv_x_visitor *v, int n) {
    v->from = n;
}

bool fv_x_contains(fv_arena *a, const fv_expr *x, const fv_expr *part) {
    const fv_expr *y;
    fv_x_visitor v = fv_x_visit(a, x);
    while ((y = fv_x_next(&v)) && y != part)
        ;
    fv_ptrmap_free(&v.seen);
    return y != NULL;
}

static void count(fv_ptrmap *uses, const fv_expr *x) {
    void **n = fv_ptrmap_at(uses, x);
    *n = (void *)((uintptr_t)*n + 1);
}

void fv_x_count_uses(fv_x_visitor *v, const fv_expr *root, fv_ptrmap *uses) {
    const fv_expr *x;
    count(uses, root);
    for (fv_x_visit_also(v, root); (x = fv_x_next(v));)
        for (int i = 0; i < x->n; i++)
            count(uses, x->arg[i]);
}
