/* write_onnx.c - writes graphs as ONNX files: the model, and a file with its weights if these are
 * large. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "driver.h"
#include "frontend/export.h"
#include "ir/base/mapping.h"
#include "ir/base/staging.h"

/* Is it standard output, a device or a pipe? Then weights are not written to a second file, and it
 * is not replaced by renaming. */
static bool stands_alone(const char *path) {
    struct stat st;
    return !strcmp(path, "-") || (stat(path, &st) == 0 && !S_ISREG(st.st_mode));
}

static bool cannot_write(fv_session *s, const char *path) {
    return fv_error(s, "cannot write '%s': %s", path, strerror(errno ? errno : EIO));
}

typedef bool put_fn(const fv_export *e, FILE *f);

/* Writes and closes the file. Closing is checked, since some systems report a full disk only
 * then. */
static bool put_and_close(const fv_export *e, put_fn *put, FILE *f) {
    bool ok = put(e, f) && fflush(f) == 0;
    int error = errno;
    if (fclose(f) != 0 && ok)
        return false;
    errno = error;
    return ok;
}

static bool write_alone(fv_session *s, const fv_export *e, const char *out) {
    if (!strcmp(out, "-"))
        return (fv_export_put(e, stdout) && fflush(stdout) == 0) ||
               fv_error(s, "cannot write to standard output: %s", strerror(errno ? errno : EIO));
    struct stat st;
    errno = EISDIR;
    FILE *f = stat(out, &st) == 0 && S_ISDIR(st.st_mode) ? NULL : fopen(out, "wb");
    return (f && put_and_close(e, fv_export_put, f)) || cannot_write(s, out);
}

/* Creates a file in the folder, with the user's default permissions; NULL with errno. */
static const char *make_in(fv_arena *a, const char *folder, const char *name, const fv_export *e,
                           put_fn *put) {
    const char *path = folder ? fv_printf(a, "%s/%s", folder, name) : NULL;
    FILE *f = path ? fopen(path, "wbx") : NULL;
    return f && put_and_close(e, put, f) ? path : NULL;
}

/* Writes the model and the file of weights. Both are complete before the first is renamed. The
 * weights are renamed first, so that there is never a model without its weights. */
static bool write_files(fv_session *s, fv_arena *a, const fv_export *e, const char *out,
                        const char *side) {
    const char *weights = NULL, *model = NULL, *folder = fv_staging_next_to(a, out);
    bool has_side = fv_export_has_side(e);
    if (has_side && !((weights = make_in(a, folder, "weights", e, fv_export_put_side))))
        return cannot_write(s, side);
    if (!((model = make_in(a, folder, "model", e, fv_export_put))))
        return cannot_write(s, out);
    if (weights && rename(weights, side) != 0)
        return cannot_write(s, side);
    return rename(model, out) == 0 || cannot_write(s, out);
}

/* Checks that no file of the model that was read would be replaced by a file that is written. */
static bool spares(fv_session *s, const fv_export *e, const char *out, const char *side) {
    return fv_driver_spares(s, out) && (!fv_export_has_side(e) || fv_driver_spares(s, side));
}

bool fv_driver_write_sharded(fv_session *s, fv_module *m, const fv_shardings *shardings,
                             const char *out, fv_weights_kind weights,
                             const fv_pipeline_options *o) {
    static const char *const spell[] = {"spell", "share", "remove-dead", NULL};
    if (weights == FV_WEIGHTS_INCBIN || weights == FV_WEIGHTS_TEXT)
        return fv_error(
            s,
            "--weights of an ONNX model are object, in the model, or file, in a file next to it");
    if (!fv_run_passes(m, spell, o))
        return false;
    fv_arena *a = fv_arena_new(s);
    bool alone = stands_alone(out);
    const char *side = alone ? NULL : fv_printf(a, "%s.data", out);
    fv_export_options eo = {.shardings = shardings,
                            .side = side ? fv_path_name(side) : NULL,
                            .weights = weights == FV_WEIGHTS_FILE     ? FV_EXPORT_EXTERNAL
                                       : weights == FV_WEIGHTS_OBJECT ? FV_EXPORT_INSIDE
                                                                      : FV_EXPORT_AUTO};
    const fv_export *e = fv_onnx_export(s, a, m, &eo);
    bool ok = e && (alone ? write_alone(s, e, out)
                          : spares(s, e, out, side) && write_files(s, a, e, out, side));
    fv_arena_free(a);
    return ok;
}

bool fv_driver_write_onnx(fv_session *s, fv_module *m, const char *out, fv_weights_kind weights,
                          const fv_pipeline_options *o) {
    return fv_driver_write_sharded(s, m, NULL, out, weights, o);
}
