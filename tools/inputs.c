/* inputs.c - the inputs of a run: from files, or random. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "frontend/data.h"
#include "frontend/file.h"
#include "ir/ops/sequence.h"
#include "tools/compare.h"
#include "tools/model.h"

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

/* The name (field 8) in the bytes of a TensorProto; "" where it has none. */
static const char *name_inside(fv_arena *a, const fv_file *f) {
    enum { NAME = 8, VARINT = 0, FIXED64 = 1, BYTES = 2, FIXED32 = 5 };
    const uint8_t *p = f->data, *end = p + f->size;
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
        if (tag >> 3 == NAME && (tag & 7) == BYTES)
            return fv_strndup(a, (const char *)p, n);
        p += n;
    }
    return "";
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

/* Ports that stand for one value of the model: a tensor, or the parts of a sequence or optional (ir/ops/sequence.h). */
typedef struct values {
    int n;
    int *first, *nparts;
    const char **name;
} values;

static bool is_part(fv_arena *a, const fv_port_info *p, const char *stem, int part, fv_elem e, int rank) {
    return !strcmp(p->name, fv_part_name(a, stem, part)) && p->type == (int32_t)e && p->rank == rank;
}

/* How many ports from `ports` on are one value; `name`: what it is called. */
static int parts_at(fv_arena *a, const fv_port_info *ports, int n, const char **name) {
    const char *suffix = fv_part_name(a, "", FV_PART_DATA);
    size_t all = strlen(ports->name), tail = strlen(suffix);
    *name = ports->name;
    if (all < tail || strcmp(ports->name + all - tail, suffix) != 0 || ports->rank != 1)
        return 1;
    const char *stem = fv_strndup(a, ports->name, all - tail);
    if (n <= FV_PART_SHAPES || !is_part(a, &ports[FV_PART_SHAPES], stem, FV_PART_SHAPES, FV_I64, 2))
        return 1;
    *name = stem;
    return FV_PART_THERE + (n > FV_PART_THERE && is_part(a, &ports[FV_PART_THERE], stem, FV_PART_THERE, FV_BOOL, 0));
}

/* `whole`: parts are one value; else each port is. */
static values values_of(fv_arena *a, int n, const fv_port_info *ports, bool whole) {
    values v = {0, FV_NEW(a, int, n + 1), FV_NEW(a, int, n + 1), FV_NEW(a, const char *, n + 1)};
    for (int i = 0; i < n; i += v.nparts[v.n++]) {
        v.first[v.n] = i;
        v.nparts[v.n] = parts_at(a, ports + i, n - i, &v.name[v.n]);
        if (!whole) {
            v.nparts[v.n] = 1;
            v.name[v.n] = ports[i].name;
        }
    }
    return v;
}

static bool read_value(fv_context *c, const char *path, fv_elem e, int nparts, const fv_tensor **out) {
    if (nparts > 1)
        return fv_parts_read_pb(c->session, c->arena, path, e, nparts, out);
    *out = fv_tensor_read(c->session, c->arena, path, e);
    return *out != NULL;
}

bool fv_read_set(fv_context *c, const char *folder, const char *what, int n,
                 const fv_port_info *ports, const fv_tensor **out, const char **why) {
    set_file *files = NULL;
    int nfiles = list_set(c, folder, what, &files);
    values v = values_of(c->arena, n, ports, nfiles < n); /* a file a part will do as well */
    bool named = true;
    for (int i = 0; i < v.n; i++)
        named &= by_name(files, nfiles, v.name[i]) != NULL;
    if (nfiles < v.n) {
        *why = nfiles ? fv_printf(c->arena, "%s has %d %s_N.pb, the model has %d", folder, nfiles, what, v.n)
                      : fv_printf(c->arena, "%s holds no %s_0.pb, as a data set does", folder, what);
        return false;
    }
    *why = NULL; /* of what is wrong inside a message tells */
    for (int i = 0; i < v.n; i++) {
        const set_file *f = named ? by_name(files, nfiles, v.name[i]) : &files[i];
        if (!read_value(c, f->path, (fv_elem)ports[v.first[i]].type, v.nparts[i], out + v.first[i]))
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
        if (!fv_tensor_array(c->arena, tensors[i], &m->inputs[i]))
            return fv_error(c->session, "%s: input '%s' cannot be %s", folder, m->table->inputs[i].name,
                            fv_elem_name(tensors[i]->elem));
        m->given[i] = 1;
    }
    return true;
}

/* ---- --input NAME=FILE ---- */

/* Which of these values, and the file behind the equals sign; -1: none. */
static int find_value(fv_context *c, const values *v, const char *arg, const char **path) {
    const char *rest = arg, *quoted = fv_option_quoted(c->arena, arg, &rest);
    for (int i = 0; i < v->n; i++) {
        const char *after = quoted ? rest : arg + strlen(v->name[i]);
        bool same = quoted ? !strcmp(quoted, v->name[i]) : !strncmp(arg, v->name[i], strlen(v->name[i]));
        if (!same || *after != '=')
            continue;
        *path = after + 1;
        return i;
    }
    return -1;
}

