/* log.c - logs of messages, names of statuses, sizes of arrays, the version. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "aligned.h"
#include "internal.h"
#include "ir/base/quoted.h"

struct fv_log {
    char *text;
    size_t n, cap;
    size_t count;      /* number of messages so far */
    uint8_t *severity; /* of each line of the text */
    size_t lines, line_cap;
    fv_log_fn watch;
    void *user; /* argument of watch */
};

fv_log *fv_log_new(void) {
    return calloc(1, sizeof(fv_log));
}

const char *fv_log_text(const fv_log *l) {
    return l && l->text ? l->text : "";
}

int fv_log_severity(const fv_log *l, size_t line) {
    return l && line < l->lines ? l->severity[line] : -1;
}

void fv_log_clear(fv_log *l) {
    if (l && l->text)
        l->text[l->n = l->lines = 0] = 0;
}

void fv_log_free(fv_log *l) {
    if (l) {
        free(l->text);
        free(l->severity);
    }
    free(l);
}

void fv_log_watch(fv_log *l, fv_log_fn fn, void *user) {
    if (!l)
        return;
    l->watch = fn;
    l->user = user;
}

size_t fv_log_count(const fv_log *l) {
    return l ? l->count : 0;
}

static bool make_room(fv_log *l, size_t more) {
    if (l->n + more <= l->cap)
        return true;
    char *grown = realloc(l->text, (l->n + more) * 2);
    if (!grown)
        return false;
    l->text = grown;
    l->cap = (l->n + more) * 2;
    return true;
}

static bool make_line(fv_log *l, int severity) {
    if (l->lines == l->line_cap) {
        uint8_t *grown = realloc(l->severity, l->line_cap * 2 + 8);
        if (!grown)
            return false;
        l->severity = grown;
        l->line_cap = l->line_cap * 2 + 8;
    }
    l->severity[l->lines++] = (uint8_t)severity;
    return true;
}

/* Passes the last line of the log, which begins at `at`, to the function of the log. */
static void pass_on(fv_log *l, size_t at, int severity) {
    size_t end = l->n - 1;
    if (!l->watch)
        return;
    l->text[end] = 0;
    l->watch(l->user, severity, l->text + at);
    if (l->n == end + 1) /* it was not cleared */
        l->text[end] = '\n';
}

/* Adds a message as one line: control characters in names are escaped. */
static void add_line(fv_log *l, int severity, const char *s, size_t n) {
    size_t before = l->n;
    bool shows;
    for (size_t bytes; n > 0; s += bytes, n -= bytes) {
        if (!make_room(l, FV_LONGEST_ESCAPE + 2))
            break;
        bytes = fv_char_bytes(s, n, &shows);
        l->n += fv_char_escape(l->text + l->n, s, bytes, shows, 0);
    }
    bool fits = n == 0 && make_room(l, 2) && make_line(l, severity);
    if (fits)
        l->text[l->n++] = '\n';
    else
        l->n = before;
    if (l->text)
        l->text[l->n] = 0;
    l->count += fits;
    if (fits)
        pass_on(l, before, severity);
}

/* A message for which there is no memory is dropped; the status still reports the failure. */
static void add(fv_log *l, int severity, const char *format, va_list args) {
    va_list again;
    if (!l)
        return;
    va_copy(again, args);
    int n = vsnprintf(NULL, 0, format, args);
    char *line = n < 0 ? NULL : malloc((size_t)n + 1);
    if (line) {
        vsnprintf(line, (size_t)n + 1, format, again);
        add_line(l, severity, line, (size_t)n);
    }
    va_end(again);
    free(line);
}

void fv_log_append(fv_log *to, const fv_log *from) {
    const char *p = fv_log_text(from);
    for (size_t i = 0; from && i < from->lines; i++) {
        int n = (int)strcspn(p, "\n");
        fv_log_say(to, from->severity[i], "%.*s", n, p);
        p += n + 1;
    }
}

void fv_log_add(fv_log *l, const char *format, ...) {
    va_list args;
    va_start(args, format);
    add(l, FV_LOG_ERROR, format, args);
    va_end(args);
}

void fv_log_say(fv_log *l, int severity, const char *format, ...) {
    va_list args;
    va_start(args, format);
    add(l, severity, format, args);
    va_end(args);
}

int fv_log_missing(fv_log *l, const char *argument) {
    fv_log_add(l, "error: argument '%s' is NULL", argument);
    return FV_BAD_ARGUMENT;
}

static const struct {
    int status;
    const char *name, *text;
} statuses[] = {
    {FV_OK, "FV_OK", "done"},
    {FV_BAD_DIM, "FV_BAD_DIM", "a dim is out of its bounds, or dims contradict each other"},
    {FV_BAD_INDEX, "FV_BAD_INDEX", "an index in the data is out of range"},
    {FV_BAD_CPU, "FV_BAD_CPU", "this CPU lacks what the code was compiled for"},
    {FV_TOO_SMALL, "FV_TOO_SMALL", "the workspace or an output's capacity is too small"},
    {FV_TOO_LARGE, "FV_TOO_LARGE", "sizes overflow what the machine can address"},
    {FV_NO_MEMORY, "FV_NO_MEMORY", "out of memory"},
    {FV_CANCELLED, "FV_CANCELLED", "cancelled"},
    {FV_BAD_ARGUMENT, "FV_BAD_ARGUMENT", "an argument is not what the model takes"},
    {FV_BAD_MODEL, "FV_BAD_MODEL", "the model is at fault"},
    {FV_BAD_FILE, "FV_BAD_FILE", "a file cannot be read, written or understood"},
    {FV_INTERNAL, "FV_INTERNAL", "a bug in Fovea"},
    {FV_BAD_COMMUNICATOR, "FV_BAD_COMMUNICATOR",
     "the communicator is missing, has another number of ranks, or failed"},
};

