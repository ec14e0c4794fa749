/* shard.c - `fovea shard`: cuts a model into parts, one for each rank of each stage. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "frontend/sharding.h"
#include "ir/dim/text.h"
#include "passes/spell/spell.h"
#include "runtime/rank_limits.h"
#include "tools/command/progress.h"
#include "tools/model/model.h"
#include "tools/model/parts.h"
#include "tools/script/script.h"
#include "tools/subcommand/shard.h"

/* ---- writing the parts ---- */

/* The input or output of the plan that has that name; NULL: it is not cut. */
static const fv_shard_port *find_port(const fv_shard_plan *plan, bool is_output, const char *name) {
    for (int i = 0; i < plan->nports; i++)
        if (plan->ports[i].is_output == is_output && !strcmp(plan->ports[i].name, name))
            return &plan->ports[i];
    return NULL;
}

static fv_parts_port port_of(fv_context *c, const fv_shard_port *p, int ranks, const char *name,
                             bool is_output) {
    fv_parts_port port = {.name = fv_strdup(c->arena, name),
                          .is_output = is_output,
                          .axis = p ? p->axis : -1,
                          .sizes = FV_NEW(c->arena, int64_t, ranks),
                          .firsts = FV_NEW(c->arena, int64_t, ranks),
                          .stage = -1};
    for (int r = 0; r < ranks && p; r++) {
        port.sizes[r] = p->sizes[r];
        port.firsts[r] = p->firsts[r];
    }
    return port;
}

/* An input or output of a state that one stage has. */
static fv_parts_port staged_port(fv_context *c, const fv_shard_graph *g, const fv_stage_state *s,
                                 bool is_output) {
    const fv_func *f = g->m->funcs;
    const fv_value *v = is_output ? f->body->last->in[s->output] : f->body->params[s->input];
    const char *name = is_output && f->result_names ? f->result_names[s->output] : v->name;
    fv_parts_port port =
        port_of(c, find_port(&g->plan, is_output, name), g->plan.ranks, name, is_output);
    const char **dims = FV_NEW(c->arena, const char *, v->type->rank + 1);
    for (int i = 0; i < v->type->rank; i++)
        dims[i] = fv_dim_str(c->arena, v->type->dims[i]);
    port.stage = s->stage;
    port.number = is_output ? s->output : s->input;
    port.info = (fv_port_info){
        .name = port.name, .type = (int32_t)v->type->elem, .rank = v->type->rank, .dims = dims};
    return port;
}

/* Notes in the list of which inputs and outputs the parts have shares, and which only one stage
 * has. The graph has not been cut yet. */
static void list_ports(fv_context *c, const fv_shard_graph *g, fv_parts_manifest *out) {
    int n = 0, states = g->stages.stages > 1 ? g->stages.nstates : 0;
    out->ports = FV_NEW(c->arena, fv_parts_port, g->plan.nports + 2 * states + 1);
    for (int i = 0; i < states; i++) {
        out->ports[n++] = staged_port(c, g, &g->stages.states[i], false);
        out->ports[n++] = staged_port(c, g, &g->stages.states[i], true);
    }
    for (int i = 0; i < g->plan.nports; i++) {
        const fv_shard_port *p = &g->plan.ports[i];
        bool staged = false;
        for (int k = 0; k < 2 * states && !staged; k++)
            staged =
                out->ports[k].is_output == p->is_output && !strcmp(out->ports[k].name, p->name);
        if (!staged)
            out->ports[n++] = port_of(c, p, g->plan.ranks, p->name, p->is_output);
    }
    out->nports = n;
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
    bool text = out->stages > 1 || needs_text(m->funcs->body);
    if (text)
        fv_parts_name(c, out, rank, ".fvir");
    const char *path = fv_parts_path(c, c->args->result.output, out, rank);
    fv_progress_phase(c->args, path, "writes %s", path);
    return fv_spares_models(c, "-o ", path) &&
           (rank > 0 || fv_parts_forget(c, c->args->result.output)) &&
           fv_parts_forget_weights(c, c->args->result.output, out, rank) &&
           (text ? fv_run_passes(m, tidy, o->work.pipeline) &&
                       fv_driver_write_ir(c->session, m, NULL, path)
                 : fv_driver_write_onnx(c->session, m, path, place_of_weights(m),
                                        o->work.pipeline)) &&
           fv_parts_measure(c, c->args->result.output, rank, out);
}

/* The verb of a note that nothing is cut: other cuts may be possible than those that were asked
 * for. */
static const char *is_cut(const fv_shard_cutting *k) {
    return k->request && k->request->n >= 0 ? "is" : "can be";
}

static void tell_whole(fv_context *c, const fv_shard_cutting *k, const fv_shard_graph *g) {
    if (g->plan.ranks > 1 && g->plan.ncuts == 0)
        fv_note(c,
                g->stages.stages > 1
                    ? "nothing %s cut among ranks: each rank of a stage runs the whole stage"
                    : "nothing %s cut: each rank runs the whole model (--print-plan says why)",
                is_cut(k));
}

/* Makes the graph the part of a rank. */
static bool cut_for(fv_context *c, fv_shard_graph *g, int rank) {
    int lane = rank % g->plan.ranks, stage = rank / g->plan.ranks;
    if (g->stages.stages == 1 && !g->plan.ncuts) { /* the search may have divided products */
        fv_module_free(g->m);
        return (g->m = fv_shard_read(c, &g->o)) != NULL;
    }
    return (!g->plan.ncuts || fv_shard_apply(g->m, &g->plan, lane)) &&
           fv_stages_apply(g->m, &g->stages, stage, lane, g->plan.ranks);
}

