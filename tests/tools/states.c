/* states.c - states whose size does not change: an op that replaces rows of a cache writes them
 * into the memory of the input. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "backend/have.h"
#include "tools/driver/driver.h"

enum { MOST = 160, STEPS = 5, ROOM = 6 };

static char folder[] = "/tmp/fovea-states-XXXXXX", place[64];

static void begin(void) {
    cr_assert(mkdtemp(folder));
    setenv("FOVEA_CACHE_DIR", "", 1);
    snprintf(place, sizeof place, "%s/m.fvir", folder);
}

static void end(void) {
    unlink(place);
    cr_assert_eq(rmdir(folder), 0);
}

TestSuite(states, .init = begin, .fini = end);

static void put(const char *text) {
    FILE *f = fopen(place, "w");
    cr_assert(f);
    fputs(text, f);
    fclose(f);
}

/* Inputs: what is new, where it goes, the cache, and one that nobody writes; their dims, ended by
 * 0. Outputs: what is made of the cache, and the cache. */
typedef struct cached {
    const char *what, *text;
    int64_t dims[4][6];
    int axis; /* of the cache, of ROOM */
} cached;

static const cached models[] = {
    {"TensorScatter",
     "const @one: i64[] = 1\n"
     "func @main(%new: f32[2, 3, 1, 4], %at: i64[2], %past: f32[2, 3, room, 4], %o: f32[1]) -> "
     "(%y, %present) {\n"
     "  %present = TensorScatter(%past, %new, %at)\n  %y = Softmax(%present) {axis = 2}\n  return "
     "%y, %present\n}\n",
     {{2, 3, 1, 4}, {2}, {2, 3, ROOM, 4}, {1}},
     2},
    {"a window that wraps, of rows along the last axis",
     "func @main(%new: f32[2, 3, 4], %at: i64[2], %past: f32[2, 3, room], %o: f32[1]) -> (%y, "
     "%present) {\n"
     "  %present = TensorScatter(%past, %new, %at) {axis = 2, mode = \"circular\"}\n  %y = "
     "Neg(%present)\n  return %y, %present\n}\n",
     {{2, 3, 4}, {2}, {2, 3, ROOM}, {1}},
     2},
    {"more rows than there is room for",
     "func @main(%new: f32[2, 8, 1], %at: i64[2], %past: f32[2, room, 1], %o: f32[1]) -> (%y, "
     "%present) {\n"
     "  %present = TensorScatter(%past, %new, %at) {mode = \"circular\"}\n  %y = Neg(%present)\n  "
     "return %y, %present\n}\n",
     {{2, 8, 1}, {2}, {2, ROOM, 1}, {1}},
     1},
    {"rows that reach behind the end",
     "func @main(%new: f32[2, 4, 2], %at: i64[2], %past: f32[2, room, 2], %o: f32[1]) -> (%y, "
     "%present) {\n"
     "  %present = TensorScatter(%past, %new, %at)\n  %y = Neg(%present)\n  return %y, "
     "%present\n}\n",
     {{2, 4, 2}, {2}, {2, ROOM, 2}, {1}},
     1},
    {"all at the front",
     "func @main(%new: f32[2, 4, 2], %at: i64[2], %past: f32[2, room, 2], %o: f32[1]) -> (%y, "
     "%present) {\n"
     "  %present = TensorScatter(%past, %new)\n  %y = Neg(%present)\n  return %y, %present\n}\n",
     {{2, 4, 2}, {2}, {2, ROOM, 2}, {1}},
     1},
    {"ScatterND",
     "func @main(%new: f32[2, 5], %at: i64[2, 1], %past: f32[room, 5], %o: f32[1]) -> (%y, "
     "%present) {\n"
     "  %present = ScatterND(%past, %at, %new)\n  %y = Softmax(%present) {axis = 0}\n  return %y, "
     "%present\n}\n",
     {{2, 5}, {2, 1}, {ROOM, 5}, {1}},
     0},
    {"ScatterElements that adds",
     "func @main(%new: f32[2, 5], %at: i64[2, 5], %past: f32[room, 5], %o: f32[1]) -> (%y, "
     "%present) {\n"
     "  %present = ScatterElements(%past, %at, %new) {reduction = \"add\"}\n  %y = "
     "Softmax(%present) {axis = 1}\n  return %y, %present\n}\n",
     {{2, 5}, {2, 5}, {ROOM, 5}, {1}},
     0},
    {"a cache that is read in another shape",
     "const @rows: i64[2] = [-1, 10]\n"
     "func @main(%new: f32[2, 5], %at: i64[2, 1], %past: f32[room, 5], %o: f32[1]) -> (%y, "
     "%present) {\n"
     "  %present = ScatterND(%past, %at, %new)\n  %t = Reshape(%present, @rows)\n  %y = "
     "Softmax(%t)\n  return %y, %present\n}\n",
     {{2, 5}, {2, 1}, {ROOM, 5}, {1}},
     0},
    {"GroupQueryAttention",
     "const @one: i32[] = 1\n"
     "func @main(%new: f32[2, 1, 8], %at: i64[2], %past: f32[2, 1, room, 8], %o: f32[2, 1, room, "
     "8]) -> (%y, %present) {\n"
     "  %n = Cast(%at) {to = 6}\n  %last = ReduceMax(%n) {keepdims = 0}\n  %total = Add(%last, "
     "@one)\n"
     "  %y, %present = com.microsoft.GroupQueryAttention(%new, %new, %new, %past, %o, %n, %total) "
     "{num_heads = 1, kv_num_heads = 1}\n"
     "  return %y, %present\n}\n",
     {{2, 1, 8}, {2}, {2, 1, ROOM, 8}, {2, 1, ROOM, 8}},
     2},
};

