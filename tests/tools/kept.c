/* kept.c - fv_states: values of states that are kept from run to run, as compiled library, as code
 * in memory and by the interpreter. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backend/have.h"
#include "tools/driver/driver.h"

enum { BATCH = 2, FEATURES = 3, ROOM = 4 };

/* A cache that grows along the middle axis, and a sum that keeps its size. */
static const char text[] =
    "fovea-ir 1\nmodule \"kept\"\nsymbol b 1..8\nsymbol p 0..64\nsymbol n 1..8\n"
    "const @axes: i64[1] = [1]\n"
    "func @main(%x: f32[b, n, 3], %past: f32[b, p, 3], %total: f32[b, 3]) -> (%y, %present, %next) "
    "{\n"
    "  %present = Concat(%past, %x) {axis = 1}\n"
    "  %s = ReduceSum(%x, @axes) {keepdims = 0}\n  %next = Add(%total, %s)\n"
    "  %y = ReduceSum(%present, @axes) {keepdims = 0}\n  return %y, %present, %next\n}\n";
static const char *const copied[] = {"past=present", "total=next", NULL};
static const char *const in_place[] = {"past=present:room", "total=next", NULL};
static const char *const fixed[] = {"past=present:4", "total=next", NULL};

static char folder[] = "/tmp/fovea-kept-XXXXXX";

static void begin(void) {
    cr_assert(mkdtemp(folder));
    setenv("FOVEA_CACHE_DIR", "", 1);
}

static void end(void) {
    char command[100];
    snprintf(command, sizeof command, "rm -rf %s", folder);
    cr_assert_eq(system(command), 0);
}

TestSuite(kept, .init = begin, .fini = end, .timeout = 100);

static fv_artifact *compiled(fv_backend_kind backend, const char *const *states) {
    fv_artifact *a = NULL;
    fv_log *log = fv_log_new();
    fv_compile_options o = {.size = sizeof o, .backend = backend, .states = states};
    int status = fv_compile_bytes(text, strlen(text), "kept.fvir", NULL, &o, log, &a);
    cr_assert_eq(status, FV_OK, "%s", fv_log_text(log));
    fv_log_free(log);
    return a;
}

static fv_artifact *loaded(const char *const *states) {
    char path[64];
    fv_artifact *a = NULL;
    fv_log *log = fv_log_new();
    fv_compile_options o = {.size = sizeof o, .target = "native", .states = states};
    snprintf(path, sizeof path, "%s/libkept.so", folder);
    int status = fv_compile_bytes_file(text, strlen(text), "kept.fvir", NULL, path, &o, log);
    status = status ? status : fv_load(path, log, &a);
    cr_assert_eq(status, FV_OK, "%s", fv_log_text(log));
    fv_log_free(log);
    return a;
}

static fv_states *states_of(fv_artifact *a, const char *room) {
    const char *const dims[] = {"b=2", room, NULL};
    fv_states *s = NULL;
    fv_log *log = fv_log_new();
    cr_assert_eq(fv_states_new(a, dims, log, &s), FV_OK, "%s", fv_log_text(log));
    fv_log_free(log);
    return s;
}

static fv_array array_of(int rank, int64_t rows, float *data) {
    fv_array x = {
        .type = FV_TYPE_FLOAT, .rank = rank, .dims = {BATCH, rows, FEATURES}, .data = data};
    if (rank == 2)
        x.dims[1] = FEATURES;
    return x;
}

/* One run with n rows, all of whose elements are `value`. *y: the first element of the result. */
static int step(fv_states *s, int64_t n, float value, float *y, fv_array *present, fv_log *log) {
    float x[BATCH * 8 * FEATURES];
    for (int i = 0; i < BATCH * 8 * FEATURES; i++)
        x[i] = value;
    fv_array in[3] = {array_of(3, n, x)}, out[3] = {{0}};
    int status = fv_states_run(s, in, out, NULL, log);
    if (status)
        return status;
    *y = *(float *)out[0].data;
    fv_array_free(&out[0]);
    if (present)
        *present = out[1];
    return FV_OK;
}

static float total_of(const fv_states *s) {
    fv_array total;
    cr_assert_eq(fv_states_get(s, 2, &total), FV_OK);
    cr_expect(total.rank == 2 && total.dims[0] == BATCH && total.dims[1] == FEATURES);
    return ((float *)total.data)[BATCH * FEATURES - 1];
}

