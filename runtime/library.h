/* library.h - what loading a model needs of the system: libraries, and files in memory. It is
 * implemented by library_posix.c and library_windows.c. */
#ifndef FV_RUNTIME_LIBRARY_H
#define FV_RUNTIME_LIBRARY_H

#include <stddef.h>
#include <stdint.h>

#include "ir/base/answer.h"

/* The absolute path of an existing file, to be freed; NULL with errno: there is none. */
char *fv_dl_path(const char *path) FV_MUST_USE;
/* The characters that separate the parts of a path: a name of a file in a folder has none. */
extern const char fv_dl_separators[];
/* The position after the folder in an absolute path. */
const char *fv_dl_name(const char *full);
/* Opens the library that has this path now, also if another one had it before and is still open;
 * NULL: *why says why not, or is NULL if that is not known. */
void *fv_dl_open(const char *full, const char **why) FV_MUST_USE;
/* A function or constant of the library; NULL: it has none of that name. */
void *fv_dl_symbol(void *library, const char *name);
void fv_dl_close(void *library);

/* Maps a regular file for reading. FV_OK; FV_BAD_FILE: *why is the reason; FV_NO_MEMORY. */
int fv_file_open(const char *path, void **file, size_t *bytes, const char **why) FV_MUST_USE;
void fv_file_close(void *file, size_t bytes);

/* A segment of a library in memory. */
enum { FV_SEGMENT_READ = 1, FV_SEGMENT_CODE = 2, FV_MOST_SEGMENTS = 32 };
typedef struct fv_segment {
    uintptr_t start, end;
    unsigned flags;
} fv_segment;
/* Fills in at most FV_MOST_SEGMENTS segments of an open library; returns their number, 0: they are
 * not known. */
int fv_dl_segments(void *library, fv_segment *segments);

#endif
