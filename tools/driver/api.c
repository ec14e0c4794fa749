/* api.c - the functions of runtime/fovea.h that compile models. Each call opens a session with a
 * door; the session of an artifact lives as long as the artifact. */
#include <string.h>
#include <unistd.h>

#include "backend/c/names.h"
#include "backend/consumer/weights.h"
#include "backend/lowering/options.h"
#include "driver.h"
#include "machine.h"
#include "passes/switches.h"

typedef struct job {
    fv_session *session;
    const char *path;             /* path of the model; for a model in memory its name */
    const fv_driver_bytes *bytes; /* the model in memory; NULL: the model is in a file */
    fv_log *log;
    fv_compile_options o;
    fv_driver_options driver;
    fv_pipeline_options pipeline;
    fv_compiled made; /* the compiled model, freed together with the session if the call fails */
} job;

/* Copies the caller's options, which may be NULL or of an older, smaller size. False: the size is
 * unknown. */
static bool read_options(const fv_compile_options *from, fv_compile_options *o) {
    *o = (fv_compile_options){.size = sizeof *o};
    if (!from)
        return true;
    if (from->size < sizeof from->size || from->size > sizeof *o)
        return false;
    memcpy(o, from, from->size);
    return true;
}

static int bad_option(job *j, const char *what, const char *value) {
    fv_log_add(j->log, "error: %s '%s'", what, value);
    return FV_BAD_ARGUMENT;
}

/* The target of the options; for code in files, which do not run here, also a list of targets.
 * Member `of` is NULL if they are wrong, and `*why` says why. */
static fv_driver_machine machine_of(const job *j, bool here, const char **why) {
    fv_arena *a = fv_arena_new(j->session);
    const char *text = j->o.target;
    fv_driver_machine m = {.given = text != NULL};
    if (here || !text || !strchr(text, ',')) {
        m.of = fv_driver_target(j->session, a, text, here, why);
        return m;
    }
    m.levels = fv_targets_read(a, text, &m.nlevels, why);
    m.of = m.levels ? m.levels[0] : NULL;
    return m;
}

static int check_options(job *j, bool here) {
    const fv_compile_options *o = &j->o;
    j->pipeline.verify = o->verify != 0;
    const char *why = "";
    j->driver = (fv_driver_options){.bytes = j->bytes,
                                    .target = machine_of(j, here, &why),
                                    .dims.given = o->dims,
                                    .dims.states = o->states,
                                    .level = o->level ? o->level : '2',
                                    .naive = o->naive != 0,
                                    .strict = o->strict != 0,
                                    .tuning.path = o->tuning,
                                    .name = o->name,
                                    .work.passes = o->passes,
                                    .work.enable = o->enable,
                                    .work.disable = o->disable,
                                    .work.pipeline = &j->pipeline};
    if (!j->driver.target.of) {
        fv_log_add(j->log, "error: %s", why);
        return FV_BAD_ARGUMENT;
    }
    if (here && o->backend != FV_BACKEND_INTERP && !fv_target_runs_here(j->driver.target.of)) {
        fv_log_add(j->log, "error: target %s: this machine cannot run its code; %s", o->target,
                   fv_machine_lack(fv_arena_new(j->session), j->driver.target.of));
        return FV_BAD_CPU;
    }
    const char *unknown;
    j->driver.relax = fv_relax_read(fv_arena_new(j->session), o->relax, &unknown);
    if (unknown)
        return bad_option(j, "there is no relaxation", unknown);
    if (o->prefer && strcmp(o->prefer, "time") && strcmp(o->prefer, "ram"))
        return bad_option(j, "prefer takes time or ram, not", o->prefer);
    j->driver.work.prefers_ram = o->prefer && !strcmp(o->prefer, "ram");
    if (o->naive && o->tuning)
        return bad_option(j, "the naive schedule has nothing that a tuning could say:", o->tuning);
    if (here && o->backend > FV_BACKEND_C)
        return bad_option(j, "there is no backend", "of that number");
    if (!strchr("0123s", j->driver.level))
        return bad_option(j, "there is no level", (char[]){j->driver.level, 0});
    if (o->name && !fv_c_name_is_fit(o->name))
        return bad_option(j, "no prefix for names:", o->name);
    if (o->weights && fv_weights_by_name(o->weights) == FV_WEIGHTS_AUTO)
        return bad_option(j, "weights go to object, file, incbin or text, not to", o->weights);
    for (int i = 0; o->passes && o->passes[i]; i++)
        if (!fv_pass_find(o->passes[i]))
            return bad_option(j, "there is no pass", o->passes[i]);
    const char *wrong =
        fv_switches_wrong(fv_arena_new(j->session), o->passes, NULL, o->enable, o->disable);
    if (wrong) {
        fv_log_add(j->log, "error: %s", wrong);
        return FV_BAD_ARGUMENT;
    }
    return FV_OK;
}

