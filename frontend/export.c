/* export.c - converts graph IR to the messages of an ONNX model, and writes their bytes. */
#include "frontend/export.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "frontend/onnx.pb-c.h"
#include "ir/base/ptrmap.h"
#include "ir/base/quoted.h"
#include "ir/base/text.h"

struct fv_export {
    Onnx__ModelProto model;
    fv_session *session;
    fv_arena *arena;
    /* the large constants, in the order in which they are stored in the side file */
    struct fv_side_entry {
        const fv_tensor *tensor;
        uint64_t offset;
    } *stored;
    int nstored, cap_stored;
    uint64_t side_bytes;
};

typedef struct exporter {
    fv_session *s;
    fv_arena *a;
    const fv_module *m;
    const fv_export_options *o;
    fv_export *out;
    int opset;
    bool use_side;       /* whether large constants are stored in the side file */
    fv_ptrmap shardings; /* interned name of a value of the module -> its fv_sharding */
    fv_ptrmap names;     /* value -> its name in the model */
    fv_ptrmap taken;     /* names of values that are in use, interned */
    fv_ptrmap nodes;     /* names of nodes that are in use, interned */
    fv_ptrmap inits;     /* constants that already have an initializer */
    fv_ptrmap labels;    /* op -> the name of its node */
    struct {
        Onnx__TensorProto **all;
        int n, cap;
    } initializers; /* of the main graph */
    bool failed;
} exporter;

#define MESSAGE(x, type, init)                                                                     \
    (type *)memcpy(fv_alloc((x)->a, sizeof(type), sizeof(void *)), &(type)init, sizeof(type))

/* A growing list of pointers to messages. */
typedef struct list {
    void **at;
    int n, cap;
} list;

static void add(exporter *x, list *l, void *message) {
    FV_PUSH(x->a, l->at, l->n, l->cap, message);
}

/* ---- names ---- */

/* Whether s is valid UTF-8, as the strings of a model must be. */
static bool is_utf8(const char *s) {
    size_t left = strlen(s);
    for (size_t n; left; s += n, left -= n) {
        bool shows;
        n = fv_char_bytes(s, left, &shows);
        if (n == 1 && (unsigned char)*s >= 0x80)
            return false;
    }
    return true;
}

static char *text(exporter *x, const char *s) {
    if (!is_utf8(s)) {
        fv_text t = {.arena = x->a};
        fv_text_name(&t, s);
        fv_error(x->s, "the name %s is not UTF-8, which ONNX requires", t.s);
        x->failed = true;
    }
    return fv_strdup(x->a, s);
}

/* The first of `stem`, stem_1, stem_2, ... that is not in `taken`; it is added to `taken`. */
static const char *fresh(exporter *x, fv_ptrmap *taken, const char *stem) {
    const char *name = fv_intern(x->s, stem);
    for (int k = 1; fv_ptrmap_get(taken, name); k++)
        name = fv_intern(x->s, fv_printf(x->a, "%s_%d", stem, k));
    *fv_ptrmap_at(taken, name) = x;
    return name;
}

static const char *name_of(exporter *x, const fv_value *v) {
    const char *has = fv_ptrmap_get(&x->names, v);
    if (has)
        return has;
    const char *name = fresh(x, &x->taken, v->name);
    *fv_ptrmap_at(&x->names, v) = (void *)name;
    return name;
}

/* Inputs keep their names, and a result of the graph gets the name of the output. */
static void reserve_names(exporter *x, const fv_func *f) {
    const fv_op *ret = f->body->last;
    for (int i = 0; i < f->body->nparams; i++) {
        const fv_value *v = f->body->params[i];
        *fv_ptrmap_at(&x->names, v) = (void *)fresh(x, &x->taken, v->name);
    }
    for (int i = 0; i < ret->nin; i++) {
        const char *name = fv_intern(x->s, f->result_names[i]);
        const fv_value *v = ret->in[i];
        if (v->kind == FV_VALUE_PARAM && fv_ptrmap_get(&x->names, v) == name)
            continue;
        if (fv_ptrmap_get(&x->taken, name)) {
            fv_error(x->s, "output '%s' is called as an input is, which ONNX does not allow", name);
            x->failed = true;
        }
        *fv_ptrmap_at(&x->taken, name) = x;
        void **at = fv_ptrmap_at(&x->names, v);
        if (v->kind == FV_VALUE_RESULT && v->def->block == f->body && !*at)
            *at = (void *)name;
    }
}

