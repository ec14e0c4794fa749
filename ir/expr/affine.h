/* affine.h - integer expressions as sums: a dim, and parts that are no sums with dims as factors.
 *
 *     (i + n) * 4 - x[j] * m   is   4 * i + (-m) * x[j] + 4 * n         atoms: i, x[j]
 *
 * Terms are those of different atoms, in the order in which they are met first; none has the factor
 * 0. Overflow is not looked at: `apart` leaves alone what may have one. */
#ifndef FV_IR_EXPR_AFFINE_H
#define FV_IR_EXPR_AFFINE_H

#include "ir/expr/expr.h"

enum { FV_AFFINE_TERMS = 12 };

typedef struct fv_affine {
    int n;
    struct {
        const fv_expr *x; /* the atom */
        const fv_dim *by;
    } term[FV_AFFINE_TERMS];
    const fv_dim *rest; /* NULL: there are more terms */
} fv_affine;

/* How expressions become sums. */
typedef struct fv_affines {
    fv_dims *dims;
    /* Are two atoms one? NULL: where they are one node, or one variable. */
    bool (*is_same)(void *user, const fv_expr *a, const fv_expr *b);
    /* May this sum, product or negation be taken apart? NULL: always. */
    bool (*apart)(void *user, const fv_expr *x);
    void *user;
} fv_affines;

fv_affine fv_affine_dim(const fv_dim *d);
fv_affine fv_affine_of(const fv_affines *s, const fv_expr *x);
/* a + b * by */
fv_affine fv_affine_plus(const fv_affines *s, fv_affine a, const fv_affine *b, const fv_dim *by);
/* Is it a sum of variables with constant factors, and a dim? */
bool fv_affine_is_of_vars(const fv_affine *f) FV_MUST_USE;

#endif
