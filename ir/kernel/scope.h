/* scope.h - the state of the parser of kernels, and its scopes of names. */
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
    /* the program that is parsed; NULL in kernels, where host statements are not allowed */
    fv_program *program;
    fv_ptrmap bindings; /* interned name -> fv_binding */
    /* bindings that are restored when open scopes are closed */
    struct fv_shadowed {
        const char *name;
        fv_binding *before;
    } *undo; /* the name that was bound last is the last one */
    int nundo, cap_undo;
    int depth;             /* number of nested blocks */
    fv_elem float_default; /* type of float literals whose type nothing else determines; 0: f32 */
    const fv_kfunc *(*find_func)(struct fv_kparser *p, const char *name);
    void *funcs;
    /* Builds an expression that only texts of definitions have; *taken: it was one; NULL after a
     * diagnostic. The callback is NULL for kernels. */
    fv_expr *(*more)(struct fv_kparser *p, const fv_ast *e, bool *taken);
    void *defining;
} fv_kparser;

void fv_kparser_init(fv_kparser *p, fv_arena *a, const char *text);

/* fv_scope_open returns a mark; fv_scope_close with it ends the scope. */
int fv_scope_open(const fv_kparser *p);
void fv_scope_close(fv_kparser *p, int mark);
void fv_scope_var(fv_kparser *p, const char *name, fv_var *v);
void fv_scope_buf(fv_kparser *p, const char *name, fv_buf *b);
fv_binding *fv_scope_find(fv_kparser *p, const char *name);

#endif
