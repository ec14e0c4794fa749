/* tfidf.c - TfIdfVectorizer: counts the n-grams of a pool in each row. */
#include "ops/ml/ml.h"

#include <string.h>

#include "ir/dim/text.h"
#include "ir/graph/infer.h"
#include "ops/text/strings.h"

/* ---- fv.Ngrams ---- */

static bool infer_ngrams(fv_op *op) {
    const fv_dim *dims[2] = {fv_in_type(op, 0)->dims[0], fv_in_type(op, 1)->dims[0]};
    fv_infer_out(op, 0, FV_F32, 2, dims);
    int64_t skips = fv_op_int(op, "skips");
    return (skips >= 1 && skips <= INT32_MAX) ||
           fv_op_error(op, "skips is %lld, expected at least 1", (long long)skips);
}

/* ---- TfIdfVectorizer ---- */

/* The n-grams of a pool: those of length 1 begin at counts[0], those of length 2 at counts[1],
 * ... */
typedef struct pool {
    int n, lengths, columns;
    /* for each n-gram: the column of the result with its count */
    const int64_t *items, *counts, *column;
    int64_t least, most, skips;
} pool;

static int64_t end_of(const pool *p, int64_t length) {
    return length < p->lengths ? p->counts[length] : p->n;
}

static int64_t size_of(const pool *p, int64_t length) {
    return (end_of(p, length) - p->counts[length - 1]) / length;
}

static bool check_lengths(const fv_op *op, const pool *p) {
    int64_t grams = 0;
    if (p->least < 1 || p->most < p->least || p->most > p->lengths)
        return fv_op_error(op, "n-grams of length %lld to %lld, the pool has 1 to %d",
                           (long long)p->least, (long long)p->most, p->lengths);
    for (int64_t i = 1; i <= p->lengths; i++) {
        int64_t from = p->counts[i - 1], to = end_of(p, i);
        if (from < 0 || to < from || to > p->n || (to - from) % i)
            return fv_op_error(op, "n-grams of length %lld are items %lld to %lld of %d",
                               (long long)i, (long long)from, (long long)to, p->n);
        grams += (to - from) / i;
    }
    return grams == p->columns ||
           fv_op_error(op, "the pool has %lld n-grams, ngram_indexes %d columns", (long long)grams,
                       p->columns);
}

/* Reads a pool of strings. Its items are set later, when name_items has replaced strings by
 * numbers. */
static bool read_words(const fv_op *op, pool *p) {
    const fv_attr *words = fv_op_find_attr(op, "pool_strings");
    int n = words ? words->n : 0;
    fv_elem e = fv_in_type(op, 0)->elem;
    if (n && p->n)
        return fv_op_error(op, "has pool_strings, and pool_int64s too");
    if (e == FV_STRING ? p->n : n)
        return fv_op_error(op, "X is of %s, the pool is not", fv_elem_name(e));
    p->n += n;
    return true;
}

static bool read_pool(fv_op *op, pool *p) {
    int weights;
    fv_ml_floats(op, "weights", &weights);
    *p = (pool){.least = fv_op_int(op, "min_gram_length"),
                .most = fv_op_int(op, "max_gram_length"),
                .skips = fv_op_int(op, "max_skip_count")};
    p->items = fv_op_ints(op, "pool_int64s", &p->n);
    p->counts = fv_op_ints(op, "ngram_counts", &p->lengths);
    p->column = fv_op_ints(op, "ngram_indexes", &p->columns);
    if (!read_words(op, p))
        return false;
    if (!p->n)
        return fv_op_error(op, "has no pool: expected %s",
                           fv_in_type(op, 0)->elem == FV_STRING ? "pool_strings" : "pool_int64s");
    if (p->skips < 0 || p->skips >= INT32_MAX)
        return fv_op_error(op, "max_skip_count is %lld, expected at least 0", (long long)p->skips);
    if (weights && weights != p->columns)
        return fv_op_error(op, "has %d weights for %d n-grams", weights, p->columns);
    for (int i = 0; i < p->columns; i++)
        if (p->column[i] < 0 || p->column[i] >= INT32_MAX)
            return fv_op_error(op, "ngram_indexes has %lld", (long long)p->column[i]);
    return check_lengths(op, p);
}

