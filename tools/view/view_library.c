/* view_library.c - the page of a compiled library: what its table has, which is its kernels, their
 * launches and the nodes of the model that they compute. The library may be one for a CPU with
 * other features: no code of it is executed then but the function that returns the table. */
#include <string.h>

#include "ir/target/lacking.h"
#include "tools/model/library_weights.h"
#include "tools/view/view.h"

static int kernel_of(fv_view *v, const char *name) {
    for (int i = 0; i < v->nkernels; i++)
        if (!strcmp(v->kernels[i].name, name))
            return i;
    v->kernels[v->nkernels] =
        (fv_view_kernel){.name = name, .schedule = "", .text = "", .c = "", .ms = -1};
    return v->nkernels++;
}

static void find_launches(fv_view *v) {
    const fv_model *t = v->m.table;
    fv_arena *a = v->c->arena;
    v->nlaunches = t->nlaunches;
    v->kernels = FV_NEW(a, fv_view_kernel, t->nlaunches + 1);
    v->launches = FV_NEW(a, int, t->nlaunches + 1);
    v->nodes = FV_NEW(a, const char *, t->nlaunches + 1);
    for (int i = 0; i < t->nlaunches; i++) {
        v->nodes[i] = t->launches[i].nodes;
        v->launches[i] = kernel_of(v, t->launches[i].kernel);
        v->kernels[v->launches[i]].launches++;
    }
}

/* A graph of nothing: one scope without items. */
static void no_graph(fv_view_graph *g, fv_arena *a) {
    g->arena = a;
    fv_view_scope_new(g, -1, "", 0, -1);
}

bool fv_view_open_library(fv_view *v) {
    fv_context *c = v->c;
    char lacking[FV_FEATURES_TEXT];
    size_t bytes;
    if (!fv_subject_describe(c, v->m.path, &v->m))
        return false;
    if (!fv_view_take_dims(v) || !fv_choose_dims(c, &v->m, true))
        return false;
    no_graph(&v->before, c->arena);
    no_graph(&v->after, c->arena);
    find_launches(v);
    fv_artifact_lacking(v->m.artifact, lacking, sizeof lacking);
    bool planned = !*lacking && !v->m.artifact->plan(v->m.artifact, v->m.data.dims, &bytes, NULL);
    v->stored = (fv_view_stored){.weights = fv_library_weights(c->arena, &v->m),
                                 .workspace = planned ? (int64_t)bytes : -1};
    return true;
}
