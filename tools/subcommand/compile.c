/* compile.c - `fovea compile`: compiles a model to files. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "backend/c/emit.h"
#include "backend/consumer/consumer.h"
#include "frontend/file.h"
#include "tools/command/progress.h"
#include "tools/command/report.h"
#include "tools/model/attention.h"
#include "tools/model/device.h"
#include "tools/model/parts.h"
#include "tools/subcommand/budget.h"
#include "tools/subcommand/compile.h"

typedef struct result {
    fv_emit_kind kind;
    const char *out;
    fv_module *graph;                  /* the graph that was read; NULL: a program was */
    fv_program *program;               /* the program; NULL: the files were written without one */
    fv_driver_machine machine;         /* the targets, if there are several */
    size_t unshared;                   /* bytes of weights that only some of several targets use */
    fv_program *levels[FV_MAX_LEVELS]; /* the programs for several targets */
    fv_weights_kind weights;
    bool header; /* whether a library or object gets a header */
    fv_attention_query attention;
    bool is_device; /* whether `device` is known: the target is a microcontroller, the kind C */
    fv_device device;
    fv_c_layout layout;
    fv_budget budget;
    const fv_compiled_parts *parts; /* the parts of which this is one; NULL: it is a model */
} result;

/* ---- which file is written, and where ---- */

/* Checks that the suffix of -o's path does not contradict --emit. */
static bool agrees(const fv_args *a, const result *r) {
    fv_emit_kind end = a->result.output ? fv_emit_by_suffix(a->result.output) : FV_EMIT_NONE;
    if (r->kind == FV_EMIT_C && a->result.output && !strcmp(a->result.output, "-"))
        return fv_usage(a, "C is more than one file: -o NAME.c or -o NAME/") == FV_EXIT_OK;
    if (r->kind == FV_EMIT_ONNX)
        return fv_usage(a, "`fovea opt` writes ONNX: a model is not compiled for that") ==
               FV_EXIT_OK;
    if (end == FV_EMIT_NONE || end == r->kind ||
        (end == FV_EMIT_KERNELS && r->kind == FV_EMIT_EXPANDED))
        return true;
    return fv_usage(a, "--emit %s writes another kind of file than -o %s says", a->result.emit,
                    a->result.output) == FV_EXIT_OK;
}

static bool choose_kind(fv_context *c, result *r) {
    const fv_args *a = c->args;
    if (!a->result.emit) {
        r->kind = a->result.output    ? fv_emit_by_suffix(a->result.output)
                  : fv_llvm_missing() ? FV_EMIT_C
                                      : FV_EMIT_SO;
        if (r->kind == FV_EMIT_NONE)
            fv_usage(a,
                     "-o %s does not say what to write: end it in .so .dll .dylib .o .a .c .ll .s "
                     ".fvir .fvd .fvk or, for a folder of C, in /; or say --emit",
                     a->result.output);
        return r->kind != FV_EMIT_NONE && agrees(a, r);
    }
    r->kind = fv_emit_by_name(a->result.emit);
    if (r->kind != FV_EMIT_NONE)
        return agrees(a, r);
    const char *near = fv_nearest(a->result.emit, fv_emit_names());
    if (near)
        fv_usage(a, "--emit %s: did you mean '%s'?", a->result.emit, near);
    else
        fv_usage(a, "--emit %s: there are %s", a->result.emit,
                 fv_names_str(c->arena, fv_emit_names()));
    return false;
}

static bool is_text(fv_emit_kind k) {
    return k == FV_EMIT_IR || k == FV_EMIT_DEFINITIONS || k == FV_EMIT_KERNELS ||
           k == FV_EMIT_EXPANDED;
}

/* Does a file of this kind define C names that programs use? A shared library is used through its
 * table. */
static bool has_names(fv_emit_kind k) {
    return k != FV_EMIT_SO && k != FV_EMIT_NONE && !is_text(k);
}

