/* hash.c - hashes of elements, and of n-grams of tokens. */
#include "ops/common/dims.h"

#include "ir/base/limits.h"
#include "ir/dim/text.h"
#include "ir/graph/infer.h"

static fv_expr *bin(fv_definer *d, fv_expr_op op, fv_expr *x, fv_expr *y) {
    return fv_x_bin(d->arena, op, x, y);
}

/* ---- MurmurHash3, of 32 bits: Appleby, MurmurHash3_x86_32 (public domain) ---- */

static bool infer_murmur(fv_op *op) {
    const fv_type *x = fv_in_type(op, 0);
    fv_infer_out(op, 0, fv_op_int(op, "positive") ? FV_U32 : FV_I32, x->rank, x->dims);
    return true;
}

static fv_expr *u32(fv_definer *d, uint32_t v) {
    return fv_x_const_int(d->arena, FV_U32, v);
}

static fv_expr *times(fv_definer *d, fv_expr *x, uint32_t v) {
    return bin(d, FV_X_MUL, x, u32(d, v));
}

static fv_expr *rotated(fv_definer *d, fv_expr *x, uint32_t left) {
    return bin(d, FV_X_OR, bin(d, FV_X_SHL, x, u32(d, left)),
               bin(d, FV_X_SHR, x, u32(d, 32 - left)));
}

static fv_expr *mixed_with_high(fv_definer *d, fv_expr *x, uint32_t shift) {
    return bin(d, FV_X_XOR, x, bin(d, FV_X_SHR, x, u32(d, shift)));
}

/* Splits an element into words of 32 bits, lowest first; returns their number. */
static int words_of(fv_definer *d, fv_expr *x, fv_expr **word) {
    fv_arena *a = d->arena;
    fv_elem e = (fv_elem)x->type.elem;
    bool is_long = fv_elem_bits(e) == 64;
    if (fv_elem_is_float(e))
        x = fv_x_cast(a, FV_X_BITCAST, is_long ? FV_U64 : FV_U32, x);
    word[0] = fv_x_convert(a, FV_U32, x);
    if (is_long)
        word[1] = fv_x_convert(a, FV_U32,
                               bin(d, FV_X_SHR, x, fv_x_const_int(a, (fv_elem)x->type.elem, 32)));
    return is_long ? 2 : 1;
}

static bool define_murmur(fv_definer *d, fv_op *op) {
    fv_definition *def = fv_definition_new(d, 0);
    fv_expr *index[FV_MAX_RANK], *word[2], *h = u32(d, (uint32_t)fv_op_int(op, "seed"));
    for (int i = 0; i < def->rank; i++)
        index[i] = fv_x_var(d->arena, def->index[i]);
    int n = words_of(d, fv_d_load(d, 0, index), word);
    for (int i = 0; i < n; i++) {
        fv_expr *k = times(d, rotated(d, times(d, word[i], 0xcc9e2d51), 15), 0x1b873593);
        h = rotated(d, bin(d, FV_X_XOR, h, k), 13);
        h = bin(d, FV_X_ADD, times(d, h, 5), u32(d, 0xe6546b64));
    }
    h = mixed_with_high(d, bin(d, FV_X_XOR, h, u32(d, 4 * (uint32_t)n)), 16);
    h = mixed_with_high(d, times(d, h, 0x85ebca6b), 13);
    h = mixed_with_high(d, times(d, h, 0xc2b2ae35), 16);
    def->body = fv_x_convert(d->arena, op->out[0]->type->elem, h);
    return true;
}

/* ---- NGramHashMapping ---- */

enum { IDS, MULTIPLIERS, VOCABULARIES, PAST, OFFSETS, END, SEGMENTS };
enum { MOST_GRAMS = 16 }; /* limit for n, since each length of n-gram is an expression of its own */

