/* merge.c - the pass `merge-qkv`: contractions of one input become one: queries, keys and values of
 * attention, or the keys and values of cross attention.
 *
 *     q = x wq + bq                            y = x [wq wk wv] + [bq bk bv]
 *     k = x wk + bk            =>              q = y[.., 0:n]
 *     v = x wv + bv                            k = y[.., n:2n], ...
 *
 * Each element is the same sum of the same products, so no bit changes. Weights are constants,
 * possibly transposed. They stay separate constants, of which the graph has the concatenation;
 * their panels are packed from all of them when the model is compiled, so no weight is stored
 * twice. A bias may be added before or after the heads are split. A scale, such as that of the
 * queries, becomes a factor of the columns after the bias, so it may be any number.
 *
 * A contraction is merged only if its readers read memory anyway: products, slices, or several
 * readers. A result of the model, an operand of a Concat, and a value that is followed by
 * elementwise work or a gate are not merged: their kernels write them where and in the form they
 * are needed, and after the merge they would have to be copied.
 *
 * This is no rewrite rule: a rule replaces one op according to what it reads, and here several ops
 * that read the same value become one.
 *
 * Needs the form that legalise gives; leaves the replaced ops to remove-dead. */
#include <math.h>

#include "ir/base/ptrmap.h"
#include "ir/catalogue/op.h"
#include "ir/graph/rewriter.h"
#include "passes/internal.h"

enum { MOST = 3, MOST_VIEWS = 8 };

/* A contraction with a constant, and the bias and scale that follow it and can be merged with
 * it. */
typedef struct projection {
    fv_op *product;
    fv_value *weight; /* the constant factor of the contraction */
    bool transposed;  /* whether the rows of `weight` are the columns of the product */
    int64_t columns;
    /* the ops that add the bias (Add) and apply the scale (Mul or Div); NULL: there is none */
    fv_op *bias, *scale;
    fv_value *added;         /* the constant that `bias` adds */
    double factor;           /* the number by which `scale` multiplies */
    struct projection *next; /* the next projection of the same input */
} projection;

static fv_value *only_result(const fv_op *op) {
    return op->nout == 1 ? op->out[0] : NULL;
}

static fv_op *only_use(const fv_value *v) {
    return v->nuses == 1 ? v->uses[0].op : NULL;
}

static bool is_view(const fv_op *op) {
    return fv_op_is(op, FV_OP_fv_Reshape) || fv_op_is(op, FV_OP_Transpose) ||
           fv_op_is(op, FV_OP_fv_Expand);
}

/* ---- weights ---- */

static bool find_weight(fv_value *w, projection *p) {
    const fv_op *op = w->kind == FV_VALUE_RESULT ? w->def : NULL;
    p->transposed = op && fv_op_is(op, FV_OP_Transpose) && op->in[0]->kind == FV_VALUE_CONST;
    p->weight = p->transposed ? op->in[0] : w;
    if (p->weight->kind != FV_VALUE_CONST || w->type->rank != 2 || w->type->dims[1]->value <= 0)
        return false;
    p->columns = w->type->dims[1]->value;
    return w->type->elem == FV_F32 || w->type->elem == FV_F64;
}

/* ---- users of the contractions ---- */

/* The other operand of op besides v, if that operand is a constant and the result has the type of
 * v; NULL otherwise. */
static fv_value *constant_beside(const fv_op *op, const fv_value *v) {
    fv_value *other = op->nin == 2 ? op->in[op->in[0] == v] : NULL;
    return other && other->kind == FV_VALUE_CONST && other != v &&
                   fv_type_equal(op->out[0]->type, v->type)
               ? other
               : NULL;
}

/* Does the bias have one element for each of `columns` columns, which are the last axes of t? */
static bool is_of_columns(const fv_type *bias, const fv_type *t, int64_t columns) {
    int64_t n = 1;
    for (int i = 1; i <= bias->rank; i++) {
        const fv_dim *d = bias->dims[bias->rank - i];
        if (n < columns && (i > t->rank || d != t->dims[t->rank - i]))
            return false;
        if (n == columns && !fv_dim_is_one(d))
            return false;
        n *= d->value;
    }
    return n == columns;
}

/* Finds the bias that is added to v: to the product, or to the product with its last axis
 * reshaped. */
static bool find_bias(fv_value *v, projection *p) {
    fv_op *use = only_use(v);
    if (use && fv_op_is(use, FV_OP_fv_Reshape)) {
        v = use->out[0];
        use = only_use(v);
    }
    fv_value *c = use && fv_op_is(use, FV_OP_Add) ? constant_beside(use, v) : NULL;
    if (!c || c->type->elem != v->type->elem || !is_of_columns(c->type, v->type, p->columns))
        return false;
    p->bias = use;
    p->added = c;
    return true;
}

