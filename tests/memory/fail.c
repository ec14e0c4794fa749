/* fail.c - see fail.h. */
#include "tests/memory/fail.h"

#include <dirent.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

/* ---- which one fails ---- */

static int64_t count, fails, happened, live;
static bool all_after;

static int64_t add(int64_t *at, int64_t n) {
    return __atomic_add_fetch(at, n, __ATOMIC_SEQ_CST);
}

void fail_at(int64_t nth, bool onwards) {
    count = happened = 0;
    fails = nth;
    all_after = onwards;
}

int64_t fail_count(void) {
    return count;
}

bool fail_happened(void) {
    return happened != 0;
}

int64_t fail_live(void) {
    return live;
}

static bool now_fails(void) {
    int64_t n = add(&count, 1);
    bool it = fails && (n == fails || (all_after && n > fails));
    if (it) {
        add(&happened, 1);
        errno = ENOMEM;
    }
    return it;
}

/* ---- what is there ---- */

enum { SLOTS = 1 << 20 };
static void *there[SLOTS];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static size_t slot_of(const void *p) {
    return (size_t)((uintptr_t)p >> 4) * UINT64_C(0x9e3779b97f4a7c15) >> 44;
}

/* Open addressing; a slot that was left holds an address that nobody has. */
static void *const gone = &count;

static void *note(void *p) {
    if (!p)
        return p;
    pthread_mutex_lock(&lock);
    size_t i = slot_of(p);
    while (there[i] && there[i] != gone)
        i = (i + 1) % SLOTS;
    there[i] = p;
    live++;
    pthread_mutex_unlock(&lock);
    return p;
}

/* What others allocated, and gave us to free, is not known here. */
static void forget(const void *p) {
    if (!p)
        return;
    pthread_mutex_lock(&lock);
    size_t i = slot_of(p);
    while (there[i] && there[i] != p)
        i = (i + 1) % SLOTS;
    if (there[i]) {
        there[i] = gone;
        live--;
    }
    pthread_mutex_unlock(&lock);
}

/* ---- the functions ---- */

void *__real_malloc(size_t n);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *p, size_t n);
void __real_free(void *p);
int __real_posix_memalign(void **p, size_t align, size_t n);
void *__real_aligned_alloc(size_t align, size_t n);
char *__real_strdup(const char *s);
char *__real_realpath(const char *path, char *to);
void *__real_mmap64(void *at, size_t n, int protection, int flags, int fd, off_t offset);
int __real_munmap(void *at, size_t n);
FILE *__real_fopen64(const char *path, const char *mode);
FILE *__real_fdopen(int fd, const char *mode);
int __real_fclose(FILE *f);
int __real_scandir64(const char *path, struct dirent ***list, int (*take)(const struct dirent *),
                     int (*order)(const struct dirent **, const struct dirent **));
DIR *__real_opendir(const char *path);
int __real_closedir(DIR *d);

void *__wrap_malloc(size_t n);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *p, size_t n);
void __wrap_free(void *p);
int __wrap_posix_memalign(void **p, size_t align, size_t n);
void *__wrap_aligned_alloc(size_t align, size_t n);
char *__wrap_strdup(const char *s);
char *__wrap_realpath(const char *path, char *to);
void *__wrap_mmap64(void *at, size_t n, int protection, int flags, int fd, off_t offset);
int __wrap_munmap(void *at, size_t n);
FILE *__wrap_fopen64(const char *path, const char *mode);
FILE *__wrap_fdopen(int fd, const char *mode);
int __wrap_fclose(FILE *f);
int __wrap_scandir64(const char *path, struct dirent ***list, int (*take)(const struct dirent *),
                     int (*order)(const struct dirent **, const struct dirent **));
DIR *__wrap_opendir(const char *path);
int __wrap_closedir(DIR *d);

void *__wrap_malloc(size_t n) {
    return now_fails() ? NULL : note(__real_malloc(n));
}

void *__wrap_calloc(size_t n, size_t size) {
    return now_fails() ? NULL : note(__real_calloc(n, size));
}

void *__wrap_realloc(void *p, size_t n) {
    if (now_fails())
        return NULL;
    forget(p);
    return note(__real_realloc(p, n));
}

void __wrap_free(void *p) {
    forget(p);
    __real_free(p);
}

int __wrap_posix_memalign(void **p, size_t align, size_t n) {
    if (now_fails())
        return ENOMEM;
    int status = __real_posix_memalign(p, align, n);
    if (!status)
        note(*p);
    return status;
}

void *__wrap_aligned_alloc(size_t align, size_t n) {
    return now_fails() ? NULL : note(__real_aligned_alloc(align, n));
}

char *__wrap_strdup(const char *s) {
    return now_fails() ? NULL : note(__real_strdup(s));
}

char *__wrap_realpath(const char *path, char *to) {
    if (!to && now_fails())
        return NULL;
    char *p = __real_realpath(path, to);
    return to ? p : note(p);
}

void *__wrap_mmap64(void *at, size_t n, int protection, int flags, int fd, off_t offset) {
    if (now_fails())
        return MAP_FAILED;
    void *p = __real_mmap64(at, n, protection, flags, fd, offset);
    if (p != MAP_FAILED && !(flags & MAP_FIXED))
        note(p);
    return p;
}

int __wrap_munmap(void *at, size_t n) {
    forget(at);
    return __real_munmap(at, n);
}

FILE *__wrap_fopen64(const char *path, const char *mode) {
    return now_fails() ? NULL : note(__real_fopen64(path, mode));
}

FILE *__wrap_fdopen(int fd, const char *mode) {
    return now_fails() ? NULL : note(__real_fdopen(fd, mode));
}

int __wrap_fclose(FILE *f) {
    forget(f);
    return __real_fclose(f);
}

DIR *__wrap_opendir(const char *path) {
    return now_fails() ? NULL : note(__real_opendir(path));
}

int __wrap_closedir(DIR *d) {
    forget(d);
    return __real_closedir(d);
}

/* What it allocates is the C library's, and is freed by us. */
int __wrap_scandir64(const char *path, struct dirent ***list, int (*take)(const struct dirent *),
                     int (*order)(const struct dirent **, const struct dirent **)) {
    return now_fails() ? -1 : __real_scandir64(path, list, take, order);
}
