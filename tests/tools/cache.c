/* cache.c - the cache of compiled models: which compilations find an entry and which do not,
 * damaged files, concurrent writers. */
#include <criterion/criterion.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tools/driver/cache.h"

enum { ROWS = 2, K = 16, SMALL = 8, LARGE = 1 << 17 }; /* columns: weights of 512 B and 8 MiB */

static char root[] = "/tmp/fovea-cache-XXXXXX";

/* ---- files ---- */

static const char *in(const char *name) {
    static char place[8][512];
    static int turn;
    char *p = place[turn = (turn + 1) % 8];
    snprintf(p, sizeof *place, "%s/%s", root, name);
    return p;
}

static void put(const char *path, const void *data, size_t n) {
    FILE *f = fopen(path, "w");
    cr_assert(f, "%s", path);
    cr_assert_eq(fwrite(data, 1, n, f), n);
    cr_assert_eq(fclose(f), 0);
}

static float weight(int k, int n, float scale) {
    return scale * (float)((k * 7 + n * 3) % 11 - 5);
}

static void put_weights(const char *path, int columns, float scale) {
    float *w = malloc((size_t)K * (size_t)columns * sizeof *w);
    for (int k = 0; k < K; k++)
        for (int n = 0; n < columns; n++)
            w[k * columns + n] = weight(k, n, scale);
    put(path, w, (size_t)K * (size_t)columns * sizeof *w);
    free(w);
}

/* Waits until a further change would show in the times of the file, because a file that was just
 * written is not cached. */
static void rest(void) {
    usleep(25000);
}

/* folder/m.fvir: y = x w + scale, and folder/w.bin */
static void put_model(const char *folder, int columns, float scale) {
    char text[1000], path[600];
    mkdir(folder, 0700);
    snprintf(path, sizeof path, "%s/w.bin", folder);
    put_weights(path, columns, scale);
    snprintf(
        text, sizeof text,
        "fovea-ir 1\nmodule \"m\"\nsymbol n 0..100\nconst @w: f32[%d, %d] = file \"w.bin\" 0 %zu\n"
        "func @main(%%x: f32[n, %d]) -> (%%y) {\n  %%y = MatMul(%%x, @w)\n  return %%y\n}\n",
        K, columns, (size_t)K * (size_t)columns * 4, K);
    snprintf(path, sizeof path, "%s/m.fvir", folder);
    put(path, text, strlen(text));
    rest();
}

static const char *model_in(const char *folder) {
    static char path[600];
    snprintf(path, sizeof path, "%s/m.fvir", folder);
    return path;
}

/* Paths of the cache's files that end so; how many. */
static int files(const char *suffix, char path[][400], int max) {
    DIR *d = opendir(in("c"));
    int n = 0;
    for (struct dirent *e; d && (e = readdir(d));) {
        size_t have = strlen(e->d_name), want = strlen(suffix);
        if (have < want || strcmp(e->d_name + have - want, suffix) || e->d_name[0] == '.')
            continue;
        if (path && n < max)
            snprintf(path[n], 400, "%s/%.200s", in("c"), e->d_name);
        n++;
    }
    if (d)
        closedir(d);
    return n;
}

static const char *the_file(const char *suffix) {
    static char path[1][400];
    cr_assert_eq(files(suffix, path, 1), 1, "%s", suffix);
    return path[0];
}

static void begin(void) {
    cr_assert(mkdtemp(root));
    setenv("FOVEA_CACHE_DIR", in("c"), 1);
    unsetenv("FOVEA_CACHE_SIZE");
    put_model(in("small"), SMALL, 1);
}

static void end(void) {
    char command[100];
    snprintf(command, sizeof command, "rm -rf %s", root);
    cr_assert_eq(system(command), 0);
}

TestSuite(cache, .init = begin, .fini = end, .timeout = 900);

/* ---- compiling ---- */

typedef enum { MISS, BY_CONTENT, BY_PATH } outcome; /* the graph was read, or not even that */

typedef struct made {
    outcome how;
    int warnings;
} made;

