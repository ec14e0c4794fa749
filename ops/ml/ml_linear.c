/* ml_linear.c - linear models and support vector machines of ai.onnx.ml: products with rows of
 * coefficients, and the transforms of scores. */
#include "ops/ml/ml.h"

#include <math.h>

#include "ir/base/limits.h"
#include "ir/definition/custom.h"
#include "ir/dim/text.h"
#include "ir/graph/infer.h"

/* ---- common parts ---- */

static const int64_t *labels_of(const fv_op *op, int *n) {
    return fv_ml_labels(op, "classlabels_ints", n);
}

/* X [N, F] times the transpose of rows [n, F], plus bias [n], which may be NULL. */
static fv_value *products(fv_rewriter *w, fv_value *x, fv_value *rows, int n, const float *bias) {
    fv_value *y = FV_W2(w, FV_OP_MatMul, x, fv_w_transpose(w, rows, (int[]){1, 0}));
    if (!bias)
        return y;
    return FV_W2(w, FV_OP_Add, y,
                 fv_ml_const_floats(w->module, "bias", FV_F32, bias, 1, (int64_t[]){n}));
}

static fv_value *matrix(fv_rewriter *w, const char *stem, const float *v, int64_t rows,
                        int64_t columns) {
    return fv_ml_const_floats(w->module, stem, FV_F32, v, 2, (int64_t[]){rows, columns});
}

static fv_value *is_positive(fv_rewriter *w, fv_value *x) {
    return FV_W2(w, FV_OP_Greater, x, fv_w_float(w, FV_F32, 0));
}

/* Infers labels [N] and scores [N, n]. */
static bool infer_classes(fv_op *op, int64_t n) {
    fv_dims *t = fv_op_module(op)->dims;
    const fv_dim *dims[2];
    fv_ml_rows(t, fv_in_type(op, 0), dims);
    dims[1] = fv_dim_const(t, n);
    fv_infer_out(op, 1, FV_F32, 2, dims);
    return fv_ml_infer_label(op, "classlabels_ints", dims[0]);
}

static bool name_classes(fv_rewriter *w, fv_op *op) {
    return fv_ml_name_classes(w, op, "classlabels_ints");
}

/* The number of features of n coefficients in one row for each score. As in ONNX Runtime, if X is
 * known to have fewer features, rows are as long as these, and coefficients after the last row are
 * ignored. */
static int row_length(fv_op *op, int n, int scores) {
    const fv_type *x = fv_in_type(op, 0);
    const fv_dim *have = x->dims[x->rank - 1];
    bool fewer = fv_dim_is_const(have) && have->value > 0 && have->value < n / scores;
    return fewer ? (int)have->value : n / scores;
}

/* ---- LinearRegressor ---- */

static bool infer_linear_regressor(fv_op *op) {
    fv_dims *t = fv_op_module(op)->dims;
    const fv_dim *dims[2];
    fv_post_transform post;
    int64_t targets = fv_op_int(op, "targets");
    int n, bias;
    fv_ml_floats(op, "coefficients", &n);
    fv_ml_floats(op, "intercepts", &bias);
    if (targets < 1 || targets > INT32_MAX)
        return fv_op_error(op, "targets is %lld, expected at least 1", (long long)targets);
    int features = n < targets ? 0 : row_length(op, n, (int)targets);
    if (!features || (features == n / targets && n % targets))
        return fv_op_error(op, "has %d coefficients for %lld targets", n, (long long)targets);
    if (bias && bias != targets)
        return fv_op_error(op, "has %d intercepts for %lld targets", bias, (long long)targets);
    fv_ml_rows(t, fv_in_type(op, 0), dims);
    dims[1] = fv_dim_const(t, targets);
    fv_infer_out(op, 0, FV_F32, 2, dims);
    return fv_ml_post_transform(op, &post) && fv_ml_infer_features(op, features, "coefficients");
}

static bool decompose_linear_regressor(fv_rewriter *w, fv_op *op) {
    int n, bias, targets = (int)fv_op_int(op, "targets");
    const float *c = fv_ml_floats(op, "coefficients", &n),
                *b = fv_ml_floats(op, "intercepts", &bias);
    fv_post_transform post;
    if (!fv_ml_post_transform(op, &post))
        return false;
    fv_value *rows = matrix(w, "coefficients", c, targets, row_length(op, n, targets));
    fv_value *y = products(w, fv_ml_matrix(w, op, FV_F32), rows, targets, bias ? b : NULL);
    fv_w_result(w, 0, fv_ml_transformed(w, y, post));
    return true;
}

/* ---- LinearClassifier ---- */

