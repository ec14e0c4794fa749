/* seen.c - see seen.h. */
#include "ir/rule/seen.h"

#include <string.h>

#include "ir/graph/print.h"
#include "ir/rule/constant.h"

static void put_seen_attr(fv_text *t, const fv_attr *a) {
    fv_graph_printer p = {.t = t, .elide = true};
    fv_put_attr(&p, a);
}

const char *fv_rule_seen_attr(fv_arena *a, const fv_attr *attr) {
    fv_text t = {.arena = a};
    put_seen_attr(&t, attr);
    return t.s;
}

/* Prints the name of a value, its number if it is a constant whose elements are all equal, and its
 * type. */
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

static void put_seen_rest(fv_text *t, const fv_capture *c) {
    fv_text_put(t, "[");
    for (int i = 0; i < c->n; i++) {
        fv_text_put(t, i ? ", " : "");
        fv_put_value(t, c->values[i]);
    }
    fv_text_put(t, "]");
}

static void put_capture(fv_text *t, const fv_capture *c) {
    fv_text_printf(t, "%s%s is ", t->n ? ", " : "", c->name);
    if (c->value)
        put_seen_value(t, c->value);
    else if (c->attr)
        put_seen_attr(t, c->attr);
    else
        put_seen_rest(t, c);
}

static bool speaks_of(const fv_ast *x, const char *name) {
    bool speaks = x->kind == FV_AST_NAME && !strcmp(x->name, name);
    for (int i = 0; i < x->n && !speaks; i++)
        speaks = speaks_of(x->arg[i], name);
    return speaks;
}

static bool counts_uses(const fv_ast *x) {
    bool counts = x->kind == FV_AST_CALL && (!strcmp(x->name, "once") || !strcmp(x->name, "uses"));
    for (int i = 0; i < x->n && !counts; i++)
        counts = counts_uses(x->arg[i]);
    return counts;
}

const char *fv_rule_seen(fv_arena *a, int n, const fv_capture *captures, const fv_ast *condition) {
    fv_text t = {.arena = a};
    bool counts = condition && counts_uses(condition);
    for (int i = 0; i < n; i++) {
        if (condition && !speaks_of(condition, captures[i].name))
            continue;
        put_capture(&t, &captures[i]);
        if (counts && captures[i].value)
            fv_text_printf(&t, " with %d uses", captures[i].value->nuses);
    }
    return t.s ? t.s : "";
}
