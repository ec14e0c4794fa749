/* file.h - reads files by mapping them, and writes files completely or not at all. */
#ifndef FV_FRONTEND_FILE_H
#define FV_FRONTEND_FILE_H

#include "ir/base/arena.h"

typedef struct fv_file {
    const uint8_t *data; /* never NULL */
    size_t size;
} fv_file;

/* Maps a regular file for reading, until the arena is freed. False after a diagnostic. If a file
 * becomes shorter while it is mapped, the system ends the process when the lost part is read. */
bool fv_file_map(fv_session *s, fv_arena *a, const char *path, fv_file *out) FV_MUST_USE;
/* The content of a text file, terminated, in the arena; NULL after a diagnostic. A byte 0 in the
 * file is an error, since it would hide the text after it. */
const char *fv_file_text(fv_session *s, fv_arena *a, const char *path);

/* Writes a temporary file in the folder of `path` and renames it, so that `path` is either the old
 * file or the complete new one. If `path` is not a regular file (/dev/stdout) it is written
 * directly. False after a diagnostic; no temporary file is left then. */
bool fv_file_write(fv_session *s, const char *path, const void *data, size_t size) FV_MUST_USE;

/* For "a/b/c.onnx": the folder "a/b" and the stem "c"; the folder of "c.onnx" is ".". */
const char *fv_path_folder(fv_arena *a, const char *path);
const char *fv_path_stem(fv_arena *a, const char *path);

#endif
