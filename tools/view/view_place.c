/* view_place.c - decides what each scope shows, and where: its ops, its nested scopes as boxes,
 * ports for values that enter or leave it, and a net for each value. The layout of a scope is
 * computed with all nested scopes folded; the page moves items when a box is opened. */
#include <string.h>

#include "tools/view/view.h"

/* An estimate of the width of a text in the font of the page and of the space around it, in pixels;
 * at most `most`, since the page cuts longer texts. */
static double width_of(const char *s, double character, double around, double most) {
    double width = character * (double)strlen(s) + around;
    return width < most ? width : most;
}

static double larger(double a, double b) {
    return a > b ? a : b;
}

static double width_of_op(const fv_view_graph *g, const fv_view_op *o) {
    const char *type = o->nout && o->out[0] >= 0 ? g->values[o->out[0]].type : "";
    return larger(width_of(fv_opdef_qualified(g->arena, o->def), 7.6, 28, 210),
                  width_of(type, 6.1, 26, 190));
}

/* ---- items ---- */

static int item_new(fv_view_graph *g, int scope, fv_item_kind kind, int ref, double width) {
    fv_view_scope *s = &g->scopes[scope];
    FV_PUSH(g->arena, s->items.all, s->items.n, s->items.cap, ((fv_view_item){kind, ref}));
    fv_place place = kind == FV_ITEM_IN    ? FV_PLACE_TOP
                     : kind == FV_ITEM_OUT ? FV_PLACE_BOTTOM
                                           : FV_PLACE_FREE;
    FV_PUSH(g->arena, s->layout.nodes, s->layout.n, s->layout.cap,
            ((fv_page_node){.width = width, .place = place}));
    return s->items.n - 1;
}

static int item_of_scope(fv_view_graph *g, int scope) {
    fv_view_scope *s = &g->scopes[scope];
    if (s->item < 0)
        s->item = item_new(g, s->parent, FV_ITEM_SCOPE, scope,
                           larger(width_of(s->name, 7.2, 44, 230), 110));
    return s->item;
}

/* The item that shows an op; for an op with regions it is the box of these. */
static int item_of_op(const fv_view_graph *g, int op) {
    return g->ops[op].inner < 0 ? g->ops[op].item : g->scopes[g->ops[op].inner].item;
}

/* Makes the items of all scopes in the order of the graph, in which nets lead down. */
static void make_items(fv_view_graph *g) {
    for (int i = 0; i < g->nops; i++) {
        fv_view_op *o = &g->ops[i];
        if (o->inner < 0)
            o->item = item_new(g, o->scope, FV_ITEM_OP, i, width_of_op(g, o));
        for (int s = o->inner < 0 ? o->scope : o->inner; s > 0 && g->scopes[s].item < 0;
             s = g->scopes[s].parent)
            item_of_scope(g, s);
    }
    for (int i = 1; i < g->nscopes; i++) /* makes the items of scopes without ops */
        if (!g->scopes[i].dropped)
            item_of_scope(g, i);
}

/* The port of a value, identified by `key`, where it enters or leaves a scope. */
static int port(fv_view_graph *g, int scope, fv_item_kind kind, const void *key, int value) {
    fv_ptrmap *known = &g->scopes[scope].ports[kind - FV_ITEM_IN];
    intptr_t at = (intptr_t)fv_ptrmap_get(known, key);
    if (!at) {
        at = 1 +
             item_new(g, scope, kind, value,
                      larger(width_of(value < 0 ? "" : g->values[value].name, 6.2, 22, 170), 30));
        *fv_ptrmap_at(&g->scopes[scope].ports[kind - FV_ITEM_IN], key) = (void *)at;
    }
    return (int)at - 1;
}

/* ---- nets ---- */

static void connect(fv_view_graph *g, int scope, const void *key, int value, int from, int to) {
    fv_view_scope *s = &g->scopes[scope];
    fv_page_layout *l = &s->layout;
    intptr_t at = (intptr_t)fv_ptrmap_get(&s->nets, key);
    if (!at) {
        int n = l->nnets;
        FV_PUSH(g->arena, s->values, n, s->cap_values, value);
        FV_PUSH(g->arena, l->nets, l->nnets, l->cap_nets, ((fv_page_net){.from = from}));
        at = l->nnets;
        *fv_ptrmap_at(&s->nets, key) = (void *)at;
    }
    fv_page_net *net = &l->nets[at - 1];
    FV_PUSH(g->arena, net->to, net->nto, net->cap_to, to);
}

static int depth_of(const fv_view_graph *g, int scope) {
    int depth = 0;
    while ((scope = g->scopes[scope].parent) >= 0)
        depth++;
    return depth;
}

