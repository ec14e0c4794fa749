/* outputs.c - prints, writes and compares the outputs of a run. */
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "frontend/data.h"
#include "frontend/file.h"
#include "ir/base/quoted.h"
#include "tools/data/compare.h"
#include "tools/data/map_values.h"
#include "tools/data/values.h"
#include "tools/model/model.h"

/* ---- elements of a tensor ---- */

enum { FIRST = 6 };

typedef struct summary {
    double min, max; /* least and largest element that is not NaN */
    size_t nans;
} summary;

static double element(const fv_tensor *t, size_t i) {
    return fv_elem_is_float(t->elem) ? fv_tensor_float(t, i) : (double)fv_tensor_int(t, i);
}

static summary summarise(const fv_tensor *t) {
    summary s = {INFINITY, -INFINITY, 0};
    for (size_t i = 0; i < t->count; i++) {
        double v = element(t, i);
        s.nans += isnan(v);
        s.min = v < s.min ? v : s.min;
        s.max = v > s.max ? v : s.max;
    }
    return s;
}

static bool has_numbers(const fv_tensor *t) {
    return fv_elem_is_float(t->elem) || fv_elem_is_int(t->elem) || t->elem == FV_BOOL;
}

static void print_numbers(const fv_tensor *t) {
    if (t->count > 1) {
        summary s = summarise(t);
        if (s.nans < t->count)
            fv_out("  min %.6g  max %.6g", s.min, s.max);
        if (s.nans)
            fv_out("  %zu NaN", s.nans);
        fv_out(" ");
    }
    for (size_t i = 0; i < t->count && i < FIRST; i++)
        if (fv_elem_is_float(t->elem))
            fv_out(" %.6g", fv_tensor_float(t, i));
        else
            fv_out(" %" PRId64, fv_tensor_int(t, i));
    if (t->count > FIRST)
        fv_out(" ...");
}

static void put_string(fv_string s) {
    enum { MOST = 40 };
    char out[FV_LONGEST_ESCAPE];
    bool shows;
    fv_out(" \"");
    for (size_t i = 0, n; i < s.n && i < MOST; i += n) {
        n = fv_char_bytes(s.s + i, s.n - i, &shows);
        fv_out("%.*s", (int)fv_char_escape(out, s.s + i, n, shows, '"'), out);
    }
    fv_out(s.n <= MOST ? "\"" : "\"...");
}

static void print_strings(const fv_tensor *t) {
    for (size_t i = 0; i < t->count && i < FIRST; i++)
        put_string(((const fv_string *)t->data)[i]);
    if (t->count > FIRST)
        fv_out(" ...");
}

static void print_type(const fv_tensor *t) {
    fv_out("%s[", fv_elem_name(t->elem));
    for (int i = 0; i < t->rank; i++)
        fv_out("%s%" PRId64, i ? ", " : "", t->dims[i]);
    fv_out("]");
}

/* The maps of result i. False after a diagnostic: its tensors are inconsistent, which can happen
 * with a library that Fovea did not make. */
static bool maps_of(fv_context *c, const fv_subject *m, int i, fv_maps *out) {
    return fv_maps_of_arrays(c->arena, &m->data.results[i], m->data.outputs, out) ||
           fv_error(c->session, "output '%s' has parts that make no %s", m->data.results[i].name,
                    fv_maps_type_str(c->arena, &m->data.results[i]));
}

static void put_number(const fv_tensor *t, size_t i) {
    if (fv_elem_is_float(t->elem))
        fv_out("%.6g", fv_tensor_float(t, i));
    else if (t->elem == FV_U64)
        fv_out("%" PRIu64, (uint64_t)fv_tensor_int(t, i));
    else
        fv_out("%" PRId64, fv_tensor_int(t, i));
}

static void put_element(const fv_tensor *t, size_t i) {
    if (t->elem == FV_STRING) {
        put_string(((const fv_string *)t->data)[i]);
    } else {
        fv_out(" ");
        put_number(t, i);
    }
}

