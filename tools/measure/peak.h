/* peak.h - loops whose speed is the peak of this machine: multiply-adds, dot products of bytes, and
 * reading. */
#ifndef FV_TOOLS_MEASURE_PEAK_H
#define FV_TOOLS_MEASURE_PEAK_H

#include <stddef.h>
#include <stdint.h>

/* FV_PEAK_CHAINS: the number of independent chains of operations in each step of a loop. On x86 an
 * fma takes four cycles, or five on Haswell and Broadwell, and at most two start in each cycle, so
 * eight or ten chains hide the latency. On Neoverse V1 and V2 four start in each cycle and take
 * four cycles. */
#if defined(__aarch64__)
enum { FV_PEAK_CHAINS = 16 };
#else
enum { FV_PEAK_CHAINS = 12 };
#endif

/* The loop `tile` is that of a product of matrices: in each step it loads FV_PEAK_TILE_VECTORS
 * vectors of one factor and FV_PEAK_TILE_ROWS elements of the other one, and multiplies each
 * element by each vector. */
enum { FV_PEAK_TILE_ROWS = 6, FV_PEAK_TILE_VECTORS = 2, FV_PEAK_TILE_STEPS = 64 };
/* Number of f32 that the loop loads, for vectors of `lanes` lanes. */
#define FV_PEAK_TILE_FLOATS(lanes)                                                                 \
    (FV_PEAK_TILE_STEPS * (FV_PEAK_TILE_ROWS + FV_PEAK_TILE_VECTORS * (lanes)))

typedef struct fv_peak_code {
    int lanes; /* number of f32 in a vector */
    float (*multiply_add)(
        int64_t steps); /* performs `steps` steps of FV_PEAK_CHAINS multiply-adds */
    /* performs `times` times FV_PEAK_TILE_STEPS steps of a tile, with the
     * FV_PEAK_TILE_FLOATS(lanes) numbers at p, aligned to 64 bytes */
    float (*tile)(const float *p, int64_t times);
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
