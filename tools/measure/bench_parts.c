/* bench_parts.c - `fovea bench` of a model in parts: all ranks run at the same time, as threads of
 * this process or as processes of mpirun, and a communicator between the model and that of the
 * ranks counts what is sent, and for how long each exchange is waited for. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "tools/command/progress.h"
#include "tools/measure/bench.h"
#include "tools/model/exchanges.h"
#include "tools/model/parts.h"

/* The measurements of a rank, in the runs that are timed. The ranks of processes exchange them. */
typedef struct rank_times {
    int64_t runs;
    int64_t exchanges; /* in all runs */
    /* in all runs, those that an exchange of all ranks sends to each of them; not counted in
     * stages */
    int64_t bytes;
    double median, least;   /* milliseconds of a run */
    double total;           /* milliseconds of all runs */
    double exchanging;      /* of these, milliseconds in exchanges: waiting, and copying */
    double exchange_median; /* milliseconds of a run in exchanges */
} rank_times;

/* A rank, and the communicator that its model calls. */
typedef struct counted_rank {
    fv_communicator counting;
    const fv_communicator *inner;
    rank_times times;
    int64_t *sent;     /* for each rank, the bytes that were sent to it in all runs */
    int64_t *expected; /* for each rank, those of one run by the graph; -1: unknown */
} counted_rank;

typedef struct parts_bench {
    fv_context *c;
    const char *folder;
    fv_parts parts;
    counted_rank *ranks;
    int64_t
        expected; /* the bytes that the graph says a rank sends to each other one; -1: unknown */
} parts_bench;

/* ---- counting ---- */

/* Notes an exchange that has taken place since `start`, and that has sent `bytes` bytes to each of
 * n ranks from rank `first` on. */
static void note(counted_rank *r, double start, size_t first, size_t n, size_t bytes) {
    r->times.exchanging += fv_now_ms() - start;
    r->times.exchanges++;
    for (size_t i = first; i < first + n && r->sent; i++)
        r->sent[i] += i == r->inner->rank ? 0 : (int64_t)bytes;
}

static int all_gather(void *user, const void *send, void *receive, size_t bytes) {
    counted_rank *r = user;
    double start = fv_now_ms();
    int failed = r->inner->all_gather(r->inner->user, send, receive, bytes);
    note(r, start, 0, r->inner->ranks, bytes);
    r->times.bytes += (int64_t)bytes;
    return failed;
}

static int all_to_all(void *user, const void *send, void *receive, size_t bytes) {
    counted_rank *r = user;
    double start = fv_now_ms();
    int failed = r->inner->all_to_all(r->inner->user, send, receive, bytes);
    note(r, start, 0, r->inner->ranks, bytes);
    r->times.bytes += (int64_t)bytes;
    return failed;
}

static int send_one(void *user, size_t to, const void *data, size_t bytes) {
    counted_rank *r = user;
    double start = fv_now_ms();
    int failed = r->inner->send(r->inner->user, to, data, bytes);
    note(r, start, to, 1, bytes);
    return failed;
}

static int receive_one(void *user, size_t from, void *data, size_t bytes) {
    counted_rank *r = user;
    double start = fv_now_ms();
    int failed = r->inner->receive(r->inner->user, from, data, bytes);
    note(r, start, 0, 0, bytes);
    return failed;
}

static int group_all_gather(void *user, size_t first, size_t n, const void *send, void *receive,
                            size_t bytes) {
    counted_rank *r = user;
    double start = fv_now_ms();
    int failed = r->inner->group_all_gather(r->inner->user, first, n, send, receive, bytes);
    note(r, start, first, n, bytes);
    return failed;
}

/* Notes what an exchange sends when it is started, and the time of starting it. */
static int start(void *user, int kind, size_t rank, size_t n, const void *send, void *receive,
                 size_t bytes) {
    counted_rank *r = user;
    double start = fv_now_ms();
    int failed = r->inner->start(r->inner->user, kind, rank, n, send, receive, bytes);
    bool all = kind == FV_ALL_GATHER || kind == FV_ALL_TO_ALL;
    note(r, start, all ? 0 : rank,
         all                  ? r->inner->ranks
         : kind == FV_RECEIVE ? 0
         : kind == FV_SEND    ? 1
                              : n,
         bytes);
    r->times.bytes += all ? (int64_t)bytes : 0;
    return failed;
}

