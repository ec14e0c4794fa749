/* file.h - files read as mappings, and written whole or not at all. */
#ifndef FV_FRONTEND_FILE_H
#define FV_FRONTEND_FILE_H

#include "ir/base/arena.h"

typedef struct fv_file {
    const uint8_t *data; /* never NULL */
    size_t size;
} fv_file;

/* Maps a regular file for reading, until the arena is freed. False after a diagnostic. A file that
 * shrinks while it is mapped ends the process: that is the system's way. */
bool fv_file_map(fv_session *s, fv_arena *a, const char *path, fv_file *out) FV_MUST_USE;
/* The text of a file, terminated, in the arena; NULL after a diagnostic. A byte 0 inside would hide
 * what follows it. */
const char *fv_file_text(fv_session *s, fv_arena *a, const char *path);

/* Writes a temporary file in the folder of `path` and renames it, so that `path` is either the old
 * file or the complete new one. If `path` is not a regular file (/dev/stdout) it is written
 * directly. False after a diagnostic; no temporary file is left then. */
bool fv_file_write(fv_session *s, const char *path, const void *data, size_t size) FV_MUST_USE;

/* "a/b/c.onnx": "a/b", and "c"; "c.onnx": "." */
const char *fv_path_folder(fv_arena *a, const char *path);
const char *fv_path_stem(fv_arena *a, const char *path);

#endif
