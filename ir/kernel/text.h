/* text.h - what printing and parsing of kernels and programs share. Of no interest to others. */
#ifndef FV_IR_KERNEL_TEXT_H
#define FV_IR_KERNEL_TEXT_H

#include "ir/base/ptrmap.h"
#include "ir/kernel/kernel.h"
#include "ir/syntax/ast.h"

#define FV_KERNEL_FORMAT 1 /* of the text */
#define FV_INLINE_BYTES 256 /* larger constants of a program are in the side file */
#define FV_SIDE_ALIGN 64

const char *fv_role_text(fv_buf_role role);     /* "work" */
const char *fv_status_word(int status);         /* "BAD_DIM" */
int fv_status_from_word(const char *text);          /* -1: unknown */

/* ---- printing ---- */

typedef struct fv_kprinter {
    fv_text *t;
    fv_arena *arena;
    int indent;
    bool canonical;        /* numbers for names, nothing for people */
    fv_ptrmap names;       /* variable or buffer -> how it is called here */
    fv_ptrmap taken;       /* interned name -> declarations in scope that have it */
    fv_ptrmap next;        /* interned name -> last number that was added to it */
    int counter;           /* canonical names */
    const char **scope;    /* names in scope */
    int nscope, cap_scope;
    /* formulas for people (ir/definition/print.c); NULL and 0 in texts that are read back */
    const fv_ptrmap *terms;  /* expression -> its name; what is being defined is printed nevertheless */
    const fv_expr *defining;
    size_t end;              /* of the text: what is in parentheses behind it is left out */
} fv_kprinter;

void fv_kprinter_init(fv_kprinter *p, fv_text *t, bool canonical);
void fv_kp_expr(fv_kprinter *p, const fv_expr *x);
void fv_kp_exprs(fv_kprinter *p, int n, fv_expr *const *list); /* with commas */
void fv_kp_line(fv_kprinter *p, const char *format, ...) __attribute__((format(printf, 2, 3)));
void fv_kp_name(fv_kprinter *p, const char *name);
/* Declares a variable or buffer in the current scope and prints its name. */
void fv_kp_declare(fv_kprinter *p, const void *what, const char *name, char letter);
const char *fv_kp_name_of(fv_kprinter *p, const void *what, const char *name);
void fv_kp_bounds(fv_kprinter *p, int64_t lo, int64_t hi); /* " in 0..64" */
void fv_kp_type(fv_kprinter *p, const fv_buf *b);
void fv_kp_block(fv_kprinter *p, const fv_block *block, const fv_program *program);
void fv_kp_kernel(fv_kprinter *p, const fv_kernel *k);

/* ---- parsing ---- */

typedef struct fv_binding {
    fv_var *var;
    fv_buf *buf;
} fv_binding;

typedef struct fv_kparser {
    fv_lexer l;
    fv_session *session;
    fv_arena *arena;
    fv_kbuilder b;
    fv_program *program;    /* host statements are allowed: NULL in kernels */
    fv_ptrmap bindings;     /* interned name -> fv_binding */
    struct fv_shadowed {
        const char *name;
        fv_binding *before;
    } *undo;                /* of the open scopes */
    int nundo, cap_undo;
    int depth;              /* of nested blocks */
    fv_elem float_default;  /* of float literals that nothing else types; 0: f32 */
    const fv_kfunc *(*find_func)(struct fv_kparser *p, const char *name);
    void *funcs;
} fv_kparser;

void fv_kparser_init(fv_kparser *p, fv_arena *a, const char *text);
bool fv_kx_error(fv_kparser *p, const fv_ast *at, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* Names. A scope is closed by giving back what _open returned. */
int fv_scope_open(const fv_kparser *p);
void fv_scope_close(fv_kparser *p, int mark);
void fv_scope_var(fv_kparser *p, const char *name, fv_var *v);
void fv_scope_buf(fv_kparser *p, const char *name, fv_buf *b);
fv_binding *fv_scope_find(fv_kparser *p, const char *name);

/* An expression from its tree. `hint`: the type of literals that nothing else types; 0: none. */
fv_expr *fv_kx_build(fv_kparser *p, const fv_ast *e, fv_elem hint);
fv_buf *fv_kx_buffer(fv_kparser *p, const fv_ast *e);
/* The indices of x[...]; lanes: 8 for x[i, j:8], else 1. */
bool fv_kx_index(fv_kparser *p, const fv_ast *e, const fv_buf *b, fv_expr **index, int *lanes) FV_MUST_USE;
/* Parses and builds; NULL after a diagnostic. `want`: FV_NO_ELEM: any. */
fv_expr *fv_kx_parse(fv_kparser *p, fv_elem want);
bool fv_kp_parse_elem(fv_kparser *p, fv_elem *e, int *lanes) FV_MUST_USE; /* f32, f32x8 */
bool fv_kp_parse_bounds(fv_kparser *p, int64_t *lo, int64_t *hi) FV_MUST_USE; /* 0..64 */
/* [i64 expressions]; into the arena */
bool fv_kp_parse_extents(fv_kparser *p, int *rank, fv_expr ***out) FV_MUST_USE;
/* A string, or NULL after a diagnostic. */
const char *fv_kp_parse_string(fv_kparser *p, const char *what);
bool fv_kp_parse_stmt(fv_kparser *p) FV_MUST_USE;
bool fv_kp_parse_block(fv_kparser *p) FV_MUST_USE;     /* with both braces, into p->b */
bool fv_kp_parse_statements(fv_kparser *p) FV_MUST_USE; /* the same, its names staying in scope */
bool fv_kp_parse_host(fv_kparser *p, bool *taken) FV_MUST_USE; /* a statement of host programs, if it is one */
fv_kernel *fv_kp_parse_kernel(fv_kparser *p);

#endif
