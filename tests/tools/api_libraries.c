/* api_libraries.c - compiles models to libraries through runtime/fovea.h and loads them: libraries
 * that are replaced or damaged while they are loaded, weights in a file, the features of the CPU,
 * and several targets in one library. */
#include <criterion/criterion.h>
#include <elf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#if defined __x86_64__ && defined __linux__
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>
#endif

#include "backend/have.h"
#include "ir/target/lacking.h"
#include "tests/tools/api.h"
#include "tools/driver/driver.h"

TestSuite(api_libraries, .init = api_begin, .fini = api_end);

/* The first element of y for x = [[1, 1]]. */
static float first_of(fv_artifact *a) {
    float x[2] = {1, 1}, y[3] = {0};
    fv_array in = {1, 2, {1, 2}, x, NULL}, out = {1, 2, {1, 3}, y, NULL};
    cr_assert_eq(fv_artifact_run(a, &in, &out, NULL, NULL), FV_OK);
    return y[0];
}

/* A file that is replaced is another library, also if the one before is still loaded; a file that
 * is loaded twice is one. */
Test(api_libraries, replaced_library) {
    static const char weight[] = {'1', '2', '7', '7'};
    static const float want[] = {5, 6, 11, 11}; /* the weight, and 4 */
    fv_artifact *a[4];
    fv_log *log = fv_log_new();
    char changed[400];
    if (!FV_HAVE_LLVM || !fv_target_runs_here(fv_target_find("x86-64-v3")))
        cr_skip_test("no library can be made here");
    for (int i = 0; i < 4; i++) {
        snprintf(changed, sizeof changed, "%s", api_text);
        strstr(changed, "[1, 2")[1] = weight[i];
        api_put(api_model, changed);
        if (i < 3) /* the last one is loaded once more */
            cr_assert_eq(fv_compile_file(api_model, api_in_folder("x.so"), NULL, log), FV_OK, "%s",
                         fv_log_text(log));
        cr_assert_eq(fv_load(api_in_folder("x.so"), log, &a[i]), FV_OK, "%s", fv_log_text(log));
    }
    for (int i = 0; i < 4; i++)
        cr_expect_eq(first_of(a[i]), want[i]);
    cr_expect_eq(fv_artifact_model(a[2]), fv_artifact_model(a[3]));
    for (int i = 0; i < 4; i++)
        fv_artifact_free(a[i]);
    fv_log_free(log);
}

/* Replaces a library by a copy of a version of ELF that does not exist. */
static void damage(const char *path) {
    char bytes[1 << 16];
    FILE *f = fopen(path, "rb");
    size_t n = f ? fread(bytes, 1, sizeof bytes, f) : 0;
    cr_assert(n > EI_VERSION && n < sizeof bytes && !fclose(f) && !unlink(path));
    bytes[EI_VERSION] = 9;
    f = fopen(path, "wb");
    cr_assert(f && fwrite(bytes, 1, n, f) == n && !fclose(f));
}

/* A library that the loader refuses takes the place of one that is open: its reason is said. */
Test(api_libraries, replaced_by_a_damaged_library) {
    fv_artifact *a, *none = NULL;
    fv_log *log = fv_log_new();
    if (!FV_HAVE_LLVM || !fv_target_runs_here(fv_target_find("x86-64-v3")))
        cr_skip_test("no library can be made here");
    cr_assert_eq(fv_compile_file(api_model, api_in_folder("x.so"), NULL, log), FV_OK, "%s",
                 fv_log_text(log));
    cr_assert_eq(fv_load(api_in_folder("x.so"), log, &a), FV_OK, "%s", fv_log_text(log));
    damage(api_in_folder("x.so"));
    cr_expect_eq(fv_load(api_in_folder("x.so"), log, &none), FV_BAD_FILE);
    cr_expect(strstr(fv_log_text(log), "version"), "%s", fv_log_text(log));
    fv_artifact_free(a);
    fv_log_free(log);
}

/* A library gets a header, unless the options say otherwise; one of the caller stays. */
Test(api_libraries, header) {
    fv_compile_options o = {.size = sizeof o, .no_header = 1};
    fv_log *log = fv_log_new();
    char header[400];
    snprintf(header, sizeof header, "%s", api_in_folder("x.h"));
    if (!FV_HAVE_LLVM)
        cr_skip_test("no library can be made here");
    cr_assert_eq(fv_compile_file(api_model, api_in_folder("libx.so"), &o, log), FV_OK, "%s",
                 fv_log_text(log));
    cr_expect(access(header, F_OK) != 0);
    cr_assert_eq(fv_compile_file(api_model, api_in_folder("libx.so"), NULL, log), FV_OK, "%s",
                 fv_log_text(log));
    cr_expect(access(header, F_OK) == 0);
    cr_expect_str_eq(fv_log_text(log), "");
    api_put(header, "int mine;\n");
    cr_assert_eq(fv_compile_file(api_model, api_in_folder("x.o"), NULL, log), FV_OK);
    cr_expect(strstr(fv_log_text(log), "x.h stays as it is: "), "%s", fv_log_text(log));
    fv_log_free(log);
}

