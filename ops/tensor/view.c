/* view.c - the canonical views, into which all operators that reshape, slice and expand are
 * rewritten. Their dims are attributes, so no tensors of shapes are left. */

#include <string.h>

#include "ir/base/limits.h"
#include "ir/definition/definition.h"
#include "ir/dim/text.h"
#include "ir/graph/infer.h"

static const fv_dim *const *dims_attr(const fv_op *op, const char *name, int *n) {
    const fv_attr *a = fv_op_find_attr(op, name);
    *n = a ? a->n : 0;
    return a && a->kind == FV_ATTR_DIMS ? a->u.dims : NULL;
}

/* ---- fv.Reshape: the same elements in row-major order ---- */

static bool infer_reshape(fv_op *op) {
    fv_module *m = fv_op_module(op);
    const fv_type *t = fv_in_type(op, 0);
    int rank;
    const fv_dim *const *dims = dims_attr(op, "dims", &rank);
    if (rank > FV_MAX_RANK)
        return fv_op_error(op, "rank %d is more than %d", rank, FV_MAX_RANK);
    const fv_dim *have = fv_dim_product(m->dims, t->rank, t->dims);
    const fv_dim *want = fv_dim_product(m->dims, rank, dims);
    if (!fv_module_assume(m, have, want, "reshape"))
        return fv_op_error(op, "cannot reshape %s to %s", fv_type_str(m->arena, t),
                           fv_type_str(m->arena, fv_tensor_type(m->arena, t->elem, rank, dims)));
    fv_infer_out(op, 0, t->elem, rank, dims);
    return true;
}

/* Splits `x`, a position in row-major order over n dims, into one index for each dim. */
static void delinearize(fv_definer *d, fv_expr *x, int n, const fv_dim *const *dims,
                        fv_expr **index) {
    for (int i = n; i-- > 0;) {
        fv_expr *size = fv_x_dim(d->arena, dims[i]);
        index[i] = i ? fv_x_bin(d->arena, FV_X_FLOORMOD, x, size) : x;
        x = fv_x_bin(d->arena, FV_X_FLOORDIV, x, size);
    }
}

static fv_expr *linearize(fv_definer *d, int n, const fv_dim *const *dims, fv_var *const *vars) {
    fv_expr *x = fv_x_int(d->arena, 0);
    for (int i = 0; i < n; i++)
        x = fv_x_bin(d->arena, FV_X_ADD,
                     fv_x_bin(d->arena, FV_X_MUL, x, fv_x_dim(d->arena, dims[i])),
                     fv_x_var(d->arena, vars[i]));
    return x;
}

/* The smallest numbers of axes, *i of one shape and *o of the other, with equal products of dims;
 * all axes if there are none. */
static void match(fv_dims *t, int nin, const fv_dim *const *in, int nout, const fv_dim *const *out,
                  int *i, int *o) {
    const fv_dim *pi[FV_MAX_RANK + 1], *po[FV_MAX_RANK + 1];
    for (int k = 0; k <= nin; k++)
        pi[k] = fv_dim_product(t, k, in);
    for (int k = 0; k <= nout; k++)
        po[k] = fv_dim_product(t, k, out);
    for (int n = 2; n <= nin + nout; n++)
        for (*i = 1; *i < n; (*i)++) {
            *o = n - *i;
            if (*i <= nin && *o <= nout && pi[*i] == po[*o])
                return;
        }
    *i = nin;
    *o = nout;
}

/* Divides both shapes from the left into groups of axes of equal size, so that a reshape of [b, s,
 * 12 * 64] to [b, s, 12, 64] changes the index of the last axis only. Axes of size 1 belong to no
 * group. If the sizes of the last groups differ for all values of the dims, as those of [b, s, 10]
 * and [b, s, 20] do, only tensors without elements can be reshaped; the index is kept inside of the
 * axis then. */
