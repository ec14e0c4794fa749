/* pools.c - the threads of runs: shared by artifacts, of a pool, or the caller's parallel_for; and
 * the memory of runs: plans, workspaces and allocators of the caller. */
#include <criterion/criterion.h>
#include <dirent.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "positive.h"

static float ones[1000];

static void fill(void) {
    for (int i = 0; i < 1000; i++)
        ones[i] = 1;
}

TestSuite(pools, .init = fill, .timeout = 900);

static int threads_now(void) {
    int n = 0;
    DIR *d = opendir("/proc/self/task");
    cr_assert(d);
    for (const struct dirent *e; (e = readdir(d));)
        n += e->d_name[0] != '.';
    closedir(d);
    return n;
}

/* Is that the number of threads? A thread that was joined may be in the list for a moment longer,
 * so the answer is no only after some seconds. */
static bool threads_are(int n) {
    for (int i = 0; i < 5000 && threads_now() != n; i++)
        usleep(1000);
    return threads_now() == n;
}

/* The number of this process's threads that do not sleep. */
static int awake_now(void) {
    char path[300], state = 0;
    int n = 0;
    DIR *d = opendir("/proc/self/task");
    cr_assert(d);
    for (const struct dirent *e; (e = readdir(d));) {
        snprintf(path, sizeof path, "/proc/self/task/%s/stat", e->d_name);
        FILE *f = e->d_name[0] == '.' ? NULL : fopen(path, "r");
        if (!f)
            continue;
        n += fscanf(f, "%*d (%*[^)]) %c", &state) == 1 && state != 'S';
        fclose(f);
    }
    closedir(d);
    return n;
}

static int run_with(fv_artifact *a, const fv_run_options *o, fv_log *log) {
    fv_array in = {1, 1, {100}, ones, NULL}, out[2] = {{0}};
    int status = fv_artifact_run(a, &in, out, o, log);
    if (!status)
        cr_expect(out[0].dims[0] == 100 && *(int64_t *)out[1].data == 100);
    fv_array_free(&out[0]);
    fv_array_free(&out[1]);
    return status;
}

/* Six artifacts with four threads each start three threads, which end with the last of them. */
Test(pools, artifacts_share_threads) {
    fv_artifact *a[6];
    const fv_run_options four = {.size = sizeof four, .threads = 4};
    int before = threads_now();
    for (int i = 0; i < 6; i++) {
        cr_assert(a[i] = fv_artifact_new(&model));
        for (int k = 0; k < 3; k++)
            cr_expect_eq(run_with(a[i], &four, NULL), FV_OK);
    }
    cr_expect(threads_are(before + 3), "%d threads", threads_now() - before);
    for (int i = 0; i < 6; i++) {
        cr_expect(threads_are(before + 3));
        fv_artifact_free(a[i]);
    }
    cr_expect(threads_are(before));
    cr_assert(a[0] = fv_artifact_new(&model));
    cr_expect_eq(run_with(a[0], &four, NULL), FV_OK);
    cr_expect(threads_are(before + 3), "they are started again");
    fv_artifact_free(a[0]);
    cr_expect(threads_are(before));
}

Test(pools, of_the_caller) {
    fv_artifact *a[6];
    int before = threads_now();
    fv_pool *pool = fv_pool_new(4);
    cr_assert(pool && fv_pool_size(pool) == 4);
    const fv_run_options o = {.size = sizeof o, .pool = pool};
    for (int i = 0; i < 6; i++) {
        cr_assert(a[i] = fv_artifact_new(&model));
        cr_expect_eq(run_with(a[i], &o, NULL), FV_OK);
        cr_expect(threads_are(before + 3));
    }
    for (int i = 0; i < 6; i++)
        fv_artifact_free(a[i]);
    cr_expect(threads_are(before + 3));
    fv_pool_free(pool);
    cr_expect(threads_are(before));
}

Test(pools, nonsense_is_refused) {
    cr_expect_null(fv_pool_new(-1));
    cr_expect(fv_pool_size(NULL) >= 1);
    cr_expect_null(fv_pool_env(NULL).parallel_for);
    fv_pool *one = fv_pool_new(1);
    cr_expect_null(fv_pool_env(one).parallel_for);
    fv_pool_free(one);
    fv_pool_free(NULL);
}

/* ---- callers at the same time ---- */

typedef struct caller {
    fv_artifact *a;
    const fv_run_options *o;
    atomic_int *most; /* the largest number of threads that was seen */
    intptr_t bad;
    int runs;
    pthread_barrier_t *together; /* the callers begin and end their runs at the same time */
} caller;

