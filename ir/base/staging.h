/* staging.h - folders of ours for files that are not whole yet: beside their places, where they are
 * renamed to, or in TMPDIR.
 *
 * Such a folder is locked as long as its process lives. One that nobody locks is of a process that
 * was ended before it could remove it; whoever makes another one in the same place removes it. */
#ifndef FV_IR_BASE_STAGING_H
#define FV_IR_BASE_STAGING_H

#include "ir/base/arena.h"

/* What their names begin with. */
#define FV_STAGING ".fovea-"

/* A new folder in that folder, which may be ""; in the folder of that file; where temporary files
 * belong. It goes with the arena, with all that is in it, and holds no folders. NULL: errno tells
 * why; running out of memory leaves by the door. */
const char *fv_staging_in(fv_arena *a, const char *folder);
const char *fv_staging_beside(fv_arena *a, const char *path);
const char *fv_staging_elsewhere(fv_arena *a);

#endif
