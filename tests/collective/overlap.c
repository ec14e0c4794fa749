/* overlap.c - exchanges that are started before they are waited for: the order of launches, what
 * runs in between, and the bits, with every consumer and kind of communicator. */
#include <criterion/criterion.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "backend/have.h"
#include "runtime/fovea.h"
#include "tests/collective/folder.h"
#include "tests/collective/pipes.h"

enum { RANKS = 2, ROWS = 6, ELEMENTS = ROWS * 4, MOST_EVENTS = 64 };

TestSuite(overlap, .init = begin, .fini = end, .timeout = 120);

/* A layer whose attention and products have one input: the sum of the former is not needed by the
 * latter. %s is exchanged while %b and %c are computed, and %w while the sum of %s is. */
static const char parallel[] = "  %a = MatMul(%x, @u)\n"
                               "  %s = com.microsoft.AllReduce(%a) {group_size = 2}\n"
                               "  %t = MatMul(%s, @u)\n"
                               "  %b = MatMul(%x, @v)\n"
                               "  %c = MatMul(%b, @u)\n"
                               "  %w = com.microsoft.AllReduce(%c) {group_size = 2}\n"
                               "  %y = Add(%t, %w)\n";
/* Each kind of exchange that all ranks make, with a product that does not need it. */
static const char all_to_all[] = "  %a = MatMul(%x, @u)\n"
                                 "  %s = com.microsoft.AllToAll(%a) {group_size = 2}\n"
                                 "  %b = MatMul(%x, @v)\n"
                                 "  %c = MatMul(%b, @u)\n"
                                 "  %y = Add(%s, %c)\n";
static const char group[] = "  %a = MatMul(%x, @u)\n"
                            "  %g = fv.AllGather(%a) {ranks = 2, first = 0, of = 2}\n"
                            "  %s = ReduceSum(%g, @axis) {keepdims = 0}\n"
                            "  %b = MatMul(%x, @v)\n"
                            "  %y = Add(%s, %b)\n";
/* Two exchanges of which neither needs the other. */
static const char two[] = "  %p = Transpose(%x) {perm = [1, 0]}\n"
                          "  %s = com.microsoft.AllReduce(%x) {group_size = 2}\n"
                          "  %q = com.microsoft.AllReduce(%p) {group_size = 2}\n"
                          "  %r = Transpose(%q) {perm = [1, 0]}\n"
                          "  %b = MatMul(%x, @v)\n"
                          "  %m = Mul(%s, %r)\n"
                          "  %y = Sub(%m, %b)\n";
/* Rank 0 sends, and rank 1 sends back; both have products that do not need what they receive. */
static const char sent[] = "  %a = MatMul(%x, @u)\n"
                           "  fv.Send(%a) {to = 1, ranks = 2}\n"
                           "  %b = MatMul(%x, @v)\n"
                           "  %r = fv.Receive() {from = 1, ranks = 2, type = f32[n, 4]}\n"
                           "  %c = MatMul(%b, @u)\n"
                           "  %y = Sub(%r, %c)\n";
static const char sent_back[] = "  %r = fv.Receive() {from = 0, ranks = 2, type = f32[n, 4]}\n"
                                "  %b = MatMul(%x, @v)\n"
                                "  %c = MatMul(%b, @u)\n"
                                "  %y = Sub(%r, %c)\n"
                                "  fv.Send(%y) {to = 0, ranks = 2}\n";

static const char *const cases[] = {parallel, all_to_all, group, two, sent};
enum { CASES = sizeof cases / sizeof *cases, SENT = CASES - 1 };

static const char *model_of(int number, int rank) {
    FILE *f = fopen(in_folder("m.fvir"), "w");
    cr_assert(f);
    fputs("fovea-ir 1\nmodule \"m\"\nsymbol n 0..1000\nconst @axis: i64[1] = [0]\n"
          "const @u: f32[4, 4] = [1, 2, 3, 4, 5, 6, 7, 8, 1, 3, 5, 7, 2, 4, 6, 8]\n"
          "const @v: f32[4, 4] = [0.1, 0.2, 0.3, 0.4, 2, 3, 4, 5, 0.7, 0.6, 0.5, 0.4, 3, 2, 1, 0]\n"
          "func @main(%x: f32[n, 4]) -> (%y) {\n",
          f);
    fputs(number == SENT && rank ? sent_back : cases[number], f);
    fputs("  return %y\n}\n", f);
    fclose(f);
    return place;
}