/* Asks for the stages that were found, so that the other parts need no search. */
static void keep_stages(fv_context *c, const fv_stage_plan *plan, fv_shard_cutting *k) {
    fv_shard_request *r = FV_NEW(c->arena, fv_shard_request, 1);
    const char **begins = FV_NEW(c->arena, const char *, plan->stages);
    *r = k->request ? *k->request : (fv_shard_request){.ranks = k->ranks, .n = -1};
    for (int t = 0; t + 1 < plan->stages; t++)
        begins[t] = fv_strdup(c->arena, plan->begins[t]);
    r->nbegins = plan->stages - 1;
    r->begins = begins;
    k->request = r;
}

static bool write_part(fv_context *c, fv_shard_cutting *k, int rank, fv_parts_manifest *out) {
    fv_shard_graph g = {0};
    fv_progress(c->args, "part %d of %d", rank + 1, out->ranks);
    if (!fv_shard_graph_read(c, k, &g))
        return false;
    if (rank == 0 && c->args->threads.shard.print_plan)
        fv_shard_print_plan(c, g.m, &g.plan, &g.stages);
    if (rank == 0) {
        tell_whole(c, k, &g);
        list_ports(c, &g, out);
        if (g.stages.stages > 1)
            keep_stages(c, &g.stages, k);
    }
    bool ok = cut_for(c, &g, rank) && write_model(c, g.m, &g.o, rank, out);
    if (ok && !c->args->print.quiet)
        fv_out("%s%-28s %s\n", c->args->threads.shard.print_plan ? "-- " : "",
               fv_parts_path(c, c->args->result.output, out, rank),
               fv_size_str(c->arena, (uint64_t)out->bytes[rank]));
    fv_module_free(g.m);
    return ok;
}

static bool write_parts(fv_context *c, fv_shard_cutting *k) {
    fv_parts_manifest parts;
    if (!fv_make_folder(c, "-o", c->args->result.output))
        return false;
    fv_parts_list(c, k->ranks * k->stages, k->stages, &parts);
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
    fv_shard_graph g = {0};
    if (k->stages > 1)
        return fv_error(c->session, "annotations state no stages; -o DIR/ writes the parts of %d",
                        k->stages);
    if (!fv_shard_graph_read(c, k, &g))
        return false;
    if (needs_text(g.m->funcs->body))
        return fv_error(c->session, "has operators that ONNX lacks, and is not written with "
                                    "annotations; -o DIR/ writes its parts as graph IR");
    if (c->args->threads.shard.print_plan)
        fv_shard_print_plan(c, g.m, &g.plan, &g.stages);
    if (g.plan.ranks > 1 && g.plan.ncuts == 0)
        fv_note(c, "nothing %s cut: no tensor is annotated (--print-plan says why)", is_cut(k));
    const fv_shardings s = shardings_of(g.m, &g.plan);
    if (!fv_spares_models(c, "-o ", out) ||
        !fv_driver_write_sharded(c->session, g.m, &s, out, place_of_weights(g.m),
                                 g.o.work.pipeline))
        return false;
    if (!c->args->print.quiet)
        fv_out("%s%-28s %d tensors are annotated for %d devices\n",
               c->args->threads.shard.print_plan ? "-- " : "", out, s.n, s.ndevices);
    return true;
}

static bool print_only(fv_context *c, const fv_shard_cutting *k) {
    fv_shard_graph g = {0};
    if (!fv_shard_graph_read(c, k, &g))
        return false;
    fv_shard_print_plan(c, g.m, &g.plan, &g.stages);
    return true;
}

/* ---- the command ---- */

static int simulate(fv_context *c, int n, const int *ranks) {
    const fv_args *a = c->args;
    fv_network network;
    int stages = a->threads.shard.stages, one = 1;
    if (!a->threads.shard.link || (!n && !stages))
        return fv_usage(a, "--simulate needs --ranks or --stages, and a network: "
                           "--link=25GB/s,2us");
    if (a->result.output || a->threads.shard.print_plan || a->threads.shard.plan)
        return fv_usage(a, "--simulate cuts nothing: -o, --plan and --print-plan do not apply");
    if (stages > FV_MAX_RANKS / (n ? ranks[n - 1] : 1))
        return fv_usage(a, "--stages N: into how many stages? With all ranks of each, 1 to %d",
                        FV_MAX_RANKS);
    if (!strcmp(a->operand[0], "-"))
        return fv_usage(a, "the model is read for each number of ranks: not from standard input");
    if (!fv_network_parse(a, a->threads.shard.link, &network))
        return FV_EXIT_USAGE;
    return fv_shard_simulate(c, &network, n ? n : 1, n ? ranks : &one) ? FV_EXIT_OK
           : fv_error_count(c->session)                                ? fv_failed(c)
                                                                       : FV_EXIT_USAGE;
}

int fv_cmd_shard(fv_context *c) {
    const fv_args *a = c->args;
    const fv_shard_args *s = &a->threads.shard;
    fv_shard_cutting k;
    fv_network network;
    int ranks[FV_SHARD_MOST], n = s->ranks ? fv_shard_ranks(a, ranks) : 0;
    if (s->ranks && !n)
        return FV_EXIT_USAGE;
    if (s->simulate)
        return simulate(c, n, ranks);
    if (a->quantize.chart)
        return fv_usage(a, "--chart needs --simulate");
    if (a->data.at.n && !s->link)
        return fv_usage(a, "--at needs --link or --simulate");
    if (s->link && !fv_network_parse(a, s->link, &network))
        return FV_EXIT_USAGE;
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
