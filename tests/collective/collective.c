/* collective.c - models with collective operators: their results with every consumer and every kind
 * of communicator, and what a run says without one. */
#include <criterion/criterion.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "backend/have.h"
#include "runtime/fovea.h"
#include "tests/collective/folder.h"
#include "tests/collective/pipes.h"

enum { RANKS = 3, ROWS = 6, COLUMNS = 4, ELEMENTS = ROWS * COLUMNS };

TestSuite(collective, .init = begin, .fini = end, .timeout = 120);

/* Writes a model whose result is the statement, where %a is the other statement. */
static const char *model_of(const char *first, const char *statement) {
    FILE *f = fopen(in_folder("m.fvir"), "w");
    cr_assert(f);
    fprintf(f,
            "fovea-ir 1\nmodule \"m\"\nsymbol n 0..1000\nfunc @main(%%x: f32[n, 4]) -> (%%y) {\n"
            "  %%a = %s    loc(\"before\")\n  %%y = %s    loc(\"exchange\")\n  return %%y\n}\n",
            first, statement);
    fclose(f);
    return place;
}

static const char *model(const char *statement) {
    return model_of("Neg(%x)", statement);
}

static fv_artifact *compiled(const char *statement, fv_compile_options o) {
    fv_artifact *a;
    fv_log *log = fv_log_new();
    o.size = sizeof o;
    cr_assert_eq(fv_compile(model(statement), &o, log, &a), FV_OK, "%s", fv_log_text(log));
    fv_log_free(log);
    return a;
}

static fv_artifact *loaded(const char *statement) {
    fv_artifact *a;
    fv_log *log = fv_log_new();
    model(statement);
    char model_path[80];
    strcpy(model_path, place);
    cr_assert_eq(fv_compile_file(model_path, in_folder("m.so"), NULL, log), FV_OK, "%s",
                 fv_log_text(log));
    cr_assert_eq(fv_load(place, log, &a), FV_OK, "%s", fv_log_text(log));
    fv_log_free(log);
    return a;
}

/* ---- one run of all ranks ---- */

