/* import.c - imports ONNX models into graph IR: the sequence of stages.
 *
 * Bytes -> checked structure (wire.c) -> survey of what is not supported -> symbols -> inputs,
 * initializers, nodes, outputs. */
#include "frontend/import.h"

#include <string.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

#include "ir/base/limits.h"
#include "ir/base/mapping.h"
#include "ir/graph/settle.h"
#include "ir/graph/verify.h"

enum { NEWEST_IR_VERSION = 13 };

/* ---- the head of a model ---- */

static bool import_functions(fv_importer *im) {
    bool ok = true;
    for (size_t i = 0; i < im->model->n_functions; i++) {
        const Onnx__FunctionProto *p = im->model->functions[i];
        fv_function *f = FV_NEW(im->tmp, fv_function, 1);
        const char *domain = fv_import_domain(p->domain), *name = fv_text_of(p->name);
        f->proto = p;
        f->qualified = *domain ? fv_printf(im->tmp, "%s.%s", domain, name) : name;
        void **slot = fv_ptrmap_at(&im->found.functions,
                                   fv_import_function_key(im, domain, name, p->overload));
        if (*slot)
            ok = fv_error(im->s, "function '%s' is defined twice", f->qualified);
        if (p->n_attribute > FV_MAX_ATTRIBUTES || p->n_attribute_proto > FV_MAX_ATTRIBUTES)
            ok = fv_error(im->s, "function '%s' has more than %d attributes", f->qualified,
                          FV_MAX_ATTRIBUTES);
        *slot = f;
    }
    return ok;
}

static bool import_head(fv_importer *im) {
    const Onnx__ModelProto *model = im->model;
    if (!model->has_ir_version || model->ir_version < 1 || !model->graph)
        return fv_error(im->s, "not an ONNX model: it has no %s",
                        model->graph ? "IR version" : "graph");
    if (model->ir_version > NEWEST_IR_VERSION)
        return fv_error(im->s, "IR version %lld is not supported, only up to %d",
                        (long long)model->ir_version, NEWEST_IR_VERSION);
    if (!fv_import_opsets(im, model->n_opset_import, model->opset_import, &im->opsets))
        return false;
    /* models of IR versions below 3 do not state an opset */
    if (!im->opsets.n && model->ir_version < 3)
        im->opsets.at[im->opsets.n++] = (fv_opset){"", 1};
    if (!im->opsets.n)
        return fv_error(im->s,
                        "opset_import is missing: IR version %lld needs it to say which "
                        "version of the operators is meant",
                        (long long)model->ir_version);
    return import_functions(im);
}

/* ---- inputs ---- */

static void note_initializers(fv_importer *im, const Onnx__GraphProto *g) {
    for (size_t i = 0; i < g->n_initializer; i++)
        fv_import_map(&im->found.is_initializer,
                      fv_intern(im->s, fv_text_of(g->initializer[i]->name)), im);
    for (size_t i = 0; i < g->n_sparse_initializer; i++)
        if (g->sparse_initializer[i]->values)
            fv_import_map(&im->found.is_initializer,
                          fv_intern(im->s, fv_text_of(g->sparse_initializer[i]->values->name)), im);
}

static void import_inputs(fv_importer *im, fv_import_scope *sc, const Onnx__GraphProto *g) {
    if (g->n_input > FV_MAX_OPERANDS) {
        fv_error(im->s, "the model has more than %d inputs", FV_MAX_OPERANDS);
        return;
    }
    for (size_t i = 0; i < g->n_input; i++) {
        const char *name = fv_text_of(g->input[i]->name);
        if (!*name) {
            fv_error(im->s, "an input has no name");
            continue;
        }
        if (fv_ptrmap_get(&im->found.is_initializer, fv_intern(im->s, name)))
            continue;
        const Onnx__TypeProto *declared = g->input[i]->type;
        if (declared && declared->value_case == ONNX__TYPE_PROTO__VALUE_SPARSE_TENSOR_TYPE) {
            fv_value *v = fv_import_sparse_input(im, sc->region, declared, name,
                                                 fv_printf(im->tmp, "input '%s'", name));
            fv_import_define(im, sc, name, v ? v : im->instead.poison);
            continue;
        }
        const fv_type *t =
            fv_import_type(im, g->input[i]->type, name, fv_printf(im->tmp, "input '%s'", name));
        fv_import_define(im, sc, name, t ? fv_param_new(sc->region, name, t) : im->instead.poison);
    }
}

