/* distributed.c - operators of ONNX Runtime on tensors of which each rank has a share. Attributes
 * state the shares: which axis of a tensor is divided into how many shards, and which device, a
 * rank, has each shard. Dims of the model are those of shares; shapes and positions that operands
 * state are those of whole tensors.
 *
 * Where an operator can be computed from shares, it is; otherwise its operands are gathered. Then
 * ranks exchange what they need for the shares that the result is to have. */
#include <string.h>

#include "ir/base/limits.h"

#include "ir/dim/text.h"
#include "ir/graph/infer.h"
#include "ir/graph/rewriter.h"
#include "ir/kernel/library.h"
#include "ops/common/dims.h"

enum { MOST_OPERANDS = 5, MOST_SHARDS = 1 << 20 };

/* How a tensor is divided. */
typedef struct layout {
    int axis;          /* -1: each rank has the whole tensor */
    int n, ranks;      /* the axis has n shards of one size, of which each rank has n / ranks */
    const int *device; /* for each shard, the rank that has it */
} layout;

static const layout whole = {.axis = -1};

/* ---- attributes ---- */

/* A text of a list that an attribute has, for messages. */
typedef struct entry {
    fv_op *op;
    const char *attr;
    int index;
    fv_string text;
} entry;

static bool bad(const entry *e, const char *what) {
    return fv_op_error(e->op, "%s[%d] is '%.*s', %s", e->attr, e->index,
                       (int)(e->text.n > 60 ? 60 : e->text.n), e->text.s, what);
}

static bool entry_of(fv_op *op, const char *attr, int index, entry *out) {
    const fv_attr *a = fv_op_find_attr(op, attr);
    if (!a || index >= a->n)
        return fv_op_error(op, "%s has %d entries, expected one for each %s", attr, a ? a->n : 0,
                           attr[0] == 'i' ? "input" : "output");
    *out = (entry){op, attr, index, a->u.strings[index]};
    return true;
}

/* Reads a number at *at; false: there is none below 2^20. */
static bool number(const fv_string *s, size_t *at, int *out) {
    size_t first = *at;
    for (*out = 0; *at < s->n && s->s[*at] >= '0' && s->s[*at] <= '9'; ++*at) {
        *out = *out * 10 + (s->s[*at] - '0');
        if (*out >= 1 << 20)
            return false;
    }
    return *at > first;
}

static void skip_spaces(const fv_string *s, size_t *at) {
    while (*at < s->n && s->s[*at] == ' ')
        ++*at;
}

/* Reads a list such as "[0, 1]". */
static bool read_list(const entry *e, int **out, int *n) {
    const fv_string *s = &e->text;
    size_t at = 0;
    bool ok = s->n && s->s[at++] == '[';
    *out = FV_NEW(fv_op_module(e->op)->arena, int, s->n + 1);
    for (*n = 0; ok; ++*n) {
        skip_spaces(s, &at);
        if (*n == 0 && at < s->n && s->s[at] == ']')
            break;
        ok = number(s, &at, &(*out)[*n]);
        skip_spaces(s, &at);
        if (ok && at < s->n && s->s[at] == ']') {
            ++*n;
            break;
        }
        ok = ok && at < s->n && s->s[at++] == ',';
    }
    return (ok && at + 1 == s->n) || bad(e, "expected a list of numbers such as [0, 1]");
}

/* Reads a specification such as "RS[0]": for each axis of the tensor R, if it is whole, or S and an
 * axis of the mesh. */
static bool read_axis(const entry *e, int rank, int *axis) {
    const fv_string *s = &e->text;
    int axes = 0, mesh = 0;
    *axis = -1;
    for (size_t at = 0; at < s->n; axes++) {
        bool shard = s->s[at] == 'S', known = shard || s->s[at] == 'R';
        at++;
        if (shard)
            known = at < s->n && s->s[at++] == '[' && number(s, &at, &mesh) && at < s->n &&
                    s->s[at++] == ']';
        if (!known)
            return bad(e, "expected R or S[0] for each axis");
        if (shard && *axis >= 0)
            return bad(e, "which divides two axes; one can be divided");
        if (mesh > 0)
            return bad(e, "which names an axis of the mesh of devices that it lacks: it has one");
        *axis = shard ? axes : *axis;
    }
    return axes == rank ||
           bad(e, fv_printf(fv_op_module(e->op)->arena, "and the tensor has %d axes", rank));
}

