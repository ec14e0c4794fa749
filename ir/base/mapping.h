/* mapping.h - files that are mapped into memory for reading, until an arena is freed. */
#ifndef FV_IR_BASE_MAPPING_H
#define FV_IR_BASE_MAPPING_H

#include <sys/stat.h>

#include "ir/base/arena.h"

typedef struct fv_mapping {
    const void *start; /* address of the first byte; NULL: the file is empty */
    size_t size;
    /* the path by which the file was opened, or the name set by fv_mapping_rename */
    const char *path;
    struct stat stat; /* the state of the file when it was mapped */
    fv_session *session;
    struct fv_mapping *next; /* the next older mapping of the session */
} fv_mapping;

/* Maps a regular file for reading.
 *  flags  passed to open() together with O_RDONLY | O_CLOEXEC
 *  why    out: if the file cannot be mapped, the reason, a text in the arena that contains `path`
 * Returns NULL if the file cannot be mapped. If another process shortens the file while it is
 * mapped, reading the missing part ends this process (SIGBUS). */
const fv_mapping *fv_map_file(fv_session *s, fv_arena *a, const char *path, int flags,
                              const char **why);

/* The newest mapping of s, whose member `next` leads to older ones; NULL: no file is mapped. */
const fv_mapping *fv_mappings(const fv_session *s);
/* Records that the session read the file with this state, which fv_map_file does, too. The record
 * is kept until the session ends. */
void fv_file_note_read(fv_session *s, const struct stat *st);
/* Did the session read the file that has this path now? */
bool fv_file_is_read(fv_session *s, const char *path) FV_MUST_USE;

/* Sets the name of the mapping that begins at `start` to the name by which the model refers to the
 * file. This name differs from the path that was opened if a symbolic link, which may change later,
 * leads to the file. */
void fv_mapping_rename(fv_session *s, const void *start, const char *name);

/* Returns the whole pages within a range of a mapped file to the system, which reads them again
 * when they are accessed. Ranges that are not in a mapped file are left alone. Use it for large
 * data that has been copied. */
void fv_mapping_drop(fv_session *s, const void *start, size_t size);

/* The same of a whole file. A system may map 2 MB of a file where a few bytes are read; then a file
 * of weights is resident as a whole where only its small tensors were read. */
void fv_mapping_drop_file(const fv_mapping *m);
/* The same of all files that the session mapped after `before`; NULL: of all its files. */
void fv_mappings_drop(fv_session *s, const fv_mapping *before);
/* The mapped file of the session that contains the address; NULL: none does. */
const fv_mapping *fv_mapping_of(const fv_session *s, const void *at);

/* The name of a file without its folders. */
const char *fv_path_name(const char *path);

#endif
