/* mapping.h - files that are mapped for reading, until an arena is freed. */
#ifndef FV_IR_BASE_MAPPING_H
#define FV_IR_BASE_MAPPING_H

#include <sys/stat.h>

#include "ir/base/arena.h"

typedef struct fv_mapping {
    const void *start; /* NULL: an empty file */
    size_t size;
    const char *path; /* under which it was opened, or is known: fv_mapping_rename */
    struct stat stat; /* when it was mapped */
    fv_session *session;
    struct fv_mapping *next; /* in the session */
} fv_mapping;

/* Maps a regular file. flags: of open(), besides O_RDONLY | O_CLOEXEC.
 *  why  what went wrong: a text with `path` in it, in the arena
 *  NULL: it cannot be mapped. A file that shrinks while it is mapped ends the process: that is the
 *  system's way. */
const fv_mapping *fv_map_file(fv_session *s, fv_arena *a, const char *path, int flags,
                              const char **why);

/* The newest mapping of s; `next` leads to the older ones. NULL: there is none. */
const fv_mapping *fv_mappings(const fv_session *s);
/* Says by which name the model knows the file that begins at `start`: where that name leads may
 * change. */
void fv_mapping_rename(fv_session *s, const void *start, const char *name);

/* Gives the pages of a range that lies in a mapped file back to the system: they are read again
 * when they are touched. Other memory is left alone. For what has been copied, and is large. */
void fv_mapping_drop(fv_session *s, const void *start, size_t size);

/* The name of a file, without its folders. */
const char *fv_path_name(const char *path);

#endif