/* Has each of the ranks as many of the shards? */
static bool is_even(fv_arena *arena, const layout *l) {
    if (l->n < l->ranks)
        return false;
    int *shards = FV_NEW(arena, int, l->ranks);
    for (int i = 0; i < l->n; i++)
        shards[l->device[i]]++;
    for (int r = 0; r < l->ranks; r++)
        if (shards[r] != l->n / l->ranks)
            return false;
    return true;
}

/* Reads the mesh of devices of a tensor: a line of devices, each of which has as many shards. A
 * tensor that each rank has as a whole needs none. */
static bool read_mesh(const entry *shape, const entry *elements, layout *l) {
    fv_arena *arena = fv_op_module(shape->op)->arena;
    int *dims, *device, rank, n;
    if (!read_list(shape, &dims, &rank) || !read_list(elements, &device, &n))
        return false;
    if (l->axis < 0)
        return true;
    if (rank != 1)
        return bad(shape, "expected one axis");
    if (dims[0] != n)
        return bad(elements,
                   fv_printf(arena, "which are not %d devices, as the shape says", dims[0]));
    l->n = n;
    l->device = device;
    for (int i = 0; i < n; i++)
        l->ranks = device[i] >= l->ranks ? device[i] + 1 : l->ranks;
    if (n < 1 || l->ranks > FV_MAX_CALL_RANKS)
        return bad(elements, "which is no number of devices that can run");
    return is_even(arena, l) || bad(elements, "expected all devices from 0 on, each as often");
}

static bool read_layout(fv_op *op, bool input, int i, int rank, layout *out) {
    entry spec, shape, elements;
    *out = whole;
    return entry_of(op, input ? "input_shard_specs" : "output_shard_specs", i, &spec) &&
           entry_of(op, input ? "input_device_mesh_shapes" : "output_device_mesh_shapes", i,
                    &shape) &&
           entry_of(op, input ? "input_device_mesh_elements" : "output_device_mesh_elements", i,
                    &elements) &&
           read_axis(&spec, rank, &out->axis) && read_mesh(&shape, &elements, out);
}

static bool is_same(const layout *a, const layout *b) {
    if (a->axis != b->axis || (a->axis >= 0 && a->n != b->n))
        return false;
    for (int i = 0; a->axis >= 0 && i < a->n; i++)
        if (a->device[i] != b->device[i])
            return false;
    return true;
}

/* The layouts of the operands, of which the first `tensors` may be divided. *ranks: the number of
 * devices of all meshes; 0: no tensor is divided yet. */
static bool read_inputs(fv_op *op, int tensors, layout *in, int *ranks) {
    *ranks = 0;
    for (int i = 0; i < op->nin; i++) {
        in[i] = whole;
        if (!op->in[i])
            continue;
        if (!read_layout(op, true, i, op->in[i]->type->rank, &in[i]))
            return false;
        if (i >= tensors && in[i].axis >= 0)
            return fv_op_error(op,
                               "input_shard_specs[%d] divides input '%s', which each rank needs", i,
                               op->def->in[i].name);
        if (i >= tensors && op->in[i]->kind != FV_VALUE_CONST && !op->in[i]->elems)
            return fv_op_error(op,
                               "input '%s' is data of the run: expected elements that are known "
                               "when the model is compiled",
                               op->def->in[i].name);
        if (in[i].axis >= 0 && *ranks && in[i].ranks != *ranks)
            return fv_op_error(op, "input_device_mesh_elements has meshes of %d and of %d devices",
                               *ranks, in[i].ranks);
        *ranks = in[i].axis >= 0 ? in[i].ranks : *ranks;
    }
    return true;
}

static bool read_output(fv_op *op, int rank, layout *out, int *ranks) {
    if (!read_layout(op, false, 0, rank, out))
        return false;
    if (out->axis >= 0 && *ranks && out->ranks != *ranks)
        return fv_op_error(op,
                           "output_device_mesh_elements has a mesh of %d devices, the inputs of %d",
                           out->ranks, *ranks);
    *ranks = out->axis >= 0 ? out->ranks : *ranks;
    return true;
}

/* ---- types ---- */

