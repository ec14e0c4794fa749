/* view_scopes.c - finds the scopes of a graph, which the page can fold. The paths that exporters
 * give to nodes, such as "/encoder/layer.0/attention/MatMul", form a tree of scopes; regions are
 * scopes as well. */
#include <string.h>

#include "tools/view/view.h"

enum {
    DEEPEST = 12, /* largest number of parts of a path */
    LEAST = 3     /* least number of ops of a scope */
};

int fv_view_scope_new(fv_view_graph *g, int parent, const char *name, size_t n, int op) {
    fv_arena *a = g->arena;
    const char *path = parent < 0 ? ""
                                  : fv_printf(a, "%s/%s%.*s", g->scopes[parent].path,
                                              op < 0 ? "" : "%", (int)n, name);
    FV_PUSH(
        a, g->scopes, g->nscopes, g->cap_scopes,
        ((fv_view_scope){
            .name = fv_strndup(a, name, n), .path = path, .parent = parent, .op = op, .item = -1}));
    return g->nscopes - 1;
}

/* The scope of that name within `parent`, created if it does not exist. */
static int child(fv_view_graph *g, int parent, const char *name, size_t n) {
    const char *key =
        fv_intern(fv_arena_session(g->arena), fv_printf(g->arena, "%d/%.*s", parent, (int)n, name));
    int known = (int)(intptr_t)fv_ptrmap_get(&g->place_of.scope, key) - 1;
    if (known < 0) {
        known = fv_view_scope_new(g, parent, name, n, -1);
        *fv_ptrmap_at(&g->place_of.scope, key) = (void *)(intptr_t)(known + 1);
    }
    return known;
}

typedef struct part {
    const char *s;
    size_t n;
} part;

/* Splits the path of a node into parts, without the node's own name, and returns their number. A
 * node without a name is called by its operator and an output, as `Add(/m/Add_output_0)`: then the
 * path of that output is used. */
static int split_name(const char *node, part out[DEEPEST]) {
    const char *open = strchr(node, '('), *slash = strchr(node, '/');
    int n = 0;
    for (const char *s = open && slash && open < slash ? open + 1 : node;
         (slash = strchr(s, '/')) && n < DEEPEST; s = slash + 1)
        if (slash > s)
            out[n++] = (part){s, (size_t)(slash - s)};
    return n;
}

/* Splits the path of a node and inserts its layer, if one was found (only for nodes outside of
 * regions). */
static int split(const fv_view_graph *g, int within, const char *node, part out[DEEPEST]) {
    const fv_view_layer *layer =
        within ? NULL : fv_ptrmap_get(g->layers, fv_intern(fv_arena_session(g->arena), node));
    int n = split_name(node, out);
    if (!layer || layer->depth > n || n == DEEPEST)
        return n;
    memmove(out + layer->depth + 1, out + layer->depth, (size_t)(n - layer->depth) * sizeof *out);
    out[layer->depth] = (part){layer->name, strlen(layer->name)};
    return n + 1;
}

/* The first parts of the paths that all nodes of an op have in common. */
static int common_parts(const fv_view_graph *g, int within, const fv_origin *o, part out[DEEPEST]) {
    int n = split(g, within, o->nodes[0], out);
    for (int i = 1; i < o->n; i++) {
        part other[DEEPEST];
        int m = split(g, within, o->nodes[i], other), k = 0;
        while (k < n && k < m && out[k].n == other[k].n && !memcmp(out[k].s, other[k].s, out[k].n))
            k++;
        n = k;
    }
    return n;
}

/* The scope of an op that comes from no node: the scope of the op that computes its first operand,
 * if both are in the same region. */
static int scope_of_operand(const fv_view_graph *g, int within, const fv_op *op) {
    const fv_op *def = op->nin && op->in[0] ? op->in[0]->def : NULL;
    int known = def && def->block == op->block
                    ? (int)(intptr_t)fv_ptrmap_get(&g->place_of.op, def) - 1
                    : -1;
    return known < 0 ? within : g->ops[known].scope;
}

int fv_view_scope_of(fv_view_graph *g, int within, const fv_op *op) {
    part parts[DEEPEST];
    if (!op->origin->n)
        return scope_of_operand(g, within, op);
    int n = common_parts(g, within, op->origin, parts), scope = within;
    for (int i = 0; i < n; i++)
        scope = child(g, scope, parts[i].s, parts[i].n);
    return scope;
}

/* The scope itself, or, if it was dropped, the nearest scope around it that was not. */
static int kept(const fv_view_graph *g, int scope) {
    while (scope >= 0 && g->scopes[scope].dropped)
        scope = g->scopes[scope].parent;
    return scope;
}

/* Drops scopes made from paths that contain few ops, or that contain all ops of their parent. */
void fv_view_drop_scopes(fv_view_graph *g) {
    for (int i = 0; i < g->nops; i++)
        g->scopes[g->ops[i].scope].nops++;
    for (int i = g->nscopes - 1; i > 0; i--)
        g->scopes[g->scopes[i].parent].nops += g->scopes[i].nops;
    for (int i = 1; i < g->nscopes; i++) {
        fv_view_scope *s = &g->scopes[i];
        s->parent = kept(g, s->parent);
        s->dropped =
            s->op < 0 && !s->region && (s->nops < LEAST || s->nops == g->scopes[s->parent].nops);
    }
    for (int i = 0; i < g->nops; i++)
        g->ops[i].scope = kept(g, g->ops[i].scope);
}
