/* select.c - operators that select elements by their values: the k largest, those that are not
 * zero, the unique ones. Their number often depends on data: it is bound to a symbol, which is a
 * dim of the results.
 *
 * Sorting is done by fv.Order, with a heap of positions, or by the kernel of order.c. NaN counts as
 * larger than every number. */
#include "ops/tensor/select.h"

#include "ir/base/limits.h"
#include "ir/definition/custom.h"
#include "ir/dim/text.h"
#include "ir/graph/infer.h"
#include "ir/rule/body.h"
#include "ops/attention/attend.h"
#include "ops/common/dims.h"
#include "ops/tensor/order.h"

/* ---- comparing items: rows of elements at x[a, i, c, 0], x[a, i, c, 1], ..., or single elements
 * x[a, i] ---- */

typedef struct items {
    fv_custom *c;
    fv_buf *x;
    fv_expr *a, *line; /* the indices before and after the axis of items */
    bool descending;
} items;

static fv_expr *bin(fv_custom *c, fv_expr_op op, fv_expr *x, fv_expr *y) {
    return fv_x_bin(c->arena, op, x, y);
}

static fv_expr *element(const items *t, fv_expr *i, fv_expr *k) {
    fv_expr *index[4] = {t->a, i, t->line, k};
    fv_expr *e = fv_custom_load(t->c, t->x, index);
    return fv_kb_let(&t->c->b, "e",
                     e->type.elem == FV_BOOL ? fv_x_convert(t->c->arena, FV_U8, e) : e);
}

/* Whether x comes before y. */
static fv_expr *leads(const items *t, fv_expr *x, fv_expr *y) {
    fv_custom *c = t->c;
    fv_expr *less = t->descending ? bin(c, FV_X_LT, y, x) : bin(c, FV_X_LT, x, y);
    if (!fv_elem_is_float((fv_elem)x->type.elem))
        return less;
    fv_expr *nx = bin(c, FV_X_NE, x, x), *ny = bin(c, FV_X_NE, y, y);
    fv_expr *nan = t->descending ? bin(c, FV_X_AND, nx, fv_x_un(c->arena, FV_X_NOT, ny))
                                 : bin(c, FV_X_AND, ny, fv_x_un(c->arena, FV_X_NOT, nx));
    return bin(c, FV_X_OR, less, nan);
}

/* 0: items i and j are equal; 1: i comes before j; 2: after it. */
static fv_expr *compare(const items *t, fv_expr *i, fv_expr *j) {
    fv_custom *c = t->c;
    fv_arena *a = c->arena;
    fv_expr *zero = fv_x_int(a, 0), *one = fv_x_int(a, 1), *two = fv_x_int(a, 2),
            *size = t->x->rank == 2 ? one : t->x->extent[3];
    int64_t n;
    bool single = fv_x_is_int(size, &n) && n == 1;
    fv_buf *order = fv_kb_tile(&c->b, "order", FV_I64, 0, NULL, zero), *k = NULL;
    if (!single) {
        k = fv_kb_tile(&c->b, "k", FV_I64, 0, NULL, zero);
        fv_kb_while(&c->b, bin(c, FV_X_AND, bin(c, FV_X_LT, fv_x_load(a, k, NULL), size),
                               bin(c, FV_X_EQ, fv_x_load(a, order, NULL), zero)));
    }
    fv_expr *at = single ? zero : fv_kb_let(&c->b, "at", fv_x_load(a, k, NULL));
    fv_expr *x = element(t, i, at), *y = element(t, j, at);
    fv_expr *behind = fv_x_select(a, leads(t, y, x), two, zero);
    fv_kb_store(&c->b, order, NULL, fv_x_select(a, leads(t, x, y), one, behind), NULL);
    if (!single) {
        fv_kb_store(&c->b, k, NULL, bin(c, FV_X_ADD, at, one), NULL);
        fv_kb_end(&c->b);
    }
    return fv_kb_let(&c->b, "order", fv_x_load(a, order, NULL));
}

