/* ort.c - runs models in ONNX Runtime through its C interface.
 *
 * The library exports one function, which returns a table of function pointers; new releases only
 * append to it, so a function is identified by its index. Objects of the library are used as opaque
 * addresses. */
#include "tools/measure/ort.h"

#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "tools/data/compare.h"

/* API_VERSION: the oldest version of the interface that has all functions used here */
enum {
    API_VERSION = 13,
    LOG_ERRORS = 3,
    OPTIMIZE_ALL = 99,
    ARENA_ALLOCATOR = 1,
    DEFAULT_MEMORY = 0,
    IS_TENSOR = 1
};

/* an object of ONNX Runtime: status, env, session, options, memory info, value or type */
typedef void object;

/* FUNCTION(type of the result, name, index in the table, parameters) */
#define FUNCTIONS(FUNCTION)                                                                        \
    FUNCTION(const char *, error_message, 2, (const object *status))                               \
    FUNCTION(object *, create_env, 3, (int severity, const char *id, object **env))                \
    FUNCTION(object *, disable_telemetry, 6, (const object *env))                                  \
    FUNCTION(object *, create_session, 7,                                                          \
             (const object *env, const char *path, const object *options, object **session))       \
    FUNCTION(object *, run, 9,                                                                     \
             (object * session, const object *options, const char *const *in_names,                \
              const object *const *in, size_t nin, const char *const *out_names, size_t nout,      \
              object **out))                                                                       \
    FUNCTION(object *, create_options, 10, (object * *options))                                    \
    FUNCTION(object *, set_optimization, 23, (object * options, int level))                        \
    FUNCTION(object *, set_threads, 24, (object * options, int threads))                           \
    FUNCTION(object *, set_inter_threads, 25, (object * options, int threads))                     \
    FUNCTION(object *, input_count, 30, (const object *session, size_t *n))                        \
    FUNCTION(object *, create_tensor, 49,                                                          \
             (const object *memory, void *data, size_t bytes, const int64_t *dims, size_t rank,    \
              int type, object **value))                                                           \
    FUNCTION(object *, tensor_data, 51, (object * value, void **data))                             \
    FUNCTION(object *, element_type, 60, (const object *info, int *type))                          \
    FUNCTION(object *, rank_of, 61, (const object *info, size_t *rank))                            \
    FUNCTION(object *, dims_of, 62, (const object *info, int64_t *dims, size_t rank))              \
    FUNCTION(object *, tensor_info, 65, (const object *value, object **info))                      \
    FUNCTION(object *, value_type, 67, (const object *value, int *type))                           \
    FUNCTION(object *, create_memory_info, 69, (int allocator, int kind, object **memory))         \
    FUNCTION(void, release_env, 92, (object * env))                                                \
    FUNCTION(void, release_status, 93, (object * status))                                          \
    FUNCTION(void, release_memory_info, 94, (object * memory))                                     \
    FUNCTION(void, release_session, 95, (object * session))                                        \
    FUNCTION(void, release_value, 96, (object * value))                                            \
    FUNCTION(void, release_tensor_info, 99, (object * info))                                       \
    FUNCTION(void, release_options, 100, (object * options))

typedef struct api {
#define MEMBER(result, name, place, parameters) result(*name) parameters;
    FUNCTIONS(MEMBER)
#undef MEMBER
} api;

typedef struct base {
    const void *const *(*get_api)(uint32_t version);
    const char *(*get_version)(void);
} base;

struct fv_ort {
    fv_context *c;
    const char *name;
    api call;
    object *env, *options, *session, *memory;
    double load_ms;
    int nin, nout;
    const char **in_names, **out_names;
    object **in, **out;
    /* for each output: 1 + the index of the input in whose memory it is; 0: it has memory of its
     * own */
    int *state;
};

static double now_ms(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return 1e3 * (double)t.tv_sec + 1e-6 * (double)t.tv_nsec;
}

/* ---- messages ---- */

/* True if there is no error; otherwise the error is reported: "onnxruntime 1.30.0 WHAT: error". */
static bool fine(fv_ort *o, object *status, const char *what) {
    if (!status)
        return true;
    const char *text = o->call.error_message(status);
    fv_error(o->c->session, "%s %s: %.*s", o->name, what, (int)strcspn(text, "\n"), text);
    o->call.release_status(status);
    return false;
}

/* ---- the library ---- */

/* Opens the library at the path, or, if there is no such file, the one that the loader finds by
 * this name. */
