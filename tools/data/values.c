/* values.c - see values.h. */
#include "tools/data/values.h"

#include <stdlib.h>
#include <string.h>

#include "frontend/data.h"
#include "frontend/file.h"
#include "ir/base/limits.h"
#include "ops/sequence/map.h"
#include "ops/sequence/sequence.h"
#include "ops/text/text.h"
#include "tools/command/json.h"
#include "tools/data/compare.h"
#include "tools/data/map_values.h"
#include "tools/data/sparse_values.h"

/* ---- which ports are one value ---- */

typedef struct ports {
    fv_arena *arena;
    /* points to the first port of the value that is being recognised; its other ports follow */
    const fv_port_info *at;
    int n;
} ports;

/* NAME, if the first port is a vector called NAME + suffix; otherwise NULL. */
static const char *stem_of(const ports *p, const char *suffix, fv_elem e) {
    size_t all = strlen(p->at->name), tail = strlen(suffix);
    bool fits = all >= tail && !strcmp(p->at->name + all - tail, suffix) && p->at->rank == 1 &&
                (!e || p->at->type == (int32_t)e);
    return fits ? fv_strndup(p->arena, p->at->name, all - tail) : NULL;
}

static bool is_called(const ports *p, int i, const char *name, fv_elem e) {
    return i < p->n && !strcmp(p->at[i].name, name) && p->at[i].type == (int32_t)e;
}

/* Returns how many ports after the first n ports (those of the elements) also belong to a sequence
 * or optional: the shapes, and for an optional sequence the flag that it is present. */
static int held_parts(const ports *p, int n, const char *stem) {
    if (!is_called(p, n, fv_part_name(p->arena, stem, FV_PART_SHAPES), FV_I64) ||
        p->at[n].rank != 2)
        return 0;
    return is_called(p, n + 1, fv_part_name(p->arena, stem, FV_PART_THERE), FV_BOOL) &&
                   !p->at[n + 1].rank
               ? 2
               : 1;
}

/* Is port i a vector with that name (or two ports, if of strings) whose length is the same as that
 * of the first port? *e: its element type. Returns the number of the port after it, or -1. */
static int vector_at(const ports *p, int i, const char *name, const char *n, fv_elem *e) {
    if (is_called(p, i, fv_text_part_name(p->arena, name, FV_PART_TEXT), FV_U8)) {
        *e = FV_STRING;
        return is_called(p, i + 1, fv_text_part_name(p->arena, name, FV_PART_ENDS), FV_I64) &&
                       p->at[i + 1].rank == 1 && !strcmp(p->at[i + 1].dims[0], n)
                   ? i + FV_TEXT_PARTS
                   : -1;
    }
    if (i >= p->n || strcmp(p->at[i].name, name) || p->at[i].rank != 1 ||
        strcmp(p->at[i].dims[0], n))
        return -1;
    *e = (fv_elem)p->at[i].type;
    return i + 1;
}

/* Recognises a map or a sequence of maps, whose keys are strings or not; nparts is 0 if it is
 * neither. */
static fv_port_value maps_at(const ports *p, bool strings) {
    const char *keys = fv_map_part_name(p->arena, "", FV_PART_KEYS);
    const char *stem = stem_of(p, strings ? fv_text_part_name(p->arena, keys, FV_PART_TEXT) : keys,
                               strings ? FV_U8 : FV_NO_ELEM);
    /* index of the port whose length is the number of keys */
    int count = strings ? FV_PART_ENDS : 0;
    fv_port_value v = {.name = stem}, none = {0};
    if (!stem || count >= p->n || p->at[count].rank != 1)
        return none;
    const char *n = p->at[count].dims[0];
    int at = vector_at(p, 0, fv_map_part_name(p->arena, stem, FV_PART_KEYS), n, &v.key);
    at = at < 0 ? -1
                : vector_at(p, at, fv_map_part_name(p->arena, stem, FV_PART_VALUES), n, &v.elem);
    if (at < 0 || !((FV_SET_INT | FV_SET(STRING)) >> v.key & 1))
        return none;
    v.several = is_called(p, at, fv_map_part_name(p->arena, stem, FV_PART_MAP_ENDS), FV_I64) &&
                p->at[at].rank == 1;
    v.nparts = at + v.several;
    return v;
}