static int wait_for_first(void *user) {
    counted_rank *r = user;
    double start = fv_now_ms();
    int failed = r->inner->wait(r->inner->user);
    r->times.exchanging += fv_now_ms() - start;
    return failed;
}

/* ---- the runs of a rank ---- */

static int run_once(const fv_subject *m, const fv_run_options *o, fv_log *log, double *ms) {
    double start = fv_now_ms();
    int status = fv_artifact_run(m->artifact, m->data.inputs, m->data.outputs, o, log);
    *ms = fv_now_ms() - start;
    return status;
}

/* The number of runs that take --seconds, by the slowest rank: all ranks must agree. 0: the
 * exchange of the times failed. */
static int agree(const parts_bench *b, const fv_communicator *c, double ms) {
    const double most = 100000;
    double *all = calloc(c->ranks, sizeof *all), slowest = 1e-3;
    int failed = !all || c->all_gather(c->user, &ms, all, sizeof ms);
    for (size_t r = 0; r < c->ranks && !failed; r++)
        slowest = all[r] > slowest ? all[r] : slowest;
    free(all);
    double n = 1e3 * b->c->args->bench.seconds / slowest;
    return failed ? 0 : n < 1 ? 1 : (int)(n > most ? most : n);
}

/* Sets the times of a rank in n runs. ms has room for 2 n numbers. */
static int time_each(const fv_subject *m, counted_rank *r, int n, const fv_run_options *o,
                     fv_log *log, double *ms) {
    double *exchanging = ms + n;
    int status = FV_OK;
    for (int i = 0; i < n && !status; i++) {
        double before = r->times.exchanging;
        status = run_once(m, o, log, &ms[i]);
        exchanging[i] = r->times.exchanging - before;
        r->times.total += ms[i];
    }
    if (!status) {
        fv_summary s = fv_summarise(ms, n);
        r->times.median = s.median;
        r->times.least = s.min;
        r->times.exchange_median = fv_summarise(exchanging, n).median;
    }
    return status;
}

static int time_runs(const fv_subject *m, counted_rank *r, int n, const fv_run_options *o,
                     fv_log *log) {
    double *ms = calloc((size_t)n, 2 * sizeof *ms);
    r->times = (rank_times){.runs = n};
    memset(r->sent, 0, r->inner->ranks * sizeof *r->sent);
    int status = ms ? time_each(m, r, n, o, log, ms) : FV_NO_MEMORY;
    free(ms);
    return status;
}

/* Runs a rank three times, of which the last time says how long a run takes, and then for the time
 * of the measurement. */
static int measure_rank(void *user, int rank, const fv_run_options *given, fv_log *log) {
    enum { WARM = 3 };
    parts_bench *b = user;
    counted_rank *r = &b->ranks[rank];
    const fv_subject *m = &b->parts.all[rank];
    fv_env env = *given->env;
    fv_run_options o = *given;
    double ms = 0;
    int status = FV_OK;
    r->inner = env.communicator;
    r->counting = *r->inner;
    r->counting.user = r;
    r->counting.all_gather = all_gather;
    r->counting.all_to_all = all_to_all;
    r->counting.send = send_one;
    r->counting.receive = receive_one;
    r->counting.group_all_gather = group_all_gather;
    r->counting.start = r->inner->start ? start : NULL;
    r->counting.wait = r->inner->wait ? wait_for_first : NULL;
    env.communicator = &r->counting;
    o.env = &env;
    for (int i = 0; i < WARM && !status; i++)
        status = run_once(m, &o, log, &ms);
    int n = status ? 0 : agree(b, r->inner, ms);
    return status ? status : n ? time_runs(m, r, n, &o, log) : FV_BAD_COMMUNICATOR;
}

