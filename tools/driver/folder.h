/* folder.h - folders of the user for files that commands keep. */
#ifndef FV_DRIVER_FOLDER_H
#define FV_DRIVER_FOLDER_H

#include "ir/base/arena.h"

/* The folder `fovea` below the folder that the environment variable names (XDG Base Directory
 * Specification), or, if it has no absolute path, below `usual` in the home folder. NULL: there is
 * no home folder, or, for root, it belongs to another user. */
const char *fv_user_folder(fv_arena *a, const char *variable, const char *usual);
/* Creates the missing folders of the path, for this user only. False: errno says why. */
bool fv_make_folders(fv_arena *a, const char *path) FV_MUST_USE;

#endif
