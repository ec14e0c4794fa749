/* link.c - links shared libraries: ld.lld for every target; without it, the compiler of this
 * machine for this machine only. */
#include "backend/llvm/link.h"

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

/* ---- running a program ---- */

enum { WORDS = 1024 }; /* number of bytes of the linker's messages that are kept */

/* Must not allocate from an arena: the child process would be left running. The remaining output of
 * the child is read and dropped, so that the child does not block. */
static void read_words(int fd, char words[WORDS]) {
    char drop[4096];
    size_t n = 0;
    ssize_t got = 0;
    do {
        bool full = n == WORDS - 1;
        got = full ? read(fd, drop, sizeof drop) : read(fd, words + n, WORDS - 1 - n);
        if (got > 0 && !full)
            n += (size_t)got;
    } while (got > 0 || (got < 0 && errno == EINTR));
    words[n] = 0;
    words[strcspn(words, "\n")] = 0;
}

static int start(pid_t *pid, const char *const *argv, int out) {
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
    posix_spawn_file_actions_adddup2(&actions, out, 2);
    int error = posix_spawnp(pid, argv[0], &actions, NULL, (char **)(uintptr_t)argv, environ);
    posix_spawn_file_actions_destroy(&actions);
    return error;
}

static int await(pid_t pid) {
    int status;
    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR)
            return -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 255;
}

typedef enum { LINKED, ABSENT, FAILED } outcome;

static outcome run(const char *const *argv, char words[WORDS]) {
    int ends[2];
    pid_t pid;
    if (pipe2(ends, O_CLOEXEC) != 0)
        return FAILED;
    int error = start(&pid, argv, ends[1]);
    close(ends[1]);
    if (error) {
        close(ends[0]);
        snprintf(words, WORDS, "%s", strerror(error));
        return error == ENOENT ? ABSENT : FAILED;
    }
    read_words(ends[0], words);
    close(ends[0]);
    int status = await(pid);
    return status == 0 ? LINKED : status == 127 ? ABSENT : FAILED;
}

/* ---- linkers ---- */

static const char *const linkers[] = {"ld.lld",    "ld.lld-22", "ld.lld-21", "ld.lld-20",
                                      "ld.lld-19", "ld.lld-18", "ld.lld-17", "ld.lld-16",
                                      "ld.lld-15", "ld.lld-14"};

static outcome run_lld(const fv_link_job *job, char words[WORDS]) {
    for (size_t i = 0; i < sizeof linkers / sizeof *linkers; i++) {
        const char *argv[] = {linkers[i],
                              "-shared",
                              "--no-undefined",
                              "--build-id=none",
                              "--hash-style=gnu",
                              "-z",
                              "noexecstack",
                              "-z",
                              "relro",
                              "-soname",
                              job->soname,
                              "--defsym",
                              job->alias,
                              "-o",
                              job->output,
                              job->object,
                              NULL};
        outcome r = run(argv, words);
        if (r != ABSENT)
            return r;
    }
    return ABSENT;
}

static outcome run_cc(fv_arena *a, const fv_link_job *job, char words[WORDS]) {
    const char *soname = fv_printf(a, "-Wl,-soname,%s", job->soname);
    const char *alias = fv_printf(a, "-Wl,--defsym,%s", job->alias);
    const char *argv[] = {"cc",
                          "-shared",
                          "-nostdlib",
                          "-Wl,--no-undefined",
                          "-Wl,--build-id=none",
                          "-Wl,-z,noexecstack",
                          soname,
                          alias,
                          "-o",
                          job->output,
                          job->object,
                          NULL};
    return run(argv, words);
}

const char *fv_link_shared(fv_arena *a, const fv_link_job *job) {
    char words[WORDS] = "";
    if (job->target->pointer_bits == 32)
        return fv_printf(a,
                         "target %s has no shared libraries; write an object (.o) or archive (.a)",
                         job->target->name);
    outcome r = run_lld(job, words);
    if (r == ABSENT && fv_target_runs_here(job->target))
        r = run_cc(a, job, words);
    if (r == ABSENT)
        return "no linker is found: install ld.lld, or write an object (.o) or archive (.a)";
    return r == LINKED ? NULL : fv_printf(a, "the linker failed: %s", words);
}
