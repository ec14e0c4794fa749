/* import_node.c - imports the nodes of a graph: of each its operands, and its op in graph IR,
 * upgraded and typed; or inlines the function that it calls. */
#include <string.h>

#include "frontend/import.h"
#include "ir/base/limits.h"
#include "ir/graph/check.h"
#include "ir/graph/infer.h"
#include "ir/graph/settle.h"
#include "ops/common/dims.h"
#include "ops/reduce/reduce.h"

/* Limit for the number of times that the ops imported so far are visited again */
enum { MOST_SETTLED = 64 };

/* The name in the module of a value that a node calls `name`. */
static const char *stem_of(fv_importer *im, const fv_import_scope *sc, const char *name) {
    const char *stem = fv_ptrmap_get(&sc->stems, fv_intern(im->s, name));
    if (stem)
        return stem;
    return *sc->prefix ? fv_printf(im->tmp, "%s%s", sc->prefix, name) : name;
}

static void define_outputs(fv_importer *im, fv_import_scope *sc, const Onnx__NodeProto *node,
                           fv_value *v) {
    for (size_t i = 0; i < node->n_output; i++)
        if (*node->output[i])
            fv_import_define(im, sc, node->output[i], v);
}

/* ---- operands ---- */

/* The operand called `name`: NULL if it is optional and left out, im->poison if it could not be
 * made. It may be a sparse tensor. */
static fv_value *any_operand(fv_importer *im, const fv_import_scope *sc,
                             const Onnx__NodeProto *node, const char *name) {
    if (!*name)
        return NULL;
    fv_value *v = fv_import_find(im, sc, name);
    if (v)
        return v == im->instead.absent ? NULL : v;
    fv_import_node_error(im, sc, node, "input '%s' is not defined anywhere", name);
    return im->instead.poison;
}

static fv_value *operand(fv_importer *im, const fv_import_scope *sc, const Onnx__NodeProto *node,
                         const char *name) {
    fv_value *v = any_operand(im, sc, node, name);
    if (!v || !fv_ptrmap_get(&im->found.sparse, v))
        return v;
    fv_import_node_error(
        im, sc, node,
        "input '%s' is a sparse tensor, which com.microsoft.SparseToDenseMatMul alone takes", name);
    return im->instead.poison;
}

/* The operands except those left out at the end; false if one of them is poison. */
static bool operands(fv_importer *im, const fv_import_scope *sc, const Onnx__NodeProto *node,
                     bool sparse, fv_value ***out, int *n) {
    bool ok = true;
    if (node->n_input > FV_MAX_OPERANDS || node->n_output > FV_MAX_OPERANDS)
        return fv_import_node_error(im, sc, node, "has more than %d inputs or outputs",
                                    FV_MAX_OPERANDS);
    *out = FV_NEW(im->tmp, fv_value *, node->n_input + 1);
    *n = 0;
    for (size_t i = 0; i < node->n_input; i++) {
        (*out)[i] = sparse && i == 0 ? any_operand(im, sc, node, node->input[i])
                                     : operand(im, sc, node, node->input[i]);
        ok &= (*out)[i] != im->instead.poison;
        if ((*out)[i])
            *n = (int)i + 1;
    }
    return ok;
}

/* ---- ops ---- */

typedef struct building {
    fv_operator what;
    fv_attr *attrs;
    int nattrs;
    fv_value **in;
    int nin;
    const char **outs; /* names of results */
    int nout;
    const fv_origin *origin;
    const fv_sparse *sparse; /* the first operand if it is sparse, else NULL */
} building;

static bool takes_sparse(const fv_operator *what) {
    return what->def->id == FV_OP_com_microsoft_SparseToDenseMatMul;
}

