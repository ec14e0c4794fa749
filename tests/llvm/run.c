/* run.c - code in memory: the calling convention, statement by statement, and the effects of a
 * run. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "backend/llvm/emit.h"
#include "tests/llvm/programs.h"

static fv_jit *jit(const bench *b, int level) {
    fv_llvm_options o = {.level = level};
    fv_jit *j = fv_jit_new(b->s, b->p, &o);
    cr_assert(j, "%s", said(b));
    return j;
}

/* ---- a whole run ---- */

static void run_rows(const fv_model *m, const fv_env *env) {
    float x[24], y[24];
    for (int i = 0; i < 24; i++)
        x[i] = (float)(i - 10);
    int64_t n = 3, out_dims[3] = {-7, -7, -7};
    const void *in[] = {x};
    void *out[] = {y};
    cr_assert_eq(m->run(&n, in, out, out_dims, NULL, 0, env), FV_OK);
    for (int i = 0; i < 24; i++) {
        float expected = 2.0f * x[i] + (float)(i % 8 + 1);
        cr_assert_eq(y[i], expected > 0 ? expected : 0, "y[%d] is %g", i, (double)y[i]);
    }
    cr_assert_eq(out_dims[0], -7); /* no capacity is read or written */
    cr_assert_eq(out_dims[1], 3);
    cr_assert_eq(out_dims[2], 8);
}

Test(run, gives_the_values) {
    for (int level = 0; level <= 3; level++) {
        bench b = bench_open(rows_text, "native");
        fv_jit *j = jit(&b, level);
        run_rows(fv_jit_model(j), NULL);
        fv_jit_free(j);
        bench_close(&b);
    }
}

/* ---- constants that are made when they are read ---- */

static int made; /* calls of make_w */

static void make_w(void *user, void *room) {
    memcpy(room, user, 8 * sizeof(float));
    made++;
}

/* Making code reads no large constant; it is made before the first run. */
Test(run, makes_large_constants_later) {
    bench b = bench_open(rows_text, "native");
    fv_constant *w = &b.p->memory.constants[1];
    void *values = (void *)(uintptr_t)fv_constant_data(w);
    w->bytes = FV_LARGE_CONSTANT;
    w->contents = fv_contents_later(b.a, fv_alloc_aligned(b.a, w->bytes, 64), make_w, values);
    fv_ll_parts parts = {0};
    cr_assert(fv_llvm_load(b.s) && fv_ll_parts_emit(&parts, b.s, b.p, NULL), "%s", said(&b));
    cr_assert(fv_ll_parts_compile(&parts), "%s", said(&b));
    fv_ll_parts_close(&parts);
    cr_expect(made == 0 && fv_constant_is_pending(w));
    fv_jit *j = jit(&b, 2);
    cr_expect(made == 1 && !fv_constant_is_pending(w));
    run_rows(fv_jit_model(j), NULL);
    fv_jit_free(j);
    bench_close(&b);
}

Test(run, gives_the_values_for_generic) {
    bench b = bench_open(rows_text, "generic");
    fv_jit *j = jit(&b, 2);
    run_rows(fv_jit_model(j), NULL);
    fv_jit_free(j);
    bench_close(&b);
}

Test(run, has_a_table) {
    bench b = bench_open(rows_text, "native");
    fv_jit *j = jit(&b, 2);
    const fv_model *m = fv_jit_model(j);
    cr_assert_eq(m->abi, 2);
    cr_assert_eq(m->size, sizeof(fv_model));
    cr_assert_str_eq(m->name, "rows");
    const char *why; /* with the features that this machine has besides its level */
    cr_assert_str_eq(m->target, fv_target_read(b.a, "native", &why)->entry);
    cr_assert_str_eq(m->source_hash, "5ca1ab1e");
    cr_assert_str_eq(m->producer, "test");
    cr_assert_eq(m->nsymbols, 1);
    cr_assert_str_eq(m->symbols[0].name, "n");
    cr_assert_eq(m->symbols[0].hi, 1000);
    cr_assert_eq(m->ninputs, 1);
    cr_assert_str_eq(m->inputs[0].name, "x");
    cr_assert_eq(m->inputs[0].type, FV_F32);
    cr_assert_eq(m->inputs[0].rank, 2);
    cr_assert_str_eq(m->inputs[0].dims[0], "n");
    cr_assert_str_eq(m->inputs[0].dims[1], "8");
    cr_assert_str_eq(m->outputs[0].name, "y");
    cr_assert_eq(m->uses_allocator, 0);
    fv_jit_free(j);
    bench_close(&b);
}

