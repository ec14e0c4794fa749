/* files.c - writes a set of files: into a temporary folder within that of their destination, from
 * which they are renamed; also folders with a manifest.
 *
 * Nothing is allocated while a file is open, since running out of memory is a longjmp, which would
 * not close it. */
#include "backend/c/files.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ir/base/staging.h"
#include "ir/base/text.h"

void fv_c_files_add(fv_c_files *f, const char *name, const void *data, size_t bytes) {
    FV_PUSH(f->arena, f->file, f->n, f->cap,
            (fv_c_file){.name = name, .data = data, .bytes = bytes});
}

void fv_c_files_add_put(fv_c_files *f, const char *name, const void *data,
                        bool (*put)(const void *data, FILE *f)) {
    FV_PUSH(f->arena, f->file, f->n, f->cap, (fv_c_file){.name = name, .data = data, .put = put});
}

static const char *path_of(fv_arena *a, const char *folder, const char *name) {
    return fv_printf(a, "%s%s%s", folder, *folder && folder[strlen(folder) - 1] != '/' ? "/" : "",
                     name);
}

static bool set_paths(fv_c_files *f, fv_arena *a, const char *folder) {
    const char *staging = fv_staging_in(a, folder);
    for (int i = 0; i < f->n; i++) {
        f->file[i].path = path_of(f->arena, folder, f->file[i].name);
        f->file[i].temporary = staging ? path_of(f->arena, staging, f->file[i].name) : NULL;
    }
    return staging != NULL;
}

static bool put(const fv_c_file *file, FILE *out) {
    return file->put ? file->put(file->data, out)
                     : fwrite(file->data, 1, file->bytes, out) == file->bytes;
}

/* Writes a file; returns 0, or an errno. */
static int write_one(const fv_c_file *file) {
    /* the file is opened for reading, too, because libelf reads from it */
    FILE *out = fopen(file->temporary, "w+bx");
    if (!out)
        return errno;
    errno = 0;
    int why = 0;
    if (!put(file, out) || fflush(out) != 0)
        why = errno ? errno : EIO;
    if (fclose(out) != 0 && !why)
        why = errno ? errno : EIO;
    return why;
}

/* Writes all files. Returns the number of the file that failed, with *why its errno; n: none
 * failed. */
static int write_all(const fv_c_files *f, int *why) {
    for (int i = 0; i < f->n; i++)
        if ((*why = write_one(&f->file[i])))
            return i;
    return f->n;
}

static int rename_all(const fv_c_files *f, int *why) {
    struct stat st;
    for (int i = 0; i < f->n; i++) /* a folder at the destination would make a rename fail */
        if (stat(f->file[i].path, &st) == 0 && S_ISDIR(st.st_mode)) {
            *why = EISDIR;
            return i;
        }
    for (int i = 0; i < f->n; i++)
        if (rename(f->file[i].temporary, f->file[i].path) != 0) {
            *why = errno;
            return i;
        }
    return f->n;
}

static bool write_set(fv_session *s, fv_c_files *f, const char *folder) {
    fv_arena *a = fv_arena_new(s);
    bool staged = set_paths(f, a, folder);
    int why = errno, failed = staged ? write_all(f, &why) : 0;
    if (failed == f->n)
        failed = rename_all(f, &why);
    fv_arena_free(a); /* also removes the files that were not renamed */
    return failed == f->n ||
           fv_error(s, "cannot write '%s': %s", f->file[failed].path, strerror(why));
}

bool fv_c_files_write(fv_session *s, fv_c_files *f, const char *folder) {
    return write_set(s, f, folder);
}

/* ---- folders ---- */

typedef struct listing {
    fv_arena *arena;
    const char **name;
    int n, cap;
} listing;

static bool is_listed(const listing *l, const char *name) {
    for (int i = 0; i < l->n; i++)
        if (!strcmp(l->name[i], name))
            return true;
    return false;
}

static bool is_written(const fv_c_files *f, const char *name) {
    for (int i = 0; i < f->n; i++)
        if (!strcmp(f->file[i].name, name))
            return true;
    return false;
}

static const char manifest_head[] =
    "# Fovea wrote the files below, and replaces them; a build may make those after +\n";

enum { MANIFEST_MOST = 65536 };

static const char *manifest_text(fv_arena *a, const char *path) {
    char *text = fv_alloc(a, MANIFEST_MOST + 1, 1);
    FILE *in = fopen(path, "r");
    if (!in)
        return "";
    text[fread(text, 1, MANIFEST_MOST, in)] = 0;
    fclose(in);
    return text;
}

/* Reads a manifest, without its comments. Lines with a slash or with a point in front are ignored,
 * because files are in the folder itself. */
static listing read_manifest(fv_arena *a, const char *text, bool products) {
    listing l = {.arena = a};
    for (; *text; text += strcspn(text, "\n"), text += *text == '\n') {
        bool product = *text == '+';
        const char *name = fv_strndup(a, text + product, strcspn(text, "\n") - product);
        if (*name && *name != '#' && *name != '.' && !strchr(name, '/') && (products || !product))
            FV_PUSH(a, l.name, l.n, l.cap, name);
    }
    return l;
}

