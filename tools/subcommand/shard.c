/* shard.c - `fovea shard`: cuts a model into parts, one for each rank. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "frontend/sharding.h"
#include "passes/spell/spell.h"
#include "runtime/rank_limits.h"
#include "tools/command/progress.h"
#include "tools/model/model.h"
#include "tools/model/parts.h"
#include "tools/script/script.h"
#include "tools/subcommand/shard.h"

static bool find_plan(fv_context *c, fv_module *m, const fv_shard_cutting *k, fv_shard_plan *out) {
    return fv_shard_plan_of(c, m, k->ranks, k->request, out);
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
                                        .sizes = FV_NEW(c->arena, int64_t, out->ranks),
                                        .firsts = FV_NEW(c->arena, int64_t, out->ranks)};
        for (int r = 0; r < out->ranks; r++) {
            out->ports[i].sizes[r] = p->sizes[r];
            out->ports[i].firsts[r] = p->firsts[r];
        }
    }
}

/* Has the block an op that no ONNX model can contain? */
static bool needs_text(const fv_region *block) {
    bool found = false;
    for (const fv_op *op = block->first; op && !found; op = op->next) {
        found = fv_spell_has_none(op);
        for (int i = 0; i < op->nattrs && !found; i++)
            found = op->attrs[i].kind == FV_ATTR_REGION && needs_text(op->attrs[i].u.region);
    }
    return found;
}

/* Where the weights of a part are written: next to the model if they are large, since they are
 * written there without copies in memory. */
static fv_weights_kind place_of_weights(const fv_module *m) {
    enum { LARGE = 64 << 20 };
    uint64_t bytes = 0;
    for (int i = 0; i < m->nconsts; i++)
        bytes += m->consts[i]->nuses ? m->consts[i]->tensor->bytes : 0;
    return bytes > LARGE ? FV_WEIGHTS_FILE : FV_WEIGHTS_AUTO;
}

/* Writes the part as ONNX or, if it has operators that ONNX lacks, as graph IR. */
static bool write_model(fv_context *c, fv_module *m, const fv_driver_options *o, int rank,
                        fv_parts_manifest *out) {
    static const char *const tidy[] = {"share", "remove-dead", NULL};
    bool text = needs_text(m->funcs->body);
    out->files[rank] = text ? fv_parts_text_file(c, rank) : out->files[rank];
    const char *path = fv_parts_path(c, c->args->result.output, out, rank);
    fv_progress_phase(c->args, path, "writes %s", path);
    return fv_spares_models(c, "-o ", path) &&
           (rank > 0 || fv_parts_forget(c, c->args->result.output)) &&
           (text ? fv_run_passes(m, tidy, o->work.pipeline) &&
                       fv_driver_write_ir(c->session, m, NULL, path)
                 : fv_driver_write_onnx(c->session, m, path, place_of_weights(m),
                                        o->work.pipeline)) &&
           fv_parts_measure(c, c->args->result.output, rank, out);
}

static bool write_part(fv_context *c, const fv_shard_cutting *k, int rank, fv_parts_manifest *out) {
    fv_driver_options o;
    fv_shard_plan plan;
    fv_progress(c->args, "part %d of %d", rank + 1, out->ranks);
    fv_module *m = fv_shard_read(c, &o);
    if (!m || !find_plan(c, m, k, &plan))
        return false;
    if (rank == 0 && c->args->threads.shard.print_plan)
        fv_shard_print_plan(c, m, &plan);
    if (rank == 0 && out->ranks > 1 && plan.ncuts == 0)
        fv_note(c, "nothing can be cut: each rank runs the whole model (--print-plan says why)");
    bool cut = plan.ncuts > 0, ok = cut && fv_shard_apply(m, &plan, rank);
    if (rank == 0 && cut)
        list_ports(c, &plan, out);
    if (!cut) { /* reads the graph again, since the search may have divided products */
        fv_module_free(m);
        ok = (m = fv_shard_read(c, &o)) != NULL;
    }
    ok = ok && write_model(c, m, &o, rank, out);
    if (ok && !c->args->print.quiet)
        fv_out("%s%-28s %s\n", c->args->threads.shard.print_plan ? "-- " : "",
               fv_parts_path(c, c->args->result.output, out, rank),
               fv_size_str(c->arena, (uint64_t)out->bytes[rank]));
    fv_module_free(m);
    return ok;
}

static bool write_parts(fv_context *c, const fv_shard_cutting *k) {
    fv_parts_manifest parts;
    if (!fv_make_folder(c, "-o", c->args->result.output))
        return false;
    fv_parts_list(c, k->ranks, &parts);
    for (int r = 0; r < parts.ranks; r++)
        if (!write_part(c, k, r, &parts))
            return false;
    return fv_parts_write(c, c->args->result.output, &parts);
}

