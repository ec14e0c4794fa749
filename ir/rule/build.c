/* build.c - builds what texts describe: the right sides of rules, and definitions of expansions
 * (body.h). An expression is evaluated to a term; numbers and dims become constants only where a
 * term becomes an operand. */
#include <string.h>

#include "ir/base/limits.h"
#include "ir/base/whole.h"
#include "ir/catalogue/own.h"
#include "ir/graph/infer.h"
#include "ir/rule/parts.h"

typedef enum {
    NOTHING, /* an operand or attribute that is left out */
    VALUE,
    VALUES, /* the captured operands `xs..` */
    DIM,
    NUMBER,
    STRING,
    ELEM,
    LIST, /* a list of dims */
    ATTR  /* an attribute of a kind that can only be passed on */
} term_kind;
static const char *const kind_names[] = {"nothing",         "a value",  "operands",
                                         "a dim",           "a number", "a text",
                                         "an element type", "a list",   "an attribute"};

typedef struct term {
    term_kind kind;
    int n; /* number of entries of a LIST or VALUES, number of bytes of a STRING */
    union {
        fv_value *value;
        fv_value *const *values;
        const fv_dim *dim;
        double number;
        const char *text;
        fv_elem elem;
        const fv_dim *const *dims;
        const fv_attr *attr;
    };
} term;

typedef struct name {
    const char *name;
    const fv_body_let *let; /* the let that defines the name; NULL: the term is known */
    bool entered;           /* whether the evaluation of the let has begun */
    term term;
} name;

typedef struct fv_build {
    fv_rewriter *w;
    fv_dims *t;
    const char *of; /* the name of the definition; NULL: a rule */
    int depth;      /* nesting of definitions that use other definitions */
    int n;
    name names[FV_MAX_BODY_NAMES];
} env;
enum { MAX_DEPTH = 32 };

static term eval(env *e, const fv_ast *x);

/* ---- terms ---- */

static term value_term(fv_value *v) {
    return (term){.kind = v ? VALUE : NOTHING, .value = v};
}

static term dim_term(const fv_dim *d) {
    return (term){.kind = DIM, .dim = d};
}

static term int_term(const env *e, int64_t v) {
    return dim_term(fv_dim_const(e->t, v));
}

static term list_term(int n, const fv_dim *const *dims) {
    return (term){.kind = LIST, .n = n, .dims = dims};
}

static term string_term(const char *s) {
    return (term){.kind = STRING, .n = (int)strlen(s), .text = s};
}

static term elem_term(fv_elem of) {
    return (term){.kind = ELEM, .elem = of};
}

/* Reports an error that only the use of a text shows; only the first error is reported. */
static term wrong(env *e, const fv_ast *x, term found, const char *expected) {
    if (!e->w->failed && e->of)
        fv_op_error(e->w->at, "the expansion '%s', line %d: expected %s, found %s", e->of, x->line,
                    expected, kind_names[found.kind]);
    e->w->failed = true;
    return (term){0};
}

static bool as_number(term t, double *out) {
    if (t.kind == DIM && fv_dim_is_const(t.dim))
        *out = (double)t.dim->value;
    else if (t.kind == NUMBER)
        *out = t.number;
    else
        return false;
    return true;
}

static const fv_dim *as_dim(const env *e, term t) {
    if (t.kind == DIM)
        return t.dim;
    return t.kind == NUMBER && fv_is_whole(t.number) ? fv_dim_const(e->t, fv_whole(t.number))
                                                     : NULL;
}

static const fv_dim *dim_of(env *e, const fv_ast *x) {
    term t = eval(e, x);
    const fv_dim *d = as_dim(e, t);
    if (!d)
        wrong(e, x, t, "a dim");
    return d ? d : fv_dim_const(e->t, 0);
}

static int64_t int_of(env *e, const fv_ast *x) {
    const fv_dim *d = dim_of(e, x);
    if (!fv_dim_is_const(d))
        wrong(e, x, dim_term(d), "an integer");
    return fv_dim_is_const(d) ? d->value : 0;
}

static term list_of(env *e, const fv_ast *x) {
    term t = eval(e, x);
    return t.kind == LIST ? t : wrong(e, x, t, "a list");
}

/* Evaluates x to a value; NULL after an error, or for an operand that is left out. */
static fv_value *value_of(env *e, const fv_ast *x) {
    term t = eval(e, x);
    if (t.kind == VALUE || t.kind == NOTHING)
        return t.kind == VALUE ? t.value : NULL;
    wrong(e, x, t, "a value");
    return NULL;
}

