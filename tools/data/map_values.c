/* map_values.c - see map_values.h. */
#include "tools/data/map_values.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "frontend/file.h"
#include "ops/sequence/map.h"
#include "ops/text/text.h"
#include "tools/data/compare.h"

bool fv_value_is_maps(const fv_port_value *v) {
    return v->key != FV_NO_ELEM;
}

const char *fv_maps_type_str(fv_arena *a, const fv_port_value *v) {
    const char *map = fv_printf(a, "map(%s, %s)", fv_elem_name(v->key), fv_elem_name(v->elem));
    return v->several ? fv_printf(a, "seq(%s)", map) : map;
}

/* ---- parts ---- */

static const fv_tensor *take_part(fv_arena *a, fv_elem e, const fv_tensor *const **parts) {
    const fv_tensor *const *at = *parts;
    *parts += e == FV_STRING ? FV_TEXT_PARTS : 1;
    return e == FV_STRING ? fv_strings_from_text(a, at[FV_PART_TEXT], at[FV_PART_ENDS]) : at[0];
}

bool fv_maps_of(fv_arena *a, const fv_port_value *v, const fv_tensor *const *parts, fv_maps *out) {
    out->keys = take_part(a, v->key, &parts);
    out->values = take_part(a, v->elem, &parts);
    out->ends = v->several ? *parts : NULL;
    return out->keys && out->values && fv_maps_are_whole(out);
}

bool fv_maps_of_arrays(fv_arena *a, const fv_port_value *v, const fv_array *arrays, fv_maps *out) {
    fv_tensor *parts = FV_NEW(a, fv_tensor, v->nparts);
    const fv_tensor **at = FV_NEW(a, const fv_tensor *, v->nparts);
    for (int i = 0; i < v->nparts; i++) {
        parts[i] = fv_array_tensor(a, &arrays[v->first + i]);
        at[i] = &parts[i];
    }
    return fv_maps_of(a, v, at, out);
}

static bool give_part(fv_context *c, const char *path, const fv_tensor *t,
                      const fv_tensor ***parts) {
    const fv_tensor **at = *parts;
    *parts += t->elem == FV_STRING ? FV_TEXT_PARTS : 1;
    if (t->elem == FV_STRING)
        return fv_text_from_strings(c->arena, t, at) ||
               fv_error(c->session, "%s is too large", path);
    *at = t;
    return true;
}

/* ---- JSON in ---- */

typedef struct reader {
    fv_context *c;
    const char *path;
    fv_tensor *keys, *values;
    size_t at;
} reader;

/* Reads the whole text as an integer of type e; false: it is not an integer, or out of range. */
static bool read_integer(fv_elem e, const char *s, size_t n, int64_t *out) {
    char *end;
    int64_t lo, hi;
    errno = 0;
    bool is_signed = fv_elem_is_signed(e),
         digit = *s == '-' ? is_signed && s[1] >= '0' && s[1] <= '9' : *s >= '0' && *s <= '9';
    *out = is_signed ? strtoll(s, &end, 10) : (int64_t)strtoull(s, &end, 10);
    bool fits = digit && !errno && end == s + n;
    return fits && (!fv_elem_range(e, &lo, &hi) || (*out >= lo && *out <= hi));
}

static bool no_value(const reader *r, const char *key) {
    return fv_error(r->c->session, "%s: the value of '%s' is no %s", r->path, key,
                    fv_elem_name(r->values->elem));
}

static bool set_string(fv_context *c, fv_tensor *t, size_t i, const char *s, size_t n) {
    /* the tensor owns its data, so it may be written */
    ((fv_string *)(uintptr_t)t->data)[i] = (fv_string){fv_strndup(c->arena, s, n), n};
    return true;
}

/* The text of a number. JSON may give it as a string, since it has no infinities and no unsigned
 * 64-bit integers. */
static const char *number_text(fv_arena *a, const json_t *v) {
    if (json_is_string(v))
        return strlen(json_string_value(v)) == json_string_length(v) ? json_string_value(v) : "";
    if (json_is_integer(v))
        return fv_printf(a, "%" JSON_INTEGER_FORMAT, json_integer_value(v));
    return json_is_real(v) ? fv_printf(a, "%.17g", json_real_value(v)) : "";
}