/* The number of scores that are computed; 0 after a diagnostic. A single score is that of the
 * second of two classes. */
static int linear_scores(fv_op *op) {
    const fv_type *x = fv_in_type(op, 0);
    const fv_dim *features = x->dims[x->rank - 1];
    int labels, n, bias;
    fv_ml_floats(op, "coefficients", &n);
    fv_ml_floats(op, "intercepts", &bias);
    labels_of(op, &labels);
    int scores = bias ? bias
                 : fv_dim_is_const(features) && features->value > 0 && n / features->value < labels
                     ? 1
                     : labels;
    if (!labels)
        (void)!fv_op_error(op, "has no classes: expected classlabels_ints");
    else if (!scores || n < scores || (n % scores && row_length(op, n, scores) == n / scores))
        (void)!fv_op_error(op, "has %d coefficients for %d scores", n, scores);
    else if (scores > 1 && scores != labels)
        (void)!fv_op_error(op, "has %d scores, and %d classes", scores, labels);
    else
        return scores;
    return 0;
}

static bool infer_linear_classifier(fv_op *op) {
    fv_post_transform post;
    int labels, n, scores;
    if (!(scores = linear_scores(op)) || !fv_ml_post_transform(op, &post))
        return false;
    fv_ml_floats(op, "coefficients", &n);
    labels_of(op, &labels);
    bool two = scores == 1 && labels == 2;
    if (two && post == FV_POST_PROBIT)
        return fv_op_error(op, "post_transform is PROBIT, which has one score for two classes");
    return infer_classes(op, two ? 2 : scores) &&
           fv_ml_infer_features(op, row_length(op, n, scores), "coefficients");
}

static bool decompose_linear_classifier(fv_rewriter *w, fv_op *op) {
    int n, bias, labels, scores = linear_scores(op);
    const float *c = fv_ml_floats(op, "coefficients", &n),
                *b = fv_ml_floats(op, "intercepts", &bias);
    const int64_t *label = labels_of(op, &labels);
    fv_post_transform post;
    if (!scores || !fv_ml_post_transform(op, &post))
        return false;
    fv_value *rows = matrix(w, "coefficients", c, scores, row_length(op, n, scores));
    fv_value *y = products(w, fv_ml_matrix(w, op, FV_F32), rows, scores, bias ? b : NULL);
    bool named = labels == 2;
    if (scores == 1)
        fv_w_result(w, 0,
                    fv_ml_either(w, is_positive(w, fv_ml_column(w, y, 0)), named ? label[1] : 1,
                                 named ? label[0] : 0));
    else
        fv_w_result(w, 0, fv_ml_best(w, y, labels, label));
    fv_w_result(w, 1,
                scores == 1 && named ? fv_ml_two_classes(w, y, post, false)
                                     : fv_ml_transformed(w, y, post));
    return true;
}

/* ---- support vector machines ---- */

typedef enum { LINEAR, POLY, RBF, SIGMOID } svm_kernel;

typedef struct svm {
    int vectors;  /* number of support vectors; 0: coefficients are those of the features */
    int features; /* number of features of a row */
    const float *vector, *coefficients, *rho;
    int ncoefficients, nrho;
    svm_kernel kernel;
    float gamma, coef0, degree;
    fv_post_transform post;
} svm;

static bool read_kernel(fv_op *op, svm *s) {
    static const char *const names[] = {"LINEAR", "POLY", "RBF", "SIGMOID"};
    int n, kind = fv_ml_choice(op, "kernel_type", 4, names);
    const float *p = fv_ml_floats(op, "kernel_params", &n);
    if (kind < 0)
        return false;
    if (n && n != 3)
        return fv_op_error(op, "kernel_params has %d numbers, expected 3: gamma, coef0 and degree",
                           n);
    if (!s->vectors)
        kind = LINEAR;
    s->kernel = (svm_kernel)kind;
    if (n) {
        s->gamma = p[0];
        s->coef0 = p[1];
        s->degree = p[2];
    }
    return true;
}

/* Reads what both operators have in common. Without support vectors there are `rows` rows of
 * coefficients. */
