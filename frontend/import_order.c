/* import_order.c - sorts nodes so that operands come first.
 *
 * The standard demands this order, but not every exporter keeps it. A depth-first search in the
 * model's order changes nothing if the order is right. */
#include "frontend/import.h"
#include "ir/base/text.h"

/* Names that a graph inside a node defines. */
typedef struct bound {
    const struct bound *outer;
    fv_ptrmap names;
} bound;

typedef struct order {
    fv_importer *im;
    fv_ptrmap producers; /* name -> 1 + index of its node */
    /* for each node, the index of its first entry in `deps`; one more entry at the end */
    size_t *first;
    size_t *deps, ndeps, cap;
} order;

static void push(order *o, size_t dep) {
    if (o->ndeps == o->cap) {
        size_t cap = o->cap ? o->cap * 2 : 64;
        size_t *wider = FV_NEW(o->im->tmp, size_t, cap);
        for (size_t i = 0; i < o->ndeps; i++)
            wider[i] = o->deps[i];
        o->deps = wider;
        o->cap = cap;
    }
    o->deps[o->ndeps++] = dep;
}

static void use(order *o, const bound *b, const char *name) {
    if (!name || !*name)
        return;
    name = fv_intern(o->im->s, name);
    for (; b; b = b->outer)
        if (fv_ptrmap_get(&b->names, name))
            return;
    const size_t *producer = fv_ptrmap_get(&o->producers, name);
    if (producer)
        push(o, *producer);
}

static void bind(order *o, bound *b, const char *name) {
    if (name && *name)
        fv_import_map(&b->names, fv_intern(o->im->s, name), b);
}

static void use_graph(order *o, const bound *outer, const Onnx__GraphProto *g);

/* Visits each name that a node, or a graph inside it, uses but does not define. */
static void use_node(order *o, const bound *b, const Onnx__NodeProto *node) {
    for (size_t i = 0; i < node->n_input; i++)
        use(o, b, node->input[i]);
    for (size_t i = 0; i < node->n_attribute; i++) {
        const Onnx__AttributeProto *a = node->attribute[i];
        if (a->g)
            use_graph(o, b, a->g);
        for (size_t k = 0; k < a->n_graphs; k++)
            use_graph(o, b, a->graphs[k]);
    }
}

static void use_graph(order *o, const bound *outer, const Onnx__GraphProto *g) {
    bound b = {outer, {.arena = o->im->tmp}};
    for (size_t i = 0; i < g->n_input; i++)
        bind(o, &b, g->input[i]->name);
    for (size_t i = 0; i < g->n_initializer; i++)
        bind(o, &b, g->initializer[i]->name);
    for (size_t i = 0; i < g->n_sparse_initializer; i++)
        if (g->sparse_initializer[i]->values)
            bind(o, &b, g->sparse_initializer[i]->values->name);
    for (size_t i = 0; i < g->n_node; i++)
        for (size_t k = 0; k < g->node[i]->n_output; k++)
            bind(o, &b, g->node[i]->output[k]);
    for (size_t i = 0; i < g->n_node; i++)
        use_node(o, &b, g->node[i]);
    for (size_t i = 0; i < g->n_output; i++)
        use(o, &b, g->output[i]->name);
}

static void collect(order *o, fv_nodes nodes) {
    size_t *indices = FV_NEW(o->im->tmp, size_t, nodes.n);
    for (size_t i = 0; i < nodes.n; i++) {
        indices[i] = i;
        for (size_t k = 0; k < nodes.at[i]->n_output; k++)
            if (*nodes.at[i]->output[k])
                fv_import_map(&o->producers, fv_intern(o->im->s, nodes.at[i]->output[k]),
                              &indices[i]);
    }
    o->first = FV_NEW(o->im->tmp, size_t, nodes.n + 1);
    for (size_t i = 0; i < nodes.n; i++) {
        o->first[i] = o->ndeps;
        use_node(o, NULL, nodes.at[i]);
    }
    o->first[nodes.n] = o->ndeps;
}

enum { NEW, OPEN, DONE };

static void say_cycle(const order *o, const fv_import_scope *sc, fv_nodes nodes,
                      const size_t *stack, size_t top, size_t again) {
    enum { SHOWN = 8 };
    fv_text t = {.arena = o->im->tmp};
    size_t at = top;
    while (stack[at] != again)
        at--;
    for (size_t n = 0; at <= top && n < SHOWN; at++, n++)
        fv_text_printf(&t, "'%s' -> ",
                       fv_import_label(o->im->tmp, sc->prefix, nodes.at[stack[at]]));
    const char *label = fv_import_label(o->im->tmp, sc->prefix, nodes.at[again]);
    fv_error_node(o->im->s, label, fv_import_qualified(o->im->tmp, nodes.at[again]),
                  "nodes use each other in a circle: %s%s'%s'", t.s, at <= top ? "... -> " : "",
                  label);
}

const size_t *fv_import_order(fv_importer *im, const fv_import_scope *sc, fv_nodes nodes) {
    order o = {.im = im, .producers = {.arena = im->tmp}};
    collect(&o, nodes);
    size_t *out = FV_NEW(im->tmp, size_t, nodes.n + 1), n = 0;
    size_t *stack = FV_NEW(im->tmp, size_t, nodes.n + 1);
    /* for each node on the stack, the dependency to visit next */
    size_t *next = FV_NEW(im->tmp, size_t, nodes.n + 1);
    char *state = FV_NEW(im->tmp, char, nodes.n + 1);
    for (size_t root = 0; root < nodes.n; root++) {
        size_t depth = 0;
        if (state[root] == DONE)
            continue;
        stack[depth++] = root;
        while (depth) {
            size_t i = stack[depth - 1];
            if (state[i] == NEW) {
                state[i] = OPEN;
                next[i] = o.first[i];
            }
            if (next[i] == o.first[i + 1]) {
                state[i] = DONE;
                out[n++] = i;
                depth--;
                continue;
            }
            size_t dep = o.deps[next[i]++];
            if (state[dep] == OPEN) {
                say_cycle(&o, sc, nodes, stack, depth - 1, dep);
                return NULL;
            }
            if (state[dep] == NEW)
                stack[depth++] = dep;
        }
    }
    return out;
}
