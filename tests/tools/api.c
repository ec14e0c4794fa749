/* api.c - compiles models through runtime/fovea.h: statuses, messages, every backend, and running
 * out of memory at any point. Libraries have tests of their own in api_libraries.c. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "backend/have.h"
#include "tests/tools/api.h"
#include "tools/driver/driver.h"

TestSuite(api, .init = api_begin, .fini = api_end);

/* What an argument lacks is said with its name, what it has and what it needs. */
Test(api, arguments) {
    fv_artifact *a;
    fv_log *log = fv_log_new();
    fv_compile_options c = {.size = sizeof c, .backend = FV_BACKEND_INTERP};
    cr_assert_eq(fv_compile(api_model, &c, log, &a), FV_OK, "%s", fv_log_text(log));
    float x[4] = {0}, y[6];
    fv_array good = {1, 2, {2, 2}, x, NULL}, none = {1, 2, {2, 2}, NULL, NULL};
    fv_array odd = {1, 2, {2, 2}, (char *)x + 1, NULL}, small = {1, 2, {1, 3}, y, NULL},
             other = {7, 2, {1, 3}, y, NULL};
    fv_run_options o = {.size = 1}, few = {.size = sizeof few, .threads = -1};
    fv_array room = {1, 2, {2, 3}, y, NULL};
    const struct {
        fv_array *in, *out;
        const fv_run_options *options;
        int status;
        const char *says;
    } all[] = {
        {&none, &room, NULL, FV_BAD_ARGUMENT, "error: input 'x' is f32[2, 2], its data is NULL\n"},
        {&odd, &room, NULL, FV_BAD_ARGUMENT,
         "error: input 'x' is f32[2, 2], its data is at an address that is no multiple of 4\n"},
        {&good, &small, NULL, FV_TOO_SMALL,
         "error: output 'y' is given room for 3 elements, needs 6\n"},
        {&good, &other, NULL, FV_BAD_ARGUMENT,
         "error: output 'y' is given i64[1, 3], expected f32\n"},
        {&good, &room, &o, FV_BAD_ARGUMENT,
         "error: the options have size 1, expected sizeof(fv_run_options), "},
        {&good, &room, &few, FV_BAD_ARGUMENT,
         "error: the options request -1 threads, may be 0 or more\n"},
    };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        fv_array out = *all[i].out;
        fv_log_clear(log);
        cr_expect_eq(fv_artifact_run(a, all[i].in, &out, all[i].options, log), all[i].status);
        cr_expect(!strncmp(fv_log_text(log), all[i].says, strlen(all[i].says)), "%s",
                  fv_log_text(log));
    }
    fv_artifact_free(a);
    fv_log_free(log);
}

static void compiles(fv_compile_options o) {
    fv_artifact *a;
    fv_log *log = fv_log_new();
    o.size = sizeof o;
    cr_assert_eq(fv_compile(api_model, &o, log, &a), FV_OK, "%s", fv_log_text(log));
    cr_expect_str_eq(fv_log_text(log), "");
    api_gives(a);
    fv_artifact_free(a);
    fv_log_free(log);
}

Test(api, backends) {
    compiles((fv_compile_options){.backend = FV_BACKEND_INTERP});
    compiles((fv_compile_options){
        .backend = FV_BACKEND_INTERP, .naive = 1, .level = '0', .verify = 1, .strict = 1});
    compiles((fv_compile_options){.backend = FV_BACKEND_C, .name = "other"});
    if (FV_HAVE_LLVM)
        compiles((fv_compile_options){.backend = FV_BACKEND_JIT, .level = '3'});
}

/* ---- memory and threads of the caller ---- */

static void one_by_one(void *user, void (*task)(void *arg, int64_t i), void *arg, int64_t n) {
    (void)user;
    while (n-- > 0)
        task(arg, n);
}

static void *take(void *user, size_t bytes) {
    ++*(int *)user;
    return aligned_alloc(64, (bytes + 63) / 64 * 64);
}

static void give(void *user, void *p) {
    --*(int *)user;
    free(p);
}

