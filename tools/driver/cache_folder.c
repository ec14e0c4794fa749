/* cache_folder.c - the folder of the cache: its path, the permissions that it must have, the limit
 * of its size. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cache.h"
#include "folder.h"
#include "ir/base/diag.h"
#include "ir/base/mapping.h"
#include "ir/base/text.h"
#include "pack.h"

#define DEFAULT_LIMIT ((uint64_t)5 << 30)
/* the size of the folder is computed whenever files of 1/16 of the limit have been added */
enum { STEPS = 16 };
/* age in seconds after which a temporary file is regarded as left over by an ended process */
#define STALE_SECONDS 3600

/* Is this the name of a file of the cache? The folder may contain other files. */
static bool is_ours(const char *name, const char *suffix) {
    size_t n = strspn(name, "0123456789abcdef");
    return n == FV_DIGEST_NAME && !strcmp(name + n, suffix);
}

#define TEMPORARY "fovea-"
static bool is_temporary(const char *name) {
    size_t n = strlen(TEMPORARY);
    return !strncmp(name, TEMPORARY, n) &&
           !strcmp(name + n + strspn(name + n, "0123456789abcdef-"), ".tmp");
}

static bool say(fv_cache *c, fv_severity severity, const char *format, va_list args) {
    const char *file = fv_diag_file_get(c->session);
    fv_diag_file(c->session, c->folder);
    fv_say(c->session, &(fv_message){.severity = severity}, format, args);
    fv_diag_file(c->session, file);
    return false;
}

bool fv_cache_warn(fv_cache *c, const char *format, ...) {
    va_list args;
    if (!c->named || c->warned)
        return false;
    c->warned = true;
    va_start(args, format);
    say(c, FV_WARNING, format, args);
    va_end(args);
    return false;
}

static bool note(fv_cache *c, const char *format, ...) {
    va_list args;
    va_start(args, format);
    say(c, FV_NOTE, format, args);
    va_end(args);
    return false;
}

/* ---- where ---- */

static const char *environment(const char *name) {
    const char *v = secure_getenv(name);
    return v && *v ? v : NULL;
}

/* Parses a size such as "512M". */
static bool read_size(const char *text, uint64_t *out) {
    static const char units[] = "KMGT";
    char *end;
    errno = 0;
    unsigned long long n = strtoull(text, &end, 10);
    const char *unit = *end ? strchr(units, *end & ~0x20) : NULL;
    int shift = unit ? 10 * (int)(unit - units + 1) : 0;
    if (end == text || *text == '-' || errno || (*end && (!unit || end[1])) ||
        n > UINT64_MAX >> shift)
        return false;
    *out = (uint64_t)n << shift;
    return true;
}

static void find_limit(fv_cache *c) {
    const char *text = environment("FOVEA_CACHE_SIZE");
    c->limit = DEFAULT_LIMIT;
    if (text && !read_size(text, &c->limit))
        fv_warning(c->session, "FOVEA_CACHE_SIZE='%s' is no size such as 500M or 5G and is ignored",
                   text);
}

/* ---- whose ---- */

static bool is_private(const struct stat *st) {
    return st->st_uid == geteuid() && !(st->st_mode & (S_IWGRP | S_IWOTH));
}

/* The first folder above that of the cache, going upwards, in which another user could replace the
 * cache folder: it belongs to a user other than this one and root, or others may write to it
 * (unless its sticky bit protects files of others). NULL: there is none. */
static const char *open_parent(fv_arena *a, const char *folder) {
    char real[PATH_MAX];
    struct stat st;
    if (!realpath(folder, real))
        return folder;
    for (char *slash; (slash = strrchr(real, '/'));) {
        slash[slash == real] = 0; /* if the parent is the root folder, its slash is kept */
        bool trusted = stat(real, &st) == 0 && (st.st_uid == geteuid() || st.st_uid == 0);
        if (!trusted || ((st.st_mode & (S_IWGRP | S_IWOTH)) && !(st.st_mode & S_ISVTX)))
            return fv_strdup(a, real);
        if (slash == real)
            break;
    }
    return NULL;
}

/* Checks the folders above that of the cache. A problem is reported as a note if the user did not
 * name the folder, because compiling takes longer then. */
