/* test_program.c - host programs: the order of checks, memory, control, and the values written to
 * out_dims. Every consumer of this build must do the same (backend/consumer/consumer.h). */
#include <criterion/criterion.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backend/consumer/protocol.h"
#include "backend/expand/expand.h"
#include "ir/base/diag.h"
#include "ir/kernel/parse.h"
#include "ir/kernel/program_print.h"
#include "ir/kernel/verify.h"
#include "tests/consumers/consumers.h"

static fv_session *session;
static fv_arena *arena;

static void set_up(void) {
    session = fv_session_new();
    arena = fv_arena_new(session);
}

static void tear_down(void) {
    fv_session_free(session);
}

TestSuite(program, .init = set_up, .fini = tear_down);

static void show_messages(void) {
    for (const fv_message *m = fv_messages(session); m; m = m->next)
        fprintf(stderr, "%s\n", fv_message_str(arena, m));
}

/* The programs are written for no target in particular, and expanded for one that runs here. */
static fv_program *program(const char *text) {
    fv_program *p = fv_program_parse(arena, text, NULL);
    show_messages();
    cr_assert(p, "%s", text);
    cr_assert(fv_program_verify(session, p), "%s", text);
    fv_program_expand(p);
    cr_assert(fv_program_verify(session, p), "%s", text); /* with the protocol that it has now */
    return p;
}

#define FOR_EACH_CONSUMER(p, o)                                                                    \
    for (const consumer *c = consumers(); c->name; c++)                                            \
        for (opened *o = open_program(c, p); o; o->close(o), o = NULL)

static opened *open_program(const consumer *c, const fv_program *p) {
    opened *o = c->open(arena, p);
    if (!o)
        show_messages();
    cr_assert(o, "%s does not open the program", c->name);
    return o;
}

/* ---- a chain of two kernels through the workspace ---- */

static const char *const chain = "fovea-program 1\n"
                                 "name m\n"
                                 "target \"generic\"\n"
                                 "symbol n as n in 0..100\n"
                                 "symbol k as k in 1..9\n"
                                 "plan {\n"
                                 "  let bytes = (n * 4 + 63) floordiv 64 * 64\n"
                                 "  check n * 4 != k, BAD_DIM, \"k is four times n\"\n"
                                 "}\n"
                                 "workspace bytes * 2\n"
                                 "constant \"two\" hex \"00000040\"\n"
                                 "buffer x: f32[n] input 0\n"
                                 "buffer y: f32[n] output 0\n"
                                 "buffer two: f32[1] const 0\n"
                                 "buffer t: f32[n] work at bytes bytes n * 4\n"
                                 "input x = \"x\" as x: f32[n] extents [n]\n"
                                 "output y = \"y\" as y: f32[n] extents [n]\n"
                                 "kernel scale(A: f32[n], B: f32[1], out C: f32[n]; n) {\n"
                                 "  for i < n { C[i] = A[i] * B[0] }\n"
                                 "}\n"
                                 "kernel shift(A: f32[n], out C: f32[n]; n, k) {\n"
                                 "  for i < n { C[i] = A[i] + f32(k) }\n"
                                 "}\n"
                                 "run {\n"
                                 "  check k != 7, BAD_DIM, \"k is 7\"\n"
                                 "  launch scale(x, two, t; n)\n"
                                 "  launch shift(t, y; n, k)\n"
                                 "}\n";

Test(program, launches_and_workspace) {
    fv_program *p = program(chain);
    FOR_EACH_CONSUMER(p, o) {
        float x[5] = {1, 2, 3, 4, 5}, y[5] = {0};
        _Alignas(64) char work[128];
        size_t need = 1;
        int64_t dims[2] = {5, 3}, out_dims[2] = {0, 0};
        cr_expect_eq(o->plan(o, dims, &need, out_dims), FV_OK);
        cr_expect_eq(need, 128);
        cr_expect_eq(out_dims[0], 5);
        cr_expect_eq(out_dims[1], 5);
        out_dims[0] = out_dims[1] = -1;
        int status =
            o->run(o, dims, (const void *[]){x}, (void *[]){y}, out_dims, work, need, NULL);
        cr_expect_eq(status, FV_OK, "%s: %d", c->name, status);
        cr_expect_eq(out_dims[1], 5);
        for (int i = 0; i < 5; i++)
            cr_expect_eq(y[i], 2 * x[i] + 3);
    }
}

