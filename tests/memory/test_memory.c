/* test_memory.c - whichever allocation fails while a model is compiled, loaded or run, alone or
 * with all later ones: the call returns a status, and a message if there is a log; no memory or
 * file is left; and no result is wrong. LLVM's own allocations are not among them, because LLVM
 * ends the process without memory. */
#include <criterion/criterion.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "backend/llvm/llvm.h"
#include "runtime/internal.h"
#include "tests/memory/fail.h"
#include "tests/sample.h"

/* ---- a model ---- */

static const char text[] = "fovea-ir 1\nmodule \"m\"\nsymbol n 0..100\n"
                           "const @w: f32[2, 3] = [1, 2, 3, 4, 5, 6]\n"
                           "func @main(%x: f32[n, 2]) -> (%y, %z) {\n"
                           "  %h = MatMul(%x, @w) : f32[n, 3]\n"
                           "  %y = Relu(%h) : f32[n, 3]\n"
                           "  %z = NonZero(%y)\n"
                           "  return %y, %z\n}\n";
static char folder[] = "/tmp/fovea-memory-XXXXXX";
static char places[4][200];

/* FOLDER/NAME; four at a time. */
static const char *in_folder(const char *name) {
    static int n;
    char *place = places[n++ % 4];
    snprintf(place, sizeof places[0], "%s/%s", folder, name);
    return place;
}

static void begin(void) {
    cr_assert(mkdtemp(folder));
    setenv("FOVEA_CACHE_DIR", in_folder("cache"), 1);
    FILE *f = fopen(in_folder("m.fvir"), "w");
    cr_assert(f);
    fputs(text, f);
    fclose(f);
}

static void end(void) {
    char command[300];
    snprintf(command, sizeof command, "rm -rf %s", folder);
    cr_assert_eq(system(command), 0);
}

TestSuite(memory, .init = begin, .fini = end, .timeout = 900);

/* ---- runs ---- */

/* Runs and returns the status; for FV_OK it checks the outputs. */
static int run(fv_artifact *a, int threads, fv_log *log) {
    float x[4] = {1, 1, 1, -1};
    static const float y[] = {5, 7, 9, 0, 0, 0};
    static const int64_t z[] = {0, 0, 0, 0, 1, 2};
    fv_array in = {.type = FV_TYPE_FLOAT, .rank = 2, .dims = {2, 2}, .data = x},
             out[2] = {{0}, {0}};
    fv_run_options o = {.size = sizeof o, .threads = threads};
    int status = fv_artifact_run(a, &in, out, &o, log);
    if (status == FV_OK) {
        cr_assert(out[0].dims[0] == 2 && out[0].dims[1] == 3 && !memcmp(out[0].data, y, sizeof y));
        cr_assert(out[1].dims[0] == 2 && out[1].dims[1] == 3 && !memcmp(out[1].data, z, sizeof z));
    }
    for (int i = 0; i < 2; i++) {
        cr_assert(status == FV_OK || !out[i].data, "a failed run leaves outputs");
        fv_array_free(&out[i]);
    }
    return status;
}

/* ---- what may fail ---- */

typedef struct work {
    const char *name;
    int (*go)(const struct work *w, fv_log *log);
    fv_backend_kind backend;
    const char *out, *weights; /* of what is written, or loaded */
} work;

static int compile(const work *w, fv_log *log) {
    fv_compile_options o = {.size = sizeof o, .backend = w->backend, .level = '1'};
    fv_artifact *a = NULL;
    int status = fv_compile(in_folder("m.fvir"), &o, log, &a);
    cr_assert_eq(status == FV_OK, a != NULL, "%s: status %d and an artifact", w->name, status);
    if (a && !fail_happened()) {
        fail_at(0, false);
        cr_assert_eq(run(a, 1, NULL), FV_OK);
    }
    fv_artifact_free(a);
    return status;
}

