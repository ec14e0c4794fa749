/* artifact.c - artifacts: runs compiled models, of which it needs the table and the functions plan
 * and run. */
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "aligned.h"
#include "internal.h"
#include "run_setup.h"

static int table_plan(fv_artifact *a, const int64_t *dims, size_t *workspace, int64_t *out_dims) {
    return a->model->plan(dims, workspace, out_dims);
}

static int table_run(fv_artifact *a, const int64_t *dims, const void *const *inputs,
                     void *const *outputs, int64_t *out_dims, void *workspace, size_t bytes,
                     const fv_env *env) {
    if (!a->weights)
        return a->model->run(dims, inputs, outputs, out_dims, workspace, bytes, env);
    fv_env with = env ? *env : (fv_env){.size = sizeof with};
    with.weights = a->weights;
    with.weights_bytes = a->weights_bytes;
    return a->model->run(dims, inputs, outputs, out_dims, workspace, bytes, &with);
}

/* ---- state that all runs of an artifact share ---- */

/* Memory of a finished run, kept for the next one, since mapping fresh pages would take longer than
 * many a model runs. */
struct fv_workspace {
    struct fv_workspace *next;
    void *memory;
    size_t bytes;
};

/* A workspace of at least `bytes`; NULL: no memory. A kept workspace that is too small is freed. */
static struct fv_workspace *take_workspace(fv_artifact *a, size_t bytes) {
    pthread_mutex_lock(a->lock);
    struct fv_workspace *w = a->workspaces;
    if (w)
        a->workspaces = w->next;
    pthread_mutex_unlock(a->lock);
    if (!w && !(w = calloc(1, sizeof *w)))
        return NULL;
    if (w->memory && w->bytes >= bytes)
        return w;
    fv_aligned_free(w->memory);
    w->memory = fv_aligned_alloc(bytes);
    w->bytes = bytes;
    if (w->memory)
        return w;
    free(w);
    return NULL;
}

static void give_workspace(fv_artifact *a, struct fv_workspace *w) {
    pthread_mutex_lock(a->lock);
    w->next = a->workspaces;
    a->workspaces = w;
    pthread_mutex_unlock(a->lock);
}

static void free_shared(fv_artifact *a) {
    if (a->shares_pools)
        fv_shared_pool_leave();
    for (struct fv_workspace *w = a->workspaces, *next; w; w = next) {
        next = w->next;
        fv_aligned_free(w->memory);
        free(w);
    }
}

fv_artifact *fv_artifact_new(const fv_model *model) {
    fv_artifact *a = calloc(1, sizeof *a);
    pthread_mutex_t *lock = malloc(sizeof *lock);
    if (!a || !lock || pthread_mutex_init(lock, NULL)) {
        free(a);
        free(lock);
        return NULL;
    }
    a->model = model;
    a->plan = table_plan;
    a->run = table_run;
    a->lock = lock;
    return a;
}

const fv_model *fv_artifact_model(const fv_artifact *a) {
    return a ? a->model : NULL;
}

void fv_artifact_free(fv_artifact *a) {
    if (!a)
        return;
    free_shared(a);
    if (a->destroy)
        a->destroy(a);
    if (a->release)
        a->release(a->owner);
    pthread_mutex_destroy(a->lock);
    free(a->lock);
    free(a);
}

/* ---- running ---- */

/* The state of one run. out_dims: for each output its capacity in elements, then its dims. */
typedef struct run_state {
    fv_artifact *artifact;
    fv_run_setup *setup;
    const fv_array *inputs;
    fv_array *outputs;
    unsigned char *ours; /* for each output, whether it is allocated here */
    /* for each output of unbounded size, the number of elements with which the next attempt is
     * made */
    int64_t *grow;
    int64_t *dims, *out_dims;
    const void **in;
    void **out;
} run_state;

static int out_dims_size(const fv_model *m) {
    int n = 0;
    for (int i = 0; i < m->noutputs; i++)
        n += 1 + m->outputs[i].rank;
    return n;
}

static void state_free(run_state *s) {
    free(s->ours);
    free(s->grow);
    free(s->dims);
    free(s->out_dims);
    free(s->in);
    free(s->out);
}

