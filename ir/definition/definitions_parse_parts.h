/* definitions_parse_parts.h - declarations shared by the files of the parser of definitions. */
#ifndef FV_IR_DEFINITION_DEFINITIONS_PARSE_PARTS_H
#define FV_IR_DEFINITION_DEFINITIONS_PARSE_PARTS_H

#include "ir/definition/definitions_parse.h"
#include "ir/definition/recurrence.h"
#include "ir/graph/parse_data.h"
#include "ir/kernel/parser.h"

typedef struct fv_block_later {
    fv_op *op;
    int nchecks;
    const char *const *checks;
    fv_lexer at; /* the state of the lexer at the opening brace */
} fv_block_later;

typedef struct fv_port_line {
    bool input, valid;
    int64_t port;
    const fv_type *type;
    fv_token at;
} fv_port_line;

/* The size of an expression, counted as a tree. */
typedef struct fv_tree_size {
    int nodes, height;
} fv_tree_size;

/* The group whose results are being parsed. */
typedef struct fv_group_read {
    const fv_op *op;
    /* interned name -> the index variable with that name that the results of the group share */
    fv_ptrmap vars;
} fv_group_read;

typedef struct fv_definition_reader {
    fv_graph_reader *graph;
    fv_definitions *d;
    fv_block_later *blocks;
    int nblocks, cap_blocks;
    fv_port_line *ports;
    int nports, cap_ports;
    fv_ptrmap bufs; /* value -> its buffer */
    /* interned name -> expression of the let with that name in the current definition */
    fv_ptrmap lets;
    fv_ptrmap taken; /* values that a line of the text has defined -> themselves */
    fv_ptrmap sizes; /* expression -> its fv_tree_size */
    fv_group_read group;
    fv_recurrence *recurrence; /* the recurrence that is parsed; NULL: there is none */
    fv_kparser p;
} fv_definition_reader;

/* The dim that an expression describes; NULL after a diagnostic. */
const fv_dim *fv_dr_dim(fv_definition_reader *r, const fv_ast *e);
/* Makes expressions that only definitions have, such as reductions: the callback `more` of
 * fv_kparser. *taken: whether e is such an expression. NULL: it is not, or a diagnostic was
 * reported. */
fv_expr *fv_dr_extra(fv_kparser *p, const fv_ast *e, bool *taken);
/* Reads the dims of a view, "(n * 4, 16)", which may occur from the step `step` on, into `dims`;
 * returns their number, -1 after a diagnostic. */
int fv_dr_view(fv_definition_reader *r, const fv_ast *list, const char *step, const fv_dim **dims);
/* Makes a load of an element of a value or state; NULL after a diagnostic. */
fv_expr *fv_dr_value(fv_definition_reader *r, const fv_ast *e);
/* The variable with that name in scope; NULL: there is none. */
fv_var *fv_dr_var(fv_definition_reader *r, const char *name);
/* The state with that name of the recurrence that is being parsed; NULL: it has none, or no
 * recurrence is being parsed. */
const fv_state *fv_dr_state(const fv_definition_reader *r, const char *name);
/* Reads NAME < DIM, and declares the variable. */
bool fv_dr_index(fv_definition_reader *r) FV_MUST_USE;
/* Reads %NAME, a result of the op that has no definition yet; NULL after a diagnostic. */
fv_value *fv_dr_result(fv_definition_reader *r, const fv_op *op);
/* Is the expression within the limits on definitions? If not, a diagnostic is reported at the
 * token. */
bool fv_dr_is_in_bounds(fv_definition_reader *r, const fv_expr *x, const fv_token *at) FV_MUST_USE;
/* Reads the content of the braces of a recurrence, and the closing brace. */
bool fv_dr_recurrence(fv_definition_reader *r, fv_op *op) FV_MUST_USE;

#endif
