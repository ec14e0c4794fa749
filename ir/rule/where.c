/* where.c - the conditions after `where` in rules: their syntax and their evaluation. To add a
 * predicate, add a row to the table below and a line to rule.h. */
#include "ir/rule/parts.h"

#include <math.h>
#include <string.h>

#include "ir/base/limits.h"
#include "ir/base/whole.h"
#include "ir/rule/constant.h"

/* ---- terms: what is compared ---- */

typedef enum { NUMBER, INT_ATTR, DIM, ELEM, LIST } term_kind;
static const char *const kind_names[] = {"a number", "a number", "a dim", "an element type",
                                         "a list of dims"};

typedef struct term {
    term_kind kind;
    double number;
    /* element type of the constant from which the number was read; FV_NO_ELEM: the number is
     * exact */
    fv_elem of;
    fv_elem elem;
    int n;
    const fv_dim *dims[FV_MAX_RANK]; /* the dims of a LIST; a single DIM is dims[0] */
} term;

/* A property such as rank(x) or dim(x, -1): of a value, or of `xs..`, whose name is the first
 * argument. */
static const struct property {
    const char *name;
    int args;
    term_kind kind;
} properties[] = {{"rank", 1, NUMBER}, {"type", 1, ELEM},    {"shape", 1, LIST},
                  {"dim", 2, DIM},     {"uses", 1, NUMBER},  {"count", 1, NUMBER},
                  {"bits", 1, NUMBER}, {"elements", 1, DIM}, {"elements", 2, DIM},
                  {NULL, 0, NUMBER}};

static const struct property *property_of(const fv_ast *x) {
    const struct property *p = properties;
    if (x->kind != FV_AST_CALL)
        return NULL;
    while (p->name && (strcmp(p->name, x->name) != 0 || p->args != x->n))
        p++;
    return p->name ? p : NULL;
}

static bool check_value(const fv_rule_scope *s, const fv_ast *x) {
    const fv_rule_name *k = x->kind == FV_AST_NAME ? fv_rule_find_name(s, x->name) : NULL;
    return (k && !k->is_attr && !k->is_rest) ||
           fv_rule_error(s, x, "expected a value that the pattern captures");
}

static bool check_property(const fv_rule_scope *s, const fv_ast *x) {
    const fv_rule_name *k =
        fv_rule_find_name(s, x->arg[0]->kind == FV_AST_NAME ? x->arg[0]->name : "");
    double axis;
    if (!strcmp(x->name, "count"))
        return (k && k->is_rest) ||
               fv_rule_error(s, x->arg[0],
                             "expected operands that the pattern captures, as xs of Concat(xs..)");
    if (x->n == 2 && !(fv_rule_number(x->arg[1], &axis) && axis >= -FV_MAX_RANK &&
                       axis < FV_MAX_RANK && axis == (double)(int)axis))
        return fv_rule_error(s, x->arg[1], "expected an axis, as 0 or -1");
    return (k && k->is_rest && !strcmp(x->name, "elements")) || check_value(s, x->arg[0]);
}

static bool check_name(const fv_rule_scope *s, const fv_ast *x, term_kind *out) {
    const fv_rule_name *k = fv_rule_find_name(s, x->name);
    fv_elem e;
    if (!k) {
        *out = ELEM;
        return fv_elem_parse(x->name, strlen(x->name), &e) ||
               fv_rule_error(s, x, "'%s' is neither captured nor an element type", x->name);
    }
    bool list = k->is_attr && (k->kind == FV_ATTR_INTS || k->kind == FV_ATTR_DIMS);
    if (k->is_rest)
        return fv_rule_error(s, x,
                             "'%s' stands for operands, and cannot be compared; count(%s) can",
                             x->name, x->name);
    *out = list ? LIST : k->is_attr && k->kind == FV_ATTR_INT ? INT_ATTR : NUMBER;
    return !k->is_attr || list || k->kind == FV_ATTR_INT || k->kind == FV_ATTR_FLOAT ||
           fv_rule_error(s, x, "attribute '%s' cannot be compared", x->name);
}

static bool check_term(const fv_rule_scope *s, const fv_ast *x, term_kind *out);

static bool is_quotient(const fv_ast *x) {
    return x->kind == FV_AST_BINARY && !strcmp(x->name, "/");
}