/* Several ops may come from one node: only the last of them gets the name of the node. */
static void name_nodes(exporter *x, const fv_region *r) {
    for (const fv_op *op = r->last; op; op = op->prev) {
        for (int i = 0; i < op->nattrs; i++)
            if (op->attrs[i].kind == FV_ATTR_REGION)
                name_nodes(x, op->attrs[i].u.region);
        if (op->origin->n && *op->origin->nodes[0])
            *fv_ptrmap_at(&x->labels, op) = (void *)fresh(x, &x->nodes, op->origin->nodes[0]);
    }
}

/* ---- types ---- */

static Onnx__TypeProto *type_of(exporter *x, const fv_type *t, bool symbols);

/* Symbols that depend on data, and expressions, are left out: an importer could not use their
 * names. */
static Onnx__TensorShapeProto *shape_of(exporter *x, const fv_type *t, bool symbols) {
    Onnx__TensorShapeProto *shape =
        MESSAGE(x, Onnx__TensorShapeProto, ONNX__TENSOR_SHAPE_PROTO__INIT);
    shape->n_dim = (size_t)t->rank;
    shape->dim = FV_NEW(x->a, Onnx__TensorShapeProto__Dimension *, t->rank + 1);
    for (int i = 0; i < t->rank; i++) {
        const fv_dim *d = t->dims[i];
        Onnx__TensorShapeProto__Dimension *dim = MESSAGE(x, Onnx__TensorShapeProto__Dimension,
                                                         ONNX__TENSOR_SHAPE_PROTO__DIMENSION__INIT);
        shape->dim[i] = dim;
        if (!d)
            continue;
        if (fv_dim_is_const(d)) {
            dim->value_case = ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_VALUE;
            dim->dim_value = d->value;
        } else if (symbols && d->kind == FV_DIM_SYMBOL && !d->from_data) {
            dim->value_case = ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_PARAM;
            dim->dim_param = text(x, d->name);
        }
    }
    return shape;
}

static void wrapped(exporter *x, const fv_type *t, bool symbols, Onnx__TypeProto *p) {
    Onnx__TypeProto *of = type_of(x, t->of, symbols);
    if (t->kind == FV_SEQUENCE) {
        p->value_case = ONNX__TYPE_PROTO__VALUE_SEQUENCE_TYPE;
        p->sequence_type = MESSAGE(x, Onnx__TypeProto__Sequence, ONNX__TYPE_PROTO__SEQUENCE__INIT);
        p->sequence_type->elem_type = of;
    } else if (t->kind == FV_OPTIONAL) {
        p->value_case = ONNX__TYPE_PROTO__VALUE_OPTIONAL_TYPE;
        p->optional_type = MESSAGE(x, Onnx__TypeProto__Optional, ONNX__TYPE_PROTO__OPTIONAL__INIT);
        p->optional_type->elem_type = of;
    } else {
        p->value_case = ONNX__TYPE_PROTO__VALUE_MAP_TYPE;
        p->map_type = MESSAGE(x, Onnx__TypeProto__Map, ONNX__TYPE_PROTO__MAP__INIT);
        p->map_type->has_key_type = 1;
        p->map_type->key_type = (int32_t)t->elem;
        p->map_type->value_type = of;
    }
}

