/* layers.c - finds the layers of a graph that can be quantized. */
#include <fnmatch.h>
#include <string.h>

#include "ir/base/diag.h"
#include "ir/catalogue/op.h"
#include "ir/graph/infer.h"
#include "passes/quantize/quantize.h"

/* Weights with fewer elements are not quantized: they are not worth a scale. */
enum { LEAST_ELEMENTS = 128 };

/* Axes of a weight that depend on its rank or on attributes. */
enum { LAST = 100, SECOND_LAST, OF_GEMM_COLUMNS, OF_GEMM_TERMS };

/* A row for each operand of an operator that may be a weight. */
typedef struct reader {
    const char *op;
    int weight, activation;
    fv_quant_kind kind;
    int channel, along;
} reader;

static const reader readers[] = {
    {"MatMul", 1, 0, FV_QUANT_PRODUCT, LAST, SECOND_LAST},
    {"MatMul", 0, -1, FV_QUANT_OTHER, SECOND_LAST, LAST},
    {"Gemm", 1, 0, FV_QUANT_PRODUCT, OF_GEMM_COLUMNS, OF_GEMM_TERMS},
    {"Conv", 1, 0, FV_QUANT_CONV, 0, 1},
    {"ConvTranspose", 1, -1, FV_QUANT_OTHER, 1, 0},
    {"Gather", 0, -1, FV_QUANT_TABLE, 0, 1},
    {"LSTM", 1, -1, FV_QUANT_OTHER, 1, 2},
    {"LSTM", 2, -1, FV_QUANT_OTHER, 1, 2},
    {"GRU", 1, -1, FV_QUANT_OTHER, 1, 2},
    {"GRU", 2, -1, FV_QUANT_OTHER, 1, 2},
    {"RNN", 1, -1, FV_QUANT_OTHER, 1, 2},
    {"RNN", 2, -1, FV_QUANT_OTHER, 1, 2},
    {"Add", 0, -1, FV_QUANT_OTHER, SECOND_LAST, LAST},
    {"Add", 1, -1, FV_QUANT_OTHER, SECOND_LAST, LAST},
    {"com.microsoft.Attention", 1, -1, FV_QUANT_OTHER, 1, 0},
    {"com.microsoft.FusedMatMul", 1, -1, FV_QUANT_OTHER, LAST, SECOND_LAST},
    {"com.microsoft.FusedConv", 1, -1, FV_QUANT_OTHER, 0, 1},
    {"com.microsoft.EmbedLayerNormalization", 2, -1, FV_QUANT_OTHER, 0, 1},
};

const fv_tensor *fv_quant_weight(const fv_quant_layer *l) {
    return l->op->in[l->weight]->tensor;
}

/* ---- one operand ---- */

static int axis_of(const fv_op *op, int axis, int rank) {
    bool transposed = axis >= OF_GEMM_COLUMNS && fv_op_int(op, "transB");
    switch (axis) {
    case LAST: return rank - 1;
    case SECOND_LAST: return rank - 2;
    case OF_GEMM_COLUMNS: return transposed ? 0 : 1;
    case OF_GEMM_TERMS: return transposed ? 1 : 0;
    }
    return axis;
}

/* Is v a matrix, perhaps with axes of size 1 before it, and no row or column? */
static bool is_matrix(const fv_type *t) {
    for (int i = 0; i < t->rank; i++)
        if (!fv_dim_is_const(t->dims[i]) || (t->dims[i]->value > 1) != (i >= t->rank - 2))
            return false;
    return true;
}

static bool is_weight(const fv_op *op, const reader *r) {
    const fv_value *v = fv_op_in(op, r->weight);
    if (!v || v->kind != FV_VALUE_CONST || v->type->kind != FV_TENSOR || v->type->rank < 2 ||
        !fv_elem_is_float(v->type->elem) || v->tensor->count < LEAST_ELEMENTS)
        return false;
    if (r->kind == FV_QUANT_TABLE && (v->type->rank != 2 || fv_op_int(op, "axis") != 0))
        return false;
    /* a table that is added, such as learned positions; a bias stays as it is */
    if (fv_op_is(op, FV_OP_Add) &&
        (!is_matrix(v->type) || op->in[1 - r->weight]->kind == FV_VALUE_CONST))
        return false;
    return r->activation < 0 || fv_op_in(op, r->activation)->kind != FV_VALUE_CONST;
}

static const char *node_of(fv_arena *a, const fv_op *op) {
    if (op->origin->n && *op->origin->nodes[0])
        return op->origin->nodes[0];
    return fv_printf(a, "%s(%s)", op->def->name, op->out[0] ? op->out[0]->name : "");
}

static bool has_several(const fv_op *op) {
    int n = 0;
    for (size_t i = 0; i < sizeof readers / sizeof *readers; i++)
        n += fv_opdef_is_called(op->def, readers[i].op) && is_weight(op, &readers[i]);
    return n > 1;
}

