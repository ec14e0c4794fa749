/* read_numbers_jit.c - the same numbers_run, by code that is made in memory when it is first
 * called: link it in place of the generated numbers.c to run numbers.onnx through libfovea. */
#include "numbers.h"
#include <fovea.h>
#include <stdio.h>
#include <string.h>

int numbers_run(const numbers_dims *dims, const void *const *inputs, void *const *outputs,
                numbers_out_dims *actual, void *work, size_t bytes, const fv_env *env) {
    static fv_artifact *model; /* compiled once; this program has one thread */
    fv_array in = {0}, out[2] = {{0}};
    int status = FV_OK;
    (void)work;
    (void)bytes;
    (void)env;
    if (!model) {
        fv_log *log = fv_log_new();
        status = fv_compile("numbers.onnx", NULL, log, &model);
        fputs(fv_log_text(log), stderr);
        fv_log_free(log);
    }
    in.type = 6; /* int32 */
    in.rank = 1;
    in.dims[0] = dims->n;
    in.data = (void *)inputs[0];
    if (status == FV_OK)
        status = fv_artifact_run(model, &in, out, NULL, NULL);
    if (status == FV_OK && out[0].dims[0] * dims->n <= actual->weights.capacity &&
        out[0].dims[0] <= actual->symbols.capacity) {
        memcpy(outputs[0], out[0].data, (size_t)out[0].dims[0] * sizeof(int64_t));
        memcpy(outputs[1], out[1].data, (size_t)(out[0].dims[0] * dims->n) * sizeof(float));
        actual->symbols.dim[0] = actual->weights.dim[0] = out[0].dims[0];
        actual->weights.dim[1] = dims->n;
    }
    fv_array_free(&out[0]);
    fv_array_free(&out[1]);
    return status;
}
