/* values.h - the values of variables, tiles and expressions in a walk over a kernel (walk.h), where
 * dims and loop variables determine them; of vectors, each lane by itself. */
#ifndef FV_BACKEND_COST_VALUES_H
#define FV_BACKEND_COST_VALUES_H

#include "ir/kernel/kernel.h"

/* The value of a scalar variable. */
typedef struct fv_variable_value {
    int64_t value;
    bool known;
    bool steers; /* whether a bound or a condition depends on the variable */
} fv_variable_value;

typedef struct fv_values {
    fv_arena *arena;
    fv_ptrmap numbers; /* fv_var -> fv_variable_value */
    /* Whether loads of parameters have usual values (see fv_values_of), and loads of `steering`
     * tiles the values that were stored; false: the value of a load is never known. */
    bool usual;
    fv_ptrmap steering;    /* tiles on which bounds or conditions depend: fv_buf -> not NULL */
    fv_ptrmap tiles;       /* fv_buf -> the numbers in it */
    fv_ptrmap vectors;     /* fv_var of a let that steers -> fv_lanes */
    const fv_buf *storing; /* the tile whose new value is evaluated; NULL: none */
} fv_values;

fv_values fv_values_new(fv_arena *a);
fv_variable_value *fv_values_of_variable(fv_values *w, const fv_var *v);
/* Records that the variables and tiles from which x is computed decide a bound or a condition: they
 * steer. */
void fv_values_steer(fv_values *w, const fv_expr *x);
/* Does the statement change a variable or a tile that steers? */
bool fv_values_concern(fv_values *w, const fv_stmt *s) FV_MUST_USE;
/* The value of an integer or bool, if it is known. */
bool fv_values_evaluate(fv_values *w, const fv_expr *x, int64_t *out) FV_MUST_USE;

enum { FV_MOST_LANES = 64 };

/* A number: an integer or bool, or a float, depending on the type of its expression. */
typedef struct fv_lane {
    bool known;
    /* a loaded bool: both it and its opposite are true, since masks state either what is visible or
     * what is hidden */
    bool assumed;
    union {
        int64_t i;
        double f;
    } is;
} fv_lane;

typedef struct fv_lanes {
    fv_lane at[FV_MOST_LANES];
} fv_lanes;

/* Sets out->at[0] to out->at[lanes of x - 1].
 *   load from a parameter  0 for floats, 1 or true for other types: masks hide nothing, and all
 *                          sums are finite. A guarded load has the value of its last operand where
 *                          its condition is known to be false
 *   select                 the larger of two floats if the condition is a loaded bool: the smaller
 *                          one may be the -inf of a hidden key. If the condition is not known, the
 *                          operand that loads the tile in which the result is stored, so that
 *                          `x = select(condition, .., x)` changes nothing; if none does, the last
 *                          operand */
void fv_values_of(fv_values *w, const fv_expr *x, fv_lanes *out);
/* The effect of a let, a tile or a store to a tile on the values of later expressions. */
void fv_values_follow(fv_values *w, const fv_stmt *s);

#endif
