/* ml_labels.c - operators of ai.onnx.ml that map values: to the value of a key, or to an index
 * among categories. Keys and values are numbers or strings. */
#include "ops/ml/ml.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "ir/base/limits.h"
#include "ir/definition/custom.h"
#include "ir/dim/text.h"
#include "ir/graph/infer.h"
#include "ops/common/places.h"
#include "ops/text/strings.h"

/* ---- fv.Lookup: what belongs to a key ---- */

enum { BLOCK = 1024 }; /* number of elements of a task */

enum { FROM, KEYS, VALUES, MISSING, FOR_NAN, SHIFTS };

static bool is_power_of_2(const fv_dim *d) {
    return fv_dim_is_const(d) && d->value >= 2 && !(d->value & (d->value - 1));
}

/* Keys are in their places (ops/common/places.h); or there is a value for each integer from `first`
 * on, and there are no keys. */
static bool infer_lookup(fv_op *op) {
    fv_module *m = fv_op_module(op);
    const fv_type *x = fv_in_type(op, FROM), *values = fv_in_type(op, VALUES);
    const fv_dim *n = values->dims[0];
    fv_infer_out(op, 0, values->elem, x->rank, x->dims);
    if (!fv_dim_is_const(n) || n->value < 1)
        return fv_op_error(op, "there are %s values, expected a constant number",
                           fv_dim_str(m->arena, n));
    if (!fv_op_in(op, KEYS) && !fv_op_in(op, SHIFTS))
        return !fv_elem_is_float(x->elem) ||
               fv_op_error(op, "has no keys, and X is of %s", fv_elem_name(x->elem));
    if (!fv_op_in(op, KEYS) || !fv_op_in(op, SHIFTS))
        return fv_op_error(op, "has keys or shifts, and not both");
    const fv_dim *keys = fv_in_type(op, KEYS)->dims[0], *shifts = fv_in_type(op, SHIFTS)->dims[0];
    if (!is_power_of_2(keys) || !is_power_of_2(shifts) || shifts->value > INT32_MAX ||
        keys->value > INT32_MAX)
        return fv_op_error(op, "there are %s keys and %s shifts, expected powers of 2",
                           fv_dim_str(m->arena, keys), fv_dim_str(m->arena, shifts));
    return fv_module_assume(m, n, keys, "a value for each key") ||
           fv_op_error(op, "there are %s keys, and %s values", fv_dim_str(m->arena, keys),
                       fv_dim_str(m->arena, n));
}

static fv_expr *bin(fv_custom *c, fv_expr_op op, fv_expr *x, fv_expr *y) {
    return fv_x_bin(c->arena, op, x, y);
}

/* The number that places are chosen for: an integer itself, a float's bits, of which 0 has the same
 * with both signs. */
static fv_expr *number_of(fv_custom *c, fv_expr *x) {
    fv_elem e = (fv_elem)x->type.elem;
    if (fv_elem_is_float(e))
        x = fv_x_cast(c->arena, FV_X_BITCAST, e == FV_F64 ? FV_I64 : FV_I32,
                      bin(c, FV_X_ADD, x, fv_x_zero(c->arena, e)));
    return fv_kb_let(&c->b, "number", fv_x_convert(c->arena, FV_I64, x));
}

/* The value for x in a table of all integers from `first` on. */
static fv_expr *value_at(fv_custom *c, fv_op *op, fv_expr *x, fv_expr *missing) {
    fv_arena *a = c->arena;
    fv_buf *values = fv_custom_in(c, VALUES);
    fv_expr *n = fv_custom_dim(c, fv_in_type(op, VALUES)->dims[0]);
    fv_expr *at = fv_kb_let(&c->b, "at",
                            bin(c, FV_X_SUB, number_of(c, x), fv_x_int(a, fv_op_int(op, "first"))));
    fv_expr *inside =
        fv_kb_let(&c->b, "inside",
                  bin(c, FV_X_AND, bin(c, FV_X_LE, fv_x_int(a, 0), at), bin(c, FV_X_LT, at, n)));
    at = fv_kb_let(&c->b, "at", fv_x_select(a, inside, at, fv_x_int(a, 0)));
    return fv_x_select(a, inside, fv_custom_load(c, values, &at), missing);
}

