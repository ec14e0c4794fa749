/* file.c - mapping and writing of files. */
#include "frontend/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ir/base/diag.h"
#include "ir/base/mapping.h"
#include "ir/base/staging.h"

/* ---- reading ---- */

bool fv_file_map(fv_session *s, fv_arena *a, const char *path, fv_file *out) {
    static const uint8_t empty[1];
    const char *why;
    /* O_NONBLOCK: opening a pipe must not block */
    const fv_mapping *m = fv_map_file(s, a, path, O_NONBLOCK, &why);
    if (!m)
        return fv_error(s, "%s", why);
    *out = (fv_file){m->start ? m->start : empty, m->size};
    return true;
}

const char *fv_file_text(fv_session *s, fv_arena *a, const char *path) {
    fv_file f;
    if (!fv_file_map(s, a, path, &f))
        return NULL;
    if (!memchr(f.data, 0, f.size))
        return fv_strndup(a, (const char *)f.data, f.size);
    fv_error(s, "is a text that holds a byte 0");
    return NULL;
}

/* ---- writing ---- */

static bool write_all(int fd, const char *data, size_t size) {
    while (size) {
        ssize_t n = write(fd, data, size < (1u << 30) ? size : (1u << 30));
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return false;
        data += n;
        size -= (size_t)n;
    }
    return true;
}

static bool cannot_write(fv_session *s, const char *path, int error) {
    return fv_error(s, "cannot write '%s': %s", path, strerror(error));
}

/* Returns 0 or an errno; some systems report a full disk when the file is closed. */
static int write_and_close(int fd, const void *data, size_t size) {
    int error = write_all(fd, data, size) ? 0 : errno;
    return close(fd) != 0 && !error ? errno : error;
}

static bool write_directly(fv_session *s, const char *path, const void *data, size_t size) {
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0)
        return cannot_write(s, path, errno);
    int error = write_and_close(fd, data, size);
    return !error || cannot_write(s, path, error);
}

/* Does not use mkstemp, since the permissions of its file ignore the umask. */
static bool write_beside(fv_session *s, fv_arena *a, const char *path, const void *data,
                         size_t size) {
    const char *folder = fv_staging_next_to(a, path),
               *temporary = folder ? fv_printf(a, "%s/file", folder) : NULL;
    int fd = temporary ? open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666) : -1;
    if (fd < 0)
        return cannot_write(s, path, errno);
    int error = write_and_close(fd, data, size);
    if (!error && rename(temporary, path) != 0)
        error = errno;
    return !error || cannot_write(s, path, error);
}

bool fv_file_write(fv_session *s, const char *path, const void *data, size_t size) {
    struct stat st;
    if (stat(path, &st) == 0 && !S_ISREG(st.st_mode))
        return S_ISDIR(st.st_mode) ? cannot_write(s, path, EISDIR)
                                   : write_directly(s, path, data, size);
    fv_arena *a = fv_arena_new(s);
    bool ok = write_beside(s, a, path, data, size);
    fv_arena_free(a);
    return ok;
}

/* ---- names ---- */

const char *fv_path_folder(fv_arena *a, const char *path) {
    const char *slash = strrchr(path, '/');
    if (!slash)
        return ".";
    return slash == path ? "/" : fv_strndup(a, path, (size_t)(slash - path));
}

const char *fv_path_stem(fv_arena *a, const char *path) {
    const char *name = fv_path_name(path);
    const char *dot = strrchr(name, '.');
    return dot && dot != name ? fv_strndup(a, name, (size_t)(dot - name)) : fv_strdup(a, name);
}