static bool define_reshape(fv_definer *d, fv_op *op) {
    fv_definition *def = fv_definition_new(d, 0);
    const fv_type *in = fv_in_type(op, 0), *out = op->out[0]->type;
    fv_dims *t = d->module->dims;
    fv_expr *index[FV_MAX_RANK];
    int i = 0, o = 0, ni, no;
    while (i < in->rank || o < out->rank) {
        if (i < in->rank && fv_dim_is_one(in->dims[i])) {
            index[i++] = fv_x_int(d->arena, 0);
            continue;
        }
        if (o < out->rank && fv_dim_is_one(out->dims[o])) {
            o++;
            continue;
        }
        match(t, in->rank - i, in->dims + i, out->rank - o, out->dims + o, &ni, &no);
        fv_expr *x = linearize(d, no, out->dims + o, def->index + o);
        const fv_dim *size = fv_dim_product(t, ni, in->dims + i);
        if (fv_dim_compare(t, size, fv_dim_product(t, no, out->dims + o)) == FV_DIM_DIFFERENT)
            x = fv_x_bin(d->arena, FV_X_FLOORMOD, x, fv_x_dim(d->arena, size));
        delinearize(d, x, ni, in->dims + i, index + i);
        i += ni;
        o += no;
    }
    def->body = fv_d_load(d, 0, index);
    return true;
}

/* ---- fv.Expand: broadcast to larger dims ---- */

static bool infer_expand(fv_op *op) {
    const fv_type *t = fv_in_type(op, 0);
    int rank;
    const fv_dim *const *dims = dims_attr(op, "dims", &rank);
    if (rank > FV_MAX_RANK || rank < t->rank)
        return fv_op_error(op, "cannot expand rank %d to rank %d", t->rank, rank);
    fv_infer_out(op, 0, t->elem, rank, dims);
    return fv_infer_fits(op, 0, rank, dims);
}

/* ---- fv.Slice: elements start + k * step ---- */

static bool infer_slice(fv_op *op) {
    const fv_type *t = fv_in_type(op, 0);
    fv_arena *a = fv_op_module(op)->arena;
    int rank, nstarts, nsteps;
    const fv_dim *const *dims = dims_attr(op, "dims", &rank);
    const fv_dim *const *start = dims_attr(op, "start", &nstarts), *const *step = dims_attr(
                                                                       op, "step", &nsteps);
    if (rank != t->rank || nstarts != rank || nsteps != rank)
        return fv_op_error(op, "has %d dims, %d starts and %d steps for rank %d", rank, nstarts,
                           nsteps, t->rank);
    for (int i = 0; i < rank; i++)
        if (!fv_infer_inside(op, t->dims[i], start[i], step[i], dims[i]))
            return fv_op_error(
                op, "axis %d has %s elements, %s of them from %s in steps of %s are not inside", i,
                fv_dim_str(a, t->dims[i]), fv_dim_str(a, dims[i]), fv_dim_str(a, start[i]),
                fv_dim_str(a, step[i]));
    fv_infer_out(op, 0, t->elem, rank, dims);
    return true;
}

/* ---- fv.Unpack, fv.Pack: inside a program every element has a byte of its own ---- */

static const fv_dim *packed_bytes(fv_op *op, const fv_type *t) {
    fv_dims *dims = fv_op_module(op)->dims;
    return fv_dim_ceildiv(dims, fv_dim_product(dims, t->rank, t->dims),
                          fv_dim_const(dims, 8 / fv_elem_bits(t->elem)));
}

static bool infer_unpack(fv_op *op) {
    int rank;
    const fv_dim *const *dims = dims_attr(op, "dims", &rank);
    int64_t e = fv_op_int(op, "to");
    if (e <= FV_NO_ELEM || e >= FV_ELEM_END || !(FV_SET_PACKED >> e & 1))
        return fv_op_error(op, "type %lld is not packed", (long long)e);
    fv_infer_out(op, 0, (fv_elem)e, rank, dims);
    return fv_module_assume(fv_op_module(op), fv_in_type(op, 0)->dims[0],
                            packed_bytes(op, op->out[0]->type), "packed bytes") ||
           fv_op_error(op, "the dims are not of so many bytes");
}

