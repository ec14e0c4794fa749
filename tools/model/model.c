/* model.c - opens models that are to be run. */
#include "tools/model/model.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "backend/cost/cost.h"
#include "ir/base/clock.h"
#include "ir/base/heap.h"
#include "ir/base/mapping.h"
#include "ir/catalogue/own.h"
#include "tools/command/progress.h"
#include "tools/data/values.h"
#include "tools/model/library_weights.h"

/* ---- names ---- */

static const char *safe_name(fv_arena *a, const char *name, const char *const *others, int n) {
    char *r = fv_printf(a, "%s%.200s", isalpha((unsigned char)*name) ? "" : "v", name);
    for (char *p = r; *p; p++)
        if (!isalnum((unsigned char)*p))
            *p = '_';
    const char *unique = r;
    for (int k = 1, i = 0; i < n; i++)
        /* names are compared without regard to case, since some file systems do so */
        if (!strcasecmp(others[i], unique)) {
            unique = fv_printf(a, "%s_%d", r, k++);
            i = -1;
        }
    return unique;
}

const char **fv_safe_names(fv_arena *a, int n, const char *const *names) {
    const char **safe = FV_NEW(a, const char *, n + 1);
    for (int i = 0; i < n; i++)
        safe[i] = safe_name(a, names[i], safe, i);
    return safe;
}

/* ---- opening ---- */

void fv_subject_make_room(fv_context *c, const fv_model *table, fv_subject *m) {
    fv_arena *a = c->arena;
    m->table = table;
    m->data.dims = FV_NEW(a, int64_t, m->table->nsymbols + 1);
    m->data.known = FV_NEW(a, unsigned char, m->table->nsymbols + 1);
    m->data.given = FV_NEW(a, unsigned char, m->table->ninputs + 1);
    m->data.inputs = FV_NEW(a, fv_array, m->table->ninputs + 1);
    m->data.outputs = FV_NEW(a, fv_array, m->table->noutputs + 1);
    m->data.nresults =
        fv_port_values(a, m->table->noutputs, m->table->outputs, FV_AS_TENSORS, &m->data.results);
    const char **names = FV_NEW(a, const char *, m->data.nresults + 1);
    for (int i = 0; i < m->data.nresults; i++)
        names[i] = m->data.results[i].name;
    m->data.safe = fv_safe_names(a, m->data.nresults, names);
}

/* Reports options that have no effect on a library because it is already compiled. */
static void note_ignored(fv_context *c) {
    const fv_args *a = c->args;
    const struct {
        bool given;
        const char *name;
    } all[] = {{a->code.target, "--target"},   {a->code.processor, "--processor"},
               {a->code.backend, "--backend"}, {a->code.passes, "--passes"},
               {a->code.states.n, "--state"},  {a->code.schedule, "--schedule"},
               {a->code.tuning, "--tuning"},   {a->code.verify, "--verify"},
               {a->code.strict, "--strict"},   {a->code.relax, "--relax"},
               {a->code.level, "-O"},          {a->result.prefer, "--prefer"},
               {a->code.enable.n, "--enable"}, {a->code.disable.n, "--disable"},
               {a->script.script, "--script"}, {a->script.pipeline, "--pipeline"}};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        if (all[i].given)
            fv_note(c, "is compiled already, %s does nothing", all[i].name);
}

static const char *without_place(fv_arena *a, const char *line) {
    const char *what = strstr(line, "error: ");
    return what ? fv_strndup(a, what + 7, strcspn(what + 7, "\n")) : "cannot be loaded";
}

void fv_note_read(fv_context *c, const char *path) {
    struct stat st;
    if (!stat(path, &st))
        fv_file_note_read(c->session, &st);
}

