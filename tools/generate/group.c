/* group.c - runs of a group of sequences: makes the inputs of each run, and passes caches on. */
#include <float.h>
#include <string.h>

#include "ir/type/tensor.h"
#include "tools/generate/generator.h"

/* ---- dims ---- */

/* What is known about the dims of one run. */
typedef struct run_dims {
    const fv_generator *g;
    int64_t *values;      /* the value of each symbol */
    unsigned char *known; /* for each symbol, whether it has a value */
    /* ids that each sequence gets, including those that fill up a fixed dim */
    int64_t ids;
    int64_t past, total; /* number of positions before the run, and up to its last one */
} run_dims;

static void bind(run_dims *d, const char *dim, int64_t value) {
    int s = fv_dim_text_symbol(d->g->decoder.table, dim);
    if (s < 0 || d->known[s])
        return;
    d->values[s] = value;
    d->known[s] = 1;
}

/* The value of dim `axis` of an input if no other input determines it. */
static int64_t usual(const run_dims *d, int input, int axis) {
    const fv_port_info *p = &d->g->decoder.table->inputs[input];
    switch (d->g->decoder.roles[input]) {
    case FV_ROLE_MASK: return axis == p->rank - 1 ? d->total : d->g->group.batch;
    case FV_ROLE_MASK_ROWS:
        return axis == p->rank - 1   ? d->total
               : axis == p->rank - 2 ? d->ids
               : axis == 0           ? d->g->group.batch
                                     : 1;
    case FV_ROLE_IDS:
    case FV_ROLE_POSITIONS:
    case FV_ROLE_ZEROS: return axis == p->rank - 1 ? d->ids : d->g->group.batch;
    case FV_ROLE_LAST: return axis == 0 ? d->g->group.batch : 1;
    case FV_ROLE_STATE:
    case FV_ROLE_UNKNOWN:
    case FV_ROLE_GIVEN:
    case FV_ROLE_TOTAL:
    case FV_ROLE_PAST:
    case FV_ROLE_BRANCH: return 1;
    }
    return 1;
}

static void bind_ids(run_dims *d) {
    const fv_port_info *p = &d->g->decoder.table->inputs[d->g->decoder.ids];
    for (int k = 0; k < p->rank; k++)
        bind(d, p->dims[k], usual(d, d->g->decoder.ids, k));
}

static void bind_caches(run_dims *d) {
    const fv_decoder *of = &d->g->decoder;
    for (int i = 0; i < of->ncaches; i++) {
        const fv_decoder_cache *c = &of->caches[i];
        const fv_port_info *p = &of->table->inputs[c->in];
        if (c->in_place)
            bind(d, p->capacity, d->g->sizes.positions);
        if (c->axis >= 0)
            bind(d, p->dims[c->axis], d->past);
    }
}

/* The dims of the run whose ids end before position `end`. */
static int find_dims(run_dims *d, const fv_generator *g, fv_arena *step, int64_t end, fv_log *log) {
    const fv_model *t = g->decoder.table;
    unsigned char *given = FV_NEW(step, unsigned char, t->ninputs + 1);
    fv_array *inputs = FV_NEW(step, fv_array, t->ninputs + 1);
    *d = (run_dims){.g = g,
                    .values = FV_NEW(step, int64_t, t->nsymbols + 1),
                    .known = FV_NEW(step, unsigned char, t->nsymbols + 1),
                    .ids = g->sizes.span ? g->sizes.span : end - g->group.past,
                    .past = g->group.past,
                    .total = end};
    for (int i = 0; i < t->ninputs; i++)
        if ((given[i] = g->decoder.roles[i] == FV_ROLE_GIVEN))
            inputs[i] = g->o.given[i];
    bind_ids(d);
    bind_caches(d);
    return fv_find_dims(t, inputs, given, d->values, d->known, log);
}

/* Sets type, rank and dims of an input. */
static int shape_input(run_dims *d, int input, fv_array *x, fv_log *log) {
    const fv_port_info *p = &d->g->decoder.table->inputs[input];
    *x = (fv_array){.type = p->type, .rank = p->rank};
    for (int k = 0; k < p->rank; k++) {
        bind(d, p->dims[k], usual(d, input, k));
        if (!fv_eval_dim_text(d->g->decoder.table, d->values, p->dims[k], &x->dims[k]) ||
            x->dims[k] < 0) {
            fv_log_add(log, "error: input '%s': dim %s has no value", p->name, p->dims[k]);
            return FV_BAD_MODEL;
        }
    }
    return FV_OK;
}

