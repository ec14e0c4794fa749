/* footprint.h - what a program's buffers take with given dims: sizes, places in the workspace, and
 * how long each is alive. */
#ifndef FV_TOOLS_MODEL_FOOTPRINT_H
#define FV_TOOLS_MODEL_FOOTPRINT_H

#include "ir/base/ptrmap.h"
#include "ir/kernel/program.h"

typedef struct fv_footprint_buffer {
    const fv_buf *buf;
    int64_t bytes, offset; /* -1: data decides; the offset is that of a buffer of the workspace */
    /* launches that use it, from 1 as they stand in the program; 0: none does */
    int first, last;
} fv_footprint_buffer;

typedef struct fv_footprint {
    fv_arena *arena;
    fv_ptrmap values;  /* variables of symbols and plan -> their values as expressions */
    int64_t workspace; /* bytes */
    int nlaunches;
    /* of launch i: bytes of the workspace that it uses, and those that others did and will; [0] is
     * 0 */
    int64_t *live;
    int64_t bound; /* the most of these: no workspace could be smaller */
    int nbuffers;
    fv_footprint_buffer *buffers; /* as the program has them */
} fv_footprint;

/* dims: p->nsymbols values. Everything is in the arena. */
fv_footprint fv_footprint_of(fv_arena *a, const fv_program *p, const int64_t *dims);
/* The number that an expression of the plan has; -1: data decides, or x is NULL. */
int64_t fv_footprint_number(const fv_footprint *f, const fv_expr *x);
/* "input", "output", "weight", "workspace", "allocated" */
const char *fv_buffer_role(const fv_buf *b);

#endif