/* y must be right, to the bit: the sums of small integers are exact. */
static bool gives(fv_artifact *a, int columns, float scale) {
    float x[ROWS * K];
    fv_array input = {FV_TYPE_FLOAT, 2, {ROWS, K}, x, NULL}, y = {0};
    for (int i = 0; i < ROWS * K; i++)
        x[i] = (float)(i % 5 - 2);
    bool ok =
        fv_artifact_run(a, &input, &y, NULL, NULL) == FV_OK && y.rank == 2 && y.dims[1] == columns;
    for (int i = 0; i < ROWS && ok; i++)
        for (int n = 0; n < columns && ok; n++) {
            float sum = 0;
            for (int k = 0; k < K; k++)
                sum += x[i * K + k] * weight(k, n, scale);
            ok = ((float *)y.data)[i * columns + n] == sum;
        }
    fv_array_free(&y);
    return ok;
}

static made compile_with(const char *path, fv_driver_options o, int columns, float scale) {
    fv_session *s = fv_session_new();
    fv_door door;
    fv_compiled c;
    made m = {MISS, 0};
    cr_assert(s && !FV_DOOR_OPEN(s, &door));
    o.target.of = o.target.of ? o.target.of : fv_target_choose(fv_arena_new(s), "native");
    cr_assert(fv_driver_compile(s, path, &o, FV_BACKEND_JIT, NULL, &c));
    cr_assert(gives(c.artifact, columns, scale), "%s: wrong result", path);
    m.how = !c.cached ? MISS : c.source.module ? BY_CONTENT : BY_PATH;
    for (const fv_message *msg = fv_messages(s); msg; msg = msg->next)
        m.warnings += msg->severity == FV_WARNING;
    cr_assert_eq(fv_error_count(s), 0);
    fv_artifact_free(c.artifact);
    fv_door_close(s, &door);
    fv_session_free(s);
    return m;
}

static made compile(const char *folder, int columns, float scale) {
    return compile_with(model_in(folder), (fv_driver_options){0}, columns, scale);
}

static void expect(outcome how, const char *folder, int columns, float scale) {
    made m = compile(folder, columns, scale);
    cr_expect_eq(m.how, how, "%s: %d, expected %d", folder, m.how, how);
    cr_expect_eq(m.warnings, 0);
}

/* ---- hits ---- */

static void hits(const char *folder, int columns) {
    put_model(folder, columns, 1);
    expect(MISS, folder, columns, 1);
    expect(BY_PATH, folder, columns, 1);
    expect(BY_PATH, folder, columns, 1);
}

Test(cache, hits) {
    hits(in("small"), SMALL);
    hits(in("large"), LARGE);
    cr_expect_eq(files(".model", NULL, 0), 2);
    cr_expect_eq(files(".tmp", NULL, 0), 0);
}

Test(cache, is_private) {
    struct stat st;
    umask(0);
    expect(MISS, in("small"), SMALL, 1);
    cr_expect(stat(in("c"), &st) == 0 && (st.st_mode & 0777) == 0700);
    static const char *const all[] = {".model", ".path", ".state", "fovea-count"};
    for (int i = 0; i < 4; i++)
        cr_expect(stat(the_file(all[i]), &st) == 0 && (st.st_mode & 0777) == 0600, "%s", all[i]);
}

/* The same bytes elsewhere, and through standard input. */
Test(cache, content) {
    expect(MISS, in("small"), SMALL, 1);
    put_model(in("copy"), SMALL, 1);
    expect(BY_CONTENT, in("copy"), SMALL, 1);
    expect(BY_PATH, in("copy"), SMALL, 1);
    cr_assert_eq(chdir(in("copy")), 0);
    cr_expect_eq(compile_with("m.fvir", (fv_driver_options){0}, SMALL, 1).how, BY_PATH);
    cr_assert_eq(chdir("/"), 0);
    cr_expect_eq(files(".model", NULL, 0), 1);
}

/* Bytes in memory are known by their content and that of their external files. */
Test(cache, bytes) {
    char text[1000];
    FILE *f = fopen(in("small/m.fvir"), "r");
    cr_assert(f);
    const fv_driver_bytes bytes = {text, fread(text, 1, sizeof text, f), in("small")};
    fclose(f);
    const fv_driver_options o = {.bytes = &bytes};
    cr_expect_eq(compile_with("m.fvir", o, SMALL, 1).how, MISS);
    cr_expect_eq(compile_with("m.fvir", o, SMALL, 1).how, BY_CONTENT);
    cr_expect_eq(compile_with("other", o, SMALL, 1).how, MISS, "the name is that of the model");
    cr_expect_eq(files(".path", NULL, 0), 0);
    put_weights(in("small/w.bin"), SMALL, 2);
    rest();
    cr_expect_eq(compile_with("m.fvir", o, SMALL, 2).how, MISS);
    cr_expect_eq(compile_with("m.fvir", o, SMALL, 2).how, BY_CONTENT);
}