static bool infer_grams(fv_op *op) {
    fv_module *m = fv_op_module(op);
    fv_dims *t = m->dims;
    const fv_type *ids = fv_in_type(op, IDS), *factors = fv_in_type(op, MULTIPLIERS);
    int64_t n = fv_op_int(op, "max_ngram_size"), heads = fv_op_int(op, "n_head_per_ngram"),
            pad = fv_op_int(op, "pad_id");
    if (n < 2 || n > MOST_GRAMS)
        return fv_op_error(op, "max_ngram_size is %lld, from 2 to %d can be compiled", (long long)n,
                           MOST_GRAMS);
    if (heads < 1 || heads > INT32_MAX)
        return fv_op_error(op, "n_head_per_ngram is %lld, expected at least 1", (long long)heads);
    if (ids->elem == FV_I32 && pad != (int32_t)pad)
        return fv_op_error(op, "pad_id is %lld, which ids of 32 bits do not hold", (long long)pad);
    const fv_dim *past[2] = {ids->dims[0], fv_dim_const(t, n - 1)},
                 *all = fv_dim_const(t, (n - 1) * heads);
    const fv_dim *dims[3] = {ids->dims[0], ids->dims[1], all}, *least = fv_dim_const(t, n);
    if (!fv_module_require(m, fv_dim_max(t, factors->dims[0], least), factors->dims[0],
                           "multipliers",
                           fv_printf(m->arena, "%s <= %s", fv_dim_str(m->arena, least),
                                     fv_dim_str(m->arena, factors->dims[0]))))
        return fv_op_error(op, "has %s multipliers, expected at least %lld",
                           fv_dim_str(m->arena, factors->dims[0]), (long long)n);
    for (int i = PAST; i <= SEGMENTS; i++) {
        const fv_type *x = fv_in_type(op, i);
        const fv_dim *const *want = i == SEGMENTS ? ids->dims : past;
        for (int k = 0; x && x->rank == 2 && k < 2; k++)
            if (!fv_module_assume(m, x->dims[k], want[k], "dims of NGramHashMapping"))
                return fv_op_error(op, "input '%s' has %s on axis %d, expected %s",
                                   op->def->in[i].name, fv_dim_str(m->arena, x->dims[k]), k,
                                   fv_dim_str(m->arena, want[k]));
    }
    if (!fv_infer_per_channel(op, VOCABULARIES, all) ||
        (fv_op_in(op, OFFSETS) && !fv_infer_per_channel(op, OFFSETS, all)))
        return false;
    fv_infer_out(op, 0, ids->elem, 3, dims);
    fv_infer_out(op, 1, ids->elem, 2, past);
    return true;
}

typedef struct grams {
    fv_definer *d;
    fv_arena *a;
    fv_expr *b, *t; /* sequence and position of a token */
    fv_elem e;
    int64_t n;
} grams;

/* The value for positions without a token. */
static fv_expr *filler(const grams *g) {
    fv_expr *zero = fv_x_int(g->a, 0);
    if (!fv_op_in(g->d->op, END))
        return fv_x_const_int(g->a, g->e, fv_op_int(g->d->op, "pad_id"));
    return fv_d_load(g->d, END, &zero);
}

/* The token at position p of a sequence; negative positions refer to the past, whose last token is
 * at -1. */
static fv_expr *token(const grams *g, fv_expr *p) {
    fv_expr *before = filler(g), *at[2] = {g->b, bin(g->d, FV_X_ADD, p, fv_x_int(g->a, g->n - 1))};
    if (fv_op_in(g->d->op, PAST))
        before = fv_d_load_else(g->d, PAST, at, before);
    at[1] = p;
    return fv_d_load_else(g->d, IDS, at, before);
}

/* Whether the token k positions before the current one is the last of a segment. */
static fv_expr *is_border(const grams *g, int64_t k) {
    fv_expr *zero = fv_x_const_int(g->a, FV_I32, 0),
            *p = bin(g->d, FV_X_SUB, g->t, fv_x_int(g->a, k));
    fv_expr *at[2] = {g->b, p}, *here = fv_d_load_else(g->d, SEGMENTS, at, zero);
    at[1] = bin(g->d, FV_X_ADD, p, fv_x_int(g->a, 1));
    fv_expr *differ = bin(g->d, FV_X_NE, here, fv_d_load_else(g->d, SEGMENTS, at, zero));
    return bin(g->d, FV_X_AND, bin(g->d, FV_X_LE, fv_x_int(g->a, 0), p), differ);
}

/* The tokens k positions before the current one, for each k < n. Tokens before the border of
 * a segment, or an end of sequence, are replaced by the filler. */
static void window(const grams *g, fv_expr **w) {
    fv_op *op = g->d->op;
    bool ends = fv_op_in(op, END) && fv_op_int(op, "reset_on_eos");
    fv_expr *hidden = fv_x_const_int(g->a, FV_BOOL, 0), *zero = fv_x_int(g->a, 0);
    for (int64_t k = 0; k < g->n; k++) {
        w[k] = token(g, bin(g->d, FV_X_SUB, g->t, fv_x_int(g->a, k)));
        if (k && fv_op_in(op, SEGMENTS))
            hidden = bin(g->d, FV_X_OR, hidden, is_border(g, k));
        if (k && ends)
            hidden =
                bin(g->d, FV_X_OR, hidden, bin(g->d, FV_X_EQ, w[k], fv_d_load(g->d, END, &zero)));
        if (k)
            w[k] = fv_x_select(g->a, hidden, filler(g), w[k]);
    }
}

