/* ml_maps.c - operators of ai.onnx.ml that make or read maps (map.h). Readers look up the entry of
 * each key; a key that occurs twice would be ambiguous, so it is an error of the run. */
#include "ops/ml/ml.h"

#include <inttypes.h>

#include "ir/base/limits.h"
#include "ir/dim/text.h"
#include "ir/graph/infer.h"
#include "ir/graph/settle.h"
#include "ir/graph/symbols.h"
#include "ops/common/assemble.h"
#include "ops/sequence/map.h"
#include "ops/tensor/select.h"
#include "ops/text/strings.h"

/* ---- keys among the attributes ---- */

typedef struct keys {
    fv_elem elem;
    int n;
    const fv_attr *attr; /* an attribute of n integers or strings */
} keys;

/* Finds which of both lists is present; an empty one counts as absent. False after a diagnostic. */
static bool find_keys(const fv_op *op, const char *ints, const char *strings, keys *out) {
    const fv_attr *i = fv_op_find_attr(op, ints), *s = fv_op_find_attr(op, strings);
    bool numbers = i && i->n, words = s && s->n;
    if (numbers && words)
        return fv_op_error(op, "has both %s and %s, expected one of them", ints, strings);
    if (!numbers && !words)
        return fv_op_error(op, "has no keys: expected %s or %s", ints, strings);
    *out = numbers ? (keys){FV_I64, i->n, i} : (keys){FV_STRING, s->n, s};
    return true;
}

static const int64_t *first_of(fv_arena *a, const keys *k) {
    int64_t *first = FV_NEW(a, int64_t, k->n);
    if (k->elem == FV_STRING)
        fv_first_of_strings(a, k->n, k->attr->u.strings, first);
    else
        fv_ml_first_of_ints(a, k->n, k->attr->u.ints, first);
    return first;
}

static bool are_unique(const fv_op *op, const keys *k) {
    fv_arena *a = fv_op_module(op)->arena;
    const int64_t *first = first_of(a, k);
    int i = 0;
    while (i < k->n && first[i] == i)
        i++;
    if (i == k->n)
        return true;
    if (k->elem == FV_I64)
        return fv_op_error(op, "%s has %" PRId64 " twice", k->attr->name, k->attr->u.ints[i]);
    fv_string s = k->attr->u.strings[i];
    return fv_op_error(op, "%s has '%.*s' twice", k->attr->name, (int)(s.n > 40 ? 40 : s.n), s.s);
}

static fv_value *constant(fv_rewriter *w, const keys *k) {
    fv_tensor *t = fv_tensor_new(w->module->arena, k->elem, 1, (int64_t[]){k->n});
    for (int i = 0; i < k->n; i++)
        if (k->elem == FV_STRING)
            /* allocated here, so it may be written */
            ((fv_string *)(uintptr_t)t->data)[i] = k->attr->u.strings[i];
        else
            fv_tensor_set_int(t, (size_t)i, k->attr->u.ints[i]);
    return fv_const_new(w->module, "keys", t);
}

/* ---- ZipMap ---- */

static bool find_labels(const fv_op *op, keys *out) {
    return find_keys(op, "classlabels_int64s", "classlabels_strings", out);
}

static bool infer_zip_map(fv_op *op) {
    fv_arena *a = fv_op_module(op)->arena;
    const fv_type *x = fv_in_type(op, 0);
    keys labels;
    if (!find_labels(op, &labels) || !are_unique(op, &labels) ||
        !fv_ml_infer_features(op, labels.n, labels.attr->name))
        return false;
    if (op->out[0])
        op->out[0]->type = fv_wrap_type(
            a, FV_SEQUENCE, fv_map_type(a, labels.elem, fv_tensor_type(a, x->elem, 0, NULL)));
    return true;
}

static fv_value *count(fv_rewriter *w, int64_t first, int64_t step, const fv_dim *n) {
    fv_attr a = fv_attr_dims(w->module, "dims", 1, &n);
    return fv_w_op(w, FV_OP_fv_Range, 2,
                   (fv_value *[]){fv_w_int(w, FV_I64, first), fv_w_int(w, FV_I64, step)}, 1, &a);
}

