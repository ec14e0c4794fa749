/* along.c - see along.h. Goes from the values back to the tensor of which they were cut, through
 * ops that are the same for all values. */
#include "passes/attention/along.h"

#include "ir/catalogue/op.h"
#include "ir/graph/infer.h"

enum { MOST = 256 }; /* largest number of ops that one search visits */

typedef struct line {
    fv_rewriter *w; /* the rewriter; NULL: it is only tested whether the values can be joined */
    fv_module *m;
    fv_arena *arena;
    int n;
    int seen; /* number of ops visited so far */
} line;

bool fv_is_elementwise(const fv_op *op) {
    static const fv_op_id ids[] = {FV_OP_Add, FV_OP_Sub,  FV_OP_Mul,   FV_OP_Div,
                                   FV_OP_Neg, FV_OP_Cast, FV_OP_Where, FV_OP_Tanh,
                                   FV_OP_Min, FV_OP_Max,  FV_OP_Not,   FV_OP_Identity};
    for (size_t i = 0; i < sizeof ids / sizeof *ids; i++)
        if (fv_op_is(op, ids[i]))
            return true;
    return false;
}

bool fv_may_follow(const fv_module *m, fv_value *const *v, int n, int axis) {
    const fv_type *t = v[0]->type;
    for (int i = 1; i < n; i++) {
        const fv_type *u = v[i]->type;
        if (u->elem != t->elem || u->rank != t->rank)
            return false;
        for (int k = 0; k < t->rank; k++)
            if (k != axis && !fv_module_equal(m, t->dims[k], u->dims[k]))
                return false;
    }
    return axis >= 0 && axis < t->rank;
}

int fv_next_axis(const fv_type *t, int i) {
    while (i < t->rank && fv_dim_is_one(t->dims[i]))
        i++;
    return i;
}

bool fv_is_squeeze(const fv_module *m, const fv_type *a, const fv_type *b, int *axis) {
    int i = fv_next_axis(a, 0), k = fv_next_axis(b, 0), to = -1;
    for (; i < a->rank && k < b->rank; i = fv_next_axis(a, i + 1), k = fv_next_axis(b, k + 1)) {
        if (!fv_module_equal(m, a->dims[i], b->dims[k]))
            return false;
        to = i == *axis ? k : to;
    }
    *axis = to;
    return i == a->rank && k == b->rank;
}

bool fv_broadcasts_to(const fv_module *m, const fv_type *a, const fv_type *b) {
    for (int i = 1; i <= a->rank && i <= b->rank; i++)
        if (!fv_dim_is_one(a->dims[a->rank - i]) &&
            !fv_module_equal(m, a->dims[a->rank - i], b->dims[b->rank - i]))
            return false;
    return a->rank <= b->rank;
}

/* Are the values the single results of the same operator, with equal attributes and the same number
 * of operands? The dims of fv.Reshape and fv.Expand are not compared here. */
static bool are_alike(const line *l, fv_value *const *v) {
    for (int i = 0; i < l->n; i++) {
        if (v[i]->kind != FV_VALUE_RESULT || v[0]->kind != FV_VALUE_RESULT)
            return false;
        const fv_op *a = v[0]->def, *b = v[i]->def;
        if (a->def != b->def || a->nin != b->nin || a->nattrs != b->nattrs || b->nout != 1)
            return false;
        bool view = fv_op_is(a, FV_OP_fv_Reshape) || fv_op_is(a, FV_OP_fv_Expand);
        for (int k = 0; k < a->nattrs; k++) {
            const fv_attr *other = fv_op_find_attr(b, a->attrs[k].name);
            if (!other || (!view && !fv_attr_equal(&a->attrs[k], other)))
                return false;
        }
    }
    return true;
}

static bool are_one(const line *l, fv_value *const *v) {
    for (int i = 1; i < l->n; i++)
        if (v[i] != v[0])
            return false;
    return true;
}

