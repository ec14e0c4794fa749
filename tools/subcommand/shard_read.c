/* shard_read.c - reads what is to be cut, into how many parts and by which plan; finds the cuts. */
#include <stdlib.h>
#include <string.h>

#include "frontend/sharding.h"
#include "runtime/rank_limits.h"
#include "tools/command/progress.h"
#include "tools/generate/caches.h"
#include "tools/script/script.h"
#include "tools/subcommand/shard.h"

fv_module *fv_shard_read(fv_context *c, fv_driver_options *o) {
    static const char *const passes[] = {"legalise", "share", "remove-dead", NULL};
    fv_source source;
    const fv_shard_args *a = &c->args->threads.shard;
    bool writes = !strcmp(c->args->line.command, "shard") && !a->simulate && !a->link;
    /* parts are for any machine; what a run takes is predicted for machines like this one */
    if (!fv_args_driver(c, o, !writes))
        return NULL;
    o->without_hash = true; /* the model is read for each part */
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

/* Does --link choose the cuts? Simulations, and the page of `view`, are of all possible cuts. */
static bool chooses(const fv_args *a) {
    bool shard = !strcmp(a->line.command, "shard") && !a->threads.shard.simulate;
    return a->threads.shard.link && (shard || !strcmp(a->line.command, "inspect"));
}

bool fv_shard_plan_of(fv_context *c, fv_module *m, const fv_driver_options *o, int ranks,
                      const fv_shard_request *request, fv_shard_plan *out) {
    fv_shard_request by_time = {.n = -1, .nbegins = -1};
    fv_network network;
    fv_progress_phase(c->args, c->args->operand[0], "finds the cuts");
    if (chooses(c->args) && ranks > 1 && (!request || request->n < 0)) {
        if (!fv_network_parse(c->args, c->args->threads.shard.link, &network))
            return false;
        by_time.costs = fv_shard_costs_of(c, &network, ranks, o->target.of);
        request = &by_time;
    }
    return fv_shard_find(m, ranks, fv_cache_parameters(c->arena, m), request, out);
}

bool fv_shard_stages_of(fv_context *c, fv_module *m, int stages, const fv_shard_request *request,
                        fv_stage_plan *out) {
    return fv_stages_find(m, stages, fv_cache_parameters(c->arena, m),
                          request && request->nbegins >= 0 ? request->begins : NULL, out);
}

/* ---- options ---- */

int fv_shard_ranks(const fv_args *a, int *out) {
    const char *text = a->threads.shard.ranks, *p = text;
    int n = 0;
    for (char *end; p; p = *end ? end + 1 : NULL) {
        long v = strtol(p, &end, 10);
        bool range = n > 0 && end > p && p > text && p[-1] == '.';
        if (end > p && !strncmp(end, "..", 2) && p == text)
            end++;
        else if (end == p || (*end && (*end != ',' || range)))
            return fv_usage(a, "--ranks takes a number, not '%s'", text) == FV_EXIT_OK;
        for (long next = range ? 2L * out[0] : v; range && n < FV_SHARD_MOST && next < v; next *= 2)
            out[n++] = (int)next;
        if (v < 1 || v > FV_MAX_RANKS || (n && v <= out[n - 1]))
            return fv_usage(a, "--ranks N: into how many parts? 1 to %d%s", FV_MAX_RANKS,
                            n ? ", and ascending" : "") == FV_EXIT_OK;
        if (n == FV_SHARD_MOST)
            return fv_usage(a, "--ranks takes at most %d numbers", FV_SHARD_MOST) == FV_EXIT_OK;
        out[n++] = (int)v;
    }
    return n;
}

/* The side along which a contraction is cut if that axis of a factor is; without an axis none is
 * stated. */
static fv_shard_side side_of(const fv_sharded_factor *f) {
    int axis = f->axis, last = f->rank - 1;
    if (axis < 0)
        return FV_SHARD_UNSTATED;
    if (f->transposed && axis >= last - 1)
        axis = 2 * last - 1 - axis;
    if (f->rank == 1)
        return FV_SHARD_ROWS;
    if (axis == last)
        return f->right ? FV_SHARD_COLUMNS : FV_SHARD_ROWS;
    if (axis == last - 1)
        return f->right ? FV_SHARD_ROWS : FV_SHARD_LEFT;
    return FV_SHARD_BATCH;
}

/* Adds how each product is cut. Their factors are in the order of nodes, so choices for nodes of
 * the same name are, too. False after a message: the factors of a product do not agree. */
static bool add_choices(fv_context *c, const fv_sharded_factors *f, fv_shard_request *out) {
    fv_shard_choice *list = FV_NEW(c->arena, fv_shard_choice, f->n + 1);
    for (int i = 0; i < f->n; i++) {
        const fv_sharded_factor *at = &f->all[i];
        fv_shard_side side = side_of(at), other = out->n ? list[out->n - 1].side : side;
        if (!i || at[-1].number != at->number)
            list[out->n++] = (fv_shard_choice){at->node, side, FV_SHARD_ANY, -1};
        else if (side != other)
            return fv_error(c->session,
                            "node '%s': the shardings of its factors are along '%s' and '%s'",
                            at->node, fv_shard_side_names[other], fv_shard_side_names[side]);
    }
    out->choices = list;
    return true;
}

/* The plan that the annotations of the model state. False after a message: there are none. */
static bool read_annotations(fv_context *c, fv_shard_cutting *out) {
    const char *path = c->args->operand[0];
    fv_sharded_factors f = {0};
    if (strcmp(path, "-") != 0 && fv_driver_path_kind(path) == FV_FILE_ONNX &&
        !fv_onnx_shardings(c->session, c->arena, path, &f))
        return false;
    if (!f.ndevices)
        return fv_usage(c->args, "--ranks N: into how many parts? 1 to %d", FV_MAX_RANKS) ==
               FV_EXIT_OK;
    if (f.ndevices > FV_MAX_RANKS)
        return fv_error(c->session, "the model is annotated for %d devices, more than %d ranks",
                        f.ndevices, FV_MAX_RANKS);
    fv_shard_request *request = FV_NEW(c->arena, fv_shard_request, 1);
    *request = (fv_shard_request){.ranks = f.ndevices, .nbegins = -1, .annotated = true};
    if (!add_choices(c, &f, request))
        return false;
    *out = (fv_shard_cutting){.ranks = f.ndevices, .stages = 1, .request = request};
    return true;
}

/* The number of stages is that of --stages (0: not given), or of the plan. */
static bool read_stages(fv_context *c, fv_shard_cutting *out) {
    const fv_shard_args *a = &c->args->threads.shard;
    int stated = out->request && out->request->nbegins >= 0 ? out->request->nbegins + 1 : 0;
    out->stages = a->stages ? a->stages : stated ? stated : 1;
    if (a->stages && stated && a->stages != stated)
        return fv_error(c->session, "'%s' is a plan for %d stages, and --stages says %d", a->plan,
                        stated, a->stages);
    return (out->stages >= 1 && out->stages <= FV_MAX_RANKS / out->ranks) ||
           fv_error(c->session, "%d stages of %d ranks: expected 1 to %d ranks in all", out->stages,
                    out->ranks, FV_MAX_RANKS);
}

bool fv_shard_read_cutting(fv_context *c, int ranks, fv_shard_cutting *out) {
    const fv_shard_args *a = &c->args->threads.shard;
    *out = (fv_shard_cutting){.ranks = ranks ? ranks : 1};
    if (!a->plan)
        return ranks > 0 || a->stages ? read_stages(c, out) : read_annotations(c, out);
    out->request = fv_script_plan(c, a->plan);
    if (!out->request)
        return false;
    int stated = out->request->ranks;
    if (ranks && stated && ranks != stated)
        return fv_error(c->session, "'%s' is a plan for %d ranks, and --ranks says %d", a->plan,
                        stated, ranks);
    bool stages = a->stages || out->request->nbegins >= 0;
    out->ranks = ranks ? ranks : stated ? stated : stages;
    if (out->ranks < 1 || out->ranks > FV_MAX_RANKS)
        return fv_error(c->session, "'%s' states no number of ranks from 1 to %d, nor does --ranks",
                        a->plan, FV_MAX_RANKS);
    return read_stages(c, out);
}

/* ---- the graph ---- */

bool fv_shard_graph_read(fv_context *c, const fv_shard_cutting *k, fv_shard_graph *out) {
    out->m = fv_shard_read(c, &out->o);
    if (!out->m || !fv_shard_plan_of(c, out->m, &out->o, k->ranks, k->request, &out->plan))
        return false;
    if (k->stages > 1 && k->ranks > 1 && !out->plan.ncuts) {
        fv_module_free(out->m); /* the search may have divided products */
        out->m = fv_shard_read(c, &out->o);
        if (!out->m || !fv_shard_plan_of(c, out->m, &out->o, 1, NULL, &out->plan))
            return false;
        out->plan.ranks = k->ranks;
    }
    return fv_shard_stages_of(c, out->m, k->stages, k->request, &out->stages);
}
