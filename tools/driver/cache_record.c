/* cache_record.c - records which files the model at a path consists of, and the key under which it
 * was compiled.
 *
 * Reading a large model only to find that it has not changed takes longer than loading the compiled
 * one. Files are therefore identified by their state: device, inode, size, and the times of the
 * last change of content and inode; programs cannot set the latter. Only a change within the same
 * tick of the clock would remain unnoticed, so a record is made only if the file had not changed
 * for a tick before it was read. */
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "cache.h"
#include "ir/base/mapping.h"
#include "ir/base/text.h"
#include "pack.h"

/* ---- the state of a file ---- */

typedef struct state {
    int64_t number[7];
} state;

static state state_of(const struct stat *st) {
    return (state){{(int64_t)st->st_dev, (int64_t)st->st_ino, st->st_size, st->st_mtim.tv_sec,
                    st->st_mtim.tv_nsec, st->st_ctim.tv_sec, st->st_ctim.tv_nsec}};
}

static void put_state(fv_text *t, const struct stat *st) {
    state s = state_of(st);
    for (size_t i = 0; i < sizeof s.number / sizeof *s.number; i++)
        fv_pack_number(t, (uint64_t)s.number[i]);
}

static bool same_state(const struct stat *x, const struct stat *y) {
    state a = state_of(x), b = state_of(y);
    return !memcmp(&a, &b, sizeof a);
}

/* Reads the recorded state of a file. Is it equal to the state st? */
static bool take_state(fv_unpack *u, const struct stat *st) {
    fv_text t = {.arena = u->arena};
    put_state(&t, st);
    const char *at = fv_unpack_raw(u, t.n);
    return at && !memcmp(at, t.s, t.n);
}

/* ---- at rest ---- */

/* in nanoseconds. TICK_NS: twice the longest resolution of file times on the file systems of
 * is_fine; COARSE_NS: the coarsest resolution of other file systems, such as FAT */
#define TICK_NS   20000000
#define COARSE_NS 2000000000

/* Is the file on a local file system whose times have the resolution of this machine's clock? */
static bool is_fine(const char *path, const struct stat *st) {
    static const unsigned long local[] = {0xEF53 /* magic number of ext4 */,
                                          0x58465342 /* magic number of xfs */,
                                          0x9123683E /* magic number of btrfs */,
                                          0x01021994 /* magic number of tmpfs */,
                                          0x794C7630 /* magic number of overlayfs */,
                                          0xF2F52010 /* magic number of f2fs */,
                                          0x2FC12FC1 /* magic number of zfs */};
    struct statfs fs;
    if (st->st_ctim.tv_nsec % 1000000 == 0 || statfs(path, &fs))
        return false;
    for (size_t i = 0; i < sizeof local / sizeof *local; i++)
        if ((unsigned long)fs.f_type == local[i])
            return true;
    return false;
}

/* Nanoseconds from the last change of the inode until `now`, limited to 60 seconds. */
static int64_t age(const struct stat *st, struct timespec now) {
    int64_t s = now.tv_sec - st->st_ctim.tv_sec;
    s = s > 60 ? 60 : s < -60 ? -60 : s;
    return s * 1000000000 + (now.tv_nsec - st->st_ctim.tv_nsec);
}

static bool at_rest(const char *path, const struct stat *st, struct timespec since) {
    return age(st, since) >= (is_fine(path, st) ? TICK_NS : COARSE_NS);
}

void fv_cache_settle(fv_cache *c, const char *path) {
    struct stat st;
    clock_gettime(CLOCK_REALTIME, &c->begun);
    if (stat(path, &st) || !is_fine(path, &st))
        return;
    int64_t left = TICK_NS - age(&st, c->begun);
    if (left > 0 && left <= TICK_NS) {
        nanosleep(&(struct timespec){.tv_nsec = left}, NULL);
        clock_gettime(CLOCK_REALTIME, &c->begun);
    }
}

/* ---- the files of a model ---- */

static void find_files(fv_arena *a, fv_session *s, const fv_mapping *before, fv_model_files *out) {
    int n = 0;
    for (const fv_mapping *m = fv_mappings(s); m && m != before; m = m->next)
        n++;
    *out = (fv_model_files){.file = FV_NEW(a, const fv_mapping *, n + 1), .n = n};
    for (const fv_mapping *m = fv_mappings(s); m && m != before; m = m->next)
        out->file[--n] = m;
}

bool fv_cache_files(fv_cache *c, const fv_mapping *before, fv_hashing *first, fv_model_files *out) {
    fv_text t = {.arena = c->arena};
    find_files(c->arena, c->session, before, out);
    out->settled = true;
    for (int i = 0; i < out->n; i++) {
        const fv_mapping *m = out->file[i];
        fv_digest d;
        struct stat st;
        fv_hashing *h = i == 0 && first ? first : fv_hash_file(c->arena, m->path);
        if (!fv_hash_wait(h, &d, &st) || !same_state(&st, &m->stat))
            return false;
        fv_pack_bytes(&t, &d, sizeof d);
        out->settled &= at_rest(m->path, &m->stat, c->begun);
    }
    out->content = fv_digest_of(t.s ? t.s : "", t.n);
    return true;
}