/* ---- graphs ---- */

/* The first of `name`, name_1, name_2, ... that no output has. */
static const char *free_name(fv_importer *im, const fv_ptrmap *taken, const char *name) {
    const char *is = fv_intern(im->s, name);
    for (int k = 1; fv_ptrmap_get(taken, is); k++)
        is = fv_intern(im->s, fv_printf(im->tmp, "%s_%d", name, k));
    return is;
}

/* An output that is listed twice stays in both positions, the second time under another name, since
 * callers use the number and the names of outputs. */
static void name_results(fv_importer *im, const Onnx__GraphProto *g) {
    fv_ptrmap taken = fv_ptrmap_in(im->tmp), seen = fv_ptrmap_in(im->tmp);
    const char **names = FV_NEW(im->m->arena, const char *, g->n_output + 1);
    for (size_t i = 0; i < g->n_output; i++)
        fv_import_map(&taken, fv_intern(im->s, fv_text_of(g->output[i]->name)), im);
    for (size_t i = 0; i < g->n_output; i++) {
        names[i] = fv_intern(im->s, fv_text_of(g->output[i]->name));
        if (!fv_ptrmap_get(&seen, names[i])) {
            fv_import_map(&seen, names[i], im);
            continue;
        }
        names[i] = free_name(im, &taken, names[i]);
        fv_import_map(&taken, names[i], im);
        fv_import_departs(im, FV_LENIENT_OUTPUT, g->output[i], NULL,
                          fv_printf(im->tmp, "here it is called '%s'", names[i]),
                          "output '%s' is there again", g->output[i]->name);
    }
    im->func->result_names = names;
}

/* Checks the declared types of values that no node makes: of outputs that are inputs or constants,
 * and of inputs that have an initializer. */
static void check_declared(fv_importer *im, fv_import_scope *sc, size_t n,
                           Onnx__ValueInfoProto **declared) {
    for (size_t i = 0; i < n; i++) {
        fv_value *v = fv_import_find(im, sc, fv_text_of(declared[i]->name));
        if (v && v != im->instead.poison && v->kind != FV_VALUE_RESULT &&
            !fv_ptrmap_get(&im->found.sparse, v))
            fv_import_declared(im, v, declared[i]);
    }
}

static bool import_graph(fv_importer *im) {
    const Onnx__GraphProto *g = im->model->graph;
    fv_import_scope sc = {.values = fv_ptrmap_in(im->tmp),
                          .stems = fv_ptrmap_in(im->tmp),
                          .declared = fv_ptrmap_in(im->tmp),
                          .in_body = fv_ptrmap_in(im->tmp),
                          .region = im->func->body,
                          .opsets = &im->opsets,
                          .prefix = ""};
    fv_import_note_declared(im, g, &sc.declared);
    import_inputs(im, &sc, g);
    fv_import_check_sparse(im, sc.region);
    fv_import_initializers(im, &sc, g);
    check_declared(im, &sc, g->n_input, g->input);
    if (g->n_output == 0)
        fv_error(im->s, "the model has no outputs");
    name_results(im, g);
    bool ok =
        fv_import_nodes(im, &sc, (fv_nodes){g->n_node, g->node}) && fv_import_outputs(im, &sc, g);
    if (ok)
        fv_module_settle(im->m);
    check_declared(im, &sc, g->n_output, g->output);
    return ok;
}

/* ---- models ---- */

typedef struct hasher {
    fv_session *session;
    XXH3_state_t *state;
} hasher;

/* Hashes bytes in pieces and gives the pages of large files back, so that they do not stay in
 * memory. */
static void hash_more(void *ctx, const void *bytes, size_t n) {
    const hasher *h = ctx;
    const char *from = bytes;
    for (size_t piece; n; from += piece, n -= piece) {
        piece = n < (16u << 20) ? n : (16u << 20);
        XXH3_128bits_update(h->state, from, piece);
        if (n + (size_t)(from - (const char *)bytes) > (1u << 20))
            fv_mapping_drop(h->session, from, piece);
    }
}