bool fv_json_take_number(fv_arena *a, fv_tensor *t, size_t at, const json_t *v) {
    const char *text = number_text(a, v);
    char *end;
    int64_t i;
    if (t->elem == FV_BOOL) {
        fv_tensor_set_int(t, at, json_is_true(v));
        return json_is_boolean(v);
    }
    if (!fv_elem_is_float(t->elem)) {
        if (!read_integer(t->elem, text, strlen(text), &i))
            return false;
        fv_tensor_set_int(t, at, i);
        return true;
    }
    fv_tensor_set_float(t, at, strtod(text, &end));
    return *text && !*end;
}

static bool take_value(reader *r, const char *key, const json_t *v) {
    if (r->values->elem != FV_STRING)
        return fv_json_take_number(r->c->arena, r->values, r->at, v) || no_value(r, key);
    return json_is_string(v)
               ? set_string(r->c, r->values, r->at, json_string_value(v), json_string_length(v))
               : no_value(r, key);
}

static bool take_map(reader *r, const json_t *map) {
    void *it = json_object_iter((json_t *)(uintptr_t)map);
    for (; it; it = json_object_iter_next((json_t *)(uintptr_t)map, it), r->at++) {
        const char *key = json_object_iter_key(it);
        int64_t i = 0;
        if (r->keys->elem == FV_STRING)
            (void)set_string(r->c, r->keys, r->at, key, strlen(key));
        else if (read_integer(r->keys->elem, key, strlen(key), &i))
            fv_tensor_set_int(r->keys, r->at, i);
        else
            return fv_error(r->c->session, "%s: the key '%s' is no %s", r->path, key,
                            fv_elem_name(r->keys->elem));
        if (!take_value(r, key, json_object_iter_value(it)))
            return false;
    }
    return true;
}

static bool is_list_of_objects(const json_t *d) {
    bool all = json_is_array(d);
    for (size_t i = 0; all && i < json_array_size(d); i++)
        all = json_is_object(json_array_get(d, i));
    return all;
}

static bool take_document(reader *r, const fv_port_value *v, const json_t *d, fv_maps *out) {
    fv_arena *a = r->c->arena;
    if (v->several ? !is_list_of_objects(d) : !json_is_object(d))
        return fv_error(r->c->session, "%s: it is no %s", r->path,
                        v->several ? "list of objects" : "object");
    size_t n = v->several ? json_array_size(d) : 1, entries = 0;
    fv_tensor *ends = v->several ? fv_tensor_new(a, FV_I64, 1, (int64_t[]){(int64_t)n}) : NULL;
    for (size_t i = 0; i < n; i++) {
        entries += json_object_size(ends ? json_array_get(d, i) : d);
        if (ends)
            fv_tensor_set_int(ends, i, (int64_t)entries);
    }
    r->keys = fv_tensor_new(a, v->key, 1, (int64_t[]){(int64_t)entries});
    r->values = fv_tensor_new(a, v->elem, 1, (int64_t[]){(int64_t)entries});
    for (size_t i = 0; i < n; i++)
        if (!take_map(r, ends ? json_array_get(d, i) : d))
            return false;
    *out = (fv_maps){r->keys, r->values, ends};
    /* duplicate keys are checked after reading, since "1" and "01" are equal as integer keys */
    return fv_maps_check(r->c->session, a, out, r->path);
}

static bool read_json(fv_context *c, const fv_port_value *v, const char *path, fv_maps *out) {
    reader r = {.c = c, .path = path};
    fv_file f;
    json_error_t e;
    if (!fv_file_map(c->session, c->arena, path, &f))
        return false;
    json_t *document =
        json_loadb((const char *)f.data, f.size, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &e);
    if (!document)
        return fv_error(c->session, "%s:%d: %s", path, e.line, e.text);
    bool ok = take_document(&r, v, document, out);
    json_decref(document);
    return ok;
}

