/* scope.c - the scopes of names while kernels are parsed. */
#include "ir/kernel/scope.h"

#include <string.h>

void fv_kparser_init(fv_kparser *p, fv_arena *a, const char *text) {
    memset(p, 0, sizeof *p);
    p->session = fv_arena_session(a);
    p->arena = a;
    p->bindings = fv_ptrmap_in(a);
    fv_lex_init(&p->l, p->session, a, text);
}

int fv_scope_open(const fv_kparser *p) {
    return p->nundo;
}

void fv_scope_close(fv_kparser *p, int mark) {
    while (p->nundo > mark) {
        p->nundo--;
        *fv_ptrmap_at(&p->bindings, p->undo[p->nundo].name) = p->undo[p->nundo].before;
    }
}

static void bind(fv_kparser *p, const char *name, fv_binding b) {
    name = fv_intern(p->session, name);
    void **at = fv_ptrmap_at(&p->bindings, name);
    struct fv_shadowed shadowed = {name, *at};
    fv_binding *copy = FV_NEW(p->arena, fv_binding, 1);
    *copy = b;
    *at = copy;
    FV_PUSH(p->arena, p->undo, p->nundo, p->cap_undo, shadowed);
}

void fv_scope_var(fv_kparser *p, const char *name, fv_var *v) {
    bind(p, name, (fv_binding){.var = v});
}
void fv_scope_buf(fv_kparser *p, const char *name, fv_buf *b) {
    bind(p, name, (fv_binding){.buf = b});
}
fv_binding *fv_scope_find(fv_kparser *p, const char *name) {
    return fv_ptrmap_get(&p->bindings, name);
}