/* The same bits with threads of the library, of a pool and of the caller, in given memory. */
static void runs_in_given(fv_backend_kind backend) {
    enum { N = 500 };
    static float x[N * N], y[4][N * N];
    fv_compile_options c = {.size = sizeof c, .backend = backend};
    fv_artifact *a;
    fv_log *log = fv_log_new();
    api_put(api_in_folder("soft.fvir"), "fovea-ir 1\nsymbol n 0..1000\n"
                                        "func @main(%x: f32[n, n]) -> (%y) {\n"
                                        "  %t = Transpose(%x) {perm = [1, 0]}\n"
                                        "  %s = Softmax(%t) {axis = 0}\n  %p = MatMul(%s, %x)\n"
                                        "  %y = Softmax(%p) {axis = 1}\n  return %y\n}\n");
    cr_assert_eq(fv_compile(api_in_folder("soft.fvir"), &c, log, &a), FV_OK, "%s",
                 fv_log_text(log));
    int n = backend == FV_BACKEND_INTERP ? 20 : N, blocks = 0;
    for (int i = 0; i < n * n; i++)
        x[i] = (float)(i % 97) / 16;
    fv_array in = {.type = 1, .rank = 2, .dims = {n, n}, .data = x}, out = {0};
    size_t bytes;
    cr_assert_eq(fv_artifact_plan(a, &in, &out, &bytes, log), FV_OK);
    cr_expect(out.type == 1 && out.rank == 2 && out.dims[0] == n && out.dims[1] == n);
    void *workspace = aligned_alloc(64, bytes / 64 * 64 + 64);
    fv_pool *pool = fv_pool_new(3);
    const fv_env parallel = {.size = sizeof parallel, .parallel_for = one_by_one},
                 memory = {.size = sizeof memory, .user = &blocks, .alloc = take, .free = give};
    const fv_run_options all[] = {
        {.threads = 1}, {.pool = pool}, {.env = &parallel}, {.pool = pool, .env = &memory}};
    for (int i = 0; i < 4; i++) {
        fv_run_options o = all[i];
        o.size = sizeof o;
        o.workspace = i < 3 ? workspace : NULL;
        o.workspace_bytes = i < 3 ? bytes : 0;
        out.data = y[i];
        cr_assert_eq(fv_artifact_run(a, &in, &out, &o, log), FV_OK, "%s", fv_log_text(log));
        cr_expect_arr_eq(y[i], y[0], (size_t)(n * n) * sizeof(float), "options %d", i);
        cr_expect_eq(blocks, 0);
        if (bytes && o.workspace) {
            o.workspace_bytes = bytes - 1;
            cr_expect_eq(fv_artifact_run(a, &in, &out, &o, log), FV_TOO_SMALL);
            fv_log_clear(log);
        }
    }
    fv_pool_free(pool);
    free(workspace);
    fv_artifact_free(a);
    fv_log_free(log);
}

Test(api, memory_and_threads_of_the_caller) {
    runs_in_given(FV_BACKEND_INTERP);
    runs_in_given(FV_BACKEND_C);
    if (FV_HAVE_LLVM)
        runs_in_given(FV_BACKEND_JIT);
}

/* Every backend's table says which output is the state of which input. */
static void declares(fv_backend_kind backend, const char *const *states) {
    fv_artifact *a;
    fv_log *log = fv_log_new();
    api_put(api_in_folder("cache.fvir"),
            "fovea-ir 1\nsymbol p 0..64\n"
            "func @main(%x: f32[1], %past: f32[p]) -> (%y, %present) {\n"
            "  %present = Concat(%past, %x) {axis = 0}\n  %y = Relu(%x)\n"
            "  return %y, %present\n}\n");
    fv_compile_options o = {.size = sizeof o, .backend = backend, .states = states};
    cr_assert_eq(fv_compile(api_in_folder("cache.fvir"), &o, log, &a), FV_OK, "%s",
                 fv_log_text(log));
    const fv_model *m = fv_artifact_model(a);
    cr_expect_eq(m->outputs[0].state_of, 0);
    cr_expect_eq(m->outputs[1].state_of, states ? 2 : 0);
    cr_expect_eq(m->outputs[1].in_place, 0);
    cr_expect_eq(m->inputs[1].state_of, 0);
    fv_artifact_free(a);
    o.states = (const char *const[]){"past=future", NULL};
    cr_expect_eq(fv_compile(api_in_folder("cache.fvir"), &o, log, &a), FV_BAD_MODEL);
    cr_expect(strstr(fv_log_text(log), "the model has no output 'future'") != NULL);
    fv_log_free(log);
}

Test(api, states) {
    static const char *const states[] = {"past=present", NULL};
    declares(FV_BACKEND_INTERP, states);
    declares(FV_BACKEND_INTERP, NULL);
    declares(FV_BACKEND_C, states);
    if (FV_HAVE_LLVM)
        declares(FV_BACKEND_JIT, states);
}

/* ---- states in the memory of their inputs ---- */

enum { HEADS = 2, FEATURES = 4, ROOM = 9, STEPS = 5 };

