/* caches.h - finds the caches of a decoder before it is compiled, as states. */
#ifndef FV_TOOLS_GENERATE_CACHES_H
#define FV_TOOLS_GENERATE_CACHES_H

#include "tools/driver/driver.h"

/* States as --state takes them, NULL terminated: those of the options, then the caches that were
 * found, to which only the list `in_place` gives capacities. */
typedef struct fv_cache_states {
    const char *const *in_place; /* input and output share one memory */
    const char *const *apart;    /* input and output are two buffers */
    int nfound;
} fv_cache_states;

/* Finds the caches of the model at `path` by the names of its inputs and outputs. Reads the graph
 * without its weights, with the dims and states of the options. In texts of kernels and compiled
 * libraries no caches are searched: they state their own. False after diagnostics. */
bool fv_cache_states_find(fv_session *s, fv_arena *a, const char *path, const fv_driver_options *o,
                          fv_cache_states *out) FV_MUST_USE;

/* For each result of the graph, the number of the parameter that takes its value in the next run:
 * of a state, or of a cache by its name; -1: there is none. */
const int *fv_cache_parameters(fv_arena *a, const fv_module *m);

#endif