/* Loads a library, in order to run it or only to describe it. */
static bool load(fv_context *c, bool described, fv_subject *m) {
    fv_log *log = fv_log_new();
    struct timespec mark = {0};
    fv_lap(&mark);
    int status = described ? fv_load_described(m->path, log, &m->artifact)
                           : fv_load(m->path, log, &m->artifact);
    m->took.code_ms = fv_lap(&mark);
    m->source.kind = FV_FILE_ELF;
    fv_diag_file(c->session, m->path);
    note_ignored(c);
    if (status == FV_NO_MEMORY)
        fv_out_of_memory(c->session);
    if (status) /* "PATH: error: ..." */
        fv_error(c->session, "%s", without_place(c->arena, fv_log_text(log)));
    fv_log_free(log);
    if (status)
        return false;
    m->table = fv_artifact_model(m->artifact);
    fv_note_read(c, m->path);
    if (m->table->weights_file)
        fv_note_read(c, fv_library_weights_path(c->arena, m));
    return true;
}

/* ---- records during compilation ---- */

typedef struct opening {
    fv_context *c;
    fv_subject *m;
} opening;

static void look_at_source(void *user, const fv_source *source) {
    const opening *op = user;
    if (!source->module)
        return;
    fv_arena *a = op->c->arena;
    const fv_module *m = source->module;
    fv_implied *to = &op->m->implied;
    *to = (fv_implied){0};
    fv_find_hints(a, m, &to->hints, &to->nhints);
    fv_find_lacks(a, source->module, &to->lacks, &to->nlacks);
    fv_find_places(a, m, &to->places, &to->nplaces);
    fv_find_sizes(a, m, &to->sizes, &to->nsizes);
}

static void look_at_program(void *user, fv_program *p) {
    const opening *op = user;
    fv_progress_phase(op->c->args, op->m->path, "code of %d kernel%s", p->nkernels,
                      p->nkernels == 1 ? "" : "s");
    op->m->ncosts = fv_cost_launches(op->c->arena, p, &op->m->costs);
}

/* ---- records of an artifact from the cache ---- */

bool fv_subject_is_library(const fv_subject *m) {
    return m->source.kind == FV_FILE_ELF;
}

/* Reads the graph in a session of its own, m->reading, whose messages are dropped, since they were
 * reported when the model was compiled. False: there is none. */
static bool read_again(fv_context *c, fv_subject *m, fv_source *out) {
    fv_driver_options o;
    fv_door door;
    if (!fv_args_driver(c, &o, true))
        return false;
    fv_session *s = m->reading = fv_session_new();
    if (!s || FV_DOOR_OPEN(s, &door))
        fv_leave_same(c->session, s);
    fv_ops_lend(s, c->session);
    bool ok = fv_driver_read(s, m->path, &o, out) && out->module;
    fv_door_close(s, &door);
    return ok;
}

const fv_module *fv_subject_graph(fv_context *c, fv_subject *m) {
    fv_source source;
    if (m->source.module || !m->cached || m->reading)
        return m->source.module;
    if (read_again(c, m, &source)) {
        m->source = source;
        look_at_source(&(opening){c, m}, &source);
    }
    return m->source.module;
}

const fv_module *fv_subject_graph_as_read(fv_context *c, fv_subject *m) {
    fv_source source;
    if (m->cached || fv_subject_is_library(m)) /* no passes have changed the graph */
        return fv_subject_graph(c, m);
    return !m->reading && read_again(c, m, &source) ? source.module : NULL;
}

void fv_subject_count(fv_context *c, fv_subject *m) {
    if (m->program || !m->cached || !(m->program = fv_driver_program(m->artifact)))
        return;
    look_at_program(&(opening){c, m}, m->program);
}

static bool compile(fv_context *c, fv_backend_kind backend, const fv_tuning *tuned,
                    fv_choices *choices, fv_subject *m) {
    fv_driver_options o;
    fv_compiled made;
    const opening op = {c, m};
    const fv_driver_watch watch = {(void *)&op, look_at_source, look_at_program};
    if (!fv_args_driver(c, &o, true))
        return false;
    o.dims.are_values = true;
    o.tuning.tuned = tuned ? tuned : o.tuning.tuned;
    o.answers.choices = choices;
    fv_progress_phase(c->args, m->path, "reads the model");
    fv_heap_own(c->session); /* that of the command, or one that compares, tunes or reduces */
    if (!fv_driver_compile(c->session, m->path, &o, backend, &watch, &made))
        return false;
    fv_heap_trim(c->session); /* running needs less memory than compiling */
    m->source = made.source;
    m->program = made.program;
    m->artifact = made.artifact;
    m->cached = made.cached;
    m->took.read_ms = made.read_ms;
    m->took.lower_ms = made.lower_ms;
    m->took.code_ms = made.code_ms;
    m->took.keep_ms = made.keep_ms;
    return true;
}

