/* terms.h - arithmetic of terms, for merge.c, pieces.c and stacks.c. pieces.h explains terms. */
#ifndef FV_PASSES_ATTENTION_TERMS_H
#define FV_PASSES_ATTENTION_TERMS_H

#include "passes/attention/pieces.h"

/* ---- types ---- */

bool fv_is_plain_float(fv_elem e) FV_MUST_USE;
/* are the first n dims of both types equal? */
bool fv_same_dims(const fv_pieces *p, const fv_type *a, const fv_type *b, int n) FV_MUST_USE;
bool fv_same_shape(const fv_pieces *p, const fv_type *a, const fv_type *b) FV_MUST_USE;
/* does it have one column, and so one number for each row? */
bool fv_is_line(const fv_type *t) FV_MUST_USE;
/* does a tensor of this type have exactly one element? */
bool fv_is_single(const fv_type *t) FV_MUST_USE;
bool fv_is_last_kept(const fv_pieces *p, const fv_type *x, const fv_type *y) FV_MUST_USE;
/* Does y have the shape of x, or, if `rows`, one number for each row of x? y may be constant along
 * one axis, which becomes *axis; -1: it is not. */
bool fv_fits_shape(const fv_pieces *p, const fv_type *y, const fv_type *x, bool rows,
                   int *axis) FV_MUST_USE;
/* v, or, if v repeats one number of each row along the last axis, a value of these numbers. */
fv_value *fv_unrepeated(const fv_pieces *p, fv_value *v);
/* the axis of a softmax, log-softmax or Concat, as a number that is not negative */
int fv_softmax_axis(const fv_op *op);

typedef struct fv_reduced {
    bool row; /* whether the reduction runs over the last axis */
    int axis; /* another axis over which the reduction runs; -1: there is none */
} fv_reduced;

/* Does an fv.Reduce run over the whole last axis, one other axis, or both? Axes of dim 1 do not
 * count. *r becomes these axes. */
bool fv_reduces(const fv_pieces *p, const fv_op *op, fv_reduced *r) FV_MUST_USE;
bool fv_is_reduction(const fv_op *reduce, const char *name) FV_MUST_USE;

/* ---- references ---- */

bool fv_is_zero_reference(fv_reference r) FV_MUST_USE;
bool fv_same_pieces(const fv_term *a, const fv_term *b) FV_MUST_USE;
bool fv_same_reference(fv_reference a, fv_reference b) FV_MUST_USE;
/* v, which has one number for each query, as a reference */
fv_reference fv_term_reference(const fv_pieces *p, fv_value *v);

/* ---- terms; NULL: there is none ---- */

/* the op that computes v, if it is that operator; otherwise NULL */
const fv_op *fv_made_by(const fv_value *v, fv_op_id id);
/* The term for the weights of one piece in the softmax of all: a Slice of the Softmax of a Concat
 * that takes the columns of one operand (joined.c). */
const fv_term *fv_term_of_slice(fv_pieces *p, const fv_op *slice);
const fv_term *fv_term_of(const fv_pieces *p, const fv_value *v, fv_term_kind kind);
/* does the term's value have one number for each row of the scores? */
bool fv_is_row_kind(const fv_term *t) FV_MUST_USE;
const fv_term *fv_term_make(fv_pieces *p, fv_term t);
/* a term of the same pieces as t, of another kind and with another reference */
const fv_term *fv_term_with(fv_pieces *p, const fv_term *t, fv_term_kind kind, fv_reference r);
/* A term of the pieces of both a and b; NULL if they have a piece in common, or more than
 * FV_MAX_PIECES. */
const fv_term *fv_term_both(fv_pieces *p, const fv_term *a, const fv_term *b, fv_term_kind kind,
                            fv_reference r);
const fv_term *fv_term_exp(fv_pieces *p, const fv_term *a);
const fv_term *fv_term_log(fv_pieces *p, const fv_term *sum);
const fv_term *fv_term_inverse(fv_pieces *p, const fv_term *sum);
/* The term for a times a factor with one number for each row, or with the same number along an
 * axis; -1: there is no such axis. */
const fv_term *fv_term_scaled(fv_pieces *p, const fv_term *a, const fv_term *factor, int axis);
const fv_term *fv_term_sum(fv_pieces *p, const fv_term *a, const fv_term *b);
/* The term for the sum of a term's value along an axis that is an axis of chunks. */
const fv_term *fv_term_over_chunks(fv_pieces *p, const fv_term *t, const fv_type *value, int axis);

/* The term for the result of an op whose operands are not stacks. */
const fv_term *fv_term_of_op(fv_pieces *p, const fv_op *op);

/* ---- stacks.c ---- */

/* The term for the result of an op that makes a stack, or whose operands are stacks, or that moves
 * or sums the axis of chunks of a term. */
const fv_term *fv_term_of_stacks(fv_pieces *p, const fv_op *op);

#endif