int fv_group_plan(fv_generator *g, int64_t past, int64_t end, fv_log *log) {
    run_dims d;
    fv_array x;
    size_t bytes;
    fv_arena *a = fv_arena_new(g->session);
    g->group = (fv_group){.batch = g->sizes.is_fixed ? g->sizes.batch : 1, .past = past};
    int status = find_dims(&d, g, a, end, log);
    for (int i = 0; i < g->decoder.table->ninputs && !status; i++)
        status = shape_input(&d, i, &x, log);
    if (!status)
        status = g->artifact->plan(g->artifact, d.values, &bytes, NULL);
    g->group = (fv_group){0};
    fv_arena_free(a);
    return status;
}

/* ---- inputs ---- */

/* The value of element i of an input whose last axis has `width` elements, and the one before it
 * `rows`. */
static int64_t element(const run_dims *d, fv_role role, int64_t i, int64_t rows, int64_t width) {
    const fv_group *q = &d->g->group;
    int64_t at = i % width, last = d->total - 1;
    switch (role) {
    case FV_ROLE_IDS: {
        const fv_sequence *s = q->members[i / width < q->n ? i / width : 0];
        return d->past + at < s->n ? s->ids[d->past + at] : s->ids[s->n - 1];
    }
    case FV_ROLE_MASK: return at < d->total;
    case FV_ROLE_MASK_ROWS: return at <= d->past + i / width % rows;
    case FV_ROLE_POSITIONS: return d->past + at;
    case FV_ROLE_LAST: return last;
    case FV_ROLE_TOTAL: return d->total;
    case FV_ROLE_PAST: return d->past;
    case FV_ROLE_BRANCH: return d->past > 0;
    case FV_ROLE_ZEROS:
    case FV_ROLE_STATE:
    case FV_ROLE_UNKNOWN:
    case FV_ROLE_GIVEN: return 0;
    }
    return 0;
}

/* A number that a mask adds to the scores of hidden keys, which then get weight 0: the most
 * negative finite number of f16, bf16 or f32; that of f32 also for f64. */
static double lowest(fv_elem e) {
    return e == FV_F16 ? -65504 : e == FV_BF16 ? -0x1.fep127 : -(double)FLT_MAX;
}

static int fill_input(run_dims *d, fv_arena *step, int input, fv_array *x, fv_log *log) {
    int status = shape_input(d, input, x, log);
    if (status)
        return status;
    fv_elem e = (fv_elem)x->type;
    fv_tensor *t = fv_tensor_new(step, e, x->rank, x->dims);
    if (!t)
        return FV_TOO_LARGE;
    int64_t width = x->rank ? x->dims[x->rank - 1] : 1;
    int64_t rows = x->rank > 1 ? x->dims[x->rank - 2] : 1;
    fv_role role = d->g->decoder.roles[input];
    bool is_added = role == FV_ROLE_MASK_ROWS && fv_elem_is_float(e);
    for (size_t i = 0; i < t->count; i++) {
        int64_t v = element(d, role, (int64_t)i, rows, width);
        if (is_added)
            fv_tensor_set_float(t, i, v ? 0 : lowest(e));
        else if (fv_elem_is_float(e))
            fv_tensor_set_float(t, i, (double)v);
        else
            fv_tensor_set_int(t, i, v);
    }
    x->data = (void *)(uintptr_t)t->data;
    return FV_OK;
}

static int fill_inputs(run_dims *d, fv_arena *step, fv_array *inputs, fv_log *log) {
    const fv_decoder *of = &d->g->decoder;
    int status = FV_OK;
    for (int i = 0; i < of->ncaches; i++)
        inputs[of->caches[i].in] = d->g->group.states[i];
    for (int i = 0; i < of->table->ninputs && !status; i++)
        if (of->roles[i] == FV_ROLE_GIVEN)
            inputs[i] = d->g->o.given[i];
        else if (of->roles[i] != FV_ROLE_STATE)
            status = fill_input(d, step, i, &inputs[i], log);
    return status;
}

/* ---- caches ---- */

static int begin_state(run_dims *d, const fv_decoder_cache *c, fv_array *x, fv_log *log) {
    const fv_port_info *p = &d->g->decoder.table->inputs[c->in];
    int status = shape_input(d, c->in, x, log);
    if (status)
        return status;
    if (c->axis >= 0)
        x->dims[c->axis] = 0;
    if (c->in_place) {
        x->axis = p->in_place - 1;
        if (!fv_eval_dim_text(d->g->decoder.table, d->values, p->capacity, &x->capacity))
            return FV_BAD_DIM;
    }
    size_t bytes = fv_array_bytes(x);
    if (bytes == SIZE_MAX)
        return FV_TOO_LARGE;
    x->data = fv_alloc_aligned(d->g->group.arena, bytes + 1, 64);
    return FV_OK;
}

