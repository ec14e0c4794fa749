/* parts.c - runs of all parts of a model: as threads of this process, or as one of the processes
 * that mpirun has started. */
#include "tools/model/parts.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/rank_limits.h"
#include "tools/command/progress.h"
#include "tools/model/checksum.h"
#include "tools/model/shares.h"

bool fv_parts_options_fit(fv_context *c) {
    double timeout = c->args->threads.shard.timeout;
    if (c->args->code.tuning)
        return fv_usage(c->args, "--tuning is for one model: %s holds the parts of a model",
                        c->args->operand[0]) == FV_EXIT_OK;
    return (timeout > 0 && timeout <= FV_MAX_TIMEOUT) ||
           fv_usage(c->args, "--timeout takes seconds, more than 0 and at most %g",
                    FV_MAX_TIMEOUT) == FV_EXIT_OK;
}

/* ---- opening ---- */

/* Have the ports of two ranks, as those of the whole model, the same dims? */
static bool is_alike(int n, const fv_port_info *a, const fv_port_info *b) {
    for (int i = 0; i < n; i++) {
        if (strcmp(a[i].name, b[i].name) || a[i].type != b[i].type || a[i].rank != b[i].rank)
            return false;
        for (int k = 0; k < a[i].rank; k++)
            if (strcmp(a[i].dims[k], b[i].dims[k]))
                return false;
    }
    return true;
}

static bool check_part(fv_context *c, const char *folder, const fv_parts *p, int rank) {
    fv_diag_file(c->session, fv_parts_path(c, folder, &p->list, rank));
    return fv_parts_check(c, folder, &p->list, rank);
}

static bool open_part(fv_context *c, const char *folder, fv_backend_kind backend,
                      fv_open_part *open, int rank, fv_parts *out) {
    const char *path = fv_parts_path(c, folder, &out->list, rank);
    fv_subject *m = &out->all[rank];
    c->states = fv_parts_states(c, &out->list, rank);
    fv_diag_file(c->session, path);
    if (!open(c, path, backend, m))
        return false;
    const fv_model *t = fv_shares_table(c, &out->list, rank, m), *w = out->whole.table;
    if (!t)
        return false;
    if (rank == out->here) {
        out->whole = *m;
        fv_subject_make_room(c, t, &out->whole);
        return true;
    }
    return (t->ninputs == w->ninputs && t->noutputs == w->noutputs &&
            is_alike(t->ninputs, t->inputs, w->inputs) &&
            is_alike(t->noutputs, t->outputs, w->outputs)) ||
           fv_error(c->session, "rank %d has other inputs or outputs than rank 0", rank);
}

/* A checksum of the list: of the parts, and of their shares of inputs and outputs. */
static uint64_t list_sum(const fv_parts_manifest *list) {
    uint64_t sum = 0;
    for (int r = 0; r < list->ranks; r++) {
        sum = fv_checksum(&list->bytes[r], sizeof list->bytes[r], sum);
        sum = fv_checksum(&list->checksums[r], sizeof list->checksums[r], sum);
    }
    sum = fv_checksum(&list->stages, sizeof list->stages, sum);
    for (int i = 0; i < list->nports; i++) {
        const fv_parts_port *p = &list->ports[i];
        sum = fv_checksum(p->name, strlen(p->name), sum);
        sum = fv_checksum(&p->axis, sizeof p->axis, sum);
        sum = fv_checksum(&p->stage, sizeof p->stage, sum);
        sum = fv_checksum(p->sizes, (size_t)fv_parts_width(list) * sizeof *p->sizes, sum);
    }
    return sum;
}

/* Have all processes read a list with the same sizes and checksums? They may read the folder from
 * different disks. */