static int64_t width_of(const pool *p) {
    int64_t most = 0;
    for (int i = 0; i < p->columns; i++)
        most = p->column[i] > most ? p->column[i] : most;
    return most + 1;
}

enum { TF, IDF, TFIDF };
static int mode_of(const fv_op *op) {
    static const char *const modes[] = {"TF", "IDF", "TFIDF"};
    return fv_ml_choice(op, "mode", 3, modes);
}

static bool infer_vectorizer(fv_op *op) {
    fv_dims *t = fv_op_module(op)->dims;
    const fv_type *x = fv_in_type(op, 0);
    const fv_dim *dims[2];
    int weights, mode = mode_of(op);
    pool p;
    if (mode < 0 || !read_pool(op, &p))
        return false;
    fv_ml_floats(op, "weights", &weights);
    if (mode != TF && weights && weights < width_of(&p))
        return fv_op_error(op, "has %d weights for %lld columns", weights, (long long)width_of(&p));
    dims[0] = x->dims[0];
    dims[x->rank - 1] = fv_dim_const(t, width_of(&p));
    fv_infer_out(op, 0, FV_F32, x->rank, dims);
    return true;
}

/* For each row, the number of occurrences of each n-gram of that length. With length 1 no items are
 * skipped. */
static fv_value *count_length(fv_rewriter *w, const pool *p, fv_value *x, int64_t length) {
    fv_tensor *grams =
        fv_tensor_new(w->module->arena, FV_I64, 2, (int64_t[]){size_of(p, length), length});
    for (size_t i = 0; i < grams->count; i++)
        fv_tensor_set_int(grams, i, p->items[p->counts[length - 1] + (int64_t)i]);
    fv_attr skips = fv_attr_int(w->module, "skips", length == 1 ? 1 : p->skips + 1);
    return fv_w_op(w, FV_OP_fv_Ngrams, 2,
                   (fv_value *[]){x, fv_const_new(w->module, "grams", grams)}, 1, &skips);
}

/* The counts of all n-grams, in their columns: [rows, columns]. */
static fv_value *count_columns(fv_rewriter *w, const pool *p, fv_value *x) {
    fv_dims *t = w->module->dims;
    fv_attr axis = fv_attr_int(w->module, "axis", 1),
            add[2] = {axis, fv_attr_string(w->module, "reduction", "add")};
    int64_t *column = FV_NEW(w->module->arena, int64_t, p->columns), first = 0, n = 0;
    fv_value **parts = FV_NEW(w->module->arena, fv_value *, p->lengths);
    int nparts = 0;
    if (!x)
        return NULL;
    for (int64_t i = 1; i <= p->lengths; first += size_of(p, i++)) {
        if (i < p->least || i > p->most || !size_of(p, i))
            continue;
        parts[nparts++] = count_length(w, p, x, i);
        for (int64_t k = 0; k < size_of(p, i); k++)
            column[n++] = p->column[first + k];
    }
    const fv_dim *dims[2] = {x->type->dims[0], fv_dim_const(t, width_of(p))};
    fv_value *none = fv_w_expand(w, fv_w_float(w, FV_F32, 0), 2, dims);
    if (!n)
        return none;
    dims[1] = fv_dim_const(t, n);
    fv_value *at = fv_w_expand(w, fv_const_ints(w->module, "columns", (int)n, column), 2, dims);
    fv_value *counts = nparts == 1 ? parts[0] : fv_w_op(w, FV_OP_Concat, nparts, parts, 1, &axis);
    return fv_w_op(w, FV_OP_ScatterElements, 3, (fv_value *[]){none, at, counts}, 2, add);
}

