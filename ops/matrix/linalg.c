/* linalg.c - determinants, inverses and distances. Matrices are eliminated column by column; the
 * pivot is the row with the largest element of the column. */
#include "ops/common/dims.h"

#include "ir/base/limits.h"
#include "ir/definition/custom.h"
#include "ir/dim/text.h"
#include "ir/graph/infer.h"
#include "ops/common/attribute.h"

/* ---- Det, Inverse ---- */

static bool check_square(fv_op *op) {
    fv_module *m = fv_op_module(op);
    const fv_type *x = fv_in_type(op, 0);
    return fv_module_assume(m, x->dims[x->rank - 2], x->dims[x->rank - 1], "square matrices") ||
           fv_op_error(op, "matrices are %s by %s, expected as many rows as columns",
                       fv_dim_str(m->arena, x->dims[x->rank - 2]),
                       fv_dim_str(m->arena, x->dims[x->rank - 1]));
}

static bool infer_determinant(fv_op *op) {
    const fv_type *x = fv_in_type(op, 0);
    fv_infer_out(op, 0, x->elem, x->rank - 2, x->dims);
    return check_square(op);
}

static bool infer_inverse(fv_op *op) {
    fv_infer_like(op, 0, 0);
    return check_square(op);
}

/* Reshapes the operand to [batch, n, n], in the type of the computation. */
static bool decompose_matrices(fv_rewriter *w, fv_op *op) {
    fv_dims *t = w->module->dims;
    const fv_type *x = fv_in_type(op, 0), *y = op->out[0]->type;
    const fv_dim *n = x->dims[x->rank - 1],
                 *dims[3] = {fv_dim_product(t, x->rank - 2, x->dims), n, n};
    fv_value *v = fv_w_reshape(w, fv_w_cast(w, op->in[0], fv_elem_arith(x->elem)), 3, dims);
    v = FV_W1(w, y->rank < x->rank ? FV_OP_fv_Determinant : FV_OP_fv_Inverse, v);
    fv_w_result(w, 0, fv_w_cast(w, fv_w_reshape(w, v, y->rank, y->dims), y->elem));
    return true;
}

/* One matrix of a batch during elimination; each operation on its rows is applied to the rows of
 * `other` as well. */
typedef struct elimination {
    fv_custom *c;
    fv_arena *a;
    fv_buf *x, *other; /* other: NULL if there is none */
    fv_expr *m, *n;    /* index of the matrix; number of its rows and columns */
    fv_elem e;
} elimination;

static fv_expr *bin(const elimination *s, fv_expr_op op, fv_expr *x, fv_expr *y) {
    return fv_x_bin(s->a, op, x, y);
}

static fv_expr *at(const elimination *s, fv_buf *b, fv_expr *i, fv_expr *j) {
    return fv_x_load(s->a, b, (fv_expr *[]){s->m, i, j});
}

static void put(const elimination *s, fv_buf *b, fv_expr *i, fv_expr *j, fv_expr *v) {
    fv_kb_store(&s->c->b, b, (fv_expr *[]){s->m, i, j}, v, NULL);
}

static fv_expr *each(const elimination *s, const char *name, fv_expr *from) {
    return fv_kb_for(&s->c->b, FV_SERIAL, name, from, s->n, 1);
}

/* The index of the row, among those from i on, whose element in column i is largest. */
static fv_expr *pivot(const elimination *s, fv_expr *i) {
    fv_kbuilder *b = &s->c->b;
    fv_buf *row = fv_kb_tile(b, "row", FV_I64, 0, NULL, i);
    fv_buf *most = fv_kb_tile(b, "most", s->e, 0, NULL, fv_x_const(s->a, s->e, -1));
    fv_expr *r = each(s, "r", i);
    fv_expr *v = fv_kb_let(b, "v", fv_x_un(s->a, FV_X_ABS, at(s, s->x, r, i)));
    fv_kb_if(b, bin(s, FV_X_LT, fv_x_load(s->a, most, NULL), v));
    fv_kb_store(b, most, NULL, v, NULL);
    fv_kb_store(b, row, NULL, r, NULL);
    fv_kb_end(b);
    fv_kb_end(b);
    return fv_kb_let(b, "p", fv_x_load(s->a, row, NULL));
}

static void swap_rows(const elimination *s, fv_buf *x, fv_expr *i, fv_expr *p) {
    fv_expr *j = each(s, "j", fv_x_int(s->a, 0));
    fv_expr *upper = fv_kb_let(&s->c->b, "upper", at(s, x, i, j)),
            *lower = fv_kb_let(&s->c->b, "lower", at(s, x, p, j));
    put(s, x, i, j, lower);
    put(s, x, p, j, upper);
    fv_kb_end(&s->c->b);
}

