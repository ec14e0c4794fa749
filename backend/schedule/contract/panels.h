/* panels.h - factors of contractions in the order in which register tiles read them. */
#ifndef FV_BACKEND_SCHEDULE_CONTRACT_PANELS_H
#define FV_BACKEND_SCHEDULE_CONTRACT_PANELS_H

#include "backend/lowering/lowering.h"
#include "ir/base/limits.h"

/* A factor of a contraction in the order in which register tiles read it. */
typedef struct fv_panels {
    fv_value *value;            /* [.., panel, k.., column in the panel] */
    bool made_in_run;           /* by a kernel of its own, before; else a constant */
    int panel;                  /* that axis of it */
    fv_var *index[FV_MAX_RANK]; /* of its axes: axes of d, one for the panel, k of the sum,
                                       one for the column in the panel, which is the last */
    fv_expr *load;              /* of an element, over these */
    fv_expr *x;                 /* the factor: the load, converted */
    int width;                  /* columns of each factor in a panel */
} fv_panels;
/* Is it of constants that stand side by side, each column of one of them, so that their panels are
 * one constant? */
bool fv_is_joined_constant(const fv_expr *factor, const fv_var *column) FV_MUST_USE;
/* Would panels of a factor of `sum` in d have few enough axes? */
bool fv_panels_fit(const fv_definition *d, const fv_expr *sum) FV_MUST_USE;
/* Of factors of `sum` in d, one or several, whose columns are that axis; they fit. A panel has
 * `width` columns of the first, then those of the second. */
void fv_make_panels(fv_lowerer *l, fv_op *op, const fv_definition *d, const fv_expr *sum, int n,
                    fv_expr *const *factors, int column, int width, fv_panels *p);

#endif
