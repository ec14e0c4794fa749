/* levels.c - compiles a model for several targets, whose code is written to one file. */
#include "backend/consumer/levels.h"
#include "backend/expand/expand.h"
#include "driver.h"
#include "ir/base/diag.h"
#include "ir/graph/copy.h"

/* Can files of that kind have code for several targets? */
static bool holds_levels(fv_emit_kind kind) {
    return kind == FV_EMIT_SO || kind == FV_EMIT_OBJ || kind == FV_EMIT_LIB ||
           kind == FV_EMIT_LLVM || kind == FV_EMIT_ASM;
}

static bool is_possible(fv_session *s, const fv_source *source, const fv_driver_options *o,
                        fv_emit_kind kind, const char *out) {
    if (!holds_levels(kind))
        return fv_error(s,
                        "%s: several targets are for libraries and objects (.so .dll .dylib .a "
                        ".lib .o .obj .ll .s); write one file for each target",
                        out);
    if (!source->module)
        return fv_error(s, "holds kernels, which were made for one target: compile the model");
    if (source->module->definitions)
        return fv_error(s, "holds definitions, which are lowered for one target only: compile the "
                           "model, or choose one --target");
    return (!o->tuning.path && !o->tuning.kernels) ||
           fv_error(s, "a tuning and handwritten kernels are for one target: choose one --target");
}

/* Lowers the graph for each target. Messages and records of decisions are those of the lowest. */
static bool lower_all(fv_session *s, const fv_source *source, const fv_driver_options *driver,
                      fv_program **levels) {
    const int n = driver->target.nlevels;
    fv_module *graph[FV_MAX_LEVELS] = {source->module};
    fv_driver_options o = *driver;
    if (!fv_driver_prepare(source, driver))
        return false;
    for (int i = 1; i < n; i++)
        if (!(graph[i] = fv_module_copy(s, source->module, NULL)))
            return false;
    for (int i = 0; i < n; i++) {
        const fv_message *last = fv_messages_last(s);
        o.target.of = driver->target.levels[i];
        if (!(levels[i] = fv_driver_lower_module(s, graph[i], source, &o)))
            return false;
        if (i)
            fv_messages_drop(s, last);
        o.answers = (fv_driver_answers){0};
    }
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
    *p = fv_program_of_levels(levels[0]->arena, n, levels);
    if (driver->answers.unshared)
        *driver->answers.unshared = fv_levels_unshared(*p, n, levels);
    fv_write_options with = *o;
    with.levels = (const fv_program *const *)levels;
    with.nlevels = n;
    return fv_driver_write(s, *p, kind, out, &with);
}
