/* view_profile.c - reads the times of kernels from a trace in Chrome's format, which `fovea bench
 * --profile=F` wrote. */
#include <inttypes.h>
#include <string.h>

#include "frontend/file.h"
#include "tools/view/view.h"

static fv_view_kernel *find_kernel(fv_view *v, const char *name) {
    for (int i = 0; i < v->nkernels; i++)
        if (!strcmp(v->kernels[i].name, name))
            return &v->kernels[i];
    return NULL;
}

/* Adds the time of one event of the trace; false after a message. */
static bool add_event(fv_view *v, const json_t *event) {
    const char *name = json_string_value(json_object_get(json_object_get(event, "args"), "kernel"));
    const json_t *dur = json_object_get(event, "dur");
    fv_view_kernel *k = name ? find_kernel(v, name) : NULL;
    if (!name || !json_is_number(dur) || !(json_number_value(dur) >= 0))
        return fv_error(v->c->session,
                        "%s: an event of it names no kernel, or has no duration: `fovea bench "
                        "--profile=F.json` writes such a file",
                        v->c->args->bench.profile);
    if (!k)
        return fv_error(v->c->session,
                        "%s: its kernel '%s' is none of this model's; options and dims have to be "
                        "those of `fovea bench`",
                        v->c->args->bench.profile, name);
    k->ms = (k->ms < 0 ? 0 : k->ms) + 1e-3 * json_number_value(dur);
    v->run_ms += 1e-3 * json_number_value(dur);
    return true;
}

static bool add_events(fv_view *v, const json_t *trace) {
    const json_t *list = json_object_get(trace, "traceEvents"), *event;
    size_t i;
    if (!json_is_array(list) || !json_array_size(list))
        return fv_error(v->c->session,
                        "%s: holds no events; `fovea bench --profile=F.json` writes such a file",
                        v->c->args->bench.profile);
    json_array_foreach(list, i, event) if (!add_event(v, event)) return false;
    return true;
}

/* The document of the profile; NULL after a message, or if none is given. */
static json_t *read_trace(fv_view *v) {
    fv_session *s = v->c->session;
    const char *path = v->c->args->bench.profile;
    fv_file f;
    json_error_t e;
    if (!path || !fv_file_map(s, v->c->arena, path, &f))
        return NULL;
    json_t *trace = json_loadb((const char *)f.data, f.size, 0, &e);
    if (!trace)
        fv_error(s, "%s: line %d: %s", path, e.line, e.text);
    return trace;
}

/* ---- dims and target of the profile ---- */

static const json_t *dims_in(const json_t *trace) {
    return json_object_get(json_object_get(trace, "otherData"), "dims");
}

static bool are_integers(const fv_view *v, const json_t *dims) {
    const char *name;
    const json_t *value;
    json_object_foreach((json_t *)dims, name, value) {
        if (!json_is_integer(value))
            return fv_error(v->c->session, "%s: its dim '%s' is no integer",
                            v->c->args->bench.profile, name);
    }
    return true;
}

static bool take_dim(fv_view *v, int symbol, int64_t n) {
    const fv_symbol_info *y = &v->m.table->symbols[symbol];
    if (n < y->lo || n > y->hi)
        return fv_error(v->c->session,
                        "%s: was measured with %s = %" PRId64
                        ", which the model has within %" PRId64 "..%" PRId64,
                        v->c->args->bench.profile, y->name, n, y->lo, y->hi);
    v->m.data.dims[symbol] = n;
    v->m.data.known[symbol] = 1;
    return true;
}

static bool take_dims(fv_view *v, const json_t *dims) {
    const fv_model *t = v->m.table;
    if (!are_integers(v, dims))
        return false;
    for (int i = 0; i < t->nsymbols; i++) {
        const json_t *value = json_object_get(dims, t->symbols[i].name);
        if (value && !take_dim(v, i, json_integer_value(value)))
            return false;
    }
    return true;
}

bool fv_view_take_dims(fv_view *v) {
    json_t *trace = read_trace(v);
    if (!trace)
        return !v->c->args->bench.profile;
    bool ok = take_dims(v, dims_in(trace));
    json_decref(trace);
    return ok;
}

static bool has_dims_of_page(const fv_view *v, const json_t *dims) {
    const fv_model *t = v->m.table;
    for (int i = 0; i < t->nsymbols; i++) {
        const json_t *value = json_object_get(dims, t->symbols[i].name);
        if (!json_is_integer(value) || json_integer_value(value) != v->m.data.dims[i])
            return false;
    }
    return json_object_size(dims) == (size_t)t->nsymbols;
}

static const char *dims_text(fv_arena *a, const json_t *dims) {
    fv_text t = {.arena = a};
    const char *name;
    const json_t *value;
    fv_text_put(&t, "");
    json_object_foreach((json_t *)dims, name, value) fv_text_printf(
        &t, "%s%s = %lld", t.n ? ", " : "", name, (long long)json_integer_value(value));
    return t.n ? t.s : "no dims";
}

/* Checks that the profile is of the page's target and dims. */
static bool is_of_page(const fv_view *v, const json_t *trace) {
    const char *path = v->c->args->bench.profile;
    const json_t *dims = dims_in(trace);
    const char *target =
        json_string_value(json_object_get(json_object_get(trace, "otherData"), "target"));
    if (!json_is_object(dims) || !target) {
        fv_warning(v->c->session,
                   "%s: states no dims and no target, so its times may be those of others", path);
        return true;
    }
    if (strcmp(target, v->m.table->target))
        return fv_error(v->c->session, "%s: was measured for target %s, the page is for %s", path,
                        target, v->m.table->target);
    if (has_dims_of_page(v, dims))
        return true;
    const char *own = fv_dims_str(v->c->arena, v->m.table, v->m.data.dims);
    return fv_error(v->c->session,
                    "%s: was measured with %s, the page is for %s: without --at, it is for the "
                    "dims of the profile, and --dim has to be that of `fovea bench`",
                    path, dims_text(v->c->arena, dims), *own ? own : "no dims");
}

bool fv_view_read_profile(fv_view *v) {
    json_t *trace = read_trace(v);
    if (!trace)
        return !v->c->args->bench.profile;
    bool ok = is_of_page(v, trace) && add_events(v, trace);
    json_decref(trace);
    return ok;
}