static fv_value **operands(const line *l, fv_value *const *v, int k) {
    fv_value **in = FV_NEW(l->arena, fv_value *, l->n);
    for (int i = 0; i < l->n; i++)
        in[i] = v[i]->def->in[k];
    return in;
}

static fv_value *concat(const line *l, fv_value *const *v, int axis) {
    fv_attr a = fv_attr_int(l->m, "axis", axis);
    return !l->w ? v[0] : fv_w_op(l->w, FV_OP_Concat, l->n, v, 1, &a);
}

/* A new op like the one that computes v[0], with other operands; returns its result. Without a
 * rewriter, returns v[0]. */
static fv_value *again(const line *l, fv_value *const *v, fv_value *const *in) {
    const fv_op *op = v[0]->def;
    return !l->w ? v[0] : fv_w_def(l->w, op->def, op->nin, in, op->nattrs, op->attrs);
}

int fv_aligned_axis(const fv_value *operand, const fv_value *of, int axis) {
    int a = axis - (of->type->rank - operand->type->rank);
    return a < 0 || fv_dim_is_one(operand->type->dims[a]) ? -1 : a;
}

/* ---- slices ---- */

static const fv_dim *slice_dim(const fv_value *v, const char *name, int i) {
    return fv_op_find_attr(v->def, name)->u.dims[i];
}

static bool are_cut(const line *l, fv_value *const *v, int axis) {
    for (int i = 0; i < l->n; i++) {
        if (v[i]->kind != FV_VALUE_RESULT || !fv_op_is(v[i]->def, FV_OP_fv_Slice) ||
            v[i]->def->in[0] != v[0]->def->in[0])
            return false;
        for (int k = 0; k < v[0]->type->rank; k++) {
            const fv_dim *want = slice_dim(v[0], "start", k), *step = slice_dim(v[i], "step", k);
            if (k == axis && i > 0)
                want = fv_dim_add(l->m->dims, slice_dim(v[i - 1], "start", k),
                                  v[i - 1]->type->dims[k]);
            if (!fv_module_equal(l->m, slice_dim(v[i], "start", k), want) ||
                step != slice_dim(v[0], "step", k) || (k == axis && !fv_dim_is_one(step)))
                return false;
        }
    }
    return true;
}

/* The sum of the lengths of all values along the axis. */
static const fv_dim *length(const line *l, fv_value *const *v, int axis) {
    const fv_dim *sum = v[0]->type->dims[axis];
    for (int i = 1; i < l->n; i++)
        sum = fv_dim_add(l->m->dims, sum, v[i]->type->dims[axis]);
    return sum;
}

static const fv_dim **longer(const line *l, fv_value *const *v, int axis) {
    const fv_type *t = v[0]->type;
    const fv_dim **dims = FV_NEW(l->arena, const fv_dim *, t->rank);
    for (int i = 0; i < t->rank; i++)
        dims[i] = i == axis ? length(l, v, axis) : t->dims[i];
    return dims;
}

static fv_value *uncut(const line *l, fv_value *const *v, int axis) {
    fv_value *from = v[0]->def->in[0];
    const fv_dim **dims = longer(l, v, axis);
    bool whole = true;
    for (int i = 0; i < v[0]->type->rank; i++) {
        const fv_dim *start = slice_dim(v[0], "start", i);
        whole &= fv_dim_is_const(start) && start->value == 0 &&
                 fv_dim_is_one(slice_dim(v[0], "step", i)) &&
                 fv_module_equal(l->m, dims[i], from->type->dims[i]);
    }
    if (whole || !l->w)
        return from;
    return fv_w_slice(l->w, from, fv_op_find_attr(v[0]->def, "start")->u.dims,
                      fv_op_find_attr(v[0]->def, "step")->u.dims, dims);
}

/* ---- joining without a copy ---- */

static fv_value *join(line *l, fv_value *const *v, int axis);

