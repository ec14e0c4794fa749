/* states.c - the values of a model's states, kept from run to run in memory whose size is fixed
 * when it is allocated. */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "aligned.h"
#include "internal.h"

/* One state: the input of a port and the output that replaces it. */
typedef struct state {
    int in, out;
    fv_array value; /* the input of the next run */
    void *other;    /* memory for the value after the next run; NULL: the state is in place */
    fv_array most;  /* an array with the dims that the memory has room for */
    int64_t first[FV_ARRAY_RANK]; /* the dims after a reset */
    bool grows[FV_ARRAY_RANK];    /* the axes whose dims differ from run to run */
} state;

struct fv_states {
    fv_artifact *artifact;
    state *states;
    int n;
    fv_array *inputs, *outputs; /* arguments of a run */
};

/* ---- the values of symbols ---- */

/* What is known about the model's symbols. */
typedef struct sizes {
    const fv_model *model;
    int64_t *values;
    unsigned char *known;
    fv_log *log;
} sizes;

static int refuse_entry(const sizes *z, const char *entry, const char *why) {
    fv_log_add(z->log, "error: dims of the states: '%s' %s", entry, why);
    return FV_BAD_ARGUMENT;
}

static int find_named(const fv_model *m, const char *entry, size_t length) {
    for (int i = 0; i < m->nsymbols; i++)
        if (strlen(m->symbols[i].name) == length && !memcmp(m->symbols[i].name, entry, length))
            return i;
    return -1;
}

/* Reads an entry such as "batch=2". */
static int read_entry(sizes *z, const char *entry) {
    const fv_model *m = z->model;
    const char *equals = strrchr(entry, '=');
    int i = equals ? find_named(m, entry, (size_t)(equals - entry)) : -1;
    int64_t value = 0;
    if (!equals || !isdigit((unsigned char)equals[1]))
        return refuse_entry(z, entry, "is not of the form NAME=NUMBER");
    if (i < 0)
        return refuse_entry(z, entry, "names no dim of the model");
    for (const char *s = equals + 1; *s; s++)
        if (!isdigit((unsigned char)*s) || __builtin_mul_overflow(value, 10, &value) ||
            __builtin_add_overflow(value, *s - '0', &value))
            return refuse_entry(z, entry, "is not of the form NAME=NUMBER");
    if (value < m->symbols[i].lo || value > m->symbols[i].hi) {
        fv_log_add(z->log, "error: dims of the states: '%s': '%s' may be %lld to %lld", entry,
                   m->symbols[i].name, (long long)m->symbols[i].lo, (long long)m->symbols[i].hi);
        return FV_BAD_DIM;
    }
    z->values[i] = value;
    z->known[i] = 1;
    return FV_OK;
}

static int read_dims(sizes *z, const char *const *dims) {
    int status = FV_OK;
    for (int i = 0; i < z->model->nsymbols; i++) {
        z->values[i] = z->model->symbols[i].lo;
        z->known[i] = z->model->symbols[i].lo == z->model->symbols[i].hi;
    }
    for (int i = 0; dims && dims[i] && !status; i++)
        status = read_entry(z, dims[i]);
    return status;
}

/* The value of a dim on which the size of a state depends. */
static int size_of(const sizes *z, const char *input, const char *text, int64_t *out) {
    int missing = fv_dim_text_unknown(z->model, text, z->known);
    if (missing >= 0) {
        fv_log_add(z->log,
                   "error: the size of state '%s' depends on dim '%s', to which the dims of the "
                   "states give no value",
                   input, z->model->symbols[missing].name);
        return FV_BAD_DIM;
    }
    if (fv_eval_dim_text(z->model, z->values, text, out) && *out >= 0)
        return FV_OK;
    fv_log_add(z->log, "error: the size of state '%s' is %s, which is no size", input, text);
    return FV_BAD_DIM;
}

/* ---- memory ---- */

static const fv_port_info *port_of(const fv_states *s, const state *t) {
    return &s->artifact->model->inputs[t->in];
}

/* Sets the dims of a state's memory, and along which axes the state grows: those along which the
 * model gives input and output different dims. */
