/* printer.h - interface between the files of the printer of kernels and programs. */
#ifndef FV_IR_KERNEL_PRINTER_H
#define FV_IR_KERNEL_PRINTER_H

#include "ir/base/ptrmap.h"
#include "ir/base/text.h"
#include "ir/kernel/program.h"

typedef struct fv_kprinter {
    fv_text *t;
    fv_arena *arena;
    int indent;
    /* whether names are replaced by numbers, and comments and other information for people are left
     * out */
    bool canonical;
    fv_ptrmap names;    /* variable or buffer -> its name in the printed text */
    fv_ptrmap taken;    /* interned name -> number of declarations in scope with that name */
    fv_ptrmap next;     /* interned name -> the last number that was appended to it */
    int counter;        /* number of the next canonical name */
    const char **scope; /* the names that are in scope */
    int nscope, cap_scope;
    /* members for formulas in messages (ir/definition/print.c); NULL and 0 for texts that are
     * parsed again */
    struct {
        const fv_ptrmap *names; /* expression -> its name */
        const fv_expr *whole;   /* the expression that is printed in full, though it has a name */
    } terms;
    /* in texts of definitions: buffers are printed as values, indices by name */
    bool values;
    /* prints, after the name of a value, the axes of the view b, if they are not the value's own;
     * NULL: nothing is printed */
    struct {
        void (*put)(void *user, fv_text *t, const fv_buf *b);
        void *user;
    } view;
    /* length of the text from which on expressions that have operands are printed as `...`; 0:
     * there is no limit */
    size_t end;
} fv_kprinter;

void fv_kprinter_init(fv_kprinter *p, fv_text *t, bool canonical);
void fv_kp_expr(fv_kprinter *p, const fv_expr *x);
/* prints expressions separated by commas */
void fv_kp_exprs(fv_kprinter *p, int n, fv_expr *const *list);
/* Prints the value of a store: the type of a literal follows from the buffer. */
void fv_kp_stored(fv_kprinter *p, const fv_expr *x);
void fv_kp_condition(fv_kprinter *p, const fv_expr *x); /* prints the condition after an `if` */
/* prints an element: "x[i, j]" */
void fv_kp_index(fv_kprinter *p, const fv_buf *b, fv_expr *const *index, int lanes);
void fv_kp_int(fv_kprinter *p, int64_t v);
void fv_kp_line(fv_kprinter *p, const char *format, ...) __attribute__((format(printf, 2, 3)));
void fv_kp_name(fv_kprinter *p, const char *name);
/* Declares a variable or buffer in the current scope and prints its name; `letter` begins canonical
 * names. */
void fv_kp_declare(fv_kprinter *p, const void *what, const char *name, char letter);
/* Ends the scope of declarations made since p->nscope was `mark`. */
void fv_kp_close_scope(fv_kprinter *p, int mark);
/* Prints the name of a declared variable or buffer; if it is not declared, prints `name`. */
void fv_kp_put_name(fv_kprinter *p, const void *what, const char *name);
const char *fv_kp_name_of(fv_kprinter *p, const void *what, const char *name);
void fv_kp_bounds(fv_kprinter *p, int64_t lo, int64_t hi); /* prints bounds: " in 0..64" */
void fv_kp_type(fv_kprinter *p, const fv_buf *b);
void fv_kp_block(fv_kprinter *p, const fv_block *block, const fv_program *program);
/* prints a block: " {", the lines, "}"; its names go out of scope */
void fv_kp_body(fv_kprinter *p, const fv_block *block, const fv_program *program);
void fv_kp_kernel(fv_kprinter *p, const fv_kernel *k);

#endif
