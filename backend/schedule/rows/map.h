/* map.h - rows of elements, one after the other. */
#ifndef FV_BACKEND_SCHEDULE_ROWS_MAP_H
#define FV_BACKEND_SCHEDULE_ROWS_MAP_H

#include "backend/schedule/common/emit.h"

/* Loops over all axes but those inside, which take that work together: tasks outside, and within
 * them as many rows as make a task of that many elements. */
void fv_open_outer(fv_kemit *e, const bool *inside, int64_t work, int64_t task, fv_expr **index);

/* Elements that a row along that axis takes to compute; not counted much beyond `most`. */
int64_t fv_work_of_row(const fv_definition *d, int vector, int64_t most);

/* The one axis v, in vectors: in blocks of that many elements, which are the tasks. */
void fv_open_blocked(fv_kemit *e, fv_var *v, int64_t block, fv_expr **index);
/* A loop over all of v; its variable is bound. */
fv_expr *fv_open_axis(fv_kemit *e, fv_loop_kind kind, fv_var *v);

void fv_schedule_naive(fv_lowerer *l, fv_storage *s, fv_op *op); /* takes all */

/* A row, or an element where there is none, of e->def; other axes are bound. */
typedef struct fv_row {
    int vector;      /* the axis that it runs along; -1 */
    bool alone;      /* it is the only axis that is not 1, */
    int64_t task;    /* of which one task does so many elements */
    fv_buf *out;     /* where it is stored; NULL: in the value */
    fv_expr **index; /* there; the place `at` is for the vector's variable */
    int at;
    bool asked; /* e->loop.plain has been decided */
    bool keeps_nothing;
    bool leaves_sums; /* what is summed is wanted by other results of the group, behind it */
    bool sums;        /* out: it has reductions */
} fv_row;
/* What fv_emit_row begins with: from here on, sums are those of the row, and keep what they compute
 * in it. */
void fv_row_start(fv_kemit *e, fv_row *w, fv_value *value);
void fv_emit_row(fv_kemit *e, fv_row *w, fv_value *value);

#endif