/* Two users of one library: each has the file of weights mapped for itself. */
Test(api_libraries, weights_in_a_file) {
    fv_artifact *one, *two;
    fv_log *log = fv_log_new();
    fv_compile_options o = {.size = sizeof o, .weights = "file"};
    if (!FV_HAVE_LLVM || !fv_target_runs_here(fv_target_find("x86-64-v3")))
        cr_skip_test("no library can be made here");
    cr_assert_eq(fv_compile_file(api_model, api_in_folder("x.so"), &o, log), FV_OK, "%s",
                 fv_log_text(log));
    cr_expect_eq(access(api_in_folder("x.weights"), R_OK), 0);
    cr_assert_eq(fv_load(api_in_folder("x.so"), log, &one), FV_OK, "%s", fv_log_text(log));
    cr_assert_eq(fv_load(api_in_folder("x.so"), log, &two), FV_OK, "%s", fv_log_text(log));
    cr_expect_str_eq(fv_artifact_model(one)->weights_file, "x.weights");
    api_gives(one);
    api_gives(two);
    fv_artifact_free(one);
    unlink(api_in_folder("x.weights")); /* what is mapped stays */
    api_gives(two);
    float x[4] = {1, 1, 1, -1}, y[6];
    int64_t n = 2;
    const void *in[] = {x};
    void *out[] = {y};
    const fv_model *m = fv_artifact_model(two);
    cr_expect_eq(m->run(&n, in, out, NULL, NULL, 0, NULL), FV_BAD_FILE, "nobody gives the weights");
    fv_env env = {.size = sizeof env,
                  .weights = (const char *)two->weights + 1,
                  .weights_bytes = two->weights_bytes};
    cr_expect_eq(m->run(&n, in, out, NULL, NULL, 0, &env), FV_BAD_ARGUMENT, "not aligned");
    env.weights = two->weights;
    env.weights_bytes--;
    cr_expect_eq(m->run(&n, in, out, NULL, NULL, 0, &env), FV_BAD_FILE, "too short");
    fv_artifact_free(two);
    cr_expect_eq(fv_load(api_in_folder("x.so"), log, &one), FV_BAD_FILE);
    cr_expect(strstr(fv_log_text(log), "x.weights, cannot be used: No such file or directory"),
              "%s", fv_log_text(log));
    fv_log_free(log);
}

/* A target whose code this CPU cannot run, and a feature that it lacks; NULL: there is none. */
static const fv_target *beyond(fv_arena *a, const char **lacks) {
    const char *why;
    const fv_target *widest = fv_target_find("x86-64-v4");
    const char *const *f = fv_target_feature_names(a, widest);
    for (*lacks = "avx512f"; fv_target_runs_here(widest) && *f; f++) {
        const fv_target *t = fv_target_read(a, fv_printf(a, "x86-64-v4+%s", *f), &why);
        *lacks = *f;
        if (!fv_target_runs_here(t))
            return t;
    }
    return *f ? widest : NULL;
}

/* Loading and compiling name the features that this CPU lacks; only files are written. */
Test(api_libraries, features_of_cpus) {
    fv_session *s = fv_session_new();
    fv_arena *arena = fv_arena_new(s);
    const char *lacks;
    const fv_target *t = beyond(arena, &lacks);
    if (!FV_HAVE_LLVM || strncmp(fv_target_baseline()->name, "x86-64", 6) || !t) {
        fv_session_free(s);
        cr_skip_test("needs LLVM, and an x86 CPU that lacks something");
    }
    fv_compile_options o = {.size = sizeof o, .target = t->name};
    fv_artifact *a = (fv_artifact *)&o;
    fv_log *log = fv_log_new();
    cr_assert_eq(fv_compile_file(api_model, api_in_folder("x.so"), &o, log), FV_OK, "%s",
                 fv_log_text(log));
    cr_expect_eq(fv_load(api_in_folder("x.so"), log, &a), FV_BAD_CPU);
    cr_expect_null(a);
    cr_expect(strstr(fv_log_text(log), "x.so: error: was compiled for target x86-64-v4"), "%s",
              fv_log_text(log));
    cr_expect(strstr(fv_log_text(log), lacks), "%s", fv_log_text(log));
    fv_log_clear(log);
    cr_expect_eq(fv_compile(api_model, &o, log, &a), FV_BAD_CPU);
    cr_expect(strstr(fv_log_text(log), "this machine cannot run its code; it lacks "), "%s",
              fv_log_text(log));
    cr_expect(strstr(fv_log_text(log), lacks), "%s", fv_log_text(log));
    o.backend = FV_BACKEND_INTERP;
    cr_assert_eq(fv_compile(api_model, &o, log, &a), FV_OK);
    api_gives(a);
    fv_artifact_free(a);
    fv_log_free(log);
    fv_session_free(s);
}

