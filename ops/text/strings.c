/* strings.c - operators that examine strings, or make strings. They work on text and spans
 * (text.h); the kernels are in text.fvk. */
#include "ops/text/strings.h"

#include <stdlib.h>
#include <string.h>

#include "ir/base/limits.h"
#include "ir/definition/custom.h"
#include "ir/graph/infer.h"
#include "ops/common/assemble.h"
#include "ops/common/dims.h"

/* Operands x and y as vectors of strings, broadcast to the dims of the result. */
static bool broadcast(fv_rewriter *w, fv_op *op, fv_strings *xy) {
    const fv_type *t = op->out[0]->type;
    for (int i = 0; i < 2; i++) {
        if (!fv_strings_of(op, op->in[i], &xy[i]))
            return false;
        xy[i].spans = fv_w_flat(w, fv_w_expand(w, xy[i].spans, t->rank, t->dims));
    }
    return !w->failed;
}

/* ---- Equal ---- */

bool fv_equal_strings(fv_rewriter *w, fv_op *op) {
    const fv_type *t = op->out[0]->type;
    fv_strings xy[2];
    if (!broadcast(w, op, xy))
        return false;
    fv_value *in[] = {xy[0].text, xy[0].spans, xy[1].text, xy[1].spans},
             *same = fv_w_op(w, FV_OP_fv_TextEqual, 4, in, 0, NULL);
    fv_w_result(w, 0, same ? fv_w_reshape(w, same, t->rank, t->dims) : NULL);
    return true;
}

static bool infer_equal(fv_op *op) {
    fv_infer_out(op, 0, FV_BOOL, 1, fv_in_type(op, 1)->dims);
    return fv_module_assume(fv_op_module(op), fv_in_type(op, 1)->dims[0],
                            fv_in_type(op, 3)->dims[0], "strings that are compared") ||
           fv_op_error(op, "compares vectors of different lengths");
}

static bool kernel_equal(fv_custom *c, fv_op *op) {
    fv_custom_text(c, fv_text_kernels, "text_equal", 5,
                   (fv_value *[]){op->in[0], op->in[1], op->in[2], op->in[3], op->out[0]});
    return true;
}

/* ---- which of several it is ---- */

typedef struct key {
    fv_string s;
    int64_t number;
    int at;
} key;

static int by_text(const void *p, const void *q) {
    const key *x = p, *y = q;
    int order = fv_string_compare(x->s, y->s);
    return order ? order : x->at - y->at;
}

static bool is_same(fv_string x, fv_string y) {
    return x.n == y.n && (!x.n || !memcmp(x.s, y.s, x.n));
}

/* Sorts the keys, and removes duplicates. */
static int sort_keys(fv_arena *a, int n, const fv_string *keys, const int64_t *numbers, key **out) {
    key *k = *out = FV_NEW(a, key, n + 1);
    int unique = 0;
    for (int i = 0; i < n; i++)
        k[i] = (key){keys[i], numbers ? numbers[i] : i, i};
    qsort(k, (size_t)n, sizeof *k, by_text);
    for (int i = 0; i < n; i++)
        if (!unique || !is_same(k[i].s, k[unique - 1].s))
            k[unique++] = k[i];
    return unique;
}

void fv_first_of_strings(fv_arena *a, int n, const fv_string *strings, int64_t *first) {
    key *k = FV_NEW(a, key, n + 1);
    for (int i = 0; i < n; i++)
        k[i] = (key){strings[i], i, i};
    qsort(k, (size_t)n, sizeof *k, by_text);
    for (int i = 0; i < n; i++)
        first[k[i].at] = i && is_same(k[i].s, k[i - 1].s) ? first[k[i - 1].at] : k[i].at;
}

fv_value *fv_w_find_strings(fv_rewriter *w, fv_strings s, int n, const fv_string *keys,
                            const int64_t *numbers, int64_t none) {
    fv_module *m = w->module;
    key *sorted;
    int unique = sort_keys(m->arena, n, keys, numbers, &sorted);
    fv_tensor *strings = fv_tensor_new(m->arena, FV_STRING, 1, (int64_t[]){unique});
    int64_t *number = FV_NEW(m->arena, int64_t, unique + 1);
    for (int i = 0; i < unique; i++) {
        ((fv_string *)(uintptr_t)strings->data)[i] =
            sorted[i].s; /* allocated here, so it may be written */
        number[i] = sorted[i].number;
    }
    fv_strings k;
    if (!fv_strings_of(w->at, fv_const_new(m, "keys", strings), &k) || !s.spans)
        return NULL;
    fv_value *in[] = {s.text,
                      fv_w_flat(w, s.spans),
                      k.text,
                      k.spans,
                      fv_const_ints(m, "numbers", unique, number),
                      fv_const_ints(m, "none", 1, &none)};
    return fv_w_reshape(w, fv_w_op(w, FV_OP_fv_TextFind, 6, in, 0, NULL), s.spans->type->rank,
                        s.spans->type->dims);
}

