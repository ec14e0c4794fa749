/* command.c - `fovea quantize`: weights of a model become narrow, and the errors are measured. */
#include <string.h>

#include "ir/graph/verify.h"
#include "tools/command/progress.h"
#include "tools/quantize/quantize.h"

/* ---- options ---- */

static bool choose_types(const fv_args *a, fv_quant_wanted *w) {
    bool chosen[FV_QUANT_TYPES] = {false};
    const char *text = a->quantize.to;
    if (!text)
        text = a->quantize.search ? "f16,int8,int4" : "int8";
    do {
        char word[16];
        size_t n = strcspn(text, ",");
        fv_quant_type t;
        snprintf(word, sizeof word, "%.*s", n < sizeof word ? (int)n : 0, text);
        if (!fv_quant_type_parse(word, &t))
            return fv_usage(a, "--to takes int8, int4, bf16 or f16, not '%.*s'", (int)n, text) ==
                   FV_EXIT_OK;
        chosen[t] = true;
        text += n;
    } while (*text++ == ',');
    for (int t = FV_QUANT_F16; t < FV_QUANT_TYPES; t++)
        if (chosen[t])
            w->types[w->ntypes++] = (fv_quant_type)t;
    return w->ntypes == 1 || a->quantize.search ||
           fv_usage(a, "--to takes several types only with --search, which chooses among them") ==
               FV_EXIT_OK;
}

static bool is_method(const char *m) {
    return !strcmp(m, "minmax") || !strcmp(m, "percentile") || !strcmp(m, "entropy");
}

/* Reports the first combination of options that has no meaning. */
static bool check_options(fv_context *c, const fv_quant_wanted *w) {
    const fv_args *a = c->args;
    const fv_quantize_args *q = &a->quantize;
    const char *wrong = fv_quant_block_wrong(c->arena, w->types[w->ntypes - 1], q->block);
    if (!a->result.output)
        wrong = "-o OUT is missing: the model that is written";
    else if (!strcmp(a->operand[0], "-"))
        wrong = "the model is read several times: standard input is read once, write it to a file";
    else if (q->search && q->budget < 0)
        wrong = "--search needs --budget: it narrows layers within it";
    else if (q->zero_points && !fv_quant_has_scales(w->types[w->ntypes - 1]))
        wrong = fv_printf(c->arena, "%s has no zero points",
                          fv_quant_type_name(w->types[w->ntypes - 1]));
    else if (q->reduce_range && (w->ntypes > 1 || w->types[0] != FV_QUANT_INT8 || q->block))
        wrong = "--reduce-range is for int8 with a scale for each channel";
    else if (q->reduce_range && q->weights_only)
        wrong = "--reduce-range is for products of integers, which --weights-only does not make";
    else if (q->calibrate && (a->data.inputs.n || a->data.data_set))
        wrong = "--calibrate has the inputs: --input and --data-set do not apply";
    else if (q->calibrate && q->weights_only)
        wrong = "--weights-only leaves activations as they are: there is nothing to calibrate";
    else if (q->range && !q->calibrate)
        wrong = "--range needs --calibrate";
    else if (q->range && !is_method(q->range))
        wrong =
            fv_printf(c->arena, "--range takes minmax, percentile or entropy, not '%s'", q->range);
    else if (q->percentile >= 0 && (!q->range || strcmp(q->range, "percentile")))
        wrong = "--percentile needs --range=percentile";
    else if (q->percentile >= 0 && (q->percentile < 50 || q->percentile > 100))
        wrong = "--percentile takes a number from 50 to 100";
    return !wrong || fv_usage(a, "%s", wrong) == FV_EXIT_OK;
}

static bool choose(fv_quantizing *q) {
    const fv_quantize_args *a = &q->c->args->quantize;
    fv_quant_wanted *w = &q->wanted;
    w->block = a->block;
    w->zero_points = a->zero_points;
    w->reduced = a->reduce_range;
    w->standard = a->qdq;
    w->budget = a->budget;
    w->input = a->weights_only ? FV_QUANT_WEIGHTS
               : a->calibrate  ? FV_QUANT_STATIC
                               : FV_QUANT_DYNAMIC;
    return choose_types(q->c->args, w) && check_options(q->c, w);
}

