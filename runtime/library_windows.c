/* library_windows.c - libraries and files in memory on Windows, whose loader checks libraries
 * itself. Paths are UTF-8, as everywhere in fovea.h; the functions of Windows that take them have
 * UTF-16, since those with bytes take the code page of the user. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <windows.h>

#include "internal.h"
#include "library.h"

/* ---- paths ---- */

/* The path as UTF-16, to be freed; NULL with errno: EILSEQ if it is not UTF-8, or ENOMEM. */
static wchar_t *wide(const char *path) {
    int n = MultiByteToWideChar(CP_UTF8, MB_ERR_INVALID_CHARS, path, -1, NULL, 0);
    wchar_t *text = n > 0 ? malloc((size_t)n * sizeof *text) : NULL;
    if (text)
        MultiByteToWideChar(CP_UTF8, MB_ERR_INVALID_CHARS, path, -1, text, n);
    else
        errno = n > 0 ? ENOMEM : EILSEQ;
    return text;
}

/* The path as UTF-8, to be freed; NULL with errno: EILSEQ if it is not UTF-16, or ENOMEM. */
static char *narrow(const wchar_t *path) {
    int n = WideCharToMultiByte(CP_UTF8, WC_ERR_INVALID_CHARS, path, -1, NULL, 0, NULL, NULL);
    char *text = n > 0 ? malloc((size_t)n) : NULL;
    if (text)
        WideCharToMultiByte(CP_UTF8, WC_ERR_INVALID_CHARS, path, -1, text, n, NULL, NULL);
    else
        errno = n > 0 ? ENOMEM : EILSEQ;
    return text;
}

/* The absolute path of an existing file, to be freed; NULL with errno: there is none. */
static wchar_t *full_path(const wchar_t *path) {
    errno = 0;
    wchar_t *full = _wfullpath(NULL, path, 0);
    if (full && GetFileAttributesW(full) != INVALID_FILE_ATTRIBUTES)
        return full;
    /* _wfullpath also fails where the path is too long or names a drive that does not exist */
    if (full || errno != ENOMEM)
        errno = ENOENT;
    free(full);
    return NULL;
}

/* ---- libraries ---- */

const char *fv_library_fault(const char *path) {
    char head[4] = "";
    wchar_t *name = wide(path);
    FILE *f = name ? _wfopen(name, L"rb") : NULL;
    free(name);
    size_t n = f ? fread(head, 1, sizeof head, f) : 0;
    if (f)
        fclose(f);
    if (n == sizeof head && !memcmp(head, "\177ELF", sizeof head))
        return "it is a library for Linux (.so)";
    return f && (n < 2 || memcmp(head, "MZ", 2) != 0) ? "it is no library for Windows (.dll)"
                                                      : NULL;
}

char *fv_dl_path(const char *path) {
    wchar_t *name = wide(path), *full = name ? full_path(name) : NULL;
    char *text = full ? narrow(full) : NULL;
    int why = errno;
    free(full);
    free(name);
    errno = why;
    return text;
}

const char fv_dl_separators[] = "/\\:"; /* : follows a drive, or precedes a stream of a file */

const char *fv_dl_name(const char *full) {
    const char *name = full;
    for (const char *s = full; *s; s++)
        if (*s == '\\' || *s == '/')
            name = s + 1;
    return name;
}

/* What an error of the system is; NULL: there is no memory. */
static const char *reason_of(DWORD error) {
    switch (error) {
    case ERROR_BAD_EXE_FORMAT: return "it is for another kind of machine, or damaged";
    case ERROR_FILE_NOT_FOUND:
    case ERROR_MOD_NOT_FOUND: return "No such file or directory";
    case ERROR_ACCESS_DENIED: return "Permission denied";
    case ERROR_NOT_ENOUGH_MEMORY: return NULL;
    default: return "Windows refuses it";
    }
}

/* The reason why a path could not be made wide. */
static const char *reason_of_path(void) {
    return errno == ENOMEM ? NULL : "its name is not UTF-8";
}

void *fv_dl_open(const char *full, const char **why) {
    *why = fv_library_fault(full);
    if (*why)
        return NULL;
    wchar_t *name = wide(full);
    HMODULE library = name ? LoadLibraryW(name) : NULL;
    const DWORD error = GetLastError();
    if (!library)
        *why = name ? reason_of(error) : reason_of_path();
    free(name);
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
    HANDLE mapping = CreateFileMappingW(file, NULL, PAGE_READONLY, 0, 0, NULL);
    *data = mapping ? MapViewOfFile(mapping, FILE_MAP_READ, 0, 0, 0) : NULL;
    if (!*data)
        *why = reason_of(GetLastError());
    if (mapping)
        CloseHandle(mapping); /* the view keeps it open */
    *bytes = (size_t)size.QuadPart;
    return *data ? FV_OK : *why ? FV_BAD_FILE : FV_NO_MEMORY;
}

int fv_file_open(const char *path, void **data, size_t *bytes, const char **why) {
    wchar_t *name = wide(path);
    HANDLE file = name ? CreateFileW(name, GENERIC_READ, FILE_SHARE_READ, NULL, OPEN_EXISTING,
                                     FILE_ATTRIBUTE_NORMAL, NULL)
                       : INVALID_HANDLE_VALUE;
    const DWORD error = GetLastError();
    if (file == INVALID_HANDLE_VALUE)
        *why = name ? reason_of(error) : reason_of_path();
    free(name);
    if (file == INVALID_HANDLE_VALUE)
        return *why ? FV_BAD_FILE : FV_NO_MEMORY;
    int status = map_handle(file, data, bytes, why);
    CloseHandle(file);
    return status;
}

void fv_file_close(void *file, size_t bytes) {
    (void)bytes;
    UnmapViewOfFile(file);
}
