/* collective.c - operators by which the ranks of a run, processes or threads that each execute
 * their own part of a model, exchange tensors. The basic ones only move elements; sums are ordinary
 * operators that add what all ranks have sent. */
#include "ir/base/limits.h"
#include "ir/definition/custom.h"
#include "ir/dim/text.h"
#include "ir/graph/infer.h"
#include "ir/graph/rewriter.h"

enum { MOST_RANKS = 65536 };

/* The attribute with that number of ranks, which is 1 where it is left out. */
static int64_t number_of(const fv_op *op, const char *attribute) {
    const fv_attr *a = fv_op_find_attr(op, attribute);
    return a ? a->u.i : 1;
}

/* Checks the attribute with the number of ranks; false after a diagnostic. */
static bool ranks_of(fv_op *op, const char *attribute, int64_t *ranks) {
    *ranks = number_of(op, attribute);
    return (*ranks >= 1 && *ranks <= MOST_RANKS) ||
           fv_op_error(op, "%s, the number of ranks, is %lld, expected 1 to %d", attribute,
                       (long long)*ranks, MOST_RANKS);
}

/* ---- the basic operators ---- */

static bool infer_gather(fv_op *op) {
    const fv_type *x = fv_in_type(op, 0);
    const fv_dim *dims[FV_MAX_RANK];
    int64_t ranks;
    if (!ranks_of(op, "ranks", &ranks))
        return false;
    if (x->rank >= FV_MAX_RANK)
        return fv_op_error(op, "has %d axes, expected fewer than %d", x->rank, FV_MAX_RANK);
    dims[0] = fv_dim_const(fv_op_module(op)->dims, ranks);
    for (int i = 0; i < x->rank; i++)
        dims[i + 1] = x->dims[i];
    fv_infer_out(op, 0, x->elem, x->rank + 1, dims);
    return true;
}

static bool infer_exchange(fv_op *op) {
    const fv_type *x = fv_in_type(op, 0);
    fv_infer_like(op, 0, 0);
    return fv_dim_is_const(x->dims[0]) && x->dims[0]->value >= 1 && x->dims[0]->value <= MOST_RANKS
               ? true
               : fv_op_error(op, "axis 0 has %s elements, expected a constant number of ranks",
                             fv_dim_str(fv_op_module(op)->arena, x->dims[0]));
}

/* Checks that the ranks are as many as those of the first collective of the program: a run has one
 * communicator. */
static bool has_one_number(const fv_op *op) {
    const fv_op *first = op->block->first;
    while (!fv_op_is(first, FV_OP_fv_AllGather) && !fv_op_is(first, FV_OP_fv_AllToAll))
        first = first->next;
    int64_t ranks = op->out[0]->type->dims[0]->value, others = first->out[0]->type->dims[0]->value;
    return ranks == others ||
           fv_op_error(op,
                       "exchanges data among %lld ranks, and '%s' among %lld: a run has one "
                       "number of ranks",
                       (long long)ranks, fv_origin_str(fv_op_module(op)->arena, first->origin),
                       (long long)others);
}

static bool kernel_of(fv_custom *c, fv_op *op, const char *name) {
    const fv_library_fn *fn = fv_library_fn_called(name);
    if (!has_one_number(op))
        return false;
    fv_custom_begin(c, name);
    fv_buf *x = fv_custom_in(c, 0), *y = fv_custom_out(c, 0);
    fv_kb_call(&c->b, fn, (fv_buf *[]){x, y});
    fv_custom_end(c);
    return true;
}

static bool kernel_gather(fv_custom *c, fv_op *op) {
    return kernel_of(c, op, "all_gather");
}

static bool kernel_exchange(fv_custom *c, fv_op *op) {
    return kernel_of(c, op, "all_to_all");
}

/* ---- the operators of ONNX Runtime ---- */

static bool infer_reduce(fv_op *op) {
    int64_t ranks;
    if (!fv_op_find_attr(op, "group_size"))
        return fv_op_error(op, "does not say how many ranks take part: expected an attribute "
                               "group_size");
    fv_infer_like(op, 0, 0);
    return ranks_of(op, "group_size", &ranks);
}

static bool infer_group_gather(fv_op *op) {
    const fv_type *x = fv_in_type(op, 0);
    fv_dims *t = fv_op_module(op)->dims;
    const fv_dim *dims[FV_MAX_RANK];
    int64_t ranks;
    int axis;
    if (!ranks_of(op, "group_size", &ranks) ||
        !fv_infer_axis(op, fv_op_int(op, "axis"), x->rank, &axis))
        return false;
    for (int i = 0; i < x->rank; i++)
        dims[i] = i == axis ? fv_dim_mul(t, x->dims[i], fv_dim_const(t, ranks)) : x->dims[i];
    fv_infer_out(op, 0, x->elem, x->rank, dims);
    return x->rank < FV_MAX_RANK ||
           fv_op_error(op, "has %d axes, expected fewer than %d", x->rank, FV_MAX_RANK);
}

