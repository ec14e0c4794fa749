/* generator.c - the generators of fovea.h: checks of the arguments, and the loop over ids. */
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "ir/base/clock.h"
#include "tools/generate/generator.h"

/* ---- arguments ---- */

static int bad(fv_log *log, const char *what) {
    fv_log_add(log, "error: %s", what);
    return FV_BAD_ARGUMENT;
}

static int check_sampling(const fv_generator *g, fv_log *log) {
    const fv_generate_options *o = &g->o;
    const char *wrong = NULL;
    if (!(o->temperature >= 0) || isinf(o->temperature))
        wrong = fv_printf(g->arena, "the temperature is %g, expected a number of at least 0",
                          o->temperature);
    else if (o->top_k < 0)
        wrong = fv_printf(g->arena, "top_k is %" PRId64 ", expected at least 1, or 0 for all ids",
                          o->top_k);
    else if (!(o->top_p >= 0 && o->top_p <= 1))
        wrong = fv_printf(g->arena, "top_p is %g, expected a number from 0 to 1", o->top_p);
    else if (o->temperature == 0 && (o->top_k || o->top_p != 0))
        wrong = "top_k and top_p have no meaning at temperature 0, at which nothing is drawn";
    return wrong ? bad(log, wrong) : FV_OK;
}

/* Copies the options and checks them; for top_p, 0 becomes 1. */
static int read_options(fv_generator *g, const fv_generate_options *from, fv_log *log) {
    fv_generate_options *o = &g->o;
    *o = *from;
    if (from->nstop < 0 || (from->nstop && !from->stop))
        return bad(log, from->nstop < 0 ? "the number of ids that end a sequence is negative"
                                        : "the ids that end a sequence are NULL");
    int64_t *stop = FV_NEW(g->arena, int64_t, from->nstop + 1);
    for (int i = 0; i < from->nstop; i++)
        stop[i] = from->stop[i];
    o->stop = stop;
    if (o->tokens < 1)
        return bad(log,
                   fv_printf(g->arena,
                             "the number of ids to generate is %" PRId64 ", expected at least 1",
                             o->tokens));
    int status = check_sampling(g, log);
    if (status)
        return status;
    if (o->chunk < 0)
        return bad(log, fv_printf(g->arena,
                                  "a chunk of the prompt has %" PRId64
                                  " ids, expected at least 1, or 0 for the default",
                                  o->chunk));
    o->top_p = o->top_p == 0 ? 1 : o->top_p;
    return FV_OK;
}

static void read_prompts(fv_generator *g, int n, const fv_prompt *prompts) {
    fv_random seeds = {g->o.seed};
    g->sequences = FV_NEW(g->arena, fv_sequence, n + 1);
    g->ready = FV_NEW(g->arena, fv_sequence *, n + 1);
    g->nsequences = n;
    for (int i = 0; i < n; i++) {
        fv_sequence *s = &g->sequences[i];
        for (int64_t k = 0; k < prompts[i].n; k++)
            FV_PUSH(g->arena, s->ids, s->n, s->room, prompts[i].ids[k]);
        s->prompt = s->n;
        s->random = (fv_random){fv_random_next(&seeds)};
    }
}

static int check_id(int64_t id, int64_t vocabulary, const char *what, fv_log *log) {
    if (id >= 0 && (!vocabulary || id < vocabulary))
        return FV_OK;
    if (vocabulary)
        fv_log_add(log, "error: %s %" PRId64 " is not in the vocabulary, of 0 to %" PRId64, what,
                   id, vocabulary - 1);
    else
        fv_log_add(log, "error: %s %" PRId64 " is negative", what, id);
    return FV_BAD_ARGUMENT;
}

static int check_ids(const fv_generator *g, fv_log *log) {
    int status = FV_OK;
    for (int i = 0; i < g->nsequences && !status; i++) {
        const fv_sequence *s = &g->sequences[i];
        const char *name = fv_printf(g->arena, "prompt %d", i + 1);
        if (!s->n)
            return bad(log, fv_printf(g->arena, "%s has no ids", name));
        for (int k = 0; k < s->n && !status; k++)
            status = check_id(s->ids[k], g->decoder.vocabulary, fv_printf(g->arena, "%s: id", name),
                              log);
    }
    for (int i = 0; i < g->o.nstop && !status; i++)
        status = check_id(g->o.stop[i], g->decoder.vocabulary, "stop: id", log);
    return status;
}

