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
    const fv_dim_option *chosen; /* settings of dims, by name */
    int nchosen;
    const struct fv_graph_dialect *dialect; /* NULL: the text is plain graph IR */
    void *more;                             /* data of the dialect */
    const fv_lent *lent;                    /* the tensors to which `lent N` refers; NULL: none */
    const fv_op *asks;                      /* the last op that is not an fv.Assume */
    /* number of fv.Assume after it that inference added, and that are not in the text */
    int nasked;
} fv_graph_reader;

/* What the text states about a value: its type, and possibly its elements. */
typedef struct fv_declared {
    const fv_type *type; /* NULL: nothing is stated */
    int nelems;
    const fv_dim *const *elems;
} fv_declared;

typedef struct fv_number {
    bool is_float;
    int64_t i; /* value as an integer, if it is one */
    double f;  /* value as a float, of integers too */
} fv_number;

/* These functions return NULL or false after a diagnostic. */
const fv_dim *fv_read_dim(fv_graph_reader *r); /* Reads a dim after the current token. */
/* [DIM, ...] */
bool fv_read_dims(fv_graph_reader *r, int *n, const fv_dim *const **out) FV_MUST_USE;
const fv_type *fv_read_type(fv_graph_reader *r);
/* the type of what a sequence or optional contains */
const fv_type *fv_read_held_type(fv_graph_reader *r);
bool fv_read_declared(fv_graph_reader *r, fv_declared *d) FV_MUST_USE; /* TYPE [= [DIM, ...]] */
bool fv_read_number(fv_graph_reader *r, fv_number *out) FV_MUST_USE;
const fv_tensor *fv_read_content(fv_graph_reader *r, const fv_type *type);

#endif
