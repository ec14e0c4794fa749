/* opt.c - `fovea opt`: runs passes on a graph, and writes the graph. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "ir/definition/step_names.h"
#include "ir/graph/print.h"
#include "tools/command/named.h"
#include "tools/command/progress.h"
#include "tools/command/report.h"
#include "tools/lab/bisect.h"
#include "tools/lab/explain.h"
#include "tools/model/model.h"

/* ---- --list-passes ---- */

static const char levels[] = "0123s";

static json_t *pipeline_json(char level) {
    json_t *list = json_array();
    for (const char *const *p = fv_pipeline(level); *p; p++)
        fv_json_append(list, fv_json_text(*p));
    return list;
}

static json_t *purposes_json(void) {
    json_t *o = json_object();
    for (const char *l = levels; *l; l++)
        fv_json_set_text(o, (char[]){'O', *l, 0}, fv_pipeline_shipped(*l)->purpose);
    return o;
}

/* The effort of code generation at a level: LLVM's optimization of code, and the option of the C
 * compiler for --backend=c. */
static json_t *code_json(char level) {
    json_t *o = json_object();
    fv_json_set(o, "llvm", json_integer(fv_driver_llvm(level).level));
    fv_json_set_bool(o, "small", fv_driver_llvm(level).small);
    fv_json_set_text(o, "cc", (char[]){'-', 'O', level, 0});
    return o;
}

static json_t *orders_json(const fv_pass *p) {
    json_t *list = json_array();
    for (int i = 0; fv_pass_order_at(i); i++) {
        const fv_pass_order *o = fv_pass_order_at(i);
        if (o->pass != p)
            continue;
        json_t *order = json_object();
        fv_json_set_text(order, o->kind == FV_PASS_AGAIN ? "again_after" : "after", o->other->name);
        fv_json_set_text(order, "why", o->why);
        fv_json_append(list, order);
    }
    return list;
}

static json_t *steps_json(void) {
    json_t *list = json_array();
    for (int i = 0; fv_step_name_at(i); i++) {
        const fv_step_name *s = fv_step_name_at(i);
        json_t *o = json_object();
        fv_json_set_text(o, "name", s->name);
        fv_json_set_text(o, "step", s->id);
        fv_json_set_text(o, "doc", s->doc);
        if (s->needed)
            fv_json_set_text(o, "needed", s->needed);
        fv_json_append(list, o);
    }
    return list;
}

static int list_json(fv_context *c) {
    json_t *d = fv_json_document(), *passes = json_array(), *pipelines = json_object(),
           *code = json_object();
    for (int i = 0; fv_pass_at(i); i++) {
        json_t *p = json_object();
        fv_json_set_text(p, "name", fv_pass_at(i)->name);
        fv_json_set_text(p, "doc", fv_pass_at(i)->doc);
        fv_json_set(p, "order", orders_json(fv_pass_at(i)));
        if (fv_pass_needed(fv_pass_at(i)))
            fv_json_set_text(p, "needed", fv_pass_needed(fv_pass_at(i)));
        if (fv_pass_asked(fv_pass_at(i)))
            fv_json_set_text(p, "asked_for", fv_pass_asked(fv_pass_at(i)));
        fv_json_append(passes, p);
    }
    for (const char *l = levels; *l; l++) {
        fv_json_set(pipelines, (char[]){'O', *l, 0}, pipeline_json(*l));
        fv_json_set(code, (char[]){'O', *l, 0}, code_json(*l));
    }
    fv_json_set(d, "passes", passes);
    fv_json_set(d, "steps", steps_json());
    fv_json_set(d, "levels", pipelines);
    fv_json_set(d, "purposes", purposes_json());
    fv_json_set(d, "code", code);
    return fv_json_print(c->session, d) ? FV_EXIT_OK : FV_EXIT_MODEL;
}

static void print_orders(const fv_pass *p) {
    if (fv_pass_needed(p))
        fv_out("%15s   needed: %s\n", "", fv_pass_needed(p));
    if (fv_pass_asked(p))
        fv_out("%15s   where --enable names it: %s\n", "", fv_pass_asked(p));
    for (int i = 0; fv_pass_order_at(i); i++) {
        const fv_pass_order *o = fv_pass_order_at(i);
        if (o->pass == p)
            fv_out("%15s   %safter %s: %s\n", "", o->kind == FV_PASS_AGAIN ? "again " : "",
                   o->other->name, o->why);
    }
}

