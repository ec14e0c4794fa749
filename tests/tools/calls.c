/* calls.c - random calls of all functions of fovea.h, with arguments that are NULL, wrong or
 * swapped: each returns a status, and those that fail leave nothing behind. Sanitizers report
 * accesses outside of the objects that are passed. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "runtime/fovea.h"
#include "tests/runtime/adapter_file.h"
#include "tests/sample.h"
#include "tests/tools/call_arguments.h"

/* ---- what a call returns ---- */

static const char *name(void);

/* A status, which is no fault of the library. */
static int is_status(int status) {
    cr_expect(status >= FV_OK && status < FV_INTERNAL, "%s returns %d: %s", name(), status,
              fv_log_text(t.log));
    ++*(status ? &t.refused[t.function] : &t.done[t.function]);
    return status;
}

/* A call that makes something makes it if and only if it returns FV_OK.
 *  is_wanted  whether the call was given a place for it */
static void makes(int status, bool is_wanted, const void *made) {
    is_status(status);
    if (is_wanted)
        cr_expect_eq(!made, status != FV_OK, "%s", name());
    else
        cr_expect_eq(status, FV_BAD_ARGUMENT, "%s", name());
}

/* Makes an artifact and frees it. */
#define MAKES_MODEL(call)                                                                          \
    do {                                                                                           \
        fv_artifact *a = (fv_artifact *)&t, **out = one_in(9) ? NULL : &a;                         \
        int status = call;                                                                         \
        makes(status, out != NULL, a);                                                             \
        if (out)                                                                                   \
            fv_artifact_free(a);                                                                   \
    } while (0)

/* ---- the functions ---- */

static void call_load(void) {
    MAKES_MODEL(fv_load(a_path(), a_log(), out));
}

static void call_compile(void) {
    MAKES_MODEL(fv_compile(a_path(), compile_options(), a_log(), out));
}

static void call_decoder(void) {
    MAKES_MODEL(fv_compile_decoder(a_path(), compile_options(), a_log(), out));
}

static const char *some_bytes(size_t *size) {
    const char *text = texts[below(MODELS)];
    *size = one_in(3) ? below(strlen(text)) : strlen(text);
    return one_in(9) ? NULL : text;
}

static void call_bytes(void) {
    size_t size;
    const char *text = some_bytes(&size);
    MAKES_MODEL(fv_compile_bytes(text, size, a_text(), a_text(), compile_options(), a_log(), out));
}

static void call_file(void) {
    is_status(fv_compile_file(a_path(), an_out(), compile_options(), a_log()));
}

static void call_bytes_file(void) {
    size_t size;
    const char *text = some_bytes(&size);
    is_status(fv_compile_bytes_file(text, size, a_text(), a_text(), an_out(), compile_options(),
                                    a_log()));
}

static void call_run(void) {
    fv_artifact *a = a_model();
    const fv_model *m = one_in(9) ? a_table() : fv_artifact_model(a);
    fv_array *out = some_outputs(m);
    const fv_run_options *o = run_options();
    const fv_array *in = some_inputs(m, false);
    int status =
        is_status(one_in(30) ? fv_artifact_run(a, out, (fv_array *)(uintptr_t)in, o, a_log())
                             : fv_artifact_run(a, in, out, o, a_log()));
    for (int i = 0; status == FV_OK && i < PORTS; i++)
        if (out[i].data && !out[i].owner && !is_ours(out[i].data))
            free(out[i].data); /* from `take` */
    free_outputs(out);
}

static void call_plan(void) {
    fv_artifact *a = a_model();
    const fv_model *m = one_in(9) ? a_table() : fv_artifact_model(a);
    fv_array out[PORTS];
    size_t bytes;
    is_status(fv_artifact_plan(a, some_inputs(m, false), one_in(4) ? NULL : out,
                               one_in(4) ? NULL : &bytes, a_log()));
    is_status(fv_run_flat(a, NULL, NULL, NULL, NULL, NULL, a_log()));
}

