/* text.c - tensors of strings as the tensors of numbers that represent them, and the kernels that
 * read text (text.fvk). */
#include "ops/text/text.h"

#include <string.h>

#include "ir/base/limits.h"
#include "ir/base/quoted.h"
#include "ir/definition/custom.h"
#include "ir/graph/infer.h"
#include "ops/common/assemble.h"
#include "ops/common/dims.h"

_Static_assert(FV_MAX_STRING == (1 << FV_SPAN_BITS) - 1,
               "text.fvk and the formulas below have it as a number");
_Static_assert(FV_DIM_MAX <= (int64_t)1 << (63 - FV_SPAN_BITS), "every byte of a text has a place");

const char *fv_text_part_name(fv_arena *a, const char *name, int part) {
    static const char *const names[FV_TEXT_PARTS] = {"text", "ends"};
    return fv_printf(a, "%s.%s", name, names[part]);
}

bool fv_type_is_strings(const fv_type *t) {
    return t && t->kind == FV_TENSOR && t->elem == FV_STRING;
}

/* ---- parts ---- */

/* The text of a constant contains each of its strings once, concatenated. */
static fv_strings constant_parts(fv_module *m, const fv_value *v) {
    const fv_string *strings = v->tensor->data;
    int64_t bytes = 0;
    for (size_t i = 0; i < v->tensor->count; i++)
        bytes += (int64_t)strings[i].n;
    fv_tensor *text = fv_tensor_new(m->arena, FV_U8, 1, &bytes),
              *spans = fv_tensor_new(m->arena, FV_I64, v->tensor->rank, v->tensor->dims);
    char *to = (char *)(uintptr_t)text->data; /* allocated here, so it may be written */
    int64_t at = 0;
    for (size_t i = 0; i < v->tensor->count; at += (int64_t)strings[i++].n) {
        if (strings[i].n)
            memcpy(to + at, strings[i].s, strings[i].n);
        fv_tensor_set_int(spans, i, strings[i].n ? at << FV_SPAN_BITS | (int64_t)strings[i].n : 0);
    }
    return (fv_strings){fv_const_new(m, fv_printf(m->arena, "%s.text", v->name), text),
                        fv_const_new(m, fv_printf(m->arena, "%s.spans", v->name), spans)};
}

bool fv_string_fits(const fv_op *op, const char *what, fv_string s) {
    if (s.n > FV_MAX_STRING)
        return fv_op_error(op, "%s has %zu bytes, at most %d are supported", what, s.n,
                           FV_MAX_STRING);
    return fv_is_utf8(s.s, s.n) || fv_op_error(op, "%s is no UTF-8", what);
}

static bool all_fit(const fv_op *op, const fv_value *v) {
    const fv_string *strings = v->tensor->data;
    size_t i = 0;
    while (i < v->tensor->count && strings[i].n <= FV_MAX_STRING &&
           fv_is_utf8(strings[i].s, strings[i].n))
        i++;
    return i == v->tensor->count ||
           fv_string_fits(op, fv_printf(fv_op_module(op)->arena, "string %zu of '%s'", i, v->name),
                          strings[i]);
}

bool fv_strings_of(const fv_op *op, const fv_value *v, fv_strings *parts) {
    if (v->kind == FV_VALUE_CONST) {
        if (!all_fit(op, v))
            return false;
        *parts = constant_parts(fv_op_module(op), v);
        return true;
    }
    if (v->kind != FV_VALUE_RESULT || !fv_op_is(v->def, FV_OP_fv_Strings))
        return fv_op_error(op,
                           "reads %%%s, which is not taken apart: the pass 'legalise' does that "
                           "with a whole module",
                           v->name);
    *parts = (fv_strings){v->def->in[0], v->def->in[1]};
    return true;
}

fv_value *fv_w_strings(fv_rewriter *w, fv_strings parts) {
    return FV_W2(w, FV_OP_fv_Strings, parts.text, parts.spans);
}

/* Spans, moved by the `before` bytes that precede their text in a new one. */
static fv_value *moved(fv_rewriter *w, fv_value *spans, const fv_dim *before) {
    fv_value *by = FV_W2(w, FV_OP_Mul, fv_w_ints(w, FV_I64, 0, 1, &before),
                         fv_w_int(w, FV_I64, (int64_t)1 << FV_SPAN_BITS));
    return FV_W2(w, FV_OP_Add, spans, by);
}

