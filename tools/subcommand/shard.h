/* shard.h - what the files of `fovea shard` share. */
#ifndef FV_TOOLS_SUBCOMMAND_SHARD_H
#define FV_TOOLS_SUBCOMMAND_SHARD_H

#include "passes/shard/shard.h"
#include "passes/shard/stages.h"
#include "tools/command/json.h"
#include "tools/model/network.h"

/* Prints a plan, which must not have been applied yet, as a script in Lua that returns the table
 * for --plan; comments state what is exchanged, and why products are whole. */
void fv_shard_print_plan(fv_context *c, const fv_module *m, const fv_shard_plan *plan,
                         const fv_stage_plan *stages);

/* Reads the graph of the command's model, in the form in which cuts are found. *o: the options with
 * which it was read. NULL after messages. */
fv_module *fv_shard_read(fv_context *c, fv_driver_options *o);
/* Finds the cuts of a graph, which was read with the options o, into so many parts. request NULL:
 * all cuts that are possible, or, with --link, those that save time. False after messages. */
bool fv_shard_plan_of(fv_context *c, fv_module *m, const fv_driver_options *o, int ranks,
                      const fv_shard_request *request, fv_shard_plan *out) FV_MUST_USE;
/* The costs by which cuts are chosen: of ranks that are a core of the target each, and of exchanges
 * by that network. Dims are those of --at and --dim; all others are 1, or the least that they may
 * be. */
const fv_shard_costs *fv_shard_costs_of(fv_context *c, const fv_network *network, int ranks,
                                        const fv_target *target);
/* Finds the stages of a graph in which cuts were found, but not made. request NULL, or without
 * stages: those that are chosen by weights and bytes. False after messages. */
bool fv_shard_stages_of(fv_context *c, fv_module *m, int stages, const fv_shard_request *request,
                        fv_stage_plan *out) FV_MUST_USE;

/* Parses --ranks: "4", "1,2,4" or "8..1024", which doubles from number to number; the numbers must
 * ascend. Returns how many there are; 0 after a usage message: none, or more than FV_SHARD_MOST. */
enum { FV_SHARD_MOST = 32 };
int fv_shard_ranks(const fv_args *a, int *out);

/* What a command cuts, and into what. */
typedef struct fv_shard_cutting {
    int ranks; /* of each stage */
    int stages;
    const fv_shard_request *request; /* NULL: all cuts that are possible */
} fv_shard_cutting;

/* Reads the plan of --plan, if there is one; the number of ranks is `ranks` (0: not given), or that
 * of the plan, or 1 if there are stages. Without all of these, the plan is what the annotations
 * of an ONNX model state. False after a message. */
bool fv_shard_read_cutting(fv_context *c, int ranks, fv_shard_cutting *out) FV_MUST_USE;

/* A graph, and how it is cut. */
typedef struct fv_shard_graph {
    fv_module *m;
    fv_driver_options o; /* the options with which the graph was read */
    fv_shard_plan plan;
    fv_stage_plan stages;
} fv_shard_graph;

/* Reads the graph of the command's model, and finds its cuts and stages. If nothing can be cut
 * among the ranks of a stage, each runs all of it. False after messages; out->m, which may be NULL,
 * is to be freed in any case. */
bool fv_shard_graph_read(fv_context *c, const fv_shard_cutting *k, fv_shard_graph *out) FV_MUST_USE;

/* ---- what a run takes: shard_evaluate.c, shard_stages.c ---- */

/* A run with a number of ranks, as it is simulated: of the rank with the most weights. Of several
 * stages, which run one after the other, times, exchanges and messages are sums, and bytes those of
 * the stage that has the most. */
typedef struct fv_shard_point {
    int ranks, rank;              /* of all stages; rank: the one with the most weights */
    double computing, exchanging; /* milliseconds of kernels, and of exchanges */
    double time;                  /* their sum */
    double efficiency;            /* time of one rank / (time * ranks) */
    int exchanges, messages;      /* in a run; messages: that a rank sends */
    int64_t link_bytes;           /* bytes that a rank sends to each other rank */
    uint64_t weights;             /* bytes */
    int64_t workspace, ports;     /* bytes; ports: of inputs and outputs */
    int unknown;                  /* kernels whose time cannot be predicted, which are left out */
    int64_t sent;                 /* bytes that a rank sends to all others */
    struct fv_shard_points {      /* of each stage; n 0: there is one stage */
        int n;
        struct fv_shard_point *all;
    } stages;
} fv_shard_point;

