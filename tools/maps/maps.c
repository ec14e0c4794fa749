/* maps.c - `run --attention-maps`: writes the attention weights of a run.
 *
 * A run does not store these weights. So the model is compiled once more, with the weights of each
 * attention as additional results, and run on the same inputs. */
#include <string.h>

#include "frontend/data.h"
#include "frontend/file.h"
#include "ir/graph/loop.h"
#include "ir/graph/symbols.h"
#include "tools/data/compare.h"
#include "tools/maps/maps.h"
#include "tools/model/attention.h"

typedef struct mapping {
    fv_context *c; /* a context with a session of its own, to which the second module belongs */
    const fv_subject *base;
    fv_labels *labels;
    fv_attention_sites found;
    const fv_attention_site **sites; /* the attentions whose weights are shown */
    /* n: number of these attentions, whose weights are the last results of the second module;
     * before: number of results of the model itself, which precede them */
    int n, before;
    json_t *list; /* the list of files for --json; NULL: they are printed */
} mapping;

/* ---- weights as results ---- */

/* Explains why the weights of all iterations of `inner` (NULL: of one iteration) cannot be results
 * of the block around them; NULL: they can. */
static const char *kept_in(const fv_op *around, const fv_op *inner, const fv_type *t) {
    if (!fv_op_is(around, FV_OP_Loop))
        return "it is in a branch";
    for (int i = 0; i < t->rank; i++)
        if (fv_unknown_above(around, t->dims[i]))
            return "each iteration of a loop has other keys";
    const fv_dim *times = inner ? fv_loop_times(inner) : NULL;
    if (inner && (!times || fv_unknown_above(around, times) || fv_loop_may_end_early(inner)))
        return "each iteration of a loop has those of another loop within it";
    return NULL;
}

static bool is_mapped(const mapping *d, const fv_attention_site *s) {
    const char *why = NULL;
    int rank = s->weights->type->rank;
    if (s->kind == FV_ATTENTION_NONE || s->gate)
        return false;
    for (const fv_op *inner = NULL, *at = s->weights->def->block->parent; at && !why;
         inner = at, at = at->block->parent, rank++)
        why = kept_in(at, inner, s->weights->type);
    if (!why && rank > FV_ARRAY_RANK)
        why = fv_printf(d->c->arena, "its weights have %d axes, more than %d", rank, FV_ARRAY_RANK);
    if (why)
        fv_note(d->c, "no map of '%s': %s", fv_attention_name(s), why);
    return !why;
}

/* The weights of all iterations of the loops around the attention, the outermost loop first; NULL
 * after a diagnostic. If an iteration has one query, iterations are the queries. */
static fv_value *out_of_loops(fv_attention_site *s) {
    fv_value *v = s->weights->def->out[s->weights->index];
    const fv_type *t = v->type;
    bool one_query = s->query_axis < 0 || fv_dim_is_one(t->dims[s->query_axis]);
    int loops = 0;
    for (fv_op *loop; (loop = v->def->block->parent); loops++) {
        const char *name = v->name;
        const fv_op *made = fv_loop_change(loop, NULL, 1, &v, &name);
        if (!made)
            return NULL;
        fv_op_erase(loop);
        v = made->out[made->nout - 1];
    }
    s->axis += loops;
    if (loops && one_query)
        s->query_axis = loops - 1;
    else if (s->query_axis >= 0)
        s->query_axis += loops;
    return v;
}

static bool show_weights(void *user, fv_module *m) {
    mapping *d = user;
    fv_attention_find(m->arena, m, &d->found);
    fv_value **values = FV_NEW(m->arena, fv_value *, d->found.n + 1);
    const char **names = FV_NEW(m->arena, const char *, d->found.n + 1);
    d->sites = FV_NEW(m->arena, const fv_attention_site *, d->found.n + 1);
    d->before = m->funcs->body->last->nin;
    for (int i = 0; i < d->found.n; i++) {
        fv_attention_site *s = &d->found.all[i];
        if (!is_mapped(d, s))
            continue;
        if (!(values[d->n] = out_of_loops(s)))
            return false;
        /* a name that no output of a model has */
        names[d->n] = fv_printf(m->arena, "weights %d", d->n);
        d->sites[d->n++] = s;
    }
    if (!d->n)
        return fv_error(m->session,
                        "--attention-maps: it has no attention whose weights could be mapped; "
                        "`fovea inspect --attention` lists what was found");
    fv_func_add_results(m->funcs, d->n, values, names);
    return true;
}

