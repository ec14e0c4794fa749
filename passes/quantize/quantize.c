/* quantize.c - rewrites layers: their weights become narrow constants. */
#include "passes/quantize/quantize.h"

#include <float.h>
#include <math.h>
#include <string.h>

#include "ir/base/divisor.h"
#include "ir/base/limits.h"
#include "ir/catalogue/op.h"
#include "ir/graph/rewriter.h"
#include "passes/quantize/encode.h"

#define F16_MAX 65504.0

/* ---- types ---- */

static const char *const names[FV_QUANT_TYPES] = {"f32", "f16", "bf16", "int8", "int4"};
const char *const fv_quant_type_names[] = {"int8", "int4", "bf16", "f16", NULL};

const char *fv_quant_type_name(fv_quant_type t) {
    return names[t];
}

bool fv_quant_type_parse(const char *name, fv_quant_type *out) {
    for (int t = FV_QUANT_F16; t < FV_QUANT_TYPES; t++)
        if (!strcmp(name, names[t])) {
            *out = (fv_quant_type)t;
            return true;
        }
    return false;
}

bool fv_quant_has_scales(fv_quant_type t) {
    return t == FV_QUANT_INT8 || t == FV_QUANT_INT4;
}

const char *fv_quant_block_wrong(fv_arena *a, fv_quant_type type, int64_t block) {
    if (!block)
        return NULL;
    if (!fv_quant_has_scales(type))
        return fv_printf(a, "%s has no scales, so there are no blocks", names[type]);
    if (block < FV_QUANT_MIN_BLOCK || block > FV_QUANT_MAX_BLOCK || (block & (block - 1)))
        return fv_printf(a, "a block has %lld terms, expected a power of two from %d to %d",
                         (long long)block, FV_QUANT_MIN_BLOCK, FV_QUANT_MAX_BLOCK);
    return NULL;
}

/* ---- forms ---- */

/* See the list in quantize.h. */
typedef enum { CAST, DEQUANT, QDQ, INTEGER, BLOCKS, ROWS } form;

/* Does the weight have blocks, rather than channels? Blocks of a convolution run over its input
 * channels; with only a few of these there would be nearly as many scales as elements. */
static bool has_blocks(const fv_quant_layer *l, const fv_quant_how *how) {
    return how->block && (l->kind != FV_QUANT_CONV ||
                          fv_quant_weight(l)->dims[l->along] >= (int64_t)how->block / 2);
}

static form form_of(const fv_quant_layer *l, const fv_quant_how *how) {
    bool blocks = has_blocks(l, how),
         product = l->kind == FV_QUANT_PRODUCT || l->kind == FV_QUANT_CONV;
    if (how->type == FV_QUANT_F16 || how->type == FV_QUANT_BF16)
        return CAST;
    if (blocks && !how->standard && l->kind == FV_QUANT_PRODUCT)
        return BLOCKS;
    if (blocks && !how->standard && l->kind == FV_QUANT_TABLE && how->type == FV_QUANT_INT4)
        return BLOCKS;
    if (l->kind == FV_QUANT_TABLE && how->type == FV_QUANT_INT8 && !blocks)
        return ROWS;
    if (!product || blocks || how->type != FV_QUANT_INT8 || how->input == FV_QUANT_WEIGHTS)
        return DEQUANT;
    return how->input == FV_QUANT_STATIC ? QDQ : INTEGER;
}

static bool has_zero_points(const fv_quant_layer *l, const fv_quant_how *how) {
    return how->zero_points && l->kind != FV_QUANT_CONV;
}

bool fv_quant_takes_input(const fv_quant_layer *l, const fv_quant_how *how) {
    form f = form_of(l, how);
    return how->type != FV_QUANT_F32 && (f == QDQ || f == INTEGER);
}

/* Does each filter of a convolution have a channel of its own, and no other? Then no product is
 * one of a matrix: terms are summed one by one. */
