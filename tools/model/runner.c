/* runner.c - runs a model through its table, as an application does. */
#include "tools/model/runner.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tools/command/progress.h"

double fv_now_ms(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return 1e3 * (double)t.tv_sec + 1e-6 * (double)t.tv_nsec;
}

/* ---- buffers ---- */

static int64_t elements(const fv_array *x) {
    int64_t n = 1;
    for (int i = 0; i < x->rank; i++)
        n *= x->dims[i];
    return n;
}

static void place(fv_runner *r) {
    const fv_model *t = r->m->table;
    for (int i = 0; i < t->ninputs; i++)
        r->in[i] = r->m->data.inputs[i].data;
    for (int i = 0, at = 0; i < t->noutputs; at += 1 + t->outputs[i++].rank) {
        r->capacity[at] = elements(&r->m->data.outputs[i]);
        r->out[i] = r->m->data.outputs[i].data;
    }
}

static int out_dims_size(const fv_model *t) {
    int n = 0;
    for (int i = 0; i < t->noutputs; i++)
        n += 1 + t->outputs[i].rank;
    return n;
}

static bool make_buffers(fv_context *c, fv_runner *r) {
    const fv_model *t = r->m->table;
    fv_arena *a = c->arena;
    r->in = FV_NEW(a, const void *, t->ninputs + 1);
    r->out = FV_NEW(a, void *, t->noutputs + 1);
    r->out_dims = FV_NEW(a, int64_t, out_dims_size(t) + 1);
    r->capacity = FV_NEW(a, int64_t, out_dims_size(t) + 1);
    int status = r->m->artifact->plan(r->m->artifact, r->m->data.dims, &r->workspace_bytes, NULL);
    if (status)
        return fv_error(c->session, "%s (%s)", fv_status_text(status), fv_status_name(status));
    r->workspace = r->env.alloc(r->env.user, r->workspace_bytes);
    if (!r->workspace)
        fv_out_of_memory(c->session);
    place(r);
    return true;
}

static bool first_run(fv_context *c, fv_runner *r) {
    const fv_env env = {.size = sizeof env, .seed = r->env.seed};
    fv_run_options o = {.size = sizeof o, .threads = r->threads, .cancel = c->cancel, .env = &env};
    fv_log *log = fv_log_new();
    fv_progress_phase(c->args, r->m->path, "runs for the first time");
    double start = fv_now_ms();
    int status = fv_artifact_run(r->m->artifact, r->m->data.inputs, r->m->data.outputs, &o, log);
    r->first_ms = fv_now_ms() - start;
    bool ok = status == FV_OK || fv_say_log(c, log);
    fv_log_free(log);
    return ok;
}

bool fv_runner_open(fv_context *c, fv_subject *m, int threads, fv_runner *r) {
    *r = (fv_runner){.m = m, .pool = threads == 1 ? NULL : fv_pool_new(threads)};
    if (threads != 1 && !r->pool)
        fv_out_of_memory(c->session);
    r->threads = r->pool ? fv_pool_size(r->pool) : 1;
    r->env = fv_pool_env(r->pool);
    r->env.cancel = c->cancel;
    r->env.seed = c->args->data.draws;
    return first_run(c, r) && make_buffers(c, r);
}

void fv_runner_close(fv_runner *r) {
    free(r->workspace);
    free(r->events);
    fv_pool_free(r->pool);
    *r = (fv_runner){0};
}

/* ---- runs ---- */

static bool run(fv_context *c, fv_runner *r, const fv_env *env, double *ms) {
    fv_artifact *a = r->m->artifact;
    memcpy(r->out_dims, r->capacity, (size_t)out_dims_size(r->m->table) * sizeof *r->out_dims);
    r->origin = fv_now_ms();
    int status = a->run(a, r->m->data.dims, r->in, r->out, r->out_dims, r->workspace,
                        r->workspace_bytes, env);
    *ms = fv_now_ms() - r->origin;
    return !status ||
           fv_error(c->session, "%s (%s)", fv_status_text(status), fv_status_name(status));
}

bool fv_runner_run(fv_context *c, fv_runner *r, double *ms) {
    return run(c, r, &r->env, ms);
}

/* ---- traced ---- */

static void parallel_for(void *user, void (*task)(void *arg, int64_t i), void *arg, int64_t n) {
    const fv_runner *r = user;
    r->env.parallel_for(r->env.user, task, arg, n);
}

static void *allocate(void *user, size_t bytes) {
    const fv_runner *r = user;
    return r->env.alloc(r->env.user, bytes);
}

static void release(void *user, void *p) {
    const fv_runner *r = user;
    r->env.free(r->env.user, p);
}

/* Is there room for another event? If memory runs out, the rest of the run is not recorded. */
static bool has_room(fv_runner *r) {
    if (r->nevents < r->cap_events)
        return true;
    int cap = r->cap_events ? 2 * r->cap_events : 1024;
    fv_event *events = realloc(r->events, (size_t)cap * sizeof *events);
    if (!events)
        return false;
    r->events = events;
    r->cap_events = cap;
    return true;
}

static void note(void *user, int32_t launch, int32_t end) {
    fv_runner *r = user;
    if (end && r->nevents)
        r->events[r->nevents - 1].end = fv_now_ms() - r->origin;
    else if (!end && has_room(r)) {
        double now = fv_now_ms() - r->origin;
        r->events[r->nevents++] = (fv_event){launch, now, now};
    }
}

bool fv_runner_trace(fv_context *c, fv_runner *r, double *ms) {
    fv_env env = r->env;
    env.user = r;
    env.parallel_for = r->env.parallel_for ? parallel_for : NULL;
    env.alloc = allocate;
    env.free = release;
    env.trace = note;
    r->nevents = 0;
    return run(c, r, &env, ms);
}

static int ascending(const void *a, const void *b) {
    const double *x = a, *y = b;
    return (*x > *y) - (*x < *y);
}

/* The least distance between two values that each make up at least 10% of the n times, since nearly
 * all times are a whole number of steps of the clock; a nanosecond if there are no two. */
static double least_distance(double *ms, int n) {
    const double same = 0.5e-6;
    double found = INFINITY, before = -INFINITY;
    qsort(ms, (size_t)n, sizeof *ms, ascending);
    for (int i = 0, j; i < n; i = j) {
        for (j = i + 1; j < n && ms[j] - ms[i] < same; j++)
            ;
        if (10 * (j - i) < n)
            continue;
        found = fmin(found, ms[i] - before);
        before = ms[i];
    }
    return isfinite(found) ? found : 1e-6;
}

fv_trace_clock fv_runner_clock(fv_runner *r) {
    enum { BATCHES = 32, LAUNCHES = 256 };
    void (*volatile trace)(void *, int32_t, int32_t) = note; /* called as compiled code calls it */
    double ms[LAUNCHES];
    fv_trace_clock clock = {INFINITY, INFINITY};
    r->origin = fv_now_ms();
    for (int batch = 0; batch < BATCHES; batch++) {
        double sum = 0;
        for (int i = 0; i < LAUNCHES; i++) {
            r->nevents = 0;
            trace(r, 0, 0);
            trace(r, 0, 1);
            ms[i] = r->nevents ? r->events[0].end - r->events[0].begin : 0;
            sum += ms[i];
        }
        clock.reading = fmin(clock.reading, sum / (double)LAUNCHES);
        clock.step = fmin(clock.step, least_distance(ms, LAUNCHES));
    }
    r->nevents = 0;
    return clock;
}
