/* nbits.c - products with weights of 2, 4 or 8 bits, and rows of tables of such weights:
 * MatMulNBits, MatMulBnb4 and GatherBlockQuantized of ONNX Runtime's domain com.microsoft.
 * nbits.fvx contains their expansions. */
#include "ir/base/divisor.h"
#include "ir/base/limits.h"
#include "ir/definition/definition.h"
#include "ir/dim/text.h"
#include "ir/graph/infer.h"
#include "ir/rule/body.h"
#include "ops/common/dims.h"
#include "ops/matrix/matrix.h"
#include "ops/quantize/blocks.h"

/* ---- shared by the operators ---- */

static bool check_bits(fv_op *op) {
    int64_t bits = fv_op_int(op, "bits");
    return bits == 2 || bits == 4 || bits == 8 ||
           fv_op_error(op, "bits is %lld, expected 2, 4 or 8", (long long)bits);
}

static bool check_block(fv_op *op, int64_t block) {
    bool is_power = block >= 16 && block <= INT32_MAX && !(block & (block - 1));
    return is_power || fv_op_error(op, "block_size is %lld, expected a power of two from 16 on",
                                   (long long)block);
}

/* Checks the size of the weight [n, k]. */
static bool check_size(fv_op *op, int64_t n, int64_t k) {
    return (n >= 1 && n <= INT32_MAX && k >= 1 && k <= INT32_MAX) ||
           fv_op_error(op, "the weight has %lld x %lld elements, N x K", (long long)n,
                       (long long)k);
}

static const fv_dim *constant(const fv_op *op, int64_t n) {
    return fv_dim_const(fv_op_module(op)->dims, n);
}

/* ---- MatMulNBits ---- */

enum { A, B, SCALES, ZEROS, INDEX, BIAS };

/* The weight is [n, k]; its rows consist of `blocks` blocks. */
typedef struct nbits {
    int64_t n, k, bits, block, blocks;
} nbits;

static bool read_nbits(fv_op *op, nbits *b) {
    *b = (nbits){fv_op_int(op, "N"), fv_op_int(op, "K"), fv_op_int(op, "bits"),
                 fv_op_int(op, "block_size"), 0};
    if (!check_bits(op) || !check_block(op, b->block) || !check_size(op, b->n, b->k))
        return false;
    b->blocks = fv_div_up(b->k, b->block);
    return true;
}

/* Checks that operand `in`, if present, is a matrix of n rows, or a vector of their elements. */
static bool check_rows(fv_op *op, int in, int64_t n, int64_t columns) {
    const fv_type *t = fv_in_type(op, in);
    const fv_dim *dims[2] = {constant(op, n), constant(op, columns)},
                 *all = constant(op, n * columns);
    return !t || (t->rank == 1 ? fv_has_dims(op, in, 1, &all) : fv_has_dims(op, in, 2, dims));
}

/* Checks the block numbers: one for each column of the weight. */
static bool check_index(fv_op *op, const nbits *b) {
    const fv_value *v = fv_op_in(op, INDEX);
    if (!v)
        return true;
    const fv_dim *k = constant(op, b->k), *padded = constant(op, b->blocks * b->block);
    if (fv_dim_compare(fv_op_module(op)->dims, v->type->dims[0], padded) != FV_DIM_EQUAL &&
        !fv_has_dims(op, INDEX, 1, &k))
        return false;
    for (size_t i = 0; v->kind == FV_VALUE_CONST && i < (size_t)b->k; i++) {
        int64_t at = fv_tensor_int(v->tensor, i);
        if (at < 0 || at >= b->blocks)
            return fv_op_error(op, "g_idx[%zu] is %lld, expected the number of one of %lld blocks",
                               i, (long long)at, (long long)b->blocks);
    }
    return true;
}