static bool read_svm(fv_op *op, int64_t vectors, int rows, svm *s) {
    int n;
    *s = (svm){.vector = fv_ml_floats(op, "support_vectors", &n)};
    s->coefficients = fv_ml_floats(op, "coefficients", &s->ncoefficients);
    s->rho = fv_ml_floats(op, "rho", &s->nrho);
    if (vectors < 0 || vectors > n)
        return fv_op_error(op, "has %lld support vectors of %d numbers", (long long)vectors, n);
    s->vectors = (int)vectors;
    if (vectors && n % vectors)
        return fv_op_error(op, "support_vectors has %d numbers, for %lld vectors", n,
                           (long long)vectors);
    if (!s->ncoefficients || (!vectors && s->ncoefficients % rows))
        return fv_op_error(op, "has %d coefficients", s->ncoefficients);
    s->features = vectors ? n / s->vectors : s->ncoefficients / rows;
    return read_kernel(op, s) && fv_ml_post_transform(op, &s->post) &&
           fv_ml_infer_features(op, s->features, vectors ? "support_vectors" : "coefficients");
}

/* The kernel function of each row of X and each support vector, [N, vectors]. */
static fv_value *kernels(fv_rewriter *w, const svm *s, fv_value *x) {
    fv_value *rows = matrix(w, "support_vectors", s->vector, s->vectors, s->features);
    if (s->kernel == RBF) {
        fv_value *d = FV_W2(w, FV_OP_com_microsoft_CDist, x, rows);
        return FV_W1(w, FV_OP_Exp,
                     FV_W2(w, FV_OP_Mul, d, fv_w_float(w, FV_F32, -(double)s->gamma)));
    }
    fv_value *y = products(w, x, rows, 0, NULL);
    if (s->kernel == LINEAR)
        return y;
    y = FV_W2(w, FV_OP_Mul, y, fv_w_float(w, FV_F32, (double)s->gamma));
    y = FV_W2(w, FV_OP_Add, y, fv_w_float(w, FV_F32, (double)s->coef0));
    if (s->kernel == SIGMOID)
        return FV_W1(w, FV_OP_Tanh, y);
    return FV_W2(w, FV_OP_Pow, y, fv_w_float(w, FV_F32, (double)s->degree));
}

/* ---- SVMRegressor ---- */

static bool read_regressor(fv_op *op, svm *s) {
    if (!read_svm(op, fv_op_int(op, "n_supports"), 1, s))
        return false;
    if (s->nrho < 1)
        return fv_op_error(op, "has no rho");
    return !s->vectors || s->ncoefficients == s->vectors ||
           fv_op_error(op, "has %d coefficients for %d support vectors", s->ncoefficients,
                       s->vectors);
}

static bool infer_svm_regressor(fv_op *op) {
    fv_dims *t = fv_op_module(op)->dims;
    const fv_dim *dims[2];
    svm s;
    fv_ml_rows(t, fv_in_type(op, 0), dims);
    dims[1] = fv_dim_const(t, 1);
    fv_infer_out(op, 0, FV_F32, 2, dims);
    return read_regressor(op, &s);
}

static bool decompose_svm_regressor(fv_rewriter *w, fv_op *op) {
    svm s;
    if (!read_regressor(op, &s))
        return false;
    fv_value *x = fv_ml_matrix(w, op, FV_F32),
             *rows = matrix(w, "coefficients", s.coefficients, 1, s.ncoefficients);
    fv_value *y = products(w, s.vectors ? kernels(w, &s, x) : x, rows, 1, s.rho);
    if (fv_op_int(op, "one_class"))
        y = FV_W3(w, FV_OP_Where, is_positive(w, y), fv_w_float(w, FV_F32, 1),
                  fv_w_float(w, FV_F32, -1));
    fv_w_result(w, 0, fv_ml_transformed(w, y, s.post));
    return true;
}

/* ---- SVMClassifier ---- */

typedef struct classifier {
    svm s;
    /* pairs: with support vectors there is one score for each pair of classes */
    int classes, pairs;
    const int64_t *label, *per_class;
    /* parameters of the probabilities, one of each for each pair; NULL: no probabilities */
    const float *a, *b;
} classifier;

static bool read_vectors(fv_op *op, classifier *c, int64_t *vectors) {
    int n;
    c->per_class = fv_op_ints(op, "vectors_per_class", &n);
    *vectors = 0;
    for (int i = 0; i < n; i++) {
        if (c->per_class[i] < 0 || c->per_class[i] > INT32_MAX)
            return fv_op_error(op, "vectors_per_class has %lld for class %d",
                               (long long)c->per_class[i], i);
        *vectors += c->per_class[i];
    }
    return !*vectors || n == c->classes ||
           fv_op_error(op, "vectors_per_class has %d numbers for %d classes", n, c->classes);
}

enum { MOST_CLASSES = 1024 }; /* limit, since there is a score for each pair of classes */

