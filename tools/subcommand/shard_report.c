/* shard_report.c - `fovea inspect --shards`, and the same for the page of `fovea view`: what is cut
 * and why, what the ranks exchange in a run, and the memory of a rank. */
#include <inttypes.h>

#include "ir/base/text.h"
#include "tools/subcommand/shard.h"

/* ---- making it ---- */

static int exchanges_of(const fv_shard_plan *plan) {
    int n = 0;
    for (int i = 0; i < plan->ncuts; i++)
        n += plan->cuts[i].nexchanges;
    return n;
}

static bool evaluate(fv_context *c, const fv_shard_cutting *k, fv_shard_report *out) {
    fv_shard_graph *g = &out->graph;
    if (!fv_shard_graph_read(c, k, g))
        return false;
    const fv_shard_plan nothing = {.ranks = 1, .found = g->plan.found};
    out->whole = fv_shard_weights(g->m, &nothing, 0);
    out->sent = FV_NEW(c->arena, int64_t, exchanges_of(&g->plan) + 1);
    out->passed = FV_NEW(c->arena, int64_t, g->stages.ntransfers + 1);
    const fv_shard_evaluation how = {.network = out->network.bandwidth > 0 ? &out->network : NULL,
                                     .quietly = true,
                                     .dims = &out->dims,
                                     .sent = out->sent,
                                     .passed = out->passed};
    if (k->stages > 1)
        return fv_shard_evaluate_stages(c, k, &how, &out->point);
    out->weights = FV_NEW(c->arena, uint64_t, k->ranks);
    for (int r = 0; r < k->ranks; r++)
        out->weights[r] = fv_shard_weights(g->m, &g->plan, r);
    return fv_shard_evaluate(c, g->m, &g->plan, &g->o, &how, &out->point);
}

bool fv_shard_report_make(fv_context *c, fv_shard_report *out) {
    const fv_args *a = c->args;
    const fv_shard_args *s = &a->threads.shard;
    int ranks[FV_SHARD_MOST], n = s->ranks ? fv_shard_ranks(a, ranks) : 0;
    fv_shard_cutting k;
    *out = (fv_shard_report){0};
    if ((s->ranks && !n) || (s->link && !fv_network_parse(a, s->link, &out->network)))
        return false;
    return fv_shard_read_cutting(c, n ? ranks[n - 1] : 0, &k) && evaluate(c, &k, out);
}

/* ---- text ---- */

static const char *units_of(fv_arena *a, const fv_shard_cut *cut) {
    return cut->groups ? fv_printf(a, "%" PRId64 " in %" PRId64 " groups", cut->units, cut->groups)
                       : fv_printf(a, "%" PRId64, cut->units);
}

static void print_cuts(fv_context *c, const fv_shard_report *r) {
    if (r->graph.plan.ncuts)
        fv_out("\n%3s %-16s %10s  %s\n", "cut", "units", "weights", "nodes");
    for (int i = 0; i < r->graph.plan.ncuts; i++) {
        const fv_shard_cut *cut = &r->graph.plan.cuts[i];
        fv_out("%3d %-16s %10s  %s%s%s\n", i, units_of(c->arena, cut),
               fv_size_str(c->arena, cut->bytes), cut->first, cut->nexchanges ? " to " : "",
               cut->nexchanges ? cut->last : "");
        if (*cut->shares)
            fv_out("%-32s each rank has its share of %s\n", "", cut->shares);
    }
}

/* What each stage has, and what it sends to later ones. */
static void print_stages(fv_context *c, const fv_shard_report *r) {
    fv_arena *a = c->arena;
    const fv_stage_plan *s = &r->graph.stages;
    if (r->point.stages.n)
        fv_out("\n%5s %10s %10s %9s %9s  %s\n", "stage", "weights", "workspace", "messages",
               "sends", "begins with");
    for (int i = 0; i < r->point.stages.n; i++) {
        const fv_shard_point *p = &r->point.stages.all[i];
        fv_out("%5d %10s %10s %9d %9s%s%s\n", i, fv_size_str(a, p->weights),
               fv_size_str(a, (uint64_t)p->workspace), p->messages,
               fv_size_str(a, (uint64_t)p->sent), i ? "  " : "", i ? s->begins[i - 1] : "");
    }
    if (r->point.stages.n && s->ntransfers)
        fv_out("\n%5s %5s %10s  %s\n", "from", "to", "bytes", "value");
    for (int i = 0; i < s->ntransfers && r->point.stages.n; i++) {
        const fv_stage_transfer *t = &s->transfers[i];
        fv_out("%5d %5d %10s  %s%s\n", t->from, t->to, fv_size_str(a, (uint64_t)r->passed[i]),
               t->is_output ? "output " : "", t->name);
    }
}