/* The status of a call that failed, derived from its messages. */
static int status_of(const job *j) {
    for (const fv_message *m = fv_messages(j->session); m; m = m->next)
        if (m->severity == FV_ERROR && !strncmp(m->text, "internal error", 14))
            return FV_INTERNAL;
    const char *tuning = j->driver.tuning.path;
    bool unread = !j->bytes && access(j->path, R_OK);
    return unread || (tuning && access(tuning, R_OK)) ? FV_BAD_FILE : FV_BAD_MODEL;
}

/* Runs `work` in a new session, with a door and these options, and copies the messages to the log.
 * The members path, bytes and log of j are set. If `keep` is set and it succeeds, the session stays
 * open in j->session. */
static int with_session(job *j, const fv_compile_options *o, bool here,
                        int (*work)(job *j, void *arg), void *arg, bool keep) {
    fv_door door;
    if (!read_options(o, &j->o))
        return bad_option(j, "options are not those of this library:", "size");
    fv_session *s = fv_session_new();
    j->session = s;
    if (!s)
        return FV_NO_MEMORY;
    if (FV_DOOR_OPEN(s, &door)) {
        fv_log_add(j->log, "%s: error: %s", j->path, fv_session_left(s, &(fv_left){0}));
        int left = fv_session_is_broken(s) ? FV_INTERNAL : FV_NO_MEMORY;
        fv_artifact_free(j->made.artifact);
        fv_session_free(s);
        return left;
    }
    int status = check_options(j, here);
    if (!status)
        status = work(j, arg);
    fv_driver_log(s, j->log);
    fv_door_close(s, &door);
    if (status || !keep)
        fv_session_free(s);
    return status;
}

static void free_session(void *s) {
    fv_session_free(s);
}

/* Without LLVM there is no code in memory, which is the default: the model is interpreted then. */
static void choose_backend(job *j) {
    const char *missing = j->o.backend == FV_BACKEND_JIT ? fv_llvm_missing() : NULL;
    if (!missing)
        return;
    fv_log_say(j->log, FV_LOG_WARNING, "warning: %s; the model is interpreted", missing);
    j->o.backend = FV_BACKEND_INTERP;
}

static int make_artifact(job *j, void *arg) {
    (void)arg;
    choose_backend(j);
    fv_compiled *made = &j->made;
    if (fv_driver_compile(j->session, j->path, &j->driver, j->o.backend, NULL, made))
        return FV_OK;
    bool runs =
        j->o.backend == FV_BACKEND_INTERP || !made->program || fv_driver_may_run(made->program);
    return runs ? status_of(j) : FV_BAD_CPU;
}

static int compile(job *j, const fv_compile_options *o, fv_artifact **out) {
    int status = with_session(j, o, true, make_artifact, NULL, true);
    if (status)
        return status;
    j->made.artifact->release = free_session;
    j->made.artifact->owner = j->session;
    *out = j->made.artifact;
    return FV_OK;
}

int fv_compile(const char *path, const fv_compile_options *o, fv_log *log, fv_artifact **out) {
    job j = {.path = path, .log = log};
    if (out)
        *out = NULL;
    if (!path || !out)
        return fv_log_missing(log, path ? "out" : "path");
    return compile(&j, o, out);
}

int fv_compile_bytes(const void *data, size_t size, const char *name, const char *folder,
                     const fv_compile_options *o, fv_log *log, fv_artifact **out) {
    const fv_driver_bytes bytes = {data, size, folder};
    job j = {.path = name, .bytes = &bytes, .log = log};
    if (out)
        *out = NULL;
    if (!data || !name || !out)
        return fv_log_missing(log, !data ? "data" : !name ? "name" : "out");
    return compile(&j, o, out);
}

static fv_weights_kind weights_of(const fv_compile_options *o) {
    return o->weights ? fv_weights_by_name(o->weights) : FV_WEIGHTS_AUTO;
}

static int write_file(job *j, void *arg) {
    const char *out = arg;
    fv_emit_kind kind = fv_emit_by_suffix(out);
    fv_source source;
    if (!j->driver.name)
        j->driver.name = fv_emit_prefix(fv_arena_new(j->session), out);
    bool ok = fv_driver_read(j->session, j->path, &j->driver, &source);
    fv_write_options wo = {
        .level = j->driver.level, .weights = weights_of(&j->o), .header = !j->o.no_header};
    fv_program *p;
    ok = ok && fv_driver_emit_targets(j->session, &source, &j->driver, kind, out, &wo, &p);
    return ok ? FV_OK : status_of(j);
}

int fv_compile_file(const char *path, const char *out, const fv_compile_options *o, fv_log *log) {
    job j = {.path = path, .log = log};
    if (!path || !out)
        return fv_log_missing(log, path ? "out" : "path");
    return with_session(&j, o, false, write_file, (void *)(uintptr_t)out, false);
}

int fv_compile_bytes_file(const void *data, size_t size, const char *name, const char *folder,
                          const char *out, const fv_compile_options *o, fv_log *log) {
    const fv_driver_bytes bytes = {data, size, folder};
    job j = {.path = name, .bytes = &bytes, .log = log};
    if (!data || !name || !out)
        return fv_log_missing(log, !data ? "data" : !name ? "name" : "out");
    return with_session(&j, o, false, write_file, (void *)(uintptr_t)out, false);
}