/* ---- results ---- */

/* Gets the bytes that the other processes have sent, and should have sent, to each rank. */
static bool collect_links(parts_bench *b, const fv_communicator *world) {
    fv_parts *p = &b->parts;
    size_t n = world->ranks, bytes = n * sizeof(int64_t);
    int64_t *sent = FV_NEW(b->c->arena, int64_t, n *n),
            *expected = FV_NEW(b->c->arena, int64_t, n *n);
    const counted_rank *here = &b->ranks[p->here];
    if (p->list.stages == 1)
        return true;
    if (world->all_gather(world->user, here->sent, sent, bytes) ||
        world->all_gather(world->user, here->expected, expected, bytes)) {
        p->has_run = false;
        return fv_error(b->c->session, "%s", fv_processes_error(p->processes));
    }
    for (size_t r = 0; r < n; r++) {
        b->ranks[r].sent = sent + r * n;
        b->ranks[r].expected = expected + r * n;
    }
    return true;
}

/* Gets the measurements of the other processes. */
static bool collect(parts_bench *b) {
    fv_parts *p = &b->parts;
    const fv_communicator *world = p->processes ? fv_processes_communicator(p->processes) : NULL;
    if (!world)
        return true;
    rank_times *all = FV_NEW(b->c->arena, rank_times, world->ranks);
    if (world->all_gather(world->user, &b->ranks[p->here].times, all, sizeof *all)) {
        p->has_run = false;
        return fv_error(b->c->session, "%s", fv_processes_error(p->processes));
    }
    for (int r = 0; r < p->list.ranks; r++)
        b->ranks[r].times = all[r];
    return collect_links(b, world);
}

/* Finds the bytes that the graph of the part says are sent, and compares: all ranks must have sent
 * the same, and no more than that, but passes may have removed exchanges. */
static bool compare(parts_bench *b) {
    fv_parts *p = &b->parts;
    const fv_module *g = fv_subject_graph_as_read(b->c, &p->all[p->here]);
    fv_exchange *list = NULL;
    int n = g ? fv_exchanges_find(b->c->arena, g, &list) : 0;
    const rank_times *first = &b->ranks[0].times;
    b->expected = g ? fv_exchanges_bytes(p->whole.table, p->whole.data.dims, n, list) : -1;
    for (int r = 1; r < p->list.ranks; r++)
        if (b->ranks[r].times.bytes != first->bytes)
            return fv_error(b->c->session,
                            "internal error: rank %d has sent %" PRId64 " bytes to each other rank "
                            "in %" PRId64 " runs, rank 0 %" PRId64,
                            r, b->ranks[r].times.bytes, first->runs, first->bytes);
    return b->expected < 0 || first->bytes <= b->expected * first->runs ||
           fv_error(b->c->session,
                    "internal error: each rank has sent %" PRId64 " bytes to each other rank in "
                    "%" PRId64 " runs, expected at most %" PRId64 " in each",
                    first->bytes, first->runs, b->expected);
}

/* Why it is not known how many bytes a run should send. */
static const char *why_unknown(const parts_bench *b) {
    return fv_subject_is_library(&b->parts.all[b->parts.here])
               ? "; what the graph says is not in a library"
               : "; how often depends on data";
}

/* ---- stages ---- */

/* Finds the bytes that the graph of a rank says are sent to each rank. */
static void expect_links(parts_bench *b, int rank) {
    fv_parts *p = &b->parts;
    const fv_module *g = fv_subject_graph_as_read(b->c, &p->all[rank]);
    fv_exchange *list = NULL;
    int n = g ? fv_exchanges_find(b->c->arena, g, &list) : 0;
    for (int t = 0; t < p->list.ranks; t++)
        b->ranks[rank].expected[t] =
            t == rank ? 0
            : g       ? fv_exchanges_bytes_to(p->whole.table, p->whole.data.dims, n, list, t)
                      : -1;
}

/* Has each rank sent to each other one what its graph says, or less, as passes may have removed
 * exchanges? */
