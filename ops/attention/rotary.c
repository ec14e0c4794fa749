/* rotary.c - rotary position embeddings: pairs of elements of each head are rotated by angles that
 * depend on the position. The operator of the standard, and those of ONNX Runtime, which define
 * heads and positions differently. */
#include "ops/common/dims.h"

#include "ir/base/limits.h"
#include "ir/dim/text.h"
#include "ir/graph/infer.h"
#include "ir/rule/body.h"
#include "ops/attention/attend.h"

/* The axes of heads and of positions, and sizes. */
typedef struct rotary {
    fv_dims *t;
    bool flat; /* rank 3: the last axis has heads and elements */
    /* turned: number of elements of a head that are rotated */
    const fv_dim *heads, *size, *turned, *half;
    const fv_dim *length;
    const fv_dim *dims[4]; /* dims of x with an axis of heads */
} rotary;

/* Reads a tensor with that many heads of that size, and the attribute rotary_embedding_dim, where 0
 * means that all elements are rotated. */
static bool read_heads(fv_op *op, rotary *r, const fv_dim *heads, const fv_dim *size) {
    const fv_type *x = fv_in_type(op, 0);
    int64_t turned = fv_op_int(op, "rotary_embedding_dim");
    r->heads = heads;
    r->size = size;
    if (r->flat &&
        !fv_same_dim(op, x->dims[2], fv_dim_mul(r->t, heads, size), "size of X and its heads"))
        return false;
    if (turned < 0 || turned > INT32_MAX || (fv_dim_is_const(size) && turned > size->value))
        return fv_op_error(op, "rotary_embedding_dim is %lld of %s", (long long)turned,
                           fv_dim_str(fv_op_module(op)->arena, size));
    r->turned = turned ? fv_dim_const(r->t, turned) : size;
    r->half = fv_dim_floordiv(r->t, r->turned, fv_dim_const(r->t, 2));
    r->length = x->dims[r->flat ? 1 : 2];
    r->dims[0] = x->dims[0];
    r->dims[1] = x->dims[1];
    r->dims[2] = r->flat ? heads : x->dims[2];
    r->dims[3] = size;
    return fv_same_dim(op, r->turned, fv_dim_mul(r->t, r->half, fv_dim_const(r->t, 2)),
                       "rotary_embedding_dim is even");
}

/* For an operand of rank 3, the attribute num_heads is the number of heads. */
static bool read_rotary(fv_op *op, rotary *r) {
    const fv_type *x = fv_in_type(op, 0);
    int64_t n = fv_op_int_or(op, "num_heads", 0);
    *r = (rotary){.t = fv_op_module(op)->dims, .flat = x->rank == 3};
    if (r->flat && (n < 1 || n > INT32_MAX))
        return fv_op_error(op, "an operand of rank 3 needs num_heads");
    const fv_dim *heads = r->flat ? fv_dim_const(r->t, n) : x->dims[1];
    return read_heads(op, r, heads,
                      r->flat ? fv_dim_floordiv(r->t, x->dims[2], heads) : x->dims[3]);
}

/* ---- rotating ---- */

/* Reshapes cos or sin so that it broadcasts to x with an axis of heads: [batch, 1, length, half],
 * or [batch, length, 1, half]. */
static fv_value *by_heads(fv_rewriter *w, const rotary *r, fv_value *angles, const fv_dim *batch) {
    const fv_dim *one = fv_dim_const(r->t, 1);
    const fv_dim *dims[4] = {batch, r->flat ? r->length : one, r->flat ? one : r->length, r->half};
    return fv_w_reshape(w, angles, 4, dims);
}

/* Rotates the first r->turned elements of each head of x; cos and sin are results of by_heads. */
static fv_value *turn(fv_rewriter *w, const rotary *r, fv_value *x, fv_value *cos, fv_value *sin,
                      bool pairs) {
    return FV_CALL(w, "rotated", {x}, {cos}, {sin}, FV_INT(pairs), FV_DIM(r->turned),
                   FV_DIMS(4, r->dims));
}