static void print_contractions(const fv_shard_report *r) {
    if (r->graph.plan.ranks == 1 && r->point.stages.n)
        return;
    if (r->graph.plan.nchoices)
        fv_out("\n%3s %-9s  %s\n", "cut", "axis", "contraction");
    for (int i = 0; i < r->graph.plan.nchoices; i++) {
        const fv_shard_choice *k = &r->graph.plan.choices[i];
        if (k->cut >= 0)
            fv_out("%3d %-9s  %s\n", k->cut, fv_shard_side_names[k->side], k->node);
        else
            fv_out("%3s %-9s  %s\n", "", "whole", k->node);
    }
}

static void print_exchanges(fv_context *c, const fv_shard_report *r) {
    int n = 0;
    if (exchanges_of(&r->graph.plan))
        fv_out("\n%3s %-10s %10s  %s\n", "cut", "exchange", "bytes", "after");
    for (int i = 0; i < r->graph.plan.ncuts; i++)
        for (int k = 0; k < r->graph.plan.cuts[i].nexchanges; k++, n++) {
            const fv_shard_exchange *x = &r->graph.plan.cuts[i].exchanges[k];
            fv_out("%3d %-10s %10s  %s\n", i, fv_shard_collective_names[x->collective],
                   fv_size_str(c->arena, (uint64_t)r->sent[n]), x->node);
        }
}

static void print_whole(fv_context *c, const fv_shard_report *r) {
    if (r->graph.plan.nwhole)
        fv_out("\n%-9s %10s  %s\n", "whole", "weights", "node, and why it is not cut");
    for (int i = 0; i < r->graph.plan.nwhole; i++)
        fv_out("%-9s %10s  %s: %s\n", "", fv_size_str(c->arena, r->graph.plan.whole[i].bytes),
               r->graph.plan.whole[i].name, r->graph.plan.whole[i].why);
}

/* Ranks with as many bytes of weights as the one before are in its line. */
static void print_memory(fv_context *c, const fv_shard_report *r) {
    if (r->weights)
        fv_out("\n%-9s %10s\n", "rank", "weights");
    for (int i = 0, end; r->weights && i < r->graph.plan.ranks; i = end) {
        for (end = i + 1; end < r->graph.plan.ranks && r->weights[end] == r->weights[i];)
            end++;
        fv_out("%-9s %10s\n",
               end > i + 1 ? fv_printf(c->arena, "%d to %d", i, end - 1)
                           : fv_printf(c->arena, "%d", i),
               fv_size_str(c->arena, r->weights[i]));
    }
}

void fv_shard_report_print(fv_context *c, const fv_shard_report *r) {
    fv_arena *a = c->arena;
    const fv_shard_point *p = &r->point;
    fv_out("%-10s %d%s%s%s%s\n", "ranks", p->ranks,
           p->stages.n ? fv_printf(a, " in %d stages", p->stages.n) : "", *r->dims ? " (" : "",
           r->dims, *r->dims ? ")" : "");
    fv_out("%-10s %s; rank %d has the most: %s, with %s of workspace, and %s of inputs and "
           "outputs\n",
           "weights", fv_size_str(a, r->whole), p->rank, fv_size_str(a, p->weights),
           fv_size_str(a, (uint64_t)p->workspace), fv_size_str(a, (uint64_t)p->ports));
    if (p->stages.n)
        fv_out("%-10s %d in a run; a rank sends at most %s\n", "exchanges", p->exchanges,
               fv_size_str(a, (uint64_t)p->sent));
    else
        fv_out("%-10s %d in a run; a rank sends %s in %d message%s, %s to each other rank\n",
               "exchanges", p->exchanges, fv_size_str(a, (uint64_t)p->sent), p->messages,
               p->messages == 1 ? "" : "s", fv_size_str(a, (uint64_t)p->link_bytes));
    if (r->network.bandwidth > 0)
        fv_out("%-10s %.3f ms, of which exchanges take %.3f ms (%s)\n", "time", p->time,
               p->exchanging, fv_network_str(a, &r->network));
    if (r->graph.plan.ranks > 1 && !r->graph.plan.ncuts)
        fv_out("%-10s nothing: each rank runs the whole %s\n", "cut",
               p->stages.n ? "stage" : "model");
    print_stages(c, r);
    print_cuts(c, r);
    print_contractions(r);
    print_exchanges(c, r);
    print_whole(c, r);
    print_memory(c, r);
}

/* ---- JSON ---- */

