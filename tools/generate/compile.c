/* compile.c - compiles a decoder with its caches as states. */
#include <string.h>

#include "tools/generate/caches.h"

/* A compilation by fv_compile_decoder. */
typedef struct job {
    const char *path;
    fv_compile_options o;
    fv_log *log;
    fv_artifact *out;
} job;

static int compile_with(job *j, const char *const *states, fv_log *log) {
    j->o.states = states;
    return fv_compile(j->path, &j->o, log, &j->out);
}

static void note_copies(fv_log *log, const fv_log *why) {
    const char *text = fv_log_text(why), *at = strstr(text, "error: ");
    at = at ? at + strlen("error: ") : text;
    fv_log_say(log, FV_LOG_NOTE, "note: each run copies the caches: %.*s", (int)strcspn(at, "\n"),
               at);
}

/* Compiles with caches in place, and if the model does not allow that, with copies of them. */
static int compile_best(job *j, const fv_cache_states *states) {
    if (!states->nfound)
        return compile_with(j, states->apart, j->log);
    fv_log *first = fv_log_new();
    int status = compile_with(j, states->in_place, first);
    if (status == FV_BAD_MODEL) {
        status = compile_with(j, states->apart, j->log);
        if (!status)
            note_copies(j->log, first);
    } else {
        fv_log_append(j->log, first);
    }
    fv_log_free(first);
    return status;
}

static int find_and_compile(job *j, fv_session *s) {
    fv_cache_states states;
    const char *why;
    fv_arena *a = fv_arena_new(s);
    fv_driver_options look = {.target.of = fv_driver_target(s, a, NULL, false, &why),
                              .dims.given = j->o.dims,
                              .dims.states = j->o.states,
                              .strict = j->o.strict != 0,
                              .level = '2'};
    if (fv_cache_states_find(s, a, j->path, &look, &states))
        return compile_best(j, &states);
    return compile_with(j, j->o.states, j->log); /* reports what is wrong with the model */
}

int fv_compile_decoder(const char *path, const fv_compile_options *o, fv_log *log,
                       fv_artifact **out) {
    fv_door door;
    fv_left left;
    job j = {.path = path, .o = {.size = sizeof j.o}, .log = log};
    if (out)
        *out = NULL;
    if (!path || !out)
        return fv_log_missing(log, path ? "out" : "path");
    if (o && (o->size < sizeof o->size || o->size > sizeof *o)) {
        fv_log_add(log, "error: options are not those of this library");
        return FV_BAD_ARGUMENT;
    }
    if (o)
        memcpy(&j.o, o, o->size);
    fv_session *s = fv_session_new();
    if (!s)
        return FV_NO_MEMORY;
    if (FV_DOOR_OPEN(s, &door)) {
        fv_log_add(log, "%s: error: %s", path, fv_session_left(s, &left));
        int status = fv_session_is_broken(s) ? FV_INTERNAL : FV_NO_MEMORY;
        fv_session_free(s);
        return status;
    }
    int status = find_and_compile(&j, s);
    fv_door_close(s, &door);
    fv_session_free(s);
    *out = j.out;
    return status;
}
