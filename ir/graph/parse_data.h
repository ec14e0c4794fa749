/* parse_data.h - reading graph IR: what parse.c and parse_data.c share. */
#ifndef FV_IR_GRAPH_PARSE_DATA_H
#define FV_IR_GRAPH_PARSE_DATA_H

#include "ir/dim/option.h"
#include "ir/graph/graph.h"
#include "ir/graph/lent.h"
#include "ir/graph/side.h"
#include "ir/syntax/lex.h"

typedef struct fv_graph_reader {
    fv_lexer l;
    fv_module *m;
    fv_side side;
    const char *end;             /* of the text */
    int depth;                   /* of nested types and blocks */
    const fv_dim_option *chosen; /* bounds of symbols, by name */
    int nchosen;
    const struct fv_graph_dialect *dialect; /* NULL: graph IR alone */
    void *more;                             /* the dialect's */
    const fv_lent *lent;                    /* what `lent N` means; NULL: nothing is lent */
    const fv_op *asks;                      /* the last op that is no fv.Assume; */
    /* so many fv.Assume behind it were stated when it was read, and are not in the text */
    int nasked;
} fv_graph_reader;

/* What is written of a value: its type, and its elements if they are. */
typedef struct fv_declared {
    const fv_type *type; /* NULL: nothing */
    int nelems;
    const fv_dim *const *elems;
} fv_declared;

typedef struct fv_number {
    bool is_float;
    int64_t i; /* of an integer */
    double f;  /* of both */
} fv_number;

/* All return NULL or false after a diagnostic. */
const fv_dim *fv_read_dim(fv_graph_reader *r); /* behind the current token */
/* [DIM, ...] */
bool fv_read_dims(fv_graph_reader *r, int *n, const fv_dim *const **out) FV_MUST_USE;
const fv_type *fv_read_type(fv_graph_reader *r);
const fv_type *fv_read_held_type(fv_graph_reader *r); /* of what a sequence or optional holds */
bool fv_read_declared(fv_graph_reader *r, fv_declared *d) FV_MUST_USE; /* TYPE [= [DIM, ...]] */
bool fv_read_number(fv_graph_reader *r, fv_number *out) FV_MUST_USE;
const fv_tensor *fv_read_content(fv_graph_reader *r, const fv_type *type);

#endif
