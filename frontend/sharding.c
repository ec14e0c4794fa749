/* sharding.c - see sharding.h: reading. The exporter (export.c) writes them. */
#include "frontend/sharding.h"

#include <string.h>

#include "frontend/file.h"
#include "frontend/import.h"
#include "frontend/wire.h"
#include "ir/base/limits.h"

typedef struct reader {
    fv_session *s;
    fv_arena *a;
    const Onnx__GraphProto *graph;
    const char *configuration;
    fv_sharded_factors *out;
    int nstated; /* factors with shares, also those that are ignored with a warning */
} reader;

/* Where the factors of a product are. */
typedef struct product {
    const char *type;
    int left, right; /* numbers of the operands; left -1: its shares are not read */
    bool blocks; /* the right factor has its columns as axis 0, and blocks of its rows as axis 1 */
} product;

static const product *product_of(const Onnx__NodeProto *node) {
    static const product products[] = {{"MatMul", 0, 1, false},
                                       {"Gemm", 0, 1, false},
                                       {"MatMulInteger", 0, 1, false},
                                       {"QLinearMatMul", 0, 3, false},
                                       {"MatMulNBits", -1, 1, true}};
    for (size_t i = 0; i < sizeof products / sizeof *products; i++)
        if (node->op_type && !strcmp(node->op_type, products[i].type))
            return &products[i];
    return NULL;
}

static int rank_of_info(size_t n, Onnx__ValueInfoProto *const *list, const char *name) {
    for (size_t i = 0; i < n; i++) {
        const Onnx__TypeProto *t = list[i]->type;
        if (list[i]->name && !strcmp(list[i]->name, name) && t &&
            t->value_case == ONNX__TYPE_PROTO__VALUE_TENSOR_TYPE && t->tensor_type->shape)
            return (int)t->tensor_type->shape->n_dim;
    }
    return -1;
}

/* The rank of a tensor; -1: the model does not state it. */
static int rank_of(const reader *r, const char *name) {
    const Onnx__GraphProto *g = r->graph;
    for (size_t i = 0; i < g->n_initializer; i++)
        if (g->initializer[i]->name && !strcmp(g->initializer[i]->name, name))
            return (int)g->initializer[i]->n_dims;
    int rank = rank_of_info(g->n_value_info, g->value_info, name);
    rank = rank >= 0 ? rank : rank_of_info(g->n_input, g->input, name);
    return rank >= 0 ? rank : rank_of_info(g->n_output, g->output, name);
}

static bool is_transposed(const Onnx__NodeProto *node, bool right) {
    for (size_t i = 0; i < node->n_attribute; i++) {
        const Onnx__AttributeProto *a = node->attribute[i];
        if (a->name && !strcmp(a->name, right ? "transB" : "transA"))
            return a->i != 0;
    }
    return false;
}

static bool bad(const reader *r, const Onnx__NodeProto *node, const char *tensor,
                const char *what) {
    return fv_error(r->s, "node '%s': the sharding of '%s' %s", fv_import_label(r->a, "", node),
                    tensor, what);
}

static int64_t axis_of(const Onnx__ShardedDimProto *d, int rank) {
    return d->axis < 0 && rank >= 0 ? d->axis + rank : d->axis;
}

/* The only axis of the specification with several shards; *out NULL: none. False after a
 * diagnostic: there are two, or one is divided twice, or shards are not as many as devices. */
static bool find_shared(const reader *r, const Onnx__NodeProto *node,
                        const Onnx__ShardingSpecProto *spec, const Onnx__ShardedDimProto **out) {
    int rank = rank_of(r, spec->tensor_name);
    int64_t shards = r->out->ndevices;
    *out = NULL;
    for (size_t i = 0; i < spec->n_sharded_dim; i++) {
        const Onnx__ShardedDimProto *d = spec->sharded_dim[i];
        for (size_t k = 0; k < d->n_simple_sharding; k++) {
            const Onnx__SimpleShardedDimProto *p = d->simple_sharding[k];
            if (!p->has_num_shards || p->num_shards == 1)
                continue;
            if (*out)
                return bad(r, node, spec->tensor_name,
                           axis_of(*out, rank) != axis_of(d, rank)
                               ? "shares two axes; one can be cut"
                               : fv_printf(r->a, "divides axis %lld twice; it can be cut once",
                                           (long long)axis_of(d, rank)));
            *out = d;
            shards = p->num_shards;
        }
    }
    return shards == r->out->ndevices ||
           bad(r, node, spec->tensor_name,
               fv_printf(r->a, "has %lld shards, and the configuration %d devices",
                         (long long)shards, r->out->ndevices));
}

