/* normalizer.c - StringNormalizer: removes stop words, and converts words to upper or lower
 * case. */
#include "ir/base/text.h"
#include "ir/definition/custom.h"
#include "ir/graph/infer.h"
#include "ops/attention/attend.h"
#include "ops/common/assemble.h"
#include "ops/common/dims.h"
#include "ops/ml/ml.h"
#include "ops/tensor/select.h"
#include "ops/text/letter_case.h"
#include "ops/text/strings.h"

/* ---- cases of characters ---- */

typedef enum { NO_CASE, LOWER_CASE, UPPER_CASE } letter_case;

static fv_value *table_of(fv_rewriter *w, letter_case to) {
    const fv_case_range *all = to == LOWER_CASE ? fv_lower_cases : fv_upper_cases;
    int64_t n = to == LOWER_CASE ? fv_nlower_cases : fv_nupper_cases;
    fv_tensor *t = fv_tensor_new(w->module->arena, FV_I64, 2, (int64_t[]){n, 4});
    for (size_t i = 0; i < (size_t)n; i++) {
        fv_tensor_set_int(t, 4 * i, all[i].first);
        fv_tensor_set_int(t, 4 * i + 1, all[i].last);
        fv_tensor_set_int(t, 4 * i + 2, all[i].step);
        fv_tensor_set_int(t, 4 * i + 3, all[i].change);
    }
    return fv_const_new(w->module, to == LOWER_CASE ? "lower" : "upper", t);
}

static fv_op *change(fv_rewriter *w, fv_strings x, fv_value *table, const fv_dim *bytes) {
    fv_attr dims = fv_attr_dims(w->module, "dims", 1, &bytes);
    return fv_w_op_n(w, FV_OP_fv_TextCase, 3, (fv_value *[]){x.text, x.spans, table}, 1, &dims, 2);
}

/* A vector of strings, converted to that case; their sizes are computed first, as they may
 * change. */
static fv_strings in_case(fv_rewriter *w, fv_strings x, letter_case to) {
    if (to == NO_CASE || !x.spans)
        return x;
    fv_value *table = table_of(w, to);
    fv_op *sized = change(w, x, table, fv_dim_const(w->module->dims, 0));
    fv_value *sizes = sized ? sized->out[1] : NULL;
    fv_w_limit_sizes(w, sizes, fv_op_why(w->at, "sizes of strings"));
    const fv_dim *bytes = fv_w_bound(w, "text.bytes", 0, fv_w_reduce(w, FV_OP_ReduceSum, sizes, 0));
    fv_op *made = w->failed ? NULL : change(w, x, table, bytes);
    return (fv_strings){made ? made->out[0] : NULL,
                        fv_w_spans(w, fv_w_sums_before(w, sizes), sizes)};
}

static bool infer_case(fv_op *op) {
    fv_module *m = fv_op_module(op);
    const fv_attr *dims = fv_op_find_attr(op, "dims");
    if (dims->n != 1)
        return fv_op_error(op, "has %d dims, expected 1", dims->n);
    fv_infer_out(op, 0, FV_U8, 1, dims->u.dims);
    fv_infer_out(op, 1, FV_I64, 1, fv_in_type(op, 1)->dims);
    return fv_same_dim(op, fv_in_type(op, 2)->dims[1], fv_dim_const(m->dims, 4),
                       "a range is four numbers");
}

static bool kernel_case(fv_custom *c, fv_op *op) {
    fv_custom_text(c, fv_text_kernels, "text_case", 5,
                   (fv_value *[]){op->in[0], op->in[1], op->in[2], op->out[0], op->out[1]});
    return true;
}

/* ---- StringNormalizer ---- */

static int stop_words(const fv_op *op, const fv_string **words) {
    const fv_attr *a = fv_op_find_attr(op, "stopwords");
    *words = a ? a->u.strings : NULL;
    return a ? a->n : 0;
}

static int case_of(const fv_op *op) {
    static const char *const names[] = {"NONE", "LOWER", "UPPER"};
    return fv_ml_choice(op, "case_change_action", 3, names);
}

static bool infer_normalizer(fv_op *op) {
    fv_dims *t = fv_op_module(op)->dims;
    const fv_type *x = fv_in_type(op, 0);
    const fv_dim *dims[2] = {x->dims[0], x->dims[x->rank - 1]};
    const fv_string *words;
    int n = stop_words(op, &words);
    if (case_of(op) < 0 || (x->rank == 2 && !fv_same_dim(op, x->dims[0], fv_dim_const(t, 1),
                                                         "rows of a matrix of words")))
        return false;
    for (int i = 0; i < n; i++)
        if (!fv_string_fits(op, "a stop word", words[i]))
            return false;
    if (n)
        dims[x->rank - 1] = NULL;
    fv_infer_run_time(op, 0, FV_STRING, x->rank, dims);
    return true;
}

