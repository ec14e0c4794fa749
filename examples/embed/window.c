/* window.c - a program whose memory is all static: the largest size of each array is a macro of the
 * header, also of those whose dims the model bounds only by what it does with them. */
#include "window.h"
#include <stdio.h>
#include <string.h>

static float x[WINDOW_X_MAX_SIZE], cache[WINDOW_CACHE_MAX_SIZE], weights[WINDOW_WEIGHTS_MAX_SIZE];
static float sum[WINDOW_SUM_SIZE], rows[WINDOW_ROWS_MAX_SIZE];
WINDOW_ALIGNED static unsigned char workspace[WINDOW_WORKSPACE_BYTES];

/* Gives the model `seq` rows, the first of which is full of `first`, the next of first + 1. */
static int step(window_dims *dims, int64_t seq, float first) {
    const void *inputs[] = {x, cache, weights};
    void *outputs[] = {sum, rows};
    window_out_dims actual;
    size_t bytes;
    int status;
    dims->seq = seq;
    dims->total = dims->past + seq;
    status = window_plan(dims, &bytes, &actual);
    if (status != FV_OK)
        return status; /* before anything is written: the dims are beyond their bounds */
    for (int64_t i = 0; i < seq * 3; i++)
        x[i] = first + (float)(i / 3);
    for (int64_t i = 0; i < dims->total; i++)
        weights[i] = 1;
    status = window_run(dims, inputs, outputs, &actual, workspace, sizeof workspace, NULL);
    if (status == FV_OK) {
        dims->past = actual.rows.dim[0];
        memcpy(cache, rows, (size_t)dims->past * 3 * sizeof *rows);
        printf("%d rows, sum %g\n", (int)dims->past, (double)sum[0]);
    }
    return status;
}

int main(void) {
    window_dims dims = {0};
    int status = FV_OK;
    printf("at most %d weights\n", WINDOW_WEIGHTS_MAX_SIZE);
    for (int i = 0; i < 3 && status == FV_OK; i++)
        status = step(&dims, 4, (float)(1 + 4 * i));
    if (status == FV_OK)
        status = step(&dims, 5, 1); /* more than seq allows */
    printf("%s\n", status == FV_BAD_DIM ? "no fifth row in a step" : "unexpected");
    return status != FV_BAD_DIM;
}
