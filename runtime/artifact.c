/* artifact.c - artifacts: loading compiled libraries, and running anything that has a table. */
#include <dlfcn.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "internal.h"

static int table_plan(fv_artifact *a, const int64_t *dims, size_t *workspace, int64_t *out_dims) {
    return a->model->plan(dims, workspace, out_dims);
}

static int table_run(fv_artifact *a, const int64_t *dims, const void *const *inputs,
                     void *const *outputs, int64_t *out_dims, void *workspace, size_t bytes,
                     const fv_env *env) {
    return a->model->run(dims, inputs, outputs, out_dims, workspace, bytes, env);
}

fv_artifact *fv_artifact_new(const fv_model *model) {
    fv_artifact *a = calloc(1, sizeof *a);
    pthread_mutex_t *lock = malloc(sizeof *lock);
    if (!a || !lock || pthread_mutex_init(lock, NULL)) {
        free(a);
        free(lock);
        return NULL;
    }
    a->model = model;
    a->plan = table_plan;
    a->run = table_run;
    a->lock = lock;
    return a;
}

const fv_model *fv_artifact_model(const fv_artifact *a) {
    return a->model;
}

void fv_artifact_free(fv_artifact *a) {
    if (!a)
        return;
    fv_pool_free(a->pool);
    if (a->destroy)
        a->destroy(a);
    pthread_mutex_destroy(a->lock);
    free(a->lock);
    free(a);
}

/* ---- loading ---- */

static void close_library(fv_artifact *a) {
    dlclose(a->ctx);
}

/* The one exported symbol that ends in _model is named in the library's soname; it is also reachable
 * under the fixed name `fovea_model`. */
int fv_load(const char *path, fv_log *log, fv_artifact **out) {
    *out = NULL;
    char *full = realpath(path, NULL); /* a bare name would be searched for elsewhere */
    void *lib = full ? dlopen(full, RTLD_NOW | RTLD_LOCAL) : NULL;
    free(full);
    if (!lib) {
        const char *why = dlerror();
        fv_log_add(log, "%s: error: cannot be loaded: %s", path, why ? why : "no such file");
        return FV_BAD_FILE;
    }
    const fv_model *(*get)(void);
    *(void **)&get = dlsym(lib, "fovea_model");
    const fv_model *model = get ? get() : NULL;
    if (!model || model->abi != 1 || model->size < sizeof(fv_model)) {
        fv_log_add(log, "%s: error: is no compiled model of ABI 1", path);
        dlclose(lib);
        return FV_BAD_FILE;
    }
    *out = fv_artifact_new(model);
    if (!*out) {
        dlclose(lib);
        return FV_NO_MEMORY;
    }
    (*out)->ctx = lib;
    (*out)->destroy = close_library;
    return FV_OK;
}

/* ---- running ---- */

static void *env_alloc(void *user, size_t bytes) {
    (void)user;
    void *p = NULL;
    return posix_memalign(&p, 64, bytes ? bytes : 64) ? NULL : p;
}

static void env_free(void *user, void *p) {
    (void)user;
    free(p);
}

static fv_pool *pool_of(fv_artifact *a, int threads) {
    if (threads == 1)
        return NULL;
    pthread_mutex_lock(a->lock);
    if (a->pool && threads && fv_pool_size(a->pool) != threads) {
        fv_pool_free(a->pool);
        a->pool = NULL;
    }
    if (!a->pool)
        a->pool = fv_pool_new(threads);
    fv_pool *p = a->pool;
    pthread_mutex_unlock(a->lock);
    return p && fv_pool_size(p) > 1 ? p : NULL;
}

typedef struct run_state {
    int64_t *dims, *out_dims;
    const void **in;
    void **out;
    void *workspace;
    size_t bytes;
} run_state;

static int out_dims_size(const fv_model *m) {
    int n = 0;
    for (int i = 0; i < m->noutputs; i++)
        n += 1 + m->outputs[i].rank;
    return n;
}

/* Sizes an output from its planned dims; a capacity of INT64_MAX starts small and grows. */
static int make_output(fv_array *o, const fv_port_info *p, int64_t *dims, int64_t want) {
    fv_array probe = {.type = p->type, .rank = 1, .dims = {dims[0] == INT64_MAX ? want : dims[0]}};
    size_t bytes = fv_array_bytes(&probe);
    if (o->data) {
        dims[0] = 1;
        for (int k = 0; k < o->rank; k++)
            dims[0] *= o->dims[k];
        return FV_OK;
    }
    if (bytes == SIZE_MAX)
        return FV_TOO_LARGE;
    if (!(o->owner = env_alloc(NULL, bytes)))
        return FV_NO_MEMORY;
    o->data = o->owner;
    dims[0] = probe.dims[0];
    return FV_OK;
}