static bool infer_group_exchange(fv_op *op) {
    fv_module *m = fv_op_module(op);
    const fv_type *x = fv_in_type(op, 0);
    int64_t ranks;
    if (!ranks_of(op, "group_size", &ranks))
        return false;
    if (x->rank >= FV_MAX_RANK)
        return fv_op_error(op, "has %d axes, expected fewer than %d", x->rank, FV_MAX_RANK);
    const fv_dim *n = fv_dim_const(m->dims, ranks);
    const fv_dim *part = fv_dim_floordiv(m->dims, x->dims[0], n);
    fv_infer_like(op, 0, 0);
    return fv_module_assume(m, x->dims[0], fv_dim_mul(m->dims, part, n),
                            "a multiple of the number of ranks") ||
           fv_op_error(op, "axis 0 has %s elements, expected a multiple of the %lld ranks",
                       fv_dim_str(m->arena, x->dims[0]), (long long)ranks);
}

static fv_value *gathered(fv_rewriter *w, fv_op *op) {
    fv_attr a = fv_attr_int(w->module, "ranks", number_of(op, "group_size"));
    return fv_w_op(w, FV_OP_fv_AllGather, 1, op->in, 1, &a);
}

static bool decompose_reduce(fv_rewriter *w, fv_op *op) {
    fv_value *in[] = {
        gathered(w, op),
        fv_w_ints(w, FV_I64, 1, 1, (const fv_dim *[]){fv_dim_const(w->module->dims, 0)})};
    fv_attr a = fv_attr_int(w->module, "keepdims", 0);
    fv_w_result(w, 0, fv_w_op(w, FV_OP_ReduceSum, 2, in, 1, &a));
    return true;
}

static bool decompose_gather(fv_rewriter *w, fv_op *op) {
    const fv_type *y = op->out[0]->type;
    int perm[FV_MAX_RANK], axis;
    if (!fv_infer_axis(op, fv_op_int(op, "axis"), y->rank, &axis))
        return false;
    for (int i = 0; i <= y->rank; i++) /* the axis of the ranks moves before the gathered one */
        perm[i] = i < axis ? i + 1 : i == axis ? 0 : i;
    fv_value *x = fv_w_transpose(w, gathered(w, op), perm);
    fv_w_result(w, 0, fv_w_reshape(w, x, y->rank, y->dims));
    return true;
}

static bool decompose_exchange(fv_rewriter *w, fv_op *op) {
    fv_dims *t = w->module->dims;
    const fv_type *x = op->in[0]->type;
    const fv_dim *dims[FV_MAX_RANK];
    dims[0] = fv_dim_const(t, number_of(op, "group_size"));
    dims[1] = fv_dim_floordiv(t, x->dims[0], dims[0]);
    for (int i = 1; i < x->rank; i++)
        dims[i + 1] = x->dims[i];
    fv_value *y = FV_W1(w, FV_OP_fv_AllToAll, fv_w_reshape(w, op->in[0], x->rank + 1, dims));
    fv_w_result(w, 0, fv_w_reshape(w, y, x->rank, x->dims));
    return true;
}

#define MS .domain = "com.microsoft", .since = {1}

/* clang-format off */
const fv_opdef fv_ops_collective[] = {
    {.domain = "fv", .name = "AllGather", .id = FV_OP_fv_AllGather, .since = {1},
     .doc = "Y[i, ..] = X of rank i, for all ranks of the run",
     .in = {{"X", "T"}}, .out = {{"Y", "T"}}, .attrs = {FV_A_REQUIRED("ranks", INT)},
     .types = {{"T", FV_SET_NUMBER | FV_SET(BOOL)}}, .infer = infer_gather,
     .kernel = kernel_gather},
    {.domain = "fv", .name = "AllToAll", .id = FV_OP_fv_AllToAll, .since = {1},
     .doc = "Y[i, ..] = X[j, ..] of rank i, where j is the own rank; axis 0 has the number of "
            "ranks",
     .in = {{"X", "T", .rank = FV_RANK_FROM(1)}}, .out = {{"Y", "T"}},
     .types = {{"T", FV_SET_NUMBER | FV_SET(BOOL)}}, .infer = infer_exchange,
     .kernel = kernel_exchange},
    {MS, .name = "AllReduce", .id = FV_OP_com_microsoft_AllReduce,
     .doc = "the sum of the inputs of all ranks, added in an order that does not depend on what "
            "connects them; `group_size`, which ONNX Runtime does not have, is their number",
     .in = {{"input", "T"}}, .out = {{"output", "T"}},
     .attrs = {FV_A_OPTIONAL("group_size", INT)}, .types = {{"T", FV_SET_FLOAT}},
     .infer = infer_reduce, .decompose = decompose_reduce},
    {MS, .name = "AllGather", .id = FV_OP_com_microsoft_AllGather,
     .doc = "the inputs of all ranks, joined along an axis",
     .in = {{"input", "T", .rank = FV_RANK_FROM(1)}}, .out = {{"output", "T"}},
     .attrs = {FV_A_INT("axis", 0), FV_A_INT("group_size", 1)},
     .types = {{"T", FV_SET_NUMBER | FV_SET(BOOL)}},
     .infer = infer_group_gather, .decompose = decompose_gather},
    {MS, .name = "AllToAll", .id = FV_OP_com_microsoft_AllToAll,
     .doc = "part i of axis 0 of what rank j gets is part j of what rank i has",
     .in = {{"input", "T", .rank = FV_RANK_FROM(1)}}, .out = {{"output", "T"}},
     .attrs = {FV_A_INT("group_size", 1)}, .types = {{"T", FV_SET_NUMBER | FV_SET(BOOL)}},
     .infer = infer_group_exchange, .decompose = decompose_exchange},

    {0}};
/* clang-format on */