static bool is_depthwise(const fv_quant_layer *l) {
    return l->kind == FV_QUANT_CONV && fv_op_int(l->op, "group") > 1 &&
           fv_quant_weight(l)->dims[l->along] == 1;
}

const char *fv_quant_keeps_range(const fv_quant_layer *l, const fv_quant_how *how) {
    if (has_blocks(l, how))
        return "it has blocks";
    if (!fv_quant_takes_input(l, how))
        return "its product is not one of integers";
    return is_depthwise(l) ? "it is a depthwise convolution" : NULL;
}

int fv_quant_bits(const fv_quant_layer *l, const fv_quant_how *how) {
    static const int bits[FV_QUANT_TYPES] = {32, 16, 16, 8, 4};
    bool reduced = how->reduced && how->type == FV_QUANT_INT8 && !fv_quant_keeps_range(l, how);
    return reduced ? 7 : bits[how->type];
}

size_t fv_quant_bytes(const fv_quant_layer *l, const fv_quant_how *how) {
    const fv_tensor *w = fv_quant_weight(l);
    size_t n = w->count, channels = (size_t)w->dims[l->channel];
    if (how->type == FV_QUANT_F32 || l->why_not)
        return w->bytes;
    if (!fv_quant_has_scales(how->type))
        return 2 * n;
    size_t terms = (size_t)w->dims[l->along], block = (size_t)how->block;
    size_t scales = has_blocks(l, how) ? n / terms * ((terms + block - 1) / block) : channels;
    size_t codes = n + (has_zero_points(l, how) ? scales : 0);
    return (how->type == FV_QUANT_INT8 ? codes : (codes + 1) / 2) + 4 * scales;
}

/* ---- constants ---- */

typedef struct work {
    const fv_quant_layer *l;
    const fv_quant_how *how;
    fv_rewriter w;
    fv_module *m;
    const char *stem; /* the name of the weight, with which names of new constants begin */
} work;

static fv_value *constant(const work *k, const fv_tensor *t, const char *suffix) {
    return fv_const_new(k->m, fv_printf(k->m->arena, "%s%s", k->stem, suffix), t);
}

static fv_tensor *new_tensor(const work *k, fv_elem e, int rank, const int64_t *dims) {
    fv_tensor *t = fv_tensor_new(k->m->arena, e, rank, dims);
    FV_HOLDS(k->m->session, t != NULL); /* t has no more bytes than the weight */
    return t;
}

/* The number of bits in which a code is stored. */
static int bits_of(const work *k) {
    return k->how->type == FV_QUANT_INT4 ? 4 : 8;
}

static fv_quant_codes codes_of(const work *k, fv_arena *a) {
    const fv_tensor *w = fv_quant_weight(k->l);
    bool zeros = has_zero_points(k->l, k->how);
    return has_blocks(k->l, k->how)
               ? fv_quant_blocks(a, w, k->l->along, k->how->block, bits_of(k), zeros)
               : fv_quant_channels(a, w, k->l->channel,
                                   (fv_quant_form){.bits = fv_quant_bits(k->l, k->how),
                                                   .zero_points = zeros,
                                                   .product = fv_quant_takes_input(k->l, k->how)});
}

/* The codes in the shape of the weight; transposed: a matrix [k, n] of one [n, k]. */
static fv_value *code_tensor(const work *k, const fv_quant_codes *q, bool transposed) {
    int64_t dims[FV_MAX_RANK];
    const fv_tensor *w = q->w;
    for (int i = 0; i < w->rank; i++)
        dims[i] = w->dims[transposed ? w->rank - 1 - i : i];
    fv_tensor *t = new_tensor(k, bits_of(k) == 4 ? FV_I4 : FV_I8, w->rank, dims);
    for (size_t i = 0; i < w->count; i++) {
        size_t rows = (size_t)w->dims[0], columns = (size_t)w->dims[w->rank - 1];
        fv_tensor_set_int(t, transposed ? i % columns * rows + i / columns : i, q->codes[i]);
    }
    return constant(k, t, bits_of(k) == 4 ? ".int4" : ".int8");
}