static bool no_such_input(fv_context *c, const values *v, const char *arg) {
    const char *rest = arg, *quoted = fv_option_quoted(c->arena, arg, &rest);
    const char *word = quoted ? quoted : fv_strndup(c->arena, arg, strcspn(arg, "="));
    const char *near = fv_nearest(word, v->name);
    if (near)
        return fv_error(c->session, "there is no input '%s'; did you mean '%s'?", word, near);
    return fv_error(c->session, "there is no input '%s'; `fovea inspect %s` lists them", word, fv_diag_file_get(c->session));
}

static bool read_input(fv_context *c, fv_subject *m, const char *arg) {
    values whole = values_of(c->arena, m->table->ninputs, m->table->inputs, true), v = whole;
    const fv_tensor *t[FV_MAX_PARTS];
    const char *path;
    int i = find_value(c, &v, arg, &path);
    if (i < 0) { /* or a part of one */
        v = values_of(c->arena, m->table->ninputs, m->table->inputs, false);
        i = find_value(c, &v, arg, &path);
    }
    if (i < 0)
        return no_such_input(c, &whole, arg);
    if (!read_value(c, path, (fv_elem)m->table->inputs[v.first[i]].type, v.nparts[i], t))
        return false;
    for (int k = 0; k < v.nparts[i]; k++) {
        const fv_port_info *p = &m->table->inputs[v.first[i] + k];
        if (!fv_tensor_array(c->arena, t[k], &m->inputs[v.first[i] + k]))
            return fv_error(c->session, "input '%s' is %s in %s, expected %s", p->name, fv_elem_name(t[k]->elem), path,
                            fv_elem_name((fv_elem)p->type));
        m->given[v.first[i] + k] = 1;
    }
    return true;
}

bool fv_read_inputs(fv_context *c, fv_subject *m) {
    bool ok = !c->args->data_set || read_set(c, m, c->args->data_set);
    for (int i = 0; i < c->args->inputs.n && ok; i++)
        ok = read_input(c, m, c->args->inputs.at[i]);
    return ok;
}

/* ---- random inputs ---- */

/* Sebastiano Vigna: splitmix64. */
static uint64_t next(uint64_t *state) {
    uint64_t z = *state += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

static bool symbol_value(void *ctx, const fv_dim *symbol, int64_t *out) {
    const fv_subject *m = ctx;
    for (int i = 0; i < m->table->nsymbols; i++)
        if (!strcmp(m->table->symbols[i].name, symbol->name)) {
            *out = m->dims[i];
            return true;
        }
    return false;
}

static const fv_hint *hint_of(const fv_subject *m, const char *name) {
    for (int i = 0; i < m->nhints; i++)
        if (!strcmp(m->hints[i].name, name))
            return &m->hints[i];
    return NULL;
}

typedef struct range {
    double lo, hi; /* of integers: hi is the first that is not taken */
} range;

/* Whole bytes hold data; other integers may be anything: zeros and ones are safe. */
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
    if (h && h->kind == FV_HINT_INDEX && fv_dim_eval(h->bound, symbol_value, m, &bound) && bound > 0)
        return (range){0, (double)bound};
    return p->rank == 0 ? (range){1, 2} : integers(e);
}

static void fill(fv_tensor *t, range r, uint64_t *state) {
    for (size_t i = 0; i < t->count; i++) {
        double unit = (double)(next(state) >> 11) * 0x1p-53, v = r.lo + (r.hi - r.lo) * unit;
        if (fv_elem_is_float(t->elem))
            fv_tensor_set_float(t, i, v);
        else
            fv_tensor_set_int(t, i, (int64_t)(v >= 0 ? v : v - 1));
    }
}