/* The value for x of the key in its place. */
static fv_expr *value_of(fv_custom *c, fv_op *op, fv_expr *x, fv_expr *missing) {
    fv_buf *keys = fv_custom_in(c, KEYS), *values = fv_custom_in(c, VALUES);
    int64_t places = fv_in_type(op, KEYS)->dims[0]->value;
    fv_expr *at = fv_place_of(c->arena, number_of(c, x), fv_op_int(op, "factor"), places,
                              fv_custom_in(c, SHIFTS));
    at = fv_kb_let(&c->b, "at", at);
    fv_expr *found = bin(c, FV_X_EQ, fv_custom_load(c, keys, &at), x);
    return fv_x_select(c->arena, found, fv_custom_load(c, values, &at), missing);
}

/* The only element of a buffer. */
static fv_expr *element(fv_custom *c, fv_buf *b) {
    fv_expr *zero = fv_x_int(c->arena, 0);
    return fv_custom_load(c, b, b->rank ? &zero : NULL);
}

static bool kernel_lookup(fv_custom *c, fv_op *op) {
    fv_arena *a = c->arena;
    fv_custom_begin(c, "lookup");
    fv_buf *from = fv_custom_in(c, FROM), *missing = fv_custom_in(c, MISSING),
           *nan = fv_custom_in(c, FOR_NAN), *to = fv_custom_out(c, 0);
    fv_expr *size = fv_custom_dim(c, fv_in_type(op, FROM)->dims[0]), *block = fv_x_int(a, BLOCK),
            *zero = fv_x_int(a, 0);
    fv_expr *blocks = bin(c, FV_X_FLOORDIV, bin(c, FV_X_ADD, size, fv_x_int(a, BLOCK - 1)), block);
    fv_expr *first =
        bin(c, FV_X_MUL, fv_kb_for(&c->b, FV_PARALLEL, "block", zero, blocks, 1), block);
    fv_expr *count =
        fv_kb_let(&c->b, "count", bin(c, FV_X_MIN, block, bin(c, FV_X_SUB, size, first)));
    fv_expr *none = fv_kb_let(&c->b, "none", element(c, missing));
    fv_expr *i = bin(c, FV_X_ADD, first, fv_kb_for(&c->b, FV_VECTOR, "i", zero, count, 1));
    fv_expr *x = fv_kb_let(&c->b, "x", fv_custom_load(c, from, &i));
    fv_expr *y = fv_op_in(op, KEYS) ? value_of(c, op, x, none) : value_at(c, op, x, none);
    if (fv_elem_is_float(from->elem))
        y = fv_x_select(a, bin(c, FV_X_NE, x, x), element(c, nan), y);
    fv_custom_store(c, to, &i, y, NULL);
    fv_kb_end(&c->b);
    fv_kb_end(&c->b);
    fv_custom_end(c);
    return true;
}

/* Keys or values of a map: an attribute that is a list or a tensor. */
typedef struct list {
    const char *name; /* NULL: there is none */
    fv_elem elem;
    size_t n;
    const fv_attr *attr;
} list;

static list list_of(const fv_attr *a) {
    if (!a)
        return (list){0};
    switch (a->kind) {
    case FV_ATTR_INTS: return (list){a->name, FV_I64, (size_t)a->n, a};
    case FV_ATTR_FLOATS: return (list){a->name, FV_F32, (size_t)a->n, a};
    case FV_ATTR_STRINGS: return (list){a->name, FV_STRING, (size_t)a->n, a};
    case FV_ATTR_TENSOR: return (list){a->name, a->u.tensor->elem, a->u.tensor->count, a};
    case FV_ATTR_INT:
    case FV_ATTR_FLOAT:
    case FV_ATTR_STRING:
    case FV_ATTR_TYPE:
    case FV_ATTR_DIMS:
    case FV_ATTR_REGION: break;
    }
    return (list){0};
}

static int64_t int_at(const list *l, size_t i) {
    return l->attr->kind == FV_ATTR_INTS ? l->attr->u.ints[i] : fv_tensor_int(l->attr->u.tensor, i);
}