static int common_scope(const fv_view_graph *g, int a, int b) {
    int da = depth_of(g, a), db = depth_of(g, b);
    for (; da > db; da--)
        a = g->scopes[a].parent;
    for (; db > da; db--)
        b = g->scopes[b].parent;
    while (a != b) {
        a = g->scopes[a].parent;
        b = g->scopes[b].parent;
    }
    return a;
}

/* Connects an item of one scope with an item of another scope: by output ports of the scopes around
 * the first item, and input ports of the scopes around the second. */
static void lead(fv_view_graph *g, const void *key, int value, int from_scope, int from,
                 int to_scope, int to) {
    int around = common_scope(g, from_scope, to_scope);
    for (; from_scope != around; from_scope = g->scopes[from_scope].parent) {
        connect(g, from_scope, key, value, from, port(g, from_scope, FV_ITEM_OUT, key, value));
        from = item_of_scope(g, from_scope);
    }
    for (; to_scope != around; to_scope = g->scopes[to_scope].parent) {
        connect(g, to_scope, key, value, port(g, to_scope, FV_ITEM_IN, key, value), to);
        to = item_of_scope(g, to_scope);
    }
    connect(g, around, key, value, from, to);
}

/* Connects the item that computes a value with an item that uses the value. Constants are not
 * drawn; they belong to their users. */
static void lead_value(fv_view_graph *g, const fv_value *v, int scope, int item) {
    int value = v ? fv_view_value_of(g, v) : -1;
    if (value < 0 || v->kind == FV_VALUE_CONST)
        return;
    if (v->kind == FV_VALUE_PARAM) {
        int region = (int)(intptr_t)fv_ptrmap_get(&g->place_of.region, v->block) - 1;
        lead(g, v, value, region, port(g, region, FV_ITEM_IN, v, value), scope, item);
    } else {
        int op = (int)(intptr_t)fv_ptrmap_get(&g->place_of.op, v->def) - 1;
        lead(g, v, value, g->ops[op].scope, item_of_op(g, op), scope, item);
    }
}

/* Connects the values that a region returns with those results of its op that they become. */
static void lead_results(fv_view_graph *g, const fv_region *r, int region) {
    const fv_op *ret = r->last;
    int around = g->scopes[region].parent;
    for (int i = 0; ret && i < ret->nin; i++) {
        /* the key is the position and not the value, so that a value that is returned twice has two
         * ports */
        const void *key = &ret->in[i];
        int value = ret->in[i] ? fv_view_value_of(g, ret->in[i]) : -1;
        lead_value(g, ret->in[i], region, port(g, region, FV_ITEM_OUT, key, value));
        const fv_op *op = r->parent;
        /* index of the op's result; the condition, which the body of a Loop returns first, is
         * skipped */
        int k = op ? i - (ret->nin > op->nout ? ret->nin - op->nout : 0) : -1;
        if (k < 0 || k >= op->nout || !op->out[k])
            continue;
        connect(g, around, key, value, item_of_scope(g, region),
                port(g, around, FV_ITEM_OUT, op->out[k], fv_view_value_of(g, op->out[k])));
    }
}

/* Makes a port for each parameter of a region, and connects the operands of its op with them. */
static void lead_region(fv_view_graph *g, const fv_region *r) {
    int region = (int)(intptr_t)fv_ptrmap_get(&g->place_of.region, r) - 1;
    for (int i = 0; i < r->nparams; i++)
        port(g, region, FV_ITEM_IN, r->params[i], fv_view_value_of(g, r->params[i]));
    for (int i = 0; r->parent && i < r->parent->nin; i++)
        lead_value(g, r->parent->in[i], g->scopes[region].parent, item_of_scope(g, region));
    lead_results(g, r, region);
}

void fv_view_place(fv_view_graph *g) {
    for (int i = 0; i < g->nscopes; i++) {
        fv_view_scope *s = &g->scopes[i];
        s->layout = (fv_page_layout){.arena = g->arena};
        s->nets = s->ports[0] = s->ports[1] = fv_ptrmap_in(g->arena);
    }
    make_items(g);
    lead_region(g, g->func->body);
    for (int i = 0; i < g->nops; i++) {
        const fv_op *op = g->ops[i].op;
        for (int k = 0; k < op->nin && g->ops[i].inner < 0; k++)
            lead_value(g, op->in[k], g->ops[i].scope, g->ops[i].item);
        for (int k = 0; k < op->nattrs; k++)
            if (op->attrs[k].kind == FV_ATTR_REGION)
                lead_region(g, op->attrs[k].u.region);
    }
    for (int i = 0; i < g->nscopes; i++)
        if (!g->scopes[i].dropped)
            fv_page_find(&g->scopes[i].layout);
}