/* prints: seq(map(i64, f32))[2]  { 0: 0.25, 1: 0.75 } { 0: 1, 1: 0 } */
static void print_maps(fv_context *c, const fv_subject *m, int i) {
    fv_maps maps;
    size_t first, end, left = FIRST;
    if (!maps_of(c, m, i, &maps))
        return;
    fv_out("%s[%zu] ", fv_maps_type_str(c->arena, &m->data.results[i]),
           maps.ends ? maps.ends->count : maps.keys->count);
    for (size_t k = 0; k < fv_maps_count(&maps) && left; k++) {
        fv_maps_entries(&maps, k, &first, &end);
        fv_out(" {");
        for (size_t at = first; at < end && left; at++, left--) {
            fv_out(at > first ? "," : "");
            put_element(maps.keys, at);
            fv_out(":");
            put_element(maps.values, at);
        }
        fv_out(left || end == maps.keys->count ? " }" : " ...");
    }
}

void fv_print_outputs(fv_context *c, const fv_subject *m) {
    int widest = 0;
    for (int i = 0; i < m->data.nresults; i++) {
        int n = fv_shown_width(m->data.results[i].name);
        widest = n > widest ? n : widest;
    }
    for (int i = 0; i < m->data.nresults; i++) {
        fv_out("%-*s  ", widest, m->data.results[i].name);
        if (fv_value_is_maps(&m->data.results[i])) {
            print_maps(c, m, i);
            fv_out("\n");
            continue;
        }
        fv_tensor t = fv_value_tensor(c->arena, &m->data.results[i], m->data.outputs);
        print_type(&t);
        if (has_numbers(&t) && t.count)
            print_numbers(&t);
        if (t.elem == FV_STRING)
            print_strings(&t);
        fv_out("\n");
    }
}

static json_t *json_element(const fv_tensor *t, size_t i) {
    if (t->elem == FV_STRING) {
        const fv_string *s = (const fv_string *)t->data + i;
        return fv_json_textn(s->s, s->n);
    }
    return fv_elem_is_float(t->elem) ? fv_json_real(fv_tensor_float(t, i))
                                     : json_integer(fv_tensor_int(t, i));
}

static json_t *first_values(const fv_tensor *t) {
    json_t *list = json_array();
    for (size_t i = 0; i < t->count && i < FIRST; i++)
        fv_json_append(list, json_element(t, i));
    return list;
}

static json_t *json_maps(fv_context *c, const fv_subject *m, int i) {
    fv_maps maps;
    json_t *o = json_object(), *dims = json_array();
    fv_json_set_text(o, "name", m->data.results[i].name);
    fv_json_set_text(o, "type", fv_maps_type_str(c->arena, &m->data.results[i]));
    if (maps_of(c, m, i, &maps)) {
        fv_json_append(dims,
                       json_integer((int64_t)(maps.ends ? maps.ends->count : maps.keys->count)));
        fv_json_set(o, "first", fv_maps_json(c->arena, &maps, FIRST, FIRST));
    }
    fv_json_set(o, "dims", dims);
    return o;
}

json_t *fv_json_outputs(fv_context *c, const fv_subject *m) {
    json_t *list = json_array();
    for (int i = 0; i < m->data.nresults; i++) {
        if (fv_value_is_maps(&m->data.results[i])) {
            fv_json_append(list, json_maps(c, m, i));
            continue;
        }
        fv_tensor t = fv_value_tensor(c->arena, &m->data.results[i], m->data.outputs);
        json_t *o = json_object(), *dims = json_array();
        for (int k = 0; k < t.rank; k++)
            fv_json_append(dims, json_integer(t.dims[k]));
        fv_json_set_text(o, "name", m->data.results[i].name);
        fv_json_set_text(o, "type", fv_elem_name(t.elem));
        fv_json_set(o, "dims", dims);
        if (has_numbers(&t)) {
            summary s = summarise(&t);
            fv_json_set(o, "min", fv_json_real(s.min));
            fv_json_set(o, "max", fv_json_real(s.max));
            fv_json_set_int(o, "nan", (int64_t)s.nans);
        }
        if (has_numbers(&t) || t.elem == FV_STRING)
            fv_json_set(o, "first", first_values(&t));
        fv_json_append(list, o);
    }
    return list;
}

/* ---- files ---- */

static bool ends_in(const char *path, const char *suffix) {
    size_t n = strlen(path), k = strlen(suffix);
    return n > k && !strcmp(path + n - k, suffix);
}

static bool is_standard(const char *path) {
    return !strcmp(path, "-");
}

