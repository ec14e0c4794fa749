/* caches.h - finds the caches of a decoder before it is compiled, as states. */
#ifndef FV_TOOLS_GENERATE_CACHES_H
#define FV_TOOLS_GENERATE_CACHES_H

#include "tools/driver/driver.h"

/* States as --state takes them, NULL terminated: those of the options, then those that were found.
 * The lists differ in the capacities of the latter. */
typedef struct fv_cache_states {
    const char *const *in_place; /* input and output share one memory */
    const char *const *apart;    /* input and output are two buffers */
    int nfound;
} fv_cache_states;

/* Finds them by the names of inputs and outputs. Reads the graph without its weights, with the dims
 * and states of the options; texts of kernels and compiled libraries have the states that they
 * have. False after diagnostics. */
bool fv_cache_states_find(fv_session *s, fv_arena *a, const char *path, const fv_driver_options *o,
                          fv_cache_states *out) FV_MUST_USE;

#endif