/* Same path, same size: what counts is what is in it. */
Test(cache, changes) {
    expect(MISS, in("small"), SMALL, 1);
    for (int i = 0; i < 3; i++) {
        put_weights(in("small/w.bin"), SMALL, 2);
        rest();
        expect(i ? BY_CONTENT : MISS, in("small"), SMALL, 2);
        put_weights(in("small/w.bin"), SMALL, 1);
        rest();
        expect(BY_CONTENT, in("small"), SMALL, 1);
        expect(BY_PATH, in("small"), SMALL, 1);
    }
}

/* Changes in such quick succession that the times of the file might not show them. */
Test(cache, quick_changes) {
    for (int i = 1; i <= 20; i++) {
        put_weights(in("small/w.bin"), SMALL, (float)i);
        compile(in("small"), SMALL, (float)i);
    }
}

/* A link leads elsewhere. */
Test(cache, links) {
    put_model(in("other"), SMALL, 3);
    cr_assert_eq(symlink("small", in("here")), 0);
    expect(MISS, in("here"), SMALL, 1);
    expect(BY_PATH, in("here"), SMALL, 1);
    cr_assert(unlink(in("here")) == 0 && symlink("other", in("here")) == 0);
    expect(MISS, in("here"), SMALL, 3);
    expect(BY_PATH, in("here"), SMALL, 3);
    cr_assert(unlink(in("here")) == 0 && symlink("small", in("here")) == 0);
    expect(BY_CONTENT, in("here"), SMALL, 1);
}

/* ---- keys ---- */

static void observe(void *user, const fv_pass_run *r, const fv_rule *rules, int n,
                    fv_exactness most) {
    (void)user, (void)r, (void)rules, (void)n, (void)most;
}

Test(cache, keys) {
    static const char *const dims[] = {"n=2", NULL}, *const wider[] = {"n=1..50", NULL},
                             *const none[] = {NULL};
    static const char *const passes[] = {"legalise", "remove-dead", NULL},
                             *const more[] = {"legalise", "share", "remove-dead", NULL},
                             *const switched[] = {"merge-qkv", NULL};
    fv_session *session = fv_session_new();
    cr_assert(session);
    fv_target other = *fv_target_choose(fv_arena_new(session), "native"), cache = other,
              same = other;
    other.llvm.features = "-avx512vnni";
    cache.caches.l2_bytes *= 2;
    const fv_driver_options all[] = {{.name = NULL},
                                     {.level = '1'},
                                     {.level = '3'},
                                     {.naive = true},
                                     {.dims.given = dims},
                                     {.dims.given = wider},
                                     {.dims.given = none},
                                     {.name = "other"},
                                     {.work.passes = passes},
                                     {.work.passes = more},
                                     {.work.enable = switched},
                                     {.work.disable = switched},
                                     {.target.of = &other},
                                     {.target.of = &cache}};
    int n = sizeof all / sizeof *all;
    for (int round = 0; round < 2; round++)
        for (int i = 0; i < n; i++)
            cr_expect_eq(compile_with(in("small/m.fvir"), all[i], SMALL, 1).how,
                         round ? BY_PATH : MISS, "%d", i);
    cr_expect_eq(files(".model", NULL, 0), n);
    cr_expect_eq(
        compile_with(in("small/m.fvir"), (fv_driver_options){.target.of = &same}, SMALL, 1).how,
        BY_PATH);
    /* a caller that observes rules gets its calls */
    const fv_rule_watch watch = {NULL, observe};
    const fv_pipeline_options observed = {.rules = &watch};
    cr_expect_eq(
        compile_with(in("small/m.fvir"), (fv_driver_options){.work.pipeline = &observed}, SMALL, 1)
            .how,
        MISS);
    cr_expect_eq(files(".model", NULL, 0), n);
    /* a model is called after its file */
    cr_assert_eq(rename(in("small/m.fvir"), in("small/n.fvir")), 0);
    cr_expect_eq(compile_with(in("small/n.fvir"), (fv_driver_options){0}, SMALL, 1).how, MISS);
    fv_session_free(session);
}

