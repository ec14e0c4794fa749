/* cost.h - what a launch of a kernel computes and moves, counted in the kernel as its schedule
 * wrote it: every operation times the loops around it, for given dims.
 *
 *   fv_launch_cost *list;
 *   int n = fv_cost_launches(a, p, &list);       before fv_program_expand
 *   fv_cost_evaluate(a, p, dims, n, list);       for each choice of dims */
#ifndef FV_BACKEND_COST_COST_H
#define FV_BACKEND_COST_COST_H

#include "backend/cost/walk.h"
#include "ir/kernel/kernel.h"
#include "ir/kernel/program.h"
#include "ir/target/target.h"

typedef struct fv_cost {
    /* Operations on floats. One each for + - * / min max sqrt, roundings and elementary functions,
     * two for fma; all others, such as comparisons, conversions and index arithmetic, are free. The
     * padding of a tile counts like its other elements. */
    double flops;
    /* Bytes of memory that are touched at least once: of each buffer its size, or what all accesses
     * together can reach where that is less (a gather out of a large table). */
    double read, written;
    /* False: the kernel calls a library function, whose operations are not counted; data decide
     * what runs: a loop counts once, and conditions have their usual outcome (values.h), or, if
     * that is not known, the larger of two branches counts, and none of one; or only some
     * iterations of a long loop were walked (walk.h). */
    bool exact;
} fv_cost;

/* The cost of one launch with dims[k->ndims], all tasks together. */
fv_cost fv_cost_kernel(fv_arena *scratch, const fv_kernel *k, const int64_t *dims);

typedef struct fv_launch_cost {
    const fv_stmt *launch;
    const fv_kernel *kernel; /* the kernel as scheduled, also after the program was expanded */
    const fv_stmt *loop;     /* the outermost loop of the host program around it, or NULL */
    bool known;              /* false: some dim of the launch is not known before the run */
    int64_t *dims;           /* the values of the kernel's dims, if they are known */
    fv_cost cost;
    double *touched; /* for each argument, the bytes that are read or written at least once */
} fv_launch_cost;

/* The launches of a program, in order of their numbers. Returns how many. */
int fv_cost_launches(fv_arena *a, const fv_program *p, fv_launch_cost **out);
/* Computes the costs of n launches for dims[p->symbols.n]. */
void fv_cost_evaluate(fv_arena *scratch, const fv_program *p, const int64_t *dims, int n,
                      fv_launch_cost *list);
/* A walk that knows the variables of the host program, apart from those that depend on data. The
 * variable of a loop has the value of the iteration in the middle. */
fv_walk fv_cost_host(fv_arena *scratch, const fv_program *p, const int64_t *dims);
/* The number of iterations of a loop of the host program, for a walk of fv_cost_host; 1 if that is
 * not known, or if `loop` is NULL. */
double fv_cost_iterations(fv_walk *host, const fv_stmt *loop);
/* A rough estimate of the cycles on one core of the target, for comparing launches. */
double fv_cost_cycles(const fv_cost *c, const fv_target *t);
/* Bytes that must be transferred from or to memory whatever the caches contain: for each input,
 * output and constant, the largest number of bytes that a launch touches. After
 * fv_cost_evaluate. */
double fv_cost_memory(fv_arena *scratch, int n, const fv_launch_cost *list);

#endif
