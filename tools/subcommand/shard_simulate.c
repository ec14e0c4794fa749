/* shard_simulate.c - `fovea shard --simulate`: the time of a run with each number of ranks, by the
 * predicted times of the kernels of a part and a model of the network. */
#include <inttypes.h>
#include <stdlib.h>

#include "backend/consumer/consumer.h"
#include "backend/cost/predict.h"
#include "ir/kernel/build.h"
#include "tools/command/json.h"
#include "tools/command/progress.h"
#include "tools/model/exchanges.h"
#include "tools/model/footprint.h"
#include "tools/subcommand/shard.h"

typedef struct simulation {
    fv_context *c;
    fv_network network;
    const fv_shard_request *request;
    fv_shard_point *points;
    int n;
    const char *dims;
} simulation;

/* ---- one number of ranks ---- */

/* The rank with the most weights, whose part takes the longest. */
static int largest_of(const fv_module *m, const fv_shard_plan *plan, uint64_t *weights) {
    int largest = 0;
    *weights = 0;
    for (int r = 0; r < plan->ranks; r++) {
        uint64_t bytes = fv_shard_weights(m, plan, r);
        largest = bytes > *weights ? r : largest;
        *weights = bytes > *weights ? bytes : *weights;
    }
    return largest;
}

/* Adds the exchanges of the plan, for the dims of the run. */
static void add_exchanges(const simulation *s, const fv_shard_plan *plan, const fv_subject *m,
                          fv_shard_point *out) {
    for (int i = 0; i < plan->ncuts; i++)
        for (int k = 0; k < plan->cuts[i].nexchanges; k++) {
            fv_exchange x = {.bytes = plan->cuts[i].exchanged[k], .once = true};
            int64_t bytes = fv_exchanges_bytes(m->table, m->data.dims, 1, &x);
            bytes = bytes < 0 ? 0 : bytes;
            out->exchanging += 1e3 * fv_network_seconds(&s->network, out->ranks, (double)bytes);
            out->link_bytes += bytes;
            out->messages += fv_network_messages(&s->network, out->ranks);
            out->exchanges++;
        }
}

/* Adds the predicted times of the kernels. */
static void add_kernels(const simulation *s, const fv_subject *m, fv_shard_point *out) {
    fv_arena *a = s->c->arena;
    const fv_program *p = m->program;
    fv_launch_cost *list;
    int n = fv_cost_launches(a, p, &list), threads = fv_args_threads(s->c->args);
    fv_prediction *predicted = FV_NEW(a, fv_prediction, n + 1);
    fv_speeds speeds = fv_speeds_of(p->target);
    fv_cost_evaluate(a, p, m->data.dims, n, list);
    fv_predict_launches(a, p, m->data.dims, &speeds, threads ? threads : 1, n, list, predicted);
    for (int i = 0; i < n; i++) {
        bool exchange = fv_kernel_collective(list[i].kernel) != NULL;
        bool known = list[i].known && predicted[i].known;
        out->computing += known && !exchange ? predicted[i].ms : 0;
        out->unknown += !known && !exchange;
    }
}

/* Lowers the part of the rank with the most weights, and evaluates it. */
static bool evaluate(const simulation *s, fv_module *m, const fv_shard_plan *plan,
                     fv_driver_options *o, fv_shard_point *out) {
    fv_arena *a = s->c->arena;
    fv_subject part = {.path = s->c->args->operand[0],
                       .source = {.kind = FV_FILE_GRAPH, .module = m}};
    int rank = largest_of(m, plan, &out->weights);
    if (plan->ncuts && !fv_shard_apply(m, plan, rank))
        return false;
    fv_shard_copy_constants(m);
    o->work.passes = NULL;
    part.program = fv_driver_lower(s->c->session, &part.source, o);
    if (!part.program)
        return false;
    part.table = fv_program_model(a, part.program, NULL);
    part.data.dims = FV_NEW(a, int64_t, part.table->nsymbols + 1);
    part.data.known = FV_NEW(a, unsigned char, part.table->nsymbols + 1);
    part.data.given = FV_NEW(a, unsigned char, part.table->ninputs + 1);
    if (!fv_choose_dims(s->c, &part, out != s->points))
        return false;
    add_exchanges(s, plan, &part, out);
    add_kernels(s, &part, out);
    out->workspace = fv_footprint_of(a, part.program, part.data.dims).workspace;
    return true;
}

static bool simulate(simulation *s, int ranks, fv_shard_point *out) {
    fv_driver_options o;
    fv_shard_plan plan;
    fv_progress(s->c->args, "%d ranks", ranks);
    *out = (fv_shard_point){.ranks = ranks};
    fv_module *m = fv_shard_read(s->c, &o);
    bool ok =
        m && fv_shard_plan_of(s->c, m, ranks, s->request, &plan) && evaluate(s, m, &plan, &o, out);
    out->time = out->computing + out->exchanging;
    out->efficiency = out->time > 0 ? s->points->time / out->time / ranks : 0;
    fv_module_free(m);
    return ok;
}

/* ---- results ---- */

static void print_points(const simulation *s) {
    fv_arena *a = s->c->arena;
    fv_out("%-10s %s; %d thread%s for each rank\n", "network", fv_network_str(a, &s->network),
           fv_args_threads(s->c->args) ? fv_args_threads(s->c->args) : 1,
           fv_args_threads(s->c->args) > 1 ? "s" : "");
    fv_out("%5s %11s %11s %11s %10s %9s %9s %10s %10s\n", "ranks", "time", "computing",
           "exchanging", "efficiency", "messages", "sends", "weights", "workspace");
    for (int i = 0; i < s->n; i++) {
        const fv_shard_point *p = &s->points[i];
        fv_out("%5d %8.3f ms %8.3f ms %8.3f ms %9.1f%% %9d %9s %10s %10s\n", p->ranks, p->time,
               p->computing, p->exchanging, 100 * p->efficiency, p->messages,
               fv_size_str(a, (uint64_t)p->link_bytes * (uint64_t)(p->ranks - 1)),
               fv_size_str(a, p->weights), fv_size_str(a, (uint64_t)p->workspace));
    }
    if (s->points->unknown)
        fv_out("%d kernels have no prediction, and are not counted\n", s->points->unknown);
}

static bool print_json(const simulation *s) {
    json_t *d = fv_json_document(), *list = json_array();
    fv_json_set_text(d, "model", s->c->args->operand[0]);
    fv_json_set(d, "bandwidth", fv_json_real(s->network.bandwidth));
    fv_json_set(d, "latency", fv_json_real(s->network.latency));
    for (int i = 0; i < s->n; i++) {
        const fv_shard_point *p = &s->points[i];
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
    return fv_json_print(s->c->session, d);
}

bool fv_shard_simulate(fv_context *c, const fv_network *network, const fv_shard_request *request,
                       int n, const int *ranks) {
    simulation s = {.c = c, .network = *network, .request = request};
    s.points = FV_NEW(c->arena, fv_shard_point, n + 1);
    if (ranks[0] != 1 && !simulate(&s, s.n + 1, &s.points[s.n]))
        return false;
    s.n = ranks[0] != 1;
    for (int i = 0; i < n; i++, s.n++)
        if (!simulate(&s, ranks[i], &s.points[s.n]))
            return false;
    fv_progress_end();
    const char *chart = c->args->quantize.chart;
    if (chart && !fv_shard_write_chart(c, s.n, s.points, &s.network, chart))
        return false;
    if (c->args->print.json)
        return print_json(&s);
    print_points(&s);
    return true;
}