static fv_value *scale_tensor(const work *k, const float *scales, int rank, const int64_t *dims) {
    fv_tensor *t = new_tensor(k, FV_F32, rank, dims);
    memcpy((void *)t->data, scales, t->bytes);
    return constant(k, t, ".scale");
}

/* Zero points in the type of the codes; NULL: there are none. */
static fv_value *zero_tensor(const work *k, const fv_quant_codes *q, int rank,
                             const int64_t *dims) {
    if (!q->zeros)
        return NULL;
    fv_tensor *t = new_tensor(k, bits_of(k) == 4 ? FV_I4 : FV_I8, rank, dims);
    for (size_t i = 0; i < t->count; i++)
        fv_tensor_set_int(t, i, q->zeros[i]);
    return constant(k, t, ".zero");
}

/* The shape in which DequantizeLinear takes scales and zero points: one for each channel, or one
 * for each block. Returns the rank. */
static int shape_of_scales(const fv_quant_codes *q, int64_t *dims) {
    dims[0] = (int64_t)q->nscales;
    if (!q->block)
        return 1;
    memcpy(dims, q->w->dims, (size_t)q->w->rank * sizeof *dims);
    dims[q->axis] = fv_div_up(dims[q->axis], q->block);
    return q->w->rank;
}

static fv_value *scales_of(const work *k, const fv_quant_codes *q) {
    int64_t dims[FV_MAX_RANK];
    int rank = shape_of_scales(q, dims);
    return scale_tensor(k, q->scales, rank, dims);
}

static fv_value *zeros_of(const work *k, const fv_quant_codes *q) {
    int64_t dims[FV_MAX_RANK];
    int rank = shape_of_scales(q, dims);
    return zero_tensor(k, q, rank, dims);
}

/* ---- replacing the weight ---- */

static fv_value *narrow_float(work *k, fv_elem e) {
    const fv_tensor *w = fv_quant_weight(k->l);
    fv_tensor *t = new_tensor(k, e, w->rank, w->dims);
    for (size_t i = 0; i < w->count; i++)
        fv_tensor_set_float(t, i, fv_tensor_float(w, i));
    return fv_w_cast(&k->w, constant(k, t, e == FV_F16 ? ".f16" : ".bf16"), FV_F32);
}

static fv_value *dequantized(work *k, const fv_quant_codes *q) {
    fv_value *in[3] = {code_tensor(k, q, false), scales_of(k, q), zeros_of(k, q)};
    fv_attr attrs[2] = {fv_attr_int(k->m, "axis", q->axis),
                        fv_attr_int(k->m, "block_size", q->block)};
    return fv_w_op(&k->w, FV_OP_DequantizeLinear, q->zeros ? 3 : 2, in, q->block ? 2 : 1, attrs);
}

static bool replace_operand(work *k, int i, fv_value *v) {
    if (v)
        fv_op_set_in(k->l->op, i, v);
    return v != NULL;
}

/* ---- the activation ---- */

/* Is v a constant of one element, the same as that of the constant `as`? */
static bool is_same_scalar(const fv_value *v, const fv_value *as) {
    return v && v->kind == FV_VALUE_CONST && v->tensor->elem == as->tensor->elem &&
           v->tensor->count == 1 && !memcmp(v->tensor->data, as->tensor->data, as->tensor->bytes);
}

/* Is the op a QuantizeLinear with this scale and zero point, and without attributes? */
static bool is_same_rounding(const fv_op *op, const fv_value *scale, const fv_value *zero) {
    return fv_op_is(op, FV_OP_QuantizeLinear) && !op->nattrs && is_same_scalar(op->in[1], scale) &&
           is_same_scalar(fv_op_in(op, 2), zero);
}

/* Is x, apart from the activation of the layer, read by nothing but QuantizeLinear with this scale
 * and zero point? The layers of an activation have the same range, and so the same of both. */
