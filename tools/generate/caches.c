/* caches.c - see caches.h. */
#include "tools/generate/caches.h"

#include <string.h>

#include "ir/dim/text.h"
#include "tools/generate/decoder.h"

/* The list of states while it is built. */
typedef struct finder {
    fv_arena *arena;
    const fv_module *module;
    const char *room; /* the name of the capacity of caches that grow */
    const char **in_place, **apart;
    int n, cap, cap_apart, nfound;
} finder;

static void add(finder *f, const char *in_place, const char *apart) {
    int n = f->n;
    FV_PUSH(f->arena, f->in_place, f->n, f->cap, in_place);
    FV_PUSH(f->arena, f->apart, n, f->cap_apart, apart);
}

/* ---- capacities ---- */

static bool is_within(const fv_dim *largest, const fv_dim *d) {
    for (int i = 0; largest->kind == FV_DIM_MAX_ && i < largest->n; i++)
        if (is_within(largest->arg[i], d))
            return true;
    return largest == d;
}

/* The axis along which an output that fits the memory of its input is written: the one along which
 * their dims differ, otherwise the last but one, as in [batch, heads, positions, size]; -1: the
 * output is larger than the input. */
static int axis_within(const fv_type *in, const fv_type *out) {
    int axis = in->rank > 1 ? in->rank - 2 : 0;
    for (int k = in->rank - 1; k >= 0; k--) {
        if (!is_within(out->dims[k], in->dims[k]))
            return -1;
        if (out->dims[k] != in->dims[k])
            axis = k;
    }
    return axis;
}

/* The capacity of the memory that input and output share, as text; NULL: it has no name. */
static const char *capacity_of(const finder *f, const fv_type *in, const fv_type *out) {
    int axis = axis_within(in, out);
    if (axis < 0)
        return f->room;
    const fv_dim *d = in->dims[axis];
    bool is_number = d->kind == FV_DIM_CONST;
    return is_number || (d->kind == FV_DIM_SYMBOL && fv_is_name(d->name)) ? fv_dim_str(f->arena, d)
                                                                          : NULL;
}

static const char *unused_name(fv_arena *a, const fv_module *m) {
    const char *name = "room";
    for (int i = 1; fv_dim_find(m->dims, name); i++)
        name = fv_printf(a, "room_%d", i);
    return name;
}

/* ---- states ---- */

static void add_cache(finder *f, const fv_port_info *in, const fv_port_info *out, const fv_type *ti,
                      const fv_type *to) {
    const char *capacity = capacity_of(f, ti, to);
    const char *pair = fv_printf(f->arena, "%s=%s", fv_option_name(f->arena, in->name),
                                 fv_option_name(f->arena, out->name));
    add(f, capacity ? fv_printf(f->arena, "%s:%s", pair, capacity) : pair, pair);
    f->nfound++;
}

/* The value as a port without dims; type 0: it is no tensor. */
static fv_port_info port_of(const fv_value *v, const char *name) {
    bool is_tensor = v->type->kind == FV_TENSOR;
    return (fv_port_info){.name = name,
                          .type = is_tensor ? (int32_t)v->type->elem : 0,
                          .rank = is_tensor ? v->type->rank : 0};
}

static bool is_declared(const fv_func *f, const fv_value *in, int out) {
    for (int i = 0; f->states && i < f->body->last->nin; i++)
        if (f->states[i] && (f->states[i] == in || i == out))
            return true;
    return false;
}

static fv_port_info *ports_of_results(fv_arena *a, const fv_func *main) {
    const fv_op *end = main->body->last;
    fv_port_info *outs = FV_NEW(a, fv_port_info, end->nin + 1);
    for (int i = 0; i < end->nin; i++)
        outs[i] =
            port_of(end->in[i], main->result_names ? main->result_names[i] : end->in[i]->name);
    return outs;
}

static void find_in_graph(finder *f) {
    const fv_func *main = f->module->funcs;
    const fv_op *end = main->body->last;
    const fv_port_info *outs = ports_of_results(f->arena, main);
    for (int i = 0; i < main->body->nparams; i++) {
        const fv_value *v = main->body->params[i];
        fv_port_info in = port_of(v, v->name);
        int out = in.type ? fv_cache_output(&in, end->nin, outs) : -1;
        if (out >= 0 && !is_declared(main, v, out))
            add_cache(f, &in, &outs[out], v->type, end->in[out]->type);
    }
}

const int *fv_cache_parameters(fv_arena *a, const fv_module *m) {
    const fv_func *main = m->funcs;
    const fv_op *end = main->body->last;
    const fv_port_info *outs = ports_of_results(a, main);
    int *next = FV_NEW(a, int, end->nin + 1);
    for (int i = 0; i < end->nin; i++)
        next[i] = main->states && main->states[i] ? main->states[i]->index : -1;
    for (int i = 0; i < main->body->nparams; i++) {
        const fv_value *v = main->body->params[i];
        fv_port_info in = port_of(v, v->name);
        int out = in.type ? fv_cache_output(&in, end->nin, outs) : -1;
        if (out >= 0 && !is_declared(main, v, out))
            next[out] = i;
    }
    return next;
}

bool fv_cache_states_find(fv_session *s, fv_arena *a, const char *path, const fv_driver_options *o,
                          fv_cache_states *out) {
    finder f = {.arena = a};
    fv_driver_options options = *o;
    fv_source source;
    options.without_weights = true;
    for (int i = 0; o->dims.states && o->dims.states[i]; i++)
        add(&f, o->dims.states[i], o->dims.states[i]);
    if (fv_file_is_graph(fv_driver_path_kind(path))) {
        if (!fv_driver_read(s, path, &options, &source))
            return false;
        f.module = source.module;
        f.room = unused_name(a, source.module);
        find_in_graph(&f);
    }
    add(&f, NULL, NULL);
    *out = (fv_cache_states){f.in_place, f.apart, f.nfound};
    return true;
}