/* ---- vectors that are stored lane by lane ---- */

static const char *const scattered =
    "fovea-program 1\n"
    "name m\n"
    "target \"generic\"\n"
    "workspace 0\n"
    "buffer x: f32[8] input 0\n"
    "buffer y: f32[8, 2] output 0\n"
    "buffer z: bool[8] output 1\n"
    "input x = \"x\" as x: f32[8] extents [8]\n"
    "output y = \"y\" as y: f32[8, 2] extents [8, 2]\n"
    "output z = \"z\" as z: bool[8] extents [8]\n"
    "kernel spread(A: f32[8], out C: f32[8, 2], out D: bool[8]) {\n"
    "  tile t: f32[8, 2]\n"
    "  t[ramp8(0), 1] = A[0:8] + splat8(1.0)\n"
    "  C[ramp8(0), 0] = A[0:8]\n"
    "  C[splat8(7) - ramp8(0), 1] = splat8(0.0)\n"
    "  C[ramp8(0), 1] = t[ramp8(0), 1] if ramp8(0) < 3\n"
    "  D[splat8(7) - ramp8(0)] = A[0:8] < splat8(3.0)\n"
    "  D[ramp8(0)] = A[0:8] < splat8(0.0) if ramp8(0) == 7\n"
    "}\n"
    "run {\n"
    "  launch spread(x, y, z)\n"
    "}\n";

Test(program, scattered_stores) {
    fv_program *p = program(scattered);
    FOR_EACH_CONSUMER(p, o) {
        float x[8] = {1, 2, 3, 4, 5, 6, 7, 8}, y[16] = {0};
        bool z[8] = {false};
        int status = o->run(o, NULL, (const void *[]){x}, (void *[]){y, z}, NULL, NULL, 0, NULL);
        cr_expect_eq(status, FV_OK, "%s: %d", c->name, status);
        for (int i = 0; i < 8; i++) {
            cr_expect_eq(y[2 * i], x[i], "%s: y[%d, 0]", c->name, i);
            cr_expect_eq(y[2 * i + 1], i < 3 ? x[i] + 1 : 0, "%s: y[%d, 1]", c->name, i);
            cr_expect_eq(z[i], i == 6, "%s: z[%d]", c->name, i);
        }
    }
}

/* ---- tiles that are filled ---- */

/* A kernel that fills tiles, changes one element of each, and stores their sums. The tiles have
 * many elements and few, zeros and other values, and numbers of elements that fill whole vectors
 * and that do not. */