/* Two caches, read by attention; the first also before anything is added, by its rows. */
static const char cache_model[] =
    "fovea-ir 1\nsymbol p 0..64\nsymbol s 1..8\nconst @rows: i64[2] = [1, 2]\n"
    "func @main(%q: f32[2, s, 4], %nk: f32[2, s, 4], %nv: f32[2, s, 4], %k: f32[2, p, 4], %v: "
    "f32[2, p, 4]) -> (%y, %pk, %pv, %z) {\n"
    "  %r = Tanh(%nk)\n  %pk = Concat(%k, %r) {axis = 1}\n  %pv = Concat(%v, %nv) {axis = 1}\n"
    "  %t = Transpose(%pk) {perm = [0, 2, 1]}\n  %a = MatMul(%q, %t)\n  %w = Softmax(%a)\n  %o = "
    "MatMul(%w, %pv)\n"
    "  %y = Add(%o, %r)\n  %z = ReduceSum(%k, @rows)\n  return %y, %pk, %pv, %z\n}\n";

static fv_artifact *compile_cache(fv_backend_kind backend, bool naive, const char *const *states,
                                  fv_log *log) {
    fv_artifact *a;
    api_put(api_in_folder("kv.fvir"), cache_model);
    fv_compile_options o = {.size = sizeof o, .backend = backend, .states = states, .naive = naive};
    cr_assert_eq(fv_compile(api_in_folder("kv.fvir"), &o, log, &a), FV_OK, "%s", fv_log_text(log));
    return a;
}

static fv_array array_of(int64_t rows, float *data) {
    return (fv_array){
        .type = FV_TYPE_FLOAT, .rank = 3, .dims = {HEADS, rows, FEATURES}, .data = data};
}

/* The first rows of memory that has room for more are those of a dense one. */
static bool holds(const float *room, const float *dense, int64_t rows) {
    for (int h = 0; h < HEADS; h++)
        if (memcmp(room + h * ROOM * FEATURES, dense + h * rows * FEATURES,
                   (size_t)rows * FEATURES * sizeof *room))
            return false;
    return true;
}

static void grows(fv_backend_kind backend, bool naive, const char *capacity, int threads) {
    static const int64_t lengths[STEPS] = {3, 1, 1, 2, 2}; /* ROOM in all */
    char k[32], v[32];
    snprintf(k, sizeof k, "k=pk:%s", capacity);
    snprintf(v, sizeof v, "v=pv:%s", capacity);
    fv_log *log = fv_log_new();
    fv_artifact *copied =
        compile_cache(backend, naive, (const char *const[]){"k=pk", "v=pv", NULL}, log);
    fv_artifact *placed = compile_cache(backend, naive, (const char *const[]){k, v, NULL}, log);
    const fv_model *m = fv_artifact_model(placed);
    cr_expect_eq(m->outputs[1].in_place, 2);
    cr_expect_eq(m->inputs[3].in_place, 2);
    cr_expect_str_eq(m->outputs[2].capacity, capacity);
    cr_expect_str_eq(m->inputs[4].dims[1], "p");
    fv_run_options o = {.size = sizeof o, .threads = threads};
    float new[3][8 * HEADS * FEATURES], room[2][HEADS * ROOM * FEATURES],
        before[2][HEADS * ROOM * FEATURES];
    for (int i = 0; i < HEADS * ROOM * FEATURES; i++)
        room[0][i] = room[1][i] = -7;
    fv_array in[5], old[2], out[4] = {0};
    for (int i = 0; i < 2; i++)
        old[i] = array_of(0, NULL);
    for (int i = 0; i < 2; i++) {
        in[3 + i] = array_of(0, room[i]);
        in[3 + i].capacity = ROOM;
        in[3 + i].axis = 1;
    }
    for (int step = 0; step < STEPS; step++) {
        for (int i = 0; i < 3; i++) {
            for (int j = 0; j < 8 * HEADS * FEATURES; j++)
                new[i][j] = (float)((i * 31 + j * 7 + step * 13) % 17 - 8) / 8;
            in[i] = array_of(lengths[step], new[i]);
        }
        fv_array given[5] = {in[0], in[1], in[2], old[0], old[1]}, want[4] = {0};
        cr_assert_eq(fv_artifact_run(copied, given, want, &o, log), FV_OK, "%s", fv_log_text(log));
        memset(out, 0, sizeof out);
        cr_assert_eq(fv_artifact_run(placed, in, out, &o, log), FV_OK, "%s", fv_log_text(log));
        cr_expect_eq(fv_array_bytes(&out[0]), fv_array_bytes(&want[0]));
        cr_expect_eq(memcmp(out[0].data, want[0].data, fv_array_bytes(&out[0])), 0, "step %d",
                     step);
        cr_expect_eq(memcmp(out[3].data, want[3].data, fv_array_bytes(&out[3])), 0, "step %d",
                     step);
        for (int i = 0; i < 2; i++) {
            int64_t rows = want[1 + i].dims[1];
            cr_expect_eq(out[1 + i].data, room[i]);
            cr_expect_eq(out[1 + i].dims[1], rows);
            cr_expect_eq(out[1 + i].capacity, ROOM);
            cr_expect(holds(room[i], want[1 + i].data, rows), "step %d", step);
            for (int64_t r = rows; r < ROOM; r++)
                cr_expect_eq(room[i][r * FEATURES], -7, "behind what is valid");
            in[3 + i] = out[1 + i];
            fv_array_free(&old[i]);
            old[i] = want[1 + i];
        }
        fv_array_free(&out[0]);
        fv_array_free(&out[3]);
        fv_array_free(&want[0]);
        fv_array_free(&want[3]);
    }
    memcpy(before, room, sizeof room);
    in[0] = array_of(1, new[0]);
    in[1] = array_of(1, new[1]);
    in[2] = array_of(1, new[2]);
    memset(out, 0, sizeof out);
    fv_log_clear(log);
    cr_expect_eq(fv_artifact_run(placed, in, out, &o, log), FV_TOO_SMALL);
    cr_expect(strstr(fv_log_text(log),
                     "input 'k' has capacity 9 on axis 1, output 'pk' needs 10") != NULL,
              "%s", fv_log_text(log));
    cr_expect_eq(memcmp(before, room, sizeof room), 0, "nothing is written");
    in[3].dims[1] = in[4].dims[1] = ROOM + 3;
    cr_expect_eq(fv_artifact_run(placed, in, out, &o, NULL), FV_TOO_SMALL);
    cr_expect_eq(memcmp(before, room, sizeof room), 0, "nothing is written");
    in[3].dims[1] = in[4].dims[1] = 2;
    out[1] = array_of(3, before[0]);
    fv_log_clear(log);
    cr_expect_eq(fv_artifact_run(placed, in, out, &o, log), FV_BAD_ARGUMENT);
    cr_expect(strstr(fv_log_text(log), "output 'pk' was passed memory of its own") != NULL, "%s",
              fv_log_text(log));
    out[1] = (fv_array){0};
    in[3].axis = 2;
    cr_expect_eq(fv_artifact_run(placed, in, out, &o, NULL), FV_BAD_ARGUMENT);
    in[3].axis = 1;
    in[4].capacity = ROOM - 1; /* another one than k's, or the model's */
    fv_log_clear(log);
    cr_expect_eq(fv_artifact_run(placed, in, out, &o, log), FV_BAD_DIM);
    cr_expect(strstr(fv_log_text(log), "input 'v' has capacity 8 on axis 1, expected 9") != NULL,
              "%s", fv_log_text(log));
    for (int i = 0; i < 2; i++)
        fv_array_free(&old[i]);
    fv_artifact_free(copied);
    fv_artifact_free(placed);
    fv_log_free(log);
}

