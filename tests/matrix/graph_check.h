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

#include "ir/kernel/program.h"
#include "tests/matrix/graph.h"
#include "tests/matrix/matrix.h"
#include "tools/driver/driver.h"

typedef struct graph_totals { /* in memory that processes share */
    atomic_int passed, failed, lines, same, close, any, c, stopped, astray;
} graph_totals;

typedef struct graph_checker {
    fv_session *session;
    int index;
    const fv_target *target;
    const compiler *compiler; /* of C: graph_c.h */
    graph_totals *totals;     /* NULL: do not count */
    /* compare random limits of speed, properties of processors and schedules, of this seed and the
     * next ones, with the usual ones, and nothing else; 0: all but these */
    uint64_t limits;
} graph_checker;

/* why: NULL if all agree. who: "jit -O2 for x86-64-v3". output: the name of the result, if it is
 * one. */
typedef struct graph_verdict {
    const char *who, *why, *output;
    fv_program *program; /* where all agree: scheduled and expanded, and what it gives */
    outcome want;
} graph_verdict;

/* only: with this result, else with all that nothing uses. */
graph_verdict graph_check(const graph_checker *c, graph *g, const gvalue *only);
/* The text without lines that the result (NULL: any) does not need. */
const char *graph_text_without_dead(graph *g, const gvalue *only);

/* ---- for graph_c.c and graph_limits.c ---- */

/* The program of the graph, expanded; NULL: graph_error says why not. */
fv_program *graph_lower(const graph_checker *c, const char *text, const fv_driver_options *o);
/* Runs the program, at several thread counts; sets `out` to the first outcome. Returns in what it
 * differs from `want`, or NULL. */
const char *graph_run(const graph_checker *c, const graph *g, fv_program *p, fv_backend_kind kind,
                      char level, int change, const outcome *want, outcome *out);
/* Compares what p gave with what the naive schedule gives. */
graph_verdict graph_against_naive(const graph_checker *c, graph *g, const char *text, fv_program *p,
                                  const outcome *scheduled, const gvalue *only);
/* Compares random draws of what changes no bit (graph_limits.c). */
graph_verdict graph_check_limits(const graph_checker *c, graph *g, const char *text,
                                 const gvalue *only);

data_set graph_inputs(const graph *g, const fv_model *m, int change);
graph_verdict graph_fail(const graph_checker *c, const graph *g, const char *who, const char *why,
                         const gvalue *only);
const char *graph_error(const fv_session *s); /* the first one */

#endif
