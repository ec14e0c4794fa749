/* graphs.c - random graphs: all consumers give the same bits, and every schedule what the naive one
 * gives, as far as it can.
 *
 *   graphs --cache=DIR [--count=N] [--seed=S] [--only=I] [--family=F] [-jN]
 *   graphs --limits [--count=N] [--seed=S] ...        what concerns speed changes no bit
 *   graphs --dump=DIR [--count=N] [--seed=S] [--family=F]      their texts as files, and no tests
 *
 * F: a family, whose operators alone are used: pointwise, moves, picks, joins, sums, attention,
 * images, products or branches. By default graphs have operators of all families but the last two.
 * The environment variable FV_SEED also sets the seed; graph I of a seed is always the same. A
 * graph that fails is reduced to as few lines as still fail, and printed as graph IR. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ir/base/diag.h"
#include "tests/matrix/graph_c.h"
#include "tests/sample.h"

enum { CHUNK = GRAPH_BATCH, MAX_JOBS = 16, LINES = 9 };

typedef struct options {
    const char *cache, *dump;
    uint64_t seed;
    int count, only, jobs, family;
    bool limits;
} options;

/* What all processes see. */
typedef struct shared {
    graph_totals totals;
    atomic_int at[MAX_JOBS]; /* the graph that each process is at */
    int crashed[MAX_JOBS], ncrashed;
} shared;

static uint64_t seed_of(const options *o, int i) {
    rng r = {o->seed + (uint64_t)i * 0x9e3779b97f4a7c15u};
    return rng_next(&r);
}

/* Every chunk has another pair of target and C compiler. */
static graph_checker checker_of(const options *o, fv_session *s, int i) {
    static const char *const targets[] = {"x86-64-v3", "generic", "x86-64-v4", "x86-64-v2"};
    int chunk = i / CHUNK;
    const fv_target *t = fv_target_find(targets[chunk % 4]);
    return (graph_checker){
        .session = s,
        .index = i,
        .limits =
            o->limits ? seed_of(o, i) % 1000000 + 1 : 0, /* `fovea run --random-limits` takes it */
        .target = fv_target_runs_here(t) ? t : fv_target_find("generic"),
        .compiler = &native_compilers[(chunk + chunk / 8) % compiler_count(native_compilers)]};
}

/* ---- what fails, smaller ---- */

/* cache NULL: not as C. */
static graph_verdict check_all(const options *o, const graph_checker *c, graph *g,
                               const gvalue *only, const char *folder) {
    graph_verdict v = graph_check(c, g, only);
    if (v.why || !folder)
        return v;
    graph_batch one = {.folder = folder, .cache = o->cache};
    graph_batch_add(&one, c, g, &v, only);
    graph_batch_run(&one);
    return one.n ? graph_batch_verdict(&one.graphs[0]) : v;
}

/* The fewest lines of the graph that still fail, and only the result that does. folder: for C, or
 * NULL where that is not needed. */
static void print_smallest(const options *o, const graph_checker *c, const char *folder) {
    for (int lines = 1; lines <= LINES; lines++) {
        graph *g = graph_new(c->session, seed_of(o, c->index), lines, o->family);
        graph_verdict v = check_all(o, c, g, NULL, folder);
        if (!v.why)
            continue;
        const gvalue *bad = v.output ? graph_find(g, v.output) : NULL;
        graph_verdict alone = {0};
        if (bad)
            alone = check_all(o, c, g, bad, folder);
        if (!alone.why)
            bad = NULL;
        printf("%s: %s\n%s", alone.why ? alone.who : v.who, alone.why ? alone.why : v.why,
               graph_text_without_dead(g, bad));
        fflush(stdout);
        return;
    }
    printf("(smaller graphs of the same seed do not fail)\n");
}

static void report_failure(const options *o, shared *sh, const graph_checker *c, graph_verdict v,
                           const char *folder) {
    graph_checker quiet = *c;
    printf("FAILED graph %d of seed %llu: %s: %s\n", c->index, (unsigned long long)o->seed, v.who,
           v.why);
    fflush(stdout);
    atomic_fetch_add(&sh->totals.failed, 1);
    quiet.totals = NULL;
    print_smallest(o, &quiet, folder);
}