Test(cache, off) {
    const fv_pipeline_options verify = {.verify = true};
    expect(MISS, in("small"), SMALL, 1);
    cr_expect_eq(
        compile_with(in("small/m.fvir"), (fv_driver_options){.work.pipeline = &verify}, SMALL, 1)
            .how,
        MISS);
    setenv("FOVEA_CACHE_SIZE", "0", 1);
    expect(MISS, in("small"), SMALL, 1);
    unsetenv("FOVEA_CACHE_SIZE");
    setenv("FOVEA_CACHE_DIR", "", 1);
    expect(MISS, in("small"), SMALL, 1);
}

Test(cache, default_folder) {
    unsetenv("FOVEA_CACHE_DIR");
    setenv("XDG_CACHE_HOME", root, 1);
    expect(MISS, in("small"), SMALL, 1);
    cr_expect_eq(access(in("fovea/fovea-count"), F_OK), 0);
    setenv("XDG_CACHE_HOME", "relative", 1); /* is not to be heeded */
    setenv("HOME", in("home"), 1);
    expect(MISS, in("small"), SMALL, 1);
    cr_expect_neq(access(in("home"), F_OK), 0); /* "/nonexistent" stays that */
    mkdir(in("home"), 0700);
    if (geteuid() == 0) { /* after su or sudo: what root made, its owner could not use */
        cr_assert_eq(chown(in("home"), 65534, 65534), 0);
        expect(MISS, in("small"), SMALL, 1);
        cr_expect_neq(access(in("home/.cache"), F_OK), 0);
        cr_assert_eq(chown(in("home"), 0, 0), 0);
    }
    expect(MISS, in("small"), SMALL, 1);
    cr_expect_eq(access(in("home/.cache/fovea/fovea-count"), F_OK), 0);
    unsetenv("XDG_CACHE_HOME");
    expect(BY_PATH, in("small"), SMALL, 1);
    unsetenv("HOME");
    expect(MISS, in("small"), SMALL, 1);
}

/* ---- folders that are of no use ---- */

static void warns(const char *folder) {
    setenv("FOVEA_CACHE_DIR", folder, 1);
    for (int i = 0; i < 2; i++) {
        made m = compile(in("small"), SMALL, 1);
        cr_expect(m.how == MISS && m.warnings == 1, "%s: %d, %d warnings", folder, m.how,
                  m.warnings);
    }
}

Test(cache, useless_folders) {
    put(in("file"), "", 0);
    warns(in("file"));
    warns(in("file/below"));
    warns("/proc/none");
    mkdir(in("open"), 0700);
    cr_assert_eq(chmod(in("open"), 0777), 0);
    warns(in("open"));
    mkdir(in("open/below"), 0700); /* a user who may write to the parent may replace the folder */
    warns(in("open/below"));
    mkdir(in("open/below/deep"), 0700);
    warns(in("open/below/deep"));
    cr_assert_eq(chmod(in("open"), 01777), 0); /* as /tmp */
    setenv("FOVEA_CACHE_DIR", in("open/below"), 1);
    expect(MISS, in("small"), SMALL, 1);
    expect(BY_PATH, in("small"), SMALL, 1);
    unsetenv("FOVEA_CACHE_DIR"); /* the user did not name the folder, so there is no warning */
    setenv("XDG_CACHE_HOME", in("file"), 1);
    expect(MISS, in("small"), SMALL, 1);
    if (geteuid() != 0)
        return;
    mkdir(in("theirs"), 0700);
    cr_assert_eq(chown(in("theirs"), 65534, 65534), 0);
    warns(in("theirs"));
}

/* What others could have written is not looked at. */
Test(cache, foreign_files) {
    expect(MISS, in("small"), SMALL, 1);
    cr_assert_eq(chmod(the_file(".model"), 0666), 0);
    expect(MISS, in("small"), SMALL, 1);
    expect(BY_PATH, in("small"), SMALL, 1);
    cr_assert_eq(rename(the_file(".model"), in("away")), 0);
    cr_assert_eq(chmod(the_file(".path"), 0622), 0);
    cr_assert_eq(symlink(in("away"), "/tmp/none/none"), -1);
    expect(MISS, in("small"), SMALL, 1);
    char path[400];
    strcpy(path, the_file(".model"));
    cr_assert_eq(unlink(path), 0);
    cr_assert_eq(symlink(in("away"), path), 0);
    expect(MISS, in("small"), SMALL, 1);
    if (geteuid() != 0)
        return;
    cr_assert_eq(chown(the_file(".model"), 65534, 65534), 0);
    expect(MISS, in("small"), SMALL, 1);
    expect(BY_PATH, in("small"), SMALL, 1);
}

