/* compile.c - makes an artifact (a model that can be run) of a model file, through the cache on
 * disk.
 *
 * The cache is searched twice: before anything is read, by the states of the files from which the
 * model at this path was compiled; and after the model has been read, by its content. */
#include <string.h>

#include "backend/have.h"
#include "driver.h"
#include "ir/base/clock.h"
#include "ir/base/mapping.h"
#if FV_HAVE_LLVM
#include "cache.h"
#include "ir/base/diag.h"
#include "ir/kernel/program_print.h"
#endif

typedef struct job {
    fv_session *session;
    const char *path;
    const fv_driver_options *o;
    fv_backend_kind backend;
    const fv_driver_watch *watch;
    fv_compiled *out;
    bool in_memory;            /* whether the model was not read from the file at `path` */
    const fv_mapping *earlier; /* the newest file that was mapped before this model was read */
    struct timespec mark;      /* end of the last phase whose time was measured */
    char level;
    const fv_message *before; /* the last message that was reported before this model was read */
    int nread;                /* number of messages that reading the model has reported */
} job;

static int count_messages(const job *j) {
    int n = 0;
    const fv_message *m = j->before ? j->before->next : fv_messages(j->session);
    for (; m; m = m->next)
        n++;
    return n;
}

static bool read_model(job *j) {
    fv_compiled *out = j->out;
    j->before = fv_messages_last(j->session);
    j->earlier = fv_mappings(j->session);
    if (!fv_driver_read(j->session, j->path, j->o, &out->source))
        return false;
    out->read_ms = fv_lap(&j->mark);
    j->nread = count_messages(j);
    if (j->watch && j->watch->read)
        j->watch->read(j->watch->user, &out->source);
    return true;
}

static bool lower_model(job *j) {
    fv_compiled *out = j->out;
    out->program = fv_driver_lower(j->session, &out->source, j->o);
    fv_mappings_drop(j->session, j->earlier); /* weights of which lowering read the elements */
    out->lower_ms = fv_lap(&j->mark);
    if (out->program && j->watch && j->watch->lowered)
        j->watch->lowered(j->watch->user, out->program);
    return out->program != NULL;
}

static bool make_code(job *j) {
    j->out->artifact = fv_driver_artifact(j->session, j->out->program, j->backend, j->level);
    fv_mappings_drop(j->session, j->earlier); /* weights that were copied into panels */
    j->out->code_ms = fv_lap(&j->mark);
    return j->out->artifact != NULL;
}

/* ---- without a cache ---- */

static bool compile(job *j) {
    return read_model(j) && lower_model(j) && make_code(j);
}

/* ---- with one ---- */

#if FV_HAVE_LLVM
static bool is_found(job *j, fv_cache *c, const fv_digest *key, bool read) {
    fv_compiled *out = j->out;
    if (!(out->artifact = fv_cache_load(c, key, read)))
        return false;
    out->cached = true;
    out->code_ms = fv_lap(&j->mark);
    return true;
}

static bool recall(job *j, fv_cache *c) {
    fv_digest key;
    fv_diag_file(j->session, j->path);
    return fv_cache_recall(c, j->path, &key) && is_found(j, c, &key, false);
}

/* Records the model's files and the key of its entry. If memory runs out, nothing is recorded. */
static void remember(job *j, fv_cache *c, const fv_digest *key, const fv_model_files *files) {
    fv_door door;
    if (FV_DOOR_OPEN(j->session, &door))
        return;
    if (fv_cache_unchanged(files))
        fv_cache_remember(c, j->path, files, key);
    fv_door_close(j->session, &door);
}

static void keep(job *j, fv_cache *c, const fv_digest *key, const fv_model_files *files,
                 fv_cache_writing *w, const char *text) {
    fv_cache_item item = {.files = files,
                          .before = j->before,
                          .nread = j->nread,
                          .folder = c->folder,
                          .tuning = c->tuning,
                          .text = text};
    fv_door door;
    if (FV_DOOR_OPEN(j->session, &door))
        return;
    item.object = fv_driver_object(j->out->artifact, &item.object_bytes);
    bool kept = fv_cache_store(c, w, key, &item);
    fv_door_close(j->session, &door);
    if (kept && !j->in_memory)
        remember(j, c, key, files);
}

