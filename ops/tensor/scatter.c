/* scatter.c - operators that write elements at positions that are data: a copy, followed by the
 * updates in their order, so that the last of several updates of an element holds, and sums are in
 * a fixed order. */
#include "ops/common/dims.h"

#include <string.h>

#include "ir/base/limits.h"
#include "ir/definition/custom.h"
#include "ir/definition/define.h"
#include "ir/dim/text.h"
#include "ir/graph/infer.h"

typedef enum { PUT, ADD, MUL, MAX, MIN } reduction;

/* Finds the reduction; the former Scatter has none and overwrites. */
static bool find_reduction(fv_op *op, reduction *out) {
    static const char *const names[] = {"none", "add", "mul", "max", "min"};
    *out = PUT;
    if (!fv_opdef_attr(op->def, "reduction"))
        return true;
    fv_string s = fv_op_string(op, "reduction");
    for (int i = 0; i < 5; i++)
        if (s.n == strlen(names[i]) && !memcmp(s.s, names[i], s.n)) {
            *out = (reduction)i;
            return i == PUT || fv_in_type(op, 0)->elem != FV_STRING ||
                   fv_op_error(op, "reduction is '%s', which strings have not", names[i]);
        }
    return fv_op_error(op, "reduction is '%.*s', expected none, add, mul, max or min", (int)s.n,
                       s.s);
}

static fv_expr *combine(fv_arena *a, reduction r, fv_expr *old, fv_expr *x) {
    bool is_bool = x->type.elem == FV_BOOL;
    switch (r) {
    case PUT: return x;
    case ADD: return fv_x_bin(a, is_bool ? FV_X_OR : FV_X_ADD, old, x);
    case MUL: return fv_x_bin(a, is_bool ? FV_X_AND : FV_X_MUL, old, x);
    case MAX: return fv_x_bin(a, is_bool ? FV_X_OR : FV_X_MAX, old, x);
    case MIN: return fv_x_bin(a, is_bool ? FV_X_AND : FV_X_MIN, old, x);
    }
    return x;
}

/* Copies the data, unless the result is stored in its memory; updates are written afterwards. */
static void copy_data(fv_custom *c, const fv_type *t) {
    fv_expr *index[FV_MAX_RANK];
    if (c->in_place)
        return;
    fv_custom_begin(c, "scatter_copy");
    fv_buf *from = fv_custom_in(c, 0), *to = fv_custom_out(c, 0);
    for (int i = 0; i < t->rank; i++)
        index[i] = fv_custom_for(c, i < t->rank - 1 ? FV_PARALLEL : FV_VECTOR, "i", t->dims[i]);
    fv_kb_store(&c->b, to, index, fv_x_load(c->arena, from, index), NULL);
    for (int i = 0; i < t->rank; i++)
        fv_kb_end(&c->b);
    fv_custom_end(c);
}

static fv_expr *wrapped(fv_custom *c, fv_expr *i, fv_expr *n) {
    fv_arena *a = c->arena;
    i = fv_kb_let(&c->b, "at", i);
    return fv_x_select(a, fv_x_bin(a, FV_X_LT, i, fv_x_int(a, 0)), fv_x_bin(a, FV_X_ADD, i, n), i);
}

static fv_expr *is_inside(fv_arena *a, fv_expr *i, fv_expr *n) {
    int64_t none;
    if (fv_x_is_int(n, &none) && none == 0)
        return fv_x_const_int(a, FV_BOOL, 0);
    return fv_x_bin(a, FV_X_AND, fv_x_bin(a, FV_X_LE, fv_x_int(a, 0), i),
                    fv_x_bin(a, FV_X_LT, i, n));
}

static fv_expr * and (fv_arena * a, fv_expr *x, fv_expr *y) {
    return x ? fv_x_bin(a, FV_X_AND, x, y) : y;
}