/* A library for this CPU has a table with its features, not just `native`. */
Test(api_libraries, native_libraries) {
    fv_compile_options o = {.size = sizeof o, .target = "native"};
    fv_artifact *a;
    uint64_t features;
    if (!FV_HAVE_LLVM)
        cr_skip_test("needs LLVM");
    cr_assert_eq(fv_compile_file(api_model, api_in_folder("x.so"), &o, NULL), FV_OK);
    cr_assert_eq(fv_load(api_in_folder("x.so"), NULL, &a), FV_OK);
    cr_expect(fv_features_read(fv_artifact_model(a)->target, &features) &&
                  fv_features_here(features),
              "%s", fv_artifact_model(a)->target);
    api_gives(a);
    fv_artifact_free(a);
}

#if defined __x86_64__ && defined __linux__
/* Has Linux refuse this process tile registers from now on; false: it cannot. */
static bool refuse_tiles(void) {
    struct sock_filter f[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, FV_ASK_CALL, 0, 3),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[0])),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, FV_ASK_STATE, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EINVAL),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)};
    struct sock_fprog p = {sizeof f / sizeof *f, f};
    return !prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) &&
           !prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &p);
}

static void put_bytes(void) {
    FILE *f = fopen(api_in_folder("b.fvir"), "w");
    cr_assert(f);
    fprintf(f, "fovea-ir 1\nmodule \"b\"\nconst @w: i8[64, 32] = [");
    for (int i = 0; i < 64 * 32; i++)
        fprintf(f, "%s%d", i ? ", " : "", i * 37 % 201 - 100);
    fprintf(f, "]\nfunc @main(%%x: u8[64, 64]) -> (%%y) {\n  %%y = MatMulInteger(%%x, @w)\n"
               "  return %%y\n}\n");
    fclose(f);
}

/* A process to which Linux refuses tile registers cannot run code that uses them: it is compiled
 * without them for this machine, and refused where the target names them. */
Test(api_libraries, refused_tile_registers) {
    static const char target[] = "x86-64-v4+vnni+amx-int8";
    uint64_t amx;
    fv_artifact *a;
    fv_log *log = fv_log_new();
    if (!FV_HAVE_LLVM || !fv_features_read(target, &amx) || !fv_features_here(amx))
        cr_skip_test("needs LLVM and a CPU with tile registers");
    put_bytes();
    fv_compile_options o = {.size = sizeof o, .target = target};
    char model[500];
    snprintf(model, sizeof model, "%s", api_in_folder("b.fvir"));
    cr_assert_eq(fv_compile_file(model, api_in_folder("x.so"), &o, log), FV_OK, "%s",
                 fv_log_text(log));
    if (!refuse_tiles())
        cr_skip_test("the system cannot refuse");
    cr_expect(fv_features_here(amx) && fv_features_refused(amx));
    cr_expect_eq(fv_load(api_in_folder("x.so"), log, &a), FV_BAD_CPU);
    cr_expect(strstr(fv_log_text(log), "lacks amx-tile, amx-int8 (the system refuses"), "%s",
              fv_log_text(log));
    fv_log_clear(log);
    cr_expect_eq(fv_compile(model, &o, log, &a), FV_BAD_CPU);
    cr_expect(strstr(fv_log_text(log), "lacks amx-tile, amx-int8 (the system refuses"), "%s",
              fv_log_text(log));
    fv_log_clear(log);
    o.target = NULL;
    cr_assert_eq(fv_compile(model, &o, log, &a), FV_OK, "%s", fv_log_text(log));
    cr_expect(strstr(fv_log_text(log), "note: target native is without amx-tile"), "%s",
              fv_log_text(log));
    uint8_t x[64 * 64];
    int32_t y[64 * 32], sum = 0;
    for (int i = 0; i < 64 * 64; i++)
        x[i] = (uint8_t)(i * 29 % 251);
    for (int k = 0; k < 64; k++)
        sum += x[63 * 64 + k] * ((k * 32 + 31) * 37 % 201 - 100);
    fv_array in = {2, 2, {64, 64}, x, NULL}, out = {6, 2, {64, 32}, y, NULL};
    cr_assert_eq(fv_artifact_run(a, &in, &out, NULL, NULL), FV_OK);
    cr_expect_eq(y[64 * 32 - 1], sum);
    fv_artifact_free(a);
    fv_log_free(log);
}
#endif

