/* stages.c - models that exchange data between two ranks and within a group of ranks: their results
 * with every consumer and kind of communicator, and what ends a run, also with several groups. */
#include <criterion/criterion.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "backend/have.h"
#include "runtime/fovea.h"
#include "tests/collective/folder.h"
#include "tests/collective/pipes.h"

/* Rank 0 sends its rows to the ranks 1 and 2, which multiply them by their own ones and add what
 * both have; rank 2 sends the sum back. */
enum { RANKS = 3, ROWS = 5, COLUMNS = 4, ELEMENTS = ROWS * COLUMNS };

TestSuite(stages, .init = begin, .fini = end, .timeout = 120);

static const char *model_of(int rank) {
    FILE *f = fopen(in_folder("m.fvir"), "w");
    cr_assert(f);
    fputs("fovea-ir 1\nmodule \"m\"\nsymbol n 0..1000\nconst @axis: i64[1] = [0]\n"
          "func @main(%x: f32[n, 4]) -> (%y) {\n",
          f);
    if (rank == 0)
        fputs("  %a = Neg(%x)\n  fv.Send(%a) {to = 1, ranks = 3}\n"
              "  fv.Send(%x) {to = 2, ranks = 3}\n"
              "  %y = fv.Receive() {from = 2, ranks = 3, type = f32[n, 4]}    loc(\"back\")\n",
              f);
    else
        fprintf(f,
                "  %%r = fv.Receive() {from = 0, ranks = 3, type = f32[n, 4]}    loc(\"first\")\n"
                "  %%m = Mul(%%r, %%x)\n"
                "  %%g = fv.AllGather(%%m) {ranks = 2, first = 1, of = 3}    loc(\"both\")\n"
                "  %%y = ReduceSum(%%g, @axis) {keepdims = 0}\n%s",
                rank == 2 ? "  fv.Send(%y) {to = 0, ranks = 3}\n" : "");
    fputs("  return %y\n}\n", f);
    fclose(f);
    return place;
}

/* ---- one run of all ranks ---- */

static float value_of(int rank, int i) {
    return (float)(rank + 1) * 1.1f + (float)i * 0.37f;
}

static float wanted(int i) {
    float first = -value_of(0, i) * value_of(1, i), second = value_of(0, i) * value_of(2, i);
    return first + second;
}

typedef struct job {
    fv_artifact *a;
    fv_ranks *ranks; /* NULL: the communicator belongs to another process */
    const fv_communicator *communicator;
    int rank, rows, status;
    fv_array out;
    char text[400];
} job;

static void *run(void *arg) {
    job *j = arg;
    float x[ELEMENTS];
    for (int i = 0; i < ELEMENTS; i++)
        x[i] = value_of(j->rank, i);
    fv_array in = {.type = FV_TYPE_FLOAT, .rank = 2, .dims = {j->rows, COLUMNS}, .data = x};
    fv_env env = {.size = sizeof env, .communicator = j->communicator};
    fv_run_options o = {.size = sizeof o, .threads = 1, .env = &env};
    fv_log *log = fv_log_new();
    j->status = fv_artifact_run(j->a, &in, &j->out, &o, log);
    snprintf(j->text, sizeof j->text, "%s", fv_log_text(log));
    fv_log_free(log);
    fv_ranks_stop(j->ranks, j->rank);
    return NULL;
}

static bool is_right(const job *j) {
    if (j->status != FV_OK || j->out.rank != 2 || j->out.dims[0] != ROWS)
        return false;
    for (int i = 0; i < ELEMENTS; i++)
        if (((float *)j->out.data)[i] != wanted(i))
            return false;
    return true;
}

static void run_threads(fv_artifact **all, job *jobs, fv_ranks *ranks, const int *rows, int n) {
    pthread_t threads[RANKS];
    for (int i = 0; i < n; i++) {
        jobs[i] = (job){.a = all[i],
                        .ranks = ranks,
                        .communicator = fv_ranks_communicator(ranks, i),
                        .rank = i,
                        .rows = rows ? rows[i] : ROWS};
        cr_assert_eq(pthread_create(&threads[i], NULL, run, &jobs[i]), 0);
    }
    for (int i = 0; i < n; i++)
        cr_assert_eq(pthread_join(threads[i], NULL), 0);
}

