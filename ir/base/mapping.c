/* mapping.c - see mapping.h. */
#include "ir/base/mapping.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ir/base/ptrmap.h"
#include "ir/base/session.h"

static void unmap(void *arg) {
    fv_mapping *m = arg;
    if (!m->start)
        return;
    munmap((void *)m->start, m->size);
    fv_mapping **at = &m->session->mappings;
    while (*at != m)
        at = &(*at)->next;
    *at = m->next;
}

enum { NOT_REGULAR = -1, TOO_LARGE = -2 };

/* Maps the open file; returns 0, an errno, NOT_REGULAR or TOO_LARGE. It must not allocate: a jump
 * to the door would leave the descriptor open. */
static int map(fv_mapping *m, int fd) {
    const struct stat *st = &m->stat;
    if (fstat(fd, &m->stat) != 0)
        return errno;
    if (!S_ISREG(st->st_mode))
        return NOT_REGULAR;
    if ((uint64_t)st->st_size > SIZE_MAX / 2)
        return TOO_LARGE;
    if (st->st_size == 0)
        return 0;
    void *start = mmap(NULL, (size_t)st->st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (start == MAP_FAILED)
        return errno;
    m->start = start;
    m->size = (size_t)st->st_size;
    m->next = m->session->mappings;
    m->session->mappings = m;
    return 0;
}

/* ---- what was read ---- */

typedef struct read_file {
    dev_t device;
    ino_t number;
    struct read_file *next;
} read_file;

/* The list of the session. */
static read_file **files_read(fv_session *s) {
    static const char key;
    return (read_file **)fv_session_slot(s, &key);
}

static bool is_among(const read_file *f, const struct stat *st) {
    while (f && (f->device != st->st_dev || f->number != st->st_ino))
        f = f->next;
    return f != NULL;
}

void fv_file_note_read(fv_session *s, const struct stat *st) {
    if (is_among(*files_read(s), st))
        return;
    if (!s->own)
        s->own = fv_arena_new(s);
    read_file *f = FV_NEW(s->own, read_file, 1);
    read_file **list = files_read(s);
    *f = (read_file){st->st_dev, st->st_ino, *list};
    *list = f;
}

bool fv_file_is_read(fv_session *s, const char *path) {
    struct stat st;
    return stat(path, &st) == 0 && is_among(*files_read(s), &st);
}

/* ---- mapping ---- */

const fv_mapping *fv_map_file(fv_session *s, fv_arena *a, const char *path, int flags,
                              const char **why) {
    /* allocate before the file is opened: a jump to the door would leave it open */
    fv_mapping *m = FV_NEW(a, fv_mapping, 1);
    m->session = s;
    m->path = fv_strdup(a, path);
    fv_arena_at_free(a, unmap, m);
    /* O_NONBLOCK, because opening a pipe (which is refused afterwards) would block */
    int fd = open(path, flags | O_RDONLY | O_CLOEXEC | O_NONBLOCK),
        error = fd < 0 ? errno : map(m, fd);
    if (fd >= 0)
        close(fd);
    if (error == 0) {
        fv_file_note_read(s, &m->stat);
        return m;
    }
    *why = fv_printf(a, "cannot %s '%s': %s", fd < 0 ? "open" : "read", path,
                     error == NOT_REGULAR ? "not a regular file"
                     : error == TOO_LARGE ? "it is too large for this machine"
                                          : strerror(error));
    return NULL;
}

const fv_mapping *fv_mappings(const fv_session *s) {
    return s->mappings;
}

void fv_mapping_rename(fv_session *s, const void *start, const char *name) {
    for (fv_mapping *m = s->mappings; m; m = m->next)
        if (m->start == start)
            m->path = name;
}

void fv_mapping_drop(fv_session *s, const void *start, size_t size) {
    const uintptr_t at = (uintptr_t)start, end = at + size, page = (uintptr_t)sysconf(_SC_PAGESIZE);
    for (const fv_mapping *m = s->mappings; m; m = m->next) {
        uintptr_t first = (uintptr_t)m->start;
        if (at < first || end > first + m->size)
            continue;
        uintptr_t from = (at + page - 1) / page * page, to = end / page * page;
        if (from < to)
            madvise((void *)from, to - from, MADV_DONTNEED);
        return;
    }
}

void fv_mapping_drop_file(const fv_mapping *m) {
    madvise((void *)m->start, m->size, MADV_DONTNEED);
}

void fv_mappings_drop(fv_session *s, const fv_mapping *before) {
    for (const fv_mapping *m = s->mappings; m && m != before; m = m->next)
        fv_mapping_drop_file(m);
}

const fv_mapping *fv_mapping_of(const fv_session *s, const void *at) {
    const uintptr_t address = (uintptr_t)at;
    const fv_mapping *m = s->mappings;
    while (m && (address < (uintptr_t)m->start || address >= (uintptr_t)m->start + m->size))
        m = m->next;
    return m;
}

const char *fv_path_name(const char *path) {
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}