static fv_quant_layer layer_of(fv_arena *a, fv_op *op, const reader *r) {
    const fv_value *w = op->in[r->weight];
    int rank = w->type->rank;
    fv_quant_layer l = {.op = op,
                        .kind = r->kind,
                        .weight = r->weight,
                        .activation = r->activation,
                        .channel = axis_of(op, r->channel, rank),
                        .along = axis_of(op, r->along, rank),
                        .of_branch = op->block->parent != NULL,
                        .name = node_of(a, op)};
    /* the operators for products of integers and for blocks need a matrix */
    if (l.kind == FV_QUANT_PRODUCT && rank != 2) {
        l.kind = FV_QUANT_OTHER;
        l.activation = -1;
    }
    if (has_several(op))
        l.name = fv_printf(a, "%s:%s", l.name, op->def->in[r->weight].name);
    if (w->type->elem != FV_F32)
        l.why_not = fv_printf(a, "its weight is %s, and not f32", fv_elem_name(w->type->elem));
    return l;
}

/* ---- averages ---- */

/* Does the op give the elements of its first operand another shape or order? */
static bool is_view(const fv_op *op) {
    return fv_op_is(op, FV_OP_Flatten) || fv_op_is(op, FV_OP_Reshape) ||
           fv_op_is(op, FV_OP_Squeeze) || fv_op_is(op, FV_OP_Transpose);
}

fv_value *fv_quant_averaged(const fv_quant_layer *l) {
    const fv_value *x = l->activation < 0 ? NULL : l->op->in[l->activation];
    while (x && x->kind == FV_VALUE_RESULT && x->nuses == 1 && is_view(x->def))
        x = x->def->in[0];
    if (!x || x->kind != FV_VALUE_RESULT || x->nuses != 1 ||
        (!fv_op_is(x->def, FV_OP_GlobalAveragePool) && !fv_op_is(x->def, FV_OP_AveragePool)))
        return NULL;
    fv_value *from = x->def->in[0];
    bool is = from->kind == FV_VALUE_RESULT && from->nuses == 1 && from->type->elem == FV_F32 &&
              !fv_op_is(from->def, FV_OP_DequantizeLinear) && !x->def->block->parent;
    return is ? from : NULL;
}

/* ---- the list ---- */

typedef struct list {
    fv_arena *arena;
    fv_quant_layer *at;
    int n, cap;
} list;

static void add_layers(list *l, fv_op *op) {
    for (size_t i = 0; i < sizeof readers / sizeof *readers; i++)
        if (fv_opdef_is_called(op->def, readers[i].op) && is_weight(op, &readers[i]))
            FV_PUSH(l->arena, l->at, l->n, l->cap, layer_of(l->arena, op, &readers[i]));
}

static void add_block(list *l, fv_region *block) {
    for (fv_op *op = block->first; op; op = op->next) {
        for (int i = 0; i < op->nattrs; i++)
            if (op->attrs[i].kind == FV_ATTR_REGION)
                add_block(l, op->attrs[i].u.region);
        add_layers(l, op);
    }
}

static int count_before(const list *l, int i) {
    int n = 0;
    for (int k = 0; k < i; k++)
        n += !strcmp(l->at[k].name, l->at[i].name);
    return n;
}

/* Nodes of a model may have equal names; those after the first get `#2`, `#3`, ... */
static void make_unique(const list *l) {
    for (int i = l->n - 1; i > 0; i--) {
        int n = count_before(l, i);
        if (n)
            l->at[i].name = fv_printf(l->arena, "%s#%d", l->at[i].name, n + 1);
    }
}

fv_quant_layer *fv_quant_layers(fv_arena *a, fv_module *m, int *n) {
    list l = {.arena = a};
    for (fv_func *f = m->funcs; f; f = f->next)
        add_block(&l, f->body);
    make_unique(&l);
    *n = l.n;
    return l.at;
}

/* ---- layers that are left as they are ---- */

const char *fv_quant_skip(fv_arena *a, fv_quant_layer *layers, int n, const char *text) {
    const char **names = FV_NEW(a, const char *, n + 1);
    bool found = false;
    for (int i = 0; i < n; i++) {
        fv_quant_layer *l = &layers[i];
        names[i] = l->name;
        if (strcmp(l->name, text) && !fv_opdef_is_called(l->op->def, text) &&
            fnmatch(text, l->name, 0))
            continue;
        found = true;
        l->why_not = l->why_not ? l->why_not : "skipped";
    }
    if (found)
        return NULL;
    const char *near = fv_nearest(text, names);
    return near ? fv_printf(a, "there is no such layer; did you mean '%s'?", near)
                : "there is no such layer";
}