/* ---- the standard's ---- */

enum { X, COS, SIN, POSITIONS };

static bool infer_rotary(fv_op *op) {
    rotary r;
    const fv_type *p = fv_in_type(op, POSITIONS), *x = fv_in_type(op, X);
    if (!read_rotary(op, &r))
        return false;
    if (p && (!fv_same_dim(op, p->dims[0], x->dims[0], "batch of position_ids") ||
              !fv_same_dim(op, p->dims[1], r.length, "length of position_ids")))
        return false;
    for (int i = COS; i <= SIN; i++) {
        const fv_type *t = fv_in_type(op, i);
        if (t->rank != (p ? 2 : 3))
            return fv_op_error(op, "input '%s' has rank %d, expected %d", op->def->in[i].name,
                               t->rank, p ? 2 : 3);
        if (!fv_same_dim(op, t->dims[t->rank - 1], r.half,
                         "the last dim of a cache is half of what is rotated"))
            return false;
        if (!p && (!fv_same_dim(op, t->dims[0], x->dims[0], "batch of a cache") ||
                   !fv_same_dim(op, t->dims[1], r.length, "length of a cache")))
            return false;
    }
    fv_infer_like(op, 0, X);
    return true;
}

static bool decompose_rotary(fv_rewriter *w, fv_op *op) {
    rotary r;
    fv_value *angles[2], *p = fv_op_in(op, POSITIONS);
    fv_attr axis = fv_attr_int(w->module, "axis", 0);
    if (!read_rotary(op, &r))
        return false;
    for (int i = 0; i < 2; i++) {
        angles[i] = op->in[COS + i];
        if (p)
            angles[i] = fv_w_op(w, FV_OP_Gather, 2, (fv_value *[]){angles[i], p}, 1, &axis);
        angles[i] = by_heads(w, &r, angles[i], r.dims[0]);
    }
    fv_w_result(w, 0,
                turn(w, &r, op->in[X], angles[0], angles[1], fv_op_int(op, "interleaved") != 0));
    return true;
}

/* ---- ONNX Runtime's: caches by positions, which may be one that the first token has ---- */

enum { IDS = 1, COS_CACHE, SIN_CACHE };

/* Checks that both caches have a row for each position, with half as many elements as are
 * rotated. */
static bool check_caches(fv_op *op, const rotary *r) {
    const fv_type *cos = fv_in_type(op, COS_CACHE), *sin = fv_in_type(op, SIN_CACHE);
    return fv_same_dim(op, cos->dims[1], r->half,
                       "the last dim of a cache is half of what is rotated") &&
           fv_same_dim(op, sin->dims[1], r->half,
                       "the last dim of a cache is half of what is rotated") &&
           fv_same_dim(op, cos->dims[0], sin->dims[0], "positions of the caches");
}

static bool is_offset(const fv_type *ids) {
    return ids->rank < 2;
}

/* Without rotary_embedding_dim, the size of a head follows from the caches. */
static bool read_cached(fv_op *op, rotary *r) {
    const fv_type *x = fv_in_type(op, X), *cos = fv_in_type(op, COS_CACHE);
    int64_t n = fv_op_int(op, "num_heads");
    *r = (rotary){.t = fv_op_module(op)->dims, .flat = x->rank == 3};
    const fv_dim *size = fv_dim_mul(r->t, cos->dims[1], fv_dim_const(r->t, 2));
    if (n < 0 || n > INT32_MAX)
        return fv_op_error(op, "num_heads is %lld", (long long)n);
    if (!r->flat)
        return read_heads(op, r, x->dims[1], x->dims[3]);
    if (fv_op_int(op, "rotary_embedding_dim")) {
        if (!n)
            return fv_op_error(op, "rotary_embedding_dim needs num_heads");
        size = fv_dim_floordiv(r->t, x->dims[2], fv_dim_const(r->t, n));
    }
    const fv_dim *heads = fv_dim_floordiv(r->t, x->dims[2], size);
    if (n && !fv_same_dim(op, heads, fv_dim_const(r->t, n), "num_heads"))
        return false;
    return read_heads(op, r, heads, size);
}

