/* place_dot.h - makes the factors of a contraction words, for the dot product that was chosen for
 * it (dot.h). */
#ifndef FV_BACKEND_SCHEDULE_CONTRACT_PLACE_DOT_H
#define FV_BACKEND_SCHEDULE_CONTRACT_PLACE_DOT_H

#include "backend/schedule/contract/dot_plan.h"
#include "backend/schedule/contract/materialize.h"

struct fv_contraction;

/* The element of type u8, i8, i16 or bf16 from which the factor is converted; NULL: it is something
 * else. */
fv_expr *fv_small_element(fv_expr *factor);
/* Describes a copy of the columns, over which a window slides, whose elements are words, numbered
 * by `number`. False: neighbouring columns would not have neighbouring words. */
bool fv_copy_columns(fv_lowerer *l, const fv_definition *d, const struct fv_contraction *c,
                     const fv_dot *dot, fv_var *number, fv_dense *copy) FV_MUST_USE;
/* Copies the rows as words; c->dot.copies must be set. Returns the definition d over the copy,
 * which computes the same value and whose rows need no further copy. */
fv_definition *fv_place_dot_rows(fv_lowerer *l, fv_op *op, const fv_definition *d,
                                 const struct fv_contraction *c);
/* The definition d with the sum of c corrected for columns of the other signedness: plus or minus
 * 128 times the sum of the rows, which a kernel computes. d itself unless c->dot.flips. */
const fv_definition *fv_correct_sums(fv_lowerer *l, fv_op *op, const fv_definition *d,
                                     const struct fv_contraction *c);
/* Makes panels of words of the columns, nr columns in each. The sum of c becomes one over words,
 * and its factors are words. */
void fv_place_dot(fv_lowerer *l, fv_op *op, const fv_definition *d, struct fv_contraction *c,
                  int nr);

#endif
