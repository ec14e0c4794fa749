/* view.c - `fovea view`: writes an HTML page about a model, which needs no other files. */
#include <stdlib.h>
#include <string.h>

#include "backend/consumer/consumer.h"
#include "frontend/file.h"
#include "tools/command/progress.h"
#include "tools/view/view.h"

/* the files of tools/view, which the build embeds as strings */
extern const char *const fv_view_css, *const fv_view_graph_js, *const fv_view_js;

/* ---- the page ---- */

/* The policy forbids the page to load anything, whatever names the model contains. */
static const char head[] =
    "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n"
    "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src "
    "'unsafe-inline'; script-src 'unsafe-inline'\">\n"
    "<meta name=\"viewport\" content=\"width=device-width\">\n<title>Fovea</title>\n<style>\n";

/* Writes JSON into a script of the page. A text that could end the script can only occur in
 * strings, in which it is escaped. */
static void put_data(fv_text *t, const char *json) {
    while (*json) {
        size_t n = strcspn(json, "<>&\x7f");
        fv_text_putn(t, json, n);
        json += n;
        if (*json)
            fv_text_printf(t, "\\u%04x", (unsigned)(unsigned char)*json++);
    }
}

static bool write_page(fv_view *v, json_t *document) {
    fv_session *s = v->c->session;
    const char *out = v->c->args->result.output;
    fv_text page = {.arena = v->c->arena};
    char *json = json_dumps(document, JSON_COMPACT | JSON_ENSURE_ASCII);
    json_decref(document);
    if (!json)
        fv_out_of_memory(s);
    fv_text_put(&page, head);
    fv_text_put(&page, fv_view_css);
    fv_text_put(&page, "</style></head><body>\n<noscript>This page draws graphs, which needs "
                       "JavaScript.</noscript>\n"
                       "<script type=\"application/json\" id=\"data\">");
    put_data(&page, json);
    free(json);
    fv_text_put(&page, "</script>\n<script>\n");
    fv_text_put(&page, fv_view_graph_js);
    fv_text_put(&page, fv_view_js);
    fv_text_put(&page, "</script>\n</body></html>\n");
    if (strcmp(out, "-"))
        return fv_file_write(s, out, page.s, page.n);
    return fwrite(page.s, 1, page.n, stdout) == page.n ||
           fv_error(s, "cannot write to standard output");
}

/* ---- the model ---- */

/* Stores the graph before the passes. If names of weights show layers that names of nodes do not
 * show, it is stored again with these layers. */
static void take_before(fv_view *v, const fv_module *m) {
    fv_arena *a = v->c->arena;
    v->layers = fv_ptrmap_in(a);
    fv_view_graph_take(&v->before, a, m, &v->layers);
    fv_view_find_layers(&v->before, &v->layers);
    if (v->layers.n)
        fv_view_graph_take(&v->before, a, m, &v->layers);
    fv_view_place(&v->before);
}

static bool take_after(void *user, fv_module *m) {
    fv_view *v = user;
    fv_view_graph_take(&v->after, v->c->arena, m, &v->layers);
    fv_view_place(&v->after);
    return true;
}

static void look(void *user, const char *step, const fv_module *m, const fv_definitions *d) {
    if (d && !strcmp(step, fv_lower_steps()[0]))
        fv_view_take_definitions(user, m, d);
}

static bool open_model(fv_view *v, fv_driver_options *o) {
    fv_context *c = v->c;
    fv_subject *m = &v->m;
    o->dims.are_values = true;
    /* weights are read if there is a tuning, since a tuning is for a model with certain weights */
    o->without_weights = !o->tuning.path;
    o->answers.reasons = &v->reasons;
    o->change.passed = take_after;
    o->change.user = v;
    fv_watch *w = fv_args_watch(c, o);
    w->user = v;
    w->look = look;
    fv_progress_phase(c->args, m->path, "reads the model");
    if (!fv_driver_read(c->session, m->path, o, &m->source))
        return false;
    if (!m->source.module || m->source.module->definitions)
        return fv_error(c->session, "holds %s; a page is of a graph",
                        m->source.module ? "definitions" : "kernels");
    take_before(v, m->source.module);
    if (!(m->program = fv_driver_lower(c->session, &m->source, o)))
        return false;
    m->table = fv_program_model(c->arena, m->program, NULL);
    m->data.dims = FV_NEW(c->arena, int64_t, m->table->nsymbols + 1);
    m->data.known = FV_NEW(c->arena, unsigned char, m->table->nsymbols + 1);
    m->data.given = FV_NEW(c->arena, unsigned char, m->table->ninputs + 1);
    return fv_view_take_dims(v) && fv_choose_dims(c, m, true);
}