const char *fv_version(void) {
    return FV_VERSION;
}

const char *fv_status_name(int status) {
    for (size_t i = 0; i < sizeof statuses / sizeof *statuses; i++)
        if (statuses[i].status == status)
            return statuses[i].name;
    return "unknown status";
}

const char *fv_status_text(int status) {
    for (size_t i = 0; i < sizeof statuses / sizeof *statuses; i++)
        if (statuses[i].status == status)
            return statuses[i].text;
    return "unknown status";
}

int fv_log_status(int status, size_t said, fv_log *log) {
    if (status && fv_log_count(log) == said)
        fv_log_add(log, "error: %s (%s)", fv_status_text(status), fv_status_name(status));
    return status;
}

/* ---- arrays ---- */

/* By ONNX type number; 0 bits: a type that no array can have. */
static const struct {
    const char *name;
    unsigned char bits;
} types[] = {
    {"?", 0},          {"f32", 32},  {"u8", 8},       {"i8", 8},         {"u16", 16},
    {"i16", 16},       {"i32", 32},  {"i64", 64},     {"string", 0},     {"bool", 8},
    {"f16", 16},       {"f64", 64},  {"u32", 32},     {"u64", 64},       {"c64", 64},
    {"c128", 128},     {"bf16", 16}, {"f8e4m3fn", 8}, {"f8e4m3fnuz", 8}, {"f8e5m2", 8},
    {"f8e5m2fnuz", 8}, {"u4", 4},    {"i4", 4},       {"f4e2m1", 4},     {"f8e8m0", 8},
    {"u2", 2},         {"i2", 2},
};

static int type_index(int32_t type) {
    return type > 0 && type < (int32_t)(sizeof types / sizeof *types) ? type : 0;
}

const char *fv_type_text(int32_t type) {
    return types[type_index(type)].name;
}

size_t fv_type_bytes(int32_t type) {
    return types[type_index(type)].bits / 8;
}

size_t fv_type_align(int32_t type) {
    unsigned bits = types[type_index(type)].bits;
    /* complex numbers are aligned as their parts */
    return bits < 16 ? 1 : bits > 64 ? 8 : bits / 8;
}

char *fv_array_text(const fv_array *a, char *text, size_t size) {
    if (a->rank < 0 || a->rank > FV_ARRAY_RANK) {
        snprintf(text, size, "%s of rank %d", fv_type_text(a->type), (int)a->rank);
        return text;
    }
    size_t at = (size_t)snprintf(text, size, "%s[", fv_type_text(a->type));
    for (int i = 0; i < a->rank && at < size; i++)
        at += (size_t)snprintf(text + at, size - at, i ? ", %lld" : "%lld", (long long)a->dims[i]);
    if (at < size)
        snprintf(text + at, size - at, "]");
    return text;
}

int fv_check_dense(const fv_array *x, const char *name, int32_t type, fv_log *log) {
    char text[400];
    size_t bytes = fv_array_bytes(x);
    if (x->rank < 0 || x->rank > FV_ARRAY_RANK || x->type != type || x->capacity) {
        fv_log_add(log, "error: %s is no dense array of %s", name, fv_type_text(type));
        return FV_BAD_ARGUMENT;
    }
    bool is_aligned = (uintptr_t)x->data % fv_type_align(type) == 0;
    if (bytes != SIZE_MAX && (!bytes || (x->data && is_aligned)))
        return FV_OK;
    fv_log_add(log, "error: %s is %s, its %s", name, fv_array_text(x, text, sizeof text),
               bytes == SIZE_MAX ? "dims are not valid"
               : is_aligned      ? "data is NULL"
                                 : "data is at an address that is not aligned to its elements");
    return FV_BAD_ARGUMENT;
}

size_t fv_array_bytes(const fv_array *a) {
    size_t n = 1, bits = a ? types[type_index(a->type)].bits : 0;
    bool empty = false, too_large = false;
    if (!a || !bits || a->rank < 0 || a->rank > FV_ARRAY_RANK)
        return SIZE_MAX;
    for (int i = 0; i < a->rank; i++) {
        int64_t dim = a->capacity && i == a->axis ? a->capacity : a->dims[i];
        if (dim < 0 || a->dims[i] < 0)
            return SIZE_MAX;
        empty |= dim == 0;
        too_large |= __builtin_mul_overflow(n, (size_t)dim, &n);
    }
    too_large |= __builtin_mul_overflow(n, bits, &bits);
    return empty ? 0 : too_large ? SIZE_MAX : bits / 8 + (bits % 8 != 0);
}

void fv_array_free(fv_array *a) {
    if (!a)
        return;
    fv_aligned_free(a->owner);
    if (a->owner)
        a->data = NULL;
    a->owner = NULL;
}
