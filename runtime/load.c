/* load.c - opens compiled libraries, and the files of weights next to them. Both are checked before
 * they are used: for damage that would crash the loader, for other versions of the table, and for
 * weights of another compilation. */
#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "internal.h"
#include "ir/target/lacking.h"
#include "library.h"
#include "weights_file.h"

static void close_library(fv_artifact *a) {
    fv_dl_close(a->ctx);
    if (a->weights)
        fv_file_close((void *)(uintptr_t)a->weights, a->weights_bytes);
}

static int no_weights(fv_log *log, const char *library, const char *path, const char *why) {
    fv_log_add(log, "%s: error: its weights, %s, cannot be used: %s", library, path, why);
    return FV_BAD_FILE;
}

static int map_checked(const char *path, void **file, size_t *bytes, const char **why) {
    int status = fv_file_open(path, file, bytes, why);
    if (status || !(*why = fv_weights_fault(*file, *bytes, *bytes <= FV_WEIGHTS_READ_WHOLE)))
        return status;
    fv_file_close(*file, *bytes);
    return FV_BAD_FILE;
}

/* Maps the file of weights in the folder of the library `full`. Each run compares its head with the
 * expected one. */
static int map_weights(fv_artifact *a, const char *library, const char *full, fv_log *log) {
    const char *name = a->model->weights_file, *why;
    if (!name)
        return FV_OK;
    if (!*name || name[strcspn(name, fv_dl_separators)])
        return no_weights(log, library, name, "it is not in the folder of the library");
    size_t folder = (size_t)(fv_dl_name(full) - full), size = folder + strlen(name) + 1, bytes;
    char *path = malloc(size);
    void *file;
    if (!path)
        return FV_NO_MEMORY;
    snprintf(path, size, "%.*s%s", (int)folder, full, name);
    int status = map_checked(path, &file, &bytes, &why);
    if (status == FV_BAD_FILE)
        no_weights(log, library, path, why);
    if (status == FV_OK) {
        a->weights = file;
        a->weights_bytes = bytes;
    }
    free(path);
    return status;
}

/* Reports what a library without a table of this version is. */
static int unfit(const char *path, const fv_model *model, bool ours, fv_log *log) {
    if (!ours)
        fv_log_add(log, "%s: error: is no compiled model: it has no fovea_model", path);
    else if (!model)
        fv_log_add(log, "%s: error: is no compiled model: its fovea_model gives NULL", path);
    else if (model->abi != 2)
        fv_log_add(
            log,
            "%s: error: was compiled for ABI %u, this library runs ABI 2; compile the model again",
            path, (unsigned)model->abi);
    else
        fv_log_add(log,
                   "%s: error: was compiled by %s Fovea: its table has %u bytes, %u are expected; "
                   "compile the "
                   "model again",
                   path, model->size < sizeof *model ? "an older" : "a newer",
                   (unsigned)model->size, (unsigned)sizeof *model);
    return FV_BAD_FILE;
}

static int damaged(const char *path, const char *what, fv_log *log) {
    fv_log_add(log, "%s: error: is damaged (%s of its table); compile the model again", path, what);
    return FV_BAD_FILE;
}

/* Does the code check the CPU with the result that it cannot run here? The check asks the system
 * for registers that the code uses. A run begins with it, and ends after it since there is no
 * version of fv_env whose size is 0. */
static bool is_refused(fv_artifact *a) {
    const fv_env none = {0};
    return a->run(a, NULL, NULL, NULL, NULL, NULL, 0, &none) == FV_BAD_CPU;
}

char *fv_artifact_lacking(fv_artifact *a, char *text, size_t size) {
    const char *target = a->model->target;
    if (*fv_target_lacking(target, text, size) || !fv_target_asks(target) || !is_refused(a))
        return text;
    return fv_target_refused(target, text, size);
}

/* Reports the features of the library's target that this CPU lacks. If this version does not know
 * the target, only the runs check them. */
static int check_cpu(const char *path, fv_artifact *a, fv_log *log) {
    const fv_model *m = a->model;
    char names[FV_FEATURES_TEXT];
    if (!*fv_artifact_lacking(a, names, sizeof names))
        return FV_OK;
    fv_log_add(
        log,
        "%s: error: was compiled for target %s, and this CPU lacks %s; compile the model for "
        "another target",
        path, m->target, names);
    return FV_BAD_CPU;
}

/* Makes an artifact of an opened library. If it is only to be described, it need not be one that
 * runs here: neither the CPU nor its weights are needed. */
static int open_table(void *lib, const char *path, const char *full, bool described, fv_log *log,
                      fv_artifact **out) {
    const fv_model *(*get)(void);
    *(void **)&get = fv_dl_symbol(lib, "fovea_model");
    const fv_model *model = get ? get() : NULL;
    if (model && !fv_table_is_in(lib, model, offsetof(fv_model, name)))
        return damaged(path, "place", log);
    if (!model || model->abi != 2 || model->size != sizeof *model)
        return unfit(path, model, get != NULL, log);
    const char *fault =
        fv_table_is_in(lib, model, sizeof *model) ? fv_table_fault(lib, model) : "place";
    if (fault)
        return damaged(path, fault, log);
    fv_artifact *a = fv_artifact_new(model);
    if (!a)
        return FV_NO_MEMORY;
    int status = described ? FV_OK : check_cpu(path, a, log);
    if (!status && !described)
        status = map_weights(a, path, full, log);
    if (status) {
        fv_artifact_free(a);
        return status;
    }
    a->ctx = lib;
    a->destroy = close_library;
    *out = a;
    return FV_OK;
}

static int load(const char *path, bool described, fv_log *log, fv_artifact **out) {
    /* a loader would search for a name without a folder elsewhere */
    char *full = fv_dl_path(path);
    int error = full ? 0 : errno;
    const char *why = full ? NULL : strerror(error);
    void *lib = full ? fv_dl_open(full, &why) : NULL;
    if (!lib) {
        fv_log_add(log, "%s: error: cannot be loaded: %s", path, why ? why : "unknown error");
        free(full);
        return !why || error == ENOMEM ? FV_NO_MEMORY : FV_BAD_FILE;
    }
    int status = open_table(lib, path, full, described, log, out);
    if (status)
        fv_dl_close(lib);
    free(full);
    return status;
}

/* Loads a library. Its function `fovea_model` returns its table, whatever prefix its other names
 * have. */
int fv_load(const char *path, fv_log *log, fv_artifact **out) {
    if (out)
        *out = NULL;
    if (!path || !out)
        return fv_log_missing(log, path ? "out" : "path");
    return load(path, false, log, out);
}

int fv_load_described(const char *path, fv_log *log, fv_artifact **out) {
    *out = NULL;
    return load(path, true, log, out);
}

const char *fv_load_text(const fv_artifact *a, const char *name) {
    const char *text = fv_dl_symbol(a->ctx, name);
    return text && fv_text_is_in(a->ctx, text) ? text : NULL;
}