/* ---- the command ---- */

/* Checks the options: the page is written to the path of -o, the data of --json to standard
 * output. */
static int check(fv_context *c) {
    const fv_args *a = c->args;
    if (a->bench.profile && !*a->bench.profile)
        return fv_usage(a, "--profile: of which file? `fovea bench --profile=F.json` writes one");
    if (a->print.json && a->result.output)
        return fv_usage(
            a, "--json writes what the page would hold to standard output: -o does not apply");
    if (!a->print.json && !a->result.output)
        return fv_usage(a, "where to? -o F.html, or -o - for standard output");
    if (fv_driver_path_kind(a->operand[0]) == FV_FILE_ELF &&
        (a->threads.shard.ranks || a->threads.shard.plan || a->threads.shard.link))
        return fv_usage(a, "a compiled library is not cut: --ranks, --plan and --link do not "
                           "apply");
    if (a->threads.shard.ranks && !strcmp(a->operand[0], "-"))
        return fv_usage(a, "the model is read again for --ranks: not from standard input");
    return FV_EXIT_OK;
}

static void tell(const fv_view *v) {
    const fv_args *a = v->c->args;
    if (a->print.quiet || !strcmp(a->result.output, "-"))
        return;
    fv_out("%s\n", a->result.output);
    if (v->m.program)
        fv_out("ops      %d, %d after the passes\n", v->before.nops, v->after.nops);
    fv_out("kernels  %d, %d launch%s\n", v->nkernels, v->nlaunches, v->nlaunches == 1 ? "" : "es");
}

/* Checks that the page does not replace a file from which it is made. False after a diagnostic. */
static bool spares_sources(const fv_view *v) {
    const char *out = v->c->args->result.output;
    return fv_spares_models(v->c, "-o ", out) && fv_driver_spares(v->c->session, out);
}

/* Prints or writes the page; returns the exit status. */
static int finish(fv_view *v, const fv_footprint *f) {
    fv_context *c = v->c;
    const fv_args *a = c->args;
    if (!fv_view_read_profile(v))
        return fv_failed(c);
    if (a->print.json)
        return fv_json_print(c->session, fv_view_json(v, f)) ? FV_EXIT_OK : fv_failed(c);
    if ((strcmp(a->result.output, "-") && !spares_sources(v)) || !write_page(v, fv_view_json(v, f)))
        return fv_failed(c);
    tell(v);
    return FV_EXIT_OK;
}

static int view_library(fv_view *v) {
    int status = fv_view_open_library(v) ? finish(v, NULL) : fv_failed(v->c);
    fv_subject_close(&v->m);
    return status;
}

int fv_cmd_view(fv_context *c) {
    const fv_args *a = c->args;
    fv_driver_options o;
    fv_view *v = FV_NEW(c->arena, fv_view, 1);
    *v = (fv_view){.c = c, .m = {.path = a->operand[0]}};
    int status = check(c);
    if (status)
        return status;
    if (fv_driver_path_kind(a->operand[0]) == FV_FILE_ELF)
        return view_library(v);
    if (!fv_args_driver(c, &o, true))
        return fv_refused(c);
    if (!open_model(v, &o))
        return fv_failed(c);
    fv_progress_phase(a, v->m.path, "C of %d kernel%s", v->m.program->nkernels,
                      v->m.program->nkernels == 1 ? "" : "s");
    fv_footprint f = fv_footprint_of(c->arena, v->m.program, v->m.data.dims);
    fv_view_find_launches(v);
    if (!fv_view_find_kernels(v))
        return fv_failed(c);
    return fv_view_find_shards(v) ? finish(v, &f) : fv_refused(c);
}
