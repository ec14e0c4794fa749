/* races.c - a program for a sanitizer of races: threads that compile, load and run at the same
 * time. In each round, two threads compile a model for several targets to files of their own and
 * load these, one replaces a file that others load, one compiles in memory, and two load one file
 * and run an artifact that both share. Ends with the number of calls that failed.
 *
 * Usage: PROGRAM MODEL FOLDER TARGETS, where MODEL has an input x: f32[n, 3], and its first output
 * is twice x. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "runtime/fovea.h"

enum { ROUNDS = 6, N = 40 };

static const char *model, *folder, *targets;
static fv_artifact *shared;
static char shared_path[4096], replaced_path[4096];

/* Adds 1 to `bad` after a message if the call did not return FV_OK. */
static void expect_ok(int status, const char *what, fv_log *log, intptr_t *bad) {
    if (status != FV_OK)
        fprintf(stderr, "%s: %s\n%s", what, fv_status_name(status), fv_log_text(log));
    *bad += status != FV_OK;
    fv_log_clear(log);
}

static void run(fv_artifact *a, int threads, fv_log *log, intptr_t *bad) {
    float x[N][3], y[N][3] = {{0}};
    for (int i = 0; i < N * 3; i++)
        x[i / 3][i % 3] = (float)i;
    fv_array in = {FV_TYPE_FLOAT, 2, {N, 3}, x, NULL}, out = {FV_TYPE_FLOAT, 2, {N, 3}, y, NULL};
    fv_run_options o = {.size = sizeof o, .threads = threads};
    expect_ok(fv_artifact_run(a, &in, &out, &o, log), "run", log, bad);
    for (int i = 0; i < N * 3; i++)
        *bad += y[i / 3][i % 3] != 2 * x[i / 3][i % 3];
}

static void compile_to(const char *path, fv_log *log, intptr_t *bad) {
    fv_compile_options o = {.size = sizeof o, .target = targets};
    expect_ok(fv_compile_file(model, path, &o, log), "compile to a file", log, bad);
}

static void load_and_run(const char *path, fv_log *log, intptr_t *bad) {
    fv_artifact *a = NULL;
    int status = fv_load(path, log, &a);
    expect_ok(status, "load", log, bad);
    if (status == FV_OK)
        run(a, 2, log, bad);
    fv_artifact_free(a);
}

static void *makes_files(void *arg) {
    intptr_t bad = 0;
    char path[4096];
    fv_log *log = fv_log_new();
    for (int i = 0; i < ROUNDS; i++) {
        snprintf(path, sizeof path, "%s/own%d-%d.so", folder, (int)(intptr_t)arg, i);
        compile_to(path, log, &bad);
        load_and_run(path, log, &bad);
    }
    fv_log_free(log);
    return (void *)bad;
}

static void *replaces_file(void *arg) {
    intptr_t bad = 0;
    fv_log *log = fv_log_new();
    for (int i = 0; i < ROUNDS; i++)
        compile_to(replaced_path, log, &bad);
    fv_log_free(log);
    (void)arg;
    return (void *)bad;
}

static void *compiles_in_memory(void *arg) {
    static const fv_backend_kind kinds[] = {FV_BACKEND_INTERP, FV_BACKEND_JIT};
    intptr_t bad = 0;
    fv_log *log = fv_log_new();
    for (int i = 0; i < ROUNDS; i++) {
        fv_compile_options o = {.size = sizeof o, .backend = kinds[i % 2]};
        fv_artifact *a = NULL;
        int status = fv_compile(model, &o, log, &a);
        expect_ok(status, "compile", log, &bad);
        if (status == FV_OK)
            run(a, 1, log, &bad);
        fv_artifact_free(a);
    }
    fv_log_free(log);
    (void)arg;
    return (void *)bad;
}

static void *loads_files(void *arg) {
    intptr_t bad = 0;
    fv_log *log = fv_log_new();
    for (int i = 0; i < 20 * ROUNDS; i++) {
        load_and_run(i % 2 ? shared_path : replaced_path, log, &bad);
        run(shared, 1 + i % 3, log, &bad);
    }
    fv_log_free(log);
    (void)arg;
    return (void *)bad;
}

int main(int argc, char **argv) {
    static void *(*const work[])(void *) = {makes_files,        makes_files, replaces_file,
                                            compiles_in_memory, loads_files, loads_files};
    enum { THREADS = sizeof work / sizeof *work };
    pthread_t t[THREADS];
    intptr_t bad = argc != 4;
    fv_log *log = fv_log_new();
    if (!bad) {
        model = argv[1];
        folder = argv[2];
        targets = argv[3];
        snprintf(shared_path, sizeof shared_path, "%s/shared.so", folder);
        snprintf(replaced_path, sizeof replaced_path, "%s/replaced.so", folder);
        compile_to(shared_path, log, &bad);
        compile_to(replaced_path, log, &bad);
        expect_ok(fv_load(shared_path, log, &shared), "load", log, &bad);
    }
    int n = 0;
    while (!bad && n < THREADS && !pthread_create(&t[n], NULL, work[n], (void *)(intptr_t)n))
        n++;
    bad += n < THREADS;
    while (n > 0) {
        void *more = NULL;
        pthread_join(t[--n], &more);
        bad += (intptr_t)more;
    }
    fv_artifact_free(shared);
    fv_log_free(log);
    printf("%d calls failed\n", (int)bad);
    return bad != 0;
}
