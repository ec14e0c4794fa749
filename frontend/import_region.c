/* import_region.c - imports the graphs in a node, such as branches of an If and the body of a Loop,
 * which can use names of the enclosing graph. */
#include <string.h>

#include "frontend/import.h"
#include "ir/base/limits.h"
#include "ir/graph/check.h"
#include "ir/graph/infer.h"
#include "ir/graph/loop.h"

bool fv_import_has_graphs(const Onnx__NodeProto *node) {
    for (size_t i = 0; i < node->n_attribute; i++)
        if (fv_import_is_graph(node->attribute[i]))
            return true;
    return false;
}

/* The inputs of a graph that are not values of initializers. */
static const Onnx__ValueInfoProto **inputs_of(fv_importer *im, const Onnx__GraphProto *g, int *n) {
    const Onnx__ValueInfoProto **inputs =
        FV_NEW(im->tmp, const Onnx__ValueInfoProto *, g->n_input + 1);
    fv_ptrmap initializers = fv_ptrmap_in(im->tmp);
    *n = 0;
    for (size_t i = 0; i < g->n_initializer; i++)
        fv_import_map(&initializers, fv_intern(im->s, fv_text_of(g->initializer[i]->name)), g);
    for (size_t i = 0; i < g->n_input; i++)
        if (!fv_ptrmap_get(&initializers, fv_intern(im->s, fv_text_of(g->input[i]->name))))
            inputs[(*n)++] = g->input[i];
    return inputs;
}

/* ---- parameters of a body ---- */

/* The first operand of the op that its body has a parameter for. */
static int first_of_body(const fv_op *op, int version) {
    if (fv_op_is(op, FV_OP_Scan))
        return version < 9; /* after sequence_lens */
    return fv_op_is(op, FV_OP_Loop) ? FV_LOOP_FIRST : 0;
}

/* The parameter with the number of the iteration; its rank is the one that the body declares. */
static fv_value *turn_param(fv_importer *im, fv_region *body, const Onnx__ValueInfoProto *in) {
    fv_module *m = im->m;
    const fv_dim *times = fv_loop_times(body->parent), *one = fv_dim_const(m->dims, 1);
    const char *name = fv_text_of(in->name);
    int64_t last = times && times->hi > 0 ? times->hi - 1 : times ? 0 : FV_DIM_MAX;
    fv_value *v = fv_param_new(
        body, name, fv_tensor_type(m->arena, FV_I64, fv_import_declared_rank(in) == 1, &one));
    const fv_dim *turn = fv_dim_fresh(m->dims, v->name, 0, last, true);
    fv_set_elems(v, 1, &turn);
    return v;
}

/* The parameter with the condition, which is true in every iteration that runs. */
static fv_value *cond_param(fv_importer *im, fv_region *body, const Onnx__ValueInfoProto *in) {
    const fv_dim *one = fv_dim_const(im->m->dims, 1);
    fv_value *v =
        fv_param_new(body, fv_text_of(in->name),
                     fv_tensor_type(im->m->arena, FV_BOOL, fv_import_declared_rank(in) == 1, &one));
    fv_set_elems(v, 1, &one);
    return v;
}

/* Dims of states that differ between iterations, as found by earlier attempts to import the
 * body. */
typedef struct changes {
    /* symbols for the dims of each state; NULL: the dim is the same in all iterations */
    const fv_dim *(*symbols)[FV_MAX_RANK];
    /* for each state that is a sequence or optional: a type that holds for all iterations; NULL:
     * its type before the loop */
    const fv_type **types;
} changes;

/* What determines the parameters of a body, besides the operands of its op. */
typedef struct around {
    int version;         /* of the op */
    const changes *loop; /* of a Loop, else NULL */
} around;

static fv_value *state_param(fv_importer *im, fv_region *body, const Onnx__ValueInfoProto *in,
                             int k, const changes *c) {
    const fv_type *t = body->parent->in[FV_LOOP_FIRST + k]->type;
    const fv_dim *dims[FV_MAX_RANK];
    if (fv_type_has_maps(t)) {
        fv_op_error(body->parent,
                    "state %d is %s, which cannot be passed from one iteration to the next", k,
                    fv_type_str(im->m->arena, t));
        return NULL;
    }
    if (t->kind != FV_TENSOR)
        return fv_param_new(body, fv_text_of(in->name), c->types[k] ? c->types[k] : t);
    for (int i = 0; i < t->rank; i++)
        dims[i] = c->symbols[k][i] ? c->symbols[k][i] : t->dims[i];
    return fv_param_new(body, fv_text_of(in->name),
                        fv_tensor_type(im->m->arena, t->elem, t->rank, dims));
}

