/* matrix.c - matrix products. */

#include "ops/matrix/matrix.h"

#include "ir/base/limits.h"
#include "ir/dim/text.h"
#include "ir/graph/infer.h"
#include "ir/graph/rewriter.h"

/* Infers a product of operands of rank 2 or more, whose batch axes broadcast. */
static bool infer_matrices(fv_op *op, const fv_type *a, const fv_type *b, fv_elem e) {
    fv_module *m = fv_op_module(op);
    const fv_dim *ka = a->dims[a->rank - 1], *kb = b->dims[b->rank - 2];
    if (!fv_module_assume(m, ka, kb, "inner dims of a matrix product"))
        return fv_op_error(op, "A has inner dim %s, B has %s", fv_dim_str(m->arena, ka),
                           fv_dim_str(m->arena, kb));
    const fv_type *batch[2] = {fv_tensor_type(m->arena, a->elem, a->rank - 2, a->dims),
                               fv_tensor_type(m->arena, b->elem, b->rank - 2, b->dims)};
    const fv_dim *dims[FV_MAX_RANK];
    int rank;
    if (!fv_infer_broadcast(op, 2, batch, &rank, dims))
        return false;
    dims[rank] = a->dims[a->rank - 2];
    dims[rank + 1] = b->dims[b->rank - 1];
    fv_infer_out(op, 0, e, rank + 2, dims);
    return true;
}

static bool infer_matmul(fv_op *op) {
    return infer_matrices(op, fv_in_type(op, 0), fv_in_type(op, 1), fv_in_type(op, 0)->elem);
}

bool fv_infer_matmul(fv_op *op, const fv_type *a, const fv_type *b, fv_elem e) {
    fv_module *m = fv_op_module(op);
    if (a->rank >= 2 && b->rank >= 2)
        return infer_matrices(op, a, b, e);
    const fv_dim *ka = a->dims[a->rank - 1], *kb = b->dims[b->rank == 1 ? 0 : b->rank - 2];
    if (!fv_module_assume(m, ka, kb, "inner dims of a matrix product"))
        return fv_op_error(op, "A has inner dim %s, B has %s", fv_dim_str(m->arena, ka),
                           fv_dim_str(m->arena, kb));
    const fv_dim *dims[FV_MAX_RANK];
    int rank = 0;
    for (int i = 0; i < a->rank - 1; i++)
        dims[rank++] = a->dims[i];
    for (int i = 0; i < b->rank - 2; i++)
        dims[rank++] = b->dims[i];
    if (b->rank >= 2)
        dims[rank++] = b->dims[b->rank - 1];
    fv_infer_out(op, 0, e, rank, dims);
    return true;
}

static bool infer_matmul_any(fv_op *op) {
    return fv_infer_matmul(op, fv_in_type(op, 0), fv_in_type(op, 1), fv_in_type(op, 0)->elem);
}

static bool decompose_matmul(fv_rewriter *w, fv_op *op) {
    fv_dims *t = w->module->dims;
    const fv_dim *one = fv_dim_const(t, 1);
    fv_value *a = op->in[0], *b = op->in[1];
    if (a->type->rank == 1)
        a = fv_w_reshape(w, a, 2, (const fv_dim *const[]){one, a->type->dims[0]});
    if (b->type->rank == 1)
        b = fv_w_reshape(w, b, 2, (const fv_dim *const[]){b->type->dims[0], one});
    const fv_type *out = op->out[0]->type;
    fv_value *y = FV_W2(w, FV_OP_fv_MatMul, a, b);
    if (y)
        y = fv_w_reshape(w, y, out->rank, out->dims);
    fv_w_result(w, 0, y);
    return true;
}

/* ---- Gemm ---- */

/* The numbers of rows and columns of operand i after its transposition. */
static void gemm_dims(const fv_op *op, int i, const fv_dim **rows, const fv_dim **columns) {
    const fv_type *t = fv_in_type(op, i);
    bool trans = fv_op_int(op, i ? "transB" : "transA") != 0;
    *rows = t->dims[trans];
    *columns = t->dims[!trans];
}

bool fv_infer_gemm(fv_op *op) {
    fv_module *m = fv_op_module(op);
    const fv_type *a = fv_in_type(op, 0);
    const fv_dim *dims[2], *ka, *kb;
    gemm_dims(op, 0, &dims[0], &ka);
    gemm_dims(op, 1, &kb, &dims[1]);
    if (!fv_module_assume(m, ka, kb, "inner dims of a matrix product"))
        return fv_op_error(op, "A has inner dim %s, B has %s", fv_dim_str(m->arena, ka),
                           fv_dim_str(m->arena, kb));
    fv_infer_out(op, 0, a->elem, 2, dims);
    return fv_infer_fits(op, 2, 2, dims);
}