static bool infer_cached(fv_op *op) {
    rotary r;
    const fv_type *ids = fv_in_type(op, IDS);
    float scale = fv_op_float(op, "scale");
    if (scale != 1)
        return fv_op_error(op, "scale is %g: what it would scale is not documented", (double)scale);
    if (!read_cached(op, &r) || !check_caches(op, &r))
        return false;
    if (is_offset(ids) ? ids->rank && !fv_infer_length(op, IDS, 1)
                       : !fv_same_dim(op, ids->dims[0], r.dims[0], "batch of position_ids") ||
                             !fv_same_dim(op, ids->dims[1], r.length, "length of position_ids"))
        return false;
    fv_infer_like(op, 0, X);
    return true;
}

static bool decompose_cached(fv_rewriter *w, fv_op *op) {
    rotary r;
    fv_value *angles[2], *ids = op->in[IDS];
    bool offset = is_offset(ids->type);
    if (!read_cached(op, &r))
        return false;
    if (offset)
        ids = FV_W2(w, FV_OP_Add, fv_w_reshape(w, ids, 0, NULL), fv_w_positions(w, r.length, 1, 0));
    for (int i = 0; i < 2; i++)
        angles[i] = by_heads(w, &r, fv_w_rows(w, op->in[COS_CACHE + i], ids),
                             offset ? fv_dim_const(r.t, 1) : r.dims[0]);
    fv_w_result(w, 0,
                turn(w, &r, op->in[X], angles[0], angles[1], fv_op_int(op, "interleaved") != 0));
    return true;
}

/* ---- MRotaryEmbedding: three positions a token, each for some of the angles ---- */

enum {
    STREAMS = 3,
    /* limit for the angles of a head, since a constant states the stream of each */
    MOST_ANGLES = 1 << 16
};
enum { SECTIONED, INTERLEAVED };

static bool infer_multimodal(fv_op *op) {
    rotary r;
    fv_module *m = fv_op_module(op);
    const fv_type *ids = fv_in_type(op, IDS);
    int n;
    const int64_t *section = fv_op_ints(op, "mrope_section", &n);
    int64_t layout = fv_op_int(op, "mrope_layout"), sum = 0;
    if (!read_rotary(op, &r) || !check_caches(op, &r))
        return false;
    if (layout != SECTIONED && layout != INTERLEAVED)
        return fv_op_error(op, "mrope_layout is %lld, expected 0 or 1", (long long)layout);
    if (n != STREAMS)
        return fv_op_error(op, "mrope_section has %d entries, expected %d", n, STREAMS);
    for (int i = 0; i < n; i++) {
        if (section[i] < 0 || section[i] > MOST_ANGLES)
            return fv_op_error(op, "mrope_section has %lld, expected 0 to %d",
                               (long long)section[i], MOST_ANGLES);
        sum += section[i];
    }
    if (!fv_same_dim(op, r.half, fv_dim_const(m->dims, sum),
                     "mrope_section is half of what is rotated") ||
        !fv_same_dim(op, ids->dims[0], fv_dim_const(m->dims, STREAMS), "streams of position_ids") ||
        !fv_same_dim(op, ids->dims[1], r.dims[0], "batch of position_ids") ||
        !fv_same_dim(op, ids->dims[2], r.length, "length of position_ids"))
        return false;
    fv_infer_like(op, 0, X);
    return true;
}

/* The index of the stream whose position determines angle i. */
static int stream_of(const int64_t *section, int64_t layout, int64_t i) {
    if (layout == SECTIONED)
        return i < section[0] ? 0 : i < section[0] + section[1] ? 1 : 2;
    int s = (int)(i % STREAMS);
    return s && i < STREAMS * section[s] ? s : 0;
}