static bool choose_weights(fv_context *c, result *r) {
    const fv_args *a = c->args;
    if (!a->result.weights)
        return true;
    r->weights = fv_weights_by_name(a->result.weights);
    if (r->weights == FV_WEIGHTS_AUTO)
        return fv_usage(a, "--weights %s: there are %s", a->result.weights,
                        fv_names_str(c->arena, fv_weights_names())) == FV_EXIT_OK;
    if (is_text(r->kind))
        return fv_usage(a, "--weights is for code: the constants of a text are in a file next to "
                           "it, .bin") == FV_EXIT_OK;
    if (r->kind != FV_EMIT_C && (r->weights == FV_WEIGHTS_INCBIN || r->weights == FV_WEIGHTS_TEXT))
        return fv_usage(a, "--weights=%s is for C; --emit=%s takes object and file",
                        a->result.weights,
                        a->result.emit ? a->result.emit : fv_emit_name(r->kind)) == FV_EXIT_OK;
    return true;
}

/* Checks --replaceable, which is for a file of weights that code of one target reads. */
static bool choose_replaceable(const fv_context *c, const result *r) {
    return !c->args->result.replaceable || r->weights == FV_WEIGHTS_FILE ||
           fv_usage(c->args, "--replaceable is for weights in a file: say --weights=file") ==
               FV_EXIT_OK;
}

/* Checks --header: C always has a header, and texts have none. */
static bool choose_header(fv_context *c, result *r) {
    const char *header = c->args->result.header;
    bool is_code = r->kind == FV_EMIT_SO || r->kind == FV_EMIT_OBJ || r->kind == FV_EMIT_LIB;
    r->header = is_code && (!header || !strcmp(header, "yes"));
    if (!header)
        return true;
    if (strcmp(header, "yes") != 0 && strcmp(header, "no") != 0)
        return fv_usage(c->args, "--header takes yes or no, not '%s'", header) == FV_EXIT_OK;
    return is_code || fv_usage(c->args, "--header is for libraries and objects; %s",
                               r->kind == FV_EMIT_C ? "C always has its header"
                                                    : "other files have none") == FV_EXIT_OK;
}

static bool choose_layout(fv_context *c, result *r) {
    const fv_args *a = c->args;
    const char *out = a->result.output;
    size_t n = out ? strlen(out) : 0;
    if (!a->result.layout)
        return true;
    if (!fv_c_layout_by_name(a->result.layout, &r->layout))
        return fv_usage(a, "--layout %s: there are %s", a->result.layout,
                        fv_names_str(c->arena, fv_c_layout_names())) == FV_EXIT_OK;
    if (r->kind != FV_EMIT_C || n == 0 || out[n - 1] != '/')
        return fv_usage(a, "--layout is for a folder of C: say -o NAME/") == FV_EXIT_OK;
    const char *name = fv_emit_stem(c->arena, out);
    if (!fv_c_layout_takes(r->layout, name))
        return fv_usage(a, "--layout=%s: CMake reserves the name '%s': give the folder another one",
                        a->result.layout, name) == FV_EXIT_OK;
    if (r->layout != FV_C_PLAIN &&
        (r->weights == FV_WEIGHTS_OBJECT || r->weights == FV_WEIGHTS_FILE))
        return fv_usage(a, "--layout=%s takes sources only: --weights=text or incbin",
                        a->result.layout) == FV_EXIT_OK;
    return true;
}

static const char *default_output(fv_context *c, const char *model, fv_emit_kind kind,
                                  const fv_target *target) {
    const char *stem = strcmp(model, "-") ? fv_path_stem(c->arena, model) : "model";
    fv_system system = target ? target->system : FV_SYSTEM_ELF;
    return fv_printf(c->arena, "%s%s", stem, fv_emit_suffix_on(kind, system));
}

/* The path of a file for messages and the summary: that of a part after all are compiled. */
static const char *shown(fv_context *c, const result *r, const char *path) {
    return r->parts
               ? fv_printf(c->arena, "%s%s", r->parts->folder, path + strlen(r->parts->staging))
               : path;
}

/* ---- the work ---- */

typedef struct check {
    fv_context *c;
    result *r;
} check;

/* ---- limits of a microcontroller ---- */

