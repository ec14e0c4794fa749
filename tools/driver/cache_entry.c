/* cache_entry.c - an entry of the cache, which is one file:
 *
 *   head     magic number, offsets and checksums of the sections, checksum of the head
 *   weights  from 2 MiB on begin at 2 MiB, so that the system may map them in large pages; each
 *            constant is aligned to 64 bytes and has the layout that kernels read, so that it is
 *            mapped and not copied
 *   about    names and offsets of constants, messages
 *   code     the object that LLVM wrote
 *   text     the program, which is read to explain a failed run or to compute costs
 *
 * Weights are written while LLVM generates the code, one after the other through a buffer if they
 * are not made yet (ir/kernel/constant.h); the head is written last.
 *
 * The checksums of all sections are compared whenever an entry is loaded, except that of weights of
 * more than 4 MiB: these are compared unless the state of the file, to the nanosecond, is the one
 * at the last comparison since the system was started (fv_cache_is_whole). That detects any write
 * to the file, but not a faulty disk or memory. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "backend/expand/expand.h"
#include "backend/llvm/llvm.h"
#include "backend/llvm/load.h"
#include "cache.h"
#include "ir/base/mapping.h"
#include "ir/base/text.h"
#include "ir/kernel/parse.h"
#include "ir/kernel/words.h"
#include "ir/target/lacking.h"
#include "pack.h"

#define MAGIC     "fovea\1m"
#define HUGE_PAGE ((size_t)2 << 20)
/* number of bytes of weights up to which they are compared at each load, which takes a
 * millisecond */
#define ALWAYS_COMPARED ((size_t)4 << 20)
enum { ALIGN = FV_BUFFER_ALIGN, BLOCK = 4 << 20 };
_Static_assert(ALIGN == FV_SIDE_ALIGN, "the text says where constants lie");

typedef enum { WEIGHTS, ABOUT, CODE, TEXT, NSECTIONS } section_kind;

typedef struct section {
    uint64_t offset, bytes;
    fv_digest sum;
} section;

typedef struct head {
    char magic[8];
    uint64_t bytes; /* bytes of the whole file */
    fv_digest key;
    section section[NSECTIONS];
    fv_digest sum; /* checksum of the preceding members */
} head;

static size_t round_up(size_t n, size_t to) {
    return (n + to - 1) / to * to;
}

static fv_digest head_sum(const head *h) {
    return fv_digest_of(h, offsetof(head, sum));
}

/* ---- writing ---- */

typedef struct piece {
    const void *data; /* NULL: make(user, memory) writes the bytes to zeroed memory */
    size_t bytes;
    fv_contents_maker *make;
    void *user;
} piece;

/* The order in which constants are written: first the constants that the program's text stores in
 * its side file, in its order, then those that the text itself contains. */
typedef struct layout {
    const fv_program *program;
    uint64_t *offset; /* offset of each constant within the weights */
    piece *pieces;    /* constants and the padding between them */
    int npieces;
    size_t bytes;
} layout;

/* A constant. If its bytes are not made yet, the entry gets a copy: they are made in their own
 * memory when code generation, which takes place at the same time, needs none any more. */
static piece piece_of(const fv_constant *k) {
    piece p = {.bytes = k->bytes};
    p.make = fv_constant_maker(k, &p.user);
    p.data = p.make ? NULL : fv_constant_data(k);
    return p;
}

static void add_pieces(layout *l, bool in_side) {
    static const char zeros[ALIGN];
    for (int i = 0; i < l->program->memory.nconstants; i++) {
        const fv_constant *k = &l->program->memory.constants[i];
        size_t pad = round_up(k->bytes, ALIGN) - k->bytes;
        if ((k->bytes > FV_INLINE_BYTES) != in_side)
            continue;
        l->offset[i] = l->bytes;
        l->pieces[l->npieces++] = piece_of(k);
        l->pieces[l->npieces++] = (piece){.data = zeros, .bytes = pad};
        l->bytes += k->bytes + pad;
    }
}

static layout lay_out(fv_arena *a, const fv_program *p) {
    layout l = {.program = p,
                .offset = FV_NEW(a, uint64_t, p->memory.nconstants + 1),
                .pieces = FV_NEW(a, piece, 2 * p->memory.nconstants + 1)};
    add_pieces(&l, true);
    add_pieces(&l, false);
    return l;
}

