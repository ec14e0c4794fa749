/* write_header.h - writes the C header of an object or a library into the folder of that file. */
#ifndef FV_DRIVER_WRITE_HEADER_H
#define FV_DRIVER_WRITE_HEADER_H

#include "backend/c/emit.h"
#include "tools/driver/driver.h"

/* Is the file at the path the header of an object or library? It is if its first line says so. */
bool fv_driver_is_header(const char *path) FV_MUST_USE;

/* A header on its way to its path. */
typedef struct fv_header_file {
    fv_session *session;
    const char *path;
    const char *temporary; /* its temporary file; NULL: no header is written, as a warning says */
    const char *before; /* the temporary name of the header that it replaces; NULL: there is none */
    const char *other;  /* the hash of another model that it described; NULL: of none */
    bool placed;        /* whether it was renamed to its path */
} fv_header_file;
/* Writes the header for `path` to a temporary file, which is removed when the arena is freed. A
 * file at the path that is no header of a library or object is left as it is, with a warning.
 * False after a diagnostic. */
bool fv_driver_header_begin(fv_session *s, fv_arena *a, const fv_program *p, const char *path,
                            const fv_c_library *library, fv_header_file *h) FV_MUST_USE;
/* Renames it to its path, where there is a header at any time, and keeps what was there (only on a
 * file system without hard links, there is none for a moment). The code that it describes is
 * renamed right after it. False after a diagnostic; what was at the path is there then. */
bool fv_driver_header_place(fv_header_file *h) FV_MUST_USE;
/* Undoes that, because the code could not be written: what was at the path is there again. */
void fv_driver_header_undo(const fv_header_file *h);
/* Says that the header of another model was replaced, if it was. Call it once the code is written,
 * and before the arena is freed. */
void fv_driver_header_note(const fv_header_file *h);

#endif
