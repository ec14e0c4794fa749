/* call_arguments.c - see call_arguments.h. */
#include "tests/tools/call_arguments.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *const texts[MODELS] = {
    "fovea-ir 1\nmodule \"plain\"\nsymbol n 0..8\nfunc @main(%x: f32[n, 3], %i: i64[n]) -> (%y, "
    "%z) "
    "{\n  %y = Add(%x, %x)\n  %z = NonZero(%i)\n  return %y, %z\n}\n",
    "fovea-ir 1\nmodule \"cache\"\nsymbol b 1..4\nsymbol p 0..8\nfunc @main(%x: f32[b, 1], %past: "
    "f32[b, p]) -> (%y, %present) {\n  %present = Concat(%past, %x) {axis = 1}\n  %y = "
    "Neg(%present)\n  return %y, %present\n}\n",
    "fovea-ir 1\nmodule \"two\"\nsymbol p 0..8\nfunc @main(%x: f32[1], %past: f32[p], %h: f32[2]) "
    "-> (%present, %next) {\n  %present = Concat(%past, %x) {axis = 0}\n  %next = Add(%h, %h)\n  "
    "return %present, %next\n}\n",
    "fovea-ir 1\nmodule \"decoder\"\nsymbol b 1..4\nsymbol s 1..8\nconst @t: f32[3, 3] = [0.0, "
    "1.0, "
    "0.0, 0.0, 0.0, 1.0, 1.0, 0.0, 0.0]\nfunc @main(%input_ids: i64[b, s]) -> (%logits) {\n  "
    "%logits = Gather(@t, %input_ids)\n  return %logits\n}\n",
};
const char *const states_of_models[MODELS][3] = {
    {NULL}, {"past=present:room", NULL}, {"past=present", "h=next", NULL}, {NULL}};

calls t;

uint64_t below(uint64_t n) {
    t.random = t.random * 6364136223846793005u + 1442695040888963407u;
    return (t.random >> 33) % n;
}

bool one_in(uint64_t n) {
    return below(n) == 0;
}

fv_log *a_log(void) {
    return one_in(4) ? NULL : t.log;
}

fv_artifact *a_model(void) {
    return one_in(12) ? NULL : t.models[below(MODELS)];
}

const fv_model *a_table(void) {
    return fv_artifact_model(a_model());
}

const char *a_text(void) {
    static const char *const all[] = {NULL,      "",
                                      "x",       "y",
                                      "past",    "n",
                                      "b=2",     "p=4",
                                      "room=4",  "b=9",
                                      "p",       "=",
                                      "n=1",     "x:0=2",
                                      "*=*",     "past=y:3",
                                      "p=x",     "past=present",
                                      "3",       "n + 1",
                                      "min(",    "native",
                                      "generic", "v9",
                                      "fold",    "remove-dead",
                                      "file",    "\xff\xfe",
                                      "/",       "room"};
    return all[below(sizeof all / sizeof *all)];
}

const char *const *a_list(void) {
    static const char *lists[5][4];
    static int next;
    const char **l = lists[next++ % 5];
    int n = (int)below(4), k = 0;
    for (int i = 0; i < n; i++)
        if ((l[k] = a_text()))
            k++;
    l[k] = NULL;
    return one_in(2) ? NULL : l;
}

int64_t a_dim(bool has_data) {
    static const int64_t odd[] = {-1, INT64_MIN, INT64_MAX, (int64_t)1 << 40};
    return has_data || !one_in(3) ? (int64_t)below(5) : odd[below(4)];
}

fv_array an_array(void) {
    static const int32_t types[] = {FV_TYPE_FLOAT,
                                    FV_TYPE_FLOAT,
                                    FV_TYPE_INT64,
                                    FV_TYPE_UINT8,
                                    FV_TYPE_INT4,
                                    FV_TYPE_STRING,
                                    0,
                                    99,
                                    -1};
    bool has_data = !one_in(5);
    fv_array a = {.type = types[below(9)], .rank = (int32_t)below(4)};
    if (one_in(20))
        a.rank = (int32_t)below(80) - 20;
    for (int k = 0; k < FV_ARRAY_RANK; k++)
        a.dims[k] = k < 4 ? a_dim(has_data) : 1;
    if (has_data)
        a.data = t.memory + MEMORY / 2 + (one_in(9) ? 1 : 0);
    if (one_in(6)) {
        a.capacity = (int64_t)below(10) - 1;
        a.axis = (int32_t)below(6) - 1;
    }
    return a;
}

fv_array fitting(const fv_model *m, const fv_port_info *p) {
    int64_t symbols[8] = {2, 2, 2, 2, 2, 2, 2, 2};
    fv_array a = {.type = p->type, .rank = p->rank, .data = t.memory + MEMORY / 2};
    for (int k = 0; k < p->rank; k++)
        if (fv_model_dim(m, p->dims[k], symbols, &a.dims[k]) != FV_OK)
            a.dims[k] = 1;
    if (p->in_place && one_in(2)) {
        a.axis = p->in_place - 1;
        a.capacity = 4;
    }
    return a;
}

const fv_array *some_inputs(const fv_model *m, bool may_leave_out) {
    static fv_array in[PORTS];
    memset(t.memory, 1, MEMORY);
    for (int i = 0; i < PORTS; i++) {
        in[i] = m && i < m->ninputs && !one_in(8) ? fitting(m, &m->inputs[i]) : an_array();
        if (may_leave_out && i > 0 && !one_in(4))
            in[i] = (fv_array){0};
    }
    return one_in(20) ? NULL : in;
}

