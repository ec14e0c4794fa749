/* scan.c - Scan: a Loop over slices of its operands. */

#include <string.h>

#include "ir/base/limits.h"
#include "ir/graph/infer.h"
#include "ir/graph/loop.h"
#include "ir/graph/rewriter.h"
#include "ir/graph/symbols.h"
#include "ops/common/attribute.h"
#include "ops/control/scan.h"

static const char *str(const fv_op *op, const fv_type *t) {
    return fv_type_str(fv_op_module(op)->arena, t);
}

static int states_of(const fv_op *op) {
    return op->nin - fv_scan_inputs(op);
}

/* ---- attributes ---- */

static bool is_backward(const fv_op *op, const char *name, int k) {
    int n;
    const int64_t *all = fv_op_ints(op, name, &n);
    return all && all[k] == 1;
}

static bool output_axis(fv_op *op, int k, int rank, int *axis) {
    int n;
    const int64_t *axes = fv_op_ints(op, "scan_output_axes", &n);
    *axis = 0;
    return !axes || fv_infer_axis(op, axes[k], rank, axis);
}

static bool check_attrs(const fv_op *op, int outputs) {
    int n;
    const int64_t *axes = fv_op_ints(op, "scan_output_axes", &n);
    return (!axes || n == outputs ||
            fv_op_error(op, "scan_output_axes has %d axes for %d scan outputs", n, outputs)) &&
           fv_attr_are_directions(op, "scan_input_directions", fv_scan_inputs(op)) &&
           fv_attr_are_directions(op, "scan_output_directions", outputs);
}

/* ---- types ---- */

static bool has_shape_of_body(const fv_op *op) {
    const fv_region *body = fv_loop_body(op);
    if (fv_scan_inputs(op) < 0)
        return fv_op_error(op, "num_scan_inputs is %lld, of %d inputs",
                           (long long)fv_op_int(op, "num_scan_inputs"), op->nin);
    if (body->nparams != op->nin)
        return fv_op_error(op, "its body takes %d values, expected %d", body->nparams, op->nin);
    if (body->last->nin < states_of(op))
        return fv_op_error(op, "its body gives %d values, expected at least %d states",
                           body->last->nin, states_of(op));
    if (op->nout > body->last->nin)
        return fv_op_error(op, "has %d outputs, its body gives %d", op->nout, body->last->nin);
    for (int i = 0; i < body->last->nin; i++)
        if (!body->last->in[i] || !body->last->in[i]->type ||
            body->last->in[i]->type->kind != FV_TENSOR)
            return fv_op_error(op, "output %d of its body is no tensor", i);
    return true;
}

/* Checks that type u, from a body, agrees with t, given what is known at the op `where`. */
static bool assume_same(const fv_op *op, const fv_type *t, const fv_type *u, const fv_op *where) {
    fv_module *m = fv_op_module(op);
    bool same =
        t->kind == FV_TENSOR && u->kind == FV_TENSOR && t->elem == u->elem && t->rank == u->rank;
    const struct fv_within around = fv_module_enter(where);
    for (int i = 0; same && i < t->rank; i++)
        same = fv_module_assume(m, u->dims[i], t->dims[i], fv_op_why(op, "dims of a state"));
    m->within = around;
    return same;
}

/* The number of iterations: the size of each scan input along its axis, which must be equal. */
static bool find_length(fv_op *op, const fv_dim **length) {
    fv_module *m = fv_op_module(op);
    int first = states_of(op);
    for (int k = 0; k < fv_scan_inputs(op); k++) {
        const fv_type *t = op->in[first + k]->type,
                      *sees = fv_loop_body(op)->params[first + k]->type;
        int axis;
        if (!fv_scan_axis(op, k, &axis))
            return false;
        if (!assume_same(op, fv_without_axis(m->arena, t, axis), sees, op))
            return fv_op_error(op, "scan input %d is %s with axis %d, its body takes %s", k,
                               str(op, t), axis, str(op, sees));
        if (k && !fv_module_assume(m, t->dims[axis], *length, "iterations of a Scan"))
            return fv_op_error(op, "scan inputs 0 and %d have different numbers of iterations", k);
        *length = k ? *length : t->dims[axis];
    }
    return true;
}

/* The type of state k before, within and after the scan: a dim is a constant if it is one in any of
 * these types. */
static const fv_type *state_type(const fv_op *op, int k) {
    const fv_region *body = fv_loop_body(op);
    const fv_type *t = op->in[k]->type, *all[2] = {body->params[k]->type, body->last->in[k]->type};
    const fv_dim *dims[FV_MAX_RANK];
    for (int i = 0; i < t->rank; i++) {
        dims[i] = t->dims[i];
        for (int j = 0; j < 2; j++)
            dims[i] = fv_dim_is_const(all[j]->dims[i]) ? all[j]->dims[i] : dims[i];
    }
    return fv_tensor_type(fv_op_module(op)->arena, t->elem, t->rank, dims);
}