static const char *const filled =
    "fovea-program 1\n"
    "name m\n"
    "target \"%s\"\n"
    "workspace 0\n"
    "buffer x: i32[1] input 0\n"
    "buffer y: f64[8] output 0\n"
    "input x = \"x\" as x: i32[1] extents [1]\n"
    "output y = \"y\" as y: f64[8] extents [8]\n"
    "kernel fill(A: i32[1], out C: f64[8]) {\n"
    "  let at = min(max(i64(A[0]), 0), 99)\n"
    "  for again < 2 {\n"
    "    tile few: f32[10, 10] = 0.0\n"
    "    tile zeros: i32[12, 32] = 0\n"
    "    tile many: f32[100, 20] = 0.0\n"
    "    tile rest: i16[301] = 7\n"
    "    tile whole: i16[320] = 7\n"
    "    tile floats: f32[512] = 0.5\n"
    "    tile flags: bool[300] = true\n"
    "    tile lanes: f32x4[300] = 2.0\n"
    "    few[at floordiv 10, 3] = 1.0\n"
    "    zeros[5, at floordiv 4] = 1\n"
    "    many[at, 3] = 1.0\n"
    "    rest[at + 201] = i16(8)\n"
    "    whole[at] = i16(8)\n"
    "    floats[at] = 1.5\n"
    "    flags[at] = false\n"
    "    lanes[at] = splat4(3.0)\n"
    "    tile sum: f64[8] = 0.0\n"
    "    for i < 10 { for j < 10 { sum[0] = sum[0] + f64(few[i, j]) } }\n"
    "    for i < 12 { for j < 32 { sum[1] = sum[1] + f64(zeros[i, j]) } }\n"
    "    for i < 100 { for j < 20 { sum[2] = sum[2] + f64(many[i, j]) } }\n"
    "    for i < 301 { sum[3] = sum[3] + f64(rest[i]) }\n"
    "    for i < 320 { sum[4] = sum[4] + f64(whole[i]) }\n"
    "    for i < 512 { sum[5] = sum[5] + f64(floats[i]) }\n"
    "    for i < 300 { sum[6] = sum[6] + select(flags[i], f64(1.0), f64(0.0)) }\n"
    "    tile four: f32x4 = 0.0\n"
    "    for i < 300 { four = four + lanes[i] }\n"
    "    tile each: f32[4]\n"
    "    each[0:4] = four\n"
    "    sum[7] = f64(each[3])\n"
    "    for i < 8 { C[i] = sum[i] }\n"
    "  }\n"
    "}\n"
    "run {\n"
    "  launch fill(x, y)\n"
    "}\n";

Test(program, tiles_that_are_filled) {
    const double expected[8] = {1, 1, 1, 7 * 301 + 1, 7 * 320 + 1, 0.5 * 512 + 1, 299, 2 * 300 + 1};
    const char *targets[] = {"generic", "native"};
    for (int t = 0; t < 2; t++) {
        fv_program *p = program(fv_printf(arena, filled, targets[t]));
        FOR_EACH_CONSUMER(p, o) {
            const int32_t x[1] = {99};
            double y[8] = {0};
            int status = o->run(o, NULL, (const void *[]){x}, (void *[]){y}, NULL, NULL, 0, NULL);
            cr_expect_eq(status, FV_OK, "%s: %d", c->name, status);
            for (int i = 0; i < 8; i++)
                cr_expect_eq(y[i], expected[i], "%s, %s: y[%d] is %g", c->name, targets[t], i,
                             y[i]);
        }
    }
}

/* ---- the protocol, as a text says it ---- */

/* A text is refused if it checks its caller less than the protocol requires, or reports something
 * else, even if the verifier can prove the rest. */
Test(program, protocol_of_a_text) {
    static const struct {
        const char *from, *to;
    } changes[] = {
        {"check 0 <= n_given && n_given <= 100, ", "check 0 <= n_given && n_given <= 99, "},
        {"setworkspace bytes * 2", "setworkspace bytes"},
        {"setcapacity y = n", "setcapacity y = n + 1"},
        {"setcapacity y = n\n", ""},
        {"setdim y[0] = n", "setdim y[0] = 1"},
        {"  check n == 0 || x_fits, BAD_ARGUMENT, \"input 'x'\"\n", ""},
        {"aligned inputs[x] 4", "aligned inputs[x] 2"},
        {"  read env_given = given env\n", ""},
    };
    fv_text t = {.arena = arena};
    fv_program_print_whole(&t, program(chain));
    cr_expect(fv_program_keeps_protocol(session, fv_program_parse(arena, t.s, NULL)), "%s", t.s);
    for (size_t i = 0; i < sizeof changes / sizeof *changes; i++) {
        const char *at = strstr(t.s, changes[i].from);
        cr_assert(at, "'%s' is not in\n%s", changes[i].from, t.s);
        int before = (int)(at - t.s);
        const char *text =
            fv_printf(arena, "%.*s%s%s", before, t.s, changes[i].to, at + strlen(changes[i].from));
        fv_program *p = fv_program_parse(arena, text, NULL);
        cr_expect(!p || !fv_program_keeps_protocol(session, p), "%s", text);
    }
}