/* Whether item i comes before item j; of equal items the one with the lower position comes
 * first. */
static fv_expr *before(const items *t, fv_expr *i, fv_expr *j) {
    fv_expr *order = compare(t, i, j);
    fv_expr *tie = bin(t->c, FV_X_AND, bin(t->c, FV_X_EQ, order, fv_x_int(t->c->arena, 0)),
                       bin(t->c, FV_X_LT, i, j));
    return fv_kb_let(&t->c->b, "before",
                     bin(t->c, FV_X_OR, bin(t->c, FV_X_EQ, order, fv_x_int(t->c->arena, 1)), tie));
}

/* ---- fv.Order: positions of the first k of n items ---- */

/* Checks that k is at most n and not negative. */
static bool first_of(fv_op *op, const fv_dim *k, const fv_dim *n) {
    fv_module *m = fv_op_module(op);
    const fv_dim *fits = fv_dim_max(m->dims, fv_dim_const(m->dims, 0), fv_dim_min(m->dims, k, n));
    const char *some = fv_dim_str(m->arena, k), *all = fv_dim_str(m->arena, n);
    return fv_module_require(m, k, fits, "k of TopK",
                             fv_printf(m->arena, "0 <= %s <= %s", some, all)) ||
           fv_op_error(op, "k is %s, the axis has %s", some, all);
}

static bool infer_order(fv_op *op) {
    const fv_attr *d = fv_op_find_attr(op, "dims");
    const fv_type *x = fv_in_type(op, 0);
    fv_module *m = fv_op_module(op);
    const int n = x->rank == 2 ? 2 : 3;
    if (x->rank == 3)
        return fv_op_error(op, "input 'X' has rank 3, expected 2 or 4");
    if (d->n != n)
        return fv_op_error(op, "has %d dims, expected %d", d->n, n);
    for (int i = 0; i < n; i += 2)
        if (!fv_module_assume(m, d->u.dims[i], x->dims[i], "lines of items"))
            return fv_op_error(op, "has %s on axis %d, X has %s",
                               fv_dim_str(m->arena, d->u.dims[i]), i,
                               fv_dim_str(m->arena, x->dims[i]));
    fv_infer_out(op, 0, FV_I64, n, d->u.dims);
    return first_of(op, d->u.dims[1], x->dims[1]);
}

typedef struct heap {
    items *t;
    fv_buf *y; /* a heap of positions: no node comes after its parent in the order */
} heap;

static fv_expr *slot(const heap *h, fv_expr *i) {
    fv_expr *index[3] = {h->t->a, i, h->t->line};
    return fv_kb_let(&h->t->c->b, "item", fv_x_load(h->t->c->arena, h->y, index));
}

static void put(const heap *h, fv_expr *i, fv_expr *item) {
    fv_expr *index[3] = {h->t->a, i, h->t->line};
    fv_kb_store(&h->t->c->b, h->y, index, item, NULL);
}

