/* hints.c - what the graph implies about the values of its inputs, for random ones: an index stays
 * in range, a mask is ones. Walks from each input through the ops that pass values on. */
#include <ctype.h>
#include <string.h>

#include "ir/op.h"
#include "tools/model.h"

enum { LONGEST_WALK = 64, MOST_STEPS = 20000 };

typedef struct walk {
    fv_module *module;
    fv_hint *hint;
    const fv_dim *shift; /* what was added to the values on the way */
    int depth, steps;
} walk;

static void follow(walk *w, const fv_value *v);

/* Ops whose results hold the elements of that operand and no others of interest. */
static bool passes_on(const fv_op *op, int operand) {
    static const char *const first[] = {"Cast", "CastLike", "Identity", "Reshape", "Squeeze",
                                        "Unsqueeze", "Flatten", "Transpose", "Expand", "Slice",
                                        "Split", "Tile", "Gather", "Pad", "Clip", "Dropout", NULL};
    static const char *const any[] = {"Concat", "Max", "Min", "Where", NULL};
    for (int i = 0; first[i] && operand == 0; i++)
        if (fv_op_is(op, first[i]))
            return true;
    for (int i = 0; any[i]; i++)
        if (fv_op_is(op, any[i]))
            return !(fv_op_is(op, "Where") && operand == 0);
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

/* Is that operand an index into another one? Then into how many elements at least. */
static const fv_dim *indexed(walk *w, const fv_op *op, int operand) {
    static const char *const along[] = {"Gather", "fv.Gather", "GatherElements", "ScatterElements", NULL};
    const fv_value *data = fv_op_in(op, 0);
    const fv_dim *d = NULL;
    if (operand != 1 || !data)
        return NULL;
    for (int i = 0; along[i]; i++)
        if (fv_op_is(op, along[i]))
            return dim_of(data, fv_op_int(op, "axis", 0));
    if (!fv_op_is(op, "GatherND") && !fv_op_is(op, "ScatterND"))
        return NULL;
    for (int i = (int)fv_op_int(op, "batch_dims", 0); i < data->type->rank; i++)
        d = d ? fv_dim_min(w->module->dims, d, dim_of(data, i)) : dim_of(data, i);
    return d;
}

/* What an Add adds: one constant number, not negative. */
static const fv_dim *added(walk *w, const fv_op *op, int operand) {
    const fv_value *other = fv_op_in(op, 1 - operand);
    if (!fv_op_is(op, "Add") || !other || other->kind != FV_VALUE_CONST)
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
