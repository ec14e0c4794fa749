/* loop.c - Loop: a graph that is run repeatedly. */

#include "ir/graph/loop.h"
#include "ir/base/limits.h"
#include "ir/graph/infer.h"
#include "ir/graph/symbols.h"
#include "ops/common/dims.h"

static const char *str(const fv_op *op, const fv_type *t) {
    return fv_type_str(fv_op_module(op)->arena, t);
}

static bool is_scalar(const fv_value *v, fv_elem e) {
    const fv_type *t = v->type;
    return t && t->kind == FV_TENSOR && t->elem == e &&
           (t->rank == 0 || (t->rank == 1 && fv_dim_is_one(t->dims[0])));
}

static bool has_shape_of_body(const fv_op *op) {
    const fv_region *body = fv_loop_body(op);
    int states = fv_loop_states(op);
    if (body->nparams != FV_BODY_STATE + states)
        return fv_op_error(op,
                           "its body takes %d values, expected %d: the number of the iteration, a "
                           "condition, and %d states",
                           body->nparams, FV_BODY_STATE + states, states);
    if (body->last->nin < FV_BODY_NEXT + states)
        return fv_op_error(
            op, "its body gives %d values, expected at least %d: a condition, and %d states",
            body->last->nin, FV_BODY_NEXT + states, states);
    if (op->nout > body->last->nin - FV_BODY_NEXT)
        return fv_op_error(op, "has %d outputs, its body gives %d", op->nout,
                           body->last->nin - FV_BODY_NEXT);
    for (int i = 0; i < body->last->nin; i++)
        if (!body->last->in[i] || !body->last->in[i]->type)
            return fv_op_error(op, "its body leaves out output %d", i);
    if (!is_scalar(body->params[FV_BODY_NUMBER], FV_I64))
        return fv_op_error(op, "its body takes the number of the iteration as %s, expected i64[]",
                           str(op, body->params[FV_BODY_NUMBER]->type));
    if (!is_scalar(body->params[FV_BODY_COND], FV_BOOL))
        return fv_op_error(op, "its body takes the condition as %s, expected bool[]",
                           str(op, body->params[FV_BODY_COND]->type));
    return is_scalar(body->last->in[FV_BODY_GOES_ON], FV_BOOL) ||
           fv_op_error(op, "its body gives the condition as %s, expected bool[]",
                       str(op, body->last->in[FV_BODY_GOES_ON]->type));
}

/* ---- states ---- */

/* Whether a state of type t may have a value of type u, apart from dims. */
static bool may_be(const fv_op *op, const fv_type *t, const fv_type *u) {
    if (t->kind != FV_TENSOR) {
        const fv_type *either = fv_type_join(fv_op_module(op)->arena, t, u);
        return either && fv_type_equal(either, t);
    }
    return u->kind == FV_TENSOR && t->elem == u->elem && t->rank == u->rank;
}

/* Assumes that a dim of state k is the same before the loop, in its body, and after an iteration.
 * False after a diagnostic. */
static bool assume_same(const fv_op *op, int k, int axis) {
    fv_module *m = fv_op_module(op);
    const fv_region *body = fv_loop_body(op);
    const fv_type *t = body->params[FV_BODY_STATE + k]->type,
                  *first = op->in[FV_LOOP_FIRST + k]->type;
    const fv_type *next = body->last->in[FV_BODY_NEXT + k]->type;
    if (!fv_module_assume(m, first->dims[axis], t->dims[axis], "dims of a state"))
        return fv_op_error(op, "state %d is %s before the loop, its body takes %s", k,
                           str(op, first), str(op, t));
    const struct fv_within around = fv_module_enter(body->last);
    bool ok = fv_module_assume(m, next->dims[axis], t->dims[axis], "dims of a state");
    m->within = around;
    return ok || fv_op_error(op, "state %d is %s, its body gives %s", k, str(op, t), str(op, next));
}

/* The dim of result k along an axis whose size changes between iterations: a symbol. States that
 * share a symbol in the body have the same dim as results. */
static const fv_dim *dim_behind(const fv_op *op, int k, const fv_type *seen, int axis) {
    for (int j = 0; j < k; j++) {
        const fv_type *other = fv_loop_body(op)->params[FV_BODY_STATE + j]->type;
        for (int i = 0; op->out[j] && other->kind == FV_TENSOR && i < other->rank; i++)
            if (other->dims[i] == seen->dims[axis])
                return op->out[j]->type->dims[i];
    }
    return fv_run_time_dim(op, k, seen->rank, axis, 0, FV_DIM_MAX);
}