/* The type of the body's parameter for operand i, a state or a scanned operand; NULL after a
 * diagnostic. */
static const fv_type *seen(fv_importer *im, const fv_op *op, int i) {
    int first_input = op->nin - fv_scan_inputs(op), axis;
    const fv_type *t = op->in[i]->type;
    if (i < first_input)
        return t;
    return fv_scan_axis(op, i - first_input, &axis) ? fv_without_axis(im->m->arena, t, axis) : NULL;
}

/* The same in opset 8, where operands have a batch axis, followed by the axis of iterations. */
static const fv_type *seen_of_batch(fv_importer *im, const fv_op *op, int i) {
    bool is_state = i < op->nin - fv_scan_inputs(op);
    const fv_type *t = op->in[i]->type;
    if (t->kind != FV_TENSOR || t->rank < (is_state ? 1 : 2)) {
        fv_op_error(op, "input %d is %s, expected %s", i, fv_type_str(im->m->arena, t),
                    is_state ? "an axis of the batch" : "axes of the batch and of the iterations");
        return NULL;
    }
    t = fv_without_axis(im->m->arena, t, 0);
    return is_state ? t : fv_without_axis(im->m->arena, t, 0);
}

static bool scan_params(fv_importer *im, fv_import_scope *inner, int n,
                        const Onnx__ValueInfoProto **in, int version) {
    fv_region *body = inner->region;
    const fv_op *op = body->parent;
    int first = first_of_body(op, version), inputs = fv_scan_inputs(op);
    if (inputs < 0 || inputs > op->nin - first)
        return fv_op_error(op, "num_scan_inputs is %lld, of %d inputs",
                           (long long)fv_op_int(op, "num_scan_inputs"), op->nin - first);
    if (n != op->nin - first)
        return fv_op_error(op, "its body has %d inputs, expected %d", n, op->nin - first);
    for (int i = 0; i < n; i++) {
        const fv_type *t = version < 9 ? seen_of_batch(im, op, first + i) : seen(im, op, first + i);
        if (!t)
            return false;
        fv_import_define(im, inner, fv_text_of(in[i]->name),
                         fv_param_new(body, fv_text_of(in[i]->name), t));
    }
    return true;
}

static bool loop_params(fv_importer *im, fv_import_scope *inner, int n,
                        const Onnx__ValueInfoProto **in, const changes *c) {
    fv_region *body = inner->region;
    const fv_op *op = body->parent;
    int states = fv_loop_states(op);
    if (n != FV_BODY_STATE + states)
        return fv_op_error(op,
                           "its body has %d inputs, expected %d: the number of the iteration, a "
                           "condition, and %d states",
                           n, FV_BODY_STATE + states, states);
    for (int i = 0; i < n; i++) {
        fv_value *v = i == FV_BODY_NUMBER ? turn_param(im, body, in[i])
                      : i == FV_BODY_COND ? cond_param(im, body, in[i])
                                          : state_param(im, body, in[i], i - FV_BODY_STATE, c);
        if (!v)
            return false;
        fv_import_define(im, inner, fv_text_of(in[i]->name), v);
    }
    return true;
}

/* The type of the body's parameter for operand i of a SequenceMap: an element of the sequence,
 * whose dims may differ between elements; or the tensor. */
static const fv_type *seen_by_map(fv_importer *im, const fv_op *op, int i,
                                  const Onnx__ValueInfoProto *in) {
    const fv_type *t = op->in[i]->type, *of = t->kind == FV_SEQUENCE ? t->of : NULL;
    const fv_dim *dims[FV_MAX_RANK];
    int rank = of && of->rank < 0 ? fv_import_declared_rank(in) : of ? of->rank : 0;
    if (t->kind == FV_TENSOR)
        return t;
    if (!of || rank < 0 || rank > FV_MAX_ELEMENT_RANK) {
        fv_op_error(op, "input %d is %s, whose elements have an unknown rank", i,
                    fv_type_str(im->m->arena, t));
        return NULL;
    }
    for (int k = 0; k < rank; k++) {
        const fv_dim *known = of->rank >= 0 ? of->dims[k] : NULL;
        dims[k] =
            known ? known
                  : fv_dim_fresh(im->m->dims, fv_printf(im->tmp, "%s_%d", fv_text_of(in->name), k),
                                 0, FV_DIM_MAX, true);
    }
    return fv_tensor_type(im->m->arena, of->elem, rank, dims);
}