static int state_new(run_state *s, fv_artifact *a, fv_run_setup *setup, const fv_array *inputs,
                     fv_array *outputs) {
    const fv_model *m = a->model;
    size_t no = (size_t)m->noutputs + 1;
    *s = (run_state){.artifact = a, .setup = setup, .inputs = inputs, .outputs = outputs};
    s->ours = calloc(no, 1);
    s->grow = calloc(no, sizeof *s->grow);
    s->dims = calloc((size_t)m->nsymbols + 1, sizeof *s->dims);
    s->out_dims = calloc((size_t)out_dims_size(m) + 1, sizeof *s->out_dims);
    s->in = calloc((size_t)m->ninputs + 1, sizeof *s->in);
    s->out = calloc(no, sizeof *s->out);
    if (!s->ours || !s->grow || !s->dims || !s->out_dims || !s->in || !s->out)
        return FV_NO_MEMORY;
    for (int i = 0; i < m->ninputs; i++)
        s->in[i] = inputs[i].data;
    for (int i = 0; i < m->noutputs; i++) {
        s->ours[i] = !outputs[i].data;
        s->grow[i] = 4096;
    }
    return FV_OK;
}

/* Allocates an output from its planned dims. */
static int make_output(run_state *s, fv_array *o, const fv_port_info *p, int64_t capacity) {
    fv_array probe = {.type = p->type, .rank = 1, .dims = {capacity}};
    size_t bytes = fv_array_bytes(&probe);
    if (bytes == SIZE_MAX)
        return FV_TOO_LARGE;
    if (!(o->data = fv_run_alloc(s->setup, bytes ? bytes : 1)))
        return FV_NO_MEMORY;
    o->owner = fv_run_setup_allocates(s->setup) ? NULL : o->data;
    return FV_OK;
}

/* Reports that an output does not fit the memory of its input, or that of a state. */
static int tell_capacity(const fv_model *m, const fv_port_info *p, int axis, int64_t capacity,
                         int64_t need, fv_log *log) {
    fv_log_add(log, "error: input '%s' has capacity %lld on axis %d, output '%s' needs %lld",
               m->inputs[p->state_of - 1].name, (long long)capacity, axis, p->name,
               (long long)need);
    return FV_TOO_SMALL;
}

/* Checks that the caller's buffer has enough space for an output whose dims are known. For dims
 * that depend on data, the run itself checks that.
 *  planned  the number of elements, which becomes that of the buffer, then the dims */
static int use_output(const fv_model *m, const fv_array *o, const fv_port_info *p, int64_t *planned,
                      fv_log *log) {
    int64_t have = 1;
    char text[400];
    bool fits = o->rank >= 0 && o->rank <= FV_ARRAY_RANK;
    for (int k = 0; fits && k < o->rank; k++)
        fits = o->dims[k] >= 0 && !__builtin_mul_overflow(have, o->dims[k], &have);
    if (!fits) {
        fv_log_add(log, "error: output '%s' has rank %d and dims that no array has", p->name,
                   (int)o->rank);
        return FV_BAD_ARGUMENT;
    }
    if (o->type != p->type) {
        fv_log_add(log, "error: output '%s' is given %s, expected %s", p->name,
                   fv_array_text(o, text, sizeof text), fv_type_text(p->type));
        return FV_BAD_ARGUMENT;
    }
    if (!p->depends_on_data && have < *planned) {
        bool has_room = p->state_of && o->capacity && o->axis >= 0 && o->axis < p->rank;
        if (has_room && planned[1 + o->axis] > o->capacity)
            return tell_capacity(m, p, o->axis, o->capacity, planned[1 + o->axis], log);
        fv_log_add(log, "error: output '%s' is given room for %lld elements, needs %lld", p->name,
                   (long long)have, (long long)*planned);
        return FV_TOO_SMALL;
    }
    *planned = have;
    return FV_OK;
}