/* Sets *dims to the values of dims that a run has by default, and *where to them as a text. */
static bool usual_dims(fv_context *c, fv_program *p, int64_t **dims, const char **where) {
    fv_subject m = {.program = p, .table = fv_program_model(c->arena, p, NULL)};
    m.source.kind = FV_FILE_ONNX; /* so that --dim is not applied again: the graph has its dims */
    m.data.dims = FV_NEW(c->arena, int64_t, p->symbols.n + 1);
    m.data.known = FV_NEW(c->arena, unsigned char, p->symbols.n + 1);
    m.data.given = FV_NEW(c->arena, unsigned char, p->ninputs + 1);
    if (!fv_choose_dims(c, &m, true))
        return false;
    *where = fv_dims_str(c->arena, m.table, m.data.dims);
    *dims = m.data.dims;
    return true;
}

/* For C for a microcontroller: finds the memory and time that the program takes, if they are
 * printed or limited. The options are such that it keeps limits. False after a message. */
static bool look_at_device(fv_context *c, result *r, fv_program *p) {
    const fv_args *a = c->args;
    bool limited = fv_budget_limits(&r->budget);
    const char *where;
    int64_t *dims;
    if (limited && p->target->kind != FV_TARGET_MICRO)
        return fv_error(c->session,
                        "--max-flash and --max-ram are for a microcontroller, such as "
                        "--target=cortex-m4; the target is %s",
                        fv_target_str(c->arena, p->target));
    if (p->target->kind != FV_TARGET_MICRO || r->kind != FV_EMIT_C ||
        (a->print.quiet && !a->print.json && !limited))
        return true;
    if (!usual_dims(c, p, &dims, &where))
        return false;
    if (limited && p->symbols.n)
        return fv_error(c->session,
                        "--max-flash and --max-ram need a model of fixed dims: --dim fixes those "
                        "of %s",
                        where);
    r->is_device = fv_device_of(c, p, dims, &r->device);
    if (limited && !r->is_device)
        return fv_error(c->session, "--max-flash and --max-ram: the workspace is not known");
    return true;
}

/* Called before anything is written; checks --require-fused and limits of memory. */
static bool accept(void *user, fv_program *p) {
    check *k = user;
    fv_progress_end();
    fv_attention_judge(&k->r->attention);
    if (k->c->args->result.require_fused && !fv_attention_require(&k->r->attention))
        return false;
    if (p && !look_at_device(k->c, k->r, p))
        return false;
    if (p)
        fv_progress_phase(k->c->args, k->c->args->operand[0], "%d kernel%s, written to %s",
                          p->nkernels, p->nkernels == 1 ? "" : "s", shown(k->c, k->r, k->r->out));
    return true;
}

/* Checks --require-fused for a target of several. Only for that, the model is lowered once more. */
static bool requires_fused(fv_context *c, const char *model, const fv_driver_options *driver,
                           const fv_target *target) {
    fv_driver_options o = *driver;
    fv_attention_query query;
    fv_source source;
    const fv_message *last = fv_messages_last(c->session);
    o.target.of = target;
    o.answers = (fv_driver_answers){0};
    fv_attention_begin(&query, c, &o);
    bool ok =
        fv_driver_read(c->session, model, &o, &source) && fv_driver_lower(c->session, &source, &o);
    if (ok)
        fv_attention_judge(&query);
    ok = ok && fv_attention_require(&query);
    if (ok) /* they are reported where the model is lowered in order to be written */
        fv_messages_drop(c->session, last);
    fv_messages_merge(c->session, last, fv_printf(c->arena, "for target %s", target->name));
    return ok;
}

/* Checks --require-fused before the model is lowered in order to be written: for models that are
 * written as a graph or as definitions, and for several targets. For this check only, other copies
 * of the graph are read and lowered, because lowering changes it. */
static bool accept_graph(fv_context *c, const char *model, const fv_driver_options *o, result *r) {
    fv_source source;
    check k = {c, r};
    bool graph = r->kind == FV_EMIT_IR || r->kind == FV_EMIT_DEFINITIONS, ok = true;
    if (!c->args->result.require_fused || (!graph && o->target.nlevels < 2))
        return true;
    if (!strcmp(model, "-"))
        return fv_error(c->session, "--require-fused with %s reads the model twice: give a file",
                        graph ? fv_printf(c->arena, "--emit=%s", fv_emit_name(r->kind))
                              : "several targets");
    for (int i = 1; i < o->target.nlevels && ok; i++)
        ok = requires_fused(c, model, o, o->target.levels[i]);
    return ok && (!graph || (fv_driver_read(c->session, model, o, &source) &&
                             fv_driver_lower(c->session, &source, o) && accept(&k, NULL)));
}

