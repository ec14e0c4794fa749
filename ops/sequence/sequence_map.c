/* sequence_map.c - SequenceMap: a graph that runs for each element of a sequence. It is expanded to
 * a Loop that reads elements and appends results. */
#include "ir/base/limits.h"
#include "ir/graph/infer.h"
#include "ir/graph/loop.h"
#include "ir/graph/symbols.h"
#include "ops/common/dims.h"
#include "ops/sequence/sequence.h"

static const fv_region *body_of(const fv_op *op) {
    return fv_op_find_attr(op, "body")->u.region;
}

/* Whether an iteration gets a value of type `given` for an operand of type t: the tensor, or an
 * element of the sequence. */
static bool sees(const fv_op *op, const fv_type *given, const fv_type *t) {
    if (t->kind != FV_TENSOR || given->kind != FV_SEQUENCE)
        return fv_type_equal(given, t);
    bool fits = t->elem == given->of->elem &&
                (given->of->rank == FV_ANY_RANK || given->of->rank == t->rank);
    for (int i = 0; fits && given->of->rank >= 0 && i < t->rank; i++)
        fits = given->of->dims[i] ? given->of->dims[i] == t->dims[i]
                                  : fv_unknown_above(op, t->dims[i]) != NULL;
    return fits;
}

static bool infer_map(fv_op *op) {
    fv_arena *a = fv_op_module(op)->arena;
    const fv_region *body = body_of(op);
    if (body->nparams != op->nin)
        return fv_op_error(op, "its body takes %d values, expected %d", body->nparams, op->nin);
    if (body->last->nin != op->nout)
        return fv_op_error(op, "its body gives %d values, expected %d", body->last->nin, op->nout);
    for (int i = 0; i < op->nin; i++)
        if (!sees(op, op->in[i]->type, body->params[i]->type))
            return fv_op_error(op, "its body takes %s as input %d, which is %s",
                               fv_type_str(a, body->params[i]->type), i,
                               fv_type_str(a, op->in[i]->type));
    for (int i = 0; i < op->nout; i++) {
        const fv_type *t = body->last->in[i] ? body->last->in[i]->type : NULL;
        if (!t || t->kind != FV_TENSOR)
            return fv_op_error(op, "its body gives %s as output %d, expected a tensor",
                               fv_type_str(a, t), i);
        const fv_type *of = fv_element_type(op, t);
        if (!of)
            return false;
        if (op->out[i])
            op->out[i]->type = fv_wrap_type(a, FV_SEQUENCE, of);
    }
    return true;
}

/* The number of elements, which must be equal for all sequences; NULL after a diagnostic. */
static const fv_dim *length_of(const fv_op *op) {
    fv_module *m = fv_op_module(op);
    const fv_dim *all = NULL;
    for (int i = 0; i < op->nin; i++) {
        fv_value *parts[FV_MAX_PARTS];
        if (op->in[i]->type->kind != FV_SEQUENCE)
            continue;
        if (!fv_ragged_of(op, op->in[i], parts))
            return NULL;
        const fv_dim *n = parts[FV_PART_SHAPES]->type->dims[0];
        if (!all)
            all = n;
        if (!fv_module_assume(m, n, all, fv_op_why(op, "lengths of sequences"))) {
            fv_op_error(op, "its sequences differ in length");
            return NULL;
        }
    }
    return all;
}

/* Replaces the parameters of the body by the tensors, or by elements of the sequences. */
static bool read_elements(const fv_op *op, fv_region *body, fv_value *turn) {
    fv_op *first = body->first;
    for (int i = 0; i < op->nin; i++) {
        fv_value *p = body->params[i], *in = op->in[i];
        if (in->type->kind == FV_SEQUENCE) {
            fv_op *at = fv_op_new(body, first, fv_op_def(FV_OP_SequenceAt), 2,
                                  (fv_value *[]){in, turn}, 1, &p->name, op->origin);
            at->out[0]->type = p->type;
            if (!fv_op_infer(at))
                return false;
            in = at->out[0];
        }
        fv_replace_uses(p, in);
    }
    return true;
}

