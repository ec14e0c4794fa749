/* dates_loaded.c - the same dates_run as of generated code, by a library that is loaded at its
 * first call: link it with ../dates/dates.c. The library chooses its code by the CPU; which code
 * that is, or which features the CPU lacks, goes to standard error. */
#include "dates.h"
#include <fovea.h>
#include <stdio.h>

int dates_run(const int32_t text[1][40], float probs[1][10][11], void *work) {
    static fv_artifact *model; /* loaded once; this program has one thread */
    fv_array in = {0}, out = {0};
    int status = FV_OK;
    (void)work;
    if (!model) {
        fv_log *log = fv_log_new();
        status = fv_load("./dates.so", log, &model);
        if (status == FV_OK)
            fprintf(stderr, "code for %s\n", fv_artifact_model(model)->target);
        else
            fprintf(stderr, "%s: %s", fv_status_name(status), fv_log_text(log));
        fv_log_free(log);
    }
    if (status != FV_OK)
        return status;
    in.type = FV_TYPE_INT32;
    in.rank = 2;
    in.dims[0] = 1;
    in.dims[1] = 40;
    in.data = (void *)text; /* a run only reads it */
    out.rank = 3;
    out.type = FV_TYPE_FLOAT;
    out.dims[0] = 1;
    out.dims[1] = 10;
    out.dims[2] = 11;
    out.data = probs;
    return fv_artifact_run(model, &in, &out, NULL, NULL);
}
