/* formula_expr.c - evaluates scalars of formulas: names, operators, functions, casts, and
 * expressions that are dims. Everything that may be wrong in a formula's text is reported here; the
 * constructors of expressions only assert it. */
#include "ir/definition/formula_parts.h"

#include <math.h>
#include <string.h>

#include "ir/graph/infer.h"

/* ---- weak values ---- */

static fv_fvalue weak_int(int64_t i) {
    return (fv_fvalue){.weak = true, .weak_int = true, .i = i, .f = (double)i};
}
static fv_fvalue weak_float(double f) {
    return (fv_fvalue){.weak = true, .f = f};
}

fv_expr *fv_f_give(fv_fenv *e, fv_fvalue v, fv_elem t) {
    if (!v.weak)
        return v.x;
    if (t == FV_BOOL || (fv_elem_is_int(t) && v.weak_int))
        return fv_x_const_int(e->arena, t, v.i);
    return fv_x_const(e->arena, t, v.f);
}

fv_expr *fv_f_settle(fv_fenv *e, fv_fvalue v) {
    if (!v.weak)
        return v.x;
    if (v.weak_int)
        return fv_x_int(e->arena, v.i);
    const fv_type *t = fv_in_type(e->op, 0);
    fv_elem elem = t ? fv_elem_arith(t->elem) : FV_F32;
    return fv_f_give(e, v, fv_elem_is_float(elem) ? elem : FV_F32);
}

/* ---- names ---- */

static fv_fvalue eval_name(fv_fenv *e, fv_ast *a) {
    fv_fname *b = fv_f_find_name(e, a->name);
    if (b && b->var)
        return fv_f_strong(fv_x_var(e->arena, b->var));
    if (b) {
        if (b->busy)
            return FV_F_FAIL(e, a, "'%s' is defined in terms of itself", a->name);
        if (!b->known) {
            b->busy = true;
            fv_fvalue v = fv_f_eval(e, b->ast);
            b = fv_f_find_name(e, a->name);
            b->memo = v;
            b->known = true;
            b->busy = false;
        }
        return b->memo;
    }
    int in = fv_f_operand(e->op->def->in, FV_MAX_IN, a->name);
    if (in >= 0) {
        if (!fv_op_in(e->op, in))
            return FV_F_FAIL(e, a, "'%s' is used where it is left out", a->name);
        return fv_f_strong(fv_d_elementwise(e->d, in, e->result));
    }
    const fv_attr_def *d = fv_f_attr(e, a->name);
    if (d && d->kind == FV_ATTR_INT)
        return weak_int(fv_op_int(e->op, a->name));
    if (d && d->kind == FV_ATTR_FLOAT)
        return weak_float(fv_op_float(e->op, a->name));
    if (!strcmp(a->name, "inf"))
        return weak_float(INFINITY);
    if (!strcmp(a->name, "nan"))
        return weak_float(NAN);
    if (!strcmp(a->name, "pi"))
        return weak_float(3.14159265358979323846);
    return FV_F_FAIL(e, a, "unknown name '%s'", a->name);
}

/* ---- operators ---- */

static const struct {
    const char *text;
    fv_expr_op op;
    bool swap;
} operators[] = {{"+", FV_X_ADD, 0},        {"-", FV_X_SUB, 0},  {"*", FV_X_MUL, 0},
                 {"/", FV_X_DIV, 0},        {"%", FV_X_REM, 0},  {"floordiv", FV_X_FLOORDIV, 0},
                 {"mod", FV_X_FLOORMOD, 0}, {"&", FV_X_AND, 0},  {"|", FV_X_OR, 0},
                 {"&&", FV_X_AND, 0},       {"||", FV_X_OR, 0},  {"^", FV_X_XOR, 0},
                 {"<<", FV_X_SHL, 0},       {">>", FV_X_SHR, 0}, {"<", FV_X_LT, 0},
                 {"<=", FV_X_LE, 0},        {">", FV_X_LT, 1},   {">=", FV_X_LE, 1},
                 {"==", FV_X_EQ, 0},        {"!=", FV_X_NE, 0},  {NULL, FV_X_END, 0}};

