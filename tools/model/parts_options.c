/* parts_options.c - options for a model, such as --dim and --state, as its parts take them: stages
 * have only some of the inputs that the options may name. */
#include <inttypes.h>
#include <string.h>

#include "ir/dim/option.h"
#include "ir/dim/text.h"
#include "ir/graph/state.h"
#include "tools/model/parts.h"

const char *const *fv_parts_states(fv_context *c, const fv_parts_manifest *list, int rank) {
    const fv_list_arg *given = &c->args->code.states;
    const char **states = FV_NEW(c->arena, const char *, given->n + 1);
    for (int i = 0, n = 0; i < given->n; i++) {
        bool here = false, elsewhere = false;
        for (int k = 0; k < list->nports; k++) {
            const fv_parts_port *p = &list->ports[k];
            if (p->is_output || !fv_state_names_input(c->arena, given->at[i], p->name))
                continue;
            here |= fv_parts_has(list, p, rank);
            elsewhere |= !fv_parts_has(list, p, rank);
        }
        if (here || !elsewhere)
            states[n++] = given->at[i];
    }
    return states;
}

/* ---- dims ---- */

/* Where the dims of inputs are found: in the list, or in the part of rank 0. */
typedef struct dims_finder {
    fv_context *c;
    const char *folder;
    const fv_parts_manifest *list;
    fv_dims *table;  /* of the dims in the list */
    bool is_read;    /* whether the part of rank 0 was read */
    fv_module *part; /* the part of rank 0; NULL: it was not read */
} dims_finder;

/* Parses a dim of the list. NULL after a message. */
static const fv_dim *parse_dim(const dims_finder *f, const fv_parts_port *p, int axis) {
    const char *at = p->info.dims[axis], *error;
    const fv_dim *d = fv_dim_parse(f->table, &at, &error);
    if (d && !*at)
        return d;
    fv_error(f->c->session, "'%s' has no dims: '%s' is none", p->name, p->info.dims[axis]);
    return NULL;
}

/* Adds the symbols of the list to the table. */
static bool find_symbols(const dims_finder *f) {
    for (int i = 0; i < f->list->nports; i++)
        for (int k = 0; k < f->list->ports[i].info.rank; k++)
            if (!parse_dim(f, &f->list->ports[i], k))
                return false;
    return true;
}

/* Reads the part of rank 0 without values of dims. Its messages are those of the command, which
 * reads the part again. */
static bool read_part(dims_finder *f) {
    fv_context *c = f->c;
    const char *path = fv_parts_path(c, f->folder, f->list, 0);
    const fv_message *last = fv_messages_last(c->session);
    fv_driver_options o = {.without_weights = true, .without_hash = true};
    fv_source source = {0};
    f->is_read = true;
    if (!fv_driver_read(c->session, path, &o, &source))
        return false;
    fv_messages_drop(c->session, last);
    f->part = source.module;
    return true;
}

/* Finds the dim of an axis of an input that all stages have. NULL: there is no such input. */
static const fv_dim *find_in_part(const dims_finder *f, const fv_dim_option *o) {
    const fv_region *body = f->part->funcs->body;
    for (int i = 0; i < body->nparams; i++) {
        const fv_value *v = body->params[i];
        if (!strcmp(v->name, o->input) && o->axis < v->type->rank)
            return v->type->dims[o->axis];
    }
    return NULL;
}

/* Finds the dim that a setting names by an input and an axis: *out, NULL if a part resolves the
 * name as it resolves it for one model. False after a message. */
static bool find_dim(dims_finder *f, const fv_dim_option *o, const fv_dim **out) {
    *out = NULL;
    if (!o->input || fv_dim_find(f->table, o->name))
        return true;
    for (int i = 0; i < f->list->nports; i++) {
        const fv_parts_port *p = &f->list->ports[i];
        if (p->is_output || strcmp(p->name, o->input) != 0)
            continue;
        if (p->stage >= 0 && o->axis < p->info.rank)
            *out = parse_dim(f, p, o->axis);
        if (p->stage >= 0)
            return *out || o->axis >= p->info.rank;
        if (p->axis == o->axis) { /* the whole axis, of which each part has a share */
            int last = fv_parts_width(f->list) - 1;
            *out = fv_dim_const(f->table, p->firsts[last] + p->sizes[last]);
            return true;
        }
    }
    if (f->list->stages == 1)
        return true;
    if (!f->is_read && !read_part(f))
        return false;
    if (f->part && !fv_dim_find(f->part->dims, o->name))
        *out = find_in_part(f, o);
    return true;
}

/* The setting for the symbol d. */
static const char *setting_of(fv_arena *a, const fv_dim *d, const fv_dim_option *o) {
    const char *name = fv_option_name(a, d->name);
    return o->lo == o->hi ? fv_printf(a, "%s=%" PRId64, name, o->lo)
                          : fv_printf(a, "%s=%" PRId64 "..%" PRId64, name, o->lo, o->hi);
}

/* Sets *out to a setting as all parts take it; NULL: it is left out. False after a message. */
static bool resolve(dims_finder *f, const char *text, const char **out) {
    fv_session *s = f->c->session;
    const fv_dim *d;
    fv_dim_option o;
    const char *problem = fv_dim_option_parse(f->c->arena, text, &o);
    *out = text;
    if (problem)
        return fv_dim_option_error(s, &o, problem);
    if (!find_dim(f, &o, &d))
        return false;
    if (!d)
        return true;
    if (d->kind == FV_DIM_SYMBOL) {
        *out = setting_of(f->c->arena, d, &o);
        return true;
    }
    if (!fv_dim_is_const(d))
        return fv_dim_option_error(s, &o, "that dim is an expression over others: give those");
    int64_t lo = d->value, hi = d->value;
    *out = NULL;
    return fv_dim_option_apply(s, &o, &lo, &hi);
}

bool fv_parts_dims(fv_context *c, const char *folder, const fv_parts_manifest *list,
                   const char *const **out) {
    const fv_list_arg *given = &c->args->code.dims;
    const char **dims = FV_NEW(c->arena, const char *, given->n + 1);
    dims_finder f = {.c = c, .folder = folder, .list = list, .table = fv_dims_new(c->arena)};
    bool ok = true;
    *out = NULL;
    if (!given->n || !fv_file_is_graph(fv_driver_path_kind(fv_parts_path(c, folder, list, 0))))
        return true;
    ok = find_symbols(&f);
    for (int i = 0, n = 0; i < given->n && ok; i++) {
        ok = resolve(&f, given->at[i], &dims[n]);
        n += dims[n] != NULL;
    }
    fv_module_free(f.part);
    *out = dims;
    return ok;
}