static void call_ranks_new(void) {
    static const int numbers[] = {1, 2, 4, 0, -1, 1025, INT32_MIN};
    static const double times[] = {0, 0.001, 1e6, -1, 1e7, (double)NAN, (double)INFINITY};
    int n = numbers[below(7)];
    double timeout = times[below(7)];
    fv_ranks_free(t.ranks);
    t.ranks = fv_ranks_new(n, timeout);
    bool legal = n >= 1 && n <= 1024 && timeout > 0 && timeout <= 1e6;
    cr_expect_eq(t.ranks != NULL, legal, "%d ranks, %g s", n, timeout);
    ++*(t.ranks ? &t.done[t.function] : &t.refused[t.function]);
}

/* An exchange of one rank succeeds, unless that has ended; one of several fails if another one has
 * ended. */
static void call_ranks(void) {
    const fv_ranks *r = one_in(9) ? NULL : t.ranks;
    int rank = (int)below(6) - 1;
    const fv_communicator *c = fv_ranks_communicator(r, rank);
    cr_expect(!c || (r && c->rank == (size_t)rank && c->rank < c->ranks));
    if (one_in(9))
        fv_ranks_stop(one_in(2) ? NULL : t.ranks, rank);
    const char *before = fv_ranks_error(r);
    uint64_t sent = below(1000), got[4] = {0};
    if (c && c->ranks == 1) {
        int status = c->all_gather(c->user, &sent, got, sizeof sent);
        cr_expect(before || fv_ranks_error(r) || (!status && got[0] == sent));
    } else if (c) {
        fv_ranks_stop(t.ranks, rank == 0);
        cr_expect(c->all_gather(c->user, &sent, got, sizeof sent) && fv_ranks_error(r));
    }
    cr_expect(!before || fv_ranks_error(r), "an error stays");
    if (one_in(9)) {
        fv_ranks_free(t.ranks);
        t.ranks = NULL;
    }
}

static void call_adapter_load(void) {
    fv_adapter **out = one_in(9) ? NULL : &t.values;
    fv_adapter_free(t.values);
    t.values = NULL;
    int status = fv_adapter_load(one_in(3) ? a_path() : t.adapter, a_log(), out);
    makes(status, out != NULL, t.values);
}

static void call_adapter(void) {
    const char *name;
    fv_array value;
    const fv_adapter *a = one_in(9) ? NULL : t.values;
    cr_expect_eq(fv_adapter_count(a), a ? 1 : 0);
    is_status(
        fv_adapter_get(a, (int)below(3) - 1, one_in(9) ? NULL : &name, one_in(9) ? NULL : &value));
    if (one_in(9)) {
        fv_adapter_free(t.values);
        t.values = NULL;
    }
}

static void call_adapter_apply(void) {
    const fv_model *m = one_in(2) ? a_table() : fv_artifact_model(t.models[2]);
    fv_array inputs[PORTS] = {{0}};
    for (int i = 0; i < PORTS; i++)
        if (one_in(6))
            inputs[i] = an_array();
    is_status(fv_adapter_apply(one_in(9) ? NULL : t.values, m, one_in(9) ? NULL : inputs, a_log()));
}

static void call_states_new(void) {
    static const char *const dims_of[MODELS][3] = {{NULL}, {"b=2", "room=4"}, {"p=4"}, {NULL}};
    int i = (int)below(KEPT), m = (int)below(MODELS);
    fv_states **out = one_in(20) ? NULL : &t.states[i];
    fv_states_free(t.states[i]);
    t.states[i] = NULL;
    t.model_of[i] = m;
    int status = fv_states_new(one_in(20) ? NULL : t.models[m], one_in(6) ? a_list() : dims_of[m],
                               a_log(), out);
    makes(status, out != NULL, t.states[i]);
}

/* The states, and the table of their model; often those of another model. */
static fv_states *some_states(const fv_model **m) {
    int i = (int)below(KEPT);
    *m = fv_artifact_model(t.models[one_in(9) ? (int)below(MODELS) : t.model_of[i]]);
    return one_in(20) ? NULL : t.states[i];
}

static void call_states_run(void) {
    const fv_model *m;
    fv_states *s = some_states(&m);
    fv_array *out = some_outputs(m);
    const fv_run_options *o = run_options();
    if (o && o->env && o->env->alloc)
        o = NULL;
    is_status(fv_states_run(s, some_inputs(m, true), out, o, a_log()));
    free_outputs(out);
}

static void call_states_get(void) {
    const fv_model *m;
    fv_array value;
    fv_states *s = some_states(&m);
    is_status(fv_states_get(s, (int)below(5) - 1, one_in(9) ? NULL : &value));
}

