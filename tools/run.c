/* run.c - `fovea run`: a model on inputs from files, or on random ones. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "tools/model.h"

static bool execute(fv_context *c, fv_subject *m) {
    fv_run_options o = {.size = sizeof o, .threads = fv_args_threads(c->args)};
    fv_log *log = fv_log_new();
    int status = fv_artifact_run(m->artifact, m->inputs, m->outputs, &o, log);
    bool ok = status == FV_OK || fv_say_log(c, log);
    if (status == FV_BAD_DIM && m->table->nsymbols)
        fv_error(c->session, "the dims were %s; --dim S=N gives others",
                 fv_dims_str(c->arena, m->table, m->dims));
    fv_log_free(log);
    return ok;
}

static bool print_json(fv_context *c, const fv_subject *m, fv_backend_kind backend, json_t *outputs,
                       int differ) {
    json_t *d = fv_json_document();
    fv_json_set_text(d, "model", m->path);
    fv_json_set_text(d, "backend", fv_subject_is_library(m) ? "library" : fv_backend_name(backend));
    fv_json_set_text(d, "target", m->table->target);
    fv_json_set(d, "dims", fv_json_symbols(m->table, m->dims));
    fv_json_set_int(d, "seed", c->args->seed);
    fv_json_set(d, "outputs", outputs);
    if (c->args->expect)
        fv_json_set_bool(d, "as_expected", differ == 0);
    return fv_json_print(c->session, d);
}

/* Are the values asked for in files, or for comparing? Then they are printed beside that, but with --quiet. */
static bool is_elsewhere(const fv_args *a) {
    return (a->output && !strcmp(a->output, "-")) || (a->quiet && (a->output || a->expect));
}

static int report(fv_context *c, const fv_subject *m, fv_backend_kind backend) {
    json_t *list = c->args->json ? fv_json_outputs(c, m) : NULL;
    int differ = 0;
    if (!list && !is_elsewhere(c->args))
        fv_print_outputs(c, m);
    bool ok = !c->args->output || fv_write_outputs(c, m, c->args->output, list);
    if (ok && c->args->expect)
        differ = fv_expect_outputs(c, m, c->args->expect, list);
    if (ok && differ >= 0 && list)
        ok = print_json(c, m, backend, list, differ);
    else
        json_decref(list);
    return !ok || differ < 0 ? fv_failed(c) : differ ? FV_EXIT_MODEL : FV_EXIT_OK;
}

static int run(fv_context *c, fv_subject *m, fv_backend_kind backend) {
    if (!fv_read_inputs(c, m) || !fv_choose_dims(c, m, false) || !fv_make_inputs(c, m) ||
        !execute(c, m))
        return fv_failed(c);
    return report(c, m, backend);
}

int fv_cmd_run(fv_context *c) {
    fv_backend_kind backends[3];
    fv_subject m;
    int n = fv_args_backends(c->args, backends);
    if (n != 1)
        return n ? fv_usage(c->args, "--backend takes one of jit, c and interp") : FV_EXIT_USAGE;
    if (c->args->output && !strcmp(c->args->output, "-") && (c->args->json || c->args->expect))
        return fv_usage(c->args, "%s and -o - both want standard output", c->args->json ? "--json" : "--expect");
    bool open = fv_subject_open(c, c->args->operand[0], backends[0], &m);
    int status = !open && !fv_error_count(c->session) ? FV_EXIT_USAGE
                 : open ? run(c, &m, backends[0]) : fv_failed(c);
    fv_subject_close(&m);
    return status;
}
