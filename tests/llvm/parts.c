/* parts.c - a program that is compiled as several modules; objects that are stored and loaded
 * again. */
#include <criterion/criterion.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "backend/llvm/load.h"
#include "ir/base/text.h"
#include "tests/llvm/programs.h"

enum { KERNELS = 12, STEPS = 80, ROWS = 3, COLUMNS = 8 };

/* y_k[t, j]: x[t, j] + w[j], then STEPS times half of it and k + 1. */
static float value(int k, float x, float w) {
    float v = x + w;
    for (int i = 0; i < STEPS; i++)
        v = v * 0.5f + (float)(k + 1);
    return v;
}

static void put_kernel(fv_text *t, int k) {
    fv_text_printf(t,
                   "kernel k%d(X: f32[n, 8], W: f32[8], out Y: f32[n, 8]; n in 0..1000) task t < n "
                   "{\n  for j < 8 {\n"
                   "    let v0 = X[t, j] + W[j]\n",
                   k);
    for (int i = 0; i < STEPS; i++)
        fv_text_printf(t, "    let v%d = v%d * 0.5 + %d.0\n", i + 1, i, k + 1);
    fv_text_printf(t, "    Y[t, j] = v%d\n  }\n}\n", STEPS);
}

static const char *program(fv_arena *a) {
    fv_text t = {.arena = a};
    fv_text_put(
        &t,
        "fovea-program 1\nname parts\ntarget \"native\"\nsymbol n as n in 0..1000\nplan "
        "{\n}\nworkspace 0\n"
        "constant \"w\" hex \"0000803f0000004000004040000080400000a0400000c0400000e04000000041\"\n"
        "buffer x: f32[n, 8] input 0\nbuffer w: f32[8] const 0\n");
    for (int k = 0; k < KERNELS; k++)
        fv_text_printf(&t, "buffer y%d: f32[n, 8] output %d\n", k, k);
    fv_text_put(&t, "input x = \"x\" as x: f32[n, 8] extents [n, 8]\n");
    for (int k = 0; k < KERNELS; k++)
        fv_text_printf(&t, "output y%d = \"y%d\" as y%d: f32[n, 8] extents [n, 8]\n", k, k, k);
    for (int k = 0; k < KERNELS; k++)
        put_kernel(&t, k);
    fv_text_put(&t, "run {\n");
    for (int k = 0; k < KERNELS; k++)
        fv_text_printf(&t, "  launch k%d(x, w, y%d; n)\n", k, k);
    fv_text_put(&t, "}\n");
    return t.s;
}

static void gives(const fv_model *m, float scale) {
    static float x[ROWS][COLUMNS], y[KERNELS][ROWS][COLUMNS];
    void *out[KERNELS];
    const void *in[] = {x};
    int64_t n = ROWS;
    for (int k = 0; k < KERNELS; k++)
        out[k] = y[k];
    for (int i = 0; i < ROWS * COLUMNS; i++)
        x[i / COLUMNS][i % COLUMNS] = (float)i;
    cr_assert_eq(m->run(&n, in, out, NULL, NULL, 0, NULL), FV_OK);
    for (int k = 0; k < KERNELS; k++)
        for (int i = 0; i < ROWS * COLUMNS; i++)
            cr_assert_eq(y[k][i / COLUMNS][i % COLUMNS],
                         value(k, (float)i, scale * (float)(i % COLUMNS + 1)), "%d %d", k, i);
}

/* What is linked is more than one object. */
static bool is_in_parts(const void *objects, size_t bytes) {
    uint64_t first;
    memcpy(&first, objects, sizeof first);
    return sizeof first + first < bytes;
}

Test(parts, are_one_program, .timeout = 900) {
    fv_session *s = fv_session_new();
    bench b = bench_open(program(fv_arena_new(s)), "native");
    for (int level = 0; level <= 3; level++) {
        fv_llvm_options o = {.level = level};
        fv_jit *one = fv_jit_new(b.s, b.p, &o), *two = fv_jit_new(b.s, b.p, &o);
        cr_assert(one && two, "%s", said(&b));
        size_t n1, n2;
        const void *o1 = fv_jit_object(one, &n1), *o2 = fv_jit_object(two, &n2);
        cr_assert(is_in_parts(o1, n1));
        cr_assert(n1 == n2 && !memcmp(o1, o2, n1)); /* whatever the threads did */
        gives(fv_jit_model(one), 1);
        gives(fv_jit_model(two), 1);
        fv_jit_free(one);
        fv_jit_free(two);
    }
    bench_close(&b);
    fv_session_free(s);
}

/* In another place, with other constants, which show that they are read from there: no conversion
 * depends on their values. */
Test(parts, are_loaded_again, .timeout = 900) {
    fv_session *s = fv_session_new();
    bench b = bench_open(program(fv_arena_new(s)), "native");
    fv_jit *made = fv_jit_new(b.s, b.p, &(fv_llvm_options){.level = 2});
    cr_assert(made, "%s", said(&b));
    size_t n;
    const void *objects = fv_jit_object(made, &n);
    void *copy = malloc(n);
    memcpy(copy, objects, n);
    fv_jit_free(made);
    bench_close(&b);
    float w[COLUMNS];
    for (int i = 0; i < COLUMNS; i++)
        w[i] = 3 * (float)(i + 1);
    fv_jit *again = fv_jit_load(s, "parts", copy, n, (const void *const[]){w}, 1);
    cr_assert(again);
    free(copy);
    gives(fv_jit_model(again), 3);
    cr_expect_str_eq(fv_jit_model(again)->name, "parts");
    cr_expect_null(fv_jit_load(s, "other", "", 0, NULL, 0)); /* no such program in it */
    fv_jit_free(again);
    fv_session_free(s);
}

typedef struct compiler {
    pthread_t thread;
    int differ; /* how often the objects differed from those of the first time */
} compiler;

static atomic_int compiling; /* number of threads */

/* Compiles the program several times. */
static void *compile_again(void *arg) {
    compiler *c = arg;
    fv_session *s = fv_session_new();
    bench b = bench_open(program(fv_arena_new(s)), "native");
    fv_jit *first = fv_jit_new(b.s, b.p, &(fv_llvm_options){.level = 2});
    size_t n, m;
    const void *objects = first ? fv_jit_object(first, &n) : NULL;
    c->differ += !objects;
    for (int i = 0; i < 3 && objects; i++) {
        fv_jit *again = fv_jit_new(b.s, b.p, &(fv_llvm_options){.level = 2});
        const void *same = again ? fv_jit_object(again, &m) : NULL;
        c->differ += !same || m != n || memcmp(same, objects, n) != 0;
        fv_jit_free(again);
    }
    fv_jit_free(first);
    bench_close(&b);
    fv_session_free(s);
    compiling--;
    return NULL;
}

/* LLVM's code may leave the memory at any time: it is read again, also while another thread
 * executes it. */
Test(parts, compile_while_llvm_rests, .timeout = 900) {
    enum { THREADS = 2 };
    compiler all[THREADS] = {0};
    fv_session *s = fv_session_new();
    cr_assert(fv_llvm_load(s));
    compiling = THREADS;
    for (int i = 0; i < THREADS; i++)
        cr_assert_eq(pthread_create(&all[i].thread, NULL, compile_again, &all[i]), 0);
    while (compiling) {
        fv_llvm_release_pages();
        usleep(1000);
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(all[i].thread, NULL);
        cr_expect_eq(all[i].differ, 0, "thread %d", i);
    }
    fv_session_free(s);
}
