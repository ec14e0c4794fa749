/* shard.c - `fovea shard`: cuts a model into parts, one for each rank. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "ir/dim/text.h"
#include "passes/shard/shard.h"
#include "runtime/rank_limits.h"
#include "tools/command/progress.h"
#include "tools/generate/caches.h"
#include "tools/model/model.h"
#include "tools/model/parts.h"

/* Reads the graph, in the form that the search expects. NULL after messages. */
static fv_module *read_graph(fv_context *c, fv_driver_options *o) {
    static const char *const passes[] = {"legalise", "share", "remove-dead", NULL};
    fv_source source;
    if (!fv_args_driver(c, o, false))
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

static bool find_plan(fv_context *c, fv_module *m, int ranks, fv_shard_plan *out) {
    fv_progress_phase(c->args, c->args->operand[0], "finds the cuts");
    return fv_shard_find(m, ranks, fv_cache_parameters(c->arena, m), out);
}

/* ---- the plan, for people ---- */

static void print_cut(fv_context *c, const fv_module *m, const fv_shard_cut *cut) {
    fv_out("cut        %" PRId64 " units, %s of weights: %s", cut->units,
           fv_size_str(c->arena, cut->bytes), cut->first);
    if (cut->nexchanges)
        fv_out(" to %s", cut->last);
    fv_out("\n");
    if (*cut->shares)
        fv_out("           each rank has its share of %s\n", cut->shares);
    for (int i = 0; i < cut->nexchanges; i++)
        fv_out("           exchanges %s bytes\n", fv_dim_str(m->arena, cut->exchanged[i]));
}

static void print_memory(fv_context *c, const fv_module *m, const fv_shard_plan *plan) {
    const fv_shard_plan nothing = {.ranks = 1, .found = plan->found};
    uint64_t least = UINT64_MAX, most = 0;
    for (int r = 0; r < plan->ranks; r++) {
        uint64_t bytes = fv_shard_weights(m, plan, r);
        least = bytes < least ? bytes : least;
        most = bytes > most ? bytes : most;
    }
    fv_out("weights    %s, a rank has %s", fv_size_str(c->arena, fv_shard_weights(m, &nothing, 0)),
           fv_size_str(c->arena, most));
    if (least < most)
        fv_out(", the smallest %s", fv_size_str(c->arena, least));
    fv_out("\n");
}

static void print_plan(fv_context *c, const fv_module *m, const fv_shard_plan *plan) {
    int exchanges = 0;
    const fv_dim *bytes = fv_dim_const(m->dims, 0);
    for (int i = 0; i < plan->ncuts; i++) {
        print_cut(c, m, &plan->cuts[i]);
        exchanges += plan->cuts[i].nexchanges;
        for (int k = 0; k < plan->cuts[i].nexchanges; k++)
            bytes = fv_dim_add(m->dims, bytes, plan->cuts[i].exchanged[k]);
    }
    for (int i = 0; i < plan->nwhole; i++)
        fv_out("whole      %s of weights: %s: %s\n", fv_size_str(c->arena, plan->whole[i].bytes),
               plan->whole[i].name, plan->whole[i].why);
    print_memory(c, m, plan);
    fv_out("exchanges  %d in a run; a rank sends %s bytes to each other rank\n", exchanges,
           fv_dim_str(m->arena, bytes));
}

/* ---- writing the parts ---- */

/* Notes in the list of which inputs and outputs the parts have shares. */
static void list_ports(fv_context *c, const fv_shard_plan *plan, fv_parts_manifest *out) {
    out->nports = plan->nports;
    out->ports = FV_NEW(c->arena, fv_parts_port, plan->nports);
    for (int i = 0; i < plan->nports; i++) {
        const fv_shard_port *p = &plan->ports[i];
        out->ports[i] = (fv_parts_port){.name = fv_strdup(c->arena, p->name),
                                        .is_output = p->is_output,
                                        .axis = p->axis,
                                        .sizes = FV_NEW(c->arena, int64_t, out->ranks)};
        for (int r = 0; r < out->ranks; r++)
            out->ports[i].sizes[r] = p->sizes[r];
    }
}

static bool write_part(fv_context *c, int rank, fv_parts_manifest *out) {
    fv_driver_options o;
    fv_shard_plan plan;
    fv_progress(c->args, "part %d of %d", rank + 1, out->ranks);
    fv_module *m = read_graph(c, &o);
    const char *path = fv_printf(c->arena, "%s/%s", c->args->result.output, out->files[rank]);
    if (!m || !find_plan(c, m, out->ranks, &plan))
        return false;
    if (rank == 0 && c->args->threads.shard.print_plan)
        print_plan(c, m, &plan);
    if (rank == 0 && out->ranks > 1 && plan.ncuts == 0)
        fv_note(c, "nothing can be cut: each rank runs the whole model (--print-plan says why)");
    bool cut = plan.ncuts > 0, ok = cut && fv_shard_apply(m, &plan, rank);
    if (rank == 0 && cut)
        list_ports(c, &plan, out);
    if (!cut) { /* reads the graph again, since the search may have divided products */
        fv_module_free(m);
        ok = (m = read_graph(c, &o)) != NULL;
    }
    fv_progress_phase(c->args, path, "writes %s", path);
    ok = ok && fv_spares_models(c, "-o ", path) &&
         (rank > 0 || fv_parts_forget(c, c->args->result.output)) &&
         fv_driver_write_onnx(c->session, m, path, FV_WEIGHTS_AUTO, o.work.pipeline) &&
         fv_parts_measure(c, c->args->result.output, rank, out);
    if (ok && !c->args->print.quiet)
        fv_out("%-28s %s\n", path, fv_size_str(c->arena, (uint64_t)out->bytes[rank]));
    fv_module_free(m);
    return ok;
}

static bool write_parts(fv_context *c) {
    fv_parts_manifest parts;
    if (!fv_make_folder(c, "-o", c->args->result.output))
        return false;
    fv_parts_list(c, c->args->threads.shard.ranks, &parts);
    for (int r = 0; r < parts.ranks; r++)
        if (!write_part(c, r, &parts))
            return false;
    return fv_parts_write(c, c->args->result.output, &parts);
}

static bool print_only(fv_context *c) {
    fv_driver_options o;
    fv_shard_plan plan;
    fv_module *m = read_graph(c, &o);
    if (!m || !find_plan(c, m, c->args->threads.shard.ranks, &plan))
        return false;
    print_plan(c, m, &plan);
    return true;
}

int fv_cmd_shard(fv_context *c) {
    const fv_args *a = c->args;
    if (a->threads.shard.ranks < 1 || a->threads.shard.ranks > FV_MAX_RANKS)
        return fv_usage(a, "--ranks N: into how many parts? 1 to %d", FV_MAX_RANKS);
    if (!a->result.output && !a->threads.shard.print_plan)
        return fv_usage(a, "-o DIR/: where to? (--print-plan alone writes nothing)");
    if (a->result.output && !strcmp(a->operand[0], "-"))
        return fv_usage(a, "the model is read for each rank: not from standard input");
    return (a->result.output ? write_parts(c) : print_only(c)) ? FV_EXIT_OK : fv_failed(c);
}