/* Does x / c equal x * (1 / c) to the bit for every x? It does for powers of two. */
static bool has_exact_reciprocal(double c) {
    int e;
    return fabs(frexp(c, &e)) == 0.5 && e > -100 && e < 100;
}

/* Finds the constant factor by which v is multiplied or divided, also after a chain of up to
 * MOST_VIEWS views, each of which has one user only. */
static void find_scale(fv_value *v, projection *p) {
    fv_op *use = only_use(v);
    for (int i = 0; use && is_view(use) && i < MOST_VIEWS; i++) {
        v = use->out[0];
        use = only_use(v);
    }
    bool divides = use && fv_op_is(use, FV_OP_Div) && use->in[0] == v;
    fv_value *c = divides || (use && fv_op_is(use, FV_OP_Mul)) ? constant_beside(use, v) : NULL;
    if (!c || c->tensor->count != 1 || c->type->elem != v->type->elem)
        return;
    double factor = fv_tensor_float(c->tensor, 0);
    if (divides && !has_exact_reciprocal(factor))
        return;
    p->scale = use;
    p->factor = divides ? 1 / factor : factor;
}

/* Do all readers of v read it from memory in any case, so that a view serves them as well? */
static bool is_read_where_it_lies(const fv_value *v, const fv_region *block, int depth) {
    bool several = false;
    if (!v->nuses || !depth)
        return false;
    for (int i = 1; i < v->nuses; i++)
        several |= v->uses[i].op != v->uses[0].op;
    for (int i = 0; i < v->nuses; i++) {
        const fv_op *op = v->uses[i].op;
        if (op->block != block || op->def->has_effect || op->def->kernel ||
            op->def == &fv_return_def || fv_op_is(op, FV_OP_Concat))
            return false;
        if (is_view(op)
                ? !is_read_where_it_lies(op->out[0], block, depth - 1)
                : !several && !fv_op_is(op, FV_OP_fv_MatMul) && !fv_op_is(op, FV_OP_fv_Slice))
            return false;
    }
    return true;
}

static bool is_projection(fv_op *op, projection *p) {
    *p = (projection){.product = op};
    if (!fv_op_is(op, FV_OP_fv_MatMul) || op->in[0]->kind == FV_VALUE_CONST ||
        !find_weight(op->in[1], p))
        return false;
    fv_value *end = only_result(op);
    if (find_bias(end, p))
        end = p->bias->out[0];
    find_scale(end, p);
    if (p->scale)
        end = p->scale->out[0];
    return is_read_where_it_lies(end, op->block, MOST_VIEWS);
}

/* ---- one for all ---- */

/* A constant with one element for each column, concatenated from the biases or from the scales of
 * the projections; a missing scale is 1. */
static fv_value *of_columns(fv_rewriter *w, int n, projection *const *all, bool scales) {
    int64_t columns = 0, at = 0;
    for (int i = 0; i < n; i++)
        columns += all[i]->columns;
    fv_elem e = all[0]->weight->type->elem;
    fv_tensor *t = fv_tensor_new(w->module->arena, e, 1, &columns);
    for (int i = 0; i < n; i++)
        for (int64_t k = 0; k < all[i]->columns; k++, at++) {
            double of = scales ? all[i]->scale ? all[i]->factor : 1
                               : fv_tensor_float(all[i]->added->tensor, (size_t)k);
            fv_tensor_set_float(t, (size_t)at, of);
        }
    const char *name = fv_printf(w->module->arena, "%s.%s", all[0]->product->out[0]->name,
                                 scales ? "scales" : "bias");
    return fv_const_new(w->module, name, t);
}

static fv_value *weights(fv_rewriter *w, int n, projection *const *all) {
    static const int swap[2] = {1, 0};
    fv_value *in[MOST];
    /* whether all weights are transposed, so that the merged weight is their concatenation along
     * rows */
    bool rows = true;
    for (int i = 0; i < n; i++)
        rows &= all[i]->transposed;
    for (int i = 0; i < n; i++)
        in[i] =
            all[i]->transposed && !rows ? fv_w_transpose(w, all[i]->weight, swap) : all[i]->weight;
    fv_attr axis = fv_attr_int(w->module, "axis", rows ? 0 : 1);
    fv_value *joined = fv_w_op(w, FV_OP_Concat, n, in, 1, &axis);
    return rows && joined ? fv_w_transpose(w, joined, swap) : joined;
}

/* The slice of y that replaces the result of one of the contractions. */
static fv_value *part(fv_rewriter *w, fv_value *y, int64_t first, const fv_type *t) {
    const fv_dim *start[FV_MAX_RANK], *step[FV_MAX_RANK];
    for (int i = 0; i < t->rank; i++) {
        start[i] = fv_dim_const(w->module->dims, i == t->rank - 1 ? first : 0);
        step[i] = fv_dim_const(w->module->dims, 1);
    }
    return fv_w_slice(w, y, start, step, t->dims);
}

