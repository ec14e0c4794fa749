/* corpus.c - see corpus.h. */
#include "tests/fuzz/corpus.h"

#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backend/lower.h"
#include "frontend/data.h"
#include "frontend/frontend.h"
#include "ir/definition/definitions_print.h"
#include "ir/graph/parse.h"
#include "ir/kernel/program_print.h"
#include "passes/passes.h"
#include "tests/frontend/model_text.h"

enum { LARGEST = 1 << 14 }; /* of an input: larger ones are slow */

/* ---- files ---- */

static char *read_file(fv_arena *a, const char *path, size_t *n) {
    FILE *f = fopen(path, "rb");
    fv_text t = {.arena = a};
    char block[4096];
    fv_text_put(&t, "");
    for (size_t k; f && (k = fread(block, 1, sizeof block, f)) > 0;)
        fv_text_putn(&t, block, k);
    if (f)
        fclose(f);
    *n = t.n;
    return t.s;
}

typedef void (*file_fn)(corpus *c, fv_session *s, char *data, size_t size);

/* Are inputs of one of these targets wanted? `targets` is a list of names with blanks. */
static bool wants(const corpus *c, const char *targets) {
    return !c->target || strstr(targets, c->target);
}

/* Every file of the pattern, each in a session of its own. */
static void each_file(corpus *c, const char *folder, const char *pattern, file_fn fn) {
    char all[512];
    glob_t found;
    snprintf(all, sizeof all, "%s/%s", folder, pattern);
    if (!folder || glob(all, 0, NULL, &found) != 0)
        return;
    for (size_t i = 0; i < found.gl_pathc; i++) {
        size_t n;
        fv_session *s = fv_session_new();
        char *data = read_file(fv_arena_new(s), found.gl_pathv[i], &n);
        fn(c, s, data, n);
        fv_session_free(s);
    }
    globfree(&found);
}

static void add(corpus *c, const char *target, const void *data, size_t size) {
    if (size && size <= LARGEST && wants(c, target))
        c->add(c, target, data, size);
}

static void add_text(corpus *c, const char *target, const char *text) {
    add(c, target, text, strlen(text));
}

/* ---- models ---- */

typedef struct steps {
    corpus *c;
    uint64_t last; /* hash of what the step before left, without its name */
} steps;

/* What values are after a step of lowering that changed something. */
static void add_definitions(void *user, const char *step, const fv_module *m,
                            const fv_definitions *d) {
    steps *w = user;
    fv_arena *a = d ? fv_arena_new(m->session) : NULL;
    fv_text t = {.arena = a};
    (void)step;
    if (!d)
        return;
    fv_definitions_print(&t, m, d, NULL, NULL, true);
    uint64_t hash = fuzz_hash(strchr(t.s, '\n'), strlen(strchr(t.s, '\n')));
    if (hash != w->last)
        add_text(w->c, "definitions", t.s);
    w->last = hash;
    fv_arena_free(a);
}

/* The program of a graph, and what is between them, as text. */
static void add_program(corpus *c, fv_session *s, const char *graph) {
    fv_arena *a = fv_arena_new(s);
    fv_text t = {.arena = a};
    steps all = {.c = c};
    fv_watch w = {&all, add_definitions};
    fv_lower_options o = {.target = fv_target_find("x86-64-v3"), .watch = &w};
    fv_module *m = fv_module_parse(s, graph, NULL);
    fv_program *p = m && fv_run_passes(m, fv_pipeline('2'), NULL) ? fv_lower(m, &o) : NULL;
    if (p) {
        fv_program_print(&t, p);
        add_text(c, "kernel", t.s);
    }
    fv_arena_free(a);
}

static void add_graph(corpus *c, fv_session *s, const char *body) {
    fv_arena *a = fv_arena_new(s);
    const char *graph = fv_printf(a, "fovea-ir 1\nmodule \"m\"\n%s", body);
    add_text(c, "graph", graph);
    if (wants(c, "definitions kernel"))
        add_program(c, s, graph);
    fv_arena_free(a);
}

static void model_file(corpus *c, fv_session *s, char *data, size_t size) {
    (void)s;
    add(c, "onnx", data, size);
}

/* A tensor, and as numpy has it: the target's first byte says which type is wanted. */
static void tensor_file(corpus *c, fv_session *s, char *data, size_t size) {
    fv_arena *a = fv_arena_new(s);
    const fv_tensor *t =
        size <= LARGEST ? fv_tensor_from_pb(s, a, (uint8_t *)data, size, "tensor") : NULL;
    fv_text npy = {.arena = a};
    add(c, "pb", data, size);
    if (!t)
        return;
    fv_text_putn(&npy, &(char){(char)t->elem}, 1);
    if (fv_tensor_to_npy(&npy, s, t))
        add(c, "npy", npy.s, npy.n);
}

/* ---- fixtures ---- */

typedef void (*case_fn)(corpus *c, fv_session *s, char *input);

/* Cases that begin with a line `=== title`; the input ends at a line that begins with `---`. */
static void each_case(corpus *c, fv_session *s, char *text, case_fn fn) {
    for (char *at = strstr(text, "=== "), *next; at; at = next) {
        char *input = strchr(at, '\n') + 1, *end = strstr(input, "\n---");
        if (!end)
            return;
        next = strstr(end, "\n=== ");
        end[1] = 0;
        fn(c, s, input);
        next = next ? next + 1 : NULL;
    }
}