static bool have_one_list(fv_context *c, const fv_parts_manifest *list, const fv_parts *p) {
    const fv_communicator *world = fv_processes_communicator(p->processes);
    uint64_t mine = list_sum(list), *all = FV_NEW(c->arena, uint64_t, world->ranks);
    if (world->all_gather(world->user, &mine, all, sizeof mine))
        return fv_error(c->session, "%s", fv_processes_error(p->processes));
    for (int r = 0; r < list->ranks; r++)
        if (all[r] != mine)
            return fv_error(c->session, "rank %d has a list of other parts than rank %zu", r,
                            world->rank);
    return true;
}

/* Opens the part of this process. */
static bool open_here(fv_context *c, const char *folder, fv_backend_kind backend,
                      fv_open_part *open, fv_parts *out) {
    const fv_communicator *world = fv_processes_communicator(out->processes);
    if (world->ranks != (size_t)out->list.ranks)
        return fv_error(c->session, "has parts for %d ranks, and mpirun has started %zu processes",
                        out->list.ranks, world->ranks);
    if (!have_one_list(c, &out->list, out))
        return false;
    out->here = (int)world->rank;
    out->ranks = out->list.ranks;
    return check_part(c, folder, out, out->here) &&
           open_part(c, folder, backend, open, out->here, out);
}

bool fv_parts_open(fv_context *c, const char *folder, fv_backend_kind backend, fv_open_part *open,
                   fv_parts *out) {
    *out = (fv_parts){0};
    if (fv_processes_started() &&
        !(out->processes = fv_processes_open(c, c->args->threads.shard.timeout)))
        return false;
    if (!fv_parts_read(c, folder, &out->list) || !fv_parts_dims(c, folder, &out->list, &c->dims))
        return false;
    out->all = FV_NEW(c->arena, fv_subject, out->list.ranks);
    if (out->processes)
        return open_here(c, folder, backend, open, out);
    for (int r = 0; r < out->list.ranks; r++) /* before the first one is compiled */
        if (!check_part(c, folder, out, r))
            return false;
    for (out->ranks = 0; out->ranks < out->list.ranks;)
        if (!open_part(c, folder, backend, open, out->ranks++, out))
            return false;
    return true;
}

void fv_parts_close(fv_context *c, fv_parts *p) {
    for (int r = 0; r < p->ranks; r++)
        fv_subject_close(&p->all[r]);
    p->ranks = 0;
    if (!p->processes)
        return;
    if (!p->has_run)
        fv_print_messages(c);
    else if (p->here)
        fv_messages_clear(c->session);
    fv_processes_close(p->processes, !p->has_run);
}

/* ---- running ---- */

typedef struct rank_run {
    fv_parts *parts;
    fv_ranks *ranks;
    fv_parts_work *work;
    void *user;
    int rank, threads, status;
    const volatile int32_t *cancel;
    size_t seed; /* for random numbers: the same for all ranks */
    fv_log *log;
    pthread_t thread;
} rank_run;

static void *run_rank(void *arg) {
    rank_run *r = arg;
    fv_env env = {.size = sizeof env,
                  .communicator = fv_ranks_communicator(r->ranks, r->rank),
                  .seed = r->seed};
    fv_run_options o = {.size = sizeof o, .threads = r->threads, .cancel = r->cancel, .env = &env};
    r->status = r->work(r->user, r->rank, &o, r->log);
    fv_ranks_stop(r->ranks, r->rank);
    return NULL;
}

/* Reports why the run has failed: on the ranks that were not only waiting for others, if any. */
static int report(fv_context *c, const rank_run *all, int n) {
    const rank_run *worst = NULL;
    for (int i = 0; i < n; i++)
        if (all[i].status && (!worst || worst->status == FV_BAD_COMMUNICATOR))
            worst = &all[i];
    if (!worst)
        return FV_OK;
    fv_diag_file(c->session, worst->parts->all[worst->rank].path);
    if (worst->status == FV_BAD_COMMUNICATOR && fv_ranks_error(worst->ranks))
        fv_error(c->session, "%s", fv_ranks_error(worst->ranks));
    else if (!*fv_log_text(worst->log))
        fv_error(c->session, "rank %d: %s", worst->rank, fv_status_text(worst->status));
    else
        return fv_say_log(c, worst->log) ? FV_OK : worst->status;
    return worst->status;
}