static void compile_all(fv_artifact **all, fv_compile_options o) {
    o.size = sizeof o;
    for (int i = 0; i < RANKS; i++) {
        fv_log *log = fv_log_new();
        cr_assert_eq(fv_compile(model_of(i), &o, log, &all[i]), FV_OK, "%s", fv_log_text(log));
        fv_log_free(log);
    }
}

static void load_all(fv_artifact **all) {
    for (int i = 0; i < RANKS; i++) {
        char model[80];
        fv_log *log = fv_log_new();
        strcpy(model, model_of(i));
        cr_assert_eq(fv_compile_file(model, in_folder("m.so"), NULL, log), FV_OK, "%s",
                     fv_log_text(log));
        cr_assert_eq(fv_load(place, log, &all[i]), FV_OK, "%s", fv_log_text(log));
        fv_log_free(log);
    }
}

static void free_all(fv_artifact **all) {
    for (int i = 0; i < RANKS; i++)
        fv_artifact_free(all[i]);
}

static void gives(fv_artifact **all) {
    job jobs[RANKS];
    for (int again = 0; again < 2; again++) {
        fv_ranks *ranks = fv_ranks_new(RANKS, 60);
        cr_assert(ranks);
        run_threads(all, jobs, ranks, NULL, RANKS);
        for (int i = 0; i < RANKS; i++) {
            cr_expect(is_right(&jobs[i]), "rank %d: status %d: %s", i, jobs[i].status,
                      jobs[i].text);
            fv_array_free(&jobs[i].out);
        }
        fv_ranks_free(ranks);
    }
}

static void computes(fv_compile_options o) {
    fv_artifact *all[RANKS];
    compile_all(all, o);
    gives(all);
    free_all(all);
}

Test(stages, interpreter) {
    computes((fv_compile_options){.backend = FV_BACKEND_INTERP, .verify = 1});
    computes(
        (fv_compile_options){.backend = FV_BACKEND_INTERP, .naive = 1, .level = '0', .verify = 1});
}

Test(stages, code_in_memory) {
    if (!FV_HAVE_LLVM)
        cr_skip();
    computes((fv_compile_options){.backend = FV_BACKEND_JIT});
    computes((fv_compile_options){.backend = FV_BACKEND_JIT, .level = '0'});
}

Test(stages, libraries) {
    fv_artifact *all[RANKS];
    if (!FV_HAVE_LLVM)
        cr_skip();
    load_all(all);
    gives(all);
    free_all(all);
}

Test(stages, generated_c) {
    computes((fv_compile_options){.backend = FV_BACKEND_C});
}

/* Processes that are connected by pipes compute what threads do. */
Test(stages, processes) {
    fv_artifact *all[RANKS];
    compile_all(all, (fv_compile_options){.backend = FV_BACKEND_INTERP});
    pipes *p = pipes_new(RANKS);
    pid_t children[RANKS];
    for (int i = 0; i < RANKS; i++) {
        if ((children[i] = fork()) != 0)
            continue;
        job j = {.a = all[i], .communicator = pipes_communicator(p, i), .rank = i, .rows = ROWS};
        run(&j);
        _exit(is_right(&j) ? 0 : 1);
    }
    for (int i = 0, status; i < RANKS; i++)
        cr_expect(waitpid(children[i], &status, 0) == children[i] && status == 0,
                  "rank %d ended with %d", i, status);
    pipes_free(p);
    free_all(all);
}

/* ---- what a run says ---- */

