/* sparse.c - products of sparse matrices.
 *
 * A sparse matrix is three things: its stored elements, the row and column of each, and the
 * attribute `dims`. The importer makes them from an input or initializer that is a sparse tensor.
 * Elements may be in any order; several with the same row and column are added. Elements that are
 * not stored do not contribute to the result, even if the other factor is infinite. */
#include "ops/common/assemble.h"
#include "ops/common/dims.h"

#include "ir/base/limits.h"
#include "ir/dim/text.h"
#include "ir/graph/infer.h"

enum { VALUES, PLACES, DENSE };

typedef struct product {
    const fv_dim *rows, *inner, *columns;
    int row, column; /* indices within a pair of coordinates, after transA */
    bool transposed; /* whether the dense factor is transposed */
} product;

static bool read_product(fv_op *op, product *p) {
    fv_module *m = fv_op_module(op);
    const fv_type *values = fv_in_type(op, VALUES), *places = fv_in_type(op, PLACES),
                  *b = fv_in_type(op, DENSE);
    const fv_attr *dims = fv_op_find_attr(op, "dims");
    if (dims->n != 2)
        return fv_op_error(op, "the sparse tensor has rank %d, expected 2", dims->n);
    p->row = fv_op_int(op, "transA") != 0;
    p->column = !p->row;
    p->transposed = fv_op_int(op, "transB") != 0;
    p->rows = dims->u.dims[p->row];
    p->inner = dims->u.dims[p->column];
    p->columns = b->dims[!p->transposed];
    const fv_dim *inner = b->dims[p->transposed];
    if (!fv_module_assume(m, places->dims[0], values->dims[0], "a place for each value"))
        return fv_op_error(op, "has %s values and %s places", fv_dim_str(m->arena, values->dims[0]),
                           fv_dim_str(m->arena, places->dims[0]));
    if (!fv_module_assume(m, places->dims[1], fv_dim_const(m->dims, 2),
                          "row and column of each value"))
        return fv_op_error(op, "a place has %s coordinates, expected 2",
                           fv_dim_str(m->arena, places->dims[1]));
    if (!fv_module_assume(m, p->inner, inner, "inner dims of a matrix product"))
        return fv_op_error(op, "A has inner dim %s, B has %s", fv_dim_str(m->arena, p->inner),
                           fv_dim_str(m->arena, inner));
    if (!fv_elem_is_float(values->elem) && fv_op_float(op, "alpha") != 1.0f)
        return fv_op_error(op, "alpha is %g for %s, expected 1", (double)fv_op_float(op, "alpha"),
                           fv_elem_name(values->elem));
    return true;
}

static bool infer_product(fv_op *op) {
    product p;
    if (!read_product(op, &p))
        return false;
    fv_infer_out(op, 0, fv_in_type(op, DENSE)->elem, 2, (const fv_dim *[]){p.rows, p.columns});
    return true;
}

static fv_value *coordinate(fv_rewriter *w, fv_op *op, int which) {
    fv_dims *t = w->module->dims;
    fv_value *one = fv_w_cut(w, op->in[PLACES], 1, fv_dim_const(t, which), fv_dim_const(t, 1));
    return one ? fv_w_flat(w, one) : NULL;
}

/* Negative row indices, which count from the end elsewhere, are invalid in a sparse matrix: they
 * are replaced by an index out of range. */
static fv_value *not_from_end(fv_rewriter *w, fv_value *at, const fv_dim *rows) {
    fv_value *negative = FV_W2(w, FV_OP_Less, at, fv_w_int(w, FV_I64, 0));
    return FV_W3(w, FV_OP_Where, negative, fv_w_ints(w, FV_I64, 0, 1, &rows), at);
}

/* Adds each element times its row of the dense factor to its row of the result. */
static bool decompose_product(fv_rewriter *w, fv_op *op) {
    product p;
    if (!read_product(op, &p))
        return false;
    fv_elem e = fv_in_type(op, DENSE)->elem;
    const fv_dim *one = fv_dim_const(w->module->dims, 1), *n = fv_in_type(op, VALUES)->dims[0],
                 *column[2] = {n, one};
    fv_value *b = p.transposed ? fv_w_transpose(w, op->in[DENSE], (int[]){1, 0}) : op->in[DENSE],
             *a = op->in[VALUES];
    if (fv_elem_is_float(e) && fv_op_float(op, "alpha") != 1.0f)
        a = FV_W2(w, FV_OP_Mul, a, fv_w_float(w, e, (double)fv_op_float(op, "alpha")));
    fv_value *rows = coordinate(w, op, p.row), *inner = coordinate(w, op, p.column);
    if (!a || !b || !rows || !inner)
        return false;
    fv_value *parts = FV_W2(w, FV_OP_Mul, fv_w_reshape(w, a, 2, column), fv_w_rows(w, b, inner));
    fv_attr add = fv_attr_string(w->module, "reduction", "add");
    rows = not_from_end(w, rows, p.rows);
    fv_value *in[3] = {fv_w_zeros(w, op->out[0]->type),
                       rows ? fv_w_reshape(w, rows, 2, column) : NULL, parts};
    fv_w_result(w, 0, fv_w_op(w, FV_OP_ScatterND, 3, in, 1, &add));
    return !w->failed;
}

#define TYPES (FV_SET(F32) | FV_SET(F64) | FV_SET(I32) | FV_SET(I64) | FV_SET(U32) | FV_SET(U64))

const fv_opdef fv_ops_sparse[] = {
    {.domain = "com.microsoft",
     .name = "SparseToDenseMatMul",
     .id = FV_OP_com_microsoft_SparseToDenseMatMul,
     .since = {1},
     .doc = "the product of a sparse matrix, given by its values and their "
            "positions, and a dense matrix",
     .in = {{"A.values", "T", .rank = FV_RANK(1)},
            {"A.indices", "I", .rank = FV_RANK(2)},
            {"B", "T", .rank = FV_RANK(2)}},
     .out = {{"Y", "T"}},
     .attrs = {FV_A_FLOAT("alpha", 1.0f), FV_A_INT("transA", 0), FV_A_INT("transB", 0),
               FV_A_REQUIRED("dims", DIMS) /* dims is an attribute of Fovea: the dims of A */},
     .types = {{"T", TYPES}, {"I", FV_SET(I64)}},
     .infer = infer_product,
     .decompose = decompose_product},

    {0}};