/* Each token times its multiplier, combined by xor, modulo the vocabulary size of the head. */
static void define_hashes(grams *g, fv_definition *def) {
    fv_expr *w[MOST_GRAMS], *mix = NULL, *by_length[MOST_GRAMS],
                            *head = fv_x_var(g->a, def->index[2]);
    window(g, w);
    for (int64_t k = 0; k < g->n; k++) {
        fv_expr *at = fv_x_int(g->a, k),
                *x = bin(g->d, FV_X_MUL, w[k], fv_d_load(g->d, MULTIPLIERS, &at));
        mix = mix ? bin(g->d, FV_X_XOR, mix, x) : x;
        if (k)
            by_length[k - 1] = mix;
    }
    fv_expr *length =
        bin(g->d, FV_X_FLOORDIV, head, fv_x_int(g->a, fv_op_int(g->d->op, "n_head_per_ngram")));
    fv_expr *size = fv_d_load(g->d, VOCABULARIES, &head), *zero = fv_x_const_int(g->a, g->e, 0);
    fv_expr *valid = fv_x_un(g->a, FV_X_REQUIRE, bin(g->d, FV_X_LT, zero, size));
    fv_expr *y = bin(g->d, FV_X_FLOORMOD, fv_d_pick(g->d, length, (int)g->n - 1, by_length), size);
    if (fv_op_in(g->d->op, OFFSETS))
        y = bin(g->d, FV_X_ADD, y, fv_d_load(g->d, OFFSETS, &head));
    def->body = fv_x_select(g->a, valid, y, zero);
}

static bool define_grams(fv_definer *d, fv_op *op) {
    const fv_type *ids = fv_in_type(op, IDS);
    grams g = {.d = d, .a = d->arena, .e = ids->elem, .n = fv_op_int(op, "max_ngram_size")};
    if (op->out[0]) {
        fv_definition *def = fv_definition_new(d, 0);
        g.b = fv_x_var(g.a, def->index[0]);
        g.t = fv_x_var(g.a, def->index[1]);
        define_hashes(&g, def);
    }
    if (op->nout > 1 && op->out[1]) { /* the last n - 1 tokens of past and ids */
        fv_definition *def = fv_definition_new(d, 1);
        g.b = fv_x_var(g.a, def->index[0]);
        fv_expr *first = bin(d, FV_X_SUB, fv_x_dim(g.a, ids->dims[1]), fv_x_int(g.a, g.n - 1));
        def->body = token(&g, bin(d, FV_X_ADD, first, fv_x_var(g.a, def->index[1])));
    }
    return true;
}

#define MS       .domain = "com.microsoft", .since = {1}
#define OPTIONAL FV_OPTIONAL_OPERAND
#define LONGS    (FV_SET(I32) | FV_SET(U32) | FV_SET(I64) | FV_SET(U64) | FV_SET(F32) | FV_SET(F64))

const fv_opdef fv_ops_hash[] = {
    {MS, .name = "MurmurHash3", .doc = "a hash of 32 bits of each element's bytes",
     .in = {{"X", "T1"}}, .out = {{"Y", "T2"}},
     .attrs = {FV_A_INT("positive", 1), FV_A_INT("seed", 0)},
     .types = {{"T1", LONGS}, {"T2", FV_SET(U32) | FV_SET(I32)}}, .infer = infer_murmur,
     .define = define_murmur},
    {MS, .name = "NGramHashMapping",
     .doc = "hashes of the last 2, 3, .. tokens up to each, one for each head; the last tokens for "
            "the next call",
     .in = {{"input_ids", "M", .rank = FV_RANK(2)},
            {"multipliers", "M", .rank = FV_RANK(1)},
            {"vocab_sizes", "M", .rank = FV_RANK(1)},
            {"past_ids", "M", OPTIONAL, .rank = FV_RANK(2)},
            {"head_offsets", "M", OPTIONAL, .rank = FV_RANK(1)},
            {"eos_token_id", "M", OPTIONAL, .rank = FV_SCALAR},
            {"segment_ids", "S", OPTIONAL, .rank = FV_RANK(2)}},
     .out = {{"hash_ids", "M"}, {"present_ids", "M", OPTIONAL}},
     .attrs = {FV_A_REQUIRED("max_ngram_size", INT), FV_A_REQUIRED("n_head_per_ngram", INT),
               FV_A_REQUIRED("pad_id", INT), FV_A_INT("reset_on_eos", 0)},
     .types = {{"M", FV_SET(I32) | FV_SET(I64)}, {"S", FV_SET(I32)}}, .infer = infer_grams,
     .define = define_grams},

    {0}};
