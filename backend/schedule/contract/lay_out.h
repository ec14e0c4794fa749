/* lay_out.h - stores constants in the layout in which a kernel reads them, when the model is
 * compiled. */
#ifndef FV_BACKEND_SCHEDULE_LAY_OUT_H
#define FV_BACKEND_SCHEDULE_LAY_OUT_H

#include "backend/lowering/lowering.h"
#include "ir/layout/layout.h"

enum {
    FV_MOST_PIECES = 16,        /* largest number of constants of which one layout consists */
    FV_MOST_FACTORS_PIECES = 4, /* largest number of constants for one factor */
    FV_MOST_JOINED = 1 << 16    /* largest number of columns that are examined one by one */
};

/* The variable for each axis of a layout. */
typedef struct fv_layout_vars {
    const fv_var *var[FV_MAX_RANK]; /* the variable; NULL: no index depends on this axis */
    /* number of consecutive elements along the axis that have one value; the variable counts these
     * blocks */
    int64_t block[FV_MAX_RANK];
    int column; /* the axis along which a factor may consist of several constants */
} fv_layout_vars;

/* A constant in a layout: the pieces of constants of which it consists, and where each is
 * stored. */
typedef struct fv_laid_out {
    fv_layout layout;
    fv_elem elem;
    fv_elem stored; /* the type of the value: `elem`, or an integer that several elements share */
    int npieces;
    struct fv_layout_piece {
        const fv_tensor *tensor;
        fv_layout_source from;
    } piece[FV_MOST_PIECES];
    /* another constant that is stored in the same memory, where `layout` has gaps, from byte
     * within_at on; in the memory of the lowerer; NULL: there is none */
    const struct fv_laid_out *within;
    size_t within_at;
    fv_value *value; /* the laid-out constant; NULL: it is not made yet */
    /* the next entry in the list of those whose first piece is of the same tensor */
    struct fv_laid_out *next;
} fv_laid_out;

/* Adds the pieces of x, an element as an expression over the variables, which loads a constant, or
 * several constants that are adjacent along the column: `w[k, j] if j < 8 else v[k, j - 8]`.
 * `layout` and `elem` of `to` must be set. factor_axis: x has index `factor` along that axis; -1:
 * there is none. False: an index is not affine, x has another form or type, or there are too many
 * pieces or columns. */
bool fv_lay_out_add(fv_lowerer *l, fv_laid_out *to, const fv_layout_vars *v, const fv_expr *x,
                    int factor_axis, int64_t factor) FV_MUST_USE;
/* The entry for an equal layout of the same constants that was requested before; if there is none,
 * a new one, which is a copy of `key`. */
fv_laid_out *fv_laid_out_find(fv_lowerer *l, const fv_laid_out *key);
/* Makes `as` the constant of `to`, whose elements are stored in the layout; how many bits each
 * takes is part of the layout. `as` has room for both constants if one is within the other. False:
 * it is too large. */
bool fv_lay_out_make(fv_lowerer *l, fv_laid_out *to, fv_value *as) FV_MUST_USE;
/* Makes v a constant: `by` times the sum along all steps of the constant that x loads, over the
 * variables `axes` of v and the nk variables of the sum. False: x loads no constant, its index is
 * not affine, or there are too many variables or elements. */
bool fv_sum_constant(fv_lowerer *l, fv_value *v, const fv_expr *x, fv_var *const *axes, int nk,
                     fv_var *const *k, int32_t by) FV_MUST_USE;
/* Does the factor consist of at most FV_MOST_FACTORS_PIECES constants that are side by side, with
 * each column in one of them? */
bool fv_is_joined_constant(const fv_expr *factor, const fv_var *column) FV_MUST_USE;

#endif
