/* tokens.c - operators on sequences of tokens: removing and restoring padding, finding repeated
 * n-grams, an optimal path through two sequences. */
#include "ops/common/dims.h"

#include <math.h>

#include "ir/base/limits.h"
#include "ir/definition/custom.h"
#include "ir/dim/text.h"
#include "ir/graph/infer.h"
#include "ops/attention/attend.h"
#include "ops/attention/tokens.h"

/* ---- RemovePadding, RestorePadding ---- */

static bool infer_remove_padding(fv_op *op) {
    fv_dims *t = fv_op_module(op)->dims;
    const fv_type *x = fv_in_type(op, 0), *count = fv_in_type(op, 1);
    const fv_dim *rows[2] = {NULL, x->dims[2]}, *one = fv_dim_const(t, 1),
                 *ends = fv_dim_add(t, x->dims[0], one);
    if (!fv_same_dim(op, count->dims[0], x->dims[0], "a count for each sequence"))
        return false;
    fv_infer_run_time(op, 0, x->elem, 2, rows);
    fv_infer_out(op, 1, FV_I32, 2, x->dims);
    fv_infer_out(op, 2, FV_I32, 1, &ends);
    fv_infer_out(op, 3, FV_I32, 1, &one);
    return true;
}

bool fv_infer_offsets(fv_op *op, const fv_dim *tokens, const fv_type *offsets) {
    fv_module *m = fv_op_module(op);
    const fv_dim *places = fv_dim_product(m->dims, 2, offsets->dims);
    return fv_module_require(m, fv_dim_max(m->dims, places, tokens), places, "places of tokens",
                             fv_printf(m->arena, "%s <= %s", fv_dim_str(m->arena, tokens),
                                       fv_dim_str(m->arena, places))) ||
           fv_op_error(op, "token_offset has %s places for %s tokens", fv_dim_str(m->arena, places),
                       fv_dim_str(m->arena, tokens));
}

static bool infer_restore_padding(fv_op *op) {
    const fv_type *x = fv_in_type(op, 0), *at = fv_in_type(op, 1);
    const fv_dim *dims[3] = {at->dims[0], at->dims[1], x->dims[1]};
    fv_infer_out(op, 0, x->elem, 3, dims);
    return fv_infer_offsets(op, x->dims[0], at);
}

/* ---- NGramRepeatBlock ---- */

/* The number of n-grams in that many tokens. */
static const fv_dim *grams_of(fv_dims *t, const fv_dim *tokens, int64_t n) {
    return fv_dim_max(t, fv_dim_sub(t, tokens, fv_dim_const(t, n - 1)), fv_dim_const(t, 0));
}

static bool infer_repeated(fv_op *op) {
    int64_t n = fv_op_int(op, "ngram_size");
    if (n < 1 || n > INT32_MAX)
        return fv_op_error(op, "ngram_size is %lld, expected at least 1", (long long)n);
    const fv_type *ids = fv_in_type(op, 0);
    const fv_dim *dims[2] = {ids->dims[0], grams_of(fv_op_module(op)->dims, ids->dims[1], n)};
    fv_infer_out(op, 0, FV_BOOL, 2, dims);
    return true;
}

static bool infer_repeat_block(fv_op *op) {
    int64_t n = fv_op_int(op, "ngram_size");
    if (n < 1 || n > INT32_MAX)
        return fv_op_error(op, "ngram_size is %lld, expected at least 1", (long long)n);
    fv_infer_like(op, 0, 1);
    return fv_same_dim(op, fv_in_type(op, 0)->dims[0], fv_in_type(op, 1)->dims[0],
                       "batch of scores");
}

/* ---- BifurcationDetector ---- */

enum { SOURCE, CURRENT, PREVIOUS, PREDICTED };