static bool holds_only(fv_session *s, const char *folder, const listing *known) {
    char stranger[sizeof((struct dirent *)0)->d_name] = "";
    DIR *dir = opendir(folder);
    if (!dir)
        return fv_error(s, "cannot read folder '%s': %s", folder, strerror(errno));
    for (struct dirent *e; !*stranger && (e = readdir(dir));)
        if (strcmp(e->d_name, ".") && strcmp(e->d_name, "..") && strcmp(e->d_name, FV_C_MANIFEST) &&
            strncmp(e->d_name, FV_STAGING, strlen(FV_STAGING)) && !is_listed(known, e->d_name))
            snprintf(stranger, sizeof stranger, "%s", e->d_name);
    closedir(dir);
    return !*stranger || fv_error(s,
                                  "folder '%s' holds '%s', which is not in its %s: name a new or "
                                  "empty folder, or move the "
                                  "file away",
                                  folder, stranger, FV_C_MANIFEST);
}

static void add_manifest(fv_c_files *f, const char *const *products) {
    fv_text t = {.arena = f->arena};
    fv_text_put(&t, manifest_head);
    for (int i = 0; i < f->n; i++)
        fv_text_printf(&t, "%s\n", f->file[i].name);
    for (; *products; products++)
        fv_text_printf(&t, "+%s\n", *products);
    fv_c_files_add(f, FV_C_MANIFEST, t.s, t.n);
}

/* Creates the folder and the missing ones above it. *made: the length of the path of the topmost
 * one that was made, 0: none was. False: errno says why; those that were made stay. */
static bool make_folders(fv_arena *a, const char *folder, size_t *made) {
    char *path = fv_strdup(a, folder);
    size_t n = strlen(path);
    *made = 0;
    for (size_t i = 1; i <= n; i++) {
        if (path[i] && path[i] != '/')
            continue;
        char end = path[i];
        path[i] = 0;
        bool is_new = mkdir(path, 0777) == 0;
        int why = errno; /* not always EEXIST if there is one, as on a file system without writes */
        if (!is_new && access(path, F_OK) != 0) {
            errno = why;
            return false;
        }
        *made = is_new && !*made ? i : *made;
        path[i] = end;
    }
    return true;
}

/* Removes the folders that make_folders made, which are empty. */
static void remove_made(fv_arena *a, const char *folder, size_t made) {
    char *path = fv_strdup(a, folder);
    for (size_t n = strlen(path); made && n >= made; n--)
        if (!path[n] || path[n] == '/') {
            path[n] = 0;
            rmdir(path);
        }
}

/* Renames files that are next to their place. */
static bool move_set(fv_session *s, fv_c_files *f) {
    int why, failed = rename_all(f, &why);
    return failed == f->n ||
           fv_error(s, "cannot write '%s': %s", f->file[failed].path, strerror(why));
}

/* Writes the files to the folder or, if they have been written to another one, moves them. */
static bool replace(fv_session *s, fv_c_files *f, const char *folder, bool written) {
    const char *text = manifest_text(f->arena, path_of(f->arena, folder, FV_C_MANIFEST));
    listing known = read_manifest(f->arena, text, true), old = read_manifest(f->arena, text, false);
    for (int i = 0; i < old.n; i++)
        old.name[i] = path_of(f->arena, folder, old.name[i]);
    size_t made;
    if (!make_folders(f->arena, folder, &made)) {
        fv_error(s, "cannot make folder '%s': %s", folder, strerror(errno));
        remove_made(f->arena, folder, made);
        return false;
    }
    if (!made && !holds_only(s, folder, &known))
        return false;
    if (!(written ? move_set(s, f) : write_set(s, f, folder))) {
        remove_made(f->arena, folder, made);
        return false;
    }
    for (int i = 0; i < old.n; i++)
        if (!is_written(f, strrchr(old.name[i], '/') + 1))
            unlink(old.name[i]);
    return true;
}

bool fv_c_folder_write(fv_session *s, fv_c_files *f, const char *folder,
                       const char *const *products) {
    add_manifest(f, products);
    return replace(s, f, folder, false);
}

bool fv_c_folder_is_free(fv_session *s, const char *folder) {
    fv_arena *a = fv_arena_new(s);
    const char *text = manifest_text(a, path_of(a, folder, FV_C_MANIFEST));
    listing known = read_manifest(a, text, true);
    bool ok = access(folder, F_OK) != 0 || holds_only(s, folder, &known);
    fv_arena_free(a);
    return ok;
}

bool fv_c_folder_move(fv_session *s, const char *from, const char *to) {
    fv_c_files f = {.arena = fv_arena_new(s)};
    const char *text = manifest_text(f.arena, path_of(f.arena, from, FV_C_MANIFEST));
    listing l = read_manifest(f.arena, text, false);
    for (int i = 0; i < l.n; i++)
        fv_c_files_add(&f, l.name[i], NULL, 0);
    fv_c_files_add(&f, FV_C_MANIFEST, NULL, 0);
    for (int i = 0; i < f.n; i++) {
        f.file[i].path = path_of(f.arena, to, f.file[i].name);
        f.file[i].temporary = path_of(f.arena, from, f.file[i].name);
    }
    bool ok = replace(s, &f, to, true);
    fv_arena_free(f.arena);
    return ok;
}