static bool read_classifier(fv_op *op, classifier *c) {
    int64_t vectors;
    int a, b;
    *c = (classifier){0};
    c->label = labels_of(op, &c->classes);
    if (c->classes < 1 || c->classes > MOST_CLASSES)
        return fv_op_error(op, "has %d classes, expected 1 to %d of them: classlabels_ints",
                           c->classes, MOST_CLASSES);
    if (!read_vectors(op, c, &vectors) || !read_svm(op, vectors, c->classes, &c->s))
        return false;
    c->pairs = c->classes * (c->classes - 1) / 2;
    c->a = fv_ml_floats(op, "prob_a", &a);
    c->b = fv_ml_floats(op, "prob_b", &b);
    if (a != b || (vectors && a && a != c->pairs))
        return fv_op_error(op, "prob_a has %d numbers, prob_b %d, expected %d", a, b, c->pairs);
    if (!a || !vectors)
        c->a = c->b = NULL;
    if (!vectors)
        return c->s.nrho >= 1 || fv_op_error(op, "has no rho");
    if (c->classes < 2)
        return fv_op_error(op, "has support vectors for a single class");
    if (c->s.nrho != c->pairs)
        return fv_op_error(op, "rho has %d numbers, expected %d", c->s.nrho, c->pairs);
    return c->s.ncoefficients == (c->classes - 1) * vectors ||
           fv_op_error(op, "has %d coefficients, expected %lld", c->s.ncoefficients,
                       (long long)((c->classes - 1) * vectors));
}

static int scores_of(const classifier *c) {
    return c->s.vectors && !c->a && c->classes > 2 ? c->pairs : c->classes;
}

static bool infer_svm_classifier(fv_op *op) {
    classifier c;
    if (!read_classifier(op, &c))
        return false;
    if (c.s.vectors && !c.a && c.classes == 2 && c.s.post == FV_POST_PROBIT)
        return fv_op_error(op, "post_transform is PROBIT, which has one score for two classes");
    return infer_classes(op, scores_of(&c));
}

/* The coefficients of each pair of classes i < j: those of class j for the vectors of class i, and
 * those of class i for the vectors of class j; others are 0. */
static fv_value *pair_coefficients(fv_rewriter *w, const classifier *c) {
    int n = c->s.vectors, pair = 0;
    float *rows = FV_NEW(w->module->arena, float, (size_t)c->pairs *(size_t)n);
    int start_i = 0;
    for (int i = 0; i < c->classes; start_i += (int)c->per_class[i++]) {
        int start_j = start_i + (int)c->per_class[i];
        for (int j = i + 1; j < c->classes; start_j += (int)c->per_class[j++], pair++) {
            float *row = rows + (size_t)pair * (size_t)n;
            for (int k = start_i; k < start_i + c->per_class[i]; k++)
                row[k] = c->s.coefficients[(size_t)(j - 1) * (size_t)n + (size_t)k];
            for (int k = start_j; k < start_j + c->per_class[j]; k++)
                row[k] = c->s.coefficients[(size_t)i * (size_t)n + (size_t)k];
        }
    }
    return matrix(w, "pairs", rows, c->pairs, n);
}

/* The number of pairs that each class has won: the first class of a pair wins if its score is above
 * 0. */
static fv_value *votes(fv_rewriter *w, const classifier *c, fv_value *scores) {
    float *change = FV_NEW(w->module->arena, float, (size_t)c->pairs *(size_t)c->classes);
    float *lost = FV_NEW(w->module->arena, float, c->classes); /* votes if no score is above 0 */
    for (int i = 0, pair = 0; i < c->classes; i++)
        for (int j = i + 1; j < c->classes; j++, pair++) {
            change[pair * c->classes + i] = 1;
            change[pair * c->classes + j] = -1;
            lost[j]++;
        }
    fv_value *won = fv_w_cast(w, is_positive(w, scores), FV_F32);
    fv_value *y = FV_W2(w, FV_OP_MatMul, won, matrix(w, "votes", change, c->pairs, c->classes));
    return FV_W2(w, FV_OP_Add, y,
                 fv_ml_const_floats(w->module, "lost", FV_F32, lost, 1, (int64_t[]){c->classes}));
}

/* The probability of the first class of each pair against the second, computed from its score by
 * the method of Platt. */
static fv_value *pair_probabilities(fv_rewriter *w, const classifier *c, fv_value *scores) {
    int64_t n[1] = {c->pairs};
    fv_value *a = fv_ml_const_floats(w->module, "prob_a", FV_F32, c->a, 1, n);
    fv_value *b = fv_ml_const_floats(w->module, "prob_b", FV_F32, c->b, 1, n);
    fv_value *y = FV_W2(w, FV_OP_Add, FV_W2(w, FV_OP_Mul, scores, a), b);
    y = FV_W2(w, FV_OP_Sub, fv_w_float(w, FV_F32, 1), FV_W1(w, FV_OP_Sigmoid, y));
    return FV_W3(w, FV_OP_Clip, y, fv_w_float(w, FV_F32, 1e-7), fv_w_float(w, FV_F32, 1 - 1e-7));
}

