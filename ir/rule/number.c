/* number.c - evaluates numbers in rules, see rule.h. */
#include "ir/rule/number.h"

#include <assert.h>
#include <math.h>
#include <string.h>

#include "ir/type/float_bits.h"

static bool number_call(const fv_ast *a, double *out) {
    double x;
    if (a->n != 1 || !fv_rule_number(a->arg[0], &x))
        return false;
    if (!strcmp(a->name, "sqrt"))
        *out = sqrt(x);
    else if (!strcmp(a->name, "exp"))
        *out = exp(x);
    else
        return false;
    return true;
}

static bool number_binary(const fv_ast *a, double *out) {
    double x, y;
    if (!fv_rule_number(a->arg[0], &x) || !fv_rule_number(a->arg[1], &y))
        return false;
    if (!strcmp(a->name, "+"))
        *out = x + y;
    else if (!strcmp(a->name, "-"))
        *out = x - y;
    else if (!strcmp(a->name, "*"))
        *out = x * y;
    else if (!strcmp(a->name, "/"))
        *out = x / y;
    else
        return false;
    return true;
}

bool fv_rule_number(const fv_ast *a, double *out) {
    switch (a->kind) {
    case FV_AST_INT: *out = (double)a->i; return true;
    case FV_AST_FLOAT: *out = a->f; return true;
    case FV_AST_UNARY:
        if (strcmp(a->name, "-") || !fv_rule_number(a->arg[0], out))
            return false;
        *out = -*out;
        return true;
    case FV_AST_CALL: return number_call(a, out);
    case FV_AST_BINARY: return number_binary(a, out);
    case FV_AST_NAME:
        *out = !strcmp(a->name, "pi") ? 3.14159265358979323846 : (double)INFINITY;
        return !strcmp(a->name, "pi") || !strcmp(a->name, "inf");
    case FV_AST_STRING:
    case FV_AST_GROUP:
    case FV_AST_VALUE:
    case FV_AST_NAMED:
    case FV_AST_INDEX:
    case FV_AST_REDUCE:
    case FV_AST_LANES:
    case FV_AST_LIST: break;
    }
    return false;
}

double fv_rule_value(const fv_ast *a) {
    double value = 0;
    bool is_number = fv_rule_number(a, &value);
    assert(is_number);
    (void)is_number; /* an assert is empty in a release build, so the variable would be unused */
    return value;
}

bool fv_rule_rounds_to(fv_elem e, double want, double x) {
    return x == want || (fv_elem_is_float(e) && x == fv_float_decode(e, fv_float_encode(e, want)));
}

bool fv_rule_is_about(fv_elem type, double c, double e) {
    if (!fv_elem_is_float(type))
        return c == e;
    uint64_t bits = fv_float_encode(type, e);
    for (int i = -FV_ABOUT_ULPS; i <= FV_ABOUT_ULPS; i++)
        if (c == fv_float_decode(type, bits + (uint64_t)(int64_t)i))
            return true;
    return false;
}
