/* staging.h - temporary folders in which files are written before they are renamed to their final
 * names. They are made in the folder of the final file, so that renaming works, or in the folder
 * that TMPDIR names, by default /tmp.
 *
 * A process holds a lock on its folder as long as it lives. A folder without a lock was left by a
 * process that was killed; the next process of the same user that makes a folder in the same place
 * removes it, if the system has locks. */
#ifndef FV_IR_BASE_STAGING_H
#define FV_IR_BASE_STAGING_H

#include "ir/base/arena.h"

/* The prefix of the names of temporary folders. */
#define FV_STAGING ".fovea-"

/* fv_staging_in creates a new folder in `folder`, which may be "" for the current one,
 * fv_staging_next_to in the folder of the file `path`, and fv_staging_elsewhere in TMPDIR. The new
 * folder and all that it contains are removed when the arena is freed. All return its path, or NULL
 * with errno set; if memory runs out, they leave by the door. */
const char *fv_staging_in(fv_arena *a, const char *folder);
const char *fv_staging_next_to(fv_arena *a, const char *path);
const char *fv_staging_elsewhere(fv_arena *a);

#endif
