/* write_header.c - writes the C header of an object or a library into the folder of that file.
 *
 * The C of a model has a header of the same name, with other functions if all dims are fixed. Code
 * that was compiled with one of the two headers cannot be linked with what the other one describes.
 * A header of a library therefore replaces no file but another header of a library or object. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "backend/c/emit.h"
#include "ir/base/diag.h"
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

/* The hash of the model that a header states; "": it states none. */
static const char *hash_in(fv_arena *a, const char *path) {
    static const char before[] = "from a model with hash ";
    char line[512];
    const char *hash = "";
    FILE *f = fopen(path, "r");
    while (f && !*hash && fgets(line, sizeof line, f) && strcmp(line, "\n") != 0) {
        const char *found = strstr(line, before);
        if (found) {
            found += strlen(before);
            hash = fv_strndup(a, found, strspn(found, "0123456789abcdef"));
        }
    }
    if (f)
        fclose(f);
    return hash;
}

/* The hash that the header at the path states if it is not `hash`; NULL: it is the same, or one of
 * the two is not known. */
static const char *other_hash(fv_arena *a, const char *path, const char *hash) {
    const char *before = hash_in(a, path);
    return *before && hash && *hash && strcmp(before, hash) != 0 ? before : NULL;
}

bool fv_driver_header_begin(fv_session *s, fv_arena *a, const fv_program *p, const char *path,
                            const fv_c_library *library, fv_header_file *h) {
    *h = (fv_header_file){.session = s, .path = path};
    if (exists(path) && !fv_driver_is_header(path))
        return !fv_warning(s,
                           "%s stays as it is: it was not written as the header of a library or an "
                           "object; name the result otherwise, or say --header=no",
                           path);
    const char *text = fv_c_library_header(s, a, p, library);
    if (!text)
        return !fv_warning(s, "%s is not written: no C source can name such a header", path);
    h->other = other_hash(a, path, p->source.hash);
    const char *folder = fv_staging_next_to(a, path);
    h->temporary = folder ? fv_printf(a, "%s/header", folder) : NULL;
    h->before = folder && exists(path) ? fv_printf(a, "%s/before", folder) : NULL;
    int why = folder ? put(h->temporary, text) : errno;
    return !why || fv_error(s, "cannot write '%s': %s", path, strerror(why));
}

/* Gives what is at the path a second name. Where a file can have only one, the path has no file
 * until the new header is there. */
static bool keep(const char *path, const char *name) {
    return link(path, name) == 0 || rename(path, name) == 0;
}

bool fv_driver_header_place(fv_header_file *h) {
    if (!h->temporary)
        return true;
    if (!h->before || keep(h->path, h->before)) {
        h->placed = rename(h->temporary, h->path) == 0;
        int why = errno;
        if (!h->placed && h->before)
            rename(h->before, h->path);
        errno = why;
    }
    return h->placed || fv_error(h->session, "cannot write '%s': %s", h->path, strerror(errno));
}

void fv_driver_header_undo(const fv_header_file *h) {
    if (!h->placed)
        return;
    if (h->before)
        rename(h->before, h->path);
    else
        unlink(h->path);
}

void fv_driver_header_note(const fv_header_file *h) {
    if (h->placed && h->other)
        fv_notice(h->session, "%s described another model, with hash %s, and was replaced", h->path,
                  h->other);
}