typedef enum { INTERPRETER, IN_MEMORY, C, LIBRARY } consumer;

static fv_artifact *compiled(const char *model, consumer by) {
    static const int backends[] = {FV_BACKEND_INTERP, FV_BACKEND_JIT, FV_BACKEND_C};
    fv_compile_options o = {.size = sizeof o, .verify = 1};
    char path[80];
    fv_artifact *a = NULL;
    fv_log *log = fv_log_new();
    strcpy(path, model);
    if (by != LIBRARY) {
        o.backend = backends[by];
        cr_assert_eq(fv_compile(path, &o, log, &a), FV_OK, "%s", fv_log_text(log));
    } else {
        cr_assert_eq(fv_compile_file(path, in_folder("m.so"), NULL, log), FV_OK, "%s",
                     fv_log_text(log));
        cr_assert_eq(fv_load(place, log, &a), FV_OK, "%s", fv_log_text(log));
    }
    fv_log_free(log);
    return a;
}

static fv_artifact *artifact_of(int number, int rank, consumer by) {
    return compiled(model_of(number, rank), by);
}

/* ---- runs, with a record of launches ---- */

typedef struct job {
    fv_artifact *a;
    fv_ranks *ranks;
    const fv_communicator *communicator;
    int rank, status;
    float out[ELEMENTS];
    int events[MOST_EVENTS], nevents; /* the numbers of the launches, in the order of the run */
} job;

static void trace(void *user, int32_t launch, int32_t is_end) {
    job *j = user;
    if (!is_end && j->nevents < MOST_EVENTS)
        j->events[j->nevents++] = launch;
}

static void *run(void *arg) {
    job *j = arg;
    float x[ELEMENTS];
    for (int i = 0; i < ELEMENTS; i++)
        x[i] = (float)(j->rank + 1) * 1.1f + (float)i * 0.37f;
    fv_array in = {.type = FV_TYPE_FLOAT, .rank = 2, .dims = {ROWS, 4}, .data = x}, out = {0};
    fv_env env = {.size = sizeof env, .user = j, .trace = trace, .communicator = j->communicator};
    fv_run_options o = {.size = sizeof o, .threads = 1, .env = &env};
    j->status = fv_artifact_run(j->a, &in, &out, &o, NULL);
    if (!j->status)
        memcpy(j->out, out.data, sizeof j->out);
    fv_array_free(&out);
    fv_ranks_stop(j->ranks, j->rank);
    return NULL;
}

/* Runs both ranks; `whole`: with communicators that cannot start exchanges. */
static void run_both(job *jobs, int number, consumer by, bool whole) {
    pthread_t other;
    fv_communicator copies[RANKS];
    fv_ranks *ranks = fv_ranks_new(RANKS, 60);
    for (int i = 0; i < RANKS; i++) {
        copies[i] = *fv_ranks_communicator(ranks, i);
        copies[i].start = whole ? NULL : copies[i].start;
        jobs[i] = (job){
            .a = artifact_of(number, i, by), .ranks = ranks, .communicator = &copies[i], .rank = i};
    }
    cr_assert_eq(pthread_create(&other, NULL, run, &jobs[1]), 0);
    run(&jobs[0]);
    pthread_join(other, NULL);
    for (int i = 0; i < RANKS; i++)
        cr_assert_eq(jobs[i].status, FV_OK, "case %d, consumer %d: %d, %s", number, by,
                     jobs[i].status, fv_ranks_error(ranks));
    fv_ranks_free(ranks);
}

static void free_both(job *jobs) {
    for (int i = 0; i < RANKS; i++)
        fv_artifact_free(jobs[i].a);
}

static void has_bits_of(const job *jobs, const job *wanted, int number, const char *what) {
    for (int i = 0; i < RANKS; i++)
        cr_expect_arr_eq(jobs[i].out, wanted[i].out, sizeof wanted[i].out, "case %d, rank %d, %s",
                         number, i, what);
}