static fv_value *join_elementwise(line *l, fv_value *const *v, int axis) {
    const fv_op *op = v[0]->def;
    fv_value *in[FV_MAX_IN];
    if (op->nin > FV_MAX_IN)
        return NULL;
    for (int k = 0; k < op->nin; k++) {
        fv_value **x = operands(l, v, k);
        int a = fv_aligned_axis(x[0], v[0], axis);
        for (int i = 1; i < l->n; i++)
            if (fv_aligned_axis(x[i], v[i], axis) != a)
                return NULL;
        in[k] = a < 0 ? (are_one(l, x) ? x[0] : NULL) : join(l, x, a);
        if (!in[k])
            return NULL;
    }
    return again(l, v, in);
}

static const fv_dim *after(const line *l, const fv_type *t, int axis) {
    return fv_dim_product(l->m->dims, t->rank - axis - 1, t->dims + axis + 1);
}

/* The axis of the operands of Reshapes that becomes `axis` of their results: it has the same
 * length, and as many elements follow it (the product of the dims after it); -1: there is none. */
static int reshaped(const line *l, fv_value *const *v, int axis) {
    const fv_type *from = v[0]->def->in[0]->type;
    for (int a = 0; a < from->rank; a++) {
        bool same = true;
        for (int i = 0; i < l->n && same; i++) {
            const fv_type *t = v[i]->def->in[0]->type;
            same = t->rank == from->rank &&
                   fv_module_equal(l->m, t->dims[a], v[i]->type->dims[axis]) &&
                   fv_module_equal(l->m, after(l, t, a), after(l, v[i]->type, axis));
        }
        if (same)
            return a;
    }
    return -1;
}

static fv_value *join_view(line *l, fv_value *const *v, int axis) {
    const fv_op *op = v[0]->def;
    fv_value **in = operands(l, v, 0), *x;
    if (fv_op_is(op, FV_OP_Transpose)) {
        int n;
        const int64_t *perm = fv_op_ints(op, "perm", &n);
        x = perm ? join(l, in, (int)perm[axis]) : NULL;
        return x ? again(l, v, &x) : NULL;
    }
    int a =
        fv_op_is(op, FV_OP_fv_Reshape) ? reshaped(l, v, axis) : fv_aligned_axis(in[0], v[0], axis);
    x = a < 0 ? NULL : join(l, in, a);
    if (!x || !l->w)
        return x;
    const fv_dim **dims = longer(l, v, axis);
    return fv_op_is(op, FV_OP_fv_Reshape) ? fv_w_reshape(l->w, x, v[0]->type->rank, dims)
                                          : fv_w_expand(l->w, x, v[0]->type->rank, dims);
}

static fv_value *join_one(line *l, fv_value *const *v, int axis) {
    bool constants = true;
    for (int i = 0; i < l->n; i++)
        constants &= v[i]->kind == FV_VALUE_CONST;
    if (!fv_may_follow(l->m, v, l->n, axis))
        return NULL;
    if (constants)
        return concat(l, v, axis);
    if (are_cut(l, v, axis))
        return uncut(l, v, axis);
    if (!are_alike(l, v))
        return NULL;
    if (fv_is_elementwise(v[0]->def))
        return join_elementwise(l, v, axis);
    bool view = fv_op_is(v[0]->def, FV_OP_Transpose) || fv_op_is(v[0]->def, FV_OP_fv_Reshape) ||
                fv_op_is(v[0]->def, FV_OP_fv_Expand);
    return view ? join_view(l, v, axis) : NULL;
}

/* The values v joined along the axis to one value, if only constants have to be copied for that;
 * NULL otherwise, or if the search visits too many ops. Without a rewriter, any value that is not
 * NULL means that this is possible. */
static fv_value *join(line *l, fv_value *const *v, int axis) {
    return l->seen++ < MOST ? join_one(l, v, axis) : NULL;
}