static fv_array array_of(const int64_t *dims, int type, void *data) {
    fv_array x = {.type = type, .data = data};
    for (; dims[x.rank]; x.rank++)
        x.dims[x.rank] = dims[x.rank];
    return x;
}

static fv_artifact *compile(const cached *m, fv_backend_kind backend, bool naive, const char *state,
                            fv_log *log) {
    fv_artifact *a;
    char all[2000];
    snprintf(all, sizeof all, "fovea-ir 1\nsymbol room 1..64\n%s", m->text);
    put(all);
    fv_compile_options o = {.size = sizeof o,
                            .backend = backend,
                            .naive = naive,
                            .states = (const char *const[]){state, NULL}};
    cr_assert_eq(fv_compile(place, &o, log, &a), FV_OK, "%s: %s", m->what, fv_log_text(log));
    return a;
}

/* Steps of a run that copies the cache, and of one that writes in it. */
static void same_as_copied(const cached *m, fv_backend_kind backend, bool naive, const char *state,
                           int threads) {
    fv_log *log = fv_log_new();
    fv_artifact *copied = compile(m, backend, naive, "past=present", log),
                *placed = compile(m, backend, naive, state, log);
    float new[MOST], cache[MOST], own[MOST], other[MOST];
    int64_t at[16];
    for (int i = 0; i < MOST; i++) {
        cache[i] = own[i] = -(float)i / 16;
        other[i] = (float)(i % 11) / 4;
    }
    cr_expect_eq(fv_artifact_model(placed)->outputs[1].in_place, 1 + m->axis, "%s", m->what);
    cr_expect_str_eq(fv_artifact_model(placed)->outputs[1].capacity, "room");
    for (int step = 0; step < STEPS; step++) {
        fv_run_options o = {.size = sizeof o, .threads = threads};
        fv_array in[4] = {array_of(m->dims[0], FV_TYPE_FLOAT, new),
                          array_of(m->dims[1], FV_TYPE_INT64, at),
                          array_of(m->dims[2], FV_TYPE_FLOAT, own),
                          array_of(m->dims[3], FV_TYPE_FLOAT, other)},
                 want[2] = {0}, out[2] = {0};
        for (int i = 0; i < MOST; i++)
            new[i] = (float)((i * 7 + step * 13) % 17 - 8) / 8;
        for (int i = 0; i < 16; i++)
            at[i] = (step * 2 + i / (m->dims[1][1] ? (int)m->dims[1][1] : 1)) % ROOM;
        cr_assert_eq(fv_artifact_run(copied, in, want, &o, log), FV_OK, "%s: %s", m->what,
                     fv_log_text(log));
        in[2].data = cache;
        in[2].capacity = ROOM;
        in[2].axis = m->axis;
        cr_assert_eq(fv_artifact_run(placed, in, out, &o, log), FV_OK, "%s: %s", m->what,
                     fv_log_text(log));
        cr_expect_eq(out[1].data, cache);
        cr_expect_eq(out[1].dims[m->axis], ROOM);
        cr_expect_eq(memcmp(cache, want[1].data, fv_array_bytes(&want[1])), 0,
                     "%s, step %d: the cache", m->what, step);
        cr_expect_eq(memcmp(out[0].data, want[0].data, fv_array_bytes(&want[0])), 0, "%s, step %d",
                     m->what, step);
        cr_expect_eq(cache[fv_array_bytes(&want[1]) / sizeof *cache],
                     own[fv_array_bytes(&want[1]) / sizeof *own], "behind it");
        memcpy(own, want[1].data, fv_array_bytes(&want[1]));
        for (int i = 0; i < 2; i++)
            fv_array_free(&want[i]);
        fv_array_free(&out[0]);
    }
    fv_artifact_free(copied);
    fv_artifact_free(placed);
    fv_log_free(log);
}