/* Applies an operator to two numbers without type: the result is a number, or a known bool. */
static fv_fvalue weak_binary(fv_fenv *e, fv_ast *a, fv_fvalue x, fv_fvalue y) {
    enum { SUM, DIFFERENCE, PRODUCT, QUOTIENT, EQ, NE, LT, LE, GT, GE, NONE };
    static const char *const ops[] = {"+", "-", "*", "/", "==", "!=", "<", "<=", ">", ">="};
    int op = SUM;
    while (op < NONE && strcmp(ops[op], a->name))
        op++;
    double f = op == SUM          ? x.f + y.f
               : op == DIFFERENCE ? x.f - y.f
               : op == PRODUCT    ? x.f * y.f
                                  : x.f / y.f;
    bool truth = op == EQ   ? x.f == y.f
                 : op == NE ? x.f != y.f
                 : op == LT ? x.f < y.f
                 : op == LE ? x.f <= y.f
                 : op == GT ? x.f > y.f
                            : x.f >= y.f;
    bool whole = x.weak_int && y.weak_int && op < QUOTIENT && fabs(f) < 0x1p53;
    if (op == NONE) { /* the other operators need integers, of type i64 */
        if (!x.weak_int || !y.weak_int)
            return FV_F_FAIL(e, a, "'%s' of a fraction", a->name);
        return fv_f_binary(e, a, fv_f_strong(fv_x_int(e->arena, x.i)), y);
    }
    if (op >= EQ)
        return fv_f_strong(fv_x_const_int(e->arena, FV_BOOL, truth));
    return whole ? weak_int((int64_t)f) : weak_float(f);
}

static bool allowed(fv_fenv *e, const fv_ast *a, fv_expr_op op, fv_elem t) {
    return fv_x_allows(op, t) || fv_f_error(e, a, "'%s' of %s", a->name, fv_elem_name(t));
}

static fv_fvalue apply2(fv_fenv *e, fv_ast *a, fv_expr_op op, fv_fvalue x, fv_fvalue y) {
    fv_elem t = x.weak ? (fv_elem)y.x->type.elem : (fv_elem)x.x->type.elem;
    if (fv_elem_is_int(t) && ((x.weak && !x.weak_int) || (y.weak && !y.weak_int)))
        return FV_F_FAIL(e, a, "a fraction meets %s at '%s'", fv_elem_name(t), a->name);
    fv_expr *p = fv_f_give(e, x, t), *q = fv_f_give(e, y, t);
    if (p->type.elem != q->type.elem)
        return FV_F_FAIL(e, a, "%s meets %s at '%s'", fv_elem_name(p->type.elem),
                         fv_elem_name(q->type.elem), a->name);
    return allowed(e, a, op, t) ? fv_f_strong(fv_x_bin(e->arena, op, p, q)) : fv_f_none(e);
}

fv_fvalue fv_f_binary(fv_fenv *e, fv_ast *a, fv_fvalue x, fv_fvalue y) {
    if (x.weak && y.weak)
        return weak_binary(e, a, x, y);
    for (int i = 0; operators[i].text; i++)
        if (!strcmp(operators[i].text, a->name))
            return operators[i].swap ? apply2(e, a, operators[i].op, y, x)
                                     : apply2(e, a, operators[i].op, x, y);
    return FV_F_FAIL(e, a, "unknown operator '%s'", a->name);
}

static fv_fvalue eval_unary(fv_fenv *e, fv_ast *a) {
    fv_fvalue x = fv_f_eval(e, a->arg[0]);
    bool minus = !strcmp(a->name, "-");
    if (minus && x.weak)
        return x.weak_int ? weak_int(-x.i) : weak_float(-x.f);
    fv_expr *v = fv_f_settle(e, x);
    fv_expr_op op = minus ? FV_X_NEG : FV_X_NOT;
    if (e->failed || !allowed(e, a, op, (fv_elem)v->type.elem))
        return fv_f_none(e);
    return fv_f_strong(fv_x_un(e->arena, op, v));
}

