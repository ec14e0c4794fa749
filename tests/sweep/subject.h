/* subject.h - the functions of one argument that are swept: as generated code computes them, and
 * their true values. */
#ifndef FV_TESTS_SWEEP_SUBJECT_H
#define FV_TESTS_SWEEP_SUBJECT_H

#include "ir/type/type.h"

typedef struct subject {
    const char *name; /* as kernel text calls it: "exp", "sat_f8e4m3fn" */
    fv_elem to;       /* what it gives: FV_F32 (or FV_F64), or the narrow type of a conversion */
    bool saturates;
    double (*wide)(double);            /* reference of f32; NULL: a conversion */
    long double (*wider)(long double); /* reference of f64 */
    /* whether errors count in ulp of the argument, which is never less than the result, and a zero
     * of any sign is right: for gelu, whose relative error is large where the result is nearly 0 */
    bool of_argument;
} subject;

/* Every function of one argument that is expanded from polynomials, the roundings, the square root,
 * and (of f32) the conversions to narrower floats. Ends with a NULL name. */
const subject *subjects(void);
/* An elementary function of ir/expr/expr.def for which `subjects` has no reference; NULL: there is
 * none. */
const char *subject_missing(void);

/* Errors in ulp of the true value, or of `least` if that is larger: in units of the last place that
 * it has in f32 (f64), of the smallest denormal below the normal range. Beyond the largest number
 * counts as 2^128 (2^1024). Infinite: NaN against a number, a zero of the wrong sign if `least` is
 * 0. */
double error_f32(float got, double want, double least);
double error_f64(double got, long double want, long double least);

/* Bits of x rounded to a narrow type. Built from the list of all values of that type: shares
 * nothing with how generated code does it. */
typedef struct narrow {
    fv_elem type;
    bool saturates;
    int n; /* codes 0 ... n - 1 are the finite numbers from 0 up */
    /* [i]: half way between codes i and i + 1; the last: to what would come next */
    double *middle;
} narrow;
narrow *narrow_new(fv_elem type, bool saturates);
void narrow_free(narrow *t);
/* `last`: 0 at first; remembers where the search ended, as neighbours mostly come in a row. */
unsigned narrow_of(const narrow *t, float x, int *last);
/* Do two results agree? Any NaN equals any. */
bool narrow_same(const narrow *t, unsigned a, unsigned b);

#endif
