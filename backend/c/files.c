/* files.c - writing sets of files: beside their places first, then renamed; folders with a manifest. */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "backend/c/files.h"

void fv_c_files_add(fv_c_files *f, const char *name, const void *data, size_t bytes) {
    FV_PUSH(f->arena, f->file, f->n, f->cap, (fv_c_file){name, data, bytes});
}

static const char *path_of(fv_arena *a, const char *folder, const char *name) {
    return fv_printf(a, "%s%s%s", folder, *folder && folder[strlen(folder) - 1] != '/' ? "/" : "", name);
}

static const char *beside(fv_arena *a, const char *folder, const char *name) {
    return fv_printf(a, "%s.new-%ld", path_of(a, folder, name), (long)getpid());
}

static bool write_one(fv_session *s, const char *path, const char *shown, const fv_c_file *file) {
    FILE *out = fopen(path, "wbx");
    if (!out)
        return fv_error(s, "cannot write '%s': %s", shown, strerror(errno));
    errno = 0;
    bool ok = fwrite(file->data, 1, file->bytes, out) == file->bytes && fflush(out) == 0;
    int why = errno;
    if (fclose(out) != 0 && ok) {
        ok = false;
        why = errno;
    }
    if (ok)
        return true;
    unlink(path);
    return fv_error(s, "cannot write '%s': %s", shown, strerror(why ? why : EIO));
}

static void remove_new(const fv_c_files *f, const char *folder, int n) {
    for (int i = 0; i < n; i++)
        unlink(beside(f->arena, folder, f->file[i].name));
}

static bool rename_all(fv_session *s, const fv_c_files *f, const char *folder) {
    for (int i = 0; i < f->n; i++) {
        struct stat st;
        const char *path = path_of(f->arena, folder, f->file[i].name);
        if (stat(path, &st) == 0 && S_ISDIR(st.st_mode))
            return fv_error(s, "cannot write '%s': it is a folder", path);
    }
    for (int i = 0; i < f->n; i++) {
        const char *path = path_of(f->arena, folder, f->file[i].name);
        if (rename(beside(f->arena, folder, f->file[i].name), path) != 0)
            return fv_error(s, "cannot write '%s': %s", path, strerror(errno));
    }
    return true;
}

bool fv_c_files_write(fv_session *s, const fv_c_files *f, const char *folder) {
    for (int i = 0; i < f->n; i++) {
        const char *path = path_of(f->arena, folder, f->file[i].name);
        if (!write_one(s, beside(f->arena, folder, f->file[i].name), path, &f->file[i])) {
            remove_new(f, folder, i);
            return false;
        }
    }
    if (rename_all(s, f, folder))
        return true;
    remove_new(f, folder, f->n);
    return false;
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

static const char manifest_head[] = "# Fovea wrote the files below, and replaces them; a build may make those after +\n";

/* Names only: a line with a slash is nobody's. */
static void read_manifest(listing *l, const char *path, bool products) {
    FILE *in = fopen(path, "r");
    if (!in)
        return;
    char line[512];
    while (fgets(line, sizeof line, in)) {
        line[strcspn(line, "\n")] = 0;
        const char *name = line;
        if (*name == '+' && !products)
            continue;
        name += *name == '+';
        if (*name && *name != '#' && *name != '.' && !strchr(name, '/'))
            FV_PUSH(l->arena, l->name, l->n, l->cap, fv_strdup(l->arena, name));
    }
    fclose(in);
}

static bool holds_only(fv_session *s, const char *folder, const listing *known) {
    DIR *dir = opendir(folder);
    if (!dir)
        return fv_error(s, "cannot read folder '%s': %s", folder, strerror(errno));
    bool ok = true;
    for (struct dirent *e; ok && (e = readdir(dir));)
        if (strcmp(e->d_name, ".") && strcmp(e->d_name, "..") && strcmp(e->d_name, FV_C_MANIFEST) &&
            !is_listed(known, e->d_name))
            ok = fv_error(s, "folder '%s' holds '%s', which is not in its %s: name a new or empty folder, or move "
                          "the file away", folder, e->d_name, FV_C_MANIFEST);
    closedir(dir);
    return ok;
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

bool fv_c_folder_write(fv_session *s, fv_c_files *f, const char *folder, const char *const *products) {
    listing known = {.arena = f->arena}, old = {.arena = f->arena};
    bool made = mkdir(folder, 0777) == 0;
    if (!made && errno != EEXIST)
        return fv_error(s, "cannot make folder '%s': %s", folder, strerror(errno));
    const char *manifest = path_of(f->arena, folder, FV_C_MANIFEST);
    read_manifest(&known, manifest, true);
    read_manifest(&old, manifest, false);
    if (!holds_only(s, folder, &known))
        return false;
    add_manifest(f, products);
    if (!fv_c_files_write(s, f, folder)) {
        if (made)
            rmdir(folder);
        return false;
    }
    for (int i = 0; i < old.n; i++)
        if (!is_written(f, old.name[i]))
            unlink(path_of(f->arena, folder, old.name[i]));
    return true;
}