static bool check_parents(fv_cache *c) {
    const char *open = open_parent(c->arena, c->folder);
    if (!open)
        return true;
    const char *what = "models are compiled without a cache: others may write to the folder '%s' "
                       "above; chmod go-w helps";
    return c->named ? fv_cache_warn(c, what, open) : note(c, what, open);
}

static bool check_folder(fv_cache *c) {
    struct stat st;
    if (stat(c->folder, &st) && (!fv_make_folders(c->arena, c->folder) || stat(c->folder, &st)))
        return fv_cache_warn(c,
                             "models are compiled without a cache: the folder cannot be made: %s",
                             strerror(errno));
    if (!S_ISDIR(st.st_mode))
        return fv_cache_warn(c, "models are compiled without a cache: this is no folder");
    if (st.st_uid != geteuid())
        return fv_cache_warn(
            c, "models are compiled without a cache: the folder belongs to another user");
    if (!is_private(&st))
        return fv_cache_warn(c, "models are compiled without a cache: others may write to the "
                                "folder; chmod go-w helps");
    return check_parents(c);
}

fv_cache *fv_cache_open(fv_session *s, fv_arena *a) {
    const char *given = secure_getenv("FOVEA_CACHE_DIR");
    if ((given && !*given) || fv_llvm_missing())
        return NULL;
    fv_cache *c = FV_NEW(a, fv_cache, 1);
    *c = (fv_cache){.session = s,
                    .arena = a,
                    .named = given != NULL,
                    .folder = given ? given : fv_user_folder(a, "XDG_CACHE_HOME", ".cache")};
    if (!c->folder || !check_folder(c))
        return NULL;
    find_limit(c);
    return c->limit ? c : NULL;
}

/* ---- files ---- */

const char *fv_cache_path(const fv_cache *c, const fv_digest *name, const char *suffix) {
    return fv_printf(c->arena, "%s/%s%s", c->folder, fv_digest_name(c->arena, name), suffix);
}

const fv_mapping *fv_cache_map(fv_cache *c, fv_arena *a, const char *path) {
    const char *why;
    const fv_mapping *m = fv_map_file(c->session, a, path, O_NOFOLLOW | O_NONBLOCK, &why);
    return m && m->start && is_private(&m->stat) ? m : NULL;
}

int fv_cache_create(fv_cache *c, const char **name) {
    static const int flags = O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;
    struct timespec now;
    for (int i = 0; i < 100; i++) {
        /* other threads of this process may use the cache, too */
        clock_gettime(CLOCK_MONOTONIC, &now);
        *name = fv_printf(c->arena, "%s/" TEMPORARY "%ld-%lx-%lx.tmp", c->folder, (long)getpid(),
                          (long)now.tv_nsec, (unsigned long)pthread_self());
        int fd = open(*name, flags, 0600);
        if (fd >= 0 || errno != EEXIST)
            return fd;
    }
    return -1;
}

void fv_cache_put(fv_cache *c, const char *path, const fv_text *content) {
    const char *temporary;
    int fd = fv_cache_create(c, &temporary);
    if (fd < 0)
        return;
    bool ok = write(fd, content->s, content->n) == (ssize_t)content->n;
    if (close(fd) || !ok || rename(temporary, path))
        unlink(temporary);
}

void fv_cache_note_use(fv_cache *c, const fv_digest *key) {
    const char *path = fv_cache_path(c, key, ".state");
    if (utimensat(AT_FDCWD, path, NULL, AT_SYMLINK_NOFOLLOW) && errno == ENOENT)
        fv_cache_put(c, path, &(fv_text){.s = ""});
}

/* ---- the size of the folder: least recently used entries are removed first ---- */

typedef struct entry {
    const char *path;
    uint64_t bytes;
    struct timespec used;
} entry;

static int by_use(const void *a, const void *b) {
    const struct timespec x = ((const entry *)a)->used, y = ((const entry *)b)->used;
    return x.tv_sec != y.tv_sec ? (x.tv_sec > y.tv_sec) - (x.tv_sec < y.tv_sec)
                                : (x.tv_nsec > y.tv_nsec) - (x.tv_nsec < y.tv_nsec);
}