/* ---- damage ---- */

static long size_of(const char *path) {
    struct stat st;
    cr_assert_eq(stat(path, &st), 0);
    return (long)st.st_size;
}

static void flip(const char *path, long at) {
    char c;
    int fd = open(path, O_RDWR);
    cr_assert(fd >= 0 && pread(fd, &c, 1, at) == 1);
    c = (char)(c ^ (1 << at % 8));
    cr_assert_eq(pwrite(fd, &c, 1, at), 1);
    close(fd);
}

static void damage(const char *path, long at, bool cut) {
    if (cut)
        cr_assert_eq(truncate(path, at), 0);
    else
        flip(path, at);
}

/* An entry that is not what was written is never used; the next one is. */
Test(cache, damaged_entries) {
    int found = 0, n = 0;
    expect(MISS, in("small"), SMALL, 1);
    for (long at = 0, step = 1; at < size_of(the_file(".model")); at += step, n++) {
        damage(the_file(".model"), at, n % 4 == 3);
        made m = compile(in("small"), SMALL, 1);
        cr_expect_eq(m.how == MISS, m.warnings == 1); /* bytes between sections are nobody's */
        found += m.how == MISS;
        step = at < 64 ? 7 : 53;
    }
    cr_expect_gt(n, 100);
    cr_expect_gt(found, n * 9 / 10);
    expect(BY_PATH, in("small"), SMALL, 1);
}

/* Large weights are not compared each time; that they were written to is seen nevertheless. */
Test(cache, damaged_weights) {
    put_model(in("large"), LARGE, 1);
    expect(MISS, in("large"), LARGE, 1);
    long end = size_of(the_file(".model")), first = end - (long)LARGE * K * 4;
    for (int i = 0; i < 8; i++) {
        expect(BY_PATH, in("large"), LARGE, 1);
        damage(the_file(".model"), first + (end - 1 - first) / 7 * i, i == 5);
        made m = compile(in("large"), LARGE, 1);
        cr_expect(m.how == MISS && m.warnings == 1, "%d", i);
    }
}

/* Nothing but its times: it is compared, and found whole. */
Test(cache, touched_weights) {
    put_model(in("large"), LARGE, 1);
    expect(MISS, in("large"), LARGE, 1);
    for (int i = 0; i < 2; i++) {
        utimensat(AT_FDCWD, the_file(".model"), NULL, 0);
        expect(BY_PATH, in("large"), LARGE, 1);
        cr_assert_eq(unlink(the_file(".state")), 0);
        expect(BY_PATH, in("large"), LARGE, 1);
        cr_expect_gt(size_of(the_file(".state")), 64);
    }
}

Test(cache, damaged_records) {
    static const char *const all[] = {".path", ".state", "fovea-count"};
    for (int i = 0; i < 3; i++) {
        compile(in("small"), SMALL, 1);
        for (long at = 0; at < size_of(the_file(all[i])); at += 11) {
            damage(the_file(all[i]), at, at % 3 == 0);
            cr_expect_neq(compile(in("small"), SMALL, 1).how, MISS, "%s %ld", all[i], at);
        }
        expect(BY_PATH, in("small"), SMALL, 1);
    }
}

/* Folders where files should be, garbage, the file of another key. */
Test(cache, strange_files) {
    static char path[2][400];
    char one[400];
    expect(MISS, in("small"), SMALL, 1);
    strcpy(one, the_file(".model"));
    put_model(in("other"), SMALL, 2);
    expect(MISS, in("other"), SMALL, 2);
    cr_assert_eq(files(".model", path, 2), 2);
    cr_assert_eq(rename(path[0], path[1]), 0); /* one entry now has the name of the other */
    cr_expect_eq(compile(in("small"), SMALL, 1).how + compile(in("other"), SMALL, 2).how, MISS);
    expect(BY_PATH, in("small"), SMALL, 1);
    put(one, "garbage", 7);
    cr_expect_eq(compile(in("small"), SMALL, 1).warnings, 1);
    cr_assert(unlink(one) == 0 && mkdir(one, 0700) == 0);
    for (int i = 0; i < 2; i++)
        cr_expect_eq(compile(in("small"), SMALL, 1).how, MISS);
    put(in("c/x.model"), "", 0);
    put(in("c/y.path"), "1234", 4);
    cr_assert_eq(unlink(in("c/fovea-count")), 0);
    put_model(in("third"), SMALL, 3);
    expect(MISS, in("third"), SMALL, 3);
}

