/* races.c - a program for a sanitizer of races: runs of one artifact and of several on threads at
 * the same time, with threads that runs share and with a pool, while other artifacts come and go.
 * Ends with the number of runs that failed. */
#include <pthread.h>
#include <stdio.h>

#include "positive.h"

static float ones[5000];
static fv_artifact *shared[2];
static fv_pool *pool;

static int run_once_more(fv_artifact *a, const fv_run_options *o) {
    fv_array in = {1, 1, {5000}, ones, NULL}, out[2] = {{0}};
    int status = fv_artifact_run(a, &in, out, o, NULL);
    int bad = status || out[0].dims[0] != 5000;
    fv_array_free(&out[0]);
    fv_array_free(&out[1]);
    return bad;
}

/* A run by an fv_states of this thread, whose artifact the threads share. */
static int run_states(fv_states *s, const fv_run_options *o) {
    fv_array in = {1, 1, {5000}, ones, NULL}, out[2] = {{0}};
    int bad = fv_states_run(s, &in, out, o, NULL) || out[0].dims[0] != 5000;
    fv_array_free(&out[0]);
    fv_array_free(&out[1]);
    return bad;
}

static void *runs(void *arg) {
    intptr_t number = (intptr_t)arg, bad = 0;
    fv_states *states = NULL;
    bad += fv_states_new(shared[number % 2], NULL, NULL, &states) != FV_OK;
    for (int i = 0; i < 200; i++) {
        fv_run_options o = {.size = sizeof o, .threads = 1 + i % 4};
        if (i % 3 == 0) {
            o.threads = 0;
            o.pool = pool;
        }
        bad += run_once_more(shared[(number + i / 50) % 2], &o);
        bad += i % 5 == 0 && run_states(states, &o);
        if (i % 10)
            continue;
        fv_artifact *own = fv_artifact_new(&model);
        bad += !own || run_once_more(own, &o);
        fv_artifact_free(own);
    }
    fv_states_free(states);
    return (void *)bad;
}

int main(void) {
    pthread_t t[4];
    intptr_t bad = 0;
    for (int i = 0; i < 5000; i++)
        ones[i] = 1;
    for (int i = 0; i < 2; i++)
        shared[i] = fv_artifact_new(&model);
    pool = fv_pool_new(3);
    for (intptr_t i = 0; i < 4; i++)
        bad += pthread_create(&t[i], NULL, runs, (void *)i) != 0;
    for (int i = 0; i < 4 && !bad; i++) {
        void *more;
        pthread_join(t[i], &more);
        bad += (intptr_t)more;
    }
    for (int i = 0; i < 2; i++)
        fv_artifact_free(shared[i]);
    fv_pool_free(pool);
    printf("%d runs failed\n", (int)bad);
    return bad != 0;
}