Test(program, bad_arguments) {
    fv_program *p = program(chain);
    FOR_EACH_CONSUMER(p, o) {
        _Alignas(64) float x[101] = {0}, y[101] = {0};
        _Alignas(64) char work[1024];
        const void *in[] = {x}, *no_in[] = {NULL}, *odd_in[] = {(char *)x + 2};
        void *out[] = {y}, *no_out[] = {NULL};
        int64_t d[2] = {5, 3}, empty[2] = {0, 3}, large[2] = {101, 3}, small[2] = {5, 0},
                seven[2] = {5, 7}, four[2] = {1, 4};
        fv_env env = {.size = sizeof env}, unknown = {.size = 7};
        int32_t flag = 1;
        fv_env cancelled = {.size = sizeof cancelled, .cancel = &flag};
        cr_expect_eq(o->run(o, d, in, out, NULL, work, 128, &env), FV_OK);
        cr_expect_eq(o->run(o, d, in, out, NULL, work, 128, &unknown), FV_BAD_ARGUMENT);
        cr_expect_eq(o->run(o, NULL, in, out, NULL, work, 128, NULL), FV_BAD_ARGUMENT);
        cr_expect_eq(o->run(o, large, in, out, NULL, work, 1024, NULL), FV_BAD_DIM);
        cr_expect_eq(o->run(o, small, in, out, NULL, work, 1024, NULL), FV_BAD_DIM);
        cr_expect_eq(o->run(o, seven, in, out, NULL, work, 1024, NULL), FV_BAD_DIM);
        cr_expect_eq(o->run(o, four, NULL, NULL, NULL, NULL, 0, NULL), FV_BAD_DIM);
        cr_expect_eq(o->run(o, d, NULL, out, NULL, work, 128, NULL), FV_BAD_ARGUMENT);
        cr_expect_eq(o->run(o, d, in, NULL, NULL, work, 128, NULL), FV_BAD_ARGUMENT);
        cr_expect_eq(o->run(o, d, no_in, out, NULL, work, 128, NULL), FV_BAD_ARGUMENT);
        cr_expect_eq(o->run(o, d, in, no_out, NULL, work, 128, NULL), FV_BAD_ARGUMENT);
        cr_expect_eq(o->run(o, d, odd_in, out, NULL, work, 128, NULL), FV_BAD_ARGUMENT);
        cr_expect_eq(o->run(o, empty, no_in, no_out, NULL, NULL, 0, NULL), FV_OK);
        cr_expect_eq(o->run(o, d, in, out, NULL, work, 127, NULL), FV_TOO_SMALL);
        cr_expect_eq(o->run(o, d, in, out, NULL, work + 32, 128, NULL), FV_BAD_ARGUMENT);
        cr_expect_eq(o->run(o, d, in, out, NULL, NULL, 128, NULL), FV_BAD_ARGUMENT);
        cr_expect_eq(o->run(o, d, in, out, NULL, work, 128, &cancelled), FV_CANCELLED);
        size_t need = 77;
        cr_expect_eq(o->plan(o, large, NULL, NULL), FV_BAD_DIM);
        cr_expect_eq(o->plan(o, four, &need, NULL), FV_BAD_DIM);
        cr_expect_eq(need, 77);
        cr_expect_eq(o->plan(o, d, NULL, NULL), FV_OK);
    }
}

/* An env of that many bytes, at the end of its memory. */
static fv_env *env_of_size(const fv_env *from, size_t size) {
    fv_env *env = malloc(size);
    memcpy(env, from, size < sizeof *from ? size : sizeof *from);
    memset((char *)env + sizeof *from, 0xa5, size > sizeof *from ? size - sizeof *from : 0);
    memcpy(env, &size, sizeof size);
    return env;
}