/* An output that is in place has the memory of its input. */
static int share_output(run_state *s, int i, fv_log *log) {
    const fv_model *m = s->artifact->model;
    const fv_port_info *p = &m->outputs[i], *in = &m->inputs[p->state_of - 1];
    const fv_array *x = &s->inputs[p->state_of - 1];
    if (!s->ours[i] && s->outputs[i].data != x->data) {
        fv_log_add(log,
                   "error: output '%s' was passed memory of its own, but it is stored in that of "
                   "input '%s'",
                   p->name, in->name);
        return FV_BAD_ARGUMENT;
    }
    s->outputs[i].data = x->data;
    s->outputs[i].axis = p->in_place - 1;
    s->outputs[i].capacity = x->capacity ? x->capacity : x->dims[p->in_place - 1];
    return FV_OK;
}

static int place_outputs(run_state *s, fv_log *log) {
    const fv_model *m = s->artifact->model;
    int status = FV_OK;
    for (int i = 0, at = 0; i < m->noutputs && !status; at += 1 + m->outputs[i++].rank) {
        const fv_port_info *p = &m->outputs[i];
        if (s->ours[i] && s->out_dims[at] == INT64_MAX)
            s->out_dims[at] = s->grow[i];
        status = p->in_place  ? share_output(s, i, log)
                 : s->ours[i] ? make_output(s, &s->outputs[i], p, s->out_dims[at])
                              : use_output(m, &s->outputs[i], p, &s->out_dims[at], log);
        s->out[i] = s->outputs[i].data;
    }
    return status;
}

/* The plan has set bounds for dims that depend on data. Sets them to -1, which is left if the run
 * stops before it writes the actual dims. */
static void forget_dims(run_state *s) {
    const fv_model *m = s->artifact->model;
    for (int i = 0, at = 0; i < m->noutputs; at += 1 + m->outputs[i++].rank)
        for (int k = 0;
             k < m->outputs[i].rank && m->outputs[i].depends_on_data && !m->outputs[i].in_place;
             k++)
            s->out_dims[at + 1 + k] = -1;
}

/* The number of elements of an output with the dims that the run has written; -1: it stopped before
 * it wrote them. */
static int64_t told_elements(const fv_port_info *p, const int64_t *dims) {
    int64_t n = 1;
    for (int k = 0; k < p->rank; k++)
        if (dims[k] < 0)
            return -1;
        else if (__builtin_mul_overflow(n, dims[k], &n))
            n = INT64_MAX;
    return n;
}

/* Runs with the workspace of the caller. */
static int run_in_given(run_state *s, size_t bytes, fv_log *log) {
    fv_artifact *a = s->artifact;
    const fv_run_options *o = &s->setup->o;
    if (bytes > o->workspace_bytes) {
        fv_log_add(log, "error: the workspace has %zu bytes, needs %zu", o->workspace_bytes, bytes);
        return FV_TOO_SMALL;
    }
    return a->run(a, s->dims, s->in, s->out, s->out_dims, o->workspace, bytes, &s->setup->env);
}

/* Runs with a workspace from the allocator of the caller. */
static int run_in_allocated(run_state *s, size_t bytes) {
    fv_artifact *a = s->artifact;
    void *memory = fv_run_alloc(s->setup, bytes ? bytes : 64);
    if (!memory)
        return FV_NO_MEMORY;
    int status = a->run(a, s->dims, s->in, s->out, s->out_dims, memory, bytes, &s->setup->env);
    fv_run_free(s->setup, memory);
    return status;
}

/* Runs with a workspace of the artifact. */
static int run_in_kept(run_state *s, size_t bytes) {
    fv_artifact *a = s->artifact;
    struct fv_workspace *w = take_workspace(a, bytes);
    if (!w)
        return FV_NO_MEMORY;
    int status =
        a->run(a, s->dims, s->in, s->out, s->out_dims, w->memory, w->bytes, &s->setup->env);
    give_workspace(a, w);
    return status;
}

static int run_once(run_state *s, fv_log *log) {
    size_t bytes = 0;
    int status = s->artifact->plan(s->artifact, s->dims, &bytes, s->out_dims);
    if (!status)
        status = place_outputs(s, log);
    if (status)
        return status;
    forget_dims(s);
    status = s->setup->o.workspace              ? run_in_given(s, bytes, log)
             : fv_run_setup_allocates(s->setup) ? run_in_allocated(s, bytes)
                                                : run_in_kept(s, bytes);
    return s->setup->stopping.stopped ? FV_CANCELLED : status;
}

