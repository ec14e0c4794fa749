/* dot.h - contractions of integers of up to 16 bits in words, by the dot products of the target,
 * and of words of two bf16. */
#ifndef FV_BACKEND_SCHEDULE_CONTRACT_DOT_H
#define FV_BACKEND_SCHEDULE_CONTRACT_DOT_H

#include "backend/lowering/lowering.h"

struct fv_contraction;

/* Sets c->dot if the products can be summed in words: c is a single sum, of i32 or in words of
 * bf16, of which only one factor depends on the column; both factors are converted from small
 * elements, those of the columns are laid out when the model is compiled, or there are enough rows
 * for a kernel to pack them; the target has a dot product for the types (words of bf16 need none),
 * and one variable of the sum fills more than half of its words. Columns that are packed in the run
 * set c->packed. Otherwise sets c->dot.group to 0. Records a reason if the factors are such
 * elements, and changes nothing else. */
void fv_choose_dot(fv_lowerer *l, const fv_definition *d, struct fv_contraction *c);

#endif