/* Inserts `item` at `start` or below; children that come after it move up. */
static void sift(const heap *h, fv_expr *start, fv_expr *size, fv_expr *item) {
    fv_custom *c = h->t->c;
    fv_arena *a = c->arena;
    fv_expr *one = fv_x_int(a, 1), *two = fv_x_int(a, 2);
    fv_buf *at = fv_kb_tile(&c->b, "at", FV_I64, 0, NULL, start);
    fv_buf *child = fv_kb_tile(&c->b, "child", FV_I64, 0, NULL,
                               bin(c, FV_X_ADD, bin(c, FV_X_MUL, start, two), one));
    fv_kb_while(&c->b, bin(c, FV_X_LT, fv_x_load(a, child, NULL), size));
    fv_expr *left = fv_kb_let(&c->b, "left", fv_x_load(a, child, NULL));
    fv_expr *right = fv_kb_let(
        &c->b, "right", bin(c, FV_X_MIN, bin(c, FV_X_ADD, left, one), bin(c, FV_X_SUB, size, one)));
    fv_expr *x = slot(h, left), *y = slot(h, right), *swap = before(h->t, x, y);
    fv_expr *last = fv_kb_let(&c->b, "last", fv_x_select(a, swap, y, x));
    fv_expr *where = fv_kb_let(&c->b, "where", fv_x_select(a, swap, right, left));
    fv_kb_if(&c->b, before(h->t, item, last));
    put(h, fv_kb_let(&c->b, "up", fv_x_load(a, at, NULL)), last);
    fv_kb_store(&c->b, at, NULL, where, NULL);
    fv_kb_store(&c->b, child, NULL, bin(c, FV_X_ADD, bin(c, FV_X_MUL, where, two), one), NULL);
    fv_kb_else(&c->b);
    fv_kb_store(&c->b, child, NULL, size, NULL);
    fv_kb_end(&c->b);
    fv_kb_end(&c->b);
    put(h, fv_kb_let(&c->b, "found", fv_x_load(a, at, NULL)), item);
}

/* Fills the heap with the first k positions, in any order. */
static void fill(fv_custom *c, const fv_type *y) {
    fv_expr *index[3];
    fv_custom_begin(c, "order_fill");
    fv_buf *to = fv_custom_out(c, 0);
    for (int i = 0; i < y->rank; i++)
        index[i] = fv_custom_for(c, FV_PARALLEL, "i", y->dims[i]);
    fv_custom_store(c, to, index, index[1], NULL);
    for (int i = 0; i < y->rank; i++)
        fv_kb_end(&c->b);
    fv_custom_end(c);
}

/* Adds the kernel of order.fvk; or, for items of several elements and for the first few of short
 * lines, a kernel that keeps a heap of the best k items so far, with the worst at the top. Then the
 * items are removed one by one, and stored from the end. */
static bool kernel_order(fv_custom *c, fv_op *op) {
    const fv_type *x = fv_in_type(op, 0), *y = op->out[0]->type;
    fv_expr *zero = fv_x_int(c->arena, 0), *one = fv_x_int(c->arena, 1);
    if (x->rank == 2 && fv_order_suits(c, y->dims[1], x->dims[1])) {
        fv_order_lines(c, op);
        return true;
    }
    fill(c, y);
    fv_custom_begin(c, "order");
    items t = {.c = c, .x = fv_custom_in(c, 0), .descending = fv_op_int(op, "descending") != 0};
    heap h = {.t = &t, .y = fv_custom_update(c, 0)};
    fv_expr *n = fv_custom_dim(c, x->dims[1]), *k = fv_custom_dim(c, y->dims[1]);
    t.a = fv_custom_for(c, FV_PARALLEL, "i", x->dims[0]);
    if (x->rank == 4)
        t.line = fv_custom_for(c, FV_PARALLEL, "j", x->dims[2]);
    fv_expr *half = fv_kb_let(&c->b, "half", bin(c, FV_X_FLOORDIV, k, fv_x_int(c->arena, 2)));
    fv_expr *s = fv_kb_for(&c->b, FV_SERIAL, "s", zero, half, 1);
    s = fv_kb_let(&c->b, "start", bin(c, FV_X_SUB, bin(c, FV_X_SUB, half, one), s));
    sift(&h, s, k, slot(&h, s));
    fv_kb_end(&c->b);
    fv_kb_if(&c->b, bin(c, FV_X_LT, zero, k));
    fv_expr *i = fv_kb_for(&c->b, FV_SERIAL, "i", k, n, 1);
    fv_kb_if(&c->b, before(&t, i, slot(&h, zero)));
    sift(&h, zero, k, i);
    fv_kb_end(&c->b);
    fv_kb_end(&c->b);
    fv_expr *r = fv_kb_for(&c->b, FV_SERIAL, "r", one, k, 1);
    fv_expr *end = fv_kb_let(&c->b, "end", bin(c, FV_X_SUB, k, r));
    fv_expr *last = slot(&h, end), *top = slot(&h, zero);
    put(&h, end, top);
    sift(&h, zero, end, last);
    while (c->b.depth)
        fv_kb_end(&c->b);
    fv_custom_end(c);
    return true;
}