static double float_at(const list *l, size_t i) {
    return l->attr->kind == FV_ATTR_FLOATS ? (double)l->attr->u.floats[i]
                                           : fv_tensor_float(l->attr->u.tensor, i);
}

static const fv_string *strings_of(const list *l) {
    return l->attr->kind == FV_ATTR_STRINGS ? l->attr->u.strings : l->attr->u.tensor->data;
}

typedef struct entry {
    int64_t i;
    double f; /* i or f is the key; the other one is 0 */
    size_t at;
} entry;

static int by_key(const void *p, const void *q) {
    const entry *x = p, *y = q;
    if (x->i != y->i)
        return x->i < y->i ? -1 : 1;
    if (x->f != y->f)
        return x->f < y->f ? -1 : 1;
    return x->at < y->at ? -1 : x->at > y->at;
}

/* Sorts keys that are numbers and removes duplicates; of equal keys the first stays. *nan: the
 * index of the first key that is NaN, or the number of keys. */
static size_t sorted_keys(fv_arena *a, const list *keys, entry **out, size_t *nan) {
    entry *e = *out = FV_NEW(a, entry, keys->n + 1);
    bool is_float = fv_elem_is_float(keys->elem);
    size_t n = 0, unique = 0;
    *nan = keys->n;
    for (size_t i = 0; i < keys->n; i++) {
        entry x = {
            .i = is_float ? 0 : int_at(keys, i), .f = is_float ? float_at(keys, i) : 0, .at = i};
        if (!isnan(x.f))
            e[n++] = x;
        else if (*nan == keys->n)
            *nan = i;
    }
    qsort(e, n, sizeof *e, by_key);
    for (size_t i = 0; i < n; i++)
        if (!unique || e[i].i != e[unique - 1].i || e[i].f != e[unique - 1].f)
            e[unique++] = e[i];
    return unique;
}

static void set_key(fv_tensor *t, size_t i, const entry *e) {
    if (fv_elem_is_float(t->elem))
        fv_tensor_set_float(t, i, e->f);
    else
        fv_tensor_set_int(t, i, e->i);
}

static void set_value(fv_tensor *t, size_t i, const list *values, size_t at) {
    if (fv_elem_is_float(t->elem))
        fv_tensor_set_float(t, i, float_at(values, at));
    else
        fv_tensor_set_int(t, i, int_at(values, at));
}

static void copy_value(fv_tensor *t, size_t i, const fv_tensor *from) {
    if (fv_elem_is_float(t->elem))
        fv_tensor_set_float(t, i, fv_tensor_float(from, 0));
    else
        fv_tensor_set_int(t, i, fv_tensor_int(from, 0));
}

/* The number of a key, as number_of has it in the kernel. */
static int64_t key_number(const fv_tensor *keys, size_t i) {
    double f = fv_elem_is_float(keys->elem) ? fv_tensor_float(keys, i) + 0.0 : 0;
    float single = (float)f;
    int64_t bits;
    int32_t word;
    if (!fv_elem_is_float(keys->elem))
        return fv_tensor_int(keys, i);
    memcpy(&bits, &f, sizeof bits);
    memcpy(&word, &single, sizeof word);
    return keys->elem == FV_F64 ? bits : word;
}

/* Values in a table, which is chosen by the keys, and with them, if it is not a table of all
 * integers from `first` on. */
typedef struct table {
    fv_tensor *keys, *values, *shifts;
    int64_t first, factor;
} table;

/* Is a table of all integers between the least and the largest key hardly larger than the keys? */
static bool are_dense(const list *keys, size_t n, const entry *e) {
    return !fv_elem_is_float(keys->elem) &&
           (!n || (uint64_t)e[n - 1].i - (uint64_t)e[0].i < 2 * (uint64_t)n + 16);
}