/* The type of the whole tensor of which t is a share. */
static const fv_type *whole_type(fv_module *m, const fv_type *t, const layout *l) {
    const fv_dim *dims[FV_MAX_RANK];
    for (int i = 0; i < t->rank; i++)
        dims[i] = i == l->axis ? fv_dim_mul(m->dims, t->dims[i], fv_dim_const(m->dims, l->ranks))
                               : t->dims[i];
    return fv_tensor_type(m->arena, t->elem, t->rank, dims);
}

/* The dims of a share of a tensor of type t. */
static void share_dims(fv_module *m, const fv_type *t, const layout *l, const fv_dim **dims) {
    for (int i = 0; i < t->rank; i++)
        dims[i] = i == l->axis
                      ? fv_dim_floordiv(m->dims, t->dims[i], fv_dim_const(m->dims, l->ranks))
                      : t->dims[i];
}

/* The operator that computes on whole tensors. */
static fv_op_id plain_of(const fv_op *op) {
    static const struct {
        const char *name;
        fv_op_id plain;
    } all[] = {
        {"DistributedMatMul", FV_OP_MatMul},        {"DistributedSlice", FV_OP_Slice},
        {"DistributedReshape", FV_OP_Reshape},      {"DistributedExpand", FV_OP_Expand},
        {"DistributedSqueeze", FV_OP_Squeeze},      {"DistributedUnsqueeze", FV_OP_Unsqueeze},
        {"DistributedReduceSum", FV_OP_ReduceSum},  {"DistributedReduceMax", FV_OP_ReduceMax},
        {"DistributedReduceMean", FV_OP_ReduceMean}};
    size_t i = 0;
    while (strcmp(all[i].name, op->def->name) != 0)
        i++;
    return all[i].plain;
}

static bool multiplies(const fv_op *op) {
    return plain_of(op) == FV_OP_MatMul;
}

static const char *types_of(const fv_op *op, fv_value *const *operands) {
    fv_arena *arena = fv_op_module(op)->arena;
    const char *all = "";
    for (int i = 0; i < op->nin; i++)
        if (operands[i])
            all = fv_printf(arena, "%s%s%s", all, i ? ", " : "",
                            fv_type_str(arena, operands[i]->type));
    return all;
}

/* The type of the whole result, by the inference of the operator on whole tensors; NULL after a
 * diagnostic. For that, op becomes this operator for a while. */
static const fv_type *whole_result(fv_op *op, const layout *in) {
    fv_value tensors[2], y = *op->out[0], *operands[MOST_OPERANDS], *out[1] = {&y};
    const fv_op own = *op;
    for (int i = 0; i < op->nin; i++) {
        bool tensor = i == 0 || multiplies(op);
        operands[i] = tensor ? &tensors[i] : op->in[i];
        if (!tensor)
            continue;
        tensors[i] = *op->in[i];
        if (in[i].axis >= 0)
            tensors[i] =
                (fv_value){.kind = FV_VALUE_PARAM, /* the data of the share is not its data */
                           .name = op->in[i]->name,
                           .block = op->block,
                           .type = whole_type(fv_op_module(op), op->in[i]->type, &in[i])};
    }
    op->def = fv_op_def(plain_of(op));
    op->in = operands;
    op->out = out;
    y.type = NULL;
    bool ok = op->def->infer(op);
    op->def = own.def;
    op->in = own.in;
    op->out = own.out;
    if (!ok) /* the message of the inference names the other operator */
        fv_op_error(op, "cannot compute %s of the whole tensors, whose types are %s",
                    fv_op_def(plain_of(op))->name, types_of(op, operands));
    return ok ? y.type : NULL;
}

