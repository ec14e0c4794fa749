/* test.c - `fovea test`: tests models, on data sets in the layout of the ONNX backend tests or on
 * random data, and compiled libraries, on data sets. A model is compiled once for each backend, and
 * runs on all its data sets. Tests of rules and scripts are in test_text.c. */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "tools/command/progress.h"
#include "tools/data/compare.h"
#include "tools/data/values.h"
#include "tools/model/model.h"
#include "tools/subcommand/test.h"

/* ---- folders ---- */

static bool is_file(const char *path) {
    struct stat st;
    return stat(path, &st) == 0 && S_ISREG(st.st_mode);
}

static bool is_folder(const char *path) {
    struct stat st;
    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

/* Compares names such that "test_data_set_10" comes after "test_data_set_9". */
static int by_name(const void *a, const void *b) {
    return strverscmp(*(const char *const *)a, *(const char *const *)b);
}

/* Lists the names in a folder that begin with `prefix`, sorted. */
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

/* ---- results ---- */

static void fail(fv_tests *t, const char *folder, const char *backend, const char *why) {
    fv_test_fail(t, folder, "backend", backend, why, NULL);
}

const char *fv_test_error(fv_context *c, const char *otherwise) {
    const char *text = otherwise;
    for (const fv_message *m = fv_messages(c->session); m; m = m->next)
        if (m->severity == FV_ERROR) {
            text = m->node ? fv_printf(c->arena, "node '%s' (%s): %s", m->node, m->op ? m->op : "?",
                                       m->text)
                           : m->text;
            if (strstr(m->text, "not in the catalogue"))
                break;
        }
    return text;
}

/* ---- one data set ---- */

static const char *run(fv_context *c, fv_artifact *a, const fv_array *inputs, fv_array *outputs) {
    int threads = fv_args_threads(c->args);
    const fv_env env = {.size = sizeof env, .seed = c->args->data.draws};
    fv_run_options o = {.size = sizeof o, .threads = threads ? threads : 1, .env = &env};
    fv_log *log = fv_log_new();
    int status = fv_artifact_run(a, inputs, outputs, &o, log);
    const char *why = NULL, *text = fv_log_text(log);
    if (status)
        why = *text ? fv_printf(c->arena, "%s: %.*s", fv_status_name(status),
                                (int)strcspn(text, "\n"), text)
                    : fv_status_text(status);
    fv_log_free(log);
    return why;
}

static const char *compare(fv_context *c, const fv_model *m, const fv_array *outputs,
                           const fv_tensor *const *want) {
    const char *difference;
    fv_port_value *v;
    int n = fv_port_values(c->arena, m->noutputs, m->outputs, FV_AS_TENSORS, &v);
    for (int i = 0; i < n; i++)
        if (!fv_value_compare(c, &v[i], outputs, want, &difference))
            return fv_printf(c->arena, "output '%s' %s", v[i].name, difference);
    return NULL;
}

/* Runs one data set. Returns NULL if it passes, otherwise the reason of the failure. */
static const char *run_set(fv_context *c, fv_artifact *art, const char *set) {
    const fv_model *m = fv_artifact_model(art);
    const fv_tensor **in = FV_NEW(c->arena, const fv_tensor *, m->ninputs + 1);
    const fv_tensor **want = FV_NEW(c->arena, const fv_tensor *, m->noutputs + 1);
    fv_array *inputs = FV_NEW(c->arena, fv_array, m->ninputs + 1);
    fv_array *outputs = FV_NEW(c->arena, fv_array, m->noutputs + 1);
    const char *why;
    if (!fv_read_set(c, set, "input", m->ninputs, m->inputs, in, &why) ||
        !fv_read_set(c, set, "output", m->noutputs, m->outputs, want, &why))
        return why ? why : fv_test_error(c, "cannot read the data set");
    for (int i = 0; i < m->ninputs; i++)
        if (!fv_tensor_array(c->arena, in[i], &inputs[i]))
            return fv_printf(c->arena, "input '%s' cannot be passed", m->inputs[i].name);
    why = run(c, art, inputs, outputs);
    if (!why)
        why = compare(c, m, outputs, want);
    for (int i = 0; i < m->noutputs; i++)
        fv_array_free(&outputs[i]);
    return why;
}

/* ---- one model on one backend ---- */

static void run_sets(fv_context *c, fv_artifact *art, const char *folder, const char *backend,
                     fv_tests *t) {
    const char **sets;
    int n = list(c->arena, folder, "test_data_set_", &sets);
    if (!n)
        fail(t, folder, backend, "has no test_data_set_N");
    for (int i = 0; i < n; i++) {
        fv_context one = {c->session, fv_arena_new(c->session), c->args};
        const char *set = fv_printf(c->arena, "%s/%s", folder, sets[i]);
        const char *why = run_set(&one, art, set);
        if (why)
            fail(t, set, backend, why);
        else
            t->passed++;
        fv_arena_free(one.arena);
        fv_messages_clear(c->session);
    }
}

static void run_model(fv_context *c, const char *folder, fv_backend_kind backend, fv_tests *t) {
    const char *name = fv_backend_name(backend);
    fv_driver_options o;
    fv_compiled made;
    if (!fv_args_driver(c, &o, true))
        return;
    if (fv_driver_compile(c->session, fv_printf(c->arena, "%s/model.onnx", folder), &o, backend,
                          NULL, &made))
        run_sets(c, made.artifact, folder, name, t);
    else
        fail(t, folder, name, fv_test_error(c, "cannot be compiled"));
    fv_artifact_free(made.artifact);
}

/* ---- a compiled library ---- */

static const char *folder_of(fv_arena *a, const char *path) {
    const char *slash = strrchr(path, '/');
    return !slash ? "." : slash > path ? fv_strndup(a, path, (size_t)(slash - path)) : "/";
}

/* Runs a library on the data sets in its folder. */
static void run_library(fv_context *c, const char *path, fv_tests *t) {
    const char *folder = folder_of(c->arena, path), **sets;
    fv_subject m = {0};
    if (!fv_subject_open(c, path, t->backends[0], &m))
        fail(t, path, "library", fv_test_error(c, "cannot be loaded"));
    else if (!list(c->arena, folder, "test_data_set_", &sets))
        fail(t, path, "library",
             fv_printf(c->arena,
                       "is compiled already, so there is no reference: it is tested on folders "
                       "test_data_set_0, ... next to it, and %s has none; `fovea run %s --data-set "
                       "DIR --expect DIR` tests it on data elsewhere",
                       strcmp(folder, ".") ? folder : "this folder", path));
    else
        run_sets(c, m.artifact, folder, "library", t);
    fv_subject_close(&m);
}

/* ---- a model without data: against its naive schedule, on random inputs ---- */

typedef struct reference {
    /* outputs of the first backend with the naive schedule, with which those of all backends are
     * compared; NULL: this run computes them */
    fv_array *outputs;
    int n;
} reference;

static const char *compare_with(fv_context *c, const fv_subject *m, const reference *ref) {
    const char *difference;
    for (int i = 0; i < ref->n; i++) {
        fv_tensor want = fv_array_tensor(c->arena, &ref->outputs[i]);
        if (!fv_compare(c->arena, &m->data.outputs[i], &want, c->args->data.atol,
                        c->args->data.rtol, &difference))
            return fv_printf(c->arena, "output '%s' differs from the naive schedule's: %s",
                             m->table->outputs[i].name, difference);
    }
    return NULL;
}

/* Takes the outputs from the model, so that they outlive it. */
static const char *keep_outputs(fv_subject *m, reference *ref) {
    ref->outputs = calloc((size_t)m->table->noutputs + 1, sizeof *ref->outputs);
    if (!ref->outputs)
        return "out of memory";
    ref->n = m->table->noutputs;
    for (int i = 0; i < ref->n; i++) {
        ref->outputs[i] = m->data.outputs[i];
        m->data.outputs[i] = (fv_array){0};
    }
    return NULL;
}

static void run_file(fv_context *c, const char *path, fv_backend_kind backend, fv_tests *t,
                     reference *ref) {
    fv_subject m;
    const char *why = NULL;
    bool made = ref->outputs != NULL;
    if (!fv_subject_open(c, path, backend, &m) || !fv_choose_dims(c, &m, true) ||
        !fv_has_work(c, &m, "compare") || !fv_make_inputs(c, &m))
        why = fv_test_error(c, "cannot be compiled");
    if (!why)
        why = run(c, m.artifact, m.data.inputs, m.data.outputs);
    if (!why)
        why = made ? compare_with(c, &m, ref) : keep_outputs(&m, ref);
    if (why)
        fail(t, path, made ? fv_backend_name(backend) : "naive", why);
    else
        t->passed += made;
    fv_subject_close(&m);
}

/* ---- models ---- */

typedef struct model_test {
    fv_tests *t;
    const char *path;
    fv_backend_kind backend;
    /* reference of a model without data sets; NULL: the model has data sets, or is a library */
    reference *ref;
    bool library;
} model_test;

static void run_one(fv_context *c, void *arg) {
    const model_test *m = arg;
    if (m->library)
        run_library(c, m->path, m->t);
    else if (m->ref)
        run_file(c, m->path, m->backend, m->t, m->ref);
    else
        run_model(c, m->path, m->backend, m->t);
}

static void test_model(const char *path, fv_backend_kind backend, fv_tests *t, const fv_args *args,
                       reference *ref) {
    model_test m = {t, path, backend, ref, false};
    fv_test_alone(t, path, fv_backend_name(backend), args, run_one, &m);
}

static void test_folder(const char *folder, fv_tests *t) {
    for (int i = 0; i < t->nbackends; i++)
        test_model(folder, t->backends[i], t, t->args, NULL);
}

static void test_file(const char *path, fv_tests *t) {
    fv_args naive = *t->args;
    reference ref = {0};
    naive.code.schedule = "naive";
    fv_progress_end();
    if (!t->args->print.quiet)
        fv_err("%s: note: there is no reference; random inputs, compared with the naive schedule\n",
               path);
    test_model(path, t->backends[0], t, &naive, &ref);
    for (int i = 0; i < t->nbackends && ref.outputs; i++)
        test_model(path, t->backends[i], t, t->args, &ref);
    for (int i = 0; i < ref.n; i++)
        fv_array_free(&ref.outputs[i]);
    free(ref.outputs);
}

static void test_library(const char *path, fv_tests *t) {
    model_test m = {t, path, t->backends[0], NULL, true};
    fv_test_alone(t, path, "library", t->args, run_one, &m);
}

static bool ends_in(const char *path, const char *suffix) {
    size_t n = strlen(path), k = strlen(suffix);
    return n > k && !strcmp(path + n - k, suffix);
}

/* Tests `root`: a folder that contains model.onnx, a folder of such folders, a model, a compiled
 * library, a file of rules, or a script. */
static void test_root(fv_context *c, const char *root, fv_tests *t) {
    const char **names;
    if (is_file(root) && ends_in(root, ".rules")) {
        fv_test_rules(t, root);
        return;
    }
    if (is_file(root) && ends_in(root, ".lua")) {
        fv_test_script(t, root);
        return;
    }
    if (is_file(root) && fv_file_is_graph(fv_driver_path_kind(root))) {
        test_file(root, t);
        return;
    }
    if (is_file(root) && fv_driver_path_kind(root) == FV_FILE_ELF) {
        test_library(root, t);
        return;
    }
    if (is_file(fv_printf(c->arena, "%s/model.onnx", root))) {
        test_folder(root, t);
        return;
    }
    int count = list(c->arena, root, "", &names), found = 0;
    for (int i = 0; i < count; i++) {
        const char *folder = fv_printf(c->arena, "%s/%s", root, names[i]);
        if (is_folder(folder) && is_file(fv_printf(c->arena, "%s/model.onnx", folder))) {
            test_folder(folder, t);
            found++;
        }
    }
    if (!found)
        fail(t, root, "-",
             is_folder(root) ? "holds no model.onnx, nor folders that do"
             : is_file(root) ? "is no graph: a schedule cannot be chosen"
                             : "is neither a folder nor a model");
}

int fv_cmd_test(fv_context *c) {
    fv_tests t = {.args = c->args, .failures = c->args->print.json ? json_array() : NULL};
    fv_driver_options o;
    t.nbackends = fv_args_backends(c->args, t.backends);
    if (!t.nbackends || !fv_args_driver(c, &o, true))
        return FV_EXIT_USAGE;
    for (int i = 0; i < c->args->n; i++)
        test_root(c, c->args->operand[i], &t);
    fv_progress_end();
    if (t.failures) {
        json_t *d = fv_json_document();
        fv_json_set_int(d, "passed", t.passed);
        fv_json_set_int(d, "failed", t.failed);
        fv_json_set(d, "failures", t.failures);
        if (!fv_json_print(c->session, d))
            return fv_failed(c);
    } else {
        fv_out("%d passed, %d failed\n", t.passed, t.failed);
    }
    return t.failed ? FV_EXIT_MODEL : FV_EXIT_OK;
}