static table dense_table(fv_arena *a, size_t n, const entry *e, const list *values,
                         const fv_tensor *missing) {
    table t = {.first = n ? e[0].i : 0};
    int64_t size = n ? e[n - 1].i - t.first + 1 : 1;
    t.values = fv_tensor_new(a, missing->elem, 1, &size);
    for (int64_t i = 0; i < size; i++)
        copy_value(t.values, (size_t)i, missing);
    for (size_t i = 0; i < n; i++)
        set_value(t.values, (size_t)(e[i].i - t.first), values, e[i].at);
    return t;
}

/* A place without a key has the first key, which has another place. */
static table placed_table(fv_arena *a, const list *keys, size_t n, const entry *e,
                          const list *values, const fv_tensor *missing) {
    fv_tensor *sorted = fv_tensor_new(a, keys->elem, 1, (int64_t[]){(int64_t)n + !n});
    int64_t *number = FV_NEW(a, int64_t, n + 1);
    for (size_t i = 0; i < n; i++) {
        set_key(sorted, i, &e[i]);
        number[i] = key_number(sorted, i);
    }
    fv_places p = fv_choose_places(a, n, number);
    table t = {.keys = fv_tensor_new(a, keys->elem, 1, &p.nplaces),
               .values = fv_tensor_new(a, missing->elem, 1, &p.nplaces),
               .shifts = p.shifts,
               .factor = p.factor};
    for (size_t i = 0; i < (size_t)p.nplaces; i++) {
        if (n)
            set_key(t.keys, i, &e[0]);
        copy_value(t.values, i, missing);
    }
    for (size_t i = 0; i < n; i++) {
        set_key(t.keys, (size_t)p.at[i], &e[i]);
        set_value(t.values, (size_t)p.at[i], values, e[i].at);
    }
    return t;
}

/* The value of each element's key; elements without a key get `missing`, a tensor of rank 0. If no
 * key is a number, 0 is a key with that value. */
static fv_value *lookup(fv_rewriter *w, fv_value *x, const list *keys, const list *values,
                        const fv_tensor *missing) {
    fv_module *m = w->module;
    entry *e;
    size_t nan, n = sorted_keys(m->arena, keys, &e, &nan);
    fv_tensor *for_nan = fv_tensor_new(m->arena, missing->elem, 0, NULL);
    table t = are_dense(keys, n, e) ? dense_table(m->arena, n, e, values, missing)
                                    : placed_table(m->arena, keys, n, e, values, missing);
    copy_value(for_nan, 0, missing);
    if (nan < keys->n)
        set_value(for_nan, 0, values, nan);
    const fv_dim *all = fv_dim_product(m->dims, x->type->rank, x->type->dims);
    fv_attr a[2] = {fv_attr_int(m, "first", t.first), fv_attr_int(m, "factor", t.factor)};
    fv_value *in[6] = {
        fv_w_reshape(w, x, 1, &all),         t.keys ? fv_const_new(m, "keys", t.keys) : NULL,
        fv_const_new(m, "values", t.values), fv_const_new(m, "missing", missing),
        fv_const_new(m, "for_nan", for_nan), t.keys ? fv_const_new(m, "shifts", t.shifts) : NULL};
    return fv_w_reshape(w, fv_w_op(w, FV_OP_fv_Lookup, t.keys ? 6 : 5, in, 2, a), x->type->rank,
                        x->type->dims);
}

/* ---- LabelEncoder ---- */

enum { KINDS = 4 };

/* Finds the attribute that is present; it is an error if several are, or none. */
static bool find_list(const fv_op *op, const char *kind, const char *const *names, list *out) {
    *out = (list){0};
    for (int i = 0; i < KINDS; i++) {
        list l = list_of(fv_op_find_attr(op, names[i]));
        if (l.name && out->name)
            return fv_op_error(op, "%s are %s, and %s too", kind, out->name, l.name);
        if (l.name)
            *out = l;
    }
    if (!out->name)
        return fv_op_error(op, "has no %s: expected %s, %s, %s or %s", kind, names[0], names[1],
                           names[2], names[3]);
    bool known = (FV_SET_NUMBER | FV_SET(STRING)) >> out->elem & 1;
    return known || fv_op_error(op, "%s is of %s, expected numbers or strings", out->name,
                                fv_elem_name(out->elem));
}