/* The rows of the cache in the second entry of the batch, as digits. */
static const char *rows_of(const fv_states *s) {
    static char rows[ROOM + 1];
    fv_array past;
    cr_assert_eq(fv_states_get(s, 1, &past), FV_OK);
    cr_assert(past.dims[1] <= ROOM && !past.owner);
    int64_t each = past.capacity ? past.capacity : past.dims[1];
    for (int64_t i = 0; i < past.dims[1]; i++)
        rows[i] = (char)('0' + (int)((float *)past.data)[(each + i) * FEATURES]);
    rows[past.dims[1]] = 0;
    return rows;
}

/* Two series of runs with one model. */
static void keeps(fv_artifact *a, const char *room) {
    fv_states *s = states_of(a, room), *t = states_of(a, room);
    fv_log *log = fv_log_new();
    fv_array present, again;
    float y = 0;
    cr_assert_eq(step(s, 2, 1, &y, &present, log), FV_OK, "%s", fv_log_text(log));
    cr_expect_eq(y, 2);
    cr_assert_eq(fv_states_get(s, 1, &again), FV_OK);
    cr_expect(again.data == present.data && again.dims[1] == 2 && present.dims[1] == 2);
    cr_assert_eq(step(t, 1, 7, &y, NULL, log), FV_OK, "%s", fv_log_text(log));
    cr_expect_eq(y, 7);
    cr_assert_eq(step(s, 1, 5, &y, NULL, log), FV_OK);
    cr_expect_eq(y, 7);
    cr_expect_str_eq(rows_of(s), "115");
    cr_expect_str_eq(rows_of(t), "7");
    cr_expect_eq(total_of(s), 7);
    cr_expect_eq(step(s, 2, 3, &y, NULL, log), FV_TOO_SMALL);
    cr_expect_str_eq(fv_log_text(log),
                     "error: input 'past' has capacity 4 on axis 1, output 'present' needs 5\n");
    cr_expect_str_eq(rows_of(s), "115", "a run that fails changes nothing");
    cr_expect_eq(total_of(s), 7);
    cr_assert_eq(step(s, 1, 3, &y, NULL, NULL), FV_OK);
    cr_expect_eq(y, 10);
    fv_states_reset(s);
    cr_expect_str_eq(rows_of(s), "");
    cr_expect_eq(total_of(s), 0);
    cr_assert_eq(step(s, 4, 2, &y, NULL, NULL), FV_OK);
    cr_expect_eq(y, 8);
    fv_states_free(s);
    cr_expect_str_eq(rows_of(t), "7");
    fv_states_free(t);
    fv_log_free(log);
    fv_artifact_free(a);
}

Test(kept, by_the_interpreter) {
    keeps(compiled(FV_BACKEND_INTERP, copied), "p=4");
    keeps(compiled(FV_BACKEND_INTERP, in_place), "room=4");
    keeps(compiled(FV_BACKEND_INTERP, fixed), NULL);
}

Test(kept, in_code_in_memory) {
    if (!FV_HAVE_LLVM)
        return;
    keeps(compiled(FV_BACKEND_JIT, copied), "p=4");
    keeps(compiled(FV_BACKEND_JIT, in_place), "room=4");
}

Test(kept, in_a_library) {
    if (!FV_HAVE_LLVM)
        return;
    keeps(loaded(copied), "p=4");
    keeps(loaded(in_place), "room=4");
}

/* Values are replaced, moved from one series of runs to another, and shortened. */
static void replaces(const char *const *states, const char *room) {
    fv_artifact *a = compiled(FV_BACKEND_INTERP, states);
    fv_states *s = states_of(a, room), *t = states_of(a, room);
    fv_array past;
    float y = 0;
    float rows[BATCH * ROOM * FEATURES];
    for (int i = 0; i < BATCH * ROOM * FEATURES; i++)
        rows[i] = (float)(i / FEATURES % ROOM + 1);
    fv_array dense = array_of(3, ROOM, rows), part = dense;
    cr_assert_eq(fv_states_set(s, 1, &dense, NULL), FV_OK);
    cr_expect_str_eq(rows_of(s), "1234");
    part.dims[1] = 3;
    part.capacity = ROOM;
    part.axis = 1;
    cr_assert_eq(fv_states_set(t, 1, &part, NULL), FV_OK);
    cr_expect_str_eq(rows_of(t), "123");
    cr_assert_eq(fv_states_get(s, 1, &past), FV_OK);
    past.capacity = ROOM;
    past.axis = 1;
    past.dims[1] = 2; /* without the last two */
    cr_assert_eq(fv_states_set(s, 1, &past, NULL), FV_OK);
    cr_expect_str_eq(rows_of(s), "12");
    cr_assert_eq(step(s, 1, 9, &y, NULL, NULL), FV_OK);
    cr_expect_eq(y, 12);
    cr_expect_str_eq(rows_of(s), "129");
    cr_assert_eq(fv_states_get(s, 1, &past), FV_OK);
    int64_t each = past.capacity ? past.capacity : past.dims[1];
    past.capacity = each;
    past.axis = 1;
    past.dims[1] = 2; /* without the first one */
    past.data = (float *)past.data + FEATURES;
    cr_assert_eq(fv_states_set(s, 1, &past, NULL), FV_OK);
    cr_expect_str_eq(rows_of(s), "29");
    cr_assert_eq(fv_states_get(s, 1, &past), FV_OK);
    cr_assert_eq(fv_states_set(t, 1, &past, NULL), FV_OK);
    cr_expect_str_eq(rows_of(t), "29");
    fv_states_free(s);
    fv_states_free(t);
    fv_artifact_free(a);
}