/* result[to] = result[to] r update, if ok is true */
static void put(fv_custom *c, reduction r, fv_buf *y, fv_expr *const *to, fv_expr *update,
                fv_expr *ok) {
    fv_arena *a = c->arena;
    fv_expr *x = update;
    if (r != PUT) {
        fv_kb_if(&c->b, ok);
        x = combine(a, r, fv_custom_load(c, y, to), update);
        fv_custom_store(c, y, to, x, NULL);
        fv_kb_end(&c->b);
        return;
    }
    fv_custom_store(c, y, to, x, ok);
}

/* ---- ScatterElements ---- */

static bool infer_scatter_elements(fv_op *op) {
    const fv_type *x = fv_in_type(op, 0), *j = fv_in_type(op, 1), *u = fv_in_type(op, 2);
    fv_module *m = fv_op_module(op);
    reduction r = PUT;
    int axis;
    for (int i = 0; i < j->rank; i++)
        if (!fv_module_assume(m, j->dims[i], u->dims[i], "updates of a scatter"))
            return fv_op_error(op, "axis %d has %s in indices, %s in updates", i,
                               fv_dim_str(m->arena, j->dims[i]), fv_dim_str(m->arena, u->dims[i]));
    if (!fv_infer_axis(op, fv_op_int(op, "axis"), x->rank, &axis) || !find_reduction(op, &r))
        return false;
    fv_infer_like(op, 0, 0);
    return true;
}

/* Lines along the axis are independent of each other, so they are parallel. */
static bool kernel_scatter_elements(fv_custom *c, fv_op *op) {
    fv_arena *a = c->arena;
    const fv_type *x = fv_in_type(op, 0), *j = fv_in_type(op, 1);
    fv_expr *at[FV_MAX_RANK], *ok = NULL;
    reduction r = PUT;
    int axis;
    if (!fv_infer_axis(op, fv_op_int(op, "axis"), x->rank, &axis) || !find_reduction(op, &r))
        return false;
    copy_data(c, x);
    fv_custom_begin(c, "scatter");
    fv_buf *indices = fv_custom_in(c, 1), *updates = fv_custom_in(c, 2),
           *y = fv_custom_update(c, 0);
    for (int i = 0; i < x->rank; i++) {
        if (i == axis)
            continue;
        at[i] = fv_custom_for(c, FV_PARALLEL, "i", j->dims[i]);
        if (fv_dim_compare(c->module->dims, j->dims[i], x->dims[i]) != FV_DIM_EQUAL)
            ok = and(a, ok, is_inside(a, at[i], fv_custom_dim(c, x->dims[i])));
    }
    at[axis] = fv_custom_for(c, FV_SERIAL, "k", j->dims[axis]);
    fv_expr *u = fv_custom_load(c, updates, at);
    fv_expr *n = fv_custom_dim(c, x->dims[axis]);
    at[axis] = wrapped(c, fv_x_convert(a, FV_I64, fv_custom_load(c, indices, at)), n);
    ok = fv_x_un(a, FV_X_REQUIRE, and(a, ok, is_inside(a, at[axis], n)));
    put(c, r, y, at, u, fv_kb_let(&c->b, "ok", ok));
    for (int i = 0; i < x->rank; i++)
        fv_kb_end(&c->b);
    fv_custom_end(c);
    return true;
}

static bool decompose_scatter(fv_rewriter *w, fv_op *op) {
    fv_attr a = fv_attr_int(w->module, "axis", fv_op_int(op, "axis"));
    fv_w_result(w, 0, fv_w_op(w, FV_OP_ScatterElements, 3, op->in, 1, &a));
    return true;
}

/* ---- ScatterND ---- */