static void *calls(void *arg) {
    caller *c = arg;
    pthread_barrier_wait(c->together);
    for (int i = 0; i < c->runs; i++) {
        c->bad += run_with(c->a, c->o, NULL) != FV_OK;
        int n = threads_now(), most = atomic_load(c->most);
        while (n > most && !atomic_compare_exchange_weak(c->most, &most, n))
            ;
    }
    pthread_barrier_wait(c->together);
    return NULL;
}

/* Runs two artifacts on five threads, and returns the number of threads beyond those. */
static int run_on_five(const fv_run_options *o) {
    fv_artifact *a[2] = {fv_artifact_new(&model), fv_artifact_new(&model)};
    pthread_t t[5];
    caller c[5];
    pthread_barrier_t together;
    atomic_int most = 0;
    int before = threads_now();
    cr_assert_eq(pthread_barrier_init(&together, NULL, 5), 0);
    for (int i = 0; i < 5; i++) {
        c[i] = (caller){a[i % 2], o, &most, 0, 200, &together};
        cr_assert_eq(pthread_create(&t[i], NULL, calls, &c[i]), 0);
    }
    for (int i = 0; i < 5; i++) {
        pthread_join(t[i], NULL);
        cr_expect_eq(c[i].bad, 0);
    }
    pthread_barrier_destroy(&together);
    fv_artifact_free(a[0]);
    fv_artifact_free(a[1]);
    return atomic_load(&most) - 5 - before;
}

Test(pools, callers_at_the_same_time) {
    const fv_run_options three = {.size = sizeof three, .threads = 3};
    int cpus = fv_pool_size(NULL), more = run_on_five(&three), pools = cpus < 6 ? 1 : cpus / 3;
    cr_expect(more >= 2 && more <= 2 * pools, "%d threads on %d CPUs", more, cpus);
    fv_pool *pool = fv_pool_new(3);
    const fv_run_options own = {.size = sizeof own, .pool = pool};
    more = run_on_five(&own);
    cr_expect_eq(more, 0, "%d threads besides the pool's", more);
    fv_pool_free(pool);
}

/* A caller that waits for the region of another one helps with it: here the tasks of a region wait
 * until three threads take part, the two of the pool and the second caller. */
static pthread_mutex_t seen_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_t seen[3];
static atomic_int inside;

static void wait_for_three(void *arg, int64_t i) {
    (void)arg;
    (void)i;
    pthread_mutex_lock(&seen_lock);
    int n = atomic_load(&inside), k = 0;
    while (k < n && !pthread_equal(seen[k], pthread_self()))
        k++;
    if (k == n && n < 3) {
        seen[n] = pthread_self();
        atomic_fetch_add(&inside, 1);
    }
    pthread_mutex_unlock(&seen_lock);
    for (int tries = 0; tries < 20000 && atomic_load(&inside) < 3; tries++)
        usleep(100);
}

static void count_one(void *arg, int64_t i) {
    (void)i;
    atomic_fetch_add((atomic_int *)arg, 1);
}

static void *second_caller(void *arg) {
    fv_env env = fv_pool_env(arg);
    static atomic_int counted;
    while (!atomic_load(&inside))
        usleep(100);
    env.parallel_for(env.user, count_one, &counted, 50);
    return (void *)(intptr_t)atomic_load(&counted);
}

Test(pools, a_waiting_caller_helps) {
    fv_pool *pool = fv_pool_new(2);
    fv_env env = fv_pool_env(pool);
    pthread_t second;
    void *counted;
    cr_assert_eq(pthread_create(&second, NULL, second_caller, pool), 0);
    env.parallel_for(env.user, wait_for_three, NULL, 60);
    cr_expect_eq(atomic_load(&inside), 3);
    pthread_join(second, &counted);
    cr_expect_eq((intptr_t)counted, 50);
    fv_pool_free(pool);
}

/* A process that is forked starts threads of its own. */
Test(pools, forks) {
    fv_artifact *a = fv_artifact_new(&model);
    const fv_run_options four = {.size = sizeof four, .threads = 4};
    cr_assert_eq(run_with(a, &four, NULL), FV_OK);
    fv_pool *pool = fv_pool_new(2);
    /* A sanitizer's lock that a starting thread holds would be held in the child for ever. */
    while (awake_now() > 1)
        usleep(1000);
    pid_t child = fork();
    if (!child) {
        int one = threads_now(), status = run_with(a, &four, NULL), more = threads_now() - one;
        fv_artifact_free(a);
        fv_pool_free(pool);
        _exit(status || one != 1 || more != 3 || threads_now() != 1);
    }
    int status;
    cr_assert_eq(waitpid(child, &status, 0), child);
    cr_expect(WIFEXITED(status) && !WEXITSTATUS(status));
    cr_expect_eq(run_with(a, &four, NULL), FV_OK);
    fv_artifact_free(a);
    fv_pool_free(pool);
}

