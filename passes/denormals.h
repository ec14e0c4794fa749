/* denormals.h - weights with denormal elements: what reads them, and which of them matter.
 *
 * A *column* of a weight is the set of elements that one sum adds: a column of the matrix w in x w,
 * a filter of a convolution. */
#ifndef FV_PASSES_DENORMALS_H
#define FV_PASSES_DENORMALS_H

#include "passes/attention/elements.h"

/* A set of axes of a weight, as bits. */
typedef uint32_t fv_axes;

enum { FV_MOST_READINGS = 8 };

/* How products read a weight: for each different way, the axes that the sum does not run along.
 * Each position of these axes is a column. */
typedef struct fv_readings {
    fv_axes apart[FV_MOST_READINGS];
    int n;
} fv_readings;

/* The number of denormal elements of t, in the type of floats in which they are computed: f32, bf16
 * or f64. Those of f16 and narrower floats are normal numbers of f32, so there are none; nor are
 * there if the data are left out. Reads all elements; pages of a mapped file leave the memory. */
size_t fv_denormal_count(fv_session *s, const fv_tensor *t);
bool fv_is_denormal(const fv_tensor *t, size_t i) FV_MUST_USE; /* element i, in that type */

/* Does a product read the constant c, directly or through values each element of which is computed
 * from elements at one position? *out becomes how products read it, and *only whether nothing else
 * reads it. */
bool fv_products_read(fv_elements *e, const fv_value *c, fv_readings *out, bool *only) FV_MUST_USE;

/* Have the constants of floats, which may have denormal elements, at most 1 GiB together? If a
 * program will not run, larger ones are not worth the time that reading them takes. */
bool fv_weights_are_read_quickly(const fv_module *m) FV_MUST_USE;

/* The denormal elements of the constants that products read. */
typedef struct fv_denormals {
    bool unread;      /* the constants were not read, because that would take too long */
    size_t n;         /* their number */
    int constants;    /* the number of constants that have some */
    const char *name; /* the constant with most of them, and their number; NULL: there is none */
    size_t of_name;
} fv_denormals;

void fv_denormals_add(fv_denormals *d, const fv_value *c, size_t n);
/* Finds those of a module that `legalise` has rewritten. quickly: only if that is quick, as above;
 * else all constants of floats with readers are read. */
void fv_denormals_find(const fv_module *m, bool quickly, fv_denormals *out);

/* ---- columns ---- */

typedef struct fv_column {
    double most;      /* the largest absolute value of an element */
    double denormals; /* the sum of the absolute values of the denormal elements */
} fv_column;

/* The columns of t, in the arena; of `bias`, if it is not NULL, element i belongs to column i, and
 * counts for `most`. */
fv_column *fv_columns_of(fv_arena *a, const fv_tensor *t, fv_axes apart, const fv_tensor *bias,
                         size_t *n);
/* Is the change of a sum below its rounding if the denormal elements of the column are 0? So it is
 * if the sum of their absolute values is at most u * u times the largest absolute value of an
 * element, where u is the rounding error of the type, 2^-24 for f32 and bf16 and 2^-53 for f64:
 * then the change is less than a rounding error of the largest term, even if the other factors of
 * flushed elements are 1 / u times as large as that of the largest one. */
bool fv_column_may_flush(const fv_tensor *t, const fv_column *c) FV_MUST_USE;
/* flushed[i] becomes false for elements of columns for which fv_column_may_flush does not hold. */
void fv_columns_keep(const fv_tensor *t, fv_axes apart, const fv_column *columns, bool *flushed);
/* Multiplies the elements of column i by 2^shift[i]. */
void fv_columns_scale(fv_tensor *t, fv_axes apart, const int *shift);

#endif