/* Does device i alone have share i? No list of devices means that. False after a diagnostic. */
static bool check_devices(const reader *r, const Onnx__NodeProto *node,
                          const Onnx__ShardingSpecProto *spec) {
    if (spec->n_index_to_device_group_map)
        return bad(r, node, spec->tensor_name,
                   "has groups of devices; a share can be that of one device only");
    if (spec->n_device && spec->n_device != (size_t)r->out->ndevices)
        return bad(r, node, spec->tensor_name,
                   fv_printf(r->a, "lists %zu device%s for %d shards", spec->n_device,
                             spec->n_device == 1 ? "" : "s", r->out->ndevices));
    for (size_t i = 0; i < spec->n_device; i++)
        if (spec->device[i] != (int64_t)i)
            return bad(r, node, spec->tensor_name,
                       fv_printf(r->a,
                                 "gives share %zu to device %lld; only device %zu can have it", i,
                                 (long long)spec->device[i], i));
    return true;
}

/* Adds the axis of a factor that the specification shares. False after a diagnostic. */
static bool add_factor(reader *r, fv_sharded_factor f, const Onnx__NodeProto *node,
                       const product *p, const Onnx__ShardingSpecProto *spec) {
    const Onnx__ShardedDimProto *found;
    if (!find_shared(r, node, spec, &found))
        return false;
    if (!found)
        return true;
    if (!check_devices(r, node, spec))
        return false;
    r->nstated++;
    f.rank = rank_of(r, spec->tensor_name);
    if (f.rank < 0) {
        fv_warning(r->s,
                   "node '%s': the sharding of '%s' is ignored: the model does not state "
                   "its rank",
                   f.node, spec->tensor_name);
        return true;
    }
    if (found->axis < -f.rank || found->axis >= f.rank)
        return bad(r, node, spec->tensor_name,
                   fv_printf(r->a, "has axis %lld of a tensor of rank %d", (long long)found->axis,
                             f.rank));
    f.axis = (int)axis_of(found, f.rank);
    f.transposed = (p->blocks && f.right) || is_transposed(node, f.right);
    if (p->blocks)
        f.rank = 2; /* columns and blocks; the bytes of a block are not shared */
    if (f.axis >= f.rank)
        return bad(r, node, spec->tensor_name, "shares the bytes of blocks, which cannot be cut");
    FV_PUSH(r->a, r->out->all, r->out->n, r->out->cap, f);
    return true;
}

/* Adds the factors of the node with that number, if it is a product. False after a diagnostic. */
static bool read_node(reader *r, int number, const Onnx__NodeProto *node) {
    const product *p = product_of(node);
    fv_sharded_factor f = {
        .node = p ? fv_import_label(r->a, "", node) : NULL, .number = number, .axis = -1};
    int before = r->out->n;
    for (size_t c = 0; p && c < node->n_device_configurations; c++) {
        const Onnx__NodeDeviceConfigurationProto *of = node->device_configurations[c];
        if (!of->configuration_id || strcmp(of->configuration_id, r->configuration) != 0)
            continue;
        for (size_t i = 0; i < of->n_sharding_spec; i++) {
            const Onnx__ShardingSpecProto *spec = of->sharding_spec[i];
            for (int right = 0; right < 2 && spec->tensor_name; right++) {
                int at = right ? p->right : p->left;
                f.right = right;
                if (at >= 0 && (size_t)at < node->n_input &&
                    !strcmp(node->input[at], spec->tensor_name) && !add_factor(r, f, node, p, spec))
                    return false;
            }
        }
    }
    if (p && r->out->n == before)
        FV_PUSH(r->a, r->out->all, r->out->n, r->out->cap, f);
    return true;
}

static bool read_model(reader *r, const Onnx__ModelProto *m) {
    if (!m->n_configuration || !m->graph)
        return true;
    const Onnx__DeviceConfigurationProto *c = m->configuration[0];
    r->graph = m->graph;
    r->configuration = c->name ? c->name : "";
    r->out->ndevices = c->num_devices;
    if (c->num_devices < 1)
        return fv_error(r->s, "configuration '%s' has %d devices", r->configuration,
                        c->num_devices);
    for (size_t i = 0; i < m->graph->n_node; i++)
        if (!read_node(r, (int)i, m->graph->node[i]))
            return false;
    if (!r->nstated && c->num_devices > 1)
        fv_warning(r->s, "the annotations share no factor of a product among the devices, so no "
                         "product is cut");
    return true;
}

bool fv_onnx_shardings(fv_session *s, fv_arena *a, const char *path, fv_sharded_factors *out) {
    reader r = {.s = s, .a = a, .out = out};
    fv_arena *tmp = fv_arena_new(s);
    fv_file f;
    *out = (fv_sharded_factors){0};
    fv_diag_file(s, path);
    bool ok = fv_file_map(s, tmp, path, &f);
    const Onnx__ModelProto *m =
        ok ? (const Onnx__ModelProto *)fv_wire_unpack(s, tmp, &onnx__model_proto__descriptor,
                                                      f.data, f.size, "an ONNX model")
           : NULL;
    ok = m && read_model(&r, m);
    fv_arena_free(tmp);
    return ok;
}
