/* fold.h - simplification of integer expressions while they are built. Floats are never simplified,
 * except for a double negation, for the sign, the type and a bit cast of a constant, and for a
 * conversion to a wider type and back. */
#ifndef FV_IR_EXPR_FOLD_H
#define FV_IR_EXPR_FOLD_H

#include "ir/expr/expr.h"

/* v wrapped to the width of an integer type, by sign or zero extension; a u64 is passed and
 * returned by its bits. */
int64_t fv_fold_wrap(fv_elem e, int64_t v);
/* Sets *out to the result of an integer operation on constants of type e; y is not used if it has
 * one operand. False: op is no such operation. */
bool fv_fold_ints(fv_elem e, fv_expr_op op, int64_t x, int64_t y, int64_t *out) FV_MUST_USE;

/* Looks up the value of variable v; false: it is not known. */
typedef bool fv_x_variable(void *user, const fv_var *v, int64_t *value);
/* The value of a scalar that is computed from integers and bools. False: x is not such a scalar, it
 * reads memory, it depends on an unknown variable or dim, or it contains an operation that
 * fv_fold_ints does not have, other than a select or a conversion. The time is proportional to the
 * number of paths in x. */
bool fv_x_value(const fv_expr *x, fv_x_variable *of, void *user, int64_t *value) FV_MUST_USE;
/* fv_x_value where the variable v has the value i and no other variable is known. */
bool fv_x_value_at(const fv_expr *x, const fv_var *v, int64_t i, int64_t *value) FV_MUST_USE;

/* A simpler expression with the same value; NULL: none was found. */
fv_expr *fv_fold_un(fv_arena *a, fv_expr_op op, fv_expr *x);
fv_expr *fv_fold_bin(fv_arena *a, fv_expr_op op, fv_expr *x, fv_expr *y);
fv_expr *fv_fold_cast(fv_arena *a, fv_expr_op op, fv_elem e, fv_expr *x);

/* Bounds of an i64 expression, proved from those of its variables; INT64_MIN, INT64_MAX:
 * unbounded. */
void fv_x_range(const fv_expr *x, int64_t *lo, int64_t *hi);

#endif
