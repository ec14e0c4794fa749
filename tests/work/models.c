/* models.c - checks that neither fusion nor layout multiplies the operations of models and graphs.
 * Models that are refused do not count. The dims of a graph that tests/matrix/graphs has dumped are
 * those in its text: "symbol n0 0..64 # 7 in the runs". Usage: work TARGET MODEL... */
#include <stdio.h>
#include <string.h>

#include "tests/models.h"
#include "tests/work/work.h"

/* "n0=7" of each such line of the text. */
static const char *const *dims_of(fv_arena *a, const char *path) {
    const char **list = NULL;
    int n = 0, cap = 0;
    char line[256], name[64];
    long value;
    FILE *f = fv_driver_path_kind(path) == FV_FILE_GRAPH ? fopen(path, "r") : NULL;
    while (f && fgets(line, sizeof line, f)) {
        const char *run = strstr(line, "# ");
        if (run && sscanf(line, "symbol %63s", name) == 1 &&
            sscanf(run, "# %ld in the runs", &value) == 1) {
            const char *dim = fv_printf(a, "%s=%ld", name, value);
            FV_PUSH(a, list, n, cap, dim);
        }
    }
    if (f)
        fclose(f);
    FV_PUSH(a, list, n, cap, NULL);
    return list;
}

typedef struct file {
    const char *path;
} file;

static bool read_file(void *user, fv_session *s, const fv_driver_options *o, fv_source *out) {
    const file *f = user;
    return fv_driver_read(s, f->path, o, out);
}

static models_outcome look_at(fv_session *s, const char *path, const fv_target *t) {
    file f = {path};
    work_subject model = {read_file, &f, dims_of(fv_arena_new(s), path)};
    work_outcome w = work_of(s, &model, t);
    if (!w.lowered) /* a run with those dims may be refused, too */
        return *model.dims || models_is_refused(s) ? MODELS_REFUSED
                                                   : models_failed(path, "it cannot be compiled");
    const char *fault = work_fault(fv_arena_new(s), &w);
    return fault ? models_failed(path, fault) : MODELS_GOOD;
}

int main(int argc, char **argv) {
    return models_main(argc, argv, look_at);
}
