/* network.h - how long the ranks of a run take to exchange data, by a model of their network.
 *
 * Every rank has a link of its own to the network, which sends and receives at the same time. With
 * n ranks, an all_gather of b bytes of each has every rank send (n - 1) * b bytes:
 *
 *   direct  to all others at once        latency           + (n - 1) * b / bandwidth
 *   ring    n - 1 steps, to the next rank (n - 1) * latency + (n - 1) * b / bandwidth
 *   tree    log2 n steps, rounded up     log2 n * latency  + (n - 1) * b / bandwidth
 *
 * The communicators of Fovea send directly; others may do otherwise. */
#ifndef FV_TOOLS_MODEL_NETWORK_H
#define FV_TOOLS_MODEL_NETWORK_H

#include "tools/command/command.h"

typedef enum fv_topology { FV_DIRECT, FV_RING, FV_TREE } fv_topology;

typedef struct fv_network {
    double bandwidth; /* bytes per second of the link of a rank, in each direction */
    double latency;   /* seconds until a message arrives, its bytes aside */
    fv_topology topology;
} fv_network;

/* Parses the value of --link, such as "25GB/s,2us" or "1Gbit/s,30us,ring". False after a usage
 * message. */
bool fv_network_parse(const fv_args *a, const char *text, fv_network *out) FV_MUST_USE;
/* The seconds of an exchange in which each of n ranks sends `bytes` to each other one. */
double fv_network_seconds(const fv_network *w, int n, double bytes);
/* The messages that a rank sends in such an exchange. */
int fv_network_messages(const fv_network *w, int n);
/* "direct", "ring", "tree" */
const char *fv_topology_name(fv_topology t);
/* "25 GB/s, 2 us, direct" */
const char *fv_network_str(fv_arena *a, const fv_network *w);

#endif
