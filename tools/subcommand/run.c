/* run.c - `fovea run`: runs a model on inputs from files, or on random ones. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "tools/maps/maps.h"
#include "tools/model/parts.h"

/* Runs the model; if it was cut into parts, all parts of it (parts not NULL). */
static bool execute(fv_context *c, fv_subject *m, fv_parts *parts) {
    int status = parts ? fv_parts_run(c, parts) : fv_subject_run(c, m);
    if (status == FV_BAD_DIM && m->table->nsymbols)
        fv_error(c->session, "the dims were %s; --dim S=N gives others",
                 fv_dims_str(c->arena, m->table, m->data.dims));
    return status == FV_OK;
}

static bool print_json(fv_context *c, const fv_subject *m, fv_backend_kind backend, json_t *outputs,
                       json_t *maps, int differ) {
    json_t *d = fv_json_document();
    fv_json_set_text(d, "model", m->path);
    fv_json_set_text(d, "backend", fv_subject_is_library(m) ? "library" : fv_backend_name(backend));
    fv_json_set_text(d, "target", m->table->target);
    fv_json_set(d, "dims", fv_json_symbols(m->table, m->data.dims));
    fv_json_set_int(d, "seed", c->args->data.seed);
    fv_json_set(d, "outputs", json_incref(outputs));
    if (c->args->data.attention_maps)
        fv_json_set(d, "attention_maps", json_incref(maps));
    if (c->args->data.expect)
        fv_json_set_bool(d, "as_expected", differ == 0);
    return fv_json_print(c->session, d);
}

/* Are the values not printed? They are not if standard output gets a file, nor with --quiet if they
 * are written or compared. */
static bool is_elsewhere(const fv_args *a) {
    return (a->result.output && !strcmp(a->result.output, "-")) ||
           (a->print.quiet && (a->result.output || a->data.expect));
}

/* Compares and writes the outputs, and writes attention maps. What is compared with is read before
 * anything is written, so that -o cannot replace it. */
static int report_all(fv_context *c, const fv_subject *m, fv_backend_kind backend,
                      fv_labels *labels, json_t *list, json_t *maps) {
    int differ = 0, status;
    if (!list && !is_elsewhere(c->args))
        fv_print_outputs(c, m);
    if (c->args->data.expect && (differ = fv_expect_outputs(c, m, c->args->data.expect, list)) < 0)
        return fv_failed(c);
    if (c->args->result.output && !fv_write_outputs(c, m, c->args->result.output, list))
        return fv_failed(c);
    if (c->args->data.attention_maps &&
        (status = fv_maps_write(c, m, backend, labels, maps)) != FV_EXIT_OK)
        return status;
    if (list && !print_json(c, m, backend, list, maps, differ))
        return fv_failed(c);
    return differ ? FV_EXIT_MODEL : FV_EXIT_OK;
}

static int report(fv_context *c, const fv_subject *m, fv_backend_kind backend, fv_labels *labels) {
    json_t *list = c->args->print.json ? fv_json_outputs(c, m) : NULL,
           *maps = list ? json_array() : NULL;
    int status = report_all(c, m, backend, labels, list, maps);
    json_decref(list);
    json_decref(maps);
    return status;
}

static int run(fv_context *c, fv_subject *m, fv_parts *parts, fv_backend_kind backend) {
    fv_labels labels;
    const char *folder = parts && parts->here ? NULL : c->args->data.save_inputs;
    if (!fv_labels_read(c, &labels) || !fv_read_inputs(c, m) ||
        !fv_choose_dims(c, m, parts && parts->here) || !fv_make_inputs(c, m) ||
        (folder && !fv_write_inputs(c, m, folder)) || !execute(c, m, parts))
        return fv_failed(c);
    if (parts && parts->here) /* another process prints the outputs, which are the same */
        return FV_EXIT_OK;
    return report(c, m, backend, &labels);
}

/* Refuses --attention-maps for a model whose graph cannot be read a second time, as maps need, and
 * --labels without that option. Returns the exit status; FV_EXIT_OK: nothing is refused. */
static int refuse_maps(fv_context *c) {
    const fv_args *a = c->args;
    if (a->data.labels && !a->data.attention_maps)
        return fv_usage(a, "--labels needs --attention-maps");
    if (!a->data.attention_maps)
        return FV_EXIT_OK;
    if (!strcmp(a->operand[0], "-"))
        return fv_usage(a, "--attention-maps reads the model twice: not from standard input");
    fv_file_kind kind = fv_driver_path_kind(a->operand[0]);
    if (fv_file_is_graph(kind) && kind != FV_FILE_DEFINITIONS)
        return FV_EXIT_OK;
    fv_diag_file(c->session, a->operand[0]);
    fv_error(c->session, "--attention-maps needs a graph: it holds %s",
             kind == FV_FILE_ELF           ? "a compiled model"
             : kind == FV_FILE_DEFINITIONS ? "definitions"
                                           : "kernels");
    return FV_EXIT_MODEL;
}

static int run_parts(fv_context *c, fv_backend_kind backend) {
    fv_parts parts;
    if (c->args->data.attention_maps)
        return fv_usage(c->args, "--attention-maps is for one model: %s holds the parts of a model",
                        c->args->operand[0]);
    if (!fv_parts_options_fit(c))
        return FV_EXIT_USAGE;
    bool open = fv_parts_open(c, c->args->operand[0], backend, fv_subject_open, &parts);
    int status = !open && !fv_error_count(c->session) ? FV_EXIT_USAGE
                 : open                               ? run(c, &parts.whole, &parts, backend)
                                                      : fv_failed(c);
    fv_parts_close(c, &parts);
    return status;
}

int fv_cmd_run(fv_context *c) {
    fv_backend_kind backends[FV_MOST_BACKENDS];
    fv_subject m;
    int n = fv_args_backends(c->args, backends);
    if (n != 1)
        return n ? fv_usage(c->args, "--backend takes one of jit, c and interp") : FV_EXIT_USAGE;
    if (c->args->result.output && !strcmp(c->args->result.output, "-") &&
        (c->args->print.json || c->args->data.expect))
        return fv_usage(c->args, "%s and -o - both want standard output",
                        c->args->print.json ? "--json" : "--expect");
    int refused = refuse_maps(c);
    if (refused)
        return refused;
    if (fv_parts_are_in(c, c->args->operand[0]))
        return run_parts(c, backends[0]);
    if (!fv_parts_are_not_in(c, c->args->operand[0]))
        return fv_failed(c);
    bool open = fv_subject_open(c, c->args->operand[0], backends[0], &m);
    int status = !open && !fv_error_count(c->session) ? FV_EXIT_USAGE
                 : open                               ? run(c, &m, NULL, backends[0])
                                                      : fv_failed(c);
    fv_subject_close(&m);
    return status;
}
