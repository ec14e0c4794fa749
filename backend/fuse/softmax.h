/* softmax.h - a softmax of scores, as attention has it:
 *
 *     weight = w(exp(x - shift), sum of exp(x - shift))        shift: max of x, or max(that, sink)
 *
 * exp may be exp_flush, which is 0 where the exponential would be denormal. w may round, scale and
 * select, as long as a weight is 0 where its exponential is 0. */
#ifndef FV_BACKEND_FUSE_SOFTMAX_H
#define FV_BACKEND_FUSE_SOFTMAX_H

#include "backend/fuse/attention.h"

typedef struct fv_softmax {
    fv_arena *a;
    const fv_attention *at;
    fv_lowerer *l;    /* finds the definitions of loaded values; NULL: they are not known */
    bool kept;        /* the weights are a result as well, in which a hidden weight is +0 */
    fv_expr *max, *x; /* max: the maximum of x along the row; x: as a function of the key */
    /* what exp subtracts from x: `max`, or the larger one of `max` and a sink */
    fv_expr *shift;
    fv_expr *exp, *sum; /* exp(x - shift), and its sum along the row; NULL: not found */
} fv_softmax;

/* Is x a constant of a float type, possibly converted from another one? If so, sets *value to
 * it. */
bool fv_is_number(const fv_expr *x, double *value) FV_MUST_USE;
/* Are the weights of f->at a softmax, and 0 where the exponential is 0? Sets the members after
 * `kept`. */
bool fv_find_softmax(fv_softmax *f) FV_MUST_USE;
/* The condition that the maximum over visible keys is above `least`, so that hidden weights are
 * zero. An infinite maximum is excluded, since it makes NaN of the sum and thus of each weight. */
fv_expr *fv_softmax_seen(const fv_softmax *f, fv_expr *least, fv_expr *max);

#endif