static Onnx__TypeProto *type_of(exporter *x, const fv_type *t, bool symbols) {
    Onnx__TypeProto *p = MESSAGE(x, Onnx__TypeProto, ONNX__TYPE_PROTO__INIT);
    if (t->kind != FV_TENSOR) {
        wrapped(x, t, symbols, p);
        return p;
    }
    p->value_case = ONNX__TYPE_PROTO__VALUE_TENSOR_TYPE;
    p->tensor_type = MESSAGE(x, Onnx__TypeProto__Tensor, ONNX__TYPE_PROTO__TENSOR__INIT);
    p->tensor_type->has_elem_type = 1;
    p->tensor_type->elem_type = (int32_t)t->elem;
    p->tensor_type->shape = t->rank < 0 ? NULL : shape_of(x, t, symbols);
    return p;
}

static Onnx__ValueInfoProto *value_info(exporter *x, const char *name, const fv_type *t) {
    Onnx__ValueInfoProto *v = MESSAGE(x, Onnx__ValueInfoProto, ONNX__VALUE_INFO_PROTO__INIT);
    v->name = text(x, name);
    v->type = type_of(x, t, true);
    return v;
}

/* ---- tensors ---- */

static Onnx__StringStringEntryProto *entry(exporter *x, const char *key, const char *value) {
    Onnx__StringStringEntryProto *e =
        MESSAGE(x, Onnx__StringStringEntryProto, ONNX__STRING_STRING_ENTRY_PROTO__INIT);
    e->key = fv_strdup(x->a, key);
    e->value = text(x, value);
    return e;
}

/* Each tensor begins at a multiple of 64 bytes and large ones at a page, since readers map the
 * file. */
static void put_in_side(exporter *x, const fv_tensor *t, Onnx__TensorProto *p) {
    fv_export *e = x->out;
    uint64_t unit = t->bytes >= 65536 ? 4096 : 64, at = (e->side_bytes + unit - 1) / unit * unit;
    list l = {0};
    add(x, &l, entry(x, "location", x->o->side));
    add(x, &l, entry(x, "offset", fv_printf(x->a, "%" PRIu64, at)));
    add(x, &l, entry(x, "length", fv_printf(x->a, "%zu", t->bytes)));
    p->n_external_data = (size_t)l.n;
    p->external_data = (Onnx__StringStringEntryProto **)l.at;
    p->has_data_location = 1;
    p->data_location = ONNX__TENSOR_PROTO__DATA_LOCATION__EXTERNAL;
    FV_PUSH(e->arena, e->stored, e->nstored, e->cap_stored, (struct fv_side_entry){t, at});
    e->side_bytes = at + t->bytes;
}

static Onnx__TensorProto *tensor_of(exporter *x, const fv_tensor *t, const char *name) {
    Onnx__TensorProto *p = MESSAGE(x, Onnx__TensorProto, ONNX__TENSOR_PROTO__INIT);
    p->name = name ? text(x, name) : NULL;
    p->n_dims = (size_t)t->rank;
    p->dims = FV_NEW(x->a, int64_t, t->rank + 1);
    if (t->rank)
        memcpy(p->dims, t->dims, (size_t)t->rank * sizeof *p->dims);
    p->has_data_type = 1;
    p->data_type = (int32_t)t->elem;
    if (t->elem == FV_STRING) {
        const fv_string *s = t->data;
        p->n_string_data = t->count;
        p->string_data = FV_NEW(x->a, ProtobufCBinaryData, t->count + 1);
        for (size_t i = 0; i < t->count; i++)
            p->string_data[i] = (ProtobufCBinaryData){s[i].n, (uint8_t *)(uintptr_t)s[i].s};
        return p;
    }
    if (x->use_side && name && t->bytes > FV_EXPORT_SMALL) {
        put_in_side(x, t, p);
        return p;
    }
    p->has_raw_data = 1;
    p->raw_data =
        (ProtobufCBinaryData){t->bytes, (uint8_t *)(uintptr_t)fv_tensor_little_endian(x->a, t)};
    return p;
}

/* Constants become initializers of the main graph, even those that only a branch reads. */
static void list_constant(exporter *x, const fv_value *v) {
    void **at = fv_ptrmap_at(&x->inits, v);
    if (*at)
        return;
    *at = x;
    Onnx__TensorProto *t = tensor_of(x, v->tensor, name_of(x, v));
    FV_PUSH(x->a, x->initializers.all, x->initializers.n, x->initializers.cap, t);
}