void fv_w_share_text(fv_rewriter *w, int n, fv_strings *all) {
    fv_dims *t = w->module->dims;
    fv_value **texts = FV_NEW(w->module->arena, fv_value *, n + 1);
    const fv_dim **starts = FV_NEW(w->module->arena, const fv_dim *, n + 1),
                 *end = fv_dim_const(t, 0);
    int ntexts = 0;
    for (int i = 0; i < n; i++) {
        int k = 0;
        while (k < ntexts && texts[k] != all[i].text)
            k++;
        if (k == ntexts) {
            texts[ntexts] = all[i].text;
            starts[ntexts++] = end;
            end = all[i].text ? fv_dim_add(t, end, all[i].text->type->dims[0]) : end;
        }
        if (k && all[i].spans)
            all[i].spans = moved(w, all[i].spans, starts[k]);
    }
    fv_value *text = n ? fv_w_concat(w, 0, ntexts, texts) : NULL;
    for (int i = 0; i < n; i++)
        all[i].text = text;
}

/* ---- ops that move ---- */

bool fv_op_has_strings(const fv_op *op) {
    bool found = false;
    if (fv_op_is(op, FV_OP_fv_Strings) || fv_op_is(op, FV_OP_If) || fv_op_is(op, FV_OP_Loop))
        return false;
    for (int i = 0; i < op->nin + op->nout; i++) {
        const fv_value *v = i < op->nin ? op->in[i] : op->out[i - op->nin];
        if (v && v->type->kind != FV_TENSOR)
            return false;
        found |= v && fv_type_is_strings(v->type);
    }
    return found && op->def != &fv_return_def;
}

/* The operands of op, in which tensors of strings are replaced by spans of one text. */
static bool take_spans(fv_rewriter *w, fv_op *op, fv_value **in, fv_value **text) {
    fv_strings *all = FV_NEW(w->module->arena, fv_strings, op->nin + 1);
    int n = 0;
    for (int i = 0; i < op->nin; i++)
        if (op->in[i] && fv_type_is_strings(op->in[i]->type) &&
            !fv_strings_of(op, op->in[i], &all[n++]))
            return false;
    fv_w_share_text(w, n, all);
    *text = n ? all[0].text : NULL;
    n = 0;
    for (int i = 0; i < op->nin; i++)
        in[i] = op->in[i] && fv_type_is_strings(op->in[i]->type) ? all[n++].spans : op->in[i];
    return !w->failed;
}

/* The results of `made` keep the types that are known of op's results. */
static bool type_results(fv_module *m, const fv_op *op, fv_op *made) {
    for (int i = 0; i < op->nout; i++) {
        const fv_type *t = op->out[i] ? op->out[i]->type : NULL;
        if (!t)
            continue;
        made->out[i]->type =
            fv_type_is_strings(t) ? fv_tensor_type(m->arena, FV_I64, t->rank, t->dims) : t;
        if (op->out[i]->elems)
            fv_set_elems(made->out[i], op->out[i]->nelems, op->out[i]->elems);
    }
    return fv_op_infer(made);
}

static bool move(fv_rewriter *w, fv_op *op) {
    fv_module *m = w->module;
    fv_value **in = FV_NEW(m->arena, fv_value *, op->nin + 1), *text;
    const char **names = FV_NEW(m->arena, const char *, op->nout + 1);
    if (!take_spans(w, op, in, &text))
        return false;
    for (int i = 0; i < op->nout; i++)
        names[i] = op->out[i] ? op->out[i]->name : NULL;
    fv_op *made = fv_op_new(op->block, op, op->def, op->nin, in, op->nout, names, op->origin);
    fv_op_move_attrs(op, made);
    if (!type_results(m, op, made))
        return false;
    for (int i = 0; i < op->nout; i++)
        if (op->out[i])
            fv_w_result(w, i,
                        fv_type_is_strings(op->out[i]->type)
                            ? fv_w_strings(w, (fv_strings){text, made->out[i]})
                            : made->out[i]);
    return true;
}

