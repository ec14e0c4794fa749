/* import_rank.c - finds the rank of inputs that the model declares without a shape: from their
 * uses, or from --dim INPUT:AXIS=N, whose highest axis is the last one. Their dims become symbols,
 * as other open dims do. */
#include <string.h>

#include "frontend/import.h"
#include "ir/base/limits.h"
#include "ir/dim/option.h"
#include "ir/graph/infer.h"

/* ---- by use ---- */

static const Onnx__AttributeProto *attr_of(const Onnx__NodeProto *node, const char *name) {
    for (size_t i = 0; i < node->n_attribute; i++)
        if (!strcmp(fv_text_of(node->attribute[i]->name), name))
            return node->attribute[i];
    return NULL;
}

static bool is_one_of(const char *word, const char *const *words) {
    while (*words && strcmp(*words, word) != 0)
        words++;
    return *words != NULL;
}

/* The rank of an initializer; -1 if there is none of that name. */
static int rank_of_initializer(const Onnx__GraphProto *g, const char *name) {
    for (size_t i = 0; i < g->n_initializer; i++)
        if (!strcmp(fv_text_of(g->initializer[i]->name), name))
            return (int)g->initializer[i]->n_dims;
    return -1;
}

/* The rank that an operator of the standard requires of operand k; -1 if several are possible or it
 * is not known. */
static int rank_of_use(const Onnx__GraphProto *g, const Onnx__NodeProto *node, size_t k) {
    static const char *const matrices[] = {"Gemm", "EyeLike", NULL},
                             *const sequences[] = {"LSTM", "GRU", "RNN", NULL},
                             *const images[] =
                                 {"DepthToSpace", "SpaceToDepth", "MaxRoiPool", "RoiAlign",
                                  "ImageScaler",  "Crop",         NULL},
                             *const filters[] = {"Conv", "ConvTranspose", "ConvInteger", NULL},
                             *const pools[] = {"MaxPool", "AveragePool", "LpPool", NULL};
    const char *op = fv_text_of(node->op_type);
    const Onnx__AttributeProto *perm = attr_of(node, "perm"),
                               *kernel = attr_of(node, "kernel_shape");
    if (is_one_of(op, matrices))
        return k < 2 ? 2 : -1;
    if (k)
        return -1;
    if (is_one_of(op, sequences))
        return 3;
    if (is_one_of(op, images))
        return 4;
    if (is_one_of(op, pools) && kernel)
        return (int)kernel->n_ints + 2;
    if (is_one_of(op, filters) && node->n_input > 1)
        return rank_of_initializer(g, node->input[1]);
    return !strcmp(op, "Transpose") && perm ? (int)perm->n_ints : -1;
}

/* Whether the first result has the shape of the first operand. */
static bool keeps_shape(const Onnx__NodeProto *node) {
    static const char *const others[] = {
        "Clip", "Cast", "Dropout", "PRelu", "BatchNormalization", "LayerNormalization", NULL};
    const fv_opdef *d = fv_op_find("", fv_text_of(node->op_type));
    return d && node->n_output &&
           (!d->infer || d->infer == fv_infer_same || d->infer == fv_infer_along ||
            is_one_of(d->name, others));
}

/* Nodes are in order, so one pass visits the nodes that keep the input's shape before uses of their
 * results. */
int fv_import_rank_by_use(fv_importer *im, const char *input) {
    const Onnx__GraphProto *g = im->model->graph;
    fv_ptrmap alike = fv_ptrmap_in(im->tmp); /* names of values */
    fv_import_map(&alike, fv_intern(im->s, input), im);
    for (size_t i = 0; i < g->n_node; i++) {
        const Onnx__NodeProto *node = g->node[i];
        for (size_t k = 0; k < node->n_input && !*fv_import_domain(node->domain); k++) {
            if (!fv_ptrmap_get(&alike, fv_intern(im->s, node->input[k])))
                continue;
            int rank = rank_of_use(g, node, k);
            if (rank >= 0)
                return rank;
            if (!k && keeps_shape(node))
                fv_import_map(&alike, fv_intern(im->s, node->output[0]), im);
        }
    }
    return -1;
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
        int rank = fv_import_rank_by_use(im, name);
        if (rank < 0)
            rank = rank_by_option(im, name, o);
        if (rank >= 0 && rank <= FV_MAX_RANK)
            fv_import_set_rank(im, g->input[i], rank);
    }
    for (size_t i = 0, k = 0; i < g->n_input && k < (size_t)im->trial.n; i++)
        if (fv_import_is_open(im, g->input[i]))
            fv_import_set_rank(im, g->input[i], im->trial.at[k++]);
}
