/* ml.h - shared by the operators of ai.onnx.ml: attributes that are lists and become constants,
 * rows of features, scores and labels. */
#ifndef FV_OPS_ML_ML_H
#define FV_OPS_ML_ML_H

#include "ops/common/dims.h"

#define FV_ML(nm)     .domain = "ai.onnx.ml", .name = nm
#define FV_ML_NUMBERS (FV_SET(F32) | FV_SET(F64) | FV_SET(I64) | FV_SET(I32))

/* The elements of a list attribute; *n = 0 if it is left out. */
const float *fv_ml_floats(const fv_op *op, const char *name, int *n);
/* A constant of type e with these dims, with the elements of v. */
fv_value *fv_ml_const_floats(fv_module *m, const char *stem, fv_elem e, const float *v, int rank,
                             const int64_t *dims);
fv_value *fv_ml_const_ints(fv_module *m, const char *stem, fv_elem e, int n, const int64_t *v);
/* The labels of a classifier's classes: the list `name`, or 0, 1, ... if its labels are strings;
 * NULL: it has no classes. */
const int64_t *fv_ml_labels(const fv_op *op, const char *name, int *n);
/* Infers result 0, the label of each row, [N]. False after a diagnostic. */
bool fv_ml_infer_label(fv_op *op, const char *name, const fv_dim *rows) FV_MUST_USE;
/* For labels that are strings: runs the classifier with numbers as labels, and looks up the
 * strings. `name`: the attribute with labels that are numbers. */
bool fv_ml_name_classes(fv_rewriter *w, fv_op *op, const char *name) FV_MUST_USE;
/* The index of the attribute's text among the choices; -1 after a diagnostic. */
int fv_ml_choice(const fv_op *op, const char *name, int n, const char *const *choices);

/* Dims [N, F] of x as a matrix of rows; a vector is one row. */
void fv_ml_rows(fv_dims *t, const fv_type *x, const fv_dim **dims /* 2 */);
/* Checks that each row has n features. False after a diagnostic. */
bool fv_ml_infer_features(fv_op *op, int64_t n, const char *what) FV_MUST_USE;
/* Operand 0 as a matrix of rows, converted to type e. */
fv_value *fv_ml_matrix(fv_rewriter *w, fv_op *op, fv_elem e);

/* ---- keys ---- */

/* The index of each integer of x among n keys, the first one if keys are equal; n if it is no
 * key. */
fv_value *fv_ml_find_ints(fv_rewriter *w, fv_value *x, int n, const int64_t *keys);
/* The same as i32, but -1 if it is no key. */
fv_value *fv_ml_ids(fv_rewriter *w, fv_value *x, int n, const int64_t *keys);
/* For each of n keys, the index of the first key that is equal to it. */
void fv_ml_first_of_ints(fv_arena *a, int n, const int64_t *keys, int64_t *first);

/* ---- scores ---- */

/* How operators depart from the standard if both classes have one score (fv_ml_two_classes). */
#define ONE_SCORE(scores)                                                                          \
    "A single score s of two classes gives the scores " scores                                     \
    "; of the transforms only LOGISTIC is applied, to -s and s, and PROBIT is refused."

typedef enum {
    FV_POST_NONE,
    FV_POST_SOFTMAX,
    FV_POST_LOGISTIC,
    FV_POST_SOFTMAX_ZERO,
    FV_POST_PROBIT
} fv_post_transform;

/* Reads the attribute post_transform. False after a diagnostic. */
bool fv_ml_post_transform(const fv_op *op, fv_post_transform *out) FV_MUST_USE;
/* Scores [N, n] after the transform of each row. */
fv_value *fv_ml_transformed(fv_rewriter *w, fv_value *scores, fv_post_transform post);
/* Scores [N, 2] from a single score s [N, 1] of the second class: 1 - s and s; or -s and s if the
 * sign decides the class. LOGISTIC is applied to -s and s; other transforms are not applied, as in
 * ONNX Runtime. With PROBIT there is a single score only: returns NULL without a diagnostic. */
fv_value *fv_ml_two_classes(fv_rewriter *w, fv_value *score, fv_post_transform post, bool by_sign);
/* The label of the class with the highest score, the first one of equal ones: [N] from scores [N,
 * n]. */
fv_value *fv_ml_best(fv_rewriter *w, fv_value *scores, int n, const int64_t *labels);
/* condition [N] ? yes : no, as i64. */
fv_value *fv_ml_either(fv_rewriter *w, fv_value *condition, int64_t yes, int64_t no);
/* Column k of [N, n], as [N]. */
fv_value *fv_ml_column(fv_rewriter *w, fv_value *x, int k);

#endif
