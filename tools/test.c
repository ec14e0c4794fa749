/* test.c - `fovea test`: folders in the ONNX backend-test layout. */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "frontend/data.h"
#include "tools/command.h"
#include "tools/compare.h"

enum { MAX_PORTS = 256 };

typedef struct totals {
    int passed, failed;
} totals;

static bool is_file(const char *path) {
    struct stat st;
    return stat(path, &st) == 0 && S_ISREG(st.st_mode);
}

static bool is_folder(const char *path) {
    struct stat st;
    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

static void fail(totals *t, const char *folder, const char *backend, const char *why) {
    t->failed++;
    printf("FAILED %s (%s): %s\n", folder, backend, why);
}

/* The last error as one line, without the file. */
static const char *last_error(fv_session *s, fv_arena *a, const char *otherwise) {
    const char *text = otherwise;
    for (const fv_message *m = fv_messages(s); m; m = m->next)
        if (m->severity == FV_ERROR) {
            text = m->node ? fv_printf(a, "node '%s' (%s): %s", m->node, m->op ? m->op : "?", m->text)
                           : m->text;
            if (strstr(m->text, "not in the catalogue"))
                break;
        }
    return text;
}

/* Inputs and expected outputs of a data set, in the order of the model. */
static bool read_set(fv_session *s, fv_arena *a, const char *set, const char *what, int n,
                     const fv_port_info *ports, const fv_tensor **out) {
    for (int i = 0; i < n; i++) {
        const char *path = fv_printf(a, "%s/%s_%d.pb", set, what, i);
        out[i] = fv_tensor_read(s, a, path, (fv_elem)ports[i].type);
        if (!out[i])
            return false;
    }
    return true;
}

static const char *run_set(fv_session *s, fv_arena *a, fv_artifact *art, const char *set,
                           const fv_args *args) {
    const fv_model *m = fv_artifact_model(art);
    const fv_tensor *in[MAX_PORTS], *want[MAX_PORTS];
    fv_array inputs[MAX_PORTS] = {0}, outputs[MAX_PORTS] = {0};
    if (m->ninputs > MAX_PORTS || m->noutputs > MAX_PORTS)
        return "too many inputs or outputs";
    if (!read_set(s, a, set, "input", m->ninputs, m->inputs, in) ||
        !read_set(s, a, set, "output", m->noutputs, m->outputs, want))
        return last_error(s, a, "cannot read the data set");
    for (int i = 0; i < m->ninputs; i++)
        if (!fv_tensor_array(a, in[i], &inputs[i]))
            return "input cannot be passed";
    fv_run_options o = {.size = sizeof o, .threads = args->threads ? args->threads : 1};
    fv_log *log = fv_log_new();
    int status = fv_artifact_run(art, inputs, outputs, &o, log);
    const char *why = NULL;
    if (status)
        why = fv_printf(a, "%s: %s", fv_status_name(status), fv_log_text(log));
    for (int i = 0; !why && i < m->noutputs; i++) {
        const char *difference;
        if (!fv_compare(a, &outputs[i], want[i], args->atol, args->rtol, &difference))
            why = fv_printf(a, "output '%s' %s", m->outputs[i].name, difference);
    }
    for (int i = 0; i < m->noutputs; i++)
        fv_array_free(&outputs[i]);
    fv_log_free(log);
    return why;
}

static int by_name(const void *a, const void *b) {
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Names in a folder that begin with `prefix`, sorted. */
static int list(fv_arena *a, const char *folder, const char *prefix, const char ***out) {
    DIR *d = opendir(folder);
    int n = 0, cap = 0;
    *out = NULL;
    if (!d)
        return 0;
    for (struct dirent *e; (e = readdir(d));)
        if (e->d_name[0] != '.' && !strncmp(e->d_name, prefix, strlen(prefix)))
            FV_PUSH(a, *out, n, cap, fv_strdup(a, e->d_name));
    closedir(d);
    if (n)
        qsort(*out, (size_t)n, sizeof **out, by_name);
    return n;
}

static bool test_backend(const char *folder, fv_backend_kind backend, const fv_args *args,
                         totals *t) {
    fv_session *s = fv_session_new();
    fv_door door;
    const char *name = fv_backend_name(backend);
    if (!s)
        return false;
    if (FV_DOOR_OPEN(s, &door)) {
        fail(t, folder, name, "out of memory");
        fv_session_free(s);
        return false;
    }
    fv_arena *a = fv_arena_new(s);
    fv_driver_options o;
    bool ok = fv_args_driver(args, &o, true);
    const char *model = fv_printf(a, "%s/model.onnx", folder);
    fv_program *p = ok ? fv_driver_program(s, model, &o, NULL) : NULL;
    fv_artifact *art = p ? fv_driver_artifact(s, p, backend, args->level) : NULL;
    const char **sets;
    int n = list(a, folder, "test_data_set_", &sets);
    if (!art)
        fail(t, folder, name, last_error(s, a, "cannot be compiled"));
    else if (!n)
        fail(t, folder, name, "has no test_data_set_N");
    for (int i = 0; art && i < n; i++) {
        const char *set = fv_printf(a, "%s/%s", folder, sets[i]);
        const char *why = run_set(s, a, art, set, args);
        if (why)
            fail(t, set, name, why);
        else
            t->passed++;
    }
    fv_artifact_free(art);
    fv_door_close(s, &door);
    fv_session_free(s);
    return true;
}

static void test_folder(const char *folder, const fv_args *args, const fv_backend_kind *backends,
                        int nbackends, totals *t) {
    for (int i = 0; i < nbackends; i++)
        test_backend(folder, backends[i], args, t);
}

/* A folder that holds model.onnx, or a root of such folders. */
static bool test_root(const char *root, const fv_args *args, const fv_backend_kind *backends, int n,
                      totals *t) {
    char path[4096];
    snprintf(path, sizeof path, "%s/model.onnx", root);
    if (is_file(path)) {
        test_folder(root, args, backends, n, t);
        return true;
    }
    fv_session *s = fv_session_new();
    fv_arena *a = fv_arena_new(s);
    const char **names;
    int count = list(a, root, "", &names), found = 0;
    for (int i = 0; i < count; i++) {
        const char *folder = fv_printf(a, "%s/%s", root, names[i]);
        if (is_folder(folder) && is_file(fv_printf(a, "%s/model.onnx", folder))) {
            test_folder(folder, args, backends, n, t);
            found++;
        }
    }
    fv_session_free(s);
    if (!found)
        fail(t, root, "-", "holds no model.onnx, nor folders that do");
    return found > 0;
}

int fv_cmd_test(fv_args *args) {
    fv_backend_kind backends[3];
    totals t = {0};
    int n = fv_args_backends(args, FV_HAVE_JIT ? "jit" : "interp", backends);
    if (!n)
        return FV_EXIT_USAGE;
    if (!args->n) {
        fprintf(stderr, "fovea test: error: no folder given\n");
        return FV_EXIT_USAGE;
    }
    for (int i = 0; i < args->n; i++)
        test_root(args->operand[i], args, backends, n, &t);
    printf("%d passed, %d failed\n", t.passed, t.failed);
    return t.failed ? FV_EXIT_MODEL : FV_EXIT_OK;
}