static const fv_type *type_of(env *e, const fv_ast *x) {
    fv_value *v = value_of(e, x);
    if (!v)
        wrong(e, x, (term){0}, "a value");
    return v ? v->type : NULL;
}

static term attr_term(const env *e, const fv_attr *a) {
    const fv_dim **dims = FV_NEW(e->w->module->arena, const fv_dim *, a->n + 1);
    switch (a->kind) {
    case FV_ATTR_INT: return int_term(e, a->u.i);
    case FV_ATTR_FLOAT: return (term){.kind = NUMBER, .number = (double)a->u.f};
    case FV_ATTR_STRING: return (term){.kind = STRING, .n = (int)a->u.s.n, .text = a->u.s.s};
    case FV_ATTR_INTS:
        for (int i = 0; i < a->n; i++)
            dims[i] = fv_dim_const(e->t, a->u.ints[i]);
        return list_term(a->n, dims);
    case FV_ATTR_DIMS: return list_term(a->n, a->u.dims);
    case FV_ATTR_FLOATS:
    case FV_ATTR_STRINGS:
    case FV_ATTR_TENSOR:
    case FV_ATTR_TYPE:
    case FV_ATTR_REGION: break;
    }
    return (term){.kind = ATTR, .attr = a};
}

/* ---- operands ---- */

/* A constant: the number v in the type `of`. */
static fv_value *number_value(env *e, fv_elem of, double v) {
    if (fv_elem_is_float(of))
        return fv_w_float(e->w, of, v);
    if (!fv_is_whole(v)) { /* fails if the type cannot hold the number */
        e->w->failed = true;
        return NULL;
    }
    return fv_w_int(e->w, of, fv_whole(v));
}

/* The type in which small integers are computed before they are cast to `of`. */
static fv_value *ints_value(env *e, fv_elem of, int rank, int n, const fv_dim *const *dims) {
    bool is_int = fv_elem_is_int(of) && fv_elem_bits(of) >= 32;
    return fv_w_cast(e->w, fv_w_ints(e->w, is_int ? of : FV_I64, rank, n, dims), of);
}

static fv_value *of_type(env *e, const fv_ast *x, term t, fv_elem of) {
    double v;
    if (t.kind == DIM && fv_dim_is_const(t.dim) && !fv_elem_is_float(of))
        /* an integer constant, since a double cannot represent all of them */
        return fv_w_int(e->w, of, t.dim->value);
    if (as_number(t, &v))
        return number_value(e, of, v);
    if (t.kind == DIM)
        return ints_value(e, of, 0, 1, &t.dim);
    if (t.kind == LIST)
        return ints_value(e, of, 1, t.n, t.dims);
    if (t.kind != VALUE && t.kind != NOTHING)
        wrong(e, x, t, "an operand");
    return t.kind == VALUE ? t.value : NULL;
}

/* The type of the first captured value, in the order of names. */
static fv_elem first_type(const env *e) {
    for (int i = 0; i < e->n; i++)
        if (e->names[i].term.kind == VALUE && !e->names[i].let &&
            e->names[i].term.value->type->kind == FV_TENSOR)
            return e->names[i].term.value->type->elem;
    return FV_F32;
}

static fv_elem_set set_of(const fv_opdef *def, const char *variable) {
    for (int i = 0; i < FV_MAX_TYPEVARS && def->types[i].name; i++)
        if (!strcmp(def->types[i].name, variable))
            return def->types[i].set;
    return 0;
}

/* The type of a number as operand i: that of an operand with the same type variable, otherwise a
 * type that the variable allows. */
static fv_elem type_at(const env *e, const fv_opdef *def, int n, const term *in, int i) {
    const fv_operand_def *d = fv_opdef_operand(def->in, FV_MAX_IN, i);
    fv_elem first = first_type(e);
    for (int k = 0; d && k < n; k++) {
        const fv_operand_def *other = fv_opdef_operand(def->in, FV_MAX_IN, k);
        if (other && in[k].kind == VALUE && !strcmp(other->type, d->type))
            return in[k].value->type->elem;
    }
    fv_elem_set set = d ? set_of(def, d->type) : 0;
    if (!set || (set >> first & 1))
        return first;
    return set & FV_SET(I64) ? FV_I64 : FV_F32;
}

