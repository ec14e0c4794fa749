/* files.h - a set of files that appears whole or not at all. */
#ifndef FV_BACKEND_C_FILES_H
#define FV_BACKEND_C_FILES_H

#include <stdio.h>

#include "ir/base/diag.h"

typedef struct fv_c_file {
    const char *name; /* in its folder */
    const void *data;
    size_t bytes;
    bool (*put)(const void *data, FILE *f); /* not NULL: writes it, or is false and errno tells */
    const char *path, *beside;              /* set when it is written */
} fv_c_file;

typedef struct fv_c_files {
    fv_arena *arena;
    fv_c_file *file;
    int n, cap;
} fv_c_files;

void fv_c_files_add(fv_c_files *f, const char *name, const void *data, size_t bytes);
/* One that is written from where its parts lie. `put` asks no arena for memory. */
void fv_c_files_add_put(fv_c_files *f, const char *name, const void *data,
                        bool (*put)(const void *data, FILE *f));
/* Writes all files next to their destinations, then renames all of them. After a failure (a
 * diagnostic) no new file is left and the old ones are unchanged. */
bool fv_c_files_write(fv_session *s, fv_c_files *f, const char *folder) FV_MUST_USE;

/* The same into a folder of our own, which is made if it is not there. It must hold nothing but the
 * files that its manifest (FV_C_MANIFEST) lists; `products` (NULL terminated) are listed besides:
 * what a build makes there. Files of an earlier manifest that are not written again are removed. */
#define FV_C_MANIFEST "fovea-manifest.txt"
bool fv_c_folder_write(fv_session *s, fv_c_files *f, const char *folder,
                       const char *const *products) FV_MUST_USE;

#endif