static void count_caches(fv_generator *g) {
    g->report.caches = g->decoder.ncaches;
    for (int i = 0; i < g->decoder.ncaches; i++)
        g->report.in_place += g->decoder.caches[i].in_place;
}

static int begin(fv_generator *g, int n, const fv_prompt *prompts, const fv_generate_options *o,
                 fv_log *log) {
    const fv_model *t = fv_artifact_model(g->artifact);
    unsigned char *given = FV_NEW(g->arena, unsigned char, t->ninputs + 1);
    for (int i = 0; o->given && i < t->ninputs; i++)
        given[i] = o->given[i].type != 0;
    int status = read_options(g, o, log);
    if (!status && n < 1)
        status = bad(log, "there is no prompt");
    for (int i = 0; i < n && !status; i++)
        if (prompts[i].n > 0 && !prompts[i].ids)
            status = bad(log, fv_printf(g->arena, "the ids of prompt %d are NULL", i + 1));
    status = status ? status : fv_decoder_find(g->arena, t, given, log, &g->decoder);
    if (status)
        return status;
    read_prompts(g, n, prompts);
    count_caches(g);
    status = check_ids(g, log);
    return status ? status : fv_generate_sizes_find(g, log);
}

/* ---- groups ---- */

/* Begins a group with the first sequence that has not begun, and those with prompts of the same
 * length. */
static int begin_group(fv_generator *g, fv_log *log) {
    fv_group *q = &g->group;
    int64_t length = 0;
    *q = (fv_group){.arena = fv_arena_new(g->session)};
    q->members = FV_NEW(q->arena, fv_sequence *, g->nsequences);
    for (int i = 0; i < g->nsequences && q->n < g->sizes.batch; i++) {
        fv_sequence *s = &g->sequences[i];
        if (s->begun || (q->n && s->prompt != length))
            continue;
        s->begun = true;
        length = s->prompt;
        q->members[q->n++] = s;
    }
    q->batch = g->sizes.is_fixed ? g->sizes.batch : q->n;
    return fv_group_begin(g, log);
}

static bool has_begun(const fv_generator *g) {
    for (int i = 0; i < g->nsequences; i++)
        if (!g->sequences[i].begun)
            return false;
    return true;
}

static bool is_group_ended(const fv_group *q) {
    for (int i = 0; i < q->n; i++)
        if (!q->members[i]->ended)
            return false;
    return true;
}

/* ---- ids ---- */

static bool is_stop(const fv_generate_options *o, int64_t id) {
    for (int i = 0; i < o->nstop; i++)
        if (o->stop[i] == id)
            return true;
    return false;
}

/* Chooses the next id of each member that has not ended. */
static int choose_ids(fv_generator *g, fv_arena *step, const double *logits, int64_t n,
                      fv_log *log) {
    const fv_sampling how = {g->o.temperature, g->o.top_k, g->o.top_p};
    fv_candidate *scratch = FV_NEW(step, fv_candidate, n);
    g->nready = g->nreturned = 0;
    for (int i = 0; i < g->group.n; i++) {
        fv_sequence *s = g->group.members[i];
        if (s->ended)
            continue;
        int64_t id = fv_sample(&how, &s->random, n, logits + i * n, scratch);
        if (id < 0) {
            fv_log_add(log, "error: the logits after %d ids of sequence %d are all NaN", s->n,
                       (int)(s - g->sequences) + 1);
            return FV_BAD_MODEL;
        }
        FV_PUSH(g->arena, s->ids, s->n, s->room, id);
        s->ended = s->n - s->prompt >= g->o.tokens || is_stop(&g->o, id);
        g->ready[g->nready++] = s;
    }
    return FV_OK;
}

/* The position before which the next run ends: runs take the prompt in chunks, then one id each.
 * Without caches each run takes all ids. */
static int64_t next_end(const fv_generator *g) {
    int64_t n = g->group.past, all = 0;
    for (int i = 0; i < g->group.n; i++)
        all = g->group.members[i]->n > all ? g->group.members[i]->n : all;
    return g->decoder.ncaches && all - n > g->sizes.chunk ? n + g->sizes.chunk : all;
}

static void count(fv_generator *g, bool is_prompt, int64_t ids, double ms) {
    *(is_prompt ? &g->report.prompt_ids : &g->report.ids) += ids;
    *(is_prompt ? &g->report.prompt_ms : &g->report.ms) += ms;
}

/* After a run that refused its inputs: dims and indices are often wrong because the model has no
 * positions left, of which the model's own message does not speak. */