/* ---- files ---- */

static bool are_used(const mapping *d, const fv_heat_map *first) {
    fv_labels *l = d->labels;
    for (int i = 0; i < 2; i++) {
        const fv_label_list *list = &l->own[i], *other = &l->own[!i];
        if (list->at && !list->used && !(other->at == list->at && other->used))
            return fv_error(d->c->session,
                            "%s: its %lld labels%s fit no axis: '%s' has %lld queries, %lld keys "
                            "and %lld entries of a batch",
                            l->path, (long long)list->n,
                            list->nentries > 1 ? fv_printf(d->c->arena, " of %lld entries",
                                                           (long long)list->nentries)
                                               : "",
                            first->name, (long long)first->nqueries, (long long)first->nkeys,
                            (long long)first->nentries);
    }
    return true;
}

static void tell(const mapping *d, const char *name, const char *file) {
    const fv_args *a = d->c->args;
    if (d->list) {
        json_t *o = json_object();
        fv_json_set_text(o, "softmax", name);
        fv_json_set_text(o, "file", file);
        fv_json_append(d->list, o);
    } else if (!a->print.quiet && !(a->result.output && !strcmp(a->result.output, "-"))) {
        fv_out("%s -> %s\n", name ? name : "page", file);
    }
}

static bool write_one(const mapping *d, const char *name, const char *file,
                      const fv_tensor *weights, const fv_text *page) {
    const char *path = fv_file_in(d->c->arena, d->c->args->data.attention_maps, file, "");
    if (!fv_spares_models(d->c, "--attention-maps ", path))
        return false;
    if (weights ? !fv_tensor_write_npy(d->c->session, path, weights)
                : !fv_file_write(d->c->session, path, page->s, page->n))
        return false;
    tell(d, name, path);
    return true;
}

static bool write_all(mapping *d, fv_subject *m) {
    fv_arena *a = d->c->arena;
    const char **names = FV_NEW(a, const char *, d->n + 1);
    fv_heat_map *maps = FV_NEW(a, fv_heat_map, d->n + 1);
    fv_text page = {.arena = a};
    for (int i = 0; i < d->n; i++)
        /* PyTorch's names of nodes begin with '/', which is left out */
        names[i] = fv_attention_name(d->sites[i]) + (*fv_attention_name(d->sites[i]) == '/');
    const char **safe = fv_safe_names(a, d->n, names);
    for (int i = 0; i < d->n; i++) {
        fv_tensor t = fv_array_tensor(a, &m->data.outputs[d->before + i]);
        maps[i] = fv_map_new(a, d->sites[i], &t, fv_printf(a, "%s.npy", safe[i]));
    }
    const char *slash = strrchr(d->base->path, '/');
    fv_maps_page(&page, slash ? slash + 1 : d->base->path, fv_dims_str(a, m->table, m->data.dims),
                 maps, d->n, d->labels);
    if (!are_used(d, &maps[0]) ||
        !fv_make_folder(d->c, "--attention-maps", d->c->args->data.attention_maps))
        return false;
    for (int i = 0; i < d->n; i++)
        if (!write_one(d, maps[i].name, maps[i].file, &maps[i].weights, NULL))
            return false;
    return write_one(d, NULL, "index.html", NULL, &page);
}

/* ---- all ---- */

int fv_maps_write(fv_context *c, const fv_subject *base, fv_backend_kind backend, fv_labels *labels,
                  json_t *list) {
    /* a session of its own, since messages about the model were reported when it was compiled
     * first */
    fv_context one = {.session = fv_session_new(), .args = c->args};
    fv_subject m = {0};
    mapping d = {.c = &one, .base = base, .labels = labels, .list = list};
    const fv_change change = {.passed = show_weights, .user = &d};
    fv_door door;
    if (!one.session || FV_DOOR_OPEN(one.session, &door))
        fv_leave_too(c->session, one.session);
    one.arena = fv_arena_new(one.session);
    bool ok = fv_subject_open_changed(&one, base->path, backend, &change, &m) &&
              fv_give_inputs(&one, base, &m) && !fv_subject_run(&one, &m) && write_all(&d, &m);
    int status = ok ? FV_EXIT_OK : fv_failed(&one);
    if (!ok)
        fv_print_messages(&one);
    fv_subject_close(&m);
    fv_door_close(one.session, &door);
    fv_session_free(one.session);
    return status;
}
