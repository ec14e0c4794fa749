/* graph_c.h - compiles random graphs through the C emitter: many graphs in one shared library,
 * because the C compiler takes most of the time. */
#ifndef FV_TESTS_MATRIX_GRAPH_C_H
#define FV_TESTS_MATRIX_GRAPH_C_H

#include "tests/matrix/graph_check.h"

enum { GRAPH_BATCH = 25 };

typedef struct graph_in_c {
    graph_checker checker;
    graph *graph;
    const gvalue *only;
    const char *name, *path; /* path NULL: why says what stood against it */
    const fv_model *model;
    data_set set;
    outcome want;
    const char *why; /* after the run; NULL: the bits are equal */
} graph_in_c;

/* Graphs of one target, for one compiler. */
typedef struct graph_batch {
    const char *folder, *cache;
    atomic_int *at; /* set to the index of the graph that runs; NULL: it is not needed */
    int n;
    graph_in_c graphs[GRAPH_BATCH];
} graph_batch;

/* Writes C for a graph that passed a check, whose session and arena stay until the run. */
void graph_batch_add(graph_batch *b, const graph_checker *c, graph *g, const graph_verdict *passed,
                     const gvalue *only);
/* Compiles and runs. Where the compiler refuses all of them, each is compiled by itself. */
void graph_batch_run(graph_batch *b);
graph_verdict graph_batch_verdict(const graph_in_c *x);

#endif