static bool infer_distributed(fv_op *op) {
    fv_module *m = fv_op_module(op);
    layout in[MOST_OPERANDS], out;
    const fv_dim *dims[FV_MAX_RANK];
    int ranks;
    if (!read_inputs(op, multiplies(op) ? 2 : 1, in, &ranks))
        return false;
    const fv_type *y = whole_result(op, in);
    if (!y || !read_output(op, y->rank, &out, &ranks))
        return false;
    if (ranks > 1 && (y->rank + 2 > FV_MAX_RANK || op->in[0]->type->rank + 2 > FV_MAX_RANK))
        return fv_op_error(op, "has %d axes, expected fewer than %d", y->rank, FV_MAX_RANK - 1);
    for (int i = 0; i <= op->nin; i++) { /* the operands, and the result */
        const layout *l = i < op->nin ? &in[i] : &out;
        if (l->axis < 0)
            continue;
        const fv_dim *n = i < op->nin ? fv_dim_mul(m->dims, op->in[i]->type->dims[l->axis],
                                                   fv_dim_const(m->dims, l->ranks))
                                      : y->dims[l->axis];
        const fv_dim *shards = fv_dim_const(m->dims, l->n);
        if (!fv_module_assume(m, n,
                              fv_dim_mul(m->dims, fv_dim_floordiv(m->dims, n, shards), shards),
                              "a multiple of the number of shards"))
            return fv_op_error(op,
                               "%s_shard_specs[%d]: axis %d has %s elements, expected a multiple "
                               "of its %d shards",
                               i < op->nin ? "input" : "output", i < op->nin ? i : 0, l->axis,
                               fv_dim_str(m->arena, n), l->n);
    }
    share_dims(m, y, &out, dims);
    fv_infer_out(op, 0, y->elem, y->rank, dims);
    return true;
}

/* ---- moving shares ---- */

/* For each shard, where it is among the shards in the order of devices. */
static fv_value *order_of(fv_rewriter *w, const layout *l, bool inverse, bool *natural) {
    int64_t *list = FV_NEW(w->module->arena, int64_t, l->n);
    int each = l->n / l->ranks, *before = FV_NEW(w->module->arena, int, l->ranks);
    *natural = true;
    for (int i = 0; i < l->n; i++) {
        int at = l->device[i] * each + before[l->device[i]]++;
        list[inverse ? at : i] = inverse ? i : at;
        *natural &= at == i;
    }
    return fv_const_ints(w->module, "shards", l->n, list);
}

/* x, whose axis of `shards` shards is put into another order. */
static fv_value *reorder(fv_rewriter *w, fv_value *x, const layout *l, bool inverse) {
    const fv_dim *dims[FV_MAX_RANK], *n = fv_dim_const(w->module->dims, l->n);
    bool natural;
    fv_value *order = order_of(w, l, inverse, &natural);
    if (natural || !x)
        return x;
    for (int i = 0; i <= x->type->rank; i++)
        dims[i] = i < l->axis        ? x->type->dims[i]
                  : i == l->axis     ? n
                  : i == l->axis + 1 ? fv_dim_floordiv(w->module->dims, x->type->dims[l->axis], n)
                                     : x->type->dims[i - 1];
    fv_attr a = fv_attr_int(w->module, "axis", l->axis);
    fv_value *parts = fv_w_reshape(w, x, x->type->rank + 1, dims);
    parts = fv_w_op(w, FV_OP_Gather, 2, (fv_value *[]){parts, order}, 1, &a);
    return parts ? fv_w_reshape(w, parts, x->type->rank, x->type->dims) : NULL;
}

/* x [ranks, ..], where row r has the shares of rank r: the whole axis. */
static fv_value *joined(fv_rewriter *w, fv_value *x, const layout *l) {
    const fv_dim *dims[FV_MAX_RANK];
    int perm[FV_MAX_RANK], rank = x ? x->type->rank - 1 : 0;
    if (!x)
        return NULL;
    for (int i = 0; i <= rank; i++)
        perm[i] = i < l->axis ? i + 1 : i == l->axis ? 0 : i;
    for (int i = 0; i < rank; i++)
        dims[i] = i == l->axis ? fv_dim_mul(w->module->dims, x->type->dims[0], x->type->dims[i + 1])
                               : x->type->dims[i + 1];
    return reorder(w, fv_w_reshape(w, fv_w_transpose(w, x, perm), rank, dims), l, false);
}

/* The other way: row r has the shares of rank r of x. */
static fv_value *parted(fv_rewriter *w, fv_value *x, const layout *l) {
    const fv_dim *dims[FV_MAX_RANK], *ranks = fv_dim_const(w->module->dims, l->ranks);
    int perm[FV_MAX_RANK], rank = x ? x->type->rank : 0;
    x = reorder(w, x, l, true);
    if (!x)
        return NULL;
    for (int i = 0; i <= rank; i++) {
        perm[i] = i == 0 ? l->axis : i <= l->axis ? i - 1 : i;
        dims[i] = i < l->axis    ? x->type->dims[i]
                  : i == l->axis ? ranks
                  : i == l->axis + 1
                      ? fv_dim_floordiv(w->module->dims, x->type->dims[l->axis], ranks)
                      : x->type->dims[i - 1];
    }
    return fv_w_transpose(w, fv_w_reshape(w, x, rank + 1, dims), perm);
}