static bool check_gram_sizes(fv_op *op) {
    int64_t least = fv_op_int(op, "min_ngram_size"), most = fv_op_int(op, "max_ngram_size");
    return (least >= 1 && most >= least && most <= INT32_MAX) ||
           fv_op_error(op, "n-grams of %lld to %lld tokens", (long long)least, (long long)most);
}

/* Appends the tokens that were predicted correctly, and one more, to the current ones. */
static bool infer_bifurcation(fv_op *op) {
    fv_module *m = fv_op_module(op);
    fv_dims *t = m->dims;
    const fv_type *source = fv_in_type(op, SOURCE), *predicted = fv_in_type(op, PREDICTED);
    const fv_dim *const *at, *n = predicted ? NULL : fv_in_type(op, CURRENT)->dims[0];
    int count;
    if (!check_gram_sizes(op))
        return false;
    if (predicted && (!fv_infer_at_least(op, predicted->dims[0], 1, "predictions") ||
                      !fv_int_operand(op, PREVIOUS, &count, &at) ||
                      !fv_same_dim(op, fv_dim_add(t, predicted->dims[0], at[0]),
                                   fv_dim_add(t, source->dims[0], fv_dim_const(t, 1)),
                                   "one prediction more than is left of the source")))
        return false;
    fv_infer_run_time(op, 0, FV_I64, 1, &n);
    fv_infer_like(op, 1, PREVIOUS);
    return true;
}

static bool infer_agreement(fv_op *op) {
    fv_infer_out(op, 0, FV_I64, 0, NULL);
    return fv_infer_at_least(op, fv_in_type(op, 1)->dims[0], 1, "predictions") &&
           fv_infer_at_least(op, fv_in_type(op, 2)->dims[0], 1, "places in the source");
}

static bool infer_suffix(fv_op *op) {
    fv_infer_out(op, 0, FV_I64, 0, NULL);
    return check_gram_sizes(op);
}

static fv_expr *bin(fv_custom *c, fv_expr_op op, fv_expr *x, fv_expr *y) {
    return fv_x_bin(c->arena, op, x, y);
}

/* Counts the occurrences in `source` of the last n of `tokens`, and finds the first one. */
static void find_suffix(fv_custom *c, fv_buf *source, fv_buf *tokens, fv_expr *n, fv_buf *count,
                        fv_buf *first) {
    fv_arena *a = c->arena;
    fv_expr *zero = fv_x_int(a, 0), *one = fv_x_int(a, 1);
    fv_expr *places = bin(c, FV_X_ADD, bin(c, FV_X_SUB, source->extent[0], n), one);
    fv_expr *p = fv_kb_for(&c->b, FV_SERIAL, "p", zero,
                           fv_kb_let(&c->b, "places", bin(c, FV_X_MAX, zero, places)), 1);
    fv_buf *same = fv_kb_tile(&c->b, "same", FV_BOOL, 0, NULL, fv_x_const_int(a, FV_BOOL, 1));
    fv_expr *j = fv_kb_for(&c->b, FV_SERIAL, "j", zero, n, 1);
    fv_expr *x = bin(c, FV_X_ADD, p, j),
            *y = bin(c, FV_X_ADD, bin(c, FV_X_SUB, tokens->extent[0], n), j);
    fv_expr *equal = bin(c, FV_X_EQ, fv_x_load(a, source, &x), fv_x_load(a, tokens, &y));
    fv_kb_store(&c->b, same, NULL, bin(c, FV_X_AND, fv_x_load(a, same, NULL), equal), NULL);
    fv_kb_end(&c->b);
    fv_kb_if(&c->b, fv_x_load(a, same, NULL));
    fv_expr *is_first = bin(c, FV_X_EQ, fv_x_load(a, count, NULL), zero);
    fv_kb_store(&c->b, first, NULL, fv_x_select(a, is_first, p, fv_x_load(a, first, NULL)), NULL);
    fv_kb_store(&c->b, count, NULL, bin(c, FV_X_ADD, fv_x_load(a, count, NULL), one), NULL);
    fv_kb_end(&c->b);
    fv_kb_end(&c->b);
}

