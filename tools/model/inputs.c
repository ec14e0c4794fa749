/* inputs.c - makes the inputs of a run: read from files, or random. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "frontend/data.h"
#include "frontend/file.h"
#include "ir/base/random.h"
#include "tools/data/compare.h"
#include "tools/data/values.h"
#include "tools/model/model.h"

/* ---- data sets ---- */

static bool varint(const uint8_t **p, const uint8_t *end, uint64_t *out) {
    *out = 0;
    for (int shift = 0; *p < end && shift < 64; shift += 7) {
        uint8_t b = *(*p)++;
        *out |= (uint64_t)(b & 127) << shift;
        if (b < 128)
            return true;
    }
    return false;
}

/* The name in the bytes of a TensorProto (field 8), or in the values of a SparseTensorProto (its
 * field 1); "": there is no name. */
static const char *name_in(fv_arena *a, const uint8_t *p, size_t size, bool sparse) {
    enum { VALUES = 1, NAME = 8, VARINT = 0, FIXED64 = 1, BYTES = 2, FIXED32 = 5 };
    const uint8_t *end = p + size;
    uint64_t tag, n;
    while (p < end && varint(&p, end, &tag)) {
        n = (tag & 7) == FIXED64 ? 8 : (tag & 7) == FIXED32 ? 4 : 0;
        if ((tag & 7) == VARINT && !varint(&p, end, &n))
            return "";
        if ((tag & 7) == BYTES && !varint(&p, end, &n))
            return "";
        if ((tag & 7) == VARINT)
            n = 0;
        if (n > (uint64_t)(end - p))
            return "";
        if (sparse && tag >> 3 == VALUES && (tag & 7) == BYTES)
            return name_in(a, p, n, false);
        if (!sparse && tag >> 3 == NAME && (tag & 7) == BYTES)
            return fv_strndup(a, (const char *)p, n);
        p += n;
    }
    return "";
}

static const char *name_inside(fv_arena *a, const fv_file *f) {
    return name_in(a, f->data, f->size, fv_sparse_is_pb(f->data, f->size));
}

typedef struct set_file {
    const char *path, *name;
} set_file;

static int list_set(fv_context *c, const char *folder, const char *what, set_file **out) {
    fv_arena *a = c->arena;
    int n = 0, cap = 0;
    for (;;) {
        const char *path = fv_printf(a, "%s/%s_%d.pb", folder, what, n);
        fv_file f;
        if (access(path, F_OK) || !fv_file_map(c->session, a, path, &f))
            return n;
        FV_PUSH(a, *out, n, cap, ((set_file){path, name_inside(a, &f)}));
    }
}

static const set_file *by_name(const set_file *files, int n, const char *name) {
    for (int i = 0; i < n; i++)
        if (!strcmp(files[i].name, name))
            return &files[i];
    return NULL;
}

bool fv_read_set(fv_context *c, const char *folder, const char *what, int n,
                 const fv_port_info *ports, const fv_tensor **out, const char **why) {
    set_file *files = NULL;
    int nfiles = list_set(c, folder, what, &files);
    fv_port_value *v;
    /* a data set has a file for each value, or a file for each port */
    int nvalues = fv_port_values(c->arena, n, ports, nfiles < n ? FV_AS_WHOLE : FV_AS_PORTS, &v);
    bool named = true;
    for (int i = 0; i < nvalues; i++)
        named &= by_name(files, nfiles, v[i].name) != NULL;
    if (nfiles < nvalues) {
        *why = nfiles
                   ? fv_printf(c->arena, "%s has %d %s_N.pb, the model has %d", folder, nfiles,
                               what, nvalues)
                   : fv_printf(c->arena, "%s holds no %s_0.pb, as a data set does", folder, what);
        return false;
    }
    *why = NULL; /* faults within a file are reported as messages, not in *why */
    for (int i = 0; i < nvalues; i++) {
        const set_file *f = named ? by_name(files, nfiles, v[i].name) : &files[i];
        if (!fv_value_read(c, &v[i], f->path, out + v[i].first))
            return false;
    }
    return true;
}

static bool read_set(fv_context *c, fv_subject *m, const char *folder) {
    const fv_tensor **tensors = FV_NEW(c->arena, const fv_tensor *, m->table->ninputs + 1);
    const char *why;
    if (!fv_read_set(c, folder, "input", m->table->ninputs, m->table->inputs, tensors, &why))
        return why ? fv_error(c->session, "%s", why) : false;
    for (int i = 0; i < m->table->ninputs; i++) {
        if (!fv_tensor_array(c->arena, tensors[i], &m->data.inputs[i]))
            return fv_error(c->session, "%s: input '%s' cannot be %s", folder,
                            m->table->inputs[i].name, fv_elem_name(tensors[i]->elem));
        m->data.given[i] = 1;
    }
    return true;
}

