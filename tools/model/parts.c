/* parts.c - folders with the parts of a model, and runs of all of them in this process. */
#include "tools/model/parts.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "frontend/file.h"
#include "runtime/rank_limits.h"
#include "tools/model/checksum.h"

static const char manifest_name[] = "parts.json";

static const char *manifest_in(fv_context *c, const char *folder) {
    return fv_printf(c->arena, "%s/%s", folder, manifest_name);
}

/* ---- the list of parts ---- */

void fv_parts_list(fv_context *c, int ranks, fv_parts_manifest *out) {
    *out = (fv_parts_manifest){.ranks = ranks,
                               .files = FV_NEW(c->arena, const char *, ranks),
                               .bytes = FV_NEW(c->arena, int64_t, ranks),
                               .checksums = FV_NEW(c->arena, uint64_t, ranks)};
    for (int r = 0; r < ranks; r++)
        out->files[r] = fv_printf(c->arena, "rank%d.onnx", r);
}

static const char *part_in(fv_context *c, const char *folder, const fv_parts_manifest *parts,
                           int rank) {
    return fv_printf(c->arena, "%s/%s", folder, parts->files[rank]);
}

static const char *weights_of(fv_context *c, const char *path) {
    return fv_printf(c->arena, "%s.data", path);
}

static bool add_file(fv_context *c, const char *path, int64_t *bytes, uint64_t *sum) {
    fv_arena *a = fv_arena_new(c->session);
    fv_file f;
    bool ok = fv_file_map(c->session, a, path, &f);
    if (ok) {
        *bytes += (int64_t)f.size;
        *sum = fv_checksum(f.data, f.size, *sum);
    }
    fv_arena_free(a);
    return ok;
}

bool fv_parts_measure(fv_context *c, const char *folder, int rank, fv_parts_manifest *parts) {
    const char *path = part_in(c, folder, parts, rank), *weights = weights_of(c, path);
    parts->bytes[rank] = 0;
    parts->checksums[rank] = 0;
    return add_file(c, path, &parts->bytes[rank], &parts->checksums[rank]) &&
           (access(weights, F_OK) != 0 ||
            add_file(c, weights, &parts->bytes[rank], &parts->checksums[rank]));
}

static const char *sum_text(fv_context *c, uint64_t sum) {
    return fv_printf(c->arena, "%016" PRIx64, sum);
}

bool fv_parts_write(fv_context *c, const char *folder, const fv_parts_manifest *parts) {
    json_t *d = json_object(), *list = json_array();
    for (int r = 0; r < parts->ranks; r++)
        json_array_append_new(list, json_pack("{s:s, s:I, s:s}", "file", parts->files[r], "bytes",
                                              (json_int_t)parts->bytes[r], "xxh64",
                                              sum_text(c, parts->checksums[r])));
    json_object_set_new(d, "ranks", json_integer(parts->ranks));
    json_object_set_new(d, "parts", list);
    char *text = json_dumps(d, JSON_INDENT(2));
    if (!text)
        fv_out_of_memory(c->session);
    bool ok = fv_file_write(c->session, manifest_in(c, folder), text, strlen(text));
    free(text);
    json_decref(d);
    return ok;
}

static bool remove_file(fv_context *c, const char *path) {
    return unlink(path) == 0 || errno == ENOENT ||
           fv_error(c->session, "cannot replace '%s': %s", path, strerror(errno));
}

/* Removes a part, if its name is one that fv_parts_list gives. */
static bool remove_part(fv_context *c, const char *folder, const json_t *entry, int rank) {
    const char *file = json_string_value(json_object_get(entry, "file"));
    if (!file || strcmp(file, fv_printf(c->arena, "rank%d.onnx", rank)))
        return true;
    const char *path = fv_printf(c->arena, "%s/%s", folder, file);
    return fv_spares_models(c, "-o ", path) && remove_file(c, path) &&
           remove_file(c, weights_of(c, path));
}

bool fv_parts_forget(fv_context *c, const char *folder) {
    json_t *d = json_load_file(manifest_in(c, folder), 0, NULL);
    const json_t *list = json_object_get(d, "parts"), *entry;
    size_t r;
    bool ok = remove_file(c, manifest_in(c, folder));
    json_array_foreach(list, r, entry) {
        ok = ok && remove_part(c, folder, entry, (int)r);
    }
    json_decref(d);
    return ok;
}

bool fv_parts_are_in(fv_context *c, const char *path) {
    return access(manifest_in(c, path), F_OK) == 0;
}

