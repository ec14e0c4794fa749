/* hints.c - finds from the graph which random values suit its inputs: indices in range, masks of
 * ones. Follows each input through ops that do not change values. */
#include <ctype.h>
#include <string.h>

#include "tools/model/model.h"

enum { LONGEST_WALK = 64, MOST_STEPS = 20000 };

typedef struct walk {
    fv_module *module;
    fv_hint *hint;
    const fv_dim *shift; /* the sum of the numbers that ops on the way have added to the values */
    int depth, steps;
} walk;

static void follow(walk *w, const fv_value *v);

/* Do the results of op consist of the elements of that operand? */
static bool passes_on(const fv_op *op, int operand) {
    static const fv_op_id first[] = {
        FV_OP_Cast,      FV_OP_CastLike, FV_OP_Identity,  FV_OP_Reshape, FV_OP_Squeeze,
        FV_OP_Unsqueeze, FV_OP_Flatten,  FV_OP_Transpose, FV_OP_Expand,  FV_OP_Slice,
        FV_OP_Split,     FV_OP_Tile,     FV_OP_Gather,    FV_OP_Pad,     FV_OP_Clip,
        FV_OP_Dropout,   FV_OP_NONE};
    static const fv_op_id any[] = {FV_OP_Concat, FV_OP_Max, FV_OP_Min, FV_OP_Where, FV_OP_NONE};
    for (int i = 0; first[i] && operand == 0; i++)
        if (fv_op_is(op, first[i]))
            return true;
    for (int i = 0; any[i]; i++)
        if (fv_op_is(op, any[i]))
            return !(fv_op_is(op, FV_OP_Where) && operand == 0);
    return false;
}

static void bound_by(walk *w, const fv_dim *d) {
    fv_dims *t = w->module->dims;
    d = fv_dim_sub(t, d, w->shift);
    w->hint->bound = w->hint->bound ? fv_dim_min(t, w->hint->bound, d) : d;
    w->hint->kind = FV_HINT_INDEX;
}

static const fv_dim *dim_of(const fv_value *v, int64_t axis) {
    if (v->type->kind != FV_TENSOR)
        return NULL;
    axis += axis < 0 ? v->type->rank : 0;
    return axis >= 0 && axis < v->type->rank ? v->type->dims[axis] : NULL;
}

/* If the operand is an index into another operand, the least number of elements from which it
 * selects; NULL: it is not an index. */
static const fv_dim *indexed(walk *w, const fv_op *op, int operand) {
    static const fv_op_id along[] = {FV_OP_Gather, FV_OP_fv_Gather, FV_OP_GatherElements,
                                     FV_OP_ScatterElements, FV_OP_NONE};
    static const struct {
        fv_op_id op;
        int operand, axis; /* number of the indexed operand, and the indexed axis */
    } of_axis[] = {{FV_OP_RoiAlign, 2, 0},
                   {FV_OP_com_microsoft_CropAndResize, 2, 0},
                   {FV_OP_NegativeLogLikelihoodLoss, 1, 1},
                   {FV_OP_SoftmaxCrossEntropyLoss, 1, 1},
                   {FV_OP_NONE, 0, 0}};
    const fv_value *data = fv_op_in(op, 0);
    const fv_dim *d = NULL;
    for (int i = 0; of_axis[i].op && data; i++)
        if (fv_op_is(op, of_axis[i].op) && operand == of_axis[i].operand)
            return dim_of(data, of_axis[i].axis);
    if (operand != 1 || !data)
        return NULL;
    for (int i = 0; along[i]; i++)
        if (fv_op_is(op, along[i]))
            return dim_of(data, fv_op_int(op, "axis"));
    if ((fv_op_is(op, FV_OP_CumSum) || fv_op_is(op, FV_OP_CumProd)) &&
        data->type->kind == FV_TENSOR)
        /* the values are numbers of axes, so they are below the rank */
        return fv_dim_const(w->module->dims, data->type->rank);
    if (!fv_op_is(op, FV_OP_GatherND) && !fv_op_is(op, FV_OP_ScatterND))
        return NULL;
    int batch = fv_op_is(op, FV_OP_GatherND) ? (int)fv_op_int(op, "batch_dims") : 0;
    for (int i = batch; i < data->type->rank; i++)
        d = d ? fv_dim_min(w->module->dims, d, dim_of(data, i)) : dim_of(data, i);
    return d;
}

/* The constant number that an Add adds to the operand; NULL: op is not such an Add, or the number
 * is negative. */
static const fv_dim *added(walk *w, const fv_op *op, int operand) {
    const fv_value *other = fv_op_in(op, 1 - operand);
    if (!fv_op_is(op, FV_OP_Add) || !other || other->kind != FV_VALUE_CONST)
        return NULL;
    const fv_tensor *t = other->tensor;
    if (t->count != 1 || !fv_elem_is_int(t->elem) || fv_tensor_int(t, 0) < 0)
        return NULL;
    return fv_dim_const(w->module->dims, fv_tensor_int(t, 0));
}

static void use(walk *w, const fv_op *op, int operand) {
    const fv_dim *d = indexed(w, op, operand), *more = added(w, op, operand), *before = w->shift;
    if (d)
        bound_by(w, d);
    else if (more)
        w->shift = fv_dim_add(w->module->dims, before, more);
    if (passes_on(op, operand) || more)
        for (int i = 0; i < op->nout; i++)
            if (op->out[i])
                follow(w, op->out[i]);
    w->shift = before;
}