static void call_states_set(void) {
    const fv_model *m, *other;
    int input = (int)below(4) - (int)one_in(9);
    fv_states *s = some_states(&m), *from = some_states(&other);
    bool fits = input >= 0 && input < m->ninputs && !one_in(4);
    fv_array value = fits ? fitting(m, &m->inputs[input]) : an_array();
    if (one_in(4) && fv_states_get(from, input, &value) == FV_OK && one_in(2) && value.capacity)
        value.dims[value.axis] /= 2;
    is_status(fv_states_set(s, input, one_in(9) ? NULL : &value, a_log()));
}

static void call_states_reset(void) {
    const fv_model *m;
    fv_states_reset(some_states(&m));
}

static void call_states_free(void) {
    int i = (int)below(KEPT);
    fv_states_free(t.states[i]);
    fv_states_free(NULL);
    t.states[i] = NULL;
}

static void call_model(void) {
    const fv_model *m = a_table();
    int64_t symbols[8], value;
    for (int i = 0; i < 8; i++)
        symbols[i] = a_dim(false);
    (void)!fv_model_find_input(m, a_text());
    (void)!fv_model_find_output(m, a_text());
    (void)!fv_model_find_symbol(m, a_text());
    is_status(fv_model_dim(m, a_text(), one_in(3) ? NULL : symbols, one_in(9) ? NULL : &value));
    size_t bytes;
    is_status(fv_model_max_bytes(one_in(9) ? NULL : m,
                                 m && one_in(2) ? m->inputs
                                 : m            ? m->outputs
                                                : NULL,
                                 one_in(9) ? NULL : &bytes));
}

static void call_array(void) {
    fv_array a = an_array();
    cr_expect_eq(fv_array_size(), sizeof a);
    (void)fv_array_bytes(one_in(9) ? NULL : &a);
    fv_array_free(one_in(9) ? NULL : &a);
}

static void call_status(void) {
    int status = (int)below(40) - 10;
    cr_expect(*fv_status_name(status) && *fv_status_text(status) && *fv_version());
}

static void hear(void *user, int severity, const char *text) {
    cr_expect(user == &t && severity >= FV_LOG_NOTE && severity <= FV_LOG_ERROR && text);
}

static void call_log(void) {
    fv_log *l = fv_log_new();
    fv_log_watch(one_in(4) ? NULL : t.log, one_in(2) ? NULL : hear, &t);
    cr_expect(fv_log_text(one_in(4) ? NULL : l));
    (void)!fv_log_severity(one_in(4) ? NULL : l, below(4));
    fv_log_clear(one_in(4) ? NULL : l);
    fv_log_free(l);
    fv_log_free(NULL);
}

static void call_pool(void) {
    fv_pool *p = fv_pool_new((int)below(4) - 1);
    fv_env env = fv_pool_env(one_in(2) ? p : NULL);
    cr_expect(fv_pool_size(p) >= 1 && env.size == sizeof env);
    fv_pool_free(p);
    fv_pool_free(NULL);
}

static void call_pack(void) {
    static const char *const words[] = {"a", "", "bc", "\xc3\xa4", NULL, "d", "e", "f"};
    int64_t dims[4] = {one_in(2) ? 4 : (int64_t)below(6) - 1, 1, 1, 1};
    fv_array text = {0}, ends = {0};
    int status = is_status(fv_strings_pack(one_in(9) ? NULL : words, (int)below(5) - 1,
                                           one_in(9) ? NULL : dims, one_in(9) ? NULL : &text,
                                           one_in(9) ? NULL : &ends, a_log()));
    if (status)
        cr_expect(!text.data && !ends.data);
    fv_array_free(&text);
    fv_array_free(&ends);
}

static void call_unpack(void) {
    const char *const words[] = {"a", "", "bc"};
    const int64_t dims[] = {3};
    fv_array text = an_array(), ends = an_array();
    bool is_real = one_in(2) && fv_strings_pack(words, 1, dims, &text, &ends, NULL) == FV_OK;
    char **out = NULL, ***where = one_in(9) ? NULL : &out;
    bool is_swapped = one_in(4);
    const fv_array *first = one_in(9) ? NULL : &text, *second = one_in(9) ? NULL : &ends;
    int status =
        fv_strings_unpack(is_swapped ? second : first, is_swapped ? first : second, where, a_log());
    makes(status, where != NULL, out);
    fv_strings_free(out);
    fv_strings_free(NULL);
    if (!is_real)
        return;
    fv_array_free(&text);
    fv_array_free(&ends);
}

