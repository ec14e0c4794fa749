/* import_attr.c - imports the attributes of nodes, and Constant nodes, whose value is an
 * attribute. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "frontend/import.h"

bool fv_import_node_error(fv_importer *im, const fv_import_scope *sc, const Onnx__NodeProto *node,
                          const char *format, ...) {
    va_list args;
    va_start(args, format);
    fv_message about = {.severity = FV_ERROR,
                        .node = fv_import_label(im->tmp, sc->prefix, node),
                        .op = fv_import_qualified(im->tmp, node)};
    fv_say(im->s, &about, format, args);
    va_end(args);
    return false;
}

/* ---- the kind of an attribute ---- */

typedef Onnx__AttributeProto__AttributeType wire_kind;

/* The type that the attribute states; if it states none (IR version 1), that of the field
 * present. */
static wire_kind kind_of(const Onnx__AttributeProto *a) {
    if (a->has_type && a->type != ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__UNDEFINED)
        return a->type;
    return a->has_f              ? ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__FLOAT
           : a->has_i            ? ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INT
           : a->has_s            ? ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__STRING
           : a->t                ? ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__TENSOR
           : a->g                ? ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__GRAPH
           : a->sparse_tensor    ? ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__SPARSE_TENSOR
           : a->tp               ? ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__TYPE_PROTO
           : a->n_floats         ? ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__FLOATS
           : a->n_ints           ? ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INTS
           : a->n_strings        ? ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__STRINGS
           : a->n_tensors        ? ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__TENSORS
           : a->n_graphs         ? ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__GRAPHS
           : a->n_sparse_tensors ? ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__SPARSE_TENSORS
           : a->n_type_protos    ? ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__TYPE_PROTOS
                                 : ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__UNDEFINED;
}

/* The name of the kind in messages, and its kind in graph IR (-1: graph IR has no such
 * attribute). */
static const struct {
    const char *name;
    int kind;
} kinds[] = {
    [ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__UNDEFINED] = {"without value", -1},
    [ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__FLOAT] = {"a float", FV_ATTR_FLOAT},
    [ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INT] = {"an int", FV_ATTR_INT},
    [ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__STRING] = {"a string", FV_ATTR_STRING},
    [ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__TENSOR] = {"a tensor", FV_ATTR_TENSOR},
    [ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__GRAPH] = {"a graph", FV_ATTR_REGION},
    [ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__FLOATS] = {"a list of floats", FV_ATTR_FLOATS},
    [ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INTS] = {"a list of ints", FV_ATTR_INTS},
    [ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__STRINGS] = {"a list of strings", FV_ATTR_STRINGS},
    [ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__TENSORS] = {"a list of tensors", -1},
    [ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__GRAPHS] = {"a list of graphs", -1},
    [ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__SPARSE_TENSOR] = {"a sparse tensor", FV_ATTR_TENSOR},
    [ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__SPARSE_TENSORS] = {"a list of sparse tensors", -1},
    [ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__TYPE_PROTO] = {"a type", FV_ATTR_TYPE},
    [ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__TYPE_PROTOS] = {"a list of types", -1},
};

static bool kind_is_known(wire_kind k) {
    return (int)k >= 0 && (size_t)k < sizeof kinds / sizeof *kinds;
}

static const char *kind_name(fv_attr_kind kind) {
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (kinds[i].kind == (int)kind)
            return kinds[i].name;
    return "something else";
}

bool fv_import_is_graph(const Onnx__AttributeProto *attr) {
    return kind_of(attr) == ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__GRAPH;
}

/* ---- references of a function's nodes to the attributes of its call ---- */