static bool infer_state(fv_op *op, int k) {
    const fv_region *body = fv_loop_body(op);
    const fv_value *first = op->in[FV_LOOP_FIRST + k];
    const fv_type *t = body->params[FV_BODY_STATE + k]->type,
                  *next = body->last->in[FV_BODY_NEXT + k]->type;
    const fv_dim *dims[FV_MAX_RANK];
    if (!first)
        return fv_op_error(op, "state %d is left out", k);
    if (!may_be(op, t, first->type))
        return fv_op_error(op, "state %d is %s before the loop, its body takes %s", k,
                           str(op, first->type), str(op, t));
    if (!may_be(op, t, next))
        return fv_op_error(op, "state %d is %s, its body gives %s", k, str(op, t), str(op, next));
    bool there = k < op->nout && op->out[k];
    if (t->kind != FV_TENSOR) {
        if (there)
            op->out[k]->type = t;
        return true;
    }
    for (int i = 0; i < t->rank; i++) {
        bool changes = fv_loop_changes(op, k, i);
        if (!changes && !assume_same(op, k, i))
            return false;
        dims[i] = !changes ? first->type->dims[i] : there ? dim_behind(op, k, t, i) : NULL;
    }
    if (there)
        op->out[k]->type = fv_tensor_type(fv_op_module(op)->arena, t->elem, t->rank, dims);
    return true;
}

/* ---- a row for each iteration ---- */

static bool infer_rows(fv_op *op, int out, const fv_dim **count) {
    fv_module *m = fv_op_module(op);
    const fv_type *t = fv_loop_body(op)->last->in[FV_BODY_NEXT + out]->type;
    const fv_dim *dims[FV_MAX_RANK + 1], *times = fv_loop_times(op);
    if (t->kind != FV_TENSOR || t->rank >= FV_MAX_RANK)
        return fv_op_error(op, "output %d is made of %s, expected a tensor of at most %d axes", out,
                           str(op, t), FV_MAX_RANK - 1);
    const fv_dim *most = times ? fv_dim_max(m->dims, times, fv_dim_const(m->dims, 0)) : NULL;
    if (!*count)
        *count = most && !fv_loop_may_end_early(op)
                     ? most
                     : fv_run_time_dim(op, out, t->rank + 1, 0, 0, most ? most->hi : FV_DIM_MAX);
    dims[0] = *count;
    /* an upper bound over all iterations; the run determines the size */
    for (int i = 0; i < t->rank; i++)
        dims[1 + i] = fv_unknown_above(op, t->dims[i])
                          ? fv_run_time_dim(op, out, t->rank + 1, 1 + i, 0, FV_DIM_MAX)
                          : t->dims[i];
    op->out[out]->type = fv_tensor_type(m->arena, t->elem, t->rank + 1, dims);
    return true;
}

static bool infer_loop(fv_op *op) {
    int states = fv_loop_states(op);
    const fv_dim *count = NULL;
    if (!has_shape_of_body(op))
        return false;
    for (int k = 0; k < states; k++)
        if (!infer_state(op, k))
            return false;
    for (int i = states; i < op->nout; i++)
        if (op->out[i] && !infer_rows(op, i, &count))
            return false;
    return true;
}

const fv_opdef fv_ops_loop[] = {
    {.domain = "",
     .name = "Loop",
     .id = FV_OP_Loop,
     .since = {1, 11, 13, 16, 19, 21, 23, 24, 25},
     .doc = "executes a graph repeatedly, a number of times or while a "
            "condition holds; states are passed from one iteration to the "
            "next",
     .in = {{"M", "I", FV_OPTIONAL_OPERAND, .rank = FV_SCALAR},
            {"cond", "B", FV_OPTIONAL_OPERAND, .rank = FV_SCALAR},
            {"v_initial", "V", FV_VARIADIC, -1}},
     .out = {{"v_final_and_scan_outputs", "V", FV_VARIADIC, -1}},
     .attrs = {FV_A_REQUIRED("body", REGION)},
     .types = {{"I", FV_SET(I64)}, {"B", FV_SET(BOOL)}, {"V", FV_SET_MOVED, FV_KIND_ANY}},
     .infer = infer_loop},

    {0}};