/* ---- attributes ---- */

static Onnx__GraphProto *graph_of(exporter *x, const fv_region *r, const char *name);

static ProtobufCBinaryData bytes_of(fv_string s) {
    return (ProtobufCBinaryData){s.n, (uint8_t *)(uintptr_t)s.s};
}

static Onnx__AttributeProto *attribute_of(exporter *x, const fv_op *op, const fv_attr *a) {
    Onnx__AttributeProto *p = MESSAGE(x, Onnx__AttributeProto, ONNX__ATTRIBUTE_PROTO__INIT);
    p->name = fv_strdup(x->a, a->name);
    p->has_type = 1;
    switch (a->kind) {
    case FV_ATTR_INT:
        p->type = ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INT;
        p->has_i = 1;
        p->i = a->u.i;
        break;
    case FV_ATTR_FLOAT:
        p->type = ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__FLOAT;
        p->has_f = 1;
        p->f = a->u.f;
        break;
    case FV_ATTR_STRING:
        p->type = ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__STRING;
        p->has_s = 1;
        p->s = bytes_of(a->u.s);
        break;
    case FV_ATTR_INTS:
        p->type = ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INTS;
        p->n_ints = (size_t)a->n;
        p->ints = (int64_t *)(uintptr_t)a->u.ints;
        break;
    case FV_ATTR_FLOATS:
        p->type = ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__FLOATS;
        p->n_floats = (size_t)a->n;
        p->floats = (float *)(uintptr_t)a->u.floats;
        break;
    case FV_ATTR_STRINGS:
        p->type = ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__STRINGS;
        p->n_strings = (size_t)a->n;
        p->strings = FV_NEW(x->a, ProtobufCBinaryData, a->n + 1);
        for (int i = 0; i < a->n; i++)
            p->strings[i] = bytes_of(a->u.strings[i]);
        break;
    case FV_ATTR_TENSOR:
        p->type = ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__TENSOR;
        p->t = tensor_of(x, a->u.tensor, NULL);
        break;
    case FV_ATTR_TYPE:
        if (!strcmp(a->name, "dtype")) { /* of SequenceEmpty: the number of an element type */
            p->type = ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INT;
            p->has_i = 1;
            p->i = a->u.type->elem;
            break;
        }
        p->type = ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__TYPE_PROTO;
        p->tp = type_of(x, a->u.type, true);
        break;
    case FV_ATTR_REGION:
        p->type = ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__GRAPH;
        p->g = graph_of(x, a->u.region, a->name);
        break;
    case FV_ATTR_DIMS:
        x->failed = true;
        fv_op_error(op, "attribute '%s' is dims, which ONNX has none of", a->name);
        break;
    }
    return p;
}

/* ---- nodes ---- */

/* The names of n values. Values left out at the end have no name, except among the first `least`,
 * where the name is "". */
static char **names_of(exporter *x, fv_value *const *v, int *n, int least) {
    while (*n && !v[*n - 1])
        --*n;
    char **names = FV_NEW(x->a, char *, (*n > least ? *n : least) + 1);
    for (int i = *n; i < least; i++)
        names[i] = fv_strdup(x->a, "");
    for (int i = 0; i < *n; i++) {
        names[i] = v[i] ? text(x, name_of(x, v[i])) : fv_strdup(x->a, "");
        if (v[i] && v[i]->kind == FV_VALUE_CONST)
            list_constant(x, v[i]);
    }
    *n = *n > least ? *n : least;
    return names;
}

static Onnx__AttributeProto *ints_of(exporter *x, const fv_op *op, const char *name,
                                     const fv_tensor *t) {
    int64_t *v = FV_NEW(x->a, int64_t, t->count + 1);
    for (size_t i = 0; i < t->count; i++)
        v[i] = fv_tensor_int(t, i);
    return attribute_of(
        x, op, &(fv_attr){.name = name, .kind = FV_ATTR_INTS, .n = (int)t->count, .u.ints = v});
}