static bool infer_scatter_nd(fv_op *op) {
    const fv_type *x = fv_in_type(op, 0), *j = fv_in_type(op, 1), *u = fv_in_type(op, 2);
    fv_module *m = fv_op_module(op);
    reduction r = PUT;
    const fv_dim *k = j->dims[j->rank - 1];
    if (!fv_dim_is_const(k) || k->value > x->rank || k->value < 0)
        return fv_op_error(op, "the last dim of indices is %s, for data of rank %d",
                           fv_dim_str(m->arena, k), x->rank);
    int depth = (int)k->value;
    if (u->rank != j->rank - 1 + x->rank - depth)
        return fv_op_error(op, "updates have rank %d, expected %d", u->rank,
                           j->rank - 1 + x->rank - depth);
    for (int i = 0; i < u->rank; i++) {
        const fv_dim *e = i < j->rank - 1 ? j->dims[i] : x->dims[depth + i - (j->rank - 1)];
        if (!fv_module_assume(m, e, u->dims[i], "updates of a scatter"))
            return fv_op_error(op, "axis %d of updates has %s, expected %s", i,
                               fv_dim_str(m->arena, u->dims[i]), fv_dim_str(m->arena, e));
    }
    if (!find_reduction(op, &r))
        return false;
    fv_infer_like(op, 0, 0);
    return true;
}

/* Reads the first `depth` indices of the result from row `row` of indices; false if one is out of
 * range. */
static fv_expr *read_row(fv_custom *c, fv_buf *indices, fv_expr **row, const fv_type *x, int depth,
                         fv_expr **to) {
    fv_arena *a = c->arena;
    fv_expr *ok = fv_x_const_int(a, FV_BOOL, 1);
    for (int k = 0; k < depth; k++) {
        fv_expr *n = fv_custom_dim(c, x->dims[k]);
        row[indices->rank - 1] = fv_x_int(a, k);
        to[k] = fv_kb_let(&c->b, "to",
                          wrapped(c, fv_x_convert(a, FV_I64, fv_custom_load(c, indices, row)), n));
        ok = fv_x_bin(a, FV_X_AND, ok, is_inside(a, to[k], n));
    }
    return fv_kb_let(&c->b, "ok", fv_x_un(a, FV_X_REQUIRE, ok));
}

static bool kernel_scatter_nd(fv_custom *c, fv_op *op) {
    const fv_type *x = fv_in_type(op, 0), *j = fv_in_type(op, 1);
    int rows = j->rank - 1, depth = (int)j->dims[rows]->value;
    fv_expr *from[FV_MAX_RANK], *row[FV_MAX_RANK], *to[FV_MAX_RANK];
    reduction r = PUT;
    if (!find_reduction(op, &r))
        return false;
    copy_data(c, x);
    fv_custom_begin(c, "scatter");
    fv_buf *indices = fv_custom_in(c, 1), *updates = fv_custom_in(c, 2),
           *y = fv_custom_update(c, 0);
    for (int i = 0; i < rows; i++)
        row[i] = from[i] = fv_custom_for(c, FV_SERIAL, "r", j->dims[i]);
    fv_expr *ok = read_row(c, indices, row, x, depth, to);
    fv_kb_if(&c->b, ok);
    for (int i = depth; i < x->rank; i++)
        to[i] = from[rows + i - depth] =
            fv_custom_for(c, i == x->rank - 1 ? FV_VECTOR : FV_SERIAL, "i", x->dims[i]);
    fv_expr *u = fv_custom_load(c, updates, from);
    fv_expr *v = r == PUT ? u : combine(c->arena, r, fv_custom_load(c, y, to), u);
    fv_custom_store(c, y, to, v, NULL);
    for (int i = 0; i < rows + 1 + x->rank - depth; i++)
        fv_kb_end(&c->b);
    fv_custom_end(c);
    return true;
}

/* ---- TensorScatter: rows of a cache are replaced ---- */

static bool infer_tensor_scatter(fv_op *op) {
    fv_module *m = fv_op_module(op);
    const fv_type *x = fv_in_type(op, 0), *u = fv_in_type(op, 1), *at = fv_in_type(op, 2);
    fv_string mode = fv_op_string(op, "mode");
    int axis;
    if (!fv_infer_axis(op, fv_op_int(op, "axis"), x->rank, &axis))
        return false;
    if (!axis)
        return fv_op_error(op, "axis is 0, which is the batch");
    for (int i = 0; i < x->rank; i++)
        if (i != axis && !fv_module_assume(m, x->dims[i], u->dims[i], "update of TensorScatter"))
            return fv_op_error(op, "axis %d has %s in the cache, %s in the update", i,
                               fv_dim_str(m->arena, x->dims[i]), fv_dim_str(m->arena, u->dims[i]));
    if (at && !fv_module_assume(m, at->dims[0], x->dims[0], "write_indices"))
        return fv_op_error(op, "write_indices does not have one position for each of the batch");
    if (!(mode.n == 6 && !memcmp(mode.s, "linear", 6)) &&
        !(mode.n == 8 && !memcmp(mode.s, "circular", 8)))
        return fv_op_error(op, "mode is '%.*s', expected linear or circular", (int)mode.n, mode.s);
    fv_infer_like(op, 0, 0);
    return true;
}

