/* trial.c - runs a model with some of its layers quantized. */
#include <string.h>

#include "ir/graph/verify.h"
#include "tools/command/progress.h"
#include "tools/data/compare.h"
#include "tools/quantize/quantize.h"

/* ---- progress ---- */

static void show_progress(const fv_quantizing *q, const char *what) {
    if (q->most > 1)
        fv_progress(q->c->args, "%d of about %d: %.60s", q->trials, q->most, what);
    else
        fv_progress(q->c->args, "%.60s", what);
}

/* ---- the graph ---- */

static int block_of(const fv_quant_wanted *w, fv_quant_type type) {
    if (type == FV_QUANT_INT4)
        return w->block ? w->block : FV_QUANT_BLOCK;
    /* if the narrowest type is int4, --block applies to int4 only */
    bool has_int4 = w->types[w->ntypes - 1] == FV_QUANT_INT4;
    return type == FV_QUANT_INT8 && !has_int4 ? w->block : 0;
}

fv_quant_how fv_quant_how_of(const fv_quantizing *q, int item, fv_quant_type type) {
    const fv_quant_item *it = &q->items[item];
    fv_quant_how how = {.type = type,
                        .block = block_of(&q->wanted, type),
                        .zero_points = q->wanted.zero_points,
                        .reduced = q->wanted.reduced && type == FV_QUANT_INT8,
                        .input = q->wanted.input,
                        .standard = q->wanted.standard,
                        .range = it->input.range,
                        .averaged = it->averaged.range,
                        .has_averaged = it->averaged.has_range};
    if (how.input == FV_QUANT_STATIC && !it->input.has_range)
        how.input = FV_QUANT_WEIGHTS;
    return how;
}

bool fv_quant_apply(fv_quantizing *q, fv_module *m, const fv_quant_type *types) {
    int n;
    fv_quant_layer *layers = fv_quant_layers(m->arena, m, &n);
    FV_HOLDS(m->session, n == q->n);
    bool ok = true;
    for (int i = 0; i < n; i++) {
        fv_quant_how how = fv_quant_how_of(q, i, types[i]);
        q->items[i].bits = fv_quant_bits(&layers[i], &how);
        q->items[i].keeps_range = fv_quant_keeps_range(&layers[i], &how);
        ok &= fv_quantize(&layers[i], &how);
    }
    return ok;
}

typedef struct work {
    fv_quantizing *q;
    const fv_quant_trial *t;
} work;

static bool show(const fv_quant_trial *t, fv_module *m) {
    fv_value **values = FV_NEW(m->arena, fv_value *, t->nshown + 1);
    const char **names = FV_NEW(m->arena, const char *, t->nshown + 1);
    for (int i = 0; i < t->nshown; i++) {
        values[i] = fv_value_find(m, t->shown[i]);
        names[i] = fv_printf(m->arena, "value %d", i); /* a name that no output of a model has */
        if (!values[i])
            return fv_error(m->session, "value '%s' is not there when the model is read again",
                            t->shown[i]);
    }
    if (t->nshown)
        fv_func_add_results(m->funcs, t->nshown, values, names);
    return true;
}

static bool change(void *user, fv_module *m) {
    const work *k = user;
    return fv_module_verify(m, NULL) && (!k->t->types || fv_quant_apply(k->q, m, k->t->types)) &&
           show(k->t, m);
}

/* ---- the runs ---- */

/* Forgets the inputs and outputs of the previous run. */
static void begin_run(fv_subject *m) {
    const fv_model *table = m->table;
    for (int i = 0; i < table->noutputs; i++)
        fv_array_free(&m->data.outputs[i]);
    memset(m->data.outputs, 0, (size_t)table->noutputs * sizeof *m->data.outputs);
    memset(m->data.inputs, 0, (size_t)table->ninputs * sizeof *m->data.inputs);
    memset(m->data.given, 0, (size_t)table->ninputs);
    memset(m->data.known, 0, (size_t)table->nsymbols);
}

static bool run_once(const work *k, fv_context *c, fv_subject *m, int set) {
    begin_run(m);
    if (!fv_read_inputs(c, m) || !fv_choose_dims(c, m, k->q->trials > 0) || !fv_make_inputs(c, m) ||
        fv_subject_run(c, m))
        return false;
    fv_tensor *out = FV_NEW(c->arena, fv_tensor, m->table->noutputs + 1);
    for (int i = 0; i < m->table->noutputs; i++)
        out[i] = fv_array_tensor(c->arena, &m->data.outputs[i]);
    return !k->t->take || k->t->take(k->t->user, set, m->table->noutputs, out);
}

static bool run_sets(const work *k, fv_context *c, fv_subject *m) {
    const fv_quantizing *q = k->q;
    for (int i = 0; i < k->t->nsets; i++) {
        fv_args args = *c->args;
        fv_context one = {c->session, fv_arena_new(c->session), &args};
        if (q->sets)
            args.data.data_set = q->sets[i];
        bool ok = run_once(k, &one, m, i);
        fv_arena_free(one.arena);
        if (!ok)
            return q->sets ? fv_error(c->session, "data set '%s' cannot be used", q->sets[i])
                           : false;
    }
    return true;
}

static void pass_on(fv_session *to, fv_session *from) {
    for (const fv_message *m = fv_messages(from); m; m = m->next)
        if (m->severity == FV_ERROR)
            fv_error_node(to, m->node, m->op, "%s", m->text);
}

bool fv_quant_try(fv_quantizing *q, const fv_quant_trial *t) {
    work k = {q, t};
    fv_args args = *q->c->args;
    fv_context one = {.session = fv_session_new(), .args = &args, .cancel = q->c->cancel};
    fv_subject m = {0};
    const fv_change changes = {.read = change, .user = &k};
    fv_door door;
    show_progress(q, t->what);
    if (!one.session || FV_DOOR_OPEN(one.session, &door))
        fv_leave_too(q->c->session, one.session);
    one.arena = fv_arena_new(one.session);
    bool ok =
        fv_subject_open_changed(&one, q->path, q->backend, &changes, &m) && run_sets(&k, &one, &m);
    fv_subject_close(&m);
    fv_door_close(one.session, &door);
    if (!ok)
        pass_on(q->c->session, one.session);
    fv_session_free(one.session);
    q->trials++;
    return ok;
}
