/* tfidf.c - TfIdfVectorizer: counts the n-grams of a pool in each row. */
#include "ops/ml/ml.h"
#include "ops/ml/ngrams.h"

#include <string.h>

#include "ir/dim/text.h"
#include "ir/graph/infer.h"
#include "ops/text/strings.h"

/* ---- n-grams ---- */

static bool check_lengths(const fv_op *op, const fv_ngrams *p) {
    int64_t grams = 0;
    if (p->least < 1 || p->most < p->least || p->most > p->lengths)
        return fv_op_error(op, "n-grams of length %lld to %lld, the pool has 1 to %d",
                           (long long)p->least, (long long)p->most, p->lengths);
    for (int64_t i = 1; i <= p->lengths; i++) {
        int64_t from = p->counts[i - 1], to = fv_ngrams_end(p, i);
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
static bool read_words(const fv_op *op, fv_ngrams *p) {
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

static bool read_pool(fv_op *op, fv_ngrams *p) {
    int weights;
    fv_ml_floats(op, "weights", &weights);
    *p = (fv_ngrams){.least = fv_op_int(op, "min_gram_length"),
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

static int64_t width_of(const fv_ngrams *p) {
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

/* ---- fv.Ngrams: of ids, which are less than `ids` ---- */

static bool check_columns(const fv_op *op, const fv_ngrams *p) {
    for (int i = 0; i < p->columns; i++)
        if (p->column[i] < 0 || p->column[i] >= INT32_MAX)
            return fv_op_error(op, "a column is %lld", (long long)p->column[i]);
    return true;
}

static bool infer_ngrams(fv_op *op) {
    fv_ngrams p = fv_ngrams_of(op);
    int64_t ids = fv_op_int(op, "ids");
    if (p.skips < 1 || p.skips > INT32_MAX)
        return fv_op_error(op, "skips is %lld, expected at least 1", (long long)p.skips);
    if (ids < 1 || ids > INT32_MAX)
        return fv_op_error(op, "ids is %lld, expected at least 1", (long long)ids);
    for (int i = 0; i < p.n; i++)
        if (p.items[i] < 0 || p.items[i] >= ids)
            return fv_op_error(op, "the pool has id %lld of %lld", (long long)p.items[i],
                               (long long)ids);
    if (!check_columns(op, &p) || !check_lengths(op, &p))
        return false;
    const fv_dim *dims[2] = {fv_in_type(op, 0)->dims[0],
                             fv_dim_const(fv_op_module(op)->dims, width_of(&p))};
    fv_infer_out(op, 0, FV_F32, 2, dims);
    return true;
}

/* ---- TfIdfVectorizer ---- */

static bool infer_vectorizer(fv_op *op) {
    fv_dims *t = fv_op_module(op)->dims;
    const fv_type *x = fv_in_type(op, 0);
    const fv_dim *dims[2];
    int weights, mode = mode_of(op);
    fv_ngrams p;
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

/* The different ones of n items, in ascending order; returns their number. */
static int different(fv_arena *a, int n, const int64_t *items, int64_t **out) {
    int64_t *first = FV_NEW(a, int64_t, n + 1), *found = *out = FV_NEW(a, int64_t, n + 1);
    int many = 0;
    fv_ml_first_of_ints(a, n, items, first);
    for (int i = 0; i < n; i++)
        if (first[i] == i)
            found[many++] = items[i];
    return many;
}

/* The items of the pool as indices among the n different ones of it. */
static int64_t *ids_of(fv_arena *a, const fv_ngrams *p) {
    int64_t *first = FV_NEW(a, int64_t, p->n + 1), *id = FV_NEW(a, int64_t, p->n + 1), n = 0;
    fv_ml_first_of_ints(a, p->n, p->items, first);
    for (int i = 0; i < p->n; i++)
        id[i] = first[i] == i ? n++ : id[first[i]];
    return id;
}

/* The counts of all n-grams, in their columns: [rows, columns]. */
static fv_value *count_columns(fv_rewriter *w, const fv_ngrams *p, fv_value *x) {
    fv_module *m = w->module;
    int64_t *items;
    int n = different(m->arena, p->n, p->items, &items);
    fv_value *ids = fv_ml_ids(w, x, n, items);
    fv_attr a[] = {fv_attr_ints(m, "pool", p->n, ids_of(m->arena, p)),
                   fv_attr_ints(m, "counts", p->lengths, p->counts),
                   fv_attr_ints(m, "columns", p->columns, p->column),
                   fv_attr_int(m, "least", p->least),
                   fv_attr_int(m, "most", p->most),
                   fv_attr_int(m, "skips", p->skips + 1),
                   fv_attr_int(m, "ids", n)};
    return ids ? fv_w_op(w, FV_OP_fv_Ngrams, 1, &ids, 7, a) : NULL;
}

static bool decompose_vectorizer(fv_rewriter *w, fv_op *op) {
    const fv_type *type = op->out[0]->type;
    int weights, mode = mode_of(op);
    const float *weight = fv_ml_floats(op, "weights", &weights);
    fv_ngrams p;
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
     .doc = "for each row, the number of occurrences of the n-grams of a pool, in their columns; "
            "between the items of an n-gram are as many other items, less than skips",
     .in = {{"X", "T", .rank = FV_RANK(2)}},
     .out = {{"Y", "T1"}},
     .attrs = {FV_A_REQUIRED("columns", INTS), FV_A_REQUIRED("counts", INTS),
               FV_A_REQUIRED("ids", INT), FV_A_REQUIRED("least", INT), FV_A_REQUIRED("most", INT),
               FV_A_REQUIRED("pool", INTS), FV_A_INT("skips", 1)},
     .types = {{"T", FV_SET(I32)}, {"T1", FV_SET(F32)}},
     .infer = infer_ngrams,
     .kernel = fv_kernel_ngrams},
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