static bool is_read_as_codes(const fv_value *x, const fv_quant_layer *l, const fv_value *scale,
                             const fv_value *zero) {
    for (int i = 0; i < x->nuses; i++) {
        bool own = x->uses[i].op == l->op && x->uses[i].index == l->activation;
        if (!own && !is_same_rounding(x->uses[i].op, scale, zero))
            return false;
    }
    return true;
}

/* x after QuantizeLinear and DequantizeLinear. */
static fv_value *rounded(fv_rewriter *w, fv_value *x, fv_value *scale, fv_value *zero) {
    fv_value *q = FV_W3(w, FV_OP_QuantizeLinear, x, scale, zero);
    return q ? FV_W3(w, FV_OP_DequantizeLinear, q, scale, zero) : NULL;
}

/* The largest code is the code of the largest number. So if only codes of the result x of a MaxPool
 * are read, the operand of the MaxPool is rounded in the same way, which changes nothing: it is
 * stored as bytes then, and the pool is one of bytes. */
static bool round_before_pool(const work *k, const fv_value *x, fv_value *scale, fv_value *zero) {
    fv_op *pool = x->kind == FV_VALUE_RESULT ? x->def : NULL;
    if (!pool || !fv_op_is(pool, FV_OP_MaxPool) || (pool->nout > 1 && pool->out[1]) ||
        !is_read_as_codes(x, k->l, scale, zero))
        return true;
    fv_rewriter w = fv_rewriter_at(pool);
    fv_value *r = rounded(&w, pool->in[0], scale, zero);
    if (r)
        fv_op_set_in(pool, 0, r);
    return r != NULL;
}

/* Makes the scale *s and the zero point *z of x for unsigned codes of 8 bits and the range r: x is
 * about (code - zero) * scale. */
static void codes_for(work *k, const fv_value *x, fv_quant_range r, fv_value **s, fv_value **z) {
    float lo = fminf(r.lo, 0), hi = fmaxf(r.hi, 0), scale = hi / 255 - lo / 255;
    scale = scale < FLT_MIN ? 1 : scale;
    fv_tensor *zero = new_tensor(k, FV_U8, 0, NULL);
    fv_tensor_set_int(zero, 0, (int64_t)fminf(fmaxf(rintf(-lo / scale), 0), 255));
    const char *stem = k->stem;
    k->stem = x->name;
    *s = scale_tensor(k, &scale, 0, NULL);
    *z = constant(k, zero, ".zero");
    k->stem = stem;
}

/* x after QuantizeLinear and DequantizeLinear with the codes for its measured range. */
static fv_value *through_codes(work *k, fv_value *x) {
    fv_value *s, *z;
    codes_for(k, x, k->how->range, &s, &z);
    return round_before_pool(k, x, s, z) ? rounded(&k->w, x, s, z) : NULL;
}

/* Rounds what the activation is an average of, so that it is stored as bytes: it is larger than the
 * activation. */
static bool round_averaged(work *k) {
    fv_value *x = k->how->has_averaged ? fv_quant_averaged(k->l) : NULL, *s, *z;
    if (!x)
        return true;
    fv_op *pool = x->uses[0].op;
    fv_rewriter w = fv_rewriter_at(pool);
    codes_for(k, x, k->how->averaged, &s, &z);
    fv_value *r = rounded(&w, x, s, z);
    if (r)
        fv_op_set_in(pool, 0, r);
    return r != NULL;
}

static bool write_qdq(work *k, const fv_quant_codes *q) {
    int at = k->l->activation;
    return round_averaged(k) && replace_operand(k, at, through_codes(k, k->l->op->in[at])) &&
           replace_operand(k, k->l->weight, dequantized(k, q));
}

/* ---- products as other operators ---- */

static bool is_gemm(const work *k) {
    return fv_op_is(k->l->op, FV_OP_Gemm);
}

/* The first factor of the product, which Gemm may transpose. */
static fv_value *first_factor(work *k) {
    static const int across[] = {1, 0};
    fv_value *x = k->l->op->in[0];
    return is_gemm(k) && fv_op_int(k->l->op, "transA") ? fv_w_transpose(&k->w, x, across) : x;
}

