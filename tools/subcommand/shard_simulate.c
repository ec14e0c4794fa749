/* shard_simulate.c - `fovea shard --simulate`: the time of a run with each number of ranks. */
#include <inttypes.h>

#include "tools/command/progress.h"
#include "tools/subcommand/shard.h"

static int threads_of(const fv_context *c) {
    int threads = fv_args_threads(c->args);
    return threads ? threads : 1;
}

/* Simulates runs of one number of ranks. `first`: those with one rank, with which it is compared;
 * NULL: it is of one rank itself. */
static bool simulate(fv_context *c, const fv_network *network, int ranks,
                     const fv_shard_point *first, fv_shard_point *out) {
    const fv_shard_evaluation how = {.network = network, .quietly = first != NULL};
    fv_driver_options o;
    fv_shard_plan plan;
    fv_progress(c->args, "%d ranks", ranks);
    fv_module *m = fv_shard_read(c, &o);
    bool ok = m && fv_shard_plan_of(c, m, &o, ranks, NULL, &plan) &&
              fv_shard_evaluate(c, m, &plan, &o, &how, out);
    if (ok && ranks > 1 && plan.ncuts == 0)
        fv_note(c,
                "nothing can be cut for %d ranks: each runs the whole model (--print-plan says "
                "why)",
                ranks);
    if (ok)
        out->efficiency = out->time > 0 ? (first ? first : out)->time / out->time / ranks : 0;
    fv_module_free(m);
    return ok;
}

/* Simulates runs of several stages. */
static bool simulate_stages(fv_context *c, const fv_network *network, int stages, int ranks,
                            const fv_shard_point *first, fv_shard_point *out) {
    const fv_shard_cutting k = {.ranks = ranks, .stages = stages};
    const fv_shard_evaluation how = {.network = network, .quietly = true};
    if (!fv_shard_evaluate_stages(c, &k, &how, out))
        return false;
    out->efficiency = out->time > 0 ? first->time / out->time / out->ranks : 0;
    return true;
}

int fv_shard_points(fv_context *c, const fv_network *network, int stages, int n, const int *ranks,
                    fv_shard_point *points) {
    int done = 0;
    if ((ranks[0] != 1 || stages > 1) && !simulate(c, network, 1, NULL, &points[done++]))
        return 0;
    for (int i = 0; i < n; i++, done++)
        if (stages > 1 ? !simulate_stages(c, network, stages, ranks[i], points, &points[done])
                       : !simulate(c, network, ranks[i], done ? points : NULL, &points[done]))
            return 0;
    fv_progress_end();
    return done;
}

/* ---- results ---- */

static void print_stages(fv_context *c, const fv_shard_point *run) {
    fv_arena *a = c->arena;
    if (run->stages.n)
        fv_out("\n%d ranks in %d stages\n%5s %11s %11s %11s %10s %9s %9s %10s %10s\n", run->ranks,
               run->stages.n, "stage", "time", "computing", "exchanging", "waits", "messages",
               "sends", "weights", "workspace");
    for (int i = 0; i < run->stages.n; i++) {
        const fv_shard_point *p = &run->stages.all[i];
        fv_out("%5d %8.3f ms %8.3f ms %8.3f ms %9.1f%% %9d %9s %10s %10s\n", i, p->time,
               p->computing, p->exchanging, 100 * fv_shard_waiting(run, p), p->messages,
               fv_size_str(a, (uint64_t)p->sent), fv_size_str(a, p->weights),
               fv_size_str(a, (uint64_t)p->workspace));
    }
}

static void print_points(fv_context *c, const fv_network *network, int n,
                         const fv_shard_point *points) {
    fv_arena *a = c->arena;
    fv_out("%-10s %s; %d thread%s for each rank\n", "network", fv_network_str(a, network),
           threads_of(c), threads_of(c) > 1 ? "s" : "");
    fv_out("%5s %11s %11s %11s %10s %9s %9s %10s %10s\n", "ranks", "time", "computing",
           "exchanging", "efficiency", "messages", "sends", "weights", "workspace");
    for (int i = 0; i < n; i++) {
        const fv_shard_point *p = &points[i];
        fv_out("%5d %8.3f ms %8.3f ms %8.3f ms %9.1f%% %9d %9s %10s %10s\n", p->ranks, p->time,
               p->computing, p->exchanging, 100 * p->efficiency, p->messages,
               fv_size_str(a, (uint64_t)p->sent), fv_size_str(a, p->weights),
               fv_size_str(a, (uint64_t)p->workspace));
    }
    for (int i = 0; i < n; i++)
        print_stages(c, &points[i]);
    if (points->unknown)
        fv_out("%d kernels have no prediction, and are not counted\n", points->unknown);
}

void fv_shard_points_json(fv_context *c, const fv_network *network, int n,
                          const fv_shard_point *points, json_t *d) {
    json_t *list = json_array();
    fv_json_set(d, "bandwidth", fv_json_real(network->bandwidth));
    fv_json_set(d, "latency", fv_json_real(network->latency));
    fv_json_set_text(d, "topology", fv_topology_name(network->topology));
    fv_json_set_int(d, "threads", threads_of(c));
    for (int i = 0; i < n; i++) {
        const fv_shard_point *p = &points[i];
        json_t *o = fv_shard_point_json(p);
        fv_json_set_int(o, "ranks", p->ranks);
        fv_json_set(o, "efficiency", fv_json_real(p->efficiency));
        if (p->stages.n)
            fv_json_set(o, "stages", fv_shard_stages_json(p));
        fv_json_append(list, o);
    }
    fv_json_set(d, "points", list);
}

bool fv_shard_simulate(fv_context *c, const fv_network *network, int n, const int *ranks) {
    fv_shard_point *points = FV_NEW(c->arena, fv_shard_point, n + 1);
    const char *chart = c->args->quantize.chart;
    int stages = c->args->threads.shard.stages;
    int done = fv_shard_points(c, network, stages ? stages : 1, n, ranks, points);
    if (!done || (chart && !fv_shard_write_chart(c, done, points, network, chart)))
        return false;
    if (!c->args->print.json) {
        print_points(c, network, done, points);
        return true;
    }
    json_t *d = fv_json_document();
    fv_json_set_text(d, "model", c->args->operand[0]);
    fv_shard_points_json(c, network, done, points, d);
    return fv_json_print(c->session, d);
}
