/* print.h - graph IR as text. Its grammar is in the head of parse.c. */
#ifndef FV_IR_GRAPH_PRINT_H
#define FV_IR_GRAPH_PRINT_H

#include <stdio.h>

#include "ir/base/ptrmap.h"
#include "ir/base/text.h"
#include "ir/graph/graph.h"
#include "ir/graph/lent.h"

/* Constants that lie in a file beside a text, in order and aligned. */
typedef struct fv_graph_side {
    fv_arena *arena;
    size_t bytes;
    const fv_tensor **all;
    int n, cap;
} fv_graph_side;
bool fv_graph_side_write(const fv_graph_side *s, FILE *f) FV_MUST_USE; /* false: errno tells */

/* Constants of more than 16 elements go to `side` when it is given (then the text names the file
 * `side_name` and offset), and are elided as `...` when both are NULL (such text does not parse
 * back; for looking at). */
void fv_module_print(fv_text *t, const fv_module *m, const char *side_name, fv_graph_side *side);
/* All in one text, which parses back: larger constants as `hex "..."`. */
void fv_module_print_whole(fv_text *t, const fv_module *m);
/* Does fv_module_print leave constants out where it has no `side`? */
bool fv_module_is_elided(const fv_module *m) FV_MUST_USE;
const char *fv_op_str(fv_arena *a, const fv_op *op); /* one line; regions elided */

/* Larger constants are `lent N`, and are in that list. */
void fv_module_print_lent(fv_text *t, const fv_module *m, fv_lent *lent);

/* ---- parts, for texts that hold a graph among other things ---- */

typedef struct fv_graph_printer {
    fv_text *t;
    const char *side_name;
    fv_graph_side *side; /* where large constants go */
    bool whole;          /* without `side`: they are in the text; else they are elided */
    /* large constants are `lent N`, and are in that list; NULL: as `side` and `whole` say */
    fv_lent *lent;
    bool elide; /* regions too */
    int indent;
} fv_graph_printer;

void fv_note_dim(fv_ptrmap *spoken, const fv_dim *d);
void fv_note_type(fv_ptrmap *spoken, const fv_type *t); /* may be NULL */
/* Name, symbols, relations; `spoken` holds dims that others than its ops speak of, and then all. */
void fv_put_module_head(fv_text *t, const fv_module *m, fv_ptrmap *spoken);
void fv_put_const(fv_graph_printer *p, const fv_value *v);
void fv_put_func_head(fv_graph_printer *p, const fv_func *f); /* up to its block */
void fv_put_op(fv_graph_printer *p, const fv_op *op);         /* a line, without its end */
void fv_put_attr(fv_graph_printer *p, const fv_attr *a);      /* its value */
void fv_put_value(fv_text *t, const fv_value *v);             /* %x, @w; _ for none */
void fv_put_type_of(fv_text *t, const fv_value *v); /* and what is known of its elements */
/* WORD "NODE", ...), where there are any; the word has the opening parenthesis. */
void fv_put_nodes(fv_text *t, const char *word, int n, const char *const *nodes);

void fv_dump(const fv_op *op); /* to stderr, for debuggers */

#endif