static fv_value *computed_operand(const fv_op *op) {
    return op->in[op->in[0]->kind == FV_VALUE_CONST];
}

/* Replaces the result of op by `made`; op has no readers afterwards. */
static void replace(fv_rewriter *w, const fv_op *op, fv_value *made) {
    fv_replace_uses(op->out[0], made);
    if (made->kind == FV_VALUE_RESULT)
        fv_value_take_name(w->module, made, op->out[0]);
}

static const fv_origin *origin_of(fv_module *m, int n, projection *const *all) {
    const fv_origin *o = all[0]->product->origin;
    for (int i = 0; i < n; i++) {
        o = i ? fv_origin_join(m, o, all[i]->product->origin) : o;
        o = all[i]->bias ? fv_origin_join(m, o, all[i]->bias->origin) : o;
        o = all[i]->scale ? fv_origin_join(m, o, all[i]->scale->origin) : o;
    }
    return o;
}

static bool merge(fv_pass_run *r, int n, projection *const *all) {
    fv_rewriter w = fv_rewriter_at(all[0]->product);
    fv_op *first = all[0]->product, *before = first->prev;
    int64_t at = 0;
    bool scaled = false;
    const char *what = n == 2 ? "two of one input" : "three of one input";
    for (int i = 0; i < n; i++)
        scaled |= all[i]->scale != NULL;
    fv_value *y = FV_W2(&w, FV_OP_fv_MatMul, first->in[0], weights(&w, n, all));
    if (y && all[0]->bias)
        y = FV_W2(&w, FV_OP_Add, y, of_columns(&w, n, all, false));
    if (y && scaled)
        y = FV_W2(&w, FV_OP_Mul, y, of_columns(&w, n, all, true));
    fv_value *parts[MOST] = {NULL};
    for (int i = 0; i < n && y; at += all[i++]->columns)
        parts[i] = part(&w, y, at, all[i]->product->out[0]->type);
    if (w.failed)
        return false;
    if (!fv_pass_may(r, what, first))
        return true;
    const fv_origin *origin = origin_of(r->module, n, all);
    for (fv_op *op = before ? before->next : first->block->first; op != first; op = op->next)
        op->origin = origin;
    for (int i = 0; i < n; i++) {
        if (all[i]->scale) /* views between product and scale stay: they will read the slice */
            replace(&w, all[i]->scale, computed_operand(all[i]->scale));
        if (all[i]->bias)
            replace(&w, all[i]->bias, computed_operand(all[i]->bias));
        replace(&w, all[i]->product, parts[i]);
    }
    fv_pass_count_one(r, what);
    return true;
}

/* ---- all ---- */

/* Appends a projection to the list of those with the same input; `inputs` lists the inputs in the
 * order of their first projections. */
static void note(fv_pass_run *r, fv_ptrmap *of, fv_value ***inputs, int *n, int *cap,
                 const projection *found) {
    projection **at = (projection **)fv_ptrmap_at(of, found->product->in[0]),
               *p = FV_NEW(r->arena, projection, 1);
    *p = *found;
    if (!*at)
        FV_PUSH(r->arena, *inputs, *n, *cap, found->product->in[0]);
    while (*at)
        at = &(*at)->next;
    *at = p;
}

static bool go_together(const projection *a, const projection *b) {
    return !a->bias == !b->bias && a->weight->type->elem == b->weight->type->elem;
}

static bool merge_of_input(fv_pass_run *r, projection *list) {
    for (projection *p = list; p; p = p->next) {
        projection *all[MOST] = {p};
        int n = 1;
        for (projection *q = p->next; p->product && q && n < MOST; q = q->next)
            if (q->product && go_together(p, q))
                all[n++] = q;
        if (n > 1 && !merge(r, n, all))
            return false;
        for (int i = 0; i < n && n > 1; i++)
            all[i]->product = NULL;
    }
    return true;
}

static bool merge_block(fv_pass_run *r, fv_region *block) {
    fv_ptrmap of = fv_ptrmap_in(r->arena); /* input -> its projections */
    fv_value **inputs = NULL;
    int n = 0, cap = 0;
    for (fv_op *op = block->first; op; op = op->next) {
        projection p;
        for (int i = 0; i < op->nattrs; i++)
            if (op->attrs[i].kind == FV_ATTR_REGION && !merge_block(r, op->attrs[i].u.region))
                return false;
        if (is_projection(op, &p))
            note(r, &of, &inputs, &n, &cap, &p);
    }
    for (int i = 0; i < n; i++)
        if (!merge_of_input(r, fv_ptrmap_get(&of, inputs[i])))
            return false;
    return true;
}

bool fv_pass_merge_qkv(fv_pass_run *r) {
    for (fv_func *f = r->module->funcs; f; f = f->next)
        if (!merge_block(r, f->body))
            return false;
    return true;
}