/* Finishes y = alpha * product + beta * C of Gemm; alpha is part of the scales. */
static bool finish_product(work *k, fv_value *y) {
    fv_op *op = k->l->op;
    fv_value *c = is_gemm(k) ? fv_op_in(op, 2) : NULL;
    if (c && y && fv_op_float(op, "beta") != 1)
        c = FV_W2(&k->w, FV_OP_Mul, c, fv_w_float(&k->w, FV_F32, (double)fv_op_float(op, "beta")));
    if (c && y)
        y = FV_W2(&k->w, FV_OP_Add, y, c);
    if (y)
        fv_w_result(&k->w, 0, y);
    return y != NULL;
}

static void scale_by_alpha(const work *k, fv_quant_codes *q) {
    float alpha = is_gemm(k) ? fv_op_float(k->l->op, "alpha") : 1;
    for (size_t i = 0; alpha != 1 && i < q->nscales; i++)
        q->scales[i] *= alpha;
}

/* B of MatMulNBits: [columns, blocks, bytes], codes from 0 on, two in a byte if they have four
 * bits. */
static fv_value *packed_codes(const work *k, const fv_quant_codes *q, size_t columns, size_t terms,
                              size_t blocks) {
    bool by_rows = k->l->along == 1, four = bits_of(k) == 4;
    size_t block = (size_t)q->block;
    int64_t dims[3] = {(int64_t)columns, (int64_t)blocks, (int64_t)(four ? block / 2 : block)};
    fv_tensor *t = new_tensor(k, FV_U8, 3, dims);
    uint8_t *to = (uint8_t *)t->data;
    for (size_t c = 0; c < columns; c++)
        for (size_t i = 0; i < blocks * block; i++) {
            int half = four ? 8 : 128;
            int code =
                i < terms ? q->codes[by_rows ? c * terms + i : i * columns + c] + half : half;
            size_t at = c * blocks * block + i;
            if (four)
                to[at / 2] |= (uint8_t)(code << (at % 2 * 4));
            else
                to[at] = (uint8_t)code;
        }
    return constant(k, t, four ? ".int4" : ".int8");
}

static fv_value *packed_scales(const work *k, const fv_quant_codes *q, size_t columns,
                               size_t blocks) {
    int64_t dims[2] = {(int64_t)columns, (int64_t)blocks};
    fv_tensor *t = new_tensor(k, FV_F32, 2, dims);
    float *to = (float *)t->data;
    for (size_t c = 0; c < columns; c++)
        for (size_t b = 0; b < blocks; b++)
            to[c * blocks + b] = q->scales[k->l->along == 1 ? c * blocks + b : b * columns + c];
    return constant(k, t, ".scale");
}

/* The zero points of MatMulNBits: [columns, bytes], codes from 0 on, two in a byte if they have
 * four bits; NULL: there are none. */
static fv_value *packed_zeros(const work *k, const fv_quant_codes *q, size_t columns,
                              size_t blocks) {
    if (!q->zeros)
        return NULL;
    bool four = bits_of(k) == 4;
    int64_t dims[2] = {(int64_t)columns, (int64_t)(four ? (blocks + 1) / 2 : blocks)};
    fv_tensor *t = new_tensor(k, FV_U8, 2, dims);
    uint8_t *to = (uint8_t *)t->data;
    for (size_t c = 0; c < columns; c++)
        for (size_t b = 0; b < blocks; b++) {
            int code = q->zeros[k->l->along == 1 ? c * blocks + b : b * columns + c];
            uint8_t *at = to + c * (size_t)dims[1] + (four ? b / 2 : b);
            *at |= (uint8_t)(four ? (code + 8) << (b % 2 * 4) : code + 128);
        }
    return constant(k, t, ".zero");
}