static void *open_library(fv_ort *o, const char *path) {
    char *full = access(path, F_OK) ? NULL : realpath(path, NULL);
    const char *fault = full ? fv_library_fault(full) : NULL;
    void *lib = fault ? NULL : dlopen(full ? full : path, RTLD_NOW | RTLD_LOCAL);
    free(full);
    if (fault)
        fv_error(o->c->session, "--against: '%s' cannot be loaded: %s", path, fault);
    else if (!lib)
        fv_error(o->c->session, "--against: the library cannot be loaded: %s", dlerror());
    return lib;
}

static bool take_functions(fv_ort *o, const char *path, const void *const *table) {
    api all;
    const char *missing = NULL;
#define TAKE(result, member, place, parameters)                                                    \
    if (!table[place])                                                                             \
        missing = #member;                                                                         \
    memcpy(&all.member, &table[place], sizeof all.member);
    FUNCTIONS(TAKE)
#undef TAKE
    if (missing)
        return fv_error(o->c->session, "--against: '%s' is no ONNX Runtime: its table has no %s",
                        path, missing);
    o->call = all;
    return true;
}

/* Loads the table of functions. The library is never closed, because its threads and exit handlers
 * outlive a session. */
static bool load_api(fv_ort *o, const char *path) {
    const base *(*get_base)(void);
    void *lib = open_library(o, path);
    if (!lib)
        return false;
    *(void **)&get_base = dlsym(lib, "OrtGetApiBase");
    if (!get_base) {
        dlclose(lib);
        return fv_error(o->c->session,
                        "--against: '%s' is no ONNX Runtime: it has no OrtGetApiBase", path);
    }
    const base *b = get_base();
    if (!b || !b->get_api || !b->get_version)
        return fv_error(o->c->session,
                        "--against: '%s' is no ONNX Runtime: its OrtGetApiBase gives nothing",
                        path);
    const char *version = b->get_version();
    const void *const *table = b->get_api(API_VERSION);
    if (!table)
        return fv_error(o->c->session,
                        "--against: '%s' is ONNX Runtime %s, 1.13 or newer is needed", path,
                        version ? version : "of no version");
    o->name = fv_printf(o->c->arena, "onnxruntime %s", version ? version : "");
    return take_functions(o, path, table);
}

static bool create_session(fv_ort *o, const char *model, int threads) {
    const api *a = &o->call;
    if (!fine(o, a->create_env(LOG_ERRORS, "fovea", &o->env), "cannot start") ||
        !fine(o, a->disable_telemetry(o->env), "cannot start") ||
        !fine(o, a->create_options(&o->options), "cannot start") ||
        !fine(o, a->set_optimization(o->options, OPTIMIZE_ALL), "cannot start") ||
        !fine(o, a->set_threads(o->options, threads), "cannot start") ||
        !fine(o, a->set_inter_threads(o->options, 1), "cannot start") ||
        !fine(o, a->create_memory_info(ARENA_ALLOCATOR, DEFAULT_MEMORY, &o->memory),
              "cannot start"))
        return false;
    double start = now_ms();
    bool ok =
        fine(o, a->create_session(o->env, model, o->options, &o->session), "refuses the model");
    o->load_ms = now_ms() - start;
    return ok;
}

fv_ort *fv_ort_open(fv_context *c, const char *library, const char *model, int threads) {
    fv_ort *o = FV_NEW(c->arena, fv_ort, 1);
    o->c = c;
    if (load_api(o, library) && create_session(o, model, threads))
        return o;
    fv_ort_close(o);
    return NULL;
}

static void drop_outputs(fv_ort *o) {
    for (int i = 0; i < o->nout; i++) {
        if (o->out[i] && !o->state[i])
            o->call.release_value(o->out[i]);
        o->out[i] = o->state[i] ? o->in[o->state[i] - 1] : NULL;
    }
}

void fv_ort_close(fv_ort *o) {
    if (!o || !o->call.run)
        return;
    drop_outputs(o);
    for (int i = 0; i < o->nin; i++)
        if (o->in[i])
            o->call.release_value(o->in[i]);
    if (o->session)
        o->call.release_session(o->session);
    if (o->options)
        o->call.release_options(o->options);
    if (o->memory)
        o->call.release_memory_info(o->memory);
    if (o->env)
        o->call.release_env(o->env);
}

const char *fv_ort_name(const fv_ort *o) {
    return o->name;
}

double fv_ort_load_ms(const fv_ort *o) {
    return o->load_ms;
}

/* ---- inputs and outputs ---- */