static bool write_result(fv_context *c, const char *model, const fv_driver_options *o, result *r) {
    fv_source source;
    if (!fv_spares_models(c, "-o ", r->out) || !accept_graph(c, model, o, r) ||
        !fv_driver_read(c->session, model, o, &source) || !fv_dump_applies(c, &source))
        return false;
    r->graph = source.module;
    check k = {c, r};
    fv_write_options wo = {.level = o->level,
                           .weights = r->weights,
                           .replaceable = c->args->result.replaceable,
                           .header = r->header,
                           .layout = r->layout,
                           .user = &k,
                           .accept = accept};
    bool ok = fv_driver_emit_targets(c->session, &source, o, r->kind, r->out, &wo, &r->program);
    if (ok && source.module && r->program)
        fv_report_steps(c, o);
    return ok;
}

/* ---- the summary ---- */

static int64_t size_of(const char *path) {
    struct stat st;
    return stat(path, &st) ? 0 : (int64_t)st.st_size;
}

/* Computes the workspace for the usual dims, of several targets the largest: *bytes, and the dims
 * as text in *where. */
static bool workspace(fv_context *c, const result *r, size_t *bytes, const char **where) {
    const int n = r->machine.nlevels > 1 ? r->machine.nlevels : 1;
    int status = FV_OK;
    int64_t *dims;
    *bytes = 0;
    if (!usual_dims(c, r->program, &dims, where))
        return false;
    for (int i = 0; i < n && status == FV_OK; i++) {
        size_t of_level = 0;
        status = fv_driver_plan(n > 1 ? r->levels[i] : r->program, dims, &of_level, NULL);
        *bytes = of_level > *bytes ? of_level : *bytes;
    }
    if (status == FV_NO_MEMORY)
        fv_out_of_memory(c->session);
    return status == FV_OK;
}

/* The files that were written. */
static const char *const *files_of(fv_context *c, const result *r) {
    const fv_write_options o = {.weights = r->weights, .header = r->header};
    return fv_driver_files(c->session, c->arena, r->program, r->kind, r->out, &o);
}

/* The declaration of NAME_run from the header that was written; NULL: there is none. */
static const char *declaration(fv_context *c, const result *r) {
    const char *const *files = files_of(c, r);
    const char *run = fv_printf(c->arena, "\nint %s_run(", r->program->name);
    for (int i = 0; files[i]; i++) {
        size_t n = strlen(files[i]);
        fv_file f;
        if (strcmp(files[i] + n - 2, ".h") || !fv_file_map(c->session, c->arena, files[i], &f))
            continue;
        const char *text = fv_strndup(c->arena, (const char *)f.data, f.size),
                   *at = strstr(text, run);
        if (at)
            return fv_strndup(c->arena, at + 1, strcspn(at, ";"));
    }
    return NULL;
}

static const char *how_to_call(fv_context *c, const result *r) {
    const char *name = r->program ? r->program->name : "", *out = shown(c, r, r->out), *text;
    switch (r->kind) {
    case FV_EMIT_SO:
        if (r->program && r->program->target->system != FV_SYSTEM_ELF)
            return fv_printf(c->arena, "const fv_model *fovea_model(void), see fovea_model.h");
        return fv_printf(c->arena, "fv_load(\"%s\", ...) of fovea.h, or `fovea run %s`", out, out);
    case FV_EMIT_OBJ:
    case FV_EMIT_LIB:
        text = declaration(c, r);
        return text
                   ? text
                   : fv_printf(c->arena, "const fv_model *%s_model(void), see fovea_model.h", name);
    case FV_EMIT_C:
        text = declaration(c, r);
        return text ? text : fv_printf(c->arena, "%s_run, see the header", name);
    case FV_EMIT_IR:
    case FV_EMIT_DEFINITIONS:
    case FV_EMIT_KERNELS:
    case FV_EMIT_EXPANDED: return fv_printf(c->arena, "`fovea run %s`", out);
    case FV_EMIT_LLVM:
    case FV_EMIT_ASM:
    case FV_EMIT_ONNX:
    case FV_EMIT_NONE: break;
    }
    return NULL;
}