static bool infer_find(fv_op *op) {
    fv_infer_out(op, 0, FV_I64, 1, fv_in_type(op, 1)->dims);
    return fv_module_assume(fv_op_module(op), fv_in_type(op, 3)->dims[0],
                            fv_in_type(op, 4)->dims[0], "a number for each key") ||
           fv_op_error(op, "has other numbers than keys");
}

static bool kernel_find(fv_custom *c, fv_op *op) {
    fv_custom_text(c, fv_text_kernels, "text_find", 7,
                   (fv_value *[]){op->in[0], op->in[1], op->in[2], op->in[3], op->in[4], op->in[5],
                                  op->out[0]});
    return true;
}

/* ---- StringConcat ---- */

/* Concatenates pairs of strings. */
static bool decompose_concat(fv_rewriter *w, fv_op *op) {
    const fv_type *t = op->out[0]->type;
    fv_strings xy[2];
    if (!broadcast(w, op, xy))
        return false;
    fv_w_share_text(w, 2, xy);
    fv_value *sizes = FV_W2(w, FV_OP_Add, fv_w_sizes(w, xy[0].spans), fv_w_sizes(w, xy[1].spans));
    if (!sizes)
        return false;
    const fv_dim *column[] = {sizes->type->dims[0], fv_dim_const(w->module->dims, 1)};
    for (int i = 0; i < 2; i++)
        xy[i].spans = fv_w_reshape(w, xy[i].spans, 2, column);
    fv_strings pairs = {xy[0].text, fv_w_concat(w, 1, 2, (fv_value *[]){xy[0].spans, xy[1].spans})};
    fv_w_result(w, 0, fv_w_new_strings(w, pairs, sizes, t));
    return true;
}

/* ---- StringSplit ---- */

static bool infer_split(fv_op *op) {
    const fv_type *x = fv_in_type(op, 0);
    const fv_dim *dims[FV_MAX_RANK + 1];
    if (x->rank == FV_MAX_RANK)
        return fv_op_error(op, "input 'X' has rank %d, expected less", x->rank);
    if (!fv_string_fits(op, "delimiter", fv_op_string_or(op, "delimiter", "")))
        return false;
    for (int i = 0; i < x->rank; i++)
        dims[i] = x->dims[i];
    dims[x->rank] = NULL;
    fv_infer_run_time(op, 0, FV_STRING, x->rank + 1, dims);
    fv_infer_out(op, 1, FV_I64, x->rank, x->dims);
    return true;
}

static fv_value *text_constant(fv_rewriter *w, const char *stem, fv_string s) {
    fv_tensor *t = fv_tensor_new(w->module->arena, FV_U8, 1, (int64_t[]){(int64_t)s.n});
    for (size_t i = 0; i < s.n; i++)
        fv_tensor_set_int(t, i, (unsigned char)s.s[i]);
    return fv_const_new(w->module, stem, t);
}

/* Splits strings. Without a delimiter, or with an empty one, at white space; without a limit, or
 * with a negative one, into all parts. */
static fv_op *split(fv_rewriter *w, fv_op *op, fv_strings x, const fv_dim *places) {
    fv_string delimiter = fv_op_string_or(op, "delimiter", "");
    int64_t limit = fv_op_int_or(op, "maxsplit", -1), most = limit < 0 ? INT64_MAX : limit;
    const fv_dim *dims[] = {x.spans->type->dims[0], places};
    fv_attr a = fv_attr_dims(w->module, "dims", 2, dims);
    fv_value *in[] = {x.text, x.spans, fv_const_ints(w->module, "most", 1, &most),
                      delimiter.n ? text_constant(w, "delimiter", delimiter) : NULL};
    return fv_w_op_n(w, FV_OP_fv_TextSplit, 4, in, 1, &a, 2);
}

/* Splits once to count the parts, and again with as many places as the string with most parts
 * needs. */
