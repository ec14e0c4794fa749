/* runner.h - a program that runs a compiled model on data of a file: what stands in for the matrix
 * where the code is of another machine. Freestanding, so that it runs on a bare one.
 *
 * The job is a file of 64-bit words, little-endian like every machine here:
 *   bytes of the job, sets, n, n thread counts, nsymbols, ninputs, noutputs,
 *   for each output its rank and bits of an element,
 *   for each set: nsymbols dims, for each input the offset of its bytes (a multiple of 64; -1:
 *     NULL),
 *     for each output the elements to expect where the plan knows no bound
 * and then the bytes. The result, for each library, set, thread count: status; where that is 0 for
 * each output its dims, then its bytes, filled up to a multiple of 8. */
#ifndef FV_TESTS_MATRIX_RUNNER_H
#define FV_TESTS_MATRIX_RUNNER_H

#include "runtime/fovea_model.h"

enum { RUNNER_OUT_OF_MEMORY = 100 }; /* a status of our own: the machine is too small */

/* What the machine provides. */
typedef struct runner_port {
    char *heap;
    size_t heap_bytes;
    void (*parallel_for)(void *user, void (*task)(void *arg, int64_t i), void *arg, int64_t n);
    void (*write)(const void *data, size_t bytes);
} runner_port;

void runner_run(const runner_port *port, const int64_t *job, const fv_model *model);

#endif
