/* folder.c - see folder.h. */
#include "folder.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* May files be kept in $HOME? Not if that does not exist, nor if this process runs as root and
 * $HOME is the folder of another user, as after `sudo`. */
static bool is_home(const char *path) {
    struct stat st;
    return path && *path == '/' && stat(path, &st) == 0 &&
           (st.st_uid == geteuid() || geteuid() != 0);
}

const char *fv_user_folder(fv_arena *a, const char *variable, const char *usual) {
    const char *named = secure_getenv(variable), *home = secure_getenv("HOME");
    if (named && *named == '/')
        return fv_printf(a, "%s/fovea", named);
    return is_home(home) ? fv_printf(a, "%s/%s/fovea", home, usual) : NULL;
}

bool fv_make_folders(fv_arena *a, const char *path) {
    char *p = fv_strdup(a, path);
    for (char *slash = p + 1; (slash = strchr(slash, '/')); slash++) {
        *slash = 0;
        if (mkdir(p, 0700) && errno != EEXIST && errno != EISDIR && errno != EROFS &&
            errno != EACCES)
            return false;
        *slash = '/';
    }
    return mkdir(p, 0700) == 0 || errno == EEXIST;
}
