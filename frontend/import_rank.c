/* import_rank.c - finds the rank of inputs that the model declares without a shape: from their
 * uses, or from --dim INPUT:AXIS=N, whose highest axis is the last one. Their dims become symbols,
 * as other open dims do. */
#include <string.h>

#include "frontend/import.h"
#include "ir/base/limits.h"
#include "ir/dim/option.h"
#include "ir/graph/infer.h"

/* ---- by use ---- */

/* What the uses of a value say about its rank, -1 each: nothing. */
typedef struct uses {
    fv_importer *im;
    fv_ptrmap alike; /* the names of values that have its shape, as a set */
    int required;    /* the one rank that an operator takes */
    int usual;       /* the rank of a list or scalar, for which operators also take another one */
} uses;

static const Onnx__AttributeProto *attr_of(const Onnx__NodeProto *node, const char *name) {
    for (size_t i = 0; i < node->n_attribute; i++)
        if (!strcmp(fv_text_of(node->attribute[i]->name), name))
            return node->attribute[i];
    return NULL;
}

/* The rank of an initializer; -1 if there is none of that name. */
static int rank_of_initializer(const Onnx__GraphProto *g, const char *name) {
    for (size_t i = 0; i < g->n_initializer; i++)
        if (!strcmp(fv_text_of(g->initializer[i]->name), name))
            return (int)g->initializer[i]->n_dims;
    return -1;
}

/* The rank of an initializer whose rank is that of operand k by the entry, or -1. */
static int rank_of_partner(const Onnx__GraphProto *g, const Onnx__NodeProto *node,
                           const fv_opdef *d, size_t k) {
    for (size_t i = 0; i < FV_MAX_IN && d->in[i].name && i < node->n_input; i++) {
        const char *mine = d->in[k].rank.as, *other = d->in[i].rank.as;
        if ((mine && !strcmp(mine, d->in[i].name)) || (other && !strcmp(other, d->in[k].name))) {
            int rank = rank_of_initializer(g, node->input[i]);
            if (rank >= 0)
                return rank;
        }
    }
    return -1;
}

/* The rank of operand 0 that an attribute decides, or -1. */
static int rank_by_attr(const Onnx__NodeProto *node, const fv_opdef *d) {
    const Onnx__AttributeProto *perm = attr_of(node, "perm"),
                               *kernel = attr_of(node, "kernel_shape");
    if (d->id == FV_OP_Transpose && perm)
        return (int)perm->n_ints;
    bool pool = d->in[0].rank.least == 3 && !d->in[1].name;
    return pool && kernel ? (int)kernel->n_ints + 2 : -1;
}

/* Notes what an operator says about the rank of its operand k. */
static void note_use(uses *u, const Onnx__GraphProto *g, const Onnx__NodeProto *node,
                     const fv_opdef *d, size_t k) {
    const fv_operand_def *in = fv_opdef_operand(d->in, FV_MAX_IN, (int)k);
    if (!in || k >= FV_MAX_IN || !d->in[k].name)
        return;
    const fv_rank_def *r = &in->rank;
    int required = !r->list && !r->scalar && r->most && r->least == r->most ? r->least : -1;
    if (required < 0)
        required = rank_of_partner(g, node, d, k);
    if (required < 0 && !k)
        required = rank_by_attr(node, d);
    if (u->required < 0)
        u->required = required;
    if (u->usual < 0)
        u->usual = r->list || r->vector ? 1 : r->scalar || r->single ? 0 : -1;
}

/* Whether the first result has the shape of the first operand. */
static bool keeps_shape(const fv_opdef *d) {
    static const char *const others[] = {
        "Clip", "Cast", "Dropout", "PRelu", "BatchNormalization", "LayerNormalization", NULL};
    if (!d->infer || d->infer == fv_infer_same || d->infer == fv_infer_along)
        return true;
    int i = 0;
    while (others[i] && strcmp(others[i], d->name) != 0)
        i++;
    return others[i] && !*d->domain;
}

static void note_graph(uses *u, const Onnx__GraphProto *g, int depth);