/* Operands before a variadic one are written even if they are left out: a Loop has at least two
 * operands. */
static int least_inputs(const fv_opdef *d) {
    int i = 0;
    while (i < FV_MAX_IN && d->in[i].name && d->in[i].arity != FV_VARIADIC)
        i++;
    return i < FV_MAX_IN && d->in[i].name ? i : 0;
}

/* ---- sharding ---- */

static const char configuration_name[] = "ranks";

static Onnx__SimpleShardedDimProto *shares_of(exporter *x, const fv_dim *size, int64_t extent,
                                              int64_t shards) {
    Onnx__SimpleShardedDimProto *p =
        MESSAGE(x, Onnx__SimpleShardedDimProto, ONNX__SIMPLE_SHARDED_DIM_PROTO__INIT);
    p->has_num_shards = 1;
    p->num_shards = shards;
    if (size && size->kind == FV_DIM_SYMBOL) {
        p->dim_case = ONNX__SIMPLE_SHARDED_DIM_PROTO__DIM_DIM_PARAM;
        p->dim_param = text(x, size->name);
    } else if (!size || fv_dim_is_const(size)) {
        p->dim_case = ONNX__SIMPLE_SHARDED_DIM_PROTO__DIM_DIM_VALUE;
        p->dim_value = size ? size->value : extent;
    }
    return p;
}

static Onnx__ShardingSpecProto *spec_of(exporter *x, const fv_value *v, const fv_sharding *of) {
    Onnx__ShardingSpecProto *p =
        MESSAGE(x, Onnx__ShardingSpecProto, ONNX__SHARDING_SPEC_PROTO__INIT);
    Onnx__ShardedDimProto *d = MESSAGE(x, Onnx__ShardedDimProto, ONNX__SHARDED_DIM_PROTO__INIT);
    p->tensor_name = text(x, name_of(x, v));
    p->n_device = (size_t)of->shards;
    p->device = FV_NEW(x->a, int64_t, of->shards);
    for (int64_t i = 0; i < of->shards; i++)
        p->device[i] = i;
    d->has_axis = 1;
    d->axis = of->axis;
    d->simple_sharding = FV_NEW(x->a, Onnx__SimpleShardedDimProto *, 2);
    if (!fv_dim_is_one(of->outer))
        d->simple_sharding[d->n_simple_sharding++] = shares_of(x, of->outer, 0, 1);
    d->simple_sharding[d->n_simple_sharding++] = shares_of(x, NULL, of->extent, of->shards);
    p->n_sharded_dim = 1;
    p->sharded_dim = FV_NEW(x->a, Onnx__ShardedDimProto *, 1);
    p->sharded_dim[0] = d;
    return p;
}

static void add_specs(exporter *x, int n, fv_value *const *values, list *specs) {
    for (int i = 0; i < n; i++) {
        const fv_sharding *of = values[i] ? fv_ptrmap_get(&x->shardings, values[i]->name) : NULL;
        if (of)
            add(x, specs, spec_of(x, values[i], of));
    }
}

/* States which operands and results of the op devices have shares of. */
static void annotate(exporter *x, const fv_op *op, Onnx__NodeProto *p) {
    list specs = {0};
    if (!x->o->shardings)
        return;
    add_specs(x, op->nin, op->in, &specs);
    add_specs(x, op->nout, op->out, &specs);
    if (!specs.n)
        return;
    Onnx__NodeDeviceConfigurationProto *c =
        MESSAGE(x, Onnx__NodeDeviceConfigurationProto, ONNX__NODE_DEVICE_CONFIGURATION_PROTO__INIT);
    c->configuration_id = fv_strdup(x->a, configuration_name);
    c->n_sharding_spec = (size_t)specs.n;
    c->sharding_spec = (Onnx__ShardingSpecProto **)specs.at;
    p->n_device_configurations = 1;
    p->device_configurations = FV_NEW(x->a, Onnx__NodeDeviceConfigurationProto *, 1);
    p->device_configurations[0] = c;
}

