/* form.h - the form of a definition, which is the kind of computation that it states.
 *
 *     y[i, j] = max(sum k: x[i, k] * w[k, j], 0)       contract rows i columns j over k
 *     y[p, c] = sum k: x[p + k, c] * w[k, c]           contract rows p each c over k
 *     y[i, d] = sum j: softmax(i, j) * v[j, d]         attention queries i features d keys j
 *     y[i, j] = x[i, j] / (sum k: x[i, k])             row
 *     y[i, j] = x[j, i] + b[i]                         transpose rows i columns j
 *     y[i, j] = exp(x[i, j])                           map
 *
 * The step `form` of lowering finds it once for each definition that a kernel computes
 * (backend/fuse/form.h); from then on it is part of the definition. The order of sums, the values
 * that one kernel computes together, and the schedule of the kernel follow from it. It depends on
 * the definition alone, never on the target. */
#ifndef FV_IR_DEFINITION_FORM_H
#define FV_IR_DEFINITION_FORM_H

#include <stdbool.h>
#include <stdint.h>

typedef enum fv_form_kind {
    FV_FORM_NONE, /* the step `form` has not run yet, or no kernel computes the definition */
    FV_FORM_MAP,  /* each element is computed by itself, without sums */
    /* a map in which one operand is contiguous along other axes than the result */
    FV_FORM_TRANSPOSE,
    FV_FORM_ROW,      /* sums along a row, and elements computed from them */
    FV_FORM_CONTRACT, /* sums of products of two factors, for many columns */
    FV_FORM_ATTENTION /* scores, weights computed from them, and sums of weighted values */
} fv_form_kind;

typedef struct fv_form {
    fv_form_kind kind;
    /* Axes of the definition, as bits. CONTRACT: axes on which only the first factor depends.
     * ATTENTION: queries. TRANSPOSE: axes along which the operand is contiguous. */
    uint32_t rows;
    /* CONTRACT: axes on which only the second factor depends; if `each`, the last axis, on which
     * both depend. ATTENTION: features of the values. TRANSPOSE: axes along which the result is
     * contiguous. */
    uint32_t columns;
    bool each;
} fv_form;

/* "map", "transpose", "row", "contract", "attention"; NULL for NONE. */
const char *fv_form_name(fv_form_kind kind);
/* The words that precede the rows, the columns, and the variables of the first sum of a form in its
 * text; NULL: a form of that kind does not have them. */
typedef struct fv_form_words {
    const char *rows, *columns, *terms;
} fv_form_words;
fv_form_words fv_form_words_of(fv_form_kind kind);
/* The kind with that name; NONE: there is none. */
fv_form_kind fv_form_find(const char *name);

static inline bool fv_form_same(fv_form a, fv_form b) {
    return a.kind == b.kind && a.rows == b.rows && a.columns == b.columns && a.each == b.each;
}

#endif