static void drop_outputs(run_state *s) {
    for (int i = 0; i < s->artifact->model->noutputs; i++) {
        fv_array *o = &s->outputs[i];
        if (!s->ours || !s->ours[i])
            continue;
        if (!s->artifact->model->outputs[i].in_place)
            fv_run_free(s->setup, o->data);
        o->data = o->owner = NULL;
        o->capacity = 0;
    }
}

/* After FV_TOO_SMALL: raises the sizes of outputs without a bound to those that the run has
 * reported. Nonzero if any was raised, so that the run is worth repeating. */
static int grow_outputs(run_state *s) {
    const fv_model *m = s->artifact->model;
    int grown = 0;
    for (int i = 0, at = 0; i < m->noutputs; at += 1 + m->outputs[i++].rank) {
        int64_t need = told_elements(&m->outputs[i], s->out_dims + at + 1);
        if (!m->outputs[i].depends_on_data || !s->ours[i])
            continue;
        if (need == INT64_MAX)
            return 0;
        grown |= need > s->grow[i];
        s->grow[i] = need > s->grow[i] ? need : s->grow[i];
    }
    if (grown)
        drop_outputs(s);
    return grown;
}

static void tell_dims(run_state *s) {
    const fv_model *m = s->artifact->model;
    for (int i = 0, at = 0; i < m->noutputs; at += 1 + m->outputs[i++].rank) {
        s->outputs[i].type = m->outputs[i].type;
        s->outputs[i].rank = m->outputs[i].rank;
        if (!m->outputs[i].in_place)
            s->outputs[i].capacity = 0;
        for (int k = 0; k < m->outputs[i].rank; k++)
            s->outputs[i].dims[k] = s->out_dims[at + 1 + k];
    }
}

/* ---- messages about refused runs ---- */

/* Checks that every input with elements has an address that is aligned to them. */
static int check_inputs(const fv_model *m, const fv_array *inputs, fv_log *log) {
    for (int i = 0; i < m->ninputs; i++) {
        const fv_array *x = &inputs[i];
        size_t bytes = fv_array_bytes(x), align = fv_type_align(x->type);
        char text[400];
        if (!bytes || (x->data && (uintptr_t)x->data % align == 0))
            continue;
        fv_array_text(x, text, sizeof text);
        if (!x->data)
            fv_log_add(log, "error: input '%s' is %s, its data is NULL", m->inputs[i].name, text);
        else
            fv_log_add(
                log,
                "error: input '%s' is %s, its data is at an address that is no multiple of %zu",
                m->inputs[i].name, text, align);
        return FV_BAD_ARGUMENT;
    }
    return FV_OK;
}

/* Prints a relation that does not hold. A side that is a number is printed as it is; if a formula
 * is longer than half a line, only its reason is printed. */
static void tell_relation(const fv_model *m, const int64_t *dims, const fv_relation_info *r,
                          int64_t left, int64_t right, fv_log *log) {
    enum { READABLE = 60 };
    char where[200];
    fv_name_dims(m, dims, where, sizeof where);
    if (strlen(r->left) > READABLE || strlen(r->right) > READABLE)
        fv_log_add(log, "error: dims contradict each other%s: %s", where, r->why);
    else if (strspn(r->right, "0123456789") == strlen(r->right))
        fv_log_add(log, "error: dims contradict each other: %s is %lld, not %s%s: %s", r->left,
                   (long long)left, r->right, where, r->why);
    else
        fv_log_add(log, "error: dims contradict each other: %s is %lld, %s is %lld%s: %s", r->left,
                   (long long)left, r->right, (long long)right, where, r->why);
}

/* After FV_BAD_DIM: prints the relations of the table that do not hold. */
static void tell_relations(const fv_model *m, const int64_t *dims, fv_log *log) {
    for (int i = 0; i < m->nrelations; i++) {
        const fv_relation_info *r = &m->relations[i];
        int64_t left, right;
        if (fv_eval_dim_text(m, dims, r->left, &left) &&
            fv_eval_dim_text(m, dims, r->right, &right) && left != right)
            tell_relation(m, dims, r, left, right, log);
    }
}