static void print_steps(void) {
    fv_out("\nsteps of lowering, from a graph to kernels\n");
    for (int i = 0; fv_step_name_at(i); i++) {
        const fv_step_name *s = fv_step_name_at(i);
        fv_out("%-15s %s%s%s%s\n", s->name, s->doc, strcmp(s->id, s->name) ? " (step '" : "",
               strcmp(s->id, s->name) ? s->id : "", strcmp(s->id, s->name) ? "')" : "");
        if (s->needed)
            fv_out("%15s   needed: %s\n", "", s->needed);
    }
}

/* Prints for each level its passes, the optimization of LLVM, and the option of the C compiler for
 * --backend=c. */
static void print_levels(void) {
    fv_out("\npipelines of levels\n");
    for (const char *l = levels; *l; l++) {
        fv_out("-O%c             %s\n%15s  ", *l, fv_pipeline_shipped(*l)->purpose, "");
        for (const char *const *p = fv_pipeline(*l); *p; p++)
            fv_out(" %s", *p);
        fv_out("\n%15s   code: level %d of LLVM%s, -O%c of the C compiler of --backend=c\n", "",
               fv_driver_llvm(*l).level, fv_driver_llvm(*l).small ? ", small functions" : "", *l);
    }
}

static int list_passes(fv_context *c) {
    if (c->args->print.json)
        return list_json(c);
    for (int i = 0; fv_pass_at(i); i++) {
        fv_out("%-15s %s\n", fv_pass_at(i)->name, fv_pass_at(i)->doc);
        print_orders(fv_pass_at(i));
    }
    print_steps();
    print_levels();
    return FV_EXIT_OK;
}

static int print_pipeline(fv_context *c) {
    fv_driver_options o;
    fv_pipeline_table p;
    fv_text t = {.arena = c->arena};
    if (!fv_args_driver(c, &o, false) || !fv_driver_pipeline(c->arena, &o, &p))
        return fv_refused(c);
    fv_pipeline_print(&t, &p);
    fv_put_text(stdout, t.s);
    return FV_EXIT_OK;
}

/* ---- all ---- */

static bool is_graph(fv_emit_kind k) {
    return k == FV_EMIT_IR || k == FV_EMIT_ONNX;
}

/* The kind of output: the one that --emit names, otherwise the one of -o's suffix, otherwise graph
 * IR. False after a message. */
static bool choose_kind(const fv_args *a, fv_emit_kind *kind) {
    fv_emit_kind end = a->result.output ? fv_emit_by_suffix(a->result.output) : FV_EMIT_NONE;
    *kind = a->result.emit        ? fv_emit_by_name(a->result.emit)
            : end == FV_EMIT_NONE ? FV_EMIT_IR
                                  : end;
    if (a->result.emit && !is_graph(*kind))
        fv_usage(a, "--emit %s: opt writes ir and onnx; `fovea compile` writes the rest",
                 a->result.emit);
    else if (!is_graph(*kind) || (end != FV_EMIT_NONE && end != *kind))
        fv_usage(a,
                 "-o %s: opt writes graph IR, a .fvir, and .onnx; `fovea compile` writes the rest",
                 a->result.output);
    else if (*kind == FV_EMIT_ONNX && !a->result.output)
        fv_usage(a, "--emit onnx: where to? -o OUT.onnx, or -o - for standard output");
    else
        return true;
    return false;
}

/* Reads --weights, which applies to ONNX models only. False after a message. */
static bool choose_weights(const fv_args *a, fv_emit_kind kind, fv_weights_kind *weights) {
    *weights = a->result.weights ? fv_weights_by_name(a->result.weights) : FV_WEIGHTS_AUTO;
    if (!a->result.weights)
        return true;
    if (kind != FV_EMIT_ONNX)
        return fv_usage(a, "--weights is for ONNX: the constants of a text are in a file next to "
                           "it, .bin") == FV_EXIT_OK;
    return *weights == FV_WEIGHTS_OBJECT || *weights == FV_WEIGHTS_FILE ||
           fv_usage(a,
                    "--weights %s: an ONNX model takes object, in the model, and file, in a file "
                    "next to it",
                    a->result.weights) == FV_EXIT_OK;
}

/* Prints the graph for people, with a hint how to get the complete text. */
static void print_graph(fv_context *c, const fv_module *m) {
    fv_text t = {.arena = c->arena};
    fv_module_print(&t, m, NULL, NULL);
    fv_put_text(stdout, t.s);
    if (!fv_is_terminal(STDOUT_FILENO) && fv_module_is_elided(m))
        fv_note(c, "larger constants are left out; -o - writes them, too");
}