/* Without support vectors: one score for each class, and the highest wins. Of two classes, as in
 * ONNX Runtime, the second one also wins if the higher score is at least 0.5, or, with negative
 * coefficients, above 0. */
static void by_class(fv_rewriter *w, const classifier *c, fv_value *x) {
    float *rho = FV_NEW(w->module->arena, float, c->classes);
    bool positive = true;
    for (int i = 0; i < c->classes; i++)
        rho[i] = c->s.rho[0];
    for (int i = 0; i < c->s.ncoefficients; i++)
        positive &= c->s.coefficients[i] >= 0;
    fv_value *rows = matrix(w, "coefficients", c->s.coefficients, c->classes, c->s.features);
    fv_value *y = products(w, x, rows, c->classes, rho),
             *label = fv_ml_best(w, y, c->classes, c->label);
    if (c->classes == 2) {
        fv_value *most = FV_W2(w, FV_OP_Max, fv_ml_column(w, y, 0), fv_ml_column(w, y, 1));
        fv_value *second = positive
                               ? FV_W2(w, FV_OP_GreaterOrEqual, most, fv_w_float(w, FV_F32, 0.5))
                               : is_positive(w, most);
        label = FV_W3(w, FV_OP_Where, second, fv_w_int(w, FV_I64, c->label[1]), label);
    }
    fv_w_result(w, 0, label);
    fv_w_result(w, 1, fv_ml_transformed(w, y, c->s.post));
}

static bool decompose_svm_classifier(fv_rewriter *w, fv_op *op) {
    classifier c;
    if (!read_classifier(op, &c))
        return false;
    fv_value *x = fv_ml_matrix(w, op, FV_F32);
    if (!c.s.vectors) {
        by_class(w, &c, x);
        return true;
    }
    fv_value *y = products(w, kernels(w, &c.s, x), pair_coefficients(w, &c), c.pairs, c.s.rho);
    fv_w_result(w, 0, fv_ml_best(w, votes(w, &c, y), c.classes, c.label));
    if (c.a) {
        fv_attr classes = fv_attr_int(w->module, "classes", c.classes);
        fv_value *p = pair_probabilities(w, &c, y);
        fv_w_result(
            w, 1,
            fv_ml_transformed(w, fv_w_op(w, FV_OP_fv_Coupling, 1, &p, 1, &classes), c.s.post));
    } else if (c.classes == 2) {
        bool plain = c.s.post == FV_POST_NONE;
        fv_w_result(w, 1, fv_ml_two_classes(w, y, c.s.post, plain));
    } else {
        fv_w_result(w, 1, fv_ml_transformed(w, y, c.s.post));
    }
    return true;
}

/* ---- fv.Coupling: probabilities of classes from those of pairs ----
 * Wu, Lin, Weng: Probability estimates for multi-class classification by pairwise coupling,
 * algorithm 2. */

enum { MOST_STEPS = 100 };

static bool infer_coupling(fv_op *op) {
    fv_module *m = fv_op_module(op);
    const fv_type *x = fv_in_type(op, 0);
    int64_t k = fv_op_int(op, "classes");
    if (k < 2 || k > MOST_CLASSES)
        return fv_op_error(op, "has %lld classes, expected 2 to %d", (long long)k, MOST_CLASSES);
    const fv_dim *dims[2] = {x->dims[0], fv_dim_const(m->dims, k)};
    fv_infer_out(op, 0, x->elem, 2, dims);
    return fv_module_assume(m, x->dims[1], fv_dim_const(m->dims, k * (k - 1) / 2),
                            "pairs of classes") ||
           fv_op_error(op, "has %s pairs of %lld classes", fv_dim_str(m->arena, x->dims[1]),
                       (long long)k);
}

typedef struct coupling {
    fv_custom *c;
    fv_arena *a;
    fv_expr *zero, *k, *row;
    /* q: a buffer with the matrix Q of each row; tiles: p: probabilities, qp: Q p, sum: a number */
    fv_buf *q, *p, *qp, *sum;
} coupling;

static fv_expr *bin(const coupling *z, fv_expr_op op, fv_expr *x, fv_expr *y) {
    return fv_x_bin(z->a, op, x, y);
}

static fv_expr *each(const coupling *z, const char *name) {
    return fv_kb_for(&z->c->b, FV_SERIAL, name, z->zero, z->k, 1);
}