static bool find_map(const fv_op *op, list *keys, list *values) {
    static const char *const key[KINDS] = {"keys_int64s", "keys_floats", "keys_strings",
                                           "keys_tensor"};
    static const char *const value[KINDS] = {"values_int64s", "values_floats", "values_strings",
                                             "values_tensor"};
    return find_list(op, "keys", key, keys) && find_list(op, "values", value, values);
}

static bool infer_label_encoder(fv_op *op) {
    const fv_type *x = fv_in_type(op, 0);
    const fv_attr *d = fv_op_find_attr(op, "default_tensor");
    list keys, values;
    if (!find_map(op, &keys, &values))
        return false;
    if (keys.elem != x->elem)
        return fv_op_error(op, "X is of %s, %s of %s", fv_elem_name(x->elem), keys.name,
                           fv_elem_name(keys.elem));
    if (keys.n != values.n)
        return fv_op_error(op, "has %zu keys, and %zu values", keys.n, values.n);
    if (d && (d->u.tensor->elem != values.elem || d->u.tensor->count != 1))
        return fv_op_error(op, "default_tensor has %zu elements of %s, expected one of %s",
                           d->u.tensor->count, fv_elem_name(d->u.tensor->elem),
                           fv_elem_name(values.elem));
    fv_infer_out(op, 0, values.elem, x->rank, x->dims);
    return true;
}

static const fv_tensor *default_of(const fv_op *op, fv_elem e) {
    const fv_attr *d = fv_op_find_attr(op, "default_tensor");
    fv_tensor *t = fv_tensor_new(fv_op_module(op)->arena, e, 0, NULL);
    if (e == FV_STRING)
        /* allocated here, so it may be written */
        *(fv_string *)(uintptr_t)t->data =
            d ? *(const fv_string *)d->u.tensor->data : fv_op_string(op, "default_string");
    else if (d)
        copy_value(t, 0, d->u.tensor);
    else if (fv_elem_is_float(e))
        fv_tensor_set_float(t, 0, (double)fv_op_float(op, "default_float"));
    else
        fv_tensor_set_int(t, 0, fv_op_int(op, "default_int64"));
    return t;
}

static bool decompose_label_encoder(fv_rewriter *w, fv_op *op) {
    list keys, values;
    if (!find_map(op, &keys, &values))
        return false;
    fv_w_result(w, 0, lookup(w, op->in[0], &keys, &values, default_of(op, values.elem)));
    return true;
}

static list ints_list(fv_arena *a, int n, const int64_t *v) {
    fv_attr *all = FV_NEW(a, fv_attr, 1);
    *all = (fv_attr){.name = "", .kind = FV_ATTR_INTS, .n = n, .u.ints = v};
    return list_of(all);
}

/* The numbers 0, 1, .. n - 1 as a list. */
static list count_up(fv_arena *a, size_t n) {
    int64_t *i = FV_NEW(a, int64_t, n + 1);
    for (size_t k = 0; k < n; k++)
        i[k] = (int64_t)k;
    return ints_list(a, (int)n, i);
}

/* The index of each element of x among keys that are numbers, or the number of keys. */
static fv_value *find(fv_rewriter *w, fv_value *x, const list *keys) {
    list places = count_up(w->module->arena, keys->n);
    fv_tensor *none = fv_tensor_new(w->module->arena, FV_I64, 0, NULL);
    fv_tensor_set_int(none, 0, (int64_t)keys->n);
    return lookup(w, x, keys, &places, none);
}

fv_value *fv_ml_find_ints(fv_rewriter *w, fv_value *x, int n, const int64_t *keys) {
    list k = ints_list(w->module->arena, n, keys);
    return x ? find(w, x, &k) : NULL;
}

fv_value *fv_ml_ids(fv_rewriter *w, fv_value *x, int n, const int64_t *keys) {
    list k = ints_list(w->module->arena, n, keys), ids = count_up(w->module->arena, k.n);
    fv_tensor *none = fv_tensor_new(w->module->arena, FV_I32, 0, NULL);
    fv_tensor_set_int(none, 0, -1);
    return x ? lookup(w, x, &k, &ids, none) : NULL;
}