Test(program, env_of_other_versions) {
    fv_program *p = program(chain);
    FOR_EACH_CONSUMER(p, o) {
        _Alignas(64) float x[5] = {0}, y[5] = {0};
        _Alignas(64) char work[128];
        int64_t d[2] = {5, 3};
        int32_t flag = 1;
        const fv_env all = {.cancel = &flag};
        static const struct {
            size_t size;
            int status;
        } cases[] = {
            {sizeof(size_t), FV_OK},
            {offsetof(fv_env, cancel), FV_OK}, /* is as if it were not given */
            {offsetof(fv_env, cancel) + 4, FV_OK},
            {offsetof(fv_env, trace), FV_CANCELLED},
            {sizeof(fv_env), FV_CANCELLED},
            {sizeof(fv_env) + 8, FV_CANCELLED},
            {sizeof(fv_env) + 1000, FV_CANCELLED},
        };
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
            fv_env *env = env_of_size(&all, cases[i].size);
            int status = o->run(o, d, (const void *[]){x}, (void *[]){y}, NULL, work, 128, env);
            cr_expect_eq(status, cases[i].status, "%s: env of %zu bytes: %d", c->name,
                         cases[i].size, status);
            free(env);
        }
        fv_env nonsense = {.size = 0};
        cr_expect_eq(o->run(o, d, (const void *[]){x}, (void *[]){y}, NULL, work, 128, &nonsense),
                     FV_BAD_ARGUMENT);
    }
}

Test(program, sizes_that_cannot_be) {
    fv_program *p = program("fovea-program 1\n"
                            "name m\n"
                            "target \"generic\"\n"
                            "symbol n as n in 0..1099511627776\n"
                            "plan {\n}\n"
                            "workspace mulsat(n, mulsat(n, 64))\n"
                            "buffer x: f32[n - 2, n, n] input 0\n"
                            "buffer y: f32[1] output 0\n"
                            "input x = \"x\" as x: f32[n - 2, n, n] extents [n - 2, n, n]\n"
                            "output y = \"y\" as y: f32[1] extents [1]\n"
                            "run {\n}\n");
    FOR_EACH_CONSUMER(p, o) {
        size_t need = 77;
        float x[9] = {0}, y[1];
        int64_t n = INT64_C(1) << 40;
        cr_expect_eq(o->plan(o, &n, &need, NULL), FV_TOO_LARGE);
        n = 1 << 24; /* the input alone */
        cr_expect_eq(o->plan(o, &n, &need, NULL), FV_TOO_LARGE);
        n = 1;
        cr_expect_eq(o->plan(o, &n, &need, NULL), FV_BAD_DIM);
        cr_expect_eq(o->run(o, &n, (const void *[]){x}, (void *[]){y}, NULL, NULL, 0, NULL),
                     FV_BAD_DIM);
        cr_expect_eq(need, 77);
    }
}

/* A sum that saturated, rounded down to a multiple of 64. */
Test(program, a_workspace_that_cannot_be) {
    static const char *const sizes[] = {"symbol n as n in 0..4\nplan { let end = addsat(mulsat(n, "
                                        "4611686018427387904), 63) & -64 }\nworkspace end\n",
                                        "plan { }\nworkspace 9223372036854775744\n"};
    for (int i = 0; i < 2; i++) {
        fv_program *p = program(fv_printf(arena,
                                          "fovea-program 1\nname m\ntarget \"generic\"\n%s"
                                          "buffer y: f32[1] output 0\n"
                                          "output y = \"y\" as y: f32[1] extents [1]\nrun {\n}\n",
                                          sizes[i]));
        FOR_EACH_CONSUMER(p, o) {
            size_t need = 77;
            int64_t n = 2;
            cr_expect_eq(o->plan(o, &n, &need, NULL), FV_TOO_LARGE);
            cr_expect_eq(need, 77);
            cr_expect_eq(o->run(o, &n, NULL, (void *[]){&(float){0}}, NULL, NULL, 0, NULL),
                         FV_TOO_LARGE);
        }
    }
}

