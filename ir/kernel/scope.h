/* scope.h - the state of a parser of kernels, and the names that it knows. */
#ifndef FV_IR_KERNEL_SCOPE_H
#define FV_IR_KERNEL_SCOPE_H

#include "ir/base/ptrmap.h"
#include "ir/kernel/func.h"
#include "ir/syntax/ast.h"

typedef struct fv_binding {
    fv_var *var;
    fv_buf *buf;
} fv_binding;

typedef struct fv_kparser {
    fv_lexer l;
    fv_session *session;
    fv_arena *arena;
    fv_kbuilder b;
    fv_program *program; /* host statements are allowed: NULL in kernels */
    fv_ptrmap bindings;  /* interned name -> fv_binding */
    struct fv_shadowed {
        const char *name;
        fv_binding *before;
    } *undo; /* of the open scopes */
    int nundo, cap_undo;
    int depth;             /* of nested blocks */
    fv_elem float_default; /* of float literals that nothing else types; 0: f32 */
    const fv_kfunc *(*find_func)(struct fv_kparser *p, const char *name);
    void *funcs;
    /* What only the text of definitions has, where it is one: *taken, and NULL after a diagnostic.
     * NULL: kernels. */
    fv_expr *(*more)(struct fv_kparser *p, const fv_ast *e, bool *taken);
    void *defining;
} fv_kparser;

void fv_kparser_init(fv_kparser *p, fv_arena *a, const char *text);

/* Names. A scope is closed by giving back what _open returned. */
int fv_scope_open(const fv_kparser *p);
void fv_scope_close(fv_kparser *p, int mark);
void fv_scope_var(fv_kparser *p, const char *name, fv_var *v);
void fv_scope_buf(fv_kparser *p, const char *name, fv_buf *b);
fv_binding *fv_scope_find(fv_kparser *p, const char *name);

#endif
