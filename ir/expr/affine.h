/* affine.h - integer expressions as sums: a dim, and terms, each an atom (an expression that is not
 * divided further) times a dim.
 *
 *     (i + n) * 4 - x[j] * m   is   4 * i + (-m) * x[j] + 4 * n         atoms: i, x[j]
 *
 * Each atom has one term; no factor is 0. The terms are in the order of first occurrence, except
 * that the last one takes the place of a term whose factor has become 0. Overflow is ignored: the
 * callback `apart` can keep an expression that may overflow as an atom. */
#ifndef FV_IR_EXPR_AFFINE_H
#define FV_IR_EXPR_AFFINE_H

#include "ir/expr/expr.h"

enum { FV_AFFINE_TERMS = 12 };

typedef struct fv_affine {
    int n;
    struct {
        const fv_expr *x; /* the atom of the term */
        const fv_dim *by;
    } term[FV_AFFINE_TERMS];
    /* the dim that is added to the terms; NULL: the expression has too many terms */
    const fv_dim *rest;
} fv_affine;

/* Callbacks that decide how expressions are divided into terms. */
typedef struct fv_affines {
    fv_dims *dims;
    /* Are two atoms equal? NULL: they are equal if they are the same node or the same variable. */
    bool (*is_same)(void *user, const fv_expr *a, const fv_expr *b);
    /* May this sum, product or negation be divided into terms? NULL: always. */
    bool (*apart)(void *user, const fv_expr *x);
    void *user;
} fv_affines;

fv_affine fv_affine_dim(const fv_dim *d);
fv_affine fv_affine_of(const fv_affines *s, const fv_expr *x);
/* the sum a + b * by */
fv_affine fv_affine_plus(const fv_affines *s, fv_affine a, const fv_affine *b, const fv_dim *by);
/* Is every atom a variable and every factor a constant? */
bool fv_affine_is_of_vars(const fv_affine *f) FV_MUST_USE;

#endif