Test(api, states_in_place) {
    for (int threads = 1; threads <= 3; threads++) {
        grows(FV_BACKEND_INTERP, threads == 3, "cap", threads);
        if (FV_HAVE_LLVM) {
            grows(FV_BACKEND_JIT, false, "cap", threads);
            grows(FV_BACKEND_JIT, threads == 1, "9", threads);
        }
    }
    grows(FV_BACKEND_C, false, "cap", 2);
}

static void refuses_state(const char *state, const char *message) {
    fv_artifact *a;
    fv_log *log = fv_log_new();
    api_put(
        api_in_folder("odd.fvir"),
        "fovea-ir 1\nsymbol p 0..64\nsymbol q 0..64\nfunc @main(%x: f32[1, 4], %past: f32[p, 4], "
        "%b: u4[p, 2], %w: f32[q, 4]) -> (%a, %y, %o, %c, %n, %m) {\n"
        "  %a = Concat(%x, %past) {axis = 0} loc(\"front\")\n  %y = Concat(%past, %past) {axis = "
        "0}\n  %o = Relu(%past) loc(\"act\")\n"
        "  %c = Concat(%b, %b) {axis = 0}\n  %n = Concat(%past, %x) {axis = 0}\n  %m = "
        "Concat(%past, %w) {axis = 0}\n  return %a, %y, %o, %c, %n, %m\n}\n");
    fv_compile_options o = {.size = sizeof o,
                            .backend = FV_BACKEND_INTERP,
                            .states = (const char *const[]){state, NULL}};
    cr_expect_eq(fv_compile(api_in_folder("odd.fvir"), &o, log, &a),
                 *message ? FV_BAD_MODEL : FV_OK, "%s", state);
    cr_expect(strstr(fv_log_text(log), message) != NULL, "%s: %s", state, fv_log_text(log));
    if (!*message)
        fv_artifact_free(a);
    fv_log_free(log);
}

