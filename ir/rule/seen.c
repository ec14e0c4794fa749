/* seen.c - see seen.h. */
#include "ir/rule/seen.h"

#include <string.h>

#include "ir/graph/print.h"
#include "ir/rule/constant.h"

/* A constant's number where it has one; its content is told by its type alone where it has not. */
static void put_seen_value(fv_text *t, const fv_value *v) {
    double number;
    fv_put_value(t, v);
    if (fv_rule_uniform(v, &number)) {
        fv_text_put(t, " = ");
        if (v->type->elem == FV_F64)
            fv_text_double(t, number);
        else
            fv_text_float(t, (float)number);
    }
    fv_text_put(t, ": ");
    fv_text_put(t, fv_type_str(t->arena, v->type));
}

static void put_seen_attr(fv_text *t, const fv_attr *a) {
    fv_graph_printer p = {.t = t, .elide = true};
    fv_put_attr(&p, a);
}

static void put_capture(fv_text *t, const fv_capture *c) {
    fv_text_printf(t, "%s%s is ", t->n ? ", " : "", c->name);
    if (c->value)
        put_seen_value(t, c->value);
    else
        put_seen_attr(t, c->attr);
}

static bool speaks_of(const fv_ast *x, const char *name) {
    bool speaks = x->kind == FV_AST_NAME && !strcmp(x->name, name);
    for (int i = 0; i < x->n && !speaks; i++)
        speaks = speaks_of(x->arg[i], name);
    return speaks;
}

const char *fv_rule_seen(fv_arena *a, int n, const fv_capture *captures, const fv_ast *condition) {
    fv_text t = {.arena = a};
    bool counts = condition && condition->kind == FV_AST_CALL && !strcmp(condition->name, "once");
    for (int i = 0; i < n; i++) {
        if (condition && !speaks_of(condition, captures[i].name))
            continue;
        put_capture(&t, &captures[i]);
        if (counts)
            fv_text_printf(&t, " with %d uses", captures[i].value->nuses);
    }
    return t.s ? t.s : "";
}