static bool decompose_split(fv_rewriter *w, fv_op *op) {
    const fv_type *t = fv_in_type(op, 0);
    fv_strings x;
    if (!fv_strings_of(op, op->in[0], &x))
        return false;
    x.spans = fv_w_flat(w, x.spans);
    fv_op *counted = x.spans ? split(w, op, x, fv_dim_const(w->module->dims, 0)) : NULL;
    if (!counted)
        return false;
    if (op->nout > 1 && op->out[1])
        fv_w_result(w, 1, fv_w_reshape(w, counted->out[1], t->rank, t->dims));
    if (!op->out[0])
        return true;
    const fv_dim *zero = fv_dim_const(w->module->dims, 0), *most = op->out[0]->type->dims[t->rank];
    fv_value *counts[] = {counted->out[1], fv_w_ints(w, FV_I64, 1, 1, &zero)};
    const fv_dim *one = fv_dim_const(w->module->dims, 1);
    fv_value *largest = fv_w_reduce(w, FV_OP_ReduceMax, fv_w_concat(w, 0, 2, counts), 0);
    fv_w_bind(w, largest ? fv_w_reshape(w, largest, 1, &one) : NULL, 1, &most);
    fv_op *made = split(w, op, x, most);
    fv_value *spans =
        made ? fv_w_reshape(w, made->out[0], t->rank + 1, op->out[0]->type->dims) : NULL;
    fv_w_result(w, 0, fv_w_strings(w, (fv_strings){x.text, spans}));
    return true;
}

static bool infer_text_split(fv_op *op) {
    const fv_attr *dims = fv_op_find_attr(op, "dims");
    if (dims->n != 2)
        return fv_op_error(op, "has %d dims, expected 2", dims->n);
    fv_infer_out(op, 0, FV_I64, 2, dims->u.dims);
    fv_infer_out(op, 1, FV_I64, 1, dims->u.dims);
    return true;
}

static bool kernel_split(fv_custom *c, fv_op *op) {
    fv_value *between = fv_op_in(op, 3);
    fv_value *words[] = {op->in[0], op->in[1], op->in[2], op->out[0], op->out[1]};
    fv_value *parts[] = {op->in[0], op->in[1], between, op->in[2], op->out[0], op->out[1]};
    fv_custom_text(c, fv_text_kernels, between ? "text_split" : "text_words", between ? 6 : 5,
                   between ? parts : words);
    return true;
}

#define OURS       .domain = "fv", .since = {1}
#define STRINGS    {"T", FV_SET(STRING)}
#define TEXT(nm)   {nm, "T", .rank = FV_RANK(1)}
#define PLACES(nm) {nm, "I", .rank = FV_RANK(1)}
#define PARTS                                                                                      \
    {"T", FV_SET(U8)}, {                                                                           \
        "I", FV_SET(I64)                                                                           \
    }

const fv_opdef fv_ops_strings[] = {
    {OURS, .name = "TextEqual", .id = FV_OP_fv_TextEqual,
     .doc = "whether strings are equal, byte for byte",
     .in = {TEXT("a"), PLACES("x"), TEXT("b"), PLACES("y")}, .out = {{"Z", "B"}},
     .types = {PARTS, {"B", FV_SET(BOOL)}}, .infer = infer_equal, .kernel = kernel_equal},
    {OURS, .name = "TextFind", .id = FV_OP_fv_TextFind,
     .doc = "for each string, the number of the equal one among sorted strings, or a given number "
            "if there is none",
     .in = {TEXT("text"), PLACES("spans"), TEXT("keys"), PLACES("places"), PLACES("numbers"),
            PLACES("none")},
     .out = {{"Y", "I"}}, .types = {PARTS}, .infer = infer_find, .kernel = kernel_find},
    {.domain = "",
     .name = "StringConcat",
     .since = {20},
     .doc = "b appended to a",
     .in = {{"X", "T"}, {"Y", "T"}},
     .out = {{"Z", "T"}},
     .types = {STRINGS},
     .infer = fv_infer_elementwise,
     .strings = decompose_concat},
    {OURS, .name = "TextSplit", .id = FV_OP_fv_TextSplit,
     .doc = "places and number of the parts of each string: between delimiters, or without one "
            "between white space; it is split at most `most` times",
     .in = {TEXT("text"),
            PLACES("spans"),
            PLACES("most"),
            {"delimiter", "T", FV_OPTIONAL_OPERAND, .rank = FV_RANK(1)}},
     .out = {{"Y", "I"}, {"counts", "I"}}, .attrs = {FV_A_REQUIRED("dims", DIMS)}, .types = {PARTS},
     .infer = infer_text_split, .kernel = kernel_split},
    {.domain = "",
     .name = "StringSplit",
     .since = {20},
     .doc = "the parts of each string between delimiters, or its words, "
            "along a new axis that is filled up with empty strings; the "
            "number of parts",
     .in = {{"X", "T"}},
     .out = {{"Y", "T"}, {"Z", "I"}},
     .attrs = {FV_A_OPTIONAL("delimiter", STRING), FV_A_OPTIONAL("maxsplit", INT)},
     .types = {STRINGS, {"I", FV_SET(I64)}},
     .infer = infer_split,
     .strings = decompose_split},

    {0}};
