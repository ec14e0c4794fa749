/* import_survey.c - visits all nodes of a model before the import, and lists all operators that are
 * not supported. */
#include <string.h>

#include "frontend/import.h"
#include "ir/base/limits.h"
#include "ir/base/text.h"

enum { NODES_NAMED = 6 }; /* number of further nodes with the same problem that a message names */

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
