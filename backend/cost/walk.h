/* walk.h - a walk over the statements of a kernel, for given dims, that says how often each of them
 * runs.
 *
 * The body of a loop is walked once and counts as often as it is repeated. It is walked for each
 * value of the loop's variable, or for some values at even distances, only if bounds or conditions
 * in it depend on that variable, as for the last, shorter block of rows. */
#ifndef FV_BACKEND_COST_WALK_H
#define FV_BACKEND_COST_WALK_H

#include "backend/cost/values.h"

typedef struct fv_walk fv_walk;

/* What is called during a walk; `user` is that of the walk. Calls for loops may be NULL. */
typedef struct fv_walk_calls {
    /* statement s runs `times` times; for a loop or an IF, only its bounds or condition count */
    void (*statement)(fv_walk *w, const fv_stmt *s, double times);
    /* enter: a loop begins, or, if `loop` is NULL, the tasks of an expanded kernel; leave: it
     * ends */
    void (*enter)(fv_walk *w, const fv_stmt *loop);
    void (*leave)(fv_walk *w);
    /* the body of the loop that began last is walked once, for `trips` iterations: begin and end */
    void (*begin)(fv_walk *w, double trips);
    void (*end)(fv_walk *w);
    /* this branch of an IF is walked; NULL: that does not matter */
    void (*branch)(fv_walk *w, const fv_block *taken);
    /* a product of matrices runs `times` times; NULL: its loops are walked */
    void (*matrix)(fv_walk *w, const fv_stmt *s, double times);
} fv_walk_calls;

struct fv_walk {
    fv_arena *arena;
    const fv_walk_calls *calls;
    void *user;
    /* the known values. If `values.usual`, the body of an IF without `else` does not run if its
     * condition is not known */
    fv_values values;
    /* samples: the most values of a loop's variable that are walked one by one; inner_samples: the
     * same for a loop within a loop whose values are walked one by one */
    int samples, inner_samples;
    /* false: data decide how often a statement runs, which counts once, and of two branches the one
     * with more operations; only some values of a variable were walked; or a function is called */
    bool exact;
    int depth; /* number of loops around the current statement that are walked value by value */
};

/* How many operations on floats the operation counts as: one each for + - * / min max sqrt,
 * roundings, elementary functions and add_flushed, two for fma, dot_bf16_even and dot_bf16_odd,
 * four for dot_bf16; others are free. */
int fv_walk_operations(fv_expr_op op);
/* How many operations on floats x itself counts as, with all its lanes and without its operands.
 * Operations on integers count as none, except those whose integers are the bits of floats. */
int fv_walk_operations_of(const fv_expr *x);

fv_walk fv_walk_new(fv_arena *a, const fv_walk_calls *calls, void *user);
void fv_walk_set(fv_walk *w, const fv_var *v, int64_t value);
/* The value of an integer or bool, if dims and loop variables determine it. */
bool fv_walk_evaluate(fv_walk *w, const fv_expr *x, int64_t *out) FV_MUST_USE;
/* The number of elements, and of bytes, of a parameter; negative: not known. */
double fv_walk_elements(fv_walk *w, const fv_buf *b);
double fv_walk_bytes(fv_walk *w, const fv_buf *b);
/* Walks over a kernel, expanded or not, with dims[k->ndims]. */
void fv_walk_kernel(fv_walk *w, const fv_kernel *k, const int64_t *dims);

#endif