fv_value *fv_w_order(fv_rewriter *w, fv_value *x, const fv_dim *k, bool descending) {
    return FV_CALL(w, "order", {x}, FV_DIM(k), FV_INT(descending));
}

/* ---- TopK ---- */

static bool infer_top_k(fv_op *op) {
    const fv_type *x = fv_in_type(op, 0);
    const fv_dim *const *e, *dims[FV_MAX_RANK];
    int n, axis;
    if (!fv_infer_axis(op, fv_op_int(op, "axis"), x->rank, &axis) || !fv_int_operand(op, 1, &n, &e))
        return false;
    if (!first_of(op, e[0], x->dims[axis]))
        return false;
    for (int i = 0; i < x->rank; i++)
        dims[i] = i == axis ? e[0] : x->dims[i];
    fv_infer_out(op, 0, x->elem, x->rank, dims);
    fv_infer_out(op, 1, FV_I64, x->rank, dims);
    return true;
}

static bool decompose_top_k(fv_rewriter *w, fv_op *op) {
    fv_dims *t = w->module->dims;
    const fv_type *x = fv_in_type(op, 0);
    const fv_value *some = op->out[0] ? op->out[0] : op->out[1];
    int axis = 0;
    if (!fv_infer_axis(op, fv_op_int(op, "axis"), x->rank, &axis))
        return false;
    const fv_dim *before = fv_dim_product(t, axis, x->dims),
                 *after = fv_dim_product(t, x->rank - axis - 1, x->dims + axis + 1);
    const fv_dim *const *out = some->type->dims;
    fv_value *at = FV_CALL(w, "first_along", {op->in[0]}, FV_DIM(before), FV_DIM(x->dims[axis]),
                           FV_DIM(after), FV_DIM(out[axis]), FV_INT(fv_op_int(op, "largest") != 0));
    fv_value *in[2] = {op->in[0], at ? fv_w_reshape(w, at, x->rank, out) : NULL};
    fv_attr a = fv_attr_int(w->module, "axis", axis);
    if (op->out[0])
        fv_w_result(w, 0, fv_w_op(w, FV_OP_GatherElements, 2, in, 1, &a));
    if (op->nout > 1 && op->out[1])
        fv_w_result(w, 1, in[1]);
    return true;
}

/* Before opset 10 k was an attribute. */
static bool upgrade_top_k(fv_op *op, int version) {
    if (version >= 10)
        return true;
    int64_t k = fv_op_int_of(op, "k", version);
    fv_op_set_in(op, 1, fv_const_ints(fv_op_module(op), "k", 1, &k));
    fv_op_drop_attr(op, "k");
    return true;
}

/* ---- NonZero, Compress ---- */

static bool infer_count(fv_op *op) {
    fv_infer_out(op, 0, FV_I64, 0, NULL);
    return true;
}

static bool infer_non_zero(fv_op *op) {
    const fv_attr *n = fv_op_find_attr(op, "dims"); /* present for fv.NonZero */
    const fv_dim *dims[2] = {fv_dim_const(fv_op_module(op)->dims, fv_in_type(op, 0)->rank), NULL};
    if (n && n->n != 1)
        return fv_op_error(op, "has %d dims, expected 1", n->n);
    if (n)
        dims[1] = n->u.dims[0];
    fv_infer_run_time(op, 0, FV_I64, 2, dims);
    return true;
}

/* Positions of nonzero elements in row-major order, one in each column, up to the size of the
 * result. */