static bool define_tensor_scatter(fv_definer *d, fv_op *op) {
    fv_arena *a = d->arena;
    fv_definition *def = fv_definition_new(d, 0);
    fv_expr *index[FV_MAX_RANK];
    int axis;
    if (!fv_infer_axis(op, fv_op_int(op, "axis"), def->rank, &axis))
        return false;
    for (int i = 0; i < def->rank; i++)
        index[i] = fv_x_var(a, def->index[i]);
    fv_expr *old = fv_d_load(d, 0, index),
            *first = fv_op_in(op, 2) ? fv_d_int(d, 2, index[0]) : NULL;
    fv_expr *n =
        fv_op_string(op, "mode").s[0] == 'c' ? fv_x_dim(a, def->value->type->dims[axis]) : NULL;
    if (first) /* limits it, so that differences with other indices do not overflow */
        index[axis] =
            fv_x_bin(a, FV_X_SUB, index[axis], n ? fv_x_bin(a, FV_X_FLOORMOD, first, n) : first);
    if (n)
        index[axis] = fv_x_bin(a, FV_X_FLOORMOD, index[axis], n);
    def->body = fv_d_load_else(d, 1, index, old);
    return true;
}

/* The same, for a result that is stored in the memory of the cache: only new elements are
 * written. */
static bool kernel_write_rows(fv_custom *c, fv_op *op) {
    fv_arena *a = c->arena;
    const fv_type *x = fv_in_type(op, 0), *u = fv_in_type(op, 1);
    fv_expr *at[FV_MAX_RANK], *from[FV_MAX_RANK], *first = fv_x_int(a, 0);
    bool circular = fv_op_string(op, "mode").s[0] == 'c';
    int axis;
    if (!fv_infer_axis(op, fv_op_int(op, "axis"), x->rank, &axis))
        return false;
    copy_data(c, x);
    fv_custom_begin(c, "write_rows");
    fv_buf *rows = fv_custom_in(c, 1), *start = fv_op_in(op, 2) ? fv_custom_in(c, 2) : NULL,
           *y = fv_custom_update(c, 0);
    fv_expr *n = fv_custom_dim(c, x->dims[axis]), *some = fv_x_bin(a, FV_X_MAX, n, fv_x_int(a, 1));
    for (int i = 0; i < x->rank; i++) {
        fv_loop_kind kind = i < axis                       ? FV_PARALLEL
                            : i > axis && i == x->rank - 1 ? FV_VECTOR
                                                           : FV_SERIAL;
        at[i] = from[i] = fv_custom_for(c, kind, "i", u->dims[i]);
        if (!i && start)
            first = fv_x_convert(a, FV_I64, fv_custom_load(c, start, at));
        if (!i && start) /* limits it, so that sums with it do not overflow */
            first = fv_kb_let(&c->b, "first",
                              circular ? fv_x_bin(a, FV_X_FLOORMOD, first, some) : first);
        if (i != axis)
            continue;
        /* as TensorScatter defines it: if there are more rows than places, the first ones are
         * written */
        at[i] = fv_x_bin(a, FV_X_ADD, first, from[i]);
        at[i] = fv_kb_let(&c->b, "at", circular ? fv_x_bin(a, FV_X_FLOORMOD, at[i], some) : at[i]);
        fv_kb_if(&c->b, circular ? fv_x_bin(a, FV_X_LT, from[i], n) : is_inside(a, at[i], n));
    }
    fv_custom_store(c, y, at, fv_custom_load(c, rows, from), NULL);
    for (int i = 0; i < x->rank + 1; i++)
        fv_kb_end(&c->b);
    fv_custom_end(c);
    return true;
}