/* ---- sizes that depend on data ---- */

static const char *const positives =
    "fovea-program 1\n"
    "name m\n"
    "target \"generic\"\n"
    "allocator\n"
    "symbol n as n in 0..1000\n"
    "unknown found in 0..1000\n"
    "plan {\n}\n"
    "workspace 64\n"
    "buffer x: i32[n] input 0\n"
    "buffer y: i32[n] output 0\n"
    "buffer count: i64[1] work at 0 bytes 8\n"
    "input x = \"x\" as x: i32[n] extents [n]\n"
    "output y = \"y\" as y: i32[found] extents [?] capacity room\n"
    "kernel count_them(X: i32[n], out C: i64[1]; n) {\n"
    "  tile k: i64 = 0\n"
    "  for i < n { if 0 < X[i] { k = k + 1 } }\n"
    "  C[0] = k\n"
    "}\n"
    "kernel take(X: i32[n], out T: i32[m]; n, m) {\n"
    "  tile k: i64 = 0\n"
    "  for i < n { if 0 < X[i] { T[k] = X[i]  k = k + 1 } }\n"
    "}\n"
    "kernel copy(T: i32[m], out Y: i32[m]; m) {\n"
    "  for i < m { let ok = require(T[i] != 13)  Y[i] = T[i] }\n"
    "}\n"
    "run {\n"
    "  launch count_them(x, count; n)\n"
    "  let found = count[0]\n"
    "  alloc t: i32[found] bytes found * 4\n"
    "  setdim y[0] = found\n"
    "  check found <= room, TOO_SMALL, \"capacity of output 'y'\"\n"
    "  launch take(x, t; n, found)\n"
    "  launch copy(t, y; found)\n"
    "  free t\n"
    "}\n";

typedef struct heap {
    int calls, live;
    bool empty;
} heap;

static void *heap_alloc(void *user, size_t bytes) {
    heap *h = user;
    h->calls++;
    if (h->empty)
        return NULL;
    h->live++;
    return aligned_alloc(64, (bytes + 63) / 64 * 64);
}

static void heap_free(void *user, void *p) {
    ((heap *)user)->live--;
    free(p);
}

Test(program, sizes_from_data) {
    fv_program *p = program(positives);
    FOR_EACH_CONSUMER(p, o) {
        heap h = {0, 0, false};
        fv_env env = {.size = sizeof env, .user = &h, .alloc = heap_alloc, .free = heap_free};
        int32_t x[6] = {3, -1, 0, 13, -5, 7}, y[6] = {0};
        const void *in[] = {x};
        void *out[] = {y};
        _Alignas(64) char work[64];
        int64_t n = 6, out_dims[2] = {6, -1};
        cr_expect_eq(o->plan(o, &n, NULL, out_dims), FV_OK);
        cr_expect_eq(out_dims[0], 1000);
        cr_expect_eq(out_dims[1], 1000);
        out_dims[0] = 2; /* too few */
        cr_expect_eq(o->run(o, &n, in, out, out_dims, work, 64, &env), FV_TOO_SMALL);
        cr_expect_eq(out_dims[1], 3);
        cr_expect_eq(h.live, 0, "%s", c->name);
        out_dims[0] = 6;
        cr_expect_eq(o->run(o, &n, in, out, out_dims, work, 64, &env), FV_BAD_INDEX); /* 13 */
        cr_expect_eq(h.live, 0, "%s", c->name);
        x[3] = 14;
        cr_expect_eq(o->run(o, &n, in, out, out_dims, work, 64, &env), FV_OK);
        cr_expect_eq(out_dims[1], 3);
        cr_expect(y[0] == 3 && y[1] == 14 && y[2] == 7);
        cr_expect_eq(h.live, 0, "%s", c->name);
        cr_expect_eq(o->run(o, &n, in, out, NULL, work, 64, &env), FV_BAD_ARGUMENT);
        cr_expect_eq(o->run(o, &n, in, out, out_dims, work, 64, NULL), FV_NO_MEMORY);
        h = (heap){0, 0, true};
        cr_expect_eq(o->run(o, &n, in, out, out_dims, work, 64, &env), FV_NO_MEMORY);
        fv_env *old = env_of_size(&env, offsetof(fv_env, free));
        cr_expect_eq(o->run(o, &n, in, out, out_dims, work, 64, old), FV_NO_MEMORY);
        free(old);
        h = (heap){0, 0, false};
        n = 0; /* nothing to allocate */
        cr_expect_eq(o->run(o, &n, in, (void *[]){NULL}, (int64_t[]){0, 0}, work, 64, &env), FV_OK);
        cr_expect_eq(h.calls, 0, "%s", c->name);
    }
}