static bool check_quotient(const fv_rule_scope *s, const fv_ast *x, term_kind *out) {
    term_kind kinds[2];
    for (int i = 0; i < 2; i++)
        if (!check_term(s, x->arg[i], &kinds[i]))
            return false;
        else if (kinds[i] > INT_ATTR)
            return fv_rule_error(s, x->arg[i], "%s cannot be divided", kind_names[kinds[i]]);
    *out = NUMBER;
    return true;
}

static bool check_term(const fv_rule_scope *s, const fv_ast *x, term_kind *out) {
    double v;
    *out = NUMBER;
    if (fv_rule_number(x, &v) && !(x->kind == FV_AST_NAME && fv_rule_find_name(s, x->name)))
        return true;
    if (x->kind == FV_AST_NAME)
        return check_name(s, x, out);
    if (is_quotient(x))
        return check_quotient(s, x, out);
    const struct property *p = property_of(x);
    if (!p)
        return fv_rule_error(s, x,
                             "cannot be compared; expected a name, a number, rank(x), type(x), "
                             "shape(x), dim(x, axis), uses(x) "
                             "or count(xs)");
    *out = p->kind;
    return check_property(s, x);
}

static void list_term(const fv_matcher *m, const fv_attr *a, term *t) {
    t->kind = LIST;
    t->n = a->n < FV_MAX_RANK ? a->n : FV_MAX_RANK;
    for (int i = 0; i < t->n; i++)
        t->dims[i] =
            a->kind == FV_ATTR_DIMS ? a->u.dims[i] : fv_dim_const(m->module->dims, a->u.ints[i]);
}

static bool name_term(const fv_matcher *m, const fv_ast *x, term *t) {
    const fv_capture *k = fv_rule_capture(m, x->name);
    if (!k) {
        t->kind = ELEM;
        return fv_elem_parse(x->name, strlen(x->name), &t->elem);
    }
    if (k->value) {
        t->of = k->value->type->elem;
        return fv_rule_uniform(k->value, &t->number);
    }
    if (k->attr->kind == FV_ATTR_INTS || k->attr->kind == FV_ATTR_DIMS) {
        list_term(m, k->attr, t);
        return k->attr->n <= FV_MAX_RANK;
    }
    t->kind = k->attr->kind == FV_ATTR_INT ? INT_ATTR : NUMBER;
    t->number = t->kind == INT_ATTR ? (double)k->attr->u.i : (double)k->attr->u.f;
    return t->kind == INT_ATTR || k->attr->kind == FV_ATTR_FLOAT;
}

static bool dim_term(const fv_type *type, int axis, term *t) {
    axis += axis < 0 ? type->rank : 0;
    if (axis < 0 || axis >= type->rank)
        return false;
    t->dims[0] = type->dims[axis];
    return true;
}

/* The number of elements of a value, from an axis on; of captured operands, those of the first one,
 * and 1 if there is none. */
static bool elements_term(const fv_matcher *m, const fv_capture *k, int axis, term *t) {
    const fv_type *type = k->value               ? k->value->type
                          : k->n && k->values[0] ? k->values[0]->type
                                                 : NULL;
    if (!type) {
        t->dims[0] = fv_dim_const(m->module->dims, 1);
        return true;
    }
    axis += axis < 0 ? type->rank : 0;
    if (axis < 0 || axis > type->rank)
        return false;
    t->dims[0] = fv_dim_product(m->module->dims, type->rank - axis, type->dims + axis);
    return true;
}

static bool eval_property(const fv_matcher *m, const fv_ast *x, term *t) {
    const fv_capture *k = fv_rule_capture(m, x->arg[0]->name);
    t->kind = property_of(x)->kind;
    if (!strcmp(x->name, "count")) {
        t->number = k->n;
        return true;
    }
    if (!strcmp(x->name, "elements"))
        return elements_term(m, k, x->n == 2 ? (int)fv_rule_value(x->arg[1]) : 0, t);
    const fv_type *type = k->value->type;
    if (!strcmp(x->name, "dim"))
        return dim_term(type, (int)fv_rule_value(x->arg[1]), t);
    t->number = !strcmp(x->name, "rank")   ? type->rank
                : !strcmp(x->name, "bits") ? fv_elem_bits(type->elem)
                                           : k->value->nuses;
    t->elem = type->elem;
    t->n = type->rank;
    for (int i = 0; i < type->rank; i++)
        t->dims[i] = type->dims[i];
    return true;
}