/* ---- tasks ---- */

typedef struct pool {
    int calls;
    int64_t tasks;
} pool;

/* Backwards: the order is not promised. */
static void backwards(void *user, void (*task)(void *, int64_t), void *arg, int64_t n) {
    pool *p = user;
    p->calls++;
    p->tasks += n;
    while (n-- > 0)
        task(arg, n);
}

Test(run, hands_tasks_to_the_caller) {
    bench b = bench_open(rows_text, "native");
    fv_jit *j = jit(&b, 2);
    pool p = {0};
    fv_env env = {.size = sizeof env, .user = &p, .parallel_for = backwards};
    run_rows(fv_jit_model(j), &env);
    cr_assert_eq(p.calls, 1);
    cr_assert_eq(p.tasks, 3);
    fv_jit_free(j);
    bench_close(&b);
}

/* ---- bad calls ---- */

static int32_t is_cancelled = 1;

Test(run, refuses_bad_calls) {
    bench b = bench_open(rows_text, "native");
    fv_jit *j = jit(&b, 2);
    const fv_model *m = fv_jit_model(j);
    float data[17] = {0};
    int64_t n = 1, many = 1001, none = 0, minus = -1;
    const void *in[] = {data}, *no_in[] = {NULL}, *odd_in[] = {(char *)data + 1};
    void *out[] = {data + 8}, *no_out[] = {NULL};
    fv_env nonsense = {.size = 0}, stop = {.size = sizeof stop, .cancel = &is_cancelled};
    cr_assert_eq(m->run(&many, in, out, NULL, NULL, 0, NULL), FV_BAD_DIM);
    cr_assert_eq(m->run(&minus, in, out, NULL, NULL, 0, NULL), FV_BAD_DIM);
    cr_assert_eq(m->run(NULL, in, out, NULL, NULL, 0, NULL), FV_BAD_ARGUMENT);
    cr_assert_eq(m->run(&n, in, out, NULL, NULL, 0, &nonsense), FV_BAD_ARGUMENT);
    cr_assert_eq(m->run(&n, NULL, out, NULL, NULL, 0, NULL), FV_BAD_ARGUMENT);
    cr_assert_eq(m->run(&n, no_in, out, NULL, NULL, 0, NULL), FV_BAD_ARGUMENT);
    cr_assert_eq(m->run(&n, odd_in, out, NULL, NULL, 0, NULL), FV_BAD_ARGUMENT);
    cr_assert_eq(m->run(&n, in, no_out, NULL, NULL, 0, NULL), FV_BAD_ARGUMENT);
    cr_assert_eq(m->run(&n, in, out, NULL, NULL, 0, &stop), FV_CANCELLED);
    cr_assert_eq(m->run(&none, no_in, no_out, NULL, NULL, 0, NULL), FV_OK);
    cr_assert_eq(m->run(&n, in, out, NULL, NULL, 0, NULL), FV_OK);
    fv_jit_free(j);
    bench_close(&b);
}

/* ---- workspace and plan ---- */