static bool infer_nbits(fv_op *op) {
    const fv_type *zeros = fv_in_type(op, ZEROS), *a = fv_in_type(op, A);
    nbits b;
    if (!read_nbits(op, &b))
        return false;
    if (fv_op_int(op, "weight_prepacked"))
        return fv_op_error(op, "weight_prepacked is %lld: B is in the layout of another device",
                           (long long)fv_op_int(op, "weight_prepacked"));
    if (zeros && zeros->elem != FV_U8 && zeros->elem != a->elem)
        return fv_op_error(op, "zero_points are %s, expected u8 or %s", fv_elem_name(zeros->elem),
                           fv_elem_name(a->elem));
    bool packed = zeros && zeros->elem == FV_U8;
    const fv_dim *blobs[3] = {constant(op, b.n), constant(op, b.blocks),
                              constant(op, b.block * b.bits / 8)};
    const fv_dim *weight[2] = {constant(op, b.k), blobs[0]};
    return fv_has_dims(op, B, 3, blobs) && check_rows(op, SCALES, b.n, b.blocks) &&
           check_rows(op, ZEROS, b.n, packed ? (b.blocks * b.bits + 7) / 8 : b.blocks) &&
           check_index(op, &b) && fv_has_dims(op, BIAS, 1, blobs) &&
           fv_infer_matmul(op, a, fv_tensor_type(fv_op_module(op)->arena, a->elem, 2, weight),
                           a->elem);
}

/* Are rows multiplied as bytes? ONNX Runtime does so where the weight is known before the run, and
 * blocks follow each other and have integers as zero points. */
static bool takes_bytes(const fv_op *op) {
    const fv_value *zeros = fv_op_in(op, ZEROS);
    bool known = op->in[B]->kind == FV_VALUE_CONST && op->in[SCALES]->kind == FV_VALUE_CONST &&
                 (!zeros || (zeros->kind == FV_VALUE_CONST && zeros->type->elem == FV_U8));
    return known && fv_op_int(op, "accuracy_level") == 4 && !fv_op_in(op, INDEX);
}

/* Removes a constant g_idx by ordering columns of A, and of the weight, by their blocks. This also
 * orders the terms of the product. It is not possible where blocks have other numbers of columns
 * than their size. */
static void order_columns(fv_rewriter *w, fv_op *op) {
    const fv_tensor *index = fv_known_constant(fv_op_in(op, INDEX));
    nbits b;
    if (!index || !fv_known_constant(op->in[B]) || !read_nbits(op, &b))
        return;
    const int64_t *order = fv_order_by_blocks(w->module->arena, index, b.k, b.block);
    bool moves = false;
    for (int64_t k = 0; order && k < b.k; k++)
        moves |= order[k] != k;
    if (moves) {
        fv_op_set_in(op, B, fv_blobs_in_order(w->module, op->in[B], (int)b.bits, order, b.k));
        fv_op_set_in(op, A,
                     FV_CALL(w, "columns_in_order", {op->in[A]},
                             {fv_const_ints(w->module, "order", (int)b.k, order)}));
    }
    if (order)
        fv_op_set_in(op, INDEX, NULL);
}

static bool decompose_nbits(fv_rewriter *w, fv_op *op) {
    bool bytes = takes_bytes(op); /* with g_idx rows are multiplied as floats */
    order_columns(w, op);
    return fv_body_expand_as(w, op, bytes ? "MatMulNBitsInBytes" : "MatMulNBits");
}

/* ---- fv.BlockMatMulInteger ---- */

enum { X, W, ROW_SCALES, COLUMN_SCALES, ROW_SUMS, COLUMN_ZEROS };

static bool infer_block_product(fv_op *op) {
    const fv_type *x = fv_in_type(op, X), *w = fv_in_type(op, W);
    const fv_dim *dims[FV_MAX_RANK];
    int n = x->rank - 1;
    for (int i = 0; i < n; i++)
        dims[i] = x->dims[i];
    if (!fv_has_dims(op, W, 3, (const fv_dim *[]){w->dims[0], x->dims[n - 1], x->dims[n]}) ||
        !fv_has_dims(op, ROW_SCALES, n, dims) || !fv_has_dims(op, ROW_SUMS, n, dims) ||
        !fv_has_dims(op, COLUMN_SCALES, 2, w->dims) || !fv_has_dims(op, COLUMN_ZEROS, 2, w->dims))
        return false;
    dims[n - 1] = w->dims[0];
    fv_infer_out(op, 0, FV_F32, n, dims);
    return true;
}