/* ---- --input NAME=FILE ---- */

/* The value that an argument INPUT=FILE names, and its file; NULL: there is none of that name. */
static const fv_port_value *find_value(fv_context *c, int n, const fv_port_value *v,
                                       const char *arg, const char **path) {
    const char *rest = arg, *quoted = fv_option_quoted(c->arena, arg, &rest);
    for (int i = 0; i < n; i++) {
        const char *after = quoted ? rest : arg + strlen(v[i].name);
        bool same =
            quoted ? !strcmp(quoted, v[i].name) : !strncmp(arg, v[i].name, strlen(v[i].name));
        if (!same || *after != '=')
            continue;
        *path = after + 1;
        return &v[i];
    }
    return NULL;
}

static bool no_such_input(fv_context *c, int n, const fv_port_value *v, const char *arg) {
    const char *rest = arg, *quoted = fv_option_quoted(c->arena, arg, &rest);
    const char **names = FV_NEW(c->arena, const char *, n + 1);
    for (int i = 0; i < n; i++)
        names[i] = v[i].name;
    const char *word = quoted ? quoted : fv_strndup(c->arena, arg, strcspn(arg, "="));
    const char *near = fv_nearest(word, names);
    if (near)
        return fv_error(c->session, "there is no input '%s'; did you mean '%s'?", word, near);
    return fv_error(c->session, "there is no input '%s'; `fovea inspect %s` lists them", word,
                    fv_diag_file_get(c->session));
}

static bool read_input(fv_context *c, fv_subject *m, const char *arg) {
    const fv_tensor **t = FV_NEW(c->arena, const fv_tensor *, m->table->ninputs);
    fv_port_value *whole, *ports;
    int nwhole = fv_port_values(c->arena, m->table->ninputs, m->table->inputs, FV_AS_WHOLE, &whole);
    int nports = fv_port_values(c->arena, m->table->ninputs, m->table->inputs, FV_AS_PORTS, &ports);
    const char *path;
    const fv_port_value *v = find_value(c, nwhole, whole, arg, &path);
    if (!v) /* there is no value of that name, but there may be a port of that name */
        v = find_value(c, nports, ports, arg, &path);
    if (!v)
        return no_such_input(c, nwhole, whole, arg);
    if (!fv_value_read(c, v, path, t))
        return false;
    for (int k = 0; k < v->nparts; k++) {
        const fv_port_info *p = &m->table->inputs[v->first + k];
        if (!fv_tensor_array(c->arena, t[k], &m->data.inputs[v->first + k]))
            return fv_error(c->session, "input '%s' is %s in %s, expected %s", p->name,
                            fv_elem_name(t[k]->elem), path, fv_elem_name((fv_elem)p->type));
        m->data.given[v->first + k] = 1;
    }
    return true;
}

/* ---- --adapter FILE ---- */

static void free_adapter(void *adapter) {
    fv_adapter_free(adapter);
}

/* Sets the inputs that the adapters have values for. Their data lives as long as the arena. */
static bool read_adapters(fv_context *c, fv_subject *m) {
    fv_array *found = FV_NEW(c->arena, fv_array, m->table->ninputs + 1);
    fv_log *log = fv_log_new();
    int status = FV_OK;
    for (int i = 0; i < c->args->data.adapters.n && !status; i++) {
        fv_adapter *adapter;
        status = fv_adapter_load(c->args->data.adapters.at[i], log, &adapter);
        if (status)
            break;
        fv_arena_at_free(c->arena, free_adapter, adapter);
        status = fv_adapter_apply(adapter, m->table, found, log);
    }
    for (int i = 0; i < m->table->ninputs && !status; i++)
        if (found[i].type) {
            m->data.inputs[i] = found[i];
            m->data.given[i] = 1;
        }
    bool ok = status == FV_OK || fv_say_log(c, log);
    fv_log_free(log);
    return ok;
}

bool fv_read_inputs(fv_context *c, fv_subject *m) {
    bool ok = !c->args->data.data_set || read_set(c, m, c->args->data.data_set);
    ok = ok && read_adapters(c, m);
    for (int i = 0; i < c->args->data.inputs.n && ok; i++)
        ok = read_input(c, m, c->args->data.inputs.at[i]);
    return ok;
}