Test(api, states_that_cannot_be_in_place) {
    refuses_state("past=n:20", "");
    refuses_state("past=n:1", "");
    refuses_state("past=m:1", "and what is new is not known to be one, which is the capacity");
    refuses_state("past=a:20", "output 'a' cannot be written in the memory of input 'past': node "
                               "'front' (Concat) makes it, "
                               "whose first operand is not the input");
    refuses_state("past=y:20", "which has the input twice");
    refuses_state("past=o:cap", "which of its dims is the capacity? None is cap");
    refuses_state("past=o:p", "node 'act' (Relu) makes it, expected a Concat of the input and what "
                              "is new, or a scatter into it");
    refuses_state("b=c:cap", "and several of its elements share a byte");
    refuses_state("past=n:0", "the capacity is '0', expected a number from 1 on, or a name");
    refuses_state("past=n:1x", "the capacity is '1x'");
    refuses_state("past=n:-3", "the capacity is '-3'");
}

/* Every backend calls the tracer for its launches, whose names are in the table. */
static void note(void *user, int32_t launch, int32_t end) {
    char *told = user;
    snprintf(told + strlen(told), 64 - strlen(told), "%d%c ", (int)launch, end ? ')' : '(');
}

static void traces(fv_backend_kind backend) {
    fv_artifact *a;
    fv_log *log = fv_log_new();
    api_put(api_in_folder("two.fvir"), "fovea-ir 1\nfunc @main(%x: f32[4]) -> (%y) {\n"
                                       "  %a = Relu(%x) : f32[4] loc(\"first\")\n"
                                       "  %y = Neg(%a) : f32[4] loc(\"second\")\n  return %y\n}\n");
    fv_compile_options o = {.size = sizeof o, .backend = backend, .naive = 1, .level = '0'};
    cr_assert_eq(fv_compile(api_in_folder("two.fvir"), &o, log, &a), FV_OK, "%s", fv_log_text(log));
    const fv_model *m = fv_artifact_model(a);
    float x[4] = {1, -1, 2, -2}, y[4] = {0};
    const void *in[] = {x};
    void *out[] = {y};
    char told[64] = "";
    _Alignas(64) unsigned char work[256];
    fv_env env = {.size = sizeof env, .user = told, .trace = note};
    cr_assert_eq(m->nlaunches, 2);
    cr_expect_str_eq(m->launches[0].nodes, "first");
    cr_expect_str_eq(m->launches[1].nodes, "second");
    cr_expect_eq(a->run(a, NULL, in, out, NULL, work, sizeof work, &env), FV_OK);
    cr_expect_str_eq(told, "0( 0) 1( 1) ");
    cr_expect_eq(y[2], -2);
    fv_artifact_free(a);
    fv_log_free(log);
}

/* What a tracer was told, and the flag that it sets when the first launch has ended. */
typedef struct stopping {
    char told[64]; /* first, as note expects */
    int32_t cancel;
} stopping;

static void stop_after_first(void *user, int32_t launch, int32_t end) {
    stopping *s = user;
    note(s->told, launch, end);
    s->cancel = launch == 0 && end;
}

/* The same for launches of several tasks, and for a run that is cancelled between two of them. */
static void traces_tasks(fv_backend_kind backend) {
    enum { N = 10000 };
    static float x[N], y[N], z[N];
    fv_artifact *a;
    fv_log *log = fv_log_new();
    api_put(api_in_folder("apart.fvir"), "fovea-ir 1\nsymbol n 0..100000\nsymbol m 0..100000\n"
                                         "func @main(%x: f32[n], %z: f32[m]) -> (%a, %b) {\n"
                                         "  %a = Relu(%x)\n  %b = Neg(%z)\n  return %a, %b\n}\n");
    fv_compile_options o = {.size = sizeof o, .backend = backend};
    cr_assert_eq(fv_compile(api_in_folder("apart.fvir"), &o, log, &a), FV_OK, "%s",
                 fv_log_text(log));
    const void *in[] = {x, x};
    void *out[] = {y, z};
    _Alignas(64) unsigned char work[256];
    stopping s = {0};
    fv_env env = {.size = sizeof env, .user = &s, .trace = stop_after_first};
    x[N - 1] = 1;
    cr_assert_eq(fv_artifact_model(a)->nlaunches, 2);
    cr_expect_eq(a->run(a, (int64_t[]){N, N}, in, out, NULL, work, sizeof work, &env), FV_OK);
    cr_expect_str_eq(s.told, "0( 0) 1( 1) ");
    cr_expect_eq(y[N - 1] + z[N - 1], 0);
    s = (stopping){0};
    z[N - 1] = 5;
    env.cancel = &s.cancel;
    cr_expect_eq(a->run(a, (int64_t[]){N, N}, in, out, NULL, work, sizeof work, &env),
                 FV_CANCELLED);
    cr_expect_str_eq(s.told, "0( 0) ");
    cr_expect_eq(z[N - 1], 5);
    fv_artifact_free(a);
    fv_log_free(log);
}