static bool map_params(fv_importer *im, fv_import_scope *inner, int n,
                       const Onnx__ValueInfoProto **in) {
    fv_region *body = inner->region;
    const fv_op *op = body->parent;
    if (n != op->nin)
        return fv_op_error(op, "its body has %d inputs, expected %d", n, op->nin);
    for (int i = 0; i < n; i++) {
        const fv_type *t = seen_by_map(im, op, i, in[i]);
        if (!t)
            return false;
        fv_import_define(im, inner, fv_text_of(in[i]->name),
                         fv_param_new(body, fv_text_of(in[i]->name), t));
    }
    return true;
}

/* The parameters of a body whose types follow from the op's entry in the catalogue. */
static bool handed_params(fv_importer *im, fv_import_scope *inner, const char *region, int n,
                          const Onnx__ValueInfoProto **in) {
    fv_op *op = inner->region->parent;
    const fv_type **declared = FV_NEW(im->tmp, const fv_type *, n + 1),
                  **types = FV_NEW(im->tmp, const fv_type *, n + 1);
    for (int i = 0; i < n; i++)
        if (in[i]->type &&
            !(declared[i] = fv_import_held_type(im, in[i]->type, fv_text_of(in[i]->name))))
            return false;
    if (!op->def->handed(op, region, n, declared, types))
        return false;
    for (int i = 0; i < n; i++)
        fv_import_define(im, inner, fv_text_of(in[i]->name),
                         fv_param_new(inner->region, fv_text_of(in[i]->name), types[i]));
    return true;
}

static bool make_params(fv_importer *im, fv_import_scope *inner, const Onnx__GraphProto *g,
                        const char *name, const around *a) {
    const fv_op *op = inner->region->parent;
    int n;
    const Onnx__ValueInfoProto **in = inputs_of(im, g, &n);
    if (op->def->handed)
        return handed_params(im, inner, name, n, in);
    for (int i = first_of_body(op, a->version); i < op->nin; i++)
        if (!op->in[i])
            return fv_op_error(op, "input %d is left out, but required", i);
    if (fv_op_is(op, FV_OP_Loop))
        return loop_params(im, inner, n, in, a->loop);
    if (fv_op_is(op, FV_OP_Scan))
        return scan_params(im, inner, n, in, a->version);
    if (fv_op_is(op, FV_OP_SequenceMap))
        return map_params(im, inner, n, in);
    return !n || fv_op_error(op, "its body has %d inputs, expected 0", n);
}

/* ---- bodies ---- */

static bool import_region(fv_importer *im, fv_bound_attr from, fv_op *op, const char *name,
                          const around *a) {
    const fv_import_scope *outer = from.scope; /* the scope whose names the body can use */
    const Onnx__GraphProto *g = from.attr->g;
    if (!g)
        return fv_op_error(op, "attribute '%s' is empty", name);
    fv_region *region = fv_region_new(im->func, op);
    fv_op_attr(op, &(fv_attr){.name = name, .kind = FV_ATTR_REGION, .u.region = region});
    fv_import_scope inner = {.outer = outer,
                             .values = fv_ptrmap_in(im->tmp),
                             .stems = fv_ptrmap_in(im->tmp),
                             .declared = fv_ptrmap_in(im->tmp),
                             .in_body = fv_ptrmap_in(im->tmp),
                             .region = region,
                             .opsets = outer->opsets,
                             .call = outer->call,
                             .prefix = outer->prefix,
                             .depth = outer->depth + 1};
    if (inner.depth > FV_MAX_DEPTH)
        return fv_op_error(op, "graphs are nested too deeply");
    if (!make_params(im, &inner, g, name, a))
        return false;
    fv_import_note_declared(im, g, &inner.in_body);
    const struct fv_within around_it = im->m->within;
    im->m->within = (struct fv_within){.block = region};
    fv_import_initializers(im, &inner, g);
    bool ok = fv_import_nodes(im, &inner, (fv_nodes){g->n_node, g->node}) &&
              fv_import_outputs(im, &inner, g);
    im->m->within = around_it;
    return ok;
}

/* ---- dims that differ between iterations ---- */

/* Finds a type that includes both the type `got` that an iteration gets for a sequence or optional,
 * and the type `given` that it returns. False if there is none, or it is `got` itself. */
static bool widen(const fv_importer *im, const fv_type *got, const fv_type *given,
                  const fv_type **out) {
    const fv_type *both = fv_type_join(im->m->arena, got, given);
    if (!both || fv_type_equal(both, got))
        return false;
    *out = both;
    return true;
}

/* Replaces dims of the states by symbols if the iteration returns a dim that is not proved equal to
 * the one it got. False if there is no such dim. */
