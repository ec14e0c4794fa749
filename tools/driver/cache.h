/* cache.h - compiled models on disk, so that a later process need not compile them again. Private
 * to the driver; compile.c uses it.
 *
 *   KEY.model   object code, weights in the layout of the kernels, text of the       cache_entry.c
 *               program
 *   KEY.state   the state of the file KEY.model when its content was last compared   cache_entry.c
 *               with its checksums; the age of this file is the time since the last
 *               use
 *   NAME.path   for a path and options: the states of the model's files, and the     cache_record.c
 *               KEY of the entry that was compiled from them
 *
 * A key is a hash of all that the result depends on: this build of the compiler, target, options,
 * and the content of the model's files (cache_key.c). A file is ignored if another user could have
 * written it, or if its checksum is wrong. If the cache cannot be used, the model is compiled as
 * without a cache, with a warning if the user named the cache folder. */
#ifndef FV_DRIVER_CACHE_H
#define FV_DRIVER_CACHE_H

#include <time.h>

#include "digest.h"
#include "driver.h"
#include "ir/base/diag.h"
#include "ir/base/mapping.h"
#include "ir/base/text.h"
#include "ir/kernel/program.h"

typedef struct fv_cache {
    fv_session *session;
    fv_arena *arena; /* memory that is freed after this compilation */
    const char *folder;
    /* whether FOVEA_CACHE_DIR names the folder, so that a problem with it is reported as a
     * warning */
    bool named;
    bool warned;
    uint64_t limit;        /* limit of the bytes of all entries together */
    const char *tuning;    /* the path of --tuning as the user gave it; NULL: none */
    fv_digest base;        /* hash of the compiler, target and options */
    struct timespec begun; /* time before the first byte of the model was read */
} fv_cache;

/* ---- the folder: cache_folder.c ---- */

/* Opens the cache; NULL: there is none, or it cannot be used, as without LLVM. */
fv_cache *fv_cache_open(fv_session *s, fv_arena *a);
/* If the user named the folder: warns, once, why the cache cannot be used. Returns false. */
bool fv_cache_warn(fv_cache *c, const char *format, ...) __attribute__((format(printf, 2, 3)));
const char *fv_cache_path(const fv_cache *c, const fv_digest *name, const char *suffix);
/* Maps a file of the cache. NULL, without a message: it does not exist, is empty, or another user
 * could have written it. */
const fv_mapping *fv_cache_map(fv_cache *c, fv_arena *a, const char *path);
/* Creates a file with a temporary name, open for writing; -1 with errno. */
int fv_cache_create(fv_cache *c, const char **name);
/* Writes a small file completely or not at all. No error is reported, since its content can be
 * computed again. */
void fv_cache_put(fv_cache *c, const char *path, const fv_text *content);
/* Called after an entry of `bytes` bytes, the file `newest`, was added: removes the entries that
 * were not used for the longest time if the cache exceeds its limit. */
void fv_cache_trim(fv_cache *c, uint64_t bytes, const char *newest);
void fv_cache_note_use(fv_cache *c, const fv_digest *key);

/* ---- what a result depends on: cache_key.c ---- */

/* Sets c->base, the digest of everything but the model's files that the result depends on: options,
 * target, versions. Returns false if this compilation must not be cached. */
bool fv_cache_set_base(fv_cache *c, const char *path, const fv_driver_options *o,
                       char level) FV_MUST_USE;

/* ---- what a path leads to: cache_record.c ---- */

/* The files of a model. */
typedef struct fv_model_files {
    const fv_mapping **file; /* in the order in which they were opened */
    int n;
    /* whether the files had not been changed for some time before they were read, so that any
     * change since then shows in their state */
    bool settled;
    fv_digest content;
} fv_model_files;

/* Finds the key under which the model at this path was compiled last, if its files have not changed
 * since. */
bool fv_cache_recall(fv_cache *c, const char *path, fv_digest *key) FV_MUST_USE;
/* Called before the model is read, and notes the time. If the file was written just now, waits
 * until a further change would show in its state; not on file systems with coarse times, where
 * that would take long. */
void fv_cache_settle(fv_cache *c, const char *path);
/* Collects the files that were mapped after `before`, with a hash of their content. `first` is
 * hashing the model's own file; NULL: the model is in memory. False: a file changes meanwhile. */
bool fv_cache_files(fv_cache *c, const fv_mapping *before, fv_hashing *first,
                    fv_model_files *out) FV_MUST_USE;
/* Are the states of all files the same as when they were read, and had the files not been changed
 * for some time before? */
bool fv_cache_unchanged(const fv_model_files *f) FV_MUST_USE;
void fv_cache_remember(fv_cache *c, const char *path, const fv_model_files *f,
                       const fv_digest *key);
fv_digest fv_cache_key(const fv_cache *c, const fv_digest *content);

/* Was the content of the entry compared with its checksums while the entry's file was in this
 * state? */
bool fv_cache_is_whole(fv_cache *c, const fv_digest *key, const struct stat *entry) FV_MUST_USE;
/* Records that the content of the entry was correct while its file was in this state. */
void fv_cache_note_whole(fv_cache *c, const fv_digest *key, const struct stat *entry);

/* ---- entries: cache_entry.c ---- */

/* The parts of an entry besides weights and code. */
typedef struct fv_cache_item {
    const fv_model_files *files; /* the entry is not stored if these files have changed */
    const char *text;            /* the text of the program before it is expanded */
    const void *object;
    size_t object_bytes;
    /* the last message that was reported before this model was read; NULL: none */
    const fv_message *before;
    int nread;          /* number of messages that were reported while the model was read */
    const char *folder; /* folder of the cache: warnings about it are not stored with the model */
    /* the path of the tuning file, which messages may name; NULL: there is none */
    const char *tuning;
} fv_cache_item;

/* Begins an entry as soon as there is a program; its weights are written while the caller generates
 * code. Until fv_cache_store the program's constants must exist, and no file may be mapped or
 * unmapped. An entry that was not stored when fv_cache_end is called, or when the session is freed,
 * is removed. NULL: its weights exceed the limit of the cache, or its file cannot be created. */
typedef struct fv_cache_writing fv_cache_writing;
fv_cache_writing *fv_cache_begin(fv_cache *c, const fv_program *p);
void fv_cache_end(fv_cache_writing *w); /* does nothing if w is NULL */
bool fv_cache_store(fv_cache *c, fv_cache_writing *w, const fv_digest *key,
                    const fv_cache_item *item) FV_MUST_USE;
/* Loads an entry; NULL: it does not exist, is damaged, or uses registers that the system refuses
 * this process. Reports the messages of its compilation
 * again. `read`: the model has been read in this process, so the messages of reading it are left
 * out. */
fv_artifact *fv_cache_load(fv_cache *c, const fv_digest *key, bool read);
/* see fv_driver_program */
fv_program *fv_cache_program(const fv_artifact *a);

#endif
