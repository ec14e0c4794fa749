/* dates_jit.c - the same dates_run, by code that is made in memory when it is first called: link it
 * in place of the generated dates.c to run dates.onnx through libfovea. */
#include "dates.h"
#include <fovea.h>
#include <stdio.h>
#include <string.h>

int dates_run(const int32_t text[1][40], float probs[1][10][11], void *work) {
    static fv_artifact *model; /* compiled once; this program has one thread */
    fv_array in = {0}, out = {0};
    int status = FV_OK;
    (void)work;
    if (!model) {
        fv_log *log = fv_log_new();
        status = fv_compile("dates.onnx", NULL, log, &model);
        fputs(fv_log_text(log), stderr);
        fv_log_free(log);
    }
    in.type = 6; /* int32 */
    in.rank = 2;
    in.dims[0] = 1;
    in.dims[1] = 40;
    in.data = (void *)text;
    if (status == FV_OK)
        status = fv_artifact_run(model, &in, &out, NULL, NULL);
    if (status == FV_OK)
        memcpy(probs, out.data, sizeof(float[1][10][11]));
    fv_array_free(&out);
    return status;
}