Test(kept, values_are_replaced) {
    replaces(copied, "p=4");
    replaces(in_place, "room=4");
}

/* A run begins with a value that is passed in place of the kept one. */
Test(kept, a_run_is_given_a_value) {
    fv_artifact *a = compiled(FV_BACKEND_INTERP, in_place);
    fv_states *s = states_of(a, "room=4");
    float x[BATCH * FEATURES] = {1, 1, 1, 1, 1, 1}, old[BATCH * FEATURES] = {6, 6, 6, 6, 6, 6};
    fv_array in[3] = {array_of(3, 1, x), array_of(3, 1, old)}, out[3] = {{0}};
    cr_assert_eq(fv_states_run(s, in, out, NULL, NULL), FV_OK);
    cr_expect_eq(*(float *)out[0].data, 7);
    cr_expect_eq(total_of(s), 1);
    cr_expect_str_eq(rows_of(s), "61");
    in[1].type = 0; /* the outputs are used again as they are */
    cr_assert_eq(fv_states_run(s, in, out, NULL, NULL), FV_OK);
    cr_expect_eq(*(float *)out[0].data, 8);
    cr_expect_str_eq(rows_of(s), "611");
    fv_array_free(&out[0]);
    fv_states_free(s);
    fv_artifact_free(a);
}

/* If one of several values is refused, none replaces what is kept. */
Test(kept, a_refused_run_replaces_nothing) {
    fv_artifact *a = compiled(FV_BACKEND_INTERP, in_place);
    fv_states *s = states_of(a, "room=4");
    float x[BATCH * FEATURES] = {1, 1, 1, 1, 1, 1}, old[BATCH * FEATURES] = {6, 6, 6, 6, 6, 6};
    fv_array in[3] = {array_of(3, 1, x), array_of(3, 1, old)}, out[3] = {{0}};
    cr_assert_eq(fv_states_run(s, in, out, NULL, NULL), FV_OK);
    in[2] = array_of(3, 1, old); /* not what the other state is */
    cr_expect_eq(fv_states_run(s, in, out, NULL, NULL), FV_BAD_ARGUMENT);
    cr_expect_str_eq(rows_of(s), "61");
    cr_expect_eq(total_of(s), 1);
    fv_array_free(&out[0]);
    fv_states_free(s);
    fv_artifact_free(a);
}

static void refuses(int status, int expected, fv_log *log, const char *says) {
    cr_expect_eq(status, expected, "%s: %s", says, fv_status_name(status));
    cr_expect(strstr(fv_log_text(log), says) != NULL, "%s: %s", says, fv_log_text(log));
    fv_log_clear(log);
}

Test(kept, dims_are_checked) {
    static const struct {
        const char *dims[3];
        int status;
        const char *says;
    } all[] = {
        {{"b=2"}, FV_BAD_DIM, "error: the size of state 'past' depends on dim 'room', to which"},
        {{"room=4"}, FV_BAD_DIM, "error: the size of state 'past' depends on dim 'b', to which"},
        {{"b=9", "room=4"}, FV_BAD_DIM, "error: dims of the states: 'b=9': 'b' may be 1 to 8"},
        {{"b", "room=4"}, FV_BAD_ARGUMENT, "'b' is not of the form NAME=NUMBER"},
        {{"b=", "room=4"}, FV_BAD_ARGUMENT, "'b=' is not of the form NAME=NUMBER"},
        {{"b=-1", "room=4"}, FV_BAD_ARGUMENT, "'b=-1' is not of the form NAME=NUMBER"},
        {{"b=2x", "room=4"}, FV_BAD_ARGUMENT, "'b=2x' is not of the form NAME=NUMBER"},
        {{"b=99999999999999999999"}, FV_BAD_ARGUMENT, "is not of the form NAME=NUMBER"},
        {{"c=2", "room=4"}, FV_BAD_ARGUMENT, "'c=2' names no dim of the model"},
    };
    fv_artifact *a = compiled(FV_BACKEND_INTERP, in_place);
    fv_log *log = fv_log_new();
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        fv_states *s = (fv_states *)log;
        refuses(fv_states_new(a, all[i].dims, log, &s), all[i].status, log, all[i].says);
        cr_expect_null(s);
    }
    fv_log_free(log);
    fv_artifact_free(a);
}