bool fv_op_rewrite_strings(fv_op *op) {
    fv_rewriter w = fv_rewriter_at(op);
    if (!(op->def->strings ? op->def->strings(&w, op) : move(&w, op)) || w.failed)
        return false;
    fv_op_erase(op);
    return true;
}

/* ---- for expansions ---- */

fv_value *fv_w_sizes(fv_rewriter *w, fv_value *spans) {
    return FV_W1(w, FV_OP_fv_TextSizes, spans);
}

fv_value *fv_w_spans(fv_rewriter *w, fv_value *starts, fv_value *sizes) {
    fv_value *up = FV_W2(w, FV_OP_Mul, starts, fv_w_int(w, FV_I64, (int64_t)1 << FV_SPAN_BITS));
    return FV_W2(w, FV_OP_Add, up, sizes);
}

fv_value *fv_w_copy_text(fv_rewriter *w, fv_strings s, fv_value *sizes, const char *name) {
    const fv_dim *bytes = fv_w_bound(w, fv_printf(w->module->arena, "%s.bytes", name), 0,
                                     fv_w_reduce(w, FV_OP_ReduceSum, sizes, 0));
    fv_attr dims = fv_attr_dims(w->module, "dims", 1, &bytes);
    return fv_w_op(w, FV_OP_fv_TextCopy, 2, (fv_value *[]){s.text, fv_w_flat(w, s.spans)}, 1,
                   &dims);
}

/* The least or largest element of x, which may be empty, and 0. */
static const fv_dim *extreme(fv_rewriter *w, const char *stem, fv_op_id kind, fv_value *x) {
    const fv_dim *zero = fv_dim_const(w->module->dims, 0);
    fv_value *all[] = {x, fv_w_ints(w, FV_I64, 1, 1, &zero)};
    return fv_w_bound(w, stem, -FV_DIM_MAX, fv_w_reduce(w, kind, fv_w_concat(w, 0, 2, all), 0));
}

static void require(fv_rewriter *w, const fv_dim *a, const fv_dim *b, const char *why,
                    const char *says) {
    w->failed |= !fv_module_require(w->module, a, b, why, says);
}

void fv_w_limit_sizes(fv_rewriter *w, fv_value *sizes, const char *why) {
    const fv_dim *limit = fv_dim_const(w->module->dims, FV_MAX_STRING),
                 *most = extreme(w, "most", FV_OP_ReduceMax, sizes);
    require(w, fv_dim_max(w->module->dims, most, limit), limit, why,
            fv_printf(w->module->arena, "a string has at most %d bytes", FV_MAX_STRING));
}

fv_value *fv_w_new_strings(fv_rewriter *w, fv_strings s, fv_value *sizes, const fv_type *t) {
    fv_w_limit_sizes(w, sizes, fv_op_why(w->at, "sizes of strings"));
    fv_value *text = fv_w_copy_text(w, s, sizes, "text"),
             *spans = fv_w_spans(w, fv_w_sums_before(w, sizes), sizes);
    return fv_w_strings(
        w, (fv_strings){text, spans ? fv_w_reshape(w, spans, t->rank, t->dims) : NULL});
}

/* ---- at the border of a model ---- */

static void check_ends(fv_rewriter *w, const char *name, fv_value *text, fv_value *sizes) {
    fv_dims *t = w->module->dims;
    const fv_dim *zero = fv_dim_const(t, 0), *bytes = text->type->dims[0];
    const char *why = fv_printf(w->module->arena, "ends of '%s'", name);
    require(w, fv_dim_min(t, extreme(w, "least", FV_OP_ReduceMin, sizes), zero), zero, why,
            "no string ends before it begins");
    fv_w_limit_sizes(w, sizes, why);
    const fv_dim *all =
        fv_w_bound(w, "all", -FV_DIM_MAX, fv_w_reduce(w, FV_OP_ReduceSum, sizes, 0));
    require(w, all, bytes, why, "the last string ends where the text does");
}

static void check_text(fv_rewriter *w, const char *name, fv_strings s) {
    const fv_dim *wrong = fv_w_bound(w, "wrong", 0, FV_W2(w, FV_OP_fv_TextFaults, s.text, s.spans));
    require(w, wrong, fv_dim_const(w->module->dims, 0),
            fv_printf(w->module->arena, "text of '%s'", name), "strings are UTF-8");
}

