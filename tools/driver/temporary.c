/* temporary.c - folders of our own that go with an arena, whatever way it goes. */
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "driver.h"
#include "ir/base/diag.h"

typedef struct temporary {
    char *path;
    DIR *dir; /* open from the beginning: removing must not need memory */
    bool made;
} temporary;

/* The folder is ours: all that is in it goes. It holds no folders. */
static void remove_folder(void *arg) {
    temporary *t = arg;
    if (t->dir) {
        rewinddir(t->dir);
        for (struct dirent *e; (e = readdir(t->dir));)
            unlinkat(dirfd(t->dir), e->d_name, 0);
        closedir(t->dir);
    }
    if (t->made)
        rmdir(t->path);
}

const char *fv_driver_temporary(fv_session *s, fv_arena *a) {
    const char *tmp = getenv("TMPDIR");
    temporary *t = FV_NEW(a, temporary, 1);
    t->path = fv_printf(a, "%s/fovea-XXXXXX", tmp && *tmp ? tmp : "/tmp");
    fv_arena_at_free(a, remove_folder, t);
    t->made = mkdtemp(t->path) != NULL;
    t->dir = t->made ? opendir(t->path) : NULL;
    if (!t->dir && errno == ENOMEM)
        fv_out_of_memory(s);
    if (t->dir)
        return t->path;
    fv_error(s, "cannot make a temporary folder %s: %s", t->path, strerror(errno));
    return NULL;
}