static bool define_unpack(fv_definer *d, fv_op *op) {
    fv_definition *def = fv_definition_new(d, 0);
    fv_arena *a = d->arena;
    const fv_type *t = op->out[0]->type;
    int bits = fv_elem_bits(t->elem);
    fv_expr *per = fv_x_int(a, 8 / bits), *at = linearize(d, t->rank, t->dims, def->index);
    fv_expr *byte = fv_x_bin(a, FV_X_FLOORDIV, at, per);
    fv_expr *shift = fv_x_bin(a, FV_X_MUL, fv_x_bin(a, FV_X_FLOORMOD, at, per), fv_x_int(a, bits));
    fv_expr *x = fv_x_bin(a, FV_X_SHR, fv_d_load(d, 0, &byte), fv_x_convert(a, FV_U8, shift));
    x = fv_x_bin(a, FV_X_AND, x, fv_x_const_int(a, FV_U8, (1 << bits) - 1));
    def->body = fv_x_cast(a, FV_X_BITCAST, t->elem, x);
    return true;
}

static bool infer_pack(fv_op *op) {
    const fv_dim *n = packed_bytes(op, fv_in_type(op, 0));
    fv_infer_out(op, 0, FV_U8, 1, &n);
    return true;
}

static bool define_pack(fv_definer *d, fv_op *op) {
    fv_definition *def = fv_definition_new(d, 0);
    fv_arena *a = d->arena;
    const fv_type *t = fv_in_type(op, 0);
    int bits = fv_elem_bits(t->elem), per = 8 / bits;
    fv_dims *dims = d->module->dims;
    fv_expr *n = fv_x_dim(a, fv_dim_product(dims, t->rank, t->dims)), *byte = NULL;
    for (int k = 0; k < per; k++) {
        fv_expr *index[FV_MAX_RANK];
        fv_expr *at = fv_x_bin(a, FV_X_ADD,
                               fv_x_bin(a, FV_X_MUL, fv_x_var(a, def->index[0]), fv_x_int(a, per)),
                               fv_x_int(a, k));
        delinearize(d, at, t->rank, t->dims, index);
        fv_expr *inside = fv_x_bin(a, FV_X_LT, at, n);
        fv_expr *x = fv_x_cast(a, FV_X_BITCAST, FV_U8, fv_d_load_stored(d, 0, index, inside));
        x = fv_x_bin(a, FV_X_AND, x, fv_x_const_int(a, FV_U8, (1 << bits) - 1));
        x = fv_x_bin(a, FV_X_SHL, x, fv_x_const_int(a, FV_U8, bits * k));
        byte = byte ? fv_x_bin(a, FV_X_OR, byte, x) : x;
    }
    def->body = byte;
    return true;
}

/* ---- fv.Bind: elements of a small integer tensor become symbols of dims ---- */

static bool are_symbols(fv_op *op) {
    int n;
    const fv_dim *const *symbols = dims_attr(op, "symbols", &n);
    for (int i = 0; i < n; i++)
        if (symbols[i]->kind != FV_DIM_SYMBOL || !symbols[i]->from_data)
            return fv_op_error(op, "%s is no symbol of data",
                               fv_dim_str(fv_op_module(op)->arena, symbols[i]));
    return true;
}

static bool infer_bind(fv_op *op) {
    fv_module *m = fv_op_module(op);
    const fv_type *t = fv_in_type(op, 0);
    const fv_dim *size = fv_dim_product(m->dims, t->rank, t->dims),
                 *zero = fv_dim_const(m->dims, 0);
    int n;
    dims_attr(op, "symbols", &n);
    return are_symbols(op) &&
           (fv_infer_inside(op, size, zero, fv_dim_const(m->dims, 1), fv_dim_const(m->dims, n)) ||
            fv_op_error(op, "has %d symbols for %s", n, fv_type_str(m->arena, t)));
}

static bool infer_let(fv_op *op) {
    int n, nvalues;
    dims_attr(op, "symbols", &n);
    dims_attr(op, "values", &nvalues);
    return are_symbols(op) &&
           (n == nvalues || fv_op_error(op, "has %d symbols for %d values", n, nvalues));
}

static bool infer_seed(fv_op *op) {
    int n;
    dims_attr(op, "symbols", &n);
    return are_symbols(op) && (n == 1 || fv_op_error(op, "has %d symbols, expected one", n));
}

static bool infer_assume(fv_op *op) {
    int n[2];
    dims_attr(op, "left", &n[0]);
    dims_attr(op, "right", &n[1]);
    return (n[0] == 1 && n[1] == 1) ||
           fv_op_error(op, "has %d and %d dims, expected one of each", n[0], n[1]);
}

/* ---- fv.Extend: appends to an input in memory with a capacity ---- */