/* Appends the results of the body to the states, which are its last parameters. */
static bool add_results(const fv_op *op, fv_region *body, fv_value *go, fv_value *const *states) {
    fv_value **given = FV_NEW(fv_op_module(op)->arena, fv_value *, op->nout + 1);
    given[FV_BODY_GOES_ON] = go;
    for (int i = 0; i < op->nout; i++) {
        fv_op *more = fv_op_new(body, body->last, fv_op_def(FV_OP_SequenceInsert), 2,
                                (fv_value *[]){states[i], body->last->in[i]}, 1, &states[i]->name,
                                op->origin);
        if (!fv_op_infer(more))
            return false;
        given[FV_BODY_NEXT + i] = more->out[0];
    }
    fv_region_return(body, FV_BODY_NEXT + op->nout, given);
    return true;
}

static bool become_turns(const fv_op *op, fv_region *body) {
    fv_module *m = fv_op_module(op);
    fv_value **params = FV_NEW(m->arena, fv_value *, FV_BODY_STATE + op->nout);
    const fv_dim *turn = fv_dim_fresh(m->dims, "element", 0, FV_DIM_MAX, true),
                 *one = fv_dim_const(m->dims, 1);
    params[FV_BODY_NUMBER] =
        fv_param_new(body, "element", fv_tensor_type(m->arena, FV_I64, 0, NULL));
    fv_set_elems(params[FV_BODY_NUMBER], 1, &turn);
    params[FV_BODY_COND] = fv_param_new(body, "go", fv_tensor_type(m->arena, FV_BOOL, 0, NULL));
    fv_set_elems(params[FV_BODY_COND], 1, &one);
    for (int i = 0; i < op->nout; i++)
        params[FV_BODY_STATE + i] = fv_param_new(body, "results", op->out[i]->type);
    if (!read_elements(op, body, params[FV_BODY_NUMBER]) ||
        !add_results(op, body, params[FV_BODY_COND], params + FV_BODY_STATE))
        return false;
    fv_region_set_params(body, FV_BODY_STATE + op->nout, params);
    return true;
}

static bool decompose_map(fv_rewriter *w, fv_op *op) {
    fv_module *m = w->module;
    fv_region *body = fv_op_find_attr(op, "body")->u.region;
    const fv_dim *length = length_of(op);
    fv_value **in = FV_NEW(m->arena, fv_value *, FV_LOOP_FIRST + op->nout);
    const char **names = FV_NEW(m->arena, const char *, op->nout);
    if (!length || !become_turns(op, body))
        return false;
    in[FV_LOOP_TIMES] = fv_w_ints(w, FV_I64, 0, 1, &length);
    for (int i = 0; i < op->nout; i++) {
        fv_attr dtype = fv_attr_elem(m, "dtype", op->out[i]->type->of->elem);
        in[FV_LOOP_FIRST + i] = fv_w_op(w, FV_OP_SequenceEmpty, 0, NULL, 1, &dtype);
        names[i] = op->out[i]->name;
    }
    fv_op *loop = fv_op_new(op->block, op, fv_op_def(FV_OP_Loop), FV_LOOP_FIRST + op->nout, in,
                            op->nout, names, op->origin);
    fv_op_move_attrs(op, loop);
    for (int i = 0; i < op->nout; i++)
        loop->out[i]->type = op->out[i]->type;
    if (w->failed || !fv_op_infer(loop))
        return false;
    for (int i = 0; i < op->nout; i++)
        fv_w_result(w, i, loop->out[i]);
    return true;
}

const fv_opdef fv_ops_sequence_map[] = {
    {.domain = "",
     .name = "SequenceMap",
     .id = FV_OP_SequenceMap,
     .since = {17},
     .doc = "executes a graph for each element of a sequence",
     .in = {{"input_sequence", "S"}, {"additional_inputs", "V", FV_VARIADIC, -1}},
     .out = {{"out_sequence", "S", FV_VARIADIC, -1}},
     .attrs = {FV_A_REQUIRED("body", REGION)},
     .types = {{"S", FV_SET_DATA, FV_KIND(SEQUENCE)},
               {"V", FV_SET_DATA, FV_KIND(TENSOR) | FV_KIND(SEQUENCE)}},
     .infer = infer_map,
     .decompose = decompose_map},

    {0}};