/* Adds the devices to the model, whose version must have them. */
static void add_configuration(exporter *x, Onnx__ModelProto *p) {
    Onnx__DeviceConfigurationProto *c =
        MESSAGE(x, Onnx__DeviceConfigurationProto, ONNX__DEVICE_CONFIGURATION_PROTO__INIT);
    c->name = fv_strdup(x->a, configuration_name);
    c->has_num_devices = 1;
    c->num_devices = x->o->shardings->ndevices;
    p->n_configuration = 1;
    p->configuration = FV_NEW(x->a, Onnx__DeviceConfigurationProto *, 1);
    p->configuration[0] = c;
    p->ir_version = p->ir_version < 11 ? 11 : p->ir_version;
}

/* ---- a node ---- */

static Onnx__NodeProto *node_of(exporter *x, const fv_op *op) {
    Onnx__NodeProto *p = MESSAGE(x, Onnx__NodeProto, ONNX__NODE_PROTO__INIT);
    const char *label = fv_ptrmap_get(&x->labels, op);
    int nin = op->nin, nout = op->nout;
    const char *attribute;
    int moved = fv_export_moved(op, x->opset, &attribute);
    if (moved >= 0)
        nin = moved;
    p->input = names_of(x, op->in, &nin, least_inputs(op->def));
    p->output = names_of(x, op->out, &nout, 0);
    p->n_input = (size_t)nin;
    p->n_output = (size_t)nout;
    p->name = label ? text(x, label) : NULL;
    p->op_type = fv_strdup(x->a, op->def->name);
    p->domain = *op->def->domain ? fv_strdup(x->a, op->def->domain) : NULL;
    p->n_attribute = (size_t)op->nattrs;
    p->attribute = FV_NEW(x->a, Onnx__AttributeProto *, op->nattrs + 1);
    for (int i = 0; i < op->nattrs; i++)
        p->attribute[i] = attribute_of(x, op, &op->attrs[i]);
    if (moved >= 0)
        p->attribute[p->n_attribute++] = ints_of(x, op, attribute, op->in[moved]->tensor);
    annotate(x, op, p);
    return p;
}

static Onnx__NodeProto *identity(exporter *x, const fv_value *from, const char *to) {
    Onnx__NodeProto *p = MESSAGE(x, Onnx__NodeProto, ONNX__NODE_PROTO__INIT);
    p->n_input = p->n_output = 1;
    p->input = FV_NEW(x->a, char *, 2);
    p->output = FV_NEW(x->a, char *, 2);
    p->input[0] = text(x, name_of(x, from));
    p->output[0] = text(x, to);
    p->op_type = fv_strdup(x->a, "Identity");
    if (from->kind == FV_VALUE_CONST)
        list_constant(x, from);
    return p;
}

/* ---- graphs ---- */

/* Whether the op concerns symbols only, as fv.Bind. It has no node: the types contain the symbols,
 * and a model computes its dims itself. */
static bool is_silent(const fv_op *op) {
    return fv_op_binds(op) || fv_op_is(op, FV_OP_fv_Assume);
}

static void add_nodes(exporter *x, const fv_region *r, list *nodes, list *infos) {
    for (const fv_op *op = r->first; op != r->last; op = op->next) {
        if (is_silent(op))
            continue;
        if (!strcmp(op->def->domain, "fv")) {
            x->failed = true;
            fv_op_error(op,
                        "is an operator of Fovea's; the pass spell makes operators of ONNX of it");
            continue;
        }
        add(x, nodes, node_of(x, op));
        for (int i = 0; i < op->nout; i++)
            if (op->out[i])
                add(x, infos, value_info(x, name_of(x, op->out[i]), op->out[i]->type));
    }
}

/* The name of result i of a graph. An Identity is added if the graph does not compute the value
 * itself or if the value is an earlier result, too. */