static void run_all(rank_run *all, int n, fv_ranks *ranks) {
    int started = 1;
    while (started < n && pthread_create(&all[started].thread, NULL, run_rank, &all[started]) == 0)
        started++;
    for (int i = started; i < n; i++) { /* ranks without a thread: no other rank waits for them */
        all[i].status = FV_NO_MEMORY;
        fv_ranks_stop(ranks, i);
    }
    run_rank(&all[0]);
    for (int i = 1; i < started; i++)
        pthread_join(all[i].thread, NULL);
}

static int run_threads(fv_context *c, fv_parts *p, fv_parts_work *work, void *user) {
    fv_ranks *ranks = fv_ranks_new(p->ranks, c->args->threads.shard.timeout);
    rank_run *all = FV_NEW(c->arena, rank_run, p->ranks);
    int threads = fv_args_threads(c->args) ? fv_args_threads(c->args) : fv_pool_size(NULL);
    if (!ranks)
        fv_out_of_memory(c->session);
    for (int i = 0; i < p->ranks; i++)
        all[i] = (rank_run){.parts = p,
                            .ranks = ranks,
                            .work = work,
                            .user = user,
                            .rank = i,
                            .threads = threads > p->ranks ? threads / p->ranks : 1,
                            .cancel = c->cancel,
                            .seed = fv_seed_of_draws(c->args->data.seed),
                            .log = fv_log_new()};
    run_all(all, p->ranks, ranks);
    int status = report(c, all, p->ranks);
    for (int i = 0; i < p->ranks; i++)
        fv_log_free(all[i].log);
    fv_ranks_free(ranks);
    return status;
}

/* Does the work of the rank of this process. */
static int run_here(fv_context *c, fv_parts *p, fv_parts_work *work, void *user) {
    fv_env env = {.size = sizeof env,
                  .communicator = fv_processes_communicator(p->processes),
                  .seed = fv_seed_of_draws(c->args->data.seed)};
    fv_run_options o = {
        .size = sizeof o, .threads = fv_args_threads(c->args), .cancel = c->cancel, .env = &env};
    fv_log *log = fv_log_new();
    int status = work(user, p->here, &o, log);
    const char *why = fv_processes_error(p->processes);
    bool ok = status == FV_OK;
    if (status == FV_BAD_COMMUNICATOR && why)
        fv_error(c->session, "%s", why);
    else
        ok = ok || fv_say_log(c, log);
    fv_log_free(log);
    return ok ? FV_OK : status;
}

int fv_parts_do(fv_context *c, fv_parts *p, fv_parts_work *work, void *user) {
    for (int r = 0; r < p->ranks; r++)
        if ((!p->processes || r == p->here) &&
            !fv_shares_cut(c, &p->list, &p->whole, r, &p->all[r]))
            return FV_TOO_SMALL;
    int status = p->processes ? run_here(c, p, work, user) : run_threads(c, p, work, user);
    p->has_run = status == FV_OK;
    return status;
}

static int run_once(void *user, int rank, const fv_run_options *o, fv_log *log) {
    const fv_subject *m = &((const fv_parts *)user)->all[rank];
    return fv_artifact_run(m->artifact, m->data.inputs, m->data.outputs, o, log);
}

int fv_parts_run(fv_context *c, fv_parts *p) {
    fv_progress_phase(c->args, c->args->operand[0], "runs %d parts", p->ranks);
    int status = fv_parts_do(c, p, run_once, p);
    const fv_communicator *world = p->processes ? fv_processes_communicator(p->processes) : NULL;
    if (!status && !fv_shares_join(c, p, world, &p->whole))
        status = FV_BAD_COMMUNICATOR;
    p->has_run = status == FV_OK;
    return status;
}