bool fv_maps_read(fv_context *c, const fv_port_value *v, const char *path,
                  const fv_tensor **parts) {
    size_t n = strlen(path);
    bool json = n > 5 && !strcmp(path + n - 5, ".json");
    fv_maps m;
    if (!(json ? read_json(c, v, path, &m)
               : fv_maps_read_pb(c->session, c->arena, path, v->key, v->elem, v->several, &m)))
        return false;
    if (!give_part(c, path, m.keys, &parts) || !give_part(c, path, m.values, &parts))
        return false;
    if (m.ends)
        *parts = m.ends;
    return true;
}

/* ---- JSON out ---- */

static const char *key_text(fv_arena *a, const fv_tensor *keys, size_t i) {
    if (keys->elem == FV_STRING) {
        fv_string s = ((const fv_string *)keys->data)[i];
        return fv_strndup(a, s.s ? s.s : "", s.n);
    }
    int64_t k = fv_tensor_int(keys, i);
    return fv_elem_is_signed(keys->elem) ? fv_printf(a, "%" PRId64, k)
                                         : fv_printf(a, "%" PRIu64, (uint64_t)k);
}

static json_t *value_json(fv_arena *a, const fv_tensor *t, size_t i) {
    if (t->elem == FV_STRING) {
        fv_string s = ((const fv_string *)t->data)[i];
        return fv_json_textn(s.s ? s.s : "", s.n);
    }
    if (t->elem == FV_BOOL)
        return json_boolean(fv_tensor_int(t, i));
    if (!fv_elem_is_float(t->elem)) {
        int64_t v = fv_tensor_int(t, i);
        return fv_elem_is_signed(t->elem) || v >= 0
                   ? json_integer(v)
                   : fv_json_text(fv_printf(a, "%" PRIu64, (uint64_t)v));
    }
    double v = fv_tensor_float(t, i);
    return isfinite(v) ? json_real(v) : fv_json_text(isnan(v) ? "nan" : v < 0 ? "-inf" : "inf");
}

static json_t *map_json(fv_arena *a, const fv_maps *m, size_t first, size_t end) {
    json_t *o = json_object();
    for (size_t i = first; i < end; i++)
        fv_json_set(o, key_text(a, m->keys, i), value_json(a, m->values, i));
    return o;
}

json_t *fv_maps_json(fv_arena *a, const fv_maps *m, size_t most_maps, size_t most_entries) {
    json_t *list = m->ends ? json_array() : NULL;
    for (size_t i = 0, first, end; i < fv_maps_count(m) && (!most_maps || i < most_maps); i++) {
        fv_maps_entries(m, i, &first, &end);
        size_t last = most_entries && end - first > most_entries ? first + most_entries : end;
        json_t *map = map_json(a, m, first, last);
        if (!list)
            return map;
        fv_json_append(list, map);
    }
    return list;
}

bool fv_maps_fit_json(fv_context *c, const fv_maps *m, const char *what) {
    for (size_t i = 0; m->keys->elem == FV_STRING && i < m->keys->count; i++) {
        fv_string s = ((const fv_string *)m->keys->data)[i];
        if (s.n && memchr(s.s, 0, s.n))
            return fv_error(c->session,
                            "'%s' has a key with a byte 0, which JSON does not hold: give .pb",
                            what);
    }
    return fv_maps_check(c->session, c->arena, m, what);
}

/* ---- comparing ---- */

static bool same(fv_context *c, const char *what, const fv_tensor *got, const fv_tensor *want,
                 const char **why) {
    fv_array array = {0};
    bool strings = got->elem == FV_STRING && want->elem == FV_STRING;
    if (strings
            ? fv_compare_strings(c->arena, got, want, why)
            : fv_tensor_array(c->arena, got, &array) &&
                  fv_compare(c->arena, &array, want, c->args->data.atol, c->args->data.rtol, why))
        return true;
    *why = fv_printf(c->arena, "%s, by ascending keys: %s", what, *why);
    return false;
}

bool fv_maps_compare(fv_context *c, const fv_maps *got, const fv_maps *want, const char **why) {
    fv_maps x = fv_maps_sorted(c->arena, got), y = fv_maps_sorted(c->arena, want);
    *why = "they cannot be passed";
    return (!x.ends || same(c, "ends of maps", x.ends, y.ends, why)) &&
           same(c, "keys", x.keys, y.keys, why) && same(c, "values", x.values, y.values, why);
}
