/* printer.h - what printing of kernels and programs shares. Of no interest to others. */
#ifndef FV_IR_KERNEL_PRINTER_H
#define FV_IR_KERNEL_PRINTER_H

#include "ir/base/ptrmap.h"
#include "ir/base/text.h"
#include "ir/kernel/program.h"

typedef struct fv_kprinter {
    fv_text *t;
    fv_arena *arena;
    int indent;
    bool canonical;     /* numbers for names, nothing for people */
    fv_ptrmap names;    /* variable or buffer -> how it is called here */
    fv_ptrmap taken;    /* interned name -> declarations in scope that have it */
    fv_ptrmap next;     /* interned name -> last number that was added to it */
    int counter;        /* canonical names */
    const char **scope; /* names in scope */
    int nscope, cap_scope;
    /* formulas for people (ir/definition/print.c); NULL and 0 in texts that are read back */
    /* expression -> its name; what is being defined is printed nevertheless */
    const fv_ptrmap *terms;
    const fv_expr *defining;
    /* in the text of definitions: buffers are values, indices have their names */
    bool values;
    size_t end; /* of the text: what is in parentheses behind it is left out */
} fv_kprinter;

void fv_kprinter_init(fv_kprinter *p, fv_text *t, bool canonical);
void fv_kp_expr(fv_kprinter *p, const fv_expr *x);
void fv_kp_exprs(fv_kprinter *p, int n, fv_expr *const *list); /* with commas */
/* where the place has the type of a literal */
void fv_kp_stored(fv_kprinter *p, const fv_expr *x);
void fv_kp_condition(fv_kprinter *p, const fv_expr *x); /* behind an `if` */
void fv_kp_index(fv_kprinter *p, const fv_buf *b, fv_expr *const *index, int lanes); /* "x[i, j]" */
void fv_kp_int(fv_kprinter *p, int64_t v);
void fv_kp_line(fv_kprinter *p, const char *format, ...) __attribute__((format(printf, 2, 3)));
void fv_kp_name(fv_kprinter *p, const char *name);
/* Declares a variable or buffer in the current scope and prints its name. */
void fv_kp_declare(fv_kprinter *p, const void *what, const char *name, char letter);
/* Declarations since p->nscope was `mark` are out of scope. */
void fv_kp_close_scope(fv_kprinter *p, int mark);
/* The name of what is declared; else `name`. */
void fv_kp_put_name(fv_kprinter *p, const void *what, const char *name);
const char *fv_kp_name_of(fv_kprinter *p, const void *what, const char *name);
void fv_kp_bounds(fv_kprinter *p, int64_t lo, int64_t hi); /* " in 0..64" */
void fv_kp_type(fv_kprinter *p, const fv_buf *b);
void fv_kp_block(fv_kprinter *p, const fv_block *block, const fv_program *program);
/* " {", its lines, "}"; its names end */
void fv_kp_body(fv_kprinter *p, const fv_block *block, const fv_program *program);
void fv_kp_kernel(fv_kprinter *p, const fv_kernel *k);

#endif