static fv_fvalue eval_select(fv_fenv *e, fv_ast *a) {
    fv_expr *c = fv_f_settle(e, fv_f_eval(e, a->arg[0]));
    if (e->failed)
        return fv_f_none(e);
    if (c->type.elem != FV_BOOL)
        return FV_F_FAIL(e, a->arg[0], "the condition of select is %s, expected bool",
                         fv_elem_name(c->type.elem));
    if (c->op == FV_X_CONST)
        return fv_f_eval(e, a->arg[c->u.i ? 1 : 2]);
    fv_fvalue x = fv_f_eval(e, a->arg[1]), y = fv_f_eval(e, a->arg[2]);
    if (e->failed)
        return fv_f_none(e);
    if (x.weak && y.weak)
        x = fv_f_strong(fv_f_settle(e, x));
    fv_elem t = x.weak ? (fv_elem)y.x->type.elem : (fv_elem)x.x->type.elem;
    fv_expr *p = fv_f_give(e, x, t), *q = fv_f_give(e, y, t);
    if (p->type.elem != q->type.elem)
        return FV_F_FAIL(e, a, "select between %s and %s", fv_elem_name(p->type.elem),
                         fv_elem_name(q->type.elem));
    return fv_f_strong(fv_x_select(e->arena, c, p, q));
}

/* ---- functions ---- */

/* The type that a cast names: an element type, or a type variable, as an operand or result binds
 * it. */
static bool cast_type(fv_fenv *e, const char *name, fv_elem *out) {
    if (fv_elem_parse(name, strlen(name), out))
        return true;
    const fv_opdef *d = e->op->def;
    for (int i = 0; i < e->op->nin && i < FV_MAX_IN && d->in[i].name; i++)
        if (e->op->in[i] && !strcmp(d->in[i].type, name)) {
            *out = e->op->in[i]->type->elem;
            return true;
        }
    for (int i = 0; i < e->op->nout && i < FV_MAX_OUT && d->out[i].name; i++)
        if (e->op->out[i] && !strcmp(d->out[i].type, name)) {
            *out = e->op->out[i]->type->elem;
            return true;
        }
    return false;
}

/* The type of an argument that must be the name of an operand or result; NULL after a
 * diagnostic. */
static const fv_type *tensor_argument(fv_fenv *e, const fv_ast *x) {
    const fv_type *t = x->kind == FV_AST_NAME ? fv_f_tensor(e, x->name) : NULL;
    if (!t)
        fv_f_error(e, x, "expected the name of an operand or result");
    return t;
}

static fv_fvalue eval_dims(fv_fenv *e, fv_ast *a) {
    const fv_dim *d;
    return fv_f_dim(e, a, &d) ? fv_f_strong(fv_x_dim(e->arena, d)) : fv_f_none(e);
}

static fv_fvalue eval_rank(fv_fenv *e, fv_ast *a) {
    const fv_type *t = tensor_argument(e, a->arg[0]);
    return t ? weak_int(t->rank) : fv_f_none(e);
}

static fv_fvalue eval_has(fv_fenv *e, fv_ast *a) {
    const fv_ast *x = a->arg[0];
    int in = x->kind == FV_AST_NAME ? fv_f_operand(e->op->def->in, FV_MAX_IN, x->name) : -1;
    if (in < 0)
        return FV_F_FAIL(e, x, "expected the name of an operand");
    return fv_f_strong(fv_x_const_int(e->arena, FV_BOOL, fv_op_in(e->op, in) != NULL));
}

static fv_fvalue eval_wrap(fv_fenv *e, fv_ast *a) {
    fv_expr *i = fv_f_settle(e, fv_f_eval(e, a->arg[0]));
    fv_expr *n = fv_f_settle(e, fv_f_eval(e, a->arg[1]));
    if (e->failed)
        return fv_f_none(e);
    /* OneHot has float indices, which its formula converts */
    if (i->type.elem == FV_BOOL || n->type.elem != FV_I64)
        return FV_F_FAIL(e, a, "wrap of %s and %s, expected a number and i64",
                         fv_elem_name(i->type.elem), fv_elem_name(n->type.elem));
    i = fv_x_convert(e->arena, FV_I64, i);
    return fv_f_strong(fv_x_select(e->arena, fv_x_bin(e->arena, FV_X_LT, i, fv_x_int(e->arena, 0)),
                                   fv_x_bin(e->arena, FV_X_ADD, i, n), i));
}