static bool decompose_zip_map(fv_rewriter *w, fv_op *op) {
    const fv_dim *dims[2];
    keys labels;
    fv_ml_rows(w->module->dims, fv_in_type(op, 0), dims);
    if (!find_labels(op, &labels))
        return false;
    dims[1] = fv_dim_const(w->module->dims, labels.n);
    fv_value *parts[FV_MAP_PARTS] = {fv_w_flat(w, fv_w_expand(w, constant(w, &labels), 2, dims)),
                                     fv_w_flat(w, fv_w_reshape(w, op->in[0], 2, dims)),
                                     count(w, labels.n, labels.n, dims[0])};
    fv_w_result(w, 0, fv_w_map(w, op->out[0]->type, parts));
    return true;
}

/* ---- reading a map ---- */

typedef struct map {
    fv_value *part[FV_MAP_PARTS];
    const fv_dim *entries;
} map;

static bool take_apart(const fv_op *op, map *m) {
    if (!fv_map_of(op, op->in[0], m->part))
        return false;
    m->entries = m->part[FV_PART_KEYS]->type->dims[0];
    return true;
}

/* The number of elements of a vector of bools that are true. */
static const fv_dim *true_ones(fv_rewriter *w, const char *stem, fv_value *x) {
    return fv_w_bound(w, stem, 0,
                      x ? fv_w_reduce(w, FV_OP_ReduceSum, fv_w_cast(w, x, FV_I64), 0) : NULL);
}

static bool no_key_twice(fv_rewriter *w, fv_op *op, const fv_dim *a, const fv_dim *b) {
    const char *says = "no key is there twice";
    return !w->failed && (fv_module_require(w->module, a, b, fv_op_why(op, op->def->name), says) ||
                          fv_op_error(op, "does not hold: %s", says));
}

/* Assigns each entry to one of n places; entries whose place is n have none, and a larger one is an
 * index out of range. Returns for each place the number of its entry, counted from 1, or 0 if there
 * is none. NULL after a diagnostic. */
static fv_value *entries_by_place(fv_rewriter *w, fv_op *op, const map *m, fv_value *place,
                                  int64_t n) {
    fv_dims *t = w->module->dims;
    const fv_dim *all = fv_dim_const(t, n + 1), *zero = fv_dim_const(t, 0),
                 *kept = fv_dim_const(t, n);
    fv_attr a[] = {fv_attr_int(w->module, "axis", 0),
                   fv_attr_string(w->module, "reduction", "max")};
    fv_value *in[] = {fv_w_zeros(w, fv_tensor_type(w->module->arena, FV_I64, 1, &all)), place,
                      count(w, 1, 1, m->entries)};
    fv_value *found = fv_w_cut(w, fv_w_op(w, FV_OP_ScatterElements, 3, in, 2, a), 0, zero, kept);
    const fv_dim *placed =
        true_ones(w, "placed", FV_W2(w, FV_OP_Less, place, fv_w_int(w, FV_I64, n)));
    const fv_dim *taken =
        true_ones(w, "taken", FV_W2(w, FV_OP_Less, fv_w_int(w, FV_I64, 0), found));
    return no_key_twice(w, op, placed, taken) ? found : NULL;
}

/* The values of these entries, counted from 1, as the only row of the result; for entry 0 `none`, a
 * vector of one element. */
static void give_values(fv_rewriter *w, fv_op *op, fv_value *values, fv_value *none,
                        fv_value *entry) {
    const fv_type *t = op->out[0]->type;
    fv_value *y = FV_W2(w, FV_OP_Gather, fv_w_concat(w, 0, 2, (fv_value *[]){none, values}), entry);
    fv_w_result(w, 0, y ? fv_w_reshape(w, y, t->rank, t->dims) : NULL);
}

/* ---- CastMap ---- */

enum { DENSE, SPARSE };

static int form_of(const fv_op *op) {
    return fv_ml_choice(op, "map_form", 2, (const char *const[]){"DENSE", "SPARSE"});
}

static fv_elem cast_to(const fv_op *op) {
    static const fv_elem to[] = {FV_STRING, FV_F32, FV_I64};
    int i =
        fv_ml_choice(op, "cast_to", 3, (const char *const[]){"TO_STRING", "TO_FLOAT", "TO_INT64"});
    return i < 0 ? FV_NO_ELEM : to[i];
}

