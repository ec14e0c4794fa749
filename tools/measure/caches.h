/* caches.h - measures the caches and the memory of this machine: sizes, latencies, rates. */
#ifndef FV_TOOLS_MEASURE_CACHES_H
#define FV_TOOLS_MEASURE_CACHES_H

#include "ir/target/machine.h"
#include "runtime/fovea_model.h"

/* The best of n measurements: the least, or, if `rate`, the greatest, since other programs only
 * make a machine slower. Its deviation is the distance from the median, as a part of the value.
 * Sorts `values`. */
fv_measure fv_measure_best(int n, double *values, bool rate);

/* Measures ways, latencies and rates of the caches `c`, whose sizes are known, into the members of
 * `out`, and the rate of memory for one thread and for the threads of `env`. Sets c->l3_bytes to
 * the number of bytes that stay in the last-level cache, if those are fewer: on a virtual machine
 * other programs use it too. False: there is not enough memory. */
bool fv_measure_caches(const fv_env *env, fv_caches *c, fv_measure out[FV_NMEASURES]) FV_MUST_USE;

#endif
