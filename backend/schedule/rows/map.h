/* map.h - kernels that compute rows of elements, one after the other. */
#ifndef FV_BACKEND_SCHEDULE_ROWS_MAP_H
#define FV_BACKEND_SCHEDULE_ROWS_MAP_H

#include "backend/schedule/common/emit.h"

/* Opens loops over all axes of e->def that are not `inside`, and sets `index` for them. The axes
 * inside take `work` operations for each iteration. Outer axes become tasks of about `task`
 * operations; the loops over the remaining rows are within a task. */
void fv_open_outer(fv_kemit *e, const bool *inside, int64_t work, int64_t task, fv_expr **index);
/* fv_open_outer for n definitions that share these axes, whose rows run along the axes `row` (-1: a
 * definition has no rows), with arrays of what their elements compute from their index alone
 * (tables.h). */
void fv_open_outer_of(fv_kemit *e, const bool *inside, int64_t work, int64_t task, fv_expr **index,
                      int n, const fv_definition *const *all, const int *row);

/* Returns the number of terms and elements, for dims of typical size, that a row along axis
 * `vector` (-1: a single element) takes to compute. Stops counting once it exceeds `most`. */
int64_t fv_work_of_row(const fv_definition *d, int vector, int64_t most);

/* Opens a vector loop over v, the only axis, within tasks of `block` elements each, and sets *index
 * to the value of v. There is one task if v has at most `block` elements. */
void fv_open_blocked(fv_kemit *e, fv_var *v, int64_t block, fv_expr **index);
/* Opens a loop over v and binds v; a vector loop along the row of e->range runs over that range
 * only, any other loop over all of v. Returns the value of v. */
fv_expr *fv_open_axis(fv_kemit *e, fv_loop_kind kind, fv_var *v);

void fv_schedule_naive(fv_lowerer *l, fv_storage *s, fv_op *op); /* can compute every definition */

/* The row, or the single element, of e->def for which fv_emit_row emits code. The variables of the
 * other axes must be bound. */
typedef struct fv_row {
    int vector;   /* the axis along which the row runs; -1: it is one element */
    bool alone;   /* the row's axis is the only one whose extent is not 1 */
    int64_t task; /* if alone: elements of the row that one task computes */
    fv_buf *out;  /* the buffer that stores the row; NULL: that of the value */
    /* the index of the row in that buffer; place `at` receives the index of the vector loop */
    fv_expr **index;
    int at;
    bool plain_decided; /* whether the caller has decided e->loop.plain */
    bool keeps_nothing; /* whether passes over the row keep no values for later passes */
    /* whether narrow elements are loaded without guards where these hold for the whole row */
    bool unguards;
    /* the sums of the row stay in scope after it, because later results of the group use them */
    bool leaves_sums;
    bool sums; /* output: reductions were emitted for the row, or it is one element */
} fv_row;
/* Prepares e for a row: reductions along it may use several chains, and its passes may keep in it
 * what they compute (fv_keep_in_rows), unless w->keeps_nothing is set. fv_emit_row begins with
 * this. */
void fv_row_start(fv_kemit *e, fv_row *w, fv_value *value);
void fv_emit_row(fv_kemit *e, fv_row *w, fv_value *value);

#endif