/* After FV_TOO_SMALL: prints the outputs whose size the run has reported, and the states. */
static void tell_capacities(const run_state *s, fv_log *log) {
    const fv_model *m = s->artifact->model;
    for (int i = 0, at = 0; i < m->noutputs; at += 1 + m->outputs[i++].rank) {
        int64_t need = told_elements(&m->outputs[i], s->out_dims + at + 1);
        int axis = m->outputs[i].in_place - 1;
        if (axis >= 0 && s->out_dims[at + 1 + axis] > s->outputs[i].capacity)
            tell_capacity(m, &m->outputs[i], axis, s->outputs[i].capacity,
                          s->out_dims[at + 1 + axis], log);
        if (m->outputs[i].depends_on_data && need > s->out_dims[at])
            fv_log_add(log, "error: output '%s' is given room for %lld elements, needs %lld",
                       m->outputs[i].name, (long long)s->out_dims[at], (long long)need);
    }
}

static void note_launch(void *user, int32_t launch, int32_t end) {
    if (!end)
        *(int32_t *)user = launch;
}

/* After FV_BAD_INDEX, for code without `explain`: runs it again with a trace to find the launch at
 * which it stops. */
static void tell_launch(run_state *s, fv_log *log) {
    const fv_model *m = s->artifact->model;
    int32_t launch = -1;
    fv_run_setup again, *before = s->setup;
    fv_run_setup_trace(&again, before, note_launch, &launch);
    s->setup = &again;
    int status = run_once(s, NULL);
    s->setup = before;
    if (status != FV_BAD_INDEX || launch < 0 || launch >= m->nlaunches)
        return;
    const fv_launch_info *info = &m->launches[launch];
    const char *nodes = *info->indexes ? info->indexes : info->nodes;
    fv_log_add(log, "error: %s '%s': an index in the data is out of range",
               *nodes ? "node" : "kernel", *nodes ? nodes : info->kernel);
}

static void tell_communicator(const fv_communicator *c, fv_log *log) {
    if (!c)
        fv_log_add(log, "error: the model is one of several parts, which exchange data: its runs "
                        "need a communicator (env.communicator)");
    else
        fv_log_add(log,
                   "error: a communicator of %zu ranks has failed, or is not what the model needs: "
                   "another number of ranks, or more members",
                   c->size >= sizeof *c ? c->ranks : 0);
}

/* Explaining a run takes memory of the session in which the artifact was compiled, which artifacts
 * that run in other threads may have in common with it. */
static pthread_mutex_t explaining = PTHREAD_MUTEX_INITIALIZER;

static void tell(run_state *s, int status, const fv_array *inputs, fv_log *log) {
    fv_artifact *a = s->artifact;
    size_t said = fv_log_count(log);
    if (status == FV_BAD_FILE && a->weights)
        fv_log_add(log, "error: %s, next to the library, holds the weights of another compilation",
                   a->model->weights_file);
    if (status == FV_BAD_CPU)
        fv_log_add(log, "error: this CPU lacks what target %s needs; compile the model for another",
                   a->model->target);
    if (status == FV_BAD_COMMUNICATOR)
        tell_communicator(s->setup->env.communicator, log);
    if (status == FV_TOO_SMALL)
        tell_capacities(s, log);
    if (status == FV_BAD_DIM)
        tell_relations(a->model, s->dims, log);
    if (status == FV_BAD_INDEX && !a->explain)
        tell_launch(s, log);
    if (a->explain && fv_log_count(log) == said) {
        pthread_mutex_lock(&explaining);
        a->explain(a, status, inputs, log);
        pthread_mutex_unlock(&explaining);
    }
}

/* Replaces the inputs that are given with strides by dense copies. */
static int use_dense(run_state *s, fv_log *log) {
    const fv_model *m = s->artifact->model;
    int status = fv_run_dense(s->setup, m, s->inputs, log);
    if (status || !s->setup->dense)
        return status;
    s->inputs = s->setup->dense;
    for (int i = 0; i < m->ninputs; i++)
        s->in[i] = s->inputs[i].data;
    return FV_OK;
}

