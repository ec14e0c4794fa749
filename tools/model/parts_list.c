/* parts_list.c - the file parts.json of a folder with the parts of a model: which file is the model
 * of a rank, and of which inputs and outputs it has a share. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "frontend/file.h"
#include "runtime/rank_limits.h"
#include "tools/model/checksum.h"
#include "tools/model/parts.h"

static const char manifest_name[] = "parts.json";

static const char *manifest_in(fv_context *c, const char *folder) {
    return fv_printf(c->arena, "%s/%s", folder, manifest_name);
}

void fv_parts_list(fv_context *c, int ranks, int stages, fv_parts_manifest *out) {
    *out = (fv_parts_manifest){.ranks = ranks,
                               .stages = stages,
                               .files = FV_NEW(c->arena, const char *, ranks),
                               .bytes = FV_NEW(c->arena, int64_t, ranks),
                               .checksums = FV_NEW(c->arena, uint64_t, ranks)};
    for (int r = 0; r < ranks; r++)
        out->files[r] = fv_printf(c->arena, "rank%d.onnx", r);
}

const char *fv_parts_path(fv_context *c, const char *folder, const fv_parts_manifest *parts,
                          int rank) {
    return fv_printf(c->arena, "%s/%s", folder, parts->files[rank]);
}

void fv_parts_name(fv_context *c, fv_parts_manifest *parts, int rank, const char *suffix) {
    parts->files[rank] = fv_printf(c->arena, "rank%d%s", rank, suffix);
}

/* The suffixes of files of parts, and what the file with their weights is called: by the whole
 * name of the part with a suffix, or by the part of it before its own suffix. */
static const struct {
    const char *of, *weights;
    bool after_stem, has_header;
} suffixes[] = {{".onnx", ".data", false, false},   {".fvir", ".bin", false, false},
                {".fvd", ".bin", false, false},     {".fvk", ".bin", false, false},
                {".so", ".weights", true, true},    {".dll", ".weights", true, true},
                {".dylib", ".weights", true, true}, {NULL, ".data", false, false}};

/* The number of the path's suffix among these, or of the last entry. */
static int suffix_of(const char *path) {
    const char *dot = strrchr(path, '.');
    int i = 0;
    while (suffixes[i].of && !(dot && !strcmp(dot, suffixes[i].of)))
        i++;
    return i;
}

/* The path with another suffix in place of its own. */
static const char *with_suffix(fv_context *c, const char *path, const char *suffix) {
    return fv_printf(c->arena, "%.*s%s", (int)(strrchr(path, '.') - path), path, suffix);
}

static const char *weights_of(fv_context *c, const char *path) {
    int i = suffix_of(path);
    return suffixes[i].after_stem ? with_suffix(c, path, suffixes[i].weights)
                                  : fv_printf(c->arena, "%s%s", path, suffixes[i].weights);
}

static bool add_file(fv_context *c, const char *path, int64_t *bytes, uint64_t *sum) {
    fv_arena *a = fv_arena_new(c->session);
    fv_file f;
    bool ok = fv_file_map(c->session, a, path, &f);
    if (ok) {
        *bytes += (int64_t)f.size;
        *sum = fv_checksum_mapped(c->session, f.data, f.size, *sum);
    }
    fv_arena_free(a);
    return ok;
}

bool fv_parts_measure(fv_context *c, const char *folder, int rank, fv_parts_manifest *parts) {
    const char *path = fv_parts_path(c, folder, parts, rank), *weights = weights_of(c, path);
    parts->bytes[rank] = 0;
    parts->checksums[rank] = 0;
    return add_file(c, path, &parts->bytes[rank], &parts->checksums[rank]) &&
           (access(weights, F_OK) != 0 ||
            add_file(c, weights, &parts->bytes[rank], &parts->checksums[rank]));
}

/* A checksum as parts.json has it. */
static const char *sum_text(fv_context *c, uint64_t sum) {
    return fv_printf(c->arena, "%016" PRIx64, sum);
}

/* Adds the shares of a port. */
static void add_shares(json_t *entry, const fv_parts_port *p, int width) {
    json_t *sizes = json_array(), *firsts = json_array();
    int64_t sum = 0;
    bool copies = false;
    for (int r = 0; r < width; r++) {
        json_array_append_new(sizes, json_integer(p->sizes[r]));
        json_array_append_new(firsts, json_integer(p->firsts[r]));
        copies |= p->firsts[r] != sum;
        sum += p->sizes[r];
    }
    json_object_set_new(entry, "axis", json_integer(p->axis));
    json_object_set_new(entry, "sizes", sizes);
    if (copies)
        json_object_set(entry, "firsts", firsts);
    json_decref(firsts);
}

