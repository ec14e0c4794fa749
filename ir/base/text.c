/* text.c - growing texts; names, strings and numbers as text. */
#include "ir/base/text.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ir/base/quoted.h"

/* Makes room for n more bytes and the terminating NUL. */
static void text_reserve(fv_text *t, size_t n) {
    if (t->s && n < t->cap - t->n)
        return;
    size_t cap = t->cap ? t->cap : 64;
    while (cap - t->n <= n) {
        if (cap > SIZE_MAX / 4)
            fv_out_of_memory(fv_arena_session(t->arena));
        cap *= 2;
    }
    char *s = fv_alloc(t->arena, cap, 1);
    if (t->n)
        memcpy(s, t->s, t->n);
    t->s = s;
    t->cap = cap;
}

void fv_text_putn(fv_text *t, const char *s, size_t n) {
    text_reserve(t, n);
    if (n)
        memcpy(t->s + t->n, s, n);
    t->n += n;
    t->s[t->n] = 0;
}

void fv_text_put(fv_text *t, const char *s) {
    fv_text_putn(t, s, strlen(s));
}

void fv_text_printf(fv_text *t, const char *format, ...) {
    va_list args;
    va_start(args, format);
    int n = vsnprintf(NULL, 0, format, args);
    va_end(args);
    if (n < 0)
        return;
    text_reserve(t, (size_t)n);
    va_start(args, format);
    vsnprintf(t->s + t->n, (size_t)n + 1, format, args);
    va_end(args);
    t->n += (size_t)n;
}

/* ---- names ---- */

static bool is_name_start(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}
static bool is_digit(char c) {
    return c >= '0' && c <= '9';
}
static bool is_name_char(char c) {
    return is_name_start(c) || is_digit(c);
}

bool fv_is_name(const char *s) {
    if (!is_name_start(*s))
        return false;
    while (is_name_char(*s))
        s++;
    return *s == '\0';
}

void fv_text_name(fv_text *t, const char *name) {
    static const char *const words[] = {"if", "else", "floordiv", "ceildiv", "mod", NULL};
    bool plain = fv_is_name(name);
    for (int i = 0; words[i]; i++)
        plain = plain && strcmp(name, words[i]) != 0;
    if (plain) {
        fv_text_put(t, name);
        return;
    }
    fv_text_put(t, "`");
    fv_text_escaped(t, name, strlen(name), '`');
    fv_text_put(t, "`");
}

void fv_text_escaped(fv_text *t, const char *s, size_t n, char quote) {
    bool shows;
    for (size_t bytes; n > 0; s += bytes, n -= bytes) {
        char out[FV_LONGEST_ESCAPE];
        bytes = fv_char_bytes(s, n, &shows);
        fv_text_putn(t, out, fv_char_escape(out, s, bytes, shows, quote));
    }
}

void fv_text_hex(fv_text *t, const void *data, size_t n) {
    static const char digits[] = "0123456789abcdef";
    const unsigned char *bytes = data;
    char part[512];
    size_t at = 0;
    fv_text_put(t, "hex \"");
    for (size_t i = 0; i < n; i++) {
        part[at++] = digits[bytes[i] >> 4];
        part[at++] = digits[bytes[i] & 15];
        if (at == sizeof part || i + 1 == n) {
            fv_text_putn(t, part, at);
            at = 0;
        }
    }
    fv_text_put(t, "\"");
}

void fv_text_string(fv_text *t, const char *s, size_t n) {
    fv_text_put(t, "\"");
    fv_text_escaped(t, s, n, '"');
    fv_text_put(t, "\"");
}

const char *fv_option_quoted(fv_arena *a, const char *s, const char **end) {
    size_t n;
    const char *close = *s == '`' ? fv_quoted_read(s + 1, '`', NULL, &n) : "";
    if (*close != '`')
        return NULL;
    char *name = fv_alloc(a, n + 1, 1);
    fv_quoted_read(s + 1, '`', name, &n);
    *end = close + 1;
    return name;
}

const char *fv_option_name(fv_arena *a, const char *name) {
    fv_text quoted = {.arena = a}, shown = {.arena = a};
    fv_text_put(&shown, "");
    fv_text_escaped(&shown, name, strlen(name), 0);
    if (*name != '`' && !strpbrk(name, "=\\") && !strcmp(shown.s, name))
        return name;
    fv_text_name(&quoted, name);
    return quoted.s;
}

void fv_text_entry(fv_text *t, const char *word, const char *s) {
    fv_text_printf(t, "%s ", word);
    fv_text_string(t, s, strlen(s));
    fv_text_put(t, "\n");
}

const char *fv_names_str(fv_arena *a, const char *const *names) {
    fv_text t = {.arena = a};
    fv_text_put(&t, "");
    for (; *names; names++)
        fv_text_printf(&t, "%s%s", t.n ? ", " : "", *names);
    return t.s;
}

/* ---- numbers ---- */

/* Writes v with as few digits, 1 to `most`, as read back to the same value (as a float if
 * `single`). A point or exponent is always written, so that the reader does not take it for an
 * integer. */
static void put_decimal(fv_text *t, double v, int most, bool single) {
    char s[40];
    if (isnan(v) || isinf(v)) {
        fv_text_put(t, isnan(v) ? "nan" : v < 0 ? "-inf" : "inf");
        return;
    }
    for (int digits = 1; digits <= most; digits++) {
        snprintf(s, sizeof s, "%.*g", digits, v);
        if (single ? strtof(s, NULL) == (float)v : strtod(s, NULL) == v)
            break;
    }
    fv_text_put(t, s);
    if (!strpbrk(s, ".e"))
        fv_text_put(t, ".0");
}

void fv_text_double(fv_text *t, double v) {
    put_decimal(t, v, DBL_DECIMAL_DIG, false);
}
void fv_text_float(fv_text *t, float v) {
    put_decimal(t, (double)v, FLT_DECIMAL_DIG, true);
}

bool fv_is_in(const char *const *list, const char *text) {
    while (list && *list && strcmp(*list, text))
        list++;
    return list && *list;
}
