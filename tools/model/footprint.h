/* footprint.h - the memory of a program's buffers for given dims: sizes, offsets in the workspace,
 * and lifetimes. */
#ifndef FV_TOOLS_MODEL_FOOTPRINT_H
#define FV_TOOLS_MODEL_FOOTPRINT_H

#include "ir/base/ptrmap.h"
#include "ir/kernel/program.h"

typedef struct fv_footprint_buffer {
    const fv_buf *buf;
    /* size of the buffer, -1: data decide it; offset of the buffer in the workspace */
    int64_t bytes, offset;
    /* the first and the last launch that uses the buffer, counted from 1 in the order of the
     * program; 0: no launch uses it */
    int first, last;
} fv_footprint_buffer;

typedef struct fv_footprint {
    fv_arena *arena;
    fv_ptrmap values;  /* variable of a symbol or of the plan -> its value, as an expression */
    int64_t workspace; /* bytes of the workspace */
    int nlaunches;
    /* live[i]: bytes of the buffers of the workspace that are in use during launch i, because it or
     * an earlier and a later launch use them; live[0] is 0 */
    int64_t *live;
    int64_t bound; /* the largest element of live: no placement needs fewer bytes */
    int nbuffers;
    fv_footprint_buffer *buffers; /* the buffers in the order of the program */
} fv_footprint;

/* Computes the footprint of the program for dims[p->symbols.n]. All results are in the arena. */
fv_footprint fv_footprint_of(fv_arena *a, const fv_program *p, const int64_t *dims);
/* The value of an expression of the plan; -1: it depends on data, or x is NULL. */
int64_t fv_footprint_number(const fv_footprint *f, const fv_expr *x);
/* the role of a buffer: "input", "output", "weight", "workspace", "allocated" */
const char *fv_buffer_role(const fv_buf *b);

#endif