/* A sparse operand becomes two operands: its values and their coordinates. */
static bool split_sparse(fv_importer *im, const fv_import_scope *sc, const Onnx__NodeProto *node,
                         building *b) {
    if (!takes_sparse(&b->what))
        return true;
    if (b->nin != 2 || !b->in[0])
        return fv_import_node_error(im, sc, node, "has %d inputs, expected 2", b->nin);
    b->sparse = fv_import_sparse_of(im, b->in[0]);
    if (!b->sparse)
        return fv_import_node_error(im, sc, node, "input '%s' is no sparse tensor", node->input[0]);
    fv_value **in = FV_NEW(im->tmp, fv_value *, 3);
    in[0] = b->sparse->values;
    in[1] = b->sparse->places;
    in[2] = b->in[1];
    b->in = in;
    b->nin = 3;
    return true;
}

/* A result that every op of that kind has gets a name even if the model leaves it out, because
 * inference relies on it. */
static void name_results(fv_importer *im, const fv_import_scope *sc, const Onnx__NodeProto *node,
                         building *b) {
    const fv_operand_def *defs = b->what.def->out;
    size_t n = node->n_output > FV_MAX_OUT ? node->n_output : FV_MAX_OUT;
    b->outs = FV_NEW(im->tmp, const char *, n);
    for (size_t i = 0; i < n; i++) {
        bool required = i < FV_MAX_OUT && defs[i].name && defs[i].arity == FV_REQUIRED;
        if (i < node->n_output && *node->output[i])
            b->outs[i] = stem_of(im, sc, node->output[i]);
        else if (required)
            b->outs[i] = fv_printf(im->tmp, "%sunused", sc->prefix);
        if (b->outs[i])
            b->nout = (int)i + 1;
    }
}

/* Drops attributes that only older versions had: the upgrade has used them. */
static void drop_old_attrs(fv_op *op, const fv_opdef *def) {
    for (int i = 0; i < FV_MAX_ATTRS && def->attrs[i].name; i++)
        if (def->attrs[i].until && fv_opdef_attr(def, def->attrs[i].name)->until)
            fv_op_drop_attr(op, def->attrs[i].name);
}

static bool is_newest(const fv_opdef *d, int version) {
    int newest = 0;
    for (int i = 0; i < FV_MAX_VERSIONS && d->since[i]; i++)
        newest = d->since[i];
    return version == newest;
}

/* The length of a shape operand is the rank of the result. If the model leaves that length open,
 * the declared rank of the result determines it. */
static bool fix_shape(fv_importer *im, const fv_import_scope *sc, const Onnx__NodeProto *node,
                      fv_op *op) {
    int in = fv_shape_operand(op);
    const char *name = node->n_output ? node->output[0] : "";
    const Onnx__ValueInfoProto *declared = fv_ptrmap_get(&sc->declared, fv_intern(im->s, name));
    int rank = in >= 0 && declared ? fv_import_declared_rank(declared) : -1;
    int relations = im->m->nrelations;
    if (rank >= 0 && !fv_fix_length(op, in, rank))
        return false;
    for (int i = relations; i < im->m->nrelations; i++)
        im->m->relations[i].why = fv_op_why(op, im->m->relations[i].why);
    return true;
}

/* The same for the axes of a reduction without keepdims. If no rank is declared, uses of the result
 * may determine it. */
static bool fix_axes(fv_importer *im, const fv_import_scope *sc, const Onnx__NodeProto *node,
                     fv_op *op) {
    const char *name = node->n_output ? node->output[0] : "";
    if (!op->nout || !op->out[0] || !fv_has_open_axes(op) || fv_op_int(op, "keepdims") ||
        !fv_in_type(op, 0)->rank)
        return true;
    const Onnx__ValueInfoProto *here = fv_ptrmap_get(&sc->declared, fv_intern(im->s, name));
    const Onnx__ValueInfoProto *declared =
        here ? here : fv_ptrmap_get(&sc->in_body, fv_intern(im->s, name));
    int rank = declared ? fv_import_declared_rank(declared) : -1;
    if (rank < 0 && !sc->outer && !sc->call)
        rank = fv_import_rank_by_use(im, name);
    return rank < 0 || fv_fix_axes(op, rank);
}

