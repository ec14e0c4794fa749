/* build.c - builds what texts describe: the right sides of rules, and definitions of expansions
 * (body.h). An expression is evaluated to a term; numbers and dims become constants only where a
 * term becomes an operand (term.c). */
#include "ir/rule/build_parts.h"

#include <string.h>

#include "ir/base/limits.h"
#include "ir/catalogue/own.h"
#include "ir/graph/infer.h"

enum { MAX_DEPTH = 32 };

static fv_term eval(fv_build *e, const fv_ast *x);

/* ---- terms ---- */

static const fv_dim *dim_of(fv_build *e, const fv_ast *x) {
    fv_term t = eval(e, x);
    const fv_dim *d = fv_term_as_dim(e, t);
    if (!d)
        fv_term_wrong(e, x, t, "a dim");
    return d ? d : fv_dim_const(e->t, 0);
}

static int64_t int_of(fv_build *e, const fv_ast *x) {
    const fv_dim *d = dim_of(e, x);
    if (!fv_dim_is_const(d))
        fv_term_wrong(e, x, fv_term_dim(d), "an integer");
    return fv_dim_is_const(d) ? d->value : 0;
}

static fv_term list_of(fv_build *e, const fv_ast *x) {
    fv_term t = eval(e, x);
    return t.kind == FV_TERM_LIST ? t : fv_term_wrong(e, x, t, "a list");
}

/* Evaluates x to a value; NULL after an error, or for an operand that is left out. */
static fv_value *value_of(fv_build *e, const fv_ast *x) {
    fv_term t = eval(e, x);
    if (t.kind == FV_TERM_VALUE || t.kind == FV_TERM_NOTHING)
        return t.kind == FV_TERM_VALUE ? t.value : NULL;
    fv_term_wrong(e, x, t, "a value");
    return NULL;
}

static const fv_type *type_of(fv_build *e, const fv_ast *x) {
    fv_value *v = value_of(e, x);
    if (!v)
        fv_term_wrong(e, x, (fv_term){0}, "a value");
    return v ? v->type : NULL;
}

/* ---- ops ---- */

static int count_operands(fv_build *e, const fv_ast *call) {
    int n = 0;
    for (int i = 0; i < call->n; i++)
        n += call->arg[i]->kind == FV_AST_GROUP ? eval(e, call->arg[i]).n
                                                : call->arg[i]->kind != FV_AST_NAMED;
    return n;
}

/* Builds an op. Operands that are left out at the end are not counted. */
static fv_op *eval_op(fv_build *e, const fv_ast *call, int result) {
    fv_attr attrs[FV_MAX_ATTRS];
    int n = 0, nattrs = 0;
    fv_term *in = FV_NEW(e->w->module->arena, fv_term, count_operands(e, call) + 1);
    const fv_opdef *def = fv_op_get_in(e->w->module->session, call->name);
    for (int i = 0; i < call->n; i++) {
        const fv_ast *x = call->arg[i];
        if (x->kind == FV_AST_NAMED) {
            fv_term t = eval(e, x->arg[0]);
            attrs[nattrs] = (fv_attr){0};
            if (!fv_term_as_attr(e, fv_opdef_attr(def, x->name), t, &attrs[nattrs++]))
                fv_term_wrong(e, x, t, "another attribute");
            continue;
        }
        fv_term t = eval(e, x);
        if (t.kind != FV_TERM_VALUES)
            in[n++] = t;
        for (int k = 0; t.kind == FV_TERM_VALUES && k < t.n; k++)
            in[n++] = fv_term_value(t.values[k]);
    }
    while (n && in[n - 1].kind == FV_TERM_NOTHING &&
           fv_opdef_operand(def->in, FV_MAX_IN, n - 1)->arity == FV_OPTIONAL_OPERAND)
        n--;
    return e->w->failed
               ? NULL
               : fv_build_op(e, call, def, n, in, nattrs, attrs, fv_rule_results(def, result));
}

static fv_term eval_result(fv_build *e, const fv_ast *call, int result) {
    fv_op *op = eval_op(e, call, result);
    return fv_term_value(op ? op->out[result] : NULL);
}

/* ---- operators ---- */