/* Recognises a sparse tensor, which consists of values [n] and indices [n, rank]; nparts is 0 if it
 * is not one. */
static fv_port_value sparse_at(const ports *p) {
    const char *stem = stem_of(p, ".values", FV_NO_ELEM);
    fv_port_value v = {.name = stem, .nparts = 2, .elem = (fv_elem)p->at->type, .sparse = true},
                  none = {0};
    if (!stem || !is_called(p, 1, fv_printf(p->arena, "%s.indices", stem), FV_I64) ||
        p->at[1].rank != 2 || strcmp(p->at[0].dims[0], p->at[1].dims[0]) != 0)
        return none;
    v.rank = atoi(p->at[1].dims[1]);
    return v.rank > 0 && v.rank <= FV_MAX_RANK ? v : none;
}

static fv_port_value value_at(const ports *p, fv_values_as as) {
    fv_port_value sparse = as == FV_AS_WHOLE ? sparse_at(p) : (fv_port_value){0};
    if (sparse.nparts)
        return sparse;
    for (int strings = 0; strings < 2 && as != FV_AS_PORTS; strings++) {
        fv_port_value maps = maps_at(p, strings);
        if (maps.nparts)
            return maps;
    }
    const char *strings = stem_of(p, fv_text_part_name(p->arena, "", FV_PART_TEXT), FV_U8);
    const char *stem =
        strings ? strings : stem_of(p, fv_part_name(p->arena, "", FV_PART_DATA), FV_NO_ELEM);
    fv_port_value v = {.name = p->at->name, .nparts = 1, .elem = (fv_elem)p->at->type};
    if (!stem || as == FV_AS_PORTS)
        return v;
    if (strings &&
        is_called(p, FV_PART_ENDS, fv_text_part_name(p->arena, stem, FV_PART_ENDS), FV_I64))
        v = (fv_port_value){.name = stem, .nparts = FV_TEXT_PARTS, .elem = FV_STRING};
    int more =
        as == FV_AS_WHOLE && (v.elem == FV_STRING || !strings) ? held_parts(p, v.nparts, stem) : 0;
    if (more)
        v = (fv_port_value){.name = stem, .nparts = v.nparts + more, .elem = v.elem, .held = true};
    return v;
}

int fv_port_values(fv_arena *a, int n, const fv_port_info *at, fv_values_as as,
                   fv_port_value **out) {
    int nvalues = 0;
    *out = FV_NEW(a, fv_port_value, n + 1);
    for (int i = 0; i < n; i += (*out)[nvalues++].nparts) {
        (*out)[nvalues] = value_at(&(ports){a, at + i, n - i}, as);
        (*out)[nvalues].first = i;
    }
    return nvalues;
}

bool fv_value_is_strings(const fv_port_value *v) {
    return v->elem == FV_STRING && !v->held && !fv_value_is_maps(v);
}

/* ---- the elements of values ---- */

/* The dims of nested lists, taken from the first element at each level; false: they are nested too
 * deeply. */
static bool list_dims(const json_t *list, int *rank, int64_t *dims) {
    for (*rank = 0; json_is_array(list); list = json_array_get(list, 0)) {
        if (*rank == FV_MAX_RANK)
            return false;
        dims[(*rank)++] = (int64_t)json_array_size(list);
    }
    return true;
}

/* Do the nested lists have the dims `dims` from `axis` on, with strings innermost? */
static bool has_dims(const json_t *list, int rank, const int64_t *dims, int axis) {
    if (axis == rank)
        return json_is_string(list);
    bool fits = json_is_array(list) && (int64_t)json_array_size(list) == dims[axis];
    for (int64_t i = 0; fits && i < dims[axis]; i++)
        fits = has_dims(json_array_get(list, (size_t)i), rank, dims, axis + 1);
    return fits;
}

static void take_strings(fv_arena *a, const json_t *list, fv_string **to) {
    size_t n = json_string_length(list);
    if (json_is_string(list))
        *(*to)++ = (fv_string){fv_strndup(a, json_string_value(list), n), n};
    for (size_t i = 0; i < json_array_size(list); i++)
        take_strings(a, json_array_get(list, i), to);
}