static fv_op *new_op(env *e, const fv_ast *x, const fv_opdef *def, int n, const term *in,
                     int nattrs, const fv_attr *attrs, int nout) {
    fv_value **values = FV_NEW(e->w->module->arena, fv_value *, n + 1);
    for (int i = 0; i < n; i++)
        values[i] = of_type(e, x, in[i], in[i].kind == VALUE ? FV_F32 : type_at(e, def, n, in, i));
    return fv_w_def_n(e->w, def, n, values, nattrs, attrs, nout);
}

static bool ints_attr(env *e, const char *called, term t, fv_attr *out) {
    int64_t *v = FV_NEW(e->w->module->arena, int64_t, t.n + 1);
    for (int i = 0; i < t.n; i++) {
        if (!fv_dim_is_const(t.dims[i]))
            return false;
        v[i] = t.dims[i]->value;
    }
    *out = fv_attr_ints(e->w->module, called, t.n, v);
    return true;
}

static bool make_attr(env *e, const fv_attr_def *d, term t, fv_attr *out) {
    fv_module *m = e->w->module;
    double v = 0;
    if (t.kind == ELEM && d->kind == FV_ATTR_INT)
        *out = fv_attr_int(m, d->name, t.elem);
    else if (t.kind == ELEM && d->kind == FV_ATTR_TYPE)
        *out = fv_attr_elem(m, d->name, t.elem);
    else if (d->kind == FV_ATTR_INT && as_number(t, &v) && fv_is_whole(v))
        *out = fv_attr_int(m, d->name, fv_whole(v));
    else if (d->kind == FV_ATTR_FLOAT && as_number(t, &v))
        *out = fv_attr_float(m, d->name, (float)v);
    else if (d->kind == FV_ATTR_STRING && t.kind == STRING)
        *out = fv_attr_string(m, d->name, fv_strndup(m->arena, t.text, (size_t)t.n));
    else if (d->kind == FV_ATTR_DIMS && t.kind == LIST)
        *out = fv_attr_dims(m, d->name, t.n, t.dims);
    else if (d->kind == FV_ATTR_INTS && t.kind == LIST)
        return ints_attr(e, d->name, t, out);
    else if (t.kind == ATTR && t.attr->kind == d->kind) {
        *out = *t.attr;
        out->name = fv_intern(m->session, d->name);
    } else
        return t.kind == NOTHING;
    return true;
}

/* ---- ops ---- */

static int count_operands(env *e, const fv_ast *call) {
    int n = 0;
    for (int i = 0; i < call->n; i++)
        n += call->arg[i]->kind == FV_AST_GROUP ? eval(e, call->arg[i]).n
                                                : call->arg[i]->kind != FV_AST_NAMED;
    return n;
}

/* Builds an op. Operands that are left out at the end are not counted. */
static fv_op *eval_op(env *e, const fv_ast *call, int result) {
    fv_attr attrs[FV_MAX_ATTRS];
    int n = 0, nattrs = 0;
    term *in = FV_NEW(e->w->module->arena, term, count_operands(e, call) + 1);
    const fv_opdef *def = fv_op_get_in(e->w->module->session, call->name);
    for (int i = 0; i < call->n; i++) {
        const fv_ast *x = call->arg[i];
        if (x->kind == FV_AST_NAMED) {
            term t = eval(e, x->arg[0]);
            attrs[nattrs] = (fv_attr){0};
            if (!make_attr(e, fv_opdef_attr(def, x->name), t, &attrs[nattrs++]))
                wrong(e, x, t, "another attribute");
            continue;
        }
        term t = eval(e, x);
        if (t.kind != VALUES)
            in[n++] = t;
        for (int k = 0; t.kind == VALUES && k < t.n; k++)
            in[n++] = value_term(t.values[k]);
    }
    while (n && in[n - 1].kind == NOTHING &&
           fv_opdef_operand(def->in, FV_MAX_IN, n - 1)->arity == FV_OPTIONAL_OPERAND)
        n--;
    return e->w->failed ? NULL
                        : new_op(e, call, def, n, in, nattrs, attrs, fv_rule_results(def, result));
}

