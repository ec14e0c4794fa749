/* levels.c - compiles a model for several targets, whose code is written to one file. */
#include "backend/consumer/levels.h"
#include "backend/expand/expand.h"
#include "driver.h"
#include "ir/base/diag.h"
#include "ir/dim/text.h"
#include "ir/graph/copy.h"

#include <string.h>

/* Can files of that kind have code for several targets? */
static bool holds_levels(fv_emit_kind kind) {
    return kind == FV_EMIT_SO || kind == FV_EMIT_OBJ || kind == FV_EMIT_LIB ||
           kind == FV_EMIT_LLVM || kind == FV_EMIT_ASM;
}

const char *fv_driver_why_one_target(const fv_driver_options *o, fv_emit_kind kind) {
    if (kind == FV_EMIT_IR || kind == FV_EMIT_DEFINITIONS)
        return "a graph and definitions have no target: several targets are for libraries and "
               "objects";
    if (!holds_levels(kind))
        return "several targets are for libraries and objects (.so .dll .dylib .a .lib .o .obj .ll "
               ".s); write one file for each target";
    return o->tuning.path || o->tuning.kernels
               ? "a tuning and handwritten kernels are for one target: choose one --target"
               : NULL;
}

static bool is_possible(fv_session *s, const fv_source *source, const fv_driver_options *o,
                        fv_emit_kind kind, const char *out) {
    const char *why = fv_driver_why_one_target(o, kind);
    if (why)
        return fv_error(s, "%s: %s", out, why);
    if (!source->module)
        return fv_error(s, "holds kernels, which were made for one target: compile the model");
    return !source->module->definitions ||
           fv_error(s, "holds definitions, which are lowered for one target only: compile the "
                       "model, or choose one --target");
}

static bool same_dims(fv_arena *a, int n, const fv_dim *const *x, const fv_dim *const *y) {
    bool same = true;
    for (int i = 0; i < n && same; i++)
        same = !strcmp(fv_dim_str(a, x[i]), fv_dim_str(a, y[i]));
    return same;
}

static bool same_ports(fv_arena *a, int n, const fv_port *x, const fv_port *y) {
    bool same = true;
    for (int i = 0; i < n && same; i++)
        same = !strcmp(x[i].name, y[i].name) && x[i].elem == y[i].elem && x[i].rank == y[i].rank &&
               x[i].state_of == y[i].state_of &&
               fv_port_is_shared(&x[i]) == fv_port_is_shared(&y[i]) &&
               same_dims(a, x[i].rank, x[i].dims, y[i].dims);
    return same;
}

/* Do callers pass the same to both programs? */
static bool same_interface(const fv_program *p, const fv_program *q) {
    return p->symbols.n == q->symbols.n && p->ninputs == q->ninputs && p->noutputs == q->noutputs &&
           same_dims(p->arena, p->symbols.n, p->symbols.all, q->symbols.all) &&
           same_ports(p->arena, p->ninputs, p->inputs, q->inputs) &&
           same_ports(p->arena, p->noutputs, p->outputs, q->outputs);
}

/* Lowers the graph for target i. Decisions are recorded, and steps are watched, of the lowest. */
static fv_program *lower_level(fv_session *s, fv_module *graph, const fv_source *source,
                               const fv_driver_options *driver, int i) {
    fv_arena *a = graph->arena;
    const fv_message *last = fv_messages_last(s);
    fv_driver_options o = *driver;
    fv_pipeline_options steps = o.work.pipeline ? *o.work.pipeline : (fv_pipeline_options){0};
    o.target.of = driver->target.levels[i];
    if (!i)
        return fv_driver_lower_module(s, graph, source, &o);
    const fv_watch shown = {.progress =
                                steps.watch ? steps.watch->progress : (fv_step_progress){0}};
    steps.watch = &shown;
    steps.gate = NULL;
    o.work.pipeline = &steps;
    o.answers = (fv_driver_answers){0};
    fv_program *p = fv_driver_lower_module(s, graph, source, &o);
    fv_messages_merge(s, last, fv_printf(a, "for target %s", o.target.of->name));
    return p;
}

/* Lowers the graph for each target. */
static bool lower_all(fv_session *s, const fv_source *source, const fv_driver_options *driver,
                      fv_program **levels) {
    const int n = driver->target.nlevels;
    fv_module *graph[FV_MAX_LEVELS] = {source->module};
    if (!fv_driver_prepare(source, driver))
        return false;
    for (int i = 1; i < n; i++)
        if (!(graph[i] = fv_module_copy(s, source->module, NULL)))
            return false;
    for (int i = 0; i < n; i++)
        if (!(levels[i] = lower_level(s, graph[i], source, driver, i)))
            return false;
    return true;
}

bool fv_driver_emit_targets(fv_session *s, const fv_source *source, const fv_driver_options *driver,
                            fv_emit_kind kind, const char *out, const fv_write_options *o,
                            fv_program **p) {
    const int n = driver->target.nlevels;
    fv_program *levels[FV_MAX_LEVELS];
    if (n < 2)
        return fv_driver_emit(s, source, driver, kind, out, o, p);
    *p = NULL;
    if (!is_possible(s, source, driver, kind, out) || !lower_all(s, source, driver, levels) ||
        (o->accept && !o->accept(o->user, levels[0])))
        return false;
    for (int i = 0; i < n; i++)
        fv_program_expand(levels[i]);
    for (int i = 1; i < n; i++)
        FV_HOLDS(s, same_interface(levels[0], levels[i]));
    *p = fv_program_of_levels(levels[0]->arena, n, levels);
    if (driver->answers.unshared)
        *driver->answers.unshared = fv_levels_unshared(*p, n, levels);
    for (int i = 0; driver->answers.levels && i < n; i++)
        driver->answers.levels[i] = levels[i];
    fv_write_options with = *o;
    with.levels = (const fv_program *const *)levels;
    with.nlevels = n;
    return fv_driver_write(s, *p, kind, out, &with);
}
