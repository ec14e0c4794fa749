/* shard_read.c - reads a graph that is to be cut, and finds its cuts. */
#include "tools/command/progress.h"
#include "tools/generate/caches.h"
#include "tools/subcommand/shard.h"

fv_module *fv_shard_read(fv_context *c, fv_driver_options *o) {
    static const char *const passes[] = {"legalise", "share", "remove-dead", NULL};
    fv_source source;
    /* a simulation is of runs on machines like this one */
    if (!fv_args_driver(c, o, c->args->threads.shard.simulate))
        return NULL;
    o->work.passes = passes;
    fv_progress_phase(c->args, c->args->operand[0], "reads the model");
    if (!fv_driver_read(c->session, c->args->operand[0], o, &source))
        return NULL;
    if (!source.module || source.module->definitions) {
        fv_error(c->session, "holds %s; only a graph can be cut",
                 source.module ? "definitions" : "kernels");
        return NULL;
    }
    return fv_driver_passes(source.module, o) ? source.module : NULL;
}

bool fv_shard_plan_of(fv_context *c, fv_module *m, int ranks, const fv_shard_request *request,
                      fv_shard_plan *out) {
    fv_progress_phase(c->args, c->args->operand[0], "finds the cuts");
    return fv_shard_find(m, ranks, fv_cache_parameters(c->arena, m), request, out);
}