bool fv_parts_are_not_in(fv_context *c, const char *path) {
    struct stat st;
    if (stat(path, &st) != 0 || !S_ISDIR(st.st_mode))
        return true;
    fv_diag_file(c->session, path);
    return fv_parts_are_in(c, path)
               ? fv_error(c->session,
                          "is a folder with the parts of a model, which `fovea run` runs together; "
                          "here, name one of them, such as %s/rank0.onnx",
                          path)
               : fv_error(c->session,
                          "is a folder without %s: expected a model, or a folder that "
                          "`fovea shard` has written",
                          manifest_name);
}

/* Reads the entry of a rank. A name with a folder is refused: parts are next to the list. */
static bool read_part(fv_context *c, const json_t *entry, int rank, fv_parts_manifest *out) {
    const char *file = json_string_value(json_object_get(entry, "file"));
    const char *sum = json_string_value(json_object_get(entry, "xxh64"));
    const json_t *bytes = json_object_get(entry, "bytes");
    if (!file || !*file || strchr(file, '/') || !json_is_integer(bytes) || !sum)
        return fv_error(c->session,
                        "parts[%d] has no file in this folder, or no bytes, or no xxh64", rank);
    out->files[rank] = fv_printf(c->arena, "%s", file);
    out->bytes[rank] = json_integer_value(bytes);
    out->checksums[rank] = strtoull(sum, NULL, 16);
    return true;
}

static bool read_list(fv_context *c, const json_t *d, fv_parts_manifest *out) {
    const json_t *ranks = json_object_get(d, "ranks"), *list = json_object_get(d, "parts");
    json_int_t n = json_integer_value(ranks);
    if (n < 1 || n > FV_MAX_RANKS || json_array_size(list) != (size_t)n)
        return fv_error(c->session, "expected as many parts as ranks, 1 to %d", FV_MAX_RANKS);
    fv_parts_list(c, (int)n, out);
    for (int r = 0; r < out->ranks; r++)
        if (!read_part(c, json_array_get(list, (size_t)r), r, out))
            return false;
    return true;
}

static bool read_manifest(fv_context *c, const char *folder, fv_parts_manifest *out) {
    json_error_t error;
    fv_diag_file(c->session, manifest_in(c, folder));
    json_t *d = json_load_file(manifest_in(c, folder), 0, &error);
    if (!d)
        return fv_error(c->session, "%s", error.text);
    bool ok = read_list(c, d, out);
    json_decref(d);
    return ok;
}

/* ---- opening ---- */

/* Have the models a and b of two ranks the same inputs and outputs? */
static bool is_alike(const fv_model *a, const fv_model *b) {
    if (a->ninputs != b->ninputs || a->noutputs != b->noutputs)
        return false;
    for (int i = 0; i < a->ninputs + a->noutputs; i++) {
        bool in = i < a->ninputs;
        const fv_port_info *x = in ? &a->inputs[i] : &a->outputs[i - a->ninputs];
        const fv_port_info *y = in ? &b->inputs[i] : &b->outputs[i - b->ninputs];
        if (strcmp(x->name, y->name) || x->type != y->type || x->rank != y->rank)
            return false;
        for (int k = 0; k < x->rank; k++)
            if (strcmp(x->dims[k], y->dims[k]))
                return false;
    }
    return true;
}

static bool is_part(fv_context *c, const char *folder, const fv_parts_manifest *list, int rank) {
    fv_parts_manifest found;
    fv_parts_list(c, list->ranks, &found);
    found.files = list->files;
    const char *path = part_in(c, folder, list, rank);
    if (!fv_parts_measure(c, folder, rank, &found))
        return false;
    if (found.bytes[rank] != list->bytes[rank])
        return fv_error(c->session,
                        "rank %d: '%s' has %" PRId64 " bytes, expected %" PRId64
                        ": it is not the part that was written",
                        rank, path, found.bytes[rank], list->bytes[rank]);
    return found.checksums[rank] == list->checksums[rank] ||
           fv_error(c->session,
                    "rank %d: '%s' has the checksum %s, expected %s: it is not the part that was "
                    "written",
                    rank, path, sum_text(c, found.checksums[rank]),
                    sum_text(c, list->checksums[rank]));
}

static bool open_part(fv_context *c, const char *folder, fv_backend_kind backend,
                      const fv_parts_manifest *list, int rank, fv_parts *out) {
    const char *path = part_in(c, folder, list, rank);
    if (!is_part(c, folder, list, rank) || !fv_subject_open(c, path, backend, &out->all[rank]))
        return false;
    return rank == out->here || is_alike(out->all[0].table, out->all[rank].table) ||
           fv_error(c->session, "rank %d has other inputs or outputs than rank 0", rank);
}

