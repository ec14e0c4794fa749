/* materialize.h - computes factors of contractions in advance if they are more than a load. */
#ifndef FV_BACKEND_SCHEDULE_CONTRACT_MATERIALIZE_H
#define FV_BACKEND_SCHEDULE_CONTRACT_MATERIALIZE_H

#include "backend/lowering/lowering.h"
#include "ir/base/limits.h"

/* A factor that is computed in advance: the definition of its copy, and how the copy is read. */
typedef struct fv_dense {
    fv_expr *factor;
    /* the part of the factor that is copied; conversions around it are done by the reader */
    fv_expr *stored;
    int n;
    fv_var *index[FV_MAX_RANK]; /* the variables of the copy's axes */
    fv_expr *copy;              /* an element of the copy, as an expression over `index` */
    fv_expr *at[FV_MAX_RANK];   /* the index in the copy that replaces the factor */
    int64_t space;              /* elements between the rows of the copy, which are not read */
} fv_dense;

/* Which factors are copied. ALL: those that are more than a load. WIDENED: also loads of narrow
 * floats, which the copy converts to the type of the sum. WINDOWS: only those over which a window
 * slides, whose copy has fewer elements than the variables have values. */
typedef enum fv_dense_of { FV_DENSE_ALL, FV_DENSE_WIDENED, FV_DENSE_WINDOWS } fv_dense_of;
/* Decides whether the factor should be copied. Sets *dense if so, and changes nothing else. The
 * last axis of the copy is the one along which `last` runs, if there is one; last NULL: the axes
 * have the order in which the factor is read. */
bool fv_choose_dense(fv_lowerer *l, const fv_definition *d, const fv_expr *sum, fv_expr *factor,
                     fv_dense_of of, const fv_var *last, fv_dense *dense) FV_MUST_USE;
/* Describes a copy of x, even if x is no more than a load, in which elements along k, a variable
 * of the sum, are contiguous. The last axis of the copy has k alone as its index; if `slides`, k
 * may have other variables added to it, as where a window slides along k. False: there are too many
 * axes, the index is another one, or x does not depend on k. */
bool fv_choose_copy(fv_lowerer *l, const fv_definition *d, const fv_expr *sum, fv_expr *x,
                    const fv_var *k, bool slides, fv_dense *copy) FV_MUST_USE;
/* Are neighbours along v neighbours in the copy? */
bool fv_dense_runs_along(const fv_dense *dense, const fv_var *v) FV_MUST_USE;
/* The value of the copy, which is made unless an equal one exists. `what`: a word for its name. */
fv_value *fv_place_copy(fv_lowerer *l, fv_op *op, const fv_definition *d, const char *what,
                        const fv_dense *copy);
/* The factor as a load of the copy, which is made unless an equal one exists. */
fv_expr *fv_place_dense(fv_lowerer *l, fv_op *op, const fv_definition *d, const fv_dense *dense);

#endif