static term eval_result(env *e, const fv_ast *call, int result) {
    fv_op *op = eval_op(e, call, result);
    return value_term(op ? op->out[result] : NULL);
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

/* Are two lists equal? Dims are equal if that is proved for all values of the symbols. */
static bool same_list(const env *e, term a, term b) {
    for (int i = 0; i < a.n && a.n == b.n; i++)
        if (fv_dim_compare(e->t, a.dims[i], b.dims[i]) != FV_DIM_EQUAL)
            return false;
    return a.n == b.n;
}

static bool same(const env *e, term a, term b) {
    if (a.kind == STRING && b.kind == STRING)
        return a.n == b.n && !memcmp(a.text, b.text, (size_t)a.n);
    if (a.kind == LIST && b.kind == LIST)
        return same_list(e, a, b);
    if (a.kind == DIM && b.kind == DIM)
        return fv_dim_compare(e->t, a.dim, b.dim) == FV_DIM_EQUAL;
    return a.kind == ELEM && b.kind == ELEM && a.elem == b.elem;
}

static bool is_value(term t) {
    return t.kind == VALUE || t.kind == NOTHING;
}

static term eval_binary(env *e, const fv_ast *x) {
    const struct operator_row *row = operators;
    term in[2] = {eval(e, x->arg[0]), eval(e, x->arg[1])};
    const fv_dim *a = as_dim(e, in[0]), *b = as_dim(e, in[1]);
    double p, q;
    while (row->text && strcmp(row->text, x->name))
        row++;
    if (!is_value(in[0]) && !is_value(in[1])) {
        if (a && b && row->of_dims)
            return dim_term(row->of_dims(e->t, a, b));
        if (as_number(in[0], &p) && as_number(in[1], &q)) {
            term t = {.kind = NUMBER, .number = of_numbers(x->name, p, q)};
            return t;
        }
        if (x->name[1] == '=' && (*x->name == '=' || *x->name == '!'))
            return int_term(e, same(e, in[0], in[1]) == (*x->name == '='));
    }
    if (!row->text || !row->op || e->w->failed)
        return wrong(e, x, in[is_value(in[0])], "another operand");
    fv_op *op = new_op(e, x, fv_op_def(row->op), 2, in, 0, NULL, 1);
    fv_value *v = op ? op->out[0] : NULL;
    return value_term(*x->name == '!' ? FV_W1(e->w, FV_OP_Not, v) : v);
}

static term eval_unary(env *e, const fv_ast *x) {
    term t = eval(e, x->arg[0]);
    bool minus = *x->name == '-';
    double v;
    if (as_number(t, &v))
        return (term){.kind = NUMBER, .number = minus ? -v : (double)(v == 0)};
    if (t.kind == DIM && minus)
        return dim_term(fv_dim_sub(e->t, fv_dim_const(e->t, 0), t.dim));
    if (!is_value(t))
        return wrong(e, x, t, "a value");
    return value_term(FV_W1(e->w, minus ? FV_OP_Neg : FV_OP_Not, t.value));
}

static term eval_list(env *e, const fv_ast *x) {
    const fv_dim **dims = NULL;
    int n = 0, cap = 0;
    for (int i = 0; i < x->n; i++) {
        term t = eval(e, x->arg[i]);
        const fv_dim *one = as_dim(e, t), *const *all = t.kind == LIST ? t.dims : &one;
        if (!one && t.kind != LIST)
            return wrong(e, x, t, "a dim");
        for (int k = 0; k < (one ? 1 : t.n); k++)
            FV_PUSH(e->w->module->arena, dims, n, cap, all[k]);
    }
    return list_term(n, dims);
}

/* Evaluates l[i], or l[p], the entries at the positions in the list p. */
static term eval_index(env *e, const fv_ast *x) {
    const fv_ast called = {.kind = FV_AST_NAME, .line = x->line, .name = x->name};
    term l = list_of(e, &called), at = eval(e, x->arg[0]);
    const fv_dim *one = as_dim(e, at), *const *all = one ? &one : at.dims;
    int n = one ? 1 : at.kind == LIST ? at.n : 0;
    const fv_dim **dims = FV_NEW(e->w->module->arena, const fv_dim *, n + 1);
    for (int i = 0; i < n; i++) {
        int64_t k = fv_dim_is_const(all[i]) ? all[i]->value : -1;
        if (k < 0 || k >= l.n)
            return wrong(e, x, at, "a position in the list");
        dims[i] = l.dims[k];
    }
    return one ? dim_term(dims[0]) : list_term(n, dims);
}

/* ---- functions ---- */

static term f_type(env *e, const fv_ast *x) {
    const fv_type *t = type_of(e, x->arg[0]);
    return elem_term(t ? t->elem : FV_F32);
}

/* Evaluates arith(x): the type in which elements of x are computed. */
static term f_arith(env *e, const fv_ast *x) {
    return elem_term(fv_elem_arith(f_type(e, x).elem));
}

static term f_rank(env *e, const fv_ast *x) {
    const fv_type *t = type_of(e, x->arg[0]);
    return int_term(e, t ? t->rank : 0);
}

static term f_dim(env *e, const fv_ast *x) {
    const fv_type *t = type_of(e, x->arg[0]);
    int64_t i = int_of(e, x->arg[1]);
    i += t && i < 0 ? t->rank : 0;
    return t && i >= 0 && i < t->rank ? dim_term(t->dims[i])
                                      : wrong(e, x, (term){0}, "an axis of the value");
}

static term f_shape(env *e, const fv_ast *x) {
    const fv_type *t = type_of(e, x->arg[0]);
    int64_t first = t && x->n > 1 ? int_of(e, x->arg[1]) : 0, n = x->n > 2 ? int_of(e, x->arg[2])
                                                                  : t      ? t->rank - first
                                                                           : 0;
    return t && first >= 0 && n >= 0 && first + n <= t->rank
               ? list_term((int)n, t->dims + first)
               : wrong(e, x, (term){0}, "axes of the value");
}

static term f_product(env *e, const fv_ast *x) {
    term l = list_of(e, x->arg[0]);
    return dim_term(fv_dim_product(e->t, l.n, l.dims));
}

static term f_count(env *e, const fv_ast *x) {
    return int_term(e, eval(e, x->arg[0]).n);
}

static term f_fill(env *e, const fv_ast *x) {
    int64_t n = int_of(e, x->arg[0]);
    const fv_dim *d = dim_of(e, x->arg[1]), *dims[FV_MAX_RANK];
    if (n < 0 || n > FV_MAX_RANK)
        return wrong(e, x, int_term(e, n), "a rank");
    for (int i = 0; i < n; i++)
        dims[i] = d;
    return list_term((int)n, memcpy(FV_NEW(e->w->module->arena, const fv_dim *, FV_MAX_RANK), dims,
                                    sizeof dims));
}

/* Evaluates axes(first, end): the axes first, first + 1, .. end - 1. */
static term f_axes(env *e, const fv_ast *x) {
    int64_t first = int_of(e, x->arg[0]), n = int_of(e, x->arg[1]) - first;
    const fv_dim **dims = FV_NEW(e->w->module->arena, const fv_dim *, FV_MAX_RANK);
    if (n > FV_MAX_RANK)
        return wrong(e, x, int_term(e, n), "a rank");
    for (int i = 0; i < n; i++)
        dims[i] = fv_dim_const(e->t, first + i);
    return list_term(n < 0 ? 0 : (int)n, dims);
}

static term f_has(env *e, const fv_ast *x) {
    return int_term(e, eval(e, x->arg[0]).kind != NOTHING);
}

/* Evaluates select(c, a, d, b, otherwise). */
static term f_select(env *e, const fv_ast *x) {
    int i = 0;
    while (i + 1 < x->n && !int_of(e, x->arg[i]))
        i += 2;
    return eval(e, x->arg[i + 1 < x->n ? i + 1 : x->n - 1]);
}

static term f_is_float(env *e, const fv_ast *x) {
    term t = eval(e, x->arg[0]);
    return int_term(e, fv_elem_is_float(t.kind == VALUE  ? t.value->type->elem
                                        : t.kind == ELEM ? t.elem
                                                         : FV_NO_ELEM));
}

static const fv_type *result_of_op(env *e, const fv_ast *x) {
    int64_t i = int_of(e, x->arg[0]);
    const fv_op *op = e->w->at;
    bool is = i >= 0 && i < op->nout && op->out[i];
    if (!is)
        wrong(e, x, (term){0}, "a result of the op");
    return is ? op->out[i]->type : NULL;
}

static term f_result_type(env *e, const fv_ast *x) {
    const fv_type *t = result_of_op(e, x);
    return elem_term(t ? t->elem : FV_F32);
}

static term f_result_shape(env *e, const fv_ast *x) {
    const fv_type *t = result_of_op(e, x);
    return t ? list_term(t->rank, t->dims) : list_term(0, NULL);
}

static term cast_to(env *e, const fv_ast *x, fv_elem to) {
    term t = eval(e, x);
    return value_term(t.kind == VALUE ? fv_w_cast(e->w, t.value, to) : of_type(e, x, t, to));
}

static term f_cast(env *e, const fv_ast *x) {
    term to = eval(e, x->arg[1]);
    const fv_dim *number = as_dim(e, to);
    if (to.kind == ELEM)
        return cast_to(e, x->arg[0], to.elem);
    return number && fv_dim_is_const(number) ? cast_to(e, x->arg[0], (fv_elem)number->value)
                                             : wrong(e, x, to, "an element type");
}

/* Evaluates x, an operand of a function; a number gets the type of the first value. */
static fv_value *moved(env *e, const fv_ast *x) {
    term t = eval(e, x);
    return of_type(e, x, t, first_type(e));
}

static term f_reshape(env *e, const fv_ast *x) {
    fv_value *v = moved(e, x->arg[0]);
    term l = list_of(e, x->arg[1]);
    return value_term(e->w->failed ? NULL : fv_w_reshape(e->w, v, l.n, l.dims));
}

static term f_expand(env *e, const fv_ast *x) {
    fv_value *v = moved(e, x->arg[0]);
    term l = list_of(e, x->arg[1]);
    return value_term(e->w->failed ? NULL : fv_w_expand(e->w, v, l.n, l.dims));
}

static term f_flat(env *e, const fv_ast *x) {
    fv_value *v = value_of(e, x->arg[0]);
    const fv_dim *n = v ? fv_dim_product(e->t, v->type->rank, v->type->dims) : NULL;
    return value_term(fv_w_reshape(e->w, v, 1, &n));
}

static term f_transpose(env *e, const fv_ast *x) {
    fv_value *v = value_of(e, x->arg[0]);
    term l = list_of(e, x->arg[1]);
    int perm[FV_MAX_RANK];
    for (int i = 0; v && i < v->type->rank; i++)
        perm[i] = i < l.n && fv_dim_is_const(l.dims[i]) ? (int)l.dims[i]->value : i;
    return value_term(fv_w_transpose(e->w, v, perm));
}

static term f_slice(env *e, const fv_ast *x) {
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
    return value_term(e->w->failed ? NULL : fv_w_slice(e->w, v, start, step, dims));
}

static term f_bound(env *e, const fv_ast *x) {
    fv_value *v = value_of(e, x->arg[0]);
    int64_t lo = int_of(e, x->arg[1]);
    return dim_term(fv_w_bound(e->w, e->of ? e->of : "n", lo, v));
}

/* Evaluates bind(x, d): the dim d, to which the integer x is equal from here on. */
static term f_bind(env *e, const fv_ast *x) {
    fv_value *v = value_of(e, x->arg[0]);
    const fv_dim *d = dim_of(e, x->arg[1]);
    fv_w_bind(e->w, v, 1, &d);
    return dim_term(d);
}

static term f_min(env *e, const fv_ast *x) {
    return dim_term(fv_dim_min(e->t, dim_of(e, x->arg[0]), dim_of(e, x->arg[1])));
}

static term f_max(env *e, const fv_ast *x) {
    return dim_term(fv_dim_max(e->t, dim_of(e, x->arg[0]), dim_of(e, x->arg[1])));
}

static const struct function {
    const char *name;
    int least, most; /* smallest and largest number of arguments */
    term (*eval)(env *e, const fv_ast *x);
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

static void add_name(env *e, const char *called, term t) {
    if (strcmp(called, "_") != 0)
        e->names[e->n++] = (name){.name = called, .term = t};
}

/* Names the dims of a parameter x[b, rows.., n]; `rows` gets the dims that are left. */
static void add_dims(env *e, const fv_ast *x, term t) {
    const fv_type *type = t.kind == VALUE ? t.value->type : NULL;
    int rest = type ? type->rank - x->n + 1 : 0, at = 0;
    for (int i = 0; i < x->n; i++) {
        bool many = x->arg[i]->kind == FV_AST_GROUP;
        int n = many ? rest : 1;
        term part = {0};
        if (type && (n < 0 || at + n > type->rank))
            wrong(e, x, t, "a value of another rank");
        else if (type)
            part = many ? list_term(n, type->dims + at) : dim_term(type->dims[at]);
        add_name(e, x->arg[i]->name, part);
        at += n;
    }
    if (type && x->n && at != type->rank)
        wrong(e, x, t, "a value of another rank");
}

static void add_params(env *e, const fv_body *b, int n, const term *args) {
    for (int i = 0; i < b->nparams; i++)
        add_name(e, b->params[i]->name, i < n ? args[i] : (term){0});
    for (int i = 0; i < b->nparams; i++)
        if (b->params[i]->kind == FV_AST_INDEX)
            add_dims(e, b->params[i], i < n ? args[i] : (term){0});
}

static void add_lets(env *e, const fv_body *b) {
    for (int i = 0; i < b->nlets; i++)
        for (int k = 0; k < b->lets[i].n; k++)
            if (strcmp(b->lets[i].names[k], "_") != 0)
                e->names[e->n++] = (name){.name = b->lets[i].names[k], .let = &b->lets[i]};
}

static name *find(env *e, const char *called) {
    for (int i = 0; i < e->n; i++)
        if (!strcmp(e->names[i].name, called))
            return &e->names[i];
    return NULL;
}

static void call(env *e, const fv_ast *x, int nout, term *out);

/* Evaluates all the results of an op or a definition. */
static void eval_many(env *e, const fv_ast *x, int n, term *out) {
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
        out[i] = value_term(op ? op->out[i] : NULL);
    if (!op)
        wrong(e, x, (term){0}, "an op of several results");
}

static term eval_let(env *e, const fv_ast *x, name *k) {
    const fv_body_let *let = k->let;
    term out[FV_MAX_OUT] = {{0}};
    if (k->entered)
        return wrong(e, x, (term){0}, "a name that does not need itself");
    k->entered = true;
    eval_many(e, let->value, let->n, out);
    for (int i = 0; i < let->n; i++) {
        name *each = find(e, let->names[i]);
        if (each) {
            each->term = out[i];
            each->let = NULL;
        }
    }
    return k->term;
}

static void give_results(env *e, const fv_body *b, int nout, term *out) {
    if (b->nresults < nout) {
        fv_op_error(e->w->at, "the expansion '%s' has %d results, not %d", b->name, b->nresults,
                    nout);
        e->w->failed = true;
    }
    for (int i = 0; i < nout && i < b->nresults; i++)
        out[i] = eval(e, b->results[i]);
}

static env *env_new(fv_rewriter *w, const char *of, int depth) {
    env *e = FV_NEW(w->module->arena, env, 1);
    *e = (env){.w = w, .t = w->module->dims, .of = of, .depth = depth};
    return e;
}

static void call_body(fv_rewriter *w, const char *called, int depth, int n, const term *args,
                      int nout, term *out) {
    const fv_body *b = fv_body_find(w->module->session, NULL, called);
    if (!b || depth > MAX_DEPTH || n > b->nparams) {
        if (b)
            fv_op_error(w->at, "the expansion '%s' is used with %d arguments, %d deep", called, n,
                        depth);
        w->failed = true;
        return;
    }
    env *e = env_new(w, called, depth);
    add_params(e, b, n, args);
    add_lets(e, b);
    give_results(e, b, nout, out);
}

static void call(env *e, const fv_ast *x, int nout, term *out) {
    term *args = FV_NEW(e->w->module->arena, term, x->n + 1);
    for (int i = 0; i < x->n; i++)
        args[i] = eval(e, x->arg[i]);
    if (!e->w->failed)
        call_body(e->w, x->name, e->depth + 1, x->n, args, nout, out);
}

/* ---- expressions ---- */

static term eval_call(env *e, const fv_ast *x) {
    const struct function *f = e->of ? function_of(x->name, x->n) : NULL;
    fv_elem to;
    term out = {0};
    if (fv_pattern_kind_of(x) == FV_PATTERN_RESULT)
        return eval_result(e, x->arg[1], (int)x->arg[0]->i);
    if (f)
        return f->eval(e, x);
    if (e->of && x->n == 1 && fv_elem_parse(x->name, strlen(x->name), &to))
        return cast_to(e, x->arg[0], to);
    if (!e->of || !fv_body_is(x->name))
        return eval_result(e, x, 0);
    call(e, x, 1, &out);
    return out;
}

static term eval_name(env *e, const fv_ast *x) {
    name *k = find(e, x->name);
    fv_elem of;
    double v;
    if (k)
        return k->let ? eval_let(e, x, k) : k->term;
    if (fv_rule_number(x, &v))
        return (term){.kind = NUMBER, .number = v};
    return fv_elem_parse(x->name, strlen(x->name), &of) ? elem_term(of) : (term){0};
}

static term eval(env *e, const fv_ast *x) {
    double v;
    if (e->w->failed)
        return (term){0};
    switch (x->kind) {
    case FV_AST_NAME:
    case FV_AST_GROUP: return eval_name(e, x);
    case FV_AST_INT: return int_term(e, x->i);
    case FV_AST_STRING: return (term){.kind = STRING, .n = (int)x->len, .text = x->name};
    case FV_AST_LIST: return eval_list(e, x);
    case FV_AST_INDEX: return eval_index(e, x);
    case FV_AST_FLOAT:
    case FV_AST_CALL:
    case FV_AST_BINARY:
    case FV_AST_UNARY:
        if (fv_rule_number(x, &v))
            return (term){.kind = NUMBER, .number = v};
        return x->kind == FV_AST_CALL     ? eval_call(e, x)
               : x->kind == FV_AST_BINARY ? eval_binary(e, x)
                                          : eval_unary(e, x);
    case FV_AST_VALUE:
    case FV_AST_NAMED:
    case FV_AST_REDUCE:
    case FV_AST_LANES: break;
    }
    return wrong(e, x, (term){0}, "an expression");
}

/* ---- for rules, C, and ops ---- */

fv_value *fv_rule_build(fv_rewriter *w, int n, const fv_capture *captures, const fv_ast *right) {
    env *e = env_new(w, NULL, 0);
    for (int i = 0; i < n; i++) {
        const fv_capture *c = &captures[i];
        add_name(e, c->name,
                 c->value  ? value_term(c->value)
                 : c->attr ? attr_term(e, c->attr)
                           : (term){.kind = VALUES, .n = c->n, .values = c->values});
    }
    return moved(e, right);
}

static term term_of(const env *e, const fv_arg *a) {
    switch (a->kind) {
    case FV_ARG_VALUE: return value_term(a->value);
    case FV_ARG_DIM: return dim_term(a->dim);
    case FV_ARG_INT: return int_term(e, a->i);
    case FV_ARG_FLOAT: return (term){.kind = NUMBER, .number = a->f};
    case FV_ARG_ELEM: return elem_term((fv_elem)a->i);
    case FV_ARG_LIST: return list_term((int)a->i, a->dims);
    }
    return (term){0};
}

void fv_w_call_n(fv_rewriter *w, const char *called, int n, const fv_arg *args, int nout,
                 fv_value **out) {
    env e = {.w = w, .t = w->module->dims};
    term *in = FV_NEW(w->module->arena, term, n + 1), results[FV_MAX_OUT] = {{0}};
    for (int i = 0; i < n; i++)
        in[i] = term_of(&e, &args[i]);
    if (!w->failed)
        call_body(w, called, 0, n, in, nout, results);
    for (int i = 0; i < nout; i++)
        out[i] = is_value(results[i]) ? results[i].value : of_type(&e, NULL, results[i], FV_I64);
}

static void add_attrs(env *e, const fv_op *op) {
    for (int i = 0; i < FV_MAX_ATTRS && op->def->attrs[i].name; i++) {
        const fv_attr_def *d = &op->def->attrs[i];
        const fv_attr *a = fv_op_find_attr(op, d->name);
        term t = {0};
        if (a)
            t = attr_term(e, a);
        else if (d->has_default)
            t = d->kind == FV_ATTR_INT     ? int_term(e, d->i)
                : d->kind == FV_ATTR_FLOAT ? (term){.kind = NUMBER, .number = (double)d->f}
                                           : string_term(d->s ? d->s : "");
        if (!d->until)
            add_name(e, d->name, t);
    }
}

struct fv_build *fv_build_begin(fv_rewriter *w, const fv_op *op, const fv_body *b) {
    env *e = env_new(w, b->name, 0);
    term args[FV_MAX_IN];
    for (int i = 0; i < b->nparams && i < FV_MAX_IN; i++)
        args[i] = value_term(fv_op_in(op, i));
    add_params(e, b, b->nparams, args);
    add_attrs(e, op);
    add_lets(e, b);
    return e;
}

fv_value *fv_build_value(struct fv_build *e, const fv_ast *x, fv_elem of) {
    return of_type(e, x, eval(e, x), of);
}