static bool infer_cast_map(fv_op *op) {
    fv_module *m = fv_op_module(op);
    const fv_type *x = fv_in_type(op, 0);
    const fv_dim *dims[] = {fv_dim_const(m->dims, 1), NULL};
    int64_t most = fv_op_int(op, "max_map");
    int form = form_of(op);
    fv_elem to = cast_to(op);
    if (form < 0 || !to)
        return false;
    if (x->elem != FV_I64)
        return fv_op_error(op, "X is %s, expected keys of i64", fv_type_str(m->arena, x));
    if (form == SPARSE && (most < 1 || most >= FV_DIM_MAX))
        return fv_op_error(op, "max_map is %" PRId64 ", expected 1 or more", most);
    if (form == SPARSE)
        dims[1] = fv_dim_const(m->dims, most);
    fv_infer_run_time(op, 0, to, 2, dims);
    return true;
}

/* The indices of keys in an array of n elements. Keys below 0 and above n - 1 become n + 1, which
 * is out of range; a negative index would count from the end. */
static fv_value *places_of(fv_rewriter *w, fv_value *key, int64_t n) {
    fv_value *outside = fv_w_int(w, FV_I64, n + 1),
             *inside = FV_W2(w, FV_OP_Less, key, fv_w_int(w, FV_I64, n));
    fv_value *whole = FV_W2(w, FV_OP_LessOrEqual, fv_w_int(w, FV_I64, 0), key);
    return FV_W3(w, FV_OP_Where, FV_W2(w, FV_OP_And, inside, whole), key, outside);
}

/* The value with which ONNX Runtime fills a result; for strings it is "0.f". */
static fv_value *filler(fv_rewriter *w, fv_elem e) {
    fv_tensor *t = fv_tensor_new(w->module->arena, e, 1, (int64_t[]){1});
    if (e == FV_STRING)
        *(fv_string *)(uintptr_t)t->data =
            (fv_string){"0.f", 3}; /* allocated here, so it may be written */
    return fv_const_new(w->module, "filler", t);
}

/* The positions of entries, sorted by their keys in ascending order. */
static fv_value *order_of(fv_rewriter *w, fv_op *op, const map *m) {
    fv_dims *t = w->module->dims;
    const fv_dim *one = fv_dim_const(t, 1), *items[] = {one, m->entries, one, one},
                 *zero = fv_dim_const(t, 0);
    const fv_dim *pairs = fv_dim_max(t, fv_dim_sub(t, m->entries, one), zero),
                 *second = fv_dim_sub(t, m->entries, pairs);
    fv_value *order =
        fv_w_order(w, fv_w_reshape(w, m->part[FV_PART_KEYS], 4, items), m->entries, false);
    order = order ? fv_w_reshape(w, order, 1, &m->entries) : NULL;
    fv_value *key = FV_W2(w, FV_OP_Gather, m->part[FV_PART_KEYS], order);
    fv_value *same =
        FV_W2(w, FV_OP_Equal, fv_w_cut(w, key, 0, zero, pairs), fv_w_cut(w, key, 0, second, pairs));
    return no_key_twice(w, op, true_ones(w, "twice", same), zero) ? order : NULL;
}

/* The result has as many columns as the map has entries: replaces the symbol of that dim. */
static bool name_columns(fv_rewriter *w, fv_op *op, const fv_dim *entries) {
    const fv_dim *said = op->out[0]->type->dims[1];
    if (said != entries && fv_unknown_above(op, said) == said) {
        fv_module_replace_dim(w->module, said, entries);
        return true;
    }
    return fv_module_assume(w->module, said, entries, fv_op_why(op, "entries of the map")) ||
           fv_op_error(op, "the map has %s entries, Y has %s columns",
                       fv_dim_str(w->module->arena, entries), fv_dim_str(w->module->arena, said));
}

static bool decompose_cast_map(fv_rewriter *w, fv_op *op) {
    map m;
    if (!take_apart(op, &m))
        return false;
    fv_elem to = op->out[0]->type->elem;
    fv_value *values = fv_w_cast(w, m.part[FV_PART_VALUES], to);
    if (form_of(op) == SPARSE) {
        int64_t n = fv_op_int(op, "max_map");
        fv_value *entry = entries_by_place(w, op, &m, places_of(w, m.part[FV_PART_KEYS], n), n);
        give_values(w, op, values, filler(w, to), entry);
        return entry != NULL;
    }
    if (!name_columns(w, op, m.entries))
        return false;
    fv_value *order = order_of(w, op, &m), *y = FV_W2(w, FV_OP_Gather, values, order);
    const fv_type *t = op->out[0]->type;
    fv_w_result(w, 0, y ? fv_w_reshape(w, y, t->rank, t->dims) : NULL);
    return order != NULL;
}