fv_array *some_outputs(const fv_model *m) {
    static fv_array out[PORTS];
    for (int i = 0; i < PORTS; i++)
        out[i] = one_in(8)                           ? an_array()
                 : m && i < m->noutputs && one_in(3) ? fitting(m, &m->outputs[i])
                                                     : (fv_array){0};
    for (int i = 0; i < PORTS; i++)
        if (out[i].data) /* outputs do not overlap inputs */
            out[i].data = (unsigned char *)out[i].data - MEMORY / 4;
    return one_in(20) ? NULL : out;
}

bool is_ours(const void *p) {
    return (uintptr_t)p - (uintptr_t)t.memory < MEMORY;
}

void free_outputs(fv_array *out) {
    for (int i = 0; out && i < PORTS; i++)
        fv_array_free(&out[i]);
}

static void *take(void *user, size_t bytes) {
    (void)user;
    return one_in(3) || bytes > MEMORY ? NULL : aligned_alloc(64, (bytes + 63) / 64 * 64);
}

static void give(void *user, void *p) {
    (void)user;
    free(p);
}

static void one_by_one(void *user, void (*task)(void *arg, int64_t i), void *arg, int64_t n) {
    (void)user;
    for (int64_t i = 0; i < n; i++)
        task(arg, i);
}

static size_t a_size(size_t real) {
    const size_t odd[] = {0, 3, 4096, sizeof(size_t), real / 2 / 8 * 8};
    return one_in(4) ? odd[below(5)] : real;
}

static const fv_env *an_env(void) {
    static fv_env env;
    env = (fv_env){.size = a_size(sizeof env)};
    if (one_in(2))
        env.parallel_for = one_by_one;
    if (one_in(9))
        env.alloc = take;
    if (one_in(12))
        env.free = give;
    return one_in(2) ? NULL : &env;
}

/* An environment that a generator may keep: it does not change. */
static const fv_env *a_lasting_env(void) {
    static const fv_env all[] = {
        {.size = sizeof(fv_env)},
        {.size = sizeof(fv_env), .parallel_for = one_by_one},
        {.size = sizeof(fv_env), .alloc = take, .free = give},
        {.size = 3, .parallel_for = one_by_one},
    };
    return &all[below(4)];
}

const fv_run_options *run_options(void) {
    static const int32_t cancel[] = {0, 1};
    static int64_t steps[FV_ARRAY_RANK];
    static const int64_t *strides[PORTS];
    static fv_run_options o;
    o = (fv_run_options){.size = a_size(sizeof o), .threads = one_in(3) ? (int)below(4) - 1 : 1};
    for (int k = 0; k < FV_ARRAY_RANK; k++)
        steps[k] = (int64_t)below(33) - 16;
    for (int i = 0; i < PORTS; i++)
        strides[i] = one_in(3) ? steps : NULL;
    o.cancel = one_in(4) ? &cancel[below(2)] : NULL;
    o.pool = one_in(9) ? t.pool : NULL;
    o.env = one_in(4) ? an_env() : NULL;
    o.workspace = one_in(4) ? t.memory + (one_in(3) ? 8 : 0) : NULL;
    o.workspace_bytes = one_in(4) ? below(4096) : 0;
    o.strides = one_in(9) ? strides : NULL;
    return one_in(3) ? NULL : &o;
}

const fv_compile_options *compile_options(void) {
    static fv_compile_options o;
    o = (fv_compile_options){.size = a_size(sizeof o),
                             .level = "\0\0\0\00002s9"[below(8)],
                             .naive = one_in(9),
                             .verify = one_in(9),
                             .strict = one_in(9),
                             .backend = one_in(30) ? (fv_backend_kind)99 : FV_BACKEND_INTERP};
    const char **members[] = {&o.target, &o.name, &o.weights, &o.tuning, &o.relax, &o.prefer};
    for (int i = 0; i < 6; i++)
        *members[i] = one_in(9) ? a_text() : NULL;
    o.dims = one_in(3) ? a_list() : NULL;
    o.states = one_in(3) ? a_list() : NULL;
    o.passes = one_in(9) ? a_list() : NULL;
    o.enable = one_in(9) ? a_list() : NULL;
    o.disable = one_in(9) ? a_list() : NULL;
    return one_in(50) ? NULL : &o;
}

const fv_generate_options *generate_options(void) {
    static const int64_t stop[] = {2, -1};
    static fv_array given[PORTS];
    static fv_generate_options o;
    o = (fv_generate_options){.size = a_size(sizeof o), .tokens = (int64_t)below(6) - 1};
    for (int i = 0; i < PORTS; i++)
        given[i] = one_in(2) ? (fv_array){0} : an_array();
    o.stop = one_in(4) ? stop : NULL;
    o.nstop = one_in(4) ? (int)below(4) - 1 : 0;
    o.temperature = one_in(9) ? (double)below(3) - 1 : 0;
    o.top_k = one_in(9) ? (int64_t)below(5) - 1 : 0;
    o.top_p = one_in(9) ? (double)below(4) - 1 : 0;
    o.chunk = one_in(9) ? (int64_t)below(4) - 1 : 0;
    o.given = one_in(9) ? given : NULL;
    o.threads = one_in(9) ? -1 : 1;
    o.pool = one_in(9) ? t.pool : NULL;
    o.env = one_in(9) ? a_lasting_env() : NULL;
    if (o.nstop > 2)
        o.nstop = 2;
    return one_in(20) ? NULL : &o;
}

const char *a_path(void) {
    return one_in(2) ? t.path : one_in(3) ? t.folder : a_text();
}

const char *an_out(void) {
    static const char *const suffixes[] = {".c", ".fvir", ".fvk", ".none", "", "/none/x.c"};
    snprintf(t.out, sizeof t.out, "%s/o%s", t.folder, suffixes[below(6)]);
    return one_in(6) ? NULL : t.out;
}
