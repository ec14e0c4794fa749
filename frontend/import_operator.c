/* import_operator.c - finds the operator that a node means: by its name, its domain and the opset
 * imports of the model or of a function. */
#include <string.h>

#include "frontend/import.h"
#include "ir/base/limits.h"
#include "ir/base/text.h"
#include "ir/catalogue/own.h"

const char *fv_import_domain(const char *domain) {
    return !domain || !strcmp(domain, "ai.onnx") ? "" : domain;
}

/* If a domain is imported twice, the last import holds, as in onnx and ONNX Runtime. */
static void add_opset(fv_importer *im, fv_opsets *to, fv_opset set) {
    fv_opset *same = NULL;
    for (int i = 0; i < to->n && !same; i++)
        if (!strcmp(to->at[i].domain, set.domain))
            same = &to->at[i];
    if (same && same->version != set.version)
        fv_import_departs(im, FV_LENIENT_OPSET, same, NULL, "the latter is taken",
                          "domain '%s' is imported in versions %lld and %lld", set.domain,
                          (long long)same->version, (long long)set.version);
    *(same ? same : &to->at[to->n++]) = set;
}

bool fv_import_opsets(fv_importer *im, size_t n, Onnx__OperatorSetIdProto **imports,
                      fv_opsets *out) {
    if (n > FV_MAX_ATTRIBUTES)
        return fv_error(im->s, "there are more than %d opset imports", FV_MAX_ATTRIBUTES);
    out->at = FV_NEW(im->tmp, fv_opset, n + 1);
    for (size_t i = 0; i < n; i++) {
        fv_opset set = {fv_import_domain(imports[i]->domain), imports[i]->version};
        if (!*set.domain && (set.version < 1 || set.version > FV_NEWEST_OPSET))
            return fv_error(im->s, "opset %lld is not supported, only 1 to %d",
                            (long long)set.version, FV_NEWEST_OPSET);
        if (set.version < 1 || set.version > INT32_MAX)
            return fv_error(im->s, "version %lld of domain '%s' is not legal",
                            (long long)set.version, set.domain);
        add_opset(im, out, set);
    }
    return true;
}

const char *fv_import_qualified(fv_arena *a, const Onnx__NodeProto *node) {
    const char *domain = fv_import_domain(node->domain), *op = fv_text_of(node->op_type);
    return *domain ? fv_printf(a, "%s.%s", domain, op) : fv_strdup(a, op);
}

const char *fv_import_label(fv_arena *a, const char *prefix, const Onnx__NodeProto *node) {
    if (node->name && *node->name)
        return fv_printf(a, "%s%s", prefix, node->name);
    const char *output = "";
    for (size_t i = 0; i < node->n_output && !*output; i++)
        output = node->output[i];
    return fv_printf(a, "%s%s(%s)", prefix, fv_text_of(node->op_type), output);
}

const char *fv_import_function_key(fv_importer *im, const char *domain, const char *name,
                                   const char *overload) {
    return fv_intern(im->s, fv_printf(im->tmp, "%s\n%s\n%s", fv_import_domain(domain),
                                      fv_text_of(name), fv_text_of(overload)));
}

static int64_t imported_version(const fv_opsets *opsets, const char *domain) {
    for (int i = 0; i < opsets->n; i++)
        if (!strcmp(opsets->at[i].domain, domain))
            return opsets->at[i].version;
    return 0;
}

/* The version of a domain that nothing imports in this scope: in a function, the model's; if
 * nothing imports it at all, 1 for a domain other than the standard's. 0 if it is not known. */
static int64_t implied_version(fv_importer *im, const fv_opsets *opsets, const char *domain) {
    int64_t version = opsets == &im->opsets ? 0 : imported_version(&im->opsets, domain);
    if (!version && *domain && strcmp(domain, "fv") != 0 && fv_op_has_domain_in(im->s, domain))
        version = 1;
    if (version)
        fv_import_departs(im, FV_LENIENT_OPSET, fv_intern(im->s, domain), NULL,
                          fv_printf(im->tmp, "version %lld is taken", (long long)version),
                          "domain '%s' is not among the opset imports%s", domain,
                          opsets == &im->opsets ? "" : " of a function");
    return version;
}

static int64_t domain_version(fv_importer *im, const fv_opsets *opsets, const char *domain) {
    int64_t version = imported_version(opsets, domain);
    return version ? version : implied_version(im, opsets, domain);
}

/* Whether it is an operator that ONNX Runtime's optimizer writes into models of older opsets. */
static bool is_ahead_of_time(const char *domain, const char *op) {
    return !*domain && !strcmp(op, "LayerNormalization");
}

/* Whether it is an operator of com.microsoft that ONNX Runtime's optimizer writes into the
 * standard's domain. */
static bool is_misplaced(const char *domain, const char *op) {
    return !*domain && !strcmp(op, "SimplifiedLayerNormalization");
}

fv_operator fv_import_operator(fv_importer *im, const fv_opsets *opsets,
                               const Onnx__NodeProto *node) {
    fv_operator r = {0};
    const char *domain = fv_import_domain(node->domain), *op = fv_text_of(node->op_type);
    if (im->found.functions.n)
        r.function = fv_ptrmap_get(&im->found.functions,
                                   fv_import_function_key(im, domain, op, node->overload));
    if (r.function)
        return r;
    int64_t version = domain_version(im, opsets, domain);
    const char *where = *domain ? fv_printf(im->tmp, "version of domain '%s':", domain) : "opset";
    if (!version) {
        r.problem = fv_printf(im->tmp, "domain '%s' is not among the opset imports%s", domain,
                              *domain ? "" : ": it is not known which version is meant");
        return r;
    }
    r.is_constant = !*domain && !strcmp(op, "Constant");
    /* a model cannot use operators of the domain fv */
    r.def = strcmp(domain, "fv") != 0 ? fv_op_find_in(im->s, domain, op) : NULL;
    if (r.is_constant)
        return r;
    if (!r.def && is_misplaced(domain, op)) {
        r.def = fv_op_find("com.microsoft", op);
        r.version = r.def->since[0];
        return r;
    }
    if (!r.def) {
        const char *why = fv_op_refusal(domain, op);
        r.problem = fv_printf(im->tmp, "operator not in the catalogue (%s %lld)%s%s", where,
                              (long long)version, why ? ": " : "", why ? why : "");
        return r;
    }
    r.version = fv_op_version(r.def, (int)version);
    if (!r.version && is_ahead_of_time(domain, op))
        r.version = r.def->since[0];
    if (!r.version)
        r.problem = fv_printf(im->tmp, "operator does not exist in %s %lld, only from %d on", where,
                              (long long)version, r.def->since[0]);
    return r;
}