static bool compare_links(parts_bench *b) {
    const fv_parts *p = &b->parts;
    for (int r = 0; r < p->list.ranks; r++)
        for (int t = 0; t < p->list.ranks; t++) {
            const counted_rank *k = &b->ranks[r];
            if (k->expected[t] >= 0 && k->sent[t] > k->expected[t] * k->times.runs)
                return fv_error(b->c->session,
                                "internal error: rank %d has sent %" PRId64 " bytes to rank %d in "
                                "%" PRId64 " runs, expected at most %" PRId64 " in each",
                                r, k->sent[t], t, k->times.runs, k->expected[t]);
        }
    return true;
}

static double share_of(const rank_times *t) {
    return t->total > 0 ? 100 * t->exchanging / t->total : 0;
}

/* The bytes that rank r sends to rank t in a run. */
static int64_t sent_in_run(const parts_bench *b, int r, int t) {
    return b->ranks[r].times.runs ? b->ranks[r].sent[t] / b->ranks[r].times.runs : 0;
}

static void print_links(const parts_bench *b) {
    fv_arena *a = b->c->arena;
    for (int r = 0; r < b->parts.list.ranks; r++)
        for (int t = 0; t < b->parts.list.ranks; t++) {
            int64_t bytes = sent_in_run(b, r, t), expected = b->ranks[r].expected[t];
            if (bytes)
                fv_out("%-10s rank %d sends %s to rank %d in a run%s\n", "link", r,
                       fv_size_str(a, (uint64_t)bytes), t,
                       expected == bytes ? ", as the graph says"
                       : expected < 0    ? why_unknown(b)
                                         : "; passes have removed exchanges");
        }
}

static void print_exchanges(const parts_bench *b) {
    const fv_parts *p = &b->parts;
    fv_arena *a = b->c->arena;
    const rank_times *first = &b->ranks[0].times;
    uint64_t bytes = (uint64_t)(first->bytes / first->runs);
    fv_out("%-10s %" PRId64 " in a run; a rank sends %s to each other rank, %s in all", "exchanges",
           first->exchanges / first->runs, fv_size_str(a, bytes),
           fv_size_str(a, bytes * (uint64_t)(p->list.ranks - 1)));
    uint64_t removed = b->expected < 0 ? 0 : (uint64_t)b->expected - bytes;
    if (removed)
        fv_out("; passes have removed %s to each other rank\n", fv_size_str(a, removed));
    else
        fv_out("%s\n", b->expected < 0 ? why_unknown(b) : ", as the graph says");
}

static void print_times(const parts_bench *b) {
    const fv_parts *p = &b->parts;
    fv_arena *a = b->c->arena;
    const char *where = fv_dims_str(a, p->whole.table, p->whole.data.dims);
    const rank_times *first = &b->ranks[0].times;
    fv_out("%-10s %d, %s%s%s; %" PRId64 " runs\n", "ranks", p->list.ranks,
           p->processes ? "each a process" : "threads of one process", *where ? "; " : "", where,
           first->runs);
    fv_out("%9s %10s %10s %14s %8s\n", "rank", "median", "least", "in exchanges", "share");
    for (int r = 0; r < p->list.ranks; r++) {
        const rank_times *t = &b->ranks[r].times;
        fv_out("%9d %7.3f ms %7.3f ms %11.3f ms %7.1f%%\n", r, t->median, t->least,
               t->exchange_median, share_of(t));
    }
    if (p->list.stages > 1)
        print_links(b);
    else
        print_exchanges(b);
}

static json_t *links_json(const parts_bench *b) {
    json_t *list = json_array();
    for (int r = 0; r < b->parts.list.ranks; r++)
        for (int t = 0; t < b->parts.list.ranks; t++) {
            int64_t expected = b->ranks[r].expected[t];
            json_t *o = json_object();
            fv_json_set_int(o, "from", r);
            fv_json_set_int(o, "to", t);
            fv_json_set_int(o, "bytes", sent_in_run(b, r, t));
            fv_json_set(o, "predicted_bytes", expected < 0 ? json_null() : json_integer(expected));
            if (b->ranks[r].sent[t] || expected)
                fv_json_append(list, o);
            else
                json_decref(o);
        }
    return list;
}