fv_bound_attr fv_import_bound(fv_importer *im, const fv_import_scope *sc,
                              const Onnx__NodeProto *node, const Onnx__AttributeProto *attr,
                              bool *ok) {
    const char *ref = fv_text_of(attr->ref_attr_name);
    if (!*ref)
        return (fv_bound_attr){attr, sc};
    if (!sc->call) {
        *ok = fv_import_node_error(im, sc, node,
                                   "attribute '%s' refers to '%s' of a function, but is in none",
                                   fv_text_of(attr->name), ref);
        return (fv_bound_attr){0};
    }
    const fv_bound_attr *bound = fv_ptrmap_get(&sc->call->attrs, fv_intern(im->s, ref));
    if (bound && bound->attr && attr->has_type && kind_of(bound->attr) != attr->type) {
        *ok = fv_import_node_error(im, sc, node,
                                   "attribute '%s' refers to '%s', which has another "
                                   "type",
                                   fv_text_of(attr->name), ref);
        return (fv_bound_attr){0};
    }
    return bound ? *bound : (fv_bound_attr){0};
}

/* ---- values ---- */

static fv_string copy_bytes(fv_importer *im, ProtobufCBinaryData b) {
    return (fv_string){fv_strndup(im->m->arena, b.len ? (const char *)b.data : "", b.len), b.len};
}

static bool read_list(fv_importer *im, const Onnx__AttributeProto *a, fv_attr *out) {
    fv_arena *arena = im->m->arena;
    size_t n = out->kind == FV_ATTR_INTS     ? a->n_ints
               : out->kind == FV_ATTR_FLOATS ? a->n_floats
                                             : a->n_strings;
    if (n > INT32_MAX)
        return false;
    out->n = (int)n;
    int64_t *ints = out->kind == FV_ATTR_INTS ? FV_NEW(arena, int64_t, n) : NULL;
    float *floats = out->kind == FV_ATTR_FLOATS ? FV_NEW(arena, float, n) : NULL;
    fv_string *strings = out->kind == FV_ATTR_STRINGS ? FV_NEW(arena, fv_string, n) : NULL;
    for (size_t i = 0; i < n; i++) {
        if (ints)
            ints[i] = a->ints[i];
        else if (floats)
            floats[i] = a->floats[i];
        else
            strings[i] = copy_bytes(im, a->strings[i]);
    }
    if (ints)
        out->u.ints = ints;
    else if (floats)
        out->u.floats = floats;
    else
        out->u.strings = strings;
    return true;
}

/* The element type with that ONNX number, as a tensor type of rank 0; NULL if there is none. */
static const fv_type *elem_type(fv_importer *im, int64_t number) {
    bool known = number > FV_NO_ELEM && number < FV_ELEM_END;
    return known ? fv_tensor_type(im->m->arena, (fv_elem)number, 0, NULL) : NULL;
}

static bool read_value(fv_importer *im, const Onnx__AttributeProto *a, const char *what,
                       fv_attr *out) {
    switch (out->kind) {
    case FV_ATTR_INT: out->u.i = a->i; return true;
    case FV_ATTR_FLOAT: out->u.f = a->f; return true;
    case FV_ATTR_STRING: out->u.s = copy_bytes(im, a->s); return true;
    case FV_ATTR_INTS:
    case FV_ATTR_FLOATS:
    case FV_ATTR_STRINGS: return read_list(im, a, out);
    case FV_ATTR_TENSOR:
        out->u.tensor = a->t               ? fv_tensor_decode(&im->tensors, a->t)
                        : a->sparse_tensor ? fv_tensor_decode_sparse(&im->tensors, a->sparse_tensor)
                                           : NULL;
        if (!a->t && !a->sparse_tensor)
            fv_error(im->s, "%s is empty", what);
        return out->u.tensor != NULL;
    case FV_ATTR_TYPE:
        out->u.type = a->tp ? fv_import_held_type(im, a->tp, what) : elem_type(im, a->i);
        if (!out->u.type && !a->tp)
            fv_error(im->s, "%s: element type %lld is not known", what, (long long)a->i);
        return out->u.type != NULL;
    case FV_ATTR_DIMS:
    case FV_ATTR_REGION: break;
    }
    return false;
}

/* ---- attributes of a node ---- */