static void call_sequence_pack(void) {
    fv_array tensors[4], data = {0}, shapes = {0};
    for (int i = 0; i < 4; i++)
        tensors[i] = one_in(4) ? an_array()
                               : (fv_array){.type = FV_TYPE_FLOAT,
                                            .rank = 1,
                                            .dims = {(int64_t)below(4)},
                                            .data = t.memory + MEMORY / 2};
    int32_t type = one_in(4) ? an_array().type : FV_TYPE_FLOAT;
    int status = is_status(
        fv_sequence_pack(one_in(9) ? NULL : tensors, one_in(9) ? -1 : (int64_t)below(5), type,
                         one_in(9) ? NULL : &data, one_in(9) ? NULL : &shapes, a_log()));
    if (status)
        cr_expect(!data.data && !shapes.data);
    fv_array_free(&data);
    fv_array_free(&shapes);
}

static void call_sequence_unpack(void) {
    float elements[6] = {0};
    int64_t rows[2][9] = {{1, (int64_t)below(5), 1, 1, 1, 1, 1, 1, 1},
                          {(int64_t)below(11) - 1, 2, 1, 1, 1, 1, 1, 1, one_in(9) ? -1 : 1}};
    fv_array data = {FV_TYPE_FLOAT, 1, {2 + rows[0][1]}, elements};
    fv_array shapes = {FV_TYPE_INT64, 2, {2, 9}, rows}, out[3] = {{0}};
    if (one_in(5))
        data = an_array();
    if (one_in(5))
        shapes = an_array();
    bool is_swapped = one_in(9);
    const fv_array *first = one_in(9) ? NULL : &data, *second = one_in(9) ? NULL : &shapes;
    int status = is_status(
        fv_sequence_unpack(is_swapped ? second : first, is_swapped ? first : second,
                           one_in(9) ? (int64_t)below(4) - 1 : 2, one_in(9) ? NULL : out, a_log()));
    if (status)
        cr_expect(!out[0].type && !out[1].type && !out[2].type);
}

/* A map with up to three entries, in memory of the test; often not a valid one. */
static fv_map a_map(void) {
    const int64_t n = (int64_t)below(4);
    fv_map map = {{FV_TYPE_INT64, 1, {n}, t.memory + MEMORY / 2},
                  {FV_TYPE_FLOAT, 1, {n}, t.memory + MEMORY / 2}};
    if (one_in(9))
        map.keys = an_array();
    if (one_in(9))
        map.values = an_array();
    return map;
}

static void call_maps_pack(void) {
    fv_array keys = {0}, values = {0}, ends = {0};
    const fv_map maps[3] = {a_map(), a_map(), a_map()};
    int32_t type = one_in(5) ? an_array().type : FV_TYPE_INT64;
    int status =
        is_status(fv_maps_pack(one_in(9) ? NULL : maps, one_in(9) ? -1 : (int64_t)below(4), type,
                               one_in(9) ? type : FV_TYPE_FLOAT, one_in(9) ? NULL : &keys,
                               one_in(9) ? NULL : &values, one_in(9) ? NULL : &ends, a_log()));
    if (status)
        cr_expect(!keys.data && !values.data && !ends.data);
    fv_array_free(&keys);
    fv_array_free(&values);
    fv_array_free(&ends);
}

static void call_maps_unpack(void) {
    int64_t numbers[6] = {0}, stops[2] = {(int64_t)below(5) - 1, (int64_t)below(6)};
    fv_array keys = {FV_TYPE_INT64, 1, {stops[1]}, numbers};
    fv_array values = {FV_TYPE_INT32, 1, {stops[1] + one_in(9)}, numbers};
    fv_array ends = {FV_TYPE_INT64, 1, {2}, stops};
    fv_map maps[3] = {{{0}, {0}}};
    if (one_in(5))
        keys = an_array();
    if (one_in(5))
        ends = an_array();
    int status = is_status(fv_maps_unpack(
        one_in(9) ? NULL : &keys, one_in(9) ? NULL : &values, one_in(9) ? NULL : &ends,
        one_in(9) ? (int64_t)below(4) - 1 : 2, one_in(9) ? NULL : maps, a_log()));
    if (status)
        cr_expect(!maps[0].keys.type && !maps[1].values.type);
}