static void put_character(fv_text *t, uint32_t c) {
    static const unsigned char head[] = {0, 0, 0xc0, 0xe0, 0xf0};
    char bytes[4];
    size_t n = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
    for (size_t i = n; i-- > 1; c >>= 6)
        bytes[i] = (char)(0x80 | (c & 63));
    bytes[0] = (char)(head[n] | c);
    fv_text_putn(t, bytes, n);
}

/* Converts UTF-8 to lower case, as the kernel text_case does. */
static fv_string lowered(fv_arena *a, fv_string s) {
    fv_text t = {.arena = a};
    fv_text_put(&t, "");
    for (size_t i = 0, n; i < s.n; i += n) {
        const unsigned char *p = (const unsigned char *)s.s + i;
        n = *p < 0x80 ? 1 : *p < 0xe0 ? 2 : *p < 0xf0 ? 3 : 4;
        uint32_t c = n == 1 ? *p : *p & (0xffu >> (n + 1));
        for (size_t k = 1; k < n; k++)
            c = c << 6 | (p[k] & 63);
        put_character(&t, fv_lower_of(c));
    }
    return (fv_string){t.s, t.n};
}

/* Spans of the words that are no stop words, by comparing `compared`. If no word is left, one empty
 * string, as the standard requires. */
static fv_value *without(fv_rewriter *w, fv_value *spans, fv_strings compared, int n,
                         const fv_string *words, const fv_dim *left) {
    fv_dims *t = w->module->dims;
    const fv_dim *zero = fv_dim_const(t, 0), *count = fv_dim_fresh(t, "count", 0, FV_DIM_MAX, true);
    const fv_dim *size = fv_dim_max(t, count, fv_dim_const(t, 1));
    fv_value *kept = FV_W2(w, FV_OP_Equal, fv_w_find_strings(w, compared, n, words, NULL, n),
                           fv_w_int(w, FV_I64, n));
    fv_value *at = kept ? fv_w_flat(w, fv_w_non_zero(w, kept, count)) : NULL;
    fv_value *parts[] = {FV_W2(w, FV_OP_Gather, spans, at), fv_w_ints(w, FV_I64, 1, 1, &zero)};
    fv_w_bind(w, fv_w_ints(w, FV_I64, 1, 1, &size), 1, &left);
    return fv_w_cut(w, fv_w_concat(w, 0, 2, parts), 0, zero, left);
}

static bool normalize(fv_rewriter *w, fv_op *op) {
    const fv_type *y = op->out[0]->type;
    const fv_string *words;
    int n = stop_words(op, &words);
    bool folds = n && !fv_op_int(op, "is_case_sensitive");
    fv_string *stop = FV_NEW(w->module->arena, fv_string, n + 1);
    fv_strings x;
    if (!fv_strings_of(op, op->in[0], &x))
        return false;
    x.spans = fv_w_flat(w, x.spans);
    for (int i = 0; i < n; i++)
        stop[i] = folds ? lowered(w->module->arena, words[i]) : words[i];
    if (n)
        x.spans = without(w, x.spans, in_case(w, x, folds ? LOWER_CASE : NO_CASE), n, stop,
                          y->dims[y->rank - 1]);
    x = in_case(w, x, (letter_case)case_of(op));
    fv_w_result(
        w, 0,
        fv_w_strings(
            w, (fv_strings){x.text, x.spans ? fv_w_reshape(w, x.spans, y->rank, y->dims) : NULL}));
    return true;
}

const fv_opdef fv_ops_normalizer[] = {
    {.domain = "fv",
     .name = "TextCase",
     .id = FV_OP_fv_TextCase,
     .since = {1},
     .doc = "strings in which characters of the given ranges are replaced, concatenated, and their "
            "sizes; the text is truncated to its dim",
     .in = {{"text", "T", .rank = FV_RANK(1)},
            {"spans", "I", .rank = FV_RANK(1)},
            {"ranges", "I", .rank = FV_RANK(2)}},
     .out = {{"Y", "T"}, {"sizes", "I"}},
     .attrs = {FV_A_REQUIRED("dims", DIMS)},
     .types = {{"T", FV_SET(U8)}, {"I", FV_SET(I64)}},
     .infer = infer_case,
     .kernel = kernel_case},
    {.domain = "",
     .name = "StringNormalizer",
     .since = {10},
     .doc = "removes stop words and changes the case of strings, character "
            "by character, independently of the locale",
     .in = {{"X", "T", .rank = FV_RANKS(1, 2)}},
     .out = {{"Y", "T"}},
     .attrs = {FV_A_STRING("case_change_action", "NONE"), FV_A_INT("is_case_sensitive", 0),
               FV_A_OPTIONAL("locale", STRING), FV_A_OPTIONAL("stopwords", STRINGS)},
     .types = {{"T", FV_SET(STRING)}},
     .infer = infer_normalizer,
     .strings = normalize},

    {0}};
