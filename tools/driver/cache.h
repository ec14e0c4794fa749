/* cache.h - compiled models on disk, so that the next process need not compile them. Private to the
 * driver: compile.c asks.
 *
 *   KEY.model   object code, weights as they are used, text of the program     cache_entry.c
 *   KEY.state   KEY.model as the system sees it since its content was last     cache_entry.c
 *               compared; its age tells the last use
 *   NAME.path   for a path and options: the files of the model as the system   cache_record.c
 *               saw them, and the KEY of what they were compiled to
 *
 * A key is a hash of all that the result depends on: this build of the compiler, target, options,
 * and the content of the model's files (cache_key.c). Nothing here is trusted that another user
 * could have written, or whose checksum does not hold. A cache that does not work is a cache that
 * is not there: the user is warned where he named its folder, and the model is compiled. */
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
    fv_arena *arena; /* scratch of one compilation */
    const char *folder;
    bool named; /* FOVEA_CACHE_DIR says so: what is wrong with it is worth a warning */
    bool warned;
    uint64_t limit;        /* bytes of all entries together */
    const char *tuning;    /* path, as it is given now; NULL: none */
    fv_digest base;        /* of compiler, target and options */
    struct timespec begun; /* before a byte of the model was read */
} fv_cache;

/* ---- the folder: cache_folder.c ---- */

/* NULL: there is none, or none that can be used. */
fv_cache *fv_cache_open(fv_session *s, fv_arena *a);
/* Says once why the cache is of no use. Returns false. */
bool fv_cache_warn(fv_cache *c, const char *format, ...) __attribute__((format(printf, 2, 3)));
const char *fv_cache_path(const fv_cache *c, const fv_digest *name, const char *suffix);
/* Maps a file of the cache, if it is there and nobody else could have written it. NULL without a
 * word. */
const fv_mapping *fv_cache_map(fv_cache *c, fv_arena *a, const char *path);
/* A new file under a temporary name, open for writing; -1 with errno. */
int fv_cache_create(fv_cache *c, const char **name);
/* Writes a small file as a whole, or not: what it tells can be found out again. */
void fv_cache_put(fv_cache *c, const char *path, const fv_text *content);
/* Keeps the cache within its limit, now that an entry of so many bytes has come. */
void fv_cache_trim(fv_cache *c, uint64_t bytes, const char *newest);
void fv_cache_note_use(fv_cache *c, const fv_digest *key);

/* ---- what a result depends on: cache_key.c ---- */

/* False: this compilation must not be cached. */
bool fv_cache_set_base(fv_cache *c, const char *path, const fv_driver_options *o,
                       char level) FV_MUST_USE;

/* ---- what a path leads to: cache_record.c ---- */

/* The files of a model. */
typedef struct fv_model_files {
    const fv_mapping **file; /* in the order in which they were opened */
    int n;
    /* they were at rest before they were read: any change would show in their state */
    bool settled;
    fv_digest content;
} fv_model_files;

/* The key of what the files at this path were compiled to, if they are what they were. */
bool fv_cache_recall(fv_cache *c, const char *path, fv_digest *key) FV_MUST_USE;
/* Before the model is read: waits where its file was written so recently that its state would not
 * tell of another change. */
void fv_cache_settle(fv_cache *c, const char *path);
/* The files that were mapped after `before`, and the hash of what they hold. `first` has been
 * hashing the model's own. False: they change. */
bool fv_cache_files(fv_cache *c, const fv_mapping *before, fv_hashing *first,
                    fv_model_files *out) FV_MUST_USE;
/* Are they still what they were? */
bool fv_cache_unchanged(const fv_model_files *f) FV_MUST_USE;
void fv_cache_remember(fv_cache *c, const char *path, const fv_model_files *f,
                       const fv_digest *key);
fv_digest fv_cache_key(const fv_cache *c, const fv_digest *content);

/* Is the content of an entry in this state known to be whole? */
bool fv_cache_is_whole(fv_cache *c, const fv_digest *key, const struct stat *entry) FV_MUST_USE;
/* It is, at this moment. */
void fv_cache_note_whole(fv_cache *c, const fv_digest *key, const struct stat *entry);

/* ---- entries: cache_entry.c ---- */

/* What is kept besides the weights. */
typedef struct fv_cache_item {
    /* nothing is kept where they are no longer what they were; NULL: there are none */
    const fv_model_files *files;
    const char *text; /* of the program before it was expanded */
    const void *object;
    size_t object_bytes;
    const fv_message *before; /* the last message that is not about this model; NULL: none */
    int nread;                /* how many were said while it was read */
    const char *folder;       /* of the cache: its warnings are not of the model */
    const char *tuning;       /* path that messages may speak of; NULL: there is none */
} fv_cache_item;

/* An entry is begun when there is a program: its weights are written while the caller makes the
 * code. Until fv_cache_store the program's constants must stay, and no file may be mapped or
 * unmapped. What has not been stored at fv_cache_end, or when the session is freed, leaves nothing
 * behind. NULL: it cannot be kept. */
typedef struct fv_cache_writing fv_cache_writing;
fv_cache_writing *fv_cache_begin(fv_cache *c, const fv_program *p);
void fv_cache_end(fv_cache_writing *w); /* NULL is allowed */
bool fv_cache_store(fv_cache *c, fv_cache_writing *w, const fv_digest *key,
                    const fv_cache_item *item) FV_MUST_USE;
/* NULL: it is not there, or damaged. Says what was said when it was compiled; `read`: the model has
 * been read, and what that had to say been said. */
fv_artifact *fv_cache_load(fv_cache *c, const fv_digest *key, bool read);
/* fv_driver_program. */
fv_program *fv_cache_program(const fv_artifact *a);

#endif