static void end(const coupling *z) {
    fv_kb_end(&z->c->b);
}

static fv_expr *q_at(const coupling *z, fv_expr *i, fv_expr *j) {
    return fv_x_load(z->a, z->q, (fv_expr *[]){z->row, i, j});
}

static fv_expr *at(const coupling *z, fv_buf *b, fv_expr *i) {
    return fv_x_load(z->a, b, &i);
}

static fv_expr *let(const coupling *z, const char *name, fv_expr *x) {
    return fv_kb_let(&z->c->b, name, x);
}

static void set(const coupling *z, fv_buf *b, fv_expr *i, fv_expr *x) {
    fv_kb_store(&z->c->b, b, i ? &i : NULL, x, NULL);
}

static void add_to(const coupling *z, fv_buf *b, fv_expr *i, fv_expr *x) {
    set(z, b, i, bin(z, FV_X_ADD, fv_x_load(z->a, b, i ? &i : NULL), x));
}

/* The probability r_ij of class i against class j: stored for i < j, and 1 - r_ji otherwise. */
static fv_expr *pair(const coupling *z, fv_buf *x, fv_expr *i, fv_expr *j) {
    fv_expr *lo = bin(z, FV_X_MIN, i, j), *hi = bin(z, FV_X_MAX, i, j), *one = fv_x_int(z->a, 1);
    /* number of pairs before those of lo: (k - 1) + (k - 2) + ..; the diagonal is not read */
    fv_expr *before = bin(
        z, FV_X_SUB, bin(z, FV_X_MUL, lo, bin(z, FV_X_SUB, z->k, one)),
        bin(z, FV_X_FLOORDIV, bin(z, FV_X_MUL, lo, bin(z, FV_X_SUB, lo, one)), fv_x_int(z->a, 2)));
    fv_expr *place = bin(z, FV_X_ADD, before, bin(z, FV_X_SUB, bin(z, FV_X_SUB, hi, lo), one));
    fv_expr *index[2] = {z->row, bin(z, FV_X_MAX, place, z->zero)};
    fv_expr *r = let(z, "r", fv_x_load(z->a, x, index));
    return let(z, "pair",
               fv_x_select(z->a, bin(z, FV_X_LT, i, j), r,
                           bin(z, FV_X_SUB, fv_x_const(z->a, FV_F32, 1), r)));
}

/* Computes Q: Q_ii is the sum over j of r_ji squared, Q_ij is - r_ji r_ij. */
static void fill_q(const coupling *z, fv_buf *x) {
    fv_expr *nought = fv_x_const(z->a, FV_F32, 0);
    fv_expr *i = each(z, "i");
    set(z, z->sum, NULL, nought);
    fv_expr *j = each(z, "j");
    fv_kb_if(&z->c->b, bin(z, FV_X_NE, i, j));
    fv_expr *other = pair(z, x, j, i), *own = bin(z, FV_X_SUB, fv_x_const(z->a, FV_F32, 1), other);
    add_to(z, z->sum, NULL, bin(z, FV_X_MUL, other, other));
    fv_kb_store(&z->c->b, z->q, (fv_expr *[]){z->row, i, j},
                fv_x_un(z->a, FV_X_NEG, bin(z, FV_X_MUL, other, own)), NULL);
    end(z);
    end(z);
    fv_kb_store(&z->c->b, z->q, (fv_expr *[]){z->row, i, i}, fv_x_load(z->a, z->sum, NULL), NULL);
    end(z);
}

/* Computes Q p, and p Q p in `sum`. */
static void multiply(const coupling *z) {
    set(z, z->sum, NULL, fv_x_const(z->a, FV_F32, 0));
    fv_expr *i = each(z, "i");
    set(z, z->qp, i, fv_x_const(z->a, FV_F32, 0));
    fv_expr *j = each(z, "j");
    add_to(z, z->qp, i, bin(z, FV_X_MUL, q_at(z, i, j), at(z, z->p, j)));
    end(z);
    add_to(z, z->sum, NULL, bin(z, FV_X_MUL, at(z, z->p, i), at(z, z->qp, i)));
    end(z);
}

