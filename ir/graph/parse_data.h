/* parse_data.h - declarations shared by parse.c and parse_data.c, which parse graph IR. */
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
    const char *end;             /* end of the text */
    int depth;                   /* current nesting of types and blocks */
    const fv_dim_option *chosen; /* the settings of dims, which refer to symbols by name */
    int nchosen;
    const struct fv_graph_dialect *dialect; /* NULL: the text is plain graph IR */
    void *more;                             /* data that the dialect stores */
    const fv_lent *lent;   /* the tensors to which `lent N` refers; NULL: there are none */
    const fv_op *inferred; /* the last op that was parsed, other than an fv.Assume */
    /* number of fv.Assume ops after `inferred` that its inference added, without those that the
     * text states as well */
    int nassumed;
} fv_graph_reader;

/* The type that the text states for a value, and possibly its elements. */
typedef struct fv_declared {
    const fv_type *type; /* the type; NULL: the text states none */
    int nelems;
    const fv_dim *const *elems;
} fv_declared;

typedef struct fv_number {
    bool is_float;
    int64_t i; /* the value as an integer, if it is one */
    double f;  /* the value as a float, also if it is an integer */
} fv_number;

/* These functions return NULL or false after a diagnostic. */
const fv_dim *fv_read_dim(fv_graph_reader *r); /* Reads a dim after the current token. */
/* Parses [DIM, ...]. */
bool fv_read_dims(fv_graph_reader *r, int *n, const fv_dim *const **out) FV_MUST_USE;
const fv_type *fv_read_type(fv_graph_reader *r);
/* Parses the type of the elements of a sequence or optional. */
const fv_type *fv_read_held_type(fv_graph_reader *r);
/* Parses TYPE [= [DIM, ...]]. */
bool fv_read_declared(fv_graph_reader *r, fv_declared *d) FV_MUST_USE;
bool fv_read_number(fv_graph_reader *r, fv_number *out) FV_MUST_USE;
const fv_tensor *fv_read_content(fv_graph_reader *r, const fv_type *type);

#endif
