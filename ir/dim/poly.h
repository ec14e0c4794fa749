/* poly.h - sums of products, the normal form of dims; shared by dim.c, poly.c, fold.c and text.c.
 *
 * A polynomial is a constant and terms, each an integer coefficient times a monomial: an atom, or a
 * MUL of atoms without a constant. It is a value on the stack. When the terms do not fit, or a
 * coefficient overflows, the operation fails, and its caller keeps the expression unsimplified. */
#ifndef FV_IR_DIM_POLY_H
#define FV_IR_DIM_POLY_H

#include "ir/dim/dim.h"

enum { FV_POLY_TERMS = 48 };

typedef struct fv_poly {
    int64_t constant;
    int n;
    struct fv_term {
        int64_t c;         /* the coefficient, never 0 */
        const fv_dim *m;   /* the monomial */
    } term[FV_POLY_TERMS]; /* the terms; the leading monomial comes first */
} fv_poly;

/* Bounds; INT64_MIN and INT64_MAX: unbounded. */
typedef struct fv_range {
    int64_t lo, hi;
} fv_range;

/* The node with that kind and these arguments, hash-consed; a constant where the bounds leave only
 * one value. `opaque`: an ADD or MUL that has no normal form and is an atom for other
 * expressions. */
const fv_dim *fv_dim_node(fv_dims *t, fv_dim_kind kind, int n, const fv_dim *const *args,
                          bool opaque);
/* Simplifies d by building it again as a parser of its text would, so that text reads back to the
 * same dim. All dims that functions of dim.h return are in this form. */
const fv_dim *fv_dim_settle(fv_dims *t, const fv_dim *d);
/* fv_dim_is_minus: is the term printed with a minus in a sum? fv_dim_lead: the index of the term
 * that is printed first. */
bool fv_dim_is_minus(const fv_dim *d) FV_MUST_USE;
int fv_dim_lead(const fv_dim *sum);
/* Compares by structure, with the same result in every table: by kind, then by value, name or
 * arguments. */
int fv_dim_sorts(const fv_dim *a, const fv_dim *b);

/* The functions below that return bool return false if a coefficient overflows or a result has too
 * many terms or too many factors in a term; what *p or *out contains is undefined then. */
bool fv_poly_add(fv_poly *p, const fv_dim *d, int64_t scale) FV_MUST_USE; /* adds scale * d to p */
bool fv_poly_add_poly(fv_poly *p, const fv_poly *q, int64_t scale) FV_MUST_USE;
/* adds the term c * m to p; m NULL: the constant c */
bool fv_poly_add_term(fv_poly *p, const fv_dim *m, int64_t c) FV_MUST_USE;
bool fv_poly_mul(fv_dims *t, fv_poly *out, const fv_poly *a, const fv_poly *b) FV_MUST_USE;
/* out = a / b; false also if the division has a remainder, or b is 0. */
bool fv_poly_divide(fv_dims *t, fv_poly *out, const fv_poly *a, const fv_poly *b) FV_MUST_USE;
/* Functions of monomials; NULL represents the monomial 1. */
int fv_mono_degree(const fv_dim *m);
const fv_dim *fv_mono_atom(const fv_dim *m, int i);
/* out = m / by; false if `by` does not divide m. */
bool fv_mono_divide(fv_dims *t, const fv_dim *m, const fv_dim *by, const fv_dim **out) FV_MUST_USE;
/* The greatest common divisor of the coefficients of all terms but the constant; 0: no terms. */
int64_t fv_poly_content(const fv_poly *p);

const fv_dim *fv_poly_dim(fv_dims *t, const fv_poly *p);
fv_range fv_poly_range(const fv_poly *p);

/* The bounds of an expression of that kind, from the bounds of its two arguments. */
fv_range fv_range_of(fv_dim_kind kind, fv_range a, fv_range b);
fv_range fv_range_add(fv_range a, fv_range b);
/* the bounds of a floordiv b, where x floordiv 0 is 0 */
fv_range fv_range_floordiv(fv_range a, fv_range b);
/* a / b rounded towards -infinity; requires b != 0 and not INT64_MIN / -1 */
int64_t fv_int_floordiv(int64_t a, int64_t b);
/* the greatest common divisor of the absolute values; INT64_MIN counts as 1 */
int64_t fv_int_gcd(int64_t a, int64_t b);

#endif