/* ---- MatMulBnb4, fv.Decode ---- */

enum { CODES = 16 };

/* The numbers that codes of 4 bits represent: floats of 4 bits (sign, exponent, mantissa, divided
 * by the largest one), and quantiles of the normal distribution (Dettmers et al.: QLoRA,
 * arXiv:2305.14314, appendix E). */
static const float fp4[CODES] = {
    0.0f,  5.208333333e-03f,  0.66666667f,  1.0f,  0.33333333f,  0.5f,  0.16666667f,  0.25f,
    -0.0f, -5.208333333e-03f, -0.66666667f, -1.0f, -0.33333333f, -0.5f, -0.16666667f, -0.25f};
static const float nf4[CODES] = {-1.0f,
                                 -0.6961928009986877f,
                                 -0.5250730514526367f,
                                 -0.39491748809814453f,
                                 -0.28444138169288635f,
                                 -0.18477343022823334f,
                                 -0.09105003625154495f,
                                 0.0f,
                                 0.07958029955625534f,
                                 0.16093020141124725f,
                                 0.24611230194568634f,
                                 0.33791524171829224f,
                                 0.44070982933044434f,
                                 0.5626170039176941f,
                                 0.7229568362236023f,
                                 1.0f};

static bool infer_decode(fv_op *op) {
    const fv_type *x = fv_in_type(op, 0);
    const fv_attr *values = fv_op_find_attr(op, "values");
    fv_infer_out(op, 0, FV_F32, x->rank, x->dims);
    return values->n == CODES || fv_op_error(op, "has %d values, expected %d", values->n, CODES);
}

/* Selects the number by a tree over the bits of the code: 15 selections by 4 conditions, which a
 * register tile can compute when it reads a packed weight. */
static bool define_decode(fv_definer *d, fv_op *op) {
    fv_arena *a = d->arena;
    fv_definition *y = fv_definition_new(d, 0);
    const fv_attr *values = fv_op_find_attr(op, "values");
    fv_expr *code = fv_x_convert(a, FV_I32, fv_d_elementwise(d, 0, y)), *x[CODES];
    for (int i = 0; i < CODES; i++)
        x[i] = fv_x_const(a, FV_F32, (double)values->u.floats[i]);
    for (int bit = 1, n = CODES / 2; n; bit *= 2, n /= 2) {
        fv_expr *masked = fv_x_bin(a, FV_X_AND, code, fv_x_const_int(a, FV_I32, bit));
        fv_expr *is_zero = fv_x_bin(a, FV_X_EQ, masked, fv_x_const_int(a, FV_I32, 0));
        for (int i = 0; i < n; i++)
            x[i] = fv_x_select(a, is_zero, x[2 * i], x[2 * i + 1]);
    }
    y->body = x[0];
    return true;
}

static bool infer_bnb4(fv_op *op) {
    const fv_type *a = fv_in_type(op, 0);
    int64_t n = fv_op_int(op, "N"), k = fv_op_int(op, "K"), block = fv_op_int(op, "block_size"),
            kind = fv_op_int(op, "quant_type");
    if (!check_block(op, block) || !check_size(op, n, k))
        return false;
    if (kind != 0 && kind != 1)
        return fv_op_error(op, "quant_type is %lld, expected 0 (FP4) or 1 (NF4)", (long long)kind);
    bool transposed = fv_op_int(op, "transB") != 0;
    const fv_dim *bytes = constant(op, (n * k + 1) / 2),
                 *blocks = constant(op, fv_div_up(n * k, block));
    const fv_dim *weight[2] = {constant(op, transposed ? k : n), constant(op, transposed ? n : k)};
    return fv_has_dims(op, 1, 1, &bytes) && fv_has_dims(op, 2, 1, &blocks) &&
           fv_infer_matmul(op, a, fv_tensor_type(fv_op_module(op)->arena, a->elem, 2, weight),
                           a->elem);
}