static bool is_folder(const char *path) {
    struct stat st;
    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

bool fv_make_folder(fv_context *c, const char *option, const char *path) {
    return mkdir(path, 0777) == 0 || (errno == EEXIST && is_folder(path)) ||
           fv_error(c->session, "%s: cannot make the folder %s: %s", option, path, strerror(errno));
}

const char *fv_file_in(fv_arena *a, const char *folder, const char *name, const char *suffix) {
    bool slash = *folder && folder[strlen(folder) - 1] == '/';
    return fv_printf(a, "%s%s%s%s", folder, slash ? "" : "/", name, suffix);
}

/* Determines whether the path of -o names a single file (*one) or a folder, which is created if
 * necessary. */
static bool place(fv_context *c, const fv_subject *m, const char *path, bool *one) {
    bool json =
        ends_in(path, ".json") && m->data.nresults == 1 && fv_value_is_maps(&m->data.results[0]);
    *one = is_standard(path) ||
           (!is_folder(path) &&
            (ends_in(path, ".npy") || ends_in(path, ".pb") || json || !access(path, F_OK)));
    if (*one && m->data.nresults != 1)
        return fv_error(c->session, "-o %s is one file, the model has %d outputs: give a folder",
                        path, m->data.nresults);
    return *one || fv_make_folder(c, "-o", path);
}

static const char *file_of(fv_context *c, const fv_subject *m, const char *folder, int i) {
    bool pb = c->args->data.format && !strcmp(c->args->data.format, "pb");
    return fv_file_in(c->arena, folder, m->data.safe[i],
                      pb                                      ? ".pb"
                      : fv_value_is_maps(&m->data.results[i]) ? ".json"
                                                              : ".npy");
}

/* Writes a tensor to standard output, as a TensorProto with that name, or as npy if `name` is NULL.
 * main reports errors of writing. */
static bool write_standard(fv_context *c, const fv_tensor *t, const char *name) {
    fv_text out = {.arena = c->arena};
    if (name)
        fv_tensor_to_pb(&out, t, name);
    else if (!fv_tensor_to_npy(&out, c->session, t))
        return false;
    fwrite(out.s, 1, out.n, stdout);
    return true;
}

static bool write_one(fv_context *c, const fv_tensor *t, const char *path, const char *name) {
    bool pb = ends_in(path, ".pb") || (c->args->data.format && !strcmp(c->args->data.format, "pb"));
    if (is_standard(path))
        return write_standard(c, t, pb ? name : NULL);
    return pb ? fv_tensor_write_pb(c->session, path, t, name)
              : fv_tensor_write_npy(c->session, path, t);
}

/* Writes maps as .pb or JSON; npy has no maps. */
static bool write_maps(fv_context *c, const fv_subject *m, int i, const char *path) {
    fv_maps maps;
    fv_text out = {.arena = c->arena};
    bool pb = ends_in(path, ".pb") || (c->args->data.format && !strcmp(c->args->data.format, "pb"));
    if (ends_in(path, ".npy"))
        return fv_error(c->session,
                        "-o %s: '%s' is %s, which .npy does not hold: give .json or .pb", path,
                        m->data.results[i].name, fv_maps_type_str(c->arena, &m->data.results[i]));
    if (!maps_of(c, m, i, &maps))
        return false;
    if (pb) {
        fv_maps_to_pb(&out, &maps, m->data.results[i].name);
    } else if (!fv_maps_fit_json(c, &maps, m->data.results[i].name)) {
        return false;
    } else {
        json_t *document = fv_maps_json(c->arena, &maps, 0, 0);
        char *text = json_dumps(document, JSON_ENCODE_ANY);
        fv_text_printf(&out, "%s\n", text ? text : "");
        json_decref(document);
        free(text);
    }
    if (!is_standard(path))
        return fv_file_write(c->session, path, out.s, out.n);
    fwrite(out.s, 1, out.n, stdout);
    return true;
}

static bool write_result(fv_context *c, const fv_subject *m, int i, const char *path) {
    if (fv_value_is_maps(&m->data.results[i]))
        return write_maps(c, m, i, path);
    fv_tensor t = fv_value_tensor(c->arena, &m->data.results[i], m->data.outputs);
    return write_one(c, &t, path, m->data.results[i].name);
}

bool fv_write_outputs(fv_context *c, const fv_subject *m, const char *path, json_t *list) {
    bool one;
    if (!fv_spares_models(c, "-o ", path) || !place(c, m, path, &one))
        return false;
    for (int i = 0; i < m->data.nresults; i++) {
        const char *name = m->data.results[i].name, *file = one ? path : file_of(c, m, path, i);
        if (!fv_spares_models(c, "-o ", file) || !write_result(c, m, i, file))
            return false;
        if (list)
            fv_json_set_text(json_array_get(list, (size_t)i), "file", file);
        else if (!c->args->print.quiet && !is_standard(path))
            fv_out("%s -> %s\n", name, file);
    }
    return true;
}

bool fv_write_inputs(fv_context *c, const fv_subject *m, const char *folder) {
    const fv_model *table = m->table;
    fv_port_value *v;
    int n = fv_port_values(c->arena, table->ninputs, table->inputs, FV_AS_WHOLE, &v);
    for (int i = 0; i < n; i++)
        if (v[i].nparts > 1 && !fv_value_is_strings(&v[i])) {
            n = fv_port_values(c->arena, table->ninputs, table->inputs, FV_AS_PORTS, &v);
            break;
        }
    if (!fv_spares_models(c, "--save-inputs ", folder) ||
        !fv_make_folder(c, "--save-inputs", folder))
        return false;
    const char *more = fv_file_in(c->arena, folder, fv_printf(c->arena, "input_%d", n), ".pb");
    if (!access(more, F_OK))
        return fv_error(c->session,
                        "--save-inputs: %s exists, and would belong to this data set of %d: remove "
                        "it, or give another folder",
                        more, n);
    for (int i = 0; i < n; i++) {
        const char *path = fv_file_in(c->arena, folder, fv_printf(c->arena, "input_%d", i), ".pb");
        fv_tensor t = fv_value_tensor(c->arena, &v[i], m->data.inputs);
        if (!fv_spares_models(c, "--save-inputs ", path) ||
            !fv_tensor_write_pb(c->session, path, &t, v[i].name))
            return false;
    }
    return true;
}

/* ---- comparing ---- */

/* Reads the expected value of result i from the file in `folder` with the name that -o uses. */
static bool expected(fv_context *c, const fv_subject *m, const char *folder, int i,
                     const fv_tensor **want) {
    static const char *const suffixes[] = {"npy", "pb", "json"};
    bool maps = fv_value_is_maps(&m->data.results[i]);
    for (int k = maps; k < 2 + maps; k++) {
        const char *path = fv_printf(c->arena, "%s/%s.%s", folder, m->data.safe[i], suffixes[k]);
        if (!access(path, F_OK))
            return fv_value_read(c, &m->data.results[i], path, want + m->data.results[i].first);
    }
    return fv_error(c->session, "%s holds neither output_%d.pb nor %s.%s", folder, i,
                    m->data.safe[i], maps ? "json" : "npy");
}

static bool read_expected(fv_context *c, const fv_subject *m, const char *folder,
                          const fv_tensor **want) {
    const char *why;
    if (!is_folder(folder) &&
        (ends_in(folder, ".npy") || ends_in(folder, ".pb") || !access(folder, F_OK))) {
        if (m->data.nresults != 1)
            return fv_error(c->session,
                            "--expect %s is one file, the model has %d outputs: give a folder",
                            folder, m->data.nresults);
        return fv_value_read(c, &m->data.results[0], folder, want);
    }
    if (!access(fv_printf(c->arena, "%s/output_0.pb", folder), F_OK))
        return fv_read_set(c, folder, "output", m->table->noutputs, m->table->outputs, want,
                           &why) ||
               (why && fv_error(c->session, "%s", why));
    for (int i = 0; i < m->data.nresults; i++)
        if (!expected(c, m, folder, i, want))
            return false;
    return true;
}

int fv_expect_outputs(fv_context *c, const fv_subject *m, const char *folder, json_t *list) {
    const fv_tensor **want = FV_NEW(c->arena, const fv_tensor *, m->table->noutputs + 1);
    int differ = 0;
    if (!read_expected(c, m, folder, want))
        return -1;
    for (int i = 0; i < m->data.nresults; i++) {
        const char *name = m->data.results[i].name, *why = NULL;
        bool same = fv_value_compare(c, &m->data.results[i], m->data.outputs, want, &why);
        differ += !same;
        if (list) {
            fv_json_set_bool(json_array_get(list, (size_t)i), "as_expected", same);
            if (!same)
                fv_json_set_text(json_array_get(list, (size_t)i), "difference", why);
        } else if (!same) {
            fv_out("FAILED %s: %s\n", name, why);
        }
    }
    if (!list && !c->args->print.quiet)
        fv_out("%d of %d outputs as expected\n", m->data.nresults - differ, m->data.nresults);
    return differ;
}