/* ---- what the caller gives in an fv_env ---- */

typedef struct given {
    int regions, blocks, most, fail_at;
    size_t shift; /* of the addresses */
    size_t bytes;
} given;

static void backwards(void *user, void (*task)(void *arg, int64_t i), void *arg, int64_t n) {
    ((given *)user)->regions++;
    while (n-- > 0)
        task(arg, n);
}

static void *take(void *user, size_t bytes) {
    given *g = user;
    g->bytes += bytes;
    if (++g->most == g->fail_at)
        return NULL;
    g->blocks++;
    return (char *)aligned_alloc(64, bytes / 64 * 64 + 128) + g->shift;
}

static void give(void *user, void *p) {
    given *g = user;
    g->blocks--;
    free((char *)p - g->shift);
}

Test(pools, parallel_for_of_the_caller) {
    fv_artifact *a = fv_artifact_new(&model);
    given g = {0};
    fv_env env = {.size = sizeof env, .user = &g, .parallel_for = backwards};
    fv_run_options o = {.size = sizeof o, .env = &env};
    int before = threads_now();
    cr_expect_eq(run_with(a, &o, NULL), FV_OK);
    cr_expect_eq(g.regions, 1);
    cr_expect(threads_are(before));
    env.size = offsetof(fv_env, parallel_for); /* an older one, without this member */
    o.threads = 1;
    cr_expect_eq(run_with(a, &o, NULL), FV_OK);
    cr_expect_eq(g.regions, 1);
    int32_t cancel = 1;
    env = (fv_env){.size = sizeof env, .cancel = &cancel};
    cr_expect_eq(run_with(a, &o, NULL), FV_CANCELLED);
    fv_artifact_free(a);
}

Test(pools, allocator_of_the_caller) {
    fv_artifact *a = fv_artifact_new(&model);
    fv_log *log = fv_log_new();
    given g = {0};
    const fv_env env = {.size = sizeof env, .user = &g, .alloc = take, .free = give};
    const fv_run_options o = {.size = sizeof o, .env = &env};
    fv_array in = {1, 1, {1000}, ones, NULL}, out[2] = {{0}};
    cr_assert_eq(fv_artifact_run(a, &in, out, &o, log), FV_OK, "%s", fv_log_text(log));
    cr_expect_eq(g.blocks, 2, "two outputs");
    cr_expect(g.bytes >= 64 + 4000 + 8);
    cr_expect(!out[0].owner && !out[1].owner && out[0].dims[0] == 1000);
    give(&g, out[0].data);
    give(&g, out[1].data);
    int n = g.most;
    for (int i = 1; i <= n; i++) {
        g = (given){.fail_at = i};
        memset(out, 0, sizeof out);
        cr_expect_eq(fv_artifact_run(a, &in, out, &o, log), FV_NO_MEMORY);
        cr_expect(g.blocks == 0 && !out[0].data && !out[1].data, "allocation %d", i);
    }
    g = (given){.shift = 32};
    fv_log_clear(log);
    cr_expect_eq(fv_artifact_run(a, &in, out, &o, log), FV_BAD_ARGUMENT);
    cr_expect_str_eq(fv_log_text(log), "error: alloc of the env has returned an address that is no "
                                       "multiple of 64\n");
    cr_expect_eq(g.blocks, 0);
    fv_log_free(log);
    fv_artifact_free(a);
}

/* An output that outgrows the first attempt. */
Test(pools, outputs_that_grow) {
    static float many[20000];
    fv_artifact *a = fv_artifact_new(&model);
    given g = {0};
    const fv_env env = {.size = sizeof env, .user = &g, .alloc = take, .free = give};
    const fv_run_options o = {.size = sizeof o, .env = &env};
    for (int i = 0; i < 20000; i++)
        many[i] = 1;
    fv_array in = {1, 1, {20000}, many, NULL}, out[2] = {{0}};
    cr_assert_eq(fv_artifact_run(a, &in, out, &o, NULL), FV_OK);
    cr_expect(out[0].dims[0] == 20000 && g.blocks == 2);
    give(&g, out[0].data);
    give(&g, out[1].data);
    fv_artifact_free(a);
}

/* ---- workspaces ---- */