/* A tensor of strings from JSON: "a", or ["a", "b"], or [["a"], ["b"]]. */
static const fv_tensor *strings_of(fv_context *c, const char *path, const json_t *document) {
    int64_t dims[FV_MAX_RANK];
    int rank;
    if (!list_dims(document, &rank, dims) || !has_dims(document, rank, dims, 0)) {
        fv_error(c->session,
                 "%s: it is no string, nor a list of strings, or of such lists, all as long", path);
        return NULL;
    }
    fv_tensor *t = fv_tensor_new(c->arena, FV_STRING, rank, dims);
    /* the tensor owns its data, so it may be written */
    fv_string *to = (fv_string *)(uintptr_t)t->data;
    take_strings(c->arena, document, &to);
    return t;
}

static const fv_tensor *read_json(fv_context *c, const char *path) {
    fv_file f;
    json_error_t e;
    if (!fv_file_map(c->session, c->arena, path, &f))
        return NULL;
    json_t *document =
        json_loadb((const char *)f.data, f.size, JSON_DECODE_ANY | JSON_ALLOW_NUL, &e);
    if (!document)
        return fv_error(c->session, "%s:%d: %s", path, e.line, e.text), NULL;
    const fv_tensor *t = strings_of(c, path, document);
    json_decref(document);
    return t;
}

static bool is_json(const char *path) {
    size_t n = strlen(path);
    return n > 5 && !strcmp(path + n - 5, ".json");
}

static bool read_strings(fv_context *c, const char *path, const fv_tensor **parts) {
    const fv_tensor *t =
        is_json(path) ? read_json(c, path) : fv_tensor_read(c->session, c->arena, path, FV_STRING);
    if (!t)
        return false;
    if (t->elem != FV_STRING)
        return fv_error(c->session, "%s holds a tensor of %s, expected strings", path,
                        fv_elem_name(t->elem));
    return fv_text_from_strings(c->arena, t, parts) ||
           fv_error(c->session, "%s is too large", path);
}

bool fv_value_read(fv_context *c, const fv_port_value *v, const char *path,
                   const fv_tensor **parts) {
    if (fv_value_is_maps(v))
        return fv_maps_read(c, v, path, parts);
    if (v->sparse)
        return is_json(path)
                   ? fv_sparse_read_json(c, v, path, parts)
                   : fv_sparse_read_pb(c->session, c->arena, path, v->elem, v->rank, parts);
    if (v->held)
        return fv_parts_read_pb(c->session, c->arena, path, v->elem, v->nparts, parts);
    if (v->elem == FV_STRING)
        return read_strings(c, path, parts);
    *parts = fv_tensor_read(c->session, c->arena, path, v->elem);
    return *parts != NULL;
}

fv_tensor fv_value_tensor(fv_arena *a, const fv_port_value *v, const fv_array *arrays) {
    fv_tensor first = fv_array_tensor(a, &arrays[v->first]);
    if (!fv_value_is_strings(v))
        return first;
    const fv_tensor ends = fv_array_tensor(a, &arrays[v->first + FV_PART_ENDS]),
                    *t = fv_strings_from_text(a, &first, &ends);
    /* if the ends of strings contradict the text, which a library that Fovea did not make may
     * return, the bytes are shown */
    return t ? *t : first;
}

bool fv_value_compare(fv_context *c, const fv_port_value *v, const fv_array *arrays,
                      const fv_tensor *const *want, const char **why) {
    double atol = c->args->data.atol, rtol = c->args->data.rtol;
    fv_maps mine, theirs;
    if (fv_value_is_maps(v) && fv_maps_of_arrays(c->arena, v, arrays, &mine) &&
        fv_maps_of(c->arena, v, want + v->first, &theirs))
        return fv_maps_compare(c, &mine, &theirs, why);
    if (fv_value_is_strings(v)) {
        fv_tensor got = fv_value_tensor(c->arena, v, arrays);
        const fv_tensor *strings = fv_strings_from_text(c->arena, want[v->first + FV_PART_TEXT],
                                                        want[v->first + FV_PART_ENDS]);
        if (got.elem == FV_STRING && strings)
            return fv_compare_strings(c->arena, &got, strings, why);
    }
    for (int i = v->first; i < v->first + v->nparts; i++)
        if (!fv_compare(c->arena, &arrays[i], want[i], atol, rtol, why))
            return false;
    return true;
}
