/* link.c - links shared libraries: LLVM's linkers for every target; without them, the compiler of
 * this machine for this machine only, and MinGW's linker for Windows on x86-64. */
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

enum { NAMES = 10, MOST_ARGUMENTS = 20 };

/* Runs the first linker in `names` that is installed; argv[0] is set to its name. */
static outcome run_first(const char *const names[NAMES], const char **argv, char words[WORDS]) {
    outcome r = ABSENT;
    for (int i = 0; i < NAMES && r == ABSENT; i++) {
        argv[0] = names[i];
        r = run(argv, words);
    }
    return r;
}

/* The names under which distributions have a linker of LLVM. */
#define LLD(name)                                                                                  \
    {name,       name "-22", name "-21", name "-20", name "-19",                                   \
     name "-18", name "-17", name "-16", name "-15", name "-14"}

static outcome link_elf(fv_arena *a, const fv_link_job *job, char words[WORDS]) {
    static const char *const names[NAMES] = LLD("ld.lld");
    const char *argv[MOST_ARGUMENTS] = {"",
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
                                        fv_printf(a, "fovea_model=%s_model", job->prefix),
                                        "-o",
                                        job->output,
                                        job->object};
    return run_first(names, argv, words);
}

static outcome link_cc(fv_arena *a, const fv_link_job *job, char words[WORDS]) {
    const char *argv[] = {"cc",
                          "-shared",
                          "-nostdlib",
                          "-Wl,--no-undefined",
                          "-Wl,--build-id=none",
                          "-Wl,-z,noexecstack",
                          fv_printf(a, "-Wl,-soname,%s", job->soname),
                          fv_printf(a, "-Wl,--defsym,fovea_model=%s_model", job->prefix),
                          "-o",
                          job->output,
                          job->object,
                          NULL};
    return run(argv, words);
}

/* /Brepro: a hash of the content in place of the time. */
static outcome link_windows(fv_arena *a, const fv_link_job *job, char words[WORDS]) {
    static const char *const names[NAMES] = LLD("lld-link");
    const char *argv[MOST_ARGUMENTS] = {
        "",
        "/dll",
        "/noentry",
        "/nodefaultlib",
        "/Brepro",
        job->target->isa == FV_ISA_X86 ? "/machine:x64" : "/machine:arm64",
        fv_printf(a, "/export:fovea_model=%s_model", job->prefix),
        fv_printf(a, "/export:%s_model", job->prefix),
        fv_printf(a, "/export:%s_plan", job->prefix),
        fv_printf(a, "/export:%s_run", job->prefix),
        fv_printf(a, "/out:%s", job->output),
        job->object,
    };
    return run_first(names, argv, words);
}

/* Writes the list of exported symbols, next to the library. */
static bool write_exports(const char *path, const char *prefix) {
    FILE *f = fopen(path, "w");
    bool ok = f && fprintf(f, "EXPORTS\nfovea_model = %s_model\n%s_model\n%s_plan\n%s_run\n",
                           prefix, prefix, prefix, prefix) > 0;
    return f && fclose(f) == 0 && ok;
}

static outcome link_mingw(fv_arena *a, const fv_link_job *job, char words[WORDS]) {
    const char *exports = fv_printf(a, "%s.def", job->output);
    const char *argv[] = {"x86_64-w64-mingw32-ld",
                          "-shared",
                          "--entry=0",
                          "--no-insert-timestamp",
                          "-o",
                          job->output,
                          job->object,
                          exports,
                          NULL};
    if (write_exports(exports, job->prefix))
        return run(argv, words);
    snprintf(words, WORDS, "cannot write %s: %s", exports, strerror(errno));
    return FAILED;
}

static outcome link_macos(fv_arena *a, const fv_link_job *job, char words[WORDS]) {
    static const char *const names[NAMES] = LLD("ld64.lld");
    const char *argv[MOST_ARGUMENTS] = {
        "",
        "-dylib",
        "-arch",
        job->target->isa == FV_ISA_X86 ? "x86_64" : "arm64",
        "-platform_version",
        "macos",
        "11.0",
        "11.0",
        "-install_name",
        fv_printf(a, "@rpath/%s", job->soname),
        "-alias",
        fv_printf(a, "_%s_model", job->prefix),
        "_fovea_model",
        "-o",
        job->output,
        job->object,
    };
    return run_first(names, argv, words);
}

/* Runs a linker for the target's system; *names: linkers that a user may install for it. */
static outcome link_for(fv_arena *a, const fv_link_job *job, char words[WORDS],
                        const char **names) {
    outcome r = ABSENT;
    switch (job->target->system) {
    case FV_SYSTEM_ELF:
        *names = "ld.lld";
        r = link_elf(a, job, words);
        return r == ABSENT && fv_target_runs_here(job->target) ? link_cc(a, job, words) : r;
    case FV_SYSTEM_WINDOWS:
        *names = job->target->isa == FV_ISA_X86
                     ? "lld-link (Debian: lld) or x86_64-w64-mingw32-ld (gcc-mingw-w64-x86-64)"
                     : "lld-link (Debian: lld)";
        r = link_windows(a, job, words);
        return r == ABSENT && job->target->isa == FV_ISA_X86 ? link_mingw(a, job, words) : r;
    case FV_SYSTEM_MACOS: *names = "ld64.lld (Debian: lld)"; return link_macos(a, job, words);
    }
    return r;
}

const char *fv_link_shared(fv_arena *a, const fv_link_job *job) {
    char words[WORDS] = "";
    const char *names = "";
    if (job->target->kind == FV_TARGET_MICRO)
        return fv_printf(a,
                         "target %s has no shared libraries; write an object (.o) or archive (.a)",
                         job->target->name);
    outcome r = link_for(a, job, words, &names);
    if (r == ABSENT)
        return fv_printf(
            a, "no linker is found: install %s, or write an object (.o) or archive (.a)", names);
    return r == LINKED ? NULL : fv_printf(a, "the linker failed: %s", words);
}