/* ---- many at once ---- */

static void run_children(int n, void (*work)(int child)) {
    pid_t pid[16];
    for (int i = 0; i < n; i++)
        if ((pid[i] = fork()) == 0) {
            work(i);
            _exit(0);
        }
    for (int i = 0; i < n; i++) {
        int status;
        cr_assert_eq(waitpid(pid[i], &status, 0), pid[i]);
        cr_expect_eq(status, 0, "child %d: %x", i, status);
    }
}

/* Of one thread: cr_assert is not for children. */
static void compile_quietly(const char *folder, int columns) {
    fv_log *log = fv_log_new();
    fv_artifact *a;
    if (fv_compile(model_in(folder), NULL, log, &a) || *fv_log_text(log) || !gives(a, columns, 1))
        _exit(1);
    fv_artifact_free(a);
    fv_log_free(log);
}

static void several(int child) {
    (void)child;
    for (int i = 0; i < 3; i++)
        compile_quietly(in("small"), SMALL);
    compile_quietly(in("large"), LARGE);
}

Test(cache, many_writers) {
    put_model(in("large"), LARGE, 1);
    run_children(6, several);
    expect(BY_PATH, in("small"), SMALL, 1);
    expect(BY_PATH, in("large"), LARGE, 1);
    cr_expect_eq(files(".model", NULL, 0), 2);
    cr_expect_eq(files(".tmp", NULL, 0), 0);
}

/* One writes to the model in place, again and again, while another compiles it: what that makes of
 * it is nobody's guess, but nothing of it may be found under either content later. */
static void rewrite_or_compile(int child) {
    float w[2][K * SMALL];
    int fd = open(in("small/w.bin"), O_RDWR);
    for (int i = 0; i < 2 * K * SMALL; i++)
        w[i / (K * SMALL)][i % (K * SMALL)] =
            weight(i / SMALL % K, i % SMALL, (float)(1 + i / (K * SMALL)));
    for (int i = 0; i < (child ? 25 : 2000); i++) {
        fv_artifact *a = NULL;
        if (child && fv_compile(model_in(in("small")), NULL, NULL, &a))
            _exit(1);
        if (!child && pwrite(fd, w[i % 2], sizeof *w, 0) < 0)
            _exit(2);
        if (!child)
            /* mostly within a tick, sometimes at rest */
            usleep((useconds_t)(i % 100 ? 200 : 30000));
        fv_artifact_free(a);
    }
}

Test(cache, changes_under_way) {
    run_children(3, rewrite_or_compile);
    for (int scale = 1; scale <= 2; scale++) {
        put_weights(in("small/w.bin"), SMALL, (float)scale);
        rest();
        compile(in("small"), SMALL, (float)scale);
        compile(in("small"), SMALL, (float)scale);
    }
}

/* Everything up to an entry; on the way the weights are changed, or not. */
static bool stores(bool change) {
    fv_session *s = fv_session_new();
    fv_door door;
    cr_assert(s && !FV_DOOR_OPEN(s, &door));
    fv_arena *a = fv_arena_new(s);
    const fv_driver_options o = {.target.of = fv_target_find("native")};
    const char *path = fv_strdup(a, model_in(in("large")));
    fv_source source;
    fv_model_files model;
    fv_cache *c = fv_cache_open(s, a);
    cr_assert(c && fv_cache_set_base(c, path, &o, '2'));
    fv_cache_settle(c, path);
    const fv_mapping *before = fv_mappings(s);
    fv_hashing *hashing = fv_hash_file(a, path);
    cr_assert(fv_driver_read(s, path, &o, &source) && fv_cache_files(c, before, hashing, &model));
    const fv_digest key = fv_cache_key(c, &model.content);
    fv_program *p = fv_driver_lower(s, &source, &o);
    cr_assert(p && fv_cache_unchanged(&model));
    fv_cache_writing *w = fv_cache_begin(c, p);
    cr_assert(w);
    int fd = change ? open(in("large/w.bin"), O_WRONLY) : -1;
    cr_assert(!change || (pwrite(fd, "1234", 4, 0) == 4 && close(fd) == 0));
    bool stored = fv_cache_store(
        c, w, &key,
        &(fv_cache_item){.files = &model, .text = "", .object = "", .folder = c->folder});
    fv_cache_end(w);
    fv_door_close(s, &door);
    fv_session_free(s);
    return stored;
}

