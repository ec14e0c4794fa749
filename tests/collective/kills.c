/* kills.c - processes that pipes connect, of which one is killed or stopped for a while at random:
 * the others end soon, and no run gives a wrong result. FV_RUNS=N makes N runs, FV_SEED=S draws
 * others. */
#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "runtime/fovea.h"
#include "tests/collective/pipes.h"

enum { RANKS = 3, AGAIN = 400, WRONG = 1, FAILED = 2 };

/* Two sums over all ranks. */
static const char model[] = "fovea-ir 1\nmodule \"m\"\nfunc @main(%x: f32[4]) -> (%y) {\n"
                            "  %a = com.microsoft.AllReduce(%x) {group_size = 3}\n"
                            "  %b = Mul(%a, %x)\n"
                            "  %y = com.microsoft.AllReduce(%b) {group_size = 3}\n"
                            "  return %y\n}\n";

static fv_artifact *compiled(void) {
    char path[] = "/tmp/fovea-kills-XXXXXX";
    int fd = mkstemp(path);
    fv_artifact *a = NULL;
    fv_compile_options o = {.size = sizeof o, .backend = FV_BACKEND_INTERP};
    cr_assert(fd >= 0 && write(fd, model, strlen(model)) == (ssize_t)strlen(model));
    close(fd);
    setenv("FOVEA_CACHE_DIR", "", 1);
    cr_assert_eq(fv_compile(path, &o, NULL, &a), FV_OK);
    unlink(path);
    return a;
}

/* The process of a rank: runs the model AGAIN times. Returns 0, WRONG, or FAILED if a run says that
 * the communicator has failed. */
static int run_rank(fv_artifact *a, const fv_communicator *c) {
    fv_env env = {.size = sizeof env, .communicator = c};
    fv_run_options o = {.size = sizeof o, .threads = 1, .env = &env};
    for (int i = 0; i < AGAIN; i++) {
        float x[4];
        for (int k = 0; k < 4; k++)
            x[k] = (float)((int)c->rank + i % 7 + k);
        fv_array in = {.type = FV_TYPE_FLOAT, .rank = 1, .dims = {4}, .data = x}, out = {0};
        int status = fv_artifact_run(a, &in, &out, &o, NULL);
        if (status)
            return status == FV_BAD_COMMUNICATOR ? FAILED : WRONG;
        for (int k = 0; k < 4; k++) { /* small integers, so sums are exact in any order */
            float sum = (float)(RANKS * (i % 7 + k) + 3);
            if (((float *)out.data)[k] != sum * sum)
                return WRONG;
        }
        fv_array_free(&out);
    }
    return 0;
}

static void wait_ms(int ms) {
    struct timespec t = {ms / 1000, ms % 1000 * 1000000L};
    nanosleep(&t, NULL);
}

static int setting(const char *name, int usual) {
    const char *text = getenv(name);
    return text ? atoi(text) : usual;
}

/* One run of all ranks, of which one is killed after so many milliseconds, or stopped for them. */
static void disturb(fv_artifact *a, int victim, int ms, bool is_killed, int number) {
    pid_t children[RANKS];
    pipes *p = pipes_new(RANKS);
    for (int i = 0; i < RANKS; i++)
        if ((children[i] = fork()) == 0) {
            alarm(60); /* a rank that waits for ever is a failure */
            _exit(run_rank(a, pipes_communicator(p, i)));
        }
    pipes_free(p);
    wait_ms(ms);
    kill(children[victim], is_killed ? SIGKILL : SIGSTOP);
    if (!is_killed) {
        wait_ms(ms);
        kill(children[victim], SIGCONT);
    }
    for (int i = 0, status; i < RANKS; i++) {
        cr_assert_eq(waitpid(children[i], &status, 0), children[i]);
        bool killed =
            i == victim && is_killed && WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
        bool ended = WIFEXITED(status) &&
                     (WEXITSTATUS(status) == 0 || (is_killed && WEXITSTATUS(status) == FAILED));
        cr_expect(killed || ended, "run %d: rank %d ended with %x; rank %d was %s after %d ms",
                  number, i, (unsigned)status, victim, is_killed ? "killed" : "stopped", ms);
    }
}

Test(kills, pipes, .timeout = 300) {
    fv_artifact *a = compiled();
    int runs = setting("FV_RUNS", 30);
    srand((unsigned)setting("FV_SEED", 1));
    for (int i = 0; i < runs; i++) {
        int victim = rand() % RANKS, ms = rand() % 20;
        disturb(a, victim, ms, rand() % 4 != 0, i);
    }
    fv_artifact_free(a);
}