static int compile_bytes(const work *w, fv_log *log) {
    fv_compile_options o = {.size = sizeof o, .backend = w->backend, .level = '1'};
    fv_artifact *a = NULL;
    int status = fv_compile_bytes(text, sizeof text - 1, "b", NULL, &o, log, &a);
    cr_assert_eq(status == FV_OK, a != NULL, "%s: status %d and an artifact", w->name, status);
    fv_artifact_free(a);
    return status;
}

static int write_file(const work *w, fv_log *log) {
    fv_compile_options o = {.size = sizeof o, .level = '1', .weights = w->weights};
    return fv_compile_file(in_folder("m.fvir"), in_folder(w->out), &o, log);
}

/* ---- files that should not be there ---- */

/* Names in the folder that are not those of before. */
static int strangers(const char *const *expected) {
    DIR *d = opendir(folder);
    int n = 0;
    cr_assert(d);
    for (struct dirent *e; (e = readdir(d));) {
        bool known = !strcmp(e->d_name, ".") || !strcmp(e->d_name, "..") ||
                     !strcmp(e->d_name, "m.fvir") || !strcmp(e->d_name, "cache");
        for (int i = 0; expected && expected[i]; i++)
            known |= !strcmp(e->d_name, expected[i]);
        if (!known)
            fprintf(stderr, "left behind: %s\n", e->d_name);
        n += !known;
    }
    closedir(d);
    return n;
}

/* ---- the loop ---- */

static bool is_honest(int status) {
    return status == FV_OK || status == FV_NO_MEMORY || status == FV_BAD_FILE ||
           status == FV_BAD_MODEL;
}

/* One go with that failure; true: nothing failed any more. */
static bool survives(const work *w, int64_t nth, bool onwards, const char *const *files) {
    fail_at(0, false);
    fv_log *log = fv_log_new();
    int64_t before = fail_live();
    fail_at(nth, onwards);
    int status = w->go(w, log);
    bool failed = fail_happened();
    fail_at(0, false);
    cr_assert(is_honest(status), "%s, allocation %lld: status %d", w->name, (long long)nth, status);
    cr_assert(failed || status == FV_OK, "%s, allocation %lld: %s", w->name, (long long)nth,
              fv_log_text(log));
    /* what the log itself could not keep is dropped */
    cr_assert(status == FV_OK || status == FV_NO_MEMORY || onwards || *fv_log_text(log),
              "%s, allocation %lld: no word about status %d", w->name, (long long)nth, status);
    cr_assert(status != FV_BAD_MODEL || strstr(fv_log_text(log), "emory"),
              "%s, allocation %lld: %s", w->name, (long long)nth, fv_log_text(log));
    fv_log_free(log);
    cr_assert_eq(fail_live() - before, -1, "%s, allocation %lld%s: %lld blocks stay, status %d",
                 w->name, (long long)nth, onwards ? " on" : "",
                 (long long)(fail_live() - before + 1), status);
    cr_assert(status != FV_OK || !files || strangers(files) == 0);
    cr_assert(status == FV_OK || strangers(files) == 0, "%s, allocation %lld", w->name,
              (long long)nth);
    return !failed;
}

/* Every `step`th allocation, or a sample of these: every tenth, under sanitizers every
 * 32nd, others in the second round. */
static void some(const work *w, int64_t step, const char *const *files) {
    step *= sample_is_all() ? 1 : SAMPLE_HAS_ASAN ? 32 : 10;
    for (int onwards = 0; onwards < 2; onwards++) {
        int64_t n = 1 + onwards * (step / 4), tried = 0;
        for (; !survives(w, n, onwards, files); n += step)
            tried++;
        cr_expect_gt(tried * step, 5, "%s: %lld", w->name, (long long)tried);
    }
}

static void all(const work *w, const char *const *files) {
    some(w, 1, files);
}

/* ---- compiling ---- */

Test(memory, compile_for_the_interpreter) {
    all(&(work){"interpreter", compile, FV_BACKEND_INTERP}, NULL);
}