/* The passes of --standard: `standardise` and then the named passes; if none is named, also those
 * that write attention as the standard's operator. */
static const char *const *with_standard(fv_context *c, const char *const *passes) {
    static const char *const alone[] = {"standardise", "legalise",        "fold-constants",
                                        "remove-dead", "write-attention", "remove-dead",
                                        NULL};
    const char **list = NULL;
    int n = 0, cap = 0;
    if (!passes)
        return alone;
    FV_PUSH(c->arena, list, n, cap, alone[0]);
    for (const char *const *p = passes; *p; p++)
        FV_PUSH(c->arena, list, n, cap, *p);
    FV_PUSH(c->arena, list, n, cap, NULL);
    return list;
}

static int no_node(fv_context *c, const fv_module *m) {
    fv_name_list names = {0};
    fv_list_names(c->arena, &names, m);
    FV_PUSH(c->arena, names.at, names.n, names.cap, NULL);
    const char *given = c->args->rewrite.only_node,
               *near = fv_nearest(fv_name_given(c->arena, given), names.at);
    if (near)
        return fv_usage(c->args,
                        "--only-node %s: there is no such node or value; did you mean '%s'?", given,
                        near);
    return fv_usage(c->args, "--only-node %s: there is no such node or value", given);
}

int fv_cmd_opt(fv_context *c) {
    const fv_args *a = c->args;
    fv_driver_options o;
    fv_source source;
    fv_emit_kind kind;
    fv_weights_kind weights;
    if (a->rewrite.list_passes)
        return list_passes(c);
    if (a->rewrite.print_pipeline)
        return print_pipeline(c);
    if (a->rewrite.only_node && (a->rewrite.bisect || a->rewrite.bisect_test))
        return fv_usage(a, "--bisect looks at all changes: --only-node does not apply");
    if (a->rewrite.bisect || a->rewrite.bisect_test)
        return fv_bisect(c);
    if (a->data.inputs.n || a->data.data_set || a->code.backend)
        return fv_usage(a, "%s needs --bisect",
                        a->data.inputs.n   ? "--input"
                        : a->data.data_set ? "--data-set"
                                           : "--backend");
    if (!choose_kind(a, &kind) || !choose_weights(a, kind, &weights) ||
        !fv_args_driver(c, &o, false))
        return fv_refused(c);
    if (a->rewrite.standard && a->code.level)
        return fv_usage(a,
                        "--standard runs the passes of no level: -O%c does not apply; --passes=A,B "
                        "runs some after it",
                        a->code.level);
    if (a->rewrite.standard)
        o.work.passes = with_standard(c, o.work.passes);
    if (!fv_dump_begin(c, &o, false))
        return fv_refused(c);
    if (a->rewrite.explain)
        return fv_explain_rule(c, &o);
    if (a->print.json)
        return fv_usage(a, "--json applies to --list-passes only: a graph is text");
    fv_report_passes(c, &o);
    fv_progress_phase(a, a->operand[0], "reads the model");
    if (!fv_driver_read(c->session, a->operand[0], &o, &source))
        return fv_failed(c);
    if (!source.module || source.module->definitions) {
        fv_error(c->session, "holds %s; passes are for graphs",
                 source.module ? "definitions" : "kernels");
        return FV_EXIT_MODEL;
    }
    if (a->rewrite.only_node &&
        !fv_module_has_name(source.module, fv_name_given(c->arena, a->rewrite.only_node)))
        return no_node(c, source.module);
    if (!fv_driver_passes(source.module, &o))
        return fv_failed(c);
    if (a->result.output)
        fv_progress_phase(a, a->operand[0], "writes %s", a->result.output);
    if (!a->result.output)
        print_graph(c, source.module);
    else if (kind == FV_EMIT_ONNX) {
        if (!fv_spares_models(c, "-o ", a->result.output) ||
            !fv_driver_write_onnx(c->session, source.module, a->result.output, weights,
                                  o.work.pipeline))
            return fv_failed(c);
    } else if (!fv_driver_write_ir(c->session, source.module, NULL, a->result.output))
        return fv_failed(c);
    /* fails also if a file of --dump-dir could not be written */
    return fv_error_count(c->session) ? fv_failed(c) : FV_EXIT_OK;
}