/* Tries suffixes of increasing length, until one has no occurrence or the source ends. If a suffix
 * has one occurrence, the tokens after it are the match; if it has several, a longer suffix is
 * tried. */
static bool kernel_suffix(fv_custom *c, fv_op *op) {
    fv_arena *a = c->arena;
    fv_expr *zero = fv_x_int(a, 0), *one = fv_x_int(a, 1), *none = fv_x_int(a, -1);
    fv_custom_begin(c, "suffix");
    fv_buf *source = fv_custom_in(c, 0), *tokens = fv_custom_in(c, 1), *y = fv_custom_out(c, 0);
    fv_buf *match = fv_kb_tile(&c->b, "match", FV_I64, 0, NULL, none);
    fv_buf *size =
        fv_kb_tile(&c->b, "size", FV_I64, 0, NULL, fv_x_int(a, fv_op_int(op, "min_ngram_size")));
    fv_expr *most =
        bin(c, FV_X_MIN, fv_x_int(a, fv_op_int(op, "max_ngram_size")), tokens->extent[0]);
    fv_buf *end = fv_kb_tile(&c->b, "end", FV_I64, 0, NULL, most);
    fv_kb_while(&c->b, bin(c, FV_X_LE, fv_x_load(a, size, NULL), fv_x_load(a, end, NULL)));
    fv_expr *n = fv_kb_let(&c->b, "n", fv_x_load(a, size, NULL));
    fv_buf *count = fv_kb_tile(&c->b, "count", FV_I64, 0, NULL, zero),
           *first = fv_kb_tile(&c->b, "first", FV_I64, 0, NULL, zero);
    find_suffix(c, source, tokens, n, count, first);
    fv_kb_store(&c->b, size, NULL, bin(c, FV_X_ADD, n, one), NULL);
    fv_kb_if(&c->b, bin(c, FV_X_EQ, fv_x_load(a, count, NULL), zero));
    fv_kb_store(&c->b, end, NULL, none, NULL);
    fv_kb_else(&c->b);
    fv_expr *behind = fv_kb_let(&c->b, "behind", bin(c, FV_X_ADD, fv_x_load(a, first, NULL), n));
    fv_expr *once = bin(c, FV_X_EQ, fv_x_load(a, count, NULL), one);
    fv_kb_store(&c->b, match, NULL, fv_x_select(a, once, behind, none), NULL);
    fv_kb_if(&c->b, bin(c, FV_X_LE, source->extent[0], behind));
    fv_kb_store(&c->b, end, NULL, none, NULL);
    for (int i = 0; i < 3; i++)
        fv_kb_end(&c->b);
    fv_kb_store(&c->b, y, NULL, fv_x_load(a, match, NULL), NULL);
    fv_custom_end(c);
    return true;
}

/* ---- DynamicTimeWarping ---- */

static bool infer_warping(fv_op *op) {
    const fv_type *x = fv_in_type(op, 0);
    fv_dims *t = fv_op_module(op)->dims;
    const fv_dim *dims[2] = {fv_dim_const(t, 2), NULL};
    if (x->rank == 3 && !fv_same_dim(op, x->dims[0], fv_dim_const(t, 1), "one matrix of costs"))
        return false;
    fv_infer_run_time(op, 0, FV_I32, 2, dims);
    return true;
}

static bool infer_warp_path(fv_op *op) {
    const fv_type *x = fv_in_type(op, 0);
    fv_dims *t = fv_op_module(op)->dims;
    const fv_dim *dims[2] = {fv_dim_const(t, 2), fv_dim_add(t, x->dims[0], x->dims[1])};
    fv_infer_out(op, 0, FV_I32, 2, dims);
    fv_infer_out(op, 1, FV_I64, 0, NULL);
    return true;
}