static const struct operator_row {
    const char *text;
    fv_op_id op;
    const fv_dim *(*of_dims)(fv_dims *t, const fv_dim *a, const fv_dim *b);
} operators[] = {{"+", FV_OP_Add, fv_dim_add},
                 {"-", FV_OP_Sub, fv_dim_sub},
                 {"*", FV_OP_Mul, fv_dim_mul},
                 {"/", FV_OP_Div, NULL},
                 {"<", FV_OP_Less, NULL},
                 {"<=", FV_OP_LessOrEqual, NULL},
                 {">", FV_OP_Greater, NULL},
                 {">=", FV_OP_GreaterOrEqual, NULL},
                 {"==", FV_OP_Equal, NULL},
                 {"!=", FV_OP_Equal, NULL},
                 {"&", FV_OP_And, fv_dim_min},
                 {"|", FV_OP_Or, fv_dim_max},
                 {"mod", FV_OP_Mod, fv_dim_mod},
                 {"floordiv", FV_OP_NONE, fv_dim_floordiv},
                 {"ceildiv", FV_OP_NONE, fv_dim_ceildiv},
                 {NULL, FV_OP_NONE, NULL}};

static double of_numbers(const char *op, double a, double b) {
    switch (*op) {
    case '+': return a + b;
    case '-': return a - b;
    case '*': return a * b;
    case '/': return a / b;
    case '<': return op[1] ? a <= b : a < b;
    case '>': return op[1] ? a >= b : a > b;
    case '=': return a == b;
    default: return a != b;
    }
}

static bool is_value(fv_term t) {
    return t.kind == FV_TERM_VALUE || t.kind == FV_TERM_NOTHING;
}

static fv_term eval_binary(fv_build *e, const fv_ast *x) {
    const struct operator_row *row = operators;
    fv_term in[2] = {eval(e, x->arg[0]), eval(e, x->arg[1])};
    const fv_dim *a = fv_term_as_dim(e, in[0]), *b = fv_term_as_dim(e, in[1]);
    double p, q;
    while (row->text && strcmp(row->text, x->name))
        row++;
    if (!is_value(in[0]) && !is_value(in[1])) {
        if (a && b && row->of_dims)
            return fv_term_dim(row->of_dims(e->t, a, b));
        if (fv_term_as_number(in[0], &p) && fv_term_as_number(in[1], &q)) {
            fv_term t = {.kind = FV_TERM_NUMBER, .number = of_numbers(x->name, p, q)};
            return t;
        }
        if (x->name[1] == '=' && (*x->name == '=' || *x->name == '!'))
            return fv_term_int(e, fv_term_equal(e, in[0], in[1]) == (*x->name == '='));
    }
    if (!row->text || !row->op || e->w->failed)
        return fv_term_wrong(e, x, in[is_value(in[0])], "another operand");
    fv_op *op = fv_build_op(e, x, fv_op_def(row->op), 2, in, 0, NULL, 1);
    fv_value *v = op ? op->out[0] : NULL;
    return fv_term_value(*x->name == '!' ? FV_W1(e->w, FV_OP_Not, v) : v);
}

static fv_term eval_unary(fv_build *e, const fv_ast *x) {
    fv_term t = eval(e, x->arg[0]);
    bool minus = *x->name == '-';
    double v;
    if (fv_term_as_number(t, &v))
        return (fv_term){.kind = FV_TERM_NUMBER, .number = minus ? -v : (double)(v == 0)};
    if (t.kind == FV_TERM_DIM && minus)
        return fv_term_dim(fv_dim_sub(e->t, fv_dim_const(e->t, 0), t.dim));
    if (!is_value(t))
        return fv_term_wrong(e, x, t, "a value");
    return fv_term_value(FV_W1(e->w, minus ? FV_OP_Neg : FV_OP_Not, t.value));
}

static fv_term eval_list(fv_build *e, const fv_ast *x) {
    const fv_dim **dims = NULL;
    int n = 0, cap = 0;
    for (int i = 0; i < x->n; i++) {
        fv_term t = eval(e, x->arg[i]);
        const fv_dim *one = fv_term_as_dim(e, t), *const *all =
                                                      t.kind == FV_TERM_LIST ? t.dims : &one;
        if (!one && t.kind != FV_TERM_LIST)
            return fv_term_wrong(e, x, t, "a dim");
        for (int k = 0; k < (one ? 1 : t.n); k++)
            FV_PUSH(e->w->module->arena, dims, n, cap, all[k]);
    }
    return fv_term_list(n, dims);
}