/* The kind of file that -o names, ONNX or graph IR, and where the weights of ONNX go. */
static bool choose_output(const fv_args *a, fv_emit_kind *kind, fv_weights_kind *weights) {
    *kind = fv_emit_by_suffix(a->result.output);
    *weights = a->result.weights ? fv_weights_by_name(a->result.weights) : FV_WEIGHTS_AUTO;
    if (*kind != FV_EMIT_ONNX && *kind != FV_EMIT_IR)
        return fv_usage(a, "-o %s: the name ends in .onnx or .fvir", a->result.output) ==
               FV_EXIT_OK;
    return !a->result.weights ||
           (*kind == FV_EMIT_ONNX &&
            (*weights == FV_WEIGHTS_OBJECT || *weights == FV_WEIGHTS_FILE)) ||
           fv_usage(a,
                    "--weights takes object, in the ONNX model, and file, in a file next to it") ==
               FV_EXIT_OK;
}

/* ---- layers ---- */

/* Can the value become an output, to be looked at? */
static bool is_shown(const fv_value *v) {
    return v->type->rank <= FV_ARRAY_RANK;
}

static fv_quant_item item_of(const fv_quantizing *q, const fv_quant_layer *l, int i) {
    fv_arena *a = q->c->arena;
    const fv_value *w = l->op->in[l->weight];
    fv_quant_item it = {.name = fv_strdup(a, l->name),
                        .op = fv_strdup(a, fv_opdef_qualified(a, l->op->def)),
                        .weight = fv_type_str(a, w->type),
                        .here = FV_NOT_MEASURED};
    if (!l->of_branch && l->op->out[0] && is_shown(l->op->out[0]))
        it.result = fv_strdup(a, l->op->out[0]->name);
    if (l->why_not)
        it.why_not = fv_strdup(a, l->why_not);
    for (int t = 0; t < FV_QUANT_TYPES; t++) {
        fv_quant_how how = fv_quant_how_of(q, i, (fv_quant_type)t);
        it.alone[t] = FV_NOT_MEASURED;
        it.bytes[t] = fv_quant_bytes(l, &how);
    }
    const fv_quant_how how = {.type = FV_QUANT_INT8, .input = FV_QUANT_STATIC};
    if (!l->of_branch && fv_quant_takes_input(l, &how) && is_shown(l->op->in[l->activation]))
        it.input.name = fv_strdup(a, l->op->in[l->activation]->name);
    const fv_value *averaged = it.input.name ? fv_quant_averaged(l) : NULL;
    if (averaged && is_shown(averaged))
        it.averaged.name = fv_strdup(a, averaged->name);
    return it;
}

static bool skip_all(const fv_quantizing *q, fv_quant_layer *layers, int n) {
    const fv_list_arg *list = &q->c->args->quantize.skip;
    for (int i = 0; i < list->n; i++) {
        const char *wrong = fv_quant_skip(q->c->arena, layers, n, list->at[i]);
        if (wrong)
            return fv_error(q->c->session, "--skip=%s: %s", list->at[i], wrong);
    }
    return true;
}

/* Lists the layers of the model. The list does not refer to the module, which changes later. */
static bool list_layers(fv_quantizing *q, const fv_module *from) {
    fv_module *m = (fv_module *)from;
    int n;
    fv_quant_layer *layers = fv_quant_layers(m->arena, m, &n);
    if (!n)
        return fv_error(q->c->session, "has no weights of f32 that could be quantized: constants "
                                       "that MatMul, Gemm, Conv, Gather and the like read");
    if (!skip_all(q, layers, n))
        return false;
    q->items = FV_NEW(q->c->arena, fv_quant_item, n + 1);
    q->n = n;
    for (int i = 0; i < n; i++)
        q->items[i] = item_of(q, &layers[i], i);
    q->plan.types = FV_NEW(q->c->arena, fv_quant_type, n + 1);
    return true;
}