/* A tensor taken from a sequence of unknown rank gets the declared rank. */
static void fix_rank(fv_importer *im, const fv_import_scope *sc, const Onnx__NodeProto *node,
                     const fv_op *op) {
    const fv_type *t = fv_in_type(op, 0);
    bool reads = fv_op_is(op, FV_OP_SequenceAt) || fv_op_is(op, FV_OP_ConcatFromSequence) ||
                 fv_op_is(op, FV_OP_OptionalGetElement);
    if (!reads || !node->n_output || !op->out[0] || !t || t->kind == FV_TENSOR ||
        t->kind == FV_MAP || fv_type_tensor(t)->rank != FV_ANY_RANK)
        return;
    const char *name = fv_intern(im->s, node->output[0]);
    const Onnx__ValueInfoProto *here = fv_ptrmap_get(&sc->declared, name),
                               *declared = here ? here : fv_ptrmap_get(&sc->in_body, name);
    const fv_dim *dims[FV_MAX_RANK];
    int rank = declared ? fv_import_declared_rank(declared) : -1;
    for (int i = 0; i < rank; i++)
        dims[i] =
            fv_dim_fresh(im->m->dims, fv_printf(im->tmp, "%s_%d", name, i), 0, FV_DIM_MAX, true);
    if (rank >= 0)
        op->out[0]->type = fv_tensor_type(im->m->arena, fv_type_tensor(t)->elem, rank, dims);
}

/* Checks the attributes that the node's version requires; fv_op_check does so for the newest
 * version. */
static bool has_required_attrs(fv_op *op, int version) {
    const fv_opdef *d = op->def;
    for (int i = 0; i < FV_MAX_ATTRS && d->attrs[i].name; i++)
        if (d->attrs[i].required &&
            &d->attrs[i] == fv_opdef_attr_of(d, d->attrs[i].name, version) &&
            (!d->attrs[i].until || version <= d->attrs[i].until) &&
            !fv_op_find_attr(op, d->attrs[i].name))
            return fv_op_error(op, "attribute '%s' is missing", d->attrs[i].name);
    return true;
}

static bool upgrade_op(fv_op *op, const building *b) {
    const fv_opdef *d = b->what.def;
    /* whether the first operand is required; upgrades rely on it */
    bool leads = d->in[0].name && d->in[0].arity == FV_REQUIRED;
    if (leads && !fv_op_in(op, 0))
        return fv_op_error(op, "input '%s' is left out, but required", d->in[0].name);
    if (b->what.version > d->moved && !fv_op_check_operands(op))
        return false;
    if (!is_newest(d, b->what.version)) {
        if (!has_required_attrs(op, b->what.version) ||
            (d->upgrade && !d->upgrade(op, b->what.version)))
            return false;
        drop_old_attrs(op, d);
    }
    return b->what.version > d->moved || fv_op_fit_operands(op);
}

static bool type_op(fv_op *op) {
    if (!fv_op_infer(op))
        return false;
    for (int i = 0; i < op->nout; i++)
        if (op->out[i] && !op->out[i]->type)
            return fv_op_error(op, "output %d: its type is not known", i);
    return true;
}

/* NULL after a diagnostic, or if a graph inside the node could not be imported. */
static fv_op *build_op(fv_importer *im, const fv_import_scope *sc, const Onnx__NodeProto *node,
                       const building *b) {
    fv_op *op =
        fv_op_new(sc->region, NULL, b->what.def, b->nin, b->in, b->nout, b->outs, b->origin);
    for (int i = 0; i < b->nattrs; i++)
        fv_op_attr(op, &b->attrs[i]);
    if (b->sparse)
        fv_op_set_dims(op, "dims", b->sparse->rank, b->sparse->dims);
    /* graphs in the node depend on the types of operands */
    bool ok = (b->what.version <= b->what.def->moved || fv_op_fit_operands(op)) &&
              fv_import_regions(im, sc, node, op, b->what.version) && upgrade_op(op, b) &&
              fix_shape(im, sc, node, op) && fix_axes(im, sc, node, op);
    if (ok)
        fix_rank(im, sc, node, op);
    ok = ok && type_op(op);
    return ok ? op : NULL;
}