/* Functions that are evaluated here: select, whose operands differ in type, and those that exist
 * only in formulas. Others are casts, or operations of expressions (is_function). */
static const struct {
    const char *name;
    int args;
    fv_fvalue (*eval)(fv_fenv *e, fv_ast *a);
} specials[] = {{"select", 3, eval_select}, {"dim", 2, eval_dims},  {"size", 2, eval_dims},
                {"count", 1, eval_dims},    {"rank", 1, eval_rank}, {"has", 1, eval_has},
                {"wrap", 2, eval_wrap},     {NULL, 0, NULL}};

/* Evaluates a function of one to three arguments of the same type. A number without type takes that
 * of the others; if none has a type, the first is given one (fv_f_settle). */
static fv_fvalue eval_function(fv_fenv *e, fv_ast *a, fv_expr_op op) {
    fv_fvalue x[3];
    int typed = -1;
    for (int i = 0; i < a->n; i++) {
        x[i] = fv_f_eval(e, a->arg[i]);
        if (!x[i].weak && typed < 0)
            typed = i;
    }
    if (e->failed)
        return fv_f_none(e);
    if (typed < 0)
        x[typed = 0] = fv_f_strong(fv_f_settle(e, x[0]));
    fv_elem t = (fv_elem)x[typed].x->type.elem;
    if (!allowed(e, a, op, t))
        return fv_f_none(e);
    if (a->n == 1)
        return fv_f_strong(fv_x_un(e->arena, op, x[0].x));
    for (int i = 0; i < a->n; i++)
        if (!x[i].weak && (fv_elem)x[i].x->type.elem != t)
            return FV_F_FAIL(e, a->arg[i], "%s meets %s in '%s'", fv_elem_name(t),
                             fv_elem_name(x[i].x->type.elem), a->name);
    if (a->n == 2)
        return apply2(e, a, op, x[0], x[1]);
    return fv_f_strong(
        fv_x_fma(e->arena, fv_f_give(e, x[0], t), fv_f_give(e, x[1], t), fv_f_give(e, x[2], t)));
}

/* Of operations with three operands, formulas have fma only: the dot products of words are made by
 * schedules. */
static bool is_function(fv_expr_op op, const char *name) {
    const fv_expr_info *info = fv_expr_op_info(op);
    return info->nargs >= 1 && (info->nargs < 3 || op == FV_X_FMA) && info->result == FV_XR_SAME &&
           !strcmp(info->text, name);
}

static fv_fvalue eval_cast(fv_fenv *e, fv_ast *a, fv_elem t) {
    fv_fvalue x = fv_f_eval(e, a->arg[0]);
    return e->failed ? x
                     : fv_f_strong(fv_x_convert(e->arena, t, x.weak ? fv_f_give(e, x, t) : x.x));
}

static bool has_arguments(fv_fenv *e, const fv_ast *a, int n) {
    for (int i = 0; i < a->n; i++)
        if (a->arg[i]->kind == FV_AST_NAMED)
            return fv_f_error(e, a->arg[i], "an argument of '%s' has a name", a->name);
    return a->n == n ||
           fv_f_error(e, a, "'%s' has %d arguments here, expected %d", a->name, a->n, n);
}

static fv_fvalue eval_call(fv_fenv *e, fv_ast *a) {
    fv_elem t;
    for (int i = 0; specials[i].name; i++)
        if (!strcmp(specials[i].name, a->name))
            return has_arguments(e, a, specials[i].args) ? specials[i].eval(e, a) : fv_f_none(e);
    if (cast_type(e, a->name, &t))
        return has_arguments(e, a, 1) ? eval_cast(e, a, fv_elem_arith(t)) : fv_f_none(e);
    for (int op = 0; op < FV_X_END; op++)
        if (is_function((fv_expr_op)op, a->name))
            return has_arguments(e, a, fv_expr_op_info((fv_expr_op)op)->nargs)
                       ? eval_function(e, a, (fv_expr_op)op)
                       : fv_f_none(e);
    return FV_F_FAIL(e, a, "unknown function '%s'", a->name);
}