static bool eval_term(const fv_matcher *m, const fv_ast *x, term *t);

static bool eval_quotient(const fv_matcher *m, const fv_ast *x, term *t) {
    term a, b;
    if (!eval_term(m, x->arg[0], &a) || !eval_term(m, x->arg[1], &b))
        return false;
    t->number = a.number / b.number;
    return true;
}

static bool eval_term(const fv_matcher *m, const fv_ast *x, term *t) {
    *t = (term){.kind = NUMBER};
    if (x->kind == FV_AST_NAME && fv_rule_capture(m, x->name))
        return name_term(m, x, t);
    if (fv_rule_number(x, &t->number))
        return true;
    if (x->kind == FV_AST_NAME)
        return name_term(m, x, t);
    if (is_quotient(x))
        return eval_quotient(m, x, t);
    return eval_property(m, x, t);
}

/* ---- comparisons ---- */

static bool is_comparison(const fv_ast *c) {
    static const char *const ops[] = {"==", "!=", "<", "<=", ">", ">=", "~"};
    for (size_t i = 0; i < sizeof ops / sizeof *ops; i++)
        if (c->kind == FV_AST_BINARY && !strcmp(c->name, ops[i]))
            return true;
    return false;
}

static bool check_comparison(const fv_rule_scope *s, const fv_ast *c) {
    term_kind a, b;
    if (!check_term(s, c->arg[0], &a) || !check_term(s, c->arg[1], &b))
        return false;
    bool numbers = a <= DIM && b <= DIM && strcmp(c->name, "~") != 0;
    numbers |= a <= INT_ATTR && b <= INT_ATTR;
    bool elems = (a == ELEM && (b == ELEM || b == INT_ATTR)) || (b == ELEM && a == INT_ATTR);
    if (!numbers && !elems && !(a == LIST && b == LIST))
        return fv_rule_error(s, c, "%s is compared with %s", kind_names[a], kind_names[b]);
    bool equality = !strcmp(c->name, "==") || (elems && !strcmp(c->name, "!="));
    return numbers || equality || fv_rule_error(s, c, "'%s' compares numbers only", c->name);
}

/* Compares numbers. The operator `~` means that they differ by at most FV_ABOUT_ULPS units in the
 * last place. */
static bool compare_numbers(const char *op, const term *a, const term *b) {
    double x = a->number, y = b->number;
    if (!strcmp(op, "~"))
        return fv_rule_is_about(a->of ? a->of : FV_F32, x, y);
    if (!strcmp(op, "==") || !strcmp(op, "!="))
        return ((a->of && fv_rule_rounds_to(a->of, y, x)) ||
                (b->of && fv_rule_rounds_to(b->of, x, y)) || x == y) == (op[0] == '=');
    bool strict = !op[1];
    return op[0] == '<' ? (strict ? x < y : x <= y) : (strict ? x > y : x >= y);
}

static bool equal_lists(const fv_matcher *m, const term *a, const term *b) {
    if (a->n != b->n)
        return false;
    for (int i = 0; i < a->n; i++)
        if (fv_dim_compare(m->module->dims, a->dims[i], b->dims[i]) != FV_DIM_EQUAL)
            return false;
    return true;
}

static const fv_dim *as_dim(const fv_matcher *m, const term *t) {
    if (t->kind == DIM)
        return t->dims[0];
    return fv_is_whole(t->number) ? fv_dim_const(m->module->dims, fv_whole(t->number)) : NULL;
}

/* Compares dims; true only if that is proved for all values of the symbols. */
static bool compare_dims(const fv_matcher *m, const char *op, const term *a, const term *b) {
    const fv_dim *x = as_dim(m, a), *y = as_dim(m, b);
    if (!x || !y)
        return false;
    if (!strcmp(op, "=="))
        return fv_dim_compare(m->module->dims, x, y) == FV_DIM_EQUAL;
    if (!strcmp(op, "!="))
        return fv_dim_compare(m->module->dims, x, y) == FV_DIM_DIFFERENT;
    const fv_dim *more =
        op[0] == '<' ? fv_dim_sub(m->module->dims, y, x) : fv_dim_sub(m->module->dims, x, y);
    return more->lo >= (op[1] ? 0 : 1);
}