void fv_ml_first_of_ints(fv_arena *a, int n, const int64_t *keys, int64_t *first) {
    entry *e = FV_NEW(a, entry, n + 1);
    for (int i = 0; i < n; i++)
        e[i] = (entry){.i = keys[i], .at = (size_t)i};
    qsort(e, (size_t)n, sizeof *e, by_key);
    for (int i = 0; i < n; i++)
        first[e[i].at] = i && e[i].i == e[i - 1].i ? first[e[i - 1].at] : (int64_t)e[i].at;
}

/* The values, followed by the default for elements without a key. */
static fv_value *value_table(fv_rewriter *w, const list *values, const fv_tensor *missing) {
    fv_tensor *t =
        fv_tensor_new(w->module->arena, values->elem, 1, (int64_t[]){(int64_t)values->n + 1});
    fv_string *to = (fv_string *)(uintptr_t)t->data; /* allocated here, so it may be written */
    for (size_t i = 0; i < values->n; i++)
        if (values->elem == FV_STRING)
            to[i] = strings_of(values)[i];
        else
            set_value(t, i, values, i);
    if (values->elem == FV_STRING)
        to[values->n] = *(const fv_string *)missing->data;
    else
        copy_value(t, values->n, missing);
    return fv_const_new(w->module, "values", t);
}

/* Finds the index of each element's key, and takes the value with that index. */
static bool exchange(fv_rewriter *w, fv_op *op, const list *keys, const list *values,
                     const fv_tensor *missing) {
    fv_value *at;
    if (keys->elem == FV_STRING) {
        fv_strings x;
        if (!fv_strings_of(op, op->in[0], &x))
            return false;
        at = fv_w_find_strings(w, x, (int)keys->n, strings_of(keys), NULL, (int64_t)keys->n);
    } else {
        at = find(w, op->in[0], keys);
    }
    fv_w_result(w, 0, FV_W2(w, FV_OP_Gather, value_table(w, values, missing), at));
    return true;
}

static bool encode_strings(fv_rewriter *w, fv_op *op) {
    list keys, values;
    return find_map(op, &keys, &values) &&
           exchange(w, op, &keys, &values, default_of(op, values.elem));
}

/* Version 1 had a list of strings, each of which is mapped to its index. */
static bool upgrade_label_encoder(fv_op *op, int version) {
    fv_module *m = fv_op_module(op);
    const fv_attr *classes = fv_op_find_attr(op, "classes_strings");
    if (version > 1)
        return true;
    if (!classes)
        return fv_op_error(op, "has no classes_strings");
    bool strings = fv_in_type(op, 0)->elem == FV_STRING;
    fv_attr words = *classes, places = *count_up(m->arena, (size_t)classes->n).attr;
    words.name = fv_intern(m->session, strings ? "keys_strings" : "values_strings");
    places.name = fv_intern(m->session, strings ? "values_int64s" : "keys_int64s");
    fv_op_drop_attr(op, "classes_strings");
    fv_op_attr(op, &words);
    fv_op_attr(op, &places);
    return true;
}

/* ---- CategoryMapper ---- */

static bool find_categories(const fv_op *op, list *keys, list *values) {
    list numbers = list_of(fv_op_find_attr(op, "cats_int64s")),
         words = list_of(fv_op_find_attr(op, "cats_strings"));
    if (!numbers.name || !words.name)
        return fv_op_error(op, "has no categories: expected cats_int64s and cats_strings");
    if (numbers.n != words.n)
        return fv_op_error(op, "has %zu numbers, and %zu strings", numbers.n, words.n);
    bool strings = fv_in_type(op, 0)->elem == FV_STRING;
    *keys = strings ? words : numbers;
    *values = strings ? numbers : words;
    return true;
}

static bool infer_mapper(fv_op *op) {
    const fv_type *x = fv_in_type(op, 0);
    list keys = {0}, values = {0};
    if (!find_categories(op, &keys, &values))
        return false;
    fv_infer_out(op, 0, values.elem, x->rank, x->dims);
    return true;
}

static bool map_strings(fv_rewriter *w, fv_op *op) {
    list keys = {0}, values = {0};
    return find_categories(op, &keys, &values) &&
           exchange(w, op, &keys, &values, default_of(op, values.elem));
}