/* ---- the work ---- */

static bool read_model(fv_context *c, fv_source *source, fv_driver_options *o) {
    if (!fv_args_driver(c, o, true))
        return false;
    fv_progress_phase(c->args, c->args->operand[0], "reads the model");
    if (!fv_driver_read(c->session, c->args->operand[0], o, source))
        return false;
    if (!source->module || source->module->definitions)
        return fv_error(c->session, "holds %s, no graph",
                        source->module ? "definitions" : "kernels");
    return fv_module_verify(source->module, NULL);
}

/* Chooses the type of each layer: the type of --to, or, if there is a budget for the error, the
 * types that keep it. */
static bool decide(fv_quantizing *q) {
    if (q->wanted.budget >= 0) {
        q->most = q->trials + q->n * q->wanted.ntypes + 10;
        q->most += q->c->args->quantize.search ? q->n * q->wanted.ntypes : 0;
        return fv_quant_measure_alone(q) &&
               (q->c->args->quantize.search ? fv_quant_search(q) : fv_quant_keep_sensitive(q));
    }
    for (int i = 0; i < q->n; i++)
        q->plan.types[i] = q->items[i].why_not ? FV_QUANT_F32 : q->wanted.types[0];
    return fv_quant_error(q, q->plan.types, "the quantized model", &q->plan.error);
}

static bool write_model(fv_quantizing *q, fv_source *source, const fv_driver_options *o,
                        fv_emit_kind kind, fv_weights_kind weights) {
    static const char *const dead[] = {"remove-dead", NULL};
    fv_context *c = q->c;
    const char *out = c->args->result.output;
    fv_progress_phase(c->args, c->args->operand[0], "writes %s", out);
    if (!fv_spares_models(c, "-o ", out) || !fv_quant_apply(q, source->module, q->plan.types))
        return false;
    if (kind == FV_EMIT_ONNX)
        return fv_driver_write_onnx(c->session, source->module, out, weights, o->work.pipeline);
    return fv_run_passes(source->module, dead, o->work.pipeline) &&
           fv_driver_write_ir(c->session, source->module, NULL, out);
}

static bool measure(fv_quantizing *q) {
    const fv_quantize_args *a = &q->c->args->quantize;
    if (a->calibrate && !fv_quant_find_sets(q, a->calibrate))
        return false;
    q->nsets = q->sets ? q->nsets : 1;
    if (!fv_quant_reference(q))
        return false;
    if (a->calibrate && !fv_quant_calibrate(q, a->range ? a->range : "minmax",
                                            a->percentile >= 0 ? a->percentile : 99.99))
        return false;
    return decide(q) && fv_quant_measure_layers(q);
}

int fv_cmd_quantize(fv_context *c) {
    fv_quantizing *q = FV_NEW(c->arena, fv_quantizing, 1);
    fv_driver_options o;
    fv_source source;
    fv_emit_kind kind;
    fv_weights_kind weights;
    fv_backend_kind backends[FV_MOST_BACKENDS];
    int nbackends = fv_args_backends(c->args, backends);
    if (nbackends != 1)
        return nbackends ? fv_usage(c->args, "--backend takes one of jit, c and interp")
                         : FV_EXIT_USAGE;
    *q = (fv_quantizing){.c = c, .backend = backends[0], .path = c->args->operand[0]};
    if (!choose(q) || !choose_output(c->args, &kind, &weights))
        return FV_EXIT_USAGE;
    if (!read_model(c, &source, &o) || !list_layers(q, source.module))
        return fv_refused(c);
    bool ok = measure(q);
    fv_progress_end();
    ok = ok && write_model(q, &source, &o, kind, weights) &&
         (!c->args->quantize.chart || fv_quant_write_chart(q, c->args->quantize.chart)) &&
         fv_quant_report(q, c->args->result.output);
    return ok ? FV_EXIT_OK : fv_failed(c);
}