static int size_state(const fv_states *s, state *t, const sizes *z) {
    const fv_port_info *p = port_of(s, t), *out = &z->model->outputs[t->out];
    int status = FV_OK;
    int64_t number;
    t->value = t->most = (fv_array){.type = p->type, .rank = p->rank};
    for (int k = 0; k < p->rank && !status; k++) {
        bool is_room = k == p->in_place - 1;
        t->grows[k] = strcmp(p->dims[k], out->dims[k]) != 0 &&
                      !fv_eval_dim_text(z->model, NULL, p->dims[k], &number);
        status = size_of(z, p->name, is_room ? p->capacity : p->dims[k], &t->most.dims[k]);
        if (!status && !t->grows[k])
            status = size_of(z, p->name, p->dims[k], &t->first[k]);
    }
    return status;
}

static int allocate_state(state *t, bool in_place) {
    size_t bytes = fv_array_bytes(&t->most);
    if (bytes == SIZE_MAX)
        return FV_TOO_LARGE;
    t->value.data = fv_aligned_alloc(bytes);
    if (!in_place)
        t->other = fv_aligned_alloc(bytes);
    return t->value.data && (in_place || t->other) ? FV_OK : FV_NO_MEMORY;
}

static int make_state(const fv_states *s, state *t, const sizes *z) {
    const fv_port_info *p = port_of(s, t);
    int status = size_state(s, t, z);
    status = status ? status : allocate_state(t, p->in_place);
    if (p->in_place && !status) {
        t->value.axis = p->in_place - 1;
        t->value.capacity = t->most.dims[t->value.axis];
    }
    return status;
}

static int make_states(fv_states *s, const char *const *dims, sizes *z) {
    const fv_model *m = z->model;
    int status = read_dims(z, dims);
    for (int i = 0; i < m->noutputs && !status; i++) {
        if (!m->outputs[i].state_of)
            continue;
        state *t = &s->states[s->n++];
        t->in = m->outputs[i].state_of - 1;
        t->out = i;
        status = make_state(s, t, z);
    }
    return status;
}

static bool allocate_lists(fv_states *s, const fv_model *m) {
    s->states = calloc((size_t)m->noutputs + 1, sizeof *s->states);
    s->inputs = calloc((size_t)m->ninputs + 1, sizeof *s->inputs);
    s->outputs = calloc((size_t)m->noutputs + 1, sizeof *s->outputs);
    return s->states && s->inputs && s->outputs;
}

static int make(fv_states *s, const char *const *dims, fv_log *log) {
    const fv_model *m = s->artifact->model;
    sizes z = {.model = m, .log = log};
    z.values = calloc((size_t)m->nsymbols + 1, sizeof *z.values);
    z.known = calloc((size_t)m->nsymbols + 1, sizeof *z.known);
    bool is_ready = z.values && z.known && allocate_lists(s, m);
    int status = is_ready ? make_states(s, dims, &z) : FV_NO_MEMORY;
    free(z.values);
    free(z.known);
    return status;
}

int fv_states_new(fv_artifact *a, const char *const *dims, fv_log *log, fv_states **out) {
    if (out)
        *out = NULL;
    if (!a || !out)
        return fv_log_missing(log, a ? "out" : "artifact");
    size_t said = fv_log_count(log);
    fv_states *s = calloc(1, sizeof *s);
    if (s)
        s->artifact = a;
    int status = s ? make(s, dims, log) : FV_NO_MEMORY;
    if (status) {
        fv_states_free(s);
        return fv_log_status(status, said, log);
    }
    fv_states_reset(s);
    *out = s;
    return FV_OK;
}

void fv_states_free(fv_states *s) {
    if (!s)
        return;
    for (int i = 0; s->states && i < s->n; i++) {
        fv_aligned_free(s->states[i].value.data);
        fv_aligned_free(s->states[i].other);
    }
    free(s->states);
    free(s->inputs);
    free(s->outputs);
    free(s);
}

void fv_states_reset(fv_states *s) {
    for (int i = 0; s && i < s->n; i++) {
        state *t = &s->states[i];
        memcpy(t->value.dims, t->first, sizeof t->first);
        memset(t->value.data, 0, fv_array_bytes(&t->most));
    }
}

/* ---- values ---- */

static state *find_state(const fv_states *s, int input) {
    for (int i = 0; s && i < s->n; i++)
        if (s->states[i].in == input)
            return &s->states[i];
    return NULL;
}

int fv_states_get(const fv_states *s, int input, fv_array *out) {
    const state *t = find_state(s, input);
    if (!t || !out)
        return FV_BAD_ARGUMENT;
    *out = t->value;
    return FV_OK;
}