static bool infer_states(fv_op *op) {
    const fv_region *body = fv_loop_body(op);
    for (int k = 0; k < states_of(op); k++) {
        const fv_type *t = op->in[k]->type, *next = body->last->in[k]->type;
        if (!assume_same(op, t, body->params[k]->type, op))
            return fv_op_error(op, "state %d is %s before the scan, its body takes %s", k,
                               str(op, t), str(op, body->params[k]->type));
        if (!assume_same(op, t, next, body->last))
            return fv_op_error(op, "state %d is %s, its body gives %s", k, str(op, t),
                               str(op, next));
        if (k < op->nout && op->out[k])
            op->out[k]->type = state_type(op, k);
    }
    return true;
}

static bool infer_rows(fv_op *op, int out, const fv_dim *length) {
    const fv_type *t = fv_loop_body(op)->last->in[out]->type;
    const fv_dim *dims[FV_MAX_RANK + 1];
    int axis;
    if (t->rank >= FV_MAX_RANK)
        return fv_op_error(op, "output %d is made of %s, expected at most %d axes", out, str(op, t),
                           FV_MAX_RANK - 1);
    if (!output_axis(op, out - states_of(op), t->rank + 1, &axis))
        return false;
    for (int i = 0, k = 0; i < t->rank + 1; i++)
        dims[i] = i == axis ? length : t->dims[k++];
    for (int i = 0; i < t->rank; i++)
        if (fv_unknown_above(op, t->dims[i]))
            return fv_op_error(
                op, "output %d is made of %s, whose size is known only within an iteration", out,
                str(op, t));
    op->out[out]->type = fv_tensor_type(fv_op_module(op)->arena, t->elem, t->rank + 1, dims);
    return true;
}

static bool infer_scan(fv_op *op) {
    const fv_dim *length = NULL;
    if (!has_shape_of_body(op) || !check_attrs(op, fv_loop_body(op)->last->nin - states_of(op)) ||
        !find_length(op, &length) || !infer_states(op))
        return false;
    for (int i = states_of(op); i < op->nout; i++)
        if (op->out[i] && !infer_rows(op, i, length))
            return false;
    return true;
}

/* ---- as a Loop ---- */

typedef struct maker {
    fv_op *op, *loop;
    fv_module *m;
    fv_region *body; /* the body of the Loop */
    const fv_region *old;
    const fv_dim *length, *turn;
    fv_rewriter w; /* at the end of the body */
} maker;

static const fv_dim *zero(const maker *k) {
    return fv_dim_const(k->m->dims, 0);
}

/* The index of the slice: the number of the iteration, or length - 1 minus that number. */
static const fv_dim *place_of(const maker *k, bool backward) {
    fv_dims *t = k->m->dims;
    return backward ? fv_dim_sub(t, fv_dim_sub(t, k->length, fv_dim_const(t, 1)), k->turn)
                    : k->turn;
}

static fv_value *slice_of(maker *k, int input) {
    fv_value *x = k->op->in[states_of(k->op) + input];
    const fv_dim *start[FV_MAX_RANK], *step[FV_MAX_RANK], *dims[FV_MAX_RANK],
        *one = fv_dim_const(k->m->dims, 1);
    int axis;
    if (!fv_scan_axis(k->op, input, &axis))
        return NULL;
    for (int i = 0; i < x->type->rank; i++) {
        start[i] =
            i == axis ? place_of(k, is_backward(k->op, "scan_input_directions", input)) : zero(k);
        step[i] = one;
        dims[i] = i == axis ? one : x->type->dims[i];
    }
    const fv_type *t = fv_without_axis(k->m->arena, x->type, axis);
    return fv_w_reshape(&k->w, fv_w_slice(&k->w, x, start, step, dims), t->rank, t->dims);
}

static fv_value *known_param(maker *k, const char *name, fv_elem e, const fv_dim *value) {
    fv_value *v = fv_param_new(k->body, name, fv_tensor_type(k->m->arena, e, 0, NULL));
    fv_set_elems(v, 1, &value);
    return v;
}

/* Moves the ops of the Scan's body to that of the Loop. */
static void take_body(maker *k) {
    fv_arena *a = k->m->arena;
    int states = states_of(k->op), n = k->old->last->nin;
    fv_value **given = FV_NEW(a, fv_value *, n + 1);
    int64_t last = k->length->hi > 0 ? k->length->hi - 1 : 0;
    k->turn = fv_dim_fresh(k->m->dims, "turn", 0, last, true);
    known_param(k, "turn", FV_I64, k->turn);
    given[0] = known_param(k, "go", FV_BOOL, fv_dim_const(k->m->dims, 1));
    for (int i = 0; i < states; i++)
        fv_replace_uses(k->old->params[i],
                        fv_param_new(k->body, k->old->params[i]->name, state_type(k->op, i)));
    memcpy(given + 1, k->old->last->in, (size_t)n * sizeof *given);
    fv_op *ret = fv_op_new(k->body, NULL, &fv_return_def, n + 1, given, 0, NULL, k->op->origin);
    k->w = fv_rewriter_at(ret);
    for (int i = 0; i < fv_scan_inputs(k->op); i++) {
        fv_value *slice = slice_of(k, i);
        if (slice)
            fv_replace_uses(k->old->params[states + i], slice);
    }
    while (k->old->first != k->old->last)
        fv_op_move_before(k->old->first, ret);
}

