/* print.h - prints graph IR. The grammar is in the head of parse.c. */
#ifndef FV_IR_GRAPH_PRINT_H
#define FV_IR_GRAPH_PRINT_H

#include <stdio.h>

#include "ir/base/ptrmap.h"
#include "ir/base/text.h"
#include "ir/graph/graph.h"
#include "ir/graph/lent.h"

/* Constants whose data are written to a side file, in order, each aligned. */
typedef struct fv_graph_side {
    fv_arena *arena;
    fv_session *session; /* NULL, or the one that has mapped files with the data */
    size_t bytes;
    const fv_tensor **all;
    int n, cap;
} fv_graph_side;
/* writes the data; false with errno set */
bool fv_graph_side_write(const fv_graph_side *s, FILE *f) FV_MUST_USE;

/* Prints a module. If `side` is given, data of constants of more than 16 elements, other than
 * strings, are added to it, and the text refers to the file `side_name` with an offset; if both are
 * NULL these data are elided as `...`, and the text cannot be parsed. */
void fv_module_print(fv_text *t, const fv_module *m, const char *side_name, fv_graph_side *side);
/* The module as one text that can be parsed: data of large constants are written as `hex "..."`. */
void fv_module_print_whole(fv_text *t, const fv_module *m);
/* Does the module have constants whose data fv_module_print elides if `side` is NULL? */
bool fv_module_is_elided(const fv_module *m) FV_MUST_USE;
/* the op as one line of text, with its regions elided */
const char *fv_op_str(fv_arena *a, const fv_op *op);

/* Prints large constants as `lent N`, and appends their tensors to the list. */
void fv_module_print_lent(fv_text *t, const fv_module *m, fv_lent *lent);

/* ---- pieces, for languages that extend graph IR ---- */

typedef struct fv_graph_printer {
    fv_text *t;
    const char *side_name;
    fv_graph_side *side; /* receives data of large constants */
    bool whole; /* if `side` is NULL: whether all data are printed instead of being elided */
    /* if not NULL: large constants are printed as `lent N` and appended to this list, whatever
     * `side` and `whole` are */
    fv_lent *lent;
    bool elide; /* whether regions are elided as well */
    int indent;
} fv_graph_printer;

/* adds a dim and the dims that it is computed from to the set */
void fv_note_dim(fv_ptrmap *seen, const fv_dim *d);
/* adds the dims of the type to the set; t may be NULL */
void fv_note_type(fv_ptrmap *seen, const fv_type *t);
/* The module's name, symbols and relations. On entry `seen` holds dims that occur outside of the
 * module's ops, on return those of the ops as well. */
void fv_put_module_head(fv_text *t, const fv_module *m, fv_ptrmap *seen);
void fv_put_const(fv_graph_printer *p, const fv_value *v);
/* prints the head of a function, up to its block */
void fv_put_func_head(fv_graph_printer *p, const fv_func *f);
/* prints an op on one line, without the newline */
void fv_put_op(fv_graph_printer *p, const fv_op *op);
/* prints the value of an attribute, without its name */
void fv_put_attr(fv_graph_printer *p, const fv_attr *a);
void fv_put_value(fv_text *t, const fv_value *v); /* prints %x or @w; _ for NULL */
/* prints the type of v, and its elements if they are known */
void fv_put_type_of(fv_text *t, const fv_value *v);
/* If n > 0, prints WORD "NODE", ...); `word` includes the opening parenthesis. */
void fv_put_nodes(fv_text *t, const char *word, int n, const char *const *nodes);

void fv_dump(const fv_op *op); /* prints the op to stderr, for use in a debugger */

#endif