static int run_state_run(run_state *s, fv_log *log) {
    fv_artifact *a = s->artifact;
    int status = fv_solve_dims(a->model, s->inputs, s->dims, log);
    if (!status)
        status = use_dense(s, log);
    if (!status)
        status = check_inputs(a->model, s->inputs, log);
    if (status)
        return status;
    status = run_once(s, log);
    while (status == FV_TOO_SMALL && grow_outputs(s))
        status = run_once(s, log);
    if (status && s->setup->misaligned) {
        fv_log_add(log,
                   "error: alloc of the env has returned an address that is no multiple of 64");
        return FV_BAD_ARGUMENT;
    }
    if (status && log)
        tell(s, status, s->inputs, log);
    return status;
}

static int run(fv_artifact *a, const fv_array *inputs, fv_array *outputs,
               const fv_run_options *options, fv_log *log) {
    fv_run_setup setup;
    run_state s;
    int status = fv_run_setup_begin(&setup, a, options, log);
    if (status)
        return status;
    status = state_new(&s, a, &setup, inputs, outputs);
    if (!status)
        status = run_state_run(&s, log);
    if (status)
        drop_outputs(&s);
    else
        tell_dims(&s);
    state_free(&s);
    fv_run_free_dense(&setup, a->model, inputs);
    fv_run_setup_end(&setup);
    return status;
}

/* The name of an argument that is NULL. The lists may be NULL if the model has no inputs or
 * outputs. */
static const char *missing_argument(const fv_artifact *a, const fv_array *inputs,
                                    const fv_array *outputs) {
    return !a                                   ? "artifact"
           : !inputs && a->model->ninputs > 0   ? "inputs"
           : !outputs && a->model->noutputs > 0 ? "outputs"
                                                : NULL;
}

int fv_artifact_run(fv_artifact *a, const fv_array *inputs, fv_array *outputs,
                    const fv_run_options *o, fv_log *log) {
    const char *missing = missing_argument(a, inputs, outputs);
    if (missing)
        return fv_log_missing(log, missing);
    size_t said = fv_log_count(log);
    return fv_log_status(run(a, inputs, outputs, o, log), said, log);
}

/* ---- planning ---- */

/* A dim of an output; -1: it depends on data, and the output has no bound. */
static int64_t planned(const fv_model *m, const int64_t *dims, int64_t capacity, int64_t bound,
                       const char *text) {
    int64_t value;
    return capacity == INT64_MAX && !fv_eval_dim_text(m, dims, text, &value) ? -1 : bound;
}

static void put_plan(const fv_model *m, const int64_t *dims, const int64_t *out_dims,
                     fv_array *outputs) {
    for (int i = 0, at = 0; i < m->noutputs; at += 1 + m->outputs[i++].rank) {
        const fv_port_info *p = &m->outputs[i];
        outputs[i] = (fv_array){.type = p->type, .rank = p->rank};
        for (int k = 0; k < p->rank; k++)
            outputs[i].dims[k] = planned(m, dims, out_dims[at], out_dims[at + 1 + k], p->dims[k]);
    }
}

static int plan(fv_artifact *a, const fv_array *inputs, int64_t *dims, int64_t *out_dims,
                size_t *bytes, fv_log *log) {
    int status = fv_solve_dims(a->model, inputs, dims, log);
    if (status)
        return status;
    status = a->plan(a, dims, bytes, out_dims);
    if (status == FV_BAD_DIM)
        tell_relations(a->model, dims, log);
    return status;
}

int fv_artifact_plan(fv_artifact *a, const fv_array *inputs, fv_array *outputs, size_t *workspace,
                     fv_log *log) {
    if (!a || (!inputs && a->model->ninputs > 0))
        return fv_log_missing(log, a ? "inputs" : "artifact");
    size_t said = fv_log_count(log), bytes;
    int64_t *dims = calloc((size_t)a->model->nsymbols + 1, sizeof *dims);
    int64_t *out_dims = calloc((size_t)out_dims_size(a->model) + 1, sizeof *out_dims);
    int status = dims && out_dims ? plan(a, inputs, dims, out_dims, &bytes, log) : FV_NO_MEMORY;
    if (!status && workspace)
        *workspace = bytes;
    if (!status && outputs)
        put_plan(a->model, dims, out_dims, outputs);
    free(dims);
    free(out_dims);
    return fv_log_status(status, said, log);
}