static bool decompose_bnb4(fv_rewriter *w, fv_op *op) {
    const int64_t n = fv_op_int(op, "N"), k = fv_op_int(op, "K");
    fv_value *codes = fv_known_constant(op->in[1])
                          ? fv_codes_of_high_bits(w->module, op->in[1], n, k)
                          : FV_CALL(w, "codes_of_bytes", {op->in[1]}, FV_INT(n), FV_INT(k));
    const float *values = fv_op_int(op, "quant_type") ? nf4 : fp4;
    const fv_attr table = {.name = fv_intern(w->module->session, "values"),
                           .kind = FV_ATTR_FLOATS,
                           .n = CODES,
                           .u.floats = values};
    fv_value *numbers = codes ? fv_w_op(w, FV_OP_fv_Decode, 1, &codes, 1, &table) : NULL;
    fv_w_result(w, 0,
                FV_CALL(w, "bnb4_product", {op->in[0]}, {numbers}, {op->in[2]},
                        FV_INT(fv_op_int(op, "block_size")), FV_INT(fv_op_int(op, "transB"))));
    return true;
}

/* ---- GatherBlockQuantized ---- */

enum { DATA, INDICES, TABLE_SCALES, TABLE_ZEROS };

/* A table whose elements are quantized in blocks along an axis. */
typedef struct table {
    /* gather: the axis along which rows are taken; axis: that along which blocks are */
    int gather, axis;
    int64_t bits, block;
    int64_t per_byte; /* number of quantized elements in one element of data's last axis */
    const fv_dim *dims[FV_MAX_RANK];   /* dims of the quantized elements */
    const fv_dim *scales[FV_MAX_RANK]; /* expected dims of scales */
} table;

static bool is_bytes(const fv_op *op) {
    return fv_in_type(op, DATA)->elem == FV_U8;
}

static bool read_axes(fv_op *op, table *t) {
    const fv_type *x = fv_in_type(op, DATA);
    if (!fv_infer_axis(op, fv_op_int(op, "gather_axis"), x->rank, &t->gather) ||
        !fv_infer_axis(op, fv_op_int(op, "quantize_axis"), x->rank, &t->axis))
        return false;
    if (x->rank == FV_MAX_RANK)
        return fv_op_error(op, "rank %d with blocks is more than %d", x->rank, FV_MAX_RANK - 1);
    return !is_bytes(op) || (t->gather == 0 && t->axis == x->rank - 1 && x->rank > 1) ||
           fv_op_error(op,
                       "of data in bytes, gather_axis must be the first and quantize_axis the "
                       "last of several axes; they are %d and %d of %d",
                       t->gather, t->axis, x->rank);
}

static bool read_table(fv_op *op, table *t) {
    fv_dims *all = fv_op_module(op)->dims;
    const fv_type *x = fv_in_type(op, DATA);
    bool is_float = fv_elem_is_float(x->elem);
    *t = (table){.bits = fv_op_int(op, "bits"), .block = fv_op_int(op, "block_size")};
    if (!read_axes(op, t) || (!is_float && !check_bits(op)) ||
        (!(is_float && !t->block) && !check_block(op, t->block)))
        return false;
    if (!is_float && !is_bytes(op) && t->bits != 4)
        return fv_op_error(op, "bits is %lld, but data is %s", (long long)t->bits,
                           fv_elem_name(x->elem));
    t->per_byte = is_bytes(op) ? 8 / t->bits : 1;
    for (int i = 0; i < x->rank; i++)
        t->dims[i] = t->scales[i] = x->dims[i];
    t->dims[x->rank - 1] = fv_dim_mul(all, x->dims[x->rank - 1], fv_dim_const(all, t->per_byte));
    t->scales[t->axis] =
        t->block ? fv_dim_ceildiv(all, t->dims[t->axis], constant(op, t->block)) : constant(op, 1);
    return true;
}

/* For floating-point data, one scale may serve a whole axis. */
static bool check_scales(fv_op *op, table *t) {
    const fv_type *x = fv_in_type(op, DATA), *s = fv_in_type(op, TABLE_SCALES);
    for (int i = 0; fv_elem_is_float(x->elem) && i < x->rank; i++)
        if (i != t->axis && fv_dim_is_one(s->dims[i]))
            t->scales[i] = s->dims[i];
    return fv_has_dims(op, TABLE_SCALES, s->rank, t->scales);
}