Test(states, written_in_place) {
    for (size_t i = 0; i < sizeof models / sizeof *models; i++) {
        same_as_copied(&models[i], FV_BACKEND_INTERP, true, "past=present:room", 1);
        same_as_copied(&models[i], FV_BACKEND_INTERP, false, "past=present:6", 3);
        same_as_copied(&models[i], FV_BACKEND_C, false, "past=present:room", 2);
        for (int threads = 1; FV_HAVE_LLVM && threads <= 3; threads++)
            same_as_copied(&models[i], FV_BACKEND_JIT, false, "past=present:room", threads);
    }
}

/* Positions that no sum may overflow with. */
Test(states, windows_at_any_position) {
    const cached *m = &models[1];
    fv_log *log = fv_log_new();
    fv_artifact *copied = compile(m, FV_BACKEND_INTERP, false, "past=present", log);
    fv_artifact *placed = compile(m, FV_HAVE_LLVM ? FV_BACKEND_JIT : FV_BACKEND_INTERP, false,
                                  "past=present:room", log);
    float new[MOST], cache[MOST] = {0}, own[MOST] = {0}, other[1] = {0};
    int64_t at[2] = {INT64_MAX, INT64_MIN};
    for (int i = 0; i < MOST; i++)
        new[i] = (float)i;
    fv_array in[4] = {array_of(m->dims[0], FV_TYPE_FLOAT, new),
                      array_of(m->dims[1], FV_TYPE_INT64, at),
                      array_of(m->dims[2], FV_TYPE_FLOAT, own),
                      array_of(m->dims[3], FV_TYPE_FLOAT, other)},
             want[2] = {0}, out[2] = {0};
    cr_assert_eq(fv_artifact_run(copied, in, want, NULL, log), FV_OK, "%s", fv_log_text(log));
    in[2].data = cache;
    in[2].capacity = ROOM;
    in[2].axis = m->axis;
    cr_assert_eq(fv_artifact_run(placed, in, out, NULL, log), FV_OK, "%s", fv_log_text(log));
    cr_expect_eq(memcmp(cache, want[1].data, fv_array_bytes(&want[1])), 0);
    for (int i = 0; i < 2; i++)
        fv_array_free(&want[i]);
    fv_array_free(&out[0]);
    fv_artifact_free(copied);
    fv_artifact_free(placed);
    fv_log_free(log);
}

/* What a run refuses leaves the cache as it was. */
Test(states, refused_before_anything_is_written) {
    const cached *m = &models[sizeof models / sizeof *models - 1];
    fv_log *log = fv_log_new();
    fv_artifact *a = compile(m, FV_HAVE_LLVM ? FV_BACKEND_JIT : FV_BACKEND_INTERP, false,
                             "past=present:room", log);
    float new[MOST] = {1}, cache[MOST] = {2}, before[MOST] = {2}, other[MOST] = {3};
    int64_t at[2] = {1, -1};
    fv_array in[4] = {array_of(m->dims[0], FV_TYPE_FLOAT, new),
                      array_of(m->dims[1], FV_TYPE_INT64, at),
                      array_of(m->dims[2], FV_TYPE_FLOAT, cache),
                      array_of(m->dims[3], FV_TYPE_FLOAT, other)},
             out[2] = {0};
    in[2].capacity = ROOM;
    in[2].axis = m->axis;
    cr_expect_eq(fv_artifact_run(a, in, out, NULL, log), FV_BAD_INDEX);
    cr_expect_eq(memcmp(cache, before, sizeof cache), 0, "a length below 0");
    at[1] = ROOM; /* one more than the capacity */
    cr_expect_eq(fv_artifact_run(a, in, out, NULL, log), FV_BAD_DIM, "%s", fv_log_text(log));
    cr_expect_eq(memcmp(cache, before, sizeof cache), 0, "a length above the capacity");
    fv_array_free(&out[0]);
    fv_artifact_free(a);
    fv_log_free(log);
}

