/* collective.c - operators by which the ranks of a run, processes or threads that each execute
 * their own part of a model, exchange tensors. The basic ones only move elements; sums are ordinary
 * operators that add what all ranks have sent. */
#include "ir/base/limits.h"
#include "ir/definition/custom.h"
#include "ir/dim/text.h"
#include "ir/graph/infer.h"
#include "ir/graph/rewriter.h"

enum { MOST_RANKS = FV_MAX_CALL_RANKS };

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

/* Checks the attributes with the number of ranks of the run, and with the first one of `n` ranks of
 * these; false after a diagnostic. */
static bool are_ranks(fv_op *op, const char *ranks, const char *first, int64_t n) {
    const fv_attr *a = fv_op_find_attr(op, first);
    int64_t of, at = a ? a->u.i : -1;
    return ranks_of(op, ranks, &of) &&
           ((at >= 0 && at <= of - n) ||
            fv_op_error(op, "%s is rank %lld, expected 0 to %lld: the run has %lld ranks", first,
                        (long long)at, (long long)(of - n), (long long)of));
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
    if (!fv_op_find_attr(op, "of") != !fv_op_find_attr(op, "first"))
        return fv_op_error(op, "has one of `first` and `of`, expected both or neither");
    if (fv_op_find_attr(op, "of") && !are_ranks(op, "of", "first", ranks))
        return false;
    dims[0] = fv_dim_const(fv_op_module(op)->dims, ranks);
    for (int i = 0; i < x->rank; i++)
        dims[i + 1] = x->dims[i];
    fv_infer_out(op, 0, x->elem, x->rank + 1, dims);
    return true;
}

static bool infer_send(fv_op *op) {
    return are_ranks(op, "ranks", "to", 1);
}

static bool infer_receive(fv_op *op) {
    const fv_attr *t = fv_op_find_attr(op, "type");
    if (t->u.type->kind != FV_TENSOR)
        return fv_op_error(op, "type is no tensor");
    fv_infer_out(op, 0, t->u.type->elem, t->u.type->rank, t->u.type->dims);
    return are_ranks(op, "ranks", "from", 1);
}

static bool infer_exchange(fv_op *op) {
    const fv_type *x = fv_in_type(op, 0);
    fv_infer_like(op, 0, 0);
    return fv_dim_is_const(x->dims[0]) && x->dims[0]->value >= 1 && x->dims[0]->value <= MOST_RANKS
               ? true
               : fv_op_error(op, "axis 0 has %s elements, expected a constant number of ranks",
                             fv_dim_str(fv_op_module(op)->arena, x->dims[0]));
}

static bool is_basic(const fv_op *op) {
    return op->def->distinct == FV_COMMUNICATES && op->def->kernel;
}

/* The number of ranks of the run, as a basic operator states it. */
static int64_t ranks_of_run(const fv_op *op) {
    const fv_attr *of = fv_op_find_attr(op, "of");
    of = of ? of : fv_op_find_attr(op, "ranks");
    return of ? of->u.i : op->out[0]->type->dims[0]->value;
}

/* Checks that the ranks are as many as those of the first collective of the program: a run has one
 * communicator. */
static bool has_one_number(const fv_op *op) {
    const fv_op *first = op->block->first;
    while (!is_basic(first))
        first = first->next;
    int64_t ranks = ranks_of_run(op), others = ranks_of_run(first);
    return ranks == others ||
           fv_op_error(op,
                       "exchanges data among %lld ranks, and '%s' among %lld: a run has one "
                       "number of ranks",
                       (long long)ranks, fv_origin_str(fv_op_module(op)->arena, first->origin),
                       (long long)others);
}

/* A kernel that calls that function of the communicator: with what the op reads, if it has an
 * operand, and then with what it writes; an addressed function with the rank that an attribute
 * has. */
static bool kernel_of(fv_custom *c, fv_op *op, const char *name, const char *rank) {
    const fv_attr *a = rank ? fv_op_find_attr(op, rank) : NULL;
    fv_buf *bufs[2];
    int n = 0;
    if (!has_one_number(op))
        return false;
    fv_custom_begin(c, name);
    if (op->nin)
        bufs[n++] = fv_custom_in(c, 0);
    if (op->nout)
        bufs[n++] = fv_custom_out(c, 0);
    fv_kb_call_rank(&c->b, fv_library_fn_called(name), bufs, a ? a->u.i : 0, ranks_of_run(op));
    fv_custom_end(c);
    return true;
}