static bool find_changes(fv_importer *im, const fv_op *op, changes *c) {
    const fv_region *body = fv_loop_body(op);
    bool found = false;
    for (int k = 0; k < fv_loop_states(op); k++) {
        const fv_value *state = body->params[FV_BODY_STATE + k],
                       *next = body->last->in[FV_BODY_NEXT + k];
        if (state->type->kind != FV_TENSOR)
            found |= widen(im, state->type, next->type, &c->types[k]);
        for (int i = 0; i < state->type->rank && next->type->kind == FV_TENSOR &&
                        next->type->rank == state->type->rank;
             i++) {
            if (c->symbols[k][i] ||
                fv_module_equal(im->m, state->type->dims[i], next->type->dims[i]))
                continue;
            c->symbols[k][i] = fv_dim_fresh(
                im->m->dims, fv_printf(im->tmp, "%s_%d", state->name, i), 0, FV_DIM_MAX, true);
            found = true;
        }
    }
    return found;
}

/* If a state is an optional and an iteration returns a plain value for it, wraps that value in an
 * optional. */
static bool give_optionals(fv_op *op) {
    fv_region *body = (fv_region *)(uintptr_t)fv_loop_body(op);
    for (int k = 0; k < fv_loop_states(op); k++) {
        fv_value *next = body->last->in[FV_BODY_NEXT + k];
        if (body->params[FV_BODY_STATE + k]->type->kind != FV_OPTIONAL ||
            next->type->kind == FV_OPTIONAL)
            continue;
        fv_op *made = fv_op_new(body, body->last, fv_op_def(FV_OP_Optional), 1, &next, 1,
                                &next->name, op->origin);
        if (!fv_op_infer(made))
            return false;
        fv_op_set_in(body->last, FV_BODY_NEXT + k, made->out[0]);
    }
    return true;
}

static const fv_message *last_message(const fv_session *s) {
    const fv_message *m = fv_messages(s);
    while (m && m->next)
        m = m->next;
    return m;
}

/* Imports the body with the dims that the states have before the loop. If an iteration returns
 * other dims, imports it again with symbols for them; each attempt finds at least one more. The
 * messages of a discarded attempt are dropped. */
static bool import_body(fv_importer *im, fv_bound_attr from, fv_op *op, const char *name,
                        int version) {
    changes c = {(const fv_dim *(*)[FV_MAX_RANK])FV_NEW(im->tmp, const fv_dim *,
                                                        (fv_loop_states(op) + 1) * FV_MAX_RANK),
                 FV_NEW(im->tmp, const fv_type *, fv_loop_states(op) + 1)};
    for (;;) {
        const fv_message *said = last_message(im->s);
        int errors = fv_error_count(im->s);
        bool ok = import_region(im, from, op, name, &(around){.version = version, .loop = &c});
        const fv_region *body = fv_loop_body(op);
        bool whole = body && body->last && body->last->def == &fv_return_def &&
                     body->last->nin >= FV_BODY_NEXT + fv_loop_states(op);
        if (!whole || !give_optionals(op) || !find_changes(im, op, &c))
            return ok;
        if (fv_error_count(im->s) > errors)
            fv_messages_drop(im->s, said);
        fv_op_drop_attr(op, name);
    }
}

/* Imports the graph in the node's attribute `from`, if there is one, as region `name`. */
static bool import_graph(fv_importer *im, const fv_import_scope *sc, const Onnx__NodeProto *node,
                         const char *from, fv_op *op, const char *name, int version) {
    bool ok = true;
    for (size_t i = 0; i < node->n_attribute; i++) {
        bool bound_ok = true;
        if (strcmp(fv_text_of(node->attribute[i]->name), from) != 0)
            continue;
        fv_bound_attr b = fv_import_bound(im, sc, node, node->attribute[i], &bound_ok);
        if (b.attr && fv_import_is_graph(b.attr))
            ok &= fv_op_is(op, FV_OP_Loop)
                      ? import_body(im, b, op, name, version)
                      : import_region(im, b, op, name, &(around){.version = version});
    }
    return ok;
}

bool fv_import_regions(fv_importer *im, const fv_import_scope *sc, const Onnx__NodeProto *node,
                       fv_op *op, int version) {
    bool ok = true;
    if (op->def->handed && !fv_op_check_around(op))
        return false;
    for (int i = 0; i < FV_MAX_ATTRS && op->def->attrs[i].name; i++) {
        const fv_attr_def *d = &op->def->attrs[i];
        if (d->kind != FV_ATTR_REGION)
            continue;
        if (op->def->handed &&
            (!ok || (d->required && op->def->needs && !op->def->needs(op, d->name))))
            continue;
        ok &= import_graph(im, sc, node, d->name, op, d->name, version);
        if (ok && d->like && !fv_op_find_attr(op, d->name))
            ok = import_graph(im, sc, node, d->like, op, d->name, version);
    }
    return ok;
}