/* Adds what the parts of other stages do not say about a port. */
static void add_stage(json_t *entry, const fv_parts_port *p) {
    json_t *dims = json_array();
    for (int i = 0; i < p->info.rank; i++)
        json_array_append_new(dims, json_string(p->info.dims[i]));
    json_object_set_new(entry, "stage", json_integer(p->stage));
    json_object_set_new(entry, "number", json_integer(p->number));
    json_object_set_new(entry, "type", json_string(fv_elem_name((fv_elem)p->info.type)));
    json_object_set_new(entry, "dims", dims);
}

static json_t *ports_json(const fv_parts_manifest *parts) {
    json_t *list = json_array();
    for (int i = 0; i < parts->nports; i++) {
        const fv_parts_port *p = &parts->ports[i];
        json_t *entry = json_object();
        json_object_set_new(entry, p->is_output ? "output" : "input", json_string(p->name));
        if (p->stage >= 0)
            add_stage(entry, p);
        if (p->axis >= 0)
            add_shares(entry, p, fv_parts_width(parts));
        json_array_append_new(list, entry);
    }
    return list;
}

bool fv_parts_write(fv_context *c, const char *folder, const fv_parts_manifest *parts) {
    json_t *d = json_object(), *list = json_array();
    for (int r = 0; r < parts->ranks; r++)
        json_array_append_new(list, json_pack("{s:s, s:I, s:s}", "file", parts->files[r], "bytes",
                                              (json_int_t)parts->bytes[r], "xxh64",
                                              sum_text(c, parts->checksums[r])));
    json_object_set_new(d, "ranks", json_integer(parts->ranks));
    if (parts->stages > 1)
        json_object_set_new(d, "stages", json_integer(parts->stages));
    if (parts->compiled)
        json_object_set_new(d, "compiled", json_true());
    json_object_set_new(d, "parts", list);
    if (parts->nports)
        json_object_set_new(d, "shares", ports_json(parts));
    char *text = json_dumps(d, JSON_INDENT(2));
    if (!text)
        fv_out_of_memory(c->session);
    bool ok = fv_file_write(c->session, manifest_in(c, folder), text, strlen(text));
    free(text);
    json_decref(d);
    return ok;
}

static bool remove_file(fv_context *c, const char *path) {
    return unlink(path) == 0 || errno == ENOENT ||
           fv_error(c->session, "cannot replace '%s': %s", path, strerror(errno));
}

/* Removes a part, if its name is one that shard or compile gives. */
static bool remove_part(fv_context *c, const char *folder, const json_t *entry, int rank) {
    const char *file = json_string_value(json_object_get(entry, "file"));
    int i = file ? suffix_of(file) : -1;
    if (!file || !suffixes[i].of ||
        strcmp(file, fv_printf(c->arena, "rank%d%s", rank, suffixes[i].of)) != 0)
        return true;
    const char *path = fv_printf(c->arena, "%s/%s", folder, file);
    return fv_spares_models(c, "-o ", path) && remove_file(c, path) &&
           remove_file(c, weights_of(c, path)) &&
           (!suffixes[i].has_header || remove_file(c, with_suffix(c, path, ".h")));
}

bool fv_parts_forget(fv_context *c, const char *folder) {
    json_t *d = json_load_file(manifest_in(c, folder), 0, NULL);
    const json_t *list = json_object_get(d, "parts"), *entry;
    size_t r;
    bool ok = remove_file(c, manifest_in(c, folder));
    json_array_foreach(list, r, entry) {
        ok = ok && remove_part(c, folder, entry, (int)r);
    }
    json_decref(d);
    return ok;
}

bool fv_parts_are_compiled(fv_context *c, const char *folder) {
    json_t *d = json_load_file(manifest_in(c, folder), 0, NULL);
    bool ok = json_is_true(json_object_get(d, "compiled"));
    json_decref(d);
    return ok || !fv_parts_are_in(c, folder) ||
           fv_error(c->session,
                    "its %s lists parts that `fovea compile` has not written, and does not "
                    "replace: name another folder, or remove that file",
                    manifest_name);
}

bool fv_parts_forget_weights(fv_context *c, const char *folder, const fv_parts_manifest *parts,
                             int rank) {
    const char *path = weights_of(c, fv_parts_path(c, folder, parts, rank));
    return fv_spares_models(c, "-o ", path) && remove_file(c, path);
}

bool fv_parts_are_in(fv_context *c, const char *path) {
    return access(manifest_in(c, path), F_OK) == 0;
}

