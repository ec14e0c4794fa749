/* dot_plan.h - how products of small numbers are summed in words. */
#ifndef FV_BACKEND_SCHEDULE_CONTRACT_DOT_PLAN_H
#define FV_BACKEND_SCHEDULE_CONTRACT_DOT_PLAN_H

#include "backend/lowering/lowering.h"

/* How the products of a contraction are summed in words. */
typedef struct fv_dot {
    /* steps of the sum in a word, 16 (FV_DOT16), 4 or 2; 0: products are summed one by one. A word
     * of 16 is a vector of bytes, other words are an i32 */
    int group;
    /* the dot product; DOT_BF16_EVEN of a sum in tiles, whose words are added to two chains
     * (chains.h) */
    fv_expr_op op;
    /* number of words of the rows that have the steps of one word of the columns; more than 1 if
     * several elements of the columns share a byte */
    int parts;
    bool extends; /* whether the elements that share a byte are signed, and are sign-extended */
    /* whether words are multiplied as matrices, by an instruction of the target for that
     * (ir/kernel/matrix.h) */
    bool matrix;
    bool swapped; /* whether the first operand of `op` is the factor of the columns */
    fv_elem as;   /* the type that elements of the rows have in words */
    bool copies;  /* whether rows are copied, converted to `as` and padded to whole words */
    /* If the bytes of a tile's rows are widened to i16 once for all panels of columns, in memory of
     * the task: the largest number of rows of a tile, whose pairs of i16 fit on the stack. `op` is
     * then replaced by DOT_I16_I8_EVEN and DOT_I16_I8_ODD. 0: rows are not widened. */
    int halves;
    int zero; /* what is subtracted from elements of the rows when they are widened; usually 0 */
    const fv_var *k; /* the variable of the sum whose consecutive values are the steps of a word */
    /* whether a kernel packs the words of the columns in the run; false: they are constant */
    bool packs;
    /* with packs: whether that kernel copies a window instead, of which neighbouring columns have
     * neighbouring words; tiles read them where they are, and there are no panels */
    bool dense;
    /* whether that kernel stores bytes of the other signedness, since the target has no dot product
     * of the types otherwise; sums of the rows then correct the sums (fv_correct_sums) */
    bool flips;
} fv_dot;

/* Is the sum in tiles: are words added to two chains, by DOT_BF16_EVEN and DOT_BF16_ODD? */
static inline bool fv_dot_has_chains(const fv_dot *dot) {
    return dot->op == FV_X_DOT_BF16_EVEN;
}

#endif
