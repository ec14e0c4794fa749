/* sparse_values.c - see sparse_values.h. */
#include "tools/data/sparse_values.h"

#include <string.h>

#include "frontend/data.h"
#include "frontend/file.h"
#include "ir/base/limits.h"
#include "tools/command/json.h"
#include "tools/data/map_values.h"

typedef struct reader {
    fv_context *c;
    const char *path;
} reader;

static bool fail(const reader *r, const char *what) {
    return fv_error(r->c->session, "%s: %s", r->path, what);
}

/* Converts a JSON list to a tensor of its numbers, or, if width > 0, of its lists of `width`
 * numbers each. NULL after a message. */
static const fv_tensor *take_list(const reader *r, const char *name, const json_t *list, fv_elem e,
                                  int width) {
    fv_arena *a = r->c->arena;
    size_t n = json_array_size(list);
    fv_tensor *t = json_is_array(list)
                       ? fv_tensor_new(a, e, width ? 2 : 1, (int64_t[]){(int64_t)n, width})
                       : NULL;
    for (size_t i = 0; t && i < n; i++) {
        const json_t *row = json_array_get(list, i);
        if (width && json_array_size(row) != (size_t)width)
            return fail(r, fv_printf(a, "\"%s\" %zu is no list of %d numbers", name, i, width)),
                   NULL;
        for (int k = 0; k < (width ? width : 1); k++)
            if (!fv_json_take_number(a, t, width ? i * (size_t)width + (size_t)k : i,
                                     width ? json_array_get(row, (size_t)k) : row))
                return fail(r, fv_printf(a, "\"%s\" %zu is no %s", name, i, fv_elem_name(e))), NULL;
    }
    return t ? t : (fail(r, fv_printf(a, "\"%s\" is no list", name)), NULL);
}

static bool only_known(const reader *r, const json_t *d) {
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)d, key, value) {
        if (strcmp(key, "dims") != 0 && strcmp(key, "indices") != 0 && strcmp(key, "values") != 0)
            return fail(r,
                        fv_printf(r->c->arena, "\"%s\" is none of dims, indices and values", key));
    }
    return true;
}

static bool take_document(const reader *r, const fv_port_value *v, const json_t *d,
                          const fv_tensor **parts) {
    const json_t *indices = json_object_get(d, "indices");
    if (!json_is_object(d))
        return fail(r, "it is no object of dims, indices and values");
    bool linear = !json_is_array(json_array_get(indices, 0));
    const fv_tensor *dims =
        only_known(r, d) ? take_list(r, "dims", json_object_get(d, "dims"), FV_I64, 0) : NULL;
    if (!dims)
        return false;
    if (dims->count > FV_MAX_RANK)
        return fail(r, fv_printf(r->c->arena, "it has rank %zu, at most %d is supported",
                                 dims->count, FV_MAX_RANK));
    fv_sparse_parts p = {.rank = (int)dims->count, .dims = dims->data};
    p.indices = take_list(r, "indices", indices, FV_I64, linear ? 0 : v->rank);
    p.values = p.indices ? take_list(r, "values", json_object_get(d, "values"), v->elem, 0) : NULL;
    return p.values &&
           fv_sparse_fit(r->c->session, r->c->arena, &p, r->path, v->elem, v->rank, parts);
}

bool fv_sparse_read_json(fv_context *c, const fv_port_value *v, const char *path,
                         const fv_tensor **parts) {
    const reader r = {c, path};
    fv_file f;
    json_error_t e;
    if (!fv_file_map(c->session, c->arena, path, &f))
        return false;
    json_t *document = json_loadb((const char *)f.data, f.size, JSON_REJECT_DUPLICATES, &e);
    if (!document)
        return fv_error(c->session, "%s:%d: %s", path, e.line, e.text);
    bool ok = take_document(&r, v, document, parts);
    json_decref(document);
    return ok;
}
