/* view_graph.c - stores a graph as texts and numbers, because later stages change it. */
#include <string.h>

#include "ir/graph/print.h"
#include "tools/view/view.h"

/* ---- values ---- */

int fv_view_value_of(const fv_view_graph *g, const fv_value *v) {
    return (int)(intptr_t)fv_ptrmap_get(&g->place_of.value, v) - 1;
}

static const char *type_of(fv_arena *a, const fv_value *v) {
    fv_text t = {.arena = a};
    if (!v->type)
        return "";
    fv_put_type_of(&t, v);
    return t.s;
}

static int take_value(fv_view_graph *g, const fv_value *v) {
    if (!v)
        return -1;
    int known = fv_view_value_of(g, v);
    if (known >= 0)
        return known;
    FV_PUSH(g->arena, g->values, g->nvalues, g->cap_values,
            ((fv_view_value){v, fv_strdup(g->arena, v->name), type_of(g->arena, v)}));
    *fv_ptrmap_at(&g->place_of.value, v) = (void *)(intptr_t)g->nvalues;
    return g->nvalues - 1;
}

static int *take_values(fv_view_graph *g, int n, fv_value *const *v) {
    int *list = FV_NEW(g->arena, int, n + 1);
    for (int i = 0; i < n; i++)
        list[i] = take_value(g, v[i]);
    return list;
}

/* ---- ops ---- */

static const char *attrs_of(fv_arena *a, const fv_op *op) {
    fv_text t = {.arena = a};
    fv_graph_printer p = {.t = &t, .elide = true};
    fv_text_put(&t, "");
    for (int i = 0; i < op->nattrs; i++) {
        if (op->attrs[i].kind == FV_ATTR_REGION)
            continue;
        fv_text_put(&t, t.n ? ", " : "");
        fv_text_name(&t, op->attrs[i].name);
        fv_text_put(&t, " = ");
        fv_put_attr(&p, &op->attrs[i]);
    }
    return t.s;
}

static void take_region(fv_view_graph *g, const fv_region *r, int scope);

/* Makes a scope for all regions of the op, and one in it for each region. */
static void take_regions(fv_view_graph *g, const fv_op *op, int index, int scope) {
    for (int i = 0; i < op->nattrs; i++) {
        const fv_attr *attr = &op->attrs[i];
        if (attr->kind != FV_ATTR_REGION)
            continue;
        if (g->ops[index].inner < 0) {
            const char *name = op->nout && op->out[0] ? op->out[0]->name : op->def->name;
            int inner = fv_view_scope_new(g, scope, name, strlen(name), index);
            g->ops[index].inner = inner;
        }
        int region = fv_view_scope_new(g, g->ops[index].inner, attr->name, strlen(attr->name), -1);
        g->scopes[region].region = true;
        *fv_ptrmap_at(&g->place_of.region, attr->u.region) = (void *)(intptr_t)(region + 1);
        take_region(g, attr->u.region, region);
    }
}

static void take_op(fv_view_graph *g, const fv_op *op, int within) {
    fv_view_op o = {.op = op,
                    .def = op->def,
                    .attrs = attrs_of(g->arena, op),
                    .origin = op->origin,
                    .nin = op->nin,
                    .nout = op->nout,
                    .inner = -1,
                    .scope = fv_view_scope_of(g, within, op)};
    o.in = take_values(g, op->nin, op->in);
    o.out = take_values(g, op->nout, op->out);
    FV_PUSH(g->arena, g->ops, g->nops, g->cap_ops, o);
    *fv_ptrmap_at(&g->place_of.op, op) = (void *)(intptr_t)g->nops;
    take_regions(g, op, g->nops - 1, o.scope);
}

static void take_region(fv_view_graph *g, const fv_region *r, int scope) {
    take_values(g, r->nparams, r->params);
    for (const fv_op *op = r->first; op; op = op->next)
        if (op->def != &fv_return_def)
            take_op(g, op, scope);
        else
            take_values(g, op->nin, op->in);
}

void fv_view_graph_take(fv_view_graph *g, fv_arena *a, const fv_module *m,
                        const fv_ptrmap *layers) {
    *g = (fv_view_graph){.arena = a,
                         .place_of.op = fv_ptrmap_in(a),
                         .place_of.value = fv_ptrmap_in(a),
                         .place_of.region = fv_ptrmap_in(a),
                         .place_of.scope = fv_ptrmap_in(a),
                         .func = m->funcs,
                         .layers = layers};
    int all = fv_view_scope_new(g, -1, "", 0, -1);
    g->scopes[all].region = true;
    *fv_ptrmap_at(&g->place_of.region, m->funcs->body) = (void *)(intptr_t)(all + 1);
    take_region(g, m->funcs->body, all);
    fv_view_drop_scopes(g);
}