static bool write_nbits(work *k, fv_quant_codes *q) {
    size_t columns = (size_t)q->w->dims[k->l->channel], terms = (size_t)q->w->dims[k->l->along];
    size_t blocks = (terms + (size_t)q->block - 1) / (size_t)q->block;
    scale_by_alpha(k, q);
    fv_value *in[4] = {first_factor(k), packed_codes(k, q, columns, terms, blocks),
                       packed_scales(k, q, columns, blocks), packed_zeros(k, q, columns, blocks)};
    const fv_attr attrs[4] = {
        fv_attr_int(k->m, "K", (int64_t)terms), fv_attr_int(k->m, "N", (int64_t)columns),
        fv_attr_int(k->m, "bits", bits_of(k)), fv_attr_int(k->m, "block_size", q->block)};
    return finish_product(
        k, fv_w_op(&k->w, FV_OP_com_microsoft_MatMulNBits, q->zeros ? 4 : 3, in, 4, attrs));
}

/* The sums of integers, of type i32, times the scale of the activation and those of the
 * channels. */
static fv_value *times_scales(work *k, fv_value *sums, fv_value *scale, fv_value *scales) {
    fv_value *both = FV_W2(&k->w, FV_OP_Mul, scale, scales);
    return sums && both ? FV_W2(&k->w, FV_OP_Mul, fv_w_cast(&k->w, sums, FV_F32), both) : NULL;
}

static bool write_matmul_integer(work *k, fv_quant_codes *q) {
    fv_value *x = first_factor(k);
    fv_op *d = fv_w_op_n(&k->w, FV_OP_DynamicQuantizeLinear, 1, &x, 0, NULL, 3);
    if (!d)
        return false;
    scale_by_alpha(k, q);
    fv_value *in[4] = {d->out[0], code_tensor(k, q, k->l->along == 1), d->out[2], zeros_of(k, q)};
    fv_value *sums = fv_w_op(&k->w, FV_OP_MatMulInteger, q->zeros ? 4 : 3, in, 0, NULL);
    return finish_product(k, times_scales(k, sums, d->out[1], scales_of(k, q)));
}

/* A vector of one number for each channel, as [n, 1, 1], which broadcasts along the axes of an
 * image. */
static fv_value *of_channels(work *k, fv_value *v, int axes) {
    int64_t dims[FV_MAX_RANK] = {-1};
    for (int i = 1; i <= axes; i++)
        dims[i] = 1;
    fv_value *in[2] = {v, fv_const_ints(k->m, "shape", axes + 1, dims)};
    return fv_w_op(&k->w, FV_OP_Reshape, 2, in, 0, NULL);
}

static bool write_conv_integer(work *k, fv_quant_codes *q) {
    fv_op *op = k->l->op;
    int axes = op->in[0]->type->rank - 2;
    fv_op *d = fv_w_op_n(&k->w, FV_OP_DynamicQuantizeLinear, 1, op->in, 0, NULL, 3);
    if (!d)
        return false;
    fv_value *in[3] = {d->out[0], code_tensor(k, q, false), d->out[2]};
    fv_value *sums = fv_w_op(&k->w, FV_OP_ConvInteger, 3, in, op->nattrs, op->attrs);
    int64_t dims[FV_MAX_RANK] = {(int64_t)q->nscales};
    for (int i = 1; i <= axes; i++)
        dims[i] = 1;
    fv_value *y = times_scales(k, sums, d->out[1], scale_tensor(k, q->scales, axes + 1, dims));
    fv_value *bias = fv_op_in(op, 2);
    if (bias && y)
        y = FV_W2(&k->w, FV_OP_Add, y, of_channels(k, bias, axes));
    if (y)
        fv_w_result(&k->w, 0, y);
    return y != NULL;
}

/* ---- tables ---- */

/* The rows of a tensor that has one for each row of the table, as f32. */
static fv_value *rows_of(work *k, fv_value *of) {
    fv_value *rows = FV_W2(&k->w, FV_OP_Gather, of, k->l->op->in[1]);
    return rows && rows->type->elem != FV_F32 ? fv_w_cast(&k->w, rows, FV_F32) : rows;
}

