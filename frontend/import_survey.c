/* import_survey.c - finds the operator of each node, and lists all operators that are not
 * supported. */
#include <string.h>

#include "frontend/import.h"
#include "ir/base/limits.h"
#include "ir/base/text.h"
#include "ir/catalogue/own.h"

enum { NODES_NAMED = 6 }; /* number of further nodes with the same problem that a message names */

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

/* ---- visiting all nodes ---- */

/* An operator with a problem, and the nodes that have it. */
typedef struct finding {
    const char *node, *op, *problem;
    int others;
    fv_text names;
} finding;

typedef struct survey {
    fv_importer *im;
    fv_ptrmap by_problem; /* "op: problem": finding */
    finding **findings;
    int n, cap;
    size_t nodes;
} survey;

static void find(survey *v, const char *prefix, const Onnx__NodeProto *node, const char *problem) {
    fv_importer *im = v->im;
    const char *op = fv_import_qualified(im->tmp, node);
    const char *label = fv_import_label(im->tmp, prefix, node);
    const char *key = fv_intern(im->s, fv_printf(im->tmp, "%s: %s", op, problem));
    finding *f = fv_ptrmap_get(&v->by_problem, key);
    if (f) {
        if (f->others++ < NODES_NAMED)
            fv_text_printf(&f->names, "%s'%s'", f->others > 1 ? ", " : "", label);
        return;
    }
    f = FV_NEW(im->tmp, finding, 1);
    *f = (finding){.node = label, .op = op, .problem = problem, .names = {.arena = im->tmp}};
    fv_import_map(&v->by_problem, key, f);
    FV_PUSH(im->tmp, v->findings, v->n, v->cap, f);
}

static void say(const survey *v, const finding *f) {
    const char *more = "";
    if (f->others)
        more = fv_printf(v->im->tmp, "; so %s %s", f->others == 1 ? "has" : "have", f->names.s);
    if (f->others > NODES_NAMED)
        more = fv_printf(v->im->tmp, "%s and %d more", more, f->others - NODES_NAMED);
    fv_error_node(v->im->s, f->node, f->op, "%s%s", f->problem, more);
}

static bool survey_nodes(survey *v, const fv_opsets *opsets, const char *prefix, fv_nodes nodes,
                         int depth);

static bool survey_function(survey *v, fv_function *f, int depth) {
    if (f->active)
        return fv_error(v->im->s, "function '%s' calls itself", f->qualified);
    if (f->surveyed)
        return true;
    f->surveyed = f->active = true;
    const Onnx__FunctionProto *p = f->proto;
    bool ok = fv_import_opsets(v->im, p->n_opset_import, p->opset_import, &f->opsets) &&
              survey_nodes(v, &f->opsets, fv_printf(v->im->tmp, "%s/", f->qualified),
                           (fv_nodes){p->n_node, p->node}, depth + 1);
    f->active = false;
    return ok;
}

static bool survey_graph(survey *v, const fv_opsets *opsets, const char *prefix,
                         const Onnx__GraphProto *g, int depth) {
    return !g || survey_nodes(v, opsets, prefix, (fv_nodes){g->n_node, g->node}, depth + 1);
}

static bool survey_node(survey *v, const fv_opsets *opsets, const char *prefix,
                        const Onnx__NodeProto *node, int depth) {
    fv_operator op = fv_import_operator(v->im, opsets, node);
    if (op.problem)
        find(v, prefix, node, op.problem);
    if (node->n_attribute > FV_MAX_ATTRIBUTES)
        return fv_error_node(v->im->s, fv_import_label(v->im->tmp, prefix, node),
                             fv_import_qualified(v->im->tmp, node), "has more than %d attributes",
                             FV_MAX_ATTRIBUTES);
    if (op.function && !survey_function(v, op.function, depth))
        return false;
    for (size_t i = 0; i < node->n_attribute; i++) {
        const Onnx__AttributeProto *a = node->attribute[i];
        if (!survey_graph(v, opsets, prefix, a->g, depth))
            return false;
        for (size_t k = 0; k < a->n_graphs; k++)
            if (!survey_graph(v, opsets, prefix, a->graphs[k], depth))
                return false;
    }
    return true;
}

static bool survey_nodes(survey *v, const fv_opsets *opsets, const char *prefix, fv_nodes nodes,
                         int depth) {
    if (depth > FV_MAX_DEPTH)
        return fv_error(v->im->s, "graphs and functions are nested more than %d deep",
                        FV_MAX_DEPTH);
    v->nodes += nodes.n;
    if (v->nodes > FV_MAX_NODES)
        return fv_error(v->im->s, "the model has more than %d nodes", FV_MAX_NODES);
    for (size_t i = 0; i < nodes.n; i++)
        if (!survey_node(v, opsets, prefix, nodes.at[i], depth))
            return false;
    return true;
}

bool fv_import_survey(fv_importer *im) {
    survey v = {.im = im, .by_problem = {.arena = im->tmp}};
    const Onnx__GraphProto *g = im->model->graph;
    bool ok = survey_nodes(&v, &im->opsets, "", (fv_nodes){g->n_node, g->node}, 0);
    im->size.nodes = v.nodes;
    for (int i = 0; i < v.n; i++)
        say(&v, v.findings[i]);
    return ok;
}