static void put_message(fv_text *t, const fv_message *m, const char *tuning) {
    fv_pack_number(t, m->file && tuning && !strcmp(m->file, tuning));
    fv_pack_number(t, (uint64_t)m->severity);
    fv_pack_number(t, (uint64_t)m->line);
    fv_pack_number(t, (uint64_t)m->column);
    fv_pack_text(t, m->node);
    fv_pack_text(t, m->op);
    fv_pack_text(t, m->text);
}

static bool is_about_cache(const fv_cache_item *item, const fv_message *m) {
    return m->file && !strcmp(m->file, item->folder);
}

static void put_messages(fv_text *t, fv_session *s, const fv_cache_item *item) {
    const fv_message *m = item->before ? item->before->next : fv_messages(s);
    fv_text all = {.arena = t->arena};
    uint64_t n = 0;
    for (; m; m = m->next)
        if (!is_about_cache(item, m)) {
            put_message(&all, m, item->tuning);
            n++;
        }
    fv_pack_number(t, (uint64_t)item->nread);
    fv_pack_number(t, n);
    fv_text_putn(t, all.s, all.n);
}

static void put_about(fv_text *t, fv_session *s, const fv_cache_item *item, const layout *l) {
    fv_pack_text(t, l->program->name);
    fv_pack_number(t, (uint64_t)l->program->memory.nconstants);
    for (int i = 0; i < l->program->memory.nconstants; i++)
        fv_pack_number(t, l->offset[i]);
    put_messages(t, s, item);
}

static bool write_at(int fd, const void *data, size_t n, uint64_t offset) {
    const char *p = data;
    while (n) {
        ssize_t done = pwrite(fd, p, n, (off_t)offset);
        if (done < 0 && errno != EINTR)
            return false;
        if (done > 0) {
            p += done;
            offset += (uint64_t)done;
            n -= (size_t)done;
        }
    }
    return true;
}

/* ---- writing weights, on a thread of its own ---- */

struct fv_cache_writing {
    fv_arena *arena;
    /* used only for its list of mappings, which does not change while the thread writes */
    fv_session *session;
    layout l;
    int fd;
    const char *temporary;
    uint64_t offset;
    llvm_blake3_hasher hasher;
    int error; /* errno of a failed write; 0: none */
    atomic_bool stop;
    bool threaded;
    pthread_t thread;
};

/* Writes bytes. Pages of the model's file are dropped from memory after they were copied. */
static bool write_bytes(fv_cache_writing *w, const piece *p, uint64_t offset) {
    const char *at = p->data;
    bool ok = true;
    for (size_t left = p->bytes, n; left && ok && !w->stop; at += n, offset += n, left -= n) {
        n = left < BLOCK ? left : BLOCK;
        ok = write_at(w->fd, at, n, offset);
        llvm_blake3_hasher_update(&w->hasher, at, n);
        if (p->bytes >= BLOCK)
            fv_mapping_drop(w->session, at, n);
    }
    return ok;
}

/* Writes a constant. False, with errno: that failed, or there is no memory to make it. */
static bool write_piece(fv_cache_writing *w, const piece *p, uint64_t offset) {
    if (!p->make)
        return write_bytes(w, p, offset);
    piece made = {.data = calloc(1, p->bytes + 1), .bytes = p->bytes};
    if (!made.data)
        return false;
    p->make(p->user, (void *)(uintptr_t)made.data);
    bool ok = write_bytes(w, &made, offset);
    const int error = errno;
    free((void *)(uintptr_t)made.data);
    errno = error;
    return ok;
}

/* Reserves the space on the disk before writing, so that a full disk is noticed early. False: there
 * is not enough. If the file system cannot reserve space, an error occurs when writing. */
static bool reserve(const fv_cache_writing *w) {
    return !w->l.bytes || fallocate(w->fd, 0, (off_t)w->offset, (off_t)w->l.bytes) == 0 ||
           errno != ENOSPC;
}