static void make_loop(maker *k, fv_rewriter *w) {
    fv_op *op = k->op;
    int states = states_of(op);
    fv_value **in = FV_NEW(k->m->arena, fv_value *, FV_LOOP_FIRST + states + 1);
    const char **names = FV_NEW(k->m->arena, const char *, op->nout + 1);
    fv_attr a[3] = {fv_attr_dims(k->m, "values", 1, &k->length), fv_attr_elem(k->m, "to", FV_I64),
                    fv_attr_int(k->m, "rank", 0)};
    in[FV_LOOP_TIMES] = fv_w_op(w, FV_OP_fv_Ints, 0, NULL, 3, a);
    for (int i = 0; i < states; i++) {
        const fv_type *t = state_type(op, i);
        in[FV_LOOP_FIRST + i] = fv_w_reshape(w, op->in[i], t->rank, t->dims);
    }
    for (int i = 0; i < op->nout; i++)
        names[i] = op->out[i] ? op->out[i]->name : NULL;
    k->loop = fv_op_new(op->block, op, fv_op_def(FV_OP_Loop), FV_LOOP_FIRST + states, in, op->nout,
                        names, op->origin);
    k->body = fv_region_new(op->block->func, k->loop);
    fv_op_attr(k->loop, &(fv_attr){.name = fv_intern(k->m->session, "body"),
                                   .kind = FV_ATTR_REGION,
                                   .u.region = k->body});
}

/* A result that the Loop returns with the rows of all iterations along axis 0, with the axis and
 * direction that the Scan requests. */
static fv_value *arranged(maker *k, fv_rewriter *w, int out) {
    fv_value *v = k->loop->out[out];
    fv_dims *t = k->m->dims;
    int axis, rank = v->type->rank, number = out - states_of(k->op), perm[FV_MAX_RANK];
    const fv_dim *start[FV_MAX_RANK], *step[FV_MAX_RANK], *one = fv_dim_const(t, 1);
    if (!output_axis(k->op, number, rank, &axis))
        return NULL;
    for (int i = 0, next = 1; i < rank; i++) {
        perm[i] = i == axis ? 0 : next++;
        start[i] = i ? zero(k) : fv_dim_sub(t, k->length, one);
        step[i] = i ? one : fv_dim_const(t, -1);
    }
    if (is_backward(k->op, "scan_output_directions", number))
        v = fv_w_slice(w, v, start, step, v->type->dims);
    return axis && v ? fv_w_transpose(w, v, perm) : v;
}

/* If there are no iterations, states keep their values, and the other results have no rows. */
static bool take_none(fv_rewriter *w, fv_op *op) {
    for (int i = 0; i < op->nout; i++) {
        const fv_type *t = op->out[i] ? op->out[i]->type : NULL;
        if (t)
            fv_w_result(w, i,
                        i < states_of(op) ? fv_w_reshape(w, op->in[i], t->rank, t->dims)
                                          : fv_w_zeros(w, t));
    }
    return !w->failed;
}

static bool decompose_scan(fv_rewriter *w, fv_op *op) {
    maker k = {.op = op, .m = w->module, .old = fv_loop_body(op)};
    if (!find_length(op, &k.length))
        return false;
    if (k.length->hi <= 0)
        return take_none(w, op);
    make_loop(&k, w);
    take_body(&k);
    if (w->failed || k.w.failed || !fv_op_infer(k.loop))
        return false;
    for (int i = 0; i < op->nout; i++)
        if (op->out[i])
            fv_w_result(w, i, i < states_of(op) ? k.loop->out[i] : arranged(&k, w, i));
    return !w->failed;
}

const fv_opdef fv_ops_scan[] = {
    {.domain = "",
     .name = "Scan",
     .id = FV_OP_Scan,
     .since = {8, 9, 11, 16, 19, 21, 23, 24, 25},
     .doc = "a graph for each element of an axis; states are passed from one iteration to the next",
     .in = {{"initial_state_and_scan_inputs", "V", FV_VARIADIC, -1}},
     .out = {{"final_state_and_scan_outputs", "V", FV_VARIADIC, -1}},
     .attrs = {FV_A_REQUIRED("body", REGION),
               FV_A_REQUIRED("num_scan_inputs", INT),
               FV_A_OPTIONAL("scan_input_axes", INTS),
               FV_A_OPTIONAL("scan_input_directions", INTS),
               FV_A_OPTIONAL("scan_output_axes", INTS),
               FV_A_OPTIONAL("scan_output_directions", INTS),
               {.name = "directions", .kind = FV_ATTR_INTS, .until = 8}},
     .types = {{"V", FV_SET_DATA}},
     .infer = infer_scan,
     .upgrade = fv_upgrade_scan,
     .moved = 8,
     .decompose = decompose_scan},

    {0}};