/* The path "x/KEY.state" that belongs to the entry "x/KEY.model". */
static const char *state_of(fv_arena *a, const char *path) {
    return fv_printf(a, "%.*s.state", (int)(strlen(path) - strlen(".model")), path);
}

static entry look_at(fv_arena *a, const char *path) {
    struct stat st, state;
    entry e = {.path = path};
    if (lstat(path, &st))
        return e;
    bool used = lstat(state_of(a, path), &state) == 0;
    e.bytes = (uint64_t)st.st_blocks * 512;
    e.used = used ? state.st_mtim : st.st_mtim;
    return e;
}

static void remove_stale(const char *path) {
    struct stat st;
    if (lstat(path, &st) == 0 && time(NULL) - st.st_mtime > STALE_SECONDS)
        unlink(path);
}

/* Removes a record whose entry does not exist any more. */
static void remove_orphan(fv_cache *c, fv_arena *a, const char *path) {
    const fv_mapping *m = fv_cache_map(c, a, path);
    fv_digest key;
    if (!m || m->size < sizeof key)
        return;
    memcpy(&key, m->start, sizeof key);
    if (access(fv_cache_path(c, &key, ".model"), F_OK) && errno == ENOENT)
        unlink(path);
}

typedef enum { ENTRIES, LEFTOVERS } what;

/* Lists entries, or removes temporary files that ended processes left over, and records without an
 * entry. The names are read before memory is allocated, because a jump to the door would leave the
 * directory open. */
static int list(fv_cache *c, fv_arena *a, what w, entry **out) {
    struct dirent **names;
    int n = scandir(c->folder, &names, NULL, NULL), found = 0;
    fv_text all = {.arena = a};
    fv_door door;
    *out = NULL;
    if (n < 0)
        return 0;
    bool lost = FV_DOOR_OPEN(c->session, &door);
    for (int i = 0; i < n && !lost; i++)
        fv_text_putn(&all, names[i]->d_name, strlen(names[i]->d_name) + 1);
    for (int i = 0; i < n; i++)
        free(names[i]);
    free(names);
    if (lost)
        fv_out_of_memory(c->session);
    fv_door_close(c->session, &door);
    *out = FV_NEW(a, entry, n + 1);
    for (const char *name = all.s; name && name < all.s + all.n; name += strlen(name) + 1) {
        const char *path = fv_printf(a, "%s/%s", c->folder, name);
        if (w == ENTRIES && is_ours(name, ".model"))
            (*out)[found++] = look_at(a, path);
        else if (w == LEFTOVERS && is_temporary(name))
            remove_stale(path);
        else if (w == LEFTOVERS && is_ours(name, ".path"))
            remove_orphan(c, a, path);
    }
    return found;
}

static void evict(fv_cache *c, const char *newest) {
    fv_arena *a = fv_arena_new(c->session);
    entry *all;
    uint64_t bytes = 0;
    int n = list(c, a, ENTRIES, &all);
    qsort(all, (size_t)n, sizeof *all, by_use);
    for (int i = 0; i < n; i++)
        bytes += all[i].bytes;
    for (int i = 0; i < n && bytes > c->limit - c->limit / STEPS; i++)
        if (strcmp(all[i].path, newest)) {
            unlink(all[i].path);
            unlink(state_of(a, all[i].path));
            bytes -= all[i].bytes;
        }
    list(c, a, LEFTOVERS, &all);
    fv_arena_free(a);
}

/* Keeps the size of the cache within its limit. A file in the folder stores the number of bytes
 * that were added since the size was last computed. If another process is using that file, that
 * process does the work. */
void fv_cache_trim(fv_cache *c, uint64_t bytes, const char *newest) {
    uint64_t count = 0;
    int fd = open(fv_printf(c->arena, "%s/fovea-count", c->folder),
                  O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0)
        return;
    bool ours = flock(fd, LOCK_EX | LOCK_NB) == 0;
    bool known = ours && pread(fd, &count, sizeof count, 0) == sizeof count;
    bool full = !known || count > c->limit || count + bytes > c->limit / STEPS;
    count = full ? 0 : count + bytes;
    if (ours && pwrite(fd, &count, sizeof count, 0) != sizeof count)
        full = true;
    close(fd);
    if (ours && full)
        evict(c, newest);
}