/* Evaluates the comparison of a string attribute with a literal, such as `approximate == "tanh"`,
 * which is true or false for the op. */
static bool string_compare(fv_fenv *e, fv_ast *a, fv_fvalue *out) {
    if (strcmp(a->name, "==") || a->arg[0]->kind != FV_AST_NAME || a->arg[1]->kind != FV_AST_STRING)
        return false;
    const fv_attr_def *d = fv_f_attr(e, a->arg[0]->name);
    if (!d || d->kind != FV_ATTR_STRING)
        return false;
    fv_string s = fv_op_string(e->op, d->name);
    bool equal = s.n == a->arg[1]->len && !memcmp(s.s, a->arg[1]->name, s.n);
    *out = fv_f_strong(fv_x_const_int(e->arena, FV_BOOL, equal));
    return true;
}

fv_fvalue fv_f_eval(fv_fenv *e, fv_ast *a) {
    if (e->failed)
        return fv_f_none(e);
    switch (a->kind) {
    case FV_AST_INT: return weak_int(a->i);
    case FV_AST_FLOAT: return weak_float(a->f);
    case FV_AST_NAME: return eval_name(e, a);
    case FV_AST_INDEX: return fv_f_index(e, a);
    case FV_AST_REDUCE: return fv_f_reduce(e, a);
    case FV_AST_UNARY: return eval_unary(e, a);
    case FV_AST_CALL: return eval_call(e, a);
    case FV_AST_BINARY: {
        fv_fvalue same;
        if (string_compare(e, a, &same))
            return same;
        fv_fvalue x = fv_f_eval(e, a->arg[0]), y = fv_f_eval(e, a->arg[1]);
        return e->failed ? x : fv_f_binary(e, a, x, y);
    }
    case FV_AST_STRING:
    case FV_AST_GROUP:
    case FV_AST_VALUE:
    case FV_AST_NAMED:
    case FV_AST_LANES:
    case FV_AST_LIST: break;
    }
    return FV_F_FAIL(e, a, "expected a scalar");
}

/* ---- dims ---- */

static bool dim_of_attr(fv_fenv *e, const fv_ast *a, const fv_dim **out) {
    const fv_attr_def *d = fv_f_attr(e, a->name);
    if (!d || d->kind != FV_ATTR_INT)
        return fv_f_error(e, a, "'%s' is no integer attribute", a->name);
    *out = fv_dim_const(e->d->module->dims, fv_op_int(e->op, a->name));
    return true;
}

/* Evaluates dim(x, axis) or size(x, axis). */
static bool dim_of_tensor(fv_fenv *e, fv_ast *a, const fv_dim **out) {
    bool one = !strcmp(a->name, "dim");
    const fv_dim *x;
    const fv_type *type = tensor_argument(e, a->arg[0]);
    if (!type || !fv_f_dim(e, a->arg[1], &x))
        return false;
    if (!fv_dim_is_const(x))
        return fv_f_error(e, a->arg[1], "the axis is not known");
    int64_t axis = x->value < 0 ? x->value + type->rank : x->value;
    if (axis < 0 || axis > type->rank || (one && axis == type->rank))
        return fv_f_error(e, a, "axis %lld of '%s', which has rank %d", (long long)x->value,
                          a->arg[0]->name, type->rank);
    *out = one ? type->dims[axis]
               : fv_dim_product(e->d->module->dims, type->rank - (int)axis, type->dims + axis);
    return true;
}