static fv_expr *cell(fv_custom *c, fv_buf *b, fv_expr *i, fv_expr *j) {
    return fv_x_load(c->arena, b, (fv_expr *[]){i, j});
}

enum { DIAGONAL, UP, LEFT };

/* The sums of costs, with a border above and to the left that is infinity, and 0 in the corner. */
static fv_value *bordered(fv_custom *c, fv_op *op) {
    fv_arena *a = c->arena;
    fv_dims *t = c->module->dims;
    const fv_type *x = fv_in_type(op, 0);
    const fv_dim *one = fv_dim_const(t, 1),
                 *dims[2] = {fv_dim_add(t, x->dims[0], one), fv_dim_add(t, x->dims[1], one)};
    fv_value *v = fv_custom_value(c, "sums", FV_F32, 2, dims);
    fv_expr *index[2], *zero = fv_x_int(a, 0);
    fv_custom_begin(c, "border");
    fv_buf *sums = fv_custom_param(c, v, FV_BUF_OUT);
    for (int i = 0; i < 2; i++)
        index[i] = fv_custom_for(c, FV_SERIAL, "i", dims[i]);
    fv_expr *corner = bin(c, FV_X_EQ, bin(c, FV_X_ADD, index[0], index[1]), zero);
    fv_kb_store(&c->b, sums, index,
                fv_x_select(a, corner, fv_x_const(a, FV_F32, 0), fv_x_const(a, FV_F32, INFINITY)),
                NULL);
    fv_kb_end(&c->b);
    fv_kb_end(&c->b);
    fv_custom_end(c);
    return v;
}

/* The predecessor of cell (i, j) on the cheapest path: the diagonal one only if it is cheaper than
 * both others, and similarly the upper one. */
static fv_expr *origin(fv_custom *c, fv_buf *sums, fv_expr *i, fv_expr *j, fv_expr **least) {
    fv_arena *a = c->arena;
    fv_expr *up = bin(c, FV_X_SUB, i, fv_x_int(a, 1)), *left = bin(c, FV_X_SUB, j, fv_x_int(a, 1));
    fv_expr *d = fv_kb_let(&c->b, "d", cell(c, sums, up, left)),
            *u = fv_kb_let(&c->b, "u", cell(c, sums, up, j));
    fv_expr *l = fv_kb_let(&c->b, "l", cell(c, sums, i, left));
    fv_expr *from_d =
        fv_kb_let(&c->b, "from_d", bin(c, FV_X_AND, bin(c, FV_X_LT, d, u), bin(c, FV_X_LT, d, l)));
    fv_expr *from_u =
        fv_kb_let(&c->b, "from_u", bin(c, FV_X_AND, bin(c, FV_X_LT, u, d), bin(c, FV_X_LT, u, l)));
    *least = fv_x_select(a, from_d, d, fv_x_select(a, from_u, u, l));
    return fv_kb_let(&c->b, "from",
                     fv_x_select(a, from_d, fv_x_int(a, DIAGONAL),
                                 fv_x_select(a, from_u, fv_x_int(a, UP), fv_x_int(a, LEFT))));
}