static bool write_rows(work *k, const fv_quant_codes *q) {
    const int64_t dims[2] = {(int64_t)q->nscales, 1};
    fv_value *y = rows_of(k, code_tensor(k, q, false)), *zeros = zero_tensor(k, q, 2, dims);
    if (zeros && y)
        y = FV_W2(&k->w, FV_OP_Sub, y, rows_of(k, zeros));
    fv_value *scales = rows_of(k, scale_tensor(k, q->scales, 2, dims));
    if (!y || !scales)
        return false;
    fv_w_result(&k->w, 0, FV_W2(&k->w, FV_OP_Mul, y, scales));
    return !k->w.failed;
}

static bool write_table_blocks(work *k, const fv_quant_codes *q) {
    fv_op *op = k->l->op;
    fv_value *in[4] = {code_tensor(k, q, false), op->in[1], scales_of(k, q), zeros_of(k, q)};
    const fv_attr attrs[3] = {fv_attr_int(k->m, "block_size", q->block),
                              fv_attr_int(k->m, "gather_axis", 0),
                              fv_attr_int(k->m, "quantize_axis", 1)};
    fv_value *y =
        fv_w_op(&k->w, FV_OP_com_microsoft_GatherBlockQuantized, q->zeros ? 4 : 3, in, 3, attrs);
    if (y)
        fv_w_result(&k->w, 0, y);
    return y != NULL;
}

/* ---- a layer ---- */

static bool check_weight(const fv_quant_layer *l, const fv_quant_how *how) {
    const fv_tensor *w = fv_quant_weight(l);
    double most = how->type == FV_QUANT_F16 ? F16_MAX : (double)FLT_MAX;
    size_t at = fv_quant_bad_element(w, most);
    if (at == w->count)
        return true;
    double x = fv_tensor_float(w, at);
    return fv_op_error(l->op,
                       "element %zu of the weight '%s' is %g, which %s cannot be; --skip "
                       "leaves the layer as it is",
                       at, l->op->in[l->weight]->name, x, fv_quant_type_name(how->type));
}

static bool write_form(work *k, fv_quant_codes *q, form f) {
    switch (f) {
    case CAST: return false;
    case DEQUANT: return replace_operand(k, k->l->weight, dequantized(k, q));
    case QDQ: return write_qdq(k, q);
    case INTEGER:
        return k->l->kind == FV_QUANT_CONV ? write_conv_integer(k, q) : write_matmul_integer(k, q);
    case BLOCKS: return k->l->kind == FV_QUANT_TABLE ? write_table_blocks(k, q) : write_nbits(k, q);
    case ROWS: return write_rows(k, q);
    }
    return false;
}

/* The op before which the weight is dequantized. A loop would do so in each iteration; and ONNX
 * Runtime, which rewrites products of dequantized weights, refuses a body whose weights are
 * constants of the graph around it. */
static fv_op *outermost(fv_op *op) {
    while (op->block->parent)
        op = op->block->parent;
    return op;
}

bool fv_quantize(const fv_quant_layer *l, const fv_quant_how *how) {
    if (how->type == FV_QUANT_F32)
        return true;
    if (l->why_not)
        return fv_op_error(l->op, "cannot be quantized: %s", l->why_not);
    if (!check_weight(l, how))
        return false;
    fv_module *m = fv_region_module(l->op->block);
    form f = form_of(l, how);
    fv_op *at = f == DEQUANT ? outermost(l->op) : l->op;
    work k = {l, how, fv_rewriter_at(at), m, l->op->in[l->weight]->name};
    if (f == CAST)
        return replace_operand(&k, l->weight,
                               narrow_float(&k, how->type == FV_QUANT_F16 ? FV_F16 : FV_BF16));
    fv_arena *a = fv_arena_new(m->session);
    fv_quant_codes q = codes_of(&k, a);
    bool ok = write_form(&k, &q, f);
    fv_arena_free(a);
    return ok;
}
