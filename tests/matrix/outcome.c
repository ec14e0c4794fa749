/* outcome.c - the result of a run, and the comparison of two results. */
#include <inttypes.h>
#include <string.h>

#include "ir/base/text.h"
#include "ir/type/float_bits.h"
#include "ir/type/type.h"
#include "tests/consumers/consumers.h"
#include "tests/matrix/matrix.h"

const int thread_counts[] = {1, 2, 3, 0};

outcome outcome_run(fv_arena *a, fv_artifact *artifact, const data_set *set, int threads) {
    const fv_model *m = fv_artifact_model(artifact);
    /* the seed 0 of random numbers, which code has that is called without an env */
    const fv_env env = {.size = sizeof env, .seed = (size_t)1 << 62};
    fv_run_options o = {.size = sizeof o, .threads = threads, .env = &env};
    outcome r = {.noutputs = m->noutputs, .outputs = FV_NEW(a, fv_array, m->noutputs + 1)};
    fv_log *log = fv_log_new();
    if (!log)
        fv_out_of_memory(fv_arena_session(a));
    r.status = fv_artifact_run(artifact, set->inputs, r.outputs, &o, log);
    r.said = r.status ? fv_strdup(a, fv_log_text(log)) : NULL;
    fv_log_free(log);
    for (int i = 0; i < m->noutputs && !r.status; i++) { /* into the arena */
        fv_array *x = &r.outputs[i];
        size_t bytes = fv_array_bytes(x);
        void *copy = fv_alloc_aligned(a, bytes + 1, 64);
        if (bytes)
            memcpy(copy, x->data, bytes);
        fv_array view = *x;
        fv_array_free(x);
        *x = view;
        x->owner = NULL;
        x->data = copy;
    }
    return r;
}

static const char *shape_str(fv_arena *a, const fv_array *x) {
    fv_text t = {.arena = a};
    fv_text_printf(&t, "%s[", fv_elem_name((fv_elem)x->type));
    for (int i = 0; i < x->rank; i++)
        fv_text_printf(&t, "%s%" PRId64, i ? ", " : "", x->dims[i]);
    fv_text_put(&t, "]");
    return t.s;
}

static const char *element_str(fv_arena *a, fv_elem e, const fv_array *x, size_t at) {
    size_t size = (size_t)fv_elem_storage_bytes(e);
    uint64_t bits = 0;
    memcpy(&bits, (const char *)x->data + at * size, size);
    const char *hex = fv_printf(a, "0x%0*" PRIx64, (int)size * 2, bits);
    if (fv_elem_is_float(e) && !fv_elem_is_packed(e))
        return fv_printf(a, "%s (%.9g)", hex, fv_float_decode(e, bits));
    return hex;
}

static const char *array_differs(fv_arena *a, const fv_array *want, const fv_array *got) {
    size_t at;
    fv_elem e = (fv_elem)want->type;
    bool same = want->type == got->type && want->rank == got->rank;
    for (int i = 0; same && i < want->rank; i++)
        same = want->dims[i] == got->dims[i];
    if (!same)
        return fv_printf(a, "is %s, expected %s", shape_str(a, got), shape_str(a, want));
    if (same_elements(e, want->data, got->data, fv_array_bytes(want), &at))
        return NULL;
    return fv_printf(a, "element %zu is %s, expected %s", at, element_str(a, e, got, at),
                     element_str(a, e, want, at));
}

const char *outcome_differs(fv_arena *a, const fv_model *m, const outcome *want,
                            const outcome *got) {
    if (want->status != got->status)
        return fv_printf(a, "status %s, expected %s", fv_status_name(got->status),
                         fv_status_name(want->status));
    for (int i = 0; i < want->noutputs && !want->status; i++) {
        const char *why = array_differs(a, &want->outputs[i], &got->outputs[i]);
        if (why)
            return fv_printf(a, "output '%s' %s", m->outputs[i].name, why);
    }
    return NULL;
}