static bool infer_extend(fv_op *op) {
    const fv_type *room = fv_in_type(op, 0), *added = fv_in_type(op, 1);
    int64_t axis = fv_op_int(op, "axis");
    int n;
    dims_attr(op, "start", &n);
    if (axis < 0 || axis >= room->rank || added->rank != room->rank || n != 1)
        return fv_op_error(op, "has axis %lld, ranks %d and %d, and %d starts", (long long)axis,
                           room->rank, added->rank, n);
    for (int i = 0; i < room->rank; i++)
        if (i != axis && added->dims[i] != room->dims[i])
            return fv_op_error(op, "axis %d has %s elements and %s", i,
                               fv_dim_str(fv_op_module(op)->arena, room->dims[i]),
                               fv_dim_str(fv_op_module(op)->arena, added->dims[i]));
    fv_infer_out(op, 0, room->elem, room->rank, room->dims);
    return true;
}

static bool define_extend(fv_definer *d, fv_op *op) {
    fv_definition *def = fv_definition_new(d, 0);
    fv_expr *index[FV_MAX_RANK];
    int n, axis = (int)fv_op_int(op, "axis");
    for (int i = 0; i < def->rank; i++)
        index[i] = fv_x_var(d->arena, def->index[i]);
    fv_expr *before = fv_d_load(d, 0, index);
    index[axis] = fv_x_bin(d->arena, FV_X_SUB, index[axis],
                           fv_x_dim(d->arena, dims_attr(op, "start", &n)[0]));
    def->body = fv_d_load_else(d, 1, index, before);
    return true;
}

/* ---- Transpose ---- */

static bool infer_transpose(fv_op *op) {
    const fv_type *t = fv_in_type(op, 0);
    int n;
    const int64_t *perm = fv_op_ints(op, "perm", &n);
    const fv_dim *dims[FV_MAX_RANK];
    bool seen[FV_MAX_RANK] = {0};
    if (perm && n != t->rank)
        return fv_op_error(op, "perm has %d entries for rank %d", n, t->rank);
    for (int i = 0; i < t->rank; i++) {
        int64_t p = perm ? perm[i] : t->rank - 1 - i;
        if (p < 0 || p >= t->rank || seen[p])
            return fv_op_error(op, "perm is not a permutation of the %d axes", t->rank);
        seen[p] = true;
        dims[i] = t->dims[p];
    }
    fv_infer_out(op, 0, t->elem, t->rank, dims);
    return true;
}

static bool define_transpose(fv_definer *d, fv_op *op) {
    fv_definition *def = fv_definition_new(d, 0);
    int n, rank = def->rank;
    const int64_t *perm = fv_op_ints(op, "perm", &n);
    fv_expr *index[FV_MAX_RANK];
    for (int i = 0; i < rank; i++)
        index[perm ? perm[i] : rank - 1 - i] = fv_x_var(d->arena, def->index[i]);
    def->body = fv_d_load(d, 0, index);
    return true;
}