static const char *hash_text(fv_importer *im, const hasher *of) {
    XXH128_hash_t h = XXH3_128bits_digest(of->state);
    return fv_printf(im->m->arena, "%016llx%016llx", (unsigned long long)h.high64,
                     (unsigned long long)h.low64);
}

static bool import_model(fv_importer *im, const fv_import_options *o) {
    note_initializers(im, im->model->graph);
    fv_import_ranks(im, o);
    if (!fv_import_survey(im))
        return false;
    fv_import_assume_ranks(im, o);
    return fv_import_symbols(im, o) && import_graph(im);
}

/* Imports into m, whose arena exists already because the file is mapped in it. `trial`: ranks to
 * try for inputs without a shape, or NULL; *faults: out, the number of faults. */
static bool import_as(fv_module *m, const uint8_t *data, size_t size, const char *folder,
                      const fv_import_options *o, const fv_ranks *trial, fv_faults *faults) {
    fv_session *s = m->session;
    int errors = fv_error_count(s);
    fv_arena *tmp = fv_arena_new(s);
    fv_importer im = {.s = s, .tmp = tmp, .m = m, .departures.strict = o && o->strict};
    if (trial)
        im.trial = *trial;
    bool without = o && o->without_weights, hashes = !without && !(o && o->without_hash);
    hasher hash = {s, fv_alloc_aligned(tmp, sizeof *hash.state, 64)};
    XXH3_128bits_reset(hash.state);
    if (hashes)
        hash_more(&hash, data, size);
    im.found.sparse = im.found.functions = im.found.symbols = im.found.is_initializer =
        im.found.constants = im.departures.met = fv_ptrmap_in(tmp);
    im.instead.poison = FV_NEW(tmp, fv_value, 1);
    im.instead.absent = FV_NEW(tmp, fv_value, 1);
    im.tensors = (fv_tensor_reader){.session = s,
                                    .arena = m->arena,
                                    .bytes = data,
                                    .folder = folder,
                                    .without_weights = without,
                                    .seen = hashes ? hash_more : NULL,
                                    .ctx = &hash};
    im.size.bytes = size;
    im.func = fv_func_new(m, "main");
    im.model = (const Onnx__ModelProto *)fv_wire_unpack(s, tmp, &onnx__model_proto__descriptor,
                                                        data, size, "an ONNX model");
    bool ok = im.model && import_head(&im) && import_model(&im, o);
    fv_import_count_departures(&im);
    *faults = im.faults;
    if (hashes)
        m->source.hash = hash_text(&im, &hash);
    fv_arena_free(tmp);
    return ok && fv_error_count(s) == errors && fv_module_verify(m, NULL);
}

static bool import_into(fv_module *m, const uint8_t *data, size_t size, const char *folder,
                        const fv_import_options *o) {
    fv_faults faults;
    return import_as(m, data, size, folder, o, NULL, &faults);
}

fv_faults fv_import_trial(const fv_importer *im, const fv_import_options *o, fv_ranks ranks) {
    fv_import_options options = o ? *o : (fv_import_options){0};
    fv_faults faults;
    options.without_weights = true;
    fv_module *m = fv_module_new(im->s, "trial");
    (void)import_as(m, im->tensors.bytes, im->size.bytes, im->tensors.folder, &options, &ranks,
                    &faults);
    fv_module_free(m);
    return faults;
}

static fv_module *only_if(bool ok, fv_module *m) {
    if (ok)
        return m;
    fv_module_free(m);
    return NULL;
}

fv_module *fv_onnx_import(fv_session *s, const char *path, const fv_import_options *options) {
    fv_arena *tmp = fv_arena_new(s);
    fv_diag_file(s, path);
    fv_module *m = fv_module_new(s, fv_path_stem(tmp, path));
    fv_file f;
    bool ok = fv_file_map(s, m->arena, path, &f) &&
              import_into(m, f.data, f.size, fv_path_folder(tmp, path), options);
    fv_arena_free(tmp);
    return only_if(ok, m);
}

fv_module *fv_onnx_import_bytes(fv_session *s, const void *data, size_t size, const char *folder,
                                const char *name, const fv_import_options *options) {
    static const uint8_t empty[1];
    fv_module *m = fv_module_new(s, name);
    return only_if(import_into(m, size ? data : empty, size, folder, options), m);
}
