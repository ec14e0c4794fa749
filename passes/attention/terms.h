/* terms.h - the arithmetic of terms that pieces.c and stacks.c share: what stands in pieces.h is
 * what they make. */
#ifndef FV_PASSES_ATTENTION_TERMS_H
#define FV_PASSES_ATTENTION_TERMS_H

#include "passes/attention/pieces.h"

/* ---- types ---- */

bool fv_is_plain_float(fv_elem e) FV_MUST_USE;
/* the first n */
bool fv_same_dims(const fv_pieces *p, const fv_type *a, const fv_type *b, int n) FV_MUST_USE;
bool fv_same_shape(const fv_pieces *p, const fv_type *a, const fv_type *b) FV_MUST_USE;
bool fv_is_single(const fv_type *t) FV_MUST_USE; /* of one element */
bool fv_is_last_kept(const fv_pieces *p, const fv_type *x, const fv_type *y) FV_MUST_USE;
/* Is y what x has, or with rows a number for each row of x? Along one axis at most it may be the
 * same: `axis`, or -1. */
bool fv_is_beside(const fv_pieces *p, const fv_type *y, const fv_type *x, bool rows,
                  int *axis) FV_MUST_USE;
/* v, or what its one number for each row is repeated from along the last axis. */
fv_value *fv_unrepeated(const fv_pieces *p, fv_value *v);
int fv_softmax_axis(const fv_op *op); /* counted from the first; of a Concat, too */

typedef struct fv_reduced {
    bool row; /* the last axis */
    int axis; /* another; -1: none */
} fv_reduced;

/* Does an fv.Reduce go over all of the last axis, of one other, or of both? */
bool fv_reduces(const fv_pieces *p, const fv_op *op, fv_reduced *r) FV_MUST_USE;
bool fv_is_reduction(const fv_op *reduce, const char *name) FV_MUST_USE;

/* ---- references ---- */

bool fv_is_zero_reference(fv_reference r) FV_MUST_USE;
bool fv_same_pieces(const fv_term *a, const fv_term *b) FV_MUST_USE;
bool fv_same_reference(fv_reference a, fv_reference b) FV_MUST_USE;
fv_reference fv_term_reference(const fv_pieces *p, fv_value *v); /* what v is as one */

/* ---- terms: NULL where there is none ---- */

const fv_term *fv_term_of(const fv_pieces *p, const fv_value *v, fv_term_kind kind);
bool fv_is_row_kind(const fv_term *t) FV_MUST_USE; /* of a number for each row */
const fv_term *fv_term_make(fv_pieces *p, fv_term t);
/* of the same pieces */
const fv_term *fv_term_with(fv_pieces *p, const fv_term *t, fv_term_kind kind, fv_reference r);
/* Of the pieces of both, none of which they share. */
const fv_term *fv_term_both(fv_pieces *p, const fv_term *a, const fv_term *b, fv_term_kind kind,
                            fv_reference r);
const fv_term *fv_term_exp(fv_pieces *p, const fv_term *a);
const fv_term *fv_term_log(fv_pieces *p, const fv_term *sum);
const fv_term *fv_term_inverse(fv_pieces *p, const fv_term *sum);
/* a, times what has a number for each row, or the same number along an axis; that is -1 where there
 * is none. */
const fv_term *fv_term_scaled(fv_pieces *p, const fv_term *a, const fv_term *factor, int axis);
const fv_term *fv_term_sum(fv_pieces *p, const fv_term *a, const fv_term *b);
/* The sum of a term along an axis of its value that is one of chunks. */
const fv_term *fv_term_over_chunks(fv_pieces *p, const fv_term *t, const fv_type *value, int axis);

/* ---- stacks.c ---- */

/* What an op makes of stacks, or of terms whose axis of chunks it moves. */
const fv_term *fv_term_of_stacks(fv_pieces *p, const fv_op *op);
/* A stack, or a term moved, whose value x is viewed with axes of 1 more or less. */
const fv_term *fv_stack_squeezed(fv_pieces *p, const fv_term *s, const fv_type *x,
                                 const fv_type *y);

#endif