static bool kernel_non_zero(fv_custom *c, fv_op *op) {
    fv_arena *a = c->arena;
    const fv_type *t = fv_in_type(op, 0);
    fv_expr *index[FV_MAX_RANK];
    fv_custom_begin(c, "nonzero");
    fv_buf *x = fv_custom_in(c, 0), *y = fv_custom_out(c, 0);
    fv_buf *count = fv_kb_tile(&c->b, "count", FV_I64, 0, NULL, fv_x_int(a, 0));
    for (int i = 0; i < t->rank; i++)
        index[i] = fv_custom_for(c, FV_SERIAL, "i", t->dims[i]);
    fv_expr *e = fv_custom_load(c, x, index);
    fv_kb_if(&c->b,
             e->type.elem == FV_BOOL ? e : bin(c, FV_X_NE, e, fv_x_zero(a, (fv_elem)e->type.elem)));
    fv_expr *at = fv_kb_let(&c->b, "at", fv_x_load(a, count, NULL));
    fv_expr *fits = fv_kb_let(&c->b, "fits", bin(c, FV_X_LT, at, y->extent[1]));
    for (int i = 0; i < t->rank; i++)
        fv_custom_store(c, y, (fv_expr *[]){fv_x_int(a, i), at}, index[i], fits);
    fv_kb_store(&c->b, count, NULL, bin(c, FV_X_ADD, at, fv_x_int(a, 1)), NULL);
    for (int i = 0; i < t->rank + 1; i++)
        fv_kb_end(&c->b);
    fv_custom_end(c);
    return true;
}

fv_value *fv_w_non_zero(fv_rewriter *w, fv_value *x, const fv_dim *count) {
    return FV_CALL(w, "non_zero", {x}, FV_DIM(count));
}

static bool decompose_non_zero(fv_rewriter *w, fv_op *op) {
    fv_w_result(w, 0, fv_w_non_zero(w, op->in[0], op->out[0]->type->dims[1]));
    return true;
}

/* The input, flattened if the attribute axis is not given. */
static fv_value *along_axis(fv_rewriter *w, fv_op *op, int *axis) {
    const fv_type *x = fv_in_type(op, 0);
    const fv_dim *n = fv_dim_product(w->module->dims, x->rank, x->dims);
    *axis = 0;
    const fv_attr *given = fv_op_find_attr(op, "axis");
    if (!given)
        return fv_w_reshape(w, op->in[0], 1, &n);
    return fv_infer_axis(op, given->u.i, x->rank, axis) ? op->in[0] : NULL;
}

/* The dims of the input, or a vector; the size along the axis depends on data. */
static bool picked_dims(fv_op *op, int *axis, int *rank, const fv_dim **dims) {
    const fv_type *x = fv_in_type(op, 0);
    const fv_attr *given = fv_op_find_attr(op, "axis");
    *rank = given ? x->rank : 1;
    if (!fv_infer_axis(op, given ? given->u.i : 0, *rank, axis))
        return false;
    for (int i = 0; i < *rank; i++)
        dims[i] = i == *axis ? NULL : x->dims[i];
    return true;
}

static bool infer_compress(fv_op *op) {
    const fv_dim *dims[FV_MAX_RANK];
    int axis, rank;
    if (!picked_dims(op, &axis, &rank, dims))
        return false;
    fv_infer_run_time(op, 0, fv_in_type(op, 0)->elem, rank, dims);
    return true;
}

static fv_value *gather(fv_rewriter *w, fv_value *x, fv_value *at, int axis) {
    fv_attr a = fv_attr_int(w->module, "axis", axis);
    return fv_w_op(w, FV_OP_Gather, 2, (fv_value *[]){x, at}, 1, &a);
}

static bool decompose_compress(fv_rewriter *w, fv_op *op) {
    int axis;
    fv_value *x = along_axis(w, op, &axis);
    if (!x)
        return false;
    const fv_dim *count = op->out[0]->type->dims[axis];
    fv_value *at = fv_w_non_zero(w, op->in[1], count);
    fv_w_result(w, 0, gather(w, x, at ? fv_w_reshape(w, at, 1, &count) : NULL, axis));
    return true;
}

/* ---- Unique ---- */