static const char *const steps_text =
    "fovea-program 1\n"
    "name steps\n"
    "target \"%s\"\n"
    "symbol n as n in 0..4611686018427387904\n"
    "plan {\n"
    "  let bytes = mulsat(n, 4)\n"
    "  let second = addsat(bytes, 63) & -64\n"
    "}\n"
    "workspace addsat(second, bytes)\n"
    "buffer x: f32[n] input 0\n"
    "buffer a: f32[n] work at 0 bytes bytes\n"
    "buffer b: f32[n] work at second bytes bytes\n"
    "buffer y: f32[n] output 0\n"
    "input x = \"x\" as x: f32[n] extents [n]\n"
    "output y = \"y\" as y: f32[n] extents [n]\n"
    "kernel add_one(X: f32[n], out Y: f32[n]; n in 0..4611686018427387904) task t < 1 {\n"
    "  for i < n {\n"
    "    Y[i] = X[i] + 1.0\n"
    "  }\n"
    "}\n"
    "run {\n"
    "  launch add_one(x, a; n)\n"
    "  launch add_one(a, b; n)\n"
    "  launch add_one(b, y; n)\n"
    "}\n";

Test(run, plans_and_checks_the_workspace) {
    bench b = bench_open(steps_text, "native");
    fv_jit *j = jit(&b, 2);
    const fv_model *m = fv_jit_model(j);
    int64_t n = 5, out_dims[2] = {0}, huge = INT64_C(1) << 61, far = INT64_C(1) << 60;
    size_t need = 1;
    cr_assert_eq(m->plan(&n, &need, out_dims), FV_OK);
    cr_assert_eq(need, 64 + 20);
    cr_assert_eq(out_dims[0], 5);
    cr_assert_eq(out_dims[1], 5);
    cr_assert_eq(m->plan(&n, NULL, NULL), FV_OK);
    cr_assert_eq(m->plan(&huge, &need, out_dims), FV_TOO_LARGE);
    cr_assert_eq(need, 64 + 20, "untouched on failure");
    cr_assert_eq(m->plan(&far, &need, NULL), FV_TOO_LARGE, "twice 2^62 bytes");
    float x[5] = {0, 1, 2, 3, 4}, y[5];
    _Alignas(64) char work[128];
    const void *in[] = {x};
    void *out[] = {y};
    cr_assert_eq(m->run(&n, in, out, NULL, work, 83, NULL), FV_TOO_SMALL);
    cr_assert_eq(m->run(&n, in, out, NULL, NULL, 84, NULL), FV_BAD_ARGUMENT);
    cr_assert_eq(m->run(&n, in, out, NULL, work + 32, 84, NULL), FV_BAD_ARGUMENT);
    cr_assert_eq(m->run(&n, in, out, NULL, work, 84, NULL), FV_OK);
    for (int i = 0; i < 5; i++)
        cr_assert_eq(y[i], (float)(i + 3));
    fv_jit_free(j);
    bench_close(&b);
}

/* ---- the allocator, and outputs whose size depends on data ---- */

static const char *const positive_text = /* keeps what is positive, by way of the caller's memory */
    "fovea-program 1\n"
    "name positive\n"
    "target \"%s\"\n"
    "allocator\n"
    "symbol n as n in 0..100\n"
    "unknown found in 0..100\n"
    "plan {\n"
    "}\n"
    "workspace 64\n"
    "buffer x: f32[n] input 0\n"
    "buffer count: i64[1] work at 0 bytes 8\n"
    "buffer y: f32[100] output 0\n"
    "input x = \"x\" as x: f32[n] extents [n]\n"
    "output y = \"y\" as y: f32[found] extents [?] capacity room\n"
    "kernel count_0(X: f32[n], out C: i64[1]; n in 0..100) task t < 1 {\n"
    "  tile c: i64 = 0\n"
    "  for i < n {\n"
    "    if 0.0 < X[i] {\n"
    "      c = c + 1\n"
    "    }\n"
    "  }\n"
    "  C[0] = c\n"
    "}\n"
    "kernel keep_0(X: f32[n], out Y: f32[m]; n in 0..100, m in 0..100) task t < 1 {\n"
    "  tile c: i64 = 0\n"
    "  for i < n {\n"
    "    if 0.0 < X[i] {\n"
    "      Y[c] = X[i]\n"
    "      c = c + 1\n"
    "    }\n"
    "  }\n"
    "}\n"
    "kernel copy_0(X: f32[n], out Y: f32[n]; n in 0..100) task t < n {\n"
    "  Y[t] = X[t]\n"
    "}\n"
    "run {\n"
    "  launch count_0(x, count; n)\n"
    "  let m = count[0]\n"
    "  setdim y[0] = m\n"
    "  check m <= room, TOO_SMALL, \"y\"\n"
    "  alloc h: f32[m] bytes m * 4\n"
    "  launch keep_0(x, h; n, m)\n"
    "  launch copy_0(h, y; m)\n"
    "}\n";