/* Before opset 7 C broadcast only on request; nothing else was different. */
static bool upgrade_gemm(fv_op *op, int version) {
    (void)version;
    fv_op_drop_attr(op, "broadcast");
    return true;
}

static fv_value *scaled(fv_rewriter *w, fv_value *x, float factor) {
    return factor == 1 ? x : FV_W2(w, FV_OP_Mul, x, fv_w_float(w, x->type->elem, (double)factor));
}

/* The attributes alpha and beta are f32 whatever the elements are. If one is not 1, integers are
 * computed in f64, and the result is truncated towards 0 once at the end, as in the standard's
 * reference implementation. Otherwise sums of integers stay integers, exact modulo 2^n. */
static bool decompose_gemm(fv_rewriter *w, fv_op *op) {
    static const int swap[2] = {1, 0};
    fv_value *a = op->in[0], *b = op->in[1], *c = fv_op_in(op, 2);
    float alpha = fv_op_float(op, "alpha"), beta = fv_op_float(op, "beta");
    fv_elem e = a->type->elem;
    if (beta == 0)
        c = NULL;
    if (fv_op_int(op, "transA"))
        a = fv_w_transpose(w, a, swap);
    if (fv_op_int(op, "transB"))
        b = fv_w_transpose(w, b, swap);
    fv_value *y = FV_W2(w, FV_OP_fv_MatMul, a, b);
    fv_elem computed = fv_elem_is_float(e) || (alpha == 1 && (!c || beta == 1)) ? e : FV_F64;
    y = fv_w_cast(w, y, computed);
    y = y ? scaled(w, y, alpha) : NULL;
    if (y && c)
        y = FV_W2(w, FV_OP_Add, y, scaled(w, fv_w_cast(w, c, computed), beta));
    fv_w_result(w, 0, fv_w_cast(w, y, e));
    return true;
}

const fv_opdef fv_ops_matrix[] = {
    {.domain = "fv",
     .name = "MatMul",
     .id = FV_OP_fv_MatMul,
     .since = {1},
     .doc = "matrix product over the last two axes; the other axes broadcast",
     .in = {{"A", "T", .rank = FV_RANK_FROM(2)}, {"B", "T", .rank = FV_RANK_FROM(2)}},
     .out = {{"Y", "T"}},
     .types = {{"T", FV_SET_FLOAT | FV_SET(I32) | FV_SET(I64) | FV_SET(U32) | FV_SET(U64)}},
     .infer = infer_matmul,
     .formula = "Y[b.., i, j] = sum k: A[b.., i, k] * B[b.., k, j]"},
    {.domain = "",
     .name = "MatMul",
     .id = FV_OP_MatMul,
     .since = {1, 9, 13},
     .doc = "matrix product as numpy.matmul",
     .in = {{"A", "T", .rank = FV_RANK_FROM(1)}, {"B", "T", .rank = FV_RANK_FROM(1)}},
     .out = {{"Y", "T"}},
     .types = {{"T", FV_SET_FLOAT | FV_SET(I32) | FV_SET(I64) | FV_SET(U32) | FV_SET(U64)}},
     .infer = infer_matmul_any,
     .decompose = decompose_matmul},
    {.domain = "",
     .name = "Gemm",
     .id = FV_OP_Gemm,
     .since = {1, 6, 7, 9, 11, 13},
     .doc = "alpha * A * B + beta * C, A and B transposed on request; of integers with a factor "
            "that is not 1: in f64, cut off towards 0",
     .in = {{"A", "T", .rank = FV_RANK(2)},
            {"B", "T", .rank = FV_RANK(2)},
            {"C", "T", FV_OPTIONAL_OPERAND, .rank = FV_RANKS(0, 2)}},
     .out = {{"Y", "T"}},
     .attrs = {FV_A_FLOAT("alpha", 1.0f),
               FV_A_FLOAT("beta", 1.0f),
               FV_A_INT("transA", 0),
               FV_A_INT("transB", 0),
               {.name = "broadcast", .kind = FV_ATTR_INT, .until = 6}},
     .types = {{"T", FV_SET_FLOAT | FV_SET(I32) | FV_SET(I64) | FV_SET(U32) | FV_SET(U64)}},
     .upgrade = upgrade_gemm,
     .infer = fv_infer_gemm,
     .decompose = decompose_gemm},

    {0}};
