/* models.c - neither fusion nor layout multiplies the operations of models and graphs; one that is refused counts for nothing. Dims of a
 * graph that tests/matrix/graphs has dumped are those that its text names: "symbol n0 0..64 # 7 in the runs".
 * Usage: work TARGET MODEL... */
#include <stdio.h>
#include <string.h>

#include "tests/work/work.h"

typedef enum { WITHIN, BEYOND, REFUSED } outcome;

static bool is_refused(const fv_session *s) {
    for (const fv_message *m = fv_messages(s); m; m = m->next)
        if (m->severity == FV_ERROR && strstr(m->text, "not in the catalogue"))
            return true;
    return false;
}

static outcome failed(const char *path, const char *fault) {
    printf("FAILED %s: %s\n", path, fault);
    return BEYOND;
}

/* "n0=7" of each such line of the text. */
static const char *const *dims_of(fv_arena *a, const char *path) {
    const char **list = NULL;
    int n = 0, cap = 0;
    char line[256], name[64];
    long value;
    FILE *f = fv_driver_path_kind(path) == FV_FILE_GRAPH ? fopen(path, "r") : NULL;
    while (f && fgets(line, sizeof line, f)) {
        const char *run = strstr(line, "# ");
        if (run && sscanf(line, "symbol %63s", name) == 1 && sscanf(run, "# %ld in the runs", &value) == 1) {
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

static outcome look_at(fv_session *s, const char *path, const fv_target *t) {
    file f = {path};
    work_subject model = {read_file, &f, dims_of(fv_arena_new(s), path)};
    work_outcome w = work_of(s, &model, t);
    if (!w.lowered) /* a run with those dims may be refused, too */
        return *model.dims || is_refused(s) ? REFUSED : failed(path, "it cannot be compiled");
    const char *fault = work_fault(fv_arena_new(s), &w);
    return fault ? failed(path, fault) : WITHIN;
}

static outcome look_alone(const char *path, const fv_target *t) {
    fv_session *s = fv_session_new();
    fv_door door;
    if (!s)
        return failed(path, "out of memory");
    if (FV_DOOR_OPEN(s, &door)) {
        fv_session_free(s);
        return failed(path, "out of memory");
    }
    outcome o = look_at(s, path, t);
    fv_door_close(s, &door);
    fv_session_free(s);
    return o;
}

int main(int argc, char **argv) {
    int n[3] = {0};
    const fv_target *t = argc > 1 ? fv_target_find(argv[1]) : NULL;
    if (!t) {
        fprintf(stderr, "usage: work TARGET MODEL...\n");
        return 2;
    }
    for (int i = 2; i < argc; i++)
        n[look_alone(argv[i], t)]++;
    printf("%d passed, %d failed\n", n[WITHIN], n[BEYOND]);
    return n[BEYOND] > 0;
}