static void *write_weights(void *arg) {
    fv_cache_writing *w = arg;
    uint64_t offset = w->offset;
    bool ok = reserve(w);
    for (int i = 0; i < w->l.npieces && ok && !w->stop; i++) {
        ok = write_piece(w, &w->l.pieces[i], offset);
        offset += w->l.pieces[i].bytes;
    }
    w->error = ok ? 0 : errno;
    return NULL;
}

static void await_weights(fv_cache_writing *w) {
    if (w->threaded)
        pthread_join(w->thread, NULL);
    w->threaded = false;
}

/* Removes the temporary file of an entry that was not finished. */
static void give_up(void *arg) {
    fv_cache_writing *w = arg;
    w->stop = true;
    await_weights(w);
    if (w->fd < 0)
        return;
    close(w->fd);
    unlink(w->temporary);
    w->fd = -1;
}

/* Begins an entry. Its arena is created after that of the program, so it is freed first. */
fv_cache_writing *fv_cache_begin(fv_cache *c, const fv_program *p) {
    fv_arena *a = fv_arena_new(c->session);
    fv_cache_writing *w = FV_NEW(a, fv_cache_writing, 1);
    w->arena = a;
    w->session = c->session;
    w->l = lay_out(a, p);
    w->offset = w->l.bytes >= HUGE_PAGE ? HUGE_PAGE : round_up(sizeof(head), ALIGN);
    w->fd = -1;
    if (w->l.bytes > c->limit) {
        fv_cache_warn(c, "a compiled model of %zu kB is not kept; FOVEA_CACHE_SIZE sets the limit",
                      w->l.bytes / 1000);
        return NULL;
    }
    llvm_blake3_hasher_init(&w->hasher);
    fv_arena_at_free(a, give_up, w);
    w->fd = fv_cache_create(c, &w->temporary);
    if (w->fd < 0) {
        fv_cache_warn(c, "cannot keep what was compiled: %s", strerror(errno));
        return NULL;
    }
    w->threaded = w->l.bytes >= BLOCK && pthread_create(&w->thread, NULL, write_weights, w) == 0;
    if (!w->threaded)
        write_weights(w);
    return w;
}

void fv_cache_end(fv_cache_writing *w) {
    if (w)
        fv_arena_free(w->arena);
}

/* ---- and the rest ---- */

static void place_sections(head *h, const fv_cache_writing *w, const piece small[NSECTIONS]) {
    size_t at = w->offset + w->l.bytes;
    h->section[WEIGHTS] = (section){.offset = w->offset, .bytes = w->l.bytes};
    for (int i = WEIGHTS + 1; i < NSECTIONS; i++) {
        at = round_up(at, ALIGN);
        h->section[i] = (section){at, small[i].bytes, fv_digest_of(small[i].data, small[i].bytes)};
        at += small[i].bytes;
    }
    h->bytes = at;
}

static bool write_rest(fv_cache_writing *w, head *h, const piece small[NSECTIONS]) {
    bool ok = true;
    for (int i = WEIGHTS + 1; i < NSECTIONS && ok; i++)
        ok = write_at(w->fd, small[i].data, small[i].bytes, h->section[i].offset);
    llvm_blake3_hasher_finalize(&w->hasher, h->section[WEIGHTS].sum.byte, sizeof(fv_digest));
    h->sum = head_sum(h);
    return ok && write_at(w->fd, h, sizeof *h, 0);
}

/* Renames the finished file and reads its state afterwards, since renaming changes the state. */
static bool finish(fv_cache_writing *w, const char *path, struct stat *state) {
    int fd = w->fd;
    if (rename(w->temporary, path))
        return false;
    w->fd = -1;
    bool ok = fstat(fd, state) == 0;
    if (close(fd) == 0 && ok)
        return true;
    int error = errno;
    unlink(path);
    errno = error;
    return false;
}

/* Records that the entry was used, and, for large weights, that its content is correct while its
 * file is in this state. */
static void note(fv_cache *c, const fv_digest *key, const head *h, const struct stat *state) {
    if (h->section[WEIGHTS].bytes > ALWAYS_COMPARED)
        fv_cache_note_whole(c, key, state);
    else
        fv_cache_note_use(c, key);
}