static float value_of(int rank, int i) {
    return (float)(rank + 1) * 1.1f + (float)i * 0.37f;
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

static void run_threads(fv_artifact *a, job *jobs, fv_ranks *ranks, const int *rows) {
    pthread_t threads[RANKS];
    for (int i = 0; i < RANKS; i++) {
        jobs[i] = (job){.a = a,
                        .ranks = ranks,
                        .communicator = fv_ranks_communicator(ranks, i),
                        .rank = i,
                        .rows = rows ? rows[i] : ROWS};
        cr_assert_eq(pthread_create(&threads[i], NULL, run, &jobs[i]), 0);
    }
    for (int i = 0; i < RANKS; i++)
        cr_assert_eq(pthread_join(threads[i], NULL), 0);
}

/* ---- what the operators compute ---- */

static float sum_of(int rank, int i) {
    (void)rank;
    float sum = 0;
    for (int r = 0; r < RANKS; r++)
        sum += -value_of(r, i);
    return sum;
}

/* [6, 4] of each rank, joined along axis 1 to [6, 12] */
static float joined(int rank, int i) {
    (void)rank;
    int row = i / (RANKS * COLUMNS), column = i % (RANKS * COLUMNS);
    return -value_of(column / COLUMNS, row * COLUMNS + column % COLUMNS);
}

/* two rows of each rank */
static float exchanged(int rank, int i) {
    int part = ELEMENTS / RANKS;
    return -value_of(i / part, rank * part + i % part);
}

static const struct {
    const char *statement;
    int columns;
    float (*want)(int rank, int i);
} cases[] = {
    {"com.microsoft.AllReduce(%a) {group_size = 3}", COLUMNS, sum_of},
    {"com.microsoft.AllGather(%a) {axis = 1, group_size = 3}", RANKS *COLUMNS, joined},
    {"com.microsoft.AllToAll(%a) {group_size = 3}", COLUMNS, exchanged},
};
enum { CASES = sizeof cases / sizeof *cases };

static bool is_right(const job *j, int number) {
    const fv_array *out = &j->out;
    if (j->status != FV_OK || out->rank != 2 || out->dims[0] != ROWS ||
        out->dims[1] != cases[number].columns)
        return false;
    for (int i = 0; i < ROWS * cases[number].columns; i++)
        if (((float *)out->data)[i] != cases[number].want(j->rank, i))
            return false;
    return true;
}

static void gives(fv_artifact *a, int number) {
    job jobs[RANKS];
    for (int again = 0; again < 2; again++) {
        fv_ranks *ranks = fv_ranks_new(RANKS, 60);
        cr_assert(ranks);
        run_threads(a, jobs, ranks, NULL);
        for (int i = 0; i < RANKS; i++) {
            cr_expect(is_right(&jobs[i], number), "%s, rank %d: status %d: %s",
                      cases[number].statement, i, jobs[i].status, jobs[i].text);
            fv_array_free(&jobs[i].out);
        }
        fv_ranks_free(ranks);
    }
}

static void computes(fv_compile_options o) {
    for (int i = 0; i < CASES; i++) {
        fv_artifact *a = compiled(cases[i].statement, o);
        gives(a, i);
        fv_artifact_free(a);
    }
}

Test(collective, interpreter) {
    computes((fv_compile_options){.backend = FV_BACKEND_INTERP, .verify = 1});
    computes(
        (fv_compile_options){.backend = FV_BACKEND_INTERP, .naive = 1, .level = '0', .verify = 1});
}

Test(collective, code_in_memory) {
    if (!FV_HAVE_LLVM)
        cr_skip();
    computes((fv_compile_options){.backend = FV_BACKEND_JIT});
    computes((fv_compile_options){.backend = FV_BACKEND_JIT, .level = '0'});
}

Test(collective, libraries) {
    if (!FV_HAVE_LLVM)
        cr_skip();
    for (int i = 0; i < CASES; i++) {
        fv_artifact *a = loaded(cases[i].statement);
        gives(a, i);
        fv_artifact_free(a);
    }
}

Test(collective, generated_c) {
    computes((fv_compile_options){.backend = FV_BACKEND_C});
}

/* Processes that are connected by pipes compute what threads do. */
Test(collective, processes) {
    for (int number = 0; number < CASES; number++) {
        fv_artifact *a =
            compiled(cases[number].statement, (fv_compile_options){.backend = FV_BACKEND_INTERP});
        pipes *p = pipes_new(RANKS);
        pid_t children[RANKS];
        for (int i = 0; i < RANKS; i++) {
            if ((children[i] = fork()) != 0)
                continue;
            job j = {.a = a, .communicator = pipes_communicator(p, i), .rank = i, .rows = ROWS};
            run(&j);
            _exit(is_right(&j, number) ? 0 : 1);
        }
        for (int i = 0, status; i < RANKS; i++)
            cr_expect(waitpid(children[i], &status, 0) == children[i] && status == 0,
                      "%s: rank %d ended with %d", cases[number].statement, i, status);
        pipes_free(p);
        fv_artifact_free(a);
    }
}

/* ---- what a run says ---- */

static void refuses(const fv_communicator *c, fv_compile_options o) {
    fv_artifact *a = compiled(cases[0].statement, o);
    job j = {.a = a, .communicator = c, .rows = ROWS};
    run(&j);
    cr_expect_eq(j.status, FV_BAD_COMMUNICATOR);
    cr_expect(strstr(j.text, c ? "or is not what the model needs: another number of ranks"
                               : "its runs need a communicator (env.communicator)"),
              "%s", j.text);
    cr_expect_null(j.out.data);
    fv_artifact_free(a);
}

Test(collective, communicators_that_do_not_fit) {
    for (int i = 0; i < (FV_HAVE_LLVM ? 3 : 1); i++) {
        fv_compile_options o = {.backend = i == 0   ? FV_BACKEND_INTERP
                                           : i == 1 ? FV_BACKEND_JIT
                                                    : FV_BACKEND_C};
        fv_ranks *two = fv_ranks_new(2, 1), *three = fv_ranks_new(RANKS, 1);
        fv_communicator c = *fv_ranks_communicator(three, 0);
        refuses(NULL, o);
        refuses(fv_ranks_communicator(two, 0), o);
        c.size = offsetof(fv_communicator, send) - 1;
        refuses(&c, o);
        c = *fv_ranks_communicator(three, 0);
        c.all_gather = NULL;
        refuses(&c, o);
        c = *fv_ranks_communicator(three, 0);
        c.all_to_all = NULL;
        refuses(&c, o);
        fv_ranks_free(two);
        fv_ranks_free(three);
    }
}

/* An env of a version without the member counts as one without a communicator. */
Test(collective, short_env) {
    fv_artifact *a = compiled(cases[0].statement, (fv_compile_options){.naive = 1});
    fv_ranks *three = fv_ranks_new(RANKS, 1);
    fv_env env = {.size = offsetof(fv_env, communicator),
                  .communicator = fv_ranks_communicator(three, 0)};
    fv_run_options o = {.size = sizeof o, .threads = 1, .env = &env};
    float x[ELEMENTS] = {0};
    fv_array in = {.type = FV_TYPE_FLOAT, .rank = 2, .dims = {ROWS, COLUMNS}, .data = x}, out = {0};
    cr_expect_eq(fv_artifact_run(a, &in, &out, &o, NULL), FV_BAD_COMMUNICATOR);
    fv_ranks_free(three);
    fv_artifact_free(a);
}

/* Inputs of different sizes are reported on all ranks, and none waits. */
Test(collective, ranks_that_differ) {
    fv_artifact *a = compiled(cases[0].statement, (fv_compile_options){.naive = 1});
    fv_ranks *ranks = fv_ranks_new(RANKS, 60);
    job jobs[RANKS];
    run_threads(a, jobs, ranks, (int[]){6, 6, 5});
    for (int i = 0; i < RANKS; i++) {
        cr_expect_eq(jobs[i].status, FV_BAD_COMMUNICATOR);
        cr_expect(strstr(jobs[i].text, "error: a communicator of 3 ranks has failed"), "%s",
                  jobs[i].text);
        cr_expect_null(jobs[i].out.data);
    }
    cr_expect_str_eq(fv_ranks_error(ranks),
                     "step 1: rank 0 has an all_gather of 96 bytes, rank 2 an all_gather of 80 "
                     "bytes: the parts or their inputs differ");
    fv_ranks_free(ranks);
    fv_artifact_free(a);
}

Test(collective, a_rank_that_is_missing) {
    fv_artifact *a = compiled(cases[0].statement, (fv_compile_options){.naive = 1});
    fv_ranks *ranks = fv_ranks_new(RANKS, 0.2);
    job j = {.a = a, .communicator = fv_ranks_communicator(ranks, 0), .rows = ROWS};
    run(&j);
    cr_expect_eq(j.status, FV_BAD_COMMUNICATOR);
    cr_expect_str_eq(fv_ranks_error(ranks), "step 1: rank 0 has waited 0.2 s for rank 1");
    fv_ranks_free(ranks);
    ranks = fv_ranks_new(RANKS, 60);
    fv_ranks_stop(ranks, 2);
    j = (job){.a = a, .communicator = fv_ranks_communicator(ranks, 0), .rows = ROWS};
    run(&j);
    cr_expect_eq(j.status, FV_BAD_COMMUNICATOR);
    cr_expect_str_eq(fv_ranks_error(ranks), "step 1: rank 2 has ended, and rank 0 waits for it");
    fv_ranks_free(ranks);
    fv_artifact_free(a);
}

/* ---- a rank that copies slowly ---- */

enum { PAGE = 65536 };

static char *slow; /* memory that rank 1 cannot write before it may */
static atomic_int copying, may_copy, returned;

/* Rank 1 is about to write to its memory. */
static void on_write(int signal) {
    (void)signal;
    copying = 1;
    while (!may_copy)
        usleep(1000);
    mprotect(slow, PAGE, PROT_READ | PROT_WRITE);
}

static void *gather_slowly(void *arg) {
    const fv_communicator *c = arg;
    char mine = 'b';
    return c->all_gather(c->user, &mine, slow, 1) ? arg : NULL;
}

static void *gather_fast(void *arg) {
    const fv_communicator *c = arg;
    char mine = 'a', got[2] = {0};
    int failed = c->all_gather(c->user, &mine, got, 1);
    returned = 1;
    return failed || got[1] != 'b' ? arg : NULL;
}

/* What a rank sends belongs to the exchange until the others have copied it, though that takes
 * longer than they wait for each other, and though a rank states that it ends. */
Test(collective, a_rank_that_copies_slowly) {
    struct sigaction a = {.sa_handler = on_write};
    fv_ranks *ranks = fv_ranks_new(2, 2);
    pthread_t fast, late;
    void *of_fast, *of_late;
    slow = mmap(NULL, PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    cr_assert(ranks && slow != MAP_FAILED);
    cr_assert(!sigaction(SIGSEGV, &a, NULL) && !sigaction(SIGBUS, &a, NULL));
    cr_assert_eq(pthread_create(&fast, NULL, gather_fast, (void *)fv_ranks_communicator(ranks, 0)),
                 0);
    cr_assert_eq(
        pthread_create(&late, NULL, gather_slowly, (void *)fv_ranks_communicator(ranks, 1)), 0);
    while (!copying)
        usleep(1000);
    fv_ranks_stop(ranks, 1);
    usleep(2500000);
    cr_expect(!returned);
    may_copy = 1;
    pthread_join(fast, &of_fast);
    pthread_join(late, &of_late);
    cr_expect(!of_fast && !of_late && slow[0] == 'a', "%s", fv_ranks_error(ranks));
    fv_ranks_free(ranks);
    munmap(slow, PAGE);
}

Test(collective, arguments_of_ranks) {
    cr_expect_null(fv_ranks_new(0, 1));
    cr_expect_null(fv_ranks_new(-1, 1));
    cr_expect_null(fv_ranks_new(1025, 1));
    cr_expect_null(fv_ranks_new(2, 0));
    cr_expect_null(fv_ranks_new(2, 1e9));
    fv_ranks *one = fv_ranks_new(1, 1);
    cr_expect_null(fv_ranks_communicator(one, 1));
    cr_expect_null(fv_ranks_communicator(one, -1));
    cr_expect_null(fv_ranks_communicator(NULL, 0));
    cr_expect_null(fv_ranks_error(one));
    cr_expect_null(fv_ranks_error(NULL));
    const fv_communicator *c = fv_ranks_communicator(one, 0);
    char got = 'a';
    cr_expect_eq(c->all_to_all(c->user, "b", &got, 1), 0);
    cr_expect_eq(got, 'b');
    cr_expect_eq(c->all_gather(c->user, NULL, NULL, 0), 0);
    fv_ranks_stop(NULL, 0);
    fv_ranks_stop(one, 5);
    fv_ranks_free(one);
    fv_ranks_free(NULL);
}

static void cannot_compile_both(const char *first, const char *statement, const char *why) {
    fv_artifact *a = NULL;
    fv_log *log = fv_log_new();
    fv_compile_options o = {.size = sizeof o, .backend = FV_BACKEND_INTERP};
    cr_expect_eq(fv_compile(model_of(first, statement), &o, log, &a), FV_BAD_MODEL, "%s",
                 statement);
    cr_expect(strstr(fv_log_text(log), why), "%s: %s", statement, fv_log_text(log));
    fv_log_free(log);
}

static void cannot_compile(const char *statement, const char *why) {
    cannot_compile_both("Neg(%x)", statement, why);
}

Test(collective, models_that_are_refused) {
    cannot_compile("com.microsoft.AllReduce(%a)",
                   "does not say how many ranks take part: expected an attribute group_size");
    cannot_compile("com.microsoft.AllReduce(%a) {group_size = 0}",
                   "group_size, the number of ranks, is 0, expected 1 to 65536");
    cannot_compile("com.microsoft.AllGather(%a) {group_size = -2}", "is -2, expected 1 to 65536");
    cannot_compile("com.microsoft.AllGather(%a) {axis = 2, group_size = 2}", "axis");
    cannot_compile("fv.AllGather(%a) {ranks = 2, first = 0}",
                   "has one of `first` and `of`, expected both or neither");
    cannot_compile("fv.AllGather(%a) {ranks = 2, first = 2, of = 3}",
                   "first is rank 2, expected 0 to 1: the run has 3 ranks");
    cannot_compile("fv.Receive() {from = 3, ranks = 3, type = f32[n, 4]}",
                   "from is rank 3, expected 0 to 2: the run has 3 ranks");
    cannot_compile("fv.Receive() {from = 0, ranks = 3, type = seq(f32[4])}", "type is no tensor");
    cannot_compile("fv.AllToAll(%a)", "axis 0 has n elements, expected a constant number of ranks");
    cannot_compile_both("com.microsoft.AllReduce(%x) {group_size = 2}",
                        "com.microsoft.AllGather(%a) {group_size = 3}",
                        "node 'exchange' (fv.AllGather): exchanges data among 3 ranks, and "
                        "'before' among 2: a run has one number of ranks");
}