/* Follows the path from the last cell back, and prepends each cell to it. */
static void trace_back(fv_custom *c, fv_op *op, fv_buf *sums, fv_buf *path, fv_buf *length) {
    fv_arena *a = c->arena;
    const fv_type *x = fv_in_type(op, 0);
    fv_expr *zero = fv_x_int(a, 0), *one = fv_x_int(a, 1), *none;
    fv_expr *size[2] = {fv_custom_dim(c, x->dims[0]), fv_custom_dim(c, x->dims[1])}, *at[2];
    fv_buf *row = fv_kb_tile(&c->b, "row", FV_I64, 0, NULL, size[0]),
           *column = fv_kb_tile(&c->b, "column", FV_I64, 0, NULL, size[1]);
    fv_buf *count = fv_kb_tile(&c->b, "count", FV_I64, 0, NULL, zero);
    fv_kb_while(&c->b, bin(c, FV_X_AND, bin(c, FV_X_LT, zero, fv_x_load(a, row, NULL)),
                           bin(c, FV_X_LT, zero, fv_x_load(a, column, NULL))));
    fv_expr *i = fv_kb_let(&c->b, "i", fv_x_load(a, row, NULL)),
            *j = fv_kb_let(&c->b, "j", fv_x_load(a, column, NULL));
    fv_expr *n = fv_kb_let(&c->b, "n", bin(c, FV_X_ADD, fv_x_load(a, count, NULL), one));
    fv_kb_store(&c->b, count, NULL, n, NULL);
    at[1] = fv_kb_let(&c->b, "place", bin(c, FV_X_SUB, bin(c, FV_X_ADD, size[0], size[1]), n));
    for (int k = 0; k < 2; k++) {
        at[0] = fv_x_int(a, k);
        fv_kb_store(&c->b, path, at, fv_x_convert(a, FV_I32, bin(c, FV_X_SUB, k ? j : i, one)),
                    NULL);
    }
    fv_expr *from = origin(c, sums, i, j, &none);
    fv_expr *rows = fv_x_convert(a, FV_I64, bin(c, FV_X_NE, from, fv_x_int(a, LEFT)));
    fv_expr *columns = fv_x_convert(a, FV_I64, bin(c, FV_X_NE, from, fv_x_int(a, UP)));
    fv_kb_store(&c->b, row, NULL, bin(c, FV_X_SUB, i, rows), NULL);
    fv_kb_store(&c->b, column, NULL, bin(c, FV_X_SUB, j, columns), NULL);
    fv_kb_end(&c->b);
    fv_kb_store(&c->b, length, NULL, fv_x_load(a, count, NULL), NULL);
}

static bool kernel_warp_path(fv_custom *c, fv_op *op) {
    fv_arena *a = c->arena;
    const fv_type *x = fv_in_type(op, 0);
    fv_value *v = bordered(c, op);
    fv_expr *one = fv_x_int(a, 1), *least;
    fv_custom_begin(c, "warp");
    fv_buf *cost = fv_custom_in(c, 0), *path = fv_custom_out(c, 0), *length = fv_custom_out(c, 1);
    fv_buf *sums = fv_custom_param(c, v, FV_BUF_INOUT);
    fv_expr *i = fv_custom_for(c, FV_SERIAL, "i", x->dims[0]),
            *j = fv_custom_for(c, FV_SERIAL, "j", x->dims[1]);
    fv_expr *to[2] = {bin(c, FV_X_ADD, i, one), bin(c, FV_X_ADD, j, one)};
    origin(c, sums, to[0], to[1], &least);
    fv_kb_store(&c->b, sums, to, bin(c, FV_X_ADD, least, cell(c, cost, i, j)), NULL);
    fv_kb_end(&c->b);
    fv_kb_end(&c->b);
    trace_back(c, op, sums, path, length);
    fv_custom_end(c);
    return true;
}

/* ---- WordConvEmbedding: the maximum over windows of characters of a word ---- */

enum { WORDS, FILTER, BIAS, CHARACTERS };