static void define_results(fv_importer *im, fv_import_scope *sc, const Onnx__NodeProto *node,
                           const fv_op *op) {
    if (fv_op_is(op, FV_OP_Loop))
        fv_import_note_loop(im, op);
    for (size_t i = 0; i < node->n_output; i++) {
        const char *name = node->output[i];
        if (!*name)
            continue;
        fv_value *v = (int)i < op->nout && op->out[i] ? op->out[i] : im->instead.poison;
        const Onnx__ValueInfoProto *declared = fv_ptrmap_get(&sc->declared, fv_intern(im->s, name));
        if (declared && v != im->instead.poison)
            fv_import_declared(im, v, declared);
        fv_import_define(im, sc, name, v);
    }
}

static void import_op(fv_importer *im, fv_import_scope *sc, const Onnx__NodeProto *node,
                      const fv_operator *what) {
    building b = {.what = *what};
    bool attrs_ok = fv_import_attrs(im, sc, node, what, &b.attrs, &b.nattrs);
    bool ok = operands(im, sc, node, takes_sparse(what), &b.in, &b.nin) && attrs_ok &&
              split_sparse(im, sc, node, &b);
    fv_op *op = NULL;
    if (ok) {
        name_results(im, sc, node, &b);
        b.origin = fv_origin_of(im->m, fv_import_label(im->tmp, sc->prefix, node));
        op = build_op(im, sc, node, &b);
    }
    if (op)
        define_results(im, sc, node, op);
    else {
        im->faults.nodes++;
        define_outputs(im, sc, node, im->instead.poison);
    }
}

/* ---- functions ---- */

static const Onnx__AttributeProto *default_of(const fv_function *f, const char *name) {
    for (size_t i = 0; i < f->proto->n_attribute_proto; i++)
        if (!strcmp(fv_text_of(f->proto->attribute_proto[i]->name), name))
            return f->proto->attribute_proto[i];
    return NULL;
}

static bool declares(const fv_function *f, const char *name) {
    for (size_t i = 0; i < f->proto->n_attribute; i++)
        if (!strcmp(f->proto->attribute[i], name))
            return true;
    return default_of(f, name) != NULL;
}

static void bind_attr(fv_importer *im, fv_call *call, const char *name, fv_bound_attr b) {
    fv_bound_attr *copy = FV_NEW(im->tmp, fv_bound_attr, 1);
    *copy = b;
    fv_import_map(&call->attrs, fv_intern(im->s, name), copy);
}

/* Defaults of the function first, then the attributes of the call. */
static bool bind_attrs(fv_importer *im, const fv_import_scope *sc, const Onnx__NodeProto *node,
                       const fv_import_scope *inner, fv_call *call) {
    const Onnx__FunctionProto *p = call->function->proto;
    bool ok = true;
    for (size_t i = 0; i < p->n_attribute_proto; i++)
        bind_attr(im, call, fv_text_of(p->attribute_proto[i]->name),
                  (fv_bound_attr){p->attribute_proto[i], inner});
    for (size_t i = 0; i < node->n_attribute; i++) {
        const char *name = fv_text_of(node->attribute[i]->name);
        if (!declares(call->function, name)) {
            ok = fv_import_node_error(im, sc, node, "attribute '%s' is not one of function '%s'",
                                      name, call->function->qualified);
            continue;
        }
        fv_bound_attr b = fv_import_bound(im, sc, node, node->attribute[i], &ok);
        if (b.attr)
            bind_attr(im, call, name, b);
    }
    return ok;
}

static bool bind_inputs(fv_importer *im, fv_import_scope *sc, const Onnx__NodeProto *node,
                        const Onnx__FunctionProto *p, fv_import_scope *inner) {
    if (node->n_input > p->n_input || node->n_output > p->n_output)
        return fv_import_node_error(im, sc, node,
                                    "has %zu inputs and %zu outputs, its function %zu and %zu",
                                    node->n_input, node->n_output, p->n_input, p->n_output);
    for (size_t i = 0; i < p->n_input; i++) {
        fv_value *v = i < node->n_input ? operand(im, sc, node, node->input[i]) : NULL;
        if (*p->input[i])
            fv_import_define(im, inner, p->input[i], v ? v : im->instead.absent);
    }
    for (size_t i = 0; i < node->n_output; i++) {
        if (!*node->output[i] || !*p->output[i])
            continue;
        const char *name = fv_intern(im->s, p->output[i]);
        void *declared = fv_ptrmap_get(&sc->declared, fv_intern(im->s, node->output[i]));
        fv_import_map(&inner->stems, name, stem_of(im, sc, node->output[i]));
        if (declared)
            fv_import_map(&inner->declared, name, declared);
    }
    return true;
}