/* Prints a text for the summary. A declaration may have several lines. Other texts may contain
 * names of the model, and are printed on one line. */
static void print_call(const char *call, bool is_declaration) {
    size_t n = is_declaration ? strcspn(call, "\n") : strlen(call);
    fv_out("call       %.*s\n", (int)n, call);
    for (call += n; *call; call += n) {
        n = strcspn(++call, "\n");
        fv_out("%.*s\n", (int)n, call);
    }
}

/* A number of operations or cycles, from 10000 on with three digits: "4.13 million". */
static const char *count_str(fv_arena *a, double n) {
    return n < 1e4       ? fv_printf(a, "%.0f", n)
           : n < 999500  ? fv_printf(a, "%.3g thousand", n / 1e3)
           : n < 999.5e6 ? fv_printf(a, "%.3g million", n / 1e6)
                         : fv_printf(a, "%.0f million", n / 1e6);
}

static void print_device(fv_context *c, const fv_device *d) {
    fv_arena *a = c->arena;
    const char *how = d->compiler ? fv_printf(a, "by %s %s", d->compiler,
                                              c->args->code.level == 's' ? "-Os" : "-O2")
                                  : "estimated, without a C compiler for the target";
    fv_out("flash      %s: code %s, tables %s, weights %s (%s)\n",
           fv_size_str(a, (uint64_t)fv_device_flash(d)), fv_size_str(a, (uint64_t)d->code),
           fv_size_str(a, (uint64_t)d->tables), fv_size_str(a, (uint64_t)d->weights), how);
    fv_out("RAM        %s: workspace %s, stack %s, besides inputs and outputs\n",
           fv_size_str(a, (uint64_t)fv_device_ram(d)), fv_size_str(a, (uint64_t)d->workspace),
           fv_size_str(a, (uint64_t)d->stack));
    if (d->cycles > 0)
        fv_out("time       about %s cycles, estimated; %s operations on floats\n",
               count_str(a, d->cycles), count_str(a, d->operations));
}

/* States the options that were added so that limits are kept, and what the model takes without. */
static void print_budget(fv_context *c, const fv_budget *b) {
    const fv_device *first = &b->tried[0].device;
    if (b->ntried < 2)
        return;
    fv_out("fits       with %s; as it is it takes %s of flash, %s of RAM\n",
           b->tried[b->ntried - 1].options, fv_size_str(c->arena, (uint64_t)fv_device_flash(first)),
           fv_size_str(c->arena, (uint64_t)fv_device_ram(first)));
}

static void set_device(json_t *d, const fv_device *x) {
    json_t *o = json_object();
    fv_json_set(o, "compiler", x->compiler ? json_string(x->compiler) : json_null());
    fv_json_set_int(o, "code_bytes", x->code);
    fv_json_set_int(o, "table_bytes", x->tables);
    fv_json_set_int(o, "weight_bytes", x->weights);
    fv_json_set_int(o, "flash_bytes", fv_device_flash(x));
    fv_json_set_int(o, "stack_bytes", x->stack);
    fv_json_set_int(o, "ram_bytes", fv_device_ram(x));
    fv_json_set(o, "operations", fv_json_real(x->operations));
    fv_json_set(o, "estimated_cycles", x->cycles > 0 ? fv_json_real(x->cycles) : json_null());
    fv_json_set(d, "device", o);
}

/* The line of the summary with the target, or with all targets. */
static const char *targets_str(fv_arena *a, const result *r) {
    const fv_driver_machine *m = &r->machine;
    fv_text t = {.arena = a};
    if (m->nlevels < 2)
        return fv_printf(a, "target     %s", fv_target_str(a, r->program->target));
    fv_text_put(&t, "targets    ");
    for (int i = 0; i < m->nlevels; i++)
        fv_text_printf(&t, "%s%s", i ? ", " : "", m->levels[i]->name);
    fv_text_put(&t, "; the highest that a CPU has is used");
    return t.s;
}

static void print_targets(fv_context *c, const result *r) {
    fv_out("%s\n", targets_str(c->arena, r));
    if (r->machine.nlevels < 2)
        return;
    size_t bytes = fv_weights_bytes(r->program);
    if (r->unshared)
        fv_out("weights    %s, %s of them in several layouts\n", fv_size_str(c->arena, bytes),
               fv_size_str(c->arena, r->unshared));
    else if (bytes)
        fv_out("weights    %s, the same for all targets\n", fv_size_str(c->arena, bytes));
}