/* the number that ONNX gives to the element type of the term */
static double code_of(const term *t) {
    return t->kind == ELEM ? (double)t->elem : t->number;
}

static bool comparison_holds(const fv_matcher *m, const fv_ast *c) {
    term a, b;
    if (!eval_term(m, c->arg[0], &a) || !eval_term(m, c->arg[1], &b))
        return false;
    if (a.kind == LIST)
        return equal_lists(m, &a, &b);
    if (a.kind == DIM || b.kind == DIM)
        return compare_dims(m, c->name, &a, &b);
    if (a.kind == ELEM || b.kind == ELEM)
        return (code_of(&a) == code_of(&b)) == (c->name[0] == '=');
    return compare_numbers(c->name, &a, &b);
}

/* ---- predicates ---- */

typedef struct predicate_args {
    const fv_value *value, *of; /* the first value and the second one; NULL: there is no operand */
    term list;
    double number, most; /* the first number, and the second one */
} predicate_args;

static bool is_const(const predicate_args *a) {
    return a->value->kind == FV_VALUE_CONST;
}
static bool is_scalar(const predicate_args *a) {
    return is_const(a) && a->value->tensor->count == 1;
}
static bool is_used_once(const predicate_args *a) {
    return a->value->nuses == 1;
}
static bool is_int(const predicate_args *a) {
    return fv_elem_is_int(a->value->type->elem);
}
static bool is_float(const predicate_args *a) {
    return fv_elem_is_float(a->value->type->elem);
}
static bool is_last(const predicate_args *a) {
    int64_t axis = a->list.n == 1 ? a->list.dims[0]->value : -2;
    return a->list.n == 1 && fv_dim_is_const(a->list.dims[0]) &&
           (axis == -1 || axis == a->value->type->rank - 1);
}
static bool is_fixed(const predicate_args *a) {
    return fv_rule_is_fixed(a->value);
}
static bool is_between(const predicate_args *a) {
    const fv_tensor *t = fv_rule_elements(a->value);
    bool is = t && fv_elem_is_float(t->elem);
    for (size_t i = 0; is && i < t->count; i++)
        is = fv_tensor_float(t, i) >= a->number && fv_tensor_float(t, i) <= a->most;
    return is;
}
static bool are_powers_of_two(const predicate_args *a) {
    const fv_tensor *t = fv_rule_elements(a->value);
    bool are = t && fv_elem_is_float(t->elem);
    int exponent;
    for (size_t i = 0; are && i < t->count; i++)
        are = frexp(fv_tensor_float(t, i), &exponent) == 0.5;
    return are;
}
static bool is_unsigned(const predicate_args *a) {
    const fv_tensor *t = fv_rule_elements(a->value);
    bool is = t && fv_elem_is_float(t->elem);
    for (size_t i = 0; is && i < t->count; i++)
        is = !signbit(fv_tensor_float(t, i));
    return is;
}
/* Has the value one element, or does it differ only along that axis of the value to which it
 * broadcasts? */
static bool is_along(const predicate_args *a) {
    const fv_type *t = a->value->type;
    int rank = a->of->type->rank, axis = (int)a->number + (a->number < 0 ? rank : 0);
    for (int i = 0; i < t->rank; i++)
        if (!fv_dim_is_one(t->dims[i]) && rank - t->rank + i != axis)
            return false;
    return t->rank <= rank;
}
/* The only element of a constant; NULL: v is something else. */
static const fv_tensor *only_element(const fv_value *v) {
    const fv_tensor *t = fv_rule_elements(v);
    return t && t->count == 1 ? t : NULL;
}
/* Are `value` and `of` the same value, equal constants of one element, or both left out? */
static bool is_same(const predicate_args *a) {
    if (a->value == a->of || !a->value || !a->of)
        return a->value == a->of;
    const fv_tensor *t = only_element(a->value), *u = only_element(a->of);
    return t && u && t->elem == u->elem && !memcmp(t->data, u->data, t->bytes);
}
static bool is_identity(const predicate_args *a) {
    for (int i = 0; i < a->list.n; i++)
        if (!fv_dim_is_const(a->list.dims[i]) || a->list.dims[i]->value != i)
            return false;
    return true;
}
static bool is_all(const predicate_args *a) {
    for (int i = 0; i < a->list.n; i++)
        if (!fv_dim_is_const(a->list.dims[i]) || (double)a->list.dims[i]->value != a->number)
            return false;
    return true;
}

