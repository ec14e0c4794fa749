/* loop.c - see loop.h. */
#include "ir/graph/loop.h"

#include "ir/base/limits.h"
#include "ir/graph/infer.h"
#include "ir/graph/symbols.h"

const fv_region *fv_loop_body(const fv_op *op) {
    const fv_attr *a = fv_op_find_attr(op, "body");
    return a ? a->u.region : NULL;
}

int fv_loop_states(const fv_op *op) {
    return op->nin > FV_LOOP_FIRST ? op->nin - FV_LOOP_FIRST : 0;
}

const fv_dim *fv_loop_times(const fv_op *op) {
    const fv_dim *const *times;
    int n;
    if (!fv_op_in(op, FV_LOOP_TIMES) || !fv_elems(op, FV_LOOP_TIMES, &n, &times) || n != 1)
        return NULL;
    if (!fv_dim_is_const(times[0]))
        return times[0];
    int64_t known = times[0]->value;
    return known >= FV_DIM_MAX ? NULL
           : known < 0         ? fv_dim_const(fv_op_module(op)->dims, 0)
                               : times[0];
}

static bool holds(const fv_value *cond) {
    int64_t known;
    return fv_known_int(cond, &known) && known;
}

/* May the loop end before its maximum number of iterations? Without an initial condition operand,
 * the condition that the body returns is ignored. */
bool fv_loop_may_end_early(const fv_op *op) {
    const fv_value *cond = fv_op_in(op, FV_LOOP_COND);
    return cond && !(holds(cond) && holds(fv_loop_body(op)->last->in[FV_BODY_GOES_ON]));
}

/* ---- symbols ---- */

bool fv_loop_changes(const fv_op *op, int k, int axis) {
    const fv_dim *d = fv_loop_body(op)->params[FV_BODY_STATE + k]->type->dims[axis];
    return d->kind == FV_DIM_SYMBOL && fv_unknown_above(op, d);
}

static bool attr_mentions(const fv_attr *a, const fv_dim *symbol);

/* Does the block mention the symbol anywhere but in parameter `param` and op `but`? Each of these
 * may be NULL. */
static bool block_mentions(const fv_region *block, const fv_value *param, const fv_op *but,
                           const fv_dim *symbol) {
    for (int i = 0; i < block->nparams; i++)
        if (block->params[i] != param && fv_value_mentions(block->params[i], symbol))
            return true;
    for (const fv_op *op = block->first; op; op = op->next) {
        for (int i = 0; op != but && i < op->nout; i++)
            if (fv_value_mentions(op->out[i], symbol))
                return true;
        for (int i = 0; op != but && i < op->nattrs; i++)
            if (attr_mentions(&op->attrs[i], symbol))
                return true;
    }
    return false;
}

static bool attr_mentions(const fv_attr *a, const fv_dim *symbol) {
    return a->kind == FV_ATTR_REGION
               ? block_mentions(a->u.region, NULL, NULL, symbol)
               : a->kind == FV_ATTR_DIMS && fv_dims_mention(a->n, a->u.dims, symbol);
}

bool fv_loop_changes_alone(const fv_op *op, int k, int axis, const fv_op *next) {
    const fv_region *body = fv_loop_body(op);
    const fv_value *state = body->params[FV_BODY_STATE + k];
    return fv_loop_changes(op, k, axis) &&
           !block_mentions(body, state, next, state->type->dims[axis]);
}

/* ---- a Loop with other states and rows ---- */

/* Copies the values of `from` without the states that are marked in `gone`, which begin at index
 * `first`. Returns how many were copied. */
static int staying(const bool *gone, int states, int first, int n, fv_value *const *from,
                   fv_value **to) {
    int stay = 0;
    for (int i = 0; i < n; i++)
        if (!gone || i < first || i >= first + states || !gone[i - first])
            to[stay++] = from[i];
    return stay;
}

