/* poly.h - sums of products, the normal form of dims: shared by dim.c, poly.c, fold.c.
 *
 * A polynomial is a constant and terms, each an integer coefficient times a monomial: an atom, or a
 * MUL of atoms without constant. It lives on the stack; what does not fit (terms, overflow) makes
 * the operation fail, and its caller keep the expression as it stands. */
#ifndef FV_IR_DIM_POLY_H
#define FV_IR_DIM_POLY_H

#include "ir/dim/dim.h"

enum { FV_POLY_TERMS = 48 };

typedef struct fv_poly {
    int64_t constant;
    int n;
    struct fv_term {
        int64_t c;         /* never 0 */
        const fv_dim *m;   /* monomial */
    } term[FV_POLY_TERMS]; /* leading monomial first */
} fv_poly;

/* Bounds; INT64_MIN and INT64_MAX: none known. */
typedef struct fv_range {
    int64_t lo, hi;
} fv_range;

/* The node of that kind, hash-consed; a constant where the bounds leave one value. `opaque`: an ADD
 * or MUL that is no normal form, but an atom to others. */
const fv_dim *fv_dim_node(fv_dims *t, fv_dim_kind kind, int n, const fv_dim *const *args,
                          bool opaque);
/* What is left when d is taken apart and put together again as its text says; so that text reads
 * back to itself. All that the functions of dim.h return is settled. */
const fv_dim *fv_dim_settle(fv_dims *t, const fv_dim *d);
/* A term of a sum that is written with a minus; the term that is written first. */
bool fv_dim_is_minus(const fv_dim *d) FV_MUST_USE;
int fv_dim_lead(const fv_dim *sum);
/* Order by structure, the same in every table: by kind, then name, then arguments. */
int fv_dim_sorts(const fv_dim *a, const fv_dim *b);

/* All return false on overflow; *p is then garbage. */
bool fv_poly_add(fv_poly *p, const fv_dim *d, int64_t scale) FV_MUST_USE; /* p += scale * d */
bool fv_poly_add_poly(fv_poly *p, const fv_poly *q, int64_t scale) FV_MUST_USE;
bool fv_poly_add_term(fv_poly *p, const fv_dim *m, int64_t c) FV_MUST_USE; /* m NULL: constant */
bool fv_poly_mul(fv_dims *t, fv_poly *out, const fv_poly *a, const fv_poly *b) FV_MUST_USE;
/* out = a / b where the division leaves nothing. */
bool fv_poly_divide(fv_dims *t, fv_poly *out, const fv_poly *a, const fv_poly *b) FV_MUST_USE;
/* Monomials; NULL stands for 1. */
int fv_mono_degree(const fv_dim *m);
const fv_dim *fv_mono_atom(const fv_dim *m, int i);
/* out = m / by where it divides */
bool fv_mono_divide(fv_dims *t, const fv_dim *m, const fv_dim *by, const fv_dim **out) FV_MUST_USE;
/* The greatest common divisor of the coefficients of the terms, without the constant; 0: none. */
int64_t fv_poly_content(const fv_poly *p);

const fv_dim *fv_poly_dim(fv_dims *t, const fv_poly *p);
fv_range fv_poly_range(const fv_poly *p);

/* Of an expression of that kind, from those of two arguments. */
fv_range fv_range_of(fv_dim_kind kind, fv_range a, fv_range b);
fv_range fv_range_add(fv_range a, fv_range b);
fv_range fv_range_floordiv(fv_range a, fv_range b); /* with x floordiv 0 = 0 */
int64_t fv_int_floordiv(int64_t a, int64_t b);      /* b != 0, not MIN / -1 */
int64_t fv_int_gcd(int64_t a, int64_t b);           /* of magnitudes; INT64_MIN counts as 1 */

#endif