static const char *result_name(exporter *x, const fv_region *r, int i, list *nodes) {
    const fv_value *v = r->last->in[i];
    const char *name = r->parent ? NULL : fv_intern(x->s, r->func->result_names[i]);
    bool own = v->kind == FV_VALUE_RESULT && v->def->block == r;
    for (int k = 0; k < i && own; k++)
        own = r->last->in[k] != v;
    if (r->parent && own)
        return name_of(x, v);
    if (!r->parent && fv_ptrmap_get(&x->names, v) == name)
        return name;
    if (!name)
        name = fresh(x, &x->taken, v->name);
    add(x, nodes, identity(x, v, name));
    return name;
}

static Onnx__GraphProto *graph_of(exporter *x, const fv_region *r, const char *name) {
    Onnx__GraphProto *g = MESSAGE(x, Onnx__GraphProto, ONNX__GRAPH_PROTO__INIT);
    list nodes = {0}, infos = {0}, inputs = {0}, outputs = {0};
    for (int i = 0; i < r->nparams; i++)
        add(x, &inputs, value_info(x, name_of(x, r->params[i]), r->params[i]->type));
    add_nodes(x, r, &nodes, &infos);
    for (int i = 0; i < r->last->nin; i++)
        add(x, &outputs, value_info(x, result_name(x, r, i, &nodes), r->last->in[i]->type));
    g->name = text(x, name);
    g->n_node = (size_t)nodes.n;
    g->node = (Onnx__NodeProto **)nodes.at;
    g->n_input = (size_t)inputs.n;
    g->input = (Onnx__ValueInfoProto **)inputs.at;
    g->n_output = (size_t)outputs.n;
    g->output = (Onnx__ValueInfoProto **)outputs.at;
    /* a value that is an output is declared with the outputs only */
    int n = 0;
    for (int i = 0; i < infos.n; i++) {
        const Onnx__ValueInfoProto *v = infos.at[i];
        bool is_output = false;
        for (int k = 0; k < outputs.n && !is_output; k++)
            is_output = !strcmp(g->output[k]->name, v->name);
        if (!is_output)
            infos.at[n++] = infos.at[i];
    }
    g->n_value_info = (size_t)n;
    g->value_info = (Onnx__ValueInfoProto **)infos.at;
    return g;
}

/* ---- the model ---- */

static void add_domains(exporter *x, const fv_region *r, list *imports) {
    for (const fv_op *op = r->first; op != r->last; op = op->next) {
        bool there = !*op->def->domain || is_silent(op);
        for (int i = 0; i < imports->n && !there; i++)
            there = !strcmp(((Onnx__OperatorSetIdProto *)imports->at[i])->domain, op->def->domain);
        if (!there) {
            Onnx__OperatorSetIdProto *o =
                MESSAGE(x, Onnx__OperatorSetIdProto, ONNX__OPERATOR_SET_ID_PROTO__INIT);
            o->domain = fv_strdup(x->a, op->def->domain);
            o->has_version = 1;
            o->version = fv_export_opset(x->m, op->def->domain);
            add(x, imports, o);
        }
        for (int i = 0; i < op->nattrs; i++)
            if (op->attrs[i].kind == FV_ATTR_REGION)
                add_domains(x, op->attrs[i].u.region, imports);
    }
}

static uint64_t weights_bytes(const fv_module *m) {
    uint64_t sum = 0;
    for (int i = 0; i < m->nconsts; i++)
        if (m->consts[i]->nuses && m->consts[i]->tensor->elem != FV_STRING)
            sum += m->consts[i]->tensor->bytes;
    return sum;
}

static bool choose_place(exporter *x) {
    bool large = weights_bytes(x->m) > FV_EXPORT_LARGE;
    x->use_side = x->o->weights == FV_EXPORT_EXTERNAL ||
                  (x->o->weights == FV_EXPORT_AUTO && large && x->o->side);
    if (!x->use_side)
        return true;
    if (!x->o->side)
        return fv_error(x->s, "the weights would be written to a file next to the model, which "
                              "standard output is not: name a file with -o");
    if (strchr(x->o->side, '\\') || !is_utf8(x->o->side))
        return fv_error(x->s,
                        "'%s' is no name that a model may have for its file of weights: no "
                        "backslash, and UTF-8",
                        x->o->side);
    return true;
}

