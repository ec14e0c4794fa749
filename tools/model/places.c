/* places.c - finds from the graph what the symbols of a model measure: the sides of an image, the
 * length of a sequence or that of a cache. A symbol counts as what the operators use it for that
 * have such axes. */
#include <string.h>

#include "tools/model/model.h"

/* Marks every symbol of the dim. */
static void mark(fv_ptrmap *places, const fv_dim *d, unsigned place) {
    if (d->kind == FV_DIM_SYMBOL) {
        void **at = fv_ptrmap_at(places, d);
        *at = (void *)((uintptr_t)*at | place);
    }
    for (int i = 0; i < d->n; i++)
        mark(places, d->arg[i], place);
}

static const fv_type *tensor(const fv_op *op, int operand, int rank) {
    const fv_value *v = fv_op_in(op, operand);
    return v && v->type->kind == FV_TENSOR && v->type->rank >= rank ? v->type : NULL;
}

static bool is_one_of(const fv_op *op, const fv_op_id *ids) {
    while (*ids && !fv_op_is(op, *ids))
        ids++;
    return *ids != FV_OP_NONE;
}

/* The axes behind batch and channels. */
static void look_at_windows(fv_ptrmap *places, const fv_op *op) {
    static const fv_op_id windows[] = {FV_OP_Conv,         FV_OP_ConvTranspose, FV_OP_ConvInteger,
                                       FV_OP_QLinearConv,  FV_OP_DeformConv,    FV_OP_MaxPool,
                                       FV_OP_AveragePool,  FV_OP_LpPool,        FV_OP_Resize,
                                       FV_OP_Upsample,     FV_OP_GridSample,    FV_OP_DepthToSpace,
                                       FV_OP_SpaceToDepth, FV_OP_NONE};
    const fv_type *t = is_one_of(op, windows) ? tensor(op, 0, 3) : NULL;
    for (int i = 2; t && i < t->rank; i++)
        mark(places, t->dims[i],
             t->rank == 3   ? FV_SYMBOL_SEQUENCE
             : t->rank == 4 ? FV_SYMBOL_IMAGE
                            : FV_SYMBOL_VOLUME);
}

/* Steps of recurrent operators, keys of a softmax, rows of embeddings and of norms. */
static void look_at_sequences(fv_ptrmap *places, const fv_op *op) {
    static const fv_op_id recurrent[] = {FV_OP_LSTM, FV_OP_GRU, FV_OP_RNN, FV_OP_NONE},
                          norms[] = {FV_OP_LayerNormalization,
                                     FV_OP_RMSNormalization,
                                     FV_OP_com_microsoft_SimplifiedLayerNormalization,
                                     FV_OP_com_microsoft_SkipLayerNormalization,
                                     FV_OP_com_microsoft_SkipSimplifiedLayerNormalization,
                                     FV_OP_NONE},
                          heads[] = {FV_OP_Attention, FV_OP_com_microsoft_Attention,
                                     FV_OP_com_microsoft_MultiHeadAttention,
                                     FV_OP_com_microsoft_GroupQueryAttention, FV_OP_NONE};
    const fv_type *t;
    if (is_one_of(op, recurrent) && (t = tensor(op, 0, 3)))
        mark(places, t->dims[fv_op_int(op, "layout") == 1], FV_SYMBOL_SEQUENCE);
    if (is_one_of(op, norms) && (t = tensor(op, 0, 3)) && t->rank == 3)
        mark(places, t->dims[1], FV_SYMBOL_SEQUENCE);
    if (fv_op_is(op, FV_OP_Softmax) && (t = tensor(op, 0, 3)))
        mark(places, t->dims[t->rank - 1], FV_SYMBOL_SEQUENCE);
    for (int i = 0; i < 3 && is_one_of(op, heads); i++)
        if ((t = tensor(op, i, 3)))
            mark(places, t->dims[t->rank - 2], FV_SYMBOL_SEQUENCE);
    if (fv_op_is(op, FV_OP_Gather) && op->in[0]->kind == FV_VALUE_CONST && tensor(op, 0, 2) &&
        (t = tensor(op, 1, 2)))
        mark(places, t->dims[t->rank - 1], FV_SYMBOL_SEQUENCE);
}

/* Is the result an output of the model? */
static bool is_output(const fv_module *m, const fv_value *v) {
    for (int i = 0; i < v->nuses; i++)
        if (v->uses[i].op == m->funcs->body->last)
            return true;
    return false;
}

/* A cache: an input of which an output is the same with more entries behind them. */
static void look_at_caches(const fv_module *m, fv_ptrmap *places, const fv_op *op) {
    if (!fv_op_is(op, FV_OP_Concat) || op->nin < 2 || !is_output(m, op->out[0]))
        return;
    const fv_value *past = op->in[0];
    const fv_type *t = tensor(op, 0, 1);
    int64_t axis = fv_op_int(op, "axis");
    axis += t && axis < 0 ? t->rank : 0;
    if (t && past->kind == FV_VALUE_PARAM && t->dims[axis]->kind == FV_DIM_SYMBOL)
        mark(places, t->dims[axis], FV_SYMBOL_CACHE);
}

void fv_find_places(fv_arena *a, const fv_module *m, fv_symbol_place **out, int *n) {
    fv_ptrmap places = fv_ptrmap_in(a);
    int cap = *n = 0;
    for (const fv_op *op = m->funcs->body->first; op; op = op->next) {
        look_at_windows(&places, op);
        look_at_sequences(&places, op);
        look_at_caches(m, &places, op);
    }
    const fv_dim *const *all;
    for (int i = 0, count = fv_dim_symbols(m->dims, &all); i < count; i++) {
        unsigned place = (unsigned)(uintptr_t)fv_ptrmap_get(&places, all[i]);
        if (place)
            FV_PUSH(a, *out, *n, cap, ((fv_symbol_place){all[i]->name, place}));
    }
}

void fv_find_sizes(fv_arena *a, const fv_module *m, const fv_dim ***out, int *n) {
    fv_ptrmap seen = fv_ptrmap_in(a);
    int cap = *n = 0;
    for (const fv_op *op = m->funcs->body->first; op; op = op->next)
        for (int i = 0; i < op->nout; i++) {
            const fv_type *t = op->out[i] ? op->out[i]->type : NULL;
            if (!t || t->kind != FV_TENSOR)
                continue;
            const fv_dim *size = fv_dim_product(m->dims, t->rank, t->dims);
            void **at = fv_ptrmap_at(&seen, size);
            if (!*at && !fv_dim_is_const(size))
                FV_PUSH(a, *out, *n, cap, size);
            *at = (void *)size;
        }
}