bool fv_cache_store(fv_cache *c, fv_cache_writing *w, const fv_digest *key,
                    const fv_cache_item *item) {
    fv_text about = {.arena = c->arena};
    head h = {.magic = MAGIC, .key = *key};
    struct stat state;
    put_about(&about, c->session, item, &w->l);
    const piece small[NSECTIONS] = {[ABOUT] = {.data = about.s, .bytes = about.n},
                                    [CODE] = {.data = item->object, .bytes = item->object_bytes},
                                    [TEXT] = {.data = item->text, .bytes = strlen(item->text) + 1}};
    const char *path = fv_cache_path(c, key, ".model");
    place_sections(&h, w, small);
    await_weights(w);
    /* if a file has changed, the weights may be a mixture of old and new ones: no entry is made */
    if (!fv_cache_unchanged(item->files))
        return false;
    errno = w->error;
    if (w->error || !write_rest(w, &h, small) || !finish(w, path, &state))
        return fv_cache_warn(c, "cannot keep what was compiled: %s", strerror(errno));
    note(c, key, &h, &state);
    fv_cache_trim(c, (uint64_t)state.st_blocks * 512, path);
    return true;
}

/* ---- loading ---- */

/* The data of an artifact from the cache. Its arena belongs to the session, in which the file is
 * mapped. */
typedef struct loaded {
    fv_jit *jit;
    fv_arena *arena;
    const char *text;
    const void *weights;
    size_t weights_bytes;
    fv_unpack after; /* position from which the messages are read */
} loaded;

typedef struct about {
    const char *name;
    const void **constants;
    int nconstants;
} about;

static void destroy(fv_artifact *a) {
    loaded *l = a->ctx;
    fv_jit_free(l->jit);
    fv_arena_free(l->arena);
}

/* Sets the origins of the text's launches from the artifact's table. The text does not have them,
 * because equal kernels of several nodes are shared. */
static void name_launches(fv_block *b, const fv_model *m) {
    for (fv_stmt *s = b->first; s; s = s->next) {
        name_launches(&s->body, m);
        name_launches(&s->other, m);
        if (s->kind != FV_S_LAUNCH || s->call.number >= m->nlaunches)
            continue;
        s->note.text = m->launches[s->call.number].nodes;
        s->note.indexes = m->launches[s->call.number].indexes;
    }
}

fv_program *fv_cache_program(const fv_artifact *a) {
    const loaded *l = a->ctx;
    if (a->destroy != destroy)
        return NULL;
    fv_program *p = fv_program_parse_over(l->arena, l->text, l->weights, l->weights_bytes);
    if (p)
        name_launches(&p->host.body, a->model);
    return p;
}

/* Explains why a run failed. The program's text is parsed only now. */
static void explain(fv_artifact *a, int status, const fv_array *inputs, fv_log *log) {
    const loaded *l = a->ctx;
    fv_session *s = fv_arena_session(l->arena);
    fv_door door;
    if (FV_DOOR_OPEN(s, &door))
        return;
    if (!a->program && (a->program = fv_cache_program(a)))
        fv_program_expand(a->program);
    fv_door_close(s, &door);
    if (a->program)
        fv_driver_explain(a, status, inputs, log);
}

static bool section_is(const char *file, const section *s) {
    fv_digest sum = fv_digest_of(file + s->offset, s->bytes);
    return fv_digest_equal(&sum, &s->sum);
}

/* The head of the entry, if the checksums of the head and of all sections but the weights are
 * correct; NULL otherwise. */
static const head *check_head(const fv_mapping *m, const fv_digest *key) {
    const head *h = m->start;
    if (m->size < sizeof *h || memcmp(h->magic, MAGIC, sizeof h->magic) || h->bytes != m->size)
        return NULL;
    fv_digest sum = head_sum(h);
    if (!fv_digest_equal(&sum, &h->sum) || !fv_digest_equal(&h->key, key))
        return NULL;
    for (int i = WEIGHTS + 1; i < NSECTIONS; i++)
        if (!section_is(m->start, &h->section[i]))
            return NULL;
    return h;
}

static bool check_weights(fv_cache *c, const fv_mapping *m, const head *h, const fv_digest *key) {
    const section *w = &h->section[WEIGHTS];
    if (w->bytes >= HUGE_PAGE)
        madvise((char *)(uintptr_t)m->start + w->offset, w->bytes, MADV_HUGEPAGE);
    if (w->bytes > ALWAYS_COMPARED && fv_cache_is_whole(c, key, &m->stat)) {
        fv_cache_note_use(c, key);
        return true;
    }
    if (!section_is(m->start, w))
        return false;
    note(c, key, h, &m->stat);
    return true;
}