static void make_model(exporter *x) {
    fv_func *f = x->m->funcs;
    Onnx__ModelProto *p = &x->out->model;
    list imports = {0};
    x->opset = fv_export_opset(x->m, "");
    *p = (Onnx__ModelProto)ONNX__MODEL_PROTO__INIT;
    Onnx__OperatorSetIdProto *standard =
        MESSAGE(x, Onnx__OperatorSetIdProto, ONNX__OPERATOR_SET_ID_PROTO__INIT);
    standard->domain = fv_strdup(x->a, "");
    standard->has_version = 1;
    standard->version = x->opset;
    add(x, &imports, standard);
    add_domains(x, f->body, &imports);
    p->has_ir_version = 1;
    p->ir_version = fv_export_ir_version(x->opset);
    p->n_opset_import = (size_t)imports.n;
    p->opset_import = (Onnx__OperatorSetIdProto **)imports.at;
    p->producer_name = fv_strdup(x->a, "fovea");
    p->producer_version = fv_strdup(x->a, FV_VERSION);
    if (x->o->shardings)
        add_configuration(x, p);
    reserve_names(x, f);
    name_nodes(x, f->body);
    p->graph = graph_of(x, f->body, *x->m->name ? x->m->name : "main");
    p->graph->n_initializer = (size_t)x->initializers.n;
    p->graph->initializer = x->initializers.all;
}

fv_export *fv_onnx_export(fv_session *s, fv_arena *a, const fv_module *m,
                          const fv_export_options *options) {
    fv_export *e = FV_NEW(a, fv_export, 1);
    e->arena = a;
    e->session = s;
    exporter x = {.s = s,
                  .a = a,
                  .m = m,
                  .o = options,
                  .out = e,
                  .names = fv_ptrmap_in(a),
                  .taken = fv_ptrmap_in(a),
                  .nodes = fv_ptrmap_in(a),
                  .inits = fv_ptrmap_in(a),
                  .labels = fv_ptrmap_in(a)};
    x.shardings = fv_ptrmap_in(a);
    for (int i = 0; options->shardings && i < options->shardings->n; i++)
        *fv_ptrmap_at(&x.shardings, fv_intern(s, options->shardings->all[i].tensor)) =
            (void *)(uintptr_t)&options->shardings->all[i];
    if (!choose_place(&x))
        return NULL;
    make_model(&x);
    if (x.failed)
        return NULL;
    size_t size = protobuf_c_message_get_packed_size(&e->model.base);
    if (size > FV_EXPORT_MOST) {
        fv_error(s, "the model would have %zu bytes, ONNX allows 2 GiB in one file%s", size,
                 x.use_side ? "" : "; --weights=file writes weights to a file next to it");
        return NULL;
    }
    return e;
}

bool fv_export_has_side(const fv_export *e) {
    return e->nstored > 0;
}

/* ---- bytes ---- */

typedef struct sink {
    ProtobufCBuffer base;
    FILE *f;
    int error;
} sink;

static void append(ProtobufCBuffer *b, size_t n, const uint8_t *data) {
    sink *to = (sink *)b;
    errno = 0;
    if (!to->error && n && fwrite(data, 1, n, to->f) != n)
        to->error = errno ? errno : EIO;
}

bool fv_export_put(const fv_export *e, FILE *f) {
    sink to = {.base = {append}, .f = f};
    protobuf_c_message_pack_to_buffer(&e->model.base, &to.base);
    errno = to.error;
    return !to.error;
}

bool fv_export_put_side(const fv_export *e, FILE *f) {
    static const char zeros[4096];
    uint64_t at = 0;
    for (int i = 0; i < e->nstored; i++) {
        const fv_tensor *t = e->stored[i].tensor;
        size_t gap = (size_t)(e->stored[i].offset - at);
        if (fwrite(zeros, 1, gap, f) != gap || !fv_tensor_write_bytes(e->session, t, f))
            return false;
        at = e->stored[i].offset + t->bytes;
    }
    return true;
}
