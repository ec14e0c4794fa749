/* values.c - see values.h. */
#include "tools/values.h"

#include <string.h>

#include "frontend/data.h"
#include "ir/ops/sequence.h"
#include "ir/ops/text.h"
#include "tools/compare.h"

/* ---- which ports are one value ---- */

typedef struct ports {
    fv_arena *arena;
    const fv_port_info *at; /* from the first of a value on */
    int n;
} ports;

/* The name of a value whose first part has a name that ends so; NULL: this is none. */
static const char *stem_of(const ports *p, const char *suffix, fv_elem e) {
    size_t all = strlen(p->at->name), tail = strlen(suffix);
    bool fits = all >= tail && !strcmp(p->at->name + all - tail, suffix) && p->at->rank == 1 && (!e || p->at->type == (int32_t)e);
    return fits ? fv_strndup(p->arena, p->at->name, all - tail) : NULL;
}

static bool is_called(const ports *p, int i, const char *name, fv_elem e) {
    return i < p->n && !strcmp(p->at[i].name, name) && p->at[i].type == (int32_t)e;
}

/* Behind the elements of a sequence or optional, which are `n` ports: how many more belong to it. */
static int held_parts(const ports *p, int n, const char *stem) {
    if (!is_called(p, n, fv_part_name(p->arena, stem, FV_PART_SHAPES), FV_I64) || p->at[n].rank != 2)
        return 0;
    return is_called(p, n + 1, fv_part_name(p->arena, stem, FV_PART_THERE), FV_BOOL) && !p->at[n + 1].rank ? 2 : 1;
}

static fv_port_value value_at(const ports *p, fv_values_as as) {
    const char *strings = stem_of(p, fv_text_part_name(p->arena, "", FV_PART_TEXT), FV_U8);
    const char *stem = strings ? strings : stem_of(p, fv_part_name(p->arena, "", FV_PART_DATA), FV_NO_ELEM);
    fv_port_value v = {.name = p->at->name, .nparts = 1, .elem = (fv_elem)p->at->type};
    if (!stem || as == FV_AS_PORTS)
        return v;
    if (strings && is_called(p, FV_PART_ENDS, fv_text_part_name(p->arena, stem, FV_PART_ENDS), FV_I64))
        v = (fv_port_value){.name = stem, .nparts = FV_TEXT_PARTS, .elem = FV_STRING};
    int more = as == FV_AS_WHOLE && (v.elem == FV_STRING || !strings) ? held_parts(p, v.nparts, stem) : 0;
    if (more)
        v = (fv_port_value){.name = stem, .nparts = v.nparts + more, .elem = v.elem, .held = true};
    return v;
}

int fv_port_values(fv_arena *a, int n, const fv_port_info *at, fv_values_as as, fv_port_value **out) {
    int nvalues = 0;
    *out = FV_NEW(a, fv_port_value, n + 1);
    for (int i = 0; i < n; i += (*out)[nvalues++].nparts) {
        (*out)[nvalues] = value_at(&(ports){a, at + i, n - i}, as);
        (*out)[nvalues].first = i;
    }
    return nvalues;
}

bool fv_value_is_strings(const fv_port_value *v) { return v->elem == FV_STRING && !v->held; }

/* ---- what they hold ---- */

static bool read_strings(fv_context *c, const char *path, const fv_tensor **parts) {
    const fv_tensor *t = fv_tensor_read(c->session, c->arena, path, FV_STRING);
    if (!t)
        return false;
    if (t->elem != FV_STRING)
        return fv_error(c->session, "%s holds a tensor of %s, expected strings", path, fv_elem_name(t->elem));
    return fv_text_from_strings(c->arena, t, parts) || fv_error(c->session, "%s is too large", path);
}

bool fv_value_read(fv_context *c, const fv_port_value *v, const char *path, const fv_tensor **parts) {
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
    const fv_tensor ends = fv_array_tensor(a, &arrays[v->first + FV_PART_ENDS]), *t = fv_strings_from_text(a, &first, &ends);
    return t ? *t : first; /* bytes, where a library of another maker gives ends of no text */
}

bool fv_value_compare(fv_context *c, const fv_port_value *v, const fv_array *arrays, const fv_tensor *const *want, const char **why) {
    double atol = c->args->atol, rtol = c->args->rtol;
    if (fv_value_is_strings(v)) {
        fv_tensor got = fv_value_tensor(c->arena, v, arrays);
        const fv_tensor *strings = fv_strings_from_text(c->arena, want[v->first + FV_PART_TEXT], want[v->first + FV_PART_ENDS]);
        if (got.elem == FV_STRING && strings)
            return fv_compare_strings(c->arena, &got, strings, why);
    }
    for (int i = v->first; i < v->first + v->nparts; i++)
        if (!fv_compare(c->arena, &arrays[i], want[i], atol, rtol, why))
            return false;
    return true;
}
