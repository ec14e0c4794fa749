/* grouped.h - what the step group knows of a value. */
#ifndef FV_BACKEND_STEPS_GROUPED_H
#define FV_BACKEND_STEPS_GROUPED_H

#include "backend/fuse/work.h"
#include "backend/lowering/lowering.h"
#include "backend/lowering/why.h"

typedef struct fv_grouped {
    bool costly;  /* whether the value is a reshape that needs divisions along a row */
    bool divides; /* whether the value is a reshape that needs any divisions */
    /* the value with elementary functions, itself or substituted into it, that is computed in
     * passes over rows; NULL: none */
    const fv_value *rows;
    bool passes; /* whether its rows need several passes */
    /* the value whose contraction it computes, itself or in its epilogue; or NULL */
    const fv_value *sum;
    bool other; /* whether it contains a reduction that is no contraction, as that of a pool */
    bool two;   /* whether it contains a second contraction */
    bool term;  /* whether it is a product that is rounded together with the sum that adds it */
    bool row;   /* if `term`: whether the sum runs along the last axis of the product */
} fv_grouped;

/* What is known of the value of s; all members are zero at first. */
fv_grouped *fv_grouped_of(fv_lowerer *l, fv_storage *s);
/* Is op a reshape that needs divisions along a row? That is decided before anything is substituted,
 * so that its operand is known to need memory. */
bool fv_is_costly_reshape(fv_lowerer *l, const fv_op *op) FV_MUST_USE;
/* Returns the reason why v needs memory, and sets *because to the use that requires it;
 * FV_WHY_none: it needs none. */
fv_why fv_memory_reason(fv_lowerer *l, const fv_value *v, const fv_op **because);
/* Does v need memory because something other than a definition reads it, such as the caller or an
 * op with a kernel of its own, or a reshape that becomes a view? True as well if nothing reads
 * v. */
bool fv_must_have_memory(fv_lowerer *l, const fv_value *v) FV_MUST_USE;
/* The number of ops that use v. */
int fv_distinct_users(const fv_value *v);
/* Does each element of what the op computes come from the same element of v, and from no other? */
bool fv_is_elementwise_use(fv_lowerer *l, const fv_op *op, const fv_value *v) FV_MUST_USE;
/* Does an element take so much work that it is not computed twice? */
bool fv_is_costly_work(const fv_work *w) FV_MUST_USE;

#endif
