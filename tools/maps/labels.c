/* labels.c - reads the file of --labels, which has names for the positions of sequences. */
#include <string.h>

#include "frontend/file.h"
#include "tools/maps/maps.h"

static bool is_strings(const json_t *list) {
    bool all = json_is_array(list);
    for (size_t i = 0; all && i < json_array_size(list); i++)
        all = json_is_string(json_array_get(list, i));
    return all;
}

static bool is_lists(const json_t *list) {
    bool all = json_is_array(list) && json_array_size(list);
    for (size_t i = 0; all && i < json_array_size(list); i++)
        all = is_strings(json_array_get(list, i)) &&
              json_array_size(json_array_get(list, i)) == json_array_size(json_array_get(list, 0));
    return all;
}

static bool read_list(fv_context *c, const char *path, const char *what, const json_t *list,
                      fv_label_list *out) {
    bool one = is_strings(list);
    if (!one && !is_lists(list))
        return fv_error(c->session,
                        "%s: %s is neither a list of strings nor one of such lists, all as long",
                        path, what);
    size_t nentries = one ? 1 : json_array_size(list),
           n = json_array_size(one ? list : json_array_get(list, 0));
    const char **at = FV_NEW(c->arena, const char *, nentries *n + 1);
    for (size_t e = 0; e < nentries; e++)
        for (size_t i = 0; i < n; i++)
            at[e * n + i] = fv_strdup(c->arena, json_string_value(json_array_get(
                                                    one ? list : json_array_get(list, e), i)));
    *out = (fv_label_list){.at = at, .nentries = (int64_t)nentries, .n = (int64_t)n};
    return true;
}

static bool read_both(fv_context *c, const json_t *document, fv_labels *out) {
    static const char *const names[] = {"queries", "keys"};
    size_t known = 0;
    if (json_is_array(document)) {
        if (!read_list(c, out->path, "the document", document, &out->own[FV_OF_QUERIES]))
            return false;
        out->own[FV_OF_KEYS] = out->own[FV_OF_QUERIES];
        return true;
    }
    for (int i = 0; i < 2; i++) {
        const json_t *list = json_object_get(document, names[i]);
        known += list != NULL;
        if (list && !read_list(c, out->path, names[i], list, &out->own[i]))
            return false;
    }
    return (known && known == json_object_size(document)) ||
           fv_error(c->session, "%s: is neither a list nor an object of \"queries\" and \"keys\"",
                    out->path);
}

bool fv_labels_read(fv_context *c, fv_labels *out) {
    fv_file f;
    json_error_t e;
    *out = (fv_labels){.path = c->args->data.labels};
    if (!out->path)
        return true;
    if (!fv_file_map(c->session, c->arena, out->path, &f))
        return false;
    json_t *document = json_loadb((const char *)f.data, f.size, JSON_REJECT_DUPLICATES, &e);
    bool ok = document ? read_both(c, document, out)
                       : fv_error(c->session, "%s:%d:%d: is no JSON: %s", out->path, e.line,
                                  e.column, e.text);
    json_decref(document);
    return ok;
}

const char *const *fv_labels_of(fv_labels *l, int axis, int64_t n, int64_t nentries,
                                int64_t entry) {
    for (int i = 0; i < 2; i++) {
        fv_label_list *list = &l->own[i ? !axis : axis];
        if (list->at && list->n == n && (list->nentries == 1 || list->nentries == nentries)) {
            list->used = true;
            return list->at + (list->nentries == 1 ? 0 : entry * n);
        }
    }
    return NULL;
}