/* ---- one annotated model ---- */

/* Is the model to be written as a whole, with annotations of what the ranks share? */
static bool is_annotated(const char *out) {
    size_t n = strlen(out);
    return n > 5 && !strcmp(out + n - 5, ".onnx");
}

static fv_shardings shardings_of(const fv_module *m, const fv_shard_plan *plan) {
    fv_shard_tensor *tensors;
    int n = fv_shard_tensors(m, plan, &tensors);
    fv_sharding *list = FV_NEW(m->arena, fv_sharding, n + 1);
    for (int i = 0; i < n; i++)
        list[i] = (fv_sharding){.tensor = tensors[i].name,
                                .axis = tensors[i].axis,
                                .outer = tensors[i].outer,
                                .extent = tensors[i].extent,
                                .shards = plan->ranks};
    return (fv_shardings){plan->ranks, n, list};
}

static bool write_annotated(fv_context *c, const fv_shard_cutting *k) {
    const char *out = c->args->result.output;
    fv_driver_options o;
    fv_shard_plan plan;
    fv_module *m = fv_shard_read(c, &o);
    if (!m || !find_plan(c, m, k, &plan))
        return false;
    if (needs_text(m->funcs->body))
        return fv_error(c->session, "has operators that ONNX lacks, and is not written with "
                                    "annotations; -o DIR/ writes its parts as graph IR");
    if (c->args->threads.shard.print_plan)
        fv_shard_print_plan(c, m, &plan);
    if (plan.ranks > 1 && plan.ncuts == 0)
        fv_note(c, "nothing can be cut: no tensor is annotated (--print-plan says why)");
    const fv_shardings s = shardings_of(m, &plan);
    if (!fv_spares_models(c, "-o ", out) ||
        !fv_driver_write_sharded(c->session, m, &s, out, place_of_weights(m), o.work.pipeline))
        return false;
    if (!c->args->print.quiet)
        fv_out("%s%-28s %d tensors are annotated for %d devices\n",
               c->args->threads.shard.print_plan ? "-- " : "", out, s.n, s.ndevices);
    return true;
}

static bool print_only(fv_context *c, const fv_shard_cutting *k) {
    fv_driver_options o;
    fv_shard_plan plan;
    fv_module *m = fv_shard_read(c, &o);
    if (!m || !find_plan(c, m, k, &plan))
        return false;
    fv_shard_print_plan(c, m, &plan);
    return true;
}

/* ---- the command ---- */

static int simulate(fv_context *c, int n, const int *ranks) {
    const fv_args *a = c->args;
    fv_network network;
    if (!a->threads.shard.link || !n)
        return fv_usage(a, "--simulate needs --ranks, and a network: --link=25GB/s,2us");
    if (a->result.output || a->threads.shard.print_plan || a->threads.shard.plan)
        return fv_usage(a, "--simulate cuts nothing: it goes without -o, --plan and --print-plan");
    if (!strcmp(a->operand[0], "-"))
        return fv_usage(a, "the model is read for each number of ranks: not from standard input");
    if (!fv_network_parse(a, a->threads.shard.link, &network))
        return FV_EXIT_USAGE;
    return fv_shard_simulate(c, &network, n, ranks) ? FV_EXIT_OK
           : fv_error_count(c->session)             ? fv_failed(c)
                                                    : FV_EXIT_USAGE;
}

int fv_cmd_shard(fv_context *c) {
    const fv_args *a = c->args;
    const fv_shard_args *s = &a->threads.shard;
    fv_shard_cutting k;
    int ranks[FV_SHARD_MOST], n = s->ranks ? fv_shard_ranks(a, ranks) : 0;
    if (s->ranks && !n)
        return FV_EXIT_USAGE;
    if (s->simulate)
        return simulate(c, n, ranks);
    if (s->link || a->quantize.chart || a->data.at.n)
        return fv_usage(a, "--link, --chart and --at go with --simulate");
    if (n > 1)
        return fv_usage(a, "--ranks N: into how many parts? 1 to %d", FV_MAX_RANKS);
    if (!a->result.output && !s->print_plan)
        return fv_usage(a, "-o DIR/ or -o F.onnx: where to? (--print-plan alone writes nothing)");
    if (a->result.output && !strcmp(a->operand[0], "-"))
        return fv_usage(a, "the model is read for each rank: not from standard input");
    if (!fv_shard_read_cutting(c, n ? ranks[0] : 0, &k))
        return fv_error_count(c->session) ? fv_failed(c) : FV_EXIT_USAGE;
    bool ok = !a->result.output                ? print_only(c, &k)
              : is_annotated(a->result.output) ? write_annotated(c, &k)
                                               : write_parts(c, &k);
    return ok ? FV_EXIT_OK : fv_failed(c);
}