static void all_agree(int number) {
    job wanted[RANKS], jobs[RANKS];
    run_both(wanted, number, INTERPRETER, true);
    for (int by = INTERPRETER; by <= LIBRARY; by++)
        for (int whole = 0; whole < 2; whole++) {
            if (!FV_HAVE_LLVM && (by == IN_MEMORY || by == LIBRARY))
                continue;
            run_both(jobs, number, (consumer)by, whole);
            has_bits_of(jobs, wanted, number, whole ? "whole exchanges" : "started exchanges");
            free_both(jobs);
        }
    free_both(wanted);
}

Test(overlap, bits) {
    for (int i = 0; i < CASES; i++)
        all_agree(i);
}

/* Processes that pipes connect make the exchanges where they would be started. */
Test(overlap, pipes) {
    for (int number = 0; number < CASES; number++) {
        job wanted[RANKS];
        pid_t children[RANKS];
        run_both(wanted, number, INTERPRETER, false);
        pipes *p = pipes_new(RANKS);
        for (int i = 0; i < RANKS; i++)
            if ((children[i] = fork()) == 0) {
                job j = {.a = wanted[i].a, .communicator = pipes_communicator(p, i), .rank = i};
                run(&j);
                _exit(j.status || memcmp(j.out, wanted[i].out, sizeof j.out) != 0);
            }
        for (int i = 0, status; i < RANKS; i++)
            cr_expect(waitpid(children[i], &status, 0) == children[i] && status == 0,
                      "case %d, rank %d: %x", number, i, (unsigned)status);
        pipes_free(p);
        free_both(wanted);
    }
}

/* ---- the order ---- */

/* The order of a run, as S for a launch that starts an exchange, W for one that waits for it, E for
 * one that makes it as a whole, and k for any other kernel. */
static const char *order_of(const job *j, char *text) {
    const fv_model *m = fv_artifact_model(j->a);
    for (int i = 0; i < j->nevents; i++) {
        const char *name = m->launches[j->events[i]].kernel;
        bool waits = false, exchange = !strncmp(name, "all_", 4) || !strncmp(name, "group_", 6) ||
                                       !strncmp(name, "send", 4) || !strncmp(name, "receive", 7);
        for (int k = i + 1; k < j->nevents; k++)
            waits |= !strncmp(m->launches[j->events[k]].kernel, "wait_", 5) &&
                     !strcmp(m->launches[j->events[k]].kernel + 5, name);
        text[i] = (char)(!strncmp(name, "wait_", 5) ? 'W' : !exchange ? 'k' : waits ? 'S' : 'E');
    }
    text[j->nevents] = 0;
    return text;
}

/* Kernels that an exchange does not concern run between its start and the wait for it, and two
 * exchanges are on their way together. */
Test(overlap, order) {
    static const char *const orders[CASES] = {"kSkkSWkWkk", "kSkWk", "kSkWk", "kSSWWkkk",
                                              "kSkSWWk"};
    for (int number = 0; number < CASES; number++)
        for (int by = INTERPRETER; by <= (FV_HAVE_LLVM ? IN_MEMORY : INTERPRETER); by++) {
            char text[MOST_EVENTS + 1];
            job jobs[RANKS];
            run_both(jobs, number, (consumer)by, false);
            cr_expect_str_eq(order_of(&jobs[0], text), orders[number], "case %d: %s, expected %s",
                             number, text, orders[number]);
            free_both(jobs);
        }
}

/* ---- runs that fail while an exchange is under way ---- */

/* The Gather is launched between the start of the exchange and the wait for it. */
static const char gather[] =
    "fovea-ir 1\nmodule \"m\"\nsymbol n 0..1000\n"
    "const @u: f32[4, 4] = [1, 2, 3, 4, 5, 6, 7, 8, 1, 3, 5, 7, 2, 4, 6, 8]\n"
    "func @main(%x: f32[n, 4], %i: i64[n]) -> (%y) {\n"
    "  %a = MatMul(%x, @u)\n"
    "  %s = com.microsoft.AllReduce(%a) {group_size = 2}\n"
    "  %g = Gather(%x, %i)\n  %b = MatMul(%g, @u)\n  %y = Add(%s, %b)\n  return %y\n}\n";