/* Changes one probability after the other so that its row of Q p comes closer to p Q p. */
static void improve(const coupling *z) {
    fv_expr *one = fv_x_const(z->a, FV_F32, 1), *two = fv_x_const(z->a, FV_F32, 2);
    fv_expr *i = each(z, "i");
    fv_expr *q = let(z, "q", q_at(z, i, i)), *own = let(z, "own", at(z, z->qp, i)),
            *all = let(z, "all", fv_x_load(z->a, z->sum, NULL));
    fv_expr *diff = let(z, "diff", bin(z, FV_X_DIV, bin(z, FV_X_SUB, all, own), q)),
            *scale = let(z, "scale", bin(z, FV_X_ADD, one, diff));
    add_to(z, z->p, i, diff);
    fv_expr *more = bin(z, FV_X_MUL, diff,
                        bin(z, FV_X_ADD, bin(z, FV_X_MUL, diff, q), bin(z, FV_X_MUL, two, own)));
    set(z, z->sum, NULL,
        bin(z, FV_X_DIV, bin(z, FV_X_DIV, bin(z, FV_X_ADD, all, more), scale), scale));
    fv_expr *j = each(z, "j");
    set(z, z->qp, j,
        bin(z, FV_X_DIV, bin(z, FV_X_ADD, at(z, z->qp, j), bin(z, FV_X_MUL, diff, q_at(z, i, j))),
            scale));
    set(z, z->p, j, bin(z, FV_X_DIV, at(z, z->p, j), scale));
    end(z);
    end(z);
}

/* Iterates until all of Q p is close to p Q p, or the limit of iterations is reached. */
static void iterate(const coupling *z, int64_t k) {
    fv_arena *a = z->a;
    fv_buf *steps = fv_kb_tile(&z->c->b, "steps", FV_I64, 0, NULL, z->zero),
           *error = fv_kb_tile(&z->c->b, "error", FV_F32, 0, NULL, fv_x_const(a, FV_F32, 0));
    fv_kb_while(&z->c->b, bin(z, FV_X_LT, fv_x_load(a, steps, NULL), fv_x_int(a, MOST_STEPS)));
    set(z, steps, NULL, bin(z, FV_X_ADD, fv_x_load(a, steps, NULL), fv_x_int(a, 1)));
    multiply(z);
    set(z, error, NULL, fv_x_const(a, FV_F32, 0));
    fv_expr *i = each(z, "i");
    fv_expr *off =
        fv_x_un(a, FV_X_ABS, bin(z, FV_X_SUB, at(z, z->qp, i), fv_x_load(a, z->sum, NULL)));
    set(z, error, NULL, bin(z, FV_X_MAX, fv_x_load(a, error, NULL), off));
    end(z);
    fv_kb_if(&z->c->b, bin(z, FV_X_LT, fv_x_load(a, error, NULL),
                           fv_x_const(a, FV_F32, (double)(0.005f / (float)k))));
    set(z, steps, NULL, fv_x_int(a, MOST_STEPS));
    fv_kb_else(&z->c->b);
    improve(z);
    end(z);
    end(z);
}

static bool kernel_coupling(fv_custom *c, fv_op *op) {
    fv_arena *a = c->arena;
    int64_t k = fv_op_int(op, "classes");
    const fv_type *y = op->out[0]->type;
    const fv_dim *dims[3] = {y->dims[0], y->dims[1], y->dims[1]};
    fv_expr *share = fv_x_const(a, FV_F32, (double)(1.0f / (float)k));
    fv_value *q = fv_custom_value(c, "q", FV_F32, 3, dims);
    fv_custom_begin(c, "coupling");
    fv_buf *x = fv_custom_in(c, 0), *to = fv_custom_out(c, 0);
    coupling z = {.c = c,
                  .a = a,
                  .zero = fv_x_int(a, 0),
                  .k = fv_x_int(a, k),
                  .q = fv_custom_param(c, q, FV_BUF_INOUT)};
    z.row = fv_custom_for(c, FV_PARALLEL, "row", y->dims[0]);
    z.p = fv_kb_tile(&c->b, "p", FV_F32, 1, &k, share);
    z.qp = fv_kb_tile(&c->b, "qp", FV_F32, 1, &k, fv_x_const(a, FV_F32, 0));
    z.sum = fv_kb_tile(&c->b, "sum", FV_F32, 0, NULL, fv_x_const(a, FV_F32, 0));
    fill_q(&z, x);
    iterate(&z, k);
    fv_expr *i = each(&z, "i");
    fv_kb_store(&c->b, to, (fv_expr *[]){z.row, i}, at(&z, z.p, i), NULL);
    end(&z);
    end(&z);
    fv_custom_end(c);
    return true;
}

#define ROWS FV_RANKS(1, 2)
#define SVM_CLASSES                                                                                \
    ONE_SCORE("-s and s, or 1 - s and s with SOFTMAX or SOFTMAX_ZERO")                             \
    " Without support vectors, the second of two classes also wins if the higher score is at "     \
    "least 0.5, or, with negative coefficients, above 0."
