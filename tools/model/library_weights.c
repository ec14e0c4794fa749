/* library_weights.c - the size of the weights of a compiled library, by its symbols or the file of
 * its weights. */
#include <elf.h>
#include <link.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "runtime/internal.h"
#include "runtime/library.h"
#include "tools/model/library_weights.h"

/* ---- the symbols of the file ---- */

typedef struct bytes {
    const unsigned char *at;
    size_t size;
} bytes;

/* Copies n bytes of the file; false: it does not have them. */
static bool take(const bytes *file, uint64_t at, void *out, size_t n) {
    if (at > file->size || n > file->size - at)
        return false;
    memcpy(out, file->at + at, n);
    return true;
}

static bool is_name(const bytes *file, uint64_t at, const char *name) {
    size_t n = strlen(name) + 1;
    return at <= file->size && n <= file->size - at && !memcmp(file->at + at, name, n);
}

static int64_t size_in_table(const bytes *file, const ElfW(Shdr) * symbols, uint64_t names,
                             const char *name) {
    ElfW(Sym) s;
    for (uint64_t i = 0; i < symbols->sh_size / sizeof s; i++) {
        if (!take(file, symbols->sh_offset + i * sizeof s, &s, sizeof s))
            return -1;
        if (is_name(file, names + s.st_name, name))
            return s.st_size <= INT64_MAX ? (int64_t)s.st_size : -1;
    }
    return -1;
}

/* The size of the symbol in bytes; -1: there is no such symbol, as in a file without a table of
 * symbols (strip). */
static int64_t size_of_symbol(const bytes *file, const char *name) {
    ElfW(Ehdr) head;
    ElfW(Shdr) symbols, names;
    if (!take(file, 0, &head, sizeof head) || head.e_shentsize != sizeof symbols)
        return -1;
    for (unsigned i = 0; i < head.e_shnum; i++)
        if (take(file, head.e_shoff + i * sizeof symbols, &symbols, sizeof symbols) &&
            symbols.sh_type == SHT_SYMTAB &&
            take(file, head.e_shoff + symbols.sh_link * sizeof names, &names, sizeof names))
            return size_in_table(file, &symbols, names.sh_offset, name);
    return -1;
}

const char *fv_library_weights_path(fv_arena *a, const fv_subject *m) {
    struct stat st;
    bool is_link = !lstat(m->path, &st) && S_ISLNK(st.st_mode);
    char *full = is_link ? fv_dl_path(m->path) : NULL;
    const char *at = full ? full : m->path, *slash = strrchr(at, '/');
    int folder = slash ? (int)(slash + 1 - at) : 0;
    const char *path = fv_printf(a, "%.*s%s", folder, at, m->table->weights_file);
    free(full);
    return path;
}

int64_t fv_library_weights(fv_arena *a, const fv_subject *m) {
    struct stat st;
    bytes file;
    void *start;
    const char *why;
    if (m->table->weights_file)
        return stat(fv_library_weights_path(a, m), &st) ? -1 : (int64_t)st.st_size;
    if (fv_file_open(m->path, &start, &file.size, &why))
        return -1;
    file.at = start;
    int64_t n = size_of_symbol(&file, fv_printf(a, "%s_weights", m->table->name));
    fv_file_close(start, file.size);
    return n;
}