typedef struct failing {
    fv_artifact *a;
    fv_ranks *ranks;
    const fv_communicator *communicator;
    pthread_barrier_t *both;
    int rank, fails; /* fails: whether the first run of this rank does */
    int status[2];
    float out[ELEMENTS]; /* of the second run */
} failing;

static void *run_twice(void *arg) {
    failing *f = arg;
    for (int t = 0; t < 2; t++) {
        float x[ELEMENTS];
        int64_t i[ROWS] = {0, 1, 2, 3, 4, 5};
        for (int k = 0; k < ELEMENTS; k++)
            x[k] = (float)(k + 100 * f->rank + t);
        i[3] = t == 0 && f->fails ? 77 : 3;
        fv_array in[] = {{.type = FV_TYPE_FLOAT, .rank = 2, .dims = {ROWS, 4}, .data = x},
                         {.type = FV_TYPE_INT64, .rank = 1, .dims = {ROWS}, .data = i}},
                 out = {0};
        fv_env env = {.size = sizeof env, .communicator = f->communicator};
        fv_run_options o = {.size = sizeof o, .threads = 1, .env = &env};
        f->status[t] = fv_artifact_run(f->a, in, &out, &o, NULL);
        if (!f->status[t])
            memcpy(f->out, out.data, sizeof f->out);
        fv_array_free(&out);
        pthread_barrier_wait(f->both);
    }
    fv_ranks_stop(f->ranks, f->rank);
    return NULL;
}

/* Runs two ranks twice; the first run fails on `fails` of them. */
static void fail_and_go_on(consumer by, int fails, bool whole, failing *jobs) {
    pthread_t other;
    pthread_barrier_t both;
    fv_communicator copies[RANKS];
    fv_ranks *ranks = fv_ranks_new(RANKS, 60);
    FILE *f = fopen(in_folder("m.fvir"), "w");
    cr_assert(f);
    fputs(gather, f);
    fclose(f);
    pthread_barrier_init(&both, NULL, RANKS);
    for (int i = 0; i < RANKS; i++) {
        copies[i] = *fv_ranks_communicator(ranks, i);
        copies[i].start = whole ? NULL : copies[i].start;
        jobs[i] = (failing){.a = compiled(in_folder("m.fvir"), by),
                            .ranks = ranks,
                            .communicator = &copies[i],
                            .both = &both,
                            .rank = i,
                            .fails = i < fails};
    }
    cr_assert_eq(pthread_create(&other, NULL, run_twice, &jobs[1]), 0);
    run_twice(&jobs[0]);
    pthread_join(other, NULL);
    cr_expect_null(fv_ranks_error(ranks));
    fv_ranks_free(ranks);
    pthread_barrier_destroy(&both);
    for (int i = 0; i < RANKS; i++)
        fv_artifact_free(jobs[i].a);
}

/* An exchange that a failed run has started is complete when the run returns, so neither the other
 * rank nor the next run is disturbed. */
Test(overlap, runs_that_fail) {
    for (int by = INTERPRETER; by <= LIBRARY; by++)
        for (int fails = 1; fails <= RANKS; fails++) {
            if (!FV_HAVE_LLVM && (by == IN_MEMORY || by == LIBRARY))
                continue;
            failing wanted[RANKS], jobs[RANKS];
            fail_and_go_on((consumer)by, fails, true, wanted);
            fail_and_go_on((consumer)by, fails, false, jobs);
            for (int i = 0; i < RANKS; i++) {
                cr_expect_eq(jobs[i].status[0], i < fails ? FV_BAD_INDEX : FV_OK, "%d: %d", by,
                             jobs[i].status[0]);
                cr_expect_eq(jobs[i].status[1], FV_OK);
                cr_expect_arr_eq(jobs[i].out, wanted[i].out, sizeof wanted[i].out,
                                 "consumer %d, %d fail, rank %d", by, fails, i);
            }
        }
}