Test(memory, compile_generated_c) {
    if (system("command -v cc >/dev/null 2>&1"))
        cr_skip_test("no cc");
    some(&(work){"C", compile, FV_BACKEND_C}, 2, NULL);
}

Test(memory, compile_from_memory) {
    all(&(work){"bytes", compile_bytes, FV_BACKEND_INTERP}, NULL);
}

/* More of everything; the model of examples/. */
static int compile_dates(const work *w, fv_log *log) {
    fv_compile_options o = {.size = sizeof o, .backend = w->backend};
    fv_artifact *a = NULL;
    int status = fv_compile(FV_SOURCE_ROOT "/examples/dates/dates.onnx", &o, log, &a);
    fv_artifact_free(a);
    return status;
}

Test(memory, compile_an_onnx_model) {
    some(&(work){"dates", compile_dates, FV_BACKEND_INTERP}, 3, NULL);
}

#if FV_HAVE_LLVM
Test(memory, compile_code_in_memory) {
    setenv("FOVEA_CACHE_DIR", "", 1);
    all(&(work){"JIT", compile, FV_BACKEND_JIT}, NULL);
}

/* Loads an entry of the cache, which one compilation has stored before. */
Test(memory, compile_from_the_cache) {
    work w = {"cache", compile, FV_BACKEND_JIT};
    cr_assert_eq(compile(&w, NULL), FV_OK);
    all(&w, NULL);
}
#endif

Test(memory, compile_to_text) {
    static const char *const files[] = {"x.fvk", "x.fvk.bin", "x.fvir", "x.fvir.bin", NULL};
    all(&(work){"kernels", write_file, .out = "x.fvk"}, files);
    all(&(work){"graph", write_file, .out = "x.fvir"}, files);
}

Test(memory, compile_to_c) {
    static const char *const pair[] = {"x.c", "x.h", NULL};
    static const char *const mapped[] = {"x.c",         "x.h",       "y.c", "y.h",
                                         "y_weights.c", "y.weights", NULL};
    static const char *const object[] = {"x.c",         "x.h",       "y.c", "y.h",
                                         "y_weights.c", "y.weights", "z.c", "z.h",
                                         "z_weights.o", "f",         NULL};
    all(&(work){"C text", write_file, .out = "x.c"}, pair);
    all(&(work){"C file", write_file, .out = "y.c", .weights = "file"}, mapped);
    if (FV_HAVE_ELF)
        all(&(work){"C object", write_file, .out = "z.c", .weights = "object"}, object);
    all(&(work){"folder", write_file, .out = "f/"}, object);
}

#if FV_HAVE_LLVM
Test(memory, compile_to_objects) {
    static const char *const files[] = {"x.o",       "x.h",  "y.a",         "y.h",
                                        "y.weights", "z.ll", "z_weights.o", NULL};
    all(&(work){"object", write_file, .out = "x.o"}, files);
    all(&(work){"archive", write_file, .out = "y.a", .weights = "file"}, files);
    all(&(work){"IR", write_file, .out = "z.ll", .weights = "object"}, files);
}

Test(memory, compile_to_libraries) {
    static const char *const files[] = {"x.so", "x.h", "x.weights", NULL};
    some(&(work){"library", write_file, .out = "x.so", .weights = "file"}, 3, files);
}

/* ---- loading and running ---- */

static int load(const work *w, fv_log *log) {
    fv_artifact *a = NULL;
    int status = fv_load(in_folder(w->out), log, &a);
    cr_assert_eq(status == FV_OK, a != NULL);
    fv_artifact_free(a);
    return status;
}

Test(memory, load) {
    static const char *const files[] = {"x.so", "x.h", "x.weights", NULL};
    work w = {"load", load, .out = "x.so", .weights = "file"};
    if (write_file(&w, NULL) != FV_OK)
        cr_skip_test("no linker");
    for (int onwards = 0; onwards < 2; onwards++)
        for (int64_t n = 1; !survives(&w, n, onwards, files); n++)
            cr_assert_lt(n, 100);
}
#endif

