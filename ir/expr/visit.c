/* visit.c - see visit.h. */
#include "ir/expr/visit.h"

static void push(fv_x_visitor *v, const fv_expr *x) {
    FV_PUSH(v->seen.arena, v->stack, v->n, v->cap, x);
}

fv_x_visitor fv_x_visit(fv_arena *a, const fv_expr *root) {
    fv_x_visitor v = {.seen = fv_ptrmap_in(a)};
    push(&v, root);
    return v;
}

void fv_x_visit_also(fv_x_visitor *v, const fv_expr *root) {
    push(v, root);
}

static void push_arguments(fv_x_visitor *v, const fv_expr *x) {
    for (int i = x->n; i-- > 0;)
        push(v, x->arg[i]);
}

const fv_expr *fv_x_next(fv_x_visitor *v) {
    if (v->current)
        push_arguments(v, v->current);
    v->current = NULL;
    while (v->n > 0) {
        const fv_expr *x = v->stack[--v->n];
        void **at = x->n ? fv_ptrmap_at(&v->seen, x) : NULL;
        if (at && *at)
            continue;
        if (at)
            *at = (void *)(uintptr_t)x;
        return v->current = x;
    }
    return NULL;
}

void fv_x_skip(fv_x_visitor *v) {
    v->current = NULL;
}
