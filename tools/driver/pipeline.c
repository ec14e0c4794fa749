/* pipeline.c - from a file to a program. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "driver.h"
#include "frontend/frontend.h"

/* Skips blank lines and comments. */
static const char *first_word(const char *s, const char *end) {
    while (s < end) {
        if (*s == '#')
            while (s < end && *s != '\n')
                s++;
        else if (*s == ' ' || *s == '\t' || *s == '\n' || *s == '\r')
            s++;
        else
            break;
    }
    return s;
}

static bool starts(const char *s, const char *end, const char *word) {
    size_t n = strlen(word);
    return (size_t)(end - s) >= n && !memcmp(s, word, n);
}

fv_text_kind fv_driver_text_kind(const char *text, size_t n) {
    const char *end = text + n, *s = first_word(text, end);
    if (starts(s, end, "fovea-ir"))
        return FV_TEXT_GRAPH;
    if (starts(s, end, "fovea-program") || starts(s, end, "program") || starts(s, end, "kernel "))
        return FV_TEXT_KERNELS;
    return FV_TEXT_NONE;
}

/* The whole of a file or of standard input; NULL after a diagnostic. */
static char *read_all(fv_session *s, fv_arena *a, const char *path, size_t *size) {
    bool input = !strcmp(path, "-");
    FILE *f = input ? stdin : fopen(path, "rb");
    if (!f) {
        fv_error(s, "cannot be read: %s", strerror(errno));
        return NULL;
    }
    fv_text t = {.arena = a};
    char block[65536];
    size_t n;
    while ((n = fread(block, 1, sizeof block, f)) > 0)
        fv_text_putn(&t, block, n);
    bool failed = ferror(f) != 0;
    int error = errno;
    if (!input)
        fclose(f);
    if (failed) {
        fv_error(s, "cannot be read: %s", strerror(error));
        return NULL;
    }
    *size = t.n;
    return t.s ? t.s : fv_strdup(a, "");
}

static fv_text_kind peek(const char *path) {
    char head[4096];
    FILE *f = fopen(path, "rb");
    if (!f)
        return FV_TEXT_NONE;
    size_t n = fread(head, 1, sizeof head, f);
    fclose(f);
    return fv_driver_text_kind(head, n);
}

static const char *folder_of(fv_arena *a, const char *path) {
    const char *slash = strrchr(path, '/');
    return slash ? fv_strndup(a, path, (size_t)(slash - path) + (slash == path)) : ".";
}

static int count(const char *const *list) {
    int n = 0;
    while (list && list[n])
        n++;
    return n;
}

static fv_module *import_bytes(fv_session *s, fv_arena *a, const char *path, const char *text,
                               size_t size, const fv_import_options *o) {
    if (fv_driver_text_kind(text, size) == FV_TEXT_GRAPH)
        return fv_module_parse(s, text, folder_of(a, path));
    return fv_onnx_import_bytes(s, text, size, NULL, "model", o);
}

fv_module *fv_driver_import(fv_session *s, const char *path, const fv_driver_options *o) {
    fv_import_options io = {.dims = o->dims, .ndims = count(o->dims)};
    bool text = peek(path) == FV_TEXT_GRAPH;
    fv_diag_file(s, path);
    if (strcmp(path, "-") && !text)
        return fv_onnx_import(s, path, &io);
    fv_arena *a = fv_arena_new(s);
    size_t size;
    char *bytes = read_all(s, a, path, &size);
    return bytes ? import_bytes(s, a, path, bytes, size, &io) : NULL;
}

bool fv_driver_passes(fv_module *m, const fv_driver_options *o) {
    const char *const *names = o->passes ? o->passes : fv_pipeline(o->level ? o->level : '2');
    if (!names)
        return fv_error(m->session, "there is no level -O%c", o->level);
    return fv_run_passes(m, names, o->pipeline);
}

static fv_program *program_from_text(fv_session *s, const char *path) {
    fv_arena *a = fv_arena_new(s);
    size_t size;
    fv_diag_file(s, path);
    char *text = read_all(s, a, path, &size);
    fv_program *p = text ? fv_program_parse(a, text, NULL) : NULL;
    return p && fv_program_verify(s, p) ? p : NULL;
}

fv_program *fv_driver_program(fv_session *s, const char *path, const fv_driver_options *o,
                              fv_module **module) {
    if (module)
        *module = NULL;
    if (strcmp(path, "-") && peek(path) == FV_TEXT_KERNELS)
        return program_from_text(s, path);
    fv_module *m = fv_driver_import(s, path, o);
    if (!m || !fv_module_verify(m, "import") || !fv_driver_passes(m, o))
        return NULL;
    if (module)
        *module = m;
    fv_lower_options lo = {.target = o->target, .name = o->name, .naive = o->naive};
    fv_program *p = fv_lower(m, &lo);
    return p && fv_program_verify(s, p) ? p : NULL;
}

void fv_driver_log(fv_session *s, fv_log *log) {
    fv_arena *a = fv_arena_new(s);
    for (const fv_message *m = fv_messages(s); m; m = m->next)
        fv_log_add(log, "%s", fv_message_str(a, m));
    fv_arena_free(a);
}