/* Reports that a value is refused, because of `what`. Returns `status`. */
static int refuse_value(const fv_port_info *p, const fv_array *x, const char *what, int status,
                        fv_log *log) {
    char text[400];
    fv_log_add(log, "error: state '%s' is given %s, %s", p->name,
               fv_array_text(x, text, sizeof text), what);
    return status;
}

/* Checks the memory of a value whose type and rank fit. */
static int check_memory(const state *t, const fv_port_info *p, const fv_array *x, fv_log *log) {
    size_t bytes = fv_array_bytes(x);
    if (x->capacity && (x->axis < 0 || x->axis >= x->rank || x->capacity < x->dims[x->axis]))
        return refuse_value(p, x, "whose capacity is less than its dim, or along no axis of it",
                            FV_BAD_ARGUMENT, log);
    if (x->capacity && t->value.capacity && x->axis != t->value.axis)
        return refuse_value(p, x, "whose capacity is along another axis than that of the state",
                            FV_BAD_ARGUMENT, log);
    if ((x->capacity || t->value.capacity) && !fv_type_bytes(p->type))
        return refuse_value(p, x, "several elements of which share a byte; it must be dense",
                            FV_BAD_ARGUMENT, log);
    if (bytes == SIZE_MAX)
        return refuse_value(p, x, "which is too large", FV_TOO_LARGE, log);
    return bytes && !x->data ? refuse_value(p, x, "its data is NULL", FV_BAD_ARGUMENT, log) : FV_OK;
}

static int check_dims(const state *t, const fv_port_info *p, const fv_array *x, fv_log *log) {
    for (int k = 0; k < p->rank; k++) {
        if (x->dims[k] < 0 || (!t->grows[k] && x->dims[k] != t->first[k]))
            return refuse_value(p, x, "which has other dims than the state", FV_BAD_DIM, log);
        if (x->dims[k] <= t->most.dims[k])
            continue;
        fv_log_add(log, "error: state '%s' has capacity %lld on axis %d, is given %lld", p->name,
                   (long long)t->most.dims[k], k, (long long)x->dims[k]);
        return FV_TOO_SMALL;
    }
    return FV_OK;
}

static int check_value(const state *t, const fv_port_info *p, const fv_array *x, fv_log *log) {
    if (x->type != p->type || x->rank != p->rank) {
        fv_log_add(log, "error: state '%s' is given type %d and rank %d, expected %s of rank %d",
                   p->name, (int)x->type, (int)x->rank, fv_type_text(p->type), (int)p->rank);
        return FV_BAD_ARGUMENT;
    }
    int status = check_dims(t, p, x, log);
    return status ? status : check_memory(t, p, x, log);
}

static size_t product(const fv_array *x, int from, int to) {
    size_t n = 1;
    for (int k = from; k < to; k++)
        n *= (size_t)x->dims[k];
    return n;
}

/* The distance in elements between two rows, which consist of all elements with the same indices
 * before `axis`; `inner` elements follow each index of `axis`. */
static size_t row_step(const fv_array *x, int axis, size_t inner) {
    return (size_t)(x->capacity ? x->capacity : x->dims[axis]) * inner;
}

/* Copies the elements of x into the memory of the state. Where x is a part of that memory, each row
 * moves to a lower address, before the next row is read. */
static void copy_value(state *t, const fv_array *x) {
    fv_array to = t->value;
    memcpy(to.dims, x->dims, sizeof to.dims);
    if (!x->capacity && !to.capacity) {
        memmove(to.data, x->data, fv_array_bytes(x));
        return;
    }
    int axis = to.capacity ? to.axis : x->axis;
    size_t inner = product(x, axis + 1, x->rank) * fv_type_bytes(x->type);
    size_t bytes = (size_t)x->dims[axis] * inner, rows = product(x, 0, axis);
    if (to.data == x->data && row_step(&to, axis, inner) == row_step(x, axis, inner))
        return;
    for (size_t i = 0; i < rows && bytes; i++)
        memmove((char *)to.data + i * row_step(&to, axis, inner),
                (const char *)x->data + i * row_step(x, axis, inner), bytes);
}

static int set(fv_states *s, state *t, const fv_array *x, fv_log *log) {
    int status = check_value(t, port_of(s, t), x, log);
    if (status)
        return status;
    if (x->data && fv_array_bytes(x))
        copy_value(t, x);
    memcpy(t->value.dims, x->dims, sizeof t->value.dims);
    return FV_OK;
}