/* ---- control in the run ---- */

Test(program, loops_and_branches) {
    fv_program *p = program("fovea-program 1\n"
                            "name m\n"
                            "target \"generic\"\n"
                            "symbol n as n in 0..1000\n"
                            "plan {\n}\n"
                            "workspace 64\n"
                            "buffer s: i64[2] work at 0 bytes 16\n"
                            "buffer y: i64[2] output 0\n"
                            "output y = \"y\" as y: i64[2] extents [2]\n"
                            "kernel set(inout S: i64[2]; a, b in -9..1000) {\n"
                            "  S[0] = a\n"
                            "  S[1] = b\n"
                            "}\n"
                            "kernel copy(S: i64[2], out Y: i64[2]) {\n"
                            "  for i < 2 { Y[i] = S[i] }\n"
                            "}\n"
                            "run {\n"
                            "  launch set(s; n, 0)\n"
                            "  while s[0] > 1 {\n"
                            "    let x = s[0]\n"
                            "    if x mod 2 == 0 {\n"
                            "      launch set(s; x floordiv 2, s[1] + 1)\n"
                            "    } else {\n"
                            "      launch set(s; 3 * x + 1, s[1] + 1)\n"
                            "    }\n"
                            "  }\n"
                            "  for i = 1 to n step 2 {\n"
                            "    launch set(s; s[0] + i, s[1])\n"
                            "  }\n"
                            "  launch copy(s, y)\n"
                            "}\n");
    FOR_EACH_CONSUMER(p, o) {
        int64_t n = 7, y[2] = {0, 0};
        _Alignas(64) char work[64];
        int status = o->run(o, &n, NULL, (void *[]){y}, NULL, work, 64, NULL);
        cr_expect_eq(status, FV_OK, "%s: %d %s", c->name, status, o->fault(o));
        cr_expect_eq(y[0], 1 + 1 + 3 + 5, "%s", c->name);
        cr_expect_eq(y[1], 16, "%s", c->name);
    }
}

/* ---- metadata ---- */

Test(program, table_of_the_model) {
    const fv_model *m = fv_program_model(arena, program(positives), NULL);
    cr_expect_eq(m->abi, 2);
    cr_expect_eq(m->size, sizeof *m);
    cr_expect_str_eq(m->name, "m");
    cr_expect_str_eq(m->target, "generic");
    cr_expect_eq(m->uses_allocator, 1);
    cr_assert_eq(m->nsymbols, 1);
    cr_expect_str_eq(m->symbols[0].name, "n");
    cr_expect_eq(m->symbols[0].hi, 1000);
    cr_assert(m->ninputs == 1 && m->noutputs == 1);
    cr_expect_str_eq(m->inputs[0].dims[0], "n");
    cr_expect_eq(m->inputs[0].type, 6);
    cr_expect_eq(m->inputs[0].depends_on_data, 0);
    cr_expect_str_eq(m->outputs[0].dims[0], "found");
    cr_expect_eq(m->outputs[0].depends_on_data, 1);
}
