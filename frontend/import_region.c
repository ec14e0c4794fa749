/* import_region.c - bodies of If, Loop and Scan, which see the names around them.
 *
 * Shapes declared inside a body are hints that exporters often have wrong, so they are not read:
 * parameters have the types of the operands that they stand for. What a Loop carries may change its
 * shape from one iteration to the next: the body is imported with the first shapes, and again with
 * a fresh symbol for each dim that it did not keep, until all are kept. */
#include <string.h>

#include "frontend/import.h"
#include "ir/base/limits.h"
#include "ir/graph/infer.h"

enum { PATIENT_ATTEMPTS = 3 }; /* then every dim that is carried is a symbol */

bool fv_import_has_graphs(const Onnx__NodeProto *node) {
    for (size_t i = 0; i < node->n_attribute; i++)
        if (fv_import_is_graph(node->attribute[i]))
            return true;
    return false;
}

/* ---- types of parameters ---- */

typedef struct body {
    fv_importer *im;
    const fv_import_scope *around; /* whose names it sees */
    const Onnx__NodeProto *node;
    fv_op *op;
    const Onnx__GraphProto *graph;
    fv_region *region;
    const Onnx__ValueInfoProto **params; /* inputs that are no initializers */
    int nparams;
} body;

static bool body_error(const body *b, const char *text) {
    return fv_op_error(b->op, "%s", text);
}

static void find_params(body *b) {
    fv_importer *im = b->im;
    fv_ptrmap initializers = fv_ptrmap_in(im->tmp);
    for (size_t i = 0; i < b->graph->n_initializer; i++)
        fv_import_map(&initializers, fv_intern(im->s, fv_text_of(b->graph->initializer[i]->name)),
                      b);
    b->params = FV_NEW(im->tmp, const Onnx__ValueInfoProto *, b->graph->n_input + 1);
    for (size_t i = 0; i < b->graph->n_input; i++)
        if (!fv_ptrmap_get(&initializers, fv_intern(im->s, fv_text_of(b->graph->input[i]->name))))
            b->params[b->nparams++] = b->graph->input[i];
}

static bool expect_params(const body *b, int n) {
    return b->nparams == n ||
           body_error(b,
                      fv_printf(b->im->tmp, "its body has %d inputs, expected %d", b->nparams, n));
}

static bool have_types(const body *b, int from) {
    for (int i = from; i < b->op->nin; i++)
        if (!fv_in_type(b->op, i))
            return body_error(
                b, fv_printf(b->im->tmp, "input %d is left out, but the body takes it", i));
    return true;
}

/* Iteration, condition, then what is carried. */
static bool loop_types(const body *b, const fv_loop_state *state, const fv_type **types) {
    fv_arena *a = b->im->m->arena;
    if (!expect_params(b, 2 + state->n))
        return false;
    types[0] = fv_tensor_type(a, FV_I64, 0, NULL);
    types[1] = fv_tensor_type(a, FV_BOOL, 0, NULL);
    for (int i = 0; i < state->n; i++)
        types[2 + i] = state->types[i];
    return true;
}

static const fv_type *without_axis(const body *b, const fv_type *t, int64_t axis) {
    const fv_dim *dims[FV_MAX_RANK];
    int n = 0;
    if (!t || t->kind != FV_TENSOR || axis < -t->rank || axis >= t->rank)
        return body_error(b, "a scan axis is outside of its input"), NULL;
    axis += axis < 0 ? t->rank : 0;
    for (int i = 0; i < t->rank; i++)
        if (i != axis)
            dims[n++] = t->dims[i];
    return fv_tensor_type(b->im->m->arena, t->elem, n, dims);
}

/* What is carried, then slices of what is scanned. */
static bool scan_types(const body *b, const fv_loop_state *state, const fv_type **types) {
    int n;
    const int64_t *axes = fv_op_ints(b->op, "scan_input_axes", &n);
    if (!expect_params(b, b->op->nin))
        return false;
    for (int i = 0; i < state->n; i++)
        types[i] = state->types[i];
    for (int i = state->n; i < b->op->nin; i++) {
        int k = i - state->n;
        types[i] = without_axis(b, fv_in_type(b->op, i), axes && k < n ? axes[k] : 0);
        if (!types[i])
            return false;
    }
    return true;
}

/* Of an operator that we know nothing about: as the body says. */
static bool declared_types(const body *b, const fv_type **types) {
    for (int i = 0; i < b->nparams; i++) {
        const char *name = fv_text_of(b->params[i]->name);
        const char *what = fv_printf(b->im->tmp, "input '%s' of the body", name);
        types[i] = fv_import_type(b->im, b->params[i]->type, name, what);
        if (!types[i])
            return false;
    }
    return true;
}

static bool param_types(const body *b, const fv_loop_state *state, const fv_type **types) {
    if (fv_op_is(b->op, "If"))
        return expect_params(b, 0);
    if (fv_op_is(b->op, "Loop"))
        return loop_types(b, state, types);
    if (fv_op_is(b->op, "Scan"))
        return scan_types(b, state, types);
    return declared_types(b, types);
}

/* ---- what a Loop carries ---- */

/* Index of the first carried value among operands, parameters and results. */
static int first_operand(const fv_op *op) {
    return fv_op_is(op, "Loop") ? 2 : 0;
}
static int first_result(const fv_op *op) {
    return fv_op_is(op, "Loop") ? 1 : 0;
}
static bool carries(const fv_op *op) {
    return fv_op_is(op, "Loop") || fv_op_is(op, "Scan");
}

