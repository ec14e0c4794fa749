/* graph_c.c - random graphs through the C emitter and a compiler. */
#include "tests/matrix/graph_c.h"

#include <dlfcn.h>
#include <string.h>

#include "backend/c/emit.h"
#include "tests/consumers/consumers.h"
#include "tools/driver/driver.h"

void graph_batch_add(graph_batch *b, const graph_checker *c, graph *g, const graph_verdict *passed,
                     const gvalue *only) {
    if (!passed->program || b->n == GRAPH_BATCH)
        return;
    graph_in_c *x = &b->graphs[b->n++];
    fv_c_options o = {.weights = FV_WEIGHTS_TEXT};
    *x = (graph_in_c){*c, g, only, fv_printf(g->arena, "g%d", c->index), .want = passed->want};
    fv_messages_clear(c->session);
    const char *path = fv_printf(g->arena, "%s/%s.c", b->folder, x->name);
    if (fv_c_write(c->session, passed->program, &o, path))
        x->path = path;
    else
        x->why = graph_error(c->session);
    x->model = fv_program_model(g->arena, passed->program, NULL);
    x->set = graph_inputs(g, x->model, 0);
}

static const char *run_one(const graph_in_c *x, void *library) {
    const fv_model *(*table)(void);
    *(void **)&table = dlsym(library, fv_printf(x->graph->arena, "%s_model", x->name));
    fv_artifact *a = table ? fv_artifact_new(table()) : NULL;
    if (!a)
        return "it has no table";
    const char *why = NULL;
    for (int threads = 1; threads <= 3 && !why; threads += 2) {
        outcome got = outcome_run(x->graph->arena, a, &x->set, threads);
        why = outcome_differs(x->graph->arena, x->model, &x->want, &got);
    }
    fv_artifact_free(a);
    return why;
}

/* One library of graphs [from, to). */
static void *compile(const graph_batch *b, build_cache *cache, fv_arena *a, int from, int to,
                     const char **why) {
    const char *sources[GRAPH_BATCH + 1], *others[GRAPH_BATCH + 1];
    int n = 0;
    for (int i = from; i < to; i++)
        if (b->graphs[i].path) {
            sources[n] = b->graphs[i].path;
            others[n++] =
                fv_printf(a, "%.*s.h", (int)strlen(b->graphs[i].path) - 2, b->graphs[i].path);
        }
    sources[n] = others[n] = NULL;
    *why = "nothing to compile";
    if (!n)
        return NULL;
    const graph_checker *c = &b->graphs[from].checker;
    build_step step = {.command = c->compiler->command,
                       .sources = sources,
                       .others = others,
                       .suffix = ".so",
                       .flags = fv_printf(a, "%s %s -fPIC -shared -nostdlib -s", c->compiler->flags,
                                          c->target->c.flags)};
    const char *path = build_run(cache, a, &step, why);
    void *library = path ? dlopen(path, RTLD_NOW | RTLD_LOCAL) : NULL;
    if (path && !library)
        *why = dlerror();
    return library;
}

static void run_range(graph_batch *b, build_cache *cache, fv_arena *a, int from, int to) {
    const char *why;
    void *library = compile(b, cache, a, from, to, &why);
    if (!library && to - from > 1) {
        for (int i = from; i < to; i++)
            run_range(b, cache, a, i, i + 1);
        return;
    }
    for (int i = from; i < to; i++) {
        if (b->at)
            atomic_store(b->at, b->graphs[i].checker.index);
        if (b->graphs[i].path)
            b->graphs[i].why = library ? run_one(&b->graphs[i], library) : why;
    }
    if (library)
        dlclose(library);
}

void graph_batch_run(graph_batch *b) {
    if (!b->n)
        return;
    fv_arena *a = b->graphs[0].graph->arena;
    build_cache *cache = build_cache_open(a, b->cache);
    for (int i = 0; i < b->n && !cache; i++)
        b->graphs[i].why = "the folder of the cache cannot be made";
    if (cache)
        run_range(b, cache, a, 0, b->n);
}

graph_verdict graph_batch_verdict(const graph_in_c *x) {
    if (!x->why)
        return (graph_verdict){0};
    return graph_fail(&x->checker, x->graph, x->checker.compiler->name, x->why, x->only);
}