static void compiles(const char *text, const char *state, const char *message) {
    fv_artifact *a;
    fv_log *log = fv_log_new();
    put(text);
    fv_compile_options o = {.size = sizeof o,
                            .backend = FV_BACKEND_INTERP,
                            .states = (const char *const[]){state, NULL}};
    cr_expect_eq(fv_compile(place, &o, log, &a), *message ? FV_BAD_MODEL : FV_OK, "%s: %s", state,
                 fv_log_text(log));
    cr_expect(strstr(fv_log_text(log), message) != NULL, "%s: %s", state, fv_log_text(log));
    if (!*message)
        fv_artifact_free(a);
    fv_log_free(log);
}

static void refuses(const char *state, const char *message) {
    compiles("fovea-ir 1\nsymbol p 1..64\nsymbol q 1..64\n"
             "func @main(%new: f32[1, q], %at: i64[1, 1], %past: f32[p, q], %twice: f32[p, 4], "
             "%wide: f32[1, 4], %last: f32[5, q]) -> (%a, %b, %c, %d, %e) {\n"
             "  %a = ScatterND(%past, %at, %new)\n  %b = ScatterND(%twice, %at, %wide)\n  %c = "
             "Relu(%twice)\n"
             "  %n = Neg(%last)\n  %d = ScatterND(%n, %at, %new)\n  %e = ScatterND(%last, %at, "
             "%new)\n  return %a, %b, %c, %d, %e\n}\n",
             state, message);
}

Test(states, axis_of_the_capacity) {
    static const char concat[] =
        "fovea-ir 1\nsymbol b 1..64\nsymbol p 0..64\n"
        "func @main(%new: f32[b, 12, 1, 9], %past: f32[b, 12, p, 9]) -> (%y, %present) {\n"
        "  %present = Concat(%past, %new) {axis = 2}\n  %y = Neg(%present)\n  return %y, "
        "%present\n}\n";
    compiles(concat, "past=present:12", "");
    compiles(concat, "past=present:9", "");
    compiles(concat, "past=present:b", "");
    compiles(concat, "past=present:room", "");
    compiles(concat, "past=present:p",
             "the capacity p is what input 'past' has already, and output 'present' has more");
    static const char scatter[] = "fovea-ir 1\nsymbol b 1..64\nsymbol room 1..64\n"
                                  "func @main(%new: f32[b, 8, 1, 16], %at: i64[b], %past: f32[b, "
                                  "8, room, 16]) -> (%y, %present) {\n"
                                  "  %present = TensorScatter(%past, %new, %at)\n  %y = "
                                  "Neg(%present)\n  return %y, %present\n}\n";
    compiles(scatter, "past=present:32", "");
    compiles(scatter, "past=present:room", "");
    compiles(scatter, "past=present:16", ""); /* that is room, not the size of a head */
    compiles(scatter, "past=present:b", "which of its dims is the capacity? None is b");
    compiles("fovea-ir 1\nsymbol n 1..64\nfunc @main(%new: f32[1, 4], %at: i64[1, 1], %past: f32[2 "
             "* n + 2, 4]) -> (%present) {\n"
             "  %present = ScatterND(%past, %at, %new)\n  return %present\n}\n",
             "past=present:8",
             "the capacity of input 'past' is n * 2 + 2, expected a number or a symbol");
}

Test(states, that_cannot_be_in_place) {
    refuses("past=a:p", "");
    refuses("past=a:q", "");
    refuses("past=a:12", "input 'past' is f32[p, q], as large as its output; which of its dims is "
                         "the capacity? None is 12");
    refuses("past=a:room", "which of its dims is the capacity? None is room");
    refuses("twice=b:p", "and more reads the input");
    refuses("twice=b:12", "and more reads the input");
    refuses("last=e:5", "and more reads the input");
    refuses("last=d:5", "whose first operand is not the input");
}