/* Evaluates l[i], or l[p], the entries at the positions in the list p. */
static fv_term eval_index(fv_build *e, const fv_ast *x) {
    const fv_ast called = {.kind = FV_AST_NAME, .line = x->line, .name = x->name};
    fv_term l = list_of(e, &called), at = eval(e, x->arg[0]);
    const fv_dim *one = fv_term_as_dim(e, at), *const *all = one ? &one : at.dims;
    int n = one ? 1 : at.kind == FV_TERM_LIST ? at.n : 0;
    const fv_dim **dims = FV_NEW(e->w->module->arena, const fv_dim *, n + 1);
    for (int i = 0; i < n; i++) {
        int64_t k = fv_dim_is_const(all[i]) ? all[i]->value : -1;
        if (k < 0 || k >= l.n)
            return fv_term_wrong(e, x, at, "a position in the list");
        dims[i] = l.dims[k];
    }
    return one ? fv_term_dim(dims[0]) : fv_term_list(n, dims);
}

/* ---- functions ---- */

static fv_term f_type(fv_build *e, const fv_ast *x) {
    const fv_type *t = type_of(e, x->arg[0]);
    return fv_term_elem(t ? t->elem : FV_F32);
}

/* Evaluates arith(x): the type in which elements of x are computed. */
static fv_term f_arith(fv_build *e, const fv_ast *x) {
    return fv_term_elem(fv_elem_arith(f_type(e, x).elem));
}

static fv_term f_rank(fv_build *e, const fv_ast *x) {
    const fv_type *t = type_of(e, x->arg[0]);
    return fv_term_int(e, t ? t->rank : 0);
}

static fv_term f_dim(fv_build *e, const fv_ast *x) {
    const fv_type *t = type_of(e, x->arg[0]);
    int64_t i = int_of(e, x->arg[1]);
    i += t && i < 0 ? t->rank : 0;
    return t && i >= 0 && i < t->rank ? fv_term_dim(t->dims[i])
                                      : fv_term_wrong(e, x, (fv_term){0}, "an axis of the value");
}

static fv_term f_shape(fv_build *e, const fv_ast *x) {
    const fv_type *t = type_of(e, x->arg[0]);
    int64_t first = t && x->n > 1 ? int_of(e, x->arg[1]) : 0, n = x->n > 2 ? int_of(e, x->arg[2])
                                                                  : t      ? t->rank - first
                                                                           : 0;
    return t && first >= 0 && n >= 0 && first + n <= t->rank
               ? fv_term_list((int)n, t->dims + first)
               : fv_term_wrong(e, x, (fv_term){0}, "axes of the value");
}

static fv_term f_product(fv_build *e, const fv_ast *x) {
    fv_term l = list_of(e, x->arg[0]);
    return fv_term_dim(fv_dim_product(e->t, l.n, l.dims));
}

static fv_term f_count(fv_build *e, const fv_ast *x) {
    return fv_term_int(e, eval(e, x->arg[0]).n);
}

static fv_term f_fill(fv_build *e, const fv_ast *x) {
    int64_t n = int_of(e, x->arg[0]);
    const fv_dim *d = dim_of(e, x->arg[1]), *dims[FV_MAX_RANK];
    if (n < 0 || n > FV_MAX_RANK)
        return fv_term_wrong(e, x, fv_term_int(e, n), "a rank");
    for (int i = 0; i < n; i++)
        dims[i] = d;
    return fv_term_list((int)n, memcpy(FV_NEW(e->w->module->arena, const fv_dim *, FV_MAX_RANK),
                                       dims, sizeof dims));
}

/* Evaluates axes(first, end): the axes first, first + 1, .. end - 1. */
static fv_term f_axes(fv_build *e, const fv_ast *x) {
    int64_t first = int_of(e, x->arg[0]), n = int_of(e, x->arg[1]) - first;
    const fv_dim **dims = FV_NEW(e->w->module->arena, const fv_dim *, FV_MAX_RANK);
    if (n > FV_MAX_RANK)
        return fv_term_wrong(e, x, fv_term_int(e, n), "a rank");
    for (int i = 0; i < n; i++)
        dims[i] = fv_dim_const(e->t, first + i);
    return fv_term_list(n < 0 ? 0 : (int)n, dims);
}

static fv_term f_has(fv_build *e, const fv_ast *x) {
    return fv_term_int(e, eval(e, x->arg[0]).kind != FV_TERM_NOTHING);
}