Test(pools, workspace_of_the_caller) {
    fv_artifact *a = fv_artifact_new(&model);
    fv_log *log = fv_log_new();
    _Alignas(64) char memory[192];
    size_t bytes = 0;
    fv_array in = {.type = 1, .rank = 1, .dims = {100}}, out[2];
    cr_assert_eq(fv_artifact_plan(a, &in, out, &bytes, log), FV_OK);
    cr_expect_eq(bytes, 64);
    cr_expect(out[0].type == 1 && out[0].rank == 1 && out[0].dims[0] == -1 && !out[0].data);
    cr_expect_eq(fv_array_bytes(&out[0]), SIZE_MAX);
    cr_expect(out[1].type == 7 && out[1].rank == 0 && fv_array_bytes(&out[1]) == 8);
    memset(memory, 7, sizeof memory);
    const fv_run_options good = {.size = sizeof good, .workspace = memory, .workspace_bytes = 64};
    cr_expect_eq(run_with(a, &good, log), FV_OK, "%s", fv_log_text(log));
    cr_expect_null(a->workspaces, "the artifact has none");
    const struct {
        void *workspace;
        size_t bytes;
        int status;
        const char *says;
    } bad[] = {
        {memory, 63, FV_TOO_SMALL, "error: the workspace has 63 bytes, needs 64\n"},
        {memory + 32, 64, FV_BAD_ARGUMENT,
         "error: the options have a workspace at an address that is no multiple of 64\n"},
        {NULL, 64, FV_BAD_ARGUMENT,
         "error: the options have a workspace of 64 bytes that is NULL\n"},
    };
    for (int i = 0; i < 3; i++) {
        fv_run_options o = {.size = sizeof o};
        o.workspace = bad[i].workspace;
        o.workspace_bytes = bad[i].bytes;
        fv_log_clear(log);
        cr_expect_eq(run_with(a, &o, log), bad[i].status);
        cr_expect_str_eq(fv_log_text(log), bad[i].says);
    }
    fv_log_free(log);
    fv_artifact_free(a);
}

Test(pools, plans_that_are_refused) {
    fv_artifact *a = fv_artifact_new(&model);
    fv_log *log = fv_log_new();
    size_t bytes = 5;
    fv_array in = {.type = 1, .rank = 1, .dims = {2000000}}, out[2] = {{0}};
    cr_expect_eq(fv_artifact_plan(a, &in, out, &bytes, log), FV_BAD_DIM);
    cr_expect_str_eq(fv_log_text(log),
                     "error: input 'x' has 2000000 on axis 0, 'n' may be 0 to 1000000\n");
    in.type = 7;
    cr_expect_eq(fv_artifact_plan(a, &in, out, &bytes, log), FV_BAD_ARGUMENT);
    cr_expect_eq(fv_artifact_plan(NULL, &in, out, &bytes, log), FV_BAD_ARGUMENT);
    cr_expect_eq(fv_artifact_plan(a, NULL, out, &bytes, log), FV_BAD_ARGUMENT);
    cr_expect(bytes == 5 && !out[0].type);
    in = (fv_array){.type = 1, .rank = 1, .dims = {4}};
    cr_expect_eq(fv_artifact_plan(a, &in, NULL, NULL, NULL), FV_OK);
    fv_log_free(log);
    fv_artifact_free(a);
}

/* ---- options that contradict each other ---- */

Test(pools, options_that_contradict) {
    fv_artifact *a = fv_artifact_new(&model);
    fv_log *log = fv_log_new();
    fv_pool *pool = fv_pool_new(2);
    const fv_env parallel = {.size = sizeof parallel, .parallel_for = backwards},
                 half = {.size = sizeof half, .alloc = take},
                 other = {.size = sizeof other, .free = give}, none = {0};
    const struct {
        fv_run_options o;
        const char *says;
    } bad[] = {
        {{.threads = 2, .pool = pool}, "have a pool and request 2 threads, expected 0"},
        {{.threads = 1, .env = &parallel}, "have a parallel_for and request 1 threads, expected 0"},
        {{.pool = pool, .env = &parallel}, "have a pool and a parallel_for, may have one of them"},
        {{.env = &half}, "have an env with alloc, but without free"},
        {{.env = &other}, "have an env with free, but without alloc"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        fv_run_options o = bad[i].o;
        o.size = sizeof o;
        fv_log_clear(log);
        cr_expect_eq(run_with(a, &o, log), FV_BAD_ARGUMENT);
        cr_expect(strstr(fv_log_text(log), bad[i].says), "%s", fv_log_text(log));
    }
    const fv_run_options o = {.size = sizeof o, .env = &none};
    cr_expect_eq(run_with(a, &o, log), FV_BAD_ARGUMENT);
    cr_expect(strstr(fv_log_text(log), "env of the options has size 0, expected sizeof(fv_env)"));
    fv_pool_free(pool);
    fv_log_free(log);
    fv_artifact_free(a);
}