Test(api, traces) {
    traces(FV_BACKEND_INTERP);
    traces(FV_BACKEND_C);
    traces_tasks(FV_BACKEND_INTERP);
    traces_tasks(FV_BACKEND_C);
    if (FV_HAVE_LLVM) {
        traces(FV_BACKEND_JIT);
        traces_tasks(FV_BACKEND_JIT);
    }
}

Test(api, files) {
    fv_log *log = fv_log_new();
    fv_artifact *a;
    cr_expect_eq(fv_compile_file(api_model, api_in_folder("x.c"), NULL, log), FV_OK);
    cr_expect_eq(access(api_in_folder("x.h"), F_OK), 0);
    cr_expect_eq(fv_compile_file(api_model, api_in_folder("x.fvk"), NULL, log), FV_OK);
    cr_expect_eq(fv_compile(api_in_folder("x.fvk"),
                            &(fv_compile_options){.size = sizeof(fv_compile_options),
                                                  .backend = FV_BACKEND_INTERP},
                            log, &a),
                 FV_OK, "%s", fv_log_text(log));
    api_gives(a);
    fv_artifact_free(a);
    if (FV_HAVE_LLVM && fv_target_runs_here(fv_target_find("x86-64-v3"))) {
        cr_expect_eq(fv_compile_file(api_model, api_in_folder("x.so"), NULL, log), FV_OK, "%s",
                     fv_log_text(log));
        cr_assert_eq(fv_load(api_in_folder("x.so"), log, &a), FV_OK, "%s", fv_log_text(log));
        api_gives(a);
        fv_artifact_free(a);
    }
    fv_log_free(log);
}

static void refuses(const char *path, fv_compile_options o, int status, const char *what) {
    fv_artifact *a = (fv_artifact *)&o;
    fv_log *log = fv_log_new();
    o.size = o.size ? o.size : sizeof o;
    cr_expect_eq(fv_compile(path, &o, log, &a), status);
    cr_expect_null(a);
    cr_expect(strstr(fv_log_text(log), what), "'%s' lacks '%s'", fv_log_text(log), what);
    fv_log_free(log);
}

typedef struct counts {
    int n[3]; /* of notes, warnings, errors */
} counts;

static void count_message(void *user, int severity, const char *line) {
    static const char *const words[] = {": note: ", ": warning: ", ": error: "};
    counts *c = user;
    cr_assert(severity >= FV_LOG_NOTE && severity <= FV_LOG_ERROR);
    cr_expect(strstr(line, words[severity]) && !strchr(line, '\n'), "%s", line);
    c->n[severity]++;
}

/* The function of a log gets each message of a compilation, with its severity. */
Test(api, log_that_is_watched) {
    const char *const passes[] = {"remove-dead", "legalise", NULL}, *const dims[] = {"n=500", NULL};
    fv_compile_options o = {.size = sizeof o, .backend = FV_BACKEND_INTERP, .passes = passes};
    fv_artifact *a;
    fv_log *log = fv_log_new();
    counts c = {0};
    fv_log_watch(log, count_message, &c);
    cr_assert_eq(fv_compile(api_model, &o, log, &a), FV_OK, "%s", fv_log_text(log));
    cr_expect(!c.n[FV_LOG_NOTE] && c.n[FV_LOG_WARNING] > 0 && !c.n[FV_LOG_ERROR]);
    o.dims = dims;
    fv_artifact_free(a);
    cr_expect_eq(fv_compile(api_model, &o, log, &a), FV_BAD_MODEL);
    cr_expect_eq(c.n[FV_LOG_ERROR], 1);
    fv_log_free(log);
}

/* Two products of one operand: with the preference "ram" each is used before the next one is
 * computed, which needs less workspace and changes no bit. */