/* Evaluates select(c, a, d, b, otherwise). */
static fv_term f_select(fv_build *e, const fv_ast *x) {
    int i = 0;
    while (i + 1 < x->n && !int_of(e, x->arg[i]))
        i += 2;
    return eval(e, x->arg[i + 1 < x->n ? i + 1 : x->n - 1]);
}

static fv_term f_is_float(fv_build *e, const fv_ast *x) {
    fv_term t = eval(e, x->arg[0]);
    return fv_term_int(e, fv_elem_is_float(t.kind == FV_TERM_VALUE  ? t.value->type->elem
                                           : t.kind == FV_TERM_ELEM ? t.elem
                                                                    : FV_NO_ELEM));
}

static const fv_type *result_of_op(fv_build *e, const fv_ast *x) {
    int64_t i = int_of(e, x->arg[0]);
    const fv_op *op = e->w->at;
    bool is = i >= 0 && i < op->nout && op->out[i];
    if (!is)
        fv_term_wrong(e, x, (fv_term){0}, "a result of the op");
    return is ? op->out[i]->type : NULL;
}

static fv_term f_result_type(fv_build *e, const fv_ast *x) {
    const fv_type *t = result_of_op(e, x);
    return fv_term_elem(t ? t->elem : FV_F32);
}

static fv_term f_result_shape(fv_build *e, const fv_ast *x) {
    const fv_type *t = result_of_op(e, x);
    return t ? fv_term_list(t->rank, t->dims) : fv_term_list(0, NULL);
}

static fv_term cast_to(fv_build *e, const fv_ast *x, fv_elem to) {
    fv_term t = eval(e, x);
    return fv_term_value(t.kind == FV_TERM_VALUE ? fv_w_cast(e->w, t.value, to)
                                                 : fv_term_as_operand(e, x, t, to));
}

static fv_term f_cast(fv_build *e, const fv_ast *x) {
    fv_term to = eval(e, x->arg[1]);
    const fv_dim *number = fv_term_as_dim(e, to);
    if (to.kind == FV_TERM_ELEM)
        return cast_to(e, x->arg[0], to.elem);
    return number && fv_dim_is_const(number) ? cast_to(e, x->arg[0], (fv_elem)number->value)
                                             : fv_term_wrong(e, x, to, "an element type");
}

/* Evaluates x, an operand of a function; a number gets the type of the first value. */
static fv_value *moved(fv_build *e, const fv_ast *x) {
    fv_term t = eval(e, x);
    return fv_term_as_operand(e, x, t, fv_build_first_type(e));
}

static fv_term f_reshape(fv_build *e, const fv_ast *x) {
    fv_value *v = moved(e, x->arg[0]);
    fv_term l = list_of(e, x->arg[1]);
    return fv_term_value(e->w->failed ? NULL : fv_w_reshape(e->w, v, l.n, l.dims));
}

static fv_term f_expand(fv_build *e, const fv_ast *x) {
    fv_value *v = moved(e, x->arg[0]);
    fv_term l = list_of(e, x->arg[1]);
    return fv_term_value(e->w->failed ? NULL : fv_w_expand(e->w, v, l.n, l.dims));
}

static fv_term f_flat(fv_build *e, const fv_ast *x) {
    fv_value *v = value_of(e, x->arg[0]);
    const fv_dim *n = v ? fv_dim_product(e->t, v->type->rank, v->type->dims) : NULL;
    return fv_term_value(fv_w_reshape(e->w, v, 1, &n));
}

static fv_term f_transpose(fv_build *e, const fv_ast *x) {
    fv_value *v = value_of(e, x->arg[0]);
    fv_term l = list_of(e, x->arg[1]);
    int perm[FV_MAX_RANK];
    for (int i = 0; v && i < v->type->rank; i++)
        perm[i] = i < l.n && fv_dim_is_const(l.dims[i]) ? (int)l.dims[i]->value : i;
    return fv_term_value(fv_w_transpose(e->w, v, perm));
}

static fv_term f_slice(fv_build *e, const fv_ast *x) {
    fv_value *v = value_of(e, x->arg[0]);
    int64_t axis = int_of(e, x->arg[1]);
    const fv_dim *from = dim_of(e, x->arg[2]), *n = dim_of(e, x->arg[3]);
    const fv_dim *start[FV_MAX_RANK], *step[FV_MAX_RANK], *dims[FV_MAX_RANK];
    for (int i = 0; v && i < v->type->rank; i++) {
        bool here = i == (axis < 0 ? axis + v->type->rank : axis);
        start[i] = here ? from : fv_dim_const(e->t, 0);
        step[i] = fv_dim_const(e->t, 1);
        dims[i] = here ? n : v->type->dims[i];
    }
    return fv_term_value(e->w->failed ? NULL : fv_w_slice(e->w, v, start, step, dims));
}