typedef struct heap {
    int live, calls;
    bool empty;
} heap;

static void *take(void *user, size_t bytes) {
    heap *h = user;
    h->calls++;
    if (h->empty)
        return NULL;
    h->live++;
    return aligned_alloc(64, (bytes + 63) / 64 * 64);
}

static void give(void *user, void *p) {
    ((heap *)user)->live--;
    free(p);
}

Test(run, uses_the_allocator_and_capacities) {
    bench b = bench_open(positive_text, "native");
    fv_jit *j = jit(&b, 2);
    const fv_model *m = fv_jit_model(j);
    heap h = {0};
    fv_env env = {.size = sizeof env, .user = &h, .alloc = take, .free = give};
    float x[6] = {1, -1, 2, -2, 3, 0}, y[6] = {0};
    _Alignas(64) char work[64];
    int64_t n = 6, out_dims[2] = {6, -1};
    const void *in[] = {x};
    void *out[] = {y};
    cr_assert_eq(m->uses_allocator, 1);
    cr_assert_eq(m->outputs[0].depends_on_data, 1);
    cr_assert_eq(m->plan(&n, NULL, out_dims), FV_OK);
    cr_assert_eq(out_dims[0], INT64_C(100));
    cr_assert_eq(m->run(&n, in, out, NULL, work, 64, &env), FV_BAD_ARGUMENT);
    out_dims[0] = 6;
    cr_assert_eq(m->run(&n, in, out, out_dims, work, 64, NULL), FV_NO_MEMORY);
    cr_assert_eq(m->run(&n, in, out, out_dims, work, 64, &env), FV_OK);
    cr_assert_eq(out_dims[1], 3);
    cr_assert(y[0] == 1 && y[1] == 2 && y[2] == 3 && y[3] == 0);
    cr_assert(h.calls == 1 && h.live == 0, "freed on the way out");
    out_dims[0] = 2;
    cr_assert_eq(m->run(&n, in, out, out_dims, work, 64, &env), FV_TOO_SMALL);
    cr_assert_eq(out_dims[1], 3, "the need is told");
    h.empty = true;
    out_dims[0] = 6;
    cr_assert_eq(m->run(&n, in, out, out_dims, work, 64, &env), FV_NO_MEMORY);
    h.empty = false;
    n = 0;
    cr_assert_eq(m->run(&n, in, out, out_dims, work, 64, &env), FV_OK);
    cr_assert(out_dims[1] == 0 && h.calls == 2 && h.live == 0, "nothing is allocated for nothing");
    fv_jit_free(j);
    bench_close(&b);
}

/* ---- faults of data ---- */

static const char *const lookup_text =
    "fovea-program 1\n"
    "name lookup\n"
    "target \"%s\"\n"
    "plan {\n"
    "}\n"
    "workspace 0\n"
    "buffer x: f32[4] input 0\n"
    "buffer at: i64[2] input 1\n"
    "buffer y: f32[2] output 0\n"
    "input x = \"x\" as x: f32[4] extents [4]\n"
    "input at = \"at\" as at: i64[2] extents [2]\n"
    "output y = \"y\" as y: f32[2] extents [2]\n"
    "kernel look_0(X: f32[4], I: i64[2], out Y: f32[2]) task t < 2 requires {\n"
    "  let i = I[t]\n"
    "  let ok = require(0 <= i & i < 4)\n"
    "  Y[t] = X[select(ok, i, 0)]\n"
    "}\n"
    "run {\n"
    "  launch look_0(x, at, y)\n"
    "}\n";