/* A constant that states which of the `half` angles belong to a stream. */
static fv_value *angles_of(fv_rewriter *w, const fv_op *op, int64_t half, int stream) {
    int n;
    const int64_t *section = fv_op_ints(op, "mrope_section", &n);
    fv_tensor *t = fv_tensor_new(w->module->arena, FV_BOOL, 1, &half);
    for (int64_t i = 0; i < half; i++)
        fv_tensor_set_int(t, (size_t)i,
                          stream_of(section, fv_op_int(op, "mrope_layout"), i) == stream);
    return fv_const_new(w->module, "stream", t);
}

/* The rows of a cache for each token, [batch, length, half]: each angle is taken from the row at
 * the token's position in the stream of that angle. */
static fv_value *mixed(fv_rewriter *w, const fv_op *op, const rotary *r, fv_value *cache,
                       int64_t half) {
    const fv_dim *zero = fv_dim_const(r->t, 0), *one = fv_dim_const(r->t, 1),
                 *y[2] = {r->dims[0], r->length};
    const fv_dim *step[3] = {one, one, one}, *dims[3] = {one, r->dims[0], r->length};
    float scale = fv_op_float(op, "scale");
    fv_value *mix = NULL;
    for (int s = 0; s < STREAMS; s++) {
        const fv_dim *start[3] = {fv_dim_const(r->t, s), zero, zero};
        fv_value *ids = fv_w_reshape(w, fv_w_slice(w, op->in[IDS], start, step, dims), 2, y);
        fv_value *rows = fv_w_rows(w, cache, ids);
        mix = s ? FV_W3(w, FV_OP_Where, angles_of(w, op, half, s), rows, mix) : rows;
    }
    return scale == 1 ? mix
                      : FV_W2(w, FV_OP_Mul, mix, fv_w_float(w, cache->type->elem, (double)scale));
}

static bool decompose_multimodal(fv_rewriter *w, fv_op *op) {
    rotary r;
    fv_value *angles[2];
    int n;
    if (!read_rotary(op, &r))
        return false;
    const int64_t *section = fv_op_ints(op, "mrope_section", &n);
    int64_t half = section[0] + section[1] + section[2];
    for (int i = 0; i < 2; i++)
        angles[i] = by_heads(w, &r, mixed(w, op, &r, op->in[COS_CACHE + i], half), r.dims[0]);
    fv_w_result(w, 0,
                turn(w, &r, op->in[X], angles[0], angles[1], fv_op_int(op, "interleaved") != 0));
    return true;
}

/* ---- GemmaRotaryEmbedding: q * cos(emb) + q_rot * sin(emb), and k ---- */

static bool infer_gemma(fv_op *op) {
    const fv_type *emb = fv_in_type(op, 0);
    for (int i = 1; i < 5; i++) {
        const fv_type *x = fv_in_type(op, i), *first = fv_in_type(op, i < 3 ? 1 : 3);
        for (int k = 0; k < 4; k++)
            if (!fv_same_dim(op, x->dims[k], first->dims[k],
                             "what is turned, and itself turned by half") ||
                (k != 1 && !fv_same_dim(op, x->dims[k], emb->dims[k ? k - 1 : 0], "dims of emb")))
                return false;
    }
    fv_infer_like(op, 0, 1);
    fv_infer_like(op, 1, 3);
    return true;
}

static bool decompose_gemma(fv_rewriter *w, fv_op *op) {
    const fv_type *emb = fv_in_type(op, 0);
    const fv_dim *dims[4] = {emb->dims[0], fv_dim_const(w->module->dims, 1), emb->dims[1],
                             emb->dims[2]};
    fv_value *angles[2], *e = fv_w_reshape(w, op->in[0], 4, dims);
    for (int i = 0; i < 2; i++)
        angles[i] = fv_w_cast(w, FV_W1(w, i ? FV_OP_Sin : FV_OP_Cos, e), fv_in_type(op, 1)->elem);
    for (int i = 0; i < op->nout; i++)
        if (op->out[i])
            fv_w_result(w, i,
                        FV_W2(w, FV_OP_Add, FV_W2(w, FV_OP_Mul, op->in[2 * i + 1], angles[0]),
                              FV_W2(w, FV_OP_Mul, op->in[2 * i + 2], angles[1])));
    return true;
}