/* In a process of its own: checks the graph of so many lines, or prints it. Its status. */
static int try_apart(const options *o, int i, int lines, bool print, const char *folder) {
    int status = 0;
    fflush(stdout);
    pid_t pid = fork();
    if (pid) {
        waitpid(pid, &status, 0);
        return status;
    }
    fv_session *s = fv_session_new();
    fv_door door;
    if (!s || FV_DOOR_OPEN(s, &door))
        _exit(0);
    graph_checker c = checker_of(o, s, i);
    graph *g = graph_new(s, seed_of(o, i), lines, o->family);
    if (print)
        fputs(graph_text(g, NULL), stdout);
    else
        check_all(o, &c, g, NULL, folder);
    fflush(stdout);
    _exit(0);
}

/* Prints the fewest lines of the graph that take a process down. */
static void print_smallest_crash(const options *o, int i, const char *folder) {
    printf("graph %d:\n", i);
    for (int lines = 1; lines <= LINES; lines++)
        if (try_apart(o, i, lines, false, folder)) {
            try_apart(o, i, lines, true, folder);
            return;
        }
}

/* Keeps the session where the graph goes on as C. */
static void run_one(const options *o, shared *sh, graph_batch *batch, int i) {
    fv_session *s = fv_session_new();
    fv_door door;
    if (!s || FV_DOOR_OPEN(s, &door)) {
        printf("FAILED graph %d: out of memory\n", i);
        atomic_fetch_add(&sh->totals.failed, 1);
        return;
    }
    graph_checker c = checker_of(o, s, i);
    c.totals = &sh->totals;
    graph *g = graph_new(s, seed_of(o, i), LINES, o->family);
    graph_verdict v = graph_check(&c, g, NULL);
    int n = batch->n;
    if (v.why)
        report_failure(o, sh, &c, v, NULL);
    else if (!o->limits)
        graph_batch_add(batch, &c, g, &v, NULL);
    if (!v.why && batch->n == n) /* nothing that could be a result */
        atomic_fetch_add(&sh->totals.passed, 1);
    fv_door_close(s, &door);
    if (batch->n == n)
        fv_session_free(s);
}

/* After the run as C. */
static void judge_one(const options *o, shared *sh, const graph_in_c *x, const char *folder) {
    fv_door door;
    graph_verdict v = graph_batch_verdict(x);
    if (!v.why) {
        atomic_fetch_add(&sh->totals.passed, 1);
        atomic_fetch_add(&sh->totals.c, 1);
    } else if (!FV_DOOR_OPEN(x->checker.session, &door)) {
        report_failure(o, sh, &x->checker, v, folder);
        fv_door_close(x->checker.session, &door);
    }
}

/* In a process of its own: graphs [from, to). */
static void run_chunk(const options *o, shared *sh, int slot, int from, int to,
                      const char *folder) {
    graph_batch batch = {.folder = folder, .cache = o->cache, .at = &sh->at[slot]};
    for (int i = from; i < to; i++) {
        atomic_store(&sh->at[slot], i);
        run_one(o, sh, &batch, i);
    }
    graph_batch_run(&batch);
    for (int i = 0; i < batch.n; i++)
        judge_one(o, sh, &batch.graphs[i], folder);
    for (int i = 0; i < batch.n; i++)
        fv_session_free(batch.graphs[i].checker.session);
}

typedef struct job {
    pid_t pid;
    int to;
} job;

static void start(const options *o, shared *sh, job *jobs, int slot, int from, int to,
                  const char *scratch) {
    fflush(stdout);
    jobs[slot].to = to;
    jobs[slot].pid = fork();
    if (jobs[slot].pid)
        return;
    alarm(900);
    char folder[512];
    snprintf(folder, sizeof folder, "%s/%d", scratch, from);
    mkdir(folder, 0777);
    run_chunk(o, sh, slot, from, to, folder);
    fflush(stdout);
    _exit(0);
}

/* One process ended; where a graph took it down, the others of its chunk go on. */
static int finish(const options *o, shared *sh, job *jobs, int n, const char *scratch) {
    int status;
    pid_t pid = wait(&status);
    for (int slot = 0; slot < n; slot++) {
        if (jobs[slot].pid != pid)
            continue;
        int at = atomic_load(&sh->at[slot]);
        if (!status)
            return slot;
        printf("FAILED graph %d of seed %llu: the process ended: %s\n", at,
               (unsigned long long)o->seed,
               WIFSIGNALED(status) ? strsignal(WTERMSIG(status)) : "status");
        atomic_fetch_add(&sh->totals.failed, 1);
        if (sh->ncrashed < MAX_JOBS)
            sh->crashed[sh->ncrashed++] = at;
        if (at + 1 >= jobs[slot].to)
            return slot;
        start(o, sh, jobs, slot, at + 1, jobs[slot].to, scratch);
        return -1;
    }
    return -1;
}

