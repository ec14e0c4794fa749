/* stages.c - models that exchange data between two ranks and within a group of ranks: their results
 * with every consumer and kind of communicator, and what ends a run. */
#include <criterion/criterion.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "runtime/fovea.h"
#include "tests/collective/pipes.h"

/* Rank 0 sends its rows to the ranks 1 and 2, which multiply them by their own ones and add what
 * both have; rank 2 sends the sum back. */
enum { RANKS = 3, ROWS = 5, COLUMNS = 4, ELEMENTS = ROWS * COLUMNS };

static char folder[] = "/tmp/fovea-stages-XXXXXX", place[80];

static void begin(void) {
    cr_assert(mkdtemp(folder));
    setenv("FOVEA_CACHE_DIR", "", 1);
}

static void end(void) {
    char command[100];
    snprintf(command, sizeof command, "rm -rf %s", folder);
    cr_assert_eq(system(command), 0);
}

TestSuite(stages, .init = begin, .fini = end, .timeout = 120);

static const char *in_folder(const char *name) {
    snprintf(place, sizeof place, "%s/%s", folder, name);
    return place;
}

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
