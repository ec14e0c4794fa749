/* view_shards.c - how the model of the page is cut into parts for several ranks, and how long runs
 * of them take. */
#include "tools/subcommand/shard.h"
#include "tools/view/view.h"

/* Adds the simulated runs with each number of --ranks, and their chart. */
static bool add_points(fv_context *c, const fv_shard_report *r, json_t *o) {
    int given[FV_SHARD_MOST] = {r->graph.plan.ranks},
        n = c->args->threads.shard.ranks ? fv_shard_ranks(c->args, given) : 1;
    fv_shard_point *points = FV_NEW(c->arena, fv_shard_point, n + 1);
    int done = fv_shard_points(c, &r->network, r->graph.stages.stages, n, given, points);
    if (!done)
        return false;
    fv_shard_points_json(c, &r->network, done, points, o);
    fv_json_set_text(o, "chart", fv_shard_chart(c, done, points, &r->network));
    return true;
}

bool fv_view_find_shards(fv_view *v) {
    fv_context *c = v->c;
    const fv_shard_args *a = &c->args->threads.shard;
    fv_shard_report r;
    if (!a->ranks && !a->stages && !a->plan)
        return !a->link || fv_usage(c->args, "--link needs --ranks or --stages") == FV_EXIT_OK;
    if (!fv_shard_report_make(c, &r))
        return false;
    v->shards = fv_shard_report_json(c, &r);
    return !a->link || add_points(c, &r, v->shards);
}