/* A sequence is no tensor of any numbers: its shapes tell how many elements there are. */
static bool needs_file(fv_context *c, const fv_subject *m, int i) {
    values v = values_of(c->arena, m->table->ninputs, m->table->inputs, true);
    for (int k = 0; k < v.n; k++)
        if (v.nparts[k] > 1 && i >= v.first[k] && i < v.first[k] + v.nparts[k]) {
            fv_error(c->session, "input '%s' is a sequence or an optional, of which no random one is made: give --input %s=F.pb",
                     v.name[k], v.name[k]);
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

/* Element i of an input, where the graph knows it as a symbol; NULL: it does not. */
static const fv_dim *symbol_of(const fv_value *v, size_t i) {
    const fv_dim *d = v && v->elems && i < (size_t)v->nelems ? v->elems[i] : NULL;
    return d && d->kind == FV_DIM_SYMBOL && d->from_data ? d : NULL;
}

/* Elements that are dims become the nearest that the model's relations allow, with those that are chosen already. */
static void fit(const fv_value *v, fv_bounds *b, fv_tensor *t) {
    int64_t n;
    for (size_t i = 0; b && i < t->count; i++)
        if (symbol_of(v, i) && fv_bounds_choose(b, symbol_of(v, i), fv_tensor_int(t, i), &n))
            fv_tensor_set_int(t, i, n);
}

/* What is given stays as it is: the run says what is wrong with it. */
static void take_given(fv_context *c, fv_bounds **b, const fv_value *v, const fv_array *given) {
    const fv_tensor t = fv_array_tensor(c->arena, given);
    for (size_t i = 0; *b && i < t.count; i++) {
        const fv_dim *d = symbol_of(v, i);
        if (d && !fv_bounds_within(*b, d, fv_tensor_int(&t, i), fv_tensor_int(&t, i)))
            *b = NULL;
    }
}

static bool make_input(fv_context *c, fv_subject *m, int i, fv_bounds *b, uint64_t *state) {
    const fv_port_info *p = &m->table->inputs[i];
    if (needs_file(c, m, i))
        return false;
    int64_t dims[FV_ARRAY_RANK];
    if (p->type == FV_STRING || p->rank > FV_ARRAY_RANK)
        return fv_error(c->session, "input '%s': no random one can be made; give --input", p->name);
    for (int k = 0; k < p->rank; k++)
        if (!fv_eval_dim_text(m->table, m->dims, p->dims[k], &dims[k]) || dims[k] < 0)
            return fv_error(c->session, "input '%s': dim %s has no value where %s", p->name, p->dims[k],
                            fv_dims_str(c->arena, m->table, m->dims));
    fv_tensor *t = fv_tensor_new(c->arena, (fv_elem)p->type, p->rank, dims);
    if (!t)
        return fv_error(c->session, "input '%s' is too large%s%s", p->name, m->table->nsymbols ? " where " : "",
                        fv_dims_str(c->arena, m->table, m->dims));
    fill(t, range_of(m, p), state);
    if (fv_elem_is_int(t->elem))
        fit(param_of(m, p->name), b, t);
    return fv_tensor_array(c->arena, t, &m->inputs[i]) ||
           fv_error(c->session, "input '%s' cannot be passed", p->name);
}

/* What the model adds to lies in memory of its capacity. */
static bool add_room(fv_context *c, fv_subject *m, int i) {
    const fv_port_info *p = &m->table->inputs[i];
    int64_t capacity;
    if (!p->in_place)
        return true;
    if (!fv_eval_dim_text(m->table, m->dims, p->capacity, &capacity))
        capacity = 0;
    return fv_array_add_room(c->arena, &m->inputs[i], p->in_place - 1, capacity) ||
           fv_error(c->session, "input '%s' has %" PRId64 " on axis %d, its capacity is %" PRId64, p->name,
                    m->inputs[i].dims[p->in_place - 1], (int)p->in_place - 1, capacity);
}

bool fv_make_inputs(fv_context *c, fv_subject *m) {
    uint64_t state = (uint64_t)c->args->seed;
    bool ok = true, ints = false;
    for (int i = 0; i < m->table->ninputs; i++)
        ints |= !m->given[i] && fv_elem_is_int((fv_elem)m->table->inputs[i].type);
    if (ints)
        fv_subject_graph(c, m); /* it has hints and relations */
    fv_bounds *b = ints ? fv_subject_bounds(c, m) : NULL;
    for (int i = 0; i < m->table->ninputs && b; i++)
        if (m->given[i])
            take_given(c, &b, param_of(m, m->table->inputs[i].name), &m->inputs[i]);
    for (int i = 0; i < m->table->ninputs && ok; i++)
        ok = (m->given[i] || make_input(c, m, i, b, &state)) && add_room(c, m, i);
    return ok;
}

/* ---- those of another run ---- */

bool fv_give_inputs(fv_context *c, const fv_subject *base, fv_subject *m) {
    for (int i = 0; i < m->table->ninputs; i++) {
        int k = 0;
        while (k < base->table->ninputs && strcmp(base->table->inputs[k].name, m->table->inputs[i].name))
            k++;
        if (k == base->table->ninputs)
            return fv_error(c->session, "has an input '%s', the other model has none", m->table->inputs[i].name);
        if (base->table->inputs[k].type != m->table->inputs[i].type || base->table->inputs[k].rank != m->table->inputs[i].rank)
            return fv_error(c->session, "input '%s' has another type or rank in the other model", m->table->inputs[i].name);
        m->inputs[i] = base->inputs[k];
        m->given[i] = 1;
    }
    return fv_choose_dims(c, m, true);
}
