/* materialize.h - factors of contractions that are more than a load, computed before. */
#ifndef FV_BACKEND_SCHEDULE_CONTRACT_MATERIALIZE_H
#define FV_BACKEND_SCHEDULE_CONTRACT_MATERIALIZE_H

#include "backend/lowering/lowering.h"
#include "ir/base/limits.h"

/* A factor that is more than a load: what of it a kernel of its own computes, and how it is read
 * then. */
typedef struct fv_dense {
    fv_expr *factor;
    int n;
    fv_var *index[FV_MAX_RANK]; /* axes of the copy */
    fv_expr *copy;              /* an element of it, */
    fv_expr *at[FV_MAX_RANK];   /* and which one stands for the factor */
} fv_dense;

/* Decides whether the factor is to be made dense, and does nothing. If `last` is not NULL: only
 * where a window slides over it, and that variable runs along the last axis if it can. */
bool fv_choose_dense(fv_lowerer *l, const fv_definition *d, const fv_expr *sum, fv_expr *factor,
                     const fv_var *last, fv_dense *dense) FV_MUST_USE;
/* Are neighbours along v neighbours in the copy? */
bool fv_dense_runs_along(const fv_dense *dense, const fv_var *v) FV_MUST_USE;
/* The factor as a load of the copy, which is made unless an equal one is there. */
fv_expr *fv_place_dense(fv_lowerer *l, fv_op *op, const fv_definition *d, const fv_dense *dense);

#endif
