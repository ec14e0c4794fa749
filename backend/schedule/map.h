/* map.h - rows of elements, one after the other. */
#ifndef FV_BACKEND_SCHEDULE_MAP_H
#define FV_BACKEND_SCHEDULE_MAP_H

#include "backend/schedule/emit.h"

/* Loops over all axes but those inside, which take that work together: tasks outside, and within
 * them as many rows as make a task of that many elements. */
void fv_open_outer(fv_kemit *e, const bool *inside, int64_t work, int64_t task, fv_expr **index);

/* The axis to run vectors along: the last one that is not 1, unless what is computed runs across it; -1. */
int fv_map_vector(const fv_definition *d);

void fv_schedule_naive(fv_lowerer *l, fv_storage *s, fv_op *op); /* takes all */

/* A row, or an element where there is none, of e->def; other axes are bound. */
typedef struct fv_row {
    int vector;       /* the axis that it runs along; -1 */
    bool alone;       /* it is the only axis that is not 1, */
    int64_t task;     /* of which one task does so many elements */
    fv_buf *out;      /* where it is stored; NULL: in the value */
    fv_expr **index;  /* there; the place `at` is for the vector's variable */
    int at;
    bool asked;       /* e->plain has been decided */
    bool keeps_nothing;
    bool sums;        /* out: it has reductions */
} fv_row;
/* What fv_emit_row begins with: from here on, sums are those of the row, and keep what they compute in it. */
void fv_row_start(fv_kemit *e, fv_row *w, fv_value *value);
void fv_emit_row(fv_kemit *e, fv_row *w, fv_value *value);

#endif