/* Have all processes read a list with the same sizes and checksums? They may read the folder from
 * different disks. */
static bool have_one_list(fv_context *c, const fv_parts_manifest *list, const fv_parts *p) {
    const fv_communicator *world = fv_processes_communicator(p->processes);
    uint64_t mine = 0, *all = FV_NEW(c->arena, uint64_t, world->ranks);
    for (int r = 0; r < list->ranks; r++) {
        mine = fv_checksum(&list->bytes[r], sizeof list->bytes[r], mine);
        mine = fv_checksum(&list->checksums[r], sizeof list->checksums[r], mine);
    }
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
                      const fv_parts_manifest *list, fv_parts *out) {
    const fv_communicator *world = fv_processes_communicator(out->processes);
    if (world->ranks != (size_t)list->ranks)
        return fv_error(c->session, "has parts for %d ranks, and mpirun has started %zu processes",
                        list->ranks, world->ranks);
    if (!have_one_list(c, list, out))
        return false;
    out->here = (int)world->rank;
    out->ranks = list->ranks;
    return open_part(c, folder, backend, list, out->here, out);
}

bool fv_parts_open(fv_context *c, const char *folder, fv_backend_kind backend, fv_parts *out) {
    fv_parts_manifest list;
    *out = (fv_parts){0};
    if (fv_processes_started() &&
        !(out->processes = fv_processes_open(c, c->args->threads.shard.timeout)))
        return false;
    if (!read_manifest(c, folder, &list))
        return false;
    out->all = FV_NEW(c->arena, fv_subject, list.ranks);
    if (out->processes)
        return open_here(c, folder, backend, &list, out);
    for (out->ranks = 0; out->ranks < list.ranks;)
        if (!open_part(c, folder, backend, &list, out->ranks++, out))
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
    int rank, threads, status;
    const volatile int32_t *cancel;
    fv_log *log;
    pthread_t thread;
} rank_run;

static void *run_rank(void *arg) {
    rank_run *r = arg;
    fv_env env = {.size = sizeof env, .communicator = fv_ranks_communicator(r->ranks, r->rank)};
    fv_run_options o = {.size = sizeof o, .threads = r->threads, .cancel = r->cancel, .env = &env};
    const fv_subject *m = &r->parts->all[r->rank];
    r->status =
        fv_artifact_run(m->artifact, r->parts->all[0].data.inputs, m->data.outputs, &o, r->log);
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

static int run_threads(fv_context *c, fv_parts *p) {
    fv_ranks *ranks = fv_ranks_new(p->ranks, c->args->threads.shard.timeout);
    rank_run *all = FV_NEW(c->arena, rank_run, p->ranks);
    int threads = fv_args_threads(c->args) ? fv_args_threads(c->args) : fv_pool_size(NULL);
    if (!ranks)
        fv_out_of_memory(c->session);
    for (int i = 0; i < p->ranks; i++)
        all[i] = (rank_run){.parts = p,
                            .ranks = ranks,
                            .rank = i,
                            .threads = threads > p->ranks ? threads / p->ranks : 1,
                            .cancel = c->cancel,
                            .log = fv_log_new()};
    run_all(all, p->ranks, ranks);
    int status = report(c, all, p->ranks);
    for (int i = 0; i < p->ranks; i++)
        fv_log_free(all[i].log);
    fv_ranks_free(ranks);
    return status;
}

/* Runs the part of this process. */
static int run_here(fv_context *c, fv_parts *p) {
    const fv_subject *m = &p->all[p->here];
    fv_env env = {.size = sizeof env, .communicator = fv_processes_communicator(p->processes)};
    fv_run_options o = {
        .size = sizeof o, .threads = fv_args_threads(c->args), .cancel = c->cancel, .env = &env};
    fv_log *log = fv_log_new();
    int status = fv_artifact_run(m->artifact, m->data.inputs, m->data.outputs, &o, log);
    const char *why = fv_processes_error(p->processes);
    bool ok = status == FV_OK;
    if (status == FV_BAD_COMMUNICATOR && why)
        fv_error(c->session, "%s", why);
    else
        ok = ok || fv_say_log(c, log);
    fv_log_free(log);
    return ok ? FV_OK : status;
}

int fv_parts_run(fv_context *c, fv_parts *p) {
    int status = p->processes ? run_here(c, p) : run_threads(c, p);
    p->has_run = status == FV_OK;
    return status;
}
