/* build.c - runs C compilers, and stores their output. */
#define XXH_INLINE_ALL
#include "tests/matrix/build.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <xxhash.h>

#include "ir/base/text.h"

enum { MAX_TOOLS = 16 };

/* The options of the Makefile that comes with generated C, and what users write instead. */
#define OURS "-std=c99 -ffreestanding -Wall -Wextra -Wpedantic -Werror "

const compiler native_compilers[] = {
    {"gcc -O0", "gcc", OURS "-O0", true},
    {"gcc -O2", "gcc", OURS "-O2", true},
    {"gcc -O3", "gcc", OURS "-O3", true},
    {"gcc -std=gnu11 -Os", "gcc", "-std=gnu11 -Os", false},
    {"gcc -O2 -flto", "gcc", "-std=c99 -O2 -flto", false},
    {"clang -O0", "clang-19", OURS "-O0", true},
    {"clang -O2", "clang-19", OURS "-O2", true},
    {"clang -O3", "clang-19", "-std=c99 -O3", false},
    {0},
};

#define CLANG "--target=aarch64-linux-gnu "
const compiler aarch64_compilers[] = {
    {"aarch64 gcc -O0", "aarch64-linux-gnu-gcc", OURS "-O0", true},
    {"aarch64 gcc -O2", "aarch64-linux-gnu-gcc", OURS "-O2", true},
    {"aarch64 gcc -O3", "aarch64-linux-gnu-gcc", OURS "-O3", true},
    {"aarch64 gcc -std=gnu11 -Os", "aarch64-linux-gnu-gcc", "-std=gnu11 -Os", false},
    {"aarch64 gcc -O2 -flto", "aarch64-linux-gnu-gcc", "-std=c99 -O2 -flto", false},
    {"aarch64 clang -O0", "clang-19", CLANG OURS "-O0", true},
    {"aarch64 clang -O2", "clang-19", CLANG OURS "-O2", true},
    {"aarch64 clang -O3", "clang-19", CLANG "-std=c99 -O3", false},
    {0},
};

const compiler cortex_m4_compilers[] = {
    {"arm gcc -O0", "arm-none-eabi-gcc", OURS "-O0", true},
    {"arm gcc -O2", "arm-none-eabi-gcc", OURS "-O2", true},
    {"arm gcc -O3", "arm-none-eabi-gcc", OURS "-O3", true},
    {"arm gcc -std=gnu11 -Os", "arm-none-eabi-gcc", "-std=gnu11 -Os", false},
    {0},
};

int compiler_count(const compiler *list) {
    int n = 0;
    while (list[n].name)
        n++;
    return n;
}

struct build_cache {
    fv_arena *arena;
    const char *folder;
    struct {
        const char *command, *version;
    } tools[MAX_TOOLS];
    int ntools;
};

build_cache *build_cache_open(fv_arena *a, const char *folder) {
    char *path = fv_printf(a, "%s/", folder);
    for (char *p = path + 1; *p; p++)
        if (*p == '/') {
            *p = '\0';
            if (mkdir(path, 0777) && errno != EEXIST)
                return NULL;
            *p = '/';
        }
    char *full = realpath(folder, NULL);
    if (!full)
        return NULL;
    build_cache *c = FV_NEW(a, build_cache, 1);
    c->arena = a;
    c->folder = fv_strdup(a, full);
    free(full);
    return c;
}

static const char *ask_version(fv_arena *a, const char *command) {
    char line[512] = "";
    FILE *f = popen(fv_printf(a, "%s --version 2>/dev/null", command), "r");
    if (!f)
        return NULL;
    bool there = fgets(line, sizeof line, f) != NULL;
    char rest[512];
    while (fgets(rest, sizeof rest, f))
        continue;
    if (pclose(f) != 0 || !there)
        return NULL;
    line[strcspn(line, "\n")] = '\0';
    return fv_strdup(a, line);
}