Test(run, reports_an_index_out_of_range) {
    bench b = bench_open(lookup_text, "native");
    fv_jit *j = jit(&b, 2);
    const fv_model *m = fv_jit_model(j);
    float x[4] = {10, 11, 12, 13}, y[2];
    int64_t good[] = {3, 0}, bad[] = {1, 4};
    const void *in[] = {x, good}, *bad_in[] = {x, bad};
    void *out[] = {y};
    cr_assert_eq(m->run(NULL, in, out, NULL, NULL, 0, NULL), FV_OK);
    cr_assert(y[0] == 13 && y[1] == 10);
    cr_assert_eq(m->run(NULL, bad_in, out, NULL, NULL, 0, NULL), FV_BAD_INDEX);
    cr_assert_eq(m->run(NULL, in, out, NULL, NULL, 0, NULL), FV_OK, "forgotten by the next run");
    fv_jit_free(j);
    bench_close(&b);
}

/* ---- cancelling what data drives ---- */

static const char *const forever_text = "fovea-program 1\n"
                                        "name forever\n"
                                        "target \"%s\"\n"
                                        "plan {\n"
                                        "}\n"
                                        "workspace 0\n"
                                        "buffer x: i64[1] input 0\n"
                                        "buffer y: i64[1] output 0\n"
                                        "input x = \"x\" as x: i64[1] extents [1]\n"
                                        "output y = \"y\" as y: i64[1] extents [1]\n"
                                        "kernel spin_0(X: i64[1], out Y: i64[1]) task t < 2 {\n"
                                        "  tile c: i64 = 0\n"
                                        "  while c != X[0] {\n"
                                        "    c = c + 1\n"
                                        "  }\n"
                                        "  Y[0] = c\n"
                                        "}\n"
                                        "run {\n"
                                        "  launch spin_0(x, y)\n"
                                        "}\n";

static int32_t flag;

static void cancel_first(void *user, void (*task)(void *, int64_t), void *arg, int64_t n) {
    (void)user;
    flag = 1;
    for (int64_t i = 0; i < n; i++)
        task(arg, i);
}

Test(run, cancels_a_while) {
    bench b = bench_open(forever_text, "native");
    fv_jit *j = jit(&b, 2);
    const fv_model *m = fv_jit_model(j);
    fv_env env = {.size = sizeof env, .parallel_for = cancel_first, .cancel = &flag};
    int64_t x = 1000, never = -1, y = 0;
    const void *in[] = {&x}, *forever[] = {&never};
    void *out[] = {&y};
    cr_assert_eq(m->run(NULL, in, out, NULL, NULL, 0, NULL), FV_OK);
    cr_assert_eq(y, 1000);
    cr_assert_eq(m->run(NULL, forever, out, NULL, NULL, 0, &env), FV_CANCELLED);
    fv_jit_free(j);
    bench_close(&b);
}

/* ---- refusals ---- */

Test(run, refuses_another_machine) {
    bench b = bench_open(rows_text, "cortex-m4");
    fv_llvm_options o = {.level = 2};
    cr_assert_null(fv_jit_new(b.s, b.p, &o));
    cr_assert_str_eq(said(&b), "error: this machine cannot run code for cortex-m4; choose "
                               "--target=native\n");
    bench_close(&b);
}

/* Compiles while the nth allocation fails; false: there are fewer allocations. */
static bool fails_at(int64_t nth) {
    bench b = bench_open(positive_text, "native");
    fv_llvm_options o = {.level = 0};
    volatile bool failed = true;
    fv_door door;
    fv_session_fail_at(b.s, nth);
    if (!FV_DOOR_OPEN(b.s, &door)) {
        fv_jit *j = fv_jit_new(b.s, b.p, &o);
        fv_door_close(b.s, &door);
        fv_jit_free(j);
        failed = false;
    }
    bench_close(&b);
    return failed;
}

Test(run, survives_running_out_of_memory) {
    int64_t nth = 1;
    while (fails_at(nth))
        nth++;
    cr_assert_gt(nth, 2);
}