static fv_value *along(line *l, fv_value *const *v, int axis) {
    line asks = {NULL, l->m, l->arena, l->n, 0}, builds = {l->w, l->m, l->arena, l->n, 0};
    if (join(&asks, v, axis))
        return join(&builds, v, axis);
    if (l->seen++ < MOST && are_alike(l, v) && fv_op_is(v[0]->def, FV_OP_Transpose)) {
        int n;
        const int64_t *perm = fv_op_ints(v[0]->def, "perm", &n);
        fv_value **in = operands(l, v, 0),
                 *x = perm && fv_may_follow(l->m, in, l->n, (int)perm[axis])
                          ? along(l, in, (int)perm[axis])
                          : NULL;
        if (x)
            return again(l, v, &x);
    }
    return concat(l, v, axis);
}

fv_value *fv_w_along(fv_rewriter *w, fv_arena *a, fv_value *const *v, int n, int axis) {
    line l = {w, w->module, a, n, 0};
    return along(&l, v, axis);
}

/* ---- scores ---- */

static bool is_matrix_product(const line *l, fv_value *const *v) {
    for (int i = 0; i < l->n; i++)
        if (v[i]->def->in[1]->type->rank < 2)
            return false;
    fv_value **right = operands(l, v, 1);
    return are_one(l, operands(l, v, 0)) &&
           fv_may_follow(l->m, right, l->n, right[0]->type->rank - 1);
}

/* Can operand k of elementwise ops over columns be joined? It must be the same for all columns, or
 * be values that can be joined; *a is the axis of columns in it, -1 for the former. */
static bool is_fit(const line *l, fv_value *const *v, int k, int *a) {
    fv_value **x = operands(l, v, k);
    *a = fv_aligned_axis(x[0], v[0], v[0]->type->rank - 1);
    for (int i = 0; i < l->n; i++)
        if (fv_aligned_axis(x[i], v[i], v[i]->type->rank - 1) != *a)
            return false;
    return *a < 0 ? are_one(l, x) : fv_may_follow(l->m, x, l->n, *a);
}

static bool are_scores(line *l, fv_value *const *v) {
    bool found = false;
    int a;
    if (l->seen++ >= MOST || !are_alike(l, v) ||
        !fv_may_follow(l->m, v, l->n, v[0]->type->rank - 1))
        return false;
    if (fv_op_is(v[0]->def, FV_OP_fv_MatMul))
        return is_matrix_product(l, v);
    if (!fv_is_elementwise(v[0]->def))
        return false;
    for (int k = 0; k < v[0]->def->nin; k++) {
        if (!is_fit(l, v, k, &a))
            return false;
        found = found || (a >= 0 && are_scores(l, operands(l, v, k)));
    }
    return found;
}

bool fv_are_scores(fv_module *m, fv_arena *a, fv_value *const *v, int n) {
    line l = {NULL, m, a, n, 0};
    return are_scores(&l, v);
}

static fv_value *scores(line *l, fv_value *const *v) {
    const fv_op *op = v[0]->def;
    fv_value *in[FV_MAX_IN];
    if (fv_op_is(op, FV_OP_fv_MatMul)) {
        fv_value **right = operands(l, v, 1);
        in[0] = op->in[0];
        in[1] = along(l, right, right[0]->type->rank - 1);
        return again(l, v, in);
    }
    for (int k = 0; k < op->nin; k++) {
        fv_value **x = operands(l, v, k);
        int a = fv_aligned_axis(x[0], v[0], v[0]->type->rank - 1);
        in[k] = a < 0                                    ? x[0]
                : fv_are_scores(l->m, l->arena, x, l->n) ? scores(l, x)
                                                         : along(l, x, a);
    }
    return again(l, v, in);
}

fv_value *fv_w_scores(fv_rewriter *w, fv_arena *a, fv_value *const *v, int n) {
    line l = {w, w->module, a, n, 0};
    return scores(&l, v);
}