Test(api, preferences) {
    enum { ROWS = 16, INNER = 64, COLUMNS = 2 };
    static const char *const preferences[] = {NULL, "time", "ram"};
    static float x[ROWS * ROWS], w[2][ROWS * INNER], k[INNER * COLUMNS], y[3][ROWS * COLUMNS];
    size_t bytes[3];
    fv_log *log = fv_log_new();
    api_put(api_in_folder("four.fvir"),
            "fovea-ir 1\nfunc @main(%x: f32[16, 16], %w: f32[16, 64], %v: f32[16, 64], "
            "%k: f32[64, 2]) -> (%y) {\n  %a = MatMul(%x, %w)\n  %b = MatMul(%x, %v)\n"
            "  %p = Softmax(%a) {axis = 0}\n  %q = Softmax(%b) {axis = 0}\n"
            "  %s = MatMul(%p, %k)\n  %t = MatMul(%q, %k)\n  %y = Sub(%s, %t)\n  return %y\n}\n");
    for (int i = 0; i < ROWS * INNER; i++) {
        x[i % (ROWS * ROWS)] = (float)(i % 13) / 8;
        k[i % (INNER * COLUMNS)] = (float)(i % 7) / 4;
        w[0][i] = (float)(i % 11) / 16;
        w[1][i] = (float)(i % 5) / 16;
    }
    const fv_array in[] = {{.type = 1, .rank = 2, .dims = {ROWS, ROWS}, .data = x},
                           {.type = 1, .rank = 2, .dims = {ROWS, INNER}, .data = w[0]},
                           {.type = 1, .rank = 2, .dims = {ROWS, INNER}, .data = w[1]},
                           {.type = 1, .rank = 2, .dims = {INNER, COLUMNS}, .data = k}};
    for (int i = 0; i < 3; i++) {
        fv_compile_options o = {
            .size = sizeof o, .backend = FV_BACKEND_INTERP, .prefer = preferences[i]};
        fv_artifact *a;
        cr_assert_eq(fv_compile(api_in_folder("four.fvir"), &o, log, &a), FV_OK, "%s",
                     fv_log_text(log));
        fv_array out = {0};
        cr_assert_eq(fv_artifact_plan(a, in, &out, &bytes[i], log), FV_OK);
        out.data = y[i];
        cr_assert_eq(fv_artifact_run(a, in, &out, NULL, log), FV_OK, "%s", fv_log_text(log));
        cr_expect_arr_eq(y[i], y[0], sizeof y[0]);
        fv_artifact_free(a);
    }
    cr_expect_eq(bytes[1], bytes[0]);
    cr_expect_lt(bytes[2], bytes[1]);
    fv_log_free(log);
}

Test(api, failures) {
    const char *const dims[] = {"n=101", NULL}, *const passes[] = {"legalize", NULL};
    const char *const needed[] = {"share", "legalise", NULL}, *const nothing[] = {"shares", NULL};
    refuses(api_in_folder("none.onnx"), (fv_compile_options){0}, FV_BAD_FILE, "none.onnx: error: ");
    refuses(api_model, (fv_compile_options){.target = "pdp-11"}, FV_BAD_ARGUMENT,
            "no target 'pdp-11'");
    refuses(api_model, (fv_compile_options){.level = '7'}, FV_BAD_ARGUMENT, "no level '7'");
    refuses(api_model, (fv_compile_options){.name = "a b"}, FV_BAD_ARGUMENT, "'a b'");
    refuses(api_model, (fv_compile_options){.prefer = "rma"}, FV_BAD_ARGUMENT, "'rma'");
    refuses(api_model, (fv_compile_options){.weights = "paper"}, FV_BAD_ARGUMENT, "'paper'");
    refuses(api_model, (fv_compile_options){.passes = passes}, FV_BAD_ARGUMENT,
            "no pass 'legalize'");
    refuses(api_model, (fv_compile_options){.disable = needed}, FV_BAD_ARGUMENT,
            "error: disable=legalise: it cannot be left out");
    refuses(api_model, (fv_compile_options){.enable = nothing}, FV_BAD_ARGUMENT,
            "error: enable=shares: there is no such pass or step");
    refuses(api_model, (fv_compile_options){.dims = dims}, FV_BAD_MODEL, "within 0..100");
    refuses(api_model, (fv_compile_options){.size = 5000}, FV_BAD_ARGUMENT, "size");
    api_put(api_in_folder("bad.fvir"),
            "fovea-ir 1\nmodule \"m\"\nfunc @main(%x: f32[2]) -> (%y) {\n"
            "  %y = Frobnicate(%x) : f32[2]\n  return %y\n}\n");
    refuses(api_in_folder("bad.fvir"), (fv_compile_options){0}, FV_BAD_MODEL, "bad.fvir:4:");
    cr_expect_eq(fv_compile_file(api_model, api_in_folder("x.txt"), NULL, NULL), FV_BAD_MODEL);
    cr_expect_neq(access(api_in_folder("x.txt"), F_OK), 0);
}

/* A tuning of the model's first kernel, for the target generic. */
static const char *put_tuning(const char *schedule) {
    static char path[80];
    char says[400];
    fv_session *s = fv_session_new();
    fv_door door;
    fv_choices all = {0};
    fv_source source;
    fv_driver_options o = {
        .target.of = fv_target_find("generic"), .level = '2', .answers.choices = &all};
    cr_assert(!FV_DOOR_OPEN(s, &door));
    cr_assert(fv_driver_read(s, api_model, &o, &source) && fv_driver_lower(s, &source, &o) &&
              all.n);
    snprintf(says, sizeof says,
             "fovea-tuning 1\nmodel \"%s\"\nproducer \"fovea %s\"\ntarget \"generic\"\ncpu "
             "\"\"\nkernel \"%s\" %s\nend\n",
             source.hash, FV_VERSION, all.at[0].key, schedule);
    fv_door_close(s, &door);
    fv_session_free(s);
    snprintf(path, sizeof path, "%s", api_in_folder("a.tuning"));
    api_put(path, says);
    return path;
}