/* ---- random inputs ---- */

static bool symbol_value(void *ctx, const fv_dim *symbol, int64_t *out) {
    const fv_subject *m = ctx;
    for (int i = 0; i < m->table->nsymbols; i++)
        if (!strcmp(m->table->symbols[i].name, symbol->name)) {
            *out = m->data.dims[i];
            return true;
        }
    return false;
}

static const fv_hint *hint_of(const fv_subject *m, const char *name) {
    for (int i = 0; i < m->implied.nhints; i++)
        if (!strcmp(m->implied.hints[i].name, name))
            return &m->implied.hints[i];
    return NULL;
}

typedef struct range {
    double lo, hi; /* bounds of random numbers; for integers hi is excluded */
} range;

/* The range of random integers of a type. Integers of 8 bits are usually data, so all values occur;
 * wider integers may be indices, for which 0 and 1 are usually in range. */
static range integers(fv_elem e) {
    if (fv_elem_bits(e) > 8)
        return (range){0, 2};
    double half = (double)(1 << (fv_elem_bits(e) - 1));
    return fv_elem_is_signed(e) ? (range){-half, half} : (range){0, 2 * half};
}

static range range_of(fv_subject *m, const fv_port_info *p) {
    const fv_hint *h = hint_of(m, p->name);
    fv_elem e = (fv_elem)p->type;
    int64_t bound;
    if ((h && h->kind == FV_HINT_MASK) || (!h && strcasestr(p->name, "mask")))
        return (range){1, 1};
    if (fv_elem_is_float(e))
        return (range){-1, 1};
    if (e == FV_BOOL)
        return (range){1, 1};
    if (h && h->kind == FV_HINT_INDEX && fv_dim_eval(h->bound, symbol_value, m, &bound) &&
        bound > 0)
        return (range){0, (double)bound};
    return p->rank == 0 ? (range){1, 2} : integers(e);
}

static void fill(fv_tensor *t, range r, fv_random *random) {
    for (size_t i = 0; i < t->count; i++) {
        double unit = fv_random_unit(random), v = r.lo + (r.hi - r.lo) * unit;
        if (fv_elem_is_float(t->elem))
            fv_tensor_set_float(t, i, v);
        else
            fv_tensor_set_int(t, i, (int64_t)(v >= 0 ? v : v - 1));
    }
}

/* Must input i be read from a file? Ports that together are one value must be consistent, so they
 * are not random, except those of a sparse tensor. */
static bool needs_file(fv_context *c, const fv_subject *m, int i) {
    fv_port_value *v;
    int n = fv_port_values(c->arena, m->table->ninputs, m->table->inputs, FV_AS_WHOLE, &v);
    for (int k = 0; k < n; k++)
        if (v[k].nparts > 1 && !v[k].sparse && i >= v[k].first && i < v[k].first + v[k].nparts) {
            const char *what = v[k].key    ? (v[k].several ? "a sequence of maps" : "a map")
                               : v[k].held ? "a sequence or an optional"
                                           : "a tensor of strings";
            fv_error(c->session,
                     "input '%s' is %s, of which no random one is made: give --input %s=F.%s",
                     v[k].name, what, v[k].name, v[k].held ? "pb" : "json");
            return true;
        }
    return false;
}

/* ---- elements that are dims ---- */

static const fv_value *param_of(const fv_subject *m, const char *name) {
    const fv_region *body = m->source.module ? m->source.module->funcs->body : NULL;
    for (int i = 0; body && i < body->nparams; i++)
        if (!strcmp(body->params[i]->name, name))
            return body->params[i];
    return NULL;
}

/* The symbol that the graph has as element i of an input; NULL: there is none. */
static const fv_dim *symbol_of(const fv_value *v, size_t i) {
    const fv_dim *d = v && v->elems && i < (size_t)v->nelems ? v->elems[i] : NULL;
    return d && d->kind == FV_DIM_SYMBOL && d->from_data ? d : NULL;
}

/* For a random input: some of its elements may be the values of symbols (symbol_of). Changes each
 * of these to the nearest value that the relations of the model allow, given the values in `b`. */
static void fit(const fv_value *v, fv_bounds *b, fv_tensor *t) {
    int64_t n;
    for (size_t i = 0; b && i < t->count; i++)
        if (symbol_of(v, i) && fv_bounds_choose(b, symbol_of(v, i), fv_tensor_int(t, i), &n))
            fv_tensor_set_int(t, i, n);
}

