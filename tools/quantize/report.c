/* report.c - the table of layers, as text and as JSON. */
#include <math.h>
#include <string.h>
#include <sys/stat.h>

#include "tools/quantize/quantize.h"

double fv_quant_shown_error(const fv_quantizing *q, int item) {
    const fv_quant_item *it = &q->items[item];
    fv_quant_type t = q->plan.types[item];
    if (t ==
        FV_QUANT_F32) /* shows the error of the requested type, for which the layer stays f32 */
        t = q->wanted.types[0];
    return it->alone[t] >= 0 ? it->alone[t] : it->here;
}

static const char *error_str(fv_arena *a, double e) {
    return e < 0 ? "-" : fv_printf(a, "%.3g", e);
}

/* ---- what a layer became ---- */

/* The bytes of the layer's weight as it is written. */
static size_t bytes_of(const fv_quantizing *q, int i) {
    return q->items[i].bytes[q->plan.types[i]];
}

static const char *reason_of(const fv_quantizing *q, int i) {
    const fv_quant_item *it = &q->items[i];
    if (it->why_not)
        return it->why_not;
    if (q->plan.types[i] == FV_QUANT_F32)
        return "kept for the budget";
    if (q->wanted.input == FV_QUANT_STATIC && !it->input.has_range && !it->result)
        return "weight only: it is in a branch or a loop, where no range is measured";
    if (q->wanted.reduced)
        return it->keeps_range ? fv_printf(q->c->arena, "8 bits: %s", it->keeps_range) : "7 bits";
    return "";
}

static int count_of(const fv_quantizing *q, fv_quant_type t) {
    int n = 0;
    for (int i = 0; i < q->n; i++)
        n += q->plan.types[i] == t;
    return n;
}

/* The number of layers of each type as text: "int8 36, f32 3"; "none" if there are no layers. */
static const char *counts_str(const fv_quantizing *q) {
    fv_text t = {.arena = q->c->arena};
    for (int type = FV_QUANT_TYPES - 1; type >= 0; type--)
        if (count_of(q, (fv_quant_type)type))
            fv_text_printf(&t, "%s%s %d", t.n ? ", " : "", fv_quant_type_name((fv_quant_type)type),
                           count_of(q, (fv_quant_type)type));
    return t.n ? t.s : "none";
}

static uint64_t size_of(const char *path) {
    struct stat st;
    return stat(path, &st) || !S_ISREG(st.st_mode) ? 0 : (uint64_t)st.st_size;
}

/* The bytes of a file and of the weights next to it, of ONNX or of a text; 0: it is no regular
 * file. */
static uint64_t file_bytes(fv_arena *a, const char *path) {
    uint64_t n = size_of(path);
    bool text = fv_emit_by_suffix(path) == FV_EMIT_IR;
    return n ? n + size_of(fv_printf(a, text ? "%s.bin" : "%s.data", path)) : 0;
}

/* ---- text ---- */

typedef struct widths {
    int name, op, weight;
} widths;

static void widen(int *width, const char *text) {
    int w = fv_shown_width(text);
    *width = w > *width ? w : *width;
}

static widths widths_of(const fv_quantizing *q) {
    widths w = {5, 2, 6};
    for (int i = 0; i < q->n; i++) {
        widen(&w.name, q->items[i].name);
        widen(&w.op, q->items[i].op);
        widen(&w.weight, q->items[i].weight);
    }
    return w;
}

static bool has_alone(const fv_quantizing *q) {
    return q->wanted.budget >= 0;
}

static void print_layer(const fv_quantizing *q, int i, const widths *w) {
    fv_arena *a = q->c->arena;
    const fv_quant_item *it = &q->items[i];
    fv_out("%-*s  %-*s  %-*s  %-5s  %9s  %8s", w->name, it->name, w->op, it->op, w->weight,
           it->weight, fv_quant_type_name(q->plan.types[i]), fv_size_str(a, bytes_of(q, i)),
           error_str(a, it->here));
    for (int t = 0; t < q->wanted.ntypes && has_alone(q); t++)
        fv_out("  %11s", error_str(a, it->alone[q->wanted.types[t]]));
    fv_out("%s%s\n", *reason_of(q, i) ? "  " : "", reason_of(q, i));
}