/* The line of the summary with a file that was written. */
static const char *file_str(fv_context *c, const result *r, const char *file) {
    return fv_printf(c->arena, "%-28s %s", shown(c, r, file),
                     fv_size_str(c->arena, (uint64_t)size_of(file)));
}

static void print_files(fv_context *c, const result *r) {
    const char *const *files = files_of(c, r);
    for (int i = 0; files[i]; i++)
        fv_out("%s\n", file_str(c, r, files[i]));
}

/* Adds the lines with the files of a part. */
static void add_files(fv_context *c, const result *r, fv_compiled_parts *parts) {
    const char *const *files = files_of(c, r);
    for (int i = 0; files[i]; i++)
        FV_PUSH(c->arena, parts->files, parts->nfiles, parts->cap_files, file_str(c, r, files[i]));
}

static void print_summary(fv_context *c, const result *r) {
    const char *where = "", *call = how_to_call(c, r);
    size_t bytes;
    print_files(c, r);
    if (r->program)
        print_targets(c, r);
    if (r->program && c->args->code.relax)
        fv_out("relaxed    %s\n", c->args->code.relax);
    if (r->program && fv_attention_count(&r->attention))
        fv_out("attentions fused %s\n", fv_attention_count(&r->attention));
    if (r->program && !is_text(r->kind) && workspace(c, r, &bytes, &where))
        fv_out("workspace  %s%s%s%s\n", fv_size_str(c->arena, bytes), *where ? " (" : "", where,
               *where ? ")" : "");
    if (r->is_device) {
        print_device(c, &r->device);
        print_budget(c, &r->budget);
    }
    if (call)
        print_call(call, r->kind == FV_EMIT_C || !strncmp(call, "int ", 4));
}

/* Adds the bytes of weights, and the targets if there are several. */
static void set_targets(json_t *d, const result *r) {
    const fv_driver_machine *m = &r->machine;
    fv_json_set_int(d, "weight_bytes", (int64_t)fv_weights_bytes(r->program));
    if (m->nlevels < 2)
        return;
    json_t *list = json_array();
    for (int i = 0; i < m->nlevels; i++)
        fv_json_append(list, json_string(m->levels[i]->name));
    fv_json_set(d, "targets", list);
    fv_json_set_int(d, "unshared_bytes", (int64_t)r->unshared);
}

/* Adds what was written to a document. */
static void describe(fv_context *c, const char *model, const result *r, json_t *d) {
    const char *const *files = files_of(c, r);
    json_t *list = json_array();
    const char *where = "", *call = how_to_call(c, r);
    size_t bytes;
    for (int i = 0; files[i]; i++) {
        json_t *f = json_object();
        fv_json_set_text(f, "path", shown(c, r, files[i]));
        fv_json_set_int(f, "bytes", size_of(files[i]));
        fv_json_append(list, f);
    }
    fv_json_set_text(d, "model", model);
    fv_json_set(d, "files", list);
    if (r->program) {
        fv_json_set_text(d, "name", r->program->name);
        fv_json_set_text(d, "target", r->program->target->entry);
        set_targets(d, r);
        if (c->args->code.relax)
            fv_json_set_text(d, "relaxed", c->args->code.relax);
        fv_json_set_int(d, "attentions", r->attention.attentions);
        fv_json_set_int(d, "attentions_fused", r->attention.fused);
    }
    if (r->program && !is_text(r->kind) && workspace(c, r, &bytes, &where)) {
        fv_json_set_int(d, "workspace_bytes", (int64_t)bytes);
        fv_json_set_text(d, "workspace_dims", where);
    }
    if (r->is_device)
        set_device(d, &r->device);
    if (r->budget.ntried)
        fv_json_set(d, "tried", fv_budget_json(&r->budget));
    if (call)
        fv_json_set_text(d, "call", call);
}

static bool print_json(fv_context *c, const char *model, const result *r) {
    json_t *d = fv_json_document();
    describe(c, model, r, d);
    return fv_json_print(c->session, d);
}