const char *build_version(build_cache *c, const char *command) {
    for (int i = 0; i < c->ntools; i++)
        if (!strcmp(c->tools[i].command, command))
            return c->tools[i].version;
    const char *version = ask_version(c->arena, command);
    if (c->ntools < MAX_TOOLS) {
        c->tools[c->ntools].command = fv_strdup(c->arena, command);
        c->tools[c->ntools++].version = version;
    }
    return version;
}

/* ---- the hash ---- */

static void hash_text(XXH3_state_t *h, const char *text) {
    XXH3_128bits_update(h, text, strlen(text) + 1);
}

static void hash_file(XXH3_state_t *h, const char *path) {
    char block[1 << 16];
    size_t n, all = 0;
    FILE *f = fopen(path, "rb");
    while (f && (n = fread(block, 1, sizeof block, f)) > 0) {
        XXH3_128bits_update(h, block, n);
        all += n;
    }
    XXH3_128bits_update(h, &all, sizeof all);
    if (f)
        fclose(f);
}

/* Of a file that is not read: its name is in the result's (as __FILE__), so that it counts too. */
static const char *last_part(const char *path) {
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

static void hash_files(XXH3_state_t *h, const char *const *files) {
    for (int i = 0; files && files[i]; i++) {
        hash_text(h, last_part(files[i]));
        hash_file(h, files[i]);
    }
}

static const char *result_path(build_cache *c, fv_arena *a, const build_step *s,
                               const char *version) {
    XXH3_state_t h;
    XXH3_128bits_reset(&h);
    hash_text(&h, s->command);
    hash_text(&h, version);
    hash_text(&h, s->flags);
    hash_text(&h, s->libraries ? s->libraries : "");
    hash_files(&h, s->sources);
    hash_files(&h, s->others);
    XXH128_hash_t sum = XXH3_128bits_digest(&h);
    return fv_printf(a, "%s/%02x/%014llx%016llx%s", c->folder, (unsigned)(sum.high64 >> 56),
                     (unsigned long long)(sum.high64 << 8 >> 8), (unsigned long long)sum.low64,
                     s->suffix);
}

/* ---- the run ---- */

static const char *beginning_of(fv_arena *a, const char *path) {
    char text[400];
    FILE *f = fopen(path, "r");
    size_t n = f ? fread(text, 1, sizeof text - 1, f) : 0;
    if (f)
        fclose(f);
    text[n] = '\0';
    for (size_t i = 0; i < n; i++)
        if (text[i] == '\n')
            text[i] = ' ';
    return fv_strdup(a, text);
}

const char *build_run(build_cache *c, fv_arena *a, const build_step *s, const char **why) {
    const char *version = build_version(c, s->command);
    *why = fv_printf(a, "there is no %s", s->command);
    if (!version)
        return NULL;
    const char *out = result_path(c, a, s, version);
    if (access(out, R_OK) == 0) {
        utimensat(AT_FDCWD, out, NULL, 0); /* it was of use today */
        return out;
    }
    mkdir(fv_printf(a, "%.*s", (int)(strlen(c->folder) + 3), out), 0777);
    const char *beside = fv_printf(a, "%s.%d.tmp%s", out, (int)getpid(), s->suffix);
    const char *log = fv_printf(a, "%s.log", beside);
    fv_text t = {.arena = a};
    fv_text_printf(&t, "%s %s -o '%s'", s->command, s->flags, beside);
    for (int i = 0; s->sources[i]; i++)
        fv_text_printf(&t, " '%s'", s->sources[i]);
    fv_text_printf(&t, " %s >'%s' 2>&1", s->libraries ? s->libraries : "", log);
    bool ok = system(t.s) == 0 && rename(beside, out) == 0;
    if (!ok)
        *why = fv_printf(a, "%s: %s", s->command, beginning_of(a, log));
    unlink(log);
    unlink(beside);
    return ok ? out : NULL;
}