/* Subtracts f times row i from row r. */
static void subtract_row(const elimination *s, fv_buf *x, fv_expr *r, fv_expr *i, fv_expr *f) {
    fv_expr *j = each(s, "j", fv_x_int(s->a, 0));
    put(s, x, r, j, bin(s, FV_X_SUB, at(s, x, r, j), bin(s, FV_X_MUL, f, at(s, x, i, j))));
    fv_kb_end(&s->c->b);
}

static void divide_row(const elimination *s, fv_buf *x, fv_expr *i, fv_expr *d) {
    fv_expr *j = each(s, "j", fv_x_int(s->a, 0));
    put(s, x, i, j, bin(s, FV_X_DIV, at(s, x, i, j), d));
    fv_kb_end(&s->c->b);
}

/* A copy of the matrices, which elimination changes; with `units`, result 0 is set to identity
 * matrices. */
static fv_value *copy_matrices(fv_custom *c, fv_op *op, bool units) {
    const fv_type *x = fv_in_type(op, 0);
    fv_value *v = fv_custom_value(c, "rows", x->elem, 3, x->dims);
    fv_expr *index[3];
    fv_custom_begin(c, "rows");
    fv_buf *from = fv_custom_in(c, 0), *to = fv_custom_param(c, v, FV_BUF_OUT),
           *unit = units ? fv_custom_out(c, 0) : NULL;
    for (int i = 0; i < 3; i++)
        index[i] = fv_custom_for(c, i ? FV_SERIAL : FV_PARALLEL, "i", x->dims[i]);
    fv_kb_store(&c->b, to, index, fv_x_load(c->arena, from, index), NULL);
    if (unit) {
        fv_expr *one = fv_x_const(c->arena, x->elem, 1), *zero = fv_x_zero(c->arena, x->elem);
        fv_expr *same = fv_x_bin(c->arena, FV_X_EQ, index[1], index[2]);
        fv_kb_store(&c->b, unit, index, fv_x_select(c->arena, same, one, zero), NULL);
    }
    for (int i = 0; i < 3; i++)
        fv_kb_end(&c->b);
    fv_custom_end(c);
    return v;
}

static elimination begin(fv_custom *c, fv_op *op, fv_value *rows, const char *stem) {
    elimination s = {.c = c, .a = c->arena, .e = fv_in_type(op, 0)->elem};
    fv_custom_begin(c, stem);
    s.x = fv_custom_param(c, rows, FV_BUF_INOUT);
    return s;
}

/* The determinant is the product of the pivots, with a change of sign for each exchange of rows. */
static bool kernel_determinant(fv_custom *c, fv_op *op) {
    const fv_type *x = fv_in_type(op, 0);
    elimination s = begin(c, op, copy_matrices(c, op, false), "determinant");
    fv_kbuilder *b = &c->b;
    fv_buf *y = fv_custom_out(c, 0);
    s.n = fv_custom_dim(c, x->dims[1]);
    s.m = fv_custom_for(c, FV_PARALLEL, "m", x->dims[0]);
    fv_buf *product = fv_kb_tile(b, "product", s.e, 0, NULL, fv_x_const(s.a, s.e, 1));
    fv_expr *i = each(&s, "i", fv_x_int(s.a, 0)), *p = pivot(&s, i), *zero = fv_x_zero(s.a, s.e);
    fv_kb_if(b, bin(&s, FV_X_NE, p, i));
    swap_rows(&s, s.x, i, p);
    fv_kb_store(b, product, NULL, fv_x_un(s.a, FV_X_NEG, fv_x_load(s.a, product, NULL)), NULL);
    fv_kb_end(b);
    fv_expr *d = fv_kb_let(b, "d", at(&s, s.x, i, i));
    fv_kb_store(b, product, NULL, bin(&s, FV_X_MUL, fv_x_load(s.a, product, NULL), d), NULL);
    fv_expr *r = each(&s, "r", bin(&s, FV_X_ADD, i, fv_x_int(s.a, 1)));
    fv_expr *f = bin(&s, FV_X_DIV, at(&s, s.x, r, i), d);
    /* if the pivot is 0, the whole column is 0 */
    f = fv_kb_let(b, "f", fv_x_select(s.a, bin(&s, FV_X_EQ, d, zero), zero, f));
    subtract_row(&s, s.x, r, i, f);
    fv_kb_end(b);
    fv_kb_end(b);
    fv_kb_store(b, y, &s.m, fv_x_load(s.a, product, NULL), NULL);
    fv_kb_end(b);
    fv_custom_end(c);
    return true;
}

/* Eliminates to the identity matrix; the same operations turn an identity matrix into the
 * inverse. */