#define DATA  FV_SET_DATA
#define INDEX (FV_SET(I32) | FV_SET(I64))

const fv_opdef fv_ops_scatter[] = {
    {.domain = "fv",
     .name = "WriteRows",
     .id = FV_OP_fv_WriteRows,
     .since = {1},
     .doc = "a TensorScatter whose kernel writes only the update, for a cache that is stored in "
            "the memory of the result",
     .in = {{"past", "T", .rank = FV_RANK_FROM(1)},
            {"update", "T", .rank = FV_RANK_AS("past")},
            {"at", "I", FV_OPTIONAL_OPERAND, .rank = FV_RANK(1)}},
     .out = {{"present", "T"}},
     .attrs = {FV_A_INT("axis", -2), FV_A_STRING("mode", "linear")},
     .types = {{"T", FV_SET_DATA}, {"I", FV_SET(I64)}},
     .infer = infer_tensor_scatter,
     .kernel = kernel_write_rows},
    {.domain = "",
     .name = "Scatter",
     .since = {9, 11},
     .doc = "the former name of ScatterElements",
     .in = {{"data", "T", .rank = FV_RANK_FROM(1)},
            {"indices", "Tind", .rank = FV_RANK_AS("data")},
            {"updates", "T", .rank = FV_RANK_AS("data")}},
     .out = {{"output", "T"}},
     .attrs = {FV_A_INT("axis", 0)},
     .types = {{"T", FV_SET_MOVED}, {"Tind", INDEX}},
     .infer = infer_scatter_elements,
     .decompose = decompose_scatter},
    {.domain = "",
     .name = "ScatterElements",
     .id = FV_OP_ScatterElements,
     .since = {11, 13, 16, 18},
     .doc = "a copy, with elements replaced or combined at positions along one axis",
     .in = {{"data", "T", .rank = FV_RANK_FROM(1)},
            {"indices", "Tind", .rank = FV_RANK_AS("data")},
            {"updates", "T", .rank = FV_RANK_AS("data")}},
     .out = {{"output", "T"}},
     .attrs = {FV_A_INT("axis", 0), FV_A_STRING("reduction", "none")},
     .types = {{"T", FV_SET_MOVED}, {"Tind", INDEX}},
     .infer = infer_scatter_elements,
     .kernel = kernel_scatter_elements},
    {.domain = "",
     .name = "ScatterND",
     .id = FV_OP_ScatterND,
     .since = {11, 13, 16, 18},
     .doc = "a copy, with slices replaced or combined at positions that are rows of indices",
     .in = {{"data", "T", .rank = FV_RANK_FROM(1)},
            {"indices", "Tind", .rank = FV_RANK_FROM(1)},
            {"updates", "T"}},
     .out = {{"output", "T"}},
     .attrs = {FV_A_STRING("reduction", "none")},
     .types = {{"T", FV_SET_MOVED}, {"Tind", FV_SET(I64)}},
     .infer = infer_scatter_nd,
     .kernel = kernel_scatter_nd},
    {.domain = "",
     .name = "TensorScatter",
     .id = FV_OP_TensorScatter,
     .since = {24},
     .doc = "a cache with an update written at each sequence's position",
     .in = {{"past_cache", "T", .rank = FV_RANK_FROM(1)},
            {"update", "T", .rank = FV_RANK_AS("past_cache")},
            {"write_indices", "S", FV_OPTIONAL_OPERAND, .rank = FV_RANK(1)}},
     .out = {{"present_cache", "T"}},
     .attrs = {FV_A_INT("axis", -2), FV_A_STRING("mode", "linear")},
     .types = {{"T", FV_SET_MOVED}, {"S", FV_SET(I64)}},
     .infer = infer_tensor_scatter,
     .define = define_tensor_scatter},

    {0}};