static bool infer_unique(fv_op *op) {
    const fv_type *x = fv_in_type(op, 0);
    const fv_dim *dims[FV_MAX_RANK];
    int axis, rank;
    if (!picked_dims(op, &axis, &rank, dims))
        return false;
    fv_infer_run_time(op, 0, x->elem, rank, dims);
    const fv_dim *all = fv_op_find_attr(op, "axis")
                            ? x->dims[axis]
                            : fv_dim_product(fv_op_module(op)->dims, x->rank, x->dims);
    fv_infer_out(op, 1, FV_I64, 1, &dims[axis]);
    fv_infer_out(op, 2, FV_I64, 1, &all);
    fv_infer_out(op, 3, FV_I64, 1, &dims[axis]);
    return true;
}

static bool infer_runs(fv_op *op) {
    fv_module *m = fv_op_module(op);
    const fv_type *x = fv_in_type(op, 0), *order = fv_in_type(op, 1);
    const fv_dim *one = fv_dim_const(m->dims, 1);
    for (int i = 0; i < 3; i++)
        if (!fv_module_assume(m, order->dims[i], x->dims[i], "an order of items") ||
            (i != 1 && !fv_module_assume(m, x->dims[i], one, "one line of items")))
            return fv_op_error(op, "X is %s and the order %s, expected one line of items",
                               fv_type_str(m->arena, x), fv_type_str(m->arena, order));
    for (int i = 0; i < 3; i++)
        fv_infer_out(op, i, FV_I64, 1, &fv_in_type(op, 0)->dims[1]);
    fv_infer_out(op, 3, FV_I64, 0, NULL);
    return true;
}

/* The position of the i-th of n items in the order. */
static fv_expr *position(fv_custom *c, fv_buf *order, fv_expr *i, fv_expr *n) {
    fv_expr *zero = fv_x_int(c->arena, 0);
    fv_expr *p = fv_kb_let(&c->b, "p", fv_x_load(c->arena, order, (fv_expr *[]){zero, i, zero}));
    fv_expr *ok = bin(c, FV_X_AND, bin(c, FV_X_LE, zero, p), bin(c, FV_X_LT, p, n));
    ok = fv_kb_let(&c->b, "ok", fv_x_un(c->arena, FV_X_REQUIRE, ok));
    return fv_kb_let(&c->b, "p", fv_x_select(c->arena, ok, p, zero));
}

/* For sorted items: the run of equal items that each belongs to; for each run its first item and
 * its length; and the number of runs. */
static bool kernel_runs(fv_custom *c, fv_op *op) {
    fv_arena *a = c->arena;
    fv_expr *zero = fv_x_int(a, 0), *one = fv_x_int(a, 1);
    fv_custom_begin(c, "runs");
    items t = {.c = c, .x = fv_custom_in(c, 0), .a = zero, .line = zero};
    fv_buf *sorted = fv_custom_in(c, 1), *run = fv_custom_out(c, 0), *first = fv_custom_out(c, 1);
    fv_buf *length = fv_custom_out(c, 2), *count = fv_custom_out(c, 3);
    fv_buf *now = fv_kb_tile(&c->b, "now", FV_I64, 0, NULL, fv_x_int(a, -1));
    fv_buf *start = fv_kb_tile(&c->b, "start", FV_I64, 0, NULL, zero);
    fv_expr *n = fv_custom_dim(c, fv_in_type(op, 0)->dims[1]);
    fv_expr *i = fv_custom_for(c, FV_SERIAL, "i", fv_in_type(op, 0)->dims[1]);
    fv_expr *p = position(c, sorted, i, n);
    fv_expr *q = position(c, sorted, bin(c, FV_X_MAX, zero, bin(c, FV_X_SUB, i, one)), n);
    fv_expr *differ = bin(c, FV_X_NE, compare(&t, q, p), zero);
    fv_kb_if(&c->b, bin(c, FV_X_OR, bin(c, FV_X_EQ, i, zero), differ));
    fv_kb_store(&c->b, now, NULL, bin(c, FV_X_ADD, fv_x_load(a, now, NULL), one), NULL);
    fv_kb_store(&c->b, start, NULL, i, NULL);
    fv_expr *g = fv_kb_let(&c->b, "g", fv_x_load(a, now, NULL));
    fv_kb_store(&c->b, first, &g, p, NULL);
    fv_kb_end(&c->b);
    g = fv_kb_let(&c->b, "g", fv_x_load(a, now, NULL));
    fv_kb_store(&c->b, run, &p, g, NULL);
    fv_expr *many = bin(c, FV_X_SUB, bin(c, FV_X_ADD, i, one), fv_x_load(a, start, NULL));
    fv_kb_store(&c->b, length, &g, many, NULL);
    fv_kb_end(&c->b);
    fv_kb_store(&c->b, count, NULL, bin(c, FV_X_ADD, fv_x_load(a, now, NULL), one), NULL);
    fv_custom_end(c);
    return true;
}