/* args: v a value, o a value or captured operands, l a list attribute, a an attribute that is a
 * number or a list, n a number */
static const struct predicate {
    const char *name, *args;
    bool (*holds)(const predicate_args *a);
} predicates[] = {{"const", "v", is_const},
                  {"scalar", "v", is_scalar},
                  {"once", "v", is_used_once},
                  {"int", "v", is_int},
                  {"float", "v", is_float},
                  {"last", "av", is_last},
                  {"identity", "l", is_identity},
                  {"all", "ln", is_all},
                  {"fixed", "v", is_fixed},
                  {"same", "oo", is_same},
                  {"along", "vvn", is_along},
                  {"between", "vnn", is_between},
                  {"powers_of_two", "v", are_powers_of_two},
                  {"unsigned", "v", is_unsigned},
                  {NULL, NULL, NULL}};

static const struct predicate *find_predicate(const char *name) {
    const struct predicate *p = predicates;
    while (p->name && strcmp(p->name, name))
        p++;
    return p->name ? p : NULL;
}

static bool check_argument(const fv_rule_scope *s, char kind, const fv_ast *x) {
    const fv_rule_name *k = x->kind == FV_AST_NAME ? fv_rule_find_name(s, x->name) : NULL;
    double v;
    if (kind == 'v' || (kind == 'o' && !(k && k->is_rest)))
        return check_value(s, x);
    if (kind == 'o')
        return true;
    if (kind == 'n')
        return fv_rule_number(x, &v) || fv_rule_error(s, x, "expected a number");
    bool list = k && k->is_attr && (k->kind == FV_ATTR_INTS || k->kind == FV_ATTR_DIMS);
    return list || (kind == 'a' && k && k->is_attr && k->kind == FV_ATTR_INT) ||
           fv_rule_error(s, x, "expected a%s attribute that the pattern captures",
                         kind == 'a' ? "n axis" : " list");
}

static bool check_predicate(const fv_rule_scope *s, const fv_ast *c) {
    const struct predicate *p = find_predicate(c->name);
    if (!p)
        return fv_rule_error(s, c, "there is no condition '%s'", c->name);
    int n = (int)strlen(p->args);
    if (c->n != n)
        return fv_rule_error(s, c, "%s has %d arguments here, expected %d", c->name, c->n, n);
    for (int i = 0; i < n; i++)
        if (!check_argument(s, p->args[i], c->arg[i]))
            return false;
    return true;
}

static bool predicate_holds(const fv_matcher *m, const fv_ast *c) {
    const struct predicate *p = find_predicate(c->name);
    predicate_args a = {0};
    int numbers = 0;
    for (int i = 0; i < c->n; i++) {
        const fv_capture *k = p->args[i] == 'n' ? NULL : fv_rule_capture(m, c->arg[i]->name);
        if (!k)
            *(numbers++ ? &a.most : &a.number) = fv_rule_value(c->arg[i]);
        else if (p->args[i] == 'v' || p->args[i] == 'o')
            *(i ? &a.of : &a.value) = k->value ? k->value : k->n ? k->values[0] : NULL;
        else if (k->attr->kind == FV_ATTR_INT) {
            a.list.n = 1;
            a.list.dims[0] = fv_dim_const(m->module->dims, k->attr->u.i);
        } else
            list_term(m, k->attr, &a.list);
    }
    return p->holds(&a);
}

/* ---- conditions ---- */

bool fv_rule_check_condition(const fv_rule_scope *s, const fv_ast *c) {
    if (is_comparison(c))
        return check_comparison(s, c);
    return c->kind == FV_AST_CALL ? check_predicate(s, c)
                                  : fv_rule_error(s, c, "expected a condition");
}

bool fv_rule_holds(const fv_matcher *m, const fv_ast *c) {
    return c->kind == FV_AST_CALL ? predicate_holds(m, c) : comparison_holds(m, c);
}