/* Compiles the model and stores it in the cache. If it cannot be stored, the compilation still
 * succeeds. */
static bool compile_and_keep(job *j, fv_cache *c, const fv_digest *key,
                             const fv_model_files *files) {
    fv_text text = {.arena = c->arena};
    if (!lower_model(j))
        return false;
    fv_program_print(&text, j->out->program);
    fv_cache_writing *w = fv_cache_unchanged(files) ? fv_cache_begin(c, j->out->program) : NULL;
    bool made = make_code(j), is_asked = j->out->program->target == j->o->target.of;
    if (made && is_asked && w && !(j->o->work.script && *j->o->work.script_varies))
        keep(j, c, key, files, w, text.s);
    fv_cache_end(w);
    j->out->keep_ms = fv_lap(&j->mark);
    return made;
}

/* Finds the files that the model was read from, and a hash of its content: of these files and of
 * the bytes in memory. False: a file changes meanwhile, or no file was mapped for a model that is
 * not in memory. */
static bool find_content(const job *j, fv_cache *c, const fv_mapping *before, fv_hashing *first,
                         fv_model_files *out) {
    if (!fv_cache_files(c, before, first, out) || (!j->in_memory && !out->n))
        return false;
    if (j->in_memory) {
        const fv_digest both[2] = {fv_digest_of(j->out->source.bytes, j->out->source.nbytes),
                                   out->content};
        out->content = fv_digest_of(both, sizeof both);
    }
    return true;
}

/* Compiles the model, or loads it from the cache. Only models that were read as graphs or
 * definitions are stored, not texts of kernels. */
static bool compile_through(job *j, fv_cache *c) {
    fv_model_files files;
    fv_digest key;
    if (!j->in_memory && recall(j, c))
        return true;
    fv_cache_settle(c, j->in_memory ? "" : j->path);
    const fv_mapping *before = fv_mappings(j->session);
    fv_hashing *hashing = j->in_memory ? NULL : fv_hash_file(c->arena, j->path);
    if (!read_model(j))
        return false;
    if (!j->out->source.module || !find_content(j, c, before, hashing, &files))
        return lower_model(j) && make_code(j);
    key = fv_cache_key(c, &files.content);
    j->out->read_ms += fv_lap(&j->mark);
    if (!is_found(j, c, &key, true))
        return compile_and_keep(j, c, &key, &files);
    if (!j->in_memory)
        remember(j, c, &key, &files);
    return true;
}

fv_program *fv_driver_program(const fv_artifact *a) {
    return fv_cache_program(a);
}

static bool is_cacheable(const job *j) {
    return j->backend == FV_BACKEND_JIT && fv_target_runs_here(j->o->target.of);
}

static bool compile_any(job *j) {
    fv_arena *a = fv_arena_new(j->session);
    fv_cache *c = is_cacheable(j) ? fv_cache_open(j->session, a) : NULL;
    bool ok =
        c && fv_cache_set_base(c, j->path, j->o, j->level) ? compile_through(j, c) : compile(j);
    fv_arena_free(a);
    return ok;
}
#else
fv_program *fv_driver_program(const fv_artifact *a) {
    (void)a;
    return NULL;
}

static bool compile_any(job *j) {
    return compile(j);
}
#endif

void fv_driver_runs_here(fv_driver_machine *m, fv_backend_kind backend) {
    m->in_process = backend != FV_BACKEND_INTERP;
    m->unaligned = backend == FV_BACKEND_INTERP; /* it reads elements by memcpy */
#if defined(__x86_64__) || defined(__aarch64__)
    m->unaligned = m->unaligned || backend == FV_BACKEND_JIT;
#endif
}

bool fv_driver_compile(fv_session *s, const char *path, const fv_driver_options *o,
                       fv_backend_kind backend, const fv_driver_watch *watch, fv_compiled *out) {
    fv_driver_options here = *o;
    fv_driver_runs_here(&here.target, backend);
    job j = {.session = s,
             .path = path,
             .in_memory = o->bytes || !strcmp(path, "-"),
             .o = &here,
             .backend = backend,
             .watch = watch,
             .out = out,
             .level = o->level ? o->level : '2'};
    *out = (fv_compiled){.source.kind = FV_FILE_ONNX};
    fv_lap(&j.mark);
    return compile_any(&j);
}