static int run_once(fv_artifact *a, run_state *s, fv_array *outputs, int64_t *grow,
                    const fv_env *env) {
    const fv_model *m = a->model;
    int status = a->plan(a, s->dims, &s->bytes, s->out_dims);
    for (int i = 0, at = 0; i < m->noutputs && !status; at += 1 + m->outputs[i++].rank) {
        status = make_output(&outputs[i], &m->outputs[i], s->out_dims + at, grow[i]);
        s->out[i] = outputs[i].data;
    }
    if (!status && !(s->workspace = env_alloc(NULL, s->bytes)))
        status = FV_NO_MEMORY;
    if (!status)
        status = a->run(a, s->dims, s->in, s->out, s->out_dims, s->workspace, s->bytes, env);
    free(s->workspace);
    s->workspace = NULL;
    return status;
}

/* After FV_TOO_SMALL: the elements that outputs without a bound turned out to need. */
static int grow_outputs(const fv_model *m, const run_state *s, fv_array *outputs,
                        const unsigned char *ours, int64_t *grow) {
    int grown = 0;
    for (int i = 0, at = 0; i < m->noutputs; at += 1 + m->outputs[i++].rank) {
        int64_t need = 1;
        if (!m->outputs[i].depends_on_data || !ours[i])
            continue;
        for (int k = 0; k < m->outputs[i].rank; k++)
            if (__builtin_mul_overflow(need, s->out_dims[at + 1 + k], &need))
                return 0;
        if (need > grow[i]) {
            grow[i] = need;
            grown = 1;
        }
    }
    for (int i = 0; i < m->noutputs; i++)
        if (ours[i])
            fv_array_free(&outputs[i]);
    return grown;
}

static void tell_dims(const fv_model *m, const run_state *s, fv_array *outputs) {
    for (int i = 0, at = 0; i < m->noutputs; at += 1 + m->outputs[i++].rank) {
        outputs[i].type = m->outputs[i].type;
        outputs[i].rank = m->outputs[i].rank;
        for (int k = 0; k < m->outputs[i].rank; k++)
            outputs[i].dims[k] = s->out_dims[at + 1 + k];
    }
}

int fv_artifact_run(fv_artifact *a, const fv_array *inputs, fv_array *outputs,
                    const fv_run_options *o, fv_log *log) {
    const fv_model *m = a->model;
    run_state s = {0};
    size_t ni = (size_t)m->ninputs + 1, no = (size_t)m->noutputs + 1;
    unsigned char *ours = calloc(no, 1);
    int64_t *grow = calloc(no, sizeof *grow);
    s.dims = calloc((size_t)m->nsymbols + 1, sizeof *s.dims);
    s.out_dims = calloc((size_t)out_dims_size(m) + 1, sizeof *s.out_dims);
    s.in = calloc(ni, sizeof *s.in);
    s.out = calloc(no, sizeof *s.out);
    int status = ours && grow && s.dims && s.out_dims && s.in && s.out ? FV_OK : FV_NO_MEMORY;
    if (!status)
        status = fv_solve_dims(m, inputs, s.dims, log);
    if (!status) {
        for (int i = 0; i < m->ninputs; i++)
            s.in[i] = inputs[i].data;
        for (int i = 0; i < m->noutputs; i++) {
            ours[i] = !outputs[i].data;
            grow[i] = 4096;
        }
        fv_pool *pool = pool_of(a, o ? o->threads : 0);
        fv_env env = {.size = sizeof env, .user = pool, .alloc = env_alloc, .free = env_free,
                      .parallel_for = pool ? fv_pool_parallel_for : NULL,
                      .cancel = o ? o->cancel : NULL};
        status = run_once(a, &s, outputs, grow, &env);
        while (status == FV_TOO_SMALL && grow_outputs(m, &s, outputs, ours, grow))
            status = run_once(a, &s, outputs, grow, &env);
    }
    if (!status)
        tell_dims(m, &s, outputs);
    for (int i = 0; status && ours && i < m->noutputs; i++)
        if (ours[i])
            fv_array_free(&outputs[i]);
    if (status && log && !*fv_log_text(log))
        fv_log_add(log, "error: %s: %s", fv_status_name(status), fv_status_text(status));
    free(ours);
    free(grow);
    free(s.dims);
    free(s.out_dims);
    free(s.in);
    free(s.out);
    return status;
}
