/* runner.c - runs each data set of a job with each number of threads, and writes the results. */
#include "tests/matrix/runner/runner.h"

/* Hands out the heap from its beginning; a run takes all of it anew. */
typedef struct runner {
    const runner_port *port;
    size_t used;
    int failed;
} runner;

static void *take(runner *r, int64_t bytes) {
    size_t n = ((size_t)bytes + 127) / 64 * 64;
    size_t start = r->used + (64 - ((uintptr_t)r->port->heap + r->used) % 64) % 64;
    if (bytes < 0 || (uint64_t)bytes > r->port->heap_bytes || start + n > r->port->heap_bytes) {
        r->failed = 1;
        return NULL;
    }
    r->used = start + n;
    return r->port->heap + start;
}

static void *env_alloc(void *user, size_t bytes) {
    return take(user, (int64_t)bytes);
}

static void env_free(void *user, void *p) {
    (void)user;
    (void)p;
}

/* parallel_for has the thread count where others have their pool; the runner's user is env's. */
static runner_port const *the_port;
static int the_threads;

static void spread(void *user, void (*task)(void *arg, int64_t i), void *arg, int64_t n) {
    (void)user;
    the_port->parallel_for(&the_threads, task, arg, n);
}

static int64_t bytes_of(int64_t elements, int64_t bits) {
    return elements > INT64_MAX / 64 ? INT64_MAX : (elements * bits + 7) / 8;
}

/* The words of the job after its head. */
typedef struct job_view {
    const int64_t *job, *outputs, *sets;
    int64_t nsets, nsymbols, ninputs, noutputs, nthreads;
    const int64_t *threads;
} job_view;

static job_view look(const int64_t *job) {
    job_view v = {.job = job, .nsets = job[1], .nthreads = job[2], .threads = job + 3};
    const int64_t *p = job + 3 + v.nthreads;
    v.nsymbols = p[0];
    v.ninputs = p[1];
    v.noutputs = p[2];
    v.outputs = p + 3;
    v.sets = v.outputs + 2 * v.noutputs;
    return v;
}

static void write_outputs(const runner *r, const job_view *v, void *const *out,
                          const int64_t *out_dims) {
    static const char zeros[8] = {0};
    for (int64_t i = 0, at = 0; i < v->noutputs; at += 1 + v->outputs[2 * i++]) {
        int64_t rank = v->outputs[2 * i], n = 1;
        for (int64_t k = 0; k < rank; k++)
            n *= out_dims[at + 1 + k];
        size_t bytes = (size_t)bytes_of(n, v->outputs[2 * i + 1]);
        r->port->write(out_dims + at + 1, (size_t)rank * sizeof(int64_t));
        r->port->write(out[i], bytes);
        r->port->write(zeros, (8 - bytes % 8) % 8);
    }
}

static int run_set(runner *r, const job_view *v, const fv_model *m, const int64_t *set, int threads,
                   void **out, int64_t *out_dims) {
    size_t bytes = 0;
    const void **in = take(r, v->ninputs * (int64_t)sizeof *in);
    fv_env env = {sizeof env, r, threads > 1 ? spread : NULL, env_alloc, env_free, NULL, NULL,
                  NULL,       0};
    int status = m->plan(set, &bytes, out_dims);
    if (status || !in)
        return status;
    const int64_t *offsets = set + v->nsymbols, *capacity = offsets + v->ninputs;
    for (int64_t i = 0; i < v->ninputs; i++)
        in[i] = offsets[i] < 0 ? NULL : (const char *)v->job + offsets[i];
    for (int64_t i = 0, at = 0; i < v->noutputs; at += 1 + v->outputs[2 * i++]) {
        if (out_dims[at] == INT64_MAX)
            out_dims[at] = capacity[i];
        out[i] = take(r, bytes_of(out_dims[at], v->outputs[2 * i + 1]));
    }
    void *work = take(r, (int64_t)bytes);
    if (r->failed)
        return RUNNER_OUT_OF_MEMORY;
    the_threads = threads;
    status = m->run(set, in, out, out_dims, work, bytes, &env);
    return r->failed ? RUNNER_OUT_OF_MEMORY : status;
}

void runner_run(const runner_port *port, const int64_t *job, const fv_model *m) {
    job_view v = look(job);
    int64_t stride = v.nsymbols + v.ninputs + v.noutputs, words = 1;
    for (int64_t i = 0; i < v.noutputs; i++)
        words += 1 + v.outputs[2 * i];
    the_port = port;
    for (int64_t s = 0; s < v.nsets; s++)
        for (int64_t t = 0; t < v.nthreads; t++) {
            runner r = {port, 0, 0};
            void **out = take(&r, v.noutputs * (int64_t)sizeof *out);
            int64_t *out_dims = take(&r, words * (int64_t)sizeof *out_dims);
            int64_t status = RUNNER_OUT_OF_MEMORY;
            if (out && out_dims)
                status = run_set(&r, &v, m, v.sets + s * stride, (int)v.threads[t], out, out_dims);
            port->write(&status, sizeof status);
            if (!status)
                write_outputs(&r, &v, out, out_dims);
        }
}