static bool check_zeros(fv_op *op, const table *t) {
    const fv_type *x = fv_in_type(op, DATA), *z = fv_in_type(op, TABLE_ZEROS);
    const fv_dim *dims[FV_MAX_RANK];
    if (!z)
        return true;
    if (fv_elem_is_float(x->elem))
        return fv_op_error(op, "data of floats has no zero_points");
    for (int i = 0; i < x->rank; i++)
        dims[i] = t->scales[i];
    dims[x->rank - 1] =
        fv_dim_ceildiv(fv_op_module(op)->dims, dims[x->rank - 1], constant(op, t->per_byte));
    return fv_has_dims(op, TABLE_ZEROS, z->rank, dims);
}

static bool infer_table(fv_op *op) {
    const fv_type *x = fv_in_type(op, DATA), *at = fv_in_type(op, INDICES);
    const fv_dim *dims[FV_MAX_RANK];
    table t;
    int n = 0;
    if (!read_table(op, &t) || !check_scales(op, &t) || !check_zeros(op, &t))
        return false;
    if (x->rank - 1 + at->rank > FV_MAX_RANK)
        return fv_op_error(op, "the result has rank %d, at most %d is possible",
                           x->rank - 1 + at->rank, FV_MAX_RANK);
    for (int i = 0; i < t.gather; i++)
        dims[n++] = t.dims[i];
    for (int i = 0; i < at->rank; i++)
        dims[n++] = at->dims[i];
    for (int i = t.gather + 1; i < x->rank; i++)
        dims[n++] = t.dims[i];
    fv_infer_out(op, 0, fv_in_type(op, TABLE_SCALES)->elem, n, dims);
    return true;
}

static bool decompose_table(fv_rewriter *w, fv_op *op) {
    int rank = fv_in_type(op, DATA)->rank;
    table t;
    if (!read_table(op, &t) || !check_scales(op, &t))
        return false;
    const fv_dim *n = t.dims[t.axis];
    fv_w_result(w, 0,
                FV_CALL(w, "taken_of_blocks", {op->in[DATA]}, {op->in[INDICES]},
                        {op->in[TABLE_SCALES]}, {fv_op_in(op, TABLE_ZEROS)}, FV_DIMS(rank, t.dims),
                        FV_INT(t.bits), FV_DIM(t.block ? constant(op, t.block) : n), FV_INT(t.axis),
                        FV_INT(t.gather)));
    return true;
}

#define OPTIONAL FV_OPTIONAL_OPERAND
#define REALS    (FV_SET(F32) | FV_SET(F16) | FV_SET(BF16))
#define FLOAT8   (FV_SET_FLOAT8 & ~FV_SET(F8E8M0))