static bool import_body(fv_importer *im, fv_import_scope *sc, const Onnx__NodeProto *node,
                        const fv_function *f, fv_import_scope *inner) {
    const Onnx__FunctionProto *p = f->proto;
    if (inner->depth > FV_MAX_DEPTH)
        return fv_import_node_error(im, sc, node, "functions are nested too deeply");
    if (!fv_import_nodes(im, inner, (fv_nodes){p->n_node, p->node}))
        return false;
    for (size_t i = 0; i < node->n_output; i++) {
        if (!*node->output[i])
            continue;
        fv_value *v = fv_import_find(im, inner, p->output[i]);
        if (!v) {
            fv_import_node_error(im, sc, node, "output '%s' of function '%s' is not defined",
                                 p->output[i], f->qualified);
            v = im->instead.poison;
        }
        const Onnx__ValueInfoProto *declared =
            fv_ptrmap_get(&sc->declared, fv_intern(im->s, node->output[i]));
        if (declared && v != im->instead.poison && v != im->instead.absent)
            fv_import_declared(im, v, declared);
        fv_import_define(im, sc, node->output[i], v);
    }
    return true;
}

static void inline_call(fv_importer *im, fv_import_scope *sc, const Onnx__NodeProto *node,
                        const fv_function *f) {
    fv_call call = {.function = f, .attrs = fv_ptrmap_in(im->tmp)};
    fv_import_scope inner = {.values = fv_ptrmap_in(im->tmp),
                             .stems = fv_ptrmap_in(im->tmp),
                             .declared = fv_ptrmap_in(im->tmp),
                             .in_body = fv_ptrmap_in(im->tmp),
                             .region = sc->region,
                             .opsets = &f->opsets,
                             .call = &call,
                             .depth = sc->depth + 1};
    inner.prefix = fv_printf(im->tmp, "%s/", fv_import_label(im->tmp, sc->prefix, node));
    bool ok = bind_attrs(im, sc, node, &inner, &call);
    ok &= bind_inputs(im, sc, node, f->proto, &inner);
    if (!ok || !import_body(im, sc, node, f, &inner))
        define_outputs(im, sc, node, im->instead.poison);
}

/* ---- If ---- */

/* The name of the attribute with the branch that always runs, or NULL. */
static const char *known_branch(const fv_importer *im, const fv_import_scope *sc,
                                const Onnx__NodeProto *node, const fv_operator *what) {
    int64_t cond;
    if (what->def->id != FV_OP_If || node->n_input != 1)
        return NULL;
    const fv_value *v = fv_import_find(im, sc, node->input[0]);
    if (!v || v == im->instead.poison || v == im->instead.absent || !fv_known_int(v, &cond))
        return NULL;
    return cond ? "then_branch" : "else_branch";
}

static const Onnx__GraphProto *find_graph(fv_importer *im, const fv_import_scope *sc,
                                          const Onnx__NodeProto *node, const char *name,
                                          const fv_import_scope **around) {
    for (size_t i = 0; i < node->n_attribute; i++) {
        bool ok = true;
        if (strcmp(fv_text_of(node->attribute[i]->name), name) != 0)
            continue;
        fv_bound_attr b = fv_import_bound(im, sc, node, node->attribute[i], &ok);
        *around = b.scope;
        return b.attr ? b.attr->g : NULL;
    }
    return NULL;
}

/* Imports a branch as part of the enclosing graph. The other branch is ignored: its ops are often
 * illegal for these shapes. */
