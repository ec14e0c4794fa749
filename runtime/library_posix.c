/* library_posix.c - libraries and files in memory on Linux. A library is checked before it is
 * opened, for damage that would crash the loader. */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "internal.h"
#include "library.h"

/* ---- libraries ---- */

#if defined(__x86_64__)
enum { THIS_MACHINE = EM_X86_64 };
#elif defined(__aarch64__)
enum { THIS_MACHINE = EM_AARCH64 };
#elif defined(__riscv)
enum { THIS_MACHINE = EM_RISCV };
#elif defined(__arm__)
enum { THIS_MACHINE = EM_ARM };
#else
enum { THIS_MACHINE = EM_NONE }; /* other machines are left to the loader's check */
#endif

static int is_inside(FILE *f, const ElfW(Ehdr) * head, int segment, off_t size) {
    ElfW(Phdr) p;
    long at = (long)(head->e_phoff + (size_t)segment * sizeof p);
    return at >= 0 && !fseek(f, at, SEEK_SET) && fread(&p, sizeof p, 1, f) == 1 &&
           (p.p_type != PT_LOAD ||
            (p.p_offset <= (uint64_t)size && p.p_filesz <= (uint64_t)size - p.p_offset));
}

/* What a file is that begins like a library of another system, or like a collection of objects;
 * NULL: it does not. */
static const char *foreign(const unsigned char *head, size_t bytes) {
    static const unsigned char mach_o[] = {0xcf, 0xfa, 0xed, 0xfe};
    static const char archive[] = {'!', '<', 'a', 'r', 'c', 'h', '>', '\n'};
    if (bytes >= 2 && !memcmp(head, "MZ", 2))
        return "it is a library for Windows (.dll)";
    if (bytes >= sizeof mach_o && !memcmp(head, mach_o, sizeof mach_o))
        return "it is a library for macOS (.dylib)";
    if (bytes >= sizeof archive && !memcmp(head, archive, sizeof archive))
        return "it is an archive (.a), which is linked into a program";
    return NULL;
}

/* The machine that an ELF file is for, if it is not this one; NULL: it is this one. */
static const char *other_machine(const ElfW(Ehdr) * head) {
    const unsigned char *ident = head->e_ident;
    if (ident[EI_CLASS] != (sizeof(void *) == 8 ? ELFCLASS64 : ELFCLASS32))
        return ident[EI_CLASS] == ELFCLASS32 ? "it is for a machine of 32 bits"
                                             : "it is for a machine of 64 bits";
    if (head->e_machine == THIS_MACHINE || THIS_MACHINE == EM_NONE)
        return NULL;
    switch (head->e_machine) {
    case EM_X86_64: return "it is for another kind of machine, x86-64";
    case EM_AARCH64: return "it is for another kind of machine, aarch64";
    case EM_RISCV: return "it is for another kind of machine, RISC-V";
    case EM_ARM: return "it is for another kind of machine, Arm of 32 bits";
    default: return "it is for another kind of machine";
    }
}

/* What an ELF file is that is no library; NULL: it is one. */
static const char *other_type(const ElfW(Ehdr) * head) {
    switch (head->e_type) {
    case ET_DYN: return NULL;
    case ET_REL: return "it is an object (.o), which is linked into a program";
    case ET_EXEC: return "it is a program";
    case ET_CORE: return "it is a core dump";
    default: return "it is no library";
    }
}

static const char *fault_of(FILE *f) {
    ElfW(Ehdr) head = {0};
    struct stat st;
    size_t bytes = fread(&head, 1, sizeof head, f);
    if (bytes < SELFMAG || memcmp(head.e_ident, ELFMAG, SELFMAG) || fstat(fileno(f), &st))
        return foreign((const unsigned char *)&head, bytes);
    /* the fields that are read have the same places for 32 and for 64 bits */
    const char *fault = bytes < EI_NIDENT + 4 ? "the file is truncated" : other_machine(&head);
    if (!fault)
        fault = bytes < sizeof head ? "the file is truncated" : other_type(&head);
    for (int i = 0; !fault && head.e_phentsize == sizeof(ElfW(Phdr)) && i < head.e_phnum; i++)
        if (!is_inside(f, &head, i, st.st_size))
            fault = "the file is truncated";
    return fault;
}

const char *fv_library_fault(const char *path) {
    FILE *f = fopen(path, "rb");
    const char *fault = f ? fault_of(f) : NULL;
    if (f)
        fclose(f);
    return fault;
}

char *fv_dl_path(const char *path) {
    return realpath(path, NULL);
}

const char fv_dl_separators[] = "/";

const char *fv_dl_name(const char *full) {
    return strrchr(full, '/') + 1;
}

/* Another path of the file with these properties, to be freed, which no other file has had as long
 * as it exists: the bits of its number and of its device's are written in front of its name as `/`
 * and `./`. NULL: no memory. */
