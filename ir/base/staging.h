/* staging.h - temporary folders in which files are written before they are renamed to their final
 * names. They are made in the folder of the final file, so that renaming works, or in TMPDIR.
 *
 * A process holds a lock on its folder as long as it lives. A folder without a lock was left by a
 * process that was killed; the next process that makes a folder in the same place removes it. */
#ifndef FV_IR_BASE_STAGING_H
#define FV_IR_BASE_STAGING_H

#include "ir/base/arena.h"

/* The prefix of the names of such folders. */
#define FV_STAGING ".fovea-"

/* Make a new folder: in `folder`, which may be "" for the current one; in the folder of the file
 * `path`; where temporary files belong (TMPDIR). The folder and its files are removed when the
 * arena is freed; it must not contain folders. Return its path, or NULL with errno set; lack of
 * memory leaves by the door. */
const char *fv_staging_in(fv_arena *a, const char *folder);
const char *fv_staging_next_to(fv_arena *a, const char *path);
const char *fv_staging_elsewhere(fv_arena *a);

#endif