#define FEWER_FEATURES                                                                             \
    "If X is known to have fewer features than there are coefficients, its rows and those of "     \
    "coefficients have the same length, and coefficients after the last row are ignored."

const fv_opdef fv_ops_ml_linear[] = {
    {.domain = "fv",
     .name = "Coupling",
     .id = FV_OP_fv_Coupling,
     .since = {1},
     .doc =
         "probabilities of classes, from those of the first class of each pair against the second",
     .in = {{"X", "T", .rank = FV_RANK(2)}},
     .out = {{"Y", "T"}},
     .attrs = {FV_A_REQUIRED("classes", INT)},
     .types = {{"T", FV_SET(F32)}},
     .infer = infer_coupling,
     .kernel = kernel_coupling},
    {FV_ML("LinearClassifier"), .since = {1},
     .doc = "the class with the highest linear score, and the scores after "
            "a transform",
     .departs = ONE_SCORE("1 - s and s") " " FEWER_FEATURES, .in = {{"X", "T1", .rank = ROWS}},
     .out = {{"Y", "T2"}, {"Z", "T3"}},
     .attrs = {FV_A_OPTIONAL("classlabels_ints", INTS),
               FV_A_OPTIONAL("classlabels_strings", STRINGS), FV_A_REQUIRED("coefficients", FLOATS),
               FV_A_OPTIONAL("intercepts", FLOATS), FV_A_INT("multi_class", 0),
               FV_A_STRING("post_transform", "NONE")},
     .types = {{"T1", FV_ML_NUMBERS}, {"T2", FV_SET(I64) | FV_SET(STRING)}, {"T3", FV_SET(F32)}},
     .infer = infer_linear_classifier, .decompose = decompose_linear_classifier,
     .strings = name_classes},
    {FV_ML("LinearRegressor"), .since = {1},
     .doc = "sums of features times coefficients, after a transform", .departs = FEWER_FEATURES,
     .in = {{"X", "T", .rank = ROWS}}, .out = {{"Y", "T2"}},
     .attrs = {FV_A_OPTIONAL("coefficients", FLOATS), FV_A_OPTIONAL("intercepts", FLOATS),
               FV_A_STRING("post_transform", "NONE"), FV_A_INT("targets", 1)},
     .types = {{"T", FV_ML_NUMBERS}, {"T2", FV_SET(F32)}}, .infer = infer_linear_regressor,
     .decompose = decompose_linear_regressor},
    {FV_ML("SVMClassifier"), .since = {1},
     .doc = "the class with the most votes among decisions between pairs of "
            "classes, by support vectors; scores of pairs, or probabilities",
     .departs = SVM_CLASSES, .in = {{"X", "T1", .rank = ROWS}}, .out = {{"Y", "T2"}, {"Z", "T3"}},
     .attrs = {FV_A_OPTIONAL("classlabels_ints", INTS),
               FV_A_OPTIONAL("classlabels_strings", STRINGS), FV_A_OPTIONAL("coefficients", FLOATS),
               FV_A_OPTIONAL("kernel_params", FLOATS), FV_A_STRING("kernel_type", "LINEAR"),
               FV_A_STRING("post_transform", "NONE"), FV_A_OPTIONAL("prob_a", FLOATS),
               FV_A_OPTIONAL("prob_b", FLOATS), FV_A_OPTIONAL("rho", FLOATS),
               FV_A_OPTIONAL("support_vectors", FLOATS), FV_A_OPTIONAL("vectors_per_class", INTS)},
     .types = {{"T1", FV_ML_NUMBERS}, {"T2", FV_SET(I64) | FV_SET(STRING)}, {"T3", FV_SET(F32)}},
     .infer = infer_svm_classifier, .decompose = decompose_svm_classifier, .strings = name_classes},
    {FV_ML("SVMRegressor"), .since = {1},
     .doc = "a sum of kernel functions of support vectors, or its sign for "
            "a one-class model, after a transform",
     .in = {{"X", "T", .rank = ROWS}}, .out = {{"Y", "T2"}},
     .attrs = {FV_A_OPTIONAL("coefficients", FLOATS), FV_A_OPTIONAL("kernel_params", FLOATS),
               FV_A_STRING("kernel_type", "LINEAR"), FV_A_INT("n_supports", 0),
               FV_A_INT("one_class", 0), FV_A_STRING("post_transform", "NONE"),
               FV_A_OPTIONAL("rho", FLOATS), FV_A_OPTIONAL("support_vectors", FLOATS)},
     .types = {{"T", FV_ML_NUMBERS}, {"T2", FV_SET(F32)}}, .infer = infer_svm_regressor,
     .decompose = decompose_svm_regressor},

    {0}};
