/* sizes.c - the sizes of a decoder: how many sequences and ids a run takes, and how many positions
 * a sequence has. */
#include <inttypes.h>
#include <stdlib.h>

#include "tools/generate/generator.h"

enum { USUAL_CHUNK = 512 };

/* The bounds of an input's dim: the number, or the bounds of the symbol; 0 and INT64_MAX for any
 * other expression. */
static void bounds_of(const fv_model *t, const char *dim, int64_t *lo, int64_t *hi) {
    int s = fv_dim_text_symbol(t, dim);
    char *end;
    *lo = s < 0 ? strtoll(dim, &end, 10) : t->symbols[s].lo;
    *hi = s < 0 ? *lo : t->symbols[s].hi;
    if (s < 0 && *end) {
        *lo = 0;
        *hi = INT64_MAX;
    }
}

/* The number of positions that a sequence may have: at most the capacity of each cache in place,
 * and at most one more than the longest past that each cache that grows can have. */
static int64_t positions_of_caches(const fv_decoder *d) {
    int64_t most = INT64_MAX, lo, hi;
    for (int i = 0; i < d->ncaches; i++) {
        const fv_decoder_cache *c = &d->caches[i];
        const fv_port_info *p = &d->table->inputs[c->in];
        if (c->in_place) {
            bounds_of(d->table, p->capacity, &lo, &hi);
            most = hi < most ? hi : most;
        }
        if (c->axis >= 0) {
            bounds_of(d->table, p->dims[c->axis], &lo, &hi);
            most = hi < most ? hi + 1 : most;
        }
    }
    return most;
}

static int64_t longest(const fv_generator *g) {
    int64_t most = 0;
    for (int i = 0; i < g->nsequences; i++)
        most = g->sequences[i].n > most ? g->sequences[i].n : most;
    return most;
}

/* The number of ids that runs read for the longest sequence: all but the last one, after which
 * nothing is computed. */
static int64_t needed(const fv_generator *g) {
    int64_t n;
    return __builtin_add_overflow(longest(g), g->o.tokens - 1, &n) ? INT64_MAX : n;
}

static int check_positions(const fv_generator *g, int64_t most, fv_log *log) {
    if (needed(g) <= most)
        return FV_OK;
    fv_log_add(log,
               "error: the model has at most %" PRId64 " positions; a prompt of %" PRId64
               " ids and %" PRId64 " more need %" PRId64,
               most, longest(g), g->o.tokens, needed(g));
    return FV_BAD_ARGUMENT;
}

/* Checks that the dims allow the last run. */
static int check_last_run(fv_generator *g, fv_log *log) {
    int64_t end = needed(g), past = g->decoder.ncaches ? end - 1 : 0;
    int status = fv_group_plan(g, past, end, log);
    if (status == FV_BAD_DIM)
        fv_log_add(log,
                   "error: the model has fewer positions than the %" PRId64
                   " that a prompt of %" PRId64 " ids and %" PRId64 " more need",
                   end, longest(g), g->o.tokens);
    return status == FV_BAD_DIM ? FV_BAD_ARGUMENT : status;
}

/* The nth entry of a batch that the caller gives is for the nth prompt, so all run together. */
static int check_given_batch(const fv_generator *g, int64_t batch, const char *input, fv_log *log) {
    bool fits = batch == 1 || batch == g->nsequences;
    for (int i = 1; batch > 1 && i < g->nsequences; i++)
        fits &= g->sequences[i].n == g->sequences[0].n;
    if (fits)
        return FV_OK;
    fv_log_add(log,
               "error: input '%s' has a batch of %" PRId64
               ", expected 1, or that many prompts of equal length",
               input, batch);
    return FV_BAD_ARGUMENT;
}

/* Sets *out to the batch of the inputs that the caller gives, if one has this dim. FV_OK, or a
 * status after a message. */
static int batch_of_given(const fv_generator *g, const char *batch, fv_log *log, int64_t *out) {
    const fv_model *t = g->decoder.table;
    int s = fv_dim_text_symbol(t, batch);
    for (int i = 0; i < t->ninputs; i++)
        for (int k = 0; s >= 0 && k < t->inputs[i].rank; k++) {
            if (g->decoder.roles[i] != FV_ROLE_GIVEN ||
                fv_dim_text_symbol(t, t->inputs[i].dims[k]) != s)
                continue;
            if (g->o.given[i].rank != t->inputs[i].rank) {
                fv_log_add(log, "error: input '%s' has rank %d, expected %d", t->inputs[i].name,
                           (int)g->o.given[i].rank, (int)t->inputs[i].rank);
                return FV_BAD_ARGUMENT;
            }
            *out = g->o.given[i].dims[k];
            return check_given_batch(g, *out, t->inputs[i].name, log);
        }
    return FV_OK;
}

static int find_batch(fv_generator *g, fv_log *log) {
    const fv_port_info *p = &g->decoder.table->inputs[g->decoder.ids];
    int64_t lo, hi, given = 0;
    g->sizes.batch = 1;
    if (p->rank < 2)
        return FV_OK;
    bounds_of(g->decoder.table, p->dims[0], &lo, &hi);
    int status = batch_of_given(g, p->dims[0], log, &given);
    g->sizes.batch = given ? given : hi;
    g->sizes.is_fixed = given || lo == hi;
    return status;
}

int fv_generate_sizes_find(fv_generator *g, fv_log *log) {
    const fv_decoder *d = &g->decoder;
    const fv_port_info *p = &d->table->inputs[d->ids];
    int64_t lo, hi;
    bounds_of(d->table, p->dims[p->rank - 1], &lo, &hi);
    g->sizes.span = lo == hi ? lo : 0;
    if (d->ncaches && g->sizes.span > 1) {
        fv_log_add(log,
                   "error: each run takes %" PRId64 " ids, expected a model that takes single ones "
                   "after the prompt",
                   g->sizes.span);
        return FV_BAD_MODEL;
    }
    g->sizes.chunk = g->o.chunk ? g->o.chunk : USUAL_CHUNK;
    g->sizes.chunk = g->sizes.chunk < hi ? g->sizes.chunk : hi;
    g->sizes.positions = needed(g);
    int status = check_positions(g, d->ncaches ? positions_of_caches(d) : hi, log);
    status = status ? status : find_batch(g, log);
    return status ? status : check_last_run(g, log);
}