/* Evaluates count(k..) or count(k). */
static bool dim_of_count(fv_fenv *e, const fv_ast *a, const fv_dim **out) {
    const fv_ast *g = a->arg[0];
    fv_dims *t = e->d->module->dims;
    fv_fgroup *k = g->kind == FV_AST_GROUP ? fv_f_find_group(e, g->name) : NULL;
    fv_fname *b = g->kind == FV_AST_NAME ? fv_f_find_name(e, g->name) : NULL;
    *out = b && b->var ? b->var->dim : fv_dim_const(t, 1);
    if (!k && !(b && b->var))
        return fv_f_error(e, g, "expected an index");
    for (int i = 0; k && i < k->rank; i++)
        *out = fv_dim_mul(t, *out, k->var[i]->dim);
    return true;
}

static bool dim_of_extreme(fv_fenv *e, fv_ast *a, const fv_dim **out) {
    const fv_dim *x, *y;
    if (!fv_f_dim(e, a->arg[0], &x) || !fv_f_dim(e, a->arg[1], &y))
        return false;
    *out = strcmp(a->name, "min") ? fv_dim_max(e->d->module->dims, x, y)
                                  : fv_dim_min(e->d->module->dims, x, y);
    return true;
}

static bool dim_of_call(fv_fenv *e, fv_ast *a, const fv_dim **out) {
    if ((!strcmp(a->name, "min") || !strcmp(a->name, "max")) && has_arguments(e, a, 2))
        return dim_of_extreme(e, a, out);
    if (!strcmp(a->name, "rank") && has_arguments(e, a, 1)) {
        const fv_type *type = tensor_argument(e, a->arg[0]);
        *out = type ? fv_dim_const(e->d->module->dims, type->rank) : NULL;
        return type != NULL;
    }
    if ((!strcmp(a->name, "dim") || !strcmp(a->name, "size")) && has_arguments(e, a, 2))
        return dim_of_tensor(e, a, out);
    if (!strcmp(a->name, "count") && has_arguments(e, a, 1))
        return dim_of_count(e, a, out);
    return fv_f_error(e, a, "'%s' is not known as a dim", a->name);
}

static bool dim_of_binary(fv_fenv *e, fv_ast *a, const fv_dim **out) {
    static const struct {
        const char *op;
        const fv_dim *(*fn)(fv_dims *, const fv_dim *, const fv_dim *);
    } fns[] = {{"+", fv_dim_add},           {"-", fv_dim_sub},
               {"*", fv_dim_mul},           {"floordiv", fv_dim_floordiv},
               {"ceildiv", fv_dim_ceildiv}, {"mod", fv_dim_mod}};
    const fv_dim *x, *y;
    if (!fv_f_dim(e, a->arg[0], &x) || !fv_f_dim(e, a->arg[1], &y))
        return false;
    for (size_t i = 0; i < sizeof fns / sizeof *fns; i++)
        if (!strcmp(fns[i].op, a->name)) {
            *out = fns[i].fn(e->d->module->dims, x, y);
            return true;
        }
    return fv_f_error(e, a, "'%s' of dims", a->name);
}

bool fv_f_dim(fv_fenv *e, fv_ast *a, const fv_dim **out) {
    switch (a->kind) {
    case FV_AST_INT: *out = fv_dim_const(e->d->module->dims, a->i); return true;
    case FV_AST_NAME: return dim_of_attr(e, a, out);
    case FV_AST_CALL: return dim_of_call(e, a, out);
    case FV_AST_BINARY: return dim_of_binary(e, a, out);
    case FV_AST_UNARY:
        if (strcmp(a->name, "-") || !fv_f_dim(e, a->arg[0], out))
            return fv_f_error(e, a, "'%s' of a dim", a->name);
        *out = fv_dim_sub(e->d->module->dims, fv_dim_const(e->d->module->dims, 0), *out);
        return true;
    case FV_AST_FLOAT:
    case FV_AST_STRING:
    case FV_AST_GROUP:
    case FV_AST_NAMED:
    case FV_AST_INDEX:
    case FV_AST_VALUE:
    case FV_AST_REDUCE:
    case FV_AST_LANES:
    case FV_AST_LIST: break;
    }
    return fv_f_error(e, a, "expected a dim");
}