/* Result i is number which[i] of these: the unique items, their first positions, the index of each
 * item among them, their counts. */
static bool unique(fv_rewriter *w, fv_op *op, bool sorted, const int *which) {
    int axis;
    fv_value *x = along_axis(w, op, &axis), *v[4];
    FV_CALL_N(w, 4, v, "unique_items", {x}, FV_INT(axis), FV_INT(sorted),
              FV_DIM(op->out[0]->type->dims[axis]));
    for (int i = 0; i < op->nout; i++)
        if (op->out[i])
            fv_w_result(w, i, v[which[i]]);
    return true;
}

static bool decompose_unique(fv_rewriter *w, fv_op *op) {
    return unique(w, op, fv_op_int(op, "sorted") != 0, (int[]){0, 1, 2, 3});
}

/* ONNX Runtime's operator: for a vector, in the order of appearance, without the result of first
 * positions. */
static bool infer_unique_vector(fv_op *op) {
    const fv_dim *n = NULL;
    fv_infer_run_time(op, 0, fv_in_type(op, 0)->elem, 1, &n);
    fv_infer_out(op, 1, FV_I64, 1, fv_in_type(op, 0)->dims);
    fv_infer_out(op, 2, FV_I64, 1, &n);
    return true;
}

static bool decompose_unique_vector(fv_rewriter *w, fv_op *op) {
    return unique(w, op, false, (int[]){0, 2, 3});
}

#define TYPES (FV_SET_NUMBER | FV_SET(BOOL))