/* Weights are written while code is made: what they are only at the end is known then. */
Test(cache, changes_while_written) {
    put_model(in("large"), LARGE, 1);
    cr_expect_not(stores(true));
    cr_expect_eq(files(".model", NULL, 0), 0);
    cr_expect_eq(files(".tmp", NULL, 0), 0);
    rest();
    cr_expect(stores(false));
    cr_expect_eq(files(".model", NULL, 0), 1);
}

/* One takes away what the others use. */
static void use_or_remove(int child) {
    char path[8][400];
    for (int i = 0; i < 20; i++)
        if (child)
            compile_quietly(in("small"), SMALL);
        else
            for (int n = files(".model", path, 8); n-- > 0;)
                unlink(path[n < 8 ? n : 7]);
}

Test(cache, entries_that_vanish) {
    run_children(4, use_or_remove);
    cr_expect_neq(compile(in("small"), SMALL, 1).how + 1, MISS);
}

/* ---- size ---- */

Test(cache, eviction) {
    char name[20];
    mkdir(in("c"), 0700);
    static const char *const theirs[] = {"my.model", "fovea.tmp", "fovea-notes.tmp", "x.path",
                                         "0123456789abcdef.model"};
    for (int i = 0; i < 5; i++) {
        char path[100];
        snprintf(path, sizeof path, "c/%s", theirs[i]);
        put(in(path), "", 0);
        utimensat(AT_FDCWD, in(path), (const struct timespec[2]){{1, 0}, {1, 0}}, 0); /* of 1970 */
    }
    for (int i = 0; i < 4; i++) {
        snprintf(name, sizeof name, "model%d", i);
        put_model(in(name), LARGE, (float)(i + 1));
    }
    setenv("FOVEA_CACHE_SIZE", "28M", 1); /* three of some 8.1 MiB */
    expect(MISS, in("model0"), LARGE, 1);
    expect(MISS, in("model1"), LARGE, 2);
    expect(MISS, in("model2"), LARGE, 3);
    expect(BY_PATH, in("model0"), LARGE, 1);
    expect(MISS, in("model3"), LARGE, 4);
    cr_expect_eq(files(".model", NULL, 0), 3 + 2);
    cr_expect_eq(files(".path", NULL, 0), 3 + 1);
    cr_expect_eq(files(".state", NULL, 0), 3);
    cr_expect_eq(files(".tmp", NULL, 0), 2);
    expect(BY_PATH, in("model0"), LARGE, 1);
    expect(BY_PATH, in("model2"), LARGE, 3);
    expect(BY_PATH, in("model3"), LARGE, 4);
    expect(MISS, in("model1"), LARGE, 2);
    setenv("FOVEA_CACHE_SIZE", "1M", 1);
    put_model(in("model5"), LARGE, 6);
    cr_expect_eq(compile(in("model5"), LARGE, 6).warnings, 1); /* too large to be kept */
    setenv("FOVEA_CACHE_SIZE", "much", 1);
    cr_expect_eq(compile(in("model2"), LARGE, 3).warnings, 1);
}

/* ---- out of memory anywhere, cold and warm ---- */

static bool survives(int64_t nth) {
    fv_session *s = fv_session_new();
    fv_door door;
    fv_driver_options o = {.target.of = fv_target_find("native"), .level = '0'};
    fv_compiled c;
    if (FV_DOOR_OPEN(s, &door)) {
        fv_session_free(s);
        return false;
    }
    fv_session_fail_at(s, nth);
    cr_assert(fv_driver_compile(s, in("small/m.fvir"), &o, FV_BACKEND_JIT, NULL, &c));
    fv_session_fail_at(s, 0);
    cr_assert(gives(c.artifact, SMALL, 1));
    fv_artifact_free(c.artifact);
    fv_door_close(s, &door);
    fv_session_free(s);
    return true;
}

Test(cache, out_of_memory) {
    char command[100];
    snprintf(command, sizeof command, "rm -rf %s", in("c"));
    /* whatever was kept goes: cold again */
    for (int64_t nth = 1; !survives(nth); nth += 1 + nth / 20)
        cr_assert_eq(system(command), 0);
    cr_expect_eq(files(".tmp", NULL, 0), 0);
    int64_t nth = 1;
    for (; !survives(nth); nth++)
        continue;
    cr_expect_gt(nth, 20);
}