static bool decompose_vectorizer(fv_rewriter *w, fv_op *op) {
    const fv_type *type = op->out[0]->type;
    int weights, mode = mode_of(op);
    const float *weight = fv_ml_floats(op, "weights", &weights);
    pool p;
    if (!read_pool(op, &p))
        return false;
    fv_value *y = count_columns(w, &p, fv_ml_matrix(w, op, FV_I64));
    if (mode == IDF)
        y = fv_w_cast(w, FV_W2(w, FV_OP_Greater, y, fv_w_float(w, FV_F32, 0)), FV_F32);
    if (mode != TF && weights)
        y = FV_W2(
            w, FV_OP_Mul, y,
            fv_ml_const_floats(w->module, "weights", FV_F32, weight, 1, (int64_t[]){width_of(&p)}));
    fv_w_result(w, 0, fv_w_reshape(w, y, type->rank, type->dims));
    return true;
}

/* Replaces strings by numbers: by the index of the first equal string in the pool, or -1. */
static bool name_items(fv_rewriter *w, fv_op *op) {
    const fv_attr words = *fv_op_find_attr(op, "pool_strings");
    int64_t *items = FV_NEW(w->module->arena, int64_t, words.n);
    fv_strings x;
    if (!fv_strings_of(op, op->in[0], &x))
        return false;
    fv_value *numbers = fv_w_find_strings(w, x, words.n, words.u.strings, NULL, -1);
    fv_first_of_strings(w->module->arena, words.n, words.u.strings, items);
    fv_op_drop_attr(op, words.name);
    fv_op_set_ints(op, "pool_int64s", words.n, items);
    fv_w_result(w, 0, fv_w_def(w, op->def, 1, &numbers, op->nattrs, op->attrs));
    return true;
}

const fv_opdef fv_ops_tfidf[] = {
    {.domain = "fv",
     .name = "Ngrams",
     .id = FV_OP_fv_Ngrams,
     .since = {1},
     .doc = "for each row, the number of occurrences of each n-gram, whose items are adjacent or "
            "have the same number of other items, less than skips, between each two",
     .in = {{"X", "T", .rank = FV_RANK(2)}, {"grams", "T", .rank = FV_RANK(2)}},
     .out = {{"Y", "T1"}},
     .attrs = {FV_A_INT("skips", 1)},
     .types = {{"T", FV_SET(I64)}, {"T1", FV_SET(F32)}},
     .infer = infer_ngrams,
     .formula = "Y[b, g] = sum s < skips: sum p < dim(X, 1): select(all j < dim(grams, 1): (p + j "
                "* (s + 1) < dim(X, 1)) & "
                "((X[b, p + j * (s + 1)] else 0) == grams[g, j]), f32(1), f32(0))"},
    {.domain = "",
     .name = "TfIdfVectorizer",
     .since = {9},
     .doc = "the number of occurrences of the n-grams of a pool in each "
            "row, or whether they occur, weighted",
     .in = {{"X", "T", .rank = FV_RANKS(1, 2)}},
     .out = {{"Y", "T1"}},
     .attrs = {FV_A_REQUIRED("max_gram_length", INT), FV_A_REQUIRED("max_skip_count", INT),
               FV_A_REQUIRED("min_gram_length", INT), FV_A_REQUIRED("mode", STRING),
               FV_A_REQUIRED("ngram_counts", INTS), FV_A_REQUIRED("ngram_indexes", INTS),
               FV_A_OPTIONAL("pool_int64s", INTS), FV_A_OPTIONAL("pool_strings", STRINGS),
               FV_A_OPTIONAL("weights", FLOATS)},
     .types = {{"T", FV_SET(I32) | FV_SET(I64) | FV_SET(STRING)}, {"T1", FV_SET(F32)}},
     .strings = name_items,
     .infer = infer_vectorizer,
     .decompose = decompose_vectorizer},

    {0}};
