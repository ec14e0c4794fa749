/* ml.h - what the operators of ai.onnx.ml have in common: lists among their attributes that become
 * constants, rows of features, scores and labels. */
#ifndef FV_OPS_ML_ML_H
#define FV_OPS_ML_ML_H

#include "ops/common/dims.h"

#define FV_ML(nm)     .domain = "ai.onnx.ml", .name = nm
#define FV_ML_NUMBERS (FV_SET(F32) | FV_SET(F64) | FV_SET(I64) | FV_SET(I32))

/* A list among the attributes; nothing where it is left out. */
const float *fv_ml_floats(const fv_op *op, const char *name, int *n);
/* The list as a constant of type e and these dims, that many elements. */
fv_value *fv_ml_const_floats(fv_module *m, const char *stem, fv_elem e, const float *v, int rank,
                             const int64_t *dims);
fv_value *fv_ml_const_ints(fv_module *m, const char *stem, fv_elem e, int n, const int64_t *v);
/* Labels of the classes that a classifier has: the list `name`, or where they are strings 0, 1,
 * ...; NULL: there are none. */
const int64_t *fv_ml_labels(const fv_op *op, const char *name, int *n);
/* Result 0, [N], is a label of these classes. False after a diagnostic. */
bool fv_ml_infer_label(fv_op *op, const char *name, const fv_dim *rows) FV_MUST_USE;
/* Of classes whose labels are strings: the classifier gives their numbers, and the label is looked
 * up. `name`: the list of labels that are numbers. */
bool fv_ml_name_classes(fv_rewriter *w, fv_op *op, const char *name) FV_MUST_USE;
/* Which of these texts is the attribute? -1 after a diagnostic. */
int fv_ml_choice(const fv_op *op, const char *name, int n, const char *const *choices);

/* Rows [N, F] of a matrix; a vector is one row. */
void fv_ml_rows(fv_dims *t, const fv_type *x, const fv_dim **dims /* 2 */);
/* Has each row that many features? False after a diagnostic. */
bool fv_ml_infer_features(fv_op *op, int64_t n, const char *what) FV_MUST_USE;
/* Operand 0 as a matrix of rows, of type e. */
fv_value *fv_ml_matrix(fv_rewriter *w, fv_op *op, fv_elem e);

/* ---- keys ---- */

/* The place of each element of x, integers, among n keys, of equal ones the first; that of what is
 * none of them is n. */
fv_value *fv_ml_find_ints(fv_rewriter *w, fv_value *x, int n, const int64_t *keys);
/* Of each of n keys the place of the first that is like it. */
void fv_ml_first_of_ints(fv_arena *a, int n, const int64_t *keys, int64_t *first);

/* ---- scores ---- */

typedef enum {
    FV_POST_NONE,
    FV_POST_SOFTMAX,
    FV_POST_LOGISTIC,
    FV_POST_SOFTMAX_ZERO,
    FV_POST_PROBIT
} fv_post_transform;

/* The attribute post_transform, a text. False after a diagnostic. */
bool fv_ml_post_transform(const fv_op *op, fv_post_transform *out) FV_MUST_USE;
/* Scores [N, n] after the transform, of rows. A single score is transformed by PROBIT only, as ONNX
 * Runtime does. */
fv_value *fv_ml_transformed(fv_rewriter *w, fv_value *scores, fv_post_transform post);
/* Scores [N, 2] of a single one [N, 1], that of the second class: 1 - s and s, or where the sign
 * tells the class -s and s; LOGISTIC is taken of -s and s, other transforms are not taken, as in
 * ONNX Runtime. PROBIT leaves the single one: NULL without a diagnostic, there are no two. */
fv_value *fv_ml_two_classes(fv_rewriter *w, fv_value *score, fv_post_transform post, bool by_sign);
/* The label of the class with the highest score, the first of equal ones: [N] of scores [N, n]. */
fv_value *fv_ml_best(fv_rewriter *w, fv_value *scores, int n, const int64_t *labels);
/* condition [N] ? yes : no, int64. */
fv_value *fv_ml_either(fv_rewriter *w, fv_value *condition, int64_t yes, int64_t no);
/* Column k of [N, n], as [N]. */
fv_value *fv_ml_column(fv_rewriter *w, fv_value *x, int k);

#endif
