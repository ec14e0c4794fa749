/* library_windows.c - libraries and files in memory on Windows, whose loader checks libraries
 * itself. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <windows.h>

#include "internal.h"
#include "library.h"

/* ---- libraries ---- */

const char *fv_library_fault(const char *path) {
    char head[4] = "";
    FILE *f = fopen(path, "rb");
    size_t n = f ? fread(head, 1, sizeof head, f) : 0;
    if (f)
        fclose(f);
    if (n == sizeof head && !memcmp(head, "\177ELF", sizeof head))
        return "it is a library for Linux (.so)";
    return f && (n < 2 || memcmp(head, "MZ", 2) != 0) ? "it is no library for Windows (.dll)"
                                                      : NULL;
}

char *fv_dl_path(const char *path) {
    errno = 0;
    char *full = _fullpath(NULL, path, 0);
    if (full && GetFileAttributesA(full) != INVALID_FILE_ATTRIBUTES)
        return full;
    /* _fullpath also fails where the path is too long or names a drive that does not exist */
    if (full || errno != ENOMEM)
        errno = ENOENT;
    free(full);
    return NULL;
}

const char fv_dl_separators[] = "/\\:"; /* : follows a drive, or precedes a stream of a file */

const char *fv_dl_name(const char *full) {
    const char *name = full;
    for (const char *s = full; *s; s++)
        if (*s == '\\' || *s == '/')
            name = s + 1;
    return name;
}

/* What the system says of its last error. */
static const char *reason(void) {
    switch (GetLastError()) {
    case ERROR_BAD_EXE_FORMAT: return "it is for another kind of machine, or damaged";
    case ERROR_FILE_NOT_FOUND:
    case ERROR_MOD_NOT_FOUND: return "No such file or directory";
    case ERROR_ACCESS_DENIED: return "Permission denied";
    case ERROR_NOT_ENOUGH_MEMORY: return NULL;
    default: return "Windows refuses it";
    }
}

void *fv_dl_open(const char *full, const char **why) {
    *why = fv_library_fault(full);
    if (*why)
        return NULL;
    HMODULE library = LoadLibraryA(full);
    if (!library)
        *why = reason();
    return library;
}

void *fv_dl_symbol(void *library, const char *name) {
    FARPROC f = GetProcAddress(library, name);
    void *p = NULL;
    memcpy(&p, &f, sizeof p);
    return p;
}

void fv_dl_close(void *library) {
    FreeLibrary(library);
}

/* The handle of a library is the address of its headers, which list its sections. */
int fv_dl_segments(void *library, fv_segment *segments) {
    const unsigned char *base = library;
    const IMAGE_DOS_HEADER *dos = library;
    const IMAGE_NT_HEADERS *head = (const void *)(base + dos->e_lfanew);
    const IMAGE_SECTION_HEADER *s = IMAGE_FIRST_SECTION(head);
    int n = 0;
    for (int i = 0; i < head->FileHeader.NumberOfSections && n < FV_MOST_SEGMENTS; i++, s++) {
        uintptr_t start = (uintptr_t)base + s->VirtualAddress;
        unsigned flags = (s->Characteristics & IMAGE_SCN_MEM_READ ? FV_SEGMENT_READ : 0) |
                         (s->Characteristics & IMAGE_SCN_MEM_EXECUTE ? FV_SEGMENT_CODE : 0);
        segments[n++] = (fv_segment){start, start + s->Misc.VirtualSize, flags};
    }
    return n;
}

/* ---- files ---- */

/* Maps an open file. After FV_BAD_FILE *why is the reason. */
static int map_handle(HANDLE file, void **data, size_t *bytes, const char **why) {
    LARGE_INTEGER size;
    if (!GetFileSizeEx(file, &size) || size.QuadPart <= 0) {
        *why = "it is empty, or no regular file";
        return FV_BAD_FILE;
    }
    HANDLE mapping = CreateFileMappingA(file, NULL, PAGE_READONLY, 0, 0, NULL);
    *data = mapping ? MapViewOfFile(mapping, FILE_MAP_READ, 0, 0, 0) : NULL;
    if (!*data)
        *why = reason();
    if (mapping)
        CloseHandle(mapping); /* the view keeps it open */
    *bytes = (size_t)size.QuadPart;
    return *data ? FV_OK : *why ? FV_BAD_FILE : FV_NO_MEMORY;
}

int fv_file_open(const char *path, void **data, size_t *bytes, const char **why) {
    HANDLE file = CreateFileA(path, GENERIC_READ, FILE_SHARE_READ, NULL, OPEN_EXISTING,
                              FILE_ATTRIBUTE_NORMAL, NULL);
    if (file == INVALID_HANDLE_VALUE) {
        *why = reason();
        return *why ? FV_BAD_FILE : FV_NO_MEMORY;
    }
    int status = map_handle(file, data, bytes, why);
    CloseHandle(file);
    return status;
}

void fv_file_close(void *file, size_t bytes) {
    (void)bytes;
    UnmapViewOfFile(file);
}
