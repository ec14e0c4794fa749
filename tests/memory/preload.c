/* preload.c - LD_PRELOAD for the command: allocation number FAIL_AT fails, and with FAIL_ON all
 * later ones. Allocations of LLVM and of the C++ library succeed, because these end the process
 * without memory. Writes "1" to the file FAIL_REPORT if an allocation failed. */
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

extern void *__libc_malloc(size_t n);
extern void *__libc_calloc(size_t n, size_t size);
extern void *__libc_realloc(void *p, size_t n);
extern void *__libc_memalign(size_t align, size_t n);

static long fails, count, happened;
static int onwards;

/* Addresses of code, and whether its allocations may fail. */
static struct range {
    uintptr_t start, end;
    int spared;
} ranges[256];
static int nranges;

static int note_library(struct dl_phdr_info *info, size_t size, void *arg) {
    static const char *const names[] = {"libLLVM", "libstdc++", "libgcc", "ld-linux",
                                        "libz3",   "libxml2",   "libicu"};
    int spared = 0;
    (void)size;
    (void)arg;
    for (unsigned i = 0; i < sizeof names / sizeof *names; i++)
        spared |= strstr(info->dlpi_name, names[i]) != NULL;
    for (int i = 0; i < info->dlpi_phnum && nranges < 256; i++) {
        const ElfW(Phdr) *p = &info->dlpi_phdr[i];
        uintptr_t start = (uintptr_t)(info->dlpi_addr + p->p_vaddr);
        if (p->p_type == PT_LOAD && (p->p_flags & PF_X))
            ranges[nranges++] = (struct range){start, start + (uintptr_t)p->p_memsz, spared};
    }
    return 0;
}

static const struct range *range_of(const void *caller) {
    for (int i = 0; i < nranges; i++)
        if ((uintptr_t)caller >= ranges[i].start && (uintptr_t)caller < ranges[i].end)
            return &ranges[i];
    return NULL;
}

/* Libraries that were loaded since the start, as LLVM's is when code is made, are found when they
 * allocate. */
static int is_spared(const void *caller) {
    const struct range *r = range_of(caller);
    if (!r) {
        nranges = 0;
        dl_iterate_phdr(note_library, NULL);
        r = range_of(caller);
    }
    return r && r->spared;
}

static int now_fails(const void *caller) {
    if (!fails || is_spared(caller))
        return 0;
    long n = __atomic_add_fetch(&count, 1, __ATOMIC_SEQ_CST);
    if (n != fails && !(onwards && n > fails))
        return 0;
    happened = 1;
    errno = ENOMEM;
    return 1;
}

#define CALLER __builtin_return_address(0)

void *malloc(size_t n) {
    return now_fails(CALLER) ? NULL : __libc_malloc(n);
}

void *calloc(size_t n, size_t size) {
    return now_fails(CALLER) ? NULL : __libc_calloc(n, size);
}

void *realloc(void *p, size_t n) {
    return n && now_fails(CALLER) ? NULL : __libc_realloc(p, n);
}

void *aligned_alloc(size_t align, size_t n) {
    return now_fails(CALLER) ? NULL : __libc_memalign(align, n);
}

int posix_memalign(void **p, size_t align, size_t n) {
    if (now_fails(CALLER))
        return ENOMEM;
    void *got = __libc_memalign(align, n);
    if (got)
        *p = got;
    return got ? 0 : ENOMEM;
}

/* The child of posix_spawn and of fork is another program soon: it is not meant. */
__attribute__((constructor)) static void begin(void) {
    const char *at = getenv("FAIL_AT"), *on = getenv("FAIL_ON");
    unsetenv("LD_PRELOAD");
    dl_iterate_phdr(note_library, NULL);
    onwards = on && *on == '1';
    fails = at ? atol(at) : 0;
}

__attribute__((destructor)) static void end(void) {
    const char *report = getenv("FAIL_REPORT");
    fails = 0;
    int fd = report ? open(report, O_WRONLY | O_CREAT | O_TRUNC, 0666) : -1;
    if (fd >= 0) {
        ssize_t ignored = write(fd, happened ? "1" : "0", 1);
        (void)ignored;
        close(fd);
    }
}