/* Binds input i. Element types have the numbers that ONNX gives them. ONNX Runtime requires an
 * address that is not NULL even for an empty tensor. */
static bool bind_input(fv_ort *o, int i, const fv_port_info *port, const fv_array *x) {
    static const int64_t nothing[8];
    object *value = NULL;
    void *data = x->data ? x->data : (void *)(uintptr_t)nothing;
    if (x->type == FV_TYPE_STRING)
        return fv_error(o->c->session,
                        "--against: input '%s' holds strings, which are not passed on", port->name);
    const fv_tensor t = fv_array_tensor(o->c->arena, x); /* a copy without the spare capacity */
    data = x->data ? (void *)(uintptr_t)t.data : data;
    /* a run writes to this input, so the other runtime gets a copy */
    if (x->data && port->in_place && t.data == x->data) {
        data = fv_alloc_aligned(o->c->arena, t.bytes + 1, 64);
        memcpy(data, t.data, t.bytes);
    }
    bool ok = fine(
        o,
        o->call.create_tensor(o->memory, data, t.bytes, x->dims, (size_t)x->rank, x->type, &value),
        fv_printf(o->c->arena, "refuses input '%s'", port->name));
    o->in_names[i] = port->name;
    o->in[i] = value;
    return ok;
}

/* Is the output the state of an input of the same size, and in the same memory? Then it is bound to
 * that memory here, too. */
static bool is_placed(const fv_model *table, const fv_port_info *out) {
    const fv_port_info *in = out->state_of ? &table->inputs[out->state_of - 1] : NULL;
    bool same = in && out->in_place;
    for (int i = 0; same && i < out->rank; i++)
        same = !strcmp(in->dims[i], out->dims[i]);
    return same;
}

bool fv_ort_bind(fv_ort *o, const fv_model *table, const fv_array *inputs) {
    fv_arena *a = o->c->arena;
    size_t count = 0;
    if (!fine(o, o->call.input_count(o->session, &count), "does not list its inputs"))
        return false;
    if (count != (size_t)table->ninputs)
        return fv_error(o->c->session, "%s sees %zu inputs in the model, we see %d", o->name, count,
                        table->ninputs);
    o->in = FV_NEW(a, object *, table->ninputs + 1);
    o->out = FV_NEW(a, object *, table->noutputs + 1);
    o->in_names = FV_NEW(a, const char *, table->ninputs + 1);
    o->out_names = FV_NEW(a, const char *, table->noutputs + 1);
    o->nin = table->ninputs;
    o->nout = table->noutputs;
    o->state = FV_NEW(a, int, table->noutputs + 1);
    for (int i = 0; i < o->nout; i++) {
        o->out_names[i] = table->outputs[i].name;
        o->state[i] = is_placed(table, &table->outputs[i]) ? table->outputs[i].state_of : 0;
    }
    for (int i = 0; i < o->nin; i++)
        if (!bind_input(o, i, &table->inputs[i], &inputs[i]))
            return false;
    return true;
}

bool fv_ort_run(fv_ort *o) {
    drop_outputs(o);
    return fine(o,
                o->call.run(o->session, NULL, o->in_names, (const object *const *)o->in,
                            (size_t)o->nin, o->out_names, (size_t)o->nout, o->out),
                "cannot run the model");
}

static bool read_tensor(fv_ort *o, object *value, object *info, fv_array *out) {
    const api *a = &o->call;
    size_t rank = 0;
    int type = 0;
    if (!fine(o, a->element_type(info, &type), "gives no type") ||
        !fine(o, a->rank_of(info, &rank), "gives no rank"))
        return false;
    if (rank > FV_ARRAY_RANK)
        return fv_error(o->c->session, "%s gives an output of rank %zu", o->name, rank);
    out->type = type;
    out->rank = (int32_t)rank;
    return fine(o, a->dims_of(info, out->dims, rank), "gives no dims") &&
           fine(o, a->tensor_data(value, &out->data), "gives no data");
}

bool fv_ort_output(fv_ort *o, int i, fv_array *out) {
    object *info = NULL;
    int kind = 0;
    *out = (fv_array){0};
    if (!fine(o, o->call.value_type(o->out[i], &kind), "gives no output"))
        return false;
    if (kind != IS_TENSOR)
        return fv_error(o->c->session, "output '%s' is no tensor and cannot be compared",
                        o->out_names[i]);
    if (!fine(o, o->call.tensor_info(o->out[i], &info), "gives no output"))
        return false;
    bool ok = read_tensor(o, o->out[i], info, out);
    o->call.release_tensor_info(info);
    return ok;
}
