/* gen.h - random legal kernels. */
#ifndef FV_TESTS_GEN_H
#define FV_TESTS_GEN_H

#include "ir/kernel/kernel.h"

typedef struct rng {
    uint64_t state;
} rng;

uint64_t rng_next(rng *r);
int rng_below(rng *r, int n);
bool rng_chance(rng *r, int percent);
double rng_float(rng *r); /* one that is special */

typedef struct gen_options {
    bool serial;   /* serial loops only, and only constructs that expansion leaves unchanged */
    bool math;     /* MATH expressions */
    bool require;  /* REQUIRE, which mostly fails somewhere */
    bool whole;    /* every element of an output is stored */
    bool alike;    /* most parameters are f32[n0, n1] */
    bool confined; /* test_random.c runs a confined copy (ir/kernel/confine.h) of each kernel */
    int size;      /* about how many expression nodes a kernel has */
} gen_options;

/* Dims are called n0, n1, n2 and have bounds 0..64. Parameters: inputs, then one or two outputs,
 * some of them in place; no packed types. */
fv_kernel *gen_kernel(fv_arena *a, rng *r, const gen_options *o, const char *name);

/* Fills memory of `bytes` with values of the type: special ones, small ones, random bits. */
void gen_data(rng *r, fv_elem e, void *data, size_t bytes);

#endif
