/* shard_plan.c - the plan of a cut as text: comments for people, and the table for --plan. */
#include <inttypes.h>

#include "ir/base/text.h"
#include "ir/dim/text.h"
#include "tools/subcommand/shard.h"

/* ---- comments ---- */

/* The text without line ends, which would end a comment. */
static const char *line(fv_arena *a, const char *text) {
    fv_text t = {.arena = a};
    for (fv_text_put(&t, ""); *text; text++)
        fv_text_printf(&t, "%c", (unsigned char)*text < 32 ? ' ' : *text);
    return t.s;
}

static void print_cut(fv_context *c, const fv_module *m, const fv_shard_cut *cut) {
    fv_out("-- cut        %" PRId64 " units%s, %s of weights: %s", cut->units,
           cut->groups ? fv_printf(c->arena, " in %" PRId64 " groups", cut->groups) : "",
           fv_size_str(c->arena, cut->bytes), line(c->arena, cut->first));
    if (cut->nexchanges)
        fv_out(" to %s", line(c->arena, cut->last));
    fv_out("\n");
    if (*cut->shares)
        fv_out("--            each rank has its share of %s\n", line(c->arena, cut->shares));
    for (int i = 0; i < cut->nexchanges; i++)
        fv_out("--            exchanges %s bytes\n", fv_dim_str(m->arena, cut->exchanges[i].bytes));
}

static void print_memory(fv_context *c, const fv_module *m, const fv_shard_plan *plan) {
    const fv_shard_plan nothing = {.ranks = 1, .found = plan->found};
    uint64_t least = UINT64_MAX, most = 0;
    for (int r = 0; r < plan->ranks; r++) {
        uint64_t bytes = fv_shard_weights(m, plan, r);
        least = bytes < least ? bytes : least;
        most = bytes > most ? bytes : most;
    }
    fv_out("-- weights    %s, a rank has %s",
           fv_size_str(c->arena, fv_shard_weights(m, &nothing, 0)), fv_size_str(c->arena, most));
    if (least < most)
        fv_out(", the smallest %s", fv_size_str(c->arena, least));
    fv_out("\n");
}

static void print_comments(fv_context *c, const fv_module *m, const fv_shard_plan *plan,
                           bool stages) {
    int exchanges = 0;
    const fv_dim *bytes = fv_dim_const(m->dims, 0);
    for (int i = 0; i < plan->ncuts; i++) {
        print_cut(c, m, &plan->cuts[i]);
        exchanges += plan->cuts[i].nexchanges;
        for (int k = 0; k < plan->cuts[i].nexchanges; k++)
            bytes = fv_dim_add(m->dims, bytes, plan->cuts[i].exchanges[k].bytes);
    }
    for (int i = 0; i < plan->nwhole; i++)
        fv_out("-- whole      %s of weights: %s: %s\n", fv_size_str(c->arena, plan->whole[i].bytes),
               line(c->arena, plan->whole[i].name), line(c->arena, plan->whole[i].why));
    if (stages) /* print_stages has what each has, and what is exchanged besides the cuts above */
        return;
    print_memory(c, m, plan);
    fv_out("-- exchanges  %d in a run; a rank sends %s bytes to each other rank\n", exchanges,
           fv_dim_str(m->arena, bytes));
}

/* ---- the table ---- */

/* The text as a string of Lua. */
static const char *quoted(fv_arena *a, const char *text) {
    fv_text t = {.arena = a};
    for (fv_text_put(&t, "\""); *text; text++) {
        unsigned char ch = (unsigned char)*text;
        if (ch == '"' || ch == '\\')
            fv_text_printf(&t, "\\%c", ch);
        else if (ch < 32 || ch == 127)
            fv_text_printf(&t, "\\%03d", ch);
        else
            fv_text_printf(&t, "%c", ch);
    }
    fv_text_put(&t, "\"");
    return t.s;
}

static void print_choice(fv_context *c, const fv_shard_choice *k) {
    fv_out("    {node = %s, axis = \"%s\"", quoted(c->arena, k->node),
           fv_shard_side_names[k->side]);
    if (k->collective != FV_SHARD_NONE)
        fv_out(", collective = \"%s\"", fv_shard_collective_names[k->collective]);
    fv_out("},\n");
}

/* ---- stages ---- */

static void print_stages(fv_context *c, const fv_module *m, const fv_stage_plan *s) {
    for (int t = 0; t < s->stages && s->stages > 1; t++) {
        int states = 0;
        for (int i = 0; i < s->nstates; i++)
            states += s->states[i].stage == t;
        fv_out("-- stage %-4d %s of weights", t, fv_size_str(c->arena, s->weights[t]));
        if (states)
            fv_out(", %d state%s", states, states == 1 ? "" : "s");
        fv_out(t ? ", begins with %s\n" : "\n", t ? line(c->arena, s->begins[t - 1]) : "");
        for (int i = 0; i < s->ntransfers; i++)
            if (s->transfers[i].from == t)
                fv_out("--            each rank sends %s bytes to stage %d: %s%s\n",
                       fv_dim_str(m->arena, s->transfers[i].bytes), s->transfers[i].to,
                       s->transfers[i].is_output ? "output " : "",
                       line(c->arena, s->transfers[i].name));
    }
}

static void print_begins(fv_context *c, const fv_stage_plan *s) {
    if (s->stages == 1)
        return;
    fv_out("  stages = {\n");
    for (int t = 1; t < s->stages; t++)
        fv_out("    %s,\n", quoted(c->arena, s->begins[t - 1]));
    fv_out("  },\n");
}

void fv_shard_print_plan(fv_context *c, const fv_module *m, const fv_shard_plan *plan,
                         const fv_stage_plan *stages) {
    print_comments(c, m, plan, stages->stages > 1);
    print_stages(c, m, stages);
    fv_out("return {\n  ranks = %d,\n", plan->ranks);
    print_begins(c, stages);
    fv_out("  contractions = {\n");
    for (int i = 0; i < plan->nchoices; i++)
        print_choice(c, &plan->choices[i]);
    fv_out("  },\n}\n");
}