static fv_term f_bound(fv_build *e, const fv_ast *x) {
    fv_value *v = value_of(e, x->arg[0]);
    int64_t lo = int_of(e, x->arg[1]);
    return fv_term_dim(fv_w_bound(e->w, e->of ? e->of : "n", lo, v));
}

/* Evaluates bind(x, d): the dim d, to which the integer x is equal from here on. */
static fv_term f_bind(fv_build *e, const fv_ast *x) {
    fv_value *v = value_of(e, x->arg[0]);
    const fv_dim *d = dim_of(e, x->arg[1]);
    fv_w_bind(e->w, v, 1, &d);
    return fv_term_dim(d);
}

static fv_term f_min(fv_build *e, const fv_ast *x) {
    return fv_term_dim(fv_dim_min(e->t, dim_of(e, x->arg[0]), dim_of(e, x->arg[1])));
}

static fv_term f_max(fv_build *e, const fv_ast *x) {
    return fv_term_dim(fv_dim_max(e->t, dim_of(e, x->arg[0]), dim_of(e, x->arg[1])));
}

static const struct function {
    const char *name;
    int least, most; /* smallest and largest number of arguments */
    fv_term (*eval)(fv_build *e, const fv_ast *x);
} functions[] = {
#define FUNCTION(name, least, most) {#name, least, most, f_##name},
#include "ir/rule/functions.def"
#undef FUNCTION
    {NULL, 0, 0, NULL}};

static const struct function *function_of(const char *called, int n) {
    const struct function *f = functions;
    while (f->name && (strcmp(f->name, called) != 0 || n < f->least || n > f->most))
        f++;
    return f->name ? f : NULL;
}

/* ---- definitions ---- */

static void add_name(fv_build *e, const char *called, fv_term t) {
    if (strcmp(called, "_") != 0)
        e->names[e->n++] = (fv_build_name){.name = called, .term = t};
}

/* Names the dims of a parameter x[b, rows.., n]; `rows` gets the dims that are left. */
static void add_dims(fv_build *e, const fv_ast *x, fv_term t) {
    const fv_type *type = t.kind == FV_TERM_VALUE ? t.value->type : NULL;
    int rest = type ? type->rank - x->n + 1 : 0, at = 0;
    for (int i = 0; i < x->n; i++) {
        bool many = x->arg[i]->kind == FV_AST_GROUP;
        int n = many ? rest : 1;
        fv_term part = {0};
        if (type && (n < 0 || at + n > type->rank))
            fv_term_wrong(e, x, t, "a value of another rank");
        else if (type)
            part = many ? fv_term_list(n, type->dims + at) : fv_term_dim(type->dims[at]);
        add_name(e, x->arg[i]->name, part);
        at += n;
    }
    if (type && x->n && at != type->rank)
        fv_term_wrong(e, x, t, "a value of another rank");
}

static void add_params(fv_build *e, const fv_body *b, int n, const fv_term *args) {
    for (int i = 0; i < b->nparams; i++)
        add_name(e, b->params[i]->name, i < n ? args[i] : (fv_term){0});
    for (int i = 0; i < b->nparams; i++)
        if (b->params[i]->kind == FV_AST_INDEX)
            add_dims(e, b->params[i], i < n ? args[i] : (fv_term){0});
}

static void add_lets(fv_build *e, const fv_body *b) {
    for (int i = 0; i < b->nlets; i++)
        for (int k = 0; k < b->lets[i].n; k++)
            if (strcmp(b->lets[i].names[k], "_") != 0)
                e->names[e->n++] = (fv_build_name){.name = b->lets[i].names[k], .let = &b->lets[i]};
}

static fv_build_name *find(fv_build *e, const char *called) {
    for (int i = 0; i < e->n; i++)
        if (!strcmp(e->names[i].name, called))
            return &e->names[i];
    return NULL;
}

static void call(fv_build *e, const fv_ast *x, int nout, fv_term *out);