const fv_opdef fv_ops_nbits[] = {
    {.domain = "com.microsoft",
     .name = "MatMulNBits",
     .id = FV_OP_com_microsoft_MatMulNBits,
     .since = {1},
     .doc = "A times the transpose of a weight of 2, 4 or 8 bits, which has a scale and a zero "
            "point for each block of a row; computed in f32, or, with accuracy_level 4 and "
            "constants, in i32 with the blocks of A rounded to 8 bits",
     .in = {{"A", "T1", .rank = FV_RANK_FROM(1)},
            {"B", "T2", .rank = FV_RANK(3)},
            {"scales", "T1", .rank = FV_RANKS(1, 2)},
            {"zero_points", "T3", OPTIONAL, .rank = FV_RANKS(1, 2)},
            {"g_idx", "T4", OPTIONAL, .rank = FV_RANK(1)},
            {"bias", "T1", OPTIONAL, .rank = FV_RANK(1)}},
     .out = {{"Y", "T1"}},
     .attrs = {FV_A_REQUIRED("K", INT), FV_A_REQUIRED("N", INT), FV_A_INT("accuracy_level", 0),
               FV_A_INT("bits", 4), FV_A_REQUIRED("block_size", INT),
               FV_A_INT("weight_prepacked", 0)},
     .types = {{"T1", REALS}, {"T2", FV_SET(U8)}, {"T3", REALS | FV_SET(U8)}, {"T4", FV_SET(I32)}},
     .infer = infer_nbits,
     .decompose = decompose_nbits},
    {.domain = "fv",
     .name = "BlockMatMulInteger",
     .id = FV_OP_fv_BlockMatMulInteger,
     .since = {1},
     .doc = "product of rows and columns of integers in blocks, each of which has scales, and zero "
            "points of the columns; S has the sum of each block of a row",
     .in = {{"X", "T", .rank = FV_RANK_FROM(2)},
            {"W", "U", .rank = FV_RANK(3)},
            {"row_scales", "F", .rank = FV_RANK_FROM(1)},
            {"column_scales", "F", .rank = FV_RANK(2)},
            {"S", "I", .rank = FV_RANK_FROM(1)},
            {"zeros", "U", OPTIONAL, .rank = FV_RANK(2)}},
     .out = {{"Y", "F"}},
     .attrs = {FV_A_INT("zero", 0)},
     .types = {{"T", FV_SET(I8)},
               {"U", FV_SET(U8) | FV_SET(U4) | FV_SET(U2)},
               {"F", FV_SET(F32)},
               {"I", FV_SET(I32)}},
     .infer = infer_block_product,
     .formula = "Y[r.., j] = sum b: f32((sum k: i32(X[r.., b, k]) * i32(W[j, b, k])) - S[r.., b] * "
                "select(has(zeros), i32(zeros[j, b]), zero)) * (row_scales[r.., b] * "
                "column_scales[j, b])"},
    {.domain = "fv",
     .name = "Decode",
     .id = FV_OP_fv_Decode,
     .since = {1},
     .doc = "the one of 16 values that each code represents",
     .in = {{"X", "T"}},
     .out = {{"Y", "U"}},
     .attrs = {FV_A_REQUIRED("values", FLOATS)},
     .types = {{"T", FV_SET(U4)}, {"U", FV_SET(F32)}},
     .infer = infer_decode,
     .define = define_decode},
    {.domain = "com.microsoft",
     .name = "MatMulBnb4",
     .since = {1},
     .doc = "A times a weight of codes of 4 bits, or its transpose; elements share a scale block "
            "by block, from row to row; computed in f32",
     .in = {{"A", "T1", .rank = FV_RANK_FROM(1)},
            {"B", "T2", .rank = FV_RANK(1)},
            {"absmax", "T1", .rank = FV_RANK(1)}},
     .out = {{"Y", "T1"}},
     .attrs = {FV_A_REQUIRED("K", INT), FV_A_REQUIRED("N", INT), FV_A_REQUIRED("block_size", INT),
               FV_A_REQUIRED("quant_type", INT), FV_A_INT("training_mode", 0),
               FV_A_INT("transB", 1)},
     .types = {{"T1", REALS}, {"T2", FV_SET(U8)}},
     .infer = infer_bnb4,
     .decompose = decompose_bnb4},
    {.domain = "com.microsoft",
     .name = "GatherBlockQuantized",
     .id = FV_OP_com_microsoft_GatherBlockQuantized,
     .since = {1},
     .doc = "slices along an axis of a table with a scale and a zero point for each block, as "
            "floats; 0 for an index out of range",
     .in = {{"data", "T1", .rank = FV_RANK_FROM(1)},
            {"indices", "Tind"},
            {"scales", "T2", .rank = FV_RANK_AS("data")},
            {"zero_points", "T1", OPTIONAL, .rank = FV_RANK_AS("data")}},
     .out = {{"output", "T2"}},
     .attrs = {FV_A_INT("bits", 4), FV_A_INT("block_size", 128), FV_A_INT("gather_axis", 0),
               FV_A_INT("quantize_axis", 1)},
     .types = {{"T1", FV_SET(U8) | FV_SET(U4) | FV_SET(I4) | FLOAT8 | FV_SET(F4E2M1)},
               {"T2", REALS},
               {"Tind", FV_SET(I32) | FV_SET(I64)}},
     .infer = infer_table,
     .decompose = decompose_table},

    {0}};