static fv_value *all_gather(fv_rewriter *w, fv_value *x, int ranks) {
    fv_attr a = fv_attr_int(w->module, "ranks", ranks);
    return fv_w_op(w, FV_OP_fv_AllGather, 1, &x, 1, &a);
}

/* Row 0 of x. */
static fv_value *first_row(fv_rewriter *w, fv_value *x) {
    const fv_dim *start[FV_MAX_RANK], *step[FV_MAX_RANK], *dims[FV_MAX_RANK];
    for (int i = 0; x && i < x->type->rank; i++) {
        start[i] = fv_dim_const(w->module->dims, 0);
        step[i] = fv_dim_const(w->module->dims, 1);
        dims[i] = i ? x->type->dims[i] : step[0];
    }
    x = x ? fv_w_slice(w, x, start, step, dims) : NULL;
    return x ? fv_w_reshape(w, x, x->type->rank - 1, dims + 1) : NULL;
}

/* Gives each rank the share `to` of a tensor of which it has the share `from`. */
static fv_value *moved(fv_rewriter *w, fv_value *x, const layout *from, const layout *to) {
    if (!x || is_same(from, to))
        return x;
    if (from->axis >= 0 && (to->axis < 0 || to->axis == from->axis))
        return moved(w, joined(w, all_gather(w, x, from->ranks), from), &whole, to);
    x = FV_W1(w, FV_OP_fv_AllToAll, parted(w, x, to));
    return from->axis < 0 ? first_row(w, x) : joined(w, x, from);
}

/* Gives each rank the share `to` of what a reduction of the partial results of all ranks gives. */
static fv_value *reduced(fv_rewriter *w, fv_value *x, int ranks, fv_op_id reduce,
                         const layout *to) {
    fv_attr keep = fv_attr_int(w->module, "keepdims", 0);
    fv_value *all =
        to->axis < 0 ? all_gather(w, x, ranks) : FV_W1(w, FV_OP_fv_AllToAll, parted(w, x, to));
    fv_value *in[] = {all, fv_const_ints(w->module, "axis_of_ranks", 1, (const int64_t[]){0})};
    return all ? fv_w_op(w, reduce, 2, in, 1, &keep) : NULL;
}

/* ---- computing with shares ---- */

/* What an operator gives if it is computed from shares. */
typedef enum { NEEDS_WHOLE, GIVES_SHARES, GIVES_PARTIAL } locality;

/* The role of the axis of a factor. */
typedef enum { NONE, ROWS, INNER, COLUMNS, BATCH } role;

static role role_of(const fv_op *op, int i, const layout *l) {
    int rank = op->in[i]->type->rank, from_end = l->axis - rank;
    if (l->axis < 0)
        return NONE;
    if (rank == 1 || from_end == (i ? -2 : -1))
        return INNER;
    return from_end >= -2 ? (i ? COLUMNS : ROWS) : BATCH;
}

/* A factor i with shares of the batch: has the other one the same shares, or no such axis? */
static locality batch_of(const fv_op *op, int i, const layout *in, int rank, layout *out) {
    const fv_type *other = op->in[1 - i]->type, *own = op->in[i]->type;
    *out = in[i];
    out->axis = in[i].axis + (other->rank > 1 ? rank - own->rank : 0);
    int there = other->rank > 1 ? out->axis - (rank - other->rank) : -1;
    layout same = in[i];
    same.axis = there;
    bool alone = in[1 - i].axis < 0 && (there < 0 || fv_dim_is_one(other->dims[there]));
    return alone || (there >= 0 && is_same(&in[1 - i], &same)) ? GIVES_SHARES : NEEDS_WHOLE;
}

