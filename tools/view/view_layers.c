/* view_layers.c - finds layers that the names of nodes do not show.
 *
 * Some exporters give nodes names without structure, such as /m/Add or /m/Mul, but weights keep
 * their names, `m.layers.0.ln1.weight`. An op that reads a weight of a layer belongs to that layer,
 * and so do the ops after it, up to the first op that reads a weight of another layer or of
 * none. */
#include <string.h>

#include "tools/view/view.h"

enum {
    /* least number of ops in a scope without inner structure for which layers are searched; fewer
     * ops are easy to read anyway */
    FLAT = 48,
    FEWEST = 2, /* least number of layers that are shown */
    /* largest average number of sequences of consecutive ops of a layer; if there are more, nodes
     * are not in the order of layers */
    MOST_RUNS = 2
};

typedef struct finder {
    const fv_view_graph *g;
    fv_arena *a;
    /* the scope without inner structure, and the number of parts of its path */
    int scope, depth;
    /* nested scope -> the layer that its first weight names; NULL: there is none */
    const fv_view_layer **of;
    fv_ptrmap layers;   /* interned prefix such as "m.layers.0" -> its layer */
    int nlayers, nruns; /* number of layers; number of sequences of consecutive ops of one layer */
} finder;

static const fv_view_layer no_layer; /* represents weights that belong to no layer */

/* The length of the prefix of a weight's name that names its layer, up to the first part that is a
 * number: "m.layers.0" of "m.layers.0.ln1.weight"; 0: there is none. *last: where the last two
 * parts of the prefix begin. */
static size_t layer_of_name(const char *name, size_t *last) {
    size_t begin = 0;
    *last = 0;
    for (size_t end; (end = begin + strcspn(name + begin, "."), name[end]); begin = end + 1) {
        if (begin > 0 && end > begin && begin + strspn(name + begin, "0123456789") == end)
            return end;
        *last = begin;
    }
    return 0;
}

static const fv_view_layer *layer_of_weight(finder *f, const char *name) {
    size_t last, n = layer_of_name(name, &last);
    if (!n)
        return &no_layer;
    const char *key = fv_internn(fv_arena_session(f->a), name, n);
    fv_view_layer *layer = fv_ptrmap_get(&f->layers, key);
    if (!layer) {
        layer = FV_NEW(f->g->arena, fv_view_layer, 1);
        *layer = (fv_view_layer){f->depth, fv_strndup(f->g->arena, name + last, n - last)};
        *fv_ptrmap_at(&f->layers, key) = layer;
        f->nlayers++;
    }
    return layer;
}

/* The layer of the op's first weight whose name consists of parts (`m.ln1.weight`), `no_layer` if
 * none of these is a number; NULL: the op reads no such weight. */
static const fv_view_layer *layer_of_op(finder *f, const fv_view_op *op) {
    for (int i = 0; i < op->nin; i++) {
        const fv_view_value *v = op->in[i] < 0 ? NULL : &f->g->values[op->in[i]];
        if (v && v->value->kind == FV_VALUE_CONST && strchr(v->name, '.') &&
            !strpbrk(v->name, "/:"))
            return layer_of_weight(f, v->name);
    }
    return NULL;
}

/* The scope directly within f->scope that contains the op; f->scope itself if the op is not nested;
 * -1: the op is not in f->scope. */
static int box_of(const finder *f, int op) {
    int box = f->scope, s = f->g->ops[op].scope;
    for (; s >= 0 && s != f->scope; s = f->g->scopes[s].parent)
        box = s;
    return s < 0 ? -1 : box;
}

/* Finds the layers of nested scopes; each belongs to one layer as a whole. */
static void find_boxes(finder *f) {
    for (int i = 0; i < f->g->nops; i++) {
        int box = box_of(f, i);
        if (box >= 0 && box != f->scope && !f->of[box])
            f->of[box] = layer_of_op(f, &f->g->ops[i]);
    }
}

/* The layer of each op; NULL: it has none. */
static const fv_view_layer **find_ops(finder *f) {
    const fv_view_layer **list = FV_NEW(f->a, const fv_view_layer *, f->g->nops + 1),
                        *now = &no_layer;
    for (int i = 0; i < f->g->nops; i++) {
        int box = box_of(f, i);
        if (box < 0)
            continue;
        const fv_view_layer *told = box == f->scope ? layer_of_op(f, &f->g->ops[i]) : f->of[box];
        f->nruns += told && told != now && told != &no_layer;
        now = told ? told : now;
        list[i] = now == &no_layer ? NULL : now;
    }
    return list;
}

static bool is_flat(const fv_view_graph *g, int scope) {
    int n = 0;
    for (int i = 0; i < g->nops; i++)
        n += g->ops[i].scope == scope;
    for (int s = scope; s > 0; s = g->scopes[s].parent)
        if (g->scopes[s].region || g->scopes[s].op >= 0)
            return false;
    return n >= FLAT && !g->scopes[scope].dropped;
}

static int parts_of(const char *path) {
    int n = 0;
    for (; *path; path++)
        n += *path == '/';
    return n;
}

/* The number of parts of the scope's path; if a dropped scope contains the same ops, of the path of
 * that scope. */
static int depth_of(const fv_view_graph *g, int scope) {
    int depth = parts_of(g->scopes[scope].path);
    for (int i = scope + 1; i < g->nscopes; i++) {
        const fv_view_scope *s = &g->scopes[i];
        if (s->dropped && s->parent == scope && s->nops == g->scopes[scope].nops &&
            parts_of(s->path) > depth)
            depth = parts_of(s->path);
    }
    return depth;
}

void fv_view_find_layers(const fv_view_graph *g, fv_ptrmap *out) {
    fv_arena *a = fv_arena_new(fv_arena_session(g->arena));
    for (int s = 0; s < g->nscopes; s++) {
        if (!is_flat(g, s))
            continue;
        finder f = {.g = g, .a = a, .scope = s, .depth = depth_of(g, s), .layers = fv_ptrmap_in(a)};
        f.of = FV_NEW(a, const fv_view_layer *, g->nscopes + 1);
        find_boxes(&f);
        const fv_view_layer **list = find_ops(&f);
        if (f.nlayers < FEWEST || f.nruns > MOST_RUNS * f.nlayers)
            continue;
        for (int i = 0; i < g->nops; i++)
            for (int k = 0; list[i] && k < g->ops[i].origin->n; k++)
                *fv_ptrmap_at(out, fv_intern(fv_arena_session(a), g->ops[i].origin->nodes[k])) =
                    (void *)(uintptr_t)list[i];
    }
    fv_arena_free(a);
}