/* ---- DictVectorizer ---- */

static bool find_vocabulary(const fv_op *op, keys *out) {
    return find_keys(op, "int64_vocabulary", "string_vocabulary", out);
}

static bool infer_dict_vectorizer(fv_op *op) {
    fv_module *m = fv_op_module(op);
    const fv_type *x = fv_in_type(op, 0);
    keys words;
    if (!find_vocabulary(op, &words))
        return false;
    if (x->elem != words.elem)
        return fv_op_error(op, "X is %s, %s is for keys of %s", fv_type_str(m->arena, x),
                           words.attr->name, fv_elem_name(words.elem));
    const fv_dim *dims[] = {fv_dim_const(m->dims, 1), fv_dim_const(m->dims, words.n)};
    fv_infer_out(op, 0, x->of->elem, 2, dims);
    return true;
}

/* The index of each key of the map in the vocabulary, the first of equal words; n if it is no
 * word. */
static fv_value *words_of(fv_rewriter *w, fv_op *op, const map *m, const keys *words) {
    fv_strings s;
    if (words->elem == FV_I64)
        return fv_ml_find_ints(w, m->part[FV_PART_KEYS], words->n, words->attr->u.ints);
    return fv_strings_of(op, m->part[FV_PART_KEYS], &s)
               ? fv_w_find_strings(w, s, words->n, words->attr->u.strings, NULL, words->n)
               : NULL;
}

static bool decompose_dict_vectorizer(fv_rewriter *w, fv_op *op) {
    const fv_dim *one = fv_dim_const(w->module->dims, 1);
    map m;
    keys words;
    if (!take_apart(op, &m) || !find_vocabulary(op, &words))
        return false;
    fv_value *place = words_of(w, op, &m, &words),
             *entry = place ? entries_by_place(w, op, &m, place, words.n) : NULL;
    if (!entry)
        return false;
    entry = FV_W2(w, FV_OP_Gather, entry,
                  fv_const_ints(w->module, "words", words.n, first_of(w->module->arena, &words)));
    give_values(w, op, m.part[FV_PART_VALUES],
                fv_w_zeros(w, fv_tensor_type(w->module->arena, op->out[0]->type->elem, 1, &one)),
                entry);
    return true;
}

const fv_opdef fv_ops_ml_maps[] = {
    {FV_ML("ZipMap"), .since = {1}, .doc = "for each row a map from labels to its elements",
     .in = {{"X", "T1", .rank = FV_RANKS(1, 2)}}, .out = {{"Z", "T"}},
     .attrs = {FV_A_OPTIONAL("classlabels_int64s", INTS),
               FV_A_OPTIONAL("classlabels_strings", STRINGS)},
     .types = {{"T1", FV_SET(F32)}, {"T", FV_SET(F32), FV_KIND(SEQUENCE) | FV_KIND(MAP)}},
     .infer = infer_zip_map, .decompose = decompose_zip_map},
    {FV_ML("CastMap"), .since = {1},
     .doc = "the values of a map as a row: in the order of keys, or each at "
            "the column given by its key",
     .in = {{"X", "T1"}}, .out = {{"Y", "T2"}},
     .attrs = {FV_A_STRING("cast_to", "TO_FLOAT"), FV_A_STRING("map_form", "DENSE"),
               FV_A_INT("max_map", 1)},
     .types = {{"T1", FV_SET(F32) | FV_SET(STRING), FV_KIND(MAP)},
               {"T2", FV_SET(F32) | FV_SET(I64) | FV_SET(STRING)}},
     .infer = infer_cast_map, .decompose = decompose_cast_map},
    {FV_ML("DictVectorizer"), .since = {1},
     .doc = "the values of a map as a row, in the order of a vocabulary of "
            "keys; 0, or an empty string, for keys that the map lacks",
     .in = {{"X", "T1"}}, .out = {{"Y", "T2"}},
     .attrs = {FV_A_OPTIONAL("int64_vocabulary", INTS),
               FV_A_OPTIONAL("string_vocabulary", STRINGS)},
     .types = {{"T1", FV_SET(F32) | FV_SET(F64) | FV_SET(I64) | FV_SET(STRING), FV_KIND(MAP)},
               {"T2", FV_SET(F32) | FV_SET(F64) | FV_SET(I64) | FV_SET(STRING)}},
     .infer = infer_dict_vectorizer, .decompose = decompose_dict_vectorizer},

    {0}};