static locality product_of(const fv_op *op, const layout *in, int rank, layout *out) {
    role a = role_of(op, 0, &in[0]), b = role_of(op, 1, &in[1]);
    *out = whole;
    if (a == INNER && b == INNER) {
        layout x = in[0], y = in[1];
        x.axis = y.axis = 0;
        return is_same(&x, &y) ? GIVES_PARTIAL : NEEDS_WHOLE;
    }
    if (a == BATCH)
        return batch_of(op, 0, in, rank, out);
    if (b == BATCH)
        return batch_of(op, 1, in, rank, out);
    if (a == ROWS && b == NONE) {
        *out = in[0];
        out->axis = rank - (op->in[1]->type->rank > 1 ? 2 : 1);
        return GIVES_SHARES;
    }
    if (a == NONE && b == COLUMNS) {
        *out = in[1];
        out->axis = rank - 1;
        return GIVES_SHARES;
    }
    return a == NONE && b == NONE ? GIVES_SHARES : NEEDS_WHOLE;
}

/* The axes that operand i lists, as flags of axes of a tensor of that rank. False: they are not
 * known when the model is compiled. */
static bool listed(const fv_op *op, int i, int rank, bool *flags) {
    const fv_dim *const *e;
    int n;
    for (int k = 0; k < rank; k++)
        flags[k] = false;
    if (i >= op->nin || !op->in[i] || !fv_elems(op, i, &n, &e))
        return false;
    for (int k = 0; k < n; k++) {
        int64_t axis = fv_dim_is_const(e[k]) ? e[k]->value : rank;
        axis += axis < 0 ? rank : 0;
        if (axis < 0 || axis >= rank)
            return false;
        flags[axis] = true;
    }
    return n > 0;
}

static int count_before(const bool *flags, int axis) {
    int n = 0;
    for (int i = 0; i < axis; i++)
        n += flags[i];
    return n;
}

/* A reshape keeps the number of elements before those of a block of shards. Only devices in turns
 * are followed: [0, 1, 0, 1]. */
static locality reshaped(fv_module *m, const fv_type *x, const fv_type *y, const layout *l,
                         layout *out) {
    int blocks = l->n / l->ranks;
    for (int i = 0; i < l->n; i++)
        if (l->device[i] != i % l->ranks)
            return NEEDS_WHOLE;
    const fv_dim *before = fv_dim_mul(m->dims, fv_dim_product(m->dims, l->axis, x->dims),
                                      fv_dim_const(m->dims, blocks));
    for (int b = 0; b < y->rank; b++) {
        const fv_dim *n = fv_dim_quotient(m->dims, before, fv_dim_product(m->dims, b, y->dims));
        const fv_dim *size =
            n && fv_dim_is_const(n) && n->value > 0 && n->value <= MOST_SHARDS / l->ranks
                ? fv_dim_quotient(m->dims, y->dims[b], n)
                : NULL;
        size = size ? fv_dim_quotient(m->dims, size, fv_dim_const(m->dims, l->ranks)) : NULL;
        if (!size || fv_dim_is_one(y->dims[b]))
            continue;
        int *device = FV_NEW(m->arena, int, (size_t)n->value *(size_t)l->ranks);
        *out = (layout){b, (int)n->value * l->ranks, l->ranks, device};
        for (int i = 0; i < out->n; i++)
            device[i] = i % l->ranks;
        return GIVES_SHARES;
    }
    return NEEDS_WHOLE;
}

/* x, y: the types of the whole operand 0 and of the whole result. */
static locality view_of(const fv_op *op, const fv_type *x, const fv_type *y, const layout *l,
                        layout *out) {
    bool flags[FV_MAX_RANK];
    int axis = l->axis;
    *out = *l;
    switch (plain_of(op)) {
    case FV_OP_Slice: {
        const fv_dim *const *e;
        int n;
        if (op->nin < 4 || !op->in[3]) {
            bool known = fv_elems(op, 1, &n, &e);
            return known && axis >= n ? GIVES_SHARES : NEEDS_WHOLE;
        }
        return listed(op, 3, x->rank, flags) && !flags[axis] ? GIVES_SHARES : NEEDS_WHOLE;
    }
    case FV_OP_Squeeze:
        if (!listed(op, 1, x->rank, flags) || flags[axis])
            return NEEDS_WHOLE;
        out->axis -= count_before(flags, axis);
        return GIVES_SHARES;
    case FV_OP_Unsqueeze:
        if (!listed(op, 1, y->rank, flags))
            return NEEDS_WHOLE;
        for (int i = 0; i <= out->axis; i++)
            out->axis += flags[i];
        return GIVES_SHARES;
    case FV_OP_Expand:
        out->axis += y->rank - x->rank;
        return x->dims[axis] == y->dims[out->axis] ? GIVES_SHARES : NEEDS_WHOLE;
    case FV_OP_Reshape: return reshaped(fv_op_module(op), x, y, l, out);
    default: /* reductions */
        if (op->nin < 2 || !op->in[1])
            return GIVES_PARTIAL;
        if (!listed(op, 1, x->rank, flags))
            return NEEDS_WHOLE;
        out->axis -= fv_op_int(op, "keepdims") ? 0 : count_before(flags, axis);
        return flags[axis] ? GIVES_PARTIAL : GIVES_SHARES;
    }
}