const fv_opdef fv_ops_rotary[] = {
    {.domain = "",
     .name = "RotaryEmbedding",
     .id = FV_OP_RotaryEmbedding,
     .since = {23},
     .doc = "pairs of elements of each head rotated by angles that depend "
            "on the position",
     .in = {{"X", "T", .rank = FV_RANKS(3, 4)},
            {"cos_cache", "T", .rank = FV_RANKS(2, 3)},
            {"sin_cache", "T", .rank = FV_RANK_AS("cos_cache")},
            {"position_ids", "M", FV_OPTIONAL_OPERAND, .rank = FV_RANK(2)}},
     .out = {{"Y", "T"}},
     .attrs = {FV_A_INT("interleaved", 0), FV_A_OPTIONAL("num_heads", INT),
               FV_A_INT("rotary_embedding_dim", 0)},
     .types = {{"T", FV_SET_FLOAT}, {"M", FV_SET(I64)}},
     .infer = infer_rotary,
     .decompose = decompose_rotary},
    {.domain = "com.microsoft",
     .name = "RotaryEmbedding",
     .since = {1},
     .doc = "RotaryEmbedding by caches; position_ids may be the position of the first token",
     .in = {{"input", "T", .rank = FV_RANKS(3, 4)},
            {"position_ids", "M", .rank = FV_RANKS(0, 2)},
            {"cos_cache", "T", .rank = FV_RANK(2)},
            {"sin_cache", "T", .rank = FV_RANK(2)}},
     .out = {{"output", "T"}},
     .attrs = {FV_A_INT("interleaved", 0), FV_A_INT("is_packed_batching", 0),
               FV_A_INT("num_heads", 0), FV_A_INT("rotary_embedding_dim", 0),
               FV_A_FLOAT("scale", 1.0f)},
     .types = {{"T", FV_SET_FLOAT}, {"M", FV_SET(I64)}},
     .infer = infer_cached,
     .decompose = decompose_cached},
    {.domain = "com.microsoft",
     .name = "MRotaryEmbedding",
     .since = {1},
     .doc = "RotaryEmbedding of tokens with three positions each: sections of the angles go by one "
            "or another",
     .in = {{"input", "T", .rank = FV_RANKS(3, 4)},
            {"position_ids", "M", .rank = FV_RANK(3)},
            {"cos_cache", "T", .rank = FV_RANK(2)},
            {"sin_cache", "T", .rank = FV_RANK(2)}},
     .out = {{"output", "T"}},
     .attrs = {FV_A_INT("interleaved", 0), FV_A_INT("is_packed_batching", 0),
               FV_A_INT("mrope_layout", 0), FV_A_REQUIRED("mrope_section", INTS),
               FV_A_OPTIONAL("num_heads", INT), FV_A_INT("rotary_embedding_dim", 0),
               FV_A_FLOAT("scale", 1.0f)},
     .types = {{"T", FV_SET_FLOAT}, {"M", FV_SET(I64)}},
     .infer = infer_multimodal,
     .decompose = decompose_multimodal},
    {.domain = "com.microsoft",
     .name = "GemmaRotaryEmbedding",
     .since = {1},
     .doc = "q * cos(emb) + q_rot * sin(emb), and the same of k",
     .in = {{"emb", "U", .rank = FV_RANK(3)},
            {"q", "T", .rank = FV_RANK(4)},
            {"q_rot", "T", .rank = FV_RANK(4)},
            {"k", "T", .rank = FV_RANK(4)},
            {"k_rot", "T", .rank = FV_RANK(4)}},
     .out = {{"output1", "T"}, {"output2", "T"}},
     .types = {{"T", FV_SET_FLOAT}, {"U", FV_SET(F32)}},
     .infer = infer_gemma,
     .decompose = decompose_gemma},

    {0}};