/* A communicator that lacks one of the functions is none for these models. */
Test(stages, communicators_that_lack_functions) {
    for (int i = 0; i < (FV_HAVE_LLVM ? 3 : 1); i++) {
        fv_artifact *all[RANKS];
        compile_all(all, (fv_compile_options){.backend = i == 0   ? FV_BACKEND_INTERP
                                                         : i == 1 ? FV_BACKEND_JIT
                                                                  : FV_BACKEND_C});
        fv_ranks *three = fv_ranks_new(RANKS, 1);
        for (int lacks = 0; lacks < 4; lacks++) {
            fv_communicator c = *fv_ranks_communicator(three, 0);
            c.size -= lacks == 0;
            c.send = lacks == 1 ? NULL : c.send;
            c.receive = lacks == 2 ? NULL : c.receive;
            c.group_all_gather = lacks == 3 ? NULL : c.group_all_gather;
            job j = {.a = all[0], .communicator = &c, .rows = ROWS};
            run(&j);
            cr_expect_eq(j.status, FV_BAD_COMMUNICATOR);
        }
        fv_ranks_free(three);
        free_all(all);
    }
}

/* Runs the first n ranks; returns why their exchanges failed, which is to be freed. */
static char *failure(const int *rows, int n, int stopped, double timeout) {
    fv_artifact *all[RANKS];
    job jobs[RANKS];
    compile_all(all, (fv_compile_options){.naive = 1});
    fv_ranks *ranks = fv_ranks_new(RANKS, timeout);
    if (stopped >= 0)
        fv_ranks_stop(ranks, stopped);
    run_threads(all, jobs, ranks, rows, n);
    for (int i = 0; i < n; i++) {
        cr_expect_eq(jobs[i].status, FV_BAD_COMMUNICATOR, "rank %d", i);
        cr_expect_null(jobs[i].out.data);
    }
    char *why = strdup(fv_ranks_error(ranks) ? fv_ranks_error(ranks) : "");
    fv_ranks_free(ranks);
    free_all(all);
    return why;
}

Test(stages, ranks_that_differ) {
    char *why = failure((int[]){5, 4, 5}, RANKS, -1, 60);
    cr_expect_str_eq(why, "step 1: rank 1 receives 64 bytes, and rank 0 sends 80: the parts or "
                          "their inputs differ");
    free(why);
}

Test(stages, ranks_that_are_missing) {
    char *why = failure(NULL, 1, -1, 0.2); /* nobody receives */
    cr_expect_str_eq(why, "step 1: rank 0 has waited 0.2 s for rank 1");
    free(why);
    why = failure(NULL, 1, 1, 60);
    cr_expect_str_eq(why, "step 1: rank 1 has ended, and rank 0 waits for it");
    free(why);
    why = failure(NULL, 2, -1, 0.3); /* the first rank waits for the third one */
    cr_expect(!strcmp(why, "step 2: rank 0 has waited 0.3 s for rank 2") ||
                  !strcmp(why, "step 2: rank 1 has waited 0.3 s for rank 2"),
              "%s", why);
    free(why);
}

/* Addresses that are no other rank of the run. */
Test(stages, addresses) {
    char x[8] = "1234567";
    for (int i = 0; i < 5; i++) {
        fv_ranks *two = fv_ranks_new(2, 1);
        const fv_communicator *c = fv_ranks_communicator(two, 1);
        int failed = i == 0   ? c->send(c->user, 2, x, 1)
                     : i == 1 ? c->receive(c->user, 1, x, 1)
                     : i == 2 ? c->group_all_gather(c->user, 0, 1, x, x + 4, 1)
                     : i == 3 ? c->group_all_gather(c->user, 1, 2, x, x + 4, 1)
                              : c->group_all_gather(c->user, 5, 1, x, x + 4, 1);
        cr_expect(failed && strstr(fv_ranks_error(two), "rank 1 "), "%d: %s", i,
                  fv_ranks_error(two) ? fv_ranks_error(two) : "no error");
        fv_ranks_free(two);
    }
    fv_ranks *two = fv_ranks_new(2, 1);
    const fv_communicator *c = fv_ranks_communicator(two, 1);
    cr_expect_eq(c->group_all_gather(c->user, 1, 1, x, x + 4, 1), 0); /* a group of one rank */
    cr_expect_eq(x[4], '1');
    fv_ranks_free(two);
}