static void report_positions(const fv_generator *g, int64_t end, fv_log *log) {
    const fv_sequence *s = g->group.members[0];
    fv_log_add(log,
               "error: the run up to position %" PRId64 " failed, after %d ids were generated: the "
               "model may have fewer positions",
               end - 1, s->n - s->prompt);
}

/* Runs the group until it has new ids. */
static int run_group(fv_generator *g, fv_arena *step, fv_log *log) {
    const double *logits = NULL;
    int64_t n = 0, past, end, prompt = g->group.members[0]->prompt;
    struct timespec mark = {0};
    int status;
    do {
        past = g->group.past;
        end = next_end(g);
        fv_lap(&mark);
        status = fv_group_run(g, step, end, &logits, &n, log);
        if (status == FV_BAD_INDEX || status == FV_BAD_DIM)
            report_positions(g, end, log);
        if (status)
            return status;
        if (end <= prompt)
            count(g, true, (end - past) * g->group.n, fv_lap(&mark));
    } while (end < prompt);
    status = choose_ids(g, step, logits, n, log);
    if (end > prompt)
        count(g, false, g->nready, fv_lap(&mark));
    return status;
}

/* Makes the next ids ready, if any are left. */
static int advance(fv_generator *g, fv_log *log) {
    int status = FV_OK;
    size_t said = fv_log_count(log);
    g->nready = g->nreturned = 0;
    if (is_group_ended(&g->group)) {
        fv_group_end(g);
        if (has_begun(g))
            return FV_OK;
        status = begin_group(g, log);
    }
    fv_arena *step = fv_arena_new(g->session);
    status = status ? status : run_group(g, step, log);
    fv_arena_free(step);
    if (status && fv_log_count(log) == said)
        fv_log_add(log, "error: %s (%s)", fv_status_text(status), fv_status_name(status));
    return status;
}

/* ---- the interface ---- */

static int no_memory(const fv_generator *g, fv_log *log) {
    fv_left left;
    fv_log_add(log, "error: %s", fv_session_left(g->session, &left));
    return fv_session_is_broken(g->session) ? FV_INTERNAL : FV_NO_MEMORY;
}

int fv_generator_new(fv_artifact *a, int nprompts, const fv_prompt *prompts,
                     const fv_generate_options *o, fv_log *log, fv_generator **out) {
    fv_door door;
    if (out)
        *out = NULL;
    if (!a || !prompts || !o || !out)
        return fv_log_missing(log, !a ? "a" : !prompts ? "prompts" : !o ? "o" : "out");
    fv_generate_options all = {.size = sizeof all};
    if (o->size < sizeof o->size || o->size > sizeof all)
        return bad(log, "options are not those of this library");
    memcpy(&all, o, o->size);
    fv_session *s = fv_session_new();
    if (!s)
        return FV_NO_MEMORY;
    fv_generator *volatile made = NULL;
    if (FV_DOOR_OPEN(s, &door)) {
        int status = no_memory(&(fv_generator){.session = s}, log);
        fv_session_free(s);
        return status;
    }
    fv_arena *arena = fv_arena_new(s);
    made = FV_NEW(arena, fv_generator, 1);
    made->session = s;
    made->arena = arena;
    made->artifact = a;
    int status = begin(made, nprompts, prompts, &all, log);
    fv_door_close(s, &door);
    if (status)
        fv_session_free(s);
    else
        *out = made;
    return status;
}

int fv_generator_next(fv_generator *g, int *sequence, int64_t *id, fv_log *log) {
    fv_door door;
    if (!g || !sequence || !id)
        return fv_log_missing(log, !g ? "g" : !sequence ? "sequence" : "id");
    *sequence = -1;
    if (g->failed)
        return bad(log, "the generator has failed before");
    if (FV_DOOR_OPEN(g->session, &door)) {
        g->failed = true;
        return no_memory(g, log);
    }
    int status = g->nreturned < g->nready ? FV_OK : advance(g, log);
    fv_door_close(g->session, &door);
    g->failed = status != FV_OK;
    if (status || g->nreturned == g->nready)
        return status;
    const fv_sequence *s = g->ready[g->nreturned++];
    *sequence = (int)(s - g->sequences);
    *id = s->ids[s->n - 1];
    return FV_OK;
}

void fv_generator_report(const fv_generator *g, fv_generate_report *out) {
    if (out)
        *out = g ? g->report : (fv_generate_report){0};
}

void fv_generator_free(fv_generator *g) {
    if (!g)
        return;
    fv_group_end(g);
    fv_session_free(g->session);
}
