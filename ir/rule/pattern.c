/* pattern.c - see pattern.h. */
#include "ir/rule/pattern.h"

#include <string.h>

#include "ir/rule/number.h"

static fv_pattern_kind kind_of_call(const fv_ast *p) {
    if (!strcmp(p->name, "optional"))
        return FV_PATTERN_OPTIONAL;
    if (!strcmp(p->name, "repeated"))
        return FV_PATTERN_REPEATED;
    return !strcmp(p->name, "result") ? FV_PATTERN_RESULT : FV_PATTERN_OP;
}

fv_pattern_kind fv_pattern_kind_of(const fv_ast *p) {
    double number;
    if (p->kind == FV_AST_NAME) /* pi counts as a name here, too, since names are captures */
        return FV_PATTERN_NAME;
    if (fv_rule_number(p, &number))
        return FV_PATTERN_NUMBER;
    if (p->kind == FV_AST_GROUP)
        return FV_PATTERN_REST;
    if (p->kind == FV_AST_CALL)
        return kind_of_call(p);
    if (p->kind == FV_AST_UNARY && !strcmp(p->name, "~"))
        return FV_PATTERN_ABOUT;
    return p->kind == FV_AST_BINARY && !strcmp(p->name, "|") ? FV_PATTERN_EITHER : FV_PATTERN_NONE;
}

const fv_ast *fv_pattern_root(const fv_ast *pattern) {
    return fv_pattern_kind_of(pattern) == FV_PATTERN_RESULT ? pattern->arg[1] : pattern;
}

int fv_rule_results(const fv_opdef *def, int result) {
    int n = result + 1;
    for (int i = 0; i < FV_MAX_OUT && def->out[i].name; i++)
        if (i >= n && def->out[i].arity == FV_REQUIRED)
            n = i + 1;
    return n;
}

static int larger(int a, int b) {
    return a > b ? a : b;
}

int fv_pattern_parts(const fv_ast *p) {
    int n = 1;
    switch (fv_pattern_kind_of(p)) {
    case FV_PATTERN_NAME:
    case FV_PATTERN_NUMBER:
    case FV_PATTERN_ABOUT:
    case FV_PATTERN_REST:
    case FV_PATTERN_NONE: break;
    case FV_PATTERN_EITHER: return larger(fv_pattern_parts(p->arg[0]), fv_pattern_parts(p->arg[1]));
    case FV_PATTERN_OPTIONAL:
    case FV_PATTERN_REPEATED:
    case FV_PATTERN_RESULT: return fv_pattern_parts(p->arg[1]);
    case FV_PATTERN_OP:
        for (int i = 0; i < p->n; i++)
            n += p->arg[i]->kind == FV_AST_NAMED ? 0 : fv_pattern_parts(p->arg[i]);
        break;
    }
    return n;
}