/* ---- several groups of threads ---- */

/* What the ranks of a test do: `call` makes exchanges until one fails, or none is left. */
typedef struct group_rank {
    const fv_communicator *c;
    fv_ranks *ranks;
    int (*call)(const fv_communicator *c);
    int failed;
} group_rank;

static void *call_as_rank(void *of) {
    group_rank *g = of;
    g->failed = g->call(g->c);
    fv_ranks_stop(g->ranks, (int)g->c->rank);
    return NULL;
}

/* Makes the call on all ranks. A rank that hangs ends the test by its time limit. */
static void call_on_all(fv_ranks *ranks, int n, int (*call)(const fv_communicator *), int *failed) {
    pthread_t threads[4];
    group_rank all[4];
    for (int i = 0; i < n; i++) {
        all[i] = (group_rank){fv_ranks_communicator(ranks, i), ranks, call, 0};
        cr_assert_eq(pthread_create(&threads[i], NULL, call_as_rank, &all[i]), 0);
    }
    for (int i = 0; i < n; i++) {
        pthread_join(threads[i], NULL);
        failed[i] = all[i].failed;
    }
}

/* Ranks 0 and 1 exchange data until another rank fails, which it does at any time. */
static int fail_elsewhere(const fv_communicator *c) {
    char mine[8] = "abcdefg", all[16];
    if (c->rank >= 2) {
        struct timespec pause = {0, (long)(((uintptr_t)c / 64) % 300) * 1000};
        nanosleep(&pause, NULL);
        return c->rank == 2 && c->receive(c->user, 3, mine, sizeof mine);
    }
    while (!c->group_all_gather(c->user, 0, 2, mine, all, sizeof mine))
        ;
    return 1;
}

Test(stages, a_failure_of_another_group, .timeout = 120) {
    for (int i = 0, failed[4]; i < 1000; i++) {
        fv_ranks *ranks = fv_ranks_new(4, 60);
        call_on_all(ranks, 4, fail_elsewhere, failed);
        cr_expect(failed[0] && failed[1] && failed[2] && !failed[3]);
        cr_expect(fv_ranks_error(ranks));
        fv_ranks_free(ranks);
    }
}

/* The last rank waits for all, while the others exchange data in a group that begins with the same
 * rank. */
static int gather_in_two_groups(const fv_communicator *c) {
    char mine[2] = {(char)('a' + c->rank)}, all[8] = "";
    size_t n = c->ranks - 1;
    for (int i = 0; i < 50 && c->rank < n; i++)
        if (c->group_all_gather(c->user, 0, n, mine, all, 1) || strcmp(all, "ab"))
            return 1;
    return c->group_all_gather(c->user, 0, c->ranks, mine, all, 1) || strcmp(all, "abc");
}

Test(stages, groups_that_begin_with_the_same_rank, .timeout = 120) {
    for (int i = 0, failed[3]; i < 50; i++) {
        fv_ranks *ranks = fv_ranks_new(3, 60);
        call_on_all(ranks, 3, gather_in_two_groups, failed);
        cr_expect(!failed[0] && !failed[1] && !failed[2], "%s", fv_ranks_error(ranks));
        fv_ranks_free(ranks);
    }
}

static int gather_in_other_groups(const fv_communicator *c) {
    char mine[1] = "", all[3];
    return c->group_all_gather(c->user, 0, c->rank ? 3 : 2, mine, all, 1);
}

/* Ranks that wait for each other in different groups fail at once. */
Test(stages, groups_that_differ, .timeout = 50) {
    int failed[3];
    fv_ranks *ranks = fv_ranks_new(3, 1000);
    call_on_all(ranks, 3, gather_in_other_groups, failed);
    cr_expect(failed[0] && failed[1] && failed[2]);
    const char *why = fv_ranks_error(ranks);
    cr_expect(strstr(why, " among 2 ranks from rank 0 on") &&
                  strstr(why, " among 3 ranks from rank 0 on") && strstr(why, "the parts differ"),
              "%s", why);
    fv_ranks_free(ranks);
}