/* ---- OneHotEncoder ---- */

static bool infer_one_hot_encoder(fv_op *op) {
    fv_dims *t = fv_op_module(op)->dims;
    const fv_type *x = fv_in_type(op, 0);
    const fv_dim *dims[FV_MAX_RANK];
    const char *name = x->elem == FV_STRING ? "cats_strings" : "cats_int64s";
    const fv_attr *categories = fv_op_find_attr(op, name);
    int n = categories ? categories->n : 0;
    if (!n)
        return fv_op_error(op, "has no categories: expected %s", name);
    if (x->rank == FV_MAX_RANK)
        return fv_op_error(op, "X has rank %d, expected at most %d", x->rank, FV_MAX_RANK - 1);
    for (int i = 0; i < x->rank; i++)
        dims[i] = x->dims[i];
    dims[x->rank] = fv_dim_const(t, n);
    fv_infer_out(op, 0, FV_F32, x->rank + 1, dims);
    return true;
}

/* The index of each element among n categories; the last one if a category occurs twice. */
static fv_value *category(fv_rewriter *w, fv_op *op, int n, const int64_t *categories) {
    fv_module *m = w->module;
    fv_attr keys = {.name = "keys", .kind = FV_ATTR_INTS, .n = n}, values = keys;
    int64_t *key = FV_NEW(m->arena, int64_t, n), *value = FV_NEW(m->arena, int64_t, n);
    for (int i = 0; i < n; i++) {
        value[i] = n - 1 - i;
        key[i] = categories[value[i]];
    }
    keys.u.ints = key;
    values.u.ints = value;
    fv_tensor *none = fv_tensor_new(m->arena, FV_I64, 0, NULL);
    fv_tensor_set_int(none, 0, n);
    list k = list_of(&keys), v = list_of(&values);
    fv_value *x = op->in[0], *at = lookup(w, fv_w_cast(w, x, FV_I64), &k, &v, none);
    /* NaN is no category, but its conversion to an integer may be one */
    if (fv_elem_is_float(x->type->elem))
        at = FV_W3(w, FV_OP_Where, FV_W2(w, FV_OP_Equal, x, x), at, fv_w_int(w, FV_I64, n));
    return at;
}

/* One-hot encoding of the indices `at`; if the attribute `zeros` is 0, an index that is no category
 * is an index out of range. */
static void mark(fv_rewriter *w, fv_op *op, fv_value *at) {
    const fv_type *y = op->out[0]->type;
    const fv_dim *dims[FV_MAX_RANK];
    size_t n = (size_t)y->dims[y->rank - 1]->value;
    fv_value *all =
        fv_const_ints(w->module, "places", (int)n, count_up(w->module->arena, n).attr->u.ints);
    if (!fv_op_int(op, "zeros"))
        at = FV_W2(w, FV_OP_Gather, all, at);
    for (int i = 0; i < y->rank; i++)
        dims[i] = i < y->rank - 1 ? y->dims[i] : fv_dim_const(w->module->dims, 1);
    at = fv_w_reshape(w, fv_w_cast(w, at, FV_I32), y->rank, dims);
    fv_w_result(w, 0, fv_w_cast(w, FV_W2(w, FV_OP_Equal, at, fv_w_cast(w, all, FV_I32)), FV_F32));
}

static bool decompose_one_hot_encoder(fv_rewriter *w, fv_op *op) {
    int n;
    const int64_t *categories = fv_op_ints(op, "cats_int64s", &n);
    mark(w, op, category(w, op, n, categories));
    return true;
}

static bool one_hot_strings(fv_rewriter *w, fv_op *op) {
    const fv_attr *categories = fv_op_find_attr(op, "cats_strings");
    fv_string *key = FV_NEW(w->module->arena, fv_string, categories->n);
    int64_t *place = FV_NEW(w->module->arena, int64_t, categories->n);
    fv_strings x;
    if (!fv_strings_of(op, op->in[0], &x))
        return false;
    for (int i = 0; i < categories->n; i++) { /* if a category occurs twice, the last one is used */
        place[i] = categories->n - 1 - i;
        key[i] = categories->u.strings[place[i]];
    }
    mark(w, op, fv_w_find_strings(w, x, categories->n, key, place, categories->n));
    return true;
}