static void change_body(fv_region *body, int states, const bool *gone, int n,
                        fv_value *const *rows) {
    fv_arena *a = fv_region_module(body)->arena;
    fv_value **params = FV_NEW(a, fv_value *, body->nparams),
             **given = FV_NEW(a, fv_value *, body->last->nin + n);
    fv_op **steps = FV_NEW(a, fv_op *, states + 1);
    int nparams = staying(gone, states, FV_BODY_STATE, body->nparams, body->params, params);
    int ngiven = staying(gone, states, FV_BODY_NEXT, body->last->nin, body->last->in, given);
    for (int k = 0; k < states; k++)
        steps[k] = gone && gone[k] ? body->last->in[FV_BODY_NEXT + k]->def : NULL;
    for (int i = 0; i < n; i++)
        given[ngiven + i] = rows[i];
    fv_region_return(body, ngiven + n, given);
    for (int k = 0; k < states; k++)
        if (steps[k])
            fv_op_erase(steps[k]);
    fv_region_set_params(body, nparams, params);
}

fv_op *fv_loop_change(fv_op *loop, const bool *gone, int n, fv_value *const *rows,
                      const char *const *names) {
    fv_module *m = fv_op_module(loop);
    /* trailing results of the Loop may be left out, so their number is that of what the body
     * returns */
    int states = fv_loop_states(loop), all = fv_loop_body(loop)->last->nin - FV_BODY_NEXT;
    fv_value **in = FV_NEW(m->arena, fv_value *, loop->nin),
             **before = FV_NEW(m->arena, fv_value *, all + 1);
    fv_value **out = FV_NEW(m->arena, fv_value *, all + 1);
    const char **called = FV_NEW(m->arena, const char *, all + n + 1);
    for (int i = 0; i < loop->nout; i++)
        before[i] = loop->out[i];
    int nin = staying(gone, states, FV_LOOP_FIRST, loop->nin, loop->in, in),
        stay = staying(gone, states, 0, all, before, out);
    for (int i = 0; i < stay + n; i++)
        called[i] = i >= stay ? names[i - stay] : out[i] ? out[i]->name : NULL;
    change_body(fv_op_find_attr(loop, "body")->u.region, states, gone, n, rows);
    fv_op *made = fv_op_new(loop->block, loop, loop->def, nin, in, stay + n, called, loop->origin);
    fv_op_move_attrs(loop, made);
    for (int i = 0; i < stay; i++)
        if (out[i]) { /* keep what is known of the result's type and elements */
            made->out[i]->type = out[i]->type;
            made->out[i]->elems = out[i]->elems;
            made->out[i]->nelems = out[i]->nelems;
        }
    if (!fv_op_infer(made))
        return NULL;
    for (int i = 0; i < stay; i++)
        if (out[i]) {
            fv_replace_uses(out[i], made->out[i]);
            fv_value_take_name(m, made->out[i], out[i]);
        }
    return made;
}

/* ---- Scan ---- */

int fv_scan_inputs(const fv_op *op) {
    int64_t n = fv_op_int(op, "num_scan_inputs");
    return n < 1 || n > op->nin ? -1 : (int)n;
}

bool fv_scan_axis(const fv_op *op, int k, int *axis) {
    int n, inputs = fv_scan_inputs(op);
    const int64_t *axes = fv_op_ints(op, "scan_input_axes", &n);
    const fv_type *t = op->in[op->nin - inputs + k]->type;
    if (axes && n != inputs)
        return fv_op_error(op, "scan_input_axes has %d axes for %d scan inputs", n, inputs);
    return t->kind == FV_TENSOR
               ? fv_infer_axis((fv_op *)(uintptr_t)op, axes ? axes[k] : 0, t->rank, axis)
               : fv_op_error(op, "scan input %d is no tensor", k);
}

const fv_type *fv_without_axis(fv_arena *a, const fv_type *t, int axis) {
    const fv_dim *dims[FV_MAX_RANK];
    for (int i = 0, n = 0; i < t->rank; i++)
        if (i != axis)
            dims[n++] = t->dims[i];
    return fv_tensor_type(a, t->elem, t->rank - 1, dims);
}