static bool kernel_inverse(fv_custom *c, fv_op *op) {
    const fv_type *x = fv_in_type(op, 0);
    elimination s = begin(c, op, copy_matrices(c, op, true), "inverse");
    fv_kbuilder *b = &c->b;
    s.other = fv_custom_update(c, 0);
    s.n = fv_custom_dim(c, x->dims[1]);
    s.m = fv_custom_for(c, FV_PARALLEL, "m", x->dims[0]);
    fv_expr *zero = fv_x_int(s.a, 0), *i = each(&s, "i", zero), *p = pivot(&s, i);
    fv_kb_if(b, bin(&s, FV_X_NE, p, i));
    swap_rows(&s, s.x, i, p);
    swap_rows(&s, s.other, i, p);
    fv_kb_end(b);
    fv_expr *d = fv_kb_let(b, "d", at(&s, s.x, i, i));
    divide_row(&s, s.x, i, d);
    divide_row(&s, s.other, i, d);
    fv_expr *r = each(&s, "r", zero);
    fv_kb_if(b, bin(&s, FV_X_NE, r, i));
    fv_expr *f = fv_kb_let(b, "f", at(&s, s.x, r, i));
    subtract_row(&s, s.x, r, i, f);
    subtract_row(&s, s.other, r, i, f);
    fv_kb_end(b);
    fv_kb_end(b);
    fv_kb_end(b);
    fv_kb_end(b);
    fv_custom_end(c);
    return true;
}

/* ---- CDist ---- */

static bool infer_distances(fv_op *op) {
    fv_module *m = fv_op_module(op);
    const fv_type *a = fv_in_type(op, 0), *b = fv_in_type(op, 1);
    fv_string metric = fv_op_string(op, "metric");
    const fv_dim *dims[2] = {a->dims[0], b->dims[0]};
    if (!fv_attr_is(op, "metric", "euclidean") && !fv_attr_is(op, "metric", "sqeuclidean"))
        return fv_op_error(op, "metric is '%.*s', expected euclidean or sqeuclidean",
                           (int)(metric.n > 40 ? 40 : metric.n), metric.s);
    if (!fv_module_assume(m, a->dims[1], b->dims[1], "coordinates of CDist"))
        return fv_op_error(op, "points have %s coordinates in A, %s in B",
                           fv_dim_str(m->arena, a->dims[1]), fv_dim_str(m->arena, b->dims[1]));
    fv_infer_out(op, 0, a->elem, 2, dims);
    return true;
}

#define WIDE (FV_SET(F32) | FV_SET(F64))

const fv_opdef fv_ops_linalg[] = {
    {.domain = "fv",
     .name = "Determinant",
     .id = FV_OP_fv_Determinant,
     .since = {1},
     .doc = "the determinant of each matrix of a batch",
     .in = {{"X", "T", .rank = FV_RANK(3)}},
     .out = {{"Y", "T"}},
     .types = {{"T", WIDE}},
     .infer = infer_determinant,
     .kernel = kernel_determinant},
    {.domain = "",
     .name = "Det",
     .since = {11, 22},
     .doc = "the determinants of matrices",
     .in = {{"X", "T", .rank = FV_RANK_FROM(2)}},
     .out = {{"Y", "T"}},
     .types = {{"T", FV_SET_FLOAT}},
     .infer = infer_determinant,
     .decompose = decompose_matrices},
    {.domain = "fv",
     .name = "Inverse",
     .id = FV_OP_fv_Inverse,
     .since = {1},
     .doc = "the inverse of each matrix of a batch",
     .in = {{"X", "T", .rank = FV_RANK(3)}},
     .out = {{"Y", "T"}},
     .types = {{"T", WIDE}},
     .infer = infer_inverse,
     .kernel = kernel_inverse},
    {.domain = "com.microsoft",
     .name = "Inverse",
     .since = {1},
     .doc = "the inverses of matrices",
     .in = {{"X", "T", .rank = FV_RANK_FROM(2)}},
     .out = {{"Y", "T"}},
     .types = {{"T", FV_SET_FLOAT}},
     .infer = infer_inverse,
     .decompose = decompose_matrices},
    {.domain = "com.microsoft",
     .name = "CDist",
     .id = FV_OP_com_microsoft_CDist,
     .since = {1},
     .doc = "the distance, or its square, between each row of A and each "
            "row of B",
     .in = {{"A", "T", .rank = FV_RANK(2)}, {"B", "T", .rank = FV_RANK(2)}},
     .out = {{"C", "T"}},
     .attrs = {FV_A_STRING("metric", "sqeuclidean")},
     .types = {{"T", FV_SET_FLOAT}},
     .infer = infer_distances,
     .formula = "s = sum k: (A[i, k] - B[j, k]) * (A[i, k] - B[j, k]); C[i, j] = select(metric == "
                "\"euclidean\", sqrt(s), s)"},

    {0}};