/* The operator on the operands in[..], whose result is the share `l` of a tensor of type y. */
static fv_value *computed(fv_rewriter *w, fv_op *op, fv_op_id plain, fv_value *const *in,
                          const fv_type *y, const layout *l) {
    const fv_dim *dims[FV_MAX_RANK];
    const fv_attr *keep = fv_op_find_attr(op, "keepdims"), *zero = fv_op_find_attr(op, "allowzero");
    fv_attr attrs[1];
    int n = 0;
    share_dims(w->module, y, l, dims);
    if (l->axis >= 0 && plain == FV_OP_Reshape)
        return fv_w_reshape(w, in[0], y->rank, dims);
    if (l->axis >= 0 && plain == FV_OP_Expand)
        return fv_w_expand(w, in[0], y->rank, dims);
    if (keep)
        attrs[n++] = *keep;
    else if (zero)
        attrs[n++] = *zero;
    return fv_w_op(w, plain, op->nin, in, n, attrs);
}

/* The number of elements of x that one element of y is the mean of. */
static fv_value *count_of(fv_rewriter *w, const fv_type *x, const fv_type *y, fv_elem e) {
    fv_dims *t = w->module->dims;
    const fv_dim *all = fv_dim_product(t, x->rank, x->dims),
                 *of = fv_dim_product(t, y->rank, y->dims);
    const fv_dim *n = fv_dim_quotient(t, all, of);
    n = n ? n : fv_dim_floordiv(t, all, fv_dim_max(t, of, fv_dim_const(t, 1)));
    return fv_w_cast(w, fv_w_ints(w, FV_I64, 0, 1, &n), e);
}

static bool decompose_distributed(fv_rewriter *w, fv_op *op) {
    fv_op_id plain = plain_of(op);
    layout in[MOST_OPERANDS], out, have = whole;
    fv_value *x[MOST_OPERANDS], *y;
    int ranks;
    if (!read_inputs(op, multiplies(op) ? 2 : 1, in, &ranks))
        return false;
    if (!read_output(op, op->out[0]->type->rank, &out, &ranks))
        return false;
    const fv_type *all = whole_type(w->module, op->out[0]->type, &out),
                  *first = whole_type(w->module, op->in[0]->type, &in[0]);
    locality where = multiplies(op)    ? product_of(op, in, all->rank, &have)
                     : in[0].axis >= 0 ? view_of(op, first, all, &in[0], &have)
                                       : GIVES_SHARES;
    for (int i = 0; i < op->nin; i++)
        x[i] = op->in[i] && where == NEEDS_WHOLE ? moved(w, op->in[i], &in[i], &whole) : op->in[i];
    have = where == GIVES_SHARES ? have : whole;
    bool mean = where == GIVES_PARTIAL && plain == FV_OP_ReduceMean;
    /* a sum or a count may be too large for f16, of which the mean is not */
    fv_elem wide = all->elem == FV_F64 ? FV_F64 : FV_F32;
    x[0] = mean ? fv_w_cast(w, x[0], wide) : x[0];
    y = computed(w, op, mean ? FV_OP_ReduceSum : plain, x, all, &have);
    if (where == GIVES_PARTIAL)
        y = reduced(w, y, ranks, plain == FV_OP_ReduceMax ? FV_OP_ReduceMax : FV_OP_ReduceSum,
                    &out);
    else
        y = moved(w, y, &have, &out);
    if (mean)
        y = fv_w_cast(w, FV_W2(w, FV_OP_Div, y, count_of(w, first, all, wide)), all->elem);
    fv_w_result(w, 0, y);
    return true;
}