/* A message says so, unless it is its own memory that is missing. */
static void run_all(const char *name, fv_backend_kind backend, int threads) {
    fv_compile_options o = {.size = sizeof o, .backend = backend, .level = '1'};
    for (int onwards = 0; onwards < 2; onwards++)
        for (int64_t n = 1, more = 1; more; n++) {
            fv_artifact *a = NULL;
            fail_at(0, false);
            int64_t before = fail_live();
            cr_assert_eq(fv_compile(in_folder("m.fvir"), &o, NULL, &a), FV_OK);
            fv_log *log = fv_log_new();
            fail_at(n, onwards);
            int status = run(a, threads, log);
            more = fail_happened();
            fail_at(0, false);
            cr_assert(status == FV_OK || status == FV_NO_MEMORY, "%s, allocation %lld: %d", name,
                      (long long)n, status);
            cr_assert(status == FV_OK || onwards || strstr(fv_log_text(log), "out of memory"),
                      "%s, allocation %lld", name, (long long)n);
            cr_assert_eq(run(a, threads, log), FV_OK, "%s, after allocation %lld", name,
                         (long long)n);
            fv_log_free(log);
            fv_artifact_free(a);
            cr_assert_eq(fail_live(), before, "%s, allocation %lld: %lld blocks stay", name,
                         (long long)n, (long long)(fail_live() - before));
        }
}

Test(memory, run_interpreted) {
    run_all("interpreter", FV_BACKEND_INTERP, 1);
    run_all("interpreter, threads", FV_BACKEND_INTERP, 3);
}

#if FV_HAVE_LLVM
Test(memory, run_compiled) {
    run_all("JIT", FV_BACKEND_JIT, 1);
    run_all("JIT, threads", FV_BACKEND_JIT, 3);
}
#endif

/* ---- states ---- */

static const char cache_text[] = "fovea-ir 1\nmodule \"m\"\nsymbol p 0..8\n"
                                 "func @main(%x: f32[1], %past: f32[p]) -> (%sum, %present) {\n"
                                 "  %present = Concat(%past, %x) {axis = 0}\n"
                                 "  %sum = ReduceSum(%present) {keepdims = 0}\n"
                                 "  return %sum, %present\n}\n";

/* Two runs with states that are made for them. */
static int keep(fv_artifact *a, fv_log *log) {
    static const char *const dims[] = {"p=2", NULL};
    float x = 3;
    fv_states *s = NULL;
    fv_run_options o = {.size = sizeof o, .threads = 1};
    int status = fv_states_new(a, dims, log, &s);
    cr_assert_eq(status == FV_OK, s != NULL);
    for (int i = 1; i <= 2 && status == FV_OK; i++) {
        fv_array in[2] = {{.type = FV_TYPE_FLOAT, .rank = 1, .dims = {1}, .data = &x}};
        fv_array out[2] = {{0}};
        status = fv_states_run(s, in, out, &o, log);
        if (status == FV_OK)
            cr_assert_eq(*(float *)out[0].data, 3 * (float)i);
        fv_array_free(&out[0]);
    }
    fv_states_free(s);
    return status;
}

Test(memory, states) {
    fv_compile_options o = {.size = sizeof o, .backend = FV_BACKEND_INTERP};
    o.states = (const char *const[]){"past=present", NULL};
    fv_artifact *a = NULL;
    int status = fv_compile_bytes(cache_text, strlen(cache_text), "m.fvir", NULL, &o, NULL, &a);
    cr_assert_eq(status, FV_OK);
    cr_assert_eq(keep(a, NULL), FV_OK);
    int64_t before = fail_live();
    bool more = true;
    for (int64_t n = 1; more; n++) {
        fv_log *log = fv_log_new();
        fail_at(n, false);
        status = keep(a, log);
        more = fail_happened();
        fail_at(0, false);
        cr_assert_eq(status, more ? FV_NO_MEMORY : FV_OK, "allocation %lld", (long long)n);
        cr_assert(!more || strstr(fv_log_text(log), "out of memory"), "%s", fv_log_text(log));
        cr_assert_eq(keep(a, NULL), FV_OK);
        fv_log_free(log);
        cr_assert_eq(fail_live(), before, "allocation %lld: blocks stay", (long long)n);
    }
    fv_artifact_free(a);
}