/* Whether an attribute of that kind in the catalogue can have a value of kind k in the model. */
static bool accepts(fv_attr_kind wanted, wire_kind k) {
    bool as_elem = wanted == FV_ATTR_TYPE && k == ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INT;
    return as_elem || (kind_is_known(k) && kinds[k].kind == (int)wanted);
}

static bool is_twice(const Onnx__NodeProto *node, size_t i) {
    for (size_t k = 0; k < i; k++)
        if (!strcmp(fv_text_of(node->attribute[k]->name), fv_text_of(node->attribute[i]->name)))
            return true;
    return false;
}

/* Handles an attribute that is not in the catalogue. For the standard, whose attributes are known
 * for all versions, it cannot have a meaning and is ignored. Other domains add attributes to
 * existing versions, so it may have one: an error. */
static bool unknown_attr(fv_importer *im, const fv_import_scope *sc, const Onnx__NodeProto *node,
                         const fv_operator *what, const char *name, const Onnx__AttributeProto *a) {
    const char *names[FV_MAX_ATTRS + 1] = {0};
    for (int i = 0; i < FV_MAX_ATTRS && what->def->attrs[i].name; i++)
        names[i] = what->def->attrs[i].name;
    const char *near = fv_nearest(name, names);
    const char *hint = near ? fv_printf(im->tmp, " (did it mean '%s'?)", near) : "";
    if (*what->def->domain)
        return fv_import_node_error(im, sc, node, "attribute '%s' is not known%s", name, hint);
    fv_message about = {.node = fv_import_label(im->tmp, sc->prefix, node),
                        .op = fv_import_qualified(im->tmp, node)};
    return fv_import_departs(im, FV_LENIENT_ATTRIBUTE, a, &about, "it is ignored",
                             "attribute '%s' is not known%s", name, hint);
}

static bool check_attr(fv_importer *im, const fv_import_scope *sc, const Onnx__NodeProto *node,
                       const fv_operator *what, const char *name, const Onnx__AttributeProto *a) {
    const fv_attr_def *d = fv_opdef_attr_of(what->def, name, what->version);
    wire_kind k = kind_of(a);
    if (d->until && what->version > d->until) {
        int gone = 0;
        while (what->def->since[gone] <= d->until)
            gone++;
        return fv_import_node_error(im, sc, node,
                                    "attribute '%s' is gone since version %d of the "
                                    "operator, the model has %d",
                                    name, what->def->since[gone], what->version);
    }
    if (!kind_is_known(k) || !accepts(d->kind, k))
        return fv_import_node_error(im, sc, node, "attribute '%s' is %s, expected %s", name,
                                    kind_is_known(k) ? kinds[k].name : "of an unknown kind",
                                    kind_name(d->kind));
    return true;
}

bool fv_import_attrs(fv_importer *im, const fv_import_scope *sc, const Onnx__NodeProto *node,
                     const fv_operator *what, fv_attr **out, int *n) {
    bool ok = true;
    *out = FV_NEW(im->tmp, fv_attr, node->n_attribute + 1);
    *n = 0;
    for (size_t i = 0; i < node->n_attribute; i++) {
        const char *name = fv_text_of(node->attribute[i]->name);
        fv_bound_attr b = fv_import_bound(im, sc, node, node->attribute[i], &ok);
        if (!b.attr)
            continue;
        if (is_twice(node, i)) {
            ok = fv_import_node_error(im, sc, node, "attribute '%s' is there twice", name);
            continue;
        }
        if (!fv_opdef_attr(what->def, name)) {
            ok &= unknown_attr(im, sc, node, what, name, node->attribute[i]);
            continue;
        }
        if (!check_attr(im, sc, node, what, name, b.attr)) {
            ok = false;
            continue;
        }
        if (fv_import_is_graph(b.attr))
            continue;
        fv_attr attr = {.name = fv_intern(im->s, name),
                        .kind = fv_opdef_attr_of(what->def, name, what->version)->kind};
        const char *about = fv_printf(im->tmp, "attribute '%s' of node '%s'", name,
                                      fv_import_label(im->tmp, sc->prefix, node));
        if (read_value(im, b.attr, about, &attr))
            (*out)[(*n)++] = attr;
        else
            ok = false;
    }
    return ok;
}

