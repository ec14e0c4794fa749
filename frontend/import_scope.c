/* import_scope.c - the scope of a graph: values by their names, constants of initializers, declared
 * types, and outputs. */
#include "frontend/import.h"
#include "ir/base/limits.h"

/* ---- names ---- */

fv_value *fv_import_find(const fv_importer *im, const fv_import_scope *sc, const char *name) {
    name = fv_intern(im->s, name);
    for (; sc; sc = sc->outer) {
        fv_value *v = fv_ptrmap_get(&sc->values, name);
        if (v)
            return v;
    }
    return NULL;
}

void fv_import_define(fv_importer *im, fv_import_scope *sc, const char *name, fv_value *v) {
    void **slot = fv_ptrmap_at(&sc->values, fv_intern(im->s, name));
    if (*slot)
        fv_error(im->s, "the name '%s%s' is defined twice", sc->prefix, name);
    else
        *slot = v;
}

void fv_import_note_declared(fv_importer *im, const Onnx__GraphProto *g, fv_ptrmap *declared) {
    for (size_t i = 0; i < g->n_value_info; i++)
        fv_import_map(declared, fv_intern(im->s, fv_text_of(g->value_info[i]->name)),
                      g->value_info[i]);
    for (size_t i = 0; i < g->n_output; i++)
        fv_import_map(declared, fv_intern(im->s, fv_text_of(g->output[i]->name)), g->output[i]);
}

/* ---- initializers ---- */

fv_value *fv_import_shared(fv_importer *im, const void *message, const char *stem,
                           const fv_tensor *t) {
    void **slot = fv_ptrmap_at(&im->found.constants, message);
    if (!*slot)
        *slot = t ? fv_const_new(im->m, stem, t) : im->instead.poison;
    return *slot;
}

static void define_initializer(fv_importer *im, fv_import_scope *sc, const char *name,
                               const void *message, const fv_tensor *t) {
    if (!name || !*name) {
        fv_error(im->s, "an initializer has no name");
        return;
    }
    fv_import_define(im, sc, name, fv_import_shared(im, message, name, t));
}

void fv_import_initializers(fv_importer *im, fv_import_scope *sc, const Onnx__GraphProto *g) {
    for (size_t i = 0; i < g->n_initializer; i++)
        define_initializer(im, sc, g->initializer[i]->name, g->initializer[i],
                           fv_ptrmap_get(&im->found.constants, g->initializer[i])
                               ? NULL
                               : fv_tensor_decode(&im->tensors, g->initializer[i]));
    for (size_t i = 0; i < g->n_sparse_initializer; i++) {
        const Onnx__SparseTensorProto *t = g->sparse_initializer[i];
        define_initializer(im, sc, t->values ? t->values->name : NULL, t,
                           fv_ptrmap_get(&im->found.constants, t)
                               ? NULL
                               : fv_tensor_decode_sparse(&im->tensors, t));
    }
}

/* ---- outputs ---- */

/* The value of a graph's output. NULL if it could not be made (without a message, there was one),
 * or after a diagnostic: a sparse tensor, an undefined name, or an input of a function that its
 * caller left out, which the function may return but the main graph or a body may not. */
static fv_value *output_of(fv_importer *im, const fv_import_scope *sc, const char *name) {
    const fv_op *parent = sc->region->parent;
    fv_value *v = fv_import_find(im, sc, name);
    if (v == im->instead.poison)
        return NULL;
    bool sparse = v && fv_ptrmap_get(&im->found.sparse, v);
    if (v && v != im->instead.absent && !sparse)
        return v;
    const char *problem = sparse   ? "is a sparse tensor, which only an operator takes"
                          : v      ? "is an input that a function's caller leaves out"
                          : parent ? "is not defined"
                                   : "is not defined anywhere";
    if (parent)
        fv_op_error(parent, "output '%s' of its body %s", name, problem);
    else
        fv_error(im->s, "output '%s' %s", name, problem);
    return NULL;
}

bool fv_import_outputs(fv_importer *im, fv_import_scope *sc, const Onnx__GraphProto *g) {
    fv_value **results = FV_NEW(im->tmp, fv_value *, g->n_output + 1);
    bool ok = g->n_output <= FV_MAX_OPERANDS || fv_error(im->s, "a graph has too many outputs");
    for (size_t i = 0; i < g->n_output && i < FV_MAX_OPERANDS; i++) {
        results[i] = output_of(im, sc, fv_text_of(g->output[i]->name));
        ok &= results[i] != NULL;
    }
    if (ok)
        fv_region_return(sc->region, (int)g->n_output, results);
    return ok;
}