const fv_opdef fv_ops_view[] = {
    {.domain = "fv",
     .name = "Reshape",
     .id = FV_OP_fv_Reshape,
     .since = {1},
     .doc = "the same elements in row-major order, with other dims",
     .in = {{"X", "T"}},
     .out = {{"Y", "T"}},
     .attrs = {FV_A_REQUIRED("dims", DIMS)},
     .types = {{"T", FV_SET_MOVED}},
     .infer = infer_reshape,
     .define = define_reshape},
    {.domain = "fv",
     .name = "Expand",
     .id = FV_OP_fv_Expand,
     .since = {1},
     .doc = "broadcast to dims",
     .in = {{"X", "T"}},
     .out = {{"Y", "T"}},
     .attrs = {FV_A_REQUIRED("dims", DIMS)},
     .types = {{"T", FV_SET_MOVED}},
     .infer = infer_expand,
     .formula = "Y = X"},
    {.domain = "fv",
     .name = "Copy",
     .id = FV_OP_fv_Copy,
     .since = {1},
     .doc = "a copy in memory of its own",
     .in = {{"X", "T"}},
     .out = {{"Y", "T"}},
     .types = {{"T", FV_SET_MOVED}},
     .formula = "Y = X"},
    {.domain = "fv",
     .name = "Slice",
     .id = FV_OP_fv_Slice,
     .since = {1},
     .doc = "element start + k * step along each axis, for k < dims",
     .in = {{"X", "T"}},
     .out = {{"Y", "T"}},
     .attrs = {FV_A_REQUIRED("start", DIMS), FV_A_REQUIRED("step", DIMS),
               FV_A_REQUIRED("dims", DIMS)},
     .types = {{"T", FV_SET_MOVED}},
     .infer = infer_slice,
     .formula = "Y[i..] = X[start.. + i.. * step..]"},
    {.domain = "fv",
     .name = "Extend",
     .id = FV_OP_fv_Extend,
     .since = {1},
     .doc = "X, in which elements of A are written from index start on along the axis",
     .in = {{"X", "T"}, {"A", "T"}},
     .out = {{"Y", "T"}},
     .attrs = {FV_A_REQUIRED("axis", INT), FV_A_REQUIRED("start", DIMS)},
     .types = {{"T", FV_SET_DATA}},
     .infer = infer_extend,
     .define = define_extend},
    {.domain = "fv",
     .name = "Unpack",
     .id = FV_OP_fv_Unpack,
     .since = {1},
     .doc = "elements of 4 or 2 bits, from bytes as ONNX packs them",
     .in = {{"X", "T", .rank = FV_RANK(1)}},
     .out = {{"Y", "U"}},
     .attrs = {FV_A_REQUIRED("to", INT), FV_A_REQUIRED("dims", DIMS)},
     .types = {{"T", FV_SET(U8)}, {"U", FV_SET_PACKED}},
     .infer = infer_unpack,
     .define = define_unpack},
    {.domain = "fv",
     .name = "Pack",
     .id = FV_OP_fv_Pack,
     .since = {1},
     .doc = "elements of 4 or 2 bits, to bytes as ONNX packs them",
     .in = {{"X", "T"}},
     .out = {{"Y", "U"}},
     .types = {{"T", FV_SET_PACKED}, {"U", FV_SET(U8)}},
     .infer = infer_pack,
     .define = define_pack},
    {.domain = "fv",
     .name = "Bind",
     .id = FV_OP_fv_Bind,
     .since = {1},
     .doc = "binds symbols of dims to the elements of a small integer tensor in the run",
     .in = {{"X", "T", .rank = FV_RANKS(0, 1)}},
     .attrs = {FV_A_REQUIRED("symbols", DIMS)},
     .types = {{"T", FV_SET(I64) | FV_SET(I32) | FV_SET(BOOL)}},
     .infer = infer_bind,
     .has_effect = true},
    {.domain = "fv",
     .name = "Let",
     .id = FV_OP_fv_Let,
     .since = {1},
     .doc = "binds symbols of dims to expressions over other symbols in the run",
     .attrs = {FV_A_REQUIRED("symbols", DIMS), FV_A_REQUIRED("values", DIMS)},
     .infer = infer_let,
     .has_effect = true},
    {.domain = "fv",
     .name = "Seed",
     .id = FV_OP_fv_Seed,
     .since = {1},
     .doc = "binds a symbol to the seed that the caller of a run gives for random numbers",
     .attrs = {FV_A_REQUIRED("symbols", DIMS)},
     .infer = infer_seed,
     .has_effect = true},
    {.domain = "fv",
     .name = "Assume",
     .id = FV_OP_fv_Assume,
     .since = {1},
     .doc =
         "requires that two dims are equal; if they differ, the run ends with an error at this op",
     .attrs = {FV_A_REQUIRED("left", DIMS), FV_A_REQUIRED("right", DIMS),
               FV_A_REQUIRED("why", STRING), FV_A_OPTIONAL("says", STRING)},
     .infer = infer_assume,
     .has_effect = true},
    {.domain = "",
     .name = "Transpose",
     .id = FV_OP_Transpose,
     .since = {1, 13, 21, 23, 24, 25},
     .doc = "permutes the axes; reverses them by default",
     .in = {{"data", "T"}},
     .out = {{"transposed", "T"}},
     .attrs = {FV_A_OPTIONAL("perm", INTS)},
     .types = {{"T", FV_SET_MOVED}},
     .infer = infer_transpose,
     .define = define_transpose},

    {0}};