static void print_table(const fv_quantizing *q) {
    fv_arena *a = q->c->arena;
    widths w = widths_of(q);
    if (!q->n)
        return;
    fv_out("%-*s  %-*s  %-*s  %-5s  %9s  %8s", w.name, "layer", w.op, "op", w.weight, "weight",
           "type", "bytes", "error");
    for (int t = 0; t < q->wanted.ntypes && has_alone(q); t++)
        fv_out("  %11s", fv_printf(a, "alone %s", fv_quant_type_name(q->wanted.types[t])));
    fv_out("\n");
    for (int i = 0; i < q->n; i++)
        print_layer(q, i, &w);
    fv_out("\n");
}

static const char *data_str(const fv_quantizing *q) {
    const fv_data_args *d = &q->c->args->data;
    if (q->sets)
        return fv_printf(q->c->arena, "%d data set%s", q->nsets, q->nsets > 1 ? "s" : "");
    return d->data_set || d->inputs.n ? "the given inputs" : "random inputs";
}

static void print_text(const fv_quantizing *q, const char *out) {
    fv_arena *a = q->c->arena;
    uint64_t before = file_bytes(a, q->path), after = file_bytes(a, out);
    if (!q->c->args->print.quiet)
        print_table(q);
    if (q->c->args->print.quiet)
        return;
    fv_out("layers     %s\n", counts_str(q));
    if (before && after)
        fv_out("size       %s, was %s\n", fv_size_str(a, after), fv_size_str(a, before));
    if (q->plan.error < 0)
        fv_out("error      not measured: on %s the outputs have no element that is a number\n",
               data_str(q));
    else
        fv_out("error      %s of the outputs, on %s\n", error_str(a, q->plan.error), data_str(q));
    if (q->wanted.budget >= 0)
        fv_out("budget     %.3g, %d runs of the model\n", q->wanted.budget, q->trials);
}

/* ---- JSON ---- */

static json_t *error_json(double e) {
    return e < 0 ? json_null() : fv_json_real(e);
}

static json_t *layer_json(const fv_quantizing *q, int i) {
    const fv_quant_item *it = &q->items[i];
    json_t *o = json_object(), *alone = json_object();
    fv_json_set_text(o, "layer", it->name);
    fv_json_set_text(o, "op", it->op);
    fv_json_set_text(o, "weight", it->weight);
    fv_json_set_text(o, "type", fv_quant_type_name(q->plan.types[i]));
    fv_json_set_int(o, "bits", it->bits);
    fv_json_set_int(o, "bytes_before", (int64_t)it->bytes[FV_QUANT_F32]);
    fv_json_set_int(o, "bytes", (int64_t)bytes_of(q, i));
    fv_json_set(o, "error", error_json(it->here));
    for (int t = 0; t < q->wanted.ntypes; t++)
        if (it->alone[q->wanted.types[t]] >= 0)
            fv_json_set(alone, fv_quant_type_name(q->wanted.types[t]),
                        error_json(it->alone[q->wanted.types[t]]));
    fv_json_set(o, "alone", alone);
    fv_json_set_text(o, "why", *reason_of(q, i) ? reason_of(q, i) : NULL);
    return o;
}

static bool print_json(const fv_quantizing *q, const char *out) {
    json_t *o = fv_json_document(), *list = json_array();
    fv_json_set_text(o, "model", q->path);
    fv_json_set_text(o, "output", out);
    fv_json_set_int(o, "bytes_before", (int64_t)file_bytes(q->c->arena, q->path));
    fv_json_set_int(o, "bytes", (int64_t)file_bytes(q->c->arena, out));
    fv_json_set(o, "error", error_json(q->plan.error));
    fv_json_set(o, "budget", error_json(q->wanted.budget));
    fv_json_set_int(o, "runs", q->trials);
    for (int i = 0; i < q->n; i++)
        fv_json_append(list, layer_json(q, i));
    fv_json_set(o, "layers", list);
    return fv_json_print(q->c->session, o);
}

bool fv_quant_report(const fv_quantizing *q, const char *out) {
    if (q->c->args->print.json)
        return print_json(q, out);
    print_text(q, out);
    return true;
}