int fv_group_begin(fv_generator *g, fv_log *log) {
    run_dims d;
    fv_group *q = &g->group;
    q->states = FV_NEW(q->arena, fv_array, g->decoder.ncaches + 1);
    q->noutputs = g->decoder.table->noutputs;
    q->outputs = FV_NEW(q->arena, fv_array, q->noutputs + 1);
    int status = find_dims(&d, g, q->arena, 1, log);
    for (int i = 0; i < g->decoder.ncaches && !status; i++)
        status = begin_state(&d, &g->decoder.caches[i], &q->states[i], log);
    return status;
}

static void free_outputs(fv_generator *g) {
    for (int i = 0; i < g->group.noutputs; i++) {
        fv_array_free(&g->group.outputs[i]);
        g->group.outputs[i] = (fv_array){0};
    }
}

/* Makes outputs of a run the states of the next one. */
static void pass_on(fv_generator *g) {
    for (int i = 0; i < g->decoder.ncaches; i++) {
        fv_array *state = &g->group.states[i], *next = &g->group.outputs[g->decoder.caches[i].out];
        fv_array_free(state);
        *state = *next;
        *next = (fv_array){0};
    }
}

void fv_group_end(fv_generator *g) {
    for (int i = 0; g->group.states && i < g->decoder.ncaches; i++)
        fv_array_free(&g->group.states[i]);
    free_outputs(g);
    if (g->group.arena)
        fv_arena_free(g->group.arena);
    g->group = (fv_group){0};
}

/* ---- logits ---- */

static int bad_logits(const fv_generator *g, const fv_array *x, fv_log *log) {
    char text[400];
    fv_array_text(x, text, sizeof text);
    fv_log_add(
        log, "error: output '%s' is %s, expected logits of the ids of the run, or of the last one",
        g->decoder.table->outputs[g->decoder.logits].name, text);
    return FV_BAD_MODEL;
}

/* Copies the logits that follow the last id of the run, a row for each entry of the batch; `last`
 * is the number of that id within the run. */
static int take_logits(const fv_generator *g, fv_arena *step, const fv_array *x, int64_t last,
                       int64_t ids, const double **logits, int64_t *n, fv_log *log) {
    int64_t batch = g->group.batch, rows = 1;
    if (x->rank == 3)
        rows = x->dims[1];
    else if (g->decoder.table->inputs[g->decoder.ids].rank == 1)
        rows = x->dims[0];
    bool fits = x->dims[0] == batch || (x->rank == 2 && batch == 1 && rows == x->dims[0]);
    if (!fits || (rows != ids && (rows != 1 || last != ids - 1)) || x->dims[x->rank - 1] < 1)
        return bad_logits(g, x, log);
    *n = x->dims[x->rank - 1];
    double *out = FV_NEW(step, double, batch **n);
    const fv_tensor t = {.elem = (fv_elem)x->type,
                         .rank = x->rank,
                         .dims = x->dims,
                         .count = (size_t)(x->dims[0] * (x->rank == 3 ? rows : 1) * *n),
                         .data = x->data};
    for (int64_t b = 0; b < batch; b++) {
        int64_t from = (b * rows + (rows == 1 ? 0 : last)) * *n;
        for (int64_t i = 0; i < *n; i++)
            out[b * *n + i] = fv_tensor_float(&t, (size_t)(from + i));
    }
    *logits = out;
    return FV_OK;
}

/* ---- runs ---- */

int fv_group_run(fv_generator *g, fv_arena *step, int64_t end, const double **logits, int64_t *n,
                 fv_log *log) {
    run_dims d;
    const fv_model *t = g->decoder.table;
    fv_array *inputs = FV_NEW(step, fv_array, t->ninputs + 1), *outputs = g->group.outputs;
    const fv_run_options o = {.size = sizeof o,
                              .threads = g->o.threads,
                              .cancel = g->o.cancel,
                              .poll = g->o.poll,
                              .pool = g->o.pool,
                              .env = g->o.env};
    int64_t last = end - g->group.past - 1;
    int status = find_dims(&d, g, step, end, log);
    status = status ? status : fill_inputs(&d, step, inputs, log);
    status = status ? status : fv_artifact_run(g->artifact, inputs, outputs, &o, log);
    if (status)
        return status;
    pass_on(g);
    if (g->decoder.ncaches)
        g->group.past = end;
    status = take_logits(g, step, &outputs[g->decoder.logits], last, d.ids, logits, n, log);
    free_outputs(g);
    return status;
}
