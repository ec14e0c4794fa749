/* compile.c - `fovea compile`: compiles a model to files. */
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "backend/consumer/consumer.h"
#include "frontend/file.h"
#include "tools/command/report.h"
#include "tools/model/attention.h"
#include "tools/model/model.h"

typedef struct result {
    fv_emit_kind kind;
    const char *out;
    fv_program *program; /* the program; NULL: the files were written without one */
    const fv_target *target;
    fv_weights_kind weights;
    fv_attention_query attention;
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
                     "-o %s does not say what to write: end it in .so .o .a .c .ll .s .fvir .fvd "
                     ".fvk or, "
                     "for a folder of C, in /; or say --emit",
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

static const char *default_output(fv_context *c, const char *model, fv_emit_kind kind) {
    const char *stem = strcmp(model, "-") ? fv_path_stem(c->arena, model) : "model";
    return fv_printf(c->arena, "%s%s", stem, fv_emit_suffix(kind));
}

/* ---- the work ---- */

typedef struct check {
    fv_context *c;
    result *r;
} check;

/* Called before anything is written; checks --require-fused. */
static bool accept(void *user) {
    check *k = user;
    fv_attention_judge(&k->r->attention);
    return !k->c->args->result.require_fused || fv_attention_require(&k->r->attention);
}

/* Checks --require-fused for models that are written as a graph or as definitions. For this check
 * only, a second copy of the graph is read and lowered, because lowering changes it. */
static bool accept_graph(fv_context *c, const char *model, const fv_driver_options *o, result *r) {
    fv_source source;
    check k = {c, r};
    if (!c->args->result.require_fused || (r->kind != FV_EMIT_IR && r->kind != FV_EMIT_DEFINITIONS))
        return true;
    if (!strcmp(model, "-"))
        return fv_error(c->session,
                        "--require-fused with --emit=%s reads the model twice: give a file",
                        fv_emit_name(r->kind));
    return fv_driver_read(c->session, model, o, &source) &&
           fv_driver_lower(c->session, &source, o) && accept(&k);
}

static bool write_result(fv_context *c, const char *model, const fv_driver_options *o, result *r) {
    fv_source source;
    if (!fv_spares_models(c, "-o ", r->out) || !accept_graph(c, model, o, r) ||
        !fv_driver_read(c->session, model, o, &source) || !fv_dump_applies(c, &source))
        return false;
    check k = {c, r};
    fv_write_options wo = {.level = o->level, .weights = r->weights, .user = &k, .accept = accept};
    bool ok = fv_driver_emit(c->session, &source, o, r->kind, r->out, &wo, &r->program);
    if (ok && source.module && r->program)
        fv_report_steps(c, o);
    r->target = r->program ? r->program->target : NULL;
    return ok;
}

/* ---- the summary ---- */

static int64_t size_of(const char *path) {
    struct stat st;
    return stat(path, &st) ? 0 : (int64_t)st.st_size;
}

/* Computes the workspace for the usual dims: *bytes, and the dims as text in *where. */
static bool workspace(fv_context *c, fv_program *p, size_t *bytes, const char **where) {
    fv_subject m = {.program = p, .table = fv_program_model(c->arena, p, NULL)};
    m.source.kind = FV_FILE_ONNX; /* the graph has already been changed by --dim */
    m.data.dims = FV_NEW(c->arena, int64_t, p->symbols.n + 1);
    m.data.known = FV_NEW(c->arena, unsigned char, p->symbols.n + 1);
    m.data.given = FV_NEW(c->arena, unsigned char, p->ninputs + 1);
    if (!fv_choose_dims(c, &m, true))
        return false;
    *where = fv_dims_str(c->arena, m.table, m.data.dims);
    int status = fv_driver_plan(p, m.data.dims, bytes, NULL);
    if (status == FV_NO_MEMORY)
        fv_out_of_memory(c->session);
    return status == FV_OK;
}

/* The declaration of NAME_run from the header that was written; NULL: there is none. */
static const char *declaration(fv_context *c, const result *r) {
    const char *const *files =
        fv_driver_files(c->session, c->arena, r->program, r->kind, r->out, r->weights);
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
    const char *name = r->program ? r->program->name : "", *text;
    switch (r->kind) {
    case FV_EMIT_SO:
        return fv_printf(c->arena, "fv_load(\"%s\", ...) of fovea.h, or `fovea run %s`", r->out,
                         r->out);
    case FV_EMIT_OBJ:
    case FV_EMIT_LIB:
        return fv_printf(c->arena, "const fv_model *%s_model(void), see fovea_model.h", name);
    case FV_EMIT_C:
        text = declaration(c, r);
        return text ? text : fv_printf(c->arena, "%s_run, see the header", name);
    case FV_EMIT_IR:
    case FV_EMIT_DEFINITIONS:
    case FV_EMIT_KERNELS:
    case FV_EMIT_EXPANDED: return fv_printf(c->arena, "`fovea run %s`", r->out);
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

static void print_summary(fv_context *c, const result *r) {
    const char *const *files =
        fv_driver_files(c->session, c->arena, r->program, r->kind, r->out, r->weights);
    const char *where = "", *call = how_to_call(c, r);
    size_t bytes;
    for (int i = 0; files[i]; i++)
        fv_out("%-28s %s\n", files[i], fv_size_str(c->arena, (uint64_t)size_of(files[i])));
    if (r->program)
        fv_out("target     %s\n", fv_target_str(c->arena, r->target));
    if (r->program && c->args->code.relax)
        fv_out("relaxed    %s\n", c->args->code.relax);
    if (r->program && fv_attention_count(&r->attention))
        fv_out("attentions fused %s\n", fv_attention_count(&r->attention));
    if (r->program && !is_text(r->kind) && workspace(c, r->program, &bytes, &where))
        fv_out("workspace  %s%s%s%s\n", fv_size_str(c->arena, bytes), *where ? " (" : "", where,
               *where ? ")" : "");
    if (call)
        print_call(call, r->kind == FV_EMIT_C);
}

static bool print_json(fv_context *c, const char *model, const result *r) {
    const char *const *files =
        fv_driver_files(c->session, c->arena, r->program, r->kind, r->out, r->weights);
    json_t *d = fv_json_document(), *list = json_array();
    const char *where = "", *call = how_to_call(c, r);
    size_t bytes;
    for (int i = 0; files[i]; i++) {
        json_t *f = json_object();
        fv_json_set_text(f, "path", files[i]);
        fv_json_set_int(f, "bytes", size_of(files[i]));
        fv_json_append(list, f);
    }
    fv_json_set_text(d, "model", model);
    fv_json_set(d, "files", list);
    if (r->program) {
        fv_json_set_text(d, "name", r->program->name);
        fv_json_set_text(d, "target", r->target->entry);
        if (c->args->code.relax)
            fv_json_set_text(d, "relaxed", c->args->code.relax);
        fv_json_set_int(d, "attentions", r->attention.attentions);
        fv_json_set_int(d, "attentions_fused", r->attention.fused);
    }
    if (r->program && !is_text(r->kind) && workspace(c, r->program, &bytes, &where)) {
        fv_json_set_int(d, "workspace_bytes", (int64_t)bytes);
        fv_json_set_text(d, "workspace_dims", where);
    }
    if (call)
        fv_json_set_text(d, "call", call);
    return fv_json_print(c->session, d);
}

/* Prints the summary. The files have been written, so running out of memory here is not a
 * failure. */
static bool tell(fv_context *c, const char *model, const result *r) {
    fv_door door;
    if (FV_DOOR_OPEN(c->session, &door)) {
        fv_err("%s: note: it is compiled; there is no memory to tell more\n", model);
        return true;
    }
    bool ok = !c->args->print.json || print_json(c, model, r);
    if (!c->args->print.json && !c->args->print.quiet && strcmp(r->out, "-"))
        print_summary(c, r);
    fv_door_close(c->session, &door);
    return ok;
}

int fv_cmd_compile(fv_context *c) {
    const fv_args *a = c->args;
    const char *model = a->operand[0];
    fv_driver_options o;
    result r = {.kind = FV_EMIT_NONE};
    if (!choose_kind(c, &r) || !choose_weights(c, &r) || !fv_args_driver(c, &o, false) ||
        !fv_dump_begin(c, &o, r.kind != FV_EMIT_IR))
        return fv_refused(c);
    r.out = a->result.output ? a->result.output : default_output(c, model, r.kind);
    if (!strcmp(r.out, "-") && a->print.json)
        return fv_usage(a, "--json and -o - both want standard output");
    fv_attention_begin(&r.attention, c, &o);
    if (!o.name)
        o.name = fv_emit_prefix(c->arena, r.out);
    fv_report_begin(c, &o);
    if (!write_result(c, model, &o, &r))
        return fv_failed(c);
    if (!a->result.name && has_names(r.kind) && o.name &&
        strcmp(o.name, fv_emit_stem(c->arena, r.out)))
        fv_note(c, "names begin with %s_: '%s' is no prefix in C; --name gives another", o.name,
                fv_emit_stem(c->arena, r.out));
    tell(c, model, &r);
    return fv_error_count(c->session) ? fv_failed(c) : FV_EXIT_OK;
}