static bool start_carrying(const body *b, fv_loop_state *state) {
    fv_op *op = b->op;
    int64_t scanned = fv_op_is(op, "Scan") ? fv_op_int(op, "num_scan_inputs") : 0;
    int64_t n = op->nin - first_operand(op) - scanned;
    if (!carries(op) || state->types)
        return true;
    if (n < 0 || scanned < 0)
        return body_error(b, "has too few inputs");
    if (!have_types(b, first_operand(op)))
        return false;
    state->n = (int)n;
    state->types = FV_NEW(b->im->tmp, const fv_type *, n + 1);
    state->widened = FV_NEW(b->im->tmp, uint32_t, n + 1);
    for (int i = 0; i < state->n; i++)
        state->types[i] = fv_in_type(op, first_operand(op) + i);
    return true;
}

/* Gives value i the symbols that it needs in order to be what the body returns. */
static bool widen(const body *b, fv_loop_state *state, int i, const fv_type *result, bool *again) {
    fv_module *m = b->im->m;
    const fv_type *t = state->types[i];
    const fv_dim *dims[FV_MAX_RANK];
    if (fv_type_equal(t, result))
        return true;
    if (t->kind != FV_TENSOR || result->kind != FV_TENSOR || t->elem != result->elem ||
        t->rank != result->rank)
        return body_error(b, fv_printf(b->im->tmp,
                                       "carried value %d is %s, but the body makes it "
                                       "%s",
                                       i, fv_type_str(b->im->tmp, t),
                                       fv_type_str(b->im->tmp, result)));
    for (int k = 0; k < t->rank; k++) {
        bool differs = t->dims[k] != result->dims[k] || state->attempt >= PATIENT_ATTEMPTS;
        dims[k] = t->dims[k];
        if (!differs || (state->widened[i] >> k & 1))
            continue;
        const char *stem = fv_printf(b->im->tmp, "%s_%d",
                                     fv_text_of(b->params[first_operand(b->op) + i]->name), k);
        dims[k] = fv_dim_fresh(m->dims, stem, 0, FV_DIM_MAX, true);
        state->widened[i] |= 1u << k;
        *again = true;
    }
    state->types[i] = fv_tensor_type(m->arena, t->elem, t->rank, dims);
    return true;
}

static bool check_carried(const body *b, fv_loop_state *state, bool *again) {
    const fv_op *end = b->region->last;
    int first = first_result(b->op);
    if (!carries(b->op))
        return true;
    if (end->nin < first + state->n)
        return body_error(b, fv_printf(b->im->tmp, "its body has %d outputs, expected at least %d",
                                       end->nin, first + state->n));
    for (int i = 0; i < state->n; i++)
        if (!end->in[first + i] || !end->in[first + i]->type ||
            !widen(b, state, i, end->in[first + i]->type, again))
            return false;
    return true;
}

/* ---- bodies ---- */

static bool import_body(body *b, const fv_type **types) {
    fv_importer *im = b->im;
    const Onnx__GraphProto *g = b->graph;
    fv_import_scope inner = {.outer = b->around,
                             .values = fv_ptrmap_in(im->tmp),
                             .stems = fv_ptrmap_in(im->tmp),
                             .declared = fv_ptrmap_in(im->tmp),
                             .region = b->region,
                             .opsets = b->around->opsets,
                             .call = b->around->call,
                             .prefix = b->around->prefix,
                             .depth = b->around->depth + 1};
    if (inner.depth > FV_MAX_DEPTH)
        return body_error(b, "graphs are nested too deeply");
    for (int i = 0; i < b->nparams; i++) {
        const char *name = fv_text_of(b->params[i]->name);
        fv_import_define(im, &inner, name, fv_param_new(b->region, name, types[i]));
    }
    fv_import_initializers(im, &inner, g);
    return fv_import_nodes(im, &inner, (fv_nodes){g->n_node, g->node}) &&
           fv_import_outputs(im, &inner, g);
}

static bool import_region(fv_importer *im, fv_bound_attr from, const Onnx__NodeProto *node,
                          fv_op *op, const char *name, fv_loop_state *state, bool *again) {
    body b = {.im = im, .around = from.scope, .node = node, .op = op, .graph = from.attr->g};
    if (!b.graph)
        return body_error(&b, fv_printf(im->tmp, "attribute '%s' is empty", name));
    b.region = fv_region_new(im->func, op);
    fv_op_attr(op, &(fv_attr){.name = name, .kind = FV_ATTR_REGION, .u.region = b.region});
    find_params(&b);
    const fv_type **types = FV_NEW(im->tmp, const fv_type *, b.nparams + op->nin + 2);
    return start_carrying(&b, state) && param_types(&b, state, types) && import_body(&b, types) &&
           check_carried(&b, state, again);
}

bool fv_import_regions(fv_importer *im, const fv_import_scope *sc, const Onnx__NodeProto *node,
                       fv_op *op, fv_loop_state *state, bool *again) {
    bool ok = true;
    *again = false;
    for (size_t i = 0; i < node->n_attribute; i++) {
        bool bound_ok = true;
        fv_bound_attr b = fv_import_bound(im, sc, node, node->attribute[i], &bound_ok);
        if (b.attr && fv_import_is_graph(b.attr) &&
            fv_opdef_attr(op->def, fv_text_of(node->attribute[i]->name)))
            ok &=
                import_region(im, b, node, op, fv_text_of(node->attribute[i]->name), state, again);
    }
    return ok;
}
