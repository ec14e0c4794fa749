/* files.h - writes a set of files: replaces none before all are written. */
#ifndef FV_BACKEND_C_FILES_H
#define FV_BACKEND_C_FILES_H

#include <stdio.h>

#include "ir/base/diag.h"

typedef struct fv_c_file {
    const char *name; /* name of the file within the folder */
    const void *data;
    size_t bytes;
    /* writes the content, or returns false with errno set; NULL: the content is a text */
    bool (*put)(const void *data, FILE *f);
    /* path of the file and of its temporary file, set when the file is written */
    const char *path, *temporary;
} fv_c_file;

typedef struct fv_c_files {
    fv_arena *arena;
    fv_c_file *file;
    int n, cap;
} fv_c_files;

void fv_c_files_add(fv_c_files *f, const char *name, const void *data, size_t bytes);
/* Adds a file whose content `put` writes from where it is in memory. `put` must not allocate from
 * an arena. */
void fv_c_files_add_put(fv_c_files *f, const char *name, const void *data,
                        bool (*put)(const void *data, FILE *f));
/* Writes all files in a temporary folder within `folder`, then renames all of them. False after a
 * diagnostic: no file was changed, unless one of the renamings failed. */
bool fv_c_files_write(fv_session *s, fv_c_files *f, const char *folder) FV_MUST_USE;

/* Like fv_c_files_write, for a folder that is made if it does not exist. An existing folder may
 * only contain files that its manifest (FV_C_MANIFEST) lists. The new manifest also lists
 * `products` (NULL terminated): files that a build will make there. Files of the earlier manifest
 * that are not written again are removed. */
#define FV_C_MANIFEST "fovea-manifest.txt"
bool fv_c_folder_write(fv_session *s, fv_c_files *f, const char *folder,
                       const char *const *products) FV_MUST_USE;
/* Could fv_c_folder_write write to the folder: does it not exist, or only contain files that its
 * manifest lists? False after a diagnostic. */
bool fv_c_folder_is_free(fv_session *s, const char *folder) FV_MUST_USE;
/* Moves the files that fv_c_folder_write has written in the folder `from` to the folder `to`, as if
 * they were written there. Both are in the same file system. */
bool fv_c_folder_move(fv_session *s, const char *from, const char *to) FV_MUST_USE;

#endif
