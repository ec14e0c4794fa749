/* json.c - JSON documents for --json. */
#include "tools/command/json.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/command/command.h"

/* malloc that ends the command if there is no memory. jansson itself would silently omit values. */
static void *need(size_t bytes) {
    void *p = malloc(bytes);
    if (p)
        return p;
    fv_err("fovea: error: out of memory\n");
    exit(FV_EXIT_MODEL);
}

void fv_json_begin(void) {
    json_set_alloc_funcs(need, free);
}

json_t *fv_json_document(void) {
    json_t *d = json_object();
    fv_json_set_int(d, "schema", 1);
    return d;
}

/* The length in bytes of the UTF-8 sequence at s; 0: there is none. */
static int utf8_length(const unsigned char *s) {
    static const unsigned least[] = {0, 0, 0x80, 0x800, 0x10000};
    int n = *s < 0x80 ? 1 : *s >> 5 == 6 ? 2 : *s >> 4 == 14 ? 3 : *s >> 3 == 30 ? 4 : 0;
    unsigned code = n < 2 ? *s : *s & (0xffu >> (n + 1));
    for (int i = 1; i < n; i++) {
        if (s[i] >> 6 != 2)
            return 0;
        code = code << 6 | (s[i] & 0x3f);
    }
    return code < least[n] || code > 0x10ffff || (code >= 0xd800 && code < 0xe000) ? 0 : n;
}

json_t *fv_json_text(const char *s) {
    if (!s)
        return json_null();
    json_t *as_it_is = json_string(s);
    char *safe = as_it_is ? NULL : need(3 * strlen(s) + 1), *to = safe;
    if (!safe)
        return as_it_is;
    while (*s) {
        int n = utf8_length((const unsigned char *)s);
        memcpy(to, n ? s : "\xef\xbf\xbd", (size_t)(n ? n : 3));
        to += n ? n : 3;
        s += n ? n : 1;
    }
    *to = 0;
    json_t *r = json_string(safe);
    free(safe);
    return r;
}

json_t *fv_json_textn(const char *s, size_t n) {
    json_t *text = json_stringn(n ? s : "", n);
    return text ? text : json_null();
}

json_t *fv_json_real(double v) {
    return isfinite(v) ? json_real(v) : json_null();
}

void fv_json_set(json_t *object, const char *key, json_t *value) {
    json_t *safe = fv_json_text(key);
    if (safe)
        json_object_set_new(object, json_string_value(safe), value);
    else
        json_decref(value);
    json_decref(safe);
}

void fv_json_set_int(json_t *object, const char *key, int64_t value) {
    fv_json_set(object, key, json_integer(value));
}

void fv_json_set_text(json_t *object, const char *key, const char *value) {
    fv_json_set(object, key, fv_json_text(value));
}

void fv_json_set_bool(json_t *object, const char *key, bool value) {
    fv_json_set(object, key, json_boolean(value));
}

void fv_json_append(json_t *array, json_t *value) {
    json_array_append_new(array, value);
}

json_t *fv_json_dims(int rank, const char *const *dims) {
    json_t *list = json_array();
    for (int i = 0; i < rank; i++) {
        bool number = isdigit((unsigned char)*dims[i]) && !dims[i][strspn(dims[i], "0123456789")];
        fv_json_append(list,
                       number ? json_integer(strtoll(dims[i], NULL, 10)) : fv_json_text(dims[i]));
    }
    return list;
}

/* Writes the text of jansson, which escapes all control characters but DEL. */
static int put(const char *text, size_t n, void *f) {
    for (size_t i = 0; i < n; i++)
        if (text[i] == 0x7f ? fputs("\\u007F", f) < 0 : fputc(text[i], f) == EOF)
            return -1;
    return 0;
}

bool fv_json_print(fv_session *s, json_t *document) {
    fv_show_line("");
    bool ok = document &&
              json_dump_callback(document, put, stdout, JSON_INDENT(2) | JSON_ENSURE_ASCII) == 0 &&
              putchar('\n') != EOF;
    json_decref(document);
    return ok || fv_error(s, "cannot write to standard output");
}
