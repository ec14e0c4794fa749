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

int fv_shard_points(fv_context *c, const fv_network *network, int n, const int *ranks,
                    fv_shard_point *points) {
    int done = 0;
    if (ranks[0] != 1 && !simulate(c, network, 1, NULL, &points[done++]))
        return 0;
    for (int i = 0; i < n; i++, done++)
        if (!simulate(c, network, ranks[i], done ? points : NULL, &points[done]))
            return 0;
    fv_progress_end();
    return done;
}

/* ---- results ---- */

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
               fv_size_str(a, (uint64_t)p->link_bytes * (uint64_t)(p->ranks - 1)),
               fv_size_str(a, p->weights), fv_size_str(a, (uint64_t)p->workspace));
    }
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
        json_t *o = json_object();
        fv_json_set_int(o, "ranks", p->ranks);
        fv_json_set(o, "ms", fv_json_real(p->time));
        fv_json_set(o, "computing_ms", fv_json_real(p->computing));
        fv_json_set(o, "exchanging_ms", fv_json_real(p->exchanging));
        fv_json_set(o, "efficiency", fv_json_real(p->efficiency));
        fv_json_set_int(o, "exchanges", p->exchanges);
        fv_json_set_int(o, "messages", p->messages);
        fv_json_set_int(o, "link_bytes", p->link_bytes);
        fv_json_set_int(o, "weights_bytes", (int64_t)p->weights);
        fv_json_set_int(o, "workspace_bytes", p->workspace);
        fv_json_set_int(o, "kernels_without_prediction", p->unknown);
        fv_json_append(list, o);
    }
    fv_json_set(d, "points", list);
}

bool fv_shard_simulate(fv_context *c, const fv_network *network, int n, const int *ranks) {
    fv_shard_point *points = FV_NEW(c->arena, fv_shard_point, n + 1);
    const char *chart = c->args->quantize.chart;
    int done = fv_shard_points(c, network, n, ranks, points);
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
