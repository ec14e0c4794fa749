/* staging.c - see staging.h. */
#include "ir/base/staging.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define RANDOM "XXXXXX"

typedef struct staging {
    char *path;
    /* the folder, opened when it is created, because removing it must not allocate memory */
    DIR *dir;
    bool made;
} staging;

/* ---- removing ---- */

static void empty(DIR *dir);

/* Removes a folder and what it contains. What a symbolic link leads to stays. */
static void remove_below(int at, const char *name) {
    int fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
    if (dir) {
        empty(dir);
        closedir(dir);
    } else if (fd >= 0)
        close(fd);
    unlinkat(at, name, AT_REMOVEDIR);
}

/* Removes all that the folder contains. */
static void empty(DIR *dir) {
    rewinddir(dir);
    for (struct dirent *e; (e = readdir(dir));)
        if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0 &&
            unlinkat(dirfd(dir), e->d_name, 0) != 0)
            remove_below(dirfd(dir), e->d_name);
}

static void remove_folder(void *arg) {
    staging *s = arg;
    if (s->dir)
        empty(s->dir);
    if (s->made)
        rmdir(s->path);
    if (s->dir)
        closedir(s->dir);
    *s = (staging){.path = s->path};
}

static bool is_ours(const char *name) {
    return !strncmp(name, FV_STAGING, strlen(FV_STAGING)) &&
           strlen(name) == strlen(FV_STAGING RANDOM);
}

/* Removes a folder of this user on which no process holds a lock. On systems without locks nothing
 * is removed. */
static void remove_stale(int at, const char *name) {
    struct stat st;
    int fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    bool stale = fd >= 0 && fstat(fd, &st) == 0 && st.st_uid == geteuid() &&
                 flock(fd, LOCK_EX | LOCK_NB) == 0;
    DIR *dir = stale ? fdopendir(fd) : NULL;
    if (dir) {
        empty(dir);
        unlinkat(at, name, AT_REMOVEDIR);
        closedir(dir);
    } else if (fd >= 0)
        close(fd);
}

static void remove_all_stale(const char *folder) {
    DIR *dir = opendir(folder);
    for (struct dirent *e; dir && (e = readdir(dir));)
        if (is_ours(e->d_name))
            remove_stale(dirfd(dir), e->d_name);
    if (dir)
        closedir(dir);
}

/* ---- making ---- */

/* Locks the folder. False: before this process could lock it, another process took it for a
 * left-over folder and is removing it. */
static bool is_locked(const staging *s) {
    struct stat st;
    if (flock(dirfd(s->dir), LOCK_EX | LOCK_NB) != 0)
        return errno != EWOULDBLOCK;
    return stat(s->path, &st) == 0;
}

static bool make(staging *s) {
    s->made = mkdtemp(s->path) != NULL;
    s->dir = s->made ? opendir(s->path) : NULL;
    return s->dir != NULL;
}

const char *fv_staging_in(fv_arena *a, const char *folder) {
    const char *slash = !*folder || folder[strlen(folder) - 1] == '/' ? "" : "/";
    staging *s = FV_NEW(a, staging, 1);
    s->path = fv_printf(a, "%s%s" FV_STAGING RANDOM, folder, slash);
    fv_arena_at_free(a, remove_folder, s);
    remove_all_stale(*folder ? folder : ".");
    for (int i = 0; i < 100; i++) {
        bool made = make(s), gone = !made && s->made && errno == ENOENT;
        if (made && is_locked(s))
            return s->path;
        if (!made && errno == ENOMEM)
            fv_out_of_memory(fv_arena_session(a));
        if (!made && !gone)
            return NULL;
        remove_folder(s);
        strcpy(s->path + strlen(s->path) - strlen(RANDOM), RANDOM);
    }
    errno = EEXIST;
    return NULL;
}

const char *fv_staging_next_to(fv_arena *a, const char *path) {
    const char *slash = strrchr(path, '/');
    return fv_staging_in(a, slash ? fv_strndup(a, path, (size_t)(slash + 1 - path)) : "");
}

const char *fv_staging_elsewhere(fv_arena *a) {
    const char *tmp = getenv("TMPDIR");
    return fv_staging_in(a, tmp && *tmp ? tmp : "/tmp");
}