static void note_node(uses *u, const Onnx__GraphProto *g, const Onnx__NodeProto *node, int depth) {
    const char *domain = fv_import_domain(node->domain);
    const fv_opdef *d = fv_op_find(domain, fv_text_of(node->op_type));
    for (size_t i = 0; i < node->n_attribute; i++)
        if (node->attribute[i]->g)
            note_graph(u, node->attribute[i]->g, depth + 1);
    for (size_t k = 0; d && k < node->n_input; k++) {
        if (!fv_ptrmap_get(&u->alike, fv_intern(u->im->s, node->input[k])))
            continue;
        note_use(u, g, node, d, k);
        if (!k && node->n_output && keeps_shape(d))
            fv_import_map(&u->alike, fv_intern(u->im->s, node->output[0]), u);
    }
}

/* Nodes are in order, so one pass visits the nodes that keep the input's shape before uses of their
 * results. Graphs in nodes use the names of the graph around them. */
static void note_graph(uses *u, const Onnx__GraphProto *g, int depth) {
    for (size_t i = 0; i < g->n_node && depth <= FV_MAX_DEPTH; i++)
        note_node(u, g, g->node[i], depth);
}

static uses uses_of(fv_importer *im, const char *value) {
    uses u = {im, fv_ptrmap_in(im->tmp), -1, -1};
    fv_import_map(&u.alike, fv_intern(im->s, value), im);
    note_graph(&u, im->model->graph, 0);
    return u;
}

int fv_import_rank_by_use(fv_importer *im, const char *value) {
    return uses_of(im, value).required;
}

/* ---- by --dim ---- */

static int rank_by_option(fv_importer *im, const char *input, const fv_import_options *o) {
    int rank = -1;
    for (int i = 0; o && i < o->ndims; i++) {
        fv_dim_option d;
        bool of_input =
            !fv_dim_option_parse(im->tmp, o->dims[i], &d) && d.input && !strcmp(d.input, input);
        if (of_input && d.axis >= rank)
            rank = d.axis + 1;
    }
    return rank;
}

/* ---- shapes ---- */

bool fv_import_is_open(const fv_importer *im, const Onnx__ValueInfoProto *input) {
    const Onnx__TypeProto *t = input->type;
    return t && t->value_case == ONNX__TYPE_PROTO__VALUE_TENSOR_TYPE && !t->tensor_type->shape &&
           !fv_ptrmap_get(&im->found.is_initializer, fv_intern(im->s, fv_text_of(input->name)));
}

static Onnx__TensorShapeProto *open_shape(fv_importer *im, int rank) {
    Onnx__TensorShapeProto *s = FV_NEW(im->tmp, Onnx__TensorShapeProto, 1);
    onnx__tensor_shape_proto__init(s);
    s->n_dim = (size_t)rank;
    s->dim = FV_NEW(im->tmp, Onnx__TensorShapeProto__Dimension *, rank + 1);
    for (int i = 0; i < rank; i++) {
        s->dim[i] = FV_NEW(im->tmp, Onnx__TensorShapeProto__Dimension, 1);
        onnx__tensor_shape_proto__dimension__init(s->dim[i]);
    }
    return s;
}

void fv_import_set_rank(fv_importer *im, const Onnx__ValueInfoProto *input, int rank) {
    input->type->tensor_type->shape = open_shape(im, rank); /* changes our copy of the model */
}

void fv_import_ranks(fv_importer *im, const fv_import_options *o) {
    const Onnx__GraphProto *g = im->model->graph;
    for (size_t i = 0; i < g->n_input; i++) {
        const char *name = fv_text_of(g->input[i]->name);
        if (!fv_import_is_open(im, g->input[i]))
            continue;
        uses u = uses_of(im, name);
        int rank = u.required;
        if (rank < 0)
            rank = rank_by_option(im, name, o);
        if (rank < 0)
            rank = u.usual;
        if (rank >= 0 && rank <= FV_MAX_RANK)
            fv_import_set_rank(im, g->input[i], rank);
    }
    for (size_t i = 0, k = 0; i < g->n_input && k < (size_t)im->trial.n; i++)
        if (fv_import_is_open(im, g->input[i]))
            fv_import_set_rank(im, g->input[i], im->trial.at[k++]);
}