static void run_all(const options *o, shared *sh, const char *scratch) {
    job jobs[MAX_JOBS];
    int n = 0, next = 0, running = 0;
    for (; n < o->jobs && next < o->count; n++, running++, next += CHUNK)
        start(o, sh, jobs, n, next, next + CHUNK < o->count ? next + CHUNK : o->count, scratch);
    while (running) {
        int slot = finish(o, sh, jobs, n, scratch);
        if (slot < 0)
            continue;
        running--;
        if (next < o->count) {
            start(o, sh, jobs, slot, next, next + CHUNK < o->count ? next + CHUNK : o->count,
                  scratch);
            running++;
            next += CHUNK;
        }
    }
}

static bool read_options(options *o, int argc, char **argv) {
    *o = (options){.seed = sample_seed(1), .count = 500, .only = -1, .jobs = 2, .family = -1};
    for (int i = 1; i < argc; i++) {
        const char *arg = argv[i];
        if (!strncmp(arg, "--cache=", 8))
            o->cache = arg + 8;
        else if (!strncmp(arg, "--dump=", 7))
            o->dump = arg + 7;
        else if (!strncmp(arg, "--count=", 8))
            o->count = atoi(arg + 8);
        else if (!strncmp(arg, "--seed=", 7))
            o->seed = strtoull(arg + 7, NULL, 0);
        else if (!strncmp(arg, "--only=", 7))
            o->only = atoi(arg + 7);
        else if (!strncmp(arg, "--family=", 9) && graph_family(arg + 9) >= 0)
            o->family = graph_family(arg + 9);
        else if (!strcmp(arg, "--limits"))
            o->limits = true;
        else if (!strncmp(arg, "-j", 2) && atoi(arg + 2) > 0 && atoi(arg + 2) <= MAX_JOBS)
            o->jobs = atoi(arg + 2);
        else
            return false;
    }
    return o->cache || o->dump || o->limits;
}

/* DIR/0.fvir and so on, the graphs' texts, and no tests. */
static int dump(const options *o) {
    int failed = mkdir(o->dump, 0777) && errno != EEXIST;
    for (int i = 0; i < o->count && !failed; i++) {
        fv_session *s = fv_session_new();
        char path[4096];
        snprintf(path, sizeof path, "%s/%d.fvir", o->dump, i);
        FILE *f = fopen(path, "w");
        const char *text = graph_text(graph_new(s, seed_of(o, i), LINES, o->family), NULL);
        failed = !f || fputs(text ? text : "", f) < 0;
        failed |= !f || fclose(f);
        fv_session_free(s);
    }
    if (failed)
        perror(o->dump);
    return failed;
}

static void report(const graph_totals *t) {
    printf("%d operators; outputs against the naive schedule: %d equal, %d close, %d not compared; "
           "%d graphs as C; %d ended with a status other than FV_OK, and %d runs that were led "
           "astray\n",
           t->lines, t->same, t->close, t->any, t->c, t->stopped, t->astray);
    printf("%d passed, %d failed\n", t->passed, t->failed);
}

int main(int argc, char **argv) {
    options o;
    if (!read_options(&o, argc, argv)) {
        fprintf(stderr,
                "usage: graphs --cache=DIR [--count=N] [--seed=S] [--only=I] [--family=F] [-jN]\n"
                "       graphs --limits [--count=N] [--seed=S] [--only=I] [--family=F] [-jN]\n"
                "       graphs --dump=DIR [--count=N] [--seed=S] [--family=F]: their texts as "
                "files, and no tests\n");
        return 2;
    }
    if (o.dump)
        return dump(&o);
    shared *sh = mmap(NULL, sizeof *sh, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    char scratch[] = "/tmp/fovea-graphs-XXXXXX", command[64];
    if (sh == MAP_FAILED || !mkdtemp(scratch))
        return 2;
    printf("seed %llu, %d graphs\n", (unsigned long long)o.seed, o.count);
    if (o.only >= 0)
        run_chunk(&o, sh, 0, o.only, o.only + 1, scratch);
    else
        run_all(&o, sh, scratch);
    for (int i = 0; i < sh->ncrashed; i++) /* now that no other process may be waited for */
        print_smallest_crash(&o, sh->crashed[i], scratch);
    snprintf(command, sizeof command, "rm -rf '%s'", scratch);
    if (system(command))
        fprintf(stderr, "%s stays behind\n", scratch);
    report(&sh->totals);
    return sh->totals.failed != 0;
}