/* Evaluates the first n results of an op or a definition. */
static void eval_many(fv_build *e, const fv_ast *x, int n, fv_term *out) {
    if (n == 1) {
        out[0] = eval(e, x);
        return;
    }
    if (x->kind == FV_AST_CALL && fv_body_is(x->name)) {
        call(e, x, n, out);
        return;
    }
    fv_op *op = x->kind == FV_AST_CALL ? eval_op(e, x, n - 1) : NULL;
    for (int i = 0; i < n; i++)
        out[i] = fv_term_value(op ? op->out[i] : NULL);
    if (!op)
        fv_term_wrong(e, x, (fv_term){0}, "an op of several results");
}

static fv_term eval_let(fv_build *e, const fv_ast *x, fv_build_name *k) {
    const fv_body_let *let = k->let;
    fv_term out[FV_MAX_OUT] = {{0}};
    if (k->entered)
        return fv_term_wrong(e, x, (fv_term){0}, "a name that does not need itself");
    k->entered = true;
    eval_many(e, let->value, let->n, out);
    for (int i = 0; i < let->n; i++) {
        fv_build_name *each = find(e, let->names[i]);
        if (each) {
            each->term = out[i];
            each->let = NULL;
        }
    }
    return k->term;
}

static void give_results(fv_build *e, const fv_body *b, int nout, fv_term *out) {
    if (b->nresults < nout) {
        fv_op_error(e->w->at, "the expansion '%s' has %d results, not %d", b->name, b->nresults,
                    nout);
        e->w->failed = true;
    }
    for (int i = 0; i < nout && i < b->nresults; i++)
        out[i] = eval(e, b->results[i]);
}

static fv_build *env_new(fv_rewriter *w, const char *of, int depth) {
    fv_build *e = FV_NEW(w->module->arena, fv_build, 1);
    *e = (fv_build){.w = w, .t = w->module->dims, .of = of, .depth = depth};
    return e;
}

static void call_body(fv_rewriter *w, const char *called, int depth, int n, const fv_term *args,
                      int nout, fv_term *out) {
    const fv_body *b = fv_body_find(w->module->session, NULL, called);
    if (!b || depth > MAX_DEPTH || n > b->nparams) {
        if (b)
            fv_op_error(w->at, "the expansion '%s' is used with %d arguments, %d deep", called, n,
                        depth);
        w->failed = true;
        return;
    }
    fv_build *e = env_new(w, called, depth);
    add_params(e, b, n, args);
    add_lets(e, b);
    give_results(e, b, nout, out);
}

static void call(fv_build *e, const fv_ast *x, int nout, fv_term *out) {
    fv_term *args = FV_NEW(e->w->module->arena, fv_term, x->n + 1);
    for (int i = 0; i < x->n; i++) {
        fv_term t = eval(e, x->arg[i]); /* `xs..` passes its first operand */
        args[i] = t.kind == FV_TERM_VALUES ? fv_term_value(t.n ? t.values[0] : NULL) : t;
    }
    if (!e->w->failed)
        call_body(e->w, x->name, e->depth + 1, x->n, args, nout, out);
}

/* ---- expressions ---- */

static fv_term eval_call(fv_build *e, const fv_ast *x) {
    const struct function *f = function_of(x->name, x->n);
    fv_elem to;
    fv_term out = {0};
    if (fv_pattern_kind_of(x) == FV_PATTERN_RESULT)
        return eval_result(e, x->arg[1], (int)x->arg[0]->i);
    if (f)
        return f->eval(e, x);
    if (x->n == 1 && fv_elem_parse(x->name, strlen(x->name), &to))
        return cast_to(e, x->arg[0], to);
    if (!fv_body_is(x->name))
        return eval_result(e, x, 0);
    call(e, x, 1, &out);
    return out;
}

static fv_term eval_name(fv_build *e, const fv_ast *x) {
    fv_build_name *k = find(e, x->name);
    fv_elem of;
    double v;
    if (k)
        return k->let ? eval_let(e, x, k) : k->term;
    if (fv_rule_number(x, &v))
        return (fv_term){.kind = FV_TERM_NUMBER, .number = v};
    return fv_elem_parse(x->name, strlen(x->name), &of) ? fv_term_elem(of) : (fv_term){0};
}

