/* import_region.c - the branches of an If, which see the names around them. */
#include "frontend/import.h"
#include "ir/base/limits.h"

bool fv_import_has_graphs(const Onnx__NodeProto *node) {
    for (size_t i = 0; i < node->n_attribute; i++)
        if (fv_import_is_graph(node->attribute[i]))
            return true;
    return false;
}

/* A branch takes nothing: inputs beside its initializers are none of its own. */
static bool has_no_inputs(fv_importer *im, fv_op *op, const Onnx__GraphProto *g) {
    fv_ptrmap initializers = fv_ptrmap_in(im->tmp);
    int n = 0;
    for (size_t i = 0; i < g->n_initializer; i++)
        fv_import_map(&initializers, fv_intern(im->s, fv_text_of(g->initializer[i]->name)), g);
    for (size_t i = 0; i < g->n_input; i++)
        n += !fv_ptrmap_get(&initializers, fv_intern(im->s, fv_text_of(g->input[i]->name)));
    return !n || fv_op_error(op, "its body has %d inputs, expected 0", n);
}

static bool import_region(fv_importer *im, fv_bound_attr from, fv_op *op, const char *name) {
    const fv_import_scope *around = from.scope; /* whose names it sees */
    const Onnx__GraphProto *g = from.attr->g;
    if (!g)
        return fv_op_error(op, "attribute '%s' is empty", name);
    fv_region *region = fv_region_new(im->func, op);
    fv_op_attr(op, &(fv_attr){.name = name, .kind = FV_ATTR_REGION, .u.region = region});
    if (!has_no_inputs(im, op, g))
        return false;
    fv_import_scope inner = {.outer = around,
                             .values = fv_ptrmap_in(im->tmp),
                             .stems = fv_ptrmap_in(im->tmp),
                             .declared = fv_ptrmap_in(im->tmp),
                             .region = region,
                             .opsets = around->opsets,
                             .call = around->call,
                             .prefix = around->prefix,
                             .depth = around->depth + 1};
    if (inner.depth > FV_MAX_DEPTH)
        return fv_op_error(op, "graphs are nested too deeply");
    const struct fv_within around_it = im->m->within;
    im->m->within = (struct fv_within){.block = region};
    fv_import_initializers(im, &inner, g);
    bool ok = fv_import_nodes(im, &inner, (fv_nodes){g->n_node, g->node}) && fv_import_outputs(im, &inner, g);
    im->m->within = around_it;
    return ok;
}

bool fv_import_regions(fv_importer *im, const fv_import_scope *sc, const Onnx__NodeProto *node, fv_op *op) {
    bool ok = true;
    for (size_t i = 0; i < node->n_attribute; i++) {
        const char *name = fv_text_of(node->attribute[i]->name);
        bool bound_ok = true;
        fv_bound_attr b = fv_import_bound(im, sc, node, node->attribute[i], &bound_ok);
        if (b.attr && fv_import_is_graph(b.attr) && fv_opdef_attr(op->def, name))
            ok &= import_region(im, b, op, name);
    }
    return ok;
}