/* ---- the caller's allocator ---- */

/* Three values whose size is known when it runs, of 2 x n, 2 x 2n and 2 x 2n elements at most. */
static const char nonzero_text[] = "fovea-ir 1\nmodule \"m\"\nsymbol n 0..100\n"
                                   "func @main(%x: f32[n]) -> (%y) {\n"
                                   "  %a = NonZero(%x)\n"
                                   "  %b = NonZero(%a)\n"
                                   "  %c = NonZero(%b)\n"
                                   "  %y = ReduceSum(%c) {keepdims = 0}\n"
                                   "  return %y\n}\n";

typedef struct heap {
    int calls, live, fails;
    bool onwards;
} heap;

static void *take(void *user, size_t bytes) {
    heap *h = user;
    h->calls++;
    if (h->calls == h->fails || (h->onwards && h->fails && h->calls > h->fails))
        return NULL;
    h->live++;
    return aligned_alloc(64, (bytes + 63) / 64 * 64);
}

static void give(void *user, void *p) {
    ((heap *)user)->live--;
    free(p);
}

static int run_on(fv_artifact *a, heap *h, int64_t *sum) {
    static const float x[6] = {0, 1, 0, 2, 3, 0};
    fv_env env = {.size = sizeof env, .user = h, .alloc = take, .free = give};
    int64_t n = 6, out_dims[1] = {0};
    size_t bytes = 0;
    const void *in[] = {x};
    void *out[] = {sum};
    cr_assert_eq(a->plan(a, &n, &bytes, NULL), FV_OK);
    void *room = aligned_alloc(64, bytes / 64 * 64 + 64);
    int status = a->run(a, &n, in, out, out_dims, room, bytes, &env);
    free(room);
    return status;
}

static void allocates(fv_backend_kind backend) {
    fv_compile_options o = {.size = sizeof o, .backend = backend, .level = '1'};
    fv_artifact *a = NULL;
    int64_t want = 0, sum;
    heap all_well = {0};
    FILE *f = fopen(in_folder("z.fvir"), "w");
    fputs(nonzero_text, f);
    fclose(f);
    fv_log *log = fv_log_new();
    cr_assert_eq(fv_compile(in_folder("z.fvir"), &o, log, &a), FV_OK, "%s", fv_log_text(log));
    cr_assert_eq(run_on(a, &all_well, &want), FV_OK);
    cr_assert(all_well.calls >= 3 && all_well.live == 0 && want > 0, "%d allocations",
              all_well.calls);
    for (int i = 0; i < 2 * all_well.calls; i++) {
        heap h = {.fails = i / 2 + 1, .onwards = i % 2};
        cr_expect_eq(run_on(a, &h, &sum), FV_NO_MEMORY, "allocation %d of backend %d", h.fails,
                     backend);
        cr_expect_eq(h.live, 0, "%d stay", h.live);
        h = (heap){0};
        cr_expect(run_on(a, &h, &sum) == FV_OK && sum == want && h.live == 0);
    }
    fv_artifact_free(a);
    fv_log_free(log);
}

Test(memory, allocator_of_the_caller) {
    allocates(FV_BACKEND_INTERP);
    if (!system("command -v cc >/dev/null 2>&1"))
        allocates(FV_BACKEND_C);
    if (FV_HAVE_LLVM)
        allocates(FV_BACKEND_JIT);
}
