/* artifact.c - runs artifacts: allocation of outputs, buffers of the caller, failures. */
#include <criterion/criterion.h>
#include <pthread.h>
#include <string.h>

#include "positive.h"

enum { MANY = 100000 };
static float ones[MANY];

static void fill(void) {
    for (int i = 0; i < MANY; i++)
        ones[i] = 1;
}

TestSuite(artifact, .init = fill);

Test(artifact, outputs_grow) {
    fv_artifact *a = fv_artifact_new(&model);
    fv_array in = {1, 1, {MANY}, ones, NULL}, out[2] = {{0}};
    cr_assert_eq(fv_artifact_run(a, &in, out, NULL, NULL), FV_OK);
    cr_expect_eq(out[0].dims[0], MANY);
    cr_expect_eq(((float *)out[0].data)[MANY - 1], 1);
    cr_expect_eq(out[1].rank, 0);
    cr_expect_eq(*(int64_t *)out[1].data, MANY);
    fv_array_free(&out[0]);
    fv_array_free(&out[1]);
    cr_expect_null(out[0].data);
    fv_artifact_free(a);
}

Test(artifact, buffers_of_the_caller) {
    fv_artifact *a = fv_artifact_new(&model);
    float y[4] = {0};
    int64_t z;
    fv_array in = {1, 1, {4}, ones, NULL};
    fv_array out[2] = {{1, 1, {4}, y, NULL}, {7, 0, {0}, &z, NULL}};
    cr_assert_eq(fv_artifact_run(a, &in, out, NULL, NULL), FV_OK);
    cr_expect_eq(y[3], 1);
    cr_expect_eq(z, 4);
    in.dims[0] = 5;
    out[0].dims[0] = 4;
    cr_expect_eq(fv_artifact_run(a, &in, out, NULL, NULL), FV_TOO_SMALL);
    cr_expect_eq(out[0].data, y, "nobody took it away");
    fv_array no_room[2] = {{1, 1, {4}, y, NULL}, {7, 1, {0}, &z, NULL}};
    in.dims[0] = 4;
    cr_expect_eq(fv_artifact_run(a, &in, no_room, NULL, NULL), FV_TOO_SMALL);
    fv_array wrong[2] = {{11, 1, {4}, y, NULL}, {0}};
    cr_expect_eq(fv_artifact_run(a, &in, wrong, NULL, NULL), FV_BAD_ARGUMENT);
    cr_expect_null(wrong[1].data);
    fv_artifact_free(a);
}

/* The same run without structs. */
Test(artifact, flat_arguments) {
    fv_artifact *a = fv_artifact_new(&model);
    float y[4] = {0};
    int64_t z = 0, n = 4, room[] = {4, 1}, dims[1] = {0};
    const void *in[] = {ones};
    void *out[] = {y, &z}, *none[] = {y, NULL};
    cr_expect_eq(fv_array_size(), sizeof(fv_array));
    cr_assert_eq(fv_run_flat(a, in, &n, out, room, dims, NULL), FV_OK);
    cr_expect_eq(y[3], 1);
    cr_expect_eq(z, 4);
    cr_expect_eq(dims[0], 4);
    cr_expect_eq(fv_run_flat(a, in, &n, out, room, NULL, NULL), FV_OK);
    room[0] = 3;
    cr_expect_eq(fv_run_flat(a, in, &n, out, room, dims, NULL), FV_TOO_SMALL);
    cr_expect_eq(fv_run_flat(a, in, &n, none, room, dims, NULL), FV_BAD_ARGUMENT);
    cr_expect_eq(fv_run_flat(a, NULL, &n, out, room, dims, NULL), FV_BAD_ARGUMENT);
    cr_expect_eq(fv_run_flat(a, in, &n, out, NULL, dims, NULL), FV_BAD_ARGUMENT);
    room[0] = -1;
    cr_expect_eq(fv_run_flat(a, in, &n, out, room, dims, NULL), FV_BAD_ARGUMENT);
    cr_expect_eq(fv_run_flat(NULL, in, &n, out, room, dims, NULL), FV_BAD_ARGUMENT);
    fv_artifact_free(a);
}

static void is_refused(int status, fv_log *log, const char *what) {
    cr_expect_eq(status, FV_BAD_ARGUMENT, "%s: %s", what, fv_status_name(status));
    cr_expect(strstr(fv_log_text(log), "error: ") != NULL, "%s: nothing is said", what);
    fv_log_clear(log);
}