/* A list of targets is for files only; the table names the one that this machine uses. */
Test(api_libraries, several_targets) {
    fv_artifact *a;
    fv_log *log = fv_log_new();
    fv_compile_options o = {.size = sizeof o, .target = "x86-64-v3,x86-64"};
    if (!FV_HAVE_LLVM || !fv_target_runs_here(fv_target_find("x86-64-v3")))
        cr_skip_test("no library can be made here");
    cr_assert_eq(fv_compile_file(api_model, api_in_folder("x.so"), &o, log), FV_OK, "%s",
                 fv_log_text(log));
    cr_assert_eq(fv_load(api_in_folder("x.so"), log, &a), FV_OK, "%s", fv_log_text(log));
    cr_expect_str_eq(fv_artifact_model(a)->target, "x86-64-v3");
    api_gives(a);
    fv_artifact_free(a);
    api_is_refused(fv_compile(api_model, &o, log, &a), log, "a list of targets");
    o.target = "x86-64-v3,aarch64";
    api_is_refused(fv_compile_file(api_model, api_in_folder("x.so"), &o, log), log,
                   "two architectures");
    fv_log_free(log);
}

enum { ROWS = 7, TERMS = 24, WIDTH = 100, COLUMNS = 40 };

static void put_product(void) {
    FILE *f = fopen(api_in_folder("p.fvir"), "w");
    cr_assert(f);
    fprintf(f, "fovea-ir 1\nmodule \"p\"\nsymbol n 0..64\nconst @w: f32[%d, %d] = [", TERMS, WIDTH);
    for (int i = 0; i < TERMS * WIDTH; i++)
        fprintf(f, "%s%g", i ? ", " : "", i * 37 % 101 / 64.0 - 0.7);
    fprintf(f, "]\nconst @v: f32[%d, %d] = [", WIDTH, COLUMNS);
    for (int i = 0; i < WIDTH * COLUMNS; i++)
        fprintf(f, "%s%g", i ? ", " : "", i * 41 % 103 / 64.0 - 0.8);
    fprintf(f,
            "]\nfunc @main(%%x: f32[n, %d]) -> (%%y) {\n  %%a = MatMul(%%x, @w)\n"
            "  %%b = Tanh(%%a)\n  %%y = MatMul(%%b, @v)\n  return %%y\n}\n",
            TERMS);
    fclose(f);
}

/* The interpreter computes y with the kernels for a target, which may be one of several. Returns
 * the first constant. */
static fv_constant product(fv_session *s, const char *target, bool several, float *y) {
    fv_driver_options o = {.target = {.of = fv_target_find(target), .nlevels = several ? 2 : 0},
                           .level = '2'};
    float x[ROWS * TERMS];
    fv_source source;
    cr_assert(fv_driver_read(s, api_in_folder("p.fvir"), &o, &source));
    fv_program *p = fv_driver_lower(s, &source, &o);
    cr_assert(p && p->memory.nconstants);
    fv_artifact *a = fv_driver_artifact(s, p, FV_BACKEND_INTERP, '2');
    for (int i = 0; i < ROWS * TERMS; i++)
        x[i] = (float)(i * 29 % 97) / 48 - 1;
    fv_array in = {1, 2, {ROWS, TERMS}, x, NULL}, out = {1, 2, {ROWS, COLUMNS}, y, NULL};
    cr_assert(a && fv_artifact_run(a, &in, &out, NULL, NULL) == FV_OK);
    fv_artifact_free(a);
    return p->memory.constants[0];
}

/* A tile of x86-64-v4 reads two of the panels that it shares with x86-64-v3. */
Test(api_libraries, panels_of_several_targets) {
    float own[ROWS * COLUMNS], low[ROWS * COLUMNS], high[ROWS * COLUMNS];
    fv_session *s = fv_session_new();
    fv_door door;
    cr_assert(!FV_DOOR_OPEN(s, &door));
    put_product();
    fv_constant wide = product(s, "x86-64-v4", false, own), v3 = product(s, "x86-64-v3", true, low),
                v4 = product(s, "x86-64-v4", true, high);
    cr_expect(!memcmp(own, high, sizeof own) && !memcmp(low, high, sizeof low));
    cr_expect(v3.bytes == v4.bytes &&
              !memcmp(fv_constant_data(&v3), fv_constant_data(&v4), v3.bytes));
    cr_expect(wide.bytes != v4.bytes ||
              memcmp(fv_constant_data(&wide), fv_constant_data(&v4), v4.bytes));
    fv_door_close(s, &door);
    fv_session_free(s);
}
