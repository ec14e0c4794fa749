/* named.c - see named.h. */
#include "tools/command/named.h"

#include <string.h>

#include "ir/dim/option.h"
#include "ir/graph/print.h"

static bool comes_from(const fv_origin *o, const char *node) {
    for (int i = 0; i < o->n; i++)
        if (!strcmp(o->nodes[i], node))
            return true;
    return false;
}

bool fv_value_is_called(const fv_value *v, const char *name) {
    return !strcmp(v->name, name) || (v->def && comes_from(v->def->origin, name));
}

bool fv_op_is_called(const fv_op *op, const char *name) {
    bool found = comes_from(op->origin, name);
    for (int i = 0; i < op->nout; i++)
        found |= op->out[i] && !strcmp(op->out[i]->name, name);
    return found;
}

static bool has_name(const fv_region *r, const char *name) {
    bool found = false;
    for (int i = 0; i < r->nparams; i++)
        found |= fv_value_is_called(r->params[i], name);
    for (const fv_op *op = r->first; op && !found; op = op->next) {
        found = fv_op_is_called(op, name);
        for (int i = 0; i < op->nattrs; i++)
            found |= op->attrs[i].kind == FV_ATTR_REGION && has_name(op->attrs[i].u.region, name);
    }
    return found;
}

bool fv_module_has_constant(const fv_module *m, const char *name) {
    for (int i = 0; i < m->nconsts; i++)
        if (m->consts[i]->nuses && !strcmp(m->consts[i]->name, name))
            return true;
    return false;
}

bool fv_module_has_name(const fv_module *m, const char *name) {
    return has_name(m->funcs->body, name) || fv_module_has_constant(m, name);
}

static void list_block(fv_arena *a, fv_name_list *list, const fv_region *r) {
    for (int i = 0; i < r->nparams; i++)
        FV_PUSH(a, list->at, list->n, list->cap, r->params[i]->name);
    for (const fv_op *op = r->first; op; op = op->next) {
        for (int i = 0; i < op->origin->n; i++)
            FV_PUSH(a, list->at, list->n, list->cap, op->origin->nodes[i]);
        for (int i = 0; i < op->nout; i++)
            if (op->out[i])
                FV_PUSH(a, list->at, list->n, list->cap, op->out[i]->name);
        for (int i = 0; i < op->nattrs; i++)
            if (op->attrs[i].kind == FV_ATTR_REGION)
                list_block(a, list, op->attrs[i].u.region);
    }
}

void fv_list_names(fv_arena *a, fv_name_list *list, const fv_module *m) {
    list_block(a, list, m->funcs->body);
    for (int i = 0; i < m->nconsts; i++)
        FV_PUSH(a, list->at, list->n, list->cap, m->consts[i]->name);
}

const char *fv_name_given(fv_arena *a, const char *given) {
    const char *end, *name = fv_option_quoted(a, given, &end);
    return name && !*end ? name : given;
}

const char *fv_op_place(fv_arena *a, const fv_op *op) {
    fv_text t = {.arena = a};
    if (op->nout && op->out[0])
        fv_put_value(&t, op->out[0]);
    fv_text_printf(&t, "%s(%s", t.n ? " " : "", fv_opdef_qualified(a, op->def));
    if (op->origin->n)
        fv_text_printf(&t, ", node '%s'", fv_origin_str(a, op->origin));
    fv_text_put(&t, ")");
    return t.s;
}