static void kernel_case(corpus *c, fv_session *s, char *input) {
    (void)s;
    add_text(c, "kernel", input);
}

/* What the inputs hold comes first; a graph begins at the first of its words. */
static void op_case(corpus *c, fv_session *s, char *input) {
    while (*input && strncmp(input, "func ", 5) && strncmp(input, "const ", 6) &&
           strncmp(input, "symbol ", 7))
        input += strcspn(input, "\n") + 1;
    add_graph(c, s, input);
}

static void import_case(corpus *c, fv_session *s, char *input) {
    for (char *line = input; *line; line += strcspn(line, "\n"), line += *line == '\n')
        if (!strncmp(line, "--", 2)) /* an option */
            memset(line, ' ', strcspn(line, "\n"));
    fv_arena *a = fv_arena_new(s);
    fv_text model = model_of_text(a, input);
    add(c, "onnx", model.s, model.n);
    fv_arena_free(a);
}

/* Without a header they are the last ones. */
static void definitions_case(corpus *c, fv_session *s, char *input) {
    fv_arena *a = fv_arena_new(s);
    bool whole = !strncmp(input, "fovea-definitions", 17);
    add_text(c, "definitions",
             whole ? input
                   : fv_printf(a, "fovea-definitions 1 after \"layout\"\nmodule \"m\"\n%s", input));
    fv_arena_free(a);
}

static void tuning_case(corpus *c, fv_session *s, char *input) {
    (void)s;
    add_text(c, "tuning", input);
}

static void tuning_fixture(corpus *c, fv_session *s, char *text, size_t size) {
    (void)size;
    each_case(c, s, text, tuning_case);
}

static void profile_case(corpus *c, fv_session *s, char *input) {
    (void)s;
    add_text(c, "profile", input);
}

static void profile_fixture(corpus *c, fv_session *s, char *text, size_t size) {
    (void)size;
    each_case(c, s, text, profile_case);
}

static void definitions_fixture(corpus *c, fv_session *s, char *text, size_t size) {
    (void)size;
    each_case(c, s, text, definitions_case);
}

static void kernel_fixture(corpus *c, fv_session *s, char *text, size_t size) {
    (void)size;
    each_case(c, s, text, kernel_case);
}

static void op_fixture(corpus *c, fv_session *s, char *text, size_t size) {
    (void)size;
    each_case(c, s, text, op_case);
}

static void import_fixture(corpus *c, fv_session *s, char *text, size_t size) {
    (void)size;
    each_case(c, s, text, import_case);
}

/* `# what it shows`, a graph, `--- opt PASSES`, what they leave. */
static void pass_fixture(corpus *c, fv_session *s, char *text, size_t size) {
    (void)size;
    for (char *at = text, *end; *at == '#' && (end = strstr(at, "\n--- "));) {
        char *next = strstr(end + 1, "\n# ");
        end[1] = 0;
        add_graph(c, s, strchr(at, '\n') + 1);
        at = next ? next + 1 : end + 1;
    }
}

/* The fenced texts that are of one of our languages. */
static void document(corpus *c, fv_session *s, char *text, size_t size) {
    (void)s;
    (void)size;
    for (char *at = strstr(text, "\n```"), *end; at && (end = strstr(at + 4, "\n```"));
         at = strstr(end + 4, "\n```")) {
        char *block = strchr(at + 1, '\n') + 1;
        end[1] = 0;
        if (strstr(block, "fovea-ir 1"))
            add_text(c, "graph", block);
        else if (strstr(block, "fovea-definitions 1"))
            add_text(c, "definitions", block);
        else if (!strncmp(block, "kernel ", 7) || strstr(block, "fovea-program 1"))
            add_text(c, "kernel", block);
        end[1] = '`';
    }
}

typedef struct source {
    bool shared; /* in the folder of shared models, otherwise in that of the source */
    const char *pattern;
    file_fn fn;
    const char *targets; /* whose inputs the files contain */
} source;

static const source sources[] = {
    {false, "tests/kernel/text/*.txt", kernel_fixture, "kernel"},
    {false, "tests/kernel/expand/*.txt", kernel_fixture, "kernel"},
    {false, "tests/definition/*.txt", definitions_fixture, "definitions"},
    {false, "tests/ops/*.txt", op_fixture, "graph definitions kernel"},
    {false, "tests/tuning/texts.txt", tuning_fixture, "tuning"},
    {false, "tests/tuning/profiles.txt", profile_fixture, "profile"},
    {false, "tests/passes/*.fvt", pass_fixture, "graph definitions kernel"},
    {false, "tests/frontend/import/*.txt", import_fixture, "onnx"},
    {false, "docs/*.md", document, "graph definitions kernel"},
    {false, "*/README.md", document, "graph definitions kernel"},
    {false, "examples/dates/test/*/*.pb", tensor_file, "pb npy"},
    {true, "onnx-suite/*/*/model.onnx", model_file, "onnx"},
    {true, "onnx-suite/node/*/test_data_set_0/input_0.pb", tensor_file, "pb npy"},
    {true, "models/*/model.onnx", model_file, "onnx"},
};

void corpus_walk(corpus *c) {
    for (size_t i = 0; i < sizeof sources / sizeof *sources; i++)
        if (wants(c, sources[i].targets))
            each_file(c, sources[i].shared ? c->shared : c->root, sources[i].pattern,
                      sources[i].fn);
}
