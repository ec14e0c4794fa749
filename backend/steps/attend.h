/* attend.h - makes one definition of the values that make up attention. */
#ifndef FV_BACKEND_STEPS_ATTEND_H
#define FV_BACKEND_STEPS_ATTEND_H

#include "backend/fuse/attention.h"

/* Attention whose weights the caller or another kernel reads as well, so that they are stored. */
typedef struct fv_kept_weights {
    fv_storage *weights;
    fv_var *key; /* the variable of the keys in of_weights */
    /* the definitions of the weights and of the result. Both load or compute the same scores, over
     * the same variables except those of features and of keys */
    fv_definition *of_weights, *of_result;
    /* the values, such as scores, that need no memory if this attention is made */
    fv_storage **within;
    int nwithin;
} fv_kept_weights;

typedef struct fv_fuser fv_fuser;
/* Finds which kernels read each value at this time. */
fv_fuser *fv_fuser_new(fv_lowerer *l);
/* Would y be attention if its weights were kept as a second result of the kernel? If so, sets *out.
 * Changes nothing else. */
bool fv_find_kept(fv_fuser *f, const fv_storage *y, fv_kept_weights *out) FV_MUST_USE;
/* Makes both definitions skip the keys that the mask of y hides. Returns false if it changes
 * nothing; the reason is recorded. */
bool fv_fold_kept(fv_lowerer *l, fv_storage *y, fv_kept_weights *k) FV_MUST_USE;

#endif
