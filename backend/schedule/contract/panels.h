/* panels.h - stores factors of contractions in the order in which register tiles read them. */
#ifndef FV_BACKEND_SCHEDULE_CONTRACT_PANELS_H
#define FV_BACKEND_SCHEDULE_CONTRACT_PANELS_H

#include "backend/lowering/lowering.h"
#include "ir/base/limits.h"

/* Panels of words: a word of a column has consecutive steps of a sum (dot.h). */
typedef struct fv_panel_words {
    int group;      /* steps in a word; 0: no words */
    fv_var *k;      /* the last variable of the sum */
    fv_var *number; /* the variable that numbers the words along k */
    /* numbers the parts of a word that is stored, if elements take less than a byte: each part has
     * the bits of `group` steps; NULL: there is one part */
    fv_var *part;
    /* of words that are packed in the run: whether their elements are i16, and otherwise whether
     * bytes get the other signedness */
    bool wide, flips;
    /* of a sum over blocks: the load of an f32 for each block and column, a constant that is stored
     * after the words of the block (fv_make_panels); NULL: there is none */
    const fv_expr *scale;
} fv_panel_words;

/* A factor of a contraction in the order in which register tiles read it. */
typedef struct fv_panels {
    /* a value over [.., panel, k.., column in the panel]; for several values, the one with the most
     * elements */
    fv_value *value;
    /* whether each variable of the sum has an axis k in `value`; a factor may depend on some */
    bool has_steps;
    bool computed; /* whether the factor is an expression, and not only a load with a conversion */
    /* whether a kernel writes the panels at run time; false: they are a constant */
    bool made_in_run;
    int panel; /* the axis of panels in `value` */
    int steps; /* number of steps along the last axis of the sum that share an integer in memory */
    /* whether these are two bf16 in 32 bits, each of which one operation makes an f32 */
    bool pairs;
    /* the variables of the panel, and of the column within the panel */
    fv_var *panel_index, *column;
    fv_var *index[FV_MAX_RANK]; /* if made at run time: the variables of the panels' axes */
    /* the load of an element of the panels, over panel_index, column and the variables of the
     * sum */
    fv_expr *load;
    fv_expr *x; /* the factor, over the same variables */
    int width;  /* columns of each factor in a panel */
    /* set by the caller before the panels are made; if there are words, `load` loads a word */
    fv_panel_words words;
    /* the layout of `value`, a constant; NULL: a kernel makes the panels at run time */
    const struct fv_layout *layout;
} fv_panels;
/* Is the factor of `sum` in d laid out in panels when the model is compiled? It is if it is a
 * constant, or several constants each of which has some of the columns, or if it is computed from
 * constants whose panels have fewer bytes than its own would have, and whose indices are affine. */
bool fv_is_laid_out(fv_lowerer *l, const fv_definition *d, const fv_expr *sum, fv_expr *factor,
                    int column) FV_MUST_USE;
/* x, a term of a sum over blocks, in which each constant of the column is read from panels like p;
 * `part`, the sum within a block, stays as it is. NULL: they cannot be made. */
fv_expr *fv_panels_of_scales(fv_lowerer *l, const fv_definition *d, const fv_expr *steps,
                             fv_expr *x, const fv_expr *part, int column,
                             const fv_panels *p) FV_MUST_USE;
/* Do panels of any factor of `sum` in d have a rank of at most FV_MAX_RANK, even if it depends on
 * all indices of d? */
bool fv_panels_fit(const fv_definition *d, const fv_expr *sum) FV_MUST_USE;
/* Makes panels of one or several factors of `sum` in d, whose columns are axis `column` of d.
 * fv_panels_fit must hold. A panel has `width` columns of the first factor, followed by those of
 * the second. Words are of a single factor; those of a constant have `group` elements of its type,
 * others are an i32. If words.scale is set and the factor is a constant, each block along the first
 * variable of `sum` ends with a further row, the scales of its columns; otherwise words.scale
 * becomes NULL. */
void fv_make_panels(fv_lowerer *l, fv_op *op, const fv_definition *d, const fv_expr *sum, int n,
                    fv_expr *const *factors, int column, int width, fv_panels *p);

#endif