/* Prints the summary, or, of a part, adds it to that of all parts. The files have been written, so
 * running out of memory here is not a failure. */
static bool tell(fv_context *c, const char *model, const result *r, fv_compiled_parts *parts) {
    fv_door door;
    if (FV_DOOR_OPEN(c->session, &door)) {
        fv_err("%s: note: it is compiled; there is no memory for the summary\n", model);
        return true;
    }
    bool json = c->args->print.json, ok = true;
    if (json && parts) {
        json_t *d = json_object();
        describe(c, model, r, d);
        fv_json_append(parts->documents, d);
    } else if (json)
        ok = print_json(c, model, r);
    else if (parts)
        add_files(c, r, parts);
    else if (!c->args->print.quiet && strcmp(r->out, "-"))
        print_summary(c, r);
    fv_door_close(c->session, &door);
    return ok;
}

/* Frees what belongs to a part, so that only one at a time is in memory. */
static void forget(result *r) {
    for (int i = 1; i < r->machine.nlevels; i++) /* the first one is in the program's arena */
        fv_arena_free(r->levels[i] ? r->levels[i]->arena : NULL);
    if (r->program && r->graph)
        fv_arena_free(r->program->arena);
    fv_module_free(r->graph);
}

static int compile_model(fv_context *as_given, fv_compiled_parts *parts) {
    fv_args args = *as_given->args;
    fv_context own = *as_given, *c = &own;
    const fv_args *a = own.args = &args;
    const char *model = a->operand[0];
    fv_driver_options o;
    result r = {.kind = FV_EMIT_NONE, .parts = parts};
    if (!choose_kind(c, &r) || !choose_weights(c, &r) || !choose_replaceable(c, &r) ||
        !choose_header(c, &r) || !choose_layout(c, &r) || !fv_budget_read(c, &r.budget) ||
        !fv_args_driver(c, &o, false) || !fv_dump_begin(c, &o, r.kind != FV_EMIT_IR))
        return fv_refused(c);
    const char *why = o.target.nlevels > 1 ? fv_driver_why_one_target(&o, r.kind) : NULL;
    if (why)
        return fv_usage(a, "--target=%s: %s", a->code.target, why);
    if (a->result.replaceable && o.target.nlevels > 1)
        return fv_usage(a,
                        "--target=%s: --replaceable takes one target: several have constants in "
                        "common whose elements are equal",
                        a->code.target);
    if (fv_budget_limits(&r.budget) && r.kind != FV_EMIT_C)
        return fv_usage(a, "--max-flash and --max-ram are for C: say --emit=c or -o NAME.c");
    r.out = a->result.output ? a->result.output : default_output(c, model, r.kind, o.target.of);
    if (!strcmp(r.out, "-") && a->print.json)
        return fv_usage(a, "--json and -o - both want standard output");
    if (fv_budget_limits(&r.budget) && !fv_budget_keep(c, model, &o, &args, &r.budget))
        return fv_failed(c);
    fv_attention_begin(&r.attention, c, &o);
    r.machine = o.target;
    o.answers.unshared = &r.unshared;
    o.answers.levels = r.levels;
    if (!o.name)
        o.name = fv_emit_prefix(c->arena, r.out);
    fv_report_begin(c, &o);
    fv_progress_phase(a, a->operand[0], "reads the model");
    bool written = write_result(c, model, &o, &r);
    fv_progress_end();
    if (!written)
        return fv_failed(c);
    if (!a->result.name && has_names(r.kind) && o.name &&
        strcmp(o.name, fv_emit_stem(c->arena, r.out)))
        fv_note(c, "names begin with %s_: '%s' is no prefix in C; --name gives another", o.name,
                fv_emit_stem(c->arena, r.out));
    tell(c, model, &r, parts);
    if (parts) {
        parts->targets = r.program ? targets_str(c->arena, &r) : NULL;
        forget(&r);
    }
    return fv_error_count(c->session) ? fv_failed(c) : FV_EXIT_OK;
}

int fv_cmd_compile(fv_context *c) {
    if (fv_parts_are_in(c, c->args->operand[0]))
        return fv_compile_parts(c, compile_model);
    return fv_parts_are_not_in(c, c->args->operand[0]) ? compile_model(c, NULL) : fv_failed(c);
}
