/* graph.h - random valid graphs, as text.
 *
 * A graph grows line by line: a maker (graph_*.c) writes one operator in graph IR, the parser
 * infers its results, and a line that the parser refuses is removed. For each value it is known how
 * far its elements may differ between the reference schedule and another one:
 *
 *   SAME   not at all, because the value depends on no rounded sum. A sum of floats is exact, in
 *          any order and with fma, if its terms are multiples of 2^unit of at most 2^bound and the
 *          type represents all such sums
 *   CLOSE  by rounding: the value depends on sums in another order, and on continuous functions
 *   ANY    arbitrarily: the value also depends on a comparison, rounding or position that the last
 *          bit of a sum decides, or on a sum of values that are infinite or nearly so */
#ifndef FV_TESTS_MATRIX_GRAPH_H
#define FV_TESTS_MATRIX_GRAPH_H

#include "ir/base/text.h"
#include "runtime/fovea.h"
#include "tests/consumers/gen.h"

enum {
    GRAPH_RANK = 5,
    GRAPH_VALUES = 160,
    GRAPH_SYMBOLS = 3,
    GRAPH_POOL = 6,
    GRAPH_ELEMENTS = 12000
};

typedef enum { SAME, CLOSE, ANY } agreement;

typedef struct grid {
    bool on;
    int unit, bound;
} grid;

/* What the bytes of a parameter or constant are. */
typedef enum {
    DATA_PLAIN,   /* as the flavour of the graph says */
    DATA_INDEX,   /* integers in [-range, range) */
    DATA_COUNT,   /* integers in [0, range) */
    DATA_EXACTLY, /* those of `content` */
    DATA_UNIQUE   /* a permutation of 0 ... range - 1, or its beginning */
} data_kind;

typedef struct gvalue {
    const char *name; /* "%v3", "@c1" */
    fv_elem elem;
    int rank;
    bool known; /* are its dims, for the data of this graph? */
    int64_t n[FV_ARRAY_RANK], count;
    const char *dim[FV_ARRAY_RANK]; /* as text */
    agreement agree;
    grid grid;
    bool is_param, used;
    bool kept; /* a result of the graph even if it is used */
    data_kind data;
    int64_t range;
    const int64_t *content;
    const char *declared; /* of a parameter or constant: how the text declares it */
} gvalue;

typedef enum { GRID, SMOOTH, WILD } flavour; /* small integers; moderate numbers; any bits */

typedef struct graph {
    fv_session *session;
    fv_arena *arena;
    rng r;
    flavour flavour;
    fv_elem elem; /* the float type that most values have */
    struct {
        const char *text;
        int64_t n;
    } pool[GRAPH_POOL]; /* dims that shapes are made of */
    int64_t symbol[GRAPH_SYMBOLS];
    gvalue *values[GRAPH_VALUES];
    int nvalues, nnames, nlines;
    fv_text symbols, body;
    const char *refused; /* why the last line was dropped */
    const char *op;      /* of the maker that is at work */
} graph;

/* A graph of `lines` operators, of one family or (-1) of all; the first ones of the same seed are
 * the same. */
graph *graph_new(fv_session *s, uint64_t seed, int lines, int family);
int graph_family(const char *name); /* -1: there is none of that name */
/* The graph as text, with these results (NULL: all values that nothing uses). */
const char *graph_text(graph *g, const gvalue *only);
/* Bytes of a parameter, and its shape. change 1, 2, ...: floats differ a little from those of
 * change 0, each time in another way; -1, -2, ...: some axes are longer or shorter, and some
 * indices out of range. */
void graph_data(const graph *g, const gvalue *v, int change, uint64_t seed, fv_array *out);
/* Is it a result? Of a graph with `only` that one is, and no other. */
bool graph_returns(const gvalue *v, const gvalue *only);
/* The value of that name, without its sigil. */
const gvalue *graph_find(const graph *g, const char *name);

/* ---- for makers ---- */

typedef bool (*graph_maker)(graph *g); /* false: no operands for it, or refused */
typedef struct graph_op {
    const char *name; /* of the operator; several, if their names are the maker's affair: "" */
    graph_maker make;
    int weight;
} graph_op;
extern const graph_op graph_pointwise[], graph_moves[], graph_picks[], graph_sums[], graph_joins[],
    graph_images[], graph_attention[], graph_branches[], graph_products[]; /* NULL ends */

/* An existing value of a type in the set and a rank within the bounds; a new one if there is none,
 * or at random. */
gvalue *graph_pick(graph *g, fv_elem_set set, int min_rank, int max_rank);
gvalue *graph_param(graph *g, fv_elem e, int rank, const char *const *dims, const int64_t *n);
/* of the same shape: found or made */
gvalue *graph_like(graph *g, const gvalue *v, fv_elem e);
gvalue *graph_broadcast(graph *g, const gvalue *v, fv_elem e); /* whose shape broadcasts with v's */
gvalue *graph_ints(graph *g, int n, const int64_t *list);      /* i64[n]: a constant */
gvalue *graph_int(graph *g, int64_t n);                        /* i64[] */
gvalue *graph_constant(graph *g, fv_elem e, int rank, const int64_t *n);
gvalue *graph_weight(graph *g, fv_elem e, int rank, const int64_t *n); /* constant or parameter */
gvalue *graph_index(graph *g, fv_elem e, int rank, const char *const *dims, const int64_t *n,
                    data_kind kind, int64_t range);
const char *graph_dim_text(graph *g, int64_t n);
int graph_pool_dim(graph *g, const char **text, int64_t *n);

/* How agreement and grid of results follow from those of the operands. */
typedef enum {
    MOVES,    /* elements as they are */
    SMOOTHLY, /* each on its own, continuous */
    STEPS,    /* each on its own, not continuous */
    /* sums of `terms` products of as many operands as there are floats: exact if terms are
     * multiples of a common unit */
    ADDS,
    AVERAGES, /* the same, then something that leaves the grid */
    BLURS     /* never exact */
} effect;

typedef struct line {
    effect effect;
    int64_t terms; /* of ADDS, AVERAGES */
    int factors;   /* operands that one product has; 0: 1 */
    bool squares;
    grid grid; /* results of MOVES and others on this grid, if on */
} line;

/* Adds a line with one operator that has `nout` results; out[i] NULL: that result is left out. The
 * format is the text after `=`; `operands` lists the operands again, from which the properties of
 * the results follow. False: the parser refuses the line. */
bool graph_lines(graph *g, line l, int n, gvalue *const *operands, int nout, gvalue **out,
                 const char *format, ...) __attribute__((format(printf, 7, 8)));
/* graph_lines for one result, which it returns; NULL: the line is refused. */
#define graph_line(g, l, operands, ...)                                                            \
    graph_lines((g), (l), OPERANDS operands, 1, (gvalue *[1]){0}, __VA_ARGS__)

grid grid_join(int n, gvalue *const *values); /* the grid that holds all of them */
grid grid_of_sum(grid x, int64_t terms);
grid grid_of_product(grid x, grid y);
bool grid_fits(grid x, fv_elem e);

#define CHOOSE(g, list) ((list)[rng_below(&(g)->r, (int)(sizeof(list) / sizeof *(list)))])
#define OPERANDS(...)                                                                              \
    (int)(sizeof((gvalue *[]){__VA_ARGS__}) / sizeof(gvalue *)), (gvalue *[]) {                    \
        __VA_ARGS__                                                                                \
    }

#endif