static void follow(walk *w, const fv_value *v) {
    if (++w->depth <= LONGEST_WALK)
        for (int i = 0; i < v->nuses && w->steps++ < MOST_STEPS; i++)
            use(w, v->uses[i].op, v->uses[i].index);
    w->depth--;
}

static bool says(const char *name, const char *word) {
    return strcasestr(name, word) != NULL;
}

/* ---- positions ---- */

enum {
    MOST_POSITIONS = 65536, /* largest number of elements of a constant that is examined */
    DEEPEST = 16
}; /* number of ops through which a value is followed */

static const fv_dim *most_of_constant(fv_module *m, const fv_tensor *t) {
    int64_t most = 0;
    if (!fv_elem_is_int(t->elem) || t->count > MOST_POSITIONS)
        return NULL;
    for (size_t i = 0; i < t->count; i++)
        most = fv_tensor_int(t, i) > most ? fv_tensor_int(t, i) : most;
    return fv_dim_const(m->dims, most);
}

/* The dim that is the only element of an operand; NULL: it is not known. */
static const fv_dim *scalar(fv_module *m, const fv_op *op, int operand) {
    const fv_value *v = fv_op_in(op, operand);
    if (v && v->elems && v->nelems == 1)
        return v->elems[0];
    bool one =
        v && v->kind == FV_VALUE_CONST && v->tensor->count == 1 && fv_elem_is_int(v->tensor->elem);
    return one ? fv_dim_const(m->dims, fv_tensor_int(v->tensor, 0)) : NULL;
}

static const fv_dim *most_of(fv_module *m, const fv_value *v, int depth);

static const fv_dim *most_of_both(fv_module *m, const fv_op *op, int depth,
                                  const fv_dim *(*join)(fv_dims *, const fv_dim *,
                                                        const fv_dim *)) {
    int first = op->nin - 2;
    const fv_dim *a = most_of(m, op->in[first], depth),
                 *b = a ? most_of(m, op->in[first + 1], depth) : NULL;
    return b ? join(m->dims, a, b) : NULL;
}

static const fv_dim *most_of_range(fv_module *m, const fv_op *op) {
    const fv_dim *limit = scalar(m, op, 1), *step = scalar(m, op, 2);
    return limit && step && fv_dim_is_one(step) ? fv_dim_sub(m->dims, limit, step) : NULL;
}

static const fv_dim *most_of_sum(fv_module *m, const fv_op *op, int depth) {
    const fv_dim *each = most_of(m, op->in[0], depth), *axis = scalar(m, op, 1);
    const fv_dim *along =
        each && axis && fv_dim_is_const(axis) ? dim_of(op->in[0], axis->value) : NULL;
    return along ? fv_dim_mul(m->dims, each, along) : NULL;
}

/* The largest element that an integer value usually has, if dims determine it; NULL: it is not
 * known. */
static const fv_dim *most_of(fv_module *m, const fv_value *v, int depth) {
    if (!v || v->type->kind != FV_TENSOR || depth == 0)
        return NULL;
    if (v->type->elem == FV_BOOL)
        return fv_dim_const(m->dims, 1);
    if (v->kind == FV_VALUE_CONST)
        return most_of_constant(m, v->tensor);
    if (v->elems && v->nelems == 1)
        return v->elems[0];
    const fv_op *op = v->def;
    if (!op || v->index > 0)
        return NULL;
    if (fv_op_is(op, FV_OP_Range))
        return most_of_range(m, op);
    if (fv_op_is(op, FV_OP_CumSum))
        return most_of_sum(m, op, depth - 1);
    if (fv_op_is(op, FV_OP_Add) || fv_op_is(op, FV_OP_Mul) || fv_op_is(op, FV_OP_Where))
        return most_of_both(m, op, depth - 1,
                            fv_op_is(op, FV_OP_Add)   ? fv_dim_add
                            : fv_op_is(op, FV_OP_Mul) ? fv_dim_mul
                                                      : fv_dim_max);
    return passes_on(op, 0) ? most_of(m, op->in[0], depth - 1) : NULL;
}

void fv_find_lacks(fv_arena *a, fv_module *m, const fv_dim ***out, int *n) {
    int cap = 0;
    for (const fv_op *op = m->funcs->body->first; op; op = op->next) {
        const fv_dim *rows =
            fv_op_is(op, FV_OP_Gather) ? dim_of(op->in[0], fv_op_int(op, "axis")) : NULL;
        const fv_dim *most = rows ? most_of(m, op->in[1], DEEPEST) : NULL;
        if (!most || fv_dim_is_const(most))
            continue;
        const fv_dim *more =
            fv_dim_sub(m->dims, fv_dim_add(m->dims, most, fv_dim_const(m->dims, 1)), rows);
        FV_PUSH(a, *out, *n, cap, fv_dim_max(m->dims, more, fv_dim_const(m->dims, 0)));
    }
}

void fv_find_hints(fv_arena *a, const fv_module *m, fv_hint **out, int *n) {
    const fv_region *body = m->funcs->body;
    *n = body->nparams;
    *out = FV_NEW(a, fv_hint, *n + 1);
    for (int i = 0; i < *n; i++) {
        const fv_value *v = body->params[i];
        fv_hint *h = &(*out)[i];
        *h = (fv_hint){.name = v->name};
        if (v->type->kind != FV_TENSOR)
            continue;
        walk w = {(fv_module *)m, h, fv_dim_const(m->dims, 0), 0, 0};
        if (fv_elem_is_int(v->type->elem))
            follow(&w, v);
        if (h->kind == FV_HINT_NONE && (v->type->elem == FV_BOOL || says(v->name, "mask")))
            h->kind = FV_HINT_MASK;
    }
}