static bool kernel_gather(fv_custom *c, fv_op *op) {
    return kernel_of(c, op, fv_op_find_attr(op, "of") ? "group_all_gather" : "all_gather", "first");
}

static bool kernel_exchange(fv_custom *c, fv_op *op) {
    return kernel_of(c, op, "all_to_all", NULL);
}

static bool kernel_send(fv_custom *c, fv_op *op) {
    return kernel_of(c, op, "send", "to");
}

static bool kernel_receive(fv_custom *c, fv_op *op) {
    return kernel_of(c, op, "receive", "from");
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
     .doc = "Y[i, ..] = X of rank i, for all ranks of the run; or of rank `first` + i, for a group "
            "of `ranks` of the `of` ranks of the run",
     .in = {{"X", "T"}}, .out = {{"Y", "T"}},
     .attrs = {FV_A_REQUIRED("ranks", INT), FV_A_OPTIONAL("first", INT), FV_A_OPTIONAL("of", INT)},
     .types = {{"T", FV_SET_NUMBER | FV_SET(BOOL)}}, .infer = infer_gather,
     .kernel = kernel_gather, .distinct = FV_COMMUNICATES},
    {.domain = "fv", .name = "AllToAll", .id = FV_OP_fv_AllToAll, .since = {1},
     .doc = "Y[i, ..] = X[j, ..] of rank i, where j is the own rank; axis 0 has the number of "
            "ranks",
     .in = {{"X", "T", .rank = FV_RANK_FROM(1)}}, .out = {{"Y", "T"}},
     .types = {{"T", FV_SET_NUMBER | FV_SET(BOOL)}}, .infer = infer_exchange,
     .kernel = kernel_exchange, .distinct = FV_COMMUNICATES},
    {.domain = "fv", .name = "Send", .id = FV_OP_fv_Send, .since = {1},
     .doc = "rank `to`, of the `ranks` ranks of the run, receives X",
     .in = {{"X", "T"}}, .attrs = {FV_A_REQUIRED("to", INT), FV_A_REQUIRED("ranks", INT)},
     .types = {{"T", FV_SET_NUMBER | FV_SET(BOOL)}}, .infer = infer_send, .kernel = kernel_send,
     .has_effect = true, .distinct = FV_COMMUNICATES},
    {.domain = "fv", .name = "Receive", .id = FV_OP_fv_Receive, .since = {1},
     .doc = "Y = what rank `from`, of the `ranks` ranks of the run, sends: a tensor of that type",
     .out = {{"Y", "T"}},
     .attrs = {FV_A_REQUIRED("from", INT), FV_A_REQUIRED("ranks", INT),
               FV_A_REQUIRED("type", TYPE)},
     .types = {{"T", FV_SET_NUMBER | FV_SET(BOOL)}}, .infer = infer_receive,
     .kernel = kernel_receive, .has_effect = true, .distinct = FV_COMMUNICATES},
    {MS, .name = "AllReduce", .id = FV_OP_com_microsoft_AllReduce,
     .doc = "the sum of the inputs of all ranks, added in an order that does not depend on what "
            "connects them; `group_size`, which ONNX Runtime does not have, is their number",
     .in = {{"input", "T"}}, .out = {{"output", "T"}},
     .attrs = {FV_A_OPTIONAL("group_size", INT)}, .types = {{"T", FV_SET_FLOAT}},
     .infer = infer_reduce, .decompose = decompose_reduce, .distinct = FV_COMMUNICATES},
    {MS, .name = "AllGather", .id = FV_OP_com_microsoft_AllGather,
     .doc = "the inputs of all ranks, joined along an axis",
     .in = {{"input", "T", .rank = FV_RANK_FROM(1)}}, .out = {{"output", "T"}},
     .attrs = {FV_A_INT("axis", 0), FV_A_INT("group_size", 1)},
     .types = {{"T", FV_SET_NUMBER | FV_SET(BOOL)}},
     .infer = infer_group_gather, .decompose = decompose_gather, .distinct = FV_COMMUNICATES},
    {MS, .name = "AllToAll", .id = FV_OP_com_microsoft_AllToAll,
     .doc = "part i of axis 0 of what rank j gets is part j of what rank i has",
     .in = {{"input", "T", .rank = FV_RANK_FROM(1)}}, .out = {{"output", "T"}},
     .attrs = {FV_A_INT("group_size", 1)}, .types = {{"T", FV_SET_NUMBER | FV_SET(BOOL)}},
     .infer = infer_group_exchange, .decompose = decompose_exchange, .distinct = FV_COMMUNICATES},

    {0}};
/* clang-format on */
