/* shard.h - what the files of `fovea shard` share. */
#ifndef FV_TOOLS_SUBCOMMAND_SHARD_H
#define FV_TOOLS_SUBCOMMAND_SHARD_H

#include "passes/shard/shard.h"
#include "tools/model/network.h"

/* Prints a plan, which must not have been applied yet, as a script in Lua that returns the table
 * for --plan; comments state what is exchanged, and why products are whole. */
void fv_shard_print_plan(fv_context *c, const fv_module *m, const fv_shard_plan *plan);

/* Reads the graph of the command's model, in the form in which cuts are found. *o: the options with
 * which it was read. NULL after messages. */
fv_module *fv_shard_read(fv_context *c, fv_driver_options *o);
/* Finds the cuts of a graph into so many parts. request NULL: all cuts that are possible. False
 * after messages. */
bool fv_shard_plan_of(fv_context *c, fv_module *m, int ranks, const fv_shard_request *request,
                      fv_shard_plan *out) FV_MUST_USE;

/* A run with a number of ranks, as it is simulated: of the rank with the most weights. */
typedef struct fv_shard_point {
    int ranks;
    double computing, exchanging; /* milliseconds of kernels, and of exchanges */
    double time;                  /* their sum */
    double efficiency;            /* time of one rank / (time * ranks) */
    int exchanges, messages;      /* in a run; messages: that a rank sends */
    int64_t link_bytes;           /* bytes that a rank sends to each other rank */
    uint64_t weights;             /* bytes */
    int64_t workspace;            /* bytes */
    int unknown;                  /* kernels whose time cannot be predicted, which are left out */
} fv_shard_point;

/* Simulates runs with one rank and with each of the n numbers, which ascend, and prints them; with
 * --chart also draws them. False after messages. */
bool fv_shard_simulate(fv_context *c, const fv_network *network, const fv_shard_request *request,
                       int n, const int *ranks) FV_MUST_USE;
/* Draws the n points as an SVG file. False after a message. */
bool fv_shard_write_chart(fv_context *c, int n, const fv_shard_point *points,
                          const fv_network *network, const char *path) FV_MUST_USE;

#endif
