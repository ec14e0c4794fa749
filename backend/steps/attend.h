/* attend.h - makes one definition of the values of which attention consists. */
#ifndef FV_BACKEND_STEPS_ATTEND_H
#define FV_BACKEND_STEPS_ATTEND_H

#include "backend/fuse/attention.h"

/* Attention whose weights somebody reads besides: the caller, or another kernel. */
typedef struct fv_kept_weights {
    fv_storage *weights;
    fv_var *key; /* of their definition */
    /* of scores, over the same variables but for features and the weights' own key */
    fv_definition *of_weights, *of_result;
    /* so many scores, and what was made of them, that need no memory then */
    fv_storage **within;
    int nwithin;
} fv_kept_weights;

typedef struct fv_fuser fv_fuser;
/* Sees who reads what by now. */
fv_fuser *fv_fuser_new(fv_lowerer *l);
/* Would y be attention if its weights were kept, as a second result? Decides, and does nothing. */
bool fv_find_kept(fv_fuser *f, const fv_storage *y, fv_kept_weights *out) FV_MUST_USE;
/* Leaves out of both what the mask of y hides; false: nothing, and it says why. */
bool fv_fold_kept(fv_lowerer *l, fv_storage *y, fv_kept_weights *k) FV_MUST_USE;

#endif