/* For an input that the user gives: notes in `b` the value of each symbol that is an element of the
 * input. If the values contradict the relations of the model, sets *b to NULL; the run reports the
 * contradiction. */
static void take_given(fv_context *c, fv_bounds **b, const fv_value *v, const fv_array *given) {
    const fv_tensor t = fv_array_tensor(c->arena, given);
    for (size_t i = 0; *b && i < t.count; i++) {
        const fv_dim *d = symbol_of(v, i);
        if (d && !fv_bounds_within(*b, d, fv_tensor_int(&t, i), fv_tensor_int(&t, i)))
            *b = NULL;
    }
}

static bool make_input(fv_context *c, fv_subject *m, int i, fv_bounds *b, fv_random *random) {
    const fv_port_info *p = &m->table->inputs[i];
    if (needs_file(c, m, i))
        return false;
    int64_t dims[FV_ARRAY_RANK];
    if (p->rank > FV_ARRAY_RANK)
        return fv_error(c->session, "input '%s': no random one can be made; give --input", p->name);
    for (int k = 0; k < p->rank; k++)
        if (!fv_eval_dim_text(m->table, m->data.dims, p->dims[k], &dims[k]) || dims[k] < 0)
            return fv_error(c->session, "input '%s': dim %s has no value where %s", p->name,
                            p->dims[k], fv_dims_str(c->arena, m->table, m->data.dims));
    fv_tensor *t = fv_tensor_new(c->arena, (fv_elem)p->type, p->rank, dims);
    if (!t)
        return fv_error(c->session, "input '%s' is too large%s%s", p->name,
                        m->table->nsymbols ? " where " : "",
                        fv_dims_str(c->arena, m->table, m->data.dims));
    fill(t, range_of(m, p), random);
    if (fv_elem_is_int(t->elem))
        fit(param_of(m, p->name), b, t);
    return fv_tensor_array(c->arena, t, &m->data.inputs[i]) ||
           fv_error(c->session, "input '%s' cannot be passed", p->name);
}

/* Moves a state to which the model appends into memory that has its capacity. */
static bool add_room(fv_context *c, fv_subject *m, int i) {
    const fv_port_info *p = &m->table->inputs[i];
    int64_t capacity;
    if (!p->in_place)
        return true;
    if (!fv_eval_dim_text(m->table, m->data.dims, p->capacity, &capacity))
        capacity = 0;
    return fv_array_add_room(c->arena, &m->data.inputs[i], p->in_place - 1, capacity) ||
           fv_error(c->session, "input '%s' has %" PRId64 " on axis %d, its capacity is %" PRId64,
                    p->name, m->data.inputs[i].dims[p->in_place - 1], (int)p->in_place - 1,
                    capacity);
}

bool fv_make_inputs(fv_context *c, fv_subject *m) {
    fv_random random = {(uint64_t)c->args->data.seed};
    bool ok = true, ints = false;
    for (int i = 0; i < m->table->ninputs; i++)
        ints |= !m->data.given[i] && fv_elem_is_int((fv_elem)m->table->inputs[i].type);
    if (ints)
        fv_subject_graph(c, m); /* reads the graph, which has hints and relations */
    fv_bounds *b = ints ? fv_subject_bounds(c, m) : NULL;
    for (int i = 0; i < m->table->ninputs && b; i++)
        if (m->data.given[i])
            take_given(c, &b, param_of(m, m->table->inputs[i].name), &m->data.inputs[i]);
    for (int i = 0; i < m->table->ninputs && ok; i++)
        ok = (m->data.given[i] || make_input(c, m, i, b, &random)) && add_room(c, m, i);
    return ok;
}

/* ---- those of another run ---- */

bool fv_give_inputs(fv_context *c, const fv_subject *base, fv_subject *m) {
    for (int i = 0; i < m->table->ninputs; i++) {
        int k = 0;
        while (k < base->table->ninputs &&
               strcmp(base->table->inputs[k].name, m->table->inputs[i].name))
            k++;
        if (k == base->table->ninputs)
            return fv_error(c->session, "has an input '%s', the other model has none",
                            m->table->inputs[i].name);
        if (base->table->inputs[k].type != m->table->inputs[i].type ||
            base->table->inputs[k].rank != m->table->inputs[i].rank)
            return fv_error(c->session, "input '%s' has another type or rank in the other model",
                            m->table->inputs[i].name);
        m->data.inputs[i] = base->data.inputs[k];
        m->data.given[i] = 1;
    }
    return fv_choose_dims(c, m, true);
}