static void call_generator_new(void) {
    static const int64_t ids[] = {0, 1, 2, 1, 3, -1};
    fv_prompt prompts[3];
    for (int i = 0; i < 3; i++)
        prompts[i] = (fv_prompt){one_in(20) ? NULL : ids, (int64_t)below(one_in(4) ? 7 : 4)};
    int i = (int)below(KEPT);
    fv_generator **out = one_in(9) ? NULL : &t.generators[i];
    fv_generator_free(t.generators[i]);
    t.generators[i] = NULL;
    int status = fv_generator_new(one_in(4) ? a_model() : t.models[3], (int)below(5) - 1,
                                  one_in(20) ? NULL : prompts, generate_options(), a_log(), out);
    makes(status, out != NULL, t.generators[i]);
}

static void call_generator_next(void) {
    fv_generator *g = one_in(9) ? NULL : t.generators[below(KEPT)];
    fv_generate_report report;
    int sequence;
    int64_t id;
    is_status(fv_generator_next(g, one_in(9) ? NULL : &sequence, one_in(9) ? NULL : &id, a_log()));
    fv_generator_report(g, one_in(9) ? NULL : &report);
    fv_generator_free(NULL);
}

/* Functions of one line are called together; `names` has all that are called, separated by
 * spaces. Those that compile take longer, and are called less often. */
static const struct {
    const char *names;
    void (*call)(void);
    unsigned share;
} functions[] = {
    {"fv_load fv_artifact_free", call_load, 10},
    {"fv_compile", call_compile, 6},
    {"fv_compile_decoder", call_decoder, 4},
    {"fv_compile_bytes", call_bytes, 6},
    {"fv_compile_file", call_file, 4},
    {"fv_compile_bytes_file", call_bytes_file, 4},
    {"fv_artifact_run", call_run, 200},
    {"fv_artifact_plan fv_artifact_model fv_run_flat", call_plan, 100},
    {"fv_ranks_new", call_ranks_new, 20},
    {"fv_ranks_communicator fv_ranks_stop fv_ranks_error fv_ranks_free", call_ranks, 40},
    {"fv_adapter_load", call_adapter_load, 20},
    {"fv_adapter_get fv_adapter_count fv_adapter_free", call_adapter, 40},
    {"fv_adapter_apply", call_adapter_apply, 60},
    {"fv_states_new", call_states_new, 50},
    {"fv_states_run", call_states_run, 150},
    {"fv_states_get", call_states_get, 50},
    {"fv_states_set", call_states_set, 80},
    {"fv_states_reset", call_states_reset, 10},
    {"fv_states_free", call_states_free, 10},
    {"fv_model_find_input fv_model_find_output fv_model_find_symbol fv_model_dim "
     "fv_model_max_bytes",
     call_model, 50},
    {"fv_array_bytes fv_array_free fv_array_size", call_array, 20},
    {"fv_status_name fv_status_text fv_version", call_status, 5},
    {"fv_log_new fv_log_watch fv_log_text fv_log_severity fv_log_clear fv_log_free", call_log, 10},
    {"fv_pool_new fv_pool_env fv_pool_size fv_pool_free", call_pool, 5},
    {"fv_strings_pack", call_pack, 50},
    {"fv_strings_unpack fv_strings_free", call_unpack, 50},
    {"fv_sequence_pack", call_sequence_pack, 50},
    {"fv_sequence_unpack", call_sequence_unpack, 50},
    {"fv_maps_pack", call_maps_pack, 50},
    {"fv_maps_unpack", call_maps_unpack, 50},
    {"fv_generator_new", call_generator_new, 60},
    {"fv_generator_next fv_generator_report fv_generator_free", call_generator_next, 80},
};

/* ---- the test ---- */

static fv_artifact *model(int i) {
    fv_artifact *a = NULL;
    fv_compile_options o = {
        .size = sizeof o, .backend = FV_BACKEND_INTERP, .states = states_of_models[i]};
    int status = fv_compile_bytes(texts[i], strlen(texts[i]), "m.fvir", NULL, &o, t.log, &a);
    cr_assert_eq(status, FV_OK, "%s", fv_log_text(t.log));
    return a;
}