/* Makes m, which fv_shard_read has read with the options o, the part of the rank with the most
 * weights, and evaluates a run of it. Of *out, ranks is given, and efficiency is not set.
 *  network  NULL: exchanges take no time
 *  stages   NULL, or the stages that were found in the graph: the run is that of one of them
 *  quietly  whether no notes say which dims were chosen
 *  dims     NULL, or out: the dims as text
 *  sent     NULL, or out: for each exchange of the plan, the bytes that a rank sends to each other
 *  passed   NULL, or out: for each transfer of the stages, the bytes that a rank sends; those of
 *           other stages stay as they are
 * False after messages. */
typedef struct fv_shard_evaluation {
    const fv_network *network;
    const fv_stage_plan *stages; /* NULL, or the stages of the graph, and the one to evaluate */
    int stage;
    bool quietly;
    const char **dims;
    int64_t *sent, *passed;
} fv_shard_evaluation;
bool fv_shard_evaluate(fv_context *c, fv_module *m, const fv_shard_plan *plan, fv_driver_options *o,
                       const fv_shard_evaluation *how, fv_shard_point *out) FV_MUST_USE;

/* Evaluates a run of all stages, each of which waits for the one before, so that their times add
 * up. `how` is as above, but its stages are not read. False after messages. */
bool fv_shard_evaluate_stages(fv_context *c, const fv_shard_cutting *k,
                              const fv_shard_evaluation *how, fv_shard_point *out) FV_MUST_USE;
/* The share of a run, from 0 to 1, in which one of its stages waits for the other ones. */
double fv_shard_waiting(const fv_shard_point *run, const fv_shard_point *stage);
/* The times, exchanges and memory of a run, or of one of its stages. */
json_t *fv_shard_point_json(const fv_shard_point *p);
/* An array with an object for each stage of the run. */
json_t *fv_shard_stages_json(const fv_shard_point *run);

/* ---- --simulate ---- */

/* Simulates runs with one rank and with each of the n numbers of ranks, which ascend, in each of
 * `stages` stages. *points: room for n + 1 of them. Returns how many there are; 0 after
 * messages. */
int fv_shard_points(fv_context *c, const fv_network *network, int stages, int n, const int *ranks,
                    fv_shard_point *points);
/* Prints the points, and with --chart also draws them. False after messages. */
bool fv_shard_simulate(fv_context *c, const fv_network *network, int n,
                       const int *ranks) FV_MUST_USE;
/* The network, the threads of a rank and the points. */
void fv_shard_points_json(fv_context *c, const fv_network *network, int n,
                          const fv_shard_point *points, json_t *d);
/* The n points as a chart in SVG. */
const char *fv_shard_chart(fv_context *c, int n, const fv_shard_point *points,
                           const fv_network *network);
/* Writes the chart to a file. False after a message. */
bool fv_shard_write_chart(fv_context *c, int n, const fv_shard_point *points,
                          const fv_network *network, const char *path) FV_MUST_USE;

/* ---- inspect --shards, view --ranks: shard_report.c ---- */

/* What is cut into how many parts, and what a run of these takes. */
typedef struct fv_shard_report {
    fv_shard_graph graph; /* the part of a rank; of several stages, the graph that is not cut */
    uint64_t *weights;    /* for each rank of a stage, the bytes of its weights; NULL: of several */
    uint64_t whole;       /* the bytes of all weights */
    fv_shard_point point;
    int64_t *sent;   /* for each exchange of the plan, the bytes that a rank sends to each other */
    int64_t *passed; /* for each transfer of the stages, the bytes that a rank sends */
    const char *dims;
    fv_network network; /* bandwidth 0: there is none */
} fv_shard_report;

/* Makes a report as --ranks, --stages, --plan and --link say; if --ranks has several numbers, of
 * the last one. False after messages. */
bool fv_shard_report_make(fv_context *c, fv_shard_report *out) FV_MUST_USE;
void fv_shard_report_print(fv_context *c, const fv_shard_report *r);
json_t *fv_shard_report_json(fv_context *c, const fv_shard_report *r);

#endif