fv_strings fv_w_strings_given(fv_rewriter *w, const char *name, fv_value *text, fv_value *ends) {
    fv_dims *t = w->module->dims;
    const fv_dim *zero = fv_dim_const(t, 0);
    fv_value *flat = fv_w_flat(w, ends);
    const fv_dim *n = flat->type->dims[0],
                 *before = fv_dim_max(t, fv_dim_sub(t, n, fv_dim_const(t, 1)), zero);
    fv_value *starts[] = {fv_w_ints(w, FV_I64, 1, 1, &zero), fv_w_cut(w, flat, 0, zero, before)};
    fv_value *start = fv_w_cut(w, fv_w_concat(w, 0, 2, starts), 0, zero, n),
             *sizes = FV_W2(w, FV_OP_Sub, flat, start);
    fv_strings s = {text, fv_w_spans(w, start, sizes)};
    check_ends(w, name, text, sizes);
    check_text(w, name, s);
    s.spans = s.spans ? fv_w_reshape(w, s.spans, ends->type->rank, ends->type->dims) : NULL;
    return s;
}

/* If the strings are a constant that is repeated as a whole: its spans, and the number of
 * repetitions; else NULL. */
static const fv_tensor *repeated(fv_rewriter *w, const fv_strings *s, const fv_dim **times) {
    const fv_value *v = s->spans;
    while (v->kind == FV_VALUE_RESULT && fv_op_is(v->def, FV_OP_fv_Reshape))
        v = v->def->in[0];
    if (s->text->kind != FV_VALUE_CONST || v->kind != FV_VALUE_RESULT ||
        !fv_op_is(v->def, FV_OP_fv_Expand) || v->def->in[0]->kind != FV_VALUE_CONST)
        return NULL;
    const fv_type *one = v->def->in[0]->type;
    int before = v->type->rank - one->rank;
    for (int i = 0; i < one->rank; i++)
        if (one->dims[i] != v->type->dims[before + i])
            return NULL;
    *times = fv_dim_product(w->module->dims, before, v->type->dims);
    return v->def->in[0]->tensor;
}

/* Copies the bytes of these spans one after the other, and computes the position at which each
 * ends. */
static void copy_constant(const fv_strings *s, const fv_tensor *spans, fv_tensor *text,
                          fv_tensor *ends) {
    const uint8_t *from = s->text->tensor->data;
    uint8_t *to = (uint8_t *)(uintptr_t)text->data; /* allocated here, so it may be written */
    int64_t end = 0;
    for (size_t i = 0; i < spans->count; i++) {
        int64_t span = fv_tensor_int(spans, i), n = span & FV_MAX_STRING;
        if (n)
            memcpy(to + end, from + (span >> FV_SPAN_BITS), (size_t)n);
        fv_tensor_set_int(ends, i, end += n);
    }
}

/* Text and ends of a constant that is repeated: the number of bytes is then known without a run. */
static fv_strings repeat_constant(fv_rewriter *w, const fv_strings *s, const fv_tensor *spans,
                                  const fv_dim *times) {
    fv_module *m = w->module;
    int64_t n = (int64_t)spans->count, bytes = 0;
    for (int64_t i = 0; i < n; i++)
        bytes += fv_tensor_int(spans, (size_t)i) & FV_MAX_STRING;
    fv_tensor *text = fv_tensor_new(m->arena, FV_U8, 1, &bytes),
              *ends = fv_tensor_new(m->arena, FV_I64, 1, &n);
    copy_constant(s, spans, text, ends);
    const fv_dim *rows[] = {times, fv_dim_const(m->dims, bytes)},
                 *column[] = {times, fv_dim_const(m->dims, 1)};
    fv_attr dims = fv_attr_dims(m, "dims", 1, &times);
    fv_value *start =
        fv_w_op(w, FV_OP_fv_Range, 2,
                (fv_value *[]){fv_w_int(w, FV_I64, 0), fv_w_int(w, FV_I64, bytes)}, 1, &dims);
    fv_value *end = FV_W2(w, FV_OP_Add, start ? fv_w_reshape(w, start, 2, column) : NULL,
                          fv_const_new(m, "ends", ends));
    fv_value *whole = fv_w_flat(w, fv_w_expand(w, fv_const_new(m, "text", text), 2, rows));
    return (fv_strings){
        whole, end ? fv_w_reshape(w, end, s->spans->type->rank, s->spans->type->dims) : NULL};
}

