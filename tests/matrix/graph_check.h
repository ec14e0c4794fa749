/* graph_check.h - one random graph on all consumers.
 *
 * Consumers with the same schedule have to give the same bits. Against the naive schedule
 * (graph.h): SAME is the same bits; CLOSE is
 *
 *     |scheduled - naive| <= 8 d + u max|naive|
 *
 * where d is the largest change of the output when all float inputs change at random by 16 units of
 * their rounding, in three runs of the naive program, and u 64 units. A sum in another order, or
 * with fma, is the exact sum of terms that are changed by some units of rounding; so what it may
 * differ by is what such changes of the inputs do, but for intermediates that are far larger than
 * all inputs and the output. A wrong element differs by as much as the values themselves. */
#ifndef FV_TESTS_MATRIX_GRAPH_CHECK_H
#define FV_TESTS_MATRIX_GRAPH_CHECK_H

#include "tests/matrix/graph.h"
#include "tests/matrix/matrix.h"

typedef struct graph_totals { /* in memory that processes share */
    atomic_int passed, failed, lines, same, close, any, c, stopped;
} graph_totals;

typedef struct graph_checker {
    fv_session *session;
    int index;
    graph_totals *totals; /* NULL: do not count */
} graph_checker;

/* why NULL: all agree. who: "jit -O2 for x86-64-v3"; output: name of the result, if it is one. */
typedef struct graph_verdict {
    const char *who, *why, *output;
} graph_verdict;

/* only: with this result, else with all that nothing uses. */
graph_verdict graph_check(const graph_checker *c, graph *g, const gvalue *only);
/* The text without lines that the result (NULL: any) does not need. */
const char *graph_text_without_dead(graph *g, const gvalue *only);

/* Graphs that are compiled as C together. */
typedef struct graph_batch {
    const char *folder, *cache;
    int n;
    struct graph_in_c {
        fv_session *session;
        fv_arena *arena;
        const char *name, *path;
        const fv_model *model;
        data_set set;
        outcome want;
        int index;
    } graphs[64];
} graph_batch;

/* Takes over the session of the checker where it returns true. */
bool graph_batch_add(graph_batch *b, const graph_checker *c, graph *g);
void graph_batch_run(graph_batch *b, graph_totals *t);

#endif
