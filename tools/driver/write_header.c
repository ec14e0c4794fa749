/* write_header.c - writes the C header of an object or a library into the folder of that file.
 *
 * The C of a model has a header of the same name, with other functions if all dims are fixed. Code
 * that was compiled with one of the two headers cannot be linked with what the other one describes.
 * A header of a library therefore replaces no file but another header of a library or object. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "backend/c/emit.h"
#include "ir/base/staging.h"
#include "tools/driver/write_header.h"

bool fv_driver_is_header(const char *path) {
    char line[512] = "";
    struct stat st;
    if (stat(path, &st) || !S_ISREG(st.st_mode))
        return false;
    FILE *f = fopen(path, "r");
    if (!f)
        return false;
    bool whole = fgets(line, sizeof line, f) != NULL;
    fclose(f);
    size_t n = strcspn(line, "\n"), end = strlen(FV_C_LIBRARY_HEADER);
    return whole && !strncmp(line, "/* ", 3) && n > end &&
           !strncmp(line + n - end, FV_C_LIBRARY_HEADER, end);
}

static bool exists(const char *path) {
    struct stat st;
    return lstat(path, &st) == 0;
}

/* Returns 0, or an errno. */
static int put(const char *path, const char *text) {
    FILE *f = fopen(path, "w");
    int why = f ? 0 : errno;
    if (f && fputs(text, f) == EOF)
        why = errno;
    if (f && fclose(f) && !why)
        why = errno;
    return why;
}

bool fv_driver_header_begin(fv_session *s, fv_arena *a, const fv_program *p, const char *path,
                            const fv_c_library *library, fv_header_file *h) {
    *h = (fv_header_file){.path = path};
    if (exists(path) && !fv_driver_is_header(path))
        return !fv_warning(s,
                           "%s stays as it is: it was not written as the header of a library or an "
                           "object; name the result otherwise, or say --header=no",
                           path);
    const char *text = fv_c_library_header(s, a, p, library);
    if (!text)
        return !fv_warning(s, "%s is not written: no C source can name such a header", path);
    const char *folder = fv_staging_next_to(a, path);
    h->beside = folder ? fv_printf(a, "%s/header", folder) : NULL;
    int why = folder ? put(h->beside, text) : errno;
    return !why || fv_error(s, "cannot write '%s': %s", path, strerror(why));
}

bool fv_driver_header_end(fv_session *s, const fv_header_file *h) {
    return !h->beside || rename(h->beside, h->path) == 0 ||
           fv_error(s, "cannot write '%s': %s", h->path, strerror(errno));
}