static fv_term eval(fv_build *e, const fv_ast *x) {
    double v;
    if (e->w->failed)
        return (fv_term){0};
    switch (x->kind) {
    case FV_AST_NAME:
    case FV_AST_GROUP: return eval_name(e, x);
    case FV_AST_INT: return fv_term_int(e, x->i);
    case FV_AST_STRING: return (fv_term){.kind = FV_TERM_STRING, .n = (int)x->len, .text = x->name};
    case FV_AST_LIST: return eval_list(e, x);
    case FV_AST_INDEX: return eval_index(e, x);
    case FV_AST_FLOAT:
    case FV_AST_CALL:
    case FV_AST_BINARY:
    case FV_AST_UNARY:
        if (fv_rule_number(x, &v))
            return (fv_term){.kind = FV_TERM_NUMBER, .number = v};
        return x->kind == FV_AST_CALL     ? eval_call(e, x)
               : x->kind == FV_AST_BINARY ? eval_binary(e, x)
                                          : eval_unary(e, x);
    case FV_AST_VALUE:
    case FV_AST_NAMED:
    case FV_AST_REDUCE:
    case FV_AST_LANES: break;
    }
    return fv_term_wrong(e, x, (fv_term){0}, "an expression");
}

/* ---- entry points for rules, C code and ops ---- */

fv_value *fv_rule_build(fv_rewriter *w, int n, const fv_capture *captures, const fv_ast *right) {
    fv_build *e = env_new(w, NULL, 0);
    for (int i = 0; i < n; i++) {
        const fv_capture *c = &captures[i];
        add_name(e, c->name,
                 c->value  ? fv_term_value(c->value)
                 : c->attr ? fv_term_attr(e, c->attr)
                           : (fv_term){.kind = FV_TERM_VALUES, .n = c->n, .values = c->values});
    }
    return moved(e, right);
}

static fv_term term_of(const fv_build *e, const fv_arg *a) {
    switch (a->kind) {
    case FV_ARG_VALUE: return fv_term_value(a->value);
    case FV_ARG_DIM: return fv_term_dim(a->dim);
    case FV_ARG_INT: return fv_term_int(e, a->i);
    case FV_ARG_FLOAT: return (fv_term){.kind = FV_TERM_NUMBER, .number = a->f};
    case FV_ARG_ELEM: return fv_term_elem((fv_elem)a->i);
    case FV_ARG_LIST: return fv_term_list((int)a->i, a->dims);
    }
    return (fv_term){0};
}

void fv_w_call_n(fv_rewriter *w, const char *called, int n, const fv_arg *args, int nout,
                 fv_value **out) {
    fv_build e = {.w = w, .t = w->module->dims};
    fv_term *in = FV_NEW(w->module->arena, fv_term, n + 1), results[FV_MAX_OUT] = {{0}};
    for (int i = 0; i < n; i++)
        in[i] = term_of(&e, &args[i]);
    if (!w->failed)
        call_body(w, called, 0, n, in, nout, results);
    for (int i = 0; i < nout; i++)
        out[i] = is_value(results[i]) ? results[i].value
                                      : fv_term_as_operand(&e, NULL, results[i], FV_I64);
}

static void add_attrs(fv_build *e, const fv_op *op) {
    for (int i = 0; i < FV_MAX_ATTRS && op->def->attrs[i].name; i++) {
        const fv_attr_def *d = &op->def->attrs[i];
        const fv_attr *a = fv_op_find_attr(op, d->name);
        fv_term t = {0};
        if (a)
            t = fv_term_attr(e, a);
        else if (d->has_default)
            t = d->kind == FV_ATTR_INT ? fv_term_int(e, d->i)
                : d->kind == FV_ATTR_FLOAT
                    ? (fv_term){.kind = FV_TERM_NUMBER, .number = (double)d->f}
                    : fv_term_string(d->s ? d->s : "");
        if (!d->until)
            add_name(e, d->name, t);
    }
}

fv_build *fv_build_begin(fv_rewriter *w, const fv_op *op, const fv_body *b) {
    fv_build *e = env_new(w, b->name, 0);
    fv_term args[FV_MAX_IN];
    for (int i = 0; i < b->nparams && i < FV_MAX_IN; i++)
        args[i] = fv_term_value(fv_op_in(op, i));
    add_params(e, b, b->nparams, args);
    add_attrs(e, op);
    add_lets(e, b);
    return e;
}

fv_value *fv_build_value(fv_build *e, const fv_ast *x, fv_elem of) {
    return fv_term_as_operand(e, x, eval(e, x), of);
}
