/* shard_evaluate.c - what a run of a part takes: the predicted times of its kernels and, by a model
 * of the network, of its exchanges; and memory. */
#include <string.h>

#include "backend/consumer/consumer.h"
#include "backend/cost/predict.h"
#include "ir/kernel/build.h"
#include "tools/model/exchanges.h"
#include "tools/model/footprint.h"
#include "tools/subcommand/shard.h"

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

/* Adds the exchanges of the plan, for the dims of the run, which stages count by themselves. */
static void add_exchanges(const fv_shard_evaluation *how, const fv_shard_plan *plan,
                          const fv_subject *m, fv_shard_point *out) {
    const fv_network none = {0}, *network = how->network ? how->network : &none;
    int n = 0;
    for (int i = 0; i < plan->ncuts; i++)
        for (int k = 0; k < plan->cuts[i].nexchanges; k++) {
            fv_exchange x = {.bytes = plan->cuts[i].exchanges[k].bytes, .once = true};
            int64_t bytes = fv_exchanges_bytes(m->table, m->data.dims, 1, &x);
            bytes = bytes < 0 ? 0 : bytes;
            if (how->sent)
                how->sent[n++] = bytes;
            if (how->stages)
                continue;
            if (how->network)
                out->exchanging += 1e3 * fv_network_seconds(network, out->ranks, (double)bytes);
            out->link_bytes += bytes;
            out->sent += bytes * (out->ranks - 1);
            out->messages += fv_network_messages(network, out->ranks);
            out->exchanges++;
        }
}

/* The bytes of weights of a part. */
static uint64_t weights_of_part(const fv_module *m) {
    uint64_t bytes = 0;
    for (int i = 0; i < m->nconsts; i++)
        bytes += m->consts[i]->nuses ? m->consts[i]->tensor->bytes : 0;
    return bytes;
}

/* Adds the exchanges of a stage, which its graph has: those of its cuts, and what it sends to other
 * stages; these wait for that. */
static void add_stage_exchanges(const fv_shard_evaluation *how, int lanes, int n,
                                const fv_exchange *list, const fv_subject *m, fv_shard_point *out) {
    const fv_network none = {0}, *network = how->network ? how->network : &none;
    for (int i = 0, next = 0; i < n; i++) {
        const fv_exchange *x = &list[i];
        int64_t bytes = fv_exchanges_bytes(m->table, m->data.dims, 1, x);
        bool sends = !strcmp(x->kind, "Send");
        bytes = bytes < 0 ? 0 : bytes;
        if (!sends && !strcmp(x->kind, "Receive"))
            continue;
        while (sends && next < how->stages->ntransfers &&
               how->stages->transfers[next].from != how->stage)
            next++;
        if (sends && how->passed && next < how->stages->ntransfers)
            how->passed[next] = bytes;
        next += sends;
        if (how->network)
            out->exchanging += 1e3 * fv_network_seconds(network, sends ? 2 : lanes, (double)bytes);
        out->link_bytes += sends ? 0 : bytes;
        out->sent += bytes * (sends ? 1 : lanes - 1);
        out->messages += sends ? 1 : fv_network_messages(network, lanes);
        out->exchanges++;
    }
}

/* Adds the predicted times of the kernels. */
static void add_kernels(fv_context *c, const fv_subject *m, fv_shard_point *out) {
    fv_arena *a = c->arena;
    const fv_program *p = m->program;
    fv_launch_cost *list;
    int n = fv_cost_launches(a, p, &list), threads = fv_args_threads(c->args);
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

static void add_memory(fv_context *c, const fv_subject *m, fv_shard_point *out) {
    const fv_footprint f = fv_footprint_of(c->arena, m->program, m->data.dims);
    out->workspace = f.workspace;
    for (int i = 0; i < f.nbuffers; i++) {
        const fv_footprint_buffer *b = &f.buffers[i];
        if ((b->buf->role == FV_BUF_INPUT || b->buf->role == FV_BUF_OUTPUT) && b->bytes > 0)
            out->ports += b->bytes;
    }
}

/* Do weights decide which kernels there are? Products of bytes depend on how large these are. */
static bool weights_decide(const fv_module *m) {
    for (int i = 0; i < m->nconsts; i++)
        if (m->consts[i]->tensor->elem == FV_I8 && m->consts[i]->tensor->rank > 1)
            return true;
    return false;
}

bool fv_shard_evaluate(fv_context *c, fv_module *m, const fv_shard_plan *plan, fv_driver_options *o,
                       const fv_shard_evaluation *how, fv_shard_point *out) {
    fv_arena *a = c->arena;
    fv_subject part = {.path = c->args->operand[0], .source = {.kind = FV_FILE_GRAPH, .module = m}};
    *out = (fv_shard_point){.ranks = plan->ranks};
    out->rank = largest_of(m, plan, &out->weights);
    fv_exchange *list = NULL;
    int n = 0;
    if (plan->ncuts && !fv_shard_apply(m, plan, out->rank))
        return false;
    if (how->stages) {
        if (!fv_stages_apply(m, how->stages, how->stage, out->rank, plan->ranks))
            return false;
        n = fv_exchanges_find(a, m, &list);
        out->weights = weights_of_part(m);
        out->rank += how->stage * plan->ranks;
    }
    fv_shard_copy_constants(m);
    o->work.passes = NULL;
    o->without_weights = !weights_decide(m); /* they are not laid out: nothing runs */
    part.program = fv_driver_lower(c->session, &part.source, o);
    if (!part.program)
        return false;
    part.table = fv_program_model(a, part.program, NULL);
    part.data.dims = FV_NEW(a, int64_t, part.table->nsymbols + 1);
    part.data.known = FV_NEW(a, unsigned char, part.table->nsymbols + 1);
    part.data.given = FV_NEW(a, unsigned char, part.table->ninputs + 1);
    if (!fv_choose_dims(c, &part, how->quietly))
        return false;
    if (how->dims)
        *how->dims = fv_strdup(a, fv_dims_str(a, part.table, part.data.dims));
    if (how->stages)
        add_stage_exchanges(how, plan->ranks, n, list, &part, out);
    add_exchanges(how, plan, &part, out);
    add_kernels(c, &part, out);
    add_memory(c, &part, out);
    out->time = out->computing + out->exchanging;
    return true;
}