static bool infer_words(fv_op *op) {
    static const struct {
        const char *name;
        int in, axis;
    } sizes[] = {{"embedding_size", FILTER, 0},
                 {"conv_window_size", FILTER, 2},
                 {"char_embedding_size", CHARACTERS, 1}};
    fv_module *m = fv_op_module(op);
    fv_dims *t = m->dims;
    const fv_type *words = fv_in_type(op, WORDS), *filter = fv_in_type(op, FILTER);
    const fv_dim *dims[2] = {words->dims[0], filter->dims[0]}, *length = words->dims[1],
                 *width = filter->dims[2];
    for (int i = 0; i < 3; i++) {
        int64_t n = fv_op_int(op, sizes[i].name);
        if (n != -1 && !fv_same_dim(op, fv_in_type(op, sizes[i].in)->dims[sizes[i].axis],
                                    fv_dim_const(t, n), sizes[i].name))
            return false;
    }
    if (!fv_same_dim(op, filter->dims[1], fv_dim_const(t, 1), "one channel of a filter") ||
        !fv_same_dim(op, filter->dims[3], fv_in_type(op, CHARACTERS)->dims[1],
                     "size of a character") ||
        !fv_infer_per_channel(op, BIAS, dims[1]))
        return false;
    if (!fv_module_require(m, fv_dim_max(t, length, width), length, "characters of a word",
                           fv_printf(m->arena, "%s <= %s", fv_dim_str(m->arena, width),
                                     fv_dim_str(m->arena, length))))
        return fv_op_error(op, "words have %s characters, a window %s",
                           fv_dim_str(m->arena, length), fv_dim_str(m->arena, width));
    fv_infer_out(op, 0, filter->elem, 2, dims);
    return true;
}

#define MS       .domain = "com.microsoft", .since = {1}
#define OURS     .domain = "fv", .since = {1}
#define OPTIONAL FV_OPTIONAL_OPERAND
#define TOKENS                                                                                     \
    {                                                                                              \
        {                                                                                          \
            "T", FV_SET(I64)                                                                       \
        }                                                                                          \
    }