static char *numbered_path(const char *full, const struct stat *st) {
    const uint64_t numbers[] = {st->st_ino, st->st_dev};
    size_t folder = (size_t)(fv_dl_name(full) - full), n = folder;
    char *path = malloc(strlen(full) + 2 * 2 * 64 + 1);
    if (!path)
        return NULL;
    memcpy(path, full, folder);
    for (int i = 0; i < 2; i++)
        for (uint64_t number = numbers[i]; number; number >>= 1) {
            if (number & 1)
                path[n++] = '.';
            path[n++] = '/';
        }
    strcpy(path + n, full + folder);
    return path;
}

static bool is_loaded(const char *full) {
    void *library = dlopen(full, RTLD_LAZY | RTLD_NOLOAD);
    if (library)
        dlclose(library);
    return library != NULL;
}

/* *why: the reason of the loader, without the path, which messages have before it. */
static void *open_path(const char *path, const char **why) {
    size_t n = strlen(path);
    void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!library)
        *why = dlerror();
    if (!library && *why && !strncmp(*why, path, n) && !strncmp(*why + n, ": ", 2))
        *why += n + 2;
    return library;
}

/* Opens the file that has this path now. The loader would return a library that it has loaded from
 * that path before, even if the file was replaced; two paths of one file are one library to it. If
 * the file is replaced between the choice of the path and the opening, both are done again, a few
 * times at most. */
static void *open_present(const char *full, const char **why) {
    enum { TRIES = 4 };
    struct stat before, after;
    for (int i = 1;; i++) {
        if (!is_loaded(full))
            return open_path(full, why);
        if (stat(full, &before)) {
            *why = strerror(errno);
            return NULL;
        }
        char *path = numbered_path(full, &before);
        void *library = path ? open_path(path, why) : NULL;
        free(path);
        bool same =
            !stat(full, &after) && after.st_ino == before.st_ino && after.st_dev == before.st_dev;
        if (!library || same || i == TRIES)
            return library;
        dlclose(library);
    }
}

void *fv_dl_open(const char *full, const char **why) {
    *why = fv_library_fault(full);
    return *why ? NULL : open_present(full, why);
}

void *fv_dl_symbol(void *library, const char *name) {
    return dlsym(library, name);
}

void fv_dl_close(void *library) {
    dlclose(library);
}

/* ---- segments ---- */

typedef struct search {
    uintptr_t base;
    int n;
    fv_segment *segments;
} search;

static int note_segments(struct dl_phdr_info *info, size_t size, void *arg) {
    search *s = arg;
    (void)size;
    if (info->dlpi_addr != s->base)
        return 0;
    for (int i = 0; i < info->dlpi_phnum && s->n < FV_MOST_SEGMENTS; i++) {
        const ElfW(Phdr) *p = &info->dlpi_phdr[i];
        uintptr_t start = s->base + p->p_vaddr;
        unsigned flags =
            (p->p_flags & PF_R ? FV_SEGMENT_READ : 0) | (p->p_flags & PF_X ? FV_SEGMENT_CODE : 0);
        if (p->p_type == PT_LOAD)
            s->segments[s->n++] = (fv_segment){start, start + p->p_memsz, flags};
    }
    return 1;
}

int fv_dl_segments(void *library, fv_segment *segments) {
    struct link_map *map;
    if (dlinfo(library, RTLD_DI_LINKMAP, &map))
        return 0;
    search s = {map->l_addr, 0, segments};
    return dl_iterate_phdr(note_segments, &s) ? s.n : 0;
}

/* ---- files ---- */

/* Maps an open file. After FV_BAD_FILE *why is the reason. */
static int map_descriptor(int fd, void **file, size_t *bytes, const char **why) {
    struct stat st;
    if (fstat(fd, &st)) {
        *why = strerror(errno);
        return FV_BAD_FILE;
    }
    bool fits = st.st_size > 0 && (uintmax_t)st.st_size <= SIZE_MAX;
    if (!S_ISREG(st.st_mode) || !fits) {
        *why = !S_ISREG(st.st_mode) ? "it is no regular file"
               : st.st_size         ? "it is too large"
                                    : "it is empty";
        return FV_BAD_FILE;
    }
    *bytes = (size_t)st.st_size;
    *file = mmap(NULL, *bytes, PROT_READ, MAP_PRIVATE, fd, 0);
    if (*file != MAP_FAILED)
        return FV_OK;
    *why = strerror(errno);
    return errno == ENOMEM ? FV_NO_MEMORY : FV_BAD_FILE;
}

int fv_file_open(const char *path, void **file, size_t *bytes, const char **why) {
    /* O_NONBLOCK: opening a pipe must not block */
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) {
        *why = strerror(errno);
        return FV_BAD_FILE;
    }
    int status = map_descriptor(fd, file, bytes, why);
    close(fd);
    return status;
}

void fv_file_close(void *file, size_t bytes) {
    munmap(file, bytes);
}
