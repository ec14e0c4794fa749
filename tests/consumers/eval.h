/* eval.h - a plain evaluator of kernels before expansion, with which every consumer of the expanded
 * kernel is compared: it walks over the tree, computes one scalar at a time, and executes loops of
 * any kind in order. */
#ifndef FV_TESTS_EVAL_H
#define FV_TESTS_EVAL_H

#include "backend/interp/interp.h"
#include "ir/kernel/func.h"

typedef struct eval_options {
    fv_session *session; /* where MATH expressions find their functions */
    bool fma32, fma64;   /* else FMA is two steps */
} eval_options;

/* FV_OK, FV_BAD_INDEX, or FV_INTERNAL where an index is outside its buffer (named on stderr). */
int eval_kernel(const eval_options *o, const fv_kernel *k, const int64_t *dims,
                const fv_span *bufs);

/* One scalar: f of f32 (exact in double) and f64; i of integers, bool, and the bits of storage
 * types. */
typedef struct scalar {
    int64_t i;
    double f;
} scalar;

/* The value of a function of one or two arguments. */
scalar eval_function(const eval_options *o, const fv_kfunc *fn, const scalar *args);

#endif