const fv_opdef fv_ops_tokens[] = {
    {MS, .name = "RemovePadding",
     .doc = "the tokens of all sequences, without padding; the positions of "
            "tokens and padding, and the end of each sequence",
     .in = {{"input", "T", .rank = FV_RANK(3)}, {"sequence_token_count", "M", .rank = FV_RANK(1)}},
     .out = {{"output", "T"},
             {"token_offset", "M", OPTIONAL},
             {"cumulated_seq_len", "M", OPTIONAL},
             {"max_seq_len", "M", OPTIONAL}},
     .types = {{"T", FV_SET_FLOAT}, {"M", FV_SET(I32)}}, .infer = infer_remove_padding,
     .body = "RemovePadding"},
    {MS, .name = "RestorePadding", .id = FV_OP_com_microsoft_RestorePadding,
     .doc = "writes tokens back to their positions in all sequences; zeros "
            "elsewhere",
     .in = {{"input", "T", .rank = FV_RANK(2)}, {"token_offset", "M", .rank = FV_RANK(2)}},
     .out = {{"output", "T"}}, .types = {{"T", FV_SET_FLOAT}, {"M", FV_SET(I32)}},
     .infer = infer_restore_padding, .body = "RestorePadding"},
    {OURS, .name = "RepeatedNgrams", .id = FV_OP_fv_RepeatedNgrams,
     .doc = "whether the first tokens of the n-gram at each position equal the last tokens of the "
            "sequence",
     .in = {{"ids", "T", .rank = FV_RANK(2)}}, .out = {{"Y", "B"}},
     .attrs = {FV_A_REQUIRED("ngram_size", INT)},
     .types = {{"T", FV_SET(I64)}, {"B", FV_SET(BOOL)}}, .infer = infer_repeated,
     .formula = "Y[b, i] = all j < ngram_size - 1: ids[b, i + j] == ids[b, dim(ids, 1) + 1 - "
                "ngram_size + j]"},
    {MS, .name = "NGramRepeatBlock",
     .doc = "scores, with minus infinity for tokens that would repeat an "
            "n-gram",
     .in = {{"input_ids", "I", .rank = FV_RANK(2)}, {"scores", "T", .rank = FV_RANK(2)}},
     .out = {{"scores_out", "T"}}, .attrs = {FV_A_REQUIRED("ngram_size", INT)},
     .types = {{"I", FV_SET(I64)}, {"T", FV_SET(F32)}}, .infer = infer_repeat_block,
     .body = "NGramRepeatBlock"},
    {OURS, .name = "Agreement", .id = FV_OP_fv_Agreement,
     .doc = "the number of predictions that equal the source from position "
            "`from` on, before the first that differs",
     .in = {{"source", "T", .rank = FV_RANK(1)},
            {"predicted", "T", .rank = FV_RANK(1)},
            {"from", "T", .rank = FV_RANK(1)}},
     .out = {{"Y", "T"}}, .types = TOKENS, .infer = infer_agreement,
     .formula = "n = dim(predicted, 0) - 1; f = from[0]; m = min k < dim(predicted, 0) - 1: "
                "select(predicted[k + 0] == source[f + k], n, k); Y = min(m, n)"},
    {OURS, .name = "SuffixMatch", .id = FV_OP_fv_SuffixMatch,
     .doc = "the position in the source after the only occurrence of the last n-gram of the "
            "tokens; -1 if there is none",
     .in = {{"source", "T", .rank = FV_RANK(1)}, {"tokens", "T", .rank = FV_RANK(1)}},
     .out = {{"Y", "T"}},
     .attrs = {FV_A_REQUIRED("min_ngram_size", INT), FV_A_REQUIRED("max_ngram_size", INT)},
     .types = TOKENS, .infer = infer_suffix, .kernel = kernel_suffix},
    {MS, .name = "BifurcationDetector",
     .doc = "appends the correctly predicted tokens and one more; the position in the source at "
            "which the tokens continue",
     .in = {{"src_tokens", "T", .rank = FV_RANK(1)},
            {"cur_tokens", "T", .rank = FV_RANK(1)},
            {"prev_suffix_match_idx", "T", .rank = FV_SCALAR},
            {"pred_tokens", "T", OPTIONAL, .rank = FV_RANK(1)}},
     .out = {{"tokens", "T"}, {"suffix_match_idx", "T", OPTIONAL}},
     .attrs = {FV_A_REQUIRED("min_ngram_size", INT), FV_A_REQUIRED("max_ngram_size", INT)},
     .types = TOKENS, .infer = infer_bifurcation, .body = "BifurcationDetector"},
    {OURS, .name = "WarpPath", .id = FV_OP_fv_WarpPath,
     .doc = "the cheapest path from the first to the last cell of a matrix of costs, at the end of "
            "Y, and its length",
     .in = {{"X", "F", .rank = FV_RANK(2)}}, .out = {{"Y", "I"}, {"length", "L"}},
     .types = {{"F", FV_SET(F32)}, {"I", FV_SET(I32)}, {"L", FV_SET(I64)}},
     .infer = infer_warp_path, .kernel = kernel_warp_path},
    {MS, .name = "DynamicTimeWarping",
     .doc = "rows and columns of the cheapest path through a matrix of costs, by steps right, down "
            "or both",
     .in = {{"input", "F", .rank = FV_RANKS(2, 3)}}, .out = {{"output", "I"}},
     .types = {{"F", FV_SET(F32)}, {"I", FV_SET(I32)}}, .infer = infer_warping,
     .body = "DynamicTimeWarping"},
    {MS, .name = "WordConvEmbedding",
     .doc = "vectors of words: the maximum over positions of the tanh of "
            "filters over the embeddings of their characters",
     .in = {{"Sequence", "T", .rank = FV_RANK(2)},
            {"W", "T1", .rank = FV_RANK(4)},
            {"B", "T1", .rank = FV_RANK(1)},
            {"C", "T1", .rank = FV_RANK(2)}},
     .out = {{"Y", "T1"}},
     .attrs = {FV_A_INT("char_embedding_size", -1), FV_A_INT("conv_window_size", -1),
               FV_A_INT("embedding_size", -1)},
     .types = {{"T", FV_SET(I32)}, {"T1", FV_SET(F32)}}, .infer = infer_words,
     .body = "WordConvEmbedding"},

    {0}};