bool fv_parts_are_not_in(fv_context *c, const char *path) {
    struct stat st;
    if (stat(path, &st) != 0 || !S_ISDIR(st.st_mode))
        return true;
    fv_diag_file(c->session, path);
    return fv_parts_are_in(c, path)
               ? fv_error(c->session,
                          "is a folder with the parts of a model, which `fovea run` runs together; "
                          "here, name one of them, such as %s/rank0.onnx",
                          path)
               : fv_error(c->session,
                          "is a folder without %s: expected a model, or a folder that "
                          "`fovea shard` has written",
                          manifest_name);
}

/* Reads the entry of a rank. A name with a folder is refused: parts are next to the list. */
static bool read_part(fv_context *c, const json_t *entry, int rank, fv_parts_manifest *out) {
    const char *file = json_string_value(json_object_get(entry, "file"));
    const char *sum = json_string_value(json_object_get(entry, "xxh64"));
    const json_t *bytes = json_object_get(entry, "bytes");
    if (!file || !*file || strchr(file, '/') || !json_is_integer(bytes) || !sum)
        return fv_error(c->session,
                        "parts[%d] has no file in this folder, or no bytes, or no xxh64", rank);
    out->files[rank] = fv_printf(c->arena, "%s", file);
    out->bytes[rank] = json_integer_value(bytes);
    out->checksums[rank] = strtoull(sum, NULL, 16);
    return true;
}

/* A number of elements of an axis in a list; -1: there is none. */
static int64_t size_at(const json_t *list, int r) {
    const json_t *n = json_array_get(list, (size_t)r);
    return json_is_integer(n) && json_integer_value(n) <= INT32_MAX ? json_integer_value(n) : -1;
}

/* Does each share begin with the first element that the ranks before do not have, or repeat the
 * share of the rank before? */
static bool covers_axis(const fv_parts_port *p, int ranks) {
    bool ok = ranks == 0 || p->firsts[0] == 0;
    for (int r = 1; r < ranks && ok; r++)
        ok = p->firsts[r] == p->firsts[r - 1] + p->sizes[r - 1] ||
             (p->firsts[r] == p->firsts[r - 1] && p->sizes[r] == p->sizes[r - 1]);
    return ok;
}

/* Reads the shares of a port. */
static bool read_shares(fv_context *c, const json_t *entry, int i, int width, fv_parts_port *out) {
    const json_t *axis = json_object_get(entry, "axis"), *sizes = json_object_get(entry, "sizes");
    const json_t *firsts = json_object_get(entry, "firsts");
    json_int_t a = json_is_integer(axis) ? json_integer_value(axis) : -1;
    if (a < 0 || a >= FV_ARRAY_RANK || json_array_size(sizes) != (size_t)width ||
        (firsts && json_array_size(firsts) != (size_t)width))
        return fv_error(c->session,
                        "shares[%d] has no name of an input or output, no axis, or no sizes of %d "
                        "ranks",
                        i, width);
    out->axis = (int)a;
    for (int r = 0; r < width; r++) {
        out->sizes[r] = size_at(sizes, r);
        if (out->sizes[r] < 0)
            return fv_error(c->session, "shares[%d]: the size of rank %d is no size of an axis", i,
                            r);
        out->firsts[r] = firsts ? size_at(firsts, r)
                         : r    ? out->firsts[r - 1] + out->sizes[r - 1]
                                : 0;
        if (out->firsts[r] < 0)
            return fv_error(c->session,
                            "shares[%d]: the first element of rank %d is no index of an axis", i,
                            r);
    }
    return covers_axis(out, width) ||
           fv_error(c->session, "shares[%d]: there are elements that no rank has", i);
}

static bool is_below(const json_t *n, int end) {
    return json_is_integer(n) && json_integer_value(n) >= 0 && json_integer_value(n) < end;
}

/* The dims of a port, in the arena; NULL: the list is none. */
static const char **read_dims(fv_context *c, const json_t *list) {
    size_t n = json_array_size(list);
    const char **dims = FV_NEW(c->arena, const char *, n + 1);
    if (!json_is_array(list) || n > FV_ARRAY_RANK)
        return NULL;
    for (size_t i = 0; i < n; i++) {
        const char *text = json_string_value(json_array_get(list, i));
        if (!text)
            return NULL;
        dims[i] = fv_strdup(c->arena, text);
    }
    return dims;
}

/* Reads the stage of a port, and what other stages do not say about it. */
static bool read_stage(fv_context *c, const json_t *entry, int i, int stages, fv_parts_port *out) {
    const json_t *stage = json_object_get(entry, "stage"), *list = json_object_get(entry, "dims");
    const json_t *number = json_object_get(entry, "number");
    const char *type = json_string_value(json_object_get(entry, "type"));
    const char **dims = read_dims(c, list);
    fv_elem elem;
    if (!is_below(stage, stages) || !is_below(number, INT32_MAX) || !dims || !type ||
        !fv_elem_parse(type, strlen(type), &elem))
        return fv_error(c->session,
                        "shares[%d] has no stage below %d, or not the number, type and dims of its "
                        "port",
                        i, stages);
    out->stage = (int)json_integer_value(stage);
    out->number = (int)json_integer_value(number);
    out->info = (fv_port_info){.name = out->name,
                               .type = (int32_t)elem,
                               .rank = (int32_t)json_array_size(list),
                               .dims = dims};
    return true;
}