static void say(fv_session *s, const fv_message *m, const char *format, ...) {
    va_list args;
    va_start(args, format);
    fv_say(s, m, format, args);
    va_end(args);
}

/* Reports the messages of the compilation again, except those that reading the model has already
 * reported. */
static void say_again(fv_session *s, fv_unpack after, bool read, const char *tuning) {
    const char *model = fv_diag_file_get(s);
    fv_unpack *u = &after;
    uint64_t nread = fv_unpack_number(u);
    uint64_t n = fv_unpack_number(u);
    for (uint64_t i = 0; i < n && !u->bad; i++) {
        fv_message m = {0};
        bool of_tuning = fv_unpack_number(u);
        m.severity = (fv_severity)fv_unpack_number(u);
        m.line = (int)fv_unpack_number(u);
        m.column = (int)fv_unpack_number(u);
        m.node = fv_unpack_text(u);
        m.op = fv_unpack_text(u);
        const char *text = fv_unpack_text(u);
        fv_diag_file(s, of_tuning ? tuning : model);
        if (text && (!read || i >= nread))
            say(s, &m, "%s", text);
    }
    fv_diag_file(s, model);
}

static about read_about(fv_unpack *u, const char *weights) {
    about b;
    b.name = fv_unpack_text(u);
    b.nconstants = (int)fv_unpack_number(u);
    b.constants = FV_NEW(u->arena, const void *, b.nconstants + 1);
    for (int i = 0; i < b.nconstants; i++)
        b.constants[i] = weights + fv_unpack_number(u);
    return b;
}

/* Makes the artifact; NULL after a diagnostic. */
static fv_artifact *make_artifact(fv_cache *c, fv_arena *a, const fv_mapping *m, const head *h) {
    const char *file = m->start;
    const section *s = h->section;
    loaded *l = FV_NEW(a, loaded, 1);
    fv_unpack u = {a, file + s[ABOUT].offset, file + s[ABOUT].offset + s[ABOUT].bytes, false};
    about b = read_about(&u, file + s[WEIGHTS].offset);
    fv_jit *jit = fv_jit_load(c->session, b.name, file + s[CODE].offset, s[CODE].bytes, b.constants,
                              b.nconstants);
    if (!jit)
        return NULL;
    fv_artifact *artifact = fv_artifact_new(fv_jit_model(jit));
    if (!artifact) {
        fv_jit_free(jit);
        fv_out_of_memory(c->session);
    }
    *l = (loaded){jit, a, file + s[TEXT].offset, file + s[WEIGHTS].offset, s[WEIGHTS].bytes, u};
    artifact->ctx = l;
    artifact->destroy = destroy;
    artifact->explain = explain;
    return artifact;
}

static fv_artifact *load(fv_cache *c, fv_arena *a, const fv_digest *key) {
    const char *name = fv_cache_path(c, key, ".model");
    const fv_mapping *m = fv_cache_map(c, a, name);
    const head *h = m ? check_head(m, key) : NULL;
    if (h && check_weights(c, m, h, key))
        return make_artifact(c, a, m, h);
    if (m) {
        fv_cache_warn(c, "an entry was damaged; the model is compiled again");
        unlink(name);
    }
    return NULL;
}

fv_artifact *fv_cache_load(fv_cache *c, const fv_digest *key, bool read) {
    fv_arena *a = fv_arena_new(c->session);
    char refused[FV_FEATURES_TEXT];
    fv_artifact *volatile artifact = load(c, a, key);
    if (!artifact) {
        fv_arena_free(a);
        return NULL;
    }
    if (*fv_artifact_lacking(artifact, refused, sizeof refused)) {
        fv_artifact_free(artifact);
        return NULL;
    }
    fv_door door;
    if (FV_DOOR_OPEN(c->session, &door)) {
        fv_artifact_free(artifact);
        fv_out_of_memory(c->session);
    }
    say_again(c->session, ((const loaded *)artifact->ctx)->after, read, c->tuning);
    fv_door_close(c->session, &door);
    return artifact;
}