static bool inline_branch(fv_importer *im, fv_import_scope *sc, const Onnx__NodeProto *node,
                          const char *name) {
    const fv_import_scope *around = sc;
    const Onnx__GraphProto *g = find_graph(im, sc, node, name, &around);
    if (!g)
        return fv_import_node_error(im, sc, node, "attribute '%s' is missing", name);
    if (g->n_input > g->n_initializer)
        return fv_import_node_error(im, sc, node, "its body has %zu inputs, expected 0",
                                    g->n_input);
    if (g->n_output < node->n_output)
        return fv_import_node_error(im, sc, node, "has %zu outputs, its %s gives %zu",
                                    node->n_output, name, g->n_output);
    fv_import_scope inner = {.outer = around,
                             .values = fv_ptrmap_in(im->tmp),
                             .stems = fv_ptrmap_in(im->tmp),
                             .declared = fv_ptrmap_in(im->tmp),
                             .in_body = fv_ptrmap_in(im->tmp),
                             .region = sc->region,
                             .opsets = around->opsets,
                             .call = around->call,
                             .prefix = around->prefix,
                             .depth = sc->depth + 1};
    if (inner.depth > FV_MAX_DEPTH)
        return fv_import_node_error(im, sc, node, "graphs are nested too deeply");
    fv_import_note_declared(im, g, &inner.in_body);
    for (size_t i = 0; i < node->n_output; i++)
        if (*node->output[i])
            fv_import_map(&inner.stems, fv_intern(im->s, fv_text_of(g->output[i]->name)),
                          stem_of(im, sc, node->output[i]));
    fv_import_initializers(im, &inner, g);
    if (!fv_import_nodes(im, &inner, (fv_nodes){g->n_node, g->node}))
        return false;
    for (size_t i = 0; i < node->n_output; i++) {
        if (!*node->output[i])
            continue;
        fv_value *v = fv_import_find(im, &inner, fv_text_of(g->output[i]->name));
        if (!v)
            fv_import_node_error(im, sc, node, "output '%s' of its %s is not defined",
                                 fv_text_of(g->output[i]->name), name);
        fv_import_define(im, sc, node->output[i], v ? v : im->instead.poison);
    }
    return true;
}

/* ---- nodes ---- */

static void import_constant(fv_importer *im, fv_import_scope *sc, const Onnx__NodeProto *node) {
    const char *name = node->n_output ? node->output[0] : "";
    fv_value *v = fv_import_constant(im, sc, node, stem_of(im, sc, name));
    if (*name)
        fv_import_define(im, sc, name, v ? v : im->instead.poison);
}

static void import_node(fv_importer *im, fv_import_scope *sc, const Onnx__NodeProto *node) {
    fv_operator what = fv_import_operator(im, sc->opsets, node);
    if (what.problem) /* the survey has reported it */
        define_outputs(im, sc, node, im->instead.poison);
    else if (what.function)
        inline_call(im, sc, node, what.function);
    else if (what.is_constant)
        import_constant(im, sc, node);
    else {
        const char *branch = known_branch(im, sc, node, &what);
        if (!branch)
            import_op(im, sc, node, &what);
        else if (!inline_branch(im, sc, node, branch))
            define_outputs(im, sc, node, im->instead.poison);
    }
}

/* Applies the assumptions that a node has made to the nodes imported so far, so that the dims of
 * later nodes stay short. Each call visits all existing nodes, so their number is limited. */
static void settle(fv_importer *im) {
    int n = im->m->nrelations;
    if (n == im->settled.relations || im->settled.times == MOST_SETTLED)
        return;
    im->settled.times++;
    fv_module_settle(im->m);
    im->settled.relations = im->m->nrelations;
}

bool fv_import_nodes(fv_importer *im, fv_import_scope *sc, fv_nodes nodes) {
    im->size.imported += nodes.n + 1;
    if (im->size.imported > im->size.nodes + FV_MAX_INLINED) {
        if (!im->size.too_many)
            fv_error(im->s, "functions and nested loops add more than %d nodes", FV_MAX_INLINED);
        im->size.too_many = true;
        return false;
    }
    const size_t *order = fv_import_order(im, sc, nodes);
    for (size_t i = 0; order && i < nodes.n; i++) {
        import_node(im, sc, nodes.at[order[i]]);
        settle(im);
    }
    return order != NULL;
}