/* ---- Constant nodes ---- */

static fv_tensor *strings_tensor(fv_importer *im, int rank, size_t n,
                                 const ProtobufCBinaryData *s) {
    fv_tensor *t = fv_tensor_new(im->m->arena, FV_STRING, rank, (int64_t[]){(int64_t)n});
    fv_string *to = (fv_string *)(uintptr_t)t->data;
    for (size_t i = 0; i < n; i++)
        to[i] = copy_bytes(im, s[i]);
    return t;
}

static fv_tensor *ints_tensor(fv_importer *im, int rank, size_t n, const int64_t *v) {
    fv_tensor *t = fv_tensor_new(im->m->arena, FV_I64, rank, (int64_t[]){(int64_t)n});
    for (size_t i = 0; i < n; i++)
        fv_tensor_set_int(t, i, v[i]);
    return t;
}

static fv_tensor *floats_tensor(fv_importer *im, int rank, size_t n, const float *v) {
    fv_tensor *t = fv_tensor_new(im->m->arena, FV_F32, rank, (int64_t[]){(int64_t)n});
    memcpy((void *)(uintptr_t)t->data, n ? (const void *)v : "", n * sizeof *v);
    return t;
}

/* The value of a Constant node, whose kind the attribute's name states; NULL after a diagnostic. */
static const fv_tensor *constant_value(fv_importer *im, const char *name,
                                       const Onnx__AttributeProto *a, bool *known) {
    *known = true;
    if (!strcmp(name, "value") && a->t)
        return fv_tensor_decode(&im->tensors, a->t);
    if (!strcmp(name, "sparse_value") && a->sparse_tensor)
        return fv_tensor_decode_sparse(&im->tensors, a->sparse_tensor);
    if (!strcmp(name, "value_int") && a->has_i)
        return ints_tensor(im, 0, 1, &a->i);
    if (!strcmp(name, "value_ints"))
        return ints_tensor(im, 1, a->n_ints, a->ints);
    if (!strcmp(name, "value_float") && a->has_f)
        return floats_tensor(im, 0, 1, &a->f);
    if (!strcmp(name, "value_floats"))
        return floats_tensor(im, 1, a->n_floats, a->floats);
    if (!strcmp(name, "value_string") && a->has_s)
        return strings_tensor(im, 0, 1, &a->s);
    if (!strcmp(name, "value_strings"))
        return strings_tensor(im, 1, a->n_strings, a->strings);
    *known = false;
    return NULL;
}

fv_value *fv_import_constant(fv_importer *im, const fv_import_scope *sc,
                             const Onnx__NodeProto *node, const char *stem) {
    fv_value *v = NULL;
    bool ok = true, known = true;
    int values = 0;
    for (size_t i = 0; i < node->n_attribute; i++) {
        fv_bound_attr b = fv_import_bound(im, sc, node, node->attribute[i], &ok);
        if (!b.attr)
            continue;
        const char *name = fv_text_of(node->attribute[i]->name);
        values++;
        v = fv_ptrmap_get(&im->found.constants, b.attr);
        if (!v) {
            const fv_tensor *t = constant_value(im, name, b.attr, &known);
            v = fv_import_shared(im, b.attr, stem, t);
        }
        if (!known)
            return fv_import_node_error(im, sc, node,
                                        "attribute '%s' is %s, and no value of a constant", name,
                                        kind_is_known(kind_of(b.attr)) ? kinds[kind_of(b.attr)].name
                                                                       : "of an unknown kind"),
                   NULL;
    }
    if (ok && values != 1)
        return fv_import_node_error(im, sc, node, "has %d values, expected one", values), NULL;
    return ok ? v : NULL;
}
