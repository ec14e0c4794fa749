/* shard_costs.c - the time of products and exchanges by which --link chooses cuts: that of products
 * by the most multiply-adds and bytes of memory in a second that a core of the target is capable
 * of, that of exchanges by the model of the network. */
#include <string.h>

#include "backend/cost/speeds.h"
#include "ir/dim/option.h"
#include "tools/subcommand/shard.h"

typedef struct costs {
    fv_context *c;
    fv_network network;
    int ranks;
    double multiplies, bytes; /* per second */
} costs;

/* The value of a symbol: what --at or --dim states; otherwise 1, or the least that it may be. */
static bool value_of(void *ctx, const fv_dim *symbol, int64_t *out) {
    const costs *k = ctx;
    const fv_args *a = k->c->args;
    *out = symbol->lo > 1 ? symbol->lo : symbol->hi < 1 ? symbol->hi : 1;
    for (int i = 0; i < a->code.dims.n + a->data.at.n; i++) {
        bool dim = i < a->code.dims.n;
        const char *text = dim ? a->code.dims.at[i] : a->data.at.at[i - a->code.dims.n];
        fv_dim_option o;
        if (!fv_dim_option_parse(k->c->arena, text, &o) && o.lo == o.hi &&
            !strcmp(o.name, symbol->name))
            *out = o.lo;
    }
    return true;
}

static double value(const costs *k, const fv_dim *d) {
    int64_t n;
    return fv_dim_eval(d, value_of, (void *)(uintptr_t)k, &n) ? (double)n : 0;
}

static double computing(void *user, const fv_dim *multiplies, double bytes, double share) {
    const costs *k = user;
    double products = value(k, multiplies) * share / k->multiplies,
           loads = bytes * share / k->bytes;
    return products > loads ? products : loads;
}

static double exchanging(void *user, const fv_dim *bytes) {
    const costs *k = user;
    return fv_network_seconds(&k->network, k->ranks, value(k, bytes));
}

const fv_shard_costs *fv_shard_costs_of(fv_context *c, const fv_network *network, int ranks,
                                        const fv_target *target) {
    fv_speeds speeds = fv_speeds_of(target);
    costs *k = FV_NEW(c->arena, costs, 1);
    fv_shard_costs *out = FV_NEW(c->arena, fv_shard_costs, 1);
    double lanes = speeds.vector.bytes / 4.0;
    *k = (costs){.c = c,
                 .network = *network,
                 .ranks = ranks,
                 .multiplies = speeds.multiplies * lanes * speeds.ghz * 1e9,
                 .bytes = speeds.beyond[FV_CACHE_LEVELS - 1] * speeds.ghz * 1e9};
    *out = (fv_shard_costs){k, computing, exchanging};
    return out;
}
