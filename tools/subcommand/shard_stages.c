/* shard_stages.c - what a run of several stages takes, one after the other. */
#include "tools/command/progress.h"
#include "tools/subcommand/shard.h"

static bool evaluate_stage(fv_context *c, const fv_shard_cutting *k, const fv_shard_evaluation *how,
                           int stage, fv_shard_point *out) {
    fv_shard_graph g;
    fv_shard_evaluation of_stage = *how;
    of_stage.stages = &g.stages;
    of_stage.stage = stage;
    fv_progress(c->args, "stage %d of %d, of %d ranks each", stage + 1, k->stages, k->ranks);
    bool ok =
        fv_shard_graph_read(c, k, &g) && fv_shard_evaluate(c, g.m, &g.plan, &g.o, &of_stage, out);
    if (ok && k->ranks > 1 && !g.plan.ncuts && stage == 0)
        fv_note(c, "nothing can be cut for %d ranks: each rank of a stage runs the whole stage",
                k->ranks);
    fv_module_free(g.m);
    return ok;
}

static int64_t larger(int64_t a, int64_t b) {
    return a > b ? a : b;
}

/* Adds a stage to the run of all stages. */
static void add_stage(fv_shard_point *sum, const fv_shard_point *s) {
    sum->computing += s->computing;
    sum->exchanging += s->exchanging;
    sum->time += s->time;
    sum->exchanges += s->exchanges;
    sum->messages += s->messages;
    sum->unknown += s->unknown;
    sum->rank = s->weights > sum->weights ? s->rank : sum->rank;
    sum->weights = s->weights > sum->weights ? s->weights : sum->weights;
    sum->link_bytes = larger(sum->link_bytes, s->link_bytes);
    sum->sent = larger(sum->sent, s->sent);
    sum->workspace = larger(sum->workspace, s->workspace);
    sum->ports = larger(sum->ports, s->ports);
}

bool fv_shard_evaluate_stages(fv_context *c, const fv_shard_cutting *k,
                              const fv_shard_evaluation *how, fv_shard_point *out) {
    *out = (fv_shard_point){.ranks = k->stages * k->ranks, .stages.n = k->stages};
    out->stages.all = FV_NEW(c->arena, fv_shard_point, k->stages);
    for (int s = 0; s < k->stages; s++) {
        if (!evaluate_stage(c, k, how, s, &out->stages.all[s]))
            return false;
        add_stage(out, &out->stages.all[s]);
    }
    return true;
}

double fv_shard_waiting(const fv_shard_point *run, const fv_shard_point *stage) {
    return run->time > 0 ? 1 - stage->time / run->time : 0;
}

/* ---- JSON ---- */

json_t *fv_shard_point_json(const fv_shard_point *p) {
    json_t *o = json_object();
    fv_json_set(o, "ms", fv_json_real(p->time));
    fv_json_set(o, "computing_ms", fv_json_real(p->computing));
    fv_json_set(o, "exchanging_ms", fv_json_real(p->exchanging));
    fv_json_set_int(o, "exchanges", p->exchanges);
    fv_json_set_int(o, "messages", p->messages);
    fv_json_set_int(o, "link_bytes", p->link_bytes);
    fv_json_set_int(o, "sent_bytes", p->sent);
    fv_json_set_int(o, "weights_bytes", (int64_t)p->weights);
    fv_json_set_int(o, "workspace_bytes", p->workspace);
    fv_json_set_int(o, "kernels_without_prediction", p->unknown);
    return o;
}

json_t *fv_shard_stages_json(const fv_shard_point *run) {
    json_t *list = json_array();
    for (int i = 0; i < run->stages.n; i++) {
        const fv_shard_point *p = &run->stages.all[i];
        json_t *o = fv_shard_point_json(p);
        fv_json_set_int(o, "stage", i);
        fv_json_set(o, "waiting", fv_json_real(fv_shard_waiting(run, p)));
        fv_json_append(list, o);
    }
    return list;
}