static json_t *times_json(const parts_bench *b) {
    const fv_parts *p = &b->parts;
    const rank_times *first = &b->ranks[0].times;
    json_t *d = json_object(), *list = json_array();
    fv_json_set_int(d, "ranks", p->list.ranks);
    fv_json_set_bool(d, "processes", p->processes != NULL);
    fv_json_set(d, "dims", fv_json_symbols(p->whole.table, p->whole.data.dims));
    fv_json_set_int(d, "runs", first->runs);
    for (int r = 0; r < p->list.ranks; r++) {
        const rank_times *t = &b->ranks[r].times;
        json_t *o = json_object();
        fv_json_set_int(o, "rank", r);
        fv_json_set(o, "median_ms", fv_json_real(t->median));
        fv_json_set(o, "min_ms", fv_json_real(t->least));
        fv_json_set(o, "exchange_ms", fv_json_real(t->exchange_median));
        fv_json_set(o, "exchange_percent", fv_json_real(share_of(t)));
        fv_json_append(list, o);
    }
    fv_json_set(d, "times", list);
    if (p->list.stages > 1) {
        fv_json_set_int(d, "stages", p->list.stages);
        fv_json_set(d, "links", links_json(b));
        return d;
    }
    fv_json_set_int(d, "exchanges", first->exchanges / first->runs);
    fv_json_set_int(d, "link_bytes", first->bytes / first->runs);
    fv_json_set(d, "predicted_link_bytes",
                b->expected < 0 ? json_null() : json_integer(b->expected));
    return d;
}

/* ---- all ---- */

static bool measure_parts(parts_bench *b, json_t *results) {
    fv_parts *p = &b->parts;
    bool quietly = p->here > 0;
    b->ranks = FV_NEW(b->c->arena, counted_rank, p->list.ranks);
    for (int r = 0; r < p->list.ranks; r++) {
        b->ranks[r].sent = FV_NEW(b->c->arena, int64_t, p->list.ranks);
        b->ranks[r].expected = FV_NEW(b->c->arena, int64_t, p->list.ranks);
    }
    if (!fv_read_inputs(b->c, &p->whole) || !fv_choose_dims(b->c, &p->whole, quietly) ||
        !fv_make_inputs(b->c, &p->whole))
        return false;
    if (!quietly)
        fv_progress_phase(b->c->args, b->folder, "measures %d part%s", p->list.ranks,
                          p->list.ranks == 1 ? "" : "s");
    if (fv_parts_do(b->c, p, measure_rank, b) != FV_OK)
        return false;
    for (int r = 0; r < p->list.ranks && p->list.stages > 1; r++)
        if (!p->processes || r == p->here)
            expect_links(b, r);
    if (!collect(b) || !(p->list.stages > 1 ? compare_links(b) : compare(b)))
        return false;
    if (p->here == 0 && results) {
        json_t *d = times_json(b);
        fv_json_append(results, d);
    } else if (p->here == 0)
        print_times(b);
    return true;
}

int fv_bench_parts(fv_context *c, const char *folder, fv_backend_kind backend, json_t *results) {
    const fv_args *a = c->args;
    parts_bench b = {.c = c, .folder = folder};
    if (a->bench.against || a->bench.profile || a->bench.rounds > 0 || a->threads.n > 1)
        return fv_usage(a,
                        "--against, --profile, --rounds and several numbers of --threads are for "
                        "one model: %s holds the parts of a model",
                        folder);
    if (!fv_parts_options_fit(c))
        return FV_EXIT_USAGE;
    bool open = fv_parts_open(c, folder, backend, fv_subject_open, &b.parts);
    int status = open && measure_parts(&b, results) ? FV_EXIT_OK
                 : fv_error_count(c->session)       ? fv_failed(c)
                                                    : FV_EXIT_USAGE;
    fv_parts_close(c, &b.parts);
    return status;
}