#define LABELS (FV_ML_NUMBERS | FV_SET(I16))

const fv_opdef fv_ops_ml_labels[] = {
    {.domain = "fv",
     .name = "Lookup",
     .id = FV_OP_fv_Lookup,
     .since = {1},
     .doc = "the value of the key that is equal to each element: that of the key in its place, "
            "which a "
            "factor and a shift determine, or of the integer that many after the first one",
     .in = {{"X", "K", .rank = FV_RANK(1)},
            {"keys", "K", FV_OPTIONAL_OPERAND, .rank = FV_RANK(1)},
            {"values", "V", .rank = FV_RANK(1)},
            {"missing", "V", .rank = {.scalar = true}},
            {"for_nan", "V", .rank = {.scalar = true}},
            {"shifts", "S", FV_OPTIONAL_OPERAND, .rank = FV_RANK(1)}},
     .out = {{"Y", "V"}},
     .attrs = {FV_A_INT("factor", 1), FV_A_INT("first", 0)},
     .types = {{"K", LABELS}, {"V", FV_SET_NUMBER}, {"S", FV_SET(I32)}},
     .infer = infer_lookup,
     .kernel = kernel_lookup},
    {FV_ML("LabelEncoder"), .since = {1, 2, 4},
     .doc = "the value that belongs to each element as a key, or the default", .in = {{"X", "T1"}},
     .out = {{"Y", "T2"}},
     .attrs = {FV_A_FLOAT("default_float", -0.0f),
               FV_A_INT("default_int64", -1),
               FV_A_STRING("default_string", "_Unused"),
               FV_A_OPTIONAL("default_tensor", TENSOR),
               FV_A_OPTIONAL("keys_floats", FLOATS),
               FV_A_OPTIONAL("keys_int64s", INTS),
               FV_A_OPTIONAL("keys_strings", STRINGS),
               FV_A_OPTIONAL("keys_tensor", TENSOR),
               FV_A_OPTIONAL("values_floats", FLOATS),
               FV_A_OPTIONAL("values_int64s", INTS),
               FV_A_OPTIONAL("values_strings", STRINGS),
               FV_A_OPTIONAL("values_tensor", TENSOR),
               {.name = "classes_strings", .kind = FV_ATTR_STRINGS, .until = 1}},
     .types = {{"T1", LABELS | FV_SET(STRING)}, {"T2", FV_SET_NUMBER | FV_SET(STRING)}},
     .upgrade = upgrade_label_encoder, .infer = infer_label_encoder,
     .decompose = decompose_label_encoder, .strings = encode_strings},
    {FV_ML("CategoryMapper"), .since = {1},
     .doc = "the number that belongs to each string, or the string that belongs to each number, or "
            "the default",
     .in = {{"X", "T1"}}, .out = {{"Y", "T2"}},
     .attrs = {FV_A_OPTIONAL("cats_int64s", INTS), FV_A_OPTIONAL("cats_strings", STRINGS),
               FV_A_INT("default_int64", -1), FV_A_STRING("default_string", "_Unused")},
     .types = {{"T1", FV_SET(I64) | FV_SET(STRING)}, {"T2", FV_SET(I64) | FV_SET(STRING)}},
     .infer = infer_mapper, .strings = map_strings},
    {FV_ML("OneHotEncoder"), .since = {1},
     .doc = "adds a last axis, with 1 at the category of each element, and "
            "0 elsewhere",
     .in = {{"X", "T"}}, .out = {{"Y", "T2"}},
     .attrs = {FV_A_OPTIONAL("cats_int64s", INTS), FV_A_OPTIONAL("cats_strings", STRINGS),
               FV_A_INT("zeros", 1)},
     .types = {{"T", FV_ML_NUMBERS | FV_SET(STRING)}, {"T2", FV_SET(F32)}},
     .infer = infer_one_hot_encoder, .decompose = decompose_one_hot_encoder,
     .strings = one_hot_strings},

    {0}};