#define MS      .domain = "com.microsoft", .since = {1}
#define TENSORS FV_SET_DATA
#define REALS   FV_SET_FLOAT
#define SHARES                                                                                     \
    FV_A_REQUIRED("input_device_mesh_elements", STRINGS),                                          \
        FV_A_REQUIRED("input_device_mesh_shapes", STRINGS),                                        \
        FV_A_REQUIRED("input_shard_specs", STRINGS),                                               \
        FV_A_REQUIRED("output_device_mesh_elements", STRINGS),                                     \
        FV_A_REQUIRED("output_device_mesh_shapes", STRINGS),                                       \
        FV_A_REQUIRED("output_shard_specs", STRINGS)
#define COMPUTED                                                                                   \
    .infer = infer_distributed, .decompose = decompose_distributed, .distinct = FV_COMMUNICATES
#define SHAPED(op_name, operand, what)                                                             \
    {MS,                                                                                           \
     .name = op_name,                                                                              \
     .doc = what " of a tensor of which each rank has a share",                                    \
     .in = {{"input", "T"}, {operand, "I", .rank = FV_LIST}},                                      \
     .out = {{"output", "T"}},                                                                     \
     .attrs = {SHARES},                                                                            \
     .types = {{"T", TENSORS}, {"I", FV_SET(I64)}},                                                \
     COMPUTED}
/* The second operand lists axes; `shape` is its name in the schemas of ONNX Runtime. */
#define REDUCED(op_name, what)                                                                     \
    {MS,                                                                                           \
     .name = op_name,                                                                              \
     .doc = what " along axes of a tensor of which each rank has a share",                         \
     .in = {{"input", "T"}, {"shape", "I", .rank = FV_LIST}},                                      \
     .out = {{"output", "T"}},                                                                     \
     .attrs = {FV_A_INT("keepdims", 1), SHARES},                                                   \
     .types = {{"T", REALS}, {"I", FV_SET(I64)}},                                                  \
     COMPUTED}

/* clang-format off */
const fv_opdef fv_ops_distributed[] = {
    {MS, .name = "DistributedMatMul",
     .doc = "MatMul of factors of which each rank has a share",
     .in = {{"A", "T", .rank = FV_RANK_FROM(1)}, {"B", "T", .rank = FV_RANK_FROM(1)}},
     .out = {{"Y", "T"}}, .attrs = {SHARES}, .types = {{"T", REALS}}, COMPUTED},
    {MS, .name = "DistributedSlice",
     .doc = "Slice of a tensor of which each rank has a share; starts and ends are those of the "
            "whole tensor",
     .in = {{"data", "T", .rank = FV_RANK_FROM(1)}, {"starts", "I", .rank = FV_FIRST_AXES("data")},
            {"ends", "I", .rank = FV_FIRST_AXES("data")},
            {"axes", "I", FV_OPTIONAL_OPERAND, .rank = FV_FIRST_AXES("data")},
            {"steps", "I", FV_OPTIONAL_OPERAND, .rank = FV_FIRST_AXES("data")}},
     .out = {{"output", "T"}}, .attrs = {SHARES},
     .types = {{"T", TENSORS}, {"I", FV_SET(I32) | FV_SET(I64)}}, COMPUTED},
    {MS, .name = "DistributedReshape",
     .doc = "Reshape of a tensor of which each rank has a share, to the shape of the whole tensor",
     .in = {{"data", "T"}, {"shape", "I", .rank = FV_LIST}},
     .out = {{"reshaped", "T"}}, .attrs = {FV_A_INT("allowzero", 0), SHARES},
     .types = {{"T", TENSORS}, {"I", FV_SET(I64)}}, COMPUTED},
    SHAPED("DistributedExpand", "shape", "Expand to the shape of the whole tensor"),
    SHAPED("DistributedSqueeze", "axes", "Squeeze"),
    SHAPED("DistributedUnsqueeze", "axes", "Unsqueeze"),
    REDUCED("DistributedReduceSum", "the sum"),
    REDUCED("DistributedReduceMax", "the maximum"),
    REDUCED("DistributedReduceMean", "the mean"),

    {0}};
/* clang-format on */
