/* view_profile.c - reads the times of kernels from a trace in Chrome's format, which `fovea bench
 * --profile=F` wrote. */
#include <string.h>

#include "frontend/file.h"
#include "tools/view/view.h"

static fv_view_kernel *find_kernel(fv_view *v, const char *name) {
    for (int i = 0; i < v->nkernels; i++)
        if (!strcmp(v->kernels[i].kernel->name, name))
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

bool fv_view_read_profile(fv_view *v) {
    fv_session *s = v->c->session;
    const char *path = v->c->args->bench.profile;
    fv_file f;
    json_error_t e;
    if (!path)
        return true;
    if (!fv_file_map(s, v->c->arena, path, &f))
        return false;
    json_t *trace = json_loadb((const char *)f.data, f.size, 0, &e);
    bool ok = trace ? add_events(v, trace) : fv_error(s, "%s: line %d: %s", path, e.line, e.text);
    json_decref(trace);
    return ok;
}
