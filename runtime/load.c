/* load.c - opens compiled libraries, and the files of weights next to them. Both are checked before
 * they are used: for damage that would crash the loader, for other versions of the table, and for
 * weights of another compilation. */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "internal.h"
#include "ir/target/lacking.h"
#include "weights_file.h"

static void close_library(fv_artifact *a) {
    dlclose(a->ctx);
    if (a->weights)
        munmap((void *)(uintptr_t)a->weights, a->weights_bytes);
}

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

/* What a file is that begins like a library of another system; NULL: it does not. */
static const char *foreign(const unsigned char *head, size_t bytes) {
    static const unsigned char mach_o[] = {0xcf, 0xfa, 0xed, 0xfe};
    if (bytes >= 2 && !memcmp(head, "MZ", 2))
        return "it is a library for Windows (.dll)";
    if (bytes >= sizeof mach_o && !memcmp(head, mach_o, sizeof mach_o))
        return "it is a library for macOS (.dylib)";
    return NULL;
}

static const char *fault_of(FILE *f) {
    ElfW(Ehdr) head;
    struct stat st;
    size_t bytes = fread(&head, 1, sizeof head, f);
    if (bytes < sizeof head || memcmp(head.e_ident, ELFMAG, SELFMAG) || fstat(fileno(f), &st))
        return foreign((const unsigned char *)&head, bytes);
    if (head.e_machine != THIS_MACHINE && THIS_MACHINE != EM_NONE)
        return "it is for another kind of machine";
    for (int i = 0; head.e_phentsize == sizeof(ElfW(Phdr)) && i < head.e_phnum; i++)
        if (!is_inside(f, &head, i, st.st_size))
            return "the file is truncated";
    return NULL;
}

const char *fv_library_fault(const char *path) {
    FILE *f = fopen(path, "rb");
    const char *fault = f ? fault_of(f) : NULL;
    if (f)
        fclose(f);
    return fault;
}

static int no_weights(fv_log *log, const char *library, const char *path, const char *why) {
    fv_log_add(log, "%s: error: its weights, %s, cannot be used: %s", library, path, why);
    return FV_BAD_FILE;
}

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

static int map_checked(const char *path, void **file, size_t *bytes, const char **why) {
    /* O_NONBLOCK: opening a pipe must not block */
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) {
        *why = strerror(errno);
        return FV_BAD_FILE;
    }
    int status = map_descriptor(fd, file, bytes, why);
    close(fd);
    if (status || !(*why = fv_weights_fault(*file, *bytes, *bytes <= FV_WEIGHTS_READ_WHOLE)))
        return status;
    munmap(*file, *bytes);
    return FV_BAD_FILE;
}

/* Maps the file of weights in the folder of the library `full`. Each run compares its head with the
 * expected one. */
static int map_weights(fv_artifact *a, const char *library, const char *full, fv_log *log) {
    const char *name = a->model->weights_file, *why;
    if (!name)
        return FV_OK;
    if (!*name || strchr(name, '/'))
        return no_weights(log, library, name, "it is not in the folder of the library");
    size_t folder = (size_t)(strrchr(full, '/') + 1 - full), size = folder + strlen(name) + 1,
           bytes;
    char *path = malloc(size);
    void *file;
    if (!path)
        return FV_NO_MEMORY;
    snprintf(path, size, "%.*s%s", (int)folder, full, name);
    int status = map_checked(path, &file, &bytes, &why);
    if (status == FV_BAD_FILE)
        no_weights(log, library, path, why);
    if (status == FV_OK) {
        a->weights = file;
        a->weights_bytes = bytes;
    }
    free(path);
    return status;
}

/* Reports what a library without a table of this version is. */
static int unfit(const char *path, const fv_model *model, bool ours, fv_log *log) {
    if (!ours)
        fv_log_add(log, "%s: error: is no compiled model: it has no fovea_model", path);
    else if (!model)
        fv_log_add(log, "%s: error: is no compiled model: its fovea_model gives NULL", path);
    else if (model->abi != 2)
        fv_log_add(
            log,
            "%s: error: was compiled for ABI %u, this library runs ABI 2; compile the model again",
            path, (unsigned)model->abi);
    else
        fv_log_add(log,
                   "%s: error: was compiled by %s Fovea: its table has %u bytes, %u are expected; "
                   "compile the "
                   "model again",
                   path, model->size < sizeof *model ? "an older" : "a newer",
                   (unsigned)model->size, (unsigned)sizeof *model);
    return FV_BAD_FILE;
}

static int damaged(const char *path, const char *what, fv_log *log) {
    fv_log_add(log, "%s: error: is damaged (%s of its table); compile the model again", path, what);
    return FV_BAD_FILE;
}

/* Reports the features of the library's target that this CPU lacks. If this version does not know
 * the target, only the runs check them. */
static int check_cpu(const char *path, const fv_model *m, fv_log *log) {
    char names[FV_FEATURES_TEXT];
    if (!*fv_target_lacking(m->target, names, sizeof names))
        return FV_OK;
    fv_log_add(
        log,
        "%s: error: was compiled for target %s, and this CPU lacks %s; compile the model for "
        "another target",
        path, m->target, names);
    return FV_BAD_CPU;
}

static int open_table(void *lib, const char *path, const char *full, fv_log *log,
                      fv_artifact **out) {
    const fv_model *(*get)(void);
    *(void **)&get = dlsym(lib, "fovea_model");
    const fv_model *model = get ? get() : NULL;
    if (model && !fv_table_is_in(lib, model, offsetof(fv_model, name)))
        return damaged(path, "place", log);
    if (!model || model->abi != 2 || model->size != sizeof *model)
        return unfit(path, model, get != NULL, log);
    const char *fault =
        fv_table_is_in(lib, model, sizeof *model) ? fv_table_fault(lib, model) : "place";
    if (fault)
        return damaged(path, fault, log);
    int status = check_cpu(path, model, log);
    if (status)
        return status;
    fv_artifact *a = fv_artifact_new(model);
    if (!a)
        return FV_NO_MEMORY;
    status = map_weights(a, path, full, log);
    if (status) {
        fv_artifact_free(a);
        return status;
    }
    a->ctx = lib;
    a->destroy = close_library;
    *out = a;
    return FV_OK;
}

/* Loads a library. Its function `fovea_model` returns its table, whatever prefix its other names
 * have. */
int fv_load(const char *path, fv_log *log, fv_artifact **out) {
    if (out)
        *out = NULL;
    if (!path || !out)
        return fv_log_missing(log, path ? "out" : "path");
    /* dlopen would search for a name without a slash elsewhere */
    char *full = realpath(path, NULL);
    int error = full ? 0 : errno;
    const char *fault = full ? fv_library_fault(full) : strerror(error);
    void *lib = fault ? NULL : dlopen(full, RTLD_NOW | RTLD_LOCAL);
    if (!lib) {
        const char *why = fault ? fault : dlerror();
        fv_log_add(log, "%s: error: cannot be loaded: %s", path, why ? why : "unknown error");
        free(full);
        return !why || error == ENOMEM ? FV_NO_MEMORY : FV_BAD_FILE;
    }
    int status = open_table(lib, path, full, log, out);
    if (status)
        dlclose(lib);
    free(full);
    return status;
}