/* Reads an input or output of which the parts have shares, or that one stage has. */
static bool read_port(fv_context *c, const json_t *entry, int i, const fv_parts_manifest *list,
                      fv_parts_port *out) {
    const char *input = json_string_value(json_object_get(entry, "input"));
    const char *output = json_string_value(json_object_get(entry, "output"));
    int width = fv_parts_width(list);
    bool staged = json_object_get(entry, "stage") != NULL;
    if (!input == !output)
        return fv_error(c->session, "shares[%d] has no name of an input or output", i);
    *out = (fv_parts_port){.name = fv_strdup(c->arena, input ? input : output),
                           .is_output = output != NULL,
                           .axis = -1,
                           .sizes = FV_NEW(c->arena, int64_t, width),
                           .firsts = FV_NEW(c->arena, int64_t, width),
                           .stage = -1};
    if (staged && !read_stage(c, entry, i, list->stages, out))
        return false;
    return (staged && !json_object_get(entry, "axis")) || read_shares(c, entry, i, width, out);
}

/* Has an entry of the same input or output been read? */
static bool is_repeated(const fv_parts_port *ports, int i) {
    for (int k = 0; k < i; k++)
        if (ports[k].is_output == ports[i].is_output && !strcmp(ports[k].name, ports[i].name))
            return true;
    return false;
}

static bool read_ports(fv_context *c, const json_t *list, fv_parts_manifest *out) {
    out->nports = (int)json_array_size(list);
    out->ports = FV_NEW(c->arena, fv_parts_port, out->nports);
    for (int i = 0; i < out->nports; i++) {
        if (!read_port(c, json_array_get(list, (size_t)i), i, out, &out->ports[i]))
            return false;
        if (is_repeated(out->ports, i))
            return fv_error(c->session, "shares[%d]: the %s '%s' has an entry already", i,
                            out->ports[i].is_output ? "output" : "input", out->ports[i].name);
    }
    return true;
}

static bool read_list(fv_context *c, const json_t *d, fv_parts_manifest *out) {
    const json_t *ranks = json_object_get(d, "ranks"), *list = json_object_get(d, "parts");
    const json_t *stages = json_object_get(d, "stages");
    json_int_t n = json_integer_value(ranks), s = stages ? json_integer_value(stages) : 1;
    if (n < 1 || n > FV_MAX_RANKS || json_array_size(list) != (size_t)n)
        return fv_error(c->session, "expected as many parts as ranks, 1 to %d", FV_MAX_RANKS);
    if (s < 1 || s > n || n % s)
        return fv_error(c->session, "expected stages with as many ranks each, of %d ranks", (int)n);
    fv_parts_list(c, (int)n, (int)s, out);
    out->compiled = json_is_true(json_object_get(d, "compiled"));
    for (int r = 0; r < out->ranks; r++)
        if (!read_part(c, json_array_get(list, (size_t)r), r, out))
            return false;
    return read_ports(c, json_object_get(d, "shares"), out);
}

bool fv_parts_read(fv_context *c, const char *folder, fv_parts_manifest *out) {
    json_error_t error;
    fv_diag_file(c->session, manifest_in(c, folder));
    json_t *d = json_load_file(manifest_in(c, folder), 0, &error);
    if (!d)
        return fv_error(c->session, "%s", error.text);
    bool ok = read_list(c, d, out);
    json_decref(d);
    return ok;
}

bool fv_parts_check(fv_context *c, const char *folder, const fv_parts_manifest *list, int rank) {
    fv_parts_manifest found;
    fv_parts_list(c, list->ranks, list->stages, &found);
    found.files = list->files;
    const char *path = fv_parts_path(c, folder, list, rank);
    if (!fv_parts_measure(c, folder, rank, &found))
        return false;
    if (found.bytes[rank] != list->bytes[rank])
        return fv_error(c->session,
                        "rank %d: '%s' has %" PRId64 " bytes, expected %" PRId64
                        ": it is not the part that was written",
                        rank, path, found.bytes[rank], list->bytes[rank]);
    return found.checksums[rank] == list->checksums[rank] ||
           fv_error(c->session,
                    "rank %d: '%s' has the checksum %s, expected %s: it is not the part that was "
                    "written",
                    rank, path, sum_text(c, found.checksums[rank]),
                    sum_text(c, list->checksums[rank]));
}