int fv_states_set(fv_states *s, int input, const fv_array *value, fv_log *log) {
    state *t = find_state(s, input);
    if (!s || !value)
        return fv_log_missing(log, s ? "value" : "states");
    if (!t) {
        fv_log_add(log, "error: input %d of the model is no state", input);
        return FV_BAD_ARGUMENT;
    }
    return set(s, t, value, log);
}

/* ---- runs ---- */

/* The axis along which the value may outgrow its memory; -1: there is not exactly one. */
static int room_axis(const state *t) {
    int axis = -1;
    for (int k = 0; k < t->most.rank; k++)
        if (t->grows[k] && axis >= 0)
            return -1;
        else if (t->grows[k])
            axis = k;
    return axis;
}

/* The output of a run that replaces the value. */
static fv_array output_of(const state *t) {
    fv_array y = t->most;
    int axis = room_axis(t);
    if (!t->other)
        return (fv_array){0};
    y.data = t->other;
    if (axis >= 0) {
        y.axis = axis;
        y.capacity = y.dims[axis];
    }
    return y;
}

static int check_output(const fv_states *s, const state *t, const fv_array *y, fv_log *log) {
    if (!y->data || y->data == t->value.data || y->data == t->other)
        return FV_OK;
    fv_log_add(log,
               "error: output '%s' was passed memory of its own, but it is stored in that of the "
               "states",
               s->artifact->model->outputs[t->out].name);
    return FV_BAD_ARGUMENT;
}

/* Values of states are dense, or have a capacity. */
static int check_strides(const fv_states *s, const fv_run_options *o, fv_log *log) {
    size_t known = offsetof(fv_run_options, strides) + sizeof o->strides;
    for (int i = 0; o && o->size >= known && o->strides && i < s->n; i++) {
        const state *t = &s->states[i];
        if (!o->strides[t->in])
            continue;
        fv_log_add(log, "error: input '%s' is given with strides, but is a state, which has none",
                   port_of(s, t)->name);
        return FV_BAD_ARGUMENT;
    }
    return FV_OK;
}

/* Makes the arguments of a run. */
static int prepare(fv_states *s, const fv_array *inputs, const fv_array *outputs, fv_log *log) {
    const fv_model *m = s->artifact->model;
    int status = FV_OK;
    for (int i = 0; i < m->ninputs; i++)
        s->inputs[i] = inputs[i];
    for (int i = 0; i < m->noutputs; i++)
        s->outputs[i] = outputs[i];
    for (int i = 0; i < s->n && !status; i++)
        status = check_output(s, &s->states[i], &outputs[s->states[i].out], log);
    /* all values are checked before the first one is replaced */
    for (int i = 0; i < s->n && !status; i++)
        if (inputs[s->states[i].in].type)
            status = check_value(&s->states[i], port_of(s, &s->states[i]), &inputs[s->states[i].in],
                                 log);
    for (int i = 0; i < s->n && !status; i++) {
        state *t = &s->states[i];
        if (inputs[t->in].type)
            status = set(s, t, &inputs[t->in], log);
        s->inputs[t->in] = t->value;
        s->outputs[t->out] = output_of(t);
    }
    return status;
}

/* Takes the outputs of a run as values. */
static void take_outputs(fv_states *s, fv_array *outputs) {
    const fv_model *m = s->artifact->model;
    for (int i = 0; i < s->n; i++) {
        state *t = &s->states[i];
        fv_array *y = &s->outputs[t->out];
        memcpy(t->value.dims, y->dims, sizeof t->value.dims);
        if (t->other) {
            t->other = t->value.data;
            t->value.data = y->data;
        }
        *y = t->value;
    }
    for (int i = 0; i < m->noutputs; i++)
        outputs[i] = s->outputs[i];
}

int fv_states_run(fv_states *s, const fv_array *inputs, fv_array *outputs, const fv_run_options *o,
                  fv_log *log) {
    if (!s)
        return fv_log_missing(log, "states");
    const fv_model *m = s->artifact->model;
    if ((!inputs && m->ninputs > 0) || (!outputs && m->noutputs > 0))
        return fv_log_missing(log, inputs || m->ninputs == 0 ? "outputs" : "inputs");
    size_t said = fv_log_count(log);
    int status = check_strides(s, o, log);
    status = status ? status : prepare(s, inputs, outputs, log);
    status = status ? status : fv_artifact_run(s->artifact, s->inputs, s->outputs, o, log);
    if (status)
        return fv_log_status(status, said, log);
    take_outputs(s, outputs);
    return FV_OK;
}