/* Every public function takes NULL and nonsense for what it is. */
Test(artifact, nonsense_is_refused) {
    fv_artifact *a = fv_artifact_new(&model), *none = (fv_artifact *)1;
    fv_log *log = fv_log_new();
    fv_array in = {1, 1, {4}, ones, NULL}, out[2] = {{0}};
    is_refused(fv_artifact_run(NULL, &in, out, NULL, log), log, "no artifact");
    is_refused(fv_artifact_run(a, NULL, out, NULL, log), log, "no inputs");
    is_refused(fv_artifact_run(a, &in, NULL, NULL, log), log, "no outputs");
    cr_expect_eq(fv_artifact_run(a, NULL, NULL, NULL, NULL), FV_BAD_ARGUMENT);
    const fv_run_options sizes[] = {
        {.size = 0}, {.size = 3}, {.size = 4096}, {.size = sizeof *sizes, .threads = -1}};
    for (int i = 0; i < 4; i++)
        is_refused(fv_artifact_run(a, &in, out, &sizes[i], log), log, "options");
    const fv_array odd[] = {{0},
                            {1, -1, {4}, ones, NULL},
                            {1, 1 << 30, {4}, ones, NULL},
                            {-7, 1, {4}, ones, NULL},
                            {1 << 30, 1, {4}, ones, NULL}};
    for (int i = 0; i < 5; i++)
        is_refused(fv_artifact_run(a, &odd[i], out, NULL, log), log, "an odd input");
    for (int i = 1; i < 5; i++) {
        fv_array outs[2] = {odd[i], {0}};
        is_refused(fv_artifact_run(a, &in, outs, NULL, log), log, "an odd output");
    }
    const fv_array negative = {1, 1, {-4}, ones, NULL};
    cr_expect_eq(fv_artifact_run(a, &negative, out, NULL, log), FV_BAD_DIM);
    fv_log_clear(log);
    is_refused(fv_load(NULL, log, &none), log, "no path");
    cr_expect_null(none);
    is_refused(fv_load("x.so", log, NULL), log, "nowhere to load to");
    cr_expect_null(fv_artifact_model(NULL));
    cr_expect_eq(fv_array_bytes(NULL), SIZE_MAX);
    cr_expect_str_eq(fv_log_text(NULL), "");
    cr_expect_str_eq(fv_status_name(-1), "unknown status");
    cr_expect_str_eq(fv_status_text(12345), "unknown status");
    fv_artifact_free(NULL);
    fv_array_free(NULL);
    fv_log_clear(NULL);
    fv_log_free(NULL);
    fv_log_free(log);
    fv_artifact_free(a);
}

Test(artifact, failures_are_said) {
    fv_artifact *a = fv_artifact_new(&model);
    fv_log *log = fv_log_new();
    int32_t cancel = 1;
    fv_run_options o = {.size = sizeof o, .threads = 1, .cancel = &cancel};
    fv_array in = {1, 1, {4}, ones, NULL}, out[2] = {{0}};
    cr_expect_eq(fv_artifact_run(a, &in, out, &o, log), FV_CANCELLED);
    cr_expect(strstr(fv_log_text(log), "cancelled"));
    cr_expect(!out[0].data && !out[1].data);
    fv_log_clear(log);
    in.dims[0] = 2000000;
    cr_expect_eq(fv_artifact_run(a, &in, out, NULL, log), FV_BAD_DIM);
    cr_expect(strstr(fv_log_text(log), "'n' may be 0 to 1000000"), "%s", fv_log_text(log));
    o.size = 3;
    cr_expect_eq(fv_artifact_run(a, &in, out, &o, log), FV_BAD_ARGUMENT);
    fv_log_free(log);
    fv_artifact_free(a);
}

/* Any number of threads run one artifact, with different numbers of threads of their own. */
static void *runs(void *arg) {
    fv_artifact *a = arg;
    intptr_t bad = 0;
    for (int i = 0; i < 30; i++) {
        fv_run_options o = {.size = sizeof o, .threads = 1 + i % 4};
        fv_array in = {1, 1, {5000 + i}, ones, NULL}, out[2] = {{0}};
        bad += fv_artifact_run(a, &in, out, &o, NULL) != FV_OK || out[0].dims[0] != 5000 + i;
        fv_array_free(&out[0]);
        fv_array_free(&out[1]);
    }
    return (void *)bad;
}

Test(artifact, runs_on_many_threads) {
    fv_artifact *a = fv_artifact_new(&model);
    pthread_t t[4];
    for (int i = 0; i < 4; i++)
        cr_assert_eq(pthread_create(&t[i], NULL, runs, a), 0);
    for (int i = 0; i < 4; i++) {
        void *bad;
        pthread_join(t[i], &bad);
        cr_expect_null(bad);
    }
    fv_artifact_free(a);
}

Test(artifact, nothing_to_load) {
    fv_artifact *a = (fv_artifact *)&model;
    fv_log *log = fv_log_new();
    cr_expect_eq(fv_load("/nowhere/at/all.so", log, &a), FV_BAD_FILE);
    cr_expect_null(a);
    cr_expect(strstr(fv_log_text(log), "/nowhere/at/all.so: error: "), "%s", fv_log_text(log));
    fv_log_free(log);
    fv_artifact_free(NULL);
}