static json_t *cut_json(const fv_shard_cut *cut, const int64_t *sent) {
    json_t *o = json_object(), *list = json_array();
    fv_json_set_int(o, "units", cut->units);
    fv_json_set_int(o, "groups", cut->groups);
    fv_json_set_int(o, "weights_bytes", (int64_t)cut->bytes);
    fv_json_set_text(o, "first", cut->first);
    fv_json_set_text(o, "last", cut->last);
    fv_json_set_text(o, "shares", cut->shares);
    for (int k = 0; k < cut->nexchanges; k++) {
        json_t *x = json_object();
        fv_json_set_text(x, "collective", fv_shard_collective_names[cut->exchanges[k].collective]);
        fv_json_set_text(x, "node", cut->exchanges[k].node);
        fv_json_set_int(x, "link_bytes", sent[k]);
        fv_json_append(list, x);
    }
    fv_json_set(o, "exchanges", list);
    return o;
}

static json_t *choice_json(const fv_shard_choice *k) {
    json_t *o = json_object();
    fv_json_set_text(o, "node", k->node);
    fv_json_set_text(o, "axis", fv_shard_side_names[k->side]);
    fv_json_set_text(o, "collective", fv_shard_collective_names[k->collective]);
    fv_json_set(o, "cut", k->cut < 0 ? json_null() : json_integer(k->cut));
    return o;
}

static json_t *whole_json(const fv_shard_whole *w) {
    json_t *o = json_object();
    fv_json_set_text(o, "node", w->name);
    fv_json_set_text(o, "why", w->why);
    fv_json_set_int(o, "weights_bytes", (int64_t)w->bytes);
    return o;
}

/* A run or a stage as an object, without the times of exchanges if there is no network. */
static json_t *point_json(const fv_shard_report *r, json_t *o) {
    static const char *const of_network[] = {"ms", "exchanging_ms", "waiting"};
    for (int i = 0; i < 3 && !(r->network.bandwidth > 0); i++)
        json_object_del(o, of_network[i]);
    return o;
}

static json_t *run_json(const fv_shard_report *r) {
    json_t *o = point_json(r, fv_shard_point_json(&r->point));
    fv_json_set_int(o, "rank", r->point.rank);
    fv_json_set_int(o, "ports_bytes", r->point.ports);
    return o;
}

/* Adds the stages, with the name of the first node of each but the first, and what they send. */
static void add_stages(const fv_shard_report *r, json_t *o) {
    const fv_stage_plan *s = &r->graph.stages;
    json_t *stages = fv_shard_stages_json(&r->point), *transfers = json_array();
    for (int i = 0; i < r->point.stages.n; i++) {
        json_t *stage = point_json(r, json_array_get(stages, (size_t)i));
        if (i)
            fv_json_set_text(stage, "begins", s->begins[i - 1]);
    }
    for (int i = 0; i < s->ntransfers; i++) {
        json_t *t = json_object();
        fv_json_set_int(t, "from", s->transfers[i].from);
        fv_json_set_int(t, "to", s->transfers[i].to);
        fv_json_set_text(t, "value", s->transfers[i].name);
        fv_json_set(t, "output", json_boolean(s->transfers[i].is_output));
        fv_json_set_int(t, "bytes", r->passed[i]);
        fv_json_append(transfers, t);
    }
    fv_json_set(o, "stages", stages);
    fv_json_set(o, "transfers", transfers);
}

json_t *fv_shard_report_json(fv_context *c, const fv_shard_report *r) {
    json_t *o = json_object(), *cuts = json_array(), *choices = json_array(), *whole = json_array(),
           *weights = json_array();
    for (int i = 0, n = 0; i < r->graph.plan.ncuts; n += r->graph.plan.cuts[i++].nexchanges)
        fv_json_append(cuts, cut_json(&r->graph.plan.cuts[i], r->sent + n));
    for (int i = 0; i < r->graph.plan.nchoices; i++)
        fv_json_append(choices, choice_json(&r->graph.plan.choices[i]));
    for (int i = 0; i < r->graph.plan.nwhole; i++)
        fv_json_append(whole, whole_json(&r->graph.plan.whole[i]));
    for (int i = 0; i < r->graph.plan.ranks && r->weights; i++)
        fv_json_append(weights, json_integer((json_int_t)r->weights[i]));
    fv_json_set_int(o, "ranks", r->point.ranks);
    fv_json_set_text(o, "dims", r->dims);
    if (r->network.bandwidth > 0)
        fv_json_set_text(o, "network", fv_network_str(c->arena, &r->network));
    fv_json_set_int(o, "all_weights_bytes", (int64_t)r->whole);
    fv_json_set(o, "run", run_json(r));
    if (r->point.stages.n)
        add_stages(r, o);
    fv_json_set(o, "weights_bytes", weights);
    fv_json_set(o, "cuts", cuts);
    fv_json_set(o, "contractions", choices);
    fv_json_set(o, "whole", whole);
    return o;
}