bool fv_subject_open(fv_context *c, const char *path, fv_backend_kind backend, fv_subject *out) {
    *out = (fv_subject){.path = path};
    bool library = fv_driver_path_kind(path) == FV_FILE_ELF;
    if (!(library ? load(c, false, out) : compile(c, backend, NULL, NULL, out)))
        return false;
    fv_subject_make_room(c, fv_artifact_model(out->artifact), out);
    return true;
}

bool fv_subject_describe(fv_context *c, const char *path, fv_subject *out) {
    *out = (fv_subject){.path = path};
    if (!load(c, true, out))
        return false;
    fv_subject_make_room(c, fv_artifact_model(out->artifact), out);
    return true;
}

bool fv_subject_open_tuned(fv_context *c, const char *path, fv_backend_kind backend,
                           const fv_tuning *tuned, fv_choices *choices, fv_subject *out) {
    *out = (fv_subject){.path = path};
    if (!compile(c, backend, tuned, choices, out))
        return false;
    fv_subject_make_room(c, fv_artifact_model(out->artifact), out);
    return true;
}

static bool finish(fv_context *c, const fv_driver_options *o, fv_backend_kind backend,
                   fv_subject *out) {
    fv_driver_options here = *o;
    fv_driver_runs_here(&here.target, backend);
    if (!(out->program = fv_driver_lower(c->session, &out->source, &here)))
        return false;
    look_at_program(&(opening){c, out}, out->program);
    if (!(out->artifact = fv_driver_artifact(c->session, out->program, backend, o->level)))
        return false;
    fv_subject_make_room(c, fv_artifact_model(out->artifact), out);
    return true;
}

bool fv_subject_open_changed(fv_context *c, const char *path, fv_backend_kind backend,
                             const fv_change *change, fv_subject *out) {
    fv_driver_options o;
    *out = (fv_subject){.path = path};
    if (!fv_args_driver(c, &o, true))
        return false;
    o.dims.are_values = true;
    o.change.passed = change->passed;
    o.change.user = change->user;
    fv_progress_phase(c->args, path, "reads the model");
    if (!fv_driver_read(c->session, path, &o, &out->source))
        return false;
    if (!out->source.module || out->source.module->definitions)
        return fv_error(c->session, "holds %s, no graph",
                        out->source.module ? "definitions" : "kernels");
    look_at_source(&(opening){c, out}, &out->source);
    return (!change->read || change->read(change->user, out->source.module)) &&
           finish(c, &o, backend, out);
}

bool fv_subject_open_source(fv_context *c, const fv_source *source, const fv_driver_options *o,
                            fv_backend_kind backend, fv_subject *out) {
    *out = (fv_subject){.path = source->module->name, .source = *source};
    look_at_source(&(opening){c, out}, &out->source);
    return finish(c, o, backend, out);
}

int fv_subject_run(fv_context *c, fv_subject *m) {
    const fv_env env = {.size = sizeof env, .seed = c->args->data.draws};
    fv_run_options o = {
        .size = sizeof o, .threads = fv_args_threads(c->args), .cancel = c->cancel, .env = &env};
    fv_log *log = fv_log_new();
    fv_progress_phase(c->args, m->path, "runs");
    int status = fv_artifact_run(m->artifact, m->data.inputs, m->data.outputs, &o, log);
    bool ok = status == FV_OK || fv_say_log(c, log);
    fv_log_free(log);
    return ok ? FV_OK : status;
}

void fv_subject_close(fv_subject *m) {
    for (int i = 0; m->data.outputs && i < m->table->noutputs; i++)
        fv_array_free(&m->data.outputs[i]);
    fv_artifact_free(m->artifact);
    fv_session_free(m->reading);
    m->artifact = NULL;
    m->reading = NULL;
}