const fv_opdef fv_ops_select[] = {
    {.domain = "fv",
     .name = "Order",
     .id = FV_OP_fv_Order,
     .since = {1},
     .doc = "for each line, the positions of the first items of X[a, i, c, ..], or of the first "
            "elements of X[a, i], in sorted order",
     .in = {{"X", "T", .rank = FV_RANKS(2, 4)}},
     .out = {{"Y", "I"}},
     .attrs = {FV_A_REQUIRED("dims", DIMS), FV_A_INT("descending", 0)},
     .types = {{"T", TYPES}, {"I", FV_SET(I64)}},
     .infer = infer_order,
     .kernel = kernel_order},
    {.domain = "",
     .name = "TopK",
     .id = FV_OP_TopK,
     .since = {1, 10, 11, 24},
     .doc = "the k largest or smallest elements along an axis, sorted, and "
            "their positions",
     .in = {{"X", "T", .rank = FV_RANK_FROM(1)}, {"K", "S", .rank = FV_ONE}},
     .out = {{"Values", "T"}, {"Indices", "I"}},
     .attrs = {FV_A_INT("axis", -1), FV_A_INT("largest", 1), FV_A_INT("sorted", 1),
               FV_A_REQUIRED_UNTIL(1, "k", INT)},
     .types = {{"T", FV_SET_NUMBER}, {"S", FV_SET(I64)}, {"I", FV_SET(I64)}},
     .infer = infer_top_k,
     .upgrade = upgrade_top_k,
     .decompose = decompose_top_k},
    {.domain = "fv",
     .name = "CountNonZero",
     .id = FV_OP_fv_CountNonZero,
     .since = {1},
     .doc = "the number of elements that are not 0",
     .in = {{"X", "T"}},
     .out = {{"Y", "I"}},
     .types = {{"T", TYPES}, {"I", FV_SET(I64)}},
     .infer = infer_count,
     .formula = "Y = sum r..: i64(X[r..] != 0)"},
    {.domain = "fv",
     .name = "NonZero",
     .id = FV_OP_fv_NonZero,
     .since = {1},
     .doc = "the positions of the elements that are not 0; `dims` contains their number",
     .in = {{"X", "T"}},
     .out = {{"Y", "I"}},
     .attrs = {FV_A_REQUIRED("dims", DIMS)},
     .types = {{"T", TYPES}, {"I", FV_SET(I64)}},
     .infer = infer_non_zero,
     .kernel = kernel_non_zero},
    {.domain = "",
     .name = "NonZero",
     .id = FV_OP_NonZero,
     .since = {9, 13},
     .doc = "positions of the elements that are not 0, one in each column",
     .in = {{"X", "T"}},
     .out = {{"Y", "I"}},
     .types = {{"T", TYPES}, {"I", FV_SET(I64)}},
     .infer = infer_non_zero,
     .decompose = decompose_non_zero},
    {.domain = "",
     .name = "Compress",
     .since = {9, 11},
     .doc =
         "slices along an axis, or elements of the flattened input, for which a condition is true",
     .in = {{"input", "T", .rank = FV_RANK_FROM(1)}, {"condition", "T1", .rank = FV_RANK(1)}},
     .out = {{"output", "T"}},
     .attrs = {FV_A_OPTIONAL("axis", INT)},
     .types = {{"T", TYPES | FV_SET(STRING)}, {"T1", FV_SET(BOOL)}},
     .infer = infer_compress,
     .decompose = decompose_compress},
    {.domain = "fv",
     .name = "Runs",
     .id = FV_OP_fv_Runs,
     .since = {1},
     .doc = "runs of equal items in sorted order: the run of each item, and the first item and the "
            "length of each run",
     .in = {{"X", "T", .rank = FV_RANK(4)}, {"order", "I", .rank = FV_RANK(3)}},
     .out = {{"run", "I"}, {"first", "I"}, {"length", "I"}, {"count", "I"}},
     .types = {{"T", TYPES}, {"I", FV_SET(I64)}},
     .infer = infer_runs,
     .kernel = kernel_runs},
    {.domain = "",
     .name = "Unique",
     .since = {11},
     .doc = "the distinct elements or slices; the position of the first "
            "occurrence of each, the index of each element in this list, "
            "and the number of occurrences",
     .in = {{"X", "T"}},
     .out = {{"Y", "T"},
             {"indices", "I", FV_OPTIONAL_OPERAND},
             {"inverse_indices", "I", FV_OPTIONAL_OPERAND},
             {"counts", "I", FV_OPTIONAL_OPERAND}},
     .attrs = {FV_A_OPTIONAL("axis", INT), FV_A_INT("sorted", 1)},
     .types = {{"T", TYPES}, {"I", FV_SET(I64)}},
     .infer = infer_unique,
     .decompose = decompose_unique},
    {.domain = "com.microsoft",
     .name = "Unique",
     .since = {1},
     .doc = "the unique elements of a vector in order of appearance, the index of each element "
            "among them, and their counts",
     .in = {{"x", "T", .rank = FV_RANK(1)}},
     .out = {{"y", "T"}, {"idx", "I", FV_OPTIONAL_OPERAND}, {"counts", "I", FV_OPTIONAL_OPERAND}},
     .types = {{"T", TYPES}, {"I", FV_SET(I64)}},
     .infer = infer_unique_vector,
     .decompose = decompose_unique_vector},

    {0}};