Test(kept, arguments_are_checked) {
    fv_artifact *a = compiled(FV_BACKEND_INTERP, copied);
    fv_states *s = states_of(a, "p=4"), *none;
    fv_log *log = fv_log_new();
    float x[BATCH * 8 * FEATURES] = {0};
    fv_array in[3] = {array_of(3, 1, x)}, out[3] = {{0}}, v = array_of(3, 5, x), got;
    refuses(fv_states_new(NULL, NULL, log, &none), FV_BAD_ARGUMENT, log, "'artifact' is NULL");
    refuses(fv_states_new(a, NULL, log, NULL), FV_BAD_ARGUMENT, log, "'out' is NULL");
    refuses(fv_states_run(NULL, in, out, NULL, log), FV_BAD_ARGUMENT, log, "'states' is NULL");
    refuses(fv_states_run(s, NULL, out, NULL, log), FV_BAD_ARGUMENT, log, "'inputs' is NULL");
    refuses(fv_states_run(s, in, NULL, NULL, log), FV_BAD_ARGUMENT, log, "'outputs' is NULL");
    refuses(fv_states_set(NULL, 1, &v, log), FV_BAD_ARGUMENT, log, "'states' is NULL");
    refuses(fv_states_set(s, 1, NULL, log), FV_BAD_ARGUMENT, log, "'value' is NULL");
    refuses(fv_states_set(s, 0, &v, log), FV_BAD_ARGUMENT, log, "input 0 of the model is no state");
    refuses(fv_states_set(s, 1, &v, log), FV_TOO_SMALL, log,
            "state 'past' has capacity 4 on axis 1, is given 5");
    v.dims[0] = 3;
    refuses(fv_states_set(s, 1, &v, log), FV_BAD_DIM, log, "other dims than the state");
    v = array_of(3, 1, NULL);
    refuses(fv_states_set(s, 1, &v, log), FV_BAD_ARGUMENT, log, "its data is NULL");
    v.type = FV_TYPE_DOUBLE;
    refuses(fv_states_set(s, 1, &v, log), FV_BAD_ARGUMENT, log, "is given type 11 and rank 3");
    v = array_of(3, 2, x);
    v.capacity = 1;
    v.axis = 1;
    refuses(fv_states_set(s, 1, &v, log), FV_BAD_ARGUMENT, log, "capacity is less than its dim");
    v.capacity = 8;
    v.axis = 3;
    refuses(fv_states_set(s, 1, &v, log), FV_BAD_ARGUMENT, log, "or along no axis");
    out[1] = array_of(3, 1, x);
    refuses(fv_states_run(s, in, out, NULL, log), FV_BAD_ARGUMENT, log,
            "output 'present' was passed memory of its own");
    const int64_t steps[3] = {4, 4, 4}, *const strides[3] = {NULL, steps, NULL};
    const fv_run_options o = {.size = sizeof o, .strides = strides};
    out[1] = (fv_array){0};
    refuses(fv_states_run(s, in, out, &o, log), FV_BAD_ARGUMENT, log,
            "input 'past' is given with strides, but is a state");
    cr_expect_eq(fv_states_get(NULL, 1, &got), FV_BAD_ARGUMENT);
    cr_expect_eq(fv_states_get(s, 1, NULL), FV_BAD_ARGUMENT);
    cr_expect_eq(fv_states_get(s, 0, &got), FV_BAD_ARGUMENT);
    cr_expect_eq(fv_states_get(s, 99, &got), FV_BAD_ARGUMENT);
    cr_expect_str_eq(rows_of(s), "");
    fv_states_reset(NULL);
    fv_states_free(NULL);
    fv_artifact_free(a);
    fv_states_free(s); /* allowed after that of the artifact */
    fv_log_free(log);
}
