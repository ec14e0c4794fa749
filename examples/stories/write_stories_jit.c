/* write_stories_jit.c - the same stories_run, by code that is made in memory when it is first
 * called: link it in place of the generated stories.c to run stories.onnx through libfovea. */
#include "stories.h"
#include <fovea.h>
#include <stdio.h>

enum {
    CACHES = 6,
    HEADS = 3,
    HEAD = 16,
    CAPACITY = STORIES_PAST_KEY_VALUES_0_KEY_SIZE / (HEADS * HEAD)
};

static int compile(fv_artifact **model) {
    static const char *const dims[] = {"batch=1", NULL};
    /* arrays say how much room they have */
    static const char *const states[] = {"past_key_values.*=present.*:room", NULL};
    fv_compile_options options = {0};
    fv_log *log = fv_log_new();
    int status;
    options.size = sizeof options;
    options.dims = dims;
    options.states = states;
    status = fv_compile("stories.onnx", &options, log, model);
    fputs(fv_log_text(log), stderr);
    fv_log_free(log);
    return status;
}

static fv_array matrix(int32_t type, int64_t rows, int64_t columns, void *data) {
    fv_array a = {0};
    a.type = type;
    a.rank = 2;
    a.dims[0] = rows;
    a.dims[1] = columns;
    a.data = data;
    return a;
}

static fv_array cache(int64_t past, void *data) {
    fv_array a = {0};
    a.type = FV_TYPE_FLOAT;
    a.rank = 4;
    a.dims[0] = 1;
    a.dims[1] = HEADS;
    a.dims[2] = past;
    a.dims[3] = HEAD;
    a.data = data;
    a.capacity = CAPACITY;
    a.axis = 2;
    return a;
}

int stories_run(const stories_dims *dims, const void *const *inputs, void *const *outputs,
                stories_out_dims *actual, void *work, size_t bytes, const fv_env *env) {
    static fv_artifact *model; /* compiled once; this program has one thread */
    /* outputs without data: those of caches are their inputs' memory */
    fv_array in[1 + CACHES], out[1 + CACHES] = {{0}};
    int i, status = model ? FV_OK : compile(&model);
    (void)actual;
    (void)work;
    (void)bytes;
    (void)env;
    if (status != FV_OK)
        return status;
    in[0] = matrix(FV_TYPE_INT64, 1, dims->s, (void *)(uintptr_t)inputs[0]);
    for (i = 1; i <= CACHES; i++)
        in[i] = cache(dims->past, (void *)(uintptr_t)inputs[i]);
    out[0] = matrix(FV_TYPE_FLOAT, 1, STORIES_LOGITS_SIZE, outputs[0]);
    return fv_artifact_run(model, in, out, NULL, NULL);
}