static void write_adapter(void) {
    static const float h[2] = {1, 2};
    adapter_file f;
    adapter_put_parameter(&f, adapter_begin(&f, 1, 1), "h", FV_TYPE_FLOAT, 1, (int64_t[]){2}, h,
                          sizeof h);
    snprintf(t.adapter, sizeof t.adapter, "%s/h.onnx_adapter", t.folder);
    FILE *out = fopen(t.adapter, "wb");
    cr_assert(out);
    fwrite(f.bytes, 1, f.n, out);
    fclose(out);
}

static void begin(void) {
    setenv("FOVEA_CACHE_DIR", "", 1);
    snprintf(t.folder, sizeof t.folder, "/tmp/fovea-calls-XXXXXX");
    cr_assert(mkdtemp(t.folder));
    snprintf(t.path, sizeof t.path, "%s/m.fvir", t.folder);
    FILE *f = fopen(t.path, "w");
    cr_assert(f);
    fputs(texts[0], f);
    fclose(f);
    t.memory = aligned_alloc(64, MEMORY);
    t.log = fv_log_new();
    t.pool = fv_pool_new(2);
    cr_assert(t.memory && t.log && t.pool);
    for (int i = 0; i < MODELS; i++)
        t.models[i] = model(i);
    write_adapter();
}

static void end(void) {
    char command[100];
    for (int i = 0; i < KEPT; i++) {
        fv_states_free(t.states[i]);
        fv_generator_free(t.generators[i]);
    }
    for (int i = 0; i < MODELS; i++)
        fv_artifact_free(t.models[i]);
    fv_adapter_free(t.values);
    fv_ranks_free(t.ranks);
    fv_pool_free(t.pool);
    fv_log_free(t.log);
    free(t.memory);
    snprintf(command, sizeof command, "rm -rf %s", t.folder);
    cr_assert_eq(system(command), 0);
}

TestSuite(calls, .init = begin, .fini = end, .timeout = 300);

/* LOAD: the one of which no call succeeds, as there is no compiled library. */
enum { FUNCTIONS = sizeof functions / sizeof *functions, LOAD = 0 };
_Static_assert(FUNCTIONS <= sizeof t.done / sizeof *t.done, "each function has its counters");

static const char *name(void) {
    return functions[t.function].names;
}

static void call_one(void) {
    unsigned all = 0;
    for (int i = 0; i < FUNCTIONS; i++)
        all += functions[i].share;
    unsigned at = (unsigned)below(all);
    int i = 0;
    while (at >= functions[i].share)
        at -= functions[i++].share;
    t.function = i;
    functions[i].call();
    fv_log_clear(t.log);
}

Test(calls, are_answered_by_statuses) {
    t.random = sample_seed(1);
    fprintf(stderr, "FV_SEED=%llu\n", (unsigned long long)t.random);
    for (uint64_t i = sample_rounds(10000, 10000); i > 0; i--)
        call_one();
    for (int i = 0; i < FUNCTIONS; i++)
        if (i != LOAD && t.done[i] + t.refused[i] > 100)
            cr_expect(t.done[i] && t.refused[i], "%s: %d succeed, %d are refused",
                      functions[i].names, t.done[i], t.refused[i]);
}

/* Each function that the library exports is called. */
static bool is_called(const char *name, size_t length) {
    for (int i = 0; i < FUNCTIONS; i++)
        for (const char *s = strstr(functions[i].names, name); s; s = strstr(s + 1, name))
            if (s[length] == ' ' || !s[length])
                return true;
    return false;
}

Test(calls, of_all_functions) {
    char line[300];
    int n = 0;
    FILE *f = fopen("../../tools/driver/fovea.map.in", "r");
    cr_assert(f);
    while (fgets(line, sizeof line, f))
        for (char *s = strtok(line, " ;\n"); s; s = strtok(NULL, " ;\n"))
            if (!strncmp(s, "fv_", 3) && !strchr(s, '*')) {
                cr_expect(is_called(s, strlen(s)), "%s is not called", s);
                n++;
            }
    fclose(f);
    cr_expect(n > 30, "%d functions", n);
}