bool fv_cache_unchanged(const fv_model_files *f) {
    for (int i = 0; i < f->n; i++) {
        struct stat st;
        if (stat(f->file[i]->path, &st) || !same_state(&st, &f->file[i]->stat))
            return false;
    }
    return f->settled;
}

/* ---- records: the key, the files, a checksum ---- */

/* The path as an absolute path; NULL: there is no current folder. */
static const char *absolute(fv_arena *a, const char *path) {
    char folder[PATH_MAX];
    if (*path == '/')
        return path;
    return getcwd(folder, sizeof folder) ? fv_printf(a, "%s/%s", folder, path) : NULL;
}

static const char *record_path(fv_cache *c, const char *path) {
    const char *full = absolute(c->arena, path);
    fv_text t = {.arena = c->arena};
    if (!full)
        return NULL;
    fv_pack_bytes(&t, &c->base, sizeof c->base);
    fv_pack_text(&t, full);
    fv_digest name = fv_digest_of(t.s, t.n);
    return fv_cache_path(c, &name, ".path");
}

/* Opens a file of the cache that ends with a checksum of its content. False: it does not exist, or
 * is damaged. */
static bool open_record(fv_cache *c, const char *path, fv_unpack *out) {
    const fv_mapping *m = fv_cache_map(c, c->arena, path);
    fv_digest sum;
    if (!m || m->size < sizeof sum)
        return false;
    size_t n = m->size - sizeof sum;
    *out = (fv_unpack){c->arena, m->start, (const char *)m->start + n, false};
    sum = fv_digest_of(m->start, n);
    return !memcmp(&sum, (const char *)m->start + n, sizeof sum);
}

/* Is the next file of the record as it was? The model was read from it once, so nothing may be
 * written over it now. */
static bool is_file(fv_cache *c, fv_unpack *u) {
    const char *path = fv_unpack_text(u);
    struct stat st;
    if (!path || stat(path, &st) || !take_state(u, &st))
        return false;
    fv_file_note_read(c->session, &st);
    return true;
}

bool fv_cache_recall(fv_cache *c, const char *path, fv_digest *key) {
    const char *record = record_path(c, path);
    fv_unpack u;
    if (!record || !open_record(c, record, &u))
        return false;
    const char *k = fv_unpack_raw(&u, sizeof *key);
    uint64_t n = fv_unpack_number(&u);
    for (uint64_t i = 0; i < n; i++)
        if (!is_file(c, &u))
            return false;
    if (!k || !n || u.bad)
        return false;
    memcpy(key, k, sizeof *key);
    return true;
}

static void seal(fv_text *t) {
    fv_digest sum = fv_digest_of(t->s, t->n);
    fv_text_putn(t, (const char *)&sum, sizeof sum);
}

void fv_cache_remember(fv_cache *c, const char *path, const fv_model_files *f,
                       const fv_digest *key) {
    const char *record = record_path(c, path);
    fv_text t = {.arena = c->arena};
    if (!record)
        return;
    fv_text_putn(&t, (const char *)key, sizeof *key);
    fv_pack_number(&t, (uint64_t)f->n);
    for (int i = 0; i < f->n; i++) {
        const char *full = absolute(c->arena, f->file[i]->path);
        if (!full)
            return;
        fv_pack_text(&t, full);
        put_state(&t, &f->file[i]->stat);
    }
    seal(&t);
    fv_cache_put(c, record, &t);
}

/* ---- entries that are known to be whole ---- */

/* Appends an identifier of this start of the system and the state of the entry. The identifier is
 * needed because data written before a crash may not have reached the disk. False: the identifier
 * is not known. */
static bool put_whole(fv_text *t, const struct stat *st) {
    char id[64];
    FILE *f = fopen("/proc/sys/kernel/random/boot_id", "r");
    size_t n = f ? fread(id, 1, sizeof id, f) : 0;
    if (f)
        fclose(f);
    fv_pack_bytes(t, id, n);
    put_state(t, st);
    return n > 0;
}

bool fv_cache_is_whole(fv_cache *c, const fv_digest *key, const struct stat *st) {
    fv_text t = {.arena = c->arena};
    fv_unpack u;
    if (!put_whole(&t, st) || !open_record(c, fv_cache_path(c, key, ".state"), &u))
        return false;
    const char *at = fv_unpack_raw(&u, t.n);
    return at && !memcmp(at, t.s, t.n);
}

/* Records that the entry is correct while its file is in this state. The record must be written at
 * least one tick of the clock after the entry, so that a later change of the entry shows in its
 * state. If the clock of the file system is too coarse, an empty record is written: it only stores
 * the time of the last use, and the next load compares the content again. */
void fv_cache_note_whole(fv_cache *c, const fv_digest *key, const struct stat *st) {
    fv_text t = {.arena = c->arena};
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    int64_t left = TICK_NS - age(st, now);
    bool fine = left <= TICK_NS && is_fine(c->folder, st);
    if (fine && left > 0)
        nanosleep(&(struct timespec){.tv_nsec = left}, NULL);
    fv_text_put(&t, "");
    if ((fine || age(st, now) >= COARSE_NS) && put_whole(&t, st))
        seal(&t);
    else
        t.n = 0;
    fv_cache_put(c, fv_cache_path(c, key, ".state"), &t);
}