Test(api, tunings) {
    fv_compile_options o = {
        .backend = FV_BACKEND_INTERP, .target = "generic", .tuning = api_in_folder("a.tuning")};
    refuses(api_model, o, FV_BAD_FILE, "a.tuning: error: ");
    o.tuning = put_tuning("contract {rows = 2, block = 8}");
    compiles(o);
    o.naive = 1;
    refuses(api_model, o, FV_BAD_ARGUMENT, "naive");
    o.naive = 0;
    o.tuning = put_tuning("contract {rows = 60}");
    refuses(api_model, o, FV_BAD_MODEL, "a.tuning:6:8: error: a tile ");
    o.tuning = put_tuning("map {task = 64}");
    refuses(api_model, o, FV_BAD_MODEL,
            "a.tuning:6:8: error: the kernel's schedule is 'contract', not 'map'");
    o.tuning = put_tuning("contract {rows = 2}");
    o.target = "x86-64-v3";
    refuses(api_model, o, FV_BAD_MODEL, "a.tuning:4:8: error: was made for another target");
}

/* Everything between a file and an artifact, where the nth allocation fails. */
static bool survives(int64_t nth) {
    fv_session *s = fv_session_new();
    fv_door door;
    fv_driver_options o = {.target.of = fv_target_find("x86-64-v3"), .level = '2'};
    if (FV_DOOR_OPEN(s, &door)) {
        fv_session_free(s);
        return false;
    }
    fv_session_fail_at(s, nth);
    fv_source source;
    cr_assert(fv_driver_read(s, api_model, &o, &source));
    fv_program *p = fv_driver_lower(s, &source, &o);
    cr_assert(p);
    fv_artifact *a = fv_driver_artifact(s, p, FV_BACKEND_INTERP, '2');
    cr_assert(a);
    fv_session_fail_at(s, 0);
    fv_artifact_free(a);
    fv_door_close(s, &door);
    fv_session_free(s);
    return true;
}

Test(api, out_of_memory, .timeout = 900) {
    int64_t nth = 1, step = 1;
    for (; !survives(nth); nth += step)
        step = nth < 200 ? 1 : nth / 50;
    cr_expect_gt(nth, 1000);
}

Test(api, version) {
    fv_artifact *a = NULL;
    cr_assert_eq(fv_compile(api_model, NULL, NULL, &a), FV_OK);
    cr_expect_str_eq(fv_version(), FV_VERSION);
    cr_expect(strstr(fv_artifact_model(a)->producer, fv_version()) != NULL);
    fv_artifact_free(a);
}

Test(api, nonsense_is_refused) {
    fv_artifact *a = (fv_artifact *)1;
    fv_log *log = fv_log_new();
    api_is_refused(fv_compile(NULL, NULL, log, &a), log, "no path");
    cr_expect_null(a);
    api_is_refused(fv_compile(api_model, NULL, log, NULL), log, "nowhere to compile to");
    api_is_refused(fv_compile_file(NULL, "x.c", NULL, log), log, "no model");
    api_is_refused(fv_compile_file(api_model, NULL, NULL, log), log, "no name");
    const fv_compile_options odd[] = {
        {.size = 0},
        {.size = 1},
        {.size = 4096},
        {.size = sizeof *odd, .level = '9'},
        {.size = sizeof *odd, .level = -1},
        {.size = sizeof *odd, .backend = (fv_backend_kind)77},
        {.size = sizeof *odd, .target = ""},
        {.size = sizeof *odd, .name = ""},
        {.size = sizeof *odd, .name = "a b"},
        {.size = sizeof *odd, .weights = "?"},
        {.size = sizeof *odd, .passes = (const char *const[]){"", NULL}}};
    for (size_t i = 0; i < sizeof odd / sizeof *odd; i++) {
        api_is_refused(fv_compile(api_model, &odd[i], log, &a), log, "options");
        if (i != 5) /* files have no backend */
            api_is_refused(fv_compile_file(api_model, api_in_folder("x.c"), &odd[i], log), log,
                           "options for a file");
    }
    cr_expect_eq(fv_compile(api_model, NULL, NULL, &a), FV_OK, "no log, no options");
    api_gives(a);
    fv_array x = {1, 2, {1, 2}, NULL, NULL}, y = {0}; /* no data */
    api_is_refused(fv_artifact_run(a, &x, &y, NULL, log), log, "an input without data");
    fv_artifact_free(a);
    fv_log_free(log);
}
