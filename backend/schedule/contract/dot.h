/* dot.h - contractions of integers of 8 and 16 bits in words, by the dot products of the target. */
#ifndef FV_BACKEND_SCHEDULE_CONTRACT_DOT_H
#define FV_BACKEND_SCHEDULE_CONTRACT_DOT_H

#include "backend/lowering/lowering.h"

struct fv_contraction;

/* How the products of a contraction are summed in words. */
typedef struct fv_dot {
    int group;       /* steps of the sum in a word, 4 or 2; 0: products are summed one by one */
    fv_expr_op op;   /* the dot product */
    int parts;       /* words of rows whose steps one word of columns has: elements in a byte */
    bool swapped;    /* its first operand is the factor of the columns */
    fv_elem as;      /* the type that elements of the rows have in words */
    bool copies;     /* the rows are copied, as that type and padded to whole words */
    const fv_var *k; /* the variable of the sum along which words are consecutive steps */
} fv_dot;

/* Sets c->dot: the target has a dot product for the types of both factors, of which that of the
 * columns is a constant. Changes nothing else, and records why. */
void fv_choose_dot(fv_lowerer *l, const fv_definition *d, struct fv_contraction *c);
/* Copies the rows as words if c->dot requires it. Returns the definition d over the copy, which
 * computes the same value and whose rows need no further copy. */
fv_definition *fv_place_dot_rows(fv_lowerer *l, fv_op *op, const fv_definition *d,
                                 const struct fv_contraction *c);
/* Makes panels of words of the columns, nr in each. The sum of c becomes one over words, and its
 * factors are words. */
void fv_place_dot(fv_lowerer *l, fv_op *op, const fv_definition *d, struct fv_contraction *c,
                  int nr);

#endif
