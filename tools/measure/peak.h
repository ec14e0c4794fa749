/* peak.h - loops whose speed is the peak of this machine: multiply-adds, dot products of bytes, and
 * reading. */
#ifndef FV_TOOLS_MEASURE_PEAK_H
#define FV_TOOLS_MEASURE_PEAK_H

#include <stddef.h>
#include <stdint.h>

/* The number of independent chains of operations in each step of a loop. */
enum { FV_PEAK_CHAINS = 12 };

typedef struct fv_peak_code {
    int lanes; /* number of f32 in a vector */
    float (*multiply_add)(
        int64_t steps); /* performs `steps` steps of FV_PEAK_CHAINS multiply-adds */
    /* reads `bytes` bytes, a multiple of 1024, from memory aligned to 64 bytes */
    uint64_t (*read)(const void *p, size_t bytes);
    /* number of products of integers in an operation of `dot`, which performs `steps` steps of
     * FV_PEAK_CHAINS such operations; NULL: not known for this machine */
    int dots;
    float (*dot)(int64_t steps);
    /* number of products of integers in a step of `matrix`, which performs `steps` steps of
     * products of matrices in tile registers; NULL: this machine has none, or the system has not
     * permitted this process to use them */
    int matrices;
    float (*matrix)(int64_t steps);
} fv_peak_code;

/* The loops for the widest vectors of this machine: of 64 bytes with AVX-512, of 32 with AVX2 and
 * FMA, otherwise of 16 bytes, also where SVE has wider ones. `matrix` depends on whether code that
 * was loaded before has asked the system for tile registers. */
fv_peak_code fv_peak_widest(void);

#endif