fv_strings fv_w_strings_returned(fv_rewriter *w, const char *name, fv_strings s) {
    const fv_dim *times;
    const fv_tensor *one = repeated(w, &s, &times);
    if (one)
        return repeat_constant(w, &s, one, times);
    fv_value *sizes = fv_w_flat(w, fv_w_sizes(w, s.spans));
    fv_value *ends = FV_W2(w, FV_OP_CumSum, sizes, fv_w_int(w, FV_I64, 0));
    return (fv_strings){fv_w_copy_text(w, s, sizes, name),
                        ends ? fv_w_reshape(w, ends, s.spans->type->rank, s.spans->type->dims)
                             : NULL};
}

/* ---- entries ---- */

static bool infer_strings(fv_op *op) {
    const fv_type *spans = fv_in_type(op, 1);
    fv_infer_out(op, 0, FV_STRING, spans->rank, spans->dims);
    return true;
}

static bool infer_copy(fv_op *op) {
    const fv_attr *dims = fv_op_find_attr(op, "dims");
    if (dims->n != 1)
        return fv_op_error(op, "has %d dims, expected 1", dims->n);
    fv_infer_out(op, 0, FV_U8, 1, dims->u.dims);
    return true;
}

static bool infer_count(fv_op *op) {
    fv_infer_out(op, 0, FV_I64, 1, (const fv_dim *[]){fv_dim_const(fv_op_module(op)->dims, 1)});
    return true;
}

static bool kernel_copy(fv_custom *c, fv_op *op) {
    fv_custom_text(c, fv_text_kernels, "text_copy", 3,
                   (fv_value *[]){op->in[0], op->in[1], op->out[0]});
    return true;
}

static bool kernel_faults(fv_custom *c, fv_op *op) {
    fv_custom_text(c, fv_text_kernels, "text_faults", 3,
                   (fv_value *[]){op->in[0], op->in[1], op->out[0]});
    return true;
}

#define OURS  .domain = "fv", .since = {1}
#define TEXT  {"text", "T", .rank = FV_RANK(1)}
#define SPANS {"spans", "I", .rank = FV_RANK(1)}
#define TYPES                                                                                      \
    {"T", FV_SET(U8)}, {                                                                           \
        "I", FV_SET(I64)                                                                           \
    }

const fv_opdef fv_ops_text[] = {
    {OURS, .name = "Strings", .id = FV_OP_fv_Strings,
     .doc = "strings, from the tensors that represent them: bytes, and the place of each string in "
            "them, its start times 2^23 plus its size",
     .in = {TEXT, {"spans", "I"}}, .out = {{"Y", "S"}}, .types = {TYPES, {"S", FV_SET(STRING)}},
     .infer = infer_strings},
    {OURS, .name = "TextSizes", .id = FV_OP_fv_TextSizes,
     .doc = "the numbers of bytes of strings, from their places", .in = {{"spans", "I"}},
     .out = {{"Y", "I"}}, .types = {{"I", FV_SET(I64)}}, .infer = fv_infer_same,
     .formula = "Y = spans & 8388607"},
    {OURS, .name = "TextCopy", .id = FV_OP_fv_TextCopy, .doc = "the bytes of strings, concatenated",
     .in = {TEXT, SPANS}, .out = {{"Y", "T"}}, .attrs = {FV_A_REQUIRED("dims", DIMS)},
     .types = {TYPES}, .infer = infer_copy, .kernel = kernel_copy},
    {OURS, .name = "TextFaults", .id = FV_OP_fv_TextFaults, .doc = "how many strings are no UTF-8",
     .in = {TEXT, SPANS}, .out = {{"Y", "I"}}, .types = {TYPES}, .infer = infer_count,
     .kernel = kernel_faults},

    {0}};
