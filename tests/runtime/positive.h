/* positive.h - a model written by hand, for tests of runs. */
#ifndef FV_TESTS_POSITIVE_H
#define FV_TESTS_POSITIVE_H

#include "runtime/internal.h"

/* A model that copies the positive elements of x: f32[n] to y, whose length depends on data, and
 * returns n in z: i64[]. */
static const fv_symbol_info symbols[] = {{"n", 0, 1000000}};
static const char *const x_dims[] = {"n"}, *const y_dims[] = {"found"};
static const fv_port_info inputs[] = {{"x", 1, 1, x_dims, 0, 0, 0}};
static const fv_port_info outputs[] = {{"y", 1, 1, y_dims, 1, 0, 0}, {"z", 7, 0, NULL, 0, 0, 0}};
static const int64_t no_bound = INT64_MAX;

static int plan(const int64_t *dims, size_t *workspace, int64_t *out_dims) {
    if (dims[0] > 1000000)
        return FV_BAD_DIM;
    if (workspace)
        *workspace = 64;
    if (out_dims) {
        out_dims[0] = no_bound;
        out_dims[1] = 1000000;
        out_dims[2] = 1;
    }
    return FV_OK;
}

static void store(void *arg, int64_t i) {
    ((int64_t *)arg)[i] = i;
}

static int run(const int64_t *dims, const void *const *in, void *const *out, int64_t *out_dims,
               void *workspace, size_t bytes, const fv_env *env) {
    const float *x = in[0];
    float *y = out[0];
    int64_t n = 0, tasks[64];
    if (!workspace || bytes < 64 || (uintptr_t)workspace % 64)
        return FV_BAD_ARGUMENT;
    if (env->cancel && *env->cancel)
        return FV_CANCELLED;
    if (env->parallel_for)
        env->parallel_for(env->user, store, tasks, 64);
    for (int64_t i = 0; i < dims[0]; i++)
        n += x[i] > 0;
    out_dims[1] = n;
    if (n > out_dims[0])
        return FV_TOO_SMALL;
    for (int64_t i = 0, k = 0; i < dims[0]; i++)
        if (x[i] > 0)
            y[k++] = x[i];
    *(int64_t *)out[1] = dims[0];
    return FV_OK;
}

static const fv_model model = {.abi = 2,
                               .size = sizeof(fv_model),
                               .name = "positive",
                               .target = "generic",
                               .nsymbols = 1,
                               .ninputs = 1,
                               .noutputs = 2,
                               .symbols = symbols,
                               .inputs = inputs,
                               .outputs = outputs,
                               .plan = plan,
                               .run = run};

#endif
