/* fold.h - identities of integer expressions, applied as they are built. Floats are never
 * folded, but for the sign and the type of a constant. */
#ifndef FV_IR_EXPR_FOLD_H
#define FV_IR_EXPR_FOLD_H

#include "ir/expr/expr.h"

/* The value wrapped to the width of an integer type: sign or zero extended, u64 by its bits. */
int64_t fv_fold_wrap(fv_elem e, int64_t v);
/* An integer operation on constants of type e; false: not an integer operation. */
bool fv_fold_ints(fv_elem e, fv_expr_op op, int64_t x, int64_t y, int64_t *out) FV_MUST_USE;

/* What is known of variables: false, or the value of v. */
typedef bool fv_x_variable(void *user, const fv_var *v, int64_t *value);
/* The value of a scalar that is computed of integers and bools; false: it is none, it reads memory,
 * or a variable that decides it is not known. Takes time in the paths of x. */
bool fv_x_value(const fv_expr *x, fv_x_variable *of, void *user, int64_t *value) FV_MUST_USE;

/* A simpler expression of the same value, or NULL. */
fv_expr *fv_fold_un(fv_arena *a, fv_expr_op op, fv_expr *x);
fv_expr *fv_fold_bin(fv_arena *a, fv_expr_op op, fv_expr *x, fv_expr *y);
fv_expr *fv_fold_cast(fv_arena *a, fv_expr_op op, fv_elem e, fv_expr *x);

/* Bounds of an i64, proved from those of its variables; INT64_MIN, INT64_MAX: none. */
void fv_x_range(const fv_expr *x, int64_t *lo, int64_t *hi);

#endif
